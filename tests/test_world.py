"""The process behind the generated tables: holidays as they were, streams of their own, and sizes as they are said."""

from dataclasses import fields
from datetime import date

import numpy as np
import pandas as pd
import pytest
from dateutil.easter import easter

from tabcli.synthetic.world import (
    STATES,
    TYPES,
    Streams,
    World,
    draw_world,
    month_day,
    public_holidays,
    school_holidays,
    wander,
    years_of,
)

DAYS = np.arange("2013-01-01", "2017-01-01", dtype="datetime64[D]")


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(120, 700, 48, seed=1, noise=0.1, start=date(2013, 1, 1))


def of_state(state: str, day: str) -> str:
    days = np.array([day], dtype="datetime64[D]")
    return str(public_holidays(days)[list(STATES).index(state), 0])


# -------------------------------------------------------------------------------------------- calendar


def test_years_months_and_days_are_those_of_pandas() -> None:
    dates = pd.DatetimeIndex(DAYS)
    month, day = month_day(DAYS)
    assert years_of(DAYS).tolist() == dates.year.tolist()
    assert month.tolist() == dates.month.tolist()
    assert day.tolist() == dates.day.tolist()


@pytest.mark.parametrize(
    ("state", "day", "kind"),
    [
        ("BE", "2015-01-01", "a"),  # New Year
        ("BE", "2015-01-06", "0"),  # Epiphany, in the south only
        ("BY", "2015-01-06", "a"),
        ("BE", "2015-04-03", "b"),  # Good Friday
        ("BE", "2015-04-05", "0"),  # Easter Sunday is a Sunday anyway
        ("BE", "2015-04-06", "b"),  # Easter Monday
        ("HH", "2015-05-01", "a"),
        ("HH", "2015-05-14", "a"),  # Ascension
        ("HH", "2015-05-25", "a"),  # Whit Monday
        ("NW", "2015-06-04", "a"),  # Corpus Christi
        ("HH", "2015-06-04", "0"),
        ("SN", "2014-10-03", "a"),  # German Unity
        ("SN", "2014-12-25", "c"),
        ("SN", "2014-12-26", "c"),
        ("SN", "2014-12-24", "0"),
    ],
)
def test_public_holidays_are_those_of_germany(state: str, day: str, kind: str) -> None:
    assert of_state(state, day) == kind


def test_every_year_has_its_easter_in_every_state() -> None:
    kinds = public_holidays(DAYS)
    for year in (2013, 2014, 2015, 2016):
        for offset in (-2, 1):
            at = np.datetime64(easter(year)) + offset
            assert (kinds[:, at == DAYS] == "b").all()
    assert ((kinds == "b").sum(axis=1) == 8).all()
    assert ((kinds == "c").sum(axis=1) == 8).all()


def test_school_holidays_move_between_states_and_years_but_not_at_christmas() -> None:
    free = school_holidays(DAYS)
    month, day = month_day(DAYS)
    assert free[:, (month == 12) & (day >= 22)].all()
    assert not free[:, (month == 12) & (day < 22)].any()
    assert free.mean() == pytest.approx(0.24, abs=0.05)
    summers = {tuple(np.flatnonzero(row & (month == 7))) for row in free}
    assert len(summers) > 6, "states begin their summers on different days"
    years = years_of(DAYS)
    assert (
        len({tuple(DAYS[free[0] & (years == y) & (month >= 6) & (month <= 9)].astype("str")) for y in set(years)}) == 4
    )


# ------------------------------------------------------------------------------------------- the draws


def test_each_part_draws_from_a_stream_of_its_own() -> None:
    first, again, other = (Streams.of(seed) for seed in (3, 3, 4))
    drawn = {f.name: getattr(first, f.name).normal(size=4).tolist() for f in fields(Streams)}
    assert len({tuple(values) for values in drawn.values()}) == len(drawn)
    for name, values in drawn.items():
        assert getattr(again, name).normal(size=4).tolist() == values
        assert getattr(other, name).normal(size=4).tolist() != values


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.98])
def test_a_wandering_path_has_unit_variance_and_the_memory_that_was_asked_for(memory: float) -> None:
    paths = wander(np.random.default_rng(0), (4000, 30), memory)
    assert paths.std(axis=0) == pytest.approx(np.ones(30), abs=0.06)
    assert paths.mean(axis=0) == pytest.approx(np.zeros(30), abs=0.08)
    together = (paths[:, 1:] * paths[:, :-1]).mean()
    assert together == pytest.approx(memory, abs=0.02)


