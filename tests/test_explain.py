"""Explanations: parts that add up, that know nothing after the cutoff, in words that a person reads; another plan."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import tabcli
from tabcli.api.explain import ExplainResult
from tabcli.artifacts.contents import Prepared, Run
from tabcli.cli import render_explain
from tabcli.cli.app import app
from tabcli.errors import DataError, UsageError
from tabcli.explanation.contributions import Contributions, Pairs, contributions_of
from tabcli.explanation.gradients import VectorNetwork, integrated_gradients
from tabcli.explanation.importance import importance_of
from tabcli.explanation.plan import plan_of
from tabcli.explanation.retrained import Retrained, without_effects
from tabcli.explanation.seen import Cells, SeenRows
from tabcli.explanation.words import percent
from tabcli.forecasting.outputs import networks_of
from tabcli.training.inputs import history_of, make_inputs
from tabcli.training.loop import predict_outputs
from tests.conftest import CONFIG, N_DAYS, START, examples, make_tables
from tests.test_importance import QUICK, prepared_of, with_history

VARIANTS = (
    "variants=[{}, {model: {history: base, periodic: 3}}, {model: {history: none, kind: tabm}}, "
    "{model: {kind: residual, activation: relu, batch_norm: true, continuous_batch_norm: true}}]"
)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables()


@pytest.fixture(scope="module")
def prep() -> Prepared:
    return prepared_of(with_history())


@pytest.fixture(scope="module")
def run(prep: Prepared) -> Run:
    """Four networks of different kinds."""
    return tabcli.train(prep, overrides=[*QUICK, "train.epochs=8", VARIANTS, "train.members=4"]).run


@pytest.fixture(scope="module")
def rows(run: Run, prep: Prepared) -> SeenRows:
    return SeenRows.of_validation(run, prep)


def one_to_one(rows: list[int], references: list[int]) -> Pairs:
    return Pairs(np.array(rows), np.array(references), np.arange(len(rows)))


def exact(found: Contributions) -> bool:
    difference = np.abs(found.outputs - found.references)
    return bool((np.abs(found.short) <= np.maximum(1e-3 * difference, 2e-5)).all())


# ------------------------------------------------------------------------------------------ gradients


def test_a_vector_network_is_the_network(rows: SeenRows) -> None:
    for view in rows.views:
        for network in view.networks:
            made = VectorNetwork.of(network)
            outputs = made.outputs(made.vectors(view.data)).numpy() + view.data.base.numpy()
            np.testing.assert_allclose(outputs, predict_outputs(network, view.data), atol=2e-6)


def test_integrated_gradients_are_those_of_a_fine_sum(rows: SeenRows) -> None:
    """An oracle with 4,000 equal steps, which knows nothing of stretches."""
    for view in rows.views:
        made = VectorNetwork.of(view.networks[0])
        vectors = made.vectors(view.data)
        own, other = vectors[:2], vectors[50:52]
        slopes, short = integrated_gradients(made, own, other)
        for i in range(2):
            points = (torch.arange(4000, dtype=torch.float64)[:, None] + 0.5) / 4000
            fine = made.gradients(other[i] + points * (own[i] - other[i])).mean(0)
            np.testing.assert_allclose(slopes[i], fine.numpy(), atol=2e-3)
        assert (np.abs(short) < 1e-3).all()


@examples(15)
@given(st.lists(st.tuples(st.integers(0, 101), st.integers(0, 101)), min_size=1, max_size=6))
def test_parts_add_up_to_a_tenth_of_a_percent(rows: SeenRows, pairs: list[tuple[int, int]]) -> None:
    found = contributions_of(rows, one_to_one([a for a, _ in pairs], [b for _, b in pairs]))
    assert exact(found)
    outputs = np.mean(rows.outputs(), axis=0)
    np.testing.assert_allclose(found.outputs, outputs[[a for a, _ in pairs]], atol=2e-6)
    np.testing.assert_allclose(found.references, outputs[[b for _, b in pairs]], atol=2e-6)
    sums = sum(found.by_source().values(), np.zeros(len(pairs)))
    np.testing.assert_allclose(sums, found.values.sum(axis=1), atol=1e-12)


def test_parts_add_up_for_the_lessons_network_with_its_kinks_and_its_range(prep: Prepared) -> None:
    run = tabcli.train(prep, overrides=[*QUICK, "preset=lesson6", "model.layers=[60, 30]", "train.epochs=6"]).run
    found = contributions_of(SeenRows.of_validation(run, prep), one_to_one([*range(40)], [*range(100, 60, -1)]))
    assert exact(found)
    assert np.abs(found.outputs - found.references).max() > 0.3


def test_a_row_is_no_different_from_itself(rows: SeenRows) -> None:
    assert contributions_of(rows, one_to_one([3, 4], [3, 4])).parts == ()


def test_parts_are_those_of_what_differs(rows: SeenRows) -> None:
    """Rows of one series a week apart: nothing of the series differs, and of the calendar only the elapsed days."""
    date, series = rows.dates, rows.series
    a = int(np.flatnonzero((series == series[0]) & (date == date.max()).to_numpy())[0])
    b = int(np.flatnonzero((series == series[0]) & (date == date.max() - pd.Timedelta(days=7)).to_numpy())[0])
    found = contributions_of(rows, one_to_one([a], [b]))
    assert "shop" not in found.by_source()
    parts = {part for _, part in found.parts}
    assert {"promo", "calendar"} <= parts
    assert found.by_source()["promo"][0] != 0


def test_which_effect_the_history_has_is_the_promotions(rows: SeenRows) -> None:
    """With a network that sees the promotion only by the effects of the history, its part is still the promotion's."""
    network = rows.views[0].networks[0]
    assert network.spec.history == "side"
    date, series = rows.dates, rows.series
    a = int(np.flatnonzero((series == series[0]) & (date == date.max()).to_numpy())[0])
    b = int(np.flatnonzero((series == series[0]) & (date == date.max() - pd.Timedelta(days=7)).to_numpy())[0])
    assert rows.places is not None
    assert rows.places.cell[a] != rows.places.cell[b]
    places = rows.places.take(np.array([a, b]))
    _, columns = rows.history(network.spec, places)
    differ = np.flatnonzero((columns[0] != columns[1]).numpy())
    names = rows.snapshot.spec.names if rows.snapshot is not None else []
    assert {names[i] for i in differ} <= {"effect", "recent effect - effect", "horizon"}
    promo = next(s for s in rows.sources if s.name == "promo")
    moved = rows.moved(promo, np.array([b if i == a else i for i in range(len(rows))]))
    assert moved is not None
    assert moved.cell[a] == rows.places.cell[b]


