"""Networks side by side: a process for each, `train.threads` at a time; every finished network is kept.

    this process            python -m tabcli.training.worker, one per network
    ─────────────────       ─────────────────────────────────────────────────
    Order, one line ──────▶ stdin     stays open: when it closes, the parent is gone and the worker ends
    Message per line ◀───── stdout    the share that is done, an epoch's record, an error
                            stderr    NAME.log beside the checkpoints

The lines are JSON. A worker does not import the script that called `train`, so a script needs no `__main__` guard.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypedDict

from tabcli.artifacts.contents import Prepared
from tabcli.artifacts.records import EpochRecord
from tabcli.config.loading import parse
from tabcli.config.schema import Config
from tabcli.errors import TabcliError, WorkerError, error_of
from tabcli.training.inputs import Inputs
from tabcli.training.loop import Callbacks, one_thread
from tabcli.training.members import MemberSpec, TrainedMember, run_task

WORKER = "tabcli.training.worker"

SHORT = 1000
"""So many batches take about as long as a process takes to start."""


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class TrainingJob:
    """What a worker process needs: the prep directory, the settings, and the directory `partial` for checkpoints."""

    prep: Path
    settings: Config
    partial: Path


def run_tasks(
    tasks: Sequence[MemberSpec],
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[MemberSpec], Inputs],
    callbacks: Callbacks,
    job: TrainingJob | None = None,
) -> list[TrainedMember]:
    """Trains several networks, each in a process, `train.threads` at a time (null: as many as there are cores).

    In this process, one after the other: a single task, without a job, or where training takes less time than starting
    processes. Raises `WorkerError` where a process died; the others are trained to their end first, and every finished
    network stays in the job's `partial`.
    """
    partial = job.partial if job else None
    open_tasks = [t for t in tasks if partial is None or not (partial / f"{t.name}.done.safetensors").exists()]
    at_a_time = min(settings.train.threads or n_cores(), len(open_tasks))
    if job is not None and at_a_time > 1 and n_steps(open_tasks, prepared, settings) > SHORT:
        _run_processes(open_tasks, at_a_time, job, callbacks)
    results = []
    with one_thread():
        for i, task in enumerate(tasks):
            part = _part(callbacks, i, len(tasks), task.name if len(tasks) > 1 else "")
            results.append(run_task(task, prepared, settings, inputs, part, partial))
    return results


def n_steps(tasks: Sequence[MemberSpec], prepared: Prepared, settings: Config) -> int:
    """How many batches the networks of all tasks will see."""
    n_rows = len(prepared.tables["train"])
    return sum(t.epochs * -(-n_rows // settings.of_member(t.member).train.batch_size) for t in tasks)


def _part(callbacks: Callbacks, i: int, n: int, label: str) -> Callbacks:
    """The callbacks of the i-th of n networks that are trained one after the other."""
    return replace(
        callbacks,
        on_model=callbacks.on_model if i == 0 else lambda text: None,
        on_step=lambda done, total: callbacks.on_step(i * total + done, n * total),
        on_epoch=lambda record: callbacks.on_epoch(replace(record, network=label)),
    )


# ------------------------------------------------------------------------------------- the protocol


class ErrorMessage(TypedDict):
    """A `TabcliError` by the name of its class."""

    kind: str
    message: str
    hint: str | None


class Message(TypedDict, total=False):
    """A line from a worker; one of these keys. `step`: the share of the training that is done, 0 to 1."""

    step: float
    epoch: dict[str, str | float]
    error: ErrorMessage


def order_line(task: MemberSpec, job: TrainingJob) -> str:
    """What a worker is to do, as one line of JSON."""
    order = {
        "task": asdict(task),
        "prep": str(job.prep),
        "settings": job.settings.dump(),
        "partial": str(job.partial),
    }
    return json.dumps(order) + "\n"


def read_order(line: str) -> tuple[MemberSpec, TrainingJob]:
    """What `order_line` wrote."""
    order = json.loads(line)
    settings = parse(order["settings"], source="the settings of the training")
    return MemberSpec(**order["task"]), TrainingJob(Path(order["prep"]), settings, Path(order["partial"]))


def error_message(error: TabcliError) -> Message:
    """The message that reports an error to the parent, which raises it again."""
    return {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}


# ---------------------------------------------------------------------------------------- processes


class Worker:
    """One running process. Its lines arrive in `lines` as (worker, message), at its end (worker, None)."""

    def __init__(self, task: MemberSpec, job: TrainingJob, lines: "queue.SimpleQueue[Line]") -> None:
        self.task = task
        self.log = job.partial / f"{task.name}.log"
        # The modules that this process can import, no more: -P keeps the current directory out.
        paths = [path or os.getcwd() for path in sys.path]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 (this interpreter, a module of this package)
                [sys.executable, "-P", "-m", WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it died at once: its exit code says so
            self.process.stdin.write(order_line(task, job))
            self.process.stdin.flush()
        self.reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self.reader.start()

    def _read(self, lines: "queue.SimpleQueue[Line]") -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):  # a line cut off by the process's death
                lines.put((self, json.loads(line)))
        lines.put((self, None))

    def end(self) -> int:
        """Waits for the process; its exit code, negative where a signal ended it."""
        code = self.process.wait()
        self.reader.join()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        if code == 0:
            self.log.unlink(missing_ok=True)
        return code


Line = tuple[Worker, Message | None]


@contextmanager
def _ended(running: list[Worker]) -> Iterator[None]:
    """Whatever happens, no process of `running` outlives the block."""
    try:
        yield
    finally:
        for worker in running:
            worker.process.terminate()
        for worker in running:
            worker.end()


def _run_processes(tasks: Sequence[MemberSpec], at_a_time: int, job: TrainingJob, callbacks: Callbacks) -> None:
    waiting, running, failed = list(tasks), list[Worker](), list[str]()
    progress = dict.fromkeys((t.name for t in tasks), 0.0)
    lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
    with _ended(running):
        while waiting or running:
            while waiting and len(running) < at_a_time:
                running.append(Worker(waiting.pop(0), job, lines))
            worker, message = lines.get()
            name = worker.task.name
            if message is None:
                running.remove(worker)
                code = worker.end()
                if code != 0:
                    failed.append(f"{name} ({_reason(code, worker.log)})")
            elif "error" in message:
                error = message["error"]
                raise error_of(error["kind"], error["message"], hint=error["hint"])
            elif "epoch" in message:
                callbacks.on_epoch(replace(EpochRecord.from_state(message["epoch"]), network=name))
            else:
                progress[name] = message["step"]
                callbacks.on_step(round(1000 * sum(progress.values())), 1000 * len(tasks))
    if failed:
        shown = ", ".join(failed[:3]) + (", …" if len(failed) > 3 else "")
        raise WorkerError(
            f"{len(failed)} of {len(tasks)} networks could not be trained: {shown}; the others are kept",
            hint="--resume trains the missing ones; if memory is short, one at a time: -S train.threads=1",
        )


def _reason(code: int, log: Path) -> str:
    """Why a process ended, as far as it is known."""
    if code < 0:
        return f"ended by signal {-code}"
    said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return f"exit code {code}: {said}; see {log}" if said else f"exit code {code}"
