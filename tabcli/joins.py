"""Joins. What a side table adds is kept once per key, with the place of each row: a *factorized* table.

    rows    store  day  sales        at   kind  state            rows["state"]
            7      Mo   100          0    a     north     →      north
            9      Mo   200          1    b     south            south
            7      Tu   110          0                           north

A million rows of a thousand stores have a thousand kinds to encode, not a million. Whoever asks for a column as a whole
gets it laid out; whoever can do with `stored` saves the time and the memory.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tabcli.config import Duration, Join
from tabcli.errors import ConfigError, DataError
from tabcli.tables import (
    IntArray,
    check_unique,
    distinct_rows,
    frame_of,
    kind_of,
    require_columns,
    seconds_of,
    take,
)


class Column(NamedTuple):
    """`values` (k,), and for each row the place of its own, int64 (n,); None where the values are the rows'."""

    values: "pd.Series[Any]"
    places: IntArray | None = None

    def laid_out(self, index: "pd.Index[Any]") -> "pd.Series[Any]":
        """The value of every row, (n,)."""
        if self.places is None:
            return self.values
        values: Any = self.values.array if kind_of(self.values) == "text" else self.values.to_numpy()
        return pd.Series(values.take(self.places), index=index, name=self.values.name, copy=False)


@dataclass(frozen=True)
class Joined:
    """Rows and what was joined to them. Columns that share the very same `at` have the same keys.

    `keyed_`: what `keyed` found so far, for the next join on the same columns.
    """

    index: "pd.Index[Any]"
    stored: dict[str, Column]
    keyed_: dict[tuple[str, ...], tuple[pd.DataFrame, IntArray | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: "pd.DataFrame | Joined") -> "Joined":
        """A table nothing was joined to yet."""
        if isinstance(table, Joined):
            return table
        return cls(table.index, {str(name): Column(column) for name, column in table.items()})

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, name: str) -> "pd.Series[Any]":
        """A column as a whole, (n,)."""
        return self.stored[name].laid_out(self.index)

    @property
    def columns(self) -> list[str]:
        return list(self.stored)

    def frame(self, names: Iterable[str] | None = None) -> pd.DataFrame:
        """These columns, or all, as an ordinary table."""
        return frame_of({name: self[name] for name in (self.stored if names is None else names)}, self.index)

    def head(self, n: int) -> "Joined":
        """The first rows."""
        places = {
            id(c.places): c.places[:n] for c in self.stored.values() if c.places is not None
        }  # one slice for the same keys
        stored = {
            name: Column(c.values.iloc[:n]) if c.places is None else Column(c.values, places[id(c.places)])
            for name, c in self.stored.items()
        }
        return Joined(self.index[:n], stored)

    def keyed(self, names: Sequence[str]) -> tuple[pd.DataFrame, IntArray | None]:
        """The columns with fewer rows than there are, if that is possible, and for each row its place in them."""
        asked = tuple(names)
        if asked not in self.keyed_:
            self.keyed_[asked] = self._keyed(asked)
        return self.keyed_[asked]

    def _keyed(self, names: tuple[str, ...]) -> tuple[pd.DataFrame, IntArray | None]:
        columns = [self.stored[name] for name in names]
        at = columns[0].places
        if at is not None and all(c.places is at for c in columns):
            return frame_of({name: c.values for name, c in zip(names, columns, strict=True)}), at
        rows = self.frame(names)
        numbers, first = distinct_rows(rows, names)
        if 2 * len(first) > len(rows):
            return rows, None
        return rows.iloc[first].reset_index(drop=True), numbers

    def with_columns(self, columns: Mapping[str, Any], at: IntArray | None = None) -> "Joined":
        """With new columns: arrays of the rows' values (n,), or with `at` of the keys' values (k,)."""
        index = self.index if at is None else None
        new = {
            name: Column(pd.Series(values, index=index, name=name, copy=False), at) for name, values in columns.items()
        }
        return Joined(self.index, {**self.stored, **new}, self.keyed_)


Rows = pd.DataFrame | Joined


def by_key(rows: Rows, names: Sequence[str], make: Callable[[pd.DataFrame], Any]) -> Any:
    """What `make` gives for the columns `names`, an array (n,): made once per key where there are fewer of them."""
    keys, at = Joined.of(rows).keyed(names)
    made = make(keys)
    return made if at is None else made[at]


