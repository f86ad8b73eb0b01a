"""Time and memory against rows, 0.1 to 100 million: prep, one epoch of training and the forecast, by the command line.

    python benchmarks/scale.py --work FOLDER --out docs/scale.json --plot docs/scale.png
    python benchmarks/scale.py --work FOLDER --out docs/scale.json --rows 100e6 --steps prep --keep

The tables are generated: series of 1,000 days with sales, promotions, Sundays and prices, about 36 bytes a row of CSV,
day after day. Steps of one size are done in order on what the step before left, which is deleted as soon as no step
needs it; `--keep` leaves it for a later call that does the other steps. Sizes below 50 million rows: medians of three.
"""

import argparse
import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import limited
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

DAYS, AHEAD, START = 1000, 28, "2021-01-01"
BLOCK = 1_000_000
SIZES = (100_000, 1_000_000, 10_000_000, 100_000_000)
LIMITS = {"prep": 3.0, "train": 3.0, "predict": 2.0}
ONCE_FROM = 50_000_000

CONFIG: dict[str, Any] = {
    "format_version": 1,
    "tables": {"train": {"file": "train.csv"}, "future": {"file": "future.csv"}},
    "series": "store",
    "date": "date",
    "target": {"column": "sales", "transform": "log", "drop_where": {"sales": 0}},
    "forecast": {"zero_where": {"open": 0}},
    "availability": {"known_in_advance": ["open", "promo", "price", "warmth"]},
    "features": {"date_parts": ["date"], "events": {"Promo": {"where": {"promo": 1}, "window": "7d", "cap": "14d"}}},
    "categorical": ["store", "Dayofweek", "Month", "Day", "promo", "AfterPromo", "BeforePromo"],
    "continuous": ["price", "warmth", "Elapsed", "Dayofyear"],
    "history": {"effects": ["promo"]},
    "baseline": ["store", "Dayofweek", "promo"],
    "validation": {"last": "future"},
    "train": {"epochs": 1},
    "calibration": {"windows": 0},
    "seed": 42,
}


