"""Naive forecasts, and the share that the best one has beside the networks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tabcli
from tabcli.bundle import directories
from tabcli.evaluation.metrics import Criterion
from tabcli.evaluation.naive import group_medians
from tabcli.floor.blend import (
    DOUBT,
    LOUDEST,
    MANY,
    SHARES,
    UNTOLD,
    PastWindow,
    best_mixture,
    better_than_naive,
    blended,
    fit_floor,
)
from tabcli.floor.known import Known, Places
from tabcli.floor.medians import medians
from tabcli.floor.naive import from_arrays, mixed, mixtures, naive_forecasts, to_arrays
from tabcli.floor.seasons import last_season, last_value, usual_course, usual_season
from tabcli.floor.smoothing import smoothing
from tabcli.preprocessing.target import TargetTransform
from tabcli.training import floors
from tabcli.training.inputs import window_of
from tests.conftest import examples, make_tables, write_folder

IDENTITY = TargetTransform("identity")


def places(series: Any, step: Any, groups: Any = None) -> Places:
    series, step = np.asarray(series, dtype="int64"), np.asarray(step, dtype="int64")
    made = (step % 7)[:, None] if groups is None else np.asarray(groups, dtype="int64")
    return Places(series, step, made)


def known(panel: NDArray[np.float64], seasons: tuple[int, ...] = (7,), start: int = 0) -> Known:
    """Series × steps as known rows, without those that are NaN."""
    series, step = np.nonzero(np.isfinite(panel))
    medians_by = {"season": (0,)}
    return Known(places(series, step + start), panel[series, step], len(panel), seasons, medians_by)  # type: ignore[arg-type]


def ahead(n_series: int, end: int, n: int) -> Places:
    grid = np.indices((n_series, n))
    return places(grid[0].ravel(), grid[1].ravel() + end + 1)


WEEK = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])


@pytest.mark.parametrize("start", [0, 3, 700])
def test_what_repeats_is_repeated_wherever_it_begins(start: int) -> None:
    panel = np.stack([np.tile(WEEK, 10), 2 * np.tile(WEEK, 10)])[:, :66]
    past, wanted = known(panel, start=start), ahead(2, start + 65, 20)
    expected = np.concatenate([np.tile(WEEK, 20)[66:86], 2 * np.tile(WEEK, 20)[66:86]])
    for made in (last_season(past, 7), usual_season(past, 7), smoothing(past, 7), last_season(past, 7, drift=True)):
        np.testing.assert_allclose(made.forecast(wanted), expected, atol=1e-9)
    np.testing.assert_allclose(medians(past, (0,)).forecast(wanted), expected)


def test_what_grows_goes_on_growing_with_drift_and_less_and_less_with_smoothing() -> None:
    line = np.arange(70.0)[None]
    past, wanted = known(line), ahead(1, 69, 14)
    np.testing.assert_allclose(last_season(past, 7, drift=True).forecast(wanted), 70 + np.arange(14.0))
    smooth = smoothing(past, 1).forecast(wanted)
    assert 69 < smooth[0] < 71
    assert (np.diff(smooth) > 0).all()
    assert (np.diff(smooth, 2) < 1e-9).all()
    np.testing.assert_array_equal(last_value(past).forecast(wanted), np.full(14, 69.0))


def test_the_newest_of_each_place_in_the_season_counts_where_some_are_missing() -> None:
    panel = np.tile(WEEK, 4)[None].copy()
    panel[0, 21] = 30.0
    panel[0, 22:24] = np.nan  # the second and third day of the last week
    panel[0, 7:9] = [50.0, 60.0]
    expected = [30.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]
    np.testing.assert_array_equal(last_season(known(panel), 7).forecast(ahead(1, 27, 7)), expected)


def test_a_holiday_in_the_last_season_is_repeated_only_where_few_seasons_are_known() -> None:
    panel = np.tile(WEEK, 6)[None].copy()
    panel[0, 38] = 0.0
    panel[0, 35] = np.nan
    past, wanted = known(panel), ahead(1, 41, 7)
    for made in (last_season(past, 7), usual_season(past, 7)):
        np.testing.assert_array_equal(made.forecast(wanted), WEEK)
    few = known(panel[:, 21:])
    np.testing.assert_array_equal(last_season(few, 7).forecast(ahead(1, 20, 7)), [3, 1, 4, 0, 5, 9, 2])
    short = known(panel[:, :5])
    np.testing.assert_array_equal(usual_season(short, 7).forecast(ahead(1, 4, 7)), [5, 5, 3, 1, 4, 1, 5])


def test_the_last_season_is_held_to_twice_what_its_places_did_before_whatever_all_of_them_did() -> None:
    swing = np.array([0, 0, 0.5, 0, 0, 0, 0])
    weeks = np.stack([WEEK + swing, WEEK - swing, WEEK + swing, WEEK - swing, WEEK + 10])
    weeks[4, 2] += 0.9  # within twice the half that it swings
    weeks[4, 5] -= 6.0  # never moved before
    made = last_season(known(weeks.reshape(1, -1)), 7).forecast(ahead(1, 34, 7))
    expected = WEEK + 10
    expected[2] += 0.9
    np.testing.assert_allclose(made, expected, atol=1e-12)
    weeks[4, 2] += 3.0
    made = last_season(known(weeks.reshape(1, -1)), 7).forecast(ahead(1, 34, 7))
    expected[2] += 0.1
    np.testing.assert_allclose(made, expected, atol=1e-12)


@examples(20)
@given(st.integers(1, 30), st.integers(0, 2**31), st.integers(0, 40))
def test_series_that_ended_early_are_forecast_from_the_cutoff_whoever_is_beside_them(
    early: int, seed: int, start: int
) -> None:
    rng = np.random.default_rng(seed)
    panel = rng.normal(5, 1, (3, 80)) + np.tile(WEEK, 12)[:80]
    panel[:2, 80 - early :] = np.nan
    wanted = ahead(2, start + 79, 14)
    together = naive_forecasts(known(panel, start=start))
    apart = naive_forecasts(replace(known(panel[:2], start=start), cutoff=start + 79))
    assert together.keys() == apart.keys()
    for name in together:
        np.testing.assert_allclose(apart[name].forecast(wanted), together[name].forecast(wanted), err_msg=name)


YEAR = 364
NAME = "the usual 7 steps on the course of earlier years"


def years(n_steps: int, swing: float = 4.0, grown: float = 2.0) -> NDArray[np.float64]:
    """One series: its week, a year that swings, and each year `grown` more than the year before, float64 (n_steps,)."""
    step = np.arange(n_steps)
    return WEEK[step % 7] + swing * np.sin(2 * np.pi * step / YEAR) + grown * (step // YEAR)


def with_years(panel: NDArray[np.float64], start: int = 0) -> Known:
    return replace(known(panel, start=start), year=YEAR)


@pytest.mark.parametrize("start", [0, 5, 700])
def test_the_course_of_earlier_years_is_followed_whatever_their_level(start: int) -> None:
    panel, n = years(3 * YEAR)[None], 2 * YEAR + 200
    past, wanted = with_years(panel[:, :n], start), ahead(1, start + n - 1, 84)
    truth = panel[0, n : n + 84]
    assert np.abs(usual_course(past, 7).forecast(wanted) - truth).max() < 0.3
    assert np.abs(usual_season(past, 7).forecast(wanted) - truth).max() > 3


def test_of_several_years_the_course_is_the_mean_and_of_none_nothing_is_moved() -> None:
    panel = years(4 * YEAR, grown=0.0)
    panel[3 * YEAR + 50 : 3 * YEAR + 57] += 8.0  # in the last year only: one of three
    begin = 4 * YEAR
    wanted = ahead(1, begin - 1, 60)
    moved, plain = (usual_course(with_years(p[None]), 7).forecast(wanted) for p in (panel, years(begin, grown=0.0)))
    assert (moved - plain)[53] == pytest.approx(8 / 3)
    assert (moved - plain)[:40] == pytest.approx(0)
    short, wanted = with_years(panel[None, : YEAR + 20]), ahead(1, YEAR + 19, 30)
    np.testing.assert_array_equal(usual_course(short, 7).forecast(wanted), usual_season(short, 7).forecast(wanted))


def test_a_series_without_earlier_years_goes_the_mean_way_of_the_others() -> None:
    old = np.stack([years(2 * YEAR, swing=4.0), years(2 * YEAR, swing=2.0)])
    young = np.where(np.arange(2 * YEAR) < 2 * YEAR - 40, np.nan, WEEK[np.arange(2 * YEAR) % 7])
    panel = np.vstack([old, young])
    wanted = ahead(3, 2 * YEAR - 1, 60)
    past = with_years(panel)
    moved = (usual_course(past, 7).forecast(wanted) - usual_season(past, 7).forecast(wanted)).reshape(3, 60)
    np.testing.assert_allclose(moved[2], moved[:2].mean(axis=0))
    assert np.abs(moved[2]).max() > 1


def test_the_course_is_tried_where_a_year_can_tell_it_and_made_where_it_was_chosen() -> None:
    long, short = (with_years(years(n)[None]) for n in (YEAR + 28, YEAR + 27))
    assert NAME in naive_forecasts(long)
    assert NAME not in naive_forecasts(short)
    assert NAME not in naive_forecasts(replace(long, year=0))
    assert list(naive_forecasts(short, [NAME])) == [NAME]  # of another shard, which has a longer past
    made = naive_forecasts(long, [NAME])
    wanted = ahead(1, YEAR + 27, 500)
    again = from_arrays([NAME], to_arrays(made))[NAME].forecast(wanted)
    np.testing.assert_array_equal(again, made[NAME].forecast(wanted))


def test_of_nothing_known_as_in_a_shard_without_series_each_naive_forecast_is_missing() -> None:
    nothing = Known(places([], []), np.zeros(0), 0, (7,), {"season": (0,)}, YEAR)
    wanted = places([-1, -1, -1], [5, 6, 12])
    for name in naive_forecasts(replace(known(years(YEAR + 28)[None]), year=YEAR)):
        made = naive_forecasts(nothing, [name])
        assert np.isnan(made[name].forecast(wanted)).all()
        assert np.isnan(from_arrays([name], to_arrays(made))[name].forecast(wanted)).all()


@examples(25)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 20), st.floats(-50, 50))
def test_smoothing_follows_units_and_no_series_moves_another(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    panel = rng.normal(0, 1, (4, 40)).cumsum(axis=1) + np.tile(rng.normal(0, 2, 8), 5)
    panel[rng.random(panel.shape) < 0.2] = np.nan
    panel[:, 39] = 0.0
    wanted = ahead(4, 39, 9)
    for length in (1, 8):
        plain = smoothing(known(panel), length).forecast(wanted)
        np.testing.assert_allclose(
            smoothing(known(panel * scale + shift), length).forecast(wanted),
            plain * scale + shift,
            rtol=1e-6,
            atol=1e-6,
        )
        other = panel.copy()
        other[1:] = other[1:] * 3 + 100
        np.testing.assert_array_equal(smoothing(known(other), length).forecast(wanted)[:9], plain[:9])


def test_series_followed_in_parts_have_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    past, wanted = known(rng.normal(size=(7, 40))), ahead(7, 39, 10)
    whole = smoothing(past, 7).forecast(wanted)
    monkeypatch.setattr("tabcli.floor.smoothing.AT_ONCE", 3 * 72 * 7)
    np.testing.assert_array_equal(smoothing(past, 7).forecast(wanted), whole)


def test_smoothing_is_the_recursion_of_the_textbook() -> None:
    """With one setting only, a loop over one series gives the same level."""
    rng = np.random.default_rng(3)
    y = 50 + rng.normal(0, 3, 60)
    made = smoothing(known(y[None]), 1)
    best = min(
        (
            (np.sum(np.square(errors)), level)
            for alpha in (0.05, 0.1, 0.2, 0.35, 0.6, 0.9)
            for errors, level in [_simple(y, alpha)]
        ),
        key=lambda found: found[0],
    )
    assert made.trend[0] == 0
    assert made.level[0] == pytest.approx(best[1], rel=1e-12)


def _simple(y: NDArray[np.float64], alpha: float) -> tuple[list[float], float]:
    level, errors = float(y[:3].mean()), []
    for value in y:
        errors.append(float(value - level))
        level += alpha * errors[-1]
    return errors, level


@examples(30)
@given(st.integers(0, 2**32 - 1))
def test_medians_are_those_of_the_rows_that_are_alike(seed: int) -> None:
    """The same as `evaluation.naive.group_medians`, which works on tables."""
    rng = np.random.default_rng(seed)
    past = pd.DataFrame(rng.integers(0, 4, (60, 3)), columns=["series", "a", "b"])
    rows = pd.DataFrame(rng.integers(0, 6, (40, 3)), columns=["series", "a", "b"])
    y = rng.normal(size=60)
    steps = np.arange(60)
    of_past = Places(past["series"].to_numpy(), steps, past[["a", "b"]].to_numpy())
    made = medians(Known(of_past, y, 4, (), {"a × b": (0, 1)}), (0, 1))
    wanted = Places(rows["series"].to_numpy(), steps[:40], rows[["a", "b"]].to_numpy())
    np.testing.assert_allclose(made.forecast(wanted), group_medians(past, y, rows, ["series", "a", "b"]))


def test_unknown_series_have_no_naive_forecast_of_their_own() -> None:
    past = known(np.tile(WEEK, 5)[None])
    wanted = places([-1, 0], [36, 36])
    for name, made in naive_forecasts(past).items():
        forecast = made.forecast(wanted)
        assert np.isfinite(forecast[1]), name
        assert np.isnan(forecast[0]) == (name != "the median by season"), name
    np.testing.assert_array_equal(blended(np.array([5.0, 5.0]), np.array([np.nan, 9.0]), 0.5), [5.0, 7.0])


def test_naive_forecasts_survive_their_arrays_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    past, wanted = known(rng.normal(size=(3, 50))), ahead(3, 49, 12)
    models = naive_forecasts(past)
    arrays = to_arrays(models)
    again = from_arrays(models, arrays)
    assert list(again) == list(models)
    for name, made in models.items():
        np.testing.assert_array_equal(again[name].forecast(wanted), made.forecast(wanted), err_msg=name)
    for lost in arrays:
        with pytest.raises(KeyError):
            from_arrays(models, {key: values for key, values in arrays.items() if key != lost})
    assert list(naive_forecasts(past, ["the last value"])) == ["the last value"]


def test_mixtures_are_of_one_that_follows_and_one_that_repeats() -> None:
    names = list(naive_forecasts(known(np.ones((1, 30)))))
    made = mixtures(names)
    assert [m for m in made if len(m) == 1] == [{n: 1.0} for n in names]
    pairs = [tuple(m) for m in made if len(m) == 2]
    assert ("exponential smoothing", "the last 7 steps") in pairs
    assert ("exponential smoothing", "the last value") in pairs
    assert ("the last value", "the median of the last 4 seasons of 7 steps") in pairs
    assert all(a.startswith(("exp", "the last value")) and not b.startswith("exp") for a, b in pairs)
    assert len({frozenset(p) for p in pairs}) == len(pairs)
    forecasts = {n: np.full(2, float(i)) for i, n in enumerate(names)}
    for m in made:
        assert sum(m.values()) == 1
        assert mixed(forecasts, m)[0] == pytest.approx(np.mean([names.index(n) for n in m]))


# ------------------------------------------------------------------------------------------ the share


def window(rng: np.random.Generator, network: float, naive: float, n: int = 200) -> PastWindow:
    """A window in which the networks and the naive forecast err by so much, each in its own way."""
    actual = rng.uniform(50, 150, n)
    other = {"good": actual + rng.normal(0, naive, n), "poor": actual + rng.normal(0, 80, n)}
    other |= {f"good {i}": other["good"] + 1e-6 * i for i in range(1, 5)}
    return PastWindow(Criterion("wape"), actual, actual + rng.normal(0, network, n), other)


@pytest.mark.parametrize(
    ("network", "naive", "low", "high"), [(5, 40, 0.0, 0.0), (40, 5, 1.0, 1.0), (10, 10, 0.25, 0.75), (0.1, 9, 0, 0)]
)
def test_the_share_is_what_served_best_in_past_windows(network: float, naive: float, low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    floor = fit_floor([window(rng, network, naive) for _ in range(3)], IDENTITY)
    assert set(floor.mixture) == {"good", "good 1", "good 2", "good 3", "good 4"}
    assert sum(floor.mixture.values()) == pytest.approx(1)
    assert low <= floor.share <= high
    assert (floor.gain > 0) == (floor.share > 0)


@examples(50)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 40), st.floats(0.1, 40))
def test_networks_stay_alone_or_the_share_nearest_to_a_half_of_those_as_good_is_taken(
    seed: int, network: float, naive: float
) -> None:
    rng = np.random.default_rng(seed)
    windows = [window(rng, network, naive, 50) for _ in range(4)]
    floor = fit_floor(windows, IDENTITY)
    costs = np.array(
        [
            [w.cost(IDENTITY, blended(w.networks, mixed(w.naive, floor.mixture), s)) for s in SHARES]
            for w in windows
            if w.networks is not None
        ]
    )
    relative = np.log(costs / costs[:, :1])
    relative /= 1 + np.abs(relative) / LOUDEST
    mean, best = relative.mean(axis=0), int(relative.mean(axis=0).argmin())
    error = (relative - relative[:, [best]]).std(axis=0, ddof=1) / 2
    chosen = SHARES.index(floor.share)
    alone = mean[0] <= mean[best] + DOUBT * error[0]
    assert (floor.share == 0) == (alone and mean[1] > mean[best] + error[1])
    if alone:
        assert chosen in (0, 1)
        return
    assert mean[chosen] <= mean[best] + UNTOLD * error[chosen]
    if abs(floor.share - 0.5) > 0:
        nearer = [i for i, s in enumerate(SHARES) if abs(s - 0.5) < abs(floor.share - 0.5)]
        assert all(mean[i] > mean[best] + UNTOLD * error[i] for i in nearer)


def test_beside_networks_that_are_as_good_alone_stands_a_quarter_where_rows_are_few() -> None:
    found = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        windows = [window(rng, 8, 23, 40) for _ in range(4)]  # a quarter of the naive one changes hardly anything
        numbers = (0, MANY - 1, MANY, 10**6)
        found.add(tuple(fit_floor([replace(w, n_learned=n) for w in windows], IDENTITY).share for n in numbers))
    assert (0.25, 0.25, 0.0, 0.0) in found


def test_more_windows_than_networks_were_trained_for_choose_the_naive_forecast() -> None:
    rng = np.random.default_rng(1)
    windows = [window(rng, 10, 300)] + [window(rng, 10, 5) for _ in range(4)]
    one = windows[0]
    only = [PastWindow(w.criterion, w.actual, None, w.naive) for w in windows[1:]]
    assert "poor" in best_mixture([one], IDENTITY)
    assert "poor" not in best_mixture([one, *only], IDENTITY)
    assert fit_floor([one, *only], IDENTITY).share == 0, "the share is decided where there are networks"
    assert fit_floor(only, IDENTITY).share == 0, "without networks nothing is decided"


def test_a_window_that_nobody_foresaw_does_not_decide_alone() -> None:
    rng = np.random.default_rng(1)
    strange = window(rng, 400, 20)
    assert fit_floor([strange, *(window(rng, 5, 20) for _ in range(3))], IDENTITY).share <= 0.25


def test_past_forecasts_are_compared_with_naive_ones_that_the_other_windows_chose() -> None:
    rng = np.random.default_rng(4)
    windows = [window(rng, 10, 20) for _ in range(4)]
    floors = [fit_floor(windows[:k] + windows[k + 1 :], IDENTITY) for k in range(4)]
    better = better_than_naive(windows, floors, IDENTITY)
    assert set(better) == {"wape"}
    assert 0.45 < better["wape"] < 0.6, "half the error, and a little less for the share"
    assert better_than_naive(windows[:1], [fit_floor([], IDENTITY)], IDENTITY) == {}, "no other window, no choice"


# ------------------------------------------------------------------------------------------- in a run


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], tabcli.PrepResult]:  # type: ignore[name-defined]
    """A prep whose networks learn nothing."""
    from tests.conftest import CONFIG

    folder = write_folder(tmp_path_factory.mktemp("poor") / "data", make_tables())
    train = {"epochs": 1, "batch_size": 512, "lr": 1e-6}
    config = {**CONFIG, "forecast": {**CONFIG["forecast"], "floor": "auto"}, "train": train}
    return folder, config, tabcli.prep(config, data=folder, out=folder.parent / "prep")


def test_a_network_that_learned_nothing_leaves_the_forecast_to_the_naive_one(poor: Any, tmp_path: Path) -> None:
    folder, _, prep = poor
    run = tabcli.train(prep, out=tmp_path / "run", refit=True)
    floor = run.run.floor
    assert floor.share == 1.0
    assert floor.gain > 0.5
    assert run.metrics.score <= 1.05 * run.metrics.baseline.score
    assert run.metrics.expected == pytest.approx(np.mean([w.usual for w in run.metrics.windows]))
    columns = ["shop", "day"]
    made = tabcli.predict(tmp_path / "run", data=folder, columns=columns).table
    again = tabcli.predict(run, data=folder, columns=columns).table
    pd.testing.assert_frame_equal(made, again)
    truth = 50.0 * made["shop"].astype(int) * (1 + 0.1 * made["day"].dt.day_of_week)
    open_days = made["units"] > 0
    assert open_days.sum() > 50
    off = (made["units"] / truth)[open_days]
    assert off.between(0.7, 1.6).all(), "levels of shop and weekday, with or without a promotion"


def test_without_a_floor_nothing_stands_beside_the_networks(poor: Any) -> None:
    folder, _, prep = poor
    alone = tabcli.train(prep, overrides=["forecast.floor=off"])
    assert (alone.run.floor.share, alone.run.floor.mixture) == (0.0, {})
    assert alone.metrics.score > 2 * alone.metrics.baseline.score
    assert tabcli.predict(alone, data=folder).table["units"].nunique() > 1


def test_of_many_series_a_sample_decides_and_all_get_their_share(poor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, prep = poor
    monkeypatch.setattr(floors, "MOST_SERIES", 3)
    networks = [np.zeros(len(window_of(prep.prepared, k).scored)) for k in range(3)]
    windows = floors.past_windows(prep.prepared, networks)
    for k, made in enumerate(windows[:3]):
        scored = window_of(prep.prepared, k).scored
        assert made.networks is not None
        assert len(made.actual) == len(made.networks) == (scored["row.series"] % 2 == 0).sum() < len(scored)
    blended_outputs = floors.fit_floors(prep.prepared, prep.prepared.fitted.config, networks).past[0](networks[0])
    assert len(blended_outputs) == len(networks[0])
    assert (blended_outputs > 1).all(), "each series has a naive forecast, those that had no say too"


def test_windows_are_compared_by_what_can_be_forecast_in_all_of_them(
    poor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, prep = poor
    plain, made = floors.naive_of, []

    def with_one_that_needs_a_longer_past(*arguments: Any) -> Any:
        made.append(plain(*arguments))
        return made[-1] | ({"young": made[-1]["the last value"]} if len(made) == 1 else {})

    monkeypatch.setattr(floors, "naive_of", with_one_that_needs_a_longer_past)
    windows = floors.past_windows(prep.prepared, [])
    assert len(windows) > 1
    assert [list(w.naive) for w in windows] == [list(made[0])] * len(windows)


def test_a_flag_of_the_baseline_tells_medians_apart_whether_it_is_a_category_or_a_number(poor: Any) -> None:
    folder, config, prep = poor
    numbers = {
        **config,
        "categorical": [c for c in config["categorical"] if c != "promo"],
        "continuous": [*config["continuous"], "promo"],
    }
    other = tabcli.prep(numbers, data=folder).prepared
    made = []
    for prepared in (prep.prepared, other):
        window = window_of(prepared, 1)
        made.append(floors.naive_of(prepared, window)["the median by dayDayofweek × promo"])
        assert np.abs(made[-1] - window.scored["y"]).mean() < 0.1
    np.testing.assert_array_equal(*made)


def test_a_damaged_floor_is_refused(poor: Any, tmp_path: Path) -> None:
    _, _, prep = poor
    tabcli.train(prep, out=tmp_path / "run")
    assert directories.load_run(tmp_path / "run").floor.share == 1
    file = tmp_path / "run" / "floor.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(tabcli.BundleError):
        directories.load_run(tmp_path / "run")


@examples(25)
@given(st.integers(0, 2**32 - 1), st.floats(1, 40), st.floats(1, 40))
def test_networks_that_learned_from_many_rows_are_trusted_more(seed: int, network: float, naive: float) -> None:
    rng = np.random.default_rng(seed)
    few = [window(rng, network, naive, 40) for _ in range(4)]
    small, large = (fit_floor([replace(w, n_learned=n) for w in few], IDENTITY).share for n in (0, 10**6))
    assert large <= small


def test_of_shares_that_windows_cannot_tell_apart_many_rows_take_the_smallest() -> None:
    found = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        few = [window(rng, 10, 12, 40) for _ in range(3)]
        found.add(tuple(fit_floor([replace(w, n_learned=n) for w in few], IDENTITY).share for n in (0, 10**6)))
    assert (0.5, 0.25) in found
