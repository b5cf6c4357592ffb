"""Scores on real sound that no model was trained on: SDR improvement of the vocals, by set.

    python -m recipes.songs.valid DATA MODEL...

mir1k: clips of MIR-1K's training singers, 0 dB mono mixtures at 16 kHz, the mean over clips. ssvd: solo singers recorded with
telephones over instrumental tracks kept for this, the voice at 0 to -8 dB. songs: two real songs, median over seconds, not an
improvement but the SDR itself. All at the model's sample rate.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from unsung.devices import generators
from unsung.models.separator import Separator
from unsung.scoring import formulas, whole

CLIPS, MOMENTS = 24, 16  # of mir1k and of ssvd
Scene = tuple[str, np.ndarray, np.ndarray]  # its set, vocals and accompaniment (sample, 2)


def scenes(data: Path, rate: int) -> Iterator[Scene]:
    """What is scored."""
    clips = sorted((data / "mir1k" / "train").rglob("*.flac"))
    for file in clips[:: len(clips) // CLIPS][:CLIPS]:
        both = _read(file, rate)
        yield "mir1k", both[:, [1, 1]], both[:, [0, 0]]
    kept = [_read(data / "accompaniments/supertuxkart" / f"{name}.ogg", rate) for name in ("valley", "subsea", "Snowy")]
    moments = sorted((data / "voices_valid" / "ssvd").rglob("*.ogg"))
    for number, file in enumerate(moments[:: len(moments) // MOMENTS][:MOMENTS]):
        voice = np.repeat(_read(file, rate)[: 12 * rate], 2, axis=1)
        song = kept[number % len(kept)]
        start = (number * 7 * rate) % (len(song) - len(voice))
        accompaniment = song[start : start + len(voice)]
        gain = np.sqrt((accompaniment**2).mean() / (voice**2).mean()) * 10 ** (-(number % 5) * 2 / 20)
        yield "ssvd", voice * np.float32(gain), accompaniment
    for folder in sorted((data / "songs_valid").iterdir()):
        files = {file.stem: _read(file, rate) for file in folder.glob("*.flac")}
        yield f"song {folder.name.split()[0]}", files["vocals"], files["mixture"] - files["vocals"]


def _read(file: Path, rate: int) -> np.ndarray:
    found, own = soundfile.read(file, dtype="float32", always_2d=True)
    return soxr.resample(found, own, rate)


@torch.inference_mode()
def scores(separator: Separator, data: Path, known: list[Scene]) -> dict[str, float]:
    """The mean of each set; `known` keeps the scenes from one call to the next."""
    if not known:
        known.extend(scenes(data, separator.config.sample_rate))
    separator.eval()
    found: dict[str, list[float]] = {}
    for number, (name, vocals, accompaniment) in enumerate(known):
        mixture = vocals + accompaniment
        rngs = generators([(0, number)], torch.device("cpu"))
        without = separator.counterfactual(torch.from_numpy(mixture.T.copy())[None], rngs)
        estimate = mixture - without[0, 0].numpy().T
        if name.startswith("song"):
            second = separator.config.sample_rate
            rates = formulas.framewise_sdr(vocals, estimate, second)
            found.setdefault(name, []).append(float(np.median(rates[~formulas.silent(vocals, second)])))
        else:
            found.setdefault(name, []).append(whole.global_sdr(vocals, estimate) - whole.global_sdr(vocals, mixture))
    return {name: float(np.mean(values)) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    args = parser.parse_args()
    for model in args.models:
        print(model, {name: round(value, 2) for name, value in scores(Separator.load(model), args.data, []).items()})


if __name__ == "__main__":
    main()
