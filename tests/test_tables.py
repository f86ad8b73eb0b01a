"""Reading and conditions: every format alike, every refusal with its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tabcli.config import loading
from tabcli.config.data import Table
from tabcli.config.values import Not
from tabcli.errors import ConfigError, DataError
from tabcli.tables.contract import Contract
from tabcli.tables.kinds import kind_of
from tabcli.tables.reading import find_file, read_table
from tabcli.tables.rows import check_unique, matches, stack


def read(path: Path, text: str | None = None, dates: tuple[str, ...] = (), **spec: Any) -> pd.DataFrame:
    if text is not None:
        path.write_bytes(text.encode())
    return read_table(path, Table(file=path.name, **spec), name="t", dates=dates)


def kinds(table: pd.DataFrame) -> dict[str, str]:
    return {str(c): kind_of(table[c]) for c in table.columns}


AWKWARD = pd.DataFrame(
    {
        "n": [1, 2, 3],
        "gaps": [1.0, None, 3.0],
        "x": [0.5, -1e-9, 1e300],
        "flag": [True, False, True],
        "word": ["NA", 'ü, "q"', None],
        "day": pd.to_datetime(["2013-12-30", "2014-01-01", "1999-02-28"]),
    }
)


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "feather", "pkl"])
def test_every_format_reads_alike(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    match ending:
        case "csv" | "tsv":
            AWKWARD.to_csv(path, index=False, sep="," if ending == "csv" else "\t")
        case "parquet":
            AWKWARD.to_parquet(path)
        case "feather":
            AWKWARD.to_feather(path)
        case "pkl":
            AWKWARD.to_pickle(path)
    table = read(path, dates=("day",))
    assert kinds(table) == {"n": "int", "gaps": "float", "x": "float", "flag": "bool", "word": "text", "day": "date"}
    assert table["word"].isna().tolist() == [False, False, True]
    assert table["word"].astype("str").tolist()[:2] == ["NA", 'ü, "q"']
    for column in ("n", "gaps", "x", "flag", "day"):
        np.testing.assert_array_equal(table[column], AWKWARD[column])


def test_texts_and_numbers_of_csv(tmp_path: Path) -> None:
    text = '\ufeffa,b,c,d\n0,NA,"",01\na,2.5,x,02\n'
    table = read(tmp_path / "t.csv", text, dtypes={"d": "str"})
    assert kinds(table) == {"a": "text", "b": "float", "c": "text", "d": "text"}
    assert table["a"].tolist() == ["0", "a"]
    assert table["b"].isna().tolist() == [True, False]
    assert table["c"].isna().tolist() == [True, False]
    assert table["d"].tolist() == ["01", "02"]


def test_steps_in_order_where_extract_rename_replace(tmp_path: Path) -> None:
    text = "file,week,v\nL_A,2020-01-05 - 2020-01-11,1\nL,2020-01-05 - 2020-01-11,2\nL_B,2020-01-12 - 2020-01-18,3\n"
    table = read(
        tmp_path / "t.csv",
        text,
        dates=("end",),
        where={"file": {"not": "L"}},
        extract=[
            {"column": "file", "pattern": "L_(.+)", "into": "state"},
            {"column": "week", "pattern": ".+ - (.+)", "into": "end"},
        ],
        rename={"v": "trend"},
        replace={"state": {"B": "C,D"}},
    )
    assert table["state"].tolist() == ["A", "C,D"]
    assert table["trend"].tolist() == [1, 3]
    assert table["end"].dt.day.tolist() == [11, 18]


def test_rows_that_do_not_match_a_pattern_are_refused_or_dropped(tmp_path: Path) -> None:
    step = {"column": "a", "pattern": "x(.)", "into": "b"}
    with pytest.raises(DataError, match=r"column 'a': 1 rows do not match 'x\(\.\)': 'y2' in row 2"):
        read(tmp_path / "t.csv", "a,n\nx1,1\ny2,2\n", extract=[step])
    table = read(tmp_path / "t.csv", extract=[{**step, "no_match": "drop"}])
    assert table["n"].tolist() == [1]
    for wrong in ("x.", "(x)(.)", "(x"):
        with pytest.raises(ValidationError, match="expected a regular expression"):
            read(tmp_path / "t.csv", extract=[{**step, "pattern": wrong}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n", "the table has no rows"),
        ("a,a,b\n1,2,3\n", "the header has more than one column of the name a"),
        ("a,b\n1,2,3\n", "Expected 2 columns, got 3"),
        ("a;b\n1;2;3\n", "there is one column only, 'a;b'"),
        ("a;b,c;d\n1;2,3;4\n", "the delimiter may be ',' (2 columns) and ';' (3 columns)"),
    ],
)
def test_broken_files_are_refused_with_their_path(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(DataError) as caught:
        read(path, text)
    assert str(path) in caught.value.message
    assert message in caught.value.message


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_that_all_rows_agree_in_is_found(tmp_path: Path, delimiter: str) -> None:
    text = 'a,b\n1,"x, y; z"\n'.replace("a,b", f"a{delimiter}b").replace("1,", f"1{delimiter}")
    table = read(tmp_path / "t.csv", text)
    assert list(table.columns) == ["a", "b"]
    assert table["b"].tolist() == ["x, y; z"]


def test_a_delimiter_can_be_given(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is one column only, 'a;b'"):
        read(tmp_path / "t.csv", "a;b\n1;2\n", delimiter=",")
    assert list(read(tmp_path / "t.csv", "a;b\n1;2\n", delimiter=";").columns) == ["a", "b"]


def test_bytes_that_are_no_table(tmp_path: Path) -> None:
    for ending in ("parquet", "feather", "pkl"):
        path = tmp_path / f"t.{ending}"
        path.write_bytes(b"\x00junk" * 9)
        with pytest.raises(DataError, match=str(path)):
            read(path)
    (tmp_path / "t.ods").write_bytes(b"x")
    with pytest.raises(DataError, match=r"ending .\.ods") as caught:
        read(tmp_path / "t.ods")
    assert ".parquet" in str(caught.value.hint)


def test_unreadable_dates_name_value_row_and_column(tmp_path: Path) -> None:
    text = "n,day\n1,2020-01-01\n2,2020-02-30\n3,soon\n4,\n"
    with pytest.raises(DataError, match=r"column 'day': 2 of 4 rows .* '2020-02-30' in rows 2, 3"):
        read(tmp_path / "t.csv", text, dates=("day",))
    german = read(tmp_path / "g.csv", "day\n31.12.2020\n01.02.2021\n", dates=("day",), date_format="%d.%m.%Y")
    assert german["day"].dt.month.tolist() == [12, 2]
    with pytest.raises(DataError, match=r"date_format|no date"):
        read(tmp_path / "g.csv", dates=("day",))
    with pytest.raises(DataError, match="holds numbers"):
        read(tmp_path / "i.csv", "day\n20200101\n", dates=("day",))


def test_a_dtype_that_a_row_cannot_have_names_the_row(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": ["1", "x", "3"]})
    with pytest.raises(DataError, match="column 'n': 1 of 3 rows hold no number: 'x' in row 2"):
        read_table(frame, Table(file="", dtypes={"n": "int"}), name="t")


def test_a_missing_file_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").touch()
    (tmp_path / "sotre.csv").touch()
    with pytest.raises(DataError) as caught:
        find_file(tmp_path, "train.csv")
    assert "train.parquet is there" in str(caught.value.hint)
    with pytest.raises(DataError, match=r"did you mean 'sotre\.csv'"):
        find_file(tmp_path, "store.csv")
    with pytest.raises(DataError) as caught:
        find_file(tmp_path, "weather.csv")
    assert "did you mean" not in str(caught.value)
    with pytest.raises(DataError, match="no such directory"):
        find_file(tmp_path / "none", "store.csv")


# ------------------------------------------------------------------------------------------- conditions


def test_conditions() -> None:
    table = pd.DataFrame({"w": pd.Categorical(["0", "a", None, "b"]), "n": [0.0, 1.0, np.nan, 2.0], "f": [True] * 4})
    for condition, expected in (
        ({"w": ("a", "b")}, [0, 1, 0, 1]),
        ({"w": 0}, [1, 0, 0, 0]),
        ({"w": Not(not_="0")}, [0, 1, 0, 1]),
        ({"n": (0, 2)}, [1, 0, 0, 1]),
        ({"n": Not(not_=(0,))}, [0, 1, 0, 1]),
        ({"w": ("a", "b"), "n": 2}, [0, 0, 0, 1]),
        ({"f": True}, [1, 1, 1, 1]),
        ({}, [1, 1, 1, 1]),
    ):
        assert matches(table, condition, "x").tolist() == [bool(v) for v in expected], condition  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="compares float values with 'a'"):
        matches(table, {"n": "a"}, "x")
    with pytest.raises(DataError, match="missing column 'nn'; did you mean 'n'"):
        matches(table, {"nn": 1}, "x")


# ------------------------------------------------------------------------------- stacking and contract


def test_stack_keeps_kinds_and_fills_what_the_lower_table_lacks() -> None:
    upper = pd.DataFrame({"w": pd.Categorical(["b", "a"]), "n": [1, 2], "y": [5, 6]})
    lower = pd.DataFrame({"w": pd.Categorical(["c", "a"]), "n": [3, 4], "id": [1, 2]})
    both = stack(upper, lower)
    assert both["w"].tolist() == ["b", "a", "c", "a"]
    assert kinds(both) == {"w": "text", "n": "int", "y": "float"}
    np.testing.assert_array_equal(both["y"], [5, 6, np.nan, np.nan])


def test_a_contract_casts_or_names_the_rows_that_it_cannot() -> None:
    contract = Contract.of({"train": pd.DataFrame({"h": pd.Categorical(["0", "a"]), "n": [1.5, 2.0]})})
    future = pd.DataFrame({"h": [0.0, np.nan], "n": pd.Categorical(["3", "NA"]), "new": [1, 2]})
    made = contract.conform(future, "train", "f.csv")
    assert kinds(made) == {"h": "text", "n": "float", "new": "int"}
    assert made["h"].tolist()[0] == "0"
    np.testing.assert_array_equal(made["n"], [3, np.nan])
    with pytest.raises(DataError, match=r"f\.csv: column 'n': 1 of 1 rows hold no number: 'x' in row 1"):
        contract.conform(pd.DataFrame({"n": pd.Categorical(["x"])}), "train", "f.csv")


def test_check_unique_shows_dates_as_dates() -> None:
    table = pd.DataFrame({"s": [1, 1], "d": pd.to_datetime(["2020-01-01", "2020-01-01"])})
    with pytest.raises(DataError, match=r"s=1, d=2020-01-01$"):
        check_unique(table, ["s", "d"], "x")


def test_the_shipped_configs_load() -> None:
    folder = Path(__file__).parents[1] / "configs"
    for path in folder.glob("*.yaml"):
        assert loading.load(path).format_version == 1
    assert len(list(folder.glob("*.yaml"))) >= 3
