"""Files at URLs (`s3://`, `gs://`, `abfs://`, `memory://`): listed, fetched, put, removed.

pyarrow has S3, GCS, Azure and HDFS; fsspec, which torch brings, knows the others. Both are imported where the first URL
is used. Credentials and endpoints come from the environment as for any program: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …
"""

import io
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import BinaryIO, Protocol, Self, overload
from urllib.request import url2pathname

from tabcli.errors import ResourceError, TabcliError, UsageError, full_error

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(?=[^/])")
"""A scheme of two letters or more, since C:/ is a disk of Windows; one slash is enough, as `Path` leaves one."""

_CHUNK = 8 << 20

_MOST_SAID = 300
"""So many letters of what a service says are shown: some say everything twice."""

_SECONDS = 10
"""So long an unreachable service is waited for, at each of a few tries."""


class URL(type(Path())):  # type: ignore[misc]  # the class of paths here depends on the system
    """A URL in the place of a path in a result: its text is the URL, and `/` adds to it. It cannot be opened."""

    def __str__(self) -> str:
        text = super().__str__().replace("\\", "/")
        return _URL.sub(lambda m: f"{m[1].lower()}://", text, count=1)

    def __fspath__(self) -> str:
        return str(self)


def url_of(path: object) -> str | None:
    """The URL that a text or path is, without a slash at its end; None for a path on this machine.

    >>> url_of("s3://bucket/run/"), url_of(Path("s3://bucket/run")), url_of("C:/data"), url_of("data")
    ('s3://bucket/run', 's3://bucket/run', None, None)
    """
    if not isinstance(path, str | PurePath):
        return None
    text = path.as_posix() if isinstance(path, PurePath) else path
    found = _URL.match(text)
    if found is None:
        return None
    rest = text[found.end() :].rstrip("/")
    return f"{found[1].lower()}://{'/' * (found[1].lower() == 'file')}{rest}"


def named(path: object) -> str:
    """What messages call a path: its text, or its URL."""
    return url_of(path) or str(path)


def local_path(url: str) -> Path | None:
    """The path of a `file://` URL; None for other URLs."""
    return Path(url2pathname(url.removeprefix("file://"))) if url.startswith("file://") else None


# ------------------------------------------------------------------------------------------ file systems


@dataclass(frozen=True)
class Entry:
    """A file at a URL: its size in bytes, and a text that is another one once the file was replaced."""

    size: int
    identity: str


class Stream(Protocol):
    """An open file of a file system."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def read(self, n: int = ..., /) -> bytes: ...

    def write(self, content: bytes, /) -> int: ...

    def metadata(self) -> Mapping[str, bytes]: ...


class Info(Protocol):
    """What a file system says of a file. `mtime_ns`: when it was written; None where that is not known."""

    path: str
    type: object
    size: int
    mtime_ns: int | None


class Selector(Protocol):
    """Which files below a folder."""

    base_dir: str


class System(Protocol):
    """A file system with pyarrow's methods; one of fsspec has `handler`, too."""

    @overload
    def get_file_info(self, asked: str, /) -> Info: ...

    @overload
    def get_file_info(self, asked: Selector, /) -> list[Info]: ...

    def open_input_file(self, path: str) -> Stream: ...

    def open_input_stream(self, path: str) -> Stream: ...

    def open_output_stream(self, path: str) -> Stream: ...

    def delete_file(self, path: str) -> None: ...


@cache
def _s3(endpoint: str, region: str, bucket: str, identity: tuple[str, ...]) -> System:
    from pyarrow import fs

    options: dict[str, str] = {}
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        options = {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
    elif not region:
        region = fs.resolve_s3_region(bucket)
    system: System = fs.S3FileSystem(
        region=region or None,
        connect_timeout=_SECONDS,
        request_timeout=6 * _SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
        **options,
    )
    return system


def _from_environment(*names: str) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _opened(url: str) -> tuple[System, str]:
    """The file system of a URL, with pyarrow's methods, and the path there."""
    scheme, _, rest = url.partition("://")
    match scheme:
        case "s3" | "s3a":
            endpoint = _from_environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
            region = _from_environment("AWS_REGION", "AWS_DEFAULT_REGION")
            # Who asks is a part of the key: a process may change its credentials.
            asking = tuple(os.environ.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SESSION_TOKEN", "PROFILE"))
            return _s3(endpoint, region, rest.partition("/")[0], asking), rest
        case "gs" | "gcs":
            from datetime import timedelta

            from pyarrow import fs

            return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=_SECONDS)), rest
        case "abfs" | "abfss" | "hdfs" | "viewfs":
            from pyarrow import fs

            found: tuple[System, str] = fs.FileSystem.from_uri(url)
            return found
        case _:
            return _by_fsspec(url)


def _by_fsspec(url: str) -> tuple[System, str]:
    from pyarrow import fs

    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError(f"{url}: URLs of this kind need fsspec", hint="pip install fsspec") from None
    system, path = url_to_fs(url)
    system.invalidate_cache()  # some keep listings for as long as the process lives
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


@contextmanager
def _for_people(url: str) -> Iterator[None]:
    """Turns what a service or library says into an error that says what to do."""
    try:
        yield
    except TabcliError:
        raise
    except (OSError, ImportError, ValueError, RuntimeError) as error:
        raise _error_of(url, error) from None


_NOT_ALLOWED = re.compile(
    r"ACCESS_DENIED|HTTP status 40[13]|HTTP response code 40[13]|Forbidden|Unauthorized|InvalidAccessKeyId|credential"
    r"|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE|PERMISSION_DENIED|UNAUTHENTICATED",
    re.IGNORECASE,
)

