"""From a retailer's raw sales tables to a forecast people can act on.

The command line and a notebook use the same functions:

    import tabcli
    prep = tabcli.prep("config.yaml", data="data", out="prep")
    run = tabcli.train(prep, out="run", callbacks=tabcli.progress())
    tabcli.predict(run, data="data", out="submission.csv")

Every failure that a person can act on is a `tabcli.TabcliError`; `except tabcli.DataError` catches those of the tables.
"""

from typing import TYPE_CHECKING

import tabcli.threads  # noqa: F401 (sets how threads wait, before torch is loaded)
from tabcli.version import __version__

if TYPE_CHECKING:
    from tabcli.api.backtest import backtest, tune
    from tabcli.api.begin import InitResult, init, synth
    from tabcli.api.card import CardResult, card
    from tabcli.api.compare import CompareResult, compare
    from tabcli.api.doctor import Checkup, doctor
    from tabcli.api.embeddings import EmbeddingsResult, embeddings
    from tabcli.api.evaluate import evaluate
    from tabcli.api.explain import ExplainResult, explain
    from tabcli.api.inspect import inspect
    from tabcli.api.predict import Forecaster, forecaster, predict
    from tabcli.api.prep import prep
    from tabcli.api.progress import progress
    from tabcli.api.report import ReportResult, report
    from tabcli.api.results import PredictResult, PrepResult, StepResult, TrainResult
    from tabcli.api.steps import add_datepart, run_step
    from tabcli.api.train import lr_find, model_summary, train
    from tabcli.config.schema import Config
    from tabcli.errors import BundleError, ConfigError, DataError, ResourceError, TabcliError, UsageError, WorkerError
    from tabcli.evaluation.comparison import Evaluation
    from tabcli.reports.inspection import Inspection
    from tabcli.selection.folds import Backtest
    from tabcli.selection.search import Trial, Tuning
    from tabcli.synthetic.retail import SynthResult
    from tabcli.training.loop import Callbacks
    from tabcli.training.lr_find import LRFind

_HOME = {
    "Backtest": "selection.folds",
    "BundleError": "errors",
    "Callbacks": "training.loop",
    "CardResult": "api.card",
    "CompareResult": "api.compare",
    "Checkup": "api.doctor",
    "Config": "config.schema",
    "ConfigError": "errors",
    "DataError": "errors",
    "EmbeddingsResult": "api.embeddings",
    "Evaluation": "evaluation.comparison",
    "ExplainResult": "api.explain",
    "Forecaster": "api.predict",
    "InitResult": "api.begin",
    "Inspection": "reports.inspection",
    "LRFind": "training.lr_find",
    "PredictResult": "api.results",
    "PrepResult": "api.results",
    "ReportResult": "api.report",
    "ResourceError": "errors",
    "StepResult": "api.results",
    "SynthResult": "synthetic.retail",
    "TabcliError": "errors",
    "TrainResult": "api.results",
    "Trial": "selection.search",
    "Tuning": "selection.search",
    "UsageError": "errors",
    "WorkerError": "errors",
    "add_datepart": "api.steps",
    "backtest": "api.backtest",
    "card": "api.card",
    "doctor": "api.doctor",
    "embeddings": "api.embeddings",
    "compare": "api.compare",
    "evaluate": "api.evaluate",
    "explain": "api.explain",
    "forecaster": "api.predict",
    "init": "api.begin",
    "inspect": "api.inspect",
    "lr_find": "api.train",
    "model_summary": "api.train",
    "predict": "api.predict",
    "prep": "api.prep",
    "progress": "api.progress",
    "report": "api.report",
    "run_step": "api.steps",
    "synth": "api.begin",
    "train": "api.train",
    "tune": "api.backtest",
}
"""The module of each name, which is imported when the name is first used: `tabcli --help` waits for none of them."""

__all__ = [
    "Backtest",
    "BundleError",
    "Callbacks",
    "CardResult",
    "Checkup",
    "CompareResult",
    "Config",
    "ConfigError",
    "DataError",
    "EmbeddingsResult",
    "Evaluation",
    "ExplainResult",
    "Forecaster",
    "InitResult",
    "Inspection",
    "LRFind",
    "PredictResult",
    "PrepResult",
    "ReportResult",
    "ResourceError",
    "StepResult",
    "SynthResult",
    "TabcliError",
    "TrainResult",
    "Trial",
    "Tuning",
    "UsageError",
    "WorkerError",
    "__version__",
    "add_datepart",
    "backtest",
    "card",
    "compare",
    "doctor",
    "embeddings",
    "evaluate",
    "explain",
    "forecaster",
    "init",
    "inspect",
    "lr_find",
    "model_summary",
    "predict",
    "prep",
    "progress",
    "report",
    "run_step",
    "synth",
    "train",
    "tune",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(f"tabcli.{_HOME[name]}"), name)
    raise AttributeError(f"module 'tabcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
