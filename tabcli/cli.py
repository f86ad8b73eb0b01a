"""The command line: parse → one call into `stages` → render. The only module that knows typer and rich.

Results go to stdout (`--json` for machines), all else to stderr. The stages are imported inside the commands,
because `tabcli --help` must not wait for torch and pandas.
"""

import atexit
import errno
import gc
import json
import math
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from tabcli import files
from tabcli.errors import ResourceError, TabcliError, UsageError
from tabcli.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from tabcli.backtesting import Scores
    from tabcli.inspection import Inspection
    from tabcli.stages import PrepResult, TrainResult
    from tabcli.training import Callbacks, Record
    from tabcli.tuning import Trial


# -------------------------------------------------------------------------------- the error boundary


class Terminated(BaseException):
    """SIGTERM arrived; like Ctrl-C it must pass every `except Exception`."""


def _on_sigterm(signum: int, frame: object) -> None:
    raise Terminated


def _as_expected(error: BaseException) -> TabcliError | None:
    """The error a person can act on, if it is one: ours, or a full disk or memory."""
    if isinstance(error, TabcliError):
        return error
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if full or "No space left on device" in str(error):
        return ResourceError(f"the disk is full: {error}", hint="free some space; nothing was written at a final name")
    if isinstance(error, MemoryError):
        return ResourceError("the memory is full", hint="try fewer rows with --sample, or a smaller table")
    if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError) and error.filename:
        return UsageError(f"{error.filename}: {error.strerror}")
    return None


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _report_bug(error: Exception) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="tabcli-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write("".join(traceback.format_exception(error)))
    _say(f"error: a bug in tabcli: {type(error).__name__}: {error}")
    _say(f"hint: please report it with {log.name}")


class _Boundary(TyperGroup):
    """Turns every exception into a message and an exit code, in the real process and under `CliRunner` alike."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, TyperException):
            raise
        except KeyboardInterrupt:
            _say("stopped by Ctrl-C")
            raise typer.Exit(130) from None
        except Terminated:
            _say("stopped by SIGTERM")
            raise typer.Exit(143) from None
        except BrokenPipeError:
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            expected = _as_expected(error)
            if expected is None:
                _report_bug(error)
                raise typer.Exit(1) from None
            _say(f"error: {expected.message}")
            if expected.hint:
                _say(f"hint: {expected.hint}")
            raise typer.Exit(expected.exit_code) from None


EPILOG = (
    "Exit codes: 0 ok, 1 a bug, 2 usage, 3 config, 4 data, 5 a prep or run directory that is corrupt or does not fit, "
    "6 disk or memory full, 130 Ctrl-C, 143 SIGTERM."
)
HELP_NAMES = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=_Boundary,
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
    signal.signal(signal.SIGTERM, _on_sigterm)
    atexit.register(gc.freeze)  # the memory goes as a whole: looking for cycles in it would only take time


# ------------------------------------------------------------------------------------ shared options

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The YAML config of the dataset.")]
OptionalConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="A config; by default the one the prep was made with.")
]
DataOption = Annotated[Path, typer.Option("--data", "-d", help="The directory with the tables.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-S", metavar="KEY.PATH=VALUE", help="Override a key of the config; may be repeated."),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace what stands at --out.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Reading = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="OPTION=VALUE",
        help="How text tables are written: delimiter=';', decimal=',' and so on, as in a config; may be repeated.",
    ),
]
Names = Annotated[str, typer.Option("--columns", metavar="A,B,…", help="Columns, separated by commas.")]


def _split(names: str) -> list[str]:
    return [n.strip() for n in names.split(",") if n.strip()]


def _options(given: Sequence[str] | None) -> dict[str, str]:
    """`name=value` texts → values by name."""
    wrong = [g for g in given or () if "=" not in g]
    if wrong:
        raise UsageError(f"--read {wrong[0]}: expected OPTION=VALUE, such as decimal=,")
    return dict(g.split("=", 1) for g in given or ())


def _finite(value: Any) -> Any:
    """The value with None for numbers that JSON does not know."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_json(value: Mapping[str, Any]) -> None:
    typer.echo(json.dumps({"schema_version": 1, **_finite(value)}, indent=1, ensure_ascii=False, default=str))


# ------------------------------------------------------------------------------------------ rendering


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _score(metric: str, value: float) -> str:
    """A metric's value: a percentage where it is a fraction, else a number in its own unit."""
    if not math.isfinite(value):
        return "not defined"
    return _percent(value) if metric in _FRACTIONS else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.2f}"


