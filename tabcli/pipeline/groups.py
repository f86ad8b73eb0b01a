"""Columns that tell kinds of series apart, by which error and bias are told: one text for each series.

series   kind   size                     config.card.sensitive, or by default every column with one value for
0        a      up to 120                each series and few values
1        b      120 to 300
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from tabcli.arrays import IntArray
from tabcli.config.card import FEW_VALUES
from tabcli.config.schema import ONE_SERIES, OWN_END, Config
from tabcli.errors import ConfigError
from tabcli.features.building import FeatureTable
from tabcli.tables.joins import FactorizedTable, LookupTable, join_table
from tabcli.tables.kinds import as_text, kind_of
from tabcli.tables.rows import stack_all

QUARTERS = 4
"""A number with many values is cut into so many groups of as many series."""


@dataclass(frozen=True)
class Statics:
    """What tells kinds of series apart, of some series.

    `first`: the columns at the first row of each series, (n_series, k). `changing`: column of `card.sensitive` → series
    within which it changes.
    """

    first: pd.DataFrame
    changing: dict[str, int]

    @classmethod
    def of(cls, config: Config, features: FeatureTable, n_train: int) -> "Statics":
        """`n_train`: how many of the feature table's rows are of the train table."""
        at, table = _first_rows(features.series, len(features.calendar.series)), features.table
        if config.card.sensitive is None:
            names = [c for c in (*config.series, *config.availability.static) if c in table.columns]
        else:
            names = [*config.card.sensitive]
        columns = {name: table[name].iloc[at].reset_index(drop=True) for name in dict.fromkeys(names)}
        changing = {}
        if config.card.sensitive is not None:
            changing = {name: _changing(features, name, at, n_train) for name in columns}
        return cls(pd.DataFrame(columns, index=range(len(at))), changing)


def series_groups(config: Config, parts: Sequence[Statics], lookups: Sequence[LookupTable], where: str) -> pd.DataFrame:
    """The columns that the config calls sensitive, or by default all that have few values, as texts (n_series, k).

    `parts`: of the series in their order. `where`: what messages call the train table. Raises `ConfigError` where a
    sensitive column changes within a series.
    """
    first = stack_all([part.first for part in parts])
    n_series = len(first)
    first.index = pd.RangeIndex(n_series)
    if config.card.sensitive is not None:
        for name in first.columns:
            _refuse_changing(name, sum(part.changing[name] for part in parts), n_series, where)
        named = {name: _grouped(first[name]) for name in first.columns}
        return pd.DataFrame(named, index=range(n_series))
    found = {}
    for name, column in _static(config, first, lookups).items():
        if name in (config.id, config.date, config.target.column, ONE_SERIES, OWN_END) or kind_of(column) == "date":
            continue
        n = column.nunique()
        if 2 <= n <= FEW_VALUES and 2 * n <= n_series:
            found[name] = _texts(column)
    return pd.DataFrame(found, index=range(n_series))


def _first_rows(series: IntArray, n_series: int) -> IntArray:
    """The first row of each series, int64 (n_series,)."""
    first = np.zeros(n_series, dtype="int64")
    first[series[::-1]] = np.arange(len(series) - 1, -1, -1)  # of a series' rows the first is written last
    return first


def _static(config: Config, first: pd.DataFrame, lookups: Sequence[LookupTable]) -> dict[str, pd.Series]:
    """Every column that has one value for each series by its declaration or by its join, (n_series,) each."""
    table = FactorizedTable.of(first)
    for lookup in lookups:
        join = lookup.join
        if join.as_of is None and all(key in table.columns for key in join.on):
            new = [c for c in map(str, lookup.table.columns) if c not in table.columns]
            table, _ = join_table(table, lookup, date=config.date, columns=new)
    return {name: table[name] for name in table.columns}


def _changing(features: FeatureTable, name: str, first: IntArray, n_train: int) -> int:
    """Within how many series a column of the train rows changes."""
    column = features.table[name]
    codes = pd.factorize(column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column)[0]
    series = features.series[:n_train]
    return len(np.unique(series[codes[:n_train] != codes[first][series]]))


def _refuse_changing(name: str, n: int, n_series: int, where: str) -> None:
    if n:
        raise ConfigError(
            f"card.sensitive: {name!r} changes within {n} of {n_series} series of {where}; "
            "expected one value for each series",
            hint="name a column that tells what kind of series it is",
        )


def _grouped(column: pd.Series) -> pd.Series:
    """A column as texts; a number with many values as the quarter of the series that it falls into."""
    if kind_of(column) not in ("int", "float") or column.nunique() <= FEW_VALUES:
        return _texts(column)
    numbers = column.to_numpy(dtype="float64", na_value=np.nan)
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, QUARTERS + 1)[1:-1], method="lower"))
    names = [f"up to {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges)), f"above {edges[-1]:g}"]
    texts = pd.Series(np.array(names, dtype="object")[np.searchsorted(edges, numbers)], dtype="object")
    return texts.where(np.isfinite(numbers), None)


def _texts(column: pd.Series) -> pd.Series:
    """Values as text, None where there is none."""
    texts = as_text(column).astype("object")
    return texts.where(texts.notna(), None)
