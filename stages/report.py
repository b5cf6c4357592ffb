"""Write metrics/, the tables and curves of reports/, report.md with figures, the listening page."""

import json

import pandas as pd

from stages import METRICS, MODELS, REPORTS, SCORES, SEPARATED, STEMS, UNCERTAINTY
from unsung.config.params import load_params
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.reporting.page import write_page
from unsung.reporting.report import Results, write_report
from unsung.reporting.scenes import chosen, scenes
from unsung.scoring import aggregate
from unsung.scoring.evaluation import SYSTEMS


def main() -> None:
    params = load_params()
    frames, whole = (pd.read_parquet(SCORES / f"{name}.parquet") for name in ("frames", "tracks"))
    curve, calls = pd.read_csv(MODELS / "curve.csv"), pd.read_csv(REPORTS / "calls.csv")
    crossings = pd.read_csv("benchmarks/crossings.csv", dtype={"seconds": "Int64"})
    results = Results(aggregate.by_track(frames, whole), curve, calls, crossings)
    moments = chosen(results.scores, frames, params)
    shown = list(scenes(moments, read_index(STEMS / "test"), frames, SEPARATED, UNCERTAINTY, params))
    write_report(REPORTS / "report.md", results, [scene for scene in shown if scene.moment.worst is None], params)
    write_page(REPORTS / "listen.html", results.scores, shown, params)
    metrics = aggregate.metrics(results.scores, SYSTEMS[0])
    METRICS.mkdir(exist_ok=True)
    (METRICS / "separation.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    aggregate.wide(results.scores, SYSTEMS[0]).to_csv(REPORTS / "tracks.csv", index=False, float_format="%.4f")
    results.curve.to_csv(REPORTS / "curve.csv", index=False)
    for source, values in metrics.items():
        print(f"{source:>14}: " + "  ".join(f"{name} {value}" for name, value in values.items()))
    print(f"        report: {REPORTS / 'report.md'}, to listen: {REPORTS / 'listen.html'}")


if __name__ == "__main__":
    with told_in_one_line():
        main()
