"""The tables of a config on the disk, the rows in shards of whole series, so that each shard is read alone.

WORK/job.json           the config, and what the shards are
WORK/train, future      rows in shards, with the number of each row in its table
WORK/lookups/NAME       a lookup table, whole
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli import files
from tabcli.arrays import AnyArray
from tabcli.config.loading import parse_resolved
from tabcli.config.schema import ONE_SERIES, OWN_END, Config
from tabcli.pipeline.joined import SourceTables, Tables, check_known, known_ahead, load, lookup_names
from tabcli.pipeline.passing import read_frame, taken, write_frame
from tabcli.tables.blocks import about_rows
from tabcli.tables.contract import (
    DataSource,
    check_row_keys,
    date_columns,
    describe,
    load_tables,
    moved_to_common_end,
    refuse_made,
    with_zero_rows,
)
from tabcli.tables.kinds import kind_of, require_columns
from tabcli.tables.partition import Partition, partition, shards_for, shards_of
from tabcli.tables.parts import PARQUET_ENDINGS, TEXT_ENDINGS
from tabcli.tables.reading import find_file
from tabcli.tables.rows import with_columns
from tabcli.tables.streamed import stream_table

MADE = 1 << 40
"""The numbers of rows that no table has begin here."""


def shards_of_table(config: Config, data: DataSource) -> int:
    """How many shards the train table asks for by its rows, which are counted, not read."""
    if not streams(config, data) and not isinstance(data, Mapping):
        return 1
    source = data.get("train") if isinstance(data, Mapping) else Path(data) / config.tables["train"].file
    if isinstance(source, pd.DataFrame):
        return shards_for(len(source))
    if source is None or not streams(config, data) or not Path(source).exists():
        return 1
    return shards_for(about_rows(Path(source)))


def streams(config: Config, data: DataSource) -> bool:
    """Whether the tables of rows can be read in one pass, of which no more than a block is in memory."""
    for name in ("train", "future"):
        if name not in config.tables:
            continue
        spec = config.tables[name]
        source = data.get(name) if isinstance(data, Mapping) else Path(data) / spec.file
        if not isinstance(source, Path | str) or spec.melt is not None or spec.aggregate is not None:
            return False
        if not Path(source).is_dir() and Path(source).suffix.lower() not in (*TEXT_ENDINGS, *PARQUET_ENDINGS):
            return False
    return config.series != (ONE_SERIES,)


def cut_in_memory(config: Config, data: DataSource, n_shards: int, work: Path) -> None:
    """Reads all tables whole and writes them in shards. Raises what `joined.load` does."""
    source = load(config, data)
    for name in ("train", "future"):
        if name in source.tables:
            table = source.tables[name]
            shards = shards_of(table[list(config.series)], n_shards)
            for k in range(n_shards):
                write_frame(work / name / f"{k:05}.arrow", table[shards == k], numbered=True)
    _write_job(config, source.tables, n_shards, source.where, work, checked=True)


def cut_streamed(config: Config, data: DataSource, n_shards: int, work: Path) -> None:
    """Reads the rows in one pass, of which no more than a block is in memory. Raises what is wrong with all rows."""
    names = [c for c in config.series if c != ONE_SERIES]
    kinds = {}
    for name in ("train", "future"):
        if name not in config.tables:
            continue
        spec, folder = config.tables[name], work / name
        folder.mkdir(parents=True)
        source = Path(data[name]) if isinstance(data, Mapping) else find_file(Path(data), spec.file)  # type: ignore[arg-type]
        table = stream_table(source, spec, folder, dates=date_columns(config, name))
        if name == "train":
            kinds = {c: kind_of(column.values) for c, column in table.columns.items()}
        else:
            ahead = known_ahead(pd.DataFrame(columns=list(table.columns)), config).columns
            table.conform({c: kinds[c] for c in ahead if c in kinds})
        table.require([*names, config.date])
        partition(table, names, n_shards, folder)
    lookups = load_tables(config, data, lookup_names(config))
    _write_job(config, lookups, n_shards, describe(config, data, "train"), work, checked=False)


def _write_job(
    config: Config, tables: Mapping[str, pd.DataFrame], n_shards: int, where: str, work: Path, *, checked: bool
) -> None:
    for name in lookup_names(config):
        write_frame(work / "lookups" / name, tables[name])
    ahead = "future" in config.tables
    facts = {"config": config.dump(), "n_shards": n_shards, "where": where, "checked": checked, "ahead": ahead}
    files.write_json(work / "job.json", facts)


# --------------------------------------------------------------------------------------------- reading


def files_of_shard(shard: int) -> tuple[str, ...]:
    """What is read of the folder for one shard, and what was decided on all, as patterns."""
    own, decided = f"{shard:05}", ("plan", "fitted", "dates-*", f"groups/{shard:05}")
    shared = ("job.json", "lookups/*", "*/partition.json", "*/*.values")
    return (*shared, f"*/{own}.*", *(f"{name}/*" for name in decided))


def lookups_of(work: Path, config: Config) -> Tables:
    """The lookup tables by name."""
    return _lookups(work, tuple(lookup_names(config)))


@lru_cache(maxsize=1)
def _lookups(work: Path, names: tuple[str, ...]) -> Tables:
    return {name: read_frame(work / "lookups" / name) for name in names}


def config_of(work: Path) -> Config:
    """The config whose tables were cut."""
    path = work / "job.json"
    return parse_resolved(files.read_json(path)["config"], source=str(path))


def read_shard(work: Path, shard: int) -> SourceTables:
    """The rows of one shard, numbered as in their tables, and all lookup tables.

    Raises `DataError` where the rows lack a key or repeat one.
    """
    job, config = files.read_json(work / "job.json"), config_of(work)
    names = ["train", *(["future"] if job["ahead"] else [])]
    tables = {name: _rows(work, name, shard, config, checked=job["checked"]) for name in names}
    if not job["checked"]:
        tables["train"] = _completed(work, tables["train"], config)
        if "future" in tables:
            check_known(tables["future"], config, where_of(work, "future"))
            tables["future"] = known_ahead(tables["future"], config)
    return SourceTables(config, tables | lookups_of(work, config), str(job["where"]))


def where_of(work: Path, name: str) -> str:
    """What messages call a table of rows."""
    return Partition(work / name).where


def _rows(work: Path, name: str, shard: int, config: Config, *, checked: bool) -> pd.DataFrame:
    if checked:
        return read_frame(work / name / f"{shard:05}.arrow")
    cut = Partition(work / name)
    table, numbers = cut.shard(shard)
    table.index = pd.Index(numbers)
    refuse_made(table, ONE_SERIES, cut.where)
    if config.series == (ONE_SERIES,):
        table = with_columns(table, {ONE_SERIES: pd.Categorical(["all"] * len(table), categories=["all"])})
    check_row_keys(table, config, cut.where, config.tables[name].timezone)
    if name == "train":
        require_columns(table, [config.target.column], cut.where)
    return table


# ------------------------------------------------------------------------ what needs dates of all series


def steps_to_complete(config: Config) -> list[str]:
    """What has to be done to the train rows of a shard for which the dates of all shards are needed, in order."""
    own = ["moved"] if config.forecast.start == "own" else []
    return [*own, *(["zeros"] if config.target.no_row == "zero" else [])]


def dates_before(work: Path, shard: int, step: str) -> tuple[AnyArray, int]:
    """The different dates of a shard's train rows before a step of `steps_to_complete`, and how many series it has."""
    config = config_of(work)
    table = _rows(work, "train", shard, config, checked=False)
    table = _completed(work, table, config, until=step)
    return np.sort(table[config.date].unique()), len(table[list(config.series)].drop_duplicates())


def _completed(work: Path, table: pd.DataFrame, config: Config, until: str | None = None) -> pd.DataFrame:
    """The rows of a shard after the steps that come before `until`, by default after all."""
    for step in steps_to_complete(config):
        if step == until:
            break
        dates, n_series = taken(work / f"dates-{step}")
        if step == "moved":
            refuse_made(table, OWN_END, where_of(work, "train"))
            table = moved_to_common_end(table, config, dates)
        elif config.target.column in table.columns:
            made = with_zero_rows(table, config, where_of(work, "train"), (dates, n_series))
            new = np.arange(len(made) - len(table)) + MADE
            made.index = pd.Index(np.concatenate([table.index.to_numpy(), new]))
            table = made
    return table
