"""Atomic file and directory writes, hashes, exact JSON. Knows nothing of tables or models."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tabcli.errors import UsageError
from tabcli.storage import named, url_of


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
    _refuse_url(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        _fsync(temporary)
        os.replace(temporary, path)
        _fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_url(path: Path) -> None:
    """Raises `UsageError` for a URL, which would become a folder `s3:` on this machine."""
    if url_of(path) is not None:
        raise UsageError(f"{named(path)}: only a path on this machine can be written here", hint="see docs/storage.md")


FORMATS = ("prep", "run", "fold", "synth", "embeddings")
"""The kinds of directories that tabcli writes. A file in each, its marker, names the kind."""


BESIDE = ("MODEL_CARD.md", "DATASHEET.md", "card.yaml", "former.json")
"""Files that tabcli writes into a run beside those that its marker lists, since they are written again later."""


def own_files(path: Path, marker: str) -> set[str] | None:
    """The files that a directory's marker lists, the marker, and for a run `BESIDE`; None where the directory is not
    one that tabcli wrote.
    """
    try:
        content = (path / marker).read_bytes()
    except OSError:
        return None
    return own_names(content, marker)


def own_names(content: bytes, marker: str) -> set[str] | None:
    """`own_files` of a marker with this content."""
    try:
        facts = json.loads(content)
    except ValueError:
        return None
    if not isinstance(facts, dict) or facts.get("format") not in FORMATS or "format_version" not in facts:
        return None
    listed = facts.get("files")
    beside = BESIDE if facts["format"] == "run" else ()
    return {marker, *beside, *map(str, listed)} if isinstance(listed, dict | list) else None


def require_writable(path: Path, *, replace: bool, marker: str = "manifest.json") -> None:
    """Raises `UsageError` unless a directory can be written at `path`.

    It can where nothing is, or an empty directory; and with `replace` where tabcli wrote a directory to which nobody
    added files. Nothing else is ever removed.
    """
    _refuse_url(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    own = own_files(path, marker) if path.is_dir() else None
    if own is None:
        raise UsageError(f"{path} exists already and was not written by tabcli", hint="give another path")
    if not replace:
        raise UsageError(f"{path} exists already", hint="give another path, or --force to replace it")
    refuse_foreign(
        path, {p.relative_to(path).as_posix() for p in path.rglob("*") if not p.is_dir() or p.is_symlink()}, own
    )


def refuse_foreign(where: Path | str, there: Collection[str], own: Collection[str]) -> None:
    """Raises `UsageError` where a directory has files that are not its own."""
    foreign = sorted({*there} - {*own})
    if foreign:
        raise UsageError(
            f"{where} holds {len(foreign)} files that tabcli did not write there: {', '.join(foreign[:3])}"
            f"{', …' if len(foreign) > 3 else ''}",
            hint="move them elsewhere, or give another path",
        )


WORKING = "working.json"
"""The marker of a directory that holds unfinished work."""

_OF_WORK = (WORKING, "lock", "*.safetensors", "*.log", "*.rows", ".*.tmp-*", "prep/*", ".prep.*/*")
"""The files that unfinished work may consist of."""


def open_working(path: Path) -> None:
    """Makes a directory for unfinished work, or takes one that tabcli left. Else raises `UsageError`."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UsageError(f"{path} exists already and was not written by tabcli", hint="give another --out, or move it")
    if path.is_dir() and any(path.iterdir()) and not _is_working(path):
        raise UsageError(
            f"{path} exists already and holds no unfinished work of tabcli", hint="give another --out, or move it"
        )
    path.mkdir(parents=True, exist_ok=True)
    if not (path / WORKING).exists():
        write_json(path / WORKING, {"format": "working", "format_version": 1, "fingerprint": ""})


def _is_working(path: Path) -> bool:
    try:
        facts = read_json(path / WORKING)
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("format") == "working"


def working_on(path: Path) -> str:
    """The fingerprint of the unfinished work in a directory; "" where no work was begun."""
    return str(read_json(path / WORKING).get("fingerprint", "")) if _is_working(path) else ""


def begin_working(path: Path, fingerprint: str) -> None:
    """Removes what earlier work left in an opened directory, and marks it with the fingerprint of the new work."""
    _remove_work(path, keep=("lock", WORKING))
    write_json(path / WORKING, {"format": "working", "format_version": 1, "fingerprint": fingerprint})


def close_working(path: Path) -> None:
    """Removes the files of finished work, and the directory unless it holds other files by now."""
    _remove_work(path)
    if not any(path.iterdir()):
        path.rmdir()


def _remove_work(path: Path, keep: Collection[str] = ()) -> None:
    for pattern in _OF_WORK:
        for file in list(path.glob(pattern)):
            if file.is_file() and file.name not in keep:
                file.unlink()
    for directory in [*path.glob("prep"), *path.glob(".prep.*")]:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()


@contextmanager
def atomic_directory(path: Path, *, replace: bool = False, marker: str = "manifest.json") -> Iterator[Path]:
    """Yields a temporary directory to fill; at the end the whole directory stands at `path`, or nothing changed.

    With `replace` an existing directory is moved aside first and removed last, so that at every moment the old or the
    new one is whole on the disk. Raises `UsageError` as `require_writable` does.
    """
    require_writable(path, replace=replace, marker=marker)
    with whole_directory(path) as temporary:
        yield temporary


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """As `atomic_directory`, and it replaces whatever stood at `path`: for names within unfinished work alone."""
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


def write_json(path: Path, value: object) -> None:
    """Writes JSON atomically. Floats keep every bit (shortest repr); NaN and infinities are refused."""
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """What `write_json` writes."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(value: object) -> str:
    """A SHA-256 over a JSON-able value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
