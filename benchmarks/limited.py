"""A command under a limit of memory, with all its processes: seconds, and the largest memory that they had together.

The limit is that of a cgroup where one can be made (version 1: `memory.limit_in_bytes`, version 2: `memory.max`), in
which files that are only cached do not count, since the kernel drops them first. Elsewhere the processes are ended once
their memory, looked at ten times a second, is beyond it. That memory is the sum of their PSS: pages that several share
count in part for each.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Limited:
    """`cpu_seconds`: of the command and of what it started and waited for. `megabytes`: at the peak, of all processes
    together. `held_by`: what held the limit, "" without one.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float
    held_by: str


def run(command: Sequence[str | Path], gigabytes: float | None = None) -> Limited:
    """Runs a command to its end. Raises `SystemExit` with what it said where it failed or was ended by the limit."""
    group, held_by = _group(gigabytes) if gigabytes else (None, "")
    started, cpu_before, most = time.perf_counter(), _cpu_of_children(), 0.0
    words = [str(c) for c in command]
    if group is not None:
        words = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"), *words]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True)
        try:
            while process.poll() is None:
                most = max(most, memory_of(tree(process.pid)))
                if gigabytes and group is None and most > gigabytes * 1000:
                    os.killpg(process.pid, signal.SIGKILL)
                time.sleep(LOOK_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # of what it started, nothing is left
            process.wait()
            if group is not None:
                _remove(group)
        seconds = time.perf_counter() - started
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-3000:]
    if process.returncode:
        limit = f" within {gigabytes} GB (held by {held_by}), at {most:.0f} MB" if gigabytes else ""
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {process.returncode}{limit}:\n{said}")
    return Limited(seconds, _cpu_of_children() - cpu_before, most, held_by)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tabcli(*arguments: str | Path, gigabytes: float | None = None) -> Limited:
    """`tabcli …` of this environment."""
    return run([sys.executable, "-m", "tabcli", *arguments], gigabytes)


def _group(gigabytes: float) -> tuple[Path | None, str]:
    """A new cgroup with the limit, and its version; None where none can be made."""
    name = f"tabcli-{os.getpid()}"
    for group, file, version in (
        (CGROUPS / "memory" / name, "memory.limit_in_bytes", "cgroup v1"),
        (CGROUPS / name, "memory.max", "cgroup v2"),
    ):
        try:
            group.mkdir()
            (group / file).write_text(str(int(gigabytes * 1e9)))
            return group, version
        except OSError:
            with suppress(OSError):
                group.rmdir()
    return None, "a look ten times a second"


def _remove(group: Path) -> None:
    for _ in range(50):  # until its last process has gone
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def memory_of(pids: Sequence[int]) -> float:
    """The PSS of processes, MB."""
    kilobytes = 0
    for pid in pids:
        with suppress(OSError, IndexError, ValueError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kilobytes += int(text.split("\nPss:", 1)[1].split(maxsplit=1)[0])
    return kilobytes / 1024
