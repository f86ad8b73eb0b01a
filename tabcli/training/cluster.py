"""Networks on a Ray cluster: a task for each. The prep goes there once, a network's file comes back.

    this process                                       some node
    ─────────────────                                  ─────────────────────────────────────────
    the prep's files ──── once ───────────────────────▶ a folder named by their hash
    order, one line ───── a task per network ─────────▶ as a worker process does it (`training.worker`)
    partial/NAME.done.safetensors ◀── its bytes ─────── or an error's message

Nodes share no disk with this process; they need the same versions of tabcli, numpy, torch and Ray. A task whose worker
or node is lost runs again elsewhere, and gives the same bytes. What is finished stays in the job's `partial`, where
`--resume` finds it. Ray is an extra; it is imported here alone, when it is asked for.
"""

import hashlib
import importlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tabcli import files
from tabcli.artifacts.records import EpochRecord
from tabcli.bundle import directories
from tabcli.bundle.manifest import MANIFEST
from tabcli.errors import TabcliError, UsageError, error_of, full_error
from tabcli.training.loop import Callbacks, one_thread
from tabcli.training.members import MemberSpec, input_maker, run_task
from tabcli.training.orders import Message, TrainingJob, error_message, lost_error, order_line, read_order
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
    """The versions that must agree between this process and the nodes, since a network's bytes depend on them."""
    return {"tabcli": __version__, **{name: version(name) for name in ("numpy", "torch", "ray")}}


def run_on_ray(tasks: Sequence[MemberSpec], job: TrainingJob, callbacks: Callbacks) -> None:
    """Trains the networks of the tasks on the cluster, and leaves each in the job's `partial`.

    Raises the error of a network that could not be trained, `WorkerError` where workers were lost too often; the others
    are trained to their end first.
    """
    lost: list[str] = []
    with connected() as ray:
        train = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(train_there)
        prep = ray.put({p.relative_to(job.prep).as_posix(): p.read_bytes() for p in _files_of(job.prep)})
        waiting = {train.remote(order_line(task, job), versions(), prep): task for task in tasks}
        try:
            while waiting:
                (done,), _ = ray.wait([*waiting], num_returns=1)
                task = waiting.pop(done)
                try:
                    answer = ray.get(done)
                except ray.exceptions.RayError as error:
                    lost.append(f"{task.name} ({_first_line(error)})")
                    continue
                if isinstance(answer, dict):
                    raise error_of(answer["error"]["kind"], answer["error"]["message"], hint=answer["error"]["hint"])
                _keep(answer, task, job.partial, callbacks)
                callbacks.on_step(1000 * (len(tasks) - len(waiting)), 1000 * len(tasks))
        finally:
            for left in waiting:
                ray.cancel(left, force=True)
    if lost:
        raise lost_error(lost, len(tasks))


def _files_of(directory: Path) -> list[Path]:
    return sorted(p for p in directory.rglob("*") if p.is_file())


def _keep(content: bytes, task: MemberSpec, partial: Path, callbacks: Callbacks) -> None:
    """A network's file, at its name; its epochs are told."""
    path = partial / f"{task.name}.done.safetensors"
    with files.atomic_file(path) as temporary:
        temporary.write_bytes(content)
    for state in directories.load_tensors(path)[1]["epochs"]:
        callbacks.on_epoch(EpochRecord.from_state({**state, "network": task.name}))


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


def train_there(order: str, wanted: dict[str, str], prep: dict[str, bytes]) -> bytes | Message:
    """Trains a network on the node where this runs: the bytes of its file, or the message of an error.

    `wanted`: the versions of the process that asked. `prep`: the prep's files by their relative names.
    """
    try:
        _require_versions(wanted)
        task, job = read_order(order)
        with tempfile.TemporaryDirectory(prefix="tabcli-") as partial, one_thread():
            prepared = directories.load_prep(_written(prep))
            inputs = input_maker(prepared, job.settings)
            run_task(task, prepared, job.settings, inputs, Callbacks(), Path(partial))
            return (Path(partial) / f"{task.name}.done.safetensors").read_bytes()
    except TabcliError as error:
        return error_message(error)
    except Exception as error:
        if not (full := full_error(error)):
            raise
        return error_message(full)


def _require_versions(wanted: dict[str, str]) -> None:
    here = versions()
    if other := [f"{name} {here[name]}, not {wanted[name]}" for name in wanted if here[name] != wanted[name]]:
        raise UsageError(
            f"the node {os.uname().nodename} has {'; '.join(other)}",
            hint="install the same versions on every node: a network's bytes depend on them",
        )


def _written(prep: dict[str, bytes]) -> Path:
    """A prep's files in a folder of this node, named by their hash, so that later tasks find them."""
    root = Path(tempfile.gettempdir()) / f"tabcli-preps-{os.getuid()}"
    folder = root / hashlib.sha256(prep[MANIFEST]).hexdigest()  # it lists the hash of every other file
    if not folder.is_dir():
        root.mkdir(mode=0o700, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=root))
        for name, content in prep.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(content)
        try:
            temporary.rename(folder)
        except OSError:  # another task of this node was sooner
            shutil.rmtree(temporary)
    return folder
