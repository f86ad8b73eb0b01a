"""Metrics by their formulas, on the whole set, zero actuals left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from tabcli.errors import DataError
from tabcli.evaluation.metrics import (
    METRICS,
    Criterion,
    bias,
    mae,
    mape,
    mase,
    pinball,
    rmse,
    rmsle,
    rmspe,
    scores_of,
    seasonal_scale,
    wape,
)
from tabcli.evaluation.naive import group_medians, seasonal_naive
from tabcli.features.frequency import Frequency

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
    assert rmsle(y, p) == pytest.approx(oracle.root_mean_squared_log_error(y, p))
    for quantile in (0.1, 0.5, 0.95):
        assert pinball(y, p, quantile) == pytest.approx(oracle.mean_pinball_loss(y, p, alpha=quantile))
        assert Criterion("pinball", quantile)(y, p) == pinball(y, p, quantile)
    for name, metric in METRICS.items():
        assert Criterion(name)(y, p) == metric(y, p)


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


def test_mase_is_scaled_by_each_series_own_seasonal_changes() -> None:
    """Against a plain loop, with gaps, a late start, a constant series, and one that training never saw."""
    rng = np.random.default_rng(0)
    rows = [
        (s, t, 5.0 if s == 2 else 100 * s + rng.normal()) for s in range(4) for t in range(40) if rng.random() < 0.8
    ]
    rows = [(s, t, v) for s, t, v in rows if s != 3 or t > 36]
    series, step = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    target = np.array([r[2] for r in rows])
    order = rng.permutation(len(rows))
    scale = seasonal_scale(series[order], step[order], target[order], 7, 5)
    known = {(s, t): v for s, t, v in rows}
    loop = [
        [abs(v - known[s, t - 7]) for (s, t), v in known.items() if s == wanted and (s, t - 7) in known]
        for wanted in (0, 1)
    ]
    means = [float(np.mean(changes)) for changes in loop]
    np.testing.assert_allclose(scale, [*means, *[np.mean(means)] * 4])
    actual, predicted = np.array([10.0, 20.0]), np.array([12.0, 19.0])
    assert mase(actual, predicted, [2.0, 4.0]) == pytest.approx((2 / 2 + 1 / 4) / 2)
    with pytest.raises(DataError, match="MASE is not defined"):
        seasonal_scale(series, step, np.ones(len(rows)), 7, 4)


def test_what_is_not_defined_says_how_many_rows_and_what_else_there_is() -> None:
    actual = np.array([0.0, -1.0, 3.0])
    scores = scores_of(np.zeros(2), np.ones(2))
    assert np.isnan(scores["rmspe"])
    assert scores["mae"] == 1.0
    for metric, n in (("rmspe", 1), ("mape", 1), ("rmsle", 1)):
        with pytest.raises(
            DataError, match=f"metric {metric} is not defined for {n} of the 3 validation rows"
        ) as error:
            Criterion(metric).check(actual, "validation rows")
        assert "wape" in str(error.value.hint)
    for metric in ("wape", "rmse", "mae", "pinball"):
        Criterion(metric).check(actual, "validation rows")
    with pytest.raises(DataError, match="negative"):
        rmsle(actual, actual)
    assert rmsle([0.0], [-3.0]) == 0.0


@pytest.mark.parametrize(("freq", "season"), [("h", 24 * 7), ("D", 7), ("MS", 12)])
def test_the_seasonal_naive_forecast_goes_back_one_season(freq: str, season: int) -> None:
    dates = pd.Series(pd.date_range("2018-01-01", periods=5 * season, freq=freq, unit="us"))
    table = pd.DataFrame({"shop": 1, "day": dates})
    values = np.random.default_rng(0).normal(size=len(table))
    train, rows = table.iloc[:-season], table.iloc[-season:]
    made = seasonal_naive(train, values[:-season], rows, ["shop"], "day", Frequency.of(dates))
    np.testing.assert_array_equal(made, values[-2 * season : -season])
