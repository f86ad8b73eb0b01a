"""Raw tables → joined rows with their features, before anything is fitted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.split import Split
from tabcli.config.schema import Config
from tabcli.features.availability import Availability, availability_of, check_available, check_columns
from tabcli.features.building import FeatureTable, build_features, fill_rows
from tabcli.features.events import EventCalendar
from tabcli.features.frequency import Frequency
from tabcli.pipeline.groups import Statics, series_groups
from tabcli.pipeline.plan import Keys, Outline, Plan, plan_of, timing
from tabcli.pipeline.scored import Scored, check_left_out, clip_targets, score
from tabcli.tables.contract import Contract, DataSource, describe, load_tables
from tabcli.tables.joins import FactorizedTable, LookupTable
from tabcli.tables.kinds import Kinds, require_columns
from tabcli.tables.rows import draw_by_key, hash_values, ids_error, stack, with_columns

Tables = dict[str, pd.DataFrame]


def lookup_names(config: Config) -> list[str]:
    """The names of the lookup tables that rows are joined with, each once."""
    return list(dict.fromkeys(join.table for join in config.joins))


@dataclass(frozen=True)
class SourceTables:
    """The config's tables as they were read: *train*, the lookup tables, and *future* where there are rows to forecast.

    `where`: what messages call the train table.
    """

    config: Config
    tables: Tables
    where: str
    sampled: bool = False

    @property
    def lookups(self) -> Tables:
        """The lookup tables by name."""
        return {name: self.tables[name] for name in lookup_names(self.config)}

    def timing(self) -> tuple[Frequency, int]:
        """The step, and how many steps are to be forecast. Raises `DataError` where a table `future` is needed."""
        return timing(self.config, [Keys.of(self.tables, self.config)])

    def as_of(self, cutoff: pd.Timestamp, start: pd.Timestamp, end: pd.Timestamp) -> "SourceTables":
        """The tables that a person had at the cutoff, with the rows from `start` to `end` as the table `future`.

        Left out are all later rows of the train table, the target and past-only columns of the rows to forecast, and
        dated rows of lookup tables after `end`.
        """
        config, train = self.config, self.tables["train"]
        dates = train[config.date]
        future = known_ahead(train[dates.between(start, end)], config).reset_index(drop=True)
        if config.id is not None:
            future = with_columns(future, {config.id: np.arange(len(future))})
        cut = {"train": train[dates <= cutoff].reset_index(drop=True), "future": future}
        for name in lookup_names(config):
            dated = {
                c for j in config.joins if j.table == name for c in (j.as_of, *j.on) if c in (j.as_of, config.date)
            }
            table = self.tables[name]
            late = [(table[c] > end).to_numpy() for c in Kinds.of(table).only("date") if c in dated]
            cut[name] = table[~np.logical_or.reduce(late)].reset_index(drop=True) if late else table
        return replace(self, tables=cut)


@dataclass(frozen=True)
class JoinedData:
    """The rows of train, and below them those of future, joined and with features; nothing is fitted.

    They may be the rows of some series alone. `features`: these rows with them. `plan`: what all rows decide.
    `availability`: of each column. `scored`: which train rows have a target. `filled`: column → missing values that
    `forecast.fill` replaced. `lookups`: in the order of the config's joins. `where`: what messages call the train
    table. `sampled`: whether only some series were kept.
    """

    config: Config
    features: FeatureTable
    plan: Plan
    availability: dict[str, Availability]
    scored: Scored
    filled: dict[str, int]
    lookups: list[LookupTable]
    where: str
    sampled: bool

    @property
    def rows(self) -> FactorizedTable:
        """The train rows."""
        return self.features.table.head(len(self.kept))

    @property
    def kept(self) -> BoolArray:
        """Which train rows have a target to learn from or to be scored on, bool (n_train,)."""
        return self.scored.kept

    @property
    def censored(self) -> BoolArray:
        """Which train rows have a lower bound of it instead, bool (n_train,)."""
        return self.scored.censored

    @property
    def frequency(self) -> Frequency:
        """The step."""
        return self.plan.frequency

    @property
    def horizon(self) -> int:
        """How many steps are to be forecast, and validated."""
        return self.plan.horizon

    @property
    def split(self) -> Split:
        """The split by time."""
        return self.plan.split

    @property
    def statics(self) -> Statics:
        """What tells kinds of series apart, of these series."""
        return Statics.of(self.config, self.features, len(self.kept))

    @property
    def groups(self) -> pd.DataFrame:
        """Columns that tell kinds of series apart, a row for each series of the calendar: `pipeline.groups`."""
        return series_groups(self.config, [self.statics], self.lookups, self.where)


def load(config: Config, data: DataSource, *, sample: int | None = None) -> SourceTables:
    """Reads the tables. `sample` keeps whole series worth about that many rows.

    Raises `DataError`, and `ConfigError` where a column that is declared static changes within a series.
    """
    names = ["train", *(["future"] if "future" in config.tables else []), *lookup_names(config)]
    tables = load_tables(config, data, names)
    where = describe(config, data, "train")
    require_columns(tables["train"], [config.target.column, *_declared(config)], where)
    if "future" in tables:
        future_where = describe(config, data, "future")
        check_future(tables["future"], config, future_where)
        known = known_ahead(tables["future"], config)
        tables["future"] = Contract.of({"train": tables["train"]}).conform(known, "train", future_where)
    return SourceTables(
        config, tables if sample is None else _sampled(tables, config, sample), where, sample is not None
    )


def join(source: SourceTables) -> JoinedData:
    """Joins the tables, finds the split by time and makes the features: all that is not fitted.

    Raises `ConfigError` where a key reads a column that is missing, of a wrong kind or not known in advance, and
    `DataError` where tables or targets are not as they must be.
    """
    config = source.config
    joined = join_part(source, plan_of(config, [Outline.of(source.tables, config)], source.lookups, source.where))
    check_left_out([joined.scored.left_out], config, source.where)
    return joined


def join_part(source: SourceTables, plan: Plan) -> JoinedData:
    """As `join`, for tables whose rows may be those of some series alone. Raises what is wrong with these rows."""
    config, tables, where, sampled = source.config, dict(source.tables), source.where, source.sampled
    del source  # nobody else may hold the rows, which are not needed beside their copy
    tables["train"], _ = clip_targets(tables["train"], config)
    n_train, frequency, horizon = len(tables["train"]), plan.frequency, plan.horizon
    availability = availability_of(config, tables["train"], tables, frequency, horizon)
    check_available(config, availability)
    check_columns(FactorizedTable.of(tables["train"]), config, ["filled"])
    rows, filled = _stacked(tables, config, plan.n_rows["train"])
    lookups = _ready(tables, config)
    del tables
    left = _steps_left(rows, n_train, plan, config)
    calendar = EventCalendar.empty(config.series, config.features.events)
    features = build_features(rows, lookups, config, calendar, plan.holidays, frequency, left)
    check_columns(features.table.head(n_train), config, ["row", "input", "past"])
    scored = score(features.table.head(n_train), config, where)
    return JoinedData(config, features, plan, availability, scored, filled, lookups, where, sampled)


def ready_lookups(source: SourceTables) -> list[LookupTable]:
    """The lookup tables in the order of the config's joins, ready to be joined."""
    return _ready(source.tables, source.config)


