"""What a process that trains a network is told, and what it answers: lines of JSON, whichever machine it runs on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypedDict

from tabcli.bundle import directories
from tabcli.config.loading import parse
from tabcli.config.schema import Config
from tabcli.errors import TabcliError, WorkerError
from tabcli.training.members import MemberSpec
from tabcli.training.shards import Shards

Engine = Literal["here", "processes", "ray"]


@dataclass(frozen=True)
class TrainingJob:
    """What training elsewhere needs: the prep directory, the settings, the directory `partial` for checkpoints.

    `on`: where networks are trained: *here* is this process, *processes* others beside it.
    """

    prep: Path
    settings: Config
    partial: Path
    on: Engine = "processes"

    def shards(self) -> Shards | None:
        """The shards of the prep; None where it is kept in memory as a whole."""
        n = directories.n_shards(self.prep)
        return Shards(self.prep, n, self.partial, self.on != "here") if n > 1 else None


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


def lost_error(lost: Sequence[str], n_tasks: int) -> WorkerError:
    """The error for networks that could not be trained; `lost`: the name of each, and why."""
    shown = ", ".join(lost[:3]) + (", …" if len(lost) > 3 else "")
    return WorkerError(
        f"{len(lost)} of {n_tasks} networks could not be trained: {shown}; the others are kept",
        hint="--resume trains the missing ones; if memory is short, one at a time: -S train.threads=1",
    )
