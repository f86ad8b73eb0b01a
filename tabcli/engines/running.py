"""Several pieces of work, wherever it is asked for: in this process, in others beside it, or on a Ray cluster."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tabcli.engines.calls import Call, Engine, Lost, Message, Watch, as_json, lost_calls, order_of, perform, result_of
from tabcli.engines.cluster import connected, run_on_ray
from tabcli.engines.processes import run_processes


@contextmanager
def engine(on: Engine) -> Iterator[None]:
    """With *ray* one connection to the cluster for all that is done within the block."""
    if on != "ray":
        yield
        return
    with connected():
        yield


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    calls: Sequence[Call],
    on: Engine,
    at_a_time: int,
    logs: Path,
    watch: Watch = Watch(),  # noqa: B008 (it cannot change)
    lost: Lost = lost_calls,
) -> list[Any]:
    """The results of the calls, in their order; what they leave lies at its names then.

    at_a_time: how many processes; on Ray its nodes' cores decide.
    logs: the folder for what processes write to standard error; NAME.log stays there if NAME was lost.
    watch: what is called meanwhile.

    Raises the error of a call at once: the first in time, which may differ from run to run where several calls fail; so
    what is wrong with the data is better a result. Calls whose process was lost are done again on Ray, three times at
    most; what is still lost, or was in a process beside this one, becomes the `WorkerError` that `lost` makes, once the
    others are done.
    """
    for path in (path for call in calls for path in call.leaves.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
    match on:
        case "here":
            results = _run_here(calls, watch)
        case "processes":
            results = run_processes(calls, at_a_time, logs, watch, lost)
        case "ray":
            results = run_on_ray(calls, watch, lost)
    return [results[call.name] for call in calls]


def _run_here(calls: Sequence[Call], watch: Watch) -> dict[str, object]:
    results = dict[str, object]()
    for i, call in enumerate(calls):

        def tell(message: Message, i: int = i, name: str = call.name) -> None:
            if "said" in message:
                watch.on_said(name, as_json(message["said"]))
            else:
                watch.on_share(i + message["share"], len(calls))

        results[call.name] = result_of(perform(order_of(call), tell))
        watch.on_share(i + 1, len(calls))
    return results
