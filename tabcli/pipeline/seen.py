"""What the past rows show of time, and what they do not: gaps, months, weekdays, occasions of events."""

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.summary import Seen
from tabcli.config.card import FEW_VALUES
from tabcli.features.frequency import DAY, season_steps
from tabcli.pipeline.joined import JoinedData
from tabcli.tables.kinds import as_text
from tabcli.tables.rows import MOMENT_BITS, MOMENT_ZERO, seconds_of

STRETCH = 7
"""Days of an event that lie less than so many days after its first one are one occasion."""


def look_at_time(source: JoinedData) -> Seen:
    """What the train rows of joined tables show of time."""
    n, series = len(source.kept), source.features.series
    dates, frequency = source.rows[source.config.date], source.frequency
    steps = frequency.steps(dates, int(pd.Timestamp(dates.min()).timestamp()))
    past = (dates <= source.split.valid_end).to_numpy()
    gappy, missing, longest = _gaps(source, series[:n][past], steps[past], dates[past])
    n_series = len(source.features.calendar.series)
    learned = _spans(series[:n][source.kept], steps[source.kept], n_series)
    last_rows = _spans(series[:n][past], steps[past], n_series)[:, 1]
    ahead = np.bincount(series[n:], minlength=n_series) > 0
    known = learned[:, 1] >= 0
    own = pd.DatetimeIndex(dates[source.kept].unique())
    return Seen(
        gappy,
        missing,
        longest,
        new=int((ahead & ~known).sum()),
        short=int((known & (learned[:, 1] - learned[:, 0] + 1 < season_steps(frequency))).sum()),
        ended=int(((last_rows >= 0) & (last_rows <= steps[past].max(initial=0) - source.horizon)).sum()),
        months=tuple(int(m) for m in np.unique(own.month)),
        weekdays=tuple(int(d) for d in np.unique(own.day_of_week)),
        occasions=_occasions(source, seconds_of(dates) // DAY, past),
    )


def _spans(series: IntArray, steps: IntArray, n_series: int) -> IntArray:
    """The first and the last step of each series, int64 (n_series, 2); the last is −1 where it has no row."""
    spans = np.full((n_series, 2), -1, dtype="int64")
    spans[:, 0] = np.iinfo("int64").max
    np.minimum.at(spans[:, 0], series, steps)
    np.maximum.at(spans[:, 1], series, steps)
    return spans


def _gaps(source: JoinedData, series: IntArray, steps: IntArray, dates: pd.Series) -> tuple[int, int, str]:
    """How many series lack steps, how many steps that is, and the longest gap in words."""
    width = int(steps.max(initial=0)) + 2
    order = np.argsort(series * width + steps, kind="stable")
    between = np.where(np.diff(series[order]) == 0, np.diff(steps[order]) - 1, 0)
    holes = np.maximum(between, 0)
    if not holes.any():
        return 0, 0, ""
    at = int(holes.argmax())
    before, after = (pd.Timestamp(dates.iloc[order[k]]) for k in (at, at + 1))
    key = source.features.calendar.series.iloc[int(series[order[at]])]
    first, last = source.frequency.after(before, 1), source.frequency.after(after, -1)
    name = " · ".join(map(str, key))
    longest = f"{int(holes[at])} steps of series {name}, {first.date()} … {last.date()}"
    return len(np.unique(series[order][:-1][holes > 0])), int(holes.sum()), longest


def _occasions(source: JoinedData, days: IntArray, past: BoolArray) -> dict[str, int]:
    """Each event, and each value of a column known in advance with few values → on how many occasions it was seen."""
    found, last = {}, int(days[past].max(initial=0))
    for name, keys in source.features.calendar.moments.items():
        on = np.unique(((keys & ((1 << MOMENT_BITS) - 1)) - MOMENT_ZERO) // DAY)
        found[f"event {name}"] = occasions(on[on <= last])
    rows = source.rows
    for name in source.config.availability.known_in_advance:
        if name not in rows.columns or rows.kind(name) == "date":
            continue
        column, start = rows[name], int(days[past].min())
        if rows.kind(name) == "text":
            codes, values = column.cat.codes.to_numpy(), column.cat.categories
        else:
            codes, values = pd.factorize(column, sort=True)
        if 2 <= len(values) <= FEW_VALUES:
            seen = np.zeros((len(values) + 1, last - start + 1), dtype=bool)  # the last for missing values
            seen[codes[past], days[past] - start] = True
            texts = as_text(pd.Series(values))
            found |= {f"{name} = {text}": occasions(np.flatnonzero(seen[k])) for k, text in enumerate(texts)}
    return found


def occasions(days: IntArray) -> int:
    """How many stretches of at most `STRETCH` days hold all the days, which rise.

    >>> occasions(np.array([0, 1, 6, 7, 365]))
    3
    """
    count, end = 0, None
    for day in days.tolist():
        if end is None or day >= end:
            count, end = count + 1, day + STRETCH
    return count
