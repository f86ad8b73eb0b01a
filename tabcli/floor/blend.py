"""Which mixture of naive forecasts stands beside the networks, and with which share: past windows decide."""

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

    `mixture`: the name of each naive forecast → its share of the mixture. `gain`: 1 − the criterion with the floor ÷
    that of networks alone, each summed over past windows. `models`: the naive forecasts from the end of what is known;
    empty until `training.floors.at_end` makes them.
    """

    share: float = 0.0
    mixture: Mapping[str, float] = field(default_factory=dict)
    gain: float = 0.0
    models: Mapping[str, Model] = field(default_factory=dict)

    def to_state(self) -> FloorState:
        return {"share": self.share, "mixture": dict(self.mixture), "gain": self.gain}

    def outputs(self, networks: FloatArray, places: Places) -> FloatArray:
        """The networks' outputs (n,) blended with the naive forecasts of these places, float64 (n,)."""
        if self.share == 0:
            return networks
        return self.blended(networks, {name: self.models[name].forecast(places) for name in self.mixture})

    def blended(self, networks: FloatArray, naive: Mapping[str, FloatArray]) -> FloatArray:
        """As `outputs`, with naive forecasts that are at hand: name → float64 (n,)."""
        return blended(networks, mixed(naive, self.mixture), self.share) if self.share else networks


NO_FLOOR = Floor()


def blended(networks: FloatArray, naive: FloatArray, share: float) -> FloatArray:
    """The convex mean of both, float64 (n,); of the networks alone where the naive forecast is NaN."""
    mean: FloatArray = np.where(np.isnan(naive), networks, (1 - share) * networks + share * np.nan_to_num(naive))
    return mean


@dataclass(frozen=True)
class PastWindow:
    """The n scored rows of a past window.

    `actual`: in the target's unit, float64 (n,). `networks`: their mean output on the learned scale, float64 (n,), None
    where no network was trained for the window. `naive`: the name of each naive forecast → float64 (n,), on that scale.
    `n_learned`: from how many rows the networks learned.
    """

    criterion: Criterion
    actual: FloatArray
    networks: FloatArray | None
    naive: dict[str, FloatArray]
    n_learned: int = 0

    def cost(self, target: TargetTransform, outputs: FloatArray) -> float:
        """The criterion of outputs on the learned scale (n,)."""
        return self.criterion(self.actual, target.inverse(outputs))


def best_mixture(windows: Sequence[PastWindow], target: TargetTransform) -> dict[str, float]:
    """The mean of up to `BEST` of the `mixtures`, those with the least criterion over the windows: name → share.

    The mean of the criterion's logarithm over the windows decides, so that one window nobody could foresee does not
    decide alone. Several are averaged because which of them was best in a few windows is largely chance, but only those
    within `CLOSE` of the best.
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
    """A naive forecast (n,) with its NaNs replaced: by the networks' outputs, else by the median of the others."""
    if window.networks is not None:
        return np.where(np.isnan(naive), window.networks, naive)
    return np.where(np.isnan(naive), np.nanmedian(naive), naive) if np.isfinite(naive).any() else np.zeros_like(naive)


def fit_floor(windows: Sequence[PastWindow], target: TargetTransform) -> Floor:
    """The best mixture of naive forecasts over all windows, and its share beside the networks.

    The windows with networks decide the share, by the mean over them of log(criterion with that share ÷ criterion of
    the networks alone). The share is 0 if that mean is worse than the least one by `DOUBT` standard errors at most, or
    by up to `DOUBT_OF_MANY` where networks learned from many more rows than `MANY`: such networks still gain from the
    rows that the windows' networks did not have. Of fewer rows than `MANY` the least share above 0 is taken instead, if
    it is worse by a standard error at most and no quantile is asked for. Otherwise it is, of the shares whose mean lies
    within `UNTOLD` standard errors of the least, the one nearest to ½ for few rows, where the mean of two forecasts is
    the safest, and to 0 for many.
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
    error = scatter / np.sqrt(len(judged))
    chosen, few = 0, MANY / (MANY + windows[0].n_learned)
    few_alone = windows[0].n_learned < MANY and windows[0].criterion.metric != "pinball"  # naive ones are no quantiles
    if mean[0] > mean[best] + (few * DOUBT + (1 - few) * DOUBT_OF_MANY) * error[0]:
        as_good = 1 + np.flatnonzero(mean[1:] <= mean[best] + UNTOLD * error[1:])
        safest = 0.5 * few
        chosen = min(as_good.tolist(), key=lambda i: (abs(SHARES[i] - safest), mean[i]))
    elif few_alone and mean[1] <= mean[best] + error[1]:
        chosen = 1
    return Floor(SHARES[chosen], mixture, float(1 - costs[:, chosen].sum() / costs[:, 0].sum()) if chosen else 0.0)


def better_than_naive(
    windows: Sequence[PastWindow], floors: Sequence[Floor], target: TargetTransform
) -> dict[str, float]:
    """By how much less the forecasts of past windows err than their best naive forecasts, as a fraction.

    The metric → 1 − our error ÷ the naive one, each summed over the windows; WAPE beside it, over the
    windows whose targets are not all 0. `floors`: for each window with networks, the floor that the other windows call
    for; windows whose floor has no mixture are left out.
    """
    own: dict[str, list[float]] = {}
    naive: dict[str, list[float]] = {}
    for w, floor in zip(windows, floors, strict=False):
        if w.networks is None or not floor.mixture:
            continue
        outputs = floor.blended(w.networks, w.naive), _whole(w, mixed(w.naive, floor.mixture))
        for criterion in (w.criterion, *([Criterion("wape")] if w.actual.any() else [])):
            for found, made in zip((own, naive), outputs, strict=True):
                found.setdefault(criterion.metric, []).append(criterion(w.actual, target.inverse(made)))
    return {metric: 1 - sum(own[metric]) / sum(naive[metric]) for metric in own if sum(naive[metric]) > 0}


BEST = 8
CLOSE = 0.1
"""At most `BEST` mixtures are averaged, those whose mean log criterion lies within `CLOSE` (10 %) of the least."""

DOUBT, DOUBT_OF_MANY = 0.25, 2.0
"""The share is 0 if networks alone are worse than the best share by no more than so many standard errors."""

UNTOLD = 0.5
"""Shares within so many standard errors of the best one count as equally good."""

MANY = 200_000
"""With so many rows to learn from a table stands halfway between one of few and one of many."""

LOUDEST = 0.3
"""The bound of a window's log ratio in the mean, so that one window at which the networks failed does not decide."""

ALONE = 0.05
"""The standard deviation of the log ratio that is assumed where there is one window only."""
