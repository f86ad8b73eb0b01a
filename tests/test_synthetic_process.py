"""The hourly and the weekly tables follow the process that their module describes: its constants found again."""

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabcli.errors import UsageError
from tabcli.synthetic import retail
from tabcli.synthetic.hourly import synth_hourly
from tabcli.synthetic.weekly import CATEGORIES, REGIONS, synth_weekly

Tables = dict[str, pd.DataFrame]


def read(path: Path) -> Tables:
    return {p.stem: pd.read_csv(p) for p in path.glob("*.csv")}


@pytest.fixture(scope="module")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Two years of one station without noise."""
    path = tmp_path_factory.mktemp("hourly") / "data"
    return read(synth_hourly(path, stations=1, hours=24 * 540, horizon=24, noise=0.0).path)


@pytest.fixture(scope="module")
def weekly(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    path = tmp_path_factory.mktemp("weekly") / "data"
    return read(synth_weekly(path, stores=4, products=40, weeks=160, horizon=8, noise=0.0).path)


def solved(y: np.ndarray, columns: list[np.ndarray], groups: pd.Series) -> np.ndarray:
    """Least squares with a level of its own for each group."""

    def within(values: np.ndarray) -> np.ndarray:
        return values - pd.Series(values).groupby(groups.to_numpy()).transform("mean").to_numpy()

    x = np.stack([within(c.astype("float64")) for c in columns], axis=1)
    found: np.ndarray = np.linalg.lstsq(x, within(y), rcond=None)[0]
    return found


def test_hourly_rentals_have_the_effects_of_weather_season_and_growth_that_are_written_down(hourly: Tables) -> None:
    rows = hourly["train"].merge(hourly["weather"], on="hour")
    moment = pd.to_datetime(rows["hour"])
    clock = moment.dt.hour.astype(str) + rows["working_day"].astype(str)
    busy = rows["rentals"] >= 30  # where rounding to whole numbers hardly counts
    rows, moment, clock = rows[busy], moment[busy], clock[busy]
    day = moment.dt.day_of_year - 1
    effects = [
        (rows["temperature"] - 24) ** 2,
        rows["rain"],
        np.maximum(rows["wind"] - 20, 0),
        np.sin(2 * np.pi * (day - 80) / 365.25),
        (moment - pd.Timestamp("2023-01-02")) / pd.Timedelta(365.25, unit="D"),
    ]
    found = solved(np.log(rows["rentals"].to_numpy()), [e.to_numpy() for e in effects], clock)
    np.testing.assert_allclose(found, [-0.0025, -0.6, -0.02, 0.15, 0.2], rtol=0.06)


def test_hours_that_are_worked_are_those_of_weekdays_without_the_five_holidays(hourly: Tables) -> None:
    rows = pd.concat([hourly["train"], hourly["test"]])
    moment = pd.to_datetime(rows["hour"])
    of_year = (moment.dt.normalize() - moment.dt.to_period("Y").dt.start_time).dt.days
    np.testing.assert_array_equal(rows["holiday"], of_year.isin([0, 120, 275, 358, 359]))
    np.testing.assert_array_equal(rows["working_day"], (moment.dt.day_of_week < 5) & (rows["holiday"] == 0))
    assert set(moment[rows["holiday"] == 1].dt.strftime("%m-%d")) >= {"01-01", "05-01", "12-25", "12-26"}
    np.testing.assert_array_equal(hourly["weather"]["hour"], rows["hour"].drop_duplicates())
    assert hourly["test"]["id"].tolist() == hourly["truth"]["id"].tolist() == list(range(1, 25))


def test_weather_stays_within_what_it_is_measured_in(hourly: Tables) -> None:
    weather = hourly["weather"]
    moment = pd.to_datetime(weather["hour"])
    assert weather["humidity"].between(15, 100).all()
    assert weather["rain"].isin([0, 1]).all()
    assert 0.05 < weather["rain"].mean() < 0.3
    assert (weather["wind"] > 0).all()
    by_hour, by_month = (weather["temperature"].groupby(k).mean() for k in (moment.dt.hour, moment.dt.month))
    assert (by_hour.idxmin(), by_hour.idxmax()) == (3, 15)
    assert by_month.idxmax() in (7, 8)


def test_the_best_hourly_forecast_has_the_least_expected_error_of_logs(tmp_path: Path) -> None:
    """The mean of log(1 + rentals) over the noise, by midpoints of it, for the means that noise 0 shows."""
    words: dict[str, Any] = {"stations": 2, "hours": 24 * 84, "horizon": 48, "seed": 5}
    quiet = read(synth_hourly(tmp_path / "quiet", noise=0.0, **words).path)["truth"]
    loud = read(synth_hourly(tmp_path / "loud", noise=0.4, **words).path)["truth"]
    mu = np.log(quiet["rentals"].clip(lower=1).to_numpy())
    z = np.array([NormalDist().inv_cdf((i + 0.5) / 2000) for i in range(2000)])
    drawn = np.expm1(np.log1p(np.rint(np.exp(mu[:, None] + 0.4 * z))).mean(axis=1))
    large = (quiet["rentals"] >= 40).to_numpy()  # where the whole number says the mean well
    assert large.sum() > 10
    np.testing.assert_allclose(loud["best"][large], drawn[large], rtol=0.02)
    assert (loud["best"] < 0.99 * np.exp(mu + 0.08))[large].all(), "below the mean, which noise makes larger"


# -------------------------------------------------------------------------------------------- weekly


def test_weekly_units_follow_price_promotion_and_christmas_as_written_down(weekly: Tables) -> None:
    train = weekly["train"].merge(weekly["products"], on="product")
    week = pd.to_datetime(train["week"])
    age = train.groupby(["store", "product"])["week"].transform("min")
    old = (week - pd.to_datetime(age)).dt.days > 7 * 13  # launched products have grown up by then
    sold = old & (train["units"] >= 20)
    train, week = train[sold], week[sold]
    day = week.dt.day_of_year - 1
    christmas = ((day >= 337) & (day < 358)).astype("float64")
    waves = [f(k * 2 * np.pi * day / 365.25) for k in (1, 2) for f in (np.sin, np.cos)]
    of_category = [w * (train["category"] == c) for w in waves for c in CATEGORIES]
    years = (week - week.min()).dt.days / 365.25
    of_product = [years * (train["product"] == p) for p in train["product"].unique()]
    logs = np.log(train["price"] / train["usual_price"])
    of_price = [logs * (train["product"] == p) for p in train["product"].unique()]
    columns = [c.to_numpy() for c in (christmas, train["promo"], *of_category, *of_product, *of_price)]
    groups = train["store"].astype(str) + "/" + train["product"].astype(str)
    found = solved(np.log(train["units"].to_numpy()), columns, groups)
    assert found[0] == pytest.approx(0.4, abs=0.02)
    assert found[1] == pytest.approx(0.35, abs=0.03)
    elasticity = found[-len(of_price) :]
    counts = train["product"].value_counts().reindex(train["product"].unique())
    assert np.average(elasticity, weights=counts) == pytest.approx(-2, abs=0.3)
    assert 0.2 < np.std(elasticity[(counts > 300).to_numpy()]) < 0.9


def test_weekly_prices_are_cut_in_promotions_by_10_20_or_35_percent_and_rise_2_percent_a_year(weekly: Tables) -> None:
    rows = pd.concat([weekly["train"], weekly["test"]]).merge(weekly["products"], on="product")
    year = (pd.to_datetime(rows["week"]) - pd.Timestamp("2021-01-04")).dt.days // 7 // 52
    ratio = rows["price"] / (rows["usual_price"] * (1 + 0.02 * year))
    cent = 0.0051 / rows["price"]
    assert ((ratio - 1).abs() <= cent)[rows["promo"] == 0].all()
    cut = np.abs(ratio.to_numpy()[:, None] - [0.9, 0.8, 0.65])
    assert (cut.min(axis=1) <= cent)[rows["promo"] == 1].all()
    shares = np.bincount(cut.argmin(axis=1)[rows["promo"] == 1]) / (rows["promo"] == 1).sum()
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)
    assert rows["promo"].mean() == pytest.approx(1 / 8, abs=0.01)


def test_weekly_rows_miss_one_in_a_hundred_before_and_none_ahead_and_the_given_up_have_none(weekly: Tables) -> None:
    train, test = weekly["train"], weekly["test"]
    weeks = pd.Series(sorted({*train["week"], *test["week"]}))
    assert len(weeks) == 160
    place = train["week"].map(dict(zip(weeks, range(160), strict=True)))
    spans = place.groupby([train["store"], train["product"]]).agg(["min", "max", "size"])
    assert (spans["size"] / (spans["max"] - spans["min"] + 1)).mean() == pytest.approx(0.99, abs=0.005)
    last = place.groupby(train["product"]).max()
    given_up = {*last[last < 151].index}
    assert 0 < len(given_up) < 20
    assert {*test["product"]} == {*last.index} - given_up
    assert not test.groupby("week").size().nunique() > 1, "every week ahead has all products that are still sold"
    first = place.groupby(train["product"]).min()
    assert 0 < (first >= 20).sum() < 20
    assert {*weekly["stores"]["region"]} <= {*REGIONS}


def test_the_median_of_a_weekly_row_is_what_is_sold_without_noise(weekly: Tables) -> None:
    np.testing.assert_array_equal(weekly["truth"]["units"], weekly["truth"]["median"])


@pytest.mark.parametrize(
    ("synth", "words", "message"),
    [
        (synth_hourly, {"stations": 0}, "--stores 0: expected 1 or more"),
        (synth_hourly, {"horizon": 0}, "--horizon 0: expected 1 or more"),
        (
            synth_hourly,
            {"hours": 1700, "horizon": 24},
            "--length 1700: expected 1704 or more: the horizon and 1680 hours",
        ),
        (synth_hourly, {"noise": 1.5}, "--noise 1.5: expected a sigma from 0 to 1"),
        (synth_weekly, {"products": 0}, "--products 0: expected 1 or more"),
        (
            synth_weekly,
            {"weeks": 59, "horizon": 8},
            "--length 59: expected 60 or more: the horizon and 52 weeks before",
        ),
        (synth_weekly, {"noise": float("nan")}, "--noise nan: expected a sigma from 0 to 1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_and_nothing_is_written(
    synth: Any, words: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        synth(tmp_path / "data", **words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("synth", [synth_hourly, synth_weekly])
def test_the_smallest_tables_can_be_made(synth: Any, tmp_path: Path) -> None:
    least = {"stations": 1, "hours": 1681} if synth is synth_hourly else {"stores": 1, "products": 1, "weeks": 53}
    made = synth(tmp_path / "data", horizon=1, seed=0, **least)
    facts = json.loads((made.path / "truth.json").read_text())
    assert facts["arguments"]["horizon"] == 1
    assert (made.n_train, made.n_test) == tuple(len(read(made.path)[name]) for name in ("train", "test"))


@pytest.mark.parametrize(
    ("synth", "words"),
    [
        (synth_weekly, {"stores": 1, "products": 1, "weeks": 53, "seed": 2}),  # the product is given up before
        (retail.synth, {"stores": 1, "days": 412}),  # the last day is a Sunday
    ],
)
def test_rows_to_forecast_in_which_nothing_is_sold_are_refused(synth: Any, words: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is sold in the rows to forecast") as error:
        synth(tmp_path / "data", horizon=1, **words)
    assert error.value.hint == "make more series, a longer --horizon, or others with --seed"
    assert not (tmp_path / "data").exists()
