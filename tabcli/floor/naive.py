"""All naive forecasts by name, and mixtures of two."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

import numpy as np

from tabcli.arrays import AnyArray, FloatArray
from tabcli.floor.known import Known
from tabcli.floor.medians import Medians, medians
from tabcli.floor.paths import Paths
from tabcli.floor.seasons import SEVERAL, has_course, last_season, last_value, usual_course, usual_season
from tabcli.floor.smoothing import smoothing

Model = Paths | Medians
"""A fitted naive forecast: `forecast(places)` gives rows after the end of what was known, on the learned scale."""


def naive_forecasts(known: Known, names: Collection[str] | None = None) -> dict[str, Model]:
    """Fits the naive forecasts to what is known: name → model. `names`: which ones, by default all that can be told."""
    makers: dict[str, Callable[[], Model]] = {
        "the last value": partial(last_value, known),
        "exponential smoothing": partial(smoothing, known, 1),
    }
    for n in known.seasons:
        makers[f"the last {n} steps"] = partial(last_season, known, n)
        makers[f"the last {n} steps with drift"] = partial(last_season, known, n, drift=True)
        makers[f"the median of the last {SEVERAL} seasons of {n} steps"] = partial(usual_season, known, n)
        makers[f"exponential smoothing with a season of {n} steps"] = partial(smoothing, known, n)
        if known.year and n == known.seasons[0] and (names is not None or has_course(known, n)):
            makers[f"the usual {n} steps on the course of earlier years"] = partial(usual_course, known, n)
    for name, columns in known.medians.items():
        makers[f"the median by {name}"] = partial(medians, known, columns)
    wanted = {name: make for name, make in makers.items() if names is None or name in names}
    return {name: make() if len(known.places) else Paths.of_nothing() for name, make in wanted.items()}


def mixtures(names: Collection[str]) -> list[dict[str, float]]:
    """Each naive forecast alone, and each that follows the level half and half with each that repeats the past.

    The halves err in different ways. A mixture: name → share of it.
    """
    level = [n for n in names if n == "the last value"]
    follows = [n for n in names if n.startswith("exponential smoothing")]
    repeats = [n for n in names if n not in (*level, *follows)]
    halves = [(a, b) for a in follows for b in (*level, *repeats)] + [(a, b) for a in level for b in repeats]
    return [{n: 1.0} for n in names] + [{a: 0.5, b: 0.5} for a, b in halves]


def mixed(forecasts: Mapping[str, FloatArray], mixture: Mapping[str, float]) -> FloatArray:
    """Forecasts by name, on the learned scale, (n,) each → their mixture, float64 (n,), NaN where one of these is."""
    total: FloatArray = np.sum([share * forecasts[name] for name, share in mixture.items()], axis=0)
    return total


def to_arrays(models: Mapping[str, Model]) -> dict[str, AnyArray]:
    """The arrays of all models, to be kept in a run; `from_arrays` is the way back."""
    return {f"{i}.{key}": values for i, m in enumerate(models.values()) for key, values in m.to_arrays().items()}


def from_arrays(names: Collection[str], arrays: Mapping[str, AnyArray]) -> dict[str, Model]:
    """The models of these names, in their order, that `to_arrays` wrote. Raises `KeyError` where a part is missing."""
    models: dict[str, Model] = {}
    for i, name in enumerate(names):
        own = {key.removeprefix(f"{i}."): values for key, values in arrays.items() if key.startswith(f"{i}.")}
        models[name] = (Paths if "level" in own else Medians).from_arrays(own)
    return models
