import pytest

from tests.conftest import ROOT
from tests.restyle.conftest import params_with
from unsung.errors import UserError
from unsung.restyle.schema import load


def test_the_params_in_the_repository_are_right():
    assert load(ROOT / "restyle/params.yaml").data.target == "carol"


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"data.target": "pop"}, "source and target are both pop"),
        ({"data.target": "jazz"}, "the demo has the styles pop and carol"),
        ({"data.provider": "unaligned"}, "train.pairs must be unaligned too"),
        ({"train.pairs": "unaligned", "model.process": "bridge"}, "a bridge needs pairs"),
        ({"train.segment_seconds": 5.0}, "must not exceed shards.segment_seconds"),
        ({"restyle.window_seconds": 0.1}, "eight windows of the STFT"),
        ({"mel.hop_length": 256}, "hop_length less than its half"),
        ({"model.network.heads": 3}, "multiple of heads"),
        ({"processes.ddpm.calls": 2000}, "calls must not exceed start x timesteps"),
        ({"audio.channels": 2}, "Input should be 1"),
        ({"train.pairs": "random"}, "'aligned', 'unaligned', 'shuffled' or 'one'"),
    ],
)
def test_what_cannot_work_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        params_with(changes)


def test_an_unknown_key_is_one_line_that_names_it(tmp_path):
    text = (ROOT / "restyle/params.yaml").read_text().replace("steps: 600", "stepps: 600")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=r"train.steps? in .*params.yaml"):
        load(tmp_path / "params.yaml")
