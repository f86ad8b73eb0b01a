"""The expanded table: a row's features are its own, whoever stands beside it; each is the plain loop over the days."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.loading import load
from tabcli.config.schema import Config
from tabcli.errors import ConfigError
from tabcli.features.building import FeatureTable, build_features, fill_rows
from tabcli.features.events import EventCalendar
from tabcli.features.frequency import Frequency
from tabcli.features.holidays import PublicHolidays
from tabcli.tables.contract import load_tables
from tabcli.tables.joins import LookupTable
from tests.conftest import CONFIG, examples, make_tables

FEATURES = {
    **CONFIG["features"],
    "fourier": {"Year": {"date": "day", "period": 365.25, "order": 2}},
    "from_easter": {"Easter": {"date": "day", "first": -10, "last": 10}},
    "to_month_end": {"Left": {"date": "day", "closed": ["sunday"]}},
}


def config_of(features: dict[str, Any] = FEATURES, **more: Any) -> Config:
    return load({**CONFIG, "features": features, "categorical": "auto", "continuous": "auto", **more})


def built(rows: pd.DataFrame, config: Config, calendar: EventCalendar | None = None) -> FeatureTable:
    """The rows as prep expands them; with a calendar as predict does, which has the events of before."""
    tables = load_tables(config, {**make_tables(), "train": rows}, ["train", "shops"])
    lookups = [LookupTable.of(tables[join.table], join) for join in config.joins]
    calendar = EventCalendar.empty(config.series, config.features.events) if calendar is None else calendar
    far, daily = np.full(len(rows), 10_000), Frequency(86_400, "s")
    return build_features(tables["train"], lookups, config, calendar, PublicHolidays({}), daily, far)


def frame(made: FeatureTable) -> pd.DataFrame:
    return made.table.frame().reset_index(drop=True)


PAST = make_tables()["train"]
WHOLE = built(PAST, config_of())


# ------------------------------------------------------------------------------------------------ the law


@examples(8)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_changes_no_feature(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(PAST))
    made = frame(built(PAST.iloc[order], config_of()))
    pd.testing.assert_frame_equal(made, frame(WHOLE).iloc[order].reset_index(drop=True), check_categorical=False)


@examples(8)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True))
def test_a_series_features_do_not_depend_on_the_other_series(shops: list[int]) -> None:
    some = PAST["shop"].isin(shops).to_numpy()
    made = frame(built(PAST[some], config_of()))
    pd.testing.assert_frame_equal(
        made, frame(WHOLE)[some].reset_index(drop=True), check_categorical=False, check_dtype=False
    )


@examples(8)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_any_rows_have_the_same_features_with_the_calendar_of_all(seed: int, n: int) -> None:
    """What predict relies on: events that the rows at hand do not tell come from the calendar that prep kept."""
    some = np.random.default_rng(seed).permutation(len(PAST))[:n]
    made = frame(built(PAST.iloc[some], config_of(), WHOLE.calendar))
    expected = frame(WHOLE).iloc[some].reset_index(drop=True)
    pd.testing.assert_frame_equal(made, expected, check_categorical=False, check_dtype=False)


def test_the_target_and_what_is_past_only_move_no_feature() -> None:
    other = PAST.assign(units=PAST["units"].iloc[::-1].to_numpy(), visitors=7)
    own = ["units", "visitors"]
    pd.testing.assert_frame_equal(frame(built(other, config_of())).drop(columns=own), frame(WHOLE).drop(columns=own))


# ---------------------------------------------------------------------------------------------- the oracles


def test_events_are_counted_as_a_loop_over_the_days_counts_them() -> None:
    made, rows = frame(WHOLE), PAST.reset_index(drop=True)
    of_shop = {shop: set(r.loc[r["promo"] == 1, "day"]) for shop, r in rows.groupby("shop")}
    rng = np.random.default_rng(0)
    for i in rng.permutation(len(rows))[:150]:
        day, events = rows.loc[i, "day"], of_shop[rows.loc[i, "shop"]]
        ago = [(day - e).days for e in events if e <= day]
        ahead = [(e - day).days for e in events if e >= day]
        assert made.loc[i, "AfterPromo"] == (min([*ago, 30]) if ago else 31), "31: none so far"
        assert made.loc[i, "BeforePromo"] == min([*ahead, 30]), "30: none known"
        window = [day - pd.Timedelta(days=k) for k in range(7)]
        assert made.loc[i, "Promo_bw"] == sum(d in events for d in window)


def test_what_is_of_a_date_is_that_of_pandas() -> None:
    made, days = frame(WHOLE), PAST["day"].reset_index(drop=True)
    assert (made["dayDayofweek"] == days.dt.day_of_week).all()
    assert (made["dayYear"] == days.dt.year).all()
    assert (made["dayIs_month_end"] == days.dt.is_month_end).all()
    angle = 2 * np.pi * (days - pd.Timestamp("1970-01-01")).dt.days / 365.25
    np.testing.assert_allclose(made["Year_sin1"], np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(made["Year_cos2"], np.cos(2 * angle), atol=1e-6)
    easter = pd.Timestamp("2021-04-04")
    distance = (days - easter).dt.days
    near = (distance.abs() <= 10).to_numpy()
    assert made.loc[near, "Easter"].tolist() == distance[near].tolist()
    assert made.loc[~near, "Easter"].isna().all()
    left = [sum(d.day_of_week != 6 for d in pd.date_range(x, x + pd.offsets.MonthEnd(0))[1:]) for x in days[:60]]
    assert made["Left"][:60].tolist() == left


def test_what_is_joined_is_what_pandas_merges() -> None:
    expected = PAST.merge(make_tables()["shops"], on="shop", how="left")
    made = frame(WHOLE)
    for column in ("size", "since_year"):
        np.testing.assert_array_equal(made[column], expected[column])
    assert made["kind"].astype("str").where(made["kind"].notna()).tolist() == [
        pytest.approx(v, nan_ok=True) if pd.isna(v) else v for v in expected["kind"]
    ]
    assert WHOLE.unmatched == {"shops": 0}


def test_rows_of_a_shop_that_the_side_table_lacks_are_counted_and_have_gaps() -> None:
    made = built(PAST.assign(shop=PAST["shop"].replace(6, 99)), config_of())
    assert made.unmatched == {"shops": int((PAST["shop"] == 6).sum())}
    assert frame(made).loc[(PAST["shop"] == 6).to_numpy(), ["size", "since_year"]].isna().all(axis=None)


def test_only_what_the_config_makes_use_of_is_made() -> None:
    made = built(PAST, load({**CONFIG, "features": FEATURES}))
    own = {*make_tables()["train"].columns}
    inputs = {*CONFIG["categorical"], *CONFIG["continuous"]}
    assert inputs - own <= {*made.table.columns}
    assert "dayWeek" not in made.table.columns
    assert "Closed_bw" not in made.table.columns
    pd.testing.assert_frame_equal(frame(made)[[*inputs]], frame(WHOLE)[[*inputs]])


# ------------------------------------------------------------------------------------------------- clashes


@pytest.mark.parametrize(
    ("features", "column"),
    [
        ({"spans": {"size": {"since": {"date": "day"}, "unit": "days"}}}, "size"),
        ({"fourier": {"visitors": {"date": "day", "period": 7, "order": 1}}}, None),
        (
            {
                "date_parts": [{"column": "day", "prefix": ""}],
                "spans": {"Week": {"since": {"date": "day"}, "unit": "days"}},
            },
            "Week",
        ),
        ({"date_parts": ["day", "day"]}, "dayDay"),
        ({"events": {"X": {"where": {"promo": 1}}}, "recurrences": {"X_bw": {"months": "rounds"}}}, "X_bw"),
    ],
)
def test_two_columns_of_one_name_are_refused(features: dict[str, Any], column: str | None) -> None:
    if column is None:  # its columns have names of their own
        assert {"visitors_sin1", "visitors"} <= {*built(PAST, config_of(features)).table.columns}
        return
    with pytest.raises(ConfigError, match=f"has a column {column!r} already") as error:
        built(PAST, config_of(features))
    assert "prefix" in str(error.value.hint)


# ------------------------------------------------------------------------------------------------- filling


def test_gaps_get_the_value_of_the_config_and_are_counted() -> None:
    rows = load_tables(config_of(), make_tables(), ["future"])["future"]
    filled, counts = fill_rows(rows, config_of())
    assert counts == {"open": 1}
    assert filled["open"].notna().all()
    gap = rows["open"].isna()
    assert filled.loc[gap, "open"].tolist() == [1]
    pd.testing.assert_series_equal(filled.loc[~gap, "open"], rows.loc[~gap, "open"])
    pd.testing.assert_frame_equal(filled.drop(columns="open"), rows.drop(columns="open"))


@pytest.mark.parametrize(
    ("values", "filling", "expected"),
    [
        (pd.Series(["a", None], dtype="category"), "new", ["a", "new"]),
        (pd.Series(["a", None], dtype="category"), 7, ["a", "7"]),
        (pd.Series([1.5, np.nan]), 2, [1.5, 2.0]),
        (pd.Series([1.5, np.nan]), "2.5", [1.5, 2.5]),
        (pd.Series(pd.to_datetime(["2024-01-01", None])), "2024-02-29", ["2024-01-01", "2024-02-29"]),
    ],
)
def test_a_filling_is_of_the_kind_of_its_column(values: pd.Series, filling: Any, expected: list[Any]) -> None:
    config = config_of(forecast={"fill": {"promo": filling}})
    made, counts = fill_rows(pd.DataFrame({"promo": values}), config)
    shown = made["promo"].dt.strftime("%Y-%m-%d") if values.dtype.kind == "M" else made["promo"]
    assert shown.tolist() == expected
    assert counts == {"promo": 1}


@pytest.mark.parametrize(
    ("values", "filling", "message"),
    [
        (pd.Series([1.5, np.nan]), "often", r"forecast\.fill\.promo: 'often' is not a number"),
        (pd.Series(pd.to_datetime(["2024-01-01", None])), "often", r"forecast\.fill\.promo: 'often' is not a date"),
        (pd.Series([1.5, np.nan]), "nan", "is not a number"),
    ],
)
def test_a_filling_of_another_kind_is_refused(values: pd.Series, filling: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fill_rows(pd.DataFrame({"promo": values}), config_of(forecast={"fill": {"promo": filling}}))
