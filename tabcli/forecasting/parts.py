"""Forecasts of parts of the rows, each in a file of its own, and one table of them all in the order of the rows.

part of whole series ─ points ─▶ file of its rows ┐
another one ────────── points ─▶ file of its rows ┴─▶ windows of a million rows in order ─▶ CSV or Parquet
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from tabcli import files
from tabcli.arrays import IntArray
from tabcli.errors import UsageError
from tabcli.tables.parts import PARQUET_ENDINGS

WINDOW = 1 << 18
"""So many rows are put in order at a time."""

GROUP = 1 << 20
"""So many rows stand in a group of a Parquet file."""

BATCH = 1 << 13
"""So many rows of each part are in memory at a time."""

NUMBER = "\0number"
"""The first column of a part's file: the numbers of its rows among all."""


# ------------------------------------------------------------------------------------------ one part


def write_part(table: pd.DataFrame, numbers: IntArray, path: Path) -> None:
    """Writes the forecasts of a part, whole or not at all. `numbers`: of its rows among all, rising, int64 (n,)."""
    made = pa.Table.from_pandas(table, preserve_index=False).add_column(0, NUMBER, pa.array(numbers))
    with files.atomic_file(path) as temporary, pyarrow.ipc.new_file(str(temporary), made.schema) as writer:
        writer.write_table(made, max_chunksize=BATCH)


class _Reading:
    """A part's file, read from its first row to its last."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._file = pyarrow.ipc.open_file(stack.enter_context(pa.OSFile(str(path), "rb")))
        self.schema = self._file.schema
        self._next = 0
        self._batch: pa.RecordBatch | None = None

    def _fill(self) -> bool:
        while (self._batch is None or not len(self._batch)) and self._next < self._file.num_record_batches:
            self._batch = self._file.get_batch(self._next)
            self._next += 1
        return self._batch is not None and len(self._batch) > 0

    def below(self, end: int) -> Iterator[pa.RecordBatch]:
        """The next rows whose numbers are below `end`."""
        while self._fill() and self._batch is not None:
            n = int(np.searchsorted(self._batch.column(0).to_numpy(), end))
            if n:
                yield self._batch.slice(0, n)
            self._batch = self._batch.slice(n)
            if len(self._batch):
                return


# ------------------------------------------------------------------------------------------- all rows


def rows_in_order(paths: Sequence[Path], n_numbers: int) -> Iterator[pd.DataFrame]:
    """The rows of all parts in the order of their numbers, which are below `n_numbers`, about `WINDOW` at a time."""
    with ExitStack() as stack:
        parts = [_Reading(path, stack) for path in paths]
        for start in range(0, n_numbers, WINDOW):
            found = [batch for part in parts for batch in part.below(start + WINDOW)]
            if not found:
                continue
            table = pa.Table.from_batches(found).combine_chunks()
            order = np.argsort(table.column(0).to_numpy(), kind="stable")
            yield table.drop_columns([NUMBER]).take(pa.array(order)).to_pandas()


Dates = Mapping[str, pd.Series]
"""Column of dates → the text of each different one: a series whose index are the dates."""


def date_texts(dates: pd.Series) -> pd.Series:
    """Different dates (k,), rising → each as a table in a file has them all: with a time of day where one has it."""
    text = StringIO()
    dates.to_csv(text, index=False, header=False, lineterminator="\n")
    return pd.Series(text.getvalue().splitlines(), index=pd.DatetimeIndex(dates), dtype="str")


def write_in_order(tables: Iterable[pd.DataFrame], path: Path, dates: Dates) -> None:
    """Writes tables one below the other into a file, whole or not at all, as `tables.writing` writes one table.

    `dates`: how a text file has them. Raises `UsageError` for a format that is not written by pieces.
    """
    ending = path.suffix.lower()
    with files.atomic_file(path) as temporary:
        if ending in (".csv", ".tsv"):
            for i, table in enumerate(tables):
                texts = {c: table[c].map(dates[c]) for c in table.columns if c in dates}
                separator = "," if ending == ".csv" else "\t"
                made = table.assign(**texts)
                made.to_csv(temporary, mode="a", header=i == 0, index=False, sep=separator, lineterminator="\n")
        elif ending in PARQUET_ENDINGS:
            _write_parquet(tables, temporary)
        else:
            raise UsageError(
                f"{path}: a forecast in shards is written as .csv, .tsv or .parquet", hint="use one of these endings"
            )


def _write_parquet(tables: Iterable[pd.DataFrame], path: Path) -> None:
    writer: pyarrow.parquet.ParquetWriter | None = None
    try:
        for table in _of_length(tables, GROUP):
            made = pa.Table.from_pandas(table, preserve_index=False)
            writer = writer or pyarrow.parquet.ParquetWriter(path, made.schema)
            writer.write_table(made, row_group_size=GROUP)
    finally:
        if writer is not None:
            writer.close()


def _of_length(tables: Iterable[pd.DataFrame], n: int) -> Iterator[pd.DataFrame]:
    """The same rows, n at a time, and the rest."""
    waiting = pd.DataFrame()
    for table in tables:
        waiting = pd.concat([waiting, table], ignore_index=True) if len(waiting) else table
        while len(waiting) >= n:
            yield waiting.iloc[:n]
            waiting = waiting.iloc[n:]
    if len(waiting):
        yield waiting
