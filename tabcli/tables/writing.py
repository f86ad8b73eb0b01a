"""A table → a file whose ending gives the format, whole or not at all."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tabcli import files
from tabcli.errors import UsageError


def write_table(table: pd.DataFrame, path: Path) -> None:
    """CSV, TSV, Parquet or Feather by the ending, atomically. Raises `UsageError` for another ending."""
    ending = path.suffix.lower()
    with files.atomic_file(path) as temporary:
        match ending:
            case ".csv" | ".tsv":
                table.to_csv(temporary, index=False, sep="," if ending == ".csv" else "\t", lineterminator="\n")
            case ".parquet" | ".pq":
                table.to_parquet(temporary, index=False)
            case ".feather" | ".arrow":
                table.to_feather(temporary)
            case _:
                raise UsageError(f"{path}: cannot tell the format from the ending", hint="use .csv, .tsv or .parquet")


MARKERS = ("manifest.json", "truth.json", "embeddings.json")
"""The files that say what a directory of tabcli holds."""


def require_no_input(path: Path, read: Iterable[Path] = ()) -> None:
    """Raises `UsageError` where a file to write is one that is read, or belongs to a directory that tabcli wrote."""
    if not path.exists():
        return
    for other in read:
        if other.exists() and path.samefile(other):
            raise UsageError(f"{path} is read here, and would be replaced", hint="give another file to write")
    whole = path.resolve()
    for directory in whole.parents:
        name = whole.relative_to(directory).as_posix()
        if any(name in (files.own_files(directory, marker) or ()) for marker in MARKERS):
            raise UsageError(f"{path} is a part of {directory}, which tabcli wrote", hint="give another file to write")
