"""What an inspection says of a column is what pandas says of it; of a prep's, what the raw table says."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabcli
from tabcli.reports.inspection import ASCII_BLOCKS, BLOCKS, N_BARS, ColumnFacts, inspect, sparkline
from tests.conftest import CONFIG, examples, make_tables

COLUMNS = {
    "number": st.floats(-1e6, 1e6) | st.just(np.nan),
    "count": st.integers(-1000, 1000),
    "word": st.sampled_from(["a", "b", "ä", None]),
    "day": st.dates().map(lambda d: pd.Timestamp(d).as_unit("us")) | st.just(pd.NaT),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(1, 15))
    made = {name: draw(st.lists(values, min_size=n, max_size=n)) for name, values in COLUMNS.items()}
    table = pd.DataFrame({k: pd.Series(v, dtype="datetime64[us]") if k == "day" else v for k, v in made.items()})
    return table.astype({"word": "category", "number": "float64"})


@examples(40)
@given(frames())
def test_counts_and_ranges_are_those_of_pandas(table: pd.DataFrame) -> None:
    result = inspect(table)
    assert (result.what, result.facts) == ("table", {"rows": len(table), "columns": 4})
    for facts in result.columns:
        values = table[facts.name].dropna()
        assert facts.missing == table[facts.name].isna().sum()
        assert facts.n_values == values.nunique()
        if not len(values):
            assert (facts.low, facts.high, facts.bars) == (None, None, ())
            continue
        assert sum(facts.bars) == len(values)
        assert len(facts.bars) <= N_BARS
        if facts.name == "day":
            assert (facts.low, facts.high) == (str(values.min().date()), str(values.max().date()))
        elif facts.name == "word":
            assert (facts.low, facts.high) == (min(values), max(values))
            assert list(facts.bars) == sorted(values.value_counts()[lambda n: n > 0], reverse=True)
        else:
            assert (facts.low, facts.high) == (values.min(), values.max())


@examples(40)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_sketch_has_a_block_for_each_count_and_the_highest_for_the_largest(counts: list[int]) -> None:
    for blocks in (BLOCKS, ASCII_BLOCKS):
        drawn = sparkline(counts, blocks)
        assert len(drawn) == len(counts)
        heights = [blocks.find(c) for c in drawn]
        for n, height in zip(counts, heights, strict=True):
            assert (height == -1) == (n == 0)
            if n:
                assert height == int(np.ceil(len(blocks) * n / max(counts))) - 1


@pytest.mark.parametrize("value", ["2024-01-01 07:00", "2024-01-01"])
def test_the_time_of_day_is_told_where_there_is_one(value: str) -> None:
    (facts,) = inspect(pd.DataFrame({"t": pd.to_datetime([value])})).columns
    assert facts.low == value.replace(" 07:00", "T07:00:00")


# -------------------------------------------------------------------------------------------- preps, runs


@pytest.fixture(scope="module")
def prepared() -> Any:
    return tabcli.prep(CONFIG, data=make_tables())


@pytest.fixture(scope="module")
def facts(prepared: Any) -> dict[str, ColumnFacts]:
    return {c.name: c for c in tabcli.inspect(prepared).columns}


def test_the_ranges_of_a_prep_are_those_of_the_training_rows_before_they_were_scaled(
    prepared: Any, facts: dict[str, ColumnFacts]
) -> None:
    dates = prepared.prepared.fitted.split.to_state()
    rows = make_tables()["train"].merge(make_tables()["shops"], on="shop")
    rows = rows[(rows["day"] <= dates["train_end"][:10]) & (rows["units"] > 0)]
    assert (facts["units"].low, facts["units"].high) == (rows["units"].min(), rows["units"].max())
    assert facts["units"].n_values == rows["units"].nunique()
    assert facts["size"].low == pytest.approx(rows["size"].min(), rel=1e-3)
    assert facts["size"].high == pytest.approx(rows["size"].max(), rel=1e-3)
    assert facts["size"].missing == rows["size"].isna().sum()
    assert facts["kind"].missing == rows["kind"].isna().sum()
    assert facts["kind"].n_values == rows["kind"].nunique()
    assert list(facts["kind"].bars) == rows["kind"].value_counts().tolist()
    assert facts["shop"].bars == tuple(sorted(rows["shop"].value_counts(), reverse=True))


def test_every_input_has_its_role_and_the_target_stands_first(prepared: Any, facts: dict[str, ColumnFacts]) -> None:
    roles = {name: column.role for name, column in facts.items()}
    assert next(iter(roles.items())) == ("units", "target")
    assert {n for n, role in roles.items() if role == "past only"} == {"visitors"}
    for role in ("categorical", "continuous"):
        assert [n for n, r in roles.items() if r == role] == list(getattr(prepared.summary.columns, role))


def test_values_that_training_never_saw_are_counted() -> None:
    tables = make_tables()
    tables["future"] = tables["future"].assign(holiday="new")
    made = {c.name: c for c in tabcli.inspect(tabcli.prep(CONFIG, data=tables)).columns}
    assert made["holiday"].unknown == len(tables["future"])
    assert made["shop"].unknown == 0


def test_a_run_is_told_as_its_prep_is_but_for_what_only_rows_tell(
    prepared: Any, facts: dict[str, ColumnFacts], tmp_path: Path
) -> None:
    run = tabcli.train(prepared, out=tmp_path / "run", overrides=["train.epochs=1", "calibration.windows=0"])
    seen = tabcli.inspect(tmp_path / "run")
    assert (seen.what, seen.path) == ("run", str(tmp_path / "run"))
    assert seen.facts["members"] == 1
    assert seen.facts["valid_rmspe"] == run.metrics.to_state()["valid_rmspe"]
    for column in seen.columns:
        other = facts[column.name]
        assert column.role == other.role
        assert column.bars == ()
        if column.role == "categorical":
            assert (column.n_values, column.low, column.high) == (other.n_values, other.low, other.high)
    assert tabcli.inspect(run).columns == seen.columns


def test_a_result_is_shown_in_a_few_lines(prepared: Any) -> None:
    shown = repr(tabcli.inspect(prepared)).splitlines()
    assert shown[0] == "Inspection"
    assert shown[1].split() == ["prep", "in", "memory"]
    assert len(shown) <= 5
    assert "1 past only" in shown[-1]
    assert "NaN" not in repr(tabcli.inspect(make_tables()["shops"]))
