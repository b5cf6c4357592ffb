from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import changed
from unsung import audio, separation
from unsung.config.params import Params
from unsung.data.tracks import Track, mixture, read_index
from unsung.models.separator import Config, Separator
from unsung.reporting.scenes import Scene, chosen, scenes
from unsung.scoring.aggregate import by_track
from unsung.scoring.evaluation import score_track

CURVE = pd.DataFrame({"step": [4, 8], "train_loss": [2.0, 1.0], "valid_sdr": [3.25, 2.0]})
STEPS = pd.DataFrame({"steps": [1, 2], "valid_sdr": [3.25, 3.0], "tracks": [1, 1]})


@dataclass(frozen=True)
class Run:
    """A test track of 4 s, its estimates by a network that knows nothing, and their scores."""

    params: Params
    track: Track
    estimates: Path
    separator: Separator
    frames: pd.DataFrame
    scores: pd.DataFrame

    def scenes(self, params: Params | None = None) -> list[Scene]:
        """Those of the report."""
        params = params or self.params
        moments = chosen(self.scores, self.frames, params)
        return list(scenes(moments, [self.track], self.estimates, self.frames, self.separator, params))


@pytest.fixture(scope="session")
def run(stems_folder, params, tmp_path_factory):
    folder = tmp_path_factory.mktemp("separated")
    track = read_index(stems_folder / "test")[0]
    separator = Separator(Config.of(params, covers_song=False)).eval()
    plan = separation.Plan.of(params.separate, 8000, {}, 0)
    separation.write_parts(separator, lambda: mixture(track), audio.Facts(8000, 1, 0), folder / track.name, plan)
    frames, whole = score_track(track, folder, params)
    return Run(changed(params, report__clip_seconds=2.0), track, folder, separator, frames, by_track(frames, whole))
