"""Bias against groups: planted ones are named, none is named without; the groups of series, and what is sensitive."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bias import DAILY, drawn_past, planted

import tabcli
from tabcli.cards.bias import BLOCKS, Bias, bias_of
from tabcli.config import loading
from tabcli.errors import ConfigError
from tabcli.features.frequency import Frequency
from tabcli.pipeline import prepare
from tabcli.pipeline.seen import occasions
from tests.conftest import N_SHOPS

Tables = dict[str, pd.DataFrame]


def named(bias: Bias) -> list[tuple[str, str, str]]:
    return [(g.column, g.name, g.side) for g in bias.named]


@pytest.mark.parametrize("seed", range(20))
def test_a_planted_bias_is_named_and_without_one_no_group_is(seed: int) -> None:
    past, groups = drawn_past(seed)
    assert named(bias_of(past, groups, DAILY)) == []
    for column in ("kind", "club"):
        changed, name, side = planted(past, groups, column, seed)
        assert (column, name, side) in named(bias_of(changed, groups, DAILY))


def test_what_is_too_high_everywhere_speaks_against_no_group() -> None:
    past, groups = drawn_past(1)
    assert named(bias_of(past.assign(forecast=1.2 * past["forecast"]), groups, DAILY)) == []


def test_a_group_of_one_window_alone_is_chance() -> None:
    past, groups = drawn_past(2)
    of_group = (groups["club"] == "yes").to_numpy()[past["series"].to_numpy()]
    once = past["forecast"].where(~of_group | (past["window"] != 1), past["forecast"] * 1.3)
    bias = bias_of(past.assign(forecast=once), groups[["club"]], DAILY)
    assert bias.groups[1].name == "yes"
    assert bias.groups[1].apart is not None
    assert bias.groups[1].apart > 0.04
    assert [g.side for g in bias.groups] == ["", ""]


def test_a_group_with_wider_errors_is_worse_and_not_too_high() -> None:
    past, groups = drawn_past(3)
    of_group = (groups["kind"] == "d").to_numpy()[past["series"].to_numpy()]
    off = np.where(np.random.default_rng(0).random(len(past)) < 0.5, 1.3, 1 / 1.3)
    wide = past["forecast"].where(~of_group, past["actual"] * off)
    found = {g.name: g for g in bias_of(past.assign(forecast=wide), groups[["kind"]], DAILY).groups}
    assert found["d"].worse
    assert not found["a"].worse
    assert found["d"].times is not None
    assert found["d"].times > 1.5


def test_the_numbers_are_those_of_a_hand_computation() -> None:
    past, groups = drawn_past(4, n_series=12)
    bias = bias_of(past, groups, DAILY)
    one = bias.groups[0]
    own = past[(groups[one.column] == one.name).to_numpy()[past["series"].to_numpy()]]
    assert one.rows == len(own)
    assert one.bias == pytest.approx(own["forecast"].sum() / own["actual"].sum() - 1)
    assert one.wape == pytest.approx((own["forecast"] - own["actual"]).abs().sum() / own["actual"].sum())
    assert bias.windows == 4
    assert bias.blocks == 4 * 7


def test_columns_that_group_the_series_alike_are_one() -> None:
    """A code and its name; not a column that groups them alike but for one series."""
    past, groups = drawn_past(7)
    plain = bias_of(past, groups, DAILY)
    twice = groups.assign(
        kind_name=groups["kind"].str.upper() + "!", member=groups["club"].map({"no": "y", "yes": "n"})
    )
    twice["almost"] = groups["size"].where(groups.index != 3)
    found = bias_of(past, twice, DAILY)
    assert found.columns == (*groups.columns, "almost")
    assert found.alike == {"kind": ("kind_name",), "club": ("member",)}
    without = bias_of(past, twice[[*groups.columns, "almost"]], DAILY)
    assert (without.groups, without.alike) == (found.groups, {})
    assert plain.alike == {}


def test_too_few_series_say_nothing() -> None:
    past, groups = drawn_past(5, n_series=40)
    groups["rare"] = ["x", "x", *["y"] * 38]
    rare = bias_of(
        past.assign(forecast=past["forecast"].where(past["series"] > 1, 9 * past["forecast"])), groups, DAILY
    )
    x = next(g for g in rare.groups if g.name == "x")
    assert x.bias is not None
    assert x.bias > 5
    assert x.apart is None
    assert x.side == ""


def test_weeks_have_blocks_of_a_quarter_of_the_window() -> None:
    past, groups = drawn_past(6, n_series=20, windows=2, horizon=8)
    assert bias_of(past, groups, Frequency(7 * 86400, "s")).blocks == 2 * BLOCKS


# ------------------------------------------------------------------------------------- groups of series


def fit(config: dict[str, Any], tables: Tables) -> Any:
    return prepare.fit(loading.parse(config), tables)


def test_by_default_groups_are_static_columns_with_few_values(config: dict[str, Any], tables: Tables) -> None:
    tables["shops"]["area"] = ["north", "north", "south", "south", "north", "south"]  # no input reads it
    fitted = fit(config, tables).fitted
    assert fitted.groups.columns.tolist() == ["kind", "area"]
    by_shop = dict(zip(fitted.calendar.series["shop"], fitted.groups["area"], strict=True))
    assert by_shop == dict(zip(tables["shops"]["shop"], tables["shops"]["area"], strict=True))
    assert fitted.groups["kind"].isna().sum() == 1


def test_sensitive_columns_replace_the_default(config: dict[str, Any], tables: Tables) -> None:
    tables["shops"] = tables["shops"].assign(income=np.arange(N_SHOPS) * 1000.0)
    config["card"] = {"sensitive": "income"}
    assert fit(config, tables).fitted.groups.columns.tolist() == ["income"]


def test_a_number_with_many_values_is_cut_into_quarters(config: dict[str, Any], tables: Tables) -> None:
    more = [tables["train"].assign(shop=tables["train"]["shop"] + 10 * k) for k in range(4)]
    tables["train"] = pd.concat(more, ignore_index=True)
    shops = tables["train"]["shop"].drop_duplicates()
    tables["shops"] = pd.DataFrame({"shop": shops, "kind": "x", "size": 1.0, "since_year": 2020, "since_month": 1})
    tables["shops"]["rounds"] = "Jan"
    tables["shops"]["income"] = np.where(tables["shops"]["shop"] == 1, np.nan, tables["shops"]["shop"] * 100.5)
    config["card"] = {"sensitive": ["income"]}
    found = fit(config, tables).fitted.groups["income"]
    assert found.isna().sum() == 1
    assert found.value_counts().between(5, 7).all()
    assert found.nunique() == 4
    assert any(name.startswith("up to ") for name in found.dropna())


def test_a_sensitive_column_that_changes_within_a_series_is_refused(config: dict[str, Any], tables: Tables) -> None:
    config["card"] = {"sensitive": ["promo"]}
    with pytest.raises(ConfigError, match=r"card\.sensitive: 'promo' changes within 6 of 6 series"):
        fit(config, tables)


def test_a_sensitive_column_without_values_or_with_an_odd_name_does_no_harm(
    config: dict[str, Any], tables: Tables, tmp_path: Path
) -> None:
    tables["shops"] = tables["shops"].assign(weekday=["Monday", "x"] * 3, nothing=pd.Series([None] * 6, dtype="object"))
    config["card"] = {"sensitive": ["weekday", "nothing"]}
    few = ["train.epochs=1", "calibration.windows=1", "calibration.metric=none"]
    tabcli.train(tabcli.prep(config, tables), tmp_path / "run", overrides=few)
    text = (tmp_path / "run" / "MODEL_CARD.md").read_text("utf-8")
    assert "| weekday: Monday | 3 |" in text
    assert "| Tuesday |" in text


def test_a_sensitive_column_that_is_not_there_is_named(config: dict[str, Any], tables: Tables) -> None:
    config["card"] = {"sensitive": ["knd"]}
    with pytest.raises(ConfigError, match=r"card\.sensitive: no column 'knd'; did you mean 'kind'"):
        fit(config, tables)


# --------------------------------------------------------------------------------- what the past shows


def test_occasions_are_stretches_of_at_most_a_week() -> None:
    assert occasions(np.array([0, 1, 2, 363, 365, 366])) == 2
    assert occasions(np.arange(21)) == 3
    assert occasions(np.array([], dtype="int64")) == 0


def test_prep_says_what_the_past_does_not_show(config: dict[str, Any], tables: Tables) -> None:
    train = tables["train"]
    hole = (train["shop"] == 3) & train["day"].between("2021-02-03", "2021-02-12")
    tables["train"] = train[~hole]
    new = tables["future"].iloc[:2].assign(shop=99, row=[1, 2])
    tables["future"] = pd.concat([tables["future"], new], ignore_index=True)
    seen = fit(config, tables).summary.seen
    assert seen is not None
    assert (seen.gappy, seen.missing) == (1, 10)
    assert seen.longest == "10 steps of series 3, 2021-02-03 … 2021-02-12"
    assert (seen.new, seen.short, seen.ended) == (1, 0, 0)
    assert seen.months == (1, 2, 3, 4, 5, 6, 7, 12)
    assert seen.weekdays == (0, 1, 2, 3, 4, 5)
    assert seen.occasions["holiday = a"] == 7
    assert seen.occasions["event Closed"] == 32
