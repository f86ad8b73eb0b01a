"""How widely what happens scatters around a forecast, told by the errors of past windows.

    error of a row  =  median error of its window  +  scale of its place · standardised error

The median error of a window is common to all series and changes from window to window, so it widens the scatter but
does not shift it (a shift by the mean of four windows costs 1 % of the pinball loss: docs/uncertainty.md), unless all
windows agree in it beyond doubt, as where networks learned a mean of skewed errors, or another quantile. The scale of a
place is a product of factors: how errors grow with the steps ahead, the place in the season (Sundays), and the series.
Each factor is shrunk towards 1 by how many dates speak for it, so that little data give one scale for all. The
standardised errors of all rows together then have the quantiles that are wanted, with the correction of split conformal
prediction for a finite sample (Vovk et al. 2005; Lei et al. 2018). Not rows are counted for it but the independent
errors that they are worth, since series err together on a date: as many as there are dates where all of the error is
common to a date, and as many as there are rows where nothing is (the design effect, Kish 1965). Before all that, the
errors of windows whose networks had learned from less are made smaller (see `experience`), and those of times of the
year that are always uncertain (see `time_of_year`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.evaluation.experience import Learned

SERIES_PRIOR = 50.0
"""A series' own scale counts by half where so many dates speak for it."""

SEASON_PRIOR = 10.0
"""The same of a place in the season, for which all series speak."""

NEW = 1.5
"""How much wider rows scatter of which the network does not know the series or a value."""

MOST_GROWTH, LEAST_BEYOND = 0.6, 0.5
"""The largest exponent of the steps ahead, and the least beyond the horizon: 0.5 is that of a random walk."""

SURE = 8.0
"""A shift of all bounds needs so many standard errors: windows often lean to one side, and the next to the other."""

OUTLIER = 12.0
"""Larger errors, in medians of their sizes, count as so large where scales are found."""

TINY = 1e-12


@dataclass(frozen=True)
class RowPlaces:
    """What n rows are, int64 (n,) each.

    `series`: its number, −1 for one that training never saw. `season`: the place in the season, from 0 on. `ahead`: how
    many steps after the cutoff, from 1 on. `factor`: how much wider they scatter than that for what these do not tell,
    such as the time of year, float64 (n,); None: 1.
    """

    series: IntArray
    season: IntArray
    ahead: IntArray
    factor: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.series)

    def take(self, index: BoolArray) -> "RowPlaces":
        """The rows where `index`, (n,), is true."""
        factor = None if self.factor is None else self.factor[index]
        return RowPlaces(self.series[index], self.season[index], self.ahead[index], factor)

    @property
    def factors(self) -> FloatArray:
        """`factor`, or 1 for all, float64 (n,)."""
        return np.ones(len(self)) if self.factor is None else self.factor


@dataclass(frozen=True)
class PastErrors:
    """n rows of past windows, of which no network that forecast them had seen the targets.

    `window`: 0 for the newest, int64 (n,). `date`: equal for rows of one date, int64 (n,). `error`: what happened less
    the forecast, on the learned scale, float64 (n,). `learned`: what the networks of each window had learned from;
    None: as much as those of the forecast to come.
    """

    places: RowPlaces
    window: IntArray
    date: IntArray
    error: FloatArray
    learned: Learned | None = None

    def take(self, index: BoolArray) -> "PastErrors":
        """The rows where `index`, (n,), is true; windows and dates that are left are numbered anew."""
        window, date = (np.unique(a[index], return_inverse=True)[1].astype("int64") for a in (self.window, self.date))
        learned = None if self.learned is None else self.learned.take(np.unique(self.window[index]))
        return PastErrors(self.places.take(index), window, date, self.error[index], learned)


