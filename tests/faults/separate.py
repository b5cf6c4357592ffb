"""Faults around `unsung separate`: where its files go, its options, kills."""

from tests.faults.fault import Fault

FAULTS = [
    Fault("a song that is not there", "separate nowhere.mp3 -m models/tiny", "nowhere.mp3 is not"),
    Fault(
        "nothing wrong", "separate song.wav -m models/tiny", code=0, whole=("out/song/vocals.flac", "out/song/accompaniment.flac")
    ),
]
