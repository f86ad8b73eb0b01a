"""Quantiles and intervals of each forecast row, by the errors of past windows that the run keeps."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.artifacts.encoded_names import ROW, input_column
from tabcli.errors import BundleError
from tabcli.evaluation.scatter import NEW, Scatter, fit_scatter
from tabcli.forecasting.notes import Noted, sentences
from tabcli.forecasting.outputs import significant
from tabcli.pipeline.apply import Applied, zero_rows
from tabcli.preprocessing.categorical import UNKNOWN
from tabcli.training.past import known_steps, past_errors, row_places
from tabcli.training.yearly import yearly_factors

_FITTED: WeakKeyDictionary[Run, Scatter] = WeakKeyDictionary()


def past_of(run: Run) -> pd.DataFrame:
    """The rows of past windows that the run keeps. Raises `BundleError` where it keeps none."""
    if run.past is None or run.past.empty:
        raise BundleError(
            "this run keeps no forecasts of past windows, from whose errors intervals are made",
            hint="train again with this version of tabcli; calibration.windows says how many windows are forecast",
        )
    return run.past


def scatter_of(run: Run) -> Scatter:
    """How widely the run's forecasts scatter, found once per run. Raises `BundleError`."""
    if run not in _FITTED:
        _FITTED[run] = fit_scatter(past_errors(run.fitted, past_of(run), coming_steps(run)))
    return _FITTED[run]


def coming_steps(run: Run) -> int | None:
    """How many steps the run's networks learned from; None: as many as those of its newest past window."""
    return known_steps(run.fitted) if run.metrics.refitted else None


def quantiles_of(run: Run, applied: Applied, outputs: FloatArray, levels: Sequence[float]) -> FloatArray:
    """The quantiles of n rows in the target's unit, float64 (n, q), rising with the level; all 0 for rows 0 by rule.

    `outputs`: what `outputs_of` gives for them, (n,). Not below 0 where no target of the past windows was. Raises
    `BundleError` where the run keeps no past windows.
    """
    fitted, scatter = run.fitted, scatter_of(run)
    series, dates = applied.encoded.table[ROW + "series"].to_numpy(dtype="int64"), applied.rows[fitted.config.date]
    factor = yearly_factors(fitted, run.naive_errors, dates)
    factor = np.where(unknown_rows(run, applied) & (series >= 0), NEW * factor, factor)  # new series have NEW anyway
    places = row_places(fitted, series, dates, steps_ahead(run, applied), factor)
    order = np.argsort(levels)
    added = scatter.quantiles(places, [levels[i] for i in order])
    found = significant(fitted.target.inverse((outputs[:, None] + added).ravel())).reshape(added.shape)
    if past_of(run)["actual"].min() >= 0:
        found = np.maximum(found, 0.0)
    found[zero_rows(applied, fitted.config)] = 0.0
    if not np.isfinite(found).all():
        raise BundleError(f"{int((~np.isfinite(found)).any(axis=1).sum())} rows have a bound that is not finite")
    quantiles: FloatArray = found[:, np.argsort(order)]
    return quantiles


def steps_ahead(run: Run, applied: Applied) -> IntArray:
    """How many steps after the last known date each row lies, int64 (n,); at least 1."""
    ago = run.fitted.frequency.ago(applied.rows[run.fitted.config.date], run.fitted.split.valid_end)
    return np.maximum(-ago, 1)


def unknown_rows(run: Run, applied: Applied) -> BoolArray:
    """Which rows hold a series, or another value of a table's own column, that training never saw, bool (n,).

    What features make of the calendar is new in every forecast, and was in the past windows: a year, for example.
    """
    table, fitted = applied.encoded.table, run.fitted
    own = {c for columns in fitted.contract.tables.values() for c in columns}
    codes = [input_column(c) for c in fitted.preprocessor.categorical if c in own and input_column(c) in table.columns]
    unknown: BoolArray = (table[codes] == UNKNOWN).any(axis=1).to_numpy(dtype=bool)
    return unknown | (table[ROW + "series"].to_numpy() < 0)


def bound_notes(run: Run, applied: Applied) -> list[str]:
    """What a reader of intervals must know beside what `notes_on` says."""
    return sentences(noted_on_bounds(run, applied), len(applied.rows), run)


def noted_on_bounds(run: Run, applied: Applied) -> list[Noted]:
    """What a reader of intervals must know beside what `noted_on` gives."""
    open_rows = ~zero_rows(applied, run.fitted.config)
    n_unknown = int((unknown_rows(run, applied) & open_rows).sum())
    n_beyond = int(((steps_ahead(run, applied) > scatter_of(run).horizon) & open_rows).sum())
    one_window = int(past_of(run)["window"].nunique() == 1)
    found = (("new bounds", n_unknown), ("bounds beyond", n_beyond), ("one window", one_window))
    return [Noted(kind, n, value=float(scatter_of(run).horizon)) for kind, n in found if n]
