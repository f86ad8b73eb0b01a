"""Encoded tables → tensors of the whole table, and seeded batches gathered from them; no loader processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabcli.arrays import Float32Array, IntArray
from tabcli.artifacts.encoded_names import input_column
from tabcli.errors import BundleError
from tabcli.target_history.grid import Positions
from tabcli.target_history.statistics import History, standardised
from tabcli.training.outlook import OutlookInputs

BLOCK_ROWS = 32768  # rows that are gathered at a time


class Batch(NamedTuple):
    """B rows of a `Dataset`: int32 (B, n_cat), float32 (B, n_cont) with the columns of the history, (B,) and (B,).

    `bound`: bool (B,), or None where no row of the dataset is one.
    """

    x_cat: Tensor
    x_cont: Tensor
    base: Tensor
    y: Tensor
    bound: Tensor | None = None


class TrainingRows(Protocol):
    """What a network learns from: a `Dataset`, or the rows of several shards."""

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        ...

    @property
    def n_exact(self) -> int:
        """How many rows have a target that is no bound."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> "TrainingRows":
        """The same rows, for another device."""
        ...

    def batches(self, batch_size: int, seed: int, epoch: int, rank: int = 0, size: int = 1) -> Iterator[Batch]:
        """Shuffled full batches, those of one of `size` ranks; a function of (seed, epoch) and these alone."""
        ...


@dataclass(frozen=True)
class DrawnHistory:
    """The target history of n rows whose origins are drawn.

    `mean`, `std`: of its columns over the training rows, float32 (k,). `use_base`: whether the network learns the
    residual to the base.
    """

    history: History
    rows: Positions
    mean: Float32Array
    std: Float32Array
    use_base: bool = True

    def origins(self, index: IntArray, steps_ahead: IntArray) -> IntArray:
        """The origins from which the rows `index` lie `steps_ahead` steps ahead, int64 (n,); at least the first one."""
        origin: IntArray = np.maximum(self.rows.step[index] - steps_ahead + 1, self.history.first)
        return origin

    def columns(self, index: IntArray, origin: IntArray) -> tuple[Tensor, Tensor]:
        """Standardised columns float32 (n, k) and bases float32 (n,) of the rows `index`, each as of its origin."""
        base, columns = self.history.columns(self.rows.take(index), origin)
        base = base if self.use_base else np.zeros_like(base)
        return torch.from_numpy(standardised(columns, self.mean, self.std)), torch.from_numpy(base)


