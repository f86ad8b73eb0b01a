"""Joins and features → the feature table: every column that may be an input, with nothing fitted.

The same function serves prep and predict. A feature of a row depends on that row, the lookup tables and the event
calendar; never on the target, and never on which other rows happen to be in the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tabcli.arrays import IntArray
from tabcli.config.features import WEEKDAYS
from tabcli.config.schema import Config
from tabcli.config.values import Scalar
from tabcli.errors import ConfigError
from tabcli.features.availability import check_columns, check_made, lacks_past_key, needed_columns, source_columns
from tabcli.features.dates import date_parts, days_from_easter, days_to_month_end, fourier_terms
from tabcli.features.elapsed import active_months, time_since
from tabcli.features.events import EventCalendar, SortedRows, event_features
from tabcli.features.frequency import Frequency
from tabcli.features.holidays import PublicHolidays
from tabcli.parallel import parallel_map
from tabcli.tables.joins import FactorizedTable, LookupTable, join_table
from tabcli.tables.kinds import is_text, kind_of
from tabcli.tables.rows import matches, with_columns


@dataclass(frozen=True)
class FeatureTable:
    """n rows with all joined columns and features.

    `table`: the rows, in their order. `calendar`: the events of these rows and of the rows before them. `unmatched`:
    lookup table → rows that found no match. `series`: each row's position among the calendar's series, int64 (n,).
    """

    table: FactorizedTable
    calendar: EventCalendar
    unmatched: dict[str, int]
    series: IntArray


def fill_rows(rows: pd.DataFrame, config: Config) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rows whose missing values are replaced by those of `forecast.fill`, and how many were, by column.

    Raises `ConfigError` where a value is not of the column's kind.
    """
    filled: dict[str, pd.Series] = {}
    counts = {}
    for name, value in config.forecast.fill.items():
        if name not in rows.columns:
            continue
        missing = rows[name].isna().to_numpy()
        counts[name] = int(missing.sum())
        if missing.any():
            column = rows[name]
            if is_text(column):
                new = [] if str(value) in column.cat.categories else [str(value)]
                filled[name] = column.cat.add_categories(new).fillna(str(value))
            else:
                filled[name] = column.fillna(_filling(column, value))
    return with_columns(rows, filled), counts


def _filling(column: pd.Series, value: Scalar) -> pd.Timestamp | float:
    """The config's value as a number or date, as the column's kind is. Raises `ConfigError` where it is not one."""
    kind = kind_of(column)
    try:
        filling: pd.Timestamp | float | None = pd.Timestamp(str(value)) if kind == "date" else float(value)
    except ValueError:
        filling = None
    if filling is None or pd.isna(filling):
        what, example = ("date", "2015-07-31") if kind == "date" else ("number", "1")
        raise ConfigError(
            f"forecast.fill.{column.name}: {value!r} is not a {what}, but the column holds {kind} values",
            hint=f"give a {what}, such as {example}; or read the column as text: `dtypes: {{{column.name}: str}}`",
        )
    return filling


def build_features(
    rows: pd.DataFrame,
    lookups: Iterable[LookupTable],
    config: Config,
    calendar: EventCalendar,
    holidays: PublicHolidays,
    frequency: Frequency,
    steps_left: IntArray,
) -> FeatureTable:
    """Joins the lookup tables, then adds holidays, date features, events, spans and recurrences, in this order.

    `lookups`: in the order of the config's joins. `calendar`: the events known so far. `steps_left`: how many steps of
    known calendar lie behind each row, int64 (n,); forward-looking features see no further. Raises `DataError` or
    `ConfigError` where the rows lack a key, a column is of a wrong kind, or two columns share a name.
    """
    columns = source_columns(config)
    table, unmatched = FactorizedTable.of(rows), {}
    for lookup in lookups:
        if lacks_past_key(table, lookup.join, config):
            continue
        table, unmatched[lookup.join.table] = join_table(table, lookup, date=config.date, columns=columns)
    check_made(table, config)
    keys, at = table.factorize([config.date])
    days = {name: holidays.count(keys[config.date], place) for name, place in config.features.holidays.items()}
    table = table.with_columns({name: values.astype("int64") for name, values in days.items()}, at)
    check_columns(table, config, ["feature"])
    flags = {}
    for name, event in config.features.events.items():
        flags[name] = matches(table, event.where, f"features.events.{name}.where")
    calendar, ordered = calendar.with_rows(table, config.date, flags)
    made = _of_rows(table, config, calendar, ordered, frequency, steps_left)
    return FeatureTable(_with_dates(table, config).with_columns(made), calendar, unmatched, ordered.series)


def _with_dates(joined: FactorizedTable, config: Config) -> FactorizedTable:
    """The table with the features of a date alone, each made once per date; unused date parts are left out."""
    features, wanted, table = config.features, needed_columns(config), joined

    def dates(column: str) -> tuple[pd.Series, IntArray | None]:
        keys, at = joined.factorize([column])
        return keys[column], at

    for part in features.date_parts:
        days, at = dates(part.column)
        table = table.with_columns(dict(date_parts(days, part.prefix, time=part.time, wanted=wanted)), at)
    for name, wave in features.fourier.items():
        days, at = dates(wave.date)
        table = table.with_columns(fourier_terms(days, name, wave.period, wave.order), at)
    for name, window in features.from_easter.items():
        days, at = dates(window.date)
        table = table.with_columns({name: days_from_easter(days, window.first, window.last)}, at)
    for name, end in features.to_month_end.items():
        days, at = dates(end.date)
        counted = [day not in end.closed for day in WEEKDAYS]
        table = table.with_columns({name: days_to_month_end(days, counted)}, at)
    return table


def _of_rows(
    table: FactorizedTable,
    config: Config,
    calendar: EventCalendar,
    ordered: SortedRows,
    frequency: Frequency,
    steps_left: IntArray,
) -> dict[str, Any]:
    """The features of a row: distances to events, spans and recurrences; unused event columns are left out."""
    features, wanted = config.features, needed_columns(config)
    made: dict[str, Any] = {}
    events = features.events

    def of_event(name: str) -> dict[str, Any]:
        return dict(event_features(ordered, calendar.moments[name], events[name], name, frequency, steps_left, wanted))

    for columns in parallel_map(of_event, events, len(table)):
        made |= columns
    for name, span in features.spans.items():
        made[name] = time_since(table, config.date, span)
    for name, recurrence in features.recurrences.items():
        made[name] = active_months(table, config.date, recurrence)
    return made
