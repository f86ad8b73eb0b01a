"""Each step of prep alone, from Python: what pandas and scikit-learn give, and what a state remembers."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

import tabcli
from tabcli.errors import BundleError, DataError, UsageError
from tabcli.preprocessing.categorical import FIRST_LEVEL, MISSING, UNKNOWN

Step = Literal["categorify", "fill-missing", "normalize"]
STEPS: tuple[Step, ...] = ("categorify", "fill-missing", "normalize")

TRAIN = pd.DataFrame(
    {
        "shop": ["b", "a", None, "b"],
        "open": [True, False, True, True],
        "size": [10.0, np.nan, 30.0, 20.0],
        "count": [1, 2, 3, 6],
    }
)
LATER = pd.DataFrame(
    {
        "shop": ["a", "new", None],
        "open": [False, True, True],
        "size": [np.nan, 70.0, 20.0],
        "count": [9, 9, 9],
    }
)


# ------------------------------------------------------------------------------------------ date parts


def test_the_parts_of_a_date_are_those_of_pandas_and_come_last() -> None:
    table = pd.DataFrame({"sold": [1, 2], "when_date": ["2024-02-29", "2023-12-31"]})
    made = tabcli.add_datepart(table, "when_date").table
    dates = pd.to_datetime(table["when_date"])
    assert list(made.columns[:2]) == ["sold", "when_Year"], (
        "the date is left out, its name without _date begins the others"
    )
    assert len(made.columns) == 1 + 13
    for part, values in {
        "Year": dates.dt.year,
        "Month": dates.dt.month,
        "Week": dates.dt.isocalendar().week,
        "Day": dates.dt.day,
        "Dayofweek": dates.dt.day_of_week,
        "Dayofyear": dates.dt.day_of_year,
        "Is_month_end": dates.dt.is_month_end,
        "Is_year_end": dates.dt.is_year_end,
        "Elapsed": dates.astype("datetime64[s]").astype("int64"),
    }.items():
        assert made[f"when_{part}"].astype("int64").tolist() == values.astype("int64").tolist(), part


def test_a_date_may_stay_have_a_time_and_another_prefix() -> None:
    table = pd.DataFrame({"t": ["2024-02-29 13:45:10", None]})
    made = tabcli.add_datepart(table, "t", prefix="at_", time=True, drop=False)
    assert len(made.table.columns) == 1 + 16
    assert made.table[["at_Hour", "at_Minute", "at_Second"]].iloc[0].tolist() == [13, 45, 10]
    assert made.counts == {"t": 1}
    assert "t 1" in repr(made)


@pytest.mark.parametrize(
    ("table", "column", "error", "message"),
    [
        ({"n": [1]}, "n", DataError, "column 'n'"),
        ({"when": ["2024-01-01"]}, "wen", DataError, "missing column 'wen'; did you mean 'when'?"),
        ({"d": ["2024-01-01"], "dYear": [1]}, "d", UsageError, "the table has the columns dYear already"),
    ],
)
def test_what_is_no_date_or_would_stand_twice_is_refused(
    table: dict[str, Any], column: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message.replace("?", r"\?")):
        tabcli.add_datepart(pd.DataFrame(table), column)


# ---------------------------------------------------------------------------------------- fit and apply


def test_categorify_gives_codes_in_the_order_of_the_sorted_levels(tmp_path: Path) -> None:
    made = tabcli.run_step("categorify", TRAIN, fit=tmp_path / "s.json")
    a, b = FIRST_LEVEL, FIRST_LEVEL + 1
    assert made.table["shop"].tolist() == [b, a, MISSING, b]
    assert made.table["open"].tolist() == [b, a, b, b]
    assert made.table["size"].tolist()[2:] == [30.0, 20.0], "numbers stay unless they are named"
    later = tabcli.run_step("categorify", LATER, state=tmp_path / "s.json")
    assert later.table["shop"].tolist() == [a, UNKNOWN, MISSING]
    assert later.counts["shop"] == {"missing": 1, "unknown": 1}


def test_fill_missing_is_scikit_learns_median_with_a_flag_for_what_was_missing(tmp_path: Path) -> None:
    made = tabcli.run_step("fill-missing", TRAIN, fit=tmp_path / "s.json").table
    numbers = ["size", "count"]
    imputer = SimpleImputer(strategy="median").fit(TRAIN[numbers])
    np.testing.assert_array_equal(made[numbers].to_numpy("float64"), imputer.transform(TRAIN[numbers]))
    assert made["size_na"].tolist() == [False, True, False, False]
    assert "count_na" not in made.columns
    later = tabcli.run_step("fill-missing", LATER, state=tmp_path / "s.json")
    np.testing.assert_array_equal(later.table[numbers].to_numpy("float64"), imputer.transform(LATER[numbers]))
    assert list(later.table.columns) == [*LATER.columns, "size_na"]
    assert later.counts == {"size": 1, "count": 0}


def test_normalize_is_scikit_learns_scaler(tmp_path: Path) -> None:
    made = tabcli.run_step("normalize", TRAIN[["count"]], fit=tmp_path / "s.json").table
    scaler = StandardScaler().fit(TRAIN[["count"]].to_numpy("float64"))
    np.testing.assert_allclose(made["count"], scaler.transform(TRAIN[["count"]].to_numpy("float64"))[:, 0], rtol=1e-6)
    later = tabcli.run_step("normalize", LATER, state=tmp_path / "s.json").table
    np.testing.assert_allclose(later["count"], scaler.transform(LATER[["count"]].to_numpy("float64"))[:, 0], rtol=1e-6)


@pytest.mark.parametrize("step", STEPS)
def test_a_state_gives_for_the_rows_it_learned_from_what_fitting_gave(step: Step, tmp_path: Path) -> None:
    table = TRAIN if step != "normalize" else TRAIN[["count", "open", "shop"]]
    first = tabcli.run_step(step, table, fit=tmp_path / "s.json")
    again = tabcli.run_step(step, table, state=tmp_path / "s.json")
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.counts == again.counts
    half = tabcli.run_step(step, table.iloc[2:].reset_index(drop=True), state=tmp_path / "s.json")
    pd.testing.assert_frame_equal(half.table, first.table.iloc[2:].reset_index(drop=True), check_categorical=False)


@pytest.mark.parametrize("step", STEPS)
def test_chosen_columns_alone_are_replaced(step: Step, tmp_path: Path) -> None:
    made = tabcli.run_step(step, TRAIN, fit=tmp_path / "s.json", columns=["count"]).table
    others = ["shop", "open", "size"]
    read = tabcli.run_step("normalize", TRAIN, fit=tmp_path / "other.json", columns=["count"]).table
    pd.testing.assert_frame_equal(made[others], read[others])
    if step != "fill-missing":
        assert made["count"].tolist() != TRAIN["count"].tolist()


# -------------------------------------------------------------------------------------------- refusals


def test_exactly_one_of_fit_and_state_is_given(tmp_path: Path) -> None:
    for both in ({}, {"fit": tmp_path / "a", "state": tmp_path / "b"}):
        with pytest.raises(UsageError, match="give either --fit STATE"):
            tabcli.run_step("normalize", TRAIN, **both)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--columns goes with --fit"):
        tabcli.run_step("normalize", TRAIN, state=tmp_path / "a", columns=["count"])
    with pytest.raises(UsageError, match="no such file") as error:
        tabcli.run_step("normalize", TRAIN, state=tmp_path / "a")
    assert "make it with `tabcli normalize TABLE OUT --fit" in str(error.value.hint)


def test_the_state_of_another_step_or_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    tabcli.run_step("categorify", TRAIN, fit=path)
    assert json.loads(path.read_text())["stage"] == "categorify"
    with pytest.raises(BundleError, match="the state of categorify, not of normalize"):
        tabcli.run_step("normalize", TRAIN, state=path)
    path.write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        tabcli.run_step("categorify", TRAIN, state=path)


@pytest.mark.parametrize("step", STEPS)
def test_a_table_without_a_learned_column_is_refused(step: Step, tmp_path: Path) -> None:
    tabcli.run_step(step, TRAIN, fit=tmp_path / "s.json", columns=["count"])
    with pytest.raises(DataError, match="missing column 'count'"):
        tabcli.run_step(step, TRAIN[["shop"]], state=tmp_path / "s.json")


# ------------------------------------------------------------------------------ evaluate and inspect


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantile": 0.0}, "--quantile 0: expected a number between 0 and 1"),
        ({"date": "day"}, "--history goes with --date"),
        ({"history": TRAIN}, "--history goes with --date"),
        ({"series": ["shop"]}, "--history goes with --date"),
    ],
)
def test_options_of_evaluate_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    table = pd.DataFrame({"id": [1], "y": [2.0]})
    with pytest.raises(UsageError, match=message):
        tabcli.evaluate(table, table, **options)


def test_inspect_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or directory"):
        tabcli.inspect(tmp_path / "none")
