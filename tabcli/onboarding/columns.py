"""What a single column is: a flag, a number of the row, a part of the date, a sum of others, a key by its name."""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tabcli.features.dates import date_parts
from tabcli.tables.kinds import is_number, is_whole, kind_of

MAX_SUMMANDS, FEW_CODES, MANY_ROWS = 12, 5, 5

TARGETS = re.compile(
    r"(^|_)(sales?|sold|units?|demand|quantity|qty|revenue|turnover|umsatz|absatz|menge|target|y)($|_)"
)

COUNTS = re.compile(
    r"(^|_)(log_?|ln_?)?(moves?|movement|volume|count|cnt|rides|trips|rentals|passengers|visitors|load|consumption)($|_)"
)
"""Names of targets, too, but where a column has one of `TARGETS` they stand back."""

_PRICES = re.compile(r"price|preis|(^|_)(rate|percent|pct|share|discount|rabatt|ratio|cost)($|_)")
"""Names of what is no amount of anything: a price of a unit is no number of units."""

_LOGARITHMS = re.compile(
    r"(^|_)(log1?p?|ln|log_of)_?(sales?|units?|demand|quantity|qty|revenue|turnover|umsatz|absatz|menge|y|moves?|"
    r"movement|volume|count|cnt|price|amount|value)($|_)"
)
LARGEST_LOGARITHM = 40

PLANS = re.compile(r"holiday|calendar|feiertag|kalender|promo|event")

CALENDARS = re.compile(rf"{PLANS.pattern}|price|preis")

KEYS = re.compile(
    r"(^|_)(id|nr|nbr|code|key|sku|ean|upc|zip|plz|store|shop|dept|item|article|customer|invoice|product|receipt|"
    r"ticket|basket|transaction|beleg|bon)($|_)"
)

THINGS = re.compile(
    r"(^|_)(store|shop|branch|outlet|filiale|market|region|country|location|item|product|article|artikel|sku|dept|"
    r"department|category|brand|family|group|type)s?($|_)|(^|_)stock_?(code|id|no|nr)($|_)"
)

_ROW_NUMBERS = re.compile(
    r"(unnamed_?\d*|index|idx|row|row_?(id|nr|no|num|number|names?)|rownames|n|id|line|nr|no|x|x1)?"
)


def not_a_target(table: pd.DataFrame, column: str, date: str) -> str | None:
    """Why a column of numbers cannot be the target: it numbers the rows, is a key, a flag, …; None where it can."""
    values = table[column]
    if values.nunique() <= 1:
        return "one value only"
    if is_row_number(values):
        return "a number of the row"
    name = snake_case(column)
    few = values.nunique() <= len(values) / MANY_ROWS
    if (values.dropna() % 1 == 0).all() and (is_key(column) or (few and THINGS.search(name) and not is_amount(column))):
        return "a key by its name"
    if is_flag(values):
        return "a flag of 0 and 1"
    named = is_amount(column)  # a line of sale seldom has more than a few pieces
    if not named and is_whole(values) and values.min() > 0 and values.nunique() <= FEW_CODES < len(values) / 20:
        return "a code of few values"
    return "a part of the date" if part_of_date(values, table[date]) else None


def is_amount(column: str) -> bool:
    """Whether a column has a target's name; a price of a unit has none."""
    name = snake_case(column)
    return bool(TARGETS.search(name) or COUNTS.search(name)) and not _PRICES.search(name)


def is_key(column: str) -> bool:
    """Whether a column is a key by its name, such as an invoice's number, and no amount."""
    name = snake_case(column)
    return bool(KEYS.search(name)) and not (is_amount(column) and not re.search(r"(^|_)(id|nr|nbr|code|key)$", name))


def is_price(column: str) -> bool:
    """Whether a column is a price, a share or a rate by its name, which is a target only where nothing else is."""
    return bool(_PRICES.search(snake_case(column)))


def is_logarithm(column: pd.Series) -> bool:
    """Whether a column holds logarithms: by its name, and small numbers that are not whole."""
    named = bool(_LOGARITHMS.search(snake_case(str(column.name))))
    return named and not is_whole(column) and bool(column.abs().max() < LARGEST_LOGARITHM)


def is_flag(column: pd.Series) -> bool:
    """Whether a column is a bool, or its values are 0 and 1: both of them, and no other."""
    if is_number(column):
        return {*pd.unique(column.dropna()).tolist()} == {0, 1}
    return kind_of(column) == "bool"


