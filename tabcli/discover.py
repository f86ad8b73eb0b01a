"""A folder of tables → what each is, and which columns play which part in a forecast. Says why; never guesses silently.

Where two answers are as good as each other it asks, or is refused with the option that decides. The order of the
questions: which files are tables, how each is written, which rows are the past and which the future, the date, the
target, the series, the joins; then what each column is.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabcli.config import Duration, Join, Table, nearest
from tabcli.dates import date_parts
from tabcli.errors import DataError, UsageError
from tabcli.frequency import WEEK, Frequency
from tabcli.joins import Side, join_table
from tabcli.tables import TEXT_ENDINGS, BoolArray, kind_of, read_table
from tabcli.texts import day_orders, decimal_comma, to_dates

ENDINGS = (*TEXT_ENDINGS, ".parquet", ".pq", ".feather", ".arrow", ".pkl", ".pickle")
MAX_SERIES_COLUMNS, MAX_KEY_CANDIDATES = 3, 10
_TARGETS = re.compile(
    r"(^|_)(sales?|sold|units?|demand|quantity|qty|revenue|turnover|umsatz|absatz|menge|target|y)($|_)"
)
_CALENDARS = re.compile(r"holiday|calendar|feiertag|kalender|promo|event|price|preis")

Ask = Callable[[str, str, Sequence[str]], str]
"""A question, the option that answers it, and the possible answers → one of them."""


def refuse_to_guess(question: str, option: str, answers: Sequence[str]) -> str:
    """The answer where nobody can be asked. Raises `UsageError`."""
    raise UsageError(f"{question}: it may be {' or '.join(answers)}", hint=f"say which: {option} {answers[0]}")


@dataclass(frozen=True)
class Wishes:
    """What the caller knows already; None or empty where it is to be found out."""

    train: str | None = None
    future: str | None = None
    date: str | None = None
    target: str | None = None
    series: tuple[str, ...] = ()
    horizon: str | None = None
    day_first: bool | None = None
    ask: Ask = refuse_to_guess


@dataclass(frozen=True)
class Source:
    """A file that is a table. `spec`: how to read it, as in a config. `notes`: why so."""

    name: str
    spec: dict[str, Any]
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return str(self.spec["file"])

    def dates(self) -> list[str]:
        return [c for c in self.table.columns if kind_of(self.table[c]) == "date"]


@dataclass(frozen=True)
class JoinGuess:
    """A side table, how it joins, and why."""

    source: Source
    join: dict[str, Any]
    why: str


@dataclass
class Discovery:
    """What was found. `rows`: the past with all joins; `why`: a reason for each decision.

    `rules`: what columns follow from the date, where no table has the rows to forecast.
    """

    train: Source
    future: Source | None
    date: str
    target: str
    series: tuple[str, ...]
    frequency: Frequency
    horizon: Duration
    horizon_given: bool
    id: str | None = None
    known: list[str] = field(default_factory=list)
    past_only: list[str] = field(default_factory=list)
    static: list[str] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    joins: list[JoinGuess] = field(default_factory=list)
    unjoined: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    why: dict[str, str] = field(default_factory=dict)

    @property
    def step(self) -> Duration:
        """How far apart the rows of a series are."""
        return _length(self.frequency, 1)

    @property
    def end(self) -> pd.Timestamp:
        """The last date to forecast."""
        if self.future is not None:
            return pd.Timestamp(self.future.table[self.date].max())
        last = pd.Timestamp(self.train.table[self.date].max())
        return self.frequency.after(last, self.frequency.number(self.horizon))


# ------------------------------------------------------------------------------------------- the files


def _open(path: Path, wishes: Wishes) -> Source:
    """A file as a table, with the reading options that it needs. Raises `DataError` for what is no table."""
    spec: dict[str, Any] = {"file": path.name}
    notes = []

    def read() -> pd.DataFrame:
        return read_table(path, Table(**spec), name=path.stem)

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
    return _with_dates(Source(path.stem, spec, table, tuple(notes)), wishes)


def _with_dates(source: Source, wishes: Wishes) -> Source:
    """The source with its columns of dates read as such, and the option that this needs."""
    table, spec, notes = source.table, dict(source.spec), list(source.notes)
    dates: dict[str, Any] = {}
    for column in [c for c in table.columns if kind_of(table[c]) == "text"]:
        orders = day_orders(table[column])
        if orders:
            first = orders[0] if len(orders) == 1 else _day_first(source, column, wishes)
            spec["day_first"] = first
            notes.append(f"the {'day' if first else 'month'} comes first in {column}")
        try:
            dates[column] = to_dates(table[column], Table(**spec), source.file)
        except DataError:
            continue
    compact = [c for c in table.columns if _is_compact_date(table[c])]
    if compact and not dates and not source.dates():
        spec["date_format"] = "%Y%m%d"
        notes.append(f"dates like 20150731 in {', '.join(compact)}")
        dates = {c: pd.to_datetime(table[c].astype("str"), format="%Y%m%d").astype("datetime64[us]") for c in compact}
    return Source(source.name, spec, table.assign(**dates), tuple(notes))


def _day_first(source: Source, column: str, wishes: Wishes) -> bool:
    if wishes.day_first is not None:
        return wishes.day_first
    example = source.table[column].dropna().iloc[0]
    answer = wishes.ask(
        f"{source.file}: column {column!r}, dates like {example}", "init with", ["--day-first", "--month-first"]
    )
    return answer == "--day-first"


def _is_compact_date(column: "pd.Series[Any]") -> bool:
    if kind_of(column) != "int" or not column.between(19000101, 21001231).all():
        return False
    return bool(
        pd.to_datetime(pd.Series(column.unique()).astype("str"), format="%Y%m%d", errors="coerce").notna().all()
    )


def open_folder(directory: Path, wishes: Wishes) -> tuple[dict[str, Source], dict[str, str]]:
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
        sources[name] = Source(name, source.spec, source.table, source.notes)
    if not sources:
        raise UsageError(f"{directory}: no tables", hint=f"tables end in {', '.join(ENDINGS)}")
    return sources, others


# ------------------------------------------------------------------------------------- past and future


def _by_file(sources: dict[str, Source], file: str, option: str) -> Source:
    for source in sources.values():
        if file in (source.file, source.name):
            return source
    raise UsageError(
        f"{option} {file}: no such table", hint=f"there are: {', '.join(s.file for s in sources.values())}"
    )


def _one_of(question: str, option: str, answers: Sequence[str], wishes: Wishes, *, none: str) -> str:
    """The only answer, or the one chosen by who is asked. Raises `UsageError` where there is none."""
    if not answers:
        raise UsageError(f"{question}: {none}", hint=f"name it: {option}")
    return answers[0] if len(answers) == 1 else wishes.ask(question, option, answers)


def _is_future_of(future: Source, past: Source) -> bool:
    """Whether a table's dates are mostly later, its columns mostly those of another, and one of its numbers missing."""
    dates = [c for c in future.dates() if c in past.dates()]
    shared = [c for c in future.table.columns if c in past.table.columns]
    lacks = [c for c in past.table.columns if c not in shared and kind_of(past.table[c]) in ("int", "float")]
    later = any((future.table[d] > past.table[d].max()).mean() > 0.5 for d in dates)
    return bool(later and lacks and len(shared) >= 2 and len(shared) >= 0.6 * len(future.table.columns))


