"""The same results, files and errors here, in processes and on a cluster, whatever is lost meanwhile."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tabcli.engines import cluster
from tabcli.engines.calls import Call, Engine, Some, Watch
from tabcli.engines.objects import load_object
from tabcli.engines.running import run
from tabcli.errors import DataError, ResourceError, UsageError, WorkerError
from tests.conftest import wait_until
from tests.pieces import copy_part, die_once, fail, list_of, process_of

ENGINES: list[Engine] = ["here", "processes", "ray"]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_worker_niceness", "0")
    quiet = {"include_dashboard": False, "configure_logging": False, "log_to_driver": False}
    ray.init(address="local", num_cpus=2, object_store_memory=10**8, **quiet)
    yield
    ray.shutdown()


def calls_of(folder: Path, source: Path) -> list[Call]:
    return [
        Call(
            f"part-{i}",
            copy_part,
            {"part": i},
            {"source": source},
            {"folder": folder / "made" / str(i), "text": folder / f"{i}.txt"},
        )
        for i in range(3)
    ]


@pytest.fixture(params=["file", "directory"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "source" / "lines.txt"
    path.parent.mkdir()
    path.write_text("first\nsecond\nthird\n")
    return path if request.param == "file" else path.parent


def outcome(on: Engine, folder: Path, source: Path) -> tuple[Any, ...]:
    """Results, words, the last share, and every file."""
    said, shares = list[tuple[str, Any]](), list[float]()
    folder.mkdir()
    watch = Watch(
        on_share=lambda done, n: shares.append(done / n), on_said=lambda name, what: said.append((name, what))
    )
    results = run(calls_of(folder, source), on, 2, folder, watch)
    left = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return results, sorted(said, key=str), shares[-1], left


def test_results_words_and_files_are_the_same_on_every_engine(tmp_path: Path, source: Path) -> None:
    here, *others = (outcome(on, tmp_path / on, source) for on in ENGINES)
    assert others == [here, here]
    assert here[0][1] == {"length": 6, "pair": [1, 0.1]}
    assert here[1][2] == ("part-2", {"part": 2})
    assert here[2] == 1
    assert sorted(here[3]) == sorted(f"{i}.txt" for i in range(3)) + [f"made/{i}/deeper/parity.txt" for i in range(3)]


def test_a_node_that_shares_no_disk_gets_the_files_and_sends_what_it_made(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the driver's side every place is said to be elsewhere."""
    here, own = outcome("here", tmp_path / "here", source), cluster.place_of
    monkeypatch.setattr(cluster, "place_of", lambda path: ("another machine", *own(path)[1:]))
    sent: list[Path] = []
    send = cluster._send
    monkeypatch.setattr(cluster, "_send", lambda ray, path: (sent.append(path), send(ray, path))[1])
    assert outcome("ray", tmp_path / "ray", source) == here
    assert sent == [source], "once, for three calls"


def test_of_a_directory_only_the_files_that_a_call_reads_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("00000.rows", "00001.rows", "facts.json"):
        (tmp_path / "parts" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "parts" / name).write_text(name)
    reads = {"folder": Some(tmp_path / "parts", ("00001.*", "facts.json"))}
    call = Call("a", list_of, {}, reads, {"left": tmp_path / "left"})
    (everything,) = run([call], "ray", 1, tmp_path)
    own = cluster.place_of
    monkeypatch.setattr(cluster, "place_of", lambda path: ("another machine", *own(path)[1:]))
    (some,) = run([call], "ray", 1, tmp_path)
    assert (len(everything), some) == (3, ["00001.rows", "facts.json"])
    assert load_object(tmp_path / "left") == {"n": 2}


@pytest.mark.parametrize("on", ENGINES)
@pytest.mark.parametrize(("kind", "error"), [("data", DataError), ("disk", ResourceError)])
def test_an_error_of_ours_keeps_its_kind_message_and_hint(
    tmp_path: Path, on: Engine, kind: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        run([Call("a", fail, {"kind": kind})], on, 1, tmp_path)
    assert kind == "disk" or (caught.value.message, caught.value.hint) == ("row 7 is no date", "mend it")  # type: ignore[attr-defined]


@pytest.mark.parametrize("on", ["processes", "ray"])
def test_another_error_is_a_lost_call_after_the_others(tmp_path: Path, on: Engine) -> None:
    out = tmp_path / "out"
    (tmp_path / "marker").touch()
    good = Call("good", die_once, {"marker": str(tmp_path / "marker")}, {}, {"out": out})
    with pytest.raises(WorkerError, match=r"1 of 2 parts of the work could not be done: bad \(.*"):
        run([Call("bad", fail, {"kind": "other"}), good], on, 1, tmp_path)
    assert out.read_text() == "whole"
    assert on == "ray" or "TypeError: no such thing" in (tmp_path / "bad.log").read_text()
    assert not (tmp_path / "good.log").exists()


def test_a_killed_worker_s_call_is_done_again_on_a_cluster_and_nothing_half_is_left(tmp_path: Path) -> None:
    out, marker = tmp_path / "out", tmp_path / "marker"
    call = Call("a", die_once, {"marker": str(marker)}, {}, {"out": out})
    with pytest.raises(WorkerError, match=r"1 of 1 .*: a \(ended by signal 9\)"):
        run([call], "processes", 1, tmp_path)
    marker.unlink()
    run([call], "ray", 1, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.log", "marker", "out"]


def test_a_process_does_one_call_after_the_other_and_its_words_are_no_answer(tmp_path: Path) -> None:
    pids = run([Call(str(i), process_of, {"n": i}) for i in range(5)], "processes", 1, tmp_path)
    assert len({*pids}) == 1
    assert pids[0] != os.getpid()
    assert not any(tmp_path.iterdir())


def test_processes_end_in_the_midst_of_their_work_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from tabcli.engines.calls import Call
from tabcli.engines.running import run
from tests.pieces import sleep_long
run([Call(str(i), sleep_long, {}, {"started": Path("started")}) for i in range(2)], "processes", 2, Path())
"""
    root = str(Path(__file__).parents[1])
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}) as parent:
        wait_until(lambda: len(list(tmp_path.glob("started.*"))) == 2)
        pids = [int(p.suffix[1:]) for p in tmp_path.glob("started.*")]
        parent.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), seconds=10)


def test_what_was_sent_to_a_node_lies_in_a_folder_that_nobody_else_can_write(tmp_path: Path) -> None:
    own, open_to_all, link = (tmp_path / name for name in ("own", "open", "link"))
    own.mkdir(mode=0o700)
    cluster._require_own(own)
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    link.symlink_to(own)
    for folder in (open_to_all, link):
        with pytest.raises(UsageError, match=f"^{folder}: .* not yours alone"):
            cluster._require_own(folder)
