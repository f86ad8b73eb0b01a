"""Prep, run and other directories at URLs: fetched verified, published with the manifest last.

Object storage cannot rename. A directory there is whole when its marker (`manifest.json`), uploaded last, lists every
file with size and hash. While one is uploaded, `uploading.json` lists the names that belong to it, so that what an
interrupted upload left is known as ours, and is removed by the next one; nothing else is ever removed.
"""

import json
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from tabcli import files, storage
from tabcli.bundle.manifest import MANIFEST
from tabcli.errors import BundleError, UsageError
from tabcli.parallel import parallel_map

UPLOADING = "uploading.json"
"""The first file of an upload and the last that is removed."""

_TRIES = 3
"""So often a directory is fetched anew that is replaced meanwhile."""


def fetch_directory(
    url: str, path: Path, *, marker: str = MANIFEST, contents: bool = True, to_write: bool = False
) -> bytes | None:
    """Fetches a directory at a URL to `path`, and returns its marker's bytes; None where there is none.

    Files that the marker does not list become empty ones, which is enough to refuse them; without `contents` so do all
    others. Where nothing is at the URL, nothing is at `path` afterwards. Raises `BundleError` for one whose upload was
    not finished, or that was replaced again and again meanwhile. `to_write`: an unfinished upload counts as nothing,
    since it will be replaced; files in it that are not ours are refused with `UsageError`.
    """
    for _ in range(_TRIES):
        there = set(storage.listing(url)) - {UPLOADING}
        found = storage.read(f"{url}/{marker}") if marker in there else None
        unfinished = storage.read(f"{url}/{UPLOADING}") if found is None else None
        if unfinished is not None and to_write:
            files.refuse_foreign(url, there, _uploading(unfinished))
            return None
        if unfinished is not None:
            raise BundleError(f"{url}: its upload was not finished", hint="run the command that writes it again")
        if not there:
            return None
        listed = _listed(url, found, marker) & there if contents and found is not None else set()
        try:
            parallel_map(lambda name: storage.fetch(f"{url}/{name}", path / name), sorted(listed))
        except UsageError:
            if storage.read(f"{url}/{marker}") == found:
                raise
            continue
        _place_names(path, there - listed)
        if found is None or storage.read(f"{url}/{marker}") == found:
            if found is not None:
                (path / marker).write_bytes(found)
            return found
    raise BundleError(f"{url}: it was replaced while it was read", hint="run the command again")


def _place_names(path: Path, names: Collection[str]) -> None:
    """Empty files of these names."""
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        if _is_inside(name):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).touch()


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and "\\" not in name and ":" not in name and ".." not in parts


def _listed(url: str, found: bytes, marker: str) -> set[str]:
    """The names that a marker lists. Raises `BundleError` for names that lead out of the directory."""
    names = files.own_names(found, marker) or set()
    for name in names:
        if not _is_inside(name):
            raise BundleError(f"{url}: the manifest names {name!r}, which is not a file inside the directory")
    return names - {marker}


def own_names_at(url: str, marker: str = MANIFEST) -> set[str]:
    """The names below a URL that tabcli wrote there: those of its marker, and of an upload that was not finished."""
    found, unfinished = (storage.read(f"{url}/{name}") for name in (marker, UPLOADING))
    own = (files.own_names(found, marker) if found is not None else None) or set()
    return own | (_uploading(unfinished) if unfinished is not None else set())


def _uploading(content: bytes) -> set[str]:
    try:
        facts = json.loads(content)
        return {UPLOADING, *map(str, facts["files"])} if facts["format"] == "uploading" else set()
    except (ValueError, KeyError, TypeError):
        return set()


def publish_directory(path: Path, url: str, *, marker: str = MANIFEST, replaces: bytes | None = None) -> None:
    """Uploads a whole directory to a URL, its marker last; `replaces`: the marker of the one that may be replaced.

    Raises `UsageError` where another directory, or a file that tabcli did not write, stands there by now.
    """
    if storage.read(f"{url}/{marker}") != replaces:
        raise UsageError(f"{url} was written by another program meanwhile", hint="give another --out, or --force")
    own, there = own_names_at(url, marker), set(storage.listing(url))
    files.refuse_foreign(url, there, own)
    new = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} - {marker}
    beginning = {"format": "uploading", "format_version": 1, "files": sorted(new | own | {marker})}
    storage.write(f"{url}/{UPLOADING}", files.json_text(beginning).encode())
    # From here on readers find no directory; one that has begun finds that the marker is gone, or another.
    for name in [marker] * (marker in there) + sorted((there & own) - new - {marker, UPLOADING}):
        storage.remove(f"{url}/{name}")
    parallel_map(lambda name: storage.put(path / name, f"{url}/{name}"), sorted(new))
    storage.put(path / marker, f"{url}/{marker}")
    storage.remove(f"{url}/{UPLOADING}")
