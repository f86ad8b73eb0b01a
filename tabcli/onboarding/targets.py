"""Which column is the target; where it may be none, why."""

from collections.abc import Mapping

import numpy as np

from tabcli.errors import UsageError, nearest
from tabcli.onboarding.columns import (
    TARGETS,
    is_amount,
    is_price,
    not_a_target,
    parts_of_sum,
    shown_columns,
    snake_case,
)
from tabcli.onboarding.findings import FolderTable, InitHints
from tabcli.onboarding.rows import is_empty_ahead, one_of


def find_target(train: FolderTable, future: FolderTable | None, date: str, hints: InitHints) -> tuple[str, str]:
    """The column to forecast, and why."""
    table = train.table
    numbers = [c for c in train.kinds.numbers if c != date]
    if hints.target is not None:
        if hints.target in table.columns and hints.target not in numbers and hints.target not in train.looks:
            raise _no_numbers(train, hints.target)
        if hints.target not in numbers:
            found = nearest(hints.target, numbers)
            look = f": it looks like {train.looks[hints.target]}" if hints.target in train.looks else ""
            raise UsageError(
                f"--target {hints.target}: no column of numbers in {train.file}{look}",
                hint=f"did you mean {found}?" if found else f"numbers: {', '.join(numbers)}",
            )
        return hints.target, "given by --target"
    lacking = [
        c
        for c in table.columns
        if future is None or c not in future.table.columns or is_empty_ahead(future.table, table, c)
    ]
    why_not = {c: why for c in numbers if (why := not_a_target(table, c, date))}
    only = [c for c in numbers if c in lacking and c not in why_not]
    only = [c for c in only if not is_price(c)] or only
    named = [c for c in only if TARGETS.search(snake_case(c))]
    faulty = [c for c in lacking if c in train.looks and "numbers, but" in train.looks[c]]
    if faulty and not named:
        raise UsageError(f"the target: {train.file}: column {faulty[0]!r} looks like {train.looks[faulty[0]]}")
    if len(only) == 1:
        return only[0], "the only number that the rows to forecast lack" if future else "the only number"
    if len(named) == 1:
        return named[0], f"of {', '.join(only)} it has a target's name"
    sums = {c: parts for c in only if (parts := parts_of_sum(table, c, only))}
    wholes = [c for c in (named or only) if not any(c in parts for parts in sums.values())]
    whole = [c for c in wholes if c in sums]
    if len(whole) == 1:
        return whole[0], f"it is the sum of {', '.join(sums[whole[0]])}"
    counts = [c for c in wholes if is_amount(c)]
    if len(counts) == 1:
        return counts[0], f"of {', '.join(only)} it has a target's name"
    answers = wholes or named or only
    if not answers:
        raise _no_target(train, why_not)
    alike = len(answers) > 2 and not table[date].duplicated().any()
    also = " (if each of them is a series: --wide)" if alike else ""
    answer = one_of(f"the target{also}", "--target", answers, hints, none="")
    return answer, "given by --target, or chosen"


def _no_numbers(train: FolderTable, column: str) -> UsageError:
    """The target that was named holds no numbers."""
    there = train.table[column].dropna()
    kind = train.kinds[column]
    hint = {
        "bool": "write 0 and 1 in their place",
        "text": "write numbers there; amounts such as 3 % or 5 EUR are found where all rows have such",
    }.get(kind, "numbers: " + (", ".join(c for c in train.kinds.numbers) or "none"))
    if not len(there):
        return UsageError(f"--target {column}: no row of {train.file} has a value there", hint=hint)
    first = f"{there.iloc[0]:%Y-%m-%d}" if kind == "date" else repr(np.asarray(there.iloc[0]).item())
    held = {"bool": "truths", "text": "texts"}.get(kind, f"{kind}s")
    return UsageError(f"--target {column}: {train.file} has {held} there, such as {first}", hint=hint)


def _no_target(train: FolderTable, why_not: Mapping[str, str]) -> UsageError:
    lines = [f"\n  {c} is {why}" for c, why in why_not.items()]
    lines += [f"\n  {c} looks like {look}" for c, look in train.looks.items()]
    return UsageError(
        f"{train.file} has no column of numbers that may be the target: {shown_columns(train.table)}{''.join(lines)}",
        hint="name it: --target COLUMN; how numbers are written: --read decimal=, or --read thousands=,",
    )
