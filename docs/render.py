"""Write figures, tables and facts of datasets from their files into README.md and docs/.

    python docs/render.py            write them (then format: mdformat)
    python docs/render.py --check    exit with 1 and name the first one that differs

What stands between two markers is written by this script:

    <!-- figure: metrics/separation.json vocals.sdr .2f -->10.35<!-- /figure -->
    <!-- figure: FILE.csv COLUMN=VALUE ... COLUMN FORMAT -->: the one row with these values
    <!-- figure: FILE.csv median COLUMN FORMAT -->: the median over all rows
    <!-- table: FILE.csv -->: all of it
    <!-- table: FILE.csv COLUMN=VALUE ... COLUMN,COLUMN,... -->: some rows, some columns
    <!-- datasets -->: one row for each provider
    <!-- dataset: PROVIDER -->: citation, licence and size

FORMAT is Python's (`.2f`, `,.0f`); without one the file's own text is shown.
"""

import argparse
import csv
import importlib
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Sequence
from functools import cache, partial, reduce
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

import mdformat

ROOT = Path(__file__).resolve().parent.parent
MARKED = re.compile(
    r"<!-- (?P<kind>figure|table|datasets|dataset)(?:: (?P<what>[^>]+))? -->"
    r"(?P<content>.*?)<!-- /(?P=kind) -->",
    re.DOTALL,
)


class Unknown(Exception):
    """A marker names a file, row, column or provider that does not exist."""


def figure(what: str, root: Path) -> str:
    """One value of a JSON or CSV file, as the marker wants it."""
    path, *words = shlex.split(what)
    shape = words.pop() if _is_format(words[-1]) else ""
    *conditions, name = words
    value = _of_csv(root / path, conditions, name) if path.endswith(".csv") else _of_json(root / path, name)
    return format(float(value), shape) if shape else str(value)


def table(what: str, root: Path) -> str:
    """The rows of a CSV file that fit the conditions; an empty cell is a dash."""
    path, *words = shlex.split(what)
    conditions = [word for word in words if "=" in word]
    rows = _fitting(root / path, conditions)
    if not rows:
        raise ValueError("no row fits")
    names = [name for word in words if word not in conditions for name in word.split(",")] or list(rows[0])
    header = [name.replace("_", " ") for name in names]
    return _markdown(header, [[row[name] or "-" for name in names] for row in rows])


def datasets() -> str:
    """The overview: a row for each provider, linked to its section."""
    header = ["provider", "dataset", "songs", "hours", "format", "download", "licence"]
    return _markdown(
        header,
        [[f"[{name}](#{name})", *(getattr(facts, key) for key in ("title", *header[2:]))] for name, facts in providers().items()],
    )


def dataset(name: str) -> str:
    """Citation, licence and size of one provider, as a list."""
    facts = providers()[name]
    what = ", ".join(filter(None, (facts.songs, facts.hours and f"{facts.hours} hours", facts.format)))
    lines = [f"**Songs**: {what}", f"**Licence**: {facts.licence}"]
    if facts.citation:
        link = facts.url.replace("https://doi.org/", "doi:")
        lines.append(f"**Cite**: {facts.citation}. [{link}]({facts.url})")
    return "\n".join(f"- {line}" for line in lines)


@cache
def providers() -> dict[str, Any]:
    """The FACTS of every provider, by name."""
    sys.path.insert(0, str(ROOT / "src"))
    registry = importlib.import_module("unsung.config.registry")
    return {name: registry.module(registry.PROVIDERS, name).FACTS for name in registry.PROVIDERS}


def rendered(text: str, root: Path = ROOT) -> str:
    """A page with everything between its markers as the files have it.

    Raises:
        Unknown: a marker names a file, row, column or provider that is not there.
    """
    return MARKED.sub(partial(_replaced, root=root), text)


def _replaced(marker: re.Match[str], root: Path) -> str:
    kind, what = marker["kind"], marker["what"] or ""
    try:
        content = {"table": partial(table, what, root), "datasets": datasets, "dataset": partial(dataset, what)}
        new = figure(what, root) if kind == "figure" else f"\n\n{_formatted(content[kind]())}\n"
    except (OSError, LookupError, ValueError) as error:
        reason = f"there is no {error}" if isinstance(error, LookupError) else error
        raise Unknown(f"<!-- {kind}: {what} -->: {reason}") from None
    return marker[0][: marker.start("content") - marker.start()] + new + f"<!-- /{kind} -->"


def _is_format(word: str) -> bool:
    return bool(re.fullmatch(r",?(\.\d+)?[fg]", word))


def _of_json(path: Path, name: str) -> Any:
    return reduce(lambda value, key: value[key], name.split("."), json.loads(path.read_text()))


def _of_csv(path: Path, conditions: Sequence[str], name: str) -> str | float:
    if conditions == ["median"]:
        return median(float(row[name]) for row in _rows(path))
    rows = _fitting(path, conditions)
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} rows fit, one should")
    return rows[0][name]


def _fitting(path: Path, conditions: Sequence[str]) -> list[dict[str, str]]:
    wanted = dict(condition.split("=", 1) for condition in conditions)
    return [row for row in _rows(path) if wanted.items() <= row.items()]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows))


def _formatted(markdown: str) -> str:
    options = tomllib.loads((ROOT / ".mdformat.toml").read_text())
    return mdformat.text(markdown, options=options, extensions=options["extensions"])


def main(root: Path = ROOT) -> None:
    """Write or check README.md and all pages of docs/."""
    parser = argparse.ArgumentParser(description="Figures of README.md and docs/ from their files.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if one differs")
    check = parser.parse_args().check
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        old = page.read_text()
        try:
            new = rendered(old, root)
        except Unknown as error:
            sys.exit(f"{page.relative_to(root)}: {error}")
        if check and old != new:
            sys.exit(f"{page.relative_to(root)}:{_difference(old, new)}; run python docs/render.py")
        if old != new:
            page.write_text(new)


def _difference(old: str, new: str) -> str:
    """The number of the first line that differs, and both versions of it."""
    pairs = zip_longest(old.splitlines(), new.splitlines(), fillvalue="")
    return next(f"{i}: it says {a!r}, its file {b!r}" for i, (a, b) in enumerate(pairs, 1) if a != b)


if __name__ == "__main__":
    main()
