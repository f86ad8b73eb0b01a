"""How far apart the rows of a series are: a number of seconds, or of calendar months.

Splits, horizons and windows all count in steps, so that a month is a month however many days it has.

    frequency   count, unit      dates                        steps before 1 April
    daily       86400 s          30 Mar, 31 Mar, 1 Apr        2, 1, 0
    monthly     1 mo             1 Jan, 1 Mar, 1 Apr          3, 1, 0
    quarterly   3 mo             31 Dec, 31 Mar               1, 0      (before 31 March)
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, IntArray
from tabcli.config.values import Duration
from tabcli.tables.rows import MOMENT_BITS, MOMENT_ZERO, moment_keys, moments_of, seconds_of

FEWEST_GAPS = 5
"""With fewer distances between rows of a series, an odd one cannot be told from the others."""

HOUR, DAY, WEEK, MONTH = (Duration.SECONDS[unit] for unit in ("h", "d", "w", "mo"))


class FrequencyState(TypedDict):
    """What is kept of a `Frequency`."""

    count: int
    unit: Literal["s", "mo"]


@dataclass(frozen=True)
class Spacing:
    """The different dates of some rows, sorted, datetime64[us] (k,), and how far apart neighbouring rows of a series
    are: seconds → how often; and, where no two are closer than 20 days, calendar months → how often.
    """

    dates: AnyArray
    gaps: dict[int, int]
    months: dict[int, int]

    @classmethod
    def of(cls, dates: pd.Series, series: IntArray | None = None) -> "Spacing":
        """Of dates (n,); `series`: the number of each row's series, int64 (n,)."""
        codes = np.zeros(len(dates), dtype="int64") if series is None else series
        keys = np.unique(moment_keys(codes, seconds_of(dates)))
        inside = np.diff(keys >> MOMENT_BITS) == 0
        gaps = _counts(np.diff(keys)[inside])
        months = {}
        if gaps and min(gaps) >= 20 * DAY:
            seconds = (keys & ((1 << MOMENT_BITS) - 1)) - MOMENT_ZERO
            months = _counts(np.diff(_months(seconds.astype("datetime64[s]")))[inside])
        return cls(np.sort(dates.dropna().unique()), gaps, months)

    def merge(self, *others: "Spacing") -> "Spacing":
        """Of the rows of all parts together, each of which has all rows of its series."""
        parts = (self, *others)
        gaps, months = (Counter[int](), Counter[int]())
        for part in parts:
            gaps.update(part.gaps)
            months.update(part.months)
        return Spacing(np.unique(np.concatenate([p.dates for p in parts])), dict(gaps), dict(months))


def _counts(values: IntArray) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


