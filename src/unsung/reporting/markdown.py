"""Pages from templates; tables and names as Markdown."""

import html
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from markupsafe import Markup

UNPRINTABLE = dict.fromkeys("\n\r\t", " ")  # of letters that end a line or steer a terminal
MISSING = {"None", "nan", "<NA>"}  # no value as text: Python's, a number's, pandas'


@runtime_checkable
class Columns(Protocol):
    """A table: the names of its columns, and the values of each. A dict of lists, a DataFrame."""

    def __iter__(self) -> Iterator[Any]: ...

    def __getitem__(self, name: Any, /) -> Iterable[Any]: ...


def rendered(template: Path, **values: Any) -> str:
    """A page from its template. For Markdown there are filters `plain` (escaped) and `table`."""
    import jinja2  # here, as tables need none

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=".html" in template.suffixes,
    )
    environment.filters |= {"plain": escaped, "table": table}
    return environment.get_template(template.name).render(**values)


def cell(value: Any) -> str:
    """Text of a cell: two decimals, two significant digits below 0.1, a dash for no value."""
    if not isinstance(value, str) and str(value) in MISSING:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"
    return value if isinstance(value, str) else str(value)


def escaped(value: Any) -> str:
    """Text in one line without Markdown and HTML, such as a track's name; Markup stays as it is."""
    if isinstance(value, Markup):
        return str(value)
    text = "".join(letter if letter.isprintable() else UNPRINTABLE.get(letter, "\ufffd") for letter in str(value))
    return "".join(f"\\{letter}" if letter in "\\|[]`*" else letter for letter in html.escape(text, quote=False))


def table(content: Columns) -> str:
    """A Markdown table of columns by name; underscores in the names become spaces."""
    rows = [[str(name).replace("_", " ") for name in content], ["---" for _ in content]]
    rows += [[escaped(cell(value)) for value in row] for row in zip(*(content[name] for name in content), strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
