"""Pieces of work on a Ray cluster: a task for each.

    this process                                       some node
    ─────────────────                                  ─────────────────────────────────────────
    order, facts of the files ── a task per call ─────▶ does it where it finds those very files (it shares the disk),
    files that a node lacks ──── once per node ───────▶ in a folder named by their hash
    files at their names ◀────── results, bytes ─────── and the same where it shares the disk: it writes them itself

Nodes need the same versions of tabcli and of the libraries that bytes depend on. A task whose worker or node is lost
runs again elsewhere, and gives the same bytes. Ray is an extra; it is imported here alone, when it is asked for.
"""

import hashlib
import importlib
import os
import platform
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from tabcli import files
from tabcli.engines.calls import (
    Call,
    Lost,
    Message,
    Order,
    Some,
    Watch,
    as_json,
    error_message,
    order_of,
    path_of,
    perform,
    result_of,
    tidy,
)
from tabcli.errors import TabcliError, UsageError
from tabcli.version import __version__

RETRIES = 3
"""So many times a task is tried again whose worker or node was lost."""

PATIENCE = 10
"""So many seconds a cluster has to answer."""

ADDRESS = "RAY_ADDRESS"
"""The environment variable that names a cluster; without it Ray is started on this machine alone, for one command."""


@contextmanager
def connected() -> Iterator[Any]:
    """The module `ray`, connected to the cluster of `RAY_ADDRESS`, or to one started here; left as it was at the end.

    Raises `UsageError` without Ray, or where no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise UsageError("--on ray needs Ray", hint="pip install 'tabcli[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    quiet = {"configure_logging": False, "log_to_driver": False}
    address = os.environ.get(ADDRESS)
    try:
        if address:
            _require_listener(address)
            ray.init(address=address, **quiet)
        else:
            os.environ.setdefault("RAY_worker_niceness", "0")  # by default 15: behind everything else on this machine
            ray.init(address="local", include_dashboard=False, object_store_memory=10**9, **quiet)
    except Exception as error:
        where = f"the Ray cluster {ADDRESS}={address}" if address else "Ray on this machine"
        hint = "tabcli doctor --on ray says what is wrong; docs/scaling.md how a cluster is started"
        raise UsageError(f"{where} does not answer: {_first_line(error)}", hint=hint) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Raises `OSError` where nothing listens at HOST:PORT, to which Ray would try to connect for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _last_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


def versions() -> dict[str, str]:
    """The versions that must agree between this process and the nodes, since bytes depend on them."""
    libraries = ("numpy", "pandas", "pyarrow", "torch", "ray")
    return {"tabcli": __version__, **{name: version(name) for name in libraries}}


Place = tuple[str, int, int]
"""A file or directory among all of all machines: the machine since it was started, the disk, the number there."""

Tree = dict[str, NDArray[np.uint8]]
"""The files of a directory by their relative names, or one file by the name "": the bytes of each, uint8 (n,)."""


Sent = tuple[str, list[object]]
"""The hash of what a call reads, and Ray's reference to its bytes."""


class Lacking(TypedDict):
    """The message of a node that cannot begin: what it reads and neither finds nor was sent."""

    lacks: list[str]


def place_of(path: Path) -> Place:
    """Where a file or directory lies; the same place for two processes means that they share it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    machine = boot.read_text(encoding="ascii").strip() if boot.exists() else platform.node()
    facts = path.stat()
    return machine, facts.st_dev, facts.st_ino


def run_on_ray(calls: Sequence[Call], watch: Watch, lost: Lost) -> dict[str, object]:
    """Does each call on the cluster; the results by the calls' names. What they leave lies at its names then.

    Raises a call's error at once. Where workers were lost too often, raises what `lost` makes of it once the others are
    done.
    """
    failed, results = list[str](), dict[str, object]()
    with connected() as ray:
        there = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(perform_there)
        sent: dict[Path | Some, Sent] = {}
        waiting = {there.remote(_job_of(call), versions(), {}): call for call in calls}
        try:
            while waiting:
                (done,), _ = ray.wait([*waiting], num_returns=1)
                call = waiting.pop(done)
                try:
                    message, told, trees = ray.get(done)
                except ray.exceptions.RayError as error:
                    failed.append(f"{call.name} ({_first_line(error)})")
                    continue
                if lacking := message.get("lacks"):
                    for read in (call.reads[name] for name in lacking):
                        sent[read] = sent.get(read) or _send(ray, read)
                    given = {name: sent[read] for name, read in call.reads.items() if read in sent}
                    waiting[there.remote(_job_of(call), versions(), given)] = call
                    continue
                results[call.name] = result_of(message)
                for name, tree in trees.items():
                    write_tree(tree, call.leaves[name])
                tidy(call)
                for said in told:
                    watch.on_said(call.name, said)
                watch.on_share(len(results), len(calls))
        finally:
            for left in waiting:
                ray.cancel(left, force=True)
    if failed:
        raise lost(failed, len(calls))
    return results


class Job(TypedDict):
    """An order with the places of what it reads, and of the folders of what it leaves."""

    order: Order
    reads: dict[str, Place]
    leaves: dict[str, Place]


def _job_of(call: Call) -> Job:
    reads = {name: place_of(path_of(read)) for name, read in call.reads.items()}
    leaves = {name: place_of(path.parent) for name, path in call.leaves.items()}
    return {"order": order_of(call), "reads": reads, "leaves": leaves}


def _send(ray: Any, read: Path | Some) -> Sent:
    """The hash of what a call reads, and its bytes in the cluster's memory."""
    tree, total = read_tree(read), hashlib.sha256(path_of(read).name.encode())
    for name, content in tree.items():
        total.update(f"{name} {len(content)}\n".encode())
        total.update(content.data)
    return total.hexdigest(), [ray.put(tree)]  # within a list a reference stays one, until it is asked for


