"""One network on the CPU, on a CUDA device, and by a group of one rank there (nccl): scores and seconds as JSON.

    python benchmarks/gpu.py --out gpu.json

It makes a table and a prep of it, and takes about a minute. Without installation: PYTHONPATH=CHECKOUT, where Python has
torch with CUDA, pandas 3, pyarrow, pydantic and safetensors. Without a CUDA device the group is one of gloo's.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch

import tabcli
from tabcli.artifacts.contents import Prepared, Weights
from tabcli.config.loading import load
from tabcli.training.group import ALONE, Group, joined
from tabcli.training.inputs import history_of, make_inputs, scorer
from tabcli.training.loop import fit, one_thread

CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"


@dataclass(frozen=True)
class Try:
    """One training. `seconds`: of each epoch, the first one, which warms up, among them; `rmspe`: at the end.

    `same_bits`: whether the weights are those of the try before it, which differs from it in what its name says.
    """

    name: str
    seconds: list[float]
    rmspe: float
    same_bits: bool | None = None


def trained(prepared: Prepared, changes: list[str], group: Group = ALONE) -> tuple[list[float], float, Weights]:
    """Seconds of each epoch, the validation score after the last one, and the weights."""
    settings = load(prepared.fitted.config, changes)
    inputs = make_inputs(prepared, settings, 0, history_of(prepared))
    with one_thread():
        made = fit(
            inputs.spec,
            settings.train,
            inputs.train,
            inputs.valid,
            score=scorer(prepared, inputs.scored),
            seed=settings.seed,
            group=group,
        )
    return [record.seconds for record in made.epochs], made.epochs[-1].score, made.weights


@contextmanager
def deterministic() -> Iterator[None]:
    """torch takes, where it has two ways, the one that always gives the same bits."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def tries(prepared: Prepared, changes: list[str], store: Path) -> Iterator[Try]:
    """All trainings, one after the other."""
    there = "cuda" if torch.cuda.is_available() else "cpu"
    on_cpu, on_there = [*changes, "train.device=cpu"], [*changes, f"train.device={there}"]
    seconds, rmspe, before = trained(prepared, on_cpu)
    yield Try("cpu", seconds, rmspe)

    def next_try(name: str, group: Group = ALONE) -> Try:
        nonlocal before
        seconds, rmspe, weights = trained(prepared, on_there, group)
        same = all(weights[k].tobytes() == before[k].tobytes() for k in weights)
        before = weights
        return Try(name, seconds, rmspe, same)

    yield next_try(there)
    yield next_try(f"{there} again")
    with deterministic():
        yield next_try(f"{there} deterministic")
        yield next_try(f"{there} deterministic again")
        with joined(0, 1, store, there) as group:
            yield next_try(f"a group of one by {'nccl' if there == 'cuda' else 'gloo'}, deterministic", group)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="the JSON file for the result; by default standard output alone")
    parser.add_argument("--stores", type=int, default=100)
    parser.add_argument("--days", type=int, default=700)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as -S of tabcli")
    options = parser.parse_args()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA's matrix products keep no bits
    started, made = time.perf_counter(), []
    changes = [f"train.epochs={options.epochs}", "train.batch_size=1024", "train.keep=last", *options.set]
    with tempfile.TemporaryDirectory() as folder:
        tabcli.synth(Path(folder) / "data", stores=options.stores, days=options.days)
        prepared = tabcli.prep(CONFIG, Path(folder) / "data").prepared
        for one in tries(prepared, changes, Path(folder) / "store"):
            made.append(one)
            print(one, file=sys.stderr)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    found = {
        "device": device,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "pandas": pd.__version__},
        "rows": len(prepared.tables["train"]),
        "tries": [asdict(one) for one in made],
        "whole_seconds": round(time.perf_counter() - started, 1),
    }
    text = json.dumps(found, indent=2)
    if options.out:
        Path(options.out).write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