@dataclass(frozen=True)
class Frequency:
    """How long a step is: `count` seconds (*s*) or calendar months (*mo*)."""

    count: int
    unit: Literal["s", "mo"]

    @classmethod
    def of(cls, dates: pd.Series, declared: Duration | None = None, series: IntArray | None = None) -> "Frequency":
        """As declared, or found in the dates (n,) of all series; `series`: the number of each row's series, int64 (n,).

        - Dates that are all on one day of the month, or all on the last, are calendar months; so are those of which a
          series has at most one a month, such as last business days.
        - Otherwise a step is the longest time of which every distance between two dates is a multiple: a week for
          weekly rows, a day where some days are missing.
        - A few odd dates do not count: if four fifths of the rows of a series lie a longer time apart, and nine tenths
          a multiple of it, that time is the step. Nor do weeks that start on another weekday in each series.
        - Irregular times, whose step would be shorter than an hour and than every distance, are counted in days.
        """
        if declared is not None:
            return cls(declared.count, "mo") if declared.unit == "mo" else cls(declared.seconds, "s")
        return cls.found(Spacing.of(dates, series))

    @classmethod
    def found(cls, spacing: "Spacing") -> "Frequency":
        """As `of`, where no step is declared."""
        moments = pd.DatetimeIndex(spacing.dates)
        if len(moments) < 2:
            return cls(DAY, "s")
        gaps = np.diff(moments.to_numpy().astype("datetime64[s]").astype("int64"))
        if gaps.min() >= 28 * DAY and _monthly(moments):
            return cls(int(np.gcd.reduce(np.diff(_months(moments.to_numpy())))), "mo")
        common = int(np.gcd.reduce(gaps))
        step = common if common >= HOUR or common == gaps.min() else DAY
        return cls._usual(spacing, step)

    @classmethod
    def _usual(cls, spacing: "Spacing", step: int) -> "Frequency":
        """How far apart most rows of a series are, where that is longer than `step`, in seconds."""
        gaps, months = spacing.gaps, spacing.months
        n = sum(gaps.values())
        if n < FEWEST_GAPS:
            return cls(step, "s")
        usual = _most_frequent(gaps)
        multiples = sum(count for gap, count in gaps.items() if gap % usual == 0)
        if usual > step and gaps[usual] / n >= 0.8 and multiples / n >= 0.9:
            return cls(usual, "s")
        if step < WEEK and min(gaps) >= 20 * DAY and min(months) > 0:
            usual = _most_frequent(months)
            if months[usual] / n >= 0.8 and all(gap % usual == 0 for gap in months):
                return cls(usual, "mo")
        return cls(step, "s")

    @property
    def seconds(self) -> int:
        """A step's length in seconds; of calendar months the mean length."""
        return self.count * (MONTH if self.unit == "mo" else 1)

    def steps(self, dates: pd.Series, start: int) -> IntArray:
        """Whole steps from `start` (seconds since 1970) to each date, int64 (n,)."""
        if self.unit == "s":
            return (seconds_of(dates) - start) // self.count
        return (_months(dates.to_numpy()) - _months(np.array([start], dtype="datetime64[s]"))) // self.count

    def ago(self, dates: pd.Series, end: pd.Timestamp) -> IntArray:
        """How many steps before `end` each date lies, int64 (n,): 0 at the end, −1 one step after it."""
        if self.unit == "s":
            return (int(end.timestamp()) - seconds_of(dates)) // self.count
        return (_months(np.array([end.to_datetime64()])) - _months(dates.to_numpy())) // self.count

    def steps_between(self, keys: IntArray, later: IntArray) -> IntArray:
        """How many steps lie between each moment and a later one, rounded up, int64 (n,); both are `moment_keys`.

        Where the later moment is of another series, more than any calendar has.
        """
        if self.unit == "s":
            steps: IntArray = np.minimum(-(-(later - keys) // self.count), 2**31 - 1)
            return steps
        same = later >> MOMENT_BITS == keys >> MOMENT_BITS
        months = _months(moments_of(np.where(same, later, keys))) - _months(moments_of(keys))
        return np.where(same, -(-months // self.count), 2**31 - 1)

    def key_after(self, keys: IntArray, n: IntArray) -> IntArray:
        """The last moment that lies within n steps of each moment, as `moment_keys` of the same series, int64 (n,)."""
        if self.unit == "s":
            return keys + n * self.count
        after = (_months(moments_of(keys)) + n * self.count + 1).astype("datetime64[M]").astype("datetime64[s]")
        return moment_keys(keys >> MOMENT_BITS, after.astype("int64") - 1)

    def number(self, duration: Duration) -> int:
        """A duration as steps, rounded up: 10 days are two steps of a week."""
        return -(-duration.seconds // self.seconds)

    def after(self, moment: pd.Timestamp, n: int) -> pd.Timestamp:
        """The moment n steps later, or earlier for a negative n; by months the last day of a month stays the last."""
        if self.unit == "s":
            return moment + pd.Timedelta(n * self.count, unit="s")
        later = moment + pd.DateOffset(months=n * self.count)
        return later + pd.offsets.MonthEnd(0) if moment.is_month_end else later

    def __str__(self) -> str:
        if self.unit == "mo":
            return f"{self.count}mo"
        unit = next(u for u in ("w", "d", "h", "min", "s") if self.count % Duration.SECONDS[u] == 0)
        return f"{self.count // Duration.SECONDS[unit]}{unit}"

    def to_state(self) -> FrequencyState:
        return {"count": self.count, "unit": self.unit}

    @classmethod
    def from_state(cls, state: FrequencyState) -> "Frequency":
        return cls(state["count"], state["unit"])


def season_of(dates: pd.Series, frequency: Frequency) -> pd.Series:
    """The place of each date (n,) in its season: the hour of the week; for weeks the ISO week, for months the month."""
    codes, unique = pd.factorize(dates.to_numpy())
    moments = pd.Series(unique).dt
    if frequency.seconds < WEEK:
        season = (moments.day_of_week * 24 + moments.hour).to_numpy()
    elif frequency.seconds < 28 * DAY:
        season = moments.isocalendar().week.to_numpy(dtype="int32")
    else:
        season = moments.month.to_numpy()
    return pd.Series(season[codes], index=dates.index)


def season_steps(frequency: Frequency) -> int:
    """How many steps a season has: a year for steps of a week or longer, a week for shorter ones."""
    if frequency.seconds >= WEEK:
        return max(1, round(12 * MONTH / frequency.seconds))
    return max(1, round(WEEK / frequency.seconds))


def year_steps(frequency: Frequency) -> int:
    """How many steps a year has; of days and hours 52 weeks, so that the weekday stays the same."""
    if frequency.seconds >= WEEK:
        return season_steps(frequency)
    return max(1, 52 * WEEK // frequency.seconds)


def _months(moments: AnyArray) -> IntArray:
    """Months since January 1970, int64 (n,)."""
    return moments.astype("datetime64[M]").astype("int64")


def _most_frequent(counts: Mapping[int, int]) -> int:
    """Of several that occur equally often, the smallest."""
    return min(counts, key=lambda value: (-counts[value], value))


def _monthly(moments: pd.DatetimeIndex) -> bool:
    """Whether all moments are on the same day of the month, up to the 28th, or all on the last day of a month."""
    same = moments.day.nunique() == 1 and bool(moments.day[0] <= 28)
    return bool((moments == moments.normalize()).all()) and (same or bool(moments.is_month_end.all()))
