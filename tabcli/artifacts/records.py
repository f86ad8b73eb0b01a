"""What training reached: the record of an epoch, the score of a past window, the metrics of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NotRequired, TypedDict, cast

import numpy as np
import pandas as pd

from tabcli.artifacts.summary import Baseline, BaselineState
from tabcli.evaluation.calibration import Calibration
from tabcli.evaluation.metrics import sure_bias
from tabcli.evaluation.naming import score_text
from tabcli.floor.blend import NO_FLOOR, Floor, FloorState


@dataclass(frozen=True)
class EpochRecord:
    """One network after one pass over its rows.

    `epoch`: from 1 on. `lr`: the learning rate at its end. `train_loss`: the mean of `train.loss` over the batches.
    `scores`: of the scored rows, such as `valid_loss` (the same loss) and `valid_rmspe`. `by`: the score that chooses
    the epoch. `seconds`: how long the epoch took. `network`: its name, such as member-0; empty for a single network.
    """

    epoch: int
    lr: float
    train_loss: float
    scores: dict[str, float]
    by: str
    seconds: float
    network: str = ""

    @property
    def score(self) -> float:
        """The score that chooses the epoch."""
        return self.scores[self.by]

    def to_state(self) -> dict[str, str | float]:
        """A line of metrics.jsonl."""
        name = {"network": self.network} if self.network else {}
        numbers = {"epoch": self.epoch, "lr": self.lr, "train_loss": self.train_loss, **self.scores}
        return {**name, **numbers, "by": self.by, "seconds": self.seconds}

    @classmethod
    def from_state(cls, state: dict[str, str | float]) -> "EpochRecord":
        scores = {name: float(value) for name, value in state.items() if name.startswith("valid_")}
        lr, loss, seconds = (float(state[name]) for name in ("lr", "train_loss", "seconds"))
        return cls(int(state["epoch"]), lr, loss, scores, str(state["by"]), seconds, str(state.get("network", "")))


class WindowState(TypedDict):
    """A `WindowScore` as JSON has it."""

    start: str
    end: str
    n_rows: int
    members: int
    score: float
    wape: float | None
    bias: float | None
    usual: NotRequired[float]
    rare: NotRequired[int]
    worst: NotRequired[str]


@dataclass(frozen=True)
class WindowScore:
    """How the forecast of a past window came out.

    `start`, `end`: the first and last dates of its `n_rows` scored rows. `members`: how many networks forecast it.
    `score`: the config's metric; `wape` and `bias` are fractions, NaN where all targets of the window are 0. `usual`:
    the metric where each of the `rare` rows, which err more than twice as far as any row of the calmest other window,
    counts as if it erred just so; `worst`: the series and the date of the row that errs most, empty where none is rare.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    n_rows: int
    members: int
    score: float
    wape: float
    bias: float
    usual: float
    rare: int = 0
    worst: str = ""

    def few_text(self, metric: str) -> str:
        """That a few rows decide the window, and what it is worth without them."""
        rows = f"{self.rare:,} of {self.n_rows:,} rows err" if self.rare > 1 else f"one of {self.n_rows:,} rows errs"
        return (
            f"in the window to {self.end.date()} {rows} more than twice as far as any of another (most: "
            f"{self.worst}): with just twice that error it counts as {score_text(metric, self.usual)}"
        )

    def to_state(self) -> dict[str, object]:
        undefined = {name: None for name in ("wape", "bias") if np.isnan(getattr(self, name))}
        return {**asdict(self), "start": self.start.isoformat(), "end": self.end.isoformat(), **undefined}

    @classmethod
    def from_state(cls, state: WindowState) -> "WindowScore":
        wape, bias = (np.nan if value is None else value for value in (state["wape"], state["bias"]))
        values = state["n_rows"], state["members"], state["score"], wape, bias
        usual = state.get("usual", state["score"]), state.get("rare", 0), state.get("worst", "")
        return cls(pd.Timestamp(state["start"]), pd.Timestamp(state["end"]), *values, *usual)


@dataclass(frozen=True)
class EnsembleScores:
    """How well the members forecast the validation rows, which they have not seen.

    `scores`: of the members' mean, such as `valid_rmspe`, with the floor and calibrated by older windows.
    `uncalibrated`: its metric without the calibration. `calibration`: the one of these scores, not that of the forecast
    to come. `members`: the metric of each member alone, with floor and calibration.
    """

    scores: dict[str, float]
    uncalibrated: float
    calibration: Calibration
    members: tuple[float, ...]


