"""predict of more rows than memory holds: shards of whole series are forecast one by one, and put together in order."""

import glob
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from tabcli import files
from tabcli.api.forecast_files import columns_of
from tabcli.artifacts.contents import Run
from tabcli.bundle import directories
from tabcli.config.schema import ONE_SERIES, Config
from tabcli.engines.calls import Call, Engine, Some, Tell
from tabcli.engines.running import engine, n_cores, run
from tabcli.errors import UsageError
from tabcli.forecasting.notes import Noted, merge_noted, sentences
from tabcli.forecasting.parts import date_texts, rows_in_order, write_in_order, write_part
from tabcli.forecasting.points import USUAL, Part, Wanted, forecast
from tabcli.forecasting.total_parts import merged_totals
from tabcli.forecasting.totals import Total
from tabcli.pipeline import apply
from tabcli.pipeline.joined import check_known, known_ahead_columns, lookup_names
from tabcli.tables.blocks import about_rows
from tabcli.tables.contract import DataSource, date_columns, refuse_made
from tabcli.tables.joins import LookupTable
from tabcli.tables.partition import WHOLE, Partition, partition, shards_for
from tabcli.tables.reading import find_file
from tabcli.tables.rows import frame_of
from tabcli.tables.shard_keys import check_shard_ids, check_shard_keys
from tabcli.tables.staged import StagedTables
from tabcli.tables.streamed import stream_table
from tabcli.tables.written import as_written

FIRST = 1000
"""So many rows of a forecast that is written from shards are shown as its table."""


@dataclass(frozen=True)
class ForecastOfShards:
    """`table`: all rows in order, or the first `FIRST` of those that were written."""

    table: pd.DataFrame
    counts: dict[str, int]
    warnings: list[str]
    by_date: pd.Series
    totals: pd.DataFrame | None = None


# ----------------------------------------------------------------------------------------- how many


def rows_source(config: Config, data: DataSource) -> Path | None:
    """The file, or folder of parts, with the rows to forecast; None where they are in memory, or there are none."""
    if isinstance(data, Mapping):
        source = data.get("future")
        return None if source is None or isinstance(source, pd.DataFrame) else Path(source)
    return find_file(Path(data), config.tables["future"].file) if "future" in config.tables else None


def shards_wanted(config: Config, source: Path | None, of_run: int, asked: str | int) -> int:
    """How many shards the rows to forecast are cut into, 0: one for each half million. Raises `UsageError`.

    `of_run`: how many the run has. `asked`: *auto*, or a number.
    """
    text = str(asked).strip()
    if text != "auto" and (not text.isdecimal() or int(text) < 1):
        raise UsageError(f"--shards {asked}: expected auto, or a number of 1 or more")
    if of_run > 1:
        if text not in ("auto", str(of_run)):
            raise UsageError(f"--shards {asked}: the run has {of_run} shards, and forecasts as many")
        return of_run
    if text != "auto":
        return int(text)
    return 0 if source is not None and config.series != (ONE_SERIES,) and about_rows(source) >= WHOLE else 1


def refuse_whole(asked: Wanted, horizon: str | None) -> None:
    """Raises `UsageError` for what is not made of a forecast in shards."""
    for option, given in (
        ("--review", asked.review),
        ("--overrides", asked.overrides),
        ("--horizon", horizon),
    ):
        if given:
            raise UsageError(
                f"{option} needs all rows at once, and these are forecast in shards",
                hint="set --shards 1 where the rows fit into memory and the run has one shard",
            )


# --------------------------------------------------------------------------------------------- rows

ROWS_A_SHARD = 500_000
"""A forecast with bounds takes about 1.5 kB a row while a shard is made; two processes stay below 2 GB with so many."""


@dataclass(frozen=True)
class _Rows:
    """The rows to forecast in shards. `until`: their last date. `written`: its texts as the file has them."""

    parts: Partition
    until: pd.Timestamp
    written: pd.Series | None


class _Asked(TypedDict):
    """`Wanted` as small arguments; `totals` by their names."""

    quantiles: Sequence[float]
    intervals: Sequence[float]
    totals: Sequence[str]


class _Found(TypedDict):
    """What is to be known of a shard's forecast. `noted`: of each `Noted` its fields. `dates`: by column, as texts."""

    counts: dict[str, int]
    noted: list[dict[str, Any]]
    by_date: list[tuple[str, float]]
    dates: dict[str, list[str]]