def read_tree(read: Path | Some) -> Tree:
    """A file, or a directory with all or some that is in it."""
    path, patterns = (read.folder, read.patterns) if isinstance(read, Some) else (read, ("**/*",))
    if path.is_file():
        return {"": np.fromfile(path, dtype="uint8")}
    found = sorted({p for pattern in patterns for p in path.glob(pattern) if p.is_file()})
    return {p.relative_to(path).as_posix(): np.fromfile(p, dtype="uint8") for p in found}


def write_tree(tree: Tree, path: Path) -> None:
    """Writes what `read_tree` read, whole or not at all."""
    if "" in tree:
        with files.atomic_file(path) as temporary:
            tree[""].tofile(temporary)
        return
    with files.whole_directory(path) as temporary:
        for name, content in tree.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            content.tofile(temporary / name)


@dataclass(frozen=True)
class Node:
    """A machine of a cluster. `gigabytes`: of memory. `versions`: of what must agree; `said`: why it gave none."""

    address: str
    cores: int
    gigabytes: float
    versions: dict[str, str]
    said: str = ""


def nodes() -> list[Node]:
    """The machines of the cluster that are alive, each asked by a task of its own. Raises as `connected` does."""
    with connected() as ray:
        affinity = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        found = []
        for node in [n for n in ray.nodes() if n["Alive"]]:
            there = affinity(node_id=node["NodeID"], soft=False)
            has, asked, said = node["Resources"], dict[str, str](), ""
            try:
                asked = ray.get(ray.remote(num_cpus=0, scheduling_strategy=there)(versions).remote(), timeout=60)
            except ray.exceptions.RayError as error:
                said = _last_line(error)
            name, cores = str(node["NodeManagerHostname"]), int(has.get("CPU", 0))
            found.append(Node(name, cores, round(has.get("memory", 0) / 1e9, 1), asked, said))
        return found


# ----------------------------------------------------------------------------------------- on a node

DAY = 86_400
"""For so many seconds a node keeps files that it was sent and does not use."""


def perform_there(
    job: Job, wanted: dict[str, str], sent: Mapping[str, Sent]
) -> tuple[Message | Lacking, list[object], dict[str, Tree]]:
    """Does a call on the node where this runs: its last message, what it said, and what it left, by names.

    `wanted`: the versions of the process that asked. `sent`: files that it sent, each with its hash. The message has
    `lacks` instead of a result where the node has no access to some of the files, which were not sent.
    """
    said: list[object] = []
    paths = {name: Path(path) for name, path in job["order"]["files"].items()}
    try:
        _require_versions(wanted)
        away = [name for name, place in job["reads"].items() if not _is_at(paths[name], place, os.R_OK)]
        if lacking := [name for name in away if name not in sent]:
            return {"lacks": lacking}, said, {}
        paths |= {name: _received(paths[name].name, *sent[name]) for name in away}
    except TabcliError as error:
        return error_message(error), said, {}

    def tell(message: Message) -> None:
        if "said" in message:
            said.append(as_json(message["said"]))

    with tempfile.TemporaryDirectory(prefix="tabcli-") as own:
        made = {}
        for i, (name, place) in enumerate(job["leaves"].items()):
            if not _is_at(paths[name].parent, place, os.W_OK):
                made[name] = Path(own) / str(i) / paths[name].name
                made[name].parent.mkdir()
        named = {name: str(path) for name, path in {**paths, **made}.items()}
        message = perform({**job["order"], "files": named}, tell)
        left = {name: read_tree(path) for name, path in made.items() if path.exists()}
    return message, said, left


def _is_at(path: Path, place: Place, access: int) -> bool:
    """Whether a path is, for this process too, what it was for the one that asked; and such access is allowed."""
    try:
        return place_of(path) == place and os.access(path, access)
    except OSError:
        return False


def _require_versions(wanted: dict[str, str]) -> None:
    here = versions()
    if other := [f"{name} {here[name]}, not {wanted[name]}" for name in wanted if here[name] != wanted[name]]:
        raise UsageError(
            f"the node {platform.node()} has {'; '.join(other)}",
            hint="install the same versions on every node: bytes depend on them",
        )


def _received(name: str, digest: str, reference: object) -> Path:
    """A file or directory that was sent, in a folder of this node named by its hash, where later tasks find it."""
    root = Path(tempfile.gettempdir()) / f"tabcli-sent-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    _require_own(root)
    path = root / digest / name
    if not path.exists():
        _drop_old(root)
        (tree,) = importlib.import_module("ray").get(reference)
        temporary = Path(tempfile.mkdtemp(dir=root))
        write_tree(tree, temporary / name)
        try:
            temporary.rename(root / digest)
        except OSError:  # another task of this node was sooner
            shutil.rmtree(temporary)
    os.utime(path.parent)
    return path


def _require_own(folder: Path) -> None:
    """Raises `UsageError` where somebody else could have put a file into the folder, which a task would run."""
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid() or there.st_mode & 0o022:
        raise UsageError(
            f"{folder}: on the node {platform.node()} this folder is not yours alone",
            hint="remove it there, or set TMPDIR to a folder of your own where the node is started",
        )


def _drop_old(root: Path) -> None:
    for folder in root.iterdir():
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > DAY:
                shutil.rmtree(folder, ignore_errors=True)
