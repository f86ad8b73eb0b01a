"""categorify: the values of a column → codes, with one for missing and one for what training never saw."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tabcli.arrays import AnyArray
from tabcli.errors import DataError
from tabcli.preprocessing.counts import Counted, Levels
from tabcli.preprocessing.summaries import narrowed
from tabcli.tables.kinds import as_text, is_text, require_columns
from tabcli.tables.levels import MISSING_NUMBERS
from tabcli.tables.rows import frame_of

MISSING, UNKNOWN, FIRST_LEVEL = 0, 1, 2
"""Codes of a categorical column: a missing value, a value that training never saw, and the first known level."""

Counts = dict[str, int]
"""What was counted in a column (missing, unknown), or in each of several columns."""


class CategorifyState(TypedDict):
    """What is kept of a `Categorify`."""

    levels: dict[str, Levels]
    with_missing: NotRequired[list[str]]


def _number_codes(values: AnyArray, levels: AnyArray) -> NDArray[np.int32]:
    """Positions in the sorted levels plus FIRST_LEVEL; MISSING for NaN, UNKNOWN for any other number; int32 (n,)."""
    if not len(levels):
        codes = np.full(len(values), UNKNOWN, dtype="int32")
    elif narrowed(levels):
        codes = _looked_up(values, levels)
    else:
        place = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
        codes = np.where(levels[place] == values, place + FIRST_LEVEL, UNKNOWN).astype("int32")
    if values.dtype.kind == "f":
        codes[np.isnan(values)] = MISSING
    return codes


def _looked_up(values: AnyArray, levels: NDArray[np.int64]) -> NDArray[np.int32]:
    """Codes by a table of all whole numbers from one below the levels to one above them, int32 (n,)."""
    low, high = levels[0] - 1, levels[-1] + 1
    table = np.full(high - low + 1, UNKNOWN, dtype="int32")
    table[levels - low] = np.arange(len(levels), dtype="int32") + FIRST_LEVEL
    near = values if low <= values.min(initial=low) and values.max(initial=high) <= high else np.clip(values, low, high)
    if values.dtype.kind == "f":
        near = np.where(np.isnan(near), low, near).astype("int64")
    codes: NDArray[np.int32] = table[near - low]
    if values.dtype.kind == "f":
        codes[near != values] = UNKNOWN  # fractions
    return codes


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.inf  # a text that is no number is unknown, not missing; no level is infinite


@dataclass(frozen=True)
class Categorify:
    """Values → codes: 0 missing, 1 unknown, 2… the levels seen in training, sorted.

    `levels_`: column → its levels; all texts, or all numbers (a bool counts as 0 and 1). `with_missing_`: the columns
    that had missing values in training. For other columns nothing is learned of code 0: see `learned`.
    """

    levels_: dict[str, Levels]
    with_missing_: tuple[str, ...] = ()

    @classmethod
    def fit(cls, table: pd.DataFrame, columns: Iterable[str]) -> "Categorify":
        """Learns the levels of the columns. Raises `DataError` for dates."""
        found = {name: Counted.of(table[name]) for name in columns}
        levels = {name: cls.levels(counted, name) for name, counted in found.items()}
        return cls(levels, tuple(name for name, counted in found.items() if counted.missing))

    @staticmethod
    def levels(counted: Counted, name: str) -> Levels:
        """The values of the column `name`, sorted. Raises `DataError` for dates."""
        if counted.kind == "date":
            raise DataError(f"column {name!r} holds dates and cannot be categorical; use its parts")
        return counted.levels

    def codes(self, column: pd.Series, name: str) -> NDArray[np.int32]:
        """One column (n,) → its codes by the learned levels of `name`, int32 (n,), whatever its dtype."""
        levels = self.levels_[name]
        textual = any(isinstance(level, str) for level in levels)
        if is_text(column):
            categories = [str(c) for c in column.cat.categories]
            if textual or not levels:
                known = {level: i for i, level in enumerate(levels, start=FIRST_LEVEL)}
                by_category = np.array([known.get(c, UNKNOWN) for c in categories], dtype="int32")
            else:
                numbers = np.array([_parse_number(c) for c in categories], dtype="float64")
                by_category = _number_codes(numbers, np.asarray(levels))
                by_category[np.isin(categories, MISSING_NUMBERS)] = MISSING
            return np.append(by_category, np.int32(MISSING))[column.cat.codes.to_numpy()]
        if textual:
            return self.codes(as_text(column), name)
        values = column.to_numpy()
        return _number_codes(values.astype("int64") if values.dtype == bool else values, np.asarray(levels))

    def transform(self, table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Counts]]:
        """Table → int32 codes of the learned columns, in their order; and by column how many are missing and unknown.

        Raises `DataError` where the table lacks a column.
        """
        require_columns(table, self.levels_, "the table to categorify")
        codes = {name: self.codes(table[name], name) for name in self.levels_}
        return frame_of(codes, table.index), {name: count_codes(c) for name, c in codes.items()}

    def learned(self, codes: NDArray[np.int32], name: str) -> NDArray[np.int32]:
        """Codes (n,) in which missing becomes unknown if the column had no missing values in training; int32 (n,).

        The embedding of a code without training rows stays random, but that of the unknown code is trained, since
        `train.category_dropout` replaces some codes by it.
        """
        if name in self.with_missing_ or not (codes == MISSING).any():
            return codes
        return np.where(codes == MISSING, np.int32(UNKNOWN), codes)

    def decode(self, codes: ArrayLike, name: str) -> pd.Series:
        """Codes (n,) → the levels as a Series (n,); a missing value for both missing and unknown."""
        levels = pd.Series(self.levels_[name])
        return levels.reindex(np.asarray(codes) - FIRST_LEVEL).reset_index(drop=True)

    def cardinalities(self) -> dict[str, int]:
        """Column → number of codes, missing and unknown included."""
        return {name: len(levels) + FIRST_LEVEL for name, levels in self.levels_.items()}

    def to_state(self) -> CategorifyState:
        return {"levels": self.levels_, "with_missing": list(self.with_missing_)}

    @classmethod
    def from_state(cls, state: CategorifyState) -> "Categorify":
        return cls(state["levels"], tuple(state.get("with_missing", state["levels"])))


def count_codes(codes: NDArray[np.int32]) -> Counts:
    """How many codes (n,) are missing and unknown."""
    return {"missing": int((codes == MISSING).sum()), "unknown": int((codes == UNKNOWN).sum())}
