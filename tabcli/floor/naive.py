"""All forecasts that need no learning, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tabcli.arrays import AnyArray, FloatArray
from tabcli.floor.known import Known, Places
from tabcli.floor.medians import Medians, medians
from tabcli.floor.smoothing import Paths, last_season, last_value, smoothing


@dataclass(frozen=True)
class Naive:
    """A naive forecast, as of the end of what was known: the mean of `parts` on the learned scale."""

    name: str
    parts: tuple[Paths | Medians, ...]

    def to_arrays(self) -> dict[str, AnyArray]:
        """All that it is made of, by name; `from_arrays` is the way back."""
        return {f"{i}.{name}": values for i, part in enumerate(self.parts) for name, values in part.to_arrays().items()}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, AnyArray]) -> "Naive":
        """Raises `KeyError` where one is missing."""
        parts: dict[str, dict[str, AnyArray]] = {}
        for key, values in arrays.items():
            part, _, own = key.partition(".")
            parts.setdefault(part, {})[own] = values
        return cls(
            name,
            tuple((Paths if "level" in p else Medians).from_arrays(p) for _, p in sorted(parts.items())),
        )

    def forecast(self, places: Places) -> FloatArray:
        """Rows → the target on its learned scale, float64 (n,), NaN where nothing is known of a row's series."""
        forecast: FloatArray = np.mean([part.forecast(places) for part in self.parts], axis=0)
        return forecast


def naive_forecasts(known: Known) -> list[Naive]:
    """Naive forecasts from the end of what is known, and means of two of them that err in different ways."""
    single: dict[str, Paths | Medians] = {"the last value": last_value(known)}
    for length in known.seasons:
        single[f"the last {length} steps"] = last_season(known, length)
        single[f"the last {length} steps with drift"] = last_season(known, length, drift=True)
        single[f"exponential smoothing with a season of {length} steps"] = smoothing(known, length)
    single["exponential smoothing"] = smoothing(known, 1)
    for name, columns in known.medians.items():
        single[f"the median by {name}"] = medians(known, columns)
    return [Naive(name, (part,)) for name, part in single.items()] + _means(single)


def _means(single: dict[str, Paths | Medians]) -> list[Naive]:
    """Means of a forecast that follows the newest values and one that repeats what came before."""
    follows = [n for n in single if n.startswith("exponential smoothing")]
    repeats = [n for n in single if n.startswith(("the last", "the median"))]
    return [Naive(f"the mean of {a} and {b}", (single[a], single[b])) for a in follows for b in repeats]
