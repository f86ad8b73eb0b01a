"""A folder → its tables, each as it is written."""

import re
from pathlib import Path

import pandas as pd

from tabcli.arrays import ColumnValues
from tabcli.config.data import Table
from tabcli.errors import DataError, UsageError
from tabcli.onboarding.findings import FolderTable, InitHints, Spec
from tabcli.tables.kinds import kind_of
from tabcli.tables.reading import TEXT_ENDINGS, read_table
from tabcli.tables.texts import day_orders, decimal_comma, to_dates

ENDINGS = (*TEXT_ENDINGS, ".parquet", ".pq", ".feather", ".arrow", ".pkl", ".pickle")


# ------------------------------------------------------------------------------------------- the files


def _open(path: Path, wishes: InitHints) -> FolderTable:
    """A file as a table, with the reading options that it needs. Raises `DataError` for what is no table."""
    spec: Spec = {"file": path.name}
    notes = []

    def read() -> pd.DataFrame:
        return read_table(path, Table.model_validate(spec), name=path.stem)

    try:
        table = read()
    except DataError as error:
        if "not UTF-8" not in error.message:
            raise
        spec["encoding"] = "cp1252"
        table = read()
        notes.append("not UTF-8: the encoding is a guess, look at its special characters")
    texts = {c: table[c] for c in table.columns if kind_of(table[c]) == "text"}
    commas = {c: style for c, column in texts.items() if (style := decimal_comma(column))}
    if commas:
        spec["decimal"] = ","
        grouped = any(style.thousands for style in commas.values())
        spec |= {"thousands": "."} if grouped else {}
        notes.append(f"decimal commas in {', '.join(commas)}")
        table = read()
    return _with_dates(FolderTable(path.stem, spec, table, tuple(notes)), wishes)


def _with_dates(source: FolderTable, wishes: InitHints) -> FolderTable:
    """The source with its columns of dates read as such, and the option that this needs."""
    table, spec, notes = source.table, source.spec.copy(), list(source.notes)
    dates: dict[str, ColumnValues] = {}
    for column in [c for c in table.columns if kind_of(table[c]) == "text"]:
        orders = day_orders(table[column])
        if orders:
            first = orders[0] if len(orders) == 1 else _day_first(source, column, wishes)
            spec["day_first"] = first
            notes.append(f"the {'day' if first else 'month'} comes first in {column}")
        try:
            dates[column] = to_dates(table[column], Table.model_validate(spec), source.file)
        except DataError:
            continue
    compact = [c for c in table.columns if _is_compact_date(table[c])]
    if compact and not dates and not source.dates():
        spec["date_format"] = "%Y%m%d"
        notes.append(f"dates like 20150731 in {', '.join(compact)}")
        dates = {c: pd.to_datetime(table[c].astype("str"), format="%Y%m%d").astype("datetime64[us]") for c in compact}
    return FolderTable(source.name, spec, table.assign(**dates), tuple(notes))


def _day_first(source: FolderTable, column: str, wishes: InitHints) -> bool:
    if wishes.day_first is not None:
        return wishes.day_first
    example = source.table[column].dropna().iloc[0]
    answer = wishes.ask(
        f"{source.file}: column {column!r}, dates like {example}", "init with", ["--day-first", "--month-first"]
    )
    return answer == "--day-first"


def _is_compact_date(column: pd.Series) -> bool:
    if kind_of(column) != "int" or not column.between(19000101, 21001231).all():
        return False
    return bool(
        pd.to_datetime(pd.Series(column.unique()).astype("str"), format="%Y%m%d", errors="coerce").notna().all()
    )


def open_folder(directory: Path, wishes: InitHints) -> tuple[dict[str, FolderTable], dict[str, str]]:
    """Every table of a folder by its name, and the files that are none, with the reason. Raises `UsageError`."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory")
    sources, others = {}, {}
    for path in sorted(p for p in directory.iterdir() if p.is_file() and not p.name.startswith(".")):
        if path.suffix.lower() not in ENDINGS:
            others[path.name] = "no table by its ending"
            continue
        try:
            source = _open(path, wishes)
        except DataError as error:
            others[path.name] = error.message.removeprefix(f"{path}: ")
            continue
        name = re.sub(r"\W+", "_", path.stem)
        while name in sources:
            name += "_"
        sources[name] = FolderTable(name, source.spec, source.table, source.notes)
    if not sources:
        raise UsageError(f"{directory}: no tables", hint=f"tables end in {', '.join(ENDINGS)}")
    return sources, others


# --------------------------------------------------------------------------------------------- columns


def is_binary(column: pd.Series) -> bool:
    """Whether a column holds 0 and 1 only, both."""
    return kind_of(column) == "bool" or (
        kind_of(column) in ("int", "float") and {*pd.unique(column.dropna()).tolist()} == {0, 1}
    )
