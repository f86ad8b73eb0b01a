"""Reads and checks source tables.

Within tabcli a table is a `pandas.DataFrame` with columns of five kinds only, so that every later step has few
cases: *int* (int64), *float* (float64), *bool*, *date* (datetime64[us]) and *text* (category of str, so that
joins and encoders work on codes). A missing value is NaN, NaT or code -1; an int column with one is float.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from numpy.typing import NDArray
from pandas.api.types import is_object_dtype, union_categoricals

from tabcli.config import Condition, Config, Not, Scalar, Table, did_you_mean, nearest
from tabcli.delimited import read_delimited
from tabcli.errors import ConfigError, DataError
from tabcli.pickles import read_pickle
from tabcli.texts import (
    EXAMPLES,
    PLAIN,
    Numerals,
    infer,
    local_time,
    numerals_of,
    rows_text,
    to_dates,
    to_numbers,
    without,
)

Kind = Literal["int", "float", "bool", "date", "text"]
TableSource = pd.DataFrame | Path | str
DataSource = Path | str | Mapping[str, TableSource]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
T = TypeVar("T")
Made = TypeVar("Made")

TEXT_ENDINGS = (".csv", ".tsv", ".txt")
MISSING_TEXTS = [""]
"""A text of these is missing. Words such as "NA" are texts like any other: they may be a country."""


# --------------------------------------------------------------------------------------------- reading


def _from_arrow(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(date_as_object=False, integer_object_nulls=False)
    return frame


def _read_file(path: Path, spec: Table) -> pd.DataFrame:
    match path.suffix.lower():
        case ending if ending in TEXT_ENDINGS:
            return read_delimited(path, spec)
        case ".pkl" | ".pickle":
            return read_pickle(path)
        case ".parquet" | ".pq":
            reader: Any = pyarrow.parquet.read_table
        case ".feather" | ".arrow":
            reader = pyarrow.feather.read_table
        case other:
            raise DataError(
                f"{path}: cannot tell the format from the ending {other!r}",
                hint="use .csv, .tsv, .parquet, .feather or .pkl",
            )
    try:
        return _from_arrow(reader(path))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(f"{path}: not a readable {path.suffix[1:]} file: {error}") from None


def find_file(directory: Path, name: str) -> Path:
    """The path of a table's file. Raises `DataError` that names what lies there instead."""
    path = directory / name
    if path.is_file():
        return path
    if not directory.is_dir():
        raise DataError(f"{directory}: no such directory", hint="--data takes the directory that holds the tables")
    there = sorted(p.name for p in directory.iterdir() if p.is_file())
    same = [n for n in there if Path(n).stem == Path(name).stem]
    hint = f"{same[0]} is there: change the table's `file`" if same else f"there are: {', '.join(there) or 'no files'}"
    stems = {Path(n).stem: n for n in there}  # every name ends alike, so the ending must not count as similar
    similar = nearest(Path(name).stem, stems) if not same else None
    raise DataError(f"{path}: no such file{f'; did you mean {stems[similar]!r}?' if similar else ''}", hint=hint)


def frame_of(columns: Mapping[str, Any], index: "pd.Index[Any] | None" = None) -> pd.DataFrame:
    """A table that holds the columns as they lie: pandas would copy them into one block for each dtype."""
    return pd.DataFrame(dict(columns), index=index, copy=False)


FEW = 20_000


