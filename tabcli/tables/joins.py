"""Joins. What a lookup table adds is kept once per key, with the index of each row's key: a *factorized* table.

    rows    store  day  sales        at   kind  state            rows["state"]
            7      Mo   100          0    a     north     →      north
            9      Mo   200          1    b     south            south
            7      Tu   110          0                           north

A million rows of a thousand stores have a thousand kinds to encode, not a million. `rows[name]` gives the values of all
rows; code that reads `stored` instead saves the time and the memory.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray, ColumnValues, IntArray
from tabcli.config.data import Join
from tabcli.config.values import Duration
from tabcli.errors import ConfigError, DataError
from tabcli.tables.kinds import Kind, Kinds, is_text, kind_of, require_columns
from tabcli.tables.rows import (
    MOMENT_BITS,
    MOST_GROUPS,
    check_unique,
    distinct_rows,
    frame_of,
    moment_keys,
    seconds_of,
    take,
)
from tabcli.tables.texts import not_numeric_error

FEW_ROWS = 16  # looking for keys that repeat among fewer rows takes longer than it saves


class Column(NamedTuple):
    """`values` (k,), and each row's index into them, int64 (n,); None where `values` has one for each row already."""

    values: pd.Series
    codes: IntArray | None = None

    def of_rows(self, index: pd.Index) -> pd.Series:
        """The value of every row, (n,)."""
        if self.codes is None:
            return self.values
        values = self.values.array if is_text(self.values) else self.values.to_numpy()
        return pd.Series(values.take(self.codes), index=index, name=self.values.name, copy=False)


