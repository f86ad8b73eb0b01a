"""Past windows in which a few rows decide, and what they are worth without these.

A metric that is the root of a mean of squares can be one row's: a shop that sold a fiftieth of its usual, once in two
years, trebles the RMSPE of its window. Such a window says little of the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.evaluation.metrics import SQUARED, Criterion

RARE = 2.0
"""A row is rare that errs so many times as far as any row of the calmest other window: less is common in any window."""


@dataclass(frozen=True)
class Usual:
    """What a window is worth where rare rows count less.

    `score`: the metric where no row's error counts more than `RARE` times the largest one of the calmest other window.
    `rare`: how many rows err more than that. `worst`: the number of the row that errs most.
    """

    score: float
    rare: int
    worst: int


def usual_scores(
    criteria: Sequence[Criterion], actual: Sequence[FloatArray], forecasts: Sequence[FloatArray]
) -> list[Usual]:
    """Each window's score as usual; `actual`, `forecasts`: of its rows in the target's unit, float64 (n,) each.

    Where the metric is no root of squares, or with a single window, it is the score itself, and no row is rare.
    """
    losses = [c.losses(y, p) for c, y, p in zip(criteria, actual, forecasts, strict=True)]
    largest = np.array([part.max() for part in losses])
    found = []
    for i, (criterion, y, p, part) in enumerate(zip(criteria, actual, forecasts, losses, strict=True)):
        others = np.delete(largest, i)
        most = RARE**2 * others.min() if len(others) and criterion.metric in SQUARED else np.inf
        score = criterion(y, p)
        rare = int((part > most).sum())
        if rare:
            score *= float(np.sqrt(np.minimum(part, most).sum() / part.sum()))
        found.append(Usual(score, rare, int(part.argmax())))
    return found
