"""The same features the way fastai's Rossmann notebook makes them: loops over rows, `apply`, rolling sums of rows.

    python benchmarks/features_notebook.py DATA OUT

What needs no loop is taken from `features_pandas`. The windows hold seven rows rather than seven days, as in the
notebook, so a store that was closed for months has other counts there.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from features_pandas import CONFIG, DAY, MONTHS, date_features, encode, join_tables


def since_features(rows: pd.DataFrame) -> None:
    def months_open(row: pd.Series) -> float:
        opened = (row.CompetitionOpenSinceYear, row.CompetitionOpenSinceMonth)
        months = (row.Year - opened[0]) * 12 + row.Month - opened[1]
        return months if np.isnan(months) else min(max(months, 0), 24)

    def begun(row: pd.Series) -> pd.Timestamp:
        if np.isnan(row.Promo2SinceYear):
            return pd.NaT
        return pd.Timestamp.fromisocalendar(int(row.Promo2SinceYear), int(row.Promo2SinceWeek), 1)

    def starts(row: pd.Series) -> int:
        listed = isinstance(row.PromoInterval, str) and MONTHS[row.Month - 1] in row.PromoInterval
        return int(listed and row.Promo2Since <= row.Date)

    rows["CompetitionMonthsOpen"] = rows.apply(months_open, axis=1)
    rows["Promo2Since"] = rows.apply(begun, axis=1)
    rows["Promo2Weeks"] = ((rows["Date"] - rows["Promo2Since"]).dt.days // 7).clip(0, 25)
    rows["Promo2Starts"] = rows.apply(starts, axis=1)


def elapsed(rows: pd.DataFrame, flag: pd.Series) -> Iterator[float]:
    """Days since the last event, row by row; the rows are sorted by store, then by date one way or the other."""
    store, last = None, None
    for row_store, date, happens in zip(rows["Store"], rows["Date"], flag, strict=True):
        if row_store != store:
            store, last = row_store, None
        if happens:
            last = date
        yield np.nan if last is None else abs((date - last).days)


def run_lengths(rows: pd.DataFrame, flag: pd.Series) -> Iterator[int]:
    """Events in a row that ended with the day before."""
    store, before, length = None, None, 0
    for row_store, date, happens in zip(rows["Store"], rows["Date"], flag, strict=True):
        if row_store != store or abs(date - before) != DAY:
            length = 0
        yield length
        store, before, length = row_store, date, length + 1 if happens else 0


def event_features(rows: pd.DataFrame) -> pd.DataFrame:
    for names, ascending in ((("After", "bw", "last"), True), (("Before", "fw", "next"), False)):
        rows = rows.sort_values(["Store", "Date"], ascending=[True, ascending], ignore_index=True)
        for name, event in CONFIG["features"]["events"].items():
            (column, wanted), cap = next(iter(event["where"].items())), int(event["cap"][:-1])
            flag = rows[column].isin(wanted if isinstance(wanted, list) else [wanted])
            days = pd.Series(list(elapsed(rows, flag))).clip(upper=cap)
            rows[f"{names[0]}{name}"] = days.fillna(cap + 1 if ascending else cap)
            sums = flag.astype(float).groupby(rows["Store"]).rolling(7, min_periods=1).sum()
            rows[f"{name}_{names[1]}"] = sums.to_numpy().astype(int)
            rows[f"{name}_{names[2]}"] = pd.Series(list(run_lengths(rows, flag))).clip(upper=cap)
    return rows.sort_values("row", ignore_index=True)


if __name__ == "__main__":
    table = join_tables(Path(sys.argv[1]))
    date_features(table)
    since_features(table)
    encode(event_features(table), Path(sys.argv[2]))
