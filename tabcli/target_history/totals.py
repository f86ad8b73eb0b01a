"""Sums over all series, whatever parts the series are cut into: what is made of each part stops where it needs one.

    part 1 ─ its summands ─┐                ┌─ goes on with the totals ─ … ─▶ its result
    part 2 ─ its summands ─┼─ exact totals ─┼─ goes on
    part 3 ─ its summands ─┘                └─ goes on

A function of a part is a generator: it yields its summands, and is sent the totals over all parts. Only so may anything
be summed over series; elsewhere each part would take its own series for all. Totals are exact to 2^-33 of each summand,
the same bits whatever the parts and their order.
"""

from collections.abc import Generator, Sequence
from typing import TypeVar

import numpy as np

from tabcli.arrays import AnyArray, FloatArray, IntArray

T = TypeVar("T")

Totalled = Generator[list[AnyArray], list[FloatArray], T]
"""Yields arrays (S, …) of a part's series, is sent their totals (…) over the series of all parts, and returns T."""

FRACTION = 2.0**32


def in_step(parts: Sequence[Totalled[T]]) -> list[T]:
    """The result of each part; each stops where it needs totals until all have said their summands."""
    summands = [next(part) for part in parts]
    while True:
        totals = [_total(arrays) for arrays in zip(*summands, strict=True)]
        results, summands = list[T](), []
        for part in parts:
            try:
                summands.append(part.send(totals))
            except StopIteration as end:
                results.append(end.value)
        if len(results) == len(parts):
            return results


def _total(arrays: Sequence[AnyArray]) -> FloatArray:
    """The sum over the first axis of all arrays (S, …), (…)."""
    whole, fraction = (sum(parts) for parts in zip(*map(_whole_and_fraction, arrays), strict=True))
    total: FloatArray = whole + fraction / FRACTION
    return total


def _whole_and_fraction(values: AnyArray) -> tuple[IntArray, IntArray]:
    """Sums over the first axis of the whole parts, and of the rests in units of 2^-32: whole numbers, so exact."""
    if values.dtype.kind in "biu":
        return values.sum(axis=0, dtype="int64"), np.zeros(values.shape[1:], dtype="int64")
    whole = np.floor(values)
    fraction = np.rint((values - whole) * FRACTION)
    return whole.sum(axis=0, dtype="int64"), fraction.sum(axis=0, dtype="int64")
