"""A few labels that a person gave to series → the series without a label that are most like those with it.

A series is as far from a label as its k nearest labelled series of it are on average, k = 3 or as many as the rarest
label has. Each labelled series, set aside in turn, is given to the label that is nearest to it; the share that comes
out right says how well the space separates the labels, beside what shuffled labels give.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, FloatArray, IntArray
from tabcli.errors import DataError, did_you_mean
from tabcli.maps.neighbours import distances
from tabcli.maps.spaces import Space

MOST_NEAR = 3
N_SHUFFLES = 199
SIGMAS = 1.96


@dataclass(frozen=True)
class Similar:
    """A series without a label. `label`: the nearest one. `distance`: from it; `other`: from the next one, else None.

    `lead`: 1 − distance ÷ other, 0 … 1: near 0 it could be either.
    """

    series: str
    label: str
    distance: float
    other: float | None
    lead: float | None


@dataclass(frozen=True)
class Separation:
    """How well a space separates labels. `judged`: labelled series whose label another one has, too.

    `accuracy`: the share of them that came out right, set aside in turn; `low`, `high`: its interval of 95 %
    (Wilson's, of as many trials as the scatter of shuffled labels is worth); `chance`: the mean accuracy with shuffled
    labels, `p`: the share of shuffles that were as good. `by`: label → right ones and judged ones. `alone`: labels of
    one series only, which cannot be judged.
    """

    judged: int
    accuracy: float
    low: float
    high: float
    chance: float
    p: float
    by: dict[str, tuple[int, int]]
    alone: tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """`given`: label → series. `similar`: all other series, for each label the most like it first.

    `separation`: None with a single label, or where no label has two series. `lost`: given series that the run does not
    know.
    """

    given: dict[str, tuple[str, ...]]
    k: int
    separation: Separation | None
    similar: tuple[Similar, ...]
    lost: tuple[str, ...]


def labelled(space: Space, given: dict[str, str], seed: int) -> Labelled:
    """Labels of a few series of a space → the most similar others. `given`: series → label. Raises `DataError`."""
    place = {name: i for i, name in enumerate(space.names)}
    known = {series: label for series, label in given.items() if series in place}
    lost = tuple(s for s in given if s not in place)
    if not known:
        example = did_you_mean(lost[0], space.names) if lost else ""
        raise DataError(
            f"labels: none of the {len(given)} labelled series is known to the run{example}",
            hint=f"the run knows {', '.join(space.names[:5])}{', …' if len(space.names) > 5 else ''}",
        )
    at = np.array([place[s] for s in known], dtype="int64")
    labels, codes = np.unique(np.array(list(known.values())), return_inverse=True)
    counts = np.bincount(codes)
    k = int(min(MOST_NEAR, counts.min()))
    vectors = space.together()
    rest = np.setdiff1d(np.arange(len(space.names)), at)
    far = _far(_between(vectors, rest, at), codes, k, len(labels))
    similar = _similar(space, rest, far, labels)
    names = {str(label): tuple(s for s, own in known.items() if own == label) for label in labels}
    return Labelled(names, k, separation(distances(vectors[at]), codes, labels, seed), similar, lost)


def separation(apart: FloatArray, codes: IntArray, labels: AnyArray, seed: int) -> Separation | None:
    """How well labels are told from distances (n, n); `codes`: int64 (n,). None where nothing can be judged."""
    counts = np.bincount(codes, minlength=len(labels))
    several = counts[codes] > 1
    if len(labels) < 2 or not several.any():
        return None
    # One is set aside, so the rarest label of several has one fewer to be told by.
    k = int(max(1, min(MOST_NEAR, counts[counts > 1].min() - 1)))
    right = _told(apart, codes, k, len(labels)) == codes
    rng = np.random.default_rng(seed)
    shuffled = []
    for _ in range(N_SHUFFLES):
        other = codes[rng.permutation(len(codes))]
        judged = counts[other] > 1
        shuffled.append(float((_told(apart, other, k, len(labels)) == other)[judged].mean()))
    n, accuracy = int(several.sum()), float(right[several].mean())
    chance = float(np.mean(shuffled))
    low, high = wilson(accuracy, n / _dependence(shuffled, n))
    p = (1 + sum(other >= accuracy for other in shuffled)) / (1 + N_SHUFFLES)
    by = {str(labels[c]): (int(right[codes == c].sum()), int(counts[c])) for c in range(len(labels)) if counts[c] > 1}
    alone = tuple(str(label) for label, n_own in zip(labels, counts, strict=True) if n_own == 1)
    return Separation(n, accuracy, low, high, chance, p, by, alone)


def _dependence(shuffled: list[float], n: int) -> float:
    """How many times more shuffled labels scatter than n independent trials: series near each other err together."""
    chance = float(np.mean(shuffled))
    alone = chance * (1 - chance) / n
    return max(1.0, float(np.var(shuffled)) / alone) if alone > 0 else 1.0


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's interval of 95 % of a share of n trials.

    >>> [round(v, 3) for v in wilson(0.8, 10)]
    [0.49, 0.943]
    """
    z = SIGMAS
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def read_labels(table: pd.DataFrame, keys: list[str], where: str) -> dict[str, str]:
    """A table with the key columns of the series and one more → series, named as in a space → label.

    Rows without a label are left out. Raises `DataError` where columns lack or a series has two labels.
    """
    lacking = [c for c in keys if c not in table.columns]
    others = [str(c) for c in table.columns if c not in keys]
    name = "label" if "label" in others else others[0] if len(others) == 1 else None
    if lacking or name is None:
        raise DataError(
            f"{where}: expected the columns {', '.join([*keys, 'label'])}, found {', '.join(map(str, table.columns))}"
        )
    texts = table[keys].astype("str").agg(",".join, axis=1)
    there = table[name].notna().to_numpy() & (table[name].astype("str").str.strip() != "").to_numpy()
    rows = pd.DataFrame({"series": texts, "label": table[name].astype("str").str.strip()})[there].drop_duplicates()
    twice = rows.loc[rows["series"].duplicated(), "series"]
    if len(twice):
        raise DataError(f"{where}: {len(twice)} series have two labels, such as {twice.iloc[0]!r}")
    if rows.empty:
        raise DataError(f"{where}: no row has a label", hint="give a handful of series a label each")
    return dict(zip(rows["series"], rows["label"], strict=True))


def _between(vectors: FloatArray, rows: IntArray, columns: IntArray) -> FloatArray:
    own, other = vectors[rows], vectors[columns]
    squared = (own**2).sum(1)[:, None] + (other**2).sum(1)[None, :] - 2.0 * (own @ other.T)
    made: FloatArray = np.sqrt(np.maximum(squared, 0.0))
    return made


def _far(apart: FloatArray, codes: IntArray, k: int, n_labels: int) -> FloatArray:
    """Distances from labelled series (n, m) → from labels (n, n_labels): the mean of the k nearest of each.

    Distances that are infinite do not count; a label without any is infinitely far.
    """
    far = np.full((len(apart), n_labels), np.inf)
    for c in range(n_labels):
        own = np.sort(apart[:, codes == c], axis=1)[:, :k]
        there = np.isfinite(own)
        n = there.sum(axis=1)
        sums = np.where(there, own, 0.0).sum(axis=1)
        far[n > 0, c] = sums[n > 0] / n[n > 0]
    return far


def _told(apart: FloatArray, codes: IntArray, k: int, n_labels: int) -> IntArray:
    """The label that each labelled series would get if its own were not known, int64 (n,)."""
    without = apart.copy()
    np.fill_diagonal(without, np.inf)
    told: IntArray = _far(without, codes, k, n_labels).argmin(axis=1)
    return told


def _similar(space: Space, rest: IntArray, far: FloatArray, labels: AnyArray) -> tuple[Similar, ...]:
    best = far.argmin(axis=1)
    own = far[np.arange(len(far)), best]
    second = np.sort(far, axis=1)[:, 1] if len(labels) > 1 else None
    made = []
    for i in np.lexsort((own, best)):
        other = None if second is None else float(second[i])
        lead = None if other is None else 1 - float(own[i]) / other if other > 0 else 0.0
        made.append(Similar(space.names[rest[i]], str(labels[best[i]]), float(own[i]), other, lead))
    return tuple(made)
