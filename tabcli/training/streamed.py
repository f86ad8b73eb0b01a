"""The rows of a prep of several shards as a network learns from them: an epoch's files, one epoch after the other.

this process                    python -m tabcli.training.drawer
─────────────────────────       ────────────────────────────────
order, one line ──────────────▶ stdin    what to draw; when it closes, the parent is gone and the drawer ends
epoch, a line each ───────────▶
waits for it         ◀───────── stdout   a line when an epoch's files are there, or an error
trains on epoch e               draws epoch e + 1
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch

from tabcli.errors import ResourceError, WorkerError, error_of
from tabcli.training.dataset import Batch, TrainingRows
from tabcli.training.row_files import Layout, mixed
from tabcli.training.shards import ShardRows

CPU = torch.device("cpu")

DRAWER = "tabcli.training.drawer"

TRIES = 3
"""So often a process that draws is started before a training gives up."""


@dataclass(frozen=True)
class Streamed:
    """The rows that a network is shown, from files of `source`, with the methods of a `Dataset`.

    `n_rows`: how many; `n_exact`: of which the target is no bound. `drawer`: makes files ahead; None: they are made
    when they are needed.
    """

    source: ShardRows
    layout: Layout
    n_rows: int
    n_exact: int
    device: torch.device = CPU
    drawer: "Drawer | None" = None

    def __len__(self) -> int:
        return self.n_rows

    def to(self, device: torch.device) -> "Streamed":
        """The same rows, whose batches lie on another device."""
        return replace(self, device=device)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
        """Shuffled full batches, each with rows of all shards; a function of (seed, epoch) and the prep alone.

        The files of the epoch are removed behind it.
        """
        n = self.source.shards.n
        for path in self.source.shards.work.glob(f"{self.source.prefix(seed)}*.rows"):
            if path < self.source.path(seed, epoch, 0):
                path.unlink(missing_ok=True)
        if self.drawer is None:
            for shard in range(n):
                self.source.draw(seed, epoch, shard)
        else:
            self.drawer.wait(epoch)
        paths = [self.source.path(seed, epoch, shard) for shard in range(n)]
        for batch in mixed(paths, self.layout, batch_size, seed, epoch):
            yield Batch(*(None if t is None else t.to(self.device) for t in batch))  # type: ignore[arg-type]
        for path in paths:
            path.unlink(missing_ok=True)


@contextmanager
def fed(rows: TrainingRows, seed: int, last: int) -> Iterator[TrainingRows]:
    """The rows within the block, those of several shards with a process that makes each epoch's files ahead.

    `last`: the last epoch that is wanted. Raises `ResourceError` where the disk has no room for the files.
    """
    if not isinstance(rows, Streamed):
        yield rows
        return
    source = rows.source
    _require_room(rows)
    if not source.shards.beside:
        yield rows
    else:
        drawer = Drawer(source, seed, last)
        try:
            yield replace(rows, drawer=drawer)
        finally:
            drawer.end()
    for path in source.shards.work.glob(f"{source.prefix(seed)}*.rows"):
        path.unlink(missing_ok=True)


def _require_room(rows: Streamed) -> None:
    """Raises `ResourceError` unless the files of two epochs find room."""
    work = rows.source.shards.work
    there = sum(path.stat().st_size for path in work.glob("*.rows"))
    needed, free = 2 * len(rows) * rows.layout.record.itemsize, shutil.disk_usage(work).free + there
    if needed > free:
        raise ResourceError(
            f"{work}: the rows of two epochs take {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free",
            hint="give an --out on a larger disk, or train fewer networks side by side: -S train.threads=1",
        )


class Drawer:
    """A process that draws the epochs of one network, each while the one before is trained on."""

    def __init__(self, source: ShardRows, seed: int, last: int) -> None:
        self.source, self.seed, self.last = source, seed, last
        self.asked, self.tries = 0, 0
        self.process: subprocess.Popen[str] | None = None

    def wait(self, epoch: int) -> None:
        """Returns when the files of an epoch are there, and asks for those of the next.

        Raises `WorkerError` where the process died again and again, and what it reports.
        """
        self._ask(epoch)
        while not (answer := self._answer()):
            self.end()
            if self.tries == TRIES:
                raise WorkerError(f"the process that draws the rows of each epoch died {TRIES} times", hint="--resume")
            self._ask(epoch)
        if "error" in answer:
            error = answer["error"]
            raise error_of(error["kind"], error["message"], hint=error["hint"])
        if epoch < self.last:
            self._ask(epoch + 1)

    def _ask(self, epoch: int) -> None:
        if self.process is None or epoch < self.asked:
            self._start()
        if epoch > self.asked:
            assert self.process is not None
            assert self.process.stdin is not None
            with suppress(BrokenPipeError):  # it died: there will be no answer
                self.process.stdin.write(f"{epoch}\n")
                self.process.stdin.flush()
            self.asked = epoch

    def _answer(self) -> dict[str, dict[str, str]]:
        assert self.process is not None
        assert self.process.stdout is not None
        try:
            found: dict[str, dict[str, str]] = json.loads(self.process.stdout.readline())
        except ValueError:  # nothing, or a line cut off by the process's death
            return {}
        return found

    def _start(self) -> None:
        self.end()
        paths = [path or os.getcwd() for path in sys.path]
        self.process = subprocess.Popen(  # noqa: S603 (this interpreter, a module of this package)
            [sys.executable, "-P", "-m", DRAWER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self.tries += 1
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(draw_order(self.source, self.seed))
            self.process.stdin.flush()

    def end(self) -> None:
        """Ends the process; the next epoch starts another."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            assert self.process.stdout is not None
            assert self.process.stdin is not None
            self.process.stdout.close()
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        self.process, self.asked = None, 0


def draw_order(source: ShardRows, seed: int) -> str:
    """What a drawer is to draw, as one line of JSON."""
    shards = source.shards
    order = {
        "prep": str(shards.prep.resolve()),
        "n": shards.n,
        "work": str(shards.work.resolve()),
        "settings": source.settings.dump(),
        "rows": source.rows,
        "variant": source.variant,
        "seed": seed,
    }
    return json.dumps(order) + "\n"
