"""What each network learned of the levels of each categorical column: its weights, and the space that they span.

A network reads the embedding e of a level through the first weights W that meet it, as W e; what W does not look at is
left over from the random start. The *space* of a column therefore holds e · S with S² = WᵀW, whose distances are those
of W e. Where a series has a head of its own (`model.series_head`), that vector stands beside it, each part with a total
variance of 1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.contents import Run, Weights
from tabcli.config.schema import ONE_SERIES
from tabcli.preprocessing.categorical import FIRST_LEVEL, MISSING, UNKNOWN
from tabcli.preprocessing.counts import Levels

View = Literal["read", "weights"]
VIEWS: tuple[View, ...] = ("read", "weights")
"""*read*: embeddings as the network reads them, beside the heads of series; *weights*: embeddings as they are."""

NAMES = {MISSING: "(missing)", UNKNOWN: "(unknown)"}
"""What the codes that are no levels are called."""

FIRST_WEIGHTS = ("blocks.0.weight", "blocks.0.enter.weight", "head.weight")


@dataclass(frozen=True, eq=False)
class Embedding:
    """A column in one network. `weights`: float64 (n_codes, d), the missing and the unknown code first.

    `reading`: float64 (d, d), the root of WᵀW. `head`: float64 (n_codes, d_head), the heads of series; else None.
    """

    member: int
    weights: FloatArray
    reading: FloatArray
    head: FloatArray | None


@dataclass(frozen=True, eq=False)
class Learned:
    """A categorical column and what each network that has it learned of its levels."""

    column: str
    levels: Levels
    embeddings: tuple[Embedding, ...]

    def table(self) -> pd.DataFrame:
        """A row for each code and network: *level* (missing where the code is none), *name*, *code*, *member*, e0, e1 …

        With heads of series also head0, head1, …; all float32. Narrower networks have missing values in the last ones.
        """
        codes = np.arange(len(self.levels) + FIRST_LEVEL)
        level = pd.Series(self.levels).reindex(codes - FIRST_LEVEL).reset_index(drop=True).convert_dtypes()
        names = [*(NAMES[c] for c in (MISSING, UNKNOWN)), *map(str, self.levels)]
        parts = []
        for e in self.embeddings:
            keys = pd.DataFrame({"level": level, "name": names, "code": codes.astype("int32"), "member": e.member})
            numbers = [_numbered(e.weights, "e"), *([] if e.head is None else [_numbered(e.head, "head")])]
            parts.append(pd.concat([keys, *numbers], axis=1))
        return pd.concat(parts, ignore_index=True).astype({"member": "int32"})

    def space(self, view: View = "read") -> "Space":
        """The space of the known levels; a column with a single level has one of zeros."""
        vectors = []
        for e in self.embeddings:
            own = e.weights if view == "weights" else e.weights @ e.reading
            parts = [unit(own[FIRST_LEVEL:])]
            if view == "read" and e.head is not None:
                parts.append(unit(e.head[FIRST_LEVEL:]))
            vectors.append(unit(np.hstack(parts)))
        return Space(self.column, tuple(map(str, self.levels)), tuple(vectors))


@dataclass(frozen=True, eq=False)
class Space:
    """`names`: of the n levels (or series). `vectors`: float64 (n, d) of each network, centred, total variance 1."""

    column: str
    names: tuple[str, ...]
    vectors: tuple[FloatArray, ...]

    def together(self) -> FloatArray:
        """One space of all networks, float64 (n, D): its squared distances are the mean of theirs."""
        made: FloatArray = np.hstack(self.vectors) / np.sqrt(len(self.vectors))
        return made


def learned_of(run: Run) -> list[Learned]:
    """Every categorical column that a network has, in the order of the inputs."""
    levels = run.fitted.preprocessor.categorify.levels_
    found: dict[str, list[Embedding]] = {}
    for member, (weights, network) in enumerate(zip(run.members, run.networks, strict=True)):
        for column, embedding in _embeddings(member, weights, network).items():
            found.setdefault(column, []).append(embedding)
    return [Learned(c, levels[c], tuple(found[c])) for c in levels if c in found and c != ONE_SERIES]


def series_space(run: Run, learned: Sequence[Learned], view: View = "read") -> tuple[Space, IntArray] | None:
    """The space of the series that training saw, and their places among the run's series, int64 (n,).

    Of several key columns the parts stand side by side. Networks that lack a key column which others have are left out.
    None where no network has a key column.
    """
    by_column = {of.column: of for of in learned}
    columns = [c for c in run.fitted.config.series if c in by_column]
    members = (
        sorted(set.intersection(*({e.member for e in by_column[c].embeddings} for c in columns))) if columns else []
    )
    if not members:
        return None
    series = run.fitted.calendar.series
    codes = {c: _places(series[c], by_column[c].levels) for c in columns}
    seen = np.flatnonzero(np.min([codes[c] for c in columns], axis=0) >= 0)
    parts: dict[int, list[FloatArray]] = {m: [] for m in members}
    for column in columns:
        of = by_column[column]
        for embedding, vectors in zip(of.embeddings, of.space(view).vectors, strict=True):
            if embedding.member in parts:
                parts[embedding.member].append(vectors[codes[column][seen]])
    together = tuple(unit(np.hstack(parts[m])) for m in members)
    return Space(" × ".join(columns), tuple(series_names(series.iloc[seen])), together), seen


def series_names(series: pd.DataFrame) -> list[str]:
    """The name of each series: its keys, joined by commas."""
    return [",".join(map(str, key)) for key in series.itertuples(index=False)]


def _places(keys: pd.Series, levels: Levels) -> IntArray:
    """The place of each key among the levels, int64 (n,); −1 for a series that training never saw."""
    places = {str(level): i for i, level in enumerate(levels)}
    return np.array([places.get(str(key), -1) for key in keys], dtype="int64")


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors (n, d) about their mean, with a total variance of 1 (0 where all are the same)."""
    centred = vectors - vectors.mean(axis=0)
    size = np.sqrt((centred**2).sum() / len(centred))
    made: FloatArray = centred / size if size > 1e-12 else np.zeros_like(centred)
    return made


