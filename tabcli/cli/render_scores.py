"""What evaluate prints of a forecast beside what happened."""

import math
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

from tabcli.cli.terminal import columns_lines, table_lines
from tabcli.evaluation.naming import score_text
from tabcli.evaluation.quantiles import is_quantile, percent_text

if TYPE_CHECKING:
    import pandas as pd

    from tabcli.evaluation.comparison import Evaluation, QuantileScores
    from tabcli.evaluation.value_added import ValueAdded


def evaluation_json(result: "Evaluation") -> dict[str, object]:
    """All that `render_evaluation` says, and the scores by level of each group too."""
    made: dict[str, object] = {
        **result.metrics,
        "rows": result.n_rows,
        "zero": result.n_zero,
        "target": result.target,
        "on": result.on,
        "by": _records(result.by),
    }
    if result.naive is not None:
        made["naive"] = _records(result.naive)
    if (found := result.quantiles) is not None:
        made["quantiles"] = {
            "levels": _records(found.levels),
            "intervals": _records(found.intervals),
            "judged": found.judged,
            "sure": found.n_sure,
            "by": _records(found.by),
            "by_step": _records(found.by_step),
        }
    if result.overrides is not None:
        made["overrides"] = _overrides_json(result.overrides)
    return made


def _overrides_json(found: "ValueAdded") -> dict[str, object]:
    return {"changed": _records(found.table), "same": found.n_same, "without_actual": found.n_open}


def _records(table: "pd.DataFrame | None") -> list[dict[Hashable, Any]] | None:
    return None if table is None else table.to_dict("records")


def render_evaluation(result: "Evaluation") -> Iterator[str]:
    """The rows, the metrics, what is off by more than chance, and the tables."""
    yield f"{result.target} of {result.n_rows:,} rows, matched by {', '.join(result.on)}"
    if result.n_zero:
        yield f"{result.n_zero:,} rows with an actual value of 0 are left out of RMSPE and MAPE"
    if result.n_unused:
        yield f"{result.n_unused:,} predictions have no actual row"
    yield from metric_lines(result)
    if result.is_biased:
        off, chance = (score_text("bias", abs(v)) for v in (result.metrics["bias"], result.bias_error or 0.0))
        way = "high" if result.metrics["bias"] > 0 else "low"
        yield f"warning: the sum of the forecast is {off} too {way}; by chance it would be off by {chance}"
    if result.quantiles is not None:
        yield from _quantile_lines(result.quantiles)
    if result.overrides is not None:
        yield ""
        yield from _overrides_lines(result.overrides)
    for table in (result.naive, result.by):
        if table is not None:
            yield ""
            yield from table_lines(table)
    if result.quantiles is not None:
        for table in (result.quantiles.by, result.quantiles.by_step):
            if table is not None:
                yield ""
                yield from table_lines(_shown_groups(table, result.quantiles))


def metric_lines(result: "Evaluation") -> Iterator[str]:
    """A line for each metric over all rows."""
    for name, value in result.metrics.items():
        yield f"{name.upper() if name != 'bias' else name:<6} {score_text(name, value)}"


def _overrides_lines(found: "ValueAdded") -> Iterator[str]:
    """Whether a person's numbers helped: a sentence, and the table by person and reason."""
    every = found.table.to_dict("records")[0]
    beside = [f"{found.n_same:,} as the model had them"] if found.n_same else []
    beside += [f"{found.n_open:,} without an actual row yet"] if found.n_open else []
    yield f"overrides: {every['rows']:,} rows changed" + (f" ({', '.join(beside)})" if beside else "")
    rows = [["", "rows", "dates", "WAPE model", "WAPE person", "value added", "95 %", "nearer", "saved", ""]]
    for r in found.table.to_dict("records"):
        sure = "" if math.isnan(r["low"]) else f"{100 * r['low']:+.1f} … {100 * r['high']:+.1f}"
        rows.append(
            [
                "all" if r["by"] == "all" else f"{r['by']} {r['value'] or '(none)'}",
                *(f"{r['rows']:,}", f"{r['dates']:,}", _percent(r["wape_model"]), _percent(r["wape_person"])),
                *("–" if math.isnan(r["added"]) else f"{100 * r['added']:+.1f} pp", sure, _percent(r["better"])),
                *(f"{r['saved']:+,.6g}", r["verdict"]),
            ]
        )
    yield from columns_lines(rows, left=(0, 9))
    words = {"helped": "the person's numbers helped", "hurt": "the person's numbers hurt"}
    yield words.get(every["verdict"], "whether the person's numbers helped is not sure: more dates would tell")


