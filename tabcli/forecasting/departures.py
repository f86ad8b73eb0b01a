"""Forecasts far from what one would expect: from naive forecasts, from what their series had before."""

from collections.abc import Callable, Iterator

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.features.frequency import DAY, WEEK
from tabcli.forecasting.known import FEW, KnownTargets
from tabcli.forecasting.outputs import member_outputs
from tabcli.forecasting.reasons import SMALL, Reason, Reviewed, divided, number
from tabcli.training.floors import places_of

FAR = 4.0
"""A forecast is far from what it is compared with from so many usual distances on."""

OUTSIDE = 0.1
"""A forecast is outside its series' past from such a distance on the learned scale on."""


def far_from_naive(rows: Reviewed) -> Reason:
    """Naive forecasts, which stand beside the networks, far from these."""
    fitted, floor = rows.run.fitted, rows.run.floor
    networks = member_outputs(rows.run, rows.applied.encoded.table).mean(axis=0)
    places = places_of(fitted, rows.applied.encoded.table, rows.applied.rows[fitted.config.date])
    share = floor.share
    naive = (floor.outputs(networks, places) - (1 - share) * networks) / share
    value = fitted.target.inverse(naive)
    return _compared("naive", rows, networks - naive, value, lambda i: f"the naive forecast, {number(value[i])}")


def far_from_past(rows: Reviewed, known: KnownTargets) -> Iterator[Reason]:
    """Forecasts far from what their series had before, or outside of all of it."""
    frequency = rows.run.fitted.frequency
    place = "weekday" if frequency.seconds == DAY else "place in the season"
    place = "hour of the week" if frequency.seconds < DAY else place
    own = _scaled(rows, rows.values)
    for name, before, what in (
        ("last_year", known.last_year, "the same step last year"),
        *([("last_season", known.last_season, f"its last {FEW} of this {place}")] if frequency.seconds < WEEK else []),
    ):
        distance = own - _scaled(rows, before)
        yield _compared(name, rows, distance, before, lambda i, b=before, w=what: f"{w}, {number(b[i])}")  # type: ignore[misc]
    low, high = _scaled(rows, known.low), _scaled(rows, known.high)
    out = np.nan_to_num(np.maximum(np.maximum(own - high, low - own), 0.0) / OUTSIDE)
    edge = np.where(own > high, known.high, known.low)

    def words(i: int) -> str:
        side = "above" if own[i] > high[i] else "below"
        return f"{side} all its past ({number(known.low[i])} to {number(known.high[i])})"

    yield Reason("past_range", out * rows.open, np.round(divided(rows.values, edge), 2), words)


def _scaled(rows: Reviewed, values: FloatArray) -> FloatArray:
    """Targets on the learned scale, float64 (n,), NaN where it does not take them."""
    target = rows.run.fitted.target
    there = ~type(target).refused(target.kind, values)
    made = np.full(len(values), np.nan)
    made[there] = target.scaled(values[there])
    return made


def _compared(
    name: str, rows: Reviewed, distance: FloatArray, before: FloatArray, what: Callable[[int], str]
) -> Reason:
    """A forecast far from another number, `before` (n,): in the usual distances of these rows on the learned scale."""
    centre = rows.usual(distance)
    usual = max(1.4826 * rows.usual(np.abs(distance - centre)), SMALL / FAR)
    strength = np.nan_to_num(np.abs(distance - centre) / (FAR * usual))
    strength = np.where(rows.open & (np.abs(np.nan_to_num(distance)) >= SMALL), strength, 0.0)
    ratio = divided(rows.values, before)

    def words(i: int) -> str:
        if before[i] > 0 and rows.values[i] >= 0:
            return f"{abs(ratio[i] - 1):.0%} {'above' if ratio[i] >= 1 else 'below'} {what(i)}".replace("%", " %", 1)
        return f"far from {what(i)}"

    return Reason(name, strength, np.round(ratio, 2), words)
