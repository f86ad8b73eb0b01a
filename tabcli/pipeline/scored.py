"""Which rows have a target to learn from or to be scored on, and how many were left out for which reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.joins import FactorizedTable
from tabcli.tables.kinds import is_number
from tabcli.tables.levels import EXAMPLES, rows_text
from tabcli.tables.rows import condition_text, matches, with_columns
from tabcli.tables.texts import not_numeric_error


def clip_targets(train: pd.DataFrame, config: Config) -> tuple[pd.DataFrame, int]:
    """The rows, with negative targets as 0 if `target.nonpositive` is *clip*; and how many these were."""
    name = config.target.column
    if config.target.nonpositive != "clip" or not is_number(train[name]):
        return train, 0
    negative = (train[name] < 0) & (train[name] > -np.inf)
    return with_columns(train, {name: train[name].mask(negative, 0)}), int(negative.sum())


@dataclass(frozen=True)
class LeftOut:
    """Why rows were left out of learning and scoring, counted in some of the rows.

    `counts`: reason → rows. `refused`: reason → how many targets the transform does not take, and the numbers of the
    first rows with one. `n_asked`: rows that no condition left out; `n_kept`: rows that are left.
    """

    counts: dict[str, int]
    refused: dict[str, tuple[int, list[int]]]
    n_asked: int
    n_kept: int


@dataclass(frozen=True)
class Scored:
    """Which of n rows have a target to learn from or to be scored on, and which a lower bound of it, bool (n,)."""

    kept: BoolArray
    censored: BoolArray
    left_out: LeftOut


def scored_rows(rows: FactorizedTable, config: Config, where: str) -> tuple[BoolArray, BoolArray, dict[str, int]]:
    """Which rows have a target to learn from or to be scored on, bool (n,); which a lower bound of it, bool (n,); and
    reason → how many were left out.

    Raises `DataError` where the target holds no numbers, where it has values that its transform does not take (and
    `target.nonpositive` is not *drop*), or where no row is left. `where`: what messages call the table.
    """
    found = score(rows, config, where)
    return found.kept, found.censored, check_left_out([found.left_out], config, where)


def score(rows: FactorizedTable, config: Config, where: str) -> Scored:
    """As `scored_rows`, for rows that may be a part of all; `check_left_out` says whether all of them will do."""
    target, kind = rows[config.target.column], rows.kind(config.target.column)
    if kind == "text":
        raise not_numeric_error(target, where)
    if kind == "date":
        raise DataError(f"{where}: the target {target.name!r} holds {kind} values, not numbers")
    counts = {}
    kept = np.ones(len(rows), dtype=bool)
    if config.target.drop_where:
        hit = matches(rows, config.target.drop_where, "target.drop_where")
        counts[_condition(config)] = int(hit.sum())
        kept &= ~hit
    censored = kept & _censored(rows, config)
    kept &= ~censored
    n_asked = int(kept.sum())
    values = target.to_numpy(dtype="float64")
    taken = ~TargetTransform.refused(config.target.transform, values)
    finite = np.isfinite(values)
    reasons = {
        "missing": np.isnan(values),
        "infinite": np.isinf(values),
        "zero": values == 0,
        "negative": finite & (values < 0),
    }
    refused = {}
    for reason, wrong in reasons.items():
        found = np.flatnonzero(wrong & ~taken & kept)
        refused[reason] = len(found), [int(i) for i in rows.index[found[: EXAMPLES + 1]]]
        kept[found] = False
    counts |= {f"{target.name} {reason}": n for reason, (n, _) in refused.items()}
    if config.target.censored_where:
        counts[_without_bound(config)] = int((censored & ~taken).sum())
    return Scored(kept, censored & taken, LeftOut(counts, refused, n_asked, int(kept.sum())))


def check_left_out(parts: Sequence[LeftOut], config: Config, where: str) -> dict[str, int]:
    """Reason → how many of all rows were left out. Raises `DataError` as `scored_rows` does."""
    if config.target.nonpositive != "drop":
        for reason in parts[0].refused:
            n = sum(part.refused[reason][0] for part in parts)
            if n:
                rows = sorted(row for part in parts for row in part.refused[reason][1])[: EXAMPLES + 1]
                raise DataError(
                    f"{where}: the target {config.target.column!r} is {reason} in {n} of "
                    f"{sum(part.n_asked for part in parts)} rows ({rows_text(range(len(rows)), pd.Index(rows))}), "
                    f"which target.transform: {config.target.transform} does not take",
                    hint=_ways_out(config, reason),
                )
    if not any(part.n_kept for part in parts):
        raise DataError(f"{where}: no row with a target that can be learned is left")
    counts = {reason: sum(part.counts[reason] for part in parts) for reason in parts[0].counts}
    always = {_condition(config)} if config.target.drop_where else set()
    return {reason: n for reason, n in counts.items() if n or reason in always}


def _condition(config: Config) -> str:
    return ", ".join(f"{c} = {v}" for c, v in config.target.drop_where.items())


def _without_bound(config: Config) -> str:
    return f"{condition_text(config.target.censored_where)}, without a bound"


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
