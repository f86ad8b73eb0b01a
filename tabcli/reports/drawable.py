"""The single series of a report as integers that its script draws: small enough to stand in the page."""

import base64
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.cards.segments import moment_text
from tabcli.config.schema import ONE_SERIES
from tabcli.reports.report_rows import ReportRows
from tabcli.reports.series import SeriesTotal
from tabcli.reports.why import Why

MOST_NUMBERS = 800_000
"""So many numbers are embedded, of the largest series first; each takes 2.7 bytes."""

SHORTEST_PAST, LONGEST_PAST = 28, 400
"""How many steps of the past are drawn, at least and at most; between these twice the horizon."""

TOP, GONE = 32_000, -32_768
"""The largest size of a number, and what stands for one that is missing."""

Week = tuple[float | None, float | None, float | None]
"""The forecast of seven days and its interval of 80 %."""


@dataclass(frozen=True)
class Drawable:
    """The numbers of each series, as little-endian int16 in base64: what happened and what was forecast of each step of
    the past, then forecast, low and high of each step to come, one after the other.

    `names`: of the series, the largest first. `dates`: of all steps, of which the first `n_past` are known. `units`:
    what an integer of each series is worth. `by`: what tells series apart. `week_starts`: the first days of the weeks
    to come, `week_days` how many days each has; `weeks`: those of each series; `week_before`: what the seven days
    before them had; `off`: how far past forecasts were off. `why`: what makes the difference between next week and the
    week before, a number for each of the `why_parts`, None for a series that is not explained; `why_days`: see
    `Why.days`.
    """

    names: list[str]
    dates: list[str]
    n_past: int
    units: list[float]
    numbers: str
    by: str
    week_starts: list[str]
    week_days: list[int]
    weeks: list[list[Week]]
    week_before: list[float | None]
    off: list[float | None]
    why_parts: list[str]
    why: list[list[float] | None]
    why_days: list[list[tuple[int, int]] | None]


def drawable(rows: ReportRows, series: tuple[SeriesTotal, ...], why: Why | None) -> Drawable:
    """The largest series, as many as `MOST_NUMBERS` allow; where nothing is forecast, those of past windows."""
    fitted = rows.run.fitted
    end, frequency = fitted.split.valid_end, fitted.frequency
    horizon = 0 if rows.forecast.empty else int(rows.forecast["ahead"].max())
    n_past = min(max(2 * (horizon or fitted.horizon), SHORTEST_PAST), LONGEST_PAST)
    most = max(1, MOST_NUMBERS // (2 * n_past + 3 * horizon))
    kept = ([s.number for s in series] if len(series) else _of_past(rows))[:most]
    place = np.full(len(rows.names), -1, dtype="int64")
    place[kept] = np.arange(len(kept))
    shape = (len(kept), n_past)
    tables = [*_past_tables(rows, place, shape), *_coming_tables(rows, place, (len(kept), horizon))]
    table = np.concatenate(tables, axis=1)
    units = _units(table)
    numbers = np.where(np.isnan(table), GONE, np.round(np.nan_to_num(table) / units[:, None])).astype("<i2")
    own = {s.number: s for s in series}
    starts = dict(sorted({(w.first, w.days) for s in series for w in s.weeks}))
    by = "" if fitted.config.series == (ONE_SERIES,) else ", ".join(fitted.config.series)
    return Drawable(
        names=[rows.names[k] for k in kept],
        dates=[moment_text(frequency.after(end, k)) for k in range(1 - n_past, horizon + 1)],
        n_past=n_past,
        units=units.tolist(),
        numbers=base64.b64encode(numbers.tobytes()).decode("ascii"),
        by=by,
        week_starts=list(starts),
        week_days=list(starts.values()),
        weeks=[_weeks(own[k], list(starts)) for k in kept if k in own],
        week_before=[own[k].week_before for k in kept if k in own],
        off=[own[k].wape for k in kept if k in own],
        **_why(why, kept),
    )


def _of_past(rows: ReportRows) -> list[int]:
    """The series of past windows, those with the largest sums first."""
    if rows.past is None:
        return []
    sums = rows.past.groupby("series")["actual"].sum().sort_values(ascending=False, kind="stable")
    return [int(str(k)) for k in sums.index]


def _past_tables(rows: ReportRows, place: IntArray, shape: tuple[int, int]) -> list[FloatArray]:
    """What happened, and what was forecast of it, float64 (series, n_past) each, NaN where that is not known."""
    made = [_past_grid(rows, rows.known if rows.known is not None else rows.past, "actual", place, shape)]
    return [*made, _past_grid(rows, rows.past, "forecast", place, shape)]


def _past_grid(
    rows: ReportRows, table: pd.DataFrame | None, column: str, place: IntArray, shape: tuple[int, int]
) -> FloatArray:
    grid = np.full(shape, np.nan)
    if table is None:
        return grid
    ago = rows.run.fitted.frequency.ago(table["date"], rows.run.fitted.split.valid_end)
    at = place[table["series"].to_numpy(dtype="int64")]
    seen = (ago >= 0) & (ago < shape[1]) & (at >= 0)
    grid[at[seen], shape[1] - 1 - ago[seen]] = table[column].to_numpy(dtype="float64")[seen]
    return grid


def _coming_tables(rows: ReportRows, place: IntArray, shape: tuple[int, int]) -> list[FloatArray]:
    """Forecast, low and high, float64 (series, horizon) each, NaN where there is no row."""
    made = []
    for column in ("value", "low", "high"):
        grid = np.full(shape, np.nan)
        if shape[1]:
            at = place[rows.forecast["series"].to_numpy(dtype="int64")]
            ahead = rows.forecast["ahead"].to_numpy(dtype="int64")
            grid[at[at >= 0], ahead[at >= 0] - 1] = rows.forecast[column].to_numpy(dtype="float64")[at >= 0]
        made.append(grid)
    return made


def _units(table: FloatArray) -> FloatArray:
    """A power of ten for each row of the table, so that its largest number is at most `TOP`, float64 (n,)."""
    largest = np.max(np.abs(np.where(np.isnan(table), 0.0, table)), axis=1, initial=0.0)
    return np.asarray(10.0 ** np.ceil(np.log10(np.maximum(largest, 1e-12) / TOP)))


def _weeks(series: SeriesTotal, starts: list[str]) -> list[Week]:
    """The weeks of a series, six digits each; None where it has no row."""
    of = {w.first: (_digits(w.value), _digits(w.low), _digits(w.high)) for w in series.weeks}
    return [of.get(start, (None, None, None)) for start in starts]


class _Parts(TypedDict):
    """A part's fields of `Drawable`."""

    why_parts: list[str]
    why: list[list[float] | None]
    why_days: list[list[tuple[int, int]] | None]


def _why(why: Why | None, kept: list[int]) -> _Parts:
    """The parts of each series' change, six digits each."""
    if why is None:
        return {"why_parts": [], "why": [], "why_days": []}
    at = {int(k): i for i, k in enumerate(why.series)}
    values = [None if k not in at else [float(f"{v:.6g}") for v in why.values[at[k]]] for k in kept]
    days = [None if k not in at else [(int(a), int(b)) for a, b in why.days[at[k]]] for k in kept]
    return {"why_parts": list(why.parts), "why": values, "why_days": days}


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
