"""Promised against got: how far forecasts of past windows were off, by window, season, steps ahead and columns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.cards.segments import (
    FEWEST_ROWS,
    GroupScore,
    by_season,
    by_steps,
    coded,
    scores_by,
    texts_of,
    windows_of,
)
from tabcli.config.card import FEW_VALUES
from tabcli.config.schema import ONE_SERIES
from tabcli.reports.report_rows import ReportRows

NAMED = 1.25
"""A group is named from so many times the error of all rows on."""


@dataclass(frozen=True)
class Judged:
    """All past rows together, and by groups: what they are by → a score for each.

    `worst`: the groups whose error is `NAMED` times that of all rows or more, by what they are by, the worst first.
    """

    whole: GroupScore
    by: dict[str, tuple[GroupScore, ...]]
    worst: tuple[tuple[str, GroupScore], ...]


def judge(rows: ReportRows) -> Judged | None:
    """None for a run without past windows."""
    if rows.past is None:
        return None
    past = rows.past
    by = {
        "past window": scores_by(past, *windows_of(past)),
        **by_season(rows.run.fitted.frequency, past),
        "steps ahead": by_steps(past),
    }
    by |= {name: scores_by(past, *groups) for name, groups in _columns(rows, past).items()}
    whole = scores_by(past, np.zeros(len(past), dtype="int64"), ["all rows"])[0]
    named = [
        (what, score)
        for what, scores in by.items()
        for score in scores
        if score.rows >= FEWEST_ROWS and whole.wape and score.wape and score.wape >= NAMED * whole.wape
    ]
    worst = sorted(named, key=lambda found: -(found[1].wape or 0))
    return Judged(whole, by, tuple(worst))


def _columns(rows: ReportRows, past: pd.DataFrame) -> dict[str, tuple[IntArray, list[str]]]:
    """Each column with few values that is known in advance, or static: the past rows' groups and their names."""
    first, found = {}, {}
    fitted, features = rows.run.fitted, rows.prediction.applied.features.table
    own = dict.fromkeys(c for columns in fitted.contract.tables.values() for c in columns)
    config, codes = fitted.config, rows.forecast["series"]
    beside = [] if rows.known is None else [c for c in map(str, rows.known) if c.startswith("column.")]
    for column in own:
        if column in (*config.series, config.date, config.id, ONE_SERIES) or f"column.{column}" in beside:
            continue
        if column not in features.stored:
            continue
        texts = texts_of(features[column])
        one = pd.DataFrame({"series": codes.to_numpy(), "text": texts.to_numpy()}).drop_duplicates()
        if 2 <= one["text"].nunique() <= FEW_VALUES and not one["series"].duplicated().any() and len(one) > 2:
            found[column] = coded(past["series"].map(one.set_index("series")["text"]))
    if rows.known is not None and beside:
        keyed = past[["series", "date"]].merge(
            rows.known.drop(columns="actual"), on=["series", "date"], how="left", validate="many_to_one"
        )
        for name in beside:
            if keyed[name].nunique() <= FEW_VALUES and (texts := texts_of(keyed[name])).nunique() >= 2:
                first[name.removeprefix("column.")] = coded(texts)
    return first | found
