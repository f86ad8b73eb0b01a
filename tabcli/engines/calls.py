"""A piece of work that any process can do, on whichever machine, and what comes back from it.

    Call(name, function, arguments, reads, leaves)
      name       of this piece among the others, such as member-0: for messages and logs
      function   of a module that any process imports: function(tell, **arguments, **reads, **leaves) → a small result
      arguments  small values that JSON has
      reads      files or directories that it reads, or some files of a directory
      leaves     files or directories that it leaves

A function writes what it leaves whole or not at all (`files.atomic_file`, `files.whole_directory`), and the same bytes
whenever it is called: a piece whose process was lost may be done twice.
"""

import importlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from tabcli.errors import TabcliError, WorkerError, error_of, full_error

Engine = Literal["here", "processes", "ray"]


class ErrorMessage(TypedDict):
    """A `TabcliError` by the name of its class."""

    kind: str
    message: str
    hint: str | None


class Message(TypedDict, total=False):
    """What a piece of work says; one of these keys.

    `share`: how much of it is done, 0 to 1. `said`: something of its own. At its end `result` or `error`.
    """

    share: float
    said: Any
    result: Any
    error: ErrorMessage


Tell = Callable[[Message], None]


@dataclass(frozen=True)
class Some:
    """Of a directory the files that a call reads, by patterns such as 00017.*: no others travel to another machine."""

    folder: Path
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A piece of work, as the module describes it. Names of arguments and of files are those of the parameters."""

    name: str
    function: Callable[..., object]
    arguments: Mapping[str, object] = field(default_factory=dict)
    reads: Mapping[str, Path | Some] = field(default_factory=dict)
    leaves: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Watch:
    """What is called meanwhile. `on_share(done, n)`: the sum of the n calls' shares. `on_said(name, said)`: of a call.

    On a cluster a call's words arrive when it has ended.
    """

    on_share: Callable[[float, int], None] = lambda done, n: None
    on_said: Callable[[str, Any], None] = lambda name, said: None


Lost = Callable[[Sequence[str], int], WorkerError]
"""The error for calls that were lost, from the name of each with the reason, and how many calls there were."""


def lost_calls(lost: Sequence[str], n_calls: int) -> WorkerError:
    """The error for lost calls where the caller has no words of its own."""
    return WorkerError(
        f"{len(lost)} of {n_calls} parts of the work could not be done: {first_three(lost)}",
        hint="try again; if memory is short, with fewer at a time",
    )


def first_three(names: Sequence[str]) -> str:
    """At most three of the names.

    >>> first_three(["a", "b", "c", "d"])
    'a, b, c, …'
    """
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


class Order(TypedDict):
    """A call as JSON. `files`: the paths of all that it reads and leaves."""

    function: str
    arguments: dict[str, object]
    files: dict[str, str]


def order_of(call: Call) -> Order:
    """What another process is to do. Relative paths become absolute: its current directory is another."""
    paths = {**{name: path_of(read) for name, read in call.reads.items()}, **call.leaves}
    return {
        "function": f"{call.function.__module__}:{call.function.__qualname__}",
        "arguments": as_json(dict(call.arguments)),
        "files": {name: str(path.absolute()) for name, path in paths.items()},
    }


def path_of(read: Path | Some) -> Path:
    """The file or directory that a call reads, or reads of."""
    return read.folder if isinstance(read, Some) else read


def as_json(value: object) -> Any:
    """What JSON makes of a value: on every engine a tuple arrives as a list."""
    return json.loads(json.dumps(value))


def perform(order: Order, tell: Tell) -> Message:
    """The message that an order's work ends with: its result, or an error of ours. Other errors are raised."""
    module, _, name = order["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    paths = {name: Path(path) for name, path in order["files"].items()}
    try:
        return {"result": as_json(function(tell, **order["arguments"], **paths))}
    except TabcliError as error:
        return error_message(error)
    except Exception as error:
        if not (full := full_error(error)):
            raise
        return error_message(full)


def error_message(error: TabcliError) -> Message:
    """The message that reports an error to the process that asked, which raises it again."""
    return {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}


def result_of(message: Message) -> Any:
    """The result that a call ended with. Raises its error."""
    if "error" in message:
        error = message["error"]
        raise error_of(error["kind"], error["message"], hint=error["hint"])
    return message["result"]


def tidy(call: Call) -> None:
    """Removes the temporary files beside what a call left, of tries that were killed."""
    for path in call.leaves.values():
        for old in path.parent.glob(f".{path.name}.tmp-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
