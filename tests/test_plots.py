"""Plots: the lines that are drawn are the numbers of the records, and the file is a picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from tabcli.artifacts.records import EpochRecord
from tabcli.explanation.charts import Drawing, rendered
from tabcli.maps.drawing import Map, svg_and_png
from tabcli.maps.known import Colouring
from tabcli.maps.projection import Projection
from tabcli.reports.drawing import chart_of
from tabcli.reports.plots import plot_losses, plot_lr_find


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def records(
    metric: str = "rmspe", networks: tuple[str, ...] = ("member-0", "member-1", "probe-0")
) -> list[EpochRecord]:
    rng = np.random.default_rng(0)
    return [
        EpochRecord(
            epoch, 0.01, train, {"valid_loss": valid, f"valid_{metric}": score}, f"valid_{metric}", 1.0, network
        )
        for network in networks
        for epoch, (train, valid, score) in enumerate(rng.uniform(0.01, 0.5, (4, 3)).tolist(), start=1)
    ]


def losses(records: list[EpochRecord]) -> list[list[float]]:
    return [[r.train_loss for r in records], [r.scores["valid_loss"] for r in records]]


def lines(figure: Figure, i: int) -> list[tuple[list[float], list[float]]]:
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in figure.axes[i].get_lines()]  # type: ignore[union-attr]


def test_each_member_has_a_line_and_a_probe_has_none(drawn: list[Figure], tmp_path: Path) -> None:
    history = records()
    plot_losses(history, tmp_path / "loss.png")
    epochs = [1, 2, 3, 4]
    members = [[r for r in history if r.network == f"member-{i}"] for i in (0, 1)]
    expected = [(epochs, values) for of in members for values in losses(of)]
    assert lines(drawn[0], 0) == expected
    assert lines(drawn[0], 1) == [(epochs, pytest.approx([100 * r.score for r in of])) for of in members]
    labels = [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()]
    assert labels == ["train", "validation"], "once, however many members"


@pytest.mark.parametrize(("metric", "factor"), [("wape", 100), ("mape", 100), ("rmse", 1), ("mase", 1)])
def test_fractions_are_drawn_in_per_cent_and_nothing_else(
    drawn: list[Figure], tmp_path: Path, metric: str, factor: float
) -> None:
    history = records(metric, ("member-0",))
    plot_losses(history, tmp_path / "loss.png")
    axes = drawn[0].axes[1]
    assert lines(drawn[0], 1)[0][1] == pytest.approx([factor * r.score for r in history])
    assert axes.get_ylabel() == f"{metric.upper()}, %" if factor == 100 else metric.upper()
    assert axes.get_title().startswith(metric.upper())


def test_the_suggested_rate_is_marked_on_the_curve(drawn: list[Figure], tmp_path: Path) -> None:
    rates = np.geomspace(1e-6, 1, 50).tolist()
    losses = [1.0, *np.linspace(1, 0.1, 30).tolist(), *np.linspace(0.1, 90, 19).tolist()]
    plot_lr_find(rates, losses, rates[20] * 1.01, tmp_path / "lr.png")
    curve, mark = lines(drawn[0], 0)
    assert curve == (rates, losses)
    assert mark == ([rates[20]], [losses[20]])
    axes = drawn[0].axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_ylim()[1] < 2, "what comes after the suggestion may diverge and must not flatten the rest"


def test_the_files_are_pictures_of_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        plot_losses(records(), path)
    assert imread(paths[0]).shape == (440, 1100, 4)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def _report_chart(text: str) -> str:
    return chart_of("key", text, text, (), (), lambda axes, _: axes.set(title=text, ylabel=text)).wide


def _explanation(text: str) -> str:
    drawing = Drawing((4.0, 3.0), (1.0,), "title", lambda axes: axes[0].set(title=text, ylabel=text))
    return rendered(drawing, "svg").decode()


def _map(text: str) -> str:
    colouring = Colouring(text, "groups", np.array([0, 1]), (text, "other"))
    points = np.array([[10.0, 10.0], [90.0, 90.0]])
    projection = Projection(points, "pca", None)
    names, beside = (text, "x"), ((20.0, 20.0, "start"), (80.0, 80.0, "end"))
    made = Map("key", text, names, np.arange(2), projection, (colouring,), points, (100.0, 100.0), beside, text, text)
    return svg_and_png(made, colouring)[0]


@pytest.mark.parametrize("draw", [_report_chart, _explanation, _map])
def test_what_a_chart_says_and_its_bytes_depend_on_no_settings_of_the_user(draw: Callable[[str], str]) -> None:
    """Nor is a price in dollars a formula, or a sign that the font lacks a warning."""
    text = "$5$ and $\\frac$ 東"
    made = draw(text)
    assert made.count(f">{text}<") >= 2
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "text.color": "red", "axes.grid": True}):
        assert draw(text) == made
    assert mpl.rcParams["svg.hashsalt"] is None, "and the user's own settings stay as they were"
