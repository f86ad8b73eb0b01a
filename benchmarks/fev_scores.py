"""What fev-bench judges by, computed as it is there: MASE, WAPE, SQL and WQL of one window."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
METRICS = ("SQL", "MASE", "WAPE", "WQL")
QUANTILES = [f"Sales_q{round(100 * level)}" for level in LEVELS]
"""The columns of a forecast's quantiles."""

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
    """The scores of one window; SQL and WQL are None where the forecast has no columns of quantiles.

    `truth`: Id, Store, Sales. `forecast`: Id, Sales and perhaps `QUANTILES`, in any order. `past`: Store, Date, Sales.
    Raises `SystemExit` where a row has no forecast, or more than one, or one that is no number.
    """
    if sorted(forecast["Id"]) != sorted(truth["Id"]):
        raise SystemExit(f"expected a forecast for each of {len(truth)} rows once; there are {len(forecast)} forecasts")
    columns = ["Sales", *(c for c in QUANTILES if c in forecast.columns)]
    got = forecast.set_index("Id").loc[truth["Id"], columns].to_numpy(np.float64)
    if not np.isfinite(got).all():
        raise SystemExit(f"{np.sum(~np.isfinite(got))} forecasts are no numbers")
    y = truth["Sales"].to_numpy(np.float64)
    scale = seasonal_changes(past, step, seasonality).reindex(truth["Store"]).fillna(1.0).to_numpy(np.float64)
    errors, level = np.abs(y - got[:, 0]), float(np.mean(np.abs(y)))
    scores: dict[str, float | None] = {"SQL": None, "MASE": scaled_mean(errors, scale)}
    scores |= {"WAPE": float(np.mean(errors)) / level, "WQL": None}
    if len(columns) == 1 + len(LEVELS):
        losses = quantile_losses(y, got[:, 1:])
        scores |= {"SQL": scaled_mean(losses, scale), "WQL": float(np.mean(losses)) / level}
    return scores
