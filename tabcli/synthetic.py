"""Sales tables from a known process, so that the best possible score is known.

The sales of store s on an open day t are a product of factors times noise:

    sales = exp(mu + noise · z),  z ~ N(0, 1),  rounded to whole units; mu is the sum of

    level        of the store, N(8.6, 0.3)                                       (log units throughout)
    weekday      of the store's type, ± 0.05 of its own
    promotion    chain-wide on weekdays of every second week: N(0.28, 0.08) per store, + 0.12 on Mondays … 0 on Fridays
    holidays     + 0.15 the day before the store is closed for a public holiday, + 0.06 the day after;
                 school holidays N(0.03, 0.03) per store
    season       two yearly waves, stronger in some stores, and up to + 0.3 before Christmas
    month        + 0.05 in its first and its last days
    promo2       + 0.06 in the months in which a round starts for the store
    competition  − 0.06 from the month in which one opens nearby, if that is within the data
    weather      − 0.03 when it rains, − 0.04 when it snows
    refurbishing + 0.2 in the week before a long closure, + 0.15 fading over four weeks after it
    trend        N(0, 0.015) per year and store
    chain        a slow wave of all stores, 0.01; the search interest follows it
    shift        one store in twenty jumps by 0.08 … 0.18 for good, on a day in the middle of training

Noise is log-normal. With log-sd σ and median m = exp(mu) the expected squared percentage error is smallest for the
forecast m · exp(−1.5 σ²), whose RMSPE is sqrt(1 − exp(−σ²)); that is the noise floor. (The derivative of
E[((y − p) / y)²] is zero at p = E[1/y] / E[1/y²].)
"""

from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from tabcli import files
from tabcli.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Days = NDArray[np.datetime64]

STATES = np.array(["BE", "BW", "BY", "HB,NI", "HE", "HH", "NW", "RP", "SH", "SN", "ST", "TH"])
TYPES = np.array(["a", "b", "c", "d"])
ROUNDS = ("Jan,Apr,Jul,Oct", "Feb,May,Aug,Nov", "Mar,Jun,Sept,Dec")
MIN_TRAIN_DAYS = 400
GAP_DAYS = 184

#                        Mon    Tue    Wed    Thu    Fri    Sat    Sun      per type a, b, c, d
WEEKDAY = np.array(
    [
        [0.10, 0.00, -0.04, -0.02, 0.05, 0.00, -0.20],
        [0.00, -0.02, -0.02, 0.00, 0.04, 0.08, 0.15],
        [0.12, 0.02, -0.03, -0.03, 0.04, 0.10, -0.20],
        [0.06, 0.00, -0.02, 0.00, 0.06, -0.12, -0.20],
    ]
)


@dataclass(frozen=True)
class SynthResult:
    """`noise_floor`: the metric on these very test rows of the best forecast that does not know the noise."""

    path: Path
    n_train: int
    n_test: int
    noise_floor: float
    metric: str = "rmspe"


# -------------------------------------------------------------------------------------------- calendar


