"""What the verbs return: frozen, typed, with a short text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tabcli import memory
from tabcli.artifacts.contents import Prepared, Run


@dataclass(frozen=True)
class PrepResult:
    """`path` is None when nothing was written; `unchanged` when the same prep stood there already.

    `megabytes`: the encoded tables and the history's in memory, and the most that the process has had so far.
    """

    path: Path | None
    prepared: Prepared
    unchanged: bool

    @property
    def megabytes(self) -> tuple[float, float]:
        tables = [*self.prepared.tables.values(), self.prepared.past]
        encoded = sum(int(t.memory_usage().sum()) for t in tables if t is not None) / 2**20
        return encoded, memory.peak_megabytes()

    @property
    def summary(self) -> dict[str, Any]:
        return self.prepared.summary


@dataclass(frozen=True)
class TrainResult:
    """`metrics`: of the kept weights on the validation rows, with the baseline they must beat."""

    path: Path | None
    run: Run
    unchanged: bool

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.metrics

    @property
    def history(self) -> list[dict[str, Any]]:
        return self.run.history


@dataclass(frozen=True)
class PredictResult:
    """`table`: what was (or would be) written. `warnings`: what a reader of the forecast should know."""

    path: Path | None
    table: pd.DataFrame
    counts: dict[str, Any]
    warnings: list[str]
    seconds: float


@dataclass(frozen=True)
class StepResult:
    """`table`: the step's output; `counts`: per column what was missing, unknown or filled."""

    table: pd.DataFrame
    counts: dict[str, Any]