def rows_of(first_day: int, n_days: int, n_series: int, known: bool, seed: int) -> pa.Table:
    """The rows of some days, day after day; without sales where they are not known yet."""
    draw, of_series = np.random.default_rng([seed, first_day]), np.random.default_rng(seed)
    level, price = of_series.lognormal(4.5, 0.6, n_series), of_series.uniform(3, 30, n_series)
    week = np.array([1.1, 1.0, 0.95, 1.0, 1.2, 1.4, 0.0])
    series = np.tile(np.arange(n_series), n_days)
    day = np.repeat(np.arange(first_day, first_day + n_days), n_series)
    promo = ((day + series % 14) // 7 % 2 * (day % 7 < 5)).astype("int8")
    season = 1 + 0.2 * np.sin(2 * np.pi * day / 365.25)
    mean = level[series] * week[day % 7] * season * (1 + 0.35 * promo)
    dates = pd.date_range(START, periods=first_day + n_days).strftime("%Y-%m-%d").to_numpy()[first_day:]
    columns = {
        "store": series + 1,
        "date": pa.DictionaryArray.from_arrays(pa.array(day - first_day), pa.array(dates)).cast(pa.string()),
        "open": (day % 7 < 6).astype("int8"),
        "promo": promo,
        "price": np.round(price[series] * (1 - 0.15 * promo), 2),
        "warmth": np.round(11 - 10 * np.cos(2 * np.pi * day / 365.25) + draw.normal(0, 4, len(day)), 2),
    }
    if known:
        columns["sales"] = np.round(mean * draw.lognormal(0, 0.15, len(day))).astype("int32")
    return pa.table(columns)


def generate(path: Path, first: int, end: int, n_series: int, seed: int = 1) -> None:
    """Writes the table of these days in blocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    each = max(1, BLOCK // n_series)
    with path.open("wb") as stream:
        for day in range(first, end, each):
            rows = rows_of(day, min(each, end - day), n_series, first == 0, seed)
            options = pa.csv.WriteOptions(include_header=day == first, quoting_style="none")
            pa.csv.write_csv(rows, stream, options)


def commands(work: Path, more: dict[str, list[str]]) -> dict[str, list[str | Path]]:
    """The steps' commands."""
    config, data, prep, run = work / "config.json", work / "data", work / "prep", work / "run"
    config.write_text(json.dumps(CONFIG))
    return {
        "prep": ["prep", "--config", config, "--data", data, "--out", prep, "--force", *more["prep"]],
        "train": ["train", "--prep", prep, "--out", run, "--force", *more["train"]],
        "predict": ["predict", run, "--data", data, "--out", work / "forecast.csv", *more["predict"]],
    }


def measured(n_rows: int, steps: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """The steps of one size: medians of seconds and of megabytes at the peak."""
    work = options.work / f"{n_rows}"
    once = n_rows >= ONCE_FROM or options.runs == 1
    if "prep" in steps or not work.exists():
        shutil.rmtree(work, ignore_errors=True)
        n_series = max(2, round(n_rows / DAYS))
        generate(work / "data" / "train.csv", 0, DAYS, n_series)
        generate(work / "data" / "future.csv", DAYS, DAYS + AHEAD, n_series)
    found: dict[str, Any] = {}
    todo = commands(work, {step: getattr(options, f"{step}_options").split() for step in LIMITS})
    for step in steps:
        if step == "predict" and options.predict_rows:
            generate(work / "data" / "future.csv", DAYS, DAYS + AHEAD, round(options.predict_rows / AHEAD))
        limit = None if options.no_limit else LIMITS[step]
        costs = [limited.tabcli(*todo[step], gigabytes=limit) for _ in range(1 if once else options.runs)]
        found[step] = {
            "seconds": round(statistics.median(c.seconds for c in costs), 2),
            "cpu_seconds": round(statistics.median(c.cpu_seconds for c in costs), 2),
            "megabytes": round(statistics.median(c.megabytes for c in costs)),
            "limit": limit,
            "held_by": costs[0].held_by,
            "runs": len(costs),
            "disk_gigabytes": round(sum(p.stat().st_size for p in work.rglob("*") if p.is_file()) / 1e9, 2),
        }
        print(f"{n_rows:>11,} rows: {step}: {found[step]}", file=sys.stderr)
        if not options.keep:
            spare = {"prep": work / "data" / "train.csv", "train": work / "prep", "predict": work}[step]
            shutil.rmtree(spare) if spare.is_dir() else spare.unlink()
    return found


def plot(found: dict[str, Any], path: Path) -> None:
    """Seconds and megabytes against rows, all axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axis, unit, title in zip(
        figure.subplots(1, 2), ("seconds", "megabytes"), ("seconds", "MB at the peak, all processes"), strict=True
    ):
        for step, limit in LIMITS.items():
            there = sorted((int(n), costs[step][unit]) for n, costs in found.items() if step in costs)
            (line,) = axis.loglog(*zip(*there, strict=True), marker="o", label=step) if there else (None,)
            if unit == "megabytes" and line is not None:
                axis.axhline(limit * 1000, color=line.get_color(), linestyle=":", linewidth=1)
        axis.set(xlabel="rows", title=title)
        axis.grid(alpha=0.3, which="both")
        axis.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, required=True, help="a folder on a disk with room: 45 GB for 100 million rows"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON; other sizes and steps in it are kept")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--rows", type=float, nargs="+", default=SIZES)
    parser.add_argument("--steps", nargs="+", choices=list(LIMITS), default=list(LIMITS))
    parser.add_argument("--runs", type=int, default=3, help="of sizes below 50 million rows")
    parser.add_argument("--predict-rows", type=float, help="of more series than were learned; by default 28 of each")
    parser.add_argument("--keep", action="store_true", help="delete nothing")
    parser.add_argument("--no-limit", action="store_true", help="of memory")
    for step in LIMITS:
        parser.add_argument(f"--{step}-options", default="", help=f"more for `tabcli {step}`, such as '--shards 7'")
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    for n in map(int, options.rows):
        found.setdefault(str(n), {}).update(measured(n, options.steps, options))
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
