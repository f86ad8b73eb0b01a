"""Forecasts of a series from its own past alone: the last value, the last season, exponential smoothing.

All series are followed side by side, a step at a time; what is kept of each is a level, a trend that dies away, and a
value for each place in the season (Hyndman & Athanasopoulos, Forecasting: principles and practice, chapter 8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import product

import numpy as np

from tabcli.arrays import AnyArray, BoolArray, FloatArray, IntArray
from tabcli.floor.known import Known, Places

LEVELS = (0.05, 0.1, 0.2, 0.35, 0.6, 0.9)
TRENDS = ((0.0, 0.0), (0.03, 0.9), (0.1, 0.98))
SEASONS = (0.02, 0.1, 0.3)
"""What is tried for each series: how much of an error moves its level, its trend (and what is left of that a step
later), its season."""

AT_ONCE = 20_000_000
"""So many series × settings × places in the season are followed side by side: 160 MB."""


@dataclass(frozen=True)
class Paths:
    """A forecast for every series: level + trend · (φ + φ² + … + φ^h) + season, for h steps after `end`.

    `level`, `trend`, `damping` (φ): float64 (S,), NaN where a series has no past; `season`: float64 (S, m), by step
    modulo m.
    """

    end: int
    level: FloatArray
    trend: FloatArray
    damping: FloatArray
    season: FloatArray

    def to_arrays(self) -> dict[str, AnyArray]:
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "end": np.array([self.end])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "Paths":
        """Raises `KeyError` where one is missing."""
        return cls(int(arrays["end"][0]), *(arrays[f.name] for f in fields(cls)[1:]))

    def forecast(self, places: Places) -> FloatArray:
        """Rows → the target on its learned scale, float64 (n,), NaN for unknown series and those without a past."""
        of = np.where(places.series < 0, 0, places.series)
        ahead = np.maximum(places.step - self.end, 1).astype("float64")
        phi = self.damping[of]
        near_one = np.isclose(phi, 1.0)
        safe = np.where(near_one, 0.5, phi)
        passed = np.where(near_one, ahead, safe * (1 - safe**ahead) / (1 - safe))
        season = self.season[of, places.step % self.season.shape[1]]
        forecast = self.level[of] + self.trend[of] * passed + season
        return np.where(places.series < 0, np.nan, forecast)


def last_value(known: Known) -> Paths:
    """Each series goes on as it ended."""
    level = _last(known.panel())
    zero = np.zeros_like(level)
    return Paths(known.end, level, zero, zero, zero[:, None])


def last_season(known: Known, length: int, *, drift: bool = False) -> Paths:
    """Each series repeats its last season of `length` steps; with `drift` it goes on growing as it did for a season."""
    panel = known.panel()
    n_series, n_steps = panel.shape
    pad = -n_steps % length
    seasons = np.pad(panel, ((0, 0), (pad, 0)), constant_values=np.nan).reshape(n_series, -1, length)
    newest = _last(seasons.swapaxes(1, 2).reshape(n_series * length, -1)).reshape(n_series, length)
    level = _last(panel)
    newest = np.where(np.isnan(newest), level[:, None], newest)
    season = np.roll(newest, (known.end + 1) % length, axis=1)
    trend = np.zeros(n_series)
    if drift and seasons.shape[1] > 1:
        grown = seasons[:, -1] - seasons[:, -2]
        there = np.isfinite(grown)
        trend = np.where(there, grown, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1) / length
        season = season + trend[:, None] * (
            (known.end - np.arange(length)) % length
        )  # a place's value is so many steps old
    return Paths(known.end, np.zeros(n_series), trend, np.ones(n_series), season)


SEVERAL = 4
"""Of so many seasons the middle is taken: one holiday among them moves it no more."""


def usual_season(known: Known, length: int) -> Paths:
    """Each series repeats the median of its last `SEVERAL` seasons of `length` steps, place by place."""
    panel = known.panel()[:, -SEVERAL * length :]
    pad = -panel.shape[1] % length
    seasons = np.pad(panel, ((0, 0), (pad, 0)), constant_values=np.nan).reshape(len(panel), -1, length)
    there = np.isfinite(seasons).any(axis=1)
    middle = np.full(there.shape, np.nan)
    middle[there] = np.nanmedian(seasons.swapaxes(1, 2)[there], axis=1)
    level = _last(known.panel())
    season = np.roll(np.where(there, middle, level[:, None]), (known.end + 1) % length, axis=1)
    zero = np.zeros(len(panel))
    return Paths(known.end, zero, zero, zero, season)


def _last(panel: FloatArray) -> FloatArray:
    """The last value of each row that is not NaN, float64 (S,)."""
    there = np.isfinite(panel)
    place = panel.shape[1] - 1 - np.argmax(there[:, ::-1], axis=1)
    return np.where(there.any(axis=1), panel[np.arange(len(panel)), place], np.nan)


@dataclass(frozen=True)
class _Settings:
    """Settings side by side, float64 (G,) each; `seasonal`: whether there is a season; `size`: how many numbers."""

    level: FloatArray
    trend: FloatArray
    damping: FloatArray
    season: FloatArray
    seasonal: BoolArray
    size: FloatArray

    @classmethod
    def grid(cls, length: int) -> "_Settings":
        seasons: list[tuple[float, bool]] = [(0.0, False)]
        if length > 1:
            seasons += [(s, True) for s in SEASONS]
        rows = [(a, b, phi, g, s) for a, (b, phi), (g, s) in product(LEVELS, TRENDS, seasons)]
        level, trend, damping, season, seasonal = (np.array(c) for c in zip(*rows, strict=True))
        size = 2.0 + 2 * (trend > 0) + length * seasonal
        return cls(level, trend, damping, season, seasonal.astype(bool), size)


def smoothing(known: Known, length: int) -> Paths:
    """Exponential smoothing with a damped trend and a season of `length` steps (1: none), each where it helps.

    Settings are chosen for each series by the corrected Akaike criterion of its one-step errors.
    """
    panel, settings = known.panel(), _Settings.grid(length)
    size = max(1, AT_ONCE // (len(settings.level) * length))
    first = known.end - panel.shape[1] + 1
    parts = [_smooth(panel[i : i + size], settings, length, first) for i in range(0, len(panel), size)]
    level, trend, damping, season = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Paths(known.end, level, trend, damping, season)


def _smooth(
    panel: FloatArray, settings: _Settings, length: int, first: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Level, trend, damping and season of each series at the end of its past, by the settings that suit it best."""
    n_series, n_steps = panel.shape
    begin_level, begin_season = _beginning(panel, length)
    level = np.repeat(begin_level[None], len(settings.level), axis=0)
    trend = np.zeros_like(level)
    season = np.where(settings.seasonal[:, None, None], begin_season[None], 0.0)
    squares, counts = np.zeros_like(level), np.zeros(n_series)
    by_level, by_trend, by_season, phi = (
        v[:, None] for v in (settings.level, settings.trend, settings.season, settings.damping)
    )
    for t in range(n_steps):
        place = t % length
        y = panel[:, t]
        there = np.isfinite(y)
        counts += there
        ahead = level + phi * trend
        error = np.where(there, y - ahead - season[:, :, place], 0.0)
        squares += error**2
        level = ahead + by_level * error
        trend = phi * trend + by_level * by_trend * error
        season[:, :, place] += by_season * error
    best = np.argmin(_criterion(squares, counts, settings), axis=0)
    every = np.arange(n_series)
    chosen = np.roll(season[best, every], first % length, axis=1)
    return level[best, every], trend[best, every], settings.damping[best], chosen


