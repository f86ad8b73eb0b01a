"""What a careful reader of a forecast must know: unknown series and values, filled gaps, joins without match."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray
from tabcli.artifacts.contents import Run
from tabcli.artifacts.encoded_names import ROW, input_column
from tabcli.pipeline.apply import Applied
from tabcli.pipeline.encoding import known_series
from tabcli.pipeline.future import closed_weekdays, ended_series, open_steps
from tabcli.preprocessing.categorical import UNKNOWN


def ended_notes(run: Run) -> list[str]:
    """A warning of series that end long before the others: they may be gone, but rows were made for them."""
    fitted = run.fitted
    first, last = fitted.split.valid_start, fitted.split.valid_end
    n_steps = int(fitted.frequency.ago(pd.Series([first]), last)[0]) + 1
    ended = ended_series(fitted, n_steps)
    if not ended:
        return []
    keys = fitted.calendar.series.iloc[list(ended)[:3]]
    shown = ", ".join(" ".join(map(str, row)) for row in keys.itertuples(index=False))
    return [
        f"{len(ended)} series have no row in the last {n_steps} steps ({shown}{', …' if len(ended) > 3 else ''}); "
        "they are forecast like the others"
    ]


def closed_notes(run: Run) -> list[str]:
    """Warnings of weekdays on which series have no rows in the past, so that none were made."""
    n_series = len(run.fitted.calendar.series)
    return [
        f"{'the' if n == n_series else n} series had no row on a {name} in their last year: none are made; "
        "forecast.weekdays: all makes them"
        for name, n in closed_weekdays(run.fitted).items()
    ]


def notes_on(applied: Applied, run: Run) -> list[str]:
    """A sentence for each thing that a careful reader of this forecast must know."""
    config, encoded, n_rows = run.fitted.config, applied.encoded, len(applied.rows)
    notes = []
    keyed = [c for c in map(input_column, config.series) if c in encoded.table.columns]
    if keyed:
        unknown = (encoded.table[keyed] == UNKNOWN).any(axis=1).to_numpy()
        if unknown.any():
            series = applied.rows.loc[unknown, list(config.series)].drop_duplicates()
            shown = ", ".join(" ".join(map(str, row)) for row in series.head(3).itertuples(index=False))
            notes.append(
                f"{len(series)} series that training never saw ({shown}{', …' if len(series) > 3 else ''}): "
                f"{unknown.sum()} rows are forecast from their other columns alone, as of an average series"
            )
    notes += _gaps(applied, run)
    for column, n in applied.filled_inputs.items():
        if n:
            notes.append(f"column {column}: {n} missing values taken as {config.forecast.fill[column]}")
    if run.snapshot is not None:
        ahead = encoded.table[ROW + "step"].to_numpy() - run.snapshot.origin
        horizon = run.snapshot.spec.horizon
        for n, what in (
            (int((ahead >= horizon).sum()), f"lie further ahead than the {horizon} steps that training looked at"),
            (int((ahead < 0).sum()), "lie before the end of the known past, which the forecast makes use of"),
        ):
            if n:
                notes.append(f"{n} of {n_rows} rows {what}")
    return notes + _unmatched(applied, run) + _unseen_plan(applied, run) + _far(applied, run)


@dataclass(frozen=True)
class FarValues:
    """Values of a number that lie further from those of the tables that prep read than these lie from each other.

    `low`, `high`: the least and the largest that prep read. `rows`: which rows have such a value, bool (n,).
    """

    column: str
    low: float
    high: float
    rows: BoolArray
    example: float

    def __str__(self) -> str:
        return f"column {self.column}: {self.example:g}, where prep saw {self.low:g} … {self.high:g}"


def far_values(applied: Applied, run: Run, by: float = 1.0) -> list[FarValues]:
    """The far values of each continuous input that a table has.

    `by`: how far beyond those that prep read, as a share of the distance of the largest of these from the least.
    """
    found, table = [], applied.features.table
    profiles = {c: p for columns in run.fitted.contract.tables.values() for c, p in columns.items()}
    for column in run.fitted.preprocessor.continuous:
        profile = profiles.get(column)
        if profile is None or column not in table.columns:
            continue
        low, high = profile.get("min"), profile.get("max")
        if not (isinstance(low, int | float) and isinstance(high, int | float)):
            continue
        values = table[column].to_numpy(dtype="float64")
        reach = by * (float(high) - float(low))
        far = np.isfinite(values) & ((values > high + reach) | (values < low - reach))
        if far.any():
            worst = values[far][np.argmax(np.abs(values[far]))]
            found.append(FarValues(column, float(low), float(high), far, float(worst)))
    return found


def _far(applied: Applied, run: Run) -> list[str]:
    """Warnings of numbers far from those of training: a network does not know what follows from them."""
    n_rows = len(applied.rows)
    return [
        f"column {far.column}: {int(far.rows.sum())} of {n_rows} values lie far from the {far.low:g} … {far.high:g} "
        f"that prep saw, such as {far.example:g}: such forecasts are a guess"
        for far in far_values(applied, run)
    ]


def _gaps(applied: Applied, run: Run) -> list[str]:
    """Warnings of values that training never saw, and of missing values in columns that had none in training."""
    config, encoded, n_rows = run.fitted.config, applied.encoded, len(applied.rows)
    found: list[tuple[str, str]] = []
    for column, counts in encoded.codes.items():
        if counts["unknown"] and column not in config.series:
            found.append((column, f"{counts['unknown']} of {n_rows} rows hold a value that training never saw"))
    with_missing = run.fitted.preprocessor.categorify.with_missing_
    for column, counts in encoded.codes.items():
        if counts["missing"] and column not in with_missing:
            text = f"{counts['missing']} of {n_rows} values are missing, none were in training; "
            found.append((column, text + "taken as a value that training never saw"))
    flagged = run.fitted.preprocessor.fill_missing.flagged_
    for column, n in encoded.filled.items():
        if n and column not in flagged:
            text = f"{n} of {n_rows} values are missing, none were in training; median filled in"
            found.append((column, text))
    return _together(found)


def _together(found: Sequence[tuple[str, str]]) -> list[str]:
    """Columns and what is said of each → one sentence for all columns of which the same is said.

    >>> _together([("state", "1 is missing"), ("size", "2 are missing"), ("kind", "1 is missing")])
    ['columns state, kind, each: 1 is missing', 'column size: 2 are missing']
    """
    columns: dict[str, list[str]] = {}
    for column, text in found:
        columns.setdefault(text, []).append(column)
    return [
        f"column {names[0]}: {text}" if len(names) == 1 else f"columns {', '.join(names)}, each: {text}"
        for text, names in columns.items()
    ]


def _unseen_plan(applied: Applied, run: Run) -> list[str]:
    """A warning where some rows of the horizon are not asked for: events planned on those days are then not known."""
    fitted = run.fitted
    if not fitted.config.features.events:
        return []
    ahead = -fitted.frequency.ago(applied.rows[fitted.config.date], fitted.known_until)
    known = -int(fitted.frequency.ago(pd.Series([fitted.known_until]), fitted.split.valid_end)[0])
    later, n_steps = ahead > 0, max(int(ahead.max()), fitted.horizon - known)
    if n_steps <= 0:
        return []
    series, numbers = np.unique(applied.features.series, return_inverse=True)
    n_own = np.bincount(numbers[later], minlength=len(series))
    dates = pd.Series([fitted.frequency.after(fitted.known_until, i + 1) for i in range(n_steps)])
    expected = open_steps(fitted, known_series(fitted.calendar, series), dates).sum(axis=1)
    n_lacking, n_asked = int((n_own < expected).sum()), len(np.unique(ahead[later]))
    if not n_lacking:
        return []
    what = (
        f"{n_asked} of the {n_steps} steps after {fitted.known_until} are asked for"
        if n_asked < n_steps
        else f"{n_lacking} series are asked for without some of the {n_steps} steps after {fitted.known_until}"
    )
    return [
        f"{what}: what is planned on the others is not known, and forecasts of rows asked for together may differ; "
        "ask for all rows of the horizon at once"
    ]


def _unmatched(applied: Applied, run: Run) -> list[str]:
    """Warnings of rows that found no match in a lookup table, if all training rows did, or if no row now does."""
    fitted, n_rows, notes = run.fitted, len(applied.rows), []
    seen = {*fitted.preprocessor.categorify.with_missing_, *fitted.preprocessor.fill_missing.flagged_}
    for join in fitted.config.joins:
        n = applied.features.unmatched.get(join.table, 0)
        inputs = {*fitted.preprocessor.categorical, *fitted.preprocessor.continuous} - {*join.on, join.as_of}
        brought = [c for c in fitted.contract.tables[join.table] if c in inputs]
        if not n or (n < n_rows and all(c in seen for c in brought)):
            continue
        note = f"table {join.table}: {n} of {n_rows} rows found no match"
        if brought and join.on:
            table = applied.features.table
            gone = np.logical_and.reduce([table[c].isna().to_numpy() for c in brought])
            keys = table.frame(join.on)[gone].drop_duplicates()
            shown = "; ".join(", ".join(f"{k}={v}" for k, v in row.items()) for row in keys.head(3).to_dict("records"))
            note += f": {shown}{'; …' if len(keys) > 3 else ''}"
        notes.append(note)
    return notes
