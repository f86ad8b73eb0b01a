"""How a file is written: which lines are rows, its numbers, its dates. What may mean two things is asked."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa

from tabcli.arrays import ColumnValues
from tabcli.config.data import DateColumns, Table
from tabcli.errors import DataError, TabcliError
from tabcli.onboarding.columns import is_key
from tabcli.onboarding.findings import FolderTable, InitHints, Part, Spec
from tabcli.tables.delimited import junk_lines
from tabcli.tables.kinds import Kinds, as_text, is_text
from tabcli.tables.levels import rows_text
from tabcli.tables.moments import (
    date_format_of,
    date_of_columns,
    day_orders,
    looks_dated,
    number_dates,
    parts_named,
    to_dates,
    zones,
)
from tabcli.tables.parts import TEXT_ENDINGS
from tabcli.tables.reading import SHEET_ENDINGS, junk_rows, read_table, sheet_names
from tabcli.tables.rows import with_columns
from tabcli.tables.texts import Numerals, are_amounts, infer, may_be_codes, number_styles, numerals_of

_MOMENT_NAME = re.compile(r"(?i)date|datum|time|day|week|month|period|stamp|^ds$|^ts$|^t$|quarter|year|jahr")

ODD = 0.02
"""A column of texts of which no more than this share are no numbers is one of numbers with faults."""


def opened(path: Path, hints: InitHints) -> FolderTable:
    """A file as a table, with the reading options that it needs. Raises `DataError` where it is not a table."""
    spec = cast(Spec, {"file": path.name, **hints.reading})
    if spec.get("thousands") == "." and "decimal" not in spec:
        spec["decimal"] = ","
    source = _first_read(path, spec, hints)
    return _with_dates(_with_numbers(path, source, hints), hints)


def _read(path: Path, spec: Spec) -> pd.DataFrame:
    return read_table(path, Table.model_validate(spec), name=path.stem)


# --------------------------------------------------------------------------------- which lines are rows


def _first_read(path: Path, spec: Spec, hints: InitHints) -> FolderTable:
    """The file, read with the encoding that it needs and without the lines that do not belong to the table."""
    notes: list[str] = []
    if path.suffix.lower() in (*TEXT_ENDINGS, *SHEET_ENDINGS) and not {"skip_rows", "skip_footer"} & {*hints.reading}:
        junk = _junk(path, spec)
        spec = cast(Spec, spec | junk)
        where = {"skip_rows": "above the header", "skip_footer": "at the end"}
        notes += [f"{n} line{'s' if n > 1 else ''} {where[k]} left out: {k}" for k, n in junk.items()]
    try:
        table = _read(path, spec)
    except DataError as error:
        if "not UTF-8" not in error.message:
            raise
        spec["encoding"] = "cp1252"
        table = _read(path, spec)
        notes.append("not UTF-8: the encoding is a guess, look at its special characters")
    if path.suffix.lower() in SHEET_ENDINGS and "sheet" not in spec and len(names := sheet_names(path)) > 1:
        notes.append(f"the first of its {len(names)} sheets is read, {names[0]!r}; another: --read sheet={names[1]!r}")
    return FolderTable(path.stem, spec, table, tuple(notes))


def _junk(path: Path, spec: Spec) -> dict[str, int]:
    """How many lines to leave out at either end; {} where the file cannot be read, which `_read` then says."""
    try:
        read = junk_rows if path.suffix.lower() in SHEET_ENDINGS else junk_lines
        return read(path, Table.model_validate(spec))
    except DataError:
        return {}


# --------------------------------------------------------------------------------------------- numbers


def _with_numbers(path: Path, source: FolderTable, hints: InitHints) -> FolderTable:
    """The source with its columns of numbers read as such, and the options that this needs."""
    if path.suffix.lower() not in TEXT_ENDINGS:
        return source
    spec, notes, looks = source.spec.copy(), list(source.notes), dict(source.looks)
    texts = {c: source.table[c] for c in source.kinds.only("text")}
    styles = {c: found for c, column in texts.items() if (found := number_styles(column, target=c == hints.target))}
    points = [c for c, found in styles.items() if found[-1] == Numerals()]  # 1.201 beside 901
    if styles and not {"decimal", "thousands"} & {*hints.reading}:
        style = _one_style(path, source, styles, hints)
        spec = cast(Spec, spec | _style_keys(style))
        notes += [f"{_style_words(style)} in {', '.join(styles)}"] if style != Numerals() else []
    numerals = numerals_of(Table.model_validate(spec))
    dtypes = {c: "float" for c in points if numerals == Numerals() and "dtypes" not in hints.reading}
    for name in _codes(texts, styles, hints):
        example = texts[name].dropna().iloc[0]
        if numerals.thousands == " ":
            dtypes[name] = "str"
            notes.append(f"{name} holds codes such as {example}: kept as texts. CHECK")
        else:
            looks[name] = f"codes such as {example}, or numbers: then --read {quote('thousands= ')}"
    for name, column in texts.items():
        read = infer(column, Table.model_validate(spec))
        if name in dtypes or not is_text(read):
            continue
        if are_amounts(column, numerals) and not _are_numbers(column, numerals):
            dtypes[name] = "amount"
            notes.append(f"{name} holds amounts such as {column.dropna().iloc[0]}: read as numbers. CHECK")
        elif not is_key(name) and (faulty := _faulty_number(column, numerals)):
            looks[name] = faulty
        elif name in styles:
            looks[name] = f"numbers such as {column.dropna().iloc[0]}: {_style_options(styles[name][0])}"
    if dtypes:
        spec["dtypes"] = dtypes
    table = _read(path, spec) if spec != source.spec else source.table
    return FolderTable(source.name, spec, table, tuple(notes), looks)


def _codes(texts: dict[str, pd.Series], numbers: Iterable[str], hints: InitHints) -> list[str]:
    """Columns of texts such as 12 345 that are taken for codes: those that are not called like `numbers`, as shop_2."""
    if "thousands" in hints.reading:
        return []
    alike = {re.sub(r"\d+", "", name) for name in numbers}
    return [c for c, column in texts.items() if may_be_codes(column) and re.sub(r"\d+", "", c) not in alike]


def _one_style(path: Path, source: FolderTable, styles: dict[str, list[Numerals]], hints: InitHints) -> Numerals:
    """How the file writes its numbers: what all its columns agree on."""
    parted = next((sign for found in styles.values() for sign in [found[0].thousands] if sign in (" ", "'")), None)
    if parted:  # then a comma or a point is the decimal sign
        return _one_parted(styles, parted)
    shared = [s for s in next(iter(styles.values())) if all(s in found for found in styles.values())]
    commas = {s.decimal for s in shared} == {",", "."} and len(shared) == 2
    if len(shared) <= 1:
        return shared[0] if shared else next(iter(styles.values()))[0]
    if commas and shared[1].thousands == "," and _is_comma_separated(path, source):
        return shared[1]  # an export of a country that writes decimal points: it had to quote these numbers
    name, column = next((c, source.table[c]) for c in styles)
    example = next(t for t in column.dropna().astype("str") if "," in t or "." in t)
    group = "," if "," in example else "."
    bare = example.replace(group, "")
    other = {"decimal": "thousands", "thousands": "decimal"}
    ways = ["thousands", other["thousands"]]
    question = f"{source.file}: column {name!r}: {example} may be {bare} or {example.replace(',', '.')}"
    answer = hints.ask(question, "--read", [f"{way}={group}" for way in ways])
    if answer.startswith("thousands"):
        return Numerals(",", ".") if group == "." else Numerals(".", ",")
    return Numerals() if group == "." else Numerals(",")


def _one_parted(styles: dict[str, list[Numerals]], parted: str) -> Numerals:
    """The style that all columns of a file agree on which parts its thousands by spaces or apostrophes.

    Where no column has a fraction, with a decimal point; where they do not agree, that of the most columns.
    """
    decimals = [{s.decimal for s in found if s.thousands in (None, parted)} for found in styles.values()]
    return Numerals(max(".,", key=lambda point: sum(point in found for found in decimals)), parted)


def _style_keys(style: Numerals) -> dict[str, str]:
    """What a config says of how numbers are written."""
    keys = {"decimal": style.decimal} if style.decimal != "." else {}
    return keys | ({"thousands": style.thousands} if style.thousands else {})


def _style_words(style: Numerals) -> str:
    """What is said of how numbers are written."""
    between = {" ": "spaces", "'": "apostrophes"}.get(style.thousands or "")
    words = [f"{between} between thousands"] if between else []
    words += ["decimal commas"] if style.decimal == "," else [] if between else ["commas between thousands"]
    return " and ".join(words)


def _style_options(style: Numerals) -> str:
    """The options that say how numbers are written."""
    return " ".join(f"--read {quote(f'{key}={sign}')}" for key, sign in _style_keys(style).items())


def _is_comma_separated(path: Path, source: FolderTable) -> bool:
    with path.open("rb") as stream:
        first = stream.read(1 << 16).split(b"\n")[int(source.spec.get("skip_rows", 0))]
    return first.count(b",") >= len(source.table.columns) - 1 > 0 and b";" not in first


def _are_numbers(column: pd.Series, numerals: Numerals) -> bool:
    levels = column.cat.remove_unused_categories().cat.categories.astype("str")
    return bool(numerals.are_numbers(pa.array(levels, type=pa.string())).all())


def _faulty_number(column: pd.Series, numerals: Numerals) -> str | None:
    """What a column looks like that holds numbers and a few texts, with its rows; None for other columns."""
    texts = column.dropna()
    if not len(texts):
        return None
    levels = texts.cat.remove_unused_categories().cat.categories.astype("str")
    bad_levels = {*levels[~numerals.are_numbers(pa.array(levels, type=pa.string()))]}
    bad = np.flatnonzero(column.isin(bad_levels).to_numpy())
    if not len(bad) or len(bad) > ODD * len(texts):
        return None
    n = len(bad)
    return (
        f"{len(texts) - n:,} numbers, but {n} text{'s' if n > 1 else ''}: {column.iloc[bad[0]]!r} in "
        f"{rows_text(bad, column.index)}; correct {'them' if n > 1 else 'it'}, or say what is missing: "
        f"--read missing={column.iloc[bad[0]]!r}"
    )


# ----------------------------------------------------------------------------------------------- dates


def _with_dates(source: FolderTable, hints: InitHints) -> FolderTable:
    """The source with its columns of dates read as such, and the options that this needs."""
    spec, notes, looks = source.spec.copy(), list(source.notes), dict(source.looks)
    table, dates = source.table, dict[str, ColumnValues]()
    for column in source.kinds.only("text"):
        found, why = _written(source, column, spec, hints)
        try:
            dates[column] = to_dates(table[column], Table.model_validate({**spec, **found}), source.file)
        except DataError as error:
            if looks_dated(table[column]):
                looks[column] = f"dates such as {table[column].dropna().iloc[0]!r}, but {_plain(error)}"
            continue
        spec = cast(Spec, {**spec, **found})
        notes += [why] if found else []
        looks.pop(column, None)
    table = with_columns(table, dates)
    if not Kinds.of(table).only("date"):
        table, found, more = _number_dates(table, source.file, spec.get("date_format"))
        spec, notes = cast(Spec, {**spec, **found}), notes + more
    made, more = _date_columns(table, source.file)
    if made:
        spec["dates"] = {name: columns.columns_by_part for name, columns in made.items()}
        parts = {c for columns in made.values() for c in columns.columns}
        new = {name: date_of_columns(table, columns, name, source.file) for name, columns in made.items()}
        table, notes = with_columns(table.drop(columns=list(parts)), new), notes + more
    return replace(source, spec=spec, table=table, notes=tuple(notes), looks=looks)


def _plain(error: TabcliError) -> str:
    """An error of one column without its beginning, which names the file and the column."""
    text = error.message.split(": ", 2)[-1]
    return f"{text}; {error.hint}" if error.hint else text


def _written(source: FolderTable, column: str, spec: Spec, hints: InitHints) -> tuple[Part, str]:
    """The options by which a column of texts is one of dates, if such are known, and what to say of it."""
    texts = source.table[column]
    if found := zones(texts) if "timezone" not in spec else set():
        if not found <= {"Z", "UTC", "+00:00", "+0000"}:
            return {}, ""
        return {"timezone": "UTC"}, f"{column} ends in {min(found)}: kept as UTC. CHECK: is that your shops' clock?"
    orders = day_orders(texts)
    if orders and "date_format" not in spec:
        form = date_format_of(texts)
        if form in ("%y/%m/%d", "%y-%m-%d", "%y.%m.%d") and _more_last(texts):
            return {"date_format": form}, f"{column} is written {form}"
        first = orders[0] if len(orders) == 1 else _day_first(source, column, spec, hints)
        return {"day_first": first}, f"the {'day' if first else 'month'} comes first in {column}"
    try:
        to_dates(texts, Table.model_validate(spec), source.file)
    except DataError:
        form = date_format_of(texts) if "date_format" not in spec else None
        return ({"date_format": form}, f"{column} is written {form}") if form else ({}, "")
    return {}, ""


def _more_last(texts: pd.Series) -> bool:
    """Whether the last part of three-part dates has more different values than the first: then it is the day."""
    parts = texts.dropna().astype("str").str.extract(r"^(\d+)\D\d+\D(\d+)")
    return bool(parts[1].nunique() > parts[0].nunique())


def _day_first(source: FolderTable, column: str, spec: Spec, hints: InitHints) -> bool:
    if "day_first" in spec:
        return bool(spec["day_first"])
    if hints.day_first is not None:
        return hints.day_first
    example = source.table[column].dropna().iloc[0]
    answer = hints.ask(
        f"{source.file}: column {column!r}, dates like {example}", "init with", ["--day-first", "--month-first"]
    )
    return answer == "--day-first"


def _number_dates(table: pd.DataFrame, file: str, given: str | None) -> tuple[pd.DataFrame, Part, list[str]]:
    """A column of numbers that are dates such as 20150731, or by its name days or seconds since a day.

    Where `given` says how dates are written, the column that is so written: by its name, or else the first.
    """
    forms = {c: form for c in Kinds.of(table).numbers if (form := number_dates(table[c].dropna()))}
    named = [c for c in forms if _MOMENT_NAME.search(c)]
    if given is not None:
        fit = [c for c in (*named, *forms) if forms[c] == given][:1]
    else:
        fit = [c for c, form in forms.items() if form != "%Y" and (c in named or form == "%Y%m%d")][:1]
    for column in fit:
        form = forms[column]
        dated = to_dates(as_text(table[column]), Table(file=file, date_format=form), file)
        example = table[column].dropna().iloc[0]
        why = f"dates like {example:.0f} in {column}" if form.startswith("%") else f"{column} counts {form}"
        return with_columns(table, {column: dated}), {"date_format": form}, [why]
    return table, {}, []


def _date_columns(table: pd.DataFrame, file: str) -> tuple[dict[str, DateColumns], list[str]]:
    """A date that stands in several columns: a day and an hour; a year and a month, week or quarter, and a day."""
    parts = parts_named({str(c): column for c, column in table.items()})
    dates = Kinds.of(table).only("date")
    if "hour" in parts and len(dates) == 1:
        day = table[dates[0]]
        moments = len(table[[dates[0], parts["hour"]]].drop_duplicates())
        if day.notna().all() and (day == day.dt.normalize()).all() and moments >= 5 * day.nunique():
            return {_free("when", table): DateColumns(date=dates[0], hour=parts["hour"])}, [
                f"{dates[0]} and {parts['hour']} make the moment of a row"
            ]
    if dates or "year" not in parts:
        return {}, []
    taken = {"year", *next(({p} for p in ("month", "week", "quarter") if p in parts), set())}
    taken |= {"day"} & {*parts} if "month" in taken else set()
    taken |= {"hour"} & {*parts} if "day" in taken else set()
    columns = {p: parts[p] for p in ("year", "quarter", "month", "week", "day", "hour") if p in taken}
    try:
        date_of_columns(table, DateColumns(**columns), "date", file)
    except DataError:
        return {}, []
    return {_free("date", table): DateColumns(**columns)}, [f"{', '.join(columns.values())} make the date of a row"]


def _free(name: str, table: pd.DataFrame) -> str:
    while name in table.columns:
        name += "_"
    return name
