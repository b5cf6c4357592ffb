"""From recordings to shuffled batches of spectra."""
