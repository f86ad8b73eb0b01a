"""What each forecast of a fold is worth, on the very same rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli import memory
from tabcli.arrays import AnyArray, BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import Prepared
from tabcli.errors import DataError
from tabcli.evaluation.bounds import Bounds
from tabcli.evaluation.metrics import Criterion, scores_of
from tabcli.evaluation.quantiles import bounds_in, intervals_in
from tabcli.pipeline.apply import Applied

Scores = dict[str, dict[str, float]]
"""Forecast → metric → value; also *seconds*, *megabytes* and *std_seeds*, the spread of the metric over seeds."""


@dataclass(frozen=True)
class Made:
    """A forecast of n rows in the target's unit: *points* (n,), and *bounds* (n, k) where it has some."""

    points: FloatArray
    bounds: FloatArray | None = None


@dataclass(frozen=True)
class Asked:
    """How a fold scores each forecast.

    `scored`: which of its n rows are scored, bool (n,); `actual`: their targets. `target`, `levels`: its column, and
    the k columns of bounds with their levels, the lowest first; `scale`: MASE's of the scored rows, None where it is
    not defined.
    """

    criterion: Criterion
    scored: BoolArray
    actual: FloatArray
    target: str
    levels: dict[str, float]
    scale: FloatArray | None

    @classmethod
    def of(
        cls, prepared: Prepared, applied: Applied, scored: BoolArray, actual: FloatArray, levels: dict[str, float]
    ) -> "Asked":
        """By the config's metric, with a scale where bounds are asked for and the training rows have one."""
        rows, scale = applied.encoded.table[scored], None
        if levels:
            try:
                scale = prepared.criterion(rows, "mase").scale
            except DataError:
                scale = None
        return cls(prepared.criterion(rows), scored, actual, prepared.fitted.config.target.column, levels, scale)

    def own(self, ahead: IntArray) -> dict[str, AnyArray]:
        """The columns of the scored rows: *actual*, *step*, which is how far `ahead` (n,), and *scale*, if any."""
        made: dict[str, AnyArray] = {"actual": self.actual, "step": ahead[self.scored]}
        return made if self.scale is None else {**made, "scale": self.scale}

    def columns(self, name: str, made: Made) -> dict[str, FloatArray]:
        """A forecast of the scored rows and its bounds, under its name: *network*, *network_q10*."""
        found = {name: made.points[self.scored]}
        if made.bounds is not None:
            ends = [column.removeprefix(self.target) for column in self.levels]
            found |= {f"{name}{end}": made.bounds[self.scored, i] for i, end in enumerate(ends)}
        return found

    def scores(self, made: Sequence[Made], seconds: float) -> dict[str, float]:
        """The mean scores of one forecast made with several seeds, or one; `seconds`: taken by all of them together.

        Beside the mean, *std_seeds* is the standard deviation of the criterion's metric.
        """
        table = pd.DataFrame([{**self._points(m), **self._bounds(m)} for m in made])
        return {
            **{str(name): float(values.mean()) for name, values in table.items()},
            "std_seeds": float(table[self.criterion.metric].std(ddof=0)),
            "seconds": seconds / len(made),
            "megabytes": memory.peak_megabytes(),
        }

    def _points(self, made: Made) -> dict[str, float]:
        points = made.points[self.scored]
        chosen: dict[str, float] = {self.criterion.metric: self.criterion(self.actual, points)}
        others = {n: v for n, v in scores_of(self.actual, points).items() if n in ("rmspe", "mape", "wape")}
        return {**chosen, **{k: v for k, v in others.items() if np.isfinite(v)}}

    def _bounds(self, made: Made) -> dict[str, float]:
        """Those of `Bounds.all_scores` that are defined and no point forecast has."""
        if made.bounds is None:
            return {}
        bounds = Bounds(
            self.target,
            self.levels,
            made.bounds[self.scored],
            intervals_in(self.levels, self.target),
            self.actual,
            made.points[self.scored],
            self.scale,
        )
        found = bounds.all_scores()
        return {n: v for n, v in found.items() if n not in ("wape", "bias", "mase") and np.isfinite(v)}


def scores_by(rows: pd.DataFrame, forecast: str, column: str) -> pd.DataFrame:
    """The scores of a forecast for each value of a column of the rows: `Bounds.grouped`."""
    levels = bounds_in(rows.columns, forecast)
    bounds = Bounds(
        forecast,
        levels,
        rows[list(levels)].to_numpy(dtype="float64"),
        intervals_in(levels, forecast),
        rows["actual"].to_numpy(dtype="float64"),
        rows[forecast].to_numpy(dtype="float64"),
        rows["scale"].to_numpy(dtype="float64") if "scale" in rows.columns else None,
    )
    return bounds.grouped(rows[column])


def ensemble_name(n: int) -> str:
    """What the scores call the mean of n networks."""
    return f"network, mean of {n}" if n > 1 else "network"
