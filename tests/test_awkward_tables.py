"""Awkward tables through the real command line: read right, or refused with the row; never silently changed.

What is read right gives the very same prep as the plain tables do.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from tabcli.cli.app import app
from tabcli.config import loading
from tabcli.config.data import Table
from tabcli.errors import ConfigError, DataError
from tabcli.tables.contract import load_tables
from tabcli.tables.reading import read_table
from tests.conftest import CONFIG, make_tables, write_folder


def prep(folder: Path, out: Path, *options: str) -> Any:
    words = ["prep", "-c", folder / "config.yaml", "-d", folder, "-o", out, *options]
    return CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prep of the plain tables."""
    folder = tmp_path_factory.mktemp("plain")
    write_folder(folder, make_tables())
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    assert prep(folder, folder / "prep").exit_code == 0
    return folder / "prep"


@pytest.fixture
def awkward(tmp_path: Path) -> Path:
    """A folder with the plain tables, for a test to spoil."""
    write_folder(tmp_path, make_tables())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


def same(folder: Path, plain: Path, *options: str) -> None:
    """Prep succeeds and encodes the rows just as the plain tables."""
    done = prep(folder, folder / "prep", *options)
    assert done.exit_code == 0, done.output
    for part in ("train", "valid", "future"):
        made, expected = (pd.read_parquet(p / f"{part}.parquet") for p in (folder / "prep", plain))
        pd.testing.assert_frame_equal(made, expected)


def refused(folder: Path, *options: str, code: int = 4) -> str:
    """Prep is refused without a traceback; what it says."""
    done = prep(folder, folder / "prep", *options)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    assert not (folder / "prep").exists()
    return str(done.stderr)


def respell(path: Path, **columns: Any) -> pd.DataFrame:
    """A CSV file written anew with some of its columns as other texts (functions of the old ones); the table."""
    table = pd.read_csv(path, dtype="str", keep_default_na=False)
    for name, spell in columns.items():
        table[name] = table[name].map(spell)
    table.to_csv(path, index=False)
    return table


# ------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252", "utf-16-le"])
def test_encodings(awkward: Path, plain: Path, encoding: str) -> None:
    """Those with a mark are found; another is refused with the place, and read once it is named."""
    path = awkward / "shops.csv"
    text = path.read_text().replace(",x,", ",Köln,").replace(",y,", ",Düren,")
    path.write_text(text, encoding="utf-8")
    expected = awkward / "expected"
    assert prep(awkward, expected).exit_code == 0
    path.write_text(text, encoding=encoding)
    if encoding == "cp1252":
        error = refused(awkward)
        assert f"{path}: not UTF-8: byte 48 in line 2 is b'\\xf6'" in error
        assert "Köln" in error
        assert "set `encoding: cp1252`" in error
    elif encoding == "utf-16-le":
        assert "byte 1 is zero" in (error := refused(awkward))
        assert "set `encoding: utf-16-le`" in error
    options = ["-S", f"tables.shops.encoding={encoding}"] if not encoding.endswith(("sig", "16")) else []
    same(awkward, expected, *options)
    shops = pd.read_parquet(awkward / "prep" / "train.parquet")
    assert shops["kind"].nunique() == 3


def test_a_wrong_encoding_names_the_line_and_one_that_does_not_exist_the_option(awkward: Path) -> None:
    (awkward / "shops.csv").write_bytes((awkward / "shops.csv").read_bytes().replace(b",y,", b",\xff\xfc,"))
    error = refused(awkward, "-S", "tables.shops.encoding=utf-8")
    assert "in line 3 is b'\\xff'" in error
    error = refused(awkward, "-S", "tables.shops.encoding=utf-99", code=3)
    assert "tables.shops.encoding: expected the name of an encoding" in error


# -------------------------------------------------------------------------------- delimiters and quotes


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters_are_found(awkward: Path, plain: Path, delimiter: str) -> None:
    for path in awkward.glob("*.csv"):
        pd.read_csv(path, dtype="str").to_csv(path, index=False, sep=delimiter)
    same(awkward, plain)


def test_a_delimiter_that_is_uncertain_must_be_named(awkward: Path, plain: Path) -> None:
    text = (awkward / "past.csv").read_text().splitlines()
    (awkward / "past.csv").write_text("\n".join([f"{text[0]};a;b;c;d;e;f;g", *(f"{r};;;;;;;" for r in text[1:])]))
    assert "the delimiter may be ',' (7 columns) and ';' (8 columns)" in refused(awkward)


