"""How the other tables join the rows."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

import pandas as pd

from tabcli.config.data import Aggregate, Join
from tabcli.config.values import Duration
from tabcli.features.frequency import Frequency
from tabcli.onboarding.columns import CALENDARS, PLANS, is_measured, is_regular, snake_case
from tabcli.onboarding.findings import Discovery, FolderTable, JoinGuess, JoinPart, Part, length_of_time
from tabcli.tables.joins import LookupTable, join_table
from tabcli.tables.shapes import aggregated

MAX_KEYS = 3


def find_joins(found: Discovery, others: Iterable[FolderTable]) -> None:
    """Joins every lookup table that has a key in the rows, in turns: one may bring the key of another."""
    waiting, moved = list(others), True
    while moved:
        moved = False
        for source in list(waiting):
            guess = _guess_join(found, source)
            if guess is None:
                continue
            join = Join.model_validate(guess.join)
            found.rows = join_table(found.rows, LookupTable.of(guess.source.table, join), date=found.date)[0].frame()
            found.joins.append(guess)
            waiting.remove(source)
            moved = True
    for source in waiting:
        found.unjoined[source.file] = _why_unjoined(found, source)


def _why_unjoined(found: Discovery, source: FolderTable) -> str:
    side, rows = source.kinds, found.kinds
    if found.target in side:
        return f"it holds {found.target}" + (
            f"; to learn from it instead: --train {source.file}" if source.dates else ""
        )
    for column in [c for c in side if c in rows]:
        if side[column] != rows[column] and "text" in (side[column], rows[column]):
            return f"its {column} is {side[column]}, but {rows[column]} in the rows: read both alike with `dtypes`"
    for column in source.dates:
        if is_regular(source.table[column].drop_duplicates()) and source.table.duplicated([column]).any():
            return f"several rows of it have one {column}, and no column of it tells them apart that the rows have too"
    return "no key of it was found in the rows"


def _guess_join(found: Discovery, source: FolderTable) -> JoinGuess | None:
    """How a table joins the rows as they are now, if it does. A table that holds the target is never joined."""
    if found.target in source.table.columns:
        return None
    source = _with_common_names(found, source)
    side, date, dates = source.table, found.date, source.dates
    shared = [c for c, kind in source.kinds.items() if c in found.kinds and c != date and kind != "float"]
    keys = [c for c in shared if _overlap(found, c, source, c) >= 0.5]
    for size in range(1, min(len(keys), MAX_KEYS) + 1):
        for on in combinations(keys, size):
            if not side.duplicated(list(on)).any():
                return _joined(found, source, {"table": source.name, "on": list(on)}, "one row for each key")
    if len(dates) == 1 and (events := _event_list(found, source, keys, dates[0])):
        return events
    for size in range(min(len(keys), MAX_KEYS) + 1):
        for on in combinations(keys, size):
            for day in sorted(dates, key=lambda c: c != date):
                if not side.duplicated([*on, day]).any():
                    return _dated_join(found, source, list(on), day)
    return None


def _overlap(found: Discovery, name: str, source: FolderTable, own: str) -> float:
    """The share of the values of the rows' column `name` that the table has in its column `own`.

    0 where one is of texts and the other is not, and for dates.
    """
    kinds = found.kinds[name], source.kinds[own]
    if ("text" in kinds and kinds[0] != kinds[1]) or kinds[1] == "date":
        return 0.0
    values = pd.Series(found.rows[name].dropna().unique())
    return float(values.isin(source.table[own].dropna().unique()).mean()) if len(values) else 0.0


_KEY_WORDS = {"id", "nr", "no", "nbr", "num", "number", "code", "key", "name"}


def _related(own: str, table: str, name: str) -> bool:
    """Whether a column of a lookup table may mean what one of the rows does: store_nbr, or id in stores, store."""
    words = {w.rstrip("s") for w in [*snake_case(own).split("_"), *snake_case(table).split("_")]} - _KEY_WORDS
    return bool(words & ({w.rstrip("s") for w in snake_case(name).split("_")} - _KEY_WORDS))


def _with_common_names(found: Discovery, source: FolderTable) -> FolderTable:
    """The source with a key under the rows' name where the values agree but the names do not.

    Texts that agree say enough; numbers agree by chance, so their names must be related.
    """
    side, rows = source.kinds, found.kinds
    if any(c in rows and c != found.date and _overlap(found, c, source, c) >= 0.5 for c in side):
        return source
    for own in side.only("int", "text"):
        for name in [c for c in rows.only(side[own]) if c not in side]:
            related = _related(own, source.name, name) and source.table[own].nunique() > 2
            sure = rows[name] == "text" or related
            if sure and found.rows[name].nunique() > 2 and _overlap(found, name, source, own) >= 0.8:
                note = f"its {own} holds the values of {name}"
                return _renamed(source, {own: name}, note)
    return source


def _renamed(source: FolderTable, names: dict[str, str], *notes: str) -> FolderTable:
    """The source with other names for some columns."""
    if not names:
        return source
    spec = source.spec.copy()
    spec["rename"] = {**spec.get("rename", {}), **names}
    return FolderTable(source.name, spec, source.table.rename(columns=names), (*source.notes, *notes))


def _joined(found: Discovery, source: FolderTable, join: JoinPart, why: str) -> JoinGuess:
    """The guess, with other names for what would stand in the rows twice."""
    key = {*join.get("on", []), join.get("as_of")}
    twice = [c for c in source.table.columns if c in found.rows.columns and c not in key]
    return JoinGuess(_renamed(source, {c: f"{source.name}_{c}" for c in twice}), join, why)


def _planned(found: Discovery, source: FolderTable, key: Iterable[str], day: str) -> bool:
    """Whether a dated table looks planned ahead: by its name or all its columns' names, and it covers the future."""
    columns = [c for c in source.table.columns if c not in key]
    words = CALENDARS if {*found.series} & {*key} else PLANS  # a price without a key of the rows is a market's
    named = words.search(snake_case(source.name)) or all(words.search(snake_case(c)) for c in columns)
    if not (named or _is_event_list(source.table, day, columns)) or not columns:
        return False
    # A list of holidays need not reach the end.
    ahead = found.train.table[found.date].max() if found.future is None else found.future.table[found.date].min()
    return bool(source.table[day].max() >= (found.end if is_regular(source.table[day]) else ahead))


