"""Year, month, weekday and other parts of a date (fastai's 13 columns, 16 with the time of day); Easter, waves."""

import re
from collections.abc import Container, Sequence
from datetime import MAXYEAR, MINYEAR

import numpy as np
import pandas as pd
from dateutil.easter import easter
from numpy.typing import NDArray

from tabcli.arrays import AnyArray

PARTS = (
    *("Year", "Month", "Week", "Day", "Dayofweek", "Dayofyear"),
    *("Is_month_end", "Is_month_start", "Is_quarter_end", "Is_quarter_start", "Is_year_end", "Is_year_start"),
)

TIME_PARTS = ("Hour", "Minute", "Second")


def default_prefix(column: str) -> str:
    """fastai's rule: the name without a final "Date" or "date".

    >>> default_prefix("OrderDate"), default_prefix("Date"), default_prefix("DATE")
    ('Order', '', 'DATE')
    """
    return re.sub("[Dd]ate$", "", column)


def date_part_names(column: str, prefix: str | None = None, *, time: bool = False) -> list[str]:
    """The names of the new columns, in order; `Elapsed` is last."""
    start = default_prefix(column) if prefix is None else prefix
    return [start + part for part in (*PARTS, *(TIME_PARTS if time else ()), "Elapsed")]


def date_parts(
    dates: pd.Series, prefix: str | None = None, *, time: bool = False, wanted: Container[str] | None = None
) -> pd.DataFrame:
    """datetime64 (n,) → the columns of `date_part_names` (or those of them in `wanted`), (n,) each.

    int32 parts (`Dayofweek` from 0 on Monday), bool `Is_…`, float64 `Elapsed` in seconds since 1970-01-01 whatever the
    resolution of the input (fastai's divides nanoseconds, and is a thousand times too small on microseconds). `Week` is
    the ISO week while `Year` is the calendar year, as in fastai. Where the date is missing the parts are NaN (and the
    column float64), `Is_…` False, as in fastai. Each different date is computed once.
    """
    codes, unique = pd.factorize(dates.to_numpy())
    moments = pd.DatetimeIndex(unique)
    parts = [*PARTS, *(TIME_PARTS if time else ()), "Elapsed"]
    missing = codes < 0
    columns = {}
    for part, name in zip(parts, date_part_names(str(dates.name), prefix, time=time), strict=True):
        if wanted is not None and name not in wanted:
            continue
        values = _part(moments, part)
        empty = np.zeros(1, dtype=bool) if values.dtype == bool else np.array([np.nan])
        columns[name] = np.concatenate([values, empty])[codes] if missing.any() else values[codes]
    return pd.DataFrame(columns, index=dates.index, copy=False)


def _part(moments: pd.DatetimeIndex, part: str) -> AnyArray:
    """One of the parts of moments, (n,)."""
    match part:
        case "Week":
            return np.asarray(moments.isocalendar().week, dtype="int32")
        case "Elapsed":
            return moments.to_numpy().astype("datetime64[s]").astype("float64")
    return np.asarray(
        getattr(moments, {"Dayofweek": "day_of_week", "Dayofyear": "day_of_year"}.get(part, part.lower()))
    )


def easter_sunday(years: NDArray[np.integer]) -> NDArray[np.datetime64]:
    """Years → the dates of Easter Sunday, datetime64[D] (n,); NaT outside the years 1 to 9999."""
    unique, codes = np.unique(years, return_inverse=True)
    sundays = [easter(int(year)) if MINYEAR <= year <= MAXYEAR else None for year in unique]
    result: NDArray[np.datetime64] = np.array(sundays, dtype="datetime64[D]")[codes]
    return result


def days_from_easter(dates: pd.Series, first: int, last: int) -> NDArray[np.float32]:
    """Days since Easter Sunday of the same year where they lie within `first` … `last`, else NaN; float32 (n,)."""
    codes, unique = pd.factorize(dates.to_numpy())
    moments = pd.Series(unique)
    sundays = easter_sunday(moments.dt.year.to_numpy(dtype="int64"))
    days = (moments.to_numpy().astype("datetime64[D]") - sundays).astype("float32")
    days = np.append(np.where((days >= first) & (days <= last), days, np.float32(np.nan)), np.float32(np.nan))
    result: NDArray[np.float32] = days[codes]  # the last one is for a missing date, whose code is −1
    return result


def days_to_month_end(dates: pd.Series, counted: Sequence[bool] = (True,) * 7) -> NDArray[np.float32]:
    """How many days of the month come after each date, float32 (n,), NaN where the date is missing.

    `counted`: which weekdays count, from Monday on.
    """
    codes, unique = pd.factorize(dates.to_numpy())
    days = unique.astype("datetime64[D]")
    after = (days.astype("datetime64[M]") + 1).astype("datetime64[D]")  # the first of the next month
    left = np.busday_count(days + 1, after, weekmask=list(counted))
    result: NDArray[np.float32] = np.append(left.astype("float32"), np.float32(np.nan))[codes]
    return result


def fourier_names(name: str, order: int) -> list[str]:
    """The columns of `fourier_terms`, in order.

    >>> fourier_names("Year", 1)
    ['Year_sin1', 'Year_cos1']
    """
    return [f"{name}_{wave}{k}" for k in range(1, order + 1) for wave in ("sin", "cos")]


def fourier_terms(dates: pd.Series, name: str, period: float, order: int) -> dict[str, NDArray[np.float32]]:
    """sin and cos of 2πkt/period, k = 1 … order, t in days since 1970: float32 (n,), NaN where the date is missing.

    The period is fixed, not fitted to the rows at hand, so that a day has the same values in any table.
    """
    codes, unique = pd.factorize(dates.to_numpy())
    days = np.append(unique.astype("datetime64[s]").astype("float64") / 86400, np.nan)  # the last for a missing date
    angles = [2 * np.pi * k * days / period for k in range(1, order + 1)]
    waves = [wave(angle).astype("float32")[codes] for angle in angles for wave in (np.sin, np.cos)]
    return dict(zip(fourier_names(name, order), waves, strict=True))
