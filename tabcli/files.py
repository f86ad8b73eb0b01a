"""Atomic file and directory writes, hashes, exact JSON. Knows nothing of tables or models."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tabcli.errors import UsageError


def _fsync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open directories
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(path: Path, what: str = "tmp") -> Path:
    """A hidden name beside `path` (a rename must not cross file systems), unique to this process."""
    return path.parent / f".{path.name}.{what}-{os.getpid()}-{os.urandom(3).hex()}"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to; at the end the whole file stands at `path`, or nothing changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        _fsync(temporary)
        os.replace(temporary, path)
        _fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(path: Path, *, replace: bool, marker: str = "manifest.json") -> None:
    """Raises `UsageError` for an existing non-empty `path` without `replace`, and for one without the file `marker`.

    Only what tabcli wrote is ever removed.
    """
    taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    if taken and not (path / marker).is_file():
        raise UsageError(f"{path} exists already and was not written by tabcli", hint="give another path")
    if taken and not replace:
        raise UsageError(f"{path} exists already", hint="give another path, or --force to replace it")


@contextmanager
def atomic_directory(path: Path, *, replace: bool = False, marker: str = "manifest.json") -> Iterator[Path]:
    """Yields a temporary directory to fill; at the end it stands whole at `path`, or nothing changed.

    With `replace` an existing directory is moved aside first and removed last, so that at every moment one of the two
    is whole on the disk. Raises `UsageError` as `require_writable` does.
    """
    require_writable(path, replace=replace, marker=marker)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        commit_directory(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def commit_directory(temporary: Path, path: Path) -> None:
    """Moves a finished directory to its final name; what stood there is removed after that."""
    for file in temporary.rglob("*"):
        _fsync(file)
    _fsync(temporary)
    old = None
    if path.exists():
        old = _temporary(path, "old")
        os.rename(path, old)
    os.rename(temporary, path)
    _fsync(path.parent)
    if old is not None:
        shutil.rmtree(old)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically. Floats keep every bit (shortest repr); NaN and infinities are refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(value: Any) -> str:
    """A SHA-256 over a JSON-able value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
