"""The process that draws the rows of each epoch: `python -m tabcli.training.drawer`, started by `streamed`.

It reads its order and the epochs from standard input, and answers a line of JSON on standard output for each epoch. It
ends when its parent ends, and ignores Ctrl-C, which is the parent's to handle.
"""

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import torch

from tabcli.config.loading import parse
from tabcli.errors import TabcliError, full_error
from tabcli.training.shards import ShardRows, Shards


def main() -> None:
    """Draws one epoch after the other, as they are asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to standard error
    order = json.loads(sys.stdin.readline())
    epochs: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(epochs,), daemon=True).start()
    while True:
        answers.write(json.dumps(drawn(order, epochs.get())) + "\n")
        answers.flush()


def _listen(epochs: "queue.SimpleQueue[int]") -> None:
    """Hears of epochs; standard input closes when the parent ends, however that came."""
    for line in sys.stdin:
        epochs.put(int(line))
    os._exit(1)


def drawn(order: dict[str, Any], epoch: int) -> dict[str, object]:
    """Draws an epoch of all shards; what is answered."""
    try:
        shards = Shards(Path(order["prep"]), order["n"], Path(order["work"]))
        settings = parse(order["settings"], source="the settings of the training")
        source = ShardRows(shards, settings, order["rows"], order["variant"])
        for shard in range(shards.n):
            source.draw(order["seed"], epoch, shard)
    except TabcliError as error:
        return _message(error)
    except Exception as error:
        if not (full := full_error(error)):
            raise
        return _message(full)
    return {"epoch": epoch}


def _message(error: TabcliError) -> dict[str, object]:
    return {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}


if __name__ == "__main__":
    main()
