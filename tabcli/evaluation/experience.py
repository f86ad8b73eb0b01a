"""How errors of past windows would be had their networks learned from as much as those of the forecast to come.

    error of a window  ·  (how much its networks had learned from ÷ how much those to come have) ** exponent

The older a window, the less its networks had learned from, and the more they erred. Over many tasks and networks the
error falls with a power of the data, of exponents from 0.07 to 0.35, until only noise is left (Hestness et al. 2017,
arXiv 1712.00409). So the exponent is what the windows themselves tell, shrunk towards a small one. And a network that
has not seen each time of the year forecasts its first Christmas: such windows tell nothing of a forecast by networks
that have.
"""

from dataclasses import dataclass

import numpy as np

from tabcli.arrays import BoolArray, FloatArray, IntArray

EXPONENT, DOUBT = 0.2, 0.1
"""What is believed of the exponent before windows are looked at: its mean and standard deviation."""

MOST = 0.6
"""The largest exponent."""

FEWEST = 2
"""At least so many windows must be left where others are left out."""

SIZE = 0.57
"""n independent normal errors tell the logarithm of the mean of their sizes with this variance ÷ n: π/2 − 1."""


@dataclass(frozen=True)
class Learned:
    """How many steps of the past networks had learned from.

    `windows`: those of each of k past windows, int64 (k,). `coming`: those of the forecast to come. `year`: how many
    steps a year has.
    """

    windows: IntArray
    coming: int
    year: int

    def take(self, kept: IntArray) -> "Learned":
        """The same of the windows `kept`."""
        return Learned(self.windows[kept], self.coming, self.year)

    def telling(self) -> BoolArray:
        """Which windows tell of the forecast to come, bool (k,).

        Where its networks have seen a year, those windows whose networks had seen one, if they are `FEWEST` or more.
        """
        seen = self.windows >= self.year
        return seen if self.coming >= self.year and seen.sum() >= FEWEST else np.ones(len(seen), dtype=bool)

    def factors(self, sizes: FloatArray, n_blocks: float) -> FloatArray:
        """The factor of each window's errors, float64 (k,). `sizes`: the mean size of these, (k,), none 0.

        `n_blocks`: how many independent errors a window has.
        """
        share = np.maximum(self.windows, 1) / max(self.coming, 1)
        factors: FloatArray = share ** _exponent(np.log(share), np.log(sizes), n_blocks)
        return factors


def _exponent(share: FloatArray, size: FloatArray, n_blocks: float) -> float:
    """By least squares of both logarithms, (k,) each, and what is believed before, weighted by how sure each is."""
    x, y = share - share.mean(), size - size.mean()
    spread, k = float((x**2).sum()), len(x)
    if k < 3 or spread == 0:
        return EXPONENT
    found = -float((x * y).sum()) / spread
    left = float(((y + found * x) ** 2).sum()) / (k - 2)
    sure, believed = spread / max(left, SIZE / n_blocks), DOUBT**-2
    return float(np.clip((found * sure + EXPONENT * believed) / (sure + believed), 0.0, MOST))
