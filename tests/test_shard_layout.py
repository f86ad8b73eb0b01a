"""A prep of several shards on the disk: each is read alone, and what is read is verified."""

from pathlib import Path

import pandas as pd
import pytest

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.errors import BundleError
from tests.conftest import CONFIG, make_tables


@pytest.fixture(scope="module")
def preps() -> list[Prepared]:
    return [tabcli.prep(CONFIG, make_tables(seed)).prepared for seed in (0, 1)]


@pytest.fixture
def prep(preps: list[Prepared], tmp_path: Path) -> Path:
    written = {}
    for shard, prepared in enumerate(preps):
        written |= directories.save_shard(tmp_path, shard, prepared)
    directories.finish_shards(tmp_path, preps[0], written, "a fingerprint", {})
    return tmp_path


def test_each_shard_is_read_alone_with_what_all_share(prep: Path, preps: list[Prepared]) -> None:
    assert directories.n_shards(prep) == 2
    for shard, made in enumerate(preps):
        read = directories.load_prep(prep, shard)
        assert read.tables.keys() == made.tables.keys()
        for name, table in made.tables.items():
            pd.testing.assert_frame_equal(read.tables[name], table, check_exact=True)
        pd.testing.assert_frame_equal(read.fitted.tail, made.fitted.tail, check_exact=True)
        assert read.fitted.groups.fillna("").equals(made.fitted.groups.fillna("").astype("str"))
        assert read.summary == preps[0].summary
        assert read.fitted.preprocessor == preps[0].fitted.preprocessor


def test_a_prep_in_memory_is_one_shard(preps: list[Prepared], tmp_path: Path) -> None:
    directories.save_prep(tmp_path, preps[0], "a fingerprint", {})
    assert directories.n_shards(tmp_path) == 1
    assert not (tmp_path / "shards").exists()
    assert directories.load_prep(tmp_path, 0).summary == directories.load_prep(tmp_path).summary


def test_several_shards_are_never_taken_for_the_whole(prep: Path) -> None:
    with pytest.raises(BundleError, match="a prep of 2 shards") as raised:
        directories.load_prep(prep)
    assert raised.value.hint is not None
    assert "--shards 1" in raised.value.hint
    with pytest.raises(BundleError, match="shard 2 was asked for, but there are 2"):
        directories.load_prep(prep, 2)


def test_the_files_of_other_shards_are_verified_by_their_size(prep: Path) -> None:
    path = prep / "shards" / "00001" / "train.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    directories.load_prep(prep, 0)
    with pytest.raises(BundleError, match="corrupt"):
        directories.load_prep(prep, 1)
    path.write_bytes(content[:-1])
    with pytest.raises(BundleError, match="corrupt"):
        directories.load_prep(prep, 0)
