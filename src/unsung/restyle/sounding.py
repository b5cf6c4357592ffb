"""Recordings made ready as songs, each of which sounds, and for long enough to be judged."""

from pathlib import Path

from unsung import audio
from unsung.config.schema import Audio
from unsung.data.stems import attempt
from unsung.data.tracks import Recording, Track, in_short
from unsung.errors import UserError
from unsung.restyle.features import check_length


def made_ready(recording: Recording, folder: Path, wanted: Audio) -> tuple[Track | None, list[str]]:
    """The track below `folder`, and what was mended; or no track, and why it cannot be used."""
    track, said = attempt(recording, folder, wanted)
    for style, path in track.stems.items() if track else ():
        waveform = audio.read(path)[:, 0]
        if not waveform.any():
            return None, [f"in {style} it is silent"]
        try:
            check_length(waveform, wanted.sample_rate)
        except UserError as error:
            return None, [in_short(error)]
    return track, said
