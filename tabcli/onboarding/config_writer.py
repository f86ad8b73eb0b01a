"""A plan → a commented config."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tabcli.config.yaml12 import inline_yaml
from tabcli.features.frequency import WEEK
from tabcli.onboarding.columns import FEW_CODES, by_series, is_measured, is_row_number, part_of_date, runs_with
from tabcli.onboarding.discovery import rule_candidates
from tabcli.onboarding.findings import Discovery, FolderTable, Part, Spec, length_of_time
from tabcli.onboarding.plan import Draft
from tabcli.onboarding.quiet import quiet_dates
from tabcli.onboarding.steps import closed_weekdays, gaps_of
from tabcli.tables.kinds import is_whole
from tabcli.target_history.windows import suited_windows

BATCHES = ((1000, 16), (5000, 32), (20_000, 64), (500_000, 256))
"""Below so many rows a batch has so many."""

MANY = 20_000
"""From so many rows on a network takes a minute, from ten times as many on several: fewer are trained."""

FEW_GAPS = 0.02

# ---------------------------------------------------------------------------------------------- writing


def _line(key: str, value: object, comment: str = "", indent: int = 0) -> str:
    text = f"{' ' * indent}{inline_yaml(key)}: {inline_yaml(value)}"
    return f"{text:<60}  # {comment}" if comment else text


def _item(value: object, comment: str = "", indent: int = 2) -> str:
    text = f"{' ' * indent}- {inline_yaml(value)}"
    return f"{text:<{60 if isinstance(value, dict) else 32}}  # {comment}" if comment else text


def write_config(draft: Draft, directory: str) -> str:
    """The commented config, YAML."""
    parts = [_head(draft, directory), _tables(draft), _keys(draft), _availability(draft), _joins(draft)]
    parts += [_features(draft), _inputs(draft), _learning(draft)]
    return "\n".join("\n".join(map(_one_line, part)) + "\n" for part in (list(p) for p in parts) if part)


def _one_line(text: str) -> str:
    """A line as one, whatever the names in its comment hold."""
    return "\\n".join(text.splitlines())


def reasons(draft: Draft) -> list[str]:
    """What was guessed and why, and what to check: a line for each."""
    found, closed = draft.found, draft.closed
    lines = [f"rows: {found.train.file}: {found.why['rows']}"]
    lines += [f"target {found.target}: {found.why['target']}"]
    lines += [f"series {', '.join(found.series) or 'none'}: {found.why['series']}"]
    lines += [f"step {found.step}: {found.why['step']}"]
    lines += [f"scale {draft.scale.target['transform']}, metric {draft.scale.metric.upper()}: {draft.scale.why}"]
    if closed:
        lines.append(f"closed where {closed.column} is {closed.value}: {found.target} is 0 in all such rows")
        lines += [] if closed.known else ["CHECK: forecasts are made as if it were open; say when it will be closed"]
    if found.summands:
        lines.append(f"{' + '.join(found.summands)} = {found.target}: never inputs of their own day")
    lines += [*_told_gaps(found), *_told_quiet(draft)]
    for source in (found.train, found.future, *(g.source for g in found.joins)):
        lines += [f"{source.file}: {note}" for note in source.notes] if source else []
        lines += [f"{source.file}: column {c} looks like {look}" for c, look in source.looks.items()] if source else []
    lines += [
        f"{g.source.file} joined by {', '.join(g.join.get('on', []) or [g.join['as_of']])}: {g.why}"
        for g in found.joins
    ]
    lines += [f"{file} not used: {why}" for file, why in found.unjoined.items()]
    lines += [f"column {c} of the future not used: {why}" for c, why in found.ignored.items()]
    if found.future is None and found.past_only:
        lines.append(f"past only: {', '.join(found.past_only)}; move what is known for the days to forecast")
    return lines


def _told_gaps(found: Discovery) -> list[str]:
    """Steps without a row: how many, and what can be said of them; series that end before the others."""
    table, lines = found.train.table, []
    gaps = gaps_of(table, found.series, found.date, found.frequency)
    closed = closed_weekdays(table, found.series, found.date, found.frequency)
    if closed:
        lines.append(f"no rows on {closed}: a forecast by --horizon makes none for them either")
    if not found.lines and gaps.on_dates > FEW_GAPS * gaps.n_steps:
        lines.append(
            f"no row in {gaps.n_steps - gaps.n_rows:,} of {gaps.n_steps:,} steps, {gaps.on_dates:,} of them on dates "
            "on which others have one: taken as unknown; if no row means that 0 were sold, set target: {no_row: zero}"
        )
    if not found.series:
        return lines
    ends = by_series(table, found.series)[found.date].max()
    ago = found.frequency.ago(ends, table[found.date].max())
    if early := int((ago >= found.frequency.number(found.horizon)).sum()):
        begin = (
            f"after the last date of all, {table[found.date].max().date()}; forecast: {{ended: left_out}} makes none "
        )
        begin += "for them" + ("" if found.frequency.seconds < WEEK else ", {start: own} lets each after its own")
        if found.own_start:
            begin = "each after its own last date; {start: common} lets all begin after the last of all"
        first = f"{early:,} of {len(ends):,} series end before the others, the first on {ends.min().date()}"
        lines.append(f"{first}: forecasts begin {begin}")
    return lines


SHOWN = 5
"""So many quiet dates are named."""


def _told_quiet(draft: Draft) -> Iterator[str]:
    """Dates like public holidays, where no column known in advance tells of such: a person knows the country."""
    found = draft.found
    if draft.events or draft.closed:
        return
    quiet = quiet_dates(found.train.table, found.date, found.target, found.frequency)
    if quiet.empty:
        return
    year = quiet[quiet.index > found.train.table[found.date].max() - pd.Timedelta(365, unit="D")]
    shown = (year if len(year) else quiet).iloc[:SHOWN]
    days = pd.DatetimeIndex(shown.index).strftime("%Y-%m-%d")
    named = ", ".join(f"{day} ({-100 * share:.0f} %)" for day, share in zip(days, shown, strict=True))
    yield (
        f"CHECK: on {len(quiet):,} dates {found.target} sums to far less than on their weekday around them, such as "
        f"{named}; no column tells of them in advance. If they are public holidays, name the country: features: "
        "{holidays: {Public: {country: DE}}}, and Public among categorical (docs/tables.md)"
    )


def _head(draft: Draft, directory: str) -> Iterator[str]:
    yield f"# Written by `tabcli init {directory}`, to be checked: what was guessed, and why."
    yield "#"
    for reason in reasons(draft):
        yield f"#   {reason}"
    yield "#"
    yield "# configs/quickstart.yaml explains each key; `tabcli config show` prints all defaults."
    yield "format_version: 1"


def _spec(draft: Draft, source: FolderTable) -> Spec:
    """How to read a table; columns that are text in the past or in the future are text in both."""
    found = draft.found
    if found.future is None or source.name not in (found.train.name, found.future.name):
        return source.spec
    one, other = found.train.kinds, found.future.kinds
    mixed = [c for c in one if c in other and (one[c] == "text") != (other[c] == "text")]
    spec = source.spec.copy()
    if mixed:
        spec["dtypes"] = dict.fromkeys(mixed, "str")
    return spec


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
    n_series = by_series(rows, found.series).ngroups
    first, last = (rows[found.date].agg(f) for f in ("min", "max"))
    yield _line("series", list(found.series), f"{n_series:,} series; {found.why['series']}")
    yield _line("date", found.date, f"{first.date()} … {last.date()}, a row each {found.step}")
    if "most rows" in found.why["step"] or "one a month" in found.why["step"]:
        yield _line("frequency", str(found.step), found.why["step"])
    if found.id is not None:
        yield _line("id", found.id, "names the rows of the forecast")
    yield f"# {found.why['target']}; {draft.scale.why}."
    yield _line("target", draft.scale.target)
    yield _line("metric", draft.scale.metric)
    yield from _forecast(draft)


def _forecast(draft: Draft) -> Iterator[str]:
    """Rules for the rows to forecast; where no table has these rows, what their columns will be."""
    found = draft.found
    closed = draft.closed if draft.closed and draft.closed.known else None
    zero: Part = {"fill": {closed.column: closed.open}} if closed and _gaps(found, closed.column) else {}
    zero |= {"zero_where": {closed.column: closed.value}} if closed else {}
    zero |= {"start": "own"} if found.own_start else {}
    candidates = rule_candidates(found)
    if zero and not (found.rules or candidates):
        why = "each series after its own end" if found.own_start else "0 where nothing can be sold, as ever"
        yield _line("forecast", zero, why)
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
    part: Part = {"column": found.date}
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
    history: Part = _short_windows(found) | {"effects": draft.effects}
    others = [
        c for c in found.past_only if c in found.rows.columns and _is_measure(found.rows[c], found.rows[found.date])
    ]
    history |= {"columns": others} if others else {}
    yield ""
    yield "# The past of the target itself, as old in training as it will be in a forecast."
    yield _line("history", history, f"{draft.promo} moves {found.target} most" if draft.promo else "")


ENOUGH = 2 / 3
"""A base window may be so large a share of the steps to learn from."""


def _short_windows(found: Discovery) -> Part:
    """The lengths that a history has in a table that is too short for those that suit its steps; none in others."""
    dates, frequency = found.rows[found.date], found.frequency
    n_steps = int(frequency.ago(dates, dates.max()).max()) + 1
    n_learned = n_steps - frequency.number(found.horizon)
    base = suited_windows(frequency.seconds).base
    if max(1, round(base.seconds / frequency.seconds)) <= ENOUGH * n_learned:
        return {}
    fits = str(length_of_time(frequency, max(1, n_learned // 3)))
    return {"windows": [fits], "base": fits}


def _is_measure(column: pd.Series, dates: pd.Series) -> bool:
    """Whether a column's logs can tell of its level: amounts, positive in most rows, no numbers of rows or dates."""
    measured = is_measured(column) and not (is_whole(column) and column.nunique() <= FEW_CODES)
    positive = measured and bool(column.min() >= 0) and bool((column > 0).mean() > 0.5)
    return positive and not (is_row_number(column) or part_of_date(column, dates) or runs_with(column, dates))


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
        why = "given by --horizon" if found.horizon_given else "CHECK: as far ahead as forecasts are needed"
        yield _line("validation", {"last": str(found.horizon)}, why)
    if found.step.unit == "w":  # measured on weekly tables: docs/results.md
        yield _line("model", {"history": "base"}, "learns what is added to the series' own level")
    yield from _training(draft)


