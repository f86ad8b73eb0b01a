"""How widely errors of past windows scatter: an independent package, laws, and data whose scatter is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.evaluation.experience import EXPONENT, MOST, Learned
from tabcli.evaluation.scatter import LEAST_BEYOND, NEW, PastErrors, RowPlaces, fit_scatter
from tests.conftest import examples

LEVELS = [0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975]


def places(n: int, series: object = 0, season: object = 0, ahead: object = 1) -> RowPlaces:
    return RowPlaces(*(np.broadcast_to(np.asarray(x, dtype="int64"), (n,)).copy() for x in (series, season, ahead)))


def past(error: object, where: RowPlaces | None = None, window: object = 0, date: object = None) -> PastErrors:
    error = np.asarray(error, dtype="float64")
    n = len(error)
    date = np.arange(n) if date is None else np.asarray(date)
    window = np.broadcast_to(np.asarray(window, dtype="int64"), (n,)).copy()
    return PastErrors(where or places(n), window, date.astype("int64"), error)


def grid(rng: np.random.Generator, n_windows: int = 4, n_steps: int = 48, n_series: int = 30) -> PastErrors:
    """Normal errors of sd 0.1, of every series on every date of every window."""
    window, step, series = (a.ravel() for a in np.indices((n_windows, n_steps, n_series)))
    where = RowPlaces(series, (window * n_steps + step) % 7, step + 1)
    return PastErrors(where, window, window * n_steps + step, 0.1 * rng.normal(size=len(series)))


@pytest.mark.parametrize("n", [31, 50, 199])
@pytest.mark.parametrize("confidence", [0.625, 0.75, 0.875])  # exact in binary: theirs rounds 0.2 · 200 down to 39
def test_the_finite_sample_is_counted_as_an_independent_package_does(n: int, confidence: float) -> None:
    crepes = pytest.importorskip("crepes")
    size = np.random.default_rng(n).exponential(size=n)
    theirs = crepes.ConformalRegressor().fit(size).predict_int(np.zeros(1), confidence=confidence)[0, 1]
    ours = fit_scatter(past(size), apart=False).offsets([confidence])[0]
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_rows_that_err_together_count_as_one() -> None:
    rng = np.random.default_rng(0)
    made = grid(rng)
    date = np.unique(made.date)
    together = PastErrors(made.places, made.window, made.date, rng.normal(size=len(date))[made.date])
    half = PastErrors(made.places, made.window, made.date, made.error + 0.1 * rng.normal(size=len(date))[made.date])
    assert fit_scatter(together).n_blocks == pytest.approx(len(date), rel=0.05)
    assert fit_scatter(made).n_blocks > 0.8 * len(made.error)
    assert fit_scatter(half).n_blocks == pytest.approx(len(made.error) / (1 + 29 * 0.5), rel=0.2)


def test_a_quantile_beyond_the_sample_is_its_outermost_error() -> None:
    scatter = fit_scatter(past([-3.0, -1.0, 0.0, 1.0, 4.0]), apart=False)
    assert scatter.offsets([0.01, 0.5, 0.99]).tolist() == [-3.0, 0.0, 4.0]


def test_quantiles_of_normal_errors_are_found() -> None:
    scatter = fit_scatter(grid(np.random.default_rng(0)))
    where = places(1, series=3, season=2, ahead=20)
    found = scatter.quantiles(where, [0.1, 0.5, 0.9])[0]
    np.testing.assert_allclose(found, [-0.128, 0, 0.128], atol=0.008)
    assert scatter.growth < 0.05
    np.testing.assert_allclose(scatter.series, 1, atol=0.1)
    np.testing.assert_allclose(scatter.season, 1, atol=0.1)


def test_series_seasons_and_steps_have_scales_of_their_own() -> None:
    made = grid(np.random.default_rng(1))
    p = made.places
    true = np.where(p.series < 5, 2.0, 1.0) * np.where(p.season == 6, 3.0, 1.0) * p.ahead**0.3
    scatter = fit_scatter(PastErrors(p, made.window, made.date, made.error * true))
    assert scatter.growth == pytest.approx(0.3, abs=0.06)
    loud, quiet, sunday = scatter.scale(places(3, series=[0, 20, 20], season=[1, 1, 6]))
    assert loud / quiet == pytest.approx(2.0, rel=0.2)  # 192 dates against a prior of 50
    assert sunday / quiet == pytest.approx(3.0, rel=0.25)


def test_one_series_speaks_little_for_itself_when_dates_are_few() -> None:
    made = grid(np.random.default_rng(2), n_windows=1, n_steps=3)
    loud = made.error * np.where(made.places.series == 0, 10, 1)
    scatter = fit_scatter(PastErrors(made.places, made.window, made.date, loud))
    assert 1.0 < scatter.series[0] < 1.8  # 3 dates against a prior of 50


def test_what_windows_have_in_common_widens_and_does_not_shift() -> None:
    made = grid(np.random.default_rng(3))
    shifted = PastErrors(
        made.places, made.window, made.date, made.error + np.array([0.1, -0.05, 0.1, 0.05])[made.window]
    )
    narrow, wide = fit_scatter(made), fit_scatter(shifted)
    low, middle, high = wide.offsets([0.1, 0.5, 0.9]) / narrow.offsets([0.9])[0]
    assert 1.15 < high < 1.5
    assert -1.5 < low < -1.15
    assert abs(middle) < 0.05
    assert wide.shift == 0.0


def test_what_all_windows_agree_in_beyond_doubt_shifts_the_bounds() -> None:
    made = grid(np.random.default_rng(4))
    low = PastErrors(made.places, made.window, made.date, made.error - 0.3)
    assert fit_scatter(low).quantiles(places(1), [0.5])[0, 0] == pytest.approx(-0.3, abs=0.01)
    one = made.window == 0
    where = RowPlaces(*(getattr(made.places, name)[one] for name in ("series", "season", "ahead")))
    alone = PastErrors(where, made.window[one], made.date[one], low.error[one])
    assert abs(fit_scatter(alone).quantiles(places(1), [0.5])[0, 0]) < 0.001, "a single window agrees with none"


def test_a_few_zeros_on_a_log_scale_move_neither_the_middle_nor_the_scale() -> None:
    made = grid(np.random.default_rng(5))
    zero = np.random.default_rng(6).random(len(made.error)) < 0.05
    plain, torn = (
        fit_scatter(PastErrors(made.places, made.window, made.date, np.where(z, -4.0, made.error)))
        for z in (np.zeros_like(zero), zero)
    )
    low, middle, high = torn.quantiles(places(1), [0.1, 0.5, 0.9])[0]
    assert abs(middle) < 0.02
    assert high == pytest.approx(plain.quantiles(places(1), [0.9])[0, 0], rel=0.25)
    assert -0.25 < low < -0.13
    np.testing.assert_allclose(torn.season, 1, atol=0.2)


def test_the_unknown_and_the_distant_are_wider() -> None:
    scatter = fit_scatter(grid(np.random.default_rng(5)))
    known, new, far = scatter.scale(places(3, series=[99, -1, 99], season=9, ahead=[48, 48, 4 * 48]))
    assert new == pytest.approx(NEW * known)
    assert far == pytest.approx(known * 4**LEAST_BEYOND)


@examples(25)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.001, 1000),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(1, 5),
)
def test_bounds_rise_with_the_level_and_go_with_the_unit(
    seed: int, unit: float, n_windows: int, n_steps: int, n_series: int
) -> None:
    made = grid(np.random.default_rng(seed), n_windows, n_steps, n_series)
    where = places(6, series=[-1, 0, 0, 1, 2, 9], season=[0, 1, 2, 3, 6, 11], ahead=[1, 2, 3, 5, 12, 40])
    found = fit_scatter(made).quantiles(where, LEVELS)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0).all()
    scaled = PastErrors(made.places, made.window, made.date, unit * made.error)
    np.testing.assert_allclose(fit_scatter(scaled).quantiles(where, LEVELS), unit * found, rtol=1e-6, atol=1e-9 * unit)


def test_errors_of_nothing_give_bounds_of_nothing() -> None:
    scatter = fit_scatter(past(np.zeros(5), window=[0, 0, 0, 1, 1]))
    assert scatter.quantiles(places(2), LEVELS).tolist() == [[0.0] * len(LEVELS)] * 2


def learned_grid(exponent: float, coming: int = 560, year: int = 364) -> PastErrors:
    """Windows of 48 steps up to `coming`, whose errors fall with a power of the steps learned from."""
    made = grid(np.random.default_rng(6))
    windows = coming - 48 * np.arange(1, 5)
    size = (windows / coming) ** -exponent
    return replace(made, error=made.error * size[made.window], learned=Learned(windows, coming, year))


@pytest.mark.parametrize(("exponent", "off"), [(0.0, 0.025), (0.35, 0.04)])  # without the rule 0 and 0.09
def test_errors_that_fall_with_what_was_learned_are_taken_as_they_will_be(exponent: float, off: float) -> None:
    """What is believed of the exponent (0.04 too narrow for 0) gives way to what thousands of errors tell."""
    low, high = fit_scatter(learned_grid(exponent)).quantiles(places(1, ahead=24), [0.1, 0.9])[0]
    assert (high - low) / (2 * 1.2816 * 0.1) == pytest.approx(1, abs=off)


def test_few_errors_leave_the_exponent_that_is_believed() -> None:
    learned = Learned(np.array([90, 80, 70, 60]), 100, 364)
    share = learned.windows / 100
    assert learned.factors(np.array([1.0, 3.0, 0.5, 2.0]), 5.0) == pytest.approx(share**EXPONENT, rel=0.05)
    assert learned.factors(share**-0.3, 1e6) == pytest.approx(share**0.3, rel=1e-3)
    assert learned.factors(share**0.3, 1e6).tolist() == [1.0] * 4, "errors do not grow with what is learned"
    assert learned.factors(share**-5.0, 1e6) == pytest.approx(share**MOST)
    assert Learned(np.array([50]), 100, 364).factors(np.array([9.0]), 1e6)[0] == pytest.approx(0.5**EXPONENT)


def test_windows_before_the_first_year_tell_nothing_of_networks_that_saw_one() -> None:
    """The first Christmas: errors five times as large, which networks that saw one do not make again."""
    made = learned_grid(0.0, coming=364 + 3 * 48)  # two windows with a year, one that lacks a step, one that lacks 48
    first = replace(made, error=np.where(made.window >= 3, 5 * made.error, made.error))
    assert made.learned is not None
    assert made.learned.telling().tolist() == [True, True, True, False]
    where = places(1, ahead=24)
    calm = fit_scatter(made).quantiles(where, [0.1, 0.9])[0]
    np.testing.assert_allclose(fit_scatter(first).quantiles(where, [0.1, 0.9])[0], calm, rtol=1e-12)
    young = replace(first, learned=Learned(made.learned.windows, 363, 364))
    assert fit_scatter(young).quantiles(where, [0.9])[0, 0] > 1.2 * calm[1], "nor have those to come seen one"
    alone = replace(first, learned=Learned(np.array([400, 300, 200, 100]), 500, 364))
    assert fit_scatter(alone).quantiles(where, [0.9])[0, 0] > 1.2 * calm[1], "a single window does not speak for all"


def test_windows_that_learned_from_as_much_as_the_forecast_to_come_change_nothing() -> None:
    made = grid(np.random.default_rng(7))
    same = replace(made, learned=Learned(np.full(4, 900), 900, 364))
    where = places(3, ahead=[1, 20, 48])
    np.testing.assert_array_equal(
        fit_scatter(same).quantiles(where, LEVELS), fit_scatter(made).quantiles(where, LEVELS)
    )
