"""Which naive forecasts stand beside the networks, and with which share: decided on past windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.evaluation.metrics import Criterion
from tabcli.floor.known import Places
from tabcli.floor.naive import Model, mixed, mixtures
from tabcli.preprocessing.target import TargetTransform

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class FloorState(TypedDict):
    """What is kept of a `Floor`, beside its models."""

    share: float
    mixture: dict[str, float]
    gain: float


@dataclass(frozen=True)
class Floor:
    """The mixture of naive forecasts beside the networks, and its share on the learned scale, 0 … 1; 0: networks alone.

    `mixture`: name → share within it. `gain`: 1 − the criterion with it ÷ that of networks alone, summed over past
    windows. `models`: the naive forecasts from the end of what is known, where they are needed.
    """

    share: float = 0.0
    mixture: Mapping[str, float] = field(default_factory=dict)
    gain: float = 0.0
    models: Mapping[str, Model] = field(default_factory=dict)

    def to_state(self) -> FloorState:
        return {"share": self.share, "mixture": dict(self.mixture), "gain": self.gain}

    def outputs(self, networks: FloatArray, places: Places) -> FloatArray:
        """What the networks put out (n,) with its share of naive forecasts, where there are some for a row."""
        if self.share == 0:
            return networks
        return self.blended(networks, {name: self.models[name].forecast(places) for name in self.mixture})

    def blended(self, networks: FloatArray, naive: Mapping[str, FloatArray]) -> FloatArray:
        """The same with the naive forecasts given, by name, (n,) each."""
        return blended(networks, mixed(naive, self.mixture), self.share) if self.share else networks


NO_FLOOR = Floor()


def blended(networks: FloatArray, naive: FloatArray, share: float) -> FloatArray:
    """The convex mean of both, float64 (n,); of the networks alone where the naive forecast is NaN."""
    mean: FloatArray = np.where(np.isnan(naive), networks, (1 - share) * networks + share * np.nan_to_num(naive))
    return mean


@dataclass(frozen=True)
class PastWindow:
    """A past window: what happened in the target's unit (n,), and what was put out before on the learned scale.

    `networks`: (n,), None where no network was trained for the window; `naive`: by name, (n,) each.
    """

    criterion: Criterion
    actual: FloatArray
    networks: FloatArray | None
    naive: dict[str, FloatArray]

    def cost(self, target: TargetTransform, outputs: FloatArray) -> float:
        return self.criterion(self.actual, target.inverse(outputs))


def best_mixture(windows: Sequence[PastWindow], target: TargetTransform) -> dict[str, float]:
    """The mean of up to `BEST` mixtures of naive forecasts whose criterion is least over the windows: name → share.

    By the mean of its logarithm, so that a window that nobody could foresee does not decide alone; of those that are
    `CLOSE` to the best, since which of them was best over a few windows is to a good part chance.
    """
    tried = mixtures(windows[0].naive)
    costs = np.array([[w.cost(target, _whole(w, mixed(w.naive, m))) for m in tried] for w in windows])
    logs = np.log(costs + 1e-300).mean(axis=0)
    best = [i for i in np.argsort(logs, kind="stable")[:BEST] if logs[i] <= logs.min() + CLOSE]
    mean: dict[str, float] = {}
    for i in best:
        for name, share in tried[i].items():
            mean[name] = mean.get(name, 0.0) + share / len(best)
    return mean


def _whole(window: PastWindow, naive: FloatArray) -> FloatArray:
    """A naive forecast with something for every row: what the networks say, or the middle of all."""
    if window.networks is not None:
        return np.where(np.isnan(naive), window.networks, naive)
    return np.where(np.isnan(naive), np.nanmedian(naive), naive) if np.isfinite(naive).any() else np.zeros_like(naive)


def fit_floor(windows: Sequence[PastWindow], target: TargetTransform) -> Floor:
    """The naive forecasts that were best, and the share with which they would have served best beside the networks.

    Windows with networks decide the share, each with the logarithm of the criterion with it ÷ without it. The smallest
    share is taken that lies within `DOUBT` standard errors, over the windows, of the best one.
    """
    judged = [(w, w.networks) for w in windows if w.networks is not None]
    if not judged or not windows[0].naive:
        return NO_FLOOR
    mixture = best_mixture(windows, target)
    costs = np.array([[w.cost(target, blended(n, mixed(w.naive, mixture), s)) for s in SHARES] for w, n in judged])
    relative = np.log((costs + 1e-300) / (costs[:, :1] + 1e-300))
    relative /= 1 + np.abs(relative) / LOUDEST
    mean = relative.mean(axis=0)
    best = int(np.argmin(mean))
    scatter = (relative - relative[:, [best]]).std(axis=0, ddof=1) if len(judged) > 1 else np.full(len(SHARES), ALONE)
    doubt = scatter / np.sqrt(len(judged))
    chosen = int(np.flatnonzero(mean <= mean[best] + DOUBT * doubt)[0])
    return Floor(SHARES[chosen], mixture, float(1 - costs[:, chosen].sum() / costs[:, 0].sum()) if chosen else 0.0)


def better_than_naive(
    windows: Sequence[PastWindow], floors: Sequence[Floor], target: TargetTransform
) -> dict[str, float]:
    """By how much less the forecasts of past windows err than the best naive forecasts: metric → share; also by WAPE.

    `floors`: of each window that networks were trained for, by the other windows; none where there are no others.
    """
    own: dict[str, list[float]] = {}
    naive: dict[str, list[float]] = {}
    for w, floor in zip(windows, floors, strict=False):
        if w.networks is None or not floor.mixture:
            continue
        outputs = floor.blended(w.networks, w.naive), _whole(w, mixed(w.naive, floor.mixture))
        for criterion in (w.criterion, Criterion("wape")):
            for found, made in zip((own, naive), outputs, strict=True):
                found.setdefault(criterion.metric, []).append(criterion(w.actual, target.inverse(made)))
    return {metric: 1 - sum(own[metric]) / sum(naive[metric]) for metric in own if sum(naive[metric]) > 0}


BEST = 5
CLOSE = 0.15
"""Of so many mixtures the mean is taken, if the logarithms of their criteria lie no further from the best one's."""

DOUBT = 0.25
"""How many standard errors a share may be worse than the best one, and still be taken where it is smaller."""

LOUDEST = 0.3
"""The most that the logarithm of one window can approach: one that the networks failed at does not decide alone."""

ALONE = 0.05
"""The scatter that is taken where one window alone decides."""
