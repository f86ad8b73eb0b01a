"""The rows of a table on the disk as codes of each column's different values, in the order of the file.

    block ─▶ codes of the block's own values ─▶ codes of the column's: numbers in order of first occurrence ─▶ one file

What a column is, is decided later on all of its different values together; no row is kept in memory. Columns with very
many different values are *wide*: their codes are those of witnesses, and the values themselves lie in files, too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from numpy.typing import NDArray

from tabcli.arrays import IntArray
from tabcli.tables.blocks import Blocks
from tabcli.tables.parts import Parts
from tabcli.tables.witnesses import Witnesses

Records = NDArray[np.void]
"""Rows of codes: a structured array (n,) with a field for each column."""

MOST_VALUES = 1 << 20
"""So many different values, of all columns together, are kept in memory; of more the widest column becomes wide."""


def width_of(n: int) -> str:
    """The dtype of codes below n, as small as can be."""
    return "<u1" if n <= 1 << 8 else "<u2" if n <= 1 << 16 else "<u4"


@dataclass
class Levels:
    """The different values of one column so far, in order of first occurrence; a missing one is a value, too."""

    numbers: dict[object, int] = field(default_factory=dict)
    pieces: list[pa.Array] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, values: pa.DictionaryArray) -> IntArray:
        """The codes of a block's values, int64 (n,)."""
        numbers, n_before = self.numbers, len(self.numbers)
        codes = np.array([numbers.setdefault(key, len(numbers)) for key in _keys(values.dictionary)], dtype="int64")
        new = codes >= n_before
        if new.any():
            self.pieces.append(values.dictionary.filter(pa.array(new)))
        coded: IntArray = codes[own_codes(values)]
        return coded

    def values(self, kind: pa.DataType) -> pa.Array:
        """All different values (k,)."""
        return pa.concat_arrays(self.pieces) if self.pieces else pa.array([], kind)


def own_codes(values: pa.DictionaryArray) -> IntArray:
    """The codes of a dictionary of Arrow, int64 (n,)."""
    codes: IntArray = values.indices.to_numpy(zero_copy_only=False).astype("int64")
    return codes


def _keys(values: pa.Array) -> list[object]:
    """What tells values apart: floats and moments by their bits."""
    kind = values.type
    if pa.types.is_floating(kind) and kind.bit_width >= 32:
        values = values.view(pa.int64() if kind.bit_width == 64 else pa.int32())
    elif pa.types.is_timestamp(kind) or pa.types.is_date64(kind):
        values = values.view(pa.int64())
    keys: list[object] = values.to_pylist()
    return keys


@dataclass
class Wide:
    """A column with very many different values. `file`: where its values stand from a piece on, those of each piece a
    stream of Arrow. `before`: the values that codes of earlier pieces mean, (k,), and `witness_of` the witness of each.
    """

    file: Path
    first_piece: int
    before: pa.Array
    witness_of: IntArray
    witnesses: Witnesses


@dataclass(frozen=True)
class Piece:
    """Some rows. `numbers`: of the rows in the file, int64 (n,). `codes`: of each column, (n,). `wide`: the values of
    the wide columns, (n,).
    """

    numbers: IntArray
    codes: list[IntArray]
    wide: dict[int, pa.Array]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, at: IntArray) -> "Piece":
        """Some of the rows."""
        places = pa.array(at)
        return Piece(self.numbers[at], [c[at] for c in self.codes], {i: v.take(places) for i, v in self.wide.items()})


@dataclass(frozen=True)
class CodedTable:
    """n rows on the disk. `names`: of the columns. `values`: the different values of each, or its witnesses, (k,)."""

    file: Path
    names: list[str]
    values: list[pa.Array]
    n_rows: int
    chunks: list[tuple[int, "np.dtype[np.void]"]]
    """How many rows each piece of the file has, and how they are stored."""
    wide: dict[int, Wide]
    parts: Parts | None = None
    """Which rows are of which part, of a folder of parts."""

    def read(self) -> Iterator[Piece]:
        """All rows in the file's order."""
        start = 0
        streams = {i: wide.file.open("rb") for i, wide in self.wide.items()}
        try:
            with self.file.open("rb") as stream:
                for number, (n_rows, dtype) in enumerate(self.chunks):
                    records = np.fromfile(stream, dtype, n_rows)
                    codes: list[IntArray] = [records[f"{i}"] for i in range(len(self.names))]
                    values = {}
                    for i, wide in self.wide.items():
                        if number < wide.first_piece:
                            values[i] = wide.before.take(pa.array(codes[i]))
                            codes[i] = wide.witness_of[codes[i]]
                        else:
                            values[i] = read_values(streams[i])
                    yield Piece(np.arange(start, start + n_rows), codes, values)
                    start += n_rows
        finally:
            for opened in streams.values():
                opened.close()

    def remove(self) -> None:
        """Removes the files."""
        for file in (self.file, *(wide.file for wide in self.wide.values())):
            file.unlink(missing_ok=True)


