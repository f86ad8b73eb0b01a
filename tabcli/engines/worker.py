"""A process that does pieces of work: `python -m tabcli.engines.worker`, started by `processes`.

It reads orders from standard input and answers on standard output, both in lines of JSON, one order after the other.
It ends when its parent does, in the midst of its work; it ignores Ctrl-C, which is the parent's to handle.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
from typing import TextIO

from tabcli.engines.calls import Message, perform
from tabcli.leaving import leave

SHARE_SECONDS = 0.2  # between two messages of how much is done


def main() -> None:
    """Does one order after the other until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _own_stdout()
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    last_sent = 0.0

    def tell(message: Message) -> None:
        nonlocal last_sent
        if "share" in message:
            now = time.monotonic()
            if now - last_sent < SHARE_SECONDS and message["share"] < 1:
                return
            last_sent = now
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    while order := json.loads(orders.get()):
        with open(order["log"], "wb") as log:
            os.dup2(log.fileno(), 2)
        tell(perform(order, tell))


def _own_stdout() -> TextIO:
    """Standard output for the answers alone: what a library prints goes to standard error from now on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read(orders: "queue.SimpleQueue[str]") -> None:
    """Standard input closes when the parent ends, however that came."""
    for line in sys.stdin:
        orders.put(line)
    os._exit(1)


if __name__ == "__main__":
    main()
    leave(0)
