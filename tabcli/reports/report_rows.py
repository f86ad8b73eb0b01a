"""The rows that a report is about: forecast, known before, and of past windows; each series by its number."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray
from tabcli.artifacts.contents import FittedPipeline, Run
from tabcli.cards.segments import past_rows
from tabcli.config.schema import ONE_SERIES
from tabcli.config.values import Duration
from tabcli.errors import DataError
from tabcli.evaluation.quantiles import interval_columns
from tabcli.features.events import series_codes
from tabcli.features.frequency import DAY, WEEK
from tabcli.forecasting.bounds import steps_ahead, unknown_rows
from tabcli.forecasting.points import Prediction, Wanted, forecast
from tabcli.forecasting.totals import ALL, Total, totals_of
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.kinds import require_columns
from tabcli.training.past import HELD

LOW, HIGH = interval_columns("value", HELD)


@dataclass(frozen=True)
class ReportRows:
    """All rows of a report.

    `names`: the name of each series by its number, those that only the forecast has last. `forecast`: *series*, *date*,
    *ahead*, *value*, *low*, *high* (NaN for a run without past windows), *unknown*. `known`: rows with a target up to
    the last known date: *series*, *date*, *actual*, and the columns known in advance; None where no train table was
    given. `past`: rows of past windows: *window*, *series*, *date*, *ahead*, *season*, *actual*, *forecast*, *held*
    (NaN with a single window); None for a run that keeps none. `totals`: of all rows, by `period` and by series, as
    `totals_of` gives them; None for such a run. `notes`: what a reader should know.
    """

    run: Run
    prediction: Prediction
    names: list[str]
    forecast: pd.DataFrame
    known: pd.DataFrame | None
    past: pd.DataFrame | None
    totals: dict[str, pd.DataFrame] | None
    period: str
    notes: list[str]


def report_rows(run: Run, data: DataSource, horizon: Duration | None, given: pd.DataFrame | None) -> ReportRows:
    """Forecasts the rows and gathers what is known beside them.

    `horizon`: as in `forecast`; where neither it nor a table of the rows is there, the run's own. `given`: a forecast
    whose numbers stand for the run's. Raises what `forecast` raises, and `DataError` where `given` is of other rows.
    """
    fitted, config = run.fitted, run.fitted.config
    if horizon is None and not _there(run, data, "future"):
        horizon = _own_horizon(fitted)
    bounded = run.past is not None and not run.past.empty
    made = forecast(run, data, horizon, wanted=Wanted(intervals=(HELD,) if bounded else ()))
    applied, target = made.applied, config.target.column
    codes, series = series_codes(applied.rows[list(config.series)], fitted.calendar.series)
    value = made.table[target].to_numpy(dtype="float64")
    low, high = (
        made.table[c].to_numpy(dtype="float64") if bounded else np.full(len(value), np.nan)
        for c in interval_columns(target, HELD)
    )
    if given is not None:
        own, value = value, _given_values(made.table, given, run)
        factor = np.divide(value, own, out=np.ones(len(own)), where=own != 0)
        low, high = low * factor, high * factor
    rows = pd.DataFrame(
        {
            "series": codes,
            "date": applied.rows[config.date].to_numpy(),
            "ahead": steps_ahead(run, applied),
            "value": value,
            "low": low,
            "high": high,
            "unknown": unknown_rows(run, applied),
        }
    )
    period = period_of(fitted)
    totals, notes = None, list(made.warnings)
    if bounded:
        try:
            kinds = {"all": Total(ALL, (), None), "period": Total(period, (), period)}
            if config.series != (ONE_SERIES,):
                kinds["series"] = Total("series", config.series, None)
            totals = {name: totals_of(run, applied, value, [kind], [HELD]) for name, kind in kinds.items()}
        except DataError as error:
            notes.append(f"no totals have intervals: {error.message}")
    else:
        notes.append("this run keeps no forecasts of past windows: nothing says how sure its forecast is")
    names = [" · ".join(map(str, key)) for key in series.itertuples(index=False)]
    known = _known(run, data, series) if _there(run, data, "train") else None
    if known is None:
        notes.append("no train table was given: nothing is compared with the past beyond the past windows")
    past = past_rows(run) if bounded else None
    return ReportRows(run, made, names, rows, known, past, totals, period, notes)


def period_of(fitted: FittedPipeline) -> str:
    """What sums over series are by: *day* for steps shorter than a week, *week*, or *month* from 28 days on."""
    seconds = fitted.frequency.seconds
    return "day" if seconds < WEEK else "week" if seconds < 28 * DAY else "month"


def _own_horizon(fitted: FittedPipeline) -> Duration:
    step = fitted.frequency
    return Duration(fitted.horizon * step.count, "mo" if step.unit == "mo" else "s")


def _there(run: Run, data: DataSource, name: str) -> bool:
    """Whether the data have a table of this name."""
    config = run.fitted.config
    if isinstance(data, Mapping):
        return name in data
    return name in config.tables and (name == "future" or (Path(data) / config.tables[name].file).is_file())


def _known(run: Run, data: DataSource, series: pd.DataFrame) -> pd.DataFrame:
    """The rows with a target of the given series, up to the last known date."""
    fitted, config = run.fitted, run.fitted.config
    where, target = describe(config, data, "train"), config.target.column
    table = load_tables(config, data, ["train"])["train"]
    require_columns(table, [target], where)
    table = table[table[target].notna() & (table[config.date] <= fitted.split.valid_end)]
    table = fitted.contract.conform(table.reset_index(drop=True), "train", where)
    codes = series_codes(table[list(config.series)], series)[0]
    beside = [c for c in config.availability.known_in_advance if c in table.columns]
    rows = pd.DataFrame({"series": codes, "date": table[config.date], "actual": table[target].astype("float64")})
    rows = pd.concat([rows, table[beside].add_prefix("column.")], axis=1)
    return rows[rows["series"] < len(series)].reset_index(drop=True)


def _given_values(rows: pd.DataFrame, given: pd.DataFrame, run: Run) -> FloatArray:
    """The numbers of a given forecast for the rows, float64 (n,). Raises `DataError` where it is of other rows."""
    config, target = run.fitted.config, run.fitted.config.target.column
    keys = [config.id] if config.id in rows.columns else [c for c in (*config.series, config.date) if c != ONE_SERIES]
    names = [str(k) for k in keys]
    require_columns(given, [*names, target], "the forecast")
    texts = [_key_texts(table, names) for table in (given, rows)]
    if texts[0].duplicated().any():
        raise DataError(f"the forecast: {int(texts[0].duplicated().sum())} rows repeat a key of {', '.join(names)}")
    numbers = pd.to_numeric(given[target], errors="coerce").to_numpy(dtype="float64")
    values = pd.Series(numbers, index=texts[0]).reindex(texts[1]).to_numpy(dtype="float64")
    lost: BoolArray = ~np.isfinite(values)
    if lost.any():
        raise DataError(
            f"the forecast: {int(lost.sum())} of {len(lost)} rows to forecast have no number of {target!r} there",
            hint="give the forecast of these rows that predict wrote, or leave --forecast out",
        )
    return values


def _key_texts(table: pd.DataFrame, names: list[str]) -> pd.Series:
    """Each row's key as one text, (n,)."""
    columns = [table[c].astype("str").reset_index(drop=True) for c in names]
    return pd.Series(pd.concat(columns, axis=1).agg("\x1f".join, axis=1))
