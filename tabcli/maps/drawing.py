"""Maps as SVG and PNG files, and as SVG for the page, from one layout. matplotlib is imported when one is drawn.

In the page every point carries a class for each colouring, such as `a3` for the fourth group of the first one, so that
the page's style alone changes what points are coloured by.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from tabcli.arrays import FloatArray, IntArray
from tabcli.chart_style import DIM, INK, LINE, WITHOUT_DATE, chart_style
from tabcli.maps.known import OTHERS, UNKNOWN, Colouring
from tabcli.maps.projection import NAMES, Projection

MOST_NAMED = 40
"""With more points no names stand beside them."""

MARGIN = 24.0

LETTER, LINE_HEIGHT = 7.0, 13.0
"""How wide a letter and how high a line of the names is, in units of the map."""

GROUPS = ("#0b5cad", "#a8480a", "#1b7837", "#8e2a8b", "#b3261e", "#00767d", "#6b5b00", "#c2185b")
RANGES = ("#0d0887", "#4603a0", "#7301a8", "#9c179e", "#bd3786", "#d8576b", "#e06a2b")
OTHER = "#6e7781"
"""Colours of a light page; the page's style has those of a dark one."""


@dataclass(frozen=True, eq=False)
class Map:
    """The levels of a column, or the series, in two dimensions.

    `key`: names its files. `places`: of the points among the levels, int64 (n,), not all of them where there are very
    many. `points`: float64 (n, 2) in units of the map, `size` wide and high. `beside`: where the names stand, or None.
    """

    key: str
    column: str
    names: tuple[str, ...]
    places: IntArray
    projection: Projection
    colourings: tuple[Colouring, ...]
    points: FloatArray
    size: tuple[float, float]
    beside: tuple[tuple[float, float, str], ...] | None
    title: str
    description: str

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The header and the rows of the map's numbers: name, x, y, and what each colouring says."""
        header = (self.column, "x", "y", *(c.name for c in self.colourings))
        texts = [_label_texts(c) for c in self.colourings]
        xy = self.projection.points
        rows = [
            (name, f"{xy[i, 0]:.3f}", f"{xy[i, 1]:.3f}", *(t[i] for t in texts)) for i, name in enumerate(self.names)
        ]
        return header, rows


def map_of(
    key: str,
    column: str,
    names: Sequence[str],
    places: IntArray,
    projection: Projection,
    colourings: Sequence[Colouring],
    width: float,
    title: str = "",
    description: str = "",
) -> Map:
    """Lays out a map: points fill it with one scale for both directions; names stand where they hide least."""
    points, size = _laid_out(projection.points, width)
    beside = _names_beside(points, names, size) if len(names) <= MOST_NAMED else None
    title = title or f"Map of {column}"
    description = description or _description(projection, f"{len(names):,} {'series' if key == 'series' else 'levels'}")
    return Map(
        key, column, tuple(names), places, projection, tuple(colourings), points, size, beside, title, description
    )


def _description(projection: Projection, what: str) -> str:
    """What is drawn, and how much of it two dimensions show."""
    what = f"{what} by {NAMES[projection.method]}"
    if projection.shown is not None:
        return f"{what}: two dimensions show {100 * projection.shown:.0f} % of the variance"
    return f"{what}: what lies close is alike, distances further apart mean little"


def svg_and_png(of: Map, colouring: Colouring | None) -> tuple[str, bytes]:
    """A map as the text of an SVG file and the bytes of a PNG, the same each time."""
    from matplotlib.figure import Figure

    width, height = of.size
    with chart_style(f"{of.key}-{colouring.name if colouring else ''}"):
        figure = Figure(figsize=(width / 90 + (1.8 if colouring else 0), height / 90 + 0.5), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[], aspect="equal")
        axes.set_title(f"{of.title}\n{of.description}", fontsize=9, color=INK, loc="left")
        axes.spines[:].set_color(LINE)
        radius = 5 if of.beside else 4
        labels = [""] if colouring is None else [*colouring.labels, UNKNOWN]
        codes = np.zeros(len(of.points), dtype="int64") if colouring is None else colouring.codes
        for code, label in enumerate(labels):
            own = codes == (code if label != UNKNOWN else -1)
            if own.any():
                axes.scatter(
                    of.points[own, 0], of.points[own, 1], s=radius**2, color=_colour(colouring, code),
                    alpha=0.85, lw=0, label=label,
                )  # fmt: skip
        for name, place in zip(of.names, of.beside or (), strict=False):
            x, y, anchor = place
            side = {"start": "left", "middle": "center", "end": "right"}[anchor]
            axes.text(x, y, name, fontsize=8, color=INK, ha=side, va="baseline")
        if colouring is not None:
            axes.legend(
                frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), title=colouring.name,
                title_fontsize=8,
            )  # fmt: skip
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", facecolor="white", metadata=WITHOUT_DATE["svg"])
        figure.savefig(png, format="png", dpi=130, facecolor="white", metadata=WITHOUT_DATE["png"])
    return svg.getvalue(), png.getvalue()


