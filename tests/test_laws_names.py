"""A law: a column's name never matters. With other names come the same encoded values and the same forecasts."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

import tabcli
from tabcli.artifacts.encoded_names import input_column, past_column, row_column
from tabcli.cli.app import app
from tabcli.errors import ConfigError, DataError, UsageError
from tests.conftest import CONFIG, examples, make_tables

FULL: dict[str, Any] = {
    **copy.deepcopy(CONFIG),
    "history": {"windows": ["56d", "28d", "7d"], "base": "28d", "effects": ["promo"], "columns": ["visitors"]},
    "baseline": ["shop", "promo"],
    "calibration": {"metric": "none"},
    "model": {"layers": [16, 8], "embedding_sizes": {"kind": 3}},
}
FULL["train"] = {**FULL["train"], "epochs": 1, "precision": "float32"}
FULL["features"]["date_parts"] = [{"column": "day", "prefix": "day"}]
FULL["features"]["fourier"] = {"Year": {"date": "day", "period": 365.25, "order": 1}}
FULL["features"]["to_month_end"] = {"Left": {"date": "day"}}

WORDS = """season step series cell filled y rows matched actual index level_0 name count values median base gap train
valid h future auto none id date target (season) row. row.series row.step row.x row.units column. column.y column.step
row.column.step self cls columns network prep.parquet null true 1 1.5 2024-01-01 2020 ~ on . .. * ? # % %s {x} {{ $ @
[bold] [/] & | > < = : ; -- - a\\b ' " ` Ümläut 日本 🙂 __index_level_0__ key_0 _merge size_ size.1 DAY NaN None"""

OURS = [*WORDS.split(), "a b", " a", "a ", "a,b", "a, b", "x: y", "a\nb", "a\tb", "long " * 60, "(one series)x"]
"""What is a word of tabcli's or of its libraries, and what a file or a shell may take for something else."""

COLUMNS = ["units", "shop", "day", "promo", "open", "holiday", "visitors", "kind", "size", "row"]
COLUMNS += ["since_year", "since_month", "rounds"]


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A config in which columns have other names, wherever they are named."""
    if isinstance(value, dict):
        return {names.get(k, k) if k in COLUMNS else k: renamed(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def with_names(names: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    config = copy.deepcopy(FULL)
    moment = config["features"]["spans"]["MonthsOpen"].pop("since")  # its keys are called as columns might be
    config = renamed(config, names)
    config["features"]["spans"]["MonthsOpen"]["since"] = {k: names.get(v, v) for k, v in moment.items()}
    config["features"]["date_parts"][0]["prefix"] = "day"
    return config, {name: table.rename(columns=names) for name, table in make_tables().items()}


def job(config: Any, tables: dict[str, pd.DataFrame]) -> tuple[Any, Any, pd.DataFrame]:
    prep = tabcli.prep(config, tables)
    run = tabcli.train(prep, overrides=["calibration.windows=0"])
    return prep.prepared, run, tabcli.predict(run, tables).table


PLAIN: list[Any] = []


def plain() -> Any:
    if not PLAIN:
        PLAIN.extend(job(FULL, make_tables()))
    return PLAIN


def assert_same(found: Any, names: Mapping[str, str]) -> None:
    """Every encoded value and forecast is that of the plain names."""
    (prepared, run, made), (plain_prepared, plain_run, expected) = found, plain()
    for part, table in plain_prepared.tables.items():
        new, fitted = prepared.tables[part], plain_prepared.fitted.preprocessor
        assert new.shape == table.shape
        for column in [*fitted.categorical, *fitted.continuous]:
            name = column if column in made_names() else flagged(column, names)
            pd.testing.assert_series_equal(new[input_column(name)], table[column], check_names=False)
        for column in {"units", "shop", "day"} if part != "future" else {"shop", "day"}:
            np.testing.assert_array_equal(new[row_column(names.get(column, column))], table[row_column(column)])
        for column in table.columns.intersection(["y", "row.series", "row.step", "row.cell", "row.filled"]):
            pd.testing.assert_series_equal(new[column], table[column])
    for column in plain_prepared.past.columns:
        new = column if column in ("series", "step", "cell", "y") else past_column(names.get(column, column))
        np.testing.assert_array_equal(prepared.past[new], plain_prepared.past[column])
    np.testing.assert_array_equal(made.to_numpy(), expected.to_numpy())
    assert [*made.columns] == [names.get(c, c) for c in expected.columns]
    assert list(prepared.summary.baseline.scores.values()) == list(plain_prepared.summary.baseline.scores.values())
    assert run.run.metrics.validation.scores == plain_run.run.metrics.validation.scores


def made_names() -> set[str]:
    """The inputs that are features' columns, which keep their names."""
    fitted = plain()[0].fitted.preprocessor
    return {c for c in (*fitted.categorical, *fitted.continuous) if c.removesuffix("_na") not in COLUMNS}


def flagged(column: str, names: Mapping[str, str]) -> str:
    stem = column.removesuffix("_na")
    return names.get(stem, stem) + column[len(stem) :]


