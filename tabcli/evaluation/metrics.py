"""Metrics over a whole set of rows, in original units, in plain numpy.

Every metric takes `actual` and `predicted`, float arrays of one length n, and returns one float. Rows with a zero
actual are left out of the sum *and* the count of the percentage metrics (`rmspe`, `mape`), as Kaggle's Rossmann
competition scored them. All are errors (lower is better) but `bias`, which is best at 0. Raises `DataError` where a
metric is not defined for these actual values, and `ValueError` for arrays of other shapes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from tabcli.arrays import FloatArray, IntArray
from tabcli.errors import DataError
from tabcli.preprocessing.summaries import UNIT, exact_sum

CHANCE = 3.0
"""What differs by more than so many standard errors is more than chance."""


def _pair(actual: ArrayLike, predicted: ArrayLike) -> tuple[FloatArray, FloatArray]:
    y = np.asarray(actual, dtype=np.float64)
    p = np.asarray(predicted, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape:
        raise ValueError(f"actual and predicted must be one-dimensional and of one length, not {y.shape} and {p.shape}")
    return y, p


def _relative_errors(actual: ArrayLike, predicted: ArrayLike) -> FloatArray:
    y, p = _pair(actual, predicted)
    scored = y != 0
    if not scored.any():
        raise DataError("no row has a non-zero actual value, so a percentage error is not defined")
    errors: FloatArray = (y[scored] - p[scored]) / y[scored]
    return errors


def rmspe(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Root mean squared percentage error, sqrt(mean(((y - p) / y)²)), as a fraction.

    >>> round(rmspe([100.0, 200.0, 0.0], [110.0, 180.0, 5.0]), 6)
    0.1
    """
    return float(np.sqrt(np.mean(_relative_errors(actual, predicted) ** 2)))


