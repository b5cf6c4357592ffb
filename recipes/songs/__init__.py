"""The model `songs`: pools of voices, accompaniments and songs, the training on them, and its scores (recipes/songs/README.md)."""
