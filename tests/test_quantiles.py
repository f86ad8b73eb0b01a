"""Quantiles and intervals: their columns' names, and their scores against plain loops and known distributions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from tabcli.errors import DataError, UsageError
from tabcli.evaluation.metrics import wape
from tabcli.evaluation.quantile_scores import (
    coverage,
    crps,
    mean_width,
    quantile_losses,
    relative_width,
    share_error,
    sql,
    wql,
)
from tabcli.evaluation.quantiles import (
    bounds_in,
    interval_columns,
    interval_levels,
    intervals_in,
    percent_text,
    point_column,
    quantile_column,
)

DECILES = [round(0.1 * i, 1) for i in range(1, 10)]

# ------------------------------------------------------------------------------------------------- names


@given(st.integers(1, 9999), st.sampled_from(["Sales", "a_q10", "x.y", "net (€)", "Sales_lo80"]))
def test_a_name_says_its_level(tenths: int, target: str) -> None:
    level = tenths / 10000
    assert bounds_in([quantile_column(target, level)], target) == {quantile_column(target, level): level}
    low, high = interval_columns(target, level)
    below, above = interval_levels(level)
    assert bounds_in([high, "day", low, target], target) == {low: below, high: above}
    assert below + above == pytest.approx(1)
    assert above - below == pytest.approx(level)


def test_names_are_those_of_the_contract() -> None:
    levels = {0.025: "q2.5", 0.05: "q5", 0.1: "q10", 0.29: "q29", 0.5: "q50", 0.975: "q97.5"}
    assert {quantile_column("Sales", level) for level in levels} == {f"Sales_{end}" for end in levels.values()}
    assert interval_columns("Sales", 0.8) == ("Sales_lo80", "Sales_hi80")
    assert interval_columns("Sales", 0.95) == ("Sales_lo95", "Sales_hi95")


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 10.0, 0.99999999, math.nan, math.inf])
def test_what_is_no_level_has_no_name(level: float) -> None:
    with pytest.raises(UsageError, match="expected a number between 0 and 1"):
        percent_text(level)


def test_columns_of_other_names_are_not_taken_for_bounds() -> None:
    others = ["Sales", "Sales_q", "Sales_q0", "Sales_q100", "Sales_qx", "Sales_q10_", "my Sales_q10", "sales_q10"]
    others += ["Sales_low", "Sales_hi", "Sales_q-10", "Sales_q1O", "SalesXq10", "Other_q10", "Sales_q10.", "Sales_qnan"]
    assert bounds_in(others, "Sales") == {}
    assert list(bounds_in(["Sales_hi80", "Sales_q2.5", "Sales_q50", "Sales_lo80"], "Sales")) == [
        "Sales_q2.5",
        "Sales_lo80",
        "Sales_q50",
        "Sales_hi80",
    ]


def test_intervals_are_pairs_of_bounds_or_of_quantiles() -> None:
    columns = ["y_q10", "y_q90", "y_q30", "y_q70", "y_q5", "y_q50", "y_lo80", "y_hi80", "y_lo95"]
    assert intervals_in(columns, "y") == {0.4: ("y_q30", "y_q70"), 0.8: ("y_lo80", "y_hi80")}
    assert intervals_in(["y_lo95", "y_q97.5"], "y") == {}


def test_the_point_forecast_is_the_last_column_that_is_no_bound_of_another() -> None:
    assert point_column(["id", "Sales"]) == "Sales"
    assert point_column(["id", "Sales", "Sales_q10", "Sales_lo80", "Sales_hi80"]) == "Sales"
    assert point_column(["id", "Sales_q10"]) == "Sales_q10", "a quantile of a target that is not there"


# ------------------------------------------------------------------------------------------------ scores

values = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@st.composite
def forecasts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[float], np.ndarray]:
    """Actual values, bounds that never cross, their levels, and the scale of each row's series."""
    levels = draw(st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True).map(sorted))
    n = draw(st.integers(1, 8))
    rows = draw(st.lists(st.lists(values, min_size=len(levels), max_size=len(levels)), min_size=n, max_size=n))
    actual = draw(st.lists(values, min_size=n, max_size=n).filter(lambda y: any(abs(v) > 0.01 for v in y)))
    scale = draw(st.lists(st.floats(0.1, 100), min_size=n, max_size=n))
    return np.array(actual), np.sort(np.array(rows), axis=1), [level / 100 for level in levels], np.array(scale)


@given(forecasts())
def test_scores_against_plain_loops(made: tuple[np.ndarray, np.ndarray, list[float], np.ndarray]) -> None:
    actual, bounds, levels, scale = made
    losses = 0.0
    scaled = 0.0
    for y, row, s in zip(actual, bounds, scale, strict=True):
        for q, level in zip(row, levels, strict=True):
            loss = 2 * (level * (y - q) if y >= q else (1 - level) * (q - y))
            losses += loss
            scaled += loss / s
    n, size = len(actual) * len(levels), sum(abs(y) for y in actual)
    assert wql(actual, bounds, levels) == pytest.approx(losses / len(levels) / size)
    assert sql(actual, bounds, levels, scale) == pytest.approx(scaled / n)
    for i, level in enumerate(levels):
        expected = 2 * mean_pinball_loss(actual, bounds[:, i], alpha=level)
        assert quantile_losses(actual, bounds, levels)[:, i].mean() == pytest.approx(expected, abs=1e-9)
    low, high = bounds[:, 0], bounds[:, -1]
    held = sum(a <= y <= b for a, y, b in zip(low, actual, high, strict=True))
    assert coverage(actual, low, high) == held / len(actual)
    assert mean_width(low, high) == pytest.approx(sum(b - a for a, b in zip(low, high, strict=True)) / len(actual))


