"""fill-missing and normalize: medians with flags, means and standard deviations."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, FloatArray
from tabcli.errors import DataError
from tabcli.preprocessing.categorical import Counts
from tabcli.preprocessing.counts import Counted
from tabcli.preprocessing.summaries import Spread, Summary
from tabcli.tables.kinds import kind_of, require_columns
from tabcli.tables.rows import frame_of
from tabcli.tables.texts import EXACT, not_numeric_error

FLAG_SUFFIX = "_na"
"""What a column's flag of missing values is called after: its name with this at the end."""


def check_continuous(column: pd.Series) -> None:
    """Raises `DataError` for texts, with the rows that hold no numbers, and for dates."""
    kind = kind_of(column)
    if kind in ("text", "date"):
        example = column.dropna().iloc[:1].tolist()
        message = f"column {column.name!r} is to be continuous, but holds {kind} values: {example}"
        hint = "list it under `categorical`, or correct the values"
        if kind == "text":
            found = not_numeric_error(column, message)
            message, hint = found.message, f"list it under `categorical`; or {found.hint}"
        raise DataError(message, hint=hint)


def _continuous(column: pd.Series) -> FloatArray:
    """A column as float64 (n,), NaN where it is missing or not finite. Raises `DataError` for texts and dates."""
    check_continuous(column)
    values = column.to_numpy(dtype="float64")
    if kind_of(column) != "float" or np.isfinite(values).all():
        return values
    return np.where(np.isfinite(values), values, np.nan)


class FillMissingState(TypedDict):
    """What is kept of a `FillMissing`."""

    medians: dict[str, float]
    flagged: list[str]
    whole: NotRequired[list[str]]


def _are_whole(values: FloatArray) -> bool:
    """Whether all values are whole numbers that an int64 can hold."""
    return bool((np.abs(values) <= EXACT).all() and (values == np.round(values)).all())


@dataclass(frozen=True)
class FillMissing:
    """Missing numbers → the median of the training rows.

    `medians_`: of every column, so that values which are missing only in later rows are filled and counted too.
    `flagged_`: the columns with missing values in training, which get a bool column `…_na`. `whole_`: the columns whose
    training values were whole numbers; `transform` gives them as int64.
    """

    medians_: dict[str, float]
    flagged_: tuple[str, ...]
    whole_: tuple[str, ...] = ()

    @classmethod
    def fit(cls, table: pd.DataFrame, columns: Iterable[str]) -> "FillMissing":
        """Learns medians and flags. Raises `DataError` for a column without any value, or of texts or dates."""
        medians, flagged, whole = {}, [], []
        for name in columns:
            check_continuous(table[name])
            found = Counted.of(table[name])
            summary = cls.summary(found, name)
            medians[name] = summary.median
            if summary.missing:
                flagged.append(name)
            if _are_whole(found.merged.numbers()[0]):
                whole.append(name)
        return cls(medians, tuple(flagged), tuple(whole))

    @staticmethod
    def summary(counted: Counted, name: str) -> Summary | Spread:
        """How often each number of the column `name` occurs. Raises `DataError` where it has none."""
        summary = counted.summary
        if not summary.n:
            raise DataError(
                f"column {name!r} has no value in any of the {summary.missing} training rows",
                hint="leave it out of `continuous`",
            )
        return summary

    @property
    def flag_columns(self) -> list[str]:
        """The names of the bool columns, in the order of `flagged_`."""
        return [name + FLAG_SUFFIX for name in self.flagged_]

    def filled(self, column: pd.Series, name: str) -> tuple[FloatArray, NDArray[np.bool_]]:
        """One column, filled, and where it was missing: float64 and bool (n,)."""
        values = _continuous(column)
        missing = np.isnan(values)
        return np.where(missing, self.medians_[name], values) if missing.any() else values, missing

    def transform(self, table: pd.DataFrame) -> tuple[pd.DataFrame, Counts]:
        """Table → filled columns, then bool flags, in the learned order; and by column how many values were filled.

        Columns are float64, or int64 where all numbers are whole, in training and here.
        """
        require_columns(table, self.medians_, "the table to fill")
        filled: dict[str, AnyArray] = {}
        flags, counts = {}, {}
        for name in self.medians_:
            values, missing = self.filled(table[name], name)
            filled[name] = values.astype("int64") if name in self.whole_ and _are_whole(values) else values
            counts[name] = int(missing.sum())
            if name in self.flagged_:
                flags[name + FLAG_SUFFIX] = missing
        return frame_of({**filled, **flags}, table.index), counts

    def to_state(self) -> FillMissingState:
        return {"medians": self.medians_, "flagged": list(self.flagged_), "whole": list(self.whole_)}

    @classmethod
    def from_state(cls, state: FillMissingState) -> "FillMissing":
        return cls(state["medians"], tuple(state["flagged"]), tuple(state.get("whole", ())))


class NormalizeState(TypedDict):
    """What is kept of a `Normalize`."""

    means: dict[str, float]
    stds: dict[str, float]


@dataclass(frozen=True)
class Normalize:
    """(x − mean) / std, with mean and population standard deviation of the training rows.

    A constant column is only centred. `means_`, `stds_`: by column.
    """

    means_: dict[str, float]
    stds_: dict[str, float]

    @classmethod
    def fit(cls, table: pd.DataFrame, columns: Iterable[str]) -> "Normalize":
        """Learns means and stds of columns without missing values. Raises `DataError` where one has some."""
        means, stds = {}, {}
        for name in columns:
            summary = Summary.of(_continuous(table[name]))
            if summary.missing or not summary.n:
                raise DataError(f"column {name!r} has missing values, or no row", hint="run fill-missing first")
            means[name], stds[name] = cls.learn(summary)
        return cls(means, stds)

    @staticmethod
    def learn(summary: Summary | Spread) -> tuple[float, float]:
        """Mean and standard deviation of a column without missing values."""
        mean, std = summary.mean, summary.std
        return mean, std if std > 1e-12 * max(1.0, abs(mean)) else 1.0  # what float64 cannot tell from a constant

    def scaled(self, values: FloatArray, name: str) -> NDArray[np.float32]:
        """One column's values, normalised, float32 (n,)."""
        scaled = values - self.means_[name]
        scaled /= self.stds_[name]
        result: NDArray[np.float32] = np.clip(scaled, -3e38, 3e38, out=scaled).astype("float32")
        return result

    def looked_up(self, values: AnyArray, name: str) -> NDArray[np.float32]:
        """As `scaled`, for whole numbers of a narrow range, each of which is normalised once."""
        low = values.min(initial=0)
        table = self.scaled(np.arange(low, values.max(initial=0) + 1, dtype="float64"), name)
        result: NDArray[np.float32] = table[values - low]
        return result

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        """Table → float32 columns in the learned order."""
        require_columns(table, self.means_, "the table to normalize")
        return frame_of({name: self.scaled(_continuous(table[name]), name) for name in self.means_}, table.index)

    def to_state(self) -> NormalizeState:
        return {"means": self.means_, "stds": self.stds_}

    @classmethod
    def from_state(cls, state: NormalizeState) -> "Normalize":
        return cls(state["means"], state["stds"])
