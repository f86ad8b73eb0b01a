"""A forecast against what happened: rows matched by key, metrics over all of them and by the values of a column."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_any_dtype

from tabcli.config.schema import ONE_SERIES
from tabcli.errors import DataError
from tabcli.evaluation.metrics import bias_error, mase, pinball, scores_of, seasonal_scale
from tabcli.evaluation.naive import SEASON, naive_forecasts
from tabcli.evaluation.naming import score_text
from tabcli.features.frequency import Frequency, season_steps
from tabcli.shown import Shown
from tabcli.tables.kinds import Kind, kind_of, require_columns
from tabcli.tables.rows import check_unique, with_columns

CHANCE = 3.0
"""A bias of more than so many standard errors is more than chance."""


def _free(name: str, *tables: pd.DataFrame) -> str:
    """The name, with spaces behind it where a table has such a column."""
    while any(name in table.columns for table in tables):
        name += " "
    return name


@dataclass(frozen=True)
class PastActuals:
    """The rows that were known before the scored ones, with their date column and series columns.

    `events`: columns that medians are by too; the scored rows must have all these columns as well.
    """

    table: pd.DataFrame
    date: str
    series: Sequence[str]
    events: Sequence[str] = ()


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """The metrics of a forecast beside what happened.

    `metrics`: name → value over all `n_rows` rows, NaN where one is not defined. `by`: the same for each value of a
    column, the worst first. With a past, *mase* is among the metrics, and `naive` has those of naive forecasts of the
    same rows. `n_zero`: actual values of 0, which the percentage metrics leave out. `n_unused`: predictions without an
    actual row. `on`: the columns that matched rows. `bias_error`: the standard error of the bias, where one of these
    columns is a date, which tells rows that err together.
    """

    metrics: dict[str, float]
    n_rows: int
    n_zero: int
    n_unused: int
    on: list[str]
    target: str
    by: pd.DataFrame | None
    quantile: float | None = None
    naive: pd.DataFrame | None = None
    bias_error: float | None = None

    @property
    def is_biased(self) -> bool:
        """Whether the sum of the forecast is too high or low by more than chance explains."""
        return self.bias_error is not None and abs(self.metrics["bias"]) > CHANCE * self.bias_error

    def brief(self) -> dict[str, str]:
        scores = [
            f"{name.upper() if name != 'bias' else name} {score_text(name, v)}" for name, v in self.metrics.items()
        ]
        groups = {} if self.by is None else {"by": f"{self.by.columns[0]}, {len(self.by):,} values"}
        return {
            "rows": f"{self.n_rows:,}, of which {self.n_zero:,} are 0; matched by {', '.join(self.on)}",
            self.target: ", ".join(scores),
            **groups,
        }


def compare(
    forecast: pd.DataFrame,
    truth: pd.DataFrame,
    target: str,
    *,
    on: Sequence[str] = (),
    by: str | None = None,
    quantile: float | None = None,
    past: PastActuals | None = None,
) -> Evaluation:
    """Scores the column `target` of two tables whose rows are matched by `on` (by default all columns they share).

    `by`: also score each value of this column. `quantile`: also the pinball loss of forecasts of that quantile. `past`:
    also MASE, and naive forecasts of the same rows from the past's rows before the first scored date.

    Raises `DataError` where a key is not unique, an actual row has no prediction, or a value is no number.
    """
    require_columns(forecast, [target, *on], "predictions")
    require_columns(truth, [target, *on], "actuals")
    keys = list(on) or [c for c in forecast.columns if c != target and c in truth.columns]
    merged, forecasts = _match(forecast, truth, target, keys)
    actual, predicted = _numbers(merged, target, "actuals"), _numbers(forecasts, target, "predictions")
    known = None if past is None else _Known.of(past, merged, target)

    def scores(made: NDArray[np.float64]) -> dict[str, float]:
        extra = {} if quantile is None else {"pinball": pinball(actual, made, quantile)}
        extra |= {} if known is None else {"mase": known.mase(actual, made)}
        return {**scores_of(actual, made), **extra}

    naive = {} if known is None else known.naive
    dates = [c for c in keys if is_datetime64_any_dtype(merged[c])]
    error = bias_error(actual, predicted, pd.factorize(merged[dates[0]])[0]) if dates and actual.any() else None
    return Evaluation(
        metrics=scores(predicted),
        n_rows=len(truth),
        n_zero=int((actual == 0).sum()),
        n_unused=len(forecast) - len(truth),
        on=keys,
        target=target,
        by=None if by is None else _by_value(merged, by, actual, predicted),
        quantile=quantile,
        naive=pd.DataFrame([{"forecast": name, **scores(made)} for name, made in naive.items()]) if naive else None,
        bias_error=error,
    )


@dataclass(frozen=True)
class _Known:
    """What the past says of n scored rows: MASE's scale (n,), None where it is not defined; naive forecasts (n,)."""

    scale: NDArray[np.float64] | None
    naive: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, past: PastActuals, rows: pd.DataFrame, target: str) -> "_Known":
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
        train, rows = _plain_keys(train, texts), _plain_keys(rows, texts)
        values, frequency = _numbers(train, target, "the history"), Frequency.of(past.table[date])
        medians = [[*keys, *more] for more in (past.events, [SEASON, *past.events])]
        naive = naive_forecasts(train, values, rows, keys, date, frequency, medians)
        return cls(_scale(train, rows, values, keys, date, frequency), naive)

    def mase(self, actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
        return float("nan") if self.scale is None else mase(actual, predicted, self.scale)


def _require_keys(rows: pd.DataFrame, columns: Sequence[str], history: pd.DataFrame) -> None:
    """Raises `DataError` unless the scored rows have the past's key columns, of the same kinds."""
    missing = [c for c in columns if c not in rows.columns]
    if missing:
        raise DataError(
            f"neither predictions nor actuals have the column {', '.join(missing)} of the history",
            hint=f"carry it along: tabcli predict … --columns {','.join(columns)}",
        )
    for c in columns:
        kinds = _kind(rows[c]), _kind(history[c])
        if kinds[0] != kinds[1] and {"text", "date"} & {*kinds}:
            raise DataError(f"column {c!r} is {kinds[0]} in the scored rows and {kinds[1]} in the history")


def _scale(
    train: pd.DataFrame,
    rows: pd.DataFrame,
    target: NDArray[np.float64],
    series: list[str],
    date: str,
    frequency: Frequency,
) -> NDArray[np.float64] | None:
    """MASE's scale of each scored row, float64 (n,)."""
    both = pd.concat([train[series], rows[series]], ignore_index=True)
    codes: NDArray[np.int64] = both.groupby(series, sort=False, observed=True).ngroup().to_numpy().astype("int64")
    steps = frequency.steps(train[date], int(pd.Timestamp(train[date].min()).timestamp()))
    known = codes[: len(train)]
    try:
        scale = seasonal_scale(known, steps, target, season_steps(frequency), int(codes.max()) + 1)
    except DataError:
        return None
    return scale[codes[len(train) :]]


def _match(
    forecast: pd.DataFrame, truth: pd.DataFrame, target: str, keys: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The actual rows, with the columns that only the predictions have; and the predictions in the same order."""
    if not keys:
        raise DataError(
            f"predictions and actuals share no column but {target!r}",
            hint=f"predictions: {', '.join(forecast.columns)}; actuals: {', '.join(truth.columns)}",
        )
    for key in keys:
        kinds = _kind(forecast[key]), _kind(truth[key])
        if kinds[0] != kinds[1] and {"text", "date"} & {*kinds}:
            raise DataError(f"column {key!r} is {kinds[0]} in the predictions and {kinds[1]} in the actuals")
    check_unique(forecast, keys, "predictions")
    check_unique(truth, keys, "actuals")
    extra = [c for c in forecast.columns if c not in truth.columns]
    predicted, matched = _free(f"{target} (predicted)", forecast, truth), _free("matched", forecast, truth)
    wanted = _plain_keys(forecast[[*keys, *extra, target]], keys).rename(columns={target: predicted})
    merged = _plain_keys(truth, keys).merge(wanted, on=keys, how="left", indicator=matched)
    alone = merged.pop(matched) == "left_only"
    if alone.any():
        first = ", ".join(f"{k}={merged.loc[alone, k].iloc[0]}" for k in keys)
        raise DataError(f"{int(alone.sum())} of {len(truth)} actual rows have no prediction, such as {first}")
    forecasts = merged.pop(predicted).rename(target).to_frame()
    return merged, forecasts


def _kind(column: pd.Series) -> Kind:
    """The kind of a column, also of one whose texts are plain str instead of categories."""
    return "text" if isinstance(column.dtype, pd.StringDtype) else kind_of(column)


def _plain_keys(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Text keys as plain str: the categories of two tables do not merge."""
    return with_columns(table, {k: table[k].astype("str") for k in keys if _kind(table[k]) == "text"})


def _numbers(merged: pd.DataFrame, column: str, where: str) -> NDArray[np.float64]:
    if _kind(merged[column]) not in ("int", "float"):
        raise DataError(f"{where}: column {column!r} holds no numbers")
    values = merged[column].to_numpy(dtype="float64")
    if not np.isfinite(values).all():
        n_wrong = int((~np.isfinite(values)).sum())
        raise DataError(f"{where}: column {column!r}: {n_wrong} rows have no number")
    return values


def _by_value(
    merged: pd.DataFrame, by: str, actual: NDArray[np.float64], predicted: NDArray[np.float64]
) -> pd.DataFrame:
    require_columns(merged, [by], "predictions and actuals")
    groups = merged.groupby(by, observed=True, dropna=False).indices
    table = pd.DataFrame([{"rows": len(at), **scores_of(actual[at], predicted[at])} for at in groups.values()])
    name = f"{by} (value)" if by in table.columns else by
    table.insert(0, name, list(groups))
    worst = "rmspe" if table["rmspe"].notna().any() else "mae"
    return table.sort_values(worst, ascending=False, ignore_index=True)
