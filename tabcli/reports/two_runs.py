"""Two runs beside each other: their settings, their forecasts of the same past windows, what each forecasts now."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from tabcli.arrays import IntArray
from tabcli.artifacts.contents import Run
from tabcli.cards.segments import span_text
from tabcli.config.schema import ONE_SERIES
from tabcli.errors import UsageError
from tabcli.features.frequency import WEEK
from tabcli.forecasting.totals import PERIODS, weeks_from
from tabcli.reports.report_rows import ReportRows
from tabcli.reports.words import short, signed

SURE = 0.9
"""One run is called better where errors of past windows say so with this probability."""

LEAST = 0.01
"""Errors that differ by less than this share of them are as good as each other, however sure the difference is."""

FEWEST_BLOCKS = 4
"""Of fewer blocks of dates nothing can be said for sure."""

MOST_SERIES = 20


@dataclass(frozen=True)
class Setting:
    """A setting that differs: its value in each run, a dash where a run does not have it."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class WindowPair:
    """A past window that both runs forecast: how many rows both scored, and each one's WAPE and bias there."""

    name: str
    rows: int
    first: float
    second: float
    first_bias: float
    second_bias: float


@dataclass(frozen=True)
class Verdict:
    """Which run erred less in the rows of past windows that both forecast.

    `first`, `second`: WAPE of each. `difference`: second − first; `low`, `high`: its interval of 80 %, by Student's t
    over `blocks` of dates; None where these are too few. `sure`: the probability that the run with the smaller error
    is better.
    """

    rows: int
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    sure: float | None
    blocks: int


@dataclass(frozen=True)
class Pair:
    """What both runs forecast for the same rows: a sum of each, and second ÷ first − 1 (None for a first of 0)."""

    name: str
    first: float
    second: float
    change: float | None


