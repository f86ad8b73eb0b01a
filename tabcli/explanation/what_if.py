"""What another plan would do: the rows to forecast with other values of columns known in advance, forecast again.

The features are made anew from the changed rows, so that what lies before and after a promotion that is taken out
changes on the days around it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, BoolArray, ColumnValues, FloatArray
from tabcli.artifacts.contents import Run
from tabcli.errors import DataError, UsageError, did_you_mean
from tabcli.explanation.plan import Plan
from tabcli.forecasting.points import forecast_applied
from tabcli.pipeline.apply import Applied, apply, lookup_tables
from tabcli.tables.contract import DataSource
from tabcli.tables.kinds import kind_of, to_kind
from tabcli.tables.rows import with_columns


@dataclass(frozen=True)
class WhatIf:
    """A forecast beside that of another plan.

    `table`: rows whose plan is changed, and others of the same series whose forecast changes with it: *series*, *date*,
    *planned* and *changed*, the forecasts; *own*, whether the row's own plan was changed; and for each changed column
    its values, such as *promo planned* and *promo changed*. `changes`: column → value. `planned`, `changed`: the sums
    over all rows to forecast.
    """

    table: pd.DataFrame
    changes: dict[str, str]
    planned: float
    changed: float
    notes: tuple[str, ...]


def what_if(run: Run, data: DataSource, plan: Plan, chosen: BoolArray, changes: Mapping[str, str]) -> WhatIf:
    """The rows to forecast among the chosen ones with other values: column → text.

    Raises `UsageError` for a column that is not of the rows, or not known in advance, and for a value of another kind.
    """
    ahead = np.flatnonzero(plan.to_forecast)
    rows, own = plan.rows.iloc[ahead].reset_index(drop=True), chosen[ahead]
    if not own.any():
        raise UsageError("--set changes the plan of days to forecast, and none of these rows is to be forecast")
    changed = with_columns(rows, {c: _changed(run, rows, c, text, own) for c, text in changes.items()})
    lookups = lookup_tables(run.fitted, data)
    before, after = (apply(run.fitted, data, rows=table, lookups=lookups) for table in (rows, changed))
    planned, other = forecast_applied(run, before), forecast_applied(run, after)
    series = plan.series[ahead]
    names = np.array(plan.names, dtype=object)[series]
    table = _table(run, rows, changed, names, own, (planned, other), list(changes))
    shown = np.flatnonzero(own | (planned != other))
    order = np.lexsort((table["date"].to_numpy()[shown], series[shown]))
    table = table.iloc[shown[order]].reset_index(drop=True)
    notes = _notes(run, before, after, list(changes))
    return WhatIf(table, dict(changes), float(planned.sum()), float(other.sum()), tuple(notes))


def _changed(run: Run, rows: pd.DataFrame, column: str, text: str, own: BoolArray) -> pd.Series:
    roles = run.fitted.config.availability
    known = [c for c in rows.columns if c in (*roles.known_in_advance, *roles.static)]
    if column not in known:
        past = column in roles.past_only or column == run.fitted.config.target.column
        why = "it is not known in advance" if past else "it is no column of the rows that is known in advance or static"
        raise UsageError(
            f"--set {column}: {why}{did_you_mean(column, known)}",
            hint=f"columns that can be set: {', '.join(known) or 'none'}; of joined tables, change a copy of the table",
        )
    values, kind = rows[column], kind_of(rows[column])
    missing = text.strip() == ""
    try:
        given = pd.Series([None if missing else text.strip()], name=column, dtype="str")
        new: object = None if kind == "text" and missing else text.strip()
        if kind == "date":
            new = pd.to_datetime(given).iloc[0]
        elif kind != "text":
            new = to_kind(given.astype("category"), "float", "--set").iloc[0]
    except (DataError, ValueError):
        raise UsageError(f"--set {column}={text}: the column holds {kind} values") from None
    if kind == "text":
        known_texts = values.cat.categories
        wanted = values if new is None or new in known_texts else values.cat.add_categories([new])
        return wanted.where(~own, new)
    if kind == "date":
        return values.where(~own, pd.Timestamp(str(new)))
    numbers = values.astype("float64").where(~own, float(str(new)))
    whole = kind == "int" and bool((numbers == np.round(numbers)).all())
    return numbers.astype(values.dtype) if whole else numbers


def _table(
    run: Run,
    rows: pd.DataFrame,
    changed: pd.DataFrame,
    names: AnyArray,
    own: BoolArray,
    forecasts: tuple[FloatArray, FloatArray],
    columns: list[str],
) -> pd.DataFrame:
    table: dict[str, ColumnValues] = {
        "series": names,
        "date": rows[run.fitted.config.date].to_numpy(),
        "planned": forecasts[0],
        "changed": forecasts[1],
        "own": own,
    }
    for c in columns:
        table |= {f"{c} planned": rows[c].astype(object), f"{c} changed": changed[c].astype(object)}
    return pd.DataFrame(table)


def _notes(run: Run, before: Applied, after: Applied, columns: list[str]) -> list[str]:
    """What a reader should know: values that training never saw, columns that no network reads."""
    notes = []
    for c in columns:
        if before.rows[c].equals(after.rows[c]):
            notes.append(f"{c}: the plan has this value in all these rows already")
        counts = [a.encoded.codes.get(c) for a in (before, after)]
        if counts[0] is not None and counts[1] is not None and counts[1]["unknown"] > counts[0]["unknown"]:
            notes.append(f"{c}: training never saw this value, so nothing is known of what it does")
    return notes
