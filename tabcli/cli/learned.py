"""Commands for looking at what networks learned: embeddings."""

from pathlib import Path
from typing import Annotated

import typer

import tabcli
from tabcli.cli.options import AsJson, Force, Quiet
from tabcli.cli.render import print_json
from tabcli.cli.render_maps import render_embeddings
from tabcli.cli.terminal import say, show
from tabcli.storage import named


def embeddings(
    run: Annotated[Path, typer.Argument(help="The directory that train wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A directory for tables, maps and the page embeddings.html.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", "-d", help="The directory with the tables: colours maps by static columns too."),
    ] = None,
    near: Annotated[
        list[str] | None,
        typer.Option(metavar="SERIES", help="Print the nearest of a series, or of COLUMN=LEVEL; may be repeated."),
    ] = None,
    neighbours: Annotated[int, typer.Option("-n", "--neighbours", help="How many nearest to print.")] = 10,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="A table of a column's levels with numbers, such as lat and lon, to compare distances with."),
    ] = None,
    label: Annotated[
        Path | None,
        typer.Option(help="A table of the series' keys and labels of a few: prints the most similar others."),
    ] = None,
    method: Annotated[str, typer.Option("--map", metavar="pca|tsne|umap", help="How maps are drawn.")] = "pca",
    view: Annotated[
        str,
        typer.Option(
            "--view",
            metavar="read|weights",
            help="Embeddings as the networks read them, beside the heads of series; or as they are.",
        ),
    ] = "read",
    seed: Annotated[int | None, typer.Option(help="Of shuffles and maps; by default the config's.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Show what networks learned of series and of other categories, and whether they agree about it.

    Without --near, --beside or --label a table says for each column how far the networks agree.

    Example: tabcli embeddings run --data data --out maps --near 262
    """
    result = tabcli.embeddings(
        run,
        out,
        data=data,
        near=near or (),
        neighbours=neighbours,
        beside=beside or (),
        labels=label,
        method=method,
        view=view,
        seed=seed,
        force=force,
    )
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        show(render_embeddings(result))
    if out is not None and not quiet:
        say(f"written: {named(out)}")
