"""The columns of a forecast's quantiles and intervals: their names, and the level that a name says.

A forecast of *Sales* says how sure it is in columns beside the point forecast:

    column        holds                                level
    Sales_q10     the quantile that 10 % lie below     0.1
    Sales_q2.5                                         0.025
    Sales_lo80    where the central 80 % begin         0.1
    Sales_hi80    where they end                       0.9

Each such column is a bound. Imports nothing heavy.
"""

import re
from collections.abc import Iterable

from tabcli.errors import UsageError

DIGITS = 12
"""Levels that differ only beyond so many digits are one: (1 − 0.8) / 2 is 0.1."""


def percent_text(share: float) -> str:
    """A level or a share of the rows as it stands in a column's name, without its sign.

    Raises `UsageError` unless it is a number between 0 and 1, also when written with six digits.

    >>> percent_text(0.1), percent_text(0.025)
    ('10', '2.5')
    """
    text = f"{100 * share:g}"
    if not 0 < float(text) < 100:
        raise UsageError(f"{share:.12g} is no level of a quantile or an interval: expected a number between 0 and 1")
    return text


def quantile_column(target: str, level: float) -> str:
    """The column with the quantile of a level.

    >>> quantile_column("Sales", 0.5)
    'Sales_q50'
    """
    return f"{target}_q{percent_text(level)}"


def interval_columns(target: str, share: float) -> tuple[str, str]:
    """The columns with the lower and the upper bound of the central interval that holds a share of the rows.

    >>> interval_columns("Sales", 0.8)
    ('Sales_lo80', 'Sales_hi80')
    """
    text = percent_text(share)
    return f"{target}_lo{text}", f"{target}_hi{text}"


def interval_levels(share: float) -> tuple[float, float]:
    """The levels of the bounds of a central interval.

    >>> interval_levels(0.8)
    (0.1, 0.9)
    """
    return round((1 - share) / 2, DIGITS), round((1 + share) / 2, DIGITS)


_NUMBER = r"\d+(?:\.\d+)?(?:e-\d+)?"


def level_of(column: str, target: str) -> float | None:
    """The level of a column with a quantile of the target or a bound of its interval; of any other column None."""
    found = re.fullmatch(rf"{re.escape(target)}_(q|lo|hi)({_NUMBER})", column)
    if found is None or not 0 < float(found[2]) < 100:
        return None
    share = round(float(found[2]) / 100, DIGITS)
    low, high = interval_levels(share)
    return {"q": share, "lo": low, "hi": high}[found[1]]


def bounds_in(columns: Iterable[object], target: str) -> dict[str, float]:
    """Column → level of those that hold a quantile of the target or a bound of an interval; the lowest level first.

    >>> bounds_in(["day", "Sales", "Sales_hi80", "Sales_lo80", "Sales_q50"], "Sales")
    {'Sales_lo80': 0.1, 'Sales_q50': 0.5, 'Sales_hi80': 0.9}
    """
    levels = {c: level_of(c, target) for c in columns if isinstance(c, str)}
    found = [(level, column) for column, level in levels.items() if level is not None]
    return {column: level for level, column in sorted(found)}


def is_quantile(column: str) -> bool:
    """Whether a column of `bounds_in` is a quantile, not a bound of an interval."""
    return column.rpartition("_")[2].startswith("q")


def intervals_in(columns: Iterable[object], target: str) -> dict[float, tuple[str, str]]:
    """Share of the rows → the columns with the lower and upper bound of each central interval, the narrowest first.

    Where there is no such pair of bounds, two quantiles whose levels are as far from 0 as from 1 are an interval too.

    >>> intervals_in(["Sales_q10", "Sales_q50", "Sales_q90", "Sales_lo95", "Sales_hi95"], "Sales")
    {0.8: ('Sales_q10', 'Sales_q90'), 0.95: ('Sales_lo95', 'Sales_hi95')}
    """
    bounds = bounds_in(columns, target)
    found: dict[float, tuple[str, str]] = {}
    for quantiles in (True, False):  # the bounds of an interval itself come last, and count
        by_level = {level: c for c, level in bounds.items() if is_quantile(c) == quantiles}
        for level, column in by_level.items():
            opposite = by_level.get(round(1 - level, DIGITS))
            if level < 0.5 and opposite is not None:
                found[round(1 - 2 * level, DIGITS)] = column, opposite
    return dict(sorted(found.items()))


def point_column(columns: Iterable[object]) -> str:
    """The last column that is no quantile and no bound of another one: the target, where predict wrote the table.

    >>> point_column(["id", "Sales", "Sales_q10", "Sales_q90"])
    'Sales'
    """
    names = [str(c) for c in columns]
    of_others = {bound for c in names for bound in bounds_in(names, c)}
    return [c for c in names if c not in of_others][-1]
