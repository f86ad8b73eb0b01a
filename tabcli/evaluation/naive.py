"""Naive forecasts from raw tables: medians and last values, which a model must beat.

They are made in the target's unit, by the values of any columns, and need nothing fitted: prep, `evaluate` and the
peers of a backtest call them. The package `floor` makes others, of codes and on the learned scale, which stand beside
the networks and are kept in a run; a test holds the medians of both equal.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import IntArray
from tabcli.features.frequency import Frequency, season_of
from tabcli.tables.rows import distinct_rows


class Made(Enum):
    """A column that this module adds to a table. Its label is no text, so no column of a user has the same."""

    SEASON = "season"


SEASON = Made.SEASON
"""A row's place in its season."""

Label = str | Made


def _group_codes(train: pd.DataFrame, rows: pd.DataFrame, by: Sequence[Label]) -> tuple[IntArray, IntArray]:
    """Codes of the training rows and of the others, int64 (n_train,) and (n,); equal where the values in `by` are."""
    names, columns = [str(i) for i in range(len(by))], list(by)
    both = [table[columns].set_axis(names, axis=1) for table in (train, rows)]
    codes, _ = distinct_rows(pd.concat(both, ignore_index=True), names)
    return codes[: len(train)], codes[len(train) :]


@dataclass(frozen=True)
class Wider:
    """Medians of training rows of which those at hand are a part, which has all rows of its series.

    `overall`: of all. `groups`: columns that do not tell series apart → their combinations (k rows), and the median of
    each, float64 (k,).
    """

    overall: float
    groups: Mapping[tuple[Label, ...], tuple[pd.DataFrame, NDArray[np.float64]]] = field(default_factory=dict)


def group_medians(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    by: Sequence[Label],
    wider: Wider | None = None,
) -> NDArray[np.float64]:
    """The median target of the training rows that share a row's values in `by`, float64 (n,), in the target's unit.

    Where no training row does, the last column of `by` is left out, and so on; at last the median of all training rows.
    `wider`: where the training rows are a part of others, for groups that reach beyond it.
    """

    def median(values: pd.Series, codes: IntArray) -> pd.DataFrame:
        return values.groupby(codes).median().to_frame()

    overall = float(np.median(target)) if wider is None else wider.overall
    return _by_groups(train, target, rows, by, median, [overall], wider)[:, 0]


def group_quantiles(
    train: pd.DataFrame, target: NDArray[np.float64], rows: pd.DataFrame, by: Sequence[Label], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Quantiles of the target of the training rows that share a row's values in `by`, float64 (n, k); k `levels`.

    In the target's unit, rising with the level; the same rows as of `group_medians`.
    """

    def quantiles(values: pd.Series, codes: IntArray) -> pd.DataFrame:
        groups = values.groupby(codes)
        return pd.DataFrame({i: groups.quantile(level) for i, level in enumerate(levels)})

    return _by_groups(train, target, rows, by, quantiles, np.quantile(target, levels))


def _by_groups(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    by: Sequence[Label],
    statistics: Callable[[pd.Series, IntArray], pd.DataFrame],
    of_all: Sequence[float] | NDArray[np.float64],
    wider: Wider | None = None,
) -> NDArray[np.float64]:
    """k statistics of the training rows that share a row's values in `by`, else in fewer of them, float64 (n, k).

    `of_all`: those of all training rows, (k,).
    """
    found = np.full((len(rows), len(of_all)), np.nan)
    for n_keys in range(len(by), 0, -1):
        gaps = np.isnan(found).any(axis=1)
        if not gaps.any():
            break
        known_rows, values = train, target
        if wider is not None and tuple(by[:n_keys]) in wider.groups:  # each of these rows is a group
            known_rows, values = wider.groups[tuple(by[:n_keys])]
        known, wanted = _group_codes(known_rows, rows[gaps], by[:n_keys])
        found[gaps] = statistics(pd.Series(values), known).reindex(wanted).to_numpy()
    return np.where(np.isnan(found), of_all, found)


def last_values(
    train: pd.DataFrame, target: NDArray[np.float64], rows: pd.DataFrame, by: Sequence[Label], date: str
) -> NDArray[np.float64]:
    """The target of the last training row that shares a row's values in `by`, float64 (n,), NaN where none does."""
    known, wanted = _group_codes(train, rows, by)
    n_codes = max(known.max(initial=-1), wanted.max(initial=-1)) + 1
    moments = train[date].to_numpy().astype("int64")
    latest = np.full(n_codes, np.iinfo("int64").min)
    np.maximum.at(latest, known, moments)
    newest = moments == latest[known]
    last = np.full(n_codes, np.nan)
    last[known[newest]] = target[newest]
    return last[wanted]


def with_season(rows: pd.DataFrame, date: str, frequency: Frequency) -> pd.DataFrame:
    """Rows with their place in the season of their date."""
    made = rows.copy(deep=False)
    made[SEASON] = season_of(rows[date], frequency)
    return made


def season_columns(by: Sequence[Label], there: Collection[Label]) -> list[Label]:
    """The columns `by`, in which *season* stands for the place in the season unless the table has a column `season`."""
    return [SEASON if c == "season" and c not in there else c for c in by]


def label_text(label: Label) -> str:
    """A column's label as text."""
    return label if isinstance(label, str) else label.value


def seasonal_naive(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    series: Sequence[str],
    date: str,
    frequency: Frequency,
    overall: float | None = None,
) -> NDArray[np.float64]:
    """The series' last target at the same place in the season, float64 (n,).

    Where there is none, its last target; for a series without rows, `overall`, by default the median of all training
    rows.
    """
    overall = float(np.median(target)) if overall is None else overall
    known, wanted = (with_season(t[[*series, date]], date, frequency) for t in (train, rows))
    forecast = last_values(known, target, wanted, [*series, SEASON], date)
    if np.isnan(forecast).any():
        forecast = np.where(np.isnan(forecast), last_values(train, target, rows, series, date), forecast)
    return np.where(np.isnan(forecast), overall, forecast)


def naive_forecasts(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    series: Sequence[str],
    date: str,
    frequency: Frequency,
    medians: Sequence[Sequence[Label]],
    wider: Wider | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Naive forecasts of n rows by name, in the target's unit, float64 (n,): medians, last season's value, last value.

    `medians`: the columns that each median is by (`season_columns`). `wider`: where the training rows are a part of
    others.
    """
    overall = float(np.median(target)) if wider is None else wider.overall
    train, rows = (with_season(t, date, frequency) for t in (train, rows))
    made = {}
    for by in medians:
        name = " × ".join(map(label_text, by))
        made[f"the median by {name}"] = group_medians(train, target, rows, season_columns(by, train.columns), wider)
    made["the last season's value"] = seasonal_naive(train, target, rows, series, date, frequency, overall)
    last = last_values(train, target, rows, series, date)
    return made | {"the last value": np.where(np.isnan(last), overall, last)}
