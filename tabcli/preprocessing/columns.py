"""The fitted steps over all columns of a table: categorify, fill-missing, normalize. Fit decides, transform obeys.

Each step is fitted to training rows only, keeps what it learned as plain numbers and texts, and never changes columns,
order or dtypes afterwards: a strange value becomes the missing or the unknown code, and is counted.

    column          after categorify     after fill-missing            after normalize
    "b" | NaN | "z"      3 | 0 | 1
    2.0 | NaN                              2.0 | median (+ flag column)   (x − mean) / std, float32
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import AnyArray, IntArray
from tabcli.errors import BundleError, DataError
from tabcli.parallel import parallel_map
from tabcli.preprocessing.categorical import Categorify, CategorifyState, Counts, count_codes
from tabcli.preprocessing.continuous import (
    FLAG_SUFFIX,
    FillMissing,
    FillMissingState,
    Normalize,
    NormalizeState,
    check_continuous,
)
from tabcli.preprocessing.counts import Counted, Levels
from tabcli.preprocessing.summaries import narrowed
from tabcli.tables.joins import FactorizedTable, Rows
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import frame_of


@dataclass(frozen=True)
class Encoded:
    """n encoded rows, and what was missing, unknown and filled in them.

    `table`: int32 codes of the categorical columns, then float32 numbers of the continuous ones. `codes`: categorical
    column → its missing and unknown values; where training had no missing values they are counted as missing, but get
    the unknown code. `filled`: continuous column → missing numbers that were filled.
    """

    table: pd.DataFrame
    codes: dict[str, Counts]
    filled: Counts
    n_filled: NDArray[np.int16]
    """How many continuous values of each row were filled, int16 (n,), also of columns that have no flag."""


Chosen = IntArray | slice
"""Which rows of a table: their numbers, int64, or a slice."""

ALL = slice(None)


def _keys_of(rows: FactorizedTable, names: Iterable[str]) -> dict[int, tuple[IntArray, int]]:
    """id of a codes array → that array, int64 (n,), and how many keys it has; columns of one join share the array."""
    columns = [rows.stored[name] for name in names if name in rows.stored]
    return {id(c.codes): (c.codes, len(c.values)) for c in columns if c.codes is not None}


@dataclass(frozen=True)
class _Parts:
    """Parts of a table's rows. What is made of the k keys of a column is spread to the rows of each part:

        values of keys (k,)  ── codes[chosen], made once for all columns of the same keys ──▶  values of the chosen rows

    `chosen`: the rows of each part. `codes`: id of a codes array → its codes in each part.
    """

    rows: FactorizedTable
    chosen: list[Chosen]
    codes: dict[int, list[IntArray]]

    @classmethod
    def of(cls, rows: FactorizedTable, names: Iterable[str], chosen: Iterable[Chosen]) -> "_Parts":
        """Of the columns `names` of a table."""
        parts = list(chosen)
        return cls(rows, parts, {key: [codes[at] for at in parts] for key, (codes, _) in _keys_of(rows, names).items()})

    @property
    def lengths(self) -> list[int]:
        """How many rows each part has."""
        return [len(self.rows.index[at]) for at in self.chosen]

    def spread(self, values: AnyArray, name: str) -> list[AnyArray]:
        """The values of a column, or of its keys, (k,) → those of the rows of each part."""
        codes = self.rows.stored[name].codes
        return [values[at] for at in (self.chosen if codes is None else self.codes[id(codes)])]


def column_counts(table: Rows, names: Iterable[str], at: Chosen = ALL) -> dict[str, Counted]:
    """How often each value of the columns `names` occurs in the rows `at` of a table."""
    rows, names = FactorizedTable.of(table), list(dict.fromkeys(names))
    n_seen = {key: np.bincount(place[at], minlength=n) for key, (place, n) in _keys_of(rows, names).items()}

    def count(name: str) -> Counted:
        column = rows.stored[name]
        if column.codes is None:
            return Counted.of(column.values.iloc[at])
        counts = n_seen[id(column.codes)]
        return Counted.of(column.values[counts > 0], counts[counts > 0])

    return dict(zip(names, parallel_map(count, names, len(rows)), strict=True))


class PreprocessorState(TypedDict):
    """What is kept of a `Preprocessor`."""

    fill_missing: FillMissingState
    categorify: CategorifyState
    normalize: NormalizeState


def _flag_error(flag: str) -> DataError:
    column = flag.removesuffix(FLAG_SUFFIX)
    return DataError(
        f"the column {flag!r} is an input, and so is the flag of missing values of {column!r}, which has the same name",
        hint=f"take {flag} out of categorical and continuous: {column} gets it anyway; or `rename` the column",
    )


@dataclass(frozen=True)
class Preprocessor:
    """Fill-missing, categorify (flags included) and normalize as one, a column at a time on all cores."""

    fill_missing: FillMissing
    categorify: Categorify
    normalize: Normalize

    @classmethod
    def fit(
        cls, table: Rows, categorical: Sequence[str], continuous: Sequence[str], at: Chosen = ALL
    ) -> "Preprocessor":
        """Learns from the rows `at` of a table. Raises `DataError` as its steps do, or where a flag's name is taken."""
        found = column_counts(table, [*categorical, *continuous], at)
        rows = FactorizedTable.of(table)
        for name in continuous:
            if rows.kind(name) in ("text", "date"):
                check_continuous(rows[name].iloc[at])
        return cls.learn(found, categorical, continuous)

    @classmethod
    def learn(
        cls, found: Mapping[str, Counted], categorical: Sequence[str], continuous: Sequence[str]
    ) -> "Preprocessor":
        """As `fit`, from how often each value of a column occurs in the training rows."""

        def numbers_of(name: str) -> tuple[float, float, float, bool]:
            summary = FillMissing.summary(found[name], name)
            median = summary.median
            return median, *Normalize.learn(summary.filled(median)), summary.missing > 0

        def levels(name: str) -> tuple[Levels, bool]:
            return Categorify.levels(found[name], name), found[name].missing > 0

        n_rows = max((len(part) for counted in found.values() for part in counted.parts), default=0)
        numbers = dict(zip(continuous, parallel_map(numbers_of, continuous, n_rows), strict=True))
        coded = {name: levels(name) for name in categorical}
        fill_missing = FillMissing(
            {name: median for name, (median, *_) in numbers.items()}, tuple(n for n in continuous if numbers[n][-1])
        )
        means, stds = ({name: learned[i] for name, learned in numbers.items()} for i in (1, 2))
        flags: dict[str, list[int]] = {name: [0, 1] for name in fill_missing.flag_columns}
        if taken := flags.keys() & {*categorical, *continuous}:
            raise _flag_error(min(taken))
        learned = {name: values for name, (values, _) in coded.items()}
        with_missing = tuple(name for name, (_, missing) in coded.items() if missing)
        return cls(fill_missing, Categorify({**learned, **flags}, with_missing), Normalize(means, stds))

    @property
    def categorical(self) -> list[str]:
        """The categorical inputs in their order, the flags of missing values last."""
        return list(self.categorify.levels_)

    @property
    def continuous(self) -> list[str]:
        """The continuous inputs in their order."""
        return list(self.normalize.means_)

    def inputs(self, without: Sequence[str] = ()) -> tuple[list[str], list[str]]:
        """The categorical and the continuous inputs, except those `without` and their flags of missing values."""
        left = {*without, *(name + FLAG_SUFFIX for name in without if name in self.fill_missing.flagged_)}
        return [c for c in self.categorical if c not in left], [c for c in self.continuous if c not in left]

    def transform(self, table: Rows) -> Encoded:
        """A feature table → its inputs, encoded. No row's result depends on another row.

        Raises `DataError` where a column is missing or of a wrong kind.
        """
        return self.transform_parts(table, {"all": ALL})["all"]

    def transform_parts(self, table: Rows, parts: Mapping[str, Chosen]) -> dict[str, Encoded]:
        """As `transform`, for several parts of a table's rows: the name of a part → its encoded rows."""
        rows, fill = FactorizedTable.of(table), self.fill_missing
        flags = dict(zip(fill.flag_columns, fill.flagged_, strict=True))
        plain = [c for c in self.categorical if c not in flags]
        require_columns(rows, fill.medians_, "the table to fill")
        require_columns(rows, plain, "the table to categorify")
        chosen = _Parts.of(rows, [*plain, *self.continuous], parts.values())

        def numbers(name: str) -> tuple[list[NDArray[np.float32]], list[NDArray[np.bool_]] | None]:
            scaled, missing = self._scaled(rows, name)
            return chosen.spread(scaled, name), None if missing is None else chosen.spread(missing, name)

        made = dict(zip(self.continuous, parallel_map(numbers, self.continuous, len(rows)), strict=True))
        gaps = {name: missing for name, (_, missing) in made.items() if missing is not None}

        def codes(name: str) -> list[NDArray[np.int32]]:
            if name not in flags:
                return chosen.spread(self.categorify.codes(rows.stored[name].values, name), name)
            missing = gaps.get(flags[name]) or [np.zeros(n, dtype=bool) for n in chosen.lengths]
            return [self.categorify.codes(pd.Series(found), name) for found in missing]

        coded = dict(zip(self.categorical, parallel_map(codes, self.categorical, len(rows)), strict=True))
        return {
            part: self._encoded(
                {name: columns[i] for name, columns in coded.items()},
                {name: columns[i] for name, (columns, _) in made.items()},
                {name: missing[i] for name, missing in gaps.items()},
                rows.index[at],
            )
            for i, (part, at) in enumerate(parts.items())
        }

    def _scaled(self, rows: FactorizedTable, name: str) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """A column's stored values, filled and normalised, float32 (k,); and which were missing, bool (k,), if any."""
        column = rows.stored[name].values
        if rows.kind(name) == "int" and narrowed(column.to_numpy()):
            return self.normalize.looked_up(column.to_numpy(), name), None
        values, missing = self.fill_missing.filled(column, name)
        return self.normalize.scaled(values, name), missing if missing.any() else None

    def _encoded(
        self,
        codes: dict[str, NDArray[np.int32]],
        numbers: dict[str, NDArray[np.float32]],
        gaps: dict[str, NDArray[np.bool_]],
        index: pd.Index,
    ) -> Encoded:
        counts = {name: count_codes(found) for name, found in codes.items()}
        filled = {name: int(gaps[name].sum()) if name in gaps else 0 for name in numbers}
        n_filled = np.zeros(len(index), dtype="int16")
        for missing in gaps.values():
            n_filled += missing
        codes = {name: self.categorify.learned(found, name) for name, found in codes.items()}
        return Encoded(frame_of({**codes, **numbers}, index), counts, filled, n_filled)

    def to_state(self) -> PreprocessorState:
        return {
            "fill_missing": self.fill_missing.to_state(),
            "categorify": self.categorify.to_state(),
            "normalize": self.normalize.to_state(),
        }

    @classmethod
    def from_state(cls, state: PreprocessorState) -> "Preprocessor":
        return cls(
            FillMissing.from_state(state["fill_missing"]),
            Categorify.from_state(state["categorify"]),
            Normalize.from_state(state["normalize"]),
        )


# ------------------------------------------------------------------------------------- each step alone

STEPS: dict[str, type[Categorify] | type[FillMissing] | type[Normalize]] = {
    "categorify": Categorify,
    "fill-missing": FillMissing,
    "normalize": Normalize,
}


def step_state(step: str, fitted: Categorify | FillMissing | Normalize) -> dict[str, object]:
    """What the state file of a single step holds."""
    return {"format": "tabcli-stage", "format_version": 1, "stage": step, "state": fitted.to_state()}


def step_from_state(step: str, state: object, where: str) -> Categorify | FillMissing | Normalize:
    """The fitted step of a state that `step_state` made. Raises `BundleError` for another step's, or anything else."""
    if not isinstance(state, dict) or state.get("format") != "tabcli-stage" or state.get("format_version") != 1:
        raise BundleError(f"{where}: not the state of a step", hint=f"make one with `tabcli {step} --fit`")
    if state.get("stage") != step:
        raise BundleError(f"{where}: the state of {state.get('stage')}, not of {step}")
    return STEPS[step].from_state(state["state"])
