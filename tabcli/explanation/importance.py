"""How much worse forecasts get without what a source tells: its values exchanged between rows, all at once.

What differs between series (a series with all that is joined by it, its history) is exchanged within a date; what
differs between dates (the calendar, a promotion, the weather) within a series. So a whole source moves, and no store
gets the type of one store with the size of another; and the level of a store never meets the calendar of another day.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from tabcli.arrays import FloatArray, IntArray
from tabcli.evaluation.metrics import wape
from tabcli.explanation.seen import SeenRows
from tabcli.explanation.shuffled import blocks_of, shuffled_within, some_series
from tabcli.explanation.sources import Kind, Source

Within = Literal["date", "series"]


@dataclass(frozen=True)
class SourceImportance:
    """What a source is worth. Fractions, or for metrics in the target's unit in that.

    `within`: where its values were exchanged; None where they differ nowhere. `rise`: by how much the metric rises, of
    the whole ensemble, the mean over repeats; None for rows to forecast. `repeats`, `members`: the same for each
    repeat, and for each network alone. `change`: by how much forecasts change, the sum of |changes| ÷ the sum of
    forecasts.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    within: Within | None
    rise: float | None
    repeats: tuple[float, ...]
    members: tuple[float, ...]
    change: float

    @property
    def worth(self) -> float:
        """What sources are ordered by: the rise, or for rows to forecast the change."""
        return self.change if self.rise is None else self.rise


@dataclass(frozen=True)
class Importance:
    """What each source is worth, the largest first.

    `metric`, `score`: what rises, and what it is with nothing exchanged, None for rows to forecast. `rows`, `series`:
    on how many this was measured, of `all_rows`. `notes`: what a reader should know.
    """

    metric: str
    score: float | None
    rows: int
    all_rows: int
    series: int
    repeats: int
    seed: int
    sources: tuple[SourceImportance, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def importance_of(rows: SeenRows, *, repeats: int = 5, most_rows: int = 20_000, seed: int | None = None) -> Importance:
    """The importance of every source for a run's forecasts of these rows.

    repeats: how often each source is exchanged, each time by other rows.
    most_rows: of more rows only some series, drawn at random, are looked at; with 5,000 it takes seconds.
    seed: by default the config's.
    """
    seed = rows.run.fitted.config.seed if seed is None else seed
    chosen = rows.take(some_series(rows.series, most_rows, np.random.default_rng([seed, 0])))
    blocks: dict[Within, IntArray] = {"date": blocks_of(chosen.dates), "series": blocks_of(chosen.series)}
    plain = chosen.outputs()
    found = []
    for source in rows.sources:
        within = _within(chosen, source, blocks)
        rng = np.random.default_rng([seed, 1])  # every source meets the same exchanges
        others = [] if within is None else [shuffled_within(blocks[within], rng) for _ in range(repeats)]
        found.append(_measured(chosen, source, within, plain, [chosen.outputs(source, other) for other in others]))
    found.sort(key=lambda source: -source.worth)
    criterion = chosen.criterion
    return Importance(
        metric="change" if criterion is None else criterion.metric,
        score=None if criterion is None else _score(chosen, _mean(plain)),
        rows=len(chosen),
        all_rows=len(rows),
        series=len(np.unique(chosen.series)),
        repeats=repeats,
        seed=seed,
        sources=tuple(found),
        notes=tuple(_notes(rows, chosen, found)),
    )


def _within(rows: SeenRows, source: Source, blocks: dict[Within, IntArray]) -> Within | None:
    """Where a source is exchanged: within the first of its ways in which it differs at all."""
    by_series = source.kind in ("series", "history")
    ways: list[Within] = ["date", "series"] if by_series else ["series", "date"]
    return next((way for way in ways if rows.varies(source, blocks[way])), None)


def _measured(
    rows: SeenRows,
    source: Source,
    within: Within | None,
    plain: Sequence[FloatArray],
    exchanged: Sequence[Sequence[FloatArray]],
) -> SourceImportance:
    forecasts = _forecasts(rows, _mean(plain))
    changes = [wape(forecasts, _forecasts(rows, _mean(outputs))) for outputs in exchanged]
    rise, by_repeat, by_member = None, [], []
    if rows.actual is not None:
        before, alone = _score(rows, _mean(plain)), [_score(rows, own) for own in plain]
        by_repeat = [_score(rows, _mean(outputs)) - before for outputs in exchanged]
        rise = float(np.mean(by_repeat)) if by_repeat else 0.0
        by_member = [
            float(np.mean([_score(rows, outputs[i]) - own for outputs in exchanged])) if exchanged else 0.0
            for i, own in enumerate(alone)
        ]
    change = float(np.mean(changes)) if changes else 0.0
    return SourceImportance(
        source.name, source.kind, source.inputs, within, rise, tuple(by_repeat), tuple(by_member), change
    )


def _mean(outputs: Sequence[FloatArray]) -> FloatArray:
    mean: FloatArray = np.mean(outputs, axis=0)
    return mean


def _forecasts(rows: SeenRows, outputs: FloatArray) -> FloatArray:
    return rows.run.calibration.forecasts(rows.run.fitted.target, outputs)


def _score(rows: SeenRows, outputs: FloatArray) -> float:
    assert rows.criterion is not None
    assert rows.actual is not None
    return rows.criterion(rows.actual, _forecasts(rows, outputs))


def _notes(rows: SeenRows, chosen: SeenRows, found: Sequence[SourceImportance]) -> list[str]:
    notes = []
    if len(chosen) < len(rows):
        n, whole = len(np.unique(chosen.series)), len(np.unique(rows.series))
        notes.append(f"measured on {n:,} of {whole:,} series, drawn at random: {len(chosen):,} of {len(rows):,} rows")
    if rows.actual is not None and rows.run.metrics.refitted:
        notes.append("the networks were trained anew on all rows, these among them, so their error is too small here")
    same = [s.name for s in found if s.within is None]
    if same:
        notes.append(f"the same in all these rows, so that nothing can be exchanged: {', '.join(same)}")
    return notes
