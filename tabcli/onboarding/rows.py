"""Which table holds the rows: past and future, the date, the target, the series."""

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from tabcli.errors import UsageError, nearest
from tabcli.onboarding.findings import FolderTable, InitHints
from tabcli.tables.kinds import kind_of

MAX_SERIES_COLUMNS, MAX_KEY_CANDIDATES = 3, 10

_TARGETS = re.compile(
    r"(^|_)(sales?|sold|units?|demand|quantity|qty|revenue|turnover|umsatz|absatz|menge|target|y)($|_)"
)

CALENDARS = re.compile(r"holiday|calendar|feiertag|kalender|promo|event|price|preis")


# ------------------------------------------------------------------------------------- past and future


def _by_file(sources: dict[str, FolderTable], file: str, option: str) -> FolderTable:
    for source in sources.values():
        if file in (source.file, source.name):
            return source
    raise UsageError(
        f"{option} {file}: no such table", hint=f"there are: {', '.join(s.file for s in sources.values())}"
    )


def _one_of(question: str, option: str, answers: Sequence[str], wishes: InitHints, *, none: str) -> str:
    """The only answer, or the one chosen by who is asked. Raises `UsageError` where there is none."""
    if not answers:
        raise UsageError(f"{question}: {none}", hint=f"name it: {option}")
    return answers[0] if len(answers) == 1 else wishes.ask(question, option, answers)


def _is_future_of(future: FolderTable, past: FolderTable) -> bool:
    """Whether a table's dates are mostly later, its columns mostly those of another, and one of its numbers missing."""
    dates = [c for c in future.dates() if c in past.dates()]
    shared = [c for c in future.table.columns if c in past.table.columns]
    lacks = [c for c in past.table.columns if c not in shared and kind_of(past.table[c]) in ("int", "float")]
    later = any((future.table[d] > past.table[d].max()).mean() > 0.5 for d in dates)
    return bool(later and lacks and len(shared) >= 2 and len(shared) >= 0.6 * len(future.table.columns))


def find_rows(sources: dict[str, FolderTable], wishes: InitHints) -> tuple[FolderTable, FolderTable | None, str]:
    """The tables of the past and of the future, if there is one, and why."""
    pasts = [_by_file(sources, wishes.train, "--train")] if wishes.train else list(sources.values())
    futures = [_by_file(sources, wishes.future, "--future")] if wishes.future else list(sources.values())
    pairs = [(p, f) for p in pasts for f in futures if p is not f and _is_future_of(f, p)]
    if pairs:
        names = list(dict.fromkeys(p.file for p, _ in pairs))
        past = _by_file(sources, _one_of("the table of the past", "--train", names, wishes, none=""), "--train")
        names = [f.file for p, f in pairs if p is past]
        file = _one_of("the table with the rows to forecast", "--future", names, wishes, none="")
        return past, _by_file(sources, file, "--future"), f"{file} has its columns less the target, and later dates"
    if wishes.future and wishes.train:
        return pasts[0], futures[0], "as you say"
    if wishes.future:
        raise UsageError(
            f"--future {wishes.future}: no table has its columns and a target", hint="name it: --train FILE"
        )
    dated = {s.file: s for s in pasts if s.dates()}
    most = max((len(s.table) for s in dated.values()), default=0)
    largest = [f for f, s in dated.items() if len(s.table) > most / 2]
    file = _one_of("the table of the past", "--train", largest, wishes, none="no table has a column of dates")
    return dated[file], None, "by far the most rows with a date" if not wishes.train else "as you say"


def find_date(train: FolderTable, future: FolderTable | None, wishes: InitHints) -> str:
    dates = [c for c in train.dates() if future is None or c in future.dates()]
    if wishes.date is not None:
        if wishes.date not in dates:
            raise UsageError(f"--date {wishes.date}: no column of dates in {train.file}", hint=f"dates: {dates}")
        return wishes.date
    spread = {c: train.table[c].nunique() for c in dates}
    complete = [c for c in dates if train.table[c].notna().all() and spread[c] > 1]
    return _one_of(f"the date of a row of {train.file}", "--date", complete, wishes, none="no column of dates")


def find_target(train: FolderTable, future: FolderTable | None, date: str, wishes: InitHints) -> tuple[str, str]:
    """The column to forecast, and why."""
    table = train.table
    numbers = [c for c in table.columns if kind_of(table[c]) in ("int", "float") and c != date]
    if wishes.target is not None:
        if wishes.target not in numbers:
            found = nearest(wishes.target, numbers)
            raise UsageError(
                f"--target {wishes.target}: no column of numbers in {train.file}",
                hint=f"did you mean {found}?" if found else f"numbers: {', '.join(numbers)}",
            )
        return wishes.target, "as you say"
    only = [c for c in numbers if future is None or c not in future.table.columns]
    if len(only) == 1:
        return only[0], "the only number that the rows to forecast lack" if future else "the only number"
    named = [c for c in only if _TARGETS.search(snake_case(c))]
    if len(named) == 1:
        return named[0], f"of {', '.join(only)} it has a target's name"
    answer = _one_of("the target", "--target", named or only, wishes, none=f"{train.file} has no column of numbers")
    return answer, "as you say"


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", name).lower()


# ---------------------------------------------------------------------------------------------- series


def find_series(
    train: FolderTable, future: FolderTable | None, date: str, target: str, wishes: InitHints
) -> tuple[tuple[str, ...], str]:
    """The fewest columns that with the date name one row, and why. Raises `UsageError` where none do, or several."""
    table = train.table
    if wishes.series:
        missing = [c for c in wishes.series if c not in table.columns]
        if missing:
            raise UsageError(f"--series {','.join(missing)}: no such column in {train.file}")
        return wishes.series, "as you say"
    n_dates = table[date].nunique()
    candidates = [
        c
        for c in table.columns
        if c not in (date, target)
        and kind_of(table[c]) in ("int", "text")
        and (future is None or c in future.table.columns)
        and 1 < table[c].nunique() <= len(table) / 2
        and table[c].notna().all()
    ]
    # The most values first: real keys are among them, and the combinations to try stay few.
    candidates = sorted(candidates, key=lambda c: -table[c].nunique())[:MAX_KEY_CANDIDATES]
    for size in range(1, MAX_SERIES_COLUMNS + 1):
        found = {}
        for combination in combinations(candidates, size):
            columns = [c for c in table.columns if c in combination]
            if not table.duplicated([*columns, date]).any():
                found[",".join(columns)] = len(table) / (len(table[columns].drop_duplicates()) * n_dates)
        best = max(found.values(), default=0.0)
        answers = [c for c, density in found.items() if density > best / 2]
        if answers:
            chosen = _one_of("the columns of a series", "--series", answers, wishes, none="")
            return tuple(chosen.split(",")), f"with {date} {'it names' if size == 1 else 'they name'} one row"
    if not table.duplicated([date]).any():
        raise UsageError(f"{train.file}: one series only, without a name", hint="add a column that names it")
    raise UsageError(
        f"{train.file}: no {MAX_SERIES_COLUMNS} columns name one row of a {date}",
        hint="are rows repeated? name the columns of a series: --series A,B",
    )


def is_regular(dates: pd.Series) -> bool:
    """Whether most neighbouring dates are one step apart, as in a weekly table; not so in a list of holidays."""
    gaps = np.diff(np.sort(dates.dropna().unique()))
    return len(gaps) > 3 and bool((gaps == gaps.min()).mean() >= 0.8)


def is_measured(column: pd.Series) -> bool:
    """Whether a column holds amounts rather than names or flags."""
    return kind_of(column) in ("int", "float") and column.nunique() > 2
