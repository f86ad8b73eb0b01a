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
from tabcli.tables.blocks import open_blocks
from tabcli.tables.coded import CodedTable, Records, write_coded
from tabcli.tables.kinds import Kind, as_text, of_arrow, require_columns, to_kind
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
from tabcli.tables.rows import frame_of, matches

Step = Callable[..., pd.Series]
"""Values (n,) and options → values (n,), each by itself, once what they are is settled by all of them."""


@dataclass(frozen=True)
class StreamedColumn:
    """A column whose rows are on the disk. `sources`: the numbers of the coded columns that it is made of. `values`:
    of each code of its one source, (k,); or of each of `codes`, int64 (k,) sorted, the codes of several put together.
    """

    sources: tuple[int, ...]
    values: pd.Series
    codes: IntArray | None = None


@dataclass
class StreamedTable:
    """The columns of n rows in the file's order, after the steps of the config. `where`: what messages call it.

    `masks`: coded column → which of its values a row that is left may have, bool (k,).
    """

    coded: CodedTable
    where: str
    columns: dict[str, StreamedColumn]
    masks: dict[int, BoolArray] = field(default_factory=dict)
    _counts: list[IntArray] | None = None

    @property
    def n_rows(self) -> int:
        """How many rows are left."""
        return int(self.counts(0).sum())

    # ------------------------------------------------------------------------------------------- rows

    def rows(self) -> Iterator[tuple[IntArray, Records]]:
        """The numbers in the file of the rows that are left, int64 (n,), and these rows' codes, a piece at a time."""
        for start, records in self.coded.read():
            if not self.masks:
                yield np.arange(start, start + len(records)), records
                continue
            kept = np.flatnonzero(np.logical_and.reduce([mask[records[f"{i}"]] for i, mask in self.masks.items()]))
            yield kept + start, records[kept]

    def counts(self, source: int) -> IntArray:
        """How many of the rows that are left have each value of a coded column, int64 (k,)."""
        if self._counts is None:
            sizes = [len(values) for values in self.coded.values]
            self._counts = [np.zeros(size, dtype="int64") for size in sizes]
            for _, records in self.rows():
                for i, (counts, size) in enumerate(zip(self._counts, sizes, strict=True)):
                    counts += np.bincount(records[f"{i}"], minlength=size)
        return self._counts[source]

    def keep(self, source: int, mask: BoolArray) -> None:
        """Leaves out the rows whose value of a coded column is not in the mask, bool (k,)."""
        self.masks[source] = self.masks[source] & mask if source in self.masks else mask
        self._counts = None

    # ---------------------------------------------------------------------------------------- columns

    def _whole(self, name: str) -> pd.Series:
        """A column of all rows that are left, in memory: for a message that says which of them are wrong."""
        column = self.columns[name]
        codes = np.concatenate([records[f"{column.sources[0]}"] for _, records in self.rows()])
        numbers = np.concatenate([numbers for numbers, _ in self.rows()]) if self.masks else None
        whole = column.values.take(codes).set_axis(pd.RangeIndex(len(codes)) if numbers is None else numbers)
        return whole.rename(name)

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
        self.columns[name] = StreamedColumn(self.columns[name].sources, self._made(name, step, *options))

    def meet(self, spec: Table) -> None:
        """Leaves out the rows that do not meet the table's `where`."""
        self.require(spec.where)
        for name, wanted in spec.where.items():
            values = self.columns[name].values
            self.keep(self.columns[name].sources[0], matches(frame_of({name: values}), {name: wanted}, self.where))
        if spec.where and not self.n_rows:
            raise no_row_left(spec, self.where)

    def extract(self, spec: Table) -> None:
        """Makes columns of parts of texts."""
        for step in spec.extract:
            self.require([step.column])
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
        columns = [self.columns[name] for name in names]
        sources = tuple(column.sources[0] for column in columns)
        codes = np.unique(np.concatenate([np.unique(self.joint(sources, records)) for _, records in self.rows()]))
        places = np.unravel_index(codes, [len(column.values) for column in columns])

        def table(at: Sequence[IntArray]) -> pd.DataFrame:
            taken = [c.values.take(place).array for c, place in zip(columns, at, strict=True)]
            return frame_of(dict(zip(names, taken, strict=True)))

        try:
            made = date_of_columns(table(places), parts, name, self.where)
        except DataError:
            rows = [(numbers, [records[f"{i}"] for i in sources]) for numbers, records in self.rows()]
            index = np.concatenate([numbers for numbers, _ in rows])
            whole = table([np.concatenate([r[i] for _, r in rows]) for i in range(len(sources))])
            date_of_columns(whole.set_axis(index), parts, name, self.where)
            raise
        return StreamedColumn(sources, made.reset_index(drop=True), codes)

    def joint(self, sources: Sequence[int], records: Records) -> IntArray:
        """The codes of several columns as one number, int64 (n,)."""
        sizes = [len(self.coded.values[i]) for i in sources]
        return np.ravel_multi_index([records[f"{i}"] for i in sources], sizes).astype("int64")

    def conform(self, kinds: Mapping[str, Kind]) -> None:
        """Casts columns to the kinds that they had before. Raises `DataError` with the rows where that cannot be."""
        for name in [c for c in self.columns if c in kinds]:
            self.apply(name, to_kind, kinds[name], self.where)


def stream_table(
    source: Path, spec: Table, folder: Path, *, dates: Iterable[str] = (), block: int | None = None
) -> StreamedTable:
    """A file, or a folder of parts, of any size as a table after the spec's steps, as `reading.read_table` gives it.

    `folder`: an empty one for its rows. Raises `DataError` as that does, and for steps that need all rows at once.
    """
    where = str(source)
    whole = [step for step in ("melt", "aggregate") if getattr(spec, step) is not None]
    if whole:
        raise DataError(
            f"{where}: `{whole[0]}` needs all rows at once, and this table is read in shards",
            hint="set --shards 1 where the table fits into memory; else make it long, one row for each series and date",
        )
    blocks = open_blocks(source, spec, folder) if block is None else open_blocks(source, spec, folder, block=block)
    names = {c: c for c in blocks.schema.names} if blocks.is_text else names_in(blocks.schema, where)
    coded = write_coded(blocks, folder / "rows")
    check_header(list(names.values()) if len(names) == len(coded.names) else coded.names, coded.n_rows, spec, where)
    table = StreamedTable(coded, where, {})
    dated = {c for c in names.values() if spec.rename.get(c, c) in {*dates}}
    of_type = typed_texts if blocks.is_text else typed
    for old, name in names.items():
        number = coded.names.index(old)
        values = _values(coded.values[number], name, blocks.is_text)
        table.columns[name] = StreamedColumn((number,), values)
        table.apply(name, of_type, spec, where, name in dated)
    table.meet(spec)
    table.extract(spec)
    table.columns = {spec.rename.get(c, c): column for c, column in table.columns.items()}
    table.require(spec.replace)
    for name, mapping in spec.replace.items():
        table.apply(name, replaced, mapping)
    table.date(spec, dates)
    return table


def _values(values: pa.Array, name: str, is_text: bool) -> pd.Series:
    """Different values as a column (k,) like the one that a file in memory has."""
    if is_text:
        values = pa.DictionaryArray.from_arrays(pa.array(np.arange(len(values), dtype="int32")), values)
        return cast(pd.Series, values.to_pandas()).rename(name)
    return of_arrow(pa.table({name: values}))[name]
