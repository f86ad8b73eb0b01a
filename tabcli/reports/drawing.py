"""How a chart of a report is drawn: SVG for wide and narrow screens and PNG, with the numbers it shows.

matplotlib is imported late. The colours stand in the SVG as those of a light page; in the page, they become variables,
so that they change with the theme.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.chart_style import DIM, FIRST, INK, LINE, SECOND, WITHOUT_DATE, chart_style, open_frame
from tabcli.reports.words import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORECAST, PAST = FIRST, SECOND
VARIABLES = {INK: "--ink", DIM: "--dim", LINE: "--line", FORECAST: "--forecast", PAST: "--past"}

WIDE, NARROW = (9.0, 3.4), (3.4, 3.0)
"""Inches."""

Draw = Callable[["Axes", bool], None]


@dataclass(frozen=True)
class Chart:
    """`key` names its files. `wide`, `narrow`: SVG. `header`, `rows`: its numbers. `draw`: what draws it."""

    key: str
    title: str
    description: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: str
    narrow: str
    draw: Draw

    def png(self) -> bytes:
        """The wide one as PNG."""
        with chart_style(self.key):
            written = io.BytesIO()
            figure = _drawn(self.draw, wide=True)
            figure.savefig(written, format="png", dpi=130, facecolor="white", metadata=WITHOUT_DATE["png"])
        return written.getvalue()

    def inline(self) -> list[tuple[str, str]]:
        """The wide and the narrow SVG for the page: class and text, with ids of their own and colours of the theme."""
        return [
            (name, _inlined(svg, f"{self.key}-{name}", self))
            for name, svg in (("wide", self.wide), ("narrow", self.narrow))
        ]


def chart_of(
    key: str, title: str, description: str, header: Sequence[str], rows: tuple[tuple[str, ...], ...], draw: Draw
) -> Chart:
    """Draws a chart: `draw` is called with the axes and whether they are wide."""
    with chart_style(key):
        wide, narrow = (_svg(_drawn(draw, wide=w)) for w in (True, False))
    return Chart(key, title, description, tuple(header), rows, wide, narrow, draw)


def _drawn(draw: Draw, *, wide: bool) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=WIDE if wide else NARROW, layout="constrained")
    axes = figure.subplots()
    open_frame(axes)
    axes.grid(axis="y", color=LINE, lw=0.6)
    axes.tick_params(labelsize=8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value).replace(".00", "").replace(".0", "")))
    draw(axes, wide)
    return figure


def days_of(starts: Sequence[str]) -> FloatArray:
    """Dates as matplotlib counts days, from 1970 on, float64 (n,)."""
    return np.array(starts, dtype="datetime64[D]").astype("float64")


def dated(axes: "Axes", wide: bool) -> None:
    """Dates along the lower edge."""
    from matplotlib import dates

    locator = dates.AutoDateLocator(minticks=2, maxticks=10 if wide else 5)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = dates.ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)


def _svg(figure: "Figure") -> str:
    made = io.StringIO()
    figure.savefig(made, format="svg", transparent=True, metadata=WITHOUT_DATE["svg"])
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
