"""The command line: parse → one call into `stages` → render. The only module that knows typer and rich.

Results go to stdout (`--json` for machines), all else to stderr. The stages are imported inside the commands,
because `tabcli --help` must not wait for torch and pandas.
"""

import atexit
import gc
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import tabcli
from tabcli import memory
from tabcli.cli.boundary import Boundary, on_sigterm, say
from tabcli.cli.options import (
    EPILOG,
    HELP_NAMES,
    AsJson,
    ConfigOption,
    DataOption,
    Force,
    Names,
    OptionalConfig,
    Overrides,
    Reading,
    reading_options,
    split_names,
)
from tabcli.cli.render import (
    echo_table,
    print_json,
    progress_bar,
    render_inspection,
    render_prep,
    render_train,
    score_text,
    shown_number,
)
from tabcli.errors import UsageError
from tabcli.version import __version__

if TYPE_CHECKING:
    from tabcli.selection.folds import Scores
    from tabcli.selection.search import Trial


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

    Start with: tabcli synth data && tabcli prep --config configs/quickstart.yaml --data data --out prep
    """
    signal.signal(signal.SIGTERM, on_sigterm)
    atexit.register(gc.freeze)  # the memory goes as a whole: looking for cycles in it would only take time


# ------------------------------------------------------------------------------------- the main job


@app.command()
def synth(
    directory: Annotated[Path, typer.Argument(help="Where the tables go.")],
    kind: Annotated[
        Literal["retail", "weekly", "hourly"],
        typer.Option(help="Daily sales of stores; weekly ones of stores × products; hourly rentals with weather."),
    ] = "retail",
    stores: Annotated[int | None, typer.Option(help="Number of stores, or stations: 200, 8 or 3.")] = None,
    products: Annotated[int | None, typer.Option(help="Number of products of a weekly table: 20.")] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", "--length", help="Days, weeks or hours in all, those to forecast too: 990, 164, 10080."),
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="Days, weeks or hours to forecast: 48, 8 or 168.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 42,
    noise: Annotated[float | None, typer.Option(help="Sigma of the log-normal noise: 0.1, else 0.25.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make sales tables from a known process, whose noise floor is therefore known.

    Example: tabcli synth data --stores 200 --seed 42
    """

    if products is not None and kind != "weekly":
        raise UsageError(f"--products goes with --kind weekly, not {kind}")
    length = {"retail": "days", "weekly": "weeks", "hourly": "hours"}[kind]
    options: dict[str, Any] = {"stations" if kind == "hourly" else "stores": stores, "products": products, length: days}
    options |= {"horizon": horizon, "noise": noise, "start": start}
    given = {k: v for k, v in options.items() if v is not None}
    made = tabcli.synth(directory, kind=kind, seed=seed, replace=force, **given)
    facts = {"path": str(made.path), "train": made.n_train, "test": made.n_test}
    if as_json:
        print_json({**facts, f"noise_floor_{made.metric}": made.noise_floor})
        return
    floor = f"{made.metric.upper()} {score_text(made.metric, made.noise_floor)}"
    typer.echo(f"{made.n_train:,} rows to learn from, {made.n_test:,} to forecast")
    typer.echo(f"noise floor: {floor}; no forecast of these rows is better than by chance")
    typer.echo(f"written: {made.path}")


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


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="The folder with the tables.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The config to write.")],
    train: Annotated[str | None, typer.Option(metavar="FILE", help="The table with the past.")] = None,
    future: Annotated[str | None, typer.Option(metavar="FILE", help="The table with the rows to forecast.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="What to forecast.")] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", help="The date of a row.")] = None,
    series: Annotated[str, typer.Option(metavar="A,B,…", help="The columns that tell series apart.")] = "",
    horizon: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="How far ahead, such as 8w; else as far as the future table.")
    ] = None,
    day_first: Annotated[
        bool | None, typer.Option("--day-first/--month-first", help="Whether 03/04/2015 is in April.")
    ] = None,
    force: Force = False,
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
        ask=_ask if _at_terminal() else refuse_to_guess,
    )
    if as_json:
        print_json({"path": str(out), "config": result.config.dump(), "reasons": result.reasons})
        return
    for line in result.reasons:
        typer.echo(line)
    typer.echo(f"written: {out}")
    typer.echo(f"next: tabcli prep --config {out} --data {directory} --out prep")