@dataclass(frozen=True)
class TwoRuns:
    """`names`: what the runs are called. `windows`: the newest first. `verdict`: None where no window is of both.

    `whole`, `periods`, `series`: what both forecast now, for all rows, by period and for the series that differ most;
    None and empty where one of them forecasts nothing. `notes`: what is missing.
    """

    names: tuple[str, str]
    target: str
    by: str
    settings: tuple[Setting, ...]
    windows: tuple[WindowPair, ...]
    verdict: Verdict | None
    whole: Pair | None
    period: str
    periods: tuple[Pair, ...]
    series: tuple[Pair, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What a person can repeat."""
        if self.verdict is None:
            return f"{self.target}: no past window was forecast by both runs, so nothing says which is better."
        v = self.verdict
        scores = f"past windows were off by {100 * v.second:.2f} % against {100 * v.first:.2f} %"
        if abs(v.difference) < LEAST * max(v.first, v.second):
            return f"{self.target}: the two runs are as good as each other: {scores}."
        if v.sure is None or v.sure < SURE:
            how = "too few dates to be sure" if v.sure is None else f"{100 * v.sure:.0f} % sure"
            return f"{self.target}: no telling which run is better: {scores} ({how})."
        better, other = (self.names[1], self.names[0]) if v.difference < 0 else self.names
        least, most = sorted((v.first, v.second))
        scores = f"past windows were off by {100 * least:.2f} % against {100 * most:.2f} %"
        return f"{self.target}: {better} is better than {other}: {scores} ({100 * v.sure:.0f} % sure)."


def two_runs(names: tuple[str, str], first: ReportRows, second: ReportRows) -> TwoRuns:
    """Compares what two runs are, reached and forecast. Raises `UsageError` for runs of other series or targets."""
    _check(names, first.run, second.run)
    config = first.run.fitted.config
    past = _matched_past(first, second)
    now = _matched(_keyed(first, first.forecast), _keyed(second, second.forecast), ["date"], "value")
    notes = [f"{name}: {note}" for name, rows in zip(names, (first, second), strict=True) for note in rows.notes]
    if past.empty:
        notes.append("no past window has the same dates and steps ahead in both runs")
    totals = [] if now.empty else _pairs(now, PERIODS[first.period](now["date"]).dt.strftime("%Y-%m-%d"))
    by_series = [] if now.empty else _pairs(now, now["name"])
    apart = sorted(by_series, key=lambda p: (-abs(p.second - p.first), p.name))
    return TwoRuns(
        names=names,
        target=config.target.column,
        by="" if config.series == (ONE_SERIES,) else ", ".join(config.series),
        settings=_settings(first.run, second.run),
        windows=_windows(past),
        verdict=_verdict(past, first.run.fitted.frequency.seconds),
        whole=None if now.empty else _pairs(now, pd.Series("all", index=now.index))[0],
        period=first.period,
        periods=tuple(totals),
        series=tuple(apart[:MOST_SERIES]) if len(by_series) > 1 else (),
        notes=tuple(dict.fromkeys(notes)),
    )


def _check(names: tuple[str, str], first: Run, second: Run) -> None:
    a, b = first.fitted.config, second.fitted.config
    for what, mine, others in (
        ("targets", a.target.column, b.target.column),
        ("series", ", ".join(a.series), ", ".join(b.series)),
        ("steps", str(first.fitted.frequency), str(second.fitted.frequency)),
    ):
        if mine != others:
            raise UsageError(
                f"{names[0]} and {names[1]} forecast other {what}: {mine} and {others}",
                hint="two runs are compared by the rows that both forecast",
            )


# ---------------------------------------------------------------------------------------------- settings


def _settings(first: Run, second: Run) -> tuple[Setting, ...]:
    """Every key of the config that differs, and what the runs learned from."""
    a, b = (_flat(run.fitted.config.dump()) | _made(run) for run in (first, second))
    keys = list(dict.fromkeys([*a, *b]))
    return tuple(Setting(k, a.get(k, "–"), b.get(k, "–")) for k in keys if a.get(k) != b.get(k))


def _flat(value: object, path: str = "") -> dict[str, str]:
    """Plain values as key.path → text; lists are one value."""
    if isinstance(value, Mapping) and value:
        made: dict[str, str] = {}
        for key, part in value.items():
            made |= _flat(part, f"{path}.{key}" if path else str(key))
        return made
    if isinstance(value, list | tuple):
        return {path: ", ".join(map(str, value)) or "none"}
    return {path: "none" if value is None or value == {} else str(value)}


def _made(run: Run) -> dict[str, str]:
    fitted, metrics = run.fitted, run.metrics
    return {
        "networks": str(len(run.members)),
        "trained anew on all rows": "yes" if metrics.refitted else "no",
        "rows learned from": f"{metrics.train_rows:,}",
        "known": span_text(fitted.split.train_start, fitted.split.valid_end),
        "horizon": f"{fitted.horizon} steps",
        "share of naive forecasts": f"{100 * run.floor.share:.0f} %",
    }


# ------------------------------------------------------------------------------------------ past windows


def _keyed(rows: ReportRows, table: pd.DataFrame) -> pd.DataFrame:
    """The table with the name of each row's series."""
    return table.assign(name=[rows.names[k] for k in table["series"]])


def _matched(first: pd.DataFrame, second: pd.DataFrame, on: list[str], value: str) -> pd.DataFrame:
    """The rows of both: their keys, the first one's other columns, and `value` of each as *first* and *second*."""
    mine = first.rename(columns={value: "first"})
    others = second[["name", *on, value]].rename(columns={value: "second"})
    return mine.merge(others, on=["name", *on], how="inner")


def _matched_past(first: ReportRows, second: ReportRows) -> pd.DataFrame:
    """Rows of past windows that both runs forecast from as far away."""
    if first.past is None or second.past is None:
        return pd.DataFrame()
    return _matched(_keyed(first, first.past), _keyed(second, second.past), ["date", "ahead"], "forecast")


def _windows(past: pd.DataFrame) -> tuple[WindowPair, ...]:
    made = []
    for _, rows in past.groupby("window") if len(past) else ():
        size, sum_of = float(rows["actual"].abs().sum()), float(rows["actual"].sum())
        if size:
            errors = [float((rows[c] - rows["actual"]).abs().sum()) / size for c in ("first", "second")]
            bias = [float(rows[c].sum()) / sum_of - 1 if sum_of else 0.0 for c in ("first", "second")]
            made.append(WindowPair(span_text(rows["date"].min(), rows["date"].max()), len(rows), *errors, *bias))
    return tuple(made)


def _verdict(past: pd.DataFrame, seconds: int) -> Verdict | None:
    if past.empty or not float(past["actual"].abs().sum()):
        return None
    size = float(past["actual"].abs().sum())
    errors = {c: (past[c] - past["actual"]).abs() for c in ("first", "second")}
    blocks = _blocks(past, seconds)
    sums = (errors["second"] - errors["first"]).groupby(blocks).sum().to_numpy() / size
    n, difference = len(sums), float(sums.sum())
    low = high = sure = None
    if n >= FEWEST_BLOCKS:
        # The blocks are drawn; the sum of n of them has n times the variance of one.
        error = float(sums.std(ddof=1) * np.sqrt(n))
        low, high = (difference + float(stdtrit(n - 1, level)) * error for level in (0.1, 0.9))
        sure = float(stdtr(n - 1, abs(difference) / error)) if error else 1.0 if difference else 0.5
    first, second = (float(errors[c].sum()) / size for c in ("first", "second"))
    return Verdict(len(past), first, second, difference, low, high, sure, n)


def _blocks(past: pd.DataFrame, seconds: int) -> IntArray:
    """Each row's block of dates, int64 (n,): seven days of a window, or for longer steps a date of it."""
    starts = past["date"]
    if seconds < WEEK:
        starts = past.groupby("window")["date"].transform(weeks_from)
    return pd.factorize(pd.MultiIndex.from_arrays([past["window"], starts]))[0].astype("int64")


# ------------------------------------------------------------------------------------------- forecasts


def _pairs(now: pd.DataFrame, groups: pd.Series) -> list[Pair]:
    sums = now.groupby(groups.to_numpy())[["first", "second"]].sum()
    return [
        Pair(str(name), float(a), float(b), float(b / a - 1) if a else None)
        for name, a, b in zip(sums.index, sums["first"].tolist(), sums["second"].tolist(), strict=True)
    ]


def pair_text(pair: Pair) -> str:
    """What both forecast, in words."""
    change = "" if pair.change is None else f" ({signed(pair.change, 1)})"
    return f"{short(pair.first)} and {short(pair.second)}{change}"
