"""The rows of a prep of several shards as a network learns from them: an epoch's files, one epoch after the other.

While a network learns from the files of an epoch, a process beside it (`engines.worker`) draws those of the next.
"""

import queue
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tabcli.config.loading import parse
from tabcli.engines.calls import Call, Message, Tell, result_of
from tabcli.engines.processes import Line, Worker
from tabcli.errors import ResourceError, WorkerError
from tabcli.training.dataset import Batch, TrainingRows, epoch_seed
from tabcli.training.group import ALONE, Group
from tabcli.training.inputs import Rows
from tabcli.training.row_files import Layout, mixed
from tabcli.training.shards import ShardRows, shards_of

CPU = torch.device("cpu")

TRIES = 3
"""So often a process that draws is started before a training gives up."""


@dataclass(frozen=True)
class Streamed:
    """The rows that a network is shown, from files of `source`, with the methods of a `Dataset`.

    `n_rows`: how many; `n_exact`: of which the target is no bound. `drawer`: makes files ahead; None: they are made
    when they are needed. `follows`: whether another rank makes them.
    """

    source: ShardRows
    layout: Layout
    n_rows: int
    n_exact: int
    device: torch.device = CPU
    drawer: "Drawer | None" = None
    follows: bool = False

    def __len__(self) -> int:
        return self.n_rows

    def to(self, device: torch.device) -> "Streamed":
        """The same rows, whose batches lie on another device."""
        return replace(self, device=device)

    def batches(self, batch_size: int, seed: int, epoch: int, rank: int = 0, size: int = 1) -> Iterator[Batch]:
        """Shuffled full batches, each with rows of all shards; a function of (seed, epoch), the rank and the prep.

        The files of the epoch are removed behind it.
        """
        paths = self._files(seed, epoch)
        for batch in mixed(paths, self.layout, batch_size, epoch_seed(seed, epoch), rank, size):
            yield Batch(*(None if t is None else t.to(self.device) for t in batch))  # type: ignore[arg-type]
        if not self.follows:  # the other ranks have taken their last batches: all take each step together
            for path in paths:
                path.unlink(missing_ok=True)

    def _files(self, seed: int, epoch: int) -> list[Path]:
        """The files of an epoch, when they are there; those of earlier epochs are removed."""
        paths = [self.source.path(seed, epoch, shard) for shard in range(self.source.shards.n)]
        if self.follows:
            while not all(path.exists() for path in paths):
                time.sleep(0.05)
            return paths
        for path in self.source.shards.work.glob(f"{self.source.prefix(seed)}*.rows"):
            if path < paths[0]:
                path.unlink(missing_ok=True)
        if self.drawer is None:
            for shard in range(len(paths)):
                self.source.draw(seed, epoch, shard)
        else:
            self.drawer.wait(epoch)
        return paths


@contextmanager
def fed(rows: TrainingRows, seed: int, last: int, group: Group = ALONE) -> Iterator[TrainingRows]:
    """The rows within the block, those of several shards with a process that makes each epoch's files ahead.

    `last`: the last epoch that is wanted. `group`: the ranks that learn from the same files, which the first makes.
    Raises `ResourceError` where the disk has no room for the files.
    """
    if not isinstance(rows, Streamed):
        yield rows
        return
    if not group.is_first:
        yield replace(rows, follows=True)
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
        self.lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self.worker: Worker | None = None
        self.tries = 0

    def wait(self, epoch: int) -> None:
        """Returns when the files of an epoch are there, and has those of the next made.

        Raises `WorkerError` where the process died again and again, and the error that it ended with.
        """
        call = self._call(epoch)
        while (message := self._answer(call)) is None:
            self.end()
            if self.tries == TRIES:
                raise WorkerError(f"the process that draws the rows of each epoch died {TRIES} times", hint="--resume")
        result_of(message)
        if epoch < self.last:
            self._ask(self._call(epoch + 1))

    def _ask(self, call: Call) -> None:
        if self.worker is None:
            self.worker = Worker(call, self.source.shards.work, self.lines)
            self.tries += 1
        elif self.worker.call != call:
            self.worker.give(call)

    def _answer(self, call: Call) -> Message | None:
        """What the process ends the call with; None where it died."""
        self._ask(call)
        while True:
            worker, message = self.lines.get()
            if worker is self.worker and (message is None or "share" not in message):
                return message

    def _call(self, epoch: int) -> Call:
        source = self.source
        arguments = {
            "settings": source.settings.dump(),
            "rows": source.rows,
            "variant": source.variant,
            "seed": self.seed,
            "epoch": epoch,
        }
        return Call(
            f"draw-{source.rows}-{source.variant}-{self.seed}",
            draw_epoch,
            arguments,
            {"prep": source.shards.prep, "work": source.shards.work},
        )

    def end(self) -> None:
        """Ends the process; the next epoch starts another."""
        if self.worker is not None:
            self.worker.process.terminate()
            self.worker.end()
        self.worker = None


def draw_epoch(
    tell: Tell, settings: dict[str, object], rows: Rows, variant: int, seed: int, epoch: int, prep: Path, work: Path
) -> None:
    """Draws the files of an epoch that are not there yet, those of all shards."""
    shards = shards_of(prep, work)
    assert shards is not None
    source = ShardRows(shards, parse(settings, source="the settings of the training"), rows, variant)
    for shard in range(shards.n):
        source.draw(seed, epoch, shard)
        tell({"share": (shard + 1) / shards.n})
