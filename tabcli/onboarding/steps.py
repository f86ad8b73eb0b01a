"""How far apart the rows of a series are, which of them are odd, and which steps have no row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.features.frequency import Frequency
from tabcli.onboarding.columns import by_series
from tabcli.onboarding.findings import length_of_time

WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def series_numbers(table: pd.DataFrame, series: Sequence[str]) -> IntArray:
    """The number of each row's series, int64 (n,)."""
    numbers: IntArray = by_series(table, series).ngroup().to_numpy().astype("int64")
    return numbers


def frequency_of(table: pd.DataFrame, series: Sequence[str], date: str) -> tuple[Frequency, str]:
    """The frequency of the rows, and why: with the rows that are odd, where there are such."""
    frequency = Frequency.of(table[date], None, series_numbers(table, series))
    plain = Frequency.of(table[date].drop_duplicates().sort_values())
    step = length_of_time(frequency, 1)
    if frequency.unit == "mo":
        one_day = table[date].dt.day.nunique() == 1 or bool(table[date].dt.is_month_end.all())
        why = "are all on one day of the month, or on the last" if one_day else "of a series are one a month"
        return frequency, f"the dates of {date} {why}"
    if frequency == plain and _divides_all(table[date], frequency):
        return frequency, f"the longest time that every distance between two dates of {date} is a multiple of"
    return frequency, f"most rows of a series are {step} apart{_odd_rows(table, series, date, frequency)}"


def _divides_all(dates: pd.Series, frequency: Frequency) -> bool:
    moments = np.sort(dates.unique().astype("datetime64[s]").astype("int64"))
    return bool((np.diff(moments) % frequency.count == 0).all())


def _odd_rows(table: pd.DataFrame, series: Sequence[str], date: str, frequency: Frequency) -> str:
    """The rows that lie between the steps of their series, with an example."""
    seconds = table[date].to_numpy().astype("datetime64[s]").astype("int64")
    phase = pd.Series((seconds - seconds.min()) % frequency.count)
    usual = phase.groupby(series_numbers(table, series)).transform(lambda p: p.mode().iloc[0])
    odd = np.flatnonzero((phase != usual).to_numpy())
    if not len(odd):
        return ", though series begin on different days"
    moment = pd.Timestamp(table[date].iloc[odd[0]])
    off = "s" if len(odd) > 1 else ""
    return f", but {len(odd)} row{off} between: {moment.date()}, a {moment.day_name()}, in row {odd[0] + 1}"


@dataclass(frozen=True)
class Gaps:
    """Steps without a row. `n_steps`: from the first date of each series to the last of all; `n_rows`: with a row.

    `on_dates`: of these steps without a row those on dates on which other series have one.
    """

    n_steps: int
    n_rows: int
    on_dates: int


def gaps_of(table: pd.DataFrame, series: Sequence[str], date: str, frequency: Frequency) -> Gaps:
    """Counts the steps without a row."""
    numbers = series_numbers(table, series)
    end = pd.Timestamp(table[date].max())
    ago = frequency.ago(table[date], end)
    n_series = int(numbers.max()) + 1
    first = np.zeros(n_series, dtype="int64")
    np.maximum.at(first, numbers, ago)
    there = np.unique(ago)
    others = int(sum(np.searchsorted(there, f, side="right") for f in first))
    rows = len(np.unique(numbers * (int(ago.max()) + 1) + ago))
    return Gaps(int((first + 1).sum()), rows, others - rows)


def closed_weekdays(table: pd.DataFrame, series: Sequence[str], date: str, frequency: Frequency) -> str:
    """The weekdays on which some series, or all, have no row, though on most others they do; "" for none."""
    if frequency.unit != "s" or frequency.count != 86400:
        return ""
    numbers, days = series_numbers(table, series), table[date].dt.day_of_week.to_numpy()
    counts = np.zeros((int(numbers.max()) + 1, 7), dtype="int64")
    np.add.at(counts, (numbers, days), 1)
    closed = (counts == 0) & (np.sort(counts, axis=1)[:, 3:4] >= 4)
    found = [
        f"{WEEKDAYS[day]} of {int(closed[:, day].sum()):,} of {len(counts):,} series"
        if not closed[:, day].all()
        else WEEKDAYS[day]
        for day in np.flatnonzero(closed.any(axis=0))
    ]
    return ", ".join(found)
