"""The names of the metrics, and how their values are written. Imports nothing heavy: `--help` needs it too."""

import math

FRACTIONS = ("rmspe", "mape", "wape", "wql", "bias")
"""Metrics that are printed as a percentage."""

METRIC_NAMES = ("rmspe", "rmse", "mape", "wape", "mae", "rmsle", "mase", "pinball", "bias", "wql", "sql", "crps")


def is_share(name: str) -> bool:
    """Whether a score's name is that of what an interval held, or of its width as a share of the forecast.

    >>> is_share("held_80"), is_share("pinball_q10")
    (True, False)
    """
    return name.startswith(("held_", "width_"))


def score_text(metric: str, value: float) -> str:
    """A metric's value: a percentage where it is a fraction, else a number in its own unit.

    >>> score_text("rmspe", 0.1234), score_text("rmse", 1234.5)
    ('12.34 %', '1,234.50')
    """
    if not math.isfinite(value):
        return "not defined"
    if metric in FRACTIONS or is_share(metric):
        return f"{100 * value:.2f} %"
    return f"{value:,.4g}" if abs(value) < 100 else f"{value:,.2f}"
