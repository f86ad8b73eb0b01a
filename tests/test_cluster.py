"""`--on ray`: the same bytes as elsewhere, whatever dies meanwhile; and what is said where a cluster does not fit."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tabcli
from tabcli.cli.app import app
from tabcli.config.loading import load
from tabcli.engines import cluster
from tabcli.engines.calls import Engine
from tabcli.errors import UsageError, WorkerError
from tabcli.training.loop import Callbacks
from tabcli.training.members import MemberSpec
from tabcli.training.tasks import TrainingJob, train_elsewhere
from tests.conftest import CONFIG, make_tables, write_folder

ray = pytest.importorskip("ray")
FAST = ["train.epochs=2", "train.batch_size=64", "train.members=2", "calibration.windows=0", "train.refit=true"]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """Ray on this machine with two cores, for all tests here."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=10**8,
        configure_logging=False,
        log_to_driver=False,
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def prep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cluster") / "prep"
    tabcli.prep(CONFIG, data=make_tables(), out=path)
    return path


def weights(run: tabcli.TrainResult) -> list[dict[str, bytes]]:
    return [{k: v.tobytes() for k, v in member.items()} for member in run.run.members]


def test_the_networks_and_their_epochs_are_those_of_this_process(prep: Path, tmp_path: Path) -> None:
    told: dict[str, list[str]] = {"here": [], "ray": []}
    runs = {
        on: tabcli.train(
            prep,
            tmp_path / on,
            overrides=FAST,
            on=on,  # type: ignore[arg-type]
            callbacks=Callbacks(on_epoch=lambda record, on=on: told[on].append(f"{record.network} {record.epoch}")),  # type: ignore[misc]
        )
        for on in told
    }
    assert weights(runs["ray"]) == weights(runs["here"])
    assert sorted(told["ray"]) == sorted(told["here"])
    assert len(told["ray"]) == 8
    states = [(tmp_path / on / "state.json").read_bytes() for on in told]
    assert states[0] == states[1]
    assert not (tmp_path / "ray.partial").exists()


