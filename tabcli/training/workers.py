"""Networks side by side on this machine: a process for each.

    this process            python -m tabcli.training.worker, one per network
    ─────────────────       ─────────────────────────────────────────────────
    order, one line ──────▶ stdin     stays open: when it closes, the parent is gone and the worker ends
    Message per line ◀───── stdout    the share that is done, an epoch's record, an error
                            stderr    NAME.log beside the checkpoints

A worker does not import the script that called `train`, so a script needs no `__main__` guard.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tabcli.artifacts.records import EpochRecord
from tabcli.errors import error_of
from tabcli.training.loop import Callbacks
from tabcli.training.members import MemberSpec
from tabcli.training.orders import Message, TrainingJob, lost_error, order_line

WORKER = "tabcli.training.worker"


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


def run_processes(tasks: Sequence[MemberSpec], at_a_time: int, job: TrainingJob, callbacks: Callbacks) -> None:
    """Trains each network in a process, so many at a time. Raises `WorkerError` as `run_tasks` says."""
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
        raise lost_error(failed, len(tasks))


def _reason(code: int, log: Path) -> str:
    """Why a process ended, as far as it is known."""
    if code < 0:
        return f"ended by signal {-code}"
    said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return f"exit code {code}: {said}; see {log}" if said else f"exit code {code}"