def write_values(stream: BinaryIO, values: pa.Array) -> None:
    """Appends values to a file, as a stream of Arrow of their own."""
    batch = pa.record_batch([values], names=[""])
    with pyarrow.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)


def read_values(stream: BinaryIO) -> pa.Array:
    """The next values that `write_values` appended."""
    with pyarrow.ipc.open_stream(stream) as reader:
        return reader.read_all().column(0).combine_chunks()


class _Writer:
    """Writes blocks as codes, and makes columns wide where they have too many values."""

    def __init__(self, blocks: Blocks, file: Path, witnesses: Callable[[int], Witnesses], most: int) -> None:
        self._blocks, self._file, self._witnesses, self._most = blocks, file, witnesses, most
        self._levels = [Levels() for _ in blocks.schema]
        self._wide: dict[int, Wide] = {}
        self._streams: dict[int, BinaryIO] = {}
        self._chunks: list[tuple[int, np.dtype[np.void]]] = []

    def write(self) -> CodedTable:
        """Reads all blocks."""
        try:
            with self._file.open("wb") as stream:
                for batch in self._blocks.batches:
                    codes = [self._codes(i, column) for i, column in enumerate(batch.columns)]
                    rows = records_of(codes, [self._size(i) for i in range(len(codes))], len(batch))
                    rows.tofile(stream)
                    self._chunks.append((len(rows), rows.dtype))
                    while sum(map(len, self._levels)) > self._most:
                        self._widen(max(range(len(codes)), key=lambda i: len(self._levels[i])))
        finally:
            for opened in self._streams.values():
                opened.close()
        kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in self._blocks.schema.types]
        values = [self._values(i, kind) for i, kind in enumerate(kinds)]
        n_rows = sum(n for n, _ in self._chunks)
        return CodedTable(
            self._file, self._blocks.schema.names, values, n_rows, self._chunks, self._wide, self._blocks.parts()
        )

    def _codes(self, number: int, column: pa.Array) -> IntArray:
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode("encode")
        if number not in self._wide:
            return self._levels[number].add(coded)
        write_values(self._streams[number], coded.dictionary_decode())
        return self._wide[number].witnesses.codes(coded.dictionary)[own_codes(coded)]

    def _size(self, number: int) -> int:
        return len(self._wide[number].witnesses.values) if number in self._wide else len(self._levels[number])

    def _widen(self, number: int) -> None:
        """From the next block on a column's values are written themselves."""
        before, witnesses = pa.concat_arrays(self._levels[number].pieces), self._witnesses(number)
        file = self._file.with_name(f"{self._file.name}.{number}")
        self._wide[number] = Wide(file, len(self._chunks), before, witnesses.codes(before), witnesses)
        self._streams[number] = file.open("wb")
        self._levels[number] = Levels()

    def _values(self, number: int, kind: pa.DataType) -> pa.Array:
        if number in self._wide:
            return pa.concat_arrays(self._wide[number].witnesses.values)
        return self._levels[number].values(kind)


def write_coded(
    blocks: Blocks, file: Path, witnesses: Callable[[int], Witnesses], most: int = MOST_VALUES
) -> CodedTable:
    """Reads all blocks, writes their codes to a file, and keeps the different values of each column.

    `witnesses`: makes the empty ones of a column of this number. `most`: different values of all columns in memory.
    """
    return _Writer(blocks, file, witnesses, most).write()


def records_of(columns: Sequence[IntArray], sizes: Sequence[int], n_rows: int) -> Records:
    """Columns of codes (n,) as rows, each as small as its size allows; field i is the i-th column."""
    made: Records = np.empty(n_rows, dtype=[(f"{i}", width_of(size)) for i, size in enumerate(sizes)])
    for i, column in enumerate(columns):
        made[f"{i}"] = column
    return made
