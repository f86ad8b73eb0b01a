"""The process that generated sales come from: stores, weather, closures, events."""

from dataclasses import dataclass, fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.features.dates import easter_sunday

Days = NDArray[np.datetime64]

STATES = np.array(["BE", "BW", "BY", "HB,NI", "HE", "HH", "NW", "RP", "SH", "SN", "ST", "TH"])

TYPES = np.array(["a", "b", "c", "d"])

ROUNDS = ("Jan,Apr,Jul,Oct", "Feb,May,Aug,Nov", "Mar,Jun,Sept,Dec")

GAP_DAYS = 184
"""How long some stores have no rows."""

WEEKDAY = np.array(
    [  # Mon   Tue    Wed    Thu   Fri    Sat    Sun, a row for each type a, b, c, d
        [0.10, 0.00, -0.04, -0.02, 0.05, 0.00, -0.20],
        [0.00, -0.02, -0.02, 0.00, 0.04, 0.08, 0.15],
        [0.12, 0.02, -0.03, -0.03, 0.04, 0.10, -0.20],
        [0.06, 0.00, -0.02, 0.00, 0.06, -0.12, -0.20],
    ]
)


# -------------------------------------------------------------------------------------------- calendar


def years_of(days: Days) -> IntArray:
    """The calendar years of days (n,), int64 (n,)."""
    return days.astype("datetime64[Y]").astype("int64") + 1970


def month_day(days: Days) -> tuple[IntArray, IntArray]:
    """The months and days of the month, from 1 on, of days (n,), int64 (n,) each."""
    months = days.astype("datetime64[M]")
    return months.astype("int64") % 12 + 1, (days - months.astype("datetime64[D]")).astype("int64") + 1


def public_holidays(days: Days) -> NDArray[np.str_]:
    """The holiday of each state and day: "0" none, "a" public, "b" Easter, "c" Christmas; (states, days)."""
    kinds = np.full((len(STATES), len(days)), "0")
    month, day = month_day(days)
    after_easter = (days - easter_sunday(years_of(days))).astype("int64")
    catholic = np.isin(STATES, ["BW", "BY", "NW", "HE", "RP"])[:, None]
    for m, d in ((1, 1), (5, 1), (10, 3)):
        kinds[:, (month == m) & (day == d)] = "a"
    kinds[:, np.isin(after_easter, (39, 50))] = "a"  # Ascension, Whit Monday
    kinds[catholic & (after_easter == 60)] = "a"  # Corpus Christi
    kinds[np.isin(STATES, ["BW", "BY", "ST"])[:, None] & (month == 1) & (day == 6)] = "a"
    kinds[:, np.isin(after_easter, (-2, 1))] = "b"
    kinds[:, (month == 12) & np.isin(day, (25, 26))] = "c"
    return kinds


def school_holidays(days: Days) -> BoolArray:
    """Whether schools are closed, (states, days): at Christmas and Easter everywhere at once, in summer and autumn at
    times that move by state and year.
    """
    month, day = month_day(days)
    year = years_of(days)
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64")
    after_easter = (days - easter_sunday(year)).astype("int64")
    state = np.arange(len(STATES))[:, None]
    summer = 172 + 3 * state + 5 * ((year + state) % 3)
    autumn = 276 + 2 * ((state + year) % 8)
    christmas = ((month == 12) & (day >= 22)) | ((month == 1) & (day <= 5))
    moving = ((day_of_year >= summer) & (day_of_year < summer + 42)) | (
        (day_of_year >= autumn) & (day_of_year < autumn + 12)
    )
    free: BoolArray = moving | christmas | ((after_easter >= -9) & (after_easter <= 6))
    return free


# ---------------------------------------------------------------------------------------- the drawn parts


@dataclass(frozen=True)
class Streams:
    """A random stream for each part, so that changing one (say, the noise) leaves the others as they were."""

    stores: np.random.Generator
    closures: np.random.Generator
    effects: np.random.Generator
    weather: np.random.Generator
    chain: np.random.Generator
    noise: np.random.Generator
    files: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> "Streams":
        """Independent streams from one seed."""
        seeds = np.random.SeedSequence(seed).spawn(len(fields(cls)))
        return cls(*(np.random.Generator(np.random.PCG64(s)) for s in seeds))


