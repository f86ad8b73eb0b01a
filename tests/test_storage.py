"""Tables, preps, runs and forecasts at URLs: as on this machine; whole or not there; nothing of others removed."""

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import tabcli
from tabcli import files, storage
from tabcli.api.outgoing import Outgoing
from tabcli.bundle.manifest import write_manifest
from tabcli.bundle.transfer import fetch_directory, publish_directory
from tabcli.config import loading
from tabcli.errors import BundleError, DataError, ResourceError, UsageError
from tabcli.pipeline.shards import prepare_shards
from tabcli.tables.staged import StagedTables
from tests.conftest import CONFIG, make_tables, write_folder

FAST = ("train.epochs=2", "calibration.windows=0")
DATA, PREP, RUN = "memory://shop/data", "memory://shop/prep", "memory://shop/run"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory of its own, and nothing in memory:// before and after."""
    MemoryFileSystem.store.clear()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    MemoryFileSystem.store.clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data, prep and run on this machine."""
    root = tmp_path_factory.mktemp("made")
    write_folder(root / "data", make_tables())
    tabcli.train(tabcli.prep(CONFIG, root / "data", root / "prep"), root / "run", overrides=FAST)
    return root


@pytest.fixture
def there(made: Path) -> None:
    """The same at URLs."""
    for name in ("data", "prep", "run"):
        upload(made / name, f"memory://shop/{name}")


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
    assert [str(url), str(url / "a.csv"), str(url.parent)] == [
        "s3://bucket/run",
        "s3://bucket/run/a.csv",
        "s3://bucket",
    ]
    assert storage.local_path("file:///data/my%20x") == Path("/data/my x")


def test_without_a_url_neither_pyarrow_nor_fsspec_is_imported() -> None:
    code = (
        "import sys, tabcli.files, tabcli.storage as s; s.url_of('data'); print({'pyarrow', 'fsspec'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# ----------------------------------------------------------------------------------------- the whole job


def test_prep_train_and_predict_at_urls_give_the_bytes_of_this_machine(made: Path, here: Path) -> None:
    upload(made / "data", DATA)
    prep = tabcli.prep(CONFIG, DATA, PREP)
    assert names(PREP) == of_folder(made / "prep")
    for name in set(names(PREP)) - {"manifest.json"}:  # the fingerprint is not of the tables' content
        assert storage.read(f"{PREP}/{name}") == (made / "prep" / name).read_bytes(), name
    run = tabcli.train(prep, RUN, overrides=FAST)
    assert names(RUN) == of_folder(made / "run")
    got = tabcli.predict(RUN, DATA, "memory://shop/out/forecast.csv", totals=["chain"])
    tabcli.predict(made / "run", made / "data", here / "own" / "forecast.csv", totals=["chain"])
    assert names("memory://shop/out") == of_folder(here / "own") == ["forecast.csv", "forecast.totals.csv"]
    assert storage.read("memory://shop/out/forecast.csv") == (here / "own" / "forecast.csv").read_bytes()
    said = [prep.path, run.path, got.path, got.totals_path]
    assert [*map(str, said)] == [
        PREP,
        RUN,
        "memory://shop/out/forecast.csv",
        "memory://shop/out/forecast.totals.csv",
    ]
    assert of_folder(here) == ["own/forecast.csv", "own/forecast.totals.csv"]  # nothing stays on this machine


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs of what is fetched."""
    urls: list[str] = []
    fetch = storage.fetch
    monkeypatch.setattr(storage, "fetch", lambda url, path: (urls.append(url), fetch(url, path))[1])
    return urls


def test_an_unchanged_prep_is_known_without_reading_the_tables_again(made: Path, fetched: list[str]) -> None:
    upload(made / "data", DATA)
    tabcli.prep(CONFIG, DATA, PREP)
    fetched.clear()
    assert tabcli.prep(CONFIG, DATA, PREP).unchanged
    assert fetched
    assert not [url for url in fetched if url.startswith(DATA)]
    storage.put(made / "data" / "shops.csv", f"{DATA}/shops.csv")  # written anew: the same size, another time
    with pytest.raises(UsageError, match=f"^{PREP} exists already") as raised:
        tabcli.prep(CONFIG, DATA, PREP)
    assert "--force" in str(raised.value.hint)
    fetched.clear()
    assert not tabcli.prep(CONFIG, DATA, PREP, force=True).unchanged
    assert not [url for url in fetched if url.startswith(PREP)]  # what is replaced is not downloaded
    assert names(PREP) == of_folder(made / "prep")