def _cut(loaded: Run, data: DataSource, source: Path, n_shards: int, folder: Path) -> _Rows:
    """Reads, checks and cuts the rows. Raises what reading and checking them in memory raises."""
    fitted, config = loaded.fitted, loaded.fitted.config
    if "future" not in config.tables:
        config = apply.with_given_rows(config, data)
    spec = config.tables["future"]
    table = stream_table(source, spec, folder, dates=date_columns(config, "future"))
    table.require([*config.series, config.date])
    header = frame_of(dict.fromkeys(table.columns, np.empty(0)))
    refuse_made(header, ONE_SERIES, table.where)
    check_known(header, config, table.where)
    written = table.texts_of(config.date, spec.timezone) if config.date not in spec.dates else None
    table.columns = {c: table.columns[c] for c in known_ahead_columns(table.columns, config)}
    table.conform({c: profile["kind"] for c, profile in fitted.contract.tables["train"].items()})
    until = pd.Timestamp(table.largest(config.date))
    parts = partition(table, config.series, n_shards or shards_for(table.n_rows, ROWS_A_SHARD), folder)
    check_shard_keys(parts, config, spec.timezone)
    if config.id is not None:
        check_shard_ids(parts, config.id)
    return _Rows(parts, until, written)


# ------------------------------------------------------------------------------------------ a shard


@lru_cache(maxsize=1)
def _run_of(session: str, directory: Path, shard: int | None) -> Run:
    """`session`: names the forecast of which this is a part; for the next one the directory may hold another run."""
    return directories.load_run(directory, shard)


@lru_cache(maxsize=1)
def _lookups_of(session: str, directory: Path, data: Path) -> Sequence[LookupTable]:
    shard = 0 if directories.n_shards(directory) > 1 else None
    return apply.lookup_tables(_run_of(session, directory, shard).fitted, data)


def forecast_shard(
    tell: Tell,
    *,
    session: str,
    shard: int,
    of_run: bool,
    columns: Sequence[str],
    wanted: _Asked,
    until: str,
    directory: Path,
    data: Path,
    folder: Path,
    made: Path,
    totals: Path | None = None,
) -> _Found:
    """A piece of work: forecasts the rows of a shard into a file; what is to be known of them."""
    lookups = _lookups_of(session, directory, data)
    loaded = _run_of(session, directory, shard if of_run else None)
    sums = tuple(Total.parse(text) for text in wanted["totals"])
    asked = Wanted(tuple(wanted["quantiles"]), tuple(wanted["intervals"]), sums)
    return _forecast_shard(loaded, lookups, Partition(folder), shard, columns, asked, pd.Timestamp(until), made)


def _totals_of(made: Path) -> Path:
    """Where the totals of a shard lie whose forecasts are in a file."""
    return made.with_suffix(".totals")


def _forecast_shard(
    loaded: Run,
    lookups: Sequence[LookupTable],
    parts: Partition,
    shard: int,
    columns: Sequence[str],
    asked: Wanted,
    until: pd.Timestamp,
    made: Path,
) -> _Found:
    rows, numbers = parts.shard(shard)
    if not len(rows):
        write_part(pd.DataFrame(), numbers, made)
        if asked.totals:
            with files.whole_directory(_totals_of(made)):
                pass
        return {"counts": {"rows": 0, "zero": 0}, "noted": [], "by_date": [], "dates": {}}
    found = forecast(loaded, {}, None, columns, lookups, asked, Part(rows, numbers, until, _totals_of(made)))
    config = loaded.fitted.config
    table = found.table[columns_of(config, found, columns, list(asked.bounds(config.target.column)))]
    write_part(table, numbers, made)
    dates = {str(c): [str(v) for v in table[c].dropna().unique()] for c in table if table[c].dtype.kind == "M"}
    by_date = [] if found.by_date is None else [(str(day), float(v)) for day, v in found.by_date.items()]
    return {"counts": found.counts, "noted": [asdict(n) for n in found.noted], "by_date": by_date, "dates": dates}


# -------------------------------------------------------------------------------------------- all of it


