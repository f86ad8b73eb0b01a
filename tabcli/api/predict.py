"""predict: a run and raw tables → forecasts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from tabcli.api.forecast_files import as_owner, columns_of, paths_beside
from tabcli.api.forecast_shards import forecast_shards, refuse_whole, rows_source, shards_wanted
from tabcli.api.results import PredictResult, TrainResult
from tabcli.api.sources import parse_duration
from tabcli.api.urls import at_urls
from tabcli.artifacts.contents import Run
from tabcli.bundle import directories
from tabcli.config.data import Table
from tabcli.config.schema import ONE_SERIES, Config
from tabcli.engines.calls import Engine
from tabcli.errors import DataError, UsageError
from tabcli.forecasting import points
from tabcli.forecasting.points import NOTHING, Wanted
from tabcli.forecasting.review import HowMany
from tabcli.forecasting.totals import Total
from tabcli.pipeline import apply
from tabcli.shown import Shown, first_few
from tabcli.tables.contract import DataSource, files_of
from tabcli.tables.joins import LookupTable
from tabcli.tables.parts import TEXT_ENDINGS
from tabcli.tables.reading import TableSource, read_table
from tabcli.tables.writing import require_no_input, write_table

# --------------------------------------------------------------------------------------------- predict


@at_urls(run="directory", data="tables", out="file", overrides="table")
def predict(
    run: TrainResult | Run | Path | str,
    data: DataSource,
    out: Path | str | None = None,
    *,
    columns: Sequence[str] = (),
    horizon: str | None = None,
    quantiles: Sequence[float] | None = None,
    intervals: Sequence[float] | None = None,
    totals: Sequence[str] = (),
    review: str | int | None = None,
    overrides: TableSource | None = None,
    shards: int | str = "auto",
    on: Engine = "processes",
) -> PredictResult:
    """Forecasts every row of the table `future`: its id and the forecast, in the order of the rows.

    Where the config names no id, series and date stand for it. Raises `DataError` for rows that cannot be forecast,
    `BundleError` for a run that cannot be used, or that keeps no past windows where bounds are wanted.

    run: what `train` returned, or its directory.
    data: the folder with the tables, or the config's table names → DataFrames or files.
    out: the .csv or .parquet file to write; by default none is written. Totals go into a file beside it, such as
        forecast.totals.csv beside forecast.csv.
    columns: columns of the rows to carry along.
    horizon: a length such as "8w": instead of the table's rows, the next steps of every series are made by the
        config's `forecast.rules`.
    quantiles: levels such as 0.1, each a column such as `Sales_q10`; by default the config's `forecast.quantiles`.
    intervals: shares such as 0.8 of the rows that a central interval holds, each the columns `Sales_lo80` and
        `Sales_hi80`; by default the config's `forecast.intervals`.
    totals: sums of rows with intervals of their own: "chain" (all rows), columns of the rows,
        "day", "week" or "month"; several with commas, such as "State,week".
    review: how many rows a person should look at, as "2%" or 50: they are written, the first of them first, with the
        reasons for each, into a file beside it, such as forecast.review.csv.
    overrides: a person's numbers, a DataFrame or a file: the keys of rows (the id, or series and date), the target's
        column, and if wanted who, why and when. They replace forecasts; both are kept in a file beside it, such as
        forecast.overrides.csv.
    shards: how many parts of whole series the rows are forecast in, one after the other or side by side, so that more
        rows than memory holds can be forecast. With *auto* as many as the run has, or else, from four million rows
        on, one for each half million. The forecast is the same for any number.
    on: where shards are forecast: *here*, in this process; *processes*, one beside the other; *ray*, on a cluster.
    """
    directory = None if isinstance(run, TrainResult | Run) else Path(run)
    path = None if out is None else Path(out)
    of_run = 1 if directory is None else directories.n_shards(directory, "run")
    loaded = loaded_run(run) if of_run == 1 or directory is None else directories.load_run(directory, 0)
    config = loaded.fitted.config
    wanted = wanted_of(config, quantiles, intervals, totals)
    given = None if overrides is None else _read_overrides(config, overrides)
    wanted = replace(wanted, review=None if review is None else HowMany.parse(str(review)), overrides=given)
    source = None if horizon is not None else rows_source(config, data)
    n_shards = shards_wanted(config, source, of_run, shards)
    if n_shards == 1:
        return _predict(loaded, data, path, columns=columns, horizon=horizon, asked=wanted)
    refuse_whole(wanted, horizon)
    given_run = directory or loaded
    return _predict_shards(given_run, config, data, path, source, n_shards, columns=columns, asked=wanted, on=on)


def _predict_shards(
    run: Run | Path,
    config: Config,
    data: DataSource,
    path: Path | None,
    source: Path | None,
    n_shards: int,
    columns: Sequence[str],
    asked: Wanted,
    on: Engine,
) -> PredictResult:
    started = time.perf_counter()
    if source is None:
        raise UsageError(
            "only rows in a file, or in a folder of parts, are forecast in shards",
            hint="give the path of the table `future`, or a run of one shard",
        )
    beside = paths_beside(path, asked)
    for written in (path, *beside.values()):
        if written is not None:
            require_no_input(written, files_of(config, data))
    made = forecast_shards(run, data, path, source, n_shards, columns=columns, asked=asked, on=on)
    if made.totals is not None and "totals" in beside:
        write_table(made.totals, beside["totals"])
    return PredictResult(
        path,
        made.table,
        made.counts,
        made.warnings,
        time.perf_counter() - started,
        made.totals,
        beside.get("totals"),
        config.target.column,
        by_date=made.by_date,
    )


def wanted_of(
    config: Config,
    quantiles: Sequence[float] | None,
    intervals: Sequence[float] | None,
    totals: Sequence[str] = (),
) -> Wanted:
    """What is asked for, or else what the config says. Raises `UsageError` for what is no level."""
    levels = tuple(config.forecast.quantiles if quantiles is None else quantiles)
    shares = tuple(config.forecast.intervals if intervals is None else intervals)
    for option, values in (("--quantiles", levels), ("--interval", shares)):
        wrong = [v for v in values if not LEAST <= v <= 1 - LEAST]
        if wrong:
            raise UsageError(f"{option} {wrong[0]:g}: expected a number from {LEAST} to {1 - LEAST}, such as 0.8")
    return Wanted(levels, shares, tuple(Total.parse(text) for text in totals))


LEAST = 0.001
"""The least level of a quantile: of rarer cases past windows know nothing."""


def _read_overrides(config: Config, source: TableSource) -> tuple[pd.DataFrame, str]:
    """A person's numbers, with keys as the tables of the rows write them, and what messages call them."""
    spec = config.tables["future" if "future" in config.tables else "train"]
    if isinstance(source, pd.DataFrame):
        return read_table(source, Table(file=""), name="overrides", dates=[config.date]), "table overrides"
    path = Path(source)
    if not path.is_file():
        raise DataError(f"{path}: no such file", hint="--overrides takes a table with a person's numbers")
    header = set(read_table(path, Table(file=str(path)), name="overrides").columns)
    keys = {config.id, *config.series}
    kinds = {c: kind for c, kind in spec.dtypes.items() if c in keys and c in header}
    written = Table(file=str(path), dtypes=kinds, date_format=spec.date_format, day_first=spec.day_first)
    return read_table(path, written, name="overrides", dates=[config.date]), str(path)


