"""The generated tables: reproducible, consistent, and with the noise floor they claim."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabcli.errors import UsageError
from tabcli.synthetic.retail import synth

SIZE: dict[str, Any] = {"stores": 60, "days": 700, "horizon": 30}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synth(tmp_path_factory.mktemp("synth") / "data", **SIZE).path


def read(directory: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(directory / f"{name}.csv", dtype={"state_holiday": str})


def test_same_arguments_same_bytes_and_another_seed_others(made: Path, tmp_path: Path) -> None:
    again = synth(tmp_path / "again", **SIZE).path
    other = synth(tmp_path / "other", **SIZE, seed=43).path
    names = sorted(p.name for p in made.iterdir())
    assert names == sorted(p.name for p in again.iterdir())
    assert all((made / n).read_bytes() == (again / n).read_bytes() for n in names)
    assert all((made / n).read_bytes() != (other / n).read_bytes() for n in ("train.csv", "stores.csv", "weather.csv"))


def test_the_noise_is_the_only_thing_that_noise_changes(made: Path, tmp_path: Path) -> None:
    quiet = synth(tmp_path / "quiet", **SIZE, noise=0.0)
    assert quiet.noise_floor < 1e-4  # whole units only
    for name in ("stores", "store_states", "weather", "trend", "test"):
        assert (quiet.path / f"{name}.csv").read_bytes() == (made / f"{name}.csv").read_bytes()
    columns = ["store", "date", "open", "promo", "state_holiday", "school_holiday"]
    pd.testing.assert_frame_equal(read(quiet.path, "train")[columns], read(made, "train")[columns])


def test_the_noise_floor_is_what_truth_says(made: Path) -> None:
    facts = json.loads((made / "truth.json").read_text())
    truth = read(made, "truth")
    scored = truth[truth["sales"] > 0]
    best = scored["median"] * np.exp(-1.5 * 0.1**2)
    realised = np.sqrt(np.mean(((scored["sales"] - best) / scored["sales"]) ** 2))
    assert facts["noise_floor"]["rmspe"] == pytest.approx(realised, rel=1e-4)
    assert facts["noise_floor"]["rmspe_theory"] == pytest.approx(np.sqrt(1 - np.exp(-0.01)))
    assert realised == pytest.approx(facts["noise_floor"]["rmspe_theory"], rel=0.08)
    noise = np.log(scored["sales"] / scored["median"])
    assert noise.std() == pytest.approx(0.1, rel=0.08)
    assert abs(noise.mean()) < 0.01


def test_no_other_constant_factor_beats_the_best_forecast_by_more_than_chance(tmp_path: Path) -> None:
    result = synth(tmp_path / "loud", **SIZE, noise=0.3)
    truth = read(result.path, "truth")
    scored = truth[truth["sales"] > 0]

    def score(factor: float) -> float:
        return float(np.sqrt(np.mean((1 - factor * scored["median"] / scored["sales"]) ** 2)))

    factors = np.linspace(0.7, 1.2, 101)
    best = factors[np.argmin([score(f) for f in factors])]
    assert best == pytest.approx(np.exp(-1.5 * 0.3**2), abs=0.04)


def test_rows_are_consistent(made: Path) -> None:
    train, test = read(made, "train"), read(made, "test")
    assert not train.duplicated(["store", "date"]).any()
    assert not test.duplicated(["store", "date"]).any()
    assert ((train["sales"] > 0) == (train["open"] == 1)).all()
    dates = pd.to_datetime(train["date"])
    assert dates.is_monotonic_decreasing
    assert (train["day_of_week"] == dates.dt.day_of_week + 1).all()
    assert pd.to_datetime(test["date"]).min() - dates.max() == pd.Timedelta(1, unit="D")
    assert test["date"].nunique() == SIZE["horizon"]
    assert "sales" not in test.columns
    assert test["id"].tolist() == list(range(1, len(test) + 1))
    assert train.groupby("date")["promo"].nunique().max() == 1


def test_promotions_lift_sales_by_store(made: Path) -> None:
    train = read(made, "train")
    weekdays = train[(train["open"] == 1) & (train["day_of_week"] <= 5)]
    medians = weekdays.pivot_table(index="store", columns="promo", values="sales", aggfunc="median")
    lift = np.log(medians[1] / medians[0])
    assert lift.mean() == pytest.approx(0.33, abs=0.06)
    assert lift.std() > 0.04


def test_missing_facts_gaps_and_closures_are_there(tmp_path: Path) -> None:
    path = synth(tmp_path / "data", stores=120, days=990).path
    facts = json.loads((path / "truth.json").read_text())
    stores, train = read(path, "stores"), read(path, "train")
    assert stores["competition_since_year"].isna().mean() == pytest.approx(1 / 3, abs=0.15)
    assert (stores["promo2_since_year"].isna() == (stores["promo2"] == 0)).all()
    assert read(path, "weather")["cloud_cover"].isna().any()
    gone = facts["without_rows_for_a_while"]
    rows = train.groupby("store").size()
    assert gone
    assert (rows[gone] == rows.max() - 184).all()
    assert not train[train["store"].isin(gone)]["date"].between("2014-07-01", "2014-12-31").any()
    shut = train[(train["open"] == 0) & (train["state_holiday"] == "0") & (train["day_of_week"] < 7)]
    assert set(facts["refurbished"]) == set(shut["store"])
    assert len(facts["level_shifts"]) == pytest.approx(6, abs=6)


def test_holidays_move(made: Path) -> None:
    train = read(made, "train")
    assert set(train.loc[train["state_holiday"] == "b", "date"]) == {
        "2013-03-29",
        "2013-04-01",
        "2014-04-18",
        "2014-04-21",
    }


@pytest.mark.parametrize("start", [date(2015, 12, 31), date(2016, 2, 29), date(1999, 6, 1)])
def test_any_start(tmp_path: Path, start: date) -> None:
    path = synth(tmp_path / "data", stores=5, days=450, horizon=7, start=start).path
    dates = pd.to_datetime(read(path, "train")["date"])
    assert dates.min() == pd.Timestamp(start)
    assert dates.nunique() == 443


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        ({"stores": 0}, "--stores"),
        ({"horizon": 0}, "--horizon"),
        ({"days": 447}, "--days"),
        ({"noise": -0.1}, "--noise"),
        ({"start": date(1500, 1, 1)}, "--start"),
    ],
)
def test_senseless_arguments_are_named(tmp_path: Path, arguments: dict[str, Any], flag: str) -> None:
    with pytest.raises(UsageError, match=flag):
        synth(tmp_path / "data", **arguments)
    assert not list(tmp_path.iterdir())
