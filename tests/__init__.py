"""beartype checks shapes and types of every call during the tests; an int may be a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
