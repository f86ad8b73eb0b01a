"""How long `tabcli train` takes with two threads beside one, on a machine that does nothing else and on a busy one.

    tabcli synth data --stores 100 --days 700
    tabcli prep --config configs/quickstart.yaml --data data --out prep
    python benchmarks/threads.py prep --out threads.json

Two networks are trained by the command line, with `train.threads` 1 and 2 in turn: first beside no busy loop, then
beside two (or as many as there are cores). For both it prints how many times as long as one thread two threads take, by
the medians. It ends with exit code 1 where two threads take more than a fifth longer than one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import measure

LONG = 1.2
"""So many times as long as one thread two may take, whatever the load."""


def train(prep: str, threads: int, epochs: int) -> float:
    """Seconds of one command that trains two networks."""
    changes = ("train.members=2", f"train.threads={threads}", f"train.epochs={epochs}", "calibration.windows=0")
    with tempfile.TemporaryDirectory() as folder:
        run = ["--prep", prep, "--out", f"{folder}/run"]
        return measure.tabcli("train", *run, *(part for change in changes for part in ("-S", change))).seconds


def beside(prep: str, rounds: int, epochs: int, n_busy: int) -> dict[str, Any]:
    """The seconds of each command beside `n_busy` loops that do nothing but take a core, and `ratio`: two ÷ one."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n_busy)]
    try:
        load, seconds = os.getloadavg()[0], dict[int, list[float]]({1: [], 2: []})
        for i in range(rounds):
            for threads, values in seconds.items():
                values.append(train(prep, threads, epochs))
                print(f"{n_busy} loops, round {i + 1}: threads {threads}: {values[-1]:.1f} s", file=sys.stderr)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    ratio = statistics.median(seconds[2]) / statistics.median(seconds[1])
    return {"busy_loops": n_busy, "load_before": load, "seconds": seconds, "ratio": round(ratio, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = max(2, os.cpu_count() or 1)
    parser.add_argument("prep", help="the prep directory whose training rows are learned")
    parser.add_argument("--out", required=True, help="the JSON file for all seconds and ratios")
    parser.add_argument("--rounds", type=int, default=3, help="how many commands of each (default: 3)")
    parser.add_argument("--epochs", type=int, default=16, help="of each network (default: 16)")
    parser.add_argument("--busy", type=int, default=cores, help=f"busy loops at the second time ({cores} here)")
    options = parser.parse_args()
    result = [beside(options.prep, options.rounds, options.epochs, n) for n in (0, options.busy)]
    Path(options.out).write_text(json.dumps(result, indent=2) + "\n")
    for part in result:
        print(f"beside {part['busy_loops']} busy loops two threads take {part['ratio']:.2f} times as long as one")
    if any(part["ratio"] > LONG for part in result):
        raise SystemExit("two threads took more than a fifth longer than one")


if __name__ == "__main__":
    main()
