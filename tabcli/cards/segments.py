"""Rows of past windows with what was forecast, and how far off the forecasts of groups of them were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.artifacts.contents import Run
from tabcli.features.frequency import DAY, WEEK, Frequency, season_of
from tabcli.training.past import held_rows

FEWEST_ROWS = 30
"""A group of fewer rows is shown and never named."""

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


def past_rows(run: Run) -> pd.DataFrame:
    """The rows of `Run.past` with forecasts in the target's unit, places in the season, and whether 80 % held.

    The interval of a window comes from the errors of the others, so that none is judged by itself.
    """
    assert run.past is not None
    rows, fitted = run.past.reset_index(drop=True), run.fitted
    forecasts = run.calibration.forecasts(fitted.target, rows["output"].to_numpy())
    several = rows["window"].nunique() > 1
    held = held_rows(fitted, rows).astype("float64") if several else np.full(len(rows), np.nan)
    season = season_of(rows["date"], fitted.frequency).to_numpy()
    return rows.assign(forecast=forecasts, season=season, held=held).drop(columns="output")


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


def windows_of(past: pd.DataFrame) -> tuple[IntArray, list[str]]:
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


def by_season(frequency: Frequency, past: pd.DataFrame) -> dict[str, tuple[GroupScore, ...]]:
    """By weekday and hour where the season is a week, by month where it is a year."""
    dates = past["date"].dt
    if frequency.seconds >= WEEK:
        return {"month": scores_by(past, dates.month.to_numpy(dtype="int64") - 1, MONTHS)}
    found = {"weekday": scores_by(past, dates.day_of_week.to_numpy(dtype="int64"), WEEKDAYS)}
    if frequency.seconds < DAY:
        hours = [f"{h:02d}:00" for h in range(24)]
        found["hour of the day"] = scores_by(past, dates.hour.to_numpy(dtype="int64"), hours)
    return found


def by_steps(past: pd.DataFrame) -> tuple[GroupScore, ...]:
    """By steps ahead, in at most `STEP_GROUPS` groups of as many steps."""
    ahead = past["ahead"].to_numpy(dtype="int64")
    width = -(-int(ahead.max()) // STEP_GROUPS)
    names = [
        f"{k * width + 1}" if width == 1 else f"{k * width + 1}–{(k + 1) * width}"
        for k in range(ahead.max() // width + 1)
    ]
    return scores_by(past, (ahead - 1) // width, names)


def texts_of(column: pd.Series) -> pd.Series:
    """Values as text, whole numbers without a point; NaN where there is none."""
    codes, values = pd.factorize(column)
    texts = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    return pd.Series(np.array([*texts, np.nan], dtype=object)[codes], index=column.index, dtype="object")


def coded(texts: pd.Series) -> tuple[IntArray, list[str]]:
    """Texts (n,) as groups, int64 (n,), −1 where there is none; and the groups' names in order,
    numbers by their size.
    """
    codes, found = pd.factorize(texts)
    names = [str(n) for n in found]
    try:
        order = sorted(range(len(names)), key=lambda k: float(names[k]))
    except ValueError:
        order = sorted(range(len(names)), key=lambda k: names[k])
    place = np.empty(len(names) + 1, dtype="int64")
    place[order], place[-1] = np.arange(len(names)), -1
    return place[codes], [names[k] for k in order]


def alike(columns: Mapping[str, IntArray]) -> dict[str, tuple[str, ...]]:
    """Each column whose codes (n,) group rows as those of no column before it do → the later ones that group them so.

    Codes are −1 for rows of no group.

    >>> alike({"state": np.array([0, 1, 0]), "name": np.array([5, 3, 5]), "kind": np.array([0, 1, -1])})
    {'state': ('name',), 'kind': ()}
    """
    first: dict[bytes, str] = {}
    found: dict[str, tuple[str, ...]] = {}
    for name, codes in columns.items():
        groups = np.where(codes < 0, -1, pd.factorize(codes)[0]).astype("int64")  # by which comes first
        one = first.setdefault(groups.tobytes(), name)
        found[one] = (*found.get(one, ()), *([name] if name != one else []))
    return found


def with_alike(name: str, others: Sequence[str]) -> str:
    """The name of a column, and of those that group rows as it does."""
    return f"{name} ({', '.join(others)})" if others else name
