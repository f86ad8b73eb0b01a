"""Statistics of a column of numbers that do not depend on how its rows are cut into parts: summarise, merge, finish.

    rows of one part ──── Summary.of ─┐
    rows of another ───── Summary.of ─┼─ merge ─▶ Summary ─▶ median, mean, std
    rows of a third ───── Summary.of ─┘

However many parts there are, and in whatever order they are merged, the statistics have the same bits, since sums are
exact. All rows in memory are the case of one part.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabcli.arrays import AnyArray, FloatArray, IntArray

UNIT = -1126
"""Every float64 is a whole number of 2^UNIT: the smallest one, 2^-1074, times its 53 bits."""

FEW = 1 << 20
"""Counts up to this one, times 27 bits, summed over `CHUNK` rows, are whole numbers that a float64 holds."""

CHUNK = 1 << 25

LOW = (1 << 27) - 1
"""The lower 27 of a float64's 53 bits."""


def narrowed(values: AnyArray) -> bool:
    """Whether the values (n,) are whole numbers in so narrow a range that a table of the range is small."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    return values.dtype.kind in "iu" and high - low <= max(len(values), 1 << 10) and abs(low) < 2**52


def exact_sum(values: FloatArray, counts: IntArray) -> int:
    """Σ counts · values without any rounding, in units of 2^UNIT. `values`: finite, `counts`: from 0 on, both (n,)."""
    if not len(values):
        return 0
    if counts.max() > FEW:
        return (exact_sum(values, counts >> 20) << 20) + exact_sum(values, counts & (FEW - 1))
    share, exponent = np.frexp(values)
    lowest = int(exponent.min())
    place, bits = exponent - lowest, np.ldexp(share, 53).astype("int64")
    ends = [0, *(np.flatnonzero(np.diff(np.cumsum(counts) // CHUNK)) + 1), len(values)]
    total = 0
    for rows in map(slice, ends[:-1], ends[1:]):
        for shift, part in ((27, bits[rows] >> 27), (0, bits[rows] & LOW)):
            sums = np.bincount(place[rows], weights=part * counts[rows].astype("float64"))
            total += sum(int(s) << (shift + i) for i, s in enumerate(sums.tolist()))
    return total << (lowest - 53 - UNIT)


def _squares(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The squares of values of at most 1, and what rounding took from each (Dekker 1971), both float64 (n,)."""
    square = values * values
    split = values * 134217729.0  # 2^27 + 1
    high = split - (split - values)
    low = values - high
    rounding: FloatArray = ((high * high - square) + 2.0 * high * low) + low * low
    return square, rounding


