"""The tables of a folder at a URL: a file is fetched when it is first read."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock

from tabcli import files, storage
from tabcli.config.schema import Config
from tabcli.errors import DataError
from tabcli.tables.parts import PARQUET_ENDINGS
from tabcli.tables.reading import TableSource

_FEW = 20
"""So many names are enough to see that it is another folder."""


class StagedTables(Mapping[str, TableSource]):
    """The tables of a folder at a URL by their names in the config; a file is fetched when it is first asked for."""

    def __init__(self, url: str, config: Config, folder: Path) -> None:
        self._url, self._folder, self._locks = url, folder, {name: Lock() for name in config.tables}
        there = storage.listing(url, deep=False)  # first, since it says what is wrong with the whole of it
        self._entries: dict[str, dict[str, storage.Entry]] = {}
        for name, spec in config.tables.items():
            if found := _files_at(f"{url}/{spec.file}"):
                self._entries[name] = found
        self._files = {name: config.tables[name].file for name in self._entries}
        if not self._entries:
            named = ", ".join(list(there)[:_FEW]) or "no files"
            raise DataError(f"{url}: none of the config's tables is there", hint=f"there are: {named}")

    def __getitem__(self, name: str) -> Path:
        entries = self._entries[name]
        path = self._folder / self._files[name]
        with self._locks[name]:
            for part in entries:
                if not (path / part).exists():
                    storage.fetch(self._url_of(name, part), path / part)
        return path

    def folder_with(self, names: Iterable[str]) -> Path:
        """A folder of this machine with the tables of these names, as far as they are there."""
        for name in names:
            if name in self:
                self[name]
        return self._folder

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # that of `Mapping` would fetch it

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def most_rows(self, name: str) -> int:
        """No table of this name has more rows: what Parquet says, and of text a row for each two bytes."""
        return sum(self._most_rows(name, part, entry.size) for part, entry in self._entries.get(name, {}).items())

    def _most_rows(self, name: str, part: str, size: int) -> int:
        ending = Path(part or self._files[name]).suffix.lower()
        return storage.parquet_rows(self._url_of(name, part)) if ending in PARQUET_ENDINGS else size // 2

    def _url_of(self, name: str, part: str) -> str:
        return f"{self._url}/{self._files[name]}{'/' * bool(part)}{part}"

    def identity(self, name: str) -> str:
        """A hash of sizes and etags, or times of change: it tells a table from another without a download."""
        return files.digest({part: [entry.size, entry.identity] for part, entry in self._entries[name].items()})


def _files_at(url: str) -> dict[str, storage.Entry]:
    """The file at a URL, by the name ""; or those in it, if it is a folder of parts."""
    single = storage.entry(url)
    return {"": single} if single is not None else storage.listing(url, deep=False)
