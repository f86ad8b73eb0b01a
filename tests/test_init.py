"""`tabcli init` and what its config leads to: prep, train and predict without an edit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

import tabcli
from tabcli.cli import begin
from tabcli.cli.app import app
from tabcli.errors import UsageError
from tests.conftest import make_tables, write_folder

WEEKS, AHEAD = 120, 6
FAST = [
    "-S",
    "train.epochs=1",
    "-S",
    "train.threads=1",
    "-S",
    "model.layers=[16]",
    "-S",
    "calibration.windows=0",
    "-S",
    "train.members=1",
]


def run(*words: object, code: int = 0, text: str | None = None) -> Result:
    done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli", input=text)
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
    assert "Traceback" not in done.output
    return done


def weekly_tables() -> dict[str, pd.DataFrame]:
    """Weekly sales of articles in shops, prices, an action, facts of shops and of articles, and six weeks ahead."""
    rng = np.random.default_rng(3)
    weeks = pd.date_range("2021-01-04", periods=WEEKS + AHEAD, freq="7D", unit="us")
    keys = pd.MultiIndex.from_product([["S01", "S02", "S03"], [4711, 4712, 4713, 4714], weeks])
    rows = keys.set_names(["shop", "article", "week_start"]).to_frame(index=False)
    n, turn = len(rows), rows["week_start"].dt.isocalendar().week.to_numpy(dtype="float64")
    rows["aktion"] = ((rows["article"] + rows["week_start"].dt.day_of_year // 7) % 4 == 0).astype("int64")
    price = rows[["shop", "article", "week_start"]].assign(price=np.round(2.5 * (1 + rng.normal(0, 0.05, n)), 2))
    level = rows["article"] % 10 * 20.0 * (1 + 0.5 * rows["aktion"]) * (1 + 0.2 * np.sin(turn / 52 * 6.28))
    rows["pieces_sold"] = np.round(level * np.exp(rng.normal(0, 0.1, n))).astype("int64")
    rows["returns"] = rows["pieces_sold"] // 10
    ahead = (rows["week_start"] >= weeks[WEEKS]).to_numpy()
    shops = pd.DataFrame({"shop": ["S01", "S02", "S03"], "town": ["A", "B", "A"], "area": [120.5, 80.0, 240.25]})
    articles = pd.DataFrame({"article": [4711, 4712, 4713, 4714], "family": ["x", "x", "y", "y"]})
    future = rows[ahead].drop(columns=["pieces_sold", "returns"])
    future.insert(0, "line", np.arange(len(future)))
    return {"verkauf": rows[~ahead], "naechste": future, "prices": price, "laeden": shops, "artikel": articles}


@pytest.fixture
def weekly(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, table in weekly_tables().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def loaded(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def job(folder: Path, root: Path, *options: str) -> pd.DataFrame:
    """Prep, train and predict with root/config.yaml as it is; the forecast."""
    run("prep", "-c", root / "config.yaml", "-d", folder, "-o", root / "prep")
    run("train", "-p", root / "prep", "-o", root / "run", *FAST, *options)
    run("predict", root / "run", "-d", folder, "-o", root / "forecast.csv")
    return pd.read_csv(root / "forecast.csv")


# ---------------------------------------------------------------------------- what it finds, and the job


def test_a_weekly_folder_with_two_keys(weekly: Path, tmp_path: Path) -> None:
    done = run("init", weekly, "--out", tmp_path / "config.yaml")
    assert "series shop, article: with week_start they name one row" in done.stdout
    config = loaded(tmp_path / "config.yaml")
    assert config["tables"]["train"]["file"] == "verkauf.csv"
    assert config["tables"]["future"]["file"] == "naechste.csv"
    assert (config["series"], config["date"], config["id"]) == (["shop", "article"], "week_start", "line")
    assert config["target"]["column"] == "pieces_sold"
    assert config["availability"] == {"known_in_advance": ["aktion"], "past_only": ["returns"]}
    joins = {j["table"]: {k: v for k, v in j.items() if k != "table"} for j in config["joins"]}
    assert joins["laeden"] == {True: ["shop"]}  # YAML 1.1 takes `on` for true; tabcli does not
    assert joins["artikel"] == {True: ["article"]}
    assert joins["prices"] == {True: ["shop", "article", "week_start"], "known_in_advance": True}
    assert config["features"]["events"]["Aktion"] == {"where": {"aktion": 1}, "window": "4w", "cap": "12w"}
    assert config["history"]["effects"] == ["aktion"]
    assert config["model"] == {"history": "base"}
    assert {"shop", "article", "family", "town"} <= set(config["categorical"])
    assert {"price", "area"} <= set(config["continuous"])
    made = job(weekly, tmp_path)
    assert made["line"].tolist() == list(range(12 * AHEAD))
    assert (made["pieces_sold"] > 0).all()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["valid_rows"] == 12 * AHEAD
    assert metrics["valid_rmspe"] < 0.6


def test_the_same_folder_as_a_spreadsheet_of_another_country_writes_it(weekly: Path, tmp_path: Path) -> None:
    """Semicolons, decimal commas, days first, cp1252: the same prep as of the plain files."""
    other = tmp_path / "other"
    other.mkdir()
    for name, table in weekly_tables().items():
        if "week_start" in table:
            table = table.assign(week_start=table["week_start"].dt.strftime("%d.%m.%Y"))
        if name == "laeden":
            table["town"] = table["town"].map({"A": "Köln", "B": "Bonn"})
        table.to_csv(other / f"{name}.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    run("init", weekly, "--out", tmp_path / "config.yaml")
    done = run("init", other, "--out", tmp_path / "other.yaml")
    assert "laeden.csv: not UTF-8: the encoding is a guess" in done.stdout
    assert loaded(tmp_path / "other.yaml")["tables"]["prices"] == {
        "file": "prices.csv",
        "decimal": ",",
        "day_first": True,
    }
    for name, folder in (("config", weekly), ("other", other)):
        run("prep", "-c", tmp_path / f"{name}.yaml", "-d", folder, "-o", tmp_path / f"{name}-prep")
    for part in ("train", "valid", "future"):
        made, expected = (
            pd.read_parquet(tmp_path / f"{name}-prep" / f"{part}.parquet") for name in ("other", "config")
        )
        assert set(made["town"]) == set(expected["town"])
        pd.testing.assert_frame_equal(made.drop(columns="town"), expected.drop(columns="town"))


def test_the_tables_of_synth(tmp_path: Path) -> None:
    run("synth", tmp_path / "data", "--stores", 12, "--days", 640)
    run("init", tmp_path / "data", "--out", tmp_path / "config.yaml")
    config = loaded(tmp_path / "config.yaml")
    assert config["forecast"] == {"zero_where": {"open": 0}}
    assert config["target"] == {"column": "sales", "transform": "log", "drop_where": {"sales": 0}}
    assert config["history"] == {"effects": ["day_of_week", "promo"], "columns": ["customers"]}
    assert config["tables"]["train"]["dtypes"] == {"state_holiday": "str"}
    assert set(config["features"]["events"]) == {"Closed", "Promo", "StateHoliday", "SchoolHoliday"}
    assert config["features"]["to_month_end"] == {"DaysToMonthEnd": {"date": "date"}}
    assert "DaysToMonthEnd" in config["categorical"]
    assert config["features"]["spans"]["Promo2Weeks"]["since"] == {
        "year": "promo2_since_year",
        "week": "promo2_since_week",
    }
    assert [j["table"] for j in config["joins"]] == ["store_states", "stores", "weather"]
    assert "truth" not in config["tables"]
    assert len(job(tmp_path / "data", tmp_path)) == 12 * 48


def test_the_test_tables_in_python(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    made = tabcli.init(folder)
    assert made.path is None
    assert made.config.series == ("shop",)
    assert made.config.forecast.fill == {"open": 1}
    assert made.config.forecast.zero_where == {"open": 0}
    assert made.config.target.column == "units"
    assert any("units: of units, visitors it has a target's name" in r for r in made.reasons)


def test_without_a_future_table_the_horizon_is_said_or_given(weekly: Path, tmp_path: Path) -> None:
    (weekly / "naechste.csv").unlink()
    (weekly / "prices.csv").unlink()
    run("init", weekly, "--out", tmp_path / "a.yaml", "--train", "verkauf.csv", "--target", "pieces_sold")
    config = loaded(tmp_path / "a.yaml")
    assert config["validation"] == {"last": "8w"}
    assert config["availability"] == {"past_only": ["aktion", "returns"]}
    assert "aktion" not in config["categorical"]
    words = ["--train", "verkauf.csv", "--target", "pieces_sold", "--horizon", "5w"]
    run("init", weekly, "--out", tmp_path / "b.yaml", *words)
    assert loaded(tmp_path / "b.yaml")["validation"] == {"last": "5w"}
    run("prep", "-c", tmp_path / "b.yaml", "-d", weekly, "-o", tmp_path / "prep")
    run("train", "-p", tmp_path / "prep", "-o", tmp_path / "run", *FAST)


def test_a_weekly_table_beside_daily_rows_is_joined_as_of(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    weeks = pd.date_range("2020-12-14", periods=40, freq="7D", unit="us")
    pd.DataFrame({"day": weeks, "interest": np.arange(40.0)}).to_csv(folder / "interest.csv", index=False)
    run("init", folder, "--out", tmp_path / "config.yaml")
    config = loaded(tmp_path / "config.yaml")
    join = next(j for j in config["joins"] if j["table"] == "interest")
    assert join == {"table": "interest", "as_of": "interest_day", "lag": "1w", "max_age": "3w"}
    run("prep", "-c", tmp_path / "config.yaml", "-d", folder, "-o", tmp_path / "prep")


def test_a_list_of_holidays_is_joined_by_date_and_a_price_list_as_of(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    days = pd.to_datetime(["2021-01-01", "2021-04-05", "2021-05-01", "2021-08-15"])
    names = pd.DataFrame({"day": days, "holiday_name": ["New Year", "Easter", "May", "August"]})
    names.to_csv(folder / "holidays.csv", index=False)
    prices = pd.DataFrame({"shop": [1, 1, 2, 3, 4, 5, 6], "valid_from": [days[0], days[2], *[days[0]] * 5]})
    prices.assign(price=np.arange(7) + 1.5).to_csv(folder / "prices.csv", index=False)
    run("init", folder, "--out", tmp_path / "config.yaml")
    config = loaded(tmp_path / "config.yaml")
    joins = {j["table"]: j for j in config["joins"]}
    assert joins["holidays"] == {"table": "holidays", True: ["day"], "known_in_advance": True}
    assert joins["prices"] == {"table": "prices", True: ["shop"], "as_of": "valid_from", "lag": "1d"}
    assert config["features"]["events"]["HolidayName"]["where"] == {"holiday_name": {"not": ""}}
    run("prep", "-c", tmp_path / "config.yaml", "-d", folder, "-o", tmp_path / "prep")


def items(target: Callable[[np.random.Generator, int], Any], freq: str = "D", n: int = 400) -> pd.DataFrame:
    """Two items' rows, the target drawn."""
    rng = np.random.default_rng(1)
    dates = pd.date_range("2015-01-31" if freq == "ME" else "2015-01-01", periods=n, freq=freq, unit="us")
    rows = pd.MultiIndex.from_product([["x", "y"], dates], names=["item", "date"]).to_frame(index=False)
    rows["units"] = target(rng, len(rows))
    return rows


