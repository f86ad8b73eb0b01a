"""Source files and DataFrames → tables of five kinds, after the config's steps."""

import datetime
import json
import re
import zipfile
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from pandas.api.types import union_categoricals

from tabcli.config.data import Extract, Table
from tabcli.errors import DataError, nearest
from tabcli.parallel import parallel_map
from tabcli.tables.delimited import TOTAL, read_delimited
from tabcli.tables.kinds import as_text, dense_field, is_text, kind_of, normalise, of_arrow, require_columns, to_kind
from tabcli.tables.levels import EXAMPLES, rows_text, set_missing
from tabcli.tables.moments import date_of_columns, numbers_error, to_dates
from tabcli.tables.parts import PARQUET_ENDINGS, TEXT_ENDINGS, Parts, check_part, is_text_file, parts_of
from tabcli.tables.pickles import read_pickle
from tabcli.tables.rows import condition_text, frame_of, matches, with_columns
from tabcli.tables.shapes import aggregated, melted
from tabcli.tables.texts import infer, numerals_of, to_amounts

TableSource = pd.DataFrame | Path | str

SHEET_ENDINGS = (".xlsx", ".xlsm")

SHOWN_ROWS = 20
"""The header of a sheet is among so many first rows."""


UNNAMED = "date"
"""What dates in an index without a name are called."""

# --------------------------------------------------------------------------------------------- reading


def _from_arrow(table: pa.Table, where: str) -> pd.DataFrame:
    """An Arrow table as a DataFrame; an index that pandas kept becomes columns at the front, as in `_flat`."""
    names = names_in(table.schema, where)
    return of_arrow(table.select([*names])).rename(columns=names)


def names_in(schema: pa.Schema, where: str) -> dict[str, str]:
    """The columns of an Arrow table in the order of ours → their names; an index without a name is left out."""
    kept = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    _refuse_levels(len(kept.get("column_indexes", [])), schema.names[:1], where)
    index = [c for c in kept.get("index_columns", []) if isinstance(c, str) and c in schema.names]
    unnamed = [c for c in index if re.fullmatch(r"__index_level_\d+__", c)]
    dates = [c for c in unnamed if pa.types.is_temporal(schema.field(c).type) and UNNAMED not in schema.names]
    named = [c for c in index if c not in unnamed or c in dates[:1]]
    return {c: UNNAMED if c in dates else c for c in [*named, *(c for c in schema.names if c not in index)]}