@app.command()
def prep(
    config: ConfigOption,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The prep directory to write.")],
    sample: Annotated[int | None, typer.Option(help="Keep whole series worth about this many rows.")] = None,
    overrides: Overrides = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Read, join, expand, split and encode the tables.

    Example: tabcli prep --config configs/quickstart.yaml --data data --out prep
    """

    memory.reuse_freed_memory()
    result = tabcli.prep(config, data, out, overrides=overrides or (), sample=sample, force=force)
    if as_json:
        print_json({"path": str(result.path), "unchanged": result.unchanged, **result.summary})
        return
    for line in render_prep(result):
        typer.echo(line)


@app.command()
def train(
    prep_dir: Annotated[Path, typer.Option("--prep", "-p", help="The directory that prep wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run directory to write.")],
    config: OptionalConfig = None,
    overrides: Overrides = None,
    refit: Annotated[bool, typer.Option("--refit", help="After validation, train anew on all rows.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from an interrupted run's last epoch.")] = False,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"] | None,
        typer.Option("--precision", help="Of the matrix products: auto takes bfloat16 where the processor has it."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train the network on a prep.

    Example: tabcli train --config configs/quickstart.yaml --prep prep --out run
    """

    wishes = [*(overrides or ()), *([f"train.precision={precision}"] if precision else [])]
    with progress_bar() as callbacks:
        result = tabcli.train(
            prep_dir,
            out,
            config=config,
            overrides=wishes,
            refit=refit,
            resume=resume,
            force=force,
            callbacks=callbacks,
        )
    if as_json:
        print_json({"path": str(result.path), "unchanged": result.unchanged, **result.metrics})
        return
    for line in render_train(result):
        typer.echo(line)


@app.command("lr-find")
def lr_find(
    prep_dir: Annotated[Path, typer.Option("--prep", "-p", help="The directory that prep wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG file for the curve.")] = Path("lr-find.png"),
    config: OptionalConfig = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Suggest a learning rate: raise it batch by batch until the loss explodes.

    Example: tabcli lr-find --prep prep --out lr-find.png
    """

    found = tabcli.lr_find(prep_dir, config=config, overrides=overrides or (), plot=out)
    if as_json:
        print_json({"suggestion": found.suggestion, "lrs": found.lrs, "losses": found.losses, "plot": str(out)})
        return
    typer.echo(f"suggested learning rate: {found.suggestion:.1e}   (tabcli train … -S train.lr={found.suggestion:.1e})")
    typer.echo(f"written: {out}")


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="The directory that train wrote.")],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .csv or .parquet file to write.")],
    columns: Names = "",
    horizon: Annotated[
        str | None, typer.Option(help="Make the rows: every series × the next 8w, by the config's forecast.rules.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forecast the rows of the table `future`, each id once, in their order; or the next steps of every series.

    Example: tabcli predict run --data data --out submission.csv
    """

    result = tabcli.predict(run, data, out, columns=split_names(columns), horizon=horizon)
    for warning in result.warnings:
        say(f"warning: {warning}")
    if as_json:
        print_json({"path": str(out), **result.counts, "warnings": result.warnings})
        return
    zero = result.counts["zero"]
    typer.echo(f"{result.counts['rows']:,} rows forecast, {zero:,} of them 0 by rule, in {result.seconds:.1f} s")
    typer.echo(f"written: {out}")


@app.command()
def backtest(
    config: ConfigOption,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the folds; goes on where it stopped.")],
    folds: Annotated[int, typer.Option(help="How many folds, the newest at the end of the train table.")] = 3,
    step: Annotated[str | None, typer.Option(help="How far apart; by default as long as the validation rows.")] = None,
    end: Annotated[list[str] | None, typer.Option(help="A fold that ends on this date; may be repeated.")] = None,
    gap: Annotated[str | None, typer.Option(help="Days before the scored rows that nothing learns from.")] = None,
    peers: Annotated[
        str, typer.Option(metavar="A,B,…", help="seasonal_naive, median, histgb, lightgbm.")
    ] = "seasonal_naive,median,histgb",
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Score the whole pipeline on rolling-origin folds, beside what it must beat.

    Example: tabcli backtest --config configs/quickstart.yaml --data data --out backtest --folds 2
    """

    def on_fold(name: str, scores: "Scores") -> None:
        metric = next(iter(next(iter(scores.values()))))  # the config's stands first
        shown = ", ".join(f"{forecast} {score_text(metric, s[metric])}" for forecast, s in scores.items())
        say(f"fold {name}: {metric.upper()} {shown}")

    with progress_bar() as callbacks:
        result = tabcli.backtest(
            config,
            data,
            out,
            overrides=overrides or (),
            folds=folds,
            step=step,
            ends=end or (),
            gap=gap,
            peers=split_names(peers),
            callbacks=callbacks,
            on_fold=on_fold,
        )
    summary = result.summary().reset_index()
    if as_json:
        print_json({"folds": result.folds, "summary": summary.to_dict("records"), "path": str(out)})
        return
    echo_table(summary)
    typer.echo(f"written: {out}")


@app.command()
def tune(
    config: ConfigOption,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the search; goes on where it stopped.")],
    trials: Annotated[int, typer.Option(help="How many settings to try in all.")] = 20,
    folds: Annotated[int, typer.Option(help="How many folds judge each, the newest at the end.")] = 2,
    end: Annotated[list[str] | None, typer.Option(help="A fold that ends on this date; may be repeated.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Search the config's tune.space for better settings, judged by rolling-origin folds (needs optuna).

    Example: tabcli tune --config configs/quickstart.yaml --data data --out tune --trials 10
    """

    def on_trial(trial: "Trial") -> None:
        say(f"trial {trial.number}: {trial.score:.5f} with {shown_number(trial.changes)}")

    with progress_bar() as callbacks:
        result = tabcli.tune(
            config,
            data,
            out,
            overrides=overrides or (),
            trials=trials,
            folds=folds,
            ends=end or (),
            callbacks=callbacks,
            on_trial=on_trial,
        )
    best = result.best
    if as_json:
        print_json({"best": asdict(best), "trials": [asdict(t) for t in result.trials], "path": str(result.path)})
        return
    typer.echo(f"best           {result.metric} {score_text(result.metric, best.score)}: {shown_number(best.changes)}")
    typer.echo(f"written: {result.path}")


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="The forecast, as predict wrote it.")],
    actuals: Annotated[Path, typer.Argument(help="A table with the same keys and what happened.")],
    target: Annotated[str | None, typer.Option(help="The column; by default the last of PREDICTIONS.")] = None,
    on: Annotated[str, typer.Option(metavar="A,B,…", help="Key columns; by default all others in common.")] = "",
    by: Annotated[str | None, typer.Option(help="Also per value of this column of either table.")] = None,
    quantile: Annotated[
        float | None, typer.Option(help="Also the pinball loss, for forecasts of this quantile.")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="The rows known before: adds MASE, and naive forecasts of the same rows."),
    ] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", help="With --history: the date of a row.")] = None,
    series: Annotated[str, typer.Option(metavar="A,B,…", help="With --history: the columns of a series.")] = "",
    events: Annotated[
        str, typer.Option(metavar="A,B,…", help="With --history: columns for medians by them too, such as promotions.")
    ] = "",
    reading: Reading = None,
    as_json: AsJson = False,
) -> None:
    """Score a forecast: RMSPE, RMSE, MAPE, WAPE, MAE, RMSLE and bias, overall and by a column.

    With --history also MASE, and what forecasts that need no learning would have got on the very same rows: medians
    by series (and season, and events), the last season's value, the last value. The forecast or the actuals must have
    the columns of --date, --series and --events: tabcli predict … --columns carries them along. A season is a week
    for days and hours, and a year for weeks and longer.

    Example: tabcli evaluate submission.csv data/truth.csv --target sales --on id
    """

    result = tabcli.evaluate(
        predictions,
        actuals,
        target=target,
        on=split_names(on),
        by=by,
        quantile=quantile,
        history=history,
        date=date,
        series=split_names(series),
        events=split_names(events),
        reading=reading_options(reading),
    )
    if as_json:
        grouped = None if result.by is None else result.by.to_dict("records")
        naive = {} if result.naive is None else {"naive": result.naive.to_dict("records")}
        facts = {"rows": result.n_rows, "zero": result.n_zero, "target": result.target, "on": result.on, "by": grouped}
        print_json({**result.metrics, **facts, **naive})
        return
    typer.echo(f"{result.target} of {result.n_rows:,} rows, matched by {', '.join(result.on)}")
    if result.n_zero:
        typer.echo(f"{result.n_zero:,} rows with an actual value of 0 are left out of RMSPE and MAPE")
    if result.n_unused:
        typer.echo(f"{result.n_unused:,} predictions have no actual row")
    for name, value in result.metrics.items():
        typer.echo(f"{name.upper() if name != 'bias' else name:<6} {score_text(name, value)}")
    for table in (result.naive, result.by):
        if table is not None:
            typer.echo("")
            echo_table(table)


@app.command()
def inspect(
    source: Annotated[Path, typer.Argument(metavar="TABLE|PREP|RUN", help="A table, a prep or a run directory.")],
    reading: Reading = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in a table, a prep or a run: a line for each column with its role, gaps, range and distribution.

    Example: tabcli inspect data/train.csv
    """

    result = tabcli.inspect(source, reading=reading_options(reading))
    if as_json:
        print_json(result.to_dict())
        return
    for line in render_inspection(result):
        typer.echo(line)