def inline_svg(of: Map, ident: str) -> str:
    """A map for the page: an SVG with a title, a description, a text for each point, and classes for its colours."""
    width, height = of.size
    header, rows = of.table()
    letters = [letter(i) for i in range(len(of.colourings))]
    parts = [
        f'<svg class="map" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{ident}-title {ident}-desc">',
        f'<title id="{ident}-title">{escape(of.title)}</title>',
        f'<desc id="{ident}-desc">{escape(of.description)}</desc>',
    ]
    radius = 5 if of.beside else 4
    for i, (x, y) in enumerate(of.points):
        own = " ".join(
            f"{a}{'x' if c.codes[i] < 0 else c.codes[i]}" for a, c in zip(letters, of.colourings, strict=True)
        )
        said = ", ".join(f"{h} {v}" for h, v in zip(header[3:], rows[i][3:], strict=True))
        text = escape(f"{of.names[i]}: {said}" if said else of.names[i])
        parts.append(f'<circle class="{own}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{text}</title></circle>')
    for name, (x, y, anchor) in zip(of.names, of.beside or (), strict=False):
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def colour_rules(of: Map, ident: str) -> str:
    """The style by which the checked choice of a map's form colours its points and shows its legend."""
    rules = []
    for i, colouring in enumerate(of.colourings):
        a = letter(i)
        chosen = f"#{ident}:has(#{ident}-{a}:checked)" if len(of.colourings) > 1 else f"#{ident}"
        rules.append(f"{chosen} .legend-{a}{{display:flex}}")
        rules += [
            f"{chosen} .{a}{code}{{fill:var(--{variable(colouring, code)})}}" for code in range(len(colouring.labels))
        ]
    return "\n".join(rules)


def letter(i: int) -> str:
    """The letters by which classes name colourings: a … z, then za … zz.

    >>> letter(0), letter(25), letter(26)
    ('a', 'z', 'za')
    """
    return chr(97 + i) if i < 26 else "z" + letter(i - 26)


def variable(colouring: Colouring, code: int) -> str:
    """The variable of the page's style with the colour of a code; `others` is one for what has no colour of its own."""
    if colouring.labels[code] == OTHERS:
        return OTHERS
    if colouring.kind == "groups":
        return f"group-{code}"
    return f"range-{_step(len(colouring.labels), code)}"


def _colour(colouring: Colouring | None, code: int) -> str:
    if colouring is None:
        return GROUPS[0]
    if code >= len(colouring.labels) or colouring.labels[code] == OTHERS:
        return DIM if code >= len(colouring.labels) else OTHER
    return GROUPS[code] if colouring.kind == "groups" else RANGES[_step(len(colouring.labels), code)]


def _step(n: int, code: int) -> int:
    """The place of a range among the colours, so that the lowest and the highest have the ends."""
    return round(code * (len(RANGES) - 1) / max(n - 1, 1))


def _label_texts(colouring: Colouring) -> list[str]:
    return [UNKNOWN if c < 0 else colouring.labels[c] for c in colouring.codes]


def _laid_out(points: FloatArray, width: float) -> tuple[FloatArray, tuple[float, float]]:
    """Points (n, 2) in units of a map that is so wide, and its size: as high as they need, up to as high as wide."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.maximum(high - low, 1e-9 * max(1.0, float((high - low).max())))
    room = width - 4 * MARGIN
    height = float(np.clip(room * span[1] / span[0], 0.4 * room, 0.9 * room)) + 2 * MARGIN
    scale = min(room / span[0], (height - 2 * MARGIN) / span[1])
    made: FloatArray = np.round((points - (low + high) / 2) * scale * [1, -1] + [width / 2, height / 2], 1)
    return made, (width, round(height))


def _names_beside(
    points: FloatArray, names: Sequence[str], size: tuple[float, float]
) -> tuple[tuple[float, float, str], ...]:
    """Where each name stands, x, y and anchor: of eight places the one that overlaps least with what is there."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    made = []
    for (x, y), name in zip(points, names, strict=True):
        wide = LETTER * len(name)
        choices = []
        for dx, dy, anchor in ((8, 4, "start"), (-8, 4, "end"), (0, -9, "middle"), (0, 17, "middle"),
                               (7, -6, "start"), (7, 14, "start"), (-7, -6, "end"), (-7, 14, "end")):  # fmt: skip
            left = x + dx - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            box = (left, y + dy - LINE_HEIGHT + 3, left + wide, y + dy + 3)
            outside = max(0.0, -box[0]) + max(0.0, box[2] - size[0]) + max(0.0, -box[1]) + max(0.0, box[3] - size[1])
            choices.append((sum(_common(box, other) for other in taken) + 100 * outside, dx, dy, anchor, box))
        _, dx, dy, anchor, box = min(choices, key=lambda choice: choice[0])
        taken.append(box)
        made.append((float(x + dx), float(y + dy), anchor))
    return tuple(made)


def _common(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """The area that two boxes have in common."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
