"""Which columns tell one series from another, if any are needed."""

from itertools import combinations

import pandas as pd

from tabcli.config.values import Duration
from tabcli.errors import UsageError, nearest
from tabcli.onboarding.columns import (
    KEYS,
    THINGS,
    is_measured,
    is_row_number,
    part_of_date,
    parts_of_sum,
    snake_case,
)
from tabcli.onboarding.findings import FolderTable, InitHints
from tabcli.onboarding.rows import one_of
from tabcli.tables.kinds import is_text, is_whole
from tabcli.tables.shapes import start_of

MAX_SERIES_COLUMNS, MAX_KEY_CANDIDATES = 3, 10


def find_series(
    train: FolderTable, future: FolderTable | None, date: str, target: str, hints: InitHints
) -> tuple[tuple[str, ...], str]:
    """The fewest columns that with the date name one row, and why; none where there is one series without a name.

    Raises `UsageError` where no columns do, or several sets of them.
    """
    table = train.table
    if hints.series:
        return _as_said(train, date, target, hints), "given by --series"
    if hints.aggregate:
        return _of_lines(train, date, target, hints)
    if not table.duplicated([date]).any():
        if woven := _woven(train, date, target, future):
            return (woven,), "its values are series whose dates lie between each other's"
        named = [c for c in table.columns if c not in (date, target) and _names_all(table[c], future)]
        if named:
            return (named[0],), f"one series, which {named[0]} names"
        return (), f"one series: {date} alone names a row"
    candidates = _candidates(train, future, date, target)
    n_dates = table[date].nunique()
    for size in range(1, MAX_SERIES_COLUMNS + 1):
        found: dict[str, float] = {}
        columns_of: dict[str, tuple[str, ...]] = {}
        for combination in combinations(candidates, size):
            columns = [c for c in table.columns if c in combination]
            if not table.duplicated([*columns, date]).any():
                columns_of[",".join(columns)] = tuple(columns)  # a name may have a comma itself
                found[",".join(columns)] = len(table) / (len(table[columns].drop_duplicates()) * n_dates)
        best = max(found.values(), default=0.0)
        answers = [c for c, density in found.items() if density > best / 2]
        # Of things that a text or a key names, a number such as a size may be another for each by chance.
        answers = [c for c in answers if all(_is_name(table[part]) for part in columns_of[c])] or answers
        if answers:
            chosen = one_of("the columns of a series", "--series", answers, hints, none="")
            return columns_of[chosen], f"with {date} {'it names' if size == 1 else 'they name'} one row"
    raise _repeated(train, date, target, key_columns(train, date, target))


def _candidates(train: FolderTable, future: FolderTable | None, date: str, target: str) -> list[str]:
    """Columns that may tell series apart: those of whole numbers or texts, with several values, none missing."""
    table = train.table
    parts = parts_of_sum_columns(table, target)
    candidates = [
        c
        for c in train.kinds.only("int", "text")
        if c not in (date, target, *parts)
        and (future is None or c in future.table.columns)
        and 1 < table[c].nunique() <= len(table) / 2
        and table[c].notna().all()
        and not is_row_number(table[c])
        and not part_of_date(table[c], table[date])
    ]
    # The most values first: real keys are among them, and the combinations to try stay few.
    return sorted(candidates, key=lambda c: -table[c].nunique())[:MAX_KEY_CANDIDATES]


def _is_name(column: pd.Series) -> bool:
    """Whether a column holds texts, or numbers that are keys by their name."""
    return is_text(column) or bool(KEYS.search(snake_case(str(column.name))))


def parts_of_sum_columns(table: pd.DataFrame, target: str) -> tuple[str, ...]:
    """The columns whose sum the target is, of up to four."""
    return parts_of_sum(table, target, [c for c in table.columns if is_measured(table[c])])


def _woven(train: FolderTable, date: str, target: str, future: FolderTable | None) -> str | None:
    """The column whose values are series of which no two have a date in common, such as weeks from other weekdays on.

    Its own rows lie regularly, all together do not.
    """
    table = train.table
    for column in train.kinds.only("int", "text"):
        values = table[column]
        if column in (date, target) or values.isna().any():
            continue
        if not 1 < values.nunique() <= len(table) / 10 or (future is not None and column not in future.table.columns):
            continue
        own = pd.concat([rows.sort_values().diff().dropna() for _, rows in table.groupby(values, observed=True)[date]])
        together = table[date].sort_values().diff().dropna()
        regular = [bool((gaps == gaps.mode().iloc[0]).mean() >= 0.9) for gaps in (own, together)]
        if regular == [True, False]:
            return column
    return None