@given(forecasts(), st.floats(1e-3, 1e3))
def test_scores_follow_a_change_of_unit(
    made: tuple[np.ndarray, np.ndarray, list[float], np.ndarray], unit: float
) -> None:
    actual, bounds, levels, scale = made
    low, high = bounds[:, 0], bounds[:, -1]

    def same(one: float, other: float) -> None:
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12, nan_ok=True)

    same(wql(unit * actual, unit * bounds, levels), wql(actual, bounds, levels))
    same(sql(unit * actual, unit * bounds, levels, unit * scale), sql(actual, bounds, levels, scale))
    same(crps(unit * actual, unit * bounds, levels), unit * crps(actual, bounds, levels))
    same(mean_width(unit * low, unit * high), unit * mean_width(low, high))
    same(relative_width(unit * low, unit * high, unit * high), relative_width(low, high, high))


@given(st.lists(st.tuples(st.floats(1, 1e4), st.floats(0, 1e4)), min_size=1, max_size=20))
def test_a_point_forecast_at_all_levels_has_its_wape(pairs: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(pairs).T
    bounds = np.repeat(predicted[:, None], 9, axis=1)
    assert wql(actual, bounds, DECILES) == pytest.approx(wape(actual, predicted), rel=1e-9, abs=1e-12)


Z = {0.05: -1.6448536, 0.1: -1.2815516, 0.2: -0.8416212, 0.3: -0.5244005, 0.4: -0.2533471, 0.5: 0.0}
"""Quantiles of the standard normal distribution."""


def normal_quantiles(levels: list[float]) -> np.ndarray:
    return np.array([Z[q] if q <= 0.5 else -Z[round(1 - q, 2)] for q in levels])


def test_true_quantiles_hold_what_they_promise_and_cost_what_theory_says() -> None:
    """A normal variable: pinball of the true quantile is its density there; CRPS is σ / √π."""
    rng = np.random.default_rng(0)
    sigma, n = 20.0, 60_000
    mean = rng.uniform(100, 300, n)
    actual = mean + sigma * rng.normal(size=n)
    bounds = mean[:, None] + sigma * normal_quantiles(DECILES)
    density = np.exp(-(normal_quantiles(DECILES) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert quantile_losses(actual, bounds, DECILES).mean(axis=0) == pytest.approx(2 * sigma * density, rel=0.01)
    assert crps(actual, bounds, DECILES) == pytest.approx(sigma / math.sqrt(math.pi), rel=0.02)
    finer = [0.05, *DECILES, 0.95]
    nearer = mean[:, None] + sigma * normal_quantiles(finer)
    assert crps(actual, nearer, finer) == pytest.approx(sigma / math.sqrt(math.pi), rel=0.01)
    for i, j, share in ((0, 8, 0.8), (1, 7, 0.6), (3, 5, 0.2)):
        assert coverage(actual, bounds[:, i], bounds[:, j]) == pytest.approx(share, abs=0.005)
    for shift in (-0.3, 0.3):  # a proper score: no other quantiles cost less
        assert wql(actual, bounds + shift * sigma, DECILES) > wql(actual, bounds, DECILES)
    for factor in (0.7, 1.4):
        other = mean[:, None] + factor * sigma * normal_quantiles(DECILES)
        assert wql(actual, other, DECILES) > wql(actual, bounds, DECILES)


@pytest.mark.parametrize("levels", [[0.5], [0.1, 0.5, 0.9], [0.3, 0.4, 0.5, 0.6, 0.7], [0.2, 0.5, 0.8]])
def test_crps_is_not_defined_where_levels_leave_gaps(levels: list[float]) -> None:
    assert math.isnan(crps([1.0, 2.0], np.ones((2, len(levels))), levels))


def test_crps_wants_levels_in_order() -> None:
    for levels in ([0.5, 0.1], [0.1, 0.1], [0.0, 0.5], [0.5, 1.0]):
        with pytest.raises(ValueError, match="increasing order"):
            crps([1.0], np.ones((1, 2)), levels)


def test_what_is_not_defined_is_refused_or_no_number() -> None:
    with pytest.raises(DataError, match="all actual values are zero"):
        wql([0.0, 0.0], np.ones((2, 1)), [0.5])
    with pytest.raises(ValueError, match="each of 2 levels"):
        wql([1.0, 2.0], np.ones((2, 3)), [0.1, 0.9])
    assert math.isnan(relative_width([0.0], [2.0], [0.0]))
    assert math.isnan(coverage([], [], []))
    assert relative_width([0.0, 1.0], [2.0, 3.0], [4.0, -4.0]) == 0.5


def test_the_error_of_a_share_counts_blocks() -> None:
    """Rows that hit and miss together on a date say no more than one row of that date."""
    rng = np.random.default_rng(1)
    blocks = np.repeat(np.arange(100), 50)
    spread = [share_error(hits, 0.8, blocks) for hits in (np.repeat(rng.random(100) < 0.8, 50), rng.random(5000) < 0.8)]
    assert spread[0] == pytest.approx(math.sqrt(0.8 * 0.2 / 100), rel=0.2)
    assert spread[1] == pytest.approx(math.sqrt(0.8 * 0.2 / 5000), rel=0.2)
