"""Texts → dates, written as the table says or as ISO writes them. A text that is not a date is refused with its row.

31/07/15       day_first: true           Jul-2015, 31 Jul 2015    date_format: "%b-%Y", "%d %b %Y"
2015 Q3        date_format: quarter      2015-W31                 date_format: week (its Monday)
42216          date_format: excel        1438300800               date_format: seconds
31             date_format: weeks since 2015-01-05
…T12:00:00Z    timezone: Europe/Berlin   Year, Month              dates: {date: {year: Year, month: Month}}
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tabcli.arrays import BoolArray
from tabcli.config.data import DateColumns, Table, counted_from
from tabcli.errors import DataError
from tabcli.tables.levels import MISSING_NUMBERS, Column, levels_of, matching, rows_text, set_missing, spread

ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"

ZONE = r"\d\d:\d\d\S*\s*(Z|UTC|[+-]\d\d:?\d\d)$"

_DAY_MONTH = r"^\d{1,2}([./-])\d{1,2}[./-](\d{4}|\d{2})([T ]\d{1,2}:\d\d(:\d\d)?( ?[AaPp][Mm])?)?$"

_DIGITS = r"^\d+([.]\d+)?$"

FORMATS = (
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d %B %Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y"),
    *("%b-%Y", "%b %Y", "%b-%y", "%b %y", "%b/%Y", "%B-%Y", "%B %Y", "%B, %Y", "%Y-%b", "%Y %b", "%Y-%B", "%Y %B"),
    *("%a %d %b %Y", "%a, %d %b %Y", "%A, %B %d, %Y", "%a %b %d %Y", "%d%b%Y", "%Y%b", "%YM%m", "%Y-M%m", "%Y M%m"),
    *("%A, %d %B %Y", "%A %d %B %Y", "%A, %d. %B %Y", "%a, %b %d, %Y", "%a %d.%m.%Y", "%a, %d.%m.%Y", "%A, %d.%m.%Y"),
    *("%d %b %y", "%d-%B-%Y", "%d.%b.%Y", "%B %d %Y", "%Y-%b-%d", "%Y %b %d"),
    *("%m/%Y", "%m-%Y", "%m.%Y", "%Y/%m", "%Y.%m", "%y/%m/%d", "%y-%m-%d", "%y.%m.%d"),
)
"""How dates are written elsewhere; each also with a time of the day."""

TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


# ------------------------------------------------------------------------------------- texts → dates


def to_dates(column: Column, spec: Table, where: str) -> Column:
    """A column of texts as datetime64[us], in local time. Raises `DataError` with the rows that are no date."""
    column = set_missing(column, MISSING_NUMBERS)
    levels = levels_of(column)
    if len(levels) and matching(levels, r"^\d+$").all() and spec.date_format is None:
        raise numbers_error(column, where)
    moments = parse_dates(levels, spec)
    zoned = matching(levels, ZONE)
    if zoned.any():
        moments = _local(column, levels, zoned, spec, where)
    bad = np.flatnonzero(spread(column, np.isnat(moments), False))
    if len(bad):
        raise DataError(
            f"{where}: column {column.name!r}: {len(bad)} of {len(column)} rows hold no date that can be read: "
            f"{column.iloc[bad[0]]!r} in {rows_text(bad, column.index)}",
            hint=_date_hint(column, levels, spec, at_end=bool(bad[0] == len(column) - len(bad))),
        )
    return pd.Series(spread(column, moments, np.datetime64("NaT", "us")), index=column.index, name=column.name)


def numbers_error(column: Column, where: str) -> DataError:
    """The error for a column of numbers where dates are needed: what kind of date they look like, if any."""
    values = pd.to_numeric(column.dropna().astype("str"), errors="coerce")
    looks = number_dates(values)
    form = f'"{looks}"' if looks and looks.startswith("%") else looks
    hint = f"for these set `date_format: {form}` for this table" if looks else None
    return DataError(
        f"{where}: column {column.name!r} holds numbers ({column.dropna().iloc[:1].tolist()}), not dates",
        hint=hint or 'for dates like 20150731 set `date_format: "%Y%m%d"` for this table',
    )


def number_dates(values: Column) -> str | None:
    """The `date_format` by which all numbers are dates between 1950 and 2100, if there is one."""
    if not len(values) or values.isna().any():
        return None
    low, high = float(values.min()), float(values.max())
    unique = pd.Series(values.unique())
    forms = (("%Y%m%d", 19500101, 21001231), ("%Y%m", 195001, 210012), ("%G%V", 195001, 210053), ("%Y", 1950, 2100))
    for name, first, last in forms:
        whole = first <= low and high <= last and bool((unique == unique.round()).all())
        if whole and _formatted(unique.astype("int64").astype("str"), name).notna().all():
            return name
    for name, since, until in (("excel", 18264, 73415), ("seconds", 6e8, 4.2e9), ("milliseconds", 6e11, 4.2e12)):
        if since <= low and high <= until:
            return name
    return None


def parse_dates(levels: pa.Array, spec: Table) -> NDArray[np.datetime64]:
    """Texts without a zone → datetime64[us] (k,), NaT for what is no date in the table's format."""
    texts = pd.Series(levels.to_pylist(), dtype="str")
    naive = texts.mask(pd.Series(matching(levels, ZONE)))
    if spec.date_format is not None:
        parsed = _formatted(naive, spec.date_format)
    if spec.date_format is None or parsed.isna().all():
        parsed = pd.to_datetime(naive, format="ISO8601", errors="coerce")
        if spec.day_first is not None:
            parsed = parsed.fillna(_day_month(naive, day_first=spec.day_first))
    return parsed.astype("datetime64[us]").to_numpy()


