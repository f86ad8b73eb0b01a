"""What Ray costs beside processes: three folds of three networks, on two nodes of this machine with one core each.

    python benchmarks/ray_cost.py --work FOLDER --out ray_cost.json

The same backtest with `--on processes`, two networks at a time, and with `--on ray` on a cluster that stands already.
Memory is the largest sum of the PSS of all processes of the command, and on Ray of the nodes', too. It ends with exit
code 1 where Ray takes more than 1.15 times the processes' time and 15 s, or 650 MB more than they.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import kills
import limited
import scale

TIMES, SECONDS, MEGABYTES = 1.15, 15, 650


@contextmanager
def looked_at(pids: Callable[[], list[int]]) -> Iterator[list[float]]:
    """The memory of these processes, MB, looked at until the block ends; the list's one number is the largest."""
    most, ended = [0.0], threading.Event()

    def look() -> None:
        while not ended.wait(limited.LOOK_SECONDS):
            most[0] = max(most[0], limited.memory_of(pids()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def backtest(work: Path, on: str, options: argparse.Namespace) -> limited.Limited:
    out = work / on
    shutil.rmtree(out, ignore_errors=True)
    changes = ("train.members=3", "train.threads=2", f"train.epochs={options.epochs}", "calibration.windows=0")
    words = [word for change in changes for word in ("-S", change)]
    asked = ["--folds", "3", "--peers", "median", "--on", on, *words]
    return limited.tabcli("backtest", "--config", work / "config.json", "--data", work / "data", "--out", out, *asked)


def scores_of(out: Path) -> list[dict[str, object]]:
    """The folds' scores, without what differs from run to run."""
    found = json.loads((out / "scores.json").read_text())
    return [{k: v for k, v in fold.items() if k not in ("seconds", "megabytes")} for fold in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    work, n_series = options.work, max(2, round(options.rows / scale.DAYS))
    scale.generate(work / "data" / "train.csv", 0, scale.DAYS, n_series)
    scale.generate(work / "data" / "future.csv", scale.DAYS, scale.DAYS + scale.AHEAD, n_series)
    (work / "config.json").write_text(json.dumps(scale.CONFIG))
    beside = backtest(work, "processes", options)
    print("processes", beside, file=sys.stderr)
    started = time.perf_counter()
    with kills.cluster(2):
        starting = time.perf_counter() - started
        with looked_at(kills.of_cluster) as idle:
            time.sleep(2)
        with looked_at(lambda: sorted({*kills.of_cluster(), *limited.tree(os.getpid())[1:]})) as together:
            there = backtest(work, "ray", options)
    found = {
        "processes": {"seconds": round(beside.seconds, 1), "megabytes": round(beside.megabytes)},
        "ray": {"seconds": round(there.seconds, 1), "megabytes": round(together[0])},
        "idle nodes": {"seconds to start": round(starting, 1), "megabytes": round(idle[0])},
        "beside the work": {
            "seconds": round(there.seconds - beside.seconds, 1),
            "megabytes": round(together[0] - beside.megabytes),
        },
        "same scores": scores_of(work / "ray") == scores_of(work / "processes"),
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    slow = there.seconds > TIMES * beside.seconds + SECONDS
    large = together[0] - beside.megabytes > MEGABYTES
    if slow or large or not found["same scores"]:
        raise SystemExit("slower, larger or other than asked")


if __name__ == "__main__":
    main()
