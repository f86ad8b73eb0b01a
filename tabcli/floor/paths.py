"""A forecast for every series: a level, a trend that dies away, and a value for each place in the season."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from tabcli.arrays import AnyArray, FloatArray
from tabcli.floor.known import Places


@dataclass(frozen=True)
class Paths:
    """A forecast for each of S series: level + trend · (φ + φ² + … + φ^h) + season, for h steps after the step `end`.

    `level`, `trend`, `damping` (φ): float64 (S,), NaN where a series has no past. `season`: float64 (S, m); a step's
    place is the step modulo m. All on the learned scale.
    """

    end: int
    level: FloatArray
    trend: FloatArray
    damping: FloatArray
    season: FloatArray

    @classmethod
    def of_nothing(cls) -> "Paths":
        """Of a shard without series, of which nothing is known: every forecast is NaN."""
        missing = np.full(1, np.nan)
        return cls(0, missing, np.zeros(1), np.zeros(1), missing[:, None])

    def to_arrays(self) -> dict[str, AnyArray]:
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "end": np.array([self.end])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Paths":
        """What `to_arrays` gave. Raises `KeyError` where an array is missing."""
        return cls(int(arrays["end"][0]), *(arrays[f.name] for f in fields(cls)[1:]))

    def forecast(self, places: Places) -> FloatArray:
        """Each row's forecast on the learned scale, float64 (n,), NaN where its series is unknown or has no past."""
        of = np.where(places.series < 0, 0, places.series)
        ahead = np.maximum(places.step - self.end, 1).astype("float64")
        phi = self.damping[of]
        near_one = np.isclose(phi, 1.0)
        safe = np.where(near_one, 0.5, phi)
        passed = np.where(near_one, ahead, safe * (1 - safe**ahead) / (1 - safe))
        season = self.season[of, places.step % self.season.shape[1]]
        forecast = self.level[of] + self.trend[of] * passed + season
        return np.where(places.series < 0, np.nan, forecast)
