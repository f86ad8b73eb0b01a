"""Joined rows → encoded tables: the split by time, everything that is fitted, and the naive forecasts to beat."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.contents import FittedPipeline, Prepared, criterion_of
from tabcli.artifacts.encoded_names import row_column
from tabcli.artifacts.split import Split
from tabcli.artifacts.summary import Baseline, ColumnRoles, PrepSummary
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.evaluation.naive import SEASON, Label, label_text, naive_forecasts
from tabcli.features.availability import InputColumns, choose_inputs
from tabcli.features.frequency import WEEK, Frequency
from tabcli.pipeline.encoding import history_grid, with_keys
from tabcli.pipeline.future import recent_rows
from tabcli.pipeline.joined import JoinedData, join, load
from tabcli.pipeline.seen import look_at_time
from tabcli.preprocessing.columns import Encoded, Preprocessor
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.contract import DataSource
from tabcli.tables.joins import FactorizedTable

# --------------------------------------------------------------------------------------------- fitting


@dataclass(frozen=True)
class RowSplit:
    """Which rows belong to which part.

    `kept`: the train rows with a target to learn from or to be scored on; of these `train` and `valid`; all bool
    (n_train,). `parts`: part (train, valid, gap, censored, future) → the numbers of its rows in the feature table,
    int64.
    """

    split: Split
    kept: BoolArray
    train: BoolArray
    valid: BoolArray
    parts: dict[str, IntArray]


def _cut(source: JoinedData) -> RowSplit:
    """Raises `DataError` where no rows are left to learn from, or to be scored on."""
    kept, dates, split = source.kept, source.rows[source.config.date], source.split
    train, valid = (kept & part(dates).to_numpy() for part in (split.is_train, split.is_valid))
    gap = kept & ~train & ~valid
    for name, mask in (("train", train), ("valid", valid)):
        if not mask.any():
            raise DataError(f"no rows are left for {name} after leaving out those without a usable target")
    parts = {"train": np.flatnonzero(train), "valid": np.flatnonzero(valid)}
    if gap.any():
        parts["gap"] = np.flatnonzero(gap)
    if source.censored.any():
        parts["censored"] = np.flatnonzero(source.censored)
    if len(source.features.table) > len(dates):
        parts["future"] = np.arange(len(dates), len(source.features.table))
    return RowSplit(split, kept, train, valid, parts)


def encode(source: JoinedData) -> Prepared:
    """Fits the preprocessors to the training rows, encodes all rows, and makes naive forecasts of the validation rows.

    Raises `DataError` where no rows are left to learn from or to be scored on, or a column or the metric does not fit.
    """
    config, cut = source.config, _cut(source)
    inputs = choose_inputs(source.features.table, config, source.availability, cut.parts["train"])
    with ThreadPoolExecutor(1) as aside:  # nothing else waits for the naive forecasts
        naive = aside.submit(_naive, source.rows, config, source.frequency, cut.train, cut.valid)
        fitted, tables, encoded, past = _encode(source, cut, inputs)
    criterion = criterion_of(fitted, tables["train"], tables["valid"])
    actual = tables["valid"][row_column(config.target.column)].to_numpy()
    criterion.check(actual, "validation rows")
    scores = {name: criterion(actual, made) for name, made in naive.result().items()}
    baseline = Baseline(criterion.metric, tuple(map(label_text, baseline_columns(config))), scores)
    return Prepared(fitted, tables, _summary(source, fitted, tables, encoded, baseline), past)


def _encode(
    source: JoinedData, cut: RowSplit, inputs: InputColumns
) -> tuple[FittedPipeline, dict[str, pd.DataFrame], dict[str, Encoded], pd.DataFrame | None]:
    """What was fitted; part → encoded table with keys; part → encoded rows with counts; and the target's past."""
    config, table, rows, parts = source.config, source.features.table, source.rows, cut.parts
    preprocessor = Preprocessor.fit(table, inputs.categorical, inputs.continuous, parts["train"])
    learned = rows[config.target.column].to_numpy()[parts["train"]]
    if not learned.any():
        raise DataError(
            f"target {config.target.column!r}: it is 0 in all {len(learned)} rows to learn from, which end on "
            f"{cut.split.train_end}",
            hint="name another target.column, or rows in which it is not 0",
        )
    target = TargetTransform.fit(config.target.transform, learned)
    grid, past, places = history_grid(source, cut.kept, cut.train, target)
    fitted = FittedPipeline(
        config,
        source.contract,
        preprocessor,
        target,
        source.features.calendar,
        cut.split,
        source.frequency,
        source.holidays,
        recent_rows(rows, config, source.frequency, source.features.series[: len(rows)], cut.split.valid_end),
        source.horizon,
        source.known_until,
        grid,
        source.groups,
    )
    encoded = preprocessor.transform_parts(table, parts)
    tables = {
        name: with_keys(encoded[name], table, places, parts[name], fitted, has_target=name != "future")
        for name in parts
    }
    return fitted, tables, encoded, past


def fit(config: Config, data: DataSource, *, sample: int | None = None) -> Prepared:
    """Raw tables → a prep; `sample`: keep whole series worth about so many rows. Raises `ConfigError`, `DataError`."""
    return encode(join(load(config, data, sample=sample)))


def _summary(
    source: JoinedData,
    fitted: FittedPipeline,
    tables: Mapping[str, pd.DataFrame],
    encoded: Mapping[str, Encoded],
    baseline: Baseline,
) -> PrepSummary:
    past_only = sorted(c for c, role in source.availability.items() if role == "past only")
    preprocessor = fitted.preprocessor
    return PrepSummary(
        rows={name: len(table) for name, table in tables.items()},
        counts=source.counts,
        series=len(fitted.calendar.series),
        columns=ColumnRoles(tuple(preprocessor.categorical), tuple(preprocessor.continuous), tuple(past_only)),
        unmatched=source.features.unmatched,
        frequency=str(fitted.frequency),
        codes={name: part.codes for name, part in encoded.items()},
        filled={name: part.filled for name, part in encoded.items()},
        split=fitted.split,
        baseline=baseline,
        seen=look_at_time(source),
    )


def baseline_columns(config: Config) -> list[Label]:
    """The columns that the first median to beat is by: `baseline`, else the series and the place in the season."""
    return list(config.baseline) or [*config.series, SEASON]


def _naive(
    rows: FactorizedTable, config: Config, frequency: Frequency, train: BoolArray, valid: BoolArray
) -> dict[str, NDArray[np.float64]]:
    """Naive forecasts of the validation rows, by name, float64 (n_valid,) each.

    The first is the median by `baseline_columns`. Where steps are a week or longer, and the config has a `baseline`, a
    second median is by series, place in the season and the other columns.
    """
    by = baseline_columns(config)
    others = [c for c in by if c not in config.series]
    medians = [by, [*config.series, SEASON, *others]] if config.baseline and frequency.seconds >= WEEK else [by]
    target = rows[config.target.column].to_numpy(dtype="float64")
    used = [*config.series, config.date, *config.baseline]
    keys = rows.frame(dict.fromkeys(c for c in used if c in rows.stored))
    return naive_forecasts(keys[train], target[train], keys[valid], config.series, config.date, frequency, medians)
