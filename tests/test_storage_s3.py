"""The same against a local S3 server (`make s3`), and what is said where a service refuses or does not answer."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
import yaml
from pyarrow import fs
from typer.testing import CliRunner

import tabcli
from tabcli import storage
from tabcli.bundle.transfer import fetch_directory
from tabcli.cli.app import app
from tabcli.errors import BundleError, ResourceError, UsageError
from tests.conftest import CONFIG, make_tables, write_folder

FAST = ["-S", "train.epochs=1", "-S", "calibration.windows=0"]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, as somebody else made it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    host = s3_server.removeprefix("http://")
    system = fs.S3FileSystem(endpoint_override=host, scheme="http", allow_bucket_creation=True)
    name = f"shop-{time.time_ns()}"
    for _ in range(60):  # until the server has started
        try:
            system.create_dir(name)
            break
        except OSError:
            time.sleep(0.5)
    return f"s3://{name}"


def run_cli(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_whole_job_from_the_command_line(bucket: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", make_tables())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    for path in folder.iterdir():
        storage.put(path, f"{bucket}/data/{path.name}")
    data, prep, run, out = (f"{bucket}/{name}" for name in ("data", "prep", "run", "out/forecast.csv"))
    command = [sys.executable, "-m", "tabcli", "prep", "-c", "config.yaml", "-d", data, "-o", prep]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)  # it ends well, too
    assert prep in done.stdout
    assert f"tabcli card {run} --check" in run_cli("train", "-p", prep, "-o", run, *FAST)
    assert out in run_cli("predict", run, "-d", data, "-o", out)
    got = pd.read_csv(io.BytesIO(storage.read(out) or b""))
    own = tabcli.train(tabcli.prep(CONFIG, folder), overrides=FAST[1::2])
    pd.testing.assert_frame_equal(got, pd.read_csv(io.StringIO(tabcli.predict(own, folder).table.to_csv(index=False))))
    assert {"MODEL_CARD.md", "manifest.json", "member-0.safetensors"} <= {*storage.listing(run)}
    assert not {"uploading.json"} & {*storage.listing(run), *storage.listing(prep)}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.yaml", "data"]
    assert tabcli.prep("config.yaml", data, prep).unchanged


def test_a_file_of_the_same_size_and_second_is_another_one(bucket: str, tmp_path: Path) -> None:
    """Times of S3 are of whole seconds."""
    found = []
    for text in ("one", "two"):
        (tmp_path / "x").write_text(text)
        storage.put(tmp_path / "x", f"{bucket}/x")
        found.append(storage.entry(f"{bucket}/x"))
    assert found[0] != found[1]
    assert [entry.size for entry in found if entry is not None] == [3, 3]


def test_folders_are_listed_and_nothing_else_is(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    for name in ("a/b/c.csv", "a/d.csv", "ab.csv"):
        storage.put(tmp_path / "x", f"{bucket}/{name}")
    assert list(storage.listing(f"{bucket}/a")) == ["b/c.csv", "d.csv"]
    assert list(storage.listing(f"{bucket}/a", deep=False)) == ["d.csv"]
    storage.remove(f"{bucket}/a/b/c.csv")
    assert list(storage.listing(f"{bucket}/a")) == ["d.csv"]  # the empty folder that S3 is left with does not count
    assert storage.entry(f"{bucket}/a") is None
    assert storage.read(f"{bucket}/none") is None


def test_a_bucket_that_is_not_there_is_said(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(UsageError, match=r"^s3://nobody/data: there is no bucket 'nobody'"):
        tabcli.prep(CONFIG, "s3://nobody/data")
    with pytest.raises(UsageError, match="there is no bucket 'nobody'"):  # before any work
        tabcli.explain(object(), None, out="s3://nobody/why.svg")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there is no bucket 'nobody'"):
        storage.put(tmp_path / "x", "s3://nobody/x")


KILLED = """
import os, signal, sys
from pathlib import Path
from tabcli import storage
from tabcli.api.outgoing import Outgoing
from tabcli.bundle.manifest import write_manifest

url, k, count = sys.argv[1], int(sys.argv[2]), iter(range(100))
outgoing = Outgoing(url, Path.cwd() / ".tabcli" / "made", "manifest.json")
path, put = outgoing.begin(contents=True, force=False), storage.put
if not (path / "manifest.json").exists():
    path.mkdir()
    for name in "abcd":
        (path / name).write_text(name * 1000)
    write_manifest(path, "prep", "", {})


def dying(path, url):
    if next(count) == k:
        os.kill(os.getpid(), signal.SIGKILL)
    put(path, url)


storage.put = dying
outgoing.upload()
outgoing.close()
"""


def test_a_command_that_is_killed_in_its_upload_leaves_nothing_to_read_and_goes_on(bucket: str, tmp_path: Path) -> None:
    for k in (0, 4):  # the manifest is the last of five
        url = f"{bucket}/{k}"
        killed = subprocess.run([sys.executable, "-c", KILLED, url, str(k)], check=False, timeout=100)
        assert killed.returncode == -signal.SIGKILL
        with pytest.raises(BundleError, match="its upload was not finished"):
            fetch_directory(url, tmp_path / "read")
        subprocess.run([sys.executable, "-c", KILLED, url, "99"], check=True, timeout=100)
        assert list(storage.listing(url)) == ["a", "b", "c", "d", "manifest.json"]
        assert not (tmp_path / ".tabcli").exists()


# ------------------------------------------------------------------------------- services that do not serve


class _Refusing(BaseHTTPRequestHandler):
    def _refuse(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = _refuse

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a service that lets nobody in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_who_is_not_allowed_is_told_where_credentials_come_from(
    refusing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", refusing)
    (tmp_path / "x").write_text("x")
    for ask in (
        lambda: storage.listing("s3://shop/data"),
        lambda: storage.entry("s3://shop/x"),
        lambda: storage.put(tmp_path / "x", "s3://shop/x"),
    ):
        with pytest.raises(UsageError, match=r"^s3://shop/\w+: not allowed: ") as raised:
            ask()
        assert "AWS_ACCESS_KEY_ID" in str(raised.value.hint)


def test_a_service_that_does_not_answer_is_said_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    started = time.monotonic()
    with pytest.raises(ResourceError, match=r"^s3://shop/data: the storage at http://127.0.0.1:1 does not answer"):
        storage.listing("s3://shop/data")
    assert time.monotonic() - started < 30