def test_several_references_are_their_mean(rows: SeenRows) -> None:
    several = Pairs(np.array([0, 1]), np.array([10, 20, 30]), np.array([0, 0, 1]))
    values = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(several.mean(values), [[1.0, 2.0], [4.0, 5.0]])
    found = contributions_of(rows, several)
    assert exact(found)
    alone = contributions_of(rows, one_to_one([1], [30]))
    np.testing.assert_allclose(found.outputs[1], alone.outputs[0], atol=1e-12)
    for name, part in alone.by_source().items():
        np.testing.assert_allclose(found.by_source()[name][1], part[0], atol=1e-9)


def test_blocks_change_nothing(rows: SeenRows, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = Pairs(np.arange(9), np.arange(20, 47), np.arange(27) % 9)
    whole = contributions_of(rows, pairs)
    monkeypatch.setattr("tabcli.explanation.contributions.BLOCK", 7)
    again = contributions_of(rows, pairs)
    assert [p for _, p in again.parts] == [p for _, p in whole.parts]
    np.testing.assert_allclose(again.values, whole.values, atol=1e-12)


def test_a_floor_is_part_of_the_history_and_its_parts_add_up() -> None:
    config = with_history()
    config["forecast"]["floor"] = "auto"
    prep = prepared_of(config)
    run = tabcli.train(prep, overrides=["train.epochs=1", "train.lr=1e-7", "calibration.windows=1"]).run
    assert run.floor.share == 1.0
    found = contributions_of(SeenRows.of_validation(run, prep), one_to_one([*range(20)], [*range(60, 40, -1)]))
    assert exact(found)
    assert [*found.by_source()] == ["history of units"]


def test_a_floor_is_the_history_also_where_networks_have_none() -> None:
    config = copy.deepcopy(CONFIG)
    config["forecast"]["floor"] = "auto"
    prep = prepared_of(config)
    run = tabcli.train(prep, overrides=["train.epochs=1", "train.lr=1e-7", "calibration.windows=1"]).run
    assert run.floor.share == 1.0
    assert run.snapshot is None
    rows = SeenRows.of_validation(run, prep)
    assert [s.name for s in importance_of(rows, repeats=1).sources if s.change > 0] == ["history of units"]
    found = contributions_of(rows, one_to_one([*range(20)], [*range(60, 40, -1)]))
    assert exact(found)
    assert [*found.by_source()] == ["history of units"]


def test_a_history_that_no_network_looks_at_is_no_source(prep: Prepared) -> None:
    run = tabcli.train(prep, overrides=[*QUICK, "model.history=none"]).run
    assert run.fitted.grid is not None
    assert "history of units" not in [s.name for s in SeenRows.of_validation(run, prep).sources]


# ------------------------------------------------------------------------------------- rows, from tables


@pytest.fixture(scope="module")
def explained(run: Run, tables: dict[str, pd.DataFrame]) -> ExplainResult:
    return tabcli.explain(run, tables, series=["3"])


def test_explained_forecasts_are_those_of_predict(run: Run, tables: dict[str, Any], explained: ExplainResult) -> None:
    made = tabcli.predict(run, tables, columns=["shop", "day"]).table
    own = made[(made["shop"] == 3) & (made["units"] > 0)].sort_values("day")
    assert explained.table["date"].tolist() == own["day"].tolist()
    np.testing.assert_allclose(explained.table["forecast"], own["units"], rtol=1e-5)
    assert explained.table["series"].unique().tolist() == ["3"]
    week = explained.table["date"] - explained.table["against"]
    assert set(week.dt.days) == {7}
    later = explained.table.set_index("date")["forecast"]
    for row in explained.table.itertuples():
        if row.against in later.index:
            assert row.reference == pytest.approx(later[row.against], rel=1e-5)


def test_a_reference_that_is_closed_is_looked_for_further_back(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    changed = {name: table.copy() for name, table in tables.items()}
    day = START + pd.Timedelta(days=N_DAYS)
    week_ago = (changed["train"]["day"] == day - pd.Timedelta(days=7)) & (changed["train"]["shop"] == 3)
    changed["train"].loc[week_ago, "open"] = 0
    found = tabcli.explain(run, changed, series=["3"], dates=[str(day.date())]).table
    assert (found["date"] - found["against"]).dt.days.tolist() == [14]


def test_an_average_day_is_of_the_past_alone(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    found = tabcli.explain(run, tables, series=["3"], against="average")
    assert found.table["against"].isna().all()
    assert found.table["reference"].nunique() == 1
    assert all(exact(block.contributions) for block in found.rows)
    assert "than an average day of the year before" in found.sentences()[0]


def test_an_average_is_of_open_days_of_the_series_in_the_year_before_the_cutoff(
    run: Run, tables: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[SeenRows, Pairs]] = []

    def kept(rows: SeenRows, pairs: Pairs) -> Contributions:
        seen.append((rows, pairs))
        return contributions_of(rows, pairs)

    monkeypatch.setattr("tabcli.explanation.compared.contributions_of", kept)
    valid_end = START + pd.Timedelta(days=N_DAYS - 1)
    for date, cutoff in ((valid_end + pd.Timedelta(days=2), 0), (valid_end - pd.Timedelta(days=3), 20)):
        tabcli.explain(run, tables, series=["2", "3"], dates=[f"{date:%Y-%m-%d}"], against="average")
        rows, pairs = seen[-1]
        dates = rows.dates.iloc[pairs.references]
        assert dates.max() == valid_end - pd.Timedelta(days=cutoff)
        assert dates.min() == START + pd.Timedelta(days=1)  # the first open day: the tables are shorter than a year
        assert (rows.series[pairs.references] == rows.series[pairs.rows][pairs.of]).all()
        assert (dates.dt.day_of_week != 6).all()


def test_what_happened_after_the_cutoff_moves_no_part(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    """Rows of the validation window, and of the window before it, seen at the end of the past that each had."""
    late = {name: table.copy() for name, table in tables.items()}
    dates = [START + pd.Timedelta(days=N_DAYS - n) for n in (3, 4, 23)]
    texts = [str(d.date()) for d in dates]
    cutoff = START + pd.Timedelta(days=N_DAYS - 20 - 20 - 1)
    changed = late["train"]["day"] > cutoff + pd.Timedelta(days=20)
    late["train"].loc[changed, "units"] *= 5
    both = [tabcli.explain(run, t, series=["2", "5"], dates=texts).table for t in (tables, late)]
    assert len(both[0]) >= 4
    pd.testing.assert_frame_equal(*both)
    early = {name: table.copy() for name, table in tables.items()}
    early["train"].loc[early["train"]["day"] <= cutoff, "promo"] = 1
    with pytest.raises(tabcli.BundleError, match="another prep"):
        tabcli.explain(run, early, dates=texts)


def test_what_the_history_knows_before_the_cutoff_does_move_parts(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    risen = {name: table.copy() for name, table in tables.items()}
    before = risen["train"]["day"].between(
        START + pd.Timedelta(days=N_DAYS - 40), START + pd.Timedelta(days=N_DAYS - 21)
    )
    risen["train"].loc[before, "units"] *= 2
    text = str((START + pd.Timedelta(days=N_DAYS - 2)).date())
    a, b = (tabcli.explain(run, t, series=["2"], dates=[text]).table for t in (tables, risen))
    assert a["forecast"].iloc[0] != b["forecast"].iloc[0]


def test_past_rows_are_seen_as_the_networks_of_their_window_saw_them(tables: dict[str, pd.DataFrame]) -> None:
    """The oracle is training's own window: its rows look no further ahead than its end."""
    prep = prepared_of(copy.deepcopy(CONFIG))
    run = tabcli.train(prep, overrides=QUICK).run
    for window in (0, 1, 2):
        inputs = make_inputs(prep, run.fitted.config, window, None)
        outputs = predict_outputs(networks_of(run)[0], inputs.valid)
        scored = inputs.scored[["row.shop", "row.day"]].assign(output=outputs)
        end = START + pd.Timedelta(days=N_DAYS - 1 - 20 * window)
        found = tabcli.explain(run, tables, dates=[f"{end - pd.Timedelta(days=19):%Y-%m-%d}..{end:%Y-%m-%d}"]).table
        both = found.assign(shop=found["series"].astype("int64")).merge(
            scored, left_on=["shop", "date"], right_on=["row.shop", "row.day"]
        )
        assert len(both) == len(scored) > 90
        np.testing.assert_allclose(both["forecast"], np.exp(both["output"]), rtol=1e-5)


def test_rows_that_cannot_be_explained_are_said(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    sunday = next(d for d in tables["future"]["day"] if d.day_of_week == 6)
    with pytest.raises(DataError, match="0 by rule"):
        tabcli.explain(run, tables, dates=[str(sunday.date())])
    with pytest.raises(DataError, match="no train table"):
        tabcli.explain(run, {k: t for k, t in tables.items() if k != "train"}, series=["3"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"series": ["33"]}, "--series 33: no row is of this series; did you mean '3'"),
        (
            {"dates": ["2031-01-01"]},
            "--date 2031-01-01: no row of any series has such a date; there are rows from 2020",
        ),
        ({"dates": ["tomorrow-ish"]}, "--date tomorrow-ish: expected a date such as"),
        ({"series": ["3"], "against": "month"}, "--against month: expected one of week, average"),
        ({"series": ["3"], "out": "why.pdf"}, "--out why.pdf: expected a file that ends in .svg or .png"),
        ({"series": ["3"], "dates": ["2021-03-01"], "changes": {"promo": "0"}}, "none of these rows is to be forecast"),
        ({"changes": {"units": "0"}}, "--set units: it is not known in advance"),
        ({"changes": {"visitors": "0"}}, "--set visitors: it is not known in advance"),
        ({"changes": {"prmo": "0"}}, r"--set prmo: it is no column .*; did you mean 'promo'"),
        ({"changes": {"promo": "often"}}, "--set promo=often: the column holds int values"),
    ],
)
def test_wrong_questions_are_answered_with_what_is_right(
    run: Run, tables: dict[str, Any], asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        tabcli.explain(run, tables, **asked)


def test_a_series_that_is_not_to_be_forecast_has_past_rows_to_explain(run: Run, tables: dict[str, Any]) -> None:
    gone = {**tables, "future": tables["future"][tables["future"]["shop"] != 3]}
    with pytest.raises(UsageError, match="none of these series has rows to forecast") as raised:
        tabcli.explain(run, gone, series=["3"])
    assert raised.value.hint == "name past dates with --date"
    day = str((START + pd.Timedelta(days=N_DAYS - 2)).date())
    assert len(tabcli.explain(run, gone, series=["3"], dates=[day]).table) == 1


def test_without_tables_there_is_no_explanation_of_rows(run: Run, prep: Prepared) -> None:
    with pytest.raises(UsageError, match=r"give --data$"):
        tabcli.explain(run, prep=prep, series=["3"])
    with pytest.raises(UsageError, match="give --data, or --prep"):
        tabcli.explain(run)


def test_the_prep_that_is_made_again_is_the_runs(run: Run, prep: Prepared, tables: dict[str, pd.DataFrame]) -> None:
    assert tabcli.explain(run, tables, repeats=1).importance == tabcli.explain(run, prep=prep, repeats=1).importance


# ---------------------------------------------------------------------------------------- another plan


def test_another_plan_is_the_forecast_of_changed_tables(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    """The oracle changes the table and predicts: the days around a promotion that is gone change with it."""
    days = [START + pd.Timedelta(days=N_DAYS + n) for n in (6, 7)]
    found = tabcli.explain(
        run, tables, series=["2"], dates=[f"{d.date()}" for d in days], changes={"promo": "1"}
    ).what_if
    assert found is not None
    changed = tables["future"].copy()
    at = (changed["shop"] == 2) & changed["day"].isin(days)
    changed.loc[at, "promo"] = 1
    a, b = (
        tabcli.predict(run, {**tables, "future": t}, columns=["shop", "day"]).table for t in (tables["future"], changed)
    )
    assert found.planned == pytest.approx(a["units"].sum())
    assert found.changed == pytest.approx(b["units"].sum())
    differ = a[(a["units"] != b["units"]) | at.to_numpy()].sort_values("day")
    assert found.table["date"].tolist() == differ["day"].tolist()
    assert {*found.table["series"]} == {"2"}
    assert found.table["planned"].tolist() == differ["units"].tolist()
    assert found.table["changed"].tolist() == b.loc[differ.index, "units"].tolist()
    assert found.table.loc[found.table["own"], "date"].tolist() == days
    assert not found.table["own"].all()
    assert found.table["promo changed"].tolist() == [
        1 if d in days else p for d, p in zip(*_plan(tables, differ), strict=True)
    ]


def _plan(tables: dict[str, pd.DataFrame], rows: pd.DataFrame) -> tuple[list[Any], list[Any]]:
    plan = tables["future"].set_index(["shop", "day"])["promo"]
    return rows["day"].tolist(), [plan[2, d] for d in rows["day"]]


def test_a_day_that_is_closed_by_the_plan_is_zero(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    day = START + pd.Timedelta(days=N_DAYS + 1)
    found = tabcli.explain(run, tables, series=["1"], dates=[str(day.date())], changes={"open": "0"}).what_if
    assert found is not None
    own = found.table[found.table["own"]]
    assert own["changed"].tolist() == [0.0]
    assert own["planned"].iloc[0] > 0


def test_texts_and_missing_values_can_be_planned(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    day = [str((START + pd.Timedelta(days=N_DAYS + 1)).date())]
    known = tabcli.explain(run, tables, series=["4"], dates=day, changes={"holiday": "a"}).what_if
    other = tabcli.explain(run, tables, series=["4"], dates=day, changes={"holiday": "z"}).what_if
    none = tabcli.explain(run, tables, series=["4"], dates=day, changes={"holiday": ""}).what_if
    same = tabcli.explain(run, tables, series=["4"], dates=day, changes={"holiday": "0"}).what_if
    assert known is not None and other is not None and none is not None and same is not None  # noqa: PT018
    assert known.notes == ()
    assert other.notes == ("holiday: training never saw this value, so nothing is known of what it does",)
    assert same.notes == ("holiday: the plan has this value in all these rows already",)
    assert same.changed == same.planned
    assert none.table["holiday changed"].isna().all()


def test_series_of_two_columns_are_named_by_both() -> None:
    tables = make_tables()
    for table in tables.values():
        table["town"] = np.where(table["shop"] > 3, "x", "y")
    config = {**with_history(), "series": ["town", "shop"]}
    run = tabcli.train(prepared_of(config, tables), overrides=QUICK).run
    plan = plan_of(run, tables)
    assert plan.chosen("day", ["y,2"], []).sum() == plan.chosen("day", ["y · 2"], []).sum() == 20
    found = tabcli.explain(run, tables, series=["y,2"])
    assert found.sentences()[0].startswith("units of y · 2 on ")


def test_one_series_of_months_is_explained_beside_the_year_before() -> None:
    """Where there is one series, everything is exchanged within it, and nothing is said of a series."""
    months = pd.date_range("2012-01-01", periods=102, freq="MS", unit="us")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"month": months, "campaign": rng.integers(0, 2, 102)})
    wave = 100 * np.exp(0.3 * np.sin(2 * np.pi * months.month / 12) + 0.4 * rows["campaign"])
    rows["pieces"] = np.round(wave * np.exp(rng.normal(0, 0.02, 102)))
    config: dict[str, Any] = {
        "format_version": 1,
        "tables": {"train": {"file": "a.csv"}, "future": {"file": "b.csv"}},
        "series": [],
        "date": "month",
        "target": {"column": "pieces"},
        "availability": {"known_in_advance": ["campaign"]},
        "features": {"date_parts": ["month"]},
        "categorical": ["monthMonth", "campaign"],
        "continuous": ["monthElapsed"],
        "history": {"effects": ["campaign"]},
        "forecast": {"floor": "off"},
        "train": {"epochs": 20, "batch_size": 8, "lr": 0.01},
        "model": {"layers": [16]},
    }
    tables = {"train": rows.head(96), "future": rows.tail(6).drop(columns="pieces")}
    run = tabcli.train(tabcli.prep(config, tables), overrides=QUICK).run
    importance = tabcli.explain(run, tables, repeats=2).importance
    assert importance is not None
    within = {s.name: s.within for s in importance.sources}
    assert {*within} == {"calendar", "campaign", "history of pieces"}
    assert within["campaign"] == within["calendar"] == "series"
    found = tabcli.explain(run, tables, dates=["2020-01-01..2020-06-30"])
    assert (found.table["date"].dt.year - found.table["against"].dt.year).tolist() == [1] * 6
    assert found.sentences()[0].startswith("pieces on Wed 2020-01-01: ")
    assert "than the same time a year before (2019-01-01)" in found.sentences()[0]
    assert all(exact(block.contributions) for block in found.rows)


# ---------------------------------------------------------------------------------------------- words


def test_shares_are_said_with_a_sign() -> None:
    assert [percent(s) for s in (0.314, -0.0312, 0.0041, -0.0001, 0.00996)] == [
        "+31 %",
        "−3 %",
        "+0.4 %",
        "0 %",
        "+1 %",
    ]


def test_a_history_without_effects_of_a_column_does_not_know_it(prep: Prepared) -> None:
    """Where only the promotion changes in the past, the history without its effects stays as it is."""
    less = without_effects(prep, ["promo"])
    grid = prep.fitted.grid
    assert grid is not None
    assert less.past is not None
    assert prep.past is not None
    codes = Cells.of(grid).codes
    for mine, his in zip(prep.past["cell"], less.past["cell"], strict=True):
        assert codes[mine][0] == codes[his][0]
    assert less.past["cell"].nunique() == len({*codes[prep.past["cell"]][:, 0]}) < prep.past["cell"].nunique()
    effects = [h.effects[0, -1, :, 0] for h in (history_of(prep), history_of(less)) if h is not None]
    assert (effects[0] != 0).sum() > (effects[1] != 0).sum() > 0
    assert without_effects(prep, []) is prep


def test_a_row_in_words(explained: ExplainResult) -> None:
    lines = explained.sentences()
    row = explained.table.iloc[0]
    apart = row["forecast"] / row["reference"] - 1
    more = f"{abs(100 * apart):.0f} % {'more' if apart > 0 else 'less'}"
    assert lines[0] == (
        f"units of shop 3 on {row['date']:%a %Y-%m-%d}: {row['forecast']:,.0f}, {more} than the same day a week before "
        f"({row['against']:%Y-%m-%d}): {row['reference']:,.0f}"
    )
    promo = np.expm1(row["promo"])
    assert any("promo (0 → 1)" in line or "promo (1 → 0)" in line for line in lines)
    assert (
        f"{100 * abs(np.expm1(explained.rows[0].contributions.values[0][_place(explained, 'promo')])):.0f} %"
        in lines[1]
    )
    assert promo != 0


def _place(result: ExplainResult, part: str) -> int:
    return [p for _, p in result.rows[0].contributions.parts].index(part)


def test_amounts_where_the_target_is_learned_as_it_is(tables: dict[str, pd.DataFrame]) -> None:
    """On the scale of the target parts are amounts, which add up to the difference."""
    config = with_history(
        target={"column": "units", "transform": "identity", "drop_where": {"units": 0}}, metric="wape"
    )
    run = tabcli.train(prepared_of(config), overrides=QUICK).run
    found = tabcli.explain(run, tables, series=["6"])
    row = found.table.iloc[0]
    said = found.sentences()
    own = said[1 : next(i for i in range(1, len(said)) if not said[i].startswith(" "))]
    amounts = [float(line.split()[0].replace("−", "-").replace(",", "")) for line in own]
    assert sum(amounts) == pytest.approx(row["forecast"] - row["reference"], abs=0.51 * len(own))
    assert "%" not in said[0]
    assert max(amounts, key=abs) == amounts[0]


# ------------------------------------------------------------------------------------------ command line


@pytest.fixture(scope="module")
def saved(prep: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, prep and run."""
    from tests.conftest import write_folder

    folder = tmp_path_factory.mktemp("explain")
    write_folder(folder / "data", make_tables())
    made = tabcli.prep(with_history(), folder / "data", folder / "prep")
    tabcli.train(made, folder / "run", overrides=[*QUICK, "train.members=2"])
    return folder


def invoke(*words: str) -> str:
    done = CliRunner().invoke(app, ["explain", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_prints_the_importance_and_draws_it(saved: Path) -> None:
    words = [str(saved / "run"), "--prep", str(saved / "prep"), "--repeats", "2", "--rows", "60"]
    text = invoke(*words, "--out", str(saved / "a.svg"))
    assert text.splitlines()[0].startswith("RMSPE ")
    assert "on 51 validation rows" in text or "validation rows" in text
    rows = [line.split()[0] for line in text.splitlines()[4:10]]
    found = json.loads(invoke(*words, "--json"))["importance"]
    assert rows[0] == found["sources"][0]["name"].split()[0] == "shop"
    assert len(found["sources"][0]["members"]) == 2
    assert "█" in text
    invoke(*words, "--out", str(saved / "b.svg"))
    assert (saved / "a.svg").read_bytes() == (saved / "b.svg").read_bytes()
    assert "history of units" in (saved / "a.svg").read_text(encoding="utf-8")


def test_the_command_trains_without_the_largest_sources(saved: Path) -> None:
    words = [str(saved / "run"), "--data", str(saved / "data"), "--repeats", "1", "--retrain", "--json"]
    found = json.loads(invoke(*words))
    assert len(found["retrained"]) == 3
    assert [r["source"] for r in found["retrained"]] == [s["name"] for s in found["importance"]["sources"][:3]]
    shop = found["retrained"][0]
    assert shop["source"] == "shop"
    assert shop["rise"] == pytest.approx(shop["score"] - shop["with_all"])
    assert shop["rise"] > 0.05


def test_networks_without_a_source_stand_beside_one_with_all() -> None:
    checks = [Retrained("promo", 0.1524, 0.0568, 0.161), Retrained("calendar", 0.05, 0.0568, 0.12)]
    assert [*render_explain._retrained("rmspe", checks)] == [
        "source    without  with all  rise  rise if exchanged",
        "promo     15.24 %    5.68 %  +9.6              +16.1",
        "calendar   5.00 %    5.68 %  −0.7              +12.0",
    ]


@pytest.mark.parametrize("more", [["--date", "2021-08-03"], [], ["--set", "promo=1", "--date", "2021-08-03"]])
def test_the_command_explains_rows_in_words_json_and_a_chart(saved: Path, more: list[str]) -> None:
    words = [str(saved / "run"), "--data", str(saved / "data"), "--series", "3", *more]
    text = invoke(*words, "--out", str(saved / "why.png"))
    assert (saved / "why.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(invoke(*words, "--json"))
    assert found["rows"]
    if "--set" in more:
        assert "all rows to forecast: units" in text
        assert found["changes"] == {"promo": "1"}
    else:
        first = found["rows"][0]
        parts = sum(p["value"] for p in first["parts"])
        assert parts == pytest.approx(np.log(first["forecast"] / first["reference"]), abs=1e-3)
        assert text.startswith("units of shop 3 on ")


def test_the_command_refuses_what_is_no_assignment(saved: Path) -> None:
    words = ["explain", str(saved / "run"), "--data", str(saved / "data"), "--set", "promo"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "--set promo: expected COLUMN=VALUE, such as promo=0" in done.output


def test_a_result_shows_itself_in_a_few_lines(explained: ExplainResult) -> None:
    assert "units of shop 3" in repr(explained)
    assert CONFIG["date"] not in explained.table.columns
