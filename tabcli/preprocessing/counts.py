"""How often each value of a column occurs: all that is ever learned of a column, whatever parts its rows are cut into.

    rows of one part ──── ColumnCounts.of ─┐
    rows of another ───── ColumnCounts.of ─┼─ Counted ─▶ kind, levels, medians, means, measure or category
    rows of a third ───── ColumnCounts.of ─┘

All rows in memory are the case of one part. The counts of a part may lie on the disk (`numpy.memmap`): no more than one
of many large parts is read at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, FloatArray, IntArray
from tabcli.preprocessing.summaries import Part, Spread, Summary, narrowed
from tabcli.tables.kinds import Kind, kind_of
from tabcli.tables.texts import EXACT

Levels = list[str] | list[int] | list[float]
"""The different values of a categorical column, sorted."""

FEW = 1 << 20
"""So many different values are merged in memory."""


@dataclass(frozen=True)
class ColumnCounts:
    """How often each value of a column occurs in some rows.

    `kind`: of the column. `values`: the different values (k,), sorted: str of texts, int64 of whole numbers and bools,
    else float64, also infinite; none of dates. `counts`: in how many rows each stands, int64 (k,). `missing`: rows
    without a value.
    """

    kind: Kind
    values: AnyArray
    counts: IntArray
    missing: int

    @classmethod
    def of(cls, column: pd.Series, counts: IntArray | None = None) -> "ColumnCounts":
        """Of a normalised column (n,). `counts`: in how many rows each value stands, int64 (n,), if not in one."""
        kind = kind_of(column)
        if kind == "text":
            return cls._of_texts(column, counts)
        if kind == "date":
            gone = column.isna().to_numpy()
            missing = int(gone.sum() if counts is None else counts[gone].sum())
            return cls(kind, np.empty(0), np.empty(0, dtype="int64"), missing)
        numbers = column.to_numpy()
        if kind != "float":
            return cls(kind, *_counted(numbers.astype("int64"), counts), 0)
        numbers = numbers.astype("float64", copy=False)
        there = ~np.isnan(numbers)
        if not there.all():
            missing = int((~there).sum() if counts is None else counts[~there].sum())
            return cls(kind, *_counted_floats(numbers[there], None if counts is None else counts[there]), missing)
        return cls(kind, *_counted_floats(numbers, counts), 0)

    @classmethod
    def _of_texts(cls, column: pd.Series, counts: IntArray | None) -> "ColumnCounts":
        categories = column.cat.categories
        n = np.bincount(column.cat.codes.to_numpy().astype("int64") + 1, counts, minlength=len(categories) + 1)
        found = np.flatnonzero(n[1:])
        texts = np.array([str(c) for c in categories[found]], dtype=object)
        order = sorted(range(len(texts)), key=texts.__getitem__)
        return cls("text", texts[order], n[1:][found][order].astype("int64"), int(n[0]))

    def __len__(self) -> int:
        return len(self.values)

    def numbers(self) -> tuple[FloatArray, IntArray]:
        """The finite numbers, sorted, float64 (k,), and in how many rows each stands."""
        values, counts = np.asarray(self.values), np.asarray(self.counts)
        if self.kind == "float":
            finite = np.isfinite(values)
            return (values, counts) if finite.all() else (values[finite], counts[finite])
        return values.astype("float64"), counts

    @property
    def n_finite(self) -> int:
        """How many rows have a finite number."""
        return int(self.numbers()[1].sum())


def _counted(values: AnyArray, counts: IntArray | None) -> tuple[AnyArray, IntArray]:
    """The different values, sorted, and in how many rows each stands."""
    if not len(values):
        return values, np.empty(0, dtype="int64")
    if counts is None and narrowed(values):
        low = values.min()
        n = np.bincount(values - low)
        found = np.flatnonzero(n)
        return (found + low).astype(values.dtype), n[found]
    if counts is None:
        ordered = np.sort(values)
    else:
        order = np.argsort(values, kind="stable")
        ordered, counts = values[order], counts[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    n = np.diff(np.append(first, len(ordered))) if counts is None else np.add.reduceat(counts, first)
    return ordered[first], n


def _counted_floats(values: FloatArray, counts: IntArray | None) -> tuple[FloatArray, IntArray]:
    """As `_counted`; whole numbers of a narrow range take less time."""
    if counts is None and len(values) and np.abs(values).max() < EXACT and (values == np.round(values)).all():
        found, n = _counted(values.astype("int64"), None)
        return found.astype("float64"), n
    return _counted(values + 0.0, counts)  # 0.0 makes one zero of two


@dataclass(frozen=True)
class Counted:
    """The counts of a column in one part of the rows or several, as if the rows were together."""

    parts: tuple[ColumnCounts, ...]

    @classmethod
    def of(cls, column: pd.Series, counts: IntArray | None = None) -> "Counted":
        """Of one part; see `ColumnCounts.of`."""
        return cls((ColumnCounts.of(column, counts),))

    @property
    def kind(self) -> Kind:
        """The kind of the column as a whole: what is whole or bool in some parts, with a value for each row, is float
        if others lack values.
        """
        kinds = {part.kind for part in self.parts}
        return "float" if "float" in kinds else self.parts[0].kind

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return sum(part.missing for part in self.parts)

    @cached_property
    def merged(self) -> ColumnCounts:
        """The counts of all rows, in memory."""
        if len(self.parts) == 1:
            return self.parts[0]
        kind = self.kind
        counts = np.concatenate([part.counts for part in self.parts])
        if kind == "text":
            codes, texts = pd.factorize(np.concatenate([part.values for part in self.parts]), sort=False)
            n = np.bincount(codes, counts, minlength=len(texts)).astype("int64")
            order = sorted(range(len(texts)), key=texts.__getitem__)
            return ColumnCounts(kind, texts[order], n[order], self.missing)
        values = np.concatenate([p.values.astype("float64") if kind == "float" else p.values for p in self.parts])
        return ColumnCounts(kind, *_counted(values, counts), self.missing)

    @property
    def levels(self) -> Levels:
        """The different values, sorted: texts, whole numbers, or numbers with fractions."""
        merged = self.merged
        values = merged.values
        if merged.kind == "float":
            values = values[np.isfinite(values)]
            if (np.abs(values) < EXACT).all() and (values == np.round(values)).all():
                values = values.astype("int64")
        return cast("Levels", values.tolist())

    def is_measure(self, max_card: int) -> bool:
        """Whether the rows hold numbers with fractions or missing values, or more than `max_card` different ones.

        The kind of the column does not tell: a missing value in other rows makes floats of whole numbers.
        """
        if self.kind not in ("int", "float"):
            return False
        if self.missing or any((part.values != np.round(part.values)).any() for part in self.parts):
            return True
        return max(map(len, self.parts)) > max_card or len(self.merged) > max_card

    @property
    def summary(self) -> Summary | Spread:
        """Of the finite numbers; all others count as missing."""
        n_rows = sum(int(part.counts.sum()) + part.missing for part in self.parts)
        if sum(map(len, self.parts)) <= FEW or len(self.parts) == 1:
            values, counts = self.merged.numbers()
            if self.kind == "int" and len(values) and max(-values[0], values[-1]) > EXACT:
                values, counts = _counted(values, counts)  # what no float tells apart
            return Summary(values, counts, n_rows - int(counts.sum()))
        return Spread([Part(part.numbers) for part in self.parts], n_rows - sum(p.n_finite for p in self.parts))


def counts_of(parts: Sequence[ColumnCounts]) -> Counted:
    """The counts of several parts as one."""
    return Counted(tuple(parts))
