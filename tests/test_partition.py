"""A table of any size in shards of whole series: rows, types and errors are those of the table in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.data import Table
from tabcli.config.loading import load
from tabcli.errors import DataError, TabcliError
from tabcli.tables.contract import check_row_keys
from tabcli.tables.partition import Partition, key_texts, partition, shards_for, shards_of
from tabcli.tables.reading import read_table
from tabcli.tables.shard_keys import check_shard_ids, check_shard_keys
from tabcli.tables.streamed import stream_table
from tests.conftest import CONFIG, examples

N = 300


def spec_of(path: Path, **options: object) -> Table:
    return Table.model_validate({"file": path.name, **options})


def cut(
    path: Path,
    spec: Table,
    key: list[str],
    n_shards: int,
    *,
    dates: tuple[str, ...] = (),
    block: int = 1 << 12,
    most: int = 1 << 20,
) -> Partition:
    """The shards of a file, read in blocks of so many bytes, with so many different values in memory."""
    n = len([*path.parent.glob(".work-*")])
    folder = path.parent / f".work-{n}"
    folder.mkdir()
    return partition(
        stream_table(path, spec, folder, dates=dates, block=block, most_values=most), key, n_shards, folder
    )


def assert_equal(made: pd.DataFrame, wanted: pd.DataFrame, *, categories: bool = True) -> None:
    """The same columns of the same types, values and `categories`, whose order is free."""
    assert list(made.columns) == list(wanted.columns)
    for name in wanted.columns:
        mine, other = made[name], wanted[name]
        if isinstance(other.dtype, pd.CategoricalDtype):
            assert isinstance(mine.dtype, pd.CategoricalDtype), name
            assert not categories or {*mine.cat.categories} == {*other.cat.categories}, name
            mine, other = mine.astype("str"), other.astype("str")
        pd.testing.assert_series_equal(mine.reset_index(drop=True), other.reset_index(drop=True), obj=name)


def assert_shards_of(whole: pd.DataFrame, made: Partition, key: list[str], *, categories: bool = True) -> None:
    """Each shard holds the rows of its series in the order of the table, all of them together each row once."""
    shards = shards_of(whole[key], made.n_shards)
    numbers = []
    for k in range(made.n_shards):
        rows, at = made.shard(k)
        assert_equal(rows, whole[shards == k].reset_index(drop=True), categories=categories)
        assert len(rows) == made.n_rows[k]
        assert (np.diff(at) > 0).all()
        numbers.append(at)
    assert len(np.unique(np.concatenate(numbers))) == len(whole)


def rows_of(seed: int = 0, n: int = N) -> pd.DataFrame:
    """A table with columns of all kinds, some of their texts only at its end."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "shop": random.integers(0, 9, n).astype("str"),
            "article": random.choice(["A1", "B2", "C3", "ä ö", "x,y"], n),
            "day": pd.date_range("2021-03-01", periods=n).strftime("%Y-%m-%d"),
            "units": random.integers(0, 40, n).astype("str"),
            "price": (random.integers(100, 999, n) / 100).astype("str"),
            "late": "7",
            "open": random.choice(["true", "false"], n),
            "country": random.choice(["DE", "NA", "FR"], n),
            "empty": "",
            "zeros": "007",
        }
    )
    table.loc[random.choice(n, n // 10), "units"] = ""
    table.loc[n - 2, "late"] = "7.5"
    return table


@pytest.mark.parametrize("n_shards", [1, 2, 7])
@pytest.mark.parametrize("block", [1 << 10, 1 << 12, 1 << 23])
@pytest.mark.parametrize("key", [["shop"], ["article", "shop"]])
def test_shards_hold_what_the_table_in_memory_holds(tmp_path: Path, n_shards: int, block: int, key: list[str]) -> None:
    path = tmp_path / "t.csv"
    rows_of().to_csv(path, index=False)
    spec = spec_of(path)
    whole = read_table(path, spec, name="t", dates=["day"])
    made = cut(path, spec, key, n_shards, dates=("day",), block=block)
    assert_shards_of(whole, made, key)
    assert whole["late"].dtype == "float64"  # what only its last rows tell
    assert whole["shop"].dtype == "int64"
    if n_shards > 1:
        assert sum(n > 0 for n in made.n_rows) > 1


OPTIONS: dict[str, dict[str, Any]] = {
    "types": {"dtypes": {"shop": "str", "units": "float", "zeros": "int"}},
    "condition": {"where": {"open": [1], "shop": {"not": 3}}},
    "no row of some texts": {"where": {"late": 7}, "replace": {"late": {"7": "seven"}, "price": {"5.0": "five"}}},
    "parts of texts": {"extract": [{"column": "article", "pattern": "([A-Z]).*", "into": "group", "no_match": "drop"}]},
    "parts twice": {
        "extract": [
            {"column": "article", "pattern": "([A-Z].*)", "into": "group", "no_match": "drop"},
            {"column": "group", "pattern": "[A-Z](\\d)", "into": "digit"},
        ]
    },
    "names": {"rename": {"shop": "store", "article": "shop"}},
    "other texts": {"replace": {"article": {"A1": "B2"}, "shop": {"1": "2"}}},
    "missing": {"missing": ["DE", "7"]},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_steps_of_the_config_do_the_same_on_shards(tmp_path: Path, options: dict[str, Any], ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    table = rows_of()
    if ending == "csv":
        table.to_csv(path, index=False)
    else:
        for name in ("shop", "units", "price", "late"):
            table[name] = pd.to_numeric(table[name])
        table["open"] = table["open"] == "true"
        table["late"] = table["late"].astype("float32")
        table["article"] = table["article"].astype("category")
        table.to_parquet(path, row_group_size=70)
    spec = spec_of(path, **options)
    whole = read_table(path, spec, name="t", dates=["day"])
    assert_shards_of(whole, cut(path, spec, ["shop"], 3, dates=("day",)), ["shop"])


def test_dates_in_several_columns_are_put_together(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table = rows_of().drop(columns="day")
    random = np.random.default_rng(1)
    table["y"], table["m"], table["h"] = 2020 + random.integers(0, 2, N), random.integers(1, 13, N), 6
    table.to_csv(path, index=False)
    spec = spec_of(path, dates={"day": {"year": "y", "month": "m", "hour": "h"}}, where={"shop": {"not": 2}})
    whole = read_table(path, spec, name="t", dates=["day"])
    assert whole["day"].dtype == "datetime64[us]"
    assert_shards_of(whole, cut(path, spec, ["shop"], 3, dates=("day",)), ["shop"])


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
@pytest.mark.parametrize("lines", [{}, {"skip_rows": 2, "skip_footer": 1}])
def test_text_files_of_all_kinds_are_streamed(tmp_path: Path, encoding: str, lines: dict[str, int]) -> None:
    path = tmp_path / "t.tsv"
    text = rows_of().to_csv(index=False, sep="\t")
    text = f"a title\n\n{text}total\t1\n\n" if lines else text
    path.write_bytes(text.encode(encoding))
    spec = spec_of(path, **lines, **({"encoding": "cp1252"} if encoding == "cp1252" else {}))
    whole = read_table(path, spec, name="t", dates=["day"])
    assert len(whole) == N
    made = cut(path, spec, ["shop"], 2, dates=("day",))
    assert_shards_of(whole, made, ["shop"])
    assert not [*made.folder.glob("*.utf8*")]  # no copy is left


CELL = st.sampled_from(
    ["", "1", "-2", "3.5", "007", "1e3", "NA", "true", "False", "2020-01-02", "1.234", "text", "12E4"]
)


@examples(15)
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=30),
    n_shards=st.sampled_from([1, 2, 5]),
    block=st.sampled_from([64, 1 << 20]),
)
def test_a_column_is_what_all_its_rows_say(
    rows: list[tuple[str, ...]], n_shards: int, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("law") / "t.csv"
    pd.DataFrame(rows, columns=["a", "b", "c"]).assign(s=[f"s{i % 4}" for i in range(len(rows))]).to_csv(
        path, index=False
    )
    spec = spec_of(path)
    whole = read_table(path, spec, name="t")
    assert_shards_of(whole, cut(path, spec, ["s"], n_shards, block=block), ["s"])


# --------------------------------------------------------------------------------- very many values


def wide_rows(n: int = N) -> pd.DataFrame:
    """Columns in which nearly every value is another one."""
    random = np.random.default_rng(2)
    moments = pd.Timestamp("2021-01-01") + pd.to_timedelta(random.permutation(n), unit="min")
    return pd.DataFrame(
        {
            "shop": random.integers(0, 5, n).astype("str"),
            "number": (10_000 + random.permutation(n)).astype("str"),
            "price": [f"{p:.4f}" for p in random.uniform(0, 99, n)],
            "late": [*(str(p) for p in random.permutation(n - 1)), "7.5"],
            "text": [f"t-{i}" for i in random.permutation(n)],
            "day": [str(m) for m in moments],
            "gaps": ["" if i % 50 == 49 else str(i) for i in range(n)],
        }
    )


WIDE: dict[str, dict[str, Any]] = {
    "as they are": {},
    "typed": {"dtypes": {"number": "str", "gaps": "float", "price": "amount"}},
    "replaced": {"replace": {"text": {"t-7": "seven"}, "late": {"7.5": "half"}, "number": {"10007": "seven"}}},
    "some rows": {"where": {"shop": [1, 2, 3]}, "rename": {"price": "cost"}},
}


@pytest.mark.parametrize("options", WIDE.values(), ids=WIDE)
@pytest.mark.parametrize("most", [8, 400])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_of_very_many_values_are_typed_as_in_memory(
    tmp_path: Path, options: dict[str, Any], most: int, ending: str
) -> None:
    path, table = tmp_path / f"t.{ending}", wide_rows()
    if ending == "csv":
        table.to_csv(path, index=False)
    else:
        numbers = {c: pd.to_numeric(table[c]) for c in ("number", "price", "late", "gaps")}
        table = table.assign(**numbers, day=pd.to_datetime(table["day"]))
        options = options | {"dtypes": {c: k for c, k in options.get("dtypes", {}).items() if k != "amount"}}
        table.to_parquet(path, row_group_size=60)
    spec = spec_of(path, **options)
    whole = read_table(path, spec, name="t", dates=["day"])
    made = cut(path, spec, ["shop"], 3, dates=("day",), most=most, block=1 << 11)
    assert {"text", "number"} <= {*made.wide}
    assert_shards_of(whole, made, ["shop"], categories=False)


@examples(15)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["s", "t"]), CELL), min_size=12, max_size=40),
    tail=st.lists(CELL, min_size=1, max_size=3),
)
def test_a_column_of_very_many_values_is_what_all_its_rows_say(
    rows: list[tuple[str, str]], tail: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("law") / "t.csv"
    cells = [("s", f"{i}{cell}") for i, (_, cell) in enumerate(rows)] + [("t", cell) for cell in tail]
    pd.DataFrame(cells, columns=["s", "a"]).to_csv(path, index=False)
    spec = spec_of(path)
    whole = read_table(path, spec, name="t")
    made = cut(path, spec, ["s"], 2, block=64, most=6)
    assert made.wide == ["a"]
    assert_shards_of(whole, made, ["s"], categories=False)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"where": {"number": 10007}}, "shop"),
        ({"extract": [{"column": "text", "pattern": "t-(.*)", "into": "n"}]}, "shop"),
        ({}, "text"),
    ],
)
def test_what_needs_all_of_very_many_values_is_refused(tmp_path: Path, options: dict[str, Any], key: str) -> None:
    path = tmp_path / "t.csv"
    wide_rows().to_csv(path, index=False)
    with pytest.raises(DataError, match="too many different values") as refused:
        cut(path, spec_of(path, **options), [key], 2, most=8, block=1 << 10)
    assert "--shards 1" in str(refused.value.hint)


