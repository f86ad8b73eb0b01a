"""Raw tables → joined and expanded rows, before any split and before anything is fitted."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tabcli.arrays import BoolArray
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.features.availability import Role, availability_of, check_available, check_columns, check_static
from tabcli.features.building import FeatureTable, build_features, fill_rows
from tabcli.features.events import EventCalendar
from tabcli.features.frequency import Frequency
from tabcli.features.holidays import PublicHolidays
from tabcli.pipeline.scored import clip_targets, scored_rows
from tabcli.pipeline.split import validation_steps
from tabcli.tables.contract import Contract, DataSource, describe, load_tables
from tabcli.tables.joins import FactorizedTable, LookupTable
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import distinct_rows, stack

Tables = dict[str, pd.DataFrame]


def side_names(config: Config) -> list[str]:
    """The tables that the rows are joined with, each once."""
    return list(dict.fromkeys(join.table for join in config.joins))


@dataclass(frozen=True)
class JoinedData:
    """The joined and expanded rows of train and below them those of future, before anything is fitted."""

    config: Config
    wide: FeatureTable
    contract: Contract
    availability: dict[str, Role]
    kept: BoolArray
    """Which of the train rows have a target to learn from or be scored on, bool (n_train,)."""
    holidays: PublicHolidays
    frequency: Frequency
    horizon: int
    """How many steps are to be forecast, and validated."""
    facts: dict[str, Any]

    @property
    def rows(self) -> FactorizedTable:
        """The train rows."""
        return self.wide.table.head(len(self.kept))


def read(config: Config, data: DataSource, *, sample: int | None = None) -> JoinedData:
    """Reads and joins the tables and makes the features: all that depends on no split.

    `sample` keeps whole series worth about that many rows. Raises `ConfigError` and `DataError`.
    """
    names = ["train", *(["future"] if "future" in config.tables else []), *side_names(config)]
    tables = load_tables(config, data, names)
    train_where = describe(config, data, "train")
    require_columns(tables["train"], [config.target.column, *_declared(config)], train_where)
    contract = Contract.of(tables)
    if "future" in tables:
        future_where = describe(config, data, "future")
        check_future(tables["future"], config, future_where)
        tables["future"] = contract.conform(known_ahead(tables["future"], config), "train", future_where)
    n_read = {name: len(tables[name]) for name in ("train", "future") if name in tables}
    if sample is not None:
        tables = _sampled(tables, config, sample)
    check_static(tables["train"], config, train_where)
    tables["train"], n_clipped = clip_targets(tables["train"], config)
    dates = [tables[name][config.date] for name in ("train", "future") if name in tables]
    declared = None if config.frequency == "auto" else config.frequency
    keys = pd.concat([tables[n][list(config.series)] for n in ("train", "future") if n in tables], ignore_index=True)
    frequency = Frequency.of(pd.concat(dates), declared, distinct_rows(keys, config.series)[0])
    horizon = validation_steps(config.validation, frequency, dates[1] if "future" in tables else None)
    availability = availability_of(config, tables["train"], tables, frequency, horizon)
    check_available(config, availability)
    check_columns(FactorizedTable.of(tables["train"]), config, ["filled"])
    ruled = [rule.holidays for rule in config.forecast.rules.values() if rule.holidays]
    holidays = PublicHolidays.look_up([*config.features.holidays.values(), *ruled], tables["train"][config.date])
    wide, n_train, filled = _widen_all(tables, config, holidays)
    check_columns(wide.table.head(n_train), config, ["row", "input", "past"])
    kept, dropped = scored_rows(wide.table.head(n_train), config, train_where)
    facts = {
        "read": n_read,
        "sampled": sample is not None,
        "dropped": dropped,
        "filled_inputs": filled,
        "clipped": n_clipped,
    }
    return JoinedData(config, wide, contract, availability, kept, holidays, frequency, horizon, facts)


def _declared(config: Config) -> list[str]:
    roles = config.availability
    return [*roles.known_in_advance, *roles.past_only, *roles.static]


def known_ahead(future: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The columns of rows to forecast that may be used: whatever else stands there is not looked at."""
    roles = config.availability
    names = {*config.series, config.date, config.id, *roles.known_in_advance, *roles.static}
    return future[[c for c in future.columns if c in names]]


def check_future(future: pd.DataFrame, config: Config, where: str) -> None:
    """The future table must have what is known in advance, and an id that names one row."""
    require_columns(future, [*config.availability.known_in_advance, *config.availability.static], where)
    if config.id is None:
        return
    require_columns(future, [config.id], where)
    ids = future[config.id]
    wrong = int((ids.duplicated() | ids.isna()).sum())
    if wrong:
        raise DataError(
            f"{where}: column {config.id!r}: {wrong} ids are missing or repeat another", hint="an id names one row"
        )


def _sampled(tables: Tables, config: Config, n_rows: int) -> Tables:
    """Whole series, drawn by the config's seed, that have about `n_rows` rows in the train table."""
    keys = list(config.series)
    train = tables["train"]
    series = train[keys].drop_duplicates()
    n_series = min(len(series), max(1, round(n_rows * len(series) / len(train))))
    chosen = series.sample(n_series, random_state=config.seed)
    wanted = pd.MultiIndex.from_frame(chosen)
    return {
        name: table[pd.MultiIndex.from_frame(table[keys]).isin(wanted)].reset_index(drop=True)
        if name in ("train", "future")
        else table
        for name, table in tables.items()
    }


def _widen_all(tables: Tables, config: Config, holidays: PublicHolidays) -> tuple[FeatureTable, int, dict[str, int]]:
    """Train rows and below them the future's, widened together so that event windows cross the boundary."""
    train = tables["train"]
    future = tables.get("future", train.iloc[:0])
    if config.id is not None and config.id in train.columns:
        train = train.drop(columns=config.id)
    rows, filled = fill_rows(stack(train, future), config)
    calendar = EventCalendar.empty(config.series, config.features.events)
    sides = [LookupTable.of(tables[join.table], join) for join in config.joins]
    return build_features(rows, sides, config, calendar, holidays), len(train), filled
