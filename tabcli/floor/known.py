"""What is known at a cutoff, as plain numbers: each row's series, step, groups and target."""

from dataclasses import dataclass

import numpy as np

from tabcli.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Places:
    """Where n rows lie: `series` (−1: unknown) and `step`, int64 (n,) each, and `groups`, int64 (n, k).

    `groups`: codes of the k columns that medians group rows by, such as weekday and promotion, the most telling first.
    """

    series: IntArray
    step: IntArray
    groups: IntArray

    def __len__(self) -> int:
        return len(self.series)

    def take(self, index: "np.ndarray") -> "Places":
        """The rows at `index`: positions, or a bool mask (n,)."""
        return Places(self.series[index], self.step[index], self.groups[index])


@dataclass(frozen=True)
class Known:
    """Rows of the past with `y`, the target on its learned scale, float64 (n,), of `n_series` series.

    `seasons`: how many steps a season has, the longest first, such as (168, 24) for hours; empty without a season.
    `year`: how many steps 52 weeks have, where these are several of the longest season; else 0.
    `medians`: the name of each median → the columns of `places.groups` that it groups rows by. `cutoff`: the step up to
    which all is known, even where the last steps have no row here, as in a part of the series that ended before others.
    """

    places: Places
    y: FloatArray
    n_series: int
    seasons: tuple[int, ...]
    medians: dict[str, tuple[int, ...]]
    year: int = 0
    cutoff: int | None = None

    @property
    def end(self) -> int:
        """The last step that is known."""
        last = int(self.places.step.max())
        return last if self.cutoff is None else max(last, self.cutoff)

    def panel(self) -> FloatArray:
        """Series × steps from the first known to the last, float64, NaN where there is no row."""
        first = int(self.places.step.min())
        panel = np.full((self.n_series, self.end - first + 1), np.nan)
        panel[self.places.series, self.places.step - first] = self.y
        return panel
