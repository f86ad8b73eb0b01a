"""Bias against groups: which kinds of series past windows were forecast worse, too high or too low, beyond chance.

    column  group  bias     beside others  surely within       named
    kind    a      +5.2 %   +4.9 %         +3.1 … +6.7 %       too high
    kind    b      −0.4 %   −2.1 %         −4.0 … −0.2 %       no: its own forecasts are right

A group is compared with all other rows of the same windows, so that what was too high everywhere speaks against no
group. Errors of a series last, and so do those of a date: the standard error counts series and blocks of dates as what
is drawn, by the two-way cluster variance of Cameron, Gelbach and Miller (2011). How much series differ from others of
their group is taken from all groups of a column together, or from the group's own series where these differ more: of
few series nobody knows it. The intervals are those of Student's t, at a level that holds for all groups together, since
one of forty groups looks odd by chance alone. Of a column the group that is furthest off is named first; another one
that is hardly off itself is named only if it also stands out from those that are not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import stats

from tabcli.arrays import BoolArray, FloatArray, IntArray
from tabcli.cards.segments import alike, coded
from tabcli.features.frequency import DAY, WEEK, Frequency

LEVEL = 0.95
"""All intervals together hold with this probability."""

LEAST = 0.02
"""A difference below 2 % is shown and never named; nor is a group that is itself off by less than half of that."""

WORSE = 1.25
"""A group is forecast worse from so many times the error of the others on."""

FEWEST_SERIES = 3
"""Of fewer series, in a group or beside it, nothing can be said."""

BLOCKS = 4
"""A window of steps of a week or longer, or of less than two weeks, has so many blocks of dates."""


@dataclass(frozen=True)
class GroupBias:
    """Past forecasts of a group of series beside those of all others.

    `wape`, `bias`: of the group's own rows, as in `GroupScore`. `apart`: its bias less that of the others, `times`: its
    error ÷ that of the others, each with the interval that it surely lies within; None where too few series, or dates,
    can say. `side`: *too high* or *too low* for a group that is named, else empty; `worse`: whether it is named for its
    error.
    """

    column: str
    name: str
    series: int
    rows: int
    wape: float | None
    bias: float | None
    apart: float | None = None
    apart_within: tuple[float, float] | None = None
    times: float | None = None
    times_within: tuple[float, float] | None = None
    side: str = ""
    worse: bool = False


@dataclass(frozen=True)
class Bias:
    """All groups that were looked at, by column. `blocks`: how many blocks of dates; `level`: of all intervals.

    `alike`: a column → others that group the series as it does, and are not looked at again.
    """

    groups: tuple[GroupBias, ...]
    blocks: int
    windows: int
    level: float = LEVEL
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def named(self) -> tuple[GroupBias, ...]:
        """Groups that are forecast too high, too low or worse, the worst first."""
        found = [g for g in self.groups if g.side or g.worse]
        return tuple(sorted(found, key=lambda g: -max(abs(g.apart or 0), (g.wape or 0) if g.worse else 0)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by which groups were made; of those that make the same the first."""
        return tuple(dict.fromkeys(g.column for g in self.groups))


@dataclass(frozen=True)
class _Cells:
    """Sums over the rows of a series in a block of dates, float64 (n_series, n_blocks); and each block's window."""

    actual: FloatArray
    size: FloatArray
    forecast: FloatArray
    error: FloatArray
    rows: FloatArray
    window: IntArray


def bias_of(past: pd.DataFrame, groups: pd.DataFrame, frequency: Frequency) -> Bias:
    """How groups of series were forecast.

    `past`: the rows of `segments.past_rows`. `groups`: a column of texts for each way to group the series, a row for
    each series by its number, as `FittedPipeline.groups`.
    """
    cells = _cells(past, len(groups), frequency)
    there = cells.rows.sum(axis=1) > 0
    coded_by = {str(name): coded(groups[name]) for name in groups.columns}
    same = alike({name: codes[there] for name, (codes, _) in coded_by.items()})
    coded_by = {name: coded_by[name] for name in same}
    looked = [
        (column, name, (codes == k) & there)
        for column, (codes, names) in coded_by.items()
        for k, name in enumerate(names)
    ]
    looked = [(column, name, mask) for column, name, mask in looked if mask.any()]
    enough = [_able(mask, there, cells) for *_, mask in looked]
    chance = (1 - LEVEL) / max(1, sum(enough)) / 2
    freedom = min(cells.size.shape[1], int(there.sum()) - max(len(names) for _, names in coded_by.values())) - 1
    quantile = float(stats.t.ppf(1 - chance, max(1, freedom)))
    spreads = {column: _spreads(cells, codes) for column, (codes, _) in coded_by.items()}
    made: list[GroupBias] = []
    for column in coded_by:
        by = (quantile, *spreads[column])
        own = [(name, mask, able) for (c, name, mask), able in zip(looked, enough, strict=True) if c == column]
        scored = [
            _group(column, name, mask, there & ~mask, cells, by if judged else None) for name, mask, judged in own
        ]
        made += _standing_out(scored, [mask for _, mask, _ in own], there, cells, by)
    others = {name: columns for name, columns in same.items() if columns}
    return Bias(tuple(made), cells.actual.shape[1], len(np.unique(cells.window)), alike=others)


