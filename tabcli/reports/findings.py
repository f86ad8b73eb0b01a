"""What a report says in numbers: its sentence, the sum of all series, what deserves a look, and each series."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.cards.segments import moment_text, scores_by
from tabcli.config.schema import ONE_SERIES
from tabcli.evaluation.quantiles import interval_columns
from tabcli.forecasting.totals import PERIODS
from tabcli.reports.report_rows import ReportRows
from tabcli.training.past import HELD

MOST_LOOKS = 8
"""So many series are named for each reason."""

LEAST = 0.1
"""A series is named from so much more change, or error, than that of all series on."""


@dataclass(frozen=True)
class Headline:
    """The sum of all rows to forecast.

    `by`: the columns that tell series apart, empty for a single series. `n_steps`: how many steps from the first to
    the last; `unit`: what a step is, in the plural where there are several. `low`, `high`: the interval of 80 %, None
    for a run without past windows. `last_year`: what the series that were there had on the same days last year, and
    `change` their forecast ÷ that, − 1; None where there are no such days. `alike`: how many of the series were there.
    """

    target: str
    by: str
    n_steps: int
    unit: str
    first: str
    last: str
    n_series: int
    value: float
    low: float | None
    high: float | None
    last_year: float | None
    change: float | None
    alike: int

    @property
    def sentence(self) -> str:
        """What a person can repeat."""
        steps = f"next {self.n_steps} {self.unit}" if self.n_steps > 1 else f"next {self.unit}"
        text = f"{self.target}, the {steps}: {short(self.value)}"
        if self.low is not None and self.high is not None:
            text += f" ± {short((self.high - self.low) / 2, 2)}"
        if self.change is None:
            return f"{text}."
        few = "" if self.alike == self.n_series else f" in the {self.alike:,} series that were there"
        return f"{text}, {change_text(self.change)} the same {_plural(self.unit)} last year{few}."


@dataclass(frozen=True)
class Step:
    """A day, week or month of all series: `actual` of past windows, else None; `window`: −1 for what is to come."""

    start: str
    window: int
    actual: float | None
    forecast: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SeriesTotal:
    """A series over the whole forecast.

    `before`: the sum of its own last season's rows that the forecast is compared with, None where there are none;
    `change`: the forecast ÷ `before`, − 1. `wape`, `bias`: of past windows, None where unknown.
    """

    number: int
    name: str
    value: float
    low: float | None
    high: float | None
    before: float | None
    change: float | None
    wape: float | None
    bias: float | None


@dataclass(frozen=True)
class Look:
    """A series that deserves a look, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Findings:
    """`against`: what `SeriesTotal.before` is of. `unknown`: how many rows hold what training never saw."""

    headline: Headline
    chain: tuple[Step, ...]
    period: str
    against: str
    series: tuple[SeriesTotal, ...]
    departed: tuple[Look, ...]
    erred: tuple[Look, ...]
    unknown: int
    notes: tuple[str, ...]


def find(rows: ReportRows) -> Findings:
    """All that is found in the rows of a report."""
    last_year = _last_year(rows)
    headline = _headline(rows, last_year)
    before, against = (
        (last_year, f"the same {_plural(headline.unit)} last year")
        if last_year is not None
        else (
            _just_before(rows),
            f"the {headline.n_steps} {headline.unit} before",
        )
    )
    series = _series(rows, before)
    unknown = int((rows.forecast["unknown"] & (rows.forecast["value"] != 0)).sum())
    return Findings(
        headline,
        _chain(rows),
        rows.period,
        against,
        series,
        _departed(series, against),
        _erred(series, rows),
        unknown,
        tuple(rows.notes),
    )


# ------------------------------------------------------------------------------------------------ words


def short(value: float, digits: int = 3) -> str:
    """A number as it is said: three significant digits, with k, M or bn.

    >>> short(289_731_004), short(9_130_000, 2), short(-12.34), short(0.0)
    ('290 M', '9.1 M', '-12.3', '0')
    """
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k"), (1.0, "")):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded) >= size:
            scaled = rounded / size
            whole = len(str(int(abs(scaled))))
            return f"{scaled:,.{max(digits - whole, 0)}f}{unit}"
    return f"{value:.{digits}g}"


