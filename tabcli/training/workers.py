"""Networks side by side: one process each, one thread each, every finished one kept."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.config.learning import Train
from tabcli.config.schema import Config
from tabcli.errors import TabcliError, WorkerError
from tabcli.target_history.statistics import History
from tabcli.training import loop
from tabcli.training.inputs import Inputs, Rows, history_of, make_inputs, scorer
from tabcli.training.loop import Callbacks, Checkpoint, FitResult
from tabcli.training.network import ModelSpec

# ------------------------------------------------------------------------------------- one network


@dataclass(frozen=True)
class MemberSpec:
    """One network to train: the i-th, on which rows and for how long."""

    name: str
    rows: Rows
    member: int
    seed: int
    epochs: int
    """How many epochs are run. A refit may stop before the schedule's end, where the best epoch was."""


@dataclass(frozen=True)
class TrainedMember:
    """A trained network: its kept weights, and its outputs for the scored rows, float32 (n,).

    `n_rows`: how many rows it learned from.
    """

    task: MemberSpec
    spec: ModelSpec
    fit: FitResult
    outputs: NDArray[np.float32]
    n_rows: int


def input_maker(prepared: Prepared, settings: Config) -> Callable[[MemberSpec], Inputs]:
    """Tasks → their inputs, each made once."""

    @cache
    def past() -> History | None:
        return history_of(prepared)

    @cache
    def made(rows: Rows, variant: int) -> Inputs:
        own = settings.of_member(variant)
        return make_inputs(prepared, own, rows, None if own.model.history == "none" else past())

    return lambda task: made(task.rows, task.member % max(1, len(settings.variants)))


def run_task(
    task: MemberSpec,
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[MemberSpec], Inputs],
    callbacks: Callbacks,
    partial: Path | None = None,
) -> TrainedMember:
    """Trains a task's network; with `partial`, going on from the checkpoint there, and leaving one after each epoch.

    A task that was finished there is not trained again.
    """
    done = partial / f"{task.name}.done.safetensors" if partial else None
    if done is not None and done.exists():
        return _load_trained(done, task)
    made = inputs(task)
    point = partial / f"{task.name}.safetensors" if partial else None
    resume = None
    if point is not None:
        callbacks = replace(callbacks, on_checkpoint=lambda state: _save_checkpoint(point, state))
        resume = _load_checkpoint(point) if point.exists() else None
    fit = loop.fit(
        made.spec,
        _train_settings(settings, task),
        made.train,
        made.valid,
        score=scorer(prepared, made.scored),
        by=f"valid_{prepared.fitted.config.metric}",
        seed=task.seed,
        stop_after=task.epochs,
        callbacks=callbacks,
        resume=resume,
    )
    model = loop.load_model(made.spec, fit.weights)
    trained = TrainedMember(task, made.spec, fit, loop.predict_outputs(model, made.valid), len(made.train))
    if done is not None:
        _save_trained(done, trained)
    return trained


def _train_settings(settings: Config, task: MemberSpec) -> Train:
    """A probe runs its own, shorter schedule; a probe and a refit keep the last epoch, which nothing chose."""
    changes: dict[str, Any] = {}
    settings = settings.of_member(task.member)
    if task.rows == "probe":
        changes["epochs"] = task.epochs
    if task.rows != "valid":
        changes |= {"keep": "last", "patience": None}
    return settings.train.model_copy(update=changes)


def _save_checkpoint(path: Path, state: Checkpoint) -> None:
    facts = {"epoch": state.epoch, "history": state.history, "best_epoch": state.best_epoch}
    directories.save_tensors(path, state.tensors, facts)


def _load_checkpoint(path: Path) -> Checkpoint:
    tensors, facts = directories.load_tensors(path)
    return Checkpoint(facts["epoch"], tensors, facts["history"], facts["best_epoch"])


def _save_trained(path: Path, trained: TrainedMember) -> None:
    tensors = {f"weights/{k}": v for k, v in trained.fit.weights.items()}
    tensors["outputs"] = trained.outputs
    facts = {"history": trained.fit.history, "best_epoch": trained.fit.best_epoch, "n_rows": trained.n_rows}
    directories.save_tensors(path, tensors, {**facts, "network": trained.spec.to_dict()})


