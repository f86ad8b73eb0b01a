"""What dates and keys of all rows decide before anything is joined: the step, the horizon, the split by time.

    rows of some series ──── Outline.of ─┐
    rows of others ───────── Outline.of ─┼─ plan_of ─▶ Plan, the same for the rows of all series
    rows of yet others ───── Outline.of ─┘

All rows in memory are the case of one part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray
from tabcli.artifacts.split import Split
from tabcli.config.schema import Config
from tabcli.features.availability import refuse_changing, static_changes
from tabcli.features.frequency import Frequency, Spacing
from tabcli.features.holidays import PublicHolidays
from tabcli.pipeline.scored import clip_targets
from tabcli.pipeline.split import time_split, validation_steps
from tabcli.tables.contract import Contract
from tabcli.tables.rows import distinct_rows


@dataclass(frozen=True)
class Keys:
    """What is needed of the dates and series of some rows.

    `spacing`: of the rows to learn from and of those to forecast together. `ahead`: the different dates of the latter,
    sorted, datetime64[us]; None where no table has any.
    """

    spacing: Spacing
    ahead: AnyArray | None

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame], config: Config) -> "Keys":
        """Of the tables *train* and *future*."""
        rows = [tables[n][[*config.series, config.date]] for n in ("train", "future") if n in tables]
        keys = pd.concat(rows, ignore_index=True)
        ahead = np.sort(tables["future"][config.date].unique()) if "future" in tables else None
        return cls(Spacing.of(keys[config.date], distinct_rows(keys, config.series)[0]), ahead)


def timing(config: Config, parts: Sequence[Keys]) -> tuple[Frequency, int]:
    """The step, and how many steps are to be forecast. Raises `DataError` where a table `future` is needed."""
    spacing = parts[0].spacing.merge(*(part.spacing for part in parts[1:]))
    declared = None if config.frequency == "auto" else config.frequency
    frequency = Frequency.found(spacing) if declared is None else Frequency.of(pd.Series(), declared)
    return frequency, validation_steps(config.validation, frequency, _dates([part.ahead for part in parts]))


def _dates(parts: Sequence[AnyArray | None]) -> pd.Series | None:
    """The different dates of all parts, sorted; None where no part has any."""
    there = [part for part in parts if part is not None]
    return pd.Series(np.unique(np.concatenate(there))) if sum(map(len, there)) else None


@dataclass(frozen=True)
class Outline:
    """What is needed of the tables *train* and *future* of some series before anything is joined.

    `n_rows`: table → rows. `dates`: of the train rows, sorted, each once. `last_target`: the last one with a target.
    `n_clipped`: negative targets that are taken as 0. `changing`: static column → series within which it changes.
    """

    keys: Keys
    contract: Contract
    n_rows: dict[str, int]
    dates: AnyArray
    last_target: pd.Timestamp | None
    n_clipped: int
    changing: dict[str, int]

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame], config: Config) -> "Outline":
        """Of the tables *train* and *future*; others do not matter."""
        rows = {name: tables[name] for name in ("train", "future") if name in tables}
        train, n_clipped = clip_targets(rows["train"], config)
        dates, there = train[config.date], train[config.target.column].notna()
        return cls(
            Keys.of(rows, config),
            Contract.of(rows),
            {name: len(table) for name, table in rows.items()},
            np.sort(dates.unique()),
            pd.Timestamp(dates[there].max()) if there.any() else None,
            n_clipped,
            static_changes(rows["train"], config),
        )


@dataclass(frozen=True)
class Plan:
    """What is the same for the rows of all series.

    `contract`: what all tables were. `dates`: of all train rows, sorted, each once. `known_until`: the end of the
    calendar that is known in advance. `n_rows`, `n_clipped`: as in `Outline`, of all rows.
    """

    contract: Contract
    frequency: Frequency
    horizon: int
    holidays: PublicHolidays
    split: Split
    known_until: pd.Timestamp
    dates: pd.Series
    n_rows: dict[str, int]
    n_clipped: int

    @property
    def n_past(self) -> int:
        """How many steps lie between the first date and the last one of the past, int; 0 where these are one."""
        past = self.dates[self.dates <= self.split.valid_end]
        return int(self.frequency.steps(past, self.start).max())

    @property
    def start(self) -> int:
        """The first date, in seconds since 1970."""
        return int(pd.Timestamp(self.dates.iloc[0]).timestamp())


def plan_of(config: Config, parts: Sequence[Outline], lookups: Mapping[str, pd.DataFrame], where: str) -> Plan:
    """What all rows decide. `lookups`: the lookup tables; `where`: what messages call the train table.

    Raises `DataError` where no rows are left to learn from, and `ConfigError` where a column that is declared static
    changes within a series.
    """
    changing = {column: sum(part.changing[column] for part in parts) for column in parts[0].changing}
    refuse_changing(changing, where)
    contract = Contract.merged([part.contract for part in parts])
    dates = _dates([part.dates for part in parts])
    assert dates is not None  # no table of rows is empty
    ruled = [rule.holidays for rule in config.forecast.rules.values() if rule.holidays]
    holidays = PublicHolidays.look_up([*config.features.holidays.values(), *ruled], dates)
    frequency, horizon = timing(config, [part.keys for part in parts])
    with_target = max((part.last_target for part in parts if part.last_target is not None), default=dates.max())
    split = time_split(dates[dates <= with_target], config.validation, horizon, frequency)
    ahead = _dates([part.keys.ahead for part in parts])
    return Plan(
        Contract({**contract.tables, **Contract.of(lookups).tables}),
        frequency,
        horizon,
        holidays,
        split,
        split.valid_end if ahead is None else pd.Timestamp(ahead.max()),
        dates,
        {name: sum(part.n_rows[name] for part in parts) for name in parts[0].n_rows},
        sum(part.n_clipped for part in parts),
    )
