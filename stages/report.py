"""Write what people and `dvc metrics` look at: metrics/, the curves and reports/report.md with its figures."""

import json

import pandas as pd

from stages import METRICS, MODELS, REPORTS, SCORES, SEPARATED, STEMS
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.evaluation import SYSTEMS
from unsung.params import load_params
from unsung.reporting.report import Findings, write_report
from unsung.reporting.tables import by_track, wide
from unsung.separation import load


def main() -> None:
    params = load_params()
    whole = pd.read_parquet(SCORES / "tracks.parquet")
    scores = by_track(pd.read_parquet(SCORES / "frames.parquet"), whole)
    curve, crossings = pd.read_csv(MODELS / "curve.csv"), pd.read_csv("benchmarks/crossings.csv", dtype={"seconds": "Int64"})
    found = Findings(scores, whole, curve, read_index(STEMS / "test"), SEPARATED, load(MODELS / "best", params.separate))
    metrics = write_report(REPORTS / "report.md", found, crossings, params)
    METRICS.mkdir(exist_ok=True)
    (METRICS / "separation.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    wide(scores, SYSTEMS[0]).to_csv(REPORTS / "tracks.csv", index=False, float_format="%.4f")
    curve.to_csv(REPORTS / "curve.csv", index=False)
    for source, values in metrics.items():
        print(f"{source:>14}: " + "  ".join(f"{name} {value}" for name, value in values.items()))
    print(f"        report: {REPORTS / 'report.md'}")


if __name__ == "__main__":
    with told_in_one_line():
        main()
