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
from tabcli.config.values import Condition, Duration
from tabcli.errors import ConfigError, DataError
from tabcli.evaluation.quantiles import interval_columns
from tabcli.features.events import series_codes
from tabcli.features.frequency import DAY, WEEK
from tabcli.forecasting.bounds import steps_ahead, unknown_rows
from tabcli.forecasting.groups import ALL
from tabcli.forecasting.points import Prediction, Wanted, forecast
from tabcli.forecasting.totals import SEVEN_DAYS, ForecastRows, Total, totals_by
from tabcli.pipeline.apply import zero_rows
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import matches
from tabcli.training.past import HELD

COLUMN = "column."
"""What names of the tables' own columns begin with in `ReportRows.known`."""


NOTHING = pd.DataFrame(
    {
        **{c: np.empty(0, dtype="int64") for c in ("series", "ahead")},
        "date": np.empty(0, dtype="datetime64[us]"),
        **{c: np.empty(0) for c in ("value", "own", "low", "high")},
        **{c: np.empty(0, dtype=bool) for c in ("unknown", "zero")},
    }
)
"""The rows that are forecast where there are none."""


@dataclass(frozen=True)
class ReportRows:
    """All rows of a report.

    `prediction`: what the run forecasts; None where it cannot, for want of tables. `names`: the name of each series by
    its number, those that only the forecast has last. `forecast`: *series*, *date*, *ahead*, *value*, *own* (the run's
    number, where another forecast stands for it), *low*, *high* (NaN for a run without past windows), *unknown*, *zero*
    (by rule); empty where nothing is forecast. `known`: rows with a target up to the last known date: *series*, *date*,
    *actual*, *open* (neither left out of learning nor 0 by rule), and the columns known in advance, each after
    `COLUMN`; None where no train table was given. `past`: rows of past windows: *window*, *series*, *date*, *ahead*,
    *season*, *actual*, *forecast*, *held* (NaN with a single window); None for a run that keeps none. `totals`: of
    *all* rows, by *period*, by *series* and, for steps shorter than a week, by series and *week* (of seven days) and of
    all by *weeks*, as `totals_by` gives them, by number; empty where no totals have intervals. `notes`: what a reader
    should know.
    """

    run: Run
    prediction: Prediction | None
    names: list[str]
    forecast: pd.DataFrame
    known: pd.DataFrame | None
    past: pd.DataFrame | None
    totals: dict[str, pd.DataFrame]
    period: str
    notes: list[str]

    @property
    def follows(self) -> bool:
        """Whether the forecast starts on the day after the last known one, so that the week before it is known."""
        apart = self.forecast["date"].min().normalize() - self.run.fitted.split.valid_end.normalize()
        return bool(apart <= pd.Timedelta(days=1))

    @property
    def frequency(self) -> str:
        """The step, such as 1d."""
        return str(self.run.fitted.frequency)


def report_rows(run: Run, data: DataSource | None, horizon: Duration | None, given: pd.DataFrame | None) -> ReportRows:
    """Forecasts the rows and gathers what is known beside them.

    `data`: None where there are no tables: then only what the run keeps is there, and what it can forecast by its own
    rules. `horizon`: as in `forecast`; where neither it nor a table of the rows is there, the run's own. `given`: a
    forecast whose numbers stand for the run's. Raises what `forecast` raises, and `DataError` where `given` is of other
    rows.
    """
    notes: list[str] = []
    bounded = run.past is not None and not run.past.empty
    made = _made(run, data, horizon, notes)
    series = run.fitted.calendar.series
    if made is not None:
        rows, series = _forecast_rows(run, made, given, bounded)
        notes += made.warnings
    elif given is not None:
        rows, series = _rows_of_given(run, given)
    else:
        rows = NOTHING
    period, totals = period_of(run.fitted), {}
    if not bounded:
        notes.append("this run keeps no forecasts of past windows: nothing says how sure its forecast is")
    elif len(rows):
        try:
            totals = _totals(run, rows, period)
        except DataError as error:
            notes.append(f"no totals have intervals: {error.message}")
    names = [" · ".join(map(str, key)) for key in series.itertuples(index=False)]
    known = _known(run, data, series) if data is not None and _there(run, data, "train") else None
    if known is None:
        notes.append(
            "no train table was given: nothing is compared with the past beyond the past windows, and no input is "
            "compared with what training saw"
        )
    past = past_rows(run) if bounded else None
    return ReportRows(run, made, names, rows, known, past, totals, period, notes)


def period_of(fitted: FittedPipeline) -> str:
    """What sums over series are by: *day* for steps shorter than a week, *week*, or *month* from 28 days on."""
    seconds = fitted.frequency.seconds
    return "day" if seconds < WEEK else "week" if seconds < 28 * DAY else "month"


# -------------------------------------------------------------------------------------------- forecast


