"""Which rows can be learned from, what a directory was made from, and what is kept of numbers on the disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.api.sources import hashes_of, is_unchanged, parse_duration, read_any, read_options
from tabcli.artifacts.encoded_names import input_column, past_column, row_column
from tabcli.artifacts.records import EpochRecord, WindowScore
from tabcli.artifacts.split import Split
from tabcli.artifacts.summary import Baseline
from tabcli.bundle import manifest
from tabcli.config.loading import parse
from tabcli.config.schema import Config
from tabcli.config.values import Transform
from tabcli.errors import DataError, UsageError
from tabcli.evaluation.naming import FRACTIONS, METRIC_NAMES, score_text
from tabcli.pipeline.scored import clip_targets, scored_rows
from tabcli.tables.joins import FactorizedTable
from tests.conftest import CONFIG, examples, make_tables

VALUES = [5.0, 0.0, -2.0, np.nan, np.inf, -np.inf, 7.0]
TAKES: dict[Transform, list[bool]] = {
    "log": [True, False, False, False, False, False, True],
    "boxcox": [True, False, False, False, False, False, True],
    "log1p": [True, True, False, False, False, False, True],
    "identity": [True, True, True, False, False, False, True],
}


def config_of(**target: Any) -> Config:
    return parse({**CONFIG, "metric": "wape", "target": {"column": "units", **target}, "forecast": {}})


def rows_of(values: list[float], **columns: Any) -> FactorizedTable:
    return FactorizedTable.of(pd.DataFrame({"units": values, **columns}))


# ---------------------------------------------------------------------------------------- scored rows


@pytest.mark.parametrize("transform", TAKES)
def test_rows_are_kept_whose_target_the_transform_takes_and_others_are_counted(transform: Transform) -> None:
    kept, _, left_out = scored_rows(rows_of(VALUES), config_of(transform=transform, nonpositive="drop"), "t.csv")
    assert kept.tolist() == TAKES[transform]
    assert sum(left_out.values()) == TAKES[transform].count(False)
    assert left_out["units missing"] == 1
    assert left_out["units infinite"] == 2
    assert left_out.get("units zero", 0) == (not TAKES[transform][1])


@pytest.mark.parametrize(
    ("value", "reason", "ways"),
    [
        (0.0, "zero", ["log1p", "drop_where: {units: 0}", "nonpositive: drop"]),
        (-1.0, "negative", ["identity", "nonpositive: clip", "nonpositive: drop"]),
        (np.nan, "missing", ["nonpositive: drop"]),
        (np.inf, "infinite", ["divided by 0?", "nonpositive: drop"]),
    ],
)
def test_what_is_not_taken_is_refused_with_its_rows_and_the_ways_out(
    value: float, reason: str, ways: list[str]
) -> None:
    with pytest.raises(DataError) as error:
        scored_rows(rows_of([1.0, value, 2.0, value]), config_of(transform="log"), "t.csv")
    assert f"t.csv: the target 'units' is {reason} in 2 of 4 rows (rows 2, 4)" in error.value.message
    for way in ways:
        assert way in str(error.value.hint)


def test_rows_left_out_by_a_condition_are_not_looked_at_any_more() -> None:
    rows = rows_of([0.0, 3.0, 0.0], open=[0, 1, 0])
    kept, _, left_out = scored_rows(rows, config_of(transform="log", drop_where={"open": 0}), "t.csv")
    assert kept.tolist() == [False, True, False]
    assert left_out == {"open = 0": 2}


def test_a_table_without_a_row_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="no row with a target that can be learned is left"):
        scored_rows(rows_of([0.0, -1.0]), config_of(transform="log", nonpositive="drop"), "t.csv")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series(["1", "x"]).astype("category"), "x"),
        (pd.to_datetime(pd.Series(["2024-01-01", "2024-01-02"])).astype("datetime64[us]"), "holds date values"),
    ],
)
def test_a_target_that_is_no_number_is_refused(column: pd.Series, message: str) -> None:
    with pytest.raises(DataError, match=message):
        scored_rows(FactorizedTable.of(pd.DataFrame({"units": column})), config_of(), "t.csv")


def test_negative_targets_are_zeros_where_the_config_says_so() -> None:
    table = pd.DataFrame({"units": [3.0, -2.0, -np.inf, np.nan, -1.0]})
    clipped, n = clip_targets(table, config_of(transform="log1p", nonpositive="clip"))
    assert n == 2
    np.testing.assert_array_equal(clipped["units"], [3.0, 0.0, -np.inf, np.nan, 0.0])
    same, n = clip_targets(table, config_of(transform="log1p", nonpositive="drop"))
    assert same is table
    assert n == 0


# ------------------------------------------------------------------------------------- what it is made of


def test_the_content_of_a_table_is_known_by_its_values_and_types() -> None:
    config, tables = parse(CONFIG), make_tables()
    names = ["train", "shops", "future"]
    first = hashes_of(config, tables, names)
    assert hashes_of(config, make_tables(), names) == first
    assert len({*first.values()}) == 3
    changed = tables["train"].copy()
    changed.loc[5, "units"] += 1
    renamed, retyped = tables["train"].rename(columns={"promo": "p"}), tables["train"].astype({"promo": "int32"})
    for other in (changed, renamed, retyped):
        assert hashes_of(config, {**tables, "train": other}, ["train"])["train"] != first["train"]
    assert hashes_of(config, {"shops": tables["shops"]}, ["train", "shops"])["train"] == ""


def test_the_content_of_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    config = parse(CONFIG)
    (tmp_path / "shops.csv").write_text("shop\n1\n")
    first = hashes_of(config, tmp_path, ["shops", "train"])
    assert first["train"] == ""
    assert hashes_of(config, {"shops": tmp_path / "shops.csv"}, ["shops"])["shops"] == first["shops"]
    (tmp_path / "shops.csv").write_text("shop\n2\n")
    assert hashes_of(config, tmp_path, ["shops"])["shops"] != first["shops"]


def test_a_directory_is_unchanged_only_whole_and_of_the_same_kind_and_inputs(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert not is_unchanged(tmp_path, "prep", "f")
    manifest.write_manifest(tmp_path, "prep", "f", {})
    assert is_unchanged(tmp_path, "prep", "f")
    assert not is_unchanged(tmp_path, "prep", "g")
    assert not is_unchanged(tmp_path, "run", "f")
    (tmp_path / "a").write_text("y")
    assert not is_unchanged(tmp_path, "prep", "f")
    assert not is_unchanged(tmp_path / "none", "prep", "f")


def test_options_that_cannot_be_are_named(tmp_path: Path) -> None:
    assert parse_duration("--step", None) is None
    assert str(parse_duration("--step", "4w")) == "4w"
    with pytest.raises(UsageError, match="--step 4 weeks: expected a number and a unit"):
        parse_duration("--step", "4 weeks")
    with pytest.raises(UsageError, match="how to read tables:"):
        read_options({"decimals": ","}, "t.csv")
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_any(tmp_path / "none.csv", "t")


def test_a_table_is_read_as_the_options_say(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("day;x\n03.04.2024;1,5\n")
    made = read_any(tmp_path / "t.csv", "t", ["day"], {"decimal": ",", "day_first": "true"})
    assert made["x"].tolist() == [1.5]
    assert made["day"].tolist() == [pd.Timestamp("2024-04-03")]


# ------------------------------------------------------------------------------------- kept on the disk

NAMES = st.sampled_from(["y", "units", "step", "series", "cell", "filled", "row.y", "column.y", "column.step", "row.a"])
SCORES = st.floats(0, 1e6, allow_nan=False)


@examples(60)
@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_different_columns_never_get_the_same_encoded_name(names: list[str]) -> None:
    one, other = names
    for named in (input_column, row_column, past_column):
        assert named(one) != named(other)
    assert len({input_column(one), row_column(one), "y", "row.series", "row.step"}) == 5


@examples(30)
@given(st.lists(st.datetimes(), min_size=4, max_size=4))
def test_a_split_survives_json(moments: list[Any]) -> None:
    split = Split(*(pd.Timestamp(m) for m in sorted(moments)))
    assert Split.from_state(json.loads(json.dumps(split.to_state()))) == split
    dates = pd.Series(sorted(moments), dtype="datetime64[us]")
    assert split.is_train(dates).iloc[:2].all()
    assert split.is_valid(dates).iloc[2:].all()


@examples(30)
@given(SCORES, SCORES, st.sampled_from(["", "member-0", "window-1-0"]), st.integers(1, 500))
def test_records_survive_json_to_the_last_bit(loss: float, score: float, network: str, n: int) -> None:
    record = EpochRecord(n, 0.01, loss, {"valid_loss": loss, "valid_wape": score}, "valid_wape", 1.5, network)
    assert EpochRecord.from_state(json.loads(json.dumps(record.to_state()))) == record
    assert record.score == score
    window = WindowScore(
        pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01"), n, 2, score, loss, -score, loss, 3, "shop 1, 2024-01-05"
    )
    assert WindowScore.from_state(json.loads(json.dumps(window.to_state()))) == window
    naive = Baseline("wape", ("shop",), {"the median": loss, "the last value": score})
    assert Baseline.from_state(json.loads(json.dumps(naive.to_state())), "wape") == naive
    assert naive.score == min(loss, score)


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_fractions_are_shown_in_percent_and_other_metrics_in_their_unit(metric: str) -> None:
    shown = score_text(metric, 0.1234)
    assert shown == ("12.34 %" if metric in FRACTIONS else "0.1234")
    assert score_text(metric, 54321.0) == ("5432100.00 %" if metric in FRACTIONS else "54,321.00")
    assert score_text(metric, float("nan")) == score_text(metric, float("inf")) == "not defined"
