"""Sums of forecast rows, such as of a chain by week, with intervals from the errors of such sums in past windows.

A sum of quantiles is no quantile of a sum: what rows have in common does not cancel. So a total's interval comes from
what totals of the same kind erred by in past windows, as a share of their forecast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from tabcli.arrays import AnyArray, FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.artifacts.encoded_names import ROW
from tabcli.errors import DataError, UsageError
from tabcli.evaluation.quantiles import interval_columns, interval_levels
from tabcli.evaluation.scatter import PastErrors, RowPlaces, Scatter, fit_scatter
from tabcli.forecasting.bounds import coming_steps, past_of
from tabcli.forecasting.groups import ALL, by_series, groups_of
from tabcli.forecasting.outputs import significant
from tabcli.pipeline.apply import Applied
from tabcli.training.past import learned_by, time_of_year
from tabcli.training.yearly import yearly_factors

PERIODS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "day": lambda dates: dates.dt.normalize(),
    "week": lambda dates: dates.dt.normalize() - pd.to_timedelta(dates.dt.day_of_week, unit="D"),
    "month": lambda dates: dates.dt.to_period("M").dt.start_time,
}
"""What a total may be by, beside columns: date → the first day of its period."""

SEVEN_DAYS = "seven days"
"""The period of days 1 to 7 of the dates, 8 to 14, and so on: whole weeks whatever day the first one is."""


def weeks_from(dates: pd.Series) -> pd.Series:
    """The first day of each date's `SEVEN_DAYS`."""
    first = dates.min().normalize()
    weeks: pd.Series = first + pd.to_timedelta((dates - first).dt.days // 7 * 7, unit="D")
    return weeks


ENOUGH = 20
"""From so many blocks on the errors of past totals have quantiles; fewer have a spread, and Student's t."""


@dataclass(frozen=True)
class Total:
    """One kind of total, such as `State,week`: by `columns` of the rows, and by a `period` or over the horizon."""

    name: str
    columns: tuple[str, ...]
    period: str | None

    @classmethod
    def parse(cls, text: str) -> "Total":
        """From *chain*, a period, columns, or several of these with commas. Raises `UsageError`.

        >>> Total.parse("State,week")
        Total(name='State,week', columns=('State',), period='week')
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        periods = [p for p in parts if p in PERIODS]
        if not parts or len(periods) > 1:
            raise UsageError(
                f"--total {text!r}: expected {ALL}, columns, and at most one of {', '.join(PERIODS)}, with commas"
            )
        columns = tuple(p.removeprefix("column:") for p in parts if p not in (*PERIODS, ALL))
        return cls(text, columns, periods[0] if periods else None)


def totals_of(
    run: Run, applied: Applied, values: FloatArray, totals: Sequence[Total], shares: Sequence[float]
) -> pd.DataFrame:
    """A row for each total: *total*, *group*, *start*, *rows*, the target's sum, and bounds for each of the shares.

    `values`: the forecast of every row, (n,). `shares`: of the intervals, such as 0.8. Raises `UsageError` for a column
    that the rows do not have or whose past the run does not keep, `BundleError` for a run without past windows.
    """
    return pd.concat([_total(run, applied, values, total, shares) for total in totals], ignore_index=True)


def _total(run: Run, applied: Applied, values: FloatArray, total: Total, shares: Sequence[float]) -> pd.DataFrame:
    series = applied.encoded.table[ROW + "series"].to_numpy(dtype="int64")
    rows = ForecastRows(series, applied.rows[run.fitted.config.date].reset_index(drop=True), values)
    try:
        groups = groups_of(applied, past_of(run), total.columns)
    except UsageError as error:
        raise UsageError(f"--total {total.name}: {error}", hint=error.hint) from None
    return totals_by(run, rows, total, groups.rows, groups.names, shares, groups.past)


@dataclass(frozen=True)
class ForecastRows:
    """n rows that are forecast: each one's series, int64 (n,), its date (n,) and its forecast, float64 (n,).

    `series`: as the run numbers them; any other number for one that training never saw.
    """

    series: IntArray
    dates: pd.Series
    values: FloatArray


def totals_by(
    run: Run,
    rows: ForecastRows,
    total: Total,
    groups: IntArray,
    names: AnyArray,
    shares: Sequence[float],
    past_groups: IntArray | None = None,
) -> pd.DataFrame:
    """As `totals_of`, for groups that the caller made: each row's, int64 (n,), and what *group* holds for each.

    `past_groups`: the group of each row of past windows, −1 for none, int64; None: groups are made of whole series.
    `total.columns` are not read. `total.period` may be `SEVEN_DAYS`. The rows are in
    the order of the groups, then of time.
    """
    time = yearly_factors(run.fitted, run.naive_errors, rows.dates)
    sums = _sums(total, groups, rows.dates, rows.values, time)
    if past_groups is None:
        past_groups = by_series(past_of(run), rows.series, groups)
    return with_intervals(run, total, sums, names, shares, past_groups)


def with_intervals(
    run: Run, total: Total, sums: pd.DataFrame, names: AnyArray, shares: Sequence[float], past_groups: IntArray
) -> pd.DataFrame:
    """Sums, as `mean_time` gives them, as they are written: with the names of their groups and bounds."""
    target = run.fitted.config.target.column
    past = _past_sums(run, total, past_groups)
    scatter = fit_scatter(_errors_of(run, past, total), apart=False)
    scale, value = scatter.scale(_places(sums, total)), sums["value"].to_numpy(dtype="float64")
    made = {
        "total": np.full(len(sums), total.name, dtype=object),
        "group": names[sums["group"].to_numpy()],
        "start": sums["start"].to_numpy(),
        "rows": sums["rows"].to_numpy(),
        target: significant(value),
    }
    positive = bool(past_of(run)["actual"].min() >= 0)
    for share in shares:
        for column, level in zip(interval_columns(target, share), interval_levels(share), strict=True):
            bound = value + np.abs(value) * scale * _offset(scatter, level)
            made[column] = significant(np.maximum(bound, 0.0) if positive else bound)
    return pd.DataFrame(made)


def _starts(dates: pd.Series, period: str | None) -> pd.Series:
    """The first day of each date's period; without one the first date of all."""
    if period is None:
        return pd.Series(dates.min(), index=dates.index)
    return weeks_from(dates) if period == SEVEN_DAYS else PERIODS[period](dates)


def _sums(
    total: Total, groups: AnyArray, dates: pd.Series, values: FloatArray, time_of_year: FloatArray
) -> pd.DataFrame:
    """The sum of each group and period: *group*, *start*, *value*, *rows*, and *time_of_year*, the mean by value."""
    return mean_time(sums_of(total, groups, dates, values, time_of_year))


def sums_of(
    total: Total, groups: AnyArray, dates: pd.Series, values: FloatArray, time_of_year: FloatArray
) -> pd.DataFrame:
    """What is added up over parts of the rows: *group*, *start*, *value*, *size*, *time_of_year* by size, *rows*."""
    columns = {"value": values, "size": np.abs(values), "time_of_year": np.abs(values) * time_of_year}
    table = pd.DataFrame({"group": groups, "start": _starts(dates, total.period), **columns})
    found = table.groupby(["group", "start"])
    return found[[*columns]].sum().assign(rows=found.size()).reset_index()


def mean_time(sums: pd.DataFrame) -> pd.DataFrame:
    """The sums of `sums_of` with the mean of *time_of_year* in place of its sum."""
    mean = (sums["time_of_year"] / sums["size"]).where(sums["size"] > 0, 1.0)
    return sums.assign(time_of_year=mean).drop(columns="size")


def _past_sums(run: Run, total: Total, groups: IntArray) -> pd.DataFrame:
    """The same totals in each past window: *group*, *start*, *window*, *actual*, *forecast* and *time_of_year*.

    `groups`: of each row of past windows, −1 for none, (n,).
    """
    past = past_of(run).reset_index(drop=True)
    found = []
    for window, part in past[groups >= 0].groupby("window"):
        of_row = groups[part.index.to_numpy()]
        forecast = run.calibration.forecasts(run.fitted.target, part["output"].to_numpy())
        time = time_of_year(part)
        made = _sums(total, of_row, part["date"], forecast, time).rename(columns={"value": "forecast"})
        made["actual"] = _sums(total, of_row, part["date"], part["actual"].to_numpy(), time)["value"]
        found.append(made.assign(window=window))
    made = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    made = made[made["forecast"] != 0] if found else made
    if made.empty:
        raise DataError(
            f"--total {total.name}: nothing of what is forecast has rows in a past window",
            hint="totals have intervals where the same series were forecast before",
        )
    return made


def _places(sums: pd.DataFrame, total: Total) -> RowPlaces:
    """Totals as rows that scatter: a group for the series; days have their weekday for the season."""
    n = len(sums)
    season = (
        sums["start"].dt.day_of_week.to_numpy(dtype="int64") if total.period == "day" else np.zeros(n, dtype="int64")
    )
    group, ahead = sums["group"].to_numpy(dtype="int64"), np.ones(n, dtype="int64")
    return RowPlaces(group, season, ahead, sums["time_of_year"].to_numpy(dtype="float64"))


def _errors_of(run: Run, past: pd.DataFrame, total: Total) -> PastErrors:
    error = (past["actual"] - past["forecast"]) / past["forecast"].abs()
    names, window = np.unique(past["window"], return_inverse=True)
    block = pd.factorize(pd.MultiIndex.from_arrays([past["window"], past["start"]]))[0].astype("int64")
    learned = learned_by(run.fitted, past_of(run), coming_steps(run)).take(names)
    places = _places(past, total)
    return PastErrors(places, window.astype("int64"), block, error.to_numpy(dtype="float64"), learned)


def _offset(scatter: Scatter, level: float) -> float:
    """The standardised error of a total at a level."""
    if scatter.n_blocks >= ENOUGH:
        return float(scatter.offsets([level])[0])
    return float(stdtrit(scatter.n_blocks, level) * np.sqrt(np.mean(scatter.errors**2)))