def _formatted(texts: pd.Series, form: str) -> pd.Series:
    """Texts in a format of `strftime` or in one of ours; NaT for any other text."""
    match form:
        case "quarter":
            return _quarters(texts)
        case "week":
            return _weeks(texts)
        case "excel":
            days = pd.to_numeric(texts, errors="coerce")
            return pd.to_datetime(days, unit="D", origin="1899-12-30", errors="coerce").dt.round("s")
        case "seconds":
            return pd.to_datetime(pd.to_numeric(texts, errors="coerce"), unit="s", errors="coerce")
        case "milliseconds":
            return pd.to_datetime(pd.to_numeric(texts, errors="coerce"), unit="ms", errors="coerce")
    if " since " in form:
        return _counted(texts, form)
    used = {*re.findall("%(.)", form.replace("%%", ""))}
    if used & set("UWV") and not used & set("uwaA"):  # a week begins with its Monday
        texts, form = texts + " 1", form + (" %u" if "V" in used else " %w")
    return pd.to_datetime(texts, format=form, errors="coerce")


def _counted(texts: pd.Series, form: str) -> pd.Series:
    """Whole numbers of steps since a moment → moments; NaT for any other text."""
    step, start = counted_from(form)
    numbers = pd.to_numeric(texts, errors="coerce")
    whole = (numbers == numbers.round()) & (numbers.abs() < 1e9)
    steps = numbers.where(whole, 0).to_numpy().astype("int64") * step.count
    first = np.datetime64(start, "us")
    if step.unit == "mo":
        month = first.astype("datetime64[M]")
        moments = (month + steps).astype("datetime64[us]") + (first - month)
    else:
        moments = first + steps * np.timedelta64(step.unit_seconds, "s")
    return pd.Series(moments, index=texts.index).where(whole)


_YEAR, _BETWEEN = r"(?P<{}>\d{{4}}|\d\d)", r"[ /:._'-]?"

QUARTER = (
    rf"^\s*(?:{_YEAR.format('a')}{_BETWEEN}[Qq](?P<b>[1-4])|[Qq](?P<c>[1-4]){_BETWEEN}{_YEAR.format('d')}"
    rf"|(?P<e>[1-4])[Qq]{_BETWEEN}{_YEAR.format('f')})\s*$"
)

WEEK = (
    r"^\s*(?:(?P<a>\d{4})[ /-]?(?:[KkCc]?[Ww])(?P<b>\d{1,2})(?:-(?P<g>[1-7]))?"
    r"|(?:[KkCc]?[Ww]) ?(?P<c>\d{1,2})[ /-]?(?P<d>\d{4}))\s*$"
)


def _quarters(texts: pd.Series) -> pd.Series:
    """2019 Q1, 2019-Q1, 2019Q1, Q1 2019, Q1/19, 1Q19 → the quarter's first day."""
    found = texts.str.extract(QUARTER)
    year = pd.to_numeric(found["a"].fillna(found["d"]).fillna(found["f"]))
    quarter = pd.to_numeric(found["b"].fillna(found["c"]).fillna(found["e"]))
    year = year.mask(year < 100, year + np.where(year < 69, 2000, 1900))  # as %y takes them
    return pd.to_datetime(pd.DataFrame({"year": year, "month": 3 * quarter - 2, "day": 1}), errors="coerce")


def _weeks(texts: pd.Series) -> pd.Series:
    """2019-W05, 2019W05, 2019 W5, W05 2019, KW 5/2019, 2019-W05-3 → the Monday of the ISO week, or that day of it."""
    found = texts.str.extract(WEEK)
    year, week = found["a"].fillna(found["d"]), found["b"].fillna(found["c"])
    whole = year + "-" + week.str.zfill(2) + "-" + found["g"].fillna("1")
    return pd.to_datetime(whole, format="%G-%V-%u", errors="coerce")


