"""What a careful reader of a forecast must know: unknown series and values, filled gaps, joins without match."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from tabcli.arrays import BoolArray, IntArray
from tabcli.artifacts.contents import Run
from tabcli.artifacts.encoded_names import ROW, input_column
from tabcli.evaluation.scatter import NEW
from tabcli.pipeline.apply import Applied, zero_rows
from tabcli.pipeline.encoding import known_series
from tabcli.pipeline.future import closed_weekdays, ended_series, open_steps, steps_without
from tabcli.preprocessing.categorical import UNKNOWN, count_codes


def ended_notes(run: Run) -> list[str]:
    """A warning of series that end long before the others: they may be gone, and rows were made for them, or none."""
    fitted = run.fitted
    ended = ended_series(fitted)
    if not ended:
        return []
    keys = fitted.calendar.series.iloc[list(ended)[:3]]
    shown = ", ".join(" ".join(map(str, row)) for row in keys.itertuples(index=False))
    kept = fitted.config.forecast.ended == "kept"
    what = "they are forecast like the others" if kept else "no rows are made for them"
    other = "forecast.ended: left_out makes none for them" if kept else "forecast.ended: kept makes them"
    return [
        f"{len(ended)} series have no row in the last {steps_without(fitted)} steps "
        f"({shown}{', …' if len(ended) > 3 else ''}); {what}; {other}"
    ]


def closed_notes(run: Run) -> list[str]:
    """Warnings of weekdays on which series have no rows in the past, so that none were made."""
    n_series = len(run.fitted.calendar.series)
    return [
        f"{'the' if n == n_series else n} series had no row on a {name} in their last year: none are made; "
        "forecast.weekdays: all makes them"
        for name, n in closed_weekdays(run.fitted).items()
    ]


@dataclass(frozen=True)
class Noted:
    """Something about `n` rows that a careful reader must know; `sentences` says it in words.

    `kind`: what. `about`: the column or table. `place`: among the others of its kind. `n_series`: of how many series.
    `examples`: what to name → its first row. `value`: the farthest one. `steps`: which steps ahead are asked for.
    """

    kind: str
    n: int
    about: str = ""
    place: int = 0
    n_series: int = 0
    examples: Mapping[str, int] = field(default_factory=dict)
    value: float = 0.0
    steps: Sequence[int] = ()

    def merged(self, other: "Noted") -> "Noted":
        """The same of these rows and of others of other series."""
        first = dict(self.examples)
        for text, row in other.examples.items():
            first[text] = min(row, first.get(text, row))
        return replace(
            self,
            n=self.n + other.n,
            n_series=self.n_series + other.n_series,
            examples=dict(sorted(first.items(), key=lambda pair: pair[1])[:MOST_EXAMPLES]),
            value=max(self.value, other.value, key=abs),
            steps=sorted({*self.steps, *other.steps}),
        )


MOST_EXAMPLES = 4
"""Three are named, and a fourth tells that there are more."""


def merge_noted(parts: Iterable[Iterable[Noted]]) -> list[Noted]:
    """What is to be known of all rows, from that of parts of whole series."""
    made: dict[tuple[str, str, int], Noted] = {}
    for noted in (n for part in parts for n in part):
        key = (noted.kind, noted.about, noted.place)
        made[key] = made[key].merged(noted) if key in made else noted
    return sorted(made.values(), key=lambda noted: (KINDS.index(noted.kind), noted.place))


def notes_on(applied: Applied, run: Run) -> list[str]:
    """A sentence for each thing that a careful reader of this forecast must know."""
    n_needed = int((~zero_rows(applied, run.fitted.config)).sum())
    return sentences(noted_on(applied, run), n_needed, run)


def noted_on(
    applied: Applied, run: Run, numbers: IntArray | None = None, until: pd.Timestamp | None = None
) -> list[Noted]:
    """What a careful reader of this forecast must know, in the order of `KINDS`.

    Rows that are 0 by rule need no forecast: what is strange in them is not counted. `numbers`: of the rows among all
    that are forecast, int64 (n,). `until`: the last date of all these.
    """
    rows = np.arange(len(applied.rows)) if numbers is None else numbers
    config, encoded = run.fitted.config, applied.encoded
    needed = ~zero_rows(applied, config)
    noted = []
    keyed = [c for c in map(input_column, config.series) if c in encoded.table.columns]
    if keyed:
        unknown = (encoded.table[keyed] == UNKNOWN).any(axis=1).to_numpy() & needed
        if unknown.any():
            series = applied.rows.loc[unknown, list(config.series)].drop_duplicates()
            shown = [" ".join(map(str, row)) for row in series.head(MOST_EXAMPLES).itertuples(index=False)]
            examples = dict(zip(shown, rows[series.index[:MOST_EXAMPLES]].tolist(), strict=True))
            noted.append(Noted("new series", int(unknown.sum()), n_series=len(series), examples=examples))
    noted += _gaps(applied, run, needed)
    noted += [Noted("taken", n, c, i) for i, (c, n) in enumerate(applied.filled_inputs.items()) if n]
    if run.snapshot is not None:
        ahead = encoded.table[ROW + "step"].to_numpy() - run.snapshot.origin
        for kind, found in (("beyond", ahead >= run.snapshot.spec.horizon), ("before", ahead < 0)):
            if (found & needed).any():
                noted.append(Noted(kind, int((found & needed).sum())))
    noted += _unmatched(applied, run, rows, needed)
    return noted + _unseen_plan(applied, run, until) + _far(applied, run, needed)


KINDS = (
    *("new series", "unknown", "missing", "filled", "taken", "beyond", "before", "unmatched", "plan", "far"),
    *("new bounds", "bounds beyond", "one window"),
)
"""What may be noted, in the order in which it is said."""


def sentences(noted: Sequence[Noted], n_rows: int, run: Run) -> list[str]:
    """What is noted of the n rows that are not 0 by rule, in words."""
    fitted = run.fitted
    gaps = [n for n in noted if n.kind in ("unknown", "missing", "filled")]
    made, said = [], False
    for each in noted:
        match each.kind:
            case "new series":
                made.append(
                    f"{each.n_series} series that training never saw ({_shown(each, ', ')}): "
                    f"{each.n} rows are forecast from their other columns alone, as of an average series"
                )
            case "unknown" | "missing" | "filled":
                made += [] if said else _together([(gap.about, _gap_text(gap, n_rows)) for gap in gaps])
                said = True
            case "taken":
                made.append(
                    f"column {each.about}: {each.n} missing values taken as {fitted.config.forecast.fill[each.about]}"
                )
            case "beyond":
                horizon = run.snapshot.spec.horizon if run.snapshot is not None else 0
                made.append(
                    f"{each.n} of {n_rows} rows lie further ahead than the {horizon} steps that training looked at"
                )
            case "before":
                made.append(
                    f"{each.n} of {n_rows} rows lie before the end of the known past, which the forecast makes use of"
                )
            case "unmatched":
                if each.value == 0 or each.n == n_rows:
                    keys = f": {_shown(each, '; ')}" if each.examples else ""
                    made.append(f"table {each.about}: {each.n} of {n_rows} rows found no match{keys}")
            case "plan":
                made += [_plan_text(each, run)] if each.n else []
            case "far":
                made.append(_far_text(each, n_rows, run))
            case kind:
                made.append(_bounds_text(kind, each))
    return made


def _shown(noted: Noted, between: str) -> str:
    """The first three examples."""
    names = list(noted.examples)
    return between.join(names[:3]) + (f"{between}…" if len(names) > 3 else "")


def _bounds_text(kind: str, noted: Noted) -> str:
    if kind == "new bounds":
        return f"{noted.n} rows hold what training never saw: their intervals are {NEW} times as wide"
    if kind == "bounds beyond":
        return (
            f"{noted.n} rows lie beyond the {int(noted.value)} steps of past windows: their intervals grow with the "
            "distance, by a rule that no past window could check"
        )
    return "intervals come from a single past window: how much windows differ is not known to them"


@dataclass(frozen=True)
class FarValues:
    """Values of a number that lie further from those of the tables that prep read than these lie from each other.

    `low`, `high`: the least and the largest that prep read. `rows`: which rows have such a value, bool (n,).
    """

    column: str
    low: float
    high: float
    rows: BoolArray
    example: float

    def __str__(self) -> str:
        return f"column {self.column}: {self.example:g}, where prep saw {self.low:g} … {self.high:g}"


def far_values(applied: Applied, run: Run, by: float = 1.0, among: BoolArray | None = None) -> list[FarValues]:
    """The far values of each continuous input that a table has.

    `by`: how far beyond those that prep read, as a share of the distance of the largest of these from the least.
    `among`: in which rows they are looked for, bool (n,); by default in all.
    """
    found, table = [], applied.features.table
    profiles = {c: p for columns in run.fitted.contract.tables.values() for c, p in columns.items()}
    for column in run.fitted.preprocessor.continuous:
        profile = profiles.get(column)
        if profile is None or column not in table.columns:
            continue
        low, high = profile.get("min"), profile.get("max")
        if not (isinstance(low, int | float) and isinstance(high, int | float)):
            continue
        values = table[column].to_numpy(dtype="float64")
        reach = by * (float(high) - float(low))
        far = np.isfinite(values) & ((values > high + reach) | (values < low - reach))
        far = far if among is None else far & among
        if far.any():
            worst = values[far][np.argmax(np.abs(values[far]))]
            found.append(FarValues(column, float(low), float(high), far, float(worst)))
    return found


def _far(applied: Applied, run: Run, needed: BoolArray) -> list[Noted]:
    """Numbers far from those of training: a network does not know what follows from them."""
    columns = run.fitted.preprocessor.continuous
    return [
        Noted("far", int(far.rows.sum()), far.column, columns.index(far.column), value=far.example)
        for far in far_values(applied, run, among=needed)
    ]


def _far_text(noted: Noted, n_rows: int, run: Run) -> str:
    profile = next(
        columns[noted.about] for columns in reversed(run.fitted.contract.tables.values()) if noted.about in columns
    )
    return (
        f"column {noted.about}: {noted.n} of {n_rows} values lie far from the {profile['min']:g} … {profile['max']:g} "
        f"that prep saw, such as {noted.value:g}: such forecasts are a guess"
    )


def _gaps(applied: Applied, run: Run, needed: BoolArray) -> list[Noted]:
    """Values that training never saw, and missing values in columns that had none in training, in the `needed` rows."""
    config, fitted, table = run.fitted.config, run.fitted.preprocessor, applied.features.table
    odd = [c for c, counts in applied.encoded.codes.items() if any(counts.values())]
    codes = {c: count_codes(fitted.categorify.codes(table[c], c)[needed]) for c in odd}
    filled = {c: fitted.fill_missing.filled(table[c], c)[1] & needed for c, n in applied.encoded.filled.items() if n}
    counted = [("unknown", c, counts["unknown"]) for c, counts in codes.items() if c not in config.series]
    counted += [("missing", c, counts["missing"]) for c, counts in codes.items()]
    counted += [("filled", c, int(rows.sum())) for c, rows in filled.items()]
    usual = {"unknown": (), "missing": fitted.categorify.with_missing_, "filled": fitted.fill_missing.flagged_}
    places = {c: i for columns in (fitted.categorical, fitted.continuous) for i, c in enumerate(columns)}
    return [Noted(kind, n, c, places[c]) for kind, c, n in counted if n and c not in usual[kind]]


def _gap_text(noted: Noted, n_rows: int) -> str:
    if noted.kind == "unknown":
        return f"{noted.n} of {n_rows} rows hold a value that training never saw"
    gone = f"{noted.n} of {n_rows} values are missing, none were in training; "
    return gone + ("taken as a value that training never saw" if noted.kind == "missing" else "median filled in")


def _together(found: Sequence[tuple[str, str]]) -> list[str]:
    """Columns and what is said of each → one sentence for all columns of which the same is said.

    >>> _together([("state", "1 is missing"), ("size", "2 are missing"), ("kind", "1 is missing")])
    ['columns state, kind, each: 1 is missing', 'column size: 2 are missing']
    """
    columns: dict[str, list[str]] = {}
    for column, text in found:
        columns.setdefault(text, []).append(column)
    return [
        f"column {names[0]}: {text}" if len(names) == 1 else f"columns {', '.join(names)}, each: {text}"
        for text, names in columns.items()
    ]


def _unseen_plan(applied: Applied, run: Run, until: pd.Timestamp | None) -> list[Noted]:
    """Whether some rows of the horizon are not asked for: events planned on those days are then not known."""
    fitted = run.fitted
    if not fitted.config.features.events:
        return []
    dates = applied.rows[fitted.config.date]
    ahead = -fitted.frequency.ago(dates, fitted.known_until)
    later, n_steps = ahead > 0, _n_planned(dates.max() if until is None else until, run)
    if n_steps <= 0:
        return []
    series, numbers = np.unique(applied.features.series, return_inverse=True)
    n_own = np.bincount(numbers[later], minlength=len(series))
    coming = pd.Series([fitted.frequency.after(fitted.known_until, i + 1) for i in range(n_steps)])
    expected = open_steps(fitted, known_series(fitted.calendar, series), coming).sum(axis=1)
    n_lacking = int((n_own < expected).sum())
    return [Noted("plan", n_lacking, steps=np.unique(ahead[later]).tolist(), value=float(n_steps))]


def _n_planned(last: pd.Timestamp, run: Run) -> int:
    """How many steps after the known calendar are looked at, where the last row is of a date."""
    fitted = run.fitted
    ahead, known = (
        -int(fitted.frequency.ago(pd.Series([date]), since)[0])
        for date, since in ((last, fitted.known_until), (fitted.known_until, fitted.split.valid_end))
    )
    return max(ahead, fitted.horizon - known)


def _plan_text(noted: Noted, run: Run) -> str:
    n_steps, n_asked, known_until = int(noted.value), len(noted.steps), run.fitted.known_until
    what = (
        f"{n_asked} of the {n_steps} steps after {known_until} are asked for"
        if n_asked < n_steps
        else f"{noted.n} series are asked for without some of the {n_steps} steps after {known_until}"
    )
    return (
        f"{what}: what is planned on the others is not known, and forecasts of rows asked for together may differ; "
        "ask for all rows of the horizon at once"
    )


def _unmatched(applied: Applied, run: Run, numbers: IntArray, needed: BoolArray) -> list[Noted]:
    """The `needed` rows that found no match in a lookup table; `value` is 1 where such rows were in training, too."""
    fitted, noted = run.fitted, {}
    seen = {*fitted.preprocessor.categorify.with_missing_, *fitted.preprocessor.fill_missing.flagged_}
    table = applied.features.table
    for i, join in enumerate(fitted.config.joins):
        n = applied.features.unmatched.get(join.table, 0)
        inputs = {*fitted.preprocessor.categorical, *fitted.preprocessor.continuous} - {*join.on, join.as_of}
        brought = [c for c in fitted.contract.tables[join.table] if c in inputs]
        gone = np.logical_and.reduce([needed, *(table[c].isna().to_numpy() for c in brought)]) if n else needed
        n = min(n, int(gone.sum())) if brought or n == len(needed) else 0
        if not n:
            continue
        examples: dict[str, int] = {}
        if brought and join.on:
            keys = table.frame(join.on).set_axis(numbers)[gone].drop_duplicates().head(MOST_EXAMPLES)
            shown = [", ".join(f"{k}={v}" for k, v in row.items()) for row in keys.to_dict("records")]
            examples = dict(zip(shown, keys.index.tolist(), strict=True))
        usual = float(all(c in seen for c in brought))
        noted[i] = Noted("unmatched", n, join.table, i, examples=examples, value=usual)
    return list(noted.values())
