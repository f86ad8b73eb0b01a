"""A report as one HTML page that asks for nothing: no request, one script, whose hash the page's policy names."""

import base64
import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from importlib.resources import files as resources

import numpy as np

from tabcli.cards.baselines import Baselines
from tabcli.cards.reached import bias_lines
from tabcli.evaluation.naming import score_text
from tabcli.reports.card_html import html_of, sections_of
from tabcli.reports.charts import SCORE_HEADER, score_row
from tabcli.reports.drawable import Drawable
from tabcli.reports.drawing import Chart
from tabcli.reports.drift import Moved
from tabcli.reports.drives import Drives, Part
from tabcli.reports.facts import RunFacts
from tabcli.reports.findings import Findings
from tabcli.reports.inspection import ColumnFacts
from tabcli.reports.judged import NAMED, Judged
from tabcli.reports.planned import Planned
from tabcli.reports.series import SeriesTotal
from tabcli.reports.words import percent_or_dash, short, side, signed, value_text

MOST_SERIES = 3000
"""So many series stand in the table."""


SHOWN = 6
"""So many tables of errors by groups are open; the others are behind a click."""


@dataclass(frozen=True)
class ReportNumbers:
    """All that a report shows.

    `judged`: None for a run without past windows; `drift`, `drives`: where nothing is forecast. `card`: the model card
    as Markdown; None for a run that is not in a directory.
    """

    findings: Findings
    planned: tuple[Planned, ...]
    judged: Judged | None
    drives: Drives | None
    baselines: Baselines
    facts: RunFacts
    drift: tuple[Moved, ...] | None
    card: str | None
    drawable: Drawable

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; what is not finite is None."""
        made = asdict(replace(self, drives=None))
        for name in ("numbers", "units", "weeks", "why", "why_parts", "why_days"):
            del made["drawable"][name]
        if self.drives is not None:
            made["drives"] = asdict(replace(self.drives, why=None)) | {"why": _why(self)}
        return {name: finite(part) for name, part in made.items()}


def _why(numbers: ReportNumbers) -> list[dict[str, object]]:
    """What the change of each explained series on the week before is made of."""
    why = None if numbers.drives is None else numbers.drives.why
    if why is None:
        return []
    names = {s.number: s.name for s in numbers.findings.series}
    made = zip(why.series.tolist(), why.before.tolist(), why.values.tolist(), strict=True)
    return [
        {"series": names[k], "before": before, "parts": dict(zip(why.parts, values, strict=True))}
        for k, before, values in made
    ]


def page_of(numbers: ReportNumbers, charts: list[Chart]) -> str:
    """The page, the same bytes for the same numbers and charts."""
    script, findings = template("report.js"), numbers.findings
    head = findings.headline
    named = {chart.key: chart for chart in charts}
    by = [chart for chart in charts if chart.key.startswith("by-")]
    return rendered(
        "report.html",
        title=f"{findings.target}: {'past windows' if head is None else f'forecast {head.first} … {head.last}'}",
        policy=policy_of(script),
        script=script,
        series_json=json_for_page(asdict(numbers.drawable)),
        head=head,
        findings=findings,
        numbers=numbers,
        planned_rows=[_planned_row(p) for p in numbers.planned],
        then=any(p.rows_then is not None for p in numbers.planned),
        judged=numbers.judged,
        drives=numbers.drives,
        part_rows=[] if numbers.drives is None else [_part_row(p) for p in numbers.drives.parts],
        drive_chart=named.get("drives"),
        baselines=numbers.baselines,
        facts=numbers.facts,
        drawable=numbers.drawable,
        fewer=len(numbers.drawable.names) < len(findings.series),
        week_chart=named.get("weeks"),
        chain_chart=named.get("chain"),
        by_charts=by,
        charted=[chart.title.removeprefix("Error by ") for chart in by],
        series_rows=[_series_row(s) for s in findings.series[:MOST_SERIES]],
        baseline_rows=_baseline_rows(numbers.baselines),
        table_rows=[
            (name, f"{n:,}", numbers.facts.unmatched.get(name, "–")) for name, n in numbers.facts.tables.items()
        ],
        column_rows=[_column_row(c) for c in numbers.facts.columns],
        **_card(numbers.card),
        **_bias(numbers.judged),
        drift_rows=[_drift_row(m) for m in numbers.drift or ()],
    )


def rendered(name: str, **values: object) -> str:
    """A page by its template."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    loader = FunctionLoader(template)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, loader=loader)
    return environment.get_template(name).render(**_helpers(), css=template("report.css"), **values)


