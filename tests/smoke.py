"""What a user does with unsung alone, from separating to exporting; any environment will do.

    python tests/smoke.py FOLDER [MODEL]

It needs what `pip install unsung` installs, and no more. onnxruntime is used where it is there.
"""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile

import unsung
from unsung.cli import app

RATE, SECONDS = 44_100, 2
EXACT, OTHERS = ("flac", "wav", "wav-float"), ("mp3", "ogg", "opus", "m4a")  # formats


def command(*arguments: object) -> None:
    """Run `unsung ARGUMENTS` in this process; an error ends it."""
    app(list(map(str, arguments)), standalone_mode=False)


def main(folder: Path, model: str = "songs") -> None:
    """Use every command of the base on a song of two seconds, below `folder`."""
    t = np.arange(SECONDS * RATE) / RATE
    tones = [np.sin(2 * np.pi * hertz * t) * (0.6 + 0.4 * np.sin(2 * np.pi * t)) for hertz in (220, 330)]
    noise = 0.01 * np.random.default_rng(0).standard_normal((len(t), 2))
    song = np.rint((0.2 * np.stack(tones, axis=1) + noise) * 2**15) / 2**15
    path = folder / "song.wav"
    soundfile.write(path, song, RATE, subtype="PCM_16")
    files(path, song, model, folder)
    arrays(song, model)
    scores(song, folder)
    exports(song, model, folder)
    command("models")
    command("models", "songs")
    print("smoke: all is well")


def files(path: Path, song: np.ndarray, model: str, folder: Path) -> None:
    """Separate into every format; a file of FFmpeg's is read, too."""
    for name in (*EXACT, *OTHERS):
        command("separate", path, "--model", model, "--format", name, "-o", folder / name)
        parts = sorted((folder / name / "song").iterdir())
        assert [part.stem for part in parts] == ["accompaniment", "vocals"], parts
        if name in EXACT:
            assert np.array_equal(sum(soundfile.read(part)[0] for part in parts), song), name
    command("separate", path, "--model", model, "--format", "stem.mp4", "-o", folder / "stems")
    command("separate", folder / "m4a" / "song" / "vocals.m4a", "--model", model, "--int8", "--listen", "-o", folder / "again")
    assert "data:image/webp" in (folder / "again" / "vocals" / "listen.html").read_text("utf-8")


def arrays(song: np.ndarray, model: str) -> None:
    """unsung.load: arrays in, arrays out that add up."""
    parts = unsung.load(model).separate(song, RATE)
    assert np.array_equal(sum(parts.values()), np.float32(np.rint(song * 2**23) / 2**23))


def scores(song: np.ndarray, folder: Path) -> None:
    """Estimates with known errors have the scores that they must have."""
    rng = np.random.default_rng(1)
    for track in ("a", "b", "c"):
        for stem, own in (("vocals", song + 0.05 * rng.standard_normal(song.shape)), ("bass", rng.normal(0, 0.1, song.shape))):
            for kind, gain in (("references", 1.0), ("estimates", 0.9)):
                place = folder / kind / track / f"{stem}.wav"
                place.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(place, gain * own, RATE, subtype="FLOAT")
    command("score", folder / "references", folder / "estimates", "--json", folder / "scores.json", "--workers", 2)
    found = [row["sdr"] for row in json.loads((folder / "scores.json").read_text())["summary"]]
    assert np.allclose(found, 20, atol=1e-3), found  # a tenth is missing
    command("check", folder / "references", "--workers", 1)


def exports(song: np.ndarray, model: str, folder: Path) -> None:
    """ONNX and TorchScript files give what the model gives."""
    import torch

    mono = torch.from_numpy(song[:20_000, :1].T[None].astype(np.float32))
    separator = unsung.load(model).separator
    mixture = mono.expand(1, separator.config.channels, -1).contiguous()
    with torch.inference_mode():
        own = separator.counterfactual(mixture, []).numpy()
    command("export", model, "--format", "torchscript", "-o", folder / "model.pt")
    assert np.abs(torch.jit.load(folder / "model.pt")(mixture).detach().numpy() - own).max() < 1e-4
    command("export", model, "-o", folder / "model.onnx")
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    assert np.abs(session.run(None, {"mixture": mixture.numpy()})[0] - own).max() < 1e-4
    print("smoke: onnxruntime agrees")


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), *sys.argv[2:])
