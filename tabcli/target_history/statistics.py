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

import numpy as np

from tabcli.arrays import BoolArray, Float32Array, IntArray
from tabcli.target_history.grid import Panel, Positions
from tabcli.target_history.rounds import Rounds
from tabcli.target_history.totals import Totalled, in_step
from tabcli.target_history.windows import HistorySpec

ROUNDS = 3
"""So often the statistics of some of all series need totals over all: see `rounds`."""


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
        """The statistics of some of all series, which need totals over all three times: see `totals`."""
        rounds = Rounds(panel, spec)
        totals = yield rounds.first()
        totals = yield rounds.second(totals)
        totals = yield rounds.third(totals)
        return cls(spec, *rounds.last(totals), rounds.first_origin)

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


def _assemble(
    spec: HistorySpec,
    own: tuple[Float32Array, Float32Array, Float32Array],
    of_all: tuple[Float32Array, Float32Array],
    lifts: Float32Array,
    season_known: BoolArray | bool,
    horizon: IntArray | float,
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
