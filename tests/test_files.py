"""Nothing half-written at a final name, nothing of another program removed."""

import json
import math
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import tabcli
from tabcli import files
from tabcli.cli.app import app
from tabcli.errors import UsageError
from tests.conftest import CONFIG, make_tables, write_folder


def listing(directory: Path) -> list[str]:
    return sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*"))


def fail_half_way(writing: AbstractContextManager[Path]) -> None:
    with writing as temporary:
        (temporary / "x" if temporary.is_dir() else temporary).write_text("half")
        raise RuntimeError


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    files.write_text(path, "old\n")
    with pytest.raises(RuntimeError):
        fail_half_way(files.atomic_file(path))
    assert path.read_bytes() == b"old\n"
    assert listing(path.parent) == ["a.txt"]


def test_a_directory_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail_half_way(files.atomic_directory(tmp_path / "d"))
    assert listing(tmp_path) == []


def write_directory(path: Path, text: str, *, replace: bool = False) -> None:
    with files.atomic_directory(path, replace=replace) as temporary:
        (temporary / "text").write_text(text)
        marker = {"format": "prep", "format_version": 2, "files": {"text": {}}}
        (temporary / "manifest.json").write_text(json.dumps(marker))


def test_a_directory_is_replaced_only_when_asked_and_only_when_it_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "d"
    write_directory(path, "one")
    with pytest.raises(UsageError, match="exists already"):
        write_directory(path, "two")
    write_directory(path, "two", replace=True)
    assert (path / "text").read_text() == "two"
    assert listing(tmp_path) == ["d", "d/manifest.json", "d/text"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(UsageError, match="was not written by tabcli"):
        write_directory(other, "gone", replace=True)
    assert (other / "chapter.txt").read_text() == "years of work"
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="was not written by tabcli"):
        write_directory(tmp_path / "file", "gone", replace=True)


@pytest.mark.parametrize(
    "manifest",
    [
        "{}",
        "one",
        "[]",
        '{"name": "web app", "icons": []}',
        '{"format": "app", "format_version": 1, "files": {}}',
        '{"format": "prep", "format_version": 2, "files": 3}',
    ],
)
def test_a_manifest_of_another_program_gives_no_right_to_delete(tmp_path: Path, manifest: str) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "manifest.json").write_text(manifest)
    (app / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="was not written by tabcli"):
        write_directory(app, "gone", replace=True)
    assert (app / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["notes.txt", "deep/er/notes.txt"])
def test_a_file_that_was_put_into_a_directory_of_ours_is_not_deleted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "d"
    write_directory(path, "one")
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_text("mine")
    with pytest.raises(UsageError, match=f"1 files that tabcli did not write there: {name}"):
        write_directory(path, "two", replace=True)
    assert (path / name).read_text() == "mine"
    assert (path / "text").read_text() == "one"


def test_unfinished_work_is_opened_only_where_tabcli_left_it(tmp_path: Path) -> None:
    foreign = tmp_path / "run.partial"
    foreign.mkdir()
    (foreign / "download.safetensors").write_text("weights of somebody")
    with pytest.raises(UsageError, match="no unfinished work of tabcli"):
        files.open_working(foreign)
    assert listing(tmp_path) == ["run.partial", "run.partial/download.safetensors"]
    own = tmp_path / "own.partial"
    files.open_working(own)
    files.begin_working(own, "a")
    (own / "member-0.safetensors").write_text("x")
    (own / "notes.txt").write_text("mine")
    assert files.working_on(own) == "a"
    files.open_working(own)
    files.begin_working(own, "b")
    assert listing(own) == ["notes.txt", "working.json"]
    files.close_working(own)
    assert listing(own) == ["notes.txt"]
    (own / "notes.txt").unlink()
    files.close_working(own)
    assert not own.exists()


def test_an_empty_directory_is_free(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write_directory(tmp_path / "d", "one")
    assert listing(tmp_path) == ["d", "d/manifest.json", "d/text"]


def test_replacing_fails_half_way_and_keeps_the_old_directory(tmp_path: Path) -> None:
    write_directory(tmp_path / "d", "one")
    with pytest.raises(RuntimeError):
        fail_half_way(files.atomic_directory(tmp_path / "d", replace=True))
    assert (tmp_path / "d" / "text").read_text() == "one"


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    code = (
        "import os, signal, sys; from pathlib import Path; from tabcli import files\n"
        "with files.atomic_file(Path(sys.argv[1])) as t:\n"
        "    t.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode != 0
    assert path.read_text() == "old"


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_json_keeps_every_bit(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("json") / "v.json"
    files.write_json(path, value)
    assert repr(files.read_json(path)) == repr(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_refuses_what_json_has_no_word_for(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "v.json", {"x": value})
    assert os.listdir(tmp_path) == []


def test_digest_does_not_see_the_order_of_keys() -> None:
    assert files.digest({"a": 1, "b": [1, 2]}) == files.digest({"b": [1, 2], "a": 1})
    assert files.digest({"a": 1, "b": [1, 2]}) != files.digest({"a": 1, "b": [2, 1]})


# ------------------------------------------------------------------------- what is read is never written over


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, a prep and a run."""
    root = tmp_path_factory.mktemp("made")
    write_folder(root / "data", make_tables())
    prep = tabcli.prep(CONFIG, root / "data", root / "prep", overrides=["train.epochs=1", "calibration.windows=0"])
    tabcli.train(prep, root / "run")
    return root


OVER_WHAT_IS_READ = {
    "add-datepart": "data/past.csv data/past.csv --column day",
    "categorify": "data/shops.csv data/shops.csv --fit new.json",
    "fill-missing": "data/shops.csv new.csv --fit data/shops.csv",
    "normalize": "data/shops.csv new.csv --fit new.csv",
    "predict": "run --data data --out data/ahead.csv",
    "predict to another": "run --data data --out data/past.csv",
    "predict into a run": "run --data data --out prep/train.parquet",
    "lr-find": "--prep prep --out prep/train.parquet",
    "init": "data --out data/past.csv --force",
}


@pytest.mark.parametrize("command", OVER_WHAT_IS_READ)
def test_no_command_writes_over_what_it_reads(made: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    before = {p: files.sha256(p) for p in made.rglob("*") if p.is_file()}
    words = [command.removesuffix(" to another").removesuffix(" into a run"), *OVER_WHAT_IS_READ[command].split(" ")]
    done = CliRunner().invoke(app, words, prog_name="tabcli")
    assert done.exit_code == 2, done.output
    assert "give" in done.stderr
    assert {p: files.sha256(p) for p in made.rglob("*") if p.is_file()} == before


def test_a_step_that_applies_a_state_does_not_write_over_it(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    tabcli.run_step("normalize", "data/shops.csv", fit="state.csv", columns=["shop"])
    words = ["normalize", "data/shops.csv", "state.csv", "--state", "state.csv"]
    assert CliRunner().invoke(app, words, prog_name="tabcli").exit_code == 2
    words = ["normalize", "data/shops.csv", "out.csv", "--state", "state.csv"]
    assert CliRunner().invoke(app, words, prog_name="tabcli").exit_code == 0
    words = ["predict", "run", "--data", "data", "--out", "forecast.csv"]
    assert CliRunner().invoke(app, words, prog_name="tabcli").exit_code == 0
    assert CliRunner().invoke(app, words, prog_name="tabcli").exit_code == 0, "an earlier forecast may be replaced"
