"""Producing a dry mono voice or instrument as records do: EQ, compression, saturation, doubles, echo, room and place.

Every range is a value of PRODUCTION, so that a recipe can change it. Sounds are float32 at 44.1 kHz.
"""

import numpy as np
from scipy import ndimage, signal

RATE = 44_100  # Hz
Mono = np.ndarray  # (sample,)
Stereo = np.ndarray  # (sample, 2)

PRODUCTION = {
    "highpass": (40.0, 130.0),  # Hz
    "eq": 0.85,  # probability; the same for whatever is a single number below 1 here
    "eq_decibels": (-6.0, 6.0),
    "eq_peaks": (1, 4),
    "compression": 0.75,
    "compression_ratio": (2.0, 8.0),
    "compression_depth": (3.0, 15.0),  # dB below the loud moments at which it begins
    "saturation": 0.3,
    "saturation_drive": (0.5, 3.0),  # of the loudest sample into tanh
    "distortion": 0.03,  # as saturation, ten times as much
    "doubles": 0.35,
    "double_decibels": (-14.0, -2.0),
    "echo": 0.25,
    "echo_decibels": (-24.0, -8.0),
    "chorus": 0.1,
    "room": 0.9,
    "room_seconds": (0.15, 3.0),  # RT60, even on the logarithm
    "room_decibels": (-28.0, -5.0),
    "aside": 0.2,  # not in the middle
}


def produce(dry: Mono, rng: np.random.Generator, how: dict = PRODUCTION) -> Stereo:
    """One chain of effects, drawn from `how`; -20 dBFS where it sounds."""
    dry = filtered(dry, signal.butter(2, rng.uniform(*how["highpass"]), "highpass", fs=RATE, output="sos"))
    if rng.random() < how["eq"]:
        dry = equalised(dry, rng, how)
    if rng.random() < how["compression"]:
        dry = compressed(dry, rng.uniform(*how["compression_ratio"]), rng.uniform(*how["compression_depth"]), rng)
    luck = rng.random()
    if luck < how["saturation"]:
        drive = rng.uniform(*how["saturation_drive"]) * (10 if luck < how["distortion"] else 1)
        dry = saturated(dry, drive)
    wide = placed(dry, rng.uniform(-0.7, 0.7) if rng.random() < how["aside"] else rng.uniform(-0.1, 0.1))
    if rng.random() < how["doubles"]:
        wide = wide + doubles(dry, rng, how)
    if rng.random() < how["chorus"]:
        sides = [wobbled(dry, rng, 0.012, 0.003, rng.uniform(0.3, 1.5)) for _ in range(2)]
        wide = wide + 10 ** (rng.uniform(-10, -3) / 20) * np.stack(sides, axis=1)
    sent = wide
    if rng.random() < how["echo"]:
        wide = wide + 10 ** (rng.uniform(*how["echo_decibels"]) / 20) * echoes(sent, rng)
    if rng.random() < how["room"]:
        seconds = np.exp(rng.uniform(*np.log(how["room_seconds"])))
        wet = signal.oaconvolve(sent, room(rng, seconds), axes=0)[: len(sent)]
        wide = wide + 10 ** (rng.uniform(*how["room_decibels"]) / 20) * wet * (loudness(sent) / max(loudness(wet), 1e-6))
    return levelled(wide, -20.0)


def filtered(sound: np.ndarray, sos: np.ndarray) -> np.ndarray:
    """A filter along time."""
    return signal.sosfilt(sos, sound, axis=0).astype(np.float32)


def peak_filter(hertz: float, decibels: float, q: float) -> np.ndarray:
    """A bell (Bristow-Johnson's cookbook) as second-order sections."""
    a, w = 10 ** (decibels / 40), 2 * np.pi * hertz / RATE
    alpha = np.sin(w) / (2 * q)
    b0, b2, a0, a2 = 1 + alpha * a, 1 - alpha * a, 1 + alpha / a, 1 - alpha / a
    return np.array([[b0, -2 * np.cos(w), b2, a0, -2 * np.cos(w), a2]]) / a0


def equalised(dry: Mono, rng: np.random.Generator, how: dict) -> Mono:
    """A few bells."""
    for _ in range(rng.integers(*how["eq_peaks"], endpoint=True)):
        hertz = np.exp(rng.uniform(np.log(120), np.log(12_000)))
        dry = filtered(dry, peak_filter(hertz, rng.uniform(*how["eq_decibels"]), rng.uniform(0.4, 2.0)))
    return dry


