"""The sections of the model card on what past windows say: how they were made, results, segments, bias."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from tabcli.cards.baselines import baselines_of
from tabcli.cards.bias import LEAST, WORSE, Bias, GroupBias
from tabcli.cards.known import EVENT, NAMED, Known
from tabcli.cards.limits import past_span, weak_text
from tabcli.cards.markdown import code, drawn_windows, percent, plain, table
from tabcli.cards.segments import GroupScore, span_text, with_alike
from tabcli.evaluation.naming import score_text
from tabcli.training.past import HELD


def validation(known: Known) -> list[str]:
    """Past windows, drawn."""
    fitted, metrics = known.run.fitted, known.run.metrics
    if known.past is not None:
        spans = known.past.groupby("window")["date"].agg(["min", "max"])
        windows = [(pd.Timestamp(a), pd.Timestamp(b)) for a, b in spans.itertuples(index=False)]
    else:
        windows = [(w.start, w.end) for w in metrics.windows]
    ahead = fitted.frequency.after(fitted.split.valid_end, fitted.horizon) - fitted.split.valid_end
    text = (
        "Each window was forecast by networks that learned only from rows before it, with what was known then. "
        f"Window 0 is the {metrics.valid_rows:,} validation rows; {metrics.train_rows:,} rows were learned from for it."
    )
    if metrics.shards > 1:
        n = len(fitted.calendar.series)
        text += (
            f" These are rows of {n:,} of the {known.run.n_series:,} series: one of {metrics.shards} shards, a "
            "random sample."
        )
    refit = ["After that all networks were trained anew on all rows.", ""] if metrics.refitted else []
    drawn = drawn_windows(fitted.split.train_start, fitted.split.valid_end, windows, ahead)
    return ["## How it was validated", "", *drawn, text, "", *refit]


def results(known: Known) -> list[str]:
    """The validation rows beside naive forecasts, and each past window."""
    run, metrics = known.run, known.run.metrics
    baselines, name = baselines_of(run), metrics.metric.upper()
    rows = [["**this run**", f"**{score_text(metrics.metric, baselines.own)}**"]]
    rows += [[plain(what), score_text(metrics.metric, score)] for what, score in baselines.naive.items()]
    lines = ["## Results", "", f"On the validation rows, {metrics.valid_rows:,} of them:", ""]
    lines += table(["forecast", name], rows)
    lines += [baselines.floor, ""]
    other = metrics.metric != "wape"
    own = {span_text(w.start, w.end): w.score for w in metrics.windows}
    shown = [
        [
            score.name,
            f"{score.rows:,}",
            *([score_text(metrics.metric, own[score.name]) if score.name in own else "–"] if other else []),
            percent(score.wape),
            percent(score.bias, signed=True),
            percent(score.held, 0),
        ]
        for score in known.by.get("past window", ())
    ]
    lines += table(
        ["past window", "rows", *([name] if other else []), "WAPE", "bias", f"held of {HELD * 100:.0f} %"], shown
    )
    silent = f" A window without a {name} only decided on the calibration." if other else ""
    if shown:
        lines += [
            f"What to expect of the next window: {name} {score_text(metrics.metric, metrics.expected)} ± "
            f"{score_text(metrics.metric, metrics.expected_std)}, the mean and the spread of "
            f"{len(metrics.windows)} windows, each calibrated by older ones alone. The interval of a window comes from "
            f"the errors of the others.{silent}",
            "",
            *(f"- {plain(w.few_text(metrics.metric))}" for w in metrics.decided_by_few),
            *([""] if metrics.decided_by_few else []),
        ]
    return lines


def score_rows(scores: tuple[GroupScore, ...], whole: GroupScore) -> Iterator[list[str]]:
    """A row of a table for each group, those that are named in bold."""
    for score in scores:
        times = score.wape / whole.wape if score.wape is not None and whole.wape else None
        mark = "**" if times is not None and times >= NAMED else ""
        yield [
            f"{mark}{plain(score.name)}{mark}",
            f"{score.rows:,}",
            percent(score.wape),
            f"{mark}{times:.2f}{mark}" if times is not None else "–",
            percent(score.bias, signed=True),
            percent(score.held, 0),
        ]


def segments(known: Known) -> list[str]:
    """Error, bias and coverage by season, steps ahead and events."""
    if known.whole is None:
        return []
    lines = ["## Error and bias by segment", ""]
    lines += [
        f"Of all past rows ({past_span(known)}): WAPE (the sum of all absolute errors ÷ the sum of what happened) "
        f"{percent(known.whole.wape)}, bias (the sum of the forecasts ÷ that sum, − 1) "
        f"{percent(known.whole.bias, signed=True)}. *Times* is a segment's WAPE ÷ that of all rows; from {NAMED} on it "
        "is **named**.",
        "",
    ]
    named = [f"**{plain(weak_text(what, s))}** ({percent(s.wape)})" for what, s in known.weak]
    lines += [f"Named: {'; '.join(named)}." if named else f"No segment has {NAMED} times the error of all rows.", ""]
    columns = ["rows", "WAPE", "times", "bias", f"held of {HELD * 100:.0f} %"]
    events = {what: scores for what, scores in known.by.items() if what.startswith(EVENT)}
    for what, scores in known.by.items():
        if len(scores) > 1 and what != "past window" and what not in events:
            lines += table([plain(what), *columns], score_rows(scores, known.whole))
    flat = [replace(s, name=f"{what.removeprefix(EVENT)}: {s.name}") for what, of in events.items() for s in of]
    return lines + table(["day of an event", *columns], score_rows(tuple(flat), known.whole))


def bias(known: Known) -> list[str]:
    """Which groups of series are forecast worse, too high or too low."""
    sensitive = known.run.fitted.config.card.sensitive
    given = "the columns that the config calls sensitive" if sensitive is not None else "static columns with few values"
    lines = ["## Bias against groups of series", ""]
    if known.bias is None:
        what = "no column groups the series" if known.past is not None else "no past window was kept"
        return [*lines, f"Not looked at: {what} (`card.sensitive` in the config).", ""]
    found = known.bias
    judged = sum(g.apart is not None for g in found.groups)
    by = [with_alike(code(c), [code(other) for other in found.alike.get(c, ())]) for c in found.columns]
    said = " Columns in brackets group the series as the one before them does." if found.alike else ""
    lines += [
        f"By {given}: {', '.join(by)}.{said} A group's past forecasts are set beside those of all "
        "other series in the same windows, so that what was too high everywhere speaks against no group. *Times* is "
        "its WAPE ÷ theirs, *beside others* its bias less theirs, and *range* is where that lies beyond chance: series "
        f"and weeks count as what was drawn, and all {judged} ranges hold together with {found.level * 100:.0f} %.",
        "",
        *bias_lines(found),
    ]
    return lines


def bias_lines(bias: Bias) -> list[str]:
    """Who is forecast too high, too low or worse, and the table of all groups."""
    named = [f"- {_named(g)}" for g in bias.named]
    none = f"No group is forecast too high, too low or worse beyond chance (of a bias of {LEAST * 100:.0f} % or more)."
    rows = [
        [
            plain(f"{with_alike(g.column, bias.alike.get(g.column, ()))}: {g.name}"),
            f"{g.series:,}",
            percent(g.wape),
            f"{g.times:.2f}" if g.times is not None else "–",
            percent(g.bias, signed=True),
            percent(g.apart, signed=True),
            _range(g.apart_within),
            f"**{g.side or 'worse'}**" if g.side or g.worse else "",
        ]
        for g in bias.groups
        if g.apart is not None
    ]
    few = [f"{g.column}: {g.name} ({g.series})" for g in bias.groups if g.apart is None]
    silent = [f"Too few series, or rows, to say anything: {plain('; '.join(few))}.", ""] if few else []
    header = ["group", "series", "WAPE", "times", "bias", "beside others", "range", "named"]
    return [*(named or [none]), "", *table(header, rows), *silent]


def _named(g: GroupBias) -> str:
    parts = []
    if g.side:
        parts.append(
            f"forecast {g.side}: {percent(g.bias, signed=True)}, {percent(g.apart, signed=True)} beside others"
        )
    if g.worse and g.times is not None:
        parts.append(f"forecast worse: {g.times:.2f} times the error of the others (named from {WORSE} on)")
    return f"**{plain(g.column)}: {plain(g.name)}** ({g.series:,} series) is {' and '.join(parts)}."


def _range(within: tuple[float, float] | None) -> str:
    return "" if within is None else f"{percent(within[0], signed=True)} … {percent(within[1], signed=True)}"
