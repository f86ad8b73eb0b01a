"""The target's own past as inputs: statistics as of an origin, which lies as far back in training as in a forecast.

A row of step d is forecast as of an origin o: the steps 0 … o − 1 are known, and it lies h = d − o + 1 ≥ 1 steps ahead.

    step      0  1  2  3  4  5  6  7  8  9
    known     ■  ■  ■  ■  ■  ■ │                 o = 6: the steps before 6 are known
    to forecast                      ×           d = 8, so h = 3

A training row draws h anew in each epoch (`History.columns`); a row to forecast has the one origin that the run knows
(`Snapshot.columns`). With Y the target on its learned scale, e the effect of the row's cell (a combination such as
weekday × promotion), sums over the known steps of one series within a window w, n their number, and k the shrinkage:

    effect   e[c] = (Σ_c (Y − mean Y) + k·g[c]) / (n_c + k)      g[c]: the same over all series
    level    L[w] = (Σ (Y − e) + k·L[next longer w]) / (n + k)   the longest is shrunk to the mean of all series,
                                                                 each weighted with its n
    base     L[base window] + e[cell of the row], with the mean L[base window] of all series replaced by their longest
    lift     L[w] one season before d, around it, − L[base window] one season before o

S series, T steps, C cells; an origin is a number from 0 (nothing known) to T (all steps known).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, Float32Array, IntArray
from tabcli.target_history.grid import Panel, Positions
from tabcli.target_history.totals import Totalled, in_step
from tabcli.target_history.windows import HistorySpec

# --------------------------------------------------------------------------------------- statistics


def _running(values: AnyArray) -> NDArray[np.float64]:
    """Values (S, T) → sums over all steps before each origin, (S, T + 1)."""
    out = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


def _window(running: NDArray[np.float64], w: int) -> NDArray[np.float64]:
    """Running sums (S, T + 1) → sums over the last w known steps at each origin."""
    out = running.copy()
    out[:, w:] -= running[:, :-w] if w < running.shape[1] else 0
    return out


def _ratio(total: AnyArray, n: AnyArray) -> NDArray[np.float64]:
    """total / n, 0 where n is 0."""
    result: NDArray[np.float64] = np.divide(total, n, out=np.zeros(np.shape(total)), where=np.asarray(n) > 0)
    return result


def _mean_of_series(values: NDArray[np.float64], n: NDArray[np.float64]) -> Totalled[NDArray[np.float64]]:
    """The mean over the series at each origin, (T + 1, …), weighted with their numbers of observations n (S, T + 1, …).

    So a series that began the day before moves the mean by no more than its one row.
    """
    return _ratio(*(yield [values * n, n]))


@dataclass(frozen=True)
class History:
    """The statistics at every origin. The last series stands for unknown series, the last cell for unknown cells.

    `levels`: float32 (S + 1, T + 1, n_windows). `asof`: float32 (S + 1, T + 1, k): spread, log(1 + observations),
    log(1 + steps since the last), then two for each of `spec.others`. `effects`: float32 (S + 1, T + 1, C + 1, 2):
    effect, and recent effect less effect. `first`: the first origin that has a base window of steps before it.
    """

    spec: HistorySpec
    levels: Float32Array
    asof: Float32Array
    effects: Float32Array
    first: int

    @classmethod
    def of(cls, panel: Panel, spec: HistorySpec) -> "History":
        """The statistics of a panel, each from the steps before its origin alone. Memory grows with S · T · C."""
        return in_step([cls.steps(panel, spec)])[0]

    @classmethod
    def steps(cls, panel: Panel, spec: HistorySpec) -> "Totalled[History]":
        """The statistics of some of all series; `in_step` makes those of several parts together."""
        n_series, n_steps = panel.y.shape
        seen = ~np.isnan(panel.y)
        y = np.where(seen, panel.y, 0.0).astype("float64")
        n, total, squares = _running(seen), _running(y), _running(y * y)
        mean = _ratio(_window(total, spec.effect), _window(n, spec.effect))
        widths = spec.windows
        spread_window = widths[min(len(widths) - 1, 1)]
        effects = np.zeros((n_series + 1, n_steps + 1, spec.n_cells + 1, 2), dtype="float32")
        sums = {w: _window(total, w) for w in widths}
        deviation = _window(squares, spread_window)
        for c in range(spec.n_cells):
            here = panel.cell == c
            n_c, total_c = _running(seen & here), _running(np.where(here, y, 0.0))
            long_n, long_total = _window(n_c, spec.effect), _window(total_c, spec.effect)
            above = long_total - long_n * mean
            everyone = _ratio(*(yield [above, long_n]))
            effect = (above + spec.shrink * everyone) / (long_n + spec.shrink)
            short_n = _window(n_c, spec.recent_effect)
            recent = (_window(total_c, spec.recent_effect) - short_n * mean + spec.shrink * effect) / (
                short_n + spec.shrink
            )
            effects[:-1, :, c, 0], effects[:-1, :, c, 1] = effect, recent - effect
            effects[-1, :, c, 0] = everyone
            effects[-1, :, c, 1] = yield from _mean_of_series(recent - effect, short_n)
            for w in widths:
                sums[w] -= _window(n_c, w) * effect
            deviation += effect * (_window(n_c, spread_window) * effect - 2 * _window(total_c, spread_window))
        counts = {w: _window(n, w) for w in widths}
        levels = yield from _shrunk_levels(sums, counts, spec)
        spread = yield from _spread(deviation, sums[spread_window], counts[spread_window], spec.shrink)
        age = _steps_since_last(seen)
        columns = [spread, np.log1p(counts[widths[0]]), np.log1p(age)]
        for name in spec.others:
            columns += yield from _other_levels(panel.others[name], levels[:-1, :, 0], spec)
        asof = np.stack(columns, axis=-1)
        average = yield from _mean_of_series(asof, counts[widths[0]][..., None])
        average[:, 1] = 0  # no observations of its own
        asof = np.concatenate([asof, average[None]]).astype("float32")
        (any_seen,) = yield [seen]
        return cls(spec, levels.astype("float32"), asof, effects, _first_origin(any_seen > 0, spec.base))

    @property
    def n_steps(self) -> int:
        """T, which is also the last origin."""
        return int(self.levels.shape[1]) - 1

    def columns(self, rows: Positions, origin: IntArray) -> tuple[Float32Array, Float32Array]:
        """Base (n,) and columns (n, len(spec.names)) of n rows, float32, each as of its own origin, int64 (n,)."""
        spec, step = self.spec, rows.step
        series = np.where(self.asof[rows.series, origin, 1] > 0, rows.series, -1)  # none observed: as if unknown
        back = origin - spec.season
        known = back >= self.first
        reference = self.levels[series, np.maximum(back, 0)]
        around = [
            self.levels[series, np.clip(step - spec.season + w // 2 + 1, 0, origin), spec.windows.index(w)]
            for w in spec.season_windows
        ]
        of_all = self.levels[-1]
        around_all = [
            of_all[np.clip(step - spec.season + w // 2 + 1, 0, origin), spec.windows.index(w)]
            for w in spec.season_windows
        ]
        i = spec.windows.index(spec.base)
        lifts = [a - reference[:, i] for a in around] + [a - of_all[np.maximum(back, 0), i] for a in around_all]
        return _assemble(
            spec,
            (self.levels[series, origin], self.asof[series, origin], self.effects[series, origin, rows.cell]),
            (of_all[origin], self.asof[-1][origin]),
            np.stack(lifts, axis=1) * known[:, None] if lifts else np.empty((len(step), 0), dtype="float32"),
            known,
            step - origin + 1,
        )

    def snapshot(self, origin: int) -> "Snapshot":
        """The statistics as of one origin, for the steps of the horizon after it: what a forecast needs."""
        spec, n = self.spec, self.levels.shape[0]
        back = origin - spec.season
        i = spec.windows.index(spec.base)
        lifts = np.zeros((n, spec.horizon, len(spec.season_windows)), dtype="float32")
        steps = origin + np.arange(spec.horizon)
        for j, w in enumerate(spec.season_windows):
            at = np.clip(steps - spec.season + w // 2 + 1, 0, origin)
            lifts[:, :, j] = self.levels[:, at, spec.windows.index(w)] - self.levels[:, [max(back, 0)], i]
        known = back >= self.first
        arrays = {
            "levels": self.levels[:, origin],
            "asof": self.asof[:, origin],
            "effects": self.effects[:, origin],
            "lifts": lifts * np.float32(known),
        }
        return Snapshot(spec, origin, known, {k: np.ascontiguousarray(v) for k, v in arrays.items()})


def _shrunk_levels(
    sums: dict[int, NDArray[np.float64]], counts: dict[int, NDArray[np.float64]], spec: HistorySpec
) -> Totalled[NDArray[np.float64]]:
    """Sums and counts by window → levels (S + 1, T + 1, n_windows), each shrunk towards the next longer window's.

    The longest is shrunk towards the mean of all series.
    """
    longest = spec.windows[0]
    n_series, n_origins = counts[longest].shape
    levels = np.empty((n_series + 1, n_origins, len(spec.windows)))
    prior: Any = yield from _mean_of_series(_ratio(sums[longest], counts[longest]), counts[longest])
    for i, w in enumerate(spec.windows):
        levels[:-1, :, i] = (sums[w] + spec.shrink * prior) / (counts[w] + spec.shrink)
        levels[-1, :, i] = yield from _mean_of_series(levels[:-1, :, i], counts[longest])
        prior = levels[:-1, :, i]
    return levels


def _spread(
    deviation: NDArray[np.float64], total: NDArray[np.float64], n: NDArray[np.float64], shrink: float
) -> Totalled[NDArray[np.float64]]:
    """The log of the standard deviation of Y − e within a window, (S, T + 1); variances are shrunk to all series'."""
    squares = np.maximum(deviation - _ratio(total * total, n), 0)
    everyone = _ratio(*(yield [squares, n]))
    result: NDArray[np.float64] = np.log(np.sqrt((squares + shrink * everyone) / (n + shrink)) + 1e-3)
    return result


