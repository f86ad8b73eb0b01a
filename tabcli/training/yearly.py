"""What naive forecasts erred by, for as far back as there is a past: see `evaluation.time_of_year`.

A place in time is a day where steps are shorter, and else a step.
"""

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.contents import FittedPipeline, Prepared
from tabcli.artifacts.encoded_names import ROW, row_column
from tabcli.evaluation.time_of_year import YearlyErrors
from tabcli.features.frequency import DAY, year_steps
from tabcli.floor.medians import medians
from tabcli.training.floors import known_rows, slim

MOST_WINDOWS = 24
"""Three years of windows of an eighth of a year."""

MOST_SERIES = 200
"""Of more series only every second, third, … is looked at."""

OUTLIER = 12.0
"""Larger errors, in medians of their sizes, count as so large."""


def naive_errors(prepared: Prepared) -> pd.DataFrame | None:
    """The errors of medians by series and `baseline` columns, from cutoffs an eighth of a year or a horizon apart.

    *place*, *size* (the sum of their sizes, less the straight line through each window) and *rows*; None where the past
    is shorter than a year.
    """
    fitted, rows = prepared.fitted, _sampled(prepared)
    step, year = _steps(fitted, rows[row_column(fitted.config.date)]), year_steps(fitted.frequency)
    length = max(fitted.horizon, year // 8)
    end, parts = int(step.max()) + 1 if len(step) else 0, []
    for cutoff in range(end - length, 0, -length)[:MOST_WINDOWS] if end > year else ():
        learned, scored = step < cutoff, (step >= cutoff) & (step < cutoff + length)
        if learned.sum() < 2 * scored.sum():
            break
        if scored.any():
            parts.append(_window(fitted, rows[learned], rows[scored], step[scored]))
    if not parts:
        return None
    return pd.concat(parts).groupby("place")["size"].agg(size="sum", rows="size").reset_index()


def _sampled(prepared: Prepared) -> pd.DataFrame:
    """All rows with a target of every second, third, … series, with the columns that naive forecasts need."""
    every = -(-len(prepared.fitted.calendar.series) // MOST_SERIES)
    tables = slim(prepared).tables
    there = [tables[part] for part in ("train", "gap", "valid") if part in tables]
    return pd.concat([t[t[ROW + "series"] % every == 0] for t in there], ignore_index=True)


def _window(fitted: FittedPipeline, learned: pd.DataFrame, scored: pd.DataFrame, step: IntArray) -> pd.DataFrame:
    """*place* and *size* of the error of each scored row."""
    known = known_rows(fitted, learned)
    columns = [*known.medians.values()][-1]
    error = scored["y"].to_numpy(dtype="float64") - medians(known, columns).forecast(known_rows(fitted, scored).places)
    size = np.abs(error - _line(step, error))
    size = np.minimum(size, OUTLIER * np.median(size)) if np.median(size) > 0 else size
    return pd.DataFrame({"place": step // _per_place(fitted), "size": size})


def _line(step: IntArray, error: FloatArray) -> FloatArray:
    """The straight line through a window's errors, float64 (n,): a season that comes slowly is no news to networks."""
    x = step - step.mean()
    line: FloatArray = np.median(error) + x * (float((x * error).sum()) / max(float((x**2).sum()), 1.0))
    return line


def _per_place(fitted: FittedPipeline) -> int:
    """How many steps a place has."""
    return max(1, DAY // fitted.frequency.seconds)


def _steps(fitted: FittedPipeline, dates: pd.Series) -> IntArray:
    return fitted.frequency.steps(dates, int(fitted.split.train_start.timestamp()))


def yearly_factors(fitted: FittedPipeline, errors: pd.DataFrame | None, dates: pd.Series) -> FloatArray:
    """How much more uncertain than usual the time of year of each date is, float64 (n,).

    `errors`: of `naive_errors`; where there are none, 1.
    """
    if errors is None or errors.empty or dates.empty:
        return np.ones(len(dates))
    per, n = _per_place(fitted), int(errors["place"].max()) + 1
    at = errors["place"].to_numpy(dtype="int64")
    sizes, rows = np.zeros(n), np.zeros(n, dtype="int64")
    sizes[at], rows[at] = errors["size"].to_numpy(), errors["rows"].to_numpy(dtype="int64")
    yearly = YearlyErrors(sizes, rows, max(1, year_steps(fitted.frequency) // per), max(1, fitted.horizon // per))
    return yearly.factors(_steps(fitted, dates) // per)
