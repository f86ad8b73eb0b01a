"""Rows to forecast where no table gives them: every known series × the next steps, filled by the config's rules.

    rule                                   a column's value at a step after the last known date
    {constant: 0}                          always this value
    last                                   the series' last value
    {repeat: 1w}                           the series' value a whole number of weeks before: the same weekday
    {calendar: Dayofweek, plus: 1}         a part of the date, as `features.dates.date_parts` has it
    {holidays: {country: DE}}              1 on public holidays, else 0

Static columns keep their value. What the rules need of the past, the *tail*, is kept with what is fitted.
"""

import calendar
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, BoolArray, ColumnValues, IntArray
from tabcli.artifacts.contents import FittedPipeline
from tabcli.artifacts.encoded_names import ROW, input_column
from tabcli.config.data import Rule, Table
from tabcli.config.schema import OWN_END, Config
from tabcli.config.values import Duration
from tabcli.errors import ConfigError
from tabcli.features.dates import date_parts
from tabcli.features.frequency import DAY, WEEK, Frequency
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.kinds import plain_values
from tabcli.tables.reading import read_table
from tabcli.tables.rows import seconds_of

SERIES, AGO, WEEKDAYS, LAST = ROW + "series", ROW + "ago", ROW + "weekdays", ROW + "last"

OPEN_WEEKS = 52
"""A series is closed on a weekday on which it has no row in so many weeks before its last row."""
FEW_WEEKS = 4
"""… unless its median weekday has fewer rows than this."""


def recent_rows(
    rows: FactorizedTable, config: Config, frequency: Frequency, series: NDArray[np.int64], end: pd.Timestamp
) -> pd.DataFrame:
    """The tail: the train rows up to `end` that rules and static columns need, with their series and steps ago.

    The last row of every series, and the rows of the last steps that a rule repeats. Beside each stand when the last
    row of its series was, in seconds since 1970, and its series' weekdays (`_weekdays`). `series`: of each row, (n,).
    """
    rules = config.forecast.rules
    columns = [c for c, rule in rules.items() if rule.last or rule.repeat] + list(config.availability.static)
    columns += [OWN_END] if OWN_END in rows.columns else []
    if OWN_END in columns and frequency.seconds < WEEK:
        raise ConfigError(
            f"forecast.start: own is for steps of a week or longer, not of {frequency}",
            hint="moved to a common end, the days of series would get other weekdays",
        )
    ago = frequency.ago(rows[config.date], end)
    length = max([frequency.number(rule.repeat) for rule in rules.values() if rule.repeat], default=1)
    last = np.full(int(series.max(initial=-1)) + 1, np.iinfo("int64").max)
    np.minimum.at(last, series[ago >= 0], ago[ago >= 0])
    kept = (ago >= 0) & ((ago < length) | (ago == last[series]))
    seconds = seconds_of(rows[config.date])
    newest = np.full(len(last), np.iinfo("int64").min)
    np.maximum.at(newest, series[ago >= 0], seconds[ago >= 0])
    weekdays = _weekdays(seconds, series, newest, ago >= 0)
    tail: dict[str, ColumnValues] = {SERIES: series[kept], AGO: ago[kept]}
    tail |= {LAST: newest[series[kept]], WEEKDAYS: weekdays[series[kept]]}
    for name in columns:
        tail[input_column(name)] = plain_values(rows[name][kept])
    return pd.DataFrame(tail)


