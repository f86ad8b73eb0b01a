"""Sources and their importance: each input has one source, exchanging it moves nothing else, what is ignored is 0."""

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabcli
from tabcli.artifacts.contents import Prepared, Run
from tabcli.artifacts.encoded_names import ROW, input_column
from tabcli.errors import BundleError
from tabcli.explanation.importance import importance_of
from tabcli.explanation.seen import Cells, SeenRows
from tabcli.explanation.shuffled import shuffled_within, some_series
from tabcli.explanation.sources import Source, sources_of, told_by_date
from tabcli.pipeline.apply import apply
from tests.conftest import CONFIG, examples, make_tables

QUICK = ("train.epochs=3", "calibration.windows=0", "calibration.metric=none")


def with_history(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CONFIG), "history": {"effects": ["dayDayofweek", "promo"]}, **changes}


def prepared_of(config: dict[str, Any], tables: dict[str, pd.DataFrame] | None = None) -> Prepared:
    return tabcli.prep(config, make_tables() if tables is None else tables).prepared


@pytest.fixture(scope="module")
def prep() -> Prepared:
    return prepared_of(with_history())


@pytest.fixture(scope="module")
def run(prep: Prepared) -> Run:
    """Three networks, one of which does without the history."""
    variants = ["variants=[{}, {model: {history: base}}, {model: {history: none}}]", "train.members=3"]
    return tabcli.train(prep, overrides=[*QUICK, *variants]).run


@pytest.fixture(scope="module")
def rows(run: Run, prep: Prepared) -> SeenRows:
    return SeenRows.of_validation(run, prep)


def named(sources: list[Source]) -> dict[str, Source]:
    assert len({s.name for s in sources}) == len(sources)
    return {s.name: s for s in sources}


# ------------------------------------------------------------------------------------------- sources


def test_what_comes_from_one_source_stands_together(prep: Prepared) -> None:
    found = named(sources_of(prep.fitted))
    assert {name: {*s.inputs} for name, s in found.items()} == {
        "shop": {"shop", "kind", "size", "size_na", "MonthsOpen", "Round"},
        "calendar": {"dayDayofweek", "dayElapsed"},
        "promo": {"promo", "Promo_bw", "AfterPromo", "BeforePromo", "BeforePromo_na"},
        "holiday": {"holiday"},
        "open": {"Closed_fw", "AfterClosed"},
        "history of units": set(),
    }
    assert found["calendar"].effects == ("dayDayofweek",)
    assert found["promo"].effects == ("promo",)
    assert found["promo"].parts["BeforePromo_na"] == "before Promo"
    assert found["promo"].parts["Promo_bw"] == "after Promo"
    assert found["shop"].parts["size_na"] == "facts of shop"


def test_names_of_columns_decide_nothing(prep: Prepared) -> None:
    """The same tables and config in other words have the same sources in other words."""
    words = {"promo": "weather", "open": "date", "kind": "Month", "size": "Elapsed", "holiday": "series"}
    text = repr(with_history())
    for old, new in words.items():
        text = text.replace(f"'{old}'", f"'{new}'")
    renamed = {name: table.rename(columns=words) for name, table in make_tables().items()}
    fitted = prepared_of(eval(text), renamed).fitted
    expected = [tuple(words.get(c, c.replace("size", "Elapsed")) for c in s.inputs) for s in sources_of(prep.fitted)]
    assert [s.inputs for s in sources_of(fitted)] == expected


@examples(12)
@given(st.sets(st.sampled_from(["open", "promo", "holiday"]), min_size=1), st.booleans(), st.booleans())
def test_each_input_has_exactly_one_source(read: set[str], history: bool, waves: bool) -> None:
    config = with_history() if history else copy.deepcopy(CONFIG)
    where = {"open": 0, "promo": 1, "holiday": "a"}
    config["features"]["events"]["Both"] = {"where": {c: where[c] for c in sorted(read)}, "window": "7d", "cap": "9d"}
    config["continuous"] = [*config["continuous"], "AfterBoth"]
    if waves:
        config["features"]["fourier"] = {"Year": {"date": "day", "order": 1}}
        config["continuous"] = [*config["continuous"], "Year_sin1", "Year_cos1"]
    fitted = prepared_of(config).fitted
    sources = sources_of(fitted)
    inputs = [c for s in sources for c in s.inputs]
    assert sorted(inputs) == sorted([*fitted.preprocessor.categorical, *fitted.preprocessor.continuous])
    assert sum(s.kind == "history" for s in sources) == history
    together = next({*s.inputs} for s in sources if "AfterBoth" in s.inputs)
    of_column = {"open": "Closed_fw", "promo": "promo", "holiday": "holiday"}
    assert {c for c in of_column if of_column[c] in together} == read  # what two columns make is one source with both
    if waves:
        assert {"Year_sin1", "Year_cos1"} < {*named(sources)["calendar"].inputs}


