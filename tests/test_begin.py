"""`init` and `synth` of the Python API: what is passed on, what is refused, what comes back."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tabcli.api.begin import InitResult, init, synth
from tabcli.config.loading import load
from tabcli.errors import UsageError
from tests.conftest import HORIZON, N_DAYS, N_SHOPS, make_tables, write_folder

SMALL: dict[str, dict[str, Any]] = {
    "retail": {"stores": 3, "days": 430, "horizon": 5},
    "weekly": {"stores": 2, "products": 3, "weeks": 60, "horizon": 4},
    "hourly": {"stations": 2, "hours": 24 * 75, "horizon": 12},
}
STEPS = {"retail": ("date", "1D"), "weekly": ("week", "7D"), "hourly": ("hour", "1h")}


# ------------------------------------------------------------------------------------------------- synth


@pytest.mark.parametrize("kind", SMALL)
def test_sizes_and_start_are_those_that_were_asked_for(kind: Any, tmp_path: Path) -> None:
    made = synth(tmp_path / "d", kind=kind, start="2020-02-03", **SMALL[kind])
    name, step = STEPS[kind]
    train, test = (pd.read_csv(made.path / f"{part}.csv", parse_dates=[name]) for part in ("train", "test"))
    assert train[name].min() == pd.Timestamp("2020-02-03")
    assert test[name].nunique() == SMALL[kind]["horizon"]
    assert test[name].min() - train[name].max() == pd.Timedelta(step)
    length = next(SMALL[kind][k] for k in ("days", "weeks", "hours") if k in SMALL[kind])
    whole = pd.date_range("2020-02-03", periods=length, freq=step)
    assert test[name].max() == whole[-1]
    assert {*train[name], *test[name]} <= {*whole}
    assert (len(train), len(test)) == (made.n_train, made.n_test)
    facts = json.loads((made.path / "truth.json").read_text())
    assert facts["arguments"].items() >= SMALL[kind].items()


@pytest.mark.parametrize("kind", SMALL)
def test_what_is_to_be_forecast_is_nowhere_but_in_the_truth(kind: Any, tmp_path: Path) -> None:
    path = synth(tmp_path / "d", kind=kind, **SMALL[kind]).path
    train, test, truth = (pd.read_csv(path / f"{name}.csv") for name in ("train", "test", "truth"))
    target = next(c for c in truth.columns if c in train.columns and c != "id")
    assert target not in test.columns
    assert truth["id"].tolist() == test["id"].tolist()
    assert {*test.columns} - {"id"} < {*train.columns}


def test_a_day_may_be_a_text_or_a_date(tmp_path: Path) -> None:
    one = synth(tmp_path / "one", kind="weekly", start="2020-02-03", **SMALL["weekly"])
    two = synth(tmp_path / "two", kind="weekly", start=date(2020, 2, 3), **SMALL["weekly"])
    for file in one.path.iterdir():
        assert file.read_bytes() == (two.path / file.name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "weekly", "days": 500}, "days: not of kind weekly, which has stores, products, weeks"),
        ({"kind": "retail", "stations": 2, "hours": 3}, "stations, hours: not of kind retail"),
        ({"start": "1.2.2020"}, "--start 1.2.2020: expected a day like 2013-01-01"),
        ({"kind": "hourly", "hours": 100}, "--length 100: expected"),
        ({"noise": 1.5}, "--noise 1.5"),
    ],
)
def test_arguments_that_make_no_sense_are_named_and_nothing_is_written(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        synth(tmp_path / "d", **options)
    assert not (tmp_path / "d").exists()


# -------------------------------------------------------------------------------------------------- init


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("init") / "data", make_tables())


@pytest.fixture(scope="module")
def begun(folder: Path) -> InitResult:
    return init(folder, target="units")


def test_the_text_is_the_config_and_the_file_is_the_text(folder: Path, begun: InitResult, tmp_path: Path) -> None:
    assert begun.path is None
    written = init(folder, tmp_path / "c.yaml", target="units")
    assert written.path == tmp_path / "c.yaml"
    assert (tmp_path / "c.yaml").read_text(encoding="utf-8") == written.text == begun.text
    assert load(tmp_path / "c.yaml") == begun.config


def test_what_was_found_is_in_the_config(begun: InitResult) -> None:
    config = begun.config
    assert (config.target.column, config.series, config.date, config.id) == ("units", ("shop",), "day", "row")
    assert set(config.availability.past_only) == {"visitors"}
    assert {"open", "promo", "holiday"} <= set(config.availability.known_in_advance)
    assert [join.table for join in config.joins] == ["shops"]
    assert config.forecast.zero_where == {"open": 0}
    assert begun.horizon is None, "a table has the rows"
    assert config.tables["train"].file == "past.csv"


def test_every_reason_stands_in_the_text(begun: InitResult) -> None:
    assert any("units" in reason for reason in begun.reasons)
    for reason in begun.reasons:
        assert f"#   {reason}" in begun.text


def test_what_a_person_says_goes_before_what_is_found(folder: Path) -> None:
    told = init(folder, target="visitors", horizon="3w")
    assert told.config.target.column == "visitors"
    assert str(told.config.validation.last) == "3w"


def test_the_horizon_is_told_where_no_table_has_the_rows(tmp_path: Path) -> None:
    tables = make_tables()
    tables["train"].to_csv(tmp_path / "past.csv", index=False)
    tables["shops"].to_csv(tmp_path / "shops.csv", index=False)
    made = init(tmp_path, target="units", horizon="2w")
    assert made.horizon == "2w"
    assert "future" not in made.config.tables
    assert len(tables["train"]) == N_SHOPS * N_DAYS
    assert HORIZON == 20


def test_a_file_is_replaced_by_force_alone(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already") as error:
        init(folder, path, target="units")
    assert "--force" in str(error.value.hint)
    assert path.read_text() == "mine"
    assert path.read_text() != init(folder, path, target="units", force=True).text == path.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "unit"}, "unit"),
        ({"target": "units", "date": "dya"}, "dya"),
        ({"target": "units", "train": "none.csv"}, "none.csv"),
        ({"target": "units", "series": ["shp"]}, "shp"),
        ({"target": "units", "horizon": "often"}, "often"),
    ],
)
def test_what_is_not_there_is_named(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        init(folder, **options)


def test_a_person_is_asked_where_two_answers_are_as_good(tmp_path: Path) -> None:
    train = make_tables()["train"].drop(columns="visitors").rename(columns={"units": "sales_a"})
    train.assign(sales_b=train["sales_a"] * 3 + 1).to_csv(tmp_path / "past.csv", index=False)
    asked: list[tuple[str, list[str]]] = []

    def ask(question: str, option: str, answers: Sequence[str]) -> str:
        asked.append((option, sorted(answers)))
        return "sales_b"

    assert init(tmp_path, ask=ask, horizon="2w").config.target.column == "sales_b"
    assert [option for option, _ in asked] == ["--target"]
    assert {"sales_a", "sales_b"} <= set(asked[0][1])
    with pytest.raises(UsageError, match="sales_a or sales_b") as error:
        init(tmp_path, horizon="2w")
    assert "--target" in str(error.value.hint)


def test_a_result_is_shown_in_a_few_lines(begun: InitResult) -> None:
    assert [line.split()[0] for line in repr(begun).splitlines()] == [
        "InitResult",
        "path",
        "target",
        "series",
        "tables",
    ]
    assert "units, judged by" in repr(begun)
