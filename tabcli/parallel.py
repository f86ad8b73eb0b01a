"""One function over several items, in as many threads as there are cores."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

Made = TypeVar("Made")

FEW = 20_000


def parallel_map(make: Callable[[T], Made], items: Iterable[T], n_rows: int = FEW) -> list[Made]:
    """`make` of each item, in their order, in as many threads as there are cores: numpy and Arrow let others run.

    For few rows a thread would cost more than it saves.
    """
    if n_rows < FEW:
        return [make(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(make, items))
