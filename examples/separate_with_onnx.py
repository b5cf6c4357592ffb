"""Separate a song with an exported model and onnxruntime, as `unsung separate` does.

    unsung export songs                                   # writes songs.onnx
    python examples/separate_with_onnx.py songs.onnx song.wav out/

It needs numpy, onnxruntime, soundfile and soxr. The stems are those of `unsung separate` but for
rounding (below -80 dB). Windows of 8 s overlap by 2 s and fade into each other.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import soxr

WINDOW, OVERLAP = 8.0, 0.25  # seconds, share of a window


def stems(session: onnxruntime.InferenceSession, song: np.ndarray, channels: int, rate: int) -> np.ndarray:
    """The stems (target, sample, channel) of a song (sample, channel), both at the model's rate."""
    window = round(WINDOW * rate)
    overlap = round(window * OVERLAP)
    hop, rise = window - overlap, (np.arange(overlap) + 0.5) / overlap
    found = None
    for start in range(0, max(1, len(song) - overlap), hop):
        piece = song[start : start + window]
        length, last = len(piece), start + window >= len(song)
        piece = np.pad(piece, ((0, window - length), (0, 0))).T  # (channel, sample)
        fits = len(piece) == channels  # if not, each channel is separated as all channels of the model
        items = piece[None] if fits else np.repeat(piece[:, None], channels, axis=1)
        gone = np.concatenate([session.run(None, {"mixture": item[None].astype(np.float32)})[0] for item in items])
        stem = items[:, None] - gone  # (item, target, channel, sample)
        stem = stem[0] if fits else stem.mean(2).transpose(1, 0, 2)
        fade = np.ones(window)
        if start:
            fade[:overlap] = rise
        if not last:
            fade[-overlap:] = rise[::-1]
        if found is None:
            found = np.zeros((stem.shape[0], len(song), stem.shape[1]))
        found[:, start : start + length] += (stem * fade).transpose(0, 2, 1)[:, :length]
    return found


def main(model: str, path: str, out: str) -> None:
    """Separate the song at `path` into WAV files in the folder `out`."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    rate, channels = int(facts["sample_rate"]), int(facts["channels"])
    song, own = soundfile.read(path, dtype="float32", always_2d=True)
    found = stems(session, soxr.resample(song, own, rate, quality="HQ"), channels, rate)
    Path(out).mkdir(parents=True, exist_ok=True)
    rest = song.copy()
    for name, stem in zip(json.loads(facts["targets"]), found, strict=True):
        stem = soxr.resample(stem.astype(np.float32), rate, own, quality="HQ")[: len(song)]
        stem = np.pad(stem, ((0, len(song) - len(stem)), (0, 0)))
        rest -= stem
        soundfile.write(Path(out, f"{name}.wav"), stem, own, subtype="FLOAT")
    if facts["covers_song"] == "false":
        soundfile.write(Path(out, "accompaniment.wav"), rest, own, subtype="FLOAT")


if __name__ == "__main__":
    main(*sys.argv[1:])
