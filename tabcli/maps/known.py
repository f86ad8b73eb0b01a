"""What is known of each series, to colour maps by: its level of the target, and its static columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.config.schema import ONE_SERIES, Config
from tabcli.errors import DataError
from tabcli.features.events import series_codes
from tabcli.features.frequency import season_of
from tabcli.pipeline.scored import clip_targets
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.contract import DataSource, describe, load_tables
from tabcli.tables.joins import FactorizedTable, LookupTable, join_table
from tabcli.tables.kinds import require_columns
from tabcli.tables.rows import matches

MOST_GROUPS = 8
"""Of a column with more values the most frequent ones have a colour of their own."""

N_BINS = 7
OTHERS, UNKNOWN = "others", "not known"


@dataclass(frozen=True)
class Colouring:
    """What points are coloured by. `codes`: int64 (n,), −1 where nothing is known. `labels`: of the codes.

    *numbers*: the labels are ranges from low to high with as many points each; *groups*: values of a column.
    """

    name: str
    kind: Literal["groups", "numbers"]
    codes: IntArray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """Of the run's series. `level`: the mean target on its learned scale, float64 (n_series,), NaN where unknown.

    `source`: what the level was made from; "" without one. `columns`: the static columns, a row for each series.
    `sums`, `counts`: of the target on its learned scale, less the level, at each place in the season, float64
    (n_series, n); None without tables.
    """

    level: FloatArray
    source: str
    columns: pd.DataFrame
    sums: FloatArray | None = None
    counts: FloatArray | None = None


def known_of(run: Run, data: DataSource | None) -> Known:
    """What is known of the series: by the raw tables where they are given, else by what the run keeps.

    With tables the level is that of all rows with a target up to the last known date; else that of the longest window
    of the target history, else that of past windows. Raises `DataError` as reading the tables does.
    """
    series = run.fitted.calendar.series
    if data is not None:
        rows = _train_rows(run, data)
        codes = series_codes(rows[list(run.fitted.config.series)], series)[0]
        learned = _learned_from(rows, run.fitted.config)
        target = rows[run.fitted.config.target.column].to_numpy(dtype="float64")
        learned &= codes < len(series)
        codes_learned, scaled = codes[learned], run.fitted.target.scaled(target[learned])
        level = _means(codes_learned, scaled, len(series))
        season = season_of(rows[run.fitted.config.date], run.fitted.frequency).to_numpy(dtype="int64")[learned]
        sums, counts = _by_season(codes_learned, scaled - level[codes_learned], season, len(series))
        return Known(level, "the training rows", _static_columns(run, data, rows, codes), sums, counts)
    columns = pd.DataFrame(index=range(len(series)))
    if run.snapshot is not None:
        level = run.snapshot.arrays["levels"][: len(series), 0].astype("float64")
        return Known(level, f"the last {run.snapshot.spec.windows[0]} steps", columns)
    if run.past is not None and len(run.past):
        actual = run.past["actual"].to_numpy(dtype="float64")
        fits = ~TargetTransform.refused(run.fitted.target.kind, actual)
        codes = run.past["series"].to_numpy(dtype="int64")[fits]
        return Known(_means(codes, run.fitted.target.scaled(actual[fits]), len(series)), "past windows", columns)
    return Known(np.full(len(series), np.nan), "", columns)


def colourings(known: Known, target: TargetTransform, name: str, places: IntArray) -> list[Colouring]:
    """What series can be coloured by: their level in the target's unit, and each static column of several values.

    `name`: what the target is called; `places`: the series of the points, int64 (n,).
    """
    found = []
    if known.source:
        level = target.inverse(known.level[places])
        found.append(by_numbers(f"usual {name}", level))
    found += [by_column(str(c), known.columns[c].iloc[places]) for c in known.columns]
    return [c for c in found if len(c.labels) > 1]


def by_column(name: str, values: pd.Series) -> Colouring:
    """Numbers of many values by ranges, all others by value: the most frequent ones, and the others as one."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_GROUPS:
        return by_numbers(name, values.to_numpy(dtype="float64"))
    texts = texts_of(values)
    counts = texts.value_counts()
    named = sorted(sorted(counts.index, key=lambda text: (-counts[text], text))[:MOST_GROUPS])
    if len(counts) == len(values) and len(counts) > MOST_GROUPS:
        named = []  # every point has a value of its own: a name, not a group
    labels = [*named, OTHERS] if 0 < len(named) < len(counts) else named
    code = {text: i for i, text in enumerate(named)}
    codes = np.array([-1 if pd.isna(t) else code.get(t, len(named)) for t in texts], dtype="int64")
    return Colouring(name, "groups", codes if labels else np.full(len(values), -1), tuple(labels))


