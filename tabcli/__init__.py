"""From a retailer's raw sales tables to a forecast people can act on.

The command line and a notebook use the same functions:

    import tabcli
    prep = tabcli.prep("config.yaml", data="data", out="prep")
    run = tabcli.train(prep, out="run")
    tabcli.predict(run, data="data", out="submission.csv")
"""

from typing import TYPE_CHECKING, Any

from tabcli.version import __version__

if TYPE_CHECKING:
    from tabcli.stages import (
        add_datepart,
        backtest,
        evaluate,
        forecaster,
        inspect,
        lr_find,
        model_summary,
        predict,
        prep,
        run_step,
        train,
        tune,
    )
    from tabcli.starting import init, synth

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
    # The stages import torch and pandas, which `tabcli --help` must not wait for.
    if name in __all__:
        from importlib import import_module

        module = import_module("tabcli.starting" if name in ("init", "synth") else "tabcli.stages")
        return getattr(module, name)
    raise AttributeError(f"module 'tabcli' has no attribute {name!r}")
