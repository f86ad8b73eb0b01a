"""`--nproc`: several processes train one network, to the same weights on each and the same bytes each time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import tabcli
from tabcli.cli.app import app
from tabcli.config.learning import Train
from tabcli.engines import processes
from tabcli.errors import ConfigError, UsageError, WorkerError
from tabcli.training import ranks
from tabcli.training.group import rows_of_rank
from tabcli.training.loop import Callbacks
from tests.conftest import CONFIG, make_tables
from tests.joined_ranks import rows_of_all
from tests.test_training import TRAIN, make_settings, make_spec, run

FAST = ["train.epochs=3", "train.batch_size=256", "calibration.windows=0", "train.members=2"]

Found = list[dict[str, Any]]


# ----------------------------------------------------------------------------------------- the ranks


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Found]:
    """What the ranks of a group of two, and of one of one, have at their end; all run at the same time."""
    folder = tmp_path_factory.mktemp("joined")
    words = [sys.executable, "-m", "tests.joined_ranks"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    outs = {(rank, size): folder / f"{rank}-of-{size}.npz" for size in (1, 2) for rank in range(size)}
    processes = [
        subprocess.Popen([*words, str(rank), str(size), str(folder / f"store-{size}"), str(out)], env=env)
        for (rank, size), out in outs.items()
    ]
    assert [p.wait(timeout=120) for p in processes] == [0, 0, 0]
    return {size: [dict(np.load(outs[rank, size])) for rank in range(size)] for size in (1, 2)}


def test_the_gradient_of_two_ranks_is_that_of_one_over_both_their_rows(found: dict[int, Found]) -> None:
    one, two = found[2]
    assert np.array_equal(one["gradient/joint"], two["gradient/joint"])
    np.testing.assert_allclose(one["gradient/joint"], one["gradient/alone"], rtol=0, atol=1e-6)
    assert np.abs(one["gradient/alone"]).max() > 1e-2


def test_where_nothing_is_drawn_two_ranks_learn_what_one_does(found: dict[int, Found]) -> None:
    outputs = [found[2][0]["outputs/joint"], found[2][0]["outputs/alone"]]
    assert not np.array_equal(*outputs), "sums in another order"
    np.testing.assert_allclose(*outputs, atol=0.01)
    assert outputs[1].std() > 0.5


def test_after_an_epoch_all_ranks_have_the_same_weights_and_running_statistics(found: dict[int, Found]) -> None:
    one, two = found[2]
    names = [name for name in one if name.startswith(("model/", "average/"))]
    assert any(name.endswith("running_var") for name in names)
    for name in names:
        assert one[name].tobytes() == two[name].tobytes(), name
    alone = found[1][0]
    assert any(one[name].tobytes() != alone[name].tobytes() for name in names), "half of the rows for each"


def test_the_first_rank_alone_scores_and_all_end_with_it(found: dict[int, Found]) -> None:
    for one in (found[2][0], found[2][1]):
        assert one["best"] == 2
    assert list(found[2][0]["told"]) == [1, 2, 3]
    assert list(found[2][1]["told"]) == []
    for name in (n for n in found[2][0] if n.startswith("fit/")):
        assert found[2][0][name].tobytes() == found[2][1][name].tobytes()


def test_a_group_of_one_rank_gives_the_bits_of_a_process_alone(found: dict[int, Found]) -> None:
    own = found[1][0]
    scores = iter([3.0, 1.0, 2.0, 2.0])
    alone = run(
        {"epochs": 4, "patience": 1, "mixup": 0.4},
        make_spec(dropout=0.1),
        score=lambda outputs: {"valid_rmspe": next(scores)},
    )
    assert {k: v.tobytes() for k, v in alone.weights.items()} == {
        k.removeprefix("fit/"): v.tobytes() for k, v in own.items() if k.startswith("fit/")
    }


def test_ranks_share_the_rows_of_the_batches_that_one_process_has() -> None:
    alone = list(TRAIN.batches(256, 3, 1))
    shares = rows_of_all(TRAIN, 128, 2)
    assert [len(share) for share in shares] == [len(alone)] * 2
    for batch, *parts in zip(alone, *shares, strict=True):
        assert torch.equal(batch.y, torch.cat(parts))


def test_of_fewer_rows_than_a_batch_each_rank_gets_as_many() -> None:
    shares = rows_of_all(TRAIN, 1500, 3)
    assert [[len(y) for y in share] for share in shares] == [[666]] * 3


@pytest.mark.parametrize(("batch", "size", "rows"), [(1024, 2, 512), (1000, 3, 334), (1024, 16, 128), (100, 2, 100)])
def test_a_rank_gets_its_part_of_a_batch_but_few_rows_are_not_shared(batch: int, size: int, rows: int) -> None:
    assert rows_of_rank(batch, size) == rows
    told = ranks.describe_ranks(size, Train(batch_size=batch), n_cores=2)
    assert f"{size} processes" in told
    assert f"each with {rows:,} rows of a batch" in told
    assert ("which makes batches of" in told) == (rows * size != batch)
    assert ("wait for each other" in told) == (size > 2)
    assert "train.threads is not used" in told


# ---------------------------------------------------------------------------------------- train --nproc


@pytest.fixture(scope="module")
def prep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranks") / "prep"
    tabcli.prep(CONFIG, data=make_tables(), out=path)
    return path


@pytest.fixture(scope="module")
def undisturbed(prep: Path, tmp_path_factory: pytest.TempPathFactory) -> tabcli.TrainResult:
    return tabcli.train(prep, tmp_path_factory.mktemp("undisturbed") / "run", overrides=FAST, nproc=2)


def weights(result: tabcli.TrainResult) -> list[dict[str, bytes]]:
    return [{k: v.tobytes() for k, v in member.items()} for member in result.run.members]


def rank_processes() -> list[int]:
    """The ranks that this process has started, in their order."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return sorted(int(c) for c in listed if b"tabcli.engines.worker" in Path(f"/proc/{c}/cmdline").read_bytes())


