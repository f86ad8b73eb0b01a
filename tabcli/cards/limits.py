"""Limits that are found without anybody's help: what the past did not show, and where forecasts were weak."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tabcli.artifacts.summary import Seen
from tabcli.cards.known import EVENT, NAMED, ON_IT, Known
from tabcli.cards.segments import FEWEST_ROWS, MONTHS, WEEKDAYS, GroupScore, span_text
from tabcli.features.frequency import WEEK
from tabcli.training.past import HELD

SELDOM = 3
"""What was seen on fewer occasions is a limit."""

FAR = 0.1
"""A past window whose intervals held so much less than promised is a limit."""


def limits_of(known: Known) -> list[str]:
    """Sentences, the gravest first: what was never tested, what the rows do not show, where forecasts were weak."""
    run, seen = known.run, known.run.summary.seen if known.run.summary is not None else None
    found = [*_windows(known)]
    if seen is not None:
        found += _series(known, seen)
        found += _time(known, seen)
    found += _weak(known)
    assumed = [j.table for j in run.fitted.config.joins if j.known_in_advance]
    if assumed:
        names = " and ".join(dict.fromkeys(assumed))
        found.append(
            f"What is joined from {names} is taken as known in advance. Past windows saw what really happened; a "
            "forecast that is made of a forecast of it is less sure than they say."
        )
    if run.summary is not None and run.summary.counts.sampled:
        found.append("It learned from a sample of the series only (`prep --sample`).")
    return found


def _windows(known: Known) -> Iterator[str]:
    """What past windows cannot say."""
    past, fitted = known.past, known.run.fitted
    if past is None:
        yield (
            "No past window beside the validation rows was forecast (`calibration.windows: 0`): nothing says how sure "
            "a forecast is, or how it does in other months."
        )
        return
    if past["window"].nunique() < 2:
        yield "There is one past window only: how much the error differs from window to window is not known."
    months = np.unique(past["date"].dt.month)
    if len(months) < 12:
        other = ", ".join(m for k, m in enumerate(MONTHS, 1) if k not in months)
        yield f"No past window lies in {other}: how far off forecasts of these months are was not measured."
    if fitted.split.valid_end - fitted.split.train_start < pd.Timedelta(730, unit="D"):
        yield "The rows span less than two years: no season of the year was seen twice."
    bias, sure = known.run.metrics.bias
    if sure:
        side = "high" if bias > 0 else "low"
        yield f"The sum was {100 * abs(bias):.1f} % too {side} on average, on the same side in every past window."
    for score in known.by.get("past window", ()):
        if score.held is not None and score.held < HELD - FAR:
            held = f"{100 * score.held:.0f} % of the rows only"
            yield f"In the window {score.name} the intervals of {HELD * 100:.0f} % held {held}."


def _series(known: Known, seen: Seen) -> Iterator[str]:
    """Series of which little is known."""
    step = known.run.fitted.frequency
    if seen.new:
        yield (
            f"{seen.new:,} series have rows to forecast and none to learn from. Their forecast rests on what they "
            "share with other series, and no past window tested that."
        )
    season = "year" if step.seconds >= WEEK else "week"
    if seen.short:
        yield f"{seen.short:,} series have learned rows of less than a {season}."
    if seen.ended:
        yield f"{seen.ended:,} series have no row in the last {known.run.fitted.horizon} steps; they may be closed."


def _time(known: Known, seen: Seen) -> Iterator[str]:
    """Months and weekdays never seen; events seen seldom."""
    months = ", ".join(m for k, m in enumerate(MONTHS, 1) if k not in seen.months)
    if months:
        yield f"No row to learn from lies in {months}."
    days = ", ".join(f"{d}s" for k, d in enumerate(WEEKDAYS) if k not in seen.weekdays)
    if days and known.run.fitted.frequency.seconds < WEEK:
        yield f"No row to learn from lies on {days}."
    seldom = [f"{name} ({n})" for name, n in seen.occasions.items() if n < SELDOM]
    if seldom:
        yield (
            f"Seen on fewer than {SELDOM} occasions, so that what they do is hardly known: {', '.join(seldom)}. "
            "An occasion is a stretch of at most a week."
        )


def _weak(known: Known) -> Iterator[str]:
    """Groups of past rows with much larger errors than all, and those whose intervals held much less than promised."""
    found = [f"{weak_text(what, score)} ({100 * (score.wape or 0):.1f} %)" for what, score in known.weak]
    if found:
        yield f"Weak, with {NAMED} times the error of all past rows or more: {', '.join(found)}."
    narrow = [
        f"{weak_text(what, score)} ({100 * score.held:.0f} %)"
        for what, scores in known.segments
        for score in scores
        if what != "past window" and score.rows >= FEWEST_ROWS and score.held is not None and score.held < HELD - FAR
    ]
    if narrow:
        yield f"Intervals of {HELD * 100:.0f} % held less than {(HELD - FAR) * 100:.0f} % here: {', '.join(narrow)}."


def weak_text(what: str, score: GroupScore) -> str:
    """A group with large errors in words: *Sundays*, *days of Christmas*, *kind: a*."""
    if what == "weekday":
        return f"{score.name}s"
    if what.startswith(EVENT):
        return f"days {'of' if score.name == ON_IT else 'without'} {what.removeprefix(EVENT)}"
    return f"{what}: {score.name}"


def past_span(known: Known) -> str:
    """The first and the last date of the past windows; empty without any."""
    if known.past is None:
        return ""
    return span_text(known.past["date"].min(), known.past["date"].max())
