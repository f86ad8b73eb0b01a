"""What is known when: the one guard against leaks. Which columns a model and a feature may use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from tabcli.config.schema import Config
from tabcli.errors import ConfigError, did_you_mean
from tabcli.features.dates import date_part_names, fourier_names
from tabcli.features.events import event_feature_names
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.kinds import kind_of
from tabcli.tables.texts import decimal_comma, not_numeric_error


def made_columns(config: Config) -> list[str]:
    """The columns that `features` makes."""
    features = config.features
    names = [n for d in features.date_parts for n in date_part_names(d.column, d.prefix, time=d.time)]
    return [*names, *features.holidays, *other_columns(config)]


def other_columns(config: Config) -> list[str]:
    """Those that are neither parts of a date nor holidays."""
    features = config.features
    names = [n for name, f in features.fourier.items() for n in fourier_names(name, f.order)]
    names += [n for event in features.events for n in event_feature_names(event)]
    return [*names, *features.from_easter, *features.to_month_end, *features.spans, *features.recurrences]


def needed_columns(config: Config) -> set[str] | None:
    """The columns that the config makes use of; None where it chooses variables by rule and so needs all."""
    if "auto" in (config.categorical, config.continuous):
        return None
    features = config.features
    needed = {*config.categorical, *config.continuous, *config.baseline}
    needed |= {c for join in config.joins for c in join.on}
    needed |= {c for event in features.events.values() for c in event.where}
    needed |= {*config.history.effects, *config.history.columns} if config.history else set()
    needed |= {*config.forecast.zero_where, *config.forecast.fill, *config.target.drop_where}
    needed |= {c for since in features.sinces for c in since.columns}
    dated = (features.fourier, features.from_easter, features.to_month_end)
    needed |= {f.date for made in dated for f in made.values()}
    needed |= {d.column for d in features.date_parts} | {r.months for r in features.recurrences.values()}
    return needed


def source_columns(config: Config) -> set[str] | None:
    """The columns of tables that the config needs; None where it needs all."""
    needed = needed_columns(config)
    return None if needed is None else needed - set(made_columns(config))


# ---------------------------------------------------------------------------------------- variables


@dataclass(frozen=True)
class Variables:
    """The model's inputs by role, in the order in which they are encoded."""

    categorical: tuple[str, ...]
    continuous: tuple[str, ...]


def _usable(table: FactorizedTable, config: Config, availability: Mapping[str, str]) -> list[str]:
    """Columns that a model may use, in the table's order: all but keys, target, dates and past-only ones."""
    return [
        c
        for c in table.columns
        if availability.get(c) != "past only"
        and c not in (config.date, config.id, config.target.column)
        and kind_of(table.stored[c].values) != "date"
    ]


def choose_variables(table: FactorizedTable, config: Config, availability: Mapping[str, str]) -> Variables:
    """The config's variables, or by fastai's rule (`cont_cat_split`) where it says auto.

    The rule: a float, or an integer with more than `max_card` different values, is continuous; all else, and the
    series columns, are categorical. Raises `ConfigError` naming every column that is missing or not available in
    advance, and `DataError` where it would make categories of numbers with decimal commas.
    """
    by_role: dict[str, list[str]] = {"categorical": [], "continuous": []}
    by_rule = "auto" in (config.categorical, config.continuous)
    named = {c for role in (config.categorical, config.continuous) if role != "auto" for c in role}
    for column in _usable(table, config, availability):
        if column in named:
            continue
        values = table.stored[column].values
        kind = kind_of(values)
        if kind == "text" and decimal_comma(values):
            raise not_numeric_error(table[column], "auto: a number or a category?")
        many = by_rule and kind == "int" and values.nunique() > config.max_card
        continuous = column not in config.series and (kind == "float" or many)
        by_role["continuous" if continuous else "categorical"].append(column)
    chosen = {
        role: tuple(by_role[role]) if given == "auto" else given
        for role, given in (("categorical", config.categorical), ("continuous", config.continuous))
    }
    problems = [
        f"  {role}: {problem}"
        for role, columns in chosen.items()
        for problem in _variable_problems(columns, table, config, availability)
    ]
    if problems:
        raise ConfigError(f"{len(problems)} variables cannot be used\n" + "\n".join(problems))
    return Variables(**chosen)


