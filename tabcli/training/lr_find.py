"""The learning-rate finder: a short run with a rising rate."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from tabcli.config.learning import Train
from tabcli.errors import ConfigError
from tabcli.shown import Shown
from tabcli.training.dataset import TrainingRows
from tabcli.training.loop import Trainer, device_of, one_thread
from tabcli.training.network import ModelSpec
from tabcli.training.optimizer import set_step

# ----------------------------------------------------------------------------------- learning rates


@dataclass(frozen=True, repr=False)
class LRFind(Shown):
    """`lrs`: the learning rates that were tried; `losses`: the smoothed loss at each; `suggestion`: a learning rate."""

    lrs: list[float]
    losses: list[float]
    suggestion: float

    def brief(self) -> dict[str, str]:
        return {"suggestion": f"{self.suggestion:.1e}", "tried": f"{len(self.lrs)} rates up to {self.lrs[-1]:.1e}"}


def valley(losses: list[float]) -> int:
    """fastai's `valley` rule: a point half-way into the second third of the longest decreasing run of losses."""
    n = len(losses)
    lengths = [1] * n
    for i in range(1, n):
        lengths[i] = max([lengths[j] + 1 for j in range(i) if losses[i] < losses[j]], default=1)
    end = int(np.argmax(lengths))
    start = end - lengths[end]
    third = (end - start) / 3
    return max(0, start + int(third) + int(third / 2))


def lr_find(
    spec: ModelSpec,
    settings: Train,
    train: TrainingRows,
    *,
    seed: int,
    steps: int = 100,
    low: float = 1e-7,
    high: float = 10.0,
) -> LRFind:
    """Raises the learning rate from `low` to `high` exponentially, a batch at each of `steps` rates.

    Stops where the smoothed loss passes 4 times its least. Raises `ConfigError` where no loss is finite.
    """
    lrs: list[float] = []
    losses: list[float] = []
    smooth, best = 0.0, math.inf
    with one_thread(), torch.random.fork_rng(devices=[]):
        train = train.to(device_of(settings))
        trainer = Trainer(spec, settings, train, seed)
        trainer.model.train()
        epoch = 0
        while len(lrs) < steps:
            epoch += 1
            for batch in train.batches(settings.batch_size, seed, epoch):
                lr = low * (high / low) ** (len(lrs) / (steps - 1))
                set_step(trainer.optimizer, lr, settings.momentum[0])
                loss = trainer.loss_with_gradient(batch)
                trainer.optimizer.step()
                smooth = 0.98 * smooth + 0.02 * loss.item()
                lrs.append(lr)
                losses.append(smooth / (1 - 0.98 ** len(lrs)))
                best = min(best, losses[-1])
                if len(lrs) == steps or not math.isfinite(losses[-1]) or losses[-1] > 4 * best:
                    kept = [x for x in losses if math.isfinite(x)]
                    if not kept:
                        raise ConfigError("the loss is not finite whatever the rate: no rate can be suggested")
                    return LRFind(lrs[: len(kept)], kept, lrs[valley(kept)])
    raise AssertionError("unreachable: the loop returns after `steps` batches")
