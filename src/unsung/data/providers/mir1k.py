"""mir1k: MIR-1K, clips of karaoke sung by 19 amateurs.

Downloaded, which needs the program bsdtar, or read from data.root, where it was extracted. Its own
server is gone; URL and MD5 are those of the copy at doi:10.6084/m9.figshare.5802891. Split as in
Huang, Kim, Hasegawa-Johnson and Smaragdis 2015 (doi:10.1109/TASLP.2015.2468583): singers abjones
and amy train, the other 17 test. The validation songs, whole songs of these two, are our choice.
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.audio import EXTENSIONS
from unsung.data.providers.base import Facts
from unsung.data.providers.base import Limited as Settings
from unsung.data.providers.layout import walk
from unsung.data.remote import Remote
from unsung.data.tracks import Recording, Source, Split
from unsung.errors import UserError

FACTS = Facts(
    title="MIR-1K", songs="1000 clips", hours="2.2", format="16 kHz, WAV, left channel band, right channel voice",
    download="0.8 GB", licence="none stated by its makers; research", url="https://doi.org/10.1109/TASL.2009.2026503",
    citation="Hsu and Jang (2010). On the Improvement of Singing Voice Separation for Monaural Recordings Using the MIR-1K "
    "Dataset. IEEE Transactions on Audio, Speech, and Language Processing 18(2)",
)  # fmt: skip
ARCHIVE = Remote(
    "https://ndownloader.figshare.com/files/10256751", "md5:1810d01457ccbb84a0b41c4da53eee74", 797_386_646, "MIR-1K.rar"
)
TRAIN_SINGERS, VALID_SONGS = {"abjones", "amy"}, {"abjones_5", "amy_9"}
CHANNELS = ("accompaniment", "vocals")
NOT_CLIPS = {"UndividedWavfile", "LyricsWav"}


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every clip below `root`, wherever its folder Wavfile lies.

    Raises:
        UserError: there is none.
    """
    folders = [folder for folder in walk(root) if not NOT_CLIPS & set(folder.path.relative_to(root).parts)]
    clips = [path for folder in folders for path in folder.files if path.stem.count("_") > 1 and path.suffix.lower() in EXTENSIONS]
    faults = {folder.path: folder.fault for folder in folders if folder.fault}
    if not {*clips, *faults}:
        raise UserError(f"{root} holds no clip such as abjones_1_01.wav; set data.root to where MIR-1K was extracted")
    for path, fault in faults.items():
        yield Recording(path.name, "train", {}, fault=fault)
    for path in sorted(clips, key=lambda path: path.stem):
        yield Recording(path.stem, _split(path.stem), {stem: (Source(path, channel=i),) for i, stem in enumerate(CHANNELS)})


def _split(clip: str) -> Split:
    singer, song, _ = clip.split("_", 2)
    return "test" if singer not in TRAIN_SINGERS else "valid" if f"{singer}_{song}" in VALID_SONGS else "train"