def _variable_problems(
    columns: Iterable[str], table: FactorizedTable, config: Config, availability: Mapping[str, str]
) -> list[str]:
    problems = []
    for column in columns:
        if column not in table.columns:
            known = dict.fromkeys([*table.columns, *made_columns(config)])
            problems.append(f"no column {column!r}{did_you_mean(column, known)}")
        elif availability.get(column) == "past only":
            problems.append(f"{column!r} is past only: on the days to forecast nobody knows it")
        elif kind_of(table.stored[column].values) == "date":
            problems.append(f"{column!r} is a date; use its parts (features.date_parts)")
    return problems


def availability_of(
    config: Config, train: pd.DataFrame, sides: Mapping[str, pd.DataFrame], horizon: int
) -> dict[str, str]:
    """Column → "known in advance", "past only" or "static", for every source column.

    A column of the train table must be declared; else it is past only. A side table joined without a date is
    as available as its keys; with a date it is known in advance if the join says so, or if its lag is not shorter
    than the horizon (in seconds), and past only otherwise.
    """
    roles = dict.fromkeys(train.columns, "past only")
    roles |= dict.fromkeys(config.availability.known_in_advance, "known in advance")
    roles |= dict.fromkeys([*config.series, *config.availability.static], "static")
    roles |= dict.fromkeys([config.date], "known in advance")
    for join in config.joins:
        dated = join.as_of is not None or config.date in join.on
        advance = join.known_in_advance or (join.as_of is not None and join.lag.seconds >= horizon)
        if dated:
            role = "known in advance" if advance else "past only"
        else:
            keys = {roles.get(c, "past only") for c in join.on}
            role = next(r for r in ("past only", "known in advance", "static") if r in keys)
        for column in sides[join.table].columns:
            if column not in join.on and column != join.as_of:
                roles[column] = role
    return roles


def check_available(config: Config, availability: Mapping[str, str]) -> None:
    """Raises `ConfigError` where a feature or a forecast rule is made from a past-only column."""
    features = config.features
    uses = {f"features.events.{n}.where": list(e.where) for n, e in features.events.items()}
    uses |= {f"features.fourier.{n}.date": [f.date] for n, f in features.fourier.items()}
    uses |= {f"features.from_easter.{n}.date": [f.date] for n, f in features.from_easter.items()}
    uses |= {f"features.to_month_end.{n}.date": [f.date] for n, f in features.to_month_end.items()}
    uses |= {f"features.spans.{n}.since": s.since.columns for n, s in features.spans.items()}
    uses |= {f"features.recurrences.{n}.months": [r.months] for n, r in features.recurrences.items()}
    uses |= {f"features.recurrences.{n}.since": r.since.columns for n, r in features.recurrences.items() if r.since}
    uses |= {"forecast.zero_where": list(config.forecast.zero_where), "forecast.fill": list(config.forecast.fill)}
    problems = [
        f"  {path}: {column!r} is past only: on the days to forecast nobody knows it"
        for path, columns in uses.items()
        for column in columns
        if availability.get(column) == "past only"
    ]
    if problems:
        raise ConfigError(
            "features need columns that are not known in advance\n" + "\n".join(problems),
            hint="if they are known, name them in availability.known_in_advance",
        )


def check_static(table: pd.DataFrame, config: Config, where: str) -> None:
    """Raises `ConfigError` where a column declared static changes within a series."""
    for column in config.availability.static:
        changing = table.groupby(list(config.series), sort=False, observed=True)[column].nunique(dropna=False) > 1
        if changing.any():
            raise ConfigError(
                f"availability.static: {column!r} changes within {changing.sum()} series of {where}",
                hint="declare it known_in_advance or past_only",
            )