@dataclass(frozen=True)
class Summary:
    """How often each number of a column occurs.

    `values`: the different numbers, sorted, float64 (k,). `counts`: in how many rows each stands, int64 (k,).
    `missing`: rows without a number.
    """

    values: FloatArray
    counts: IntArray
    missing: int = 0

    @classmethod
    def of(cls, values: AnyArray, counts: IntArray | None = None) -> "Summary":
        """Of numbers (n,), NaN where they are missing.

        `counts`: in how many rows each one stands, int64 (n,), if not in one.
        """
        if narrowed(values) and counts is None and len(values):
            low = values.min()
            seen = np.bincount(values - low)
            found = np.flatnonzero(seen)
            return cls((found + low).astype("float64"), seen[found].astype("int64"))
        there = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
        n = np.ones(len(values), dtype="int64") if counts is None else counts
        return cls(*_counted(values[there].astype("float64"), n[there]), int(n[~there].sum()))

    def merge(self, *others: "Summary") -> "Summary":
        """Of the rows of all parts together."""
        parts = (self, *others)
        values, counts = (np.concatenate(arrays) for arrays in zip(*((p.values, p.counts) for p in parts), strict=True))
        return Summary(*_counted(values, counts), sum(p.missing for p in parts))

    @property
    def n(self) -> int:
        """Rows with a number."""
        return int(self.counts.sum())

    @property
    def median(self) -> float:
        """The middle number, or the mean of the two in the middle. Needs a number."""
        below = np.cumsum(self.counts)
        middle = np.searchsorted(below, [(below[-1] - 1) // 2, below[-1] // 2], side="right")
        return float(np.mean(self.values[middle]))

    @property
    def mean(self) -> float:
        """Correctly rounded. Needs a number."""
        return _mean([(self.values, self.counts)], self.n)

    @property
    def std(self) -> float:
        """The population's standard deviation. Needs a number."""
        return _std(lambda: [(self.values, self.counts)], self.n, float(np.abs(self.values).max()))

    @property
    def largest(self) -> float:
        """Needs a number."""
        return float(self.values[-1])

    def filled(self, value: float) -> "Summary":
        """Of the column with `value` in place of what is missing."""
        return self.merge(Summary(np.array([value]), np.array([self.missing]))) if self.missing else self


Counts = tuple[FloatArray, IntArray]
"""Different numbers, sorted, float64 (k,), and in how many rows each stands, int64 (k,)."""


def _mean(parts: Iterable[Counts], n: int) -> float:
    return sum(exact_sum(values, counts) for values, counts in parts) / (n << -UNIT)


def _std(parts: Callable[[], Iterable[Counts]], n: int, largest: float) -> float:
    """`largest`: the largest number but for its sign."""
    exponent = int(np.frexp(largest)[1])
    total = squares = 0
    for values, counts in parts():
        total += exact_sum(values, counts)
        squares += sum(exact_sum(part, counts) for part in _squares(np.ldexp(values, -exponent)))
    up, down = max(exponent, 0), max(-exponent, 0)  # Σ x² is `squares` times 4^exponent
    spread = (n * squares << 2 * up - UNIT) - (total * total << 2 * down)
    variance = max(spread, 0) / (n * n << 2 * (down + up) - 2 * UNIT)
    return float(np.ldexp(np.sqrt(variance), up))


@dataclass(frozen=True)
class Part:
    """Numbers of some rows, which are loaded when they are needed."""

    load: Callable[[], Counts]


@dataclass(frozen=True)
class Spread:
    """As a `Summary`, of so many different numbers that they are in memory one part after the other.

    Its statistics have the bits of the `Summary` of all parts together.
    """

    parts: Sequence[Part]
    missing: int = 0

    def _loaded(self) -> Iterable[Counts]:
        return (found for found in (part.load() for part in self.parts) if len(found[0]))

    @property
    def n(self) -> int:
        """Rows with a number."""
        return sum(int(counts.sum()) for _, counts in self._loaded())

    @property
    def median(self) -> float:
        """The middle number, or the mean of the two in the middle. Needs a number."""
        n = self.n
        return float(np.mean([self._at((n - 1) // 2), self._at(n // 2)]))

    def _at(self, rank: int) -> float:
        """The number with so many rows before it when all are sorted: found bit by bit, in ever shorter stretches."""
        parts = [_Stretch(values, counts, 0, len(values), 0) for values, counts in self._loaded()]
        low, high = (ends(_key(float(part.values[place])) for part in parts) for ends, place in ((min, 0), (max, -1)))
        while low < high:
            middle = (low + high) // 2
            cut = [part.cut(_number(middle)) for part in parts]
            if sum(below for _, below in cut) > rank:
                high = middle
                parts = [replace(part, end=place) for part, (place, _) in zip(parts, cut, strict=True)]
            else:
                low = middle + 1
                parts = [replace(p, start=place, below=n) for p, (place, n) in zip(parts, cut, strict=True)]
        return _number(low)

    @property
    def mean(self) -> float:
        """Correctly rounded. Needs a number."""
        return _mean(self._loaded(), self.n)

    @property
    def std(self) -> float:
        """The population's standard deviation. Needs a number."""
        ends = [max(-float(values[0]), float(values[-1])) for values, _ in self._loaded()]
        return _std(self._loaded, self.n, max(ends))

    @property
    def largest(self) -> float:
        """Needs a number."""
        return max(float(values[-1]) for values, _ in self._loaded())

    def filled(self, value: float) -> "Spread":
        """Of the column with `value` in place of what is missing."""
        if not self.missing:
            return self
        filling = np.array([value]), np.array([self.missing])
        return Spread([*self.parts, Part(lambda: filling)])


@dataclass(frozen=True)
class _Stretch:
    """The place of a number among those of one part: between `start` and `end`, with `below` rows before `start`."""

    values: FloatArray
    counts: IntArray
    start: int
    end: int
    below: int

    def cut(self, number: float) -> tuple[int, int]:
        """Where the numbers above a number begin, and how many rows have none of these."""
        place = self.start + int(np.searchsorted(self.values[self.start : self.end], number, side="right"))
        return place, self.below + int(self.counts[self.start : place].sum())


def _key(number: float) -> int:
    """Whole numbers in the order of float64 numbers."""
    bits = int(np.array([number + 0.0]).view("int64")[0])
    return bits if bits >= 0 else -(2**63) - bits


def _number(key: int) -> float:
    """The number of a `_key`."""
    bits = np.array([key if key >= 0 else -(2**63) - key], dtype="int64")
    return float(bits.view("float64")[0])


def _counted(values: FloatArray, counts: IntArray) -> tuple[FloatArray, IntArray]:
    """The different values, sorted, and the sum of the counts of each, in whole numbers."""
    order = np.argsort(values, kind="stable")
    values, counts = values[order] + 0.0, counts[order]  # 0.0 makes one zero of two
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1])) if len(values) else np.arange(0)
    return values[first], np.add.reduceat(counts, first) if len(values) else counts
