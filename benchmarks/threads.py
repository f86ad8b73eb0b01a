"""How long an epoch takes on two threads beside one, on a machine that does nothing else and on a busy one.

    tabcli synth data --stores 100 --days 700
    tabcli prep --config configs/quickstart.yaml --data data --out prep
    python benchmarks/threads.py prep --out threads.json

There are three contenders: one thread; two threads that sleep at barriers, as tabcli sets it; two threads that spin
there, as torch does by default. Each is a process that holds its data. In every round each trains one epoch, one after
the other; first beside no busy loop, then beside two (or as many as there are cores). For both it prints how many times
as long as one thread two threads take, by the medians. It ends with exit code 1 where two threads that sleep take more
than a fifth longer than one.

Use a machine that does nothing else. Threads that spin take minutes an epoch on a busy machine; `--sleeping` leaves
them out.
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
    """A process that trains an epoch for each call of `epoch`."""

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
    """The seconds of each worker's epoch in each round, beside `n_busy` loops that do nothing but take a core.

    `beside_one_thread`: each worker's median ÷ that of one thread.
    """
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
    cores = max(2, os.cpu_count() or 1)
    parser.add_argument("prep", help="the prep directory whose training rows are learned")
    parser.add_argument("--out", required=True, help="the JSON file for all seconds and ratios")
    parser.add_argument("--rounds", type=int, default=5, help="how many epochs of each contender (default: 5)")
    parser.add_argument(
        "--busy", type=int, default=cores, help=f"how many busy loops at the second time ({cores} here)"
    )
    parser.add_argument("--sleeping", action="store_true", help="leave out the threads that spin")
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
        for name, ratio in part["beside_one_thread"].items():
            if name != "one thread":
                print(f"beside {part['busy_loops']} busy loops {name} take {ratio:.2f} times as long as one")
    if any(part["beside_one_thread"]["two threads that sleep"] > 1.2 for part in result):
        raise SystemExit("two threads took more than a fifth longer than one")


if __name__ == "__main__":
    main()