OTHERS = "of others"
"""Behind a share: of the rows that are not sure."""


def _quantile_lines(scores: "QuantileScores") -> Iterator[str]:
    """What the intervals held, and the tables of levels and intervals, over all rows."""
    sure = scores.n_sure > 0
    levels = scores.levels.set_index("column").loc[scores.judged, "level"]
    yield f"WQL and its like are the means over the levels {', '.join(f'{100 * level:g} %' for level in levels)}"
    for row in scores.intervals.to_dict("records"):
        if row["beyond_chance"]:
            held, error = _percent(row["held_unsure"]), _percent(row["error"])
            rows = "rows that are not sure" if sure else "rows"
            yield (
                f"{'warning' if row['held_unsure'] < row['promised'] else 'note'}: the interval of "
                f"{100 * row['promised']:g} % held {held} of the {rows}; by chance it would be off by {error}"
            )
    if sure:
        yield f"{scores.n_sure:,} rows are sure: their bounds are one number, as where the forecast is 0 by rule"
    yield ""
    yield from table_lines(_shown_levels(scores.levels, sure))
    if len(scores.intervals):
        yield ""
        yield from table_lines(_shown_intervals(scores.intervals, sure))


def _percent(share: float) -> str:
    """A share of rows; of no rows a dash.

    >>> _percent(0.8125), _percent(float("nan"))
    ('81.2 %', '–')
    """
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def _shown_levels(levels: "pd.DataFrame", sure: bool) -> "pd.DataFrame":
    made = levels[["level", "column", "pinball"]].assign(
        level=[f"{100 * level:g} %" for level in levels["level"]], below=levels["below"].map(_percent)
    )
    return made.assign(**{f"below, {OTHERS}": levels["below_unsure"].map(_percent)}) if sure else made


def _shown_intervals(intervals: "pd.DataFrame", sure: bool) -> "pd.DataFrame":
    made = intervals[[]].assign(
        interval=[f"{100 * share:g} %" for share in intervals["promised"]], held=intervals["held"].map(_percent)
    )
    if sure:
        made[f"held, {OTHERS}"] = intervals["held_unsure"].map(_percent)
    made["by chance ±"] = intervals["error"].map(_percent)
    made["width"] = [score_text("mae", width) for width in intervals["width"]]
    made["of the forecast"] = intervals["width_share"].map(_percent)
    return made


def _shown_groups(groups: "pd.DataFrame", scores: "QuantileScores") -> "pd.DataFrame":
    """The scores of each group without those by level, and of one or few intervals; `--json` has all."""
    columns = [name for name in ("wape", "bias", "mase", "wql", "sql", "crps") if name in groups.columns]
    made = groups[[*groups.columns[:2], *(c for c in columns if groups[c].notna().any())]].copy()
    for share in _main_intervals(scores.intervals):
        held, others = (f"held_{share}_unsure", f", {OTHERS}") if scores.n_sure else (f"held_{share}", "")
        made[f"held {share} %{others}"] = groups[held].map(_percent)
        made[f"width {share} %"] = groups[f"width_{share}"].map(_percent)
    return made


def main_scores(groups: "pd.DataFrame") -> "pd.DataFrame":
    """The scores of each group without those by level; of what intervals held, that of rows that are not sure."""
    names = [str(name) for name in groups.columns]
    left = [n for n in names if n.startswith(("pinball_", "below_")) or (n.startswith("held_") and "_unsure" not in n)]
    return groups.drop(columns=left)


def _main_intervals(intervals: "pd.DataFrame") -> list[str]:
    """The intervals that have bounds of their own; where all are pairs of quantiles, the widest."""
    own = [not is_quantile(row["low"]) for row in intervals.to_dict("records")]
    shares = [percent_text(share) for share in intervals["promised"]] if len(intervals) else []
    return [text for text, is_own in zip(shares, own, strict=True) if is_own] or shares[-1:]
