"""One function over several items, in as many threads as there are cores."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

Made = TypeVar("Made")

FEW = 20_000
"""For fewer rows a thread costs more than it saves."""


def parallel_map(make: Callable[[T], Made], items: Iterable[T], n_rows: int = FEW) -> list[Made]:
    """`make` of each item, in the items' order, in as many threads as there are cores.

    numpy and Arrow let other threads run while they compute. `n_rows`: how many rows each item has about; for `FEW` no
    threads are used.
    """
    if n_rows < FEW:
        return [make(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(make, items))
