"""`tabcli init` on the kinds of tables that other people have: orders with returns, rentals, numbered weeks, sheets."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from tests.test_init_spelling import begun, folder_of, run, sales


def orders(n: int = 3000) -> pd.DataFrame:
    """Lines of a web shop: each tenth invoice or so is cancelled, nobody sells on Saturdays."""
    rng = np.random.default_rng(1)
    days = pd.date_range("2010-12-01", periods=150)
    day = np.sort(rng.choice(days[days.day_of_week != 5], n))
    moment = pd.DatetimeIndex(day) + pd.to_timedelta(rng.integers(480, 1080, n), unit="min")
    back = rng.random(n) < 0.015
    return pd.DataFrame(
        {
            "InvoiceNo": np.where(back, "C", "") + (536365 + np.arange(n) // 3).astype("str").astype("object"),
            "StockCode": rng.choice(["22423", "85123A", "POST"], n),
            "Description": rng.choice(["cake stand", "T-light holder"], n),
            "Quantity": np.where(back, -1, 1) * rng.integers(1, 49, n),
            "InvoiceDate": moment.strftime("%-m/%-d/%Y %-H:%M"),
            "UnitPrice": rng.choice([1.25, 12.75], n),
            "CustomerID": pd.Series(rng.integers(12346, 18288, n)).where(rng.random(n) > 0.25),
            "Country": rng.choice(["United Kingdom", "EIRE"], n, p=[0.9, 0.1]),
        }
    )


def test_order_lines_are_added_up_net_of_returns_and_it_is_said(tmp_path: Path) -> None:
    table = orders()
    n_back = int((table["Quantity"] < 0).sum())
    folder = folder_of(tmp_path, table.to_csv(index=False))
    refused = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "--aggregate --series StockCode,Country: " in refused
    assert "--series StockCode (3 series), --series Country (2 series)" in refused
    assert f"{n_back} lines below 0, such as returns, are taken off on their own day" in refused
    asked = run("init", folder, "--out", tmp_path / "c.yaml", "--aggregate", code=2).stderr
    assert "(StockCode 3, Country 2 of them): it may be StockCode or Country or StockCode,Country" in asked
    config, said = begun(folder, "--aggregate", "--series", "StockCode")
    assert (config["target"]["column"], config["series"]) == ("Quantity", ["StockCode"])
    assert f"{n_back} lines are below 0, such as returns: they are taken off on their own day" in said
    assert "no rows on Saturdays: a forecast by --horizon makes none" in said
    assert "InvoiceNo looks like" not in refused + asked + said  # C536365 is no number with a fault


def rentals(n: int = 700) -> pd.DataFrame:
    """Rentals by day: the year as 0 and 1, weather by codes, twins of the target."""
    rng = np.random.default_rng(2)
    days = pd.date_range("2011-01-01", periods=n)
    casual, registered = rng.integers(50, 900, n), rng.integers(500, 6000, n)
    return pd.DataFrame(
        {
            "instant": 1 + np.arange(n),
            "dteday": days.strftime("%Y-%m-%d"),
            "season": 1 + days.month % 12 // 3,
            "yr": days.year - 2011,
            "weathersit": rng.integers(1, 4, n),
            "temp": rng.random(n).round(4),
            "casual": casual,
            "registered": registered,
            "cnt": casual + registered,
        }
    )


def test_a_numbered_year_follows_from_the_date_and_is_no_event(tmp_path: Path) -> None:
    table = rentals()
    folder = folder_of(tmp_path, table.to_csv(index=False), "day.csv")
    config, said = begun(folder)
    assert "target cnt: it is the sum of casual, registered" in said
    assert config["forecast"]["rules"]["yr"] == {"calendar": "Year", "plus": -2011}
    assert config["history"]["columns"] == ["temp", "casual", "registered"]  # codes of few values have no level
    (folder / "day.csv").unlink()
    folder_of(tmp_path, table[:670].to_csv(index=False), "train.csv")
    folder_of(tmp_path, table[670:].drop(columns=["casual", "registered", "cnt"]).to_csv(index=False), "test.csv")
    config, _ = begun(folder)
    assert {"yr", "temp", "weathersit"} <= {*config["categorical"], *config["continuous"]}
    assert "events" not in config["features"]
    assert "yr" not in config["history"]["effects"] + config["baseline"]


def test_a_flag_that_comes_once_and_stays_is_no_event_but_a_rare_one_is(tmp_path: Path) -> None:
    table = rentals(400)[["dteday", "cnt"]].assign(rebuilt=0, fair=0)
    table.loc[200:, "rebuilt"] = 1
    table.loc[[80, 81, 395], "fair"] = 1
    folder = folder_of(tmp_path, table[:380].to_csv(index=False), "train.csv")
    folder_of(tmp_path, table[380:].drop(columns="cnt").to_csv(index=False), "test.csv")
    config, _ = begun(folder)
    assert [*config["features"]["events"]] == ["Fair"]
    assert "rebuilt" in config["categorical"]


def test_the_other_table_with_the_target_can_be_asked_for(tmp_path: Path) -> None:
    table = rentals()
    folder = folder_of(tmp_path, table.to_csv(index=False), "day.csv")
    table["dteday"] = pd.to_datetime(table["dteday"]).dt.to_period("W").dt.start_time.dt.strftime("%Y-%m-%d")
    folder_of(tmp_path, table.groupby("dteday", as_index=False)["cnt"].sum().to_csv(index=False), "week.csv")
    assert "week.csv not used: it holds cnt; to learn from it instead: --train week.csv" in begun(folder)[1]
    assert begun(folder, "--train", "week.csv")[0]["tables"]["train"]["file"] == "week.csv"


def moves(log: bool) -> pd.DataFrame:
    """Sales of a brand in a shop by numbered weeks, beside prices of all brands and what was earned."""
    keys = pd.MultiIndex.from_product([[2, 5, 8], [1, 2, 3, 4], range(40, 90)], names=["store", "brand", "week"])
    table, rng = keys.to_frame(index=False), np.random.default_rng(3)
    sold = rng.lognormal(8, 0.6, len(table))
    table["logmove" if log else "move"] = np.log(sold).round(6) if log else sold.astype("int64")
    table[[f"price{i}" for i in range(1, 5)]] = rng.uniform(0.02, 0.06, (len(table), 4)).round(5)
    return table.assign(deal=rng.integers(0, 2, len(table)), profit=rng.normal(30, 5, len(table)).round(2))


@pytest.mark.parametrize("log", [True, False])
def test_keys_and_prices_of_numbered_weeks_are_no_targets_and_logarithms_are_learned_as_they_are(
    tmp_path: Path, log: bool
) -> None:
    config, said = begun(folder_of(tmp_path, moves(log).to_csv(index=False)))
    assert config["series"] == ["store", "brand"]
    assert config["target"]["column"] == ("logmove" if log else "move")
    assert (config["target"]["transform"], config["metric"]) == (("identity", "rmse") if log else ("log", "wape"))
    assert ("logmove holds logarithms, by its name, which are learned as they are" in said) == log


def test_a_name_that_begins_like_a_logarithm_is_none(tmp_path: Path) -> None:
    table = moves(log=True).rename(columns={"logmove": "logistics"})
    config, _ = begun(folder_of(tmp_path, table.to_csv(index=False)), "--target", "logistics")
    assert config["target"]["transform"] == "log"


@pytest.mark.parametrize("total", [["Total"], [None, "Sum"], []])
def test_a_sheet_with_a_title_and_a_total_is_read_without_them(tmp_path: Path, total: list[object]) -> None:
    months = pd.date_range("2020-01-01", periods=40, freq="MS").strftime("%b %Y")
    rng = np.random.default_rng(5)
    rows: list[list[object]] = [[f"A{i}", "Tools", *rng.integers(100, 900, 40).tolist()] for i in range(6)]
    rows[-1][-3:] = [None, None, None]  # a last row that ends early is a row
    sums = np.nansum(np.array([row[2:] for row in rows], dtype="float64"), axis=0).tolist()
    below: list[list[object]] = [[*total, *[None] * (2 - len(total)), *sums], ["as of today"]] if total else []
    book = openpyxl.Workbook()
    for row in [["Units sold by month"], [], ["Article", "Group", *months], *rows, *below]:
        book.active.append(row)
    folder = tmp_path / "data"
    folder.mkdir()
    book.save(folder / "sales.xlsx")
    config, said = begun(folder)
    spec = config["tables"]["train"]
    assert (spec["skip_rows"], spec.get("skip_footer", 0)) == (2, 2 if total else 0)
    assert spec["melt"] == {"keep": ["Article", "Group"], "names": "date", "values": "value"}
    assert "6 series" in (tmp_path / "c.yaml").read_text()
    assert "2 lines above the header left out: skip_rows" in said


def test_branches_that_closed_get_no_rows_where_that_is_asked_for(tmp_path: Path) -> None:
    table = sales(n=120).rename(columns={"sales": "quantity"})
    table = table[(table["shop"] == "A") | (table["date"] < table["date"].min() + pd.Timedelta("70D"))]
    folder = folder_of(tmp_path, table.to_csv(index=False))
    _, said = begun(folder)
    assert "forecast: {ended: left_out} makes none for them" in said
    assert "start: own" not in said  # which is not for days
    quick = ["train.epochs=1", "calibration.windows=0", "variants=[]", "train.members=1", "train.refit=false"]
    run("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run", *(w for q in quick for w in ("-S", q)))
    words = ["--data", folder, "--out", tmp_path / "f.csv", "--horizon", "7d"]
    done = run("predict", tmp_path / "run", *words)
    assert "\nin all         quantity " in done.stdout  # a name as long as the label has no room in it
    told = done.stderr
    assert "(B); they are forecast like the others; forecast.ended: left_out makes none for them" in told
    assert [*pd.read_csv(tmp_path / "f.csv")["shop"].value_counts()] == [7, 7]
    prep = ["prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "prep", "-S", "forecast.ended=left_out"]
    run(*prep, "--force")
    run("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run2", *(w for q in quick for w in ("-S", q)))
    told = run("predict", tmp_path / "run2", *words).stderr
    assert "(B); no rows are made for them; forecast.ended: kept makes them" in told
    assert pd.read_csv(tmp_path / "f.csv")["shop"].to_list() == ["A"] * 7


def test_a_wide_table_given_for_the_truth_is_refused_with_its_first_columns(tmp_path: Path) -> None:
    table = sales(n=5)
    table.to_csv(tmp_path / "f.csv", index=False)
    wide = table.pivot_table(index="shop", columns="date", values="sales").assign(**{f"d{i}": 1 for i in range(40)})
    wide.reset_index().to_csv(tmp_path / "truth.csv", index=False)
    told = run("evaluate", tmp_path / "f.csv", tmp_path / "truth.csv", code=4).stderr
    assert "missing column" in told
    assert "it has: shop, 2019-02-01" in told
    assert ", … (46 columns)" in told
    assert "d39" not in told
