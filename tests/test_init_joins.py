"""`tabcli init` on the tables beside the rows: lists of events, prices of a market, dates that stand twice."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.test_init_spelling import begun, folder_of, run, sales


@pytest.mark.parametrize(
    ("freq", "step", "first"),
    [("W-MON", "1w", "2021-02-01"), ("W-SUN", "1w", "2021-02-07"), ("MS", "1mo", "2021-02-01")],
)
def test_events_on_days_become_events_of_weeks_and_months(tmp_path: Path, freq: str, step: str, first: str) -> None:
    """A list of dates without a period is no table to look up the last row of."""
    table = sales(n=80, freq=freq, start="2021-02-01")
    folder = folder_of(tmp_path, table.to_csv(index=False))
    days = pd.to_datetime(["2021-04-03", "2021-05-13", "2021-10-21", "2022-04-16", "2022-05-26", "2022-12-24"])
    last = table["date"].max() + pd.Timedelta("3D")
    events = pd.DataFrame({"day": [*days, last], "fair": ["spring", "may", "autumn", "spring", "may", "x", "new"]})
    folder_of(tmp_path, events.to_csv(index=False), "fairs.csv")
    config, said = begun(folder, "--train", "sales.csv")
    assert "fairs.csv joined by date: a list of events" in said
    assert config["joins"] == [{"table": "fairs", "on": ["date"], "known_in_advance": True}]
    rule = config["tables"]["fairs"]["aggregate"]
    assert rule["by"] == ["date"]
    assert rule["step"] == step
    assert rule.get("start") == (first if step == "1w" else None)
    assert config["features"]["events"]["Fair"]["where"] == {"fair": {"not": ""}}


def test_a_list_of_dates_alone_is_an_event_and_so_is_one_with_dates_twice(tmp_path: Path) -> None:
    table = sales(n=200)
    folder = folder_of(tmp_path, table.to_csv(index=False))
    days = pd.to_datetime(["2019-02-28", "2019-03-29", "2019-05-17", "2019-06-28", "2019-09-30"])
    folder_of(tmp_path, pd.DataFrame({"day": days}).to_csv(index=False), "paydays.csv")
    twice = pd.DataFrame({"date": [*days, days[2]], "feast": ["a", "b", "c", "d", "e", "f"]})
    folder_of(tmp_path, twice.to_csv(index=False), "feasts.csv")
    config, said = begun(folder)
    assert config["tables"]["paydays"]["aggregate"] == {"by": ["date"], "count": "paydays_events"}
    assert config["features"]["events"]["PaydaysEvents"]["where"] == {"paydays_events": 1}
    assert config["tables"]["feasts"]["aggregate"] == {"by": ["date"], "last": ["feast"]}
    assert "feasts.csv: 1 rows repeat the date of another: the last one's values are taken" in said
    assert config["features"]["events"]["Feast"]["where"] == {"feast": {"not": ""}}
    assert {"PaydaysEvents_bw", "AfterFeast"} <= {*config["categorical"], *config["continuous"]}


def test_events_of_days_hold_for_all_hours_of_a_day(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, sales(n=24 * 40, freq="h").to_csv(index=False))
    days = pd.to_datetime(["2019-02-06", "2019-02-20", "2019-03-01", "2019-03-20"])
    folder_of(tmp_path, pd.DataFrame({"day": days, "match": ["x", "y", "x", "z"]}).to_csv(index=False), "matches.csv")
    config, _ = begun(folder, "--horizon", "48h")
    join = {"table": "matches", "as_of": "day", "max_age": "23h", "known_in_advance": True}
    assert config["joins"] == [join]


def test_prices_of_a_market_are_past_only_and_those_of_an_article_are_plans(tmp_path: Path) -> None:
    """Both tables reach beyond the end: what a market will ask nobody knows."""
    table = sales(n=200)
    folder = folder_of(tmp_path, table.to_csv(index=False))
    days = pd.date_range("2019-02-01", periods=260)
    folder_of(
        tmp_path, pd.DataFrame({"date": days, "oil_price": 40 + np.arange(260) % 31 / 7}).to_csv(index=False), "oil.csv"
    )
    plans = pd.MultiIndex.from_product([["A", "B"], days], names=["shop", "date"]).to_frame(index=False)
    plans["price"] = 3 + np.arange(520) % 13 / 4
    folder_of(tmp_path, plans.to_csv(index=False), "prices.csv")
    config, said = begun(folder, "--train", "sales.csv", "--target", "sales")
    known = {j["table"]: j.get("known_in_advance", False) for j in config["joins"]}
    assert known == {"oil": False, "prices": True}
    assert "oil_price" not in config["continuous"]
    assert "price" in config["continuous"]
    assert "oil.csv joined by date: by date; known only once the day has passed, unless you say" in said


def test_a_table_that_cannot_be_joined_says_why(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, sales(n=200).to_csv(index=False))
    days = pd.date_range("2019-02-01", periods=200)
    weather = pd.DataFrame({"date": [*days, *days], "station": ["x"] * 200 + ["y"] * 200, "rain": np.arange(400) / 7})
    folder_of(tmp_path, weather.to_csv(index=False), "weather.csv")
    said = run("init", folder, "--out", tmp_path / "c.yaml", "--train", "sales.csv").stdout
    assert "weather.csv not used: several rows of it have one date, and no column of it tells them apart" in said
