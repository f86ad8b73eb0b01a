"""Worker processes: no `__main__` guard is needed; they end with their parent; errors keep their type."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import tabcli
from tabcli.config.loading import load, parse
from tabcli.engines import processes
from tabcli.errors import ConfigError, ResourceError, WorkerError, error_of
from tabcli.training import tasks
from tabcli.training.loop import Callbacks
from tabcli.training.members import MemberSpec
from tabcli.training.tasks import TrainingJob
from tests.conftest import CONFIG, make_tables, wait_until, write_folder

FAST = ["train.epochs=2", "train.batch_size=64", "calibration.windows=0"]

pytestmark = pytest.mark.usefixtures("two_cores")


@pytest.fixture(autouse=True)
def _processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the training."""
    monkeypatch.setattr(tasks, "n_steps", lambda *args: tasks.SHORT + 1)


def test_networks_are_trained_in_this_process_where_that_is_sooner_and_have_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prep = tabcli.prep(CONFIG, data=make_tables(), out=tmp_path / "prep")
    apart = tabcli.train(prep, out=tmp_path / "apart", overrides=TWO).run
    monkeypatch.setattr(tasks, "n_steps", lambda *args: tasks.SHORT)
    monkeypatch.setattr(processes, "Worker", None)  # no process can start
    torch.set_num_threads(2)
    here = tabcli.train(prep, out=tmp_path / "here", overrides=TWO).run
    assert torch.get_num_threads() == 2
    monkeypatch.setattr(tasks, "n_steps", lambda *args: tasks.SHORT + 1)
    in_turn = tabcli.train(prep, out=tmp_path / "in turn", overrides=[*TWO, "train.threads=1"]).run
    for one, *others in zip(apart.members, here.members, in_turn.members, strict=True):
        for other in others:
            assert {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in other.items()}


def children(pid: int) -> list[int]:
    """The worker processes of a process."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(c) for c in listed if b"tabcli.engines.worker" in Path(f"/proc/{c}/cmdline").read_bytes()]


TWO = [*FAST, "train.members=2", "train.threads=2"]


def test_a_script_without_a_main_guard_trains_networks_side_by_side(tmp_path: Path) -> None:
    """The script writes a line each time it is run: workers must not import it."""
    folder = write_folder(tmp_path / "data", make_tables())
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    script = tmp_path / "x.py"
    script.write_text(f"""
