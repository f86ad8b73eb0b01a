"""Which rows may be learned from: the split by time, with a gap. The one decision that can invalidate every number."""

import pandas as pd

from tabcli.artifacts.split import Split
from tabcli.config.data import Validation
from tabcli.errors import DataError
from tabcli.features.frequency import Frequency


def validation_steps(validation: Validation, frequency: Frequency, future: pd.Series | None) -> int:
    """How many steps the validation rows cover: as the config says, or as many as the rows to forecast.

    Raises `DataError` where there are no rows to forecast to tell it.
    """
    if validation.last != "future":
        return frequency.number(validation.last)
    if future is None:
        raise DataError("validation.last: future, but there is no table called future", hint="set it, e.g. last: 48d")
    return length_of(future, frequency)


def length_of(dates: pd.Series, frequency: Frequency) -> int:
    """How many steps dates (n,) cover, the first and the last included: 48 days from 14 June to 31 July."""
    return int(frequency.ago(dates, pd.Timestamp(dates.max())).max()) + 1


def time_split(dates: pd.Series, validation: Validation, last: int, frequency: Frequency) -> Split:
    """Splits by date: the `last` steps are validation, `validation.gap` before them is unused, the rest is training.

    Raises `DataError` if no rows are left to learn from.
    """
    end = pd.Timestamp(dates.max())
    ago = frequency.ago(dates, end)
    valid = ago < last
    train = ago >= last + frequency.number(validation.gap)
    if not train.any() or not valid.any():
        start = pd.Timestamp(dates.min())
        raise DataError(
            f"no rows are left to learn from: the rows cover {start.date()} … {end.date()}, "
            f"validation takes the last {last} steps of {frequency} and the gap is {validation.gap}",
            hint="make validation.last or validation.gap shorter"
            if validation.last != "future"
            else f"the rows to forecast cover {last} steps, and validation as many: correct their dates, or set "
            "validation.last",
        )
    moments = (dates[train].min(), dates[train].max(), dates[valid].min(), end)
    return Split(*(pd.Timestamp(m) for m in moments))
