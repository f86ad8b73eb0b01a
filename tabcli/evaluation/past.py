"""What the rows that were known before say of a forecast: MASE's scale, naive forecasts, how far ahead a row is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.config.schema import ONE_SERIES
from tabcli.errors import DataError
from tabcli.evaluation.matching import numbers, plain_keys, require_same_kinds
from tabcli.evaluation.metrics import mase, seasonal_scale
from tabcli.evaluation.naive import SEASON, naive_forecasts
from tabcli.features.frequency import Frequency, season_steps
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import with_columns


@dataclass(frozen=True)
class PastActuals:
    """The rows that were known before the scored ones, with their date column and series columns.

    `events`: columns that medians are by too; the scored rows must have all these columns as well.
    """

    table: pd.DataFrame
    date: str
    series: Sequence[str]
    events: Sequence[str] = ()


@dataclass(frozen=True)
class Known:
    """What the past says of n scored rows.

    `scale`: MASE's of each row's series, (n,), NaN where it is not defined. `naive`: naive forecasts by name, (n,).
    `ahead`: how many steps after the last known date each row lies, (n,).
    """

    scale: FloatArray
    naive: dict[str, FloatArray]
    ahead: IntArray

    @classmethod
    def of(cls, past: PastActuals, rows: pd.DataFrame, target: str) -> "Known":
        keys, date = list(past.series), past.date
        used = [*keys, date, *past.events]
        require_columns(past.table, [*used, target], "the history")
        _require_keys(rows, used, past.table)
        train = past.table[past.table[date] < rows[date].min()]
        train = train[train[target].notna()]
        if train.empty:
            raise DataError(
                f"the history has no row with a target before {rows[date].min()}, the first date that is scored",
                hint="give the rows that were known when the forecast was made",
            )
        if not keys:
            keys, used = [ONE_SERIES], [ONE_SERIES, *used]
            train, rows = (with_columns(t, {ONE_SERIES: np.zeros(len(t))}) for t in (train, rows))
        texts = [c for c in used if c != date]
        train, rows = plain_keys(train, texts), plain_keys(rows, texts)
        values, frequency = numbers(train, target, "the history"), Frequency.of(past.table[date])
        medians = [[*keys, *more] for more in (past.events, [SEASON, *past.events])]
        naive = naive_forecasts(train, values, rows, keys, date, frequency, medians)
        ahead = frequency.steps(rows[date], int(pd.Timestamp(train[date].max()).timestamp()))
        return cls(_scale(train, rows, values, keys, date, frequency), naive, ahead)

    def mase(self, actual: FloatArray, predicted: FloatArray) -> float:
        """NaN where it is not defined."""
        return mase(actual, predicted, self.scale)


def _require_keys(rows: pd.DataFrame, columns: Sequence[str], history: pd.DataFrame) -> None:
    """Raises `DataError` unless the scored rows have the past's key columns, of the same kinds."""
    missing = [c for c in columns if c not in rows.columns]
    if missing:
        raise DataError(
            f"neither predictions nor actuals have the column {', '.join(missing)} of the history",
            hint=f"carry it along: tabcli predict … --columns {','.join(columns)}",
        )
    require_same_kinds(rows, history, columns, "scored rows", "history")


def _scale(
    train: pd.DataFrame,
    rows: pd.DataFrame,
    target: FloatArray,
    series: list[str],
    date: str,
    frequency: Frequency,
) -> FloatArray:
    """MASE's scale of each scored row, float64 (n,), NaN where it is not defined."""
    both = pd.concat([train[series], rows[series]], ignore_index=True)
    codes: IntArray = both.groupby(series, sort=False, observed=True).ngroup().to_numpy().astype("int64")
    steps = frequency.steps(train[date], int(pd.Timestamp(train[date].min()).timestamp()))
    known = codes[: len(train)]
    try:
        scale = seasonal_scale(known, steps, target, season_steps(frequency), int(codes.max()) + 1)
    except DataError:
        return np.full(len(rows), np.nan)
    return scale[codes[len(train) :]]
