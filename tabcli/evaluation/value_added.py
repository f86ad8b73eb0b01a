"""Whether a person's numbers were nearer to what happened than the forecasts that they replaced: forecast value added.

    value added  =  error of the model − error of the person, on the overridden rows, as a share of what happened there

Above 0 the person helped. Rows of one date are off together, so how sure that is goes by whole dates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype
from scipy.special import stdtrit

from tabcli.arrays import AnyArray, FloatArray
from tabcli.errors import DataError
from tabcli.evaluation.matching import numbers, plain_keys, require_same_kinds
from tabcli.evaluation.metrics import wape
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import check_unique

GROUPS = ("who", "why")
"""The columns of overrides by whose values the person's numbers are judged, too."""

SURE = 0.95
"""The share of intervals of the value added that hold the truth."""

EVERY = "all"


@dataclass(frozen=True)
class ValueAdded:
    """`table`: a row for all changed rows, and for each value of *who* and *why*.

    Its columns: *by* and *value* of the group; *rows*, *dates*; *wape_model*, *wape_person*; *added*, and *low* and
    *high* of its `SURE` interval (NaN with a single date), fractions of what happened; *better*: the share of rows on
    which the person was nearer; *saved*: the absolute error saved, in the target's unit; *verdict*: *helped*, *hurt* or
    *unclear*. `n_same`: overrides that are the model's own number. `n_open`: those without an actual row yet.
    """

    table: pd.DataFrame
    n_same: int
    n_open: int


def model_column(target: str) -> str:
    """The column with what the model forecast, beside a person's number.

    >>> model_column("Sales")
    'Sales_model'
    """
    return f"{target}_model"


def value_added(
    overrides: pd.DataFrame | None, forecast: pd.DataFrame, truth: pd.DataFrame, target: str, keys: Sequence[str]
) -> ValueAdded:
    """Judges a person's numbers by what happened.

    `overrides`: what predict wrote, or the person's own table; None: the rows of `forecast` whose number is not that of
    their column `model_column`. The model's number is looked for in the overrides, then in the forecast's
    `model_column`, then in its target. `keys`: the columns that match rows of all tables. Raises `DataError` where they
    cannot be matched, where no model's number is to be found, or no row was changed.
    """
    model, where = model_column(target), "overrides"
    if overrides is None:
        require_columns(forecast, [target, model], "predictions")
        overrides, where = forecast, "predictions"
    by = [k for k in keys if k in overrides.columns]
    if not by:
        raise DataError(f"the overrides and the actuals share no key: none of {', '.join(keys)} is in the overrides")
    require_columns(overrides, [target], where)
    require_same_kinds(overrides, truth, by, where, "actuals")
    check_unique(overrides, by, where)
    check_unique(truth, by, "actuals")
    made = plain_keys(overrides, by)
    person = numbers(overrides, target, where)
    own = numbers(overrides, model, where) if model in overrides else _of_forecast(made, forecast, target, by)
    actual = _looked_up(made, truth, target, by)
    changed, there = person != own, np.isfinite(actual)
    if not changed.any():
        raise DataError(
            f"none of the {len(overrides)} overrides differs from the model's number",
            hint=f"give the table that predict wrote beside the forecast, which has {model!r}, or the model's forecast",
        )
    rows = made.loc[changed & there].reset_index(drop=True)
    at = np.flatnonzero(changed & there)
    judged = _Judged(actual[at], own[at], person[at], _dates(rows))
    table = pd.DataFrame(list(_groups(rows, judged)))
    return ValueAdded(table, int((~changed).sum()), int((changed & ~there).sum()))


