"""One epoch of fastai's tabular learner for each line read, on the columns that tabcli encoded: the lesson's network.

Runs in fastai's own environment, which knows nothing of tabcli. `python worker_fastai.py TABLES.parquet ROLES.json`
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.tabular.all import Categorify, Normalize, TabularPandas, range_of, tabular_config, tabular_learner


def main() -> None:
    rows, roles = pd.read_parquet(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    n_train = roles["n_train"]
    splits = (range_of(rows)[:n_train], range_of(rows)[n_train:])
    table = TabularPandas(
        rows, [Categorify, Normalize], roles["categorical"], roles["continuous"], "y", splits=splits, inplace=True
    )
    loaders = table.dataloaders(bs=512, num_workers=0)
    y_range = torch.tensor([0.0, float(rows["y"].max()) + np.log(1.2)])
    actual = np.exp(rows["y"].to_numpy()[n_train:])
    print(json.dumps({"rows": n_train}), flush=True)
    for line in sys.stdin:
        config = tabular_config(ps=[0.001, 0.01], embed_p=0.04, y_range=y_range)
        learner = tabular_learner(loaders, layers=[1000, 500], config=config, n_out=1)
        started = time.perf_counter()
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(int(line), 5e-3, wd=0.2)
        seconds = time.perf_counter() - started
        with learner.no_bar():
            outputs = learner.get_preds(dl=loaders.valid)[0].numpy()[:, 0]
        rmspe = float(np.sqrt(np.mean((np.exp(outputs) / actual - 1) ** 2)))
        print(json.dumps({"seconds": seconds, "rmspe": rmspe}), flush=True)


if __name__ == "__main__":
    main()
