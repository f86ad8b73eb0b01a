"""One epoch of tabcli's network for each line read: `python worker_tabcli.py PREP KEY=VALUE …` → a JSON line each.

The line is the number of epochs that the schedule has; all of them are run. Time without loading, with evaluation. The
loop has as many threads as torch takes, like fastai's; `tabcli train` gives each network one (benchmarks/threads.py).
"""

import json
import sys
from pathlib import Path

from tabcli.bundle import directories
from tabcli.config.loading import load
from tabcli.training import loop
from tabcli.training.inputs import chosen_history, make_inputs, scorer
from tabcli.training.network import describe


def main() -> None:
    prepared = directories.load_prep(Path(sys.argv[1]))
    settings = load(prepared.fitted.config, ["variants=[]", *sys.argv[2:]])
    inputs = make_inputs(prepared, settings, 0, chosen_history(prepared, settings))
    score = scorer(prepared, inputs.scored)
    print(json.dumps({"network": describe(inputs.spec), "rows": len(inputs.train)}), flush=True)
    for line in sys.stdin:
        train = settings.train.model_copy(update={"epochs": int(line), "keep": "last"})
        fit = loop.fit(inputs.spec, train, inputs.train, inputs.valid, score=score, seed=settings.seed)
        seconds = sum(record.seconds for record in fit.epochs)  # without making the network, as with fastai
        print(json.dumps({"seconds": seconds, "rmspe": fit.epochs[-1].scores["valid_rmspe"]}), flush=True)


if __name__ == "__main__":
    main()
