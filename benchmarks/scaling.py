"""Time and memory against rows: prep, one epoch, and the forecast of generated tables of several sizes.

python benchmarks/scaling.py --rows 100000 1000000 10000000 --work FOLDER --out scaling.json --plot scaling.png
"""

import argparse
import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import measure

CONFIG = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
DAYS = 990
ONE_EPOCH = ["-S", "train.epochs=1", "-S", "train.batch_size=1024", "-S", "calibration.windows=0"]


def of_size(n_rows: int, work: Path, n_runs: int) -> dict[str, Any]:
    """All stages on about `n_rows` rows, medians of `n_runs`; the tables are made first, and not counted."""
    shutil.rmtree(work, ignore_errors=True)
    data, prep, run = work / "data", work / "prep", work / "run"
    n_stores = max(2, round(n_rows / DAYS))
    measure.tabcli("synth", data, "--stores", str(n_stores), "--days", str(DAYS))
    stages = {
        "prep": ["prep", "--config", CONFIG, "--data", data, "--out", prep, "--force"],
        "train": ["train", "--config", CONFIG, "--prep", prep, "--out", run, "--force", *ONE_EPOCH],
        "predict": ["predict", run, "--data", data, "--out", work / "forecast.csv"],
    }
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in stages}
    for _ in range(n_runs):
        for name, arguments in stages.items():
            costs[name].append(measure.as_dict(measure.tabcli(*arguments)))
            print(f"{n_rows:>10,} rows: {name}: {costs[name][-1]}", file=sys.stderr)
    shutil.rmtree(work)
    medians = {
        name: {k: statistics.median(c[k] for c in several) for k in several[0]} for name, several in costs.items()
    }
    return {"rows": n_stores * DAYS, "runs": n_runs, "seconds": sum(m["seconds"] for m in medians.values()), **medians}


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Seconds and megabytes against rows, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    rows = [r["rows"] for r in results]
    for axis, unit, title in zip(axes, ("seconds", "megabytes"), ("seconds", "MB at the peak"), strict=True):
        for stage in ("prep", "train", "predict"):
            axis.loglog(rows, [r[stage][unit] for r in results], marker="o", label=stage)
        axis.set(xlabel="rows", title=title)
        axis.grid(alpha=0.3, which="both")
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    results = [of_size(n, options.work / "sized", options.runs) for n in options.rows]
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
