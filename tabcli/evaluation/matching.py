"""The rows of a forecast and of what happened, matched by key and no other way."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray
from tabcli.errors import DataError
from tabcli.tables.kinds import Kind, kind_of
from tabcli.tables.rows import check_unique, with_columns


def _free(name: str, *tables: pd.DataFrame) -> str:
    """The name, with spaces behind it where a table has such a column."""
    while any(name in table.columns for table in tables):
        name += " "
    return name


def match(
    forecast: pd.DataFrame, truth: pd.DataFrame, made: Sequence[str], keys: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The n actual rows, with the columns that only the predictions have; and the columns `made` of their predictions.

    Raises `DataError` where a key is not unique or of two kinds, or an actual row has no prediction.
    """
    if not keys:
        raise DataError(
            f"predictions and actuals share no column but {made[0]!r}",
            hint=f"predictions: {', '.join(forecast.columns)}; actuals: {', '.join(truth.columns)}",
        )
    require_same_kinds(forecast, truth, keys, "predictions", "actuals")
    check_unique(forecast, keys, "predictions")
    check_unique(truth, keys, "actuals")
    extra = [c for c in forecast.columns if c not in truth.columns and c not in made]
    place = _free("place", forecast, truth)
    wanted = plain_keys(forecast[[*keys, *extra]], keys).assign(**{place: np.arange(len(forecast))})
    mixed = [k for k in keys if _kind(forecast[k]) != _kind(truth[k])]  # whole numbers beside others
    known, wanted = (with_columns(t, {k: t[k].astype("float64") for k in mixed}) for t in (truth, wanted))
    merged = with_columns(
        plain_keys(known, keys).merge(wanted, on=list(keys), how="left"), {k: truth[k].to_numpy() for k in mixed}
    )
    places = merged.pop(place)
    alone = places.isna().to_numpy()
    if alone.any():
        first = row_text(merged, keys, int(alone.argmax()))
        raise DataError(f"{int(alone.sum())} of {len(truth)} actual rows have no prediction, such as {first}")
    return merged, forecast[list(made)].iloc[places.astype("int64")].reset_index(drop=True)


def row_text(rows: pd.DataFrame, keys: Sequence[str], row: int) -> str:
    """The key of a row, as text."""
    return ", ".join(f"{k}={rows[k].iloc[row]}" for k in keys)


def require_same_kinds(one: pd.DataFrame, other: pd.DataFrame, columns: Sequence[str], *names: str) -> None:
    """Raises `DataError` where a column holds texts or dates in one of two tables, `names`, and not in the other."""
    for c in columns:
        kinds = _kind(one[c]), _kind(other[c])
        if kinds[0] != kinds[1] and {"text", "date"} & {*kinds}:
            raise DataError(f"column {c!r} is {kinds[0]} in the {names[0]} and {kinds[1]} in the {names[1]}")


def _kind(column: pd.Series) -> Kind:
    """The kind of a column, also of one whose texts are plain str instead of categories."""
    return "text" if isinstance(column.dtype, pd.StringDtype) else kind_of(column)


def plain_keys(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Text keys as plain str: the categories of two tables do not merge."""
    return with_columns(table, {k: table[k].astype("str") for k in keys if _kind(table[k]) == "text"})


def numbers(table: pd.DataFrame, column: str, where: str) -> FloatArray:
    """The numbers of a column, float64 (n,). Raises `DataError` where it holds others, or a row has none."""
    if _kind(table[column]) not in ("int", "float"):
        raise DataError(f"{where}: column {column!r} holds no numbers")
    values = table[column].to_numpy(dtype="float64")
    if not np.isfinite(values).all():
        raise DataError(f"{where}: column {column!r}: {int((~np.isfinite(values)).sum())} rows have no number")
    return values
