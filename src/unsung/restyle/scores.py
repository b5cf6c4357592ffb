"""The judge of restyled songs: whether it is still this song, and whether it is that style.

No cheap answer may win, so both are asked at once. Content is compared with the input, as a share
of the way from another song (0) to the truth (1), because even the truth is not like its input in
all. Style is a share of the way from the input (0) to the truth (1). `both` is the least of them.
Where there is no truth, 1 is the input itself for content, and other songs of the style for style.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from unsung.errors import UserError
from unsung.restyle.distances import log_spectral_distance, mel_distance, mel_spectral_distance, stft_distance
from unsung.restyle.equaliser import Equaliser, fit_equaliser
from unsung.restyle.features import (
    Content,
    Mono,
    check_length,
    chroma_similarity,
    content,
    melody,
    melody_hit,
    onset_correlation,
    tempo_agreement,
)
from unsung.restyle.mel import Mel
from unsung.restyle.pairs import Examples, Pair, Song, check_numbers
from unsung.restyle.style import Style, Textures, fit_style
from unsung.spectrum import Stft

DISTANCES = ("lsd", "lsd_short", "mel_l1", "stft")  # to the truth: dB, dB, natural logarithms, none
CONTENT = ("chroma", "melody", "onset")  # in common with the input, 1 being all
STYLE = ("margin", "mmd")  # of the classifier, and the squared distance of textures
MEASURES = (*DISTANCES, *CONTENT, "tempo", *STYLE)
SHARES = tuple(f"{name}_share" for name in (*CONTENT, *STYLE))
EXAMPLES = 20  # songs that say how alike two songs are by chance
LEAST = dict.fromkeys((*CONTENT, "margin"), 0.05) | {"mmd": 1e-3}  # ways that are too short to be divided


@dataclass(frozen=True)
class Heard:
    """What is to be known of a recording to judge it."""

    waveform: Mono
    content: Content
    margin: float
    textures: Textures


@dataclass(frozen=True)
class Case:
    """A song to be judged: its two styles, its melody, and what is 0 and 1 on each scale."""

    name: str
    input: Heard
    truth: Heard | None
    equalised: Textures  # of the input through a filter
    notes: Int[np.ndarray, " frame"]
    zero: Mapping[str, float]
    one: Mapping[str, float]


@dataclass(frozen=True)
class Judge:
    """All that was learned from training songs."""

    mel: Mel
    style: Style
    equaliser: Equaliser
    examples: Sequence[Heard]  # some songs in the target style

    def hear(self, waveform: Mono, what: str) -> Heard:
        """Features of a recording. Raises UserError if it is too short or holds no numbers."""
        check_numbers(waveform, what)
        return _heard(waveform, self.style)

    def case(self, song: Song) -> Case:
        """What is the same for all systems."""
        mine = self.hear(song.input, song.name)
        truth = self.hear(song.truth, song.name) if isinstance(song, Pair) else None
        equalised = self.style.textures(self.style.timbre(self.equaliser(song)))
        notes = melody(mine.content, (truth or mine).content)
        chance = [_kept(mine.content, notes, example.content) for example in self.examples]
        zero = {name: float(np.mean([kept[name] for kept in chance])) for name in CONTENT}
        zero |= {"margin": mine.margin, "mmd": min(self.style.distance([each]) for each in (mine.textures, equalised))}
        one, styled = _kept(mine.content, notes, (truth or mine).content), [truth] if truth else self.examples
        one |= {"margin": float(np.mean([each.margin for each in styled]))}
        one |= {"mmd": float(np.mean([self.style.distance([each.textures]) for each in styled]))}
        return Case(song.name, mine, truth, equalised, notes, zero, one)

    def score(self, case: Case, estimate: Heard) -> dict[str, float]:
        """MEASURES, SHARES and `both` of one estimate; without a truth its distances are NaN.

        The distance of textures of a single song is noisy: of many it is taken together, in
        evaluation.py, and a system is judged by that.
        Raises UserError if its length is not that of the song.
        """
        song, mine = case.input.waveform, estimate.waveform
        if len(mine) != len(song):
            raise UserError(f"{case.name}: the estimate has {len(mine)} samples, the song {len(song)}; write it at full length")
        values = self._distances(mine, case.truth.waveform) if case.truth else dict.fromkeys(DISTANCES, np.nan)
        values |= _kept(case.input.content, case.notes, estimate.content)
        values |= {"tempo": tempo_agreement(case.input.content, estimate.content)}
        values |= {"margin": estimate.margin, "mmd": self.style.distance([estimate.textures])}
        shares = {f"{name}_share": share(name, values[name], case.zero[name], case.one[name]) for name in (*CONTENT, *STYLE)}
        return {name: values[name] for name in MEASURES} | shares | {"both": min(shares.values())}

    def _distances(self, estimate: Mono, truth: Mono) -> dict[str, float]:
        stft = self.mel.stft
        short = Stft(stft.n_fft // 4, stft.hop_length // 4)  # shows what Griffin-Lim smears within a longer window
        return {
            "lsd": mel_spectral_distance(estimate, truth, self.mel.sample_rate),
            "lsd_short": log_spectral_distance(estimate, truth, short),
            "mel_l1": mel_distance(estimate, truth, self.mel),
            "stft": stft_distance(estimate, truth),
        }


def fit_judge(train: Examples, mel: Mel, others: Sequence[Mono] = ()) -> Judge:
    """Learn the two styles, the filter between them, and what chance is, from training songs.

    `others` are songs of the target style that are not among them.
    Raises UserError if there is no song, or one is too short.
    """
    if not train.inputs or not train.targets:
        raise UserError("there are no training songs to learn the style from; add some")
    for waveform in (*train.inputs, *train.targets):
        check_length(waveform, mel.sample_rate)
    style = fit_style(train.inputs, train.targets, mel.sample_rate)
    known = others or train.targets
    some = np.linspace(0, len(known) - 1, min(EXAMPLES, len(known))).astype(int)
    return Judge(mel, style, fit_equaliser(train, mel), [_heard(known[one], style) for one in some])


def _heard(waveform: Mono, style: Style) -> Heard:
    timbre = style.timbre(waveform)
    return Heard(waveform, content(waveform, style.sample_rate), style.margin(timbre), style.textures(timbre))


def share(name: str, value: float, zero: float, one: float) -> float:
    """How far `value` is on the way from `zero` to `one`, 0..1.

    If the way is too short to be divided, or leads the wrong way, it is all or nothing. Of the
    distance of textures, less is more.
    """
    if name == "mmd":
        value, zero, one = -value, -zero, -one
    if one - zero < LEAST[name]:
        return float(value >= one)
    return float(np.clip((value - zero) / (one - zero), 0, 1))


def _kept(song: Content, notes: Int[np.ndarray, " frame"], heard: Content) -> dict[str, float]:
    values = chroma_similarity(song, heard), melody_hit(notes, heard), onset_correlation(song, heard)
    return dict(zip(CONTENT, values, strict=True))
