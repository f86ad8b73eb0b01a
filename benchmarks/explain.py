"""Whether explanations find what is true: sales from a known process, its factors beside what tabcli says of them.

    python benchmarks/explain.py --out explain.json --seeds 3

Sales are a product of factors: a level for each store, weekdays by the store's type, a yearly wave, a promotion of
every second week (another lift in each store), the day before a holiday, school holidays, the weather, a discount that
hardly matters, and a column that does nothing. For each seed:

- importance: the rise of RMSPE when a source's values are exchanged, by the networks and by the process itself, whose
  rows are exchanged in the same way: Spearman's correlation of the two over the sources;
- the promotion's effect: the mean of its parts by integrated gradients, against the week before, and of what `--set`
  changes, beside the mean of the true lifts of the same rows.
"""

import argparse
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tabcli
from tabcli.artifacts.contents import Prepared, Run
from tabcli.evaluation.metrics import rmspe
from tabcli.explanation.shuffled import shuffled_within

START = pd.Timestamp("2020-01-06")
STATES = ("n", "s", "w")


@dataclass(frozen=True)
class Process:
    """Sales of `stores` on `days` days, the last `horizon` of them to forecast; `noise`: sigma of the log."""

    stores: int = 60
    days: int = 800
    horizon: int = 42
    noise: float = 0.1
    seed: int = 0

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows, with what each factor is read from, and `log`, the true log of the sales."""
        rng = np.random.default_rng(self.seed)
        s, t = (i.ravel() for i in np.indices((self.stores, self.days)))
        date = START + pd.to_timedelta(t, unit="D")
        state = rng.integers(0, len(STATES), self.stores)
        holiday = rng.random((len(STATES), self.days + 1)) < 0.05
        weather = rng.normal(size=(len(STATES), self.days))
        school = (np.arange(self.days)[None] + 30 * np.arange(len(STATES))[:, None]) % 110 < 14
        rows = pd.DataFrame(
            {
                "store": s,
                "day": t,
                "date": date,
                "promo": ((t // 7 + s % 2) % 2) * (date.day_of_week < 5),
                "holiday": holiday[state[s], t].astype("int64"),
                "before": holiday[state[s], t + 1],
                "school": school[state[s], t].astype("int64"),
                "discount": rng.integers(0, 3, self.stores * self.days),
                "colour": rng.choice(["red", "green", "blue"], self.stores * self.days),
                "temperature": weather[state[s], t],
                "state": np.array(STATES)[state[s]],
            }
        )
        rows["log"] = self.log(rows)
        sales = np.exp(rows["log"] + self.noise * rng.normal(size=len(rows)))
        return rows.assign(units=np.where(rows["holiday"] == 1, 0, np.maximum(np.rint(sales), 1)))

    @cached_property
    def lifts(self) -> np.ndarray:
        """The log of what a promotion does in each store."""
        return np.random.default_rng([self.seed, 1]).normal(0.28, 0.05, self.stores)

    def log(self, rows: pd.DataFrame) -> np.ndarray:
        """The log of the sales of rows, whichever source each of their values comes from."""
        rng = np.random.default_rng([self.seed, 2])
        level, kind = rng.normal(6.5, 0.35, self.stores), rng.integers(0, 3, self.stores)
        week = rng.normal(0, 0.1, 7) + rng.normal(0, 0.04, (3, 7))
        s, t, weekday = rows["store"].to_numpy(), rows["day"].to_numpy(), rows["date"].dt.day_of_week.to_numpy()
        return (
            level[s]
            + week[kind[s], weekday]
            + 0.08 * np.sin(2 * np.pi * t / 365.25)
            + rows["promo"].to_numpy() * self.lifts[s]
            + 0.2 * rows["before"].to_numpy()
            + 0.08 * rows["school"].to_numpy()
            + 0.06 * rows["temperature"].to_numpy()
            + 0.012 * rows["discount"].to_numpy()
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that tabcli gets: train, future, stores and weather."""
        known = ["store", "date", "promo", "holiday", "school", "discount", "colour"]
        ahead = (self.rows["day"] >= self.days - self.horizon).to_numpy()
        stores = self.rows.drop_duplicates("store")[["store", "state"]].reset_index(drop=True)
        weather = self.rows.drop_duplicates(["state", "date"])[["state", "date", "temperature"]].reset_index(drop=True)
        return {
            "train": self.rows.loc[~ahead, [*known, "units"]].reset_index(drop=True),
            "future": self.rows.loc[ahead, known].reset_index(drop=True),
            "stores": stores,
            "weather": weather,
        }

    def config(self) -> dict[str, Any]:
        """Without a history, whose share of a store's level the process cannot tell."""
        return {
            "format_version": 1,
            "tables": {name: {"file": f"{name}.csv"} for name in ("train", "future", "stores", "weather")},
            "series": "store",
            "date": "date",
            "target": {"column": "units", "drop_where": {"units": 0}},
            "forecast": {"zero_where": {"holiday": 1}, "floor": "off"},
            "availability": {"known_in_advance": ["promo", "holiday", "school", "discount", "colour"]},
            "joins": [
                {"table": "stores", "on": "store"},
                {"table": "weather", "on": ["state", "date"], "known_in_advance": True},
            ],
            "features": {
                "date_parts": ["date"],
                "fourier": {"Season": {"date": "date", "order": 2}},
                "events": {
                    "Promo": {"where": {"promo": 1}, "window": "7d", "cap": "14d"},
                    "Holiday": {"where": {"holiday": 1}, "window": "7d", "cap": "14d"},
                    "School": {"where": {"school": 1}, "window": "7d", "cap": "14d"},
                },
            },
            "categorical": ["store", "state", "Dayofweek", "promo", "school", "colour", "BeforeHoliday"],
            "continuous": [
                *("Season_sin1", "Season_cos1", "Season_sin2", "Season_cos2", "discount", "temperature"),
                *("AfterPromo", "BeforePromo", "AfterHoliday", "AfterSchool", "BeforeSchool"),
            ],
            "validation": {"last": f"{self.horizon}d"},
            "calibration": {"windows": 0, "metric": "none"},
            "train": {"epochs": 8, "batch_size": 256, "lr": 3e-3, "keep": "last"},
            "seed": self.seed,
        }


