"""`tabcli inspect` of tables, preps and runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

import tabcli
from tabcli.cli.app import app
from tests.conftest import CONFIG, make_tables, write_folder


def run(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
    return done


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("job")
    write_folder(root / "data", make_tables())
    (root / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    run("prep", "-c", root / "config.yaml", "-d", root / "data", "-o", root / "prep")
    run("train", "-p", root / "prep", "-o", root / "run", "-S", "train.epochs=1", "-S", "calibration.windows=0")
    return root


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,word,day,empty\n1,x,2020-01-31,\n2,,2020-02-01,\n3,x,2020-02-02,\n10,y,2020-02-03,\n")
    lines = run("inspect", path).stdout.splitlines()
    assert lines[0] == f"table {path}"
    assert [line.split() for line in lines[1:3]] == [["rows", "4"], ["columns", "4"]]
    assert lines[4].split() == ["column", "type", "missing", "values", "range", "distribution"]
    assert lines[5].startswith("n       int          0       4  1 … 10 ")
    assert lines[6] == "word    text         1       2  x … y                    █▄"
    assert "2020-01-31 … 2020-02-03" in lines[7]
    assert lines[8].split() == ["empty", "float", "4", "0"]


def test_a_prep_tells_roles_missing_and_unknown(job: Path, tmp_path: Path) -> None:
    made = json.loads(run("inspect", job / "prep", "--json").stdout)
    columns = {c["name"]: c for c in made["columns"]}
    prepared = pd.read_parquet(job / "prep" / "train.parquet")
    assert made["what"] == "prep"
    assert made["facts"]["rows"]["train"] == len(prepared)
    assert columns["units"]["role"] == "target"
    assert columns["kind"]["missing"] == int((prepared["kind"] == 0).sum()) > 0
    assert [columns["shop"][k] for k in ("role", "kind", "missing", "unknown")] == ["categorical", "code", 0, 0]
    assert [columns["shop"][k] for k in ("n_values", "low", "high")] == [6, 1, 6]
    assert sum(columns["shop"]["bars"]) == len(prepared)
    assert (columns["size"]["low"], columns["size"]["high"]) == (10.0, 60.0)
    assert columns["size"]["missing"] == int(prepared["size_na"].eq(3).sum()) > 0
    assert columns["visitors"]["role"] == "past only"
    text = run("inspect", job / "prep").stdout
    assert "shop_na" not in text
    assert "to beat          RMSPE of the median by shop × dayDayofweek × promo 0." in text


def test_a_run_and_python(job: Path) -> None:
    text = run("inspect", job / "run").stdout
    assert text.startswith(f"run {job / 'run'}\n")
    assert "valid_rmspe" in text
    result = tabcli.inspect(job / "run")
    assert [c.name for c in result.columns if c.role == "target"] == ["units"]
    frame = tabcli.inspect(make_tables()["shops"])
    assert (frame.what, frame.facts["rows"]) == ("table", 6)
    prep = tabcli.prep(CONFIG, data=make_tables())
    assert tabcli.inspect(prep).columns == tabcli.inspect(job / "prep").columns


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,word\n1,Köln\n2,Bonn\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tabcli", "inspect", str(path)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert b"Bonn .. K?ln" in done.stdout
    assert b"##" in done.stdout


def test_what_cannot_be_inspected(job: Path, tmp_path: Path) -> None:
    assert "no such file" in run("inspect", tmp_path / "none", code=2).stderr
    assert "neither a prep nor a run" in run("inspect", job / "data", code=5).stderr
