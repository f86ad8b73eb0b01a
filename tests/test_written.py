"""Dates of a forecast are written as the owner of the tables writes them, where such texts are read as those dates."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabcli
from tabcli.cli.app import app
from tabcli.config.data import Table
from tabcli.tables.kinds import as_text
from tabcli.tables.written import as_written

DAYS = pd.Series(pd.date_range("2015-12-20", periods=60, freq="D", unit="us"))
WEEKS = pd.Series(pd.date_range("2015-12-21", periods=60, freq="W-MON", unit="us"))
QUARTERS = pd.Series(pd.date_range("2015-01-01", periods=20, freq="QS", unit="us"))
MONTHS = pd.Series(pd.date_range("2015-01-01", periods=60, freq="MS", unit="us"))
HOURS = pd.Series(pd.date_range("2015-12-31", periods=60, freq="h", unit="us"))


def weeks(form: str) -> list[str]:
    return [form.format(y=d.isocalendar().year, w=d.isocalendar().week) for d in WEEKS]


def numbers(dates: pd.Series, first: int) -> list[str]:
    return [str(first + i) for i in range(len(dates))]


def quarters(form: str) -> list[str]:
    return [form.format(y=d.year, q=d.quarter) for d in QUARTERS]


WAYS: dict[str, tuple[pd.Series, list[str], dict[str, Any]]] = {
    "31.12.2015": (DAYS, [f"{d:%d.%m.%Y}" for d in DAYS], {"day_first": True}),
    "1.7.2015": (DAYS, [f"{d.day}.{d.month}.{d.year}" for d in DAYS], {"day_first": True}),
    "12/31/15": (DAYS, [f"{d:%m/%d/%y}" for d in DAYS], {"day_first": False}),
    "1/2/2016 07:00": (HOURS, [f"{d.month}/{d.day}/{d.year} {d:%H:%M}" for d in HOURS], {"day_first": False}),
    "by format": (DAYS, [f"{d:%d-%b-%Y}" for d in DAYS], {"date_format": "%d-%b-%Y"}),
    "20151231": (DAYS, [f"{d:%Y%m%d}" for d in DAYS], {"date_format": "%Y%m%d"}),
    "2016 W30": (WEEKS, weeks("{y} W{w:02d}"), {"date_format": "week"}),
    "2016-W5": (WEEKS, weeks("{y}-W{w}"), {"date_format": "week"}),
    "W05 2016": (WEEKS, weeks("W{w:02d} {y}"), {"date_format": "week"}),
    "2016Q1": (QUARTERS, quarters("{y}Q{q}"), {"date_format": "quarter"}),
    "Q1/2016": (QUARTERS, quarters("Q{q}/{y}"), {"date_format": "quarter"}),
    "Q1-16": (QUARTERS, [f"Q{d.quarter}-{d:%y}" for d in QUARTERS], {"date_format": "quarter"}),
    "1Q2016": (QUARTERS, quarters("{q}Q{y}"), {"date_format": "quarter"}),
    "201605": (WEEKS, [f"{d:%G%V}" for d in WEEKS], {"date_format": "%G%V"}),
    "1/2/2016 7:00 AM": (
        HOURS,
        [f"{d.month}/{d.day}/{d.year} {int(f'{d:%I}')}:{d:%M %p}" for d in HOURS],
        {"day_first": False},
    ),
    "excel": (DAYS, [str((d - pd.Timestamp("1899-12-30")).days) for d in DAYS], {"date_format": "excel"}),
    "week 40": (WEEKS, numbers(WEEKS, 40), {"date_format": "weeks since 2015-03-16"}),
    "month 0": (MONTHS, numbers(MONTHS, 0), {"date_format": "months since 2015-01-01"}),
    "quarter 1": (QUARTERS, numbers(QUARTERS, 1), {"date_format": "quarters since 2014-10-01"}),
    "hour 7": (HOURS, numbers(HOURS, 7), {"date_format": "hours since 2015-12-30T17:00"}),
    "seconds": (HOURS, [str(int(d.timestamp())) for d in HOURS], {"date_format": "seconds"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_dates_are_written_as_their_owner_writes_them(way: str) -> None:
    dates, texts, options = WAYS[way]
    known, ahead = pd.Series(texts[:40]), dates[40:]
    made = as_written(ahead, as_text(known), Table(file="", **options))
    assert made.astype("str").tolist() == texts[40:]


def test_where_no_way_of_writing_gives_the_texts_back_dates_stay_dates() -> None:
    _, texts, options = WAYS["31.12.2015"]
    mixed = as_text(pd.Series([*texts[:20], "01/02/2016"]))
    pd.testing.assert_series_equal(as_written(DAYS, mixed, Table(file="", **options)), DAYS)
    midday = DAYS + pd.Timedelta(12, unit="h")  # of which the owner's texts would say less
    pd.testing.assert_series_equal(as_written(midday, as_text(pd.Series(texts)), Table(file="", **options)), midday)


@pytest.mark.parametrize("way", ["file", "horizon"])
def test_a_forecast_goes_back_to_its_owner_and_is_evaluated(tmp_path: Path, way: str) -> None:
    rows = pd.DataFrame({"shop": np.repeat(["A", "B"], 60), "week": weeks("{y} W{w:02d}") * 2})
    rows["sales"] = 50 + np.arange(120) % 7
    late = rows["week"].isin(rows["week"].unique()[52:])
    data = tmp_path / "data"
    data.mkdir()
    rows[~late].to_csv(data / "train.csv", index=False)
    if way == "file":
        rows[late].drop(columns="sales").to_csv(data / "future.csv", index=False)
    config = tabcli.init(data, tmp_path / "my.yaml", horizon="8w").path
    run = tabcli.train(tabcli.prep(config, data), overrides=["train.epochs=1", "calibration.windows=0", "variants=[]"])
    made = tabcli.predict(run, data, tmp_path / "f.csv", horizon=None if way == "file" else "8w")
    assert pd.read_csv(tmp_path / "f.csv")["week"].tolist() == rows.loc[late, "week"].tolist()
    assert made.table["week"].dtype.kind == "M"
    rows[late].to_csv(tmp_path / "truth.csv", index=False)
    plain = ["evaluate", str(tmp_path / "f.csv"), str(tmp_path / "truth.csv")]
    history = ["--history", str(data / "train.csv"), "--date", "week", "--series", "shop", "--read", "date_format=week"]
    for words in (plain, [*plain, *history]):
        done = CliRunner().invoke(app, words, prog_name="tabcli")
        assert done.exit_code == 0, done.output
