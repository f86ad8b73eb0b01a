"""The process that trains one network: `python -m tabcli.training.worker`, started by `workers`.

It reads its order from standard input and reports on standard output, both in lines of JSON. It ends when its parent
ends, and ignores Ctrl-C, which is the parent's to handle.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import TextIO

import torch

from tabcli.bundle import directories
from tabcli.errors import TabcliError, full_error
from tabcli.leaving import leave
from tabcli.training.loop import Callbacks
from tabcli.training.members import input_maker, run_task
from tabcli.training.orders import Message, error_message, read_order

STEP_SECONDS = 0.2  # between two reports of progress


def main() -> None:
    """Trains the network of the order and leaves it in the job's `partial`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reports = _own_stdout()
    task, job = read_order(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)

    def send(message: Message) -> None:
        reports.write(json.dumps(message) + "\n")
        reports.flush()

    last_sent = 0.0

    def on_step(done: int, total: int) -> None:
        nonlocal last_sent
        now = time.monotonic()
        if now - last_sent > STEP_SECONDS or done == total:
            last_sent = now
            send({"step": done / total})

    callbacks = Callbacks(on_step=on_step, on_epoch=lambda record: send({"epoch": record.to_state()}))
    try:
        prepared = directories.load_prep(job.prep, 0)
        inputs = input_maker(prepared, job.settings, job.shards())
        run_task(task, prepared, job.settings, inputs, callbacks, job.partial)
    except TabcliError as error:
        send(error_message(error))
    except Exception as error:
        if not (full := full_error(error)):
            raise
        send(error_message(full))


def _own_stdout() -> TextIO:
    """Standard output for the reports alone: what a library prints goes to standard error from now on."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return reports


def _end_with_parent() -> None:
    """Standard input closes when the parent ends, however that came. Nothing more is ever written to it."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
    leave(0)
