"""The forecast rows that most deserve a person's look, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.errors import UsageError
from tabcli.forecasting.departures import far_from_naive, far_from_past
from tabcli.forecasting.reasons import (
    Reason,
    Reviewed,
    beyond,
    disagreement,
    new_series,
    outside_inputs,
    unseen,
    wide,
)

MOST = 3.0
"""No reason counts more than this, so that none drowns the others."""

AGAIN = 0.9
"""What a further row of the same series counts."""


@dataclass(frozen=True)
class HowMany:
    """How many rows are looked at: a count, or a share of all."""

    text: str
    count: int | None
    share: float | None

    @classmethod
    def parse(cls, text: str) -> "HowMany":
        """From "50" or "2%". Raises `UsageError`.

        >>> HowMany.parse("2%").of(1000)
        20
        """
        plain = text.strip().replace(" ", "")
        try:
            if plain.endswith("%"):
                share = float(plain[:-1]) / 100
                if 0 < share <= 1:
                    return cls(text, None, share)
            elif int(plain) > 0:
                return cls(text, int(plain), None)
        except ValueError:
            pass
        raise UsageError(f"--review {text}: expected how many rows, such as 50, or a share of them, such as 2%")

    def of(self, n: int) -> int:
        """How many of n rows; of a share at least one."""
        return min(n, self.count if self.count is not None else math.ceil((self.share or 0.0) * n - 1e-9))


@dataclass(frozen=True)
class Review:
    """`table`: the rows, the first deserves a look most. `counts`: reason → of how many rows of the forecast it holds.

    `n_reasons`: how many rows have any.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    n_reasons: int


def review_of(rows: Reviewed, table: pd.DataFrame, how_many: HowMany) -> Review:
    """The rows of a forecast that most deserve a look.

    `table`: the n rows as they are written; each gets a *score*, the main *reason*, *why* in words, and a column for
    each reason that holds for any row, empty where it does not. From a score of 1 on a row has reasons: it is the sum
    of their strengths. Behind them come rows that have none, by what is least usual of them. What a score is above 1
    (or, without a reason, above 0) counts `AGAIN` times as much for each row of the same series before: a person who
    has seen one knows the series. Of rows of one score the larger forecast, then the earlier row, comes first, so that
    fewer rows are always the first of more.
    """
    reasons = _reasons_of(rows)
    every = np.stack([np.where(rows.open, np.nan_to_num(np.clip(r.strength, 0, MOST)), 0.0) for r in reasons])
    strengths = np.where(every >= 1, every, 0.0)
    score = _scores(strengths.sum(axis=0), every.max(axis=0), rows)
    order = _order(score, rows)
    chosen = order[: min(how_many.of(len(score)), int((score > 0).sum()))]
    made = table.iloc[chosen].reset_index(drop=True)
    made["score"] = score[chosen]
    names = np.array([r.name for r in reasons], dtype=object)[strengths[:, chosen].argmax(axis=0)]
    made["reason"] = np.where(score[chosen] >= 1, names, "")
    made["why"] = [_words(reasons, strengths[:, i], i) or _least_usual(reasons, every[:, i], i) for i in chosen]
    counts = {r.name: int((s > 0).sum()) for r, s in zip(reasons, strengths, strict=True)}
    for reason, strength in zip(reasons, strengths[:, chosen], strict=True):
        if counts[reason.name]:
            column = pd.Series(reason.values[chosen]).astype(object)
            made[reason.name] = column.where(strength > 0, None).infer_objects()
    return Review(made, counts, int((score >= 1).sum()))


def _reasons_of(rows: Reviewed) -> list[Reason]:
    """All reasons, in the order of their columns."""
    found = [new_series(rows), unseen(rows), beyond(rows), outside_inputs(rows)]
    if rows.run.past is not None and not rows.run.past.empty:
        found.append(wide(rows))
    if len(rows.run.members) > 1:
        found.append(disagreement(rows))
    if rows.run.floor.share > 0:
        found.append(far_from_naive(rows))
    return found if rows.known is None else [*found, *far_from_past(rows, rows.known)]


def _order(score: FloatArray, rows: Reviewed) -> IntArray:
    """The rows (n,) by their score, the highest first."""
    found: IntArray = np.lexsort([np.arange(len(score)), -np.abs(rows.values), -score])
    return found


def _scores(sums: FloatArray, soft: FloatArray, rows: Reviewed) -> FloatArray:
    """The scores of n rows with these sums of strengths, and these largest ones where no reason holds."""
    has = sums >= 1
    first = np.where(has, sums, np.minimum(soft, 0.99))
    order = _order(first, rows)
    series = pd.Series(rows.applied.features.series[order])
    again = np.empty(len(first))
    again[order] = AGAIN ** series.groupby(series).cumcount().to_numpy()
    scores = np.where(has, 1 + (first - 1) * again, first * again)
    rounded: FloatArray = np.where(has, np.round(scores, 4), np.minimum(np.round(scores, 4), 0.9999))
    return rounded


def _words(reasons: Sequence[Reason], strength: FloatArray, row: int) -> str:
    """All reasons of a row, the strongest first."""
    order = sorted((i for i in range(len(reasons)) if strength[i] > 0), key=lambda i: -strength[i])
    return "; ".join(reasons[i].words(row) for i in order)


def _least_usual(reasons: Sequence[Reason], strength: FloatArray, row: int) -> str:
    return f"no reason by itself; least usual: {reasons[int(strength.argmax())].words(row)}"
