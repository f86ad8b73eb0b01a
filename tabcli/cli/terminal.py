"""How lines look on a terminal: colours, wrapped lists, aligned columns, small bars. Elsewhere they are plain text.

A colour says what a word is (a label, a warning, a file that was written), never more than the text itself does. There
is none where the output is no terminal, where NO_COLOR is set (no-color.org), or where TERM is dumb.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

import typer

from tabcli.evaluation.naming import METRIC_NAMES, is_share, score_text

if TYPE_CHECKING:
    import pandas as pd

LABEL_WIDTH = 15
"""So wide is the column of labels, such as `validation`."""

BAR_WIDTH = 12
"""So many characters has the longest bar."""

_LABEL = re.compile(r"[a-z][a-z ]*")

_COLOURS = {
    "warning": "yellow",
    "error": "red",
    "note": "yellow",
    "hint": "cyan",
    "written": "green",
    "unchanged": "green",
}


def has_colours(stream: TextIO) -> bool:
    """Whether lines on a stream have colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show(lines: Iterable[str]) -> None:
    """Writes lines to stdout: on a terminal coloured, and lists behind a label wrapped below each other."""
    for line in lines:
        _write(line, sys.stdout)


def say(text: str) -> None:
    """Writes a line to stderr."""
    _write(text, sys.stderr)


def _write(line: str, stream: TextIO) -> None:
    if stream.isatty():
        line = "\n".join(wrapped(line, shutil.get_terminal_size().columns))
    typer.echo(styled(line) if has_colours(stream) else line, err=stream is sys.stderr)


def wrapped(line: str, width: int) -> list[str]:
    """A line in as many lines as it needs where it has a label, whose column the others leave empty; else as it is.

    >>> wrapped("categorical    3: store, promo, month", 32)
    ['categorical    3: store, promo,', '               month']
    """
    if len(line) <= width or width < 2 * LABEL_WIDTH or not _label(line):
        return [line]
    return textwrap.wrap(
        line, width, subsequent_indent=" " * LABEL_WIDTH, break_long_words=False, break_on_hyphens=False
    )


def _label(line: str) -> str:
    """The label that a line begins with, blanks behind it included: what stands before the column `LABEL_WIDTH`."""
    head, rest = line[:LABEL_WIDTH], line[LABEL_WIDTH:]
    return head if head[-1:] == " " and rest[:1].strip() and _LABEL.fullmatch(head) else ""


def styled(line: str) -> str:
    """A line with colours: labels bold, warnings yellow, errors red, files that were written green."""
    first = re.match(r"[a-z]+(?=:| {2,})", line)
    if first and first[0] in _COLOURS:
        return typer.style(line[: first.end()], fg=_COLOURS[first[0]], bold=True) + line[first.end() :]
    label = _label(line)
    return typer.style(label, bold=True) + line[len(label) :] if label else line


# ----------------------------------------------------------------------------------------------- columns


def can_show(text: str) -> bool:
    """Whether stdout's encoding has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns_lines(rows: Sequence[Sequence[str]], left: Collection[int] = ()) -> Iterator[str]:
    """Rows of texts as lines whose columns stand below each other, those at `left` left-aligned, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        yield "  ".join(cells).rstrip()


def echo_table(table: "pd.DataFrame", bars: str | None = None) -> None:
    """Prints the lines of a table."""
    show(table_lines(table, bars))


def table_lines(table: "pd.DataFrame", bars: str | None = None) -> Iterator[str]:
    """The lines of a table, metrics as `score_text` writes them; texts are left-aligned, all else right.

    `bars`: a column of numbers from 0 on whose sizes stand at the end of the lines as bars.
    """
    names = [str(c) for c in table.columns]
    rows = [[c.upper() if c in METRIC_NAMES and c != "bias" else c for c in names]]
    metric = next((c for c in names if c in METRIC_NAMES), "")  # of which the spreads are
    records = table.to_dict("records")
    rows += [[_cell(str(c), v, metric) for c, v in record.items()] for record in records]
    left = {i for i, c in enumerate(names) if c in ("forecast", "fold") or _is_text(records, table.columns[i])}
    if bars is not None:
        drawn = bars_of([float(record[bars]) for record in records])
        rows = [[*row, bar] for row, bar in zip(rows, ["", *drawn], strict=True)]
        left.add(len(names))
    yield from columns_lines(rows, left)


def _is_text(records: Sequence[dict[object, object]], column: object) -> bool:
    """Whether a column holds words: a text with a letter in some row, and no number."""
    values = [record[column] for record in records]
    return all(isinstance(v, str) for v in values) and any(c.isalpha() for v in values for c in str(v))


def _cell(column: str, value: object, metric: str) -> str:
    if not isinstance(value, float):
        return str(value)
    if column in METRIC_NAMES or is_share(column) or column.startswith("std "):
        return score_text(metric if column.startswith("std ") else column, value)
    return f"{value:.6g}"


# -------------------------------------------------------------------------------------------------- bars


def bars_of(values: Sequence[float], width: int = BAR_WIDTH) -> list[str]:
    """Each value as a bar, the largest `width` characters long; none for what is not above 0."""
    top = max((v for v in values if v > 0), default=0.0)  # a NaN is not above 0
    eighths = [round(8 * width * v / top) if v > 0 else 0 for v in values]
    if not can_show("█▏"):
        return ["#" * round(n / 8) for n in eighths]
    return ["█" * (n // 8) + ("", *"▏▎▍▌▋▊▉")[n % 8] for n in eighths]


def squeezed(values: Sequence[float], width: int) -> list[float]:
    """At most `width` numbers, each the sum of values that follow each other, as many in each as can be alike.

    >>> squeezed([1.0, 2.0, 3.0, 4.0, 5.0], 3)
    [3.0, 7.0, 5.0]
    """
    each = -(-len(values) // width)
    return [sum(values[i : i + each]) for i in range(0, len(values), each)]
