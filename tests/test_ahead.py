"""Tables of any frequency, and forecasts without a table of the rows to forecast, through the real command line."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import tabcli
from tabcli.errors import ConfigError, DataError, UsageError
from tests.test_cli import run

N_SERIES = 4


def moments(freq: str, n: int) -> "pd.DatetimeIndex":
    """Dates of a frequency; *irregular*: days, about two of five missing for all series, the last one there."""
    if freq != "irregular":
        return pd.date_range("2018-01-01", periods=n, freq=freq, unit="us")
    days = pd.date_range("2018-01-01", periods=n, freq="D", unit="us")
    return days[(np.random.default_rng(1).random(n) < 0.6) | (np.arange(n) == n - 1)]


def process(rows: pd.DataFrame) -> "pd.Series[Any]":
    """Sales by region, product, a promotion in every second step, the month, the weekday and the hour."""
    date = rows["moment"].dt
    level = rows["region"].map({"north": 100.0, "south": 300.0}) * rows["product"].map({1: 1.0, 2: 2.0})
    season = 1 + 0.3 * np.sin(2 * np.pi * date.month / 12) + 0.02 * date.day_of_week + 0.02 * date.hour
    return np.round(level * season * (1 + 0.4 * rows["promo"]))


def make(freq: str, n: int, n_ahead: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train rows of four series, and the rows after them: one starts late, one ends early, one has gaps."""
    dates = moments(freq, n + n_ahead) if freq != "irregular" else moments(freq, n)
    if freq == "irregular":  # every day that follows is to be forecast
        dates = dates.append(pd.date_range(dates[-1], periods=n_ahead + 1, freq="D", unit="us")[1:])
    rows = pd.MultiIndex.from_product([["north", "south"], [1, 2], dates], names=["region", "product", "moment"])
    table = rows.to_frame(index=False)
    table["promo"] = np.tile(np.arange(len(dates)) % 2, N_SERIES)
    table["size"] = table["product"] * 10.0
    table["units"] = process(table)
    last = dates[-n_ahead - 1]
    position = np.tile(np.arange(len(dates)), N_SERIES)
    series = np.repeat(np.arange(N_SERIES), len(dates))
    half = (len(dates) - n_ahead) // 2
    gone = ((series == 1) & (position < half)) | ((series == 2) & (position > half))
    gone |= (series == 3) & (position % 7 == 3) & (position > half)
    train = table[(table["moment"] <= last) & ~gone].sample(frac=1, random_state=0, ignore_index=True)
    return train, table[table["moment"] > last].reset_index(drop=True)


def config_for(horizon: str, period: str, **more: Any) -> dict[str, Any]:
    return {
        "format_version": 1,
        "tables": {"train": {"file": "train.csv"}},
        "series": ["region", "product"],
        "date": "moment",
        "target": {"column": "units"},
        "metric": "wape",
        "availability": {"known_in_advance": ["promo"], "static": ["size"]},
        "forecast": {"rules": {"promo": {"repeat": period}}},
        "features": {"date_parts": [{"column": "moment", "prefix": "", "time": True}]},
        "categorical": ["region", "product", "promo", "Month", "Dayofweek", "Hour"],
        "continuous": ["size"],
        "history": {"effects": ["promo"]},
        "validation": {"last": horizon},
        "model": {"layers": [32, 16]},
        "train": {"epochs": 8, "batch_size": 32, "lr": 0.01},
        **more,
    }


@pytest.mark.parametrize(
    ("freq", "n", "horizon", "n_ahead", "period", "step"),
    [
        ("D", 420, "14d", 14, "2d", "1d"),
        ("W-TUE", 260, "8w", 8, "2w", "1w"),
        ("MS", 96, "3mo", 3, "2mo", "1mo"),
        ("ME", 96, "3mo", 3, "2mo", "1mo"),
        ("h", 24 * 50, "48h", 48, "2h", "1h"),
        ("irregular", 420, "14d", 14, "2d", "1d"),
    ],
)
def test_the_whole_job_at_any_frequency(
    tmp_path: Path, freq: str, n: int, horizon: str, n_ahead: int, period: str, step: str
) -> None:
    train, ahead = make(freq, n, n_ahead)
    train.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config_for(horizon, period)))
    made = run("prep", "--config", tmp_path / "config.yaml", "--data", tmp_path, "--out", tmp_path / "prep")
    assert f"series         4, a row every {step}" in made.stdout
    valid = pd.read_parquet(tmp_path / "prep" / "valid.parquet")
    expected = moments("D", n) if freq == "irregular" else moments(freq, n)
    first = expected[-n_ahead]
    assert valid["row.moment"].min() >= first
    assert len(valid) == (train["moment"] >= first).sum()
    run("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run", "-S", "calibration.windows=0")
    words = ["predict", tmp_path / "run", "--data", tmp_path, "--out", tmp_path / "made.csv", "--horizon", horizon]
    done = run(*words, "--columns", "moment")
    assert "1 series have no row in the last" in done.stderr
    assert "(south 1)" in done.stderr
    forecast = pd.read_csv(tmp_path / "made.csv", parse_dates=["moment"])
    assert list(forecast.columns) == ["region", "product", "moment", "units"]
    both = ahead.merge(forecast, on=["region", "product", "moment"], suffixes=("", "_made"), validate="1:1")
    assert len(both) == len(forecast) == len(ahead) == N_SERIES * n_ahead
    going_on = both[(both["region"] != "south") | (both["product"] != 1)]
    if freq != "irregular":  # there the promotions, which follow the rows, do not repeat by days
        error = (going_on["units"] - going_on["units_made"]).abs().sum() / going_on["units"].sum()
        assert error < 0.15


