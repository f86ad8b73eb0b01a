"""What the verbs return: frozen, typed, shown in a few lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tabcli import memory
from tabcli.artifacts.contents import Prepared, Run
from tabcli.evaluation.naming import score_text
from tabcli.shown import Shown, first_few


@dataclass(frozen=True, repr=False)
class PrepResult(Shown):
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
        """What prep found: rows, dates, columns by role, counts of missing and unknown values, the baseline."""
        return self.prepared.summary

    def brief(self) -> dict[str, str]:
        rows, dates, columns = self.summary["rows"], self.summary["dates"], self.summary["columns"]
        first, split, last = (dates[k][:10] for k in ("train_start", "valid_start", "valid_end"))
        future = f", to forecast {rows['future']:,}" if "future" in rows else ""
        metric, baseline = self.summary["metric"], self.summary["baseline"]
        return {
            "rows": f"train {rows['train']:,}, validation {rows['valid']:,}{future}; path {self.path or 'none'}",
            "dates": f"{first} … {last}, validation from {split}, a row every {self.summary['frequency']}",
            "columns": ", ".join(f"{len(names)} {role}" for role, names in columns.items()),
            "to beat": f"{metric.upper()} {score_text(metric, baseline[f'valid_{metric}'])}: {baseline['name']}",
        }


@dataclass(frozen=True, repr=False)
class TrainResult(Shown):
    """`metrics`: of the kept weights on the validation rows, with the baseline they must beat."""

    path: Path | None
    run: Run
    unchanged: bool

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.metrics

    @property
    def history(self) -> list[dict[str, Any]]:
        """A record for each epoch of each network."""
        return self.run.history

    def brief(self) -> dict[str, str]:
        metrics = self.metrics
        metric, baseline = metrics["metric"], metrics["baseline"]
        score, to_beat = (score_text(metric, m[f"valid_{metric}"]) for m in (metrics, baseline))
        return {
            "validation": f"{metric.upper()} {score} on {metrics['valid_rows']:,} rows",
            "to beat": f"{metric.upper()} {to_beat}: {baseline['name']}",
            "networks": f"{len(self.run.members)}, trained on {metrics['train_rows']:,} rows",
            "path": str(self.path or "none"),
        }


@dataclass(frozen=True, repr=False)
class PredictResult(Shown):
    """`table`: what was (or would be) written. `warnings`: what a reader of the forecast should know."""

    path: Path | None
    table: pd.DataFrame
    counts: dict[str, int]
    warnings: list[str]
    seconds: float

    def brief(self) -> dict[str, str]:
        return {
            "rows": f"{len(self.table):,}, of which {self.counts['zero']:,} are 0 by rule",
            "columns": first_few(list(self.table.columns), 6),
            "warnings": f"{len(self.warnings)}: {self.warnings[0]}" if self.warnings else "none",
            "path": str(self.path or "none"),
        }


@dataclass(frozen=True, repr=False)
class StepResult(Shown):
    """`table`: the step's output; `counts`: per column what was missing, unknown or filled."""

    table: pd.DataFrame
    counts: Mapping[str, int | Mapping[str, int]]

    def brief(self) -> dict[str, str]:
        return {
            "rows": f"{len(self.table):,}",
            "columns": first_few([str(c) for c in self.table.columns], 6),
            "counts": first_few([f"{name} {n}" for name, n in self.counts.items()]) or "none",
        }
