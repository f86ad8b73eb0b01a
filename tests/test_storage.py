"""Tables, preps, runs and forecasts at URLs: as on this machine; whole or not there; nothing of others removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

import tabcli
from tabcli import storage
from tests.conftest import CONFIG

FAST = ("train.epochs=1", "calibration.windows=0")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory of its own, and nothing in memory:// before and after."""
    MemoryFileSystem.store.clear()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    MemoryFileSystem.store.clear()


def upload(folder: Path, url: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            storage.put(path, f"{url}/{path.relative_to(folder).as_posix()}")


def names(url: str) -> list[str]:
    return list(storage.listing(url))


def of_folder(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# -------------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("s3://bucket/run/", "s3://bucket/run"),
        (Path("s3://bucket/run"), "s3://bucket/run"),
        (Path("S3://bucket") / "run", "s3://bucket/run"),
        (storage.URL("gs://bucket/run"), "gs://bucket/run"),
        (Path("file:///data/x"), "file:///data/x"),
        ("file:///data/x", "file:///data/x"),
        ("data/run", None),
        ("C:/data", None),
        ("C:\\data", None),
        ("/data:/x", None),
        (7, None),
        (None, None),
    ],
)
def test_what_a_url_is(given: object, url: str | None) -> None:
    assert storage.url_of(given) == url


def test_a_url_in_the_place_of_a_path_reads_as_a_url() -> None:
    url = storage.URL("s3://bucket/run")
    assert [str(url), str(url / "a.csv"), str(url.parent), url.name] == [
        "s3://bucket/run",
        "s3://bucket/run/a.csv",
        "s3://bucket",
        "run",
    ]
    assert storage.local_path("file:///data/my%20x") == Path("/data/my x")


# ----------------------------------------------------------------------------------------- the whole job


@pytest.fixture
def data(folder: Path) -> str:
    upload(folder, "memory://shop/data")
    return "memory://shop/data"


def test_prep_train_predict_at_urls_as_on_this_machine(data: str, folder: Path, here: Path) -> None:
    there = tabcli.prep(CONFIG, data, "memory://shop/prep")
    own = tabcli.prep(CONFIG, folder, here / "prep")
    assert str(there.path) == "memory://shop/prep"
    assert names("memory://shop/prep") == of_folder(here / "prep")
    for name in set(of_folder(here / "prep")) - {"manifest.json"}:  # the fingerprint is not of the tables' content
        assert storage.read(f"memory://shop/prep/{name}") == (here / "prep" / name).read_bytes(), name

    run = tabcli.train("memory://shop/prep", "memory://shop/run", overrides=FAST)
    same = tabcli.train(own, here / "run", overrides=FAST)
    assert str(run.path) == "memory://shop/run"
    assert names("memory://shop/run") == of_folder(here / "run")
    got = tabcli.predict("memory://shop/run", data, "memory://shop/out/forecast.csv", totals=["chain"])
    tabcli.predict(same, folder, here / "forecast.csv", totals=["chain"])
    assert names("memory://shop/out") == ["forecast.csv", "forecast.totals.csv"]
    assert storage.read("memory://shop/out/forecast.csv") == (here / "forecast.csv").read_bytes()
    assert [str(got.path), str(got.totals_path)] == [
        "memory://shop/out/forecast.csv",
        "memory://shop/out/forecast.totals.csv",
    ]
    assert not (here / ".tabcli").exists()
    assert not (here / "memory:").exists()
