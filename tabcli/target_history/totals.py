"""Sums over all series, whatever parts the series are cut into: what is made of each part stops where it needs one.

    part 1 ─ its summands ─┐                ┌─ goes on with the totals ─ … ─▶ its result
    part 2 ─ its summands ─┼─ exact totals ─┼─ goes on
    part 3 ─ its summands ─┘                └─ goes on

A function of a part is a generator: it yields its summands, and is sent the totals over all parts. Only so may anything
be summed over series; elsewhere each part would take its own series for all. Totals are exact to 2^-33 of each summand,
the same bits whatever the parts and their order.

Parts that fit into memory go on together (`in_step`). Of more, each is made anew for every round and sent the totals
so far, on whichever machine: only its sums are kept (`next_sums`, `total_of`). With all totals, which can be saved, a
part is made alone (`with_totals`).
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from tabcli.arrays import AnyArray, FloatArray, IntArray

T = TypeVar("T")

Totalled = Generator[Iterable[AnyArray], list[FloatArray], T]
"""Yields arrays (S, …) of a part's series, is sent their totals (…) over the series of all parts, and returns T.

The arrays are taken one after the other, before the totals are sent, and may be made when they are taken. Where the
totals are known already, none is taken."""

Totals = list[list[FloatArray]]
"""The totals of each round."""

Sum = tuple[IntArray, IntArray]
"""Whole parts, and rests in units of 2^-32, each summed over series."""

FRACTION = 2.0**32


def in_step(parts: Sequence[Totalled[T]]) -> list[T]:
    """The result of each part; each stops where it needs totals until all have said their summands."""
    summands = [next(part) for part in parts]
    while True:
        totals = [_total(map(_sum, arrays)) for arrays in zip(*summands, strict=True)]
        results, summands = list[T](), []
        for part in parts:
            try:
                summands.append(part.send(totals))
            except StopIteration as end:
                results.append(end.value)
        if len(results) == len(parts):
            return results


def next_sums(part: Totalled[T], known: Totals) -> list[Sum] | None:
    """The sums of a part's next round after those whose totals are `known`; None where no further one is needed."""
    summands = next(part)
    for totals in known:
        try:
            summands = part.send(totals)
        except StopIteration:
            return None
    return [_sum(array) for array in summands]


def total_of(parts: Sequence[Sequence[Sum]]) -> list[FloatArray]:
    """The totals of a round by the sums of all parts, in any order."""
    return [_total(sums) for sums in zip(*parts, strict=True)]


def with_totals(part: Totalled[T], totals: Totals) -> T:
    """The result of a part, by the totals over all parts."""
    next(part)
    for known in totals:
        try:
            part.send(known)
        except StopIteration as end:
            result: T = end.value
            return result
    raise ValueError("the part needs further totals")


def totals_to_arrays(totals: Totals) -> dict[str, FloatArray]:
    """Totals as named arrays, as a file holds them."""
    return {f"{k}.{i}": array for k, arrays in enumerate(totals) for i, array in enumerate(arrays)}


def totals_of_arrays(arrays: Mapping[str, FloatArray]) -> Totals:
    """What `totals_to_arrays` was given."""
    totals: Totals = []
    for k, i in sorted(tuple(map(int, name.split("."))) for name in arrays):
        totals.extend([] for _ in range(len(totals), k + 1))
        totals[k].append(arrays[f"{k}.{i}"])
    return totals


def _total(sums: Iterable[Sum]) -> FloatArray:
    """The total of sums over the series of parts."""
    whole, fraction = _merged(sums)
    total: FloatArray = whole + fraction / FRACTION
    return total


def _merged(sums: Iterable[Sum]) -> Sum:
    wholes, fractions = zip(*sums, strict=True)
    return sum(wholes), sum(fractions)


def _sum(values: AnyArray) -> Sum:
    """Sums over the first axis of the whole parts, and of the rests in units of 2^-32: whole numbers, so exact."""
    if values.dtype.kind in "biu":
        return values.sum(axis=0, dtype="int64"), np.zeros(values.shape[1:], dtype="int64")
    whole = np.floor(values)
    fraction = np.rint((values - whole) * FRACTION)
    return whole.sum(axis=0, dtype="int64"), fraction.sum(axis=0, dtype="int64")
