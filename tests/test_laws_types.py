"""A law: types that say the same thing give the same table, and so the same bytes ever after."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tabcli
from tabcli.config.data import Table
from tabcli.errors import DataError, TabcliError
from tabcli.tables.kinds import kind_of
from tabcli.tables.reading import read_table
from tests.conftest import examples, make_tables

Series = "pd.Series[Any]"


def law(n: int) -> Any:
    return settings(examples(n), suppress_health_check=[HealthCheck.function_scoped_fixture])


WAYS: dict[str, dict[str, Callable[[list[Any]], Any]]] = {
    "int": {
        "plain": lambda v: pd.Series(v, dtype="int64"),
        "small": lambda v: pd.Series(v, dtype="int32"),
        "unsigned": lambda v: pd.Series([abs(x) for x in v], dtype="uint32") * pd.Series(np.sign(v)).astype("int64"),
        "nullable": lambda v: pd.Series(v, dtype="Int64"),
        "arrow": lambda v: pd.Series(v, dtype="int64[pyarrow]"),
        "objects": lambda v: pd.Series(v, dtype=object),
        "numpy objects": lambda v: pd.Series([np.int64(x) for x in v], dtype=object),
        "decimals": lambda v: pd.Series([Decimal(x) for x in v], dtype=object),
        "categories": lambda v: pd.Series(pd.Categorical(v)),
        "ordered categories": lambda v: pd.Series(pd.Categorical(v, sorted({*v}, reverse=True), ordered=True)),
        "arrow decimals": lambda v: pd.Series([Decimal(x) for x in v], dtype=pd.ArrowDtype(pa.decimal128(20, 0))),
    },
    "float": {
        "plain": lambda v: pd.Series(v, dtype="float64"),
        "nullable": lambda v: pd.Series(v, dtype="Float64"),
        "arrow": lambda v: pd.Series([None if x is None else x for x in v], dtype="double[pyarrow]"),
        "objects": lambda v: pd.Series(v, dtype=object),
        "decimals": lambda v: pd.Series([None if x is None else Decimal(repr(x)) for x in v], dtype=object),
        "categories": lambda v: pd.Series(pd.Categorical(v)),
    },
    "bool": {
        "plain": lambda v: pd.Series(v, dtype="bool"),
        "nullable": lambda v: pd.Series(v, dtype="boolean"),
        "arrow": lambda v: pd.Series(v, dtype="bool[pyarrow]"),
        "objects": lambda v: pd.Series(v, dtype=object),
        "categories": lambda v: pd.Series(pd.Categorical(v)),
    },
    "date": {
        "plain": lambda v: pd.Series(pd.to_datetime(v)).astype("datetime64[us]"),
        "seconds": lambda v: pd.Series(pd.to_datetime(v)).astype("datetime64[s]"),
        "nanoseconds": lambda v: pd.Series(pd.to_datetime(v)).astype("datetime64[ns]"),
        "dates": lambda v: pd.Series(v, dtype=object),
        "moments": lambda v: pd.Series(
            [None if x is None else dt.datetime.combine(x, dt.time()) for x in v], dtype=object
        ),
        "arrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.date32())),
        "arrow moments": lambda v: pd.Series(pd.to_datetime(v)).astype(pd.ArrowDtype(pa.timestamp("ms"))),
        "categories": lambda v: pd.Series(pd.Categorical(pd.to_datetime(v))),
        "categories of dates": lambda v: pd.Series(pd.Categorical(v)),
        "a zone": lambda v: pd.Series(pd.to_datetime(v)).dt.tz_localize("Europe/Berlin"),
        "a zone, arrow": lambda v: (
            pd.Series(pd.to_datetime(v)).dt.tz_localize("Europe/Berlin").convert_dtypes(dtype_backend="pyarrow")
        ),
    },
    "text": {
        "plain": lambda v: pd.Series(v, dtype="str"),
        "objects": lambda v: pd.Series(v, dtype=object),
        "nullable": lambda v: pd.Series(v, dtype="string"),
        "arrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.string())),
        "categories": lambda v: pd.Series(pd.Categorical(v)),
        "ordered categories": lambda v: pd.Series(
            pd.Categorical(v, [*sorted({x for x in v if x is not None}, reverse=True), "unused"], ordered=True)
        ),
        "arrow categories": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
    },
}

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**31) + 1, 2**31 - 1),
    "float": st.none() | st.integers(-(10**6), 10**6).map(lambda n: n / 64),
    "bool": st.booleans(),
    "date": st.none() | st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)),
    "text": st.none() | st.text("abcß 漢0,;", min_size=1, max_size=4),
}


def read(column: Any, tmp_path: Path | None) -> pd.DataFrame:
    """A table of one column, by way of a Parquet file where there is a path."""
    table, spec = pd.DataFrame({"x": column}), Table(file="", timezone="Europe/Berlin")
    if tmp_path is None:
        return read_table(table, spec, name="t")
    table.to_parquet(tmp_path / "t.parquet")
    return read_table(tmp_path / "t.parquet", spec, name="t")


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """Texts as they are: which numbers their categories have says nothing."""
    return pd.DataFrame({c: table[c].astype("str") if kind_of(table[c]) == "text" else table[c] for c in table})


@pytest.mark.parametrize(("kind", "way"), [(k, w) for k, ways in WAYS.items() for w in ways if w != "plain"])
@law(5)
@given(data=st.data())
def test_a_column_is_the_same_however_it_is_stored(tmp_path: Path, kind: str, way: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(VALUES[kind], min_size=1, max_size=6).filter(lambda v: any(x is not None for x in v)))
    plain = comparable(read(WAYS[kind]["plain"](values), None))
    assert kind_of(read(WAYS[kind]["plain"](values), None)["x"]) == kind
    made = WAYS[kind][way](values)
    pd.testing.assert_frame_equal(comparable(read(made, None)), plain, check_exact=True)
    if way not in ("numpy objects",):
        pd.testing.assert_frame_equal(comparable(read(made, tmp_path)), plain, check_exact=True)


@pytest.mark.parametrize("way", ["frame", "pickle", "parquet", "feather"])
def test_named_levels_of_an_index_are_columns(tmp_path: Path, way: str) -> None:
    table = pd.DataFrame({"shop": ["a", "b"], "day": pd.to_datetime(["2020-01-01", "2020-01-02"]), "sales": [1, 2]})
    indexed = table.set_index(["shop", "day"])
    source: Any = indexed
    if way == "pickle":
        source = tmp_path / "t.pkl"
        indexed.to_pickle(source)
    elif way == "parquet":
        source = tmp_path / "t.parquet"
        indexed.to_parquet(source)
    elif way == "feather":
        pa.feather.write_feather(pa.Table.from_pandas(indexed), tmp_path / "t.feather")
        source = tmp_path / "t.feather"
    read_ = read_table(source, Table(file=""), name="t")
    pd.testing.assert_frame_equal(comparable(read_), comparable(read_table(table, Table(file=""), name="t")))


def test_an_index_without_a_name_is_none_of_the_columns(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1, 2]}, index=[7, 3])
    table.to_parquet(tmp_path / "t.parquet")
    for source in (table, tmp_path / "t.parquet"):
        assert read_table(source, Table(file=""), name="t").columns.tolist() == ["x"]
    kept = table.rename_axis("x")  # a column of the index's name wins
    assert read_table(kept, Table(file=""), name="t")["x"].tolist() == [1, 2]


@pytest.mark.parametrize("way", ["frame", "pickle", "series", "parquet", "feather"])
def test_dates_in_an_index_without_a_name_are_a_column(tmp_path: Path, way: str) -> None:
    """They were left out without a word, and no table had a column of dates."""
    table = pd.DataFrame({"sales": [1, 2]}, index=pd.to_datetime(["2020-01-01", "2020-01-02"]))
    path = tmp_path / {"parquet": "t.parquet", "feather": "t.feather"}.get(way, "t.pkl")
    if way == "parquet":
        table.to_parquet(path)
    elif way == "feather":
        pa.feather.write_feather(pa.Table.from_pandas(table), path)
    else:
        (table["sales"] if way == "series" else table).to_pickle(path)
    read_ = read_table(table if way == "frame" else path, Table(file=""), name="t")
    assert read_.columns.tolist() == ["date", "sales"]
    assert read_["date"].tolist() == table.index.tolist()
    taken = read_table(table.assign(date="x"), Table(file=""), name="t")
    assert taken["date"].astype("str").tolist() == ["x", "x"]


@pytest.mark.parametrize("way", ["frame", "pickle", "parquet"])
def test_headers_of_two_levels_are_refused_with_the_way_out(tmp_path: Path, way: str) -> None:
    table = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")]))
    source: Any = table
    if way == "pickle":
        source = tmp_path / "t.pkl"
        table.to_pickle(source)
    elif way == "parquet":
        source = tmp_path / "t.parquet"
        table.to_parquet(source)
    with pytest.raises(DataError, match="the columns have 2 levels") as error:
        read_table(source, Table(file=""), name="t")
    assert "flatten them" in str(error.value.hint)


LARGE = 2**63 + 5


@pytest.mark.parametrize(
    ("values", "dtype", "texts"),
    [
        ([LARGE, 1], "uint64", [str(LARGE), "1"]),
        ([2**53 + 1, None], "Int64", [str(2**53 + 1), None]),
        ([2**53 + 1, None], "int64[pyarrow]", [str(2**53 + 1), None]),
        ([10**30, 1], object, [str(10**30), "1"]),
        ([Decimal(2**53 + 1), None], object, [str(2**53 + 1), None]),
        ([Decimal(10**30)], pd.ArrowDtype(pa.decimal128(38, 0)), [str(10**30)]),
    ],
)
def test_numbers_that_would_lose_digits_stay_texts(tmp_path: Path, values: Any, dtype: Any, texts: list[Any]) -> None:
    """As in a CSV: they name things; wrapped to negative or rounded they name others."""
    column = pd.Series(values, dtype=dtype)
    paths = [None] if dtype is object and isinstance(values[0], int) else [None, tmp_path]
    for path in paths:
        found = read(column, path)["x"]
        assert kind_of(found) == "text"
        assert found.astype(object).where(found.notna(), None).tolist() == texts


def test_numbers_with_infinity_can_be_read_as_text() -> None:
    table = pd.DataFrame({"x": [1.0, np.inf, np.nan]})
    found = read_table(table, Table(file="", dtypes={"x": "str"}), name="t")["x"]
    assert found.astype(object).where(found.notna(), None).tolist() == ["1", "inf", None]


@pytest.mark.parametrize("value", [[1], dt.timedelta(1), object(), 1j, dt.time(3)])
def test_what_is_no_value_of_a_table_is_refused_by_name(value: Any) -> None:
    with pytest.raises(DataError, match="column 'x' h"):
        read_table(pd.DataFrame({"x": pd.Series([value], dtype=object)}), Table(file=""), name="t")
    some = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(DataError, match="1 of 2 moments have a time zone"):
        read_table(pd.DataFrame({"x": pd.Series([some, dt.date(2020, 1, 2)])}), Table(file=""), name="t")


def test_a_prep_is_the_same_whatever_the_types(config: dict[str, Any]) -> None:
    """All columns at once, through joins, events and encoders to the encoded tables."""
    plain = make_tables()
    other = {name: table.convert_dtypes(dtype_backend="pyarrow") for name, table in plain.items()}
    other["train"] = other["train"].assign(
        shop=plain["train"]["shop"].astype("category"),
        units=plain["train"]["units"].map(Decimal),
        day=plain["train"]["day"].dt.date,
        holiday=pd.Categorical(plain["train"]["holiday"], ["a", "0"], ordered=True),
        promo=plain["train"]["promo"].astype(bool),
    )
    other["future"] = other["future"].set_index(["shop", "day"])
    other["shops"] = other["shops"].assign(size=plain["shops"]["size"].astype("category"))
    first, second = (tabcli.prep(config, tables).prepared for tables in (plain, other))
    for name, table in first.tables.items():
        pd.testing.assert_frame_equal(second.tables[name], table, check_exact=True)


FOREIGN: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "arrow.parquet": lambda table, path: (
        table.assign(day=table["day"].dt.tz_localize("UTC")).convert_dtypes(dtype_backend="pyarrow").to_parquet(path)
    ),
    "categories.pkl": lambda table, path: table.assign(day=pd.Categorical(table["day"])).to_pickle(path),
    "plain.csv": lambda table, path: table.to_csv(path, index=False),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_moments_of_a_zone_and_categories_of_dates_go_from_init_to_a_forecast(tmp_path: Path, name: str) -> None:
    days = pd.date_range("2023-01-02", periods=104, unit="us")
    rows = pd.DataFrame({"shop": np.repeat(["A", "B"], 104), "day": [*days, *days], "promo": np.arange(208) // 3 % 2})
    rows["sales"] = 50 + 10 * rows["promo"] + np.arange(208) % 7 + (rows["shop"] == "B") * 40
    late = rows["day"] >= days[90]
    data, ending = tmp_path / "data", name.rsplit(".", maxsplit=1)[1]
    data.mkdir()
    FOREIGN[name](rows[~late], data / f"train.{ending}")
    FOREIGN[name](rows[late].drop(columns="sales"), data / f"future.{ending}")
    reading = {"timezone": "UTC"} if "arrow" in name else {}
    config = tabcli.init(data, tmp_path / "my.yaml", reading=reading).path
    run = tabcli.train(tabcli.prep(config, data), overrides=["train.epochs=1", "calibration.windows=0"])
    made = tabcli.predict(run, data).table
    assert made["day"].tolist() == [*days[90:], *days[90:]]
    assert made["shop"].tolist() == ["A"] * 14 + ["B"] * 14
    assert np.isfinite(made["sales"]).all()
    FORECASTS[name] = made["sales"].tolist()
    assert FORECASTS[name] == next(iter(FORECASTS.values())), "as from any other file"


FORECASTS: dict[str, list[float]] = {}


def test_init_names_the_table_whose_header_has_two_levels(tmp_path: Path) -> None:
    table = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")]))
    table.to_pickle(tmp_path / "wide.pkl")
    with pytest.raises(TabcliError, match=r"wide\.pkl.*the columns have 2 levels"):
        tabcli.init(tmp_path, tmp_path / "my.yaml")