@pytest.mark.parametrize(
    ("target", "chosen", "metric", "why"),
    [
        (lambda rng, n: rng.poisson(2, n), {"transform": "log1p"}, "wape", "targets are 0, which has no logarithm"),
        (lambda rng, n: rng.poisson(2, n) - 1, {"transform": "identity"}, "wape", "targets are below 0"),
        (
            lambda rng, n: rng.choice([0, 0, 0, -1, 5], n),
            {"transform": "identity"},
            "rmse",
            "60 % of the targets are 0, so that the best forecast by absolute or percentage errors would be 0",
        ),
        (lambda rng, n: rng.poisson(60, n) + 1, {"transform": "log"}, "rmspe", "all targets learned from are above 0"),
        (lambda rng, n: rng.poisson(2, n) + 1, {"transform": "log"}, "wape", "too much for errors in percent"),
        (
            lambda rng, n: np.where(np.arange(n) == 3, np.nan, rng.poisson(2, n)),
            {"transform": "log1p", "nonpositive": "drop"},
            "wape",
            "CHECK: 1 targets are missing and left out",
        ),
    ],
    ids=["zeros", "negative", "returns", "positive", "noisy", "missing"],
)
def test_the_scale_and_the_metric_are_those_that_take_the_target(
    tmp_path: Path, target: Callable[[np.random.Generator, int], Any], chosen: dict[str, str], metric: str, why: str
) -> None:
    """From a table of the past alone to a forecast of the next days, the config as it was written."""
    (tmp_path / "data").mkdir()
    rows = items(target, n=360)
    rows.to_csv(tmp_path / "data" / "log.csv", index=False)
    done = run("init", tmp_path / "data", "--out", tmp_path / "config.yaml", "--horizon", "20d")
    config = loaded(tmp_path / "config.yaml")
    assert (config["target"], config["metric"]) == ({"column": "units", **chosen}, metric)
    assert why in done.stdout
    assert f"# the only number; {next(r for r in done.stdout.split(chr(10)) if why in r).split(': ', 1)[1]}" in (
        tmp_path / "config.yaml"
    ).read_text(encoding="utf-8")
    assert config["train"]["keep"] == "last", "on so few rows the best epoch is chance"
    unbiased = {"metric": "wape"} if metric == "rmspe" else {}
    assert config["calibration"] == {"windows": 3, **unbiased}
    assert "Month" not in config["categorical"]  # less than a year to learn from
    made = ahead(tmp_path / "data", tmp_path, "20d")
    assert len(made) == 2 * 20
    assert np.isfinite(made["units"]).all()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["valid_rows"] == 2 * 20


