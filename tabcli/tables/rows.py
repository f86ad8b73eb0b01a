"""Rows of tables: put together, told apart, sorted by series and time, matched with a condition."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray
from pandas.api.types import union_categoricals

from tabcli.arrays import AnyArray, BoolArray, ColumnValues, IntArray
from tabcli.config.values import Condition, Not, Scalar
from tabcli.errors import ConfigError, DataError
from tabcli.tables.kinds import Columns, is_text, kind_of, require_columns
from tabcli.tables.levels import EXAMPLES, rows_text


def frame_of(columns: Mapping[str, ColumnValues], index: pd.Index | None = None) -> pd.DataFrame:
    """A table of the columns without a copy: pandas would copy them into one block for each dtype."""
    return pd.DataFrame(dict(columns), index=index, copy=False)


def with_columns(table: pd.DataFrame, columns: Mapping[str, ColumnValues]) -> pd.DataFrame:
    """The table with these columns in place of those of their names, and new ones at the end; any name will do."""
    made = table.copy(deep=False)
    for name, values in columns.items():
        made[name] = values
    return made


def distinct_rows(table: pd.DataFrame, columns: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Each row's number of its key, int64 (n,), in order of first appearance; and the first row of each key."""
    codes, n_codes = np.zeros(len(table), dtype="int64"), 1
    for name in columns:
        column = table[name]
        values = column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column
        own, unique = pd.factorize(values.to_numpy(), use_na_sentinel=False)
        codes, n_codes = (codes * len(unique) + own, n_codes * len(unique)) if n_codes > 1 else (own, len(unique))
        if n_codes > max(2 * len(table), 1 << 16):
            codes, unique = pd.factorize(codes)
            n_codes = len(unique)
    first_of = np.full(n_codes, -1, dtype="int64")
    first_of[codes[::-1]] = np.arange(len(table) - 1, -1, -1)  # of rows with the same key the first is written last
    is_first = np.zeros(len(table), dtype=bool)
    is_first[first_of[first_of >= 0]] = True
    first = np.flatnonzero(is_first)
    numbers = np.empty(n_codes, dtype="int64")
    numbers[codes[first]] = np.arange(len(first))
    return numbers[codes], first


