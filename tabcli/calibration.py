"""What is done to a network's forecasts: a correction of each series' level, and the factor that is best for a metric.

The correction is an error-correction model: a series that ran above the network in the last weeks will, for a part,
go on doing so. Which part is learned from rows that the network has not seen.

A network that learns the log's mean forecasts near the median. With log errors of standard deviation s and no bias the
RMSPE is least for exp(−1.5 s²) times that, about 0.985 for s = 0.1: too high a forecast costs more than too low a one.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Metric = Literal["rmspe", "mape", "rmse", "none"]


def best_factor(metric: Metric, actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """The c for which `metric` of c · predicted is least; both positive, in the target's unit, (n,).

    - rmspe: least squares of c·p/y to 1: Σ(p/y) / Σ(p/y)²
    - rmse: least squares of c·p to y: Σ(y·p) / Σ(p²)
    - mape: the median of y/p, weighted with p/y
    """
    ratio = predicted / actual
    match metric:
        case "rmspe":
            return float(ratio.sum() / (ratio**2).sum())
        case "rmse":
            return float((actual * predicted).sum() / (predicted**2).sum())
        case "mape":
            order = np.argsort(1 / ratio)
            weight = np.cumsum(ratio[order])
            return float(1 / ratio[order][np.searchsorted(weight, weight[-1] / 2)])
        case "none":
            return 1.0


def spread_factor(metric: Metric, actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """`best_factor` for the spread of the errors alone: as if their mean on the log scale were 0.

    How far all series together run above or below a forecast changes from one period to the next; how far the errors
    scatter does not.
    """
    shift = float(np.exp(np.mean(np.log(actual) - np.log(predicted))))
    return best_factor(metric, actual, predicted * shift)


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
