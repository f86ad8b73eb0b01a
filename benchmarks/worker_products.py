"""The floor of an epoch: nothing but the matrix products of the lesson's network, forward and back.

`python worker_products.py N_ROWS WIDTH,1000,500,1 BATCH float32|bfloat16`, then the number of epochs on each line.
"""

import json
import sys
import time
from itertools import pairwise

import torch


def epoch(n_steps: int, widths: list[int], batch: int, dtype: torch.dtype) -> None:
    layers = list(pairwise(widths))
    weights = [torch.randn(d_out, d_in).to(dtype) for d_in, d_out in layers]
    inputs = [torch.randn(batch, d_in).to(dtype) for d_in, _ in layers]
    gradients = [torch.randn(batch, d_out).to(dtype) for _, d_out in layers]
    for _ in range(n_steps):
        for x, w in zip(inputs, weights, strict=True):
            torch.mm(x, w.t())
        for x, w, g in zip(inputs, weights, gradients, strict=True):
            torch.mm(g.t(), x)
            torch.mm(g, w)


def main() -> None:
    n_rows, batch = int(sys.argv[1]), int(sys.argv[3])
    widths, dtype = [int(w) for w in sys.argv[2].split(",")], getattr(torch, sys.argv[4])
    print(json.dumps({"rows": n_rows, "dtype": str(dtype)}), flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            epoch(n_rows // batch, widths, batch, dtype)
        print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)


if __name__ == "__main__":
    main()
