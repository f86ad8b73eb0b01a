"""`tabcli config check`, `show` and `schema`, and a forecast's rows as JSON."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from tabcli.cli.app import app
from tabcli.cli.render_forecast import records_of
from tabcli.config import loading
from tests.conftest import CONFIG


def run(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["config", *map(str, words)], prog_name="tabcli")
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
    return done


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "c.yaml"
    made.write_text(yaml.safe_dump(CONFIG))
    return made


def test_check_says_ok_or_all_problems_with_the_overrides_in_place(path: Path) -> None:
    assert run("check", path).stdout == f"{path}: ok\n"
    said = run("check", path, "-S", "train.epohcs=3", "-S", "train.lr=-1", code=3).stderr
    assert "2 problems" in said
    assert "train.epohcs: no such key; did you mean 'epochs'?" in said
    assert "train.lr: input should be greater than 0, not -1" in said


@pytest.mark.parametrize("preset", ["default", "lesson6"])
def test_show_prints_a_whole_config_that_loads_to_the_same_as_yaml_and_as_json(path: Path, preset: str) -> None:
    overrides = ["train.epochs=9", f"preset={preset}"]
    words = [w for o in overrides for w in ("-S", o)]
    expected = loading.load(path, overrides)
    assert expected.train.epochs == 9
    path.with_name("shown.yaml").write_text(run("show", path, *words).stdout)
    assert loading.load(path.with_name("shown.yaml")) == expected
    assert loading.parse(json.loads(run("show", path, *words, "--json").stdout)) == expected


def test_the_schema_is_json_that_names_every_key_of_a_config() -> None:
    made: dict[str, Any] = json.loads(run("schema").stdout)
    assert {*loading.load(CONFIG).dump()} == {*made["properties"]}
    assert {"tables", "date", "target", "format_version"} <= {*made["required"]}


def test_rows_for_json_have_their_dates_as_iso_texts() -> None:
    table = pd.DataFrame({"start": [pd.Timestamp("2024-02-29"), pd.Timestamp("2024-03-01 06:30")], "n": [1, 2], 5: "x"})
    assert records_of(table) == [
        {"start": "2024-02-29T00:00:00", "n": 1, "5": "x"},
        {"start": "2024-03-01T06:30:00", "n": 2, "5": "x"},
    ]
    json.dumps(records_of(table))