def test_quoted_newlines_delimiters_and_quotes(awkward: Path, plain: Path) -> None:
    path = awkward / "shops.csv"
    table = pd.read_csv(path, dtype="str", keep_default_na=False)
    table["kind"] = table["kind"].map({"x": 'the "big"\none, really', "y": "z\r\nz", "": ""})
    table.to_csv(path, index=False)
    same(awkward, plain)


def test_rows_of_another_length_are_refused_with_the_row(awkward: Path) -> None:
    text = (awkward / "past.csv").read_text().splitlines()
    (awkward / "past.csv").write_text("\n".join([*text[:5], text[5] + ",1,2", *text[6:]]))
    error = refused(awkward)
    assert "Expected 7 columns, got 9" in error
    assert "6" in error


# --------------------------------------------------------------------------------------------- numbers


def german(text: str) -> str:
    """1234.5 → 1.234,5"""
    return f"{float(text):,}".translate(str.maketrans(",.", ".,")) if text else ""


def test_decimal_commas_and_thousands_points(awkward: Path, plain: Path) -> None:
    def whole(text: str) -> str:
        return text.removesuffix(".0")

    path = awkward / "shops.csv"
    respell(path, size=lambda t: str(float(t) * 123.25) if t else "", since_year=whole, since_month=whole)
    expected = awkward / "expected"
    assert prep(awkward, expected).exit_code == 0
    respell(path, size=german)
    error = refused(awkward)
    assert "'size' is to be continuous" in error
    assert "rows hold no number: '1.232,5'" in error
    assert 'for this table set `decimal: ","` and `thousands: "."`' in error
    decimal = ["-S", 'tables.shops.decimal=","']
    assert "rows hold no number: '1.232,5'" in refused(awkward, *decimal)
    same(awkward, expected, *decimal, "-S", 'tables.shops.thousands="."')


def test_numbers_with_decimal_commas_do_not_become_categories_unasked(awkward: Path) -> None:
    respell(awkward / "shops.csv", size=german)
    auto = ["-S", "categorical=auto", "-S", "continuous=auto"]
    assert "column 'size'" in (error := refused(awkward, *auto))
    assert 'set `decimal: ","`' in error
    named = ["-S", "categorical=[shop, size]", "-S", "continuous=auto"]
    assert prep(awkward, awkward / "prep", *named).exit_code == 0


def test_points_among_decimal_commas_are_refused(awkward: Path) -> None:
    """As above, but the years are written 2019.0: no number where the point stands for thousands."""
    error = refused(awkward, "-S", 'tables.shops.decimal=","', "-S", 'tables.shops.thousands="."')
    assert "column 'since_year'" in error
    assert "are the table's `decimal` and `thousands` right?" in error


def test_a_target_with_decimal_commas_is_refused_with_the_option(awkward: Path, plain: Path) -> None:
    respell(awkward / "past.csv", units=lambda t: f"{t},0")
    error = refused(awkward)
    assert "column 'units': 1320 of 1320 rows hold no number: '" in error
    assert 'set `decimal: ","`' in error
    same(awkward, plain, "-S", 'tables.train.decimal=","')


def test_points_that_may_stand_for_thousands_are_refused(awkward: Path, plain: Path) -> None:
    respell(awkward / "past.csv", visitors=lambda t: german(t).removesuffix(",0"))
    options = ["-S", "history={columns: [visitors], windows: [7d, 28d], base: 7d}"]
    error = refused(awkward, *options)
    assert "'visitors'" in error
    same(awkward, plain, "-S", 'tables.train.thousands="."', "-S", 'tables.train.decimal=","')


def test_the_target_with_points_for_thousands(awkward: Path) -> None:
    respell(awkward / "past.csv", units=lambda t: str(3 * int(t)))
    assert prep(awkward, awkward / "expected").exit_code == 0
    respell(awkward / "past.csv", units=lambda t: german(t).removesuffix(",0"))
    error = refused(awkward)
    assert "column 'units'" in error
    assert "hold no number: '1." in error
    assert (
        'set `decimal: ","` and `thousands: "."`, or `dtypes: {units: float}` if the points are decimal points' in error
    )
    same(awkward, awkward / "expected", "-S", 'tables.train.thousands="."', "-S", 'tables.train.decimal=","')


