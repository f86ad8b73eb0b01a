"""Targets on other scales and other metrics than the log and RMSPE, through the real command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import tabcli
from tabcli.api import backtest
from tabcli.errors import ConfigError, DataError
from tabcli.forecasting.outputs import predict_target, significant
from tests.conftest import CONFIG, make_tables, write_folder
from tests.test_cli import run

Tables = dict[str, pd.DataFrame]


def with_units(tables: Tables, change: Any) -> Tables:
    """The same tables with other targets: `change(units, open)`; nothing is left out, and Sundays count."""
    past = tables["train"]
    return {**tables, "train": past.assign(units=change(past["units"], past["open"]))}


def variant(config: dict[str, Any], **target: Any) -> dict[str, Any]:
    return {**config, "target": {"column": "units", **target}, "forecast": {"fill": {"open": 1}}}


def small(units: "pd.Series[Any]", open_: "pd.Series[Any]") -> "pd.Series[Any]":
    """Counts with many zeros."""
    return (units // 60).astype("int64")


def returns(units: "pd.Series[Any]", open_: "pd.Series[Any]") -> "pd.Series[Any]":
    """What is returned on Sundays is negative."""
    return units - 120 * (1 - open_)


@pytest.mark.parametrize(
    ("transform", "change", "metric", "lowest"),
    [
        ("log1p", small, "wape", 0.0),
        ("log1p", small, "rmsle", 0.0),
        ("log1p", small, "mase", 0.0),
        ("identity", returns, "mae", -300.0),
        ("identity", returns, "rmse", -300.0),
        ("identity", returns, "pinball", -300.0),
        ("boxcox", lambda units, open_: units + 1, "mape", 0.0),
    ],
)
def test_the_whole_job(tmp_path: Path, transform: str, change: Any, metric: str, lowest: float) -> None:
    """prep, train with a history, predict: the metric decides, is printed, beats the median; bounds hold."""
    tables = with_units(make_tables(), change)
    config = variant(CONFIG, transform=transform) | {
        "metric": metric,
        "quantile": 0.9,
        "history": {"windows": ["28d", "7d"], "base": "7d", "effects": ["promo", "open"], "columns": ["visitors"]},
        "categorical": [*CONFIG["categorical"], "open"],
        "baseline": ["shop"],
        "train": {**CONFIG["train"], "epochs": 8},
    }
    write_folder(tmp_path / "data", tables)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    made = run("prep", "--config", tmp_path / "config.yaml", "--data", tmp_path / "data", "--out", tmp_path / "prep")
    assert f"to beat        {metric.upper()} " in made.stdout
    done = run("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run")
    assert f"validation     {metric.upper()} " in done.stdout
    assert f"{metric.upper()} " in done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["metric"] == metric
    baseline = metrics["baseline"]
    assert metrics[f"valid_{metric}"] < baseline["all"]["the median by shop"]
    assert baseline[f"valid_{metric}"] == min(baseline["all"].values()) == baseline["all"][baseline["name"]]
    assert f"than the best naive forecast: {baseline['name']} (" in done.stdout
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    scores = [r[f"valid_{metric}"] for r in records if r["network"] == "member-0"]
    assert metrics["best_epoch"] == 1 + int(np.argmin(scores))
    run("predict", tmp_path / "run", "--data", tmp_path / "data", "--out", tmp_path / "made.csv")
    forecast = pd.read_csv(tmp_path / "made.csv")["units"]
    assert forecast.min() >= lowest
    if transform == "identity":
        assert forecast.min() < 0, "Sundays are forecast below zero"
        assert metrics["factor"] == 1.0
        assert (metrics["shift"] != 0) == (metric != "rmse") or abs(metrics["shift"]) < 1e-9
    prep, trained = tabcli.prep(config, data=tables), tabcli.train(tmp_path / "prep")
    np.testing.assert_array_equal(
        significant(predict_target(trained.run, (t := prep.prepared.tables["future"]), t["row.day"])),
        pd.read_csv(tmp_path / "made.csv")["units"],
    )


def test_a_forecast_of_a_quantile_lies_above_about_that_share(config: dict[str, Any]) -> None:
    tables = make_tables()
    shares = []
    for quantile in (0.1, 0.9):
        options = ["metric=pinball", f"quantile={quantile}", "train.epochs=12", "train.batch_size=32"]
        prep = tabcli.prep(config, data=tables, overrides=options)
        trained = tabcli.train(prep)
        valid = prep.prepared.tables["valid"]
        shares.append(float((valid["row.units"] < predict_target(trained.run, valid, valid["row.day"])).mean()))
    assert shares[0] < 0.35 < 0.65 < shares[1]


@pytest.mark.parametrize(
    ("transform", "change", "reason", "way_out"),
    [
        ("log", small, "zero in 352 of", "log1p"),
        ("boxcox", small, "zero in 352 of", "log1p"),
        ("log", returns, "negative in", "identity"),
        ("log1p", returns, "negative in", "clip"),
        ("identity", lambda units, open_: units.astype("float64").where(open_ == 1), "missing in", "drop"),
    ],
)
def test_what_a_transform_does_not_take_is_refused_with_the_ways_out(
    config: dict[str, Any], transform: str, change: Any, reason: str, way_out: str
) -> None:
    tables = with_units(make_tables(), change)
    settings = variant(config, transform=transform)
    with pytest.raises(DataError, match=reason.replace("352", r"\d+")) as error:
        tabcli.prep(settings, data=tables)
    assert f"target.transform: {transform} does not take" in error.value.message
    assert way_out in str(error.value.hint)
    dropped = tabcli.prep(variant(config, transform=transform, nonpositive="drop"), data=tables).summary
    units = tables["train"]["units"]
    bad = {"log": ~(units > 0), "boxcox": ~(units > 0), "log1p": ~(units >= 0), "identity": units.isna()}[transform]
    assert sum(dropped.counts.dropped.values()) == bad.sum() > 0


def test_negative_targets_can_be_taken_as_zero(config: dict[str, Any]) -> None:
    tables = with_units(make_tables(), returns)
    settings = variant(config, transform="log1p", nonpositive="clip") | {"metric": "wape"}
    prep = tabcli.prep(settings, data=tables)
    assert prep.summary.counts.clipped == (tables["train"]["units"] < 0).sum() > 0
    assert prep.prepared.tables["train"]["row.units"].min() == 0.0
    assert prep.summary.counts.dropped == {}
    with pytest.raises(ConfigError, match="clip is for transform: log1p"):
        tabcli.prep(variant(config, transform="log", nonpositive="clip"), data=tables)


def test_a_percentage_metric_refuses_zeros_among_the_validation_rows(config: dict[str, Any]) -> None:
    tables = with_units(make_tables(), small)
    settings = variant(config, transform="log1p")
    for metric in ("rmspe", "mape"):
        with pytest.raises(
            DataError, match=rf"metric {metric} is not defined for \d+ of the 120 validation rows"
        ) as error:
            tabcli.prep({**settings, "metric": metric}, data=tables)
        assert "wape" in str(error.value.hint)


def test_the_power_and_the_scale_are_learned_from_training_rows_only(config: dict[str, Any]) -> None:
    for transform in ("boxcox", "identity"):
        states = []
        for factor in (1, 9):
            tables = make_tables()
            past = tables["train"]
            late = past["day"] > past["day"].max() - pd.Timedelta(20, unit="D")
            past = past.assign(units=past["units"].where(~late, past["units"] * factor))
            settings = {**config, "target": {**config["target"], "transform": transform}}
            states.append(tabcli.prep(settings, data={**tables, "train": past}).prepared.fitted.target)
        assert states[0] == states[1]


def test_settings_that_do_not_go_together_are_named(config: dict[str, Any]) -> None:
    config["target"]["transform"] = "identity"
    config["train"]["loss"] = "rmspe"
    config["model"]["output_range"] = "auto"
    with pytest.raises(ConfigError, match=r"train\.loss: rmspe is for transform: log") as error:
        tabcli.prep(config, data=make_tables())
    assert "model.output_range: auto is for transform: log or log1p" in error.value.message


def scattered(n_series: int = 40, n_days: int = 160) -> pd.DataFrame:
    """Series whose log errors have a standard deviation of their own, 0.1 or 0.5."""
    rng = np.random.default_rng(11)
    days = pd.date_range("2024-01-01", periods=n_days, unit="us")
    rows = pd.MultiIndex.from_product([range(n_series), days], names=["item", "day"]).to_frame(index=False)
    rows["units"] = np.exp(3 + np.where(rows["item"] % 2, 0.5, 0.1) * rng.normal(size=len(rows)))
    return rows


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_a_learned_quantile_covers_as_much_as_asked_where_errors_scatter_little_and_much(quantile: float) -> None:
    settings = {
        "format_version": 1,
        "tables": {"train": {"file": "rows.csv"}},
        "series": ["item"],
        "date": "day",
        "target": {"column": "units"},
        "metric": "pinball",
        "quantile": quantile,
        "features": {"date_parts": ["day"]},
        "categorical": ["item", "dayDayofweek"],
        "continuous": ["dayElapsed"],
        "validation": {"last": "50d"},
        "calibration": {"metric": "none", "windows": 0},
        "model": {"layers": [32], "history": "none"},
        "train": {"loss": "pinball", "quantile": quantile, "epochs": 30, "batch_size": 64, "lr": 0.01},
    }
    prepared = tabcli.prep(settings, data={"train": scattered()}).prepared
    run = tabcli.train(prepared).run
    valid = prepared.tables["valid"]
    below = valid["row.units"].to_numpy() <= predict_target(run, valid, valid["row.day"])
    for odd in (0, 1):
        assert below[valid["row.item"] % 2 == odd].mean() == pytest.approx(quantile, abs=0.05)
    wrong = {**settings, "quantile": 0.5, "calibration": {}}
    with pytest.raises(ConfigError, match=r"goes with metric: pinball(.|\n)*set calibration\.metric: none"):
        tabcli.prep(wrong, data={"train": scattered()})


def test_evaluate_reports_the_others_too(tmp_path: Path) -> None:
    pd.DataFrame({"row": [1, 2, 3], "units": [12.0, 0.0, 30.0]}).to_csv(tmp_path / "made.csv", index=False)
    pd.DataFrame({"row": [1, 2, 3], "units": [10, 0, 40]}).to_csv(tmp_path / "truth.csv", index=False)
    words = ["evaluate", tmp_path / "made.csv", tmp_path / "truth.csv", "--quantile", "0.9"]
    scores = json.loads(run(*words, "--json").stdout)
    assert scores["mae"] == pytest.approx(4.0)
    assert scores["pinball"] == pytest.approx((0.1 * 2 + 0.9 * 10) / 3)
    assert scores["rmsle"] == pytest.approx(np.sqrt((np.log(13 / 11) ** 2 + np.log(41 / 31) ** 2) / 3))
    assert scores["zero"] == 1
    text = run(*words).stdout
    assert "PINBALL 3.067" in text
    assert "1 rows with an actual value of 0 are left out of RMSPE and MAPE" in text
    (tmp_path / "truth.csv").write_text("row,units\n1,-5\n2,0\n3,40\n")
    assert "RMSLE  not defined" in run(*words).stdout
    run("evaluate", tmp_path / "made.csv", tmp_path / "truth.csv", "--quantile", "2", code=2)


def test_a_backtest_is_sorted_by_the_metric(config: dict[str, Any], tmp_path: Path) -> None:
    tables = with_units(make_tables(), small)
    settings = variant(config, transform="log1p") | {"metric": "mase"}
    peers = ["median", "histgb"]
    result = backtest.backtest(
        settings, tables, tmp_path / "folds", folds=2, step="2w", peers=peers, overrides=["calibration.windows=0"]
    )
    summary = result.summary()
    assert list(summary.columns)[:4] == ["mase", "std over folds", "std over seeds", "mape"]
    assert summary["mase"].is_monotonic_increasing
    assert set(summary.index) == {"network", *peers}
    assert pd.Timestamp(result.folds[0]) - pd.Timestamp(result.folds[1]) == pd.Timedelta(14, unit="D")


@pytest.mark.parametrize("transform", ["log", "log1p", "identity", "boxcox"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_targets_are_refused_with_their_rows_or_counted(
    config: dict[str, Any], transform: str, value: float
) -> None:
    tables = with_units(make_tables(), lambda units, open_: units + 1.0)
    tables["train"].loc[[3, 70], "units"] = value
    settings = variant(config, transform=transform) | {"metric": "wape"}
    with pytest.raises(DataError, match=r"'units' is infinite in 2 of 1320 rows \(rows 4, 71\)") as error:
        tabcli.prep(settings, tables)
    assert "divided by 0" in str(error.value.hint)
    rest = tabcli.prep(settings, tables, overrides=["target.nonpositive=drop"]).summary
    assert rest.counts.dropped == {"units infinite": 2}
    assert rest.rows["train"] + rest.rows["valid"] + 2 == 1320
    if transform == "log1p":
        with pytest.raises(DataError, match="is infinite in 2 of"):
            tabcli.prep(settings, tables, overrides=["target.nonpositive=clip"])