def _shared_codes(left: "pd.Series[Any]", right: "pd.Series[Any]", where: str) -> tuple[IntArray, IntArray, int]:
    """Codes that are equal where two key columns are, and their number; -1 for missing, in `left` also for no match."""
    kinds = kind_of(left), kind_of(right)
    if kinds[0] != kinds[1] and ("text" in kinds or "date" in kinds):
        raise DataError(
            f"{where}: the key {left.name!r} is {kinds[0]} in the rows but {kinds[1]} in the joined table",
            hint=f"read both as text: `dtypes: {{{left.name}: str}}`; or, if leading zeros do not matter, "
            f"both as numbers: `dtypes: {{{left.name}: int}}`",
        )
    if kinds == ("text", "text"):
        to_right = right.cat.categories.get_indexer(left.cat.categories)
        codes = left.cat.codes.to_numpy()
        left_codes = np.append(to_right, -1)[codes]
        return left_codes.astype("int64"), right.cat.codes.to_numpy().astype("int64"), len(right.cat.categories)
    right_codes, uniques = pd.factorize(right.to_numpy())
    left_codes = pd.Index(uniques).get_indexer(pd.Index(left.to_numpy()))
    return left_codes.astype("int64"), right_codes.astype("int64"), len(uniques)


def _combined_codes(
    left: pd.DataFrame, right: pd.DataFrame, on: Sequence[str], where: str
) -> tuple[IntArray, IntArray]:
    """One code per row over several key columns; -1 where any part is."""
    left_all, right_all = np.zeros(len(left), dtype="int64"), np.zeros(len(right), dtype="int64")
    for column in on:
        left_codes, right_codes, n_codes = _shared_codes(left[column], right[column], where)
        left_all = np.where((left_codes < 0) | (left_all < 0), -1, left_all * n_codes + left_codes)
        right_all = np.where((right_codes < 0) | (right_all < 0), -1, right_all * n_codes + right_codes)
    return left_all, right_all


def _seconds_before(dates: "pd.Series[Any]", duration: Duration) -> IntArray:
    """The moments that lie a duration before the dates, in seconds since 1970, int64 (n,); months by the calendar."""
    if duration.unit == "mo":
        return seconds_of(dates - pd.DateOffset(months=duration.count))
    return seconds_of(dates) - duration.seconds


def _as_of_positions(rows: pd.DataFrame, side: pd.DataFrame, join: Join, date: str, where: str) -> IntArray:
    """Per row the last side row of its group whose date, plus the lag, is not after the row's."""
    assert join.as_of is not None
    groups, side_groups = _combined_codes(rows, side, join.on, where)
    side_keys = (side_groups << 36) + seconds_of(side[join.as_of]) + (1 << 35)
    order = np.argsort(side_keys, kind="stable")
    wanted = (groups << 36) + _seconds_before(rows[date], join.lag) + (1 << 35)
    found = np.searchsorted(side_keys[order], wanted, side="right") - 1
    positions = order[np.maximum(found, 0)]
    ok = (found >= 0) & (groups >= 0) & (side_groups[positions] == groups)
    if join.max_age is not None:
        ok &= seconds_of(side[join.as_of])[positions] >= _seconds_before(rows[date], join.max_age)
    return np.where(ok, positions, -1)


def join_table(
    rows: Rows, side: pd.DataFrame, join: Join, *, date: str, columns: Iterable[str] | None = None
) -> tuple[Joined, int]:
    """`rows` with the side table's columns (or those of them in `columns`), and how many rows found no match.

    Raises `DataError` where a key is missing from a table or names more than one side row.
    """
    rows = Joined.of(rows)
    where = f"table {join.table}"
    require_columns(rows, join.on, f"join of {where}: the rows")
    key = [*join.on, *([join.as_of] if join.as_of else [])]
    require_columns(side, key, where)
    check_unique(side, key, where)
    keys, at = rows.keyed([*join.on, *([date] if join.as_of else [])])
    if join.as_of is not None:
        found = _as_of_positions(keys, side, join, date, where)
    else:
        codes, side_codes = _combined_codes(keys, side, join.on, where)
        found = pd.Index(side_codes).get_indexer(pd.Index(codes)).astype("int64")
        found[codes < 0] = -1
    wanted = [c for c in side.columns if c not in key and (columns is None or c in columns)]
    clash = [c for c in wanted if c in rows.stored]
    if clash:
        raise ConfigError(
            f"join of {where}: the column{'s' if len(clash) > 1 else ''} {', '.join(clash)} stand in the rows already",
            hint=f"rename one: `rename: {{{clash[0]}: another_name}}` for table {join.table}",
        )
    unmatched = found < 0
    n_unmatched = int((unmatched if at is None or not unmatched.any() else unmatched[at]).sum())
    return rows.with_columns({c: take(side[c], found) for c in wanted}, at), n_unmatched
