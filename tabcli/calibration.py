"""The factor on the forecasts that is best for a metric.

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
