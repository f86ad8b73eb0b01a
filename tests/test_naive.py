"""Forecasts that need no learning: each is the plain loop that its sentence describes."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tabcli.evaluation.naive import group_medians, last_values, naive_forecasts, seasonal_naive
from tabcli.features.frequency import Frequency
from tests.conftest import examples

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, n: int = 40) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Training rows, their targets, and rows to forecast; some of these are of groups that training lacks."""
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(4 * n)[: 2 * n], unit="D")
    shop, promo = rng.choice(list("abc"), 2 * n), rng.integers(0, 3, 2 * n)
    rows = pd.DataFrame({"day": days.as_unit("us"), "shop": shop, "promo": promo})
    return rows[:n], rng.integers(1, 30, n) * 1.0, rows[n:].reset_index(drop=True)


@examples(25)
@given(seeds)
def test_group_medians_compare_one_column_less_where_there_is_no_such_row(seed: int) -> None:
    train, target, rows = drawn(seed, n=12)
    made = group_medians(train, target, rows, ["shop", "promo"])
    for row, value in zip(rows.itertuples(), made, strict=True):
        of_shop = (train["shop"] == row.shop).to_numpy()
        of_both = of_shop & (train["promo"] == row.promo).to_numpy()
        chosen = of_both if of_both.any() else of_shop if of_shop.any() else np.ones(len(train), dtype=bool)
        assert value == np.median(target[chosen])


@examples(25)
@given(seeds)
def test_the_last_value_is_that_of_the_latest_row(seed: int) -> None:
    train, target, rows = drawn(seed, n=12)
    made = last_values(train, target, rows, ["shop", "promo"], "day")
    for row, value in zip(rows.itertuples(), made, strict=True):
        same = ((train["shop"] == row.shop) & (train["promo"] == row.promo)).to_numpy()
        if same.any():
            assert value == target[same][np.argmax(train["day"][same].to_numpy())]
        else:
            assert np.isnan(value)


@examples(25)
@given(seeds)
def test_the_last_season_is_the_last_such_weekday_of_the_series_else_its_last_day(seed: int) -> None:
    train, target, rows = drawn(seed, n=15)
    made = seasonal_naive(train, target, rows, ["shop"], "day", Frequency.of(train["day"]))
    week, own = train["day"].dt.day_of_week, rows["day"].dt.day_of_week
    for row, weekday, value in zip(rows.itertuples(), own, made, strict=True):
        of_shop = (train["shop"] == row.shop).to_numpy()
        of_day = of_shop & (week == weekday).to_numpy()
        chosen = of_day if of_day.any() else of_shop
        if chosen.any():
            assert value == target[chosen][np.argmax(train["day"][chosen].to_numpy())]
        else:
            assert value == np.median(target)


@examples(10)
@given(seeds)
def test_all_have_a_number_for_each_row_and_none_depends_on_the_other_rows(seed: int) -> None:
    train, target, rows = drawn(seed)
    daily = Frequency.of(train["day"])
    medians = [["shop", "promo"], ["season"]]
    made = naive_forecasts(train, target, rows, ["shop"], "day", daily, medians)
    assert list(made)[:2] == ["the median by shop × promo", "the median by season"]
    some = np.random.default_rng(seed).permutation(len(rows))[:7]
    alone = naive_forecasts(train, target, rows.iloc[some], ["shop"], "day", daily, medians)
    for name, values in made.items():
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(alone[name], values[some])


def test_the_season_of_a_row_is_its_weekday_for_days() -> None:
    days = pd.date_range("2024-01-01", periods=28)
    train, target = pd.DataFrame({"day": days, "shop": "a"}), np.arange(28) % 7 * 10.0
    rows = pd.DataFrame({"day": days + pd.Timedelta(days=28), "shop": "a"})
    made = naive_forecasts(train, target, rows, ["shop"], "day", Frequency.of(train["day"]), [["season"]])
    np.testing.assert_array_equal(made["the median by season"], np.arange(28) % 7 * 10.0)
    np.testing.assert_array_equal(made["the last season's value"], np.arange(28) % 7 * 10.0)
    np.testing.assert_array_equal(made["the last value"], np.full(28, 60.0))