def forecast_shards(
    run_given: Run | Path,
    data: DataSource,
    out: Path | None,
    source: Path,
    n_shards: int,
    *,
    columns: Sequence[str],
    asked: Wanted,
    on: Engine,
) -> ForecastOfShards:
    """Forecasts the rows of a file in shards, and writes them in its order. `n_shards`: 0 for as many as it needs.

    A run or tables in memory are forecast in this process, one shard after the other. Raises what `predict` raises.
    """
    of_run = isinstance(run_given, Path) and directories.n_shards(run_given) > 1
    loaded = run_given if isinstance(run_given, Run) else directories.load_run(run_given, 0 if of_run else None)
    with _working_folder(out) as folder:
        rows = _cut(loaded, data, source, n_shards, folder)
        if isinstance(data, StagedTables):
            data = data.folder_with(lookup_names(loaded.fitted.config))  # so that other processes can read them
        names = [folder / f"{k:05}.made" for k in range(rows.parts.n_shards)]
        if isinstance(run_given, Path) and not isinstance(data, Mapping):
            totals = [total.name for total in asked.totals]
            wanted: _Asked = {"quantiles": asked.quantiles, "intervals": asked.intervals, "totals": totals}
            common = {"of_run": of_run, "columns": list(columns), "wanted": wanted, "until": rows.until.isoformat()}
            tables = [glob.escape(loaded.fitted.config.tables[n].file) for n in lookup_names(loaded.fitted.config)]
            reads: dict[str, Path | Some] = {"directory": run_given, "data": Some(Path(data), tuple(tables))}
            calls = [
                Call(
                    f"shard-{k}",
                    forecast_shard,
                    {"session": str(folder), "shard": k, **common},
                    {**reads, "folder": Some(folder, rows.parts.files_of(k))},
                    {"made": made, **({"totals": _totals_of(made)} if asked.totals else {})},
                )
                for k, made in enumerate(names)
            ]
            with engine(on):
                results = run(calls, on, n_cores(), folder)
        else:
            lookups = apply.lookup_tables(loaded.fitted, data)

            def of_shard(k: int) -> Run:  # each knows the series of its own rows alone
                return directories.load_run(run_given, k) if of_run and isinstance(run_given, Path) else loaded

            results = [
                _forecast_shard(of_shard(k), lookups, rows.parts, k, columns, asked, rows.until, made)
                for k, made in enumerate(names)
            ]
        found = _put_together(loaded, rows, results, names, out)
        if not asked.totals:
            return found
        paths = [_totals_of(made) for made, n in zip(names, rows.parts.n_rows, strict=True) if n]
        return replace(found, totals=merged_totals(loaded, asked.totals, asked.intervals or USUAL, paths))


@contextmanager
def _working_folder(out: Path | None) -> Iterator[Path]:
    """A folder for shards beside the file that is written, where there is room for it."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(
        tempfile.mkdtemp(prefix=f".{out.name if out else 'forecast'}.shards-", dir=out.parent if out else None)
    )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_together(
    loaded: Run, rows: _Rows, results: Sequence[_Found], names: Sequence[Path], out: Path | None
) -> ForecastOfShards:
    counts = {name: sum(r["counts"][name] for r in results) for name in ("rows", "zero")}
    noted = merge_noted([Noted(**n) for n in r["noted"]] for r in results)
    sums = pd.DataFrame([pair for r in results for pair in r["by_date"]], columns=["date", "sum"])
    by_date = sums.assign(date=pd.to_datetime(sums["date"])).groupby("date")["sum"].sum()
    tables = rows_in_order(names, rows.parts.n_read)
    warnings = sentences(noted, counts["rows"] - counts["zero"], loaded)
    if out is None:
        return ForecastOfShards(pd.concat(tables, ignore_index=True), counts, warnings, by_date)
    first: list[pd.DataFrame] = []

    def passed() -> Iterator[pd.DataFrame]:
        for table in tables:
            if not first:
                first.append(table.head(FIRST))
            yield table

    write_in_order(passed(), out, _date_texts(loaded, rows, results))
    return ForecastOfShards(first[0], counts, warnings, by_date)


def _date_texts(loaded: Run, rows: _Rows, results: Sequence[_Found]) -> dict[str, pd.Series]:
    """Column of dates → the text of each different one, as its owner writes it."""
    config = loaded.fitted.config
    spec = config.tables["future" if "future" in config.tables else "train"]
    formed, made = spec.date_format is not None or spec.day_first is not None, {}
    for name in dict.fromkeys(c for r in results for c in r["dates"]):
        different = sorted({day for r in results for day in r["dates"].get(name, ())})
        dates = pd.Series(pd.to_datetime(different, format="ISO8601").astype("datetime64[us]"), name=name)
        if formed and name == config.date and rows.written is not None:
            written = as_written(dates, rows.written, spec)
            if written is not dates:
                made[name] = pd.Series(written.astype("str").to_numpy(), index=pd.DatetimeIndex(dates))
                continue
        made[name] = date_texts(dates)
    return made