def loaded_run(run: TrainResult | Run | Path | str) -> Run:
    if isinstance(run, TrainResult):
        return run.run
    return run if isinstance(run, Run) else directories.load_run(Path(run))


def _predict(
    run: Run,
    data: DataSource,
    out: Path | str | None,
    *,
    columns: Sequence[str],
    horizon: str | None = None,
    lookups: Sequence[LookupTable] | None = None,
    asked: Wanted = NOTHING,
) -> PredictResult:
    started = time.perf_counter()
    config = run.fitted.config
    path = Path(out) if out is not None else None
    beside = paths_beside(path, asked)
    own = [] if asked.overrides is None else [Path(asked.overrides[1])]
    for written in (path, *beside.values()):
        if written is not None:
            require_no_input(written, [*files_of(config, data), *own])
    made = points.forecast(run, data, parse_duration("--horizon", horizon), columns, lookups, asked)
    target = config.target.column
    table = made.table[columns_of(config, made, columns, list(asked.bounds(target)))]
    review = None if made.review is None else made.review.table
    tables = {"totals": made.totals, "review": review, "overrides": made.overridden}
    to_write = [(path, table), *((place, tables[name]) for name, place in beside.items())]
    for place, rows in to_write:
        if place is not None and rows is not None:
            as_text = place.suffix.lower() in TEXT_ENDINGS
            write_table(as_owner(rows, config, data, horizon is None) if as_text else rows, place)
    seconds = time.perf_counter() - started
    return PredictResult(
        path,
        table,
        made.counts,
        made.warnings,
        seconds,
        made.totals,
        beside.get("totals"),
        target,
        made.review,
        beside.get("review"),
        made.overridden,
        beside.get("overrides"),
        made.by_date,
    )


@dataclass(frozen=True, repr=False)
class Forecaster(Shown):
    """A run and its lookup tables, read and checked once: a forecast of a few rows then takes milliseconds."""

    run: Run
    lookups: Sequence[LookupTable]

    def brief(self) -> dict[str, str]:
        config = self.run.fitted.config
        names = [lookup.join.table for lookup in self.lookups]
        keys = [c for c in (*config.series, config.date) if c != ONE_SERIES]
        return {
            "target": f"{config.target.column} by {' × '.join(keys)}",
            "networks": str(len(self.run.members)),
            "joined": first_few(names, 6) or "none",
        }

    def predict(
        self,
        rows: TableSource,
        *,
        columns: Sequence[str] = (),
        quantiles: Sequence[float] | None = None,
        intervals: Sequence[float] | None = None,
    ) -> PredictResult:
        """Forecasts rows, as `predict` does.

        rows: rows like those of the table `future`, a DataFrame or a file. Those of the whole horizon where the config
            has events: days after what the run knows that are not asked for have no plan.
        columns: columns of the rows to carry along.
        quantiles, intervals: as in `predict`.
        """
        wanted = wanted_of(self.run.fitted.config, quantiles, intervals, ())
        return _predict(self.run, {"future": rows}, None, columns=columns, lookups=self.lookups, asked=wanted)


@at_urls(run="directory", data="tables")
def forecaster(run: TrainResult | Run | Path | str, data: DataSource) -> Forecaster:
    """Loads a run and the tables that its rows are joined with, for a service that forecasts rows as they come.

    Raises `DataError` for tables that cannot be read, `BundleError` for a run that cannot be used.

    run: what `train` returned, or its directory.
    data: the folder with the tables, or the config's table names → DataFrames or files.
    """
    loaded = loaded_run(run)
    return Forecaster(loaded, apply.lookup_tables(loaded.fitted, data))
