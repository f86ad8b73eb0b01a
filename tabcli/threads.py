"""How threads that share a computation wait for each other.

torch's threads meet at a barrier after each product, hundreds of times a second. One that comes early spins there by
default (libgomp: 300,000 turns). On a machine that computes other things as well it so keeps the late one from a core,
and two threads take thirty times as long as one. A thread that sleeps there leaves its core to the other
(`benchmarks/threads.py`). The runtime reads the setting once, when torch is loaded.
"""

import os

POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def sleep_at_barriers() -> None:
    """Sets what torch is to find when it is loaded; what the environment says about waiting already is kept.

    Where torch was loaded before, its threads spin; processes that are started later find the setting in any case.
    """
    if not any(name in os.environ for name in POLICIES):
        os.environ["OMP_WAIT_POLICY"] = "passive"


sleep_at_barriers()
