"""Which naive forecast stands beside the networks, and with which share: decided on past windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.evaluation.metrics import Criterion
from tabcli.floor.known import Places
from tabcli.floor.naive import Naive
from tabcli.preprocessing.target import TargetTransform

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class FloorState(TypedDict):
    """What is kept of a `Floor`, beside its naive forecast."""

    share: float
    name: str
    gain: float


@dataclass(frozen=True)
class Floor:
    """The naive forecast beside the networks, and its share on the learned scale, 0 … 1; 0 is networks alone.

    `gain`: by how much less the mean criterion of past windows is with it than with networks alone.
    """

    share: float = 0.0
    name: str = ""
    gain: float = 0.0
    naive: Naive | None = None

    def to_state(self) -> FloorState:
        return {"share": self.share, "name": self.name, "gain": self.gain}

    def outputs(self, networks: FloatArray, places: Places) -> FloatArray:
        """What the networks put out (n,) with its share of the naive forecast, where there is one for a row."""
        if self.naive is None or self.share == 0:
            return networks
        return blended(networks, self.naive.forecast(places), self.share)


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


def best_naive(windows: Sequence[PastWindow], target: TargetTransform) -> str:
    """The naive forecast whose criterion is least over the windows, in the mean of its logarithm.

    So a window that nobody could foresee does not decide alone.
    """
    costs = [{name: w.cost(target, _whole(w, name)) for name in w.naive} for w in windows]
    return min(windows[0].naive, key=lambda name: np.mean([np.log(c[name] + 1e-300) for c in costs]))


def _whole(window: PastWindow, name: str) -> FloatArray:
    """A naive forecast with something for every row: what the networks say, or the middle of all."""
    naive = window.naive[name]
    if window.networks is not None:
        return np.where(np.isnan(naive), window.networks, naive)
    return np.where(np.isnan(naive), np.nanmedian(naive), naive) if np.isfinite(naive).any() else np.zeros_like(naive)


def fit_floor(windows: Sequence[PastWindow], target: TargetTransform) -> Floor:
    """The naive forecast that was best, and the share with which it would have served best beside the networks.

    Windows with networks decide the share, each with the logarithm of what the criterion is with and without it. One
    window alone can tell little, and shares that differ by less than their scatter over the windows do not differ: the
    smallest of those is taken.
    """
    judged = [(w, w.networks) for w in windows if w.networks is not None]
    if not judged or not windows[0].naive:
        return NO_FLOOR
    name = best_naive(windows, target)
    costs = np.array([[w.cost(target, blended(n, w.naive[name], s)) for s in SHARES] for w, n in judged])
    relative = np.log((costs + 1e-300) / (costs[:, :1] + 1e-300))
    relative /= 1 + np.abs(relative) / LOUDEST
    mean = relative.mean(axis=0)
    best = int(np.argmin(mean))
    scatter = (relative - relative[:, [best]]).std(axis=0, ddof=1) if len(judged) > 1 else np.full(len(SHARES), ALONE)
    doubt = scatter / np.sqrt(len(judged))
    chosen = int(np.flatnonzero(mean <= mean[best] + DOUBT * doubt)[0])
    return Floor(SHARES[chosen], name, float(1 - costs[:, chosen].sum() / costs[:, 0].sum()) if chosen else 0.0)


DOUBT = 0.25
"""How many standard errors a share may be worse than the best one, and still be taken where it is smaller."""

LOUDEST = 0.3
"""What the logarithm of one window approaches at most: one that the networks failed at does not decide alone."""

ALONE = 0.05
"""The scatter that is taken where one window alone decides."""
