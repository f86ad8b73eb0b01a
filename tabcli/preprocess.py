"""The fitted steps: categorify, fill-missing, normalize, and the scale of the target. Fit decides, transform obeys.

Each is fitted on training rows only, keeps what it learned as plain numbers and texts, and never changes columns,
order or dtypes afterwards: a strange value becomes the missing or the unknown code, and is counted.

    column          after categorify     after fill-missing            after normalize
    "b" | NaN | "z"      3 | 0 | 1
    2.0 | NaN                              2.0 | median (+ flag column)   (x − mean) / std, float32
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tabcli.config import Transform
from tabcli.errors import BundleError, DataError
from tabcli.joins import Joined, Rows
from tabcli.tables import IntArray, each, frame_of, kind_of, require_columns
from tabcli.texts import MISSING_NUMBERS, no_numbers

MISSING, UNKNOWN, FIRST_LEVEL = 0, 1, 2
"""Codes of a categorical column: no value, a value that training never saw, and the first of the known ones."""

FLAG_SUFFIX = "_na"
Counts = dict[str, int]
FloatArray = NDArray[np.float64]


def _text_levels(column: "pd.Series[Any]") -> list[str]:
    n = np.bincount(column.cat.codes.to_numpy().astype("int64") + 1, minlength=len(column.cat.categories) + 1)
    return sorted(str(c) for c in column.cat.categories[n[1:] > 0])


def _small(values: NDArray[Any]) -> bool:
    """Whether a table of all whole numbers between the least and the largest value is small beside the values."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    return values.dtype.kind in "iu" and high - low <= max(len(values), 1 << 10) and abs(low) < 2**52


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The different values, sorted, as `np.unique` gives them; small whole numbers are only counted."""
    if not len(values) or not _small(values):
        return np.unique(values)
    low = values.min()
    seen: NDArray[Any] = (np.flatnonzero(np.bincount(values - low)) + low).astype(values.dtype)
    return seen


def _number_levels(column: "pd.Series[Any]") -> list[int] | list[float]:
    values = column.to_numpy()
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
        whole = (np.abs(values) < 2**53).all() and (values == np.round(values)).all()
        values = _distinct(values.astype("int64") if whole else values)
    else:
        values = _distinct(values.astype("int64"))
    levels: list[int] | list[float] = values.tolist()
    return levels


def _number_codes(values: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int32]:
    """Positions in the sorted levels plus FIRST_LEVEL; MISSING for NaN, UNKNOWN for any other number."""
    if not len(levels):
        codes = np.full(len(values), UNKNOWN, dtype="int32")
    elif _small(levels):
        codes = _looked_up(values, levels)
    else:
        place = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
        codes = np.where(levels[place] == values, place + FIRST_LEVEL, UNKNOWN).astype("int32")
    if values.dtype.kind == "f":
        codes[np.isnan(values)] = MISSING
    return codes


def _looked_up(values: NDArray[Any], levels: NDArray[np.int64]) -> NDArray[np.int32]:
    """Codes by a table of all whole numbers from one below the levels to one above them, int32 (n,)."""
    low, high = levels[0] - 1, levels[-1] + 1
    table = np.full(high - low + 1, UNKNOWN, dtype="int32")
    table[levels - low] = np.arange(len(levels), dtype="int32") + FIRST_LEVEL
    near = values if low <= values.min(initial=low) and values.max(initial=high) <= high else np.clip(values, low, high)
    if values.dtype.kind == "f":
        near = np.where(np.isnan(near), low, near).astype("int64")
    codes: NDArray[np.int32] = table[near - low]
    if values.dtype.kind == "f":
        codes[near != values] = UNKNOWN  # fractions
    return codes


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.inf  # a text that is no number is unknown, not missing; no level is infinite


@dataclass(frozen=True)
class Categorify:
    """Values → codes: 0 missing, 1 unknown, 2… the levels seen in training, sorted.

    `levels_`: column → its levels; all texts, or all numbers (a bool counts as 0 and 1).
    """

    levels_: dict[str, list[str] | list[int] | list[float]]

    @classmethod
    def fit(cls, table: pd.DataFrame, columns: Iterable[str]) -> "Categorify":
        """Learns the levels of the columns. Raises `DataError` for dates."""
        return cls({name: cls.levels(table[name]) for name in columns})

    @staticmethod
    def levels(column: "pd.Series[Any]") -> list[str] | list[int] | list[float]:
        """The values of a column, sorted. Raises `DataError` for dates."""
        kind = kind_of(column)
        if kind == "date":
            raise DataError(f"column {column.name!r} holds dates and cannot be categorical; use its parts")
        return _text_levels(column) if kind == "text" else _number_levels(column)

    def codes(self, column: "pd.Series[Any]", name: str) -> NDArray[np.int32]:
        """One column → int32 codes (n,). A column of category dtype goes through the learned levels like any other."""
        levels = self.levels_[name]
        textual = any(isinstance(level, str) for level in levels)
        if kind_of(column) == "text":
            categories = [str(c) for c in column.cat.categories]
            if textual or not levels:
                known = {level: i for i, level in enumerate(levels, start=FIRST_LEVEL)}
                by_category = np.array([known.get(c, UNKNOWN) for c in categories], dtype="int32")
            else:
                numbers = np.array([_parse_number(c) for c in categories], dtype="float64")
                by_category = _number_codes(numbers, np.asarray(levels))
                by_category[np.isin(categories, MISSING_NUMBERS)] = MISSING
            return np.append(by_category, np.int32(MISSING))[column.cat.codes.to_numpy()]
        if textual:
            whole = column.astype("Int64") if kind_of(column) == "float" and _is_whole(column) else column
            return self.codes(whole.astype("str").where(column.notna()).astype("category"), name)
        values = column.to_numpy()
        return _number_codes(values.astype("int64") if values.dtype == bool else values, np.asarray(levels))

    def transform(self, table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Counts]]:
        """Table → int32 codes of the learned columns, in their order, and per column how many missing and unknown."""
        require_columns(table, self.levels_, "the table to categorify")
        codes = {name: self.codes(table[name], name) for name in self.levels_}
        return frame_of(codes, table.index), {name: _counted(c) for name, c in codes.items()}

    def decode(self, codes: ArrayLike, name: str) -> "pd.Series[Any]":
        """Codes → the levels, missing for both missing and unknown."""
        levels = pd.Series(self.levels_[name])
        return levels.reindex(np.asarray(codes) - FIRST_LEVEL).reset_index(drop=True)

    def cardinalities(self) -> dict[str, int]:
        """Column → number of codes, with missing and unknown."""
        return {name: len(levels) + FIRST_LEVEL for name, levels in self.levels_.items()}

    def to_state(self) -> dict[str, Any]:
        return {"levels": self.levels_}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Categorify":
        return cls(state["levels"])


def _counted(codes: NDArray[np.int32]) -> Counts:
    return {"missing": int((codes == MISSING).sum()), "unknown": int((codes == UNKNOWN).sum())}


def _is_whole(column: "pd.Series[Any]") -> bool:
    values = column.dropna().to_numpy(dtype="float64")
    return bool(np.isfinite(values).all() and (values == np.round(values)).all())


def _continuous(column: "pd.Series[Any]") -> FloatArray:
    """A column as float64, NaN where it is missing or not finite. Raises `DataError` for text and dates."""
    kind = kind_of(column)
    if kind in ("text", "date"):
        example = column.dropna().iloc[:1].tolist()
        message = f"column {column.name!r} is to be continuous but holds {kind} values: {example}"
        hint = "list it under `categorical`, or correct the values"
        if kind == "text":
            found = no_numbers(column, message)
            message, hint = found.message, f"list it under `categorical`; or {found.hint}"
        raise DataError(message, hint=hint)
    values = column.to_numpy(dtype="float64")
    if kind != "float" or np.isfinite(values).all():
        return values
    return np.where(np.isfinite(values), values, np.nan)


def _median(values: NDArray[Any], counts: IntArray | None = None) -> float:
    """As `np.median`, of values none of which is missing, each so many times; small whole numbers are only counted."""
    if counts is not None:
        order = np.argsort(values)
        below = np.cumsum(counts[order])
        place = np.searchsorted(below, [(below[-1] - 1) // 2, below[-1] // 2], side="right")
        return float(np.mean(values[order[place]]))
    middle = [(len(values) - 1) // 2, len(values) // 2]
    if not _small(values):
        return float(np.mean(np.partition(values, middle)[middle]))
    low = values.min()
    below = np.cumsum(np.bincount(values - low))
    return float(np.mean(np.searchsorted(below, middle, side="right") + low))


@dataclass(frozen=True)
class FillMissing:
    """Missing numbers → the training rows' median.

    A median is learned for every column, so that a value missing only later is filled and counted too.
    `flagged_`: the columns that get a bool column `…_na`, those with missing values in training.
    """

    medians_: dict[str, float]
    flagged_: tuple[str, ...]

    @classmethod
    def fit(cls, table: pd.DataFrame, columns: Iterable[str]) -> "FillMissing":
        """Learns medians and flags. Raises `DataError` for a column without any value."""
        medians, flagged = {}, []
        for name in columns:
            medians[name], values = cls.learn(table[name])
            if np.isnan(values).any():
                flagged.append(name)
        return cls(medians, tuple(flagged))

    @staticmethod
    def learn(column: "pd.Series[Any]", counts: IntArray | None = None) -> tuple[float, FloatArray]:
        """The median of a column, and the column as float64 (n,), NaN where it is missing.

        `counts`: in how many rows each value stands, where that is not one.
        """
        values = _continuous(column)
        missing = np.isnan(values) if kind_of(column) == "float" else np.zeros(len(values), dtype=bool)
        if missing.all():
            n_rows = len(values) if counts is None else int(counts.sum())
            raise DataError(
                f"column {column.name!r} has no value in any of the {n_rows} training rows",
                hint="leave it out of `continuous`",
            )
        if kind_of(column) == "int":
            return _median(column.to_numpy(), counts), values
        if missing.any():
            there = ~missing
            return _median(values[there], None if counts is None else counts[there]), values
        return _median(values, counts), values

    @property
    def flag_columns(self) -> list[str]:
        return [name + FLAG_SUFFIX for name in self.flagged_]

    def filled(self, column: "pd.Series[Any]", name: str) -> tuple[FloatArray, NDArray[np.bool_]]:
        """One column, filled, and where it was missing: float64 and bool (n,)."""
        values = _continuous(column)
        missing = np.isnan(values)
        return np.where(missing, self.medians_[name], values) if missing.any() else values, missing

    def transform(self, table: pd.DataFrame) -> tuple[pd.DataFrame, Counts]:
        """Table → filled float64 columns then bool flags, in the learned order, and how many were filled per column."""
        require_columns(table, self.medians_, "the table to fill")
        filled: dict[str, NDArray[Any]] = {}
        flags, counts = {}, {}
        for name in self.medians_:
            filled[name], missing = self.filled(table[name], name)
            counts[name] = int(missing.sum())
            if name in self.flagged_:
                flags[name + FLAG_SUFFIX] = missing
        return frame_of({**filled, **flags}, table.index), counts

    def to_state(self) -> dict[str, Any]:
        return {"medians": self.medians_, "flagged": list(self.flagged_)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FillMissing":
        return cls(state["medians"], tuple(state["flagged"]))


@dataclass(frozen=True)
class Normalize:
    """(x − mean) / std, with the training rows' mean and population std; a constant column is only centred."""

    means_: dict[str, float]
    stds_: dict[str, float]

    @classmethod
    def fit(cls, table: pd.DataFrame, columns: Iterable[str]) -> "Normalize":
        """Learns means and stds of columns without missing values. Raises `DataError` where one has some."""
        means, stds = {}, {}
        for name in columns:
            values = _continuous(table[name])
            if np.isnan(values).any():
                raise DataError(f"column {name!r} has missing values", hint="run fill-missing first")
            means[name], stds[name] = cls.learn(values)
        return cls(means, stds)

    @staticmethod
    def learn(values: FloatArray, counts: IntArray | None = None) -> tuple[float, float]:
        """Mean and std of values (n,), none of which is missing; `counts`: how often each is there, if not once."""
        mean = float(np.average(values, weights=counts))
        std = float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
        # Rounding alone gives a constant like 0.1 a std above zero.
        return mean, std if std > 1e-12 * max(1.0, abs(mean)) else 1.0

    def scaled(self, values: FloatArray, name: str) -> NDArray[np.float32]:
        """One column's values, normalised, float32 (n,)."""
        scaled = values - self.means_[name]
        scaled /= self.stds_[name]
        result: NDArray[np.float32] = np.clip(scaled, -3e38, 3e38, out=scaled).astype("float32")
        return result

    def looked_up(self, values: NDArray[Any], name: str) -> NDArray[np.float32]:
        """The same for small whole numbers: each is normalised once."""
        low = values.min(initial=0)
        table = self.scaled(np.arange(low, values.max(initial=0) + 1, dtype="float64"), name)
        result: NDArray[np.float32] = table[values - low]
        return result

    def transform(self, table: pd.DataFrame) -> pd.DataFrame:
        """Table → float32 columns in the learned order."""
        require_columns(table, self.means_, "the table to normalize")
        return frame_of({name: self.scaled(_continuous(table[name]), name) for name in self.means_}, table.index)

    def to_state(self) -> dict[str, Any]:
        return {"means": self.means_, "stds": self.stds_}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Normalize":
        return cls(state["means"], state["stds"])


