"""Which inputs come from one source, and so move together: by the config's keys and the columns that they read.

    store, its type, months since a rival opened     read from the series and what is joined by it   → series
    day of the week, Fourier terms, public holidays  read from the date                              → calendar
    promo, AfterPromo, BeforePromo, Promo_fw         read from a column that is known in advance     → promo
    temperature                                      read from a table that is joined by a date      → weather
    levels, spread, steps ahead                      made of the target's own past                   → history

What is read from several columns belongs to the one that varies most freely: a column known in advance before the
series, the series before the date. What two columns known in advance make is one source with both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.artifacts.contents import FittedPipeline
from tabcli.config.schema import ONE_SERIES, Config
from tabcli.features.availability import makes
from tabcli.features.events import event_feature_names, forward_names
from tabcli.preprocessing.continuous import FLAG_SUFFIX

Kind = Literal["series", "calendar", "known in advance", "joined by date", "history"]

Token = tuple[Kind, str]
"""What a column comes from: the kind of the source, and the column or the table."""

SERIES: Token = ("series", "")
CALENDAR: Token = ("calendar", "")


@dataclass(frozen=True)
class Source:
    """Inputs that move together.

    `inputs`: the networks' inputs, in their order, flags of missing values among them; of the history none, whose
    columns have no names of their own. `effects`: the columns of `history.effects` that come from this source: with it
    moves which effect of the history a row has. `parts`: each input → what it says of the source.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    columns: tuple[str, ...]
    effects: tuple[str, ...]
    parts: Mapping[str, str]


def sources_of(fitted: FittedPipeline, told: Iterable[str] = (), history: bool | None = None) -> list[Source]:
    """The sources of a pipeline's inputs; each input has exactly one, and the history comes last.

    `told`: columns known in advance that the date alone tells, such as a column with the weekday: `told_by_date`.
    `history`: whether the target's own past is a source; by default where the pipeline has a target history.
    """
    config, preprocessor = fitted.config, fitted.preprocessor
    tokens = _tokens(config, fitted.contract.tables, {*told})
    flags = {name + FLAG_SUFFIX: name for name in preprocessor.fill_missing.flagged_}
    inputs = {c: flags.get(c, c) for c in (*preprocessor.categorical, *preprocessor.continuous)}
    effects = config.history.effects if config.history is not None and fitted.grid is not None else ()
    merged = _merged([*tokens.values()])
    of_column = {c: merged[min(tokens.get(c, {("known in advance", c)}))] for c in {*inputs.values(), *effects}}
    wording, found = _parts(config), []
    names = _names(config, dict.fromkeys(of_column[c] for c in (*inputs.values(), *effects)))
    for group, name in names.items():
        own = tuple(c for c, base in inputs.items() if of_column[base] == group)
        kind = next(iter(group))[0]
        parts = {c: wording.get(inputs[c], _usual(kind, name, inputs[c], config)) for c in own}
        columns = tuple(sorted(column for of, column in group if of == "known in advance"))
        found.append(Source(name, kind, own, columns, tuple(c for c in effects if of_column[c] == group), parts))
    if fitted.grid is not None if history is None else history:
        found.append(Source(_apart(f"history of {config.target.column}", names.values()), "history", (), (), (), {}))
    return found


def _tokens(config: Config, tables: Mapping[str, Iterable[str]], told: set[str]) -> dict[str, set[Token]]:
    """Every column → what it comes from."""
    roles = config.availability
    found: dict[str, set[Token]] = {c: {SERIES} for c in (*config.series, *roles.static)}
    found |= {c: {CALENDAR} if c in told else {("known in advance", c)} for c in roles.known_in_advance}
    found[config.date] = {CALENDAR}
    for join in config.joins:
        keys = [*join.on, *([join.as_of] if join.as_of else [])]
        of_keys = _strongest(token for key in join.on for token in found.get(key, ()))
        dated = join.as_of is not None or config.date in join.on
        brought: set[Token] = {("joined by date", join.table)} if dated else of_keys
        found |= {c: brought for c in tables.get(join.table, ()) if c not in keys and c not in found}
    reads = [(r.path, r.column) for r in config.reads() if r.use == "feature"]
    for key, columns in makes(config):
        read = [c for path, c in reads if path == key or path.startswith(f"{key}.")]
        of_read = _strongest(token for c in read for token in found.get(c, {("known in advance", c)}))
        found |= dict.fromkeys(columns, of_read or {CALENDAR})
    return found


