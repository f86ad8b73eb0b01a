"""Single dates on which much less was sold than on their weekday, as on public holidays."""

import numpy as np
import pandas as pd

from tabcli.features.frequency import DAY, Frequency

FEWEST = 56
"""Of fewer dates none is told apart from the others."""

LEAST, SPREADS = 0.15, 5.0
"""A date is quiet if it lies this share, and so many robust standard deviations of all dates, below its weekday."""

MOST = 0.1
"""A larger share of the dates is nothing single: a season, a strike, or a table that scatters widely."""

NEIGHBOURS = 4
"""A date is compared with its weekday in so many weeks before and after it."""


def quiet_dates(table: pd.DataFrame, date: str, target: str, frequency: Frequency) -> pd.Series:
    """The quiet dates of daily rows, the quietest first → the share of their weekday's median that they lack, float64.

    The targets are summed by date; each is compared with the median of the same weekday around it. Empty where rows are
    not daily, dates are fewer than `FEWEST`, or quiet ones more than `MOST` of them.
    """
    none = pd.Series(dtype="float64")
    if (frequency.unit, frequency.count) != ("s", DAY):
        return none
    sums = table.groupby(table[date].dt.normalize())[target].sum().astype("float64")
    if len(sums) < FEWEST or (sums < 0).any():
        return none
    days = pd.date_range(sums.index[0], sums.index[-1])
    daily = sums.where(np.isfinite(sums)).reindex(days)  # dates without rows are unknown, not quiet
    weeks = [daily.shift(7 * k).to_numpy() for k in range(-NEIGHBOURS, NEIGHBOURS + 1) if k]
    around = pd.DataFrame(weeks).median().to_numpy()
    lacks = pd.Series(1 - daily.to_numpy() / np.where(around > 0, around, np.nan), daily.index).dropna()
    spread = 1.4826 * float((lacks - lacks.median()).abs().median()) if len(lacks) else 0.0
    quiet = lacks[lacks >= max(LEAST, SPREADS * spread)].sort_values(ascending=False, kind="stable")
    return quiet if len(quiet) <= MOST * len(sums) else none
