"""Keys and places of rows beside their encoded columns; the grid of the target's history."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.contents import FittedPipeline
from tabcli.artifacts.encoded_names import PLACES, ROW, input_column, past_column, row_column
from tabcli.config.schema import Config
from tabcli.config.values import Transform
from tabcli.errors import DataError
from tabcli.features.events import EventCalendar
from tabcli.features.frequency import Frequency
from tabcli.pipeline.joined import JoinedData
from tabcli.preprocessing.columns import Encoded
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.kinds import plain_values
from tabcli.tables.rows import distinct_rows, frame_of
from tabcli.target_history.grid import Grid, Positions


def history_grid(
    source: JoinedData, kept: BoolArray, train: BoolArray, target: TargetTransform
) -> tuple[Grid | None, pd.DataFrame | None, Positions]:
    """The grid that the history lies on, the rows with a target on it (series, step, cell, y and other columns), and
    the places of all rows. Without a history only their series are of use.
    """
    config, rows, wide = source.config, source.rows, source.wide
    if config.history is None:
        return None, None, Positions(wide.series, wide.series, wide.series)
    used = wide.table.frame(dict.fromkeys([config.date, *config.history.effects]))
    known = used.iloc[: len(rows)]
    ahead = source.horizon + source.frequency.number(config.validation.gap)
    grid = Grid.fit(known[train], config.date, config.history, frequency=source.frequency, horizon=ahead, known=known)
    places = grid.positions(used, config.date, wide.series)
    at = places.take(np.flatnonzero(kept))
    _check_steps(at.series, at.step, config, source.frequency)
    past = {"series": at.series, "step": at.step, "cell": at.cell}
    columns = {past_column(c): _scaled(rows[c][kept], train[kept], target.kind) for c in config.history.columns}
    y = target.transform(rows[config.target.column].to_numpy()[kept])
    return grid, frame_of({**past, "y": y, **columns}), places


def _scaled(values: pd.Series, train: BoolArray, kind: Transform) -> NDArray[np.float32]:
    """A past-only column on the scale that the target's transform has for it, float32 (n,); NaN where it has none."""
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    there = ~TargetTransform.refused(kind, numbers)
    scaled = np.full(len(numbers), np.nan, dtype="float32")
    if (there & train).any():
        scaled[there] = TargetTransform.fit(kind, numbers[there & train]).transform(numbers[there])
    return scaled


def _check_steps(series: NDArray[np.int64], step: NDArray[np.int64], config: Config, frequency: Frequency) -> None:
    """Raises `DataError` where two rows of a series share a step of the history."""
    n_shared = len(step) - len(distinct_rows(frame_of({"series": series, "step": step}), ["series", "step"])[1])
    if n_shared:
        raise DataError(
            f"{n_shared} rows lie within the same step of {frequency} as another row of their series, "
            "which a history cannot tell apart",
            hint="set a shorter `frequency`, add the rows up beforehand, or leave `history` out",
        )


def known_series(calendar: EventCalendar, codes: IntArray) -> IntArray:
    """Positions among series that grew by those of new rows → among the calendar's, −1 for one that it lacks."""
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
    """The encoded columns, `y`, and the row's own key, target and place in the history under `row.…`, (n, k).

    Their names are those of `encoded_names`. `at`: which rows of the wide table and its places the encoded ones are.
    """
    config = fitted.config
    extra: dict[str, Any] = {}
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
    """`row.series`, a row's position among the known series or −1; with a history also `row.step` and `row.cell`."""
    names = PLACES if fitted.grid is not None else PLACES[:1]
    return {f"{ROW}{name}": getattr(places, name).astype("int32") for name in names}
