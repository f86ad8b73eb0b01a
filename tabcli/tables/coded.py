"""The rows of a table on the disk as codes of each column's different values, in the order of the file.

    block ─▶ codes of the block's own values ─▶ codes of the column's: numbers in order of first occurrence ─▶ one file

What a column is, is decided later on all of its different values together; no row is kept in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabcli.arrays import IntArray
from tabcli.tables.blocks import Blocks

Records = NDArray[Any]
"""Rows of codes: a structured array (n,) with a field for each column."""


def width_of(n: int) -> str:
    """The dtype of codes below n, as small as can be."""
    return "<u1" if n <= 1 << 8 else "<u2" if n <= 1 << 16 else "<u4"


@dataclass
class Levels:
    """The different values of one column so far, in order of first occurrence; a missing one is a value, too."""

    numbers: dict[object, int] = field(default_factory=dict)
    pieces: list[pa.Array] = field(default_factory=list)
    first_rows: list[IntArray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, values: pa.Array, start: int) -> IntArray:
        """The codes of a block's values, int64 (n,); `start`: the number of the block's first row."""
        coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode("encode")
        own = coded.indices.to_numpy(zero_copy_only=False).astype("int64")
        numbers, n_before = self.numbers, len(self.numbers)
        codes = np.array([numbers.setdefault(key, len(numbers)) for key in _keys(coded.dictionary)], dtype="int64")
        new = codes >= n_before
        if new.any():
            first = np.empty(len(codes), dtype="int64")
            first[own[::-1]] = np.arange(len(own) - 1, -1, -1)  # of rows with one value the first is written last
            self.pieces.append(coded.dictionary.filter(pa.array(new)))
            self.first_rows.append(first[new] + start)
        coded_rows: IntArray = codes[own]
        return coded_rows

    def values(self, dtype: pa.DataType) -> pa.Array:
        """All different values (k,)."""
        return pa.concat_arrays(self.pieces) if self.pieces else pa.array([], dtype)

    def first(self) -> IntArray:
        """The number of the first row of each value, int64 (k,)."""
        return np.concatenate([np.empty(0, dtype="int64"), *self.first_rows])


def _keys(values: pa.Array) -> list[object]:
    """What tells values apart: floats and moments by their bits."""
    kind = values.type
    if pa.types.is_floating(kind) and kind.bit_width >= 32:
        values = values.view(pa.int64() if kind.bit_width == 64 else pa.int32())
    elif pa.types.is_timestamp(kind) or pa.types.is_date64(kind):
        values = values.view(pa.int64())
    keys: list[object] = values.to_pylist()
    return keys


@dataclass(frozen=True)
class CodedTable:
    """n rows on the disk. `names`: of the columns. `values`: the different values of each, (k,), and `first` their
    first rows, int64 (k,).
    """

    file: Path
    names: list[str]
    values: list[pa.Array]
    first: list[IntArray]
    n_rows: int
    chunks: list[tuple[int, "np.dtype[Any]"]]
    """How many rows each piece of the file has, and how they are stored."""

    def read(self) -> Iterator[tuple[int, Records]]:
        """The number of the first row, and the rows, of each piece in the file's order."""
        start = 0
        with self.file.open("rb") as stream:
            for n_rows, dtype in self.chunks:
                yield start, np.fromfile(stream, dtype, n_rows)
                start += n_rows

    def column(self, number: int) -> IntArray:
        """The codes of one column in all rows, (n,), as small as can be."""
        codes = np.empty(self.n_rows, dtype=width_of(len(self.values[number])))
        for start, rows in self.read():
            codes[start : start + len(rows)] = rows[f"{number}"]
        return codes


def write_coded(blocks: Blocks, file: Path) -> CodedTable:
    """Reads all blocks, writes their codes to a file, and keeps the different values of each column."""
    levels = [Levels() for _ in blocks.schema]
    n_rows, chunks = 0, []
    with file.open("wb") as stream:
        for batch in blocks.batches:
            codes = [seen.add(column, n_rows) for seen, column in zip(levels, batch.columns, strict=True)]
            rows = records(codes, [len(seen) for seen in levels], len(batch))
            rows.tofile(stream)
            chunks.append((len(rows), rows.dtype))
            n_rows += len(rows)
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in blocks.schema.types]
    values = [seen.values(kind) for seen, kind in zip(levels, kinds, strict=True)]
    return CodedTable(file, blocks.schema.names, values, [seen.first() for seen in levels], n_rows, chunks)


def records(columns: Sequence[IntArray], sizes: Sequence[int], n_rows: int) -> Records:
    """Columns of codes (n,) as rows, each as small as its size allows; field i is the i-th column."""
    made: Records = np.empty(n_rows, dtype=[(f"{i}", width_of(size)) for i, size in enumerate(sizes)])
    for i, column in enumerate(columns):
        made[f"{i}"] = column
    return made
