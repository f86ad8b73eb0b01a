"""Each step of prep alone: table in, table out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from tabcli import files
from tabcli.api.results import StepResult
from tabcli.api.sources import read_any
from tabcli.api.urls import at_urls
from tabcli.errors import BundleError, DataError, UsageError
from tabcli.features.dates import date_parts
from tabcli.preprocessing.categorical import Categorify
from tabcli.preprocessing.columns import STEPS, step_from_state, step_state
from tabcli.preprocessing.continuous import FillMissing, Normalize
from tabcli.tables.kinds import Kinds, require_columns
from tabcli.tables.reading import TableSource
from tabcli.tables.rows import with_columns
from tabcli.tables.writing import require_no_input

# ------------------------------------------------------------------------------------- the single steps


@at_urls(table="table")
def add_datepart(
    table: TableSource,
    column: str,
    *,
    prefix: str | None = None,
    time: bool = False,
    drop: bool = True,
    reading: Mapping[str, str] | None = None,
) -> StepResult:
    """The table with fastai's 13 columns of a date (16 with `time`) at its end.

    table: a DataFrame or a file.
    column: the column with the date.
    prefix: what the names of the new columns begin with; by default the column's name without a final "date".
    time: hour, minute and second too.
    drop: leave the date out.
    reading: how the table is written, as in a config's table: {"decimal": ","}.
    """
    rows = read_any(table, "table", [column], reading)
    require_columns(rows, [column], "the table")
    kind = Kinds.of(rows)[column]
    if kind != "date":
        raise DataError(f"column {column!r} holds {kind} values, not dates")
    parts = date_parts(rows[column], prefix, time=time)
    clash = [c for c in parts.columns if c in rows.columns]
    if clash:
        raise UsageError(f"the table has the columns {', '.join(clash)} already", hint="give another --prefix")
    kept = rows.drop(columns=column) if drop else rows
    missing = int(rows[column].isna().sum())
    return StepResult(pd.concat([kept, parts], axis=1), {column: missing} if missing else {})


def _default_columns(step: str, rows: pd.DataFrame) -> list[str]:
    """Text and bool columns to categorify, numbers for the other two."""
    kinds = Kinds.of(rows)
    return kinds.only("text", "bool") if step == "categorify" else kinds.numbers


@at_urls(table="table")
def run_step(
    step: Literal["categorify", "fill-missing", "normalize"],
    table: TableSource,
    *,
    fit: Path | str | None = None,
    state: Path | str | None = None,
    columns: Sequence[str] = (),
    reading: Mapping[str, str] | None = None,
) -> StepResult:
    """One step of prep alone. Its columns are replaced in the table, all others stay; flags are appended.

    Raises `UsageError` unless exactly one of `fit` and `state` is given, and where `fit` is the table itself.

    step: which one.
    table: a DataFrame or a file.
    fit: a JSON file to write: the step learns from this table.
    state: a JSON file to read: the step applies what it learned before.
    columns: what to learn from; by default texts and bools for *categorify*, numbers for the others.
    reading: how the table is written, as in a config's table: {"decimal": ","}.
    """
    if (fit is None) == (state is None):
        raise UsageError("give either --fit STATE (learn from this table) or --state STATE (apply what was learned)")
    if fit is not None:
        require_no_input(Path(fit), [] if isinstance(table, pd.DataFrame) else [Path(table)])
    rows = read_any(table, "table", reading=reading)
    fitted: Categorify | FillMissing | Normalize
    if fit is not None:
        require_columns(rows, columns, "the table")
        chosen = list(columns) or _default_columns(step, rows)
        fitted = STEPS[step].fit(rows, chosen)
        _refuse_taken(fitted, rows)
        files.write_json(Path(fit), step_state(step, fitted))
    else:
        if columns:
            raise UsageError("--columns goes with --fit; a state knows its columns")
        fitted = _read_state(step, Path(str(state)))
        _refuse_taken(fitted, rows)
    counts: Mapping[str, int | Mapping[str, int]] = {}
    if isinstance(fitted, Normalize):
        new = fitted.transform(rows)
    else:
        new, counts = fitted.transform(rows)
    replaced = with_columns(rows, {c: new[c] for c in new.columns})
    return StepResult(replaced, counts)


def _refuse_taken(fitted: Categorify | FillMissing | Normalize, rows: pd.DataFrame) -> None:
    """Raises `UsageError` where a flag would replace a column of the table."""
    taken = [c for c in fitted.flag_columns if c in rows.columns] if isinstance(fitted, FillMissing) else []
    if taken:
        raise UsageError(
            f"the table has a column {taken[0]!r} already, which tells where another is missing",
            hint=f"rename it, or leave {taken[0].removesuffix('_na')} out: --columns A,B",
        )


def _read_state(step: str, path: Path) -> Categorify | FillMissing | Normalize:
    try:
        value = files.read_json(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", hint=f"make it with `tabcli {step} TABLE OUT --fit {path}`") from None
    except ValueError:
        raise BundleError(f"{path}: not JSON") from None
    return step_from_state(step, value, str(path))