def change_text(change: float) -> str:
    """A relative change in words.

    >>> change_text(0.031), change_text(-0.2), change_text(0.001)
    ('3 % above', '20 % below', 'as many as on')
    """
    percent = round(100 * abs(change))
    if not percent:
        return "as many as on"
    return f"{percent} % {'above' if change > 0 else 'below'}"


def signed(share: float, digits: int = 0) -> str:
    """A share with its sign, in percent.

    >>> signed(0.312), signed(-0.005, 1), signed(-0.001)
    ('+31 %', '−0.5 %', '0 %')
    """
    text = f"{100 * share:+.{digits}f}"
    return f"{text[1:] if not float(text) else text.replace('-', '−')} %"


def _plural(unit: str) -> str:
    return unit if unit.endswith("s") else f"{unit}s"


def _unit(rows: ReportRows, n: int) -> str:
    """What a step is: hours, days, weeks, months; or steps of 2w."""
    text = str(rows.run.fitted.frequency)
    name = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month", "7d": "week", "24h": "day"}.get(text)
    if name is None:
        return f"steps of {text}"
    return name if n == 1 else f"{name}s"


# ------------------------------------------------------------------------------------------------ parts


def _headline(rows: ReportRows, last_year: pd.Series | None) -> Headline:
    fitted, forecast = rows.run.fitted, rows.forecast
    first, last = forecast["date"].min(), forecast["date"].max()
    n_steps = int(fitted.frequency.ago(pd.Series([first]), last)[0]) + 1
    low = high = None
    value = float(forecast["value"].sum())
    if rows.totals is not None:
        target = fitted.config.target.column
        row = rows.totals["all"].iloc[0]
        value = float(row[target])
        low, high = (float(row[c]) for c in interval_columns(target, HELD))
    then = change = None
    alike = 0 if last_year is None else len(last_year)
    if last_year is not None and float(last_year.sum()) > 0:
        then = float(last_year.sum())
        change = float(forecast.loc[forecast["series"].isin(last_year.index), "value"].sum()) / then - 1
    return Headline(
        fitted.config.target.column,
        "" if fitted.config.series == (ONE_SERIES,) else ", ".join(fitted.config.series),
        n_steps,
        _unit(rows, n_steps),
        moment_text(first),
        moment_text(last),
        forecast["series"].nunique(),
        value,
        low,
        high,
        then,
        change,
        alike,
    )


def _last_year(rows: ReportRows) -> pd.Series | None:
    """The sum of each series on the same days last year (364 days before, so that weekdays agree), by its number.

    Of series that had at least half as many rows then as are not forecast as 0. None where that is of less than half
    of the forecast.
    """
    if rows.known is None:
        return None
    forecast, step = rows.forecast, rows.run.fitted.frequency
    back = pd.DateOffset(years=1) if step.unit == "mo" else pd.Timedelta(days=364)
    then = forecast[["series", "value"]].assign(date=(forecast["date"] - back).astype(rows.known["date"].dtype))
    found = then.merge(rows.known[["series", "date", "actual"]], on=["series", "date"], how="left")
    some = found["value"] != 0
    table = pd.DataFrame(
        {
            "sum": found.groupby("series")["actual"].sum(),
            "there": found.groupby("series")["actual"].count(),
            "needed": some.groupby(found["series"]).sum(),
        }
    )
    alike = table[(table["there"] > 0) & (2 * table["there"] >= table["needed"])]
    share = forecast.loc[forecast["series"].isin(alike.index), "value"].sum()
    return alike["sum"] if len(alike) and 2 * share >= forecast["value"].sum() else None


def _just_before(rows: ReportRows) -> pd.Series | None:
    """The sum of each series over as many steps up to the last known date as are forecast, by its number."""
    if rows.known is None:
        return None
    n_steps = int(rows.forecast["ahead"].max())
    ago = rows.run.fitted.frequency.ago(rows.known["date"], rows.run.fitted.split.valid_end)
    return rows.known[ago < n_steps].groupby("series")["actual"].sum()


