"""A table in one file, or in a folder of parts that are read in the order of their names, one below the other."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tabcli.errors import DataError

TEXT_ENDINGS = (".csv", ".tsv", ".txt")

PARQUET_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class Parts:
    """The parts of a table, in their order, and the number of the first row of each: the name of an index of rows."""

    names: tuple[str, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, paths: Sequence[Path], n_rows: Sequence[int]) -> "Parts":
        """Parts with so many rows."""
        return cls(tuple(p.name for p in paths), tuple(sum(n_rows[:i]) for i in range(len(n_rows))))

    def row(self, number: int) -> str:
        """A row by its number in the whole table, from 0: `17 of part-2.csv`, counted from 1 in its part."""
        part = bisect_right(self.starts, number) - 1
        return f"{number - self.starts[part] + 1} of {self.names[part]}"


def parts_of(path: Path) -> list[Path]:
    """The file, or the parts in a folder; hidden files and those that begin with _ are none.

    Raises `DataError` where a folder holds no parts, or parts of several formats.
    """
    if not path.is_dir():
        return [path]
    there = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith((".", "_")))
    parts = [p for p in there if p.suffix.lower() in (*TEXT_ENDINGS, *PARQUET_ENDINGS)]
    endings = sorted({p.suffix.lower() for p in parts})
    if not parts or len(parts) < len(there):
        odd = [p.name for p in there if p not in parts]
        found = f"; it holds {', '.join(odd[:3])}" if odd else ""
        raise DataError(
            f"{path}: expected a folder with the parts of one table, all .csv, .tsv, .txt or .parquet{found}",
            hint="move other files elsewhere, or name one file",
        )
    if len({is_text_file(p) for p in parts}) > 1:
        raise DataError(f"{path}: its parts are of several formats: {', '.join(endings)}", hint="use one format")
    return parts


def is_text_file(path: Path) -> bool:
    """Whether a file, or a folder of parts, holds delimited text."""
    if path.is_dir():
        return is_text_file(parts_of(path)[0])
    return path.suffix.lower() in TEXT_ENDINGS


def check_part(path: Path, names: Sequence[str], first: Path, wanted: Sequence[str]) -> None:
    """Raises `DataError` where a part has other columns than the first part of its table."""
    if list(names) == list(wanted):
        return
    lacking, more = [c for c in wanted if c not in names], [c for c in names if c not in wanted]
    what = [f"lacks {', '.join(lacking)}"] if lacking else []
    what += [f"has {', '.join(more)} besides"] if more else []
    raise DataError(
        f"{path}: its columns are not those of {first.name}: it {' and '.join(what) or 'has them in another order'}",
        hint=f"all parts of a table have the same columns in the same order: {', '.join(wanted)}",
    )
