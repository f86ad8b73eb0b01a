"""Metrics by their formulas, on the whole set, zero actuals left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from tabcli.baselines import group_medians
from tabcli.errors import DataError
from tabcli.metrics import METRICS, bias, mae, mape, rmse, rmspe, wape

pairs = st.lists(st.tuples(st.floats(1, 1e5), st.floats(0, 1e5)), min_size=1, max_size=30)


@given(pairs)
def test_against_scikit_learn(values: list[tuple[float, float]]) -> None:
    y, p = np.array(values).T
    assert rmse(y, p) == pytest.approx(oracle.root_mean_squared_error(y, p))
    assert mae(y, p) == pytest.approx(oracle.mean_absolute_error(y, p))
    assert mape(y, p) == pytest.approx(oracle.mean_absolute_percentage_error(y, p))
    assert rmspe(y, p) == pytest.approx(oracle.root_mean_squared_error(np.ones(len(y)), p / y), abs=1e-12, rel=1e-9)
    assert wape(y, p) == pytest.approx(np.abs(y - p).sum() / y.sum())
    assert bias(y, p) == pytest.approx(p.sum() / y.sum() - 1, abs=1e-9)


@given(pairs, st.lists(st.floats(0, 1e5), max_size=10))
def test_zero_actuals_leave_sum_and_count(values: list[tuple[float, float]], extra: list[float]) -> None:
    y, p = np.array(values).T
    longer_y, longer_p = np.append(y, np.zeros(len(extra))), np.append(p, extra)
    assert rmspe(longer_y, longer_p) == pytest.approx(rmspe(y, p))
    assert mape(longer_y, longer_p) == pytest.approx(mape(y, p))


def test_the_whole_set_is_not_the_mean_of_its_batches() -> None:
    y, p = np.array([1.0, 1.0, 1.0, 1.0]), np.array([1.0, 1.0, 2.0, 2.0])
    assert rmspe(y, p) == pytest.approx(np.sqrt(0.5))
    assert (rmspe(y[:2], p[:2]) + rmspe(y[2:], p[2:])) / 2 == pytest.approx(0.5)


def test_undefined_is_refused() -> None:
    for metric in (rmspe, mape, wape, bias):
        with pytest.raises(DataError, match="zero"):
            metric([0.0, 0.0], [1.0, 2.0])
    for metric in METRICS.values():
        with pytest.raises(ValueError, match="one length"):
            metric([1.0, 2.0], [1.0])


def test_group_medians_fall_back_to_coarser_groups() -> None:
    import pandas as pd

    train = pd.DataFrame({"a": [1, 1, 1, 2], "b": pd.Categorical(["x", "x", "y", "x"])})
    rows = pd.DataFrame({"a": [1, 1, 2, 2, 3], "b": pd.Categorical(["x", "y", "x", "y", "x"])})
    made = group_medians(train, np.array([10.0, 20.0, 90.0, 7.0]), rows, ["a", "b"])
    # (1, x): 15; (1, y): 90; (2, x): 7; (2, y) is not there, so all of 2: 7; 3 is not there, so all rows: 15
    assert made.tolist() == [15.0, 90.0, 7.0, 7.0, 15.0]
