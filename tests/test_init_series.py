"""`tabcli init` and the whole job on one series, on candidates for the target, and on steps without rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import tabcli
from tests.test_init_spelling import N, begun, folder_of, run, sales

FAST = ["-S", "train.epochs=1", "-S", "train.threads=1", "-S", "train.members=1", "-S", "model.layers=[16]"]
FAST += ["-S", "calibration.windows=0"]


def one(n: int = 200) -> pd.DataFrame:
    """One series: day, promo, load."""
    days = pd.date_range("2023-01-02", periods=n)
    return pd.DataFrame({"day": days, "promo": np.arange(n) % 3 // 2, "load": 50 + np.arange(n) % 11})


# ------------------------------------------------------------------------------------------ one series


def test_one_series_needs_no_column_from_init_to_evaluate_and_backtest(tmp_path: Path) -> None:
    table = one()
    folder = folder_of(tmp_path, table[:-14].drop(columns="promo").to_csv(index=False), "past.csv")
    truth = tmp_path / "truth.csv"
    table[-14:].drop(columns="promo").to_csv(truth, index=False)
    config, said = begun(folder, "--horizon", "14d")
    assert config["series"] == []
    assert "series none: one series: day alone names a row" in said
    assert f"predict run --data {folder} --out forecast.csv --horizon 14d" in said
    run("train", "-p", tmp_path / "prep", "-o", tmp_path / "run", *FAST)
    out = tmp_path / "forecast.csv"
    run("predict", tmp_path / "run", "-d", folder, "-o", out, "--horizon", "14d")
    made = pd.read_csv(out)
    assert list(made.columns) == ["day", "load"]
    assert made["day"].tolist() == pd.read_csv(truth)["day"].tolist()
    words = ["--history", folder / "past.csv", "--date", "day"]
    assert "the last value" in run("evaluate", out, truth, *words).stdout
    done = run("backtest", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "bt", "--folds", 1, *FAST)
    assert "seasonal_naive" in done.stdout


def test_a_constant_column_names_the_one_series_and_a_flag_does_not(tmp_path: Path) -> None:
    for column, value, series in (("shop", "S0", ["shop"]), ("store_id", 17, ["store_id"]), ("weight", 17, [])):
        folder = folder_of(tmp_path, one().assign(**{column: value}).to_csv(index=False))
        config, said = begun(folder, "--target", "load")
        assert config["series"] == series
        assert "series " + (", ".join(series) or "none") in said


@pytest.mark.parametrize(("key", "names"), [("garage", "PQR"), ("garage_id", (31, 7, 12))])
def test_a_size_that_differs_for_each_series_is_not_taken_for_its_name(tmp_path: Path, key: str, names: Any) -> None:
    sizes = dict(zip(names, (577, 450, 1200), strict=True))
    table = pd.concat([one().assign(**{key: name, "places": size}) for name, size in sizes.items()])
    folder = folder_of(tmp_path, table.to_csv(index=False))
    config, said = begun(folder, "--target", "load", "--horizon", "14d")
    assert config["series"] == [key]
    assert f"series {key}: with day it names one row" in said
    assert config["availability"]["static"] == ["places"]


def test_what_numbers_the_rows_or_the_dates_is_no_history(tmp_path: Path) -> None:
    table = sales(n=48, freq="MS")
    year = table["date"].dt.year + (table["date"].dt.month - 1) / 12
    table = table.assign(rownames=np.arange(1, 97), step=np.tile(np.arange(48), 2), decimal=year, listed=7.5)
    table["listed"] += np.random.default_rng(0).uniform(size=len(table))
    table = table.assign(month=table["date"].dt.month, open=np.arange(96) % 3 != 0).astype({"open": int})
    folder = folder_of(tmp_path, table.to_csv(index=False))
    config, _ = begun(folder, "--target", "sales", "--series", "shop", "--horizon", "6mo")
    assert config["history"]["columns"] == ["listed"]
    assert {"rownames", "step", "decimal"} <= set(config["availability"]["past_only"])


def test_a_config_with_one_series_refuses_a_date_that_stands_twice(tmp_path: Path) -> None:
    table = one().drop(columns="promo")
    folder = folder_of(tmp_path, table.to_csv(index=False))
    begun(folder)
    folder_of(tmp_path, pd.concat([table, table[5:6]]).to_csv(index=False))
    said = run("prep", "-c", tmp_path / "c.yaml", "-d", folder, "-o", tmp_path / "p2", code=4).stderr
    assert "1 rows repeat the key (day) of another row: day=2023-01-07" in said


def test_a_target_and_a_date_are_no_series(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, one().to_csv(index=False))
    for column, what in (("load", "the target"), ("day", "the date")):
        said = run("init", folder, "--out", tmp_path / "c.yaml", "--target", "load", "--series", column, code=2).stderr
        assert f"--series {column}: {column} is {what}, which names no series" in said
    config, _ = begun(folder, "--target", "load")
    config["series"] = ["load"]
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    said = run("config", "check", tmp_path / "d.yaml", code=3).stderr
    assert "target.column: 'load' is a series column too" in said


# ------------------------------------------------------------------------------------------ candidates


def test_keys_row_numbers_parts_of_the_date_flags_and_summands_are_no_targets(tmp_path: Path) -> None:
    n = 300
    days = pd.date_range("2022-01-01", periods=n)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"row": np.arange(1, n + 1), "day": days, "yr": days.year, "mnth": days.month})
    table["workingday"] = (days.day_of_week < 5).astype("int64")
    table["weather_code"] = rng.integers(1, 4, n)
    table["walk_ins"], table["members"] = rng.integers(50, 90, n), rng.integers(300, 400, n)
    table["total"] = table["walk_ins"] + table["members"]
    folder = folder_of(tmp_path, table.to_csv(index=False))
    config, said = begun(folder)
    assert config["target"]["column"] == "total"
    assert "target total: it is the sum of walk_ins, members" in said
    assert "walk_ins + members = total: never inputs of their own day" in said
    assert config["series"] == []
    roles = config["availability"]
    assert {"walk_ins", "members", "row"} <= {*roles["past_only"]}
    assert not {"walk_ins", "members", "row", "total"} & {*config["categorical"], *config["continuous"]}
    only = folder_of(tmp_path, table[["row", "day", "mnth", "workingday"]].to_csv(index=False))
    said = run("init", only, "--out", tmp_path / "x.yaml", code=2).stderr
    assert "no column of numbers that may be the target" in said
    for line in ("row is a number of the row", "mnth is a part of the date", "workingday is a flag of 0 and 1"):
        assert line in said


def test_a_year_that_the_forecast_leaves_and_row_numbers_are_no_inputs(tmp_path: Path) -> None:
    table = sales(n=330, start="2021-02-01").assign(year=lambda t: t["date"].dt.year)
    folder = folder_of(tmp_path, table.to_csv(index=False))
    begun(folder, "--horizon", "28d")
    text = (tmp_path / "c.yaml").read_text(encoding="utf-8")
    assert "#   year: one value only" in text
    table = sales(n=690, start="2021-02-01").assign(year=lambda t: t["date"].dt.year, n=lambda t: np.arange(len(t)))
    table = table[table["date"] <= "2022-12-20"]
    late = pd.DataFrame({"shop": ["A", "B"], "date": "2023-01-05", "year": 2023, "n": [900, 901]})
    folder_of(tmp_path, table.to_csv(index=False))
    folder_of(tmp_path, late.to_csv(index=False), "next.csv")
    config, _ = begun(folder)
    assert "year" not in config["categorical"]
    text = (tmp_path / "c.yaml").read_text(encoding="utf-8")
    assert "#   year: a year, and 2023 is none that was learned from" in text


@pytest.mark.parametrize("ahead", ["", "0"])
def test_a_target_that_is_empty_or_zero_in_the_rows_to_forecast_is_the_target(tmp_path: Path, ahead: str) -> None:
    table = sales(n=150).assign(promo=lambda t: (np.arange(len(t)) % 4 == 0).astype("int64"))
    table["customers"] = table["sales"] // 7
    late = table["date"] > table["date"].max() - pd.Timedelta("10D")
    folder = folder_of(tmp_path, table[~late].to_csv(index=False), "train.csv")
    future = table[late].assign(sales=ahead).drop(columns="customers")
    folder_of(tmp_path, future.to_csv(index=False), "future.csv")
    config, said = begun(folder)
    assert config["target"]["column"] == "sales"
    assert config["availability"] == {"known_in_advance": ["promo"], "past_only": ["customers"]}
    folder_of(tmp_path, table[late].assign(customers="").drop(columns="sales").to_csv(index=False), "future.csv")
    config, said = begun(folder)
    assert config["availability"] == {"known_in_advance": ["promo"], "past_only": ["customers"]}
    assert "column customers of the future not used: no row of it holds a value" in said


# ----------------------------------------------------------------------------------- steps and their rows


def test_one_odd_date_does_not_make_weeks_days_nor_do_last_business_days(tmp_path: Path) -> None:
    weeks = sales(n=80, freq="W-MON")
    weeks.loc[100, "date"] += pd.Timedelta("1D")
    config, said = begun(folder_of(tmp_path, weeks.to_csv(index=False)))
    assert config["frequency"] == "1w"
    odd = weeks.loc[100, "date"]
    assert (
        f"step 1w: most rows of a series are 1w apart, but 1 row between: {odd.date()}, a Tuesday, in row 101" in said
    )
    assert (
        "to forecast"
        not in run("prep", "-c", tmp_path / "c.yaml", "-d", tmp_path / "data", "-o", tmp_path / "p").stdout
    )
    months = sales(n=48, freq="BME")
    config, said = begun(folder_of(tmp_path, months.to_csv(index=False)))
    assert config["frequency"] == "1mo"
    assert "step 1mo: " in said
    assert config["validation"] == {"last": "3mo"}


def test_weeks_that_begin_on_different_weekdays_are_weeks_and_are_forecast_on_their_own(tmp_path: Path) -> None:
    table = sales(n=90, freq="W-MON")
    table.loc[table["shop"] == "B", "date"] += pd.Timedelta("2D")
    folder = folder_of(tmp_path, table.to_csv(index=False))
    _, said = begun(folder, "--horizon", "4w")
    assert "series shop: its values are series whose dates lie between each other's" in said
    assert "most rows of a series are 1w apart, though series begin on different days" in said
    run("train", "-p", tmp_path / "prep", "-o", tmp_path / "run", *FAST)
    run("predict", tmp_path / "run", "-d", folder, "-o", tmp_path / "f.csv", "--horizon", "4w")
    made = pd.read_csv(tmp_path / "f.csv", parse_dates=["date"])
    days = {shop: {*rows.dt.day_name()} for shop, rows in made.groupby("shop")["date"]}
    assert days == {"A": {"Monday"}, "B": {"Wednesday"}}
    first = made.groupby("shop")["date"].min() - table.groupby("shop")["date"].max()
    assert (first == pd.Timedelta("7D")).all()


def test_a_weekday_without_rows_gets_none(tmp_path: Path) -> None:
    table = sales(n=160)
    table = table[(table["date"].dt.day_of_week != 6) & ((table["shop"] != "B") | (table["date"].dt.day_of_week != 5))]
    folder = folder_of(tmp_path, table.to_csv(index=False))
    _, said = begun(folder, "--horizon", "14d")
    assert "no rows on Saturdays of 1 of 2 series, Sundays: a forecast by --horizon makes none for them either" in said
    run("train", "-p", tmp_path / "prep", "-o", tmp_path / "run", *FAST)
    done = run("predict", tmp_path / "run", "-d", folder, "-o", tmp_path / "f.csv", "--horizon", "14d")
    assert "the series had no row on a Sunday in their last year" in done.stderr
    assert "1 series had no row on a Saturday in their last year" in done.stderr
    made = pd.read_csv(tmp_path / "f.csv", parse_dates=["date"])
    assert made["shop"].value_counts().to_dict() == {"A": 12, "B": 10}
    assert not (made["date"].dt.day_of_week == 6).any()


def test_series_that_end_early_are_told_and_gaps_are_counted(tmp_path: Path) -> None:
    table = sales(n=200)
    table = table[(table["shop"] == "A") | (table["date"] < table["date"].min() + pd.Timedelta("100D"))]
    table = table[(np.arange(len(table)) % 9 != 3) | (table["shop"] == "A").to_numpy()]
    _, said = begun(folder_of(tmp_path, table.to_csv(index=False)))
    assert "1 of 2 series end before the others, the first on 2019-05-1" in said
    assert "taken as unknown; if no row means that 0 were sold, set target: {no_row: zero}" in said


# ------------------------------------------------------------------------------------------------ zeros


@pytest.mark.parametrize(("shut", "usual"), [("No", "Yes"), (2, 1), (0, 1), ("FALSE", "TRUE")])
def test_zeros_are_told_by_a_flag_of_any_kind(tmp_path: Path, shut: Any, usual: Any) -> None:
    table = sales(n=150)
    closed = table["date"].dt.day.isin([5, 20])
    table["open"] = np.where(closed, shut, usual)
    table.loc[closed, "sales"] = 0
    config, said = begun(folder_of(tmp_path, table.to_csv(index=False)), "--target", "sales")
    value = config["target"]["drop_where"]["open"]
    assert str(value).upper() == str(shut).upper()
    assert config["target"]["transform"] == "log"
    assert "forecasts are made as if it were open" in said
    late = table["date"] > table["date"].max() - pd.Timedelta("20D")
    folder = folder_of(tmp_path, table[~late].to_csv(index=False))
    folder_of(tmp_path, table[late].drop(columns="sales").to_csv(index=False), "next.csv")
    config, said = begun(folder)
    assert str(config["forecast"]["zero_where"]["open"]).upper() == str(shut).upper()
    assert config["features"]["events"]["Closed"]["where"] == config["forecast"]["zero_where"]


def test_mostly_zeros_get_squared_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    table = sales(n=150).assign(sales=lambda t: rng.poisson(0.3, len(t)))
    config, said = begun(folder_of(tmp_path, table.to_csv(index=False)))
    assert (config["target"]["transform"], config["metric"]) == ("identity", "rmse")
    assert "sums of it can be ordered by" in said


def test_no_row_may_mean_zero(tmp_path: Path) -> None:
    table = sales(n=100)
    gone = (table["shop"] == "B") & (table["date"].dt.day % 2 == 0)
    folder = folder_of(tmp_path, table[~gone].to_csv(index=False))
    config, _ = begun(folder)
    config["target"] |= {"no_row": "zero", "transform": "log1p"}
    config["metric"] = "wape"
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = run("prep", "-c", tmp_path / "d.yaml", "-d", folder, "-o", tmp_path / "p2").stdout
    first = table.loc[(table["shop"] == "B") & ~gone, "date"].min()
    expected = len(table) - ((table["shop"] == "B") & (table["date"] < first)).sum()
    assert f"rows read      train {expected}" in done


def test_series_that_end_apart_are_forecast_from_their_own_end(tmp_path: Path) -> None:
    """A collection of series, most of which end long before the last; their weeks begin on weekdays of their own."""
    table = pd.concat([sales(n=90, freq="W-MON"), sales(n=90, freq="W-THU").replace({"A": "C", "B": "D"})])
    last = {"A": 90, "B": 70, "C": 60, "D": 50}
    table = pd.concat([rows[: last[str(shop)]] for shop, rows in table.groupby("shop")])
    folder = folder_of(tmp_path, table.to_csv(index=False))
    config, said = begun(folder, "--horizon", "4w")
    assert config["forecast"] == {"start": "own"}
    assert "3 of 4 series end before the others, the first on 2020-01-" in said
    assert "forecasts begin each after its own last date; {start: common} lets all begin" in said
    run("train", "-p", tmp_path / "prep", "-o", tmp_path / "run", *FAST)
    run("predict", tmp_path / "run", "-d", folder, "-o", tmp_path / "f.csv", "--horizon", "4w")
    made = pd.read_csv(tmp_path / "f.csv", parse_dates=["date"])
    for shop, rows in made.groupby("shop"):
        end = table.loc[table["shop"] == shop, "date"].max()
        assert rows["date"].tolist() == [end + pd.Timedelta(7 * i, unit="D") for i in range(1, 5)]
    text = (tmp_path / "c.yaml").read_text(encoding="utf-8").replace("start: own", "start: common")
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    config["features"]["holidays"] = {"Public": {"country": "DE"}}
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    said = run("config", "check", tmp_path / "d.yaml", code=3).stderr
    assert "forecast.start: own moves series to a common end; it does not go with features.holidays" in said


@pytest.mark.parametrize("column", ["shop", "day"])
def test_a_row_without_a_part_of_its_key_is_told_by_its_number(tmp_path: Path, column: str) -> None:
    """It ended as a bug."""
    rows = pd.concat([one().assign(shop=shop) for shop in ("A", "B")], ignore_index=True)
    rows[column] = rows[column].astype(object).where(rows.index != 3)
    folder = folder_of(tmp_path, rows.to_csv(index=False))
    done = run(
        "init", folder, "--out", tmp_path / "my.yaml", "--series", "shop", "--date", "day", "--horizon", "7d", code=4
    )
    assert f"column '{column}': 1 rows have no value: row 4" in done.stderr


def test_rows_to_forecast_that_overlap_the_past_are_told(tmp_path: Path) -> None:
    """They were joined as facts of the day before, and `predict` then missed the rows to forecast."""
    table = sales()
    ahead = table.drop(columns="sales").assign(date=table["date"] + pd.Timedelta(20, unit="D"))
    folder = folder_of(tmp_path, table.assign(promo=1).to_csv(index=False))
    folder_of(tmp_path, ahead.assign(promo=1).to_csv(index=False), "next.csv")
    _, said = begun(folder)
    assert "next.csv: CHECK: it has the columns of rows to forecast, but 200 of its 240 rows are not after" in said
    calendar = table[["date"]].drop_duplicates().assign(fair=np.arange(N) % 2)
    folder_of(tmp_path, calendar.to_csv(index=False), "next.csv")
    assert "of rows to forecast" not in begun(folder)[1]


@pytest.mark.parametrize(
    ("freq", "n", "base"),
    [("D", 25, "6d"), ("D", 60, None), ("MS", 8, "2mo"), ("15min", 300, "1125min")],
)
def test_a_config_for_a_short_table_runs_as_it_is(tmp_path: Path, freq: str, n: int, base: str | None) -> None:
    """Its history would have looked further back than the table reaches."""
    dates = pd.date_range("2024-01-01", periods=n, freq=freq, unit="us")
    rows = pd.DataFrame({"shop": np.repeat(["A", "B"], n), "at": [*dates, *dates]})
    (tmp_path / "data").mkdir()
    rows.assign(sales=50 + np.arange(2 * n) % 7).to_csv(tmp_path / "data" / "sales.csv", index=False)
    made = tabcli.init(tmp_path / "data", tmp_path / "my.yaml").config
    assert made.history is not None
    assert made.history.base is None if base is None else str(made.history.base).startswith(base)
    prep = tabcli.prep(tmp_path / "my.yaml", tmp_path / "data")
    run = tabcli.train(prep, overrides=["train.epochs=1", "train.members=1", "variants=[]"])
    assert np.isfinite(tabcli.predict(run, tmp_path / "data", horizon=str(made.validation.last)).table["sales"]).all()


@pytest.mark.parametrize(("freq", "days", "there"), [("h", 300, False), ("h", 800, True), ("D", 300, True)])
def test_the_day_of_the_month_of_hours_is_an_input_from_two_years_on(
    tmp_path: Path, freq: str, days: int, there: bool
) -> None:
    """In fewer months its 24 rows name a single date, of which a network learns what does not come again."""
    dates = pd.date_range("2021-01-04", periods=days * (24 if freq == "h" else 1), freq=freq, unit="us")
    (tmp_path / "data").mkdir()
    rows = pd.DataFrame({"at": dates, "sales": 50 + np.arange(len(dates)) % 23})
    rows.to_csv(tmp_path / "data" / "sales.csv", index=False)
    made = tabcli.init(tmp_path / "data", tmp_path / "my.yaml", horizon="7d").config
    assert ("atDay" in made.categorical) == there
    assert "atDayofweek" in made.categorical


def test_past_windows_before_which_there_is_too_little_past_are_not_forecast(tmp_path: Path) -> None:
    """The last of several windows had rows to learn from, but none with a past as long as history.base."""
    dates = pd.date_range("2024-01-01", periods=50, unit="us")
    (tmp_path / "data").mkdir()
    pd.DataFrame({"day": dates, "sales": 50 + np.arange(50) % 11}).to_csv(tmp_path / "data" / "sales.csv", index=False)
    tabcli.init(tmp_path / "data", tmp_path / "my.yaml", horizon="5d")
    overrides = ["history.base=20d", "calibration.windows=5", "train.epochs=1", "train.members=1", "variants=[]"]
    prep = tabcli.prep(tmp_path / "my.yaml", tmp_path / "data", overrides=overrides)
    run = tabcli.train(prep, overrides=overrides)
    assert len(run.metrics.windows) == 4, "the fifth before the validation rows has 20 rows before it"
