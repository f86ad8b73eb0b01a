"""Medians of groups of rows that reach over several parts of the rows: how often each target occurs in each group.

store  kind  weekday  target          kind  weekday  target  rows          kind  weekday  median
1      a     Mon      7       ─▶      a     Mon      7       2       ─▶    a     Mon      7
2      a     Mon      7               a     Mon      9       1
3      a     Mon      9
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.config.schema import Config
from tabcli.evaluation.naive import Label, Wider, season_columns
from tabcli.tables.rows import distinct_rows, stack_all

MOST = 1 << 22
"""So many pairs of group and target are looked at at once."""


@dataclass(frozen=True)
class GroupCounts:
    """How often each target occurs in each group of some rows.

    `by`: the columns that groups are told apart by; `groups`: their values, (g, k) with the columns 0 … k − 1. `group`:
    the group of each pair of group and target, int64 (n,); `values`: the target, float64; `counts`: how often, int64.
    """

    by: tuple[Label, ...]
    groups: pd.DataFrame
    group: IntArray
    values: FloatArray
    counts: IntArray

    @classmethod
    def of(cls, rows: pd.DataFrame, target: FloatArray, by: Sequence[Label]) -> "GroupCounts":
        """Of n rows with a target."""
        keys = rows[list(by)].set_axis(list(map(str, range(len(by)))), axis=1)
        codes, first = distinct_rows(keys, list(keys.columns))
        order = np.lexsort((target, codes))
        group, values = codes[order], target[order]
        new = np.append(True, (np.diff(group) != 0) | (np.diff(values) != 0)) if len(order) else np.empty(0, dtype=bool)
        start = np.flatnonzero(new)
        counts = np.diff(np.append(start, len(order)))
        return cls(tuple(by), keys.iloc[first].reset_index(drop=True), group[start], values[start], counts)


def reaching_columns(by: Sequence[Label], config: Config) -> list[Label]:
    """The longest beginning of the columns `by` that does not tell series apart."""
    n = next((n for n in range(len(by) + 1) if {*config.series} <= {*by[:n]}), len(by) + 1)
    return list(by[: max(n - 1, 0)])


def count_groups(
    rows: pd.DataFrame, target: FloatArray, medians: Iterable[Sequence[Label]], config: Config
) -> list[GroupCounts]:
    """For each median to beat the counts of its groups that reach over series. `rows`: training rows with a season."""
    found = {tuple(reaching_columns(season_columns(by, rows.columns), config)) for by in medians}
    return [GroupCounts.of(rows, target, by) for by in sorted(found, key=str) if by]


def wider_medians(parts: Sequence[Sequence[GroupCounts]], overall: float) -> Wider:
    """The medians of all parts' groups, and of those by fewer of their columns. `overall`: the median of all rows."""
    groups: dict[tuple[Label, ...], tuple[pd.DataFrame, FloatArray]] = {}
    for several in zip(*parts, strict=True):
        for n in range(len(several[0].by), 0, -1):
            if several[0].by[:n] not in groups:
                groups[several[0].by[:n]] = _medians(several, n)
    return Wider(overall, groups)


def _medians(parts: Sequence[GroupCounts], n: int) -> tuple[pd.DataFrame, FloatArray]:
    """The groups by the first n columns, and the median of each, float64."""
    names = list(map(str, range(n)))
    keys = stack_all([part.groups[names] for part in parts]).reset_index(drop=True)
    codes, first = distinct_rows(keys, names)
    ends = np.cumsum([len(part.groups) for part in parts])
    own = np.split(codes, ends[:-1])  # each part's group → the group of all parts
    sizes = np.zeros(len(first), dtype="int64")
    for part, to_all in zip(parts, own, strict=True):
        sizes += np.bincount(to_all[part.group], minlength=len(first))
    medians = np.full(len(first), np.nan)
    batch = np.cumsum(sizes) // MOST  # of groups that are looked at together
    for chosen in range(int(batch.max(initial=-1)) + 1):
        group, values, counts = (np.concatenate(a) for a in zip(*_pairs(parts, own, batch == chosen), strict=True))
        order = np.lexsort((values, group))
        found = _weighted(group[order], values[order], counts[order])
        medians[found[0]] = found[1]
    made = keys.iloc[first].reset_index(drop=True).set_axis(pd.Index(list(parts[0].by[:n]), dtype=object), axis=1)
    return made, medians


def _pairs(
    parts: Sequence[GroupCounts], own: Sequence[IntArray], wanted: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
) -> list[tuple[IntArray, FloatArray, IntArray]]:
    """Of each part the groups of all, targets and counts that are in the wanted groups."""
    found = []
    for part, to_all in zip(parts, own, strict=True):
        group = to_all[part.group]
        at = np.flatnonzero(wanted[group])
        found.append((group[at], np.asarray(part.values[at]), np.asarray(part.counts[at])))
    return found


def _weighted(group: IntArray, values: FloatArray, counts: IntArray) -> tuple[IntArray, FloatArray]:
    """The different groups, and the median of each, of pairs that are sorted by group and value."""
    first = np.flatnonzero(np.append(True, np.diff(group) != 0)) if len(group) else np.arange(0)
    below = np.cumsum(counts)
    before = below[first] - counts[first]
    total = below[np.append(first[1:], len(group)) - 1] - before if len(group) else before
    low = np.searchsorted(below, before + (total - 1) // 2, side="right")
    high = np.searchsorted(below, before + total // 2, side="right")
    return group[first], (values[low] + values[high]) / 2
