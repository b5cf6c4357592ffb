"""Train on the pools for a while, in the background of other work; a run goes on where it was stopped.

    python -m recipes.songs.train PACKED DATA RUN [--begin MODEL] [--minutes M] [--fall M] [--set network__dim=96]

`--minutes` and `--fall` are the clock's; what the curve calls seconds, and what validations go by, is the processor's time.
RUN gets state.pt (all that is needed to go on), curve.csv, and average/ (the moving average as a model folder). The learning rate
rises, then stays: nobody knows at the beginning how long a run will be. `--fall` begins another run from RUN's state whose
learning rate falls to nothing within that many minutes, in RUN/fallen/: what is kept. Sample i follows from (seed, i) and the
pools, which are listed anew at every validation, so that they may grow. `--begin` takes the weights of a model folder where
there is no state. SIGTERM saves and stops.
"""

import argparse
import csv
import math
import signal
import time
from pathlib import Path

import torch
from ruamel.yaml import YAML
from torch.optim.swa_utils import AveragedModel

from recipes.songs import valid
from recipes.songs.pools import Mixes
from recipes.songs.recipe import Recipe
from unsung.devices import generators
from unsung.files import atomically
from unsung.models.separator import Separator

LEAST = 0.02  # of the learning rate, where it falls


class Run:
    """The separator, its moving average, the optimizer and how far they are."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.training.seed)
        self.recipe, t = recipe, recipe.training
        self.separator = Separator(recipe.model)
        self.average = AveragedModel(self.separator, avg_fn=lambda a, w, n: a + (w - a) * (1 - min(t.ema, (1 + n) / (10 + n))))
        self.optimizer = torch.optim.AdamW(self.separator.parameters(), t.learning_rate, weight_decay=t.weight_decay)
        self.step, self.seconds = 0, 0.0

    def parts(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        """What has a state."""
        return {"separator": self.separator, "average": self.average, "optimizer": self.optimizer}

    def save(self, path: Path) -> None:
        """Write all that is needed to go on."""
        state = {name: part.state_dict() for name, part in self.parts().items()}
        with atomically(path) as partial:
            torch.save({**state, "step": self.step, "seconds": self.seconds}, partial)

    def load(self, path: Path) -> None:
        """Go on from there."""
        state = torch.load(path, weights_only=True)
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]

    def begin(self, model: Path) -> None:
        """Take the weights of a model folder, where the state that they came from is lost."""
        weights = Separator.load(model).state_dict()
        self.separator.load_state_dict(weights)
        self.average.module.load_state_dict(weights)

    def train_step(self, mixes: Mixes, factor: float) -> float:
        """One step with the learning rate times `factor`; its loss."""
        t = self.recipe.training
        for group in self.optimizer.param_groups:
            group["lr"] = t.learning_rate * factor * min(1.0, (self.step + 1) / t.warmup_steps)
        batch = mixes.__getitems__(range(self.step * t.batch_size, (self.step + 1) * t.batch_size))
        self.separator.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=t.bfloat16):
            rngs = generators([(t.seed, 1, int(number)) for number in batch["number"]], torch.device("cpu"))
            loss = self.separator.loss(batch["stems"], self.recipe.loss, rngs)["loss"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.separator.parameters(), t.clip)
        if torch.isfinite(norm):  # one bad batch is not the end of a night
            self.optimizer.step()
            self.average.update_parameters(self.separator)
        self.step += 1
        return float(loss.detach())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("packed", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--fall", type=float, default=0.0)
    parser.add_argument("--begin", type=Path)
    parser.add_argument("--valid-minutes", type=float, default=10.0)
    parser.add_argument("--set", nargs="*", default=[])
    args = parser.parse_args()
    read = YAML(typ="safe").load
    recipe = Recipe.load(**{name: read(value) for name, value in (item.split("=", 1) for item in args.set)})
    torch.set_num_threads(1)
    run, folder = Run(recipe), args.run / "fallen" if args.fall else args.run
    folder.mkdir(parents=True, exist_ok=True)
    if (args.run / "state.pt").exists():
        run.load(args.run / "state.pt")
    elif args.begin:
        run.begin(args.begin)
    going = True

    def stop(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    minutes = args.fall or args.minutes
    begun, known = time.monotonic(), list[valid.Scene]()
    while going:
        mixes = Mixes(
            args.packed,
            recipe.pools,
            recipe.variety,
            recipe.model.sample_rate,
            recipe.model.stft,
            recipe.frames,
            recipe.training.seed,
        )
        losses, next_valid = list[float](), run.seconds + 60 * args.valid_minutes
        while going and run.seconds < next_valid:
            before = time.process_time()  # what other work on the machine takes away is no training
            share = (time.monotonic() - begun) / 60 / minutes
            factor = LEAST + (1 - LEAST) * 0.5 * (1 + math.cos(math.pi * min(1.0, share))) if args.fall else 1.0
            losses.append(run.train_step(mixes, factor))
            run.seconds += time.process_time() - before
            going = going and share < 1
        run.save(folder / "state.pt")
        average: Separator = run.average.module
        average.save(folder / "average")
        row = {"step": run.step, "seconds": round(run.seconds), "loss": sum(losses) / max(1, len(losses))}
        row |= valid.scores(average, args.data, known)
        new = not (folder / "curve.csv").exists()
        with (folder / "curve.csv").open("a") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow({name: f"{value:.5g}" if isinstance(value, float) else value for name, value in row.items()})
        print({name: round(value, 3) for name, value in row.items()}, flush=True)


if __name__ == "__main__":
    main()
