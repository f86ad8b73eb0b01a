"""Each reason to look at a row, brought about alone in a run that is otherwise as it was."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tabcli.artifacts.contents import Run
from tabcli.bundle.directories import load_run
from tabcli.floor.naive import naive_forecasts
from tabcli.training.floors import known_rows
from tests.conftest import CONFIG, make_tables

SHOP = 3


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, pd.DataFrame]) -> Path:
    path = tmp_path_factory.mktemp("reasons")
    prep = tabcli.prep(CONFIG, tables, path / "prep")
    few = ["train.epochs=12", "train.members=2", "calibration.windows=1", "calibration.metric=none"]
    tabcli.train(prep, path / "run", overrides=few, refit=True)
    return path


@pytest.fixture
def run(saved: Path) -> Run:
    return load_run(saved / "run")


def reviewed(run: Run, tables: dict[str, Any]) -> pd.DataFrame:
    review = tabcli.predict(run, tables, review="100%", columns=["shop"]).review
    assert review is not None
    return review.table


def holds(rows: pd.DataFrame, reason: str) -> pd.DataFrame:
    return rows[rows[reason].notna()] if reason in rows else rows.head(0)


def test_without_a_cause_there_is_hardly_a_reason(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    rows = reviewed(run, tables)
    assert (rows["score"] >= 1).mean() < 0.05


def test_networks_that_disagree_on_a_shop(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    code = int(run.fitted.preprocessor.categorify.codes(pd.Series([SHOP], name="shop"), "shop")[0])
    weights = {k: v.copy() for k, v in run.members[1].items()}
    weights["series_heads.0"][code] += 0.3
    rows = holds(reviewed(replace(run, members=[run.members[0], weights]), tables), "networks_apart")
    assert len(rows) > 10
    assert set(rows["shop"]) == {SHOP}
    assert (rows["networks_apart"] >= 3).all()
    assert rows["why"].str.contains("times as far apart as usual").all()


def test_a_shop_whose_past_forecasts_erred_widely_has_wide_intervals(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    assert run.past is not None
    past = run.past.copy()
    own = past["series"] == SHOP - 1
    past.loc[own, "output"] += np.random.default_rng(0).normal(0, 0.8, int(own.sum()))
    rows = holds(reviewed(replace(run, past=past), tables), "width")
    assert set(rows["shop"]) == {SHOP}
    assert rows["why"].str.contains("times as wide as usual").all()


def test_naive_forecasts_far_from_the_networks(run: Run, saved: Path, tables: dict[str, pd.DataFrame]) -> None:
    prepared = tabcli.prep(CONFIG, tables).prepared
    known = pd.concat([prepared.tables[n] for n in ("train", "valid")], ignore_index=True)
    of_shop = known["row.shop"] == SHOP
    known.loc[of_shop, "y"] += np.float32(1.5)
    models = naive_forecasts(known_rows(run.fitted, known), ["the last value"])
    floor = replace(run.floor, share=0.25, mixture={"the last value": 1.0}, models=models)
    rows = holds(reviewed(replace(run, floor=floor), tables), "naive")
    assert set(rows["shop"]) == {SHOP}
    assert rows["why"].str.contains("below the naive forecast, ").all()


def test_a_forecast_above_all_that_its_series_ever_had(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    train = tables["train"].copy()
    own = train["shop"] == SHOP
    train.loc[own, "units"] = (train.loc[own, "units"] / 3).round().astype("int64")
    rows = holds(reviewed(run, {**tables, "train": train}), "past_range")
    assert set(rows["shop"]) == {SHOP}
    assert (rows["past_range"] > 1.1).all()
    assert rows["why"].str.contains("above all its past").all()


def test_a_number_outside_what_prep_read(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    shops = tables["shops"].assign(size=tables["shops"]["size"].where(tables["shops"]["shop"] != 5, 66.0))
    rows = holds(reviewed(run, {**tables, "shops": shops}), "input_outside")
    assert set(rows["shop"]) == {5}
    assert set(rows["input_outside"]) == {"size=66 (training saw 10 to 60)"}
    inside = tables["shops"].assign(size=tables["shops"]["size"].where(tables["shops"]["shop"] != 5, 61.0))
    assert holds(reviewed(run, {**tables, "shops": inside}), "input_outside").empty


def test_the_same_step_last_year(tables: dict[str, pd.DataFrame], run: Run) -> None:
    """The table of the known rows moved a year back: all are alike, but for one shop that had twice as much then."""
    train = tables["train"]
    ahead = tables["future"][["shop", "day"]].assign(day=lambda t: t["day"] - pd.Timedelta(days=364))
    made = tabcli.predict(run, tables, columns=["shop", "day"]).table
    units = np.where(made["shop"] == SHOP, 2 * made["units"], made["units"]).round().astype("int64")
    then = ahead.assign(units=units, visitors=0, open=1, promo=0, holiday="0")
    then = then[~then["day"].isin(train["day"])]
    known = pd.concat([train, then[train.columns]], ignore_index=True)
    rows = holds(reviewed(run, {**tables, "train": known[known["day"] < train["day"].min()]}), "last_year")
    assert len(rows) > 5
    assert set(rows["shop"]) == {SHOP}
    assert rows["last_year"].between(0.45, 0.55).all()
    assert rows["why"].str.contains("50 % below the same step last year").any()


def test_a_row_that_was_sold_out_is_no_past_of_its_series(
    saved: Path, run: Run, tables: dict[str, pd.DataFrame]
) -> None:
    """Cut to a third and marked, the past of a shop is no reason; cut and not marked, it is."""
    train = tables["train"].copy()
    late = (train["shop"] == SHOP) & (train["day"] > train["day"].max() - pd.Timedelta(days=35))
    train.loc[late, "units"] = (train.loc[late, "units"] / 3).round().astype("int64")
    told = {**tables, "train": train.assign(sold_out=late.astype("int64"))}
    target = run.fitted.config.target.model_copy(update={"censored_where": {"sold_out": 1}})
    marked = replace(run, fitted=replace(run.fitted, config=run.fitted.config.model_copy(update={"target": target})))
    assert set(holds(reviewed(run, told), "last_season")["shop"]) == {SHOP}
    assert holds(reviewed(marked, told), "last_season").empty
