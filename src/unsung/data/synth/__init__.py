"""A small band that composes and plays songs: the demo's data, made from a seed and nothing else.

score.py writes the notes, band.py plays drums, bass and chords, voice.py sings, mixing.py pans,
adds a room and balances. Everything is 44.1 kHz and follows from the given random generator alone.
"""

from unsung.data.synth.mixing import play

__all__ = ["play"]
