"""Columns that tell kinds of series apart, by which error and bias are told: one text for each series.

series   kind   size                     config.card.sensitive, or by default every column with one value for
0        a      up to 120                each series and few values
1        b      120 to 300
"""

from collections.abc import Sequence
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

QUARTERS = 4
"""A number with many values is cut into so many groups of as many series."""


def series_groups(
    config: Config, features: FeatureTable, lookups: Sequence[LookupTable], n_train: int, where: str
) -> pd.DataFrame:
    """The columns that the config calls sensitive, or by default all that have few values, as texts (n_series, k).

    `n_train`: how many of the feature table's rows are of the train table, which messages call `where`. Raises
    `ConfigError` where a sensitive column changes within a series.
    """
    n_series = len(features.calendar.series)
    first = _first_rows(features.series, n_series)
    if config.card.sensitive is not None:
        named = {name: _constant(features, name, first, n_train, where) for name in config.card.sensitive}
        return pd.DataFrame({name: _grouped(column) for name, column in named.items()}, index=range(n_series))
    found = {}
    for name, column in _static(config, features, lookups, first).items():
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


def _static(
    config: Config, features: FeatureTable, lookups: Sequence[LookupTable], first: IntArray
) -> dict[str, pd.Series]:
    """Every column that has one value for each series by its declaration or by its join, (n_series,) each."""
    names = [c for c in (*config.series, *config.availability.static) if c in features.table.columns]
    rows = {name: features.table[name].iloc[first].reset_index(drop=True) for name in dict.fromkeys(names)}
    table = FactorizedTable.of(pd.DataFrame(rows))
    for lookup in lookups:
        join = lookup.join
        if join.as_of is None and all(key in table.columns for key in join.on):
            new = [c for c in map(str, lookup.table.columns) if c not in table.columns]
            table, _ = join_table(table, lookup, date=config.date, columns=new)
    return {name: table[name] for name in table.columns}


def _constant(features: FeatureTable, name: str, first: IntArray, n_train: int, where: str) -> pd.Series:
    """A column's value for each series, (n_series,)."""
    column = features.table[name]
    codes = pd.factorize(column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column)[0]
    series = features.series[:n_train]
    changing = np.unique(series[codes[:n_train] != codes[first][series]])
    if len(changing):
        raise ConfigError(
            f"card.sensitive: {name!r} changes within {len(changing)} of {len(first)} series of {where}; "
            "expected one value for each series",
            hint="name a column that tells what kind of series it is",
        )
    return column.iloc[first].reset_index(drop=True)


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
