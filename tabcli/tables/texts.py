"""Texts → numbers, dates, missing values: read right, or refused with the row, never silently changed.

A column of texts becomes numbers, bools or dates only if every value can be one without losing anything. What might
mean two things stays text, and using it as a number or a date is refused with the row and the option that decides:

    1.234,56   text, until `decimal: ","` and `thousands: "."` say how numbers are written
    1.234      text where all others are whole numbers below 1000: then the point may stand for thousands
    03/04/15   no date, until `day_first` or `date_format` says which part is the day
    00123      text: a number would lose the zeros; `dtypes: {column: int}` says that they do not matter
    12E4       text: it is more often an article than 120000; 1.2e5 and 1e+05, as programs write them, are numbers
    NA         missing among numbers, which it cannot be; among texts a text like any other (Namibia)

A column of texts here is a `pandas.Series` of category of str; the work is done once per different text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, BoolArray, IntArray
from tabcli.config.data import Table
from tabcli.errors import DataError

Column: TypeAlias = pd.Series

MISSING_NUMBERS = ["", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "#N/A", "<NA>"]
"""Words that are missing where all else is a number, a bool or a date. In a column of texts only "" is."""

EXAMPLES = 3

EXACT = 2**53
"""A float holds every whole number up to here."""

_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"

_ZONE = r"\d\d:\d\d\S*\s*(Z|UTC|[+-]\d\d:?\d\d)$"

_DAY_MONTH = r"^\d{1,2}([./-])\d{1,2}[./-]\d{4}([T ]\d{1,2}:\d\d(:\d\d)?)?$"


def rows_text(positions: Sequence[int] | IntArray, index: pd.Index) -> str:
    """`row 17`, counted from 1 without the header, as the file had it."""
    shown = ", ".join(str(int(index[p]) + 1) for p in positions[:EXAMPLES])
    more = ", …" if len(positions) > EXAMPLES else ""
    return f"row{'s' if len(positions) > 1 else ''} {shown}{more}"


def set_missing(column: Column, missing: Sequence[str]) -> Column:
    """A column of texts with some of them taken as missing, and no unused categories."""
    levels = column.cat.categories
    counts = np.bincount(column.cat.codes.to_numpy().astype("int64") + 1, minlength=len(levels) + 1)[1:]
    gone = levels[(counts == 0) | levels.isin(missing)]  # remove_unused_categories would sort all rows for it
    return column.cat.remove_categories(gone) if len(gone) else column


def _levels(column: Column) -> pa.Array:
    return pa.array(column.cat.categories.astype("str"), type=pa.string())


def _match(levels: pa.Array, pattern: str) -> BoolArray:
    found: BoolArray = pc.match_substring_regex(levels, pattern).to_numpy(zero_copy_only=False).astype(bool)
    return found


def _spread(column: Column, values: AnyArray, empty: object) -> AnyArray:
    """Values of the levels (k,) → of the rows (n,), `empty` where the text is missing."""
    return np.append(values, np.array([empty], dtype=values.dtype))[column.cat.codes.to_numpy()]


# --------------------------------------------------------------------------------------------- numbers


@dataclass(frozen=True)
class Numerals:
    """How numbers are written."""

    decimal: str = "."
    thousands: str | None = None

    @property
    def _between(self) -> str:
        """The characters between thousands: for a space also the narrow ones and those that do not break."""
        return " \u00a0\u2009\u202f" if self.thousands == " " else str(self.thousands)

    def _patterns(self) -> tuple[str, str, str]:
        """Of a whole number, of any number, and of one whose exponent cannot be a part of a code."""
        point = f"[{self.decimal}]"
        digits = rf"(\d{{1,3}}([{self._between}]\d{{3}})+|\d+)" if self.thousands else r"\d+"
        infinite = "[iI]nf(inity)?"
        fraction = rf"({digits}{point}\d*|{point}\d+)"
        whole = rf"^\s*[-+]?{digits}\s*$"
        any_ = rf"^\s*[-+]?(({fraction}|{digits})([eE][-+]?\d+)?|{infinite})\s*$"
        plain = rf"^\s*[-+]?({fraction}([eE][-+]?\d+)?|{digits}([eE][-+]\d+)?|{infinite})\s*$"
        return whole, any_, plain

    def are_whole(self, levels: pa.Array) -> BoolArray:
        return _match(levels, self._patterns()[0])

    def are_numbers(self, levels: pa.Array, *, plain: bool = False) -> BoolArray:
        """Which texts are numbers; `plain`: less those like 12E4 that may be a code."""
        return _match(levels, self._patterns()[2 if plain else 1])

    def _bare(self, levels: pa.Array) -> pa.Array:
        bare = pc.utf8_ltrim(pc.utf8_trim_whitespace(levels), "+")
        if self.thousands:
            bare = pc.replace_substring_regex(bare, f"[{self._between}]", "")
        return pc.replace_substring(bare, self.decimal, ".") if self.decimal != "." else bare

    def parse(self, levels: pa.Array) -> NDArray[np.float64]:
        """Texts → float64 (k,), NaN for those that are no numbers."""
        bare = pc.if_else(pa.array(self.are_numbers(levels)), self._bare(levels), pa.scalar(None, pa.string()))
        numbers: NDArray[np.float64] = pc.cast(bare, pa.float64()).to_numpy(zero_copy_only=False)
        return numbers

    def parse_whole(self, levels: pa.Array) -> IntArray:
        """Whole numbers of at most 18 digits → int64 (k,)."""
        numbers: IntArray = pc.cast(self._bare(levels), pa.int64()).to_numpy(zero_copy_only=False)
        return numbers


PLAIN = Numerals()


def _lose_something(levels: pa.Array, whole: BoolArray, *, to_float: bool) -> BoolArray:
    """Whole numbers that a number would not give back: leading zeros, or more digits than it holds."""
    too_long = r"\d{16}" if to_float else r"\d{19}"
    return whole & (_match(levels, r"^\s*[-+]?0\d") | _match(levels, too_long))


def _maybe_thousands(levels: pa.Array, numerals: Numerals) -> bool:
    """Whether each point has 1 … 3 digits before it and 3 after it, and all other numbers are whole and below 1000."""
    if numerals != PLAIN:
        return False
    grouped = _match(levels, r"^[-+]?[1-9]\d{0,2}\.\d{3}$")
    small = _match(levels, r"^[-+]?\d{1,3}$")
    return bool(grouped.any() and small.any() and (grouped | small).all())


def _inferred_numbers(column: Column, levels: pa.Array, numerals: Numerals) -> "Column | None":
    """The column as int64 or float64 if each text is a number that loses nothing, else None."""
    if not numerals.are_numbers(levels, plain=True).all() or _maybe_thousands(levels, numerals):
        return None
    whole = numerals.are_whole(levels)
    to_int = bool(whole.all() and column.notna().all())
    if _lose_something(levels, whole, to_float=not to_int).any():
        return None
    values = numerals.parse_whole(levels) if to_int else numerals.parse(levels)
    return pd.Series(_spread(column, values, 0 if to_int else np.nan), index=column.index, name=column.name)


def to_numbers(
    column: Column, where: str, *, numerals: Numerals, kind: Literal["int", "float"] = "float", exact: bool = True
) -> Column:
    """A column of texts as int64, or float64 where one is missing or a fraction.

    `exact`: leading zeros are refused too. Raises `DataError` with the rows that hold no number, and what may help.
    """
    column = set_missing(column, MISSING_NUMBERS)
    levels = _levels(column)
    whole = numerals.are_whole(levels)
    good = whole if kind == "int" else numerals.are_numbers(levels)
    if exact:
        good = good & ~_lose_something(levels, whole, to_float=not whole.all())
    if not good.all():
        raise not_numeric_error(column, where, good, numerals=numerals, kind=kind)
    to_int = bool(whole.all() and column.notna().all() and not _match(levels, r"\d{19}").any())
    values = numerals.parse_whole(levels) if to_int else numerals.parse(levels)
    return pd.Series(_spread(column, values, 0 if to_int else np.nan), index=column.index, name=column.name)


def not_numeric_error(
    column: Column,
    where: str,
    good: BoolArray | None = None,
    *,
    numerals: Numerals = PLAIN,
    kind: str = "float",
) -> DataError:
    """The error for a column of texts where numbers are needed: the rows, and the option that may help.

    `good`: which of its categories are numbers; by default those that read as such.
    """
    if good is None:
        column = set_missing(column, MISSING_NUMBERS)
        levels = _levels(column)
        good = numerals.are_numbers(levels, plain=True)
        good = good & ~_lose_something(levels, numerals.are_whole(levels), to_float=False)
        if good.all():  # what only the whole column shows: its points may stand for thousands, or do in its table
            good = ~_match(levels, r"[.]")
    bad = np.flatnonzero(_spread(column, ~good, False))
    fractions = kind == "int" and numerals.are_numbers(_levels(column))[~good].all()
    example = f": {column.iloc[bad[0]]!r} in {rows_text(bad, column.index)}" if len(bad) else ""
    return DataError(
        f"{where}: column {column.name!r}: {len(bad)} of {len(column)} rows hold no "
        f"{'whole ' if fractions else ''}number{example}",
        hint=_number_hint(_levels(column), str(column.name), numerals),
    )


def decimal_comma(column: Column) -> Numerals | None:
    """How the column's numbers are written if it is with a decimal comma, as in 1.234,5; else None."""
    levels = _levels(set_missing(column, MISSING_NUMBERS))
    comma = _match(levels, ",")
    if not comma.any() or _match(levels, "^(1[0-2]|[1-9]),(1[0-2]|[1-9])$").all():  # none, or lists of two months
        return None
    for style in (Numerals(","), Numerals(",", ".")):
        if style.are_numbers(levels).all():
            return style
    return None


