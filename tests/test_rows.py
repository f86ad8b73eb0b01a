"""Rows put together, told apart, taken and matched: each against what pandas or a plain loop gives."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli import parallel
from tabcli.config.values import Not
from tabcli.errors import ConfigError, DataError
from tabcli.parallel import FEW, parallel_map
from tabcli.tables.kinds import Kinds, is_number, is_text, is_whole, kind_of, plain_values, require_columns
from tabcli.tables.levels import levels_of, matching, rows_text, set_missing, spread
from tabcli.tables.rows import (
    condition_text,
    distinct_rows,
    draw_by_key,
    frame_of,
    matches,
    moment_keys,
    moments_of,
    seconds_of,
    stack,
    take,
)
from tests.conftest import examples

MOMENTS = st.datetimes(pd.Timestamp("1900-01-01").to_pydatetime(), pd.Timestamp("2200-01-01").to_pydatetime())


def text(values: list[str | None], name: str = "text") -> pd.Series:
    return pd.Series(values, dtype="str", name=name).astype("category")


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """A column of each kind, with missing values where the kind has such."""
    n = draw(st.integers(1, 12))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    days = column(st.none() | MOMENTS.map(lambda m: m.replace(microsecond=0)))
    return pd.DataFrame(
        {
            "text": text(column(st.sampled_from(["a", "b", "ä", None]))),
            "whole": pd.Series(column(st.integers(-3, 3)), dtype="int64"),
            "number": pd.Series(column(st.none() | st.sampled_from([0.5, -1.0, 2.0])), dtype="float64"),
            "flag": pd.Series(column(st.booleans()), dtype="bool"),
            "day": pd.Series(days, dtype="datetime64[us]"),
        }
    )


# ---------------------------------------------------------------------------------------------- kinds


def test_a_table_knows_the_kind_of_each_column_and_those_of_a_kind() -> None:
    table = pd.DataFrame(
        {
            "n": pd.Series([1, 2], dtype="int64"),
            "x": [0.5, np.nan],
            "t": text(["a", None]),
            "m": pd.Series(["2024-01-01", None], dtype="datetime64[us]"),
            "b": [True, False],
            "y": [1.0, 2.0],
        }
    )
    kinds = Kinds.of(table)
    assert list(kinds.items()) == [
        ("n", "int"),
        ("x", "float"),
        ("t", "text"),
        ("m", "date"),
        ("b", "bool"),
        ("y", "float"),
    ]
    assert kinds.numbers == ["n", "x", "y"]
    assert kinds.only("text", "date") == ["t", "m"]
    assert kinds.only() == []


@examples(20)
@given(tables())
def test_what_a_column_is_asked_for_alone_is_what_the_table_says(table: pd.DataFrame) -> None:
    kinds = Kinds.of(table)
    assert [c for c in table if is_text(table[c])] == kinds.only("text")
    assert [c for c in table if is_number(table[c])] == kinds.numbers
    assert [c for c in table if is_whole(table[c])] == kinds.only("int")
    for name, column in table.items():
        values = plain_values(column)
        assert list(pd.Series(values).isna()) == list(column.isna())
        assert not isinstance(getattr(values, "dtype", None), pd.CategoricalDtype), name


def test_a_column_that_was_not_normalised_has_no_kind() -> None:
    with pytest.raises(TypeError, match="'c' of dtype complex128 was not normalised"):
        kind_of(pd.Series([1j], name="c"))


def test_missing_columns_are_named_together_each_with_the_nearest() -> None:
    table = pd.DataFrame({"price": [1], "store": [2]})
    require_columns(table, ["store", "price"], "t.csv")
    with pytest.raises(DataError) as error:
        require_columns(table, ["pirce", "store", "zzz"], "t.csv")
    assert error.value.message == "t.csv: missing columns 'pirce'; did you mean 'price'?, 'zzz'"
    assert error.value.hint == "it has: price, store"


# ------------------------------------------------------------------------------------- told apart, taken


@examples(40)
@given(tables(), st.lists(st.sampled_from(["text", "whole", "number", "flag", "day"]), min_size=1, unique=True))
def test_keys_are_numbered_as_pandas_numbers_its_groups(table: pd.DataFrame, columns: list[str]) -> None:
    numbers, first = distinct_rows(table, columns)
    expected = table.groupby(columns, sort=False, dropna=False, observed=True).ngroup()
    assert numbers.tolist() == expected.tolist()
    assert first.tolist() == np.flatnonzero(~table.duplicated(columns)).tolist()


def test_many_columns_of_many_values_do_not_overflow() -> None:
    """The product of the counts is far beyond 64 bits."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"c{i}": rng.permutation(2000) for i in range(8)})
    table = pd.concat([table, table.iloc[[5]]], ignore_index=True)
    numbers, first = distinct_rows(table, list(table.columns))
    assert numbers.tolist() == [*range(2000), 5]
    assert first.tolist() == list(range(2000))