@pytest.mark.parametrize("part", ["train", "future"])
def test_repeated_rows_are_refused_with_examples(tmp_path: Path, part: str) -> None:
    """The key is all series columns and the date: the same date in another series is no repetition."""
    train, ahead = make("W-TUE", 100, 4)
    tables = {"train": train, "future": ahead}
    settings = config_for("4w", "2w")
    settings["tables"]["future"] = {"file": "future.csv"}
    tabcli.prep(settings, data=tables)
    twice = pd.concat([tables[part], tables[part].iloc[[5, 9]]], ignore_index=True)
    for name, table in {**tables, part: twice}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    done = run(*("prep", "--config", tmp_path / "config.yaml", "--data", tmp_path, "--out", tmp_path / "prep"), code=4)
    row = twice.iloc[5]
    assert f"{part}.csv: 2 rows repeat the key (region, product, moment) of another row: " in done.stderr
    assert f"region={row['region']}, product={row['product']}, moment={row['moment'].date()}" in done.stderr


def test_rows_that_share_a_step_are_refused_where_there_is_a_history() -> None:
    train, _ = make("D", 100, 4)
    with pytest.raises(DataError, match=r"\d+ rows lie within the same step of 1w"):
        tabcli.prep(config_for("2w", "2w", frequency="1w"), data={"train": train})
    prep = tabcli.prep(config_for("2w", "2w", frequency="1w", history=None), data={"train": train})
    assert prep.summary.frequency == "1w"


# ------------------------------------------------------------------------------------------------ rules


def weekly(**rules: Any) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    train, _ = make("D", 150, 7)
    date = train["moment"].dt
    train["weekday"] = date.day_of_week + 1
    train["month"] = date.month
    train["open"] = (date.day_of_week != 6).astype("int64")
    train["price"] = np.where(train["moment"] > "2018-05-01", 2.5, 2.0)
    train["kind"] = np.where(train["promo"] == 1, "sale", "usual")
    names = ["weekday", "month", "open", "price", "kind"]
    settings = config_for("7d", "2d", history=None)
    settings["availability"]["known_in_advance"] += names
    settings["forecast"]["rules"] |= rules
    return settings, {"train": train}


RULES = {
    "weekday": {"calendar": "Dayofweek", "plus": 1},
    "month": {"calendar": "Month"},
    "open": {"repeat": "1w"},
    "price": "last",
    "kind": {"constant": "usual"},
}


def test_each_rule_gives_what_it_says(tmp_path: Path) -> None:
    from tabcli.bundle.directories import load_prep
    from tabcli.config.values import Duration
    from tabcli.pipeline.future import future_rows

    settings, tables = weekly(**RULES)
    path = tabcli.prep(settings, data=tables, out=tmp_path / "prep").path
    assert path is not None
    rows = future_rows(load_prep(path).fitted, Duration(10, "d"))
    end = tables["train"]["moment"].max()
    assert len(rows) == 40
    assert rows["moment"].unique().tolist() == [end + pd.Timedelta(i, unit="D") for i in range(1, 11)]
    date = rows["moment"].dt
    assert (rows["weekday"] == date.day_of_week + 1).all()
    assert (rows["month"] == date.month).all()
    assert (rows["kind"] == "usual").all()
    assert (rows["size"] == rows["product"] * 10.0).all()
    going_on = (rows["region"] != "south") | (rows["product"] != 1)
    assert (rows["open"] == (date.day_of_week != 6))[going_on].all()
    promo = tables["train"].set_index("moment")["promo"].groupby(level=0).first()
    there = going_on & ((rows["region"] == "north") | (rows["product"] != 2))  # the last has gaps of its own
    expected = rows["moment"].map(lambda m: promo[end - pd.Timedelta((end - m).days % 2, unit="D")])
    assert (rows["promo"] == expected)[there].all()
    assert (rows["price"] == 2.5)[going_on].all()
    assert (rows["price"] == 2.0)[~going_on].all(), "the series that ended had no other price"


