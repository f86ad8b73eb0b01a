"""Raw tables → encoded tables: fitted once by prep, applied unchanged by predict. One code path for both."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.contents import ROW, FittedPipeline, Prepared
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.evaluation.metrics import Criterion
from tabcli.evaluation.naive import SEASON, naive_forecasts
from tabcli.features.availability import Variables, choose_variables
from tabcli.features.frequency import WEEK, Frequency
from tabcli.pipeline.encoding import history_grid, with_keys
from tabcli.pipeline.future import recent_rows
from tabcli.pipeline.joined import JoinedData, join, load
from tabcli.pipeline.split import Split
from tabcli.preprocessing.columns import Encoded, Preprocessor
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.contract import DataSource
from tabcli.tables.joins import FactorizedTable

# --------------------------------------------------------------------------------------------- fitting


@dataclass(frozen=True)
class RowSplit:
    """The split by time. `kept`: the train rows to learn from or be scored on, and of these `train` and `valid`, bool.

    `parts`: the numbers of the rows of each part in the wide table.
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
    if len(source.wide.table) > len(dates):
        parts["future"] = np.arange(len(dates), len(source.wide.table))
    return RowSplit(split, kept, train, valid, parts)


def encode(source: JoinedData) -> Prepared:
    """Fits the preprocessors on the training rows, encodes all rows, and forecasts the validation rows naively."""
    config, cut = source.config, _cut(source)
    variables = choose_variables(source.wide.table, config, source.availability, cut.parts["train"])
    with ThreadPoolExecutor(1) as aside:  # nothing else waits for the naive forecasts
        naive = aside.submit(_naive, source.rows, config, source.frequency, cut.train, cut.valid)
        prepared = _encode(source, cut, variables)
    criterion = prepared.criterion(prepared.tables["valid"])
    actual = prepared.tables["valid"][ROW + config.target.column].to_numpy()
    criterion.check(actual, "validation rows")
    baseline = _baseline(config, criterion, actual, naive.result())
    return replace(prepared, summary=prepared.summary | {"baseline": baseline})


def _encode(source: JoinedData, cut: RowSplit, variables: Variables) -> Prepared:
    """All of it but the baseline."""
    config, table, rows, parts = source.config, source.wide.table, source.rows, cut.parts
    preprocessor = Preprocessor.fit(table, variables.categorical, variables.continuous, parts["train"])
    target = TargetTransform.fit(config.target.transform, rows[config.target.column].to_numpy()[parts["train"]])
    grid, past, places = history_grid(source, cut.kept, cut.train, target)
    fitted = FittedPipeline(
        config,
        source.contract,
        preprocessor,
        target,
        source.wide.calendar,
        cut.split.moments,
        source.frequency,
        source.holidays,
        recent_rows(rows, config, source.frequency, source.wide.series[: len(rows)], cut.split.valid_end),
        source.horizon,
        source.known_until,
        grid,
    )
    encoded = preprocessor.transform_parts(table, parts)
    tables = {
        name: with_keys(encoded[name], table, places, parts[name], fitted, has_target=name != "future")
        for name in parts
    }
    return Prepared(fitted, tables, _summary(source, fitted, tables, encoded), past)


def fit(config: Config, data: DataSource, *, sample: int | None = None) -> Prepared:
    """Raw tables → encoded ones, with all that was fitted on the training rows."""
    return encode(join(load(config, data, sample=sample)))


def _summary(
    source: JoinedData, fitted: FittedPipeline, tables: Mapping[str, pd.DataFrame], encoded: Mapping[str, Encoded]
) -> dict[str, Any]:
    """What prep prints."""
    facts = source.facts
    return {
        "rows": {
            "read": facts["read"],
            "sampled": facts["sampled"],
            "dropped": facts["dropped"],
            "gap": 0,
            **{name: len(table) for name, table in tables.items()},
        },
        "series": len(fitted.calendar.series),
        "columns": {
            "categorical": fitted.preprocessor.categorical,
            "continuous": fitted.preprocessor.continuous,
            "past only": sorted(c for c, role in source.availability.items() if role == "past only"),
        },
        "unmatched": source.wide.unmatched,
        "filled_inputs": facts["filled_inputs"],
        "clipped": facts["clipped"],
        "frequency": str(fitted.frequency),
        "metric": fitted.config.metric,
        "codes": {name: part.codes for name, part in encoded.items()},
        "filled": {name: part.filled for name, part in encoded.items()},
        "dates": fitted.dates,
    }


def _baseline_columns(config: Config) -> list[str]:
    """What rows are alike in whose median is a baseline."""
    return list(config.baseline) or [*config.series, SEASON]


def _naive(
    rows: FactorizedTable, config: Config, frequency: Frequency, train: BoolArray, valid: BoolArray
) -> dict[str, NDArray[np.float64]]:
    """Forecasts of the validation rows that need no learning, by name, float64 (n_valid,) each.

    Medians by the config's `baseline` columns, or by series and place in the season. Where steps are a week or
    longer, and `baseline` is given, also by the place in the season.
    """
    by = _baseline_columns(config)
    others = [c for c in by if c not in config.series]
    medians = [by, [*config.series, SEASON, *others]] if config.baseline and frequency.seconds >= WEEK else [by]
    target = rows[config.target.column].to_numpy(dtype="float64")
    used = [*config.series, config.date, *config.baseline]
    keys = rows.frame(dict.fromkeys(c for c in used if c in rows.stored))
    return naive_forecasts(keys[train], target[train], keys[valid], config.series, config.date, frequency, medians)


def _baseline(
    config: Config, criterion: Criterion, target: NDArray[np.float64], naive: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """The validation scores of naive forecasts, by name in `all`; the best one's name and score; `by`: see above."""
    scores = {name: criterion(target, made) for name, made in naive.items()}
    best = min(scores, key=lambda name: scores[name])
    return {"by": _baseline_columns(config), "name": best, f"valid_{criterion.metric}": scores[best], "all": scores}
