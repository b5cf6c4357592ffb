"""What is heard in a song: its notes, melody, onsets and tempo (content), its colour (timbre).

All by librosa (McFee et al. 2015, doi:10.25080/Majora-7b98e3ed-003), imported where it is used,
because that takes a second. Every number is finite, of silence too.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from unsung.errors import UserError

Mono = Float[np.ndarray, " _sample"]  # a waveform, 1.0 being full scale

SHORTEST = 1.0  # seconds; with less there is neither a tempo nor a melody
LOWEST, OCTAVES = 36, 6  # the range of the spectrum: C2 (65 Hz) to B7
SUNG = (48, 84)  # MIDI numbers between which a melody is looked for
HARMONICS = (0, 12, 19, 24, 28)  # semitones above a note
CHORD, NOTE = 0.25, 0.15  # seconds over which pitch classes and pitches are averaged
DECAY = 0.8  # how much less each harmonic counts than the one before it
VOICED = 0.4  # of the song's clear frames: where a melody is as clear as this, there is one
STRONGEST = 2  # a note is heard if its pitch class is one of so many
COEFFICIENTS = 20  # of the cepstrum; the first one, the loudness of a frame, is left out
LOUDNESS = 0.1  # root mean square that every song is brought to before
FLOOR = 1e-7  # of a mel band's power; about that of mel.py
TINY = 1e-8


@dataclass(frozen=True)
class Content:
    """What a restyled song should keep."""

    chroma: Float[np.ndarray, "12 frame"]  # pitch classes, C first: mean 0 and norm 1, or 0 in silence
    salience: Float[np.ndarray, "pitch frame"]  # of the pitches of SUNG
    onsets: Float[np.ndarray, " onset"]  # how much begins, in frames of the same length
    tempo: float  # beats a minute; 0 in silence


def content(waveform: Mono, sample_rate: int) -> Content:
    """Notes, melody, onsets and tempo; about 0.15 s for 10 s of song."""
    import librosa

    check_length(waveform, sample_rate)
    hop = hop_length(sample_rate)
    spectrum = _semitones(waveform, sample_rate, hop)
    onsets = librosa.onset.onset_strength(y=waveform, sr=sample_rate, hop_length=hop)
    tempo = float(librosa.feature.tempo(onset_envelope=onsets, sr=sample_rate, hop_length=hop)[0]) if onsets.any() else 0.0
    seconds = hop / sample_rate
    return Content(_chroma(_averaged(spectrum, CHORD / seconds)), _salience(_averaged(spectrum, NOTE / seconds)), onsets, tempo)


def timbre(waveform: Mono, sample_rate: int) -> Float[np.ndarray, "frame coefficient"]:
    """Mel-frequency cepstra of windows of about 64 ms; how loud the song is does not count."""
    import librosa

    check_length(waveform, sample_rate)
    hop = hop_length(sample_rate)
    normal = waveform * (LOUDNESS / max(float(np.sqrt(np.mean(waveform**2))), 1e-4))
    power = librosa.feature.melspectrogram(y=normal, sr=sample_rate, n_fft=4 * hop, hop_length=hop)
    # One floor for all songs: if it followed the loudest band, a filter would move it.
    return librosa.feature.mfcc(S=librosa.power_to_db(power, amin=FLOOR, top_db=None), n_mfcc=COEFFICIENTS)[1:].T


def hop_length(sample_rate: int) -> int:
    """Samples between frames, the power of two next to 20 ms: 256 at 16 kHz."""
    return int(2 ** round(np.log2(0.02 * sample_rate)))


def check_length(waveform: Mono, sample_rate: int) -> None:
    """Raise UserError if there is too little of a song to say anything of it."""
    if len(waveform) < SHORTEST * sample_rate:
        seconds = len(waveform) / sample_rate
        raise UserError(f"a song of {seconds:.2f} s cannot be scored, because it has no tempo; give at least {SHORTEST:g} s")


def chroma_similarity(one: Content, other: Content) -> float:
    """The mean over frames of the correlation of their pitch classes, -1..1; 1 if equal."""
    frames = min(one.chroma.shape[1], other.chroma.shape[1])
    return float((one.chroma[:, :frames] * other.chroma[:, :frames]).sum(axis=0).mean())


def onset_correlation(one: Content, other: Content) -> float:
    """Pearson's correlation of the onset envelopes, -1..1; 0 if nothing begins in one of them."""
    frames = min(len(one.onsets), len(other.onsets))
    x, y = (each.onsets[:frames] - each.onsets[:frames].mean() for each in (one, other))
    return float((x * y).sum() / max(np.sqrt((x * x).sum() * (y * y).sum()), TINY))


