"""A law: a column's name never matters, or it is refused by name."""

import copy
import os
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tabcli
from tabcli.errors import ConfigError
from tests.conftest import CONFIG, make_tables

LONG = int(os.environ.get("TABCLI_LAWS", "1"))
"""How many times as many examples as usual: `TABCLI_LAWS=50 make test` searches for minutes."""

FULL: dict[str, Any] = {
    **copy.deepcopy(CONFIG),
    "history": {"windows": ["56d", "28d", "7d"], "base": "28d", "effects": ["promo"], "columns": ["visitors"]},
    "baseline": ["shop", "promo"],
    "calibration": {"metric": "none"},
}
FULL["train"] = {**FULL["train"], "epochs": 1, "precision": "float32"}

OURS = [
    "season",
    "step",
    "series",
    "cell",
    "filled",
    "y",
    "rows",
    "matched",
    "actual",
    "row.series",
    "row.step",
    "row.x",
]
OURS += [
    "index",
    "level_0",
    "name",
    "day_",
    "(season)",
    "count",
    "values",
    "0",
    "a b",
    "Ümläut",
    "x.y",
    "a,b",
    "median",
]

COLUMNS = [
    "units",
    "shop",
    "day",
    "promo",
    "open",
    "holiday",
    "visitors",
    "kind",
    "size",
    "row",
    "since_year",
    "rounds",
]


def renamed(value: Any, old: str, new: str) -> Any:
    """A config in which a column has another name, wherever it is named."""
    if isinstance(value, dict):
        return {new if k == old else k: renamed(v, old, new) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(v, old, new) for v in value]
    return new if value == old else value


PLAIN: dict[str, Any] = {}


def plain() -> tuple[pd.DataFrame, dict[str, Any]]:
    if not PLAIN:
        PLAIN["result"] = job(FULL, make_tables())
    result: tuple[pd.DataFrame, dict[str, Any]] = PLAIN["result"]
    return result


def job(config: dict[str, Any], tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, Any]]:
    prep = tabcli.prep(config, tables)
    run = tabcli.train(prep)
    return tabcli.predict(run, tables).table, {**run.metrics.to_state(), "all": prep.summary.baseline.scores}


def refused_by_name(error: ConfigError, name: str) -> None:
    assert name in error.message
    assert "kept for tabcli" in error.message


@settings(max_examples=8 * LONG, deadline=None, suppress_health_check=list(HealthCheck))
@given(old=st.sampled_from(COLUMNS), new=st.sampled_from(OURS))
@example("units", "step")
@example("units", "filled")
@example("shop", "season")
@example("day", "series")
@example("promo", "season")
@example("promo", "y")
@example("visitors", "step")
@example("kind", "row.step")
def test_a_name_changes_nothing_or_is_refused(old: str, new: str) -> None:
    config = renamed(FULL, old, new)
    prefix = [{"column": new, "prefix": "day"}] if old == "day" else config["features"]["date_parts"]
    config["features"]["date_parts"] = prefix
    tables = {name: table.rename(columns={old: new}) for name, table in make_tables().items()}
    try:
        made, metrics = job(config, tables)
    except ConfigError as error:
        refused_by_name(error, new)
        return
    expected, scores = plain()
    np.testing.assert_array_equal(made.iloc[:, -1], expected["units"])
    for name in ("valid_rmspe", "valid_wape", "valid_rmse"):
        assert metrics[name] == scores[name]
    assert list(metrics["all"].values()) == list(scores["all"].values())


@pytest.mark.parametrize("name", ["step", "cell", "series", "filled"])
def test_targets_and_keys_called_like_our_columns_are_refused_with_the_way_out(name: str) -> None:
    for old in ("units", "shop"):
        tables = {k: table.rename(columns={old: name}) for k, table in make_tables().items()}
        with pytest.raises(ConfigError, match=f"the names {name} are kept for tabcli itself") as error:
            tabcli.prep(renamed(FULL, old, name), tables)
        assert f"rename: {{{name}: my_{name}}}" in str(error.value.hint)


def test_a_baseline_by_a_column_called_season_is_by_that_column() -> None:
    """It was the median by the place in the week in its place: too easy to beat."""
    tables = {k: table.rename(columns={"promo": "season"}) for k, table in make_tables().items()}
    summary = tabcli.prep(renamed(FULL, "promo", "season"), tables).summary.baseline
    plain_summary = tabcli.prep(FULL, make_tables()).summary.baseline
    assert list(summary.scores.values()) == list(plain_summary.scores.values())
    assert "the median by shop × season" in summary.scores


@pytest.mark.parametrize("name", ["season", "matched", "rows", "mae", "series"])
def test_evaluate_takes_keys_and_groups_of_any_name(name: str) -> None:
    days = pd.date_range("2024-01-01", periods=28)
    rows = pd.DataFrame({"item": np.repeat(["A", "B"], 28), "day": [*days, *days], "units": np.arange(56) + 1.0})
    rows["group"] = np.arange(56) % 2

    def judged(item: str, group: str) -> Any:
        table = rows.rename(columns={"item": item, "group": group})
        truth = table[table["day"] >= "2024-01-22"]
        made = truth.assign(units=truth["units"] + 1)
        return tabcli.evaluate(
            made, truth, target="units", on=[item, "day"], by=group, history=table, date="day", series=[item]
        )

    expected = judged("item", "group")
    for found in (judged(name, "group"), judged("item", name)):
        assert found.metrics == expected.metrics
        np.testing.assert_array_equal(found.naive.iloc[:, 1:], expected.naive.iloc[:, 1:])
        np.testing.assert_array_equal(found.by, expected.by)