def _standing_out(
    groups: Sequence[GroupBias],
    masks: Sequence[BoolArray],
    there: BoolArray,
    cells: _Cells,
    judged_by: tuple[float, float, float],
) -> list[GroupBias]:
    """The groups of a column. With a side are only those that are off by `LEAST` themselves, the one that is furthest
    off, and those that also stand out from the groups that have none.

    Where one of two groups is too high, the other is too low beside it, and not by itself.
    """
    kept, odd = list(groups), np.zeros_like(there)
    for k in sorted((k for k, g in enumerate(groups) if g.side), key=lambda k: -abs(groups[k].bias or 0)):
        others = there & ~odd & ~masks[k]
        stands = (
            abs(kept[k].bias or 0) >= LEAST
            or not odd.any()
            or (
                _able(masks[k], there & ~odd, cells)
                and _group(kept[k].column, kept[k].name, masks[k], others, cells, judged_by).side == kept[k].side
            )
        )
        if stands:
            odd |= masks[k]
        else:
            kept[k] = replace(kept[k], side="")
    return kept


def _cells(past: pd.DataFrame, n_series: int, frequency: Frequency) -> _Cells:
    blocks = _blocks(past, frequency)
    codes, unique = pd.factorize(pd.Series(list(blocks)), sort=True)
    place = past["series"].to_numpy(dtype="int64") * len(unique) + codes
    actual, forecast = (past[c].to_numpy(dtype="float64") for c in ("actual", "forecast"))
    n = n_series * len(unique)

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(place, weights=values, minlength=n).astype("float64").reshape(n_series, len(unique))

    return _Cells(
        summed(actual),
        summed(np.abs(actual)),
        summed(forecast),
        summed(np.abs(actual - forecast)),
        summed(np.ones(len(past))),
        np.array([window for window, _ in unique], dtype="int64"),
    )