def compressed(dry: Mono, ratio: float, depth: float, rng: np.random.Generator) -> Mono:
    """Loud moments made softer, by the level of 5 ms blocks smoothed over time."""
    block = 220
    count = -(-len(dry) // block)
    power = np.pad(dry, (0, count * block - len(dry))).reshape(count, block)
    level = 10 * np.log10((power.astype(np.float64) ** 2).mean(1) + 1e-9)
    threshold = np.percentile(level, 95) - depth
    over = np.maximum(0, level - threshold) * (1 / ratio - 1)
    over = ndimage.gaussian_filter1d(ndimage.minimum_filter1d(over, 3), rng.uniform(1, 12))
    gain = np.interp(np.arange(len(dry)), (np.arange(count) + 0.5) * block, 10 ** (over / 20))
    return (dry * gain).astype(np.float32)


def saturated(dry: Mono, drive: float) -> Mono:
    """tanh, oversampled by nothing: what folds back is soft."""
    peak = np.abs(dry).max() + 1e-9
    return (np.tanh(dry / peak * drive) * peak / np.tanh(drive)).astype(np.float32)


def placed(dry: Mono, side: float) -> Stereo:
    """Panned from -1 to 1 at constant power."""
    angle = (side + 1) * np.pi / 4
    return dry[:, None] * np.array([np.cos(angle), np.sin(angle)], np.float32) * np.float32(2**0.5)


def wobbled(dry: Mono, rng: np.random.Generator, delay: float, depth: float, rate: float) -> Mono:
    """Delayed by `delay` seconds, give or take `depth`, which moves `rate` times a second: another take, a little out of tune."""
    points = max(4, round(len(dry) / RATE * rate * 2) + 3)
    walk = rng.uniform(-1, 1, points)
    curve = np.interp(np.arange(0, len(dry), 64), np.linspace(0, len(dry), points), walk)
    curve = ndimage.gaussian_filter1d(curve, max(1.0, RATE / 64 / rate / 8))
    shift = np.interp(np.arange(len(dry)), np.arange(len(curve)) * 64, delay + depth * curve) * RATE
    return np.interp(np.arange(len(dry)) - shift, np.arange(len(dry)), dry, left=0.0).astype(np.float32)


def doubles(dry: Mono, rng: np.random.Generator, how: dict) -> Stereo:
    """One double in the middle, or one at either side."""
    gain = 10 ** (rng.uniform(*how["double_decibels"]) / 20)
    if rng.random() < 0.4:
        return gain * placed(wobbled(dry, rng, rng.uniform(0.01, 0.04), 0.004, 1.5), rng.uniform(-0.2, 0.2))
    side = rng.uniform(0.4, 1.0)
    takes = (wobbled(dry, rng, rng.uniform(0.01, 0.04), rng.uniform(0.002, 0.006), 1.5) for _ in range(2))
    return gain * sum(placed(take, s) for take, s in zip(takes, (-side, side), strict=True))


def echoes(sent: Stereo, rng: np.random.Generator) -> Stereo:
    """Repetitions that fade and lose their treble, from side to side in half of the cases."""
    seconds, feedback, crossing = rng.uniform(0.08, 0.55), rng.uniform(0.15, 0.6), rng.random() < 0.5
    found, shift, gain = np.zeros_like(sent), round(seconds * RATE), 1.0
    now = filtered(sent, signal.butter(1, rng.uniform(1500, 6000), fs=RATE, output="sos"))
    for count in range(1, 8):
        if gain < 0.03 or count * shift >= len(sent):
            break
        turned = now[:, ::-1] * np.array([1.0, 0.3], np.float32) if crossing and count % 2 else now
        found[count * shift :] += gain * turned[: len(sent) - count * shift]
        gain *= feedback
    return found.astype(np.float32)


def room(rng: np.random.Generator, seconds: float) -> Stereo:
    """An impulse response: early reflections, then noise whose treble dies sooner; its power is 1."""
    length = round(seconds * RATE)
    t = np.arange(length) / RATE
    low, high = rng.standard_normal((2, length, 2))
    split = rng.uniform(1500, 5000)
    low = signal.sosfilt(signal.butter(1, (rng.uniform(80, 300), split), "bandpass", fs=RATE, output="sos"), low, axis=0)
    high = signal.sosfilt(signal.butter(1, split, "highpass", fs=RATE, output="sos"), high, axis=0) * rng.uniform(0.1, 0.7)
    tail = low * 10 ** (-3 * t / seconds)[:, None] + high * 10 ** (-3 * t / (seconds * rng.uniform(0.2, 0.7)))[:, None]
    tail /= np.sqrt((tail**2).mean() + 1e-12)
    for _ in range(rng.integers(0, 8)):
        tail[rng.integers(min(length, round(0.08 * RATE))), rng.integers(2)] += rng.choice([-1, 1]) * rng.uniform(2, 20)
    late = round(rng.uniform(0, 0.06) * RATE)
    width = rng.uniform(0.2, 1.0)
    tail = np.stack([tail[:, 0], width * tail[:, 1] + (1 - width) * tail[:, 0]], axis=1)
    response = np.pad(tail, ((late, 0), (0, 0)))
    return (response / np.sqrt((response**2).sum() / 2)).astype(np.float32)


def loudness(sound: np.ndarray) -> float:
    """Root mean square where it sounds."""
    loud = np.abs(sound[np.abs(sound) > 0.05 * (np.abs(sound).max() + 1e-9)])
    return float(np.sqrt((loud.astype(np.float64) ** 2).mean())) if len(loud) else 0.0


def levelled(sound: np.ndarray, decibels: float) -> np.ndarray:
    """Brought to `decibels` of full scale where it sounds, below full scale everywhere."""
    if not (own := loudness(sound)):
        return sound.astype(np.float32)
    gain = 10 ** (decibels / 20) / own
    return (sound * min(gain, 0.99 / np.abs(sound).max())).astype(np.float32)
