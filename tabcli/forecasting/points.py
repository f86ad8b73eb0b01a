"""A run + raw tables → the forecast of every row, in the order of the rows, with what its reader should know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray
from tabcli.artifacts.contents import Run
from tabcli.artifacts.encoded_names import ROW
from tabcli.config.values import Duration
from tabcli.errors import BundleError, DataError
from tabcli.forecasting.notes import closed_notes, ended_notes, notes_on
from tabcli.forecasting.outputs import predict_target, significant
from tabcli.pipeline.apply import Applied, apply, zero_rows
from tabcli.pipeline.future import future_rows, own_dates
from tabcli.pipeline.joined import with_target
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.joins import LookupTable
from tabcli.tables.kinds import plain_values


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
    notes = notes_on(applied, run) + ([] if made is None else [*ended_notes(run), *closed_notes(run)])
    counts = {"rows": len(rows), "zero": int(zero_rows(applied, config).sum())}
    return Prediction(table, [*rows.columns, config.target.column], counts, notes)


def forecast_applied(run: Run, applied: Applied) -> FloatArray:
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
