"""Training on more than memory: what is streamed from shards is what a shard's own dataset draws, mixed over shards."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.engines.calls import order_of, perform
from tabcli.errors import BundleError, ResourceError, UsageError
from tabcli.training import row_files, streamed
from tabcli.training.dataset import BLOCK_ROWS, Batch, Dataset, epoch_seed, n_batches
from tabcli.training.inputs import history_of, make_inputs
from tabcli.training.row_files import Layout, mixed, write_rows
from tabcli.training.scales import Moments, Scales
from tabcli.training.shards import ShardRows, Shards
from tabcli.training.streamed import Drawer, Streamed, fed
from tests.conftest import examples, make_tables, write_folder
from tests.cut import cut, save_shards
from tests.test_importance import with_history

N = 3
CHANGES = {"calibration": {"windows": 1}, "train": {"epochs": 2, "batch_size": 64, "lr": 0.01}}


@pytest.fixture(scope="module")
def whole() -> Prepared:
    return tabcli.prep(with_history(**CHANGES), make_tables(0)).prepared


@pytest.fixture(scope="module")
def prep(whole: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_shards(tmp_path_factory.mktemp("shards") / "prep", cut(whole, N))


@pytest.fixture
def source(prep: Path, whole: Prepared, tmp_path: Path) -> ShardRows:
    return ShardRows(Shards(prep, N, tmp_path, beside=False), whole.fitted.config, 0, 0)


def streamed_rows(source: ShardRows) -> Streamed:
    scales = source.scales()
    prepared = source.shards.load(0)
    made = make_inputs(prepared, source.own, source.rows, source.shards.history(prepared, source.own), scales)
    return Streamed(source, source.layout(made.spec), scales.n_rows, scales.y.n)


def records(batches: Any) -> Counter[bytes]:
    """How often each row occurs."""
    found: Counter[bytes] = Counter()
    for x_cat, x_cont, base, y, _ in batches:
        table = np.concatenate([x_cat.numpy(), x_cont.numpy(), base.numpy()[:, None], y.numpy()[:, None]], axis=1)
        found.update(row.tobytes() for row in table.astype("float64"))
    return found


# ---------------------------------------------------------------------------------------------- files


@examples(30)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 30), st.integers(1, 20), st.integers(0, 9))
def test_batches_of_files_are_full_and_each_row_is_in_one(
    sizes: list[int], batch_size: int, chunk: int, epoch: int
) -> None:
    """But for the rows of the incomplete last batch, as of a dataset; ranks share batches among them."""
    import tempfile

    layout, total, at = Layout((300, 2, 70_000), 2, bounds=True), sum(sizes), 0
    numbers = torch.arange(total)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_files, "CHUNK_ROWS", chunk)
        paths = [Path(folder) / f"{k}.rows" for k in range(len(sizes))]
        for path, size in zip(paths, sizes, strict=True):
            own = numbers[at : at + size].float()
            codes = torch.stack([own % 300, own % 2, own + 69_000], dim=1).int()
            write_rows(path, layout, [Batch(codes, torch.stack([own, -own], dim=1), own + 1, own + 2, own % 3 == 0)])
            at += size
        made = list(mixed(paths, layout, batch_size, epoch)) if total else []
        of_ranks = [list(mixed(paths, layout, batch_size, epoch, rank, 2)) for rank in (0, 1)]
        of_both = list(mixed(paths, layout, 2 * batch_size, epoch))
    y = torch.cat([b.y for b in made]) - 2 if made else torch.empty(0)
    assert [len(b.y) for b in made] == ([min(batch_size, total)] * n_batches(total, batch_size) if total else [])
    assert len(set(y.tolist())) == len(y)
    assert set(y.tolist()) <= set(numbers.tolist())
    for both, *ranks in zip(of_both, *of_ranks, strict=total > 1):
        y, n = torch.cat([batch.y for batch in ranks]), min(batch_size, total // 2)
        assert [len(batch.y) for batch in ranks] == [n, n]
        assert torch.equal(y, both.y[: 2 * n])
    for batch in made:
        own = batch.y - 2
        assert batch.bound is not None
        assert torch.equal(batch.x_cat, torch.stack([own % 300, own % 2, own + 69_000], dim=1).int())
        assert torch.equal(batch.x_cont, torch.stack([own, -own], dim=1))
        assert torch.equal(batch.base, own + 1)
        assert torch.equal(batch.bound, own % 3 == 0)


def test_every_batch_has_rows_of_every_file_as_often_as_chance_has_it(tmp_path: Path) -> None:
    layout, sizes = Layout((5,), 0, bounds=False), [9000, 10_000, 11_000, 10_500]
    paths = [tmp_path / f"{k}.rows" for k in range(len(sizes))]
    for k, (path, n) in enumerate(zip(paths, sizes, strict=True)):
        codes = torch.full((n, 1), k, dtype=torch.int32)
        write_rows(path, layout, [Batch(codes, torch.empty(n, 0), torch.zeros(n), torch.zeros(n))])
    assert {path.stat().st_size for path in paths} == {9 * n for n in sizes}  # a code is one byte
    share = np.stack([np.bincount(b.x_cat[:, 0], minlength=4) / 500 for b in mixed(paths, layout, 500, 1)])
    expected = np.array(sizes) / sum(sizes)
    assert len(share) == sum(sizes) // 500
    assert np.abs(share - expected).max() < 5 * 0.5 / 500**0.5
    assert np.abs(share[-5:].mean(0) - expected).max() < 0.05  # no file is left alone at the end


# --------------------------------------------------------------------------------------------- scales


def test_scales_of_parts_are_those_of_all_rows() -> None:
    values = np.random.default_rng(0).normal(8, 1, (900, 3)).astype("float32")
    values[:, 2] = 4.0  # of one value alone in each part and in all
    values[::7, 0] = np.nan
    y = values[:, 1]
    cuts = [slice(0, 300), slice(300, 300), slice(300, 301), slice(301, 900)]
    parts = [Scales.of(len(y[c]), y[c], values[c]) for c in cuts]
    made, whole = Scales.merged(parts), Scales.of(len(y), y, values)
    assert (made.n_rows, made.most) == (whole.n_rows, whole.most)
    assert made.learned == pytest.approx(whole.learned, rel=1e-6)
    assert made.columns is not None
    assert whole.columns is not None
    for one, other in zip(made.columns.scale(), whole.columns.scale(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert Scales.merged(parts[:1]) is not parts[0]
    assert Scales.merged(parts[:1]).learned == parts[0].learned
    again = Scales.from_arrays(made.to_arrays())
    assert again.learned == made.learned
    assert again.columns is not None
    assert again.columns.scale()[1].tolist() == made.columns.scale()[1].tolist()


def test_the_mean_of_no_values_is_no_error() -> None:
    assert Moments.of(np.empty((0, 2), dtype="float32")).scale()[1].tolist() == [1, 1]


# ------------------------------------------------------------------------------------------- an epoch


def test_an_epoch_has_the_rows_that_the_shards_own_datasets_draw(source: ShardRows, whole: Prepared) -> None:
    """Each with the history that it has among all series, standardised by the rows of all shards."""
    rows = streamed_rows(source)
    history = history_of(whole)
    memory = make_inputs(whole, whole.fitted.config, 0, history)
    assert len(rows) == len(memory.train)
    assert isinstance(memory.train, Dataset)
    assert memory.train.drawn is not None
    expected: Counter[bytes] = Counter()
    for shard in range(N):
        prepared = source.shards.load(shard)
        own = make_inputs(prepared, source.own, 0, source.shards.history(prepared, source.own), source.scales())
        assert isinstance(own.train, Dataset)
        seed = epoch_seed(epoch_seed(5, 1), shard)
        order = torch.randperm(len(own.train), generator=torch.Generator().manual_seed(seed))
        expected += records(own.train.drawn_rows(order, seed, BLOCK_ROWS))
    made = records(rows.batches(64, 5, 1))
    assert sum(made.values()) == len(rows) // 64 * 64
    assert made <= expected
    assert records(rows.batches(64, 5, 2)) != made
    assert not list(source.shards.work.glob("*.rows"))  # removed behind the epoch


def test_the_history_of_a_shard_is_that_of_its_series_among_all(source: ShardRows, whole: Prepared) -> None:
    of_all = history_of(whole)
    assert of_all is not None
    for shard in range(N):
        own = source.shards.history(source.shards.load(shard), source.own)
        assert own is not None
        at = [*range(shard, len(whole.fitted.calendar.series), N), -1]
        for name in ("levels", "asof", "effects"):
            assert getattr(own, name).tobytes() == getattr(of_all, name)[at].tobytes()


def test_an_epoch_is_the_same_whoever_draws_it_and_when(source: ShardRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, or by a process beside the training that is killed in between."""
    rows = streamed_rows(source)
    here = [[b.x_cont.numpy().tobytes() for b in rows.batches(64, 5, epoch)] for epoch in (1, 2, 3)]
    beside = ShardRows(Shards(source.shards.prep, N, source.shards.work), source.settings, source.rows, source.variant)
    with fed(Streamed(beside, rows.layout, rows.n_rows, rows.n_exact), 5, 3) as other:
        assert isinstance(other, Streamed)
        assert other.drawer is not None
        found = []
        for epoch in (1, 2, 3):
            found.append([b.x_cont.numpy().tobytes() for b in other.batches(64, 5, epoch)])
            if epoch == 1:
                assert other.drawer.worker is not None
                other.drawer.worker.process.kill()
        assert other.drawer.tries == 2
        worker = other.drawer.worker
    assert found == here
    assert worker is not None
    assert worker.process.poll() is not None
    assert not list(source.shards.work.glob("*.rows"))


