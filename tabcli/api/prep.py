"""prep: raw tables → a prep directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from tabcli import files
from tabcli.api.results import PrepResult
from tabcli.api.sources import LATER, TRAIN_SECTIONS, ConfigSource, code_identity, hashes_of, is_unchanged, versions
from tabcli.api.urls import at_urls
from tabcli.bundle import directories
from tabcli.config import loading
from tabcli.config.schema import Config
from tabcli.engines.calls import Engine
from tabcli.engines.running import engine
from tabcli.errors import UsageError
from tabcli.pipeline import cutting, joined, prepare
from tabcli.pipeline.shards import cut, prepare_shards
from tabcli.tables.contract import DataSource
from tabcli.tables.partition import shards_for
from tabcli.tables.staged import StagedTables

# ------------------------------------------------------------------------------------------------ prep


def prep_sections(config: Config) -> dict[str, Any]:
    """The sections of the config that a prep depends on, as plain values; some of `forecast` matter later."""
    sections: dict[str, Any] = {k: v for k, v in config.dump().items() if k not in TRAIN_SECTIONS}
    looked_at = {"sensitive": sections["card"]["sensitive"]}  # where the answers stand changes no prep
    return {
        **sections,
        "forecast": {k: v for k, v in sections["forecast"].items() if k not in LATER},
        "card": looked_at,
    }


def _prep_fingerprint(config: Config, data: DataSource, sample: int | None, n_shards: int) -> str:
    names = ["train", *(["future"] if "future" in config.tables else []), *joined.lookup_names(config)]
    drawn = [sample, config.seed] if sample is not None else None
    several = [n_shards] if n_shards > 1 else []
    return files.digest([code_identity(), prep_sections(config), hashes_of(config, data, names), drawn, *several])


@at_urls(data="tables", out="prep")
def prep(
    config: ConfigSource,
    data: DataSource,
    out: Path | str | None = None,
    *,
    overrides: Sequence[str] = (),
    sample: int | None = None,
    shards: Literal["auto"] | int = "auto",
    force: bool = False,
    on: Engine = "processes",
) -> PrepResult:
    """Raw tables → encoded tables, with all that was fitted to the training rows.

    Raises `ConfigError`, `DataError`, and `UsageError` where `out` holds something else and `force` is not given.

    config: a YAML file, plain values, or a `Config`.
    data: the folder with the tables, or the config's table names → DataFrames or files.
    out: the prep directory to write; by default nothing is written. One that was made from the same inputs is kept.
    overrides: keys of the config with other values, such as "validation.last=4w".
    sample: keep whole series worth about that many rows; by default all.
    shards: into how many shards of whole series the rows are cut, of which one is in memory at a time; by default 1, or
        where `out` is given and the train table has 4 million rows or more, one for each million.
    force: replace what stands at `out`.
    on: where shards are worked on, always to the same bytes: *here*, in this process; *processes*, several beside it;
        *ray*, on the Ray cluster that the environment variable RAY_ADDRESS names, or on one started here.
    """
    if sample is not None and sample < 1:
        raise UsageError(f"--sample {sample}: expected a number of rows, 1 or more")
    settings = loading.load(config, overrides)
    n_shards = _number_of_shards(settings, data, shards, in_memory=out is None or sample is not None)
    if out is None:
        return PrepResult(None, prepare.fit(settings, data, sample=sample), False)
    path = Path(out)
    fingerprint = _prep_fingerprint(settings, data, sample, n_shards)  # before anything is read: see `hashes_of`
    if not force and is_unchanged(path, "prep", fingerprint):
        return PrepResult(path, directories.load_prep(path, 0), True, n_shards)
    typed = {"config": str(config)} if isinstance(config, Path | str) else {}
    facts = {"versions": versions(), **typed}
    with files.atomic_directory(path, replace=force) as temporary:
        if n_shards == 1:
            prepared = prepare.fit(settings, data, sample=sample)
            directories.save_prep(temporary, prepared, fingerprint, facts)
        else:
            _prepare_shards(settings, data, n_shards, temporary, fingerprint, facts, on)
    return PrepResult(path, prepared if n_shards == 1 else directories.load_prep(path, 0), False, n_shards)


def _number_of_shards(config: Config, data: DataSource, wanted: Literal["auto"] | int, *, in_memory: bool) -> int:
    """How many shards are made. `in_memory`: whether there may be no more than one."""
    if wanted == "auto":
        small = isinstance(data, StagedTables) and shards_for(data.most_rows("train")) == 1  # known without a download
        return 1 if in_memory or small else cutting.shards_of_table(config, data)
    if wanted < 1:
        raise UsageError(f"--shards {wanted}: expected auto or a number, 1 or more")
    if wanted > 1 and in_memory:
        raise UsageError(f"--shards {wanted}: shards are written to --out, and not with --sample, which fits in memory")
    return wanted


def _prepare_shards(
    config: Config,
    data: DataSource,
    n_shards: int,
    prep: Path,
    fingerprint: str,
    facts: Mapping[str, object],
    on: Engine,
) -> None:
    """Writes a prep of several shards into an empty directory; what is between lies beside it meanwhile."""
    with engine(on), TemporaryDirectory(prefix=f"{prep.name}.work-", dir=prep.parent) as folder:
        work = Path(folder) / "tables"
        cut(config, data, n_shards, work, on)
        prepared, written = prepare_shards(work, prep, on)
        directories.finish_shards(prep, prepared, written, fingerprint, facts)
