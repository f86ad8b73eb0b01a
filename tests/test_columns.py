"""What a single column is, and how far apart rows are: columns made by a rule are known by it, others are not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.features.frequency import Frequency
from tabcli.onboarding.columns import (
    by_series,
    is_flag,
    is_measured,
    is_regular,
    is_row_number,
    not_a_target,
    part_of_date,
    parts_of_sum,
    shown_columns,
    snake_case,
)
from tabcli.onboarding.steps import closed_weekdays, frequency_of, gaps_of, series_numbers
from tests.conftest import examples

DAYS = pd.Series(pd.date_range("2022-12-20", periods=400, unit="us"))
PARTS = {
    "Year": DAYS.dt.year,
    "Month": DAYS.dt.month,
    "Week": DAYS.dt.isocalendar().week.astype("int64"),
    "Day": DAYS.dt.day,
    "Dayofweek": DAYS.dt.day_of_week,
    "Dayofyear": DAYS.dt.day_of_year,
}


def named(values: Any, name: str = "x") -> pd.Series:
    return pd.Series(values, name=name)


# ------------------------------------------------------------------------------------------ parts of a date


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shift", [0, 1, -7])
def test_a_part_of_the_date_is_known_whatever_is_added(part: str, shift: int) -> None:
    values = PARTS[part].astype("int64") + shift
    assert part_of_date(values, DAYS) == (part, shift)


@pytest.mark.parametrize("part", PARTS)
def test_one_wrong_row_among_those_looked_at_and_it_is_no_part(part: str) -> None:
    values = PARTS[part].astype("int64").copy()
    values.iloc[-1] += 3
    assert part_of_date(values, DAYS) is None


def test_a_wrong_row_that_is_not_in_the_first_look_counts_too() -> None:
    values = PARTS["Dayofyear"].astype("int64").copy()
    looked_at = np.unique(np.linspace(0, len(values) - 1, 200).astype("int64"))
    other = next(i for i in range(len(values)) if i not in looked_at)
    values.iloc[other] += 1
    assert part_of_date(values, DAYS) is None


def test_an_hour_is_a_part_and_text_is_none() -> None:
    hours = pd.Series(pd.date_range("2024-01-01", periods=100, freq="h", unit="us"))
    assert part_of_date(hours.dt.hour.astype("int64"), hours) == ("Hour", 0)
    assert part_of_date(PARTS["Month"].astype("str").astype("category"), DAYS) is None


# ------------------------------------------------------------------------------------------- kinds of column


@examples(40)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_a_flag_is_0_and_1_both_and_no_more(values: list[int]) -> None:
    assert is_flag(named(values)) == (set(values) == {0, 1})
    assert is_flag(named([*map(float, values), np.nan])) == (set(values) == {0, 1})


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (range(50), "whatever", True),
        ([*range(25), *range(25)], "n", True),  # begins anew, and is called so
        ([*range(25), *range(25)], "week_of_campaign", False),
        (np.random.default_rng(0).permutation(50), "id", False),
        (np.arange(50) * 2, "id", False),
        (np.arange(50) * 1.0, "n", False),
        (range(2), "n", False),
    ],
)
def test_a_number_of_the_row_counts_the_rows(values: Any, name: str, expected: bool) -> None:
    assert is_row_number(named(values, name)) is expected


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("constant", np.full(400, 7), "one value only"),
        ("counter", np.arange(400), "a number of the row"),
        ("articleNr", np.random.default_rng(0).permutation(400) * 3, "a key by its name"),
        ("promo", np.arange(400) % 2, "a flag of 0 and 1"),
        ("grade", np.arange(400) % 4 + 1, "a code of few values"),
        ("turn", PARTS["Week"].to_numpy(), "a part of the date"),
        ("sold", np.random.default_rng(0).integers(0, 90, 400), None),
        ("price", np.random.default_rng(0).normal(9, 1, 400), None),
    ],
)
def test_what_is_nothing_to_forecast_says_why(column: str, values: Any, why: str | None) -> None:
    assert not_a_target(pd.DataFrame({column: values, "day": DAYS}), column, "day") == why


@pytest.mark.parametrize(
    ("name", "expected"),
    [("StoreId", "store_id"), ("DayOfWeek", "day_of_week"), ("a b-c", "a_b_c"), ("SKU", "sku"), ("x1Y", "x1_y")],
)
def test_names_are_read_in_whatever_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_lists_of_holidays_are_not_regular_and_weekly_tables_are() -> None:
    weekly = DAYS[::7]
    assert is_regular(weekly)
    assert is_regular(weekly.drop(weekly.index[[3, 9]]))
    assert not is_regular(pd.Series(pd.to_datetime(["2024-01-01", "2024-03-29", "2024-04-01", "2024-05-01"])))
    assert not is_regular(DAYS[:3])


def test_amounts_are_measured_and_names_and_flags_are_not() -> None:
    assert is_measured(named([1.5, 2.5, 3.5]))
    assert not is_measured(named([0, 1, 0]))
    assert not is_measured(named(["a", "b", "c"]).astype("category"))


def test_columns_are_shown_with_a_value_of_each() -> None:
    table = pd.DataFrame({"a": [np.nan, 2.0], "empty": [np.nan, np.nan], "word": ["x" * 30, "y"]})
    assert shown_columns(table) == f"a (2.0), word ({'x' * 20})"
    many = pd.DataFrame({f"c{i}": [i] for i in range(8)})
    assert shown_columns(many) == "c0 (0), c1 (1), c2 (2), c3 (3), c4 (4), c5 (5), …"


# ------------------------------------------------------------------------------------------------- sums


@examples(15)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_the_columns_that_add_up_are_found_among_others(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.integers(1, 1000, (60, 6)), columns=list("abcdef"))
    chosen = sorted(rng.choice(list("abcdef"), size, replace=False))
    table["whole"] = table[chosen].sum(axis=1)
    assert parts_of_sum(table, "whole", list("abcdef")) == tuple(chosen)
    table["whole"] += rng.integers(50, 90, 60)
    found = list(parts_of_sum(table, "whole", list("abcdef")))
    assert not found or np.allclose(table[found].sum(axis=1), table["whole"])


def test_few_rows_prove_no_sum() -> None:
    table = pd.DataFrame({"a": range(9), "b": range(9), "whole": range(0, 18, 2)})
    assert parts_of_sum(table, "whole", ["a", "b"]) == ()


# ------------------------------------------------------------------------------------------ steps and gaps


def rows_of(dates: pd.DatetimeIndex, shops: str = "ab") -> pd.DataFrame:
    return pd.MultiIndex.from_product([list(shops), dates], names=["shop", "day"]).to_frame(index=False)


@pytest.mark.parametrize(
    ("freq", "count", "unit"),
    [("D", 86400, "s"), ("7D", 604800, "s"), ("h", 3600, "s"), ("15min", 900, "s"), ("MS", 1, "mo"), ("ME", 1, "mo")],
)
def test_the_step_is_that_of_the_rows_and_the_reason_names_the_date(freq: str, count: int, unit: str) -> None:
    table = rows_of(pd.date_range("2020-01-01", periods=60, freq=freq, unit="us"))
    frequency, why = frequency_of(table, ["shop"], "day")
    assert (frequency.count, frequency.unit) == (count, unit)
    assert "day" in why


def test_rows_between_the_steps_are_told_with_one_of_them() -> None:
    table = rows_of(pd.date_range("2024-01-01", periods=60, freq="7D", unit="us"))
    table.loc[70, "day"] += pd.Timedelta(days=2)
    frequency, why = frequency_of(table, ["shop"], "day")
    assert frequency.count == 604800
    day = table.loc[70, "day"]
    assert why.startswith("most rows of a series are 1w apart")
    assert f"but 1 row between: {day.date()}, a {day.day_name()}, in row 71" in why


def test_series_of_different_weekdays_are_weekly_all_the_same() -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="7D", unit="us")
    late = rows_of(days + pd.Timedelta(days=2), "b")
    frequency, why = frequency_of(pd.concat([rows_of(days, "a"), late], ignore_index=True), ["shop"], "day")
    assert frequency.count == 604800
    assert "series begin on different days" in why


@examples(25)
@given(st.lists(st.integers(0, 79), min_size=1, max_size=60, unique=True))
def test_gaps_are_counted_as_a_loop_over_series_and_days_counts_them(places: list[int]) -> None:
    table = rows_of(pd.date_range("2024-01-01", periods=40, unit="us")).iloc[sorted(places)]
    made = gaps_of(table, ["shop"], "day", Frequency.of(DAYS))
    days, last = set(table["day"]), table["day"].max()
    steps = rows = on_dates = 0
    for _, own in table.groupby("shop")["day"]:
        for day in pd.date_range(own.min(), last):
            steps, rows = steps + 1, rows + (day in set(own))
            on_dates += day not in set(own) and day in days
    assert (made.n_steps, made.n_rows, made.on_dates) == (steps, rows, on_dates)


@pytest.mark.parametrize("closed", [(), (6,), (5, 6)])
def test_weekdays_without_rows_are_named(closed: tuple[int, ...]) -> None:
    table = rows_of(pd.date_range("2024-01-01", periods=60, unit="us"))
    daily = Frequency.of(DAYS)
    both = table[~table["day"].dt.day_of_week.isin(closed)]
    names = ["Saturdays", "Sundays"][2 - len(closed) :]
    assert closed_weekdays(both, ["shop"], "day", daily) == ", ".join(names)
    one = table[~(table["day"].dt.day_of_week.isin(closed) & (table["shop"] == "a"))]
    assert closed_weekdays(one, ["shop"], "day", daily) == ", ".join(f"{n} of 1 of 2 series" for n in names)
    weekly = Frequency.of(DAYS[::7])
    assert closed_weekdays(both, ["shop"], "day", weekly) == ""


def test_without_series_columns_all_rows_are_one_series() -> None:
    table = rows_of(pd.date_range("2024-01-01", periods=5, unit="us"))
    assert series_numbers(table, []).tolist() == [0] * 10
    assert series_numbers(table, ["shop"]).tolist() == [0] * 5 + [1] * 5
    assert by_series(table, []).ngroups == 1
