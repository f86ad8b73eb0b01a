"""Exponential smoothing of each series by itself.

All series are updated side by side, a step at a time. Each has a level, a damped trend and a value for each place in
the season (Hyndman & Athanasopoulos, Forecasting: principles and practice, chapter 8).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.floor.known import Known
from tabcli.floor.paths import Paths

LEVELS = (0.05, 0.1, 0.2, 0.35, 0.6, 0.9)
TRENDS = ((0.0, 0.0), (0.03, 0.9), (0.1, 0.98))
SEASONS = (0.02, 0.1, 0.3)
"""The settings tried for each series: the share of an error that moves its level, its trend (and the trend's damping),
its season."""

AT_ONCE = 20_000_000
"""How many series × settings × places in the season are updated at once: 160 MB."""


@dataclass(frozen=True)
class _Settings:
    """G settings side by side, float64 (G,) each; `seasonal`: whether there is a season; `size`: of fitted numbers."""

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
