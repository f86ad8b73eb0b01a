"""Encoded tables → whole-table tensors and seeded batches: one gather per batch, no loader, no workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabcli.errors import BundleError


@dataclass(frozen=True)
class Dataset:
    """`x_cat`: int32 (n, n_cat). `x_cont`: float32 (n, n_cont). `y`: float32 (n,), empty where nothing is known."""

    x_cat: Tensor
    x_cont: Tensor
    y: Tensor

    @classmethod
    def from_table(cls, table: pd.DataFrame, categorical: Sequence[str], continuous: Sequence[str]) -> "Dataset":
        """Columns of an encoded table, and its `y` if it has one. Raises `BundleError` where one is missing."""
        missing = [c for c in (*categorical, *continuous) if c not in table.columns]
        if missing:
            raise BundleError(f"the encoded table lacks the columns {', '.join(missing)}")
        x_cat = table[list(categorical)].to_numpy(dtype="int32")
        x_cont = table[list(continuous)].to_numpy(dtype="float32")
        y = table["y"].to_numpy(dtype="float32", copy=True) if "y" in table.columns else np.empty(0, dtype="float32")
        return cls(*(torch.from_numpy(np.array(a, order="C")) for a in (x_cat, x_cont, y)))

    def __len__(self) -> int:
        return len(self.x_cat)

    def check_codes(self, cardinalities: Sequence[int]) -> None:
        """Raises `BundleError` where a code lies outside its embedding (which torch would call an index error)."""
        if len(self) and len(cardinalities):
            low, high = self.x_cat.amin(0), self.x_cat.amax(0)
            if (low < 0).any() or (high >= torch.tensor(cardinalities)).any():
                raise BundleError("a categorical code of the encoded table lies outside the learned levels")

    def batches(self, batch_size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Shuffled full batches; the order is a function of (seed, epoch) alone, so a resumed run sees the same.

        The rows of the incomplete last batch are left out; they are others in each epoch.
        """
        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
        order = torch.randperm(len(self), generator=generator)
        for i in range(n_batches(len(self), batch_size)):
            index = order[i * batch_size : (i + 1) * batch_size]
            yield self.x_cat[index], self.x_cont[index], self.y[index]


def n_batches(n_rows: int, batch_size: int) -> int:
    """How many batches `Dataset.batches` gives."""
    return max(1, n_rows // batch_size)


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for one epoch, far from those of other epochs and seeds."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
