"""Keys and places of rows beside their encoded columns; the grid of the target history."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import ColumnValues, IntArray
from tabcli.artifacts.contents import FittedPipeline
from tabcli.artifacts.encoded_names import PLACES, ROW, input_column, past_column, row_column
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.features.events import EventCalendar
from tabcli.features.frequency import Frequency
from tabcli.pipeline.fitting import Fitted
from tabcli.pipeline.joined import JoinedData
from tabcli.pipeline.survey import RowSplit
from tabcli.preprocessing.columns import Encoded
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.kinds import plain_values
from tabcli.tables.rows import distinct_rows, frame_of
from tabcli.target_history.grid import Grid, Positions


def places_of(source: JoinedData, grid: Grid | None) -> Positions:
    """The places of all rows on the grid of the target history; without one only the series counts."""
    config, features = source.config, source.features
    if config.history is None or grid is None:
        return Positions(features.series, features.series, features.series)
    used = features.table.frame(dict.fromkeys([config.date, *config.history.effects]))
    return grid.positions(used, config.date, features.series)


def past_of(source: JoinedData, cut: RowSplit, fitted: Fitted, places: Positions) -> pd.DataFrame | None:
    """The past: of the rows with a target series, step, cell, y, `history.columns`; None without a history.

    Raises `DataError` where two rows share a step.
    """
    config, rows = source.config, source.rows
    if config.history is None:
        return None
    at = places.take(np.flatnonzero(cut.kept))
    _check_steps(at.series, at.step, config, source.frequency)
    past = {"series": at.series, "step": at.step, "cell": at.cell}
    columns = {
        past_column(c): _scaled(rows[c][cut.kept], fitted.scales[past_column(c)]) for c in config.history.columns
    }
    y = fitted.target.transform(rows[config.target.column].to_numpy()[cut.kept])
    return frame_of({**past, "y": y, **columns})


def _scaled(values: pd.Series, scale: TargetTransform | None) -> NDArray[np.float32]:
    """A past-only column on its scale, float32 (n,); NaN where it is missing or the scale does not take it."""
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    scaled = np.full(len(numbers), np.nan, dtype="float32")
    if scale is not None:
        there = ~TargetTransform.refused(scale.kind, numbers)
        scaled[there] = scale.transform(numbers[there])
    return scaled


def _check_steps(series: NDArray[np.int64], step: NDArray[np.int64], config: Config, frequency: Frequency) -> None:
    """Raises `DataError` with the count where two rows of a series share a step."""
    n_shared = len(step) - len(distinct_rows(frame_of({"series": series, "step": step}), ["series", "step"])[1])
    if n_shared:
        raise DataError(
            f"{n_shared} rows lie within the same step of {frequency} as another row of their series, "
            "which a target history cannot tell apart",
            hint="set a shorter `frequency`, add the rows up beforehand, or leave `history` out",
        )


def known_series(calendar: EventCalendar, codes: IntArray) -> IntArray:
    """Positions among the calendar's and new rows' series (n,) → among the calendar's alone, −1 for new series."""
    return np.where(codes < len(calendar.series), codes, -1)


def with_keys(
    encoded: Encoded,
    table: FactorizedTable,
    places: Positions,
    at: IntArray,
    fitted: FittedPipeline,
    *,
    has_target: bool,
) -> pd.DataFrame:
    """The encoded table: the inputs, `y`, and each row's own target, key, filled count and place under `row.…`.

    The names are those of `artifacts.encoded_names`. `at`: the numbers of the encoded rows in `table` and `places`.
    """
    config = fitted.config
    extra: dict[str, ColumnValues] = {}
    if has_target:
        values = table[config.target.column].to_numpy()[at]
        extra["y"] = fitted.target.transform(values)
        extra[row_column(config.target.column)] = values.astype("float64")
    for column in (*config.series, config.date):
        extra[row_column(column)] = plain_values(table[column].iloc[at])
    extra[ROW + "filled"] = encoded.n_filled
    extra |= place_columns(fitted, places.take(at))
    keys = frame_of(extra, encoded.table.index)
    return pd.concat([encoded.table.rename(columns=input_column), keys], axis=1).reset_index(drop=True)


def place_columns(fitted: FittedPipeline, places: Positions) -> dict[str, NDArray[np.int32]]:
    """Rows' places as int32 columns: `row.series` (−1: unknown), with a target history also `row.step`, `row.cell`."""
    names = PLACES if fitted.grid is not None else PLACES[:1]
    return {f"{ROW}{name}": getattr(places, name).astype("int32") for name in names}
