"""Everything that is fitted, from the surveys of all rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray
from tabcli.artifacts.encoded_names import past_column
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.evaluation.metrics import Criterion, with_mean_scale
from tabcli.evaluation.naive import Wider
from tabcli.pipeline.groups import series_groups
from tabcli.pipeline.inputs import choose_inputs, refuse_commas
from tabcli.pipeline.plan import Plan
from tabcli.pipeline.scored import check_left_out
from tabcli.pipeline.survey import Survey
from tabcli.pipeline.wider import wider_medians
from tabcli.preprocessing.columns import Preprocessor
from tabcli.preprocessing.continuous import check_continuous
from tabcli.preprocessing.counts import ColumnCounts, Counted
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.joins import LookupTable
from tabcli.tables.rows import stack_all
from tabcli.target_history.grid import Grid


@dataclass(frozen=True)
class Fitted:
    """What was fitted to the training rows of all series.

    `scales`: column of `history.columns` → the scale it is brought to; None where it has no value. `groups`: a row for
    each series of all parts, in their order. `dropped`: reason → rows left out. `changes`: with the metric *mase* the
    seasonal change of each series. `wider`: medians of groups that reach over parts; None where there is one part.
    """

    preprocessor: Preprocessor
    target: TargetTransform
    grid: Grid | None
    scales: dict[str, TargetTransform | None]
    groups: pd.DataFrame
    dropped: dict[str, int]
    changes: FloatArray | None
    wider: Wider | None


def fit_parts(
    config: Config, plan: Plan, parts: Sequence[Survey], lookups: Sequence[LookupTable], where: str
) -> Fitted:
    """Fits the preprocessors to the training rows of all parts.

    Raises `DataError` where no rows are left to learn from or to be scored on, or a column or the metric does not fit.
    """
    dropped = check_left_out([part.left_out for part in parts], config, where)
    for name in ("train", "valid"):
        if not sum(part.rows[name] for part in parts):
            raise DataError(f"no rows are left for {name} after leaving out those without a usable target")
    groups = series_groups(config, [part.statics for part in parts], lookups, where)
    for name in parts[0].no_numbers:
        check_continuous(stack_all([part.no_numbers[name].to_frame() for part in parts]).sort_index()[name])
    refuse_commas([part.commas for part in parts])
    columns = {name: Counted(tuple(part.columns[name] for part in parts)) for name in parts[0].columns}
    inputs = choose_inputs(config, parts[0].unnamed, columns)
    preprocessor = Preprocessor.learn(columns, inputs.categorical, inputs.continuous)
    learned = columns[config.target.column]
    if not any(part.numbers()[0].any() for part in learned.parts):
        n = sum(part.rows["train"] for part in parts)
        raise DataError(
            f"target {config.target.column!r}: it is 0 in all {n} rows to learn from, which end on "
            f"{plan.split.train_end}",
            hint="name another target.column, or rows in which it is not 0",
        )
    target = TargetTransform.learn(config.target.transform, learned)
    n_valid = sum(part.rows["valid"] for part in parts)
    Criterion(config.metric, config.quantile).check_count(sum(p.wrong for p in parts), n_valid, "validation rows")
    changes = None
    if config.metric == "mase":
        changes = np.concatenate([part.changes for part in parts if part.changes is not None])
        with_mean_scale(changes)  # says where it is not defined
    history = config.history.columns if config.history is not None else ()
    return Fitted(
        preprocessor,
        target,
        _grid(config, plan, parts),
        {past_column(name): _scale_of(columns[name], target) for name in history},
        groups,
        dropped,
        changes,
        wider_medians([part.groups for part in parts], learned.summary.median) if len(parts) > 1 else None,
    )


def _grid(config: Config, plan: Plan, parts: Sequence[Survey]) -> Grid | None:
    if config.history is None:
        return None
    cells = stack_all([part.cells for part in parts if part.cells is not None])
    ahead = plan.horizon + plan.frequency.number(config.validation.gap)
    known = plan.dates.to_frame(config.date)
    return Grid.fit(cells, config.date, config.history, frequency=plan.frequency, horizon=ahead, known=known)


def _scale_of(column: Counted, target: TargetTransform) -> TargetTransform | None:
    """A scale of the target's kind, fitted to the numbers of a past-only column that the scale takes."""
    kept = []
    for part in column.parts:
        values, counts = part.numbers()
        taken = ~TargetTransform.refused(target.kind, values)
        kept.append(ColumnCounts("float", values[taken], counts[taken], 0))
    return TargetTransform.learn(target.kind, Counted(tuple(kept))) if any(map(len, kept)) else None


def totals(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The sums of the counts of all parts, in the order in which the names come."""
    return {name: sum(part.get(name, 0) for part in parts) for name in dict.fromkeys(n for part in parts for n in part)}
