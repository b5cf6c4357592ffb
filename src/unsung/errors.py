"""The exception for what a user can mend: one line that says what is wrong, where, what to do.

The command line and the stages print it and exit with 1. Any other exception is a bug of ours and
keeps its traceback.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can mend."""


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Print a UserError as one line on stderr and exit with 1."""
    try:
        yield
    except UserError as error:
        line = " ".join(f"unsung: {error}".split())
        print("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line), file=sys.stderr)
        raise SystemExit(1) from None
