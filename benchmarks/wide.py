"""What embeddings of many codes cost, and how wide they need to be.

    python benchmarks/wide.py --out wide.json

Steps: the optimiser's time for one batch of 1,024 rows with a table of so many codes, 32 wide: over all weights (AdamW,
as tabcli trains), and over the batch's rows alone (what "sparse" or "lazy" optimisers do: rows that a batch does not
touch keep their moments, which gives other weights than AdamW), each with the gradient that it needs.

Widths: 20,000 keys with 20 rows each to learn from, whose target is the product of 6 hidden numbers of the key with 6
functions of the row's inputs, with noise; the error on 5 further rows of each key, mean over seeds, and time a step.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tabcli.config.learning import Model, Train
from tabcli.training.dataset import Dataset
from tabcli.training.loop import fit
from tabcli.training.network import spec_of

WIDE, BATCH = 32, 1024


def seconds_of(step: Callable[[], None], n: int = 15) -> float:
    """The median of n calls, after two."""
    taken = []
    for _ in range(n + 2):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[2:])


def steps(n_codes: int) -> dict[str, float]:
    """Milliseconds of a step over all weights, and over the rows of the batch."""
    table = torch.nn.Parameter(torch.randn(n_codes * WIDE))
    codes, gradient = torch.randint(n_codes, (BATCH,)), torch.randn(BATCH, WIDE)
    places = (codes[:, None] * WIDE + torch.arange(WIDE)).view(-1)
    optimizer = torch.optim.AdamW([table], fused=True, weight_decay=0.0)
    table.grad = torch.zeros_like(table)

    def dense() -> None:
        assert table.grad is not None
        table.grad.zero_()
        table.grad += torch.zeros(len(table)).scatter_add_(0, places, gradient.view(-1))
        optimizer.step()

    rows = torch.nn.Parameter(torch.randn(n_codes, WIDE))
    lazy = torch.optim.SparseAdam([rows])

    def sparse() -> None:
        rows.grad = torch.sparse_coo_tensor(codes[None], gradient, rows.shape)
        lazy.step()

    return {"all weights": 1000 * seconds_of(dense), "rows of the batch": 1000 * seconds_of(sparse)}


def learned(width: int, n_keys: int, seed: int) -> dict[str, float]:
    """The error on new rows and seconds a step with embeddings of this width."""
    draw = np.random.default_rng(seed)
    hidden, mixing = draw.normal(size=(n_keys, 6)), draw.normal(size=(5, 6))

    def rows(each: int) -> Dataset:
        key = np.repeat(np.arange(n_keys), each)
        x = draw.normal(size=(len(key), 5))
        y = (hidden[key] * np.tanh(x @ mixing)).sum(1) + draw.normal(size=len(key))
        numbers = (torch.from_numpy(v.astype("float32")) for v in (x, y))
        return Dataset(torch.from_numpy(key[:, None].astype("int32") + 1), *numbers, torch.zeros(len(key)))

    train, valid = rows(20), rows(5)
    config = Model(layers=(128, 64), embedding_sizes={"key": width}, series_head=False)
    settings = Train(epochs=4, lr=5e-3, keep="last")
    started = time.perf_counter()

    def score(outputs: np.ndarray) -> dict[str, float]:
        return {"valid_rmspe": float(np.sqrt(np.mean((outputs - valid.y.numpy()) ** 2)))}

    done = fit(
        spec_of(config, {"key": n_keys + 1}, (5, 0), (0.0, 1.0, 1.0)), settings, train, valid, score=score, seed=1
    )
    n_steps = settings.epochs * -(-len(train) // settings.batch_size)
    return {"rmse": done.epochs[-1].score, "milliseconds": 1000 * (time.perf_counter() - started) / n_steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--codes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--widths", type=int, nargs="*", default=[8, 16, 32, 64, 150, 410])
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[int, dict[str, float]]] = {"steps": {}, "widths": {}}
    for n in options.codes:
        found["steps"][n] = steps(n)
        print(n, found["steps"][n], file=sys.stderr)
    for width in options.widths:
        several = [learned(width, options.keys, seed) for seed in range(1, options.seeds + 1)]
        found["widths"][width] = {name: statistics.mean(one[name] for one in several) for name in several[0]}
        print(width, found["widths"][width], file=sys.stderr)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
