"""An epoch's rows on the disk, a file for each shard with its rows in random order, and batches that mix all files.

    file 0  ▒▒▒▒▒▒▒▒│▒▒▒▒▒▒▒▒│▒▒▒▒▒▒▒▒     the first chunks of all files are shuffled and cut into batches,
    file 1  ▒▒▒▒▒▒│▒▒▒▒▒▒│▒▒▒▒▒▒           then the second ones, …; what is left of one turn starts the next
    file 2  ▒▒▒▒▒▒▒│▒▒▒▒▒▒▒│▒▒▒▒▒▒▒        files have as many chunks each, so that none is left alone at the end

So every batch has rows of every shard, and no more than a chunk of each lies in memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tabcli import files
from tabcli.arrays import AnyArray, IntArray
from tabcli.training.dataset import Batch, n_batches

CHUNK_ROWS = 4096
"""So many rows of each file lie in memory, of more than 256 files fewer."""

MOST_ROWS = 2**20
"""So many rows of all files together at most."""

Rows = NDArray[np.void]
"""n rows as they lie in a file, each a record of `Layout.record`."""


@dataclass(frozen=True)
class Layout:
    """What a row is in a file. `n_codes`: of each categorical input; `n_numbers`: continuous inputs and columns of the
    history; `bounds`: whether the targets of some rows are lower bounds.
    """

    n_codes: tuple[int, ...]
    n_numbers: int
    bounds: bool

    def _places(self) -> dict[str, IntArray]:
        """Kind of integer → the categorical inputs whose codes it holds, the smallest that can."""
        kinds = np.array([np.min_scalar_type(n - 1).str for n in self.n_codes], dtype="U3")
        return {str(kind): np.flatnonzero(kinds == kind) for kind in np.unique(kinds)}

    @property
    def record(self) -> np.dtype[np.void]:
        """One row: codes by their kind of integer, numbers, base, target, and whether this is a bound."""
        fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [
            (kind, kind, (len(at),)) for kind, at in self._places().items()
        ]
        fields += [("numbers", "<f4", (self.n_numbers,)), ("base", "<f4"), ("y", "<f4")]
        return np.dtype(fields + [("bound", "?")] * self.bounds)

    def rows(self, batch: Batch) -> Rows:
        """A batch as it lies in a file."""
        rows = np.empty(len(batch.y), dtype=self.record)
        for kind, at in self._places().items():
            rows[kind] = batch.x_cat.numpy()[:, at]
        rows["numbers"], rows["base"], rows["y"] = batch.x_cont.numpy(), batch.base.numpy(), batch.y.numpy()
        if self.bounds:
            rows["bound"] = False if batch.bound is None else batch.bound.numpy()
        return rows

    def batch(self, rows: Rows) -> Batch:
        """What `rows` was given."""
        x_cat = np.empty((len(rows), len(self.n_codes)), dtype="int32")
        for kind, at in self._places().items():
            x_cat[:, at] = rows[kind]
        names = ("numbers", "base", "y", *(["bound"] if self.bounds else []))
        return Batch(torch.from_numpy(x_cat), *(torch.from_numpy(rows[name].copy()) for name in names))


def write_rows(path: Path, layout: Layout, batches: Iterable[Batch]) -> None:
    """Writes batches one behind the other; at the end the whole file stands at `path`, or nothing does."""
    with files.atomic_file(path) as temporary, temporary.open("wb") as stream:
        for batch in batches:
            layout.rows(batch).tofile(stream)


def mixed(
    paths: Sequence[Path], layout: Layout, batch_size: int, seed: int, rank: int = 0, size: int = 1
) -> Iterator[Batch]:
    """Full batches of the rows of all files; a function of these, in their order, and of the seed alone.

    As of a `Dataset` the rows of the incomplete last batch are left out, and of `size` ranks each gets `batch_size`
    rows of a batch of `size` times as many.
    """
    sizes = [path.stat().st_size // layout.record.itemsize for path in paths]
    n_chunks = -(-max(sizes) // min(CHUNK_ROWS, max(1, MOST_ROWS // len(paths))))
    draws, rest = np.random.default_rng(seed), np.empty(0, dtype=layout.record)
    wanted, own = n_batches(sum(sizes), batch_size * size), min(batch_size, sum(sizes) // size)
    for chunk in range(n_chunks if own else 0):
        read = _read(paths, layout, [(n * chunk // n_chunks, n * (chunk + 1) // n_chunks) for n in sizes], rest)
        order = np.concatenate([np.arange(len(rest)), len(rest) + draws.permutation(len(read) - len(rest))])
        whole = len(order) // (own * size) * own * size
        for i in range(rank * own, whole, own * size):
            yield layout.batch(read[order[i : i + own]])
            wanted -= 1
            if not wanted:
                return  # nothing more is read: a file may be gone when its last batch is taken
        rest = read[order[whole:]]


def _read(paths: Sequence[Path], layout: Layout, parts: Sequence[tuple[int, int]], before: Rows) -> Rows:
    """Rows `before` and behind them those from a to b of each file."""
    rows = np.empty(len(before) + sum(b - a for a, b in parts), dtype=layout.record)
    rows[: len(before)], at = before, len(before)
    for path, (a, b) in zip(paths, parts, strict=True):
        with path.open("rb") as stream:
            stream.seek(a * layout.record.itemsize)
            into: AnyArray = rows[at : at + b - a].view("u1")
            if stream.readinto(into.data) != into.nbytes:
                raise OSError(f"{path}: ends before row {b}")
        at += b - a
    return rows
