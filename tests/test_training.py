import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import wandb

from tests.conftest import ROOT, changed
from unsung import training
from unsung.data.credits import Credit, read_credits
from unsung.data.shards import Settings, Shards
from unsung.data.tracks import read_index
from unsung.errors import UserError
from unsung.files import sha256
from unsung.models.separator import Separator
from unsung.validation import valid_plan, valid_sdr

FILES = ("best/config.json", "best/weights.safetensors", "last/weights.safetensors", "curve.csv")


def run(params, shards_folder, stems_folder, out: Path, scratch: Path) -> dict[str, str]:
    """Train, and the hashes of what it wrote."""
    scratch.mkdir(parents=True, exist_ok=True)
    shards = Shards(shards_folder, "train", Settings.of(params))
    training.train(params, shards, read_index(stems_folder / "valid"), out, scratch)
    return {name: sha256(out / name) for name in FILES}


@pytest.fixture(scope="module")
def straight(params, shards_folder, stems_folder, tmp_path_factory):
    """A run without an interruption: its folder and its hashes."""
    folder = tmp_path_factory.mktemp("straight")
    return folder / "out", run(params, shards_folder, stems_folder, folder / "out", folder / "scratch")


def test_it_learns_and_writes_models_and_a_curve(straight, params):
    out, _ = straight
    curve = pd.read_csv(out / "curve.csv")
    assert curve["step"].tolist() == [4, 8, 12]
    assert {"train_loss", "train_spectrum", "train_waveform", "train_compressed", "valid_sdr"} < set(curve)
    assert np.isfinite(curve.to_numpy()).all()
    assert curve["train_loss"].iloc[-1] < curve["train_loss"].iloc[0]
    for name in ("best", "last"):
        assert Separator.load(out / name).config.targets == ("vocals",)


def test_the_best_weights_are_those_of_the_best_validation(straight, params, stems_folder):
    out, _ = straight
    curve = pd.read_csv(out / "curve.csv")
    track = read_index(stems_folder / "valid")[0]
    found = valid_sdr(Separator.load(out / "best"), track, valid_plan(params))
    assert found == pytest.approx(curve["valid_sdr"].max(), abs=1e-3)


def test_two_runs_are_the_same_bytes(straight, params, shards_folder, stems_folder, tmp_path):
    assert run(params, shards_folder, stems_folder, tmp_path / "out", tmp_path / "scratch") == straight[1]


def weights(separator):
    return torch.cat([p.detach().flatten() for p in separator.parameters()])


def test_the_best_weights_are_kept_when_it_gets_worse(params, shards_folder, stems_folder, tmp_path, monkeypatch):
    seen, scores = [], iter((1.0, 3.0, 2.0))

    def valid_sdr(separator, track, plan):
        seen.append(weights(separator).clone())
        return next(scores)

    monkeypatch.setattr(training, "valid_sdr", valid_sdr)
    run(params, shards_folder, stems_folder, tmp_path / "out", tmp_path / "scratch")
    assert torch.equal(weights(Separator.load(tmp_path / "out" / "best")), seen[1])
    assert torch.equal(weights(Separator.load(tmp_path / "out" / "last")), seen[2])
    assert not torch.equal(seen[1], seen[2])


def test_a_tpu_that_is_not_there_is_one_line(params, shards_folder, stems_folder, tmp_path):
    with pytest.raises(UserError, match="train.accelerator is tpu, and Lightning finds none"):
        run(changed(params, train__accelerator="tpu"), shards_folder, stems_folder, tmp_path / "o", tmp_path / "s")


def test_a_run_that_diverges_says_so(params, shards_folder, stems_folder, tmp_path):
    with pytest.raises(UserError, match=r"training diverged before step .*; lower train.learning_rate"):
        run(
            changed(params, train__learning_rate=1e30, train__gradient_clip=1e30),
            shards_folder,
            stems_folder,
            tmp_path / "o",
            tmp_path / "s",
        )
    assert not (tmp_path / "o").exists()


def test_a_model_carries_the_credits_that_its_recordings_ask_for(straight, params, shards_folder, stems_folder, tmp_path):
    assert not (straight[0] / "best" / "credits.csv").exists()
    credits, shards = (
        [Credit("voices", "MIT", "A singer"), Credit("demo", "CC0-1.0")],
        Shards(shards_folder, "train", Settings.of(params)),
    )
    (tmp_path / "s").mkdir()
    training.train(params, shards, read_index(stems_folder / "valid"), tmp_path / "o", tmp_path / "s", credits)
    assert all(read_credits(tmp_path / "o" / name / "credits.csv") == credits for name in ("best", "last"))
    assert all(sha256(tmp_path / "o" / name) == straight[1][name] for name in FILES)
    Separator.load(tmp_path / "o" / "best")


