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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.config import Event
from tabcli.tables import BoolArray, IntArray, seconds_of

# A moment of a series as one sortable integer: series code · 2^36 + seconds since 1970 + 2^35 (room for ±1000 years).
_BITS = 36
_ZERO = 1 << 35


def series_codes(rows: pd.DataFrame, series: pd.DataFrame) -> tuple[IntArray, pd.DataFrame]:
    """Each row's position in `series` (one row per series, the key columns), which grows by the new ones of `rows`.

    int64 (n,) and the grown table; series that were there keep their positions.
    """
    names = list(series.columns)
    both = pd.concat([series.astype(object), rows[names].astype(object)], ignore_index=True)
    if len(names) == 1:
        codes = pd.factorize(both[names[0]])[0].astype("int64")
    else:
        codes = both.groupby(names, sort=False, dropna=False).ngroup().to_numpy(dtype="int64")
    first = np.unique(codes, return_index=True)[1]
    return codes[len(series) :], both.iloc[first].reset_index(drop=True)


@dataclass(frozen=True)
class EventCalendar:
    """`series`: the key columns, one row per series. `moments`: per event a sorted int64 array of keys."""

    series: pd.DataFrame
    moments: dict[str, IntArray]

    @classmethod
    def empty(cls, series_cols: Sequence[str], events: Mapping[str, Event]) -> "EventCalendar":
        return cls(pd.DataFrame(columns=list(series_cols)), {name: np.empty(0, dtype="int64") for name in events})

    def overlay(
        self, rows: pd.DataFrame, date: str, flags: Mapping[str, BoolArray]
    ) -> tuple["EventCalendar", IntArray]:
        """The calendar with what `rows` say about their own moments, and the rows' keys, int64 (n,)."""
        codes, series = series_codes(rows, self.series)
        keys = (codes << _BITS) + seconds_of(rows[date]) + _ZERO
        told = np.sort(keys)
        moments = {}
        for name, known in self.moments.items():
            if len(known):
                place = np.minimum(np.searchsorted(told, known), len(told) - 1)
                known = known[told[place] != known]
            moments[name] = np.sort(np.concatenate([known, keys[flags[name]]]))
        return EventCalendar(series, moments), keys

    def to_tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`series` and the moments as plain columns: event, position in `series`, seconds since 1970."""
        parts = [
            pd.DataFrame({"event": name, "series": keys >> _BITS, "seconds": (keys & ((1 << _BITS) - 1)) - _ZERO})
            for name, keys in self.moments.items()
        ]
        empty = pd.DataFrame({"event": pd.Series(dtype="str"), "series": [], "seconds": []})
        return self.series, pd.concat(parts or [empty], ignore_index=True)

    @classmethod
    def from_tables(cls, series: pd.DataFrame, moments: pd.DataFrame, names: Sequence[str]) -> "EventCalendar":
        """What `to_tables` gave."""
        keys = (moments["series"].to_numpy(dtype="int64") << _BITS) + moments["seconds"].to_numpy(dtype="int64") + _ZERO
        events = moments["event"].to_numpy()
        return cls(series, {name: keys[events == name] for name in names})


def _month_keys(keys: IntArray) -> IntArray:
    """Keys that count months since January 1970 in place of seconds."""
    seconds = (keys & ((1 << _BITS) - 1)) - _ZERO
    months = seconds.astype("datetime64[s]").astype("datetime64[M]").astype("int64")
    counted: IntArray = ((keys >> _BITS) << _BITS) + months + _ZERO
    return counted


def event_feature_names(name: str) -> list[str]:
    return [f"After{name}", f"Before{name}", f"{name}_bw", f"{name}_fw", f"{name}_last", f"{name}_next"]


def event_features(keys: IntArray, moments: IntArray, event: Event, name: str) -> dict[str, NDArray[np.int32]]:
    """Row keys (n,) and an event's sorted moments → the six columns, int32 (n,); one binary search each."""
    unit, cap, window = event.cap.unit_seconds, event.cap.count, event.window.seconds
    if event.cap.unit == "mo":
        keys, moments, unit, window = _month_keys(keys), _month_keys(moments), 1, event.window.count
    padded = np.concatenate([[np.iinfo("int64").min], moments, [np.iinfo("int64").max]])
    until_now = np.searchsorted(moments, keys, side="right")
    before_now = np.searchsorted(moments, keys, side="left")
    last, following = padded[until_now], padded[before_now + 1]

    def distance(gap: IntArray, other: IntArray) -> NDArray[np.int32]:
        capped = np.minimum(gap // unit, cap)
        return np.where(other >> _BITS == keys >> _BITS, capped, cap + 1).astype("int32")

    with np.errstate(over="ignore"):  # the padding's distance overflows and is then not used
        since, until = keys - last, following - keys
    # The first and the last moment of the run of neighbouring moments that each one belongs to.
    breaks = np.diff(padded) != unit
    starts = np.maximum.accumulate(np.where(breaks[:-1], np.arange(len(moments)), 0))
    ends = np.minimum.accumulate(np.where(breaks[1:], np.arange(len(moments)), len(moments))[::-1])[::-1]

    def run(neighbour: IntArray, edge: IntArray) -> NDArray[np.int32]:
        """The length of the run that holds this moment, 0 where it is no event."""
        place = np.searchsorted(moments, neighbour)
        hit = padded[place + 1] == neighbour
        index = np.where(hit, place, 0)
        length = np.abs(edge[index] - index) + 1 if len(moments) else index
        return np.where(hit, np.minimum(length, cap), 0).astype("int32")

    return {
        f"After{name}": distance(since, last),
        f"Before{name}": np.minimum(distance(until, following), cap),  # none known yet is no news: as if far away
        f"{name}_bw": (until_now - np.searchsorted(moments, keys - window, side="right")).astype("int32"),
        f"{name}_fw": (np.searchsorted(moments, keys + window, side="left") - before_now).astype("int32"),
        f"{name}_last": run(keys - unit, starts),
        f"{name}_next": run(keys + unit, ends),
    }
