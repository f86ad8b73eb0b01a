"""Dates → texts, as their owner writes them: 31.12.2015 where the table has 1.7.2015, 2016 W30 where it has 2016 W29.

A way of writing is taken only if it gives back every text of the owner's table, and is read as the same dates.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import pandas as pd

from tabcli.config.data import Table, counted_from
from tabcli.errors import DataError
from tabcli.tables.kinds import as_text
from tabcli.tables.levels import MISSING_NUMBERS, set_missing
from tabcli.tables.moments import TIMES, to_dates

Write = Callable[[pd.Series], pd.Series]
"""Dates (n,) → texts (n,)."""


def as_written(dates: pd.Series, texts: pd.Series, spec: Table) -> pd.Series:
    """Dates, datetime64 (n,), as texts like the owner's, category of str; as they are where no way gives those back.

    `texts`: the owner's, category of str, which the table's options read.
    """
    known = set_missing(texts, [*MISSING_NUMBERS, *spec.missing]).dropna().drop_duplicates()
    if not len(dates) or not len(known) or spec.timezone is not None:
        return dates
    moments = to_dates(as_text(known), spec, "")
    for write in _ways(spec):
        if (write(moments).to_numpy() == known.astype("str").to_numpy()).all():
            made = as_text(write(dates))
            return made if _read_as(made, dates, spec) else dates
    return dates


def _read_as(texts: pd.Series, dates: pd.Series, spec: Table) -> bool:
    try:
        return bool((to_dates(texts, spec, "").to_numpy() == dates.to_numpy()).all())
    except DataError:
        return False


def _ways(spec: Table) -> Iterator[Write]:
    """The ways of writing that the table's options read."""
    form, times = spec.date_format, (*TIMES, " %I:%M%p", " %I:%M:%S%p")
    if form in ("week", "quarter"):
        for separator, year, way in product(
            ("-", " ", "", "/", ":", "'"), ("%G" if form == "week" else "%Y", "%y"), WAYS
        ):
            yield partial(_numbered, form=form, separator=separator, year=year, way=way)
    elif form in ("excel", "seconds", "milliseconds"):
        yield partial(_counted, form=form)
    elif form is not None and " since " in form:
        yield partial(_steps, form=form)
    elif form is not None:
        yield from _formats(form)
    elif spec.day_first is not None:
        for separator in ("/", ".", "-"):
            for year in ("%Y", "%y"):
                parts = ["%d", "%m", year] if spec.day_first else ["%m", "%d", year]
                for time in times:
                    yield from _formats(separator.join(parts) + time)


def _formats(form: str) -> Iterator[Write]:
    """A format of `strftime`, the same with 1 for 01 in the date, and in its time as well."""
    yield lambda dates: dates.dt.strftime(form)
    yield lambda dates: dates.dt.strftime(form).map(_without_zeros)
    yield lambda dates: dates.dt.strftime(form).map(partial(re.sub, r"(?<![\d:])0(?=\d)", ""))


def _without_zeros(text: str) -> str:
    """7/1/2015 for 07/01/2015; the time of the day keeps its zeros."""
    return re.sub(r"(?<![\d:])0(?=\d(?![\d:]))", "", text)


WAYS = ("2016-W05", "2016-W5", "W05-2016", "W5-2016", "5W-2016")
"""How a year and the number of a week or quarter are put together."""


def _numbered(dates: pd.Series, *, form: str, separator: str, year: str, way: str) -> pd.Series:
    """The week or the quarter of dates with its year, `%G`, `%Y` or `%y`, put together as one of `WAYS`."""
    years = dates.dt.strftime(year)
    number = (dates.dt.isocalendar()["week"] if form == "week" else dates.dt.quarter).astype("str")
    number = number.str.zfill(2) if form == "week" and "05" in way else number
    mark = "W" if form == "week" else "Q"
    number = number + mark if way.startswith("5") else mark + number
    made: pd.Series = number + separator + years if way.endswith("2016") else years + separator + number
    return made


def _steps(dates: pd.Series, *, form: str) -> pd.Series:
    """Whole steps since the format's day."""
    step, start = counted_from(form)
    if step.unit == "mo":
        months = 12 * (dates.dt.year - start.year) + dates.dt.month - start.month
        counted: pd.Series = (months // step.count).astype("int64").astype("str")
        return counted
    steps = ((dates - pd.Timestamp(start)) / pd.Timedelta(step.seconds, unit="s")).round().astype("int64")
    made: pd.Series = steps.astype("str")
    return made


def _counted(dates: pd.Series, *, form: str) -> pd.Series:
    """Whole days since the end of 1899, or seconds or milliseconds since 1970."""
    since = pd.Timestamp("1899-12-30" if form == "excel" else "1970-01-01")
    unit = pd.Timedelta({"excel": 86_400_000, "seconds": 1000}.get(form, 1), unit="ms")
    numbers: pd.Series = ((dates - since) / unit).round().astype("int64").astype("str")
    return numbers
