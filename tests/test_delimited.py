"""Text files → columns of texts: what Python's csv module wrote is read back word for word, or the file is refused."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.data import Table
from tabcli.errors import DataError
from tabcli.tables.delimited import DELIMITERS, junk_lines, read_delimited, refusal
from tests.conftest import examples

CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8) | st.sampled_from(
    ["NA", "007", "1.5", "x, y; z", 'say "no"', "two\nlines", "a\tb|c"]
)


def read(path: Path, **spec: object) -> pd.DataFrame:
    return read_delimited(path, Table.model_validate({"file": path.name, **spec}))


def written(path: Path, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8", end: str = "\n") -> Path:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    path.write_bytes(stream.getvalue().encode(encoding))
    return path


def cells(table: pd.DataFrame) -> list[list[str]]:
    return [list(map(str, table.columns)), *([str(v) for v in row] for row in table.itertuples(index=False))]


# ---------------------------------------------------------------------------------------- what comes back


@examples(40)
@given(
    rows=st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=6)),
    delimiter=st.sampled_from(DELIMITERS),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_wrote_is_read_word_for_word(
    rows: list[list[str]], delimiter: str, encoding: str, end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    header = [f"c{i}" for i in range(len(rows[0]))]
    made = read(written(path, [header, *rows], delimiter, encoding, end), delimiter=delimiter)
    assert cells(made) == [header, *rows]
    assert {str(dtype) for dtype in made.dtypes} == {"category"}


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("n_columns", [2, 5])
def test_the_delimiter_is_found_where_all_rows_agree(tmp_path: Path, delimiter: str, n_columns: int) -> None:
    """Other delimiters stand in some cells, but not in all rows alike."""
    others = [d for d in DELIMITERS if d != delimiter]
    rows = [[f"{i}{others[i % 3] * (i % 2)}" for _ in range(n_columns)] for i in range(9)]
    header = [f"c{i}" for i in range(n_columns)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(delimiter.join(row) for row in [header, *rows]) + "\n")
    assert cells(read(path)) == [header, *rows]


def test_a_file_longer_than_what_is_looked_at_is_read_to_its_end(tmp_path: Path) -> None:
    rows = [[str(i), f"x{i};y"] for i in range(20_000)]
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))
    assert path.stat().st_size > 2 * (1 << 16)
    assert cells(read(path))[1:] == rows


@pytest.mark.parametrize(("n_above", "n_below"), [(0, 1), (2, 0), (3, 2)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_lines_that_are_no_part_of_the_table_are_left_out(
    tmp_path: Path, n_above: int, n_below: int, encoding: str
) -> None:
    table = [["tag", "stück"], ["1", "zwölf"], ["2", "für"], ["3", "drei"]]
    lines = ["Umsätze"] * n_above + [",".join(row) for row in table] + ["Summe,15"] * n_below
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    options = {"encoding": "cp1252"} if encoding == "cp1252" else {}
    assert cells(read(path, skip_rows=n_above, skip_footer=n_below, **options)) == table


def test_junk_lines_counts_what_the_options_leave_out(tmp_path: Path) -> None:
    table = ["day,shop,units", *(f"2024-01-{d:02d},a,{d}" for d in range(1, 20))]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(table) + "\n")
    assert junk_lines(path, Table(file="t.csv")) == {}
    path.write_text("\n".join(["Sales of the year", "", *table, "Total,,190"]) + "\n")
    found = junk_lines(path, Table(file="t.csv"))
    assert found == {"skip_rows": 2, "skip_footer": 1}
    assert cells(read(path, **found)) == [line.split(",") for line in table]
    with pytest.raises(DataError) as error:
        read(path)
    assert "skip_rows: 2, skip_footer: 1" in str(error.value.hint)


# ------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"", "the file is empty", None),
        (b"a,b\n1,2\n3\n", "Expected 2 columns, got 1", "check the delimiter"),
        (b"a;b|c\n1;2|3\n", r"the delimiter may be ';' \(2 columns\) and '\|' \(2 columns\)", "`delimiter`"),
        ("a,b\nK\xf6ln,2\n".encode("latin-1"), r"not UTF-8: byte 5 in line 2 is b'\\xf6'", "'Köln,2' is right"),
        ("a,b\n1,2\n".encode("utf-16-le"), "byte 1 is zero", "encoding: utf-16-le"),
        ("a,b\n1,2\n".encode("utf-16-be"), "byte 0 is zero", "encoding: utf-16-be"),
    ],
)
def test_what_is_not_beyond_doubt_is_refused_with_the_option(
    tmp_path: Path, content: bytes, message: str, hint: str | None
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read(path)
    assert (hint or "") in str(error.value.hint)


def test_a_wrong_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,2\nK\xf6ln,3\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"not ascii: byte 9 in line 3 is b'\\xf6'") as error:
        read(path, encoding="ascii")
    assert "another `encoding`" in str(error.value.hint)
    assert cells(read(path, encoding="cp1252"))[2] == ["Köln", "3"]


def test_a_delimiter_that_was_meant_is_guessed_where_one_column_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n1;2\n")
    with pytest.raises(DataError, match="there is one column only, 'a;b'") as error:
        read(path, delimiter=",")
    assert 'set `delimiter: ";"`' in str(error.value.hint)


def test_more_lines_than_there_are_cannot_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no line is left of 2") as error:
        read(path, skip_rows=1, skip_footer=1)
    assert "skip_rows leaves out 1 above the header, skip_footer 1" in str(error.value.hint)


@pytest.mark.parametrize("named", ["", "Row #3: "])
def test_a_refused_row_is_named_once_whether_or_not_arrow_names_it(tmp_path: Path, named: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4,5\n")
    text = f"CSV parse error: {named}Expected 2 columns, got 3: 3,4,5"
    said = refusal(path, text, path, ["a", "b"], ",", as_it_is=True)
    assert said.message == f"{path}: row 2: Expected 2 columns, got 3: 3,4,5"
