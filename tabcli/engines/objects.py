"""Objects that pieces of work hand on: files within unfinished work, which another process of the same version reads.

Nothing that is kept is such a file, and nothing is read that another user could have written.
"""

import pickle
from pathlib import Path
from typing import Any

from tabcli import files


def save_object(path: Path, value: object) -> None:
    """Writes an object, whole or not at all."""
    with files.atomic_file(path) as temporary, temporary.open("wb") as stream:
        pickle.dump(value, stream, protocol=5)


def load_object(path: Path) -> Any:
    """Reads what `save_object` wrote."""
    with path.open("rb") as stream:
        return pickle.load(stream)  # noqa: S301 (written by this program within its own working directory)
