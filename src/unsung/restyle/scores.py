"""The judge of restyled songs: whether it is still this song, and whether it is that style.

No cheap answer may win, so both are asked at once. Content is compared with the input, as a share
of the way from another song (0) to the truth (1), because even the truth is not like its input in
all. Style is a share of the way from the input (0) to the truth (1). `both` is the least of them.
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
from unsung.restyle.pairs import Pair, check_numbers
from unsung.restyle.style import Style, Textures, fit_style
from unsung.spectrum import Stft

DISTANCES = ("lsd", "lsd_short", "mel_l1", "stft")  # to the truth: dB, dB, natural logarithms, none
CONTENT = ("chroma", "melody", "onset")  # in common with the input, 1 being all
STYLE = ("margin", "mmd")  # of the classifier, and the squared distance of textures
MEASURES = (*DISTANCES, *CONTENT, "tempo", *STYLE)
SHARES = tuple(f"{name}_share" for name in (*CONTENT, *STYLE))
OTHERS = 20  # training targets that say how alike two songs are by chance
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
    truth: Heard
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
    others: Sequence[Content]  # of other songs in the target style

    def hear(self, waveform: Mono, what: str) -> Heard:
        """Features of a recording. Raises UserError if it is too short or holds no numbers."""
        check_numbers(waveform, what)
        heard = self.style.timbre(waveform)
        return Heard(waveform, content(waveform, self.mel.sample_rate), self.style.margin(heard), self.style.textures(heard))

    def case(self, pair: Pair) -> Case:
        """What is the same for all systems."""
        song, truth = self.hear(pair.input, pair.name), self.hear(pair.truth, pair.name)
        equalised = self.style.textures(self.style.timbre(self.equaliser(pair)))
        notes = melody(song.content, truth.content)
        chance = [_kept(song.content, notes, other) for other in self.others]
        zero = {name: float(np.mean([kept[name] for kept in chance])) for name in CONTENT}
        one = _kept(song.content, notes, truth.content) | {"margin": truth.margin, "mmd": self.style.distance([truth.textures])}
        zero |= {"margin": song.margin, "mmd": min(self.style.distance([each]) for each in (song.textures, equalised))}
        return Case(pair.name, song, truth, equalised, notes, zero, one)

    def score(self, case: Case, estimate: Heard) -> dict[str, float]:
        """MEASURES, SHARES and `both` of one estimate.

        The distance of textures of a single song is noisy: of many it is taken together, in
        evaluation.py, and a system is judged by that.
        Raises UserError if its length is not that of the song.
        """
        truth, mine = case.truth.waveform, estimate.waveform
        if len(mine) != len(truth):
            raise UserError(f"{case.name}: the estimate has {len(mine)} samples, the truth {len(truth)}; write it at full length")
        values = self._distances(mine, truth) | _kept(case.input.content, case.notes, estimate.content)
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


def fit_judge(train: Sequence[Pair], mel: Mel) -> Judge:
    """Learn the two styles, the filter between them, and what chance is, from training songs.

    Raises UserError if there is no song, or one is too short.
    """
    if not train:
        raise UserError("there are no training songs to learn the style from; add some pairs")
    for pair in train:
        check_length(pair.input, mel.sample_rate)
    style = fit_style([pair.input for pair in train], [pair.truth for pair in train], mel.sample_rate)
    some = np.linspace(0, len(train) - 1, min(OTHERS, len(train))).astype(int)
    return Judge(mel, style, fit_equaliser(train, mel), [content(train[one].truth, mel.sample_rate) for one in some])


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