def each(make: Callable[[T], Made], items: Iterable[T], n_rows: int = FEW) -> list[Made]:
    """`make` of each item, in their order, in as many threads as there are cores: numpy and Arrow let others run.

    For few rows a thread would cost more than it saves.
    """
    if n_rows < FEW:
        return [make(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(make, items))


# ---------------------------------------------------------------------------------------------- kinds


def kind_of(column: "pd.Series[Any]") -> Kind:
    """Which of the five kinds a normalised column is."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "text"
    match column.dtype.kind:
        case "b":
            return "bool"
        case "i":
            return "int"
        case "f":
            return "float"
        case "M":
            return "date"
    raise TypeError(f"column {column.name!r} of dtype {column.dtype} was not normalised")


def _as_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Any column → category of str. Whole floats become "1", as they were before a missing value made them floats."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        texts = [str(c) for c in values.cat.categories]
        if len(set(texts)) == len(texts):
            column = values.cat.rename_categories(texts)
        else:
            column = values.map(dict(zip(values.cat.categories, texts, strict=True))).astype("category")
    else:
        if values.dtype.kind == "f":
            whole = values.dropna()
            if (whole == whole.round()).all():
                values = values.astype("Int64")
        column = values.astype("str").where(values.notna()).astype("category")
    column = column.cat.remove_unused_categories()
    missing = [t for t in MISSING_TEXTS if t in column.cat.categories]
    return column.cat.remove_categories(missing) if missing else column


def _normalise(values: "pd.Series[Any]", where: str, timezone: str | None = None) -> "pd.Series[Any]":
    """A column of any dtype as one of the five kinds. Raises `DataError` for what is none of them."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if isinstance(dtype.categories.dtype, np.dtype) and dtype.categories.dtype.kind in "iufM":
            return _normalise(values.astype(dtype.categories.dtype if values.notna().all() else "float64"), where)
        return _as_text(values)
    if isinstance(dtype, pd.DatetimeTZDtype):
        if timezone is None:
            raise DataError(
                f"{where}: column {values.name!r} has the time zone {dtype.tz}: {values.iloc[0]} in row 1",
                hint="the days of a forecast are local days: set the table's `timezone`, such as Europe/Berlin",
            )
        return local_time(values, timezone)
    kind = dtype.kind
    if kind in "iu":
        return values.astype("float64" if values.isna().any() else "int64")
    if kind == "f":
        return values.astype("float64")
    if kind == "b":
        return values.astype("float64" if values.isna().any() else "bool")
    if kind == "M":
        return values.astype("datetime64[us]")
    if is_object_dtype(dtype) and len(values) and values.isna().all():
        return values.astype("float64")
    if kind in "OUT" or isinstance(dtype, pd.StringDtype):
        sample = values.dropna()
        if is_object_dtype(dtype) and len(sample) and sample.map(lambda v: isinstance(v, int | float)).all():
            return _normalise(pd.to_numeric(values), where)
        if is_object_dtype(dtype) and len(sample) and not sample.map(lambda v: isinstance(v, str | int | float)).all():
            raise DataError(f"{where}: column {values.name!r} holds {type(sample.iloc[0]).__name__} objects")
        return _as_text(values)
    raise DataError(f"{where}: column {values.name!r} has the type {dtype}, which is not a number, date or text")


# --------------------------------------------------------------------------------------- one table


def _extract(table: pd.DataFrame, spec: Table, where: str) -> pd.DataFrame:
    for step in spec.extract:
        require_columns(table, [step.column], where)
        source = _as_text(table[step.column])
        found = pd.Series(source.cat.categories.astype("str")).str.extract(f"^(?:{step.pattern})$", expand=True)
        codes = source.cat.codes.to_numpy()
        texts = found[0].to_numpy(dtype=object)
        values = pd.Series([texts[c] if c >= 0 else None for c in codes], index=table.index, dtype="str")
        missed = values.isna().to_numpy()
        if missed.any() and step.no_match == "error":
            raise DataError(
                f"{where}: column {step.column!r}: {missed.sum()} rows do not match {step.pattern!r}: "
                f"{source[missed].iloc[0]!r} in {rows_text(np.flatnonzero(missed), table.index)}",
                hint="correct the pattern, or set `no_match: drop` to leave such rows out",
            )
        table = table.assign(**{step.into: _as_text(values)})[~missed]
    return table


def _typed_texts(column: "pd.Series[Any]", spec: Table, where: str, is_date: bool) -> "pd.Series[Any]":
    """A column of a text file: as the spec says, a date's text as it stands, else what it is beyond doubt."""
    if column.name in spec.dtypes or is_date:
        return _typed(column, spec, where, is_date)
    return infer(column, spec)


def _typed(column: "pd.Series[Any]", spec: Table, where: str, is_date: bool) -> "pd.Series[Any]":
    """A column that knows its type, as one of the five kinds and as the spec says."""
    column = _normalise(column, where, spec.timezone)
    if kind_of(column) == "text":
        column = without(column, spec.missing)
    wanted = spec.dtypes.get(str(column.name))
    if wanted is None or is_date:
        return column
    return _cast(column, "text" if wanted == "str" else wanted, where, numerals_of(spec), exact=False)


def _to_dates(column: "pd.Series[Any]", spec: Table, where: str) -> "pd.Series[Any]":
    kind = kind_of(column)
    if kind == "date":
        return column
    if kind != "text" and (column.isna().all() or (kind == "int" and spec.date_format is not None)):
        column = _as_text(column)
    if kind_of(column) != "text":
        raise DataError(
            f"{where}: column {column.name!r} holds numbers ({column.dropna().iloc[:1].tolist()}), not dates",
            hint='for dates like 20150731 set `date_format: "%Y%m%d"` for this table',
        )
    return to_dates(column, spec, where)


def read_table(source: TableSource, spec: Table, *, name: str, dates: Iterable[str] = ()) -> pd.DataFrame:
    """A source → a normalised table, after the spec's steps; the columns named in `dates` are parsed as dates.

    Raises `DataError` for a file that is missing, empty, or not as the spec says.
    """
    if isinstance(source, pd.DataFrame):
        where, table = f"table {name}", source.reset_index(drop=True)
    else:
        where, table = str(source), _read_file(Path(source), spec).reset_index(drop=True)
    columns = [str(c) for c in table.columns]
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise DataError(f"{where}: {len(twice)} column names stand twice: {', '.join(twice[:EXAMPLES])}")
    if table.empty:
        raise DataError(f"{where}: the table has no rows", hint=f"its columns: {', '.join(columns) or 'none'}")
    require_columns(table, spec.dtypes, where)
    dated = {c for c in columns if spec.rename.get(c, c) in {*dates}}
    is_text = not isinstance(source, pd.DataFrame) and Path(source).suffix.lower() in TEXT_ENDINGS
    typed = _typed_texts if is_text else _typed
    made = each(lambda i: typed(table.iloc[:, i], spec, where, columns[i] in dated), range(len(columns)), len(table))
    table = frame_of(dict(zip(columns, made, strict=True)))
    if spec.where:
        table = table[matches(table, spec.where, where)]
        if table.empty:
            raise DataError(f"{where}: no row is left after `where: {_condition_text(spec.where)}`")
    table = _extract(table, spec, where).rename(columns=spec.rename)
    for column, mapping in spec.replace.items():
        require_columns(table, [column], where)
        text = _as_text(table[column])
        table[column] = _as_text(text.astype("str").replace(mapping).where(text.notna()))
    parsed = {c: _to_dates(table[c], spec, where) for c in dates if c in table.columns}
    return table.assign(**parsed).reset_index(drop=True)


class Columns(Protocol):
    """Whatever has rows and named columns: a DataFrame, or `tabcli.joins.Joined`."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> "pd.Series[Any]": ...

    @property
    def columns(self) -> "Sequence[str] | pd.Index[str]": ...


def require_columns(table: Columns, columns: Iterable[str], where: str) -> None:
    """Raises `DataError` naming all columns that the table lacks, each with the nearest it has."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        names = ", ".join(f"{c!r}{did_you_mean(c, table.columns)}" for c in missing)
        plural = "s" if len(missing) > 1 else ""
        raise DataError(f"{where}: missing column{plural} {names}", hint=f"it has: {', '.join(table.columns)}")


def _cast(
    values: "pd.Series[Any]",
    kind: Kind,
    where: str,
    numerals: Numerals = PLAIN,
    *,
    exact: bool = True,
) -> "pd.Series[Any]":
    """A column as another kind; with `exact`, leading zeros may not be lost. Raises `DataError` with the rows."""
    have = kind_of(values)
    if have == kind or (have in ("int", "bool") and kind == "float"):
        return values
    if kind == "text":
        if have == "date":
            return _as_text(values.dt.strftime("%Y-%m-%d"))
        return _as_text(values)
    if have == "date" or kind == "date":
        if values.isna().all():
            return _all_missing(values, kind)
        raise DataError(f"{where}: column {values.name!r} holds {have} values where {kind} was expected")
    if have == "text":
        wanted: Literal["int", "float"] = "int" if kind == "int" and not exact else "float"
        return to_numbers(values, where, numerals=numerals, kind=wanted, exact=exact)
    return values  # numbers among each other: later steps take any


def _all_missing(values: "pd.Series[Any]", kind: Kind) -> "pd.Series[Any]":
    """A column without any value, as a date or as numbers."""
    return pd.Series(pd.NaT if kind == "date" else np.nan, index=values.index, name=values.name).astype(
        "datetime64[us]" if kind == "date" else "float64"
    )


def distinct_rows(table: pd.DataFrame, columns: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Numbers of the different keys in the order in which they come, int64 (n,), and the first row of each."""
    codes, n_codes = np.zeros(len(table), dtype="int64"), 1
    for name in columns:
        column = table[name]
        values = column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column
        own, unique = pd.factorize(values.to_numpy(), use_na_sentinel=False)
        codes, n_codes = (codes * len(unique) + own, n_codes * len(unique)) if n_codes > 1 else (own, len(unique))
        if n_codes > max(2 * len(table), 1 << 16):
            codes, unique = pd.factorize(codes)
            n_codes = len(unique)
    first_of = np.full(n_codes, -1, dtype="int64")
    first_of[codes[::-1]] = np.arange(len(table) - 1, -1, -1)  # of rows with the same key the first is written last
    is_first = np.zeros(len(table), dtype=bool)
    is_first[first_of[first_of >= 0]] = True
    first = np.flatnonzero(is_first)
    numbers = np.empty(n_codes, dtype="int64")
    numbers[codes[first]] = np.arange(len(first))
    return numbers[codes], first


def check_unique(table: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Raises `DataError` where two rows have the same key, with examples."""
    if len(distinct_rows(table, columns)[1]) < len(table):
        repeated = table.duplicated(list(columns)).to_numpy()
        examples = table.loc[repeated, list(columns)].drop_duplicates().head(EXAMPLES)
        shown = "; ".join(", ".join(f"{c}={_shown(v)}" for c, v in row.items()) for row in examples.to_dict("records"))
        raise DataError(
            f"{where}: {repeated.sum()} rows repeat the key ({', '.join(columns)}) of another row: {shown}",
            hint="a key must name one row; remove the repeated rows",
        )


def _shown(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return str(value.date()) if value == value.normalize() else str(value)
    return str(value)


# ------------------------------------------------------------------------------------------ conditions


def _condition_text(condition: Condition) -> str:
    return ", ".join(f"{c}: {v}" for c, v in condition.items())


def _one_match(column: "pd.Series[Any]", values: Sequence[Scalar], where: str) -> BoolArray:
    kind = kind_of(column)
    if kind == "text":
        wanted = {str(v) for v in values}
        codes = column.cat.codes.to_numpy()
        hits = np.append(column.cat.categories.isin(wanted), False)  # code -1 takes the last
        return hits[codes]
    if kind == "date" or any(isinstance(v, str) for v in values):
        raise ConfigError(
            f"{where}: the condition on {column.name!r} compares {kind} values with {values[0]!r}",
            hint=f"to read the column as text set `dtypes: {{{column.name}: str}}` for its table",
        )
    return np.isin(column.to_numpy(), np.array(values, dtype="float64"))


def matches(table: Columns, condition: Condition, where: str) -> BoolArray:
    """Which rows meet a condition; a missing value meets none, not even a `not`."""
    require_columns(table, condition, where)
    hit = np.ones(len(table), dtype=bool)
    for name, wanted in condition.items():
        column = table[name]
        negate = isinstance(wanted, Not)
        values = wanted.not_ if isinstance(wanted, Not) else wanted
        found = _one_match(column, values if isinstance(values, tuple) else (values,), where)
        hit &= (~found & column.notna().to_numpy()) if negate else found
    return hit


# ------------------------------------------------------------------------------------ taking and stacking


def take(column: "pd.Series[Any]", positions: IntArray) -> Any:
    """Values at positions, missing at -1: an array of the column's kind (int and bool turn float if any is missing)."""
    missing = positions < 0
    kind = kind_of(column)
    if kind == "text":
        codes = np.append(column.cat.codes.to_numpy(), -1)[positions]
        return pd.Categorical.from_codes(codes, dtype=cast("pd.CategoricalDtype[Any]", column.dtype))
    if not missing.any():
        return column.to_numpy()[positions]
    if kind == "date":
        return np.append(column.to_numpy(), np.datetime64("NaT", "us"))[positions]
    return np.append(column.to_numpy(dtype="float64"), np.nan)[positions]


def seconds_of(dates: "pd.Series[Any]") -> IntArray:
    """Whole seconds since 1970-01-01, int64."""
    return dates.to_numpy().astype("datetime64[s]").astype("int64")


MOMENT_BITS, MOMENT_ZERO = 36, 1 << 35


def moment_keys(groups: IntArray, seconds: IntArray) -> IntArray:
    """Moments of groups as numbers that sort by group, then time, int64 (n,): group · 2^36 + seconds + 2^35.

    Seconds since 1970, with room for ±1000 years.
    """
    return (groups << MOMENT_BITS) + seconds + MOMENT_ZERO


def stack(upper: pd.DataFrame, lower: pd.DataFrame) -> pd.DataFrame:
    """Two tables one above the other, over the columns of the upper one; missing where the lower lacks one."""
    none = np.full(len(lower), -1, dtype="int64")
    columns: dict[str, Any] = {}
    for name in upper.columns:
        top = upper[name]
        bottom = lower[name] if name in lower.columns else pd.Series(take(top, none), name=name)
        if kind_of(top) == "text":
            columns[name] = union_categoricals([top, bottom])
        else:
            columns[name] = np.concatenate([top.to_numpy(), bottom.to_numpy()])
    return frame_of(columns)


# -------------------------------------------------------------------------------------------- contract


@dataclass(frozen=True)
class Contract:
    """What the tables were when the preprocessors were fitted: each column's kind, range and missing count."""

    tables: dict[str, dict[str, dict[str, Any]]]

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame]) -> "Contract":
        columns = [(name, c) for name, table in tables.items() for c in table.columns]
        profiles: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in tables}
        for (name, c), profile in zip(columns, each(lambda at: _profile(tables[at[0]][at[1]]), columns), strict=True):
            profiles[name][c] = profile
        return cls(profiles)

    def conform(self, table: pd.DataFrame, name: str, where: str) -> pd.DataFrame:
        """The table with each known column cast to the kind it had. Raises `DataError` where that cannot be."""
        known = self.tables.get(name, {})
        cast = {c: _cast(table[c], known[c]["kind"], where) for c in table.columns if c in known}
        return table.assign(**cast)


