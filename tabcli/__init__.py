"""From a retailer's raw sales tables to a forecast people can act on.

The command line and a notebook use the same functions:

    import tabcli
    prep = tabcli.prep("config.yaml", data="data", out="prep")
    run = tabcli.train(prep, out="run")
    tabcli.predict(run, data="data", out="submission.csv")
"""

from typing import TYPE_CHECKING, Any

import tabcli.threads  # noqa: F401 (sets how threads wait, before torch is loaded)
from tabcli.version import __version__

if TYPE_CHECKING:
    from tabcli.api.backtest import backtest, tune
    from tabcli.api.begin import init, synth
    from tabcli.api.evaluate import evaluate
    from tabcli.api.inspect import inspect
    from tabcli.api.predict import forecaster, predict
    from tabcli.api.prep import prep
    from tabcli.api.steps import add_datepart, run_step
    from tabcli.api.train import lr_find, model_summary, train

_HOME = {
    "add_datepart": "api.steps",
    "backtest": "api.backtest",
    "evaluate": "api.evaluate",
    "forecaster": "api.predict",
    "init": "api.begin",
    "inspect": "api.inspect",
    "lr_find": "api.train",
    "model_summary": "api.train",
    "predict": "api.predict",
    "prep": "api.prep",
    "run_step": "api.steps",
    "synth": "api.begin",
    "train": "api.train",
    "tune": "api.backtest",
}
"""The module of each name, which is imported when the name is first used: `tabcli --help` waits for none of them."""

__all__ = [
    "__version__",
    "add_datepart",
    "backtest",
    "evaluate",
    "forecaster",
    "init",
    "inspect",
    "lr_find",
    "model_summary",
    "predict",
    "prep",
    "run_step",
    "synth",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(f"tabcli.{_HOME[name]}"), name)
    raise AttributeError(f"module 'tabcli' has no attribute {name!r}")
