"""A forecast against what happened: rows matched by key, metrics over all of them and by the values of a column."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from tabcli.arrays import FloatArray, IntArray
from tabcli.evaluation.bounds import Bounds, labelled
from tabcli.evaluation.matching import match, numbers
from tabcli.evaluation.metrics import CHANCE, bias_error, pinball, scores_of
from tabcli.evaluation.naming import score_text
from tabcli.evaluation.past import Known, PastActuals
from tabcli.evaluation.quantiles import bounds_in
from tabcli.evaluation.value_added import ValueAdded
from tabcli.shown import Shown
from tabcli.tables.kinds import require_columns


@dataclass(frozen=True)
class QuantileScores:
    """What the quantiles and intervals of a forecast are worth, beside *wql*, *sql* and *crps* among the metrics.

    `levels`: a row for each column (`Bounds.level_table`). `intervals`: a row for each central interval
    (`Bounds.interval_table`). `judged`: the columns that WQL, SQL and CRPS are over. `n_sure`: rows whose bounds are
    all one number. `by`: the scores of each value of a column (`Bounds.all_scores`), the highest WQL first. `by_step`:
    those of each step ahead, where the rows have a date: steps after the last known date, and without a past the rank
    of the date among the scored ones.
    """

    levels: pd.DataFrame
    intervals: pd.DataFrame
    judged: list[str]
    n_sure: int
    by: pd.DataFrame | None
    by_step: pd.DataFrame | None


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """The metrics of a forecast beside what happened.

    `metrics`: name → value over all `n_rows` rows, NaN where one is not defined. `by`: the same for each value of a
    column, the worst first. With a past, *mase* is among the metrics, and `naive` has those of naive forecasts of the
    same rows. `n_zero`: actual values of 0, which the percentage metrics leave out. `n_unused`: predictions without an
    actual row. `on`: the columns that matched rows. `bias_error`: the standard error of the bias, where one of these
    columns is a date, which tells rows that err together. `quantiles`: of a forecast that has such columns; then *wql*,
    *crps* and, with a past, *sql* are among the metrics. `overrides`: whether a person's numbers helped, of a forecast
    that has some.
    """

    metrics: dict[str, float]
    n_rows: int
    n_zero: int
    n_unused: int
    on: list[str]
    target: str
    by: pd.DataFrame | None
    quantile: float | None = None
    naive: pd.DataFrame | None = None
    bias_error: float | None = None
    quantiles: QuantileScores | None = None
    overrides: ValueAdded | None = None

    @property
    def is_biased(self) -> bool:
        """Whether the sum of the forecast is too high or low by more than chance explains."""
        return self.bias_error is not None and abs(self.metrics["bias"]) > CHANCE * self.bias_error

    def brief(self) -> dict[str, str]:
        scores = [
            f"{name.upper() if name != 'bias' else name} {score_text(name, v)}" for name, v in self.metrics.items()
        ]
        groups = {} if self.by is None else {"by": f"{self.by.columns[0]}, {len(self.by):,} values"}
        return {
            "rows": f"{self.n_rows:,}, of which {self.n_zero:,} are 0; matched by {', '.join(self.on)}",
            self.target: ", ".join(scores),
            **groups,
            **({} if self.quantiles is None else {"intervals": self._held()}),
        }

    def _held(self) -> str:
        assert self.quantiles is not None
        table = self.quantiles.intervals
        pairs = zip(table["promised"], table["held"], strict=True) if len(table) else ()
        return ", ".join(f"{100 * share:g} % held {100 * held:.1f} %" for share, held in pairs) or "none"


def compare(
    forecast: pd.DataFrame,
    truth: pd.DataFrame,
    target: str,
    *,
    on: Sequence[str] = (),
    by: str | None = None,
    quantile: float | None = None,
    past: PastActuals | None = None,
) -> Evaluation:
    """Scores the column `target` of two tables whose rows are matched by `on` (by default all columns they share).

    `by`: also score each value of this column. `quantile`: also the pinball loss of forecasts of that quantile. `past`:
    also MASE, and naive forecasts of the same rows from the past's rows before the first scored date. Columns of
    quantiles and bounds of intervals beside the forecast's target are scored too.

    Raises `DataError` where a key is not unique, an actual row has no prediction, a value is no number, or bounds
    cross.
    """
    require_columns(forecast, [target, *on], "predictions")
    require_columns(truth, [target, *on], "actuals")
    made = [target, *bounds_in(forecast.columns, target)]
    keys = list(on) or [c for c in forecast.columns if c not in made and c in truth.columns]
    merged, forecasts = match(forecast, truth, made, keys)
    actual, predicted = numbers(merged, target, "actuals"), numbers(forecasts, target, "predictions")
    known = None if past is None else Known.of(past, merged, target)

    def scores(of: FloatArray) -> dict[str, float]:
        extra = {} if quantile is None else {"pinball": pinball(actual, of, quantile)}
        extra |= {} if known is None else {"mase": known.mase(actual, of)}
        return {**scores_of(actual, of), **extra}

    naive = {} if known is None else known.naive
    date = _date_of(merged, keys, past)
    blocks: IntArray | None = None if date is None else pd.factorize(merged[date], use_na_sentinel=False)[0]
    bounds = Bounds.of(forecasts, target, merged, keys, actual, predicted, None if known is None else known.scale)
    ahead = known.ahead if known else None if date is None else _ranks(merged[date])
    return Evaluation(
        metrics={**scores(predicted), **({} if bounds is None else bounds.scores())},
        n_rows=len(truth),
        n_zero=int((actual == 0).sum()),
        n_unused=len(forecast) - len(truth),
        on=keys,
        target=target,
        by=None if by is None else _by_value(merged, by, actual, predicted),
        quantile=quantile,
        naive=pd.DataFrame([{"forecast": name, **scores(of)} for name, of in naive.items()]) if naive else None,
        bias_error=bias_error(actual, predicted, blocks) if blocks is not None and actual.any() else None,
        quantiles=None if bounds is None else _of_bounds(bounds, merged, by, blocks, ahead),
    )


def _date_of(rows: pd.DataFrame, keys: Sequence[str], past: PastActuals | None) -> str | None:
    """The column that says when a row is: the past's, else the first key that is a date; None where there is none."""
    if past is not None:
        return past.date
    return next((c for c in keys if is_datetime64_any_dtype(rows[c])), None)


