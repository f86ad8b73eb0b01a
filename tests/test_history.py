"""As-of statistics against a naive recomputation, and proof that the future of an origin does not touch them."""

import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabcli.config.features import History as HistoryConfig
from tabcli.features.frequency import Frequency
from tabcli.target_history import rounds, statistics
from tabcli.target_history.grid import Grid, Panel, Positions
from tabcli.target_history.statistics import History, standardised
from tabcli.target_history.totals import in_step, next_sums, total_of, totals_of_arrays, totals_to_arrays, with_totals
from tabcli.target_history.windows import HistorySpec
from tabcli.training.dataset import Dataset, Drawn, DrawnHistory
from tabcli.training.scales import Moments

DAY = 86_400
N_SERIES, N_STEPS, N_CELLS = 4, 60, 3
CONFIG = HistoryConfig.model_validate(
    {
        "windows": ["28d", "14d", "7d"],
        "base": "14d",
        "effects": ["weekday"],
        "effect_window": "28d",
        "recent_effect_window": "14d",
        "season": "21d",
        "columns": ["visitors"],
        "use": ["levels", "effects", "spread", "columns", "chain", "season"],
    }
)
SPEC = HistorySpec.of(CONFIG, DAY, 5, N_CELLS)


def make_panel(seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    y = rng.normal(8, 1, (N_SERIES, 1)) + rng.normal(0, 0.3, (N_SERIES, N_STEPS))
    y[rng.random(y.shape) < 0.2] = np.nan
    y[1, 20:40] = np.nan  # a long closure
    y[3] = np.nan  # a series that has not begun
    cell = np.where(np.isnan(y), -1, rng.integers(0, N_CELLS, y.shape)).astype("int32")
    visitors = y - 2 + rng.normal(0, 0.1, y.shape)
    visitors[0, 5] = np.nan
    return Panel(y.astype("float32"), cell, {"visitors": visitors.astype("float32")})


PANEL = make_panel()
HISTORY = History.of(PANEL, SPEC)


def every_row(steps: range) -> Positions:
    series, step, cell = np.meshgrid(np.arange(-1, N_SERIES), np.array(steps), np.arange(-1, N_CELLS), indexing="ij")
    return Positions(series.ravel(), step.ravel(), cell.ravel())


def naive_level(panel: Panel, o: int) -> dict[str, Any]:
    """Effects and levels of all series at one origin, by loops over the known steps, as the docstring defines them."""
    k, y, cell = SPEC.shrink, panel.y.astype("float64"), panel.cell

    def known(s: int, w: int) -> list[int]:
        return [t for t in range(max(0, o - w), o) if not np.isnan(y[s, t])]

    above: list[list[tuple[float, int]]] = []
    for s in range(N_SERIES):
        steps = known(s, SPEC.effect)
        mean = np.mean([y[s, t] for t in steps]) if steps else 0.0
        of_cells = [[y[s, t] - mean for t in steps if cell[s, t] == c] for c in range(N_CELLS)]
        above.append([(sum(v), len(v)) for v in of_cells])
    effects = np.zeros((N_SERIES, N_CELLS))
    for c in range(N_CELLS):
        n = sum(a[c][1] for a in above)
        everyone = sum(a[c][0] for a in above) / n if n else 0.0
        effects[:, c] = [(a[c][0] + k * everyone) / (a[c][1] + k) for a in above]
    levels: dict[int, Any] = {}
    prior: Any = None
    for w in SPEC.windows:
        rests = [[y[s, t] - effects[s, cell[s, t]] for t in known(s, w)] for s in range(N_SERIES)]
        if prior is None:
            everything = [value for r in rests for value in r]
            prior = np.full(N_SERIES, np.mean(everything) if everything else 0.0)
        levels[w] = np.array([(sum(r) + k * p) / (len(r) + k) for r, p in zip(rests, prior, strict=True)])
        prior = levels[w]
    n_seen = np.array([len(known(s, SPEC.windows[0])) for s in range(N_SERIES)])
    return {"effects": effects, "levels": levels, "n_seen": n_seen}


def mean_of_all(levels: Any, n_seen: Any) -> float:
    """Over the series, each weighed with its observations."""
    return float(np.average(levels, weights=n_seen)) if n_seen.sum() else 0.0


@pytest.mark.parametrize("o", [0, 1, 7, 15, 29, 41, N_STEPS])
def test_levels_and_effects_equal_the_naive_loop(o: int) -> None:
    expected = naive_level(PANEL, o)
    np.testing.assert_allclose(HISTORY.effects[:-1, o, :-1, 0], expected["effects"], atol=2e-6)
    for i, w in enumerate(SPEC.windows):
        np.testing.assert_allclose(HISTORY.levels[:-1, o, i], expected["levels"][w], atol=2e-6)
        of_all = mean_of_all(expected["levels"][w], expected["n_seen"])
        np.testing.assert_allclose(HISTORY.levels[-1, o, i], of_all, atol=2e-6)


def test_the_base_and_the_columns_are_what_the_names_say() -> None:
    rows = Positions(np.array([0, 2]), np.array([50, 52]), np.array([1, 2]))
    origin = np.array([48, 50])
    base, columns = HISTORY.columns(rows, origin)
    named = {name: columns[:, i] for i, name in enumerate(SPEC.names)}
    assert columns.shape == (2, len(SPEC.names))
    for i, (s, d, c, o) in enumerate([(0, 50, 1, 48), (2, 52, 2, 50)]):
        now, before = naive_level(PANEL, o), naive_level(PANEL, o - SPEC.season)
        levels = now["levels"]
        of_all = {w: mean_of_all(levels[w], now["n_seen"]) for w in SPEC.windows}
        assert base[i] == pytest.approx(levels[14][s] - of_all[14] + of_all[28] + now["effects"][s, c], abs=1e-5)
        change = levels[7][s] - levels[14][s] - (of_all[7] - of_all[14])
        assert named["level 7 - 14"][i] == pytest.approx(change, abs=1e-5)
        assert named["all series: level 14 - 28"][i] == pytest.approx(of_all[14] - of_all[28], abs=1e-5)
        assert named["effect"][i] == pytest.approx(now["effects"][s, c], abs=1e-5)
        around = naive_level(PANEL, d - SPEC.season + 7 // 2 + 1)
        assert named["lift 7"][i] == pytest.approx(around["levels"][7][s] - before["levels"][14][s], abs=1e-5)
        n = sum(not np.isnan(PANEL.y[s, t]) for t in range(o - 28, o))
        assert named["observations"][i] == pytest.approx(np.log1p(n), abs=1e-5)
        last = max(t for t in range(o) if not np.isnan(PANEL.y[s, t]))
        assert named["steps since the last"][i] == pytest.approx(np.log1p(o - 1 - last), abs=1e-5)
        assert named["horizon"][i] == pytest.approx((d - o + 1) / 5)


@pytest.mark.parametrize(("n_new", "n_days", "above"), [(2, 2, 1.6), (2, 7, 1.6), (5, 2, -2.3), (1, 1, 5.0)])
def test_what_other_series_do_in_their_first_days_moves_no_series(n_new: int, n_days: int, above: float) -> None:
    """Two rows counted like a year: the base of every other series fell by a tenth."""
    spec = replace(SPEC, windows=(112, 56, 28, 14, 7), base=28, effect=112, recent_effect=56, season=84)
    rng = np.random.default_rng(1)
    y = rng.normal(3.4, 0.1, (8, 200)).astype("float32")
    cell = np.zeros(y.shape, dtype="int32")
    new = np.full((n_new, 200), np.nan, dtype="float32")
    new[:, -n_days:] = 3.4 + above
    spec = replace(spec, others=())
    before = History.of(Panel(y, cell, {}), spec)
    after = History.of(Panel(np.concatenate([y, new]), np.zeros((8 + n_new, 200), dtype="int32"), {}), spec)
    rows = Positions(np.arange(8), np.full(8, 203), np.zeros(8, dtype="int64"))
    origin = np.full(8, 200)
    share = n_new * n_days / (8 * 112)
    moved = np.abs(after.columns(rows, origin)[0] - before.columns(rows, origin)[0])
    assert moved.max() < 2 * share * abs(above)


@settings(max_examples=40, deadline=None)
@given(o=st.integers(0, N_STEPS), seed=st.integers(1, 99))
def test_changing_every_target_after_an_origin_moves_no_statistic_of_it(o: int, seed: int) -> None:
    other = make_panel(seed)

    def spliced(past: Any, future: Any) -> Any:
        return np.concatenate([past[:, :o], future[:, o:]], axis=1)

    changed = Panel(
        spliced(PANEL.y, other.y),
        spliced(PANEL.cell, other.cell),
        {"visitors": spliced(PANEL.others["visitors"], other.others["visitors"])},
    )
    history = History.of(changed, SPEC)
    for name in ("levels", "asof", "effects"):
        before, after = getattr(HISTORY, name)[:, : o + 1], getattr(history, name)[:, : o + 1]
        np.testing.assert_array_equal(before, after)
    rows = every_row(range(max(o, HISTORY.first), max(o, HISTORY.first) + SPEC.horizon))
    if o >= HISTORY.first == history.first:
        origin = np.full(len(rows.step), o)
        for a, b in zip(HISTORY.columns(rows, origin), history.columns(rows, origin), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("o", [20, 45, N_STEPS])
def test_a_snapshot_gives_what_the_whole_history_gives(o: int) -> None:
    rows = every_row(range(o, o + SPEC.horizon))
    whole = HISTORY.columns(rows, np.full(len(rows.step), o))
    for a, b in zip(whole, HISTORY.snapshot(o).columns(rows), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(whole[0]).all()
    seen = ~np.isnan(PANEL.y[:, :o]).all(axis=1)
    known = np.append(seen, False)[rows.series]
    assert np.isfinite(whole[1][known]).all()
    unknown = whole[1][~known]
    own = [SPEC.names.index(name) for name in ("observations", "steps since the last")]
    assert np.isnan(unknown[:, own]).all()
    assert np.isfinite(np.delete(unknown, own, axis=1)).all()


def test_a_snapshot_does_not_depend_on_what_came_after() -> None:
    short = Panel(PANEL.y[:, :45], PANEL.cell[:, :45], {"visitors": PANEL.others["visitors"][:, :45]})
    a, b = HISTORY.snapshot(45), History.of(short, SPEC).snapshot(45)
    for name, values in a.arrays.items():
        np.testing.assert_array_equal(values, b.arrays[name])


def test_an_unknown_series_has_the_statistics_of_all_and_an_average_number_of_observations() -> None:
    one = Positions(np.array([-1]), np.array([50]), np.array([-1]))
    base, columns = HISTORY.columns(one, np.array([49]))
    named = dict(zip(SPEC.names, columns[0], strict=True))
    assert base[0] == pytest.approx(HISTORY.levels[-1, 49, 0])
    assert named["level 7 - 14"] == named["level 14 - 28"] == named["effect"] == 0
    rows = every_row(range(49, 54))
    _, known = HISTORY.columns(rows, np.full(len(rows.step), 49))
    there = known[~np.isnan(known).any(axis=1)]
    mean, std = Moments.of(there, "float64").scale()
    np.testing.assert_allclose(standardised(there, mean, std).mean(0), 0, atol=1e-4)
    scaled = dict(zip(SPEC.names, standardised(columns, mean, std)[0], strict=True))
    assert scaled["observations"] == scaled["steps since the last"] == 0


def test_draws_cover_the_horizon_evenly_and_respect_the_gap() -> None:
    import torch

    rows = Positions(np.zeros(60_000, dtype="int64"), np.full(60_000, 50), np.zeros(60_000, dtype="int64"))
    width = len(SPEC.names)
    past = DrawnHistory(HISTORY, rows, np.zeros(width, dtype="float32"), np.ones(width, dtype="float32"))
    for gap in (0, 2):
        horizon = SPEC.horizon - gap
        nothing = torch.zeros((60_000, 0))
        index = np.arange(60_000)
        columns, _ = Drawn(horizon, gap, past).inputs(nothing, nothing, index, np.random.default_rng(0))
        h, counts = np.unique(np.round(columns.numpy()[:, -1] * SPEC.horizon).astype(int), return_counts=True)
        assert h.tolist() == list(range(gap + 1, gap + horizon + 1))
        assert counts.min() > 0.95 * counts.mean()
    assert (past.origins(np.arange(100), np.full(100, 60)) == HISTORY.first).all(), "none before the first"


def test_batches_gather_the_history_as_of_the_drawn_origins() -> None:
    """Each batch row's columns are those of some origin within the horizon, others in each epoch, same for one seed."""
    series, step = (a.ravel() for a in np.meshgrid(np.arange(3), np.arange(40, 60), indexing="ij"))
    rows = Positions(series, step, np.zeros(60, dtype="int64"))
    mean, std = np.float32([1.0]), np.float32([2.0])
    drawn = Drawn(SPEC.horizon, 0, DrawnHistory(HISTORY, rows, mean, std))
    import torch

    number = torch.arange(60, dtype=torch.int32).unsqueeze(1)
    data = Dataset(number, number.float(), torch.zeros(60), torch.zeros(60), drawn)
    origins: list[list[int]] = []
    for epoch in (1, 2, 1):
        found = []
        for x_cat, x_cont, base, *_ in data.batches(7, 3, epoch):
            for row, numbers, b in zip(x_cat[:, 0].tolist(), x_cont.numpy(), base.numpy(), strict=True):
                assert numbers[0] == row
                o = step[row] + 1 - round((numbers[-1] * 2 + 1) * SPEC.horizon)
                expected_base, expected = HISTORY.columns(rows.take([row]), np.array([o]))
                assert step[row] - SPEC.horizon < o <= step[row]
                np.testing.assert_array_equal(numbers[1:], (expected[0] - mean) / std)
                assert b == expected_base[0]
                found.append(o)
        origins.append(found)
    assert origins[0] == origins[2] != origins[1]


def test_the_grid_places_rows_and_survives_json() -> None:
    import json

    import pandas as pd

    days = pd.Series(pd.to_datetime(["2020-01-06", "2020-01-13", "2020-01-27", "2020-02-03"]))
    known = pd.DataFrame({"week": days, "promo": [0, 1, 0, 1]})
    config = HistoryConfig.model_validate({"windows": ["28d"], "base": "28d", "effects": ["promo"]})
    grid = Grid.fit(known[:3], "week", config, frequency=Frequency(7 * DAY, "s"), horizon=2, known=known)
    assert (grid.n_steps, grid.spec.horizon, grid.spec.windows) == (5, 2, (4,))
    again = Grid.from_state(json.loads(json.dumps(grid.to_state())))
    assert again == grid
    new = pd.DataFrame({"week": pd.to_datetime(["2020-02-10", "2020-01-06"]), "promo": [1, 7]})
    at = again.positions(new, "week", np.array([0, -1]))
    assert at.step.tolist() == [5, 0]
    assert at.cell.tolist() == [1, -1]


# --------------------------------------------------------------------------------- parts of all series


def replayed(parts: list[Any]) -> list[Any]:
    """The totals of parts that are made one after the other, anew for every round."""
    known: list[Any] = []
    while all(sums := [next_sums(make(), known) for make in parts]):
        known.append(total_of(sums[::-1]))
    return known


def part_of(panel: Panel, series: Any) -> Panel:
    return Panel(panel.y[series], panel.cell[series], {name: values[series] for name, values in panel.others.items()})


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(N_SERIES)), st.lists(st.integers(0, N_SERIES), max_size=3), st.integers(0, 5))
def test_no_cut_and_no_order_of_the_series_changes_a_bit(order: list[int], cuts: list[int], seed: int) -> None:
    """Each part's series, and what stands for unknown ones; a part may be empty."""
    panel = make_panel(seed)
    whole = History.of(panel, SPEC)
    parts = [order[a:b] for a, b in pairwise([0, *sorted(cuts), N_SERIES])]
    made = in_step([History.steps(part_of(panel, part), SPEC) for part in parts])
    saved = totals_of_arrays(
        totals_to_arrays(replayed([lambda p=p: History.steps(part_of(panel, p), SPEC) for p in parts]))
    )
    assert len(saved) == statistics.ROUNDS
    alone = [with_totals(History.steps(part_of(panel, part), SPEC), saved) for part in parts]
    for series, history in zip(parts * 2, made + alone, strict=True):
        at = [*series, N_SERIES]
        assert history.first == whole.first
        for name in ("levels", "asof", "effects"):
            assert getattr(history, name).tobytes() == getattr(whole, name)[at].tobytes(), name


def test_totals_are_those_without_rounding_but_for_the_last_of_32_bits() -> None:
    """Large and small numbers, below 0 too, of which a sum in float64 depends on the order."""
    values = np.random.default_rng(0).normal(0, 1, (300, 4)) * np.array([1e9, 1.0, 1e-3, 0.0])

    def part(rows: Any) -> Any:
        totals = yield [values[rows], values[rows] > 0]
        return totals

    together, alone = in_step([part(slice(0, 100)), part(slice(100, 300))]), in_step([part(slice(None))])
    for (total, count), (other, n) in zip(together, alone * 2, strict=True):
        assert total.tobytes() == other.tobytes()
        assert count.tolist() == n.tolist() == (values > 0).sum(0).tolist()
        np.testing.assert_allclose(total, [math.fsum(v) for v in values.T], rtol=1e-15, atol=300 * 2.0**-33)


def test_parts_that_are_made_one_after_the_other_are_never_there_together() -> None:
    """Of any part nothing is kept but its sums: each is made anew for every round, and summands one by one."""
    alive, most = 0, 0

    def part(k: int) -> Any:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        try:
            (total,) = yield (np.full((2, 3), k) for _ in range(1))
            (again,) = yield [np.tile(total, (2, 1)) * k]
            return again
        finally:
            alive -= 1

    known = replayed([lambda k=k: part(k) for k in (1, 2, 3)])
    assert [[t.tolist() for t in totals] for totals in known] == [[[12.0] * 3], [[144.0] * 3]]
    assert most == 1
    assert with_totals(part(2), known).tolist() == [144.0] * 3
    with pytest.raises(ValueError, match="needs further totals"):
        with_totals(part(2), known[:1])


def test_nothing_else_in_the_history_sums_over_series() -> None:
    """A sum over a part's own series would look right and be wrong."""
    sources = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (rounds, statistics)]
    assert not re.search(r"\.(sum|mean|max|min|any|all)\((axis=)?0", "".join(sources))
