"""Commands for looking at a forecast: report."""

from pathlib import Path
from typing import Annotated

import typer

import tabcli
from tabcli.cli.options import Quiet
from tabcli.cli.terminal import say, show


def report(
    run: Annotated[Path, typer.Argument(help="The directory that train wrote.")],
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
    --data the forecast is compared with the same days last year.

    Example: tabcli report run --data data --out report.html
    """

    result = tabcli.report(run, data, out, forecast=forecast, horizon=horizon, json=json, plots=plots)
    for note in result.numbers.findings.notes:
        say(f"warning: {note}")
    if quiet:
        return
    show([result.sentence, f"written: {out}, {len(result.html.encode()) / 1e6:.2f} MB"])
    show(f"written: {path}" for path in (json, plots) if path is not None)
