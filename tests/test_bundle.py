"""Prep and run directories: exact round trips; whatever is damaged or foreign is refused before anything uses it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tabcli
from tabcli import files
from tabcli.artifacts.contents import Run
from tabcli.bundle import directories, manifest
from tabcli.bundle.tensors import load_tensors, save_tensors
from tabcli.errors import BundleError, UsageError
from tests.conftest import CONFIG, make_tables


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundle")
    torch.set_num_threads(1)
    tabcli.prep(CONFIG, make_tables(), root / "prep")
    tabcli.train(root / "prep", root / "run", overrides=["train.epochs=1", "calibration.windows=1"])
    return root


@pytest.fixture
def prep(job: Path, tmp_path: Path) -> Path:
    return shutil.copytree(job / "prep", tmp_path / "prep")


@pytest.fixture
def run(job: Path, tmp_path: Path) -> Path:
    return shutil.copytree(job / "run", tmp_path / "run")


def rewrite_manifest(directory: Path, **changes: Any) -> None:
    path = directory / "manifest.json"
    files.write_json(path, {**files.read_json(path), **changes})


def sign(directory: Path) -> None:
    """The manifest made to fit whatever now lies in the directory, as one with bad intentions would do."""
    listed = files.read_json(directory / "manifest.json")
    (directory / "manifest.json").unlink()
    facts = {k: v for k, v in listed.items() if k not in ("format", "format_version", "fingerprint", "files")}
    manifest.write_manifest(directory, listed["format"], listed["fingerprint"], facts)


def test_a_prep_survives_the_disk_bit_for_bit(job: Path) -> None:
    made = tabcli.prep(CONFIG, make_tables()).prepared
    read = directories.load_prep(job / "prep")
    assert read.tables.keys() == made.tables.keys() == {"train", "valid", "future"}
    for name, table in made.tables.items():
        pd.testing.assert_frame_equal(read.tables[name], table, check_exact=True)
    assert read.summary == made.summary
    assert read.fitted.config == made.fitted.config
    assert read.fitted.contract == made.fitted.contract
    assert read.fitted.preprocessor == made.fitted.preprocessor
    assert read.fitted.target == made.fitted.target
    assert read.fitted.split == made.fitted.split


def test_a_run_survives_the_disk_bit_for_bit(job: Path) -> None:
    made = tabcli.train(job / "prep", overrides=["train.epochs=1", "calibration.windows=1"]).run
    read = directories.load_run(job / "run")
    assert read.networks == json.loads(json.dumps(made.networks))
    assert len(read.members) == len(made.members) == 1
    assert read.members[0].keys() == made.members[0].keys()
    for name, values in made.members[0].items():
        np.testing.assert_array_equal(read.members[0][name], values, strict=True)


def listed(directory: Path) -> list[Path]:
    """All files but the cards, which may be written again: see `files.BESIDE`."""
    return sorted(file for file in directory.iterdir() if file.name not in files.BESIDE)


@pytest.mark.parametrize("kind", ["prep", "run"])
def test_any_changed_byte_of_any_file_is_noticed(job: Path, tmp_path: Path, kind: str) -> None:
    for file in listed(job / kind):
        directory = shutil.copytree(job / kind, tmp_path / file.name)
        content = bytearray((directory / file.name).read_bytes())
        content[len(content) // 2] ^= 1
        (directory / file.name).write_bytes(content)
        with pytest.raises(BundleError):
            manifest.verify(directory, kind)


@pytest.mark.parametrize("kind", ["prep", "run"])
def test_any_missing_or_short_file_is_named(job: Path, tmp_path: Path, kind: str) -> None:
    for file in listed(job / kind):
        directory = shutil.copytree(job / kind, tmp_path / file.name)
        (directory / file.name).write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(BundleError, match=file.name):
            manifest.verify(directory, kind)
        (directory / file.name).unlink()
        with pytest.raises(BundleError, match=file.name):
            manifest.verify(directory, kind)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "prep"}, "a prep directory, but a run directory is needed"),
        ({"format_version": 1}, "written in format 1; this tabcli reads format 3"),
        ({"files": None}, "does not list"),
        ({"files": {"model.json": {}}}, "does not list"),
        ({"files": {"../x": {"bytes": 0, "sha256": ""}}}, "'../x', which is not a file inside"),
        ({"files": {"/etc/hostname": {"bytes": 0, "sha256": ""}}}, "which is not a file inside"),
    ],
)
def test_wrong_manifests(run: Path, changes: dict[str, Any], message: str) -> None:
    rewrite_manifest(run, **changes)
    with pytest.raises(BundleError, match=message):
        directories.load_run(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "{}", '{"format": "run", "format_version": 3}'])
def test_manifests_that_are_none(run: Path, text: str) -> None:
    (run / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match="manifest"):
        directories.load_run(run)


def test_a_link_out_of_the_directory_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_bytes((run / "model.json").read_bytes())
    (run / "model.json").unlink()
    (run / "model.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match="not a file inside"):
        directories.load_run(run)


def test_a_table_that_no_manifest_lists_is_not_learned_from(prep: Path) -> None:
    shutil.copy(prep / "valid.parquet", prep / "gap.parquet")
    with pytest.raises(BundleError, match=r"gap.parquet: not in the manifest"):
        tabcli.train(prep, refit=True)


def test_weights_that_no_manifest_lists_are_not_loaded(run: Path) -> None:
    shutil.copy(run / "member-0.safetensors", run / "member-1.safetensors")
    rewrite_manifest(run, members=2)
    with pytest.raises(BundleError, match=r"member-1.safetensors: not in the manifest"):
        directories.load_run(run)


def test_training_leaves_a_foreign_folder_beside_its_own_alone(prep: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "new.partial"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"new.partial exists already and holds no unfinished work"):
        tabcli.train(prep, tmp_path / "new", force=True)
    assert (foreign / "thesis.txt").read_text() == "years of work"


def test_force_keeps_a_folder_that_merely_has_a_manifest(job: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "manifest.json").write_text("{}")
    (app / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="was not written by tabcli"):
        tabcli.prep(CONFIG, make_tables(), app, force=True)
    with pytest.raises(UsageError, match="was not written by tabcli"):
        tabcli.train(job / "prep", app, force=True)
    assert sorted(p.name for p in app.iterdir()) == ["manifest.json", "thesis.txt"]


def edit_json(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def edit(directory: Path) -> None:
        files.write_json(directory / file, change(files.read_json(directory / file)))

    return edit


DAMAGES: dict[str, Callable[[Path], None]] = {
    "state without stages": edit_json("state.json", lambda s: {"target": s["target"], "dates": {}}),
    "state of another kind": edit_json("state.json", lambda s: []),
    "config with an unknown key": edit_json("config.json", lambda s: {**s, "sead": 1}),
    "contract empty": edit_json("contract.json", lambda s: {}),
    "model of another kind": edit_json("model.json", lambda s: 3),
    "no weights": lambda d: (d / "member-0.safetensors").write_bytes(b"") and None,
    "members uncounted": lambda d: rewrite_manifest(d, members="many"),
    "history not JSON": lambda d: (d / "metrics.jsonl").write_text("epoch 1\n") and None,
    "series no table": lambda d: (d / "series.parquet").write_bytes(b"PAR1") and None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_content_that_makes_no_sense_is_refused_even_when_the_hashes_fit(run: Path, damage: str) -> None:
    DAMAGES[damage](run)
    sign(run)
    with pytest.raises(BundleError, match="cannot be read"):
        directories.load_run(run)


def test_a_run_whose_config_holds_a_key_that_has_gone_still_forecasts(run: Path) -> None:
    before = tabcli.predict(run, make_tables()).table
    edit_json("config.json", lambda s: {**s, "train": {**s["train"], "date_effect": 0.0}})(run)
    sign(run)
    pd.testing.assert_frame_equal(tabcli.predict(run, make_tables()).table, before)


def changed_run(run: Path, change: Callable[[Run], Run]) -> Path:
    bundle_run = change(directories.load_run(run))
    shutil.rmtree(run)
    run.mkdir()
    directories.save_run(run, bundle_run, "f", {})
    return run


def test_weights_that_are_no_numbers_are_refused(run: Path) -> None:
    def spoil(made: Run) -> Run:
        weights = {k: v.copy() for k, v in made.members[0].items()}
        weights["head.weight"][0, 0] = np.nan
        return replace(made, members=[weights])

    with pytest.raises(BundleError, match="not finite"):
        directories.load_run(changed_run(run, spoil))


def test_weights_of_another_network_are_refused(run: Path) -> None:
    changed_run(run, lambda made: replace(made, networks=[{**made.networks[0], "layers": [4, 2]}]))
    with pytest.raises(BundleError, match="do not fit the network"):
        tabcli.predict(run, make_tables())


def test_codes_outside_the_vocabulary_are_refused(prep: Path) -> None:
    table = pd.read_parquet(prep / "train.parquet")
    table.loc[3, "kind"] = 99
    table.to_parquet(prep / "train.parquet", index=False)
    sign(prep)
    with pytest.raises(BundleError, match="outside the learned levels"):
        tabcli.train(prep)


def test_a_prep_without_a_column_is_refused(prep: Path) -> None:
    pd.read_parquet(prep / "valid.parquet").drop(columns=["size"]).to_parquet(prep / "valid.parquet", index=False)
    sign(prep)
    with pytest.raises(BundleError, match="lacks the columns size"):
        tabcli.train(prep)


def test_a_checkpoint_survives_the_disk_and_damage_is_noticed(tmp_path: Path) -> None:
    tensors = {"a/b": np.arange(6, dtype="float32").reshape(2, 3).T, "n": np.array(3)}
    path = tmp_path / "member-0.safetensors"
    save_tensors(path, tensors, {"epoch": 2, "loss": 0.1})
    read, facts = load_tensors(path)
    assert facts == {"epoch": 2, "loss": 0.1}
    assert read.keys() == tensors.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(read[name], values, strict=True)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(BundleError, match="cannot be read"):
        load_tensors(path)


def test_what_a_run_and_a_prep_found_survives_json(config: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
    """Typed facts → the keys that readers of the files know → the same facts."""
    from tabcli.artifacts.records import EpochRecord, TrainMetrics
    from tabcli.artifacts.summary import PrepSummary

    def through_json(value: object) -> Any:
        return json.loads(json.dumps(value, allow_nan=False))

    prep = tabcli.prep(config, tables, overrides=["validation.gap=2d"])
    run = tabcli.train(prep, overrides=["train.epochs=1", "train.members=2"])
    summary, metrics = through_json(prep.summary.to_state()), through_json(run.metrics.to_state())
    assert PrepSummary.from_state(summary) == prep.summary
    assert summary["baseline"]["name"] == prep.summary.baseline.name
    assert summary["baseline"]["valid_rmspe"] == min(summary["baseline"]["all"].values())
    assert TrainMetrics.from_state(metrics) == run.metrics
    assert metrics["valid_rmspe"] == run.metrics.score
    records = [through_json(record.to_state()) for record in run.epochs]
    assert [EpochRecord.from_state(record) for record in records] == run.epochs
    assert {r["network"] for r in records} >= {"member-0", "member-1"}
    assert set(records[0]) >= {"epoch", "lr", "train_loss", "valid_loss", "valid_rmspe", "by", "seconds"}