import tabcli
from tabcli.training import tasks
tasks.n_cores, tasks.SHORT = lambda: 2, -1
open("runs.txt", "a").write("run\\n")
prep = tabcli.prep("config.json", data={str(folder)!r}, out="prep")
epochs = []
callbacks = tabcli.training.loop.Callbacks(on_epoch=epochs.append)
run = tabcli.train(prep, out="run", overrides={TWO!r}, callbacks=callbacks)
print(sorted(e.network for e in epochs), len(run.run.members))
""")
    done = subprocess.run([sys.executable, "x.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['member-0', 'member-0', 'member-1', 'member-1'] 2\n"
    assert (tmp_path / "runs.txt").read_text() == "run\n"
    assert not (tmp_path / "run.partial").exists()


def test_a_worker_ends_when_its_parent_is_killed_and_ignores_ctrl_c(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    tabcli.prep(CONFIG, data=folder, out=tmp_path / "prep", overrides=["train.epochs=4000", "train.batch_size=32"])
    command = [
        sys.executable,
        "-m",
        "tabcli",
        "train",
        "--prep",
        str(tmp_path / "prep"),
        "--out",
        str(tmp_path / "run"),
    ]
    command += ["-S", "train.members=2", "-S", "train.threads=2", "-S", "calibration.windows=0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: len(list((tmp_path / "run.partial").glob("member-?.safetensors"))) == 2)
        started = children(process.pid)
        assert len(started) == 2
        for pid in started:
            os.kill(pid, signal.SIGINT)
        time.sleep(0.3)
        assert children(process.pid) == started, "Ctrl-C is the parent's to act on"
        process.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), seconds=10)


def test_an_error_in_a_worker_keeps_its_type_message_and_hint(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    prep = tabcli.prep(CONFIG, data=folder, out=tmp_path / "prep")
    with pytest.raises(ConfigError, match="training diverged in epoch 1") as caught:
        tabcli.train(prep, out=tmp_path / "run", overrides=[*FAST, "train.members=2", "train.lr=1e30"])
    assert "lower train.lr" in str(caught.value.hint)


def test_an_unexpected_end_names_the_network_the_reason_and_the_log(tmp_path: Path) -> None:
    settings = load(CONFIG, FAST)
    prep = tabcli.prep(CONFIG, data=make_tables(), out=tmp_path / "prep").prepared
    wanted = [MemberSpec(f"member-{i}", 0, i, i, epochs) for i, epochs in enumerate((1, "many"))]  # type: ignore[arg-type]
    job = TrainingJob(tmp_path / "prep", settings, tmp_path)
    with pytest.raises(WorkerError, match=r"1 of 2 .* member-1 \(exit code 1: TypeError: .*; see .*member-1\.log\)"):
        tasks.run_tasks(wanted, prep, settings, lambda task: None, Callbacks(), job)  # type: ignore[arg-type, return-value]
    assert "Traceback" in (tmp_path / "member-1.log").read_text()
    assert not (tmp_path / "member-0.log").exists()
    assert (tmp_path / "member-0.done.safetensors").exists(), "the other one is trained to its end first"


@pytest.mark.parametrize(("code", "expected"), [(-9, "ended by signal 9"), (1, "exit code 1: ValueError: x; see ")])
def test_the_reason_of_an_end_is_its_signal_or_the_last_line_of_its_log(
    tmp_path: Path, code: int, expected: str
) -> None:
    log = tmp_path / "member-0.log"
    log.write_text("Traceback …\nValueError: x\n")
    assert processes._reason(code, log).startswith(expected)


def test_the_settings_of_a_training_arrive_as_they_were_given(tmp_path: Path) -> None:
    given = load(CONFIG, ["train.lr=0.0123456789"])
    call = tasks.call_of(MemberSpec("member-1", 0, 1, 8, 5), TrainingJob(tmp_path / "prep", given, tmp_path))
    arguments = json.loads(json.dumps(call.arguments))
    assert parse(arguments["settings"], source="a test") == given
    assert MemberSpec(**arguments["task"]) == MemberSpec("member-1", 0, 1, 8, 5)


def test_an_error_of_an_unknown_kind_is_a_worker_error() -> None:
    assert type(error_of("ConfigError", "x", hint="y")) is ConfigError
    assert type(error_of("Other", "x")) is WorkerError


def test_one_thread_trains_a_network_and_the_process_has_as_many_as_before_afterwards() -> None:
    torch.set_num_threads(2)
    prep = tabcli.prep(CONFIG, data=make_tables())
    seen: list[int] = []
    told = Callbacks(on_epoch=lambda record: seen.append(torch.get_num_threads()))
    tabcli.train(prep, overrides=[*FAST, "train.threads=2"], callbacks=told)
    assert seen == [1, 1]
    assert torch.get_num_threads() == 2
    tabcli.lr_find(prep)
    assert torch.get_num_threads() == 2


def test_a_disk_that_is_full_in_a_worker_is_a_full_disk_and_not_a_worker_that_died(tmp_path: Path) -> None:
    prep = tabcli.prep(CONFIG, data=make_tables(), out=tmp_path / "prep")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(ResourceError, match="the disk is full") as error:
            tabcli.train(prep, out=tmp_path / "run", overrides=TWO)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.exit_code == 6
    assert not (tmp_path / "run").exists()
    assert len(tabcli.train(prep, out=tmp_path / "run", overrides=TWO, resume=True).run.members) == 2