@dataclass(frozen=True)
class FactorizedTable:
    """Rows and what was joined to them. Columns that share the very same `codes` have the same keys.

    `factorized_`: what `factorize` found so far, for the next join on the same columns.
    """

    index: pd.Index
    stored: dict[str, Column]
    factorized_: dict[tuple[str, ...], tuple[pd.DataFrame, IntArray | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: "pd.DataFrame | FactorizedTable") -> "FactorizedTable":
        """A table that nothing was joined to yet; one that something was joined to as it is."""
        if isinstance(table, FactorizedTable):
            return table
        return cls(table.index, {str(name): Column(column) for name, column in table.items()})

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, name: str) -> pd.Series:
        """A column as a whole, (n,)."""
        return self.stored[name].of_rows(self.index)

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in their order."""
        return list(self.stored)

    def kind(self, name: str) -> Kind:
        """Which of the five kinds a column is; no value of a row is looked up for it."""
        return kind_of(self.stored[name].values)

    def frame(self, names: Iterable[str] | None = None) -> pd.DataFrame:
        """These columns, or all, as an ordinary table."""
        return frame_of({name: self[name] for name in (self.stored if names is None else names)}, self.index)

    def head(self, n: int) -> "FactorizedTable":
        """The first rows."""
        # One slice for the columns of the same keys, so that they still share their codes.
        codes = {id(c.codes): c.codes[:n] for c in self.stored.values() if c.codes is not None}
        stored = {
            name: Column(c.values.iloc[:n]) if c.codes is None else Column(c.values, codes[id(c.codes)])
            for name, c in self.stored.items()
        }
        return FactorizedTable(self.index[:n], stored)

    def factorize(self, names: Sequence[str]) -> tuple[pd.DataFrame, IntArray | None]:
        """The distinct key rows, and each row's index into them, int64 (n,). Keys may repeat.

        All rows, and None, where there are more than half as many keys as rows.
        """
        asked = tuple(names)
        if asked not in self.factorized_:
            self.factorized_[asked] = self._factorize(asked)
        return self.factorized_[asked]

    def _factorize(self, names: tuple[str, ...]) -> tuple[pd.DataFrame, IntArray | None]:
        columns = [self.stored[name] for name in names]
        at = columns[0].codes
        if at is not None and all(c.codes is at for c in columns):
            return frame_of({name: c.values for name, c in zip(names, columns, strict=True)}), at
        rows = self.frame(names)
        if len(rows) < FEW_ROWS:
            return rows, None
        numbers, first = distinct_rows(rows, names)
        if 2 * len(first) > len(rows):
            return rows, None
        return rows.iloc[first].reset_index(drop=True), numbers

    def with_columns(self, columns: Mapping[str, ColumnValues], at: IntArray | None = None) -> "FactorizedTable":
        """With new columns: arrays of the rows' values (n,), or with `at` of the keys' values (k,)."""
        index = self.index if at is None else None
        new = {
            name: Column(pd.Series(values, index=index, name=name, copy=False), at) for name, values in columns.items()
        }
        # A copy: what is found for the new columns holds for this table alone, not for others made from the same one.
        kept = {names: found for names, found in self.factorized_.items() if not new.keys() & {*names}}
        return FactorizedTable(self.index, {**self.stored, **new}, kept)


Rows = pd.DataFrame | FactorizedTable


def by_key(rows: Rows, names: Sequence[str], make: Callable[[pd.DataFrame], AnyArray]) -> AnyArray:
    """What `make` gives for the columns `names`, an array (n,): made once per key where there are fewer of them."""
    keys, at = FactorizedTable.of(rows).factorize(names)
    made = make(keys)
    return made if at is None else made[at]


def _seconds_before(dates: pd.Series, duration: Duration) -> IntArray:
    """The moments that lie a duration before the dates, in seconds since 1970, int64 (n,); months by the calendar."""
    if duration.unit == "mo":
        return seconds_of(dates - pd.DateOffset(months=duration.count))
    return seconds_of(dates) - duration.seconds


@dataclass(frozen=True)
class LookupTable:
    """A lookup table: checked, and ready to be joined.

    `levels`: the different values of each key column. `known`: for each key column the combinations with the columns
    before it that the table has, where all possible ones would overflow; else None. `keys`: one number for the key of
    each of `rows`, which are the table's rows with a whole key; with an as-of date they are sorted by it.
    """

    table: pd.DataFrame
    join: Join
    levels: tuple[pd.Index, ...]
    known: tuple[pd.Index | None, ...]
    keys: pd.Index
    rows: IntArray

    @classmethod
    def of(cls, table: pd.DataFrame, join: Join) -> "LookupTable":
        """Raises `DataError` where a key column is missing or a key names more than one row."""
        where = f"table {join.table}"
        key = [*join.on, *([join.as_of] if join.as_of else [])]
        require_columns(table, key, where)
        check_unique(table, key, where)
        codes, levels, known, n_codes = np.zeros(len(table), dtype="int64"), [], [], 1
        for name in join.on:
            column = table[name]
            if is_text(column):
                own, level = column.cat.codes.to_numpy(), column.cat.categories
            else:
                own, unique = pd.factorize(column.to_numpy())
                level = pd.Index(unique)
            codes, n_codes = _combined(codes, own, len(level)), n_codes * len(level)
            combinations = None
            if n_codes > MOST_GROUPS:
                combinations = pd.Index(np.unique(codes[codes >= 0]))
                codes, n_codes = combinations.get_indexer(pd.Index(codes)), len(combinations)
            levels.append(level)
            known.append(combinations)
        dated = table[join.as_of].notna().to_numpy() if join.as_of else True
        rows = np.flatnonzero((codes >= 0) & dated)
        keys = codes[rows]
        if join.as_of is not None:
            keys = moment_keys(keys, seconds_of(table[join.as_of])[rows])
            order = np.argsort(keys, kind="stable")
            keys, rows = keys[order], rows[order]
        return cls(table, join, tuple(levels), tuple(known), pd.Index(keys), rows)

    @cached_property
    def kinds(self) -> Kinds:
        """The kind of each column of the table."""
        return Kinds.of(self.table)

    def find(self, rows: pd.DataFrame, date: str) -> IntArray:
        """The row of the table that belongs to each of `rows`, int64 (n,), −1 where none does.

        As of a date: the last one of the keys whose date, plus the lag, is not after the row's. Raises `DataError`
        where a key is of another kind than the table's.
        """
        codes = np.zeros(len(rows), dtype="int64")
        for name, level, combinations in zip(self.join.on, self.levels, self.known, strict=True):
            codes = _combined(codes, self._codes(rows[name], level), len(level))
            codes = codes if combinations is None else combinations.get_indexer(pd.Index(codes))
        if self.join.as_of is None:
            found = self.keys.get_indexer(pd.Index(codes))
        else:
            wanted = moment_keys(codes, _seconds_before(rows[date], self.join.lag))
            keys = self.keys.to_numpy()
            found = np.searchsorted(keys, wanted, side="right") - 1
            found[np.append(keys >> MOMENT_BITS, -1)[found] != codes] = -1
        found = np.append(self.rows, -1)[np.where(codes < 0, -1, found)]
        if self.join.max_age is not None and self.join.as_of is not None:
            oldest = _seconds_before(rows[date], self.join.max_age)
            found[seconds_of(self.table[self.join.as_of])[found] < oldest] = -1
        return found

    def _codes(self, column: pd.Series, level: pd.Index) -> IntArray:
        """The index of each value among the levels, −1 for other values."""
        own = self.table[str(column.name)]
        kinds = kind_of(column), self.kinds[str(column.name)]
        if kinds[0] != kinds[1] and ("text" in kinds or "date" in kinds):
            where = f"table {self.join.table}"
            mixed = kinds[1] == "text" and kinds[0] != "date" and _some_are_numbers(own)
            why = f"\n  {not_numeric_error(own, where).message}" if mixed else ""
            raise DataError(
                f"{where}: the key {column.name!r} is {kinds[0]} in the rows but {kinds[1]} in the joined table{why}",
                hint=f"{'correct the values; or ' if mixed else ''}read both as text: "
                f"`dtypes: {{{column.name}: str}}`; or, if leading zeros do not matter, "
                f"both as numbers: `dtypes: {{{column.name}: int}}`",
            )
        if kinds[0] == "text":
            return np.append(level.get_indexer(column.cat.categories), -1)[column.cat.codes.to_numpy()]
        return level.get_indexer(pd.Index(column.to_numpy()))


def _some_are_numbers(column: pd.Series) -> bool:
    """Whether some of the texts of a column are numbers and others are not."""
    texts = column.dropna().cat.categories.astype("str").to_series()
    return 0 < int(pd.to_numeric(texts, errors="coerce").isna().sum()) < len(texts)


def _combined(codes: IntArray, own: AnyArray, n: int) -> IntArray:
    """Codes of several columns with one more, which has `n` levels; −1 where any is."""
    return np.where((own < 0) | (codes < 0), -1, codes * n + own)


def join_table(
    rows: Rows, lookup: LookupTable, *, date: str, columns: Iterable[str] | None = None
) -> tuple[FactorizedTable, int]:
    """`rows` with the columns of the lookup table (or those in `columns`), and how many rows found no match.

    Raises `DataError` where the rows lack a key.
    """
    rows, join = FactorizedTable.of(rows), lookup.join
    where = f"table {join.table}"
    require_columns(rows, join.on, f"join of {where}: the rows")
    keys, at = rows.factorize([*join.on, *([date] if join.as_of else [])])
    found = lookup.find(keys, date)
    wanted = [c for c in lookup.table.columns if c not in (*join.on, join.as_of) and (columns is None or c in columns)]
    clash = [c for c in wanted if c in rows.stored]
    if clash:
        raise ConfigError(
            f"join of {where}: the rows have columns of these names already: {', '.join(clash)}",
            hint=f"rename one: `rename: {{{clash[0]}: another_name}}` for table {join.table}",
        )
    unmatched = found < 0
    n_unmatched = int((unmatched if at is None or not unmatched.any() else unmatched[at]).sum())
    return rows.with_columns({c: take(lookup.table[c], found) for c in wanted}, at), n_unmatched
