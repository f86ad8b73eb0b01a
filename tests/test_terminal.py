"""How lines look: coloured and wrapped on a terminal alone, aligned everywhere, and silent where that is wanted."""

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

import tabcli
from tabcli.cli import terminal
from tabcli.cli.app import app
from tabcli.cli.terminal import bars_of, columns_lines, has_colours, show, squeezed, styled, table_lines, wrapped
from tests.conftest import CONFIG, examples, make_tables, write_folder

ESCAPE = "\x1b["


class Screen(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    made = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 20)))
    return made


LINES = [
    "train          12 rows",
    f"categorical    {', '.join(['column'] * 30)}",
    "warning: look",
    "written: a.csv",
    "plain",
]


def shown_on(screen: Screen) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        show(LINES)
    return screen.getvalue()


def test_a_terminal_has_colours_and_wraps_lists(screen: Screen) -> None:
    text = shown_on(screen)
    assert text.count(ESCAPE) >= 6
    bare = [line for line in _without_colours(text).splitlines() if line]
    assert max(map(len, bare)) <= 60
    assert bare[0] == LINES[0]
    assert sum(line.startswith(" " * 15) for line in bare) >= 3
    assert _without_colours(text).replace("\n" + " " * 15, " ").splitlines() == LINES


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_they_are_not_wanted(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert has_colours(screen)
    monkeypatch.setenv(name, value)
    assert not has_colours(screen)
    text = shown_on(screen)
    assert "written: a.csv" in text
    assert ESCAPE not in text


def test_a_pipe_gets_the_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show(LINES)
    assert capsys.readouterr().out.splitlines() == LINES


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@examples(60)
@given(st.text("abz :=%\u2026·,0", max_size=120), st.integers(30, 90))
def test_colours_and_wrapping_change_no_word(line: str, width: int) -> None:
    assert _without_colours(styled(line)) == line
    assert " ".join(wrapped(line, width)).split() == line.split()


def _in_a_terminal(command: list[str], **environment: str) -> tuple[str, int]:
    """What a command writes where stdout and stderr are a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.Popen([sys.executable, "-m", "tabcli", *command], stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    return b"".join(parts).decode(), process.wait()


def test_the_real_command_is_coloured_in_a_terminal_alone(tmp_path: Path) -> None:
    command = ["synth", str(tmp_path / "a"), "--stores", "2", "--days", "460"]
    text, code = _in_a_terminal(command)
    assert code == 0
    assert f"{ESCAPE}32m" in text
    text, _ = _in_a_terminal([*command[:1], str(tmp_path / "b"), *command[2:]], NO_COLOR="1")
    assert "written: " in text
    assert ESCAPE not in text
    env = {**os.environ, "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    piped = [sys.executable, "-m", "tabcli", "synth", str(tmp_path / "a"), "--stores", "2", "--days", "460"]
    done = subprocess.run(piped, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 2  # it is there already
    assert "error: " in done.stderr
    assert ESCAPE not in done.stdout + done.stderr


# ------------------------------------------------------------------------------------------ columns and bars


def test_columns_stand_below_each_other() -> None:
    lines = list(columns_lines([["name", "n"], ["a", "1"], ["long name", "1,000"]], left=(0,)))
    assert lines == ["name           n", "a              1", "long name  1,000"]


def test_texts_of_a_table_are_left_aligned_and_bars_end_its_lines() -> None:
    table = pd.DataFrame({"forecast": ["network", "the last value"], "wape": [0.1, 0.2], "rows": [5, 10]})
    assert list(table_lines(table, "wape")) == [
        "forecast           WAPE  rows",
        "network         10.00 %     5  ██████",
        "the last value  20.00 %    10  ████████████",
    ]


@examples(60)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_the_largest_value_has_the_longest_bar(values: list[float]) -> None:
    bars = bars_of(values, 8)
    lengths = [len(b) for b in bars]
    assert max(lengths) == (8 if max(values) > 0 else 0)
    ordered = [length for _, length in sorted(zip(values, lengths, strict=True))]
    assert ordered == sorted(ordered)


def test_a_terminal_without_blocks_gets_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "can_show", lambda text: False)
    assert bars_of([2.0, 1.0, float("nan"), -1.0], 4) == ["####", "##", "", ""]


@examples(40)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=300), st.integers(1, 80))
def test_squeezing_keeps_the_sum(values: list[int], width: int) -> None:
    made = squeezed([float(v) for v in values], width)
    assert len(made) <= width
    assert sum(made) == sum(values)


# ------------------------------------------------------------------------------------------------- silence


def _said(*command: object) -> tuple[str, str]:
    done = CliRunner().invoke(app, [str(c) for c in command])
    assert done.exit_code == 0, done.output + done.stderr
    return done.stdout, done.stderr


def test_quiet_commands_write_their_files_and_say_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    (tmp_path / "c.json").write_text(json.dumps(CONFIG))
    few = ["-S", "train.epochs=1", "-S", "calibration.windows=0"]
    config = ["-c", tmp_path / "c.json", "-d", folder]
    assert _said("prep", *config, "-o", tmp_path / "prep", "-q") == ("", "")
    assert _said("train", "-p", tmp_path / "prep", "-o", tmp_path / "run", *few, "--quiet") == ("", "")
    out, warned = _said("predict", tmp_path / "run", "-d", folder, "-o", tmp_path / "f.csv", "-q", "--review", "5")
    assert out == ""
    assert all(line.startswith("warning: ") for line in warned.splitlines())
    assert (tmp_path / "f.csv").exists()
    assert _said("backtest", *config, "-o", tmp_path / "bt", "--folds", 1, "--peers", "median", *few, "-q") == ("", "")
    truth = tabcli.predict(tmp_path / "run", folder).table.assign(units=lambda t: t["units"] + 1)
    truth.to_csv(tmp_path / "truth.csv", index=False)
    lines = _said("evaluate", tmp_path / "f.csv", tmp_path / "truth.csv", "-q")[0].splitlines()
    assert [line.split()[0] for line in lines] == ["RMSPE", "RMSE", "MAPE", "WAPE", "MAE", "RMSLE", "bias"]
    steps = ("add-datepart", folder / "past.csv", tmp_path / "d.csv", "--column", "day", "-q")
    assert _said(*steps) == ("", "")
    run = tmp_path / "run"
    (run / "MODEL_CARD.md").unlink()
    for words in (["--check"], ["--questions", tmp_path / "card.yaml"], []):
        assert _said("card", run, *words, "-q") == ("", "")
    assert (run / "MODEL_CARD.md").exists()
    assert (tmp_path / "card.yaml").exists()
    out, said = _said("explain", run, "-d", folder, "--set", "promo=0", "-o", tmp_path / "plan.svg", "-q")
    assert out == ""
    assert all(line.startswith("note: ") for line in said.splitlines())
    assert (tmp_path / "plan.svg").exists()
    assert _said("embeddings", run, "-o", tmp_path / "maps", "-q") == ("", "")


def test_each_command_that_writes_files_can_be_quiet() -> None:
    """Those that write nothing print what was asked for, and no more."""
    only_say = {"inspect", "doctor", "config"}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        assert ({"-q", "--quiet"} <= options) == (name not in only_say), name


def test_the_forecast_is_shown_as_a_small_curve_of_its_dates(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    prep = tabcli.prep(CONFIG, folder)
    tabcli.train(prep, tmp_path / "run", overrides=["train.epochs=1", "calibration.windows=0"])
    text, _ = _said("predict", tmp_path / "run", "-d", folder, "-o", tmp_path / "f.csv")
    total = pd.read_csv(tmp_path / "f.csv")["units"].sum()
    assert f"units in all   {total:,.6g}, 2021-07-28 … 2021-08-16" in text
    curve = next(line for line in text.splitlines() if line.startswith("by date"))
    assert len(curve) == 15 + 20
    assert "█" in curve