def _ranks(dates: pd.Series) -> IntArray:
    """The rank of each date (n,) among the different ones, int64 (n,), from 1 on."""
    return dates.rank(method="dense").to_numpy().astype("int64")


def _of_bounds(
    bounds: Bounds, rows: pd.DataFrame, by: str | None, blocks: IntArray | None, ahead: IntArray | None
) -> QuantileScores:
    groups = None if by is None else bounds.grouped(rows[by])
    return QuantileScores(
        levels=bounds.level_table(),
        intervals=bounds.interval_table(blocks),
        judged=bounds.judged,
        n_sure=int(bounds.sure.sum()),
        by=None if groups is None else groups.sort_values("wql", ascending=False, ignore_index=True),
        by_step=None if ahead is None else bounds.grouped(pd.Series(ahead, name="step")),
    )


def _by_value(merged: pd.DataFrame, by: str, actual: FloatArray, predicted: FloatArray) -> pd.DataFrame:
    require_columns(merged, [by], "predictions and actuals")
    groups = merged.groupby(by, observed=True, dropna=False).indices
    table = pd.DataFrame([{"rows": len(at), **scores_of(actual[at], predicted[at])} for at in groups.values()])
    worst = "rmspe" if table["rmspe"].notna().any() else "mae"
    return labelled(table, by, groups).sort_values(worst, ascending=False, ignore_index=True)