def files_in(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_a_prep_in_shards_has_the_same_files_wherever_shards_are_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nodes share no disk: every place is said to be elsewhere."""
    data = write_folder(tmp_path / "data", make_tables())
    config = {**CONFIG, "history": {"base": "14d", "effects": ["promo"]}}

    def made(name: str, on: Engine) -> dict[str, bytes]:
        tabcli.prep(config, data, tmp_path / name, shards=3, on=on)
        return files_in(tmp_path / name)

    here = made("here", "here")
    assert "shards/00002/train.parquet" in here
    assert made("processes", "processes") == here
    assert made("ray", "ray") == here
    own = cluster.place_of
    monkeypatch.setattr(cluster, "place_of", lambda path: ("another machine", *own(path)[1:]))
    assert made("away", "ray") == here
    assert sorted(p.name for p in tmp_path.iterdir()) == ["away", "data", "here", "processes", "ray"]


def test_a_forecast_in_shards_has_the_same_file_wherever_shards_are_forecast(
    prep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nodes share no disk: then the table of the past, which no forecast reads, does not travel."""
    data = write_folder(tmp_path / "data", make_tables())
    tabcli.train(prep, tmp_path / "run", overrides=["train.epochs=1", "calibration.windows=0"])
    sent: list[object] = []
    send = cluster._send

    def forecast(name: str, on: Engine) -> bytes:
        tabcli.predict(tmp_path / "run", data, tmp_path / name, shards=3, on=on, columns=["shop", "day"])
        return (tmp_path / name).read_bytes()

    here = forecast("here.csv", "here")
    assert len(here.splitlines()) > 100
    assert forecast("processes.csv", "processes") == here
    assert forecast("ray.csv", "ray") == here
    own = cluster.place_of
    monkeypatch.setattr(cluster, "place_of", lambda path: ("another machine", *own(path)[1:]))
    monkeypatch.setattr(
        cluster, "_send", lambda ray, read: (sent.append(sorted(cluster.read_tree(read))), send(ray, read))[1]
    )
    assert forecast("away.csv", "ray") == here
    assert ["shops.csv"] in sent
    assert not any("past.csv" in names for names in sent)  # type: ignore[operator]


def ray_workers() -> list[int]:
    """The processes of Ray that train a network now."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and b"ray::perform_there" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_a_killed_worker_s_network_is_trained_again_to_the_same_bytes(prep: Path, tmp_path: Path) -> None:
    longer = [*FAST, "train.epochs=20", "train.members=1"]
    killed: list[int] = []

    def kill_the_first() -> None:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            for pid in ray_workers():
                time.sleep(0.3)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.02)

    thread = threading.Thread(target=kill_the_first)
    thread.start()
    there = tabcli.train(prep, tmp_path / "there", overrides=longer, on="ray")
    thread.join()
    assert killed
    assert weights(there) == weights(tabcli.train(prep, tmp_path / "here", overrides=longer, on="here"))


def run_there(prep: Path, tmp_path: Path, epochs: object, overrides: list[str]) -> None:
    settings = load(CONFIG, overrides)
    tasks = [MemberSpec("member-0", 0, 0, 1, 1), MemberSpec("member-1", 0, 1, 2, epochs)]  # type: ignore[arg-type]
    train_elsewhere(tasks, 1, TrainingJob(prep, settings, tmp_path, "ray"), Callbacks())


def test_a_network_that_cannot_be_trained_is_named_and_the_others_are_kept(prep: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"1 of 2 networks could not be trained: member-1 \(.*\); the"):
        run_there(prep, tmp_path, "many", FAST)
    assert (tmp_path / "member-0.done.safetensors").exists()


def test_an_error_of_ours_is_raised_as_it_is(prep: Path, tmp_path: Path) -> None:
    with pytest.raises(tabcli.ConfigError, match="training diverged in epoch 1"):
        run_there(prep, tmp_path, 1, [*FAST, "train.lr=1e30"])


def test_a_node_with_other_versions_is_refused(prep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "versions", lambda: {"torch": "1.0"})
    with pytest.raises(UsageError, match=r"the node .* has torch .*, not 1\.0") as raised:
        run_there(prep, tmp_path, 1, FAST)
    assert "same versions on every node" in str(raised.value.hint)


def test_folds_on_a_cluster_have_the_scores_of_folds_here(tmp_path: Path) -> None:
    data, seen = make_tables(), list[str]()
    quick = ["train.epochs=1", "calibration.windows=0"]
    made = {
        on: tabcli.backtest(
            CONFIG,
            data,
            tmp_path / on,
            overrides=quick,
            folds=2,
            peers=["median"],
            on=on,  # type: ignore[arg-type]
            on_fold=lambda name, scores: seen.append(name),
        )
        for on in ("here", "ray")
    }
    here, there = (result.scores.drop(columns=["seconds", "megabytes"]) for result in made.values())
    assert here.equals(there)
    assert seen == [*made["here"].scores["fold"].unique()] * 2, "the newest first"


def test_doctor_shows_the_nodes_and_says_which_versions_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(app, ["doctor", "--on", "ray"])
    assert done.exit_code == 0, done.output
    assert "node " in done.stdout
    assert "2 cores" in done.stdout
    real = cluster.nodes()
    monkeypatch.setattr(cluster, "nodes", lambda: [cluster.Node("a", 2, 3.0, {**real[0].versions, "torch": "1.0"})])
    done = CliRunner().invoke(app, ["doctor", "--on", "ray"])
    assert done.exit_code == 6
    assert "to do  it has torch 1.0; here are " in done.stdout


def test_a_cluster_that_does_not_answer_is_said_at_once(
    prep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself tries for minutes."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"the Ray cluster RAY_ADDRESS=127\.0\.0\.1:9 does not answer: "):
        tabcli.train(prep, tmp_path / "run", overrides=FAST, on="ray")
    assert time.monotonic() - started < cluster.PATIENCE + 5
    done = CliRunner().invoke(app, ["doctor", "--on", "ray"])
    assert done.exit_code == 6
    assert "does not answer" in done.stdout


def test_without_ray_the_extra_is_named(prep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match="--on ray needs Ray") as raised:
        tabcli.train(prep, tmp_path / "run", overrides=FAST, on="ray")
    assert raised.value.hint == "pip install 'tabcli[ray]'"


def test_a_token_that_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setattr(cluster, "nodes", list)
    token = next(f for f in tabcli.doctor("ray").findings if f.name == "token")
    assert "from the head" in token.advice
    (tmp_path / "token").write_text("x")
    assert not next(f for f in tabcli.doctor("ray").findings if f.name == "token").advice
    monkeypatch.delenv("RAY_AUTH_MODE")
    assert "RAY_AUTH_MODE=token" in next(f for f in tabcli.doctor("ray").findings if f.name == "token").advice
