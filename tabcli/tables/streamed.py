"""A stream of blocks → typed columns of all its rows, none of which is in memory.

    Every value is seen before a column is typed, but each different one only once: the code that types a column of a
    table in memory types the column of its different values here, and rows are codes of it on the disk.

So a column is of whole numbers only if it is in all rows, and a value that cannot be is refused with its row, in the
words of `tables.reading`, before anything else happens.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from tabcli.arrays import BoolArray, IntArray
from tabcli.config.data import DateColumns, Table
from tabcli.errors import DataError
from tabcli.tables.blocks import BLOCK, open_blocks
from tabcli.tables.coded import MOST_VALUES, CodedTable, Piece, width_of, write_coded
from tabcli.tables.kinds import Kind, as_text, kind_of, normalise, of_arrow, require_columns, to_kind
from tabcli.tables.moments import date_of_columns
from tabcli.tables.reading import (
    as_dates,
    check_header,
    extracted,
    names_in,
    no_row_left,
    replaced,
    typed,
    typed_texts,
)
from tabcli.tables.rows import frame_of, matches, take
from tabcli.tables.witnesses import Witnesses

Step = Callable[..., pd.Series]
"""Values (n,) and options → values (n,), each by itself, once what they are is settled by all of them."""


@dataclass(frozen=True)
class Done:
    """A step that was done to a wide column: its options, and which witnesses were left then, int64."""

    step: Step
    options: tuple[object, ...]
    witnesses: IntArray


@dataclass(frozen=True)
class StreamedColumn:
    """A column whose rows are on the disk. `sources`: the numbers of the coded columns that it is made of. `values`:
    of each code of its one source, (k,); or of each of `codes`, int64 (k,) sorted, the codes of several put together.

    `done`: of a wide column, whose `values` are those of its witnesses, what its values still have to go through.
    """

    sources: tuple[int, ...]
    values: pd.Series
    codes: IntArray | None = None
    done: tuple[Done, ...] = ()


@dataclass
class StreamedTable:
    """The columns of n rows in the file's order, after the steps of the config. `where`: what messages call it.

    `masks`: coded column → which of its values a row that is left may have, bool (k,).
    """

    coded: CodedTable
    where: str
    columns: dict[str, StreamedColumn]
    is_text: bool
    masks: dict[int, BoolArray] = field(default_factory=dict)
    _counts: list[IntArray] | None = None

    @property
    def n_rows(self) -> int:
        """How many rows are left."""
        return int(self.counts(0).sum())

    # ------------------------------------------------------------------------------------------- rows

    def rows(self) -> Iterator[Piece]:
        """The rows that are left, a piece at a time."""
        for piece in self.coded.read():
            if self.masks:
                kept = np.logical_and.reduce([mask[piece.codes[i]] for i, mask in self.masks.items()])
                yield piece.take(np.flatnonzero(kept))
            else:
                yield piece

    def counts(self, source: int) -> IntArray:
        """How many of the rows that are left have each value of a coded column, int64 (k,)."""
        if self._counts is None:
            sizes = [len(values) for values in self.coded.values]
            self._counts = [np.zeros(size, dtype="int64") for size in sizes]
            for piece in self.rows():
                for counts, size, codes in zip(self._counts, sizes, piece.codes, strict=True):
                    counts += np.bincount(codes, minlength=size)
        return self._counts[source]

    def keep(self, source: int, mask: BoolArray) -> None:
        """Leaves out the rows whose value of a coded column is not in the mask, bool (k,)."""
        self.masks[source] = self.masks[source] & mask if source in self.masks else mask
        self._counts = None

    def is_wide(self, name: str) -> bool:
        """Whether a column has so many different values that only its witnesses are in memory."""
        return any(i in self.coded.wide for i in self.columns[name].sources)

    def refuse_wide(self, name: str, what: str) -> None:
        """Raises `DataError` where something needs all different values of a column that has too many."""
        if self.is_wide(name):
            raise DataError(
                f"{self.where}: column {name!r} has too many different values, more than {MOST_VALUES:,} with those of "
                f"other columns, and {what} needs all of them",
                hint="set --shards 1 where the table fits into memory; else make the column before",
            )

    def values_of(self, name: str, piece: Piece) -> pd.Series:
        """A wide column in some rows, (n,), of the kind that it has in all rows."""
        column, (source,) = self.columns[name], self.columns[name].sources
        raw, witnesses = piece.wide[source], self.coded.values[source]
        made = values_of(pa.concat_arrays([raw, witnesses]), name, self.is_text)
        left = np.arange(len(witnesses))
        for done in column.done:
            beside = len(raw) + np.searchsorted(left, done.witnesses)
            made = done.step(made.iloc[np.concatenate([np.arange(len(raw)), beside])], *done.options)
            left = done.witnesses
        return made.iloc[: len(raw)]

    def texts_of(self, name: str, timezone: str | None) -> pd.Series | None:
        """The different texts of a column as the file has them, category of str; None where it holds none, or many."""
        column = self.columns[name]
        if column.codes is not None or self.is_wide(name):
            return None
        found = normalise(values_of(self.coded.values[column.sources[0]], name, self.is_text), self.where, timezone)
        return as_text(found) if kind_of(found) in ("text", "int") else None

    def largest(self, name: str) -> pd.Timestamp | float | str:
        """The largest value of a column in the rows that are left."""
        column = self.columns[name]
        if self.is_wide(name):
            found: pd.Timestamp | float | str
            found = max(self.values_of(name, piece).max() for piece in self.rows() if len(piece))
        elif column.codes is None:
            found = column.values[self.counts(column.sources[0]) > 0].max()
        else:
            found = column.values.max()
        return found

    # ---------------------------------------------------------------------------------------- columns

    def _whole(self, name: str) -> pd.Series:
        """A column of all rows that are left, in memory: for a message that says which of them are wrong."""
        column, n = self.columns[name], self.n_rows
        (source,) = column.sources
        codes = np.empty(n, dtype=width_of(len(column.values)))
        numbers = np.empty(n if self.masks else 0, dtype="int64")
        start = 0
        for piece in self.rows():
            at = slice(start, start + len(piece))
            codes[at] = piece.codes[source]
            if self.masks:
                numbers[at] = piece.numbers
            start += len(piece)
        index = pd.Index(numbers) if self.masks else pd.RangeIndex(n)
        return pd.Series(take(column.values, codes), index.rename(self.coded.parts), name=name)

    def _made(self, name: str, step: Step, *options: object) -> pd.Series:
        """What a step makes of a column's values, (k,). Raises `DataError` as it does for a column in memory."""
        column = self.columns[name]
        there = self.counts(column.sources[0]) > 0
        try:
            made = step(column.values[there].rename(name), *options)
        except DataError:
            step(self._whole(name), *options)
            raise
        return made.take(np.clip(np.cumsum(there) - 1, 0, None)).reset_index(drop=True)

    def require(self, names: Iterable[str]) -> None:
        """Raises `DataError` naming all columns that the table lacks."""
        require_columns(frame_of(dict.fromkeys(self.columns, np.empty(0))), names, self.where)

    def apply(self, name: str, step: Step, *options: object) -> None:
        """Changes a column by a step, which takes the options after the column."""
        column, made = self.columns[name], self._made(name, step, *options)
        done = column.done
        if self.is_wide(name):
            done = (*done, Done(step, options, np.flatnonzero(self.counts(column.sources[0]))))
        self.columns[name] = StreamedColumn(column.sources, made, done=done)

    def meet(self, spec: Table) -> None:
        """Leaves out the rows that do not meet the table's `where`."""
        self.require(spec.where)
        for name, wanted in spec.where.items():
            self.refuse_wide(name, "`where`")
            values = self.columns[name].values
            self.keep(self.columns[name].sources[0], matches(frame_of({name: values}), {name: wanted}, self.where))
        if spec.where and not self.n_rows:
            raise no_row_left(spec, self.where)

    def extract(self, spec: Table) -> None:
        """Makes columns of parts of texts."""
        for step in spec.extract:
            self.require([step.column])
            self.refuse_wide(step.column, "`extract`")
            made = self._made(step.column, extracted, step, self.where)
            source = self.columns[step.column].sources
            there = self.counts(source[0]) > 0
            self.columns[step.into] = StreamedColumn(source, as_text(made))
            if made[there].isna().any():
                self.keep(source[0], made.notna().to_numpy())

    def date(self, spec: Table, dates: Iterable[str]) -> None:
        """Parses the columns of dates, and makes dates of several columns, which are then left out."""
        parts = {c for made in spec.dates.values() for c in made.columns}
        self.require(parts)
        whole = {made.date for made in spec.dates.values()}
        for name in [c for c in self.columns if c in {*dates} | whole]:
            self.apply(name, as_dates, spec, self.where)
        made = {name: self._together(columns, name) for name, columns in spec.dates.items()}
        self.columns = {c: column for c, column in self.columns.items() if c not in parts} | made

    def _together(self, parts: DateColumns, name: str) -> StreamedColumn:
        """Dates made of several columns, by the different combinations of their values."""
        names = parts.columns
        for part in names:
            self.refuse_wide(part, "`dates`")
        columns = [self.columns[part] for part in names]
        sources = [column.sources[0] for column in columns]
        codes = np.unique(np.concatenate([np.unique(self.joint(sources, piece)) for piece in self.rows()]))

        def table(at: Sequence[IntArray]) -> pd.DataFrame:
            taken = [c.values.take(place).array for c, place in zip(columns, at, strict=True)]
            return frame_of(dict(zip(names, taken, strict=True)))

        try:
            made = date_of_columns(
                table(np.unravel_index(codes, [len(column.values) for column in columns])), parts, name, self.where
            )
        except DataError:
            pieces = [*self.rows()]
            whole = table([np.concatenate([piece.codes[i] for piece in pieces]) for i in sources])
            whole.index = pd.Index(np.concatenate([piece.numbers for piece in pieces]), name=self.coded.parts)
            date_of_columns(whole, parts, name, self.where)
            raise
        return StreamedColumn(tuple(sources), made.reset_index(drop=True), codes)

    def joint(self, sources: Sequence[int], piece: Piece) -> IntArray:
        """The codes of several columns as one number, int64 (n,)."""
        sizes = [len(self.coded.values[i]) for i in sources]
        return np.ravel_multi_index([piece.codes[i] for i in sources], sizes).astype("int64")

    def conform(self, kinds: Mapping[str, Kind]) -> None:
        """Casts columns to the kinds that they had before. Raises `DataError` with the rows where that cannot be."""
        for name in [c for c in self.columns if c in kinds]:
            self.apply(name, to_kind, kinds[name], self.where)


