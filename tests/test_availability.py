"""What is known when: each way in which a column that nobody knows in advance could become an input."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabcli.config import loading
from tabcli.config.values import Duration
from tabcli.errors import ConfigError, DataError
from tabcli.features.availability import availability_of, check_columns
from tabcli.features.frequency import Frequency
from tabcli.pipeline import prepare
from tabcli.pipeline.apply import apply
from tabcli.tables.joins import FactorizedTable, LookupTable
from tests.conftest import CONFIG, HORIZON, N_DAYS, START, examples

Tables = dict[str, pd.DataFrame]


def fit(config: dict[str, Any], tables: Tables) -> prepare.Prepared:
    return prepare.fit(loading.parse(config), tables)


def by_visitors(tables: Tables) -> pd.DataFrame:
    """A lookup table for each value of a column that is past only."""
    visitors = np.sort(tables["train"]["visitors"].unique())
    return pd.DataFrame({"visitors": visitors, "band": visitors // 100})


def test_parts_of_a_date_that_is_past_only_are_refused(config: dict[str, Any], tables: Tables) -> None:
    train = tables["train"]
    delivered = train["day"] + pd.to_timedelta(train["units"] % 7, unit="D")
    config["features"]["date_parts"] = ["day", "delivered"]
    config |= {"categorical": "auto", "continuous": "auto"}
    with pytest.raises(ConfigError, match=r"features\.date_parts\[1\]\.column: 'delivered' is past only"):
        fit(config, {**tables, "train": train.assign(delivered=delivered)})


@pytest.mark.parametrize("join", [{"known_in_advance": True}, {"as_of": "made", "lag": "400d"}])
def test_a_join_by_date_is_no_better_known_than_its_other_keys(
    config: dict[str, Any], tables: Tables, join: dict[str, Any]
) -> None:
    lookup = by_visitors(tables)
    by_date = {"on": ["visitors"], **join} if "as_of" in join else {"on": ["visitors", "day"], **join}
    if "as_of" in join:
        lookup = lookup.assign(made=START - pd.Timedelta(500, unit="D"))
    else:
        lookup = tables["train"][["day", "visitors"]].drop_duplicates().assign(band=lambda t: t["visitors"] // 100)
    config["tables"]["bands"] = {"file": "bands.csv"}
    config["joins"].append({"table": "bands", **by_date})
    config["continuous"].append("band")
    with pytest.raises(ConfigError, match="continuous: 'band' is past only"):
        fit(config, {**tables, "bands": lookup})


@pytest.mark.parametrize(("lag", "gap", "known"), [("20d", "0d", True), ("20d", "14d", False), ("34d", "14d", True)])
def test_a_lag_must_span_the_horizon_and_the_gap(
    config: dict[str, Any], tables: Tables, lag: str, gap: str, known: bool
) -> None:
    days = pd.date_range(START - pd.Timedelta(60, unit="D"), periods=400, unit="us")
    config["tables"]["index"] = {"file": "index.csv"}
    config["joins"].append({"table": "index", "as_of": "week_end", "lag": lag})
    config["continuous"].append("interest")
    config["validation"] = {"last": f"{HORIZON}d", "gap": gap}
    tables = {**tables, "index": pd.DataFrame({"week_end": days, "interest": np.arange(400.0)})}
    if known:
        assert "interest" in fit(config, tables).fitted.preprocessor.continuous
    else:
        with pytest.raises(ConfigError, match="continuous: 'interest' is past only"):
            fit(config, tables)


@pytest.mark.parametrize(
    ("lag", "frequency", "horizon", "known"),
    [
        ("3mo", "1d", 89, True),  # February, March and April of most years
        ("3mo", "1d", 90, False),
        ("12mo", "1w", 52, True),
        ("48mo", "1d", 1460, True),  # around 1900 and 2100
        ("48mo", "1d", 1461, False),
        ("3mo", "1mo", 3, True),
        ("2mo", "1mo", 3, False),
        ("91d", "1mo", 3, False),  # 92 days from May to July
        ("92d", "1mo", 3, True),
        ("6mo", "3mo", 2, True),
    ],
)
def test_months_of_a_lag_count_as_the_shortest_and_steps_as_the_longest(
    config: dict[str, Any], tables: Tables, lag: str, frequency: str, horizon: int, known: bool
) -> None:
    config["tables"]["index"] = {"file": "index.csv"}
    config["joins"] = [{"table": "index", "as_of": "month", "lag": lag}]
    step = Frequency.of(pd.Series([], dtype="datetime64[us]"), Duration.parse(frequency))
    lookups = {"index": pd.DataFrame({"month": [START], "interest": [1.0]})}
    roles = availability_of(loading.parse(config), tables["train"], lookups, step, horizon)
    assert roles["interest"] == ("known in advance" if known else "past only")


def test_a_baseline_by_what_nobody_knows_is_refused(config: dict[str, Any], tables: Tables) -> None:
    config["baseline"] = ["shop", "visitors"]
    with pytest.raises(ConfigError, match="baseline: 'visitors' is past only"):
        fit(config, tables)
    config["availability"]["past_only"] = []
    with pytest.raises(ConfigError, match="baseline: 'visitors' is past only"):
        fit(config, tables)


@pytest.mark.parametrize("where", ["valid", "future"])
def test_auto_roles_are_chosen_by_the_training_rows_alone(config: dict[str, Any], tables: Tables, where: str) -> None:
    config |= {"categorical": "auto", "continuous": "auto", "max_card": 8}
    config["availability"]["known_in_advance"] += ["grade", "rank", "level"]
    train, future = tables["train"], tables["future"]
    for table in (train, future):
        table["grade"] = table["rank"] = table["level"] = (table["shop"] % 4).astype("int64")
    late = train["day"] > START + pd.Timedelta(N_DAYS - HORIZON - 1, unit="D")
    changed, rows = (train, late.to_numpy()) if where == "valid" else (future, np.full(len(future), True))
    changed.loc[rows, "grade"] = np.arange(rows.sum())  # many values
    for name, value in (("rank", np.nan), ("level", 0.5)):
        changed[name] = changed[name].astype("float64").mask(rows & (changed["shop"] == 1), value)
    prepared = fit(config, tables)
    assert {"grade", "rank", "level"} <= {*prepared.fitted.preprocessor.categorical}


def test_the_target_can_be_neither_known_in_advance_nor_a_key(config: dict[str, Any]) -> None:
    config["availability"]["known_in_advance"].append("units")
    with pytest.raises(ConfigError, match=r"availability\.known_in_advance: 'units' is the target"):
        loading.parse(config)
    config["availability"] = {"past_only": ["shop"]}
    with pytest.raises(ConfigError, match=r"availability\.past_only: 'shop' is a key of the rows"):
        loading.parse(config)
    config |= {"availability": {}, "series": ["shop", "units"]}
    with pytest.raises(ConfigError, match="series: 'units' is the target"):
        loading.parse(config)
    config["series"] = "shop"
    config["features"]["events"]["Many"] = {"where": {"units": 100}}
    with pytest.raises(ConfigError, match=r"features\.events\.Many\.where: 'units' is the target"):
        loading.parse(config)


def test_a_value_for_a_column_that_the_rows_lack_is_refused(config: dict[str, Any], tables: Tables) -> None:
    config["forecast"]["fill"] = {"opne": 1}
    with pytest.raises(ConfigError, match=r"forecast\.fill: no column 'opne'; did you mean 'open'"):
        fit(config, tables)


def test_a_column_that_a_feature_reads_as_dates_is_read_as_dates(config: dict[str, Any], tables: Tables) -> None:
    """Written as texts, as in a CSV: whichever feature reads it."""
    opened = tables["shops"].assign(opened=["2019-05-01", "2020-12-01", None, "2021-02-01", "2021-06-01", "2000-01-01"])
    config["features"]["to_month_end"] = {"Left": {"date": "opened"}}
    config["continuous"].append("Left")
    assert "Left" in fit(config, {**tables, "shops": opened}).fitted.preprocessor.continuous
    config["features"]["to_month_end"] = {"Left": {"date": "promo"}}
    with pytest.raises(DataError, match="column 'promo' holds numbers"):
        fit(config, tables)


def test_a_table_that_is_joined_on_what_is_past_only_does_no_harm_to_a_forecast(
    config: dict[str, Any], tables: Tables
) -> None:
    """Its columns may be in the history; the rows to forecast have no key for it, nor for a table joined on it."""
    config["tables"] |= {"bands": {"file": "bands.csv"}, "names": {"file": "names.csv"}}
    config["joins"] += [{"table": "bands", "on": "visitors"}, {"table": "names", "on": "band"}]
    config["history"] = {"base": "7d", "windows": ["28d", "7d"], "columns": ["band"]}
    bands = by_visitors(tables)
    tables = {**tables, "bands": bands, "names": pd.DataFrame({"band": bands["band"].unique(), "worth": 1.0})}
    prepared = fit(config, tables)
    applied = apply(prepared.fitted, tables)
    assert len(applied.encoded.table) == len(tables["future"])
    assert {"band", "worth"}.isdisjoint(applied.features.table.columns)


def test_a_join_on_what_is_not_there_is_refused(config: dict[str, Any], tables: Tables) -> None:
    config["joins"].append({"table": "shops", "on": ["shop", "kidn"]})
    with pytest.raises(ConfigError, match=r"joins\[1\]\.on: .* have a column 'kidn'; did you mean 'kind'"):
        fit(config, tables)


MONTHS = pd.period_range("1998-01", "2006-12", freq="M")
CUTOFFS = pd.DatetimeIndex(sorted({*MONTHS.to_timestamp(), *MONTHS.to_timestamp(how="end").normalize()}))
CUTOFFS = CUTOFFS.union(CUTOFFS[CUTOFFS.day == 1] + pd.Timedelta(14, unit="D"))
SEEN = pd.DataFrame({"seen": pd.date_range("1992-01-01", "2016-01-01", freq="12h", unit="us"), "interest": 1.0})
"""A lookup table with a row for every half of a day."""


@examples(25)
@example(step="1d", n=89, lag=Duration(3, "mo"))
@example(step="1d", n=90, lag=Duration(3, "mo"))
@example(step="3mo", n=1, lag=Duration(3, "mo"))
@given(
    step=st.sampled_from(["1d", "1w", "12h", "1mo", "3mo"]),
    n=st.integers(1, 30),
    lag=st.builds(Duration, st.integers(0, 40), st.sampled_from(["d", "w", "mo"])),
)
def test_a_lag_is_long_enough_just_where_no_row_to_forecast_finds_what_lies_after_the_cutoff(
    step: str, n: int, lag: Duration
) -> None:
    """Against the join itself: what the last row to forecast would find, from every cutoff."""
    frequency = Frequency.of(pd.Series([], dtype="datetime64[us]"), Duration.parse(step))
    config = loading.parse({**CONFIG, "joins": [{"table": "shops", "as_of": "seen", "lag": str(lag)}]})
    known = availability_of(config, pd.DataFrame(columns=["units"]), {"shops": SEEN}, frequency, n)["interest"]
    last = pd.DataFrame({"day": [frequency.after(c, n) for c in CUTOFFS]}).astype("datetime64[us]")
    found = LookupTable.of(SEEN, config.joins[0]).find(last, "day")
    ahead = SEEN["seen"].to_numpy()[found] > CUTOFFS.to_numpy()
    assert known == ("past only" if ahead.any() else "known in advance")


def test_two_features_of_one_name_are_both_named(config: dict[str, Any], tables: Tables) -> None:
    config["features"]["spans"]["Promo_bw"] = config["features"]["spans"]["MonthsOpen"]
    config["features"]["recurrences"]["holiday"] = {"months": "rounds"}
    with pytest.raises(ConfigError) as caught:
        fit(config, tables)
    assert "features.spans.Promo_bw: features.events.Promo has a column 'Promo_bw' already" in caught.value.message
    assert "features.recurrences.holiday: the joined table has a column 'holiday' already" in caught.value.message


def test_a_feature_has_its_own_name_whatever_a_joined_table_has(config: dict[str, Any], tables: Tables) -> None:
    """A lookup table's column of the same name, which is past only, is not joined, and so does not forbid it."""
    days = tables["train"]["day"].drop_duplicates()
    config["tables"]["news"] = {"file": "news.csv"}
    config["joins"].append({"table": "news", "on": "day"})
    news = pd.DataFrame({"day": days, "Promo_bw": 99, "buzz": 1.0})
    prepared = fit(config, {**tables, "news": news})
    assert "Promo_bw" in prepared.fitted.preprocessor.categorical
    assert 99 not in prepared.fitted.preprocessor.categorify.levels_["Promo_bw"]


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"recurrences": {"F": {"months": "size"}}}, r"F\.months: column 'size' holds float values, not texts"),
        ({"spans": {"F": {"since": {"year": "day", "month": "size"}, "unit": "days"}}}, r"F\.since\.year: .* date .*"),
        ({"to_month_end": {"F": {"date": "seen"}}}, r"features\.to_month_end\.F\.date: column 'seen' holds int values"),
    ],
)
def test_a_key_says_which_kind_of_column_it_needs(
    config: dict[str, Any], tables: Tables, features: dict[str, Any], problem: str
) -> None:
    chosen = loading.parse({**config, "features": features, "categorical": ["shop"], "continuous": ["F"]})
    rows = tables["train"].assign(size=1.5, seen=1)
    with pytest.raises(ConfigError, match=problem):
        check_columns(FactorizedTable.of(rows), chosen, ["feature"])


def test_texts_where_numbers_must_stand_are_told_by_their_rows(config: dict[str, Any], tables: Tables) -> None:
    config["history"] = {"base": "7d", "windows": ["7d"], "columns": ["mood"]}
    config["availability"]["past_only"].append("mood")
    train = tables["train"].assign(mood=["1", "good"] * (len(tables["train"]) // 2))
    with pytest.raises(DataError, match=r"history\.columns: column 'mood': 660 of 1320 rows hold no number: 'good'"):
        fit(config, {**tables, "train": train})
