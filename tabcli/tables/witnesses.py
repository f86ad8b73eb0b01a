"""Columns of very many different values: one value, a witness, of each way in which values differ for typing.

What a column is, and which of its rows are refused, depends on its values only by what `features_of` tells of each:
whether it is a number, a date, missing and so on. So a column in which each value is replaced by its witness is typed
as the whole one is, and a value beside all witnesses gets the type that it has in the whole column.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, IntArray
from tabcli.config.data import Table
from tabcli.tables.levels import MISSING_NUMBERS, matching
from tabcli.tables.moments import ISO, ZONE, parse_dates
from tabcli.tables.texts import BOOLS, EXACT, PLAIN, Numerals, amount_levels, numerals_of

STYLES = [
    Numerals(",", "."),
    Numerals(","),
    Numerals(".", ","),
    Numerals(",", " "),
    Numerals(".", " "),
    Numerals(".", "'"),
]
"""Other ways to write numbers, which hints may name."""

QUICK = (r"^-?[1-9]\d{3,14}$", r"^-?(0|[1-9]\d{0,14})\.(\d{1,2}|\d{4,9})$")
"""Texts of which nothing else need be asked where no dates are expected: long whole numbers, and fractions."""


@dataclass
class Witnesses:
    """The witnesses so far, of a column that a table's options read. `dated`: whether it holds dates."""

    spec: Table
    dated: bool
    numbers: dict[int, int] = field(default_factory=dict)
    values: list[pa.Array] = field(default_factory=list)

    def codes(self, values: pa.Array) -> IntArray:
        """The number of each value's witness, int64 (k,); the first of its kind becomes one."""
        kinds, first, own = np.unique(self._kinds(values), return_index=True, return_inverse=True)
        for kind, at in sorted(zip(kinds.tolist(), first.tolist(), strict=True), key=lambda pair: pair[1]):
            if kind not in self.numbers:
                self.numbers[kind] = len(self.numbers)
                self.values.append(values.slice(at, 1))
        codes: IntArray = np.array([self.numbers[kind] for kind in kinds.tolist()], dtype="int64")[own]
        return codes

    def _kinds(self, values: pa.Array) -> IntArray:
        """A number for all that is told of each value, int64 (k,)."""
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            return _packed(_of_values(values)) + 1
        kinds = np.zeros(len(values), dtype="int64")
        left = np.ones(len(values), dtype=bool)
        if (
            not self.dated
            and self.spec.decimal == PLAIN.decimal
            and self.spec.thousands is None
            and not self.spec.missing
        ):
            for kind, pattern in enumerate(QUICK):
                found = pc.match_substring_regex(values, pattern).fill_null(False).to_numpy(zero_copy_only=False)
                kinds[found & left] = -1 - kind
                left &= ~found
        if left.any():
            kinds[left] = _packed(_of_texts(values.filter(pa.array(left)), self.spec)) + 1
        return kinds


def _packed(features: list[BoolArray]) -> IntArray:
    packed: IntArray = np.array(features).T @ (1 << np.arange(len(features), dtype="int64"))
    return packed


def _of_texts(values: pa.Array, spec: Table) -> list[BoolArray]:
    """What decides how texts are typed, each bool (k,)."""
    missing = pc.is_null(values).to_numpy(zero_copy_only=False)
    texts = pc.cast(values, pa.string()).fill_null("")
    bare = amount_levels(texts).fill_null("")
    numerals = [numerals_of(spec), *STYLES]
    patterns = [
        r"^\d+$",
        r"^\s*[-+]?0\d",
        r"\d{16}",
        r"\d{19}",
        r"^[-+]?[1-9]\d{0,2}\.\d{3}$",
        r"^[-+]?\d{1,3}$",
        ISO,
        ZONE,
    ]
    listed: list[list[str]] = [[""], MISSING_NUMBERS, list(spec.missing), list(BOOLS), ["-"]]
    found = [missing, numerals[0].are_whole(texts), numerals[0].are_numbers(texts, plain=True)]
    found += [style.are_numbers(some) for style in numerals for some in (texts, bare)]
    found += [matching(texts, pattern) for pattern in patterns]
    found += [pc.is_in(texts, pa.array(some, pa.string())).to_numpy(zero_copy_only=False) for some in listed]
    plain = Table(file="")
    return [*found, *(np.isnat(parse_dates(texts, way)) for way in (spec, plain))]


def _of_values(values: pa.Array) -> list[BoolArray]:
    """What decides how numbers, dates and bools of Parquet files are typed, each bool (k,)."""
    kind = values.type
    missing = pc.is_null(values, nan_is_null=pa.types.is_floating(kind)).to_numpy(zero_copy_only=False)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return [missing]
    numbers: NDArray[np.float64] = pd.Series(
        pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    ).to_numpy()
    there = np.where(missing, 0.0, numbers)
    return [
        missing,
        there == np.round(there),
        np.isinf(there),
        np.abs(there) > EXACT,
        np.abs(there) >= 2.0**63,
        there < 0,
    ]