def test_a_word_among_numbers_is_refused_with_the_row_or_named_as_missing(awkward: Path, plain: Path) -> None:
    table = pd.read_csv(awkward / "past.csv", dtype="str")
    table.loc[6, "units"] = "closed"
    table.to_csv(awkward / "past.csv", index=False)
    error = refused(awkward)
    assert "past.csv: column 'units': 1 of 1320 rows hold no number: 'closed' in row 7" in error
    assert "`missing: [...]`" in error
    error = refused(awkward, "-S", "tables.train.missing=[closed]")
    assert "the target 'units' is missing in 1 of" in error


# ----------------------------------------------------------------------------------- keys and missing


def test_keys_with_leading_zeros_stay_what_they_are(awkward: Path, plain: Path) -> None:
    for name in ("past.csv", "ahead.csv", "shops.csv"):
        respell(awkward / name, shop=lambda t: f"00{t}")
    same_but_text = prep(awkward, awkward / "prep")
    assert same_but_text.exit_code == 0, same_but_text.output
    made = pd.read_parquet(awkward / "prep" / "train.parquet")
    assert made["row.shop"].iloc[0] == f"00{pd.read_parquet(plain / 'train.parquet')['row.shop'].iloc[0]}"
    pd.testing.assert_series_equal(made["shop"], pd.read_parquet(plain / "train.parquet")["shop"])


def test_keys_that_lost_their_zeros_in_one_table_are_refused(awkward: Path, plain: Path) -> None:
    respell(awkward / "past.csv", shop=lambda t: f"00{t}")
    respell(awkward / "ahead.csv", shop=lambda t: f"00{t}")
    error = refused(awkward)
    assert "the key 'shop' is text in the rows but int in the joined table" in error
    assert "dtypes: {shop: int}" in error
    same(awkward, plain, "-S", "tables.train.dtypes.shop=int", "-S", "tables.future.dtypes.shop=int")


def test_zeros_that_only_the_future_has_are_refused(awkward: Path) -> None:
    respell(awkward / "ahead.csv", shop=lambda t: f"0{t}")
    error = refused(awkward)
    assert "ahead.csv: column 'shop'" in error
    assert "in rows 1, 2, 3" in error


def test_numbers_too_long_for_a_number_stay_text(awkward: Path, plain: Path) -> None:
    for name in ("past.csv", "ahead.csv", "shops.csv"):
        respell(awkward / name, shop=lambda t: f"4006381333931000000{t}")
    done = prep(awkward, awkward / "prep")
    assert done.exit_code == 0, done.output
    made = pd.read_parquet(awkward / "prep" / "train.parquet")
    assert made["row.shop"].nunique() == 6


def test_namibia_is_a_country_and_na_among_numbers_is_missing(awkward: Path, plain: Path) -> None:
    respell(awkward / "shops.csv", kind=lambda t: {"x": "NA", "y": "ZA", "": ""}[t], size=lambda t: t or "NA")
    same(awkward, plain)
    done = prep(awkward, awkward / "other", "-S", "tables.shops.missing=[NA, ZA]")
    assert done.exit_code == 0, done.output
    assert set(pd.read_parquet(awkward / "other" / "train.parquet")["kind"]) == {0}


def test_a_column_of_words_and_numbers_is_text(awkward: Path, plain: Path) -> None:
    respell(awkward / "shops.csv", kind=lambda t: {"x": "1", "y": "1a", "": ""}[t])
    same(awkward, plain)


def test_article_codes_that_look_like_exponents_stay_text(awkward: Path, plain: Path) -> None:
    respell(awkward / "shops.csv", kind=lambda t: {"x": "12E4", "y": "120000", "": ""}[t])
    done = prep(awkward, awkward / "prep")
    assert done.exit_code == 0, done.output
    assert pd.read_parquet(awkward / "prep" / "train.parquet")["kind"].nunique() == 3


# ----------------------------------------------------------------------------------------------- dates


def dated(spelling: str) -> Any:
    return lambda t: pd.Timestamp(t).strftime(spelling)


