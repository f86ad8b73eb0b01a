"""Texts → numbers and missing values: read right, or refused with the row, never silently changed.

A column of texts becomes numbers, bools or dates only if every value can be one without losing anything. What might
mean two things stays text, and using it as a number or a date is refused with the row and the option that decides:

    1.234,56   text, until `decimal: ","` and `thousands: "."` say how numbers are written; so is 1 234,56
    1.234      text where all others are whole numbers below 1000: then the point may stand for thousands
    03/04/15   no date, until `day_first` or `date_format` says which part is the day
    00123      text: a number would lose the zeros; `dtypes: {column: int}` says that they do not matter
    12E4       text: it is more often an article than 120000; 1.2e5 and 1e+05, as programs write them, are numbers
    $12.50     text, and so are 12 €, 12 % and (12); `dtypes: {column: amount}` makes them numbers, (12) is -12
    NA         missing among numbers, which it cannot be; among texts a text like any other (Namibia)

Dates are the business of `moments`.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, IntArray
from tabcli.config.data import Table
from tabcli.errors import DataError
from tabcli.tables.levels import MISSING_NUMBERS, Column, levels_of, matching, rows_text, set_missing, spread
from tabcli.tables.moments import ISO, parse_dates

EXACT = 2**53
"""A float holds every whole number up to here."""

BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

# --------------------------------------------------------------------------------------------- numbers

_BETWEEN = {" ": " \u00a0\u2009\u202f", "'": "'\u2019"}
"""The characters between thousands: for a space also the narrow ones and those that do not break."""

_SPACE = r"[\s\x{00a0}\x{2009}\x{202f}]"


@dataclass(frozen=True)
class Numerals:
    """How numbers are written."""

    decimal: str = "."
    thousands: str | None = None

    @property
    def _between(self) -> str:
        """The characters between thousands."""
        return _BETWEEN.get(str(self.thousands), str(self.thousands))

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
        """Which texts are whole numbers, bool (k,)."""
        return matching(levels, self._patterns()[0])

    def are_numbers(self, levels: pa.Array, *, plain: bool = False) -> BoolArray:
        """Which texts are numbers; `plain`: less those like 12E4 that may be a code."""
        return matching(levels, self._patterns()[2 if plain else 1])

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
    """Which whole numbers an int64 would not give back: those with leading zeros, or with too many digits."""
    too_long = r"\d{16}" if to_float else r"\d{19}"
    return whole & (matching(levels, r"^\s*[-+]?0\D?\d") | matching(levels, too_long))


def _maybe_thousands(levels: pa.Array, numerals: Numerals) -> bool:
    """Whether each point has 1 … 3 digits before it and 3 after it, and all other numbers are whole and below 1000."""
    if numerals != PLAIN:
        return False
    grouped = matching(levels, r"^[-+]?[1-9]\d{0,2}\.\d{3}$")
    small = matching(levels, r"^[-+]?\d{1,3}$")
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
    return pd.Series(spread(column, values, 0 if to_int else np.nan), index=column.index, name=column.name)


def to_numbers(
    column: Column, where: str, *, numerals: Numerals, kind: Literal["int", "float"] = "float", exact: bool = True
) -> Column:
    """A column of texts as int64, or float64 where one is missing or a fraction.

    `exact`: leading zeros are refused too. Raises `DataError` with the rows that hold no number, and what may help.
    """
    column = set_missing(column, MISSING_NUMBERS)
    levels = levels_of(column)
    whole = numerals.are_whole(levels)
    good = whole if kind == "int" else numerals.are_numbers(levels)
    if exact:
        good = good & ~_lose_something(levels, whole, to_float=not whole.all())
    if not good.all():
        raise not_numeric_error(column, where, good, numerals=numerals, kind=kind)
    to_int = bool(whole.all() and column.notna().all() and not matching(levels, r"\d{19}").any())
    values = numerals.parse_whole(levels) if to_int else numerals.parse(levels)
    return pd.Series(spread(column, values, 0 if to_int else np.nan), index=column.index, name=column.name)


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
        levels = levels_of(column)
        good = numerals.are_numbers(levels, plain=True)
        good = good & ~_lose_something(levels, numerals.are_whole(levels), to_float=False)
        if good.all():  # what only the whole column shows: its points may stand for thousands, or do in its table
            good = ~matching(levels, r"[.]")
    bad = np.flatnonzero(spread(column, ~good, False))
    fractions = kind == "int" and numerals.are_numbers(levels_of(column))[~good].all()
    example = f": {column.iloc[bad[0]]!r} in {rows_text(bad, column.index)}" if len(bad) else ""
    return DataError(
        f"{where}: column {column.name!r}: {len(bad)} of {len(column)} rows hold no "
        f"{'whole ' if fractions else ''}number{example}",
        hint=_number_hint(levels_of(column), str(column.name), numerals),
    )


_CURRENCY = r"(?:[$€£¥₹]|R\$|zł|kr\.?|[A-Z]{2,3}\$|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|BRL|Rs\.?)"

_AMOUNT = (
    rf"^{_SPACE}*{_CURRENCY}?{_SPACE}*(?P<open>\()?{_SPACE}*(?P<sign>[-+\x{{2212}}])?{_SPACE}*{_CURRENCY}?{_SPACE}*"
    rf"(?P<sign2>[-+\x{{2212}}])?{_SPACE}*(?P<n>[\d.,'\s\x{{00a0}}\x{{2009}}\x{{202f}}\x{{2019}}]*\d[\d.,]*)"
    rf"{_SPACE}*(?:{_CURRENCY}|%)?{_SPACE}*(?P<close>\))?{_SPACE}*$"
)

_MINUS = pa.array(["-", "\u2212"])


def amount_levels(levels: pa.Array) -> pa.Array:
    """$12.50, 12 €, 12 % and (12) → 12.50, 12, 12 and -12; null for what is none of these and no number."""
    found = pc.extract_regex(levels, pattern=_AMOUNT)
    part = {name: pc.struct_field(found, name) for name in ("open", "close", "sign", "sign2", "n")}
    given = {name: pc.not_equal(part[name], "") for name in part}
    bracketed = pc.and_(given["open"], given["close"])
    negative = pc.or_(bracketed, pc.or_(pc.is_in(part["sign"], _MINUS), pc.is_in(part["sign2"], _MINUS)))
    n = pc.utf8_trim_whitespace(part["n"])
    signed = pc.if_else(negative, pc.binary_join_element_wise("-", n, ""), n)
    return pc.if_else(pc.equal(given["open"], given["close"]), signed, pa.scalar(None, pa.string()))


def to_amounts(column: Column, where: str, numerals: Numerals) -> Column:
    """A column of amounts of money or percentages as float64. Raises `DataError` with the rows that hold none."""
    column = set_missing(column, [*MISSING_NUMBERS, "-"])
    bare = amount_levels(levels_of(column)).fill_null("")
    good = numerals.are_numbers(bare)
    if not good.all():
        raise not_numeric_error(column, where, good, numerals=numerals)
    return pd.Series(spread(column, numerals.parse(bare), np.nan), index=column.index, name=column.name)


def are_amounts(column: Column, numerals: Numerals) -> bool:
    """Whether a column holds no plain numbers, but amounts of money, percentages, or numbers in parentheses."""
    levels = levels_of(set_missing(column, [*MISSING_NUMBERS, "-"]))
    return bool(len(levels)) and bool(numerals.are_numbers(amount_levels(levels).fill_null("")).all())


_PARTED = rf"\d[{''.join(_BETWEEN.values())}]\d{{3}}(\D|$)"
"""Thousands with a space or an apostrophe before them."""

_CODED = r"^[1-9]\d{0,2}( \d{3})+$"


def may_be_codes(column: Column) -> bool:
    """Whether all texts of a column are like 12 345 and of one length: whole numbers, or codes written in parts."""
    levels = levels_of(set_missing(column, MISSING_NUMBERS))
    alike = len(pc.unique(pc.utf8_length(levels))) == 1
    return alike and bool(matching(levels, _CODED).all())


def number_styles(column: Column, *, target: bool = False) -> list[Numerals]:
    """All ways in which every text of a column, plain or an amount, is a number with a comma, or with points, spaces or
    apostrophes between thousands.

    1,201 beside 901: with a decimal comma, or one between thousands. None where there is no such sign, a list of
    two months such as 1,7, or what `may_be_codes`, unless it is the `target`.
    """
    levels = levels_of(set_missing(column, [*MISSING_NUMBERS, "-"]))
    bare = amount_levels(levels).fill_null("")
    if not len(levels) or not matching(bare, r"\d").all() or matching(levels, "^(1[0-2]|[1-9]),(1[0-2]|[1-9])$").all():
        return []
    if matching(bare, _PARTED).any():
        if may_be_codes(column) and not target:
            return []
        return [
            style
            for style in (Numerals(point, sign) for sign in _BETWEEN for point in (".", ","))
            if style.are_numbers(bare).all() and not _lose_something(bare, style.are_whole(bare), to_float=False).any()
        ]
    if not matching(bare, ",").any():
        if _maybe_thousands(bare, PLAIN):
            return [Numerals(",", "."), PLAIN]
        grouped = Numerals(",", ".")
        return [grouped] if not PLAIN.are_numbers(bare).all() and grouped.are_numbers(bare).all() else []
    styles = [Numerals(",")] if Numerals(",").are_numbers(bare).all() else [Numerals(",", ".")]
    if not matching(bare, r"^-?0,").any():
        styles.append(Numerals(".", ","))
    return [style for style in styles if style.are_numbers(bare).all()]


def decimal_comma(column: Column) -> Numerals | None:
    """How the column's numbers are written if it is with a decimal comma, as in 1.234,5 and 1 234,5; else None."""
    levels = levels_of(set_missing(column, MISSING_NUMBERS))
    comma = matching(levels, ",")
    if not comma.any() or matching(levels, "^(1[0-2]|[1-9]),(1[0-2]|[1-9])$").all():  # none, or lists of two months
        return None
    for style in (Numerals(","), Numerals(",", "."), Numerals(",", " "), Numerals(",", "'")):
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
    styles += [Numerals(".", "'"), Numerals(",", "'")]
    found = [s for s in styles if s.are_numbers(levels).all()]
    plain = {s for s in found if s.thousands is None}
    found = [s for s in found if not (s.thousands and replace(s, thousands=None) in plain)]  # the simpler one does
    texts = [_style_text(s) for s in found]
    if _maybe_thousands(levels, numerals):
        texts = ['`decimal: ","` and `thousands: "."`', f"`dtypes: {{{name}: float}}` if the points are decimal points"]
    if texts:
        return "for this table set " + ", or ".join(texts)
    if any(s.are_numbers(amount_levels(levels).fill_null("")).all() for s in (numerals, *styles)):
        return f"for amounts of money and percentages set `dtypes: {{{name}: amount}}` for this table"
    return "correct the values, or list those that mean missing: `missing: [...]` for this table"


