"""Time since a moment that columns of the row name (a shop's opening), and months that recur each year."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import FloatArray
from tabcli.config.features import ActiveMonths, Moment, TimeSince
from tabcli.errors import DataError
from tabcli.tables.joins import FactorizedTable, Rows, by_key

_MONTHS = {
    m: i
    for i, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1)
}


def iso_week_start(year: FloatArray, week: FloatArray) -> NDArray[np.datetime64]:
    """The Monday of an ISO week, datetime64[D] (n,); NaT where either is missing.

    4 January always lies in week 1 (ISO 8601), so week w starts 7·(w − 1) days after that day's Monday. Week 53 of
    a year of 52 weeks is the first week of the next.

    >>> iso_week_start(np.array([2015.0, 2013.0]), np.array([53.0, 1.0]))
    array(['2015-12-28', '2012-12-31'], dtype='datetime64[D]')
    """
    known = ~(np.isnan(year) | np.isnan(week))
    fourth = (np.where(known, year, 1970).astype("int64") - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 3
    weekday = (fourth.astype("int64") + 3) % 7  # 1970-01-01 was a Thursday
    monday = fourth - weekday + 7 * (np.where(known, week, 1).astype("int64") - 1)
    return np.where(known, monday, np.datetime64("NaT", "D"))


def _numbers(rows: pd.DataFrame, column: str, low: int, high: int) -> FloatArray:
    values = rows[column].to_numpy(dtype="float64")
    wrong = ~(np.isnan(values) | ((values >= low) & (values <= high)))
    if wrong.any():
        raise DataError(f"column {column!r}: {wrong.sum()} rows are not between {low} and {high}: {values[wrong][0]:g}")
    return values


def moment_date(rows: pd.DataFrame, since: Moment) -> NDArray[np.datetime64]:
    """The moment that the columns name, datetime64[D] (n,): a date, an ISO week's Monday, or the first of a month.

    NaT where a column is missing. Raises `DataError` with the count for years, weeks or months out of range.
    """
    if since.date is not None:
        return rows[since.date].to_numpy().astype("datetime64[D]")
    assert since.year is not None
    year = _numbers(rows, since.year, 1, 9999)
    if since.week is not None:
        return iso_week_start(year, _numbers(rows, since.week, 1, 53))
    assert since.month is not None
    month = _numbers(rows, since.month, 1, 12)
    known = ~(np.isnan(year) | np.isnan(month))
    count = np.where(known, (year - 1970) * 12 + month - 1, 0).astype("int64")
    return np.where(known, count.astype("datetime64[M]").astype("datetime64[D]"), np.datetime64("NaT", "D"))


def _numbered(moments: NDArray[np.datetime64], unit: str) -> FloatArray:
    """Days, or months, since 1970, float64 (n,); NaN where the moment is not known."""
    counted = moments.astype("datetime64[M]" if unit == "months" else "datetime64[D]").astype("int64")
    return np.where(np.isnat(moments), np.nan, counted)


def _start(rows: FactorizedTable, since: Moment, unit: str) -> FloatArray:
    """Each row's moment as a number, float64 (n,)."""
    names = since.columns
    try:
        number: FloatArray = by_key(rows, names, lambda keys: _numbered(moment_date(keys, since), unit))
    except DataError:
        moment_date(rows.frame(names), since)  # says how many rows are wrong
        raise
    return number


def _today(rows: FactorizedTable, date: str, unit: str) -> FloatArray:
    number: FloatArray = by_key(rows, [date], lambda keys: _numbered(keys[date].to_numpy(), unit))
    return number


def time_since(rows: Rows, date: str, span: TimeSince) -> FloatArray:
    """Whole units (`span.unit`) from the moment to the row's date, float64 (n,).

    0 before the moment, at most `span.cap`, NaN where the moment is missing. Raises `DataError` as `moment_date` does.
    """
    rows = FactorizedTable.of(rows)
    passed = _today(rows, date, span.unit) - _start(rows, span.since, span.unit)
    if span.unit == "weeks":
        passed = np.floor(passed / 7)
    return np.clip(passed, 0, span.cap, out=passed)


def _listed_months(texts: list[str], column: str) -> NDArray[np.bool_]:
    """Texts such as "Jan,Apr,Jul,Oct" → bool (n_texts, 13); the second axis is the number of the month, from 1."""
    listed = np.zeros((len(texts), 13), dtype=bool)
    for i, text in enumerate(texts):
        for word in text.split(","):
            word = word.strip().lower()
            month = int(word) if word.isdigit() else _MONTHS.get(word[:3], 0)
            if not 1 <= month <= 12:
                raise DataError(
                    f"column {column!r}: {word!r} in {text!r} is not a month",
                    hint='expected a list such as "Jan,Apr,Jul,Oct" or "1,4,7,10"',
                )
            listed[i, month] = True
    return listed


def active_months(rows: Rows, date: str, recurrence: ActiveMonths) -> NDArray[np.int32]:
    """1 where the row's month is in the row's list of months and the moment `since` has come, int32 (n,).

    0 where the list or the moment is missing. Raises `DataError` for a list that names no months.
    """
    rows, name = FactorizedTable.of(rows), recurrence.months
    column = rows.stored[name].values
    listed = np.vstack([_listed_months(list(column.cat.categories), name), np.zeros((1, 13), dtype=bool)])
    month = by_key(rows, [date], lambda keys: keys[date].dt.month.to_numpy())
    starts = listed[by_key(rows, [name], lambda keys: keys[name].cat.codes.to_numpy()), month]
    if recurrence.since is not None:
        starts &= _start(rows, recurrence.since, "days") <= _today(rows, date, "days")  # never where unknown
    result: NDArray[np.int32] = starts.astype("int32")
    return result