def _helpers() -> dict[str, object]:
    """What the template calls, and numbers that it names."""
    return {
        "named": NAMED,
        "shown": SHOWN,
        "together": _together,
        "score_header": SCORE_HEADER,
        "score_rows": lambda scores: [score_row(s) for s in scores],
        "short": short,
        "signed": signed,
        "side": side,
        "percent": lambda value, sign=False: _together(percent_or_dash(value, sign=sign)),
    }


def policy_of(script: str) -> str:
    """The content-security policy of a page with this script, or without one."""
    if not script:
        return "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _together(sentence: str) -> str:
    """A sentence in which no line ends between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:k|M|bn|%)(?!\w))|(?<=±) | (?=±)", "\N{NO-BREAK SPACE}", sentence)


def template(name: str, package: str = "tabcli.reports") -> str:
    """The text of a template, a style or a script of a package."""
    return (resources(package) / "templates" / name).read_text(encoding="utf-8")


def json_for_page(value: object) -> str:
    """JSON that no text can end before its element does."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def finite(value: object) -> object:
    """Plain values with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _series_row(series: SeriesTotal) -> tuple[str, ...]:
    numbers = (value_text(v) for v in (series.value, series.low, series.high))
    shares = (
        percent_or_dash(series.change, sign=True),
        percent_or_dash(series.wape),
        percent_or_dash(series.bias, sign=True),
    )
    return (series.name, *numbers, *shares)


def _planned_row(planned: Planned) -> tuple[str, ...]:
    then = "–" if planned.share_then is None else f"{100 * planned.share_then:.0f} %"
    return (
        planned.name,
        f"{100 * planned.share:.0f} %",
        then,
        f"{planned.steps:,}",
        f"{planned.rows:,}",
        short(planned.value),
    )


def _card(markdown: str | None) -> dict[str, object]:
    """The model card: its head, what it is weak at, and all other sections by name."""
    if markdown is None:
        return {"card": None}
    sections = sections_of(markdown)
    html = {name: html_of(lines, name or "The model card") for name, lines in sections.items()}
    return {"card": html, "card_open": ("", "Limits")}


def _bias(judged: Judged | None) -> dict[str, object]:
    """Groups of series that are named, and the table of all groups."""
    if judged is None or judged.bias is None:
        return {"bias_named": None}
    lines = bias_lines(judged.bias)
    first = next((i for i, line in enumerate(lines) if line.startswith("|")), len(lines))
    named, table = (html_of(part, "Bias of groups") for part in (lines[:first], lines[first:]))
    return {"bias_named": named, "bias_table": table, "bias_level": judged.bias.level}


def _part_row(part: Part) -> tuple[str, ...]:
    amount = short(abs(part.value))
    return (part.name, f"{'−' if part.value < 0 else '+'}{amount}", signed(part.share, 1))


def _drift_row(moved: Moved) -> tuple[str, ...]:
    index, usual = ("–" if v is None else f"{v:.2f}" for v in (moved.index, moved.usual))
    return (moved.name, index, usual, f"{100 * moved.outside:.1f} %", "moved" if moved.moved else "as usual")


def _baseline_rows(baselines: Baselines) -> list[tuple[str, str]]:
    own = [("this run", baselines.own)]
    both = sorted([*own, *baselines.naive.items()], key=lambda item: item[1])
    return [(name, score_text(baselines.metric, score)) for name, score in both]


def _column_row(column: ColumnFacts) -> tuple[str, ...]:
    missing = "–" if column.missing is None else f"{column.missing:,}"
    values = "–" if column.n_values is None else f"{column.n_values:,}"
    ends = "–" if column.low is None else f"{column.low} … {column.high}"
    return (column.name, column.role, column.kind, missing, values, ends)
