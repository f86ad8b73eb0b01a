"""All tables that a config names, checked; and the kinds that prep saw, which later tables are held to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd

from tabcli.arrays import AnyArray
from tabcli.config.schema import ONE_SERIES, OWN_END, Config
from tabcli.config.values import Scalar
from tabcli.errors import DataError
from tabcli.parallel import FEW, parallel_map
from tabcli.tables.kinds import Kind, kind_of, require_columns, to_kind
from tabcli.tables.reading import TableSource, find_file, read_table
from tabcli.tables.rows import check_complete, check_unique, distinct_rows, stack, take, with_columns
from tabcli.tables.staged import StagedTables

MOST_CELLS = 200_000_000
"""So many series × dates are taken for a mistake."""

DataSource = Path | str | Mapping[str, TableSource]


# -------------------------------------------------------------------------------------------- contract


class ColumnProfile(TypedDict):
    """What a column was. `levels`: how many different texts; `min`, `max`: of columns that are not text."""

    kind: Kind
    rows: int
    missing: int
    levels: NotRequired[int]
    min: NotRequired[Scalar]
    max: NotRequired[Scalar]


@dataclass(frozen=True)
class Contract:
    """What the tables were when the preprocessors were fitted: each column's kind, range and missing count."""

    tables: dict[str, dict[str, ColumnProfile]]

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame]) -> "Contract":
        """What these tables are, by name."""
        columns = [(name, c) for name, table in tables.items() for c in table.columns]
        profiles: dict[str, dict[str, ColumnProfile]] = {name: {} for name in tables}
        for (name, c), profile in zip(
            columns, parallel_map(lambda at: _profile(tables[at[0]][at[1]]), columns), strict=True
        ):
            profiles[name][c] = profile
        return cls(profiles)

    @classmethod
    def merged(cls, parts: Sequence["Contract"]) -> "Contract":
        """What tables are whose rows the parts hold; each part has the kinds and the texts of the whole columns."""
        return cls(
            {
                name: {c: _merged([part.tables[name][c] for part in parts]) for c in columns}
                for name, columns in parts[0].tables.items()
            }
        )

    def conform(self, table: pd.DataFrame, name: str, where: str) -> pd.DataFrame:
        """The table with each known column cast to the kind it had. Raises `DataError` where that cannot be."""
        known = self.tables.get(name, {})
        cast = {c: to_kind(table[c], known[c]["kind"], where) for c in table.columns if c in known}
        return with_columns(table, cast)


def _profile(column: pd.Series) -> ColumnProfile:
    kind = kind_of(column)
    profile: ColumnProfile = {"kind": kind, "rows": len(column), "missing": int(column.isna().sum())}
    present = column.dropna()
    if kind == "text":
        profile["levels"] = len(column.cat.categories)
    elif len(present):
        low, high = present.min(), present.max()
        profile["min"], profile["max"] = _plain(low), _plain(high)
    return profile


def _merged(parts: Sequence[ColumnProfile]) -> ColumnProfile:
    kind = parts[0]["kind"]
    profile: ColumnProfile = {
        "kind": kind,
        "rows": sum(part["rows"] for part in parts),
        "missing": sum(part["missing"] for part in parts),
    }
    if kind == "text":
        profile["levels"] = max(part["levels"] for part in parts)

    def place(value: Scalar) -> float | pd.Timestamp:
        return value if not isinstance(value, str) else pd.Timestamp(value) if kind == "date" else float(value)

    if any("min" in part for part in parts):
        profile["min"] = min((part["min"] for part in parts if "min" in part), key=place)
        profile["max"] = max((part["max"] for part in parts if "max" in part), key=place)
    return profile


def _plain(value: object) -> Scalar:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    number: Scalar = np.asarray(value).item()
    return str(number) if isinstance(number, float) and not np.isfinite(number) else number


# ---------------------------------------------------------------------------------------- all tables


def date_columns(config: Config, name: str) -> set[str]:
    """The columns of a table that the config reads as dates."""
    return {read.column for read in config.reads() if read.kind == "date" and read.table in (None, name)}


