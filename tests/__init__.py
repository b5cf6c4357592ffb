"""What checks the shapes and types of every call during the tests: beartype, an int being as good as a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
