"""Networks one after the other, each trained by several processes of this machine together (`training.group`).

Where a rank dies, the others cannot go on: all are ended and started again, and go on from the last epoch's checkpoint,
to the same bits as without it. torch's own agent (`torchrun`) would do so too, but the ranks that it starts again meet
the addresses of the dead in its store, and about half of such starts fail (torch 2.13).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from tabcli.artifacts.records import EpochRecord
from tabcli.bundle import directories
from tabcli.config.learning import Train
from tabcli.config.loading import parse
from tabcli.config.schema import Config
from tabcli.engines.calls import Call, Engine, Tell, Watch
from tabcli.engines.processes import run_processes
from tabcli.errors import UsageError, WorkerError
from tabcli.training.group import joined, rows_of_rank
from tabcli.training.loop import Callbacks, one_thread
from tabcli.training.members import MemberSpec, MemberState, input_maker, run_task
from tabcli.training.shards import shards_of

RESTARTS = 3
"""So many times ranks are started again after one of them died."""


def require_ranks(nproc: int, settings: Config, on: Engine) -> None:
    """Raises `UsageError` where `nproc` ranks cannot train a network here."""
    if nproc < 1:
        raise UsageError(f"--nproc {nproc}: expected 1 process or more")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "TORCHELASTIC_RUN_ID" in os.environ:
        raise UsageError("tabcli starts its ranks itself, torchrun is not needed", hint="tabcli train --nproc 2 …")
    if nproc == 1:
        return
    if on != "processes":
        raise UsageError(
            f"--nproc {nproc} and --on {on} do not go together: all ranks of a network are processes of this machine",
            hint=f"leave one of them out; --on {on} trains each network in one process",
        )
    cards = torch.cuda.device_count() if settings.train.device == "cuda" else nproc
    if cards < nproc:
        raise UsageError(
            f"--nproc {nproc} with train.device: cuda needs a CUDA device for each, torch sees {cards} here",
            hint=f"--nproc {max(1, cards)}, or -S train.device=cpu",
        )


def describe_ranks(nproc: int, settings: Train, n_cores: int) -> str:
    """What several ranks change, in a line; `n_cores`: how many cores this process may use."""
    own, whole = rows_of_rank(settings.batch_size, nproc), settings.batch_size
    grown = f", which makes batches of {nproc * own:,} rows in place of {whole:,}" if nproc * own != whole else ""
    beyond = f"; with {n_cores} cores they wait for each other" if n_cores < nproc and settings.device == "cpu" else ""
    return (
        f"ranks: {nproc} processes train each network together, one network after the other (train.threads is not "
        f"used), each with {own:,} rows of a batch{grown}{beyond}"
    )


def train_together(
    tasks: Sequence[MemberSpec], nproc: int, settings: Config, prep: Path, partial: Path, callbacks: Callbacks
) -> None:
    """Trains the networks with `nproc` ranks, and leaves each in the directory `partial`.

    Raises the error that a rank reports; `WorkerError` where ranks died more often than they are started again.
    """
    watch = Watch(
        on_share=lambda done, n: callbacks.on_step(round(1000 * done * len(tasks)), 1000 * n * len(tasks)),
        on_said=_each_epoch_once(callbacks),
    )
    for attempt in range(RESTARTS + 1):
        store = partial / f".ranks.tmp-{os.getpid()}-{attempt}"
        store.unlink(missing_ok=True)
        arguments = {"tasks": [asdict(task) for task in tasks], "settings": settings.dump(), "size": nproc}
        reads = {"prep": prep, "partial": partial, "store": store}
        calls = [Call(f"rank-{rank}", train_rank, {**arguments, "rank": rank}, reads) for rank in range(nproc)]
        try:
            run_processes(calls, nproc, partial, watch, _died, together=True)
            return
        except WorkerError:
            if attempt == RESTARTS:
                raise
        finally:
            store.unlink(missing_ok=True)


def _each_epoch_once(callbacks: Callbacks) -> Callable[[str, dict[str, str | float]], None]:
    """Passes epochs on to the callbacks; ranks that start again may repeat one."""
    reached: dict[str, int] = {}

    def said(rank: str, epoch: dict[str, str | float]) -> None:
        record = EpochRecord.from_state(epoch)
        if record.epoch > reached.get(record.network, 0):
            reached[record.network] = record.epoch
            callbacks.on_epoch(record)

    return said


def _died(lost: Sequence[str], nproc: int) -> WorkerError:
    return WorkerError(
        f"--nproc {nproc}: ranks died {RESTARTS + 1} times, the last time {lost[0]}; what is finished is kept",
        hint="--resume goes on from the last epoch; if memory is short, with fewer ranks, or one: --nproc 1",
    )


# ------------------------------------------------------------------------------------------ of a rank


def train_rank(
    tell: Tell,
    tasks: list[MemberState],
    settings: dict[str, object],
    rank: int,
    size: int,
    prep: Path,
    partial: Path,
    store: Path,
) -> None:
    """Trains the networks of the tasks together with the other ranks, which name the same `store`.

    The first rank tells epochs, and leaves checkpoints and networks in `partial`.
    """
    own = parse(settings, source="the settings of the training")
    prepared = directories.load_prep(prep, directories.judging_shard(prep))
    inputs = input_maker(prepared, own, shards_of(prep, partial))
    with one_thread(), joined(rank, size, store, own.train.device) as group:
        for i, task in enumerate(tasks):
            callbacks = _told(tell, i, len(tasks), task["name"] if len(tasks) > 1 else "")
            run_task(MemberSpec(**task), prepared, own, inputs, callbacks, partial, group)


def _told(tell: Tell, i: int, n: int, label: str) -> Callbacks:
    """The callbacks of the i-th of n networks."""
    return Callbacks(
        on_step=lambda done, total: tell({"share": (i + done / total) / n}),
        on_epoch=lambda record: tell({"said": replace(record, network=label).to_state()}),
    )
