"""Where networks are trained: in this process, in processes side by side, or on a Ray cluster; always the same bits.

A network that is trained elsewhere is a `Call` of `train_network`. What is finished stays in the job's `partial`, where
`--resume` finds it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tabcli.artifacts.contents import Prepared
from tabcli.artifacts.records import EpochRecord
from tabcli.bundle import directories
from tabcli.config.loading import parse
from tabcli.config.schema import Config
from tabcli.engines.calls import Call, Engine, Tell, Watch, first_three
from tabcli.engines.running import n_cores, run
from tabcli.errors import WorkerError
from tabcli.training.inputs import Inputs
from tabcli.training.loop import Callbacks, one_thread
from tabcli.training.members import MemberSpec, MemberState, TrainedMember, done_path, input_maker, run_task
from tabcli.training.ranks import train_together
from tabcli.training.shards import Shards, shards_of

SHORT = 1000
"""So many batches take about as long as a process takes to start."""


@dataclass(frozen=True)
class TrainingJob:
    """What training elsewhere needs: the prep directory, the settings, the directory `partial` for checkpoints.

    `on`: where networks are trained: *here* is this process, *processes* others beside it. `nproc`: so many processes
    train each network together.
    """

    prep: Path
    settings: Config
    partial: Path
    on: Engine = "processes"
    nproc: int = 1

    def shards(self) -> Shards | None:
        """The shards of the prep; None where it is kept in memory as a whole."""
        return shards_of(self.prep, self.partial, beside=self.on != "here")


def run_tasks(
    tasks: Sequence[MemberSpec],
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[MemberSpec], Inputs],
    callbacks: Callbacks,
    job: TrainingJob | None = None,
) -> list[TrainedMember]:
    """Trains several networks: on a Ray cluster, or each in a process, `train.threads` at a time (null: one per core).

    With `nproc` of the job so many processes train each together, one network after the other.

    In this process, one after the other: a single task, without a job, or where training takes less time than starting
    processes. Raises `WorkerError` where a process died; the others are trained to their end first, and every finished
    network stays in the job's `partial`.
    """
    partial, shards = (job.partial, job.shards()) if job else (None, None)
    open_tasks = [t for t in tasks if partial is None or not done_path(partial, t).exists()]
    # Beside a network that learns from several shards another process draws the next epoch.
    n, each = (1, 1) if shards is None else (shards.n, 2)
    at_a_time = min(settings.train.threads or -(-n_cores() // each), len(open_tasks))
    long = at_a_time > 1 and n * n_steps(open_tasks, prepared, settings) > SHORT
    if job is not None and open_tasks and job.nproc > 1:
        train_together(open_tasks, job.nproc, settings, job.prep, job.partial, callbacks)
    elif job is not None and open_tasks and (job.on == "ray" or (job.on == "processes" and long)):
        train_elsewhere(open_tasks, at_a_time, job, callbacks)
    results = []
    with one_thread():
        for i, task in enumerate(tasks):
            part = _part(callbacks, i, len(tasks), task.name if len(tasks) > 1 else "")
            results.append(run_task(task, prepared, settings, inputs, part, partial))
    return results


def train_elsewhere(tasks: Sequence[MemberSpec], at_a_time: int, job: TrainingJob, callbacks: Callbacks) -> None:
    """Leaves each network in the job's `partial`. Raises as `run_tasks` does."""
    calls = [call_of(task, job) for task in tasks]
    watch = Watch(
        on_share=lambda done, n: callbacks.on_step(round(1000 * done), 1000 * n),
        on_said=lambda name, epoch: callbacks.on_epoch(replace(EpochRecord.from_state(epoch), network=name)),
    )
    run(calls, job.on, at_a_time, job.partial, watch, lost_networks)


def call_of(task: MemberSpec, job: TrainingJob) -> Call:
    """The training of a network, for another process."""
    arguments = {"task": asdict(task), "settings": job.settings.dump()}
    return Call(task.name, train_network, arguments, {"prep": job.prep}, {"network": done_path(job.partial, task)})


def train_network(tell: Tell, task: MemberState, settings: dict[str, object], prep: Path, network: Path) -> None:
    """Trains the network of a task, in one thread, with its checkpoints beside its file `network`."""
    own = parse(settings, source="the settings of the training")
    prepared = directories.load_prep(prep, directories.judging_shard(prep))
    shards = shards_of(prep, network.parent)
    callbacks = Callbacks(
        on_step=lambda done, total: tell({"share": done / total}),
        on_epoch=lambda record: tell({"said": record.to_state()}),
    )
    with one_thread():
        run_task(MemberSpec(**task), prepared, own, input_maker(prepared, own, shards), callbacks, network.parent)


def lost_networks(lost: Sequence[str], n_tasks: int) -> WorkerError:
    """The error for networks that could not be trained; `lost`: the name of each, and why."""
    return WorkerError(
        f"{len(lost)} of {n_tasks} networks could not be trained: {first_three(lost)}; the others are kept",
        hint="--resume trains the missing ones; if memory is short, one at a time: -S train.threads=1",
    )


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
