"""The progress of a training, for a terminal or a notebook."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from tabcli.artifacts.records import EpochRecord
from tabcli.evaluation.naming import score_text
from tabcli.training.loop import Callbacks

WIDTH = 40

DRAW_SECONDS = 0.2  # between two drawings of the bar


def progress(stream: TextIO | None = None) -> Callbacks:
    """Callbacks that show how a training goes: `tabcli.train(prep, callbacks=tabcli.progress())`.

    They write the network as text, a line per epoch and, on a terminal or in a notebook, a bar with the time left.

    stream: where it is written; by default standard error.
    """
    return callbacks_of(Bar(stream or sys.stderr))


def callbacks_of(bar: "Bar") -> Callbacks:
    """The callbacks that write on a bar."""
    return Callbacks(on_model=bar.say, on_step=bar.step, on_epoch=lambda record: bar.say(epoch_text(record)))


def epoch_text(record: EpochRecord) -> str:
    """An epoch's record in one line."""
    name = f"{record.network:<12}" if record.network else ""
    metric, scores = record.by.removeprefix("valid_"), record.scores
    of_log = f"RMSE of log {scores['valid_rmse_log']:.4f}  " if "valid_rmse_log" in scores else ""
    return (
        f"{name}epoch {record.epoch:>3}  train loss {record.train_loss:.5f}  "
        f"valid loss {scores['valid_loss']:.5f}  {of_log}"
        f"{metric.upper()} {score_text(metric, record.score)}  {record.seconds:.1f} s"
    )


class Bar:
    """A progress bar in the last line of a stream, above which lines are written; only lines on no terminal.

    `clock`: seconds from any beginning.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.clock = stream, clock
        self.draws = stream.isatty() or "ipykernel" in sys.modules
        self.shown = ""
        self.started = self.drawn = clock()

    def say(self, text: str) -> None:
        """Writes a line above the bar."""
        shown = self.shown
        self.clear()
        self.stream.write(f"{text}\n")
        self._draw(shown)

    def step(self, done: int, total: int) -> None:
        """Draws the bar at `done` of `total`, not too often, and clears it when all is done."""
        now = self.clock()
        if done >= total:
            self.clear()
            self.started = now
        elif self.draws and now - self.drawn > DRAW_SECONDS:
            self.drawn = now
            left = (now - self.started) * (total - done) / max(done, 1)
            full = WIDTH * done // total
            self.clear()
            self._draw(f"training [{'#' * full}{'.' * (WIDTH - full)}] {100 * done // total:>3} %, {_time(left)} left")

    def clear(self) -> None:
        """Removes the bar from the stream."""
        if self.shown:
            self.stream.write("\r" + " " * len(self.shown) + "\r")
            self.stream.flush()
            self.shown = ""

    def _draw(self, text: str) -> None:
        if text:
            self.stream.write(text)
        self.stream.flush()
        self.shown = text


def _time(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
