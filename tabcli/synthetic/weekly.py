"""Weekly sales of stores × products with prices and promotions, from a known process: small counts, many zeros.

The units of a product in a store and week are exp(mu + noise · z) rounded, z ~ N(0, 1); mu is the sum, in log units, of

    level       of the product, N(1.6, 0.9), and of the store, N(0, 0.4)
    price       elasticity of the product, N(−2, 0.5), times the log of price / usual price
    promotion   a price cut of 10 to 35 % in one week of eight, + 0.35 for being advertised
    season      two yearly waves, of the product's category; + 0.4 in the three weeks before Christmas
    launch      a product in eight starts late and grows for 12 weeks from − 1; one in ten is given up
    trend       N(0, 0.05) per year and product
    gaps        one row in a hundred is missing

The median of a row is round(exp(mu)), and no forecast has a smaller expected absolute error: the WAPE of those medians
is the noise floor.
"""

from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tabcli.arrays import FloatArray
from tabcli.errors import UsageError
from tabcli.evaluation.metrics import wape
from tabcli.synthetic.retail import Columns, SynthResult, Tables, check_sold, write_tables

MIN_TRAIN_WEEKS = 52

CATEGORIES = np.array(["drinks", "frozen", "snacks", "sweets"])

REGIONS = np.array(["east", "north", "south", "west"])


def _check(stores: int, products: int, weeks: int, horizon: int, noise: float) -> None:
    for option, value in (("--stores", stores), ("--products", products), ("--horizon", horizon)):
        if value < 1:
            raise UsageError(f"{option} {value}: expected 1 or more")
    if weeks < horizon + MIN_TRAIN_WEEKS:
        raise UsageError(
            f"--length {weeks}: expected {horizon + MIN_TRAIN_WEEKS} or more: "
            f"the horizon and {MIN_TRAIN_WEEKS} weeks before it"
        )
    if not 0 <= noise <= 1:
        raise UsageError(f"--noise {noise:g}: expected a sigma from 0 to 1")


def _season(weeks: NDArray[np.datetime64], category: NDArray[np.int64], rng: np.random.Generator) -> FloatArray:
    """What the season adds: the waves of a product's category, and Christmas, in log units, (products, weeks)."""
    day = (weeks - weeks.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64")
    phase = 2 * np.pi * day / 365.25
    shift, size = rng.uniform(0, 2 * np.pi, (2, len(CATEGORIES), 1)), rng.uniform(0.1, 0.3, (len(CATEGORIES), 1))
    waves = size * np.sin(phase + shift[0]) + size / 2 * np.sin(2 * phase + shift[1])
    season: FloatArray = waves[category] + 0.4 * ((day >= 337) & (day < 358))
    return season


def synth_weekly(
    directory: Path,
    *,
    stores: int = 8,
    products: int = 20,
    weeks: int = 164,
    horizon: int = 8,
    seed: int = 42,
    noise: float = 0.25,
    start: date = date(2021, 1, 4),
    replace: bool = False,
) -> SynthResult:
    """Writes train, test, products, stores and `truth.csv` with the actual units of the test weeks, and `truth.json`.

    `weeks`: in all, the horizon included. The same arguments give the same bytes. Raises `UsageError` for arguments
    that make no sense, or where nothing is sold in the test rows.
    """
    _check(stores, products, weeks, horizon, noise)
    rng = np.random.default_rng(seed)
    dates = np.datetime64(start, "D") + 7 * np.arange(weeks)
    n_train = weeks - horizon
    shape = (stores, products, weeks)
    category = rng.integers(0, len(CATEGORIES), products)
    usual = np.round(np.exp(rng.normal(1.0, 0.5, products)), 2)
    promo = rng.random(shape) < 1 / 8
    cut = np.where(promo, rng.choice([0.10, 0.20, 0.35], shape), 0.0)
    price = np.round(usual[:, None] * (1 - cut) * (1 + 0.02 * (np.arange(weeks) // 52)), 2)
    elasticity = rng.normal(-2, 0.5, (products, 1))
    launch = np.where(rng.random(products) < 1 / 8, rng.integers(20, n_train - 30, products), -weeks)[:, None]
    stop = np.where(rng.random(products) < 0.1, rng.integers(n_train // 2, n_train, products), weeks)[:, None]
    age = np.arange(weeks) - launch
    years = (np.arange(weeks) - n_train / 2) / 52
    of_product = rng.normal(1.6, 0.9, (products, 1)) + rng.normal(0, 0.05, (products, 1)) * years
    mu = of_product + _season(dates, category, rng) + np.where(launch >= 0, -np.clip(1 - age / 12, 0, 1), 0.0)
    mu = mu + rng.normal(0, 0.4, (stores, 1, 1)) + elasticity * np.log(price / usual[:, None]) + 0.35 * promo
    units = np.rint(np.exp(mu + noise * rng.normal(0, 1, shape))).astype("int64")
    there = (age >= 0) & (np.arange(weeks) < stop) & (rng.random(shape) >= 0.01)
    there[:, :, n_train:] = ((age >= 0) & (stop >= weeks))[None, :, n_train:]
    tables = _tables(dates, n_train, there, {"price": price, "promo": promo.astype("int64")}, units, np.exp(mu))
    tables["products"] = {
        "product": np.arange(1, products + 1),
        "category": CATEGORIES[category],
        "usual_price": usual,
        "pack": rng.choice([1, 2, 6], products),
    }
    regions = REGIONS[rng.integers(0, len(REGIONS), stores)]
    tables["stores"] = {"store": np.arange(1, stores + 1), "region": regions, "area": rng.integers(3, 40, stores) * 50}
    truth = tables["truth"]
    check_sold(truth["units"])
    floor = wape(truth["units"], truth["median"])
    arguments = {"stores": stores, "products": products, "weeks": weeks, "horizon": horizon, "seed": seed}
    facts = _facts({"kind": "weekly", **arguments, "noise": noise, "start": str(start)}, floor)
    write_tables(directory, tables, facts, replace=replace)
    return SynthResult(directory, len(tables["train"]["store"]), len(truth["id"]), floor, "wape")


def _facts(arguments: dict[str, object], floor: float) -> dict[str, object]:
    """What `truth.json` says."""
    return {
        "format_version": 1,
        "arguments": arguments,
        "noise_floor": {"wape": floor},
        "formula": "median = round(exp(mu)); WAPE = sum(|units - median|) / sum(units)",
    }


def _tables(
    dates: NDArray[np.datetime64],
    n_train: int,
    there: NDArray[np.bool_],
    known: Columns,
    units: NDArray[np.int64],
    middle: FloatArray,
) -> Tables:
    """train, test and truth from grids (stores, products, weeks); `known`: columns that are known in advance."""
    tables: Tables = {}
    texts = np.datetime_as_string(dates, unit="D")
    for name, weeks in (("train", slice(0, n_train)), ("test", slice(n_train, None))):
        store, product, week = np.nonzero(there[:, :, weeks])
        week = week + (weeks.start or 0)
        rows: Columns = {"week": texts[week], "store": store + 1, "product": product + 1}
        rows |= {c: values[store, product, week] for c, values in known.items()}
        if name == "train":
            rows["units"] = units[store, product, week]
        else:
            ids = np.arange(1, len(week) + 1)
            rows = {"id": ids, **rows}
            tables["truth"] = {
                "id": ids,
                "units": units[store, product, week],
                "median": np.rint(middle[store, product, week]),
            }
        tables[name] = rows
    return tables
