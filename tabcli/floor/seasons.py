"""Forecasts that repeat the past: the last value, the last season, the usual season, the course of earlier years."""

import warnings

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.floor.known import Known
from tabcli.floor.paths import Paths


def last_value(known: Known) -> Paths:
    """Each series keeps its last value."""
    level = _last(known.panel())
    zero = np.zeros_like(level)
    return Paths(known.end, level, zero, zero, zero[:, None])


def last_season(known: Known, length: int, *, drift: bool = False) -> Paths:
    """Each series repeats its last season of `length` steps, without the outliers in it: see `_held`.

    With `drift` a trend is added, the mean change from the season before the last to the last, per step, and outliers
    stay.
    """
    panel = known.panel()
    n_series, n_steps = panel.shape
    pad = -n_steps % length
    seasons = np.pad(panel, ((0, 0), (pad, 0)), constant_values=np.nan).reshape(n_series, -1, length)
    newest = _last(seasons.swapaxes(1, 2).reshape(n_series * length, -1)).reshape(n_series, length)
    level = _last(panel)
    newest = np.where(np.isnan(newest), level[:, None], newest)
    newest = newest if drift else _held(newest, seasons[:, :-1][:, -SEVERAL:])
    season = np.roll(newest, (known.end + 1) % length, axis=1)
    trend = np.zeros(n_series)
    if drift and seasons.shape[1] > 1:
        grown = seasons[:, -1] - seasons[:, -2]
        there = np.isfinite(grown)
        trend = np.where(there, grown, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1) / length
        season = season + trend[:, None] * (
            (known.end - np.arange(length)) % length
        )  # a place's value is so many steps old
    return Paths(known.end, np.zeros(n_series), trend, np.ones(n_series), season)


SEVERAL = 4
"""The usual season is the median of so many seasons, which one holiday among them does not move."""

FEWEST = 3
"""Outliers of the last season are told by so many earlier seasons at least."""

FARTHEST = 2.0
"""A value is an outlier if it lies more than so many times as far from the usual one as its place did before."""


def _held(newest: FloatArray, earlier: FloatArray) -> FloatArray:
    """The last season (S, m) with outliers, such as holidays, moved to the bound; `earlier`: seasons before, (S, n, m).

    The usual season is the median of the earlier ones, plus the median change of all places in the last one. The bound
    of each place is `FARTHEST` times its largest distance from the usual value in the earlier seasons, each season's
    median change taken out.
    """
    if earlier.shape[1] < FEWEST:
        return newest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # places that no season has: they stay as they are
        usual = np.nanmedian(earlier, axis=1)
        apart = earlier - usual[:, None]
        reach = FARTHEST * np.nanmax(np.abs(apart - np.nanmedian(apart, axis=2, keepdims=True)), axis=1)
        middle = usual + np.nanmedian(newest - usual, axis=1, keepdims=True)
    known = np.isfinite(middle) & np.isfinite(reach)
    held: FloatArray = np.where(known, np.clip(newest, middle - reach, middle + reach), newest)
    return held


def usual_season(known: Known, length: int) -> Paths:
    """Each series repeats the median of its last `SEVERAL` seasons of `length` steps, place by place."""
    panel = known.panel()[:, -SEVERAL * length :]
    pad = -panel.shape[1] % length
    seasons = np.pad(panel, ((0, 0), (pad, 0)), constant_values=np.nan).reshape(len(panel), -1, length)
    there = np.isfinite(seasons).any(axis=1)
    middle = np.full(there.shape, np.nan)
    middle[there] = np.nanmedian(seasons.swapaxes(1, 2)[there], axis=1)
    level = _last(known.panel())
    season = np.roll(np.where(there, middle, level[:, None]), (known.end + 1) % length, axis=1)
    zero = np.zeros(len(panel))
    return Paths(known.end, zero, zero, zero, season)


def has_course(known: Known, length: int) -> bool:
    """Whether there is a year before whose course can be told, with `SEVERAL` seasons of `length` steps before it."""
    steps = known.places.step
    return 0 < known.year <= known.end - int(steps.min()) + 1 - SEVERAL * length if len(steps) else False


def usual_course(known: Known, length: int) -> Paths:
    """The usual season of `length` steps, moved as far as earlier years moved from the same time of the year on.

    Such as a shop's usual week, and that December is busier than November. A year's course is the mean of one season
    around the step a year before, less that of the `SEVERAL` seasons that end where the forecast begins, a year before;
    of up to `SEVERAL` years the mean. A series without such a past has the mean course of all; where none has one
    nothing is moved. `known.year` is a multiple of `length`.
    """
    usual, year, half = usual_season(known, length), known.year, length // 2
    panel = np.pad(known.panel(), ((0, 0), (0, half)), constant_values=np.nan)
    courses = []
    for back in range(year, SEVERAL * year + 1, year):
        begin = panel.shape[1] - half - back  # the step after the end of what was known then
        if begin >= SEVERAL * length:
            before = _mean(panel[:, begin - SEVERAL * length : begin])[:, None]
            courses.append(_moving_mean(panel[:, begin - half : begin + year + half], length)[:, :year] - before)
    own = _mean(np.stack(courses, axis=2)) if courses else np.full((len(panel), year), np.nan)
    moved = np.nan_to_num(np.where(np.isnan(own), _mean(own.T)[None], own))
    season = np.roll(moved, (known.end + 1) % year, axis=1) + np.tile(usual.season, year // length)
    return Paths(known.end, usual.level, usual.trend, usual.damping, season)


def _mean(values: FloatArray) -> FloatArray:
    """The mean over the last axis of what is not NaN; NaN where all is."""
    there = np.isfinite(values)
    n = there.sum(axis=-1)
    total: FloatArray = np.where(there, values, 0).sum(axis=-1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _moving_mean(panel: FloatArray, width: int) -> FloatArray:
    """The mean of `width` steps around each but the first and last ``width // 2`` of them, NaNs left out."""
    there = np.isfinite(panel)
    total, n = (np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1) for part in (np.where(there, panel, 0.0), there))
    total, n = (part[:, width:] - part[:, :-width] for part in (total, n))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _last(panel: FloatArray) -> FloatArray:
    """The last value of each row that is not NaN, float64 (S,)."""
    there = np.isfinite(panel)
    place = panel.shape[1] - 1 - np.argmax(there[:, ::-1], axis=1)
    return np.where(there.any(axis=1), panel[np.arange(len(panel)), place], np.nan)
