"""What makes one forecast higher than another: parts of their difference, by source, on the learned scale.

On the scale of the log the parts add up, so their exponentials multiply: × 1.31 by the promotion, × 1.08 by what lies
ahead. The parts of a network are those of `gradients`; an ensemble's are their mean. Columns of the target history that
say what an effect is (of a weekday with a promotion, for this series) change with the weekday and with the promotion:
such a change is split by Shapley's rule, the mean over all orders in which the sources may change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import factorial

import numpy as np
import torch

from tabcli.arrays import FloatArray, IntArray
from tabcli.explanation.gradients import VectorNetwork, integrated_gradients
from tabcli.explanation.seen import SeenRows, View
from tabcli.explanation.sources import Source
from tabcli.target_history.grid import Positions
from tabcli.training.network import TabularMLP


@dataclass(frozen=True)
class Pairs:
    """n rows to explain and what each is compared with: one other row, or the mean of several.

    `rows`: their numbers, int64 (n,). `references`: of all reference rows, int64 (k,); `of`: which of the n rows each
    belongs to, int64 (k,).
    """

    rows: IntArray
    references: IntArray
    of: IntArray

    def mean(self, values: FloatArray) -> FloatArray:
        """Values of the reference rows (k, …) → their means for each row (n, …)."""
        total = np.zeros((len(self.rows), *values.shape[1:]))
        np.add.at(total, self.of, values)
        n = np.bincount(self.of, minlength=len(self.rows)).reshape(-1, *[1] * (values.ndim - 1))
        means: FloatArray = total / n
        return means

    def blocks(self) -> Iterator["Pairs"]:
        """The same pairs in blocks of at most `BLOCK` references."""
        n = np.bincount(self.of, minlength=len(self.rows))
        block = np.cumsum(n) // BLOCK
        for k in np.unique(block):
            rows, references = np.flatnonzero(block == k), np.flatnonzero(block[self.of] == k)
            yield Pairs(self.rows[rows], self.references[references], self.of[references] - rows[0])


BLOCK = 30_000
"""So many reference rows are looked at at a time."""


@dataclass(frozen=True)
class Contributions:
    """Parts of what n forecasts differ from their references in.

    `parts`: source and part of each. `values`: on the learned scale, float64 (n, p), the mean over the networks of
    `members`, (m, n, p). `outputs`, `references`: of the ensemble, on the learned scale, float64 (n,). `short`: what
    the parts fall short of the difference, float64 (n,), at most 0.1 % of it.
    """

    parts: tuple[tuple[Source, str], ...]
    values: FloatArray
    members: FloatArray
    outputs: FloatArray
    references: FloatArray

    @property
    def short(self) -> FloatArray:
        """What the parts fall short of the difference, on the learned scale, float64 (n,)."""
        short: FloatArray = self.outputs - self.references - self.values.sum(axis=1)
        return short

    def by_source(self) -> dict[str, FloatArray]:
        """The name of each source → its parts together, float64 (n,)."""
        sums: dict[str, FloatArray] = {}
        for (source, _), values in zip(self.parts, self.values.T, strict=True):
            sums[source.name] = sums.get(source.name, 0.0) + values
        return sums


def contributions_of(rows: SeenRows, pairs: Pairs) -> Contributions:
    """The parts of every pair's difference; parts that are nothing in all rows are left out."""
    parts = [(s, p) for s in rows.sources for p in dict.fromkeys((s.name, *s.parts.values()))]
    made, own, other = (
        np.concatenate(several, axis=-2 if i == 0 else 0)
        for i, several in enumerate(zip(*(_of_block(rows, block, parts) for block in pairs.blocks()), strict=True))
    )
    kept = np.flatnonzero((made != 0).any(axis=(0, 1)))
    made = made[:, :, kept]
    return Contributions(tuple(parts[i] for i in kept), made.mean(axis=0), made, own, other)