def easter(year: Ints) -> Days:
    """Easter Sundays of the Gregorian calendar (the anonymous computus of 1876), datetime64[D] (n,)."""
    a, (b, c) = year % 19, np.divmod(year, 100)
    (d, e), f = np.divmod(b, 4), (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    i, k = np.divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = np.divmod(h + weekday - 7 * m + 114, 31)
    first = ((year - 1970) * 12 + month - 1).astype("datetime64[M]").astype("datetime64[D]")
    sundays: Days = first + day
    return sundays


def _years(days: Days) -> Ints:
    return days.astype("datetime64[Y]").astype("int64") + 1970


def _month_day(days: Days) -> tuple[Ints, Ints]:
    months = days.astype("datetime64[M]")
    return months.astype("int64") % 12 + 1, (days - months.astype("datetime64[D]")).astype("int64") + 1


def public_holidays(days: Days) -> NDArray[np.str_]:
    """Per state and day "0", "a" (public), "b" (Easter) or "c" (Christmas): (states, days). Some are not everywhere."""
    kinds = np.full((len(STATES), len(days)), "0")
    month, day = _month_day(days)
    after_easter = (days - easter(_years(days))).astype("int64")
    catholic = np.isin(STATES, ["BW", "BY", "NW", "HE", "RP"])[:, None]
    for m, d in ((1, 1), (5, 1), (10, 3)):
        kinds[:, (month == m) & (day == d)] = "a"
    kinds[:, np.isin(after_easter, (39, 50))] = "a"  # Ascension, Whit Monday
    kinds[catholic & (after_easter == 60)] = "a"  # Corpus Christi
    kinds[np.isin(STATES, ["BW", "BY", "ST"])[:, None] & (month == 1) & (day == 6)] = "a"
    kinds[:, np.isin(after_easter, (-2, 1))] = "b"
    kinds[:, (month == 12) & np.isin(day, (25, 26))] = "c"
    return kinds


def school_holidays(days: Days) -> Bools:
    """Per state and day, (states, days): Christmas and Easter together, summer and autumn moving by state and year."""
    month, day = _month_day(days)
    year = _years(days)
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64")
    after_easter = (days - easter(year)).astype("int64")
    state = np.arange(len(STATES))[:, None]
    summer = 172 + 3 * state + 5 * ((year + state) % 3)
    autumn = 276 + 2 * ((state + year) % 8)
    christmas = ((month == 12) & (day >= 22)) | ((month == 1) & (day <= 5))
    moving = ((day_of_year >= summer) & (day_of_year < summer + 42)) | (
        (day_of_year >= autumn) & (day_of_year < autumn + 12)
    )
    free: Bools = moving | christmas | ((after_easter >= -9) & (after_easter <= 6))
    return free


# ---------------------------------------------------------------------------------------- the drawn parts


@dataclass(frozen=True)
class _Streams:
    """A random stream for each part, so that changing one (say, the noise) leaves the others as they were."""

    stores: np.random.Generator
    closures: np.random.Generator
    effects: np.random.Generator
    weather: np.random.Generator
    chain: np.random.Generator
    noise: np.random.Generator
    files: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> "_Streams":
        seeds = np.random.SeedSequence(seed).spawn(len(fields(cls)))
        return cls(*(np.random.Generator(np.random.PCG64(s)) for s in seeds))


@dataclass(frozen=True)
class _Stores:
    """Facts of the stores, all (S,); NaN where a fact is missing."""

    kind: Ints
    state: Ints
    assortment: Ints
    distance: Floats
    competition: Days
    promo2: Days
    rounds: Ints
    on_sundays: Bools
    on_holidays: Bools

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
    """Long closures: `refurbished` (S, D) shut days with rows, `absent` (S, D) days without rows."""

    refurbished: Bools
    absent: Bools
    before: Floats
    after: Floats

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


def wander(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> Floats:
    """Stationary AR(1) paths of unit variance along the last axis."""
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

    mean: Floats
    spread: Floats
    humidity: Floats
    wind: Floats
    cloud: Floats
    rain: Bools
    snow: Bools

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
class _World:
    """Everything that is drawn, before it becomes tables. Grids are (S, D)."""

    days: Days
    n_train: int
    stores: _Stores
    closures: _Closures
    weather: _Weather
    chain: Floats
    promo: Bools
    holiday: NDArray[np.str_]
    school: Bools
    open: Bools
    mu: Floats
    shifted: Ints
    sales: Ints
    customers: Ints


def _calendar_effects(days: Days, rng: np.random.Generator, n: int) -> Floats:
    """Season and day of the month, (S, D)."""
    month, day = _month_day(days)
    phase = 2 * np.pi * (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") / 365.25
    waves = 0.04 * np.sin(phase + 4.2) + 0.03 * np.sin(2 * phase + 1.1)
    christmas = np.where((month == 12) & (day <= 24), 0.3 * day / 24, 0.0)
    last = (days.astype("datetime64[M]") + 1).astype("datetime64[D]") - days
    ends = np.where((day <= 3) | (last.astype("int64") <= 2), 0.05, 0.0)
    strength = np.clip(rng.normal(1, 0.3, (n, 1)), 0, 2)
    effects: Floats = strength * (waves + christmas) + ends
    return effects


def _store_effects(days: Days, stores: _Stores, rng: np.random.Generator, n_train: int) -> tuple[Floats, Ints]:
    """Level, weekday, competition, promo2 rounds, trend and shifts, (S, D); and which stores shifted."""
    n = len(stores.kind)
    weekday = (days.astype("int64") + 3) % 7
    month, _ = _month_day(days)
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


def _opening(days: Days, stores: _Stores, closures: _Closures, holiday: NDArray[np.str_]) -> Bools:
    sunday = (days.astype("int64") + 3) % 7 == 6
    shut = (sunday & ~stores.on_sundays[:, None]) | ((holiday != "0") & ~stores.on_holidays[:, None])
    is_open: Bools = ~(shut | closures.refurbished)
    return is_open


def _neighbour_effects(holiday: NDArray[np.str_], is_open: Bools) -> Floats:
    """More sales before and after days on which a public holiday shuts the store, (S, D)."""
    shut = (holiday != "0") & ~is_open
    tomorrow = np.pad(shut[:, 1:], ((0, 0), (0, 1)))
    yesterday = np.pad(shut[:, :-1], ((0, 0), (1, 0)))
    return 0.15 * tomorrow + 0.06 * yesterday


def _draw_world(n: int, n_days: int, horizon: int, seed: int, noise: float, start: date) -> _World:
    streams = _Streams.of(seed)
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
    return _World(
        days, n_train, stores, closures, weather, chain, promo, holiday, school, is_open, mu, shifted, sales, customers
    )


# ---------------------------------------------------------------------------------------------- tables


def _texts(days: Days) -> NDArray[np.str_]:
    return np.datetime_as_string(days, unit="D")


def _optional(values: Floats | Ints, missing: Bools) -> pa.Array:
    """Whole numbers where not missing."""
    return pa.array(np.where(missing, 0, values).astype("int64"), mask=missing)


def _row_tables(world: _World, rng: np.random.Generator, noise: float) -> dict[str, dict[str, Any]]:
    """train, test and truth, newest day first."""
    n = len(world.stores.kind)
    tables: dict[str, dict[str, Any]] = {}
    for name, first, stop in (("train", 0, world.n_train), ("test", world.n_train, len(world.days))):
        day = np.repeat(np.arange(stop - 1, first - 1, -1), n)
        store = np.tile(np.arange(n), stop - first)
        there = ~world.closures.absent[store, day]
        day, store = day[there], store[there]
        rows: dict[str, Any] = {
            "store": store + 1,
            "day_of_week": (world.days[day].astype("int64") + 3) % 7 + 1,
            "date": _texts(world.days)[day],
        }
        if name == "train":
            rows |= {"sales": world.sales[store, day], "customers": world.customers[store, day]}
        rows |= {
            "open": world.open[store, day].astype("int64"),
            "promo": world.promo[day].astype("int64"),
            "state_holiday": world.holiday[store, day],
            "school_holiday": world.school[store, day].astype("int64"),
        }
        if name == "test":
            ids = np.arange(1, len(day) + 1)
            rows = {"id": ids, **rows}
            rows["open"] = _optional(rows["open"], (rng.random(len(day)) < 0.0002) & world.open[store, day])
            median = np.where(world.open[store, day], np.exp(world.mu[store, day]), 0)
            tables["truth"] = {"id": ids, "sales": world.sales[store, day], "median": np.round(median, 2)}
            best = median * np.exp(-1.5 * noise**2)
            tables["truth"]["best"] = np.round(best, 2)
        tables[name] = rows
    return tables


def _store_tables(world: _World) -> dict[str, dict[str, Any]]:
    stores = world.stores
    no_rival, no_promo2 = np.isnat(stores.competition), np.isnat(stores.promo2)
    rival_month, _ = _month_day(np.where(no_rival, world.days[0], stores.competition))
    joined = np.where(no_promo2, world.days[0], stores.promo2)
    thursday = joined + 3  # the ISO year of a week is that of its Thursday
    iso_week = (thursday - thursday.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") // 7 + 1
    number = np.arange(1, len(stores.kind) + 1)
    facts = {
        "store": number,
        "store_type": TYPES[stores.kind],
        "assortment": TYPES[:3][stores.assortment],
        "competition_distance": _optional(stores.distance, np.isnan(stores.distance)),
        "competition_since_month": _optional(rival_month, no_rival),
        "competition_since_year": _optional(_years(stores.competition), no_rival),
        "promo2": (~no_promo2).astype("int64"),
        "promo2_since_week": _optional(iso_week, no_promo2),
        "promo2_since_year": _optional(_years(thursday), no_promo2),
        "promo2_months": np.where(no_promo2, "", np.array(ROUNDS)[stores.rounds]),
    }
    return {"stores": facts, "store_states": {"store": number, "state": STATES[stores.state]}}


def _weather_table(world: _World) -> dict[str, Any]:
    weather, n_days = world.weather, len(world.days)
    kinds = {"Snow": weather.snow, "Rain": weather.rain, "Fog": weather.humidity > 85}
    events = np.select([there.ravel() for there in kinds.values()], list(kinds), "")
    return {
        "state": np.repeat(STATES, n_days),
        "date": np.tile(_texts(world.days), len(STATES)),
        "temp_max": (weather.mean + weather.spread).ravel(),
        "temp_mean": weather.mean.ravel(),
        "temp_min": (weather.mean - weather.spread).ravel(),
        "humidity": weather.humidity.ravel(),
        "wind": weather.wind.ravel(),
        "cloud_cover": _optional(weather.cloud.ravel(), np.isnan(weather.cloud.ravel())),
        "events": events,
    }


def _trend_table(world: _World, rng: np.random.Generator) -> dict[str, Any]:
    """Weekly search interest, Sunday to Saturday, of the country and each state."""
    first = world.days[0] - (world.days[0].astype("int64") + 4) % 7 - 28
    weeks = np.arange(first, world.days[-1] + 1, 7)
    middle = np.clip((weeks + 3 - world.days[0]).astype("int64"), 0, len(world.days) - 1)
    regions = ["Land", *(f"Land_{s}" for s in STATES)]
    interest = 60 + 8 * world.chain[middle] + rng.normal(0, 4, (len(regions), len(weeks)))
    spans = np.char.add(np.char.add(_texts(weeks), " - "), _texts(weeks + 6))
    return {
        "region": np.repeat(regions, len(weeks)),
        "week": np.tile(spans, len(regions)),
        "trend": np.clip(np.rint(interest), 0, 100).astype("int64").ravel(),
    }


def _noise_floor(truth: dict[str, Any], noise: float, mu_best: Floats) -> dict[str, float]:
    sales = truth["sales"]
    scored = sales > 0
    errors = (sales[scored] - mu_best[scored]) / sales[scored]
    return {"rmspe": float(np.sqrt(np.mean(errors**2))), "rmspe_theory": float(np.sqrt(-np.expm1(-(noise**2))))}


def _check(stores: int, days: int, horizon: int, noise: float) -> None:
    if stores < 1:
        raise UsageError(f"--stores {stores}: expected 1 or more")
    if horizon < 1:
        raise UsageError(f"--horizon {horizon}: expected 1 or more")
    if days < horizon + MIN_TRAIN_DAYS:
        raise UsageError(
            f"--days {days}: expected {horizon + MIN_TRAIN_DAYS} or more: the horizon and {MIN_TRAIN_DAYS} days before"
        )
    if not 0 <= noise <= 1:
        raise UsageError(f"--noise {noise:g}: expected a sigma from 0 to 1")


def write_tables(
    directory: Path, tables: dict[str, dict[str, Any]], facts: dict[str, Any], *, replace: bool = False
) -> None:
    """Each table as a CSV, and the facts as `truth.json`; all or nothing."""
    with files.atomic_directory(directory, replace=replace, marker="truth.json") as temporary:
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        for name, columns in tables.items():
            pyarrow.csv.write_csv(pa.table(columns), temporary / f"{name}.csv", options)
        files.write_json(temporary / "truth.json", facts)


def synth(
    directory: Path,
    *,
    stores: int = 200,
    days: int = 990,
    horizon: int = 48,
    seed: int = 42,
    noise: float = 0.1,
    start: date = date(2013, 1, 1),
    replace: bool = False,
) -> SynthResult:
    """Writes the tables, `truth.csv` (the actual sales of the test days, apart) and `truth.json` (the noise floor).

    `days` counts the horizon. The same arguments give the same bytes. Raises `UsageError` for senseless arguments.
    """
    _check(stores, days, horizon, noise)
    if start.year < 1600 or start + timedelta(days) > date(2200, 1, 1):
        raise UsageError(f"--start {start}: expected a year from 1600 to 2199")
    world = _draw_world(stores, days, horizon, seed, noise, start)
    stream = _Streams.of(seed).files
    tables = _row_tables(world, stream, noise) | _store_tables(world)
    tables |= {"weather": _weather_table(world), "trend": _trend_table(world, stream)}
    floor = _noise_floor(tables["truth"], noise, tables["truth"]["best"])
    facts = {
        "format_version": 1,
        "arguments": {
            "stores": stores,
            "days": days,
            "horizon": horizon,
            "seed": seed,
            "noise": noise,
            "start": str(start),
        },
        "noise_floor": floor,
        "formula": "best = median * exp(-1.5 noise^2); RMSPE = sqrt(mean(((sales - best) / sales)^2)), sales > 0",
        "level_shifts": world.shifted.tolist(),
        "refurbished": (np.flatnonzero(world.closures.refurbished.any(axis=1)) + 1).tolist(),
        "without_rows_for_a_while": (np.flatnonzero(world.closures.absent.any(axis=1)) + 1).tolist(),
    }
    write_tables(directory, tables, facts, replace=replace)
    return SynthResult(directory, len(tables["train"]["store"]), len(tables["test"]["store"]), floor["rmspe"])