def test_an_accompaniment_beside_what_it_contains_is_one_line(params, shards_folder, stems_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Shards, "stems", ("vocals", "drums", "accompaniment"), raising=False)
    with pytest.raises(UserError, match="the shards have accompaniment and drums, which it contains"):
        shards = Shards.__new__(Shards)
        training.train(params, shards, read_index(stems_folder / "valid"), tmp_path / "o", tmp_path / "s")


def test_a_target_that_is_not_there_is_one_line(params, shards_folder, stems_folder, tmp_path):
    with pytest.raises(UserError, match="there is no stem kazoo in the shards, only drums"):
        run(changed(params, model__targets=["vocals", "kazoo"]), shards_folder, stems_folder, tmp_path / "o", tmp_path / "s")


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r} + "/src")
from unsung.data.shards import Settings, Shards
from unsung.data.tracks import read_index
from unsung.config.schema import params_schema
from unsung import training
params = params_schema().model_validate_json(Path({params!r}).read_text())
shards = Shards(Path({shards!r}), "train", Settings.of(params))
training.train(params, shards, read_index(Path({stems!r}) / "valid"), Path({out!r}), Path({scratch!r}))
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(straight, params, shards_folder, stems_folder, tmp_path):
    """With a process that loads, which `straight` had not."""
    params = changed(params, compute__loader_workers=1)
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    (tmp_path / "params.json").write_text(params.model_dump_json())
    names = {"root": str(ROOT), "params": str(tmp_path / "params.json"), "shards": str(shards_folder), "stems": str(stems_folder)}
    script = KILLED.format(**names, out=str(out), scratch=str(scratch))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (scratch / training.STATE).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (scratch / training.STATE).exists() and not out.exists()
    steps = torch.load(scratch / training.STATE, weights_only=False)["global_step"]
    assert 0 < steps <= 12
    assert run(params, shards_folder, stems_folder, out, scratch) == straight[1]


