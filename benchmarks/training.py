"""Training against its peers in one run: fastai's learner, LightGBM, and the bare matrix products.

    python benchmarks/training.py PREP --out training.json --fastai .venv-fastai/bin/python

Each contender is a process that holds its data and runs when it is told, one at a time, in rounds: what slows the
machine for a while slows all of them. Ratios are medians over the rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tabcli.artifacts import contents
from tabcli.bundle import directories
from tabcli.config.loading import load
from tabcli.training.inputs import make_inputs
from tabcli.training.loop import uses_bfloat16

HERE = Path(__file__).parent
LESSON = ("preset=lesson6", "model.history=none", "train.mixup=null", "train.epochs=5")  # whatever the prep says


class Worker:
    """A contender: `run(n)` gives what it measured for n epochs."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = self._line()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def run(self, n_epochs: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{n_epochs}\n")
        self.process.stdin.flush()
        return self._line()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def for_fastai(prepared: contents.Prepared, directory: Path) -> tuple[str, str]:
    """The encoded columns and their roles as files that fastai's environment can read."""
    preprocessor = prepared.fitted.preprocessor
    train, valid = prepared.tables["train"], prepared.tables["valid"]
    columns = [*preprocessor.categorical, *preprocessor.continuous, "y"]
    table, roles = directory / "rows.parquet", directory / "roles.json"
    pd.concat([train[columns], valid[columns]], ignore_index=True).to_parquet(table)
    chosen = {"categorical": preprocessor.categorical, "continuous": preprocessor.continuous, "n_train": len(train)}
    roles.write_text(json.dumps(chosen))
    return str(table), str(roles)


def start(prepared: contents.Prepared, prep: str, fastai: str | None, directory: Path) -> dict[str, Worker]:
    """All contenders, with their data loaded."""
    lesson = load(prepared.fitted.config, [*LESSON, "variants=[]"])
    spec = make_inputs(prepared, lesson, 0, None).spec
    width = sum(w for _, w in spec.embeddings.values()) + spec.n_continuous
    dtype = "bfloat16" if uses_bfloat16(prepared.fitted.config.train) else "float32"
    n_rows = str(len(prepared.tables["train"]))
    python, own = sys.executable, str(HERE / "worker_tabcli.py")
    shapes = [n_rows, f"{width},1000,500,1", "512", dtype]
    workers = {
        "matrix products": Worker(python, str(HERE / "worker_products.py"), *shapes),
        "tabcli, the lesson's network": Worker(python, own, prep, *LESSON),
        "tabcli, defaults": Worker(python, own, prep),
    }
    if fastai is not None:
        workers["fastai, the lesson's network"] = Worker(
            fastai, str(HERE / "worker_fastai.py"), *for_fastai(prepared, directory)
        )
    return workers


def epochs_in_rounds(workers: dict[str, Worker], rounds: int) -> dict[str, list[float]]:
    """Seconds of one epoch, evaluation included, of each contender in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for i in range(rounds):
        for name, worker in workers.items():
            seconds[name].append(worker.run(1)["seconds"])
            print(f"round {i + 1}: {name}: {seconds[name][-1]:.1f} s", file=sys.stderr)
    return seconds


def time_to_accuracy(own: Worker, goal: float, longest: int) -> dict[str, Any]:
    """The shortest schedule of ours that ends at the goal or below, and how long it took."""
    tried = []
    for n_epochs in range(1, longest + 1):
        tried.append({"epochs": n_epochs, **own.run(n_epochs)})
        if tried[-1]["rmspe"] <= goal:
            break
    return {"goal": goal, "tried": tried, "reached": tried[-1]["rmspe"] <= goal, "seconds": tried[-1]["seconds"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prep")
    parser.add_argument("--out", required=True)
    parser.add_argument("--fastai", help="the python of an environment with fastai")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accuracy", action="store_true", help="also fastai's five epochs, and LightGBM")
    options = parser.parse_args()
    prepared = directories.load_prep(Path(options.prep))
    with tempfile.TemporaryDirectory() as directory:
        workers = start(prepared, options.prep, options.fastai, Path(directory))
        seconds = epochs_in_rounds(workers, options.rounds)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        result: dict[str, Any] = {"rows": len(prepared.tables["train"]), "threads": torch.get_num_threads()}
        result |= {"epoch_seconds": seconds, "epoch_medians": medians}
        if options.accuracy:
            peers = {"LightGBM": Worker(sys.executable, str(HERE / "worker_lightgbm.py"), options.prep)}
            if options.fastai is not None:
                peers["fastai"] = workers["fastai, the lesson's network"]
            result["to_accuracy"] = {}
            for name, peer in peers.items():
                theirs = peer.run(5)
                ours = time_to_accuracy(workers["tabcli, defaults"], theirs["rmspe"], 8)
                result["to_accuracy"][name] = {"theirs": theirs, "ours": ours}
                peer.close()
        for worker in workers.values():
            worker.close()
    Path(options.out).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
