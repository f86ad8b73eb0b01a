"""Delimited text files → columns of texts. The encoding and the delimiter are set, or beyond doubt, or refused."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

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
    content = _content(path, spec)
    delimiter = spec.delimiter or find_delimiter(path, content)

    def source() -> Path | pa.BufferReader:
        return path if content is None else pa.BufferReader(content)

    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    names: list[str] = []
    try:
        names = pyarrow.csv.open_csv(source(), parse_options=parse).schema.names
        texts = dict.fromkeys(names, pa.dictionary(pa.int32(), pa.string()))
        convert = pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=False)
        table = pyarrow.csv.read_csv(source(), parse_options=parse, convert_options=convert)
    except UnicodeDecodeError:
        raise not_utf8(path) from None
    except pa.ArrowInvalid as error:
        raise refusal(path, str(error), source(), names, delimiter, as_it_is=content is None) from None
    refuse_one_column(path, names, delimiter)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _content(path: Path, spec: Table) -> bytes | None:
    """The file in UTF-8 without the lines that the spec leaves out; None where that is the file as it is."""
    encoding = spec.encoding or marked_encoding(path)
    content = _decoded(path, encoding).encode() if encoding else None
    if not spec.skip_rows and not spec.skip_footer:
        return content
    lines = (path.read_bytes() if content is None else content).removeprefix(b"\xef\xbb\xbf").rstrip().split(b"\n")
    kept = lines[spec.skip_rows : len(lines) - spec.skip_footer]
    if not kept:
        raise no_line_left(path, spec, len(lines))
    return b"\n".join(kept) + b"\n"


def no_line_left(path: Path, spec: Table, n_lines: int) -> DataError:
    """The error for a file all of whose lines the spec leaves out."""
    return DataError(
        f"{path}: no line is left of {n_lines}",
        hint=f"skip_rows leaves out {spec.skip_rows} above the header, skip_footer {spec.skip_footer} at the end",
    )


Source: TypeAlias = Path | pa.BufferReader
"""A text in UTF-8."""


def refusal(
    path: Path, text: str, source: Source, names: Sequence[str], delimiter: str, *, as_it_is: bool
) -> DataError:
    """Arrow's complaint as ours.

    `source`: what it read, which is the file `as_it_is`, or else made of it; `names`: its header.
    """
    if "UTF8" in text or "UTF-8" in text:
        return not_utf8(path)
    if "Empty CSV" in text:
        return DataError(f"{path}: the file is empty")
    hint = "check the delimiter, quotes and encoding; see the table's reading options in the config"
    if as_it_is and (junk := junk_lines(path, Table(file=path.name))):
        lines = ", ".join(f"{option}: {n}" for option, n in junk.items())
        hint = f"some lines do not seem to belong to the table: set `{lines}` for it"
    said = re.sub(r"^CSV parse error: (Row #\d+: )?", "", text)  # reading in one thread it names the row itself
    return DataError(f"{path}: {_row(source, names, delimiter)}{said}", hint=hint)


def _row(source: Source, names: Sequence[str], delimiter: str) -> str:
    """The row, counted from 1 without the header, of which Arrow complains; "" where it names none.

    Reading in several threads it does not know the row, so the text is read again.
    """
    options = pyarrow.csv.ReadOptions(use_threads=False, block_size=1 << 23)
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()))
    try:
        for _ in pyarrow.csv.open_csv(source, options, parse, convert):
            pass
    except pa.ArrowInvalid as error:
        if found := re.match(r"CSV parse error: Row #(\d+): ", str(error)):
            return f"row {int(found[1]) - 1}: "
    return ""


# -------------------------------------------------------------------------------------------- encoding


def marked_encoding(path: Path) -> str | None:
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


def not_utf8(path: Path) -> DataError:
    """Where a file stops being UTF-8, and how the place would read in the encodings of Western Europe."""
    at, line_number = _first_undecodable(path)
    if at < 0:
        return DataError(f"{path}: not UTF-8", hint="set the table's `encoding`")
    with path.open("rb") as stream:
        stream.seek(max(0, at - 4096))
        around = stream.read(8192)
    place = min(at, 4096)
    end = around.find(b"\n", place)
    before = around[max(around.rfind(b"\n", 0, place) + 1, place - 20) : place]
    shown_bytes = (before + around[place : end if end >= 0 else None]).strip()[:60]
    found = f"byte {at} in line {line_number} is {around[place : place + 1]!r}"
    for encoding in ("cp1252", "latin-1"):
        try:
            shown = shown_bytes.decode(encoding)
        except UnicodeDecodeError:
            continue
        return DataError(
            f"{path}: not UTF-8: {found}",
            hint=f"if {shown!r} is right, set `encoding: {encoding}` for this table; else name another encoding",
        )
    return DataError(f"{path}: not UTF-8", hint="set the table's `encoding`")


def _first_undecodable(path: Path) -> tuple[int, int]:
    """The first byte of a file that is not UTF-8, −1 for none, and its line, counted from 1; read by pieces."""
    decoder, n_read, n_lines = codecs.getincrementaldecoder("utf-8")(), 0, 0
    with path.open("rb") as stream:
        while True:
            content = stream.read(1 << 20)
            behind = len(decoder.getstate()[0])  # bytes of a character that the last piece began
            try:
                decoder.decode(content, final=not content)
            except UnicodeDecodeError as error:
                return n_read - behind + error.start, n_lines + error.object[: error.start].count(b"\n") + 1
            if not content:
                return -1, 0
            n_read, n_lines = n_read + len(content), n_lines + content.count(b"\n")


# ------------------------------------------------------------------------------------------- delimiter


def _head(path: Path, content: bytes | None) -> tuple[str, bool]:
    """The first part of the text, and whether that is all."""
    if content is not None:
        head = content[: SNIFFED_CHARACTERS + 1]
    else:
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


def find_delimiter(path: Path, content: bytes | None) -> str:
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


def refuse_one_column(path: Path, names: list[str], delimiter: str) -> None:
    """Raises `DataError` where the only column's name holds what looks like another delimiter."""
    for other in [d for d in DELIMITERS if len(names) == 1 and d != delimiter and d in names[0]]:
        shown = "\\t" if other == "\t" else other
        raise DataError(
            f"{path}: read with the delimiter {delimiter!r} there is one column only, {names[0]!r}",
            hint=f'it looks like the delimiter is {shown!r}: set `delimiter: "{shown}"` for this table',
        )