_NO_ANSWER = re.compile(
    r"NETWORK_CONNECTION|curlCode|could not connect|timed? ?out|resolve host|UNAVAILABLE|Connection|deadline",
    re.IGNORECASE,
)


def _error_of(url: str, error: Exception) -> TabcliError:
    if full := full_error(error):
        return full
    scheme, _, rest = url.partition("://")
    bucket, said = rest.partition("/")[0], " ".join(str(error).split())[:_MOST_SAID]
    if isinstance(error, ImportError):
        package = {"gs": "gcsfs", "http": "aiohttp", "https": "aiohttp", "sftp": "paramiko"}.get(scheme, "")
        hint = f"pip install {package}" if package else "install the package that it names"
        return UsageError(f"{url}: {said}", hint=hint)
    if isinstance(error, ValueError):
        return UsageError(
            f"{url}: {said}", hint="a local path, or a URL that pyarrow.fs or fsspec knows, such as s3://bucket/folder"
        )
    if "NO_SUCH_BUCKET" in said or re.search(r"Bucket '[^']*' not found", said):
        return UsageError(f"{url}: there is no bucket {bucket!r}", hint="tabcli makes none")
    if isinstance(error, PermissionError) or _NOT_ALLOWED.search(said):
        hint = "credentials come from the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return UsageError(f"{url}: not allowed: {said}", hint=hint)
    if isinstance(error, ConnectionError | TimeoutError) or _NO_ANSWER.search(said):
        at = _from_environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if scheme.startswith("s3") else ""
        where = f" at {at}" if at else ""
        return ResourceError(f"{url}: the storage{where} does not answer: {said}", hint="look at network and endpoint")
    return UsageError(f"{url}: {said}", hint="look at the URL, and whether this machine may use it")


# ------------------------------------------------------------------------------------------------- files


def _entry_of(system: System, info: Info, *, alone: bool = False) -> Entry:
    """`alone`: one more question to the service may be asked, for its etag: times there are of whole seconds."""
    if alone and not hasattr(system, "handler"):
        with system.open_input_file(info.path) as stream:
            etag = stream.metadata().get("ETag", b"").decode().strip('"')
        if etag:
            return Entry(info.size, f"{info.size} {etag}")
    if info.mtime_ns is None and hasattr(system, "handler"):
        return Entry(info.size, f"{info.size} {system.handler.fs.ukey(info.path)}")
    return Entry(info.size, f"{info.size} {info.mtime_ns}")


def entry(url: str) -> Entry | None:
    """The file at a URL; None where there is none, or a folder. Raises `UsageError`, `ResourceError` as all do here."""
    from pyarrow import fs

    with _for_people(url):
        system, path = _opened(url)
        info = system.get_file_info(path)
        return _entry_of(system, info, alone=True) if info.type == fs.FileType.File else None


def require_bucket(url: str) -> None:
    """Raises `UsageError` where the bucket of a URL is not there; other kinds of storage have none."""
    from pyarrow import fs

    with _for_people(url):
        system, path = _opened(url)
        bucket = path.strip("/").partition("/")[0]
        if not hasattr(system, "handler") and bucket and system.get_file_info(bucket).type == fs.FileType.NotFound:
            raise UsageError(f"{url}: there is no bucket {bucket!r}", hint="tabcli makes none")


def listing(url: str, *, deep: bool = True) -> dict[str, Entry]:
    """The files below a URL, by their names from there; `deep`: those of its folders too."""
    from pyarrow import fs

    with _for_people(url):
        system, path = _opened(url)
        there = system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=deep))
        if not there:
            require_bucket(url)
        files = [info for info in there if info.type == fs.FileType.File]
        # What pyarrow gives begins with the path that was asked for; memory:// adds a slash in front.
        base = path.strip("/") + "/"
        names = [info.path.lstrip("/").removeprefix(base) for info in files]
        return {
            name: _entry_of(system, info) for name, info in sorted(zip(names, files, strict=True), key=lambda p: p[0])
        }


def fetch(url: str, path: Path) -> None:
    """Writes the file at a URL to a path on this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with _for_people(url):
        system, there = _opened(url)
        with system.open_input_stream(there) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    os.replace(part, path)


def read(url: str) -> bytes | None:
    """The bytes of a small file at a URL; None where there is none."""
    if entry(url) is None:
        return None
    with _for_people(url):
        system, there = _opened(url)
        with system.open_input_stream(there) as source:
            return source.read()


def parquet_rows(url: str) -> int:
    """How many rows a Parquet file at a URL says it has, 0 if it is none: its end is read, not all of it."""
    import pyarrow.parquet

    with _for_people(url):
        system, path = _opened(url)
        with system.open_input_file(path) as stream:
            try:
                return int(pyarrow.parquet.read_metadata(stream).num_rows)
            except pyarrow.ArrowInvalid:
                return 0


def _write(source: BinaryIO, url: str) -> None:
    """Writes a stream to a URL, in a thread: Ctrl-C between two pieces would close it, which makes the piece a file."""
    system, path = _opened(url)
    if hasattr(system, "handler"):  # the file systems of pyarrow need no folders
        system.handler.fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def copy() -> None:
        with system.open_output_stream(path) as target:
            shutil.copyfileobj(source, target, _CHUNK)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(copy).result()


def put(path: Path, url: str) -> None:
    """Writes a file of this machine to a URL, over what stands there. On object storage it is there whole, or not."""
    with _for_people(url), path.open("rb") as source:
        _write(source, url)


def write(url: str, content: bytes) -> None:
    """Writes a small file to a URL."""
    with _for_people(url):
        _write(io.BytesIO(content), url)


def remove(url: str) -> None:
    """Removes the file at a URL."""
    with _for_people(url):
        system, path = _opened(url)
        system.delete_file(path)
