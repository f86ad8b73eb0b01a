"""All that a card knows of a run: what made it, its past windows by groups, its bias, and a person's answers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.artifacts.contents import FittedPipeline, Run
from tabcli.cards.bias import Bias, bias_of
from tabcli.cards.made import Former, Made
from tabcli.cards.segments import (
    FEWEST_ROWS,
    GroupScore,
    by_season,
    by_steps,
    coded,
    past_rows,
    scores_by,
    windows_of,
)
from tabcli.config.card import Answers
from tabcli.tables.rows import moment_keys, seconds_of

NAMED = 1.5
"""A group is named from so many times the error of all past rows on."""

EVENT, ON_IT = "event ", "on it"
"""Before the name of an event that groups are made by; the group of rows on which it takes place."""


@dataclass(frozen=True)
class Known:
    """What the cards of a run are written from.

    `past`: the rows of past windows; `whole`: the score of all of them; `by`: of their groups by time and events,
    `by_series`: by columns of the series; `bias`: of the latter. All None or empty for a run without past windows.
    """

    run: Run
    made: Made
    answers: Answers
    former: Former | None
    past: pd.DataFrame | None
    whole: GroupScore | None
    by: dict[str, tuple[GroupScore, ...]]
    by_series: dict[str, tuple[GroupScore, ...]]
    bias: Bias | None

    @property
    def segments(self) -> tuple[tuple[str, tuple[GroupScore, ...]], ...]:
        """All groups, by what they are by."""
        return (*self.by.items(), *self.by_series.items())

    @property
    def weak(self) -> tuple[tuple[str, GroupScore], ...]:
        """Groups with `NAMED` times the error of all rows or more, the worst first."""
        found = [
            (what, score)
            for what, scores in self.segments
            for score in scores
            if self.whole is not None
            and score.rows >= FEWEST_ROWS
            and self.whole.wape
            and score.wape
            and score.wape >= NAMED * self.whole.wape
        ]
        return tuple(sorted(found, key=lambda one: -(one[1].wape or 0)))


def known_of(run: Run, made: Made, answers: Answers, former: Former | None) -> Known:
    """Gathers what the cards of a run are written from."""
    if run.past is None or run.past.empty:
        return Known(run, made, answers, former, None, None, {}, {}, None)
    past, fitted = past_rows(run), run.fitted
    whole = scores_by(past, np.zeros(len(past), dtype="int64"), ["all rows"])[0]
    by = {"past window": scores_by(past, *windows_of(past)), **by_season(fitted.frequency, past)}
    by |= {"steps ahead": by_steps(past), **_by_event(past, fitted)}
    bias, by_series = None, {}
    if len(fitted.groups.columns):
        bias = bias_of(past, fitted.groups, fitted.frequency)
        series = past["series"].to_numpy(dtype="int64")
        by_series = {
            str(name): scores_by(past, *_of_rows(fitted.groups[name], series)) for name in fitted.groups.columns
        }
    return Known(run, made, answers, former, past, whole, by, by_series, bias)


def _of_rows(column: pd.Series, series: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The group of each row by its series, int64 (n,), and the groups' names."""
    codes, names = coded(column)
    return codes[series], names


def _by_event(past: pd.DataFrame, fitted: FittedPipeline) -> dict[str, tuple[GroupScore, ...]]:
    """Rows on which an event took place, and all others."""
    keys = moment_keys(past["series"].to_numpy(dtype="int64"), seconds_of(past["date"]))
    order, found = np.argsort(keys, kind="stable"), {}
    past, keys = past.iloc[order], keys[order]
    for name, moments in fitted.calendar.moments.items():
        place = np.searchsorted(moments, keys)  # both rise
        at = np.append(moments, -1)[place] == keys
        if at.any() and not at.all():
            found[f"{EVENT}{name}"] = scores_by(past, at.astype("int64"), ["without", ON_IT])
    return found
