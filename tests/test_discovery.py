"""What a column is: columns of a known kind are found out, and effects are those of least squares with dummies."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from tabcli.config.values import Duration
from tabcli.features.frequency import Frequency
from tabcli.onboarding.discovery import (
    Closed,
    closed_column,
    discover,
    effect_sizes,
    rule_candidates,
    usual_level,
    weekday_column,
)
from tabcli.onboarding.findings import Discovery, FolderTable, InitHints, duration_of, length_of_time
from tests.conftest import examples, make_tables, write_folder

DAYS = pd.date_range("2023-01-02", periods=140, unit="us")


def rows_of(**columns: Any) -> pd.DataFrame:
    """Two shops over 20 weeks of days, with other columns of one value per day."""
    parts = []
    for shop in (1, 2):
        part = pd.DataFrame({"day": DAYS, "shop": shop})
        parts.append(part.assign(**{name: np.asarray(values) for name, values in columns.items()}))
    return pd.concat(parts, ignore_index=True)


def found_in(rows: pd.DataFrame, *, known: list[str] | None = None, past_only: list[str] | None = None) -> Discovery:
    text = {c: "category" for c in rows.columns if rows[c].dtype == object or str(rows[c].dtype) == "str"}
    rows = rows.astype(text)
    table = FolderTable("train", {"file": "train.csv"}, rows)
    daily = Frequency.of(pd.Series(DAYS))
    made = Discovery(table, None, "day", "units", ("shop",), daily, Duration(2, "w"), True)
    made.rows, made.known, made.past_only = rows, known or [], past_only or []
    return made


# ------------------------------------------------------------------------------------------------ closed


OPEN = (DAYS.day_of_week != 6).astype("int64")
UNITS = np.arange(5, 145) * OPEN


def test_a_column_that_explains_all_zeros_tells_when_it_is_closed() -> None:
    rows = rows_of(units=UNITS, open=OPEN, promo=np.arange(140) % 2)
    assert closed_column(found_in(rows, known=["promo", "open"])) == Closed("open", 0, 1, known=True)


@pytest.mark.parametrize("word", ["shut", "0"])
def test_a_text_may_tell_it_too_and_one_past_only_is_marked(word: str) -> None:
    state = np.where(OPEN == 1, "normal", word)
    rows = rows_of(units=UNITS, state=state)
    assert closed_column(found_in(rows, past_only=["state"])) == Closed("state", word, "normal", known=False)


@pytest.mark.parametrize(
    "columns",
    [
        {"units": UNITS + 1, "open": OPEN},  # something is sold on closed days
        {"units": UNITS * 0, "open": OPEN},  # nothing is ever sold
        {"units": UNITS, "open": np.arange(140)},  # too many values
    ],
)
def test_what_does_not_explain_the_zeros_is_not_taken_for_it(columns: dict[str, Any]) -> None:
    assert closed_column(found_in(rows_of(**columns), known=["open"])) is None


def test_a_number_past_only_tells_it_by_its_name_alone() -> None:
    """Where nothing was sold there were no visitors: that says nothing of the days to come."""
    rows = rows_of(units=UNITS, visits=OPEN, is_open=OPEN)
    assert closed_column(found_in(rows, past_only=["visits"])) is None
    made = closed_column(found_in(rows, past_only=["visits", "is_open"]))
    assert made is not None
    assert made.column == "is_open"


# ------------------------------------------------------------------------------------------------ levels


@examples(40)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30))
def test_the_usual_level_is_that_of_four_rows_in_five(values: list[str | None]) -> None:
    made = usual_level(pd.Series(values, dtype="category"))
    counts = {v: values.count(v) for v in set(values)}
    top = max(counts, key=lambda v: counts[v])
    if len(counts) >= 2 and counts[top] >= 0.8 * len(values):
        assert made == ("" if top is None else top)
    else:
        assert made is None


def test_numbers_have_no_usual_level() -> None:
    assert usual_level(pd.Series([0] * 99 + [1])) is None


# ------------------------------------------------------------------------------------- rules of the days


def test_each_kind_of_column_gets_the_rule_that_suits_it() -> None:
    rows = rows_of(
        units=UNITS,
        open=OPEN,
        promo=(np.arange(140) % 10 == 0).astype("int64"),
        event=np.where(np.arange(140) % 20 == 0, "fair", "none"),
        temperature=np.linspace(-3, 30, 140),
    )
    rules = rule_candidates(found_in(rows, past_only=["open", "promo", "event", "temperature"]))
    assert rules == {"open": {"repeat": "1w"}, "promo": {"constant": 0}, "event": {"constant": "none"}}


def test_where_a_table_has_the_rows_no_rule_is_proposed() -> None:
    made = found_in(rows_of(units=UNITS, promo=OPEN), past_only=["promo"])
    made.future = FolderTable("future", {"file": "future.csv"}, made.rows)
    assert rule_candidates(made) == {}


@pytest.mark.parametrize("shift", [0, 1, 5])
def test_a_weekday_is_found_by_any_names_of_its_seven_days(shift: int) -> None:
    names = np.array(["mo", "di", "mi", "do", "fr", "sa", "so"])[(DAYS.day_of_week + shift) % 7]
    rows = rows_of(units=UNITS, promo=np.arange(140) % 7, dow=names)
    assert weekday_column(found_in(rows.iloc[3:], known=["dow"])) == "dow"
    assert weekday_column(found_in(rows.assign(dow=names[::-1].tolist() * 2), known=["dow"])) == "dow"
    broken = rows.assign(dow=np.where(rows.index == 4, "mo", rows["dow"]))
    assert weekday_column(found_in(broken, known=["dow"])) is None


# ---------------------------------------------------------------------------------------------- effects


@examples(10)
@given(st.integers(0, 2**32 - 1))
def test_effects_are_those_of_least_squares_within_series_and_weekdays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rows_of(units=np.exp(rng.normal(3, 0.5, 140)), promo=rng.integers(0, 2, 140), fair=rng.integers(0, 2, 140))
    rows.loc[rng.permutation(280)[:20], "units"] = 0.0
    made = effect_sizes(found_in(rows), ["promo", "fair"])
    sold = rows[rows["units"] > 0]
    groups = sold["shop"].astype("str") + sold["day"].dt.day_of_week.astype("str")
    for column, effect in made.items():
        x = pd.concat([sold[[column]], pd.get_dummies(groups, dtype="float64")], axis=1)
        fitted = LinearRegression(fit_intercept=False).fit(x.to_numpy(), np.log(sold["units"]))
        assert effect == pytest.approx(abs(fitted.coef_[0]), abs=1e-9)


def test_a_flag_that_never_changes_within_its_weekdays_has_no_effect() -> None:
    assert effect_sizes(found_in(rows_of(units=UNITS + 1.0, open=OPEN)), ["open"]) == {"open": 0.0}


# ------------------------------------------------------------------------------------------- durations


@given(st.integers(1, 500), st.sampled_from(["1s", "1min", "1h", "1D", "7D"]))
def test_a_length_is_told_in_the_largest_unit_that_divides_it(n: int, unit: str) -> None:
    length = n * pd.Timedelta(unit)
    made = duration_of(length)
    assert made.seconds == length.total_seconds()
    units = ["s", "min", "h", "d", "w"]
    sizes = dict(zip(units, [1, 60, 3600, 86400, 604800], strict=True))
    larger = units[units.index(made.unit) + 1 :]
    assert not any(length.total_seconds() % sizes[u] == 0 for u in larger)


@pytest.mark.parametrize(
    ("freq", "n", "expected"),
    [("D", 14, "14d"), ("7D", 3, "3w"), ("MS", 5, "5mo"), ("h", 48, "48h"), ("QS", 2, "6mo"), ("15min", 8, "120min")],
)
def test_steps_are_told_in_the_unit_of_one(freq: str, n: int, expected: str) -> None:
    dates = pd.Series(pd.date_range("2020-01-01", periods=40, freq=freq, unit="us"))
    assert str(length_of_time(Frequency.of(dates), n)) == expected


# ------------------------------------------------------------------------------------------ the whole


def test_every_column_of_the_rows_has_one_part_in_the_forecast(tmp_path: Any) -> None:
    found = discover(write_folder(tmp_path / "data", make_tables()), InitHints(target="units"))
    parts = [[found.date], [found.target], found.series, found.known, found.past_only, found.static]
    names = [name for part in parts for name in part]
    assert len(names) == len(set(names))
    assert set(names) == {*found.train.table.columns}
    assert found.id == "row"
    assert str(found.horizon) == "20d"
    assert (found.date, found.series) == ("day", ("shop",))
    assert set(found.why) >= {"rows", "target", "series", "step"}
    assert all(found.why.values())


@pytest.mark.parametrize("drop", ["open", "promo", "holiday"])
def test_what_the_future_lacks_is_past_only(tmp_path: Any, drop: str) -> None:
    tables = make_tables()
    tables["future"] = tables["future"].drop(columns=drop)
    found = discover(write_folder(tmp_path / "data", tables), InitHints(target="units"))
    assert drop in found.past_only
    assert drop not in found.known


def test_a_column_of_the_future_without_a_value_is_not_known(tmp_path: Any) -> None:
    tables = make_tables()
    tables["future"] = tables["future"].assign(promo=np.nan)
    found = discover(write_folder(tmp_path / "data", tables), InitHints(target="units"))
    assert "promo" in found.past_only
    assert found.ignored["promo"] == "no row of it holds a value"
