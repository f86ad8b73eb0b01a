"""Date parts: fastai's names and values, without its defects."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabcli.features.dates import (
    date_part_names,
    date_parts,
    days_from_easter,
    days_to_month_end,
    default_prefix,
    easter_sunday,
)

NAMES = [
    *("Year", "Month", "Week", "Day", "Dayofweek", "Dayofyear", "Is_month_end", "Is_month_start", "Is_quarter_end"),
    *("Is_quarter_start", "Is_year_end", "Is_year_start", "Elapsed"),
]


@pytest.mark.parametrize(
    ("column", "prefix"),
    [
        ("Date", ""),
        ("saledate", "sale"),
        ("OrderDate", "Order"),
        ("DATE", "DATE"),
        ("update", "up"),
        ("Datetime", "Datetime"),
    ],
)
def test_the_prefix_is_fastais(column: str, prefix: str) -> None:
    assert default_prefix(column) == prefix
    assert date_part_names(column) == [prefix + n for n in NAMES]
    assert date_part_names(column, "")[0] == "Year"


def test_thirteen_columns_or_sixteen_and_elapsed_last() -> None:
    dates = pd.Series(pd.to_datetime(["2020-02-29 13:14:15"]), name="when")
    assert list(date_parts(dates, "").columns) == NAMES
    timed = date_parts(dates, "", time=True)
    assert list(timed.columns) == [*NAMES[:-1], "Hour", "Minute", "Second", "Elapsed"]
    assert timed[["Hour", "Minute", "Second"]].iloc[0].tolist() == [13, 14, 15]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31)), min_size=1, max_size=20))
def test_values_equal_the_standard_librarys(days: list[dt.date]) -> None:
    made = date_parts(pd.Series(pd.to_datetime(days), name="d"), "")
    for day, row in zip(days, made.to_dict("records"), strict=True):
        tomorrow = day + dt.timedelta(1)
        quarter_start = day.day == 1 and day.month in (1, 4, 7, 10)
        quarter_end = tomorrow.day == 1 and tomorrow.month in (1, 4, 7, 10)
        assert [row[n] for n in NAMES[:6]] == [
            *(day.year, day.month, day.isocalendar().week, day.day, day.weekday(), day.timetuple().tm_yday)
        ]
        assert [row[n] for n in NAMES[6:12]] == [
            *(tomorrow.month != day.month, day.day == 1, quarter_end, quarter_start),
            *((day.month, day.day) == (12, 31), (day.month, day.day) == (1, 1)),
        ]
        assert row["Elapsed"] == (day - dt.date(1970, 1, 1)).days * 86_400


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_elapsed_is_seconds_at_every_resolution(unit: str) -> None:
    dates = pd.Series(pd.DatetimeIndex(["2013-12-30"]).as_unit(unit), name="Date")
    made = date_parts(dates)
    assert made["Elapsed"].tolist() == [1_388_361_600.0]
    assert (made["Year"].item(), made["Week"].item()) == (2013, 1)  # calendar year, ISO week


def test_a_missing_date_gives_missing_parts_and_false_flags() -> None:
    made = date_parts(pd.Series(pd.to_datetime(["2020-01-01", None]), name="d"), "")
    assert made.loc[1, ["Year", "Week", "Elapsed"]].isna().all()
    assert made["Is_year_start"].tolist() == [True, False]
    assert made["Is_year_start"].dtype == np.dtype(bool)
    assert made["Year"].tolist()[0] == 2020


def test_easter_agrees_with_the_algorithm_of_1876() -> None:
    """The anonymous one of *Nature*, 20 April 1876, in the form of Meeus, Astronomical Algorithms (1991), chapter 8."""
    y = np.arange(1, 10_000)
    a, b, c = y % 19, y // 100, y % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    march = (12 * (y - 1970) + 2).astype("datetime64[M]").astype("datetime64[D]")
    expected = march + h + weekday - 7 * ((a + 11 * h + 22 * weekday) // 451) + 21
    np.testing.assert_array_equal(easter_sunday(y), expected)
    shuffled = np.random.default_rng(0).integers(1, 10_000, 500)
    np.testing.assert_array_equal(easter_sunday(shuffled), expected[shuffled - 1])


def test_no_easter_where_the_calendar_of_dates_ends() -> None:
    assert np.isnat(easter_sunday(np.array([0, -44, 10_000, 2024]))).tolist() == [True, True, True, False]
    far = pd.Series(np.array(["12000-04-01", "2024-03-31"], dtype="datetime64[s]"))
    np.testing.assert_array_equal(days_from_easter(far, -5, 5), np.array([np.nan, 0], dtype="float32"))


def test_days_from_easter_inside_the_window_only() -> None:
    dates = pd.Series(pd.to_datetime(["2015-02-11", "2015-02-16", "2015-04-05", None, "2014-03-03", "2015-02-19"]))
    np.testing.assert_array_equal(
        days_from_easter(dates, -52, -46), np.array([np.nan, -48, np.nan, np.nan, -48, np.nan], dtype="float32")
    )


@given(
    st.lists(st.one_of(st.none(), st.dates(dt.date(1990, 1, 1), dt.date(2060, 12, 31))), min_size=1, max_size=20),
    st.lists(st.booleans(), min_size=7, max_size=7).filter(any),
)
def test_days_to_the_month_end_are_those_that_a_calendar_has_left(
    days: list[dt.date | None], counted: list[bool]
) -> None:
    def left(day: dt.date | None) -> float:
        if day is None:
            return np.nan
        n, later = 0, day + dt.timedelta(1)
        while later.month == day.month:
            n += counted[later.weekday()]
            later += dt.timedelta(1)
        return n

    dates = pd.Series(pd.to_datetime(pd.Series(days, dtype="object")))
    np.testing.assert_array_equal(days_to_month_end(dates, counted), [left(day) for day in days])
