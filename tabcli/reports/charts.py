"""The charts of a report, each with a title, a description and a table of its numbers. matplotlib is imported late.

A chart is drawn twice, for wide and for narrow screens. The colours stand in the SVG as those of a light page; in the
page, they become variables, so that they change with the theme.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.cards.segments import GroupScore
from tabcli.reports.findings import Findings, Step, short, signed
from tabcli.reports.judged import Judged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, DIM, LINE, FORECAST, PAST = "#1b1f24", "#57606a", "#d0d7de", "#0b5cad", "#a8480a"
VARIABLES = {INK: "--ink", DIM: "--dim", LINE: "--line", FORECAST: "--forecast", PAST: "--past"}

WIDE, NARROW = (9.0, 3.4), (3.4, 3.0)
"""Inches."""

Draw = Callable[["Axes", bool], None]


@dataclass(frozen=True)
class Chart:
    """`key` names its files. `wide`, `narrow`: SVG; `png`: the wide one. `header`, `rows`: its numbers."""

    key: str
    title: str
    description: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: str
    narrow: str
    png: bytes

    def inline(self) -> list[tuple[str, str]]:
        """The wide and the narrow SVG for the page: class and text, with ids of their own and colours of the theme."""
        return [
            (name, _inlined(svg, f"{self.key}-{name}", self))
            for name, svg in (("wide", self.wide), ("narrow", self.narrow))
        ]


def charts_of(findings: Findings, judged: Judged | None) -> list[Chart]:
    """The sum of all series; and where there are past windows, errors by place in the season and by steps ahead."""
    charts = [_chain(findings)]
    if judged is not None:
        for what, scores in judged.by.items():
            if what in ("weekday", "month", "hour of the day", "steps ahead") and len(scores) > 1:
                charts.append(_by(what, scores, judged.whole))
    return charts


# -------------------------------------------------------------------------------------------- charts


def _chain(findings: Findings) -> Chart:
    steps, period, target = findings.chain, findings.period, findings.headline.target
    banded = any(s.low is not None for s in steps)
    windows = sorted({s.window for s in steps if s.window >= 0}, reverse=True)

    def draw(axes: "Axes", wide: bool) -> None:
        for i, window in enumerate(windows if wide else windows[-2:]):  # on a phone there is room for the newest two
            own = [s for s in steps if s.window == window]
            days = _days(own)
            first = i == 0
            axes.plot(
                days,
                np.array([s.actual for s in own], dtype="float64"),
                "-",
                color=INK,
                lw=1.4,
                label="what happened" if first else None,
            )
            axes.plot(
                days,
                [s.forecast for s in own],
                "--",
                color=PAST,
                lw=1.4,
                label="forecast of past windows" if first else None,
            )
            if not first:
                axes.axvline(float(days[0]), color=LINE, lw=1, zorder=0)
        to_come = [s for s in steps if s.window < 0]
        days = _days(to_come)
        mark = "o-" if len(days) < 3 else "-"
        if banded:
            low, high = [s.low or 0.0 for s in to_come], [s.high or 0.0 for s in to_come]
            axes.fill_between(days, low, high, color=FORECAST, alpha=0.22, lw=0, label="80 % interval")
        axes.plot(days, [s.forecast for s in to_come], mark, color=FORECAST, lw=1.8, ms=3, label="forecast")
        _dated(axes, wide)
        axes.set_ylim(bottom=0 if min(s.forecast for s in steps) >= 0 else None)
        close = {} if wide else {"columnspacing": 0.8, "handlelength": 1.2}
        axes.legend(
            frameon=False,
            fontsize=8 if wide else 7,
            ncols=4 if wide else 2,
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            **close,
        )

    rows = tuple(
        (
            s.start,
            "to come" if s.window < 0 else f"past window {s.window}",
            value_text(s.actual),
            value_text(s.forecast),
            value_text(s.low),
            value_text(s.high),
        )
        for s in steps
    )
    words = f"{target} of all series by {period}"
    about = "what happened and what was forecast in past windows, then the forecast" + (
        " with its 80 % interval" if banded else ""
    )
    header = (period, "part", "what happened", "forecast", "80 % from", "80 % to")
    return _chart("chain", words, f"{words}: {about}.", header, rows, draw)


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
    return _chart(
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


def percent_or_dash(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "–"
    return signed(value, 1) if sign else f"{100 * value:.1f} %"


def value_text(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


# -------------------------------------------------------------------------------------------- drawing


def _chart(
    key: str, title: str, description: str, header: Sequence[str], rows: tuple[tuple[str, ...], ...], draw: Draw
) -> Chart:
    with drawing_style(key):
        wide, narrow = _drawn(draw, wide=True), _drawn(draw, wide=False)
        of_wide, of_narrow = _svg(wide), _svg(narrow)
        png = io.BytesIO()
        wide.savefig(png, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return Chart(key, title, description, tuple(header), rows, of_wide, of_narrow, png.getvalue())


@contextmanager
def drawing_style(key: str) -> Iterator[None]:
    """matplotlib draws text as text, with ids that depend on the key alone: two makings give the same bytes."""
    import matplotlib as mpl

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": key,
        "font.size": 9,
        "axes.edgecolor": LINE,
        "text.color": INK,
    }
    settings |= {f"{axis}tick.{part}": DIM for axis in "xy" for part in ("color", "labelcolor")}
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield


def _drawn(draw: Draw, *, wide: bool) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=WIDE if wide else NARROW, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=LINE, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value).replace(".00", "").replace(".0", "")))
    draw(axes, wide)
    return figure


def _days(steps: Sequence[Step]) -> FloatArray:
    """The start of each step as matplotlib counts days, from 1970 on, float64 (n,)."""
    return np.array([s.start for s in steps], dtype="datetime64[D]").astype("float64")


def _dated(axes: "Axes", wide: bool) -> None:
    from matplotlib import dates

    locator = dates.AutoDateLocator(minticks=2, maxticks=10 if wide else 5)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = dates.ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)


def _svg(figure: "Figure") -> str:
    made = io.StringIO()
    figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return made.getvalue()


def _inlined(svg: str, name: str, chart: Chart) -> str:
    """An SVG for the page: with ids of its own, a title, a description and the theme's colours; without sizes."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'xlink:href="#', f'href="#{name}-', svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    head = re.match(r"<svg[^>]*>", svg)
    box = re.search(r'viewBox="([^"]*)"', svg)
    assert head is not None
    assert box is not None
    title, description = escape(chart.title), escape(chart.description)
    labels = f'<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>'
    opened = f'<svg viewBox="{box[1]}" role="img" aria-labelledby="{name}-title {name}-desc">'
    return f"{opened}{labels}{svg[head.end() :]}".strip()
