"""Train a Restyler with Lightning. A run that was killed goes on and ends with the same weights.

Each validation ends an epoch: the distance of the log-mels of all valid songs to their truth. The
averaged weights with the least loss are kept; the whole state goes to `scratch`.
"""

import logging
import math
import shutil
import warnings
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from unsung.checkpoints import STATE, AtomicCheckpointIO, Progress, learning_rate_factor
from unsung.data.shards import Shards
from unsung.devices import device_of, generators
from unsung.errors import UserError
from unsung.files import atomically
from unsung.restyle import texture
from unsung.restyle.batches import Pairs, whole_pair
from unsung.restyle.poor import varied
from unsung.restyle.restyler import Config, Restyler
from unsung.restyle.schema import Params, Train
from unsung.restyle.transformer import SPREAD, log_mel, normalised

EMA_DECAY = 0.99


def config_of(params: Params) -> Config:
    """The model that restyle/params.yaml describes."""
    return Config(
        style=params.data.target,
        sees="poor" if params.train.pairs == "unaligned" else "mel",
        sample_rate=params.audio.sample_rate,
        **params.mel.model_dump(),
        network=params.model.network,
        process=params.model.process,
        process_settings=getattr(params.processes, params.model.process).model_dump(),
    )


def epochs(settings: Train) -> int:
    """How many times training validates."""
    return math.ceil(settings.steps / settings.valid_every)


def train(params: Params, shards: Shards, valid: Shards, out: Path, scratch: Path) -> None:
    """Train, from the state in `scratch` if there is one; write best/ and curve.csv to `out`.

    Raises:
        UserError: the shards lack a style, or the loss is not a number.
    """
    seed_everything(params.seed, verbose=False)
    pairs, done = Pairs(shards, params), Progress.of(scratch / STATE)
    module, keeper = Training(params, pairs, valid), Keeper(scratch)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its hints are for developers
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
    device = device_of(params.train.accelerator).type
    trainer = Trainer(
        accelerator=device,
        devices=1,
        precision=params.train.precision,
        max_epochs=epochs(params.train),
        gradient_clip_val=params.train.gradient_clip,
        deterministic=True if device == "cpu" else "warn",
        logger=False,
        callbacks=[keeper, TQDMProgressBar(refresh_rate=10), ModelCheckpoint(scratch, STATE.removesuffix(".ckpt"))],
        plugins=[AtomicCheckpointIO()],
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        enable_model_summary=False,
        default_root_dir=scratch,
    )
    trainer.fit(module, ckpt_path=scratch / STATE if done.epochs else None, weights_only=False)
    with atomically(out) as partial:
        shutil.copytree(scratch / "best", partial / "best")
        pd.DataFrame(keeper.curve).to_csv(partial / "curve.csv", index=False, float_format="%.6g", lineterminator="\n")


class Training(LightningModule):
    """The restyler, its moving average, the optimizer and the training step."""

    def __init__(self, params: Params, pairs: Pairs, valid: Shards) -> None:
        super().__init__()
        self.params, self.pairs, self.valid = params, pairs, valid
        self.restyler = Restyler(config_of(params))
        average = AveragedModel(self.restyler, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))
        self.average = average.requires_grad_(False)

    @property
    def averaged(self) -> Restyler:
        """The restyler with the moving average of the weights."""
        return cast(Restyler, self.average.module).eval()

    def train_dataloader(self) -> DataLoader:
        """The samples until the next validation."""
        train, compute = self.params.train, self.params.compute
        first = self.current_epoch * train.valid_every
        last = min(first + train.valid_every, train.steps)
        numbers = range(first * train.batch_size, last * train.batch_size)
        return DataLoader(self.pairs, train.batch_size, sampler=numbers, num_workers=compute.loader_workers)

    def val_dataloader(self) -> DataLoader:
        """The valid segments by number."""
        return DataLoader(range(len(self.valid.rows)), batch_size=None)  # type: ignore[arg-type]

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """One batch: the distance of what the network says to the truth."""
        restyler, mel = self.restyler, self.restyler.config.mel
        rngs = generators([(self.params.seed, 3, int(number)) for number in batch["number"]], self.device)
        image, truth = restyler.image(batch["source"]), normalised(mel.forward(batch["target"]))
        image = varied(image, rngs) if restyler.config.sees == "poor" else image
        y = normalised(mel.forward(batch["source"]))
        state, time = restyler.process.corrupt(truth, y, rngs)
        distance = functional.l1_loss if self.params.train.loss == "l1" else functional.mse_loss
        found = restyler.network(image, state, time)
        spread, moments = texture.losses(log_mel(found.float()), log_mel(truth), mel)
        share = self.global_step / self.params.train.steps  # what is near first, then its texture
        loss = distance(found, truth) + share * self.weighed(spread, moments)
        self.log("loss", loss.detach(), prog_bar=True, on_epoch=True, on_step=True, batch_size=len(image))
        return loss

    def validation_step(self, number: int, index: int) -> None:
        """Mean absolute distance of the log-mels of a segment to the truth, and that of texture."""
        rngs = generators([(self.params.seed, 4, number)], self.device)
        source, target = whole_pair(self.valid, number, self.params)
        found = self.averaged(source[None].to(self.device), rngs)
        truth = self.averaged.config.mel.forward(target[None].to(self.device))
        self.log("valid_distance", (found - truth).abs().mean(), prog_bar=True, batch_size=1)
        self.log("valid_texture", self.weighed(*texture.losses(found, truth, self.averaged.config.mel)), batch_size=1)

    def weighed(self, spread: Tensor, moments: Tensor) -> Tensor:
        """The loss of texture."""
        return self.params.train.spread * spread + self.params.train.moments * moments

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step the weights, then their moving average."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.restyler)

    def configure_optimizers(self) -> Any:
        """Adam or AdamW with a linear warm-up of the learning rate, then half a cosine."""
        train = self.params.train
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[train.optimizer]
        optimizer = kind(self.restyler.parameters(), train.learning_rate, weight_decay=train.weight_decay)
        rate = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, train.warmup_steps, train.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


class Keeper(Callback):
    """Keeps the curve, and saves the best weights to `folder/best`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.best, self.curve = folder, math.inf, list[dict[str, float]]()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Training)
        row = {"train_loss": float(trainer.callback_metrics["loss_epoch"])}
        row |= {name: float(trainer.callback_metrics[name]) for name in ("valid_distance", "valid_texture")}
        if not all(map(math.isfinite, row.values())):
            what = f"training diverged before step {trainer.global_step}: the loss is not a number"
            raise UserError(f"{what}; lower train.learning_rate")
        self.curve.append({"step": trainer.global_step, **row})
        loss = row["valid_distance"] / SPREAD + row["valid_texture"]  # as in training, at its end
        if loss < self.best:
            self.best = loss
            with atomically(self.folder / "best") as partial:
                pl_module.averaged.save(partial)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "curve": self.curve}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.curve = state_dict["best"], state_dict["curve"]
