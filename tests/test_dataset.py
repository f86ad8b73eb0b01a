"""Batches: every row as often as it should be seen, in an order that is a function of seed and epoch alone."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tabcli.errors import BundleError
from tabcli.training.dataset import Dataset, epoch_seed, n_batches


def dataset(n: int) -> Dataset:
    """Row i has the codes (i, 2i), the number i / 2 and the target -i."""
    i = np.arange(n)
    table = pd.DataFrame({"a": (i).astype("int32"), "z": 7, "b": (2 * i).astype("int32"), "x": i / 2, "y": -1.0 * i})
    return Dataset.from_table(table, ["a", "b"], ["x"])


def test_columns_come_in_the_order_asked_for_and_in_the_model_s_types() -> None:
    data = dataset(3)
    assert (data.x_cat.dtype, data.x_cont.dtype, data.y.dtype) == (torch.int32, torch.float32, torch.float32)
    assert data.x_cat.tolist() == [[0, 0], [1, 2], [2, 4]]
    assert data.x_cont.tolist() == [[0.0], [0.5], [1.0]]
    assert data.x_cat.is_contiguous()
    assert data.x_cont.is_contiguous()


@given(n=st.integers(1, 60), batch_size=st.integers(2, 20), epoch=st.integers(1, 3))
def test_batches_are_full_and_no_row_comes_twice(n: int, batch_size: int, epoch: int) -> None:
    batches = list(dataset(n).batches(batch_size, 5, epoch))
    assert len(batches) == n_batches(n, batch_size)
    assert all(len(y) == min(batch_size, n) for _, _, _, y, _ in batches)
    rows = torch.cat([x_cat[:, 0] for x_cat, *_ in batches])
    assert len(rows.unique()) == len(rows)
    for x_cat, x_cont, _, y, _ in batches:
        assert torch.equal(x_cat[:, 1], 2 * x_cat[:, 0])
        assert torch.equal(x_cont[:, 0], x_cat[:, 0] / 2)
        assert torch.equal(y, -x_cat[:, 0].float())


def rows_of(data: Dataset, seed: int, epoch: int) -> list[int]:
    return [int(v) for x_cat, *_ in data.batches(10, seed, epoch) for v in x_cat[:, 0]]


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    data = dataset(105)
    first = rows_of(data, 1, 1)
    torch.manual_seed(99)
    assert rows_of(data, 1, 1) == first
    assert rows_of(data, 1, 2) != first
    assert rows_of(data, 2, 1) != first
    left_out = {frozenset(range(105)) - frozenset(rows_of(data, 1, epoch)) for epoch in range(1, 5)}
    assert len(left_out) == 4, "other rows are left out in each epoch"
    assert len({epoch_seed(s, e) for s in range(40) for e in range(40)}) == 1600


def test_batches_are_copies() -> None:
    data = dataset(8)
    for x_cat, *_ in data.batches(4, 0, 1):
        x_cat.fill_(-1)
    assert (data.x_cat >= 0).all()


def test_missing_columns_and_codes_outside_are_refused() -> None:
    with pytest.raises(BundleError, match="lacks the columns c, d"):
        Dataset.from_table(pd.DataFrame({"a": [1], "x": [0.5]}), ["a", "c"], ["x", "d"])
    data = dataset(5)
    data.check_codes([5, 9])
    for cardinalities in ([4, 9], [5, 8]):
        with pytest.raises(BundleError, match="outside the learned levels"):
            data.check_codes(cardinalities)


def test_a_table_without_target_and_one_without_inputs_of_a_kind() -> None:
    data = Dataset.from_table(pd.DataFrame({"a": [1, 2]}), ["a"], [])
    assert (len(data), tuple(data.x_cont.shape), len(data.y)) == (2, (2, 0), 0)
