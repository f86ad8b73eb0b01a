"""Time since and until events that are known in advance, and how many of them lie around a day.

    day          1  2  3  4  5  6  7        an event on days 3 and 6, window 3d, cap 60d; the calendar is known to day 7
    After…      61 61  0  1  2  0  1        whole units since the last event; 61 = there was none yet
    Before…      2  1  0  2  1  0  ?        whole units until the next event, at most the cap; ? = not known
    …_bw         0  0  1  1  1  1  1        events within the 3 days that end with this one
    …_fw         1  1  1  1  1  1  0        known events within the 3 days that start with this one
    …_last       0  0  0  1  0  0  1        events in a row that ended with the day before, up to the cap
    …_next       0  1  0  0  1  0  0        known events in a row that start with the day after, up to the cap

Distances are in calendar time, never in rows, so gaps in a series do no harm. An event calendar keeps the moments
of every event of every series; rows to forecast are added to it, so that windows reach across the boundary
between the training rows and the new rows.

No row sees further ahead than the calendar is known: a forecaster who stands at the cutoff and knows `horizon` steps
sees, from a row h steps after the cutoff, just horizon − h steps ahead. `Outlook` therefore takes for every row how
many steps of known calendar lie behind it. What lies beyond is not known, which is neither *never* nor *far away*.

Series and moment are packed into one int64 key, `tables.rows.moment_keys`, so that sorted keys can be searched.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, BoolArray, IntArray
from tabcli.config.features import Event
from tabcli.features.frequency import DAY, Frequency
from tabcli.tables.joins import FactorizedTable, Rows
from tabcli.tables.rows import MOMENT_BITS, MOMENT_ZERO, moment_keys, seconds_of


def series_codes(rows: Rows, series: pd.DataFrame) -> tuple[IntArray, pd.DataFrame]:
    """Each row's position in `series`, int64 (n,), and that table with the series appended that only `rows` have.

    `series`: the key columns, one row per series; its rows keep their positions. They tell series apart; the codes that
    networks get are those of `preprocessing.categorical`.
    """
    names = list(series.columns)
    keys, at = FactorizedTable.of(rows).factorize(names)
    both = pd.concat([series.astype(object), keys.astype(object)], ignore_index=True)
    if len(names) == 1:
        places = pd.factorize(both[names[0]])[0].astype("int64")
    else:
        places = both.groupby(names, sort=False, dropna=False).ngroup().to_numpy(dtype="int64")
    kept = np.unique(places, return_index=True)[1]
    codes = places[len(series) :]
    return codes if at is None else codes[at], both.iloc[kept].reset_index(drop=True)


def _order(series: IntArray, seconds: IntArray) -> IntArray:
    """The row numbers ordered by series, then time, int64 (n,). Ranks below 65,536 are sorted in linear time."""
    codes, moments = pd.factorize(seconds)
    ranks = np.argsort(np.argsort(moments))[codes]
    keys = [k.astype("uint16") if k.max(initial=0) < 1 << 16 else k for k in (ranks, series)]
    order: IntArray = np.lexsort(keys)
    return order


@dataclass(frozen=True)
class SortedRows:
    """Rows ordered by series and time; all int64 (n,).

    `keys`: the rows' `moment_keys`, sorted. `order`: the row numbers in that order. `place`: where each row lies in it.
    `series`: each row's position among the calendar's series, in the rows' own order.
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
    """`series`: the key columns, one row per series. `moments`: event → its `moment_keys`, sorted int64."""

    series: pd.DataFrame
    moments: dict[str, IntArray]

    @classmethod
    def empty(cls, series_cols: Sequence[str], events: Mapping[str, Event]) -> "EventCalendar":
        """A calendar of these events without any series."""
        return cls(pd.DataFrame(columns=list(series_cols)), {name: np.empty(0, dtype="int64") for name in events})

    def with_rows(self, rows: Rows, date: str, flags: Mapping[str, BoolArray]) -> tuple["EventCalendar", SortedRows]:
        """The calendar with the events of `rows`, and the rows by series and time.

        `flags`: event → whether it takes place in each row, bool (n,). Where the calendar has a row's moment already,
        the row decides.
        """
        codes, series = series_codes(rows, self.series)
        ordered = SortedRows.of(codes, seconds_of(rows[date]))
        moments = {}
        for name, known in self.moments.items():
            new = ordered.keys[flags[name][ordered.order]]
            if len(known):
                place = np.minimum(np.searchsorted(ordered.keys, known), len(ordered.keys) - 1)
                known = known[ordered.keys[place] != known]
                new = np.sort(np.concatenate([known, new]), kind="stable")  # two sorted runs are only merged
            moments[name] = new
        return EventCalendar(series, moments), ordered

    def of_series(self, rows: Rows) -> "EventCalendar":
        """The calendar with the moments of the rows' series only, if they are few: adding rows to it is faster."""
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
        """The table `series`, and the moments as a table: event, position in `series`, seconds since 1970."""
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
        """The calendar of `to_tables`; `names`: its events."""
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
    """The six columns of an event, in order."""
    return [f"After{name}", f"Before{name}", f"{name}_bw", f"{name}_fw", f"{name}_last", f"{name}_next"]


