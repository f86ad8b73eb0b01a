"""The charts of a report: the sum of all series, and how far past forecasts were off."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.cards.segments import GroupScore
from tabcli.chart_style import DIM, INK, LINE
from tabcli.explanation.importance import Importance
from tabcli.reports.drawing import FORECAST, PAST, Chart, chart_of, dated, days_of
from tabcli.reports.drives import Drives
from tabcli.reports.findings import Findings, Step
from tabcli.reports.judged import Judged
from tabcli.reports.words import percent_or_dash, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SOURCES = 12
"""So many sources are drawn, the largest first."""

NEWEST = 2
"""So many past windows are drawn on a narrow screen."""


def charts_of(findings: Findings, judged: Judged | None, drives: Drives | None) -> list[Chart]:
    """The sum of all series, by week and by its period; where there are past windows, errors by place in the season and
    by steps ahead; what drives the forecast.
    """
    charts = []
    if findings.weeks:
        charts.append(_chain("weeks", findings.weeks, findings.target, "seven days"))
    if findings.chain:
        charts.append(_chain("chain", findings.chain, findings.target, findings.period))
    if judged is not None:
        for what, scores in judged.by.items():
            if what in ("weekday", "month", "hour of the day", "steps ahead") and len(scores) > 1:
                charts.append(_by(what, scores, judged.whole))
    if drives is not None and len(drives.importance.sources) > 1:
        charts.append(_drives(drives.importance))
    return charts


# -------------------------------------------------------------------------------------- sum of all series


def _chain(key: str, steps: Sequence[Step], target: str, period: str) -> Chart:
    banded = any(s.low is not None for s in steps)
    to_come = [s for s in steps if s.window < 0]

    def draw(axes: "Axes", wide: bool) -> None:
        _draw_past(axes, steps, wide)
        if to_come:
            _draw_to_come(axes, to_come, banded)
        dated(axes, wide)
        axes.set_ylim(bottom=0 if min(s.forecast for s in steps) >= 0 else None)
        _legend(axes, wide)

    words = f"{target} of all series by {period}"
    parts = ["what happened and what was forecast in past windows"] if len(to_come) < len(steps) else []
    parts += ["the forecast" + (" with its 80 % interval" if banded else "")] if to_come else []
    header = (period, "part", "what happened", "forecast", "80 % from", "80 % to")
    return chart_of(key, words, f"{words}: {', then '.join(parts)}.", header, tuple(map(_step_row, steps)), draw)


def _draw_past(axes: "Axes", steps: Sequence[Step], wide: bool) -> None:
    windows = sorted({s.window for s in steps if s.window >= 0}, reverse=True)
    for i, window in enumerate(windows if wide else windows[-NEWEST:]):
        own = [s for s in steps if s.window == window]
        days, first = days_of([s.start for s in own]), i == 0
        labels = ("what happened", "forecast of past windows") if first else (None, None)
        actual = np.array([s.actual for s in own], dtype="float64")
        mark = "o-" if len(own) < 12 else "-"
        axes.plot(days, actual, mark, color=INK, lw=1.4, ms=3, label=labels[0])
        axes.plot(days, [s.forecast for s in own], "--", color=PAST, lw=1.4, label=labels[1])
        if not first:
            axes.axvline(float(days[0]) - _half(days), color=LINE, lw=1, zorder=0)


def _half(days: FloatArray) -> float:
    """Half a step, in days."""
    return float(days[1] - days[0]) / 2 if len(days) > 1 else 0.5


def _draw_to_come(axes: "Axes", steps: Sequence[Step], banded: bool) -> None:
    days = days_of([s.start for s in steps])
    if banded:
        low, high = [s.low or 0.0 for s in steps], [s.high or 0.0 for s in steps]
        axes.fill_between(days, low, high, color=FORECAST, alpha=0.22, lw=0, label="80 % interval")
    mark = "o-" if len(days) < 12 else "-"
    axes.plot(days, [s.forecast for s in steps], mark, color=FORECAST, lw=1.8, ms=3, label="forecast")
    if banded and len(days) == 1:
        axes.vlines(days, low, high, color=FORECAST, alpha=0.4, lw=6)


def _legend(axes: "Axes", wide: bool) -> None:
    close = {} if wide else {"columnspacing": 0.8, "handlelength": 1.2}
    axes.legend(
        frameon=False,
        fontsize=8 if wide else 7,
        ncols=4 if wide else 2,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        **close,
    )


def _step_row(step: Step) -> tuple[str, ...]:
    part = "to come" if step.window < 0 else f"past window {step.window}"
    return (step.start, part, *map(value_text, (step.actual, step.forecast, step.low, step.high)))


# ------------------------------------------------------------------------------------------------ errors


def _by(what: str, scores: Sequence[GroupScore], whole: GroupScore) -> Chart:
    known = [s for s in scores if s.wape is not None]

    def draw(axes: "Axes", wide: bool) -> None:
        places = range(len(known))
        axes.bar(places, [100 * (s.wape or 0) for s in known], color=FORECAST, width=0.65)
        axes.axhline(
            100 * (whole.wape or 0), color=PAST, lw=1.2, ls="--", label=f"all rows: {100 * (whole.wape or 0):.1f} %"
        )
        every = 1 if wide or len(known) <= 7 else 2
        names = [s.name[:3] if what == "weekday" and not wide else s.name for s in known]
        axes.set_xticks(list(places)[::every], names[::every])
        axes.set_ylabel("error, % of what happened", color=DIM, fontsize=8)
        axes.set_xlabel(what, color=DIM, fontsize=8)
        axes.margins(y=0.12)
        axes.legend(frameon=False, loc="upper right", fontsize=8)

    title = f"Error by {what}"
    return chart_of(
        f"by-{what.replace(' ', '-')}",
        title,
        f"{title} in past windows, beside that of all rows.",
        SCORE_HEADER,
        tuple(score_row(s) for s in scores),
        draw,
    )


SCORE_HEADER = ("", "rows", "error", "bias", "80 % held")


def score_row(score: GroupScore) -> tuple[str, ...]:
    """A score as the cells of a table, under `SCORE_HEADER`."""
    return (
        score.name,
        f"{score.rows:,}",
        percent_or_dash(score.wape),
        percent_or_dash(score.bias, sign=True),
        percent_or_dash(score.held),
    )


# ------------------------------------------------------------------------------------------- what drives it


def _drives(importance: Importance) -> Chart:
    sources = [s for s in importance.sources if s.within is not None][:MOST_SOURCES][::-1]

    def draw(axes: "Axes", wide: bool) -> None:
        values = [100 * s.change for s in sources]
        axes.barh(range(len(sources)), values, color=FORECAST, height=0.6)
        for i, source in enumerate(sources):
            axes.text(values[i] + 0.01 * max(values), i, f"{values[i]:.1f}", va="center", fontsize=8)
            if len(source.members) > 1:
                axes.plot([100 * m for m in source.members], [i] * len(source.members), "o", ms=3, color=PAST)
        axes.set_yticks(range(len(sources)), [s.name if wide else s.name[:14] for s in sources])
        axes.grid(visible=False)
        axes.xaxis.set_visible(False)
        axes.margins(x=0.12)

    words = "How much the forecast rests on each source"
    about = f"{words}: by how many percent it changes where rows exchange what the source tells"
    rows = tuple((s.name, ", ".join(s.inputs), f"{100 * s.change:.1f} %") for s in importance.sources)
    return chart_of("drives", words, f"{about}.", ("source", "inputs", "change"), rows, draw)