HIGHEST = 10.0  # a Box-Cox forecast is at most so many times the largest training target: its inverse may run away


def golden_section(cost: Callable[[float], float], low: float, high: float, n: int = 40) -> float:
    """Where a function with one minimum in low … high has it, to (high − low) · 0.618ⁿ."""
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = cost(left), cost(right)
    for _ in range(n):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = cost(right)
    return (low + high) / 2


def boxcox_power(target: FloatArray) -> float:
    """The λ in −2 … 2 that makes (t^λ − 1) / λ of positive targets (n,) most like normal: the largest likelihood."""
    logs = np.log(target)

    def cost(power: float) -> float:
        return float(np.log(_boxcox(logs, power).std() + 1e-300) - (power - 1) * logs.mean())

    return golden_section(cost, -2.0, 2.0) if logs.std() > 0 else 1.0


def _boxcox(logs: FloatArray, power: float) -> FloatArray:
    y: FloatArray = np.expm1(power * logs) / power if abs(power) > 1e-8 else logs
    return y


@dataclass(frozen=True)
class TargetTransform:
    """The scale on which a target is learned, and the way back.

        kind       takes        y                        back
        log        above 0      log t                    above 0
        log1p      from 0 on    log(1 + t)               from 0 on
        identity   any number   (t − centre) / scale     any number
        boxcox     above 0      the same of (t^λ−1)/λ    from 0 to 10 times the largest training target

    `mean_`, `std_`, `max_`: of the training rows' y. `centre_`, `scale_`: the mean and standard deviation that the
    last two are brought to 0 and 1 with, so that learning rates and the history's constants suit them as well.
    `highest_`: the largest training target; `power_`: λ.
    """

    kind: Transform
    mean_: float = 0.0
    std_: float = 1.0
    max_: float = 0.0
    centre_: float = 0.0
    scale_: float = 1.0
    highest_: float = np.inf
    power_: float = 1.0

    @classmethod
    def fit(cls, kind: Transform, target: ArrayLike) -> "TargetTransform":
        """Learns from targets (n,). Raises `DataError` with the count where the transform does not take some."""
        values = np.asarray(target, dtype="float64")
        bad = int(cls.refused(kind, values).sum())
        if bad:
            raise DataError(f"{bad} of {len(values)} targets are zero, negative or missing: {kind} does not take them")
        transform = cls(kind, highest_=float(values.max()), power_=boxcox_power(values) if kind == "boxcox" else 1.0)
        if kind in ("identity", "boxcox"):
            y = transform.scaled(values)
            transform = replace(transform, centre_=float(y.mean()), scale_=float(y.std()) or 1.0)
        y = transform.scaled(values)
        return replace(transform, mean_=float(y.mean()), std_=float(y.std()) or 1.0, max_=float(y.max()))

    @staticmethod
    def refused(kind: Transform, values: FloatArray) -> NDArray[np.bool_]:
        """Which targets the transform does not take, bool (n,)."""
        low = {"log": values > 0, "boxcox": values > 0, "log1p": values >= 0, "identity": np.isfinite(values)}
        return ~(low[kind] & np.isfinite(values))

    def scaled(self, target: ArrayLike) -> FloatArray:
        """Targets that the transform takes → y, float64 (n,)."""
        values = np.asarray(target, dtype="float64")
        match self.kind:
            case "log":
                y = np.log(values)
            case "log1p":
                y = np.log1p(values)
            case "identity":
                y = (values - self.centre_) / self.scale_
            case "boxcox":
                y = (_boxcox(np.log(values), self.power_) - self.centre_) / self.scale_
        result: FloatArray = y
        return result

    def transform(self, target: ArrayLike) -> NDArray[np.float32]:
        """Targets that the transform takes → y, float32 (n,)."""
        y: NDArray[np.float32] = self.scaled(target).astype("float32")
        return y

    def inverse(self, y: ArrayLike) -> FloatArray:
        """y → the target's unit, float64 (n,); never below 0 but with *identity*."""
        values = np.asarray(y, dtype="float64")
        match self.kind:
            case "log":
                target = np.exp(values)
            case "log1p":
                target = np.maximum(np.expm1(values), 0.0)
            case "identity":
                target = values * self.scale_ + self.centre_
            case "boxcox":
                target = self._inverse_boxcox(values * self.scale_ + self.centre_)
        result: FloatArray = target
        return result

    def _inverse_boxcox(self, values: FloatArray) -> FloatArray:
        """exp(log(1 + λ·y) / λ), held within 0 and `HIGHEST` times the largest training target."""
        highest = np.log(HIGHEST * self.highest_)
        values = np.minimum(values, _boxcox(np.array([highest]), self.power_)[0])
        inside = np.maximum(1 + self.power_ * values, 0.0)
        with np.errstate(divide="ignore"):  # log 0 = −∞, and exp of it is the 0 that is meant
            logs = np.log(inside) / self.power_ if abs(self.power_) > 1e-8 else values
        target: FloatArray = np.exp(logs)
        return target

    def calibrated(self, y: ArrayLike, factor: float, shift: float = 0.0) -> FloatArray:
        """y of `factor` times the target plus `shift`, float64 (n,)."""
        if self.kind == "log" and not shift:
            moved: FloatArray = np.asarray(y, dtype="float64") + np.log(factor)
            return moved
        target = self.inverse(y) * factor + shift
        return self.scaled(target if self.kind != "boxcox" else np.maximum(target, np.finfo("float64").tiny))

    def to_state(self) -> dict[str, Any]:
        return {"transform": self.kind, **{k: v for k, v in asdict(self).items() if k != "kind"}}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "TargetTransform":
        return cls(state["transform"], **{k: float(v) for k, v in state.items() if k != "transform"})


