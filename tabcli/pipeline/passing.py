"""What one process of a prep hands to another: files in the prep's own working folder, which is removed at its end.

Large arrays become files of their own, which are read where they are needed (`numpy.memmap`), never all at once.
"""

import math
import pickle
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather

from tabcli import files
from tabcli.arrays import AnyArray

LARGE = 1 << 16
"""Arrays of so many bytes lie in a file of their own, one below the other."""

ALIGNED = 64
"""Each begins at a multiple of so many bytes."""

ROW = "row of the table"
"""The column that keeps the number of each row of a table that is cut."""


class _Pickler(pickle.Pickler):
    def __init__(self, stream: BinaryIO, arrays: BinaryIO) -> None:
        super().__init__(stream, protocol=5)
        self._arrays = arrays

    def persistent_id(self, value: object) -> tuple[int, str, tuple[int, ...]] | None:
        if type(value) is not np.ndarray or value.dtype.hasobject or value.nbytes < LARGE:
            return None
        self._arrays.write(bytes(-self._arrays.tell() % ALIGNED))
        start = self._arrays.tell()
        np.ascontiguousarray(value).tofile(self._arrays)
        return start, value.dtype.str, value.shape


class _Unpickler(pickle.Unpickler):
    """One file for all large arrays, so that the parts of hundreds of shards can be open at once."""

    def __init__(self, stream: BinaryIO, arrays: Path) -> None:
        super().__init__(stream)
        self._path = arrays

    @cached_property
    def _arrays(self) -> AnyArray:
        return np.memmap(self._path, dtype="uint8", mode="r")

    def persistent_load(self, place: tuple[int, str, tuple[int, ...]]) -> AnyArray:
        start, dtype, shape = place
        n_bytes = np.dtype(dtype).itemsize * math.prod(shape)
        found: AnyArray = self._arrays[start : start + n_bytes].view(dtype).reshape(shape)
        return found


def hand_over(path: Path, value: object) -> None:
    """Writes a value as a folder at `path`, whole or not at all."""
    with (
        files.whole_directory(path) as folder,
        (folder / "value").open("wb") as stream,
        (folder / "arrays").open("wb") as arrays,
    ):
        _Pickler(stream, arrays).dump(value)


def taken(path: Path) -> Any:
    """The value that `hand_over` wrote; of its large arrays no more is in memory than is read."""
    with (path / "value").open("rb") as stream:
        return _Unpickler(stream, path / "arrays").load()


def write_frame(path: Path, table: pd.DataFrame, *, numbered: bool = False) -> None:
    """Writes a normalised table with the categories of its texts; `numbered`: with the numbers of its rows."""
    plain = table.reset_index(drop=True)
    if numbered:
        plain[ROW] = table.index.to_numpy()
    made = pa.Table.from_pandas(plain, preserve_index=False)
    with files.atomic_file(path) as temporary:
        pyarrow.feather.write_feather(made, temporary, compression="uncompressed")


def read_frame(path: Path) -> pd.DataFrame:
    """The table of `write_frame`."""
    table: pd.DataFrame = pyarrow.feather.read_table(path, memory_map=False).to_pandas()
    return table.set_index(ROW).rename_axis(None) if ROW in table.columns else table
