"""A table as a stream of blocks, never whole in memory: text files of any encoding, Parquet, folders of them."""

import codecs
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tabcli.config.data import Table
from tabcli.errors import DataError
from tabcli.tables.delimited import (
    SNIFFED_CHARACTERS,
    find_delimiter,
    marked_encoding,
    no_line_left,
    not_utf8,
    refusal,
    refuse_one_column,
)
from tabcli.tables.kinds import dense_field
from tabcli.tables.parts import PARQUET_ENDINGS, Parts, check_part, is_text_file, parts_of

BLOCK = 8 << 20
"""So many bytes of a text file are read at a time."""

ROWS = 1 << 17
"""So many rows of a Parquet file are read at a time."""


@dataclass(frozen=True)
class Blocks:
    """The rows of a table in the file's order. `schema`: of every block. `is_text`: whether all columns are texts,
    dictionaries of a block's own; else the types are those of Parquet. `parts`: of a folder, with the rows that were
    read so far; else None.
    """

    schema: pa.Schema
    is_text: bool
    batches: Iterator[pa.RecordBatch]
    parts: Callable[[], Parts | None] = lambda: None


def open_blocks(path: Path, spec: Table, folder: Path, *, block: int = BLOCK) -> Blocks:
    """The blocks of a file or of a folder of parts. `folder`: for copies in UTF-8 of text files of other encodings.

    Raises `DataError`, at once or when the block is read, as `tables.reading` does for whole files.
    """
    parts = parts_of(path)
    opened: list[Blocks] = []
    for part in parts:
        opened.append(_open_text(part, spec, folder, block) if is_text_file(part) else _open_parquet(part, block))
        check_part(part, opened[-1].schema.names, parts[0], opened[0].schema.names)
    if not path.is_dir():
        return opened[0]
    try:
        schema = pa.unify_schemas([blocks.schema for blocks in opened], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{path}: its parts have columns of different types: {error}") from None
    schema, n_rows = schema.with_metadata(opened[0].schema.metadata), [0] * len(parts)

    def batches() -> Iterator[pa.RecordBatch]:
        for i, blocks in enumerate(opened):
            for batch in blocks.batches:
                n_rows[i] += len(batch)
                yield batch.cast(schema)

    return Blocks(schema, opened[0].is_text, batches(), lambda: Parts.of(parts, n_rows))


def about_rows(path: Path) -> int:
    """About how many rows a file or a folder of parts has: those of a Parquet file, the lines of a text file."""
    return sum(map(_rows_in, parts_of(path)))


def _rows_in(path: Path) -> int:
    if not is_text_file(path):
        return _open_file(path).metadata.num_rows if path.suffix.lower() in PARQUET_ENDINGS else 0
    with path.open("rb") as stream:
        return sum(content.count(b"\n") for content in iter(lambda: stream.read(1 << 22), b""))


# ------------------------------------------------------------------------------------------------ text


def _open_text(path: Path, spec: Table, folder: Path, block: int) -> Blocks:
    plain = _in_utf8(path, spec, folder)
    with plain.open("rb") as stream:
        delimiter = spec.delimiter or find_delimiter(path, stream.read(SNIFFED_CHARACTERS + 1))
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    as_it_is = plain is path
    try:
        names = pyarrow.csv.open_csv(plain, parse_options=parse).schema.names
    except (UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise _refused(path, error, plain, [], delimiter) from None
    refuse_one_column(path, names, delimiter)
    texts = pa.dictionary(pa.int32(), pa.string())
    convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, texts), strings_can_be_null=False)
    options = pyarrow.csv.ReadOptions(block_size=block)

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from pyarrow.csv.open_csv(plain, options, parse, convert)
        except (UnicodeDecodeError, pa.ArrowInvalid) as error:
            raise _refused(path, error, plain, names, delimiter) from None
        finally:
            if not as_it_is:
                plain.unlink(missing_ok=True)

    return Blocks(pa.schema([(name, texts) for name in names]), True, batches())


def _refused(path: Path, error: Exception, plain: Path, names: Sequence[str], delimiter: str) -> DataError:
    if isinstance(error, UnicodeDecodeError):
        return not_utf8(path)
    return refusal(path, str(error), plain, names, delimiter, as_it_is=plain is path)