@examples(40)
@given(tables(), st.data())
def test_values_at_positions_are_those_and_missing_at_minus_one(table: pd.DataFrame, data: st.DataObject) -> None:
    at = np.array(data.draw(st.lists(st.integers(-1, len(table) - 1), min_size=1)), dtype="int64")
    for name, column in table.items():
        got = pd.Series(take(column, at))
        expected = [None if i < 0 or pd.isna(column.iloc[i]) else column.iloc[i] for i in at]
        assert [None if pd.isna(v) else v for v in got] == expected, name
        if not (at < 0).any():
            assert kind_of(got) == kind_of(column)
        elif name in ("whole", "flag"):
            assert kind_of(got) == "float"


@examples(30)
@given(tables(), tables())
def test_one_table_below_another_has_the_rows_of_both(upper: pd.DataFrame, lower: pd.DataFrame) -> None:
    made = stack(upper, lower.drop(columns="number"))
    assert list(made.columns) == list(upper.columns)
    assert Kinds.of(made) == Kinds.of(upper)
    for name in ("text", "whole", "flag", "day"):
        expected = [*upper[name].astype(object), *lower[name].astype(object)]
        assert [None if pd.isna(v) else v for v in made[name]] == [None if pd.isna(v) else v for v in expected]
    assert made["number"].iloc[len(upper) :].isna().all()


def test_a_table_of_columns_takes_them_without_a_copy() -> None:
    values = np.arange(5.0)
    table = frame_of({"x": values})
    assert np.shares_memory(table["x"].to_numpy(), values)


# -------------------------------------------------------------------------------------------- moments


@examples(60)
@given(st.lists(st.tuples(st.integers(0, 2**27 - 1), MOMENTS), min_size=1, max_size=8))
def test_keys_of_moments_sort_by_group_then_time_and_give_the_moment_back(rows: list[tuple[int, Any]]) -> None:
    groups = np.array([group for group, _ in rows], dtype="int64")
    dates = pd.Series([moment for _, moment in rows], dtype="datetime64[us]").dt.floor("s")
    keys = moment_keys(groups, seconds_of(dates))
    assert moments_of(keys).tolist() == dates.dt.to_pydatetime().tolist()
    assert np.argsort(keys, kind="stable").tolist() == sorted(
        range(len(rows)), key=lambda i: (groups[i], dates.iloc[i])
    )


# ----------------------------------------------------------------------------------- drawing by the key


def test_what_a_row_draws_depends_on_its_key_and_the_seed_alone() -> None:
    table = pd.DataFrame({"shop": text(["a", "b", "c", "a"]), "day": [1, 1, 1, 2]})
    drawn = draw_by_key(table, 7)
    assert drawn.dtype == "uint64"
    assert len({*drawn.tolist()}) == 4
    mixed = table.iloc[[2, 0]].assign(shop=text(["z", "c", "a"])[1:].to_numpy())
    assert draw_by_key(mixed.astype({"shop": "category"}), 7).tolist() == drawn[[2, 0]].tolist()
    assert not (draw_by_key(table, 8) == drawn).any()


def test_draws_are_spread_evenly() -> None:
    keys = pd.DataFrame({"n": np.arange(20_000)})
    share = draw_by_key(keys, 1) / 2**64
    counts = np.histogram(share, 10, (0, 1))[0]
    assert counts.min() > 1850
    assert counts.max() < 2150


