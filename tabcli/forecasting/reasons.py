"""Reasons to look at a forecast row: how strongly each holds, and in words; those that need no other forecast."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, BoolArray, FloatArray
from tabcli.artifacts.contents import Run
from tabcli.artifacts.encoded_names import ROW, input_column
from tabcli.forecasting.bounds import quantiles_of, steps_ahead
from tabcli.forecasting.known import KnownTargets
from tabcli.forecasting.notes import far_values
from tabcli.forecasting.outputs import member_outputs
from tabcli.pipeline.apply import Applied
from tabcli.preprocessing.categorical import UNKNOWN
from tabcli.tables.kinds import plain_values

NEW, UNSEEN = 2.0, 1.5
"""The strengths of a series, and of another value, that training never saw."""

WIDE = 1.75
"""An interval is wide from so many times the usual width on."""

APART = 3.0
"""Networks disagree from so many times the usual spread on, where it is at least a quarter of `SMALL`."""

SMALL = 0.2
"""Smaller distances on the learned scale (of a log: 22 %) are never far."""

EDGE = 0.05
"""A number is outside what prep saw from this share of its range on."""


@dataclass(frozen=True)
class Reason:
    """Why n rows deserve a look.

    `name`: of its column. `strength`: float64 (n,), from 1 on where it holds. `values`: what the column says of a row,
    (n,). `words`: a row's number → the reason in words.
    """

    name: str
    strength: FloatArray
    values: AnyArray
    words: Callable[[int], str]

    @property
    def holds(self) -> BoolArray:
        """Of which rows it is a reason, bool (n,)."""
        found: BoolArray = self.strength >= 1
        return found


@dataclass(frozen=True)
class Reviewed:
    """n forecast rows: as they were `applied`, the `outputs` on the learned scale and forecasts (`values`), (n,) each.

    `open`: which are not 0 by rule. `known`: what their series had before; None without a train table.
    """

    run: Run
    applied: Applied
    outputs: FloatArray
    values: FloatArray
    open: BoolArray
    known: KnownTargets | None

    def usual(self, sizes: FloatArray) -> float:
        """The median of the rows that are not 0 by rule; 0 where there are none."""
        there = sizes[self.open & np.isfinite(sizes)]
        return float(np.median(there)) if len(there) else 0.0


def number(value: float) -> str:
    """A number of the target in words.

    >>> number(5263.4), number(0.04217), number(-12.3456)
    ('5,263', '0.0422', '-12.3')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def new_series(rows: Reviewed) -> Reason:
    new = rows.applied.encoded.table[ROW + "series"].to_numpy() < 0
    return Reason("new_series", np.where(new, NEW, 0.0), new, lambda _: "a series that training never saw")


def _own_codes(run: Run, applied: Applied) -> Iterator[tuple[str, BoolArray]]:
    """Each input that is a column of the tables, but no key of the series; and where it is unknown, bool (n,)."""
    own = {c for columns in run.fitted.contract.tables.values() for c in columns} - {*run.fitted.config.series}
    for column in run.fitted.preprocessor.categorical:
        if column in own and input_column(column) in applied.encoded.table:
            yield column, applied.encoded.table[input_column(column)].to_numpy() == UNKNOWN


def _texts(applied: Applied, column: str) -> pd.Series:
    """The values of a column with its name, (n,)."""
    texts = column + "=" + pd.Series(plain_values(applied.features.table[column])).astype("str")
    return texts.fillna(f"{column} missing")


def unseen(rows: Reviewed) -> Reason:
    """Values of categories that training never saw."""
    n = len(rows.values)
    texts, count = np.full(n, "", dtype=object), np.zeros(n)
    for column, unknown in _own_codes(rows.run, rows.applied):
        if unknown.any():
            _append(texts, unknown, _texts(rows.applied, column)[unknown])
            count += unknown
    strength = np.where(count > 0, UNSEEN + 0.25 * (count - 1), 0.0)
    return Reason("unseen_value", strength, texts, lambda i: f"{texts[i]}, which training never saw")


def _append(texts: AnyArray, at: BoolArray, parts: pd.Series) -> None:
    """Adds a part to the texts `at`, with a comma between parts; in place."""
    before = texts[at]
    texts[at] = np.where(before == "", "", before + ", ") + parts.to_numpy(dtype=object)


def beyond(rows: Reviewed) -> Reason:
    horizon = rows.run.fitted.horizon
    steps = np.maximum(steps_ahead(rows.run, rows.applied) - horizon, 0)
    return Reason(
        "steps_beyond",
        np.where(steps > 0, 1 + steps / horizon, 0.0),
        steps,
        lambda i: f"{steps[i]} steps beyond the {horizon} that training looked at",
    )


def outside_inputs(rows: Reviewed) -> Reason:
    """Numbers that lie outside those of the tables that prep read."""
    n = len(rows.values)
    texts, strength = np.full(n, "", dtype=object), np.zeros(n)
    for far in far_values(rows.applied, rows.run, EDGE):
        values = rows.applied.features.table[far.column].to_numpy(dtype="float64")
        parts = [f"{far.column}={v:g} (training saw {far.low:g} to {far.high:g})" for v in values[far.rows]]
        _append(texts, far.rows, pd.Series(parts, dtype=object))
        over = np.maximum(values - far.high, far.low - values) / ((far.high - far.low) or 1.0)
        strength = np.where(far.rows, np.maximum(strength, 1 + np.nan_to_num(over)), strength)
    return Reason("input_outside", strength, texts, lambda i: str(texts[i]))


def wide(rows: Reviewed) -> Reason:
    """Intervals of 80 % far wider than usual."""
    low, high = quantiles_of(rows.run, rows.applied, rows.outputs, [0.1, 0.9]).T
    width = divided(high - low, np.abs(rows.values))
    ratio = divided(width, np.full(len(width), rows.usual(width)))
    words = lambda i: f"interval {ratio[i]:.1f} times as wide as usual ({number(low[i])} to {number(high[i])})"  # noqa: E731
    return Reason("width", ratio / WIDE, np.round(ratio, 2), words)


def disagreement(rows: Reviewed) -> Reason:
    """Networks of the ensemble that are further apart than usual."""
    each = member_outputs(rows.run, rows.applied.encoded.table)
    spread = each.std(axis=0)
    ratio = divided(spread, np.full(len(spread), rows.usual(spread)))
    target = rows.run.fitted.target
    low, high = (rows.run.calibration.forecasts(target, v) for v in (each.min(axis=0), each.max(axis=0)))
    return Reason(
        "networks_apart",
        np.where(spread >= SMALL / 4, ratio / APART, 0.0),
        np.round(ratio, 2),
        lambda i: f"networks {ratio[i]:.1f} times as far apart as usual ({number(low[i])} to {number(high[i])})",
    )


def divided(values: FloatArray, by: FloatArray) -> FloatArray:
    """values / by, NaN where `by` is 0."""
    ratio: FloatArray = np.divide(values, by, out=np.full(len(values), np.nan), where=np.asarray(by) != 0)
    return ratio