def _steps_since_last(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many steps before each origin the last observation lies, int64 (S, T + 1): 0 for the step just before.

    Where there was none yet, the origin itself.
    """
    n_series, n_steps = seen.shape
    last = np.zeros((n_series, n_steps + 1), dtype="int64")
    np.maximum.accumulate(np.where(seen, np.arange(1, n_steps + 1), 0), axis=1, out=last[:, 1:])
    age: NDArray[np.int64] = np.arange(n_steps + 1) - last
    return age


def _other_levels(
    values: Float32Array, level: NDArray[np.float64], spec: HistorySpec
) -> Totalled[list[NDArray[np.float64]]]:
    """Two statistics of a past-only column (S, T): its level in the longest window less the target's `level` there, and
    its base level less that of the longest window; (S, T + 1) each.
    """
    seen = ~np.isnan(values)
    n, total = _running(seen), _running(np.where(seen, values, 0.0))
    means = []
    prior: Any = yield from _mean_of_series(_ratio(_window(total, spec.windows[0]), _window(n, spec.windows[0])), n)
    for w in (spec.windows[0], spec.base):
        prior = (_window(total, w) + spec.shrink * prior) / (_window(n, w) + spec.shrink)
        means.append(prior)
    return [means[0] - level, means[1] - means[0]]


def _first_origin(seen: NDArray[np.bool_], base: int) -> int:
    """The first origin that lies a base window after the first step at which a series was seen; `seen`: (T,)."""
    steps = np.flatnonzero(seen)
    first: int = int(steps[0]) if len(steps) else 0
    return first + base


def _assemble(
    spec: HistorySpec,
    own: tuple[Float32Array, Float32Array, Float32Array],
    of_all: tuple[Float32Array, Float32Array],
    lifts: Float32Array,
    season_known: Any,
    horizon: Any,
) -> tuple[Float32Array, Float32Array]:
    """Base (n,) and columns (n, k), in the order of `spec.names`, of n rows.

    `own`: levels, asof and effects of the rows' series; `of_all`: levels and asof of all series; each (n, …). Levels
    are the series' less those of all series, whose movement is left to the calendar (and to the part *chain*). A series
    without observations has the statistics of all series, and NaN for its observations and the steps since the last.
    """
    levels, asof, effect = own
    all_levels, all_asof = of_all
    n, at = len(levels), spec.windows.index(spec.base)
    base: Float32Array = levels[:, at] - all_levels[..., at] + all_levels[..., 0] + effect[:, 0]
    relative = levels - all_levels
    shorter = np.broadcast_to(all_levels[..., 1:] - all_levels[..., :-1], (n, len(spec.windows) - 1))
    known = np.broadcast_to(np.asarray(season_known, dtype="float32").reshape(-1, 1), (n, 1))
    parts = {
        "levels": [relative[:, 1:] - relative[:, :-1], np.where(asof[:, 1:2] > 0, asof[:, 1:3], np.nan)],
        "spread": [asof[:, :1]],
        "columns": [asof[:, 3:] - all_asof[..., 3:]],
        "effects": [effect],
        "chain": [shorter],
        "season": [lifts, known],
    }
    columns = [column for part, several in parts.items() if part in spec.use for column in several]
    ahead = (np.asarray(horizon, dtype="float32") / spec.horizon).reshape(-1, 1)
    return base, np.concatenate([*columns, ahead], axis=1, dtype="float32")


def scale_of(columns: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Mean and standard deviation of columns (n, k) over the rows without NaN, float32 (k,) each."""
    known = columns[~np.isnan(columns).any(axis=1)]
    mean, std = known.mean(axis=0, dtype="float64"), known.std(axis=0, dtype="float64")
    return mean.astype("float32"), np.where(std > 1e-6, std, 1.0).astype("float32")


def standardised(columns: Float32Array, mean: Float32Array, std: Float32Array) -> Float32Array:
    """Columns (n, k), normalised with the training rows' mean and standard deviation (k,); NaN becomes the average, 0.

    Otherwise series without a past would have inputs far outside the training range.
    """
    scaled: Float32Array = (columns - mean) / std
    scaled[np.isnan(scaled)] = 0.0
    return scaled


@dataclass(frozen=True)
class Snapshot:
    """The statistics as of one origin.

    `arrays`: *levels*, *asof* and *effects* as in `History`, without the axis of origins; *lifts*, float32 (S + 1,
    horizon, n_season_windows); and in a run *mean* and *std* of the columns over the training rows.
    `season_known`: whether a whole season and a base window lie before the origin.
    """

    spec: HistorySpec
    origin: int
    season_known: bool
    arrays: dict[str, Float32Array]

    def columns(self, rows: Positions) -> tuple[Float32Array, Float32Array]:
        """As `History.columns`, as of this origin. Steps after the horizon are taken as its last step."""
        ahead = np.clip(rows.step - self.origin, 0, self.spec.horizon - 1)
        a = self.arrays
        series = np.where(a["asof"][rows.series, 1] > 0, rows.series, -1)
        lifts = np.concatenate([a["lifts"][series, ahead], a["lifts"][-1][ahead]], axis=1)
        return _assemble(
            self.spec,
            (a["levels"][series], a["asof"][series], a["effects"][series, rows.cell]),
            (a["levels"][-1], a["asof"][-1]),
            lifts,
            self.season_known,
            ahead + 1,
        )
