"""A person's numbers in place of forecasts: checked, laid on their rows, and recorded beside the model's.

shop  day         units  who    why                    OUT.csv            units = 140
3     2021-07-12    140  Ana    roadworks end     →    OUT.overrides.csv  units = 140, units_model = 97, who, why
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.config.schema import ONE_SERIES
from tabcli.errors import DataError
from tabcli.evaluation.matching import plain_keys, require_same_kinds, row_text
from tabcli.evaluation.value_added import model_column
from tabcli.tables.kinds import is_number, is_text, require_columns
from tabcli.tables.levels import rows_text
from tabcli.tables.rows import check_complete, check_unique
from tabcli.tables.texts import not_numeric_error

NOTED = ("who", "why", "when")
"""What a person may say of each number, kept as it is."""


@dataclass(frozen=True)
class Overrides:
    """A person's numbers for k of the forecast's n rows.

    `rows`: the places of these rows, rising, int64 (k,). `values`: the numbers, float64 (k,). `noted`: for each row the
    columns of `NOTED` that the person gave.
    """

    rows: IntArray
    values: FloatArray
    noted: pd.DataFrame

    def of(self, forecasts: FloatArray) -> FloatArray:
        """The forecasts (n,) with the person's numbers in their places."""
        made = forecasts.copy()
        made[self.rows] = self.values
        return made

    def untouched(self, n: int) -> BoolArray:
        """Which of the n rows have no number of a person, bool (n,)."""
        kept = np.ones(n, dtype=bool)
        kept[self.rows] = False
        return kept

    def bounds(self, bounds: FloatArray, forecasts: FloatArray) -> FloatArray:
        """The bounds (n, q) of the model's forecasts (n,), moved with the person's numbers.

        By the same factor, so that they keep their width as a share; from a forecast of 0 or less by the difference.
        """
        made, model = bounds.copy(), forecasts[self.rows]
        up = (model > 0) & (self.values > 0)
        factor = np.divide(self.values, model, out=np.ones(len(model)), where=up)
        shift = np.where(up, 0.0, self.values - model)
        moved = bounds[self.rows] * factor[:, None] + shift[:, None]
        not_below = (bounds[self.rows] >= 0) & (self.values >= 0)[:, None]
        made[self.rows] = np.where(not_below, np.maximum(moved, 0.0), moved)
        return made

    def record(self, keys: pd.DataFrame, target: str, forecasts: FloatArray) -> pd.DataFrame:
        """A row for each number: its keys, the number, the model's forecast, and what was noted."""
        made = keys.iloc[self.rows].reset_index(drop=True)
        made[target], made[model_column(target)] = self.values, forecasts[self.rows]
        return pd.concat([made, self.noted], axis=1)

    def notes(self, forecasts: FloatArray, bounded: bool) -> list[str]:
        """What a reader of the forecast must know of the numbers."""
        n = int((self.values != forecasts[self.rows]).sum())
        same = len(self.rows) - n
        found = [f"{n} rows have a person's number" + (f", {same} more are as the model has them" if same else "")]
        if n and bounded:
            found.append("the bounds of these rows are the model's, moved with the number: no past window checked them")
        return found


def keys_of(run: Run, table: pd.DataFrame) -> list[str]:
    """The columns that name a row: the id, where there is one, the series and the date."""
    config = run.fitted.config
    wanted = [c for c in (config.id, *config.series, config.date) if c is not None]
    return [c for c in wanted if c in table.columns and c != ONE_SERIES]


def placed(run: Run, table: pd.DataFrame, given: pd.DataFrame, where: str) -> Overrides:
    """The overrides for the rows of a table: matched by the id, or else by series and date."""
    config, keys = run.fitted.config, keys_of(run, table)
    has_id = config.id in keys and config.id in given.columns
    by = [str(config.id)] if has_id else [c for c in keys if c != config.id]
    return place_overrides(given, where, table, config.target.column, by=by, positive=_is_positive(run))


def _is_positive(run: Run) -> bool:
    """Whether the target cannot be below 0, or never was in a past window."""
    if run.fitted.target.kind != "identity":
        return True
    return run.past is not None and not run.past.empty and bool(run.past["actual"].min() >= 0)


def place_overrides(
    given: pd.DataFrame, where: str, keys: pd.DataFrame, target: str, *, by: Sequence[str], positive: bool
) -> Overrides:
    """The overrides `given` for rows with these `keys`, matched by the columns `by`.

    `where`: what messages call the table. `positive`: whether numbers below 0 cannot be. Raises `DataError` where a key
    is missing, repeated or of no row, or a number is missing, none, infinite or below 0.
    """
    require_columns(given, [*by, target], where)
    require_same_kinds(given, keys, by, f"table {where}", "forecast")
    check_complete(given, by, where)
    check_unique(given, by, where)
    values = _numbers(given, target, where, positive=positive)
    numbered = plain_keys(keys[list(by)], by).assign(place=np.arange(len(keys)))
    wanted = plain_keys(given[list(by)], by)
    places = wanted.set_axis(range(len(by)), axis=1).merge(
        numbered.set_axis([*range(len(by)), "place"], axis=1), on=list(range(len(by))), how="left"
    )["place"]
    alone = np.flatnonzero(places.isna().to_numpy())
    if len(alone):
        raise DataError(
            f"{where}: {len(alone)} of {len(given)} rows are of no row of the forecast ({rows_text(alone, given.index)}"
            f"), such as {row_text(given, by, int(alone[0]))}",
            hint="remove these rows, or correct their keys: overrides are of rows that are forecast",
        )
    rows = places.to_numpy(dtype="int64")
    order = np.argsort(rows)
    said = {c: given[c].astype("str") if is_text(given[c]) else given[c] for c in NOTED if c in given}
    noted = pd.DataFrame(said, index=given.index)
    return Overrides(rows[order], values[order], noted.iloc[order].reset_index(drop=True))


def _numbers(given: pd.DataFrame, target: str, where: str, *, positive: bool) -> FloatArray:
    """The person's numbers, float64 (k,). Raises `DataError`."""
    if is_text(given[target]):
        raise not_numeric_error(given[target], where)
    if not is_number(given[target]):
        raise DataError(f"{where}: column {target!r} holds no numbers in its {len(given)} rows")
    values = given[target].to_numpy(dtype="float64", na_value=np.nan)
    for what, wrong in (
        ("have no number", ~np.isfinite(values)),
        ("are below 0, which the target never was", (values < 0) & positive),
    ):
        at = np.flatnonzero(wrong)
        if len(at):
            raise DataError(
                f"{where}: column {target!r}: {len(at)} of {len(given)} rows {what} ({rows_text(at, given.index)})",
                hint="correct these rows, or remove them: their forecasts then stay the model's",
            )
    return values
