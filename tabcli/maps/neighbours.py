"""Distances in a space, and the nearest levels of each."""

from dataclasses import dataclass

import numpy as np

from tabcli.arrays import FloatArray, IntArray
from tabcli.maps.spaces import Space

MOST_AT_ONCE = 20_000_000
"""So many distances are held in memory at once."""


@dataclass(frozen=True)
class Neighbour:
    """A level near another one. `distance`: in the space of all networks, in which two levels drawn at random are about
    1.4 apart. `members`: in how many networks it is among the k nearest.
    """

    name: str
    distance: float
    members: int


def distances(vectors: FloatArray, rows: IntArray | None = None) -> FloatArray:
    """Euclidean distances from `rows` (all where None) to all of the vectors (n, d), float64 (n_rows, n)."""
    own = vectors if rows is None else vectors[rows]
    squared = (own**2).sum(1)[:, None] + (vectors**2).sum(1)[None, :] - 2.0 * (own @ vectors.T)
    made: FloatArray = np.sqrt(np.maximum(squared, 0.0))
    return made


def nearest(vectors: FloatArray, k: int, rows: IntArray | None = None) -> tuple[IntArray, FloatArray]:
    """The k nearest of each of `rows` among the vectors (n, d) without itself: their places and distances (n_rows, k).

    Of these, at equal distances the lower place comes first.
    """
    wanted = np.arange(len(vectors)) if rows is None else rows
    k = min(k, len(vectors) - 1)
    size = max(1, MOST_AT_ONCE // max(len(vectors), 1))
    places = np.empty((len(wanted), k), dtype="int64")
    found = np.empty((len(wanted), k))
    for start in range(0, len(wanted), size):
        part = wanted[start : start + size]
        apart = distances(vectors, part)
        apart[np.arange(len(part)), part] = np.inf
        near = np.sort(np.argpartition(apart, k - 1, axis=1)[:, :k], axis=1) if k > 0 else places[:0]
        own = np.take_along_axis(apart, near, axis=1)
        order = np.argsort(own, axis=1, kind="stable")
        places[start : start + size] = np.take_along_axis(near, order, axis=1)
        found[start : start + size] = np.take_along_axis(own, order, axis=1)
    return places, found


def neighbours_of(space: Space, place: int, k: int) -> list[Neighbour]:
    """The k nearest levels of one, the nearest first."""
    row = np.array([place], dtype="int64")
    places, apart = nearest(space.together(), k, row)
    own = [set(nearest(vectors, k, row)[0][0].tolist()) for vectors in space.vectors]
    return [
        Neighbour(space.names[at], float(d), sum(at in near for near in own))
        for at, d in zip(places[0].tolist(), apart[0].tolist(), strict=True)
    ]


def usual_k(n: int) -> int:
    """How many neighbours are compared between networks: ten, of few levels a quarter of the others.

    >>> [usual_k(n) for n in (4, 12, 31, 1115)]
    [1, 2, 7, 10]
    """
    return max(1, min(10, (n - 1) // 4))
