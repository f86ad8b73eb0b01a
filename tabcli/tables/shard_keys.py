"""The keys of a table in shards, checked over all of them; messages name the rows of the file."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabcli.config.schema import ONE_SERIES, Config
from tabcli.tables.contract import refuse_hours_that_come_twice, repeated_moments
from tabcli.tables.kinds import require_columns
from tabcli.tables.levels import EXAMPLES
from tabcli.tables.partition import Partition
from tabcli.tables.rows import distinct_rows, frame_of, hash_values, ids_error, missing_error, repeated_error

AT_ONCE = 1 << 24
"""So many hashes of values are compared with each other at a time."""


@dataclass(frozen=True)
class _Repeated:
    """Rows of a shard whose key is that of another: how many, and the first different ones, with their rows."""

    n: int
    examples: pd.DataFrame
    moments: pd.Series


def check_shard_keys(table: Partition, config: Config, timezone: str | None = None) -> None:
    """A table of rows must have series and date, complete and unique, as `contract.check_row_keys` has it.

    `timezone`: in which the dates are what the clock said. Raises `DataError`.
    """
    keys, named = [*config.series, config.date], [c for c in config.series if c != ONE_SERIES]
    require_columns(frame_of(dict.fromkeys(table.columns, np.empty(0))), keys, table.where)
    gone: dict[str, list[np.ndarray]] = {c: [] for c in keys}
    repeated = []
    for k in range(table.n_shards):
        rows, numbers = table.shard(k, keys)
        for c in keys:
            gone[c].append(numbers[rows[c].isna().to_numpy()])
        if len(distinct_rows(rows, keys)[1]) < len(rows):
            repeated.append(_repeated(rows.set_axis(numbers), [*named, config.date]))
    for c in keys:
        missing = np.sort(np.concatenate(gone[c]))
        if len(missing):
            raise missing_error(c, len(missing), pd.Index(missing[: EXAMPLES + 1], name=table.parts), table.where)
    if not repeated:
        return
    if timezone is not None:
        moments = pd.concat([r.moments for r in repeated]).sort_index()
        refuse_hours_that_come_twice(moments.drop_duplicates(), table.where, timezone)
    examples = pd.concat([r.examples for r in repeated]).sort_index().head(EXAMPLES)
    raise repeated_error([*named, config.date], sum(r.n for r in repeated), examples, table.where)


def _repeated(rows: pd.DataFrame, key: list[str]) -> _Repeated:
    again = rows.duplicated(key).to_numpy()
    examples = rows.loc[again, key].drop_duplicates().head(EXAMPLES)
    return _Repeated(int(again.sum()), examples.astype(dict.fromkeys(key, object)), repeated_moments(rows, key))


def check_shard_ids(table: Partition, column: str) -> None:
    """Raises `DataError` where the values of a column, by which rows are named, are missing or repeat another."""
    n_passes = -(-sum(table.n_rows) // AT_ONCE)
    wrong = 0
    for number in range(n_passes):
        found = [np.empty(0, dtype="uint64")]
        for k in range(table.n_shards):
            ids = table.shard(k, [column])[0][column]
            wrong += int(ids.isna().sum()) if number == 0 else 0
            hashed = hash_values(ids.dropna())
            found.append(hashed[hashed % np.uint64(n_passes) == number])
        hashes = np.concatenate(found)
        wrong += len(hashes) - len(np.unique(hashes))
    if wrong:
        raise ids_error(column, wrong, table.where)