def _count(moments: IntArray, keys: IntArray, *, at: bool) -> IntArray:
    """How many moments lie before each key, with `at` also those at the key, int64 (n,). Both are sorted.

    The shorter of the two arrays is searched for in the longer one.
    """
    if len(moments) > len(keys):
        return np.searchsorted(moments, keys, side="right" if at else "left")
    first = np.searchsorted(keys, moments, side="left" if at else "right")
    counted: IntArray = np.cumsum(np.bincount(first, minlength=len(keys) + 1)[:-1])
    return counted


NEVER = np.int32(2**31 - 1)
"""More steps than any calendar has."""


def forward_names(name: str) -> list[str]:
    """The columns of an event that look ahead."""
    return [f"Before{name}", f"{name}_fw", f"{name}_next"]


@dataclass(frozen=True)
class _Line:
    """n sorted rows beside the moments of one event, both as keys in the event's own unit.

    `before`, `until_now`: how many moments lie before each row, without and with the row's own. `padded`: the moments,
    and one before and after that no row reaches, int64 (n_moments + 2,). `start`: the first key of the row's series.
    `unit`, `window`, `cap`: a unit and the window as differences of keys, the cap in units. All others int64 (n,).
    """

    keys: IntArray
    padded: IntArray
    before: IntArray
    until_now: IntArray
    start: IntArray
    unit: int
    window: int
    cap: int

    @classmethod
    def of(cls, ordered: SortedRows, moments: IntArray, event: Event) -> "_Line":
        until_now = _count(moments, ordered.keys, at=True)
        alone = bool((np.diff(moments) > 0).all())  # then at most one moment lies at a key
        at_row = np.append(np.iinfo("int64").min, moments)[until_now] == ordered.keys
        before = until_now - at_row if alone else _count(moments, ordered.keys, at=False)
        keys, unit, window = ordered.keys, event.cap.unit_seconds, event.window.seconds
        if event.cap.unit == "mo":  # which moments lie before a row is still told by the day
            keys, moments, unit, window = _month_keys(keys), _month_keys(moments), 1, event.window.count
        padded = np.concatenate([[np.iinfo("int64").min], moments, [np.iinfo("int64").max]])
        start = keys >> MOMENT_BITS << MOMENT_BITS
        return cls(keys, padded, before, until_now, start, unit, window, event.cap.count)

    @property
    def moments(self) -> IntArray:
        return self.padded[1:-1]

    def units(self, gap: IntArray, other_series: BoolArray, none: int) -> NDArray[np.int32]:
        """Gaps between keys → whole units, at most the cap, int32 (n,); `none` for a moment of another series."""
        units: NDArray[np.int32] = (np.minimum(gap, self.cap * self.unit, out=gap) // self.unit).astype("int32")
        units[other_series] = none
        return units

    def run(self, neighbour: IntArray, edges: IntArray) -> tuple[NDArray[np.int32], IntArray]:
        """The length of the run of events at each key `neighbour`, 0 if there is none, and the moment's number, (n,).

        `edges`: for each moment, the moment at which its run ends.
        """
        place = _count(self.moments, neighbour, at=False)
        hit = self.padded[place + 1] == neighbour
        index = np.where(hit, place, 0)
        length = np.abs(edges[index] - index) + 1 if len(edges) else index
        return np.where(hit, np.minimum(length, self.cap), 0).astype("int32"), index

    def edges(self, *, last: bool) -> IntArray:
        """The first, or the last, moment of the run of neighbouring moments that each one belongs to."""
        breaks, numbers = np.diff(self.padded) != self.unit, np.arange(len(self.moments))
        if last:
            return np.minimum.accumulate(np.where(breaks[1:], numbers, len(numbers))[::-1])[::-1]
        return np.maximum.accumulate(np.where(breaks[:-1], numbers, 0))

    def since(self) -> NDArray[np.int32]:
        """Whole units since the last event, cap + 1 where there was none, int32 (n,)."""
        last = self.padded[self.until_now]
        with np.errstate(over="ignore"):  # the padding's distance overflows and is then not used
            return self.units(self.keys - last, last < self.start, self.cap + 1)


def backward_features(
    ordered: SortedRows, moments: IntArray, event: Event, name: str, wanted: Container[str] | None = None
) -> dict[str, NDArray[np.int32]]:
    """Rows and an event's sorted moments → the columns that look back (or those in `wanted`), int32 (n,)."""
    line = _Line.of(ordered, moments, event)
    columns: dict[str, Callable[[], AnyArray]] = {
        f"After{name}": line.since,
        f"{name}_bw": lambda: line.until_now - _count(line.moments, line.keys - line.window, at=True),
        f"{name}_last": lambda: line.run(line.keys - line.unit, line.edges(last=False))[0],
    }
    return {c: make().astype("int32")[ordered.place] for c, make in columns.items() if wanted is None or c in wanted}


@dataclass(frozen=True)
class _Ahead:
    """One forward-looking column of n rows.

    `value`: what is seen with at least `needs` steps of known calendar behind the row, int32 (n,) each. With fewer
    steps the value is not known if `first` is None; else it is how many moments from number `first` on are known.
    """

    value: NDArray[np.int32]
    needs: NDArray[np.int32]
    first: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Outlook:
    """What rows see of one event ahead of them, however many steps of known calendar are left behind each.

    `keys`: the rows, int64 (n,); `moments`: the event's, sorted; both as `moment_keys` of series and seconds.
    """

    keys: IntArray
    moments: IntArray
    frequency: Frequency
    ahead: dict[str, _Ahead]

    @classmethod
    def of(
        cls,
        ordered: SortedRows,
        moments: IntArray,
        event: Event,
        name: str,
        frequency: Frequency,
        wanted: Container[str] | None = None,
    ) -> "Outlook":
        """What rows see of an event's sorted moments: of `Before…`, `…_fw` and `…_next` the columns in `wanted`."""
        line, ahead = _Line.of(ordered, moments, event), {}
        chosen = [c for c in forward_names(name) if wanted is None or c in wanted]
        padded = np.append(moments, np.iinfo("int64").max)

        def needs(index: IntArray, some: BoolArray) -> NDArray[np.int32]:
            """How many steps ahead of its row a moment lies, 0 where there is none."""
            return np.where(some, frequency.steps_between(ordered.keys, padded[index]), 0).astype("int32")

        if f"Before{name}" in chosen:
            following = line.padded[line.before + 1]
            with np.errstate(over="ignore"):
                foreign = following - line.start >= 1 << MOMENT_BITS
                units = line.units(following - line.keys, foreign, line.cap)
            near = ~foreign & (units < line.cap)
            far = _steps_of_cap(event, frequency)
            steps = np.where(near, np.minimum(needs(line.before, near), NEVER), far).astype("int32")
            ahead[f"Before{name}"] = _Ahead(np.minimum(units, line.cap), steps)
        if f"{name}_fw" in chosen:
            stop = _count(line.moments, line.keys + line.window, at=False)
            count = stop - line.before
            steps = needs(np.maximum(stop - 1, 0), count > 0)
            ahead[f"{name}_fw"] = _Ahead(count.astype("int32"), steps, line.before.astype("int32"))
        if f"{name}_next" in chosen:
            length, first = line.run(line.keys + line.unit, line.edges(last=True))
            steps = needs(np.maximum(first + length - 1, 0), length > 0)
            ahead[f"{name}_next"] = _Ahead(length, steps, first.astype("int32"))
        place = ordered.place
        rows = {
            c: _Ahead(a.value[place], a.needs[place], None if a.first is None else a.first[place])
            for c, a in ahead.items()
        }
        return cls(ordered.keys[place], moments, frequency, rows)

    def column(self, name: str, steps_left: IntArray, rows: IntArray | None = None) -> NDArray[np.int32]:
        """One column of `rows` (by default all), int32 (n,), −1: not known; `steps_left`: of known calendar, (n,)."""
        ahead = self.ahead[name]
        chosen = np.arange(len(self.keys)) if rows is None else rows
        value = ahead.value[chosen]
        at = np.flatnonzero(ahead.needs[chosen] > steps_left)
        value[at] = self.cut_short(name, chosen[at], steps_left[at])
        return value

    def cut_short(self, name: str, rows: IntArray, steps_left: IntArray) -> NDArray[np.int32]:
        """What is seen in a column of rows that need more steps than are left, int32 (n,), −1: not known."""
        first = self.ahead[name].first
        if first is None:
            return np.full(len(rows), -1, dtype="int32")
        last = self.frequency.key_after(self.keys[rows], steps_left)
        seen: NDArray[np.int32] = (np.searchsorted(self.moments, last, side="right") - first[rows]).astype("int32")
        return np.maximum(seen, np.int32(0), out=seen)


def _steps_of_cap(event: Event, frequency: Frequency) -> int:
    """How many steps of known calendar it takes to know that no event is nearer than the cap."""
    seconds = event.cap.count * (31 * DAY if event.cap.unit == "mo" else event.cap.unit_seconds)
    if frequency.unit == "mo":
        months = event.cap.count if event.cap.unit == "mo" else -(-seconds // (28 * DAY))
        return -(-months // frequency.count)
    return -(-seconds // frequency.count)


def event_features(
    ordered: SortedRows,
    moments: IntArray,
    event: Event,
    name: str,
    frequency: Frequency,
    steps_left: IntArray,
    wanted: Container[str] | None = None,
) -> dict[str, NDArray[np.int32] | NDArray[np.float32]]:
    """Rows and an event's sorted moments → the six columns (or those of them in `wanted`), (n,) each.

    `steps_left`: how many steps of known calendar lie behind each row, int64 (n,). Columns that look back are int32;
    columns that look ahead float32, NaN where they are not known.
    """
    outlook = Outlook.of(ordered, moments, event, name, frequency, wanted)
    forward = {c: outlook.column(c, steps_left) for c in outlook.ahead}
    known = {c: np.where(v < 0, np.float32(np.nan), v.astype("float32")) for c, v in forward.items()}
    made = {**backward_features(ordered, moments, event, name, wanted), **known}
    return {c: made[c] for c in event_feature_names(name) if c in made}