SOURCES = {
    "store": ["store"],
    "calendar": ["date", "day"],
    "promo": ["promo"],
    "holiday": ["before"],
    "school": ["school"],
    "weather": ["temperature"],
    "discount": ["discount"],
    "colour": ["colour"],
}
"""Each source → the columns of the process's rows that it moves."""


def true_rises(process: Process, repeats: int) -> dict[str, float]:
    """The rise of the process's own RMSPE on the validation rows when each source is exchanged."""
    rows = process.rows
    first = process.days - 2 * process.horizon
    rows = rows[(rows["day"] >= first) & (rows["day"] < first + process.horizon) & (rows["units"] > 0)]
    rows = rows.reset_index(drop=True)
    actual, before, rises = rows["units"].to_numpy(dtype="float64"), np.exp(rows["log"].to_numpy()), {}
    for name, columns in SOURCES.items():
        rng, found = np.random.default_rng([process.seed, 3]), []
        blocks = rows["day"] if name == "store" else rows["store"]
        for _ in range(repeats):
            other = shuffled_within(blocks.to_numpy(), rng)
            changed = rows.assign(**{c: rows[c].to_numpy()[other] for c in columns})
            found.append(rmspe(actual, np.exp(process.log(changed))) - rmspe(actual, before))
        rises[name] = float(np.mean(found))
    return rises


def spearman(a: dict[str, float], b: dict[str, float]) -> float:
    """The rank correlation over the names of `a`."""
    ranks = pd.DataFrame({"a": a, "b": {name: b[name] for name in a}}).rank()
    return float(ranks["a"].corr(ranks["b"]))


def promotion_effects(process: Process, run: Run) -> dict[str, float]:
    """The promotion's mean effect on the log, as parts of differences and by another plan, beside the true one."""
    tables, lifts = process.tables(), process.lifts
    ahead = tables["future"]["date"]
    by_week = tabcli.explain(run, tables, dates=[f"{ahead.min():%Y-%m-%d}..{ahead.max():%Y-%m-%d}"]).table
    plan = process.rows.set_index(["store", "date"])["promo"]
    store = by_week["series"].astype("int64").to_numpy()
    now, then = (plan.reindex(pd.MultiIndex.from_arrays([store, by_week[c]])).to_numpy() for c in ("date", "against"))
    differ = now != then
    sign = np.where(now > then, 1, -1)[differ]
    parts, true = sign * by_week["promo"].to_numpy()[differ], lifts[store[differ]]
    other = tabcli.explain(run, tables, changes={"promo": "1"}).what_if
    assert other is not None
    own = other.table[(other.table["promo planned"] == 0) & (other.table["planned"] > 0) & other.table["own"]]
    own = own[own["date"].dt.day_of_week < 5]
    gained = np.log(own["changed"].to_numpy() / own["planned"].to_numpy())
    own_true = lifts[own["series"].astype("int64")]
    of_store = pd.DataFrame({"store": store[differ], "part": parts}).groupby("store")["part"].mean()
    return {
        "true": float(true.mean()),
        "by_parts": float(parts.mean()),
        "by_plan": float(gained.mean()),
        "true_of_plan": float(own_true.mean()),
        "parts_off": float(abs(parts.mean() / true.mean() - 1)),
        "plan_off": float(abs(gained.mean() / own_true.mean() - 1)),
        "stores_off": float((of_store / lifts[of_store.index] - 1).abs().median()),
    }


def measure(process: Process, overrides: tuple[str, ...] = (), repeats: int = 10) -> dict[str, Any]:
    """One process: a run, its importance beside the true one, the promotion's effect."""
    prep: Prepared = tabcli.prep(process.config(), process.tables()).prepared
    run = tabcli.train(prep, overrides=overrides).run
    importance = tabcli.explain(run, prep=prep, repeats=repeats).importance
    assert importance is not None
    found = {s.name: float(s.rise or 0.0) for s in importance.sources}
    true = true_rises(process, repeats)
    return {
        "rmspe": importance.score,
        "noise": process.noise,
        "importance": found,
        "true_importance": true,
        "spearman": spearman(true, found),
        "promotion": promotion_effects(process, run),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file for the result")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--stores", type=int, default=60)
    parser.add_argument("--members", type=int, default=1)
    args = parser.parse_args()
    found = []
    for seed in range(args.seeds):
        found.append(measure(Process(stores=args.stores, seed=seed), (f"train.members={args.members}",)))
        args.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
        promotion = found[-1]["promotion"]
        print(
            f"seed {seed}: RMSPE {found[-1]['rmspe']:.4f}, Spearman {found[-1]['spearman']:.3f}; the promotion's "
            f"effect {promotion['true']:.3f}: {promotion['by_parts']:.3f} by parts, "
            f"{promotion['by_plan']:.3f} by another plan"
        )


if __name__ == "__main__":
    main()
