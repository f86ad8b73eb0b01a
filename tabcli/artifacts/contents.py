"""What is fitted, prepared and trained: the types that flow between stations and that `bundle` keeps on the disk."""

from dataclasses import dataclass, field

import pandas as pd

from tabcli.arrays import AnyArray, FloatArray
from tabcli.artifacts.encoded_names import ROW, row_column
from tabcli.artifacts.records import EpochRecord, TrainMetrics
from tabcli.artifacts.split import Split
from tabcli.artifacts.summary import PrepSummary
from tabcli.config.schema import Config
from tabcli.evaluation.calibration import NO_CALIBRATION, Calibration
from tabcli.evaluation.metrics import Criterion, seasonal_scale
from tabcli.features.events import EventCalendar
from tabcli.features.frequency import Frequency, season_steps
from tabcli.features.holidays import PublicHolidays
from tabcli.floor.blend import NO_FLOOR, Floor
from tabcli.preprocessing.columns import Preprocessor
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.contract import Contract
from tabcli.target_history.grid import Grid
from tabcli.target_history.statistics import Snapshot

Weights = dict[str, AnyArray]


@dataclass(frozen=True)
class FittedPipeline:
    """All that turns raw tables into the model's inputs, as it was learned from the training rows."""

    config: Config
    contract: Contract
    preprocessor: Preprocessor
    target: TargetTransform
    calendar: EventCalendar
    split: Split
    frequency: Frequency
    holidays: PublicHolidays
    tail: pd.DataFrame
    """What rows to forecast are made from where no table gives them: see `pipeline.future`."""
    horizon: int
    """How many steps are forecast; nobody sees further ahead from any row."""
    known_until: pd.Timestamp
    """The end of the calendar that is known in advance."""
    grid: Grid | None = None


@dataclass(frozen=True)
class Prepared:
    """A prep: what was fitted, and the encoded tables train, valid and, where there are such rows, gap and future."""

    fitted: FittedPipeline
    tables: dict[str, pd.DataFrame]
    summary: PrepSummary
    past: pd.DataFrame | None = None
    """With a history: series, step, cell, y and other columns of every row that has a target."""

    def criterion(self, rows: pd.DataFrame, metric: str | None = None) -> Criterion:
        """What the config judges by (or another metric), for encoded rows."""
        return criterion_of(self.fitted, self.tables["train"], rows, metric)


def criterion_of(
    fitted: FittedPipeline, train: pd.DataFrame, rows: pd.DataFrame, metric: str | None = None
) -> Criterion:
    """What the config judges by (or another metric), for encoded rows; `train`: the encoded training rows."""
    name = metric or fitted.config.metric
    scale = _scale(fitted, train)[rows[ROW + "series"].to_numpy(dtype="int64")] if name == "mase" else None
    return Criterion(name, fitted.config.quantile, scale)


def _scale(fitted: FittedPipeline, train: pd.DataFrame) -> FloatArray:
    """MASE's scale of each series, by the training rows; the last is that of unknown ones."""
    dates, frequency = train[row_column(fitted.config.date)], fitted.frequency
    steps = frequency.steps(dates, int(pd.Timestamp(dates.min()).timestamp()))
    target = train[row_column(fitted.config.target.column)].to_numpy(dtype="float64")
    series = train[ROW + "series"].to_numpy(dtype="int64")
    return seasonal_scale(series, steps, target, season_steps(frequency), len(fitted.calendar.series))


@dataclass(frozen=True, eq=False)
class Run:
    """A trained model with everything that predict needs: each member's network, as plain values, and its weights."""

    fitted: FittedPipeline
    networks: list[dict[str, object]]
    members: list[Weights]
    metrics: TrainMetrics
    epochs: list[EpochRecord] = field(default_factory=list)
    calibration: Calibration = NO_CALIBRATION
    snapshot: Snapshot | None = None
    """The history as of the last row that was known."""
    floor: Floor = NO_FLOOR
    """The naive forecasts beside the networks, from the last row that was known."""