def ahead(folder: Path, root: Path, horizon: str) -> pd.DataFrame:
    """Prep, train and predict the next steps with root/config.yaml as it is; the forecast."""
    run("prep", "-c", root / "config.yaml", "-d", folder, "-o", root / "prep")
    run("train", "-p", root / "prep", "-o", root / "run", *FAST)
    run("predict", root / "run", "-d", folder, "-o", root / "forecast.csv", "--horizon", horizon)
    return pd.read_csv(root / "forecast.csv")


@pytest.mark.parametrize(
    ("freq", "step", "horizon"), [("MS", "1mo", "3mo"), ("ME", "1mo", "3mo"), ("QS", "3mo", "9mo"), ("h", "1h", "168h")]
)
def test_months_and_hours_are_counted_as_such(tmp_path: Path, freq: str, step: str, horizon: str) -> None:
    (tmp_path / "data").mkdir()
    rows = items(lambda rng, n: rng.poisson(9, n) + 1, freq, 700 if freq == "h" else 60)
    rows["reduced"] = (np.arange(len(rows)) % 3 == 0).astype("int64")
    rows.to_csv(tmp_path / "data" / "log.csv", index=False)
    done = run("init", tmp_path / "data", "--out", tmp_path / "config.yaml", "--target", "units")
    assert f"step {step}: " in done.stdout
    config = loaded(tmp_path / "config.yaml")
    assert config["validation"] == {"last": horizon}
    made = ahead(tmp_path / "data", tmp_path, horizon)
    n = {"3mo": 3, "9mo": 3, "168h": 168}[horizon]
    start = pd.Timestamp(rows["date"].max())
    expected = pd.date_range(start, periods=n + 1, freq=freq)[1:]
    assert pd.to_datetime(made.loc[made["item"] == "x", "date"]).tolist() == expected.tolist()


