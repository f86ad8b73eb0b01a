"""What the past rows show of time, and what they do not: gaps, months, weekdays, occasions of events."""

from collections.abc import Sequence
from dataclasses import dataclass

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


Gap = tuple[int, pd.Timestamp, str, pd.Timestamp]
"""How many steps a series lacks in a row, the last date before them, the series in words, and the first date after."""


@dataclass(frozen=True)
class Looked:
    """What the train rows of some series show of time. See `Seen` for the counts.

    `longest`: the longest gap; of several the first, and of these the one whose series comes first by name. `dates`: of
    rows with a target, each once. `events`: event → the days of its moments in the past. `values`: column that is known
    in advance → its values and the days of each in the past; None where there are too many.
    """

    gappy: int
    missing: int
    longest: Gap | None
    new: int
    short: int
    ended: int
    dates: pd.DatetimeIndex
    events: dict[str, IntArray]
    values: dict[str, "tuple[pd.Series, list[IntArray]] | None"]

    @classmethod
    def of(cls, source: JoinedData) -> "Looked":
        """Of joined tables."""
        n, series, plan = len(source.kept), source.features.series, source.plan
        dates, frequency = source.rows[source.config.date], source.frequency
        steps = frequency.steps(dates, plan.start)
        past = (dates <= source.split.valid_end).to_numpy()
        gappy, missing, longest = _gaps(source, series[:n][past], steps[past], dates[past])
        n_series = len(source.features.calendar.series)
        learned = _spans(series[:n][source.kept], steps[source.kept], n_series)
        last_rows = _spans(series[:n][past], steps[past], n_series)[:, 1]
        ahead = np.bincount(series[n:], minlength=n_series) > 0
        known = learned[:, 1] >= 0
        days = seconds_of(dates) // DAY
        last = int(seconds_of(plan.dates[plan.dates <= source.split.valid_end]).max() // DAY)
        return cls(
            gappy,
            missing,
            longest,
            new=int((ahead & ~known).sum()),
            short=int((known & (learned[:, 1] - learned[:, 0] + 1 < season_steps(frequency))).sum()),
            ended=int(((last_rows >= 0) & (last_rows <= plan.n_past - source.horizon)).sum()),
            dates=pd.DatetimeIndex(dates[source.kept].unique()),
            events=_event_days(source, last),
            values=_value_days(source, days[past], past),
        )


def seen_by(parts: Sequence[Looked]) -> Seen:
    """What all rows show of time."""
    dates = pd.DatetimeIndex(np.concatenate([part.dates.to_numpy() for part in parts]))
    gaps = [part.longest for part in parts if part.longest is not None]
    longest = min(gaps, key=lambda gap: (-gap[0], *gap[1:]), default=None)
    found = {}
    for name in parts[0].events:
        found[f"event {name}"] = occasions(np.unique(np.concatenate([part.events[name] for part in parts])))
    for name in parts[0].values:
        found |= _occasions_of_values(name, [part.values[name] for part in parts])
    return Seen(
        gappy=sum(part.gappy for part in parts),
        missing=sum(part.missing for part in parts),
        longest=_gap_text(longest) if longest is not None else "",
        new=sum(part.new for part in parts),
        short=sum(part.short for part in parts),
        ended=sum(part.ended for part in parts),
        months=tuple(int(m) for m in np.unique(dates.month)),
        weekdays=tuple(int(d) for d in np.unique(dates.day_of_week)),
        occasions=found,
    )


def _spans(series: IntArray, steps: IntArray, n_series: int) -> IntArray:
    """The first and the last step of each series, int64 (n_series, 2); the last is −1 where it has no row."""
    spans = np.full((n_series, 2), -1, dtype="int64")
    spans[:, 0] = np.iinfo("int64").max
    np.minimum.at(spans[:, 0], series, steps)
    np.maximum.at(spans[:, 1], series, steps)
    return spans


def _gaps(source: JoinedData, series: IntArray, steps: IntArray, dates: pd.Series) -> tuple[int, int, Gap | None]:
    """How many series lack steps, how many steps that is, and the longest gap."""
    width = int(steps.max(initial=0)) + 2
    order = np.argsort(series * width + steps, kind="stable")
    between = np.where(np.diff(series[order]) == 0, np.diff(steps[order]) - 1, 0)
    holes = np.maximum(between, 0)
    if not holes.any():
        return 0, 0, None
    before, after = dates.to_numpy()[order][:-1], dates.to_numpy()[order][1:]
    longest = np.flatnonzero(holes == holes.max())
    longest = longest[before[longest] == before[longest].min()]
    keys, frequency = source.features.calendar.series, source.frequency
    names = {" · ".join(map(str, keys.iloc[int(series[order[at]])])): at for at in longest.tolist()}
    at = names[min(names)]
    first, last = frequency.after(pd.Timestamp(before[at]), 1), frequency.after(pd.Timestamp(after[at]), -1)
    n_gappy = len(np.unique(series[order][:-1][holes > 0]))
    return n_gappy, int(holes.sum()), (int(holes[at]), first, min(names), last)


def _gap_text(gap: Gap) -> str:
    n_steps, first, name, last = gap
    return f"{n_steps} steps of series {name}, {first.date()} … {last.date()}"


def _event_days(source: JoinedData, last: int) -> dict[str, IntArray]:
    """Each event → the days of its moments up to the day `last`, since 1970, rising, int64."""
    found = {}
    for name, keys in source.features.calendar.moments.items():
        on = np.unique(((keys & ((1 << MOMENT_BITS) - 1)) - MOMENT_ZERO) // DAY)
        found[name] = on[on <= last]
    return found


def _value_days(
    source: JoinedData, days: IntArray, past: BoolArray
) -> dict[str, tuple[pd.Series, list[IntArray]] | None]:
    """Each column known in advance → its values, sorted, and the days of each, rising; None where there are too many.

    `days`: of the rows in the past.
    """
    found: dict[str, tuple[pd.Series, list[IntArray]] | None] = {}
    rows, first = source.rows, int(days.min(initial=0))
    for name in source.config.availability.known_in_advance:
        if name not in rows.columns or rows.kind(name) == "date":
            continue
        column = rows[name]
        if rows.kind(name) == "text":
            codes, values = column.cat.codes.to_numpy(), column.cat.categories.to_numpy(dtype=object)
        else:
            codes, values = pd.factorize(column.to_numpy(), sort=True)
        if len(values) > FEW_VALUES:
            found[name] = None
            continue
        seen = np.zeros((len(values) + 1, int(days.max(initial=0)) - first + 1), dtype=bool)  # the last: missing values
        seen[codes[past], days - first] = True
        found[name] = pd.Series(values), [np.flatnonzero(on) + first for on in seen[:-1]]
    return found


def _occasions_of_values(name: str, parts: Sequence[tuple[pd.Series, list[IntArray]] | None]) -> dict[str, int]:
    """Each value of a column with few values → on how many occasions it was seen."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return {}
    values = pd.Series(np.concatenate([values.to_numpy() for values, _ in known]))
    codes, different = pd.factorize(values, sort=True)
    if not 2 <= len(different) <= FEW_VALUES:
        return {}
    days = [on for _, each in known for on in each]
    texts = as_text(pd.Series(different))
    return {
        f"{name} = {text}": occasions(np.unique(np.concatenate([days[i] for i in np.flatnonzero(codes == k)])))
        for k, text in enumerate(texts)
    }


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
