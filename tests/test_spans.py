"""Spans and recurrences against the standard library's calendar."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabcli.config.features import ActiveMonths, Moment, TimeSince
from tabcli.errors import DataError
from tabcli.features.elapsed import active_months, iso_week_start, time_since


def table(**columns: Any) -> pd.DataFrame:
    made = pd.DataFrame(columns)
    return made.assign(day=pd.to_datetime(made["day"]).astype("datetime64[us]"))


def test_every_iso_week_starts_where_the_standard_library_says() -> None:
    pairs = [(y, w) for y in range(1980, 2040) for w in range(1, dt.date(y, 12, 28).isocalendar().week + 1)]
    years, weeks = np.array(pairs, dtype="float64").T
    expected = [np.datetime64(dt.date.fromisocalendar(y, w, 1)) for y, w in pairs]
    np.testing.assert_array_equal(iso_week_start(years, weeks), expected)


def test_months_count_calendar_months_from_0_to_the_cap_and_unknown_stays_unknown() -> None:
    rows = table(
        day=["2015-03-31", "2015-03-01", "2015-02-28", "2015-03-01", "2015-03-01"],
        year=[2015.0, 2014, 2015, 2000, np.nan],
        month=[3.0, 12, 3, 1, 5],
    )
    span = TimeSince(since=Moment(year="year", month="month"), unit="months", cap=24)
    np.testing.assert_array_equal(time_since(rows, "day", span), [0, 3, 0, 24, np.nan])


def test_weeks_since_an_iso_week_across_the_year_end() -> None:
    rows = table(day=["2014-12-28", "2014-12-29", "2015-01-05", "2015-01-04"], year=[2015] * 4, week=[1] * 4)
    span = TimeSince(since=Moment(year="year", week="week"), unit="weeks")
    assert time_since(rows, "day", span).tolist() == [0, 0, 1, 0]


def test_days_since_a_date() -> None:
    rows = table(day=["2020-03-01", "2020-02-28"], opened=pd.to_datetime(["2020-02-28", None]))
    made = time_since(rows, "day", TimeSince(since=Moment(date="opened"), unit="days"))
    np.testing.assert_array_equal(made, [2, np.nan])


@pytest.mark.parametrize(("year", "week"), [(2015, 54), (2015, 0)])
def test_a_week_that_does_not_exist_is_refused(year: int, week: int) -> None:
    rows = table(day=["2015-01-01"], year=[year], week=[week])
    with pytest.raises(DataError, match="'week': 1 rows are not between 1 and 53"):
        time_since(rows, "day", TimeSince(since=Moment(year="year", week="week"), unit="weeks"))


def test_how_many_rows_are_wrong_is_counted_in_rows() -> None:
    rows = table(day=["2015-01-01"] * 40, year=[2015] * 40, week=[1, 54] * 20)
    with pytest.raises(DataError, match="'week': 20 rows are not between 1 and 53"):
        time_since(rows, "day", TimeSince(since=Moment(year="year", week="week"), unit="weeks"))


def test_a_round_starts_on_the_day_it_began() -> None:
    rows = table(day=["2015-01-04", "2015-01-05"], year=[2015, 2015], week=[2, 2], rounds=["Jan", "Jan"])
    made = active_months(
        rows.astype({"rounds": "category"}),
        "day",
        ActiveMonths(months="rounds", since=Moment(year="year", week="week")),
    )
    assert made.tolist() == [0, 1]


def test_a_round_starts_in_its_months_once_it_began() -> None:
    rows = table(
        day=["2015-09-10", "2015-09-10", "2015-10-01", "2015-07-01", "2015-07-01", "2015-01-31"],
        rounds=["Mar,Jun,Sept,Dec", "Jan,Apr,Jul,Oct", "1, 4,7,10", None, "7", "Jan"],
        year=[2014, 2014, 2014, 2014, 2016, np.nan],
        week=[1, 1, 1, 1, 1, np.nan],
    ).astype({"rounds": "category"})
    since = Moment(year="year", week="week")
    assert active_months(rows, "day", ActiveMonths(months="rounds", since=since)).tolist() == [1, 0, 1, 0, 0, 0]
    assert active_months(rows, "day", ActiveMonths(months="rounds")).tolist() == [1, 0, 1, 0, 1, 1]


def test_a_month_that_is_none_is_named() -> None:
    rows = table(day=["2015-01-01"], rounds=["Jan,Foo"]).astype({"rounds": "category"})
    with pytest.raises(DataError, match="'foo' in 'Jan,Foo' is not a month"):
        active_months(rows, "day", ActiveMonths(months="rounds"))
