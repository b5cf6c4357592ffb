"""Stem files as MUSDB18 has them, made from any audio."""

from pathlib import Path

import av
import numpy as np


def write_stem_file(path: Path, stems: dict[str, np.ndarray], rate: int = 44_100) -> Path:
    """An mp4 with an AAC stream for mixture, drums, bass, other and vocals, (sample, channel)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        order = ("mixture", "drums", "bass", "other", "vocals")
        streams = [container.add_stream("aac", rate=rate, layout="stereo", bit_rate=256_000) for _ in order]
        for name, stream in zip(order, streams, strict=True):
            samples = np.ascontiguousarray(stems[name].T.astype(np.float32))
            for start in range(0, samples.shape[1], 1024):
                piece = np.ascontiguousarray(samples[:, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = rate, start
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
    return path
