"""Diffusions beside their twins without one, at equal training time: `python -m twins` (see __main__.py)."""