def _style_text(style: Numerals) -> str:
    parts = [f'`decimal: "{style.decimal}"`'] if style.decimal != "." else []
    parts += [f'`thousands: "{style.thousands}"`'] if style.thousands else []
    return " and ".join(parts)


# ------------------------------------------------------------------------------------------- inference


def numerals_of(spec: Table) -> Numerals:
    """How the table writes numbers."""
    return Numerals(spec.decimal, spec.thousands)


def infer(column: Column, spec: Table) -> Column:
    """A column of texts as numbers, bools or dates if every value is one for sure, else as it is."""
    column = set_missing(column, ["", *spec.missing])
    sure = set_missing(column, MISSING_NUMBERS)
    levels = levels_of(sure)
    if not len(levels):
        return column if len(column.cat.categories) else pd.Series(np.nan, index=column.index, name=column.name)
    numbers = _inferred_numbers(sure, levels, numerals_of(spec))
    if numbers is not None:
        return numbers
    if {*sure.cat.categories} <= {*BOOLS}:
        flags = np.array([BOOLS[t] for t in sure.cat.categories])
        values = spread(sure, flags, False) if sure.notna().all() else spread(sure, flags.astype(float), np.nan)
        return pd.Series(values, index=column.index, name=column.name)
    if spec.date_format is None and matching(levels, ISO).all():
        dates = parse_dates(levels, spec)
        if not np.isnat(dates).any():
            moments = spread(sure, dates, np.datetime64("NaT", "us"))
            return pd.Series(moments, index=column.index, name=column.name)
    return column
