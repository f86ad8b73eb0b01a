"""The rows that can be explained, as raw tables: the plan of the days to forecast, and past rows as it knew them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.contents import FittedPipeline, Run
from tabcli.config.values import Duration
from tabcli.errors import DataError, UsageError, did_you_mean
from tabcli.features.events import series_codes
from tabcli.forecasting.known import has_train
from tabcli.pipeline.future import future_rows
from tabcli.pipeline.joined import check_future, known_ahead
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.rows import stack


@dataclass(frozen=True)
class Plan:
    """Rows with their series, dates and what is known of them in advance: past ones, and those to forecast.

    `rows`: n of them. `series`: each row's number among `names`, int64 (n,). `to_forecast`: which are, bool (n,).
    """

    rows: pd.DataFrame
    series: IntArray
    names: Sequence[str]
    to_forecast: BoolArray

    def chosen(self, date: str, names: Sequence[str], dates: Sequence[str]) -> BoolArray:
        """The rows of these series (none: of all) on these dates (none: on those to forecast), bool (n,).

        Raises `UsageError` for a series that no row has, and for a date on which none of these series has a row.
        """
        hit = np.ones(len(self.rows), dtype=bool) if dates else self.to_forecast.copy()
        if names:
            hit &= np.isin(self.series, [self._number(name) for name in names])
        if not dates:
            if not hit.any():
                raise UsageError("none of these series has rows to forecast", hint="name past dates with --date")
            return hit
        moments = self.rows[date]
        on = np.zeros(len(hit), dtype=bool)
        for text in dates:
            first, last = _moments(text)
            there = ((moments >= first) & (moments <= last)).to_numpy()
            if not (there & hit).any():
                own = moments[hit]
                raise UsageError(
                    f"--date {text}: no row of {'these series' if names else 'any series'} has such a date; "
                    f"there are rows from {_date(own.min())} to {_date(own.max())}"
                )
            on |= there
        return hit & on

    def _number(self, name: str) -> int:
        wanted = name.replace(" · ", ",").replace(", ", ",")
        plain = {text.replace(" · ", ","): i for i, text in enumerate(self.names)}
        if wanted not in plain:
            few = ", ".join(self.names[:3])
            raise UsageError(
                f"--series {name}: no row is of this series{did_you_mean(wanted, plain)}", hint=f"there are {few}, …"
            )
        return plain[wanted]


def _moments(text: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """A date as its first and last moment; `A..B` from the first of A to the last of B. Raises `UsageError`."""
    first, _, last = text.partition("..")
    ends = []
    for part in (first, last or first):
        try:
            ends.append(pd.Timestamp(part.strip()))
        except ValueError:
            raise UsageError(
                f"--date {text}: expected a date such as 2015-08-03, or two as 2015-08-03..2015-08-09"
            ) from None
        if pd.isna(ends[-1]):
            raise UsageError(f"--date {text}: expected a date such as 2015-08-03")
    whole = ends[1] == ends[1].normalize()
    return ends[0], ends[1] + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1) if whole else ends[1]


def _date(moment: pd.Timestamp) -> str:
    return str(moment.date() if moment == moment.normalize() else moment)


def plan_of(run: Run, data: DataSource, horizon: Duration | None = None) -> Plan:
    """The rows to forecast, and where the train table is at hand, the rows up to the last date that the run knows.

    `horizon`: the next steps of every series in place of the table of the rows; also taken where there is none. Raises
    what `predict` raises.
    """
    fitted, config = run.fitted, run.fitted.config
    given = "future" in (data if isinstance(data, Mapping) else config.tables)
    if horizon is None and not given:
        horizon = own_horizon(fitted)
    if horizon is not None:
        ahead = future_rows(fitted, horizon)
    else:
        ahead, where = load_tables(config, data, ["future"])["future"], describe(config, data, "future")
        check_future(ahead, config, where)
        ahead = fitted.contract.conform(known_ahead(ahead, config), "train", where)
    rows, n_past = ahead, 0
    if has_train(run, data):
        where = describe(config, data, "train")
        past = load_tables(config, data, ["train"])["train"]
        past = past[past[config.date] <= fitted.split.valid_end].reset_index(drop=True)
        past = fitted.contract.conform(known_ahead(past, config), "train", where)
        shared = [c for c in ahead.columns if c in past.columns]
        rows, n_past = stack(past[shared], ahead[shared]), len(past)
    codes, series = series_codes(rows[list(config.series)], fitted.calendar.series)
    names = [" · ".join(map(str, key)) for key in series.itertuples(index=False)]
    return Plan(rows, codes, names, np.arange(len(rows)) >= n_past)


def own_horizon(fitted: FittedPipeline) -> Duration:
    """As far as the run forecasts."""
    step = fitted.frequency
    return Duration(fitted.horizon * step.count, "mo" if step.unit == "mo" else "s")


def require_past(plan: Plan, what: str) -> None:
    """Raises `DataError` where no past rows are at hand."""
    if plan.to_forecast.all():
        raise DataError(
            f"{what} needs past rows, but the data have no train table", hint="put it in the folder of --data"
        )
