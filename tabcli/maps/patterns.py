"""Whether the space of series, or of a static column, follows how they sell: their usual week, or year.

A pattern is the mean of the target on its learned scale, less that of the series, at each place in the season: of days
by weekday, of hours by hour of the week, of weeks and months by their place in the year.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.features.frequency import DAY, WEEK
from tabcli.maps.beside import FEWEST, Beside, compare
from tabcli.maps.known import Known, texts_of
from tabcli.maps.spaces import Space


def followed(
    run: Run, spaces: Mapping[str, Space], series: tuple[Space, IntArray] | None, known: Known, seed: int
) -> Iterator[Beside]:
    """The agreement of each space of series, key or static column with patterns; nothing where no tables were given."""
    if known.sums is None or known.counts is None or known.sums.shape[1] < 2:
        return
    what = f"usual {run.fitted.config.target.column} by {_season_name(run)}"
    if series is not None and len(series[0].names) >= FEWEST:
        space, places = series
        yield _compared(space, _patterns(known, places), space.names, what, seed)
    own = run.fitted.calendar.series
    for column, space in spaces.items():
        values = known.columns[column] if column in known.columns else own.get(column)
        if values is None or len(space.names) < FEWEST or (series is not None and column == series[0].column):
            continue
        texts = texts_of(values).to_numpy()
        there = [np.flatnonzero(texts == name) for name in space.names]
        sums = Known(known.level, known.source, known.columns, *(_summed(a, there) for a in (known.sums, known.counts)))
        yield _compared(space, _patterns(sums, np.arange(len(there))), space.names, what, seed)


def _patterns(known: Known, places: IntArray) -> FloatArray:
    """The pattern of each of the places, float64 (n, n_seasons); a place in the season without rows is that of all."""
    assert known.sums is not None
    assert known.counts is not None
    sums, counts = known.sums[places], known.counts[places]
    of_all = known.sums.sum(axis=0) / np.maximum(known.counts.sum(axis=0), 1)
    made: FloatArray = np.where(counts > 0, sums / np.maximum(counts, 1), of_all)
    made[counts.sum(axis=1) == 0] = np.nan
    return made


def _summed(values: FloatArray, groups: list[IntArray]) -> FloatArray:
    return np.stack([values[rows].sum(axis=0) for rows in groups])


def _compared(space: Space, patterns: FloatArray, names: tuple[str, ...], what: str, seed: int) -> Beside:
    table = pd.DataFrame(patterns, columns=[f"place {i}" for i in range(patterns.shape[1])])
    table.insert(0, space.column, list(names), allow_duplicates=True)
    return compare(space, table, "the training rows", seed, what)


def _season_name(run: Run) -> str:
    seconds = run.fitted.frequency.seconds
    if seconds < DAY:
        return "hour of the week"
    return "weekday" if seconds < WEEK else "week of the year" if seconds < 28 * DAY else "month"
