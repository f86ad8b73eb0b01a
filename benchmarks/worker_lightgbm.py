"""LightGBM as `tabcli backtest` has it, without a history: a fit for each line. `python worker_lightgbm.py PREP`"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from tabcli.artifacts.encoded_names import row_column
from tabcli.bundle import directories
from tabcli.config.loading import load
from tabcli.selection.trees import fit_lightgbm
from tabcli.training.inputs import make_inputs


def main() -> None:
    prepared = directories.load_prep(Path(sys.argv[1]))
    settings = load(prepared.fitted.config, ["variants=[]", "model.history=none"])
    inputs = make_inputs(prepared, settings, 0, None)
    data = (inputs.train, inputs.valid)
    matrices = [np.concatenate([d.x_cat.numpy().astype("float32"), d.x_cont.numpy()], axis=1) for d in data]
    actual = inputs.scored[row_column(settings.target.column)].to_numpy(dtype="float64")
    print(json.dumps({"rows": len(inputs.train)}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        categorical = list(range(inputs.train.x_cat.shape[1]))
        predict = fit_lightgbm(matrices[0], inputs.train.y.numpy(), categorical, settings.seed)
        seconds = time.perf_counter() - started
        predicted = prepared.fitted.target.inverse(predict(matrices[1]))
        rmspe = float(np.sqrt(np.mean((predicted / actual - 1) ** 2)))
        print(json.dumps({"seconds": seconds, "rmspe": rmspe}), flush=True)


if __name__ == "__main__":
    main()