# ------------------------------------------------------------------------------------------------ errors


def with_cells(column: str, values: dict[int, str]) -> pd.DataFrame:
    table = rows_of()
    for row, value in values.items():
        table.loc[row, column] = value
    return table


REFUSED: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "no number": (with_cells("units", {211: "many", 250: "many", 290: "few"}), {"dtypes": {"units": "int"}}),
    "no amount": (with_cells("price", {7: "a lot"}), {"dtypes": {"price": "amount"}}),
    "no date": (with_cells("day", {299: "Total"}), {}),
    "no date of some rows": (
        with_cells("day", dict.fromkeys(range(250, 260), "soon")),
        {"where": {"open": 1, "late": 7}},
    ),
    "numbers for dates": (rows_of().assign(day="20150731"), {}),
    "a zone": (with_cells("day", {5: "2021-03-06T00:00:00Z"}), {}),
    "no match": (rows_of(), {"extract": [{"column": "article", "pattern": "([A-Z]).*", "into": "g"}]}),
    "no row left": (rows_of(), {"where": {"late": 8}}),
    "no such column": (rows_of(), {"where": {"lates": 8}}),
    "no such column to type": (rows_of(), {"dtypes": {"lates": "str"}}),
    "no such column to replace": (rows_of(), {"replace": {"lates": {"1": "2"}}}),
    "a condition of another kind": (rows_of(), {"where": {"shop": "one"}}),
    "no date of several": (
        rows_of().assign(y="2020", m=["13" if i == 77 else "2" for i in range(N)]),
        {"dates": {"made": {"year": "y", "month": "m"}}},
    ),
    "no rows": (rows_of().iloc[:0], {}),
}


