"""report: a run and raw tables → one page that says what is forecast, how sure it is, and what to ask about."""

import time
from dataclasses import dataclass
from pathlib import Path

from tabcli import files
from tabcli.api.card import card
from tabcli.api.predict import loaded_run
from tabcli.api.results import TrainResult
from tabcli.api.sources import parse_duration, read_any
from tabcli.api.urls import at_urls
from tabcli.artifacts.contents import Run
from tabcli.cards.baselines import baselines_of
from tabcli.errors import UsageError
from tabcli.reports.charts import charts_of
from tabcli.reports.drawable import drawable
from tabcli.reports.drawing import Chart
from tabcli.reports.drift import drift_of
from tabcli.reports.drives import Drives, drives_of
from tabcli.reports.facts import facts_of
from tabcli.reports.findings import find
from tabcli.reports.judged import judge
from tabcli.reports.page import ReportNumbers, page_of
from tabcli.reports.planned import planned_of
from tabcli.reports.report_rows import ReportRows, report_rows
from tabcli.shown import Shown
from tabcli.tables.contract import DataSource, files_of
from tabcli.tables.reading import TableSource
from tabcli.tables.writing import require_no_input

# ---------------------------------------------------------------------------------------------- report


@dataclass(frozen=True, repr=False)
class ReportResult(Shown):
    """What `report` returns. `path`: the page's file, or None. `html`: the page. `numbers`: all that it shows."""

    path: Path | None
    html: str
    numbers: ReportNumbers
    charts: list[Chart]
    seconds: float

    @property
    def sentence(self) -> str:
        """The forecast in one sentence."""
        return self.numbers.findings.sentence

    def brief(self) -> dict[str, str]:
        return {
            "forecast": self.sentence,
            "page": f"{len(self.html.encode()) / 1e6:.2f} MB, {len(self.charts)} charts",
            "path": str(self.path or "none"),
        }


@at_urls(run="directory", data="tables", out="file", forecast="table", json="file", plots="file")
def report(
    run: TrainResult | Run | Path | str,
    data: DataSource | None = None,
    out: Path | str | None = None,
    *,
    forecast: TableSource | None = None,
    horizon: str | None = None,
    json: Path | str | None = None,
    plots: Path | str | None = None,
) -> ReportResult:
    """Forecasts, and shows the forecast beside the past: one HTML page without any request, the same bytes each time.

    Raises what `predict` raises, and `DataError` where `forecast` is of other rows.

    run: what `train` returned, or its directory.
    data: the folder with the tables, or the config's table names → DataFrames or files. With the train table the
        forecast is compared with last year, and errors of past windows are also by what is known in advance. Without
        tables the page shows what the run keeps, forecasts by the run's own rules where they suffice, and says what is
        missing.
    out: the .html file to write; by default none is written.
    forecast: what `predict` wrote, a DataFrame or a file; its numbers, even where a person changed them, stand for the
        run's. Without `data` it must hold series and dates.
    horizon: as in `predict`; by default the run's, where there is no table of the rows to forecast.
    json: a file for all numbers.
    plots: a folder for each chart as SVG and PNG.
    """
    started = time.perf_counter()
    loaded = loaded_run(run)
    page = require_page(loaded, data, out, json, forecast)
    given = None if forecast is None else read_any(forecast, "forecast", [loaded.fitted.config.date])
    length = parse_duration("--horizon", horizon)
    rows = report_rows(loaded, data, length, given)
    numbers = _numbers(rows, drives_of(rows, data, length), _card(run))
    charts = charts_of(numbers.findings, numbers.judged, numbers.drives)
    html = page_of(numbers, charts)
    if json is not None:
        files.write_json(Path(json), {"schema_version": 1, **numbers.to_dict()})
    if plots is not None:
        write_charts(charts, Path(plots))
    if page is not None:
        files.write_text(page, html)
    return ReportResult(page, html, numbers, charts, time.perf_counter() - started)


def require_page(
    run: Run,
    data: DataSource | None,
    out: Path | str | None,
    json: Path | str | None,
    forecast: TableSource | None = None,
) -> Path | None:
    """The page's path. Raises `UsageError` for files that cannot be written, or that are read."""
    page = None if out is None else Path(out)
    if page is not None and page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {page}: expected a file that ends in .html")
    inputs = [] if data is None else files_of(run.fitted.config, data)
    inputs += [Path(forecast)] if isinstance(forecast, Path | str) else []
    for path in (page, None if json is None else Path(json)):
        if path is not None:
            require_no_input(path, inputs)
    return page


def _card(run: TrainResult | Run | Path | str) -> str | None:
    """The model card of a run in a directory, with the answers as they are now."""
    if isinstance(run, Run) or (isinstance(run, TrainResult) and run.path is None):
        return None
    return card(run, write=False).model_card


def _numbers(rows: ReportRows, drives: Drives | None, text: str | None) -> ReportNumbers:
    findings = find(rows)
    return ReportNumbers(
        findings=findings,
        planned=planned_of(rows),
        judged=judge(rows),
        drives=drives,
        baselines=baselines_of(rows.run),
        facts=facts_of(rows),
        drift=drift_of(rows),
        card=text,
        drawable=drawable(rows, findings.series, None if drives is None else drives.why),
    )


def write_charts(charts: list[Chart], folder: Path) -> None:
    """Writes each chart as SVG and PNG."""
    for chart in charts:
        files.write_text(folder / f"{chart.key}.svg", chart.wide)
        with files.atomic_file(folder / f"{chart.key}.png") as temporary:
            temporary.write_bytes(chart.png())
