"""compare: two runs → which is better, how sure that is, and where their forecasts differ."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tabcli import files
from tabcli.api.predict import loaded_run
from tabcli.api.report import require_page, write_charts
from tabcli.api.results import TrainResult
from tabcli.api.urls import at_urls
from tabcli.artifacts.contents import Run
from tabcli.reports.drawing import Chart
from tabcli.reports.page import finite
from tabcli.reports.report_rows import report_rows
from tabcli.reports.two_runs import TwoRuns, two_runs
from tabcli.reports.two_runs_page import two_runs_charts, two_runs_page
from tabcli.shown import Shown
from tabcli.tables.contract import DataSource


@dataclass(frozen=True, repr=False)
class CompareResult(Shown):
    """What `compare` returns. `path`: the page's file, or None. `html`: the page. `numbers`: all that it shows."""

    path: Path | None
    html: str
    numbers: TwoRuns
    charts: list[Chart]
    seconds: float

    @property
    def sentence(self) -> str:
        """Which run is better, in one sentence."""
        return self.numbers.sentence

    def brief(self) -> dict[str, str]:
        return {
            "runs": " and ".join(self.numbers.names),
            "found": self.sentence,
            "settings": f"{len(self.numbers.settings)} differ",
            "path": str(self.path or "none"),
        }


@at_urls(run="directory", other="directory", data="tables", out="file", json="file", plots="file")
def compare(
    run: TrainResult | Run | Path | str,
    other: TrainResult | Run | Path | str,
    data: DataSource | None = None,
    out: Path | str | None = None,
    *,
    json: Path | str | None = None,
    plots: Path | str | None = None,
) -> CompareResult:
    """Compares two runs by the past windows that both forecast, their settings and, with tables, their forecasts.

    Raises `UsageError` where they forecast other targets, series or steps, and what `predict` raises.

    run: what `train` returned, or its directory.
    other: the run that it is compared with, likewise.
    data: the folder with the tables, or the config's table names → DataFrames or files; without them runs are compared
        by what they keep, and by what they forecast by their own rules.
    out: the .html file to write; by default none is written.
    json: a file for all numbers.
    plots: a folder for each chart as SVG and PNG.
    """
    started = time.perf_counter()
    loaded = [loaded_run(r) for r in (run, other)]
    page = require_page(loaded[0], data, out, json)
    first, second = (report_rows(r, data, None, None) for r in loaded)
    numbers = two_runs(_names(run, other), first, second)
    charts = two_runs_charts(numbers)
    html = two_runs_page(numbers, charts)
    if json is not None:
        made = {"schema_version": 1, "sentence": numbers.sentence, **asdict(numbers)}
        files.write_json(Path(json), {name: finite(part) for name, part in made.items()})
    if plots is not None:
        write_charts(charts, Path(plots))
    if page is not None:
        files.write_text(page, html)
    return CompareResult(page, html, numbers, charts, time.perf_counter() - started)


def _names(run: TrainResult | Run | Path | str, other: TrainResult | Run | Path | str) -> tuple[str, str]:
    """What the runs are called: the last part of their paths that tells them apart, else A and B."""
    paths = [r.path if isinstance(r, TrainResult) else None if isinstance(r, Run) else Path(r) for r in (run, other)]
    if paths[0] is None or paths[1] is None:
        return ("A", "B")
    parts = [path.resolve().parts for path in paths if path is not None]
    for first, second in zip(reversed(parts[0]), reversed(parts[1]), strict=False):
        if first != second:
            return (first, second)
    return (f"{parts[0][-1]} (A)", f"{parts[1][-1]} (B)")
