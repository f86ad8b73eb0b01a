"""Which rows may be learned from: the split by time, with a gap. The one decision that can invalidate every number."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabcli.config import Validation
from tabcli.errors import DataError


@dataclass(frozen=True)
class Split:
    """The first and last moments of the rows to learn from and to be scored on. Rows between them lie in the gap."""

    train_start: pd.Timestamp
    train_end: pd.Timestamp
    valid_start: pd.Timestamp
    valid_end: pd.Timestamp

    def is_train(self, dates: "pd.Series[Any]") -> "pd.Series[bool]":
        """Which rows may be learned from."""
        return dates <= self.train_end

    def is_valid(self, dates: "pd.Series[Any]") -> "pd.Series[bool]":
        """Which rows a forecast is scored on."""
        return dates.between(self.valid_start, self.valid_end)

    @property
    def moments(self) -> dict[str, str]:
        """The four, in ISO format."""
        return {name: moment.isoformat() for name, moment in vars(self).items()}


def step_of(dates: "pd.Series[Any]") -> pd.Timedelta:
    """The smallest distance between two different dates: a day for daily rows, a week for weekly ones."""
    moments = np.sort(dates.unique())
    return pd.Timedelta(np.diff(moments).min()) if len(moments) > 1 else pd.Timedelta("1D")


def length_of(dates: "pd.Series[Any]") -> pd.Timedelta:
    """The time that rows cover, first and last step included: 48 days for dates from 14 June to 31 July."""
    return pd.Timedelta(dates.max() - dates.min() + step_of(dates))


def validation_length(validation: Validation, future: "pd.Series[Any] | None") -> pd.Timedelta:
    """How long the validation rows last: as the config says, or as the rows to forecast do."""
    if validation.last != "future":
        return pd.Timedelta(validation.last.seconds, unit="s")
    if future is None:
        raise DataError("validation.last: future, but there is no table called future", hint="set it, e.g. last: 48d")
    return length_of(future)


def time_split(dates: "pd.Series[Any]", validation: Validation, last: pd.Timedelta) -> Split:
    """The `last` of the dates for validation, `gap` before them unused, the rest for training.

    Raises `DataError` if no rows are left to learn from.
    """
    end = pd.Timestamp(dates.max())
    valid = dates > end - last
    train = dates <= end - last - pd.Timedelta(validation.gap.seconds, unit="s")
    if not train.any() or not valid.any():
        start = pd.Timestamp(dates.min())
        raise DataError(
            f"no rows are left to learn from: the rows cover {start.date()} … {end.date()}, "
            f"validation takes the last {last.days} days and the gap is {validation.gap}",
            hint="make validation.last or validation.gap shorter",
        )
    moments = (dates[train].min(), dates[train].max(), dates[valid].min(), end)
    return Split(*(pd.Timestamp(m) for m in moments))
