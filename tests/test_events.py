"""Event features against a naive double loop over calendar time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabcli.config.features import Event
from tabcli.config.values import Duration
from tabcli.features.events import EventCalendar, Outlook, event_feature_names, event_features, series_codes
from tabcli.features.frequency import Frequency

DAY = 86_400
DAILY = Frequency(DAY, "s")
FAR = 10_000


def naive(
    rows: list[tuple[str, int]], events: set[tuple[str, int]], window: int, cap: int, left: list[int]
) -> list[list[float]]:
    """Per row: days since and until (cap + 1 for never, NaN for not known), events in the windows that end and that
    start with the day, and in the runs beside it; who has `left` days of known calendar sees no later event.
    """
    result: list[list[float]] = []
    for (series, day), ahead in zip(rows, left, strict=True):
        days = [d for s, d in events if s == series and d <= day + ahead]
        since = [day - d for d in days if d <= day]
        until = [d - day for d in days if d >= day]
        result.append(
            [
                min(*since, cap) if since else cap + 1,
                min(*until, cap) if until else (cap if ahead >= cap else float("nan")),
                sum(day - window < d <= day for d in days),
                sum(day <= d < day + window for d in days),
                min(cap, next(k for k in range(100) if day - 1 - k not in days)),
                min(cap, next(k for k in range(100) if day + 1 + k not in days)),
            ]
        )
    return result


def frame(rows: list[tuple[str, int]]) -> pd.DataFrame:
    days = np.array([d for _, d in rows], dtype="int64") * DAY
    return pd.DataFrame({"shop": [s for s, _ in rows], "day": days.astype("datetime64[s]").astype("datetime64[us]")})


def with_rows(
    calendar: EventCalendar, rows: list[tuple[str, int]], on: set[tuple[str, int]]
) -> tuple[EventCalendar, Any]:
    return calendar.with_rows(frame(rows), "day", {"E": np.array([r in on for r in rows])})


series_days = st.sets(st.tuples(st.sampled_from("abc"), st.integers(15_000, 15_060)), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(
    known=series_days,
    new=series_days,
    data=st.data(),
    window=st.integers(1, 12),
    cap=st.integers(1, 40),
)
def test_features_equal_the_naive_loop_across_the_boundary(
    known: set[tuple[str, int]], new: set[tuple[str, int]], data: st.DataObject, window: int, cap: int
) -> None:
    """Rows known before, and new ones; what the new rows say about their own days replaces what was known."""
    old_rows, new_rows = sorted(known), data.draw(st.permutations(sorted(new)))
    old_events = data.draw(st.sets(st.sampled_from(old_rows)))
    new_events = data.draw(st.sets(st.sampled_from(new_rows)))
    event = Event(where={"x": 1}, window=Duration(window, "d"), cap=Duration(cap, "d"))
    calendar, _ = with_rows(EventCalendar.empty(["shop"], {"E": event}), old_rows, old_events)
    calendar = EventCalendar.from_tables(*calendar.to_tables(), ["E"])
    calendar, keys = with_rows(calendar, new_rows, new_events)
    left = data.draw(st.lists(st.integers(0, 60), min_size=len(new_rows), max_size=len(new_rows)))
    made = event_features(keys, calendar.moments["E"], event, "E", DAILY, np.array(left))
    expected = naive(new_rows, (old_events - new) | new_events, window, cap, left)
    np.testing.assert_array_equal(np.column_stack(list(made.values())), np.array(expected))
    assert list(made) == event_feature_names("E") == ["AfterE", "BeforeE", "E_bw", "E_fw", "E_last", "E_next"]


def test_the_drawn_example_of_the_docstring() -> None:
    event = Event(where={"x": 1}, window="3d", cap="60d")  # type: ignore[arg-type]
    rows = [("a", d) for d in range(1, 8)]
    calendar, keys = with_rows(EventCalendar.empty(["shop"], {"E": event}), rows, {("a", 3), ("a", 6)})
    made = event_features(keys, calendar.moments["E"], event, "E", DAILY, 7 - np.arange(1, 8))
    assert made["AfterE"].tolist() == [61, 61, 0, 1, 2, 0, 1]
    np.testing.assert_array_equal(made["BeforeE"], [2, 1, 0, 2, 1, 0, np.nan])
    assert made["E_last"].tolist() == [0, 0, 0, 1, 0, 0, 1]
    assert made["E_next"].tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert made["E_bw"].tolist() == [0, 0, 1, 1, 1, 1, 1]
    assert made["E_fw"].tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_a_gap_in_the_rows_is_not_skipped_over() -> None:
    """fastai's seven rows reached over a gap of half a year; seven days do not."""
    event = Event(where={"x": 1})
    rows = [("a", 1), ("a", 2), ("a", 3), ("a", 190)]
    calendar, keys = with_rows(EventCalendar.empty(["shop"], {"E": event}), rows, {("a", 1), ("a", 2), ("a", 3)})
    made = event_features(keys, calendar.moments["E"], event, "E", DAILY, np.full(len(rows), FAR))
    assert made["E_bw"].tolist() == [1, 2, 3, 0]


