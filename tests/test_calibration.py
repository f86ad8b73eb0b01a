"""The calibration against a brute-force search, and that it sees only the spread of the errors."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.evaluation.calibration import (
    LARGEST,
    NO_CALIBRATION,
    Errors,
    best_factor,
    best_shift,
    fit_calibration,
)
from tabcli.evaluation.metrics import Criterion, bias
from tabcli.preprocessing.target import TargetTransform

METRICS = ("rmspe", "mape", "rmse", "wape", "mae", "mase", "rmsle", "pinball")
positive = st.floats(0.1, 100.0)


def criterion(metric: str, n: int) -> Criterion:
    return Criterion(metric, 0.8, np.linspace(1, 5, n))


@pytest.mark.parametrize("metric", METRICS)
@given(rows=st.lists(st.tuples(positive, positive), min_size=1, max_size=30))
def test_no_other_factor_and_no_other_shift_is_better(metric: str, rows: list[tuple[float, float]]) -> None:
    actual, predicted = (np.array(column) for column in zip(*rows, strict=True))
    judge = criterion(metric, len(rows))
    if metric == "rmsle":  # searched for within a factor of e
        predicted = actual * np.clip(predicted / actual, 0.7, 1.5)
    best = best_factor(judge, actual, predicted)
    reached = judge(actual, best * predicted)
    candidates = [*np.linspace(0.5, 2, 100) * best, *(actual / predicted)]
    assert all(reached <= judge(actual, c * predicted) + 1e-6 * max(1, reached) for c in candidates)
    if metric == "rmsle":
        return
    shift = best_shift(judge, actual, predicted)
    reached = judge(actual, predicted + shift)
    candidates = [*np.linspace(-100, 100, 100), *(actual - predicted)]
    assert all(reached <= judge(actual, predicted + c) + 1e-6 * max(1, reached) for c in candidates)


def test_rows_with_a_zero_actual_do_not_count_where_they_are_not_scored() -> None:
    actual, predicted = np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0])
    for metric in ("rmspe", "mape"):
        assert best_factor(Criterion(metric), actual, predicted) == pytest.approx(2.0)
        assert best_factor(Criterion(metric), np.zeros(3), predicted) == 1.0
    assert best_factor(Criterion("wape"), actual, predicted) == pytest.approx(2.0)


def test_the_textbook_value_for_log_normal_errors() -> None:
    rng = np.random.default_rng(0)
    actual = np.exp(rng.normal(0, 0.1, 400_000))
    ones = np.ones_like(actual)
    expected = {"rmspe": -1.5 * 0.01, "rmse": 0.5 * 0.01, "mape": -0.01, "wape": 0.0}
    for metric, exponent in expected.items():
        assert best_factor(Criterion(metric), actual, ones) == pytest.approx(np.exp(exponent), abs=1e-3)
    quantile = best_factor(Criterion("pinball", 0.9), actual, ones)
    assert quantile == pytest.approx(np.exp(1.2816 * 0.1), abs=2e-3)


def windows(metric: str, actual: Any, outputs: Any, n: int = 4) -> list[Errors]:
    """The rows as n past windows."""
    parts = np.array_split(np.arange(len(actual)), n)
    return [Errors(Criterion(metric), actual[part], outputs[part]) for part in parts]


@given(shift=st.floats(-0.05, 0.05))
def test_a_common_shift_of_all_forecasts_hardly_changes_the_factor(shift: float) -> None:
    """How far a window runs above or below changes from one to the next: only the scatter of the errors counts."""
    rng = np.random.default_rng(1)
    actual, outputs = np.exp(rng.normal(0, 0.1, 4000)), rng.normal(0, 0.3, 4000)
    target = TargetTransform.fit("log", actual)
    once = fit_calibration(windows("rmspe", actual, outputs), target)
    again = fit_calibration(windows("rmspe", actual, outputs + shift), target)
    assert again.factor == pytest.approx(once.factor, rel=1e-9)
    assert LARGEST > 1 / once.factor > 1
    assert once.shift == 0.0


def test_a_target_learned_as_it_is_gets_a_shift() -> None:
    rng = np.random.default_rng(1)
    errors = rng.exponential(10, 20_000)  # mean 10, median 6.9
    actual = -50 + errors
    target = TargetTransform.fit("identity", actual)
    outputs = target.scaled(np.full(len(actual), errors.mean() - 50))
    found = fit_calibration(windows("mae", actual, outputs), target)
    assert found.factor == 1.0
    assert found.shift == pytest.approx(np.median(errors) - errors.mean(), abs=0.1)


def test_one_strange_day_does_not_decide() -> None:
    rng = np.random.default_rng(0)
    target, actual = TargetTransform("log"), np.full(20_000, 100.0)
    outputs = np.log(actual) + rng.normal(0, 0.1, len(actual))
    usual = fit_calibration(windows("rmspe", actual, outputs), target).factor
    assert usual == pytest.approx(np.exp(-1.5 * 0.1**2), abs=0.002)
    outputs[:40] = np.log(actual[:40]) + 2.0  # 0.2 % of the rows, forecast seven times too high
    strange = fit_calibration(windows("rmspe", actual, outputs), target).factor
    assert strange == pytest.approx(usual, abs=0.005)


@given(seed=st.integers(0, 1000), n=st.integers(0, 3), sd=st.floats(0.01, 3.0), bias=st.floats(-2.0, 2.0))
def test_a_calibration_is_bounded_and_needs_windows_to_be_judged_on(seed: int, n: int, sd: float, bias: float) -> None:
    rng = np.random.default_rng(seed)
    target, actual = TargetTransform("log"), np.exp(rng.normal(3, 1, 300))
    outputs = np.log(actual) + bias + sd * rng.standard_t(2, 300)
    found = fit_calibration(windows("wape", actual, outputs, n) if n else [], target)
    assert 1 / LARGEST <= found.factor <= LARGEST
    if n < 2:
        assert found == NO_CALIBRATION


def test_a_factor_that_helps_only_where_it_was_fitted_is_not_used() -> None:
    """Two windows whose scatter calls for opposite factors: each is judged on the other, and neither helps."""
    target, actual = TargetTransform("log"), np.full(400, 100.0)
    low = np.log(actual) + np.tile([-0.9, 0.3, 0.3, 0.3], 100)
    high = np.log(actual) + np.tile([0.9, -0.3, -0.3, -0.3], 100)
    two = [Errors(Criterion("wape"), actual, low), Errors(Criterion("wape"), actual, high)]
    assert fit_calibration(two, target) == NO_CALIBRATION


def test_a_quantile_is_moved_to_however_far_it_lies() -> None:
    rng = np.random.default_rng(0)
    target, actual = TargetTransform("log"), np.exp(rng.normal(3, 0.5, 20_000))
    high = [Errors(Criterion("pinball", 0.9), actual, np.full(20_000, 3.0))]
    assert np.mean(actual < fit_calibration(high, target).forecasts(target, np.full(20_000, 3.0))) == pytest.approx(
        0.9, abs=0.01
    )


def skewed(seed: int, spread: float) -> Errors:
    """A window whose actual values scatter log-normally, around forecasts that scatter themselves."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(3, 0.6, 400)
    return Errors(Criterion("wape"), np.exp(outputs + rng.normal(0, spread, 400)), outputs + rng.normal(0, 0.5, 400))


def test_no_factor_of_absolute_errors_moves_sums_that_are_too_low_for_sure_further_down() -> None:
    target = TargetTransform("log")
    low = [skewed(seed, 0.9) for seed in range(4)]
    assert all(bias(w.actual, np.exp(w.outputs)) < -0.1 for w in low)
    assert fit_calibration(low, target) == NO_CALIBRATION
    squares = [Errors(Criterion("rmspe"), w.actual, w.outputs) for w in low]
    assert fit_calibration(squares, target).factor < 1
    high = [Errors(w.criterion, w.actual / 2.5, w.outputs) for w in low]
    assert all(bias(w.actual, np.exp(w.outputs)) > 0.2 for w in high)
    assert fit_calibration(high, target).factor < 0.95