def _find_rows(sources: dict[str, Source], wishes: Wishes) -> tuple[Source, Source | None, str]:
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


def _find_date(train: Source, future: Source | None, wishes: Wishes) -> str:
    dates = [c for c in train.dates() if future is None or c in future.dates()]
    if wishes.date is not None:
        if wishes.date not in dates:
            raise UsageError(f"--date {wishes.date}: no column of dates in {train.file}", hint=f"dates: {dates}")
        return wishes.date
    spread = {c: train.table[c].nunique() for c in dates}
    complete = [c for c in dates if train.table[c].notna().all() and spread[c] > 1]
    return _one_of(f"the date of a row of {train.file}", "--date", complete, wishes, none="no column of dates")


def _find_target(train: Source, future: Source | None, date: str, wishes: Wishes) -> tuple[str, str]:
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
    named = [c for c in only if _TARGETS.search(_snake(c))]
    if len(named) == 1:
        return named[0], f"of {', '.join(only)} it has a target's name"
    answer = _one_of("the target", "--target", named or only, wishes, none=f"{train.file} has no column of numbers")
    return answer, "as you say"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", name).lower()


# ---------------------------------------------------------------------------------------------- series


def _find_series(
    train: Source, future: Source | None, date: str, target: str, wishes: Wishes
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


# ----------------------------------------------------------------------------------------------- joins


def _find_joins(found: Discovery, others: Iterable[Source]) -> None:
    """Joins every side table that has a key in the rows, in turns: one may bring the key of another."""
    waiting, moved = list(others), True
    while moved:
        moved = False
        for source in list(waiting):
            guess = _guess_join(found, source)
            if guess is None:
                continue
            join = Join(**guess.join)
            found.rows = join_table(found.rows, Side.of(guess.source.table, join), date=found.date)[0].frame()
            found.joins.append(guess)
            waiting.remove(source)
            moved = True
    for source in waiting:
        found.unjoined[source.file] = _why_unjoined(found, source.table)


def _why_unjoined(found: Discovery, side: pd.DataFrame) -> str:
    if found.target in side.columns:
        return f"it holds {found.target}"
    for column in [c for c in side.columns if c in found.rows.columns]:
        kinds = kind_of(side[column]), kind_of(found.rows[column])
        if kinds[0] != kinds[1] and "text" in kinds:
            return f"its {column} is {kinds[0]}, but {kinds[1]} in the rows: read both alike with `dtypes`"
    return "no key of it was found in the rows"


def _guess_join(found: Discovery, source: Source) -> JoinGuess | None:
    """How a side table joins the rows as they are now, if it does. One that holds the target is never joined."""
    if found.target in source.table.columns:
        return None
    source = _with_common_names(found, source)
    side, rows, date = source.table, found.rows, found.date
    shared = [c for c in side.columns if c in rows.columns and c != date and kind_of(side[c]) != "float"]
    keys = [c for c in shared if _overlap(rows[c], side[c]) >= 0.5]
    dates = source.dates()
    for size in range(1, min(len(keys), MAX_SERIES_COLUMNS) + 1):
        for on in combinations(keys, size):
            if not side.duplicated(list(on)).any():
                return _joined(found, source, {"table": source.name, "on": list(on)}, "one row for each key")
    for size in range(min(len(keys), MAX_SERIES_COLUMNS) + 1):
        for on in combinations(keys, size):
            for day in sorted(dates, key=lambda c: c != date):
                if not side.duplicated([*on, day]).any():
                    return _dated_join(found, source, list(on), day)
    return None


def _overlap(rows: "pd.Series[Any]", side: "pd.Series[Any]") -> float:
    """The share of the rows' different values that the side has too; 0 where their kinds differ."""
    if ("text" in (kind_of(rows), kind_of(side)) and kind_of(rows) != kind_of(side)) or kind_of(side) == "date":
        return 0.0
    values = pd.Series(rows.dropna().unique())
    return float(values.isin(side.dropna().unique()).mean()) if len(values) else 0.0


_KEY_WORDS = {"id", "nr", "no", "nbr", "num", "number", "code", "key", "name"}


def _related(own: str, table: str, name: str) -> bool:
    """Whether a side table's column may name the same thing as one of the rows: store_nbr, or id in stores, store."""
    words = {w.rstrip("s") for w in [*_snake(own).split("_"), *_snake(table).split("_")]} - _KEY_WORDS
    return bool(words & ({w.rstrip("s") for w in _snake(name).split("_")} - _KEY_WORDS))


def _with_common_names(found: Discovery, source: Source) -> Source:
    """The source with a key under the rows' name where the values agree but the names do not.

    Texts that agree say enough; numbers agree by chance, so their names must be related.
    """
    side, rows = source.table, found.rows
    if any(c in rows.columns and c != found.date and _overlap(rows[c], side[c]) >= 0.5 for c in side.columns):
        return source
    for own in [c for c in side.columns if kind_of(side[c]) in ("int", "text")]:
        for name in [c for c in rows.columns if c not in side.columns and kind_of(rows[c]) == kind_of(side[own])]:
            sure = kind_of(rows[name]) == "text" or (_related(own, source.name, name) and side[own].nunique() > 2)
            if sure and rows[name].nunique() > 2 and _overlap(rows[name], side[own]) >= 0.8:
                note = f"its {own} holds the values of {name}"
                return _renamed(source, {own: name}, note)
    return source


def _renamed(source: Source, names: dict[str, str], *notes: str) -> Source:
    """The source with other names for some columns."""
    if not names:
        return source
    spec = {**source.spec, "rename": {**source.spec.get("rename", {}), **names}}
    return Source(source.name, spec, source.table.rename(columns=names), (*source.notes, *notes))


def _joined(found: Discovery, source: Source, join: dict[str, Any], why: str) -> JoinGuess:
    """The guess, with other names for what would stand in the rows twice."""
    key = {*join.get("on", []), join.get("as_of")}
    twice = [c for c in source.table.columns if c in found.rows.columns and c not in key]
    return JoinGuess(_renamed(source, {c: f"{source.name}_{c}" for c in twice}), join, why)


def _planned(found: Discovery, source: Source, key: Iterable[str], day: str) -> bool:
    """Whether a dated table looks planned ahead: by its name or all its columns' names, and it covers the future."""
    columns = [c for c in source.table.columns if c not in key]
    named = _CALENDARS.search(_snake(source.name)) or all(_CALENDARS.search(_snake(c)) for c in columns)
    if not (named and columns):
        return False
    # A list of holidays need not reach the end.
    ahead = found.train.table[found.date].max() if found.future is None else found.future.table[found.date].min()
    return bool(source.table[day].max() >= (found.end if _is_regular(source.table[day]) else ahead))


def _dated_join(found: Discovery, source: Source, on: list[str], day: str) -> JoinGuess | None:
    """A join of a table with a row for each key and date: on the date itself, or as of it where the steps differ."""
    rows, side, date = found.rows, source.table, found.date
    planned = _planned(found, source, [*on, day], day)
    extra = {"known_in_advance": True} if planned else {}
    why = "its name says that it is planned ahead" if planned else "known only once the day has passed, unless you say"
    regular, measured = _is_regular(side[day]), any(_is_measured(side[c]) for c in side.columns if c not in (*on, day))
    matching = float(pd.Series(rows[date].unique()).isin(side[day].unique()).mean())
    if matching >= 0.5 or (not regular and not measured and matching > 0):
        named = _renamed(source, {day: date} if day != date else {})
        return _joined(found, named, {"table": source.name, "on": [*on, date], **extra}, f"by date; {why}")
    if side[day].max() < rows[date].min() or side[day].min() > rows[date].max():
        return None
    own = f"{source.name}_{day}" if day in rows.columns else day
    source = _renamed(source, {day: own} if own != day else {})
    as_of = {"table": source.name, **({"on": on} if on else {}), "as_of": own}
    if not regular:
        lag = Duration(0 if planned else 1, "d")
        return _joined(found, source, {**as_of, "lag": str(lag), **extra}, f"the last row dated {lag} before; {why}")
    step = _complete_after(side[day])
    as_of |= {"lag": str(step), "max_age": str(Duration(3 * step.count, step.unit))}
    return _joined(found, source, {**as_of, **extra}, f"the last row dated {step} before, complete by then; {why}")


def _is_regular(dates: "pd.Series[Any]") -> bool:
    """Whether most neighbouring dates are one step apart, as in a weekly table; not so in a list of holidays."""
    gaps = np.diff(np.sort(dates.dropna().unique()))
    return len(gaps) > 3 and bool((gaps == gaps.min()).mean() >= 0.8)


def _is_measured(column: "pd.Series[Any]") -> bool:
    """Whether a column holds amounts rather than names or flags."""
    return kind_of(column) in ("int", "float") and column.nunique() > 2


def _complete_after(dates: "pd.Series[Any]") -> Duration:
    """How long after its date a row of a regular table is surely complete: a step, of months the longest."""
    frequency = Frequency.of(dates.dropna())
    return Duration(31 * frequency.count, "d") if frequency.unit == "mo" else _length(frequency, 1)


def _length(frequency: Frequency, n: int) -> Duration:
    """n steps, in the unit of one."""
    if frequency.unit == "mo":
        return Duration(n * frequency.count, "mo")
    step = duration_of(pd.Timedelta(frequency.count, unit="s"))
    return Duration(n * step.count, step.unit)


def duration_of(length: pd.Timedelta) -> Duration:
    """A length in the largest unit that divides it; days at least where it is not below one."""
    seconds = int(length.total_seconds())
    if seconds % (7 * 86400) == 0:
        return Duration(seconds // (7 * 86400), "w")
    if seconds % 86400 == 0:
        return Duration(seconds // 86400, "d")
    return Duration(max(1, seconds // 3600), "h")


# --------------------------------------------------------------------------------------------- columns


def is_binary(column: "pd.Series[Any]") -> bool:
    """Whether a column holds 0 and 1 only, both."""
    return kind_of(column) == "bool" or (
        kind_of(column) in ("int", "float") and {*pd.unique(column.dropna()).tolist()} == {0, 1}
    )


def _find_roles(found: Discovery) -> None:
    """Which columns are an id, static, known in advance, past only."""
    train, date = found.train.table, found.date
    future = found.future.table if found.future is not None else None
    own = {*found.series, date, found.target}
    first = train.groupby(list(found.series), sort=False, observed=True)
    for column in [c for c in train.columns if c not in own]:
        in_future = future is not None and column in future.columns
        if (first[column].nunique(dropna=False) <= 1).all() and (future is None or in_future):
            found.static.append(column)
        elif in_future:
            found.known.append(column)
        elif future is None and (rule := _calendar_rule(train[column], train[date])):
            found.known.append(column)
            found.rules[column] = rule
        else:
            found.past_only.append(column)
    if future is not None:
        ids = [c for c in future.columns if c not in train.columns or _is_id(train[c])]
        unique = [c for c in ids if c not in own and _is_id(future[c])]
        found.id = unique[0] if len(unique) == 1 else None
        for name in ("known", "static"):
            setattr(found, name, [c for c in getattr(found, name) if c != found.id])
        found.ignored |= {c: "stands in the future only" for c in future.columns if c not in train.columns}
        found.ignored.pop(found.id or "", None)


def _is_id(column: "pd.Series[Any]") -> bool:
    return kind_of(column) in ("int", "text") and bool(column.is_unique and column.notna().all())


def _follows_weekday(column: "pd.Series[Any]", dates: "pd.Series[Any]") -> bool:
    """Whether a column names the day of the week: another value on each of the seven days."""
    days = dates.dt.day_of_week
    if days.nunique() < 7 or column.isna().any() or column.nunique() != 7:
        return False
    return len(pd.DataFrame({"a": column, "b": days}).drop_duplicates()) == 7


def _calendar_rule(column: "pd.Series[Any]", dates: "pd.Series[Any]") -> dict[str, Any] | None:
    """The forecast rule of a column that is a part of the date, shifted by a number or under names of its own."""
    if kind_of(column) == "int" and column.notna().all() and column.nunique() > 1:
        parts = date_parts(dates, "", time=True)
        for part in ("Year", "Month", "Week", "Day", "Dayofweek", "Dayofyear", "Hour"):
            shift = int(column.iloc[0]) - int(parts[part].iloc[0])
            sure = column.nunique() > 2 or shift == 0
            if sure and (column.to_numpy() - parts[part].to_numpy() == shift).all():
                return {"calendar": part, **({"plus": shift} if shift else {})}
    return {"repeat": "1w"} if _follows_weekday(column, dates) else None


def rule_candidates(found: Discovery) -> dict[str, Any]:
    """Columns that may be known in advance though no table says so → a forecast rule that may be right for them."""
    rules: dict[str, Any] = {}
    for column in found.past_only if found.future is None else []:
        values = found.train.table[column]
        usual = usual_level(values)
        if is_binary(values):
            mostly = bool(values.mean() > 0.5)
            usually = mostly if kind_of(values) == "bool" else int(mostly)
            weekly = mostly and found.frequency.seconds < WEEK  # such as open
            rules[column] = {"repeat": "1w"} if weekly else {"constant": usually}
        elif usual:
            rules[column] = {"constant": usual}
        elif _CALENDARS.search(_snake(column)):
            rules[column] = "last"
    return rules


def weekday_column(found: Discovery) -> str | None:
    """The column known in advance that names the day of the week, if there is one."""
    rows = found.rows
    return next((c for c in found.known if _follows_weekday(rows[c], rows[found.date])), None)


def closed_column(found: Discovery) -> str | None:
    """The 0/1 column known in advance without which nothing is sold: the target is 0 wherever it is."""
    target = found.rows[found.target].to_numpy()
    for column in [c for c in found.known if is_binary(found.rows[c])]:
        off = (found.rows[column] == 0).to_numpy()
        if off.any() and (target[off] == 0).all() and (target[~off] != 0).any():
            return column
    return None


def usual_level(column: "pd.Series[Any]") -> str | None:
    """The level of a text column that stands for an ordinary day, 80 % of the rows at least; "" for missing."""
    shares = column.value_counts(normalize=True, dropna=False)
    top = shares.index[0]
    if kind_of(column) != "text" or shares.iloc[0] < 0.8 or len(shares) < 2:
        return None
    return "" if pd.isna(top) else str(top)


def effect_sizes(found: Discovery, columns: Sequence[str]) -> dict[str, float]:
    """How much the log target differs with each 0/1 column, within series and days of the week."""
    rows = found.rows
    positive: BoolArray = (rows[found.target] > 0).to_numpy()
    part = rows.loc[positive, [*found.series, *columns]].assign(
        weekday=rows.loc[positive, found.date].dt.day_of_week, y=np.log(rows.loc[positive, found.target])
    )
    sizes = {}
    for column in columns:
        groups = part.groupby([*found.series, "weekday"], sort=False, observed=True)
        flag = part[column].astype("float64").fillna(0.0)
        flag = flag - flag.groupby([part[c] for c in [*found.series, "weekday"]], observed=True).transform("mean")
        y = part["y"] - groups["y"].transform("mean")
        spread = float((flag * flag).sum())
        sizes[column] = abs(float((flag * y).sum()) / spread) if spread > 0 else 0.0
    return sizes


# ------------------------------------------------------------------------------------------ everything


def discover(directory: Path, wishes: Wishes) -> Discovery:
    """Looks at a folder of tables. Raises `UsageError` where something is not beyond doubt, naming the option."""
    sources, others = open_folder(directory, wishes)
    train, future, why_rows = _find_rows(sources, wishes)
    date = _find_date(train, future, wishes)
    target, why_target = _find_target(train, future, date, wishes)
    series, why_series = _find_series(train, future, date, target, wishes)
    frequency = Frequency.of(train.table[date])
    horizon = _horizon(future, date, frequency, wishes)
    found = Discovery(train, future, date, target, series, frequency, horizon, wishes.horizon is not None)
    found.why = {"rows": why_rows, "target": why_target, "series": why_series}
    found.unjoined |= others
    _find_roles(found)
    rows = train.table.drop(columns=found.id, errors="ignore") if found.id else train.table
    found.rows = rows
    sides = [s for s in sources.values() if s is not train and s is not future]
    _find_joins(found, [replace(s, name=f"{s.name}_table") if s.name in ("train", "future") else s for s in sides])
    _find_availability(found)
    return found


def _horizon(future: Source | None, date: str, frequency: Frequency, wishes: Wishes) -> Duration:
    """How far ahead: as asked, as the rows to forecast reach, or 28 days, 8 weeks, 168 hours, 3 months."""
    if wishes.horizon is not None:
        try:
            return Duration.parse(wishes.horizon)
        except ValueError as error:
            raise UsageError(f"--horizon {wishes.horizon}: {error}") from None
    if future is not None:
        ahead = future.table[date]
        return _length(frequency, int(frequency.ago(ahead, ahead.max()).max()) + 1)
    return _length(frequency, {"h": 168, "d": 28, "w": 8, "mo": 3}[_length(frequency, 1).unit])


def _find_availability(found: Discovery) -> None:
    """Column of the joined rows → static, known in advance or past only."""
    found.roles = dict.fromkeys(found.past_only, "past only")
    found.roles |= dict.fromkeys(found.known, "known in advance") | dict.fromkeys(found.static, "static")
    found.roles |= dict.fromkeys(found.series, "static") | {found.date: "known in advance"}
    for guess in found.joins:
        on = guess.join.get("on", [])
        roles = {found.roles.get(c, "past only") for c in on}
        role = next((r for r in ("past only", "known in advance", "static") if r in roles), "static")
        if "as_of" in guess.join or found.date in on:
            role = "known in advance" if guess.join.get("known_in_advance") else "past only"
        for column in guess.source.table.columns:
            if column not in (*on, guess.join.get("as_of")):
                found.roles[column] = role
