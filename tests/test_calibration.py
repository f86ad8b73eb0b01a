"""The factor against a brute-force search, and that it sees only the spread of the errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.calibration import best_factor, spread_factor
from tabcli.metrics import mape, rmse, rmspe

METRICS = {"rmspe": rmspe, "mape": mape, "rmse": rmse}
positive = st.floats(0.1, 100.0)


@pytest.mark.parametrize("metric", METRICS)
@given(rows=st.lists(st.tuples(positive, positive), min_size=1, max_size=30))
def test_no_other_factor_is_better(metric: str, rows: list[tuple[float, float]]) -> None:
    actual, predicted = (np.array(column) for column in zip(*rows, strict=True))
    best = best_factor(metric, actual, predicted)  # type: ignore[arg-type]
    reached = METRICS[metric](actual, best * predicted)
    candidates = [*np.linspace(0.2, 3, 100) * best, *(actual / predicted)]
    assert all(reached <= METRICS[metric](actual, c * predicted) + 1e-9 for c in candidates)


def test_the_textbook_value_for_log_normal_errors() -> None:
    rng = np.random.default_rng(0)
    actual = np.exp(rng.normal(0, 0.1, 400_000))
    assert best_factor("rmspe", actual, np.ones_like(actual)) == pytest.approx(np.exp(-1.5 * 0.01), abs=2e-4)
    assert best_factor("rmse", actual, np.ones_like(actual)) == pytest.approx(np.exp(0.5 * 0.01), abs=4e-4)
    assert best_factor("mape", actual, np.ones_like(actual)) == pytest.approx(np.exp(-0.01), abs=1e-3)
    assert best_factor("none", actual, np.ones_like(actual)) == 1.0


@given(shift=st.floats(0.5, 2.0))
def test_a_common_shift_of_all_forecasts_changes_nothing(shift: float) -> None:
    rng = np.random.default_rng(1)
    actual = np.exp(rng.normal(0, 0.1, 1000))
    predicted = np.exp(rng.normal(0, 0.1, 1000))
    once = spread_factor("rmspe", actual, predicted)
    assert spread_factor("rmspe", actual, shift * predicted) == pytest.approx(once, rel=1e-9)
    assert 0.96 < once < 1
