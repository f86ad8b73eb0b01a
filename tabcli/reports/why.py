"""Why next week is more, or less, than the week before: what each series' change is made of, in the target's unit.

The seven days to come are each compared with the same weekday before. Four things make up the change:

    sources          what the run makes of a promotion, the calendar, the history: integrated gradients, by source
    days open        days that are forecast as 0 and were open the week before, or the other way round
    the week before  what it was apart from what the run would have forecast of it
    changed by hand  where another forecast stands for the run's
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.config.card import FEW_VALUES
from tabcli.config.values import Duration
from tabcli.errors import DataError
from tabcli.explanation.compared import MOST_ROWS, Explained, explain_rows
from tabcli.explanation.plan import plan_of
from tabcli.features.frequency import DAY
from tabcli.reports.report_rows import ReportRows
from tabcli.tables.contract import DataSource

OPEN, ITSELF, BY_HAND = "days open or closed", "the week before itself", "changed by hand"

FEW = 3
"""Of more networks so many are asked; what they say is set to the level of the forecast of all."""

WEEK = pd.Timedelta(days=7)

TINY = 1e-6


@dataclass(frozen=True)
class Why:
    """What the change of each series is made of.

    `parts`: sources, then `OPEN`, `ITSELF` and, where there is such a thing, `BY_HAND`. `series`: the numbers of the
    series, (n,). `values`: in the target's unit, float64 (n, p); a row's sum is what next week has more than the week
    before. `before`: what the week before had, float64 (n,). `days`: on how many days a part that is one column
    with few values is not 0, now and the week before, int64 (n, p, 2); −1 for other parts.
    """

    parts: tuple[str, ...]
    series: IntArray
    values: FloatArray
    before: FloatArray
    days: IntArray


def why_of(rows: ReportRows, data: DataSource | None, horizon: Duration | None) -> Why | None:
    """None where there is no week before, no rows to explain, or where steps are not days.

    `horizon`: as in `report_rows`.
    """
    run = rows.run
    if data is None or rows.known is None or rows.prediction is None or run.fitted.frequency.seconds != DAY:
        return None
    if not rows.follows:
        return None
    first = rows.forecast["date"].min().normalize()
    sums = rows.forecast.groupby("series")["value"].sum().sort_values(ascending=False, kind="stable")
    names = pd.Series(rows.names)
    alone = names[~names.duplicated(keep=False)]  # explanations tell series by name
    series = [k for k in sums.index.tolist() if k in alone.index][: MOST_ROWS // 7]  # the largest ones
    plan = plan_of(run, data, horizon)
    number_of = pd.Series(alone.index, index=alone.to_numpy())
    own = pd.Series(plan.names).map(number_of).to_numpy()[plan.series]
    date = plan.rows[run.fitted.config.date]
    chosen = plan.to_forecast & (date < first + WEEK).to_numpy() & np.isin(own, series)
    if not chosen.any():
        return None
    try:
        explained = explain_rows(few_networks(run), data, plan, chosen)[0]
    except DataError:  # no row has anything to be compared with
        return None
    if not (explained.table["date"] - explained.table["against"] == WEEK).any():  # the week before is not known
        return None
    return _made(rows, explained, number_of, first)


def few_networks(run: Run) -> Run:
    """The run with its first networks."""
    return replace(run, networks=run.networks[:FEW], members=run.members[:FEW])


def _made(rows: ReportRows, explained: Explained, number_of: pd.Series, first: pd.Timestamp) -> Why:
    table = explained.table.assign(series=explained.table["series"].map(number_of).astype("int64"))
    paired = (table["date"] - table["against"] == WEEK).to_numpy()
    table, by_source = table[paired].reset_index(drop=True), explained.contributions.by_source()
    series = np.unique(table["series"].to_numpy())
    place = np.searchsorted(series, table["series"].to_numpy())
    sources = [s for s, values in by_source.items() if values[paired].any()]
    parts = np.array([by_source[s][paired] for s in sources]).reshape(len(sources), -1).T
    parts = parts * _unit(rows, explained)[paired, None]
    assert rows.known is not None
    then = rows.known[(rows.known["date"] < first) & (rows.known["date"] >= first - WEEK)]
    asked = table[["series", "against"]].rename(columns={"against": "date"})
    actual = asked.merge(then, how="left", on=["series", "date"])["actual"].fillna(0.0).to_numpy(dtype="float64")
    now = rows.forecast[rows.forecast["date"] < first + WEEK]
    of_all = table[["series", "date"]].merge(now, how="left", on=["series", "date"])["own"].to_numpy(dtype="float64")
    few, reference = (table[c].to_numpy(dtype="float64") for c in ("forecast", "reference"))
    level = np.divide(of_all, few, out=np.ones(len(table)), where=few != 0)
    found = np.zeros((len(series), len(sources) + 1))
    np.add.at(found, place, np.column_stack([parts * level[:, None], level * reference - actual]))
    own, value, before = (_sums(t, c, series) for t, c in ((now, "own"), (now, "value"), (then, "actual")))
    names, columns = [*sources, OPEN, ITSELF], [*found[:, :-1].T, own - before - found.sum(axis=1), found[:, -1]]
    if (np.abs(value - own) > 1e-3 * np.abs(own)).any():
        names, columns = [*names, BY_HAND], [*columns, value - own]
    days = _days(explained, sources, paired, place, len(series), len(names))
    return Why(tuple(names), series, np.stack(columns, axis=1), before, days)


def _sums(table: pd.DataFrame, column: str, series: IntArray) -> FloatArray:
    """The sum of a column for each of the series, float64 (n,)."""
    return table.groupby("series")[column].sum().reindex(series, fill_value=0.0).to_numpy(dtype="float64")


def _unit(rows: ReportRows, explained: Explained) -> FloatArray:
    """What one on the learned scale is worth in each explained row, in the target's unit, float64 (n,).

    The ratio of both differences, so that parts add up to that of the forecasts; the slope where they are tiny.
    """
    made, run = explained.contributions, rows.run
    apart = made.values.sum(axis=1)
    difference = (explained.table["forecast"] - explained.table["reference"]).to_numpy(dtype="float64")
    target, step = run.fitted.target, 1e-3
    ahead = run.calibration.forecasts(target, made.outputs + step) - run.calibration.forecasts(target, made.outputs)
    unit: FloatArray = np.where(np.abs(apart) > TINY, difference / np.where(apart == 0, 1.0, apart), ahead / step)
    return unit


def _days(
    explained: Explained, sources: list[str], paired: BoolArray, place: IntArray, n_series: int, n_parts: int
) -> IntArray:
    """See `Why.days`."""
    days = np.full((n_series, n_parts, 2), -1, dtype="int64")
    columns = {source.name: source.columns for source, _ in explained.contributions.parts}
    for i, name in enumerate(sources):
        own = [c for c in columns[name] if c in explained.values]
        if len(own) != 1:
            continue
        texts = [np.asarray(t)[paired] for t in explained.values[own[0]]]
        if 1 < len(values := {v for t in texts for v in np.unique(t)}) <= FEW_VALUES and "0" in values:
            for k, text in enumerate(texts):
                days[:, i, k] = np.bincount(place, text != "0", minlength=n_series).astype("int64")
    return days
