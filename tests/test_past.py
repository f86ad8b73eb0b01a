"""Rows of past windows with what was forecast: which rows, how far ahead, how far off, and what intervals would hold.

No network is needed: any output will do.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.evaluation.quantiles import interval_levels
from tabcli.evaluation.scatter import fit_scatter
from tabcli.training.inputs import window_of
from tabcli.training.past import HELD, held_by_windows, past_errors, past_forecast, row_places
from tests.conftest import CONFIG, HORIZON, N_DAYS, START, examples, make_tables

GAP = 3
TABLES = make_tables()
OPEN = TABLES["train"].query("units > 0").reset_index(drop=True)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    """Three days lie between the last known day and the first to forecast."""
    return tabcli.prep({**CONFIG, "validation": {"last": "future", "gap": f"{GAP}d"}}, TABLES).prepared


def forecasts(prepared: Prepared, n: int, seed: int = 0, sizes: tuple[float, ...] = (0.1, 0.1, 0.1)) -> pd.DataFrame:
    """n windows whose outputs miss by normal errors of these sizes."""
    rng, parts = np.random.default_rng(seed), []
    for k in range(n):
        y = window_of(prepared, k).scored["y"].to_numpy(dtype="float64")
        parts.append(past_forecast(prepared, k, y - rng.normal(0, sizes[k], len(y))))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("window", [0, 1, 2])
def test_a_window_holds_the_open_rows_of_its_days_as_the_table_has_them(prepared: Prepared, window: int) -> None:
    n = len(window_of(prepared, window).scored)
    made = past_forecast(prepared, window, np.arange(n) / 2.0)
    end = START + pd.Timedelta(days=N_DAYS - 1 - window * HORIZON)
    rows = OPEN[OPEN["day"].between(end - pd.Timedelta(days=HORIZON - 1), end)]
    assert list(made)[:6] == ["window", "series", "date", "ahead", "actual", "output"]
    assert made["window"].eq(window).all()
    assert made["output"].tolist() == [i / 2 for i in range(n)], "in the order of the scored rows"
    shops = prepared.fitted.calendar.series["shop"].to_numpy()[made["series"]]
    found = {(int(s), d): a for s, d, a in zip(shops, made["date"], made["actual"], strict=True)}
    assert found == {(s, d): float(u) for s, d, u in zip(rows["shop"], rows["day"], rows["units"], strict=True)}
    cutoff = end - pd.Timedelta(days=HORIZON + GAP)
    assert made["ahead"].tolist() == (made["date"] - cutoff).dt.days.tolist(), "steps after the last known day"


def test_errors_are_actual_less_output_on_the_learned_scale_wherever_the_rows_stand(prepared: Prepared) -> None:
    rows = forecasts(prepared, 3).sample(frac=1, random_state=0)
    made = past_errors(prepared.fitted, rows)
    np.testing.assert_allclose(made.error, np.log(rows["actual"]) - rows["output"], atol=1e-12)
    np.testing.assert_array_equal(made.places.season, 24 * rows["date"].dt.day_of_week)
    np.testing.assert_array_equal(made.places.ahead, rows["ahead"])
    np.testing.assert_array_equal(made.places.series, rows["series"])
    for names, column in ((made.window, "window"), (made.date, "date")):
        pairs = pd.DataFrame({"name": names, "of": rows[column].to_numpy()}).drop_duplicates()
        assert sorted(pairs["name"]) == list(range(rows[column].nunique())), "one number for each, from 0 on"


def test_windows_are_numbered_from_0_on_also_without_the_newest(prepared: Prepared) -> None:
    rows = forecasts(prepared, 3).query("window > 0")
    assert set(past_errors(prepared.fitted, rows).window) == {0, 1}


def test_the_place_of_a_row_is_its_series_hour_of_the_week_and_step_ahead(prepared: Prepared) -> None:
    dates = pd.Series(pd.date_range("2024-01-01", periods=9, unit="us"))
    where = row_places(prepared.fitted, np.arange(-1, 8), dates, np.arange(1, 10), np.ones(9))
    assert where.season.tolist() == [0, 24, 48, 72, 96, 120, 144, 0, 24]
    assert (where.series[0], where.ahead[-1]) == (-1, 9)


def test_what_is_held_is_what_bounds_from_the_other_windows_hold(prepared: Prepared) -> None:
    """Recomputed from the bounds themselves, in the target's unit."""
    fitted, rows = prepared.fitted, forecasts(prepared, 3, sizes=(0.05, 0.1, 0.4))
    held = held_by_windows(fitted, rows)
    for k, share in enumerate(held):
        scatter = fit_scatter(past_errors(fitted, rows[rows["window"] != k]))
        own = rows[rows["window"] == k]
        series, ahead = (own[c].to_numpy(dtype="int64") for c in ("series", "ahead"))
        where = row_places(fitted, series, own["date"], ahead, np.ones(len(own)))
        bounds = scatter.quantiles(where, interval_levels(HELD))
        low, high = np.exp(own["output"].to_numpy()[:, None] + bounds).T
        assert share == pytest.approx(own["actual"].between(low, high).mean())
    assert held[0] > 0.9 > 0.5 > held[2], "the quiet window lies within bounds of the loud one, and not the other way"


@examples(3)
@given(st.integers(0, 2**32 - 1))
def test_a_window_has_no_say_in_its_own_bounds(prepared: Prepared, seed: int) -> None:
    rng, fitted = np.random.default_rng(seed), prepared.fitted
    rows = forecasts(prepared, 3, seed)
    other = rows.assign(output=rows["output"].where(rows["window"] != 1, rng.permutation(rows["output"].to_numpy())))
    plain, changed = held_by_windows(fitted, rows), held_by_windows(fitted, other)
    assert plain[1] != changed[1], "its own errors are looked at"
    far = rows.assign(output=rows["output"].where(rows["window"] != 1, 99.0))
    assert held_by_windows(fitted, far)[1] == 0.0, "and widen no bound of its own"


def test_errors_of_one_size_are_held_about_as_often_as_promised(prepared: Prepared) -> None:
    made = np.array([held_by_windows(prepared.fitted, forecasts(prepared, 3, seed)) for seed in range(4)])
    assert made.shape == (4, 3)
    assert made.mean() == pytest.approx(HELD, abs=0.05)


def test_a_single_window_has_no_other_to_be_judged_by(prepared: Prepared) -> None:
    assert held_by_windows(prepared.fitted, forecasts(prepared, 1)) == ()


def test_another_unit_of_the_target_changes_no_error(prepared: Prepared) -> None:
    """On a log scale a factor is a shift of actual and output alike."""
    scaled = {**TABLES, "train": TABLES["train"].assign(units=TABLES["train"]["units"] * 1000.0)}
    other = tabcli.prep(prepared.fitted.config, scaled).prepared
    one, two = (past_errors(p.fitted, forecasts(p, 2)) for p in (prepared, other))
    np.testing.assert_allclose(one.error, two.error, atol=1e-6)
    np.testing.assert_array_equal(one.places.ahead, two.places.ahead)