@dataclass(frozen=True)
class Drawn:
    """What a training row is shown of past and future, drawn anew in each epoch: as much as a row of a forecast gets.

    A row is taken to lie h steps after a cutoff, h uniform over gap + 1 … gap + horizon. Its target history is then as
    of that cutoff, and gap + horizon − h steps of known calendar are left behind it.
    """

    horizon: int
    gap: int
    history: DrawnHistory | None = None
    outlook: OutlookInputs | None = None

    def inputs(
        self, x_cat: Tensor, x_cont: Tensor, index: IntArray, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """One draw for the rows `index` (n,): `x_cont` with the history's columns, float32 (n, k), and the bases (n,).

        The bases are None without a history. The forward-looking inputs are written into `x_cat` (n, m) and `x_cont` in
        place.
        """
        steps_ahead = generator.integers(self.gap + 1, self.gap + self.horizon + 1, size=len(index))
        columns = base = None
        if self.history is not None:
            origin = self.history.origins(index, steps_ahead)
            steps_ahead = self.history.rows.step[index] - origin + 1
            columns, base = self.history.columns(index, origin)
        if self.outlook is not None:
            left = np.clip(self.gap + self.horizon - steps_ahead, 0, self.horizon - 1)
            self.outlook.write(x_cat, x_cont, left, index)
        return x_cont if columns is None else torch.cat([x_cont, columns], dim=1), base


@dataclass(frozen=True)
class Dataset:
    """`x_cat`: int32 (n, n_cat). `x_cont`: float32 (n, n_cont). `y`: float32 (n,), empty for rows without a target.

    `base`: float32 (n,), what the network's output is added to; 0 where there is no history. With `drawn`, each batch
    gets a new draw of the history's columns, the bases, and the inputs that look ahead. `bound`: of which rows y is a
    lower bound of the target, bool (n,); None where it is of none.
    """

    x_cat: Tensor
    x_cont: Tensor
    y: Tensor
    base: Tensor
    drawn: Drawn | None = None
    bound: Tensor | None = None

    @classmethod
    def from_table(cls, table: pd.DataFrame, categorical: Sequence[str], continuous: Sequence[str]) -> "Dataset":
        """Columns of an encoded table, and its `y` if it has one. Raises `BundleError` where one is missing."""
        roles = [[input_column(c) for c in columns] for columns in (categorical, continuous)]
        missing = [c for columns in roles for c in columns if c not in table.columns]
        if missing:
            raise BundleError(f"the encoded table lacks the columns {', '.join(missing)}")
        x_cat, x_cont = table[roles[0]].to_numpy(dtype="int32"), table[roles[1]].to_numpy(dtype="float32")
        y = table["y"].to_numpy(dtype="float32", copy=True) if "y" in table.columns else np.empty(0, dtype="float32")
        tensors = [torch.from_numpy(np.array(a, order="C")) for a in (x_cat, x_cont, y)]
        return cls(tensors[0], tensors[1], tensors[2], torch.zeros(len(table)))

    def with_history(self, base: Float32Array, columns: Float32Array) -> "Dataset":
        """The same rows with standardised columns (n, k) of the history at the end of `x_cont`, and bases (n,)."""
        x_cont = torch.cat([self.x_cont, torch.from_numpy(columns)], dim=1)
        return replace(self, x_cont=x_cont, base=torch.from_numpy(base))

    def __len__(self) -> int:
        return len(self.x_cat)

    def to(self, device: torch.device) -> "Dataset":
        """The same rows, their tensors on another device."""
        names = ("x_cat", "x_cont", "y", "base")
        bound = None if self.bound is None else self.bound.to(device)
        return replace(self, bound=bound, **{name: getattr(self, name).to(device) for name in names})

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.x_cat.device

    @property
    def n_exact(self) -> int:
        """How many rows have a target that is no bound."""
        return len(self) if self.bound is None else int((~self.bound).sum())

    def check_codes(self, cardinalities: Sequence[int]) -> None:
        """Raises `BundleError` where a code lies outside its embedding (which torch would call an index error)."""
        if len(self) and len(cardinalities):
            low, high = self.x_cat.amin(0), self.x_cat.amax(0)
            if (low < 0).any() or (high >= torch.tensor(cardinalities)).any():
                raise BundleError("a categorical code of the encoded table lies outside the learned levels")

    def batches(self, batch_size: int, seed: int, epoch: int, rank: int = 0, size: int = 1) -> Iterator[Batch]:
        """Shuffled full batches; a function of (seed, epoch) alone, so that a resumed run agrees.

        The rows of the incomplete last batch are left out; in each epoch these are other rows. Of `size` ranks each
        gets `batch_size` other rows of a batch of `size` times as many, and draws for them what others do not.
        """
        n, own = n_batches(len(self), batch_size * size), min(batch_size, len(self) // size)
        order = self.shuffled(seed, epoch)[: n * size * own].view(n, size, own)[:, rank].reshape(-1)
        block = max(1, BLOCK_ROWS // batch_size) * batch_size
        for x_cat, x_cont, base, y, bound in self.drawn_rows(order, epoch_seed(seed, epoch, rank), block):
            for i in range(0, len(y), batch_size):
                part = slice(i, i + batch_size)
                yield Batch(x_cat[part], x_cont[part], base[part], y[part], None if bound is None else bound[part])

    def shuffled(self, seed: int, epoch: int) -> Tensor:
        """The numbers of all rows in the random order of an epoch, int64 (n,)."""
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(epoch_seed(seed, epoch)))

    def drawn_rows(self, order: Tensor, seed: int, block: int) -> Iterator[Batch]:
        """The rows in this order with a draw for each, so many at a time."""
        draws, device = np.random.default_rng(seed), self.device
        for start in range(0, len(order), block):
            rows = order[start : start + block]
            there = rows.to(device)
            x_cat, x_cont, base, y = (t.index_select(0, there) for t in (self.x_cat, self.x_cont, self.base, self.y))
            if self.drawn is not None:
                x_cat, x_cont = x_cat.cpu(), x_cont.cpu()
                x_cont, drawn_base = self.drawn.inputs(x_cat, x_cont, rows.numpy(), draws)
                base = base if drawn_base is None else drawn_base
            x_cat, x_cont, base = (t.to(device) for t in (x_cat, x_cont, base))
            yield Batch(x_cat, x_cont, base, y, None if self.bound is None else self.bound.index_select(0, there))


def n_batches(n_rows: int, batch_size: int) -> int:
    """How many batches `Dataset.batches` gives."""
    return max(1, n_rows // batch_size)


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """A seed for one epoch of a rank, far from those of other epochs, seeds and ranks."""
    entropy = [seed, epoch, rank] if rank else [seed, epoch]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
