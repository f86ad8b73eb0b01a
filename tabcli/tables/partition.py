"""A streamed table → shards of whole series on the disk, each a table in the order of the file.

A series goes to shard blake2b(its key) mod K: to the same one in every table, however the file writes the key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather

from tabcli import files
from tabcli.arrays import ColumnValues, IntArray
from tabcli.tables.coded import Piece, Records, read_values, width_of, write_values
from tabcli.tables.kinds import is_text
from tabcli.tables.parts import Parts
from tabcli.tables.rows import distinct_rows, frame_of, take
from tabcli.tables.streamed import StreamedColumn, StreamedTable

ROWS_A_SHARD, WHOLE = 1_000_000, 4_000_000
"""A table of at most so many rows is one shard; of more, as many as have a million rows each."""

PENDING = 64 << 20
"""So many bytes of rows wait to be written to their shards."""


def shards_for(n_rows: int, each: int = ROWS_A_SHARD) -> int:
    """How many shards so many rows are cut into where nobody says, of about `each` rows."""
    return 1 if n_rows < WHOLE else -(-n_rows // each)


# ------------------------------------------------------------------------------------------------ keys


def key_texts(values: pd.Series) -> list[str]:
    """The values of a key (k,) as texts that do not depend on how they are stored: 5 and 5.0 are one, missing is ""."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return [*values.astype("str").fillna("")]
    if values.dtype.kind == "M":
        return ["" if pd.isna(v) else v.isoformat() for v in values]
    if values.dtype.kind == "f":
        return ["" if np.isnan(v) else str(int(v)) if v.is_integer() else repr(v) for v in values.tolist()]
    return [str(v) for v in values]


def shards_of(keys: pd.DataFrame, n_shards: int) -> IntArray:
    """The shard of each row by its typed key columns, int64 (n,)."""
    if n_shards == 1 or not len(keys.columns):
        return np.zeros(len(keys), dtype="int64")
    numbers, first = distinct_rows(keys, list(keys.columns))
    texts = zip(*(key_texts(keys[c].iloc[first]) for c in keys.columns), strict=True)
    return np.array([_shard(key, n_shards) for key in texts], dtype="int64")[numbers]