def _day_month(texts: pd.Series, *, day_first: bool) -> pd.Series:
    """31.12.2015, 31/12/2015 and 31-12-2015 2:30 PM, or with the month first; NaT for any other text.

    Years of two digits are taken where all have two.
    """
    plain = texts.where(texts.str.match(_DAY_MONTH)).str.replace(r"[./-]", "/", regex=True).str.replace("T", " ")
    plain = plain.str.replace(r" ?([AaPp][Mm])$", r" \1", regex=True)
    year = "%y" if texts.str.match(r"^\d{1,2}\D\d+\D\d\d(?!\d)").all() else "%Y"
    day = f"%d/%m/{year}" if day_first else f"%m/%d/{year}"
    parsed = pd.to_datetime(plain, format=day, errors="coerce")
    for time in TIMES[1:]:
        parsed = parsed.fillna(pd.to_datetime(plain, format=f"{day}{time}", errors="coerce"))
    return parsed


def _local(column: Column, levels: pa.Array, zoned: BoolArray, spec: Table, where: str) -> NDArray[np.datetime64]:
    """Moments of a time zone → what the clock says in the table's. Raises `DataError` where it has none, or some lack
    theirs.
    """
    bad = zoned if spec.timezone is None else ~zoned
    rows = np.flatnonzero(spread(column, bad, False))
    if len(rows):
        what = "a time zone" if spec.timezone is None else "no time zone, which others have"
        raise DataError(
            f"{where}: column {column.name!r}: {len(rows)} of {len(column)} rows have {what}: "
            f"{column.iloc[rows[0]]!r} in {rows_text(rows, column.index)}",
            hint="the days of a forecast are local days: set the table's `timezone`, such as Europe/Berlin, to convert",
        )
    moments = pd.to_datetime(pd.Series(levels.to_pylist(), dtype="str"), format="ISO8601", errors="coerce", utc=True)
    return local_time(moments, spec.timezone).to_numpy()


def local_time(moments: Column, zone: str | None) -> Column:
    """Moments of a time zone → datetime64[us] without one, as the clock of `zone` shows them."""
    local: Column = moments.dt.tz_convert(zone).dt.tz_localize(None).astype("datetime64[us]")
    return local


# ------------------------------------------------------------------------------------ how it is written


def day_orders(column: Column) -> list[bool]:
    """Which values of `day_first` read every text of the column, such as 31.12.2015; none where it holds no dates."""
    texts = _texts(column)
    return [first for first in (True, False) if len(texts) and _day_month(texts, day_first=first).notna().all()]


def zones(column: Column) -> set[str]:
    """The zones, such as Z or +02:00, of a column all of whose texts are moments of one; else none."""
    texts = _texts(column)
    found = texts.str.extract(ZONE)[0]
    if not len(texts) or found.isna().any():
        return set()
    moments = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    return set(found) if moments.notna().all() else set()


def date_format_of(column: Column) -> str | None:
    """The `date_format` by which every text of a column is a date between 1900 and 2100, if one is known."""
    texts = _texts(column)
    if not len(texts):
        return None
    numbers: Any = pd.to_numeric(texts, errors="coerce")
    if texts.str.match(_DIGITS).all():
        return number_dates(numbers)
    candidates = ["quarter", "week"]
    candidates += [f"{day}{time}" for time in (TIMES if texts.str.contains(":").any() else ("",)) for day in FORMATS]
    for form in [c for c in candidates if _formatted(texts[:5], c).notna().all()]:
        moments = _formatted(texts, form)
        if moments.notna().all() and moments.dt.year.between(1900, 2100).all():
            return form
    return None


def looks_dated(column: Column) -> bool:
    """Whether most texts of a column seem to be dates of some kind, though not all can be read as such."""
    texts = _texts(column)
    month = r"(?i)(?:^|[^a-z])(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])"
    dated = texts.str.contains(r"^\d{1,4}[./ -]\d{1,2}[./ -]\d{1,4}") | (
        texts.str.contains(month) & texts.str.contains(r"\d")
    )
    return len(texts) > 2 and bool(dated.mean() > 0.5)


def _texts(column: Column) -> pd.Series:
    return pd.Series(levels_of(set_missing(column, MISSING_NUMBERS)).to_pylist(), dtype="str")


def _date_hint(column: Column, levels: pa.Array, spec: Table, *, at_end: bool) -> str:
    if spec.date_format is not None:
        return f"expected {spec.date_format}, the table's `date_format`"
    if spec.day_first is not None:
        return (
            f"expected dates like {'31.07.2015' if spec.day_first else '07/31/2015'}, as the table's `day_first` says"
        )
    texts = pd.Series(levels.to_pylist(), dtype="str")
    fits = {first: bool(_day_month(texts, day_first=first).notna().all()) for first in (True, False)}
    if all(fits.values()):
        return "is it the day or the month that comes first? set `day_first: true` or `false` for this table"
    for first, fit in fits.items():
        if fit:
            return f"all are dates with the {'day' if first else 'month'} first: set `day_first: {str(first).lower()}`"
    if form := date_format_of(column):
        return f'all are dates: set `date_format: "{form}"` for this table'
    if at_end:
        return "if these last lines do not belong to the table, set its `skip_footer`; else correct them"
    return "expected dates like 2015-07-31; for others set the table's `day_first` or `date_format`"