def both(path: Path, spec: Table, check: Callable[[], object]) -> tuple[TabcliError, TabcliError]:
    with pytest.raises(TabcliError) as whole:
        read_table(path, spec, name="t", dates=["day"])
    with pytest.raises(TabcliError) as streamed:
        check()
    return whole.value, streamed.value


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("most", [24, 1 << 20])
def test_what_is_refused_in_memory_is_refused_in_the_same_words(tmp_path: Path, case: str, most: int) -> None:
    table, options = REFUSED[case]
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    spec = spec_of(path, **options)
    whole, streamed = both(path, spec, lambda: cut(path, spec, ["shop"], 3, dates=("day",), most=most))
    assert (type(streamed), streamed.message, streamed.hint) == (type(whole), whole.message, whole.hint)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"shop,day\n1,2021-01-01\n2\n", {}),
        (b"shop,day\n" + b"1,2021-01-01\n" * 900 + b"2,3,4\n", {}),
        ("shop,day\nMünchen,2021-01-01\n".encode("cp1252"), {}),
        (b"shop,day\n" + b"1,2021-01-01\n" * 900 + "München,2021-01-01\n".encode("cp1252"), {}),
        (b"shop,day\nM\xfcnchen,2021-01-01\n", {"encoding": "ascii"}),
        ("shop,day\n1,2021-01-01\n".encode("utf-16") + b"\x00", {}),
        ("shop,day\n1,2021-01-01\n".encode("utf-16-le"), {}),
        (b"", {}),
        (b"shop,shop\n1,2\n", {}),
        (b"shop;day\n1;2021-01-01\n", {"delimiter": ","}),
        (b"shop,day\n1,2021-01-01\n", {"skip_rows": 1, "skip_footer": 1}),
        (b"a title\nshop,day\n1,2021-01-01\n2,2021-01-01\n3,2021-01-01\n", {}),
    ],
)
def test_files_that_cannot_be_read_are_refused_in_the_same_words(
    tmp_path: Path, content: bytes, options: dict[str, Any]
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    spec = spec_of(path, **options)
    whole, streamed = both(path, spec, lambda: cut(path, spec, ["shop"], 3, dates=("day",), block=1 << 10))
    assert (streamed.message, streamed.hint) == (whole.message, whole.hint)


@pytest.mark.parametrize("header", ["shop,day", "shop,day\r"])
def test_a_row_of_another_length_is_named(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *['1,"two\nlines"'] * 900, "2,3,4", "5,6"]), newline="")
    spec = spec_of(path)
    whole, streamed = both(path, spec, lambda: cut(path, spec, ["shop"], 3, block=1 << 10))
    assert "row 901: Expected 2 columns, got 3: 2,3,4" in whole.message
    assert streamed.message == whole.message


