"""How threads that share a computation wait for each other.

torch's threads meet at a barrier after each product, hundreds of times a second. One that comes early spins there by
default (libgomp: 300,000 turns). On a machine that computes other things as well it so keeps the late one from a core,
and two threads take thirty times as long as one. A thread that sleeps there leaves its core to the other
(`benchmarks/threads.py`). The runtime reads the setting once, when torch is loaded.
"""

import os
import sys

POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def sleep_at_barriers() -> int | None:
    """Sets what torch is to find when it is loaded; what the environment says about waiting already is kept.

    Returns how many threads a network should be trained in: as many as torch takes (None), or one where torch was
    loaded before and its threads spin. Processes that are started later find the setting in any case.
    """
    spins = "torch" in sys.modules and not any(name in os.environ for name in POLICIES)
    if not any(name in os.environ for name in POLICIES):
        os.environ["OMP_WAIT_POLICY"] = "passive"
    return 1 if spins else None


THREADS = sleep_at_barriers()
