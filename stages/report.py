"""Write metrics/, the tables and curves of reports/, report.md with figures, the listening page."""

import errno
import json
from pathlib import Path

import pandas as pd

from stages import METRICS, MODELS, RAW, REPORTS, SCORES, SEPARATED, STEMS, UNCERTAINTY
from unsung.config.params import load_params
from unsung.data.credits import CREDITS, read_credits
from unsung.data.tracks import read_index
from unsung.errors import UserError, told_in_one_line
from unsung.files import atomically
from unsung.reporting.calibration import calibration
from unsung.reporting.page import write_page
from unsung.reporting.report import Results, write_report
from unsung.reporting.scenes import chosen, scenes
from unsung.scoring import aggregate
from unsung.scoring.evaluation import SYSTEMS
from unsung.scoring.scorer import MEASURES, PITCH, WHOLE


def main() -> None:
    params = load_params()
    frames = read(SCORES / "frames.parquet", "evaluate", "track", "system", "source", "start", "dropped", *MEASURES)
    whole = read(SCORES / "tracks.parquet", "evaluate", "track", "system", "source", "seconds", "ill_posed", *WHOLE, PITCH)
    curve = read(MODELS / "curve.csv", "train", "step", "valid_sdr")
    calls = read(REPORTS / "calls.csv", "sweep", "calls", "valid_sdr")
    crossings = pd.read_csv("benchmarks/crossings.csv", dtype={"seconds": "Int64"})
    if lacking := set(params.model.targets) - set(whole["source"]):
        raise UserError(f"{SCORES} has no scores of {min(lacking)}; run the stage evaluate again (dvc repro -f evaluate)")
    scores = aggregate.by_track(frames.to_dict("records"), whole.to_dict("records"))
    tests = read_index(STEMS / "test")
    calibrated = calibration(tests, SEPARATED, UNCERTAINTY, params)
    results = Results(scores, curve, calls, crossings, calibrated, read_credits(RAW / CREDITS))
    moments = chosen(results.scores, frames, params)
    shown = list(scenes(moments, tests, frames, SEPARATED, UNCERTAINTY, params))
    write_report(REPORTS / "report.md", results, [scene for scene in shown if scene.moment.worst is None], params)
    write_page(REPORTS / "listen.html", results.scores, shown, params)
    metrics = aggregate.metrics(results.scores, SYSTEMS[0])
    with atomically(METRICS / "separation.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    with atomically(REPORTS / "tracks.csv") as partial:
        pd.DataFrame(aggregate.wide(results.scores, SYSTEMS[0])).to_csv(partial, index=False, float_format="%.4f")
    with atomically(REPORTS / "curve.csv") as partial:
        results.curve.to_csv(partial, index=False)
    for source, values in metrics.items():
        print(f"{source:>14}: " + "  ".join(f"{name} {value}" for name, value in values.items()))
    print(f"        report: {REPORTS / 'report.md'}, to listen: {REPORTS / 'listen.html'}")


def read(path: Path, stage: str, *columns: str) -> pd.DataFrame:
    """A table that a stage wrote.

    Raises:
        UserError: it is missing, cut, or lacks rows or columns.
    """
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        whole = path.suffix == ".parquet" or path.read_bytes().endswith(b"\n")
    except ValueError:  # of pyarrow and pandas, about the content
        whole = False
    except OSError as error:
        if error.errno not in (None, errno.ENOENT):  # pyarrow gives no number for what it cannot decode
            raise
        whole = False
    if not whole or table.empty or not set(columns) <= set(table):
        raise UserError(f"{path} is missing or not whole; run the stage {stage} again (dvc repro -f {stage})")
    return table


if __name__ == "__main__":
    with told_in_one_line():
        main()
