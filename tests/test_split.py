"""The split by time: nothing of validation, and nothing of the gap before it, is learned from."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.data import Validation
from tabcli.config.values import Duration
from tabcli.errors import DataError
from tabcli.features.frequency import Frequency
from tabcli.pipeline.split import length_of, time_split, validation_steps


def days(count: int, freq: str = "D") -> "pd.Series[Any]":
    return pd.Series(pd.date_range("2020-02-20", periods=count, freq=freq, unit="us"))


@given(n=st.integers(3, 60), last=st.integers(1, 40), gap=st.integers(0, 40))
def test_against_counting_days(n: int, last: int, gap: int) -> None:
    dates = days(n).sample(frac=3, replace=True, random_state=n, ignore_index=True)
    dates = pd.concat([dates, days(n)], ignore_index=True)  # each day at least once, in no order
    validation = Validation(last=Duration(last, "d"), gap=Duration(gap, "d"))
    frequency = Frequency.of(dates)
    steps = validation_steps(validation, frequency, None)
    if last + gap >= n:
        with pytest.raises(DataError, match="no rows are left to learn from"):
            time_split(dates, validation, steps, frequency)
        return
    split = time_split(dates, validation, steps, frequency)
    before_end = (dates.max() - dates).dt.days.to_numpy()
    np.testing.assert_array_equal(split.is_valid(dates), before_end < last)
    np.testing.assert_array_equal(split.is_train(dates), before_end >= last + gap)
    assert split.train_end == dates[split.is_train(dates)].max()
    assert split.valid_start - split.train_end == pd.Timedelta(gap + 1, unit="D")


@pytest.mark.parametrize(
    ("freq", "text"),
    [("D", "1d"), ("W", "1w"), ("h", "1h"), ("MS", "1mo"), ("ME", "1mo"), ("QE", "3mo"), ("YS", "12mo")],
)
def test_the_length_of_the_future_counts_its_last_step(freq: str, text: str) -> None:
    dates = days(50, freq)
    past, future = dates[:44], dates[44:]
    frequency = Frequency.of(dates)
    assert str(frequency) == text
    assert length_of(future, frequency) == 6
    split = time_split(past, Validation(), validation_steps(Validation(), frequency, future), frequency)
    assert split.is_valid(past).sum() == 6
    assert split.is_train(past).sum() == 38


def test_the_future_must_exist_to_give_its_length() -> None:
    with pytest.raises(DataError, match="no table called future"):
        validation_steps(Validation(), Frequency(86400, "s"), None)


@pytest.mark.parametrize("freq", ["MS", "ME"])
def test_months_are_calendar_months_however_long(freq: str) -> None:
    """The last 3 months before the end of February are three rows, though they have 90 days."""
    dates = pd.Series(pd.date_range("2019-01-01", "2021-03-01", freq=freq, unit="us"))
    frequency = Frequency.of(dates)
    validation = Validation(last=Duration(3, "mo"), gap=Duration(1, "mo"))
    split = time_split(dates, validation, validation_steps(validation, frequency, None), frequency)
    assert dates[split.is_valid(dates)].tolist() == dates.iloc[-3:].tolist()
    assert dates[split.is_train(dates)].tolist() == dates.iloc[:-4].tolist()
    end = pd.Timestamp(dates.max())
    assert [frequency.after(end, n) for n in range(-5, 4)] == [
        end + n * pd.tseries.frequencies.to_offset(freq) for n in range(-5, 4)
    ]


@pytest.mark.parametrize(
    ("dates", "text"),
    [
        (["2020-01-06", "2020-01-20", "2020-02-03"], "2w"),
        (["2020-01-01", "2020-01-03", "2020-01-06"], "1d"),  # 2 and 3 days apart
        (["2020-01-31 00:00:00", "2020-01-31 00:15:00", "2020-01-31 00:45:00"], "15min"),
        (["2020-01-31 00:00:00", "2020-01-31 06:00:00", "2020-02-03 18:00:00"], "6h"),
        (["2020-01-31 00:00:07", "2020-01-31 09:12:00", "2020-02-03 18:00:00"], "1d"),  # irregular times
        (["2020-01-31", "2020-02-29", "2020-04-30"], "1mo"),
        (["2020-01-15", "2020-02-15", "2020-04-15"], "1mo"),
        (["2020-01-15"], "1d"),
    ],
)
def test_the_step_that_is_found(dates: list[str], text: str) -> None:
    assert str(Frequency.of(pd.Series(pd.to_datetime(dates)).astype("datetime64[us]"))) == text
    assert str(Frequency.of(days(3), Duration(2, "mo"))) == "2mo"
    assert str(Frequency.of(days(3), Duration(48, "h"))) == "2d"


def test_rows_to_forecast_that_reach_further_than_the_past_are_the_reason() -> None:
    """One date of 2999 among them: to make `validation.last` shorter was no way out."""
    with pytest.raises(DataError, match="no rows are left to learn from") as error:
        time_split(days(100), Validation(), 5000, Frequency.of(days(100)))
    assert "the rows to forecast cover 5000 steps" in str(error.value.hint)
    assert "correct their dates" in str(error.value.hint)
