"""Whether distances in a space agree with distances of given numbers: of states with their places, for instance.

The agreement is Spearman's correlation of the two distances over all pairs of levels. Pairs share levels, so its chance
is told by shuffling the levels (Mantel's test): all orders of up to seven levels, drawn ones of more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.errors import DataError, did_you_mean
from tabcli.maps.neighbours import distances
from tabcli.maps.projection import project
from tabcli.maps.spaces import Space, unit

FEWEST = 4
"""Of three levels all six orders happen often by chance."""

EXHAUSTIVE = 7
N_SHUFFLES, N_SHUFFLES_LARGE, LARGE = 9_999, 499, 60
MOST = 1_000
"""Of more levels so many are drawn: all pairs are held in memory."""

EARTH = 6371.0
LATITUDES, LONGITUDES = ("lat", "latitude"), ("lon", "lng", "long", "longitude")


@dataclass(frozen=True, eq=False)
class Beside:
    """Of one column. `of`: the columns of numbers, and how they were compared. `levels`: how many have numbers.

    `rho`: Spearman's correlation, −1 … 1, of all networks together; `members`: of each alone. `p`: the share of orders
    with as high a correlation. `lost`: levels of the given table that the run does not know; `without`: levels of
    the run that have no numbers. `names`: of the columns of numbers. `places`: of the compared levels in the space,
    int64 (n,); `numbers`: theirs, float64 (n, k).
    """

    column: str
    of: str
    levels: int
    rho: float
    p: float
    shuffles: int
    members: tuple[float, ...]
    lost: tuple[str, ...]
    without: tuple[str, ...]
    names: tuple[str, ...]
    places: IntArray
    numbers: FloatArray

    @property
    def geographic(self) -> bool:
        """Whether the numbers are places on Earth."""
        return _degrees(self.names) is not None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: all but the numbers themselves."""
        return {k: v for k, v in asdict(self).items() if k not in ("names", "places", "numbers")}


def compare(space: Space, table: pd.DataFrame, where: str, seed: int, what: str | None = None) -> Beside:
    """Compares a space with the numbers of a table, whose column of the space's name holds the levels.

    All other columns must be numbers. Two of them called lat and lon are places on Earth, compared by great circles;
    others are brought to a standard deviation of 1. `where`: what messages call the table; `what`: what the numbers are
    called, by default by their columns. Raises `DataError`.
    """
    keys = table[space.column].astype("str")
    if keys.duplicated().any():
        raise DataError(f"{where}: {int(keys.duplicated().sum())} rows repeat a level of {space.column!r}")
    names = [str(c) for c in table.columns if c != space.column]
    texts = [c for c in names if not pd.api.types.is_numeric_dtype(table[c])]
    if texts or not names:
        raise DataError(
            f"{where}: expected numbers beside {space.column!r}, such as lat and lon"
            + (f"; {', '.join(map(repr, texts))} holds none" if texts else "")
        )
    place = {name: i for i, name in enumerate(space.names)}
    numbers = table[names].to_numpy(dtype="float64")
    there = keys.isin(place).to_numpy() & np.isfinite(numbers).all(axis=1)
    if there.sum() < FEWEST:
        raise DataError(
            f"{where}: {int(there.sum())} of {len(table)} rows name a level of {space.column!r} that the run knows and "
            f"have all numbers; at least {FEWEST} are needed",
            hint=f"the run knows {', '.join(space.names[:8])}{', …' if len(space.names) > 8 else ''}",
        )
    rng = np.random.default_rng(seed)
    chosen = np.flatnonzero(there)
    if len(chosen) > MOST:
        chosen = np.sort(rng.choice(chosen, MOST, replace=False))
    at = np.array([place[k] for k in keys.iloc[chosen]], dtype="int64")
    apart, how = _apart(numbers[chosen], names)
    rho, p, n = mantel(distances(space.together()[at]), apart, rng)
    own = tuple(_correlation(_ranks(distances(v[at])), _ranks(apart)) for v in space.vectors)
    lost = tuple(keys[~keys.isin(place).to_numpy()])
    without = tuple(sorted(set(space.names) - set(keys)))
    given = tuple(names)
    return Beside(
        space.column, what or how, len(chosen), rho, p, n, own, lost, without, given, at, numbers[chosen]
    )  # fmt: skip