@dataclass(frozen=True)
class Encoded:
    """`table`: int32 codes of `categorical`, then float32 of `continuous`; what was missing, unknown and filled."""

    table: pd.DataFrame
    codes: dict[str, Counts]
    filled: Counts
    n_filled: NDArray[np.int16]
    """Per row, how many continuous values were filled, int16 (n,): also those whose column has no flag."""


Chosen = IntArray | slice
"""Which rows: their numbers, or all."""

ALL = slice(None)


def _keys_of(rows: Joined, names: Iterable[str]) -> dict[int, tuple[IntArray, int]]:
    """For each set of keys that the columns are kept by: the place of every row (n,), and how many there are."""
    columns = [rows.stored[name] for name in names if name in rows.stored]
    return {id(c.places): (c.places, len(c.values)) for c in columns if c.places is not None}


@dataclass(frozen=True)
class Preprocessor:
    """Fill-missing, categorify (with the flags) and normalize as one step, a column at a time on all cores."""

    fill_missing: FillMissing
    categorify: Categorify
    normalize: Normalize

    @classmethod
    def fit(
        cls, table: Rows, categorical: Sequence[str], continuous: Sequence[str], at: Chosen = ALL
    ) -> "Preprocessor":
        """Learns from the rows `at` of a table. Raises `DataError` as its steps do."""
        rows = Joined.of(table)
        keys = _keys_of(rows, [*categorical, *continuous])
        n_seen = {key: np.bincount(place[at], minlength=n) for key, (place, n) in keys.items()}

        def part(name: str) -> tuple["pd.Series[Any]", IntArray | None]:
            """The values in the chosen rows, and how often each is there, if not once."""
            column = rows.stored[name]
            if column.places is None:
                return column.values.iloc[at], None
            counts = n_seen[id(column.places)]
            return column.values[counts > 0], counts[counts > 0]

        def learn(name: str) -> tuple[float, float, float, bool]:
            values, counts = part(name)
            try:
                median, numbers = FillMissing.learn(values, counts)
            except DataError:
                FillMissing.learn(rows[name].iloc[at])  # says which rows are wrong
                raise
            missing = np.isnan(numbers)
            flagged = bool(missing.any())
            return median, *Normalize.learn(np.where(missing, median, numbers) if flagged else numbers, counts), flagged

        def levels(name: str) -> list[str] | list[int] | list[float]:
            return Categorify.levels(part(name)[0])

        numbers = dict(zip(continuous, each(learn, continuous, len(rows)), strict=True))
        learned = dict(zip(categorical, each(levels, categorical, len(rows)), strict=True))
        fill_missing = FillMissing(
            {name: median for name, (median, *_) in numbers.items()}, tuple(n for n in continuous if numbers[n][-1])
        )
        means, stds = ({name: found[i] for name, found in numbers.items()} for i in (1, 2))
        flags: dict[str, list[int]] = {name: [0, 1] for name in fill_missing.flag_columns}
        return cls(fill_missing, Categorify({**learned, **flags}), Normalize(means, stds))

    @property
    def categorical(self) -> list[str]:
        return list(self.categorify.levels_)

    @property
    def continuous(self) -> list[str]:
        return list(self.normalize.means_)

    def inputs(self, without: Sequence[str] = ()) -> tuple[list[str], list[str]]:
        """The categorical and the continuous variables, but for these and their flags of missing values."""
        left = {*without, *(name + FLAG_SUFFIX for name in without)}
        return [c for c in self.categorical if c not in left], [c for c in self.continuous if c not in left]

    def transform(self, table: Rows) -> Encoded:
        """A wide table → what the model takes. Row by row: no row's result depends on another row."""
        return self.transform_parts(table, {"all": ALL})["all"]

    def transform_parts(self, table: Rows, parts: Mapping[str, Chosen]) -> dict[str, Encoded]:
        """The same for several choices of rows of a table."""
        rows, fill = Joined.of(table), self.fill_missing
        flags = dict(zip(fill.flag_columns, fill.flagged_, strict=True))
        plain = [c for c in self.categorical if c not in flags]
        require_columns(rows, fill.medians_, "the table to fill")
        require_columns(rows, plain, "the table to categorify")
        places: dict[int, list[Chosen]] = {id(None): list(parts.values())}
        for key, (place, _) in _keys_of(rows, [*plain, *self.continuous]).items():
            places[key] = [place[at] for at in parts.values()]

        def spread(values: NDArray[Any], name: str) -> list[NDArray[Any]]:
            """The values of a column, or of its keys → those of the rows of each part."""
            return [values[at] for at in places[id(rows.stored[name].places)]]

        def numbers(name: str) -> tuple[list[NDArray[np.float32]], NDArray[np.bool_] | None]:
            column = rows.stored[name].values
            if kind_of(column) == "int" and _small(column.to_numpy()):
                scaled, missing = self.normalize.looked_up(column.to_numpy(), name), None
            else:
                values, gap = fill.filled(column, name)
                scaled, missing = self.normalize.scaled(values, name), gap if gap.any() else None
            return spread(scaled, name), missing

        made = dict(zip(self.continuous, each(numbers, self.continuous, len(rows)), strict=True))
        gaps = {name: spread(missing, name) for name, (_, missing) in made.items() if missing is not None}

        def codes(name: str) -> list[NDArray[np.int32]]:
            if name not in flags:
                return spread(self.categorify.codes(rows.stored[name].values, name), name)
            found = gaps.get(flags[name]) or [np.zeros(len(rows.index[at]), dtype=bool) for at in parts.values()]
            return [self.categorify.codes(pd.Series(missing), name) for missing in found]

        coded = dict(zip(self.categorical, each(codes, self.categorical, len(rows)), strict=True))
        return {
            part: self._encoded(
                {name: columns[i] for name, columns in coded.items()},
                {name: columns[i] for name, (columns, _) in made.items()},
                {name: missing[i] for name, missing in gaps.items()},
                rows.index[at],
            )
            for i, (part, at) in enumerate(parts.items())
        }

    def _encoded(
        self,
        codes: dict[str, NDArray[np.int32]],
        numbers: dict[str, NDArray[np.float32]],
        gaps: dict[str, NDArray[np.bool_]],
        index: "pd.Index[Any]",
    ) -> Encoded:
        counts = {name: _counted(found) for name, found in codes.items()}
        filled = {name: int(gaps[name].sum()) if name in gaps else 0 for name in numbers}
        n_filled = np.zeros(len(index), dtype="int16")
        for missing in gaps.values():
            n_filled += missing
        return Encoded(frame_of({**codes, **numbers}, index), counts, filled, n_filled)

    def to_state(self) -> dict[str, Any]:
        return {
            "fill_missing": self.fill_missing.to_state(),
            "categorify": self.categorify.to_state(),
            "normalize": self.normalize.to_state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Preprocessor":
        return cls(
            FillMissing.from_state(state["fill_missing"]),
            Categorify.from_state(state["categorify"]),
            Normalize.from_state(state["normalize"]),
        )


# ------------------------------------------------------------------------------------ each stage alone

STAGES: dict[str, type[Categorify] | type[FillMissing] | type[Normalize]] = {
    "categorify": Categorify,
    "fill-missing": FillMissing,
    "normalize": Normalize,
}


def stage_state(stage: str, fitted: Categorify | FillMissing | Normalize) -> dict[str, Any]:
    """The state file of a single stage."""
    return {"format": "tabcli-stage", "format_version": 1, "stage": stage, "state": fitted.to_state()}


def stage_from_state(stage: str, state: Any, where: str) -> Categorify | FillMissing | Normalize:
    """What `stage_state` gave. Raises `BundleError` for the state of another stage, or something else."""
    if not isinstance(state, dict) or state.get("format") != "tabcli-stage" or state.get("format_version") != 1:
        raise BundleError(f"{where}: not the state of a stage", hint=f"make one with `tabcli {stage} --fit`")
    if state.get("stage") != stage:
        raise BundleError(f"{where}: the state of {state.get('stage')}, not of {stage}")
    return STAGES[stage].from_state(state["state"])
