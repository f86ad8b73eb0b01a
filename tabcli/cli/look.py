"""Commands for looking at a forecast: report."""

from pathlib import Path
from typing import Annotated

import typer

import tabcli
from tabcli.cli.options import Quiet
from tabcli.cli.terminal import say, show
from tabcli.errors import UsageError
from tabcli.storage import named


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN [RUN_B]", help="The directory that train wrote; or two.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .html file to write.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", "-d", help="The directory with the tables; without it, what the run keeps is shown."),
    ] = None,
    forecast: Annotated[
        Path | None,
        typer.Option("--forecast", help="A forecast that predict wrote: its numbers stand for the run's."),
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(metavar="8w", help="As in predict; by default the run's, where no table has the rows."),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="A file for all numbers of the report.")] = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="A folder for each chart as SVG and PNG.")] = None,
    quiet: Quiet = False,
) -> None:
    """Show a forecast in one page: the sum and how sure it is, what deserves a look, how far past forecasts were off.

    The page asks for nothing from outside and needs no script but to search for a series. With the train table in
    --data the forecast is compared with the same days last year. Of two runs it says which is better and how sure
    that is, by the past windows that both forecast, which settings differ, and where their forecasts do.

    Example: tabcli report run --data data --out report.html
    """

    if len(runs) > 2:
        raise UsageError(f"report: {len(runs)} runs were given", hint="give one run, or two to compare them")
    if len(runs) == 2:
        if forecast is not None or horizon is not None:
            raise UsageError("--forecast and --horizon are for the report of one run, and two were given")
        both = tabcli.compare(runs[0], runs[1], data, out, json=json, plots=plots)
        notes, sentence, html = both.numbers.notes, both.sentence, both.html
    else:
        result = tabcli.report(runs[0], data, out, forecast=forecast, horizon=horizon, json=json, plots=plots)
        notes, sentence, html = result.numbers.findings.notes, result.sentence, result.html
    for note in notes:
        say(f"warning: {note}")
    if quiet:
        return
    show([sentence, f"written: {named(out)}, {len(html.encode()) / 1e6:.2f} MB"])
    show(f"written: {path}" for path in (json, plots) if path is not None)
