"""What the intervals of `fev.py` held in segments of the rows of all its windows: weekday, promotion, step and so on.

    python benchmarks/fev_segments.py --out fev --data data/rossmann --task 1D --plot docs/coverage.png

It reads the windows' `forecasts.csv` and `truth.csv` under --out, and `store.csv`, and trains nothing. Closed days,
which are 0 by rule, count in no share.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tabcli.evaluation.bounds import Bounds
from tabcli.evaluation.quantiles import bounds_in, intervals_in

SEGMENTS = {"1D": ["window", "DayOfWeek", "Promo", "StoreType", "step"], "1W": ["window", "Promo", "StoreType", "step"]}
SHOWN = {"held_80_unsure": "held 80", "held_95_unsure": "held 95", "width_80": "width 80", "bias": "bias", "wql": "WQL"}
FEWEST = 2_000
"""Rows of a segment that is asked to hold what was promised; those with fewer are marked."""


def window_rows(folder: Path) -> pd.DataFrame:
    """The rows of one window with their forecast, `Sales (actual)`, and `step`, the rank of their date."""
    truth = pd.read_csv(folder / "truth.csv", parse_dates=["Date"]).rename(columns={"Sales": "Sales (actual)"})
    forecast = pd.read_csv(folder / "forecasts.csv").drop(columns=["Store", "Date"])
    rows = truth.merge(forecast, on="Id", validate="one_to_one")
    return rows.assign(window=folder.name, step=rows["Date"].rank(method="dense").astype(int))


def all_rows(folder: Path, data: Path) -> pd.DataFrame:
    """The open rows of all windows of a task, with their store's type. Raises `SystemExit` where there are none."""
    done = [p.parent for p in sorted(folder.glob("*/truth.csv")) if (p.parent / "scores.json").exists()]
    if not done:
        raise SystemExit(f"{folder}: no window with truth.csv and scores.json; run benchmarks/fev.py first")
    rows = pd.concat([window_rows(each) for each in done], ignore_index=True)
    if not bounds_in(rows.columns, "Sales"):
        raise SystemExit(f"{folder}: the forecasts have no quantiles; run benchmarks/fev.py again with --force")
    return rows.merge(pd.read_csv(data / "store.csv")[["Store", "StoreType"]], on="Store", validate="many_to_one")


def segment_scores(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """A row for all rows, and one for each value of each column: *segment*, *value*, *rows* that are open, `SHOWN`."""
    levels = bounds_in(rows.columns, "Sales")
    values = rows[list(levels)].to_numpy(np.float64)
    rows = rows[values.min(axis=1) < values.max(axis=1)]
    made = rows[list(levels)].to_numpy(np.float64)
    actual, point = (rows[c].to_numpy(np.float64) for c in ("Sales (actual)", "Sales"))
    bounds = Bounds("Sales", levels, made, intervals_in(levels, "Sales"), actual, point, None)
    parts = []
    for of in (pd.Series("", rows.index, name="all"), *(rows[c] for c in by)):
        scores = bounds.grouped(of)
        parts.append(scores.rename(columns={scores.columns[0]: "value"}).assign(segment=of.name))
    return pd.concat(parts, ignore_index=True)[["segment", "value", "rows", *SHOWN]]


def table_text(scores: pd.DataFrame) -> str:
    """Aligned lines; a star marks segments of few rows."""
    lines = [f"{'segment':<22}{'rows':>9}" + "".join(f"{name:>10}" for name in SHOWN.values())]
    for record in scores.to_dict("records"):
        name = f"{record['segment']} {record['value']}".strip() + "*" * (record["rows"] < FEWEST)
        cells = "".join(f"{100 * record[key]:>8.2f} %" for key in SHOWN)
        lines.append(f"{name:<22}{record['rows']:>9,}{cells}")
    if (scores["rows"] < FEWEST).any():
        lines.append(f"* fewer than {FEWEST:,} rows")
    return "\n".join(lines)


def plot_windows(scores: pd.DataFrame, path: Path) -> None:
    """What intervals promised and held, window by window."""
    windows = scores[scores["segment"] == "window"]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for share, colour in ((80, "tab:blue"), (95, "tab:orange")):
        held = 100 * windows[f"held_{share}_unsure"]
        axes.plot(range(len(windows)), held, "o-", color=colour, label=f"{share} % intervals")
        axes.axhline(share, color=colour, linestyle="--", linewidth=1)
    axes.set_xticks(range(len(windows)), windows["value"].astype("str"), rotation=30, ha="right")
    axes.set_ylim(50, 100)
    axes.set(xlabel="window that ends on", ylabel="rows within the interval, %")
    axes.set_title("What intervals promised (dashed) and held")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the competition's store.csv")
    parser.add_argument("--out", type=Path, required=True, help="the folder that fev.py wrote")
    parser.add_argument("--task", choices=list(SEGMENTS), required=True)
    parser.add_argument("--plot", type=Path, help="the PNG file for what each window's intervals held")
    options = parser.parse_args(arguments)
    rows = all_rows(options.out / options.task, options.data)
    scores = segment_scores(rows, SEGMENTS[options.task])
    print(table_text(scores))
    if options.plot:
        plot_windows(scores, options.plot)


if __name__ == "__main__":
    main()
