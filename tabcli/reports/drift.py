"""Drift: which inputs of the rows to forecast are distributed otherwise than training saw them.

Every stretch of time differs from all of the past. So a column is named where it differs by more than earlier stretches
as long as the forecast differed from the rest of the past, and by more than is commonly taken for no change.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.encoded_names import input_column
from tabcli.cards.segments import texts_of
from tabcli.config.schema import ONE_SERIES
from tabcli.preprocessing.categorical import UNKNOWN
from tabcli.reports.judged import is_weekday, static_texts
from tabcli.reports.report_rows import COLUMN, ReportRows
from tabcli.tables.contract import ColumnProfile

USUAL = 0.1
"""A population stability index below it is commonly read as no change; above 0.25 as a large one."""

LARGE = 0.25
"""From here on a column is named where there are fewer than `FEWEST` earlier stretches."""

FEWEST, MOST = 4, 24
"""How many earlier stretches are looked at, at least and at most."""

WIDER = 1.5
"""A column is named from so many times the largest index of earlier stretches on."""

OUTSIDE = 0.01
"""A column is named where so many of its values lie outside what training saw."""

MOST_VALUES = 200
"""A text column with more values is told by its most frequent ones."""

BINS = 10
"""Numbers are told by as many equal parts of the past's values."""


@dataclass(frozen=True)
class Moved:
    """An input of the rows to forecast against the past.

    `index`: the population stability index, the sum over values of (p − q) · ln(p / q), p and q being shares of rows
    now and in the past; None where the past's rows are not at hand. `usual`: the largest that an earlier stretch had;
    None where there are too few. `outside`: the share of rows whose value training never saw, or which lies outside its
    range. `moved`: whether it is named.
    """

    name: str
    index: float | None
    usual: float | None
    outside: float
    moved: bool


def drift_of(rows: ReportRows) -> tuple[Moved, ...] | None:
    """Each column of the tables that the rows to forecast have, the worst first; None where nothing is forecast."""
    if rows.prediction is None or rows.forecast.empty:
        return None
    table, config = rows.prediction.applied.features.table, rows.run.fitted.config
    made = _against_past(rows)
    keys = (*config.series, config.date, config.id, ONE_SERIES)
    for profiles in rows.run.fitted.contract.tables.values():
        for column, profile in profiles.items():
            if column in keys or column not in table.stored or profile["kind"] == "date":
                continue
            outside = _outside(rows, column, profile)
            if outside is not None:
                found = made.get(column, Moved(column, None, None, 0.0, False))
                outside = max(outside, found.outside)
                made[column] = replace(found, outside=outside, moved=found.moved or outside > OUTSIDE)
    return tuple(sorted(made.values(), key=lambda m: (not m.moved, -_size(m), m.name)))


def _size(found: Moved) -> float:
    return max((found.index or 0.0) / max(found.usual or LARGE, USUAL), found.outside)


def _against_past(rows: ReportRows) -> dict[str, Moved]:
    """Of the columns that are known in advance or belong to a series, beside the rows of the train table."""
    if rows.known is None or rows.prediction is None:
        return {}
    table, made, stretch = rows.prediction.applied.features.table, {}, _stretches(rows)
    for column in (c.removeprefix(COLUMN) for c in map(str, rows.known) if c.startswith(COLUMN)):
        if column in table.stored and not is_weekday(texts_of(table[column]), rows.forecast["date"]):
            made[column] = drift_in(column, rows.known[COLUMN + column], table[column], stretch)
    forecast = rows.known["series"].isin(rows.forecast["series"]).to_numpy()
    numbers = [s.astype("category") for s in (rows.known["series"][forecast], rows.forecast["series"])]
    for column, text_of in static_texts(rows).items():
        past, now = (_values(s, text_of) for s in numbers)
        made[column] = drift_in(column, past, now, stretch[forecast])
    return made


def _values(numbers: pd.Series, text_of: pd.Series) -> pd.Series:
    """The text of each row's series, as categories: there are few series and many rows."""
    texts = text_of.reindex(numbers.cat.categories)
    codes, values = pd.factorize(texts)
    return pd.Series(pd.Categorical.from_codes(codes[numbers.cat.codes], values), index=numbers.index)


