"""What fev-bench judges by, computed as it is there: MASE, WAPE, SQL and WQL of one window; and what intervals held."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.evaluation.quantile_scores import coverage, relative_width
from tabcli.evaluation.quantiles import intervals_in, quantile_column

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILES = [quantile_column("Sales", level) for level in LEVELS]
"""The columns of a forecast's quantiles."""
INTERVALS = {0.8: "80", 0.95: "95"}
"""Share of the rows that a central interval promises → how it is called here."""
METRICS = ("SQL", "MASE", "SQL/MASE", "WAPE", "WQL", "held 80", "held 95", "width 80")
"""What is printed. *held*: the share of rows within an interval, of those that are not sure: closed days are 0 by rule.
*width*: the sum of its widths over that of the forecasts."""

PUBLISHED: dict[str, list[tuple[str, dict[str, float], float | None]]] = {
    "1D": [
        ("TabPFN-TS, best of 30", {"SQL": 0.2389, "MASE": 0.3006, "WAPE": 0.0998, "WQL": 0.0794}, 10_539),
        ("TS-ICL", {"SQL": 0.258, "MASE": 0.320, "WAPE": 0.107}, 48),
        ("CatBoost", {"SQL": 0.332, "MASE": 0.332, "WAPE": 0.110}, 1_942),
        ("LightGBM", {"SQL": 0.341, "MASE": 0.341, "WAPE": 0.113}, 44),
        ("Chronos-2", {"SQL": 0.284, "MASE": 0.356, "WAPE": 0.120}, 101),
    ],
    "1W": [("TabPFN-TS, best of 30", {"SQL": 0.2538, "MASE": 0.3042, "WAPE": 0.0791, "WQL": 0.0659}, 4_846)],
}
"""Published rows of a task: name, means over all its windows, seconds (TabPFN-TS's on a graphics card)."""


def seasonal_changes(past: pd.DataFrame, step: int, seasonality: int) -> "pd.Series[float]":
    """Store → mean |y_t − y_{t−m}| over its whole past, where both are there; 1 for a store without such a pair."""
    grid = past.pivot_table(index="Date", columns="Store", values="Sales", aggfunc="sum")
    grid = grid.reindex(pd.date_range(grid.index.min(), grid.index.max(), freq=f"{step}D"))
    return grid.diff(seasonality).abs().mean().fillna(1.0)


def quantile_losses(y: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per row the mean over the levels of 2·|(y − q̂)(1[y ≤ q̂] − q)|. y (n,), quantiles (n, 9) → (n,)."""
    late = y[:, None] <= quantiles
    return np.mean(2 * np.abs((y[:, None] - quantiles) * (late - np.asarray(LEVELS))), axis=1)


def scaled_mean(errors: NDArray[np.float64], scale: NDArray[np.float64]) -> float:
    """The mean of errors / scale over all rows, both (n,). Rows of a store that never changed are left out."""
    return float(np.mean(errors[scale > 0] / scale[scale > 0]))


def window_scores(
    truth: pd.DataFrame, forecast: pd.DataFrame, past: pd.DataFrame, step: int, seasonality: int
) -> dict[str, float | None]:
    """The scores of one window by `METRICS`, None where the forecast lacks columns for them; and the *unsure* rows.

    `truth`: Id, Store, Sales. `forecast`: Id, Sales and perhaps `QUANTILES` and bounds of intervals, in any order.
    `past`: Store, Date, Sales. Raises `SystemExit` where a row has no forecast, or more than one, or one that is no
    number.
    """
    if sorted(forecast["Id"]) != sorted(truth["Id"]):
        raise SystemExit(f"expected a forecast for each of {len(truth)} rows once; there are {len(forecast)} forecasts")
    rows = forecast.set_index("Id").loc[truth["Id"]]
    made = rows[[c for c in rows.columns if c.startswith("Sales")]]
    if not np.isfinite(made.to_numpy(np.float64)).all():
        raise SystemExit(f"{np.sum(~np.isfinite(made.to_numpy(np.float64)))} forecasts are no numbers")
    y, point = (table["Sales"].to_numpy(np.float64) for table in (truth, made))
    scale = seasonal_changes(past, step, seasonality).reindex(truth["Store"]).fillna(1.0).to_numpy(np.float64)
    errors, level = np.abs(y - point), float(np.mean(np.abs(y)))
    scores = dict.fromkeys(METRICS) | {"MASE": scaled_mean(errors, scale), "WAPE": float(np.mean(errors)) / level}
    if set(QUANTILES) <= {*made.columns}:
        losses = quantile_losses(y, made[QUANTILES].to_numpy(np.float64))
        scores |= {"SQL": scaled_mean(losses, scale), "WQL": float(np.mean(losses)) / level}
    return with_ratio(scores) | interval_scores(y, made)


def with_ratio(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    """The scores with SQL ÷ MASE, where both are there: 0.774 is what a true normal distribution has."""
    sql, mase = scores.get("SQL"), scores.get("MASE")
    return {**scores, "SQL/MASE": sql / mase if sql is not None and mase else None}


def interval_scores(y: NDArray[np.float64], made: pd.DataFrame) -> dict[str, float | None]:
    """What the intervals of a forecast held of the rows y (n,), and the width of the first."""
    bounds = made.drop(columns="Sales").to_numpy(np.float64)
    unsure = bounds.min(axis=1) < bounds.max(axis=1) if bounds.shape[1] else np.zeros(len(y), bool)
    scores: dict[str, float | None] = {"unsure": int(unsure.sum())}
    for share, (low, high) in intervals_in(made.columns, "Sales").items():
        if (text := INTERVALS.get(share)) is not None and unsure.any():
            scores[f"held {text}"] = coverage(y[unsure], made[low][unsure], made[high][unsure])
            scores[f"width {text}"] = relative_width(made[low], made[high], made["Sales"])
    return scores


def means(windows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Metric → its mean over the windows, None where one of them lacks it.

    What intervals held is pooled over the rows of all windows, and SQL/MASE is that of the means.
    """
    made: dict[str, float | None] = {}
    for name in METRICS:
        values = [w[name] for w in windows]
        weights = [w["unsure"] for w in windows] if name.startswith("held") else None
        made[name] = None if None in values else float(np.average(values, weights=weights))
    return with_ratio(made)