@dataclass(frozen=True)
class Scatter:
    """The scatter of a forecast to come.

    `errors`: standardised, rising, float64 (m,). `n_blocks`: how many independent errors they are worth. `shift`: the
    error that all windows agree in, on the learned scale. `growth`: the exponent of the steps ahead, and `horizon` the
    most of these that were seen. `season`, `series`: place or series → its factor; others have 1.
    """

    errors: FloatArray
    n_blocks: float
    shift: float
    growth: float
    horizon: int
    season: FloatArray
    series: FloatArray

    def quantiles(self, places: RowPlaces, levels: Sequence[float]) -> FloatArray:
        """What is added to the outputs of n rows for each level, on the learned scale, float64 (n, q), rising."""
        shift = self.shift * places.factors[:, None]
        quantiles: FloatArray = shift + self.scale(places)[:, None] * self.offsets(levels)
        return quantiles

    def scale(self, places: RowPlaces) -> FloatArray:
        """How widely rows scatter, as the factor of the standardised errors, float64 (n,)."""
        within = np.minimum(places.ahead, self.horizon).clip(1)
        beyond = np.maximum(places.ahead / self.horizon, 1.0) ** max(self.growth, LEAST_BEYOND)
        known = np.where(places.series < 0, NEW, _of(self.series, places.series))
        scale: FloatArray = within**self.growth * beyond * _of(self.season, places.season) * known * places.factors
        return scale

    def offsets(self, levels: Sequence[float]) -> FloatArray:
        """The standardised errors at quantile levels between 0 and 1, float64 (q,), rising with the level.

        The upper quantile of level p is the least error that at least p · (n + 1) / n of the errors do not exceed, with
        n independent errors; the largest one where that is more than all of them. The lower ones are its mirror image.
        """
        p, m = np.asarray(levels, dtype="float64"), len(self.errors)
        wanted = np.maximum(p, 1 - p) * (self.n_blocks + 1) / self.n_blocks
        rank = np.clip(np.ceil(np.round(wanted * m, 9)).astype("int64"), 1, m) - 1
        upper, lower = self.errors[rank], self.errors[m - 1 - rank]
        found: FloatArray = np.where(p > 0.5, upper, np.where(p < 0.5, lower, np.median(self.errors)))
        return found


def _of(factors: FloatArray, index: IntArray) -> FloatArray:
    """Each row's factor (n,), 1 where there is none."""
    there = (index >= 0) & (index < len(factors))
    found: FloatArray = (
        np.where(there, factors[np.where(there, index, 0)], 1.0) if len(factors) else np.ones(len(index))
    )
    return found


def fit_scatter(past: PastErrors, *, apart: bool = True) -> Scatter:
    """The scatter that the errors of one or more past windows tell.

    `apart`: whether the median errors of windows are looked at apart from the errors around them, for which a window
    needs many rows.
    """
    past = _by_experience(replace(past, error=past.error / past.places.factors), apart=apart)
    middles = _medians(past.error, past.window) * apart
    left = past.error - middles[past.window]
    growth = _growth(_held(left), past.places.ahead)
    left = left / past.places.ahead.clip(1) ** growth
    season = _factors(_held(left), past.places.season, past.date, SEASON_PRIOR)
    left = left / _of(season, past.places.season)
    series = _factors(_held(left), past.places.series, past.date, SERIES_PRIOR)
    left = left / _of(series, past.places.series)
    shift = _agreed(middles)
    # The next window's median error is as far from the shift as those were, and unknown.
    common = float(np.mean((middles - shift) ** 2)) / max(float(np.mean(_held(left) ** 2)), TINY)
    errors = np.sort(left) * np.sqrt(1 + common)
    n_blocks = _n_independent(left, past.date) if apart else len(np.unique(past.date))
    return Scatter(errors, n_blocks, shift, growth, int(past.places.ahead.max()), season, series)


