"""Targets that are all 0 for a while, as where everything was closed: no error after the training, and no lost run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

import tabcli
from tabcli.bundle import directories
from tabcli.cli.app import app
from tabcli.errors import DataError

N_DAYS, HORIZON = 100, 10

CONFIG: dict[str, Any] = {
    "format_version": 1,
    "tables": {"train": {"file": "sales.csv"}},
    "series": "shop",
    "date": "day",
    "target": {"column": "units", "transform": "log1p"},
    "features": {"date_parts": ["day"]},
    "history": {"windows": ["28d", "7d"], "base": "7d"},
    "validation": {"last": f"{HORIZON}d"},
    "model": {"layers": [8]},
    "train": {"epochs": 1, "batch_size": 64, "lr": 0.01},
    "calibration": {"windows": 2},
}


def sales(first: int, last: int) -> pd.DataFrame:
    """Two shops that sold nothing from day `first` to before day `last`."""
    days = pd.date_range("2021-01-04", periods=N_DAYS, unit="us")
    rows = pd.MultiIndex.from_product([["a", "b"], days], names=["shop", "day"]).to_frame(index=False)
    number = np.tile(np.arange(N_DAYS), 2)
    return rows.assign(units=np.where((number >= first) & (number < last), 0, 20 + number % 7))


END = N_DAYS
START = END - HORIZON
"""Of the validation rows."""


@pytest.mark.parametrize(
    ("metric", "first", "last", "n_windows"),
    [
        ("wape", START - HORIZON, START, 1),
        ("wape", START - 3 * HORIZON, START - HORIZON, 1),
        ("mape", START - HORIZON, START, 1),
        ("mae", START, END, 2),
        ("mae", START - 2 * HORIZON, START, 2),
        ("rmsle", START, END, 2),
        ("mase", START - HORIZON, END, 2),
    ],
)
def test_a_time_without_sales_ends_no_training(
    tmp_path: Path, metric: str, first: int, last: int, n_windows: int
) -> None:
    prep = tabcli.prep({**CONFIG, "metric": metric}, {"train": sales(first, last)}, tmp_path / "prep")
    words = ["train", "--prep", str(tmp_path / "prep"), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, words, prog_name="tabcli")
    assert done.exit_code == 0, done.output
    metrics = directories.load_run(tmp_path / "run").metrics
    assert len(metrics.windows) == n_windows
    rows = sales(first, last)
    for window in metrics.windows:
        zero = not rows.loc[rows["day"].between(window.start, window.end), "units"].any()
        assert np.isnan([window.wape, window.bias]).tolist() == [zero, zero]
        assert np.isfinite(window.score)
    assert ("; all its targets are 0" in done.stdout) == any(np.isnan(w.bias) for w in metrics.windows)
    assert np.isfinite(list(metrics.better.values())).all()
    made = tabcli.predict(tmp_path / "run", {"train": sales(first, last)}, horizon="5d").table
    assert prep.prepared.summary.rows["valid"] == 2 * HORIZON
    assert np.isfinite(made["units"]).all()


@pytest.mark.parametrize("metric", ["mae", "rmse", "rmsle"])
def test_where_nothing_was_ever_sold_prep_says_so(metric: str) -> None:
    """It was found out after the first epoch."""
    with pytest.raises(DataError, match="target 'units': it is 0 in all 180 rows to learn from"):
        tabcli.prep({**CONFIG, "metric": metric}, {"train": sales(0, END)})


def test_a_fold_without_sales_is_scored_by_what_is_defined(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(sales(START, END).to_csv(index=False))
    for metric, code in (("mae", 0), ("wape", 4)):
        done = tabcli_backtest(tmp_path, metric)
        assert done.exit_code == code, done.output


def tabcli_backtest(folder: Path, metric: str) -> Result:
    config = folder / f"{metric}.yaml"
    config.write_text(yaml.safe_dump({**CONFIG, "metric": metric, "calibration": {"windows": 0}}), encoding="utf-8")
    words = ["backtest", "--config", str(config), "--data", str(folder), "--out", str(folder / metric), "--folds", "1"]
    return CliRunner().invoke(app, words, prog_name="tabcli")
