"""The floor of a training: encoded rows as naive forecasts take them, past windows, and the share these call for."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray
from tabcli.artifacts.contents import FittedPipeline, Prepared
from tabcli.artifacts.encoded_names import ROW, input_column, kept_apart, row_column
from tabcli.config.schema import Config
from tabcli.features.frequency import DAY, HOUR, season_of, season_steps
from tabcli.floor.blend import NO_FLOOR, Floor, PastWindow, better_than_naive, fit_floor
from tabcli.floor.known import Known, Places
from tabcli.floor.naive import naive_forecasts
from tabcli.training.inputs import Window, n_past_windows, window_of


def places_of(fitted: FittedPipeline, table: pd.DataFrame, dates: pd.Series) -> Places:
    """Where n encoded rows lie: series, step, and as groups the place in the season and codes of `baseline` columns.

    `dates`: of the rows, (n,).
    """
    start = int(fitted.split.train_start.timestamp())
    groups = [season_of(dates, fitted.frequency), *(_coded(table[input_column(c)]) for c in _alike(fitted))]
    codes = np.stack([g.to_numpy(dtype="int64") for g in groups], axis=1)
    return Places(table[ROW + "series"].to_numpy(dtype="int64"), fitted.frequency.steps(dates, start), codes)


def _alike(fitted: FittedPipeline) -> list[str]:
    """The config's `baseline` columns that are inputs, without the series columns."""
    config, inputs = fitted.config, {*fitted.preprocessor.categorical, *fitted.preprocessor.continuous}
    return [c for c in config.baseline if c in inputs and c not in config.series]


def _coded(column: pd.Series) -> pd.Series:
    """Codes as they are; normalised numbers, such as continuous flags, rounded to hundredths, as codes from 0 on."""
    if column.dtype.kind == "i":
        return column
    return (column * 100).round().clip(-FARTHEST, FARTHEST) + FARTHEST


FARTHEST = 10_000
"""A hundred standard deviations."""


def known_rows(fitted: FittedPipeline, table: pd.DataFrame, cutoff: pd.Timestamp | None = None) -> Known:
    """Encoded rows with a target as the past of naive forecasts; None: all is known up to the last of them."""
    columns = _alike(fitted)
    medians: dict[str, tuple[int, ...]] = {"season": (0,)}
    if columns:
        medians[kept_apart(" × ".join(columns), medians)] = tuple(range(1, len(columns) + 1))
    seasons = {season_steps(fitted.frequency)}
    if fitted.frequency.unit == "s" and fitted.frequency.seconds <= HOUR:
        seasons.add(DAY // fitted.frequency.seconds)
    n_series = len(fitted.calendar.series)
    lengths = tuple(sorted((s for s in seasons if s > 1), reverse=True))
    last = None
    if cutoff is not None:
        last = int(fitted.frequency.steps(pd.Series([cutoff]), int(fitted.split.train_start.timestamp()))[0])
    return Known(
        places_of(fitted, table, table[row_column(fitted.config.date)]),
        table["y"].to_numpy(dtype="float64"),
        n_series,
        lengths,
        medians,
        YEAR if (fitted.frequency.unit, fitted.frequency.count) == ("s", DAY) else 0,
        last,
    )


YEAR = 364
"""Days in 52 weeks, after which weekdays are the same."""


N_WINDOWS = 8
"""In how many past windows naive forecasts are compared with each other; networks are trained for fewer."""

MOST_SERIES = 1000
"""Of more series only every second, third, … is looked at."""

Blending = Callable[[FloatArray], FloatArray]
"""The networks' outputs for the scored rows of a window, float64 (n,) → these blended with the floor."""


def naive_of(prepared: Prepared, window: Window, names: Collection[str] | None = None) -> dict[str, FloatArray]:
    """Naive forecasts of a window's n scored rows, fitted to its learned rows: name → float64 (n,), learned scale."""
    places = places_of(prepared.fitted, window.scored, window.scored[row_column(prepared.fitted.config.date)])
    models = naive_forecasts(known_rows(prepared.fitted, window.learned, window.cutoff), names)
    return {name: model.forecast(places) for name, model in models.items()}


def past_windows(prepared: Prepared, networks: Sequence[FloatArray]) -> list[PastWindow]:
    """Up to `N_WINDOWS` past windows with those naive forecasts that can be made in all of them, the newest first.

    `networks`: the mean outputs for the newest windows, as many as networks were trained for, float64 (n,) each.
    """
    every, found, prepared = -(-len(prepared.fitted.calendar.series) // MOST_SERIES), [], slim(prepared)
    for k in range(max(len(networks), n_past_windows(prepared, N_WINDOWS - 1) + 1)):
        window = window_of(prepared, k)
        n_learned = len(window.learned)
        learned, scored = ((t[ROW + "series"] % every == 0).to_numpy() for t in (window.learned, window.scored))
        outputs = networks[k][scored] if k < len(networks) else None
        if every > 1:
            window = replace(window, learned=window.learned[learned], scored=window.scored[scored])
        if len(window.learned) and len(window.scored):
            actual = window.scored[row_column(prepared.fitted.config.target.column)].to_numpy(dtype="float64")
            criterion, naive = prepared.criterion(window.scored), naive_of(prepared, window)
            found.append(PastWindow(criterion, actual, outputs, naive, n_learned))
    common = [n for n in (found[0].naive if found else {}) if all(n in w.naive for w in found)]
    return [replace(w, naive={n: w.naive[n] for n in common}) for w in found]


@dataclass(frozen=True)
class Floors:
    """`coming`: the floor of the forecast to come. `past`: for each window, the floor that the other windows call for.

    `better`: by how much less past forecasts err than the best naive ones, metric → fraction (`better_than_naive`).
    """

    coming: Floor
    past: list[Blending]
    better: dict[str, float]


def fit_floors(prepared: Prepared, settings: Config, networks: Sequence[FloatArray]) -> Floors:
    """The floors that past windows call for. `networks`: the mean outputs for each window, the newest window first."""
    if settings.forecast.floor == "off":
        return Floors(NO_FLOOR, [lambda outputs: outputs for _ in networks], {})
    windows, target = past_windows(prepared, networks), prepared.fitted.target
    apart = [fit_floor([w for j, w in enumerate(windows) if j != k], target) for k in range(len(networks))]
    past = [_blending(prepared, k, floor) for k, floor in enumerate(apart)]
    return Floors(fit_floor(windows, target), past, better_than_naive(windows, apart, target))


def slim(prepared: Prepared) -> Prepared:
    """The prep with only the columns that naive forecasts need, so that windows of large tables are quickly cut."""
    fitted = prepared.fitted
    used = ["y", ROW + "series", *(row_column(c) for c in (fitted.config.date, fitted.config.target.column))]
    used += [input_column(c) for c in _alike(fitted)]
    known = {part: table[used] for part, table in prepared.tables.items() if part != "future"}
    return replace(prepared, tables=known)


def _blending(prepared: Prepared, k: int, floor: Floor) -> Blending:
    naive = naive_of(prepared, window_of(slim(prepared), k), floor.mixture) if floor.share else {}
    return partial(floor.blended, naive=naive)


def at_end(floor: Floor, prepared: Prepared) -> Floor:
    """The floor with its naive forecasts fitted to all known rows, as the forecast to come needs them."""
    if floor.share == 0:
        return floor
    window = window_of(slim(prepared), "refit")
    known = known_rows(prepared.fitted, window.learned, window.cutoff)
    return replace(floor, models=naive_forecasts(known, floor.mixture))
