"""prep: raw tables → a prep directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabcli import files
from tabcli.api.results import PrepResult
from tabcli.api.sources import LATER, TRAIN_SECTIONS, ConfigSource, code_identity, hashes_of, is_unchanged, versions
from tabcli.api.urls import at_urls
from tabcli.bundle import directories
from tabcli.config import loading
from tabcli.config.schema import Config
from tabcli.errors import UsageError
from tabcli.pipeline import joined, prepare
from tabcli.tables.contract import DataSource

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


def _prep_fingerprint(config: Config, data: DataSource, sample: int | None) -> str:
    names = ["train", *(["future"] if "future" in config.tables else []), *joined.lookup_names(config)]
    drawn = [sample, config.seed] if sample is not None else None
    return files.digest([code_identity(), prep_sections(config), hashes_of(config, data, names), drawn])


@at_urls(data="tables", out="prep")
def prep(
    config: ConfigSource,
    data: DataSource,
    out: Path | str | None = None,
    *,
    overrides: Sequence[str] = (),
    sample: int | None = None,
    force: bool = False,
) -> PrepResult:
    """Raw tables → encoded tables, with all that was fitted to the training rows.

    Raises `ConfigError`, `DataError`, and `UsageError` where `out` holds something else and `force` is not given.

    config: a YAML file, plain values, or a `Config`.
    data: the folder with the tables, or the config's table names → DataFrames or files.
    out: the prep directory to write; by default nothing is written. One that was made from the same inputs is kept.
    overrides: keys of the config with other values, such as "validation.last=4w".
    sample: keep whole series worth about that many rows; by default all.
    force: replace what stands at `out`.
    """
    if sample is not None and sample < 1:
        raise UsageError(f"--sample {sample}: expected a number of rows, 1 or more")
    settings = loading.load(config, overrides)
    if out is None:
        return PrepResult(None, prepare.fit(settings, data, sample=sample), False)
    path = Path(out)
    fingerprint = _prep_fingerprint(settings, data, sample)  # before anything is read: see `hashes_of`
    if not force and is_unchanged(path, "prep", fingerprint):
        return PrepResult(path, directories.load_prep(path), True)
    with files.atomic_directory(path, replace=force) as temporary:
        prepared = prepare.fit(settings, data, sample=sample)
        typed = {"config": str(config)} if isinstance(config, Path | str) else {}
        directories.save_prep(temporary, prepared, fingerprint, {"versions": versions(), **typed})
    return PrepResult(path, prepared, False)
