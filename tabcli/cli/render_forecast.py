"""A forecast → the lines that predict prints; its totals, and what a person looked at and changed, as JSON."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tabcli.cli.terminal import LABEL_WIDTH, bars_of, can_show, columns_lines, squeezed

if TYPE_CHECKING:
    import pandas as pd

    from tabcli.api.results import PredictResult
    from tabcli.forecasting.review import Review

MOST_TOTALS = 12
"""So many totals are shown; the file has them all."""

MOST_ROWS = 5
"""So many rows to look at are shown."""

WIDEST = 60
"""So many characters has the curve at most."""


def render_predict(result: "PredictResult") -> Iterator[str]:
    """The lines that predict prints: how many rows, totals, what deserves a look, and the files."""
    zero = result.counts["zero"]
    yield f"{result.counts['rows']:,} rows forecast, {zero:,} of them 0 by rule, in {result.seconds:.1f} s"
    yield from _curve_lines(result)
    if result.totals is not None:
        yield from _totals_lines(result.totals, str(result.totals_path))
    if result.review is not None:
        yield from _review_lines(result.review, result.counts["rows"], result.target)
    written = [result.path, result.totals_path, result.review_path, result.overrides_path]
    yield f"written: {', '.join(str(path) for path in written if path is not None)}"


def _curve_lines(result: "PredictResult") -> Iterator[str]:
    """The sum of all rows and, of several dates, what it is made of as a small curve."""
    from tabcli.reports.inspection import ASCII_BLOCKS, BLOCKS, sparkline

    sums = result.by_date
    if sums is None or len(sums) < 2:
        return
    span = f"{_plain(sums.index[0])} … {_plain(sums.index[-1])}" if can_show("…") else "all dates"
    whole = f"{_plain(float(sums.sum()))}, {span}"
    if len(label := f"{result.target} in all") < LABEL_WIDTH:
        yield label.ljust(LABEL_WIDTH) + whole
    else:
        yield "in all".ljust(LABEL_WIDTH) + f"{result.target} {whole}"
    if sums.min() >= 0 and sums.max() > 0:
        parts = squeezed(sums.to_list(), WIDEST)
        curve = sparkline([round(1000 * v / max(parts)) for v in parts], BLOCKS if can_show(BLOCKS) else ASCII_BLOCKS)
        yield "by date".ljust(LABEL_WIDTH) + curve.rstrip()


def _totals_lines(totals: "pd.DataFrame", path: str) -> Iterator[str]:
    sums = [c for c in totals.columns if c not in ("total", "group", "start", "rows")]
    rows = [["total", "group", "from", "rows", *sums]]
    for record in totals.head(MOST_TOTALS).to_dict("records"):
        numbers = [f"{record[c]:,.6g}" if abs(record[c]) < 1e5 else f"{record[c]:,.0f}" for c in sums]
        rows.append([record["total"], record["group"], str(record["start"].date()), f"{record['rows']:,}", *numbers])
    yield from columns_lines(rows, left=(0, 1))
    if len(totals) > MOST_TOTALS:
        yield f"… and {len(totals) - MOST_TOTALS:,} more in {path}"


def _review_lines(review: "Review", n_rows: int, target: str) -> Iterator[str]:
    """How many rows have a reason, the reasons by how often they hold, and the first rows."""
    yield f"to look at     {len(review.table):,} of {n_rows:,} rows; {review.n_reasons:,} have a reason"
    counts = sorted(((n, name) for name, n in review.counts.items() if n), key=lambda item: -item[0])
    told = [
        [name, f"{n:,}", bar] for (n, name), bar in zip(counts, bars_of([float(n) for n, _ in counts]), strict=True)
    ]
    for line in columns_lines(told, left=(0, 2)) if told else ():
        yield " " * LABEL_WIDTH + line
    keys = [str(c) for c in review.table.columns]
    shown = [*keys[: keys.index(target)], target, "why"]
    rows = [shown, *([_plain(r[c]) for c in shown] for r in review.table.head(MOST_ROWS).to_dict("records"))]
    if len(rows) > 1:
        yield from columns_lines(rows, left=(len(shown) - 1,))


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:,.6g}"
    return str(value.date()) if hasattr(value, "date") else str(value)


def person_json(result: "PredictResult") -> dict[str, object]:
    """What --review and --overrides gave, where they were asked for."""
    made: dict[str, object] = {}
    if result.review is not None:
        review = result.review
        made["review"] = {
            "rows": len(review.table),
            "with_reason": review.n_reasons,
            "reasons": review.counts,
            "path": str(result.review_path),
        }
    if result.overridden is not None:
        made["overrides"] = {"rows": len(result.overridden), "path": str(result.overrides_path)}
    return made


def records_of(table: "pd.DataFrame") -> list[dict[str, object]]:
    """A table's rows for JSON, dates as ISO texts."""
    return [
        {str(k): v.isoformat() if hasattr(v, "isoformat") else v for k, v in record.items()}
        for record in table.to_dict("records")
    ]
