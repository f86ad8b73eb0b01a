"""The manifest: what a directory is (prep, run, fold), its fingerprint, every file with size and hash.

It is written last and verified first.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NotRequired, TypedDict

from tabcli import files
from tabcli.errors import BundleError

FORMAT_VERSION = 3

MANIFEST = "manifest.json"


class FileFacts(TypedDict):
    """What a manifest keeps of a file: its size, and its SHA-256."""

    bytes: int
    sha256: str


class Manifest(TypedDict):
    """What is read of a manifest. `files`: name → size in bytes and SHA-256; `members`: how many networks a run has;
    `config`: the config's file as it was typed.
    """

    fingerprint: str
    files: dict[str, tuple[int, str]]
    members: NotRequired[int]
    config: NotRequired[str]


# ---------------------------------------------------------------------------------------- the manifest


def facts_of(directory: Path, paths: Iterable[Path]) -> dict[str, FileFacts]:
    """The name of each file below a directory → its size and hash."""
    return {
        path.relative_to(directory).as_posix(): {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
        for path in paths
    }


def write_manifest(
    directory: Path,
    kind: str,
    fingerprint: str,
    facts: Mapping[str, object],
    known: Mapping[str, FileFacts] = MappingProxyType({}),
) -> None:
    """Writes the manifest of a directory that is otherwise complete; without a manifest it is not whole.

    `kind`: "prep", "run" or "fold". `known`: `facts_of` files that need not be read again.
    """
    there = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    new = facts_of(directory, [path for path in there if path.relative_to(directory).as_posix() not in known])
    names = [path.relative_to(directory).as_posix() for path in there]
    listed = {name: known[name] if name in known else new[name] for name in names}
    manifest = {"format": kind, "format_version": FORMAT_VERSION, "fingerprint": fingerprint, **facts, "files": listed}
    files.write_json(directory / MANIFEST, manifest)


def directory_kind(directory: Path) -> str:
    """What a directory is by its manifest, "prep" or "run". Raises `BundleError` for anything else."""
    try:
        kind = str(files.read_json(directory / MANIFEST)["format"])
    except (OSError, ValueError, KeyError, TypeError):
        kind = ""
    if kind not in ("prep", "run"):
        what = "neither a prep nor a run directory" if directory.is_dir() else "no such directory"
        raise BundleError(f"{directory}: {what}", hint="`tabcli prep` and `train` make them")
    return kind


def read_manifest(directory: Path, kind: str) -> Manifest:
    """The manifest of a whole directory of this kind, "prep", "run" or "fold"; its `files`: name → (bytes, SHA-256).

    Raises `BundleError` for anything else.
    """
    path = directory / MANIFEST
    make = {
        "prep": "tabcli prep --config C --data DIR --out PREP",
        "run": "tabcli train --prep PREP --out RUN",
        "fold": "tabcli backtest --config C --data DIR --out OUT",
    }[kind]
    if not directory.is_dir():
        raise BundleError(f"{directory}: no such directory; expected a {kind} directory", hint=f"made by `{make}`")
    if not path.is_file():
        raise BundleError(f"{directory}: not a {kind} directory: it has no {MANIFEST}", hint=f"made by `{make}`")
    try:
        manifest = dict(files.read_json(path))
        found, version = manifest["format"], manifest["format_version"]
    except (ValueError, KeyError, TypeError):
        raise BundleError(f"{path}: corrupt, or not written by tabcli") from None
    if found != kind:
        raise BundleError(f"{directory}: a {found} directory, but a {kind} directory is needed", hint=f"see `{make}`")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{directory}: written in format {version}; this tabcli reads format {FORMAT_VERSION}",
            hint=f"make it again with `{make}`, or use the tabcli that wrote it",
        )
    try:
        fingerprint = str(manifest["fingerprint"])
        listed = {str(name): (int(facts["bytes"]), str(facts["sha256"])) for name, facts in manifest["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BundleError(f"{path}: corrupt: it does not list the directory's files") from None
    whole: Manifest = {"fingerprint": fingerprint, "files": listed}
    if kind == "run" and isinstance(manifest.get("members"), int):
        whole["members"] = manifest["members"]
    if isinstance(manifest.get("config"), str):
        whole["config"] = manifest["config"]
    return whole


def verify(directory: Path, kind: str, hashed: Callable[[str], bool] = lambda _: True) -> Manifest:
    """The manifest of a directory whose files are all there, with the right size and hash. Raises `BundleError`.

    `hashed`: of which files, by name, the hash is verified too, which reads them.
    """
    manifest = read_manifest(directory, kind)
    for name, (n_bytes, sha256) in manifest["files"].items():
        path = directory / name
        if ".." in Path(name).parts or Path(name).is_absolute() or path.is_symlink():
            raise BundleError(f"{directory}: the manifest names {name!r}, which is not a file inside the directory")
        if not path.is_file():
            raise BundleError(f"{path}: missing from the {kind} directory", hint="make it again")
        if path.stat().st_size != n_bytes or (hashed(name) and files.sha256(path) != sha256):
            raise BundleError(f"{path}: corrupt: its content is not what was written", hint="make it again")
    return manifest


def listed_file(directory: Path, manifest: Manifest, name: str) -> Path:
    """The path of a file of a verified directory. Raises `BundleError` for a file that the manifest does not list."""
    if name not in manifest["files"]:
        what = "not in the manifest: something else put it there" if (directory / name).exists() else "missing"
        raise BundleError(f"{directory / name}: {what}", hint="remove it, or make the directory again")
    return directory / name
