"""`tabcli init` on files as other people write them: dates, numbers, lines that are no rows, workbooks."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from tabcli.cli.app import app
from tabcli.config.data import Table
from tabcli.config.yaml12 import parse_yaml
from tabcli.tables.reading import read_table

N = 120


def run(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
    assert "Traceback" not in done.output
    return done


def sales(n: int = N, freq: str = "D", start: str = "2019-02-01") -> pd.DataFrame:
    """Two shops, n dates each: date, shop, sales from 100 on."""
    dates = pd.date_range(start, periods=n, freq=freq)
    rows = pd.MultiIndex.from_product([["A", "B"], dates], names=["shop", "date"]).to_frame(index=False)
    return rows.assign(sales=100 + np.arange(len(rows)) % 37)[["date", "shop", "sales"]]


def begun(folder: Path, *words: object) -> tuple[dict[str, Any], str]:
    """The config that init writes for a folder, which prep then reads; and what init said."""
    root = folder.parent
    done = run("init", folder, "--out", root / "c.yaml", "--force", *words)
    run("prep", "-c", root / "c.yaml", "-d", folder, "-o", root / "prep", "--force")
    config: dict[str, Any] = parse_yaml((root / "c.yaml").read_text(encoding="utf-8"), source="c.yaml")
    return config, done.stdout


def folder_of(root: Path, text: str, name: str = "sales.csv", encoding: str = "utf-8") -> Path:
    folder = root / "data"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding=encoding)
    return folder


def spread_of(folder: Path, config: dict[str, Any]) -> tuple[str, str]:
    """The first and the last date that prep saw."""
    lines = run("prep", "-c", folder.parent / "c.yaml", "-d", folder, "-o", folder.parent / "p2", "--force").stdout
    words = next(line for line in lines.splitlines() if line.startswith("train ")).split()
    last = next(line for line in lines.splitlines() if line.startswith("validation ")).split()
    return words[3], last[5]


# ----------------------------------------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("written", "freq", "option"),
    [
        ("%d/%m/%y", "D", {"day_first": True}),
        ("%m/%d/%y", "D", {"day_first": False}),
        ("%y/%m/%d", "D", {"date_format": "%y/%m/%d"}),
        ("%B-%Y", "MS", {"date_format": "%B-%Y"}),
        ("%d %b %Y", "D", {"date_format": "%d %b %Y"}),
        ("%b %d, %Y", "W-MON", {"date_format": "%b %d, %Y"}),
        ("%d-%b-%Y %H:%M", "h", {"date_format": "%d-%b-%Y %H:%M"}),
        ("%G-W%V", "W-MON", {"date_format": "week"}),
        ("%YM%m", "MS", {"date_format": "%YM%m"}),
        ("%Y-%m-%dT%H:%M:%SZ", "h", {"timezone": "UTC"}),
        ("%m/%d/%Y %I:%M %p", "6h", {"day_first": False}),
        ("%d.%m.%y %I:%M:%S%p", "6h", {"day_first": True}),
        ("%A, %d %B %Y", "D", {"date_format": "%A, %d %B %Y"}),
        ("%a %d.%m.%Y", "D", {"date_format": "%a %d.%m.%Y"}),
        ("%G%V", "W-MON", {"date_format": "%G%V"}),
        ("Q%q/%y", "QS", {"date_format": "quarter"}),
        ("%qQ%Y", "QS", {"date_format": "quarter"}),
        ("%Y:Q%q", "QS", {"date_format": "quarter"}),
    ],
)
def test_dates_as_others_write_them(tmp_path: Path, written: str, freq: str, option: dict[str, Any]) -> None:
    table = sales(freq=freq, n=60 if freq == "QS" else N)
    quarters = table["date"].dt.quarter.astype("str")
    texts = [d.strftime(written.replace("%q", q)) for d, q in zip(table["date"], quarters, strict=True)]
    folder = folder_of(tmp_path, table.assign(date=texts).to_csv(index=False))
    config, said = begun(folder)
    assert {k: v for k, v in config["tables"]["train"].items() if k != "file"} == option
    assert config["date"] == "date"
    assert config["series"] == ["shop"]
    assert spread_of(folder, config) == (str(table["date"].min().date()), str(table["date"].max().date()))
    assert "date" in next(line for line in said.splitlines() if line.startswith("sales.csv: "))


def test_quarters_and_days_and_seconds_since_a_day(tmp_path: Path) -> None:
    months = sales(n=60, freq="QS")
    quarter = months["date"].dt.year.astype("str") + " Q" + months["date"].dt.quarter.astype("str")
    days = sales()
    serial = (days["date"] - pd.Timestamp("1899-12-30")).dt.days
    hours = sales(freq="h")
    seconds = (hours["date"] - pd.Timestamp("1970-01-01")).dt.total_seconds().astype("int64")
    for table, written, form, step in (
        (months, quarter, "quarter", "3mo"),
        (days, serial, "excel", "1d"),
        (hours, seconds, "seconds", "1h"),
    ):
        config, said = begun(folder_of(tmp_path, table.assign(date=written).to_csv(index=False)))
        assert config["tables"]["train"]["date_format"] == form
        assert f"step {step}: " in said
        assert spread_of(tmp_path / "data", config)[0] == str(table["date"].min().date())


@pytest.mark.parametrize(
    ("freq", "parts"),
    [
        ("MS", {"year": "Year", "month": "Month"}),
        ("D", {"year": "yr", "month": "mnth", "day": "day"}),
        ("QS", {"year": "YEAR", "quarter": "Qtr"}),
        ("W-MON", {"year": "year", "week": "week"}),
        ("h", {"date": "day", "hour": "hr"}),
        ("h", {"date": "day", "hour": "Time"}),
        ("30min", {"date": "day", "hour": "time_of_day"}),
    ],
)
def test_a_date_in_several_columns(tmp_path: Path, freq: str, parts: dict[str, str]) -> None:
    table = sales(freq=freq)
    date, iso = table["date"].dt, table["date"].dt.isocalendar()
    values = {
        "date": date.strftime("%Y-%m-%d"),
        "year": iso["year"] if freq == "W-MON" else date.year,
        "quarter": "Q" + date.quarter.astype("str"),
        "month": date.strftime("%b") if freq == "MS" else date.month,
        "week": iso["week"],
        "day": date.day,
        "hour": date.strftime("%I:%M %p" if freq == "h" else "%H:%M:%S") if "hr" not in parts.values() else date.hour,
    }
    for part, column in parts.items():
        table[column] = values[part]
    folder = folder_of(tmp_path, table.drop(columns="date").to_csv(index=False))
    config, said = begun(folder, "--target", "sales")
    made = next(iter(config["tables"]["train"]["dates"]))
    assert config["tables"]["train"]["dates"] == {made: parts}
    assert config["date"] == made
    assert config["series"] == ["shop"]
    assert "make the" in said
    assert not {*parts.values()} & {*config.get("availability", {}).get("past_only", [])}
    assert spread_of(folder, config)[0] == str(table_start(freq))


def table_start(freq: str) -> Any:
    return sales(freq=freq)["date"].min().date()


def test_dates_that_cannot_be_read_are_named_with_an_example_and_the_option(tmp_path: Path) -> None:
    table = sales()
    broken = table["date"].dt.strftime("%Y-%m-%d").to_numpy(dtype=object)
    broken[[17, 40]] = "2019-02-30", "soon"
    folder = folder_of(tmp_path, table.assign(date=broken).to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "no table has a column of dates" in said
    assert "sales.csv: column 'date' looks like dates such as '2019-0" in said
    assert "2 of 240 rows hold no date that can be read: '2019-02-30' in rows 18, 41" in said
    assert "--read date_format=" in said


# --------------------------------------------------------------------------------------------- numbers


def test_commas_between_thousands_of_a_comma_separated_file(tmp_path: Path) -> None:
    table = sales()
    numbers = table["sales"] * 9
    folder = folder_of(tmp_path, table.assign(sales=numbers.map("{:,}".format)).to_csv(index=False))
    config, said = begun(folder)
    assert config["tables"]["train"] == {"file": "sales.csv", "thousands": ","}
    assert "commas between thousands in sales" in said


@pytest.mark.parametrize(
    ("separator", "group", "answers"),
    [(";", ",", {"thousands": ",", "decimal": ","}), (",", ".", {"thousands": ".", "decimal": "."})],
)
def test_numbers_that_may_be_thousands_are_asked(
    tmp_path: Path, separator: str, group: str, answers: dict[str, str]
) -> None:
    table = sales()
    written = (table["sales"] * 9).map("{:,}".format).str.replace(",", group)
    folder = folder_of(tmp_path, table.assign(sales=written).to_csv(index=False, sep=separator))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "column 'sales': " in said
    assert f"say which: --read thousands={group}" in said
    assert f"--read decimal={group}" in said.replace("or decimal", "--read decimal") or "decimal" in said
    config, _ = begun(folder, "--read", f"thousands={group}")
    assert config["tables"]["train"]["thousands"] == group
    config, _ = begun(folder, "--read", f"decimal={group}")
    assert config["tables"]["train"].get("thousands") is None


NARROW, UNBROKEN = "\u202f", "\u00a0"
PARTED: dict[str, tuple[str, str, str, dict[str, str]]] = {  # decimal, thousands, after a number, what init finds
    "1 234,56": (",", " ", "", {"decimal": ",", "thousands": " "}),
    "1 234,56, unbroken": (",", UNBROKEN, "", {"decimal": ",", "thousands": " "}),
    "1 234,56, narrow": (",", NARROW, "", {"decimal": ",", "thousands": " "}),
    "1 234.56": (".", " ", "", {"thousands": " "}),
    "1.234,56": (",", ".", "", {"decimal": ",", "thousands": "."}),
    "1'234.56": (".", "'", "", {"thousands": "'"}),
    "1’234.56": (".", "\u2019", "", {"thousands": "'"}),
    "1 234,56 €": (",", " ", " €", {"decimal": ",", "thousands": " "}),
    "1 234,56 €, unbroken": (",", NARROW, f"{UNBROKEN}€", {"decimal": ",", "thousands": " "}),
}


def grouped(values: pd.Series, decimal: str, thousands: str, digits: int = 2) -> pd.Series:
    """Numbers as texts, as a country writes them."""
    signs = str.maketrans({",": thousands, ".": decimal})
    return values.map(lambda value: f"{value:,.{digits}f}".translate(signs))


@pytest.mark.parametrize("style", PARTED)
def test_numbers_with_spaces_or_apostrophes_between_thousands_are_found(tmp_path: Path, style: str) -> None:
    """Some below 0; and a column of codes beside them, which stays one of texts."""
    decimal, thousands, unit, options = PARTED[style]
    table = sales()
    values = (table["sales"] * 51.13 * np.where(table.index % 7 == 3, -1, 1)).round(2)
    article = [f"12 34{i % 5}" for i in range(len(table))]
    made = table.assign(article=article, sales=grouped(values, decimal, thousands) + unit)
    folder = folder_of(tmp_path, made.to_csv(index=False, sep=";"))
    config, said = begun(folder)
    spec = dict(config["tables"]["train"])
    dtypes = spec.pop("dtypes", {})
    assert spec == {"file": "sales.csv", **options}
    assert dtypes == ({"article": "str"} if options["thousands"] == " " else {}) | ({"sales": "amount"} if unit else {})
    assert config["target"]["column"] == "sales"
    assert "article" in said
    assert "12 340" in said, "what is not sure is told"
    read = read_table(folder / "sales.csv", Table.model_validate(config["tables"]["train"]), name="sales")
    np.testing.assert_array_equal(read["sales"], values)
    assert read["article"].astype("str").tolist() == article


@pytest.mark.parametrize("thousands", [" ", UNBROKEN, NARROW, "'"])
def test_whole_numbers_of_different_lengths_are_numbers(tmp_path: Path, thousands: str) -> None:
    table = sales()
    values = table["sales"] * 9
    folder = folder_of(tmp_path, table.assign(sales=grouped(values, ".", thousands, 0)).to_csv(index=False))
    config, said = begun(folder)
    assert config["tables"]["train"] == {"file": "sales.csv", "thousands": "'" if thousands == "'" else " "}
    assert f"{'apostrophes' if thousands == chr(39) else 'spaces'} between thousands in sales" in said


def test_what_may_be_codes_is_no_number_until_it_is_said_so(tmp_path: Path) -> None:
    table = sales()
    codes = grouped(table["sales"] + 12300, ".", " ", 0)
    folder = folder_of(tmp_path, table.assign(sales=codes).to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "sales looks like codes such as 12 400, or numbers: then --read 'thousands= '" in said
    for words in (["--read", "thousands= "], ["--target", "sales"]):
        config, _ = begun(folder, *words)
        assert config["tables"]["train"] == {"file": "sales.csv", "thousands": " "}
    zeros = codes.str.replace("12 4", "012 4")
    folder = folder_of(tmp_path, table.assign(sales=zeros).to_csv(index=False))
    run("init", folder, "--out", tmp_path / "c.yaml", "--target", "sales", code=2)


def test_columns_called_alike_are_all_numbers_or_none(tmp_path: Path) -> None:
    """A column for each shop: those of one shop are all of one length, as codes are."""
    days = pd.date_range("2019-02-01", periods=N)
    wide = pd.DataFrame({"date": days})
    for shop in range(1, 5):
        wide[f"shop_{shop}"] = grouped(pd.Series(500 + (np.arange(N) * 7 % 300) + 12000 * (shop == 2)), ".", " ", 0)
    wide["shop_3"] = grouped(pd.Series(900 + np.arange(N) * 7 % 300), ".", " ", 0)
    config, said = begun(folder_of(tmp_path, wide.to_csv(index=False)), "--wide")
    assert "dtypes" not in config["tables"]["train"]
    assert "codes" not in said


def test_an_answer_that_is_half_of_what_is_needed_is_met_with_the_rest(tmp_path: Path) -> None:
    table = sales()
    folder = folder_of(
        tmp_path, table.assign(sales=grouped(table["sales"] * 9.7, ",", " ")).to_csv(index=False, sep=";")
    )
    said = run("init", folder, "--out", tmp_path / "c.yaml", "--read", "decimal=,", code=2).stderr
    assert "sales looks like numbers such as 970,00: --read decimal=, --read 'thousands= '" in said


@pytest.mark.parametrize(("text", "options"), [("1 234,5", 'thousands: " "'), ("1’234,5", 'thousands: "\'"')])
def test_numbers_with_spaces_do_not_become_categories_unasked(tmp_path: Path, text: str, options: str) -> None:
    table = sales()
    folder = folder_of(tmp_path, table.assign(price=[f"{n},5" for n in table["sales"]]).to_csv(index=False, sep=";"))
    begun(folder)
    written = (folder / "sales.csv").read_text(encoding="utf-8").replace("136,5", text)
    (folder / "sales.csv").write_text(written, encoding="utf-8")
    plain = (tmp_path / "c.yaml").read_text(encoding="utf-8").replace("decimal: ','", "delimiter: ';'")
    (tmp_path / "c.yaml").write_text(plain, encoding="utf-8")
    said = run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p3", code=4).stderr
    assert "column 'price'" in said
    assert f'for this table set `decimal: ","` and `{options}`' in said


def test_amounts_of_money_and_percentages_are_numbers(tmp_path: Path) -> None:
    table = sales()
    table["revenue"] = (table["sales"] * 10.5).map("${:,.2f}".format)
    table["margin"] = (table["sales"] - 110).map(lambda n: f"({-n})" if n < 0 else f"{n}")
    table["share"] = (table["sales"] / 200 * 100).map("{:.0f} %".format)
    folder = folder_of(tmp_path, table.to_csv(index=False))
    config, said = begun(folder, "--target", "revenue")
    spec = config["tables"]["train"]
    assert spec["thousands"] == ","
    assert spec["dtypes"] == {"revenue": "amount", "margin": "amount", "share": "amount"}
    assert "margin holds amounts such as" in said
    plain = {"file": "sales.csv", "thousands": ","}
    (tmp_path / "c.yaml").write_text(
        (tmp_path / "c.yaml").read_text().replace(str(spec["dtypes"]).replace("'", ""), "{}"), encoding="utf-8"
    )
    assert yaml.safe_load((tmp_path / "c.yaml").read_text())["tables"]["train"] == {**plain, "dtypes": {}}
    refused = run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p3", code=4).stderr
    assert "column 'revenue'" in refused or "column 'share'" in refused
    assert ": amount}" in refused


def test_a_column_with_one_remark_is_shown_before_another_is_taken(tmp_path: Path) -> None:
    table = sales(n=200).assign(promo=lambda t: (np.arange(len(t)) % 4 == 0).astype("int64"))
    written = table["sales"].astype("str").to_numpy(dtype=object)
    written[17] = "closed for stocktaking"
    folder = folder_of(tmp_path, table.assign(sales=written).to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "column 'sales' looks like 399 numbers, but 1 text: 'closed for stocktaking' in row 18" in said
    assert "--read missing='closed for stocktaking'" in said
    config, _ = begun(folder, "--read", "missing=closed for stocktaking")
    assert config["target"]["column"] == "sales"
    assert config["tables"]["train"]["missing"] == "closed for stocktaking"


# ------------------------------------------------------------------------------- lines that are no rows


@pytest.mark.parametrize("title", ["Weekly sales,,", "Weekly sales", "Report 2019;all shops\nprinted on 2019-08-01"])
def test_lines_above_the_header_and_a_total_below_are_found(tmp_path: Path, title: str) -> None:
    table = sales().assign(note="x")
    total = f"Total,,{table['sales'].sum()},\n"
    folder = folder_of(tmp_path, f"{title}\n{table.to_csv(index=False)}{total}")
    config, said = begun(folder)
    n = title.count("\n") + 1
    assert config["tables"]["train"] == {"file": "sales.csv", "skip_rows": n, "skip_footer": 1}
    assert f"{n} line{'s' if n > 1 else ''} above the header left out: skip_rows" in said
    assert "1 line at the end left out: skip_footer" in said
    done = run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p2").stdout
    assert "rows read      train 240" in done
    config.pop("tables")
    plain = tmp_path / "plain.csv"
    plain.write_text((folder / "sales.csv").read_text(encoding="utf-8"), encoding="utf-8")
    assert f"skip_rows: {n}" in run("inspect", plain, code=4).stderr


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "day,shop,sales\n2019-01-01,A,1,2,3\n2019-01-02,B\n2019-01-03,B,1,2\n")
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "no table can be read" in said
    assert "sales.csv: cannot be read: " in said
    assert "Expected 3 columns" in said
    folder_of(tmp_path, sales().assign(sales="many").to_csv(index=False), "other.csv")
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "other.csv has no column of numbers" in said
    assert "sales.csv cannot be read" in said


def test_a_line_break_within_quotes_is_no_line_above_the_header_and_none_at_the_end(tmp_path: Path) -> None:
    """The header was left out as if it were a title, and with it the names of all columns."""
    table = sales().assign(note="x").rename(columns={"date": "day\nof sale"})
    table.loc[len(table) - 1, "note"] = "last\nwords"
    folder = folder_of(tmp_path, table.to_csv(index=False))
    config, _ = begun(folder)
    assert config["tables"]["train"] == {"file": "sales.csv"}
    assert config["date"] == "day\nof sale"
    done = run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p2").stdout
    assert "rows read      train 240" in done


def test_lines_without_a_value_at_the_end_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, sales().to_csv(index=False) + ",,\n,,\n")
    config, said = begun(folder)
    assert config["tables"]["train"] == {"file": "sales.csv", "skip_footer": 2}
    assert "2 lines at the end left out: skip_footer" in said


def test_a_row_without_a_date_is_named_and_so_is_a_table_of_one_date(tmp_path: Path) -> None:
    table = sales()
    table["date"] = table["date"].where(table.index != 16)
    folder = folder_of(tmp_path, table.to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "sales.csv: column 'date' has no date in 1 of 240 rows: row 17" in said
    folder = folder_of(tmp_path, sales().head(1).to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "sales.csv: column 'date' has one date only, 2019-02-01" in said


def test_years_that_are_not_called_so_are_shown_with_the_option(tmp_path: Path) -> None:
    table = pd.DataFrame({"period": range(1990, 2020), "sales": np.arange(30) % 7 + 50.0})
    folder = folder_of(tmp_path, table.to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "sales.csv: column 'period' holds numbers such as 1990, which may be dates: --read date_format=%Y" in said
    config, _ = begun(folder, "--read", "date_format=%Y", "--horizon", "12mo")
    assert (config["date"], config["target"]["column"]) == ("period", "sales")


def test_what_is_wrong_with_the_table_that_was_meant_is_said_first(tmp_path: Path) -> None:
    """Else a side table is taken for it, and the message speaks of that one alone."""
    table = sales()
    text = table.to_csv(index=False)
    folder = folder_of(
        tmp_path, table[["date", "shop"]].assign(promo=np.arange(240) % 2).to_csv(index=False), "plan.csv"
    )
    folder_of(tmp_path, text.replace("2019-02-11,A,110", "2019-02-11,A,110,extra"))
    done = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "sales.csv cannot be read: " in done
    assert "if sales.csv is needed, correct it first" in done
    mixed = table["date"].dt.strftime("%Y-%m-%d").where(table.index % 2 == 0, table["date"].dt.strftime("%d.%m.%Y"))
    folder_of(tmp_path, table.assign(date=mixed).to_csv(index=False))
    done = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "sales.csv: column 'date' looks like dates such as '2019-02-01', but 120 of 240 rows hold no date" in done
    (folder / "plan.csv").unlink()
    folder_of(tmp_path, "date,shop,shop,sales\n2019-01-01,A,B,1\n")
    done = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "no table can be read" in done
    assert "sales.csv: cannot be read: the header has more than one column of the name shop" in done
    assert "tables end in" not in done


def test_a_target_that_holds_no_numbers_is_shown_with_what_it_holds(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, sales().assign(sales=lambda t: t["sales"].astype("str") + " pcs").to_csv(index=False))
    done = run("init", folder, "--out", tmp_path / "c.yaml", "--target", "sales", code=2).stderr
    assert "--target sales: sales.csv has texts there, such as '100 pcs'" in done
    folder = folder_of(tmp_path, sales().assign(sales=lambda t: t["sales"] > 110).to_csv(index=False))
    done = run("init", folder, "--out", tmp_path / "c.yaml", "--target", "sales", code=2).stderr
    assert "--target sales: sales.csv has truths there, such as False" in done
    assert "write 0 and 1 in their place" in done
    done = run("init", folder, "--out", tmp_path / "c.yaml", "--target", "date", code=2).stderr
    assert "--target date: sales.csv has dates there, such as 2019-02-01" in done


# ------------------------------------------------------------------------------------------- workbooks


def test_a_sheet_of_a_workbook(tmp_path: Path) -> None:
    table = sales()
    (tmp_path / "data").mkdir()
    with pd.ExcelWriter(tmp_path / "data" / "sales.xlsx") as book:
        table.to_excel(book, sheet_name="Sheet one", index=False)
        table.rename(columns={"sales": "pieces"}).to_excel(book, sheet_name="two", index=False, startrow=2)
    config, said = begun(tmp_path / "data")
    assert config["tables"]["train"] == {"file": "sales.xlsx"}
    assert "target sales" in said
    assert "the first of its 2 sheets is read, 'Sheet one'; another: --read sheet='two'" in said
    config, said = begun(tmp_path / "data", "--read", "sheet=two", "--read", "skip_rows=2")
    assert "sheets is read" not in said
    assert config["target"]["column"] == "pieces"
    said = run("init", tmp_path / "data", "--out", tmp_path / "d.yaml", "--read", "sheet=three", code=2).stderr
    assert "no sheet 'three'; there are: Sheet one, two" in said