def _is_event_list(side: pd.DataFrame, day: str, columns: Iterable[str]) -> bool:
    """Whether a table lists dates without a period, such as holidays, and measures nothing."""
    days = side[day].drop_duplicates()
    return not is_regular(days) and not any(is_measured(side[c]) for c in columns)


def _event_list(found: Discovery, source: FolderTable, keys: list[str], day: str) -> JoinGuess | None:
    """The join of a list of events that is not one row for each date of the rows.

    Events on the days of weekly or monthly rows become those of their weeks or months; of hourly ones those of all
    hours of a day. Several events of one day become one row, and events without a name are counted.
    """
    side, rows, date, step = source.table, found.rows, found.date, found.step
    on = [c for c in found.series if c in keys]
    columns = [c for c in side.columns if c not in (*on, day)]
    coarse, hourly = step.unit in ("w", "mo"), step.unit == "h"
    repeated = int(side.duplicated([*on, day]).sum())
    if not _is_event_list(side, day, columns) or not (coarse or hourly or repeated or not columns):
        return None
    own = day if hourly and day not in rows.columns else f"{source.name}_{day}" if hourly else date
    others = {c: f"{source.name}_{c}" for c in columns if c in rows.columns}
    named = _renamed(source, {**others, **({day: own} if own != day else {})})
    columns = [others.get(c, c) for c in columns]
    rule: Part = {"by": [*on, own]}
    if step.unit == "w":
        rule |= {"step": str(step), "start": str(rows[date].min().date())}
    elif step.unit == "mo":
        rule |= {"step": str(step)}
    rule |= {"last": columns} if columns else {"count": f"{source.name}_events"}
    events = aggregated(named.table, Aggregate.model_validate(rule), source.file)
    inside = events[own].between(rows[date].min(), rows[date].max())
    if not inside.any() or (not hourly and not events.loc[inside, own].isin(rows[date]).any()):
        return None
    planned = bool(side[day].max() > found.train.table[date].max())
    spec = named.spec.copy()
    if coarse or repeated or not columns:
        spec["aggregate"] = rule
        named = replace(named, spec=spec, table=events)
    note = f"{repeated} rows repeat the date of another: the last one's values are taken"
    named = replace(named, notes=(*named.notes, *([note] if repeated and columns else [])))
    why = f"a list of events{f', by {step}' if coarse else ''}; "
    why += "it names dates to come, so that it is known in advance" if planned else "none to come: past only"
    if not hourly:
        return _joined(found, named, _with_promise({"table": source.name, "on": [*on, date]}, planned), why)
    join: JoinPart = {"table": source.name, "on": on, "as_of": own} if on else {"table": source.name, "as_of": own}
    return _joined(found, named, _with_promise({**join, "max_age": "23h"}, planned), why)


def _dated_join(found: Discovery, source: FolderTable, on: list[str], day: str) -> JoinGuess | None:
    """A join of a table with a row for each key and date: on the date itself, or as of it where the steps differ."""
    rows, side, date = found.rows, source.table, found.date
    planned = _planned(found, source, [*on, day], day)
    why = "it looks planned ahead" if planned else "known only once the day has passed, unless you say"
    regular, measured = is_regular(side[day]), any(is_measured(side[c]) for c in side.columns if c not in (*on, day))
    matching = float(pd.Series(rows[date].unique()).isin(side[day].unique()).mean())
    if matching >= 0.5 or (not regular and not measured and matching > 0):
        named = _renamed(source, {day: date} if day != date else {})
        return _joined(
            found, named, _with_promise({"table": source.name, "on": [*on, date]}, planned), f"by date; {why}"
        )
    if side[day].max() < rows[date].min() or side[day].min() > rows[date].max():
        return None
    own = f"{source.name}_{day}" if day in rows.columns else day
    source = _renamed(source, {day: own} if own != day else {})
    join: JoinPart = {"table": source.name, "on": on, "as_of": own} if on else {"table": source.name, "as_of": own}
    if not regular:
        lag = Duration(0 if planned else 1, "d")
        return _joined(
            found, source, _with_promise({**join, "lag": str(lag)}, planned), f"the last row dated {lag} before; {why}"
        )
    step = _complete_after(side[day])
    join = {**join, "lag": str(step), "max_age": str(Duration(3 * step.count, step.unit))}
    why = f"the last row dated {step} before, complete by then; {why}"
    return _joined(found, source, _with_promise(join, planned), why)


def _with_promise(join: JoinPart, planned: bool) -> JoinPart:
    """The join, with the promise that its columns are known in advance where they are planned."""
    return {**join, "known_in_advance": True} if planned else join


def _complete_after(dates: pd.Series) -> Duration:
    """How long after its date a row of a regular table is surely complete: a step, of months the longest."""
    frequency = Frequency.of(dates.dropna())
    return Duration(31 * frequency.count, "d") if frequency.unit == "mo" else length_of_time(frequency, 1)
