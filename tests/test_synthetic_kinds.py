"""The weekly and the hourly tables: reproducible, with the floor they claim, and forecast by the shipped configs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tabcli.evaluation.metrics import rmsle, wape
from tests.test_cli import run

ROOT = Path(__file__).parents[1]
SIZES: dict[str, dict[str, Any]] = {
    "weekly": {"stores": 4, "products": 10, "weeks": 130, "horizon": 8},
    "hourly": {"stations": 2, "hours": 24 * 84, "horizon": 48},
}
TARGETS = {"weekly": "units", "hourly": "rentals"}
METRICS = {"weekly": wape, "hourly": rmsle}


def make(kind: Any, directory: Path, **more: Any) -> Path:
    return tabcli.synth(directory, kind=kind, **{**SIZES[kind], **more}).path


@pytest.mark.parametrize("kind", SIZES)
def test_same_arguments_same_bytes_and_another_seed_others(kind: str, tmp_path: Path) -> None:
    one, again = make(kind, tmp_path / "one"), make(kind, tmp_path / "again")
    other = make(kind, tmp_path / "other", seed=43)
    names = sorted(p.name for p in one.iterdir())
    assert all((one / n).read_bytes() == (again / n).read_bytes() for n in names)
    assert all((one / n).read_bytes() != (other / n).read_bytes() for n in ("train.csv", "truth.csv"))


@pytest.mark.parametrize("kind", SIZES)
def test_the_floor_is_that_of_the_best_forecast(kind: str, tmp_path: Path) -> None:
    """Recomputed from the tables; no constant factor or shift of the best forecast is better by more than chance."""
    made = tabcli.synth(tmp_path / "data", kind=kind, **{**SIZES[kind], "horizon": 26 if kind == "weekly" else 300})
    truth = pd.read_csv(made.path / "truth.csv")
    actual, best = truth[TARGETS[kind]], truth["median" if kind == "weekly" else "best"]
    metric, facts = METRICS[kind], json.loads((made.path / "truth.json").read_text())
    assert made.noise_floor == facts["noise_floor"][made.metric] == pytest.approx(metric(actual, best), rel=1e-4)
    others = [metric(actual, f * best + c) for f in (0.8, 0.9, 1.1, 1.2) for c in (-0.3, 0.0, 0.3)]
    assert made.noise_floor < 1.01 * min(others)
    quiet = make(kind, tmp_path / "quiet", noise=0.0)
    assert json.loads((quiet / "truth.json").read_text())["noise_floor"][made.metric] < 1e-4


def test_weekly_tables_have_what_they_are_for(tmp_path: Path) -> None:
    path = tabcli.synth(tmp_path / "data", kind="weekly").path
    train, test = pd.read_csv(path / "train.csv", parse_dates=["week"]), pd.read_csv(path / "test.csv")
    assert not train.duplicated(["store", "product", "week"]).any()
    assert (train["units"] == 0).mean() > 0.01
    first = train.groupby(["store", "product"])["week"].min()
    last = train.groupby(["store", "product"])["week"].max()
    assert (first > first.min()).any(), "late starts"
    assert (last < last.max() - pd.Timedelta(28, unit="D")).any(), "early ends"
    assert len(train) < 0.999 * ((last - first).dt.days // 7 + 1).sum(), "gaps"
    assert {*test.columns} == {"id", "week", "store", "product", "price", "promo"}
    promoted = train.merge(pd.read_csv(path / "products.csv"))
    assert (promoted.loc[promoted["promo"] == 1, "price"] < promoted.loc[promoted["promo"] == 1, "usual_price"]).all()


def test_hourly_tables_have_what_they_are_for(tmp_path: Path) -> None:
    path = make("hourly", tmp_path / "data")
    train = pd.read_csv(path / "train.csv", parse_dates=["hour"])
    weather = pd.read_csv(path / "weather.csv", parse_dates=["hour"])
    assert weather["hour"].diff().dropna().eq(pd.Timedelta(1, unit="h")).all()
    assert len(weather) == SIZES["hourly"]["hours"]
    by_hour = train.groupby([train["working_day"], train["hour"].dt.hour])["rentals"].mean()
    assert by_hour[1].idxmax() in (17, 18)
    assert by_hour[0].idxmax() in (13, 14, 15)
    assert (train.loc[train["hour"].dt.hour == 3, "rentals"] == 0).any()


@pytest.mark.parametrize(
    ("kind", "options", "margin"),
    [("weekly", ["--stores", "6", "--products", "12"], 1.3), ("hourly", ["--stores", "2", "--length", "4200"], 1.3)],
)
def test_the_shipped_config_comes_near_the_floor(kind: str, options: list[str], margin: float, tmp_path: Path) -> None:
    """synth, prep, train, predict, evaluate; then the same run without a table of the rows to forecast."""
    data, config = tmp_path / "data", ROOT / "configs" / f"{kind}.yaml"
    made = json.loads(run("synth", data, "--kind", kind, *options, "--json").stdout)
    metric = {"weekly": "wape", "hourly": "rmsle"}[kind]
    run("prep", "--config", config, "--data", data, "--out", tmp_path / "prep")
    run("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run", "-S", "train.threads=1")
    run("predict", tmp_path / "run", "--data", data, "--out", tmp_path / "made.csv")
    scores = json.loads(run("evaluate", tmp_path / "made.csv", data / "truth.csv", "--json").stdout)
    assert scores[metric] < margin * made[f"noise_floor_{metric}"]
    assert pd.read_csv(tmp_path / "made.csv").iloc[:, 1].min() >= 0
    (data / "test.csv").unlink()
    horizon = {"weekly": "8w", "hourly": "168h"}[kind]
    run("predict", tmp_path / "run", "--data", data, "--out", tmp_path / "ahead.csv", "--horizon", horizon)
    ahead = pd.read_csv(tmp_path / "ahead.csv")
    train = pd.read_csv(data / "train.csv")
    keys = ["store", "product"] if kind == "weekly" else ["station"]
    date = "week" if kind == "weekly" else "hour"
    assert list(ahead.columns) == [*keys, date, TARGETS[kind]]
    n_steps = {"weekly": 8, "hourly": 168}[kind]
    assert len(ahead) == n_steps * len(train[keys].drop_duplicates())
    assert pd.to_datetime(ahead[date]).min() > pd.to_datetime(train[date]).max()
    assert np.isfinite(ahead[TARGETS[kind]]).all()


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["--kind", "weekly", "--stores", "0"], "--stores 0"),
        (["--kind", "weekly", "--length", "59"], "--length 59"),
        (["--kind", "weekly", "--products", "0"], "--products 0"),
        (["--kind", "hourly", "--length", "59"], "--length 59"),
        (["--kind", "hourly", "--noise", "-1"], "--noise -1"),
        (["--kind", "hourly", "--products", "4"], "--products goes with --kind weekly"),
        (["--start", "soon"], "--start soon"),
    ],
)
def test_senseless_arguments_are_named(tmp_path: Path, words: list[str], flag: str) -> None:
    assert flag in run("synth", tmp_path / "data", *words, code=2).stderr
    assert not (tmp_path / "data").exists()
