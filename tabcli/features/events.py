"""Time since and until events that are known in advance, and how many of them lie around a day.

    day          1  2  3  4  5  6  7        an event on days 3 and 6, window 3d, cap 60d
    After…      61 61  0  1  2  0  1        whole units since the last event; 61 = there was none yet
    Before…      2  1  0  2  1  0 60        whole units until the next event; 60 also where none is known
    …_bw         0  0  1  1  1  1  1        events within the 3 days that end with this one
    …_fw         1  1  1  1  1  1  0        events within the 3 days that start with this one
    …_last       0  0  0  1  0  0  1        events in a row that ended with the day before, up to the cap
    …_next       0  1  0  0  1  0  0        events in a row that start with the day after, up to the cap

Distances are in calendar time, never in rows, so gaps in a series do no harm. An event calendar keeps the moments
of every event of every series; rows to forecast are laid over it, so that windows reach across the boundary
between the rows that were there at training and the new ones.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, IntArray
from tabcli.config.features import Event
from tabcli.tables.joins import FactorizedTable, Rows
from tabcli.tables.rows import MOMENT_BITS, MOMENT_ZERO, moment_keys, seconds_of


def series_codes(rows: Rows, series: pd.DataFrame) -> tuple[IntArray, pd.DataFrame]:
    """Each row's position in `series` (one row per series, the key columns), which grows by the new ones of `rows`.

    int64 (n,) and the grown table; series that were there keep their positions. Only different keys are compared.
    """
    names = list(series.columns)
    keys, at = FactorizedTable.of(rows).keyed(names)
    both = pd.concat([series.astype(object), keys.astype(object)], ignore_index=True)
    if len(names) == 1:
        places = pd.factorize(both[names[0]])[0].astype("int64")
    else:
        places = both.groupby(names, sort=False, dropna=False).ngroup().to_numpy(dtype="int64")
    kept = np.unique(places, return_index=True)[1]
    codes = places[len(series) :]
    return codes if at is None else codes[at], both.iloc[kept].reset_index(drop=True)


def _order(series: IntArray, seconds: IntArray) -> IntArray:
    """The row numbers by series, then time, int64 (n,). Small numbers are sorted by counting, in linear time."""
    codes, moments = pd.factorize(seconds)
    ranks = np.argsort(np.argsort(moments))[codes]
    keys = [k.astype("uint16") if k.max(initial=0) < 1 << 16 else k for k in (ranks, series)]
    order: IntArray = np.lexsort(keys)
    return order


@dataclass(frozen=True)
class SortedRows:
    """Rows by series and time. `keys`: sorted; `order`: the row numbers in that order; `place`: where each row lies.

    `series`: each row's position among the calendar's series, in the rows' own order. All int64 (n,).
    """

    keys: IntArray
    order: IntArray
    place: IntArray
    series: IntArray

    @classmethod
    def of(cls, series: IntArray, seconds: IntArray) -> "SortedRows":
        """Rows of these series at these moments."""
        order = _order(series, seconds)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return cls(moment_keys(series, seconds)[order], order, place, series)


@dataclass(frozen=True)
class EventCalendar:
    """`series`: the key columns, one row per series. `moments`: per event a sorted int64 array of keys."""

    series: pd.DataFrame
    moments: dict[str, IntArray]

    @classmethod
    def empty(cls, series_cols: Sequence[str], events: Mapping[str, Event]) -> "EventCalendar":
        return cls(pd.DataFrame(columns=list(series_cols)), {name: np.empty(0, dtype="int64") for name in events})

    def overlay(self, rows: Rows, date: str, flags: Mapping[str, BoolArray]) -> tuple["EventCalendar", SortedRows]:
        """The calendar with what `rows` say about their own moments, and the rows by series and time."""
        codes, series = series_codes(rows, self.series)
        laid = SortedRows.of(codes, seconds_of(rows[date]))
        moments = {}
        for name, known in self.moments.items():
            new = laid.keys[flags[name][laid.order]]
            if len(known):
                place = np.minimum(np.searchsorted(laid.keys, known), len(laid.keys) - 1)
                known = known[laid.keys[place] != known]
                new = np.sort(np.concatenate([known, new]), kind="stable")  # two sorted runs are only merged
            moments[name] = new
        return EventCalendar(series, moments), laid

    def of_series(self, rows: Rows) -> "EventCalendar":
        """The part that rows of a few series can see: laying them over it need not look at all others."""
        codes = series_codes(rows, self.series)[0]
        there = np.unique(codes[codes < len(self.series)])
        if 10 * len(there) > len(self.series):
            return self
        edges = np.stack([there, there + 1]) << MOMENT_BITS
        moments = {}
        for name, keys in self.moments.items():
            parts = [keys[a:b] for a, b in np.searchsorted(keys, edges).T]
            moments[name] = np.concatenate(parts) if parts else keys[:0]
        return EventCalendar(self.series, moments)

    def to_tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`series` and the moments as plain columns: event, position in `series`, seconds since 1970."""
        parts = [
            pd.DataFrame(
                {
                    "event": name,
                    "series": keys >> MOMENT_BITS,
                    "seconds": (keys & ((1 << MOMENT_BITS) - 1)) - MOMENT_ZERO,
                }
            )
            for name, keys in self.moments.items()
        ]
        empty = pd.DataFrame({"event": pd.Series(dtype="str"), "series": [], "seconds": []})
        return self.series, pd.concat(parts or [empty], ignore_index=True)

    @classmethod
    def from_tables(cls, series: pd.DataFrame, moments: pd.DataFrame, names: Sequence[str]) -> "EventCalendar":
        """What `to_tables` gave."""
        keys = moment_keys(*(moments[name].to_numpy(dtype="int64") for name in ("series", "seconds")))
        events = moments["event"].to_numpy()
        return cls(series, {name: keys[events == name] for name in names})


