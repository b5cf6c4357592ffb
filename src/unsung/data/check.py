"""`unsung check`: the faults of a dataset in one table, before any work.

Each recording is read once, all files of a track side by side and in blocks. What one track shows
is judged there. What only the whole dataset shows, such as a song in two splits, is judged from a
few hundred numbers of each stem (fingerprints.py); where two stems seem to be one, both are read
again and compared. docs/data.md has the limits.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, cast

import av
import numpy as np
import pandas as pd
import soundfile

from unsung import audio, parallel
from unsung.audio import Samples
from unsung.config import registry
from unsung.config.params import load_params
from unsung.config.schema import MIX, Compute, Params
from unsung.config.section import Section, validate
from unsung.containers import inspect
from unsung.data.fingerprints import RATE, Fingerprint, Fingerprinter, are_one, candidates
from unsung.data.providers.base import Limited, Provider
from unsung.data.providers.layout import limited
from unsung.data.tracks import SPLITS, Recording, Source, fault_of_names, in_short
from unsung.errors import UserError

Place = tuple[Path, int]  # a file and its stream
Kind = Literal[
    "dataset", "refused", "unreadable", "rate", "channels", "length", "silent", "clipped", "equal", "residual", "duplicate"
]
COLUMNS = ("track", "split", "stem", "fault", "what_to_do")
SILENT = 10 ** (-60 / 20)  # a stem whose peak stays below is silent: no dither or hum is a voice
FULL = 1 - 2**-14  # of the highest 16-bit sample, or the one below
RUN = 3  # samples at full scale in a row that count as clipped
EQUAL = 0.01  # share of a signal's energy that another one leaves, if the two are the same: -20 dB
LOUDEST, EXACT, NEARLY_EXACT, NEARLY_ALL = -10.0, -60.0, -20.0, 0.9  # dB, dB, dB; a share of the tracks
LOSSLESS = {".wav", ".flac", ".aif", ".aiff"}
LEAST = 1e-15  # of a share of energy, so that it has decibels
TARGETS = {"slakh2100": ("bass",)}  # of datasets without vocals
EXCERPTS = {"musdb18_7s"}  # in which any stem may rest throughout
SETTINGS: Mapping[str, Mapping[str, Any]] = {  # where there is no params.yaml: as it comes
    "folder": {"valid": 0.1, "test": 0.2},
    "musdb18hq": {"limit": 0},
    "musdb18": {"limit": 0},
    "musdb18_7s": {"limit": 0},
    "moisesdb": {"stems": ("vocals", "bass", "drums"), "bleed": True, "valid": 0.1, "test": 0.2, "limit": 0},
    "slakh2100": {"stems": ("bass", "drums", "guitar", "piano"), "limit": 0},
    "mir1k": {"limit": 0},
    "pools": {},
}


@dataclass(frozen=True)
class Limits:
    """What is no fault yet."""

    clipped: float = 0.1  # percent of a channel's samples
    residual: float | None = None  # dB, mixture minus stems; none: LOUDEST, or `residual_limit`
    may_be_silent: tuple[str, ...] = ()  # stems that may be silent throughout a track


@dataclass(frozen=True)
class Fault:
    """A row of the table."""

    track: str
    split: str
    stem: str
    kind: Kind
    fault: str
    what_to_do: str


@dataclass(frozen=True)
class Checked:
    """What was found in a dataset."""

    root: Path
    provider: str
    tracks: int
    seconds: float
    faults: list[Fault]
    residuals: dict[str, float]  # mixture minus stems of each track that has both, dB of the mixture

    def table(self) -> pd.DataFrame:
        """A row for each fault, with the columns of COLUMNS."""
        rows = [[getattr(fault, column) for column in COLUMNS] for fault in self.faults]
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)  # pandas' strings cannot hold every name

    def summary(self) -> list[str]:
        """How much was read, and how far the stems are from their mixtures."""
        bad = len({fault.track for fault in self.faults if fault.track})
        found = (_count(len(self.faults), "fault") if self.faults else "no faults") + (f" in {_count(bad, 'track')}" if bad else "")
        lines = [f"{_count(self.tracks, 'track')}, {self.seconds / 3600:.2f} hours, {found}"]
        if self.residuals:
            worst = max(self.residuals, key=lambda name: self.residuals[name])
            median = float(np.median(list(self.residuals.values())))
            lines.append(f"mixture minus stems: median {median:.1f} dB, highest {self.residuals[worst]:.1f} dB ({worst})")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "root": str(self.root),
            "provider": self.provider,
            "tracks": self.tracks,
            "hours": self.seconds / 3600,
            "faults": [vars(fault) for fault in self.faults],
            "mixture_minus_stems_dB": self.residuals,
        }


@dataclass(frozen=True)
class Examined:
    """What a track shows by itself."""

    seconds: float = 0.0
    faults: tuple[Fault, ...] = ()
    residual: float | None = None  # dB
    lossless: bool = False  # whether no codec adds to it
    advice: str = ""  # what to do if it is too high
    stems: dict[str, Fingerprint] = field(default_factory=dict)  # those that sound and are whole


def check(root: Path, provider: str, targets: Sequence[str], compute: Compute, limits: Limits) -> Checked:
    """Read every recording below `root` and name the faults.

    Without a provider or targets it takes those of params.yaml in this folder, if there is one.

    Raises:
        UserError: there is no such folder or provider, or no track in it.
    """
    params = load_params() if Path("params.yaml").exists() else None
    name = provider or _provider(root, params)
    if name not in SETTINGS:
        raise UserError(f"there is no provider {name} to check; choose {', '.join(SETTINGS)}")
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the folder of your tracks")
    recordings = _recordings(root, name, params, targets)
    if not recordings:
        raise UserError(f"{root} holds no tracks; a track is a folder of stems, see docs/data.md")
    wanted = _targets(name, params, targets)
    work = partial(examine, targets=wanted, limits=limits, excerpts=name in EXCERPTS)
    examined = parallel.over(work, recordings, compute, desc="check")
    faults = {i: list(one.faults) for i, one in enumerate(examined)}
    doubles = duplicates(recordings, [one.stems for one in examined], compute)
    residuals = {i: one.residual for i, one in enumerate(examined) if one.residual is not None}
    strict = residual_limit(list(residuals.values()))
    for i, value in residuals.items():
        highest = limits.residual if limits.residual is not None else strict if examined[i].lossless else LOUDEST
        partly = i in doubles and not doubles[i][1]  # a stem of another song: nothing can add up
        if value > highest and not partly and not faults[i]:  # else what is found already is why, or may be
            said = f"mixture minus stems is {value:.1f} dB of the mixture, above {highest:.0f} dB"
            faults[i].append(_fault(recordings[i], "", "residual", said, examined[i].advice))
    for i, (fault, _) in doubles.items():
        faults[i].append(fault)
    every = [fault for some in faults.values() for fault in some]
    seconds = sum(one.seconds for one in examined)
    shown = {recordings[i].name: round(value, 2) for i, value in residuals.items()}
    return Checked(root, name, len(recordings), seconds, [*every, *_of_all(recordings, params)], shown)


def _provider(root: Path, params: Params | None) -> str:
    """The provider of params.yaml, or of the part of its mix that lies in `root`; else folder."""
    if params is None:
        return "folder"
    parts = {name: Path(place).expanduser() for name, place in params.data.parts.items()}
    own = next((name for name, place in parts.items() if place.resolve() == root.resolve()), params.data.provider)
    return own if own in SETTINGS else "folder"


def _targets(provider: str, params: Params | None, targets: Sequence[str]) -> tuple[str, ...]:
    own = params.model.targets if params else ("vocals",)
    other = params is None or provider not in (params.data.provider, *params.data.parts)
    return tuple(targets) or (TARGETS.get(provider, own) if other else own)


def _recordings(root: Path, provider: str, params: Params | None, targets: Sequence[str]) -> list[Recording]:
    """What a run would take; nothing is downloaded."""
    module = registry.module(registry.PROVIDERS, provider)
    own: Section = getattr(params.providers, provider) if params else validate(module.Settings, SETTINGS[provider], provider)
    found = cast(Provider, module).tracks(root, own, _targets(provider, params, targets))
    return list(limited(found, own.limit if isinstance(own, Limited) else 0))


def _of_all(recordings: Sequence[Recording], params: Params | None) -> Iterator[Fault]:
    """What is wrong with the dataset, and with no track of it; a part of a mix may lack a split."""
    for name, count in Counter(recording.name for recording in recordings if not recording.fault).items():
        if count > 1:
            yield Fault(name, "", "", "dataset", f"{count} tracks have this name", "rename all but one")
    present = {recording.split for recording in recordings}
    if params is None or params.data.provider != MIX:
        for split in (split for split in SPLITS if split not in present):
            yield Fault("", split, "", "dataset", f"there is no {split} track", "add one, or change how the splits are made")


def residual_limit(residuals: Sequence[float]) -> float:
    """How high mixture minus stems may be in dB; lower where nearly all tracks add up exactly."""
    exact = sum(value <= EXACT for value in residuals)
    return NEARLY_EXACT if exact >= NEARLY_ALL * len(residuals) else LOUDEST


def _fault(recording: Recording, stem: str, kind: Kind, fault: str, what_to_do: str) -> Fault:
    return Fault(recording.name, recording.split, stem, kind, fault, what_to_do)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# One track


class _File:
    """An audio stream of a file, and what is seen of it while it is read."""

    def __init__(self, path: Path, stream: int) -> None:
        self.path, self.stream = path, stream
        self.sample_rate, self.channels, self.frames = 0, 0, 0
        self.fault, self.what_to_do, self.empty = "", "", False  # why it cannot be read
        self.ended = True  # not so: an Ogg file that has no end-of-stream flag
        self._clipped = np.zeros(0, np.int64)  # samples of each channel

    @property
    def clipped(self) -> float:
        """Percent of the samples of its worst channel."""
        return 100 * int(self._clipped.max(initial=0)) / max(1, self.frames)

    def blocks(self) -> Iterator[Samples]:
        """Its samples, up to what cannot be read."""
        try:
            self.ended = inspect(self.path).ended
            for block in audio.rebatched(audio.blocks(self.path, stream=self.stream)):
                if not self.frames:
                    self.sample_rate = _sample_rate(self.path, self.stream)
                    self.channels, self._clipped = block.shape[1], np.zeros(block.shape[1], np.int64)
                self.frames += len(block)
                self._clipped += clipped(block)
                yield block
            if not self.frames:
                self.fault, self.what_to_do, self.empty = f"{self.path.name} is empty", "export it again", True
        except (UserError, OSError) as error:
            self.fault = in_short(error, self.path)
            self.what_to_do = str(error).rpartition("; ")[2] if "; " in str(error) else "mend the file, or get it anew"
            if self.frames and "NaN" in self.fault:
                self.fault += f", after {self.frames / self.sample_rate:.1f} s"


def _sample_rate(path: Path, stream: int) -> int:
    """From the header alone: audio.facts decodes all of a file that does not state its length."""
    if not stream:
        try:
            with soundfile.SoundFile(os.fsencode(path)) as file:
                return int(file.samplerate)
        except (soundfile.LibsndfileError, TypeError):
            pass  # what libsndfile cannot read, FFmpeg may
    try:
        with path.open("rb") as opened, av.open(opened) as container:
            return int(container.streams.audio[stream].codec_context.sample_rate)
    except (av.FFmpegError, ValueError, IndexError):
        return 0  # reading its samples says what is wrong


def clipped(block: Samples) -> np.ndarray:
    """How many samples of each channel are in runs of RUN or more at full scale, of one sign."""
    counts = np.zeros(block.shape[1], np.int64)
    for sign in (1, -1):
        values = sign * block
        if values.max(initial=0) < FULL or len(values) < RUN:
            continue
        full: np.ndarray = (values >= FULL) & (values <= 1)  # beyond it nothing was cut off
        runs = np.asarray(np.lib.stride_tricks.sliding_window_view(full, RUN, axis=0).all(axis=-1))
        inside = np.zeros_like(full)
        for shift in range(RUN):
            inside[shift : shift + len(runs)] |= runs
        counts += inside.sum(axis=0)
    return counts


class _Stems:
    """What is heard of the stems of a track: peaks, energies, products of any two, fingerprints."""

    def __init__(self, recording: Recording) -> None:
        self.sources = {stem: sources for stem, sources in recording.stems.items() if sources}
        self.names = list(self.sources)
        self.added = [stem for stem in self.names if stem != "mixture"]  # up to the mixture
        self.has_rest = bool({"accompaniment", "other"} & recording.stems.keys())  # else it is what the mixture leaves
        self.peaks = dict.fromkeys(self.names, 0.0)
        self.fingerprints = {stem: Fingerprinter() for stem in self.names}
        self.products = np.zeros((len(self.names), len(self.names)))
        self.left = 0.0  # energy of mixture minus stems
        self.channels = 0

    def add(self, heard: Mapping[Place, Samples], rates: Mapping[Place, int]) -> None:
        """Take the next block of each file that has not ended, and their sample rates."""
        counts = {
            1 if source.channel is not None else heard[source.path, source.stream].shape[1]
            for sources in self.sources.values()
            for source in sources
            if (source.path, source.stream) in heard
        }
        self.channels = self.channels or (counts.pop() if len(counts) == 1 else 1)
        length = max(map(len, heard.values()))
        blocks = np.stack([_added(sources, heard, length, self.channels) for sources in self.sources.values()])
        flat = blocks.reshape(len(blocks), -1)
        self.products += flat @ flat.T
        if "mixture" in self.names:
            rest = flat[self.names.index("mixture")] - flat[[stem in self.added for stem in self.names]].sum(axis=0)
            self.left += float(np.square(rest, dtype=np.float64).sum())
        for stem, block in zip(self.names, blocks, strict=True):
            self.peaks[stem] = max(self.peaks[stem], float(np.abs(block).max(initial=0)))
            if own := [rates[place] for source in self.sources[stem] if (place := (source.path, source.stream)) in rates]:
                self.fingerprints[stem].add(block.mean(axis=1), own[0])

    def residual(self) -> float:
        """Mixture minus stems, in dB of the mixture."""
        place = self.names.index("mixture")
        return float(10 * np.log10(max(self.left / self.products[place, place], LEAST)))

    def advice(self) -> str:
        """What to do where the stems do not add up to the mixture."""
        if self.unexplained(["mixture"], self.added) > EQUAL:
            return "look for a stem that is missing, shifted in time, or of another song"
        mixture, stems = self._weights(["mixture"]), self._weights(self.added)
        level = abs(mixture @ self.products @ stems) / (stems @ self.products @ stems)
        return f"the mixture is {20 * np.log10(level):+.1f} dB against its stems; export them at one level"

    def unexplained(self, one: Sequence[str], other: Sequence[str]) -> float:
        """Share of the energy of a sum of stems that another sum leaves, at its best level."""
        a, b = self._weights(one), self._weights(other)
        energy = (a @ self.products @ a) * (b @ self.products @ b)
        return 1.0 if energy <= 0 else max(LEAST, 1 - (a @ self.products @ b) ** 2 / energy)

    def _weights(self, some: Sequence[str]) -> np.ndarray:
        return np.array([float(stem in some) for stem in self.names])


def examine(recording: Recording, targets: Sequence[str], limits: Limits, excerpts: bool = False) -> Examined:
    """Read a recording once, in blocks, and judge what can be judged without the others.

    Of `excerpts` any stem may be silent.
    """
    if fault := recording.fault or fault_of_names(recording):
        return Examined(faults=(_fault(recording, "", "refused", fault, "mend it, or remove the track"),))
    places = dict.fromkeys((source.path, source.stream) for sources in recording.stems.values() for source in sources)
    if not places:
        return Examined(faults=(_fault(recording, "", "refused", "it has no files", "remove the track"),))
    files = {place: _File(*place) for place in places}
    stems = _Stems(recording)
    for together in zip_longest(*(file.blocks() for file in files.values())):
        heard = {place: block for place, block in zip(files, together, strict=True) if block is not None}
        stems.add(heard, {place: files[place].sample_rate for place in heard})
    faults = _of_files(recording, files, limits)
    broken = {stem for fault in faults if fault.kind in ("unreadable", "rate") for stem in fault.stem.split(", ")}
    sound = [stem for stem in stems.names if stem not in broken and stems.peaks[stem] >= SILENT]
    residual, advice = (stems.residual(), stems.advice()) if "mixture" in sound and stems.has_rest and not broken else (None, "")
    adds_up = residual is not None and residual <= LOUDEST
    may_rest = set(limits.may_be_silent) | ({*stems.names} - {*targets, "mixture", "accompaniment"} if adds_up else set())
    for stem in (stem for stem in stems.names if stem not in {*broken, *sound, *may_rest} and not excerpts):
        faults.append(_fault(recording, stem, "silent", "silent throughout", "export it again, or remove the track"))
    faults += _equal(recording, stems, sound)
    seconds = max(file.frames / max(1, file.sample_rate) for file in files.values())
    lossless = all(file.path.suffix.lower() in LOSSLESS for file in files.values())
    prints = {stem: stems.fingerprints[stem].result() for stem in sound}
    return Examined(seconds, tuple(faults), residual, lossless, advice, prints)


def _added(sources: Sequence[Source], heard: Mapping[Place, Samples], length: int, channels: int) -> Samples:
    """The sum of the sources of a stem in this block; silence where they have ended."""
    total = np.zeros((length, channels), np.float32)
    for source in sources:
        block = heard.get((source.path, source.stream))
        if block is not None and (source.channel is None or source.channel < block.shape[1]):
            own = block if source.channel is None else block[:, source.channel : source.channel + 1]
            mixed = own if own.shape[1] in (1, channels) else own.mean(axis=1, keepdims=True)
            total[: len(block)] += mixed if mixed.shape[1] in (1, channels) else 0
    return total


def _of_files(recording: Recording, files: Mapping[Place, _File], limits: Limits) -> list[Fault]:
    """The faults of files, alone and together; one row for stems with the same fault."""
    rows: dict[tuple[Kind, str, str], list[str]] = {}
    whole = [file for file in files.values() if not file.fault]
    rates, counts = (
        Counter(getattr(file, key) for file in whole).most_common(1)[0][0] if whole else 0 for key in ("sample_rate", "channels")
    )
    longest = max((file.frames for file in whole if file.sample_rate == rates), default=0)

    def row(stem: str, kind: Kind, fault: str, what_to_do: str) -> None:
        stems = rows.setdefault((kind, fault, what_to_do), [])
        if stem not in stems:
            stems.append(stem)

    for stem, source in ((stem, source) for stem, sources in recording.stems.items() for source in sources):
        file = files[source.path, source.stream]
        name, missing = file.path.name, longest - file.frames
        if file.fault:
            if not (recording.ragged and file.empty):
                row(stem, "unreadable", file.fault, file.what_to_do)
            continue
        if source.channel is not None and source.channel >= file.channels:
            row(stem, "unreadable", f"{name} has {file.channels} channel, not {source.channel + 1}", "get it anew")
        if not file.ended:
            row(stem, "length", f"{name} has no end-of-stream flag, it may be cut short", "get the file anew")
        if file.sample_rate != rates:
            row(
                stem, "rate", f"{name} has {file.sample_rate} Hz, the others have {rates} Hz", "export all stems at one sample rate"
            )
        elif missing and not recording.ragged:
            late = f"{missing / rates:.2f} s" if missing >= 0.01 * rates else f"{missing} samples"
            row(stem, "length", f"{name} ends {late} before the others", "export all stems at full length")
        if file.channels != counts and not recording.ragged:
            said = f"{name} has {_count(file.channels, 'channel')}, the others have {counts}"
            row(stem, "channels", said, "export all stems with one channel count")
        if file.clipped > limits.clipped:
            said = f"{name} is clipped: {file.clipped:.2g} % of its samples are in runs of {RUN} or more at full scale"
            row(stem, "clipped", said, "export it at a lower level")
    return [_fault(recording, ", ".join(stems), *key) for key, stems in rows.items()]


def _equal(recording: Recording, stems: _Stems, sound: Sequence[str]) -> Iterator[Fault]:
    """Stems that are another stem of their track, or its mixture; their level does not matter.

    A stem that plays alone is its mixture, too. Then the sum of all stems is so no less.
    """
    apart = [stem for stem in sound if stem != "mixture"]
    for i, stem in enumerate(apart):
        if other := next((one for one in apart[:i] if stems.unexplained([stem], [one]) <= EQUAL), ""):
            yield _fault(recording, stem, "equal", f"it is the same as {other}", "export it again")
            continue
        left = stems.unexplained(["mixture"], [stem]) if "mixture" in sound else 1.0
        if left <= EQUAL and not (stems.has_rest and left >= stems.unexplained(["mixture"], stems.added) / 4):
            yield _fault(recording, stem, "equal", "it is the same as the mixture", "export it again")


# All tracks


def duplicates(
    recordings: Sequence[Recording], stems: Sequence[Mapping[str, Fingerprint]], compute: Compute
) -> dict[int, tuple[Fault, bool]]:
    """The tracks that are another one, or share a stem with it; and whether all stems are its.

    Format, level, sample rate and start do not matter. Within a split, two tracks may have one band
    that plays for two singers: they are named if all stems are alike, or if the samples of a stem
    are the same. Of two tracks the one is named that is later in the order of splits.
    """
    order = sorted(range(len(recordings)), key=lambda i: SPLITS.index(recordings[i].split))
    place = {i: position for position, i in enumerate(order)}
    twins: dict[int, dict[int, set[str]]] = {}  # of a track, each earlier one and the stems that are its
    identical = set[tuple[int, int]]()
    for (i, stem), (j, other), same_samples in _same_stems(recordings, stems, compute):
        (earlier, _), (later, name) = sorted([(i, stem), (j, other)], key=lambda one: place[one[0]])
        twins.setdefault(later, {}).setdefault(earlier, set()).add(name)
        identical |= {(earlier, later)} if same_samples else set()
    faults = {}
    for later in sorted(twins):
        split, sounding = recordings[later].split, stems[later].keys() - {"mixture"}
        for earlier in sorted(twins[later], key=lambda i: (recordings[i].split == split, place[i])):
            own, across = twins[later][earlier], recordings[earlier].split != split
            whole = own >= sounding
            if across or whole or (earlier, later) in identical:
                said = f"the same recording as {recordings[earlier].name} ({recordings[earlier].split})"
                what = "keep it in one split only" if across else "remove one of the two" if whole else "export it again"
                named = "" if whole else ", ".join(stem for stem in stems[later] if stem in own)
                faults[later] = _fault(recordings[later], named, "duplicate", said, what), whole
                break
    return faults


def _same_stems(
    recordings: Sequence[Recording], stems: Sequence[Mapping[str, Fingerprint]], compute: Compute
) -> Iterator[tuple[tuple[int, str], tuple[int, str], bool]]:
    """Stems of two tracks that are one recording, and whether their samples are the same."""
    every = [(i, stem) for i, some in enumerate(stems) for stem in some]
    prints = [stems[i][stem] for i, stem in every]
    first: dict[tuple[bytes, str], int] = {}  # of those with the same samples, in each split
    exact = set[tuple[int, int]]()
    for number, (i, _) in enumerate(every):
        digest = prints[number].digest
        before = [first[digest, split] for split in SPLITS if (digest, split) in first]
        exact |= {(one, number) for one in before if every[one][0] != i}
        first.setdefault((digest, recordings[i].split), number)
    sources = [recordings[i].stems[stem] for i, stem in every]
    likely = {(one, other): late for one, other, late in candidates(prints, [i for i, _ in every])}
    alike = _judged({pair: late for pair, late in likely.items() if pair not in exact}, sources, compute)
    number_of = {place: number for number, place in enumerate(every)}
    beside = {  # stems of tracks that share another one: they have too few moments, or it is all of the track
        (number_of[i, stem], number_of[j, stem]): late
        for (one, other), late in alike.items()
        for i, j in [(every[one][0], every[other][0])]
        for stem in stems[i].keys() & stems[j].keys()
    }
    alike |= _judged({pair: late for pair, late in beside.items() if pair not in exact and pair not in alike}, sources, compute)
    for one, other in sorted(exact | alike.keys()):
        yield every[one], every[other], (one, other) in exact


def _judged(
    pairs: Mapping[tuple[int, int], float], sources: Sequence[tuple[Source, ...]], compute: Compute
) -> dict[tuple[int, int], float]:
    """Those of the pairs of stems that are one recording, the first being late by some seconds."""
    jobs = [(sources[one], sources[other], late) for (one, other), late in pairs.items()]
    judged = parallel.over(_are_one, jobs, compute, desc="compare") if jobs else []
    return {pair: late for (pair, late), is_one in zip(pairs.items(), judged, strict=True) if is_one}


def _are_one(job: tuple[tuple[Source, ...], tuple[Source, ...], float]) -> bool:
    """Read two stems again, of which the first is late by some seconds, and compare them."""
    one, other, late = job
    return are_one(_slow(one), _slow(other), late)


def _slow(sources: Sequence[Source]) -> Iterator[Samples]:
    """A stem at the sample rate of fingerprints, mono."""
    rate = max(_sample_rate(source.path, source.stream) for source in sources)
    return audio.resampled(_mono(sources), rate, RATE)


def _mono(sources: Sequence[Source]) -> Iterator[Samples]:
    """The sum of some sources, mixed down to one channel."""
    for together in zip_longest(*(audio.rebatched(source.blocks(1)) for source in sources)):
        blocks = [block for block in together if block is not None]
        total = np.zeros((max(map(len, blocks)), 1), np.float32)
        for block in blocks:
            total[: len(block)] += block
        yield total
