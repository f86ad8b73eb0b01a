"""How often intervals hold what happens, by window, weekday, promotion, store type and steps ahead; a plot of it.

    python benchmarks/fev.py --data data/rossmann --out fev --task 1D
    python benchmarks/coverage.py --data data/rossmann --out fev --plot docs/coverage.png

Reads the windows that fev.py left. Only rows that were sold on are counted: closed days are 0 by rule.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

PROMISED = {80: ("Sales_q10", "Sales_q90"), 95: ("Sales_lo95", "Sales_hi95")}


def rows_of(out: Path, stores: pd.DataFrame) -> pd.DataFrame:
    """The scored rows of all windows with *held 80*, *held 95*, *width 80* and the columns that they are told by."""
    found = []
    for folder in sorted(p.parent for p in (out / "1D").glob("*/scores.json")):
        truth = pd.read_csv(folder / "truth.csv", parse_dates=["Date"])
        forecast = pd.read_csv(folder / "forecasts.csv").drop(columns=["Store", "Date", "Sales"], errors="ignore")
        rows = truth.merge(forecast, on="Id").merge(stores, on="Store")
        rows["window"] = folder.name
        rows["steps ahead"] = ((rows["Date"] - rows["Date"].min()).dt.days // 12 * 12 + 1).map(
            lambda d: f"{d} … {d + 11}"
        )
        found.append(rows[rows["Sales"] > 0])
    if not found:
        raise SystemExit(f"{out}: no windows of rossmann_1D here; run benchmarks/fev.py --task 1D first")
    rows = pd.concat(found, ignore_index=True)
    for share, (low, high) in PROMISED.items():
        rows[f"held {share}"] = (rows["Sales"] >= rows[low]) & (rows["Sales"] <= rows[high])
    rows["width 80"] = (rows["Sales_q90"] - rows["Sales_q10"]) / rows["Sales_q50"]
    return rows


def held_by(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Per value of a column: rows, the shares held, and the mean width of 80 % intervals as a share of the median."""
    return rows.groupby(column).agg(
        rows=("Sales", "size"), held_80=("held 80", "mean"), held_95=("held 95", "mean"), width_80=("width 80", "mean")
    )


def plot(rows: pd.DataFrame, path: Path) -> None:
    """Held by window, beside what was promised."""
    by = held_by(rows, "window")
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for share, colour in ((80, "tab:blue"), (95, "tab:orange")):
        axes.plot(range(len(by)), 100 * by[f"held_{share}"], "o-", color=colour, label=f"{share} % intervals")
        axes.axhline(share, color=colour, linestyle="--", linewidth=1)
    axes.set_xticks(range(len(by)), by.index, rotation=30, ha="right")
    axes.set_ylim(50, 100)
    axes.set_ylabel("rows within the interval, %")
    axes.set_xlabel("window of 48 days that ends on")
    axes.legend(loc="lower right")
    axes.set_title("What intervals promised (dashed) and held, one network, nine past windows")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the competition's store.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder that fev.py wrote")
    parser.add_argument("--plot", type=Path, help="the PNG file for the plot")
    options = parser.parse_args(arguments)
    rows = rows_of(options.out, pd.read_csv(options.data / "store.csv")[["Store", "StoreType"]])
    every = rows.assign(all="all rows")
    for column in ("all", "window", "DayOfWeek", "Promo", "StoreType", "steps ahead"):
        print(held_by(every, column).to_string(float_format=lambda x: f"{100 * x:.1f}"), end="\n\n")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