def test_a_run_says_how_many_ranks_trained_it_and_nothing_is_left_behind(
    prep: Path, tmp_path: Path, undisturbed: tabcli.TrainResult
) -> None:
    alone = tabcli.train(prep, tmp_path / "alone", overrides=FAST)
    assert weights(alone) != weights(undisturbed)
    assert undisturbed.path is not None
    assert [p.name for p in undisturbed.path.parent.iterdir()] == ["run"]
    facts = json.loads((undisturbed.path / "manifest.json").read_text())
    assert facts["nproc"] == 2
    assert "nproc" not in json.loads((tmp_path / "alone" / "manifest.json").read_text())


def test_a_killed_rank_changes_no_byte_and_no_epoch_is_told_twice(
    prep: Path, tmp_path: Path, undisturbed: tabcli.TrainResult
) -> None:
    told: list[tuple[str, int]] = []
    models: list[str] = []

    def on_epoch(record: Any) -> None:
        told.append((record.network, record.epoch))
        if told[-1] == ("member-0", 2):
            os.kill(rank_processes()[0], signal.SIGKILL)

    callbacks = Callbacks(on_epoch=on_epoch, on_model=models.append)
    result = tabcli.train(prep, tmp_path / "run", overrides=FAST, nproc=2, callbacks=callbacks)
    assert weights(result) == weights(undisturbed)
    assert told == [(f"member-{m}", e) for m in (0, 1) for e in range(1, 4)]
    assert "2 processes train each network together" in models[0]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_interrupted_training_goes_on_to_the_same_bytes_with_as_many_ranks(
    prep: Path, tmp_path: Path, undisturbed: tabcli.TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(record: Any) -> None:
        if (record.network, record.epoch) == ("member-1", 1):
            os.kill(rank_processes()[1], signal.SIGKILL)

    monkeypatch.setattr(ranks, "RESTARTS", 0)
    with pytest.raises(WorkerError, match=r"ranks died 1 times, the last time rank-1 \(ended by signal 9"):
        tabcli.train(prep, tmp_path / "run", overrides=FAST, nproc=2, callbacks=Callbacks(on_epoch=stop))
    assert not rank_processes()
    assert (tmp_path / "run.partial" / "member-0.done.safetensors").exists()
    with pytest.raises(UsageError, match="--nproc"):
        tabcli.train(prep, tmp_path / "run", overrides=FAST, resume=True)
    again: list[str] = []
    told = Callbacks(on_epoch=lambda record: again.append(record.network))
    result = tabcli.train(prep, tmp_path / "run", overrides=FAST, nproc=2, resume=True, callbacks=told)
    assert weights(result) == weights(undisturbed)
    assert set(again) <= {"", "member-1"}, "what is finished is not trained again"


def test_an_error_of_a_rank_keeps_its_type_message_and_hint(prep: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="training diverged in epoch 1") as caught:
        tabcli.train(prep, tmp_path / "run", overrides=[*FAST, "train.lr=1e30"], nproc=2)
    assert "lower train.lr" in str(caught.value.hint)


def test_ranks_that_die_again_and_again_are_told_with_the_reason(
    prep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "WORKER", "tabcli.no_such_module")
    with pytest.raises(WorkerError, match=r"ranks died 4 times, the last time rank-. \(exit code 1: .*no_such_module"):
        tabcli.train(prep, tmp_path / "run", overrides=FAST, nproc=2)


# ------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nproc", "0"], "--nproc 0: expected 1 process or more"),
        (["--nproc", "2", "--on", "ray"], "--nproc 2 and --on ray do not go together"),
        (["--nproc", "2", "--on", "here"], "--nproc 2 and --on here do not go together"),
        (["--nproc", "2", "-S", "train.device=cuda"], "needs a CUDA device for each, torch sees 0 here"),
    ],
)
def test_what_ranks_cannot_do_is_refused_before_anything_is_written(
    prep: Path, tmp_path: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    done = CliRunner().invoke(app, ["train", "--prep", str(prep), "--out", str(tmp_path / "run"), *words])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert not list(tmp_path.iterdir())


def test_torchrun_is_not_needed_and_without_a_directory_ranks_cannot_meet(
    prep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="nproc=2 needs a run directory"):
        tabcli.train(prep, nproc=2)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="tabcli starts its ranks itself"):
        tabcli.train(prep, tmp_path / "run")


def test_more_ranks_than_rows_are_refused() -> None:
    from tabcli.training.group import Group
    from tabcli.training.loop import Trainer

    with pytest.raises(UsageError, match="--nproc 3000: there are only 2000 rows to learn from"):
        Trainer(make_spec(), make_settings(), TRAIN, 3, Group(0, 3000))
