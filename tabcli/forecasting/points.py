"""A run + raw tables → the forecast of every row, in the order of the rows, with what its reader should know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.artifacts.encoded_names import ROW
from tabcli.config.values import Duration
from tabcli.errors import BundleError, DataError
from tabcli.evaluation.quantiles import interval_columns, interval_levels, quantile_column
from tabcli.evaluation.value_added import model_column
from tabcli.forecasting.bounds import noted_on_bounds, quantiles_of
from tabcli.forecasting.known import KnownTargets, has_train, known_targets
from tabcli.forecasting.notes import FarValues, Noted, closed_notes, ended_notes, far_values, noted_on, sentences
from tabcli.forecasting.outputs import outputs_of, significant
from tabcli.forecasting.overrides import keys_of, placed
from tabcli.forecasting.reasons import Reviewed
from tabcli.forecasting.review import HowMany, Review, review_of
from tabcli.forecasting.total_parts import write_totals
from tabcli.forecasting.totals import Total, totals_of
from tabcli.pipeline.apply import Applied, apply, zero_rows
from tabcli.pipeline.future import future_rows, own_dates
from tabcli.pipeline.joined import with_target
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.joins import LookupTable
from tabcli.tables.kinds import plain_values


@dataclass(frozen=True)
class Prediction:
    """The forecasts of all rows, in their order.

    `table`: the id (where the config has one), series, date, the columns that were asked for, and the forecast under
    the target's name. `columns`: all columns that can be asked for. `counts`: *rows*, and of these *zero* by rule.
    `warnings`: one sentence each. `applied`: the rows as they were encoded. `totals`: see `totals.totals_of`; `review`:
    see `review.review_of`; `overridden`: see `overrides.Overrides.record`; None where none were asked for. `by_date`:
    the sum of the forecasts of each date, in their order. `noted`: what most of the warnings say, as numbers.
    """

    table: pd.DataFrame
    columns: list[str]
    counts: dict[str, int]
    warnings: list[str]
    applied: Applied
    totals: pd.DataFrame | None = None
    review: Review | None = None
    overridden: pd.DataFrame | None = None
    by_date: pd.Series | None = None
    noted: Sequence[Noted] = ()


@dataclass(frozen=True)
class Part:
    """n rows to forecast, read and checked, that are all of some series: a part of a larger table.

    `numbers`: of the rows in that table, int64 (n,). `until`: the last date of all its rows. `totals`: the folder for
    what totals of all rows need of these.
    """

    rows: pd.DataFrame
    numbers: IntArray
    until: pd.Timestamp
    totals: Path


@dataclass(frozen=True)
class Wanted:
    """What is wanted beside the forecast of each row.

    `quantiles`: their levels. `intervals`: the shares of the rows that central intervals hold, of rows and of totals.
    `totals`: sums of rows. `review`: how many rows for a person to look at. `overrides`: a person's numbers, which
    replace forecasts, and what messages call their table.
    """

    quantiles: tuple[float, ...] = ()
    intervals: tuple[float, ...] = ()
    totals: tuple[Total, ...] = ()
    review: HowMany | None = None
    overrides: tuple[pd.DataFrame, str] | None = None

    def bounds(self, target: str) -> dict[str, float]:
        """Column → level of the bounds of each row, in the order that they are written in."""
        bounds = {quantile_column(target, level): level for level in sorted(self.quantiles)}
        for share in sorted(self.intervals):
            bounds |= zip(interval_columns(target, share), interval_levels(share), strict=True)
        return bounds


NOTHING = Wanted()
USUAL = (0.8,)
"""The interval of totals where none is asked for."""


def forecast(
    run: Run,
    data: DataSource,
    horizon: Duration | None = None,
    columns: Sequence[str] = (),
    lookups: Sequence[LookupTable] | None = None,
    wanted: Wanted = NOTHING,
    part: Part | None = None,
) -> Prediction:
    """Forecasts the rows of the table `future`, in 6 significant digits, 0 where the config says so.

    `horizon`: forecast the next steps of every series in place of that table. `columns`: columns of the rows that are
    carried along if they exist. `lookups`: what `pipeline.apply.lookup_tables` gave, if at hand. `wanted`: what is
    wanted beside the forecasts. `part`: rows in place of that table. Raises `DataError` for rows or overrides that
    cannot be used, `ConfigError` for rows that cannot be made, `BundleError` where a forecast is not finite.
    """
    config = run.fitted.config
    made = None
    if horizon is not None:
        _refuse_later_rows(run, data)
        made = future_rows(run.fitted, horizon)
    given, until, numbers = (made, None, None) if part is None else (part.rows, part.until, part.numbers)
    end = None if until is None else max(run.fitted.known_until, until)
    applied = apply(run.fitted, data, rows=given, lookups=lookups, until=end)
    outputs = outputs_of(run, applied.encoded.table, applied.rows[config.date])
    values = _finished(run, applied, outputs)
    table = _named_rows(run, applied, columns, made is not None)
    target = config.target.column
    overrides = None if wanted.overrides is None else placed(run, table, *wanted.overrides)
    table[target] = final = values if overrides is None else overrides.of(values)
    if overrides is not None:
        table[model_column(target)] = values
    bounds = wanted.bounds(target)
    if bounds:
        found = quantiles_of(run, applied, outputs, list(bounds.values()))
        table[list(bounds)] = found if overrides is None else overrides.bounds(found, values)
    noted = noted_on(applied, run, numbers, until)
    on_bounds = noted_on_bounds(run, applied) if bounds else []
    zero = zero_rows(applied, config)
    n_needed = int((~zero).sum())
    notes = sentences(noted, n_needed, run) + ([] if made is None else [*ended_notes(run), *closed_notes(run)])
    notes += sentences(on_bounds, n_needed, run)
    notes += [] if overrides is None else overrides.notes(values, bool(bounds))
    totals = _totals(run, applied, final, wanted, part)
    review = None
    if wanted.review is not None:
        before = _own_past(run, data, applied)
        notes += [NO_PAST] if before is None else []
        kept = ~zero if overrides is None else ~zero & overrides.untouched(len(zero))
        named = table[[*keys_of(run, table), target, *bounds]]
        review = review_of(Reviewed(run, applied, outputs, values, kept, before), named, wanted.review)
    overridden = None if overrides is None else overrides.record(table[keys_of(run, table)], target, values)
    counts = {"rows": len(table), "zero": int(zero.sum())}
    by_date = table.groupby(config.date)[target].sum()
    columns_there = [*applied.rows.columns, target, *([] if overrides is None else [model_column(target)])]
    noted += on_bounds
    return Prediction(table, columns_there, counts, notes, applied, totals, review, overridden, by_date, noted)


def _totals(run: Run, applied: Applied, final: FloatArray, wanted: Wanted, part: Part | None) -> pd.DataFrame | None:
    """The totals that are wanted; of a part of the rows they are left for the totals of all."""
    if not wanted.totals:
        return None
    if part is None:
        return totals_of(run, applied, final, wanted.totals, wanted.intervals or USUAL)
    write_totals(run, applied, final, wanted.totals, part.totals)
    return None


def _own_past(run: Run, data: DataSource, applied: Applied) -> KnownTargets | None:
    """The targets that the rows' series had before, where the train table is there and tells them."""
    compared = has_train(run, data) and run.fitted.config.forecast.start == "common"
    return known_targets(run, data, applied) if compared else None