def _training(draft: Draft) -> Iterator[str]:
    """Epochs and batches by the number of steps that they make; several networks where one takes seconds.

    Of several, every other one learns what is added to a series' own level, does not know how much time has passed, and
    is trained for a quarter: it errs in other ways (docs/experiments.md, small tables of other people).
    """
    n = len(draft.found.rows)
    batch = next((size for below, size in BATCHES if n < below), 512)
    per_epoch = max(1, n // batch)
    wanted = 6000 if n >= MANY else 3000 if n >= 3000 else 2000
    epochs = int(np.clip(round(wanted / per_epoch), 5, 30 if n >= MANY else 500))
    several = {"members": 4} if n < MANY else {"members": 2} if n < 10 * MANY else {}
    settings: Part = {**several, "epochs": epochs, "batch_size": batch, "refit": True}
    settings |= {"keep": "last"}  # which epoch was best is mostly chance, and an earlier one has not cooled down
    yield _line("train", settings, f"about {epochs * per_epoch:,} steps")
    if not several:
        return
    elapsed = draft.parts.get("Elapsed")
    model: Part = {"history": "base", **({"without": [elapsed]} if elapsed in draft.continuous else {})}
    yield "# Every other network learns otherwise, and so errs otherwise."
    yield _line("variants", [{}, {"model": model, "train": {"epochs": -(-epochs // 4)}}])
    if n < MANY:
        unbiased: Part = {"metric": "wape"} if draft.scale.metric == "rmspe" else {}
        why = "past windows that are forecast, to say what to expect"
        why += "; for RMSPE sums would be too low" if unbiased else ""
        yield _line("calibration", {"windows": 3, **unbiased}, why)
