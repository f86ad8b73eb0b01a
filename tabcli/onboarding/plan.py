"""What was discovered → which features and inputs a config proposes, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd

from tabcli.config.values import Metric, Scalar, Transform
from tabcli.evaluation.naive import SEASON, Label, group_medians, with_season
from tabcli.features.dates import date_part_names
from tabcli.onboarding.columns import by_series, is_flag, is_logarithm, is_row_number, part_of_date
from tabcli.onboarding.discovery import Closed, closed_column, effect_sizes, usual_level, weekday_column
from tabcli.onboarding.findings import Discovery, Part
from tabcli.onboarding.steps import gaps_of
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.kinds import is_number

MAX_LEVELS = 1000
"""A text column with more is left out; the series columns are not."""

MAX_CARD = 20

FEW_ZEROS = 0.01
"""So many zeros of open days are taken for errors and left out; more are sales like others."""

MOSTLY = 0.5
"""A share of zeros above which the median, which absolute errors ask for, is 0."""

TOLD_BY_MONTHS = 730
"""Days of hourly rows from which on the day of the month is an input: in fewer months its 24 rows name single dates."""

SMALL_ERRORS = 0.35
N_WINDOWS = 4

LASTING = 0.1
"""A flag that is set in fewer rows tells of events, though each series may have one only."""

_MONTHS = re.compile(r"^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|1?\d)[a-z]*(,|$)", re.IGNORECASE)


def _camel(name: str) -> str:
    return "".join(w[:1].upper() + w[1:] for w in re.split(r"\W+|_", name) if w) or "Event"


class TargetPart(TypedDict):
    """The target, as in a config."""

    column: str
    transform: Transform
    drop_where: NotRequired[dict[str, Scalar]]
    nonpositive: NotRequired[str]
    no_row: NotRequired[str]


@dataclass(frozen=True)
class Scale:
    """`target`: that section of the config; `metric`: what fits it; `why`: both."""

    target: TargetPart
    metric: Metric
    why: str


@dataclass
class Draft:
    """The parts of the config that follow from the discovery. `left_out`: columns that are no inputs, and why."""

    found: Discovery
    scale: Scale
    weekday: str | None = None
    closed: Closed | None = None
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
    _choose_metric(draft)
    _plan_since(draft)
    _plan_inputs(draft)
    return draft


def _choose_scale(found: Discovery, closed: Closed | None) -> Scale:
    """The scale that takes the targets as they are, and the metric. Zeros of closed days are no sales."""
    target = found.rows[found.target]
    is_open = (found.rows[closed.column] != closed.value) if closed else pd.Series(True, index=target.index)
    zeros, negative = int(((target == 0) & is_open).sum()), int((target < 0).sum())
    n = int(is_open.sum())
    if found.lines:  # a day without a line is one on which nothing was sold
        none_sold = gaps_of(found.train.table, found.series, found.date, found.frequency).on_dates
        zeros, n = zeros + none_sold, n + none_sold
    drop = {closed.column: closed.value} if closed else {}
    chosen: Transform
    metric: Metric
    if is_logarithm(target):
        chosen, metric = "identity", "rmse"
        why = f"{found.target} holds logarithms, by its name, which are learned as they are. CHECK: forecasts are "
        why += "logarithms too, and so are their errors; sums of them say nothing"
    elif zeros > MOSTLY * n:
        chosen, metric = "identity", "rmse"
        why = f"{100 * zeros / n:.0f} % of the targets are 0, so that the best forecast by absolute or "
        why += "percentage errors would be 0: squared errors make it a mean, and sums of it can be ordered by"
    elif negative:
        chosen, metric = "identity", "wape"
        why = f"{negative:,} targets are below 0, which has no logarithm and no percentage error. CHECK: if they are "
        why += "corrections and not sales, transform: log1p with nonpositive: clip takes them as 0"
    elif zeros > (FEW_ZEROS * len(target) if closed else 0):
        chosen, metric = "log1p", "wape"
        why = f"{zeros:,} targets are 0, which has no logarithm and no percentage error"
    else:
        chosen, metric = "log", "rmspe"
        drop = {found.target: 0} if (target == 0).any() and (closed is None or closed.known) else drop
        why = "all targets learned from are above 0"
        why += f"; {zeros:,} of open days are 0 and left out" if zeros else ""
    section: TargetPart = {"column": found.target, "transform": chosen}
    if drop:
        section["drop_where"] = drop
    if missing := int(target.isna().sum()):
        section["nonpositive"] = "drop"
        why += f". CHECK: {missing:,} targets are missing and left out"
    if found.lines:
        section["no_row"] = "zero"
        why += ". CHECK: a day without a line of sale is one on which 0 were sold: no_row"
    return Scale(section, metric, why)


def _choose_metric(draft: Draft) -> None:
    """RMSPE counts errors in percent where these are small; else a few low targets would decide, and WAPE is taken."""
    if draft.scale.metric != "rmspe":
        return
    spread = _median_errors(draft)
    small = spread is not None and spread < SMALL_ERRORS
    shown = "unknown" if spread is None else f"{spread:.2f}"
    why = f"the logs of a median's errors have a standard deviation of {shown}"
    why = f"{why}, so errors count in percent" if small else f"{why}, too much for errors in percent"
    draft.scale = replace(draft.scale, metric="rmspe" if small else "wape", why=f"{draft.scale.why}; {why}")


def _median_errors(draft: Draft) -> float | None:
    """The standard deviation from 0 of log target less log median of like rows, in the last windows of the past.

    Each window is as long as the forecast, and its medians are those of the rows before it: one quiet window would not
    tell of the months in which a few low targets would decide.
    """
    found, name = draft.found, draft.found.target
    rows = with_season(found.rows[(found.rows[name] > 0).to_numpy()], found.date, found.frequency)
    ago, length = (
        found.frequency.ago(rows[found.date], found.rows[found.date].max()),
        found.frequency.number(found.horizon),
    )
    by: list[Label] = [*found.series, SEASON, *([draft.promo] if draft.promo else [])]
    errors = []
    for k in range(N_WINDOWS):
        late, before = (ago >= k * length) & (ago < (k + 1) * length), ago >= (k + 1) * length
        if late.any() and before.sum() >= 2 * late.sum():
            known, actual = (rows.loc[part, name].to_numpy(dtype="float64") for part in (before, late))
            median = group_medians(rows[before], known, rows[late], by)
            errors.append(np.log(actual) - np.log(np.maximum(median, 1e-9)))
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2))) if errors else None


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
    found, rows, closed, kinds = draft.found, draft.found.rows, draft.closed, draft.found.kinds
    window, cap = {"w": ("4w", "12w"), "mo": ("3mo", "12mo")}.get(found.step.unit, ("7d", "30d"))
    flags = []
    for column in [c for c, when in found.availability.items() if when == "known in advance" and c != found.date]:
        if column not in rows.columns or column == draft.weekday:
            continue
        values = rows[column]
        usual = usual_level(values)
        shut = closed is not None and column == closed.column
        if closed is not None and shut:
            where: Part = {column: closed.value}
        elif is_flag(values):
            if _tells_a_state(rows, column, found):
                continue
            where = {column: True if kinds[column] == "bool" else 1}
            flags.append(column)
        elif usual is not None:
            where = {column: {"not": usual}}
        elif values.nunique() == 1 and values.isna().mean() >= 0.5:  # a list of dates: there, or not
            where = {column: int(values.dropna().iloc[0])} if kinds[column] == "float" else {column: {"not": ""}}
        else:
            continue
        name = "Closed" if shut else _camel(column)
        while {f"After{name}", f"{name}_bw"} & {*rows.columns} or name in draft.events:
            name += "Event"
        draft.events[name] = {"where": where, "window": window, "cap": cap}
    sizes = effect_sizes(found, flags)
    strong = [c for c in flags if sizes[c] > 0.02 and rows[c].mean() >= 0.03]
    draft.promo = max(strong, key=lambda c: sizes[c] * np.sqrt(rows[c].mean()), default=None)


def _tells_a_state(rows: pd.DataFrame, column: str, found: Discovery) -> bool:
    """Whether a flag changes once at most in each series, as the year does: a state since then, and no event."""
    if rows[column].mean() < LASTING:
        return False
    in_order = rows.sort_values(found.date, kind="stable")
    flags = in_order[column].fillna(0).astype("int8")
    changed = by_series(in_order.assign(**{column: flags}), found.series)[column].diff().abs() > 0
    return bool((by_series(in_order.assign(changed=changed), found.series)["changed"].sum() <= 1).all())


def _plan_since(draft: Draft) -> None:
    """Spans from pairs of columns such as opened_year and opened_month; recurrences from lists of months."""
    rows, texts = draft.found.rows, draft.found.kinds.only("text")
    for column in _possible_inputs(draft.found):
        if re.search("year", column, re.IGNORECASE) and _within(rows[column], 1900, 2200):
            for part, high, unit, cap in (("month", 12, "months", 24), ("week", 53, "weeks", 25)):
                same = re.sub("(?i)year", part, column).casefold()
                other = [c for c in rows.columns if c.casefold() == same and _within(rows[c], 1, high)]
                if other:
                    since = {"year": column, part: other[0]}
                    stem = _camel(re.sub("(?i)_?(since)?_?year", "", column))
                    draft.spans[f"{stem}{unit.capitalize()}"] = {"since": since, "unit": unit, "cap": cap}
        elif column in texts and _lists_months(list(rows[column].cat.categories)):
            draft.recurrences[f"{_camel(column)}Now"] = {"months": column}


def _within(column: pd.Series, low: int, high: int) -> bool:
    present = column.dropna()
    return is_number(column) and len(present) > 0 and bool(present.between(low, high).all())


def _lists_months(texts: Sequence[str]) -> bool:
    words = [[w.strip() for w in t.split(",")] for t in texts]
    return any(len(w) > 1 for w in words) and all(
        _MONTHS.match(w) and (not w.isdigit() or 1 <= int(w) <= 12) for ws in words for w in ws
    )


def _possible_inputs(found: Discovery) -> list[str]:
    own = (found.date, found.target, found.id)
    return [c for c in found.rows.columns if c not in own and found.availability.get(c) != "past only"]


# ---------------------------------------------------------------------------------------------- inputs


def _plan_inputs(draft: Draft) -> None:
    """A role for every column that may be an input, with its facts."""
    found = draft.found
    rows, kinds = found.rows, found.kinds
    early = draft.learned
    n_series = by_series(rows, found.series).ngroups
    for column in _possible_inputs(found):
        values = early[column]
        n = values.nunique()
        missing = float(values.isna().mean())
        facts = f"{n:,} value{'s' if n != 1 else ''}" + (f", {100 * missing:.0f} % missing" if missing else "")
        if reason := _why_not(values, found, n, n_series):
            draft.left_out[column] = reason
        elif column in found.series or kinds[column] in ("text", "bool") or (n <= MAX_CARD and _is_whole(values)):
            draft.categorical[column] = facts
        else:
            draft.continuous[column] = f"{values.min():g} … {values.max():g}" + (
                f", {100 * missing:.0f} % missing" if missing else ""
            )
    _plan_made_inputs(draft)


def _why_not(values: pd.Series, found: Discovery, n: int, n_series: int) -> str | None:
    """Why a column is not an input; None for an input."""
    name = str(values.name)
    kind = found.kinds[name]
    if name not in found.series and is_row_number(found.rows[name]):
        return "a number of the row, which tells nothing of other rows"
    if n > 1 and _leaves_years(values, found):
        return f"a year, and {found.end.year} is none that was learned from"
    if kind == "date":
        return "a date; a span since it may help: features.spans"
    if n == 0 or (n == 1 and values.notna().all()):
        return "no value" if n == 0 else "one value only in the rows to learn from"
    if name in found.series or kind != "text":
        return None
    if found.availability.get(name) == "static" and n_series > MAX_CARD and n >= 0.9 * n_series:
        return "another name of the series"
    return f"{n:,} different texts" if n > MAX_LEVELS else None


def _leaves_years(values: pd.Series, found: Discovery) -> bool:
    """Whether a column is the date's year, and the forecast reaches a year that was not learned from."""
    if found.end.year in {*found.rows[found.date].loc[values.index].dt.year.unique()}:
        return False
    part = part_of_date(found.rows[str(values.name)], found.rows[found.date])
    return part is not None and part[0] == "Year"


def _is_whole(values: pd.Series) -> bool:
    present = values.dropna()
    return bool((present == present.round()).all())


def _plan_made_inputs(draft: Draft) -> None:
    """The features among the inputs."""
    found, parts = draft.found, draft.parts
    weekly, hourly = found.step.unit == "w", found.step.unit == "h"
    within_month = found.step.unit in ("d", "h")
    wanted = ["Day"] if within_month and (not hourly or draft.days > TOLD_BY_MONTHS) else []
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
