"""Draw the README's picture: mixture, counterfactual and their difference, from the demo's songs.

    python docs/figures/counterfactual.py

Run it after `make demo`. It reads the files that the stage `separate` wrote for one test track.
They add up to the mixture, so the mixture is drawn as their sum.
"""

import io
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
import soundfile
from matplotlib.figure import Figure
from PIL import Image
from scipy.signal import ShortTimeFFT

ROOT = Path(__file__).resolve().parents[2]
TRACK = ROOT / "data" / "separated" / "Ada and the Carry Bits - Distant River TE06"
PICTURE = Path(__file__).with_suffix(".png")
START, END = 1.0, 8.0  # seconds: sung, a rest, sung again
HIGHEST = 5.0  # kHz
FLOOR = -75.0  # dB below the loudest point
N_FFT = 2048  # samples: long enough to see single harmonics


def power(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The spectrogram in dB, shape (freq, frame), up to HIGHEST."""
    stft = ShortTimeFFT.from_window("hann", sample_rate, N_FFT, N_FFT * 7 // 8, scale_to="magnitude")
    kept = stft.f <= HIGHEST * 1000
    return 20 * np.log10(np.abs(stft.stft(samples)[kept]) + 1e-8)


def main() -> None:
    """Write counterfactual.png beside this file."""
    sample_rate = soundfile.info(TRACK / "vocals.flac").samplerate
    place = slice(round(START * sample_rate), round(END * sample_rate))
    files = (TRACK / f"{part}.flac" for part in ("vocals", "accompaniment"))
    vocals, counterfactual = (soundfile.read(file)[0][place] for file in files)
    panels = {
        "mixture": vocals + counterfactual,
        "counterfactual: nobody sings": counterfactual,
        "difference: the vocals": vocals,
    }
    images = {title: power(samples, sample_rate) for title, samples in panels.items()}
    loudest = max(image.max() for image in images.values())
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    figure.get_layout_engine().set(wspace=0.09)
    for axis, (title, image) in zip(axes, images.items(), strict=True):
        axis.imshow(
            image - loudest, origin="lower", aspect="auto", cmap="magma", vmin=FLOOR, vmax=0,
            extent=(0, END - START, 0, HIGHEST),
        )  # fmt: skip
        axis.set_title(title, fontsize=10.5)
        axis.set_xlabel("seconds")
    axes[0].set_ylabel("kHz")
    for axis, sign in zip(axes[1:], ("\N{MINUS SIGN}", "="), strict=True):
        axis.annotate(
            sign, (0, 0.5), xytext=(-17, 0), xycoords="axes fraction", textcoords="offset points",
            ha="center", va="center", fontsize=22, annotation_clip=False,
        )  # fmt: skip
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100, facecolor="white")
    # With 64 colours the file is a quarter as large.
    Image.open(drawn).convert("RGB").quantize(64).save(PICTURE, optimize=True)
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
