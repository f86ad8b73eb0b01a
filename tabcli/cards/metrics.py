"""What each metric counts, in words: why a run is judged by it, and what it overlooks."""

REASONS = {
    "rmspe": "RMSPE is the root of the mean squared error in percent of what happened. A row that sells 100 counts as "
    "much as one that sells 10,000, and a few rows that are far off decide. Rows on which nothing happened are left "
    "out. Too high a forecast of a low row costs more than too low a one of a high row.",
    "wape": "WAPE is the sum of all absolute errors in percent of the sum of what happened: the share of the whole "
    "that was put in the wrong place. Large series count most; a small series may be far off without being seen here.",
    "mape": "MAPE is the mean error in percent of what happened. Each row counts alike, rows on which nothing happened "
    "are left out, and forecasts that are rather too low are favoured.",
    "rmsle": "RMSLE is the root of the mean squared error of the logarithm: each row counts by the factor it is off.",
    "rmse": "RMSE is the root of the mean squared error in the unit of the target. Large rows and large errors decide.",
    "mae": "MAE is the mean absolute error in the unit of the target. Large series count most.",
    "mase": "MASE is the mean absolute error in units of the error of the last season's value in the same series: 1 is "
    "as good as last season's value, and every series counts alike.",
    "pinball": "The pinball loss judges a quantile: one side of the error costs more than the other, as the quantile "
    "says. It is for a stock that must suffice, not for the most likely number.",
}
"""Metric → what it counts."""
