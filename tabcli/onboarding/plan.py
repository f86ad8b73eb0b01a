"""What was discovered → which features and inputs a config proposes, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tabcli.features.dates import date_part_names
from tabcli.onboarding.discovery import closed_column, effect_sizes, usual_level, weekday_column
from tabcli.onboarding.findings import Discovery, Part
from tabcli.onboarding.folder import is_binary
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.kinds import kind_of

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
    events: dict[str, Part] = field(default_factory=dict)
    spans: dict[str, Part] = field(default_factory=dict)
    recurrences: dict[str, Part] = field(default_factory=dict)
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
            where: Part = {column: off if column == draft.closed else on}
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


def _within(column: pd.Series, low: int, high: int) -> bool:
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


def _why_not(values: pd.Series, found: Discovery, n: int, n_series: int) -> str | None:
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


def _is_whole(values: pd.Series) -> bool:
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
