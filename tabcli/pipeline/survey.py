"""What is needed of joined rows to fit everything: counts of values, never the rows.

joined rows of some series ──── Survey.of ─┐
of others ───────────────────── Survey.of ─┼─ fitting.fit ─▶ what is fitted, the same for the rows of all series
of yet others ───────────────── Survey.of ─┘
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.config.schema import Config
from tabcli.evaluation.metrics import Criterion, seasonal_changes
from tabcli.evaluation.naive import SEASON, Label, with_season
from tabcli.features.frequency import WEEK, Frequency, season_steps
from tabcli.pipeline.groups import Statics
from tabcli.pipeline.inputs import by_rule, unnamed_columns, with_commas
from tabcli.pipeline.joined import JoinedData
from tabcli.pipeline.scored import LeftOut
from tabcli.pipeline.seen import Looked
from tabcli.pipeline.wider import GroupCounts, count_groups
from tabcli.preprocessing.columns import column_counts
from tabcli.preprocessing.counts import ColumnCounts
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.rows import distinct_rows

# ----------------------------------------------------------------------------------------------- parts


@dataclass(frozen=True)
class RowSplit:
    """Which rows belong to which part.

    `kept`: the train rows with a target to learn from or to be scored on; of these `train` and `valid`; all bool
    (n_train,). `parts`: part (train, valid, gap, censored, future) → the numbers of its rows in the feature table,
    int64; the last three only where there are such rows.
    """

    kept: BoolArray
    train: BoolArray
    valid: BoolArray
    parts: dict[str, IntArray]

    @classmethod
    def of(cls, source: JoinedData) -> "RowSplit":
        """Of joined rows."""
        kept, dates, split = source.kept, source.rows[source.config.date], source.split
        train, valid = (kept & part(dates).to_numpy() for part in (split.is_train, split.is_valid))
        parts = {"train": np.flatnonzero(train), "valid": np.flatnonzero(valid)}
        others = {
            "gap": np.flatnonzero(kept & ~train & ~valid),
            "censored": np.flatnonzero(source.censored),
            "future": np.arange(len(dates), len(source.features.table)),
        }
        return cls(kept, train, valid, parts | {name: rows for name, rows in others.items() if len(rows)})


# ---------------------------------------------------------------------------------------------- survey


@dataclass(frozen=True)
class Survey:
    """Of joined rows of some series.

    `rows`: part → rows. `unnamed`: columns whose role a rule decides, in the table's order. `columns`: how often each
    value of a column occurs in the training rows. `commas`: columns that may be numbers with decimal commas.
    `no_numbers`: named continuous columns of texts or dates, in the training rows. `cells`: the different combinations
    of the columns of `history.effects` in training rows; None without a history. `wrong`: validation rows whose target
    the metric may not be defined for. `changes`: with the metric *mase* the seasonal change of each series, float64.
    `groups`: how often each target occurs in the groups that reach over series.
    """

    rows: dict[str, int]
    n_series: int
    left_out: LeftOut
    filled: dict[str, int]
    unmatched: dict[str, int]
    past_only: list[str]
    unnamed: list[str]
    columns: dict[str, ColumnCounts]
    commas: dict[str, pd.Series | None]
    no_numbers: dict[str, pd.Series]
    cells: pd.DataFrame | None
    statics: Statics
    looked: Looked
    wrong: int
    changes: FloatArray | None = None
    groups: list[GroupCounts] = field(default_factory=list)

    @classmethod
    def of(cls, source: JoinedData, cut: RowSplit, *, alone: bool = True) -> "Survey":
        """`alone`: whether these are the rows of all series, so that no group reaches beyond them."""
        config, table, rows = source.config, source.features.table, source.rows
        train, unnamed = cut.parts["train"], unnamed_columns(source)
        numbers = [] if config.continuous == "auto" else [*config.continuous]
        names = [] if config.categorical == "auto" else [*config.categorical]
        wanted = [*names, *numbers, *(unnamed if by_rule(config) else []), config.target.column]
        wanted += config.history.columns if config.history is not None else ()
        target = rows[config.target.column].to_numpy(dtype="float64")
        valid = target[cut.parts["valid"]]
        return cls(
            {name: len(at) for name, at in cut.parts.items()},
            len(source.features.calendar.series),
            source.scored.left_out,
            source.filled,
            source.features.unmatched,
            sorted(c for c, role in source.availability.items() if role == "past only"),
            unnamed,
            {name: counted.merged for name, counted in column_counts(table, wanted, train).items()},
            with_commas(source, unnamed),
            {name: table[name].iloc[train] for name in numbers if table.kind(name) in ("text", "date")},
            _cells(table, config, train),
            source.statics,
            Looked.of(source),
            Criterion(config.metric, config.quantile).count_wrong(valid),
            changes_of(source, cut) if config.metric == "mase" else None,
            [] if alone else _groups(source, target, cut),
        )


def _cells(table: FactorizedTable, config: Config, train: IntArray) -> pd.DataFrame | None:
    if config.history is None:
        return None
    effects = list(config.history.effects)
    frame = table.frame([config.date, *effects]).iloc[train]
    return frame.iloc[distinct_rows(frame, effects)[1]] if effects else frame.iloc[:1]


def changes_of(source: JoinedData, cut: RowSplit) -> FloatArray:
    """The mean seasonal change of each series' target in training rows, float64 (n_series,)."""
    at, config, frequency = cut.parts["train"], source.config, source.frequency
    start = int(source.split.train_start.timestamp())
    steps = frequency.steps(source.rows[config.date].iloc[at], start)
    target = source.rows[config.target.column].to_numpy(dtype="float64")[at]
    n_series = len(source.features.calendar.series)
    return seasonal_changes(source.features.series[at], steps, target, season_steps(frequency), n_series)


# --------------------------------------------------------------------------------------- naive forecasts


def baseline_columns(config: Config) -> list[Label]:
    """The columns that the first median to beat is by: `baseline`, else the series and the place in the season."""
    return list(config.baseline) or [*config.series, SEASON]


def medians_to_beat(config: Config, frequency: Frequency) -> list[list[Label]]:
    """The columns that each median to beat is by; the first are `baseline_columns`.

    Where steps are a week or longer, and the config has a `baseline`, a second median is by series, place in the season
    and the other columns.
    """
    by = baseline_columns(config)
    others = [c for c in by if c not in config.series]
    return [by, [*config.series, SEASON, *others]] if config.baseline and frequency.seconds >= WEEK else [by]


def key_columns(rows: FactorizedTable, config: Config) -> pd.DataFrame:
    """The columns of rows that naive forecasts are made by."""
    used = [*config.series, config.date, *config.baseline]
    return rows.frame(dict.fromkeys(c for c in used if c in rows.stored))


def _groups(source: JoinedData, target: FloatArray, cut: RowSplit) -> list[GroupCounts]:
    config, frequency = source.config, source.frequency
    rows = with_season(key_columns(source.rows, config)[cut.train], config.date, frequency)
    return count_groups(rows, target[cut.train], medians_to_beat(config, frequency), config)
