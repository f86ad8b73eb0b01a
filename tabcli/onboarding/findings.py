"""What is found in a folder of tables, and what a person may say beforehand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Required, TypedDict

import pandas as pd

from tabcli.config.values import Duration
from tabcli.errors import UsageError
from tabcli.features.availability import Availability
from tabcli.features.frequency import Frequency
from tabcli.tables.kinds import Kinds

Part = dict[str, object]
"""Keys and values of a config that is being written."""


class Spec(TypedDict, total=False):
    """How to read a table, as in a config."""

    file: Required[str]
    encoding: str
    delimiter: str
    sheet: str
    skip_rows: int
    skip_footer: int
    missing: str
    timezone: str
    decimal: str
    thousands: str
    day_first: bool
    date_format: str
    rename: dict[str, str]
    dtypes: dict[str, str]
    melt: Part
    dates: dict[str, dict[str, str]]
    aggregate: Part


class JoinPart(TypedDict, total=False):
    """A join, as in a config."""

    table: Required[str]
    on: list[str]
    as_of: str
    lag: str
    max_age: str
    known_in_advance: bool


Ask = Callable[[str, str, Sequence[str]], str]
"""A question, the option that answers it, and the possible answers → one of them."""


def refuse_to_guess(question: str, option: str, answers: Sequence[str]) -> str:
    """Asks nobody. Raises `UsageError`, which names the option that answers the question."""
    raise UsageError(f"{question}: it may be {' or '.join(answers)}", hint=f"say which: {option} {answers[0]}")


@dataclass(frozen=True)
class InitHints:
    """What the caller knows already; None or empty where it is to be found out.

    `aggregate`: rows of one series and date are added up. `wide`: each column of numbers is a series. `reading`: how
    the files are written, as in a config's table.
    """

    train: str | None = None
    future: str | None = None
    date: str | None = None
    target: str | None = None
    series: tuple[str, ...] = ()
    horizon: str | None = None
    day_first: bool | None = None
    aggregate: bool = False
    wide: bool = False
    reading: Mapping[str, str] = field(default_factory=dict)
    ask: Ask = refuse_to_guess


@dataclass(frozen=True)
class FolderTable:
    """A file that is a table. `spec`: how to read it, as in a config. `notes`: why so.

    `looks`: columns that were not understood → what they look like, and the option that may help.
    """

    name: str
    spec: Spec
    table: pd.DataFrame
    notes: tuple[str, ...] = ()
    looks: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The name of the file in the folder."""
        return self.spec["file"]

    @cached_property
    def kinds(self) -> Kinds:
        """The kind of each column."""
        return Kinds.of(self.table)

    @property
    def dates(self) -> list[str]:
        """The columns of dates."""
        return self.kinds.only("date")


@dataclass(frozen=True)
class JoinGuess:
    """A lookup table, how it joins, and why."""

    source: FolderTable
    join: JoinPart
    why: str


def duration_of(length: pd.Timedelta) -> Duration:
    """A length of time in the largest unit that divides it: weeks, days, hours, minutes or seconds."""
    seconds = int(length.total_seconds())
    if seconds % (7 * 86400) == 0:
        return Duration(seconds // (7 * 86400), "w")
    if seconds % 86400 == 0:
        return Duration(seconds // 86400, "d")
    if seconds % 3600 == 0:
        return Duration(seconds // 3600, "h")
    return Duration(seconds // 60, "min") if seconds % 60 == 0 else Duration(max(1, seconds), "s")


def length_of_time(frequency: Frequency, n: int) -> Duration:
    """n steps, in the unit of one."""
    if frequency.unit == "mo":
        return Duration(n * frequency.count, "mo")
    step = duration_of(pd.Timedelta(frequency.count, unit="s"))
    return Duration(n * step.count, step.unit)


@dataclass
class Discovery:
    """What was found. `rows`: the past with all joins; `why`: a reason for each decision.

    `rules`: what columns follow from the date, where no table has the rows to forecast. `summands`: columns whose sum
    the target is. `lines`: the rows are lines of sale that were added up. `own_start`: most series end before the last,
    so that forecasts begin after the end of each.
    """

    train: FolderTable
    future: FolderTable | None
    date: str
    target: str
    series: tuple[str, ...]
    frequency: Frequency
    horizon: Duration
    horizon_given: bool
    id: str | None = None
    known: list[str] = field(default_factory=list)
    past_only: list[str] = field(default_factory=list)
    static: list[str] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    joins: list[JoinGuess] = field(default_factory=list)
    unjoined: dict[str, str] = field(default_factory=dict)
    availability: dict[str, Availability] = field(default_factory=dict)
    rules: dict[str, Part] = field(default_factory=dict)
    summands: tuple[str, ...] = ()
    lines: bool = False
    own_start: bool = False
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    why: dict[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> Kinds:
        """The kind of each column of `rows`."""
        return Kinds.of(self.rows)

    @property
    def step(self) -> Duration:
        """How far apart the rows of a series are."""
        return length_of_time(self.frequency, 1)

    @property
    def end(self) -> pd.Timestamp:
        """The last date to forecast."""
        if self.future is not None:
            return pd.Timestamp(self.future.table[self.date].max())
        last = pd.Timestamp(self.train.table[self.date].max())
        return self.frequency.after(last, self.frequency.number(self.horizon))