class TrainMetricsState(TypedDict):
    """A `TrainMetrics` as JSON has it; its scores, whose names depend on the metric, stand beside these keys."""

    metric: str
    best_epoch: int
    factor: float
    shift: float
    members: list[float]
    valid_rows: int
    train_rows: int
    refitted: bool
    calibration: dict[str, float]
    expected: float
    expected_std: float
    windows: list[WindowState]
    baseline: BaselineState
    seconds: float
    judged_on: int
    floor: FloorState
    better: dict[str, float]
    held: NotRequired[list[float]]
    bounds: NotRequired[int]
    unscored: NotRequired[int]
    shards: NotRequired[int]
    judge: NotRequired[int]


FEW = 0.02
"""Rare rows that make more than 2 % of a window's score are told."""


@dataclass(frozen=True)
class TrainMetrics:
    """What a run reached, and what to expect of its forecast.

    `metric`: what the run is judged by. `best_epoch`: of the first member. `validation`: the scores on the validation
    rows; after a refit those of the networks before it. `valid_rows`, `train_rows`: how many rows were scored and
    learned from. `calibration`, `floor`: of the forecast to come. `expected`, `expected_std`: mean and standard
    deviation of their `usual` scores over the past `windows`, the newest of which comes first. `baseline`: naive
    forecasts of the validation rows. `seconds`: of all epochs. `judged_on`: how many windows decided on the
    calibration. `better`: by how much less past forecasts err than the best naive ones, metric → fraction. `held`:
    which share of each past window lay within the 80 % intervals that the other windows give; empty with a single
    window. `bounds`: how many rows of whose target only a lower bound is known were learned beside the others;
    `unscored`: how many such rows lie in the past windows, where they are in no score. `shards`: of so many the
    networks learned; then all scores and windows, and both counts of bounds, are those of the series of shard `judge`,
    a random sample.
    """

    metric: str
    best_epoch: int
    validation: EnsembleScores
    valid_rows: int
    train_rows: int
    refitted: bool
    calibration: Calibration
    expected: float
    expected_std: float
    windows: tuple[WindowScore, ...]
    baseline: Baseline
    seconds: float
    judged_on: int
    floor: Floor = NO_FLOOR
    better: Mapping[str, float] = field(default_factory=dict)
    held: tuple[float, ...] = ()
    bounds: int = 0
    unscored: int = 0
    shards: int = 1
    judge: int = 0

    @property
    def decided_by_few(self) -> list[WindowScore]:
        """The windows of whose score rare rows make more than `FEW`."""
        return [w for w in self.windows if w.usual < (1 - FEW) * w.score]

    @property
    def bias(self) -> tuple[float, bool]:
        """The mean bias of past windows, a fraction; and whether it is more than chance (`sure_bias`)."""
        return sure_bias([w.bias for w in self.windows if np.isfinite(w.bias)])

    @property
    def score(self) -> float:
        """The metric on the validation rows."""
        return self.validation.scores[f"valid_{self.metric}"]

    def to_state(self) -> dict[str, object]:
        """What metrics.json and `train --json` hold."""
        validation = self.validation
        return {
            "metric": self.metric,
            "best_epoch": self.best_epoch,
            **validation.scores,
            f"valid_{self.metric}_uncalibrated": validation.uncalibrated,
            **asdict(validation.calibration),
            "members": list(validation.members),
            "valid_rows": self.valid_rows,
            "train_rows": self.train_rows,
            "refitted": self.refitted,
            "calibration": asdict(self.calibration),
            "expected": self.expected,
            "expected_std": self.expected_std,
            "windows": [window.to_state() for window in self.windows],
            "baseline": self.baseline.to_state(),
            "seconds": self.seconds,
            "judged_on": self.judged_on,
            "floor": self.floor.to_state(),
            "better": dict(self.better),
            "held": list(self.held),
            "bounds": self.bounds,
            "unscored": self.unscored,
            **({"shards": self.shards, "judge": self.judge} if self.shards > 1 else {}),
        }

    @classmethod
    def from_state(cls, state: TrainMetricsState) -> "TrainMetrics":
        numbers = cast("dict[str, float]", state)  # the scores stand beside the other keys
        metric, key = state["metric"], f"valid_{state['metric']}_uncalibrated"
        scores = {name: float(v) for name, v in numbers.items() if name.startswith("valid_")}
        del scores[key], scores["valid_rows"]
        of_scores = Calibration(state["factor"], state["shift"])
        return cls(
            metric,
            state["best_epoch"],
            EnsembleScores(scores, numbers[key], of_scores, tuple(state["members"])),
            state["valid_rows"],
            state["train_rows"],
            state["refitted"],
            Calibration(state["calibration"]["factor"], state["calibration"]["shift"]),
            state["expected"],
            state["expected_std"],
            tuple(WindowScore.from_state(window) for window in state["windows"]),
            Baseline.from_state(state["baseline"], metric),
            state["seconds"],
            state["judged_on"],
            Floor(**state["floor"]),
            state["better"],
            tuple(state.get("held", ())),
            state.get("bounds", 0),
            state.get("unscored", 0),
            state.get("shards", 1),
            state.get("judge", 0),
        )
