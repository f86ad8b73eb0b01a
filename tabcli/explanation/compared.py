"""Rows beside what they are compared with, as a run's networks see both at the end of the same past.

--against week      the same series a season before: the same weekday of the week before, the hour of the day, the
                    month of the year before; further back where that row is 0 by rule
--against average   the mean of the rows of the series in the year before the forecast, a day like no single one
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.contents import Prepared, Run
from tabcli.errors import DataError, UsageError
from tabcli.explanation.contributions import Contributions, Pairs, contributions_of
from tabcli.explanation.plan import Plan, require_past
from tabcli.explanation.seen import SeenRows, require_same_prep
from tabcli.features.frequency import DAY, season_steps
from tabcli.pipeline.apply import Applied, apply, zero_rows
from tabcli.pipeline.prepare import fit
from tabcli.tables.contract import DataSource
from tabcli.target_history.statistics import Snapshot
from tabcli.training.inputs import history_of

Against = Literal["week", "average"]

BACK = 8
"""So many seasons back a row is looked for that is not 0 by rule."""

MOST_AVERAGED = 120
"""Of more rows in the year before, evenly spaced ones are averaged."""

MOST_ROWS = 20_000
"""More rows are not explained at once."""


@dataclass(frozen=True)
class Explained:
    """n rows with the parts of what they differ from their references in.

    `table`: *series*, *date*, *forecast* and *reference*, the forecast of what it is compared with; *against*, the date
    of that, NaT for an average. `series`: the series columns. `values`: column known in advance → its value in each
    row and in its reference, (n,) texts each; empty for an average.
    """

    table: pd.DataFrame
    series: tuple[str, ...]
    contributions: Contributions
    values: dict[str, tuple[list[str], list[str]]]
    notes: tuple[str, ...]


def explain_rows(
    run: Run,
    data: DataSource,
    plan: Plan,
    chosen: BoolArray,
    against: Against = "week",
    prepared: Prepared | None = None,
) -> list[Explained]:
    """The chosen rows, those of each past window apart: each is seen at the end of the past that its forecast had.

    prepared: the prep that the run was trained on; it is made again where past rows need it and it is not given.
    """
    if against not in get_args(Against):
        raise UsageError(f"--against {against}: expected one of {', '.join(get_args(Against))}")
    if int(chosen.sum()) > MOST_ROWS:
        raise UsageError(
            f"{int(chosen.sum()):,} rows are to be explained, more than {MOST_ROWS:,}",
            hint="name fewer --series or --date",
        )
    require_past(plan, f"--against {against}")
    fitted, date = run.fitted, run.fitted.config.date
    ago = fitted.frequency.ago(plan.rows[date], fitted.split.valid_end)
    window = np.where(plan.to_forecast, -1, ago // fitted.horizon)
    found = []
    for k in np.unique(window[chosen]).tolist():
        end = None if k < 0 else fitted.frequency.after(fitted.split.valid_end, -k * fitted.horizon)
        snapshot = run.snapshot
        if end is not None and snapshot is not None:
            prepared = prepared if prepared is not None else fit(fitted.config, data)
            snapshot = _snapshot_before(run, prepared, end)
        found.append(_explained(run, data, plan, chosen & (window == k), against, snapshot, end))
    return found


def _snapshot_before(run: Run, prepared: Prepared, end: pd.Timestamp) -> Snapshot | None:
    """The target history as of the day on which a window that ends so would have been forecast."""
    require_same_prep(run, prepared)
    fitted, history = run.fitted, history_of(prepared)
    assert history is not None
    assert fitted.grid is not None
    assert run.snapshot is not None
    ahead = fitted.horizon + fitted.frequency.number(fitted.config.validation.gap)
    origin = int(fitted.grid.step_of(pd.Series([end]))[0]) + 1 - ahead
    if origin < history.first:
        raise DataError(
            f"rows up to {end.date()} have no past as long as the history needs, {history.spec.base} steps",
            hint="explain later rows",
        )
    scale = {name: run.snapshot.arrays[name] for name in ("mean", "std")}
    made = history.snapshot(origin)
    return replace(made, arrays={**made.arrays, **scale})


def _explained(
    run: Run,
    data: DataSource,
    plan: Plan,
    chosen: BoolArray,
    against: Against,
    snapshot: Snapshot | None,
    end: pd.Timestamp | None,
) -> Explained:
    fitted, config = run.fitted, run.fitted.config
    step = fitted.frequency.steps(plan.rows[config.date], int(fitted.split.train_start.timestamp()))
    gap = fitted.frequency.number(config.validation.gap)
    cutoff = fitted.split.valid_end if end is None else fitted.frequency.after(end, -fitted.horizon - gap)
    known = (plan.rows[config.date] <= cutoff).to_numpy()
    season = season_steps(fitted.frequency)
    beside = np.isin(plan.series, plan.series[chosen]) & (
        _year_before(step, known, season, fitted.frequency.seconds)
        if against == "average"
        else (step >= step[chosen].min() - BACK * season) & (step <= step[chosen].max())
    )
    whole = chosen | beside
    if end is None:  # events of the days to forecast that nobody asks for are part of the plan, too
        whole |= plan.to_forecast & np.isin(plan.series, plan.series[chosen])
    used = np.flatnonzero(whole)
    applied = apply(fitted, data, rows=plan.rows.iloc[used].reset_index(drop=True), until=end)
    seen = replace(SeenRows.of_plan(run, applied, plan.rows), snapshot=snapshot)
    zero = zero_rows(applied, config)
    own = Plan(applied.rows, plan.series[used], plan.names, plan.to_forecast[used])
    asked, beside = _ordered(own, chosen[used] & ~zero, date=config.date), beside[used] & ~zero
    pairs = _averaged(own, asked, beside) if against == "average" else _before(own, asked, beside, step[used], season)
    notes = _notes(int((chosen[used] & zero).sum()), len(asked) - len(pairs.rows), against)
    if not len(pairs.rows):
        raise DataError("no row can be explained: " + "; ".join(notes))
    made = contributions_of(seen, pairs)
    table, values = _table(run, own, pairs, made, against), {}
    if against == "week":
        values = {
            c: (_texts(applied, c, pairs.rows), _texts(applied, c, pairs.references))
            for s in seen.sources
            for c in s.columns
            if c in applied.rows.columns
        }
    return Explained(table, config.series, made, values, notes)


def _year_before(step: IntArray, known: BoolArray, season: int, seconds: int) -> BoolArray:
    """The known rows of the last year, or season where that is longer."""
    year = max(season, 364 * DAY // seconds)
    within: BoolArray = known & (step > step[known].max(initial=0) - year)
    return within


def _ordered(plan: Plan, chosen: BoolArray, date: str) -> IntArray:
    """The numbers of the chosen rows, by series and date."""
    at = np.flatnonzero(chosen)
    return at[np.lexsort((plan.rows[date].to_numpy()[at], plan.series[at]))]


def _before(plan: Plan, rows: IntArray, beside: BoolArray, step: IntArray, season: int) -> Pairs:
    """Each row with the row of its series one season before, or several where that one is not there."""
    width = int(step.max()) + BACK * season + 1
    keys = plan.series * width + (step - step.min())
    order = np.flatnonzero(beside)[np.argsort(keys[beside], kind="stable")]
    reference = np.full(len(rows), -1, dtype="int64")
    for back in range(1, BACK + 1):
        wanted = keys[rows] - back * season
        place = np.minimum(np.searchsorted(keys[order], wanted), max(len(order) - 1, 0))
        there = (keys[order][place] == wanted) if len(order) else np.zeros(len(rows), dtype=bool)
        there &= step[rows] - step.min() >= back * season
        reference = np.where((reference < 0) & there, order[place] if len(order) else -1, reference)
    found = reference >= 0
    return Pairs(rows[found], reference[found], np.arange(int(found.sum())))


def _averaged(plan: Plan, asked: IntArray, beside: BoolArray) -> Pairs:
    """Each asked row with up to `MOST_AVERAGED` rows of its series."""
    rows: list[int] = []
    references: list[IntArray] = []
    of: list[IntArray] = []
    for row in asked.tolist():
        own = np.flatnonzero(beside & (plan.series == plan.series[row]))
        if len(own):
            own = own[np.unique(np.linspace(0, len(own) - 1, MOST_AVERAGED).round().astype("int64"))]
            of.append(np.full(len(own), len(rows)))
            rows.append(row)
            references.append(own)
    empty = np.empty(0, dtype="int64")
    return Pairs(np.array(rows, dtype="int64"), np.concatenate([empty, *references]), np.concatenate([empty, *of]))


def _table(run: Run, plan: Plan, pairs: Pairs, made: Contributions, against: Against) -> pd.DataFrame:
    date, target = run.fitted.config.date, run.fitted.target
    dates = plan.rows[date].reset_index(drop=True)
    none = np.full(len(pairs.rows), np.datetime64("NaT", "us"))
    before = dates.iloc[pairs.references].to_numpy() if against == "week" else none
    return pd.DataFrame(
        {
            "series": [plan.names[i] for i in plan.series[pairs.rows]],
            "date": dates.iloc[pairs.rows].to_numpy(),
            "forecast": run.calibration.forecasts(target, made.outputs),
            "reference": run.calibration.forecasts(target, made.references),
            "against": before,
        }
    )


def _texts(applied: Applied, column: str, at: IntArray) -> list[str]:
    values = applied.rows[column].iloc[at]
    return ["none" if pd.isna(v) else f"{v:g}" if isinstance(v, float) else str(v) for v in values.tolist()]


def _notes(n_zero: int, n_alone: int, against: Against) -> tuple[str, ...]:
    notes = []
    if n_zero:
        notes.append(f"{n_zero:,} rows are 0 by rule (forecast.zero_where), whatever the networks say")
    if n_alone:
        what = f"a row up to {BACK} seasons before" if against == "week" else "rows in the year before"
        notes.append(f"{n_alone:,} rows have nothing to be compared with: their series lack {what}")
    return tuple(notes)
