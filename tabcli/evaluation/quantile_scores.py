"""What the quantiles and intervals of a forecast are worth, in plain numpy.

The scores take `actual`, float (n,); `bounds`, float (n, k), a column for each of `levels` (k,), which are fractions
between 0 and 1. They are errors: lower is better. Rows that the percentage metrics leave out count in all of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.evaluation.metrics import absolute_sum, pinball_losses


def quantile_losses(actual: ArrayLike, bounds: ArrayLike, levels: Sequence[float]) -> FloatArray:
    """Twice the pinball loss of each row and level, float64 (n, k), in the unit of the target.

    So the loss of a median is its absolute error.
    """
    table = np.asarray(bounds, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(levels):
        raise ValueError(f"expected a column of bounds for each of {len(levels)} levels, not the shape {table.shape}")
    return np.stack([2 * pinball_losses(actual, table[:, i], level) for i, level in enumerate(levels)], axis=1)


def wql(actual: ArrayLike, bounds: ArrayLike, levels: Sequence[float]) -> float:
    """Weighted quantile loss: the mean over levels of sum(2 · pinball) / sum(|y|), as a fraction.

    A point forecast repeated at all levels that lie evenly about 0.5 has its WAPE. Raises `DataError` where all actual
    values are 0.
    """
    losses = quantile_losses(actual, bounds, levels)
    return float(losses.sum() / (len(levels) * absolute_sum(actual)))


def sql(actual: ArrayLike, bounds: ArrayLike, levels: Sequence[float], scale: ArrayLike) -> float:
    """Scaled quantile loss: the mean over rows and levels of 2 · pinball / scale.

    `scale` (n,): `seasonal_scale` of each row's series, as MASE has it.
    """
    losses = quantile_losses(actual, bounds, levels)
    return float(np.mean(losses / np.asarray(scale, dtype=np.float64)[:, None]))


WIDEST_STEP = 0.2
"""CRPS is not defined where neighbouring levels, or the outer ones and 0 and 1, lie further apart."""


def crps(actual: ArrayLike, bounds: ArrayLike, levels: Sequence[float]) -> float:
    """Continuous ranked probability score, in the unit of the target; NaN where the levels leave wide gaps.

    It is the integral over all levels of 2 · pinball (Gneiting and Raftery 2007, Strictly proper scoring rules,
    section 4.2, whose CRPS is the integral of Brier scores, which is the same). Here the loss is linear between the
    levels that are there, and falls to 0 at 0 and 1. With levels of 0.1 … 0.9 that is nine tenths of their mean loss,
    and for a normal distribution 1.5 % too low; the mean itself would be 9 % too high, as it leaves out the tails,
    which cost little. Levels that are not in order, or twice there, are refused with a `ValueError`.
    """
    steps = np.diff([0.0, *levels, 1.0])
    if (steps <= 0).any():
        raise ValueError(f"expected levels in increasing order between 0 and 1, not {list(levels)}")
    if steps.max() > WIDEST_STEP + 1e-12:
        return float("nan")
    weights = (steps[:-1] + steps[1:]) / 2
    return float(quantile_losses(actual, bounds, levels).mean(axis=0) @ weights)


# --------------------------------------------------------------------------------------------- intervals


def inside(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> BoolArray:
    """Which actual values lie between two bounds (n,) or on one of them, bool (n,)."""
    y = np.asarray(actual, dtype=np.float64)
    return (np.asarray(low, dtype=np.float64) <= y) & (y <= np.asarray(high, dtype=np.float64))


def coverage(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """The share of rows whose actual value lies in the interval, a fraction; NaN without rows."""
    held = inside(actual, low, high)
    return float(held.mean()) if len(held) else float("nan")


def share_error(hits: BoolArray, promised: float, blocks: IntArray) -> float:
    """The standard error of a share of rows, a fraction, if blocks of rows hit and miss independently of each other.

    It is that of a forecast whose promise is true, as `bias_error` is that of one without bias. `blocks`: each row's
    block, int64 (n,) from 0 on, such as the code of its date, since series err together on a date.
    """
    by_block = np.bincount(blocks, weights=hits - promised)
    return float(np.sqrt(np.sum(by_block**2)) / len(hits)) if len(hits) else float("nan")


def mean_width(low: ArrayLike, high: ArrayLike) -> float:
    """The mean distance between two bounds (n,), in the unit of the target; NaN without rows."""
    widths = np.asarray(high, dtype=np.float64) - np.asarray(low, dtype=np.float64)
    return float(widths.mean()) if len(widths) else float("nan")


def relative_width(low: ArrayLike, high: ArrayLike, predicted: ArrayLike) -> float:
    """The sum of the widths over the sum of the absolute point forecasts, a fraction; NaN where that sum is 0."""
    widths = np.asarray(high, dtype=np.float64) - np.asarray(low, dtype=np.float64)
    size = float(np.sum(np.abs(np.asarray(predicted, dtype=np.float64))))
    return float(widths.sum()) / size if size else float("nan")