_FRACTIONS = ("rmspe", "mape", "wape", "bias")  # as in `metrics`, which --help must not wait for


def _some(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or "none"


def _render_prep(result: "PrepResult") -> Iterator[str]:
    """The summary that prep prints: rows in and out, columns by role, the split, what is missing or unknown."""
    summary = result.summary
    rows, dates, columns = summary["rows"], summary["dates"], summary["columns"]
    yield "rows read      " + ", ".join(f"{name} {n:,}" for name, n in rows["read"].items())
    if rows["sampled"]:
        yield f"sampled        {summary['series']} whole series"
    yield "left out       " + _some({**rows["dropped"], "in the gap": rows["gap"]})
    yield f"train          {rows['train']:,} rows, {dates['train_start'][:10]} … {dates['train_end'][:10]}"
    yield f"validation     {rows['valid']:,} rows, {dates['valid_start'][:10]} … {dates['valid_end'][:10]}"
    if "future" in rows:
        yield f"to forecast    {rows['future']:,} rows"
    yield f"series         {summary['series']:,}, a row every {summary['frequency']}"
    for role in ("categorical", "continuous", "past only"):
        yield f"{role:<14} {len(columns[role])}: {', '.join(columns[role])}"
    unmatched = {table: n for table, n in summary["unmatched"].items() if n}
    if unmatched:
        yield f"no match       {_some(unmatched)} rows"
    if any(summary["filled_inputs"].values()):
        yield f"filled inputs  {_some(summary['filled_inputs'])}"
    for part, codes in summary["codes"].items():
        yield f"missing        {part}: " + _some(
            {**{c: n["missing"] for c, n in codes.items()}, **summary["filled"][part]}
        )
    for part, codes in summary["codes"].items():
        if any(n["unknown"] for n in codes.values()):
            yield f"unknown        {part}: " + _some({c: n["unknown"] for c, n in codes.items()})
    if summary["clipped"]:
        yield f"taken as 0     {summary['clipped']:,} negative targets"
    baseline, metric = summary["baseline"], summary["metric"]
    score = _score(metric, baseline[f"valid_{metric}"])
    yield f"to beat        {metric.upper()} {score}: {baseline['name']}"
    for name in [n for n in baseline["all"] if n != baseline["name"]]:
        yield f"               {' ' * len(metric)} {_score(metric, baseline['all'][name])}: {name}"
    if not result.unchanged:
        encoded, peak = result.megabytes
        yield f"memory         {peak:,.0f} MB at the peak; the encoded tables have {encoded:,.0f} MB"
    yield f"{'unchanged' if result.unchanged else 'written'}: {result.path}"


def _render_train(result: "TrainResult") -> Iterator[str]:
    metrics = result.metrics
    baseline = metrics["baseline"]
    name, key = metrics["metric"].upper(), f"valid_{metrics['metric']}"
    gain = 1 - metrics[key] / baseline[key] if baseline[key] else 0.0

    def shown(value: float) -> str:
        return _score(metrics["metric"], value)

    singles = metrics["members"]
    epochs = f"epoch {metrics['best_epoch']}"
    if len(singles) > 1:
        mean = sum(singles) / len(singles)
        epochs = f"mean of {len(singles)} members, alone {shown(mean)} on average"
    yield f"validation {name} {shown(metrics[key])} on {metrics['valid_rows']:,} rows ({epochs})"
    if metrics["factor"] != 1 or metrics["shift"]:
        how = f"{metrics['shift']:+,.4g}" if metrics["shift"] else f"× {metrics['factor']:.4f}"
        yield (
            f"calibration    forecasts {how}, fitted on earlier rows; "
            f"without it {name} {shown(metrics[f'{key}_uncalibrated'])}"
        )
    yield (
        f"{100 * abs(gain):.1f} % {'below' if gain >= 0 else 'above'} the best of what needs no learning: "
        f"{baseline['name']} ({shown(baseline[key])})"
    )
    if metrics["refitted"]:
        yield f"refitted       on all {metrics['train_rows']:,} rows; the {name} is that of the networks before"
    yield f"{'unchanged' if result.unchanged else 'written'}: {result.path}"


@contextmanager
def _progress() -> Iterator["Callbacks"]:
    """Callbacks that draw a bar on a terminal, and print plain lines elsewhere."""
    from tabcli.training import Callbacks

    def say_epoch(record: "Record") -> None:
        name = f"{record['network']:<10}" if "network" in record else ""
        metric = record["by"].removeprefix("valid_")
        of_log = f"RMSE of log {record['valid_rmse_log']:.4f}  " if "valid_rmse_log" in record else ""
        text = (
            f"{name}epoch {record['epoch']:>3}  train loss {record['train_loss']:.5f}  "
            f"valid loss {record['valid_loss']:.5f}  {of_log}"
            f"{metric.upper()} {_score(metric, record[record['by']])}  {record['seconds']:.1f} s"
        )
        console.print(text, highlight=False) if console else _say(text)

    console = None
    if not sys.stderr.isatty():
        yield Callbacks(on_model=_say, on_epoch=say_epoch)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")]
    with Progress(*columns, TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("training", total=None)
        drawn = time.monotonic()

        def on_step(done: int, total: int) -> None:
            nonlocal drawn
            if time.monotonic() - drawn > 0.2 or done == total:
                drawn = time.monotonic()
                bar.update(task, completed=done, total=total)

        yield Callbacks(on_model=_say, on_step=on_step, on_epoch=say_epoch)


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
    from tabcli import starting

    if products is not None and kind != "weekly":
        raise UsageError(f"--products goes with --kind weekly, not {kind}")
    length = {"retail": "days", "weekly": "weeks", "hourly": "hours"}[kind]
    options: dict[str, Any] = {"stations" if kind == "hourly" else "stores": stores, "products": products, length: days}
    options |= {"horizon": horizon, "noise": noise, "start": start}
    given = {k: v for k, v in options.items() if v is not None}
    made = starting.synth(directory, kind=kind, seed=seed, replace=force, **given)
    facts = {"path": str(made.path), "train": made.n_train, "test": made.n_test}
    if as_json:
        _print_json({**facts, f"noise_floor_{made.metric}": made.noise_floor})
        return
    floor = f"{made.metric.upper()} {_score(made.metric, made.noise_floor)}"
    typer.echo(f"{made.n_train:,} rows to learn from, {made.n_test:,} to forecast")
    typer.echo(f"noise floor: {floor}; no forecast of these rows is better than by chance")
    typer.echo(f"written: {made.path}")


def _at_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str, option: str, answers: Sequence[str]) -> str:
    """Lets a person at the terminal choose; `option` answers the same without asking."""
    _say(f"{question} ({option}):")
    for i, answer in enumerate(answers, start=1):
        _say(f"  {i}  {answer}")
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
    from tabcli import starting
    from tabcli.discover import refuse_to_guess

    result = starting.init(
        directory,
        out,
        force=force,
        train=train,
        future=future,
        target=target,
        date=date,
        series=tuple(_split(series)),
        horizon=horizon,
        day_first=day_first,
        ask=_ask if _at_terminal() else refuse_to_guess,
    )
    if as_json:
        _print_json({"path": str(out), "config": result.config.dump(), "reasons": result.reasons})
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
    from tabcli import stages

    files.keep_memory()
    result = stages.prep(config, data, out, overrides=overrides or (), sample=sample, force=force)
    if as_json:
        _print_json({"path": str(result.path), "unchanged": result.unchanged, **result.summary})
        return
    for line in _render_prep(result):
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
    from tabcli import stages

    wishes = [*(overrides or ()), *([f"train.precision={precision}"] if precision else [])]
    with _progress() as callbacks:
        result = stages.train(
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
        _print_json({"path": str(result.path), "unchanged": result.unchanged, **result.metrics})
        return
    for line in _render_train(result):
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
    from tabcli import stages

    found = stages.lr_find(prep_dir, config=config, overrides=overrides or (), plot=out)
    if as_json:
        _print_json({"suggestion": found.suggestion, "lrs": found.lrs, "losses": found.losses, "plot": str(out)})
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
    from tabcli import stages

    result = stages.predict(run, data, out, columns=_split(columns), horizon=horizon)
    for warning in result.warnings:
        _say(f"warning: {warning}")
    if as_json:
        _print_json({"path": str(out), **result.counts, "warnings": result.warnings})
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
    from tabcli import stages

    def on_fold(name: str, scores: "Scores") -> None:
        metric = next(iter(next(iter(scores.values()))))  # the config's stands first
        shown = ", ".join(f"{forecast} {_score(metric, s[metric])}" for forecast, s in scores.items())
        _say(f"fold {name}: {metric.upper()} {shown}")

    with _progress() as callbacks:
        result = stages.backtest(
            config,
            data,
            out,
            overrides=overrides or (),
            folds=folds,
            step=step,
            ends=end or (),
            gap=gap,
            peers=_split(peers),
            callbacks=callbacks,
            on_fold=on_fold,
        )
    summary = result.summary().reset_index()
    if as_json:
        _print_json({"folds": result.folds, "summary": summary.to_dict("records"), "path": str(out)})
        return
    _echo_table(summary)
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
    from tabcli import stages

    def on_trial(trial: "Trial") -> None:
        _say(f"trial {trial.number}: {trial.score:.5f} with {_shown(trial.changes)}")

    with _progress() as callbacks:
        result = stages.tune(
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
        _print_json({"best": asdict(best), "trials": [asdict(t) for t in result.trials], "path": str(result.path)})
        return
    typer.echo(f"best           {result.metric} {_score(result.metric, best.score)}: {_shown(best.changes)}")
    typer.echo(f"written: {result.path}")


def _shown(changes: dict[str, Any]) -> str:
    return ", ".join(f"{path} = {value}" for path, value in changes.items())


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
    from tabcli import stages

    result = stages.evaluate(
        predictions,
        actuals,
        target=target,
        on=_split(on),
        by=by,
        quantile=quantile,
        history=history,
        date=date,
        series=_split(series),
        events=_split(events),
        reading=_options(reading),
    )
    if as_json:
        grouped = None if result.by is None else result.by.to_dict("records")
        naive = {} if result.naive is None else {"naive": result.naive.to_dict("records")}
        facts = {"rows": result.n_rows, "zero": result.n_zero, "target": result.target, "on": result.on, "by": grouped}
        _print_json({**result.metrics, **facts, **naive})
        return
    typer.echo(f"{result.target} of {result.n_rows:,} rows, matched by {', '.join(result.on)}")
    if result.n_zero:
        typer.echo(f"{result.n_zero:,} rows with an actual value of 0 are left out of RMSPE and MAPE")
    if result.n_unused:
        typer.echo(f"{result.n_unused:,} predictions have no actual row")
    for name, value in result.metrics.items():
        typer.echo(f"{name.upper() if name != 'bias' else name:<6} {_score(name, value)}")
    for table in (result.naive, result.by):
        if table is not None:
            typer.echo("")
            _echo_table(table)


def _echo_table(table: "pd.DataFrame") -> None:
    """Right-aligned text columns."""
    rows = [[c.upper() if c in _METRIC_NAMES and c != "bias" else c for c in table.columns]]
    rows += [
        [_score(c, v) if isinstance(v, float) and c in _METRIC_NAMES else str(v) for c, v in record.items()]
        for record in table.to_dict("records")
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


_METRIC_NAMES = ("rmspe", "rmse", "mape", "wape", "mae", "rmsle", "mase", "pinball", "bias")


@app.command()
def inspect(
    source: Annotated[Path, typer.Argument(metavar="TABLE|PREP|RUN", help="A table, a prep or a run directory.")],
    reading: Reading = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in a table, a prep or a run: a line for each column with its role, gaps, range and distribution.

    Example: tabcli inspect data/train.csv
    """
    from tabcli import stages

    result = stages.inspect(source, reading=_options(reading))
    if as_json:
        _print_json(result.to_dict())
        return
    for line in _render_inspection(result):
        typer.echo(line)


def _render_inspection(result: "Inspection") -> Iterator[str]:
    """Facts, then aligned columns; in plain ASCII where the terminal can show no more."""
    from tabcli.inspection import ASCII_BLOCKS, BLOCKS, sparkline

    rich = _can_show(f"{BLOCKS}…×")
    blocks, dots = (BLOCKS, "…") if rich else (ASCII_BLOCKS, "..")
    yield f"{result.what} {result.path}"
    for name, fact in result.facts.items():
        shown = _fact(fact)
        yield f"{name:<16} {shown if rich else shown.replace('…', '..').replace('×', 'x')}"
    rows = [["column", "role", "type", "missing", "unknown", "values", "range", "distribution"]]
    for c in result.columns:
        counts = ["" if n is None else f"{n:,}" for n in (c.missing, c.unknown, c.n_values)]
        span = "" if c.low is None else f"{_short(c.low, dots)} {dots} {_short(c.high, dots)}"
        rows.append([_short(c.name, dots, 30), c.role, c.kind, *counts, span, sparkline(c.bars, blocks)])
    used = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in used}
    yield ""
    for row in rows:
        cells = [row[i].rjust(widths[i]) if 3 <= i <= 5 else row[i].ljust(widths[i]) for i in used]
        yield "  ".join(cells).rstrip()


def _can_show(text: str) -> bool:
    """Whether stdout's encoding has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _fact(value: Any) -> str:
    """A fact in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_fact(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(_fact(v) for v in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _short(value: Any, dots: str, width: int = 14) -> str:
    """A value in a few characters; what is cut or cannot be shown is marked."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text.encode(sys.stdout.encoding or "ascii", errors="replace").decode(sys.stdout.encoding or "ascii")
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - len(dots)] + dots


# ------------------------------------------------------------------------------------- single steps

TableIn = Annotated[Path, typer.Argument(help="The table to read.")]
TableOut = Annotated[Path, typer.Argument(help="The table to write; the ending gives the format.")]
FitOption = Annotated[
    Path | None, typer.Option("--fit", metavar="STATE", help="Learn from this table; write the state.")
]
StateOption = Annotated[Path | None, typer.Option("--state", metavar="STATE", help="Apply what was learned.")]


def _step(
    stage: Literal["categorify", "fill-missing", "normalize"],
    table: Path,
    out: Path,
    fit: Path | None,
    state: Path | None,
    columns: str,
    reading: list[str] | None,
) -> None:
    from tabcli import stages

    result = stages.run_step(stage, table, fit=fit, state=state, columns=_split(columns), reading=_options(reading))
    stages.write_table(result.table, out)
    for column, counts in result.counts.items():
        if isinstance(counts, Mapping):
            counts = _some(counts) if any(counts.values()) else None
        elif counts:
            counts = f"{counts:,} filled"
        if counts:
            _say(f"{column}: {counts}")
    typer.echo(f"written: {out}")


@app.command("add-datepart")
def add_datepart(
    table: TableIn,
    out: TableOut,
    column: Annotated[str, typer.Option(help="The date column.")],
    prefix: Annotated[str | None, typer.Option(help="By default the name without a final Date.")] = None,
    time_of_day: Annotated[bool, typer.Option("--time", help="Also hour, minute and second.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the date column.")] = False,
    reading: Reading = None,
) -> None:
    """Add fastai's 13 calendar columns of a date (16 with --time).

    Example: tabcli add-datepart data/train.csv out.csv --column date
    """
    from tabcli import stages

    options = _options(reading)
    result = stages.add_datepart(table, column, prefix=prefix, time=time_of_day, drop=not keep, reading=options)
    stages.write_table(result.table, out)
    for name, n in result.counts.items():
        _say(f"{name}: {n:,} missing")
    typer.echo(f"written: {out}")


@app.command()
def categorify(
    table: TableIn,
    out: TableOut,
    fit: FitOption = None,
    state: StateOption = None,
    columns: Names = "",
    reading: Reading = None,
) -> None:
    """Replace values by codes: 0 missing, 1 unknown, 2… the levels seen with --fit. By default text columns.

    Example: tabcli categorify train.csv out.csv --fit state.json --columns store,promo
    """
    _step("categorify", table, out, fit, state, columns, reading)


@app.command("fill-missing")
def fill_missing(
    table: TableIn,
    out: TableOut,
    fit: FitOption = None,
    state: StateOption = None,
    columns: Names = "",
    reading: Reading = None,
) -> None:
    """Fill missing numbers with the median learned with --fit, and add flag columns. By default all numbers.

    Example: tabcli fill-missing train.csv out.csv --fit state.json
    """
    _step("fill-missing", table, out, fit, state, columns, reading)


@app.command()
def normalize(
    table: TableIn,
    out: TableOut,
    fit: FitOption = None,
    state: StateOption = None,
    columns: Names = "",
    reading: Reading = None,
) -> None:
    """Centre numbers and divide by their standard deviation, both learned with --fit. By default all numbers.

    Example: tabcli normalize train.csv out.csv --fit state.json --columns distance
    """
    _step("normalize", table, out, fit, state, columns, reading)


# ------------------------------------------------------------------------------------------- config

ConfigArgument = Annotated[Path, typer.Argument(help="The YAML config.")]


@config_app.command("check")
def config_check(config: ConfigArgument, overrides: Overrides = None) -> None:
    """Report all problems of a config at once.

    Example: tabcli config check configs/quickstart.yaml
    """
    from tabcli.config import load

    load(config, overrides or ())
    typer.echo(f"{config}: ok")


@config_app.command("show")
def config_show(config: ConfigArgument, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print the config with presets, overrides and defaults filled in.

    Example: tabcli config show configs/quickstart.yaml -S preset=lesson6
    """
    from tabcli.config import load

    loaded = load(config, overrides or ())
    typer.echo(json.dumps(loaded.dump(), indent=1) if as_json else loaded.to_yaml().rstrip())


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of configs, for editors.

    Example: tabcli config schema > tabcli.schema.json
    """
    from tabcli.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=1))