def test_a_state_that_is_half_written_leaves_the_last_one(tmp_path, monkeypatch):
    files = training.AtomicCheckpointIO()
    files.save_checkpoint({"step": 1}, tmp_path / training.STATE)
    monkeypatch.setattr(torch, "save", lambda checkpoint, path: (path.write_bytes(b"half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        files.save_checkpoint({"step": 2}, tmp_path / training.STATE)
    assert torch.load(tmp_path / training.STATE) == {"step": 1}


def test_accumulating_two_halves_is_one_whole(params, shards_folder, stems_folder, tmp_path):
    """One batch of four or two of two: the same gradient, so the same weights but for rounding."""
    found = []
    for name, these in (
        ("whole", {"batch_size": 4}),
        ("halves", {"batch_size": 2, "accumulate_batches": 2}),
        ("less", {"batch_size": 2}),
    ):
        values = {f"train__{key}": value for key, value in these.items()}
        same = changed(params, train__steps=4, train__ema_decay=0.0, **values)
        run(same, shards_folder, stems_folder, tmp_path / name, tmp_path / f"{name}.scratch")
        found.append(weights(Separator.load(tmp_path / name / "last")))
    whole, halves, less = found
    assert (halves - whole).abs().mean() < 0.01 * (less - whole).abs().mean()


@pytest.mark.parametrize("precision", ["bf16-mixed"])
def test_mixed_precision_trains(params, shards_folder, stems_folder, tmp_path, precision):
    run(changed(params, train__precision=precision, train__steps=4), shards_folder, stems_folder, tmp_path / "out", tmp_path / "s")
    assert np.isfinite(pd.read_csv(tmp_path / "out" / "curve.csv").to_numpy()).all()


def test_patience_ends_a_run_that_does_not_improve(params, shards_folder, stems_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "valid_sdr", lambda *arguments: 1.0)
    run(changed(params, train__steps=40, train__patience=2), shards_folder, stems_folder, tmp_path / "out", tmp_path / "s")
    assert pd.read_csv(tmp_path / "out" / "curve.csv")["step"].max() == 12


def test_a_run_killed_after_it_lost_its_patience_does_not_go_on(params, shards_folder, stems_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "valid_sdr", lambda *arguments: 1.0)
    these = changed(params, train__steps=40, train__patience=2)
    with monkeypatch.context() as killed:
        killed.setattr(training.shutil, "copytree", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(these, shards_folder, stems_folder, tmp_path / "out", tmp_path / "s")
    run(these, shards_folder, stems_folder, tmp_path / "out", tmp_path / "s")
    assert pd.read_csv(tmp_path / "out" / "curve.csv")["step"].tolist() == [4, 8, 12]


def test_tensorboard_by_a_switch(params, shards_folder, stems_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    run(changed(params, compute__tensorboard=True, train__steps=4), shards_folder, stems_folder, tmp_path / "out", tmp_path / "s")
    assert list((tmp_path / ".scratch" / "tensorboard").rglob("events.out.*"))


def test_two_targets_and_all_of_them(params, shards_folder, stems_folder, tmp_path):
    for name, targets in (("two", ["vocals", "drums"]), ("all", ["vocals", "drums", "bass", "other"])):
        these = changed(params, model__targets=targets, train__steps=4)
        run(these, shards_folder, stems_folder, tmp_path / name, tmp_path / f"{name}.scratch")
        config = Separator.load(tmp_path / name / "best").config
        assert config.parts == (("vocals", "drums", "accompaniment") if name == "two" else tuple(targets))


def test_the_learning_rate_rises_and_falls():
    factors = [training.learning_rate_factor(step, 10, 100) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert max(factors) == factors[10] == 1
    assert factors[55] == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 2)))
    assert factors[100] == pytest.approx(0.01)


@pytest.mark.parametrize("schedule", ["plateau", "constant"])
def test_other_schedules_resume_to_the_same_weights(straight, params, shards_folder, stems_folder, tmp_path, schedule, monkeypatch):
    mine = changed(params, train__schedule=schedule)
    whole = run(mine, shards_folder, stems_folder, tmp_path / "a", tmp_path / "a_scratch")
    assert whole != straight[1]
    epochs = []

    def stop(self, trainer, module):
        epochs.append(trainer.current_epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(training.Keeper, "on_train_epoch_start", stop, raising=False)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            run(mine, shards_folder, stems_folder, tmp_path / "b", tmp_path / "b_scratch")
    assert run(mine, shards_folder, stems_folder, tmp_path / "b", tmp_path / "b_scratch") == whole


def rates(params, valid_sdrs):
    """The learning rate after each step of two epochs of four, with Lightning's schedulers."""
    from unsung.models.separator import Config

    module = training.Training(Config.of(params, covers_song=False), params, [])
    optimizers, schedulers = module.configure_optimizers()
    found = []
    for sdr in valid_sdrs:
        for _ in range(4):
            found.append(optimizers[0].param_groups[0]["lr"])
            optimizers[0].step()
            schedulers[0]["scheduler"].step()
        schedulers[1]["scheduler"].step(sdr)
    return found


def test_the_plateau_schedule_rises_and_halves_when_the_sdr_rests(params):
    mine = changed(params, train__schedule="plateau", train__warmup_steps=3, train__learning_rate=1.0)
    found = rates(mine, [1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[4:20] == pytest.approx([1.0] * 16) and found[20:] == pytest.approx([0.5] * 4)


def test_the_constant_schedule_stays(params):
    assert [training.learning_rate_factor(step, 2, math.inf) for step in (0, 1, 2, 10**6)] == pytest.approx([1 / 3, 2 / 3, 1, 1])


def test_training_can_begin_with_another_models_weights(straight, params, shards_folder, stems_folder, tmp_path):
    from unsung.models.separator import Config

    config = Config.of(params, covers_song=False)
    tuned = changed(params, train__resume_from=str(straight[0] / "best"), train__learning_rate=1e-9)
    assert torch.equal(weights(training.begin(config, tuned)), weights(Separator.load(straight[0] / "best")))
    run(tuned, shards_folder, stems_folder, tmp_path / "out", tmp_path / "scratch")
    before, after = (Separator.load(folder / "best") for folder in (straight[0], tmp_path / "out"))
    torch.testing.assert_close(weights(after), weights(before), atol=1e-6, rtol=0)


def test_weights_that_fit_are_taken_and_others_are_named(straight, params, tmp_path, capsys):
    from unsung.models.separator import Config

    known = Separator.load(straight[0] / "best").state_dict()

    def begin(**values):
        mine = changed(params, **{"train__resume_from": str(straight[0] / "best"), **values})
        found = training.begin(Config.of(mine, covers_song=False), mine).state_dict()
        taken = [name for name in found if name in known and torch.equal(found[name], known[name])]
        return found, taken, capsys.readouterr().out

    found, taken, said = begin(audio__channels=2)
    anew = [name for name in found if found[name].shape != known[name].shape]
    assert anew and set(taken) >= set(found) - set(anew) and all(name in said.partition("; anew begin ")[2] for name in anew)
    assert "anew" not in begin()[2]
    with pytest.raises(UserError, match="has network band_split, the params say crnn"):
        begin(model__network="crnn")
    with pytest.raises(UserError, match="is not a model folder"):
        begin(train__resume_from=str(tmp_path))


SCRIPT = """
import functools
import sys
from pathlib import Path
import torch
from unsung import training
from unsung.data.shards import Settings, Shards
from unsung.data.tracks import read_index
from unsung.files import scratch
from unsung.config.schema import params_schema
params = params_schema().model_validate_json(Path(sys.argv[1]).read_text())
torch.compile = functools.partial(torch.compile, backend="aot_eager")
with scratch("train", "together") as folder:
    shards = Shards(Path(sys.argv[2]), "train", Settings.of(params))
    training.train(params, shards, read_index(Path(sys.argv[3]) / "valid"), Path(sys.argv[4]), folder)
"""


def in_its_own_process(params, shards_folder, stems_folder, folder):
    """Train to folder/out as the stage does."""
    (folder / "params.json").write_text(params.model_dump_json())
    (folder / "script.py").write_text(SCRIPT)
    given = [folder / "params.json", shards_folder, stems_folder, folder / "out"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    one = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    environment = {**os.environ, **one, "PYTHONPATH": path, "DVC_ROOT": str(folder)}
    command = [sys.executable, str(folder / "script.py"), *map(str, given)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_learn_what_one_with_twice_the_batch_learns(params, shards_folder, stems_folder, tmp_path):
    """By gloo on the CPU, as `python -m stages.train` starts itself; the last digits differ.

    The process predictive leaves the weights of the time unused.
    """
    alone = changed(params, train__batch_size=4, model__process="predictive")
    run(alone, shards_folder, stems_folder, tmp_path / "alone", tmp_path / "scratch")
    together = changed(alone, train__batch_size=2, train__devices=2)
    in_its_own_process(together, shards_folder, stems_folder, tmp_path)
    one, two = (pd.read_csv(tmp_path / name / "curve.csv") for name in ("alone", "out"))
    assert one["step"].tolist() == two["step"].tolist()
    np.testing.assert_allclose(two["train_loss"], one["train_loss"], rtol=1e-3)
    np.testing.assert_allclose(two["valid_sdr"], one["valid_sdr"], atol=0.05)
    close = weights(Separator.load(tmp_path / "out" / "last")) - weights(Separator.load(tmp_path / "alone" / "last"))
    assert close.abs().max() < 2e-2 and close.abs().mean() < 1e-3
    assert not [folder for folder in (tmp_path / ".scratch" / "train").iterdir() if folder.is_dir()]


def test_curves_go_to_weights_and_biases_offline(params, shards_folder, stems_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    logged = changed(params, compute__wandb=True, train__steps=4, train__valid_every=2)
    run(logged, shards_folder, stems_folder, tmp_path / "out", tmp_path / "scratch")
    wandb.teardown()  # waits for the process that writes the file: on a busy machine it is behind
    records = list((tmp_path / ".scratch" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(records) == 1
    found = records[0].read_bytes()
    assert b"valid_sdr" in found and b"train_spectrum" in found and b"band_split" in found


def test_a_compiled_network_learns_the_same(params, shards_folder, stems_folder, tmp_path):
    """In a process of its own without jaxtyping's checks, which the compiler cannot handle.

    Graphs are taken and differentiated, not made to C++: that takes 25 s and is for torch to test.
    """
    tiny = {
        "networks__crnn__widths": (4, 4),
        "networks__crnn__hidden_size": 8,
        "model__network": "crnn",
        "model__process": "predictive",
    }
    mine = changed(params, **tiny, train__steps=4)
    run(mine, shards_folder, stems_folder, tmp_path / "plain" / "out", tmp_path / "scratch")
    (tmp_path / "compiled").mkdir()
    in_its_own_process(changed(mine, train__compile=True), shards_folder, stems_folder, tmp_path / "compiled")
    plain, compiled = (pd.read_csv(tmp_path / name / "out" / "curve.csv") for name in ("plain", "compiled"))
    np.testing.assert_allclose(compiled["train_loss"], plain["train_loss"], rtol=1e-3)
    assert (plain["train_loss"] > 0).all()
    models = [Separator.load(tmp_path / name / "out" / "best") for name in ("plain", "compiled")]
    torch.testing.assert_close(weights(models[0]), weights(models[1]), atol=1e-2, rtol=0)