def _by_experience(past: PastErrors, *, apart: bool) -> PastErrors:
    """The errors as networks would make that have learned from as much as those of the forecast to come."""
    if past.learned is None:
        return past
    telling = past.learned.telling()
    past = past.take(telling[past.window])
    assert past.learned is not None
    left = past.error - (_medians(past.error, past.window) * apart)[past.window]
    sizes = np.maximum(_means(_held(left), past.window), TINY)
    factors = past.learned.factors(sizes, _n_independent(left, past.date) / len(sizes))
    return replace(past, error=past.error * factors[past.window])


def _agreed(middles: FloatArray) -> float:
    """What the windows' median errors (k,) agree in beyond doubt, such as that networks learned another quantile: their
    mean, if there are three or more and it is `SURE` standard errors from 0; else 0.
    """
    mean = float(middles.mean())
    error = float(middles.std(ddof=1)) / np.sqrt(len(middles)) if len(middles) > 2 else np.inf
    return mean if abs(mean) > SURE * error else 0.0


def _medians(values: FloatArray, groups: IntArray) -> FloatArray:
    """The median of each group, numbered from 0 on, float64 (number of groups,)."""
    return np.array([np.median(values[groups == g]) for g in range(int(groups.max()) + 1)])


def _held(errors: FloatArray) -> FloatArray:
    """The sizes of errors (n,), none more than `OUTLIER` times the middle one: a few zeros must not make the scale."""
    size = np.abs(errors)
    return np.minimum(size, OUTLIER * max(float(np.median(size)), TINY))


def _n_independent(errors: FloatArray, date: IntArray) -> float:
    """How many independent errors those of n rows are worth: n ÷ (1 + (m − 1) ρ), between the number of dates and n.

    m: rows per date; ρ: the share of the variance that is common to a date, by a random-effects analysis of variance.
    """
    n, n_dates = len(errors), len(np.unique(date))
    m = n / n_dates
    if m <= 1 or n_dates < 2:
        return float(n_dates)
    means = _means(errors, date)[date]
    between = float(np.sum((means - errors.mean()) ** 2)) / (n_dates - 1)
    within = float(np.sum((errors - means) ** 2)) / max(n - n_dates, 1)
    common = (between - within) / max(between + (m - 1) * within, TINY)
    return n / (1 + (m - 1) * float(np.clip(common, 0.0, 1.0)))


def _means(values: FloatArray, groups: IntArray) -> FloatArray:
    """The mean of each group, float64 (number of groups,)."""
    means: FloatArray = np.bincount(groups, values) / np.maximum(np.bincount(groups), 1)
    return means


def _growth(size: FloatArray, ahead: IntArray) -> float:
    """The exponent with which errors grow with the steps ahead: by least squares of the logarithms of their mean sizes,
    times the share of its square that is no chance, between 0 and `MOST_GROWTH`.
    """
    steps = np.unique(ahead)
    means = _means(size, ahead)[steps]
    there = means > 0
    if there.sum() < 3:
        return 0.0
    x, y = np.log(steps[there]), np.log(means[there])
    x, y = x - x.mean(), y - y.mean()
    slope = float((x * y).sum() / (x**2).sum())
    error = float(((y - slope * x) ** 2).sum() / max(len(x) - 2, 1) / (x**2).sum())
    return float(np.clip(slope * max(0.0, 1 - error / max(slope**2, TINY)), 0.0, MOST_GROWTH))


def _factors(size: FloatArray, groups: IntArray, date: IntArray, prior: float) -> FloatArray:
    """Each group's mean size of errors ÷ that of all, shrunk towards 1, float64 (largest group + 1,)."""
    known = groups >= 0
    overall = float(size.mean())
    if not known.any() or overall <= TINY:
        return np.ones(0)
    groups, size, date = groups[known], size[known], date[known]
    n_groups = int(groups.max()) + 1
    pairs = np.unique(groups * (int(date.max()) + 1) + date)
    n_dates = np.bincount(pairs // (int(date.max()) + 1), minlength=n_groups)
    factors: FloatArray = (_means(size, groups) / overall * n_dates + prior) / (n_dates + prior)
    return np.maximum(factors, TINY)
