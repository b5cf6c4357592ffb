import soundfile

from tests.conftest import song

ENDINGS = {"vocals": ("",), "accompaniment": ("",), "songs": (".vocals", ".accompaniment")}


def tracks_of(provider, root, params):
    """The recordings that a provider's module finds with its own section of the params."""
    settings = getattr(params.providers, provider.__name__.rsplit(".", 1)[1])
    return list(provider.tracks(root, settings, params.model.targets))


def write_pool(folder, kind, split="train", seconds=3.0, rate=16_000):
    """A pool of one track."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending in ENDINGS[kind]:
        stem = "vocals" if "vocals" in (kind, ending[1:]) else "other"
        soundfile.write(folder / f"{folder.name}{ending}.flac", song(len(folder.name), seconds, rate)[stem], rate)
    (folder / "pool.yaml").write_text(f"kind: {kind}\nlicence: CC0-1.0\ncredit: The {folder.name} of a test\nsplit: {split}\n")