def by_numbers(name: str, values: FloatArray) -> Colouring:
    """Numbers (n,) by value where they have at most `N_BINS`, else by ranges of about as many points each."""
    there = np.isfinite(values)
    found, codes_there = np.unique(values[there], return_inverse=True)
    if len(found) > N_BINS:
        edges = np.unique(np.quantile(values[there], np.linspace(0, 1, N_BINS + 1)[1:-1], method="higher"))
        codes_there = np.searchsorted(edges, values[there], side="right")
    own = [values[there][codes_there == code] for code in range(int(codes_there.max(initial=-1)) + 1)]
    used = [code for code, part in enumerate(own) if len(part)]
    codes = np.full(len(values), -1, dtype="int64")
    codes[there] = np.searchsorted(used, codes_there)
    return Colouring(name, "numbers", codes, tuple(_range_text(own[code]) for code in used))


def texts_of(column: pd.Series) -> pd.Series:
    """Values as text, whole numbers without a point; NaN where there is none."""
    if column.dtype.kind == "f":
        texts = pd.Series([f"{v:g}" for v in column], index=column.index, dtype="object")
        return texts.where(column.notna())
    return column.astype("object").map(str, na_action="ignore")


def _train_rows(run: Run, data: DataSource) -> pd.DataFrame:
    """The rows of the train table with a target, up to the last known date."""
    fitted, config = run.fitted, run.fitted.config
    where = describe(config, data, "train")
    table = load_tables(config, data, ["train"])["train"]
    require_columns(table, [config.target.column, *config.availability.static], where)
    table = table[table[config.target.column].notna() & (table[config.date] <= fitted.split.valid_end)]
    if table.empty:
        raise DataError(
            f"{where}: no row has a target up to {fitted.split.valid_end.date()}, the run's last known date"
        )
    return clip_targets(fitted.contract.conform(table.reset_index(drop=True), "train", where), config)[0]


def _learned_from(rows: pd.DataFrame, config: Config) -> BoolArray:
    """Which rows are learned from: those whose target the transform takes and that `target.drop_where` keeps."""
    target = rows[config.target.column].to_numpy(dtype="float64")
    kept: BoolArray = ~TargetTransform.refused(config.target.transform, target)
    condition = {c: v for c, v in config.target.drop_where.items() if c in rows.columns}
    return kept & ~matches(rows, condition, "target.drop_where") if condition else kept


def _means(codes: IntArray, values: FloatArray, n: int) -> FloatArray:
    """The mean of the values of each series, float64 (n,); NaN where there is none. Codes from n on are left out."""
    known = codes < n
    counts = np.bincount(codes[known], minlength=n)
    sums = np.bincount(codes[known], weights=values[known], minlength=n)
    with np.errstate(invalid="ignore"):
        made: FloatArray = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return made


def _by_season(codes: IntArray, values: FloatArray, season: IntArray, n: int) -> tuple[FloatArray, FloatArray]:
    """Sums and counts of each series at each place in the season that has rows, float64 (n, n_places)."""
    places, found = np.unique(season, return_inverse=True)
    at, size = codes * len(places) + found, n * len(places)
    sums = np.bincount(at, values, size).astype("float64")
    counts = np.bincount(at, minlength=size).astype("float64")
    return sums.reshape(n, -1), counts.reshape(n, -1)


def _static_columns(run: Run, data: DataSource, rows: pd.DataFrame, codes: IntArray) -> pd.DataFrame:
    """Static columns of the train table and those that joins on static keys bring, a row for each series of the run."""
    config, fitted = run.fitted.config, run.fitted
    first = pd.Series(codes).drop_duplicates().index.to_numpy()
    static = [c for c in config.availability.static if c not in config.series]
    table = FactorizedTable.of(rows.loc[first, [*config.series, *static]].reset_index(drop=True))
    for join in config.joins:
        if join.as_of is not None or not {*join.on} <= {*table.columns} or not _there(config, data, join.table):
            continue
        loaded = load_tables(config, data, [join.table])[join.table]
        lookup = fitted.contract.conform(loaded, join.table, describe(config, data, join.table))
        new = [c for c in lookup.columns if c not in table.columns]
        table = join_table(table, LookupTable.of(lookup, join), date=config.date, columns=new)[0]
    frame = table.frame([c for c in table.columns if c not in (*config.series, ONE_SERIES)])
    own = codes[first]
    return frame.set_axis(own).reindex(range(len(fitted.calendar.series))).reset_index(drop=True)


def _there(config: Config, data: DataSource, name: str) -> bool:
    return name in data if isinstance(data, Mapping) else (Path(data) / config.tables[name].file).is_file()


def _range_text(values: FloatArray) -> str:
    low, high = _short(values.min()), _short(values.max())
    return low if low == high else f"{low} – {high}"


def _short(value: float) -> str:
    """Years stay whole and without a comma; larger numbers get commas, and fractions three digits."""
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.3g}"