def test_what_is_joined_by_a_date_is_a_source_and_what_is_joined_by_the_series_is_the_series() -> None:
    tables = make_tables()
    days = pd.concat([tables["train"], tables["future"]])["day"].drop_duplicates()
    tables["weather"] = pd.DataFrame({"day": days, "rain": np.arange(len(days)) % 7 / 7})
    config = with_history()
    config["tables"]["weather"] = {"file": "weather.csv"}
    config["joins"] = [*config["joins"], {"table": "weather", "on": "day", "known_in_advance": True}]
    config["continuous"] = [*config["continuous"], "rain"]
    found = named(sources_of(prepared_of(config, tables).fitted))
    assert found["weather"].inputs == ("rain",)
    assert found["weather"].kind == "joined by date"
    assert {"kind", "size"} < {*found["shop"].inputs}


def test_a_column_with_the_weekday_belongs_to_the_calendar_and_a_promotion_does_not() -> None:
    dates = pd.Series(np.tile(pd.date_range("2020-01-01", periods=120), 3))
    columns = pd.DataFrame(
        {
            "weekday": "d" + dates.dt.day_of_week.astype(str),
            "week": dates.dt.isocalendar().week.to_numpy() + 100,
            "every second week": dates.dt.isocalendar().week.to_numpy() % 2,
            "month in one year": dates.dt.month == 2,
            "constant": 1,
            "by series": (np.arange(len(dates)) // 120 == 1) & (dates.dt.day_of_week == 1),
            "last days": dates.dt.day > 28,
        }
    )
    assert told_by_date(columns, dates) == ["weekday", "week", "last days"]


# ---------------------------------------------------------------------------------------- exchanging


@examples(60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 2**32))
def test_shuffling_is_a_permutation_within_blocks(blocks: list[int], seed: int) -> None:
    of_row = np.array(blocks)
    other = shuffled_within(of_row, np.random.default_rng(seed))
    assert sorted(other) == list(range(len(blocks)))
    assert (of_row[other] == of_row).all()


def test_shuffling_reaches_every_order() -> None:
    rng = np.random.default_rng(0)
    orders = {tuple(shuffled_within(np.array([0, 1, 0, 0]), rng)) for _ in range(200)}
    assert len(orders) == 6


def test_some_series_are_whole() -> None:
    series = np.repeat([7, 3, 5, 9], [10, 20, 30, 40])
    at = some_series(series, 50, np.random.default_rng(1))
    assert 0 < len(at) <= 50
    for s in np.unique(series[at]):
        assert (series[at] == s).sum() == (series == s).sum()