def _shard(key: Sequence[str], n_shards: int) -> int:
    digest = hashlib.blake2b("\x1f".join(key).encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % n_shards


class _Placing:
    """The shard of rows by their codes; a key is hashed once."""

    def __init__(self, table: StreamedTable, key: Sequence[str], n_shards: int) -> None:
        self._table, self._n_shards = table, n_shards
        for name in key:
            table.refuse_wide(name, "a key of series")
        self._columns = [table.columns[name] for name in key]
        made = [pd.factorize(np.array(key_texts(c.values), dtype=object)) for c in self._columns]
        self._numbers = [numbers.astype("int64") for numbers, _ in made]
        self._texts = [[str(t) for t in texts] for _, texts in made]
        self._known, self._shards = np.empty(0, dtype="int64"), np.empty(0, dtype="int64")

    def of(self, piece: Piece) -> IntArray:
        """The shard of each row, int64 (n,)."""
        if self._n_shards == 1 or not self._columns:
            return np.zeros(len(piece), dtype="int64")
        sizes = [len(texts) for texts in self._texts]
        numbers = [n[codes_of(self._table, c, piece)] for n, c in zip(self._numbers, self._columns, strict=True)]
        own, keys = pd.factorize(np.ravel_multi_index(numbers, sizes))
        new = np.setdiff1d(keys, self._known)
        if len(new):
            parts = np.unravel_index(new, sizes)
            texts = zip(*([t[i] for i in at] for t, at in zip(self._texts, parts, strict=True)), strict=True)
            shards = np.array([_shard(key, self._n_shards) for key in texts], dtype="int64")
            known = np.concatenate([self._known, new])
            order = np.argsort(known, kind="stable")
            self._known, self._shards = known[order], np.concatenate([self._shards, shards])[order]
        return self._shards[np.searchsorted(self._known, keys)][own]


def codes_of(table: StreamedTable, column: StreamedColumn, piece: Piece) -> IntArray:
    """The place in a column's values of each row, (n,)."""
    if column.codes is None:
        return piece.codes[column.sources[0]]
    return np.searchsorted(column.codes, table.joint(column.sources, piece))


# -------------------------------------------------------------------------------------------- on disk


def partition(table: StreamedTable, key: Sequence[str], n_shards: int, folder: Path) -> "Partition":
    """Writes the rows of a streamed table to shards in a folder, by the series that the columns `key` name.

    Its own rows on the disk are removed. Raises `DataError` for a key with too many different values.
    """
    placing, writing = _Placing(table, key, n_shards), _Writing(table, n_shards, folder)
    for piece in table.rows():
        writing.add(piece, placing.of(piece))
    writing.finish()
    table.coded.remove()
    return Partition(folder)


class _Writing:
    """Appends rows to the files of their shards, many at a time."""

    def __init__(self, table: StreamedTable, n_shards: int, folder: Path) -> None:
        self._table, self._folder, self._n_shards = table, folder, n_shards
        self._names = list(table.columns)
        self._wide = [name for name in self._names if table.is_wide(name)]
        self._fields = [("row", "<u4" if table.coded.n_rows < 1 << 32 else "<u8")]
        for i, name in enumerate(self._names):
            values = table.columns[name].values
            if name not in self._wide:
                self._fields.append((f"{i}", width_of(len(values))))
            elif not is_text(values):
                self._fields.append((f"{i}", values.to_numpy().dtype.str))
        self._counts = np.zeros(n_shards, dtype="int64")
        self._waiting: list[list[Records]] = [[] for _ in range(n_shards)]
        self._n_waiting = 0

    def add(self, piece: Piece, shards: IntArray) -> None:
        """Some rows, and the shard of each, (n,)."""
        order = np.argsort(shards.astype(width_of(self._n_shards)), kind="stable")
        found = np.bincount(shards, minlength=self._n_shards)
        ends = np.cumsum(found)[:-1]
        rows: Records = np.empty(len(piece), dtype=self._fields)
        rows["row"] = piece.numbers
        for i, name in enumerate(self._names):
            if name not in self._wide:
                rows[f"{i}"] = codes_of(self._table, self._table.columns[name], piece)
                continue
            values = self._table.values_of(name, piece)
            if is_text(values):
                self._append_texts(i, pa.array(values.iloc[order].astype("str")), ends)
            else:
                rows[f"{i}"] = values.to_numpy()
        for k, part in enumerate(np.split(rows[order], ends)):
            self._waiting[k].append(part)
        self._counts += found
        self._n_waiting += rows.nbytes
        if self._n_waiting > PENDING:
            self._flush()

    def _append_texts(self, number: int, texts: pa.Array, ends: IntArray) -> None:
        for k, (start, end) in enumerate(zip([0, *ends], [*ends, len(texts)], strict=True)):
            if end > start:
                with (self._folder / f"{k:05}.{number}").open("ab") as stream:
                    write_values(stream, texts.slice(start, end - start))

    def _flush(self) -> None:
        for k, pieces in enumerate(self._waiting):
            with (self._folder / f"{k:05}.rows").open("ab") as stream:
                for piece in pieces:
                    piece.tofile(stream)
            pieces.clear()
        self._n_waiting = 0

    def finish(self) -> None:
        """Writes what waits, and what the shards hold."""
        self._flush()
        for i, name in enumerate(self._names):
            values = pa.Array.from_pandas(self._table.columns[name].values)
            pyarrow.feather.write_feather(pa.table({"": values}), self._folder / f"{i}.values", "uncompressed")
        facts = {"where": self._table.where, "names": self._names, "wide": self._wide, "fields": self._fields}
        counts = {"counts": self._counts.tolist(), "n_read": self._table.coded.n_rows}
        parts = self._table.coded.parts
        counts |= {} if parts is None else {"parts": [parts.names, parts.starts]}
        files.write_json(self._folder / "partition.json", facts | counts)


class _Facts(TypedDict):
    """What `partition` writes beside the rows."""

    where: str
    names: list[str]
    wide: list[str]
    counts: list[int]
    fields: list[tuple[str, str]]
    n_read: int
    parts: NotRequired[tuple[list[str], list[int]]]


@dataclass(frozen=True)
class Partition:
    """A table in shards, in a folder that `partition` wrote; any process may read it."""

    folder: Path

    @cached_property
    def _facts(self) -> _Facts:
        facts: _Facts = files.read_json(self.folder / "partition.json")
        return facts

    @property
    def where(self) -> str:
        """What messages call the table."""
        return str(self._facts["where"])

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self._facts["names"])

    @property
    def wide(self) -> list[str]:
        """The columns with too many different values to keep them in memory."""
        return list(self._facts["wide"])

    @property
    def n_rows(self) -> list[int]:
        """How many rows each shard has."""
        return list(self._facts["counts"])

    @property
    def parts(self) -> Parts | None:
        """Which rows are of which part, of a folder of parts."""
        found = self._facts.get("parts")
        return None if found is None else Parts(tuple(found[0]), tuple(found[1]))

    @property
    def n_read(self) -> int:
        """How many rows the file has; the numbers of rows are below it."""
        return int(self._facts["n_read"])

    @property
    def n_shards(self) -> int:
        """How many shards there are."""
        return len(self.n_rows)

    @cached_property
    def values(self) -> dict[str, pd.Series]:
        """Column → its different values, (k,), of its kind in all rows; or some where there are very many."""
        made = {}
        for i, name in enumerate(self.columns):
            table = pyarrow.feather.read_table(self.folder / f"{i}.values", memory_map=False)
            made[name] = cast(pd.Series, table.column(0).to_pandas()).rename(name)
        return made

    def files_of(self, number: int) -> tuple[str, ...]:
        """The files of the folder that `shard` reads, as patterns."""
        return ("partition.json", "*.values", f"{number:05}.*")

    def shard(self, number: int, columns: Sequence[str] | None = None) -> tuple[pd.DataFrame, IntArray]:
        """The rows of a shard, typed, in the file's order, and the number of each in the file from 0, int64 (n,).

        `columns`: only these.
        """
        dtype = np.dtype([(name, kind) for name, kind in self._facts["fields"]])
        rows = np.fromfile(self.folder / f"{number:05}.rows", dtype)
        made: dict[str, ColumnValues] = {}
        for i, name in enumerate(self.columns):
            if columns is not None and name not in columns:
                continue
            if name not in self.wide:
                made[name] = take(self.values[name], rows[f"{i}"].astype("int64"))
            elif f"{i}" in (dtype.names or ()):
                made[name] = rows[f"{i}"].copy()
            else:
                made[name] = self._texts(self.folder / f"{number:05}.{i}")
        return frame_of(made, pd.RangeIndex(len(rows))), rows["row"].astype("int64")

    def _texts(self, file: Path) -> pd.Categorical:
        pieces = [pa.array([], pa.string())]
        if file.exists():
            size = file.stat().st_size
            with file.open("rb") as stream:
                while stream.tell() < size:
                    pieces.append(pc.cast(read_values(stream), pa.string()))
        column = cast(pd.Series, pa.concat_arrays(pieces).dictionary_encode().to_pandas())
        return cast(pd.Categorical, column.array)
