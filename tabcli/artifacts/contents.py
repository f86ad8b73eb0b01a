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
    """All that turns raw tables into the networks' inputs, as it was fitted to the training rows."""

    config: Config
    contract: Contract
    preprocessor: Preprocessor
    target: TargetTransform
    calendar: EventCalendar
    split: Split
    frequency: Frequency
    holidays: PublicHolidays
    tail: pd.DataFrame
    """The recent rows from which rows to forecast are made where no table gives them: see `pipeline.future`."""
    horizon: int
    """How many steps are forecast; no row is shown more steps of known calendar ahead of it."""
    known_until: pd.Timestamp
    """The end of the calendar that is known in advance."""
    grid: Grid | None = None
    """Where rows lie for the target history; None without one."""
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns by which error and bias are told, as texts, a row for each series of the calendar: `pipeline.groups`."""


@dataclass(frozen=True)
class Prepared:
    """A prep: what was fitted, and the encoded tables train, valid and, where there are such rows, gap, censored (whose
    targets are lower bounds) and future.
    """

    fitted: FittedPipeline
    tables: dict[str, pd.DataFrame]
    summary: PrepSummary
    past: pd.DataFrame | None = None
    """With a target history, the rows with a target on its grid: series, step, cell, y, and `history.columns`."""

    def criterion(self, rows: pd.DataFrame, metric: str | None = None) -> Criterion:
        """The config's metric (or another) with what it needs to score encoded rows."""
        return criterion_of(self.fitted, self.tables["train"], rows, metric)


def criterion_of(
    fitted: FittedPipeline, train: pd.DataFrame, rows: pd.DataFrame, metric: str | None = None
) -> Criterion:
    """The config's metric (or another) with what it needs to score encoded rows; `train`: the encoded training rows."""
    name = metric or fitted.config.metric
    scale = _scale(fitted, train)[rows[ROW + "series"].to_numpy(dtype="int64")] if name == "mase" else None
    return Criterion(name, fitted.config.quantile, scale)


def _scale(fitted: FittedPipeline, train: pd.DataFrame) -> FloatArray:
    """MASE's scale of each series, by the training rows, float64 (n_series + 1,); the last is for unknown series."""
    dates, frequency = train[row_column(fitted.config.date)], fitted.frequency
    steps = frequency.steps(dates, int(pd.Timestamp(dates.min()).timestamp()))
    target = train[row_column(fitted.config.target.column)].to_numpy(dtype="float64")
    series = train[ROW + "series"].to_numpy(dtype="int64")
    return seasonal_scale(series, steps, target, season_steps(frequency), len(fitted.calendar.series))


@dataclass(frozen=True, eq=False)
class Run:
    """A trained ensemble with everything that predict needs.

    `networks`: each member's `training.network.ModelSpec` as plain values; `members`: its weights.
    """

    fitted: FittedPipeline
    networks: list[dict[str, object]]
    members: list[Weights]
    metrics: TrainMetrics
    epochs: list[EpochRecord] = field(default_factory=list)
    calibration: Calibration = NO_CALIBRATION
    snapshot: Snapshot | None = None
    """The target history as of the last known step."""
    floor: Floor = NO_FLOOR
    """The naive forecasts beside the networks, fitted up to the last known step."""
    past: pd.DataFrame | None = None
    """Rows of past windows with what was forecast, which intervals are made from: see `training.past`."""
    summary: PrepSummary | None = None
    """What the prep found; None in a run of an older version."""
    naive_errors: pd.DataFrame | None = None
    """What naive forecasts erred by as far back as there is a past: see `training.yearly`."""

    @property
    def n_series(self) -> int:
        """How many series the networks learned from, those of all shards."""
        if self.metrics.shards > 1 and self.summary is not None:
            return self.summary.series
        return len(self.fitted.calendar.series)