def _number_hint(levels: pa.Array, name: str, numerals: Numerals) -> str:
    """What to set so that all texts are numbers, as far as that is possible."""
    sure = numerals.are_numbers(levels, plain=True)
    if sure.all() and not _lose_something(levels, numerals.are_whole(levels), to_float=False).any():
        if not _maybe_thousands(levels, numerals):
            return "these are numbers with a decimal point: are the table's `decimal` and `thousands` right?"
    elif numerals.are_numbers(levels).all():
        return f"if they are numbers all the same, say so: `dtypes: {{{name}: float}}` for this table"
    styles = [Numerals(",", "."), Numerals(",", None), Numerals(".", ","), Numerals(",", " "), Numerals(".", " ")]
    styles.append(Numerals(".", "'"))
    found = [s for s in styles if s.are_numbers(levels).all()]
    plain = {s for s in found if s.thousands is None}
    found = [s for s in found if not (s.thousands and replace(s, thousands=None) in plain)]  # the simpler one does
    texts = [_style_text(s) for s in found]
    if _maybe_thousands(levels, numerals):
        texts = ['`decimal: ","` and `thousands: "."`', f"`dtypes: {{{name}: float}}` if the points are decimal points"]
    if texts:
        return "for this table set " + ", or ".join(texts)
    return "correct the values, or list those that mean missing: `missing: [...]` for this table"


