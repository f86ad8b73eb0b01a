"""A prep in memory, cut into shards of whole series, as `prep --shards` writes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.features.events import EventCalendar


def cut(prepared: Prepared, n: int) -> list[Prepared]:
    """Series go to shards in turn; rows of unknown series to the first."""
    fitted, shards = prepared.fitted, []
    series, moments = fitted.calendar.to_tables()
    for k in range(n):
        numbers = np.full(len(series) + 1, -1)
        there = np.flatnonzero(np.arange(len(series)) % n == k)
        numbers[there] = np.arange(len(there))

        def own(table: pd.DataFrame, column: str, numbers: np.ndarray = numbers, k: int = k) -> pd.DataFrame:
            old = table[column].to_numpy(dtype="int64")
            new = numbers[old]
            kept = (new >= 0) | ((old < 0) & (k == 0))
            return table[kept].assign(**{column: new[kept].astype(table[column].dtype)}).reset_index(drop=True)

        calendar = EventCalendar.from_tables(
            series.iloc[there].reset_index(drop=True), own(moments, "series"), list(fitted.calendar.moments)
        )
        groups = fitted.groups.iloc[there].reset_index(drop=True)
        mine = replace(fitted, calendar=calendar, tail=own(fitted.tail, fitted.tail.columns[0]), groups=groups)
        tables = {name: own(table, "row.series") for name, table in prepared.tables.items()}
        past = None if prepared.past is None else own(prepared.past, "series")
        shards.append(Prepared(mine, tables, prepared.summary, past))
    return shards


def save_shards(directory: Path, shards: list[Prepared]) -> Path:
    """The shards as a prep directory."""
    directory.mkdir(parents=True)
    written = {}
    for k, shard in enumerate(shards):
        written |= directories.save_shard(directory, k, shard)
    directories.finish_shards(directory, shards[0], written, "a fingerprint", {})
    return directory
