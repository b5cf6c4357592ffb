"""Large libraries, imported before unsung is.

jaxtyping checks shapes in copies of unsung, which it compiles, and with them all that a copy is the
first to import.
"""

import importlib

for name in ("diffusers.utils", "hypothesis", "librosa", "lightning", "matplotlib.pyplot", "pandas", "scipy.signal"):
    importlib.import_module(name)
