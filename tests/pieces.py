"""Pieces of work for the tests of the engines, in a module that other processes import quickly."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tabcli import files
from tabcli.engines.calls import Tell
from tabcli.engines.objects import save_object
from tabcli.errors import DataError


def copy_part(tell: Tell, part: int, source: Path, folder: Path, text: Path) -> dict[str, Any]:
    """Leaves the part's line of a file, and a directory with its parity."""
    tell({"share": 0.5})
    tell({"said": {"part": part}})
    line = (source / "lines.txt" if source.is_dir() else source).read_text().splitlines()[part]
    with files.whole_directory(folder) as temporary:
        (temporary / "deeper").mkdir()
        (temporary / "deeper" / "parity.txt").write_text(str(part % 2))
    files.write_text(text, line)
    return {"length": len(line), "pair": (part, 0.1)}


def fail(tell: Tell, kind: str) -> None:
    if kind == "data":
        raise DataError("row 7 is no date", hint="mend it")
    if kind == "disk":
        raise OSError(28, "No space left on device")
    raise TypeError("no such thing")


def die_once(tell: Tell, marker: str, out: Path) -> int:
    """The first try leaves half a file and dies."""
    if not Path(marker).exists():
        Path(marker).touch()
        (out.parent / f".{out.name}.tmp-9-abc").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    files.write_text(out, "whole")
    return os.getpid()


def process_of(tell: Tell, n: int) -> int:
    print("a library's words")
    return os.getpid()


def sleep_long(tell: Tell, started: Path) -> None:
    started.with_name(f"{started.name}.{os.getpid()}").touch()
    time.sleep(60)


def list_of(tell: Tell, folder: Path, left: Path) -> list[str]:
    found = sorted(p.name for p in folder.iterdir())
    save_object(left, {"n": len(found)})
    return found
