"""Markdown: tables, the YAML at the head of a card, blanks, and past windows drawn in text."""

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from tabcli.config.card import QUESTIONS, Answers
from tabcli.config.yaml12 import block_yaml

BLANK = "☐ **To be filled by a person:**"
"""The mark of a blank."""

WIDTH = 56
"""Characters of a drawn stretch of time."""


def plain(text: object) -> str:
    """A text from a table or a person's config as it reads: no mark of Markdown or HTML in it has a meaning.

    >>> plain("a|b <script>*x*")
    'a\\\\|b &lt;script&gt;\\\\*x\\\\*'
    """
    one_line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", one_line)


def code(text: object) -> str:
    """A name of a column or key in the letters of code; as plain text where it has a backtick.

    >>> code("Store"), code("a`b")
    ('`Store`', 'a\\\\`b')
    """
    shown = " ".join(str(text).split())
    return plain(text) if "`" in shown or "|" in shown or not shown else f"`{shown}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int = 1) -> list[str]:
    """The lines of a table; columns from `numbers_from` on are flush right, and a blank line follows."""
    made = [f"| {' | '.join(row)} |" for row in rows]
    if not made:
        return []
    rule = "|".join("---:" if k >= numbers_from else "---" for k in range(len(header)))
    return [f"| {' | '.join(header)} |", f"|{rule}|", *made, ""]


def front_matter(values: Mapping[str, object]) -> list[str]:
    """The head of a card, which the Hugging Face hub reads."""
    return ["---", *block_yaml(dict(values)).splitlines(), "---", ""]


def answered(answers: Answers, key: str) -> list[str]:
    """A person's answer, or the marked blank with the question, and a blank line."""
    given = str(getattr(answers, key))
    return [given or f"{BLANK} {QUESTIONS[key]} (`{key}`)", ""]


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A fraction as a percentage; a dash where it is not known."""
    if value is None:
        return "–"
    shown = round(100 * value, digits) + 0.0  # no −0.0
    text = f"{shown:{'+' if signed and shown else ''}.{digits}f} %"
    return text.replace("-", "−")


def drawn_windows(
    start: pd.Timestamp, end: pd.Timestamp, windows: Sequence[tuple[pd.Timestamp, pd.Timestamp]], horizon: pd.Timedelta
) -> list[str]:
    """Past windows as lines of text: what was learned from, and the window that was then forecast.

    2013-01-01                       2015-06-13
    ██████████████████████████▒▒▒               window 1: 2014-12-04 … 2015-01-20
    """
    last = end + horizon
    span = max((last - start) / pd.Timedelta(1, unit="s"), 1.0)

    def at(moment: pd.Timestamp) -> int:
        return round(WIDTH * ((moment - start) / pd.Timedelta(1, unit="s")) / span)

    lines = []
    for k, (first, until) in enumerate(windows):
        learned = min(at(first), WIDTH - 1)
        width = max(1, at(until) - learned)
        bar = "█" * learned + "▒" * width
        lines.append(f"{bar:<{WIDTH}}  window {k}: {first.date()} … {until.date()}")
    learned = min(at(end), WIDTH - 1)
    bar = "█" * learned + "░" * (WIDTH - learned)
    lines.append(f"{bar}  the forecast: after {end.date()}")
    head = f"{start.date()!s:<{WIDTH - 10}}{last.date()}"
    return [
        "```text",
        head,
        *lines,
        "",
        "█ rows before   ▒ forecast and compared with what happened   ░ to come",
        "```",
        "",
    ]
