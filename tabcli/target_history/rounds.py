"""The statistics of some of all series, in three rounds: each says its summands, and goes on with totals over all.

round 1   what each cell lies above its series' mean            → the effects of all series
round 2   recent effects, the longest level, squares, others    → what these are shrunk to
round 3   levels and the statistics as of each origin           → those of all series, for unknown ones

Summands are made when they are taken, one array after the other, so that no more than one lies in memory beside what
is kept; what a round makes beside them is made with the next one at the latest. The formulas are those of `statistics`.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, Float32Array, FloatArray
from tabcli.target_history.grid import Panel
from tabcli.target_history.windows import HistorySpec

Array = NDArray[np.float64]


def _running(values: AnyArray) -> Array:
    """Values (S, T) → sums over all steps before each origin, (S, T + 1)."""
    out = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


def _window(running: Array, w: int) -> Array:
    """Running sums (S, T + 1) → sums over the last w known steps at each origin."""
    out = running.copy()
    out[:, w:] -= running[:, :-w] if w < running.shape[1] else 0
    return out


def _ratio(total: AnyArray, n: AnyArray) -> Array:
    """total / n, 0 where n is 0."""
    result: Array = np.divide(total, n, out=np.zeros(np.shape(total)), where=np.asarray(n) > 0)
    return result


def _ratios(totals: Sequence[FloatArray]) -> list[Array]:
    """The means whose totals, of values and of weights, stand in turn."""
    return [_ratio(total, n) for total, n in zip(totals[::2], totals[1::2], strict=True)]


def _weighted(values: Array, n: Array) -> list[AnyArray]:
    """The summands of a mean over the series at each origin, weighted with their numbers of observations n.

    So a series that began the day before moves the mean by no more than its one row.
    """
    return [values * n, n]


class Rounds:
    """What is kept of a part's S series between the rounds. The last series stands for unknown ones, see `History`."""

    def __init__(self, panel: Panel, spec: HistorySpec) -> None:
        self.panel, self.spec = panel, spec
        n_series, n_steps = panel.y.shape
        self.seen = ~np.isnan(panel.y)
        self.y = np.where(self.seen, panel.y, 0.0).astype("float64")
        n, total, squares = _running(self.seen), _running(self.y), _running(self.y * self.y)
        self.mean = _ratio(_window(total, spec.effect), _window(n, spec.effect))
        self.longest, self.spread_window = spec.windows[0], spec.windows[min(len(spec.windows) - 1, 1)]
        self.counts = {w: _window(n, w) for w in spec.windows}
        self.sums = {w: _window(total, w) for w in spec.windows}
        self.squares = _window(squares, self.spread_window)
        self.effects = np.zeros((n_series + 1, n_steps + 1, spec.n_cells + 1, 2), dtype="float32")
        self.levels = np.empty((n_series + 1, n_steps + 1, len(spec.windows)))
        self.asof = np.empty(0)
        self.first_origin = 0
        self._open: Iterator[AnyArray] = iter(())

    def first(self) -> Iterator[AnyArray]:
        """Which steps were seen; of each cell what it lies above the mean, and its number of observations."""
        return chain([self.seen], (array for c in range(self.spec.n_cells) for array in self._above(c, *self._cell(c))))

    def _cell(self, c: int) -> tuple[Array, Array]:
        """Number and total of a cell's observations before each origin."""
        here = self.panel.cell == c
        return _running(self.seen & here), _running(np.where(here, self.y, 0.0))

    def _above(self, c: int, n: Array, total: Array) -> tuple[Array, Array]:
        long_n = _window(n, self.spec.effect)
        return _window(total, self.spec.effect) - long_n * self.mean, long_n

    def second(self, totals: Sequence[FloatArray]) -> Iterator[AnyArray]:
        """Of each cell recent effects; the longest level, squares, the levels of other columns."""
        return self._after(self._effects(totals))

    def third(self, totals: Sequence[FloatArray]) -> Iterator[AnyArray]:
        """Levels, and what is known as of each origin."""
        return self._after(self._levels(totals))

    def _after(self, summands: Iterator[AnyArray]) -> Iterator[AnyArray]:
        """The summands of a round, when what nobody took of the round before is made."""
        for _ in self._open:
            pass
        self._open = summands
        return summands

    def _effects(self, totals: Sequence[FloatArray]) -> Iterator[AnyArray]:
        """The effects of the cells are made, and the sums are freed of them."""
        spec, widths = self.spec, self.spec.windows
        self.first_origin = _first_origin(totals[0] > 0, spec.base)
        for c, everyone in enumerate(_ratios(totals[1:])):
            n_c, total_c = self._cell(c)
            above, long_n = self._above(c, n_c, total_c)
            effect = (above + spec.shrink * everyone) / (long_n + spec.shrink)
            short_n = _window(n_c, spec.recent_effect)
            recent = (_window(total_c, spec.recent_effect) - short_n * self.mean + spec.shrink * effect) / (
                short_n + spec.shrink
            )
            self.effects[:-1, :, c, 0], self.effects[:-1, :, c, 1] = effect, recent - effect
            self.effects[-1, :, c, 0] = everyone
            yield from _weighted(recent - effect, short_n)
            for w in widths:
                self.sums[w] -= _window(n_c, w) * effect
            w = self.spread_window
            self.squares += effect * (_window(n_c, w) * effect - 2 * _window(total_c, w))
        sums, counts = self.sums, self.counts
        yield from _weighted(_ratio(sums[self.longest], counts[self.longest]), counts[self.longest])
        w = self.spread_window
        self.squares = np.maximum(self.squares - _ratio(sums[w] * sums[w], counts[w]), 0)
        yield from (self.squares, counts[w])
        for name in spec.others:
            n, total = _of_other(self.panel.others[name])
            yield from _weighted(_ratio(_window(total, self.longest), _window(n, self.longest)), n)

    def _levels(self, totals: Sequence[FloatArray]) -> Iterator[AnyArray]:
        """Levels, each shrunk towards the next longer window's, the longest towards the mean of all series; `asof`."""
        spec, means = self.spec, iter(_ratios(totals))
        for c in range(spec.n_cells):
            self.effects[-1, :, c, 1] = next(means)
        prior, squares = next(means), next(means)
        own = self.levels[:-1]
        for i, w in enumerate(spec.windows):
            own[:, :, i] = (self.sums[w] + spec.shrink * prior) / (self.counts[w] + spec.shrink)
            prior = own[:, :, i]
            yield from _weighted(prior, self.counts[self.longest])
        columns = [self._spread(squares), np.log1p(self.counts[self.longest]), np.log1p(_steps_since_last(self.seen))]
        for name, everyone in zip(spec.others, means, strict=True):
            columns += self._other_levels(self.panel.others[name], everyone)
        self.asof = np.stack(columns, axis=-1)
        yield from _weighted(self.asof, self.counts[self.longest][..., None])

    def last(self, totals: Sequence[FloatArray]) -> tuple[Float32Array, Float32Array, Float32Array]:
        """`levels`, `asof` and `effects` of a `History`."""
        self._after(iter(()))
        *levels, asof = _ratios(totals)
        self.levels[-1] = np.stack(levels, axis=-1)
        asof[:, 1] = 0  # no observations of its own
        both = np.concatenate([self.asof, asof[None]])
        return self.levels.astype("float32"), both.astype("float32"), self.effects

    def _spread(self, everyone: Array) -> Array:
        """The log of the standard deviation of Y − e in a window, (S, T + 1), shrunk to that of all."""
        shrink, n = self.spec.shrink, self.counts[self.spread_window]
        result: Array = np.log(np.sqrt((self.squares + shrink * everyone) / (n + shrink)) + 1e-3)
        return result

    def _other_levels(self, values: Float32Array, everyone: Array) -> list[Array]:
        """Two statistics of a past-only column (S, T), (S, T + 1) each: its level in the longest window less the
        target's there, and its base level less that of the longest window.
        """
        spec = self.spec
        n, total = _of_other(values)
        means, prior = [], everyone
        for w in (self.longest, spec.base):
            prior = (_window(total, w) + spec.shrink * prior) / (_window(n, w) + spec.shrink)
            means.append(prior)
        return [means[0] - self.levels[:-1, :, 0], means[1] - means[0]]


def _of_other(values: Float32Array) -> tuple[Array, Array]:
    """Number and total of a past-only column's observations before each origin."""
    seen = ~np.isnan(values)
    return _running(seen), _running(np.where(seen, values, 0.0))


def _steps_since_last(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many steps before each origin the last observation lies, int64 (S, T + 1): 0 for the step just before.

    Where there was none yet, the origin itself.
    """
    n_series, n_steps = seen.shape
    last = np.zeros((n_series, n_steps + 1), dtype="int64")
    np.maximum.accumulate(np.where(seen, np.arange(1, n_steps + 1), 0), axis=1, out=last[:, 1:])
    age: NDArray[np.int64] = np.arange(n_steps + 1) - last
    return age


def _first_origin(seen: NDArray[np.bool_], base: int) -> int:
    """The first origin that lies a base window after the first step at which a series was seen; `seen`: (T,)."""
    steps = np.flatnonzero(seen)
    first: int = int(steps[0]) if len(steps) else 0
    return first + base
