"""The five kinds of columns that every table of tabcli has, so that every later step has few cases.

*int* (int64), *float* (float64), *bool*, *date* (datetime64[us]) and *text* (category of str, so that joins and
encoders work on codes). A missing value is NaN, NaT or code -1; an int column with one is float."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import is_object_dtype

from tabcli.arrays import ColumnValues
from tabcli.errors import DataError, did_you_mean
from tabcli.tables.levels import set_missing
from tabcli.tables.moments import local_time
from tabcli.tables.texts import EXACT, PLAIN, Numerals, to_numbers

Kind = Literal["int", "float", "bool", "date", "text"]

MISSING_TEXTS = [""]
"""A text of these is missing. Words such as "NA" are texts like any other: they may be a country."""


_NUMBERS = int | float | np.integer | np.floating | np.bool

# ---------------------------------------------------------------------------------------------- kinds


def kind_of(column: pd.Series) -> Kind:
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


def is_text(column: pd.Series) -> bool:
    """Whether a normalised column holds texts."""
    return kind_of(column) == "text"


def is_number(column: pd.Series) -> bool:
    """Whether a normalised column holds numbers, whole or not; a bool is no number."""
    return kind_of(column) in ("int", "float")


def is_whole(column: pd.Series) -> bool:
    """Whether a normalised column holds whole numbers, none of them missing."""
    return kind_of(column) == "int"


def plain_values(column: pd.Series) -> ColumnValues:
    """The values of a normalised column (n,), as a table on the disk or of a person has them: texts as plain str."""
    return column.astype("str") if is_text(column) else column.to_numpy()


class Kinds(dict[str, Kind]):
    """The kind of each column of a table, in the table's order."""

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Kinds":
        """The kinds of a normalised table."""
        return cls((str(name), kind_of(column)) for name, column in table.items())

    def only(self, *kinds: Kind) -> list[str]:
        """The columns of these kinds."""
        return [name for name, kind in self.items() if kind in kinds]

    @property
    def numbers(self) -> list[str]:
        """The columns of numbers, whole or not."""
        return self.only("int", "float")


