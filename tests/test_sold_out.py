"""Rows whose target was cut short: in no statistic, no past and no score, and learned as lower bounds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import truncnorm
from typer.testing import CliRunner

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.cli.app import app
from tabcli.config.learning import Train
from tabcli.config.schema import Config
from tabcli.errors import ConfigError
from tabcli.pipeline.joined import load
from tabcli.selection.folds import as_of_fold
from tabcli.training.floors import known_rows, naive_of
from tabcli.training.inputs import history_of, make_inputs, window_of
from tabcli.training.loop import loss_of
from tests.conftest import CONFIG, HORIZON, make_tables, write_folder

LEVEL = 0.7
"""A shop sells out at so much of what it usually sells."""


def sold_out_tables(level: float = LEVEL) -> dict[str, pd.DataFrame]:
    """Units are cut on every third open day of each shop, and the row is marked."""
    tables = make_tables()
    train = tables["train"]
    cut = (train["open"] == 1) & (train.index % 3 == 0)
    units = np.where(cut, np.maximum(np.floor(train["units"] * level), 1), train["units"]).astype("int64")
    return {**tables, "train": train.assign(units=units, sold_out=cut.astype("int64"))}


def config_of(**changes: Any) -> dict[str, Any]:
    values = json.loads(json.dumps(CONFIG))
    values["target"] |= {"censored_where": {"sold_out": 1}}
    values["history"] = {"windows": ["28d", "14d", "7d"], "base": "14d", "effects": ["promo"], "season": "21d"}
    return {**values, **changes}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return sold_out_tables()


@pytest.fixture(scope="module")
def prepared(tables: dict[str, pd.DataFrame]) -> Prepared:
    return tabcli.prep(config_of(), tables).prepared


# --------------------------------------------------------------------------------------- where they are not


def test_marked_rows_are_counted_and_in_no_table_but_their_own(
    prepared: Prepared, tables: dict[str, pd.DataFrame]
) -> None:
    marked = set(map(tuple, tables["train"].loc[tables["train"]["sold_out"] == 1, ["shop", "day"]].to_numpy()))
    keys = {n: set(map(tuple, t[["row.shop", "row.day"]].to_numpy())) for n, t in prepared.tables.items()}
    assert keys["censored"] == marked
    assert not marked & (keys["train"] | keys["valid"])
    assert prepared.summary.rows["censored"] == len(marked)
    assert prepared.past is not None
    assert len(prepared.past) == len(prepared.tables["train"]) + len(prepared.tables["valid"])


def test_a_marked_target_moves_nothing_that_is_fitted(prepared: Prepared) -> None:
    """Whatever the marked rows hold: the same scales, the same past, the same naive forecasts, and the same scores."""
    other = tabcli.prep(config_of(), sold_out_tables(0.1)).prepared
    for name in ("train", "valid", "future"):
        pd.testing.assert_frame_equal(prepared.tables[name], other.tables[name])
    pd.testing.assert_frame_equal(prepared.past, other.past)
    pd.testing.assert_frame_equal(prepared.fitted.tail, other.fitted.tail)
    assert prepared.fitted.target == other.fitted.target
    assert prepared.fitted.preprocessor.to_state() == other.fitted.preprocessor.to_state()
    assert prepared.fitted.split == other.fitted.split
    assert prepared.summary.baseline == other.summary.baseline
    assert not prepared.tables["censored"]["y"].equals(other.tables["censored"]["y"])
    for k in (0, 1):
        one, two = window_of(prepared, k), window_of(other, k)
        assert len(known_rows(prepared.fitted, one.learned).y) == len(one.learned)
        for name, made in naive_of(prepared, one).items():
            np.testing.assert_array_equal(made, naive_of(other, two)[name])
        specs = [make_inputs(p, p.fitted.config, k, history_of(p)) for p in (prepared, other)]
        assert specs[0].spec == specs[1].spec
        assert torch.equal(specs[0].valid.x_cont, specs[1].valid.x_cont)


def test_a_window_learns_bounds_up_to_its_cutoff_alone_and_scores_none(prepared: Prepared) -> None:
    for k in (0, 1, 2):
        window = window_of(prepared, k)
        assert len(window.bounds)
        assert window.bounds["row.day"].max() < window.scored["row.day"].min()
        made = make_inputs(prepared, prepared.fitted.config, k, history_of(prepared))
        assert made.train.bound is not None
        assert 0 < int(made.train.bound.sum()) <= len(window.bounds)
        assert made.valid.bound is None
        assert len(made.valid) == len(window.scored)
    assert len(window_of(prepared, "refit").bounds) == len(prepared.tables["censored"])


def test_a_fold_sees_no_mark_of_the_days_it_forecasts(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    source = load(Config.model_validate(config_of()), tables)
    past, within = as_of_fold(source, tables["train"]["day"].max())
    assert "sold_out" not in past.tables["future"]
    few = ["train.epochs=1", "calibration.windows=0"]
    tabcli.backtest(config_of(), tables, tmp_path, folds=1, peers=["median"], overrides=few)
    rows = pd.read_parquet(next(tmp_path.glob("fold-*/forecasts.parquet")))
    train = tables["train"][within]
    assert len(rows) == ((train["sold_out"] == 0) & (train["units"] > 0)).sum()


# ------------------------------------------------------------------------------------------------ the loss


def settings(**changes: Any) -> Train:
    return Train.model_validate({"epochs": 1, **changes})


def test_a_bound_is_learned_as_what_is_expected_above_it() -> None:
    rng = np.random.default_rng(1)
    outputs = torch.tensor(rng.normal(0, 1, 400), dtype=torch.float64, requires_grad=True)
    y, bound = torch.tensor(rng.normal(0, 1, 400)), torch.arange(400) >= 300
    spread = float((outputs - y)[:300].detach().square().mean().sqrt())
    o, b = outputs.detach().numpy(), y.numpy()
    expected = truncnorm.mean((b - o) / spread, np.inf, loc=o, scale=spread)
    loss = loss_of(outputs, y, settings(), bound)
    loss.backward()
    wanted = np.where(bound.numpy(), expected, b)
    assert loss.item() == pytest.approx(np.mean((o - wanted) ** 2), rel=1e-5)
    assert outputs.grad is not None
    np.testing.assert_allclose(outputs.grad.numpy(), 2 * (o - wanted) / 400, atol=1e-6)
    assert (outputs.grad[300:] <= 0).all()  # a bound never asks for less


def test_a_bound_far_above_the_output_is_finite_and_one_far_below_asks_for_nothing() -> None:
    y = torch.tensor([0.1, -0.1, 1e4, -1e4])
    bound = torch.tensor([False, False, True, True])
    outputs = torch.zeros(4, requires_grad=True)
    loss_of(outputs, y, settings(), bound).backward()
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()
    assert outputs.grad[2] == pytest.approx(-2 * 1e4 / 4)
    assert outputs.grad[3] == pytest.approx(0, abs=1e-6)


def test_without_bounds_a_loss_is_what_it_was_and_a_quantile_costs_nothing_above_one() -> None:
    outputs, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 2.0, 1.0])
    assert loss_of(outputs, y, settings(), torch.zeros(3, dtype=torch.bool)) == loss_of(outputs, y, settings())
    pinball = settings(loss="pinball", quantile=0.9)
    assert float(loss_of(outputs, y, pinball, torch.ones(3, dtype=torch.bool))) == pytest.approx(0.9 / 3)
    heads = loss_of(outputs[:, None].repeat(1, 2), y, settings(), torch.tensor([False, False, True]))
    assert float(heads) == pytest.approx(float(loss_of(outputs, y, settings(), torch.tensor([False, False, True]))))


# ------------------------------------------------------------------------------------------- what it is for


def demand_cut_by_a_shelf() -> tuple[dict[str, pd.DataFrame], float]:
    """Demand with more noise, cut at its own 75th percentile in each shop and season; and what is wanted ahead."""
    tables = make_tables()
    train, rng = tables["train"], np.random.default_rng(0)
    wanted = train["units"] * np.exp(rng.normal(0, 0.3, len(train)))
    level = train["units"] * np.exp(0.67 * 0.3)
    cut = (train["open"] == 1) & (wanted > level)
    units = np.round(np.where(cut, level, wanted)).astype("int64").clip(min=1) * (train["open"] == 1)
    return {**tables, "train": train.assign(units=units, sold_out=cut.astype("int64"))}, float(cut.mean())


def test_forecasts_learned_from_bounds_are_nearer_to_what_was_wanted_than_those_without_the_rows() -> None:
    tables, share = demand_cut_by_a_shelf()
    assert 0.15 < share < 0.3
    few = ["train.epochs=25", "calibration.windows=0", "calibration.metric=none", "train.batch_size=128"]
    noiseless = make_tables()["train"].groupby("shop")["units"].sum().sum() / 220 * 20
    sums = {}
    for name, target in (
        ("bounds", {"column": "units", "drop_where": {"units": 0}, "censored_where": {"sold_out": 1}}),
        ("left out", {"column": "units", "drop_where": {"sold_out": 1}, "nonpositive": "drop"}),
        ("as true", {"column": "units", "drop_where": {"units": 0}}),
    ):
        config = {**CONFIG, "target": target}
        run = tabcli.train(tabcli.prep(config, tables), overrides=few, refit=True)
        sums[name] = tabcli.predict(run, tables).table["units"].sum() / noiseless
    assert sums["left out"] < sums["as true"] < sums["bounds"] < 1.1
    assert abs(sums["bounds"] - 1) < abs(sums["as true"] - 1)


def test_train_says_how_many_rows_are_in_no_score_and_decides_nothing_by_the_others(
    tmp_path: Path, tables: dict[str, pd.DataFrame]
) -> None:
    folder = write_folder(tmp_path / "data", tables)
    (tmp_path / "config.json").write_text(json.dumps(config_of(forecast={**CONFIG["forecast"], "floor": "auto"})))

    def said(*command: object) -> str:
        done = CliRunner().invoke(app, [str(c) for c in command])
        assert done.exit_code == 0, done.output + done.stderr
        return done.stdout

    n = int((tables["train"]["sold_out"] == 1).sum())
    text = said("prep", "-c", tmp_path / "config.json", "-d", folder, "-o", tmp_path / "prep")
    assert f"lower bounds   {n:,} rows whose target was cut short" in text
    again = said("prep", "-c", tmp_path / "config.json", "-d", folder, "-o", tmp_path / "prep")
    assert "unchanged: " in again
    assert f"lower bounds   {n:,} rows whose target was cut short" in again
    few = ["-S", "train.epochs=1", "-S", "calibration.windows=1"]
    text = said("train", "-p", tmp_path / "prep", "-o", tmp_path / "run", "--refit", *few)
    train = tables["train"]
    newest = train["day"] > train["day"].max() - pd.Timedelta(days=HORIZON)
    unscored = int((newest & (train["sold_out"] == 1)).sum())
    assert f"lower bounds   {n:,} rows whose target was cut short were learned as such; {unscored:,}" in text
    assert "calibration    none: targets that were cut short are in no past window" in text
    loaded = tabcli.predict(tmp_path / "run", folder)
    assert np.isfinite(loaded.table["units"]).all()
    for page in ("MODEL_CARD.md", "DATASHEET.md"):
        told = (tmp_path / "run" / page).read_text()
        assert any(f"{n:,}" in line and "cut short" in line for line in told.splitlines()), page
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["bounds"] == n
    assert metrics["floor"]["share"] == 0
    assert metrics["judged_on"] == 0


def test_a_mark_that_is_known_before_is_refused_and_one_that_is_past_only_is_no_input() -> None:
    known = {**CONFIG["availability"], "known_in_advance": ["open", "promo", "holiday", "sold_out"]}
    with pytest.raises(ConfigError, match=r"target\.censored_where: sold_out known in advance"):
        tabcli.prep(config_of(availability=known), sold_out_tables())
    with pytest.raises(ConfigError, match="sold_out"):
        tabcli.prep(config_of(categorical=[*CONFIG["categorical"], "sold_out"]), sold_out_tables())
    by_rule = tabcli.prep(config_of(categorical="auto", continuous="auto", baseline=[]), sold_out_tables()).prepared
    assert "sold_out" not in {*by_rule.fitted.preprocessor.categorical, *by_rule.fitted.preprocessor.continuous}
    assert "sold_out" in by_rule.summary.columns.past_only
