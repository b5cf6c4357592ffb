"""The one exception for what a user can mend: its message is a single line saying what, where and what to do.

The command line and the stages print it as `unsung: ...` and exit with 1; anything else that escapes is our mistake and
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
        print(f"unsung: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
