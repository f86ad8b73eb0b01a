"""The quantiles and intervals of a forecast's rows: checked, and scored over any of the rows.

A row whose bounds are all one number, such as one that is zero by rule, is *sure*. Where it is right it lies within
every interval and not above any quantile, whatever the others do; so shares of the rows are given of all rows, and of
those that are not sure, which is what compares with the promise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.errors import DataError
from tabcli.evaluation.matching import numbers, row_text
from tabcli.evaluation.metrics import CHANCE, bias, mase, pinball, wape
from tabcli.evaluation.quantile_scores import coverage, crps, inside, mean_width, relative_width, share_error, sql, wql
from tabcli.evaluation.quantiles import bounds_in, intervals_in, is_quantile, percent_text

UNSURE = "_unsure"
"""Behind the name of a share: that of the rows that are not sure."""


@dataclass(frozen=True)
class Bounds:
    """The bounds of n scored rows, beside their actual values and point forecasts, (n,) each.

    `levels`: column → level, the lowest first. `values`: float64 (n, k), in the order of `levels`. `intervals`: share
    of the rows → the columns of a central interval. `scale`: MASE's, (n,), NaN where it is not defined; None without a
    past.
    """

    target: str
    levels: dict[str, float]
    values: FloatArray
    intervals: dict[float, tuple[str, str]]
    actual: FloatArray
    predicted: FloatArray
    scale: FloatArray | None

    @classmethod
    def of(
        cls,
        forecasts: pd.DataFrame,
        target: str,
        rows: pd.DataFrame,
        keys: Sequence[str],
        actual: FloatArray,
        predicted: FloatArray,
        scale: FloatArray | None,
    ) -> "Bounds | None":
        """Those among the columns of the forecasts; None where there are none.

        `rows`, `keys`: what names a row in messages. Raises `DataError` where a bound is no number, or bounds cross.
        """
        levels = bounds_in(forecasts.columns, target)
        if not levels:
            return None
        for column in levels:
            _check_numbers(forecasts, column, rows, keys)
        values = np.stack([numbers(forecasts, column, "predictions") for column in levels], axis=1)
        _check_order(values, levels, rows, keys)
        return cls(target, levels, values, intervals_in(levels, target), actual, predicted, scale)

    def at(self, rows: IntArray | BoolArray) -> "Bounds":
        """Those of some of the rows."""
        scale = None if self.scale is None else self.scale[rows]
        return replace(
            self, values=self.values[rows], actual=self.actual[rows], predicted=self.predicted[rows], scale=scale
        )

    def column(self, name: str) -> FloatArray:
        """The bounds of one column, float64 (n,)."""
        return self.values[:, list(self.levels).index(name)]

    @property
    def sure(self) -> BoolArray:
        """Which rows have one number for all their bounds, bool (n,); none where there is but one column."""
        if len(self.levels) < 2:
            return np.zeros(len(self.actual), dtype=bool)
        return np.asarray(self.values.min(axis=1) == self.values.max(axis=1))

    @property
    def judged(self) -> list[str]:
        """The columns that WQL, SQL and CRPS are over: the quantiles; where there are none, bounds of intervals."""
        quantiles = [c for c in self.levels if is_quantile(c)]
        return list({self.levels[c]: c for c in quantiles or self.levels}.values())

    def scores(self) -> dict[str, float]:
        """*wql*, *crps* and, with a scale, *sql*; NaN where one is not defined, none without a level."""
        if not self.levels:
            return {}
        levels, values = (self.levels[c] for c in self.judged), [self.column(c) for c in self.judged]
        given = self.actual, np.stack(values, axis=1), list(levels)
        made = {"wql": wql(*given) if self.actual.any() else float("nan")}
        made |= {} if self.scale is None else {"sql": sql(*given, self.scale)}
        return made | {"crps": crps(*given)}

    def all_scores(self) -> dict[str, float]:
        """What is told of a group of rows: their point forecasts, quantiles, intervals and levels, under one name each.

        *held_80* is the share of rows within the interval of 80 %, *width_80* its width as a share of the forecasts;
        *pinball_q10* and *below_q10* are of the column of that ending.
        """
        some = self.actual.any()
        made = {
            name: m(self.actual, self.predicted) if some else np.nan for name, m in (("wape", wape), ("bias", bias))
        }
        made |= {} if self.scale is None else {"mase": mase(self.actual, self.predicted, self.scale)}
        made |= self.scores()
        unsure = self.at(~self.sure)
        for share, (low, high) in self.intervals.items():
            text = percent_text(share)
            for end, part in (("", self), (UNSURE, unsure)):
                made[f"held_{text}{end}"] = coverage(part.actual, part.column(low), part.column(high))
            made[f"width_{text}"] = relative_width(self.column(low), self.column(high), self.predicted)
        for column, level in self.levels.items():
            name = column.removeprefix(f"{self.target}_")
            made[f"pinball_{name}"] = pinball(self.actual, self.column(column), level)
            made |= {f"below_{name}{end}": _below(p, column) for end, p in (("", self), (UNSURE, unsure))}
        return made

    def grouped(self, values: pd.Series) -> pd.DataFrame:
        """`all_scores` of the rows of each of the values (n,), in their order; and how many *rows* it has."""
        groups = values.groupby(values, observed=True, dropna=False).indices
        table = pd.DataFrame([{"rows": len(at), **self.at(np.asarray(at)).all_scores()} for at in groups.values()])
        return labelled(table, str(values.name), groups)

    def level_table(self) -> pd.DataFrame:
        """A row for each column: its *level*, *column*, mean *pinball* loss, and the share of actual values *below*.

        *below* counts values that equal the bound; *below_unsure* is that of the rows that are not sure.
        """
        unsure = self.at(~self.sure)
        return pd.DataFrame(
            {
                "level": level,
                "column": column,
                "pinball": pinball(self.actual, self.column(column), level),
                "below": _below(self, column),
                f"below{UNSURE}": _below(unsure, column),
            }
            for column, level in self.levels.items()
        )

    def interval_table(self, blocks: IntArray | None) -> pd.DataFrame:
        """A row for each interval: what share of the rows it *promised* and *held*, and how wide it is.

        *held_unsure* is that of the rows that are not sure; *error* its standard error if `blocks` of rows, (n,), are
        independent, NaN where there are none; *beyond_chance* whether it is further from the promise than chance
        explains. *width* is in the target's unit, *width_share* a share of the sum of the forecasts.
        """
        sure = self.sure
        unsure = self.at(~sure)
        table = []
        for share, (low, high) in self.intervals.items():
            hits = inside(unsure.actual, unsure.column(low), unsure.column(high))
            error = float("nan") if blocks is None else share_error(hits, share, blocks[~sure])
            off = abs(float(hits.mean()) - share) if len(hits) else 0.0
            table.append(
                {
                    "promised": share,
                    "low": low,
                    "high": high,
                    "held": coverage(self.actual, self.column(low), self.column(high)),
                    f"held{UNSURE}": coverage(unsure.actual, unsure.column(low), unsure.column(high)),
                    "error": error,
                    "beyond_chance": off > CHANCE * error,
                    "width": mean_width(self.column(low), self.column(high)),
                    "width_share": relative_width(self.column(low), self.column(high), self.predicted),
                }
            )
        return pd.DataFrame(table)


def labelled(table: pd.DataFrame, name: str, values: Iterable[object]) -> pd.DataFrame:
    """The table with a column of the values in front, under a name that no other column has."""
    table.insert(0, f"{name} (value)" if name in table.columns else name, list(values))
    return table


def _below(bounds: Bounds, column: str) -> float:
    return coverage(bounds.actual, np.full(len(bounds.actual), -np.inf), bounds.column(column))


def _check_numbers(forecasts: pd.DataFrame, column: str, rows: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raises `DataError` where a row has no finite number, with the first; other kinds are left to `numbers`."""
    if forecasts[column].dtype.kind != "f":
        return
    wrong = ~np.isfinite(forecasts[column].to_numpy(dtype="float64"))
    if wrong.any():
        example = row_text(rows, keys, int(wrong.argmax()))
        raise DataError(
            f"predictions: column {column!r}: {int(wrong.sum())} rows have no finite number, such as {example}",
            hint="a bound must be there in every row that has a forecast; leave the column out, or forecast again",
        )


def _check_order(values: FloatArray, levels: dict[str, float], rows: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raises `DataError` where a bound lies below one of a lower level, with the first row."""
    names, of = list(levels), np.array(list(levels.values()))
    for i in range(1, len(names)):
        lower = np.flatnonzero(of < of[i])
        if not len(lower):
            continue
        wrong = values[:, i] < values[:, lower].max(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            other = int(lower[values[row, lower].argmax()])
            raise DataError(
                f"predictions: column {names[i]!r} lies below {names[other]!r} in {int(wrong.sum())} rows, such as "
                f"{row_text(rows, keys, row)}: {values[row, i]:g} and {values[row, other]:g}",
                hint="a quantile must not be lower than one of a lower level; forecast again, or sort them in each row",
            )
