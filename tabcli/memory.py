"""The memory of this process: kept for its next arrays, and measured."""

import ctypes
import re
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource


_TRIM_FROM, _AHEAD, _MMAP_FROM, _ARENAS = -1, -2, -3, -8
"""The numbers of glibc's malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD and M_ARENA_MAX."""


def reuse_freed_memory() -> None:
    """From now on this process keeps what it frees for its next arrays, where the C library is glibc.

    Otherwise the process asks the system for the memory of every large array anew, a page at a time, and gives it back,
    which takes a fourth of the time of a prep. Arrow takes its memory from the same store, which lowers the peak. This
    is for processes that do one thing and end, such as `tabcli prep`.
    """
    import pyarrow  # here, for --help needs none of it

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    if sys.platform.startswith("linux"):
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        for option, value in (_ARENAS, 1), (_MMAP_FROM, 32 << 20), (_TRIM_FROM, 2**31 - 1), (_AHEAD, 64 << 20):
            if set_option is not None:
                set_option(option, value)


def return_freed_memory() -> None:
    """From now on this process gives the memory of large arrays back as soon as they are freed, where it may.

    That takes a fourth of the time again, and spares as much memory: for processes of which several run side by side.
    """
    if sys.platform.startswith("linux"):
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(_MMAP_FROM, 1 << 20)


_STATUS = "/proc/self/status"
"""Where Linux says the peak of this program alone; the usual count begins with that of the program that started it."""


def peak_megabytes() -> int:
    """The largest memory, in MB, that this process or one of its children has had so far; 0 on Windows."""
    if sys.platform == "win32":  # has no such count
        return 0
    own, of_children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    kilobyte = 1024 if sys.platform == "darwin" else 1  # macOS counts in bytes
    return round(max(_own_kilobytes() or own / kilobyte, of_children / kilobyte) / 1024)


def _own_kilobytes() -> int | None:
    """The peak of this program by Linux; None where there is no such file."""
    try:
        status = Path(_STATUS).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else None
