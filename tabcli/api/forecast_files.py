"""The files that `predict` writes: their columns, those beside the forecast, dates as their owner writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tabcli.config.schema import ONE_SERIES, Config
from tabcli.errors import UsageError
from tabcli.forecasting.points import Prediction, Wanted
from tabcli.tables.contract import DataSource
from tabcli.tables.reading import date_texts
from tabcli.tables.rows import with_columns
from tabcli.tables.written import as_written


def columns_of(config: Config, made: Prediction, columns: Sequence[str], bounds: list[str]) -> list[str]:
    """The columns of the file, in order: keys, those to carry along, target, bounds. Raises `UsageError`."""
    target = config.target.column
    keys = [config.id] if config.id in made.table.columns else [*config.series, config.date]
    wanted = [c for c in dict.fromkeys([*keys, *columns]) if c != ONE_SERIES or c in columns]
    missing = [c for c in wanted if c not in made.table.columns]
    if missing:
        raise UsageError(f"--columns {', '.join(missing)}: expected some of {', '.join(made.columns)}")
    taken = [c for c in bounds if c in wanted]
    if taken:
        raise UsageError(f"--columns {taken[0]}: a bound of the forecast has this name", hint="leave one of them out")
    return [*(str(c) for c in wanted if c != target), target, *bounds]


def paths_beside(path: Path | None, asked: Wanted) -> dict[str, Path]:
    """The files that are written beside the forecast, such as forecast.totals.csv beside forecast.csv, by name."""
    if path is None:
        return {}
    there = {"totals": asked.totals, "review": asked.review, "overrides": asked.overrides}
    return {name: path.with_name(f"{path.stem}.{name}{path.suffix}") for name, wanted in there.items() if wanted}


def as_owner(table: pd.DataFrame, config: Config, data: DataSource, given: bool) -> pd.DataFrame:
    """The forecast with its dates as the table of the rows (`given`), or else the train table, writes them."""
    name = "future" if given and "future" in config.tables else "train"
    spec = config.tables[name]
    source = data.get(name) if isinstance(data, Mapping) else Path(data) / spec.file
    if config.date not in table.columns or (spec.date_format is None and spec.day_first is None):
        return table
    if source is None or not (isinstance(source, pd.DataFrame) or Path(source).exists()):
        return table
    texts = date_texts(source, spec, config.date)
    return table if texts is None else with_columns(table, {config.date: as_written(table[config.date], texts, spec)})