def test_a_broken_parquet_file_is_refused_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 no more")
    spec = spec_of(path)
    whole, streamed = both(path, spec, lambda: cut(path, spec, ["shop"], 3))
    assert streamed.message == whole.message


@pytest.mark.parametrize("step", ["melt", "aggregate"])
def test_steps_over_all_rows_are_refused_with_what_to_do(tmp_path: Path, step: str) -> None:
    path = tmp_path / "t.csv"
    rows_of().to_csv(path, index=False)
    option = {"melt": {"names": "a", "values": "b"}, "aggregate": {"by": ["shop", "day"], "sum": ["units"]}}
    with pytest.raises(DataError, match=step) as refused:
        cut(path, spec_of(path, **{step: option[step]}), ["shop"], 2)
    assert "--shards 1" in str(refused.value.hint)


KEYS: dict[str, pd.DataFrame] = {
    "missing series": with_cells("shop", dict.fromkeys((5, 17, 100, 250), "")),
    "missing dates": with_cells("day", dict.fromkeys((5, 17), "")),
    "repeated": pd.concat([rows_of(), rows_of().iloc[[250, 3, 3, 100, 7, 60]]]),
    "unique": rows_of(),
    "no date": rows_of().drop(columns="day"),
}


@pytest.mark.parametrize("case", KEYS)
def test_keys_are_checked_over_all_shards_in_the_same_words(tmp_path: Path, case: str) -> None:
    path = tmp_path / "t.csv"
    KEYS[case].to_csv(path, index=False)
    config = load(CONFIG | {"series": "shop", "date": "day"})
    spec = spec_of(path)

    def message(check: Callable[[], None]) -> object:
        try:
            check()
        except DataError as error:
            return error.message, error.hint
        return None

    whole = message(lambda: check_row_keys(read_table(path, spec, name="t", dates=["day"]), config, str(path)))
    made = message(lambda: check_shard_keys(cut(path, spec, ["shop"], 3, dates=("day",)), config))
    assert made == whole
    assert (whole is None) == (case == "unique")


