"""What a reader of a forecast is told, word for word, with the rows counted; its bounds, and what has no forecast."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabcli
from tabcli.artifacts.contents import Run
from tabcli.config.values import Duration
from tabcli.errors import BundleError, DataError
from tabcli.evaluation.scatter import NEW
from tabcli.forecasting import points
from tabcli.forecasting.bounds import bound_notes, past_of, quantiles_of, scatter_of, steps_ahead, unknown_rows
from tabcli.forecasting.notes import closed_notes, ended_notes, far_values, notes_on
from tabcli.forecasting.outputs import outputs_of
from tabcli.forecasting.points import Wanted, forecast, forecast_applied
from tabcli.pipeline.apply import Applied, apply
from tests.conftest import CONFIG, HORIZON, N_DAYS, N_SHOPS, START, examples, make_tables

Frames = dict[str, pd.DataFrame]
WHOLE = N_SHOPS * HORIZON
CONFIG_HERE: dict[str, Any] = {
    **CONFIG,
    "availability": {**CONFIG["availability"], "known_in_advance": ["open", "promo", "holiday", "price"]},
    "categorical": ["shop", "promo", "holiday", "kind", "Round", "Promo_bw", "Closed_fw", "region"],
    "continuous": [*CONFIG["continuous"], "price"],
}


def make() -> Frames:
    """The usual tables, with a price of 10 … 20 and a region that are never missing."""
    tables = make_tables()
    for name in ("train", "future"):
        tables[name]["price"] = 10.0 + np.arange(len(tables[name])) % 11
    tables["shops"]["region"] = ["n", "s", "n", "s", "w", "w"]
    return tables


TABLES = make()
NEEDED = (TABLES["future"]["open"] != 0).to_numpy()
"""Which rows are not 0 by rule: the others need no forecast, and nothing is said of them."""
ASKED = int(NEEDED.sum())
OPEN_ROWS, CLOSED_ROWS = np.flatnonzero(NEEDED).tolist(), np.flatnonzero(~NEEDED).tolist()


def n_asked(shops: list[int]) -> int:
    """How many rows of these shops are not 0 by rule."""
    return int((TABLES["future"]["shop"].isin(shops) & NEEDED).sum())


@pytest.fixture(scope="module")
def run() -> Run:
    """One epoch, one past window."""
    prep = tabcli.prep(CONFIG_HERE, TABLES)
    return tabcli.train(prep, overrides=["train.epochs=1", "calibration.windows=0"]).run


def with_future(**columns: Any) -> Frames:
    return {**TABLES, "future": TABLES["future"].assign(**columns)}


def told(run: Run, tables: Frames) -> list[str]:
    return notes_on(apply(run.fitted, tables), run)


FILLED = "column open: 1 missing values taken as 1"

# ---------------------------------------------------------------------------------------------- the notes


def test_rows_like_those_of_training_have_one_note_for_what_was_filled(run: Run) -> None:
    assert told(run, TABLES) == [FILLED]
    assert told(run, with_future(open=TABLES["future"]["open"].fillna(1))) == []


def test_series_that_training_never_saw_are_counted_and_three_of_them_named(run: Run) -> None:
    new = TABLES["future"]["shop"].where(TABLES["future"]["shop"] < 3, TABLES["future"]["shop"] + 90)
    shops = pd.concat([TABLES["shops"], TABLES["shops"].iloc[2:].assign(shop=[93, 94, 95, 96])])
    found = told(run, {**with_future(shop=new), "shops": shops})
    first = new[(new > 90) & NEEDED].drop_duplicates().tolist()
    assert found[0] == (
        f"4 series that training never saw ({first[0]}, {first[1]}, {first[2]}, …): "
        f"{n_asked([3, 4, 5, 6])} rows are forecast "
        "from their other columns alone, as of an average series"
    )
    assert found[1:] == [FILLED]


def test_values_that_training_never_saw_and_gaps_where_it_had_none_are_counted(run: Run) -> None:
    holiday, price = TABLES["future"]["holiday"].copy(), TABLES["future"]["price"].copy()
    holiday[OPEN_ROWS[:3]], holiday[OPEN_ROWS[3:5]], price[OPEN_ROWS[5:9]] = "z", None, np.nan
    holiday[CLOSED_ROWS[:4]], holiday[CLOSED_ROWS[4:7]], price[CLOSED_ROWS[7:9]] = "z", None, np.nan
    assert told(run, with_future(holiday=holiday, price=price)) == [
        f"column holiday: 3 of {ASKED} rows hold a value that training never saw",
        f"column holiday: 2 of {ASKED} values are missing, none were in training; "
        "taken as a value that training never saw",
        f"column price: 4 of {ASKED} values are missing, none were in training; median filled in",
        FILLED,
    ]


def test_nothing_is_said_of_rows_that_are_0_by_rule(run: Run) -> None:
    """New series, unseen and missing values, far numbers, shops without a match: in closed rows alone."""
    future = TABLES["future"]
    shop = future["shop"].where(NEEDED | (future["shop"] < 3), future["shop"] + 90)
    holiday, price = future["holiday"].where(NEEDED, "z"), future["price"].where(NEEDED, 1e9)
    holiday[CLOSED_ROWS[:3]], price[CLOSED_ROWS[3:6]] = None, np.nan
    assert told(run, with_future(shop=shop, holiday=holiday, price=price)) == [FILLED]
    everywhere = told(run, with_future(shop=future["shop"] + 90, holiday="z"))
    assert f"column holiday: {ASKED} of {ASKED} rows hold a value that training never saw" in everywhere
    assert any(n.startswith(f"table shops: {ASKED} of {ASKED} rows found no match") for n in everywhere)
    made = forecast(run, with_future(holiday=holiday), wanted=Wanted(intervals=(0.8,)))
    assert [w for w in made.warnings if "single past window" not in w] == [FILLED]
    assert made.counts == {"rows": WHOLE, "zero": len(CLOSED_ROWS)}


@pytest.mark.parametrize(("gone", "shown"), [([4], "shop=4"), ([1, 2, 3, 4], "shop={}; shop={}; shop={}; …")])
def test_rows_without_a_match_are_told_with_their_keys(run: Run, gone: list[int], shown: str) -> None:
    found = told(run, {**TABLES, "shops": TABLES["shops"][~TABLES["shops"]["shop"].isin(gone)]})
    first = TABLES["future"]["shop"][TABLES["future"]["shop"].isin(gone) & NEEDED].drop_duplicates().tolist()
    note = f"table shops: {n_asked(gone)} of {ASKED} rows found no match: {shown.format(*first)}"
    assert found[-1] == note
    assert any(n.startswith(f"column region: {n_asked(gone)} of {ASKED} values are missing") for n in found)


def test_a_few_rows_without_a_match_are_no_news_where_training_had_gaps_in_all_that_it_brings(run: Run) -> None:
    """kind and size are missing for some shops of the training rows."""
    config = {**CONFIG_HERE, "categorical": [c for c in CONFIG_HERE["categorical"] if c != "region"]}
    prep = tabcli.prep(config, TABLES)
    other = replace(run, fitted=prep.prepared.fitted)
    assert not any("table shops" in n for n in told(other, {**TABLES, "shops": TABLES["shops"].query("shop != 4")}))
    assert told(other, {**TABLES, "shops": TABLES["shops"].assign(shop=TABLES["shops"]["shop"] + 50)})[-1].startswith(
        f"table shops: {ASKED} of {ASKED} rows found no match: shop="
    )


@pytest.mark.parametrize(("value", "is_far"), [(31.0, True), (29.0, False), (1.0, False), (-1.0, True), (1e9, True)])
def test_a_number_is_far_beyond_the_range_of_training_and_as_much_again(run: Run, value: float, is_far: bool) -> None:
    """Prices were 10 … 20."""
    price = TABLES["future"]["price"].copy()
    two = OPEN_ROWS[3:9:5]
    price[[*two, CLOSED_ROWS[0]]] = value
    applied = apply(run.fitted, with_future(price=price))
    found = far_values(applied, run)
    assert bool(found) == is_far
    if is_far:
        assert np.flatnonzero(found[0].rows).tolist() == sorted([*two, CLOSED_ROWS[0]])
        assert str(found[0]) == f"column price: {value:g}, where prep saw 10 … 20"
        assert notes_on(applied, run)[-1] == (
            f"column price: 2 of {ASKED} values lie far from the 10 … 20 that prep saw, such as {value:g}: "
            "such forecasts are a guess"
        )
    assert not far_values(apply(run.fitted, with_future(price=price.where(price == value, np.nan))), run) or is_far


def shifted(days: int) -> pd.DataFrame:
    return TABLES["future"].assign(day=TABLES["future"]["day"] + pd.Timedelta(days=days), open=1)


def test_rows_beyond_the_known_calendar_are_asked_for_together_or_it_is_said(run: Run) -> None:
    later = shifted(10)
    end = later["day"].max()
    known = START + pd.Timedelta(days=N_DAYS + HORIZON - 1)
    assert told(run, {**TABLES, "future": later}) == []
    rest = (
        ": what is planned on the others is not known, and forecasts of rows asked for together may differ; "
        "ask for all rows of the horizon at once"
    )
    without = later[(later["day"] != end) | (later["shop"] != 2)]
    assert told(run, {**TABLES, "future": without}) == [
        f"1 series are asked for without some of the 10 steps after {known}{rest}"
    ]
    without = later[later["day"] != end - pd.Timedelta(days=3)]
    assert told(run, {**TABLES, "future": without}) == [f"9 of the 10 steps after {known} are asked for{rest}"]


@pytest.mark.parametrize(("origin", "horizon"), [(225, 20), (220, 10), (0, 400)])
def test_rows_outside_the_reach_of_the_history_are_counted(run: Run, origin: int, horizon: int) -> None:
    applied = apply(run.fitted, TABLES)
    step = (TABLES["future"]["day"] - START).dt.days.to_numpy()
    table = applied.encoded.table.assign(**{"row.step": step})
    snapshot: Any = SimpleNamespace(origin=origin, spec=SimpleNamespace(horizon=horizon))
    placed = replace(applied, encoded=replace(applied.encoded, table=table))
    found = notes_on(placed, replace(run, snapshot=snapshot))
    far, early = ((step >= origin + horizon) & NEEDED).sum(), ((step < origin) & NEEDED).sum()
    expected = [f"{far} of {ASKED} rows lie further ahead than the {horizon} steps that training looked at"] * int(
        far > 0
    )
    expected += [
        f"{early} of {ASKED} rows lie before the end of the known past, which the forecast makes use of"
    ] * int(early > 0)
    assert found == [FILLED, *expected]


def test_series_that_ended_long_ago_and_weekdays_without_rows_are_told_where_rows_were_made(run: Run) -> None:
    assert (ended_notes(run), closed_notes(run)) == ([], [])
    day, shop = TABLES["train"]["day"], TABLES["train"]["shop"]
    end = START + pd.Timedelta(days=N_DAYS - 1)
    gone = (shop <= 4) & (day > end - pd.Timedelta(days=HORIZON))
    shut = (day.dt.day_of_week == 6) | ((day.dt.day_of_week == 2) & (shop == 5))
    fitted = tabcli.prep(CONFIG_HERE, {**TABLES, "train": TABLES["train"][~gone & ~shut]}).prepared.fitted
    other = replace(run, fitted=fitted)
    assert ended_notes(other) == [
        f"4 series have no row in the last {HORIZON} steps (1, 2, 3, …); they are forecast like the others; "
        "forecast.ended: left_out makes none for them"
    ]
    rest = "in their last year: none are made; forecast.weekdays: all makes them"
    assert closed_notes(other) == [
        f"1 series had no row on a Wednesday {rest}",
        f"the series had no row on a Sunday {rest}",
    ]


# --------------------------------------------------------------------------------------------- the bounds


@pytest.fixture(scope="module")
def applied(run: Run) -> Applied:
    return apply(run.fitted, TABLES)


@examples(8)
@given(st.permutations([0.05, 0.1, 0.5, 0.9, 0.975]), st.floats(-2, 2))
def test_bounds_go_with_the_outputs_in_the_order_of_the_levels(
    run: Run, applied: Applied, levels: list[float], shift: float
) -> None:
    outputs = outputs_of(run, applied.encoded.table, applied.rows["day"])
    order = np.argsort(levels)
    made = quantiles_of(run, applied, outputs, levels)
    closed = (applied.rows["open"] == 0).to_numpy()
    assert (made[closed] == 0).all()
    assert (np.diff(made[~closed][:, order], axis=1) > 0).all()
    np.testing.assert_array_equal(made[:, order], quantiles_of(run, applied, outputs, sorted(levels)))
    moved = quantiles_of(run, applied, outputs + shift, levels)
    np.testing.assert_allclose(moved, np.exp(shift) * made, rtol=2e-5, err_msg="a shift of the log is a factor")


def test_steps_ahead_and_unknown_rows_are_those_of_the_table(run: Run, applied: Applied) -> None:
    end = START + pd.Timedelta(days=N_DAYS - 1)
    np.testing.assert_array_equal(steps_ahead(run, applied), (TABLES["future"]["day"] - end).dt.days)
    assert not unknown_rows(run, applied).any(), "a year that training never saw is no such value"
    holiday, shop = TABLES["future"]["holiday"].copy(), TABLES["future"]["shop"].copy()
    holiday[7], shop[11] = "z", 99
    other = apply(run.fitted, with_future(holiday=holiday, shop=shop, open=1))
    assert np.flatnonzero(unknown_rows(run, other)).tolist() == [7, 11]
    zeros, wide = np.zeros(WHOLE), quantiles_of(run, other, np.zeros(WHOLE), [0.9])[:, 0]
    usual = quantiles_of(run, apply(run.fitted, with_future(open=1)), zeros, [0.9])[:, 0]
    assert (wide[[7, 11]] > usual[[7, 11]]).all(), "what training never saw is less sure"
    past = apply(run.fitted, with_future(day=TABLES["future"]["day"] - pd.Timedelta(days=400)))
    assert (steps_ahead(run, past) == 1).all()


def test_what_is_said_of_bounds_counts_open_rows_alone(run: Run, applied: Applied) -> None:
    single = "intervals come from a single past window: how much windows differ is not known to them"
    assert bound_notes(run, applied) == [single]
    closed, late = applied.rows["open"] == 0, pd.Timedelta(days=5)
    new = TABLES["future"]["shop"] == 2
    other = apply(run.fitted, with_future(shop=TABLES["future"]["shop"].replace({2: 99})))
    assert bound_notes(run, other) == [
        f"{(new & ~closed).sum()} rows hold what training never saw: their intervals are {NEW} times as wide",
        single,
    ]
    other = apply(run.fitted, with_future(day=TABLES["future"]["day"] + late))
    beyond = TABLES["future"]["day"] + late > START + pd.Timedelta(days=N_DAYS + HORIZON - 1)
    assert bound_notes(run, other) == [
        f"{(beyond & ~closed).sum()} rows lie beyond the {HORIZON} steps of past windows: their intervals grow with "
        "the distance, by a rule that no past window could check",
        single,
    ]


@pytest.mark.parametrize("kept", [None, pd.DataFrame()])
def test_a_run_that_keeps_no_past_windows_says_what_to_do(run: Run, applied: Applied, kept: Any) -> None:
    bare = replace(run, past=kept)
    with pytest.raises(BundleError, match="keeps no forecasts of past windows") as error:
        past_of(bare)
    assert error.value.hint is not None
    assert "train again" in error.value.hint
    with pytest.raises(BundleError):
        quantiles_of(bare, applied, np.zeros(WHOLE), [0.5])
    assert scatter_of(run) is scatter_of(run), "found once"


def test_bounds_fall_below_zero_only_where_targets_did(run: Run, applied: Applied) -> None:
    """On a plain scale, with errors of 100 and forecasts of 0."""
    plain = replace(run.fitted, target=type(run.fitted.target).fit("identity", np.array([0.0, 1.0])))
    zeros = np.zeros(WHOLE)
    for low, floored in ((0.0, True), (-5.0, False)):
        actual = np.where(np.arange(len(past_of(run))) % 2, 100.0, low)
        past = past_of(run).assign(actual=actual, output=50.0)
        made = quantiles_of(replace(run, fitted=plain, past=past), applied, zeros, [0.05])
        closed = (applied.rows["open"] == 0).to_numpy()
        assert (made[closed] == 0).all()
        assert ((made[~closed] == 0) if floored else (made[~closed] < -40)).all()


# ----------------------------------------------------------------------------------------------- the rows


def test_bounds_are_named_and_written_in_the_order_of_their_levels() -> None:
    wanted = Wanted(quantiles=(0.9, 0.025), intervals=(0.95, 0.5))
    assert list(wanted.bounds("u").items()) == [
        ("u_q2.5", 0.025),
        ("u_q90", 0.9),
        ("u_lo50", 0.25),
        ("u_hi50", 0.75),
        ("u_lo95", 0.025),
        ("u_hi95", 0.975),
    ]
    assert Wanted().bounds("u") == {}


def test_a_forecast_has_the_rows_in_their_order_and_the_columns_that_were_asked_for(run: Run, applied: Applied) -> None:
    made = forecast(run, TABLES, columns=["promo", "shop", "nothing"], wanted=Wanted(quantiles=(0.9,)))
    assert list(made.table) == ["row", "shop", "day", "promo", "units", "units_q90"]
    assert made.table["row"].tolist() == TABLES["future"]["row"].tolist()
    np.testing.assert_array_equal(made.table["units"], forecast_applied(run, applied))
    assert made.counts == {"rows": WHOLE, "zero": int((TABLES["future"]["open"] == 0).sum())}
    assert ((made.table["units"] == 0) == (TABLES["future"]["open"] == 0)).all(), "the rule, and nothing else"
    assert {*made.columns} == {*TABLES["future"].columns, "units"}
    digits = made.table["units"].map(lambda v: len(f"{v:.15g}".replace(".", "").strip("0")))
    assert digits.max() == 6
    assert made.warnings == [*notes_on(applied, run), *bound_notes(run, applied)]


def test_rows_without_a_finite_forecast_are_told_with_what_is_odd_about_them(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = TABLES["future"]["price"].copy()
    price[2] = 1e6
    lost = np.full(WHOLE, 3.0)
    lost[TABLES["future"].query("open == 1").index[:4]] = np.inf
    monkeypatch.setattr(points, "outputs_of", lambda *given: lost)
    with pytest.raises(BundleError, match=f"the model gives no finite forecast for 4 of {WHOLE} rows") as broken:
        forecast(run, TABLES)
    assert broken.value.hint == "train again, with a lower train.lr"
    lost[2], tables = np.inf, with_future(price=price, open=1)
    with pytest.raises(DataError, match="price: 1e\\+06, where prep saw 10 … 20") as odd:
        forecast(run, tables)
    assert odd.value.hint == "correct these values, or leave them empty"
    lost[2] = 3.0
    with pytest.raises(BundleError):
        forecast(run, tables)


def test_steps_that_have_passed_are_not_forecast_again(run: Run, tmp_path: Any) -> None:
    later = TABLES["train"].head(1).assign(day=START + pd.Timedelta(days=N_DAYS + 3), units=5)
    newer = {**TABLES, "train": pd.concat([TABLES["train"], later])}
    end = START + pd.Timedelta(days=N_DAYS - 1)
    with pytest.raises(DataError, match=f"has targets until {later['day'].iloc[0]}, but the run knows") as error:
        forecast(run, newer, horizon=Duration(1, "w"))
    assert str(end) in error.value.message
    assert error.value.hint == (
        "prep and train again with this table; or give the rows to forecast as the table `future`"
    )
    forecast(run, newer)  # the rows to forecast are given
