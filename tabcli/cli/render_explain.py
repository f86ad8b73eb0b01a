"""Explanations → the lines that explain prints."""

from collections.abc import Iterator, Sequence
from statistics import stdev
from typing import TYPE_CHECKING

from tabcli.cli.terminal import bars_of, columns_lines
from tabcli.evaluation.naming import FRACTIONS, score_text

if TYPE_CHECKING:
    from tabcli.api.explain import ExplainResult
    from tabcli.explanation.importance import Importance
    from tabcli.explanation.retrained import Retrained
    from tabcli.explanation.what_if import WhatIf

BAR = 24
"""The longest bar, in characters."""

TOLD = 0.0005
"""A smaller change of a sum is not said in percent."""

MOST_ROWS = 20
"""So many rows are explained on the terminal; --json has them all."""


def render_explain(result: "ExplainResult") -> Iterator[str]:
    """What was asked for: the importance of sources, rows in words, or two plans side by side."""
    if result.importance is not None:
        yield from _importance(result.importance)
        if result.retrained:
            yield ""
            yield "One network trained without a source, and one with all:"
            yield from _retrained(result.importance.metric, result.retrained)
    elif result.what_if is not None:
        yield from _what_if(result.what_if, result.run.fitted.config.target.column)
    else:
        yield from result.sentences(MOST_ROWS)
        n = sum(len(block.table) for block in result.rows)
        if n > MOST_ROWS:
            yield f"… and {n - MOST_ROWS:,} more rows; --json prints them all"


def _importance(found: "Importance") -> Iterator[str]:
    share = found.score is None or found.metric in FRACTIONS
    if found.score is not None:
        yield f"{found.metric.upper()} {score_text(found.metric, found.score)} on {found.rows:,} validation rows."
        yield "With the values of a source exchanged between rows it is"
        yield ""
    bars = bars_of([s.worth for s in found.sources], BAR)
    rows = [["source", found.metric.upper(), "rise", "repeats", "networks", "exchanged within", ""]]
    for s, bar in zip(found.sources, bars, strict=True):
        alone = (
            f"{_rise(min(s.members), share=share)} … {_rise(max(s.members), share=share)}" if len(s.members) > 1 else ""
        )
        within = f"a {s.within if s.within == 'date' else 'series'}" if s.within else "–"
        score = "" if found.score is None else score_text(found.metric, found.score + s.worth)
        spread = f"± {_rise(stdev(s.repeats), share=share).lstrip('+')}" if len(s.repeats) > 1 else ""
        rows.append([s.name, score, _rise(s.worth, share=share), spread, alone, within, bar])
    used = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    yield from columns_lines(
        [[row[i] for i in used] for row in rows], [k for k, i in enumerate(used) if i in (0, 5, 6)]
    )


def _rise(value: float, *, share: bool) -> str:
    text = f"{100 * value:+.1f}" if share else f"{value:+.3g}"
    return (text if float(text) else text[1:]).replace("-", "−")


def _retrained(metric: str, checks: "Sequence[Retrained]") -> Iterator[str]:
    share = metric in FRACTIONS
    rows = [["source", "without", "with all", "rise", "rise if exchanged"]]
    for c in checks:
        scores = (score_text(metric, c.score), score_text(metric, c.with_all))
        rows.append([c.source, *scores, _rise(c.rise, share=share), _rise(c.exchanged, share=share)])
    yield from columns_lines(rows, [0])


def _what_if(made: "WhatIf", target: str) -> Iterator[str]:
    own, beside = made.table[made.table["own"]], made.table[~made.table["own"]]
    rows = [["series", "date", *made.changes, "planned", "changed", ""]]
    for record in own.head(MOST_ROWS).to_dict("records"):
        moved = [f"{_cell(record[f'{c} planned'])} → {_cell(record[f'{c} changed'])}" for c in made.changes]
        planned, changed = record["planned"], record["changed"]
        ratio = f"{_rise(changed / planned - 1, share=True)} %" if planned else ""
        day = str(record["date"].date() if record["date"] == record["date"].normalize() else record["date"])
        rows.append([str(record["series"]), day, *moved, f"{planned:,.5g}", f"{changed:,.5g}", ratio])
    yield from columns_lines(rows)
    if len(own) > MOST_ROWS:
        yield f"… and {len(own) - MOST_ROWS:,} more rows; --json prints them all"
    if len(beside):
        change = beside["changed"].sum() - beside["planned"].sum()
        yield f"{len(beside):,} other rows of these series change with them, by {_signed(change)} together"
    apart = made.changed - made.planned
    told = made.planned and abs(apart) >= TOLD * abs(made.planned)
    share = f" ({_rise(apart / made.planned, share=True)} %)" if told else ""
    sums = f"{target} {made.planned:,.0f} as planned, {made.changed:,.0f} changed"
    yield f"all rows to forecast: {sums}: {_signed(apart)}{share}"


def _signed(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "−")


def _cell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
