"""The split by time: nothing of validation, and nothing of the gap before it, is learned from."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config import Duration, Validation
from tabcli.errors import DataError
from tabcli.split import length_of, step_of, time_split, validation_length


def days(count: int, freq: str = "D") -> "pd.Series[Any]":
    return pd.Series(pd.date_range("2020-02-20", periods=count, freq=freq, unit="us"))


@given(n=st.integers(3, 60), last=st.integers(1, 40), gap=st.integers(0, 40))
def test_against_counting_days(n: int, last: int, gap: int) -> None:
    dates = days(n).sample(frac=3, replace=True, random_state=n, ignore_index=True)
    dates = pd.concat([dates, days(n)], ignore_index=True)  # each day at least once, in no order
    validation = Validation(last=Duration(last, "d"), gap=Duration(gap, "d"))
    if last + gap >= n:
        with pytest.raises(DataError, match="no rows are left to learn from"):
            time_split(dates, validation, validation_length(validation, None))
        return
    split = time_split(dates, validation, validation_length(validation, None))
    before_end = (dates.max() - dates).dt.days.to_numpy()
    np.testing.assert_array_equal(split.is_valid(dates), before_end < last)
    np.testing.assert_array_equal(split.is_train(dates), before_end >= last + gap)
    assert split.train_end == dates[split.is_train(dates)].max()
    assert split.valid_start - split.train_end == pd.Timedelta(gap + 1, unit="D")


@pytest.mark.parametrize(("freq", "step"), [("D", "1D"), ("W", "7D"), ("h", "1h")])
def test_the_length_of_the_future_counts_its_last_step(freq: str, step: str) -> None:
    dates = days(50, freq)
    past, future = dates[:44], dates[44:]
    assert step_of(dates) == pd.Timedelta(step)
    assert length_of(future) == 6 * pd.Timedelta(step)
    split = time_split(past, Validation(), validation_length(Validation(), future))
    assert split.is_valid(past).sum() == 6
    assert split.is_train(past).sum() == 38


def test_the_future_must_exist_to_give_its_length() -> None:
    with pytest.raises(DataError, match="no table called future"):
        validation_length(Validation(), None)