def load_tables(config: Config, data: DataSource, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The config's tables of these names, from a directory or a mapping of DataFrames or paths.

    Raises `DataError` for what cannot be read; train and future tables are checked for their key.
    """

    def load(name: str) -> pd.DataFrame:
        spec = config.tables[name]
        if isinstance(data, Mapping):
            if name not in data:
                raise DataError(f"the table {name} was not given", hint=f"given: {', '.join(data)}")
            source = data[name]
        else:
            source = find_file(Path(data), spec.file)
        table = read_table(source, spec, name=name, dates=date_columns(config, name))
        if name in ("train", "future"):
            refuse_made(table, ONE_SERIES, describe(config, data, name))
            if config.series == (ONE_SERIES,):
                table = with_columns(table, {ONE_SERIES: pd.Categorical(["all"] * len(table))})
            check_row_keys(table, config, describe(config, data, name), spec.timezone)
        if name == "train" and config.forecast.start == "own":
            refuse_made(table, OWN_END, describe(config, data, name))
            table = moved_to_common_end(table, config)
        if name == "train" and config.target.no_row == "zero" and config.target.column in table.columns:
            table = with_zero_rows(table, config, describe(config, data, name))
        return table

    wanted = list(names)
    return dict(zip(wanted, parallel_map(load, wanted, 0 if isinstance(data, Mapping) else FEW), strict=True))


def refuse_made(table: pd.DataFrame, made: str, where: str) -> None:
    """Raises `DataError` where a table has a column that is made when it is read."""
    if made in table.columns:
        raise DataError(
            f"{where}: has a column {made!r}, which is what tabcli calls one that it makes itself",
            hint=f"set `rename: {{{made!r}: another_name}}` for the table",
        )


def files_of(config: Config, data: DataSource) -> list[Path]:
    """The files of this machine that the config's tables may be read from."""
    if isinstance(data, StagedTables):
        return []  # copies, none of which need be there yet
    if isinstance(data, Mapping):
        return [Path(source) for source in data.values() if not isinstance(source, pd.DataFrame)]
    return [Path(data) / spec.file for spec in config.tables.values()]


def describe(config: Config, data: DataSource, name: str) -> str:
    """The name of a table in messages: its path, or its name in the config where it is a DataFrame."""
    if isinstance(data, Mapping):
        source = data.get(name)
        return f"table {name}" if isinstance(source, pd.DataFrame) else str(source)
    return str(Path(data) / config.tables[name].file)


def check_row_keys(table: pd.DataFrame, config: Config, where: str, timezone: str | None = None) -> None:
    """A table of rows must have series and date, complete and unique.

    `timezone`: in which the dates are what the clock said.
    """
    require_columns(table, [*config.series, config.date], where)
    check_complete(table, [*config.series, config.date], where)
    named = [c for c in config.series if c != ONE_SERIES]
    if timezone is not None:
        refuse_hours_that_come_twice(repeated_moments(table, [*named, config.date]), where, timezone)
    check_unique(table, [*named, config.date], where)


def repeated_moments(table: pd.DataFrame, key: list[str]) -> pd.Series:
    """The different dates, the last part of the key, of rows that repeat another's."""
    return table[key[-1]][table.duplicated(key, keep=False)].drop_duplicates()


def refuse_hours_that_come_twice(moments: pd.Series, where: str, timezone: str) -> None:
    """Raises `DataError` where all moments of repeated keys came twice, when the clock was set back."""
    if len(moments) and moments.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="shift_forward").isna().all():
        raise DataError(
            f"{where}: the clock of {timezone} was set back, and {len(moments)} moments came twice, such as "
            f"{moments.iloc[0]}: their rows have the same key",
            hint="read hours with `timezone: UTC` for this table, or a fixed offset such as Etc/GMT-1; "
            "or add the rows of an hour up",
        )


def moved_to_common_end(table: pd.DataFrame, config: Config, of_all: AnyArray | None = None) -> pd.DataFrame:
    """The rows of each series as much later as makes its last date that of all, which `OWN_END` keeps.

    Dates that are all on one day of the month are moved by months. `of_all`: the different dates of all rows, if the
    table has some series alone.
    """
    series = distinct_rows(table, config.series)[0]
    dates = table[config.date].to_numpy().astype("datetime64[us]")
    moments = dates if of_all is None else of_all.astype("datetime64[us]")
    own = np.full(int(series.max(initial=-1)) + 1, moments.min())
    np.maximum.at(own, series, dates)
    days = pd.Series(moments).dt.day
    if days.nunique() == 1 and days.iloc[0] <= 28:
        whole = dates.astype("datetime64[M]")
        behind = moments.max().astype("datetime64[M]") - own.astype("datetime64[M]")
        moved = (whole + behind[series]).astype("datetime64[us]") + (dates - whole.astype("datetime64[us]"))
    else:
        moved = dates + (moments.max() - own)[series]
    end = own.astype("datetime64[s]").astype("int64")
    return with_columns(table, {config.date: moved, OWN_END: end[series]})


def with_zero_rows(
    table: pd.DataFrame, config: Config, where: str, of_all: tuple[AnyArray, int] | None = None
) -> pd.DataFrame:
    """The rows, and one with the target 0 for each date, from a series' first on, on which only others have a row.

    Static columns keep their value; all other columns of such a row are missing. `of_all`: the different dates of all
    rows, and how many series there are, if the table has some series alone. Raises `DataError` where the rows would be
    far too many.
    """
    series, first_rows = distinct_rows(table, config.series)
    dates, moments = pd.factorize(table[config.date].to_numpy(), sort=True)
    n_series = len(first_rows)
    if of_all is not None:
        moments, n_series = of_all
        dates = np.searchsorted(moments, table[config.date].to_numpy())
    if of_all is None and n_series * len(moments) > MOST_CELLS:
        raise DataError(
            f"{where}: target.no_row: zero would make up to {n_series * len(moments):,} rows of "
            f"{n_series:,} series and {len(moments):,} dates",
            hint="leave out series that sell hardly ever (`where`), or add up to weeks (`aggregate: {step: 1w}`)",
        )
    first = np.full(len(first_rows), len(moments), dtype="int64")
    np.minimum.at(first, series, dates)
    gone = np.arange(len(moments)) >= first[:, None]
    gone[series, dates] = False
    of_series, of_date = np.nonzero(gone)
    known = {c: pd.Series(take(table[c], first_rows[of_series])) for c in (*config.series, *config.availability.static)}
    new = pd.DataFrame({**known, config.date: moments[of_date], config.target.column: 0.0})
    return stack(table, new) if len(new) else table
