"""Train a Separator with Lightning. A run that was killed goes on and ends with the same weights.

An epoch ends with a validation on whole tracks. If it is the best, the averaged weights are kept.
The whole state goes to `scratch`, from where a killed run goes on. Randomness follows from (seed,
number of the sample), so interruptions do not change the result.
"""

import logging
import math
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.accelerators import XLAAccelerator
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from unsung.checkpoints import STATE, AtomicCheckpointIO, Progress, learning_rate_factor
from unsung.config.params import resume_folder
from unsung.config.schema import Params
from unsung.data import batches
from unsung.data.batches import Sample
from unsung.data.credits import Credit, write_credits
from unsung.data.shards import Shards
from unsung.data.tracks import Track
from unsung.devices import device_of, generators
from unsung.errors import UserError
from unsung.files import atomically
from unsung.models.separator import Config, Separator
from unsung.validation import valid_plan, valid_sdr

PLATEAU_PATIENCE = 2  # validations without a better SDR before the one that halves the learning rate


def train(params: Params, shards: Shards, valid: Sequence[Track], out: Path, scratch: Path, credits: Sequence[Credit] = ()) -> None:
    """Train, from the state in `scratch` if there is one; write best, last and curve.csv to `out`.

    Both models get credits.csv where one of their recordings asks for credit.

    Raises:
        UserError: a target is not among the stems of the shards, or the loss is not a number.
    """
    if missing := set(params.model.targets) - set(shards.stems):
        raise UserError(f"there is no stem {min(missing)} in the shards, only {', '.join(shards.stems)}; mend model.targets")
    if "accompaniment" in shards.stems and (parts := set(shards.stems) - {"accompaniment", *params.model.targets}):
        raise UserError(f"the shards have accompaniment and {min(parts)}, which it contains; give all tracks the same stems")
    config = Config.of(params, covers_song=set(params.model.targets) == set(shards.stems))
    seed_everything(params.seed, verbose=False)
    module = Training(config, params, valid)
    segments = batches.Segments.of(shards, params)
    keeper, done = Keeper(scratch), Progress.of(scratch / STATE)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its hints are for developers
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
    trainer = _trainer(params, scratch, keeper, done)
    tracks: DataLoader = DataLoader(range(len(valid)), batch_size=None)  # type: ignore[arg-type]
    state = scratch / STATE if done.epochs else None
    trainer.fit(module, batches.loader(segments, params, done.epochs), tracks, ckpt_path=state, weights_only=False)
    if not trainer.is_global_zero:
        return
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()  # it writes its files
    with atomically(out) as partial:
        shutil.copytree(scratch / "best", partial / "best")
        module.averaged.save(partial / "last")
        if any(one.credit for one in credits):
            write_credits(partial / "best", credits)
            write_credits(partial / "last", credits)
        pd.DataFrame(keeper.curve).to_csv(partial / "curve.csv", index=False, float_format="%.6g", lineterminator="\n")


class Training(LightningModule):
    """The separator, its moving average, the optimizer and the training step."""

    def __init__(self, config: Config, params: Params, valid: Sequence[Track]) -> None:
        super().__init__()
        self.separator = begin(config, params)
        average = AveragedModel(self.separator, multi_avg_fn=get_ema_multi_avg_fn(params.train.ema_decay))
        self.average = average.requires_grad_(False)
        if params.train.compile:
            self.separator.network.compile()
        self.params, self.valid = params, valid
        self.plan = valid_plan(params)
        if self.averaged.process.repeats:
            self.averaged.sample_with(self.averaged.process.settings.changed(calls=params.train.valid_calls))

    @property
    def averaged(self) -> Separator:
        """The separator with the moving average of the weights."""
        return cast(Separator, self.average.module)

    def training_step(self, batch: Sample, index: int) -> Tensor:
        """One batch; every term of the loss is logged on its own."""
        rngs = generators([(self.params.seed, 1, int(number)) for number in batch["number"]], self.device)
        stems = self.separator.config.stft.forward(batch["stems"], within=True)
        terms = self.separator.loss(stems, self.params.train.loss, rngs)
        logged = {f"train_{name}": value.detach() for name, value in terms.items()}
        on_step = self.params.compute.tensorboard or self.params.compute.wandb
        self.log_dict(logged, on_epoch=True, on_step=on_step, sync_dist=True, batch_size=len(stems))
        self.log("loss", terms["loss"].detach(), prog_bar=True, logger=False)
        return terms["loss"]

    def validation_step(self, number: int, index: int) -> None:
        """The SDR of a whole valid track, separated with the averaged weights."""
        self.log("valid_sdr", valid_sdr(self.averaged, self.valid[number], self.plan), prog_bar=True, batch_size=1)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step the weights, then their moving average."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.separator)

    def configure_optimizers(self) -> Any:
        """AdamW with a linear warm-up of the learning rate, then the schedule."""
        train = self.params.train
        optimizer = torch.optim.AdamW(self.separator.parameters(), train.learning_rate, weight_decay=train.weight_decay)
        if train.schedule == "plateau":
            rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / (train.warmup_steps + 1), total_iters=train.warmup_steps)
            fall = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=PLATEAU_PATIENCE)
            plateau = {"scheduler": fall, "interval": "epoch", "monitor": "valid_sdr"}
            return [optimizer], [{"scheduler": rise, "interval": "step"}, plateau]
        end = math.prod(batches.epochs(train)) if train.schedule == "cosine" else math.inf
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, train.warmup_steps, end))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


