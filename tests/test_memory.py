"""The memory of a process: what Linux itself counts, and what is freed is taken again without asking for it."""

import ctypes
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tabcli import memory

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, sets glibc's malloc")


def told(script: str) -> Any:
    """What a new process prints as JSON."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@linux
def test_the_peak_is_that_of_the_process_or_of_its_largest_child() -> None:
    own, with_child, counted = told(
        "import re, subprocess, sys, json\n"
        "from tabcli.memory import peak_megabytes\n"
        "own = peak_megabytes()\n"
        "subprocess.run([sys.executable, '-c', 'bytearray(300 << 20)'], check=True)\n"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]) / 1024\n"
        "print(json.dumps([own, peak_megabytes(), peak]))"
    )
    assert own == pytest.approx(counted, abs=4)
    assert own < 200
    assert 300 <= with_child < 340


@pytest.mark.parametrize(
    ("platform", "unit"), [("linux", 1 << 10), ("darwin", 1 << 20), ("freebsd14", 1 << 10), ("win32", None)]
)
def test_the_peak_is_in_megabytes_whatever_the_system_counts_in(
    platform: str, unit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS counts in bytes, others in kilobytes, Windows not at all; Linux says the own peak better elsewhere."""
    counts = {1: 5 * (unit or 0), 2: 9 * (unit or 0)}
    counter = SimpleNamespace(
        RUSAGE_SELF=1, RUSAGE_CHILDREN=2, getrusage=lambda who: SimpleNamespace(ru_maxrss=counts[who])
    )
    monkeypatch.setattr(memory, "resource", counter)
    monkeypatch.setattr(memory, "_STATUS", "no such file")
    monkeypatch.setattr(memory.sys, "platform", platform)
    assert memory.peak_megabytes() == (9 if unit else 0)


FREED = """
import ctypes, json, resource
from tabcli.memory import reuse_freed_memory
if {kept}:
    reuse_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def fill():
    before, arrays = faults(), [b"x" * (20 << 20) for _ in range(4)]
    del arrays
    return faults() - before
fill()
print(json.dumps(fill()))
"""


@linux
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_what_was_freed_is_used_again_without_asking_the_system_for_it() -> None:
    pages = 4 * (20 << 20) // 4096
    asked, kept = (told(FREED.format(kept=kept)) for kept in (False, True))
    assert kept < pages / 100
    assert asked > 20 * max(kept, 1), "without it each array's pages are asked for anew"


@linux
def test_arrow_takes_its_memory_from_the_same_store_and_the_c_library_takes_each_option() -> None:
    before, after, taken = told(
        "import ctypes, json, pyarrow\n"
        "from tabcli import memory\n"
        "before, taken, library = pyarrow.default_memory_pool().backend_name, [], ctypes.CDLL\n"
        "def watched(name):\n"
        "    mallopt = getattr(library(name), 'mallopt', None)\n"
        "    call = lambda option, value: taken.append([option, mallopt(option, value) if mallopt else 1])\n"
        "    return type('Library', (), {'mallopt': staticmethod(call)})\n"
        "ctypes.CDLL = watched\n"
        "memory.reuse_freed_memory()\n"
        "print(json.dumps([before, pyarrow.default_memory_pool().backend_name, taken]))"
    )
    assert after == "system"
    assert sorted(option for option, _ in taken) == [-8, -3, -2, -1], before
    assert all(done == 1 for _, done in taken), "0 is a refusal"


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow

    monkeypatch.setattr(pyarrow, "set_memory_pool", lambda pool: None)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace())
    memory.reuse_freed_memory()
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("only Linux has glibc"))
    memory.reuse_freed_memory()
