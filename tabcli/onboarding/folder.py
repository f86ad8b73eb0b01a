"""A folder → its tables, each as it is written."""

import re
from dataclasses import replace
from pathlib import Path

from tabcli.errors import DataError, UsageError
from tabcli.onboarding.findings import FolderTable, InitHints
from tabcli.onboarding.spelling import opened
from tabcli.tables.parts import TEXT_ENDINGS
from tabcli.tables.reading import SHEET_ENDINGS

ENDINGS = (*TEXT_ENDINGS, *SHEET_ENDINGS, ".parquet", ".pq", ".feather", ".arrow", ".pkl", ".pickle")

UNREAD = "cannot be read"


def open_folder(directory: Path, hints: InitHints) -> tuple[dict[str, FolderTable], dict[str, str]]:
    """Every table of a folder by its name, and the files that are none, with the reason. Raises `UsageError`."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory")
    sources, others = {}, {}
    for path in sorted(p for p in directory.iterdir() if p.is_file() and not p.name.startswith(".")):
        if path.suffix.lower() not in ENDINGS:
            others[path.name] = "no table by its ending"
            continue
        try:
            source = opened(path, hints)
        except DataError as error:
            why = error.message.removeprefix(f"{path}: ")
            others[path.name] = f"{UNREAD}: {why}" + (f"; {error.hint}" if error.hint else "")
            continue
        name = re.sub(r"\W+", "_", path.stem)
        while name in sources:
            name += "_"
        sources[name] = replace(source, name=name)
    if not sources:
        lines = "".join(f"\n  {file}: {why}" for file, why in others.items())
        if any(why.startswith(UNREAD) for why in others.values()):
            raise UsageError(f"{directory}: no table can be read{lines}")
        raise UsageError(f"{directory}: no tables{lines}", hint=f"tables end in {', '.join(ENDINGS)}")
    return sources, others
