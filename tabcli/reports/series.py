"""Each single series of a report: its sum over the whole forecast and by week, beside its own past."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.cards.segments import GroupScore, scores_by
from tabcli.evaluation.quantiles import interval_columns
from tabcli.forecasting.totals import weeks_from
from tabcli.reports.before import Before
from tabcli.reports.report_rows import ReportRows
from tabcli.training.past import HELD


@dataclass(frozen=True)
class WeekSum:
    """Seven days of a series, or the last days of a forecast. `low`, `high`: of 80 %, None where unknown."""

    first: str
    days: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SeriesTotal:
    """A series over the whole forecast.

    `before`: the sum of its own past that the forecast is compared with, None where there is none; `change`: the
    forecast ÷ `before`, − 1. `wape`, `bias`: of past windows, None where unknown. `weeks`: of seven days each, for
    steps shorter than a week. `week_before`: what the seven days before the first of them had, None where unknown.
    """

    number: int
    name: str
    value: float
    low: float | None
    high: float | None
    before: float | None
    change: float | None
    wape: float | None
    bias: float | None
    weeks: tuple[WeekSum, ...]
    week_before: float | None


def series_of(rows: ReportRows, before: Before | None) -> tuple[SeriesTotal, ...]:
    """Every series that is forecast, the largest first."""
    sums = rows.forecast.groupby("series")["value"].sum()
    bounds, scores, weeks, week_before = _bounds(rows), _scores(rows), _weeks(rows), _week_before(rows)
    made = []
    for number, value in sums.sort_values(ascending=False, kind="stable").items():
        k = int(str(number))
        low, high = bounds.get(k, (None, None))
        then = None if before is None or k not in before.sums.index else float(before.sums[k])
        then = then if then is not None and then > 0 else None
        score = scores.get(k)
        made.append(
            SeriesTotal(
                number=k,
                name=rows.names[k],
                value=float(value),
                low=low,
                high=high,
                before=then,
                change=None if then is None else float(value) / then - 1,
                wape=None if score is None else score.wape,
                bias=None if score is None else score.bias,
                weeks=weeks.get(k, ()),
                week_before=week_before.get(k),
            )
        )
    return tuple(made)


def _bounds(rows: ReportRows) -> dict[int, tuple[float, float]]:
    """The interval of each series' sum, by its number."""
    if "series" not in rows.totals:
        return {}
    table = rows.totals["series"]
    low, high = (table[c].tolist() for c in interval_columns(rows.run.fitted.config.target.column, HELD))
    return {int(k): (float(a), float(b)) for k, a, b in zip(table["group"], low, high, strict=True)}


def _scores(rows: ReportRows) -> dict[int, GroupScore]:
    """What past windows say of each series, by its number."""
    if rows.past is None:
        return {}
    numbers = rows.past["series"].to_numpy(dtype="int64")
    return {int(s.name): s for s in scores_by(rows.past, numbers, [str(i) for i in range(len(rows.names))])}


def _weeks(rows: ReportRows) -> dict[int, tuple[WeekSum, ...]]:
    """Seven days each, by the number of the series; empty for steps of a week or more."""
    if rows.period != "day" or rows.forecast.empty:
        return {}
    target = rows.run.fitted.config.target.column
    if "week" in rows.totals:
        table = rows.totals["week"].rename(columns={"group": "series", target: "value"})
        table[["low", "high"]] = table[list(interval_columns(target, HELD))]
    else:
        starts = rows.forecast.assign(start=weeks_from(rows.forecast["date"]))
        table = starts.groupby(["series", "start"])["value"].sum().reset_index().assign(low=np.nan, high=np.nan)
    first = table["start"].dt.strftime("%Y-%m-%d")
    left = (rows.forecast["date"].max().normalize() - table["start"]).dt.days + 1
    days = left.clip(upper=7)
    made: dict[int, list[WeekSum]] = {}
    columns = (table[c].tolist() for c in ("series", "value", "low", "high"))
    for k, value, low, high, day, n in zip(*columns, first.tolist(), days.tolist(), strict=True):
        ends = (None, None) if np.isnan(low) else (float(low), float(high))
        made.setdefault(int(k), []).append(WeekSum(day, int(n), float(value), *ends))
    return {k: tuple(weeks) for k, weeks in made.items()}


def _week_before(rows: ReportRows) -> dict[int, float]:
    """What the seven days before the forecast had, by the number of the series."""
    if rows.period != "day" or rows.known is None or rows.forecast.empty or not rows.follows:
        return {}
    first = rows.forecast["date"].min().normalize()
    recent = rows.known[(rows.known["date"] < first) & (rows.known["date"] >= first - pd.Timedelta(days=7))]
    return {int(str(k)): float(v) for k, v in recent.groupby("series")["actual"].sum().items()}
