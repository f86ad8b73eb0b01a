"""Commands that judge: backtest, tune, evaluate, inspect, doctor."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import tabcli
from tabcli.cli.options import (
    AsJson,
    ConfigOption,
    DataOption,
    Intervals,
    On,
    Overrides,
    Quantiles,
    Quiet,
    Reading,
    levels_of,
    reading_options,
    split_names,
)
from tabcli.cli.render import changes_text, print_json, progress_bar, render_checkup, render_inspection
from tabcli.cli.render_scores import evaluation_json, main_scores, metric_lines, render_evaluation
from tabcli.cli.terminal import echo_table, say, show
from tabcli.evaluation.naming import score_text

if TYPE_CHECKING:
    from tabcli.selection.scores import Scores
    from tabcli.selection.search import Trial


def backtest(
    config: ConfigOption,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the folds; finished ones are kept.")],
    folds: Annotated[int, typer.Option(help="How many folds, the newest at the end of the train table.")] = 3,
    step: Annotated[str | None, typer.Option(help="How far apart folds end, as 4w; by default the horizon.")] = None,
    end: Annotated[list[str] | None, typer.Option(help="Add a fold that ends on this date; may be repeated.")] = None,
    gap: Annotated[str | None, typer.Option(help="Time before the scored rows that none learns from, as 2d.")] = None,
    peers: Annotated[
        str, typer.Option(metavar="A,B,…", help="What to compare with: seasonal_naive, median, histgb, lightgbm.")
    ] = "seasonal_naive,median,histgb",
    quantiles: Quantiles = None,
    intervals: Intervals = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Also by step, a series column, the date or one of baseline.")
    ] = None,
    overrides: Overrides = None,
    on: On = "processes",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score the whole pipeline on rolling-origin folds of the past, beside peers that it must beat.

    Example: tabcli backtest --config configs/quickstart.yaml --data data --out backtest --folds 2
    """

    def on_fold(name: str, scores: "Scores") -> None:
        metric = next(iter(next(iter(scores.values()))))  # the config's stands first
        shown = ", ".join(f"{forecast} {score_text(metric, s[metric])}" for forecast, s in scores.items())
        if not quiet:
            say(f"fold {name}: {metric.upper()} {shown}")

    with progress_bar(quiet) as callbacks:
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
            quantiles=levels_of("--quantiles", quantiles),
            intervals=levels_of("--interval", intervals),
            on=on,
            callbacks=callbacks,
            on_fold=on_fold,
        )
    summary, groups = result.summary().reset_index(), None if by is None else result.by(by)
    if as_json:
        grouped = {} if groups is None else {"by": groups.to_dict("records")}
        print_json({"folds": result.folds, "summary": summary.to_dict("records"), **grouped, "path": str(out)})
        return
    if quiet:
        return
    echo_table(summary, bars=result.metric)
    if groups is not None:
        show([""])
        echo_table(main_scores(groups))
    show([f"written: {out}"])


def tune(
    config: ConfigOption,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the search, which goes on there.")],
    trials: Annotated[int, typer.Option(help="How many settings to try, those of earlier calls included.")] = 20,
    folds: Annotated[int, typer.Option(help="How many folds judge each trial.")] = 2,
    end: Annotated[list[str] | None, typer.Option(help="Add a fold that ends on this date; may be repeated.")] = None,
    overrides: Overrides = None,
    on: On = "processes",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Search the config's tune.space for better settings, judged by rolling-origin folds (needs optuna).

    Example: tabcli tune --config configs/quickstart.yaml --data data --out tune --trials 10
    """

    def on_trial(trial: "Trial") -> None:
        if not quiet:
            say(f"trial {trial.number}: {trial.score:.5f} with {changes_text(trial.changes)}")

    with progress_bar(quiet) as callbacks:
        result = tabcli.tune(
            config,
            data,
            out,
            overrides=overrides or (),
            trials=trials,
            folds=folds,
            ends=end or (),
            on=on,
            callbacks=callbacks,
            on_trial=on_trial,
        )
    best = result.best
    if as_json:
        print_json({"best": asdict(best), "trials": [asdict(t) for t in result.trials], "path": str(result.path)})
        return
    if quiet:
        return
    score = score_text(result.metric, best.score)
    show([f"best           {result.metric} {score}: {changes_text(best.changes)}", f"written: {result.path}"])


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="The forecast, as predict wrote it.")],
    actuals: Annotated[Path, typer.Argument(help="A table with the same keys and what happened.")],
    target: Annotated[
        str | None, typer.Option(help="The column to compare; by default the last of PREDICTIONS that is no quantile.")
    ] = None,
    on: Annotated[
        str, typer.Option(metavar="A,B,…", help="The columns that match rows; by default all shared others.")
    ] = "",
    by: Annotated[str | None, typer.Option(help="A column of either table: score each of its values, too.")] = None,
    quantile: Annotated[
        float | None, typer.Option(help="Also the pinball loss, for forecasts of this quantile.")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="The rows known before: adds MASE, and naive forecasts of the same rows."),
    ] = None,
    date: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="With --history: the column with the date.")
    ] = None,
    series: Annotated[
        str, typer.Option(metavar="A,B,…", help="With --history: the columns that tell series apart.")
    ] = "",
    events: Annotated[
        str, typer.Option(metavar="A,B,…", help="With --history: columns that medians are by too, such as promotions.")
    ] = "",
    overrides: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="What predict --overrides wrote beside the forecast: did a person help?"),
    ] = None,
    reading: Reading = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score a forecast: RMSPE, RMSE, MAPE, WAPE, MAE, RMSLE and bias, overall and by a column.

    With --history also MASE, and the metrics of naive forecasts of the same rows: medians by series (and season, and
    events), the last season's value, the last value. The forecast or the actuals must have the columns of --date,
    --series and --events: tabcli predict … --columns carries them along. A season is a week for steps shorter than a
    week, else a year.

    Quantiles and intervals beside the forecast are found by their names: Sales_q10; Sales_lo80 with Sales_hi80. Then
    also WQL, CRPS and, with --history, SQL; by level the pinball loss and the share of actuals below; by interval the
    share of rows that it promised and held, and its width; all of it by the column and by step ahead, too.

    With --overrides, or where the forecast has a column such as Sales_model, also whether a person's numbers were
    nearer than the model's: the value added is the model's WAPE less the person's, over the rows that were changed,
    also for each person (who) and reason (why); how sure that is goes by whole dates.

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
        overrides=overrides,
        reading=reading_options(reading),
    )
    if as_json:
        print_json(evaluation_json(result))
        return
    show(metric_lines(result) if quiet else render_evaluation(result))


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
    show(render_inspection(result))


def doctor(
    on: On = "processes",
    at: Annotated[
        Path | None,
        typer.Option(metavar="URL", help="Whether files can be written and read there: s3://bucket/folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether this machine, and with --on ray a Ray cluster, can do what is asked of them; and if not, why.

    Ends with exit code 6 where something is to be done.

    Example: tabcli doctor --on ray
    """

    checkup = tabcli.doctor(on, at)
    if as_json:
        print_json({"healthy": checkup.healthy, "findings": [asdict(f) for f in checkup.findings]})
    else:
        show(render_checkup(checkup))
    if not checkup.healthy:
        raise typer.Exit(6)