def mantel(a: FloatArray, b: FloatArray, rng: np.random.Generator) -> tuple[float, float, int]:
    """Spearman's correlation of two distances (n, n) over all pairs, its p, and how many orders were tried."""
    ranks, others = _ranks(a), _ranks(b)
    rho = _correlation(ranks, others)
    orders = list(_orders(len(a), rng))
    as_high = sum(_correlation(ranks, others[np.ix_(order, order)]) >= rho - 1e-12 for order in orders)
    if len(a) <= EXHAUSTIVE:
        return rho, as_high / len(orders), len(orders)
    return rho, (1 + as_high) / (1 + len(orders)), len(orders)


def column_of(table: pd.DataFrame, known: list[str], where: str) -> str:
    """The column of a table that names levels: the one that is a column of the run. Raises `DataError`."""
    there = [str(c) for c in table.columns if c in known]
    if len(there) == 1:
        return there[0]
    if there:
        raise DataError(f"{where}: expected one column with levels, found {', '.join(map(repr, there))}")
    first = str(table.columns[0])
    raise DataError(
        f"{where}: no column is called like one that the networks have embeddings of{did_you_mean(first, known)}",
        hint=f"name its column of levels {', '.join(known[:8])}{', …' if len(known) > 8 else ''}",
    )


def great_circle(lat: FloatArray, lon: FloatArray) -> FloatArray:
    """Kilometres between places in degrees (n,) on a sphere, float64 (n, n)."""
    a, b = np.deg2rad(lat), np.deg2rad(lon)
    half = np.sin((a[:, None] - a) / 2) ** 2 + np.cos(a)[:, None] * np.cos(a) * np.sin((b[:, None] - b) / 2) ** 2
    made: FloatArray = 2 * EARTH * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return made


def _apart(numbers: FloatArray, names: Sequence[str]) -> tuple[FloatArray, str]:
    """The distances of the numbers (n, k), and how they were taken."""
    degrees = _degrees(names)
    if degrees is not None:
        return great_circle(*numbers[:, degrees].T), "great circles between lat and lon"
    spread = numbers.std(axis=0)
    return distances(numbers / np.where(spread > 0, spread, 1.0)), f"distances of {', '.join(names)}"


def _degrees(names: Sequence[str]) -> list[int] | None:
    """Which columns hold latitude and longitude, where there are these two alone; else None."""
    folded = [name.casefold() for name in names]
    found = [next((i for i, f in enumerate(folded) if f in wanted), -1) for wanted in (LATITUDES, LONGITUDES)]
    return found if len(names) == 2 and min(found) >= 0 else None


def flat(of: Beside) -> FloatArray:
    """The numbers in two dimensions, float64 (n, 2): east and north of places, else directions of most variance."""
    degrees = _degrees(of.names)
    if degrees is not None:
        lat, lon = of.numbers[:, degrees].T
        return np.stack([lon * np.cos(np.deg2rad(lat.mean())), lat], axis=1)
    spread = of.numbers.std(axis=0)
    return project((of.numbers - of.numbers.mean(axis=0)) / np.where(spread > 0, spread, 1.0), "pca", 0).points


def turned(points: FloatArray, onto: FloatArray) -> FloatArray:
    """Points (n, 2) rotated, mirrored maybe, so that they lie as near to others (n, 2) as they can."""
    a, b = unit(points), unit(onto)
    left, _, right = np.linalg.svd(a.T @ b)
    made: FloatArray = a @ left @ right
    return made


def _ranks(apart: FloatArray) -> FloatArray:
    """Ranks of the distances of all pairs about their mean, ties shared, float64 (n, n); 0 on the diagonal."""
    n = len(apart)
    upper = np.triu_indices(n, 1)
    ranks = np.zeros((n, n))
    values = pd.Series(apart[upper]).rank().to_numpy()
    ranks[upper] = values - values.mean()
    return ranks + ranks.T


def _correlation(a: FloatArray, b: FloatArray) -> float:
    sizes = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / sizes) if sizes > 0 else 0.0


def _orders(n: int, rng: np.random.Generator) -> Iterator[IntArray]:
    if n <= EXHAUSTIVE:
        yield from (np.array(order) for order in permutations(range(n)))
    else:
        yield from (rng.permutation(n) for _ in range(N_SHUFFLES if n <= LARGE else N_SHUFFLES_LARGE))