def _ready(tables: Tables, config: Config) -> list[LookupTable]:
    return [LookupTable.of(tables[join.table], join) for join in config.joins]


def _stacked(tables: Tables, config: Config, n_train: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Train rows, below them the rows to forecast, so that event windows reach across; and `fill_rows`' counts.

    `n_train`: rows of the whole train table.
    """
    train = tables["train"]
    future = tables.get("future", train.iloc[:0])
    if config.id is not None and config.id in train.columns:
        train = train.drop(columns=config.id)
    rows = stack(train, future, gaps="future" in tables)
    if not isinstance(train.index, pd.RangeIndex):  # the rows of some series: messages name the rows of the whole table
        rows.index = train.index.append(future.index + n_train)
    return fill_rows(rows, config)


def with_target(train: pd.DataFrame, config: Config) -> pd.Series:
    """The dates of the rows up to the last date with a target; rows after it are rows to forecast."""
    dates, there = train[config.date], train[config.target.column].notna()
    return dates[dates <= dates[there].max()] if there.any() else dates


def _steps_left(rows: pd.DataFrame, n_train: int, plan: Plan, config: Config) -> IntArray:
    """How many steps of known calendar lie behind each row, int64 (n,).

    For rows to forecast and validation rows: the steps to the last date to forecast. For a training row: one draw,
    uniform over 0 … horizon − 1, that depends on the row's key alone; training draws anew in each epoch.
    """
    dates, frequency, split, horizon = rows[config.date], plan.frequency, plan.split, plan.horizon
    left = draw_by_key(rows[[*config.series, config.date]], config.seed) % np.uint64(horizon)
    result: IntArray = left.astype("int64")
    valid = np.flatnonzero((dates.iloc[:n_train] >= split.valid_start).to_numpy())
    result[valid] = frequency.ago(dates.iloc[valid], split.valid_end)
    result[n_train:] = frequency.ago(dates.iloc[n_train:], plan.known_until)
    return np.clip(result, 0, horizon - 1)


def _declared(config: Config) -> list[str]:
    roles = config.availability
    return [*roles.known_in_advance, *roles.past_only, *roles.static]


def known_ahead(future: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Rows to forecast with only the columns that are known in advance, static, or keys."""
    return future[known_ahead_columns(future.columns, config)]


def known_ahead_columns(columns: Iterable[str], config: Config) -> list[str]:
    """Of these columns of rows to forecast those that are known in advance, static, or keys."""
    roles = config.availability
    names = {*config.series, config.date, config.id, *roles.known_in_advance, *roles.static}
    return [c for c in columns if c in names]


def check_future(future: pd.DataFrame, config: Config, where: str) -> None:
    """Raises `DataError` where the rows to forecast lack a column known in advance, or an id does not name one row."""
    check_known(future, config, where)
    check_ids([_hashes(future, config)], config, where)


def check_known(future: pd.DataFrame, config: Config, where: str) -> None:
    """Raises `DataError` where the rows to forecast lack a column known in advance, or the id."""
    known = [*config.availability.known_in_advance, *config.availability.static]
    require_columns(future, known, where)
    require_columns(future, [config.id] if config.id is not None else [], where)


Ids = tuple[int, NDArray[np.uint64]]
"""How many rows to forecast there are, and the hashes of their different ids."""


def id_hashes(source: SourceTables) -> Ids:
    """Of the rows to forecast."""
    future = source.tables.get("future")
    return (0, np.empty(0, dtype="uint64")) if future is None else _hashes(future, source.config)


def _hashes(future: pd.DataFrame, config: Config) -> Ids:
    if config.id is None:
        return len(future), np.arange(len(future), dtype="uint64")
    ids = future[config.id].dropna().drop_duplicates()
    return len(future), hash_values(ids)


def check_ids(parts: Sequence[Ids], config: Config, where: str) -> None:
    """Raises `DataError` where ids of rows to forecast, which the parts hold, do not name one row each."""
    if config.id is None:
        return
    wrong = sum(n for n, _ in parts) - len(np.unique(np.concatenate([hashes for _, hashes in parts])))
    if wrong:
        raise ids_error(config.id, wrong, where)


def _sampled(tables: Tables, config: Config, n_rows: int) -> Tables:
    """The tables with whole series only, drawn by the config's seed, worth about `n_rows` rows of the train table."""
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
