"""A person in the loop, through the command line and in Python: rows to look at, and numbers that replace forecasts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import tabcli
from tabcli.cli.app import app
from tabcli.errors import DataError, UsageError
from tabcli.forecasting.review import HowMany
from tests.conftest import CONFIG, examples, make_tables, write_folder

FEW = ("train.epochs=3", "calibration.windows=1", "calibration.metric=none", "train.members=2")


def predict(*options: object, fails: int = 0) -> str:
    done = CliRunner().invoke(app, ["predict", *map(str, options)])
    assert done.exit_code == fails, done.output + done.stderr
    return done.stdout if not fails else done.stderr


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_tables()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, pd.DataFrame]) -> Path:
    return write_folder(tmp_path_factory.mktemp("person") / "data", tables)


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    tabcli.prep(CONFIG, folder, folder.parent / "prep")
    out = folder.parent / "run"
    tabcli.train(folder.parent / "prep", out, overrides=FEW, refit=True)
    return out


@pytest.fixture(scope="module")
def plain(run: Path, folder: Path) -> pd.DataFrame:
    return tabcli.predict(run, folder, intervals=[0.8], columns=["shop", "day", "open"]).table


def override(folder: Path, name: str, **columns: Any) -> Path:
    path = folder.parent / name
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


# ----------------------------------------------------------------------------------------------- overrides


def test_an_override_changes_its_rows_and_no_others(run: Path, folder: Path, plain: pd.DataFrame) -> None:
    chosen = plain[plain["open"] != 0].iloc[[3, 40]]
    own = override(folder, "o.csv", row=chosen["row"], units=[7.5, 999], who=["Ana", "Ben"], why=["works", "fair"])
    out = folder.parent / "changed.csv"
    text = predict(run, "--data", folder, "--out", out, "--overrides", own, "--interval", 0.8)
    made, beside = pd.read_csv(out), pd.read_csv(folder.parent / "changed.overrides.csv")
    assert list(made) == ["row", "units", "units_lo80", "units_hi80"]
    assert str(folder.parent / "changed.overrides.csv") in text
    of_person = made["row"].isin(chosen["row"])
    pd.testing.assert_frame_equal(made[~of_person], plain.loc[~of_person, made.columns])
    assert made.loc[of_person, "units"].tolist() == [7.5, 999.0]
    ratio = made.loc[of_person] / plain.loc[of_person, made.columns]
    np.testing.assert_allclose(ratio["units_lo80"], ratio["units"], rtol=1e-5)
    np.testing.assert_allclose(ratio["units_hi80"], ratio["units"], rtol=1e-5)
    assert list(beside) == ["row", "shop", "day", "units", "units_model", "who", "why"]
    assert beside["units_model"].tolist() == chosen["units"].tolist()
    assert beside["who"].tolist() == ["Ana", "Ben"]


def test_a_submission_of_two_columns_stays_one(run: Path, folder: Path, plain: pd.DataFrame) -> None:
    own = override(folder, "two.csv", row=plain["row"].iloc[[0]], units=[1])
    out = folder.parent / "two-columns.csv"
    predict(run, "--data", folder, "--out", out, "--overrides", own)
    assert list(pd.read_csv(out)) == ["row", "units"]
    predict(run, "--data", folder, "--out", out, "--overrides", own, "--columns", "units_model")
    both = pd.read_csv(out)
    assert list(both) == ["row", "units_model", "units"]
    assert both["units_model"].tolist() == plain["units"].tolist()
    assert (both["units_model"] != both["units"]).sum() == 1


def test_totals_are_of_the_persons_numbers(run: Path, folder: Path, plain: pd.DataFrame) -> None:
    chosen = plain[plain["open"] != 0].iloc[[5]]
    own = chosen[["shop", "day"]].assign(units=chosen["units"] + 1000)
    with_person = tabcli.predict(run, folder, totals=["chain"], overrides=own)
    assert with_person.totals is not None
    assert with_person.totals["units"][0] == pytest.approx(plain["units"].sum() + 1000, rel=1e-5)
    assert with_person.overridden is not None
    assert with_person.overridden["units_model"].tolist() == chosen["units"].tolist()
    assert any("1 rows have a person's number" in w for w in with_person.warnings)


def test_a_number_for_a_row_that_is_zero_by_rule_stands(run: Path, folder: Path, plain: pd.DataFrame) -> None:
    closed = plain[plain["open"] == 0].iloc[[0]]
    made = tabcli.predict(run, folder, intervals=[0.8], overrides=closed[["row"]].assign(units=50)).table
    row = made[made["row"].isin(closed["row"])]
    assert row[["units", "units_lo80", "units_hi80"]].to_numpy().tolist() == [[50, 50, 50]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row": [9999, 1001]}, "1 of 2 rows are of no row of the forecast (row 1), such as row=9999"),
        ({"row": [1, 1]}, "1 rows repeat the key (row) of another row: row=1"),
        ({"row": [1, None]}, "column 'row': 1 rows have no value: row 2"),
        ({"units": [3, -1]}, "column 'units': 1 of 2 rows are below 0, which the target never was (row 2)"),
        ({"units": [None, 1]}, "column 'units': 1 of 2 rows have no number (row 1)"),
        ({"units": ["many", "5"]}, "'units'"),
        ({"unit": [1, 2], "units": None}, "missing column 'units'"),
    ],
)
def test_overrides_that_cannot_be_are_refused(
    run: Path, folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    columns = {k: v for k, v in {"row": [1001, 1002], "units": [3, 4], **changes}.items() if v is not None}
    own = tmp_path / "wrong.csv"
    pd.DataFrame(columns).to_csv(own, index=False)
    said = predict(run, "--data", folder, "--out", tmp_path / "f.csv", "--overrides", own, fails=4)
    assert "wrong.csv" in said
    assert message in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["wrong.csv"]


def test_the_persons_file_is_never_written_over(run: Path, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "f.overrides.csv"
    own.write_text("row,units\n1001,5\n")
    said = predict(run, "--data", folder, "--out", tmp_path / "f.csv", "--overrides", own, fails=2)
    assert "is read here, and would be replaced" in said
    assert own.read_text() == "row,units\n1001,5\n"
    assert "no such file" in predict(
        run, "--data", folder, "--out", tmp_path / "g.csv", "--overrides", "x.csv", fails=4
    )


def test_a_confirmed_forecast_is_no_change(run: Path, folder: Path, plain: pd.DataFrame) -> None:
    made = tabcli.predict(run, folder, overrides=plain[["row", "units"]].head(3))
    assert "0 rows have a person's number, 3 more are as the model has them" in made.warnings
    assert made.table["units"].tolist() == plain["units"].tolist()


# -------------------------------------------------------------------------------------------------- review


@pytest.fixture(scope="module")
def odd(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """A shop that training never saw, a holiday of a new kind, a shop that sold a third of what is forecast."""
    future, train = tables["future"].copy(), tables["train"].copy()
    new = future[future["shop"] == 2].assign(shop=77, row=lambda t: t["row"] + 10_000)
    future.loc[future.index[11], "holiday"] = "q"
    late = (train["shop"] == 5) & (train["day"] >= train["day"].max() - pd.Timedelta(days=40))
    train.loc[late, "units"] = (train.loc[late, "units"] / 3).round().astype("int64")
    return {**tables, "train": train, "future": pd.concat([future, new], ignore_index=True)}


def reviewed(run: Path, data: Any, how_many: str | int) -> pd.DataFrame:
    review = tabcli.predict(run, data, review=how_many).review
    assert review is not None
    return review.table


def test_the_odd_rows_are_found_and_the_reason_is_said(run: Path, odd: dict[str, pd.DataFrame]) -> None:
    rows = reviewed(run, odd, 1000)
    assert {77} == set(rows.loc[rows["new_series"].notna(), "shop"])
    assert rows.loc[rows["new_series"].notna(), "why"].str.contains("a series that training never saw").all()
    assert rows.loc[rows["unseen_value"] == "holiday=q", "row"].tolist() == [odd["future"]["row"].iloc[11]]
    below = rows[rows["last_season"].notna() & (rows["shop"] == 5)]
    assert len(below) > 10
    assert below["why"].str.contains("above its last 4 of this weekday").all()
    assert (below["last_season"] > 2).all()
    assert rows["score"].is_monotonic_decreasing
    has = rows["score"] >= 1
    assert (has == (rows["reason"] != "")).all()
    assert has.any()
    assert rows.loc[~has, "why"].str.startswith("no reason by itself; least usual: ").all()
    assert (rows["units"] > 0).all()  # none of the rows that are 0 by rule


def test_fewer_rows_are_the_first_of_more_and_two_makings_are_the_same(run: Path, odd: dict[str, pd.DataFrame]) -> None:
    every = reviewed(run, odd, 1000)
    assert len(every) > 20
    for k in (1, 7, len(every) - 1):
        pd.testing.assert_frame_equal(reviewed(run, odd, k), every.head(k), check_dtype=False)
    pd.testing.assert_frame_equal(reviewed(run, odd, "100%"), every)


def test_the_command_line_writes_the_rows_beside_the_forecast(run: Path, odd: dict[str, pd.DataFrame]) -> None:
    folder = write_folder(run.parent / "odd", odd)
    out = run.parent / "odd.csv"
    text = predict(run, "--data", folder, "--out", out, "--review", "2%", "--interval", 0.8)
    made = pd.read_csv(run.parent / "odd.review.csv")
    assert len(made) == int(np.ceil(0.02 * len(odd["future"])))
    assert list(made)[:10] == [
        *("row", "shop", "day", "units", "units_lo80", "units_hi80"),
        *("score", "reason", "why", "new_series"),
    ]
    assert "to look at     3 of " in text
    assert made["why"][0] in text
    assert list(pd.read_csv(out)) == ["row", "units", "units_lo80", "units_hi80"]
    told = json.loads(predict(run, "--data", folder, "--out", out, "--review", 5, "--json"))
    assert told["review"]["rows"] == 5
    assert told["review"]["reasons"]["new_series"] > 0


def test_without_a_train_table_nothing_is_compared_with_the_past(run: Path, odd: dict[str, pd.DataFrame]) -> None:
    made = tabcli.predict(run, {k: v for k, v in odd.items() if k != "train"}, review=1000)
    assert any("no row is looked at for being far from its series' own past" in w for w in made.warnings)
    assert made.review is not None
    assert "last_season" not in made.review.counts


def test_rows_further_ahead_than_training_looked_are_named(run: Path, tables: dict[str, pd.DataFrame]) -> None:
    last = tables["future"]
    later = last.assign(day=last["day"] + pd.Timedelta(days=20), row=last["row"] + 10_000)
    rows = reviewed(run, {**tables, "future": pd.concat([last, later], ignore_index=True)}, 10_000)
    beyond = rows[rows["steps_beyond"].notna()]
    assert set(beyond["row"]) == set(later.loc[later["open"] != 0, "row"])
    assert beyond["why"].str.contains("steps beyond the 20 that training looked at").all()


def test_a_row_with_a_persons_number_need_not_be_looked_at(run: Path, odd: dict[str, pd.DataFrame]) -> None:
    first = reviewed(run, odd, 1)
    made = tabcli.predict(run, odd, review=1000, overrides=first[["row"]].assign(units=10))
    assert made.review is not None
    assert not set(first["row"]) & set(made.review.table["row"])


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "few", "0%", "101%", ""])
def test_how_many_is_a_count_or_a_share(text: str, run: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected how many rows, such as 50, or a share of them, such as 2%"):
        HowMany.parse(text)
    if text in ("few", "0%"):
        predict(run, "--data", folder, "--out", tmp_path / "f.csv", "--review", text, fails=2)
    assert HowMany.parse("0.1 %").of(100) == 1
    assert HowMany.parse("250").of(100) == 100


def test_python_refuses_what_the_command_line_refuses(run: Path, folder: Path) -> None:
    with pytest.raises(DataError, match="table overrides: 1 of 1 rows are of no row"):
        tabcli.predict(run, folder, overrides=pd.DataFrame({"row": [-5], "units": [1.0]}))


# ----------------------------------------------------------------------------------------------------- laws


@examples(12)
@given(
    chosen=st.dictionaries(st.integers(0, 119), st.floats(0, 1e5, width=32), min_size=1, max_size=30), data=st.data()
)
def test_whatever_rows_a_person_changes_no_other_changes(
    run: Path, folder: Path, plain: pd.DataFrame, chosen: dict[int, float], data: st.DataObject
) -> None:
    """By id or by series and date, in any order of the rows; bounds enclose as before."""
    by = data.draw(st.sampled_from([["row"], ["shop", "day"]]))
    order = data.draw(st.permutations(list(chosen)))
    own = plain.iloc[order][by].assign(units=[chosen[i] for i in order])
    made = tabcli.predict(run, folder, intervals=[0.8], columns=["shop", "day", "open"], overrides=own)
    of_person = plain.index.isin(list(chosen))
    pd.testing.assert_frame_equal(made.table[~of_person], plain[~of_person])
    assert made.table["units"].iloc[sorted(chosen)].tolist() == [chosen[i] for i in sorted(chosen)]
    assert (made.table["units_lo80"] <= made.table["units_hi80"]).all()
    assert (made.table.loc[of_person, "units_lo80"] >= 0).all()
    assert made.overridden is not None
    assert made.overridden["units_model"].tolist() == plain["units"].iloc[sorted(chosen)].tolist()


def test_one_series_with_dates_of_its_own_writing_and_no_table_of_the_rows(tmp_path: Path) -> None:
    days = pd.date_range("2020-01-06", periods=500)
    rng = np.random.default_rng(0)
    units = np.round(100 * (1 + 0.3 * (days.day_of_week == 4)) * np.exp(rng.normal(0, 0.1, 500)))
    units[-28:] *= 3
    pd.DataFrame({"day": days.strftime("%d.%m.%Y"), "units": units}).to_csv(tmp_path / "past.csv", index=False)
    config = {
        "format_version": 1,
        "tables": {"train": {"file": "past.csv", "date_format": "%d.%m.%Y"}},
        "series": [],
        "date": "day",
        "target": {"column": "units"},
        "features": {"date_parts": ["day"]},
        "categorical": ["dayDayofweek"],
        "continuous": [],
        "validation": {"last": "14d"},
        "model": {"layers": [8]},
        "train": {"epochs": 2, "batch_size": 64},
        "calibration": {"windows": 1, "metric": "none"},
        "forecast": {"floor": "off"},
    }
    trained = tabcli.train(tabcli.prep(config, tmp_path, tmp_path / "prep"), tmp_path / "run")
    del trained
    own = tmp_path / "ours.csv"
    own.write_text("day,units,when\n21.05.2021,77,today\n")
    out = tmp_path / "f.csv"
    text = predict(
        tmp_path / "run", "-d", tmp_path, "-o", out, "--horizon", "14d", "--overrides", own, "--review", "100%"
    )
    made, both = pd.read_csv(out), pd.read_csv(tmp_path / "f.overrides.csv")
    assert made.loc[made["day"] == "21.05.2021", "units"].tolist() == [77]
    assert both[["day", "units", "when"]].to_numpy().tolist() == [["21.05.2021", 77, "today"]]
    rows = pd.read_csv(tmp_path / "f.review.csv")
    assert "21.05.2021" not in set(rows["day"])
    assert "last_season" in text
    assert rows["why"].str.contains("below its last 4 of this weekday").any()
