"""Another pitch, another speed, another tract for a voice, out of its own periods: TD-PSOLA (Moulines and Charpentier 1990,
doi:10.1016/0167-6393(90)90021-Z). Unlike a vocoder's, the sound within a period is that of the recording.
"""

from dataclasses import dataclass, replace

import numpy as np

from recipes.songs.production import RATE, Mono

PERIOD = 5.0  # ms from row to row of f0
HOP = PERIOD / 1000 * RATE  # the same in samples; also from mark to mark where there is no pitch


@dataclass(frozen=True)
class Grains:
    """A voice cut at its periods; `f0` (Hz, 0 where there is none) and `places` have a row every HOP of what will sound."""

    dry: Mono
    marks: np.ndarray  # samples, ascending
    periods: np.ndarray  # samples, of each mark
    voiced: np.ndarray  # of each mark
    f0: np.ndarray
    places: np.ndarray  # samples of `dry`
    factor: float = 1.0  # of the formants

    def at(self, rows: np.ndarray) -> "Grains":
        """The rows nearest to fractional ones: another speed."""
        near = np.clip(np.rint(rows).astype(int), 0, len(self.f0) - 1)
        return replace(self, f0=self.f0[near], places=self.places[near])

    def tract(self, factor: float) -> "Grains":
        """Formants moved by `factor`."""
        return replace(self, factor=factor)

    def sound(self, f0: np.ndarray) -> Mono:
        """Put together again with another pitch."""
        length, edge = int(len(f0) * HOP), RATE // 40
        sounding = np.zeros(length + 2 * edge, np.float32)
        time, turn = 0.0, 0
        while time < length - 1:
            row = int(time / HOP)
            mark = int(np.searchsorted(self.marks, self.places[row]).clip(0, len(self.marks) - 1))
            own = self.periods[mark]
            goal = RATE / f0[row] if f0[row] > 0 and self.voiced[mark] else own
            if not self.voiced[mark]:  # a noise that is repeated would buzz
                mark = int(np.clip(mark + (turn * 7) % 5 - 2, 0, len(self.marks) - 1))
                turn += 1
            grain = self._grain(mark, own, min(1.5 * own, max(own, goal / 1.5))) * np.float32(np.sqrt(goal / own))
            first = round(time) + edge - len(grain) // 2
            if first >= 0:
                sounding[first : first + len(grain)] += grain[: len(sounding) - first]
            time += goal
        return sounding[edge : edge + length]

    def _grain(self, mark: int, own: float, half: float) -> Mono:
        """A mark's surroundings, faded, with the formants moved."""
        count = max(2, int(half / self.factor))
        offsets = np.arange(-count, count + 1)
        where = np.clip(self.marks[mark] + offsets * self.factor, 0, len(self.dry) - 2)
        before, part = where.astype(int), where % 1
        samples = self.dry[before] * (1 - part) + self.dry[before + 1] * part
        return (samples * (0.5 + 0.5 * np.cos(np.pi * offsets / (count + 1)))).astype(np.float32)


def cut(dry: Mono, f0: np.ndarray) -> Grains:
    """Cut at the highest peak of each period, or where there is no pitch every HOP; f0 has a row for each HOP."""
    signal = dry if np.quantile(dry, 0.999) >= -np.quantile(dry, 0.001) else -dry
    marks, periods, voiced = list[int](), list[float](), list[bool]()
    time, sung = 0.0, False
    while time < len(dry) - 1:
        hertz = f0[min(int(time / HOP), len(f0) - 1)]
        period = RATE / hertz if hertz > 0 else HOP
        if hertz > 0:
            reach = period * (0.2 if sung else 0.5)  # the first of a note may be anywhere
            first = max(0, int(time - reach))
            time = float(first + np.argmax(signal[first : int(time + reach) + 1]))
        sung = hertz > 0
        if not marks or time > marks[-1]:
            marks.append(round(time))
            periods.append(period)
            voiced.append(sung)
            time += period
        else:
            time = marks[-1] + period
    return Grains(dry, np.array(marks), np.array(periods), np.array(voiced), f0, np.arange(len(f0)) * HOP)