def mape(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute percentage error, mean(|y - p| / |y|), as a fraction."""
    return float(np.mean(np.abs(_relative_errors(actual, predicted))))


def rmse(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Root mean squared error, in the unit of the target."""
    y, p = _pair(actual, predicted)
    return float(np.sqrt(np.mean((y - p) ** 2)))


def mae(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error, in the unit of the target."""
    y, p = _pair(actual, predicted)
    return float(np.mean(np.abs(y - p)))


def rmsle(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Root mean squared error of log(1 + value). Predictions below 0 count as 0; negative actuals are refused.

    >>> rmsle([0.0, 1.0], [0.0, 3.0]) == rmse([0.0, np.log(2)], [0.0, np.log(4)])
    True
    """
    y, p = _pair(actual, predicted)
    if (y < 0).any():
        raise DataError(f"{int((y < 0).sum())} actual values are negative, so RMSLE is not defined")
    return float(np.sqrt(np.mean((np.log1p(y) - np.log1p(np.maximum(p, 0))) ** 2)))


def pinball_losses(actual: ArrayLike, predicted: ArrayLike, quantile: float) -> FloatArray:
    """Each row's pinball loss, float64 (n,): d above the forecast costs quantile · d, below it (1 − quantile) · d."""
    y, p = _pair(actual, predicted)
    losses: FloatArray = np.maximum(quantile * (y - p), (quantile - 1) * (y - p))
    return losses


def pinball(actual: ArrayLike, predicted: ArrayLike, quantile: float) -> float:
    """Mean pinball loss, in the unit of the target.

    >>> pinball([10.0, 10.0], [8.0, 12.0], 0.9)
    1.0
    """
    return float(np.mean(pinball_losses(actual, predicted, quantile)))


def mase(actual: ArrayLike, predicted: ArrayLike, scale: ArrayLike) -> float:
    """Mean absolute scaled error, mean(|y - p| / scale). `scale` (n,): `seasonal_scale` of each row's series."""
    y, p = _pair(actual, predicted)
    return float(np.mean(np.abs(y - p) / np.asarray(scale, dtype=np.float64)))


def absolute_sum(actual: ArrayLike) -> float:
    """The sum of |y|. Raises `DataError` where it is 0."""
    total = float(np.sum(np.abs(np.asarray(actual, dtype=np.float64))))
    if total == 0:
        raise DataError("all actual values are zero, so an error relative to their sum is not defined")
    return total


def wape(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Weighted absolute percentage error, sum(|y - p|) / sum(|y|), as a fraction."""
    y, p = _pair(actual, predicted)
    return float(np.sum(np.abs(y - p)) / absolute_sum(y))


def bias(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Sum of the forecasts over the sum of the actuals, minus 1: positive means forecast too high."""
    y, p = _pair(actual, predicted)
    return float(np.sum(p - y) / absolute_sum(y))


LEAST = 0.03
"""A mean bias below 3 % of several windows is none that matters."""


def sure_bias(found: Sequence[float]) -> tuple[float, bool]:
    """The mean bias of windows, a fraction; and whether it is more than chance.

    It is where two or more windows agree in its sign and the mean is beyond two standard errors and `LEAST`.
    """
    windows = np.asarray(found)
    if not len(windows):
        return 0.0, False
    mean = float(windows.mean())
    agree = len(windows) > 1 and bool((np.sign(windows) == np.sign(windows[0])).all())
    return mean, agree and abs(mean) > max(2 * float(windows.std(ddof=1)) / len(windows) ** 0.5, LEAST)


def bias_error(actual: ArrayLike, predicted: ArrayLike, blocks: IntArray) -> float:
    """The standard error of the bias, a fraction, if blocks of rows err independently of each other.

    `blocks`: each row's block, int64 (n,) from 0 on, such as the code of its date, since series err together on a date.
    """
    y, p = _pair(actual, predicted)
    by_block = np.bincount(blocks, weights=p - y)
    return float(np.sqrt(np.sum(by_block**2)) / absolute_sum(y))


METRICS: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "rmspe": rmspe,
    "rmse": rmse,
    "mape": mape,
    "wape": wape,
    "mae": mae,
    "rmsle": rmsle,
    "bias": bias,
}
"""The metrics that `evaluate` reports, in this order."""


def scores_of(actual: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Each of `METRICS` by name, NaN where it is not defined for these actual values."""
    scores = {}
    for name, metric in METRICS.items():
        try:
            scores[name] = metric(actual, predicted)
        except DataError:
            scores[name] = float("nan")
    return scores


# ------------------------------------------------------------------------------- what a config judges by


def seasonal_scale(series: IntArray, step: IntArray, target: FloatArray, season: int, n_series: int) -> FloatArray:
    """MASE's scale: each series' mean |target − target `season` steps before|, float64 (n_series + 1,).

    `series` (−1: unknown), `step`, `target`: of the training rows, (n,). Series without such a pair of rows, or whose
    target never changes, get the mean scale of the others; the last element is that mean, for unknown series. Raises
    `DataError` where no series has such a pair.
    """
    return with_mean_scale(seasonal_changes(series, step, target, season, n_series))


def seasonal_changes(series: IntArray, step: IntArray, target: FloatArray, season: int, n_series: int) -> FloatArray:
    """Each series' mean |target − target `season` steps before|, float64 (n_series,), 0 where there is no such pair.

    See `seasonal_scale`. The order of the rows does not matter.
    """
    known = series >= 0
    series, step, target = series[known], step[known], target[known]
    span = int(step.max() - step.min()) + season + 1 if len(step) else 1
    keys = series * span + (step - step.min() + season if len(step) else step)
    order = np.argsort(keys)
    keys, series, target = keys[order], series[order], target[order]
    place = np.minimum(np.searchsorted(keys, keys - season), max(len(keys) - 1, 0))
    paired = (keys[place] == keys - season) & (series[place] == series)
    changes = np.abs(target - target[place])[paired]
    n = np.bincount(series[paired], minlength=n_series)
    means: FloatArray = np.bincount(series[paired], changes, minlength=n_series) / np.maximum(n, 1)
    return means


def with_mean_scale(means: FloatArray, of_all: FloatArray | None = None) -> FloatArray:
    """Scales (n,) with their mean in place of those that are 0, and at the end, float64 (n + 1,).

    `of_all`: the scales of all series, if there are others. Raises `DataError` where none is above 0.
    """
    known = np.sort(means[means > 0] if of_all is None else of_all[of_all > 0])
    if not len(known):
        raise DataError(
            "MASE is not defined: no series has two training rows a season apart with different targets",
            hint="use another metric, such as wape",
        )
    return np.append(np.where(means > 0, means, known.mean()), known.mean())


@dataclass(frozen=True)
class Tally:
    """What a metric is made of in some rows: a sum of errors, and what it is divided by, both without any rounding.

    `errors`: in units of 2^UNIT; `weight`: rows, or the sum of actual values, in the same units.
    """

    errors: int = 0
    weight: int = 0

    def merge(self, *others: "Tally") -> "Tally":
        """Of the rows of all parts together."""
        parts = (self, *others)
        return Tally(sum(p.errors for p in parts), sum(p.weight for p in parts))


def _sum(values: FloatArray) -> int:
    return exact_sum(values, np.ones(len(values), dtype="int64"))


SQUARED = ("rmspe", "rmse", "rmsle")
"""The metrics that are the root of a mean of squares, in which a single row can decide."""


@dataclass(frozen=True)
class Criterion:
    """The metric that a config judges by, with what it needs besides the actual and predicted values of n rows.

    `quantile`: for *pinball*. `scale`: for *mase*, float64 (n,).
    """

    metric: str
    quantile: float = 0.5
    scale: FloatArray | None = None

    def __call__(self, actual: ArrayLike, predicted: ArrayLike) -> float:
        """The metric over all rows, (n,)."""
        match self.metric:
            case "pinball":
                return pinball(actual, predicted, self.quantile)
            case "mase":
                assert self.scale is not None
                return mase(actual, predicted, self.scale)
            case name:
                return METRICS[name](actual, predicted)

    def losses(self, actual: FloatArray, predicted: FloatArray) -> FloatArray:
        """What each row adds to the metric, float64 (n,): squares where it is a root, 0 where a row is not scored."""
        y, p = actual, predicted
        if self.metric in ("rmspe", "mape"):
            errors = np.divide(y - p, y, out=np.zeros(len(y)), where=y != 0)
            return errors**2 if self.metric == "rmspe" else np.abs(errors)
        losses: FloatArray
        match self.metric:
            case "rmse":
                losses = (y - p) ** 2
            case "rmsle":
                losses = (np.log1p(y) - np.log1p(np.maximum(p, 0))) ** 2
            case "pinball":
                losses = pinball_losses(y, p, self.quantile)
            case "mase":
                assert self.scale is not None
                losses = np.abs(y - p) / self.scale
            case _:
                losses = np.abs(y - p)
        return losses

    def tally(self, actual: FloatArray, predicted: FloatArray) -> Tally:
        """What `score` makes the metric of, for n rows that may be a part of all, whose actual values it takes."""
        n = np.count_nonzero(actual) if self.metric in ("rmspe", "mape") else len(actual)
        weight = _sum(np.abs(actual)) if self.metric == "wape" else int(n) << -UNIT
        return Tally(_sum(self.losses(actual, predicted)), weight)

    def score(self, tally: Tally) -> float:
        """The metric over all rows, correctly rounded but for a root: the same however the rows are cut."""
        mean = tally.errors / tally.weight
        return float(np.sqrt(mean)) if self.metric in SQUARED else mean

    def check(self, actual: FloatArray, where: str) -> None:
        """Raises `DataError` with the count where the metric is not defined for these actual values."""
        self.check_count(self.count_wrong(actual), len(actual), where)

    def count_wrong(self, actual: FloatArray) -> int:
        """How many of the actual values (n,) may be what the metric is not defined for: some of them, or for *wape*
        all of them.
        """
        return int((actual < 0).sum() if self.metric == "rmsle" else (actual == 0).sum())

    def check_count(self, wrong: int, n: int, where: str) -> None:
        """As `check`, for n actual values of which so many are `wrong`."""
        what, others = "0", "mae or rmsle"
        if self.metric in ("rmspe", "mape"):
            others = "wape, mae or rmsle"
        elif self.metric == "rmsle":
            what, others = "negative", "wape, mae or rmse"
        elif self.metric != "wape" or wrong < n:
            return
        if wrong:
            raise DataError(
                f"metric {self.metric} is not defined for {wrong} of the {n} {where}, whose target is {what}",
                hint=f"choose another metric, such as {others}, or leave these rows out with target.drop_where",
            )


def pooled(criteria: Sequence[Criterion]) -> Criterion:
    """The criterion for the rows of several criteria, one below the other. All have the same metric."""
    scales = [c.scale for c in criteria if c.scale is not None]
    return replace(criteria[0], scale=np.concatenate(scales) if scales else None)
