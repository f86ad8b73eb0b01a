"""What is already in the number: how many rows of the forecast have a promotion, a holiday, a closing day.

People who see a forecast add what they know of, though it is in there.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray
from tabcli.cards.segments import texts_of
from tabcli.config.card import FEW_VALUES
from tabcli.reports.before import last_year_rows
from tabcli.reports.judged import is_weekday
from tabcli.reports.report_rows import COLUMN, ReportRows
from tabcli.tables.rows import matches

MOST = 8
"""So many things are listed, those on most rows first."""


@dataclass(frozen=True)
class Planned:
    """Something that is known of the rows to forecast.

    `rows`: how many rows of the forecast have it; `share`: of all. `steps`: on how many different dates. `value`: what
    is forecast for these rows. `rows_then`: how many of the rows of the same days last year had it, of the series that
    are forecast; `share_then`: of those rows; None where last year is not known.
    """

    name: str
    rows: int
    share: float
    steps: int
    value: float
    rows_then: int | None
    share_then: float | None


def planned_of(rows: ReportRows) -> tuple[Planned, ...]:
    """The events of the config, then values of columns known in advance beside the usual one; rows that are 0 by rule.

    Each once: what is the same rows as something before it is left out.
    """
    if rows.prediction is None or rows.forecast.empty:
        return ()
    then = None if rows.known is None else last_year_rows(rows)
    if then is not None and 2 * int(then["actual"].notna().sum()) < len(then):
        then = None
    made: list[Planned] = []
    seen: list[BoolArray] = []
    for name, now, before in _things(rows, then):
        if now.any() or (before is not None and before.any()):
            if not any(np.array_equal(now, other) for other in seen):
                made.append(_planned(rows, name, now, before, then))
            seen.append(now)
    return tuple(sorted(made, key=lambda p: -max(p.rows, p.rows_then or 0))[:MOST])


def _planned(
    rows: ReportRows, name: str, now: BoolArray, before: BoolArray | None, then: pd.DataFrame | None
) -> Planned:
    forecast = rows.forecast
    known = 0 if then is None else int(then["actual"].notna().sum())
    n_then = None if before is None or then is None else int(before.sum())
    return Planned(
        name=name,
        rows=int(now.sum()),
        share=float(now.mean()),
        steps=int(forecast["date"][now].nunique()),
        value=float(forecast["value"][now].sum()),
        rows_then=n_then,
        share_then=None if n_then is None or not known else n_then / known,
    )


def _things(rows: ReportRows, then: pd.DataFrame | None) -> list[tuple[str, BoolArray, BoolArray | None]]:
    """Name, which rows of the forecast have it, and which of last year's rows had it (None where that is unknown)."""
    assert rows.prediction is not None
    config, table = rows.run.fitted.config, rows.prediction.applied.features.table
    past = None if then is None else then.filter(like=COLUMN).rename(columns=lambda c: c.removeprefix(COLUMN))
    found: list[tuple[str, BoolArray, BoolArray | None]] = []
    for name, event in config.features.events.items():
        now = matches(table, event.where, f"features.events.{name}")
        there = past is not None and set(event.where) <= set(past.columns)
        found.append((name, now, matches(past, event.where, name) if there and past is not None else None))
    zero = rows.forecast["zero"].to_numpy(dtype=bool)
    if config.forecast.zero_where:
        found.append(("forecast as 0 by rule", zero, None))
    for column in config.availability.known_in_advance:
        if column in table.stored:
            found += _values(column, texts_of(table[column]), rows, then)
    return found


def _values(
    column: str, texts: pd.Series, rows: ReportRows, then: pd.DataFrame | None
) -> list[tuple[str, BoolArray, BoolArray | None]]:
    """Each value of a column with few of them but the one that most rows have."""
    if texts.nunique() > FEW_VALUES or is_weekday(texts, rows.forecast["date"]):
        return []
    past = texts_of(then[COLUMN + column]) if then is not None and COLUMN + column in then else None
    usual = texts.mode()
    values = sorted({*texts.dropna().unique(), *(() if past is None else past.dropna().unique())})
    if len(values) > FEW_VALUES:
        return []
    return [
        (
            f"{column} {value}",
            (texts == value).to_numpy(dtype=bool),
            None if past is None else (past == value).to_numpy(dtype=bool),
        )
        for value in values
        if not len(usual) or value != usual.iloc[0]
    ]
