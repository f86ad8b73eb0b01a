"""Delimited text files → columns of texts. The encoding and the delimiter are set, or beyond doubt, or refused."""

import csv
import io
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from tabcli.config.data import Table
from tabcli.errors import DataError

DELIMITERS = (",", ";", "\t", "|")

SNIFFED_CHARACTERS, SNIFFED_RECORDS = 1 << 16, 50

_MARKS = {b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""The bytes with which some files say how they are encoded; UTF-8's own, EF BB BF, Arrow knows."""


def read_delimited(path: Path, spec: Table) -> pd.DataFrame:
    """Every column as category of str, in the file's order; "" where a field is empty.

    Raises `DataError` for an unknown encoding, an uncertain delimiter, rows of different lengths, and an empty file.
    """
    encoding = spec.encoding or _marked_encoding(path)
    content = _decoded(path, encoding) if encoding else None
    delimiter = spec.delimiter or _find_delimiter(path, content)

    def source() -> Path | pa.BufferReader:
        return path if content is None else pa.BufferReader(content.encode())

    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        names = pyarrow.csv.open_csv(source(), parse_options=parse).schema.names
        texts = dict.fromkeys(names, pa.dictionary(pa.int32(), pa.string()))
        convert = pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=False)
        table = pyarrow.csv.read_csv(source(), parse_options=parse, convert_options=convert)
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except pa.ArrowInvalid as error:
        raise _refusal(path, str(error)) from None
    _refuse_one_column(path, names, delimiter)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _refusal(path: Path, text: str) -> DataError:
    """Arrow's complaint as ours."""
    if "UTF8" in text or "UTF-8" in text:
        return _not_utf8(path)
    if "Empty CSV" in text:
        return DataError(f"{path}: the file is empty")
    hint = "check the delimiter, quotes and encoding; see the table's reading options in the config"
    return DataError(f"{path}: {text.removeprefix('CSV parse error: ')}", hint=hint)


# -------------------------------------------------------------------------------------------- encoding


def _marked_encoding(path: Path) -> str | None:
    """The encoding that a byte-order mark names; None for what should be UTF-8."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\x00" in head:
        wide = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
        raise DataError(
            f"{path}: byte {head.index(0)} is zero, which no text in UTF-8 has",
            hint=f"if it is text, set `encoding: {wide}` for this table",
        )
    return None


def _decoded(path: Path, encoding: str) -> str:
    """The file as text. Raises `DataError` with the line that is not of that encoding."""
    content = path.read_bytes()
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, errors="replace").count("\n") + 1
        raise DataError(
            f"{path}: not {encoding}: byte {error.start} in line {line} is {content[error.start : error.start + 1]!r}",
            hint="set another `encoding` for this table, such as utf-8 or cp1252",
        ) from None


def _not_utf8(path: Path) -> DataError:
    """Where a file stops being UTF-8, and how the place would read in the encodings of Western Europe."""
    content = path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        start, end = content.rfind(b"\n", 0, error.start) + 1, content.find(b"\n", error.start)
        line = content[start : end if end >= 0 else None].strip()
        line_number = content.count(b"\n", 0, error.start) + 1
        place = f"byte {error.start} in line {line_number} is {content[error.start : error.start + 1]!r}"
        for encoding in ("cp1252", "latin-1"):
            try:
                shown = line[max(0, error.start - start - 20) :][:60].decode(encoding)
            except UnicodeDecodeError:
                continue
            return DataError(
                f"{path}: not UTF-8: {place}",
                hint=f"if {shown!r} is right, set `encoding: {encoding}` for this table; else name another encoding",
            )
    return DataError(f"{path}: not UTF-8", hint="set the table's `encoding`")


# ------------------------------------------------------------------------------------------- delimiter


def _head(path: Path, content: str | None) -> tuple[str, bool]:
    """The first part of the text, and whether that is all."""
    if content is not None:
        return content[:SNIFFED_CHARACTERS], len(content) <= SNIFFED_CHARACTERS
    with path.open("rb") as stream:
        head = stream.read(SNIFFED_CHARACTERS + 1)
    return head[:SNIFFED_CHARACTERS].decode("utf-8", errors="replace"), len(head) <= SNIFFED_CHARACTERS


def _width(head: str, whole: bool, delimiter: str) -> int:
    """How many fields each of the first records has; 0 if they differ."""
    if delimiter not in head:
        return 1
    try:
        records = list(islice(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), SNIFFED_RECORDS + 1))
    except csv.Error:
        return 0
    complete = records if (whole and len(records) <= SNIFFED_RECORDS) or len(records) == 1 else records[:-1]
    widths = {len(r) for r in complete if r}
    return widths.pop() if len(widths) == 1 else 0


def _find_delimiter(path: Path, content: str | None) -> str:
    """The one delimiter that gives all first records the same number of fields, two at least.

    By the ending where none does: Arrow then says which row is of another length. Raises `DataError` where two do.
    """
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    head, whole = _head(path, content)
    widths = {d: _width(head, whole, d) for d in DELIMITERS}
    fit = [d for d in DELIMITERS if widths[d] > 1]
    if usual in fit and widths[usual] == max(widths.values()):
        return usual
    if len(fit) > 1:
        shown = " and ".join(f"{d!r} ({widths[d]} columns)" for d in fit)
        raise DataError(f"{path}: the delimiter may be {shown}", hint="set the table's `delimiter`")
    return fit[0] if fit else usual


def _refuse_one_column(path: Path, names: list[str], delimiter: str) -> None:
    """Raises `DataError` where the only column's name holds what looks like another delimiter."""
    for other in [d for d in DELIMITERS if len(names) == 1 and d != delimiter and d in names[0]]:
        shown = "\\t" if other == "\t" else other
        raise DataError(
            f"{path}: read with the delimiter {delimiter!r} there is one column only, {names[0]!r}",
            hint=f'it looks like the delimiter is {shown!r}: set `delimiter: "{shown}"` for this table',
        )
