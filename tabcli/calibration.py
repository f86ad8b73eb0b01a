"""What is done to a network's forecasts: a correction of each series' level, and the factor that is best for a metric.

A target that is learned on its own scale gets something added in place of the factor.

The correction is an error-correction model: a series that ran above the network in the last weeks will, for a part,
go on doing so. Which part is learned from rows that the network has not seen.

A network that learns the log's mean forecasts near the median. With log errors of standard deviation s and no bias the
RMSPE is least for exp(−1.5 s²) times that, about 0.985 for s = 0.1: too high a forecast costs more than too low a one.
"""

import numpy as np
from numpy.typing import NDArray

from tabcli.metrics import Criterion
from tabcli.preprocess import TargetTransform, golden_section

FloatArray = NDArray[np.float64]


def best_factor(criterion: Criterion, actual: FloatArray, predicted: FloatArray) -> float:
    """The c for which the criterion of c · predicted is least, (n,) in the target's unit; predicted above zero.

    For RMSPE it is Σ(p/y) / Σ(p/y)², for WAPE and MAE the median of y/p weighted with p.
    """
    if criterion.metric == "rmsle":
        return float(np.exp(golden_section(lambda c: criterion(actual, np.exp(c) * predicted), -1.0, 1.0)))
    return _best_constant(criterion, actual, actual, predicted)


def best_shift(criterion: Criterion, actual: FloatArray, predicted: FloatArray) -> float:
    """The c for which the criterion of predicted + c is least, (n,) in the target's unit: a mean or a quantile."""
    if criterion.metric == "rmsle":
        wide = float(np.abs(actual - predicted).max()) + 1e-9
        return golden_section(lambda c: criterion(actual, predicted + c), -wide, wide)
    return _best_constant(criterion, actual, actual - predicted, np.ones(len(actual)))


def _best_constant(criterion: Criterion, actual: FloatArray, wanted: FloatArray, basis: FloatArray) -> float:
    """The c that brings c · basis closest to `wanted`.

    Every criterion is a weighted sum of squares, best at a weighted least-squares c, or of absolute or pinball errors,
    best at a quantile of wanted / basis, each weighted with its own part of the sum.
    """
    weight = np.ones(len(actual))
    if criterion.metric in ("rmspe", "mape"):  # rows with a zero actual are not scored
        weight = np.divide(1.0, np.abs(actual), out=np.zeros(len(actual)), where=actual != 0)
    if criterion.metric == "mase":
        assert criterion.scale is not None
        weight = 1 / criterion.scale
    if criterion.metric in ("rmspe", "rmse"):
        weighted = weight * basis
        total = float((weighted**2).sum())
        return float((weighted * weight * wanted).sum()) / total if total else 1.0
    used = weight * basis > 0
    ratio, weight = wanted[used] / basis[used], (weight * basis)[used]
    if not len(ratio):
        return 1.0
    order = np.argsort(ratio)
    cumulated = np.cumsum(weight[order])
    part = criterion.quantile if criterion.metric == "pinball" else 0.5
    return float(ratio[order][np.searchsorted(cumulated, cumulated[-1] * part)])


def spread_calibration(
    criterion: Criterion | None, target: TargetTransform, actual: FloatArray, outputs: FloatArray
) -> tuple[float, float]:
    """The best factor and shift for the spread of the errors alone: as if their mean on the learned scale were 0.

    How far all series together run above or below a forecast changes from one period to the next; how far the errors
    scatter does not. A target that is learned as it is gets a shift, any other a factor. None changes nothing.
    """
    if criterion is None:
        return 1.0, 0.0
    predicted = target.inverse(outputs + np.mean(target.scaled(actual) - outputs))
    if target.kind == "identity":
        return 1.0, best_shift(criterion, actual, predicted)
    return best_factor(criterion, actual, predicted), 0.0


SHRINK = 4.0  # observations; as a series with few of them says little
LARGEST = 0.4  # on the log scale; a single day that is further off is no sign of a level


def recent_errors(
    errors: NDArray[np.float64], series: NDArray[np.int64], step: NDArray[np.int64], n_series: int
) -> NDArray[np.float64]:
    """Each series' mean error, float64 (n_series,), from rows' errors (n,): actual less predicted, on the log scale.

    What all series have in common on a day is taken out first, for it is the day's and not the series'. Shrunk to 0
    by n / (n + 4); 0 for a series without rows.
    """
    known = series >= 0
    errors, series, step = np.clip(errors[known], -LARGEST, LARGEST), series[known], step[known]
    _, day = np.unique(step, return_inverse=True)
    errors = errors - (np.bincount(day, errors) / np.maximum(np.bincount(day), 1))[day]
    total, n = np.bincount(series, errors, n_series), np.bincount(series, minlength=n_series)
    result: NDArray[np.float64] = total / (n + SHRINK)
    return result


def level_share(
    before: NDArray[np.float64], errors: NDArray[np.float64], series: NDArray[np.int64], step: NDArray[np.int64]
) -> float:
    """The part of the recent errors (n_series,) that went on: least squares of later errors (n,) on them, in 0 … 1."""
    after = recent_errors(errors, series, step, len(before))
    weight = np.bincount(series[series >= 0], minlength=len(before))
    denominator = float((weight * before**2).sum())
    if denominator == 0:
        return 0.0
    return float(np.clip((weight * before * after).sum() / denominator, 0.0, 1.0))
