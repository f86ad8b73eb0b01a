"""The processes that train one network together, each a rank, or one process alone.

    a batch of 1,024 rows     rank 0    rows   0 …  511 ─▶ gradient ┐        ┌─▶ the same step
                              rank 1    rows 512 … 1023 ─▶ gradient ┴─ mean ─┴─▶ the same step

Every rank begins with the same weights and takes the same steps, so the weights stay the same on all of them. The mean
of the ranks' gradients is the gradient of the whole batch. What one rank draws (dropout, mixup) another does not.

Ranks find each other by a file, a new one for each start: the addresses of dead ranks cannot be met there. They talk
over the loopback of one machine, and listen nowhere else.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import FileStore

LEAST_ROWS = 128
"""Fewer rows of a batch than these are not worth a rank: a step of a small network takes as long for one row."""

PATIENCE = timedelta(minutes=30)
"""So long a rank waits for the others, which may be reading their rows, or for the first, which scores."""


@dataclass(frozen=True)
class Group:
    """One process alone. `rank`: its number, from 0 to `size` − 1; the first one scores, reports and writes files."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes, in place, the mean of what the ranks have in it: the same bits on all of them."""

    def of_first(self, values: Tensor) -> None:
        """The values become, in place, those of the first rank."""


class Joined(Group):
    """One rank of several that have found each other."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor.div_(self.size)

    def of_first(self, values: Tensor) -> None:
        dist.broadcast(values, src=0)


ALONE = Group()


@contextmanager
def joined(rank: int, size: int, store: Path, device: str = "cpu") -> Iterator[Group]:
    """A rank of a group whose ranks name the same new file `store`, on the CPU by gloo, on CUDA devices by nccl.

    On CUDA rank r computes on the device r of this machine, within the block and after it.
    """
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(variable, loopback)
    own = None
    if device == "cuda":
        torch.cuda.set_device(rank)
        own = torch.device("cuda", rank)
    found = FileStore(str(store), size)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=found, rank=rank, world_size=size, timeout=PATIENCE, device_id=own)
    yield Joined(rank, size)
    dist.destroy_process_group()  # not after an error: the others are to hear of it before they miss this rank


def rows_of_rank(batch_size: int, size: int) -> int:
    """How many rows of each batch a rank of `size` gets: its part, at least `LEAST_ROWS` where a batch has so many.

    >>> [rows_of_rank(1024, size) for size in (1, 2, 4, 8)], rows_of_rank(64, 2)
    ([1024, 512, 256, 128], 64)
    """
    return max(-(-batch_size // size), min(LEAST_ROWS, batch_size))
