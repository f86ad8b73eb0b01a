"""Commands of the main job: prep, train, lr-find, predict."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import tabcli
from tabcli import memory
from tabcli.cli.options import (
    AsJson,
    ConfigOption,
    DataOption,
    Force,
    Intervals,
    On,
    OptionalConfig,
    Overrides,
    Quantiles,
    Quiet,
    levels_of,
    shards_in,
    split_names,
)
from tabcli.cli.render import print_json, progress_bar, render_prep, render_train
from tabcli.cli.render_forecast import person_json, records_of, render_predict
from tabcli.cli.terminal import say, show
from tabcli.storage import named


def prep(
    config: ConfigOption,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The prep directory to write.")],
    sample: Annotated[int | None, typer.Option(help="Keep whole series worth about this many rows.")] = None,
    shards: Annotated[
        str,
        typer.Option(
            metavar="auto|N",
            help="Cut the rows into N shards of whole series, so that no more than one for each core is in memory; "
            "auto: 1 below 4 million rows, else one for each million.",
        ),
    ] = "auto",
    on: On = "processes",
    overrides: Overrides = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Read and join the tables, make features, split by time and encode the rows.

    Example: tabcli prep --config configs/quickstart.yaml --data data --out prep
    """

    memory.reuse_freed_memory()
    result = tabcli.prep(
        config, data, out, overrides=overrides or (), sample=sample, shards=shards_in(shards), force=force, on=on
    )
    if as_json:
        several = {"shards": result.shards} if result.shards > 1 else {}
        state = result.summary.to_state()
        print_json({"path": str(result.path), "unchanged": result.unchanged, **several, **state})
        return
    if not quiet:
        show(render_prep(result))


def train(
    prep_dir: Annotated[Path, typer.Option("--prep", "-p", help="The directory that prep wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run directory to write.")],
    config: OptionalConfig = None,
    overrides: Overrides = None,
    refit: Annotated[
        bool | None,
        typer.Option("--refit/--no-refit", help="Once judged, train anew on all rows; by default as the config says."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last epoch of an interrupted training.")
    ] = False,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"] | None,
        typer.Option("--precision", help="Of matrix products; auto takes bfloat16 where the processor has it."),
    ] = None,
    on: On = "processes",
    nproc: Annotated[
        int, typer.Option("--nproc", metavar="N", help="So many processes of this machine train each network together.")
    ] = 1,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the networks on a prep, judge them on the validation rows and past windows, and write a run.

    Example: tabcli train --config configs/quickstart.yaml --prep prep --out run
    """

    changes = [*(overrides or ()), *([f"train.precision={precision}"] if precision else [])]
    with progress_bar(quiet) as callbacks:
        result = tabcli.train(
            prep_dir,
            out,
            config=config,
            overrides=changes,
            refit=refit,
            resume=resume,
            force=force,
            on=on,
            nproc=nproc,
            callbacks=callbacks,
        )
    if as_json:
        print_json({"path": str(result.path), "unchanged": result.unchanged, **result.metrics.to_state()})
        return
    if not quiet:
        show(render_train(result))
        show([f"its card: {named(out)}/MODEL_CARD.md; what only a person knows: tabcli card {named(out)} --check"])


def lr_find(
    prep_dir: Annotated[Path, typer.Option("--prep", "-p", help="The directory that prep wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The PNG file for the curve.")] = Path("lr-find.png"),
    config: OptionalConfig = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Suggest a learning rate: raise it batch by batch until the loss explodes.

    Example: tabcli lr-find --prep prep --out lr-find.png
    """

    found = tabcli.lr_find(prep_dir, config=config, overrides=overrides or (), plot=out)
    if as_json:
        print_json({"suggestion": found.suggestion, "lrs": found.lrs, "losses": found.losses, "plot": named(out)})
        return
    if quiet:
        show([f"{found.suggestion:.1e}"])
        return
    rate = f"{found.suggestion:.1e}"
    show([f"suggested learning rate: {rate}   (tabcli train … -S train.lr={rate})", f"written: {named(out)}"])


def predict(
    run: Annotated[Path, typer.Argument(help="The directory that train wrote.")],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .csv or .parquet file to write.")],
    columns: Annotated[str, typer.Option(metavar="A,B,…", help="Columns of the rows to carry along.")] = "",
    horizon: Annotated[
        str | None,
        typer.Option(
            metavar="8w",
            help="In place of the table `future`: the next steps (h, d, w, mo) of every series, by forecast.rules.",
        ),
    ] = None,
    quantiles: Quantiles = None,
    intervals: Intervals = None,
    totals: Annotated[
        list[str] | None,
        typer.Option(
            "--total",
            metavar="chain|COLUMN|day|week|month",
            help="Sums with intervals, of all rows or by columns, over the horizon or by a period: --total State,week; "
            "may be repeated.",
        ),
    ] = None,
    review: Annotated[
        str | None,
        typer.Option(
            metavar="2%|50",
            help="Also write the rows that most deserve a look, with the reasons, beside OUT: forecast.review.csv.",
        ),
    ] = None,
    overrides: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="A person's numbers, which replace forecasts: the id, or series and date; the target; who, why, when.",
        ),
    ] = None,
    shards: Annotated[
        str,
        typer.Option(metavar="auto|N", help="Forecast the rows in so many parts of whole series, with less memory."),
    ] = "auto",
    on: On = "processes",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Forecast the rows of the table `future`, each id once, in their order; or the next steps of every series.

    Example: tabcli predict run --data data --out submission.csv --interval 0.8 --total week
    """

    result = tabcli.predict(
        run,
        data,
        out,
        columns=split_names(columns),
        horizon=horizon,
        quantiles=levels_of("--quantiles", quantiles),
        intervals=levels_of("--interval", intervals),
        totals=totals or (),
        review=review,
        overrides=overrides,
        shards=shards,
        on=on,
    )
    for warning in result.warnings:
        say(f"warning: {warning}")
    if as_json:
        sums = {} if result.totals is None else {"totals": records_of(result.totals)}
        print_json({"path": named(out), **result.counts, **sums, **person_json(result), "warnings": result.warnings})
        return
    if not quiet:
        show(render_predict(result))
