"""Joins: against loops and pandas, and the table kept once per key against the same table laid out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabcli.config.data import Join
from tabcli.config.features import History
from tabcli.errors import ConfigError, DataError
from tabcli.features.frequency import Frequency
from tabcli.preprocessing.columns import Preprocessor
from tabcli.tables.joins import FactorizedTable, LookupTable, by_key, join_table
from tabcli.target_history.grid import Grid


def test_a_left_join_keeps_rows_and_counts_those_without_match() -> None:
    rows = pd.DataFrame({"k": [3, 1, 9, 1], "s": pd.Categorical(["b", "a", "b", "z"])})
    lookup = pd.DataFrame(
        {"k": [1, 3], "n": [10, 30], "f": [True, False], "w": pd.Categorical(["x", None]), "unused": [0, 0]}
    )
    joined, unmatched = join_table(
        rows, LookupTable.of(lookup, Join(table="t", on="k")), date="d", columns={"n", "f", "w"}
    )  # type: ignore[arg-type]
    assert unmatched == 1
    assert list(joined.columns) == ["k", "s", "n", "f", "w"]
    np.testing.assert_array_equal(joined["n"], [30, 10, np.nan, 10])
    assert joined["w"].isna().tolist() == [True, False, True, False]
    pd.testing.assert_frame_equal(joined.frame(["k", "s"]), rows)


def test_a_join_on_two_keys_of_different_categories() -> None:
    rows = pd.DataFrame({"s": pd.Categorical(["b", "a", "c", None]), "d": [1, 1, 2, 1]})
    lookup = pd.DataFrame(
        {"d": [1, 2, 1], "s": pd.Categorical(["a", "c", "b"], categories=["c", "b", "a"]), "v": [1, 2, 3]}
    )
    joined, unmatched = join_table(rows, LookupTable.of(lookup, Join(table="t", on=("s", "d"))), date="d")
    np.testing.assert_array_equal(joined["v"], [3, 1, 2, np.nan])
    assert unmatched == 1


def test_joins_that_are_not_many_to_one_or_clash_are_refused() -> None:
    rows = pd.DataFrame({"k": [1, 2], "v": [0, 0]})
    twice = pd.DataFrame({"k": [1, 1, 2], "x": [1, 2, 3]})
    with pytest.raises(DataError, match=r"table t: 1 rows repeat the key \(k\) of another row: k=1"):
        join_table(rows, LookupTable.of(twice, Join(table="t", on=("k",))), date="d")
    with pytest.raises(
        DataError, match=r"'k' is int in the rows but text .*\n.*'k': 1 of 3 rows hold no number: 'x' in row 2"
    ):
        join_table(
            rows,
            LookupTable.of(pd.DataFrame({"k": pd.Categorical(["1", "x", "2"])}), Join(table="t", on=("k",))),
            date="d",
        )
    with pytest.raises(DataError, match=r"'k' is int in the rows but text in the joined table$"):
        join_table(
            rows, LookupTable.of(pd.DataFrame({"k": pd.Categorical(["1"])}), Join(table="t", on=("k",))), date="d"
        )
    with pytest.raises(ConfigError, match="the rows have columns of these names already: v"):
        join_table(rows, LookupTable.of(pd.DataFrame({"k": [1], "v": [1]}), Join(table="t", on=("k",))), date="d")
    with pytest.raises(DataError, match="missing column 'key'"):
        join_table(rows, LookupTable.of(twice, Join(table="t", on=("key",))), date="d")


moments = st.integers(0, 40)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), moments), min_size=1, max_size=25),
    lookup=st.sets(st.tuples(st.sampled_from("abd"), moments), min_size=1, max_size=25),
    lag=st.integers(0, 9),
    max_age=st.one_of(st.none(), st.integers(0, 20)),
)
def test_an_as_of_join_equals_a_loop_and_never_looks_ahead(
    rows: list[tuple[str, int]], lookup: set[tuple[str, int]], lag: int, max_age: int | None
) -> None:
    def days(values: list[int]) -> Any:
        return (np.array(values) * 86_400).astype("datetime64[s]").astype("datetime64[us]")

    left = pd.DataFrame({"g": pd.Categorical([g for g, _ in rows]), "d": days([d for _, d in rows])})
    ordered = list(lookup)
    right = pd.DataFrame(
        {"g": pd.Categorical([g for g, _ in ordered]), "end": days([d for _, d in ordered]), "v": range(len(ordered))}
    )
    join = Join(table="t", on=("g",), as_of="end", lag=f"{lag}d", max_age=None if max_age is None else f"{max_age}d")  # type: ignore[arg-type]
    made, unmatched = join_table(left, LookupTable.of(right, join), date="d")
    expected = []
    for group, day in rows:
        old = [(d, i) for i, (g, d) in enumerate(ordered) if g == group and d + lag <= day]
        best = max(old, default=(None, np.nan))
        expected.append(np.nan if best[0] is None or (max_age is not None and day - best[0] > max_age) else best[1])
    np.testing.assert_array_equal(made["v"].astype("float64"), expected)
    assert unmatched == np.isnan(np.array(expected, dtype="float64")).sum()


def test_side_rows_without_a_key_are_never_found() -> None:
    lookup = pd.DataFrame({"a": [1.0, np.nan, np.nan], "b": [1, 1, 2], "v": [10, 20, 30]})
    rows = pd.DataFrame({"a": [1.0, np.nan, 2.0], "b": [1, 1, 1]})
    joined, unmatched = join_table(rows, LookupTable.of(lookup, Join(table="t", on=("a", "b"))), date="d")
    np.testing.assert_array_equal(joined["v"], [10, np.nan, np.nan])
    assert unmatched == 2


def test_side_rows_without_their_date_are_never_found() -> None:
    days = pd.to_datetime(["2020-01-01", None, "2020-01-05"]).astype("datetime64[us]")
    lookup = pd.DataFrame({"k": [1, 2, 2], "end": days, "v": [10, 20, 30]})
    rows = pd.DataFrame({"k": [1, 2, 2], "d": pd.to_datetime(["2020-01-09", "2020-01-04", "2020-01-09"])})
    made, unmatched = join_table(rows, LookupTable.of(lookup, Join(table="t", on=("k",), as_of="end")), date="d")
    np.testing.assert_array_equal(made["v"], [10, np.nan, 30])
    assert unmatched == 1


# --------------------------------------------------------------------------- what is kept once per key


def star(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, list[LookupTable]]:
    """Rows of few shops, a table of shops, one of their regions, and one of regions and days."""
    shops, days = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    rows = pd.DataFrame(
        {"shop": rng.integers(0, shops + 1, n), "day": rng.integers(0, days, n), "own": rng.normal(size=n)}
    )
    regions = pd.Categorical.from_codes(rng.integers(-1, 3, shops), categories=["n", "s", "w"])
    size = np.where(rng.random(shops) < 0.3, np.nan, rng.integers(0, 4, shops) / 2)
    shop = pd.DataFrame({"shop": np.arange(shops), "region": regions, "size": size, "kind": rng.integers(0, 3, shops)})
    region = pd.DataFrame({"region": pd.Categorical(["s", "n"]), "people": [5, 7]})
    weather = pd.DataFrame(
        [(r, d, 10 * d + len(r)) for r in "nsw" for d in range(days - 1)], columns=["region", "day", "rain"]
    )
    weather = weather.astype({"region": "category", "day": "int64", "rain": "int64"})
    on: list[tuple[pd.DataFrame, Any]] = [(shop, ["shop"]), (region, ["region"]), (weather, ["region", "day"])]
    return rows, [LookupTable.of(table, Join(table="t", on=tuple(keys))) for table, keys in on]


def joined(rows: pd.DataFrame, lookups: Sequence[LookupTable]) -> tuple[FactorizedTable, list[int]]:
    table, unmatched = FactorizedTable.of(rows), []
    for lookup in lookups:
        table, n = join_table(table, lookup, date="day")
        unmatched.append(n)
    return table, unmatched


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_joins_one_upon_another_equal_pandas_merges(seed: int, n: int) -> None:
    rows, lookups = star(np.random.default_rng(seed), n)
    table, unmatched = joined(rows, lookups)
    expected = rows
    for lookup, n_unmatched in zip(lookups, unmatched, strict=True):
        keys = list(lookup.join.on)
        plain, other = (t.astype(dict.fromkeys(keys, object)) for t in (expected, lookup.table))
        other = other.dropna(subset=keys)  # pandas would match a missing key with a missing one
        merged = plain.merge(other, on=keys, how="left", indicator=True)
        assert n_unmatched == (merged["_merge"] == "left_only").sum()
        expected = merged.drop(columns="_merge")
    assert table.columns == list(expected.columns)
    for name in expected.columns:
        found = table[name].astype(object)
        assert [v if pd.notna(v) else None for v in found] == [v if pd.notna(v) else None for v in expected[name]]
    pd.testing.assert_frame_equal(table.head(n // 2).frame(), table.frame().iloc[: n // 2])


def test_what_a_shop_has_is_kept_once_per_shop() -> None:
    rows, lookups = star(np.random.default_rng(1), 1000)
    table, _ = joined(rows, lookups)
    n_shops = rows["shop"].nunique()
    assert {name: len(c.values) for name, c in table.stored.items() if name in ("size", "region", "people", "own")} == {
        "size": n_shops,
        "region": n_shops,
        "people": n_shops,  # by the region, which is known by shop
        "own": 1000,
    }
    assert len(table.stored["rain"].values) <= 4 * rows["day"].nunique()
    asked = []
    doubled = by_key(table, ["size"], lambda keys: asked.append(len(keys)) or 2 * keys["size"].to_numpy())
    assert asked == [n_shops]
    np.testing.assert_array_equal(doubled, 2 * table["size"].to_numpy())


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(30, 200))
def test_preprocessing_by_key_equals_preprocessing_row_by_row(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows, lookups = star(rng, n)
    table, _ = joined(rows, lookups)
    roles = ["shop", "region", "kind", "rain"], [c for c in ("own", "size", "people") if table[c].notna().any()]
    chosen = np.flatnonzero(rng.random(n) < 0.7)
    try:
        whole = Preprocessor.fit(table.frame(), *roles, chosen)
    except DataError as error:  # no value in the chosen rows
        with pytest.raises(DataError, match=str(error)[:60]):
            Preprocessor.fit(table, *roles, chosen)
        return
    fitted = Preprocessor.fit(table, *roles, chosen)
    assert fitted.categorify == whole.categorify
    assert fitted.fill_missing == whole.fill_missing
    for name in roles[1]:
        assert fitted.normalize.means_[name] == pytest.approx(whole.normalize.means_[name], rel=1e-12, abs=1e-12)
        assert fitted.normalize.stds_[name] == pytest.approx(whole.normalize.stds_[name], rel=1e-12)
    parts = {"some": chosen, "all": slice(None)}
    for part, made in whole.transform_parts(table, parts).items():
        whole_rows = whole.transform_parts(table.frame(), parts)[part]
        pd.testing.assert_frame_equal(made.table, whole_rows.table, check_exact=True)
        assert (made.codes, made.filled) == (whole_rows.codes, whole_rows.filled)
        np.testing.assert_array_equal(made.n_filled, whole_rows.n_filled)


def test_a_column_that_is_replaced_has_new_keys() -> None:
    table = FactorizedTable.of(pd.DataFrame({"a": [1, 2] * 10}))
    assert len(table.factorize(["a"])[0]) == 2
    keys, at = table.with_columns({"a": np.array([5, 6, 7, 8, 9] * 4)}).factorize(["a"])
    assert keys["a"].tolist() == [5, 6, 7, 8, 9]
    assert at is not None
    assert at.tolist() == [0, 1, 2, 3, 4] * 4


def test_what_is_wrong_in_a_joined_column_is_told_by_the_rows() -> None:
    lookup = pd.DataFrame({"shop": [4, 3, 2, 1], "size": pd.Categorical(["1", "2", "x", "3"])})
    table, _ = join_table(
        pd.DataFrame({"shop": np.repeat([1, 2, 3, 4], 30)}),
        LookupTable.of(lookup, Join(table="t", on=("shop",))),
        date="d",
    )
    with pytest.raises(DataError, match=r"30 of 120 rows hold no number: 'x' in rows 31, 32, 33"):
        Preprocessor.fit(table, ["shop"], ["size"])


def test_the_cells_of_a_history_may_come_from_a_joined_table() -> None:
    rows, lookups = star(np.random.default_rng(3), 200)
    days = np.datetime64("2020-01-01", "us") + np.arange(200).astype("timedelta64[D]")
    table = joined(rows, lookups)[0].with_columns({"date": days})
    assert table.stored["region"].codes is not None
    config = History(effects=("region", "kind"))
    frame = table.frame()
    grid = Grid.fit(frame, "date", config, frequency=Frequency.of(frame["date"]), horizon=7, known=frame)
    series = frame["shop"].to_numpy()
    np.testing.assert_array_equal(
        grid.positions(table, "date", series).cell, grid.positions(frame, "date", series).cell
    )
    assert len(grid.cells) > 4


@pytest.mark.parametrize("as_of", [None, "on"])
def test_keys_of_more_combinations_than_fit_find_their_own_rows(as_of: str | None) -> None:
    """20,000 × 20,000 combinations beside a moment do not fit in 64 bits: rows lost theirs, or took another's."""
    rng, n = np.random.default_rng(0), 20_000
    lookup = pd.DataFrame(
        {"a": rng.permutation(n), "b": rng.permutation(n), "c": rng.permutation(n), "v": np.arange(n)}
    )
    lookup["on"] = pd.Timestamp("2020-01-01")
    rows = lookup[["a", "b", "c"]].iloc[::-1].reset_index(drop=True)
    rows.loc[:99, "c"] = n - 1 - rows.loc[:99, "c"]  # each value is there, the combination is not
    rows["day"] = pd.Timestamp("2020-01-05")
    table = lookup if as_of else lookup.drop(columns="on")
    join = Join(table="t", on=("a", "b", "c"), as_of=as_of)
    joined, unmatched = join_table(rows, LookupTable.of(table, join), date="day", columns={"v"})
    expected = rows.merge(lookup, on=["a", "b", "c"], how="left")["v"]
    np.testing.assert_array_equal(joined["v"], expected)
    assert unmatched == expected.isna().sum() > 90


def test_tables_made_from_the_same_one_do_not_share_what_they_found() -> None:
    rows = FactorizedTable.of(pd.DataFrame({"k": np.arange(40) % 2}))
    one, two = (rows.with_columns({"x": (np.arange(40) % 2) + plus}) for plus in (0, 10))
    assert one.factorize(["x"])[0]["x"].tolist() == [0, 1]
    assert two.factorize(["x"])[0]["x"].tolist() == [10, 11]
