"""One call's URLs as paths of this machine: inputs are fetched, what is made is published at the end.

Inputs lie in a temporary folder, which is removed afterwards. Directories to write lie below `.tabcli` in the current
directory until they are uploaded: there `train` finds its checkpoints with `resume`, and what could not be uploaded is
uploaded by the next call.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, cast

from tabcli import files, storage
from tabcli.api.outgoing import WORK, Outgoing
from tabcli.bundle.manifest import MANIFEST, read_manifest
from tabcli.bundle.transfer import fetch_directory, own_names_at
from tabcli.config import loading
from tabcli.config.schema import Config
from tabcli.errors import UsageError
from tabcli.parallel import parallel_map
from tabcli.tables.staged import StagedTables

Role = Literal["directory", "opened", "cards", "tables", "table", "parts", "prep", "run", "maps", "file"]
"""What an argument is. Read: *directory*, a prep or run; *opened*, one whose files are read even if a verb returned it;
*cards*, a run that gets new cards; *tables*, the folder of `data`; *table*, a file, or several; *parts*, a file or a
folder of parts. Written: *prep*, *run* and *maps*, directories; *file*, a file or a folder.
"""

_MARKERS = {"prep": MANIFEST, "run": MANIFEST, "maps": "embeddings.json"}


class Staging:
    """The URLs of one call; `stack`: what closes at its end."""

    def __init__(self, stack: ExitStack) -> None:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tabcli-"))).resolve()
        self._stack = stack
        self._read, self._made, self._work = temporary / "read", temporary / "made", Path.cwd() / WORK
        self._inputs: set[str] = set()
        self._directories: set[str] = set()
        self._publish: list[Callable[[], None]] = []

    def _at(self, root: Path, url: str) -> Path:
        scheme, _, rest = url.partition("://")
        return root.joinpath(scheme, *(part for part in rest.split("/") if part not in ("", ".", "..")))

    def local(self, role: Role, url: str, arguments: Mapping[str, object]) -> object:
        """What the verb gets in the place of a URL."""
        inside = storage.local_path(url)
        if inside is not None:
            return inside
        match role:
            case "directory" | "opened" | "cards":
                return self._directory(url, cards=role == "cards")
            case "table" | "parts":
                return self._table(url, parts=role == "parts")
            case "tables":
                config = config_of(arguments)
                self._inputs |= {f"{url}/{spec.file}" for spec in config.tables.values()}
                return StagedTables(url, config, self._at(self._read, url))
            case "prep" | "run" | "maps":
                # Only train reads the run that it replaces.
                contents = role == "run" or not arguments.get("force")
                return self._to_write(url, _MARKERS[role], contents=contents, force=bool(arguments.get("force")))
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

    def _table(self, url: str, *, parts: bool) -> Path:
        """A file, or a folder of parts; or a directory whose manifest tells whether it is a prep or a run."""
        path = self._at(self._read, url)
        self._inputs.add(url)
        if storage.entry(url) is not None:
            storage.fetch(url, path)
        elif parts:
            parallel_map(lambda name: storage.fetch(f"{url}/{name}", path / name), storage.listing(url, deep=False))
        elif storage.entry(f"{url}/{MANIFEST}") is not None:
            fetch_directory(url, path)
        return path

    def _to_write(self, url: str, marker: str, *, contents: bool, force: bool) -> Path:
        outgoing = Outgoing(url, self._at(self._work, url), marker)
        self._stack.callback(outgoing.close)
        self._publish.append(outgoing.upload)
        return outgoing.begin(contents=contents, force=force)

    def publish(self) -> None:
        """Uploads what the verb made, and removes it here."""
        for step in self._publish:
            step()
        made = sorted(p for p in self._made.rglob("*") if p.is_file())
        parallel_map(lambda path: storage.put(path, self._url_at(self._made, path)), made)

    def refuse_input(self, role: Role, url: str | None) -> None:
        """Raises `UsageError` where what is to be written is read, or belongs to a directory that tabcli wrote."""
        if url is None or storage.local_path(url) is not None:
            return
        if url in self._inputs:
            raise UsageError(f"{url} is read here, and would be replaced", hint="give another file to write")
        storage.require_bucket(url)  # before any work
        folder, _, name = url.rpartition("/")
        if role == "file" and name in own_names_at(folder):
            raise UsageError(f"{url} is a part of {folder}, which tabcli wrote", hint="give another file to write")
        if role == "maps" and any(f"{url}/".startswith(f"{read}/") for read in self._directories):
            raise UsageError(f"{url} lies in the run, which must stay as it is", hint="give another directory")

    @staticmethod
    def _url_at(root: Path, path: Path) -> str:
        scheme, *rest = path.relative_to(root).parts
        return f"{scheme}://{'/'.join(rest)}"

    def named_text(self, text: str) -> str:
        """A text with URLs where it has their places on this machine; but checkpoints are here."""
        for root in (self._read, self._made, self._work):
            place = rf"{re.escape(str(root))}[\\/]([a-z][a-z0-9+.-]+)[\\/](?!\S*\.partial)"
            text = re.sub(place, r"\1://", text)
        return text

    def named(self, value: object) -> object:
        """A path, text or list of texts with URLs where it has their places; anything else as it is."""
        if isinstance(value, Path):
            for root in (self._read, self._made, self._work):
                if value.is_relative_to(root) and value != root:
                    return storage.URL(self._url_at(root, value))
            return value
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            return [self.named(v) for v in value]
        return self.named_text(value) if isinstance(value, str) else value


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