def _profile(column: "pd.Series[Any]") -> dict[str, Any]:
    kind = kind_of(column)
    profile: dict[str, Any] = {"kind": kind, "rows": len(column), "missing": int(column.isna().sum())}
    present = column.dropna()
    if kind == "text":
        profile["levels"] = len(column.cat.categories)
    elif len(present):
        low, high = present.min(), present.max()
        profile |= {"min": _plain(low), "max": _plain(high)}
    return profile


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    number = value.item() if hasattr(value, "item") else value
    return str(number) if isinstance(number, float) and not np.isfinite(number) else number


# ---------------------------------------------------------------------------------------- all tables


def _date_columns(config: Config, name: str) -> set[str]:
    sides = {j.as_of for j in config.joins if j.table == name and j.as_of}
    spans = [since.date for since in config.features.sinces]
    return {config.date, *sides, *(c for c in spans if c), *(d.column for d in config.features.date_parts)}


def load_tables(config: Config, data: DataSource, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The config's tables of these names, from a directory or a mapping of DataFrames or paths.

    Raises `DataError` for what cannot be read; train and future tables are checked for their key.
    """

    def load(name: str) -> pd.DataFrame:
        spec = config.tables[name]
        if isinstance(data, Mapping):
            if name not in data:
                raise DataError(f"the table {name} was not given", hint=f"given: {', '.join(data)}")
            source = data[name]
        else:
            source = find_file(Path(data), spec.file)
        table = read_table(source, spec, name=name, dates=_date_columns(config, name))
        if name in ("train", "future"):
            checkrows_text(table, config, describe(config, data, name))
        return table

    wanted = list(names)
    return dict(zip(wanted, each(load, wanted, 0 if isinstance(data, Mapping) else FEW), strict=True))


def describe(config: Config, data: DataSource, name: str) -> str:
    """How messages call a table: its path, or its name where it is a DataFrame."""
    if isinstance(data, Mapping):
        source = data.get(name)
        return f"table {name}" if isinstance(source, pd.DataFrame) else str(source)
    return str(Path(data) / config.tables[name].file)


def checkrows_text(table: pd.DataFrame, config: Config, where: str) -> None:
    """A table of rows must have series and date, complete and unique."""
    require_columns(table, [*config.series, config.date], where)
    for column in [*config.series, config.date]:
        gone = np.flatnonzero(table[column].isna().to_numpy())
        if len(gone):
            raise DataError(
                f"{where}: column {column!r}: {len(gone)} rows have no value: {rows_text(gone, table.index)}"
            )
    check_unique(table, [*config.series, config.date], where)