def test_the_hour_that_comes_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    hours = pd.date_range("2021-10-30", "2021-11-01", freq="h", tz="Europe/Berlin").strftime("%Y-%m-%dT%H:%M:%S%z")
    pd.concat([pd.DataFrame({"shop": shop, "day": hours}) for shop in "abc"]).to_csv(path, index=False)
    config, spec = load(CONFIG | {"series": "shop", "date": "day"}), spec_of(path, timezone="Europe/Berlin")
    with pytest.raises(DataError) as whole:
        check_row_keys(read_table(path, spec, name="t", dates=["day"]), config, str(path), spec.timezone)
    with pytest.raises(DataError) as made:
        check_shard_keys(cut(path, spec, ["shop"], 3, dates=("day",)), config, spec.timezone)
    assert made.value.message == whole.value.message


@pytest.mark.parametrize(
    ("kind", "ids", "wrong"),
    [
        *((kind, ids, n) for kind in ("int", "text") for ids, n in ((range(N), 0), ([*range(N - 2), 5, 5], 2))),
        ("int", [*range(N - 1), None], 1),
    ],
)
def test_ids_name_one_row_of_all_shards(tmp_path: Path, kind: str, ids: Any, wrong: int) -> None:
    path = tmp_path / "t.csv"
    row = pd.Series(list(ids)).astype("Int64")
    rows_of().assign(row=row if kind == "int" else "r" + row.astype("str")).to_csv(path, index=False)
    made = cut(path, spec_of(path), ["shop"], 3, most=300, block=1 << 10)
    if not wrong:
        check_shard_ids(made, "row")
        return
    with pytest.raises(DataError, match=f"{wrong} ids are missing or repeat another"):
        check_shard_ids(made, "row")


# ------------------------------------------------------------------------------------- folders of parts


