"""How threads that share a computation wait for each other.

torch's threads meet at a barrier after each product, hundreds of times a second. By default a thread that comes early
spins there (libgomp: 300,000 turns). On a machine that also computes other things it so keeps a core from the late
thread, and two threads take thirty times as long as one. A thread that sleeps at the barrier leaves its core to the
other (`benchmarks/threads.py`). The runtime reads the setting once, when torch is loaded. A network is
trained in one thread, several side by side; threads share a computation in forecasts alone.
"""

import os

POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""The environment variables that say how OpenMP threads wait."""


def sleep_at_barriers() -> None:
    """Sets the environment variable that torch reads when it is loaded, unless one of `POLICIES` is set already.

    Has no effect on a torch that is loaded already; processes that are started later find the setting in any case.
    """
    if not any(name in os.environ for name in POLICIES):
        os.environ["OMP_WAIT_POLICY"] = "passive"


sleep_at_barriers()
