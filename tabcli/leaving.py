"""How a process ends once its work is done.

The libraries that compute keep threads of their own. Arrow's are still ending while the C++ runtime takes their pool
down, which now and then aborts the process (`terminate called without an active exception`, apache/arrow#34314):
exit code 134 after everything was written. `leave` therefore takes nothing down, which the system does anyway.
"""

import atexit
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends this process with an exit code: Python's exit functions are run, what was printed is written out."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads on, or it is closed
            code = code or 1
    os._exit(code)
