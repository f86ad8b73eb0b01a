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
    known = series >= 0
    series, step, target = series[known], step[known], target[known]
    span = int(step.max() - step.min()) + season + 1 if len(step) else 1
    keys = series * span + (step - step.min() + season if len(step) else step)
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], keys - season), max(len(keys) - 1, 0))
    paired = (keys[order][place] == keys - season) & (series[order][place] == series)
    changes = np.abs(target - target[order][place])[paired]
    n = np.bincount(series[paired], minlength=n_series)
    means = np.bincount(series[paired], changes, minlength=n_series) / np.maximum(n, 1)
    if not (means > 0).any():
        raise DataError(
            "MASE is not defined: no series has two training rows a season apart with different targets",
            hint="use another metric, such as wape",
        )
    scale: FloatArray = np.append(np.where(means > 0, means, means[means > 0].mean()), means[means > 0].mean())
    return scale


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

    def check(self, actual: FloatArray, where: str) -> None:
        """Raises `DataError` with the count where the metric is not defined for these actual values."""
        wrong = 0
        if self.metric in ("rmspe", "mape"):
            wrong, what, others = int((actual == 0).sum()), "0", "wape, mae or rmsle"
        elif self.metric == "rmsle":
            wrong, what, others = int((actual < 0).sum()), "negative", "wape, mae or rmse"
        elif self.metric == "wape" and not np.abs(actual).sum():
            wrong, what, others = len(actual), "0", "mae or rmsle"
        if wrong:
            raise DataError(
                f"metric {self.metric} is not defined for {wrong} of the {len(actual)} {where}, whose target is {what}",
                hint=f"choose another metric, such as {others}, or leave these rows out with target.drop_where",
            )


def pooled(criteria: Sequence[Criterion]) -> Criterion:
    """The criterion for the rows of several criteria, one below the other. All have the same metric."""
    scales = [c.scale for c in criteria if c.scale is not None]
    return replace(criteria[0], scale=np.concatenate(scales) if scales else None)
