"""The benchmarks of scale: a limit of memory holds, the tables fit their config."""

import json
import sys
from pathlib import Path

import pytest

import tabcli

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import limited
import scale

ALLOCATE = "import time; x = bytearray({}); time.sleep(0.5)"


def test_a_command_is_measured_with_all_it_started_and_ended_beyond_its_limit() -> None:
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ALLOCATE.format(120_000_000)!r}])"
    cost = limited.run([sys.executable, "-c", inner], 0.5)
    assert 110 < cost.megabytes < 300
    assert cost.held_by
    with pytest.raises(SystemExit, match=r"ended with -9 within 0\.1 GB"):
        limited.run([sys.executable, "-c", ALLOCATE.format(400_000_000)], 0.1)


def test_a_command_that_fails_is_shown() -> None:
    with pytest.raises(SystemExit, match=r"ended with 3:\s+no such thing"):
        limited.run([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"])


def test_the_generated_tables_are_those_of_the_config(tmp_path: Path) -> None:
    scale.generate(tmp_path / "train.csv", 0, scale.DAYS, 3)
    scale.generate(tmp_path / "future.csv", scale.DAYS, scale.DAYS + scale.AHEAD, 3)
    before = (tmp_path / "train.csv").read_bytes()
    assert before.count(b"\n") == 3 * scale.DAYS + 1
    prepared = tabcli.prep(scale.CONFIG, tmp_path).prepared
    assert prepared.fitted.horizon == scale.AHEAD
    assert len(prepared.tables["future"]) == 3 * scale.AHEAD
    scale.generate(tmp_path / "train.csv", 0, scale.DAYS, 3)
    assert (tmp_path / "train.csv").read_bytes() == before


def test_a_plot_shows_the_steps_that_were_measured(tmp_path: Path) -> None:
    found = {"100": {"prep": {"seconds": 1.0, "megabytes": 100}}, "1000": {"prep": {"seconds": 2.0, "megabytes": 200}}}
    scale.plot(json.loads(json.dumps(found)), tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
