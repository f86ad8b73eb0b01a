"""Naive forecasts: medians and last values, which a model must beat."""

from collections.abc import Collection, Sequence
from enum import Enum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import IntArray
from tabcli.features.frequency import Frequency, season_of
from tabcli.tables.rows import distinct_rows


class Made(Enum):
    """A column that is made here: its label equals the name of no column of a table."""

    SEASON = "season"


SEASON = Made.SEASON
"""A row's place in its season."""

Label = str | Made


def _group_codes(train: pd.DataFrame, rows: pd.DataFrame, by: Sequence[Label]) -> tuple[IntArray, IntArray]:
    """Codes of the training rows and of the others, int64 each, which are equal where the values in `by` are."""
    names, columns = [str(i) for i in range(len(by))], list(by)
    both = [table[columns].set_axis(names, axis=1) for table in (train, rows)]
    codes, _ = distinct_rows(pd.concat(both, ignore_index=True), names)
    return codes[: len(train)], codes[len(train) :]


def group_medians(
    train: pd.DataFrame, target: NDArray[np.float64], rows: pd.DataFrame, by: Sequence[Label]
) -> NDArray[np.float64]:
    """The median target of the training rows that share a row's values in `by`, float64 (n,).

    Where no training row does, the last column of `by` is left out and the rest compared; with none left, the median of
    all training rows.
    """
    forecast = np.full(len(rows), np.nan)
    for n_keys in range(len(by), 0, -1):
        gaps = np.isnan(forecast)
        if not gaps.any():
            break
        known, wanted = _group_codes(train, rows[gaps], by[:n_keys])
        forecast[gaps] = pd.Series(target).groupby(known).median().reindex(wanted).to_numpy()
    return np.where(np.isnan(forecast), np.median(target), forecast)


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
    """The columns `by`, *season* being the place in the season unless a column of the table is called so."""
    return [SEASON if c == "season" and c not in there else c for c in by]


def label_text(label: Label) -> str:
    return label if isinstance(label, str) else label.value


def seasonal_naive(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    series: Sequence[str],
    date: str,
    frequency: Frequency,
) -> NDArray[np.float64]:
    """The series' last target of the same place in the season, float64 (n,); else that of any, else the median."""
    known, wanted = (with_season(t[[*series, date]], date, frequency) for t in (train, rows))
    forecast = last_values(known, target, wanted, [*series, SEASON], date)
    if np.isnan(forecast).any():
        forecast = np.where(np.isnan(forecast), last_values(train, target, rows, series, date), forecast)
    return np.where(np.isnan(forecast), np.median(target), forecast)


def naive_forecasts(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    series: Sequence[str],
    date: str,
    frequency: Frequency,
    medians: Sequence[Sequence[Label]],
) -> dict[str, NDArray[np.float64]]:
    """Naive forecasts by name, float64 (n,) each: medians, the last season's value, the last value.

    `medians`: the columns of each; *season*, where no column is called so, is a row's place in its season.
    """
    train, rows = (with_season(t, date, frequency) for t in (train, rows))
    made = {}
    for by in medians:
        name = " × ".join(map(label_text, by))
        made[f"the median by {name}"] = group_medians(train, target, rows, season_columns(by, train.columns))
    made["the last season's value"] = seasonal_naive(train, target, rows, series, date, frequency)
    last = last_values(train, target, rows, series, date)
    return made | {"the last value": np.where(np.isnan(last), np.median(target), last)}