def test_tables_that_are_read_are_fetched_once_and_a_mapping_may_name_urls(made: Path, fetched: list[str]) -> None:
    upload(made / "data", DATA)
    got = tabcli.predict(made / "run", DATA, "forecast.csv").table
    assert sorted(fetched) == [f"{DATA}/{name}" for name in ("ahead.csv", "shops.csv")]
    given = {
        "train": pd.read_csv(made / "data" / "past.csv", dtype={"holiday": str}),
        "future": f"{DATA}/ahead.csv",
        "shops": storage.URL(f"{DATA}/shops"),  # a folder of parts
    }
    storage.put(made / "data" / "shops.csv", f"{DATA}/shops/part-0.csv")
    pd.testing.assert_frame_equal(tabcli.predict(made / "run", given).table, got)


def test_a_folder_of_parts_in_several_shards(
    made: Path, here: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabcli.api.prep.prepare_shards", lambda work, prep, on: prepare_shards(work, prep, "here"))
    past = make_tables()["train"]
    parts = here / "data" / "past"
    shutil.copytree(made / "data", here / "data")
    parts.mkdir()
    past.iloc[:700].to_parquet(parts / "part-0.parquet", index=False)
    past.iloc[700:].to_parquet(parts / "part-1.parquet", index=False)
    (parts / "_SUCCESS").touch()
    upload(here / "data", DATA)
    config = {**CONFIG, "tables": {**CONFIG["tables"], "train": {"file": "past"}}}
    tabcli.prep(config, DATA, PREP, shards=2)
    tabcli.prep(config, here / "data", here / "own", shards=2)
    assert names(PREP) == of_folder(here / "own")
    assert "shards/00001/train.parquet" in names(PREP)
    for name in set(names(PREP)) - {"manifest.json"}:
        assert storage.read(f"{PREP}/{name}") == (here / "own" / name).read_bytes(), name
    fetched.clear()
    assert tabcli.prep(config, DATA, PREP, shards=2).unchanged
    assert tabcli.prep(config, here / "data", here / "own", shards=2).unchanged
    assert not [url for url in fetched if url.startswith(DATA)]
    past.iloc[700:710].to_parquet(parts / "part-2.parquet", index=False)
    with pytest.raises(UsageError, match="exists already"):
        tabcli.prep(config, here / "data", here / "own", shards=2)


def test_a_run_of_several_shards_forecasts_the_same_from_a_folder_a_mapping_and_a_url(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabcli.api.prep.prepare_shards", lambda work, prep, on: prepare_shards(work, prep, "here"))
    data = made / "data"
    tabcli.train(tabcli.prep(CONFIG, data, here / "prep", shards=2), here / "run", overrides=FAST)
    upload(data, DATA)
    mapping = {"train": data / "past.csv", "future": data / "ahead.csv", "shops": data / "shops.csv"}
    for i, given in enumerate((data, mapping, DATA)):
        tabcli.predict(here / "run", given, here / f"{i}.csv", on="here")
    assert (here / "0.csv").read_bytes() == (here / "1.csv").read_bytes() == (here / "2.csv").read_bytes()


def test_how_many_rows_there_may_be_is_known_without_a_download(here: Path, fetched: list[str]) -> None:
    make_tables()["train"].to_parquet(here / "past.parquet", index=False)
    storage.put(here / "past.parquet", f"{DATA}/past.parquet")
    storage.write(f"{DATA}/ahead.csv", b"row,day\n1,2021-01-01\n")
    storage.write(f"{DATA}/shops.parquet", b"no Parquet")
    files_there = {"train": "past.parquet", "future": "ahead.csv", "shops": "shops.parquet"}
    tables = {name: {"file": file} for name, file in files_there.items()}
    staged = StagedTables(DATA, loading.load({**CONFIG, "tables": tables}, ()), here / "read")
    assert staged.most_rows("train") == len(make_tables()["train"])
    assert staged.most_rows("future") >= 2
    assert staged.most_rows("shops") == 0
    assert not fetched


def test_an_interrupted_training_into_a_url_resumes_to_the_same_bytes(made: Path, here: Path) -> None:
    upload(made / "prep", PREP)

    class Stop(Exception):
        pass

    def stop(record: Any) -> None:
        if record.epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        tabcli.train(PREP, RUN, overrides=FAST, callbacks=tabcli.Callbacks(on_epoch=stop))
    assert names(RUN) == []
    assert list((here / ".tabcli" / "memory" / "shop" / "run.partial").glob("*.safetensors"))
    with pytest.raises(UsageError, match=r"\.tabcli/memory/shop/run\.partial holds an interrupted run"):
        tabcli.train(PREP, RUN, overrides=FAST)
    tabcli.train(PREP, RUN, overrides=FAST, resume=True)
    assert storage.read(f"{RUN}/member-0.safetensors") == (made / "run" / "member-0.safetensors").read_bytes()
    assert of_folder(here) == []


@pytest.mark.usefixtures("there")
def test_every_verb_reads_and_writes_urls(made: Path, here: Path) -> None:
    looked_at = {url: tabcli.inspect(url) for url in (RUN, PREP, f"{DATA}/past.csv")}
    assert [(found.path, found.what) for found in looked_at.values()] == [
        *zip(looked_at, ("run", "prep", "table"), strict=True)
    ]
    why = tabcli.explain(RUN, DATA, prep=PREP, repeats=1, out="memory://shop/out/why.svg")
    assert (storage.read(str(why.path)) or b"").startswith(b"<?xml")
    both = tabcli.compare(RUN, made / "run", None, "memory://shop/out/two.html", json="memory://shop/out/two.json")
    assert str(both.path) == "memory://shop/out/two.html"
    assert storage.read("memory://shop/out/two.html") == both.html.encode()
    with pytest.raises(DataError, match="forecast"):
        tabcli.report(RUN, DATA, forecast=f"{DATA}/shops.csv")
    maps = tabcli.embeddings(RUN, "memory://shop/maps")
    assert str(maps.path) == "memory://shop/maps"
    assert "embeddings.json" in names("memory://shop/maps")
    with pytest.raises(UsageError, match=r"^memory://shop/maps exists already"):
        tabcli.embeddings(RUN, "memory://shop/maps")
    assert tabcli.lr_find(PREP, plot="memory://shop/out/lr.png").lrs
    truth = make_tables()["future"].assign(units=50.0)[["row", "units"]]
    tabcli.predict(RUN, DATA, "memory://shop/out/forecast.csv")
    assert tabcli.evaluate("memory://shop/out/forecast.csv", truth, target="units").metrics
    assert len(tabcli.add_datepart(f"{DATA}/past.csv", "day").table)
    assert tabcli.forecaster(RUN, DATA).predict(make_tables()["future"]).counts["rows"]
    assert set(names("memory://shop/out")) >= {"forecast.csv", "lr.png", "two.html", "two.json", "why.svg"}
    assert of_folder(here) == []


@pytest.mark.usefixtures("there")
def test_a_card_is_written_into_a_run_at_a_url(here: Path) -> None:
    (here / "answers.yaml").write_text("name: Sales of our shops\n")
    before = storage.read(f"{RUN}/manifest.json")
    result = tabcli.card(RUN, answers=here / "answers.yaml")
    assert str(result.path) == RUN
    assert b"Sales of our shops" in (storage.read(f"{RUN}/MODEL_CARD.md") or b"")
    assert storage.read(f"{RUN}/manifest.json") == before
    assert tabcli.card(RUN, write=False).given.name == "Sales of our shops"  # the run keeps the answers


# ------------------------------------------------------------------------------ whole, or not to be read


def small(path: Path, text: str, *more: str) -> Path:
    """A directory as tabcli writes it, all files of one text."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for name in ("a.txt", "b.txt", *more):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(f"{text} {name}")
    write_manifest(path, "prep", text, {})
    return path


def content(url: str, to: Path) -> dict[str, bytes] | None:
    """What a reader gets: the whole directory at a URL, or None where it is said that there is none."""
    shutil.rmtree(to, ignore_errors=True)
    try:
        fetch_directory(url, to)
    except BundleError as error:
        return None if "its upload was not finished" in error.message else {}
    return {name: (to / name).read_bytes() for name in of_folder(to)} or None


WRITES = ("put", "write", "remove")


class Broken(Exception):
    pass


def breaks_at(k: int, late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The k-th change of the storage fails, before or after it is done."""
    count = iter(range(1000))

    def breaking(change: Callable[..., None]) -> Callable[..., None]:
        def changed(*args: Any) -> None:
            broken = next(count) == k
            if not broken or late:
                change(*args)
            if broken:
                raise Broken

        return changed

    for name in WRITES:
        monkeypatch.setattr(storage, name, breaking(getattr(storage, name)))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("replacing", [False, True])
def test_an_upload_that_breaks_anywhere_is_old_or_new_or_said_to_be_unfinished(
    here: Path, monkeypatch: pytest.MonkeyPatch, replacing: bool, late: bool
) -> None:
    """One file after the other, so that the k-th change is the same each time."""
    monkeypatch.setattr("tabcli.bundle.transfer.parallel_map", lambda make, items: [make(item) for item in items])
    old, new = small(here / "old", "one", "gone/c.txt"), small(here / "new", "two", "d.txt")
    whole = [{name: (d / name).read_bytes() for name in of_folder(d)} for d in (old, new)]
    seen, k = [], 0
    while True:
        MemoryFileSystem.store.clear()
        before = (old / "manifest.json").read_bytes() if replacing else None
        if replacing:
            publish_directory(old, PREP)
        with monkeypatch.context() as patch:
            breaks_at(k, late, patch)
            try:
                publish_directory(new, PREP, replaces=before)
                break
            except Broken:
                pass
        found = content(PREP, here / "read")
        assert found in (None, *whole), k
        seen.append(found)
        now = storage.read(f"{PREP}/manifest.json")
        publish_directory(new, PREP, replaces=now)  # as the next run does
        assert content(PREP, here / "read") == whole[1], k
        assert names(PREP) == of_folder(new), k
        k += 1
    assert content(PREP, here / "read") == whole[1]
    assert k >= 6
    assert None in seen


def test_the_manifest_is_the_last_that_is_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in WRITES:
        change = getattr(storage, name)
        monkeypatch.setattr(
            storage,
            name,
            lambda *args, change=change, name=name: (
                done.append(f"{name} {str(args[0] if name != 'put' else args[1]).rpartition('/')[2]}"),
                change(*args),
            )[1],
        )
    publish_directory(small(here / "new", "one"), PREP)
    assert done[0] == "write uploading.json"
    assert sorted(done[1:3]) == ["put a.txt", "put b.txt"]
    assert done[3:] == ["put manifest.json", "remove uploading.json"]


@pytest.mark.parametrize("when", [0, 1, 2])
def test_a_directory_that_is_replaced_while_it_is_read_is_read_anew(
    here: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    old, new = small(here / "old", "one", "gone.txt"), small(here / "new", "two")
    publish_directory(old, PREP)
    count, fetch = iter(range(100)), storage.fetch

    def fetching(url: str, path: Path) -> None:
        if next(count) == when:
            publish_directory(new, PREP, replaces=(old / "manifest.json").read_bytes())
        fetch(url, path)

    monkeypatch.setattr(storage, "fetch", fetching)
    monkeypatch.setattr("tabcli.bundle.transfer.parallel_map", lambda make, items: [make(item) for item in items])
    fetch_directory(PREP, here / "read")
    assert {(here / "read" / name).read_text() for name in ("a.txt", "b.txt")} == {"two a.txt", "two b.txt"}
    assert (here / "read" / "manifest.json").read_bytes() == (new / "manifest.json").read_bytes()


def test_two_who_write_at_once_do_not_overwrite_each_other(here: Path) -> None:
    publish_directory(small(here / "a", "one"), PREP)
    with pytest.raises(UsageError, match="was written by another program meanwhile"):
        publish_directory(small(here / "b", "two"), PREP)
    assert (content(PREP, here / "read") or {})["a.txt"] == b"one a.txt"


def test_what_could_not_be_uploaded_is_kept_and_uploaded_by_the_same_command(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "put", no_network)
        with pytest.raises(ResourceError, match="does not answer") as raised:
            tabcli.prep(CONFIG, made / "data", PREP)
    assert "it is kept in .tabcli/memory/shop/prep" in str(raised.value.hint)
    with pytest.raises(BundleError, match=f"^{PREP}: its upload was not finished"):
        tabcli.train(PREP, overrides=FAST)
    again = tabcli.prep(CONFIG, made / "data", PREP)
    assert again.unchanged
    assert names(PREP) == of_folder(made / "prep")
    assert of_folder(here) == []


def no_network(path: Path, url: str) -> None:
    raise ResourceError(f"{url}: the storage does not answer", hint="look at the network")


def test_what_could_not_be_uploaded_does_not_replace_what_another_wrote_since(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "put", no_network)
        with pytest.raises(ResourceError):
            tabcli.prep(CONFIG, made / "data", PREP)
    storage.remove(f"{PREP}/uploading.json")
    upload(made / "prep", PREP)  # by another program: the same prep with another config
    storage.write(f"{PREP}/manifest.json", (made / "prep" / "manifest.json").read_bytes() + b" ")
    other = storage.read(f"{PREP}/manifest.json")
    with pytest.raises(UsageError, match=f"^{PREP} was written by another program meanwhile") as raised:
        tabcli.prep(CONFIG, made / "data", PREP)
    assert ".tabcli/memory/shop/prep" in str(raised.value.hint)
    assert storage.read(f"{PREP}/manifest.json") == other
    tabcli.prep(CONFIG, made / "data", PREP, force=True)
    assert storage.read(f"{PREP}/manifest.json") != other
    assert of_folder(here) == []


def test_what_a_killed_command_had_fetched_is_not_uploaded(made: Path, here: Path) -> None:
    """It lies where what is to be written lies, and may be old, or have empty files."""
    shutil.copytree(made / "prep", here / ".tabcli" / "memory" / "shop" / "prep")
    (here / ".tabcli" / "memory" / "shop" / "prep" / "train.parquet").write_bytes(b"")
    assert not tabcli.prep(CONFIG, made / "data", PREP).unchanged
    assert storage.read(f"{PREP}/train.parquet") == (made / "prep" / "train.parquet").read_bytes()
    assert of_folder(here) == []


def test_two_commands_of_one_folder_do_not_write_to_one_url(made: Path, here: Path) -> None:
    first = Outgoing(PREP, here / ".tabcli" / "memory" / "shop" / "prep", "manifest.json")
    first.begin(contents=True, force=False)
    with pytest.raises(UsageError, match=f"^another command is writing {PREP}"):
        tabcli.prep(CONFIG, made / "data", PREP)
    first.close()
    assert not (here / ".tabcli").exists()


@pytest.mark.parametrize("force", [False, True])
def test_nothing_of_others_is_removed(made: Path, here: Path, force: bool) -> None:
    (here / "thesis.txt").write_text("years of work")
    storage.put(here / "thesis.txt", f"{PREP}/thesis.txt")
    with pytest.raises(UsageError, match=f"^{PREP} exists already and was not written by tabcli"):
        tabcli.prep(CONFIG, made / "data", PREP, force=force)
    upload(made / "prep", PREP)
    said = f"^{PREP} holds 1 files that tabcli did not write there: thesis.txt" if force else f"^{PREP} exists already"
    with pytest.raises(UsageError, match=said):
        tabcli.prep({**CONFIG, "seed": 8}, made / "data", PREP, sample=500, force=force)
    storage.remove(f"{PREP}/manifest.json")  # as an interrupted upload leaves it
    storage.write(f"{PREP}/uploading.json", json.dumps({"format": "uploading", "files": ["train.parquet"]}).encode())
    with pytest.raises(UsageError, match=f"^{PREP} holds .* files that tabcli did not write there"):
        tabcli.prep(CONFIG, made / "data", PREP, force=force)
    assert storage.read(f"{PREP}/thesis.txt") == b"years of work"
    assert of_folder(here) == ["thesis.txt"]


def test_a_manifest_that_leads_out_of_its_directory_writes_nothing_there(here: Path) -> None:
    manifest = {"format": "prep", "format_version": 3, "fingerprint": "", "files": {"../../x": {}}}
    storage.write(f"{PREP}/manifest.json", json.dumps(manifest).encode())
    storage.write("memory://shop/../x", b"bad")
    with pytest.raises(BundleError, match="not a file inside the directory"):
        fetch_directory(PREP, here / "a" / "b" / "c")
    assert of_folder(here) == []


# ----------------------------------------------------------------------------------------------- messages


@pytest.mark.usefixtures("there")
def test_errors_name_urls(made: Path, here: Path) -> None:
    storage.write(f"{DATA}/shops.csv", b"shop,kind\n1,x\n2\n")
    with pytest.raises(DataError, match=f"^{DATA}/shops.csv: ") as raised:
        tabcli.prep(CONFIG, DATA)
    assert str(here) not in str(raised.value) + str(raised.value.hint)
    with pytest.raises(DataError, match=r"^memory://shop/nothing: none of the config's tables is there"):
        tabcli.prep(CONFIG, "memory://shop/nothing")
    storage.remove(f"{DATA}/past.csv")
    with pytest.raises(DataError, match="the table train was not given"):
        tabcli.prep(CONFIG, DATA)
    with pytest.raises(BundleError, match=r"^memory://shop/nothing: no such directory; expected a run directory"):
        tabcli.predict("memory://shop/nothing", DATA)
    with pytest.raises(BundleError, match=f"^{PREP}: a prep directory, but a run directory is needed"):
        tabcli.predict(PREP, made / "data")
    with pytest.raises(BundleError, match=f"^{DATA}: not a run directory: it has no manifest.json"):
        tabcli.predict(DATA, made / "data")
    storage.write(f"{RUN}/model.json", b"{}")
    with pytest.raises(BundleError, match=f"^{RUN}/model.json: corrupt: its content is not what was written"):
        tabcli.predict(RUN, made / "data")
    with pytest.raises(DataError, match=r"^memory://shop/none.csv: no such file"):
        tabcli.evaluate("memory://shop/none.csv", made / "data" / "past.csv")
    with pytest.raises(UsageError, match=r"^memory://shop/none: no such file or directory"):
        tabcli.inspect("memory://shop/none")
    assert of_folder(here) == []


@pytest.mark.usefixtures("there")
def test_what_is_read_is_not_replaced(made: Path) -> None:
    with pytest.raises(UsageError, match=f"^{DATA}/ahead.csv is read here, and would be replaced"):
        tabcli.predict(made / "run", DATA, f"{DATA}/ahead.csv")
    with pytest.raises(UsageError, match=f"^{RUN}/past.parquet is a part of {RUN}, which tabcli wrote"):
        tabcli.predict(made / "run", DATA, f"{RUN}/past.parquet")
    with pytest.raises(UsageError, match=f"^{RUN}/maps lies in the run"):
        tabcli.embeddings(RUN, f"{RUN}/maps")


@pytest.mark.parametrize(
    ("url", "said", "hint"),
    [
        ("zzz://x/y", "Protocol not known: zzz", "pyarrow.fs or fsspec"),
        ("dropbox://x/y", "dropboxdrivefs", "install the package that it names"),
        ("abfs://x/y", "account name", "pyarrow.fs or fsspec"),
    ],
)
def test_what_is_missing_for_a_url_is_said(made: Path, url: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"^{url}.*{said}") as raised:
        tabcli.predict(made / "run", url)
    assert hint in str(raised.value.hint)


def test_a_full_disk_is_a_full_disk(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    storage.write(f"{DATA}/past.csv", b"day\n")
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(ResourceError, match="the disk is full"):
        storage.fetch(f"{DATA}/past.csv", here / "past.csv")
    assert not (here / "past.csv").exists()


def test_what_must_be_on_this_machine_is_said(made: Path, here: Path) -> None:
    with pytest.raises(UsageError, match=r"^out memory://shop/folds: expected a path on this machine"):
        tabcli.backtest(CONFIG, made / "data", "memory://shop/folds")
    with pytest.raises(UsageError, match="memory://shop/x: only a path on this machine can be written here"):
        files.write_text(Path("memory://shop/x"), "text")
    with pytest.raises(UsageError, match="memory://shop/x: only a path on this machine can be written here"):
        tabcli.synth("memory://shop/x", stores=2)
    assert of_folder(here) == []


def test_doctor_says_whether_a_url_can_be_used() -> None:
    storage.write(f"{DATA}/past.csv", b"day\n")
    well = tabcli.doctor(at=Path(DATA)).findings[-1]
    assert [well.found, well.advice] == [f"{DATA} can be written and read; 1 files there", ""]
    assert names(DATA) == ["past.csv"]
    ill = tabcli.doctor(at="zzz://x/y")
    assert not ill.healthy
    assert ill.findings[-1].found == "zzz://x/y: Protocol not known: zzz"
    assert "no URL" in tabcli.doctor(at="data").findings[-1].found


def test_doctor_says_that_what_is_read_is_not_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "read", lambda url: b"other")
    assert "use another storage" in tabcli.doctor(at=DATA).findings[-1].advice


def test_a_file_url_is_a_path(made: Path, here: Path) -> None:
    got = tabcli.predict(f"file://{made}/run", f"file://{made}/data", f"file://{here}/forecast.csv")
    assert got.path == here / "forecast.csv"
    assert got.path.exists()