@dataclass(frozen=True)
class _Judged:
    """n changed rows: what happened, the model's and the person's number, float64 (n,); the code of the date, (n,)."""

    actual: FloatArray
    model: FloatArray
    person: FloatArray
    date: AnyArray | None

    def take(self, at: AnyArray) -> "_Judged":
        return _Judged(self.actual[at], self.model[at], self.person[at], None if self.date is None else self.date[at])

    def scores(self) -> dict[str, object]:
        """A row of `ValueAdded.table` without its group."""
        size = np.abs(self.actual)
        gain = np.abs(self.actual - self.model) - np.abs(self.actual - self.person)
        added = float(gain.sum() / size.sum()) if size.any() else float("nan")
        half, n_dates = _half_width(gain, size, self.date)
        helped, hurt = added - half > 0, added + half < 0
        some = bool(size.any())
        return {
            "rows": len(gain),
            "dates": n_dates,
            "wape_model": wape(self.actual, self.model) if some else float("nan"),
            "wape_person": wape(self.actual, self.person) if some else float("nan"),
            "added": added,
            "low": added - half,
            "high": added + half,
            "better": float((gain > 0).mean()) if len(gain) else float("nan"),
            "saved": float(gain.sum()),
            "verdict": "helped" if helped else "hurt" if hurt else "unclear",
        }


def _half_width(gain: FloatArray, size: FloatArray, date: AnyArray | None) -> tuple[float, int]:
    """Half of the `SURE` interval of Σ gain / Σ size, by whole dates (each row its own where there are none); and how
    many dates there are. NaN with fewer than two.
    """
    codes = np.arange(len(gain)) if date is None else np.unique(date, return_inverse=True)[1]
    n = int(codes.max(initial=-1)) + 1
    if n < 2 or not size.any():
        return float("nan"), n
    gains, sizes = np.bincount(codes, weights=gain), np.bincount(codes, weights=size)
    apart = gains - gains.sum() / sizes.sum() * sizes
    error = np.sqrt(n / (n - 1) * np.sum(apart**2)) / sizes.sum()
    return float(stdtrit(n - 1, (1 + SURE) / 2) * error), n


def _groups(rows: pd.DataFrame, judged: _Judged) -> Iterator[dict[str, object]]:
    yield {"by": EVERY, "value": "", **judged.scores()}
    for name in GROUPS:
        if name in rows and rows[name].notna().any():
            texts = rows[name].astype("str").fillna("").to_numpy(dtype=object)
            counts = pd.Series(texts).value_counts()
            for value in sorted(counts.index, key=lambda v: (-int(counts[v]), str(v))):
                yield {"by": name, "value": value, **judged.take(np.flatnonzero(texts == value)).scores()}


def _dates(rows: pd.DataFrame) -> AnyArray | None:
    """The code of each row's date, (n,): of the first column that holds dates, but for *when*; None without one."""
    name = next((c for c in rows.columns if c != "when" and is_datetime64_any_dtype(rows[c])), None)
    return None if name is None else pd.factorize(rows[name], use_na_sentinel=False)[0]


def _of_forecast(rows: pd.DataFrame, forecast: pd.DataFrame, target: str, by: Sequence[str]) -> FloatArray:
    """The model's numbers for rows whose overrides lack them. Raises `DataError` where a row has none."""
    column = model_column(target) if model_column(target) in forecast.columns else target
    require_same_kinds(rows, forecast, by, "overrides", "predictions")
    check_unique(forecast, by, "predictions")
    found = _looked_up(rows, forecast, column, by)
    lost = int((~np.isfinite(found)).sum())
    if lost:
        raise DataError(f"{lost} of {len(rows)} overrides have no number of the model: no such row in the predictions")
    return found


def _looked_up(rows: pd.DataFrame, table: pd.DataFrame, column: str, by: Sequence[str]) -> FloatArray:
    """The numbers of a column of the rows with the same keys, float64 (n,), NaN where there is no such row."""
    require_columns(table, [*by, column], "the table to match")
    names = [str(i) for i in range(len(by))]
    known = plain_keys(table[list(by)], by).set_axis(names, axis=1).assign(found=numbers(table, column, "actuals"))
    wanted = rows[list(by)].set_axis(names, axis=1)
    return wanted.merge(known, on=names, how="left")["found"].to_numpy(dtype="float64")