def is_row_number(column: pd.Series) -> bool:
    """Whether a column counts the rows of the file, or of parts of it."""
    if not is_whole(column) or len(column) < 3:
        return False
    steps = np.diff(column.to_numpy())
    return bool(column.is_unique and (steps == 1).mean() >= 0.9) or (
        bool(_ROW_NUMBERS.fullmatch(snake_case(str(column.name)).strip("_"))) and bool((steps == 1).mean() >= 0.5)
    )


def part_of_date(column: pd.Series, dates: pd.Series) -> tuple[str, int] | None:
    """The part of the date that a column of whole numbers is, and what is added to it."""
    if not is_whole(column) or column.nunique() < 2:
        return None
    some = np.unique(np.linspace(0, len(column) - 1, 200).astype("int64"))
    if len(column) > len(some) and part_of_date(column.iloc[some], dates.iloc[some]) is None:
        return None
    parts = date_parts(dates, "", time=True)
    for part in ("Year", "Month", "Week", "Day", "Dayofweek", "Dayofyear", "Hour"):
        shift = int(column.iloc[0]) - int(parts[part].iloc[0])
        sure = column.nunique() > 2 or shift == 0 or (part == "Year" and bool(_YEARS.fullmatch(str(column.name))))
        if sure and (column.to_numpy() - parts[part].to_numpy() == shift).all():
            return part, shift
    return None


_YEARS = re.compile(r"(?i)ye?a?r|jahr|year_?(nr|no|num|number)?|ann[eé]e|an|a[nñ]o")
"""So is a column of two years called that may be numbered, as 0 and 1."""


def runs_with(column: pd.Series, dates: pd.Series) -> bool:
    """Whether a column of numbers is the date in other words: a count of steps, or 2015.5 for its middle."""
    there = column.notna()
    values, moments = column[there].to_numpy(dtype="float64"), dates[there].to_numpy().astype("int64")
    if len(values) < 3 or np.ptp(values) == 0 or np.ptp(moments) == 0:
        return False
    return bool(np.corrcoef(values, moments)[0, 1] > STRAIGHT)


STRAIGHT = 0.9999
"""From this correlation on: that of the months of one year with their first days."""


def parts_of_sum(table: pd.DataFrame, whole: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Two to four of the columns that add up to the column `whole`, in nearly every row; () where none do."""
    others = [c for c in columns if c != whole and not is_flag(table[c])][:MAX_SUMMANDS]
    values = table[[whole, *others]].to_numpy(dtype="float64")
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) < 10:
        return ()
    near = values[np.linspace(0, len(values) - 1, 10).astype("int64")]
    for size in (2, 3, 4):
        for chosen in combinations(range(1, len(others) + 1), size):
            if np.allclose(near[:, chosen].sum(axis=1), near[:, 0], rtol=1e-3, atol=0.02):
                sums = values[:, chosen].sum(axis=1)
                close = np.isclose(sums, values[:, 0], rtol=1e-3, atol=0.02)
                if close.mean() > 0.99 and (values[:, chosen] != 0).any(axis=0).sum() >= 2:
                    return tuple(others[i - 1] for i in chosen)
    return ()


def snake_case(name: str) -> str:
    """A column's name in small letters, its words separated by `_`.

    >>> snake_case("ShelfPrice"), snake_case("list price")
    ('shelf_price', 'list_price')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", name).lower()


def is_regular(dates: pd.Series) -> bool:
    """Whether most neighbouring dates are one step apart, as in a weekly table; not so in a list of holidays."""
    gaps = np.diff(np.sort(dates.dropna().unique()))
    return len(gaps) > 3 and bool((gaps == gaps.min()).mean() >= 0.8)


def is_measured(column: pd.Series) -> bool:
    """Whether a column holds amounts rather than names or flags."""
    return is_number(column) and column.nunique() > 2


def shown_columns(table: pd.DataFrame) -> str:
    """The columns with a value of each."""
    shown = [f"{c} ({table[c].dropna().iloc[0]!s:.20})" for c in table.columns[:6] if table[c].notna().any()]
    return ", ".join(shown) + (", …" if len(table.columns) > 6 else "")


def by_series(table: pd.DataFrame, series: Sequence[str]) -> Any:
    """The rows grouped by series; in one group where there is one series only."""
    return table.groupby(list(series) or np.zeros(len(table), dtype="int64"), sort=False, observed=True)