def _named_rows(run: Run, applied: Applied, columns: Sequence[str], made: bool) -> pd.DataFrame:
    """The keys of the rows and the columns to carry along, as the owner has them; `made`: rows made by rules."""
    config, rows = run.fitted.config, applied.rows
    keys = [c for c in (config.id, *config.series, config.date) if c is not None and c in rows.columns]
    known = [c for c in columns if c not in keys and c in rows.columns]
    table = pd.DataFrame({c: plain_values(rows[c]) for c in [*keys, *known]})
    if made:
        places = applied.encoded.table[ROW + "series"].to_numpy(dtype="int64")
        table[config.date] = own_dates(run.fitted, table[config.date], places)
    return table


NO_PAST = (
    "no row is looked at for being far from its series' own past: no train table was given, or series are moved to a "
    "common end"
)


def forecast_applied(run: Run, applied: Applied) -> FloatArray:
    """The forecast of every row, float64 (n,), 0 where the config says so. Raises `BundleError`."""
    return _finished(run, applied, outputs_of(run, applied.encoded.table, applied.rows[run.fitted.config.date]))


def _finished(run: Run, applied: Applied, outputs: FloatArray) -> FloatArray:
    """Outputs on the learned scale (n,) → forecasts as they are written."""
    config = run.fitted.config
    values = significant(run.calibration.forecasts(run.fitted.target, outputs))
    values = np.where(zero_rows(applied, config), 0.0, values)
    lost = ~np.isfinite(values)
    if lost.any():
        raise _not_finite(lost, far_values(applied, run))
    return values


def _not_finite(lost: BoolArray, far: Sequence[FarValues]) -> DataError | BundleError:
    """The error for rows (n,) without a forecast: values of theirs that are far from all others, or a broken run."""
    causes = [str(values) for values in far if (values.rows & lost).any()]
    message = f"the model gives no finite forecast for {int(lost.sum())} of {len(lost)} rows"
    if causes:
        return DataError(f"{message}; {'; '.join(causes)}", hint="correct these values, or leave them empty")
    return BundleError(message, hint="train again, with a lower train.lr")


def _refuse_later_rows(run: Run, data: DataSource) -> None:
    """Raises `DataError` where the train table, if it is there, has targets after the last date that the run knows."""
    config, end = run.fitted.config, run.fitted.split.valid_end
    there = "train" in data if isinstance(data, Mapping) else (Path(data) / config.tables["train"].file).exists()
    if not there:
        return
    train = load_tables(config, data, ["train"])["train"]
    if config.target.column not in train.columns:
        return
    newest = with_target(train, config).max()
    if newest > end:
        raise DataError(
            f"{describe(config, data, 'train')} has targets until {newest}, but the run knows them until {end}: "
            "the steps after that date have passed",
            hint="prep and train again with this table; or give the rows to forecast as the table `future`",
        )