def test_hours_are_counted_in_hours() -> None:
    event = Event(where={"x": 1}, window="3h", cap="5h")  # type: ignore[arg-type]
    moments = pd.to_datetime(["2020-03-01 00:00", "2020-03-01 02:00", "2020-03-01 09:00"]).as_unit("us")
    rows = pd.DataFrame({"shop": "a", "day": moments})
    flags = {"E": np.array([True, False, False])}
    calendar, keys = EventCalendar.empty(["shop"], {"E": event}).with_rows(rows, "day", flags)
    made = event_features(keys, calendar.moments["E"], event, "E", DAILY, np.full(len(rows), FAR))
    assert made["AfterE"].tolist() == [0, 2, 5]
    assert made["E_bw"].tolist() == [1, 1, 0]


@pytest.mark.parametrize("columns", [{"shop": [3, 1, 3]}, {"shop": ["x", "y", "x"], "kind": [1, 1, 2]}])
def test_series_keep_their_codes_when_new_ones_come(columns: dict[str, list[Any]]) -> None:
    rows = pd.DataFrame(columns)
    empty = pd.DataFrame(columns=list(columns))
    codes, series = series_codes(rows, empty)
    pd.testing.assert_frame_equal(series.iloc[codes].reset_index(drop=True), rows, check_dtype=False)
    again, grown = series_codes(pd.concat([rows.iloc[[2]], rows.assign(shop=rows["shop"] * 2)]), series)
    assert again[0] == codes[2]
    pd.testing.assert_frame_equal(grown.iloc[: len(series)], series)
    assert len(grown) > len(series)


UNITS = {"d": Frequency(DAY, "s"), "w": Frequency(7 * DAY, "s"), "h": Frequency(3600, "s"), "mo": Frequency(1, "mo")}


@settings(max_examples=100, deadline=None)
@given(data=st.data(), step=st.sampled_from(list(UNITS)), unit=st.sampled_from(list(UNITS)))
def test_who_sees_r_steps_sees_what_a_calendar_that_ends_there_shows(data: st.DataObject, step: str, unit: str) -> None:
    """The law of the outlook, in any unit: events beyond the last known step change nothing, as if they were not."""
    frequency, n = UNITS[step], data.draw(st.integers(2, 30))
    start = pd.Timestamp("2019-11-30" if step != "mo" else "2019-11-01")
    moments = pd.Series([frequency.after(start, i) for i in range(n)]).astype("datetime64[us]")
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    window, cap = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    event = Event(where={"x": 1}, window=Duration(window, unit), cap=Duration(cap, unit))  # type: ignore[arg-type]
    row = data.draw(st.integers(0, n - 1))
    left = data.draw(st.integers(0, n - 1 - row))
    rows = pd.DataFrame({"shop": "a", "day": moments})

    def seen(until: int, known: int) -> dict[str, Any]:
        shown = flags & (np.arange(n) <= until)
        calendar, ordered = EventCalendar.empty(["shop"], {"E": event}).with_rows(rows, "day", {"E": shown})
        made = event_features(ordered, calendar.moments["E"], event, "E", frequency, np.full(n, known))
        return {name: values[row] for name, values in made.items()}

    whole, cut = seen(n, left), seen(row + left, left)
    np.testing.assert_equal(whole, cut)


def test_an_outlook_of_some_rows_is_that_of_all() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"shop": np.repeat([1, 2, 3], 40), "day": np.tile(pd.date_range("2020-01-01", periods=40), 3)})
    rows = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    event = Event(where={"x": 1}, window=Duration(5, "d"), cap=Duration(9, "d"))
    calendar, ordered = EventCalendar.empty(["shop"], {"E": event}).with_rows(rows, "day", {"E": rng.random(120) < 0.4})
    outlook = Outlook.of(ordered, calendar.moments["E"], event, "E", DAILY)
    left, some = rng.integers(0, 12, 120), rng.integers(0, 120, 50)
    for name in ("BeforeE", "E_fw", "E_next"):
        assert (outlook.column(name, left)[some] == outlook.column(name, left[some], some)).all()
        assert (outlook.column(name, left) >= -1).all()
