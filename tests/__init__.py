"""What all tests share: checks of shapes and types at every call.

jaxtyping compiles copies of unsung, and of all that a copy is the first to import: so what is large
is imported here, before.
"""

import importlib

from beartype import BeartypeConf, beartype

for name in ("diffusers.utils", "hypothesis", "librosa", "lightning", "matplotlib.pyplot", "pandas", "scipy.signal"):
    importlib.import_module(name)

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may be a float
