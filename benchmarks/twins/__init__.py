"""Diffusions beside their twins without one, at equal training time: see __main__.py."""