def _chain(rows: ReportRows) -> tuple[Step, ...]:
    """The sums of all series by period: past windows, the oldest first, then what is to come."""
    steps = []
    if rows.past is not None:
        past = rows.past.assign(start=period_starts(rows.past["date"], rows.period))
        sums = past.groupby(["window", "start"])[["actual", "forecast"]].sum().reset_index()
        sums = sums.sort_values(["start", "window"], ascending=[True, False])
        steps = [
            Step(day, int(window), float(actual), float(forecast), None, None)
            for day, window, actual, forecast in zip(
                _day_texts(sums["start"]), *(sums[c].tolist() for c in ("window", "actual", "forecast")), strict=True
            )
        ]
    if rows.totals is None:
        later = rows.forecast.groupby(period_starts(rows.forecast["date"], rows.period))["value"].sum().reset_index()
        days = zip(_day_texts(later["date"]), later["value"].tolist(), strict=True)
        return (*steps, *(Step(day, -1, None, float(value), None, None) for day, value in days))
    table, target = rows.totals["period"], rows.run.fitted.config.target.column
    numbers = (table[c].tolist() for c in (target, *interval_columns(target, HELD)))
    coming = zip(_day_texts(table["start"]), *numbers, strict=True)
    return (*steps, *(Step(day, -1, None, float(v), float(a), float(b)) for day, v, a, b in coming))


def _day_texts(dates: pd.Series) -> list[str]:
    return [str(text) for text in dates.dt.strftime("%Y-%m-%d")]


def _series(rows: ReportRows, before: pd.Series | None) -> tuple[SeriesTotal, ...]:
    """Every series that is forecast, the largest first."""
    target = rows.run.fitted.config.target.column
    sums = rows.forecast.groupby("series")["value"].sum()
    bounds: dict[str, tuple[float, float]] = {}
    if rows.totals is not None:
        table = rows.totals.get("series", rows.totals["all"])  # a single series is all rows
        groups = table["group"] if "series" in rows.totals else pd.Series(rows.names[:1])
        columns = (table[c].tolist() for c in interval_columns(target, HELD))
        bounds = {str(g): (float(a), float(b)) for g, a, b in zip(groups, *columns, strict=True)}
    scores = {}
    if rows.past is not None:
        numbers = rows.past["series"].to_numpy(dtype="int64")
        scores = {s.name: s for s in scores_by(rows.past, numbers, [str(i) for i in range(len(rows.names))])}
    made = []
    for number, value in sums.sort_values(ascending=False, kind="stable").items():
        k = int(str(number))
        low, high = bounds.get(rows.names[k].replace(" · ", ", "), (None, None))
        then = None if before is None or k not in before.index or before[k] <= 0 else float(before[k])
        score = scores.get(str(k))
        wape, bias = (None, None) if score is None else (score.wape, score.bias)
        change = None if then is None else float(value) / then - 1
        made.append(SeriesTotal(k, rows.names[k], float(value), low, high, then, change, wape, bias))
    return tuple(made)


def _departed(series: tuple[SeriesTotal, ...], against: str) -> tuple[Look, ...]:
    """The series whose forecast departs most from their own past, seen from how all of them change."""
    compared = [s for s in series if s.before is not None and s.change is not None and s.value > 0]
    if len(compared) < 2:
        return ()
    whole = sum(s.value for s in compared) / sum(s.before or 0 for s in compared)
    apart = [abs(np.log((1 + (s.change or 0)) / whole)) for s in compared]
    order = [i for i in np.argsort(-np.asarray(apart), kind="stable")[:MOST_LOOKS] if apart[i] >= np.log(1 + LEAST)]
    return tuple(
        Look(
            compared[i].name,
            f"{signed(compared[i].change or 0)} against {against} ({short(compared[i].value)} after "
            f"{short(compared[i].before or 0)}); all series {signed(whole - 1)}",
        )
        for i in order
    )


def _erred(series: tuple[SeriesTotal, ...], rows: ReportRows) -> tuple[Look, ...]:
    """The series whose past windows erred most."""
    if rows.past is None:
        return ()
    whole = scores_by(rows.past, np.zeros(len(rows.past), dtype="int64"), ["all"])[0].wape or 0.0
    known = [s for s in series if s.wape is not None and s.wape >= (1 + LEAST) * whole]
    if len(series) < 2:
        return ()
    worst = sorted(known, key=lambda s: -(s.wape or 0))[:MOST_LOOKS]
    return tuple(
        Look(s.name, f"past forecasts were off by {100 * (s.wape or 0):.0f} % (bias {signed(s.bias or 0)})")
        for s in worst
    )


def period_starts(dates: pd.Series, period: str) -> pd.Series:
    """The first day of each date's period, as totals have it."""
    return PERIODS[period](dates)
