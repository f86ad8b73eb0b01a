"""Commands: each step of prep alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

import tabcli
from tabcli.cli.options import Names, Quiet, Reading, reading_options, split_names
from tabcli.cli.render import counts_text
from tabcli.cli.terminal import say, show
from tabcli.errors import UsageError

TableIn = Annotated[Path, typer.Argument(help="The table to read.")]


TableOut = Annotated[Path, typer.Argument(help="The table to write; the ending gives the format.")]


FitOption = Annotated[
    Path | None, typer.Option("--fit", metavar="STATE", help="Learn from this table, and write what was learned here.")
]


StateOption = Annotated[Path | None, typer.Option("--state", metavar="STATE", help="Apply what --fit wrote here.")]


def _step(
    step: Literal["categorify", "fill-missing", "normalize"],
    table: Path,
    out: Path,
    fit: Path | None,
    state: Path | None,
    columns: str,
    reading: list[str] | None,
    quiet: bool,
) -> None:

    from tabcli.tables.writing import require_no_input, write_table

    require_no_input(out, [p for p in (table, state) if p is not None])
    if fit is not None and fit.absolute() == out.absolute():
        raise UsageError(f"{out} cannot be both the table and what was learned", hint="give --fit another file")
    result = tabcli.run_step(
        step, table, fit=fit, state=state, columns=split_names(columns), reading=reading_options(reading)
    )
    write_table(result.table, out)
    if quiet:
        return
    for column, counts in result.counts.items():
        if isinstance(counts, Mapping):
            text = counts_text(counts) if any(counts.values()) else ""
        else:
            text = f"{counts:,} filled" if counts else ""
        if text:
            say(f"{column}: {text}")
    show([f"written: {out}"])


def add_datepart(
    table: TableIn,
    out: TableOut,
    column: Annotated[str, typer.Option(help="The date column.")],
    prefix: Annotated[
        str | None, typer.Option(help="What new names begin with; by default the column less a final Date.")
    ] = None,
    time_of_day: Annotated[bool, typer.Option("--time", help="Also hour, minute and second.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the date column.")] = False,
    reading: Reading = None,
    quiet: Quiet = False,
) -> None:
    """Add fastai's 13 date parts (16 with --time), such as Year, Week and Dayofweek.

    Example: tabcli add-datepart data/train.csv out.csv --column date
    """

    options = reading_options(reading)
    from tabcli.tables.writing import require_no_input, write_table

    require_no_input(out, [table])
    result = tabcli.add_datepart(table, column, prefix=prefix, time=time_of_day, drop=not keep, reading=options)
    write_table(result.table, out)
    if quiet:
        return
    for name, n in result.counts.items():
        say(f"{name}: {n:,} missing")
    show([f"written: {out}"])


def categorify(
    table: TableIn,
    out: TableOut,
    fit: FitOption = None,
    state: StateOption = None,
    columns: Names = "",
    reading: Reading = None,
    quiet: Quiet = False,
) -> None:
    """Replace values by codes: 0 missing, 1 unknown, 2… the levels seen with --fit. By default text and bool columns.

    Example: tabcli categorify train.csv out.csv --fit state.json --columns store,promo
    """
    _step("categorify", table, out, fit, state, columns, reading, quiet)


def fill_missing(
    table: TableIn,
    out: TableOut,
    fit: FitOption = None,
    state: StateOption = None,
    columns: Names = "",
    reading: Reading = None,
    quiet: Quiet = False,
) -> None:
    """Fill missing numbers with the median learned with --fit, and add flag columns. By default all numbers.

    Example: tabcli fill-missing train.csv out.csv --fit state.json
    """
    _step("fill-missing", table, out, fit, state, columns, reading, quiet)


def normalize(
    table: TableIn,
    out: TableOut,
    fit: FitOption = None,
    state: StateOption = None,
    columns: Names = "",
    reading: Reading = None,
    quiet: Quiet = False,
) -> None:
    """Centre numbers and divide by their standard deviation, both learned with --fit. By default all numbers.

    Example: tabcli normalize train.csv out.csv --fit state.json --columns distance
    """
    _step("normalize", table, out, fit, state, columns, reading, quiet)
