from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import changed
from unsung.config.schema import Params
from unsung.data.tracks import Track, read_index
from unsung.models.separator import Config, Separator
from unsung.reporting.scenes import Scene, chosen, scenes
from unsung.scoring.aggregate import by_track
from unsung.scoring.evaluation import score_track
from unsung.scoring.scorer import Rows
from unsung.separation import Method, separate_track
from unsung.uncertainty import write_maps

CURVE = pd.DataFrame({"step": [4, 8], "train_loss": [2.0, 1.0], "valid_sdr": [3.25, 2.0]})
CALLS = pd.DataFrame({"calls": [1, 2], "valid_sdr": [3.25, 3.0], "tracks": [1, 1]})


@dataclass(frozen=True)
class Run:
    """A test track of 4 s, its estimates by a network that knows nothing, and their scores."""

    params: Params
    track: Track
    separated: Path
    uncertainty: Path
    frames: pd.DataFrame
    scores: Rows

    def scenes(self, params: Params | None = None) -> list[Scene]:
        """Those of the report."""
        params = params or self.params
        moments = chosen(self.scores, self.frames, params)
        return list(scenes(moments, [self.track], self.frames, self.separated, self.uncertainty, params))


@pytest.fixture(scope="session")
def run(stems_folder, params, tmp_path_factory):
    folder = tmp_path_factory.mktemp("separated")
    separated, uncertainty = folder / "estimates", folder / "uncertainty"
    track = read_index(stems_folder / "test")[0]
    Separator(Config.of(params, covers_song=False)).save(folder / "model")
    method = Method.of(folder / "model", params)
    separate_track(track, separated, method)
    write_maps(track, uncertainty, method, params.uncertainty)
    frames, whole = score_track(track, separated, params)
    return Run(
        changed(params, report__clip_seconds=2.0), track, separated, uncertainty, pd.DataFrame(frames), by_track(frames, whole)
    )
