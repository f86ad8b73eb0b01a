"""Rows to forecast, encoded by what was fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import IntArray
from tabcli.artifacts.contents import FittedPipeline
from tabcli.artifacts.encoded_names import input_column
from tabcli.config.data import Table
from tabcli.config.schema import Config
from tabcli.errors import ConfigError
from tabcli.features.building import FeatureTable, build_features, fill_rows
from tabcli.pipeline.encoding import known_series, place_columns
from tabcli.pipeline.joined import Tables, check_future, known_ahead, lookup_names
from tabcli.preprocessing.columns import Encoded
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.joins import LookupTable
from tabcli.tables.rows import matches
from tabcli.target_history.grid import Positions

WRITING = {"encoding", "delimiter", "decimal", "thousands", "missing", "date_format", "day_first", "timezone"}
"""The keys of a table that say how its values are written."""

# -------------------------------------------------------------------------------------------- applying


@dataclass(frozen=True)
class Applied:
    """n rows to forecast, in one order: as they came (`rows`), with `features`, and `encoded`.

    `filled_inputs`: column → missing values that `forecast.fill` replaced.
    """

    rows: pd.DataFrame
    features: FeatureTable
    encoded: Encoded
    filled_inputs: dict[str, int]


def lookup_tables(fitted: FittedPipeline, data: DataSource) -> list[LookupTable]:
    """The lookup tables, read and ready to be joined. Raises `DataError` where a column's kind is not that at prep."""
    return _lookups(fitted, load_tables(fitted.config, data, lookup_names(fitted.config)), data)


def _lookups(fitted: FittedPipeline, tables: Tables, data: DataSource) -> list[LookupTable]:
    names, config = lookup_names(fitted.config), fitted.config
    known = {name: fitted.contract.conform(tables[name], name, describe(config, data, name)) for name in names}
    return [LookupTable.of(known[join.table], join) for join in config.joins]


def apply(
    fitted: FittedPipeline,
    data: DataSource,
    *,
    rows: pd.DataFrame | None = None,
    lookups: Sequence[LookupTable] | None = None,
    until: pd.Timestamp | None = None,
) -> Applied:
    """Encodes rows to forecast by what was fitted: `rows`, or else the table `future`.

    `data` may have a `future` though the config names no such table. `lookups`: what `lookup_tables` gave, if at hand.
    `until`: the end of the calendar that the rows see, by default the last date that is known in advance.
    No target is needed; columns that prep did not see are ignored. Raises `DataError` for missing columns, values of
    another kind and repeated keys, `ConfigError` where there are no rows.
    """
    config = fitted.config
    if rows is None and "future" not in config.tables:
        config = with_given_rows(config, data)
    tables = load_tables(
        config, data, [*(["future"] if rows is None else []), *(lookup_names(config) if lookups is None else [])]
    )
    where = describe(config, data, "future") if rows is None else "the rows to forecast"
    if rows is None:
        rows = tables["future"]
        check_future(rows, config, where)
    rows = fitted.contract.conform(known_ahead(rows, config), "train", where)
    if lookups is None:
        lookups = _lookups(fitted, tables, data)
    rows, filled = fill_rows(rows, config)
    calendar, left = fitted.calendar.of_series(rows), _steps_left(rows[config.date], fitted, until)
    features = build_features(rows, lookups, config, calendar, fitted.holidays, fitted.frequency, left)
    encoded = fitted.preprocessor.transform(features.table)
    series = known_series(fitted.calendar, features.series)
    places = Positions(series, series, series)
    if fitted.grid is not None:
        places = fitted.grid.positions(features.table, config.date, series)
    table_out = encoded.table.rename(columns=input_column).assign(**place_columns(fitted, places))
    return Applied(rows, features, replace(encoded, table=table_out), filled)


def with_given_rows(config: Config, data: DataSource) -> Config:
    """A config that names no future table as one that does, for rows that are given: written as the train table is.

    They have the columns that the train table has in the end: nothing of it is renamed, melted or added up. Raises
    `ConfigError` where no rows are given, or where they cannot be told in time.
    """
    if not (isinstance(data, Mapping) and "future" in data):
        raise ConfigError(
            "tables: no table is called future; it is the one with the rows to forecast",
            hint="predict --horizon 4w makes the rows of the next four weeks by the config's forecast.rules",
        )
    if config.forecast.start == "own":
        raise ConfigError(
            "forecast.start: own moves series to a common end, and rows that are given have dates of their own",
            hint="predict --horizon 4w makes the rows, each after the end of its series",
        )
    written = config.tables["train"].model_dump(include=WRITING)
    return config.model_copy(update={"tables": {**config.tables, "future": Table(file="", **written)}})


def _steps_left(dates: pd.Series, fitted: FittedPipeline, until: pd.Timestamp | None) -> IntArray:
    """How many steps of known calendar lie behind each row to forecast, int64 (n,), at most as many as in training."""
    end = until or max(fitted.known_until, pd.Timestamp(dates.max()))
    return np.clip(fitted.frequency.ago(dates, end), 0, fitted.horizon - 1)


def zero_rows(applied: Applied, config: Config) -> NDArray[np.bool_]:
    """Which rows `forecast.zero_where` makes zero, whatever the networks say, bool (n,)."""
    if not config.forecast.zero_where:
        return np.zeros(len(applied.rows), dtype=bool)
    return matches(applied.features.table, config.forecast.zero_where, "forecast.zero_where")
