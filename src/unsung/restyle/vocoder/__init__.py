"""Log-mel spectrogram -> waveform: Griffin-Lim, and a small network that is trained here."""
