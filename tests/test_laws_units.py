"""A law: in another unit of the target everything is the same but for the unit."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tabcli.forecasting.outputs import DIGITS, significant
from tests.conftest import make_tables


def forecasts(config: dict[str, Any], unit: float, transform: str) -> tuple[pd.Series, dict[str, Any]]:
    tables = make_tables()
    tables["train"]["units"] = tables["train"]["units"] * unit
    prep = tabcli.prep(config, tables, overrides=[f"target.transform={transform}"])
    run = tabcli.train(prep, overrides=["train.epochs=2", "train.precision=float32"])
    return tabcli.predict(run, tables).table["units"], run.metrics.validation.scores | {
        "baseline": run.metrics.baseline.score
    }


@pytest.mark.parametrize("with_history", [False, True])
@pytest.mark.parametrize("transform", ["log", "identity", "boxcox"])
def test_forecasts_are_the_same_in_every_unit(config: dict[str, Any], transform: str, with_history: bool) -> None:
    if with_history:
        config["history"] = {"windows": ["56d", "28d", "7d"], "base": "28d", "effects": ["promo"]}
    plain, metrics = forecasts(config, 1.0, transform)
    for unit in (1000.0, 1e-6):
        other, scores = forecasts(config, unit, transform)
        np.testing.assert_allclose(other / unit, plain, rtol=2e-3, atol=1e-3 * plain.max())
        for name in ("valid_rmspe", "valid_wape", "valid_mape"):
            assert scores[name] == pytest.approx(metrics[name], rel=0.01), name
        assert scores["baseline"] == pytest.approx(metrics["baseline"], rel=1e-9)
        assert scores["valid_rmse"] == pytest.approx(metrics["valid_rmse"] * unit, rel=0.01)


def test_forecasts_of_tiny_targets_with_zeros_are_no_worse(config: dict[str, Any]) -> None:
    """log1p of a tiny number is that number: it is learned as it is, and not rounded away."""
    config |= {"metric": "wape"}
    plain, metrics = forecasts(config, 1.0, "log1p")
    tiny, scores = forecasts(config, 1e-5, "log1p")
    assert tiny.nunique() > 0.8 * plain.nunique()
    assert scores["valid_wape"] < 1.5 * metrics["valid_wape"]


def test_significant_digits_are_kept_in_every_unit() -> None:
    values = np.random.default_rng(0).lognormal(3, 1, 1000)
    for unit in 10.0 ** np.arange(-12, 13):
        rounded = significant(values * unit)
        np.testing.assert_allclose(rounded, values * unit, rtol=10.0 ** -(DIGITS - 1))
        assert max(len(f"{v:.15g}".split("e")[0].replace(".", "").strip("0")) for v in rounded) <= DIGITS
    assert np.isnan(significant(np.array([np.nan])))
    assert significant(np.array([np.inf, -1e-300, 0.0])).tolist() == [np.inf, -1e-300, 0.0]