@examples(10)
@given(st.integers(0, 2**32))
def test_exchanging_a_source_moves_no_other_and_changes_no_marginal(rows: SeenRows, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for source in rows.sources:
        other = rng.permutation(len(rows))
        for view in rows.views:
            new = rows._exchanged(view, source, other)
            codes, numbers = view.places_of(source)
            for i in range(len(view.categorical)):
                expected = view.data.x_cat[other, i] if i in codes else view.data.x_cat[:, i]
                assert (new.x_cat[:, i] == expected).all()
            for i in range(len(view.continuous)):
                expected = view.data.x_cont[other, i] if i in numbers else view.data.x_cont[:, i]
                assert (new.x_cont[:, i] == expected).all()
            if not source.effects and source.kind != "history":
                assert (new.x_cont == view.data.x_cont)[:, len(view.continuous) :].all()
                assert (new.base == view.data.base).all()


def test_the_effect_of_the_history_moves_with_what_it_is_by(rows: SeenRows, run: Run) -> None:
    """Only codes of the exchanged columns come from the other row, as in an oracle that looks at each row."""
    grid = run.fitted.grid
    assert grid is not None
    cells = Cells.of(grid)
    assert cells.columns == ("dayDayofweek", "promo")
    own = rows.encoded[ROW + "cell"].to_numpy(dtype="int64")
    other = own[::-1].copy()
    new = cells.exchanged(own, other, ["promo"])
    known = {tuple(codes): i for i, codes in enumerate(cells.codes.tolist())}
    for mine, his, got in zip(own, other, new, strict=True):
        assert got == known.get((cells.codes[mine][0], cells.codes[his][1]), -1)
    assert (cells.exchanged(own, other, []) == own).all()
    assert (cells.exchanged(own, other, cells.columns) == other).all()


# ---------------------------------------------------------------------------------------- what is seen


def test_rows_are_seen_as_in_training_and_in_forecasts(run: Run, prep: Prepared, rows: SeenRows) -> None:
    score = importance_of(rows, repeats=1).score
    assert score == pytest.approx(run.metrics.validation.uncalibrated, rel=1e-6)
    tables = make_tables()
    seen = SeenRows.of_forecast(run, apply(run.fitted, tables), tables["train"])
    forecasts = run.fitted.target.inverse(np.mean(seen.outputs(), axis=0))
    made = tabcli.predict(run, tables, columns=["open"]).table
    np.testing.assert_allclose(forecasts, made["units"][made["open"] != 0], rtol=1e-5)


def test_what_happened_after_the_cutoff_is_not_seen(run: Run, prep: Prepared, rows: SeenRows) -> None:
    tables = make_tables()
    train = tables["train"]
    late = train["day"] >= prep.fitted.split.valid_start
    train.loc[late, "units"] = train.loc[late, "units"] * 3
    again = SeenRows.of_validation(run, prepared_of(with_history(), tables))
    assert rows.actual is not None
    assert again.actual is not None
    assert (again.actual == 3 * rows.actual).all()
    for a, b in zip(again.outputs(), rows.outputs(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_prep_is_refused(run: Run) -> None:
    tables = make_tables()
    tables["train"] = tables["train"][tables["train"]["shop"] != 2].reset_index(drop=True)
    with pytest.raises(BundleError, match="another prep"):
        SeenRows.of_validation(run, prepared_of(with_history(), tables))


# ----------------------------------------------------------------------------------------- importance


def test_what_the_networks_do_not_get_has_no_importance() -> None:
    prep = prepared_of(copy.deepcopy(CONFIG))
    ignored = ["promo", "Promo_bw", "AfterPromo", "BeforePromo"]
    run = tabcli.train(prep, overrides=[*QUICK, f"model.without={ignored}"]).run
    found = {s.name: s for s in importance_of(SeenRows.of_validation(run, prep)).sources}
    promo = found["promo"]
    assert promo.within == "series"
    assert (promo.rise, promo.change) == (0.0, 0.0)
    assert {*promo.repeats, *promo.members} == {0.0}
    assert found["shop"].rise is not None
    assert found["shop"].rise > 0


def test_importance_is_seeded_ordered_and_says_on_what_it_was_measured(rows: SeenRows) -> None:
    a, b = (importance_of(rows, repeats=2, most_rows=60) for _ in range(2))
    assert a == b
    assert importance_of(rows, repeats=2, most_rows=60, seed=8) != a
    rises = [s.rise or 0.0 for s in a.sources]
    assert rises == sorted(rises, reverse=True)
    assert a.rows <= 60 < a.all_rows == len(rows)
    assert any("drawn at random" in note for note in a.notes)
    for source in a.sources:
        assert len(source.members) == 3
        assert source.rise == pytest.approx(np.mean(source.repeats) if source.repeats else 0.0)
    assert {s.name: s.within for s in a.sources} == {
        "shop": "date",
        "history of units": "date",
        "calendar": "series",
        "promo": "series",
        "open": "series",
        "holiday": None,
    }


def test_a_floor_is_part_of_the_history(prep: Prepared) -> None:
    """Where the floor alone forecasts, nothing but the history matters."""
    config = with_history()
    config["forecast"]["floor"] = "auto"
    prep = prepared_of(config)
    run = tabcli.train(prep, overrides=["train.epochs=1", "train.lr=1e-7", "calibration.windows=1"]).run
    assert run.floor.share == 1.0
    found = importance_of(SeenRows.of_validation(run, prep), repeats=1).sources
    assert [s.name for s in found if s.change > 0] == ["history of units"]


def test_columns_whose_names_tabcli_takes_are_found(rows: SeenRows) -> None:
    assert all(input_column(c) in rows.encoded.columns for s in rows.sources for c in s.inputs)
