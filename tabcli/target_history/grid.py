"""Series × steps: where rows lie, and the past as arrays of that shape."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, BoolArray, Float32Array, IntArray
from tabcli.config.features import History as HistoryConfig
from tabcli.features.frequency import Frequency
from tabcli.preprocessing.categorical import Categorify
from tabcli.tables.joins import FactorizedTable, Rows
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import seconds_of
from tabcli.target_history.windows import HistorySpec


@dataclass(frozen=True)
class Positions:
    """Where n rows lie on the grid, int64 (n,) each: series and cell, −1 where they are not known, and step."""

    series: IntArray
    step: IntArray
    cell: IntArray

    def take(self, index: IntArray | BoolArray) -> "Positions":
        """The rows at `index`: positions, or a bool mask (n,)."""
        return Positions(self.series[index], self.step[index], self.cell[index])


@dataclass(frozen=True)
class Grid:
    """The grid of series × steps: step 0 at `start` (seconds since 1970), a `frequency` apart; `n_steps` are known.

    A cell is a combination of values of the config's `history.effects`, such as weekday × promotion. `codes`: the
    learned levels of these columns. `cells`: the combinations that the training rows have, as one number each, sorted.
    """

    start: int
    frequency: Frequency
    n_steps: int
    spec: HistorySpec
    codes: Categorify
    cells: tuple[int, ...]

    @classmethod
    def fit(
        cls,
        rows: pd.DataFrame,
        date: str,
        config: HistoryConfig,
        *,
        frequency: Frequency,
        horizon: int,
        known: pd.DataFrame,
    ) -> "Grid":
        """Learns the cells from the training `rows`; `known`: all rows of the train table.

        `horizon`: how many steps after the last known one a row to forecast may lie, the gap included.
        """
        codes = Categorify.fit(rows, list(config.effects))
        start = int(seconds_of(known[date]).min())
        cells = np.unique(_combine(codes, rows))
        spec = HistorySpec.of(config, frequency.seconds, horizon, len(cells))
        n_steps = int(frequency.steps(known[date], start).max()) + 1
        return cls(start, frequency, n_steps, spec, codes, tuple(cells.tolist()))

    def positions(self, rows: Rows, date: str, series: IntArray) -> Positions:
        """The places of n rows; `series`: each row's position among the known series, −1 where unknown, int64 (n,)."""
        combined = _combine(self.codes, rows)
        place = np.minimum(np.searchsorted(self.cells, combined), len(self.cells) - 1)
        cell = np.where(np.asarray(self.cells)[place] == combined, place, -1)
        return Positions(series, self.step_of(rows[date]), cell)

    def step_of(self, dates: pd.Series) -> IntArray:
        """Dates → steps, int64 (n,)."""
        return self.frequency.steps(dates, self.start)

    def to_state(self) -> dict[str, object]:
        return {**asdict(self), "codes": self.codes.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Grid":
        spec: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in state["spec"].items()}
        return cls(
            state["start"],
            Frequency.from_state(state["frequency"]),
            state["n_steps"],
            HistorySpec(**spec),
            Categorify.from_state(state["codes"]),
            tuple(state["cells"]),
        )


def _combine(codes: Categorify, rows: Rows) -> IntArray:
    """One number for each row's combination of effect columns' codes, int64 (n,)."""
    combined = np.zeros(len(rows), dtype="int64")
    if codes.levels_:
        rows = FactorizedTable.of(rows)
        require_columns(rows, codes.levels_, "the columns of the history's effects")
        for name, n in codes.cardinalities().items():
            column = rows.stored[name]
            own = codes.codes(column.values, name)
            combined = combined * n + (own if column.codes is None else own[column.codes])
    return combined


@dataclass(frozen=True)
class Panel:
    """The past of S series over T steps, (S, T) each.

    `y` and each of `others` (`history.columns`): float32 on the learned scale, NaN where there is no row. `cell`:
    int32, −1 where there is no row.
    """

    y: Float32Array
    cell: NDArray[np.int32]
    others: dict[str, Float32Array]

    @classmethod
    def of(cls, rows: Positions, y: Float32Array, others: dict[str, Float32Array], shape: tuple[int, int]) -> "Panel":
        """Lays n rows on a grid of `shape` (S, T); rows after its last step are left out."""
        inside = rows.step < shape[1]

        def grid(values: AnyArray, empty: float) -> AnyArray:
            table = np.full(shape, empty, dtype=values.dtype)
            table[rows.series[inside], rows.step[inside]] = values[inside]
            return table

        columns = {name: grid(values.astype("float32"), np.nan) for name, values in others.items()}
        return cls(grid(y.astype("float32"), np.nan), grid(rows.cell.astype("int32"), -1), columns)
