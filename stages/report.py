"""Write what people and `dvc metrics` look at: metrics/, curves, reports/report.md with its figures, and the listening page."""

import json

import pandas as pd

from stages import METRICS, MODELS, REPORTS, SCORES, SEPARATED, STEMS
from unsung.config.params import load_params
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.reporting import scenes
from unsung.reporting.page import write_page
from unsung.reporting.report import write_report
from unsung.scoring import aggregate
from unsung.scoring.evaluation import SYSTEMS
from unsung.separation import load


def main() -> None:
    params = load_params()
    frames, whole = (pd.read_parquet(SCORES / f"{name}.parquet") for name in ("frames", "tracks"))
    scores, curve = aggregate.by_track(frames, whole), pd.read_csv(MODELS / "curve.csv")
    moments = scenes.chosen(scores, frames, params)
    shown = list(
        scenes.scenes(moments, read_index(STEMS / "test"), SEPARATED, frames, load(MODELS / "best", params.separate), params)
    )
    crossings = pd.read_csv("benchmarks/crossings.csv", dtype={"seconds": "Int64"})
    middles = [scene for scene in shown if scene.moment.worst is None]
    write_report(REPORTS / "report.md", scores, curve, pd.read_csv(REPORTS / "steps.csv"), crossings, middles, params)
    write_page(REPORTS / "listen.html", scores, shown, params)
    metrics = aggregate.metrics(scores, SYSTEMS[0])
    METRICS.mkdir(exist_ok=True)
    (METRICS / "separation.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    aggregate.wide(scores, SYSTEMS[0]).to_csv(REPORTS / "tracks.csv", index=False, float_format="%.4f")
    curve.to_csv(REPORTS / "curve.csv", index=False)
    for source, values in metrics.items():
        print(f"{source:>14}: " + "  ".join(f"{name} {value}" for name, value in values.items()))
    print(f"        report: {REPORTS / 'report.md'}, to listen: {REPORTS / 'listen.html'}")


if __name__ == "__main__":
    with told_in_one_line():
        main()
