"""Promised against got: how far forecasts of past windows were off, by window, season, steps ahead and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.config.schema import ONE_SERIES
from tabcli.features.frequency import DAY, WEEK
from tabcli.reports.report_rows import ReportRows

FEW_VALUES = 12
"""A column with more values is no group."""

FEWEST_ROWS = 30
"""A group of fewer rows is shown and never named."""

NAMED = 1.25
"""A group is named from so many times the error of all rows on."""

STEP_GROUPS = 12

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class GroupScore:
    """Forecasts of a group of past rows against what happened.

    `actual`, `forecast`: sums. `wape`: sum of absolute errors ÷ sum of what happened; `bias`: sum of the forecasts ÷
    that sum, − 1; both None where it is 0. `held`: the share of rows within the interval of 80 %, None where unknown.
    """

    name: str
    rows: int
    actual: float
    forecast: float
    wape: float | None
    bias: float | None
    held: float | None


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
    by = {"past window": scores_by(past, *_windows(past)), **_by_season(rows, past), "steps ahead": _by_steps(past)}
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


def scores_by(past: pd.DataFrame, groups: IntArray, names: Sequence[str]) -> tuple[GroupScore, ...]:
    """The scores of each group that has rows, in the order of the groups; `groups` (n,): −1 for rows of none."""
    table = pd.DataFrame(
        {
            "group": groups,
            "actual": past["actual"].to_numpy(),
            "size": past["actual"].abs().to_numpy(),
            "forecast": past["forecast"].to_numpy(),
            "error": (past["actual"] - past["forecast"]).abs().to_numpy(),
            "held": past["held"].to_numpy(),
        }
    )
    found = table[groups >= 0].groupby("group")
    sums, means, sizes = found.sum(), found["held"].mean(), found.size()
    made = []
    for group, row in sums.iterrows():
        code = int(str(group))
        size, held = float(row["size"]), float(means[code])
        made.append(
            GroupScore(
                names[code],
                int(sizes[code]),
                float(row["actual"]),
                float(row["forecast"]),
                float(row["error"]) / size if size else None,
                float(row["forecast"]) / float(row["actual"]) - 1 if row["actual"] else None,
                held if np.isfinite(held) else None,
            )
        )
    return tuple(made)


def _windows(past: pd.DataFrame) -> tuple[IntArray, list[str]]:
    """Past windows, the newest first, by their dates."""
    codes, order = pd.factorize(past["window"], sort=True)
    ends = past.groupby("window")["date"].agg(["min", "max"]).loc[order]
    names = [f"{span_text(a, b)}" for a, b in ends.itertuples(index=False)]
    return codes.astype("int64"), names


def span_text(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """The first and the last moment of a stretch of time."""
    return f"{moment_text(first)} … {moment_text(last)}"


def moment_text(moment: pd.Timestamp) -> str:
    """A date; with the time of day where it is not midnight."""
    return str(moment.date()) if moment == moment.normalize() else moment.strftime("%Y-%m-%d %H:%M")


def _by_season(rows: ReportRows, past: pd.DataFrame) -> dict[str, tuple[GroupScore, ...]]:
    """By weekday and hour where the season is a week, by month where it is a year."""
    frequency, dates = rows.run.fitted.frequency, past["date"].dt
    if frequency.seconds >= WEEK:
        return {"month": scores_by(past, dates.month.to_numpy(dtype="int64") - 1, MONTHS)}
    found = {"weekday": scores_by(past, dates.day_of_week.to_numpy(dtype="int64"), WEEKDAYS)}
    if frequency.seconds < DAY:
        hours = [f"{h:02d}:00" for h in range(24)]
        found["hour of the day"] = scores_by(past, dates.hour.to_numpy(dtype="int64"), hours)
    return found


def _by_steps(past: pd.DataFrame) -> tuple[GroupScore, ...]:
    """By steps ahead, in at most `STEP_GROUPS` groups of as many steps."""
    ahead = past["ahead"].to_numpy(dtype="int64")
    width = -(-int(ahead.max()) // STEP_GROUPS)
    names = [
        f"{k * width + 1}" if width == 1 else f"{k * width + 1}–{(k + 1) * width}"
        for k in range(ahead.max() // width + 1)
    ]
    return scores_by(past, (ahead - 1) // width, names)


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
        texts = _texts(features[column])
        one = pd.DataFrame({"series": codes.to_numpy(), "text": texts.to_numpy()}).drop_duplicates()
        if 2 <= one["text"].nunique() <= FEW_VALUES and not one["series"].duplicated().any() and len(one) > 2:
            found[column] = _coded(past["series"].map(one.set_index("series")["text"]))
    if rows.known is not None and beside:
        keyed = past[["series", "date"]].merge(
            rows.known.drop(columns="actual"), on=["series", "date"], how="left", validate="many_to_one"
        )
        for name in beside:
            if keyed[name].nunique() <= FEW_VALUES and (texts := _texts(keyed[name])).nunique() >= 2:
                first[name.removeprefix("column.")] = _coded(texts)
    return first | found


def _texts(column: pd.Series) -> pd.Series:
    """Values as text, whole numbers without a point; NaN where there is none."""
    if column.dtype.kind == "f":
        texts = pd.Series([f"{v:g}" for v in column], index=column.index, dtype="object")
        return texts.where(column.notna())
    return column.astype("object").map(str, na_action="ignore")


def _coded(texts: pd.Series) -> tuple[IntArray, list[str]]:
    codes, names = pd.factorize(texts, sort=True)
    return codes.astype("int64"), [str(n) for n in names]
