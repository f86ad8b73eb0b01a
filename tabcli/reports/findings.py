"""What a report says in numbers: its sentence, the sum of all series, what deserves a look, and each series."""

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import pandas as pd

from tabcli.cards.segments import moment_text, scores_by
from tabcli.config.schema import ONE_SERIES
from tabcli.evaluation.quantiles import interval_columns
from tabcli.forecasting.totals import PERIODS, weeks_from
from tabcli.reports.before import Before, before_of
from tabcli.reports.report_rows import ReportRows
from tabcli.reports.series import SeriesTotal, series_of
from tabcli.reports.words import change_text, plural, short, side, signed, unit_of
from tabcli.training.past import HELD

MOST_LOOKS = 8
"""So many series are named for each reason."""

ASKED = 3
"""So many series are to be asked about first."""

LEAST = 0.1
"""A series is named from so much more change, or error, than that of all series on."""


NEARLY = 0.95
"""The sentence says which series are compared with last year unless they are so many of all."""


@dataclass(frozen=True)
class Headline:
    """The sum of all rows to forecast.

    `n_steps`: how many steps from the first to the last; `unit`: what a step is, in the plural where there are several.
    `low`, `high`: the interval of 80 %, None for a run without past windows. `last_year`: what the series that were
    open then had on the same days last year, and `change` their forecast ÷ that, − 1; None where there are no such
    days. `alike`: how many of the series were open then; `shut`: how many were there and shut for too long.
    """

    target: str
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
    shut: int

    @property
    def sentence(self) -> str:
        """What a person can repeat."""
        steps = f"next {self.n_steps} {self.unit}" if self.n_steps > 1 else f"next {self.unit}"
        text = f"{self.target}, the {steps}: {short(self.value)}"
        if self.low is not None and self.high is not None:
            text += f" ± {short((self.high - self.low) / 2, 2)}"
        if self.change is None:
            return f"{text}."
        few = "" if self.alike >= NEARLY * self.n_series else f" in the {self.alike:,} series that were open then"
        return f"{text}, {change_text(self.change)} the same {plural(self.unit)} last year{few}."


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
class Look:
    """A series that deserves a look, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Findings:
    """What is found in the rows of a report.

    `sentence`: what a person can repeat. `by`: the columns that tell series apart, empty for a single series.
    `headline`: None where nothing is forecast. `chain`: all series by `period`. `weeks`: by whole weeks of seven days,
    from the first day of each window or of the forecast on; empty for longer steps. `against`: what
    `SeriesTotal.before` is of, empty where there is none. `change`: the forecast of all series that are compared ÷ what
    they had then, − 1. `ask`: the series to ask about first. `unknown`: how many rows hold what training never saw.
    """

    sentence: str
    target: str
    by: str
    headline: Headline | None
    chain: tuple[Step, ...]
    weeks: tuple[Step, ...]
    period: str
    against: str
    change: float | None
    series: tuple[SeriesTotal, ...]
    departed: tuple[Look, ...]
    erred: tuple[Look, ...]
    ask: tuple[str, ...]
    unknown: int
    notes: tuple[str, ...]


def find(rows: ReportRows) -> Findings:
    """All that is found in the rows of a report."""
    config, before = rows.run.fitted.config, before_of(rows)
    headline = None if rows.forecast.empty else _headline(rows, before)
    series = series_of(rows, before)
    departed, erred = () if before is None else _departed(series, before.against), _erred(rows)
    return Findings(
        sentence=_past_sentence(rows) if headline is None else headline.sentence,
        target=config.target.column,
        by="" if config.series == (ONE_SERIES,) else ", ".join(config.series),
        headline=headline,
        chain=(*_past_steps(rows), *_coming_steps(rows)),
        weeks=_weeks(rows),
        period=rows.period,
        against="" if before is None else before.against,
        change=_change(series),
        series=series,
        departed=departed,
        erred=erred,
        ask=_ask(departed, erred),
        unknown=int((rows.forecast["unknown"].astype(bool) & (rows.forecast["value"] != 0)).sum()),
        notes=tuple(rows.notes),
    )


# --------------------------------------------------------------------------------------------- sentence


def _headline(rows: ReportRows, before: Before | None) -> Headline:
    fitted, forecast = rows.run.fitted, rows.forecast
    target, first, last = fitted.config.target.column, forecast["date"].min(), forecast["date"].max()
    n_steps = int(fitted.frequency.ago(pd.Series([first]), last)[0]) + 1
    value, low, high = float(forecast["value"].sum()), None, None
    if "all" in rows.totals:
        row = rows.totals["all"].iloc[0]
        value, low, high = (float(row[c]) for c in (target, *interval_columns(target, HELD)))
    then = change = None
    compared = before if before is not None and before.last_year else None
    if compared is not None and float(compared.sums.sum()) > 0:
        then = float(compared.sums.sum())
        change = float(forecast.loc[forecast["series"].isin(compared.sums.index), "value"].sum()) / then - 1
    return Headline(
        target=target,
        n_steps=n_steps,
        unit=unit_of(rows.frequency, n_steps),
        first=moment_text(first),
        last=moment_text(last),
        n_series=forecast["series"].nunique(),
        value=value,
        low=low,
        high=high,
        last_year=then,
        change=change,
        alike=0 if compared is None else len(compared.sums),
        shut=0 if compared is None else compared.shut,
    )


def _past_sentence(rows: ReportRows) -> str:
    """What can be said where nothing is forecast."""
    target = rows.run.fitted.config.target.column
    if rows.past is None:
        return f"{target}: no rows to forecast were given."
    score = scores_by(rows.past, np.zeros(len(rows.past), dtype="int64"), ["all"])[0]
    n = rows.past["window"].nunique()
    windows = f"{n} past windows" if n > 1 else "a past window"
    off = "" if score.wape is None else f" were off by {100 * score.wape:.1f} % of what happened"
    return f"{target}: forecasts of {windows}{off}; no rows to forecast were given."


# ------------------------------------------------------------------------------------------------ chain


def _past_steps(rows: ReportRows) -> list[Step]:
    """The sums of all series by period in past windows, the oldest first."""
    if rows.past is None:
        return []
    return _steps_of(rows.past.assign(start=PERIODS[rows.period](rows.past["date"])))


def _steps_of(past: pd.DataFrame) -> list[Step]:
    """The sums of past rows by window and *start*, the oldest first."""
    sums = past.groupby(["window", "start"])[["actual", "forecast"]].sum().reset_index()
    sums = sums.sort_values(["start", "window"], ascending=[True, False])
    columns = (sums[c].tolist() for c in ("window", "actual", "forecast"))
    return [
        Step(day, int(window), float(actual), float(forecast), None, None)
        for day, window, actual, forecast in zip(_day_texts(sums["start"]), *columns, strict=True)
    ]


def _coming_steps(rows: ReportRows) -> list[Step]:
    """The sums of all series by period that are forecast."""
    if rows.forecast.empty:
        return []
    if "period" not in rows.totals:
        later = rows.forecast.groupby(PERIODS[rows.period](rows.forecast["date"]))["value"].sum().reset_index()
        days = zip(_day_texts(later["date"]), later["value"].tolist(), strict=True)
        return [Step(day, -1, None, float(value), None, None) for day, value in days]
    table, target = rows.totals["period"], rows.run.fitted.config.target.column
    numbers = (table[c].tolist() for c in (target, *interval_columns(target, HELD)))
    coming = zip(_day_texts(table["start"]), *numbers, strict=True)
    return [Step(day, -1, None, float(v), float(a), float(b)) for day, v, a, b in coming]


def _weeks(rows: ReportRows) -> tuple[Step, ...]:
    """The sums of all series by whole weeks, past windows first; empty where there are fewer than two to come."""
    table, target = rows.totals.get("weeks"), rows.run.fitted.config.target.column
    if table is None or rows.past is None:
        return ()
    whole = table["start"] + pd.Timedelta(days=6) <= rows.forecast["date"].max()
    table = table[whole]
    if len(table) < 2:
        return ()
    past = rows.past.assign(start=rows.past.groupby("window")["date"].transform(weeks_from))
    past = past[past["start"] + pd.Timedelta(days=6) <= past.groupby("window")["date"].transform("max").dt.normalize()]
    steps = _steps_of(past)
    numbers = (table[c].tolist() for c in (target, *interval_columns(target, HELD)))
    coming = zip(_day_texts(table["start"]), *numbers, strict=True)
    return (*steps, *(Step(day, -1, None, float(v), float(a), float(b)) for day, v, a, b in coming))


def _day_texts(dates: pd.Series) -> list[str]:
    return [str(text) for text in dates.dt.strftime("%Y-%m-%d")]


# ----------------------------------------------------------------------------------- what deserves a look


def _departed(series: tuple[SeriesTotal, ...], against: str) -> tuple[Look, ...]:
    """The series whose forecast departs most from their own past, seen from how all of them change."""
    compared = [s for s in series if s.before is not None and s.change is not None and s.value > 0]
    if len(compared) < 2:
        return ()
    whole = 1 + (_change(series) or 0.0)
    apart = [abs(np.log((1 + (s.change or 0)) / whole)) for s in compared]
    order = [i for i in np.argsort(-np.asarray(apart), kind="stable")[:MOST_LOOKS] if apart[i] >= np.log(1 + LEAST)]
    return tuple(
        Look(
            compared[i].name,
            f"{signed(compared[i].change or 0)} against {against} ({short(compared[i].value)} after "
            f"{short(compared[i].before or 0)})",
        )
        for i in order
    )


def _change(series: tuple[SeriesTotal, ...]) -> float | None:
    """How much more the series that can be compared have than then."""
    compared = [s for s in series if s.before is not None and s.value > 0]
    then = sum(s.before or 0.0 for s in compared)
    return sum(s.value for s in compared) / then - 1 if then else None


def _ask(departed: tuple[Look, ...], erred: tuple[Look, ...]) -> tuple[str, ...]:
    """The series to ask about first: those with both reasons, then by turns the first of each."""
    lists = [[look.name for look in looks] for looks in (departed, erred)]
    both = [name for name in lists[0] if name in lists[1]]
    turns = [name for pair in zip_longest(*lists) for name in pair if name is not None]
    return tuple(dict.fromkeys([*both, *turns]))[:ASKED]


def _erred(rows: ReportRows) -> tuple[Look, ...]:
    """The series whose past windows erred most."""
    if rows.past is None or rows.past["series"].nunique() < 2:
        return ()
    whole = scores_by(rows.past, np.zeros(len(rows.past), dtype="int64"), ["all"])[0].wape or 0.0
    past = rows.past if rows.forecast.empty else rows.past[rows.past["series"].isin(rows.forecast["series"])]
    scores = scores_by(past, past["series"].to_numpy(dtype="int64"), rows.names)
    known = [s for s in scores if s.wape is not None and s.wape >= (1 + LEAST) * whole]
    worst = sorted(known, key=lambda s: (-(s.wape or 0), s.name))[:MOST_LOOKS]
    return tuple(Look(s.name, f"past forecasts were off by {100 * (s.wape or 0):.0f} %, {side(s.bias)}") for s in worst)
