"""Totals of rows that are forecast in parts of whole series: sums of each part are added up, then get intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli import files
from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.errors import UsageError
from tabcli.forecasting.bounds import past_of
from tabcli.forecasting.groups import ALL, MISSING, groups_of
from tabcli.forecasting.totals import Total, mean_time, sums_of, with_intervals
from tabcli.pipeline.apply import Applied
from tabcli.training.past import kept_input
from tabcli.training.yearly import yearly_factors

SUMS, PAST = "sums-{}.feather", "past-{}.feather"
"""What a part writes for each total: its sums, and the group of each row of past windows."""


def write_totals(run: Run, applied: Applied, values: FloatArray, totals: Sequence[Total], path: Path) -> None:
    """Writes what is needed of a part of the rows, and their forecasts (n,), into a folder, whole or not at all.

    Raises `UsageError` as `totals.totals_of`, and for columns that change within a series.
    """
    with files.whole_directory(path) as folder:
        for i, total in enumerate(totals):
            _write(run, applied, values, total, folder / SUMS.format(i), folder / PAST.format(i))


def _write(run: Run, applied: Applied, values: FloatArray, total: Total, sums: Path, past: Path) -> None:
    changing = [c for c in total.columns if kept_input(c) in past_of(run)]
    if changing:
        raise UsageError(
            f"--total {total.name}: {', '.join(changing)} changes within a series, and the rows are forecast in shards",
            hint="totals of shards are by columns that stay the same within a series, and by day, week or month",
        )
    dates = applied.rows[run.fitted.config.date].reset_index(drop=True)
    try:
        groups = groups_of(applied, past_of(run), total.columns)
    except UsageError as error:
        raise UsageError(f"--total {total.name}: {error}", hint=error.hint) from None
    made = sums_of(total, groups.rows, dates, values, yearly_factors(run.fitted, run.naive_errors, dates))
    first = np.unique(groups.rows, return_index=True)[1]
    texts = applied.features.table.frame(list(total.columns)).astype("str").fillna(MISSING).iloc[first]
    keys = texts.set_axis(_names(total), axis=1).reset_index(drop=True)
    rows = pd.concat([keys.iloc[made["group"]].reset_index(drop=True), made.drop(columns="group")], axis=1)
    rows.to_feather(sums)
    known = np.flatnonzero(groups.past >= 0)
    keys.iloc[groups.past[known]].reset_index(drop=True).assign(past=known).to_feather(past)


def _names(total: Total) -> list[str]:
    """What the columns of a total are called in the files: they may be called as the sums are."""
    return [f"key{i}" for i in range(len(total.columns))]


def merged_totals(run: Run, totals: Sequence[Total], shares: Sequence[float], paths: Sequence[Path]) -> pd.DataFrame:
    """The totals of all rows, from what the parts wrote: see `totals.totals_of`.

    `run`: that of the first part, whose series the past windows are of.
    """
    return pd.concat([_merged(run, total, i, shares, paths) for i, total in enumerate(totals)], ignore_index=True)


def _merged(run: Run, total: Total, number: int, shares: Sequence[float], paths: Sequence[Path]) -> pd.DataFrame:
    keys = _names(total)
    sums = pd.concat([pd.read_feather(path / SUMS.format(number)) for path in paths], ignore_index=True)
    if total.period is None:
        sums["start"] = sums["start"].min()
    group, names = _numbered(sums, keys)
    added = sums.assign(group=group).groupby(["group", "start"])[["value", "size", "time_of_year", "rows"]].sum()
    known = pd.concat([pd.read_feather(path / PAST.format(number)) for path in paths], ignore_index=True)
    past = np.full(len(past_of(run)), -1, dtype="int64")
    if len(known):
        past[known["past"].to_numpy()] = _numbered(pd.concat([sums[keys], known[keys]]), keys)[0][len(sums) :]
    return with_intervals(run, total, mean_time(added.reset_index()), names, shares, past)


def _numbered(table: pd.DataFrame, keys: list[str]) -> tuple[IntArray, np.ndarray]:
    """The group of each row by its keys, in the order of these, and the names of the groups."""
    if not keys:
        return np.zeros(len(table), dtype="int64"), np.array([ALL], dtype=object)
    groups = np.asarray(table.groupby(keys, sort=True).ngroup(), dtype="int64")
    first = table[keys].iloc[np.unique(groups, return_index=True)[1]]
    return groups, first.agg(", ".join, axis=1).to_numpy(dtype=object)
