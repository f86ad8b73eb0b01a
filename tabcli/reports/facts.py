"""What a report says of the run itself: the data, how it was validated, the baselines, versions."""

import platform
from dataclasses import dataclass
from importlib.metadata import version

from tabcli.cards.segments import span_text
from tabcli.evaluation.naming import score_text
from tabcli.reports.inspection import ColumnFacts, inspect
from tabcli.reports.report_rows import ReportRows
from tabcli.version import __version__

PACKAGES = ("numpy", "pandas", "torch")


@dataclass(frozen=True)
class RunFacts:
    """`tables`: name → rows that prep read. `unmatched`: lookup table → rows to forecast that found no match in it.

    `validation`: how the run was judged, a sentence each. `made`: name → what made the run.
    """

    tables: dict[str, int]
    dates: str
    columns: tuple[ColumnFacts, ...]
    unmatched: dict[str, int]
    validation: tuple[str, ...]
    made: dict[str, str]


def facts_of(rows: ReportRows) -> RunFacts:
    """The facts of the data and the run."""
    run = rows.run
    fitted, metrics = run.fitted, run.metrics
    read = {
        name: max((c["rows"] for c in columns.values()), default=0) for name, columns in fitted.contract.tables.items()
    }
    name = metrics.metric.upper()
    split = fitted.split
    validation = [
        f"Validation rows {span_text(split.valid_start, split.valid_end)}: {name} "
        f"{score_text(metrics.metric, metrics.score)} on {metrics.valid_rows:,} rows that no judged network had seen; "
        f"learned from {metrics.train_rows:,} rows."
    ]
    if len(metrics.windows) > 1:
        validation.append(
            f"{len(metrics.windows)} past windows, each forecast by networks that learned only from the rows before: "
            f"{name} {score_text(metrics.metric, metrics.expected)} on average."
        )
        validation += [f"There, {w.few_text(metrics.metric)}." for w in metrics.decided_by_few]
    if metrics.refitted:
        validation.append("After that the networks were trained anew on all rows.")
    unmatched = {} if rows.prediction is None else rows.prediction.applied.features.unmatched
    made = {
        "tabcli": __version__,
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "seed": str(fitted.config.seed),
        "networks": str(len(run.members)),
        "step": str(fitted.frequency),
        "horizon": f"{fitted.horizon} steps",
    }
    dates = span_text(split.train_start, split.valid_end)
    return RunFacts(read, dates, inspect(run).columns, dict(unmatched), tuple(validation), made)
