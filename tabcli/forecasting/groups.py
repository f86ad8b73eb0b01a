"""Rows to forecast in groups by their columns, and the rows of past windows that belong to the same groups.

Of what stays the same within a series, the series tells the group of a past row. Of what changes, such as a promotion,
a run keeps the inputs of its past windows (`training.past`): rows with the same inputs are of the same group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, IntArray
from tabcli.artifacts.encoded_names import ROW, input_column
from tabcli.errors import UsageError, did_you_mean
from tabcli.pipeline.apply import Applied
from tabcli.training.past import kept_input, kept_inputs

ALL = "chain"
"""The group of all rows."""

MISSING = "(missing)"
"""The group of rows without a value."""


@dataclass(frozen=True)
class Groups:
    """`rows`: the group of each row to forecast, int64 (n,), and `past` of each row of past windows, −1 for none, (m,).

    `names`: of each group.
    """

    rows: IntArray
    past: IntArray
    names: AnyArray


def groups_of(applied: Applied, past: pd.DataFrame, columns: Sequence[str]) -> Groups:
    """The groups by these columns of the rows. Raises `UsageError` for one without values or whose past is not kept."""
    stored = applied.features.table.stored
    for column in columns:
        if column not in stored:
            raise UsageError(f"the rows have no column {column!r}{did_you_mean(column, stored)}")
    series = applied.encoded.table[ROW + "series"].to_numpy(dtype="int64")
    if not columns:
        groups = np.zeros(len(series), dtype="int64")
        return Groups(groups, by_series(past, series, groups), np.array([ALL], dtype=object))
    rows = applied.features.table.frame(columns).astype("str").fillna(MISSING)
    groups = np.asarray(rows.groupby(list(columns), sort=True).ngroup(), dtype="int64")
    names = rows.iloc[np.unique(groups, return_index=True)[1]].agg(", ".join, axis=1).to_numpy(dtype=object)
    changing = [c for c in columns if kept_input(c) in past or _changes(rows[c], series)]
    lost = [c for c in changing if kept_input(c) not in past]
    if lost:
        raise UsageError(
            f"{', '.join(lost)} changes within a series, and the run keeps no values of its past",
            hint=f"totals are by columns that stay the same within a series{_others(past)}, and by day, week or month",
        )
    if not changing:
        return Groups(groups, by_series(past, series, groups), names)
    fixed = rows.drop(columns=changing)
    of_series = fixed.groupby(list(fixed), sort=True).ngroup() if len(fixed.columns) else pd.Series(0, rows.index)
    own = by_series(past, series, np.asarray(of_series, dtype="int64"))
    known = applied.encoded.table[[input_column(c) for c in changing]].set_axis(changing, axis=1)
    return Groups(groups, _alike(known.assign(own=of_series.to_numpy()), groups, past, own), names)


def by_series(past: pd.DataFrame, series: IntArray, groups: IntArray) -> IntArray:
    """The group of each row of past windows, −1 for none, int64 (m,): that of the rows (n,) of its series."""
    group_of = dict(zip(series.tolist(), groups.tolist(), strict=True))
    return past["series"].map(group_of).fillna(-1).to_numpy(dtype="int64")


def _changes(values: pd.Series, series: IntArray) -> bool:
    """Whether values (n,) change within a series that is known."""
    counts = values.groupby(series).nunique()
    return bool((counts[counts.index >= 0] > 1).any())


def _others(past: pd.DataFrame) -> str:
    names = kept_inputs(past)
    return f", by {', '.join(names)}" if names else ""


def _alike(rows: pd.DataFrame, groups: IntArray, past: pd.DataFrame, own: IntArray) -> IntArray:
    """The group of past rows with the inputs of a row to forecast. `own`: of what does not change, −1 for none."""
    names = [str(c) for c in rows if c != "own"]
    known = rows.assign(group=groups).drop_duplicates(subset=list(rows))
    wanted = past[[kept_input(c) for c in names]].set_axis(names, axis=1).assign(own=own)
    wanted = wanted.astype(known[[*names, "own"]].dtypes.to_dict())
    found = wanted.merge(known, on=[*names, "own"], how="left")["group"]
    return found.fillna(-1).to_numpy(dtype="int64")
