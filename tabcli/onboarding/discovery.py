"""A folder of tables → what each is, and which columns play which part in a forecast. Says why; never guesses silently.

Where two answers are equally good a person is asked, or a `UsageError` names the option that decides. The order of the
questions: which files are tables, how each is written, which rows are the past and which the future, the date, the
target, the series, the joins; then what each column is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray
from tabcli.config.values import Duration, Scalar
from tabcli.errors import UsageError
from tabcli.features.availability import availability_of_join
from tabcli.features.frequency import WEEK, Frequency
from tabcli.onboarding.columns import CALENDARS, by_series, is_flag, is_row_number, part_of_date, snake_case
from tabcli.onboarding.findings import Discovery, FolderTable, InitHints, Part, length_of_time
from tabcli.onboarding.folder import UNREAD, open_folder
from tabcli.onboarding.joins import find_joins
from tabcli.onboarding.layout import added_up, made_long, numbered_steps
from tabcli.onboarding.rows import find_date, find_rows, is_empty_ahead, with_remark
from tabcli.onboarding.series import find_series, parts_of_sum_columns
from tabcli.onboarding.steps import frequency_of
from tabcli.onboarding.targets import find_target
from tabcli.tables.kinds import Kind, is_text, is_whole
from tabcli.tables.rows import check_complete

MAX_FLAG_VALUES, FEWEST_CLOSED = 5, 2

_OPENINGS = re.compile(r"open|clos|function|activ|operat|geoeffnet|offen|working")


def _find_roles(found: Discovery) -> None:
    """Which columns are an id, static, known in advance, past only."""
    train, date = found.train.table, found.date
    future = found.future.table if found.future is not None else None
    own = {*found.series, date, found.target}
    first = by_series(train, found.series)
    for column in [c for c in train.columns if c not in own]:
        in_future = future is not None and column in future.columns
        if future is not None and in_future and is_empty_ahead(future, train, column):
            in_future = False
            found.ignored[column] = "no row of it holds a value"
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
        found.ignored.pop(found.target, None)
        found.ignored |= {c: "stands in the future only" for c in future.columns if c not in train.columns}
        found.ignored.pop(found.id or "", None)


def _is_id(column: pd.Series) -> bool:
    return (is_whole(column) or is_text(column)) and bool(column.is_unique and column.notna().all())


def _follows_weekday(column: pd.Series, dates: pd.Series) -> bool:
    """Whether a column names the day of the week: another value on each of the seven days."""
    days = dates.dt.day_of_week
    if days.nunique() < 7 or column.isna().any() or column.nunique() != 7:
        return False
    return len(pd.DataFrame({"a": column, "b": days}).drop_duplicates()) == 7


def _calendar_rule(column: pd.Series, dates: pd.Series) -> Part | None:
    """The forecast rule of a column that is a part of the date, shifted by a number or under names of its own."""
    if is_row_number(column):
        return None
    if found := part_of_date(column, dates):
        part, shift = found
        return {"calendar": part, **({"plus": shift} if shift else {})}
    return {"repeat": "1w"} if _follows_weekday(column, dates) else None


def rule_candidates(found: Discovery) -> dict[str, Part | str]:
    """Columns that may be known in advance though no table says so → a forecast rule that may be right for them."""
    rules: dict[str, Part | str] = {}
    for column in found.past_only if found.future is None else []:
        values = found.train.table[column]
        usual = usual_level(values)
        if is_flag(values):
            mostly = bool(values.mean() > 0.5)
            usually = mostly if found.train.kinds[column] == "bool" else int(mostly)
            weekly = mostly and found.frequency.seconds < WEEK  # such as open
            rules[column] = {"repeat": "1w"} if weekly else {"constant": usually}
        elif usual:
            rules[column] = {"constant": usual}
        elif CALENDARS.search(snake_case(column)):
            rules[column] = "last"
    return rules


def weekday_column(found: Discovery) -> str | None:
    """The column known in advance that names the day of the week, if there is one."""
    rows = found.rows
    return next((c for c in found.known if _follows_weekday(rows[c], rows[found.date])), None)


@dataclass(frozen=True)
class Closed:
    """A column that tells when nothing can be sold: the target is 0 wherever it is `value`; `open` is its usual one."""

    column: str
    value: Scalar
    open: Scalar
    known: bool


def closed_column(found: Discovery) -> Closed | None:
    """The column of few values with one that always goes with a target of 0; columns known in advance come first."""
    target, kinds = found.rows[found.target].to_numpy(), found.kinds
    others = [c for c in found.past_only if c in kinds and _tells_opening(c, kinds[c])]
    for column in [*found.known, *others]:
        values = found.rows[column]
        if values.nunique() > MAX_FLAG_VALUES or kinds[column] == "date":
            continue
        for value in values.dropna().unique():
            off = (values == value).to_numpy()
            if (target[off] == 0).all() and (target[~off] != 0).mean() > 0.5 and off.sum() >= FEWEST_CLOSED:
                usual = values[~off].mode()
                return Closed(column, _plain(value), _plain(usual.iloc[0]), column in found.known)
    return None


def _tells_opening(column: str, kind: Kind) -> bool:
    """Whether a past-only column may tell that a series was closed, and not merely that it sold nothing."""
    return kind in ("text", "bool") or bool(_OPENINGS.search(snake_case(column)))


def _plain(value: object) -> Scalar:
    """A cell as a config has it."""
    plain: Scalar = np.asarray(value).item()
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def usual_level(column: pd.Series) -> str | None:
    """The level of a text column that stands for an ordinary day, 80 % of the rows at least; "" for missing."""
    if not is_text(column):
        return None
    shares = column.value_counts(normalize=True, dropna=False)
    top = shares.index[0]
    if shares.iloc[0] < 0.8 or len(shares) < 2:
        return None
    return "" if pd.isna(top) else str(top)


def effect_sizes(found: Discovery, columns: Sequence[str]) -> dict[str, float]:
    """How much the log target differs with each 0/1 column, within series and days of the week."""
    rows = found.rows
    positive: BoolArray = (rows[found.target] > 0).to_numpy()
    part = rows[positive]
    by = [*(part[c] for c in found.series), part[found.date].dt.day_of_week]
    y = pd.Series(np.log(part[found.target].to_numpy(dtype="float64")), index=part.index)
    y = y - y.groupby(by, sort=False, observed=True).transform("mean")
    sizes = {}
    for column in columns:
        flag = part[column].astype("float64").fillna(0.0)
        flag = flag - flag.groupby(by, observed=True).transform("mean")
        spread = float((flag * flag).sum())
        sizes[column] = abs(float((flag * y).sum()) / spread) if spread > 0 else 0.0
    return sizes


# ------------------------------------------------------------------------------------------ everything


def discover(directory: Path, hints: InitHints) -> Discovery:
    """Looks at a folder of tables. Raises `UsageError` where something is not beyond doubt, naming the option."""
    sources, others = open_folder(directory, hints)
    try:
        return _discovered(sources, others, hints)
    except UsageError as error:
        unread = {file: why for file, why in others.items() if why.startswith(UNREAD)}
        lines = [f"\n  {file} {why}" for file, why in unread.items()]
        looks = [(s.file, column, look) for s in sources.values() for column, look in s.looks.items()]
        lines += [f"\n  {f}: column {c!r} looks like {look}" for f, c, look in looks if look not in error.message]
        first = f"if {next(iter(unread))} is needed, correct it first" if unread else ""
        hint = "; ".join(part for part in (first, error.hint) if part)
        raise UsageError(f"{error.message}{''.join(lines)}", hint=hint or None) from None


def _discovered(sources: dict[str, FolderTable], others: Mapping[str, str], hints: InitHints) -> Discovery:
    sources = numbered_steps(sources, hints)
    sources = {name: made_long(source, sources, hints) for name, source in sources.items()}
    train, future, why_rows = find_rows(sources, hints)
    lookups = [s for s in sources.values() if s is not train and s is not future]
    date = find_date(train, future, hints)
    target, why_target = find_target(train, future, date, hints)
    lookups = [with_remark(s, train, date, target) for s in lookups]
    series, why_series = find_series(train, future, date, target, hints)
    if hints.aggregate:
        train = added_up(train, date, target, series)
    check_complete(train.table, [*series, date], train.file)
    frequency, odd = frequency_of(train.table, series, date)
    horizon = _horizon(train, future, date, frequency, hints)
    found = Discovery(train, future, date, target, series, frequency, horizon, hints.horizon is not None)
    found.lines = hints.aggregate
    found.summands = parts_of_sum_columns(train.table, target)
    found.why = {"rows": why_rows, "target": why_target, "series": why_series, "step": odd}
    found.unjoined |= others
    _find_roles(found)
    rows = train.table.drop(columns=found.id, errors="ignore") if found.id else train.table
    found.rows = rows
    find_joins(found, [replace(s, name=f"{s.name}_table") if s.name in ("train", "future") else s for s in lookups])
    _find_availability(found)
    found.own_start = _ends_apart(found)
    return found


def _ends_apart(found: Discovery) -> bool:
    """Whether most series end before the others, as in a collection, and nothing goes by the calendar."""
    dated = (
        found.future is not None
        or found.rules
        or any("as_of" in g.join or found.date in g.join["on"] for g in found.joins)
    )
    if dated or len(found.series) == 0 or found.frequency.seconds < WEEK:
        return False
    ends = by_series(found.train.table, found.series)[found.date].max()
    ago = found.frequency.ago(ends, ends.max())
    return bool((ago >= found.frequency.number(found.horizon)).mean() > 0.5)


def _horizon_steps(frequency: Frequency) -> int:
    """How many steps are forecast where nobody says it: a week of hours or less, 28 days, 8 weeks, 3 months."""
    unit = length_of_time(frequency, 1).unit
    return max(1, WEEK // frequency.seconds) if unit in ("s", "min") else {"h": 168, "d": 28, "w": 8, "mo": 3}[unit]


def _horizon(
    train: FolderTable, future: FolderTable | None, date: str, frequency: Frequency, hints: InitHints
) -> Duration:
    """How far ahead: as asked, as the rows to forecast reach, or 28 days, 8 weeks, 168 hours, 3 months.

    A quarter of the past at most.
    """
    if hints.horizon is not None:
        try:
            horizon = Duration.parse(hints.horizon)
        except ValueError as error:
            raise UsageError(f"--horizon {hints.horizon}: {error}") from None
        if horizon.count == 0:
            raise UsageError(f"--horizon {hints.horizon}: expected a length of one step or more, such as 4w")
        return horizon
    if future is not None:
        ahead = future.table[date]
        return length_of_time(frequency, int(frequency.ago(ahead, ahead.max()).max()) + 1)
    longest = max(1, _length(train, date, frequency) // 4)
    return length_of_time(frequency, min(_horizon_steps(frequency), longest))


def _length(train: FolderTable, date: str, frequency: Frequency) -> int:
    """How many steps the past covers."""
    dates = train.table[date]
    return int(frequency.ago(dates, dates.max()).max()) + 1


def _find_availability(found: Discovery) -> None:
    """Column of the joined rows → static, known in advance or past only."""
    found.availability = dict.fromkeys(found.past_only, "past only")
    found.availability |= dict.fromkeys([*found.known, found.date], "known in advance")
    found.availability |= dict.fromkeys([*found.static, *found.series], "static")
    for guess in found.joins:
        on = guess.join.get("on", [])
        of_join = availability_of_join(
            (found.availability.get(c, "past only") for c in on),
            dated="as_of" in guess.join or found.date in on,
            in_advance=bool(guess.join.get("known_in_advance")),
        )
        for column in guess.source.table.columns:
            if column not in (*on, guess.join.get("as_of")):
                found.availability[column] = of_join
