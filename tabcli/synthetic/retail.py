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

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from tabcli import files
from tabcli.arrays import AnyArray, BoolArray, FloatArray, IntArray
from tabcli.errors import UsageError
from tabcli.evaluation.naming import score_text
from tabcli.shown import Shown
from tabcli.synthetic.world import ROUNDS, STATES, TYPES, Days, Streams, World, draw_world, month_day, years_of

MIN_TRAIN_DAYS = 400

Columns = dict[str, AnyArray]

Tables = dict[str, Columns]
"""Table → column → values; a column with missing values is an Arrow array."""


@dataclass(frozen=True, repr=False)
class SynthResult(Shown):
    """What was written: `n_train` and `n_test` rows under `path`.

    `noise_floor`: the metric, on these test rows, of the best forecast that does not know the noise.
    """

    path: Path
    n_train: int
    n_test: int
    noise_floor: float
    metric: str = "rmspe"

    def brief(self) -> dict[str, str]:
        return {
            "rows": f"train {self.n_train:,}, to forecast {self.n_test:,}",
            "noise floor": f"{self.metric.upper()} {score_text(self.metric, self.noise_floor)}",
            "path": str(self.path),
        }


# ---------------------------------------------------------------------------------------------- tables


def _texts(days: Days) -> NDArray[np.str_]:
    return np.datetime_as_string(days, unit="D")


def _optional(values: FloatArray | IntArray, missing: BoolArray) -> pa.Array:
    """Whole numbers, null where `missing`; (n,)."""
    return pa.array(np.where(missing, 0, values).astype("int64"), mask=missing)


def _row_tables(world: World, rng: np.random.Generator, noise: float) -> Tables:
    """The tables train, test and truth, the newest day first."""
    n = len(world.stores.kind)
    tables: Tables = {}
    for name, first, stop in (("train", 0, world.n_train), ("test", world.n_train, len(world.days))):
        day = np.repeat(np.arange(stop - 1, first - 1, -1), n)
        store = np.tile(np.arange(n), stop - first)
        there = ~world.closures.absent[store, day]
        day, store = day[there], store[there]
        rows: Columns = {
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


def _store_tables(world: World) -> Tables:
    stores = world.stores
    no_rival, no_promo2 = np.isnat(stores.competition), np.isnat(stores.promo2)
    rival_month, _ = month_day(np.where(no_rival, world.days[0], stores.competition))
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
        "competition_since_year": _optional(years_of(stores.competition), no_rival),
        "promo2": (~no_promo2).astype("int64"),
        "promo2_since_week": _optional(iso_week, no_promo2),
        "promo2_since_year": _optional(years_of(thursday), no_promo2),
        "promo2_months": np.where(no_promo2, "", np.array(ROUNDS)[stores.rounds]),
    }
    return {"stores": facts, "store_states": {"store": number, "state": STATES[stores.state]}}


def _weather_table(world: World) -> Columns:
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


def _trend_table(world: World, rng: np.random.Generator) -> Columns:
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


def _noise_floor(truth: Columns, noise: float, mu_best: FloatArray) -> dict[str, float]:
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


def check_sold(actual: AnyArray) -> None:
    """Raises `UsageError` where nothing is sold in the rows to forecast, (n,): they have no score."""
    if not actual.any():
        raise UsageError(
            "nothing is sold in the rows to forecast, so that no forecast of them has a score",
            hint="make more series, a longer --horizon, or others with --seed",
        )


def write_tables(directory: Path, tables: Tables, facts: Mapping[str, object], *, replace: bool = False) -> None:
    """Writes each table as a CSV and the facts as `truth.json`, all or none. Raises `UsageError` for a taken path."""
    with files.atomic_directory(directory, replace=replace, marker="truth.json") as temporary:
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        for name, columns in tables.items():
            pyarrow.csv.write_csv(pa.table(columns), temporary / f"{name}.csv", options)
        written = sorted(p.name for p in temporary.iterdir())
        files.write_json(temporary / "truth.json", {"format": "synth", **facts, "files": written})


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

    `days`: in all, the horizon included. The same arguments give the same bytes. Raises `UsageError` for arguments
    that make no sense, or where nothing is sold in the test rows.
    """
    _check(stores, days, horizon, noise)
    if start.year < 1600 or start + timedelta(days) > date(2200, 1, 1):
        raise UsageError(f"--start {start}: expected a year from 1600 to 2199")
    world = draw_world(stores, days, horizon, seed, noise, start)
    stream = Streams.of(seed).files
    tables = _row_tables(world, stream, noise) | _store_tables(world)
    tables |= {"weather": _weather_table(world), "trend": _trend_table(world, stream)}
    check_sold(tables["truth"]["sales"])
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
