"""Raw tables → encoded tables: no leak, and prediction's encoding equals prep's."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabcli.artifacts.contents import Prepared
from tabcli.artifacts.encoded_names import ROW
from tabcli.config import loading
from tabcli.errors import ConfigError, DataError
from tabcli.features.events import forward_names
from tabcli.pipeline import apply, prepare
from tabcli.preprocessing.categorical import MISSING
from tests.conftest import HORIZON, N_DAYS, N_SHOPS, START, make_tables

Tables = dict[str, pd.DataFrame]
CUTOFF = START + pd.Timedelta(N_DAYS - HORIZON - 1, unit="D")
"""The last day of training."""


def fit(config: dict[str, Any], tables: Tables, **options: Any) -> Prepared:
    return prepare.fit(loading.parse(config), tables, **options)


def encoded_columns(prepared: Prepared) -> list[str]:
    return [*prepared.fitted.preprocessor.categorical, *prepared.fitted.preprocessor.continuous]


def by_key(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return table.sort_values([ROW + "shop", ROW + "day"], ignore_index=True)[columns]


def changed_after(tables: Tables, day: pd.Timestamp, columns: list[str]) -> Tables:
    """The same tables, with other numbers in these columns of the train table after a day."""
    train = tables["train"].copy()
    later = train["day"] > day
    for column in columns:
        train.loc[later, column] = train.loc[later, column] * 3 + 1
    return {**tables, "train": train}


# ------------------------------------------------------------------------------------------- no leaks


def test_later_targets_change_nothing_that_training_sees(config: dict[str, Any], tables: Tables) -> None:
    one = fit(config, tables)
    other = fit(config, changed_after(tables, CUTOFF, ["units", "visitors"]))
    pd.testing.assert_frame_equal(one.tables["train"], other.tables["train"])
    assert one.fitted.preprocessor.to_state() == other.fitted.preprocessor.to_state()
    assert one.fitted.target == other.fitted.target
    columns = encoded_columns(one)
    kept = by_key(other.tables["valid"], [ROW + "shop", ROW + "day", *columns])
    # Sundays have sales in the changed table and are no longer left out: compare the rows that both have.
    both = by_key(one.tables["valid"], [ROW + "shop", ROW + "day"]).merge(kept)
    pd.testing.assert_frame_equal(both[columns], by_key(one.tables["valid"], columns))


def test_statistics_see_no_validation_and_no_future_row(config: dict[str, Any], tables: Tables) -> None:
    """Values that appear only after the cutoff are in no vocabulary, median, mean or std."""
    train = tables["train"].copy()
    late = train["day"] > CUTOFF
    train["temperature"] = np.where(late, 1e6, np.arange(len(train)) % 7.0)
    train["mood"] = np.where(late, "late", "early")
    future = tables["future"].assign(temperature=-1e6, mood="future")
    config["availability"]["known_in_advance"] += ["temperature", "mood"]
    config["categorical"].append("mood")
    config["continuous"].append("temperature")
    prepared = fit(config, {**tables, "train": train, "future": future})
    preprocessor = prepared.fitted.preprocessor
    rows = train[~late & (train["units"] > 0)]
    assert preprocessor.categorify.levels_["mood"] == ["early"]
    assert preprocessor.fill_missing.medians_["temperature"] == rows["temperature"].median()
    assert preprocessor.normalize.means_["temperature"] == pytest.approx(rows["temperature"].mean())
    assert preprocessor.normalize.stds_["temperature"] == pytest.approx(rows["temperature"].std(ddof=0))
    assert prepared.summary.codes["valid"]["mood"]["unknown"] == len(prepared.tables["valid"])


def test_a_past_only_column_cannot_become_an_input(config: dict[str, Any], tables: Tables) -> None:
    config["features"]["events"]["Crowd"] = {"where": {"visitors": 0}}
    with pytest.raises(ConfigError, match=r"features\.events\.Crowd\.where: 'visitors' is past only"):
        fit(config, tables)
    del config["features"]["events"]["Crowd"]
    config["continuous"] = "auto"
    assert "visitors" not in encoded_columns(fit(config, tables))
    config["continuous"] = ["visitors"]
    with pytest.raises(ConfigError, match="past only"):
        fit(config, tables)


def test_an_undeclared_column_is_past_only(config: dict[str, Any], tables: Tables) -> None:
    config["availability"]["known_in_advance"].remove("promo")
    with pytest.raises(ConfigError, match="'promo' is past only"):
        fit(config, tables)


@pytest.mark.parametrize(("lag", "usable"), [("0d", False), ("19d", False), ("20d", True)])
def test_a_dated_side_table_is_usable_only_when_its_lag_spans_the_horizon(
    config: dict[str, Any], tables: Tables, lag: str, usable: bool
) -> None:
    days = pd.date_range(START - pd.Timedelta(40, unit="D"), periods=400, unit="us")
    trend = pd.DataFrame({"week_end": days, "interest": np.arange(400.0)})
    config["tables"]["trend"] = {"file": "trend.csv"}
    config["joins"].append({"table": "trend", "as_of": "week_end", "lag": lag})
    config["continuous"].append("interest")
    if usable:
        assert "interest" in encoded_columns(fit(config, {**tables, "trend": trend}))
    else:
        with pytest.raises(ConfigError, match="'interest' is past only"):
            fit(config, {**tables, "trend": trend})


# ------------------------------------------------------------------------------- one code path for both


def test_train_rows_through_predict_equal_prep_bit_for_bit(config: dict[str, Any], tables: Tables) -> None:
    prepared = fit(config, tables)
    ahead = {c for event in config["features"]["events"] for c in forward_names(event)}
    columns = [c for c in encoded_columns(prepared) if c.removesuffix("_na") not in ahead]  # which the draw decides
    rows = tables["train"].drop(columns=["units", "visitors"])
    rows.insert(0, "row", np.arange(len(rows)))
    # All rows, a shuffled half, and a single row: what is around a row does not matter, the bundle knows its events.
    for chosen in (rows, rows.sample(frac=0.5, random_state=3), rows.iloc[[777]]):
        applied = apply.apply(prepared.fitted, {**tables, "future": chosen})
        keys = applied.rows[["shop", "day"]].rename(columns=lambda c: ROW + c)
        again = pd.concat([keys, applied.encoded.table], axis=1)
        for part in ("train", "valid"):
            there = prepared.tables[part].merge(keys)
            assert len(there) or len(chosen) == 1
            pd.testing.assert_frame_equal(there[columns], there[[ROW + "shop", ROW + "day"]].merge(again)[columns])


def test_future_rows_through_predict_equal_prep_bit_for_bit(config: dict[str, Any], tables: Tables) -> None:
    prepared = fit(config, tables)
    columns = encoded_columns(prepared)
    applied = apply.apply(prepared.fitted, tables)
    pd.testing.assert_frame_equal(applied.encoded.table[columns], prepared.tables["future"][columns])


def test_order_of_rows_does_not_matter(config: dict[str, Any], tables: Tables) -> None:
    one = fit(config, tables)
    shuffled = {n: t.sample(frac=1, random_state=5, ignore_index=True) for n, t in tables.items()}
    other = fit(config, shuffled)
    columns = encoded_columns(one)
    for part in ("train", "valid", "future"):
        pd.testing.assert_frame_equal(by_key(one.tables[part], columns), by_key(other.tables[part], columns))
    assert one.fitted.preprocessor.categorify == other.fitted.preprocessor.categorify


# --------------------------------------------------------------------------------------- rows and roles


def test_rows_are_counted_by_reason(config: dict[str, Any], tables: Tables) -> None:
    config["validation"]["gap"] = "10d"
    prepared = fit(config, tables)
    rows, counts = prepared.summary.rows, prepared.summary.counts
    open_rows = tables["train"][tables["train"]["units"] > 0]
    assert counts.read == {"train": N_SHOPS * N_DAYS, "future": N_SHOPS * HORIZON}
    assert sum(counts.dropped.values()) == N_SHOPS * N_DAYS - len(open_rows)
    assert rows["train"] + rows["valid"] + rows["gap"] == len(open_rows)
    gap_start = CUTOFF - pd.Timedelta(10, unit="D")
    assert rows["gap"] == open_rows["day"].between(gap_start, CUTOFF, inclusive="right").sum()
    assert prepared.tables["train"][ROW + "day"].max() <= gap_start
    assert prepared.tables["valid"][ROW + "day"].min() > CUTOFF
    assert rows["future"] == N_SHOPS * HORIZON


def test_encoded_tables_are_int32_and_float32(config: dict[str, Any], tables: Tables) -> None:
    prepared = fit(config, tables)
    for table in prepared.tables.values():
        assert (table[prepared.fitted.preprocessor.categorical].dtypes == "int32").all()
        assert (table[prepared.fitted.preprocessor.continuous].dtypes == "float32").all()
    train = prepared.tables["train"]
    np.testing.assert_array_equal(train["y"], np.log(train[ROW + "units"]).astype("float32"))


def test_missing_values_get_a_flag_and_their_own_code(config: dict[str, Any], tables: Tables) -> None:
    prepared = fit(config, tables)
    train = prepared.tables["train"]
    second, third = train[train[ROW + "shop"] == 2], train[train[ROW + "shop"] == 3]
    assert "size_na" in prepared.fitted.preprocessor.categorical
    assert set(prepared.fitted.preprocessor.categorify.decode(second["size_na"], "size_na")) == {1}
    assert (second[ROW + "filled"] >= 1).all()
    assert (third["kind"] == MISSING).all()
    assert (third["MonthsOpen"] == MISSING).all()


def test_a_missing_open_day_ahead_is_filled_and_counted(config: dict[str, Any], tables: Tables) -> None:
    prepared = fit(config, tables)
    assert prepared.summary.counts.filled == {"open": 1}
    applied = apply.apply(prepared.fitted, tables)
    assert applied.filled_inputs == {"open": 1}
    closed = apply.zero_rows(applied, prepared.fitted.config)
    np.testing.assert_array_equal(closed, tables["future"]["open"].fillna(1).to_numpy() == 0)


@pytest.mark.parametrize("n_rows", [1, 400, 10**9])
def test_sample_keeps_whole_series(config: dict[str, Any], tables: Tables, n_rows: int) -> None:
    prepared = fit(config, tables, sample=n_rows)
    train = prepared.tables["train"]
    n_series = train[ROW + "shop"].nunique()
    assert n_series == min(N_SHOPS, max(1, round(n_rows / N_DAYS)))
    assert len(prepared.tables["future"]) == n_series * HORIZON
    full = fit(config, tables).tables["train"]
    assert len(train) == full[ROW + "shop"].isin(train[ROW + "shop"].unique()).sum()
    again = fit(config, tables, sample=n_rows)
    pd.testing.assert_frame_equal(train, again.tables["train"])


@pytest.mark.parametrize(("value", "word"), [(0, "zero"), (-3, "negative"), (None, "missing")])
def test_targets_without_a_log_are_refused_with_their_count(
    config: dict[str, Any], tables: Tables, value: float | None, word: str
) -> None:
    config["target"]["drop_where"] = {"open": 0}
    train = tables["train"].astype({"units": "float64"})
    train.loc[train.index[train["open"] == 1][:4], "units"] = value
    with pytest.raises(DataError, match=rf"'units' is {word} in 4 of \d+ rows") as caught:
        fit(config, {**tables, "train": train})
    assert "nonpositive: drop" in str(caught.value.hint)
    config["target"]["nonpositive"] = "drop"
    assert fit(config, {**tables, "train": train}).summary.counts.dropped[f"units {word}"] == 4


def test_a_static_column_that_changes_is_refused(config: dict[str, Any], tables: Tables) -> None:
    config["availability"]["known_in_advance"].remove("promo")
    config["availability"]["static"] = ["promo"]
    with pytest.raises(ConfigError, match=r"availability\.static: 'promo' changes within 6 series"):
        fit(config, tables)


def test_unknown_variables_are_all_named_with_the_nearest_column(config: dict[str, Any], tables: Tables) -> None:
    config["categorical"] += ["knd"]
    config["continuous"] += ["siez"]
    with pytest.raises(ConfigError) as caught:
        fit(config, tables)
    assert "no column 'knd'; did you mean 'kind'?" in caught.value.message
    assert "no column 'siez'; did you mean 'size'?" in caught.value.message


def test_auto_roles_follow_the_stated_rule(config: dict[str, Any], tables: Tables) -> None:
    config |= {"categorical": "auto", "continuous": "auto", "max_card": 20}
    preprocessor = fit(config, tables).fitted.preprocessor
    assert {"shop", "holiday", "kind", "dayDayofweek", "dayIs_month_end"} <= set(preprocessor.categorical)
    assert {"size", "dayElapsed", "dayDayofyear", "dayDay"} <= set(preprocessor.continuous)
    used = {*preprocessor.categorical, *preprocessor.continuous}
    assert not used & {"units", "visitors", "day", "row"}


def test_the_baseline_is_the_median_of_earlier_rows(config: dict[str, Any], tables: Tables) -> None:
    rows = tables["train"][tables["train"]["units"] > 0]
    rows = rows.assign(weekday=rows["day"].dt.day_of_week)
    past, valid = rows[rows["day"] <= CUTOFF], rows[rows["day"] > CUTOFF]
    medians = past.groupby(["shop", "weekday", "promo"])["units"].median()
    forecast = np.array([medians[tuple(k)] for k in valid[["shop", "weekday", "promo"]].to_numpy()])
    actual = valid["units"].to_numpy()
    expected = np.sqrt(np.mean(((actual - forecast) / actual) ** 2))
    baseline = fit(config, tables).summary.baseline
    assert baseline.by == ("shop", "dayDayofweek", "promo")
    assert baseline.score == pytest.approx(expected, rel=1e-12)


def test_a_file_of_other_kinds_of_values_still_conforms(config: dict[str, Any]) -> None:
    """In the future table all holidays are "0": read as numbers, they still meet the learned text."""
    tables = make_tables()
    prepared = fit(config, tables)
    future = tables["future"].assign(holiday=0)
    applied = apply.apply(prepared.fitted, {**tables, "future": future})
    assert applied.encoded.codes["holiday"] == {"missing": 0, "unknown": 0}


# ------------------------------------------------------------------------------ features and their columns


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"fourier": {"F": {"date": "Elapsed"}}}, r"features\.fourier\.F\.date: no column 'Elapsed'"),
        ({"to_month_end": {"F": {"date": "Year"}}}, r"features\.to_month_end\.F\.date: no column 'Year'"),
        (
            {"spans": {"F": {"since": {"year": "Year", "month": "Month"}, "unit": "days"}}},
            r"features\.spans\.F\.since\.year: no column 'Year'",
        ),
        ({"recurrences": {"F": {"months": "Month"}}}, r"features\.recurrences\.F\.months: no column 'Month'"),
    ],
)
def test_a_feature_is_made_from_the_joined_table_not_from_others(
    config: dict[str, Any], tables: Tables, features: dict[str, Any], problem: str
) -> None:
    made = {"date_parts": [{"column": "day", "prefix": ""}], **features}
    with pytest.raises(ConfigError, match=problem):
        fit({**config, "features": made, "categorical": ["shop", "Year"], "continuous": ["Elapsed"]}, tables)


def test_a_recurrence_may_not_begin_with_what_is_known_afterwards(config: dict[str, Any], tables: Tables) -> None:
    since = {"year": "visitors", "month": "since_month"}
    features = {**config["features"], "recurrences": {"Round": {"months": "rounds", "since": since}}}
    with pytest.raises(ConfigError, match=r"features\.recurrences\.Round\.since\.year: 'visitors' is past only"):
        fit({**config, "features": features}, {**tables, "train": tables["train"].assign(visitors=2020)})


def test_a_baseline_may_be_by_the_season(config: dict[str, Any], tables: Tables) -> None:
    baseline = fit({**config, "baseline": ["shop", "season"]}, tables).summary.baseline
    assert baseline.by == ("shop", "season")
    assert "the median by shop × season" in baseline.scores
    with pytest.raises(ConfigError, match="baseline: no column 'seson'"):
        fit({**config, "baseline": ["shop", "seson"]}, tables)


@pytest.mark.parametrize("value", ["yes", "", "nan", "open"])
def test_a_filling_that_is_no_number_is_a_problem_of_the_config(
    config: dict[str, Any], tables: Tables, value: str
) -> None:
    config["forecast"]["fill"] = {"open": value}
    with pytest.raises(
        ConfigError, match=rf"forecast.fill.open: '{value}' is not a number, but the column holds float"
    ):
        fit(config, tables)
    config["forecast"]["fill"] = {"open": "1"}
    assert fit(config, tables).summary.counts.filled == {"open": 1}
