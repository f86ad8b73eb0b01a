"""Rows of two tables meet by their key and no other way: against plain dictionaries, and what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.errors import DataError
from tabcli.evaluation.matching import match, numbers, plain_keys, require_same_kinds, row_text
from tests.conftest import examples

KEYS: dict[str, Any] = {
    "int": st.integers(-3, 3),
    "float": st.sampled_from([-1.5, 0.0, 2.0, np.nan]),
    "bool": st.booleans(),
    "date": st.sampled_from([pd.Timestamp("2024-02-29"), pd.Timestamp("2024-03-01 12:00"), pd.NaT]),
    "text": st.sampled_from(["a", "ä", "a ", None]),
}
DTYPES = {"int": "int64", "float": "float64", "bool": "bool", "date": "datetime64[us]", "text": "category"}


def plain(value: Any) -> Any:
    return None if pd.isna(value) else value


@st.composite
def pairs(draw: Any) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Actual rows by keys of one or two kinds, and predictions: the same rows in another order, and some more."""
    kinds = draw(st.lists(st.sampled_from(list(KEYS)), min_size=1, max_size=2, unique=True))
    made = draw(
        st.lists(st.tuples(*(KEYS[k] for k in kinds)), min_size=1, max_size=9, unique_by=lambda t: tuple(map(plain, t)))
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    keys = pd.DataFrame({k: pd.Series([row[i] for row in made], dtype=DTYPES[k]) for i, k in enumerate(kinds)})
    forecast = keys.iloc[rng.permutation(len(keys))].assign(units=rng.normal(size=len(keys)), more=rng.normal())
    forecast["own"] = np.arange(len(keys)) * 2
    n = int(rng.integers(1, len(keys) + 1))
    truth = keys.iloc[rng.permutation(len(keys))[:n]].assign(units=rng.normal(size=n), more=1.0)
    return forecast.assign(low=0.5 * forecast["units"]), truth, kinds


@examples(60)
@given(pairs())
def test_each_actual_row_gets_the_prediction_that_a_dictionary_of_keys_gives_it(
    made: tuple[pd.DataFrame, pd.DataFrame, list[str]],
) -> None:
    forecast, truth, keys = made
    rows, predictions = match(forecast, truth, ["units", "low"], keys)
    by_key = {tuple(map(plain, row[: len(keys)])): row for row in forecast[[*keys, "units", "low", "own"]].to_numpy()}
    expected = [by_key[tuple(map(plain, key))] for key in truth[keys].to_numpy()]
    assert predictions.to_numpy().tolist() == [[row[-3], row[-2]] for row in expected]
    assert rows["own"].tolist() == [row[-1] for row in expected], "a column of the predictions alone goes with them"
    assert list(rows.columns) == [*keys, "units", "more", "own"]
    for column in ("units", "more"):
        assert rows[column].tolist() == truth[column].tolist(), "of columns that both have, the actual rows' own"


@pytest.mark.parametrize("turned", [False, True])
def test_whole_numbers_meet_numbers_with_a_point_and_stay_as_they_were(turned: bool) -> None:
    """pandas alone warns where the others are not whole."""
    tables = [pd.DataFrame({"id": [1, 2], "u": [5.0, 6.0]}), pd.DataFrame({"id": [2.0, 1.0], "u": [7.0, 8.0]})]
    forecast, truth = (tables[i] for i in ((1, 0) if turned else (0, 1)))
    wider = pd.DataFrame({"id": [*forecast["id"], 3.5 if turned else 3], "u": 9.0})
    rows, made = match(pd.concat([forecast, wider.tail(1)]), truth, ["u"], ["id"])
    assert made["u"].tolist() == forecast["u"].tolist()[::-1]
    assert rows["id"].tolist() == truth["id"].tolist()
    assert rows["id"].dtype == truth["id"].dtype
    with pytest.raises(DataError, match=r"1 of 3 actual rows have no prediction, such as id=2\.5"):
        match(tables[0], pd.DataFrame({"id": [1.0, 2.5, 2.0], "u": 0.0}), ["u"], ["id"])


def test_a_column_of_the_name_that_is_used_within_is_kept() -> None:
    forecast = pd.DataFrame({"id": [1, 2], "u": [5.0, 6.0], "place": ["x", "y"], "place ": [3, 4]})
    rows, made = match(forecast, pd.DataFrame({"id": [2, 1], "u": [0.0, 0.0]}), ["u"], ["id"])
    assert rows[["place", "place "]].to_numpy().tolist() == [["y", 4], ["x", 3]]
    assert made["u"].tolist() == [6.0, 5.0]


def refusal(forecast: dict[str, Any], truth: dict[str, Any], keys: list[str]) -> DataError:
    with pytest.raises(DataError) as error:
        match(pd.DataFrame(forecast), pd.DataFrame(truth), ["u"], keys)
    return error.value


def test_what_does_not_match_is_told_with_its_columns_and_rows() -> None:
    told = refusal({"a": [1], "u": [1.0]}, {"b": [1], "u": [1.0]}, [])
    assert told.message == "predictions and actuals share no column but 'u'"
    assert told.hint == "predictions: a, u; actuals: b, u"
    twice, once = {"id": [1, 1], "u": [1.0, 2.0]}, {"id": [1], "u": [1.0]}
    assert refusal(twice, once, ["id"]).message == "predictions: 1 rows repeat the key (id) of another row: id=1"
    assert refusal(once, twice, ["id"]).message == "actuals: 1 rows repeat the key (id) of another row: id=1"
    more = {"id": [1, 7, 9], "day": ["x", "y", "z"], "u": [1.0, 2.0, 3.0]}
    told = refusal({"id": [1], "day": ["x"], "u": [1.0]}, more, ["id", "day"])
    assert told.message == "2 of 3 actual rows have no prediction, such as id=7, day=y"


@pytest.mark.parametrize(
    ("one", "other", "kinds"),
    [
        (["1"], [1], ("text", "int")),
        ([1.5], ["1.5"], ("float", "text")),
        (pd.to_datetime(["2024-01-01"]), ["2024-01-01"], ("date", "text")),
        ([True], pd.to_datetime(["2024-01-01"]), ("bool", "date")),
    ],
)
def test_texts_and_dates_are_no_other_kind(one: Any, other: Any, kinds: tuple[str, str]) -> None:
    tables = [pd.DataFrame({"k": pd.Series(values)}) for values in (one, other)]
    with pytest.raises(DataError, match=f"column 'k' is {kinds[0]} in the left and {kinds[1]} in the right"):
        require_same_kinds(*tables, ["k"], "left", "right")
    require_same_kinds(tables[0], tables[0].astype("category") if kinds[0] == "text" else tables[0], ["k"], "a", "b")


def test_numbers_are_all_there_or_the_rows_that_lack_one_are_counted() -> None:
    table = pd.DataFrame({"n": [1, 2], "x": [0.5, np.nan], "y": [np.inf, -np.inf], "t": ["1", "2"], "b": [True, False]})
    assert numbers(table, "n", "here").dtype == np.float64
    for column, message in (
        ("x", "here: column 'x': 1 rows have no number"),
        ("y", "here: column 'y': 2 rows have no number"),
        ("t", "here: column 't' holds no numbers"),
        ("b", "here: column 'b' holds no numbers"),
    ):
        with pytest.raises(DataError, match=message):
            numbers(table, column, "here")


def test_text_keys_become_plain_texts_and_others_stay() -> None:
    table = pd.DataFrame({"s": pd.Categorical(["b", None], ["b", "a"]), "n": [1, 2], "other": pd.Categorical([1, 2])})
    made = plain_keys(table, ["s", "n"])
    assert isinstance(made["s"].dtype, pd.StringDtype)
    assert [plain(v) for v in made["s"]] == ["b", None]
    assert made[["n", "other"]].equals(table[["n", "other"]])
    assert row_text(made, ["n", "s"], 0) == "n=1, s=b"
