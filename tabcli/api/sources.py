"""What the verbs share: reading options, lengths of time, and fingerprints of what a directory was made from."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from tabcli import files
from tabcli.bundle import manifest
from tabcli.config import data, loading, values
from tabcli.config.schema import Config
from tabcli.errors import BundleError, ConfigError, DataError, UsageError
from tabcli.parallel import parallel_map
from tabcli.tables.contract import DataSource
from tabcli.tables.reading import TableSource, read_table
from tabcli.tables.staged import StagedTables
from tabcli.version import __version__

ConfigSource = Config | Mapping[str, object] | Path | str
"""A config: checked, as plain values, or the path of a YAML file."""

TRAIN_SECTIONS = ("preset", "model", "train", "variants", "calibration", "tune", "seed")
LATER = {"floor", "quantiles", "intervals"}
"""Keys of `forecast` that a prep does not depend on."""
"""The sections of a config that only training reads; prep depends on all others."""


def versions() -> dict[str, str]:
    """The versions of tabcli, Python and the libraries, for the manifest."""
    return {
        "tabcli": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "pandas": pd.__version__,
        "numpy": np.__version__,
    }


WITHOUT_EFFECT = ("cards", "cli", "explanation", "maps", "onboarding", "reports", "synthetic")
"""Packages that change nothing of what prep and training write, except plots and cards."""


PACKAGE = Path(__file__).parents[1]


@cache
def code_identity(package: Path = PACKAGE) -> str:
    """A hash of the version and the sources: what identifies the code that makes a prep or run.

    The version alone does not, since the code changes between two releases.
    """
    sources = [p for p in sorted(package.rglob("*.py")) if p.relative_to(package).parts[0] not in WITHOUT_EFFECT]
    return files.digest([__version__, {p.relative_to(package).as_posix(): files.sha256(p) for p in sources}])


def is_unchanged(out: Path, kind: str, fingerprint: str) -> bool:
    """Whether `out` is a whole directory of this kind ("prep", "run") with the same fingerprint."""
    try:
        return bool(manifest.verify(out, kind)["fingerprint"] == fingerprint)
    except BundleError:
        return False


def _source_hash(source: TableSource) -> str:
    if isinstance(source, pd.DataFrame):
        values = pd.util.hash_pandas_object(source, index=False).to_numpy()
        return files.digest(
            [
                list(map(str, source.columns)),
                source.dtypes.astype(str).tolist(),
                hashlib.sha256(values.tobytes()).hexdigest(),
            ]
        )
    return _file_hash(Path(source))


def _file_hash(path: Path) -> str:
    """A hash of a file, or of the parts in a folder; empty where there is none."""
    if path.is_dir():
        return files.digest({part.name: files.sha256(part) for part in path.iterdir() if part.is_file()})
    return files.sha256(path) if path.is_file() else ""


def hashes_of(config: Config, data: DataSource, names: Sequence[str]) -> dict[str, str]:
    """Table → a hash of its content; empty where there is no such table.

    Hashed before reading: if a file changes in between, the next prep runs again instead of saying "unchanged".
    """

    def identify(name: str) -> str:
        if isinstance(data, StagedTables):
            return data.identity(name) if name in data else ""
        if isinstance(data, Mapping):
            return _source_hash(data[name]) if name in data else ""
        return _file_hash(Path(data) / config.tables[name].file)

    return dict(zip(names, parallel_map(identify, names), strict=True))


def parse_duration(option: str, text: str | None) -> values.Duration | None:
    """A length of time such as "4w"; None for None. Raises `UsageError` that names the option."""
    if text is None:
        return None
    try:
        duration = values.Duration.parse(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None
    if option == "--horizon" and duration.count == 0:
        raise UsageError(f"--horizon {text}: expected a length of one step or more, such as 4w")
    return duration


# --------------------------------------------------------------------------------------------- reading


def read_options(options: Mapping[str, str], file: str) -> data.Table:
    """How to read a file, from texts such as {"decimal": ","}. Raises `UsageError` for options that do not exist."""
    try:
        return loading.parse_table(options, file)
    except ConfigError as error:
        raise UsageError(f"how to read tables: {error.message}") from None


def read_any(
    source: TableSource, name: str, dates: Sequence[str] = (), reading: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """A table from a DataFrame or a file; `name`: what messages call it; `dates`: its date columns.

    Raises `DataError` where it cannot be read, `UsageError` for options that do not exist.
    """
    file = "" if isinstance(source, pd.DataFrame) else str(source)
    if file and not Path(file).is_file():
        raise DataError(f"{file}: no such file")
    return read_table(source, read_options(reading or {}, file), name=name, dates=dates)