def check_complete(table: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Raises `DataError` where a row lacks a part of its key, with the rows."""
    for column in columns:
        gone = np.flatnonzero(table[column].isna().to_numpy())
        if len(gone):
            raise missing_error(column, len(gone), table.index[gone[: EXAMPLES + 1]], where)


def missing_error(column: str, n: int, rows: pd.Index, where: str) -> DataError:
    """The error for n rows, the first of them `rows`, that lack a part of their key."""
    return DataError(
        f"{where}: column {column!r}: {n} rows have no value: {rows_text(range(len(rows)), rows)}",
        hint="a key must name one row; fill the values in, or remove the rows",
    )


def check_unique(table: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Raises `DataError` where two rows have the same key, with examples."""
    if len(distinct_rows(table, columns)[1]) < len(table):
        repeated = table.duplicated(list(columns)).to_numpy()
        examples = table.loc[repeated, list(columns)].drop_duplicates().head(EXAMPLES)
        raise repeated_error(columns, int(repeated.sum()), examples, where)


def repeated_error(columns: Sequence[str], n: int, examples: pd.DataFrame, where: str) -> DataError:
    """The error for n rows whose key is that of another; `examples`: of such keys."""
    shown = "; ".join(", ".join(f"{c}={_shown(v)}" for c, v in row.items()) for row in examples.to_dict("records"))
    return DataError(
        f"{where}: {n} rows repeat the key ({', '.join(columns)}) of another row: {shown}",
        hint="a key must name one row; remove the repeated rows",
    )


def ids_error(column: str, n: int, where: str) -> DataError:
    """The error for n rows whose id is missing or that of another."""
    return DataError(f"{where}: column {column!r}: {n} ids are missing or repeat another", hint="an id names one row")


def _shown(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return str(value.date()) if value == value.normalize() else str(value)
    return str(value)


# ------------------------------------------------------------------------------------------ conditions


def condition_text(condition: Condition) -> str:
    """A condition as messages show it: `column: value, …`."""
    return ", ".join(f"{c}: {v}" for c, v in condition.items())


def _one_match(column: pd.Series, values: Sequence[Scalar], where: str) -> BoolArray:
    kind = kind_of(column)
    if kind == "text":
        wanted = {str(v) for v in values}
        codes = column.cat.codes.to_numpy()
        hits = np.append(column.cat.categories.isin(wanted), False)  # code -1 takes the last
        return hits[codes]
    if kind == "date" or any(isinstance(v, str) for v in values):
        raise ConfigError(
            f"{where}: the condition on {column.name!r} compares {kind} values with {values[0]!r}",
            hint=f"to read the column as text set `dtypes: {{{column.name}: str}}` for its table",
        )
    return np.isin(column.to_numpy(), np.array(values, dtype="float64"))


def matches(table: Columns, condition: Condition, where: str) -> BoolArray:
    """Which rows meet a condition; a missing value meets none, not even a `not`."""
    require_columns(table, condition, where)
    hit = np.ones(len(table), dtype=bool)
    for name, wanted in condition.items():
        column = table[name]
        negate = isinstance(wanted, Not)
        values = wanted.not_ if isinstance(wanted, Not) else wanted
        found = _one_match(column, values if isinstance(values, tuple) else (values,), where)
        hit &= (~found & column.notna().to_numpy()) if negate else found
    return hit


# ------------------------------------------------------------------------------------ taking and stacking


def take(column: pd.Series, positions: IntArray) -> AnyArray | ExtensionArray:
    """Values at positions, missing at -1: an array of the column's kind (int and bool turn float if any is missing)."""
    missing = positions < 0
    kind = kind_of(column)
    if kind == "text":
        codes = np.append(column.cat.codes.to_numpy(), -1)[positions]
        return pd.Categorical.from_codes(codes, dtype=cast(pd.CategoricalDtype, column.dtype))
    if not missing.any():
        return column.to_numpy()[positions]
    if kind == "date":
        return np.append(column.to_numpy(), np.datetime64("NaT", "us"))[positions]
    return np.append(column.to_numpy(dtype="float64"), np.nan)[positions]


def seconds_of(dates: pd.Series) -> IntArray:
    """Whole seconds since 1970-01-01, int64."""
    return dates.to_numpy().astype("datetime64[s]").astype("int64")


MOMENT_BITS, MOMENT_ZERO = 36, 1 << 35
MOST_GROUPS = 1 << 26
"""So many groups, or twice as many, leave room for the moment in 64 bits."""


def moment_keys(groups: IntArray, seconds: IntArray) -> IntArray:
    """Moments of groups as numbers that sort by group, then time, int64 (n,): group · 2^36 + seconds + 2^35.

    Seconds since 1970, with room for ±1000 years.
    """
    return (groups << MOMENT_BITS) + seconds + MOMENT_ZERO


def moments_of(keys: IntArray) -> NDArray[np.datetime64]:
    """The moments in `moment_keys`, datetime64[s] (n,)."""
    return ((keys & ((1 << MOMENT_BITS) - 1)) - MOMENT_ZERO).astype("datetime64[s]")


def draw_by_key(keys: pd.DataFrame, seed: int) -> NDArray[np.uint64]:
    """A random number for each row, uint64 (n,), that depends on its key and the seed alone, not on other rows."""
    drawn = np.full(len(keys), seed, dtype="uint64")
    for name in keys.columns:
        drawn = pd.util.hash_array(drawn * np.uint64(31) + hash_values(keys[name]))
    return drawn


def hash_values(values: pd.Series) -> NDArray[np.uint64]:
    """A number for each value, uint64 (n,), which depends on nothing else of the table; 0 for a missing text."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return pd.util.hash_array(values.to_numpy())
    levels = pd.util.hash_array(values.cat.categories.to_numpy(dtype=object))
    return np.append(levels, np.uint64(0))[values.cat.codes.to_numpy()]


def stack(upper: pd.DataFrame, lower: pd.DataFrame, *, gaps: bool = True) -> pd.DataFrame:
    """Two tables one above the other, over the columns of the upper one; missing where the lower lacks one.

    `gaps`: whether such a column is one that may miss values even if the lower table, being a part of one, has no rows.
    """
    none = np.full(len(lower), -1, dtype="int64")
    columns: dict[str, ColumnValues] = {}
    for name in upper.columns:
        top = upper[name]
        bottom = lower[name] if name in lower.columns else pd.Series(take(top, none), name=name)
        if is_text(top):
            columns[name] = union_categoricals([top, bottom])
            continue
        kept = [top.to_numpy(), bottom.to_numpy()]
        if gaps and name not in lower.columns and kept[0].dtype.kind in "ib":
            kept = [values.astype("float64") for values in kept]
        columns[name] = np.concatenate(kept)
    return frame_of(columns)


def stack_all(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables with the same columns one above the other, numbers of two kinds as floats; with the rows' own numbers."""
    columns: dict[str, ColumnValues] = {}
    for name in tables[0].columns:
        parts = [table[name] for table in tables]
        if is_text(parts[0]):
            columns[name] = union_categoricals(parts)
        else:
            columns[name] = np.concatenate([part.to_numpy() for part in parts])
    return frame_of(columns, tables[0].index.append([table.index for table in tables[1:]]))