def test_another_noise_leaves_everything_but_sales_and_customers_as_it_was(world: World) -> None:
    other = draw_world(120, 700, 48, seed=1, noise=0.3, start=date(2013, 1, 1))
    for name in ("mu", "promo", "holiday", "school", "open", "chain", "shifted"):
        np.testing.assert_array_equal(getattr(world, name), getattr(other, name))
    for field in fields(world.stores):
        np.testing.assert_array_equal(getattr(world.stores, field.name), getattr(other.stores, field.name))
    assert (world.sales != other.sales).any()


# ------------------------------------------------------------------------------------------- the world


def test_sales_are_the_median_of_the_process_times_noise(world: World) -> None:
    assert ((world.sales == 0) == ~world.open).all()
    errors = np.log(world.sales[world.open]) - world.mu[world.open]
    assert errors.std() == pytest.approx(0.1, rel=0.02)
    assert np.median(errors) == pytest.approx(0, abs=0.002)


def test_stores_are_shut_on_sundays_and_holidays_but_for_some_kinds(world: World) -> None:
    sunday = (world.days.astype("int64") + 3) % 7 == 6
    at_stations = world.stores.kind == list(TYPES).index("b")
    assert at_stations.any()
    assert world.stores.on_sundays[at_stations].all()
    never = ~world.stores.on_sundays
    assert not world.open[never][:, sunday].any()
    holiday = world.holiday != "0"
    assert not world.open[holiday & ~world.stores.on_holidays[:, None]].any()
    weekday = ~sunday & ~holiday & ~world.closures.refurbished
    assert world.open[weekday].all()


def test_promotions_take_five_days_of_every_second_week(world: World) -> None:
    weeks = pd.Series(world.promo).groupby((world.days.astype("int64") + 3) // 7).sum()
    whole = weeks.iloc[1:-1]
    assert {*whole} == {0, 5}
    assert (whole.diff().dropna().abs() == 5).all()


def test_what_a_promotion_does_is_what_the_process_says(world: World) -> None:
    monday = (world.days.astype("int64") + 3) % 7 == 0
    plain = (world.holiday == "0") & ~world.school & world.open & monday
    lifts = [
        np.median(world.mu[i][plain[i] & world.promo]) - np.median(world.mu[i][plain[i] & ~world.promo])
        for i in range(120)
    ]
    assert np.mean(lifts) == pytest.approx(0.28 + 0.03 * 4, abs=0.03)


def test_facts_of_stores_are_within_their_ranges(world: World) -> None:
    stores = world.stores
    assert {*stores.kind} <= {0, 1, 2, 3}
    assert 0.2 < np.isnat(stores.competition).mean() < 0.5
    assert 0.35 < np.isnat(stores.promo2).mean() < 0.65
    joined = stores.promo2[~np.isnat(stores.promo2)]
    assert ((joined.astype("int64") + 3) % 7 == 0).all(), "a Monday"
    opened = stores.competition[~np.isnat(stores.competition)]
    assert (opened == opened.astype("datetime64[M]")).all(), "known by the month"
    there = stores.distance[~np.isnan(stores.distance)]
    assert (there % 10 == 0).all()
    assert there.min() >= 10


def test_the_weather_is_that_of_the_season(world: World) -> None:
    month, _ = month_day(world.days)
    weather = world.weather
    assert weather.mean[:, month == 7].mean() > weather.mean[:, month == 1].mean() + 12
    assert not (weather.rain & weather.snow).any()
    assert not weather.snow[:, month == 7].any()
    assert np.nanmin(weather.cloud) >= 0
    assert np.nanmax(weather.cloud) <= 8
    assert 0.03 < np.isnan(weather.cloud).mean() < 0.12
    assert (weather.humidity <= 100).all()


def test_long_closures_lie_within_the_rows_to_learn_from(world: World) -> None:
    shut, absent = world.closures.refurbished, world.closures.absent
    assert not shut[:, world.n_train :].any()
    assert not absent[:, world.n_train :].any()
    assert not (shut & absent).any()
    lengths = shut.sum(axis=1)
    assert {*lengths[lengths > 0]} <= set(range(14, 57))
    assert (world.sales[shut] == 0).all()