# ------------------------------------------------------------------------------------ several columns


def date_of_columns(table: pd.DataFrame, made: DateColumns, name: str, where: str) -> Column:
    """A column of dates made of several, datetime64[us]. Raises `DataError` with the rows that are no date."""
    numbers = {part: _part(part, table[column]) for part, column in made.columns_by_part.items() if part != "date"}
    if made.date is not None:
        day: Column = table[made.date].dt.normalize()
    elif made.week is not None:
        parts = [numbers["year"], numbers["week"]]
        texts = [p.astype("Int64").astype("str").str.zfill(2) for p in parts]
        day = pd.to_datetime(texts[0] + "-" + texts[1] + "-1", format="%G-%V-%u", errors="coerce")
    else:
        month = 3 * numbers["quarter"] - 2 if "quarter" in numbers else numbers.get("month", 1)
        parts_of_day = {"year": numbers["year"], "month": month, "day": numbers.get("day", 1)}
        day = pd.to_datetime(pd.DataFrame(parts_of_day, index=table.index), errors="coerce")
    moments = day + pd.to_timedelta(numbers["hour"], unit="h").dt.round("s") if "hour" in numbers else day
    bad = np.flatnonzero(moments.isna().to_numpy())
    if len(bad):
        row = table[made.columns].iloc[bad[0]].to_dict()
        shown = ", ".join(f"{c}={v}" for c, v in row.items())
        raise DataError(
            f"{where}: dates.{name}: {len(bad)} of {len(table)} rows make no date: {shown} in "
            f"{rows_text(bad, table.index)}",
            hint="correct these cells, or the columns that `dates` names for this table",
        )
    return moments.astype("datetime64[us]").rename(name)


def _part(part: str, column: Column) -> Column:
    """A part of a date as a number; Q3 is a quarter, W05 a week."""
    if part in ("month", "hour"):
        return _month(column) if part == "month" else _hour(column)
    if column.dtype.kind in "iuf":
        return column
    return pd.to_numeric(column.astype("str").str.replace("^[QqWw]", "", regex=True), errors="coerce")


def _hour(column: Column) -> Column:
    """A time of the day in hours: 7, 7:30, 07:30:00, 7:30 AM, 24:00."""
    if column.dtype.kind in "iuf":
        return column
    found = column.astype("str").str.extract(r"^\s*(\d{1,2})(?::(\d\d))?(?::(\d\d))?\s*([AaPp][Mm])?\s*$")
    hour, minute, second = (pd.to_numeric(found[i]) for i in range(3))
    half = found[3].str.lower()
    hour = hour.mask(half.notna(), hour % 12 + np.where(half == "pm", 12, 0))
    time: Column = hour + minute.fillna(0) / 60 + second.fillna(0) / 3600
    return time


def _month(column: Column) -> Column:
    """A month as a number: 7, Jul, July or M07."""
    if column.dtype.kind in "iuf":
        return column
    texts = column.astype("str")
    numbers: Column = pd.to_numeric(texts.str.replace(r"^[Mm](?=\d)", "", regex=True), errors="coerce")
    for form in ("%b", "%B"):
        numbers = numbers.fillna(pd.to_datetime(texts, format=form, errors="coerce").dt.month)
    return numbers


def parts_named(columns: Mapping[str, Column]) -> dict[str, str]:
    """Columns that are parts of a date by their names and values: year, quarter, month, week, day, hour → column."""
    ranges = {"year": (1900, 2100), "quarter": (1, 4), "month": (1, 12), "week": (1, 53), "day": (1, 31)}
    ranges["hour"] = (0, 24)
    words = {
        "year": "year|yr|jahr",
        "quarter": "quarter|qtr|quartal",
        "month": "month|mon|mnth|monat",
        "week": "week|wk|kw|woche|week_?of_?year",
        "day": "day|day_?of_?month|tag",
        "hour": "hour|hr|stunde|time|time_?of_?day|hour_?of_?day|uhrzeit",
    }
    found: dict[str, str] = {}
    for part, (low, high) in ranges.items():
        for name, column in columns.items():
            if not re.fullmatch(rf"(?i)({words[part]})s?(_?(nr|no|num|number))?", name.strip().replace(" ", "_")):
                continue
            numbers = _part(part, column)
            if numbers.dtype.kind in "iuf" and numbers.notna().all() and bool(numbers.between(low, high).all()):
                found.setdefault(part, name)
    return found