def _blocks(past: pd.DataFrame, frequency: Frequency) -> list[tuple[int, int]]:
    """The window and the block within it of each row: weeks, or a quarter of the window."""
    ahead, window = past["ahead"].to_numpy(dtype="int64"), past["window"].to_numpy(dtype="int64")
    week, longest = WEEK // frequency.seconds if frequency.seconds <= DAY else 0, int(ahead.max())
    length = week if 2 * week <= longest and week else -(-longest // BLOCKS)
    return list(zip(window.tolist(), ((ahead - 1) // length).tolist(), strict=True))


def _able(mask: BoolArray, there: BoolArray, cells: _Cells) -> bool:
    """Whether enough series and blocks can say how a group is forecast."""
    n, others = int(mask.sum()), int((there & ~mask).sum())
    sums = [cells.size[m].sum() for m in (mask, there & ~mask)]
    return min(n, others) >= FEWEST_SERIES and cells.size.shape[1] >= BLOCKS and min(sums) > 0


def _spreads(cells: _Cells, codes: IntArray) -> tuple[float, float]:
    """The variance of the bias, and of the error, of series around those of their group, as shares of what happened."""
    found = []
    for above, below in ((cells.forecast, cells.actual), (cells.error, cells.size)):
        table = pd.DataFrame({"above": above.sum(axis=1), "below": below.sum(axis=1)})
        sums = table.groupby(codes).transform("sum")
        apart = table["above"] - sums["above"] / sums["below"].where(sums["below"] != 0) * table["below"]
        n = int((cells.rows.sum(axis=1) > 0).sum())
        squares = float((table["below"] ** 2).sum())
        share = float((apart**2).sum()) / squares if squares else 0.0
        found.append(share * n / max(1, n - len(np.unique(codes))))
    return found[0], found[1]


def _group(
    column: str,
    name: str,
    mask: BoolArray,
    others: BoolArray,
    cells: _Cells,
    judged_by: tuple[float, float, float] | None,
) -> GroupBias:
    """A group's own scores; with `judged_by` also how it stands beside the others.

    `judged_by`: the quantile of the intervals, and what `_spreads` gives.
    """
    actual, size = float(cells.actual[mask].sum()), float(cells.size[mask].sum())
    own = GroupBias(
        column,
        name,
        int(mask.sum()),
        int(cells.rows[mask].sum()),
        float(cells.error[mask].sum()) / size if size else None,
        float(cells.forecast[mask].sum()) / actual - 1 if actual else None,
    )
    if judged_by is None or own.bias is None or not own.wape or not cells.error[others].any():
        return own
    if not cells.actual[others].sum():
        return own
    parts = (mask, others)
    quantile, of_bias, of_error = judged_by
    ratios = [_influence(cells.forecast, cells.actual, part) for part in parts]
    least = [of_bias * _weight(cells.actual, part) for part in parts]
    apart, reach = ratios[0][0] - ratios[1][0], quantile * _standard_error([r[1] for r in ratios], parts, least)
    errors = [_influence(cells.error, cells.size, part) for part in parts]
    relative = [influence / ratio for ratio, influence in errors]
    least = [of_error * _weight(cells.size, part) / r[0] ** 2 for part, r in zip(parts, errors, strict=True)]
    log_times, log_reach = np.log(errors[0][0] / errors[1][0]), quantile * _standard_error(relative, parts, least)
    named = min(abs(apart), 2 * abs(own.bias)) >= LEAST and apart * own.bias > 0 and abs(apart) > reach
    named = named and _in_each_window(cells, parts, float(np.sign(apart)))
    return GroupBias(
        column,
        name,
        own.series,
        own.rows,
        own.wape,
        own.bias,
        float(apart),
        (float(apart - reach), float(apart + reach)),
        float(np.exp(log_times)),
        (float(np.exp(log_times - log_reach)), float(np.exp(log_times + log_reach))),
        ("too high" if apart > 0 else "too low") if named else "",
        bool(np.exp(log_times) >= WORSE and log_times > log_reach),
    )


def _influence(above: FloatArray, below: FloatArray, part: BoolArray) -> tuple[float, FloatArray]:
    """A ratio of sums over some series, and what each cell adds to its error, float64 (n_series, n_blocks)."""
    total = below[part].sum()
    ratio = float(above[part].sum() / total)
    return ratio, np.where(part[:, None], (above - ratio * below) / total, 0.0)


def _weight(below: FloatArray, part: BoolArray) -> float:
    """The sum of the squared shares of the part's series: 1 ÷ how many series there are, if all are alike."""
    own = below[part].sum(axis=1)
    return float((own**2).sum() / own.sum() ** 2)


def _standard_error(influences: Sequence[FloatArray], parts: Sequence[BoolArray], least: Sequence[float]) -> float:
    """Of the difference of two ratios, with series and blocks of dates as what is drawn.

    `least`: what the series of each part make at least of the variance.
    """
    both = influences[0] - influences[1]
    n_blocks = both.shape[1]
    by_series = sum(
        max(float(part.sum() / (part.sum() - 1) * (both[part].sum(axis=1) ** 2).sum()), at_least)
        for part, at_least in zip(parts, least, strict=True)
    )
    by_block = n_blocks / (n_blocks - 1) * float((both.sum(axis=0) ** 2).sum())
    return float(np.sqrt(max(by_series + by_block - float((both**2).sum()), by_series, by_block)))


def _in_each_window(cells: _Cells, parts: Sequence[BoolArray], side: float) -> bool:
    """Whether a group lies on this side of the others in every past window that has rows of both."""
    for window in np.unique(cells.window):
        at = cells.window == window
        sums = [(cells.forecast[part][:, at].sum(), cells.actual[part][:, at].sum()) for part in parts]
        if all(actual for _, actual in sums):
            own, others = (forecast / actual for forecast, actual in sums)
            if (own - others) * side <= 0:
                return False
    return True
