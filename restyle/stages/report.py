"""Write metrics/, the curve, report.md with pictures, and the listening page."""

import json

import pandas as pd

from stages import METRICS, REPORTS, SCORES, STEMS, SYSTEMS, TRAINED
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.files import atomically
from unsung.restyle.pairs import read_songs
from unsung.restyle.report import Results, metrics, versions, write_listening_page, write_report
from unsung.restyle.schema import load


def main() -> None:
    params = load()
    tables = (SCORES / "songs.csv", SCORES / "systems.csv", REPORTS / "vocoders.csv", TRAINED / "curve.csv")
    results = Results(*map(pd.read_csv, tables))
    test = read_songs(read_index(STEMS / "test"), params.data.source, params.data.target)
    shown = {song.name: versions(song, SYSTEMS, params) for song in test[: params.report.tracks]}
    write_report(REPORTS / "report.md", results, shown, params)
    write_listening_page(REPORTS / "listen.html", shown, params)
    found = metrics(results)
    with atomically(METRICS / "restyle.json") as path:
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")
    with atomically(REPORTS / "curve.csv") as path:
        results.curve.to_csv(path, index=False)
    print("  ".join(f"{name} {value}" for name, value in found.items()))
    print(f"report: restyle/{REPORTS / 'report.md'}, to listen: restyle/{REPORTS / 'listen.html'}")


if __name__ == "__main__":
    with told_in_one_line():
        main()
