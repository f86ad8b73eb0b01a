"""The calibration against a brute-force search, and that it sees only the spread of the errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.evaluation.calibration import best_factor, best_shift, fit_calibration
from tabcli.evaluation.metrics import Criterion
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


@given(shift=st.floats(-0.5, 0.5))
def test_a_common_shift_of_all_forecasts_changes_nothing(shift: float) -> None:
    rng = np.random.default_rng(1)
    actual, outputs = np.exp(rng.normal(0, 0.1, 1000)), rng.normal(0, 0.1, 1000)
    target = TargetTransform.fit("log", actual)
    once = fit_calibration(Criterion("rmspe"), target, actual, outputs)
    assert fit_calibration(Criterion("rmspe"), target, actual, outputs + shift) == pytest.approx(once, rel=1e-9)
    assert 0.96 < once[0] < 1
    assert once[1] == 0.0
    assert fit_calibration(None, target, actual, outputs) == (1.0, 0.0)


def test_a_target_learned_as_it_is_gets_a_shift() -> None:
    rng = np.random.default_rng(1)
    errors = rng.exponential(10, 20_000)  # mean 10, median 6.9
    actual = -50 + errors
    target = TargetTransform.fit("identity", actual)
    outputs = target.scaled(np.full(len(actual), 100.0))
    factor, shift = fit_calibration(Criterion("mae"), target, actual, outputs)
    assert factor == 1.0
    assert shift == pytest.approx(np.median(errors) - errors.mean(), abs=0.01)
    assert fit_calibration(Criterion("rmse"), target, actual, outputs)[1] == pytest.approx(0, abs=1e-9)


def test_one_strange_day_does_not_decide() -> None:
    rng = np.random.default_rng(0)
    target, actual = TargetTransform("log"), np.full(20_000, 100.0)
    outputs = np.log(actual) + rng.normal(0, 0.1, len(actual))
    usual, _ = fit_calibration(Criterion("rmspe"), target, actual, outputs)
    assert usual == pytest.approx(np.exp(-1.5 * 0.1**2), abs=0.002)
    outputs[:40] = np.log(actual[:40]) + 2.0  # 0.2 % of the rows, forecast seven times too high
    strange, _ = fit_calibration(Criterion("rmspe"), target, actual, outputs)
    assert strange == pytest.approx(usual, abs=0.004)