def test_what_the_drawer_cannot_do_is_said_as_it_is(
    source: ShardRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(source.shards.prep, spoilt)
    path = spoilt / "shards" / "00001" / "train.parquet"
    rows = streamed_rows(source)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    beside = ShardRows(Shards(spoilt, N, source.shards.work), source.settings, 0, 0)
    monkeypatch.setattr(Drawer, "_answer", lambda self, call: perform(order_of(call), lambda message: None))
    with (
        fed(Streamed(beside, rows.layout, rows.n_rows, rows.n_exact), 5, 3) as other,
        pytest.raises(BundleError, match=r"00001/train\.parquet: corrupt"),
    ):
        list(other.batches(64, 5, 1))


def test_a_disk_without_room_is_refused_before_anything_is_drawn(
    source: ShardRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = streamed_rows(source)
    usage = shutil.disk_usage(source.shards.work)._replace(free=1000)
    monkeypatch.setattr(streamed.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ResourceError, match=r"two epochs take .* GB, but 0\.0 GB are free"), fed(rows, 5, 3):
        pass


# ---------------------------------------------------------------------------------------------- train


def files_of(run: Path) -> dict[str, bytes]:
    """The weights, scores and what each shard has; seconds differ from run to run."""
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("seconds")
    kept = {p.relative_to(run).as_posix(): p.read_bytes() for p in run.rglob("*") if p.suffix in (".safetensors",)}
    return {**kept, "metrics": json.dumps(metrics).encode(), "past": (run / "past.parquet").read_bytes()}


@pytest.fixture(scope="module")
def run(prep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run"
    made = tabcli.train(prep, path, on="here", refit=True, overrides=["forecast.floor=auto"])
    assert made.metrics.shards == N
    return path


def test_a_run_of_several_shards_has_what_a_forecast_of_each_ones_series_needs(
    run: Path, prep: Path, whole: Prepared
) -> None:
    assert directories.n_shards(run) == N
    loaded = [directories.load_run(run, k) for k in range(N)]
    of_all = history_of(whole)
    assert of_all is not None
    snapshot = of_all.snapshot(of_all.n_steps)
    for k, one in enumerate(loaded):
        shard = directories.load_prep(prep, k)
        assert one.fitted.calendar.series.equals(shard.fitted.calendar.series)
        assert one.snapshot is not None
        at = [*range(k, len(whole.fitted.calendar.series), N), -1]
        for name in ("levels", "asof", "effects", "lifts"):
            assert one.snapshot.arrays[name].tobytes() == np.ascontiguousarray(snapshot.arrays[name][at]).tobytes()
        assert one.members[0].keys() == loaded[0].members[0].keys()
        assert one.floor.share == loaded[0].floor.share
        assert {*one.floor.models} == {*loaded[0].floor.models}


def test_past_rows_of_the_first_shard_are_of_no_series_of_another(run: Path) -> None:
    first, second = (directories.load_run(run, k) for k in (0, 1))
    assert first.past is not None
    assert second.past is not None
    assert first.past["series"].max() < len(first.fitted.calendar.series)
    assert second.past["series"].min() >= len(second.fitted.calendar.series)
    assert first.past.drop(columns="series").equals(second.past.drop(columns="series"))


def test_scores_are_of_the_first_shard_and_say_so(run: Path, prep: Path, whole: Prepared) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["shards"] == N
    assert metrics["valid_rows"] == len(directories.load_prep(prep, 0).tables["valid"]) < len(whole.tables["valid"])
    past = history_of(whole)
    assert metrics["train_rows"] == len(make_inputs(whole, whole.fitted.config, "refit", past).train)


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(run: Path, prep: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(record: Any) -> None:
        if record.epoch == 2:
            raise Killed

    again, callbacks = tmp_path / "run", tabcli.Callbacks(on_epoch=kill)
    with pytest.raises(Killed):
        tabcli.train(prep, again, on="here", refit=True, overrides=["forecast.floor=auto"], callbacks=callbacks)
    (again.with_suffix(".partial") / "epoch-0-0-7-00001-00002.rows").write_bytes(b"an old epoch's")
    tabcli.train(prep, again, on="here", refit=True, overrides=["forecast.floor=auto"], resume=True)
    assert files_of(again) == files_of(run)
    assert not again.with_suffix(".partial").exists()


def test_a_prep_of_several_shards_needs_a_place_to_work(prep: Path) -> None:
    with pytest.raises(UsageError, match="trained on the disk"):
        tabcli.train(prep)


def test_what_needs_a_run_in_one_piece_says_so(run: Path) -> None:
    with pytest.raises(BundleError, match=f"a run of {N} shards"):
        directories.load_run(run)


def test_prep_train_and_predict_of_shards_of_which_one_is_empty(tmp_path: Path) -> None:
    """By the hash of their keys no series of these goes to the first of three shards."""
    changes = {"calibration": {"windows": 0}, "train": {"epochs": 1}}
    data = write_folder(tmp_path / "data", make_tables(0))
    tabcli.prep(with_history(**changes), data, tmp_path / "prep", shards=N, on="here")
    assert directories.load_prep(tmp_path / "prep", 0).tables["train"].empty
    assert directories.judging_shard(tmp_path / "prep") == 1
    made = tabcli.train(tmp_path / "prep", tmp_path / "run", on="here")
    assert (made.metrics.shards, made.metrics.judge) == (N, 1)
    assert directories.judging_shard(tmp_path / "run") == 1
    assert tabcli.inspect(tmp_path / "run").facts["series"] == 6
    forecast = tabcli.predict(tmp_path / "run", data, on="here").table
    assert len(forecast) == len(make_tables(0)["future"])
    assert forecast["units"].notna().all()


def test_the_card_and_inspect_say_what_they_look_at(run: Path, prep: Path, whole: Prepared) -> None:
    n = len(whole.fitted.calendar.series)
    text = (run / "MODEL_CARD.md").read_text()
    assert f"of {n:,} series" in text
    assert f"rows of 2 of the {n} series: one of {N} shards, a random sample" in text
    assert tabcli.card(run, write=False).model_card == text
    assert tabcli.inspect(run).facts["series"] == n
    assert tabcli.inspect(prep).facts["shown"] == f"one of {N} shards"
