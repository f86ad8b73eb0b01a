"""The calibration: a factor on all forecasts that makes a metric best on past windows.

Where the target is learned as it is (`identity`) it is a shift, which is added to all forecasts.

A network that learns the mean of the log forecasts near the median. With log errors of standard deviation s and no bias
the RMSPE is least for exp(−1.5 s²) times the median, 0.985 for s = 0.1: too high a forecast costs more than too low a
one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tabcli.arrays import FloatArray
from tabcli.evaluation.metrics import Criterion, bias, pooled, sure_bias
from tabcli.preprocessing.target import TargetTransform, golden_section

OUTLIER_SD = 4.0


def best_factor(criterion: Criterion, actual: FloatArray, predicted: FloatArray) -> float:
    """The c for which the criterion of c · predicted is least. Both (n,) in the target's unit, predicted above zero.

    For RMSPE c is Σ(p/y) / Σ(p/y)², for WAPE and MAE the median of y/p weighted with p.
    """
    if criterion.metric == "rmsle":
        return float(np.exp(golden_section(lambda c: criterion(actual, np.exp(c) * predicted), -1.0, 1.0)))
    return _best_constant(criterion, actual, actual, predicted)


def best_shift(criterion: Criterion, actual: FloatArray, predicted: FloatArray) -> float:
    """The c for which the criterion of predicted + c is least: a mean or quantile. Both (n,) in the target's unit."""
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
    """Errors (n,), clipped `OUTLIER_SD` robust standard deviations from their median, less their mean."""
    middle = np.median(errors)
    reach = OUTLIER_SD * 1.4826 * float(np.median(np.abs(errors - middle)))
    held = np.clip(errors, middle - reach, middle + reach) if reach > 0 else errors
    result: FloatArray = held - held.mean()
    return result


ABSOLUTE = ("wape", "mae", "mase")
"""Metrics that are least for a median."""

LARGEST = 1.25
"""The largest factor, and 1 ÷ the smallest: beyond it a factor does not correct a bias but makes another forecast."""


@dataclass(frozen=True)
class Calibration:
    """What turns networks' outputs into forecasts: outputs in the target's unit · `factor` + `shift`."""

    factor: float = 1.0
    shift: float = 0.0

    def forecasts(self, target: TargetTransform, outputs: ArrayLike) -> FloatArray:
        """Outputs on the learned scale (n,) → forecasts in the target's unit, float64 (n,)."""
        forecasts: FloatArray = target.inverse(outputs) * self.factor + self.shift
        return forecasts

    @property
    def is_none(self) -> bool:
        """Whether it changes no forecast."""
        return self.factor == 1.0 and self.shift == 0.0


NO_CALIBRATION = Calibration()


@dataclass(frozen=True)
class Errors:
    """The n scored rows of a past window: `actual` in the target's unit, `outputs` on the learned scale, (n,) each."""

    criterion: Criterion
    actual: FloatArray
    outputs: FloatArray


def fit_calibration(windows: Sequence[Errors], target: TargetTransform) -> Calibration:
    """The calibration that the errors of past windows call for, or none.

    Each window in turn judges a calibration that is fitted to the others. Only if the criterion gets better on average
    is the calibration of all windows used; its logarithm, or its shift, is multiplied by the share of windows in which
    it helped, and a factor stays within 1 / 1.25 … 1.25. Metrics of absolute errors get none that moves sums further
    off that are off for sure. A single window cannot judge, so there is none. For a quantile
    other than the median it is always used, since without it the forecast is near the median.
    """
    if windows and windows[0].criterion.metric == "pinball" and windows[0].criterion.quantile != 0.5:
        return _best(windows, target)
    if len(windows) < 2:
        return NO_CALIBRATION
    gains = []
    for i, window in enumerate(windows):
        others = _best([w for j, w in enumerate(windows) if j != i], target)
        before = window.criterion(window.actual, NO_CALIBRATION.forecasts(target, window.outputs))
        after = window.criterion(window.actual, others.forecasts(target, window.outputs))
        gains.append((before - after) / before if before > 0 else 0.0)
    if np.mean(gains) <= 0:
        return NO_CALIBRATION
    best, share = _best(windows, target), float(np.mean(np.asarray(gains) > 0))
    found = Calibration(float(np.clip(best.factor**share, 1 / LARGEST, LARGEST)), best.shift * share)
    return NO_CALIBRATION if _takes_sums_away(found, windows, target) else found


def _takes_sums_away(calibration: Calibration, windows: Sequence[Errors], target: TargetTransform) -> bool:
    """Whether the sums of past forecasts are off for sure, and the calibration moves them further off.

    Absolute errors ask for a median. Where what happens is skewed it lies far below the mean already, and a factor of
    0.8 that lowers the error by 0.5 % costs a fifth of the sum, by which people order.
    """
    if windows[0].criterion.metric not in ABSOLUTE or any(not w.actual.any() for w in windows):
        return False
    off, sure = sure_bias([bias(w.actual, target.inverse(w.outputs)) for w in windows])
    moves = calibration.shift or np.log(calibration.factor)
    return sure and bool(np.sign(moves) == np.sign(off))


def _best(windows: Sequence[Errors], target: TargetTransform) -> Calibration:
    """The best factor, or shift with `identity`, for the spread of the errors, as if their mean on the learned scale
    were 0.

    The mean error of all series changes from one period to the next; the spread of the errors does not. For a factor
    the errors are clipped at `OUTLIER_SD` robust standard deviations, since otherwise one strange day would decide.
    """
    criterion = pooled([w.criterion for w in windows])
    actual, outputs = (np.concatenate([getattr(w, part) for w in windows]) for part in ("actual", "outputs"))
    scaled = target.scaled(actual)
    if target.kind == "identity":
        return Calibration(shift=best_shift(criterion, actual, target.inverse(outputs + np.mean(scaled - outputs))))
    return Calibration(best_factor(criterion, actual, target.inverse(scaled + _held(outputs - scaled))))
