"""The factor on the forecasts that is best for a metric.

A target that is learned on its own scale gets something added in place of the factor.

A network that learns the log's mean forecasts near the median. With log errors of standard deviation s and no bias the
RMSPE is least for exp(−1.5 s²) times that, about 0.985 for s = 0.1: too high a forecast costs more than too low a one.
"""

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.evaluation.metrics import Criterion
from tabcli.preprocessing.target import TargetTransform, golden_section

OUTLIER_SD = 4.0


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


def _held(errors: FloatArray) -> FloatArray:
    """Errors less their mean, none further from their median than FAR times 1.4826 their median absolute deviation."""
    middle = np.median(errors)
    reach = OUTLIER_SD * 1.4826 * float(np.median(np.abs(errors - middle)))
    held = np.clip(errors, middle - reach, middle + reach) if reach > 0 else errors
    result: FloatArray = held - held.mean()
    return result


def fit_calibration(
    criterion: Criterion | None, target: TargetTransform, actual: FloatArray, outputs: FloatArray
) -> tuple[float, float]:
    """The best factor and shift for the spread of the errors alone: as if their mean on the learned scale were 0.

    How far all series together run above or below a forecast changes from one period to the next; how far the errors
    scatter does not. A target that is learned as it is gets a shift, any other a factor; for that, errors further out
    than FAR robust standard deviations count as if they lay there: one strange day would otherwise decide. A criterion
    of None changes nothing.
    """
    if criterion is None:
        return 1.0, 0.0
    scaled = target.scaled(actual)
    if target.kind == "identity":
        return 1.0, best_shift(criterion, actual, target.inverse(outputs + np.mean(scaled - outputs)))
    return best_factor(criterion, actual, target.inverse(scaled + _held(outputs - scaled))), 0.0