def in_parts(folder: Path, table: pd.DataFrame, ending: str, cuts: tuple[int, ...] = (120, 130)) -> Path:
    """The rows of a table in several files of a folder."""
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    for i, part in enumerate(table.iloc[a:b] for a, b in zip((0, *cuts), (*cuts, len(table)), strict=True)):
        if ending == "csv":
            part.to_csv(folder / f"part-{i}.csv", index=False)
        else:
            part.to_parquet(folder / f"part-{i}.parquet", index=False)
    return folder


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_folder_of_parts_is_one_table(tmp_path: Path, ending: str) -> None:
    table = rows_of()
    if ending == "parquet":
        table["units"] = pd.to_numeric(table["units"]).where(table.index > 125)  # whole numbers in some parts only
        table["article"] = table["article"].astype("category")
    file = tmp_path / f"t.{ending}"
    table.to_csv(file, index=False) if ending == "csv" else table.to_parquet(file, index=False)
    folder = in_parts(tmp_path / "t", table, ending)
    spec = spec_of(folder)
    whole, parts = (read_table(path, spec, name="t", dates=["day"]) for path in (file, folder))
    assert_equal(parts, whole)
    assert_shards_of(whole, cut(folder, spec, ["shop"], 3, dates=("day",)), ["shop"])


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_wrong_in_a_part_is_named_with_the_part_and_its_own_row(tmp_path: Path, streamed: bool) -> None:
    wrong = with_cells("units", {7: "none", 121: "many", 299: "few"})
    folder = in_parts(tmp_path / "t", wrong, "csv")
    spec = spec_of(folder, dtypes={"units": "int"})
    with pytest.raises(DataError) as refused:
        cut(folder, spec, ["shop"], 3) if streamed else read_table(folder, spec, name="t")
    assert "3 of 300 rows" in refused.value.message
    assert "rows 8 of part-0.csv, 2 of part-1.csv, 170 of part-2.csv" in refused.value.message


def test_keys_missing_in_a_part_are_named_with_the_part(tmp_path: Path) -> None:
    folder = in_parts(tmp_path / "t", with_cells("shop", {125: ""}), "csv")
    config, spec = load(CONFIG | {"series": "shop", "date": "day"}), spec_of(folder)
    with pytest.raises(DataError, match=r"row 6 of part-1\.csv") as whole:
        check_row_keys(read_table(folder, spec, name="t", dates=["day"]), config, str(folder))
    with pytest.raises(DataError) as made:
        check_shard_keys(cut(folder, spec, ["shop"], 3, dates=("day",)), config)
    assert made.value.message == whole.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "part-1.csv").write_text("shop,day\n1,2021-01-01\n"), "part-1.csv: its columns are"),
        (lambda folder: (folder / "part-9.parquet").write_bytes(b"PAR1"), "several formats"),
        (lambda folder: (folder / "read.me").write_text("hello"), "expected a folder with the parts of one table"),
        (lambda folder: (folder / "part-1.csv").write_text("shop;day;units\n1;2"), "part-1.csv"),
    ],
)
def test_folders_that_are_no_table_are_refused(tmp_path: Path, change: Callable[[Path], object], message: str) -> None:
    folder = in_parts(tmp_path / "t", rows_of(), "csv")
    change(folder)
    spec = spec_of(folder)
    whole, streamed = both(folder, spec, lambda: cut(folder, spec, ["shop"], 3))
    assert message in whole.message
    assert streamed.message == whole.message


# ------------------------------------------------------------------------------------------- which shard


def test_a_series_goes_to_the_same_shard_however_its_key_is_written() -> None:
    keys = [
        pd.Series([1, 2, 30], name="k"),
        pd.Series([1.0, 2.0, 30.0], name="k"),
        pd.Series(["1", "2", "30"], name="k", dtype="category"),
    ]
    assert [key_texts(k) for k in keys] == [["1", "2", "30"]] * 3
    found = [shards_of(k.to_frame(), 1000).tolist() for k in keys]
    assert found[0] == found[1] == found[2]
    assert len({*found[0]}) == 3
    assert shards_of(pd.DataFrame({"a": ["1"], "b": ["23"]}), 1 << 40) != shards_of(
        pd.DataFrame({"a": ["12"], "b": ["3"]}), 1 << 40
    )


def test_how_many_shards_there_are_depends_on_the_rows_alone() -> None:
    assert [shards_for(n) for n in (1, 3_999_999, 4_000_000, 4_000_001, 100_000_000)] == [1, 1, 4, 5, 100]
