"""Contributions in words: what one forecast is, what it is compared with, and by what it differs, the largest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tabcli.config.schema import ONE_SERIES
from tabcli.config.values import Transform
from tabcli.explanation.compared import Explained

SAID = 0.01
"""Parts of less than so much, as a share of the forecast, are said together."""


@dataclass(frozen=True)
class Said:
    """A part in words: `effect` such as "+31 %", `what` such as "promo (0 → 1)". `share`: 0.31; `spread`: between
    networks, one standard deviation of it; None for a single network.
    """

    effect: str
    what: str
    share: float
    spread: float | None


def multiplies(transform: Transform) -> bool:
    """Whether parts on the learned scale are logs, so that effects multiply."""
    return transform in ("log", "log1p")


def number_text(value: float) -> str:
    """A forecast as it is said."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def series_words(columns: Sequence[str], name: str) -> str:
    """A series in words: "store 12", or "1 · 7" of several columns; nothing where there is only one."""
    if tuple(columns) == (ONE_SERIES,):
        return ""
    return f"{columns[0]} {name}" if len(columns) == 1 and name.replace(".", "").isdigit() else name


def percent(share: float) -> str:
    """A share with its sign: +31 %, −3 %, +0.4 %."""
    text = f"{100 * share:+.{0 if abs(share) >= 0.00995 else 1}f}"
    return f"{text.replace('-', '−')} %" if float(text) else "0 %"


def headline(explained: Explained, i: int, target: str, transform: Transform, season: str) -> str:
    """What the forecast of row i is, and by how much it differs from its reference.

    `season`: what a season is called, such as "the same day a week"; empty for an average day.
    """
    row = explained.table.iloc[i]
    moment = row["date"]
    day = f"{moment:%a %Y-%m-%d}" + (f" {moment:%H:%M}" if moment != moment.normalize() else "")
    forecast, reference = float(row["forecast"]), float(row["reference"])
    beside = f"{season} before ({row['against']:%Y-%m-%d})" if season else "an average day of the year before"
    if multiplies(transform) and reference > 0:
        apart = forecast / reference - 1
        how = f"{percent(abs(apart)).lstrip('+')} {'more' if apart >= 0 else 'less'} than"
    else:
        how = f"{number_text(abs(forecast - reference))} {'more' if forecast >= reference else 'less'} than"
    who = f" of {names}" if (names := series_words(explained.series, row["series"])) else ""
    return f"{target}{who} on {day}: {number_text(forecast)}, {how} {beside}: {number_text(reference)}"


def parts_said(explained: Explained, i: int, transform: Transform) -> list[Said]:
    """The parts of row i, the largest first; those too small to be said together at the end."""
    made = explained.contributions
    values, members = made.values[i], made.members[:, i]
    row = explained.table.iloc[i]
    unit = _unit(float(row["forecast"]), float(row["reference"]), float(made.outputs[i] - made.references[i]))
    said, rest, n_rest = [], 0.0, 0
    for p in np.argsort(-np.abs(values), kind="stable").tolist():
        source, part = made.parts[p]
        share = _share(values[p], transform, float(row["forecast"]), unit)
        if abs(share) < SAID:
            rest, n_rest = rest + float(values[p]), n_rest + 1
            continue
        columns = [c for c in source.columns if part == source.name and c in explained.values]
        changes = [(c, *(texts[i] for texts in explained.values[c])) for c in columns]
        moved = [f"{c} {b} → {a}" if len(columns) > 1 else f"{b} → {a}" for c, a, b in changes if a != b]
        spread = None
        if len(members) > 1:
            spread = float(np.std([_share(v, transform, float(row["forecast"]), unit) for v in members[:, p]], ddof=1))
        said.append(
            Said(_effect(values[p], transform, unit), f"{part} ({', '.join(moved)})" if moved else part, share, spread)
        )
    if n_rest:
        share = _share(rest, transform, float(row["forecast"]), unit)
        said.append(Said(_effect(rest, transform, unit), f"{n_rest} smaller parts together", share, None))
    return said


def _unit(forecast: float, reference: float, difference: float) -> float:
    """What one on the learned scale is worth in the target's unit, where effects add up."""
    return (forecast - reference) / difference if abs(difference) > 1e-12 else 0.0


def _share(value: float, transform: Transform, forecast: float, unit: float) -> float:
    """A part as a share: of the forecast without it where effects multiply, else of the forecast."""
    if multiplies(transform):
        return float(np.expm1(value))
    return value * unit / abs(forecast) if forecast else 0.0


def _effect(value: float, transform: Transform, unit: float) -> str:
    if multiplies(transform):
        return percent(float(np.expm1(value)))
    amount = value * unit
    return f"{'+' if amount >= 0 else '−'}{number_text(abs(amount))}"


def lines_of(explained: Explained, i: int, target: str, transform: Transform, season: str) -> Iterator[str]:
    """Row i in lines: the headline, and a line for each part."""
    yield headline(explained, i, target, transform, season)
    said = parts_said(explained, i, transform)
    width = max((len(s.effect) for s in said), default=0)
    for s in said:
        apart = (
            f"   (networks ± {100 * s.spread:.1f} %)" if s.spread is not None and s.spread > 0.3 * abs(s.share) else ""
        )
        yield f"  {s.effect:>{width}}  {s.what}{apart}"
