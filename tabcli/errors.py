"""Errors that a person can act on, each with the exit code that the command line ends with.

| exit code | meaning                                              |
|-----------|------------------------------------------------------|
| 0         | ok                                                   |
| 1         | a bug in tabcli                                      |
| 2         | wrong usage of the command line                      |
| 3         | a problem in the config                              |
| 4         | a problem in the data                                |
| 5         | a prep or run directory is corrupt or does not fit   |
| 6         | out of resources: disk, memory, a storage service    |
| 7         | a worker process failed                              |
| 130, 143  | stopped by Ctrl-C, by SIGTERM                        |
"""

import difflib
import errno
from collections.abc import Iterable
from typing import ClassVar


class TabcliError(Exception):
    """An expected failure: what went wrong and where, and in `hint` what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TabcliError):
    """The call itself does not make sense, whatever the data."""

    exit_code = 2


class ConfigError(TabcliError):
    """The config is not valid, or does not fit the tables."""

    exit_code = 3


class DataError(TabcliError):
    """A table is not as it must be."""

    exit_code = 4


class BundleError(TabcliError):
    """A prep or run directory lacks parts, is corrupt, or is something else."""

    exit_code = 5


class ResourceError(TabcliError):
    """The disk or the memory is full, or a storage service does not answer."""

    exit_code = 6


class WorkerError(TabcliError):
    """A process that trained one of several networks died or failed."""

    exit_code = 7


def error_of(kind: str, message: str, *, hint: str | None = None) -> TabcliError:
    """The error of a class by its name, as another process reports it; a `WorkerError` for a name that is no class.

    >>> error_of("DataError", "no rows").exit_code
    4
    """
    kinds = {c.__name__: c for c in TabcliError.__subclasses__()}
    return kinds.get(kind, WorkerError)(message, hint=hint)


def memory_error(error: BaseException) -> "ResourceError | None":
    """A `ResourceError` for an error that says the memory is full, torch's RuntimeErrors included; None for any other.

    >>> memory_error(MemoryError()).exit_code, memory_error(RuntimeError("shapes differ"))
    (6, None)
    """
    text = str(error)
    of_torch = isinstance(error, RuntimeError) and any(
        words in text for words in ("out of memory", "not enough memory", "can't allocate memory")
    )
    if not isinstance(error, MemoryError) and not of_torch:
        return None
    what = "the memory of the graphics card is full" if "CUDA" in text else "the memory is full"
    hint = "try fewer rows with --sample, a smaller table, or in training a smaller train.batch_size"
    return ResourceError(what, hint=hint)


def full_error(error: BaseException) -> "ResourceError | None":
    """The error of a full disk or memory as ours, whichever library raised it; None for any other error.

    >>> full_error(OSError(errno.ENOSPC, "No space left on device")).exit_code, full_error(OSError(errno.ENOENT, "x"))
    (6, None)
    """
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if full or "No space left on device" in str(error) or "File too large" in str(error):
        return ResourceError(f"the disk is full: {error}", hint="free some space; nothing was written at a final name")
    return memory_error(error)


# ------------------------------------------------------------------------------------- similar names


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of the names, if any is similar; case does not count.

    >>> nearest("stoer", ["Store", "Date"])
    'Store'
    """
    folded = {str(n).casefold(): str(n) for n in names}
    found = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?` with the nearest of the names, or "" where none is similar."""
    found = nearest(name, names)
    return f"; did you mean {found!r}?" if found else ""
