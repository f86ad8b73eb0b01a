"""Where networks are trained: in this process, in processes side by side, or on a Ray cluster; always the same bits."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tabcli.artifacts.contents import Prepared
from tabcli.config.schema import Config
from tabcli.training.cluster import connected, run_on_ray
from tabcli.training.inputs import Inputs
from tabcli.training.loop import Callbacks, one_thread
from tabcli.training.members import MemberSpec, TrainedMember, run_task
from tabcli.training.orders import Engine, TrainingJob
from tabcli.training.workers import run_processes

SHORT = 1000
"""So many batches take about as long as a process takes to start."""


@contextmanager
def engine(on: Engine) -> Iterator[None]:
    """With *ray* one connection to the cluster for all that is trained within the block."""
    if on != "ray":
        yield
        return
    with connected():
        yield


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    tasks: Sequence[MemberSpec],
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[MemberSpec], Inputs],
    callbacks: Callbacks,
    job: TrainingJob | None = None,
) -> list[TrainedMember]:
    """Trains several networks: on a Ray cluster, or each in a process, `train.threads` at a time (null: one per core).

    In this process, one after the other: a single task, without a job, or where training takes less time than starting
    processes. Raises `WorkerError` where a process died; the others are trained to their end first, and every finished
    network stays in the job's `partial`.
    """
    partial, shards = (job.partial, job.shards()) if job else (None, None)
    open_tasks = [t for t in tasks if partial is None or not (partial / f"{t.name}.done.safetensors").exists()]
    n = 1 if shards is None else shards.n
    # Beside a network that learns from several shards another process draws the next epoch.
    at_a_time = min(settings.train.threads or -(-n_cores() // (1 if n == 1 else 2)), len(open_tasks))
    long = at_a_time > 1 and n * n_steps(open_tasks, prepared, settings) > SHORT
    if job is not None and job.on == "ray" and open_tasks:
        run_on_ray(open_tasks, job, callbacks)
    elif job is not None and job.on == "processes" and long:
        run_processes(open_tasks, at_a_time, job, callbacks)
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