def _outside(rows: ReportRows, column: str, profile: ColumnProfile) -> float | None:
    """The share of rows whose value of a column training never saw; None where that cannot be told."""
    assert rows.prediction is not None
    applied = rows.prediction.applied
    name, encoded = input_column(column), applied.encoded.table
    if column in rows.run.fitted.preprocessor.categorical and name in encoded:
        return float((encoded[name] == UNKNOWN).mean())
    low, high = profile.get("min"), profile.get("max")
    if profile["kind"] not in ("int", "float") or low is None or high is None:
        return None
    values = applied.features.table[column].to_numpy(dtype="float64", na_value=np.nan)
    return _beyond(values, float(low), float(high))


def _stretches(rows: ReportRows) -> IntArray:
    """For each known row, how many lengths of the forecast before its end it lies, int64 (n,); −1 for older ones."""
    assert rows.known is not None
    fitted = rows.run.fitted
    length = max(int(rows.forecast["ahead"].max()), 1)
    ago = fitted.frequency.ago(rows.known["date"], fitted.split.valid_end) // length
    n_whole = int(ago.max()) if len(ago) else 0  # the oldest one may be cut off
    return np.where(ago < min(n_whole, MOST), ago, -1)


def drift_in(column: str, past: pd.Series, now: pd.Series, stretch: IntArray) -> Moved:
    """A column of the rows now (n,) against those of the past (m,); `stretch`: of each past row, int64 (m,)."""
    if past.dtype.kind in "iuf" and past.nunique() > 2 * BINS:
        ends = past.min(), past.max()
        outside = _beyond(now.to_numpy(dtype="float64", na_value=np.nan), *map(float, ends))
        edges = np.unique(np.nanquantile(past.to_numpy(dtype="float64"), np.linspace(0, 1, BINS + 1)[1:-1]))
        codes, new = (_binned(column, edges) for column in (past, now))
        n_values = len(edges) + 2
    else:
        codes, new, n_values, outside = _coded(past, now)
    counts = np.zeros((MOST + 1, n_values))
    np.add.at(counts, (np.where(stretch < 0, MOST, stretch), codes), 1)
    whole, own = counts.sum(axis=0), np.bincount(new, minlength=n_values).astype("float64")
    index = stability_index(own, whole)
    earlier = [stability_index(counts[k], whole - counts[k]) for k in range(MOST) if counts[k].sum()]
    usual = max(earlier) if len(earlier) >= FEWEST else None
    limit = LARGE if usual is None else max(USUAL, WIDER * usual)
    return Moved(column, index, usual, outside, index > limit or outside > OUTSIDE)


def stability_index(now: FloatArray, past: FloatArray) -> float:
    """The population stability index of counts by value, (k,) each; half a row is added to each value."""
    p, q = ((n + 0.5) / (n + 0.5).sum() for n in (now, past))
    return float(((p - q) * np.log(p / q)).sum())


def _binned(column: pd.Series, edges: FloatArray) -> IntArray:
    """Which part of the past's values each value lies in, int64 (n,); the last one for missing values."""
    values = column.to_numpy(dtype="float64", na_value=np.nan)
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))


def _beyond(values: FloatArray, low: float, high: float) -> float:
    """Which share of the values that are there lies outside a range."""
    there = ~np.isnan(values)
    return float(((values < low) | (values > high))[there].mean()) if there.any() else 0.0


def _coded(past: pd.Series, now: pd.Series) -> tuple[IntArray, IntArray, int, float]:
    """Codes of values then and now, int64 (n,), how many there are, and which share of those now the past lacks."""
    (codes, names), (own, own_names) = (_named(column) for column in (past, now))
    frequent = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(names)), kind="stable")[:MOST_VALUES]
    place = {names[k]: i for i, k in enumerate(frequent.tolist())}
    other, missing = len(place), len(place) + 1
    made = [
        np.array([*(place.get(name, other) for name in several), missing], dtype="int64")[of]
        for of, several in ((codes, names), (own, own_names))
    ]
    seen, there = set(names), own[own >= 0]
    unseen = np.array([name not in seen for name in own_names], dtype=bool)
    return made[0], made[1], missing + 1, float(unseen[there].mean()) if len(there) else 0.0


def _named(column: pd.Series) -> tuple[IntArray, list[str]]:
    """The code of each value, int64 (n,), −1 where it is missing, and the codes' names."""
    codes, values = pd.factorize(column)
    return codes.astype("int64"), texts_of(pd.Series(values)).tolist()
