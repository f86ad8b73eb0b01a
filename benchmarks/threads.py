"""Two threads beside one, on a machine that does nothing else and on one that does: how they wait for each other.

    python benchmarks/threads.py PREP --out threads.json

Each contender is a process that holds its data and trains one epoch when it is told, one at a time, in rounds: one
thread; two threads that sleep at barriers, as tabcli sets it; two that spin there, as torch does by default. First
alone, then beside as many busy loops as there are cores. Prints the ratios of the medians to that of one thread, and
fails where two threads that sleep take more than a fifth longer than one.

Threads that spin take minutes an epoch on a busy machine; `--sleeping` leaves them out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONTENDERS = {
    "one thread": (1, {"OMP_WAIT_POLICY": "passive"}),
    "two threads that sleep": (2, {"OMP_WAIT_POLICY": "passive"}),
    "two threads that spin": (2, {"GOMP_SPINCOUNT": "300000"}),  # libgomp's own number where nothing is said
}


class Worker:
    """An epoch for each call of `epoch`."""

    def __init__(self, prep: str, threads: int, environment: dict[str, str]) -> None:
        command = [sys.executable, str(HERE / "worker_tabcli.py"), prep, f"train.threads={threads}"]
        said = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**said, **environment}
        )
        self._line()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def epoch(self) -> float:
        """Seconds of one epoch, evaluation included."""
        assert self.process.stdin is not None
        self.process.stdin.write("1\n")
        self.process.stdin.flush()
        return float(self._line()["seconds"])

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(workers: dict[str, Worker], rounds: int, n_busy: int) -> dict[str, Any]:
    """Seconds of an epoch, beside so many loops that do nothing but take a core."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n_busy)]
    try:
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        load = os.getloadavg()[0]
        for i in range(rounds):
            for name, worker in workers.items():
                seconds[name].append(worker.epoch())
                print(f"{n_busy} loops, round {i + 1}: {name}: {seconds[name][-1]:.2f} s", file=sys.stderr)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {name: round(value / medians["one thread"], 2) for name, value in medians.items()}
    return {"busy_loops": n_busy, "load_before": load, "seconds": seconds, "beside_one_thread": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prep")
    parser.add_argument("--out", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="how many busy loops")
    parser.add_argument("--sleeping", action="store_true", help="without the threads that spin")
    options = parser.parse_args()
    chosen = {name: how for name, how in CONTENDERS.items() if not (options.sleeping and "spin" in name)}
    workers = {name: Worker(options.prep, *how) for name, how in chosen.items()}
    try:
        result = [measure(workers, options.rounds, n) for n in (0, options.busy)]
    finally:
        for worker in workers.values():
            worker.close()
    Path(options.out).write_text(json.dumps(result, indent=2) + "\n")
    for part in result:
        print(f"beside {part['busy_loops']} busy loops: {json.dumps(part['beside_one_thread'])}")
    if any(part["beside_one_thread"]["two threads that sleep"] > 1.2 for part in result):
        raise SystemExit("two threads took more than a fifth longer than one")


if __name__ == "__main__":
    main()
