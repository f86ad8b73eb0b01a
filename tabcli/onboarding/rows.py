"""Which table holds the rows: past and future, and the date."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tabcli.errors import UsageError
from tabcli.onboarding.columns import TARGETS, is_flag, not_a_target, shown_columns, snake_case
from tabcli.onboarding.findings import FolderTable, InitHints
from tabcli.tables.kinds import is_number
from tabcli.tables.levels import rows_text
from tabcli.tables.moments import number_dates

# ------------------------------------------------------------------------------------- past and future


def _by_file(sources: dict[str, FolderTable], file: str, option: str) -> FolderTable:
    for source in sources.values():
        if file in (source.file, source.name):
            return source
    raise UsageError(
        f"{option} {file}: no such table", hint=f"there are: {', '.join(s.file for s in sources.values())}"
    )


def one_of(question: str, option: str, answers: Sequence[str], hints: InitHints, *, none: str) -> str:
    """The only answer, or the one that a person chooses who is asked. Raises `UsageError` where there is none."""
    if not answers:
        raise UsageError(f"{question}: {none}", hint=f"name it: {option}")
    return answers[0] if len(answers) == 1 else hints.ask(question, option, answers)


def is_empty_ahead(future: pd.DataFrame, past: pd.DataFrame, column: str) -> bool:
    """Whether the rows to forecast hold no value of a column: none at all, or 0 in all of a target's name."""
    values = future[column]
    zero = is_number(values) and bool((values.fillna(0) == 0).all())
    named = zero and bool(TARGETS.search(snake_case(column))) and not is_flag(past[column])
    return bool(values.isna().all()) or named


def _is_future_of(future: FolderTable, past: FolderTable) -> bool:
    """Whether a table's dates are mostly later, its columns mostly those of another, and one of its numbers missing."""
    dates = [c for c in future.dates if c in past.dates]
    shared = [c for c in future.table.columns if c in past.table.columns]
    lacks = [
        c
        for c, kind in past.kinds.items()
        if (kind in ("int", "float") or c in past.looks)
        and (c not in shared or is_empty_ahead(future.table, past.table, c))
    ]
    later = any((future.table[d] > past.table[d].max()).mean() > 0.5 for d in dates)
    return bool(later and lacks and len(shared) >= 2 and len(shared) >= 0.6 * len(future.table.columns))


def find_rows(sources: dict[str, FolderTable], hints: InitHints) -> tuple[FolderTable, FolderTable | None, str]:
    """The tables of the past and of the future, if there is one, and why."""
    pasts = [_by_file(sources, hints.train, "--train")] if hints.train else list(sources.values())
    futures = [_by_file(sources, hints.future, "--future")] if hints.future else list(sources.values())
    pairs = [(p, f) for p in pasts for f in futures if p is not f and _is_future_of(f, p)]
    if pairs:
        names = list(dict.fromkeys(p.file for p, _ in pairs))
        past = _by_file(sources, one_of("the table of the past", "--train", names, hints, none=""), "--train")
        names = [f.file for p, f in pairs if p is past]
        file = one_of("the table with the rows to forecast", "--future", names, hints, none="")
        return past, _by_file(sources, file, "--future"), f"{file} has its columns less the target, and later dates"
    if hints.future and hints.train:
        return pasts[0], futures[0], "given by --train and --future"
    if hints.future:
        raise UsageError(
            f"--future {hints.future}: no table has its columns and a target", hint="name it: --train FILE"
        )
    dated = {s.file: s for s in pasts if s.dates}
    if not dated:
        raise _no_dates(pasts)
    dated = {f: s for f, s in dated.items() if _has_target(s)} or dated
    most = max((len(s.table) for s in dated.values()), default=0)
    largest = [f for f, s in dated.items() if len(s.table) > most / 2]
    file = one_of("the table of the past", "--train", largest, hints, none="")
    return dated[file], None, "by far the most rows with a date" if not hints.train else "given by --train"


def with_remark(source: FolderTable, train: FolderTable, date: str, target: str) -> FolderTable:
    """A table beside the past's; with a remark where it has the columns of rows to forecast, but not their dates."""
    columns = source.table.columns
    if target in columns or date not in source.dates or len(columns) < 2 or not {*columns} <= {*train.table.columns}:
        return source
    end = train.table[date].max()
    early = int((source.table[date] <= end).sum())
    remark = f"CHECK: it has the columns of rows to forecast, but {early:,} of its {len(source.table):,} rows are not "
    remark += f"after {end:%Y-%m-%d}, where the past ends; if it has those rows, take the early ones out"
    return replace(source, notes=(*source.notes, remark)) if early else source


def _has_target(source: FolderTable) -> bool:
    """Whether a table with dates has a number that may be the target, as a calendar has not."""
    date = source.dates[0]
    return bool(source.looks) or any(not_a_target(source.table, c, date) is None for c in source.kinds.numbers)


def _no_dates(sources: Sequence[FolderTable]) -> UsageError:
    """No table has dates: what its columns look like, and the option that may help."""
    lines = [f"\n  {s.file}: column {c!r} looks like {look}" for s in sources for c, look in s.looks.items()]
    lines += [f"\n  {s.file}: {len(s.table):,} rows: {shown_columns(s.table)}" for s in sources if not s.looks]
    lines += [
        f"\n  {s.file}: column {c!r} holds numbers such as {s.table[c].dropna().iloc[0]:g}, which may be dates: "
        f"--read date_format={form}"
        for s in sources
        for c in s.kinds.numbers
        if (form := number_dates(s.table[c].dropna()))
    ]
    return UsageError(
        f"no table has a column of dates{''.join(lines)}",
        hint="say how they are written: --read date_format=%d/%m/%Y (or quarter, week, excel, seconds, or for numbered "
        "steps --date week --read 'date_format=weeks since 1998-12-31'), "
        "--read timezone=Europe/Berlin, --read skip_rows=1, --read skip_footer=1",
    )


def _incomplete(train: FolderTable, date: str) -> UsageError:
    """The date of some rows is missing, or all have the same."""
    column = train.table[date]
    gone = np.flatnonzero(column.isna())
    if not len(gone):
        return UsageError(
            f"{train.file}: column {date!r} has one date only, {column.iloc[0]:%Y-%m-%d}",
            hint="a forecast needs a past of many dates; if another table has it: --train FILE",
        )
    return UsageError(
        f"{train.file}: column {date!r} has no date in {len(gone):,} of {len(column):,} rows: "
        f"{rows_text(gone, column.index)}",
        hint="correct these rows, or leave them out of the file; another column with the date: --date COLUMN",
    )


def find_date(train: FolderTable, future: FolderTable | None, hints: InitHints) -> str:
    """The column with the date of a row. Raises `UsageError`."""
    dates = [c for c in train.dates if future is None or c in future.dates]
    if hints.date is not None:
        if hints.date not in dates:
            look = f": it looks like {train.looks[hints.date]}" if hints.date in train.looks else ""
            raise UsageError(
                f"--date {hints.date}: no column of dates in {train.file}{look}",
                hint=f"dates: {', '.join(dates) or 'none'}; how they are written: --read date_format=%d/%m/%Y",
            )
        return hints.date
    spread = {c: train.table[c].nunique() for c in dates}
    complete = [c for c in dates if train.table[c].notna().all() and spread[c] > 1]
    if dates and not complete:
        raise _incomplete(train, max(dates, key=lambda c: train.table[c].count()))
    if not complete:
        raise _no_dates([train])
    return one_of(f"the date of a row of {train.file}", "--date", complete, hints, none="")
