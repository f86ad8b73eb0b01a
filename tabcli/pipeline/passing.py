"""What one process of a prep hands to another: files in the prep's own working folder, which is removed at its end.

Large arrays become files of their own, which are read where they are needed (`numpy.memmap`), never all at once.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather

from tabcli import files

LARGE = 1 << 16
"""Arrays of so many bytes become files."""

ROW = "row of the table"
"""The column that keeps the number of each row of a table that is cut."""


class _Pickler(pickle.Pickler):
    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__(stream, protocol=5)
        self._path, self._n = path, 0

    def persistent_id(self, value: Any) -> Any:
        if type(value) is not np.ndarray or value.dtype.hasobject or value.nbytes < LARGE:
            return None
        self._n += 1
        np.save(self._path / f"{self._n}.npy", value)
        return self._n


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__(stream)
        self._path = path

    def persistent_load(self, number: Any) -> Any:
        return np.load(self._path / f"{number}.npy", mmap_mode="r")


def hand_over(path: Path, value: object) -> None:
    """Writes a value as a folder at `path`, whole or not at all."""
    with files.whole_directory(path) as folder, (folder / "value").open("wb") as stream:
        _Pickler(stream, folder).dump(value)


def taken(path: Path) -> Any:
    """The value that `hand_over` wrote; of its large arrays no more is in memory than is read."""
    with (path / "value").open("rb") as stream:
        return _Unpickler(stream, path).load()


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
