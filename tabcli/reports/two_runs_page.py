"""Two runs as one HTML page without a script, and its charts."""

from typing import TYPE_CHECKING

import numpy as np

from tabcli.chart_style import DIM
from tabcli.reports.drawing import FORECAST, PAST, Chart, chart_of, dated, days_of
from tabcli.reports.page import policy_of, rendered
from tabcli.reports.two_runs import TwoRuns, pair_text
from tabcli.reports.words import percent_or_dash, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def two_runs_charts(found: TwoRuns) -> list[Chart]:
    """The error of each past window, and what both forecast by period; each where there are several."""
    charts = [_windows(found)] if len(found.windows) > 1 else []
    return [*charts, _forecasts(found)] if len(found.periods) > 1 else charts


def two_runs_page(found: TwoRuns, charts: list[Chart]) -> str:
    """The page, the same bytes for the same numbers and charts."""
    named = {chart.key: chart for chart in charts}
    return rendered(
        "two_runs.html",
        policy=policy_of(""),
        found=found,
        both=pair_text,
        points=_points,
        exact=lambda share: f"{100 * share:.2f} %",
        windows_chart=named.get("windows"),
        chain_chart=named.get("forecasts"),
        window_rows=_window_rows(found),
        series_rows=_pair_rows(found, series=True),
        setting_rows=[(s.name, s.first, s.second) for s in found.settings],
    )


def _points(share: float) -> str:
    """A difference of shares in points of percent."""
    return f"{100 * share:+.2f}".replace("-", "−")


def _window_rows(found: TwoRuns) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            w.name,
            f"{w.rows:,}",
            *(percent_or_dash(v) for v in (w.first, w.second)),
            *(percent_or_dash(v, sign=True) for v in (w.first_bias, w.second_bias)),
        )
        for w in found.windows
    )


def _pair_rows(found: TwoRuns, *, series: bool) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (p.name, value_text(p.first), value_text(p.second), percent_or_dash(p.change, sign=True))
        for p in (found.series if series else found.periods)
    )


def _windows(found: TwoRuns) -> Chart:
    windows = found.windows[::-1]

    def draw(axes: "Axes", wide: bool) -> None:
        places = np.arange(len(windows))
        for k, (colour, label) in enumerate(((FORECAST, "A"), (PAST, "B"))):
            errors = [100 * (w.second if k else w.first) for w in windows]
            axes.bar(places + 0.38 * (k - 0.5), errors, color=colour, width=0.34, label=label)
        axes.set_xticks(places, [w.name.partition(" ")[0] if wide else w.name[2:7] for w in windows])
        axes.set_ylabel("error, % of what happened", color=DIM, fontsize=8)
        axes.set_xlabel("past windows by their first day", color=DIM, fontsize=8)
        axes.margins(y=0.15)
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1.0), fontsize=8)

    header = ("past window", "rows", "error of A", "of B", "bias of A", "of B")
    words = "Error of each past window"
    return chart_of("windows", words, f"{words}, of both runs.", header, _window_rows(found), draw)


def _forecasts(found: TwoRuns) -> Chart:
    def draw(axes: "Axes", wide: bool) -> None:
        days = days_of([p.name for p in found.periods])
        axes.plot(days, [p.first for p in found.periods], "-", color=FORECAST, lw=1.6, label="A")
        axes.plot(days, [p.second for p in found.periods], "--", color=PAST, lw=1.6, label="B")
        dated(axes, wide)
        axes.set_ylim(bottom=0 if min(min(p.first, p.second) for p in found.periods) >= 0 else None)
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1.0), fontsize=8)

    words = f"{found.target} of all series by {found.period}"
    header = (found.period, "A", "B", "B on A")
    rows = _pair_rows(found, series=False)
    return chart_of("forecasts", words, f"{words}, as both runs forecast it.", header, rows, draw)