def begin(config: Config, params: Params) -> Separator:
    """A separator with fresh weights, and those of `train.resume_from` that fit; others are named.

    Raises:
        UserError: that is no model folder, or has another network, or none of its weights fits.
    """
    separator = Separator(config)
    if folder := resume_folder(params):
        known = Separator.load(folder)
        where = f"the model in train.resume_from ({folder})"
        if known.config.network != config.network:
            raise UserError(f"{where} has network {known.config.network}, the params say {config.network}; its weights do not fit")
        mine, theirs = (dict(one.named_parameters()) for one in (separator, known))
        fitting = {name: weight for name, weight in theirs.items() if name in mine and weight.shape == mine[name].shape}
        if not fitting:
            raise UserError(f"{where} has no weights that fit this network; take its settings (unsung preset NAME --from MODEL)")
        separator.load_state_dict(fitting, strict=False)
        others = f"; anew begin {', '.join(anew)}" if (anew := [name for name in mine if name not in fitting]) else ""
        print(f"train: {len(fitting)} of {len(mine)} weights are those of {params.train.resume_from}{others}", flush=True)
    return separator


class Keeper(Callback):
    """Keeps the curve, and saves the best weights to `folder/best`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.best, self.curve = folder, -math.inf, list[dict[str, float]]()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Training)
        logged = {name: float(value) for name, value in trainer.callback_metrics.items() if name != "loss"}
        row = {name.removesuffix("_epoch"): value for name, value in logged.items() if not name.endswith("_step")}
        step = trainer.global_step
        if not all(map(math.isfinite, row.values())):
            raise UserError(f"training diverged before step {step}: the loss is not a number; lower train.learning_rate")
        self.curve.append({"step": step, **dict(sorted(row.items()))})
        if row["valid_sdr"] > self.best:
            self.best = row["valid_sdr"]
            if trainer.is_global_zero:
                with atomically(self.folder / "best") as partial:
                    pl_module.averaged.save(partial)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "curve": self.curve}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.curve = state_dict["best"], state_dict["curve"]


def _trainer(params: Params, scratch: Path, keeper: Keeper, done: Progress) -> Trainer:
    train = params.train
    checkpoint = ModelCheckpoint(scratch, STATE.removesuffix(".ckpt"), enable_version_counter=False)
    stopping = [EarlyStopping("valid_sdr", mode="max", patience=train.patience)] if train.patience else []
    device = train.accelerator if train.accelerator == "tpu" else device_of(train.accelerator).type
    if device == "tpu" and not XLAAccelerator.is_available():
        raise UserError("train.accelerator is tpu, and Lightning finds none (it looks through torch_xla); set it to auto or cpu")
    return Trainer(
        accelerator=device,
        devices=train.devices,
        strategy="ddp_find_unused_parameters_true" if train.devices > 1 else "auto",
        precision=train.precision,
        max_epochs=done.epochs if done.out_of_patience else batches.epochs(train)[0],
        accumulate_grad_batches=train.accumulate_batches,
        gradient_clip_val=train.gradient_clip,
        deterministic=True if device == "cpu" else "warn",
        logger=_loggers(params, scratch.name),
        callbacks=[keeper, TQDMProgressBar(refresh_rate=10), checkpoint, *stopping],
        plugins=[AtomicCheckpointIO()],
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=scratch,
    )


def _loggers(params: Params, name: str) -> list[Logger]:
    """The loggers that are switched on; a resumed run continues their runs."""
    folder, loggers = Path(os.environ.get("DVC_ROOT", "."), ".scratch"), list[Logger]()
    if params.compute.tensorboard:
        loggers.append(TensorBoardLogger(folder / "tensorboard", name=name))
    if params.compute.wandb:
        (folder / "wandb").mkdir(parents=True, exist_ok=True)
        run: dict[str, Any] = {"id": name, "resume": "allow", "config": params.model_dump(), "settings": {"silent": True}}
        loggers.append(WandbLogger(project="unsung", save_dir=folder, **run))
    return loggers