def test_an_event_of_months_is_counted_in_months(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = items(lambda rng, n: rng.poisson(9, n) + 1, "MS", 60)
    rows["reduced"] = (np.arange(len(rows)) % 3 == 0).astype("int64")
    late = rows["date"] >= "2019-08-01"
    rows[~late].to_csv(tmp_path / "data" / "log.csv", index=False)
    rows[late].drop(columns="units").to_csv(tmp_path / "data" / "next.csv", index=False)
    run("init", tmp_path / "data", "--out", tmp_path / "config.yaml")
    config = loaded(tmp_path / "config.yaml")
    assert config["validation"] == {"last": "future"}
    assert config["features"]["events"]["Reduced"] == {"where": {"reduced": 1}, "window": "3mo", "cap": "12mo"}
    assert len(job(tmp_path / "data", tmp_path)) == 2 * 5


def test_without_a_future_table_columns_that_follow_from_the_date_get_rules(tmp_path: Path) -> None:
    """A weekday, a year and names of the weekday; what may be known as well is offered, and works when taken."""
    (tmp_path / "data").mkdir()
    rows = items(lambda rng, n: rng.poisson(9, n) + 1, "D", 420)
    rows = rows.assign(
        weekday=rows["date"].dt.day_of_week + 1,
        year=rows["date"].dt.year,
        day_name=rows["date"].dt.day_name(),
        reduced=(np.arange(len(rows)) % 5 == 0).astype("int64"),
        price=np.round(2 + np.arange(len(rows)) % 6 / 10, 2),
    )
    rows.to_csv(tmp_path / "data" / "log.csv", index=False)
    path = tmp_path / "config.yaml"
    run("init", tmp_path / "data", "--out", path, "--target", "units")
    config = loaded(path)
    assert config["forecast"] == {
        "rules": {
            "weekday": {"calendar": "Dayofweek", "plus": 1},
            "year": {"calendar": "Year"},
            "day_name": {"repeat": "1w"},
        }
    }
    assert config["availability"] == {
        "known_in_advance": ["weekday", "year", "day_name"],
        "past_only": ["reduced", "price"],
    }
    assert len(ahead(tmp_path / "data", tmp_path, "28d")) == 2 * 28
    text = path.read_text(encoding="utf-8")
    assert "\n    # reduced: {constant: 0}\n    # price: last\n" in text
    text = text.replace("    # reduced", "    reduced").replace("    # price", "    price")
    text = text.replace("day_name]", "day_name, reduced, price]").replace(
        "  past_only: [reduced, price]", "  past_only: []"
    )
    path.write_text(text.replace("columns: [reduced, price]", "columns: []").replace("columns: [price]", "columns: []"))
    for name in ("prep", "run"):
        shutil.rmtree(tmp_path / name)
    assert len(ahead(tmp_path / "data", tmp_path, "28d")) == 2 * 28


def test_a_plan_that_ends_with_the_past_is_not_taken_for_known(tmp_path: Path) -> None:
    """A table of prices for each day is joined as known in advance only where it reaches the end of the forecast."""
    for n, known in ((400, False), (430, True)):
        folder = tmp_path / str(n)
        folder.mkdir()
        rows = items(lambda rng, n: rng.poisson(9, n) + 1, "D", 430)
        rows[["item", "date"]].assign(price=1.5 + np.arange(len(rows)) % 9)[
            (rows["date"] < rows["date"].min() + pd.Timedelta(n, unit="D")).to_numpy()
        ].to_csv(folder / "prices.csv", index=False)
        rows[(rows["date"] < rows["date"].min() + pd.Timedelta("400D")).to_numpy()].to_csv(
            folder / "log.csv", index=False
        )
        root = tmp_path / f"{n}-out"
        root.mkdir()
        words = ["--train", "log.csv", "--target", "units"]
        run("init", folder, "--out", root / "config.yaml", *words)
        config = loaded(root / "config.yaml")
        assert config["joins"][0].get("known_in_advance", False) == known
        assert ("price" in config["continuous"]) == known
        assert len(ahead(folder, root, "28d")) == 2 * 28


def test_zeros_of_open_days_count_where_closed_days_explain_only_some(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = items(lambda rng, n: rng.poisson(2, n), "D", 400)
    rows["open"] = (rows["date"].dt.day_of_week != 6).astype("int64")
    rows["units"] *= rows["open"]
    late = rows["date"] >= rows["date"].max() - pd.Timedelta("13D")
    rows[~late].to_csv(tmp_path / "data" / "log.csv", index=False)
    rows[late].drop(columns="units").to_csv(tmp_path / "data" / "next.csv", index=False)
    run("init", tmp_path / "data", "--out", tmp_path / "config.yaml")
    config = loaded(tmp_path / "config.yaml")
    assert config["target"] == {"column": "units", "transform": "log1p", "drop_where": {"open": 0}}
    assert config["forecast"] == {"zero_where": {"open": 0}}
    made = job(tmp_path / "data", tmp_path)
    assert ((made["units"] == 0) == (rows.loc[late, "open"] == 0).to_numpy()).all()


# ------------------------------------------------------------------------- questions, refusals, options


def test_two_equal_candidates_are_refused_with_the_option(weekly: Path, tmp_path: Path) -> None:
    path = weekly / "verkauf.csv"
    table = pd.read_csv(path)
    table.rename(columns={"pieces_sold": "sales_a", "returns": "sales_b"}).to_csv(path, index=False)
    done = run("init", weekly, "--out", tmp_path / "c.yaml", code=2)
    assert "the target: it may be sales_a or sales_b" in done.stderr
    assert "say which: --target sales_a" in done.stderr
    assert not (tmp_path / "c.yaml").exists()
    run("init", weekly, "--out", tmp_path / "c.yaml", "--target", "sales_b")
    assert loaded(tmp_path / "c.yaml")["target"]["column"] == "sales_b"


def test_a_person_is_asked(weekly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weekly / "verkauf.csv"
    pd.read_csv(path).rename(columns={"pieces_sold": "sales_a", "returns": "sales_b"}).to_csv(path, index=False)
    monkeypatch.setattr(begin, "_at_terminal", lambda: True)
    done = run("init", weekly, "--out", tmp_path / "c.yaml", text="7\n2\n")
    assert "the target (--target):" in done.stderr
    assert loaded(tmp_path / "c.yaml")["target"]["column"] == "sales_b"


def test_two_names_of_the_same_series_are_a_question(tmp_path: Path) -> None:
    tables = make_tables()
    for name in ("train", "future"):
        tables[name]["shop_label"] = "shop " + tables[name]["shop"].astype("str")
    folder = write_folder(tmp_path / "data", tables)
    done = run("init", folder, "--out", tmp_path / "c.yaml", code=2)
    assert "the columns of a series: it may be " in done.stderr
    assert "--series shop" in done.stderr
    run("init", folder, "--out", tmp_path / "c.yaml", "--series", "shop")
    assert loaded(tmp_path / "c.yaml")["availability"]["static"] == ["shop_label"]


def test_days_that_may_be_months_are_a_question(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    for name in ("past.csv", "ahead.csv"):
        table = pd.read_csv(folder / name, parse_dates=["day"])
        table = table[table["day"].dt.day <= 12]
        table.assign(day=table["day"].dt.strftime("%d/%m/%Y")).to_csv(folder / name, index=False)
    done = run("init", folder, "--out", tmp_path / "c.yaml", code=2)
    assert "init with --day-first" in done.stderr
    run("init", folder, "--out", tmp_path / "c.yaml", "--day-first")
    assert loaded(tmp_path / "c.yaml")["tables"]["train"]["day_first"] is True


def test_what_is_not_there_is_refused(weekly: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.yaml"
    for words, message in (
        (["--target", "pieces"], "did you mean pieces_sold?"),
        (["--date", "shop"], "no column of dates in verkauf.csv"),
        (["--series", "shop,artikel"], "--series artikel: no such column"),
        (["--future", "x.csv"], "--future x.csv: no such table"),
        (["--horizon", "8 weeks"], "--horizon 8 weeks: expected a number and a unit"),
        (["--horizon", "0d"], "--horizon 0d: expected a length of one step or more"),
    ):
        assert message in run("init", weekly, "--out", out, *words, code=2).stderr
    (tmp_path / "empty").mkdir()
    assert "no tables" in run("init", tmp_path / "empty", "--out", out, code=2).stderr
    assert "no such directory" in run("init", tmp_path / "none", "--out", out, code=2).stderr
    out.write_text("mine")
    assert "exists already" in run("init", weekly, "--out", out, code=2).stderr
    assert out.read_text() == "mine"
    path = weekly / "verkauf.csv"
    pd.read_csv(path).rename(columns={"pieces_sold": "a", "returns": "b"}).to_csv(path, index=False)
    with pytest.raises(UsageError, match="it may be"):
        tabcli.init(weekly)