def _style_text(style: Numerals) -> str:
    parts = [f'`decimal: "{style.decimal}"`'] if style.decimal != "." else []
    parts += [f'`thousands: "{style.thousands}"`'] if style.thousands else []
    return " and ".join(parts)


# ----------------------------------------------------------------------------------------------- dates


def to_dates(column: Column, spec: Table, where: str) -> Column:
    """A column of texts as datetime64[us], in local time. Raises `DataError` with the rows that are no date."""
    column = set_missing(column, MISSING_NUMBERS)
    levels = _levels(column)
    if len(levels) and _match(levels, r"^\d+$").all() and spec.date_format is None:
        raise DataError(
            f"{where}: column {column.name!r} holds numbers ({column.dropna().iloc[:1].tolist()}), not dates",
            hint='for dates like 20150731 set `date_format: "%Y%m%d"` for this table',
        )
    moments = _parse_dates(levels, spec)
    zoned = _match(levels, _ZONE)
    if zoned.any():
        moments = _local(column, levels, zoned, spec, where)
    bad = np.flatnonzero(_spread(column, np.isnat(moments), False))
    if len(bad):
        raise DataError(
            f"{where}: column {column.name!r}: {len(bad)} of {len(column)} rows hold no date that can be read: "
            f"{column.iloc[bad[0]]!r} in {rows_text(bad, column.index)}",
            hint=_date_hint(levels, spec),
        )
    return pd.Series(_spread(column, moments, np.datetime64("NaT", "us")), index=column.index, name=column.name)


