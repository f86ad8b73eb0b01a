"""Tables of other shapes: numbered steps, wide tables, which are melted, lines of sale, added up where asked for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import pandas as pd

from tabcli.config.data import Aggregate, Melt, Table
from tabcli.config.values import Duration
from tabcli.errors import DataError, UsageError
from tabcli.onboarding.columns import KEYS, THINGS, is_flag, is_row_number, snake_case
from tabcli.onboarding.findings import FolderTable, InitHints, Part, Spec
from tabcli.tables.kinds import as_text, is_whole
from tabcli.tables.moments import date_format_of, day_orders, number_dates, to_dates
from tabcli.tables.rows import with_columns
from tabcli.tables.shapes import aggregated, melted

FEWEST = 5
"""A wide table has at least so many columns of one kind."""

_RATES = re.compile(r"price|preis|rate|percent|pct|share|discount|rabatt|ratio|avg|mean|cost_per|unit_cost")

_STEPS = re.compile(r"(^|_)(hour|day|week|month|quarter|period|time|step|t)(_?(no|nr|num|number|index|idx|id))?$")

_COUNTED = {"hour": "hours", "week": "weeks", "month": "months", "quarter": "quarters"}
"""What a column of such a name counts; days where it is none of them."""

# ----------------------------------------------------------------------------------- steps by number


def numbered_steps(sources: Mapping[str, FolderTable], hints: InitHints) -> dict[str, FolderTable]:
    """Where no table has dates: the tables with a column that numbers the steps, such as *week* 40 … 160, dated by it.

    The first day of the year 2000 stands for 0 (for hours, days and weeks the first Monday), unless it was said.
    """
    if any(source.dates for source in sources.values()):
        return {**sources}
    return {name: _with_numbered_steps(source, hints) for name, source in sources.items()}


def _with_numbered_steps(source: FolderTable, hints: InitHints) -> FolderTable:
    found = [c for c in source.kinds.numbers if _numbers_steps(source.table[c], hints.date)]
    if len(found) != 1:
        return source
    column, given = found[0], hints.reading.get("date_format", "")
    word = _STEPS.search(snake_case(column))
    unit = _COUNTED.get(word[2] if word else "", "days")
    start = "2000-01-03" if unit in ("hours", "days", "weeks") else "2000-01-01"
    form = given if " since " in given else f"{unit} since {start}"
    spec = cast(Spec, {**source.spec, "date_format": form})
    try:
        dates = to_dates(as_text(source.table[column]), Table.model_validate(spec), source.file)
    except DataError:
        return source
    why = f"{column} counts {form}"
    if not given:
        why += f". CHECK: holidays and seasons need the day of {column} 0: --read 'date_format={unit} since 1998-12-31'"
    table = with_columns(source.table, {column: dates})
    return replace(source, spec=spec, table=table, notes=(*source.notes, why))


def _numbers_steps(column: pd.Series, said: str | None) -> bool:
    """Whether a column numbers steps of time, by its name or as was said: whole numbers from 0 on, few left out."""
    if str(column.name) != said and (said or not _STEPS.search(snake_case(str(column.name)))):
        return False
    if column.isna().any() or not is_whole(column) or column.min() < 0 or (not said and number_dates(column)):
        return False
    n = int(column.nunique())
    return n > FEWEST and n > 0.8 * (column.max() - column.min())


# ------------------------------------------------------------------------------------------------ wide


def made_long(source: FolderTable, sources: Mapping[str, FolderTable], hints: InitHints) -> FolderTable:
    """The table as it is, or a wide one melted: its columns are named by dates, by numbers of steps, or by series."""
    names = [str(c) for c in source.table.columns]
    found = _named_by_dates(source, names) or _numbered_steps(source, names, sources) or _named_by_series(source, hints)
    if found is None:
        return source
    wide, melt, reading, why = found
    value = (
        hints.target
        if hints.target and hints.target not in names
        else _free("value", [n for n in names if n not in {*wide}])
    )
    melt = {**melt, "values": value}
    spec = cast(Spec, {**source.spec, **reading, "melt": melt})
    try:
        table = melted(source.table, Melt.model_validate(melt), source.file)
        if melt["names"] == "date" and "start" not in melt:
            table["date"] = to_dates(table["date"], Table.model_validate(spec), source.file)
    except DataError:
        return source
    note = f"{len(wide):,} columns {wide[0]} … {wide[-1]} are {why}: melted to {len(table):,} rows of {value}"
    return replace(source, spec=spec, table=table, notes=(*source.notes, note))


Wide = tuple[list[str], Part, Part, str]
"""The columns to melt, the melt without `values`, reading options, and what the columns are."""


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _melt(source: FolderTable, wide: Sequence[str], names: str, **more: object) -> Part:
    keep = [str(c) for c in source.table.columns if c not in {*wide}]
    return {**({"keep": keep} if keep else {"keep": []}), "names": names, **more}


def _named_by_dates(source: FolderTable, names: list[str]) -> Wide | None:
    """Columns whose names are dates, years or months, more than any others."""
    dated = [n for n in source.kinds.numbers if re.search(r"\d", n)]
    if len(dated) < FEWEST or len(dated) < 0.5 * len(names):
        return None
    for wide in (dated, [n for n in dated if re.match(r"^\W*\d", n)]):
        texts = as_text(pd.Series(wide, dtype="str"))
        orders = day_orders(texts)
        if orders:
            reading: Part = {"day_first": orders[0]}
        elif form := date_format_of(texts):
            reading = {"date_format": form} if form not in ("excel", "seconds", "milliseconds") else {}
        else:
            reading = {}
        try:
            moments = to_dates(texts, Table.model_validate({"file": "", **reading}), "")
        except DataError:
            continue
        if moments.nunique() == len(wide) >= FEWEST and moments.is_monotonic_increasing:
            return wide, _melt(source, wide, "date"), reading, "dates"
    return None


def _numbered_steps(source: FolderTable, names: list[str], sources: Mapping[str, FolderTable]) -> Wide | None:
    """Columns d_1, d_2, … of a table without dates; a table beside it says when the first of them was."""
    if source.dates:
        return None
    parts = pd.Series(names, dtype="str").str.extract(r"^(.*?)(\d+)$")
    prefix = parts[0].value_counts().index[0] if parts[0].notna().any() else None
    mask = (parts[0] == prefix).to_numpy()
    wide = [n for n, hit in zip(names, mask, strict=True) if hit]
    numbers = parts[1][mask].astype("int64")
    if len(wide) < 2 * FEWEST or not (numbers.diff().dropna() == 1).all():
        return None
    for other in [s for s in sources.values() if s is not source]:
        for key in other.kinds.only("text"):
            place = other.table[key].astype("str").to_numpy() == wide[0]
            if place.any() and other.dates:
                moment = pd.Timestamp(other.table.loc[place, other.dates[0]].iloc[0])
                start = moment - pd.Timedelta(int(numbers.iloc[0]) - 1, unit="D")
                melt = _melt(source, wide, "date", start=str(start.date()))
                return wide, melt, {}, f"days from {moment.date()} on, as {other.file} says"
    keep = ", ".join(n for n in names if n not in {*wide})
    raise UsageError(
        f"{source.file}: {len(wide):,} columns {wide[0]} … {wide[-1]} look like steps of time in a wide table, and no "
        f"table says which date {wide[0]} is",
        hint=f"put a table beside it with a column of {wide[0]}, … and a date; or melt it in the config: "
        f"`melt: {{keep: [{keep}], names: date, values: sales, start: 2011-01-29}}`",
    )


def _named_by_series(source: FolderTable, hints: InitHints) -> Wide | None:
    """A column of numbers for each series beside one of dates: where that is said, or all are numbered alike."""
    dates, table = source.dates, source.table
    numbers = [c for c in source.kinds.numbers if not is_row_number(table[c])]
    if len(dates) != 1 or table[dates[0]].duplicated().any() or len(numbers) < 2:
        return None
    parts = pd.Series(numbers, dtype="str").str.extract(r"^(.*\D)(\d+)$")
    alike = len(numbers) >= FEWEST and parts[0].nunique() == 1 and bool(parts[1].notna().all())
    things = pd.Series(numbers, dtype="str").str.extract(r"^([^\W_]+)[ _-]+[^\W_]+$")[0]
    if not alike and things.nunique() == 1 and things.notna().all() and THINGS.search(snake_case(things.iloc[0])):
        alike, parts[0] = True, things  # store_A, store_B
    alike = alike and not any(is_flag(table[c]) for c in numbers)
    if not (hints.wide or alike) or hints.target in numbers:
        return None
    word = re.sub(r"\W+|_", "", str(parts[0].iloc[0])) if alike else ""
    return numbers, _melt(source, numbers, _free(word or "item", dates)), {}, "series"


# --------------------------------------------------------------------------------------- lines of sale


def added_up(source: FolderTable, date: str, target: str, series: Sequence[str]) -> FolderTable:
    """The table with one row for each series and day: amounts are summed, prices averaged, what is the same kept."""
    table = source.table
    own = {date, target, *series}
    others = [c for c in table.columns if c not in own]
    numbers = [c for c in source.kinds.only("int", "float", "bool") if c not in own]
    rates = [c for c in numbers if _RATES.search(snake_case(c))]
    flags = [c for c in numbers if c not in rates and is_flag(table[c])]
    names = [
        c for c in numbers if KEYS.search(snake_case(c)) or THINGS.search(snake_case(c)) or is_row_number(table[c])
    ]
    sums = [target, *(c for c in numbers if c not in (*rates, *flags, *names))]
    groups = table.groupby(list(series), sort=False, observed=True) if series else None
    static = [
        c
        for c in others
        if c not in (*rates, *flags, *sums)
        and (table[c].nunique() <= 1 if groups is None else bool((groups[c].nunique(dropna=False) <= 1).all()))
    ]
    rule: Part = {"by": [*series, date]}
    midnight = bool((table[date] == table[date].dt.normalize()).all())
    rule |= {} if midnight else {"step": str(Duration(1, "d"))}
    rule |= {k: v for k, v in (("sum", sums), ("mean", rates), ("max", flags), ("last", static)) if v}
    made = aggregated(table, Aggregate.model_validate(rule), source.file)
    note = f"{len(table):,} lines added up to {len(made):,} rows: {target} sums to {made[target].sum():,.10g}"
    left = [c for c in others if c not in (*sums, *rates, *flags, *static)]
    notes = [*source.notes, note, *_taken_off(table[target])]
    notes += [f"left out in adding up: {', '.join(left)}"] if left else []
    return replace(source, spec=cast(Spec, {**source.spec, "aggregate": rule}), table=made, notes=tuple(notes))


def _taken_off(lines: pd.Series) -> list[str]:
    """What is said of lines below 0: returns, cancellations, corrections."""
    back = lines[lines < 0]
    if not len(back):
        return []
    sold = float(lines[lines > 0].sum())
    share = f" ({-100 * back.sum() / sold:.1f} % of what was sold)" if sold else ""
    return [
        f"{len(back):,} lines are below 0, such as returns: they are taken off on their own day, "
        f"{-back.sum():,.10g} in all{share}. CHECK: if orders matter, and not what stays sold, leave these out of "
        "the file"
    ]