@examples(3)
@given(st.lists(st.sampled_from(OURS), min_size=len(COLUMNS), max_size=len(COLUMNS), unique=True))
@example(
    ["step", "season", "series", "y", "cell", "filled", "h", "row.step", "row.units", "index", "a b", "a,b", "x: y"]
)
@example(["y", "row.series", "step", "(season)", "auto", "name", "series", "self", "column.y", "train", "1", "~", "on"])
@example(["row.y", "auto", "season", "series", "self", "level_0", "y", "step", "cell", "future", "null", "🙂", "%s"])
def test_other_names_change_no_encoded_value_and_no_forecast(others: list[str]) -> None:
    names = dict(zip(COLUMNS, others, strict=True))
    assert_same(job(*with_names(names)), names)


def test_other_names_change_nothing_in_files_and_on_the_command_line(tmp_path: Path) -> None:
    others = [
        "step",
        "a,b",
        "day of\nsale",
        "y",
        "'",
        "null",
        "row.step",
        "# no",
        "x: y",
        "cell",
        "1",
        "2024-01-01",
        "on",
    ]
    names = dict(zip(COLUMNS, others, strict=True))
    config, tables = with_names(names)
    (tmp_path / "data").mkdir()
    for name, spec in config["tables"].items():
        tables[name].to_csv(tmp_path / "data" / spec["file"], index=False)
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def tab(*words: object) -> str:
        done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")
        assert done.exit_code == 0, done.output
        return done.stdout

    (tmp_path / "shown.yaml").write_text(tab("config", "show", tmp_path / "my.yaml"), encoding="utf-8")
    tab("prep", "--config", tmp_path / "shown.yaml", "--data", tmp_path / "data", "--out", tmp_path / "prep")
    tab("train", "--prep", tmp_path / "prep", "--out", tmp_path / "run", "-S", "calibration.windows=0")
    tab("predict", tmp_path / "run", "--data", tmp_path / "data", "--out", tmp_path / "made.csv")
    for what in ("prep", "run", "data/past.csv"):
        assert "step" in tab("inspect", tmp_path / what)
    made, expected = pd.read_csv(tmp_path / "made.csv"), plain()[2]
    np.testing.assert_array_equal(made["step"], expected["units"])


def test_a_baseline_by_a_column_called_season_is_by_that_column() -> None:
    """It was the median by the place in the week in its place: too easy to beat."""
    tables = {k: table.rename(columns={"promo": "season"}) for k, table in make_tables().items()}
    summary = tabcli.prep(renamed(FULL, {"promo": "season"}), tables).summary.baseline
    plain_summary = tabcli.prep(FULL, make_tables()).summary.baseline
    assert list(summary.scores.values()) == list(plain_summary.scores.values())
    assert "the median by shop × season" in summary.scores


NAMES = ["season", "matched", "rows", "mae", "series", "units (predicted)", "(season)", "self", "index"]


@pytest.mark.parametrize("name", NAMES)
def test_evaluate_takes_keys_and_groups_of_any_name(name: str) -> None:
    days = pd.date_range("2024-01-01", periods=28)
    rows = pd.DataFrame({"item": np.repeat(["A", "B"], 28), "day": [*days, *days], "units": np.arange(56) + 1.0})
    rows["group"] = np.arange(56) % 2

    def judged(item: str, group: str) -> Any:
        table = rows.rename(columns={"item": item, "group": group})
        truth = table[table["day"] >= "2024-01-22"]
        made = truth.assign(units=truth["units"] + 1)
        return tabcli.evaluate(
            made, truth, target="units", on=[item, "day"], by=group, history=table, date="day", series=[item]
        )

    expected = judged("item", "group")
    for found in (judged(name, "group"), judged("item", name)):
        assert found.metrics == expected.metrics
        np.testing.assert_array_equal(found.naive.iloc[:, 1:], expected.naive.iloc[:, 1:])
        np.testing.assert_array_equal(found.by, expected.by)


def test_a_column_called_like_the_flag_of_another_is_refused_with_the_way_out() -> None:
    """Its codes were silently those of the flag."""
    config, tables = copy.deepcopy(FULL), make_tables()
    tables["shops"]["size_na"] = ["p", "q", "p", "q", "p", "q"]
    config["categorical"].append("size_na")
    with pytest.raises(DataError, match="'size_na' is an input, and so is the flag of missing values of") as e:
        tabcli.prep(config, tables)
    assert "take size_na out" in str(e.value.hint)
    config["continuous"].remove("size")
    prep = tabcli.prep(config, tables)
    assert "size_na" in prep.prepared.fitted.preprocessor.inputs(["size"])[0], "it is no flag here"
    with pytest.raises(UsageError, match="has a column 'size_na' already"):
        tabcli.run_step("fill-missing", tables["shops"], fit="unused.json")


def test_a_column_called_like_one_that_is_made_is_refused_with_the_way_out() -> None:
    config, tables = copy.deepcopy(FULL), make_tables()
    tables["train"] = tables["train"].query("shop == 1").rename(columns={"shop": "(one series)"})
    with pytest.raises(DataError, match=r"has a column '\(one series\)', which is what tabcli calls one that it makes"):
        tabcli.prep({**config, "series": []}, tables)


def test_a_feature_called_like_a_column_is_refused_with_the_way_out() -> None:
    config = copy.deepcopy(FULL)
    config["features"]["recurrences"]["promo"] = {"months": "rounds"}
    with pytest.raises(ConfigError, match=r"recurrences.promo: the joined table has a column 'promo' already") as e:
        tabcli.prep(config, make_tables())
    assert "the feature another name" in str(e.value.hint)
