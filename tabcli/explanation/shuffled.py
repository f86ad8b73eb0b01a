"""Which row takes whose place: rows shuffled within blocks, so that each block keeps the values that it has.

date        1   1   1   2   2   2
row         0   1   2   3   4   5
shuffled    2   0   1   3   5   4      within a date: every date keeps its rows, a store gets those of another
"""

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray


def shuffled_within(blocks: IntArray, rng: np.random.Generator) -> IntArray:
    """A random permutation of n rows that keeps each in its block, int64 (n,); `blocks`: each row's, int64 (n,)."""
    other = np.empty(len(blocks), dtype="int64")
    other[np.argsort(blocks, kind="stable")] = np.lexsort((rng.random(len(blocks)), blocks))
    return other


def blocks_of(values: "pd.Series | IntArray | FloatArray") -> IntArray:
    """A number for each different value, int64 (n,)."""
    return pd.factorize(values)[0].astype("int64")


def some_series(series: IntArray, most_rows: int, rng: np.random.Generator) -> IntArray:
    """The rows of whole series, drawn at random, at most so many (but one series at least), int64; all if they fit."""
    if len(series) <= most_rows:
        return np.arange(len(series))
    blocks = blocks_of(series)
    order = rng.permutation(int(blocks.max()) + 1)
    total = np.cumsum(np.bincount(blocks)[order])
    chosen = order[: max(1, int(np.searchsorted(total, most_rows, side="right")))]
    return np.flatnonzero(np.isin(blocks, chosen))
