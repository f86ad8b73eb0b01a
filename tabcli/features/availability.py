"""What is known when: the one guard against leaks. Which columns may be inputs, and which a feature may read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import pandas as pd

from tabcli.config.data import Join
from tabcli.config.reads import JOINED, Read, Use
from tabcli.config.schema import Config
from tabcli.config.values import Duration
from tabcli.errors import ConfigError, did_you_mean
from tabcli.features.dates import date_part_names, fourier_names
from tabcli.features.events import event_feature_names
from tabcli.features.frequency import Frequency
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.texts import not_numeric_error

Availability = Literal["static", "known in advance", "past only"]
"""When a column is known: *static* columns always; *known in advance* on the days to forecast too; *past only* columns
once the day is over."""


def makes(config: Config) -> Iterator[tuple[str, list[str]]]:
    """The key of every feature and the columns that it makes, in the order in which they are made."""
    features = config.features
    for name in features.holidays:
        yield f"features.holidays.{name}", [name]
    for i, part in enumerate(features.date_parts):
        yield f"features.date_parts[{i}]", date_part_names(part.column, part.prefix, time=part.time)
    for name, wave in features.fourier.items():
        yield f"features.fourier.{name}", fourier_names(name, wave.order)
    for name in features.from_easter:
        yield f"features.from_easter.{name}", [name]
    for name in features.to_month_end:
        yield f"features.to_month_end.{name}", [name]
    for name in features.events:
        yield f"features.events.{name}", event_feature_names(name)
    for name in features.spans:
        yield f"features.spans.{name}", [name]
    for name in features.recurrences:
        yield f"features.recurrences.{name}", [name]


def made_columns(config: Config) -> list[str]:
    """The columns that `features` makes."""
    return [column for _, names in makes(config) for column in names]


def needed_columns(config: Config) -> set[str] | None:
    """The columns that the config makes use of; None where inputs are chosen by rule, which needs all columns."""
    if "auto" in (config.categorical, config.continuous):
        return None
    return {read.column for read in config.reads() if read.use in JOINED}


def source_columns(config: Config) -> set[str] | None:
    """The columns of tables that the config needs; None where it needs all."""
    needed = needed_columns(config)
    return None if needed is None else needed - set(made_columns(config))


# ------------------------------------------------------------------------------------------- inputs


def usable_columns(table: FactorizedTable, config: Config, availability: Mapping[str, str]) -> list[str]:
    """Columns that may be inputs, in the table's order: all but date, id, target, other dates and past-only columns."""
    return [
        c
        for c in table.columns
        if availability.get(c) != "past only"
        and c not in (config.date, config.id, config.target.column)
        and table.kind(c) != "date"
    ]


def availability_of(
    config: Config, train: pd.DataFrame, lookups: Mapping[str, pd.DataFrame], frequency: Frequency, horizon: int
) -> dict[str, Availability]:
    """The availability of every column of the train table and the lookup tables.

    A column of the train table is past only unless the config declares it. The columns of a lookup table are at best as
    available as the keys that it is joined on. Joined by a date they are known in advance only if the join says so, or
    if its lag is never shorter than the horizon (in steps) and the gap together. Raises `ConfigError` where neither the
    rows nor the tables joined before have a key of a join.
    """
    found: dict[str, Availability] = dict.fromkeys(train.columns, "past only")
    found |= dict.fromkeys(config.availability.known_in_advance, "known in advance")
    found |= dict.fromkeys([*config.series, *config.availability.static], "static")
    found |= dict.fromkeys([config.date], "known in advance")
    n_ahead = horizon + frequency.number(config.validation.gap)
    for i, join in enumerate(config.joins):
        if unknown := [c for c in join.on if c not in found]:
            names = ", ".join(f"{c!r}{did_you_mean(c, found)}" for c in unknown)
            raise ConfigError(f"joins[{i}].on: neither the rows nor the tables joined before have a column {names}")
        dated = join.as_of is not None or config.date in join.on
        advance = join.known_in_advance or (join.as_of is not None and _spans(join.lag, frequency, n_ahead))
        of_join = availability_of_join((found[c] for c in join.on), dated=dated, in_advance=advance)
        own = {*join.on, join.as_of, *made_columns(config)}  # a feature's column is its own, whatever a table has
        brought = [c for c in lookups[join.table].columns if c not in own]
        found |= {c: weakest([of_join, found.get(c, of_join)]) for c in brought}
    return found


