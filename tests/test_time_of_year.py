"""A time of year that is always uncertain: told by naive forecasts of the years before, kept in a run."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabcli
from tabcli.bundle.directories import load_run
from tabcli.cli.app import app
from tabcli.evaluation.scatter import PastErrors, RowPlaces, fit_scatter
from tabcli.evaluation.time_of_year import CHANCE, PRIOR, YearlyErrors
from tabcli.training.past import TIME_OF_YEAR
from tabcli.training.yearly import naive_errors, yearly_factors


def yearly(n: int = 500, loud: int = 100, by: float = 3.0) -> YearlyErrors:
    """Errors of 0.1 from 10 rows at each place, but at 40 places from `loud` on."""
    sizes = np.full(n, 1.0)
    sizes[loud : loud + 40] *= by
    return YearlyErrors(sizes, np.full(n, 10), 364, 40)


def shrunk(ratio: float, dates: int) -> float:
    departure = np.log(ratio)
    return float(np.exp(departure * dates / (dates + PRIOR) * departure**2 / (departure**2 + CHANCE**2)))


def test_a_place_is_as_uncertain_as_it_was_a_year_before_shrunk_by_the_dates_that_speak() -> None:
    usual = (500 + 80) / 500  # three times as much at 40 of 500 places
    loud, calm, unknown, far = yearly().factors(np.array([364 + 120, 364 + 300, 120, 964]))
    assert loud == pytest.approx(shrunk(3 / usual, 40))
    assert calm == pytest.approx(shrunk(1 / usual, 40))
    assert 1.5 < loud < 1.8
    assert 0.9 < calm < 1
    assert unknown == 1.0, "no year before it"
    assert far == calm, "of the year before it nothing is known, but of two years before"


def test_two_years_before_speak_more_clearly_than_one() -> None:
    sizes = yearly(900).sizes
    sizes[464:504] *= 3.0
    twice = YearlyErrors(sizes, np.full(900, 10), 364, 40)
    usual = sizes.sum() / 900
    assert twice.factors(np.array([2 * 364 + 120]))[0] == pytest.approx(shrunk(3 / usual, 80))


def test_places_without_rows_and_errors_of_nothing_tell_nothing() -> None:
    none = YearlyErrors(np.zeros(400), np.zeros(400, dtype="int64"), 364, 40)
    assert none.factors(np.array([380, 500])).tolist() == [1.0, 1.0]
    exact = YearlyErrors(np.zeros(400), np.full(400, 10), 364, 40)
    assert exact.factors(np.array([380, 500])).tolist() == [1.0, 1.0]


def test_bounds_are_wider_at_an_uncertain_time_of_year_and_its_errors_do_not_widen_others() -> None:
    rng = np.random.default_rng(0)
    window, step, series = (a.ravel() for a in np.indices((4, 48, 30)))
    unsure = np.where(window == 1, 2.0, 1.0)
    where = RowPlaces(series, step % 7, step + 1, unsure)
    made = PastErrors(where, window, window * 48 + step, 0.1 * unsure * rng.normal(size=len(series)))
    one = np.ones(2, dtype="int64")
    coming = RowPlaces(one, one, one, np.array([1.0, 2.0]))
    low, high = fit_scatter(made).quantiles(coming, [0.1, 0.9]).T
    assert high - low == pytest.approx(np.array([1.0, 2.0]) * 2 * 1.2816 * 0.1, rel=0.06)


CONFIG = {
    "format_version": 1,
    "tables": {"train": {"file": "sales.csv"}},
    "series": "shop",
    "date": "day",
    "target": {"column": "units", "transform": "log"},
    "metric": "wape",
    "validation": {"last": "30d"},
    "features": {"date_parts": ["day"]},
    "categorical": ["shop", "dayDayofweek"],
    "continuous": ["dayElapsed"],
    "model": {"layers": [8], "embedding_dropout": 0, "dropout": [0]},
    "train": {"epochs": 1, "batch_size": 256, "threads": 1},
    "calibration": {"windows": 1},
}


def sales(until: str) -> pd.DataFrame:
    """Six shops for about two years; in December sales scatter five times as much, and no column tells why."""
    rng, days = np.random.default_rng(1), pd.date_range("2022-01-01", until)
    shop, day = np.repeat(np.arange(6), len(days)), np.tile(days, 6)
    wild = np.where(pd.DatetimeIndex(day).month == 12, 0.5, 0.1)
    units = 100 * (1 + shop) * np.exp(wild * rng.normal(size=len(shop)))
    return pd.DataFrame({"shop": shop, "day": day, "units": units})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("december")
    prep = tabcli.prep(CONFIG, {"train": sales("2023-11-30")})
    tabcli.train(prep, out=folder / "run")
    return folder / "run"


def test_the_december_to_come_has_wider_bounds_by_the_one_before(run: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"horizon": "30d", "intervals": [0.8], "totals": ["day", "month"]}
    old = tmp_path / "old"  # a run of a version that did not keep what naive forecasts erred by
    shutil.copytree(run, old)
    (old / "naive_errors.parquet").unlink()
    listed = json.loads((old / "manifest.json").read_text())
    del listed["files"]["naive_errors.parquet"]
    (old / "manifest.json").write_text(json.dumps(listed))
    made, before = (tabcli.predict(each, {"train": sales("2023-11-30")}, **asked) for each in (run, old))

    def width(table: pd.DataFrame) -> np.ndarray:
        return np.log(table["units_hi80"] / table["units_lo80"]).to_numpy()

    ratio = pd.Series(width(made.table) / width(before.table)).groupby(made.table["day"]).mean()
    kept = load_run(run)
    expected = yearly_factors(kept.fitted, kept.naive_errors, ratio.index.to_series())
    np.testing.assert_allclose(ratio, expected, rtol=1e-3)
    assert ratio["2023-12-16"] > 1.3
    assert made.totals is not None
    assert before.totals is not None
    relative = [(t["units_hi80"] - t["units_lo80"]) / t["units"] for t in (made.totals, before.totals)]
    assert (relative[0] > 1.05 * relative[1]).all()
    assert kept.past is not None
    known = yearly_factors(kept.fitted, kept.naive_errors, kept.past["date"])
    np.testing.assert_allclose(kept.past[TIME_OF_YEAR], known)
    assert known.min() < 0.95, "autumn is calmer than the year"


def test_a_run_keeps_what_naive_forecasts_erred_by_as_prep_tells_it(run: Path) -> None:
    kept = load_run(run)
    prepared = tabcli.prep(CONFIG, {"train": sales("2023-11-30")}).prepared
    pd.testing.assert_frame_equal(kept.naive_errors, naive_errors(prepared))
    assert kept.naive_errors is not None
    by_place = (kept.naive_errors["size"] / kept.naive_errors["rows"]).set_axis(kept.naive_errors["place"])
    assert by_place.loc[340:360].mean() > 3 * by_place.loc[200:320].mean()


def test_steps_beyond_the_horizon_have_wider_bounds_and_it_is_said(run: Path, tmp_path: Path) -> None:
    """Through the command line: 60 days by a run of 30; day 60 is at least as much wider as a random walk would be."""
    sales("2023-11-30").to_csv(tmp_path / "sales.csv", index=False)
    out = tmp_path / "f.csv"
    options = ("--data", tmp_path, "--out", out, "--horizon", "60d", "--interval", "0.8")
    done = CliRunner().invoke(app, ["predict", *map(str, (run, *options))])
    assert done.exit_code == 0, done.output
    said = " ".join((done.stdout + done.stderr).split())
    assert "180 rows lie beyond the 30 steps of past windows: their intervals grow with the distance" in said
    rows, kept = pd.read_csv(out, parse_dates=["day"]), load_run(run)
    width = np.log(rows["units_hi80"] / rows["units_lo80"]).groupby(rows["day"]).mean()
    calm = width / yearly_factors(kept.fitted, kept.naive_errors, width.index.to_series())
    assert calm.iloc[-4:].mean() > 1.3 * calm.iloc[26:30].mean()
    assert calm.iloc[-4:].mean() < 2.2 * calm.iloc[26:30].mean()


@pytest.mark.parametrize(
    ("freq", "step", "last", "n"), [("h", "1h", "10d", 24 * 450), ("W-MON", "1w", "6w", 150), ("MS", "1mo", "3mo", 60)]
)
def test_hours_weeks_and_months_have_times_of_the_year(freq: str, step: str, last: str, n: int) -> None:
    """December is wild in every year: rows of the next are less sure than those of spring."""
    rng, when = (
        np.random.default_rng(4),
        pd.date_range("2019-01-07" if freq != "MS" else "2019-01-01", periods=n, freq=freq),
    )
    table = pd.DataFrame({"shop": np.repeat(["a", "b"], n), "day": np.tile(when, 2)})
    wild = np.where(table["day"].dt.month == 12, 0.8, 0.1)
    table["units"] = 100 * np.exp(wild * rng.normal(size=len(table)))
    config = {**CONFIG, "frequency": step, "validation": {"last": last}, "features": {}, "categorical": ["shop"]}
    prepared = tabcli.prep({**config, "continuous": []}, {"train": table}).prepared
    year = when[-1].year + (when[-1].month == 12)
    ahead = pd.Series(pd.to_datetime([f"{year}-12-16", f"{year + 1}-04-16"]))
    december, spring = yearly_factors(prepared.fitted, naive_errors(prepared), ahead)
    assert december > 1.1 * spring


def test_a_past_shorter_than_a_year_tells_nothing_of_times_of_the_year() -> None:
    short = sales("2022-12-25")
    prepared = tabcli.prep({**CONFIG, "train": {**CONFIG["train"]}}, {"train": short}).prepared
    assert naive_errors(prepared) is None
    assert yearly_factors(prepared.fitted, None, short["day"]).tolist() == [1.0] * len(short)


def test_a_season_that_comes_and_goes_slowly_is_not_taken_for_uncertain() -> None:
    """Naive forecasts do not know a season; networks do. Five times the sales in summer, the same scatter all year."""
    table = sales("2023-11-30")
    angle = 2 * np.pi * table["day"].dt.day_of_year / 365.25
    rng = np.random.default_rng(2)
    table["units"] = 100 * np.exp(0.8 * np.sin(angle) + 0.1 * rng.normal(size=len(table)))
    prepared = tabcli.prep(CONFIG, {"train": table}).prepared
    factors = yearly_factors(
        prepared.fitted, naive_errors(prepared), pd.Series(pd.date_range("2023-06-01", "2024-05-01"))
    )
    assert factors.min() > 0.85
    assert factors.max() < 1.15