def _parse_dates(levels: pa.Array, spec: Table) -> NDArray[np.datetime64]:
    """Texts without a zone → datetime64[us] (k,), NaT for what is no date in the table's format."""
    texts = pd.Series(levels.to_pylist(), dtype="str")
    zoned = pd.Series(_match(levels, _ZONE))
    naive = texts.mask(zoned)
    if spec.date_format is not None:
        parsed = pd.to_datetime(naive, format=spec.date_format, errors="coerce")
    else:
        parsed = pd.to_datetime(naive, format="ISO8601", errors="coerce")
        if spec.day_first is not None:
            parsed = parsed.fillna(_day_month(naive, day_first=spec.day_first))
    return parsed.astype("datetime64[us]").to_numpy()


def _day_month(texts: "pd.Series[str]", *, day_first: bool) -> "pd.Series[pd.Timestamp]":
    """31.12.2015, 31/12/2015 and 31-12-2015, or with the month first; NaT for all else."""
    plain = texts.where(texts.str.match(_DAY_MONTH)).str.replace(r"[./-]", "/", regex=True).str.replace("T", " ")
    day = "%d/%m/%Y" if day_first else "%m/%d/%Y"
    parsed = pd.to_datetime(plain, format=day, errors="coerce")
    for time in ("%H:%M", "%H:%M:%S"):
        parsed = parsed.fillna(pd.to_datetime(plain, format=f"{day} {time}", errors="coerce"))
    return parsed


def _local(column: Column, levels: pa.Array, zoned: BoolArray, spec: Table, where: str) -> NDArray[np.datetime64]:
    """Moments of a time zone → what the clock says in the table's. Raises `DataError` where it has none, or some lack
    theirs.
    """
    bad = zoned if spec.timezone is None else ~zoned
    rows = np.flatnonzero(_spread(column, bad, False))
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


def day_orders(column: Column) -> list[bool]:
    """Which values of `day_first` read every text of the column, such as 31.12.2015; none where it holds no dates."""
    texts = pd.Series(_levels(set_missing(column, MISSING_NUMBERS)).to_pylist(), dtype="str")
    return [first for first in (True, False) if len(texts) and _day_month(texts, day_first=first).notna().all()]


def _date_hint(levels: pa.Array, spec: Table) -> str:
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
    return "expected dates like 2015-07-31; for others set the table's `day_first` or `date_format`"


# ------------------------------------------------------------------------------------------- inference


def numerals_of(spec: Table) -> Numerals:
    """How the table writes numbers."""
    return Numerals(spec.decimal, spec.thousands)


def infer(column: Column, spec: Table) -> Column:
    """A column of texts as numbers, bools or dates if every value is one for sure, else as it is."""
    column = set_missing(column, ["", *spec.missing])
    sure = set_missing(column, MISSING_NUMBERS)
    levels = _levels(sure)
    if not len(levels):
        return column if len(column.cat.categories) else pd.Series(np.nan, index=column.index, name=column.name)
    numbers = _inferred_numbers(sure, levels, numerals_of(spec))
    if numbers is not None:
        return numbers
    if {*sure.cat.categories} <= {*_BOOLS}:
        flags = np.array([_BOOLS[t] for t in sure.cat.categories])
        values = _spread(sure, flags, False) if sure.notna().all() else _spread(sure, flags.astype(float), np.nan)
        return pd.Series(values, index=column.index, name=column.name)
    if spec.date_format is None and _match(levels, _ISO).all():
        dates = _parse_dates(levels, spec)
        if not np.isnat(dates).any():
            moments = _spread(sure, dates, np.datetime64("NaT", "us"))
            return pd.Series(moments, index=column.index, name=column.name)
    return column