def test_a_missing_rule_is_named(tmp_path: Path) -> None:
    settings, tables = weekly(weekday=RULES["weekday"], kind=RULES["kind"])
    trained = tabcli.train(tabcli.prep(settings, data=tables), overrides=["train.epochs=1", "calibration.windows=0"])
    with pytest.raises(ConfigError, match="no rule says what month, open, price will be") as error:
        tabcli.predict(trained, data=tables, horizon="1w")
    assert "forecast.rules" in str(error.value.hint)
    with pytest.raises(ConfigError, match="no table is called future") as error:
        tabcli.predict(trained, data=tables)
    assert "--horizon" in str(error.value.hint)
    with pytest.raises(UsageError, match="--horizon soon: expected a number and a unit"):
        tabcli.predict(trained, data=tables, horizon="soon")
    settings["forecast"]["rules"] |= {"opne": {"constant": 1}, "price": {"constant": 1, "repeat": "1w"}}
    with pytest.raises(ConfigError, match=r"forecast\.rules\.price: give exactly one of") as error:
        tabcli.prep(settings, data=tables)
    assert "forecast.rules.opne: not in availability.known_in_advance; did you mean 'open'?" in error.value.message


def test_rows_made_by_rules_are_forecast_like_those_of_a_table(tmp_path: Path) -> None:
    train, ahead = make("W-TUE", 120, 6)
    settings = config_for("6w", "2w")
    settings["train"]["epochs"] = 2
    trained = tabcli.train(tabcli.prep(settings, data={"train": train}), overrides=["calibration.windows=0"])
    made = tabcli.predict(trained, data={}, horizon="6w").table
    settings["tables"]["future"] = {"file": "future.csv"}
    full = tabcli.train(
        tabcli.prep(settings, data={"train": train, "future": ahead}), overrides=["calibration.windows=0"]
    )
    rows = made.merge(ahead[["region", "product", "moment", "promo", "size"]], on=["region", "product", "moment"])
    given = tabcli.predict(full, data={"future": rows.drop(columns="units")}).table
    steady = (made["region"] == "north") | (made["product"] == 2)
    assert (made.drop(columns="units")[steady] == given.drop(columns="units")[steady]).all(axis=None)
    np.testing.assert_allclose(made.loc[steady, "units"], given.loc[steady, "units"])


# --------------------------------------------------------------------------------------------- holidays


def fake_holidays(days: dict[str, list[str]]) -> Any:
    """A stand-in for the package: the same days of every year, by country and subdivision."""

    def country_holidays(country: str, subdiv: str | None, years: range) -> dict[Any, str]:
        if country not in days:
            raise NotImplementedError(f"Country {country} not available")
        found = days[country] + days.get(f"{country}-{subdiv}", [])
        return {pd.Timestamp(f"{year}-{day}").date(): "a holiday" for year in years for day in found}

    return SimpleNamespace(country_holidays=country_holidays)


