"""What to do with rows whose target was cut short: generated sales, a fifth of them sold out, three ways to learn.

    python benchmarks/sold_out.py --work FOLDER --seeds 5 --out sold_out.json

A shop orders what its rows of the same weekday and promotion usually sell, times a factor with noise, or has a shelf of
one size (`--stock`), such that a fifth of its open days sell out: then sales are the stock, and SoldOut is 1. Forecasts
are of demand, which on the days to forecast nobody cuts. The ways, all by the same config with other overrides:

    known         a reference: what demand was, as if no row had been cut
    as true       the cut sales as if they were demand
    left out      the cut rows are in nothing: target.drop_where
    lower bounds  the networks learn that demand was at least the sales: target.censored_where
"""

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tabcli

CONFIG = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
SETTINGS = ["metric=wape", "validation.last=28d", "availability.past_only=[customers, SoldOut]"]
WAYS = {
    "known": [],
    "as true": [],
    "left out": ["target.drop_where={SoldOut: 1}", "target.nonpositive=drop"],
    "lower bounds": ["target.censored_where={SoldOut: 1}"],
}


def cut_short(train: pd.DataFrame, stock: str, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """The train table with sales cut at the stock on a share of the open days, and a column SoldOut."""
    demand = train["sales"].to_numpy(dtype="float64")
    opened = demand > 0
    by = ["store", "day_of_week", "promo"] if stock == "plan" else ["store"]
    usual = train["sales"].where(opened).groupby([train[c] for c in by]).transform("median").to_numpy()
    noise = np.exp(rng.normal(0, 0.1 if stock == "plan" else 0.0, len(train)))
    ratio = demand / (usual * noise)
    factor = np.quantile(ratio[opened], 1 - share)
    level = np.floor(usual * noise * factor)
    sold_out = opened & (demand > level)
    return train.assign(sales=np.where(sold_out, level, demand).astype("int64"), SoldOut=sold_out.astype("int64"))


def forecast(way: str, data: Path, work: Path, changes: list[str]) -> pd.DataFrame:
    """The forecast of the test rows, learned in one of the `WAYS` from the tables in `data`."""
    overrides = [*SETTINGS, *WAYS[way], *changes]
    prep = tabcli.prep(CONFIG, data, work / "prep", overrides=overrides, force=True)
    run = tabcli.train(prep, work / "run", overrides=changes, force=True)
    return tabcli.predict(run, data).table


def one_seed(seed: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Scores of all ways on one generated chain."""
    work = Path(arguments.work) / f"seed-{seed}"
    data = work / "data"
    shutil.rmtree(work, ignore_errors=True)
    tabcli.synth(data, stores=arguments.stores, days=arguments.days, seed=seed, noise=arguments.noise)
    demand = pd.read_csv(data / "train.csv", dtype={"state_holiday": str})
    cut = cut_short(demand, arguments.stock, arguments.share, np.random.default_rng(seed))
    truth = pd.read_csv(data / "truth.csv").set_index("id")["sales"]
    found = []
    for way in arguments.ways:
        (demand.assign(SoldOut=0) if way == "known" else cut).to_csv(data / "train.csv", index=False)
        made = forecast(way, data, work, [f"seed={seed}", *arguments.set]).set_index("id")["sales"]
        actual = truth.loc[made.index]
        scores = {
            "wape": float((made - actual).abs().sum() / actual.sum()),
            "bias": float(made.sum() / actual.sum() - 1),
        }
        found.append({"seed": seed, "stock": arguments.stock, "way": way, **scores})
        print(json.dumps(found[-1]), flush=True)
    shutil.rmtree(work)
    return found


def main() -> None:
    """Prints the mean of each way over the seeds, and in how many it was better than the rows as true."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--stores", type=int, default=30)
    parser.add_argument("--days", type=int, default=600)
    parser.add_argument("--noise", type=float, default=0.15)
    parser.add_argument("--share", type=float, default=0.2, help="of the open days that sell out")
    parser.add_argument("--stock", choices=("plan", "shelf"), default="plan")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--set", nargs="*", default=["train.epochs=6", "calibration.windows=1"])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = [
        row for seed in range(arguments.first, arguments.first + arguments.seeds) for row in one_seed(seed, arguments)
    ]
    for way in arguments.ways:
        own = [r for r in rows if r["way"] == way]
        print(f"{way:<13} " + "  ".join(f"{m} {statistics.mean(r[m] for r in own):.4f}" for m in ("wape", "bias")))
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
