"""Commands that say why: explain."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import tabcli
from tabcli.cli.options import AsJson, Quiet, assignments
from tabcli.cli.render import print_json, progress_bar
from tabcli.cli.render_explain import render_explain
from tabcli.cli.terminal import say, show
from tabcli.storage import named


def explain(
    run: Annotated[Path, typer.Argument(help="The directory that train wrote.")],
    data: Annotated[Path | None, typer.Option("--data", "-d", help="The directory with the tables.")] = None,
    prep: Annotated[
        Path | None, typer.Option("--prep", help="The prep of the run; by default it is made again where needed.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option(metavar="12", help="A series to explain, 12,3 of two columns; may be repeated.")
    ] = None,
    date: Annotated[
        list[str] | None,
        typer.Option(metavar="2015-08-03", help="A date to explain, or two as A..B; may be repeated."),
    ] = None,
    against: Annotated[
        Literal["week", "average"],
        typer.Option(help="What to compare with: the same series a season before, or an average day of its last year."),
    ] = "week",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="COLUMN=VALUE", help="Forecast again with another plan; may be repeated."),
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(metavar="8w", help="As in predict; by default the run's, where no table has the rows."),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train networks without each of the three largest sources.")
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, help="How often the values of each source are exchanged.")] = 5,
    rows: Annotated[int, typer.Option(min=1, help="Of more validation rows some series are drawn at random.")] = 20_000,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn; by default the config's.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The .svg or .png file for a chart.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Say what drives the forecasts; why one is higher than another; what another plan would do.

    Without --series, --date and --set: how much worse forecasts of the validation rows get if what a source tells is
    exchanged between rows: the calendar, a promotion with the days before and after it, a series with all that is
    joined to it. With --series or --date: by which parts a forecast differs from that of a week before. With --set: the
    forecast with other values of columns known in advance, on these dates of these series, and what changes with them.

    Example: tabcli explain run --data data --series 12 --date 2015-08-03 --out why.svg
    """
    with progress_bar(quiet) as callbacks:
        result = tabcli.explain(
            run,
            data,
            prep=prep,
            series=series or (),
            dates=date or (),
            against=against,
            changes=assignments("--set", changes),
            horizon=horizon,
            retrain_without=retrain,
            repeats=repeats,
            most_rows=rows,
            seed=seed,
            out=out,
            callbacks=callbacks,
        )
    if as_json:
        print_json(result.to_dict())
        return
    if not quiet:
        show(render_explain(result))
    for note in result.notes:
        say(f"note: {note}")
    if out is not None and not quiet:
        show([f"written: {named(out)}"])