def stream_table(
    source: Path,
    spec: Table,
    folder: Path,
    *,
    dates: Iterable[str] = (),
    block: int = BLOCK,
    most_values: int = MOST_VALUES,
) -> StreamedTable:
    """A file, or a folder of parts, of any size as a table after the spec's steps, as `reading.read_table` gives it.

    `folder`: an empty one for its rows. `block`: bytes that are read at a time. `most_values`: different values that
    are kept in memory. Raises `DataError` as `read_table` does, and for steps that need all rows at once.
    """
    where = str(source)
    whole = [step for step in ("melt", "aggregate") if getattr(spec, step) is not None]
    if whole:
        raise DataError(
            f"{where}: `{whole[0]}` needs all rows at once, and this table is read in shards",
            hint="set --shards 1 where the table fits into memory; else make it long, one row for each series and date",
        )
    blocks = open_blocks(source, spec, folder, block=block)
    names = {c: c for c in blocks.schema.names} if blocks.is_text else names_in(blocks.schema, where)
    dated = {old for old, name in names.items() if spec.rename.get(name, name) in {*dates}}
    columns = blocks.schema.names

    def witnesses(number: int) -> Witnesses:
        return Witnesses(spec, columns[number] in dated)

    coded = write_coded(blocks, folder / "rows", witnesses, most_values)
    check_header(columns if blocks.is_text else [*names.values()], coded.n_rows, spec, where)
    table = StreamedTable(coded, where, {}, blocks.is_text)
    of_type = typed_texts if blocks.is_text else typed
    for old, name in names.items():
        number = columns.index(old)
        table.columns[name] = StreamedColumn((number,), values_of(coded.values[number], name, blocks.is_text))
        table.apply(name, of_type, spec, where, old in dated)
    table.meet(spec)
    table.extract(spec)
    table.columns = {spec.rename.get(c, c): column for c, column in table.columns.items()}
    table.require(spec.replace)
    for name, mapping in spec.replace.items():
        table.apply(name, replaced, mapping)
    table.date(spec, dates)
    return table


def values_of(values: pa.Array, name: str, is_text: bool) -> pd.Series:
    """Values as a column (k,) like the one that a file in memory has."""
    if is_text:
        return cast(pd.Series, values.dictionary_encode().to_pandas()).rename(name)
    return of_arrow(pa.table({name: values}))[name]
