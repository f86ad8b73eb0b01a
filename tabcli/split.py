"""Which rows may be learned from: the split by time, with a gap. The one decision that can invalidate every number."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabcli.config import Validation
from tabcli.errors import DataError
from tabcli.tables import BoolArray


@dataclass(frozen=True)
class Split:
    """Masks over the rows, bool (n,), and the moments they come from. Rows in neither mask lie in the gap."""

    train: BoolArray
    valid: BoolArray
    train_start: pd.Timestamp
    train_end: pd.Timestamp
    valid_start: pd.Timestamp
    valid_end: pd.Timestamp


def step_of(dates: "pd.Series[Any]") -> pd.Timedelta:
    """The smallest distance between two different dates: a day for daily rows, a week for weekly ones."""
    moments = np.sort(dates.unique())
    return pd.Timedelta(np.diff(moments).min()) if len(moments) > 1 else pd.Timedelta("1D")


def length_of(dates: "pd.Series[Any]") -> pd.Timedelta:
    """The time that rows cover, first and last step included: 48 days for dates from 14 June to 31 July."""
    return pd.Timedelta(dates.max() - dates.min() + step_of(dates))


def time_split(dates: "pd.Series[Any]", validation: Validation, future: "pd.Series[Any] | None") -> Split:
    """The last `validation.last` of the dates for validation, `gap` before them unused, the rest for training.

    `last: future` takes the length of the table to forecast. Raises `DataError` if no rows are left to learn from.
    """
    if validation.last != "future":
        last = pd.Timedelta(validation.last.seconds, unit="s")
    elif future is not None:
        last = length_of(future)
    else:
        raise DataError("validation.last: future, but there is no table called future", hint="set it, e.g. last: 48d")
    end = pd.Timestamp(dates.max())
    valid = (dates > end - last).to_numpy()
    train = (dates <= end - last - pd.Timedelta(validation.gap.seconds, unit="s")).to_numpy()
    if not train.any() or not valid.any():
        start = pd.Timestamp(dates.min())
        raise DataError(
            f"no rows are left to learn from: the rows cover {start.date()} … {end.date()}, "
            f"validation takes the last {last.days} days and the gap is {validation.gap}",
            hint="make validation.last or validation.gap shorter",
        )
    train_dates, valid_dates = dates[train], dates[valid]
    moments = (train_dates.min(), train_dates.max(), valid_dates.min(), valid_dates.max())
    return Split(train, valid, *(pd.Timestamp(m) for m in moments))