@pytest.mark.parametrize(
    ("spelling", "option", "hint"),
    [
        ("%d.%m.%Y", "day_first=true", "all are dates with the day first: set `day_first: true`"),
        ("%m/%d/%Y", "day_first=false", "all are dates with the month first: set `day_first: false`"),
        ("%Y%m%d", 'date_format="%Y%m%d"', 'set `date_format: "%Y%m%d"`'),
        ("%d %b %Y", 'date_format="%d %b %Y"', 'all are dates: set `date_format: "%d %b %Y"`'),
    ],
)
def test_other_dates_are_refused_with_the_option_that_reads_them(
    awkward: Path, plain: Path, spelling: str, option: str, hint: str
) -> None:
    for name in ("past.csv", "ahead.csv"):
        respell(awkward / name, day=dated(spelling))
    error = refused(awkward)
    assert "past.csv: column 'day'" in error
    assert hint in error
    same(awkward, plain, "-S", f"tables.train.{option}", "-S", f"tables.future.{option}")


def test_days_that_may_be_months_are_refused_with_the_row(awkward: Path, plain: Path) -> None:
    respell(awkward / "ahead.csv", day=lambda t: "03/04/2021")
    error = refused(awkward)
    assert (
        "ahead.csv: column 'day': 120 of 120 rows hold no date that can be read: '03/04/2021' in rows 1, 2, 3" in error
    )
    assert "is it the day or the month that comes first? set `day_first: true` or `false`" in error


def test_day_first_does_not_turn_a_month_into_a_day(awkward: Path) -> None:
    for name in ("past.csv", "ahead.csv"):
        respell(awkward / name, day=dated("%m/%d/%Y"))
    error = refused(awkward, "-S", "tables.train.day_first=true")
    assert "expected dates like 31.07.2015" in error


def test_a_date_format_wins_over_what_a_date_looks_like(awkward: Path, plain: Path) -> None:
    """2021-04-03 read as ISO would be a day in April; the format says March."""
    for name in ("past.csv", "ahead.csv"):
        respell(awkward / name, day=dated("%Y-%d-%m"))
    options = [o for t in ("train", "future") for o in ("-S", f'tables.{t}.date_format="%Y-%d-%m"')]
    same(awkward, plain, *options)


def test_time_zones_are_refused_until_one_is_named(awkward: Path, plain: Path) -> None:
    def utc(text: str) -> str:
        return pd.Timestamp(text, tz="Europe/Berlin").tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")

    for name in ("past.csv", "ahead.csv"):
        respell(awkward / name, day=utc)
    error = refused(awkward)
    assert "column 'day': 1320 of 1320 rows have a time zone: '2021-07-26T22:00:00Z' in row" in error
    assert "set the table's `timezone`" in error
    assert "expected the name of a time zone" in refused(awkward, "-S", "tables.train.timezone=Berlin", code=3)
    same(awkward, plain, *[o for t in ("train", "future") for o in ("-S", f"tables.{t}.timezone=Europe/Berlin")])


def test_zones_in_parquet_and_mixed_ones(awkward: Path, plain: Path) -> None:
    tables = make_tables()
    tables["train"]["day"] = tables["train"]["day"].dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC")
    tables["train"].to_parquet(awkward / "past.parquet")
    file = ["-S", "tables.train.file=past.parquet"]
    assert "column 'day' has the time zone UTC" in refused(awkward, *file)
    same(awkward, plain, *file, "-S", "tables.train.timezone=Europe/Berlin")
    table = pd.read_csv(awkward / "ahead.csv", dtype="str")
    table.loc[2:, "day"] += "T00:00:00+02:00"
    table.to_csv(awkward / "ahead.csv", index=False)
    done = prep(awkward, awkward / "other", "-S", "tables.future.timezone=Europe/Berlin")
    assert done.exit_code == 4
    assert "2 of 120 rows have no time zone, which others have" in done.stderr


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ("%Y%W", ["202201", "202202", "202252"]),
        ("%Y-%U", ["2022-01", "2022-02", "2022-52"]),
        ("%G-W%V", ["2022-W01", "2022-W02", "2022-W52"]),
        ("%GW%V-%u", ["2022W01-1", "2022W02-1", "2022W52-1"]),
        ("week", ["2022-W01", "2022-W02", "2022-W52"]),
    ],
)
def test_a_year_and_a_week_are_that_weeks_monday(tmp_path: Path, form: str, texts: list[str]) -> None:
    (tmp_path / "t.csv").write_text("week,n\n" + "".join(f"{t},1\n" for t in texts))
    table = read_table(tmp_path / "t.csv", Table(file="t.csv", date_format=form), name="t", dates=["week"])
    assert table["week"].astype("str").tolist() == ["2022-01-03", "2022-01-10", "2022-12-26"]


