"""The five kinds of columns that every table of tabcli has, so that every later step has few cases.

*int* (int64), *float* (float64), *bool*, *date* (datetime64[us]) and *text* (category of str, so that joins and
encoders work on codes). A missing value is NaN, NaT or code -1; an int column with one is float."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

from tabcli.errors import DataError, did_you_mean
from tabcli.tables.texts import PLAIN, Numerals, local_time, to_numbers

Kind = Literal["int", "float", "bool", "date", "text"]

MISSING_TEXTS = [""]
"""A text of these is missing. Words such as "NA" are texts like any other: they may be a country."""


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


def as_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
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


def normalise(values: "pd.Series[Any]", where: str, timezone: str | None = None) -> "pd.Series[Any]":
    """A column of any dtype as one of the five kinds. Raises `DataError` for what is none of them."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if isinstance(dtype.categories.dtype, np.dtype) and dtype.categories.dtype.kind in "iufM":
            return normalise(values.astype(dtype.categories.dtype if values.notna().all() else "float64"), where)
        return as_text(values)
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
            return normalise(pd.to_numeric(values), where)
        if is_object_dtype(dtype) and len(sample) and not sample.map(lambda v: isinstance(v, str | int | float)).all():
            raise DataError(f"{where}: column {values.name!r} holds {type(sample.iloc[0]).__name__} objects")
        return as_text(values)
    raise DataError(f"{where}: column {values.name!r} has the type {dtype}, which is not a number, date or text")


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


def to_kind(
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


def _all_missing(values: "pd.Series[Any]", kind: Kind) -> "pd.Series[Any]":
    """A column without any value, as a date or as numbers."""
    return pd.Series(pd.NaT if kind == "date" else np.nan, index=values.index, name=values.name).astype(
        "datetime64[us]" if kind == "date" else "float64"
    )