def _load_trained(path: Path, task: MemberSpec) -> TrainedMember:
    tensors, facts = directories.load_tensors(path)
    outputs = tensors.pop("outputs")
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items()}
    spec = ModelSpec.from_dict(facts["network"])
    return TrainedMember(
        task, spec, FitResult(weights, facts["best_epoch"], facts["history"]), outputs, facts["n_rows"]
    )


# -------------------------------------------------------------------------------- several, side by side


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class TrainingJob:
    """Where networks are trained: from which prep on the disk, with which settings, and where their states go."""

    prep: Path
    settings: Config
    partial: Path


def run_tasks(
    tasks: Sequence[MemberSpec],
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[MemberSpec], Inputs],
    callbacks: Callbacks,
    workshop: TrainingJob | None = None,
) -> list[TrainedMember]:
    """Trains several networks: one process each, as many at a time as there are cores, one thread each.

    With one task, or without a workshop, in this process. Raises `WorkerError` where a process died; the others are
    trained to their end first, and all that is finished stays in the workshop's `partial`.
    """
    partial = workshop.partial if workshop else None
    open_tasks = [t for t in tasks if partial is None or not (partial / f"{t.name}.done.safetensors").exists()]
    if workshop is not None and len(open_tasks) > 1 and n_cores() > 1:
        _run_processes(open_tasks, workshop, callbacks)
    results = []
    for i, task in enumerate(tasks):
        part = _part(callbacks, i, len(tasks), task.name if len(tasks) > 1 else "")
        results.append(run_task(task, prepared, settings, inputs, part, partial))
    return results


def _part(callbacks: Callbacks, i: int, n: int, label: str) -> Callbacks:
    """The callbacks of the i-th of n networks that are trained one after the other."""
    return replace(
        callbacks,
        on_model=callbacks.on_model if i == 0 else lambda text: None,
        on_step=lambda done, total: callbacks.on_step(i * total + done, n * total),
        on_epoch=lambda record: callbacks.on_epoch({**record, "network": label} if label else record),
    )


def _run_processes(tasks: Sequence[MemberSpec], workshop: TrainingJob, callbacks: Callbacks) -> None:
    context = multiprocessing.get_context("spawn")
    waiting, failed = list(tasks), []
    running: dict[Any, tuple[MemberSpec, Any]] = {}  # by the connection that the process reports on
    progress: dict[str, float] = {t.name: 0.0 for t in tasks}
    try:
        while waiting or running:
            while waiting and len(running) < n_cores():
                task = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(task, workshop, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = (task, process)
            ready: list[Any] = wait(list(running))
            for connection in ready:
                task, process = running[connection]
                try:
                    kind, value = connection.recv()
                except EOFError:
                    process.join()
                    del running[connection]
                    if process.exitcode != 0:
                        failed.append(f"{task.name} (exit code {process.exitcode})")
                    continue
                if kind == "error":
                    raise value
                if kind == "epoch":
                    callbacks.on_epoch({**value, "network": task.name})
                else:
                    progress[task.name] = value
                    callbacks.on_step(round(1000 * sum(progress.values())), 1000 * len(tasks))
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()
    if failed:
        raise WorkerError(
            f"{len(failed)} of {len(tasks)} networks could not be trained: {', '.join(failed)}; the others are kept",
            hint="--resume trains the missing ones; if memory is short, fewer at a time with OMP or taskset",
        )


def _work(task: MemberSpec, workshop: TrainingJob, connection: Connection) -> None:
    """What a process does: one network, reported step by step. Ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(workshop.settings.train.threads or 1)
    parent = multiprocessing.parent_process()
    told = 0.0

    def on_step(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > 0.2 or done == total:
            told = now
            if parent is not None and not parent.is_alive():
                os._exit(1)
            connection.send(("step", done / total))

    callbacks = Callbacks(on_step=on_step, on_epoch=lambda record: connection.send(("epoch", record)))
    try:
        prepared = directories.load_prep(workshop.prep)
        inputs = input_maker(prepared, workshop.settings)
        run_task(task, prepared, workshop.settings, inputs, callbacks, workshop.partial)
    except TabcliError as error:
        connection.send(("error", error))