def _of_block(
    rows: SeenRows, pairs: Pairs, parts: Sequence[tuple[Source, str]]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Parts by network float64 (m, n, p), and the ensemble's outputs and those of the references, float64 (n,)."""
    place = {(source.name, part): i for i, (source, part) in enumerate(parts)}
    members, outputs, references = [], [], []
    for view in rows.views:
        changes = _history_changes(rows, view, pairs)
        for network in view.networks:
            found = _parts_of(network, rows, view, pairs, changes, place)
            members.append(found[0])
            outputs.append(found[1])
            references.append(found[2])
    made = np.array(members)
    own, other = np.mean(outputs, axis=0), np.mean(references, axis=0)
    if rows.naive is not None:
        own, other, made = _with_floor(rows, pairs, own, other, made, place)
    return made, own, other


def _with_floor(
    rows: SeenRows,
    pairs: Pairs,
    own: FloatArray,
    other: FloatArray,
    members: FloatArray,
    place: dict[tuple[str, str], int],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Outputs, references and parts blended with the floor, whose difference is the history's."""
    assert rows.naive is not None
    share, naive, beside = rows.run.floor.share, rows.naive[pairs.rows], pairs.mean(rows.naive[pairs.references])
    there = np.isfinite(naive) & np.isfinite(beside)
    weight = np.where(there, share, 0.0)
    history = next(s for s in rows.sources if s.kind == "history")
    members = members * (1 - weight)[:, None]
    difference = np.where(there, naive - beside, 0.0)
    members[:, :, place[history.name, history.name]] += weight * difference
    blend = [(1 - weight) * o + weight * np.where(there, n, 0.0) for o, n in ((own, naive), (other, beside))]
    return blend[0], blend[1], members


def _parts_of(
    network: TabularMLP,
    rows: SeenRows,
    view: View,
    pairs: Pairs,
    changes: "dict[str, FloatArray]",
    place: dict[tuple[str, str], int],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One network's parts float64 (n, p), outputs (n,) and those of the references (n,)."""
    made = VectorNetwork.of(network)
    vectors = made.vectors(view.data)
    own = vectors[torch.from_numpy(pairs.rows)]
    other = torch.from_numpy(pairs.mean(vectors[torch.from_numpy(pairs.references)].numpy()))
    slopes, _ = integrated_gradients(made, own, other)
    differences = slopes * (own - other).numpy()
    parts = np.zeros((len(pairs.rows), len(place)))
    for at, key in _owners(network, rows.sources, view):
        parts[:, place[key]] += differences[:, at].sum(axis=1)
    first = made.widths[0] + len(view.continuous)
    for name, change in changes.items():
        of_columns = slopes[:, first : first + change.shape[1] - 1]
        parts[:, place[name, name]] += (of_columns * change[:, :-1]).sum(axis=1) + change[:, -1]
    base = view.data.base.numpy().astype("float64")
    with torch.no_grad():
        outputs = made.outputs(own).numpy() + base[pairs.rows]
        references = made.outputs(other).numpy() + pairs.mean(base[pairs.references])
    return parts, outputs, references


def _owners(network: TabularMLP, sources: Sequence[Source], view: View) -> Iterator[tuple[IntArray, tuple[str, str]]]:
    """Places in a row's vector, and the source and part that they come from; those of the history left out."""
    spec = network.spec
    of_column = {c: (s.name, s.parts[c]) for s in sources for c in s.inputs}
    start = 0
    for column, (_, width) in spec.embeddings.items():
        yield np.arange(start, start + width), of_column[column]
        start += width
    for column in view.continuous:
        yield np.array([start]), of_column[column]
        start += 1
    start += len(view.data.x_cont[0]) - len(view.continuous)
    for column, vectors in zip(spec.series_head, network.series_heads, strict=True):
        yield np.arange(start, start + vectors.shape[1]), of_column[column]
        start += vectors.shape[1]


# ------------------------------------------------------------------------------------------ the history


def _history_changes(rows: SeenRows, view: View, pairs: Pairs) -> dict[str, FloatArray]:
    """How much the columns of the target history, and at the end its base, change by each source, float64 (n, k + 1).

    Empty for networks without a history.
    """
    places = rows.places
    if places is None or view.spec.history == "none":
        return {}
    own, other = places.take(pairs.rows[pairs.of]), places.take(pairs.references)
    players = [s for s in rows.sources if s.kind == "history" or s.effects]
    values = {
        chosen: _history_at(rows, view, _mixed(rows, own, other, [players[i] for i in chosen]))
        for n in range(len(players) + 1)
        for chosen in combinations(range(len(players)), n)
    }
    changes = {}
    for i, player in enumerate(players):
        total = np.zeros_like(values[()])
        for chosen, value in values.items():
            if i not in chosen:
                n, m = len(chosen), len(players)
                weight = factorial(n) * factorial(m - n - 1) / factorial(m)
                total += weight * (values[tuple(sorted((*chosen, i)))] - value)
        changes[player.name] = pairs.mean(total)
    return changes


def _mixed(rows: SeenRows, own: Positions, other: Positions, sources: Sequence[Source]) -> Positions:
    """The places of the references with those sources of the rows to explain."""
    assert rows.cells is not None
    effects = [c for s in sources for c in s.effects]
    cell = rows.cells.exchanged(other.cell, own.cell, effects) if effects else other.cell
    base = own if any(s.kind == "history" for s in sources) else other
    return replace(base, cell=cell)


def _history_at(rows: SeenRows, view: View, places: Positions) -> FloatArray:
    base, columns = rows.history(view.spec, places)
    return np.concatenate([columns.numpy(), base.numpy()[:, None]], axis=1).astype("float64")