def _flat(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """A DataFrame whose index numbers its rows; named levels of the index become columns at the front, and so do dates
    without a name, as `date`.
    """
    _refuse_levels(frame.columns.nlevels, list(frame.columns[:1]), where)
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None and UNNAMED not in frame.columns:
        frame = frame.rename_axis(index=UNNAMED)
    named = [i for i, name in enumerate(frame.index.names) if name is not None and name not in frame.columns]
    levels = [pd.Series(frame.index.get_level_values(i), name=frame.index.names[i]) for i in named]
    return pd.concat([*levels, frame.reset_index(drop=True)], axis=1) if levels else frame.reset_index(drop=True)


def _refuse_levels(n_levels: int, example: Sequence[object], where: str) -> None:
    if n_levels > 1:
        raise DataError(
            f"{where}: the columns have {n_levels} levels, such as {', '.join(map(str, example))}",
            hint="flatten them: table.columns = ['_'.join(map(str, names)) for names in table.columns]",
        )


def _read_parts(folder: Path, spec: Table) -> pd.DataFrame:
    """The parts in a folder, one below the other; the name of the index says which row is of which part."""
    paths = parts_of(folder)
    if is_text_file(folder):
        tables = [read_delimited(path, spec) for path in paths]
        for path, part in zip(paths, tables, strict=True):
            check_part(path, [*part.columns], paths[0], [*tables[0].columns])
        columns = range(len(tables[0].columns))
        made = {i: union_categoricals([part.iloc[:, i] for part in tables]) for i in columns}
        whole = pd.DataFrame(made, copy=False).set_axis(tables[0].columns, axis=1)
        return named_rows(whole, Parts.of(paths, [len(part) for part in tables]))
    arrows = [_read_arrow(path, pyarrow.parquet.read_table) for path in paths]
    for path, arrow in zip(paths, arrows, strict=True):
        check_part(path, arrow.column_names, paths[0], arrows[0].column_names)
    dense = [arrow.cast(pa.schema([dense_field(f) for f in arrow.schema], arrow.schema.metadata)) for arrow in arrows]
    try:
        whole_arrow = pa.concat_tables(dense, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{folder}: its parts have columns of different types: {error}") from None
    whole_arrow = whole_arrow.replace_schema_metadata(dense[0].schema.metadata)
    return named_rows(_from_arrow(whole_arrow, str(folder)), Parts.of(paths, [len(a) for a in arrows]))


def named_rows(table: pd.DataFrame, parts: Hashable) -> pd.DataFrame:
    """The table with a name of its index, by which messages say of which part a row is."""
    return table.set_axis(table.index.rename(parts), axis=0)


def _read_arrow(path: Path, reader: Callable[[Path], pa.Table]) -> pa.Table:
    try:
        return reader(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        why = str(error).removeprefix(f"Could not open Parquet input source '{path}': ")  # the path is said already
        raise DataError(f"{path}: not a readable {path.suffix[1:]} file: {why}") from None


def _read_file(path: Path, spec: Table) -> pd.DataFrame:
    if path.is_dir():
        return _read_parts(path, spec)
    match path.suffix.lower():
        case ending if ending in TEXT_ENDINGS:
            return read_delimited(path, spec)
        case ".pkl" | ".pickle":
            return _flat(read_pickle(path), str(path))
        case ending if ending in PARQUET_ENDINGS:
            return _from_arrow(_read_arrow(path, pyarrow.parquet.read_table), str(path))
        case ".feather" | ".arrow":
            return _from_arrow(_read_arrow(path, pyarrow.feather.read_table), str(path))
        case ending if ending in SHEET_ENDINGS:
            return _read_sheet(path, spec)
        case other:
            raise DataError(
                f"{path}: cannot tell the format from the ending {other!r}",
                hint="use .csv, .tsv, .xlsx, .parquet, .feather or .pkl",
            )


@contextmanager
def _opened_book(path: Path) -> Iterator[pd.ExcelFile]:
    """A workbook, with its faults and those of reading its sheets as `DataError`."""
    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            yield book
    except ImportError:
        raise DataError(
            f"{path}: workbooks are read by openpyxl, which is not installed",
            hint="pip install 'tabcli[excel]', or save the sheet as .csv",
        ) from None
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable workbook: {error}") from None


def _sheet(path: Path, spec: Table, header: int | None) -> pd.DataFrame:
    """The cells of a sheet below its header, if it has one."""
    with _opened_book(path) as book:
        names = [str(n) for n in book.sheet_names]
        if spec.sheet is not None and spec.sheet not in names:
            raise DataError(f"{path}: no sheet {spec.sheet!r}", hint=f"there are: {', '.join(names)}")
        table: pd.DataFrame = pd.read_excel(
            book,
            sheet_name=spec.sheet or names[0],
            header=header,
            skiprows=spec.skip_rows,
            skipfooter=spec.skip_footer,
            keep_default_na=False,
            na_values=[""],
        )
    return table


def _read_sheet(path: Path, spec: Table) -> pd.DataFrame:
    """A sheet of a workbook; columns in which dates or numbers stand beside texts are texts."""
    table = _sheet(path, spec, header=0)
    table.columns = [str(c) for c in table.columns]
    for name in [c for c in table.columns if table[c].dtype == object]:
        kinds = {type(v) for v in table[name].dropna()}
        if kinds and all(issubclass(k, datetime.datetime) for k in kinds):
            table[name] = pd.to_datetime(table[name])
        elif not all(issubclass(k, int | float) for k in kinds):
            table[name] = table[name].astype("str").where(table[name].notna())
    return table


def sheet_names(path: Path) -> list[str]:
    """The names of a workbook's sheets. Raises `DataError`."""
    with _opened_book(path) as book:
        return [str(n) for n in book.sheet_names]


def junk_rows(path: Path, spec: Table) -> dict[str, int]:
    """How many rows of a sheet above the header and at its end do not belong to the table, as `junk_lines` of a text.

    Above it stand a title and remarks, with fewer filled cells than the header; at the end a total, or a remark in one
    cell. Raises `DataError`.
    """
    raw = _sheet(path, spec, header=None)
    filled = raw.notna().sum(axis=1).to_numpy()
    width = int(filled[:SHOWN_ROWS].max(initial=0))
    above = int(np.argmax(filled > max(1, width // 2))) if width > 1 else 0
    texts = raw.iloc[above + 1 :].astype("str")
    totals = texts.apply(lambda column: column.str.match(TOTAL)).any(axis=1).to_numpy()
    odd = (totals | (filled[above + 1 :] <= min(1, width - 1)))[::-1]
    below = int(np.argmin(odd)) if len(odd) and not odd.all() else 0
    return {k: n for k, n in (("skip_rows", above), ("skip_footer", below)) if n}


def find_file(directory: Path, name: str) -> Path:
    """The path of a table's file, or folder of parts. Raises `DataError` that names what lies there instead."""
    path = directory / name
    if path.is_file() or (path.is_dir() and name):
        return path
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory", hint="--data takes the directory that holds the tables")
    there = sorted(p.name for p in directory.iterdir() if p.is_file())
    same = [n for n in there if Path(n).stem == Path(name).stem]
    hint = f"{same[0]} is there: change the table's `file`" if same else f"there are: {', '.join(there) or 'no files'}"
    stems = {Path(n).stem: n for n in there}  # every name ends alike, so the ending must not count as similar
    similar = nearest(Path(name).stem, stems) if not same else None
    raise DataError(f"{path}: no such file{f'; did you mean {stems[similar]!r}?' if similar else ''}", hint=hint)


# --------------------------------------------------------------------------------------- one table


def _extract(table: pd.DataFrame, spec: Table, where: str) -> pd.DataFrame:
    for step in spec.extract:
        require_columns(table, [step.column], where)
        made = extracted(table[step.column], step, where)
        table = with_columns(table, {step.into: as_text(made)})[made.notna().to_numpy()]
    return table


def extracted(column: pd.Series, step: Extract, where: str) -> pd.Series:
    """The part of each value that a pattern matches, str; missing where it does not and need not.

    Raises `DataError` with the rows where it must.
    """
    source = as_text(column)
    found = pd.Series(source.cat.categories.astype("str")).str.extract(f"^(?:{step.pattern})$", expand=True)
    codes = source.cat.codes.to_numpy()
    texts = found[0].to_numpy(dtype=object)
    values = pd.Series([texts[c] if c >= 0 else None for c in codes], index=column.index, dtype="str")
    missed = values.isna().to_numpy()
    if missed.any() and step.no_match == "error":
        raise DataError(
            f"{where}: column {step.column!r}: {missed.sum()} rows do not match {step.pattern!r}: "
            f"{source[missed].iloc[0]!r} in {rows_text(np.flatnonzero(missed), column.index)}",
            hint="correct the pattern, or set `no_match: drop` to leave such rows out",
        )
    return values


def replaced(column: pd.Series, mapping: Mapping[str, str]) -> pd.Series:
    """A column as texts, some of them replaced by others."""
    text = as_text(column)
    return as_text(text.astype("str").replace(mapping).where(text.notna()))


def typed_texts(column: pd.Series, spec: Table, where: str, is_date: bool) -> pd.Series:
    """A column of a text file, typed as the spec says, or else by its values; a date stays a text for now."""
    if column.name in spec.dtypes or is_date:
        return typed(column, spec, where, is_date)
    return infer(column, spec)


def typed(column: pd.Series, spec: Table, where: str, is_date: bool) -> pd.Series:
    """A column that has a type already → one of the five kinds, and what the spec asks for."""
    column = normalise(column, where, spec.timezone)
    if is_text(column):
        column = set_missing(column, spec.missing)
    wanted = spec.dtypes.get(str(column.name))
    if wanted is None or is_date:
        return column
    if wanted == "amount":
        return to_amounts(as_text(column), where, numerals_of(spec)) if is_text(column) else column
    return to_kind(column, "text" if wanted == "str" else wanted, where, numerals_of(spec), exact=False)


def as_dates(column: pd.Series, spec: Table, where: str) -> pd.Series:
    """A typed column as dates. Raises `DataError` with the rows that hold none."""
    kind = kind_of(column)
    if kind == "date":
        return column
    if kind != "text" and (column.isna().all() or (kind in ("int", "float") and spec.date_format is not None)):
        column = as_text(column)
    if not is_text(column):
        raise numbers_error(column, where)
    return to_dates(column, spec, where)


def read_table(source: TableSource, spec: Table, *, name: str, dates: Iterable[str] = ()) -> pd.DataFrame:
    """A source → a normalised table, after the spec's steps; the columns named in `dates` are parsed as dates.

    Raises `DataError` for a file that is missing, empty, or not as the spec says.
    """
    if isinstance(source, pd.DataFrame):
        where, table = f"table {name}", _flat(source, f"table {name}")
    else:
        where, table = str(source), _read_file(Path(source), spec)
    columns, n_rows = [str(c) for c in table.columns], len(table)
    check_header(columns, len(table), spec, where)
    dated = {c for c in columns if spec.rename.get(c, c) in {*dates}}
    of_type = typed_texts if not isinstance(source, pd.DataFrame) and is_text_file(Path(source)) else typed
    made = parallel_map(
        lambda i: of_type(table.iloc[:, i], spec, where, columns[i] in dated), range(len(columns)), len(table)
    )
    table = frame_of(dict(zip(columns, made, strict=True)))
    if spec.melt is not None:
        table = melted(table, spec.melt, where)
    if spec.where:
        table = table[matches(table, spec.where, where)]
        if table.empty:
            raise no_row_left(spec, where)
    table = _extract(table, spec, where).rename(columns=spec.rename)
    for column, mapping in spec.replace.items():
        require_columns(table, [column], where)
        table = with_columns(table, {column: replaced(table[column], mapping)})
    table = _with_dates(table, spec, {*dates}, where)
    whole = len(table) == n_rows and spec.melt is None
    table = named_rows(table.reset_index(drop=True), table.index.name if whole else None)
    return table if spec.aggregate is None else aggregated(table, spec.aggregate, where)


def check_header(columns: Sequence[str], n_rows: int, spec: Table, where: str) -> None:
    """Raises `DataError` for columns of one name, a table without rows, and `dtypes` of columns that it lacks."""
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise DataError(
            f"{where}: the header has more than one column of the name {', '.join(twice[:EXAMPLES])}",
            hint="give each column a name of its own",
        )
    if not n_rows or not columns:
        raise DataError(f"{where}: the table has no rows", hint=f"its columns: {', '.join(columns) or 'none'}")
    require_columns(frame_of(dict.fromkeys(columns, np.empty(0))), spec.dtypes, where)


def no_row_left(spec: Table, where: str) -> DataError:
    """The error for a table none of whose rows meets `where`."""
    return DataError(f"{where}: no row is left after `where: {condition_text(spec.where)}`")


def date_texts(source: TableSource, spec: Table, column: str) -> pd.Series | None:
    """A column of dates as the source has it, category of str; None where it is made of others, or holds dates."""
    names = [old for old, new in spec.rename.items() if new == column] or [column]
    if spec.melt is not None or spec.aggregate is not None or column in spec.dates:
        return None
    table = _flat(source, "") if isinstance(source, pd.DataFrame) else _read_file(Path(source), spec)
    if names[0] not in table.columns:
        return None
    found = normalise(table[names[0]], "", spec.timezone)
    return as_text(found) if kind_of(found) in ("text", "int") else None


def _with_dates(table: pd.DataFrame, spec: Table, dates: set[str], where: str) -> pd.DataFrame:
    """The table with its dates parsed; `spec.dates` makes dates of several columns, which are then left out."""
    parts = {c for made in spec.dates.values() for c in made.columns}
    require_columns(table, parts, where)
    whole = {made.date for made in spec.dates.values()}
    table = with_columns(table, {c: as_dates(table[c], spec, where) for c in table.columns if c in dates | whole})
    made = {name: date_of_columns(table, columns, name, where) for name, columns in spec.dates.items()}
    return with_columns(table.drop(columns=list(parts)), made) if made else table
