"""unaligned: two folders of recordings that have nothing to do with each other.

Only the target folder teaches the network: its songs are their own pairs (unsung.restyle.poor). The
judge learns the source folder's style; its test songs are restyled, and have no true answer.
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.data.providers.base import DrawnSplits as Settings
from unsung.data.tracks import Recording
from unsung.restyle.providers.aligned import songs_of, splits_of

__all__ = ["Settings", "tracks"]


def tracks(root: Path, settings: Settings, styles: tuple[str, str]) -> Iterator[Recording]:
    """Every song, in its one style.

    Raises:
        UserError: a folder is not there or has no audio.
    """
    for style in styles:
        songs = songs_of(root, style)
        splits = splits_of(list(songs), settings, str(root / style))
        for name, path in songs.items():
            yield Recording.of_files(f"{style} - {name.replace('/', ' - ')}", splits[name], {style: path})
