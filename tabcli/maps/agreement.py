"""Whether networks agree about what lies near what. A map that changes with the seed says nothing.

Two numbers for each column, means over all pairs of networks, each beside what chance gives (the levels of the networks
shuffled): the *overlap*, which share of the k nearest levels two networks have in common; and the *shape*, which share
of one network's variance a rotation and scaling of another's explains (Procrustes: 1 − scipy's disparity).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tabcli.arrays import FloatArray, IntArray
from tabcli.maps.neighbours import nearest, usual_k
from tabcli.maps.spaces import Space

STABLE, PARTLY = 0.5, 0.2
"""From so much of what lies between chance and full overlap on, a map is called stable, or partly stable."""

FEWEST = 5
"""With fewer levels too few orders are possible to tell agreement from chance."""

N_SHUFFLES, N_SHAPES = 99, 20
MOST = 3_000
"""Of more levels so many are drawn by the seed, and neighbours are those among them."""


@dataclass(frozen=True)
class Agreement:
    """Of one column. `overlap`, `shape` and what chance gives: shares; None with one network or fewer than 3 levels.

    `p`: the share of shuffles with as much overlap. `verdict`: *stable*, *partly stable*, *unstable*, or why there is
    none.
    """

    column: str
    levels: int
    members: int
    k: int
    overlap: float | None
    overlap_by_chance: float | None
    p: float | None
    shape: float | None
    shape_by_chance: float | None
    verdict: str

    @property
    def unstable(self) -> bool:
        return self.verdict == "unstable"


def agreement(space: Space, seed: int) -> Agreement:
    """How far the networks of a space agree."""
    n, members, k = len(space.names), len(space.vectors), usual_k(len(space.names))
    if members < 2 or n < 3:
        why = "one network: cannot be judged" if members < 2 else "too few levels to tell"
        return Agreement(space.column, n, members, k, None, None, None, None, None, why)
    rng = np.random.default_rng(seed)
    spaces = space.vectors
    if n > MOST:
        drawn = np.sort(rng.choice(n, MOST, replace=False))
        n, spaces = MOST, tuple(vectors[drawn] for vectors in spaces)
    near = [nearest(vectors, k)[0] for vectors in spaces]
    overlap = _overlap(near)
    shuffled = [_overlap([_shuffled(places, rng) for places in near]) for _ in range(N_SHUFFLES)]
    p = (1 + sum(other >= overlap for other in shuffled)) / (1 + len(shuffled))
    chance = k / (n - 1)
    shape = float(np.mean([shared_shape(a, b) for a, b in combinations(spaces, 2)]))
    shapes = [shared_shape(spaces[a], spaces[b][rng.permutation(n)]) for a, b in _drawn_pairs(members, N_SHAPES, rng)]
    verdict = _verdict(n, (overlap - chance) / (1 - chance) if chance < 1 else 0.0, p)
    return Agreement(
        space.column, len(space.names), members, k, overlap, chance, p, shape, float(np.mean(shapes)), verdict
    )


def shared_shape(a: FloatArray, b: FloatArray) -> float:
    """The share of the variance of (n, d) that (n, d') keeps after rotation and scaling, 0 … 1; 0 for one point."""
    sizes = np.sqrt((a**2).sum() * (b**2).sum())
    if sizes == 0:
        return 0.0
    return float(min(1.0, (np.linalg.svd(a.T @ b, compute_uv=False).sum() / sizes) ** 2))


def _overlap(near: Sequence[IntArray]) -> float:
    """The share of the k nearest that two networks have in common, the mean over all pairs; each (n, k)."""
    n = len(near[0])
    links = [np.sort((np.arange(n)[:, None] * n + places).ravel()) for places in near]
    shares = []
    for a, b in combinations(links, 2):
        at = np.minimum(np.searchsorted(a, b), len(a) - 1)
        shares.append((a[at] == b).mean())
    return float(np.mean(shares))


def _shuffled(places: IntArray, rng: np.random.Generator) -> IntArray:
    """The nearest places (n, k) after the levels were shuffled."""
    order = rng.permutation(len(places))
    made = np.empty_like(places)
    made[order] = order[places]
    return made


def _drawn_pairs(members: int, n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    pairs = list(combinations(range(members), 2))
    return [pairs[i] for i in rng.integers(len(pairs), size=n)]


def _verdict(n: int, kept: float, p: float) -> str:
    if n < FEWEST:
        return "too few levels to tell"
    if p > 0.05 or kept < PARTLY:
        return "unstable"
    return "stable" if kept >= STABLE else "partly stable"
