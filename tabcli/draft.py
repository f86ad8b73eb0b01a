"""What was discovered in a folder → a commented config that runs as it is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tabcli.config import inline_yaml
from tabcli.dates import date_part_names
from tabcli.discover import (
    Discovery,
    Source,
    closed_column,
    effect_sizes,
    is_binary,
    rule_candidates,
    usual_level,
    weekday_column,
)
from tabcli.preprocess import TargetTransform
from tabcli.tables import kind_of

MAX_LEVELS = 1000
"""A text column with more is left out; the series columns are not."""

MAX_CARD = 20
FEW_ZEROS = 0.01
"""So many zeros of open days are taken for errors and left out; more are sales like others."""

_MONTHS = re.compile(r"^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|1?\d)[a-z]*(,|$)", re.IGNORECASE)


def _camel(name: str) -> str:
    return "".join(w[:1].upper() + w[1:] for w in re.split(r"\W+|_", name) if w) or "Event"


@dataclass(frozen=True)
class Scale:
    """`target`: that section of the config; `metric`: what fits it; `why`: both."""

    target: dict[str, Any]
    metric: str
    why: str


@dataclass
class Draft:
    """The parts of the config that follow from the discovery. `left_out`: columns that are no inputs, and why."""

    found: Discovery
    scale: Scale
    weekday: str | None = None
    closed: str | None = None
    promo: str | None = None
    prefix: str | None = None
    parts: dict[str, str] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    spans: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurrences: dict[str, dict[str, Any]] = field(default_factory=dict)
    fourier: bool = False
    month_end: str | None = None
    categorical: dict[str, str] = field(default_factory=dict)
    continuous: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def days(self) -> float:
        """How many days the rows to learn from cover."""
        dates = self.found.rows[self.found.date]
        return float((dates.max() - dates.min()).total_seconds() - self.found.horizon.seconds) / 86400

    @property
    def learned(self) -> pd.DataFrame:
        """The rows to learn from: before the validation rows, with a target that the scale takes."""
        rows, found = self.found.rows, self.found
        early = found.frequency.ago(rows[found.date], rows[found.date].max()) >= found.frequency.number(found.horizon)
        refused = TargetTransform.refused(self.scale.target["transform"], rows[found.target].to_numpy(dtype="float64"))
        left_out = self.scale.target.get("drop_where", {})
        for column, value in left_out.items():
            refused = refused | (rows[column] == value).to_numpy()
        learned: pd.DataFrame = rows[early & ~refused]
        return learned

    @property
    def effects(self) -> list[str]:
        """The columns whose combinations have an effect of their own in each series."""
        weekday = self.weekday or self.parts["Dayofweek"]
        turn = {"h": self.parts.get("Hour"), "d": weekday}.get(self.found.step.unit)
        return [c for c in (turn, self.promo) if c]


def plan(found: Discovery) -> Draft:
    """Decides on features, roles and history."""
    closed = closed_column(found)
    draft = Draft(found, _choose_scale(found, closed), weekday_column(found), closed)
    _plan_dates(draft)
    _plan_events(draft)
    _plan_since(draft)
    _plan_inputs(draft)
    return draft


def _choose_scale(found: Discovery, closed: str | None) -> Scale:
    """The scale and the metric that take the targets as they are. Zeros of closed days are no sales."""
    target = found.rows[found.target]
    is_open = (found.rows[closed] != 0) if closed else pd.Series(True, index=target.index)
    zeros, negative = int(((target == 0) & is_open).sum()), int((target < 0).sum())
    drop = {closed: 0} if closed else {}
    if negative:
        chosen, metric = "identity", "wape"
        why = f"{negative:,} targets are below 0, which has no logarithm and no percentage error. CHECK: if they are "
        why += "corrections and not sales, transform: log1p with nonpositive: clip takes them as 0"
    elif zeros > (FEW_ZEROS * len(target) if closed else 0):
        chosen, metric = "log1p", "wape"
        why = f"{zeros:,} targets are 0, which has no logarithm and no percentage error"
    else:
        chosen, metric = "log", "rmspe"
        drop = {found.target: 0} if (target == 0).any() else {}
        why = "all targets learned from are above 0, so errors count in percent"
        why += f"; {zeros:,} of open days are 0 and left out" if zeros else ""
    section = {"column": found.target, "transform": chosen, **({"drop_where": drop} if drop else {})}
    if missing := int(target.isna().sum()):
        section["nonpositive"] = "drop"
        why += f". CHECK: {missing:,} targets are missing and left out"
    return Scale(section, metric, why)


def _plan_dates(draft: Draft) -> None:
    found = draft.found
    hourly = found.step.unit == "h"
    names = date_part_names(found.date, None, time=hourly)
    if {*names} & {*found.rows.columns}:
        draft.prefix = f"{found.date}_"
        names = date_part_names(found.date, draft.prefix, time=hourly)
    draft.parts = {name.removeprefix(draft.prefix or ""): name for name in names}
    if draft.prefix is None:
        start = len(names[0]) - len("Year")
        draft.parts = {name[start:]: name for name in names}
    draft.fourier = draft.days > 500
    if found.step.unit == "d" and draft.days > 365 and "DaysToMonthEnd" not in found.rows.columns:
        draft.month_end = "DaysToMonthEnd"


def _plan_events(draft: Draft) -> None:
    """An event for each 0/1 column known in advance, and each text column with an ordinary level."""
    found, rows = draft.found, draft.found.rows
    window, cap = {"w": ("4w", "12w"), "mo": ("3mo", "12mo")}.get(found.step.unit, ("7d", "30d"))
    flags = []
    for column in [c for c, role in found.roles.items() if role == "known in advance" and c != found.date]:
        if column not in rows.columns or column == draft.weekday:
            continue
        values = rows[column]
        usual = usual_level(values) if kind_of(values) == "text" else None
        if is_binary(values):
            on, off = (True, False) if kind_of(values) == "bool" else (1, 0)
            where: dict[str, Any] = {column: off if column == draft.closed else on}
            flags += [column] if column != draft.closed else []
        elif usual is not None:
            where = {column: {"not": usual}}
        else:
            continue
        name = "Closed" if column == draft.closed else _camel(column)
        while {f"After{name}", f"{name}_bw"} & {*rows.columns} or name in draft.events:
            name += "Event"
        draft.events[name] = {"where": where, "window": window, "cap": cap}
    sizes = effect_sizes(found, flags)
    strong = [c for c in flags if sizes[c] > 0.02 and rows[c].mean() >= 0.03]
    draft.promo = max(strong, key=lambda c: sizes[c] * np.sqrt(rows[c].mean()), default=None)


def _plan_since(draft: Draft) -> None:
    """Spans from pairs of columns such as opened_year and opened_month; recurrences from lists of months."""
    rows = draft.found.rows
    for column in _possible_inputs(draft.found):
        if re.search("year", column, re.IGNORECASE) and _within(rows[column], 1900, 2200):
            for part, high, unit, cap in (("month", 12, "months", 24), ("week", 53, "weeks", 25)):
                same = re.sub("(?i)year", part, column).casefold()
                other = [c for c in rows.columns if c.casefold() == same and _within(rows[c], 1, high)]
                if other:
                    since = {"year": column, part: other[0]}
                    stem = _camel(re.sub("(?i)_?(since)?_?year", "", column))
                    draft.spans[f"{stem}{unit.capitalize()}"] = {"since": since, "unit": unit, "cap": cap}
        elif kind_of(rows[column]) == "text" and _lists_months(list(rows[column].cat.categories)):
            draft.recurrences[f"{_camel(column)}Now"] = {"months": column}


def _within(column: "pd.Series[Any]", low: int, high: int) -> bool:
    present = column.dropna()
    return kind_of(column) in ("int", "float") and len(present) > 0 and bool(present.between(low, high).all())


def _lists_months(texts: Sequence[str]) -> bool:
    words = [[w.strip() for w in t.split(",")] for t in texts]
    return any(len(w) > 1 for w in words) and all(
        _MONTHS.match(w) and (not w.isdigit() or 1 <= int(w) <= 12) for ws in words for w in ws
    )


def _possible_inputs(found: Discovery) -> list[str]:
    own = (found.date, found.target, found.id)
    return [c for c in found.rows.columns if c not in own and found.roles.get(c) != "past only"]


# ---------------------------------------------------------------------------------------------- inputs


def _plan_inputs(draft: Draft) -> None:
    """A role for every column that may be an input, with its facts."""
    found = draft.found
    rows = found.rows
    early = draft.learned
    n_series = len(rows[list(found.series)].drop_duplicates())
    for column in _possible_inputs(found):
        values = early[column]
        kind, n = kind_of(values), values.nunique()
        missing = float(values.isna().mean())
        facts = f"{n:,} value{'s' if n != 1 else ''}" + (f", {100 * missing:.0f} % missing" if missing else "")
        if reason := _why_not(values, found, n, n_series):
            draft.left_out[column] = reason
        elif column in found.series or kind in ("text", "bool") or (n <= MAX_CARD and _is_whole(values)):
            draft.categorical[column] = facts
        else:
            draft.continuous[column] = f"{values.min():g} … {values.max():g}" + (
                f", {100 * missing:.0f} % missing" if missing else ""
            )
    _plan_made_inputs(draft)


def _why_not(values: "pd.Series[Any]", found: Discovery, n: int, n_series: int) -> str | None:
    """Why a column is no input, if it is none."""
    name = str(values.name)
    if kind_of(values) == "date":
        return "a date; a span since it may help: features.spans"
    if n == 0 or (n == 1 and values.notna().all()):
        return "no value" if n == 0 else "one value only in the rows to learn from"
    if name in found.series or kind_of(values) != "text":
        return None
    if found.roles.get(name) == "static" and n_series > MAX_CARD and n >= 0.9 * n_series:
        return "another name of the series"
    return f"{n:,} different texts" if n > MAX_LEVELS else None


def _is_whole(values: "pd.Series[Any]") -> bool:
    present = values.dropna()
    return bool((present == present.round()).all())


def _plan_made_inputs(draft: Draft) -> None:
    """The features among the inputs."""
    found, parts = draft.found, draft.parts
    weekly, hourly = found.step.unit == "w", found.step.unit == "h"
    within_month = found.step.unit in ("d", "h")
    wanted = ["Day"] if within_month else []
    wanted += ["Dayofweek"] if within_month and draft.weekday is None else []
    wanted += ["Hour"] if hourly else []
    if draft.days > 365:
        wanted += ["Month", *(["Week"] if weekly else [])]
        wanted += ["Year"] if found.end.year in draft.learned[found.date].dt.year.unique() else []
        draft.continuous[parts["Dayofyear"]] = "of the date"
    draft.categorical |= dict.fromkeys((parts[p] for p in wanted), "of the date")
    draft.continuous[parts["Elapsed"]] = "of the date"
    if draft.month_end is not None:
        draft.categorical[draft.month_end] = "of the date"
    if draft.fourier:
        draft.continuous |= {f"Season_{wave}{k}": "season" for k in (1, 2, 3) for wave in ("sin", "cos")}
    for name in draft.events:
        counts = draft.continuous if hourly else draft.categorical
        counts |= dict.fromkeys((f"{name}_bw", f"{name}_fw"), "event")
        draft.continuous |= dict.fromkeys((f"After{name}", f"Before{name}"), "event")
    draft.continuous |= dict.fromkeys(draft.spans, "span")
    draft.categorical |= dict.fromkeys(draft.recurrences, "recurrence")


# ---------------------------------------------------------------------------------------------- writing


def _line(key: str, value: Any, comment: str = "", indent: int = 0) -> str:
    text = f"{' ' * indent}{inline_yaml(key)}: {inline_yaml(value)}"
    return f"{text:<60}  # {comment}" if comment else text


def _item(value: Any, comment: str = "", indent: int = 2) -> str:
    text = f"{' ' * indent}- {inline_yaml(value)}"
    return f"{text:<{60 if isinstance(value, dict) else 32}}  # {comment}" if comment else text


def write_config(draft: Draft, directory: str) -> str:
    """The commented config, YAML."""
    parts = [_head(draft, directory), _tables(draft), _keys(draft), _availability(draft), _joins(draft)]
    parts += [_features(draft), _inputs(draft), _learning(draft)]
    return "\n".join("\n".join(part) + "\n" for part in (list(p) for p in parts) if part)


def reasons(draft: Draft) -> list[str]:
    """What was guessed and why, and what to check: a line for each."""
    found = draft.found
    lines = [f"rows: {found.train.file}: {found.why['rows']}"]
    lines += [f"target {found.target}: {found.why['target']}"]
    lines += [f"series {', '.join(found.series)}: {found.why['series']}"]
    lines += [f"step {found.step}: {_why_step(found)}"]
    lines += [f"scale {draft.scale.target['transform']}, metric {draft.scale.metric.upper()}: {draft.scale.why}"]
    if draft.closed:
        lines.append(f"closed where {draft.closed} is 0: {found.target} is 0 in all such rows")
    for source in (found.train, found.future, *(g.source for g in found.joins)):
        lines += [f"{source.file}: {note}" for note in source.notes] if source else []
    lines += [
        f"{g.source.file} joined by {', '.join(g.join.get('on', []) or [g.join['as_of']])}: {g.why}"
        for g in found.joins
    ]
    lines += [f"{file} not used: {why}" for file, why in found.unjoined.items()]
    lines += [f"column {c} of the future not used: {why}" for c, why in found.ignored.items()]
    if found.future is None and found.past_only:
        lines.append(f"past only: {', '.join(found.past_only)}; move what is known for the days to forecast")
    return lines


def _why_step(found: Discovery) -> str:
    if found.step.unit == "mo":
        return f"the dates of {found.date} are all on one day of the month, or on the last"
    return f"the longest time that every distance between two dates of {found.date} is a multiple of"


def _head(draft: Draft, directory: str) -> Iterator[str]:
    yield f"# Written by `tabcli init {directory}`, to be checked: what was guessed, and why."
    yield "#"
    for reason in reasons(draft):
        yield f"#   {reason}"
    yield "#"
    yield "# configs/quickstart.yaml explains each key; `tabcli config show` prints all defaults."
    yield "format_version: 1"


def _spec(draft: Draft, source: Source) -> dict[str, Any]:
    """How to read a table; columns that are text in the past or in the future are text in both."""
    found = draft.found
    if found.future is None or source.name not in (found.train.name, found.future.name):
        return source.spec
    one, other = found.train.table, found.future.table
    mixed = [
        c for c in one.columns if c in other.columns and (kind_of(one[c]) == "text") != (kind_of(other[c]) == "text")
    ]
    return {**source.spec, **({"dtypes": dict.fromkeys(mixed, "str")} if mixed else {})}


def _tables(draft: Draft) -> Iterator[str]:
    found = draft.found
    yield "tables:"
    for name, source in (("train", found.train), ("future", found.future)):
        if source is not None:
            yield _line(name, _spec(draft, source), f"{len(source.table):,} rows", 2)
    for guess in found.joins:
        yield _line(guess.source.name, guess.source.spec, f"{len(guess.source.table):,} rows", 2)
    for file, why in found.unjoined.items():
        yield f"  # {file} is not used: {why}"


def _keys(draft: Draft) -> Iterator[str]:
    found = draft.found
    rows = found.rows
    n_series = len(rows[list(found.series)].drop_duplicates())
    first, last = (rows[found.date].agg(f) for f in ("min", "max"))
    yield _line("series", list(found.series), f"{n_series:,} series; {found.why['series']}")
    yield _line("date", found.date, f"{first.date()} … {last.date()}, a row each {found.step}")
    if found.id is not None:
        yield _line("id", found.id, "names the rows of the forecast")
    yield f"# {found.why['target']}; {draft.scale.why}."
    yield _line("target", draft.scale.target)
    yield _line("metric", draft.scale.metric)
    yield from _forecast(draft)


def _forecast(draft: Draft) -> Iterator[str]:
    """Rules for the rows to forecast; where no table has these rows, what their columns will be."""
    found = draft.found
    zero: dict[str, Any] = {"fill": {draft.closed: 1}} if draft.closed and _gaps(found, draft.closed) else {}
    zero |= {"zero_where": {draft.closed: 0}} if draft.closed else {}
    candidates = rule_candidates(found)
    if zero and not (found.rules or candidates):
        yield _line("forecast", zero, f"0 wherever {draft.closed} is, as ever")
        return
    off = "" if found.rules or zero else "# "
    if off and not candidates:
        return
    yield f"{off}forecast:"
    yield from (_line(key, value, indent=2) for key, value in zero.items())
    yield f"{'' if found.rules else '# '}  rules:"
    yield from (_line(column, rule, "follows from the date", 4) for column, rule in found.rules.items())
    if candidates:
        yield "    # CHECK: what you will know of the days to forecast; take away the #, and move these from past_only"
        yield "    # to known_in_advance below."
        yield from (f"    # {inline_yaml(column)}: {inline_yaml(rule)}" for column, rule in candidates.items())


def _gaps(found: Discovery, column: str) -> bool:
    """Whether rows to forecast have no value of a column."""
    return found.future is not None and bool(found.future.table[column].isna().any())


def _availability(draft: Draft) -> Iterator[str]:
    found = draft.found
    comments = {
        "known_in_advance": "stand in the rows to forecast" if found.future else "follow from the date",
        "past_only": "do not, and never become inputs of their own day"
        if found.future
        else "not known to be known: CHECK, and move what is",
        "static": "one value for each series",
    }
    values = {"known_in_advance": found.known, "past_only": found.past_only, "static": found.static}
    if any(values.values()):
        yield "availability:"
    for key, columns in values.items():
        if columns:
            yield _line(key, columns, comments[key], 2)


def _joins(draft: Draft) -> Iterator[str]:
    if draft.found.joins:
        yield "joins:"
    for guess in draft.found.joins:
        yield f"  # {guess.source.name}: {guess.why}"
        yield _item(guess.join)


def _features(draft: Draft) -> Iterator[str]:
    found = draft.found
    yield "features:"
    part: dict[str, Any] = {"column": found.date}
    part |= {"prefix": draft.prefix} if draft.prefix is not None else {}
    part |= {"time": True} if found.step.unit == "h" else {}
    yield _line("date_parts", [found.date if len(part) == 1 else part], indent=2)
    if draft.fourier:
        yield _line("fourier", {"Season": {"date": found.date, "period": 365.25, "order": 3}}, indent=2)
    if draft.month_end is not None:
        yield _line("to_month_end", {draft.month_end: {"date": found.date}}, "around it wages are paid", indent=2)
    for key, features in (("events", draft.events), ("spans", draft.spans), ("recurrences", draft.recurrences)):
        if features:
            yield f"  {key}:"
            yield from (_line(name, value, indent=4) for name, value in features.items())
    history: dict[str, Any] = {"effects": draft.effects}
    others = [c for c in found.past_only if c in found.rows.columns and _is_measure(found.rows[c])]
    history |= {"columns": others} if others else {}
    yield ""
    yield "# The past of the target itself, as old in training as it will be in a forecast."
    yield _line("history", history, f"{draft.promo} moves {found.target} most" if draft.promo else "")


def _is_measure(column: "pd.Series[Any]") -> bool:
    """Whether a column's logs can tell of its level: numbers, positive in most rows."""
    return kind_of(column) in ("int", "float") and bool(column.min() >= 0) and bool((column > 0).mean() > 0.5)