def _month_keys(keys: IntArray) -> IntArray:
    """Keys that count months since January 1970 in place of seconds."""
    seconds = (keys & ((1 << MOMENT_BITS) - 1)) - MOMENT_ZERO
    months = seconds.astype("datetime64[s]").astype("datetime64[M]").astype("int64")
    counted: IntArray = moment_keys(keys >> MOMENT_BITS, months)
    return counted


def event_feature_names(name: str) -> list[str]:
    return [f"After{name}", f"Before{name}", f"{name}_bw", f"{name}_fw", f"{name}_last", f"{name}_next"]


def _count(moments: IntArray, keys: IntArray, *, at: bool) -> IntArray:
    """How many moments lie before each key, or `at` it too, int64 (n,); both are sorted.

    Where the keys are many, each moment looks for its key rather than each key for its moment.
    """
    if len(moments) > len(keys):
        return np.searchsorted(moments, keys, side="right" if at else "left")
    first = np.searchsorted(keys, moments, side="left" if at else "right")
    counted: IntArray = np.cumsum(np.bincount(first, minlength=len(keys) + 1)[:-1])
    return counted


def event_features(
    laid: SortedRows, moments: IntArray, event: Event, name: str, wanted: Container[str] | None = None
) -> dict[str, NDArray[np.int32]]:
    """Rows and an event's sorted moments → the six columns (or those of them in `wanted`), int32 (n,)."""
    keys = laid.keys
    unit, cap, window = event.cap.unit_seconds, event.cap.count, event.window.seconds
    if event.cap.unit == "mo":
        keys, moments, unit, window = _month_keys(keys), _month_keys(moments), 1, event.window.count
    padded = np.concatenate([[np.iinfo("int64").min], moments, [np.iinfo("int64").max]])
    until_now = _count(moments, keys, at=True)
    once = bool((np.diff(moments) > 0).all())  # then at most one moment lies at a key
    before_now = until_now - (padded[until_now] == keys) if once else _count(moments, keys, at=False)
    start = keys >> MOMENT_BITS << MOMENT_BITS  # of the row's own series

    def distance(gap: IntArray, other_series: BoolArray) -> NDArray[np.int32]:
        units: NDArray[np.int32] = (np.minimum(gap, cap * unit, out=gap) // unit).astype("int32")
        units[other_series] = cap + 1
        return units

    def since() -> NDArray[np.int32]:
        last = padded[until_now]
        with np.errstate(over="ignore"):  # the padding's distance overflows and is then not used
            return distance(keys - last, last < start)

    def until() -> NDArray[np.int32]:
        following = padded[before_now + 1]
        with np.errstate(over="ignore"):
            found = distance(following - keys, following - start >= 1 << MOMENT_BITS)
        return np.minimum(found, cap)  # none known yet is no news: as if far away

    def run(neighbour: IntArray, edges: IntArray) -> NDArray[np.int32]:
        """The length of the run that holds this moment, 0 where it is no event; `edges`: where each run ends."""
        place = _count(moments, neighbour, at=False)
        hit = padded[place + 1] == neighbour
        index = np.where(hit, place, 0)
        length = np.abs(edges[index] - index) + 1 if len(moments) else index
        return np.where(hit, np.minimum(length, cap), 0).astype("int32")

    # The first and the last moment of the run of neighbouring moments that each one belongs to.
    breaks, numbers = np.diff(padded) != unit, np.arange(len(moments))

    def first() -> IntArray:
        return np.maximum.accumulate(np.where(breaks[:-1], numbers, 0))

    def last() -> IntArray:
        return np.minimum.accumulate(np.where(breaks[1:], numbers, len(moments))[::-1])[::-1]

    columns: list[Callable[[], NDArray[Any]]] = [
        since,
        until,
        lambda: until_now - _count(moments, keys - window, at=True),
        lambda: _count(moments, keys + window, at=False) - before_now,
        lambda: run(keys - unit, first()),
        lambda: run(keys + unit, last()),
    ]
    chosen = zip(event_feature_names(name), columns, strict=True)
    return {c: make().astype("int32")[laid.place] for c, make in chosen if wanted is None or c in wanted}
