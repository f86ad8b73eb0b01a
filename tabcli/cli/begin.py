"""Commands that begin: tables to try, and a config for a folder of tables."""

import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

import typer

import tabcli
from tabcli.cli.options import AsJson, Force, Quiet, Reading, reading_options, split_names
from tabcli.cli.render import print_json
from tabcli.cli.terminal import say, show
from tabcli.errors import UsageError
from tabcli.evaluation.naming import score_text


def synth(
    directory: Annotated[Path, typer.Argument(help="Where the tables go.")],
    kind: Annotated[
        Literal["retail", "weekly", "hourly"],
        typer.Option(help="Daily sales of stores, weekly sales of stores × products, or hourly rentals of stations."),
    ] = "retail",
    stores: Annotated[
        int | None, typer.Option(help="Number of stores or stations; by default 200, 8 or 3 by kind.")
    ] = None,
    products: Annotated[int | None, typer.Option(help="Number of products of a weekly table; by default 20.")] = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--days", "--length", help="Days, weeks or hours in all, horizon included; by default 990, 164 or 10080."
        ),
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(help="Days, weeks or hours to forecast; by default 48, 8 or 168.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random numbers: the same seed gives the same bytes.")] = 42,
    noise: Annotated[
        float | None, typer.Option(help="Sigma of the log-normal noise; by default 0.1 (retail) or 0.25.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make sales tables from a known process, whose noise floor is therefore known.

    Example: tabcli synth data --stores 200 --seed 42
    """

    if products is not None and kind != "weekly":
        raise UsageError(f"--products goes with --kind weekly, not {kind}")
    made = tabcli.synth(
        directory,
        kind=kind,
        stores=None if kind == "hourly" else stores,
        stations=stores if kind == "hourly" else None,
        products=products,
        days=days if kind == "retail" else None,
        weeks=days if kind == "weekly" else None,
        hours=days if kind == "hourly" else None,
        horizon=horizon,
        seed=seed,
        noise=noise,
        start=start,
        replace=force,
    )
    facts = {"path": str(made.path), "train": made.n_train, "test": made.n_test}
    if as_json:
        print_json({**facts, f"noise_floor_{made.metric}": made.noise_floor})
        return
    if quiet:
        return
    floor = f"{made.metric.upper()} {score_text(made.metric, made.noise_floor)}"
    show(
        [
            f"{made.n_train:,} rows to learn from, {made.n_test:,} to forecast",
            f"noise floor: {floor}; no forecast of these rows is better, except by chance",
            f"written: {made.path}",
        ]
    )


def _at_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str, option: str, answers: Sequence[str]) -> str:
    """Lets a person at the terminal choose; `option` answers the same without asking."""
    say(f"{question} ({option}):")
    for i, answer in enumerate(answers, start=1):
        say(f"  {i}  {answer}")
    number = 0
    while not 1 <= number <= len(answers):
        number = int(typer.prompt("which number", type=int, err=True))
    return answers[number - 1]


def init(
    directory: Annotated[Path, typer.Argument(help="The folder with the tables.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The config to write.")],
    train: Annotated[str | None, typer.Option(metavar="FILE", help="The table with the past.")] = None,
    future: Annotated[str | None, typer.Option(metavar="FILE", help="The table with the rows to forecast.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to forecast.")] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the date of a row.")] = None,
    series: Annotated[str, typer.Option(metavar="A,B,…", help="The columns that tell series apart.")] = "",
    horizon: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", help="How far ahead to forecast, such as 8w; by default as the future table."),
    ] = None,
    day_first: Annotated[
        bool | None, typer.Option("--day-first/--month-first", help="Whether 03/04/2015 is in April.")
    ] = None,
    aggregate: Annotated[
        bool, typer.Option("--aggregate", help="Add up lines of sale: rows of one series and date.")
    ] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Each column of numbers is a series of its own.")] = False,
    read: Reading = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Look at a folder of tables and write a commented config that runs as it is.

    Example: tabcli init data --out config.yaml
    """
    from tabcli.onboarding.findings import refuse_to_guess

    result = tabcli.init(
        directory,
        out,
        force=force,
        train=train,
        future=future,
        target=target,
        date=date,
        series=tuple(split_names(series)),
        horizon=horizon,
        day_first=day_first,
        aggregate=aggregate,
        wide=wide,
        reading=reading_options(read),
        ask=_ask if _at_terminal() else refuse_to_guess,
    )
    if as_json:
        print_json({"path": str(out), "config": result.config.dump(), "reasons": result.reasons})
        return
    if quiet:
        return
    show([*result.reasons, f"written: {out}"])
    ahead = f" --horizon {result.horizon}" if result.horizon else ""
    typer.echo("next:")
    typer.echo(f"  tabcli prep --config {quote(str(out))} --data {quote(str(directory))} --out prep")
    typer.echo("  tabcli train --prep prep --out run")
    typer.echo(f"  tabcli predict run --data {quote(str(directory))} --out forecast.csv{ahead}")
