"""A directory on its way to a URL: made below `.tabcli` in the current directory, uploaded when it is whole."""

import hashlib
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from tabcli import storage
from tabcli.bundle.transfer import fetch_directory, publish_directory
from tabcli.errors import TabcliError, UsageError

WORK = ".tabcli"
"""The folder, in the current directory, of directories that are made for URLs."""


class Outgoing:
    """A directory that a verb makes at `path`, which stands for the URL: what is there already lies there, too.

    A file `.unsent` beside it says that it is whole, and which manifest it may replace. It is written before the
    upload begins, so that what could not be uploaded is known after any end of the process.
    """

    def __init__(self, url: str, path: Path, marker: str) -> None:
        self._url, self._path, self._marker = url, path, marker
        self._unsent, lock = (path.with_name(path.name + ending) for ending in (".unsent", ".lock"))
        self._replaces: bytes | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(lock, timeout=0)

    def begin(self, *, contents: bool, force: bool) -> Path:
        """Makes `path` what is at the URL; without `contents` all files but the marker are empty there.

        Raises `UsageError` where another command of this folder writes to the URL, or where what could not be uploaded
        would replace what another program wrote since, unless `force`.
        """
        try:
            self._lock.acquire()
        except Timeout:
            raise UsageError(f"another command is writing {self._url}", hint="give another --out") from None
        if not self._unsent.exists():
            shutil.rmtree(self._path, ignore_errors=True)  # fetched by a command that was killed
            self._replaces = fetch_directory(
                self._url, self._path, marker=self._marker, contents=contents, to_write=True
            )
            return self._path
        there = storage.read(f"{self._url}/{self._marker}")
        known = (self._unsent.read_text(encoding="ascii"), _hash(_bytes(self._path / self._marker)))
        if there is not None and _hash(there) not in known and not force:
            raise UsageError(
                f"{self._url} was written by another program meanwhile",
                hint=f"--force replaces it by what is kept in {self._shown}; or remove that folder and "
                f"{self._unsent.name} beside it",
            )
        self._replaces = there
        return self._path

    @property
    def _shown(self) -> Path:
        return self._path.relative_to(Path.cwd())

    def upload(self) -> None:
        """Uploads what the verb made, if it made something. Raises what says why it could not; it is kept then."""
        if _bytes(self._path / self._marker) != self._replaces:
            self._unsent.write_text(_hash(self._replaces), encoding="ascii")
            try:
                publish_directory(self._path, self._url, marker=self._marker, replaces=self._replaces)
            except TabcliError as error:
                kept = f"it is kept in {self._shown}, and the same command uploads it"
                raise type(error)(error.message, hint=f"{error.hint}; {kept}" if error.hint else kept) from None
        self._unsent.unlink(missing_ok=True)

    def close(self) -> None:
        """Removes what lies here, and the folders above that are empty then; but not what is still to be uploaded."""
        if self._lock.is_locked:
            if not self._unsent.exists():
                shutil.rmtree(self._path, ignore_errors=True)
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)
        for parent in self._path.parents:
            if not parent.is_relative_to(Path.cwd() / WORK) or (parent.is_dir() and any(parent.iterdir())):
                break
            if parent.is_dir():
                parent.rmdir()


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _hash(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()
