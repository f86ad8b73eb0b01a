"""All maps of a run: of the series, and of every other column."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.artifacts.contents import Run
from tabcli.maps.beside import Beside, flat, turned
from tabcli.maps.drawing import Map, map_of
from tabcli.maps.known import Colouring, Known, by_numbers, colourings, texts_of
from tabcli.maps.projection import Method, Projection, project
from tabcli.maps.spaces import Learned, Space, file_names

MOST_POINTS = 3_000
"""Of more series or levels so many, drawn by the seed, are mapped."""

FEWEST_LEVELS = 3
"""A column with fewer levels has no map."""

SERIES_WIDTH, COLUMN_WIDTH = 640.0, 420.0


def maps_of(
    run: Run,
    learned: Sequence[Learned],
    spaces: dict[str, Space],
    series: tuple[Space, IntArray] | None,
    known: Known,
    method: Method,
    seed: int,
) -> tuple[Map, ...]:
    """The map of the series, then those of all other columns of three levels or more."""
    target, name = run.fitted.target, run.fitted.config.target.column
    keys = file_names([of.column for of in learned])
    made = []
    if series is not None and len(series[0].names) >= FEWEST_LEVELS:
        space, places = series
        at = _drawn(len(space.names), seed)
        colours = colourings(known, target, name, places[at])
        made.append(_map("series", space, at, colours, method, seed, SERIES_WIDTH))
    for of in learned:
        space = spaces[of.column]
        if len(space.names) < FEWEST_LEVELS or (series is not None and space.column == series[0].column):
            continue
        at = _drawn(len(space.names), seed)
        colours = _colours_of_levels(of, at, run, known)
        made.append(_map(keys[of.column], space, at, colours, method, seed, COLUMN_WIDTH))
    return tuple(made)


def _map(
    key: str,
    space: Space,
    at: IntArray,
    colours: list[Colouring],
    method: Method,
    seed: int,
    width: float,
) -> Map:
    projection = project(space.together()[at], method, seed)
    return map_of(key, space.column, [space.names[i] for i in at], at, projection, colours, width)


def _drawn(n: int, seed: int) -> IntArray:
    """The places that are mapped: all, or of very many some, in their order."""
    if n <= MOST_POINTS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MOST_POINTS, replace=False))


def _colours_of_levels(of: Learned, at: IntArray, run: Run, known: Known) -> list[Colouring]:
    """Levels by the usual target of their series, where the column is static or a key; numbers by their size."""
    found = []
    series, column = run.fitted.calendar.series, of.column
    own = known.columns[column] if column in known.columns else series.get(column)
    if own is not None and known.source:
        means = pd.Series(known.level).groupby(texts_of(own).to_numpy()).mean()
        levels = texts_of(pd.Series(of.levels)).map(means).to_numpy(dtype="float64")
        usual = run.fitted.target.inverse(levels[at])
        found.append(by_numbers(f"usual {run.fitted.config.target.column}", usual))
    numbers = pd.Series(of.levels)
    if pd.api.types.is_numeric_dtype(numbers):
        found.append(by_numbers(column, numbers.to_numpy(dtype="float64")[at]))
    return [c for c in found if len(c.labels) > 1]


def beside_maps(of: Beside, space: Space, i: int) -> tuple[Map, Map]:
    """Given numbers as a map, and beside it the map of what was learned, turned onto it; both in the same colours."""
    names = [space.names[at] for at in of.places]
    given = flat(of)
    learned = project(space.together()[of.places], "pca", 0)
    colours = [c for k, name in enumerate(of.names[:2]) if len((c := by_numbers(name, of.numbers[:, k])).labels) > 1]
    what = "their places" if of.geographic else "the given numbers"
    pictures = (
        (
            "given",
            Projection(given, "pca", None),
            f"{space.column}: {what}",
            f"{len(names):,} levels by their {' and '.join(of.names)}",
        ),
        (
            "learned",
            Projection(turned(learned.points, given), "pca", learned.shown),
            f"{space.column}: what networks learned",
            f"The same levels by what networks learned, turned onto {what}",
        ),
    )
    made = [
        map_of(f"beside-{i}-{part}", space.column, names, of.places, shown, colours, COLUMN_WIDTH, title, about)
        for part, shown, title, about in pictures
    ]
    return made[0], made[1]
