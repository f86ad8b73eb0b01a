"""inspect: what is in a table, a prep or a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tabcli.api.results import PrepResult, TrainResult
from tabcli.api.sources import read_options
from tabcli.api.urls import at_urls
from tabcli.artifacts.contents import Prepared, Run
from tabcli.errors import UsageError
from tabcli.reports.inspection import Inspection
from tabcli.reports.inspection import inspect as look_into
from tabcli.tables.reading import TableSource

# --------------------------------------------------------------------------------------------- inspect


@at_urls(source="table")
def inspect(
    source: PrepResult | TrainResult | Prepared | Run | TableSource, *, reading: Mapping[str, str] | None = None
) -> Inspection:
    """What is in a table, a prep or a run: its facts, and for each column its role, gaps, range and distribution.

    source: a DataFrame, a file, what `prep` or `train` returned, or one of their directories.
    reading: how a table is written, as in a config's table: {"decimal": ","}.
    """
    if isinstance(source, PrepResult):
        source = source.prepared
    if isinstance(source, TrainResult):
        source = source.run
    if isinstance(source, Path | str) and not Path(source).exists():
        raise UsageError(f"{source}: no such file or directory")
    file = str(source) if isinstance(source, Path | str) else ""
    return look_into(source, read_options(reading or {}, file))
