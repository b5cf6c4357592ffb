"""Banks of syllables out of spoken words: more people than sing under a free licence, in more languages.

    python -m recipes.songs.speech POOLS OUT [--minutes 8]

Each speaker of sources.yaml's `speech` becomes OUT/<speaker>/00.ogg, mono at 44.1 kHz, -20 dBFS, and segments.tsv, as the banks of
sung syllables have it. POOLS is where `fetch` put the packages.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile
from ruamel.yaml import YAML
from scipy import signal

from recipes.songs.declare import SOURCES
from recipes.songs.fetch import unpacked
from recipes.songs.production import RATE, Mono, filtered, levelled
from unsung import audio
from unsung.errors import UserError


def speakers(root: Path, source: dict) -> dict[str, list[Path]]:
    """The files of each speaker: `speaker` is a pattern whose groups, joined, are a name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(root.glob(source["files"])):
        if match := re.search(source["speaker"], str(file.relative_to(root))):
            found["_".join(match.groups())].append(file)
    return found


def cleaned(file: Path) -> Mono:
    """A recording without hum, offset and silence at its ends, levelled."""
    own = audio.facts(file)
    blocks = (audio.to_channels(block, 1, file) for block in audio.blocks(file))
    samples = np.concatenate([np.zeros((0, 1), np.float32), *audio.resampled(blocks, own.sample_rate, RATE)])[:, 0]
    if not samples.any():
        return samples[:0]
    samples = filtered(samples, signal.butter(2, 60, "highpass", fs=RATE, output="sos"))
    loud = np.flatnonzero(np.abs(samples) > 0.04 * np.abs(samples).max())
    return levelled(samples[loud[0] : loud[-1] + 1], -20.0) if len(loud) else samples[:0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pools", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    args = parser.parse_args()
    for name, source in YAML(typ="safe").load(SOURCES)["speech"].items():
        root = unpacked(source["package"], args.pools / ".packages")
        for speaker, files in speakers(root, source).items():
            folder = args.out / f"{name}_{speaker}".rstrip("_")
            if (folder / "segments.tsv").exists():
                continue
            pieces, rows, at = [], ["file\tstart\tend\tsource"], 0
            order = np.random.default_rng(0).permutation(len(files))
            for i in order:
                try:
                    piece = cleaned(files[i])
                except UserError:  # some packages have empty files
                    continue
                if len(piece) < 0.15 * RATE or at > args.minutes * 60 * RATE:
                    continue
                rows.append(f"00.ogg\t{at / RATE:.3f}\t{(at + len(piece)) / RATE:.3f}\t{files[i].name}")
                pieces += [piece, np.zeros(RATE // 12, np.float32)]
                at += len(piece) + RATE // 12
            if at > 15 * RATE:
                folder.mkdir(parents=True, exist_ok=True)
                with soundfile.SoundFile(folder / "00.ogg", "w", RATE, 1, format="OGG", subtype="VORBIS") as out:
                    for piece in pieces:  # libsndfile's Vorbis encoder overflows the stack when given minutes at once
                        out.write(piece)
                (folder / "segments.tsv").write_text("\n".join(rows) + "\n")
                print(f"{folder.name}: {at / RATE / 60:.1f} min")


if __name__ == "__main__":
    main()
