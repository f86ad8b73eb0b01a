"""What drives a forecast: how much it changes without what a source tells, and why next week is not like the last."""

from dataclasses import dataclass

import pandas as pd

from tabcli.config.values import Duration
from tabcli.explanation.importance import Importance, importance_of
from tabcli.explanation.seen import SeenRows
from tabcli.reports.report_rows import COLUMN, ReportRows
from tabcli.reports.why import Why, few_networks, why_of
from tabcli.tables.contract import DataSource

MOST_ROWS, REPEATS = 4000, 2
"""On so many rows importance is measured, each source exchanged so often: enough for a report, and soon done."""


@dataclass(frozen=True)
class Part:
    """A part of what all explained series have more than the week before: in the target's unit, and as a share."""

    name: str
    value: float
    share: float


@dataclass(frozen=True)
class Drives:
    """`importance`: of each source for the rows to forecast. `why`: None where there is no week before.

    `first`: the first day of next week. `week`, `before`: what the explained series have then and had the week before;
    `parts`: what the difference is made of, the largest first.
    """

    importance: Importance
    why: Why | None
    first: str
    week: float
    before: float
    parts: tuple[Part, ...]


def drives_of(rows: ReportRows, data: DataSource | None, horizon: Duration | None) -> Drives | None:
    """None where nothing is forecast, or all of it is 0 by rule. `horizon`: as in `report_rows`."""
    if rows.prediction is None or rows.forecast["zero"].all():
        return None
    seen = SeenRows.of_forecast(few_networks(rows.run), rows.prediction.applied, _past(rows))
    importance = importance_of(seen, repeats=REPEATS, most_rows=MOST_ROWS)
    why, first = why_of(rows, data, horizon), str(rows.forecast["date"].min().date())
    if why is None:
        return Drives(importance, None, first, 0.0, 0.0, ())
    sums, before = why.values.sum(axis=0).tolist(), float(why.before.sum())
    parts = [Part(n, v, v / before if before else 0.0) for n, v in zip(why.parts, sums, strict=True)]
    return Drives(importance, why, first, before + sum(sums), before, tuple(sorted(parts, key=lambda p: -abs(p.value))))


def _past(rows: ReportRows) -> pd.DataFrame | None:
    """The train table's columns that are known in advance, with the dates."""
    if rows.known is None:
        return None
    known = rows.known.filter(like=COLUMN).rename(columns=lambda c: c.removeprefix(COLUMN))
    return known.assign(**{rows.run.fitted.config.date: rows.known["date"]})
