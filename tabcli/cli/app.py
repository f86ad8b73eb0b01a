"""The command line: every command by its name, in the order of the help. Each is one call into the API."""

import signal
from typing import Annotated, NoReturn

import typer

from tabcli.cli import begin, card, configs, judge, learned, look, main_job, steps, why
from tabcli.cli.boundary import Boundary, on_sigterm
from tabcli.cli.options import EPILOG, HELP_NAMES
from tabcli.leaving import leave
from tabcli.version import __version__

app = typer.Typer(
    cls=Boundary,
    context_settings=HELP_NAMES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog=EPILOG,
)

config_app = typer.Typer(context_settings=HELP_NAMES, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(config_app, name="config", help="Check, show or describe a config.")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"tabcli {__version__}")
        raise typer.Exit


@app.callback()
def main(
    debug: Annotated[bool, typer.Option("--debug", envvar="TABCLI_DEBUG", help="Print tracebacks of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From raw sales tables to a forecast.

    With tables in the folder data (tabcli synth data makes some):

    \b
      tabcli init data --out my.yaml
      tabcli prep --config my.yaml --data data --out prep
      tabcli train --prep prep --out run
      tabcli predict run --data data --out forecast.csv
    """
    signal.signal(signal.SIGTERM, on_sigterm)


for _command in (
    begin.synth,
    begin.init,
    main_job.prep,
    main_job.train,
    main_job.lr_find,
    main_job.predict,
    look.report,
    why.explain,
    learned.embeddings,
    card.card,
    judge.backtest,
    judge.tune,
    judge.evaluate,
    judge.inspect,
    judge.doctor,
    steps.add_datepart,
    steps.categorify,
    steps.fill_missing,
    steps.normalize,
):
    app.command(_command.__name__.replace("_", "-"))(_command)
config_app.command()(configs.check)
config_app.command()(configs.show)
config_app.command()(configs.schema)


def run() -> NoReturn:
    """The command line as a process of its own: runs the command and ends the process with its exit code."""
    try:
        app()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))
    leave(0)
