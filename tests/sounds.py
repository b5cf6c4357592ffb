"""Audio files of every kind for the tests, whole and broken."""

import struct
from pathlib import Path

import av
import numpy as np
import soundfile

from unsung.audio import Samples

WITH_SOUNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "rf64": ("RF64", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
WITH_FFMPEG = {
    "m4a": ("aac", "ipod", {}),
    "fast.m4a": ("aac", "ipod", {"movflags": "+faststart"}),
    "fragments.mp4": ("aac", "mp4", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "300000"}),
    "webm": ("libopus", "webm", {}),
    "live.webm": ("libopus", "webm", {"live": "1"}),
    "mkv": ("flac", "matroska", {}),
    "aac": ("aac", "adts", {}),
    "headerless.mp3": ("libmp3lame", "mp3", {"write_xing": "0", "id3v2_version": "0"}),
    "xing.mp3": ("libmp3lame", "mp3", {}),
}
NO_LENGTH = {"aac", "live.webm", "headerless.mp3", "fragments.mp4"}  # what states no length
ID3 = b"ID3\x04\0\0" + bytes([0, 0, 8, 0]) + bytes(1024)
ID3V1 = b"TAG" + b"x" * 125
APE = b"".join(
    b"APETAGEX" + struct.pack("<IIII8x", 2000, 63, 1, flags) + item
    for flags, item in ((0xA0000000, struct.pack("<II", 17, 0) + b"Title\0" + b"a" * 17), (0x80000000, b""))
)


def noise(seconds: float = 2.0, rate: int = 8000, channels: int = 2, seed: int = 0) -> Samples:
    """Noise that no codec takes for silence."""
    return (0.1 * np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))).astype(np.float32)


def write(path: Path, kind: str, samples: Samples, rate: int = 8000, bit_rate: int = 0) -> Path:
    """Write a file of a kind: a key of WITH_SOUNDFILE or WITH_FFMPEG."""
    if kind in WITH_SOUNDFILE:
        form, subtype = WITH_SOUNDFILE[kind]
        soundfile.write(path, samples, rate, format=form, subtype=subtype)
        return path
    codec, form, options = WITH_FFMPEG[kind]
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        context = stream.codec_context
        if bit_rate:
            context.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = rate
        waiting = av.AudioFifo()
        for converted in av.AudioResampler(format=context.format.name, layout=layout, rate=rate).resample(frame):
            waiting.write(converted)
        while piece := waiting.read(context.frame_size or 1024, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path
