"""Pieces of work in processes beside this one, so many at a time.

    this process            python -m tabcli.engines.worker, one per core
    ─────────────────       ─────────────────────────────────────────────────
    orders, a line each ──▶ stdin     stays open: when it closes, the parent is gone and the worker ends
    Message per line ◀───── stdout    the share that is done, words of its own, the result or an error
                            stderr    NAME.log in the folder for logs

A worker that has done a piece gets the next one: its libraries are imported once. It does not import the script that
called, so a script needs no `__main__` guard.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tabcli.engines.calls import Call, Lost, Message, Watch, order_of, result_of, tidy

WORKER = "tabcli.engines.worker"


class Worker:
    """One running process. Its lines arrive in `lines` as (worker, message), at its end (worker, None)."""

    def __init__(self, call: Call, logs: Path, lines: "queue.SimpleQueue[Line]") -> None:
        self.call: Call | None = None
        self.logs = logs
        # The modules that this process can import, no more: -P keeps the current directory out.
        paths = [path or os.getcwd() for path in sys.path]
        with self.log_of(call).open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 (this interpreter, a module of this package)
                [sys.executable, "-P", "-m", WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        self.give(call)
        self.reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self.reader.start()

    def log_of(self, call: Call) -> Path:
        return self.logs / f"{call.name}.log"

    def give(self, call: Call | None) -> None:
        """The next piece of work; None: there is no more, and the process ends."""
        self.call = call
        order = None if call is None else {**order_of(call), "log": str(self.log_of(call).absolute())}
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it died: its exit code says so
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()

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


def run_processes(
    calls: Sequence[Call], at_a_time: int, logs: Path, watch: Watch, lost: Lost, *, together: bool = False
) -> dict[str, object]:
    """Does each call in a process, so many at a time; the results by the calls' names.

    Raises a call's error at once. Where processes died, raises what `lost` makes of it once the others are done; of
    calls that are done `together` and wait for each other, the others are ended at once.
    """
    waiting, running, failed = list(calls), list[Worker](), list[str]()
    shares, results = dict.fromkeys((c.name for c in calls), 0.0), dict[str, object]()
    lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
    with _ended(running):
        while waiting or running:
            while waiting and len(running) < at_a_time:
                running.append(Worker(waiting.pop(0), logs, lines))
            worker, message = lines.get()
            call = worker.call
            if message is None:
                running.remove(worker)
                code = worker.end()
                if call is not None:
                    failed.append(f"{call.name} ({_reason(code, worker.log_of(call))})")
                if failed and together:
                    break
            elif call is None:
                continue
            elif "said" in message:
                watch.on_said(call.name, message["said"])
            else:
                if "share" not in message:
                    results[call.name] = result_of(message)
                    tidy(call)
                    worker.log_of(call).unlink(missing_ok=True)
                    worker.give(waiting.pop(0) if waiting else None)
                shares[call.name] = message.get("share", 1.0)
                watch.on_share(sum(shares.values()), len(calls))
    if failed:
        raise lost(failed, len(calls))
    return results


def _reason(code: int, log: Path) -> str:
    """Why a process ended, as far as it is known."""
    if code < 0:
        return f"ended by signal {-code}"
    said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return f"exit code {code}: {said}; see {log}" if said else f"exit code {code}"
