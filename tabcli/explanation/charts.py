"""Explanations as charts, SVG or PNG, the same bytes each time. matplotlib is imported late."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tabcli.chart_style import DIM, FIRST, INK, LINE, SECOND, WITHOUT_DATE, chart_style, open_frame
from tabcli.config.schema import Config
from tabcli.evaluation.naming import FRACTIONS
from tabcli.explanation.importance import Importance
from tabcli.explanation.retrained import Retrained
from tabcli.explanation.what_if import WhatIf
from tabcli.explanation.words import Said, multiplies, series_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP, DOWN = FIRST, SECOND
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a6f00", "#666666")
"""Told apart by people who see few colours, too (Okabe and Ito)."""


MOST_SOURCES, OTHERS = 6, "others together"
"""Of more sources the others are one."""


@dataclass(frozen=True)
class Drawing:
    """A chart to be drawn: its size in inches, how many axes one above the other, their heights, and how."""

    size: tuple[float, float]
    heights: tuple[float, ...]
    title: str
    draw: Callable[[Sequence["Axes"]], None]


def rendered(drawing: Drawing, form: str) -> bytes:
    """The chart as an SVG or PNG file."""
    from matplotlib.figure import Figure

    with chart_style(drawing.title, font_size=10):
        figure = Figure(figsize=drawing.size, layout="constrained")
        grid = {"height_ratios": list(drawing.heights)}
        axes = figure.subplots(len(drawing.heights), squeeze=False, sharex=len(drawing.heights) > 1, gridspec_kw=grid)
        for one in axes[:, 0]:
            open_frame(one)
        drawing.draw(axes[:, 0].tolist())
        figure.suptitle(drawing.title, x=0.01, ha="left", fontsize=11)
        made = io.BytesIO()
        figure.savefig(made, format=form, dpi=130, facecolor="white", metadata=WITHOUT_DATE[form])
    return made.getvalue()


def importance_chart(importance: Importance, retrained: Sequence[Retrained]) -> Drawing:
    """A bar for each source; a dot for each network; a mark where networks were trained without it."""
    found, share = importance.sources[::-1], importance.score is None or importance.metric in FRACTIONS
    factor = 100 if share else 1
    checked = {r.source: factor * r.rise for r in retrained}

    def draw(axes: Sequence["Axes"]) -> None:
        (one,) = axes
        values = [factor * s.worth for s in found]
        one.barh(range(len(found)), values, color=UP, height=0.6)
        edge = max([*values, *(factor * m for s in found for m in s.members), 1e-9])
        for i, source in enumerate(found):
            own = [factor * m for m in source.members]
            furthest = max([values[i], *own, checked.get(source.name, 0.0)])
            if len(own) > 1:
                one.plot(own, np.full(len(own), i), "o", ms=4, color="white", mec=INK, mew=0.8, alpha=0.9)
            if source.name in checked:
                one.plot([checked[source.name]], [i], "D", ms=7, color=DOWN)
            one.text(
                furthest + 0.015 * edge, i, f"{values[i]:.1f}" if share else f"{values[i]:.3g}", va="center", fontsize=9
            )
        one.set_yticks(range(len(found)), [s.name for s in found])
        one.set_xlim(left=min(0, *values, *checked.values()), right=1.1 * edge)
        one.grid(axis="x", color=LINE, lw=0.6)
        what = "change of the forecasts, %" if importance.score is None else f"rise of {importance.metric.upper()}"
        one.set_xlabel(what + (", percentage points" if share and importance.score is not None else ""))
        marks = [("o", "white", INK, "each network alone")] if any(len(s.members) > 1 for s in found) else []
        marks += [("D", DOWN, DOWN, "trained without it")] if checked else []
        for marker, colour, edge_colour, text in marks:
            one.plot([], [], marker, color=colour, mec=edge_colour, label=text, ms=5)
        if marks:
            one.legend(frameon=False, fontsize=9, loc="lower right")

    return Drawing((8.0, 1.5 + 0.42 * len(found)), (1.0,), "What drives the forecasts", draw)


def row_chart(said: Sequence[Said], headline: str) -> Drawing:
    """A bar for each part of one row, to the right where it raises the forecast."""
    shown = [*said][::-1]

    def draw(axes: Sequence["Axes"]) -> None:
        (one,) = axes
        values = np.array([100 * s.share for s in shown])
        one.barh(range(len(shown)), values, color=[UP if v >= 0 else DOWN for v in values], height=0.6)
        one.axvline(0, color=DIM, lw=0.8)
        spreads = np.array([100 * (s.spread or 0) for s in shown])
        ends = np.concatenate([values - spreads, values + spreads, [0.0]])
        reach = max(np.abs(ends).max(), 1e-9)
        for i, s in enumerate(shown):
            spread = spreads[i]
            if spread:
                one.plot([values[i] - spread, values[i] + spread], [i, i], color=INK, lw=1)
            right = values[i] >= 0
            at = max(values[i] + spread, 0) if right else min(values[i] - spread, 0)
            one.text(at + (0.02 if right else -0.02) * reach, i, s.effect, va="center", ha="left" if right else "right")
        one.set_yticks(range(len(shown)), [fill(s.what, 34) for s in shown])
        low, high = float(ends.min()), float(ends.max())
        one.set_xlim(low - reach * (0.25 if low < 0 else 0.03), high + reach * (0.25 if high > 0 else 0.03))
        one.set_xlabel(
            "effect on the forecast, %"
            + ("; lines: ± one standard deviation between networks" if any(s.spread for s in shown) else "")
        )
        one.grid(axis="x", color=LINE, lw=0.6)

    return Drawing((8.0, 1.7 + 0.45 * len(shown)), (1.0,), fill(headline, 92), draw)


def rows_chart(table: pd.DataFrame, sources: Sequence[str], target: str, config: Config) -> Drawing:
    """Sums of the explained rows by date beside what they are compared with, and the mean parts of each source."""
    by_date = table.groupby("date", sort=True)
    sums, parts = by_date[["forecast", "reference"]].sum(), by_date[list(sources)].mean()
    worth = parts.abs().sum().sort_values(ascending=False, kind="stable")
    largest = worth.index[: MOST_SOURCES if len(worth) > MOST_SOURCES + 1 else len(worth)].tolist()
    if len(largest) < len(worth):
        parts = parts[largest].assign(**{OTHERS: parts.drop(columns=largest).sum(axis=1)})
    logs = multiplies(config.target.transform)
    scale = 100.0 if logs else 1.0

    def draw(axes: Sequence["Axes"]) -> None:
        upper, lower = axes
        at = np.arange(len(sums))
        upper.plot(at, sums["forecast"], "o-", color=UP, lw=1.8, ms=3.5, label="forecast")
        upper.plot(at, sums["reference"], "s--", color=DIM, lw=1.2, ms=3, label="what it is compared with")
        upper.margins(y=0.12)
        upper.set_ylim(bottom=0 if float(sums.to_numpy().min()) >= 0 else None)
        upper.legend(frameon=False, fontsize=9, loc="lower left", ncols=2)
        upper.set_ylabel(target)
        below, above = np.zeros(len(at)), np.zeros(len(at))
        for colour, name in zip(COLOURS, [*largest, *({OTHERS} & {*parts.columns})], strict=False):
            values = scale * parts[name].to_numpy()
            start = np.where(values >= 0, above, below)
            lower.bar(at, values, bottom=start, color=colour, width=0.75, label=name)
            above, below = above + np.maximum(values, 0), below + np.minimum(values, 0)
        lower.axhline(0, color=DIM, lw=0.8)
        lower.set_ylabel("parts, about %" if logs else "parts")
        lower.legend(frameon=False, fontsize=9, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.16))
        every = max(1, len(at) // 10)
        lower.set_xticks(at[::every], [f"{d:%a}\n{d:%m-%d}" for d in sums.index[::every]])
        for one in axes:
            one.grid(axis="y", color=LINE, lw=0.6)

    title = f"{target}, {who}" if (who := _who(table, config.series)) else target
    return Drawing((9.0, 6.4), (1.0, 1.2), f"{title}: the forecast, and what makes it differ", draw)


def what_if_chart(made: WhatIf, target: str, series: Sequence[str]) -> Drawing:
    """The sums of the changed rows and of those that change with them by date, as planned and as changed."""
    sums = made.table.groupby("date", sort=True)[["planned", "changed"]].sum()
    own = made.table.groupby("date", sort=True)["own"].any().to_numpy()
    words = ", ".join(f"{c} = {v or 'missing'}" for c, v in made.changes.items())

    def draw(axes: Sequence["Axes"]) -> None:
        (one,) = axes
        at = np.arange(len(sums))
        one.plot(at, sums["planned"], "s--", color=DIM, lw=1.4, ms=4, label="as planned")
        one.plot(at, sums["changed"], "o-", color=DOWN, lw=1.8, ms=4, label=f"with {words}")
        for i in np.flatnonzero(own):
            one.axvspan(i - 0.4, i + 0.4, color=LINE, alpha=0.45, lw=0)
        every = max(1, len(at) // 10)
        one.set_xticks(at[::every], [f"{d:%a}\n{d:%m-%d}" for d in sums.index[::every]])
        one.set_ylim(bottom=0 if float(sums.to_numpy().min()) >= 0 else None)
        one.set_ylabel(target)
        one.grid(axis="y", color=LINE, lw=0.6)
        one.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, 1.14), ncols=2)

    title = f"{target}, {who}" if (who := _who(made.table, series)) else target
    return Drawing((9.0, 4.2), (1.0,), f"{title}; shaded: days whose plan is changed", draw)


def _who(table: pd.DataFrame, series: Sequence[str]) -> str:
    n = table["series"].nunique()
    return series_words(series, str(table["series"].iloc[0])) if n == 1 else f"{n} series together"
