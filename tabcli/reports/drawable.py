"""The single series of a report as integers that its script draws: small enough to stand in the page."""

import base64
from dataclasses import dataclass

import numpy as np

from tabcli.arrays import FloatArray, IntArray
from tabcli.cards.segments import moment_text
from tabcli.reports.findings import SeriesTotal
from tabcli.reports.report_rows import ReportRows

MOST_NUMBERS = 500_000
"""So many numbers are embedded, of the largest series first; each takes 2.7 bytes."""

SHORTEST_PAST, LONGEST_PAST = 28, 400
"""How many steps of the past are drawn, at least and at most; between these twice the horizon."""

TOP, GONE = 32_000, -32_768
"""The largest size of a number, and what stands for one that is missing."""


@dataclass(frozen=True)
class Drawable:
    """The numbers of each series, as little-endian int16 in base64: actual, forecast, low, high, one after the other.

    `names`: of the series, the largest first. `dates`: of all steps, of which the first `n_past` are known. `units`:
    what an integer of each series is worth.
    """

    names: list[str]
    dates: list[str]
    n_past: int
    units: list[float]
    numbers: str


def drawable(rows: ReportRows, series: tuple[SeriesTotal, ...]) -> Drawable:
    """The largest series, as many as `MOST_NUMBERS` allow."""
    fitted = rows.run.fitted
    end, frequency = fitted.split.valid_end, fitted.frequency
    horizon = int(rows.forecast["ahead"].max())
    n_past = min(max(2 * horizon, SHORTEST_PAST), LONGEST_PAST)
    kept = [s.number for s in series[: max(1, MOST_NUMBERS // (n_past + 3 * horizon))]]
    place = np.full(len(rows.names), -1, dtype="int64")
    place[kept] = np.arange(len(kept))
    actual = np.full((len(kept), n_past), np.nan)
    source = rows.known if rows.known is not None else rows.past
    if source is not None:
        ago = frequency.ago(source["date"], end)
        at = place[source["series"].to_numpy(dtype="int64")]
        seen = (ago >= 0) & (ago < n_past) & (at >= 0)
        actual[at[seen], n_past - 1 - ago[seen]] = source["actual"].to_numpy(dtype="float64")[seen]
    at, ahead = place[rows.forecast["series"].to_numpy(dtype="int64")], rows.forecast["ahead"].to_numpy(dtype="int64")
    tables = [
        actual,
        *(_grid(rows.forecast[c].to_numpy("float64"), at, ahead, horizon) for c in ("value", "low", "high")),
    ]
    table = np.concatenate(tables, axis=1)[:, : n_past + 3 * horizon].reshape(len(kept), n_past + 3 * horizon)
    table = table.reshape(len(kept), -1)
    units = _units(table)
    numbers = np.where(np.isnan(table), GONE, np.round(np.nan_to_num(table) / units[:, None])).astype("<i2")
    dates = [moment_text(frequency.after(end, k)) for k in range(1 - n_past, horizon + 1)]
    text = base64.b64encode(numbers.tobytes()).decode("ascii")
    return Drawable([rows.names[k] for k in kept], dates, n_past, units.tolist(), text)


def _grid(values: FloatArray, at: IntArray, ahead: IntArray, horizon: int) -> FloatArray:
    """Values (n,) of series and steps ahead → float64 (series, horizon), NaN where there is no row."""
    kept = at >= 0
    grid = np.full((int(at.max()) + 1, horizon), np.nan)
    grid[at[kept], ahead[kept] - 1] = values[kept]
    return grid


def _units(table: FloatArray) -> FloatArray:
    """A power of ten for each row of the table, so that its largest number is at most `TOP`, float64 (n,)."""
    largest = np.nanmax(np.abs(np.where(np.isnan(table), 0.0, table)), axis=1)
    return np.asarray(10.0 ** np.ceil(np.log10(np.maximum(largest, 1e-12) / TOP)))
