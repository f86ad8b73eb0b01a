"""How every chart looks: its colours, and settings by which matplotlib draws the same bytes each time.

matplotlib is imported late. No settings of the user's own matter, and no text is read as a formula: `$` is a dollar.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, DIM, LINE, FIRST, SECOND = "#1b1f24", "#57606a", "#d0d7de", "#0b5cad", "#a8480a"
"""Of text, of what is less important, of lines, and of two things that are told apart."""


@contextmanager
def chart_style(key: str, font_size: float = 9) -> Iterator[None]:
    """matplotlib draws text as text, with ids that depend on the key alone: two makings give the same bytes."""
    import matplotlib as mpl

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": key,
        "font.size": font_size,
        "axes.edgecolor": LINE,
        "axes.labelcolor": DIM,
        "text.color": INK,
        "text.parse_math": False,
    }
    settings |= {f"{axis}tick.{part}": DIM for axis in "xy" for part in ("color", "labelcolor")}
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        warnings.filterwarnings("ignore", "Glyph .* missing")  # an SVG keeps the text, a PNG shows boxes
        yield


def open_frame(axes: "Axes") -> None:
    """Axes with the lower edge alone, without marks beside the numbers, and with lines behind what is drawn."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


WITHOUT_DATE = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
"""What is left out of a file, so that its bytes say neither when nor by which version it was drawn."""