def _in_utf8(path: Path, spec: Table, folder: Path) -> Path:
    """The file, or a copy of it in UTF-8 without the lines that the spec leaves out."""
    encoding = spec.encoding or marked_encoding(path)
    if encoding is None and not spec.skip_rows and not spec.skip_footer:
        return path
    copy = folder / f"{path.name}.utf8"
    if encoding is not None:
        _transcode(path, encoding, copy)
    if spec.skip_rows or spec.skip_footer:
        _cut(path, copy if encoding else path, spec, copy)
    return copy


def _transcode(path: Path, encoding: str, copy: Path) -> None:
    """Raises `DataError` with the line that is not of that encoding, as `delimited` does."""
    decoder = codecs.getincrementaldecoder(encoding)()
    n_read, n_lines = 0, 0
    with path.open("rb") as source, copy.open("wb") as made:
        while True:
            content = source.read(1 << 20)
            behind = len(decoder.getstate()[0])  # bytes of a character that the last piece began
            try:
                text = decoder.decode(content, final=not content)
            except UnicodeDecodeError as error:
                at = n_read - behind + error.start
                line = n_lines + error.object[: error.start].decode(encoding, errors="replace").count("\n") + 1
                raise DataError(
                    f"{path}: not {encoding}: byte {at} in line {line} is "
                    f"{error.object[error.start : error.start + 1]!r}",
                    hint="set another `encoding` for this table, such as utf-8 or cp1252",
                ) from None
            made.write((text if n_read else text.removeprefix("\ufeff")).encode())
            n_lines += text.count("\n")
            n_read += len(content)
            if not content:
                return


def _cut(path: Path, plain: Path, spec: Table, copy: Path) -> None:
    """Copies the lines of a file in UTF-8 between those that the spec leaves out. Raises `DataError` for none."""
    with plain.open("rb") as source:
        mark = source.read(3)
        source.seek(3 if mark == b"\xef\xbb\xbf" else 0)
        for _ in range(spec.skip_rows):
            source.readline()
        start = source.tell()
        end = _footer(source, spec.skip_footer)
        if end <= start:
            source.seek(0)
            raise no_line_left(path, spec, _n_lines(source))
        source.seek(start)
        cut = copy.with_name(f"{copy.name}.cut")
        with cut.open("wb") as made:
            left = end - start
            while left > 0 and (content := source.read(min(left, 1 << 20))):
                made.write(content)
                left -= len(content)
            made.write(b"\n")
    shutil.move(cut, copy)


def _n_lines(source: BinaryIO) -> int:
    """How many lines a file has without blanks at its end."""
    n, pending = 1, 0
    while content := source.read(1 << 20):
        kept = content.rstrip()
        n += (pending + kept.count(b"\n")) if kept else 0
        pending = content[len(kept) :].count(b"\n") + (0 if kept else pending)
    return n


def _footer(source: BinaryIO, n_lines: int) -> int:
    """Where the last lines of a file begin, less the line break before them; blanks at its end are no lines."""
    size, tail = source.seek(0, 2), 1 << 16
    while True:
        start = max(0, size - tail)
        source.seek(start)
        content = source.read(size - start).rstrip()
        if content.count(b"\n") > n_lines or start == 0:
            break
        tail *= 4
    for _ in range(n_lines):
        content = content[: max(0, content.rfind(b"\n"))]
    return start + len(content)


# --------------------------------------------------------------------------------------------- Parquet


def _open_parquet(path: Path, block: int) -> Blocks:
    if path.suffix.lower() not in PARQUET_ENDINGS:
        raise DataError(
            f"{path}: a table of this format is read whole, and cannot be cut into shards",
            hint="save it as .csv or .parquet, or set --shards 1",
        )
    file = _open_file(path)
    fields = [dense_field(field) for field in file.schema_arrow]
    schema = pa.schema(fields, metadata=file.schema_arrow.metadata)
    rows = min(ROWS, max(1, block // (8 * max(1, len(fields)))))

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in file.iter_batches(rows):
                yield batch.cast(schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise _unreadable(path, error) from None

    return Blocks(schema, False, batches())


def _open_file(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    why = str(error).removeprefix(f"Could not open Parquet input source '{path}': ")  # the path is said already
    return DataError(f"{path}: not a readable {path.suffix[1:]} file: {why}")
