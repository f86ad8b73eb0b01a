"""Rows of past windows with what happened and what was forecast, as a run keeps them for its intervals.

window  series  date        ahead  actual   output  time_of_year
0       17      2015-06-13     48  5263.0   8.54            0.97  the newest window, its last day

`output`: on the learned scale. `time_of_year`: how much more uncertain than usual it is, see `evaluation.time_of_year`.
`input.NAME`: what the tables held of a column that changes within a series, as it was encoded: totals may be by it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import FittedPipeline, Prepared
from tabcli.artifacts.encoded_names import ROW, input_column, row_column
from tabcli.evaluation.experience import Learned
from tabcli.evaluation.quantiles import interval_levels
from tabcli.evaluation.scatter import PastErrors, RowPlaces, fit_scatter
from tabcli.features.frequency import season_of, year_steps
from tabcli.training.inputs import window_of
from tabcli.training.yearly import yearly_factors

HELD = 0.8
"""Of which interval it is told how often past windows lay within it."""


TIME_OF_YEAR = "time_of_year"
"""The column of that name; runs of older versions have none."""


INPUT = "input."

MOST_VALUES = 100
"""Inputs with more values are not kept: they make no groups."""


def kept_input(column: str) -> str:
    """The column of past rows that holds an input of this name, as it was encoded."""
    return INPUT + column


def kept_inputs(rows: pd.DataFrame) -> list[str]:
    """The inputs that past rows hold."""
    return [name.removeprefix(INPUT) for name in map(str, rows) if name.startswith(INPUT)]


def _own_inputs(prepared: Prepared) -> list[str]:
    """The inputs that the tables hold; features make the others."""
    fitted = prepared.fitted
    own = {c for columns in fitted.contract.tables.values() for c in columns}
    inputs = (*fitted.preprocessor.categorical, *fitted.preprocessor.continuous)
    return [c for c in inputs if c in own and input_column(c) in prepared.tables["valid"]]


def _making_groups(past: pd.DataFrame) -> pd.DataFrame:
    """Past rows without the inputs that stay the same within each series, or have more than `MOST_VALUES` values."""
    first, of_row = np.unique(past["series"], return_index=True, return_inverse=True)[1:]
    useless = []
    for name in map(kept_input, kept_inputs(past)):
        values = past[name].to_numpy()
        if (values == values[first[of_row]]).all() or len(np.unique(values)) > MOST_VALUES:
            useless.append(name)
    return past.drop(columns=useless)


def past_forecasts(
    prepared: Prepared, outputs: Sequence[FloatArray], naive_errors: pd.DataFrame | None
) -> pd.DataFrame:
    """The rows of all past windows, the newest first. `outputs`: for each window's n scored rows, float64 (n,).

    `naive_errors`: of the function of that name.
    """
    parts = [past_forecast(prepared, k, output) for k, output in enumerate(outputs)]
    past = _making_groups(pd.concat(parts, ignore_index=True))
    return past.assign(**{TIME_OF_YEAR: yearly_factors(prepared.fitted, naive_errors, past["date"])})


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
            **{kept_input(c): scored[input_column(c)].to_numpy() for c in _own_inputs(prepared)},
        }
    )


def row_places(
    fitted: FittedPipeline, series: IntArray, dates: pd.Series, ahead: IntArray, factor: FloatArray
) -> RowPlaces:
    """What decides how widely n rows scatter; `series`: −1 for one that training never saw; `factor`: see there."""
    return RowPlaces(series, season_of(dates, fitted.frequency).to_numpy(dtype="int64"), ahead, factor)


def past_errors(fitted: FittedPipeline, rows: pd.DataFrame, coming: int | None = None) -> PastErrors:
    """The errors of the rows of `past_forecast`, of one or more windows.

    `coming`: how many steps the networks learned from that make the forecast to come; None: as the newest window's.
    """
    series, ahead = (rows[c].to_numpy(dtype="int64") for c in ("series", "ahead"))
    error = fitted.target.scaled(rows["actual"]) - rows["output"].to_numpy()
    places = row_places(fitted, series, rows["date"], ahead, time_of_year(rows))
    window = np.unique(rows["window"], return_inverse=True)[1].astype("int64")  # from 0 on, also without the newest
    date = pd.factorize(rows["date"])[0].astype("int64")
    return PastErrors(places, window, date, error, learned_by(fitted, rows, coming))


def time_of_year(rows: pd.DataFrame) -> FloatArray:
    """How much more uncertain than usual the time of year of n rows is, float64 (n,); 1 in runs of older versions."""
    return rows[TIME_OF_YEAR].to_numpy(dtype="float64") if TIME_OF_YEAR in rows else np.ones(len(rows))


def learned_by(fitted: FittedPipeline, rows: pd.DataFrame, coming: int | None) -> Learned:
    """What the networks of the windows in these rows had learned from, the newest window first; see `past_errors`."""
    steps = np.array([*learned_steps(fitted, rows).values()], dtype="int64")
    return Learned(steps, int(steps[0]) if coming is None else coming, year_steps(fitted.frequency))


def learned_steps(fitted: FittedPipeline, rows: pd.DataFrame) -> dict[int, int]:
    """Window → how many steps of the past its networks had learned from, the newest window first."""
    steps = fitted.frequency.steps(rows["date"], _start(fitted)) - rows["ahead"].to_numpy(dtype="int64") + 1
    found = pd.Series(steps).groupby(rows["window"].to_numpy()).max()
    return dict(zip(found.index.tolist(), found.tolist(), strict=True))


def known_steps(fitted: FittedPipeline) -> int:
    """How many steps of the past are known, which refitted networks have learned from."""
    return int(fitted.frequency.steps(pd.Series([fitted.split.valid_end]), _start(fitted))[0]) + 1


def _start(fitted: FittedPipeline) -> int:
    return int(fitted.split.train_start.timestamp())


def held_rows(fitted: FittedPipeline, rows: pd.DataFrame) -> BoolArray:
    """Which rows of two or more windows, (n,), lay within `HELD` intervals made from the other windows."""
    window, learned = rows["window"].to_numpy(), learned_steps(fitted, rows)
    held = np.zeros(len(rows), dtype=bool)
    for k in np.unique(window):
        scatter = fit_scatter(past_errors(fitted, rows[window != k], learned[int(k)]))
        past = past_errors(fitted, rows[window == k])
        low, high = scatter.quantiles(past.places, interval_levels(HELD)).T
        held[window == k] = (past.error >= low) & (past.error <= high)
    return held


def held_by_windows(fitted: FittedPipeline, rows: pd.DataFrame) -> tuple[float, ...]:
    """Which share of each past window lay within `HELD` intervals made from the others, the newest first.

    Empty where there is only one window.
    """
    window = rows["window"].to_numpy()
    if len(np.unique(window)) < 2:
        return ()
    return tuple(pd.Series(held_rows(fitted, rows)).groupby(window).mean().tolist())
