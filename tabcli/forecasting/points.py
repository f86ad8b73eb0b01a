"""A run + raw tables → the forecast of every row, in the order of the rows, with what its reader should know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.artifacts.contents import FittedPipeline, Run
from tabcli.artifacts.encoded_names import PLACES, ROW, input_column
from tabcli.config.values import Duration
from tabcli.errors import BundleError, DataError, memory_error
from tabcli.pipeline.apply import Applied, apply, zero_rows
from tabcli.pipeline.encoding import known_series
from tabcli.pipeline.future import closed_weekdays, ended_series, future_rows, open_steps, own_dates
from tabcli.pipeline.joined import with_target
from tabcli.preprocessing.categorical import UNKNOWN
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.joins import LookupTable
from tabcli.tables.kinds import plain_values
from tabcli.target_history.grid import Positions
from tabcli.target_history.statistics import Snapshot, standardised
from tabcli.training.dataset import Dataset
from tabcli.training.floors import places_of
from tabcli.training.loop import load_model, predict_outputs
from tabcli.training.network import ModelSpec, TabularMLP


@dataclass(frozen=True)
class Prediction:
    """The forecasts of all rows, in their order.

    `table`: the id (where the config has one), series, date, the columns that were asked for, and the forecast under
    the target's name. `columns`: all columns that can be asked for. `counts`: *rows*, and of these *zero* by rule.
    `warnings`: one sentence each.
    """

    table: pd.DataFrame
    columns: list[str]
    counts: dict[str, int]
    warnings: list[str]


def predict_target(run: Run, encoded: pd.DataFrame, dates: pd.Series) -> NDArray[np.float64]:
    """n encoded rows and their dates → forecasts in the target's unit, float64 (n,).

    The mean of the members' outputs on the learned scale, blended with the floor, then calibrated. Raises `BundleError`
    where the weights do not fit the networks, `ResourceError` where the memory is full.
    """
    try:
        members = _networks(run)
        specs = [member.spec for member in members]
        kinds = {_kind(spec): spec for spec in specs}
        inputs = {kind: encoded_dataset(run.fitted, run.snapshot, encoded, spec) for kind, spec in kinds.items()}
        for spec in specs:
            inputs[_kind(spec)].check_codes([n for n, _ in spec.embeddings.values()])
        outputs = [predict_outputs(m, inputs[_kind(m.spec)]).astype("float64") for m in members]
    except (RuntimeError, TypeError) as error:
        if full := memory_error(error):
            raise full from None
        raise BundleError(f"the weights do not fit the network that the run describes: {error}") from None
    mean = run.floor.outputs(np.mean(outputs, axis=0), places_of(run.fitted, encoded, dates))
    return run.calibration.forecasts(run.fitted.target, mean)


_LOADED: WeakKeyDictionary[Run, list[TabularMLP]] = WeakKeyDictionary()


def _networks(run: Run) -> list[TabularMLP]:
    """The run's networks, made once per run: for a single row that takes longer than the forecast itself."""
    if run not in _LOADED:
        specs = [ModelSpec.from_dict(network) for network in run.networks]
        _LOADED[run] = [load_model(spec, weights) for spec, weights in zip(specs, run.members, strict=True)]
    return _LOADED[run]


def _kind(spec: ModelSpec) -> tuple[str, tuple[str, ...]]:
    """What decides a network's inputs: networks of one kind share a dataset."""
    return spec.history, spec.without


def encoded_dataset(
    fitted: FittedPipeline, snapshot: Snapshot | None, encoded: pd.DataFrame, spec: ModelSpec
) -> Dataset:
    """The inputs of a network for encoded rows to forecast, with the target history as of the snapshot."""
    data = Dataset.from_table(encoded, *fitted.preprocessor.inputs(spec.without))
    if snapshot is not None and spec.history != "none":
        rows = Positions(*(encoded[ROW + name].to_numpy(dtype="int64") for name in PLACES))
        base, columns = snapshot.columns(rows)
        base = base if spec.history == "base" else np.zeros_like(base)
        data = data.with_history(base, standardised(columns, snapshot.arrays["mean"], snapshot.arrays["std"]))
    return data


DIGITS = 6
"""What the networks' float32 can tell apart; in whatever unit the target is."""


def significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n,) rounded to `DIGITS` significant digits: to cents would be to nothing where targets are near 0.004.

    >>> significant(np.array([1234.5678, 0.00412345678, 12345678.0, -2.5, 0.0])).tolist()
    [1234.57, 0.00412346, 12345700.0, -2.5, 0.0]
    """
    there = np.isfinite(values) & (np.abs(values) > 1e-290)
    magnitude = np.floor(np.log10(np.abs(values), out=np.zeros(len(values)), where=there)).astype("int64")
    decimals = DIGITS - 1 - magnitude
    up, down = 10.0 ** np.maximum(decimals, 0), 10.0 ** np.maximum(-decimals, 0)
    return np.where(there, np.round(values / down * up) / up * down, values)


def forecast(
    run: Run,
    data: DataSource,
    horizon: Duration | None = None,
    columns: Sequence[str] = (),
    lookups: Sequence[LookupTable] | None = None,
) -> Prediction:
    """Forecasts the rows of the table `future`, in 6 significant digits, 0 where the config says so.

    `horizon`: forecast the next steps of every series in place of that table. `columns`: columns of the rows that are
    carried along if they exist. `lookups`: what `pipeline.apply.lookup_tables` gave, if at hand. Raises `DataError` for
    rows that cannot be read, `ConfigError` for rows that cannot be made, `BundleError` where a forecast is not finite.
    """
    config = run.fitted.config
    made = None
    if horizon is not None:
        _refuse_later_rows(run, data)
        made = future_rows(run.fitted, horizon)
    applied = apply(run.fitted, data, rows=made, lookups=lookups)
    values = forecast_applied(run, applied)
    rows = applied.rows
    keys = [c for c in (config.id, *config.series, config.date) if c is not None and c in rows.columns]
    known = [c for c in columns if c not in keys and c in rows.columns]
    table = pd.DataFrame({c: plain_values(rows[c]) for c in [*keys, *known]})
    if made is not None:
        places = applied.encoded.table[ROW + "series"].to_numpy(dtype="int64")
        table[config.date] = own_dates(run.fitted, table[config.date], places)
    table[config.target.column] = values
    notes = _warnings(applied, run) + ([] if made is None else [*_ended(run), *_closed(run)])
    counts = {"rows": len(rows), "zero": int(zero_rows(applied, config).sum())}
    return Prediction(table, [*rows.columns, config.target.column], counts, notes)


def forecast_applied(run: Run, applied: Applied) -> NDArray[np.float64]:
    """The forecast of every row, float64 (n,), 0 where the config says so. Raises `BundleError`."""
    config = run.fitted.config
    values = significant(predict_target(run, applied.encoded.table, applied.rows[config.date]))
    values = np.where(zero_rows(applied, config), 0.0, values)
    if not np.isfinite(values).all():
        raise BundleError(f"the model gives no finite forecast for {int((~np.isfinite(values)).sum())} rows")
    return values


def _refuse_later_rows(run: Run, data: DataSource) -> None:
    """Raises `DataError` where the train table, if it is there, has targets after the last date that the run knows."""
    config, end = run.fitted.config, run.fitted.split.valid_end
    there = "train" in data if isinstance(data, Mapping) else (Path(data) / config.tables["train"].file).is_file()
    if not there:
        return
    train = load_tables(config, data, ["train"])["train"]
    if config.target.column not in train.columns:
        return
    newest = with_target(train, config).max()
    if newest > end:
        raise DataError(
            f"{describe(config, data, 'train')} has targets until {newest}, but the run knows them until {end}: "
            "the steps after that date have passed",
            hint="prep and train again with this table; or give the rows to forecast as the table `future`",
        )


def _ended(run: Run) -> list[str]:
    """A warning of series that end long before the others: they may be gone, but rows were made for them."""
    fitted = run.fitted
    first, last = fitted.split.valid_start, fitted.split.valid_end
    n_steps = int(fitted.frequency.ago(pd.Series([first]), last)[0]) + 1
    ended = ended_series(fitted, n_steps)
    if not ended:
        return []
    keys = fitted.calendar.series.iloc[list(ended)[:3]]
    shown = ", ".join(" ".join(map(str, row)) for row in keys.itertuples(index=False))
    return [
        f"{len(ended)} series have no row in the last {n_steps} steps ({shown}{', …' if len(ended) > 3 else ''}); "
        "they are forecast like the others"
    ]


def _closed(run: Run) -> list[str]:
    """Warnings of weekdays on which series have no rows in the past, so that none were made."""
    n_series = len(run.fitted.calendar.series)
    return [
        f"{'the' if n == n_series else n} series had no row on a {name} in their last year: none are made; "
        "forecast.weekdays: all makes them"
        for name, n in closed_weekdays(run.fitted).items()
    ]


def _warnings(applied: Applied, run: Run) -> list[str]:
    """What a careful reader of the forecast must know: unknown series and values, filled gaps, missing matches."""
    config, encoded, n_rows = run.fitted.config, applied.encoded, len(applied.rows)
    notes = []
    keyed = [c for c in map(input_column, config.series) if c in encoded.table.columns]
    if keyed:
        unknown = (encoded.table[keyed] == UNKNOWN).any(axis=1).to_numpy()
        if unknown.any():
            series = applied.rows.loc[unknown, list(config.series)].drop_duplicates()
            shown = ", ".join(" ".join(map(str, row)) for row in series.head(3).itertuples(index=False))
            notes.append(
                f"{len(series)} series that training never saw ({shown}{', …' if len(series) > 3 else ''}): "
                f"{unknown.sum()} rows are forecast from their other columns alone, as of an average series"
            )
    notes += _gaps(applied, run)
    for column, n in applied.filled_inputs.items():
        if n:
            notes.append(f"column {column}: {n} missing values taken as {config.forecast.fill[column]}")
    if run.snapshot is not None:
        ahead = encoded.table[ROW + "step"].to_numpy() - run.snapshot.origin
        horizon = run.snapshot.spec.horizon
        for n, what in (
            (int((ahead >= horizon).sum()), f"lie further ahead than the {horizon} steps that training looked at"),
            (int((ahead < 0).sum()), "lie before the end of the known past, which the forecast makes use of"),
        ):
            if n:
                notes.append(f"{n} of {n_rows} rows {what}")
    return notes + _unmatched(applied, run) + _unseen_plan(applied, run)


def _gaps(applied: Applied, run: Run) -> list[str]:
    """Warnings of values that training never saw, and of missing values in columns that had none in training."""
    config, encoded, n_rows, notes = run.fitted.config, applied.encoded, len(applied.rows), []
    for column, counts in encoded.codes.items():
        if counts["unknown"] and column not in config.series:
            notes.append(f"column {column}: {counts['unknown']} of {n_rows} rows hold a value that training never saw")
    with_missing = run.fitted.preprocessor.categorify.with_missing_
    for column, counts in encoded.codes.items():
        if counts["missing"] and column not in with_missing:
            notes.append(
                f"column {column}: {counts['missing']} of {n_rows} values are missing, none were in training; "
                "taken as a value that training never saw"
            )
    flagged = run.fitted.preprocessor.fill_missing.flagged_
    for column, n in encoded.filled.items():
        if n and column not in flagged:
            notes.append(
                f"column {column}: {n} of {n_rows} values are missing, none were in training; median filled in"
            )
    return notes


def _unseen_plan(applied: Applied, run: Run) -> list[str]:
    """A warning where some rows of the horizon are not asked for: events planned on those days are then not known."""
    fitted = run.fitted
    if not fitted.config.features.events:
        return []
    ahead = -fitted.frequency.ago(applied.rows[fitted.config.date], fitted.known_until)
    known = -int(fitted.frequency.ago(pd.Series([fitted.known_until]), fitted.split.valid_end)[0])
    later, n_steps = ahead > 0, max(int(ahead.max()), fitted.horizon - known)
    if n_steps <= 0:
        return []
    series, numbers = np.unique(applied.wide.series, return_inverse=True)
    n_own = np.bincount(numbers[later], minlength=len(series))
    dates = pd.Series([fitted.frequency.after(fitted.known_until, i + 1) for i in range(n_steps)])
    expected = open_steps(fitted, known_series(fitted.calendar, series), dates).sum(axis=1)
    n_lacking, n_asked = int((n_own < expected).sum()), len(np.unique(ahead[later]))
    if not n_lacking:
        return []
    what = (
        f"{n_asked} of the {n_steps} steps after {fitted.known_until} are asked for"
        if n_asked < n_steps
        else f"{n_lacking} series are asked for without some of the {n_steps} steps after {fitted.known_until}"
    )
    return [
        f"{what}: what is planned on the others is not known, and forecasts of rows asked for together may differ; "
        "ask for all rows of the horizon at once"
    ]


def _unmatched(applied: Applied, run: Run) -> list[str]:
    """Warnings of rows that found no match in a lookup table, if all training rows did, or if no row now does."""
    fitted, n_rows, notes = run.fitted, len(applied.rows), []
    seen = {*fitted.preprocessor.categorify.with_missing_, *fitted.preprocessor.fill_missing.flagged_}
    for join in fitted.config.joins:
        n = applied.wide.unmatched.get(join.table, 0)
        inputs = {*fitted.preprocessor.categorical, *fitted.preprocessor.continuous} - {*join.on, join.as_of}
        brought = [c for c in fitted.contract.tables[join.table] if c in inputs]
        if not n or (n < n_rows and all(c in seen for c in brought)):
            continue
        note = f"table {join.table}: {n} of {n_rows} rows found no match"
        if brought and join.on:
            table = applied.wide.table
            gone = np.logical_and.reduce([table[c].isna().to_numpy() for c in brought])
            keys = table.frame(join.on)[gone].drop_duplicates()
            shown = "; ".join(", ".join(f"{k}={v}" for k, v in row.items()) for row in keys.head(3).to_dict("records"))
            note += f": {shown}{'; …' if len(keys) > 3 else ''}"
        notes.append(note)
    return notes
