"""`tabcli init` on wide tables and on lines of sale."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.test_init_spelling import N, begun, folder_of, run, sales


def wide(n: int = 60, freq: str = "MS") -> pd.DataFrame:
    """Six articles, a row each, a column for each date."""
    long = sales(n=n, freq=freq)
    table = long.pivot_table(index="shop", columns="date", values="sales").reset_index()
    table.insert(1, "town", ["X", "X"])
    return table


@pytest.mark.parametrize(
    ("freq", "written", "option"),
    [
        ("D", "%Y-%m-%d", {}),
        ("D", "%m/%d/%y", {"day_first": False}),
        ("MS", "%b-%Y", {"date_format": "%b-%Y"}),
        ("MS", "%Y-%m", {}),
        ("YS", "%Y", {"date_format": "%Y"}),
    ],
)
def test_dates_in_the_header_are_melted(tmp_path: Path, freq: str, written: str, option: dict[str, object]) -> None:
    table = wide(n=30 if freq == "YS" else 60, freq=freq)
    table.columns = [c if isinstance(c, str) else c.strftime(written) for c in table.columns]
    table.iloc[0, 5] = np.nan
    folder = folder_of(tmp_path, table.to_csv(index=False), "wide.csv")
    config, said = begun(folder, "--target", "sold")
    spec = config["tables"]["train"]
    assert spec["melt"] == {"keep": ["shop", "town"], "names": "date", "values": "sold"}
    assert {k: v for k, v in spec.items() if k not in ("file", "melt")} == option
    n = len(table) * (len(table.columns) - 2) - 1
    assert "are dates: melted to" in said
    assert f"{n:,} rows of sold" in said
    assert config["series"] == ["shop"]
    done = run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p2").stdout
    assert f"rows read      train {n:,}" in done


def juice(first: int = 40, n: int = 60) -> pd.DataFrame:
    """Two shops and two brands; the weeks have numbers; a price for each of twelve brands, as in a wide table."""
    keys = pd.MultiIndex.from_product([[2, 5], [1, 2], range(first, first + n)], names=["store", "brand", "week"])
    table = keys.to_frame(index=False)
    table["units"] = 100 + np.arange(len(table)) % 37
    table[[f"price{i}" for i in range(1, 13)]] = 0.02 + 0.001 * (np.arange(12 * len(table)) % 7).reshape(-1, 12)
    return table


def test_weeks_by_number_are_dates_and_come_back_as_numbers(tmp_path: Path) -> None:
    """Through the command line, to the forecast and its score."""
    rows, late = juice(), 92
    folder = folder_of(tmp_path, rows[rows["week"] < late].to_csv(index=False), "sales.csv")
    folder_of(tmp_path, rows[rows["week"] >= late].drop(columns="units").to_csv(index=False), "ahead.csv")
    config, said = begun(folder)
    assert {t: c["date_format"] for t, c in config["tables"].items()} == dict.fromkeys(
        ("train", "future"), "weeks since 2000-01-03"
    )
    assert (config["date"], config["series"]) == ("week", ["store", "brand"])
    assert "step 1w: " in said
    assert "CHECK: holidays and seasons need the day of week 0: --read 'date_format=weeks since 1998-12-31'" in said
    quick = [
        part
        for s in ("train.epochs=1", "calibration.windows=0", "variants=[]", "train.members=1")
        for part in ("-S", s)
    ]
    run("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run", *quick)
    run("predict", tmp_path / "run", "--data", folder, "--out", tmp_path / "f.csv", "--columns", "store,brand,week")
    made = pd.read_csv(tmp_path / "f.csv")
    assert made[["store", "brand", "week"]].equals(
        rows.loc[rows["week"] >= late, ["store", "brand", "week"]].reset_index(drop=True)
    )
    rows[rows["week"] >= late].to_csv(tmp_path / "truth.csv", index=False)
    scored = run(
        "evaluate", tmp_path / "f.csv", tmp_path / "truth.csv", "--target", "units", "--on", "store,brand,week"
    )
    assert f"{len(made)} rows" in scored.stdout


def test_the_day_of_number_0_and_the_column_may_be_said(tmp_path: Path) -> None:
    rows = juice().rename(columns={"week": "tick"})
    folder = folder_of(tmp_path, rows.to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "12 columns price1 … price12 look like steps of time" in said
    reading = ("--read", "date_format=weeks since 1989-09-14")
    config, said = begun(folder, "--date", "tick", *reading)
    assert config["tables"]["train"]["date_format"] == "weeks since 1989-09-14"
    assert "CHECK: holidays and seasons" not in said
    assert "1990-06-21" in (tmp_path / "c.yaml").read_text(), "week 40"


def test_a_column_named_week_is_no_date_where_there_are_dates_or_where_it_numbers_no_steps(tmp_path: Path) -> None:
    table = sales()
    table["week"] = np.arange(len(table)) % N
    config, _ = begun(folder_of(tmp_path, table.to_csv(index=False)))
    assert "date_format" not in config["tables"]["train"]
    gaps = juice().assign(week=lambda t: 10 * t["week"])
    (tmp_path / "data" / "sales.csv").write_text(
        gaps.drop(columns=[f"price{i}" for i in range(1, 13)]).to_csv(index=False)
    )
    said = run("init", tmp_path / "data", "--out", tmp_path / "d.yaml", code=2).stderr
    assert "no table has a column of dates" in said
    assert "--read 'date_format=weeks since 1998-12-31'" in said


def test_numbered_steps_are_dated_by_a_calendar_beside(tmp_path: Path) -> None:
    table = wide(n=90, freq="D")
    table.columns = [*table.columns[:2], *(f"d_{i}" for i in range(1, 91))]
    folder = folder_of(tmp_path, table.to_csv(index=False), "sales.csv")
    said = run("init", folder, "--out", tmp_path / "c.yaml", code=2).stderr
    assert "90 columns d_1 … d_90 look like steps of time in a wide table" in said
    assert "melt: {keep: [shop, town], names: date, values: sales, start: 2011-01-29}" in said
    days = pd.date_range("2011-01-29", periods=120)
    calendar = pd.DataFrame({"date": days, "d": [f"d_{i}" for i in range(1, 121)], "event": "none"})
    calendar.loc[::30, "event"] = "feast"
    folder_of(tmp_path, calendar.to_csv(index=False), "calendar.csv")
    config, said = begun(folder, "--target", "sold")
    melt = config["tables"]["train"]["melt"]
    assert (str(melt["start"]), melt["names"], melt["values"]) == ("2011-01-29", "date", "sold")
    assert "calendar.csv joined by date" in said
    assert "2011-01-29" in run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p2").stdout


def test_a_column_for_each_series_is_melted_where_it_is_said_or_plain(tmp_path: Path) -> None:
    long = sales(n=90)
    plain = pd.DataFrame({"date": long["date"][:90]} | {f"store_{i}": 100 + np.arange(90) % (5 + i) for i in range(6)})
    config, said = begun(folder_of(tmp_path, plain.to_csv(index=False)), "--target", "sold")
    assert config["tables"]["train"]["melt"] == {"keep": ["date"], "names": "store", "values": "sold"}
    assert config["series"] == ["store"]
    assert "6 columns store_0 … store_5 are series: melted to 540 rows of sold" in said
    lettered = plain.iloc[:, :4].rename(columns=lambda c: c.replace("_", " ").replace("0", "A").replace("1", "B"))
    config, said = begun(folder_of(tmp_path, lettered.to_csv(index=False)), "--target", "sold")
    assert config["tables"]["train"]["melt"] == {"keep": ["date"], "names": "store", "values": "sold"}
    assert "3 columns store A … store 2 are series: melted to 270 rows of sold" in said
    named = plain.rename(
        columns={f"store_{i}": name for i, name in enumerate(["Bern", "Basel", "Chur", "Genf", "Zug", "Thun"])}
    )
    folder = folder_of(tmp_path, named.to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "x.yaml", code=2).stderr
    assert "if each of them is a series: --wide" in said
    config, said = begun(folder, "--wide")
    assert config["series"] == ["item"], "a series called series is refused"
    assert "6 columns Bern … Thun are series" in said


def lines(n: int = 4000) -> pd.DataFrame:
    """Lines of sale with times of the day: receipt, moment, shop, town, article, pieces, price."""
    rng = np.random.default_rng(2)
    moments = pd.Timestamp("2021-01-04 08:00") + pd.to_timedelta(np.sort(rng.integers(0, 150 * 1440, n)), unit="min")
    table = pd.DataFrame({"receipt": np.arange(n) // 3, "moment": moments, "shop": rng.choice(["A", "B"], n)})
    table["town"] = table["shop"].map({"A": "X", "B": "Y"})
    return table.assign(article=rng.choice(["a", "b", "c"], n), pieces=rng.integers(1, 9, n), price=2.5)


def test_lines_of_sale_are_added_up_on_request(tmp_path: Path) -> None:
    table = lines()
    table = pd.concat([table, table[:40]])  # the same line twice
    folder = folder_of(tmp_path, table.to_csv(index=False))
    said = run("init", folder, "--out", tmp_path / "c.yaml", "--target", "pieces", code=2).stderr
    assert "rows repeat the shop, article, moment of another" in said
    assert "lines of sale are added up by --aggregate --series shop,article: " in said
    assert f"pieces {table['pieces'].sum():,} in all" in said
    config, said = begun(folder, "--target", "pieces", "--aggregate", "--series", "shop,article")
    rule = config["tables"]["train"]["aggregate"]
    assert rule == {
        "by": ["shop", "article", "moment"],
        "step": "1d",
        "sum": ["pieces"],
        "mean": ["price"],
        "last": ["town"],
    }
    days = table.assign(moment=table["moment"].dt.normalize()).groupby(["shop", "article", "moment"])["pieces"].sum()
    assert f"4,040 lines added up to {len(days):,} rows: pieces sums to {table['pieces'].sum():,}" in said
    assert "left out in adding up: receipt" in said
    assert config["target"]["no_row"] == "zero"
    assert "a day without a line of sale is one on which 0 were sold" in said
    done = run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p2").stdout
    dates = pd.DatetimeIndex(table["moment"].dt.normalize().unique())
    first = days.reset_index().groupby(["shop", "article"])["moment"].min()
    assert f"rows read      train {sum((dates >= d).sum() for d in first)}" in done.replace(",", "")
    total, _ = begun(folder, "--target", "pieces", "--aggregate", "--series", "shop")
    assert total["tables"]["train"]["aggregate"]["by"] == ["shop", "moment"]


def test_pieces_of_a_line_are_the_target_though_they_are_few(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    table = lines().rename(columns={"pieces": "qty"}).assign(price=rng.choice([2.5, 9.99], 4000))
    table["qty"] = rng.integers(1, 5, len(table))
    said = run("init", folder_of(tmp_path, table.to_csv(index=False)), "--out", tmp_path / "c.yaml", code=2).stderr
    assert f"qty {table['qty'].sum():,} in all" in said


def test_lines_are_added_up_by_weeks_in_a_config(tmp_path: Path) -> None:
    table = lines()
    folder = folder_of(tmp_path, table.to_csv(index=False))
    config, _ = begun(folder, "--target", "pieces", "--aggregate", "--series", "shop")
    rule = {"by": ["shop", "moment"], "step": "1w", "sum": ["pieces"], "count": "n_lines"}
    config["tables"]["train"]["aggregate"] = rule
    config |= {"validation": {"last": "3w"}, "categorical": ["shop"], "continuous": [], "features": {}, "history": None}
    config |= {"availability": {}, "baseline": ["shop"]}
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = run("prep", "-c", tmp_path / "d.yaml", "-d", folder, "-o", tmp_path / "p2").stdout
    weeks = table["moment"].dt.to_period("W").nunique()
    assert f"rows read      train {2 * weeks}" in done
    assert "a row every 1w" in done