# ------------------------------------------------------------------------------------------ conditions

CONDITIONS: list[tuple[str, Any]] = [
    ("text", "a"),
    ("text", ("a", "b")),
    ("text", Not(not_="a")),
    ("text", Not(not_=("a", "ä"))),
    ("whole", 1),
    ("whole", (1, 2)),
    ("whole", Not(not_=0)),
    ("number", 0.5),
    ("number", Not(not_=0.5)),
    ("flag", True),
    ("flag", 0),
]


@pytest.mark.parametrize(("name", "wanted"), CONDITIONS)
@examples(15)
@given(table=tables())
def test_a_condition_holds_where_a_loop_over_rows_says_so(name: str, wanted: Any, table: pd.DataFrame) -> None:
    negate = isinstance(wanted, Not)
    values = wanted.not_ if negate else wanted
    values = values if isinstance(values, tuple) else (values,)
    expected = [not pd.isna(v) and (v in values) != negate for v in table[name]]
    assert matches(table, {name: wanted}, "here").tolist() == expected


def test_conditions_hold_together_and_are_told() -> None:
    table = pd.DataFrame({"open": [1, 1, 0], "kind": text(["x", "y", "x"])})
    condition: Any = {"open": 1, "kind": "x"}
    assert matches(table, condition, "here").tolist() == [True, False, False]
    assert condition_text(condition) == "open: 1, kind: x"
    with pytest.raises(ConfigError, match=r"here: the condition on 'open' compares int values with 'yes'") as error:
        matches(table, {"open": "yes"}, "here")
    assert "dtypes: {open: str}" in str(error.value.hint)


# ---------------------------------------------------------------------------------------------- levels


@pytest.mark.parametrize(
    ("positions", "expected"),
    [([0], "row 1"), ([0, 4], "rows 1, 5"), ([1, 2, 3], "rows 2, 3, 4"), ([1, 2, 3, 4], "rows 2, 3, 4, …")],
)
def test_rows_are_counted_from_one(positions: list[int], expected: str) -> None:
    assert rows_text(positions, pd.RangeIndex(10)) == expected


def test_rows_keep_the_number_that_they_had_in_the_file() -> None:
    assert rows_text([0, 1], pd.Index([7, 9])) == "rows 8, 10"


def test_words_taken_as_missing_leave_the_levels_and_so_do_unused_ones() -> None:
    column = text(["x", "-", "y", None, "x"]).cat.add_categories(["unused"])
    made = set_missing(column, ["-", "none of these"])
    assert made.isna().tolist() == [False, True, False, True, False]
    assert made.cat.categories.tolist() == ["x", "y"]
    plain = text(["x", "y"])
    assert set_missing(plain, [""]) is plain


def test_work_done_per_level_is_spread_to_the_rows() -> None:
    column = text(["b", "a1", None, "b"])
    levels = levels_of(column)
    assert levels.to_pylist() == ["a1", "b"]
    found = matching(levels, r"\d")
    assert found.tolist() == [True, False]
    assert spread(column, found, False).tolist() == [False, True, False, False]
    assert spread(column, np.array([3.0, 4.0]), np.nan)[[0, 1, 3]].tolist() == [4.0, 3.0, 4.0]


# --------------------------------------------------------------------------------------------- threads


def test_results_come_in_the_order_of_the_items_and_threads_are_used_for_many_rows() -> None:
    seen: list[int] = []

    def make(n: int) -> int:
        seen.append(threading.get_ident())
        return n * n

    assert parallel_map(make, range(20), FEW - 1) == [n * n for n in range(20)]
    assert {*seen} == {threading.get_ident()}
    seen.clear()
    assert parallel_map(make, range(20)) == [n * n for n in range(20)]
    assert threading.get_ident() not in seen


def test_an_error_in_a_thread_is_that_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FEW", 0)

    def items() -> Iterator[int]:
        yield from range(3)

    def refuse(n: int) -> int:
        raise DataError(f"item {n}")

    with pytest.raises(DataError, match="item 0"):
        parallel_map(refuse, items())