# ---------------------------------------------------------------------------- lines that are no rows

TOTAL = re.compile(r"(?i)^\W*(grand |sub)?(total|sum|summe|gesamt(summe)?|insgesamt|somme|suma|totale)\b")


def junk_lines(path: Path, spec: Table) -> dict[str, int]:
    """How many lines above the header and at the end do not belong to the table: `skip_rows` and `skip_footer`.

    Above it stand a title and remarks, with fewer filled fields than the header; at the end a total, a remark, or
    nothing.
    """
    content = _content(path, spec.model_copy(update={"skip_rows": 0, "skip_footer": 0}))
    lines = _outer_lines(path) if content is None else _lines(content.decode())
    sample = lines[:SNIFFED_RECORDS] + lines[-10:]
    if sum(line.count('"') for line in lines) % 2 or any(line.count('"') % 2 for line in sample):
        return {}  # a quoted field goes over several lines: none of them is a row of its own
    usual = [spec.delimiter] if spec.delimiter else list(DELIMITERS)
    widths = {d: Counter(len(_fields(line, d)) for line in sample) for d in usual}
    shared = {d: [(n, width) for width, n in counts.items() if width > 1] for d, counts in widths.items()}
    best = max(((max(found), d) for d, found in shared.items() if found), default=None)
    if best is None or best[0][0] < 0.5 * len(sample):
        return {}
    (_, width), delimiter = best
    return _odd_lines([_fields(line, delimiter) for line in lines[:SNIFFED_RECORDS]], width, "skip_rows") | _odd_lines(
        [_fields(line, delimiter) for line in lines[: -min(11, len(lines)) : -1]], width, "skip_footer"
    )


def _outer_lines(path: Path) -> list[str]:
    """The first and the last lines of a file, whole ones; all of a small one."""
    with path.open("rb") as stream:
        head = stream.read(SNIFFED_CHARACTERS)
        size = stream.seek(0, 2)
        start = max(len(head), size - SNIFFED_CHARACTERS)
        stream.seek(start)
        tail = stream.read()
    gap = start > len(head)
    texts = [part.decode(errors="replace") for part in ((head, tail) if gap else (head + tail,))]
    lines = [_lines(text.removeprefix("\ufeff")) for text in texts]
    return lines[0][:-1] + lines[1][1:] if gap else lines[0]


def _lines(text: str) -> list[str]:
    """The lines of a text without the blank ones at its end; a tab that ends a line stays, for a field follows."""
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _fields(line: str, delimiter: str) -> list[str]:
    return [f.strip() for f in next(csv.reader([line.rstrip("\r")], delimiter=delimiter), [])]


def _odd_lines(records: list[list[str]], width: int, option: str) -> dict[str, int]:
    """How many of the first records do not belong to the table, under the option that leaves them out; {} for 0."""
    n = 0
    for fields in records:
        filled = sum(bool(f) for f in fields)
        few = len(fields) != width or not filled or (option == "skip_rows" and filled <= max(1, width // 2))
        if not few and not (option == "skip_footer" and any(TOTAL.match(f) for f in fields)):
            break
        n += 1
    return {option: n} if 0 < n < len(records) - 1 else {}
