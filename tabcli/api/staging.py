"""One call's URLs as paths of this machine: inputs are fetched, what is made is published at the end.

Inputs lie in a temporary folder, which is removed afterwards. Directories to write lie below `.tabcli` in the current
directory until they are uploaded: there `train` finds its checkpoints with `resume`, and what could not be uploaded is
uploaded by the next call.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from tabcli import files, storage
from tabcli.api.staged_tables import StagedTables
from tabcli.bundle.manifest import MANIFEST, read_manifest
from tabcli.bundle.transfer import fetch_directory, own_names_at, publish_directory
from tabcli.config import loading
from tabcli.config.schema import Config
from tabcli.errors import TabcliError, UsageError

Role = Literal["directory", "opened", "cards", "tables", "table", "prep", "run", "maps", "file"]
"""What an argument is. Read: *directory*, a prep or run; *opened*, one whose files are read even if a verb returned it;
*cards*, a run that gets new cards; *tables*, the folder of `data`; *table*, a file, or several. Written: *prep*, *run*
and *maps*, directories; *file*, a file or a folder.
"""

WORK = ".tabcli"
"""The folder, in the current directory, of directories that are made for URLs."""

_MARKERS = {"prep": MANIFEST, "run": MANIFEST, "maps": "embeddings.json"}


class Staging:
    """The URLs of one call."""

    def __init__(self, temporary: Path) -> None:
        self._read, self._made, self._work = temporary / "read", temporary / "made", Path.cwd() / WORK
        self._inputs: set[str] = set()
        self._directories: set[str] = set()
        self._publish: list[Callable[[], None]] = []
        self._undo: list[Callable[[], None]] = []

    def _at(self, root: Path, url: str) -> Path:
        scheme, _, rest = url.partition("://")
        return root.joinpath(scheme, *(part for part in rest.split("/") if part not in ("", ".", "..")))

    def local(self, role: Role, url: str, arguments: Mapping[str, Any]) -> object:
        """What the verb gets in the place of a URL."""
        inside = storage.local_path(url)
        if inside is not None:
            return inside
        match role:
            case "directory" | "opened" | "cards":
                return self._directory(url, cards=role == "cards")
            case "table":
                return self._table(url)
            case "tables":
                config = config_of(arguments)
                self._inputs |= {f"{url}/{spec.file}" for spec in config.tables.values()}
                return StagedTables(url, config, self._at(self._read, url))
            case "prep" | "run" | "maps":
                # Only train reads the run that it replaces.
                contents = role == "run" or not arguments.get("force")
                return self._to_write(url, _MARKERS[role], contents=contents)
            case "file":
                return self._at(self._made, url)

    def _directory(self, url: str, *, cards: bool) -> Path:
        path = self._at(self._read, url)
        self._directories.add(url)
        if not path.exists():
            fetch_directory(url, path)
        if cards:
            before = {name: _bytes(path / name) for name in files.BESIDE}
            self._publish.append(lambda: _put_changed(path, url, before))
        return path

    def _table(self, url: str) -> Path:
        """A file; or a directory, of which only its manifest tells whether it is a prep or a run."""
        path = self._at(self._read, url)
        self._inputs.add(url)
        if storage.entry(url) is not None:
            storage.fetch(url, path)
        elif storage.entry(f"{url}/{MANIFEST}") is not None:
            fetch_directory(url, path)
        return path

    def _to_write(self, url: str, marker: str, *, contents: bool) -> Path:
        path = self._at(self._work, url)
        before = storage.read(f"{url}/{marker}")
        if not path.exists():  # else it is what could not be uploaded
            before = fetch_directory(url, path, marker=marker, contents=contents, to_write=True)
            self._undo.append(lambda: self._remove(path))
        self._publish.append(lambda: self._upload(path, url, marker, before))
        return path

    def _upload(self, path: Path, url: str, marker: str, before: bytes | None) -> None:
        if _bytes(path / marker) != before:
            try:
                publish_directory(path, url, marker=marker, replaces=before)
            except TabcliError as error:
                kept = f"it is kept in {path.relative_to(Path.cwd())}, and the same command uploads it"
                raise type(error)(error.message, hint=f"{error.hint}; {kept}" if error.hint else kept) from None
        self._remove(path)

    def _remove(self, path: Path) -> None:
        """Removes a directory below `.tabcli`, and the empty ones above it."""
        shutil.rmtree(path, ignore_errors=True)
        for parent in path.parents:
            if not parent.is_relative_to(self._work) or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()

    def undo(self) -> None:
        """Removes what was fetched to be replaced."""
        for step in self._undo:
            step()

    def publish(self) -> None:
        """Uploads what the verb made, and removes it here."""
        for step in self._publish:
            step()
        for path in sorted(p for p in self._made.rglob("*") if p.is_file()):
            storage.put(path, self._url_at(self._made, path))

    def refuse_input(self, role: Role, url: str) -> None:
        """Raises `UsageError` where what is to be written is read, or belongs to a directory that tabcli wrote."""
        if url in self._inputs:
            raise UsageError(f"{url} is read here, and would be replaced", hint="give another file to write")
        folder, _, name = url.rpartition("/")
        if role == "file" and name in own_names_at(folder):
            raise UsageError(f"{url} is a part of {folder}, which tabcli wrote", hint="give another file to write")
        if role == "maps" and any(f"{url}/".startswith(f"{read}/") for read in self._directories):
            raise UsageError(f"{url} lies in the run, which must stay as it is", hint="give another directory")

    @staticmethod
    def _url_at(root: Path, path: Path) -> str:
        scheme, *rest = path.relative_to(root).parts
        return f"{scheme}://{'/'.join(rest)}"

    def named(self, value: Any) -> Any:
        """A text or path with URLs where it has their places on this machine; but checkpoints are here."""
        if isinstance(value, Path):
            for root in (self._read, self._made, self._work):
                if value.is_relative_to(root) and value != root:
                    return storage.URL(self._url_at(root, value))
            return value
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            return [self.named(v) for v in value]
        if not isinstance(value, str):
            return value
        for root in (self._read, self._made, self._work):
            place = rf"{re.escape(str(root))}[\\/]([a-z][a-z0-9+.-]+)[\\/](?!\S*\.partial)"
            value = re.sub(place, r"\1://", value)
        return value


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put_changed(path: Path, url: str, before: Mapping[str, bytes | None]) -> None:
    for name, content in before.items():
        if (path / name).is_file() and (path / name).read_bytes() != content:
            storage.put(path / name, f"{url}/{name}")


def config_of(arguments: Mapping[str, Any]) -> Config:
    """The config of the verb, or of its run. Raises `ConfigError`, `BundleError`."""
    if arguments.get("config") is not None:
        return loading.load(arguments["config"], arguments.get("overrides") or ())
    run = arguments["run"]
    if isinstance(run, str | Path):
        read_manifest(Path(run), "run")
        path = Path(run) / "config.json"
        return loading.parse_resolved(files.read_json(path), source=str(path))
    return cast(Config, getattr(run, "run", run).fitted.config)
