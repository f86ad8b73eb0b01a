"""A command as a whole process: seconds, and megabytes at the peak (its own and its children's largest)."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """`seconds` on the clock, `cpu_seconds` of all its threads and children, `megabytes` of the largest process."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def run(command: Sequence[str | Path], quiet: bool = True) -> Cost:
    """Runs a command to its end. Raises `SystemExit` with what it said where it failed."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.DEVNULL if quiet else None, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {process.returncode}:\n{said}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def tabcli(*arguments: str | Path) -> Cost:
    """`tabcli …` of this environment."""
    return run([sys.executable, "-m", "tabcli", *arguments])


def as_dict(cost: Cost) -> dict[str, float]:
    """Rounded, for JSON."""
    return {name: round(value, 3) for name, value in asdict(cost).items()}