def test_holidays_are_kept_in_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, tables = weekly(**RULES)
    tables["train"]["holiday"] = (tables["train"]["moment"].dt.strftime("%m-%d") == "01-06").astype("int64")
    settings["availability"]["known_in_advance"].append("holiday")
    settings["forecast"]["rules"]["holiday"] = {"holidays": {"country": "DE", "subdivision": "BY"}}
    settings["features"] |= {
        "holidays": {"Public": {"country": "DE"}, "Soon": {"country": "DE", "window": "7d"}},
        "events": {"Public": {"where": {"Public": 1}, "window": "7d", "cap": "9d"}},
    }
    settings["continuous"] = ["size", "AfterPublic", "BeforePublic", "Soon"]
    settings["categorical"] += ["Public", "holiday"]
    monkeypatch.setitem(sys.modules, "holidays", None)  # an import then fails
    with pytest.raises(UsageError, match="need the holidays package") as error:
        tabcli.prep(settings, data=tables)
    assert "tabcli[holidays]" in str(error.value.hint)
    monkeypatch.setitem(sys.modules, "holidays", fake_holidays({"DE": ["05-01", "06-05"], "DE-BY": ["06-04"]}))
    prep = tabcli.prep(settings, data=tables, out=tmp_path / "prep")
    fitted = prep.prepared.fitted
    trained = tabcli.train(prep, out=tmp_path / "run", overrides=["train.epochs=1", "calibration.windows=0"])
    monkeypatch.setitem(sys.modules, "holidays", None)
    made = tabcli.predict(tmp_path / "run", data=tables, horizon="10d").table
    assert len(made) == 40
    from tabcli.config.values import Duration
    from tabcli.pipeline.apply import apply
    from tabcli.pipeline.future import future_rows

    rows = future_rows(fitted, Duration(10, "d"))  # 31 May to 9 June
    wide = apply(trained.run.fitted, tables, rows=rows).features.table.frame()
    day = wide["moment"].dt.strftime("%m-%d")
    assert rows["moment"].min() == pd.Timestamp("2018-05-31")
    assert (wide["holiday"] == day.isin(["06-04", "06-05"])).all()
    assert (wide["Public"] == (day == "06-05")).all()
    assert (wide["Soon"] == day.isin(["05-31", "06-01", "06-02", "06-03", "06-04", "06-05"])).all()
    assert (wide.loc[day == "06-03", "BeforePublic"] == 2).all()
    with pytest.raises(DataError, match=r"outside the years 2017 … 2028"):
        tabcli.predict(trained, data=tables, horizon="600w")
    settings["features"]["holidays"]["Public"]["country"] = "XX"
    monkeypatch.setitem(sys.modules, "holidays", fake_holidays({"DE": []}))
    with pytest.raises(ConfigError, match="holidays of XX: Country XX not available"):
        tabcli.prep(settings, data=tables)


# --------------------------------------------------------------------------------- months in other places


def test_events_and_joins_count_calendar_months() -> None:
    train, _ = make("MS", 60, 3)
    index = pd.DataFrame({"month_end": pd.date_range("2017-12-31", periods=62, freq="ME", unit="us")})
    index["index"] = np.arange(62.0)
    settings = config_for("3mo", "2mo", history=None)
    settings["tables"]["index"] = {"file": "index.csv"}
    settings["joins"] = [{"table": "index", "as_of": "month_end", "lag": "3mo", "max_age": "4mo"}]
    settings["features"]["events"] = {"Promo": {"where": {"promo": 1}, "window": "3mo", "cap": "5mo"}}
    settings["continuous"] = ["size", "index", "AfterPromo", "BeforePromo", "Promo_bw", "Promo_fw", "Promo_last"]
    from tabcli.config import loading
    from tabcli.pipeline.joined import join, load

    wide = join(load(loading.parse(settings), {"train": train, "index": index})).rows.frame()
    months = (wide["moment"].dt.year - 2018) * 12 + wide["moment"].dt.month - 1
    # On 1 April, with a lag of 3 months, the last known is that of 31 December: number 0.
    expected = (months - 3).where(months >= 3).astype("float64")
    pd.testing.assert_series_equal(wide["index"], expected, check_names=False)
    steady = wide["region"] == "north"
    steady &= (wide["product"] == 1) & (months > 6) & (months < 54)
    odd = months[steady] % 2
    assert (wide.loc[steady, "AfterPromo"] == 1 - odd).all()
    before, known = wide.loc[steady, "BeforePromo"], wide.loc[steady, "BeforePromo"].notna()
    assert (before[known] == (1 - odd)[known]).all()
    assert known[odd == 1].all(), "an event of the same month is known however little is known ahead"
    assert (wide.loc[steady, "Promo_bw"] == 1 + odd).all()
    assert wide.loc[steady, "Promo_fw"].between(odd, 1 + odd).all(), "those of the window that are known"
    settings["features"]["events"]["Promo"]["window"] = "90d"
    with pytest.raises(ConfigError, match="window and cap must both be months"):
        tabcli.prep(settings, data={"train": train, "index": index})


@pytest.mark.parametrize(
    ("freq", "windows", "base", "season"),
    [
        ("h", (1344, 672, 336, 168, 48, 24), 168, 168),
        ("D", (364, 182, 91, 28, 14, 7), 28, 364),
        ("W", (104, 52, 26, 13, 8, 4), 8, 52),
        ("MS", (36, 24, 12, 6, 3), 6, 12),
        ("QS", (12, 8, 4, 2, 1), 2, 4),
    ],
)
def test_windows_suit_the_frequency(freq: str, windows: tuple[int, ...], base: int, season: int) -> None:
    from tabcli.config.features import History
    from tabcli.features.frequency import Frequency
    from tabcli.target_history.windows import HistorySpec

    unit = Frequency.of(pd.Series(pd.date_range("2018-01-01", periods=30, freq=freq, unit="us"))).seconds
    spec = HistorySpec.of(History(), unit, 5, 1)
    assert (spec.windows, spec.base, spec.season) == (windows, base, season)