def _inputs(draft: Draft) -> Iterator[str]:
    for role, columns in (("categorical", draft.categorical), ("continuous", draft.continuous)):
        yield f"{role}:"
        yield from (_item(name, facts) for name, facts in columns.items())
    if draft.left_out:
        yield "# No inputs:"
        yield from (f"#   {name}: {why}" for name, why in draft.left_out.items())


def _learning(draft: Draft) -> Iterator[str]:
    found = draft.found
    by = [*found.series, *draft.effects]
    by += [draft.weekday or draft.parts["Dayofweek"]] if found.step.unit == "h" else []
    by += [draft.parts["Month"]] if found.step.unit == "mo" else []
    yield _line("baseline", by, "a forecast must beat the median of these")
    if found.future is not None and not found.horizon_given:
        yield _line("validation", {"last": "future"}, f"as long as the rows to forecast, {found.horizon}")
    else:
        why = "as you say" if found.horizon_given else "CHECK: as far ahead as forecasts are needed"
        yield _line("validation", {"last": str(found.horizon)}, why)
    if found.step.unit == "w":  # measured on weekly tables: docs/results.md
        yield _line("model", {"history": "base"}, "learns what is added to the series' own level")
    n = len(found.rows)
    batch = 64 if n < 20_000 else 256 if n < 500_000 else 512
    epochs = int(np.clip(round(6000 * batch / max(n, 1)), 5, 30))
    yield _line("train", {"epochs": epochs, "batch_size": batch}, f"about {epochs * n // batch:,} steps")
