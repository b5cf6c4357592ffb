"""What is told while songs are separated: lines and a bar for a person, JSON for a program."""

import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from unsung.errors import one_line

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of music [{elapsed}<{remaining}]"
BARS = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} songs [{elapsed}<{remaining}]"


@dataclass(frozen=True)
class Outcome:
    """What became of a song."""

    song: Path
    files: Mapping[str, Path] = field(default_factory=dict)
    seconds: float = 0.0
    again: bool = False  # it was finished before
    error: str = ""


class Report:
    """Told while songs are separated, by several threads at once. This one keeps it to itself."""

    def begin(self, device: torch.device, jobs: int) -> None:
        """The work begins."""

    def move(self, song: Path, seconds: float, of: float) -> None:
        """So many seconds of a song are done."""

    def end(self, outcome: Outcome) -> None:
        """A song is done."""

    def close(self) -> None:
        """Nothing more comes."""


class Terminal(Report):
    """A line for each song, and a bar where stderr is a terminal."""

    def __init__(self, model: str, songs: Sequence[Path]) -> None:
        self.model, self.done = model, dict[Path, float]()
        self.one = len(songs) == 1
        name, form = (songs[0].name, BAR) if self.one else ("separate", BARS)
        self.bar = tqdm(total=None if self.one else len(songs), desc=one_line(name), bar_format=form, disable=None, leave=False)

    def begin(self, device: torch.device, jobs: int) -> None:
        """The device in a line."""
        tqdm.write(f"{self.model} on {named(device)}{f', {jobs} jobs' if device.type == 'cpu' and jobs > 1 else ''}")

    def move(self, song: Path, seconds: float, of: float) -> None:
        """Move the bar."""
        if self.one:
            self.bar.total = of
        self.bar.update((seconds - self.done.get(song, 0)) / (1 if self.one else of))
        self.done[song] = seconds

    def end(self, outcome: Outcome) -> None:
        """A line with the files, or with what is wrong."""
        if outcome.error:
            if not self.one:
                tqdm.write(f"unsung: {one_line(outcome.error)}", file=sys.stderr)
        elif outcome.again:
            tqdm.write(f"{outcome.song}: finished before, see {next(iter(outcome.files.values())).parent}")
        else:
            tqdm.write(f"{outcome.song}: {', '.join(map(str, outcome.files.values()))}")

    def close(self) -> None:
        """Remove the bar."""
        self.bar.close()


class Lines(Report):
    """One JSON object a line on stdout, for other programs."""

    def __init__(self, model: str, songs: Sequence[Path]) -> None:
        self.model, self.songs, self.lock = model, len(songs), threading.Lock()
        self.begun, self.told = dict[Path, float](), dict[Path, float]()

    def begin(self, device: torch.device, jobs: int) -> None:
        """Model, device, jobs and the number of songs."""
        self._write(model=self.model, device=str(device), jobs=jobs, songs=self.songs)

    def move(self, song: Path, seconds: float, of: float) -> None:
        """The seconds that are done and left, at most once a second."""
        now = time.monotonic()
        begun = self.begun.setdefault(song, now)
        if now - self.told.get(song, begun) >= 1 and seconds < of:
            self.told[song] = now
            eta = (now - begun) * (of - seconds) / seconds
            self._write(song=str(song), seconds=round(seconds, 2), of=round(of, 2), eta=round(eta, 1))
        self.told.setdefault(song, now)

    def end(self, outcome: Outcome) -> None:
        """The files, or the error."""
        if outcome.error:
            self._write(song=str(outcome.song), error=outcome.error)
        else:
            files = {part: str(path) for part, path in outcome.files.items()}
            self._write(song=str(outcome.song), of=round(outcome.seconds, 2), again=outcome.again, files=files)

    def _write(self, **values: object) -> None:
        with self.lock:
            print(json.dumps(values), flush=True)


def named(device: torch.device) -> str:
    """A device as a person would call it."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
