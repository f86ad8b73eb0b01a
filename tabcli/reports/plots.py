"""Plots of training, as PNG files. matplotlib is imported when the first one is drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tabcli.artifacts.records import EpochRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_TRAIN, _VALID, _MARK = "#4c72b0", "#c44e52", "#555555"


def _figure(width: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, 4), layout="constrained")


def _tidy(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def plot_losses(records: Sequence[EpochRecord], path: Path) -> None:
    """The loss on the scale of y and the metric in original units over the epochs, a line for each member."""
    from matplotlib.ticker import StrMethodFormatter

    figure = _figure(10)
    loss, score = figure.subplots(1, 2)
    key = records[0].by
    percent = key in ("valid_rmspe", "valid_mape", "valid_wape")
    scale, metric = 100 if percent else 1, key.removeprefix("valid_").upper()
    members = list(dict.fromkeys(r.network for r in records if r.network.startswith("member")))
    for i, member in enumerate(members):
        own = [r for r in records if r.network == member]
        epochs = [r.epoch for r in own]
        labels = ("train", "validation") if i == 0 else (None, None)
        loss.plot(epochs, [r.train_loss for r in own], "o-", color=_TRAIN, label=labels[0])
        loss.plot(epochs, [r.scores["valid_loss"] for r in own], "o-", color=_VALID, label=labels[1])
        score.plot(epochs, [scale * r.scores[key] for r in own], "o-", color=_VALID, label=labels[1])
    loss.set(title="What is learned: the loss on the scale of y", xlabel="epoch", ylabel="loss", yscale="log")
    score.set(title=f"{metric} in original units, before calibration", xlabel="epoch")
    score.set(ylabel=f"{metric}, %" if percent else metric)
    for ticks in (loss.yaxis.set_major_formatter, loss.yaxis.set_minor_formatter):
        ticks(StrMethodFormatter("{x:g}"))  # 0.01, not 10⁻²
    for axes in (loss, score):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
        _tidy(axes)
    figure.savefig(path, dpi=110, format="png")


def plot_lr_find(lrs: Sequence[float], losses: Sequence[float], suggestion: float, path: Path) -> None:
    """Smoothed loss over the learning rate, the suggestion marked."""
    figure = _figure(6.5)
    axes = figure.subplots()
    axes.plot(lrs, losses, color=_TRAIN)
    at = min(range(len(lrs)), key=lambda i: abs(lrs[i] - suggestion))
    axes.plot([lrs[at]], [losses[at]], "o", color=_VALID, label=f"suggestion: {suggestion:.1e}")
    top = 1.2 * max(losses[: max(1, at)])
    axes.set(title="Learning rate finder", xlabel="learning rate", ylabel="smoothed loss", xscale="log", ylim=(0, top))
    axes.legend(frameon=False)
    _tidy(axes)
    figure.savefig(path, dpi=110, format="png")