@dataclass(frozen=True)
class _Stores:
    """Facts of S stores, (S,) each; NaN or NaT where a fact is missing.

    `competition`: when a competitor opened nearby; `promo2`: when the store joined promo2; `rounds`: which of `ROUNDS`.
    """

    kind: IntArray
    state: IntArray
    assortment: IntArray
    distance: FloatArray
    competition: Days
    promo2: Days
    rounds: IntArray
    on_sundays: BoolArray
    on_holidays: BoolArray

    @classmethod
    def draw(cls, n: int, days: Days, rng: np.random.Generator) -> "_Stores":
        span = len(days)
        opened = days[0] + rng.integers(-3000, span, n)
        opened[rng.random(n) < 1 / 3] = np.datetime64("NaT")
        joined = days[0] + rng.integers(-900, span // 2, n)
        joined[rng.random(n) < 0.5] = np.datetime64("NaT")
        distance = np.round(np.exp(rng.normal(7.6, 1.1, n)) / 10) * 10 + 10
        distance[rng.random(n) < 0.01] = np.nan
        kind = rng.choice(4, n, p=[0.54, 0.03, 0.13, 0.30])
        return cls(
            kind=kind,
            state=rng.integers(0, len(STATES), n),
            assortment=rng.integers(0, 3, n),
            distance=distance,
            competition=opened.astype("datetime64[M]").astype("datetime64[D]"),
            promo2=joined - (joined.astype("int64") + 3) % 7,  # a Monday
            rounds=rng.integers(0, len(ROUNDS), n),
            on_sundays=(kind == 1) | (rng.random(n) < 0.01),
            on_holidays=(kind == 1) & (rng.random(n) < 0.5),
        )


@dataclass(frozen=True)
class _Closures:
    """Long closures of S stores over D days, (S, D) each.

    `refurbished`: closed days that have rows; `absent`: days without rows; `before`, `after`: what sales gain around a
    refurbishment, in log units.
    """

    refurbished: BoolArray
    absent: BoolArray
    before: FloatArray
    after: FloatArray

    @classmethod
    def draw(cls, n: int, n_days: int, n_train: int, rng: np.random.Generator) -> "_Closures":
        day = np.arange(n_days)
        start = rng.integers(60, n_train - 90, n)[:, None]
        length = rng.integers(14, 57, n)[:, None]
        chosen = (rng.random(n) < 0.1)[:, None]
        shut = chosen & (day >= start) & (day < start + length)
        gap = round(0.58 * n_train)  # July to December of the second year, in Rossmann's length of 942 days
        fits = gap + GAP_DAYS < n_train - 90
        absent = (rng.random(n) < 0.16)[:, None] & (day >= gap) & (day < gap + GAP_DAYS) & fits & ~chosen
        since = day - (start + length)
        before = np.where(chosen & (day < start) & (day >= start - 7), 0.2, 0.0)
        after = np.where(chosen & (since >= 0) & (since < 28), 0.15 * (1 - since / 28), 0.0)
        return cls(shut & (day < n_train), absent, before, after)


def wander(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> FloatArray:
    """Stationary AR(1) paths of unit variance along the last axis; `memory`: the correlation of neighbours, below 1."""
    steps = rng.normal(0, np.sqrt(1 - memory**2), shape)
    steps[:, 0] /= np.sqrt(1 - memory**2)
    path = np.empty(shape)
    path[:, 0] = steps[:, 0]
    for t in range(1, shape[1]):
        path[:, t] = memory * path[:, t - 1] + steps[:, t]
    return path


@dataclass(frozen=True)
class _Weather:
    """Daily weather by state, (states, D)."""

    mean: FloatArray
    spread: FloatArray
    humidity: FloatArray
    wind: FloatArray
    cloud: FloatArray
    rain: BoolArray
    snow: BoolArray

    @classmethod
    def draw(cls, days: Days, rng: np.random.Generator) -> "_Weather":
        shape = (len(STATES), len(days))
        phase = (
            2 * np.pi * ((days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") - 20) / 365.25
        )
        mean = 9.5 - 9.5 * np.cos(phase) + 3.5 * wander(rng, shape, 0.8)
        wet = wander(rng, shape, 0.6)
        cloud = np.clip(np.round(4 + 2 * wet + rng.normal(0, 1, shape)), 0, 8)
        cloud[rng.random(shape) < 0.07] = np.nan
        return cls(
            mean=np.round(mean),
            spread=np.round(np.abs(rng.normal(4, 1.5, shape))).astype("float64"),
            humidity=np.clip(np.round(74 + 9 * wet), 20, 100),
            wind=np.round(np.exp(rng.normal(2.4, 0.35, shape))).astype("float64"),
            cloud=cloud,
            rain=(wet > 0.4) & (mean > 1),
            snow=(wet > 0.4) & (mean <= 1),
        )


# --------------------------------------------------------------------------------------------- the process


@dataclass(frozen=True)
class World:
    """Everything that is drawn, before it becomes tables: S stores × D days, the first `n_train` of them to learn from.

    `chain`, `promo`: (D,); `holiday`, `school`, `open`, `mu`, `sales`, `customers`: (S, D). `shifted`: the numbers of
    the stores whose level jumps.
    """

    days: Days
    n_train: int
    stores: _Stores
    closures: _Closures
    weather: _Weather
    chain: FloatArray
    promo: BoolArray
    holiday: NDArray[np.str_]
    school: BoolArray
    open: BoolArray
    mu: FloatArray
    shifted: IntArray
    sales: IntArray
    customers: IntArray


def _calendar_effects(days: Days, rng: np.random.Generator, n: int) -> FloatArray:
    """Season and day of the month, (S, D)."""
    month, day = month_day(days)
    phase = 2 * np.pi * (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") / 365.25
    waves = 0.04 * np.sin(phase + 4.2) + 0.03 * np.sin(2 * phase + 1.1)
    christmas = np.where((month == 12) & (day <= 24), 0.3 * day / 24, 0.0)
    last = (days.astype("datetime64[M]") + 1).astype("datetime64[D]") - days
    ends = np.where((day <= 3) | (last.astype("int64") <= 2), 0.05, 0.0)
    strength = np.clip(rng.normal(1, 0.3, (n, 1)), 0, 2)
    effects: FloatArray = strength * (waves + christmas) + ends
    return effects


def _store_effects(days: Days, stores: _Stores, rng: np.random.Generator, n_train: int) -> tuple[FloatArray, IntArray]:
    """The sum of level, weekday, competition, promo2 rounds, trend and shifts, (S, D); and which stores shifted."""
    n = len(stores.kind)
    weekday = (days.astype("int64") + 3) % 7
    month, _ = month_day(days)
    level = rng.normal(8.6, 0.3, (n, 1)) + 0.1 * (stores.assortment[:, None] - 1)
    own_week = WEEKDAY[stores.kind] + rng.normal(0, 0.05, (n, 7))
    rivals = np.where((stores.competition[:, None] <= days) & (stores.competition > days[0])[:, None], -0.06, 0.0)
    starts = (month - 1) % 3 == stores.rounds[:, None]
    rounds = np.where(starts & (stores.promo2[:, None] <= days), 0.06, 0.0)
    years = (np.arange(len(days)) - n_train / 2) / 365.25
    trend = rng.normal(0, 0.015, (n, 1)) * years
    jump = rng.uniform(0.08, 0.18, (n, 1)) * rng.choice([-1, 1], (n, 1))
    jump_day = rng.integers(n_train // 4, 3 * n_train // 4, (n, 1))
    jumps = rng.random((n, 1)) < 0.05
    shift = np.where(jumps & (np.arange(len(days)) >= jump_day), jump, 0.0)
    return level + own_week[:, weekday] + rivals + rounds + trend + shift, np.flatnonzero(jumps[:, 0]) + 1


def _opening(days: Days, stores: _Stores, closures: _Closures, holiday: NDArray[np.str_]) -> BoolArray:
    sunday = (days.astype("int64") + 3) % 7 == 6
    shut = (sunday & ~stores.on_sundays[:, None]) | ((holiday != "0") & ~stores.on_holidays[:, None])
    is_open: BoolArray = ~(shut | closures.refurbished)
    return is_open


def _neighbour_effects(holiday: NDArray[np.str_], is_open: BoolArray) -> FloatArray:
    """More sales before and after days on which a public holiday shuts the store, (S, D)."""
    shut = (holiday != "0") & ~is_open
    tomorrow = np.pad(shut[:, 1:], ((0, 0), (0, 1)))
    yesterday = np.pad(shut[:, :-1], ((0, 0), (1, 0)))
    return 0.15 * tomorrow + 0.06 * yesterday


def draw_world(n: int, n_days: int, horizon: int, seed: int, noise: float, start: date) -> World:
    """The sales of `n` stores on `n_days` days from `start` on, the horizon included. See `synthetic.retail`."""
    streams = Streams.of(seed)
    days = np.datetime64(start, "D") + np.arange(n_days)
    n_train = n_days - horizon
    stores = _Stores.draw(n, days, streams.stores)
    closures = _Closures.draw(n, n_days, n_train, streams.closures)
    weather = _Weather.draw(days, streams.weather)
    holiday = public_holidays(days)[stores.state]
    school = school_holidays(days)[stores.state]
    is_open = _opening(days, stores, closures, holiday)
    rng = streams.effects
    own, shifted = _store_effects(days, stores, rng, n_train)
    weekday = (days.astype("int64") + 3) % 7
    promo = (weekday < 5) & ((days.astype("int64") + 3) // 7 % 2 == 0)
    lift = rng.normal(0.28, 0.08, (n, 1)) + 0.03 * (4 - weekday)
    schooling = rng.normal(0.03, 0.03, (n, 1))
    chain = wander(streams.chain, (1, n_days), 0.98)[0]
    wet = (-0.03 * weather.rain - 0.04 * weather.snow)[stores.state]
    mu = own + promo * lift + school * schooling + _calendar_effects(days, rng, n) + wet + 0.01 * chain
    mu += _neighbour_effects(holiday, is_open) + closures.before + closures.after
    z = streams.noise.normal(0, 1, (2, n, n_days))
    sales = np.where(is_open, np.maximum(np.rint(np.exp(mu + noise * z[0])), 1), 0).astype("int64")
    basket = np.exp(rng.normal(2.2, 0.15, (n, 1)))
    customers = np.rint(sales / basket * np.exp(0.05 * z[1])).astype("int64")
    return World(
        days, n_train, stores, closures, weather, chain, promo, holiday, school, is_open, mu, shifted, sales, customers
    )