def availability_of_join(of_keys: Iterable[Availability], *, dated: bool, in_advance: bool) -> Availability:
    """The availability of the columns that a join brings: that of its weakest key, and past only if it is `dated` and
    not declared `in_advance`.
    """
    of_date: list[Availability] = ["known in advance" if in_advance else "past only"] if dated else []
    return weakest([*of_keys, *of_date])


def weakest(several: Iterable[Availability]) -> Availability:
    """When a value is known that is made of columns with these availabilities: when all of them are."""
    return max(several, key=("static", "known in advance", "past only").index, default="static")


def lacks_past_key(table: FactorizedTable, join: Join, config: Config) -> bool:
    """Whether rows to forecast lack a key of the join because it is past only; the join's columns are then, too."""
    declared = config.availability
    known = {*config.series, config.date, *declared.known_in_advance, *declared.static}
    return bool({*join.on} - {*table.columns} - known)


def _spans(lag: Duration, frequency: Frequency, n_steps: int) -> bool:
    """Whether a lag is never shorter than `n_steps` steps, whichever months they are."""
    if frequency.unit == lag.unit == "mo":
        return lag.count >= n_steps * frequency.count
    steps = Duration(n_steps * frequency.count, "mo").longest if frequency.unit == "mo" else n_steps * frequency.count
    return lag.shortest >= steps


def check_available(config: Config, availability: Mapping[str, Availability]) -> None:
    """Raises `ConfigError` naming every key that reads, on the days to forecast, a column that is past only."""
    problems = [
        f"  {read.path}: {read.column!r} is past only: on the days to forecast nobody knows it"
        for read in config.reads()
        if read.ahead and availability.get(read.column) == "past only"
    ]
    if problems:
        raise ConfigError(
            "the config reads columns that are not known in advance\n" + "\n".join(problems),
            hint="if they are known, name them in availability.known_in_advance, or set their join's known_in_advance",
        )


_KINDS = {"date": ("date",), "number": ("int", "float", "bool"), "text": ("text",)}


def check_columns(table: FactorizedTable, config: Config, uses: Iterable[Use]) -> None:
    """Raises `ConfigError` naming every key that reads, for one of the uses, a column that is missing or of no use.

    Raises `DataError` with the rows where a column of numbers holds texts.
    """
    problems = [
        f"  {read.path}: {problem}"
        for read in config.reads()
        if read.use in uses and (problem := _column_problem(read, table, config))
    ]
    if problems:
        raise ConfigError("columns that the config names cannot be used\n" + "\n".join(problems))


def _column_problem(read: Read, table: FactorizedTable, config: Config) -> str | None:
    column = read.column
    if column not in table.columns:
        features = [] if read.use in ("filled", "feature") else made_columns(config)
        return f"no column {column!r}{did_you_mean(column, dict.fromkeys([*table.columns, *features]))}"
    kind = table.kind(column)
    if read.kind == "number" and kind == "text":
        raise not_numeric_error(table[column], read.path)
    if read.kind is not None and kind not in _KINDS[read.kind]:
        return f"column {column!r} holds {kind} values, not {read.kind}s"
    if read.use == "input" and kind == "date":
        return f"{column!r} is a date; use its parts (features.date_parts)"
    return None


def check_made(table: FactorizedTable, config: Config) -> None:
    """Raises `ConfigError` where a feature makes a column that the joined table, or another feature, has already."""
    owners = dict.fromkeys(table.columns, "the joined table")
    problems = []
    for key, columns in makes(config):
        problems += [f"  {key}: {owners[c]} has a column {c!r} already" for c in columns if c in owners]
        owners |= dict.fromkeys(columns, key)
    if problems:
        raise ConfigError(
            "features make columns that exist already\n" + "\n".join(problems),
            hint="give `date_parts` another `prefix`, or the feature another name",
        )


def static_changes(table: pd.DataFrame, config: Config) -> dict[str, int]:
    """Each column declared static → within how many series it changes."""
    groups = table.groupby(list(config.series), sort=False, observed=True)
    return {c: int((groups[c].nunique(dropna=False) > 1).sum()) for c in config.availability.static}


def refuse_changing(changing: Mapping[str, int], where: str) -> None:
    """Raises `ConfigError` where a column declared static changes within so many series."""
    for column, n in changing.items():
        if n:
            raise ConfigError(
                f"availability.static: {column!r} changes within {n} series of {where}",
                hint="declare it known_in_advance or past_only",
            )