def tempo_agreement(one: Content, other: Content) -> float:
    """1 if the tempi are within 4 % of each other or of twice or half, else 0.

    Accuracy 2 of Gouyon et al. 2006 (doi:10.1109/TSA.2005.858509), without thirds.
    """
    if not one.tempo or not other.tempo:
        return float(one.tempo == other.tempo)
    return float(any(abs(one.tempo * times / other.tempo - 1) <= 0.04 for times in (0.5, 1, 2)))


def melody(song: Content, truth: Content) -> Int[np.ndarray, " frame"]:
    """The pitch class of the melody in each frame, -1 where there is none.

    It is the pitch which both recordings of the song hold strongest, so that no score is needed.
    """
    frames = min(song.salience.shape[1], truth.salience.shape[1])
    one, other = (each.salience[:, :frames] / max(each.salience.mean(), TINY) for each in (song, truth))
    common = np.sqrt(one * other)
    strength = common.max(axis=0)
    voiced = strength > max(VOICED * np.quantile(strength, 0.9), TINY)
    return np.where(voiced, (common.argmax(axis=0) + SUNG[0]) % 12, -1)


def melody_hit(notes: Int[np.ndarray, " frame"], heard: Content) -> float:
    """How much of a melody is heard: 0..1 of its frames; 0 if there is no melody.

    It is heard where its pitch class is one of the STRONGEST in the range of SUNG.
    """
    frames = min(len(notes), heard.salience.shape[1])
    voiced = np.flatnonzero(notes[:frames] >= 0)
    if not len(voiced):
        return 0.0
    octaves = heard.salience[:, voiced].reshape(-1, 12, len(voiced)).max(axis=0)  # SUNG begins with a C
    mine = octaves[notes[voiced], np.arange(len(voiced))]
    return float(((octaves >= mine).sum(axis=0) <= STRONGEST).mean())  # itself is among them; in silence all are equal


def _semitones(waveform: Mono, sample_rate: int, hop: int) -> Float[np.ndarray, "semitone frame"]:
    """Magnitudes of a constant-Q spectrum; zero where the sample rate cannot have them."""
    import librosa

    lowest = librosa.midi_to_hz(LOWEST)
    octaves = min(OCTAVES, int(np.log2(0.45 * sample_rate / lowest)))
    spectrum = np.abs(librosa.cqt(waveform, sr=sample_rate, hop_length=hop, fmin=lowest, n_bins=12 * octaves, tuning=0.0))
    return np.pad(spectrum, ((0, 12 * (OCTAVES - octaves)), (0, 0)))


def _averaged(spectrum: Float[np.ndarray, "semitone frame"], frames: float) -> Float[np.ndarray, "semitone frame"]:
    """Moving averages over time: a vocoder's phases make single frames flicker."""
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(spectrum, max(1, round(frames)), axis=1, mode="nearest")


def _chroma(spectrum: Float[np.ndarray, "semitone frame"]) -> Float[np.ndarray, "12 frame"]:
    classes = spectrum.reshape(OCTAVES, 12, -1).sum(axis=0)
    centred = classes - classes.mean(axis=0)  # or any two sounds would be alike
    return centred / np.maximum(np.sqrt((centred**2).sum(axis=0)), 1e-4)


def _salience(spectrum: Float[np.ndarray, "semitone frame"]) -> Float[np.ndarray, "pitch frame"]:
    """Harmonic sums, as in Salamon and Gomez 2012 (doi:10.1109/TASL.2012.2188515), of all bins."""
    padded = np.pad(spectrum, ((0, max(HARMONICS)), (0, 0)))
    first, last = (pitch - LOWEST for pitch in SUNG)
    weighted = (DECAY**order * padded[first + above : last + above] for order, above in enumerate(HARMONICS))
    return np.sum(list(weighted), axis=0)
