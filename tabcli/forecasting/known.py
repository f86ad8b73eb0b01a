"""The targets that are known before a forecast, beside the rows to forecast: what each series had before."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.features.events import series_codes
from tabcli.features.frequency import season_of
from tabcli.pipeline.apply import Applied
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import matches

YEAR_DAYS = 364
"""A year before, on the same weekday."""

FEW = 4
"""The last season is the median of the last so many rows at the same place in the season."""


@dataclass(frozen=True)
class KnownTargets:
    """What the series of n rows to forecast had before, in the target's unit, float64 (n,) each, NaN where unknown.

    `last_year`: at the same step a year ago. `last_season`: the median of the last `FEW` rows at the same place in the
    season. `low`, `high`: of all rows that can be learned from and are not 0.
    """

    last_year: FloatArray
    last_season: FloatArray
    low: FloatArray
    high: FloatArray


def has_train(run: Run, data: DataSource) -> bool:
    """Whether the data have the train table."""
    if isinstance(data, Mapping):
        return "train" in data
    return (Path(data) / run.fitted.config.tables["train"].file).exists()


def known_targets(run: Run, data: DataSource, applied: Applied) -> KnownTargets:
    """Reads the train table up to the last date that the run knows. Raises `DataError` where it cannot be read."""
    fitted, config = run.fitted, run.fitted.config
    where, target = describe(config, data, "train"), config.target.column
    table = load_tables(config, data, ["train"])["train"]
    require_columns(table, [target], where)
    usable = ~TargetTransform.refused(config.target.transform, table[target].to_numpy(dtype="float64", na_value=np.nan))
    if config.target.censored_where and {*config.target.censored_where} <= {*table.columns}:
        usable &= ~matches(table, config.target.censored_where, "target.censored_where")
    table = table[usable & (table[config.date] <= fitted.split.valid_end).to_numpy()]
    table = fitted.contract.conform(table.reset_index(drop=True), "train", where)
    ahead, all_series = series_codes(applied.rows[list(config.series)], fitted.calendar.series)
    known = pd.DataFrame(
        {
            "series": series_codes(table[list(config.series)], all_series)[0],
            "date": table[config.date].to_numpy(),
            "actual": table[target].to_numpy(dtype="float64"),
        }
    )
    known["season"] = season_of(known["date"], fitted.frequency)
    dates = applied.rows[config.date].reset_index(drop=True)
    not_zero = known[known["actual"] != 0].groupby("series")["actual"]
    return KnownTargets(
        _last_year(run, known, ahead, dates),
        _last_season(known, ahead, season_of(dates, fitted.frequency)),
        not_zero.min().reindex(ahead).to_numpy(dtype="float64"),
        not_zero.max().reindex(ahead).to_numpy(dtype="float64"),
    )


def _last_year(run: Run, known: pd.DataFrame, series: IntArray, dates: pd.Series) -> FloatArray:
    months = run.fitted.frequency.unit == "mo"
    back = dates - (pd.DateOffset(years=1) if months else pd.Timedelta(days=YEAR_DAYS))
    rows = pd.DataFrame({"series": series, "date": back.astype(known["date"].dtype)})
    once = known.drop_duplicates(["series", "date"], keep="last")[["series", "date", "actual"]]
    return rows.merge(once, on=["series", "date"], how="left")["actual"].to_numpy(dtype="float64")


def _last_season(known: pd.DataFrame, series: IntArray, season: pd.Series) -> FloatArray:
    newest = known.sort_values("date", kind="stable").groupby(["series", "season"], sort=False).tail(FEW)
    medians = newest.groupby(["series", "season"])["actual"].median()
    wanted = pd.MultiIndex.from_arrays([series, season.to_numpy()])
    return medians.reindex(wanted).to_numpy(dtype="float64")
