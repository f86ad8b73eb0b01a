"""Wide tables made long and lines of sale made rows, against what pandas does; tables written and read again."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.data import Aggregate, Melt, Table
from tabcli.config.values import Duration
from tabcli.errors import DataError, UsageError
from tabcli.tables.kinds import Kinds
from tabcli.tables.reading import read_table
from tabcli.tables.shapes import aggregated, melted, start_of
from tabcli.tables.writing import write_table
from tests.conftest import examples


def melt(**values: Any) -> Melt:
    return Melt.model_validate(values)


def rule(**values: Any) -> Aggregate:
    return Aggregate.model_validate(values)


def words(values: list[str | None]) -> pd.Series:
    return pd.Series(values, dtype="str").astype("category")


# ---------------------------------------------------------------------------------------- wide → long


@examples(30)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
def test_a_wide_table_is_what_pandas_melts_less_the_empty_cells(n: int, n_wide: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wide = pd.DataFrame({"shop": words([f"s{i}" for i in range(n)]), "size": rng.integers(1, 9, n)})
    for i in range(n_wide):
        values = rng.integers(0, 50, n).astype("float64")
        wide[f"item {i}"] = np.where(rng.random(n) < 0.2, np.nan, values)
    made = melted(wide, melt(keep=["shop", "size"], names="item", values="sold"), "t")
    plain = wide.assign(shop=wide["shop"].astype("str"))
    expected = plain.melt(["shop", "size"], var_name="item", value_name="sold").dropna(ignore_index=True)
    assert Kinds.of(made) == {"shop": "text", "size": "int", "item": "text", "sold": "float"}
    got = made.astype({"shop": "str", "item": "str"})
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("1d", ["2024-01-31", "2024-02-01", "2024-02-03"]),
        ("1w", ["2024-01-31", "2024-02-07", "2024-02-21"]),
        ("2h", ["2024-01-31 00:00", "2024-01-31 02:00", "2024-01-31 06:00"]),
        ("1mo", ["2024-01-31", "2024-02-29", "2024-04-30"]),
    ],
)
def test_numbered_columns_become_dates_a_step_apart(step: str, expected: list[str]) -> None:
    wide = pd.DataFrame({"id": [1], "d_1": [10], "d_2": [20], "d_4": [40]})
    made = melted(wide, melt(keep=["id"], names="date", values="sold", start="2024-01-31", step=step), "t")
    assert made["date"].tolist() == [pd.Timestamp(e) for e in expected]
    assert made["sold"].tolist() == [10.0, 20.0, 40.0]


@pytest.mark.parametrize(
    ("columns", "options", "message", "hint"),
    [
        ({"name": words(["a"])}, {}, "melt: 1 of 2 columns hold no numbers, such as 'name': 'a' in row 1", "name"),
        ({"name": words([None])}, {}, "such as 'name': no value", "name"),
        ({"x": [1]}, {"start": "2024-01-01"}, "a number at their end, as d_17 has; 1 of 2 have none: x", "melt.keep"),
        ({}, {"keep": ["id", "n1"]}, "melt keeps all columns", "its columns: id, n1"),
        ({}, {"keep": ["idd"]}, "missing column 'idd'; did you mean 'id'?", "it has: id, n1"),
    ],
)
def test_a_table_that_cannot_be_melted_says_why(
    columns: dict[str, Any], options: dict[str, Any], message: str, hint: str
) -> None:
    wide = pd.DataFrame({"id": [1], "n1": [2], **columns})
    with pytest.raises(DataError) as error:
        melted(wide, melt(**{"keep": ["id"], "names": "when", "values": "sold", **options}), "t.csv")
    assert message in error.value.message
    assert hint in str(error.value.hint)


# -------------------------------------------------------------------------------- lines of sale → rows


@st.composite
def lines(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(1, 20))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    return pd.DataFrame(
        {
            "shop": words(column(st.sampled_from(["a", "b", None]))),
            "day": pd.Series(column(st.sampled_from(["2024-01-01", "2024-01-05"])), dtype="datetime64[us]"),
            "amount": pd.Series(column(st.none() | st.sampled_from([1.0, 2.5])), dtype="float64"),
            "price": pd.Series(column(st.sampled_from([2.0, 4.0])), dtype="float64"),
            "offer": pd.Series(column(st.integers(0, 1)), dtype="int64"),
            "kind": words(column(st.sampled_from(["x", "y"]))),
        }
    )


@examples(40)
@given(lines())
def test_added_up_lines_are_what_a_loop_over_keys_gives(table: pd.DataFrame) -> None:
    by = ["shop", "day"]
    made = aggregated(table, rule(by=by, sum=["amount"], mean=["price"], max=["offer"], last=["kind"], count="n"), "t")
    plain = table.assign(shop=table["shop"].astype(object).where(table["shop"].notna(), None))
    keys = list(dict.fromkeys(zip(plain["shop"], plain["day"], strict=True)))
    assert len(made) == len(keys)
    for (shop, day), row in zip(keys, made.itertuples(), strict=True):
        own = plain[np.array([s == shop for s in plain["shop"]]) & (plain["day"] == day)]
        amounts = own["amount"].dropna()
        assert (None if pd.isna(row.shop) else row.shop, row.day) == (shop, day)
        assert row.amount == amounts.sum() if len(amounts) else pd.isna(row.amount)
        assert row.price == pytest.approx(own["price"].mean())
        assert (row.offer, row.kind, row.n) == (own["offer"].max(), own["kind"].iloc[-1], len(own))


def test_keys_alone_and_their_count_are_enough() -> None:
    table = pd.DataFrame({"shop": words(["a", "b", "a"])})
    assert aggregated(table, rule(by=["shop"], count="n"), "t")["n"].tolist() == [2, 1]


@pytest.mark.parametrize(("how", "column", "kind"), [("sum", "kind", "text"), ("mean", "day", "date")])
def test_texts_and_dates_cannot_be_added_up(how: str, column: str, kind: str) -> None:
    table = pd.DataFrame({"shop": [1], "kind": words(["x"]), "day": pd.to_datetime(["2024-01-01"]).as_unit("us")})
    with pytest.raises(DataError, match=rf"aggregate: '{column}' holds {kind} values, not numbers") as error:
        aggregated(table, rule(by=["shop"], **{how: [column]}), "t.csv")
    assert f"last: [{column}]" in str(error.value.hint)


@pytest.mark.parametrize(
    ("step", "start", "freq"),
    [("1d", None, "D"), ("1h", None, "h"), ("1w", None, "W-SUN"), ("1mo", None, "M"), ("1w", "2023-12-31", "W-SAT")],
)
def test_the_start_of_a_step_is_that_of_pandas_periods(step: str, start: str | None, freq: str) -> None:
    dates = pd.Series(pd.date_range("2023-12-28 01:30", periods=200, freq="7h", unit="us"))
    first = pd.Timestamp(start).date() if start else None
    expected = dates.dt.to_period(freq).dt.start_time
    assert start_of(dates, Duration.parse(step), first).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("step", "expected"), [("3mo", "2024-04-01"), ("12mo", "2024-01-01"), ("6h", "2024-05-17 12:00")]
)
def test_longer_steps_begin_with_the_year_or_the_day(step: str, expected: str) -> None:
    dates = pd.Series(pd.to_datetime(["2024-05-17 13:45"]).as_unit("us"))
    assert start_of(dates, Duration.parse(step)).tolist() == [pd.Timestamp(expected)]


def test_days_added_up_by_weeks_keep_their_sum() -> None:
    days = pd.date_range("2024-01-01", periods=28, unit="us")
    table = pd.DataFrame({"day": days, "sold": np.arange(28.0)})
    made = aggregated(table, rule(by=["day"], step="1w", sum=["sold"]), "t")
    assert made["day"].tolist() == list(days[::7])
    assert made["sold"].tolist() == [table["sold"][i : i + 7].sum() for i in (0, 7, 14, 21)]


# --------------------------------------------------------------------------------------------- writing

TABLE = pd.DataFrame({"id": [1, 2], "x": [0.1, 1e-300], "day": pd.to_datetime(["2024-02-29", None]).as_unit("us")})


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow", ".CSV"])
def test_a_table_that_was_written_reads_the_same(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    write_table(TABLE, path)
    pd.testing.assert_frame_equal(read_table(path, Table(file=path.name), name="t", dates=["day"]), TABLE)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_another_ending_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"t\.xls: cannot tell the format") as error:
        write_table(TABLE, tmp_path / "t.xls")
    assert "use .csv" in str(error.value.hint)
    assert not list(tmp_path.iterdir())
