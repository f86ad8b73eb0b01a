"""Metrics over a whole set of rows, in original units, in plain numpy.

Every function takes `actual` and `predicted`, float arrays of one length n, and returns one float. Rows with a
zero actual are left out of the sum *and* the count of the percentage metrics (`rmspe`, `mape`), as Kaggle's
Rossmann competition scored them. All are errors (lower is better) but `bias`, which is best at 0.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tabcli.errors import DataError

FloatArray = NDArray[np.float64]


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


def _total(actual: FloatArray) -> float:
    total = float(np.sum(np.abs(actual)))
    if total == 0:
        raise DataError("all actual values are zero, so an error relative to their sum is not defined")
    return total


def wape(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Weighted absolute percentage error, sum(|y - p|) / sum(|y|), as a fraction."""
    y, p = _pair(actual, predicted)
    return float(np.sum(np.abs(y - p)) / _total(y))


def bias(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Sum of the forecasts over the sum of the actuals, minus 1: positive means forecast too high."""
    y, p = _pair(actual, predicted)
    return float(np.sum(p - y) / _total(y))


METRICS: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "rmspe": rmspe,
    "rmse": rmse,
    "mape": mape,
    "wape": wape,
    "bias": bias,
}
"""What `evaluate` reports, in this order."""
