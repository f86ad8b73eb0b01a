"""How uncertain a time of the year is, told by what naive forecasts erred by at that time of the years before.

The few past windows that networks forecast seldom hold the time of the year that is forecast: nothing in them tells of
Christmas. Naive forecasts cost nothing, so theirs reach back over all of the past. Networks know more than these do, so
their errors follow only in part: each factor is shrunk towards 1, by how many dates speak for it, and since most times
of the year are like the others, so that only large departures are more than chance.
"""

from dataclasses import dataclass

import numpy as np

from tabcli.arrays import FloatArray, IntArray

PRIOR = 30.0
"""The errors of a time of the year count by half with so many dates."""

CHANCE = 0.1
"""A logarithm of their size that departs so much from the usual one counts by half."""


@dataclass(frozen=True)
class YearlyErrors:
    """What naive forecasts erred by at each of n places in time, one after the other.

    `sizes`: the sum of the sizes of their errors, on the learned scale, float64 (n,), and `rows`: of how many rows,
    int64 (n,). `year`: how many places a year has. `span`: how many places around one speak for it.
    """

    sizes: FloatArray
    rows: IntArray
    year: int
    span: int

    def factors(self, place: IntArray) -> FloatArray:
        """How much more uncertain than usual places are by the years before them, float64 (m,); 1 where none is known.

        `place`: from 0 on, also beyond the n places, int64 (m,).
        """
        n, unique = len(self.rows), np.unique(place)
        sums = [np.concatenate([[0.0], np.cumsum(a)]) for a in (self.sizes, self.rows, self.rows > 0)]
        before = np.maximum(unique[:, None] - self.year * np.arange(1, int(unique.max()) // self.year + 1), -n)
        low = np.clip(before - self.span // 2, 0, n)
        high = np.clip(before - self.span // 2 + self.span, 0, n)
        size, rows, dates = ((a[high] - a[low]).sum(axis=1) for a in sums)
        usual = float(self.sizes.sum()) / max(int(self.rows.sum()), 1)
        there = (rows > 0) & (size > 0) & (usual > 0)
        departure = np.log(np.divide(size, rows * usual, out=np.ones(len(unique)), where=there))
        share = dates / (dates + PRIOR) * departure**2 / (departure**2 + CHANCE**2)
        factors: FloatArray = np.exp(share * departure)
        return factors[np.searchsorted(unique, place)]