def as_text(values: pd.Series) -> pd.Series:
    """Any column → category of str. Whole floats become "1", as they were before a missing value made them floats."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        texts = [str(c) for c in values.cat.categories]
        if len(set(texts)) == len(texts):
            column = values.cat.rename_categories(texts)
        else:
            column = values.map(dict(zip(values.cat.categories, texts, strict=True))).astype("category")
        column = column.cat.as_unordered()
    else:
        texts_of_rows: pd.Series = values.astype("str").where(values.notna())
        if values.dtype.kind == "f":
            finite = values[np.isfinite(values)]
            if (finite == finite.round()).all():
                texts_of_rows = texts_of_rows.str.removesuffix(".0")
        column = texts_of_rows.astype("category")
    return set_missing(column, MISSING_TEXTS)


def normalise(values: pd.Series, where: str, timezone: str | None = None) -> pd.Series:
    """A column of any dtype as one of the five kinds. Raises `DataError` for what is none of them."""
    dtype = values.dtype
    if isinstance(dtype, pd.ArrowDtype):
        plain = of_arrow(pa.table({"": pa.array(values.array)}))[""]
        return normalise(pd.Series(plain.array, index=values.index, name=values.name), where, timezone)
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_categories(values, where, timezone)
    if isinstance(dtype, pd.DatetimeTZDtype):
        if timezone is None:
            raise DataError(
                f"{where}: column {values.name!r} has the time zone {dtype.tz}: {values.dropna().iloc[0]}",
                hint="the days of a forecast are local days: set the table's `timezone`, such as Europe/Berlin",
            )
        return local_time(values, timezone)
    kind = dtype.kind
    if kind in "iu":
        return _of_integers(values)
    if kind == "f":
        return values.astype("float64")
    if kind == "b":
        return values.astype("float64" if values.isna().any() else "bool")
    if kind == "M":
        return _of_moments(values, where)
    if is_object_dtype(dtype) and len(values) and values.isna().all():
        return values.astype("float64")
    if is_object_dtype(dtype) and values.notna().any():
        return _of_objects(values, where, timezone)
    if kind in "OUT" or isinstance(dtype, pd.StringDtype):
        return as_text(values)
    raise DataError(f"{where}: column {values.name!r} has the type {dtype}, which is not a number, date or text")


def _of_categories(values: pd.Series, where: str, timezone: str | None) -> pd.Series:
    """A category column as the kind of its values: categories are only a way to store them."""
    codes, levels = values.cat.codes.to_numpy(), pd.Series(values.cat.categories, name=values.name)
    if not len(levels):
        return pd.Series(np.nan, index=values.index, name=values.name)
    plain = normalise(levels, where, timezone)
    missing = bool((codes < 0).any())
    match kind_of(plain):
        case "text":
            return as_text(values)
        case "date":
            taken = np.append(plain.to_numpy(), np.datetime64("NaT", "us"))[codes]
        case "int" if missing and _exceeds(plain, EXACT):
            return as_text(values)
        case "int" | "bool" | "float" if missing:
            taken = np.append(plain.to_numpy(dtype="float64"), np.nan)[codes]
        case _:
            taken = plain.to_numpy()[codes]
    return pd.Series(taken, index=values.index, name=values.name)


def _of_integers(values: pd.Series) -> pd.Series:
    """Whole numbers of any width as int64, or float64 where some are missing; as texts where that would lose digits."""
    missing = bool(values.isna().any())
    if _exceeds(values, EXACT if missing else 2**63 - 1):
        return as_text(values)
    return values.astype("float64" if missing else "int64")


def _exceeds(values: pd.Series, most: int) -> bool:
    there = values.dropna()
    return bool(len(there)) and not -most <= int(there.min()) <= int(there.max()) <= most


def _of_moments(values: pd.Series, where: str) -> pd.Series:
    try:
        return values.astype("datetime64[us]")
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise DataError(f"{where}: column {values.name!r} holds dates that lie too far away: {error}") from None


def _of_objects(values: pd.Series, where: str, timezone: str | None) -> pd.Series:
    """A column of Python objects: all numbers, all dates, or texts and numbers."""
    sample = values.dropna()
    types = {*sample.map(type)}
    if all(issubclass(t, bool | np.bool_) for t in types):
        return normalise(values.astype("boolean"), where)
    if all(issubclass(t, int | np.integer | float | np.floating | Decimal) for t in types):
        return _of_number_objects(values, types)
    if all(issubclass(t, date | np.datetime64) for t in types):  # a datetime is a date
        return _of_date_objects(values, sample, where, timezone)
    if not all(issubclass(t, str | int | float | np.number) for t in types):
        names = " and ".join(sorted(t.__name__ for t in types))
        raise DataError(
            f"{where}: column {values.name!r} holds {names} objects",
            hint="make them numbers, dates or texts, or leave the column out",
        )
    return as_text(values)


def _of_number_objects(values: pd.Series, types: set[type]) -> pd.Series:
    """Python's numbers; decimals without digits after the point are whole."""
    there = values.dropna()
    whole = all(issubclass(t, int | np.integer | Decimal) and not issubclass(t, bool) for t in types)
    if whole and Decimal in types:
        whole = all(not isinstance(v, Decimal) or (v.is_finite() and int(v.as_tuple().exponent) >= 0) for v in there)
    if not whole:
        return values.where(values.notna(), np.nan).astype("float64")
    most = EXACT if len(there) < len(values) else 2**63 - 1
    numbers = [int(v) for v in there]
    if not -most <= min(numbers) <= max(numbers) <= most:
        return as_text(there.map(int).astype("str").reindex(values.index))
    return pd.Series(numbers, index=there.index, dtype="int64", name=values.name).reindex(values.index)