@pytest.mark.parametrize(
    ("form", "numbers", "dates"),
    [
        ("seconds since 2015-01-05T12:00", "0 90", "2015-01-05T12:00:00 2015-01-05T12:01:30"),
        ("minutes since 2015-01-05", "1 61", "2015-01-05T00:01 2015-01-05T01:01"),
        ("hours since 2015-01-05", "0 25", "2015-01-05T00 2015-01-06T01"),
        ("days since 2015-01-05", "-1 31", "2015-01-04 2015-02-05"),
        ("weeks since 2015-01-05", "0 53", "2015-01-05 2016-01-11"),
        ("months since 2015-01-05", "1 13", "2015-02-05 2016-02-05"),
        ("quarters since 2015-01-01", "1 5", "2015-04-01 2016-04-01"),
        ("years since 2000-01-01", "0 25", "2000-01-01 2025-01-01"),
        ("days since 2015-01-05", "1.0 2.0", "2015-01-06 2015-01-07"),
    ],
)
def test_numbers_may_count_steps_since_a_day(tmp_path: Path, form: str, numbers: str, dates: str) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["step", *numbers.split()]) + "\n")
    spec = Table(file="t.csv", date_format=form)
    table = read_table(tmp_path / "t.csv", spec, name="t", dates=["step"])
    assert table["step"].tolist() == [pd.Timestamp(d) for d in dates.split()]


def test_half_a_step_since_a_day_is_no_date(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("step\n1\n2.5\n")
    with pytest.raises(DataError, match=r"1 of 2 rows hold no date that can be read: '2.5' in row"):
        read_table(
            tmp_path / "t.csv", Table(file="t.csv", date_format="weeks since 2015-01-05"), name="t", dates=["step"]
        )


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("%s", "%s is not a directive"),
        ("%Q", "%Q is not a directive"),
        ("%Y-%m-%d%", "% is not a directive"),
        ("%Y-%m-%d %z", "%z is not a directive"),
        ("%Y%Y", "%Y is there twice"),
        ("%G%m", "%G and %V together"),
        ("%Y%V", "%G and %V together"),
        ("%d.%m.", "expected a year"),
        ("%d of %Y", "expected a month beside the day"),
        ("moons since 2015-01-05", "expected one of seconds, .* such as weeks since 2015-01-05"),
        ("weeks since then", "expected a day after since, such as weeks since 2015-01-05"),
    ],
)
def test_a_date_format_that_names_no_date_is_a_problem_of_the_config(form: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"date_format: .*{message}"):
        loading.parse({**CONFIG, "tables": {"train": {"file": "a.csv", "date_format": form}}})
    with pytest.raises(ConfigError, match=message):
        loading.parse_table({"date_format": form}, "a.csv")


def test_the_hour_that_comes_twice_is_told_from_rows_that_are_repeated(tmp_path: Path) -> None:
    hours = pd.date_range("2023-10-28T00:00", periods=72, freq="h", tz="UTC")
    rows = pd.DataFrame({"station": "a", "when": hours.strftime("%Y-%m-%dT%H:%M:%SZ"), "rides": 5})
    rows = pd.concat([rows, rows.assign(station="b")])
    rows.to_csv(tmp_path / "rides.csv", index=False)
    table = {"file": "rides.csv", "timezone": "Europe/Berlin"}
    config = {"format_version": 1, "tables": {"train": table}, "series": "station", "date": "when"}
    config |= {"target": {"column": "rides"}, "validation": {"last": "10h"}}
    with pytest.raises(DataError, match="clock of Europe/Berlin was set back, and 1 moments came twice") as error:
        load_tables(loading.parse(config), tmp_path, ["train"])
    assert "2023-10-29 02:00:00" in error.value.message
    assert "timezone: UTC" in str(error.value.hint)
    for zone in ("UTC", "Etc/GMT-1"):
        table["timezone"] = zone
        assert len(load_tables(loading.parse(config), tmp_path, ["train"])["train"]) == 144
    pd.concat([rows, rows.iloc[:1]]).to_csv(tmp_path / "rides.csv", index=False)
    with pytest.raises(DataError, match="1 rows repeat the key"):
        load_tables(loading.parse(config), tmp_path, ["train"])
