"""A level, a trend that dies away and a season: the plain recursion, step by step."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.arrays import FloatArray
from tabcli.floor.known import Places
from tabcli.floor.paths import Paths
from tests.conftest import examples

END = 11


def paths(seed: int, n_series: int = 4, length: int = 5) -> Paths:
    """Series whose trend does not die away, dies at once, or slowly; one without a past."""
    rng = np.random.default_rng(seed)
    level, trend = rng.normal(size=(2, n_series))
    level[2] = np.nan
    damping = np.array([1.0, 0.0, 0.5, rng.uniform(0.7, 0.999)])[:n_series]
    return Paths(END, level, trend, damping, rng.normal(size=(n_series, length)))


def at(series: object, step: object) -> Places:
    wanted = np.broadcast_arrays(np.asarray(series, dtype="int64"), np.asarray(step, dtype="int64"))
    return Places(wanted[0].ravel(), wanted[1].ravel(), np.zeros((wanted[0].size, 0), dtype="int64"))


def walked(p: Paths, series: int, step: int) -> float:
    """The trend shrinks by φ at each step that is taken after the end."""
    value, change = float(p.level[series]), float(p.trend[series])
    for _ in range(max(step - p.end, 1)):
        change *= p.damping[series]
        value += change
    return value + float(p.season[series, step % p.season.shape[1]])


@examples(30)
@given(st.integers(0, 2**32 - 1))
def test_a_forecast_is_where_a_walk_of_single_steps_leads(seed: int) -> None:
    p = paths(seed)
    series, step = (a.ravel() for a in np.meshgrid(range(4), range(END - 2, END + 40)))
    expected = [walked(p, i, s) for i, s in zip(series, step, strict=True)]
    np.testing.assert_allclose(p.forecast(at(series, step)), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("damping", [1 - 1e-5, 1 - 1e-4, 1.0, 1 + 1e-7])
def test_a_trend_that_hardly_dies_away_is_as_good_as_one_that_stays(damping: float) -> None:
    """The sum φ + φ² + … by its formula divides by 1 − φ."""
    one = np.ones(1)
    p = Paths(0, 0 * one, one, damping * one, np.zeros((1, 1)))
    for ahead in (1, 10, 1000):
        steady = float(p.forecast(at(0, ahead))[0])
        assert steady == pytest.approx(float(np.sum(damping ** np.arange(1, ahead + 1))), rel=1e-2)


def test_a_trend_that_dies_away_ends_at_the_sum_of_the_series() -> None:
    p = Paths(0, np.array([7.0]), np.array([2.0]), np.array([0.8]), np.zeros((1, 3)))
    assert p.forecast(at(0, 500))[0] == pytest.approx(7 + 2 * 0.8 / (1 - 0.8))


def test_no_series_and_no_past_have_no_forecast_and_take_none_from_others() -> None:
    p = paths(0)
    made = p.forecast(at([-1, 2, 0, -1], END + 3))
    assert np.isnan(made).tolist() == [True, True, False, True]
    assert made[2] == p.forecast(at(0, END + 3))[0]


@examples(20)
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 9))
def test_a_forecast_goes_with_the_scale_and_the_zero_of_the_target(seed: int, shift: float, unit: float) -> None:
    p = paths(seed)
    other = replace(p, level=unit * p.level + shift, trend=unit * p.trend, season=unit * p.season)
    wanted = at([[0], [1], [3]], np.arange(END + 1, END + 20))
    np.testing.assert_allclose(other.forecast(wanted), unit * p.forecast(wanted) + shift, atol=1e-9)


def test_arrays_carry_all_of_it() -> None:
    p = paths(3)
    arrays = p.to_arrays()
    again = Paths.from_arrays(arrays)
    assert again.end == END
    for name in (f.name for f in fields(Paths)[1:]):
        found: FloatArray = getattr(again, name)
        np.testing.assert_array_equal(found, getattr(p, name), err_msg=name)
    for lost in arrays:
        with pytest.raises(KeyError):
            Paths.from_arrays({name: values for name, values in arrays.items() if name != lost})