def _names_all(column: pd.Series, future: FolderTable | None) -> bool:
    """Whether a column holds one value that may name a series: a text, or a key by its name."""
    named = is_text(column) or (is_whole(column) and _is_name(column))
    ahead = future is None or column.name in future.table.columns
    return named and ahead and bool(column.notna().all()) and column.nunique() == 1


def _as_said(train: FolderTable, date: str, target: str, hints: InitHints) -> tuple[str, ...]:
    """The series columns of --series. Raises `UsageError` where these cannot be some."""
    said, table = hints.series, train.table
    if missing := [c for c in said if c not in table.columns]:
        found = nearest(missing[0], table.columns)
        raise UsageError(
            f"--series {','.join(missing)}: no such column in {train.file}",
            hint=f"did you mean {found}?" if found else None,
        )
    for column, what in ((target, "the target"), (date, "the date")):
        if column in said:
            rest = [c for c in said if c != column]
            raise UsageError(
                f"--series {','.join(said)}: {column} is {what}, which names no series",
                hint=f"--series {','.join(rest)}" if rest else "where there is one series no column is needed",
            )
    if table.duplicated([*said, date]).any() and not hints.aggregate:
        raise _repeated(train, date, target, list(said))
    return said


def _of_lines(train: FolderTable, date: str, target: str, hints: InitHints) -> tuple[tuple[str, ...], str]:
    """The series of lines that are added up: one of the columns that name things, if there are such."""
    keys = key_columns(train, date, target)
    if not keys:
        return (), "one series: no column tells several apart"
    answers: dict[str, tuple[str, ...]] = {key: (key,) for key in keys}
    if len(keys) > 1:
        answers[",".join(keys)] = tuple(keys)
    shown = ", ".join(f"{key} {train.table[key].nunique():,}" for key in keys)
    question = f"the columns of a series ({shown} of them)"
    return answers[one_of(question, "--series", [*answers], hints, none="")], "it names things"


def key_columns(train: FolderTable, date: str, target: str) -> list[str]:
    """Columns that may tell the series of lines of sale apart: names of things with few enough values."""
    table, kinds = train.table, train.kinds
    usual = [
        c
        for c in kinds.only("int", "text")
        if c not in (date, target)
        and 1 < table[c].nunique() <= len(table) / 20
        and (kinds[c] == "text" or KEYS.search(snake_case(c)) or THINGS.search(snake_case(c)))
    ]
    named = [c for c in usual if THINGS.search(snake_case(c))]
    return (named or usual)[:2]


def _repeated(train: FolderTable, date: str, target: str, keys: list[str]) -> UsageError:
    """Several rows of one series and date: lines of sale, and what adding them up would give."""
    table = train.table
    if not table.duplicated([*keys, date]).any():
        keys = []
    days = start_of(table[date], Duration(1, "d"))
    n_rows = len(pd.DataFrame({c: table[c] for c in keys} | {date: days}).drop_duplicates())
    repeated = int(table.duplicated([*keys, date]).sum())
    by = ", ".join([*keys, date])
    example = table.loc[table.duplicated([*keys, date], keep=False), [*keys, date]].iloc[0]
    shown = ", ".join(f"{c}={v.date() if isinstance(v, pd.Timestamp) else v}" for c, v in example.items())
    words = f" --series {','.join(keys)}" if keys else ""
    alone = [f"--series {c} ({table[c].nunique():,} series)" for c in keys] if len(keys) > 1 else []
    fewer = f", or by one of them alone: {', '.join(alone)}" if alone else ""
    returned = int((table[target] < 0).sum())
    back = f"; {returned:,} lines below 0, such as returns, are taken off on their own day" if returned else ""
    return UsageError(
        f"{train.file}: {repeated:,} of {len(table):,} rows repeat the {by} of another, such as {shown}; "
        f"no {MAX_SERIES_COLUMNS} columns name one row of each {date}",
        hint=f"lines of sale are added up by --aggregate{words}: {n_rows:,} rows a day, "
        f"{target} {table[target].sum():,.10g} in all{fewer}{back}; or name other columns of a series: --series A,B",
    )
