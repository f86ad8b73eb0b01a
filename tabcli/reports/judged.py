"""Promised against got: how far forecasts of past windows were off, by window, season, steps ahead and columns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.cards.bias import Bias, bias_of
from tabcli.cards.segments import (
    FEWEST_ROWS,
    GroupScore,
    alike,
    by_season,
    by_steps,
    coded,
    scores_by,
    texts_of,
    windows_of,
    with_alike,
)
from tabcli.config.card import FEW_VALUES
from tabcli.config.schema import ONE_SERIES
from tabcli.reports.report_rows import COLUMN, ReportRows

NAMED = 1.25
"""A group is named from so many times the error of all rows on."""


@dataclass(frozen=True)
class Judged:
    """All past rows together, and by groups: what they are by → a score for each.

    `worst`: the groups whose error is `NAMED` times that of all rows or more, by what they are by, the worst first.
    `bias`: of groups of series; None where no column groups them.
    """

    whole: GroupScore
    by: dict[str, tuple[GroupScore, ...]]
    worst: tuple[tuple[str, GroupScore], ...]
    bias: Bias | None


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
    columns = _columns(rows, past)
    same = alike({name: codes for name, (codes, _) in columns.items()})
    by |= {with_alike(name, others): scores_by(past, *columns[name]) for name, others in same.items()}
    whole = scores_by(past, np.zeros(len(past), dtype="int64"), ["all rows"])[0]
    named = [
        (what, score)
        for what, scores in by.items()
        for score in scores
        if score.rows >= FEWEST_ROWS and whole.wape and score.wape and score.wape >= NAMED * whole.wape
    ]
    worst = sorted(named, key=lambda found: -(found[1].wape or 0))
    groups = _groups(rows)
    bias = bias_of(past, groups, rows.run.fitted.frequency) if len(groups.columns) else None
    return Judged(whole, by, tuple(worst), bias)


def _groups(rows: ReportRows) -> pd.DataFrame:
    """The groups of series that the run keeps; of an older run those of static columns of the rows to forecast."""
    kept = rows.run.fitted.groups
    if len(kept.columns):
        return kept
    numbers = pd.RangeIndex(len(rows.run.fitted.calendar.series))
    static = {c: texts for c, texts in static_texts(rows).items() if 2 <= texts.nunique() <= FEW_VALUES}
    return pd.DataFrame({c: texts.reindex(numbers) for c, texts in static.items()}, index=numbers)


def _columns(rows: ReportRows, past: pd.DataFrame) -> dict[str, tuple[IntArray, list[str]]]:
    """Each column with few values that is known in advance, or static: the past rows' groups and their names."""
    ahead = _known_ahead(rows, past)
    static = {c: groups for c, groups in _static(rows, past).items() if c not in ahead}
    return ahead | static


def _known_ahead(rows: ReportRows, past: pd.DataFrame) -> dict[str, tuple[IntArray, list[str]]]:
    """Of the columns that are known in advance; not of those that say no more than the weekday, which stands there."""
    if rows.known is None:
        return {}
    keyed = past[["series", "date"]].merge(rows.known, on=["series", "date"], how="left", validate="many_to_one")
    found = {}
    for name in (c for c in map(str, rows.known) if c.startswith(COLUMN)):
        if keyed[name].nunique() > FEW_VALUES or (texts := texts_of(keyed[name])).nunique() < 2:
            continue
        if not is_weekday(texts, past["date"]):
            found[name.removeprefix(COLUMN)] = coded(texts)
    return found


def is_weekday(texts: pd.Series, dates: pd.Series) -> bool:
    """Whether values (n,) name the weekdays of the dates (n,), one each."""
    pairs = pd.DataFrame({"value": texts.to_numpy(), "day": dates.dt.day_of_week.to_numpy()}).drop_duplicates()
    n = pairs["day"].nunique()
    return n > 2 and len(pairs) == n == pairs["value"].nunique()


def _static(rows: ReportRows, past: pd.DataFrame) -> dict[str, tuple[IntArray, list[str]]]:
    """Of the columns with one value for each series, as the rows to forecast have it."""
    found = {}
    for column, text_of in static_texts(rows).items():
        if 2 <= text_of.nunique() <= FEW_VALUES and len(text_of) > 2:
            found[column] = coded(past["series"].map(text_of))
    return found


def static_texts(rows: ReportRows) -> dict[str, pd.Series]:
    """Each column of the tables with one value for each series: its text by the number of the series."""
    if rows.prediction is None:
        return {}
    fitted, features = rows.run.fitted, rows.prediction.applied.features.table
    config, found = fitted.config, {}
    keys = (*config.series, config.date, config.id, ONE_SERIES, *config.availability.known_in_advance)
    for column in dict.fromkeys(c for columns in fitted.contract.tables.values() for c in columns):
        if column in keys or column not in features.stored:
            continue
        texts = texts_of(features[column]).to_numpy()
        one = pd.DataFrame({"series": rows.forecast["series"].to_numpy(), "text": texts}).drop_duplicates()
        if not one["series"].duplicated().any():
            found[str(column)] = one.set_index("series")["text"]
    return found
