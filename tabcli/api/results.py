"""What the verbs return: frozen, typed, shown in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tabcli import memory
from tabcli.artifacts.contents import Prepared, Run
from tabcli.artifacts.records import EpochRecord, TrainMetrics
from tabcli.artifacts.summary import PrepSummary
from tabcli.evaluation.naming import score_text
from tabcli.evaluation.quantiles import bounds_in
from tabcli.shown import Shown, first_few

if TYPE_CHECKING:
    from tabcli.forecasting.review import Review


@dataclass(frozen=True, repr=False)
class PrepResult(Shown):
    """What `prep` returns. `path`: None if nothing was written. `unchanged`: whether the same prep was there before.

    `prepared`: of several shards the first, with the summary of all.
    """

    path: Path | None
    prepared: Prepared
    unchanged: bool
    shards: int = 1

    @property
    def megabytes(self) -> tuple[float, float]:
        """The memory of the encoded tables and the target's past, and the most that this process has had so far."""
        tables = [*self.prepared.tables.values(), self.prepared.past]
        encoded = sum(int(t.memory_usage().sum()) for t in tables if t is not None) / 2**20
        return encoded, memory.peak_megabytes()

    @property
    def summary(self) -> PrepSummary:
        """What prep found: rows, dates, columns by role, counts of missing and unknown values, the baseline."""
        return self.prepared.summary

    def brief(self) -> dict[str, str]:
        found = self.summary
        rows, split, columns, baseline = found.rows, found.split, found.columns, found.baseline
        future = f", to forecast {rows['future']:,}" if "future" in rows else ""
        dates = f"{split.train_start.date()} … {split.valid_end.date()}, validation from {split.valid_start.date()}"
        counts = len(columns.categorical), len(columns.continuous), len(columns.past_only)
        where = f"path {self.path or 'none'}{f', in {self.shards} shards' if self.shards > 1 else ''}"
        return {
            "rows": f"train {rows['train']:,}, validation {rows['valid']:,}{future}; {where}",
            "dates": f"{dates}, a row every {found.frequency}",
            "columns": "{} categorical, {} continuous, {} past only".format(*counts),
            "to beat": f"{baseline.metric.upper()} {score_text(baseline.metric, baseline.score)}: {baseline.name}",
        }


@dataclass(frozen=True, repr=False)
class TrainResult(Shown):
    """What `train` returns. `path`: None if nothing was written. `unchanged`: whether the same run was there before."""

    path: Path | None
    run: Run
    unchanged: bool

    @property
    def metrics(self) -> TrainMetrics:
        """What the run reached on the validation rows and in past windows, and what it must beat."""
        return self.run.metrics

    @property
    def epochs(self) -> list[EpochRecord]:
        """A record for each epoch of each network."""
        return self.run.epochs

    def brief(self) -> dict[str, str]:
        metrics = self.metrics
        name, baseline = metrics.metric.upper(), metrics.baseline
        return {
            "validation": f"{name} {score_text(metrics.metric, metrics.score)} on {metrics.valid_rows:,} rows",
            "to beat": f"{name} {score_text(metrics.metric, baseline.score)}: {baseline.name}",
            "networks": f"{len(self.run.members)}, trained on {metrics.train_rows:,} rows",
            "path": str(self.path or "none"),
        }


@dataclass(frozen=True, repr=False)
class PredictResult(Shown):
    """What `predict` returns.

    `path`: the file that was written, or None. `table`: what it holds. `counts`: how many *rows*, and of these *zero*
    by rule. `warnings`: what a reader of the forecast should know. `seconds`: how long it took. `totals`: a row for
    each sum that was asked for, see `forecasting.totals`, and the file with them. `target`: what is forecast. `review`:
    the rows that most deserve a look. `overridden`: a person's numbers, which stand in `table`, beside the model's.
    `by_date`: the sum of each date's forecasts.
    """

    path: Path | None
    table: pd.DataFrame
    counts: dict[str, int]
    warnings: list[str]
    seconds: float
    totals: pd.DataFrame | None = None
    totals_path: Path | None = None
    target: str = ""
    review: Review | None = None
    review_path: Path | None = None
    overridden: pd.DataFrame | None = None
    overrides_path: Path | None = None
    by_date: pd.Series | None = None

    @property
    def bounds(self) -> pd.DataFrame:
        """Quantiles and bounds of intervals as a tidy frame: the row's keys, *level* (0 … 1) and *value*, by row."""
        levels = bounds_in(self.table.columns, self.target)
        keys = [c for c in self.table.columns if c not in levels and c != self.target]
        level, value = (name + " " * (name in keys) for name in ("level", "value"))
        tidy = self.table.melt(keys, list(levels), level, value, ignore_index=False)
        tidy[level] = tidy[level].map(levels)
        return tidy.sort_index(kind="stable").reset_index(drop=True)

    def brief(self) -> dict[str, str]:
        return {
            "rows": f"{len(self.table):,}, of which {self.counts['zero']:,} are 0 by rule",
            "columns": first_few(list(self.table.columns), 6),
            "warnings": f"{len(self.warnings)}: {self.warnings[0]}" if self.warnings else "none",
            "path": str(self.path or "none"),
        }


@dataclass(frozen=True, repr=False)
class StepResult(Shown):
    """What a single step returns. `table`: its output. `counts`: column → what was missing, unknown or filled in it."""

    table: pd.DataFrame
    counts: Mapping[str, int | Mapping[str, int]]

    def brief(self) -> dict[str, str]:
        return {
            "rows": f"{len(self.table):,}",
            "columns": first_few([str(c) for c in self.table.columns], 6),
            "counts": first_few([f"{name} {n}" for name, n in self.counts.items()]) or "none",
        }