def _of_date_objects(values: pd.Series, sample: pd.Series, where: str, timezone: str | None) -> pd.Series:
    zoned = sample.map(lambda v: getattr(v, "tzinfo", None) is not None)
    if zoned.any() and not zoned.all():
        raise DataError(
            f"{where}: column {values.name!r}: {int(zoned.sum())} of {len(sample)} moments have a time zone, not all",
            hint="give all of them one, or none",
        )
    try:
        moments = pd.to_datetime(values.where(values.notna(), None), utc=bool(zoned.any()))
    except (ValueError, OverflowError, TypeError) as error:
        raise DataError(f"{where}: column {values.name!r} holds dates that cannot be read: {error}") from None
    return normalise(moments, where, timezone)


def of_arrow(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a DataFrame; decimals become numbers, and long whole numbers texts where some are missing."""
    columns = []
    for column in table.columns:
        if pa.types.is_integer(column.type) and column.null_count and _beyond_floats(column):
            column = pc.cast(column, pa.string())
        elif pa.types.is_decimal(column.type):
            column = _of_decimals(column)
        columns.append(column)
    plain = pa.Table.from_arrays(columns, names=[f"{i}" for i in range(len(columns))])
    frame: pd.DataFrame = plain.to_pandas(ignore_metadata=True, date_as_object=False, integer_object_nulls=False)
    frame.columns = pd.Index(table.column_names)
    return frame


def dense_field(field: pa.Field) -> pa.Field:
    """A field of Arrow without a dictionary, which each part of a table has of its own."""
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _beyond_floats(column: pa.ChunkedArray) -> bool:
    extent = pc.min_max(column)
    low, high = extent["min"].as_py(), extent["max"].as_py()
    return low is not None and not -EXACT <= low <= high <= EXACT


def _of_decimals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals as floats; without digits after the point as whole numbers, or as texts where these are too short."""
    if column.type.scale > 0:
        return pc.cast(pc.cast(column, pa.string()), pa.float64())  # Arrow's direct way is a bit off
    try:
        whole = pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return pc.cast(column, pa.string())
    return pc.cast(column, pa.string()) if column.null_count and _beyond_floats(whole) else whole


class Columns(Protocol):
    """Whatever has rows and named columns: a DataFrame, or `tabcli.tables.joins.FactorizedTable`."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> pd.Series: ...

    @property
    def columns(self) -> "Sequence[str] | pd.Index[str]": ...


SHOWN_COLUMNS = 20
"""So many columns of a table are named where one is missing; a wide table has hundreds."""


def require_columns(table: Columns, columns: Iterable[str], where: str) -> None:
    """Raises `DataError` naming all columns that the table lacks, each with the nearest it has."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        names = ", ".join(f"{c!r}{did_you_mean(c, table.columns)}" for c in missing)
        plural = "s" if len(missing) > 1 else ""
        there = [str(c) for c in table.columns]
        more = f", … ({len(there)} columns)" if len(there) > SHOWN_COLUMNS else ""
        hint = f"it has: {', '.join(there[:SHOWN_COLUMNS])}{more}"
        raise DataError(f"{where}: missing column{plural} {names}", hint=hint)


def to_kind(
    values: pd.Series,
    kind: Kind,
    where: str,
    numerals: Numerals = PLAIN,
    *,
    exact: bool = True,
) -> pd.Series:
    """A column as another kind; with `exact`, leading zeros may not be lost. Raises `DataError` with the rows."""
    have = kind_of(values)
    if have == kind or (have in ("int", "bool") and kind == "float"):
        return values
    if kind == "text":
        if have == "date":
            return as_text(values.dt.strftime("%Y-%m-%d"))
        return as_text(values)
    if have == "date" or kind == "date":
        if values.isna().all():
            return _all_missing(values, kind)
        raise DataError(f"{where}: column {values.name!r} holds {have} values where {kind} was expected")
    if have == "text":
        wanted: Literal["int", "float"] = "int" if kind == "int" and not exact else "float"
        return to_numbers(values, where, numerals=numerals, kind=wanted, exact=exact)
    return values  # numbers among each other: later steps take any


def _all_missing(values: pd.Series, kind: Kind) -> pd.Series:
    """A column without any value, as a date or as numbers."""
    return pd.Series(pd.NaT if kind == "date" else np.nan, index=values.index, name=values.name).astype(
        "datetime64[us]" if kind == "date" else "float64"
    )