def file_names(columns: Sequence[str]) -> dict[str, str]:
    """A file name without its ending for each column, all different, whatever the columns are called.

    >>> file_names(["State", "a/b", "state"])
    {'State': 'State', 'a/b': 'a_b', 'state': 'state-2'}
    """
    made: dict[str, str] = {}
    taken: set[str] = set()
    for column in columns:
        name = stem = re.sub(r"[^\w\-]+", "_", column)[:80] or "column"
        n = 1
        while name.casefold() in taken:
            n += 1
            name = f"{stem}-{n}"
        taken.add(name.casefold())
        made[column] = name
    return made


def _numbered(values: FloatArray, prefix: str) -> pd.DataFrame:
    return pd.DataFrame(values.astype("float32"), columns=[f"{prefix}{i}" for i in range(values.shape[1])])


def _embeddings(member: int, weights: Weights, network: dict[str, object]) -> dict[str, Embedding]:
    """The columns of one network; all embedding tables lie in one flat array, in the order of the network's columns."""
    sizes = network["embeddings"]
    assert isinstance(sizes, dict)
    heads = network["series_head"]
    assert isinstance(heads, list | tuple)
    first = next(weights[name] for name in FIRST_WEIGHTS if name in weights).astype("float64")
    scales = weights["scales"].astype("float64") if "scales" in weights else np.ones((1, first.shape[1]))
    made, at, place = {}, 0, 0
    for column, (n_codes, width) in sizes.items():
        table = weights["embeddings.weights"][at : at + n_codes * width].reshape(n_codes, width)
        part, of_part = first[:, place : place + width], scales[:, place : place + width]
        head = weights[f"series_heads.{list(heads).index(column)}"].astype("float64") if column in heads else None
        made[column] = Embedding(member, table.astype("float64"), _root(part, of_part), head)
        at, place = at + n_codes * width, place + width
    return made


def _root(first: FloatArray, scales: FloatArray) -> FloatArray:
    """The root of Σ (W s)ᵀ(W s) over the scales s; first (d_out, d), scales (heads, d) → float64 (d, d)."""
    gram = (first.T @ first) * (scales.T @ scales)
    values, vectors = np.linalg.eigh(gram)
    root: FloatArray = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
