"""A file as another person wrote it, opened without a config: what was written comes back, or a question is asked."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.data import Table
from tabcli.errors import DataError, UsageError
from tabcli.onboarding.findings import InitHints
from tabcli.onboarding.folder import ENDINGS, open_folder
from tabcli.onboarding.spelling import opened
from tabcli.tables.reading import read_table
from tests.conftest import examples

NOTHING = InitHints()
DAYS = pd.date_range("2023-11-03", periods=60)
RNG = np.random.default_rng(0)
PRICE = np.round(RNG.uniform(1, 99999, 60), 2)
PRICE[:2] = 1234.56, 98765.4


def number(value: float, decimal: str, thousands: str) -> str:
    return f"{value:,.2f}".replace(",", "t").replace(".", decimal).replace("t", thousands)


def text_of(header: list[str], rows: list[list[str]], delimiter: str = ",") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()


def file_of(folder: Path, text: str, name: str = "sales.csv", encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding=encoding)
    return folder / name


STYLES = {  # delimiter, decimal, thousands, date, lines above, lines below
    "plain": (",", ".", "", "%Y-%m-%d", "", ""),
    "English": (",", ".", ",", "%m/%d/%Y", "", ""),
    "German": (";", ",", ".", "%d.%m.%Y", "", ""),
    "French": (";", ",", " ", "%d/%m/%Y", "", ""),
    "French, as printed": (";", ",", "\u202f", "%d/%m/%Y", "", ""),
    "Swedish": (";", ",", "\u00a0", "%Y-%m-%d", "", ""),
    "Canadian": ("\t", ".", " ", "%Y-%m-%d", "", ""),
    "Swiss": (";", ".", "'", "%d.%m.%y", "", ""),
    "Swiss, as printed": (";", ".", "\u2019", "%d.%m.%y", "", ""),
    "a report": (";", ",", "", "%Y%m%d", "Sales of the shops\nmade on 2024-01-09\n\n", "Total;;3000000,0\n"),
    "tabs": ("\t", ",", "", "%d %b %Y", "", ""),
}


@pytest.mark.parametrize("style", STYLES)
def test_what_was_written_in_any_style_comes_back_and_so_it_does_by_the_options_alone(
    style: str, tmp_path: Path
) -> None:
    delimiter, decimal, thousands, date, above, below = STYLES[style]
    rows = [[d.strftime(date), "AB"[i % 2], number(PRICE[i], decimal, thousands)] for i, d in enumerate(DAYS)]
    path = file_of(tmp_path, above + text_of(["day", "shop", "price"], rows, delimiter) + below)
    source = opened(path, NOTHING)
    assert source.dates == ["day"]
    assert source.table["day"].tolist() == DAYS.tolist()
    np.testing.assert_array_equal(source.table["price"], PRICE)
    assert source.table["shop"].astype("str").tolist() == ["A", "B"] * 30
    assert (source.name, source.file, source.looks) == ("sales", "sales.csv", {})
    again = read_table(path, Table.model_validate(source.spec), name="sales")
    np.testing.assert_array_equal(again["price"], PRICE)
    assert bool(source.notes) == (len(source.spec) > 1), "each option has its reason"


@examples(5)
@given(st.integers(0, 2**32 - 1), st.sampled_from([*STYLES]))
def test_gaps_and_the_order_of_rows_change_nothing_of_how_a_file_is_read(
    tmp_path_factory: pytest.TempPathFactory, seed: int, style: str
) -> None:
    folder = tmp_path_factory.mktemp("made")
    delimiter, decimal, thousands, date, above, below = STYLES[style]
    rng = np.random.default_rng(seed)
    order = rng.permutation(60)
    there = rng.random(60) > 0.2
    there[:2] = True
    rows = [[DAYS[i].strftime(date), "x", number(PRICE[i], decimal, thousands) if there[i] else ""] for i in order]
    path = file_of(folder, above + text_of(["day", "shop", "price"], rows, delimiter) + below)
    source = opened(path, NOTHING)
    assert source.table["day"].tolist() == DAYS[order].tolist()
    np.testing.assert_array_equal(source.table["price"], np.where(there, PRICE, np.nan)[order])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_the_last_row_is_one_though_its_last_field_is_empty(delimiter: str, end: str, tmp_path: Path) -> None:
    rows = [[str(d.date()), "x", "7"] for d in DAYS[:-1]] + [[str(DAYS[-1].date()), "x", ""]]
    path = file_of(tmp_path, text_of(["day", "shop", "price"], rows, delimiter).rstrip("\n") + end)
    source = opened(path, NOTHING)
    assert source.table["day"].tolist() == DAYS.tolist()
    assert "skip_footer" not in source.spec


def test_a_file_that_is_not_utf_8_is_taken_for_that_of_windows_and_it_is_said(tmp_path: Path) -> None:
    path = file_of(tmp_path, text_of(["day", "town"], [[str(d.date()), "Köln"] for d in DAYS]), encoding="cp1252")
    source = opened(path, NOTHING)
    assert source.spec["encoding"] == "cp1252"
    assert set(source.table["town"]) == {"Köln"}
    assert source.notes == ("not UTF-8: the encoding is a guess, look at its special characters",)


def asked(rows: list[list[str]], header: list[str], tmp_path: Path, **hints: Any) -> tuple[Any, list[tuple[str, ...]]]:
    """What was opened, with the last of the possible answers given to each question; and the questions."""
    questions: list[tuple[str, ...]] = []

    def answer(question: str, option: str, answers: Any) -> str:
        questions.append((question, option, *answers))
        return str(answers[-1])

    path = file_of(tmp_path, text_of(header, rows, ";"))
    return opened(path, InitHints(ask=answer, **hints)), questions


def test_numbers_that_may_mean_two_things_are_asked_once_and_the_answer_holds(tmp_path: Path) -> None:
    rows = [[str(d.date()), f"{1 + i % 9},{100 + i}"] for i, d in enumerate(DAYS)]
    source, questions = asked(rows, ["day", "sold"], tmp_path)
    assert questions == [
        ("sales.csv: column 'sold': 1,100 may be 1100 or 1.100", "--read", "thousands=,", "decimal=,"),
    ]
    assert source.table["sold"].iloc[0] == 1.1
    path = tmp_path / "sales.csv"
    with pytest.raises(UsageError, match="1,100 may be 1100 or") as error:
        opened(path, NOTHING)
    assert error.value.hint == "say which: --read thousands=,"
    assert opened(path, InitHints(reading={"thousands": ","})).table["sold"].iloc[0] == 1100
    points = file_of(tmp_path, path.read_text().replace(",", "."))
    said = opened(points, InitHints(reading={"thousands": "."}))
    assert said.table["sold"].iloc[0] == 1100
    assert said.spec["decimal"] == ",", "as points part thousands, they are no decimal signs"


def test_days_that_may_be_months_are_asked_once_and_a_hint_answers_beforehand(tmp_path: Path) -> None:
    rows = [[f"{1 + i % 12:02}/{1 + i % 12:02}/2024", f"{1 + i % 5:02}/0{1 + i % 9}/2024", "4"] for i in range(60)]
    source, questions = asked(rows, ["a", "b", "n"], tmp_path)
    assert [q[1:] for q in questions] == [("init with", "--day-first", "--month-first")]
    assert questions[0][0] == "sales.csv: column 'a', dates like 01/01/2024"
    assert source.spec["day_first"] is False
    assert source.table["b"].iloc[1] == pd.Timestamp("2024-02-02")
    known, questions = asked(rows[1:3], ["a", "b", "n"], tmp_path, day_first=True)
    assert questions == []
    assert known.table["b"].tolist() == [pd.Timestamp("2024-02-02"), pd.Timestamp("2024-03-03")]


def test_a_day_in_the_last_place_is_known_by_how_many_there_are(tmp_path: Path) -> None:
    """Years of two digits: 20/03/11 is of March 2020, for the last part has the most values."""
    days = pd.date_range("2011-01-05", periods=700)
    rows = [[d.strftime("%y/%m/%d"), "1"] for d in days]
    source, questions = asked(rows, ["day", "n"], tmp_path)
    assert questions == []
    assert source.spec["date_format"] == "%y/%m/%d"
    assert source.table["day"].tolist() == days.tolist()


def test_a_few_faults_among_numbers_are_shown_with_their_rows_and_many_are_texts(tmp_path: Path) -> None:
    def looks(n: int) -> dict[str, str]:
        texts = [["?" if i < n else str(i)] for i in range(200)]
        return opened(file_of(tmp_path, text_of(["n"], texts)), NOTHING).looks

    one = looks(1)["n"]
    assert one.startswith("199 numbers, but 1 text: '?' in ")
    assert one.endswith("correct it, or say what is missing: --read missing='?'")
    assert looks(4)["n"].startswith("196 numbers, but 4 texts: '?' in ")
    assert looks(5) == {}, "more than 2 %"


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (["year", "month", "n"], lambda d: [d.year, d.month], "date"),
        (["year", "month", "day", "n"], lambda d: [d.year, d.month, d.day], "date"),
        (["date", "year", "month", "day", "n"], lambda d: ["x", d.year, d.month, d.day], "date_"),
    ],
)
def test_a_date_in_several_columns_is_one_column_under_a_free_name(
    header: list[str], row: Any, expected: str, tmp_path: Path
) -> None:
    days = DAYS if "day" in header else pd.date_range("2020-01-01", periods=24, freq="MS")
    source = opened(file_of(tmp_path, text_of(header, [[str(v) for v in row(d)] + ["5"] for d in days])), NOTHING)
    assert source.dates == [expected]
    assert source.table[expected].tolist() == days.tolist()
    parts = [c for c in header if c in ("year", "month", "day")]
    assert not {*parts} & {*source.table.columns}
    assert source.spec["dates"] == {expected: {c: c for c in parts}}


@pytest.mark.parametrize(("name", "found"), [("week_ending", True), ("article", True), ("size", False)])
def test_numbers_that_are_days_are_dates_where_their_name_or_their_form_says_so(
    name: str, found: bool, tmp_path: Path
) -> None:
    """20231103 is a day in any column; 45233, days since 1900, only where the name is that of a moment."""
    written = [d.strftime("%Y%m%d") if name == "article" else str((d - pd.Timestamp("1899-12-30")).days) for d in DAYS]
    source = opened(file_of(tmp_path, text_of([name, "n"], [[w, "7"] for w in written])), NOTHING)
    assert (source.dates == [name]) == found
    if found:
        assert source.table[name].tolist() == DAYS.tolist()
        assert source.spec["date_format"] == ("%Y%m%d" if name == "article" else "excel")


# -------------------------------------------------------------------------------------------- the folder


def test_every_table_has_a_name_of_its_own_and_other_files_their_reason(tmp_path: Path) -> None:
    for name in ("a-b.csv", "a_b.CSV", "a b.tsv", "Läden.txt"):
        file_of(tmp_path, "day\tn\n2024-01-01\t1\n" if name.endswith("tsv") else "day,n\n2024-01-01,1\n", name)
    for name in (".hidden.csv", "notes.md", "bare"):
        file_of(tmp_path, "x,y\n1,2\n", name)
    (tmp_path / "old.csv").mkdir()
    sources, others = open_folder(tmp_path, NOTHING)
    assert {name: s.file for name, s in sources.items()} == {
        "a_b": "a b.tsv",
        "a_b_": "a-b.csv",
        "a_b__": "a_b.CSV",
        "Läden": "Läden.txt",
    }
    assert all(s.name == name and len(s.table) == 1 for name, s in sources.items())
    assert others == {"bare": "no table by its ending", "notes.md": "no table by its ending"}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00garbage\x00" * 40], ids=["empty", "garbage"])
def test_a_file_that_is_no_table_is_told_and_the_others_are_read(ending: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"broken{ending}").write_bytes(content)
    with pytest.raises(UsageError, match=f"no table can be read\n  broken{ending}: cannot be read: ") as alone:
        open_folder(tmp_path, NOTHING)
    assert str(tmp_path / "broken") not in alone.value.message, "the path is said once"
    file_of(tmp_path, "day,n\n2024-01-01,1\n", "good.csv")
    sources, others = open_folder(tmp_path, NOTHING)
    assert [*sources] == ["good"]
    assert others[f"broken{ending}"].startswith("cannot be read: ")
    with pytest.raises(DataError):
        opened(tmp_path / f"broken{ending}", NOTHING)


def test_a_folder_without_tables_or_that_is_none_is_told_with_the_endings(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such directory"):
        open_folder(tmp_path / "nowhere", NOTHING)
    file_of(tmp_path, "x", "read.me")
    with pytest.raises(UsageError, match=r"no tables\n  read\.me: no table by its ending") as error:
        open_folder(tmp_path, NOTHING)
    assert error.value.hint == f"tables end in {', '.join(ENDINGS)}"