def _criterion(squares: FloatArray, counts: FloatArray, settings: _Settings) -> FloatArray:
    """AICc of each setting and series, float64 (G, S); infinite where a series has too few values for it."""
    size = settings.size[:, None]
    left = counts - size - 1
    mean = np.maximum(squares / np.maximum(counts, 1), 1e-12)
    criterion = counts * np.log(mean) + 2 * size + 2 * size * (size + 1) / np.maximum(left, 1e-9)
    plain = ~settings.seasonal[:, None] & (settings.trend[:, None] == 0)
    result: FloatArray = np.where((left > 0) | plain, np.minimum(criterion, 1e300), np.inf)
    return result


def _beginning(panel: FloatArray, length: int) -> tuple[FloatArray, FloatArray]:
    """The level at the beginning of each series (S,), and its season (S, length): means of up to three seasons."""
    there = np.isfinite(panel)
    start = np.argmax(there, axis=1)
    order = np.cumsum(there, axis=1)
    early = there & (order <= max(length, 3))
    level = np.where(early, panel, 0).sum(axis=1) / np.maximum(early.sum(axis=1), 1)
    level = np.where(there.any(axis=1), level, np.nan)
    season = np.zeros((len(panel), length))
    if length == 1:
        return level, season
    steps: IntArray = np.arange(panel.shape[1])
    used = there & (steps - start[:, None] < 3 * length)
    block = np.where(used, (steps - start[:, None]) // length, -1)
    for i in range(3):
        inside = block == i
        full = inside.sum(axis=1) >= max(2, length // 2)
        mean = np.where(inside, panel, 0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
        centred = np.where(inside & full[:, None], panel - mean[:, None], np.nan)
        for place in range(length):
            values = centred[:, place::length]
            season[:, place] += np.where(np.isfinite(values), values, 0).sum(axis=1)
    times = np.stack([(used[:, p::length]).sum(axis=1) for p in range(length)], axis=1)
    return level, season / np.maximum(times, 1)
