"""A column of texts: category of str, so that work is done once per different text, a *level*."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tabcli.arrays import AnyArray, BoolArray, IntArray
from tabcli.tables.parts import Parts

Column: TypeAlias = pd.Series

MISSING_NUMBERS = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "#N/A", "<NA>"]
"""Words that mean missing among numbers, bools and dates. Among texts only "" does."""

EXAMPLES = 3


def rows_text(positions: Sequence[int] | IntArray, index: pd.Index) -> str:
    """`row 17`, counted from 1 without the header, as the file had it; `row 17 of part-2.csv` of a table in parts."""
    parts = index.name
    numbers = [int(index[p]) for p in positions[:EXAMPLES]]
    shown = ", ".join(parts.row(n) if isinstance(parts, Parts) else str(n + 1) for n in numbers)
    more = ", …" if len(positions) > EXAMPLES else ""
    return f"row{'s' if len(positions) > 1 else ''} {shown}{more}"


def set_missing(column: Column, missing: Sequence[str]) -> Column:
    """A column of texts with some of them taken as missing, and no unused categories."""
    levels = column.cat.categories
    counts = _counts(column.cat.codes.to_numpy(), len(levels))
    gone = levels[(counts == 0) | levels.isin(missing)]  # remove_unused_categories would sort all rows for it
    return column.cat.remove_categories(gone) if len(gone) else column


AT_ONCE = 1 << 22
"""So many codes are counted at a time: numpy makes them int64 for it."""


def _counts(codes: AnyArray, n: int) -> IntArray:
    """How often each of n codes occurs, int64 (n,)."""
    counts = np.zeros(n + 1, dtype="int64")
    for i in range(0, len(codes), AT_ONCE):
        counts += np.bincount(codes[i : i + AT_ONCE].astype("int64") + 1, minlength=n + 1)
    return counts[1:]


def levels_of(column: Column) -> pa.Array:
    """The different texts of a column, (k,)."""
    return pa.array(column.cat.categories.astype("str"), type=pa.string())


def matching(levels: pa.Array, pattern: str) -> BoolArray:
    """Which texts match a regular expression, bool (k,)."""
    found: BoolArray = pc.match_substring_regex(levels, pattern).to_numpy(zero_copy_only=False).astype(bool)
    return found


def spread(column: Column, values: AnyArray, empty: object) -> AnyArray:
    """Values of the levels (k,) → of the rows (n,), `empty` where the text is missing."""
    return np.append(values, np.array([empty], dtype=values.dtype))[column.cat.codes.to_numpy()]
