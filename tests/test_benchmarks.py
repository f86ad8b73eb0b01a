"""The speed benchmarks' workers on a small prep, in this process: each answers a line with a line."""

import io
import json
from pathlib import Path
from typing import Any

import gpu
import measure
import pytest
import threads
import training
import worker_lightgbm
import worker_tabcli

import tabcli
from tabcli.selection.trees import N_TREES
from tests.conftest import CONFIG, make_tables


@pytest.fixture(scope="module")
def prep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("benchmark") / "prep"
    tabcli.prep({**CONFIG, "history": {"base": "14d", "effects": ["promo"]}}, make_tables(), out)
    return out


def answers(
    worker: Any, words: list[str], given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    """The lines that a worker writes for the lines that it is given."""
    monkeypatch.setattr("sys.argv", ["worker", *words])
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    worker.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_network_is_trained_for_as_many_epochs_as_a_line_says(
    prep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *epochs = answers(worker_tabcli, [str(prep), "train.threads=1"], "1\n3\n", monkeypatch, capsys)
    assert first["rows"] > 500
    assert "shop" in first["network"]
    assert len(epochs) == 2
    assert all(line["seconds"] > 0 for line in epochs)
    assert epochs[1]["rmspe"] < epochs[0]["rmspe"], "three epochs beside one"


def test_lightgbm_is_fitted_on_the_same_rows(
    prep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(N_TREES, "lightgbm", 20)
    first, fitted = answers(worker_lightgbm, [str(prep)], "1\n", monkeypatch, capsys)
    assert first["rows"] > 500
    assert 0 < fitted["rmspe"] < 1


class Stub:
    """A worker whose epochs take what it says."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = [*seconds]

    def epoch(self) -> float:
        return self.seconds.pop(0)

    def run(self, n: int) -> dict[str, float]:
        return {"seconds": 1.0 * n, "rmspe": self.seconds[n - 1]}


def test_two_threads_are_compared_with_one_by_medians_and_slower_ones_are_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[str] = []
    seconds = iter([2.0, 1.0, 2.0, 1.2, 9.0, 1.1, 2.0, 3.0, 2.0, 3.0, 2.0, 3.0])

    def tabcli(*words: str) -> measure.Cost:
        commands.append(" ".join(words))
        return measure.Cost(next(seconds), 0.0, 0.0)

    monkeypatch.setattr(measure, "tabcli", tabcli)
    monkeypatch.setattr("sys.argv", ["threads.py", "prep", "--out", str(tmp_path / "t.json"), "--busy", "1"])
    with pytest.raises(SystemExit, match="two threads took more than a fifth longer than one"):
        threads.main()
    shown = capsys.readouterr().out
    assert "beside 0 busy loops two threads take 0.55 times as long as one\n" in shown
    assert "beside 1 busy loops two threads take 1.50 times as long as one\n" in shown
    assert ["threads=1" in c for c in commands] == [True, False] * 6
    assert len(json.loads((tmp_path / "t.json").read_text())) == 2


@pytest.mark.parametrize(("goal", "reached", "n"), [(0.2, True, 2), (0.05, False, 3)])
def test_the_shortest_schedule_that_reaches_a_goal(goal: float, reached: bool, n: int) -> None:
    made = training.time_to_accuracy(Stub(0.3, 0.2, 0.1), goal, 3)  # type: ignore[arg-type]
    assert (made["reached"], made["seconds"], len(made["tried"])) == (reached, 1.0 * n, n)


def test_without_a_cuda_device_the_gpu_s_benchmark_shows_that_the_cpu_s_bits_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--stores", "4", "--days", "450", "--epochs", "1", "--set", "model.layers=[8]"]
    monkeypatch.setattr("sys.argv", ["gpu", "--out", str(tmp_path / "gpu.json"), *words])
    gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert json.loads(capsys.readouterr().out) == found
    first, *others = found["tries"]
    assert len(others) == 5
    assert "by gloo" in others[-1]["name"]
    assert all(t["same_bits"] and t["rmspe"] == first["rmspe"] and t["seconds"][0] > 0 for t in others)
