"""Which rows have a target to learn from or to be scored on, and how many were left out for which reason."""

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.kinds import is_number
from tabcli.tables.levels import rows_text
from tabcli.tables.rows import condition_text, matches, with_columns
from tabcli.tables.texts import not_numeric_error


def clip_targets(train: pd.DataFrame, config: Config) -> tuple[pd.DataFrame, int]:
    """The rows, with negative targets as 0 if `target.nonpositive` is *clip*; and how many these were."""
    name = config.target.column
    if config.target.nonpositive != "clip" or not is_number(train[name]):
        return train, 0
    negative = (train[name] < 0) & (train[name] > -np.inf)
    return with_columns(train, {name: train[name].mask(negative, 0)}), int(negative.sum())


def scored_rows(rows: FactorizedTable, config: Config, where: str) -> tuple[BoolArray, BoolArray, dict[str, int]]:
    """Which rows have a target to learn from or to be scored on, bool (n,); which a lower bound of it, bool (n,); and
    reason → how many were left out.

    Raises `DataError` where the target holds no numbers, where it has values that its transform does not take (and
    `target.nonpositive` is not *drop*), or where no row is left. `where`: what messages call the table.
    """
    target, kind = rows[config.target.column], rows.kind(config.target.column)
    if kind == "text":
        raise not_numeric_error(target, where)
    if kind == "date":
        raise DataError(f"{where}: the target {target.name!r} holds {kind} values, not numbers")
    left_out = {}
    kept = np.ones(len(rows), dtype=bool)
    if config.target.drop_where:
        hit = matches(rows, config.target.drop_where, "target.drop_where")
        left_out[", ".join(f"{c} = {v}" for c, v in config.target.drop_where.items())] = int(hit.sum())
        kept &= ~hit
    censored = kept & _censored(rows, config)
    kept &= ~censored
    values = target.to_numpy(dtype="float64")
    refused = TargetTransform.refused(config.target.transform, values)
    finite = np.isfinite(values)
    reasons = {
        "missing": np.isnan(values),
        "infinite": np.isinf(values),
        "zero": values == 0,
        "negative": finite & (values < 0),
    }
    for reason, wrong in reasons.items():
        found = np.flatnonzero(wrong & refused & kept)
        if len(found) and config.target.nonpositive != "drop":
            raise DataError(
                f"{where}: the target {target.name!r} is {reason} in {len(found)} of {int(kept.sum())} rows "
                f"({rows_text(found, rows.index)}), "
                f"which target.transform: {config.target.transform} does not take",
                hint=_ways_out(config, reason),
            )
        if len(found):
            left_out[f"{target.name} {reason}"] = len(found)
        kept[found] = False
    if not kept.any():
        raise DataError(f"{where}: no row with a target that can be learned is left")
    empty = int((censored & refused).sum())
    if empty:
        left_out[f"{condition_text(config.target.censored_where)}, without a bound"] = empty
    return kept, censored & ~refused, left_out


def _censored(rows: FactorizedTable, config: Config) -> BoolArray:
    """Which rows have a target that was cut short, bool (n,)."""
    condition = config.target.censored_where
    return matches(rows, condition, "target.censored_where") if condition else np.zeros(len(rows), dtype=bool)


def _ways_out(config: Config, reason: str) -> str:
    """The hint: what the config can say about targets that its transform does not take."""
    ways = {
        "missing": [],
        "infinite": ["correct them: a number divided by 0?"],
        "zero": ["learn them with `target.transform: log1p`"],
        "negative": ["learn them with `target.transform: identity`"],
    }[reason]
    if reason == "negative":
        ways.append("take them as 0 with `target.transform: log1p` and `target.nonpositive: clip`")
    if reason == "zero":
        ways.append(f"leave them out with `target.drop_where: {{{config.target.column}: 0}}`")
    return "; ".join([*ways, "leave out all such rows with `target.nonpositive: drop`"])
