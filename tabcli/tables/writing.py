"""A table → a file whose ending gives the format, whole or not at all."""

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