def _weekdays(
    seconds: NDArray[np.int64], series: NDArray[np.int64], newest: NDArray[np.int64], used: NDArray[np.bool]
) -> NDArray[np.int64]:
    """The weekdays on which each series has rows, int64 (n_series,), bit 0 for Monday; all for a series of few rows."""
    weeks_ago = (newest[series] - seconds) // WEEK
    recent = used & (weeks_ago < OPEN_WEEKS)
    counts = np.zeros((len(newest), 7), dtype="int64")
    np.add.at(counts, (series[recent], (seconds[recent] // DAY + 3) % 7), 1)  # 1970 began with a Thursday
    usual = np.sort(counts, axis=1)[:, 3]  # the median weekday's
    open_ = (counts > 0) | (usual < FEW_WEEKS)[:, None]
    bits: NDArray[np.int64] = (open_ * (1 << np.arange(7))).sum(axis=1)
    return bits


def closed_weekdays(fitted: FittedPipeline) -> dict[str, int]:
    """Weekday → how many series have no rows on it, so that `future_rows` makes none."""
    if not _daily(fitted):
        return {}
    bits = fitted.tail.drop_duplicates(SERIES)[WEEKDAYS].to_numpy()
    counts = {name: int((bits >> day & 1 == 0).sum()) for day, name in enumerate(calendar.day_name)}
    return {name: n for name, n in counts.items() if n}


def open_steps(fitted: FittedPipeline, series: IntArray, dates: pd.Series) -> BoolArray:
    """Whether each series (−1: a new one) has rows on the weekday of each date, bool (n_series, n_dates)."""
    bits = np.full(int(series.max(initial=-1)) + 2, 127)  # the last: all weekdays
    if _daily(fitted):
        known = fitted.tail.drop_duplicates(SERIES)
        known = known[known[SERIES] < len(bits) - 1]
        bits[known[SERIES].to_numpy()] = known[WEEKDAYS].to_numpy()
    opened: BoolArray = (bits[series][:, None] >> dates.dt.day_of_week.to_numpy() & 1).astype(bool)
    return opened


def _daily(fitted: FittedPipeline) -> bool:
    """Whether closed weekdays matter: steps of a day or shorter, a tail that knows them, `forecast.weekdays: seen`."""
    frequency, config = fitted.frequency, fitted.config
    short = frequency.unit == "s" and frequency.count <= DAY
    return short and WEEKDAYS in fitted.tail and config.forecast.weekdays == "seen"


def future_rows(fitted: FittedPipeline, horizon: Duration) -> pd.DataFrame:
    """The next steps of every series, with static and known-in-advance columns. `ConfigError` for a missing rule."""
    config, tail, frequency = fitted.config, fitted.tail, fitted.frequency
    _check_rules(config)
    end, n = fitted.split.valid_end, max(1, frequency.number(horizon))
    moments = pd.Series([frequency.after(end, i) for i in range(1, n + 1)]).astype("datetime64[us]")
    known = np.unique(tail[SERIES].to_numpy())
    if config.forecast.ended == "left_out":
        known = known[~np.isin(known, [*ended_series(fitted)])]
    series, step = np.repeat(known, n), np.tile(np.arange(n), len(known))
    dates = pd.Series(moments.to_numpy()[step], name=config.date)
    if frequency.unit == "s" and LAST in tail:
        own = tail.drop_duplicates(SERIES).set_index(SERIES)[LAST].loc[known].to_numpy()
        behind = (int(end.timestamp()) - own) % frequency.count  # not 0 where weeks begin on another weekday
        dates -= pd.to_timedelta(np.repeat(behind, n), unit="s").to_series(index=dates.index)
    if _daily(fitted):
        bits = tail.drop_duplicates(SERIES).set_index(SERIES)[WEEKDAYS].loc[known].to_numpy()
        open_ = (np.repeat(bits, n) >> dates.dt.day_of_week.to_numpy() & 1).astype(bool)
        series, step, dates = series[open_], step[open_], dates[open_].reset_index(drop=True)
    keys = fitted.calendar.series.infer_objects()
    columns: dict[str, ColumnValues] = {c: keys[c].to_numpy()[series] for c in config.series}
    columns[config.date] = dates
    for name in config.availability.static:
        columns[name] = _last(tail, name)[series]
    for name, rule in config.forecast.rules.items():
        columns[name] = _by_rule(name, rule, fitted, dates, series, step)
    return read_table(pd.DataFrame(columns), Table(file=""), name="of the rows to forecast", dates=[config.date])


def own_dates(fitted: FittedPipeline, dates: pd.Series, series: IntArray) -> pd.Series:
    """The dates (n,) of rows to forecast, moved back to each series' own end where `forecast.start` is *own*."""
    if OWN_END not in fitted.tail:
        return dates
    newest = fitted.tail.drop_duplicates(SERIES).sort_values(SERIES)
    place = np.searchsorted(newest[SERIES].to_numpy(dtype="int64"), series)
    own = newest[OWN_END].to_numpy(dtype="int64")[place].astype("datetime64[s]")
    ahead = -fitted.frequency.ago(dates, fitted.split.valid_end)
    moved = [fitted.frequency.after(pd.Timestamp(end), int(n)) for end, n in zip(own, ahead, strict=True)]
    return pd.Series(moved, index=dates.index, name=dates.name).astype("datetime64[us]")


def _check_rules(config: Config) -> None:
    given = {*config.series, config.date, *config.forecast.rules}
    missing = [c for c in config.availability.known_in_advance if c not in given]
    if missing:
        raise ConfigError(
            f"the rows to forecast cannot be made: no rule says what {', '.join(missing)} will be",
            hint=f"give forecast.rules, such as {{{missing[0]}: {{repeat: 1w}}}}, or a table `future` with the rows",
        )


def _by_rule(
    name: str,
    rule: Rule,
    fitted: FittedPipeline,
    dates: pd.Series,
    series: NDArray[np.int64],
    step: NDArray[np.int64],
) -> ColumnValues:
    """A column's values for n rows; `step`: how many steps after the first one to forecast, int64 (n,)."""
    if rule.constant is not None:
        return pd.Series([rule.constant] * len(dates))
    if rule.calendar is not None:
        return date_parts(dates, "", time=True)[rule.calendar].to_numpy() + rule.plus
    if rule.holidays is not None:
        return fitted.holidays.count(dates, rule.holidays)
    last = _last(fitted.tail, name)[series]
    if rule.repeat is None:
        return last
    length = fitted.frequency.number(rule.repeat)
    values = fitted.tail.set_index([SERIES, AGO])[input_column(name)]
    wanted = pd.MultiIndex.from_arrays([series, length - 1 - step % length])
    repeated = values.reindex(wanted)
    return repeated.where(repeated.index.isin(values.index), last).to_numpy()


def _last(tail: pd.DataFrame, name: str) -> AnyArray:
    """The last value of a column in each series, (n_series,)."""
    newest = tail.sort_values(AGO, kind="stable").drop_duplicates(SERIES).set_index(SERIES)[input_column(name)]
    values: AnyArray = newest.reindex(range(int(tail[SERIES].max()) + 1)).to_numpy()
    return values


def steps_without(fitted: FittedPipeline) -> int:
    """How many steps without a row tell that a series has ended: those of the validation rows."""
    return int(fitted.frequency.ago(pd.Series([fitted.split.valid_start]), fitted.split.valid_end)[0]) + 1


def ended_series(fitted: FittedPipeline) -> Mapping[int, int]:
    """The series without a row in so many last steps: position → how many steps before the end its last row is."""
    n_steps = steps_without(fitted)
    last = fitted.tail.groupby(SERIES)[AGO].min()
    return {position: ago for position, ago in zip(last.index.tolist(), last.tolist(), strict=True) if ago >= n_steps}
