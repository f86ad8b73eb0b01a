"""Public holidays: looked up once, kept as days, counted in windows as a loop over the days counts them."""

import datetime as dt
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.data import Holidays
from tabcli.errors import ConfigError, DataError, UsageError
from tabcli.features.holidays import YEARS_AHEAD, PublicHolidays
from tests.conftest import examples

GERMANY = Holidays(country="DE")
DAYS = st.dates(dt.date(2019, 1, 1), dt.date(2021, 12, 31))


def kept(days: list[dt.date]) -> PublicHolidays:
    numbers = tuple(sorted({(day - dt.date(1970, 1, 1)).days for day in days}))
    return PublicHolidays({"DE": numbers}, 2018, 2030)


def calendar(known: dict[str, list[tuple[int, int]]]) -> Any:
    """In place of the package: for each place its months and days, in every year that is asked for."""

    def country_holidays(country: str, *, subdiv: str | None, years: range) -> dict[dt.date, str]:
        place = country if subdiv is None else f"{country}-{subdiv}"
        if place not in known:
            raise NotImplementedError(f"Entity {place} not available")
        return {dt.date(year, month, day): "holiday" for year in years for month, day in known[place]}

    return SimpleNamespace(country_holidays=country_holidays)


@examples(40)
@given(st.lists(DAYS, max_size=12), st.lists(DAYS, min_size=1, max_size=12), st.integers(1, 40))
def test_a_window_counts_the_holidays_of_its_days(days: list[dt.date], dates: list[dt.date], length: int) -> None:
    place = Holidays.model_validate({"country": "DE", "window": f"{length}d"})
    made = kept(days).count(pd.Series(pd.to_datetime(dates)), place)
    expected = [sum(date + dt.timedelta(i) in days for i in range(length)) for date in dates]
    assert made.tolist() == expected
    assert made.dtype == np.int32


@examples(20)
@given(st.lists(DAYS, max_size=12), st.lists(DAYS, min_size=1, max_size=12))
def test_without_a_window_it_is_whether_the_day_is_one_whatever_the_hour(
    days: list[dt.date], dates: list[dt.date]
) -> None:
    moments = pd.Series(pd.to_datetime(dates)) + pd.Timedelta(hours=23)
    assert kept(days).count(moments, GERMANY).tolist() == [int(date in days) for date in dates]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_resolution_of_the_dates_is_the_same_to_it(unit: str) -> None:
    dates = pd.Series(pd.DatetimeIndex(["2020-05-01", "2020-05-02"]).as_unit(unit))
    assert kept([dt.date(2020, 5, 1)]).count(dates, GERMANY).tolist() == [1, 0]


@pytest.mark.parametrize("day", ["2017-12-31", "2031-01-01"])
def test_dates_of_years_that_were_not_looked_up_are_refused(day: str) -> None:
    dates = pd.Series(pd.to_datetime(["2020-01-01", day, day]))
    with pytest.raises(DataError, match=f"2 dates lie outside the years 2018 … 2030 .* DE .* such as {day}"):
        kept([]).count(dates, GERMANY)


def test_they_are_looked_up_for_the_years_of_the_dates_one_before_and_ten_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "holidays", calendar({"DE": [(5, 1)], "DE-BY": [(5, 1), (1, 6)]}))
    dates = pd.Series(pd.to_datetime(["2020-03-01", "2021-03-01"]))
    bavaria = Holidays(country="DE", subdivision="BY")
    found = PublicHolidays.look_up([GERMANY, bavaria, GERMANY], dates)
    assert (found.first_year, found.last_year) == (2019, 2021 + YEARS_AHEAD)
    assert {name: len(days) for name, days in found.days.items()} == {"DE": 13, "DE-BY": 26}
    epiphany = pd.Series(pd.to_datetime(["2031-01-06"]))
    assert found.count(epiphany, bavaria).tolist() == [1]
    assert found.count(epiphany, GERMANY).tolist() == [0]


def test_a_place_that_is_not_known_is_told_and_without_places_nothing_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dates = pd.Series(pd.to_datetime(["2020-03-01"]))
    monkeypatch.setitem(sys.modules, "holidays", calendar({}))
    with pytest.raises(ConfigError, match="holidays of XX: Entity XX not available"):
        PublicHolidays.look_up([Holidays(country="XX")], dates)
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(UsageError, match="need the holidays package"):
        PublicHolidays.look_up([GERMANY], dates)
    assert PublicHolidays.look_up([], dates) == PublicHolidays({})


@examples(20)
@given(st.lists(DAYS, max_size=12))
def test_what_is_kept_is_what_was_known(days: list[dt.date]) -> None:
    assert PublicHolidays.from_state(kept(days).to_state()) == kept(days)


def test_the_package_itself_is_understood() -> None:
    pytest.importorskip("holidays")
    dates = pd.Series(pd.to_datetime(["2024-12-25", "2024-12-27", "2024-05-30"]))
    found = PublicHolidays.look_up([GERMANY, Holidays(country="DE", subdivision="BY")], dates)
    assert found.count(dates, GERMANY).tolist() == [1, 0, 0]
    assert found.count(dates, Holidays(country="DE", subdivision="BY")).tolist() == [1, 0, 1]  # Corpus Christi