def _made(run: Run, data: DataSource | None, horizon: Duration | None, notes: list[str]) -> Prediction | None:
    """The forecast; None, and a note, where there are no tables and the run's own rules do not suffice."""
    source: DataSource = {} if data is None else data
    if horizon is None and not _there(run, source, "future"):
        horizon = _own_horizon(run.fitted)
    bounded = run.past is not None and not run.past.empty
    try:
        return forecast(run, source, horizon, wanted=Wanted(intervals=(HELD,) if bounded else ()))
    except (ConfigError, DataError) as error:
        if data is not None:
            raise
        notes.append(f"the run alone forecasts no rows: {error.message}; --data gives the tables")
        return None


def _forecast_rows(
    run: Run, made: Prediction, given: pd.DataFrame | None, bounded: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that are forecast, and the keys of the series by number."""
    config, applied, target = run.fitted.config, made.applied, run.fitted.config.target.column
    codes, series = series_codes(applied.rows[list(config.series)], run.fitted.calendar.series)
    own = value = made.table[target].to_numpy(dtype="float64")
    low, high = (
        made.table[c].to_numpy(dtype="float64") if bounded else np.full(len(value), np.nan)
        for c in interval_columns(target, HELD)
    )
    if given is not None:
        value = _given_values(made.table, given, run)
        factor = np.divide(value, own, out=np.ones(len(own)), where=own != 0)
        low, high = low * factor, high * factor
    columns = {
        "series": codes,
        "date": applied.rows[config.date].to_numpy(),
        "ahead": steps_ahead(run, applied),
        "value": value,
        "own": own,
        "low": low,
        "high": high,
        "unknown": unknown_rows(run, applied),
        "zero": zero_rows(applied, config),
    }
    return pd.DataFrame(columns), series


def _rows_of_given(run: Run, given: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a given forecast by its own series and dates, and the keys of the series by number.

    Raises `DataError` where it does not hold them.
    """
    config, target, frequency = run.fitted.config, run.fitted.config.target.column, run.fitted.frequency
    keys = [c for c in (*config.series, config.date) if c != ONE_SERIES]
    absent = [c for c in (*keys, target) if c not in given.columns]
    if absent:
        raise DataError(
            f"the forecast: has no column {', '.join(map(repr, absent))}, and without --data nothing says what its "
            "rows are of",
            hint=f"predict --columns {','.join(keys)} writes them; or give the tables with --data",
        )
    if config.series == (ONE_SERIES,):
        given = given.assign(**{ONE_SERIES: "all"})
    rows = run.fitted.contract.conform(given, "train", "the forecast")
    codes, series = series_codes(rows[list(config.series)], run.fitted.calendar.series)
    wanted = given.reindex(columns=[target, *interval_columns(target, HELD)])
    bounds = wanted.apply(pd.to_numeric, errors="coerce").to_numpy(dtype="float64").T
    lost = ~np.isfinite(bounds[0])
    if lost.any():
        raise DataError(f"the forecast: {int(lost.sum())} of {len(lost)} rows have no number of {target!r}")
    columns = {
        "series": codes,
        "date": rows[config.date].to_numpy(),
        "ahead": np.maximum(-frequency.ago(rows[config.date], run.fitted.split.valid_end), 1),
        "value": bounds[0],
        "own": bounds[0],
        "low": bounds[1],
        "high": bounds[2],
        "unknown": codes >= len(run.fitted.calendar.series),
        "zero": np.zeros(len(rows), dtype=bool),
    }
    return pd.DataFrame(columns), series


def _totals(run: Run, rows: pd.DataFrame, period: str) -> dict[str, pd.DataFrame]:
    """Sums with intervals; see `ReportRows.totals`. Raises `DataError`."""
    series = rows["series"].to_numpy(dtype="int64")
    forecast_rows = ForecastRows(series, rows["date"], rows["value"].to_numpy(dtype="float64"))
    one, each = np.zeros(len(rows), dtype="int64"), np.arange(int(series.max()) + 1)
    kinds = {"all": (Total(ALL, (), None), one), "period": (Total(period, (), period), one)}
    kinds["series"] = (Total("series", (), None), series)
    if run.fitted.frequency.seconds < WEEK:
        kinds["week"] = (Total("series,week", (), SEVEN_DAYS), series)
        kinds["weeks"] = (Total("week", (), SEVEN_DAYS), one)
    return {name: totals_by(run, forecast_rows, total, groups, each, [HELD]) for name, (total, groups) in kinds.items()}


def _own_horizon(fitted: FittedPipeline) -> Duration:
    step = fitted.frequency
    return Duration(fitted.horizon * step.count, "mo" if step.unit == "mo" else "s")


# ----------------------------------------------------------------------------------------------- known


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
    shut = _met(table, config.forecast.zero_where) | _met(table, config.target.drop_where)
    rows = pd.DataFrame(
        {"series": codes, "date": table[config.date], "actual": table[target].astype("float64"), "open": ~shut}
    )
    rows = pd.concat([rows, table[beside].add_prefix(COLUMN)], axis=1)
    return rows[rows["series"] < len(series)].reset_index(drop=True)


def _met(table: pd.DataFrame, condition: Condition) -> BoolArray:
    """Which rows meet a condition on the table's own columns, bool (n,); none where it is empty or on others."""
    if not condition or not set(condition) <= set(table.columns):
        return np.zeros(len(table), dtype=bool)
    return matches(table, condition, "the train table")


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
