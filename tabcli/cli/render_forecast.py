"""A forecast → the lines that predict prints, and its totals as JSON."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from tabcli.api.results import PredictResult

MOST_TOTALS = 12
"""So many totals are shown; the file has them all."""


def render_predict(result: "PredictResult") -> Iterator[str]:
    zero, totals = result.counts["zero"], result.totals
    yield f"{result.counts['rows']:,} rows forecast, {zero:,} of them 0 by rule, in {result.seconds:.1f} s"
    if totals is None:
        yield f"written: {result.path}"
        return
    sums = [c for c in totals.columns if c not in ("total", "group", "start", "rows")]
    rows = [["total", "group", "from", "rows", *sums]]
    for record in totals.head(MOST_TOTALS).to_dict("records"):
        numbers = [f"{record[c]:,.6g}" if abs(record[c]) < 1e5 else f"{record[c]:,.0f}" for c in sums]
        rows.append([record["total"], record["group"], str(record["start"].date()), f"{record['rows']:,}", *numbers])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    if len(totals) > MOST_TOTALS:
        yield f"… and {len(totals) - MOST_TOTALS:,} more in {result.totals_path}"
    yield f"written: {result.path}, {result.totals_path}"


def records_of(table: "pd.DataFrame") -> list[dict[str, object]]:
    """A table's rows for JSON, dates as ISO texts."""
    return [
        {str(k): v.isoformat() if hasattr(v, "isoformat") else v for k, v in record.items()}
        for record in table.to_dict("records")
    ]
