"""A streamed table → shards of whole series on the disk, each a table in the order of the file.

A series goes to shard blake2b(its key) mod K: to the same one in every table, however the file writes the key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather

from tabcli import files
from tabcli.arrays import ColumnValues, IntArray
from tabcli.tables.coded import Records, width_of
from tabcli.tables.rows import distinct_rows, frame_of, take
from tabcli.tables.streamed import StreamedColumn, StreamedTable

ROWS_A_SHARD, WHOLE = 1_000_000, 4_000_000
"""A table of at most so many rows is one shard; of more, as many as have a million rows each."""

PENDING = 64 << 20
"""So many bytes of rows wait to be written to their shards."""


def shards_for(n_rows: int) -> int:
    """How many shards so many rows are cut into where nobody says."""
    return 1 if n_rows < WHOLE else -(-n_rows // ROWS_A_SHARD)


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
        self._columns = [table.columns[name] for name in key]
        made = [pd.factorize(np.array(key_texts(c.values), dtype=object)) for c in self._columns]
        self._numbers = [numbers.astype("int64") for numbers, _ in made]
        self._texts = [[str(t) for t in texts] for _, texts in made]
        self._known, self._shards = np.empty(0, dtype="int64"), np.empty(0, dtype="int64")

    def of(self, records: Records) -> IntArray:
        """The shard of each row, int64 (n,)."""
        if self._n_shards == 1 or not self._columns:
            return np.zeros(len(records), dtype="int64")
        sizes = [len(texts) for texts in self._texts]
        numbers = [n[codes_of(self._table, c, records)] for n, c in zip(self._numbers, self._columns, strict=True)]
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


def codes_of(table: StreamedTable, column: StreamedColumn, records: Records) -> IntArray:
    """The place in a column's values of each row, (n,)."""
    if column.codes is None:
        return cast(IntArray, records[f"{column.sources[0]}"])
    return np.searchsorted(column.codes, table.joint(column.sources, records))


# -------------------------------------------------------------------------------------------- on disk


def partition(table: StreamedTable, key: Sequence[str], n_shards: int, folder: Path) -> "Partition":
    """Writes the rows of a streamed table to shards in a folder, by the series that the columns `key` name.

    Its own rows on the disk are removed.
    """
    placing = _Placing(table, key, n_shards)
    names = list(table.columns)
    width = "<u4" if table.coded.n_rows < 1 << 32 else "<u8"
    fields = [("row", width), *((f"{i}", width_of(len(table.columns[c].values))) for i, c in enumerate(names))]
    counts = np.zeros(n_shards, dtype="int64")
    waiting: list[list[Records]] = [[] for _ in range(n_shards)]
    n_waiting = 0
    for numbers, records in table.rows():
        shards = placing.of(records)
        rows: Records = np.empty(len(records), dtype=fields)
        rows["row"] = numbers
        for i, name in enumerate(names):
            rows[f"{i}"] = codes_of(table, table.columns[name], records)
        rows = rows[np.argsort(shards.astype(width_of(n_shards)), kind="stable")]
        found = np.bincount(shards, minlength=n_shards)
        counts += found
        for k, piece in enumerate(np.split(rows, np.cumsum(found)[:-1])):
            waiting[k].append(piece)
        n_waiting += rows.nbytes
        if n_waiting > PENDING:
            _flush(folder, waiting)
            n_waiting = 0
    _flush(folder, waiting)
    for i, name in enumerate(names):
        _write_values(folder / f"{i}.values", table.columns[name].values)
    facts = {"where": table.where, "names": names, "fields": fields, "counts": counts.tolist()}
    files.write_json(folder / "partition.json", facts | {"n_read": table.coded.n_rows})
    table.coded.file.unlink(missing_ok=True)
    return Partition(folder)


def _flush(folder: Path, waiting: list[list[Records]]) -> None:
    """Appends the rows that wait to the files of their shards."""
    for k, pieces in enumerate(waiting):
        with (folder / f"{k:05}.rows").open("ab") as stream:
            for piece in pieces:
                piece.tofile(stream)
        pieces.clear()


def _write_values(path: Path, values: pd.Series) -> None:
    pyarrow.feather.write_feather(pa.table({"": pa.Array.from_pandas(values)}), path, compression="uncompressed")


@dataclass(frozen=True)
class Partition:
    """A table in shards, in a folder that `partition` wrote; any process may read it."""

    folder: Path

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return cast(dict[str, Any], files.read_json(self.folder / "partition.json"))

    @property
    def where(self) -> str:
        """What messages call the table."""
        return str(self._facts["where"])

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self._facts["names"])

    @property
    def n_rows(self) -> list[int]:
        """How many rows each shard has."""
        return list(self._facts["counts"])

    @property
    def n_shards(self) -> int:
        """How many shards there are."""
        return len(self.n_rows)

    @cached_property
    def values(self) -> dict[str, pd.Series]:
        """Column → its different values, (k,), of its kind in all rows."""
        made = {}
        for i, name in enumerate(self.columns):
            table = pyarrow.feather.read_table(self.folder / f"{i}.values", memory_map=False)
            made[name] = cast(pd.Series, table.column(0).to_pandas()).rename(name)
        return made

    def shard(self, number: int, columns: Sequence[str] | None = None) -> tuple[pd.DataFrame, IntArray]:
        """The rows of a shard, typed, in the file's order, and the number of each in the file from 0, int64 (n,).

        `columns`: only these.
        """
        dtype = np.dtype([(name, kind) for name, kind in self._facts["fields"]])
        rows = np.fromfile(self.folder / f"{number:05}.rows", dtype)
        made: dict[str, ColumnValues] = {}
        for i, name in enumerate(self.columns):
            if columns is None or name in columns:
                made[name] = take(self.values[name], rows[f"{i}"].astype("int64"))
        return frame_of(made, pd.RangeIndex(len(rows))), rows["row"].astype("int64")