def _strongest(tokens: Iterable[Token]) -> set[Token]:
    """Of several origins those that vary most freely."""
    several = {*tokens}
    free = several - {SERIES, CALENDAR}
    return free or ({SERIES} if SERIES in several else several)


def _merged(several: Iterable[set[Token]]) -> dict[Token, frozenset[Token]]:
    """Each origin → all those that some column ties it to."""
    groups: dict[Token, frozenset[Token]] = {}
    for tied in several:
        whole = frozenset(tied).union(*(groups.get(token, frozenset()) for token in tied))
        groups |= dict.fromkeys(whole, whole)
    return groups


def _names(config: Config, groups: Iterable[frozenset[Token]]) -> dict[frozenset[Token], str]:
    """What each group of origins is called; no two alike."""
    names: dict[frozenset[Token], str] = {}
    whole = "the series" if config.series == (ONE_SERIES,) else " · ".join(config.series)
    for group in groups:
        kind = min(group)[0]
        own = {"series": whole, "calendar": "calendar"}.get(kind) or " + ".join(sorted(name for _, name in group))
        names[group] = _apart(own, names.values())
    return names


def _apart(name: str, taken: Iterable[str]) -> str:
    return _apart(f"{name} (2)", taken) if name in {*taken} else name


def _parts(config: Config) -> dict[str, str]:
    """Columns of events, spans and recurrences → what they say: what is ahead, what is behind, or their own name."""
    parts: dict[str, str] = {}
    for name in config.features.events:
        ahead = forward_names(name)
        parts |= {c: f"{'before' if c in ahead else 'after'} {name}" for c in event_feature_names(name)}
    return parts | {name: name for name in (*config.features.spans, *config.features.recurrences)}


def _usual(kind: Kind, name: str, column: str, config: Config) -> str:
    """What an input says of its source where no feature made it."""
    if kind != "series":
        return name
    return f"level of {name}" if column in config.series else f"facts of {name}"


# ------------------------------------------------------------------------------------ told by the date


def told_by_date(columns: pd.DataFrame, dates: pd.Series) -> list[str]:
    """Those columns of n rows that the date alone tells: the weekday, month, day of the month or hour, in any writing.

    A part of the date tells a column if the column has one value for each value of the part, each of which comes at
    least twice (in several weeks, years, months or days); or if it is the part in another writing. A promotion of every
    second week is told by the number of the week in one year of data, but not by any of these.
    """
    days, first = np.unique(dates.to_numpy(), return_index=True)
    if len(days) < 2:
        return []
    parts = _recurring(pd.Series(days))
    found = []
    for name in columns.columns:
        codes = pd.factorize(columns[name])[0].astype("int64")
        of_day = codes[first]
        same = bool((codes == of_day[np.searchsorted(days, dates.to_numpy())]).all())
        if same and len(np.unique(of_day)) > 1 and any(_tells(part, again, of_day) for part, again in parts):
            found.append(str(name))
    return found


def _recurring(dates: pd.Series) -> list[tuple[IntArray, IntArray]]:
    """Parts of each date, and what a value of it must come in several of, int64 (n,) each."""
    days = dates.dt
    number = days.normalize().astype("int64").to_numpy()
    year, month = days.year.to_numpy("int64"), days.month.to_numpy("int64")
    calendar = days.isocalendar()
    own_week = calendar["year"].to_numpy("int64") * 100 + calendar["week"].to_numpy("int64")
    alone = np.zeros(len(number), dtype="int64")
    return [
        (days.day_of_week.to_numpy("int64"), own_week),
        (month, year),
        (days.day.to_numpy("int64"), year * 12 + month),
        (days.hour.to_numpy("int64"), number),
        *((part, alone) for part in (year, calendar["week"].to_numpy("int64"), days.day_of_year.to_numpy("int64"))),
    ]


def _tells(part: IntArray, again: IntArray, codes: IntArray) -> bool:
    pairs = pd.DataFrame({"part": part, "code": codes, "again": again})
    n_parts, n_codes = pairs["part"].nunique(), pairs["code"].nunique()
    if len(pairs[["part", "code"]].drop_duplicates()) != n_parts:
        return False
    return n_parts == n_codes or bool((pairs.groupby("part")["again"].nunique() > 1).all())
