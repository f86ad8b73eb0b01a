"""A forecast against what happened: rows matched by key, metrics over all of them and by the values of a column."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.errors import DataError
from tabcli.metrics import pinball, scores_of
from tabcli.tables import check_unique, kind_of, require_columns

_PREDICTED = " (predicted)"


@dataclass(frozen=True)
class Evaluation:
    """`metrics`: over all rows, NaN where one is not defined. `by`: the same per value of a column, worst first.

    `n_zero` actual values are 0 and left out of the percentage metrics; `n_unused` predictions have no actual row.
    """

    metrics: dict[str, float]
    n_rows: int
    n_zero: int
    n_unused: int
    on: list[str]
    target: str
    by: pd.DataFrame | None
    quantile: float | None = None


def compare(
    forecast: pd.DataFrame,
    truth: pd.DataFrame,
    target: str,
    *,
    on: Sequence[str] = (),
    by: str | None = None,
    quantile: float | None = None,
) -> Evaluation:
    """Scores the column `target` of two tables whose rows are matched by `on` (by default all columns they share).

    With `quantile` also the pinball loss of forecasts of that quantile.

    Raises `DataError` where a key is not unique, an actual row has no prediction, or a value is no number.
    """
    require_columns(forecast, [target, *on], "predictions")
    require_columns(truth, [target, *on], "actuals")
    keys = list(on) or [c for c in forecast.columns if c != target and c in truth.columns]
    merged = _match(forecast, truth, target, keys)
    actual, predicted = _numbers(merged, target, "actuals"), _numbers(merged, target + _PREDICTED, "predictions")
    extra = {} if quantile is None else {"pinball": pinball(actual, predicted, quantile)}
    return Evaluation(
        metrics={**scores_of(actual, predicted), **extra},
        n_rows=len(truth),
        n_zero=int((actual == 0).sum()),
        n_unused=len(forecast) - len(truth),
        on=keys,
        target=target,
        by=None if by is None else _by_value(merged, by, actual, predicted),
        quantile=quantile,
    )


def _match(forecast: pd.DataFrame, truth: pd.DataFrame, target: str, keys: list[str]) -> pd.DataFrame:
    """The actual rows with their predictions, and the columns that only the predictions have."""
    if not keys:
        raise DataError(
            f"predictions and actuals share no column but {target!r}",
            hint=f"predictions: {', '.join(forecast.columns)}; actuals: {', '.join(truth.columns)}",
        )
    for key in keys:
        kinds = kind_of(forecast[key]), kind_of(truth[key])
        if kinds[0] != kinds[1] and {"text", "date"} & {*kinds}:
            raise DataError(f"column {key!r} is {kinds[0]} in the predictions and {kinds[1]} in the actuals")
    check_unique(forecast, keys, "predictions")
    check_unique(truth, keys, "actuals")
    extra = [c for c in forecast.columns if c not in truth.columns]
    wanted = _plain_keys(forecast[[*keys, *extra, target]], keys).rename(columns={target: target + _PREDICTED})
    merged = _plain_keys(truth, keys).merge(wanted, on=keys, how="left", indicator="matched")
    alone = merged["matched"] == "left_only"
    if alone.any():
        first = ", ".join(f"{k}={merged.loc[alone, k].iloc[0]}" for k in keys)
        raise DataError(f"{int(alone.sum())} of {len(truth)} actual rows have no prediction, such as {first}")
    return merged


def _plain_keys(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Text keys as plain str: the categories of two tables do not merge."""
    return table.assign(**{k: table[k].astype("str") for k in keys if kind_of(table[k]) == "text"})


def _numbers(merged: pd.DataFrame, column: str, where: str) -> NDArray[np.float64]:
    if kind_of(merged[column]) not in ("int", "float"):
        raise DataError(f"{where}: column {column.removesuffix(_PREDICTED)!r} holds no numbers")
    values = merged[column].to_numpy(dtype="float64")
    if not np.isfinite(values).all():
        n_wrong = int((~np.isfinite(values)).sum())
        raise DataError(f"{where}: column {column.removesuffix(_PREDICTED)!r}: {n_wrong} rows have no number")
    return values


def _by_value(
    merged: pd.DataFrame, by: str, actual: NDArray[np.float64], predicted: NDArray[np.float64]
) -> pd.DataFrame:
    require_columns(merged, [by], "predictions and actuals")
    rows = []
    for value, index in merged.groupby(by, observed=True, dropna=False).indices.items():
        rows.append({by: value, "rows": len(index), **scores_of(actual[index], predicted[index])})
    table = pd.DataFrame(rows)
    worst = "rmspe" if table["rmspe"].notna().any() else "mae"
    return table.sort_values(worst, ascending=False, ignore_index=True)
