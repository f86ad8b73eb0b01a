"""Rows of past windows with what happened and what was forecast, as a run keeps them for its intervals.

window  series  date        ahead  actual   output
0       17      2015-06-13     48  5263.0   8.54     the newest window, its last day; output: on the learned scale
"""

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.contents import FittedPipeline, Prepared
from tabcli.artifacts.encoded_names import ROW, row_column
from tabcli.evaluation.quantiles import interval_levels
from tabcli.evaluation.scatter import PastErrors, RowPlaces, fit_scatter
from tabcli.features.frequency import season_of
from tabcli.training.inputs import window_of

HELD = 0.8
"""Of which interval it is told how often past windows lay within it."""


def past_forecast(prepared: Prepared, window: int, output: FloatArray) -> pd.DataFrame:
    """The n scored rows of a past window with the output for each, float64 (n,), which had not seen their targets."""
    fitted, found = prepared.fitted, window_of(prepared, window)
    config, scored = fitted.config, found.scored
    gap = fitted.frequency.number(config.validation.gap)
    return pd.DataFrame(
        {
            "window": np.full(len(scored), window, dtype="int16"),
            "series": scored[ROW + "series"].to_numpy(dtype="int32"),
            "date": scored[row_column(config.date)].to_numpy(),
            "ahead": (gap + fitted.horizon - found.steps_left).astype("int32"),
            "actual": scored[row_column(config.target.column)].to_numpy(dtype="float64"),
            "output": output,
        }
    )


def row_places(fitted: FittedPipeline, series: IntArray, dates: pd.Series, ahead: IntArray) -> RowPlaces:
    """What decides how widely n rows scatter; `series`: −1 for one that training never saw."""
    return RowPlaces(series, season_of(dates, fitted.frequency).to_numpy(dtype="int64"), ahead)


def past_errors(fitted: FittedPipeline, rows: pd.DataFrame) -> PastErrors:
    """The errors of the rows of `past_forecast`, of one or more windows."""
    series, ahead, window = (rows[c].to_numpy(dtype="int64") for c in ("series", "ahead", "window"))
    error = fitted.target.scaled(rows["actual"]) - rows["output"].to_numpy()
    places = row_places(fitted, series, rows["date"], ahead)
    names = pd.factorize(window)[0].astype("int64")  # from 0 on, also where the newest window is left out
    return PastErrors(places, names, pd.factorize(rows["date"])[0].astype("int64"), error)


def held_by_windows(fitted: FittedPipeline, rows: pd.DataFrame) -> tuple[float, ...]:
    """Which share of each past window lay within `HELD` intervals made from the others, the newest first.

    Empty where there is only one window.
    """
    window = rows["window"].to_numpy()
    names = np.unique(window)
    if len(names) < 2:
        return ()
    held = []
    for k in names:
        scatter = fit_scatter(past_errors(fitted, rows[window != k]))
        past = past_errors(fitted, rows[window == k])
        low, high = scatter.quantiles(past.places, interval_levels(HELD)).T
        held.append(float(((past.error >= low) & (past.error <= high)).mean()))
    return tuple(held)
