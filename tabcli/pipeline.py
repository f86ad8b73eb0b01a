"""Raw tables → encoded tables: fitted once by prep, applied unchanged by predict. One code path for both."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.ahead import tail_of
from tabcli.baselines import naive_forecasts
from tabcli.bundle import ROW, Fitted, Prepared
from tabcli.calendars import PublicHolidays
from tabcli.config import Config, History, Transform, did_you_mean
from tabcli.errors import ConfigError, DataError
from tabcli.events import EventCalendar
from tabcli.features import (
    Variables,
    Wide,
    availability_of,
    check_available,
    check_static,
    choose_variables,
    fill_rows,
    widen,
)
from tabcli.frequency import WEEK, Frequency
from tabcli.history import Grid, Positions
from tabcli.joins import Joined, Side
from tabcli.metrics import Criterion
from tabcli.preprocess import Encoded, Preprocessor, TargetTransform
from tabcli.split import Split, time_split, validation_steps
from tabcli.tables import (
    BoolArray,
    Contract,
    DataSource,
    IntArray,
    describe,
    distinct_rows,
    frame_of,
    kind_of,
    load_tables,
    matches,
    require_columns,
    stack,
)
from tabcli.texts import no_numbers

Tables = dict[str, pd.DataFrame]


def side_names(config: Config) -> list[str]:
    """The tables that the rows are joined with, each once."""
    return list(dict.fromkeys(join.table for join in config.joins))


# --------------------------------------------------------------------------------------------- fitting


@dataclass(frozen=True)
class Source:
    """The joined and expanded rows of train and below them those of future, before anything is fitted."""

    config: Config
    wide: Wide
    contract: Contract
    availability: dict[str, str]
    kept: BoolArray
    """Which of the train rows have a target to learn from or be scored on, bool (n_train,)."""
    holidays: PublicHolidays
    frequency: Frequency
    horizon: int
    """How many steps are to be forecast, and validated."""
    facts: dict[str, Any]

    @property
    def rows(self) -> Joined:
        """The train rows."""
        return self.wide.table.head(len(self.kept))


def read(config: Config, data: DataSource, *, sample: int | None = None) -> Source:
    """Reads and joins the tables and makes the features: all that depends on no split.

    `sample` keeps whole series worth about that many rows. Raises `ConfigError` and `DataError`.
    """
    names = ["train", *(["future"] if "future" in config.tables else []), *side_names(config)]
    tables = load_tables(config, data, names)
    train_where = describe(config, data, "train")
    require_columns(tables["train"], [config.target.column, *_declared(config)], train_where)
    contract = Contract.of(tables)
    if "future" in tables:
        future_where = describe(config, data, "future")
        _check_future(tables["future"], config, future_where)
        tables["future"] = contract.conform(_known_ahead(tables["future"], config), "train", future_where)
    n_read = {name: len(tables[name]) for name in ("train", "future") if name in tables}
    if sample is not None:
        tables = _sampled(tables, config, sample)
    check_static(tables["train"], config, train_where)
    tables["train"], n_clipped = _clipped(tables["train"], config)
    ruled = [rule.holidays for rule in config.forecast.rules.values() if rule.holidays]
    holidays = PublicHolidays.look_up([*config.features.holidays.values(), *ruled], tables["train"][config.date])
    wide, n_train, filled = _widen_all(tables, config, holidays)
    frequency = Frequency.of(wide.table[config.date], None if config.frequency == "auto" else config.frequency)
    ahead = tables["future"][config.date] if "future" in tables else None
    horizon = validation_steps(config.validation, frequency, ahead)
    availability = availability_of(config, tables["train"], tables, horizon * frequency.seconds)
    check_available(config, availability)
    kept, dropped = _scored_rows(wide.table.head(n_train), config, train_where)
    facts = {
        "read": n_read,
        "sampled": sample is not None,
        "dropped": dropped,
        "filled_inputs": filled,
        "clipped": n_clipped,
    }
    return Source(config, wide, contract, availability, kept, holidays, frequency, horizon, facts)


@dataclass(frozen=True)
class Cut:
    """The split by time. `kept`: the train rows to learn from or be scored on, and of these `train` and `valid`, bool.

    `parts`: the numbers of the rows of each part in the wide table.
    """

    split: Split
    kept: BoolArray
    train: BoolArray
    valid: BoolArray
    parts: dict[str, IntArray]


def _cut(source: Source, until: pd.Timestamp | None) -> Cut:
    """Raises `DataError` where no rows are left to learn from, or to be scored on."""
    kept, dates = source.kept, source.rows[source.config.date]
    if until is not None:
        kept = kept & (dates <= until).to_numpy()
    known = dates if until is None else dates[dates <= until]
    split = time_split(known, source.config.validation, source.horizon, source.frequency)
    train, valid = (kept & part(dates).to_numpy() for part in (split.is_train, split.is_valid))
    gap = kept & ~train & ~valid
    for name, mask in (("train", train), ("valid", valid)):
        if not mask.any():
            raise DataError(f"no rows are left for {name} after leaving out those without a usable target")
    parts = {"train": np.flatnonzero(train), "valid": np.flatnonzero(valid)}
    if gap.any():
        parts["gap"] = np.flatnonzero(gap)
    if until is None and len(source.wide.table) > len(dates):
        parts["future"] = np.arange(len(dates), len(source.wide.table))
    return Cut(split, kept, train, valid, parts)


def encode(source: Source, *, until: pd.Timestamp | None = None) -> Prepared:
    """Splits by time, fits the preprocessors on the training rows, encodes.

    With `until` as if the train table had ended with that moment: later targets are not looked at, and the rows to
    forecast are left out.
    """
    config, cut = source.config, _cut(source, until)
    variables = choose_variables(source.wide.table, config, source.availability)
    with ThreadPoolExecutor(1) as aside:  # nothing else waits for the naive forecasts
        naive = aside.submit(_naive, source.rows, config, source.frequency, cut.train, cut.valid)
        prepared = _encode(source, cut, variables)
    criterion = prepared.criterion(prepared.tables["valid"])
    actual = prepared.tables["valid"][ROW + config.target.column].to_numpy()
    criterion.check(actual, "validation rows")
    baseline = _baseline(config, criterion, actual, naive.result())
    return replace(prepared, summary=prepared.summary | {"baseline": baseline})


def _encode(source: Source, cut: Cut, variables: Variables) -> Prepared:
    """All of it but the baseline."""
    config, table, rows, parts = source.config, source.wide.table, source.rows, cut.parts
    preprocessor = Preprocessor.fit(table, variables.categorical, variables.continuous, parts["train"])
    target = TargetTransform.fit(config.target.transform, rows[config.target.column].to_numpy()[parts["train"]])
    grid, past, places = _history(source, cut.kept, cut.train, target)
    fitted = Fitted(
        config,
        source.contract,
        preprocessor,
        target,
        source.wide.calendar,
        cut.split.moments,
        source.frequency,
        source.holidays,
        tail_of(rows, config, source.frequency, source.wide.series[: len(rows)], cut.split.valid_end),
        grid,
    )
    encoded = preprocessor.transform_parts(table, parts)
    tables = {
        name: _with_keys(encoded[name], table, places, parts[name], fitted, has_target=name != "future")
        for name in parts
    }
    return Prepared(fitted, tables, _summary(source, fitted, tables, encoded), past)


def fit(config: Config, data: DataSource, *, sample: int | None = None) -> Prepared:
    """`read` and `encode`: raw tables → encoded ones, with all that was fitted on the training rows."""
    return encode(read(config, data, sample=sample))


def _summary(
    source: Source, fitted: Fitted, tables: Mapping[str, pd.DataFrame], encoded: Mapping[str, Encoded]
) -> dict[str, Any]:
    """What prep prints."""
    facts = source.facts
    return {
        "rows": {
            "read": facts["read"],
            "sampled": facts["sampled"],
            "dropped": facts["dropped"],
            "gap": 0,
            **{name: len(table) for name, table in tables.items()},
        },
        "series": len(fitted.calendar.series),
        "columns": {
            "categorical": fitted.preprocessor.categorical,
            "continuous": fitted.preprocessor.continuous,
            "past only": sorted(c for c, role in source.availability.items() if role == "past only"),
        },
        "unmatched": source.wide.unmatched,
        "filled_inputs": facts["filled_inputs"],
        "clipped": facts["clipped"],
        "frequency": str(fitted.frequency),
        "metric": fitted.config.metric,
        "codes": {name: part.codes for name, part in encoded.items()},
        "filled": {name: part.filled for name, part in encoded.items()},
        "dates": fitted.dates,
    }


def _declared(config: Config) -> list[str]:
    roles = config.availability
    return [*roles.known_in_advance, *roles.past_only, *roles.static]


def _known_ahead(future: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The columns of rows to forecast that may be used: whatever else stands there is not looked at."""
    roles = config.availability
    names = {*config.series, config.date, config.id, *roles.known_in_advance, *roles.static}
    return future[[c for c in future.columns if c in names]]


def _check_future(future: pd.DataFrame, config: Config, where: str) -> None:
    """The future table must have what is known in advance, and an id that names one row."""
    require_columns(future, [*config.availability.known_in_advance, *config.availability.static], where)
    if config.id is None:
        return
    require_columns(future, [config.id], where)
    ids = future[config.id]
    wrong = int((ids.duplicated() | ids.isna()).sum())
    if wrong:
        raise DataError(
            f"{where}: column {config.id!r}: {wrong} ids are missing or repeat another", hint="an id names one row"
        )


def _sampled(tables: Tables, config: Config, n_rows: int) -> Tables:
    """Whole series, drawn by the config's seed, that have about `n_rows` rows in the train table."""
    keys = list(config.series)
    train = tables["train"]
    series = train[keys].drop_duplicates()
    n_series = min(len(series), max(1, round(n_rows * len(series) / len(train))))
    chosen = series.sample(n_series, random_state=config.seed)
    wanted = pd.MultiIndex.from_frame(chosen)
    return {
        name: table[pd.MultiIndex.from_frame(table[keys]).isin(wanted)].reset_index(drop=True)
        if name in ("train", "future")
        else table
        for name, table in tables.items()
    }


def _widen_all(tables: Tables, config: Config, holidays: PublicHolidays) -> tuple[Wide, int, dict[str, int]]:
    """Train rows and below them the future's, widened together so that event windows cross the boundary."""
    train = tables["train"]
    future = tables.get("future", train.iloc[:0])
    if config.id is not None and config.id in train.columns:
        train = train.drop(columns=config.id)
    rows, filled = fill_rows(stack(train, future), config)
    calendar = EventCalendar.empty(config.series, config.features.events)
    sides = [Side.of(tables[join.table], join) for join in config.joins]
    return widen(rows, sides, config, calendar, holidays), len(train), filled


def _clipped(train: pd.DataFrame, config: Config) -> tuple[pd.DataFrame, int]:
    """The rows with negative targets taken as 0 where the config says so, and how many those were."""
    name = config.target.column
    if config.target.nonpositive != "clip" or kind_of(train[name]) not in ("int", "float"):
        return train, 0
    return train.assign(**{name: train[name].clip(lower=0)}), int((train[name] < 0).sum())


def _scored_rows(rows: Joined, config: Config, where: str) -> tuple[BoolArray, dict[str, int]]:
    """The rows to learn from and be scored on, bool (n,), and how many were left out for which reason."""
    target = rows[config.target.column]
    if kind_of(target) == "text":
        raise no_numbers(target, where)
    if kind_of(target) == "date":
        raise DataError(f"{where}: the target {target.name!r} holds {kind_of(target)} values, not numbers")
    left_out = {}
    kept = np.ones(len(rows), dtype=bool)
    if config.target.drop_where:
        hit = matches(rows, config.target.drop_where, "target.drop_where")
        left_out[", ".join(f"{c} = {v}" for c, v in config.target.drop_where.items())] = int(hit.sum())
        kept &= ~hit
    values = target.to_numpy(dtype="float64")
    refused = TargetTransform.refused(config.target.transform, values)
    for reason, wrong in (("missing", np.isnan(values)), ("zero", values == 0), ("negative", values < 0)):
        n_wrong = int((wrong & refused & kept).sum())
        if n_wrong and config.target.nonpositive != "drop":
            raise DataError(
                f"{where}: the target {target.name!r} is {reason} in {n_wrong} of {int(kept.sum())} rows, "
                f"which target.transform: {config.target.transform} does not take",
                hint=_ways_out(config, reason),
            )
        if n_wrong:
            left_out[f"{target.name} {reason}"] = n_wrong
        kept &= ~(wrong & refused)
    kept &= ~refused
    if not kept.any():
        raise DataError(f"{where}: no row with a target that can be learned is left")
    return kept, left_out


def _ways_out(config: Config, reason: str) -> str:
    """What the config can say about targets that its transform does not take."""
    ways = {
        "missing": [],
        "zero": ["learn them with `target.transform: log1p`"],
        "negative": ["learn them with `target.transform: identity`"],
    }[reason]
    if reason == "negative":
        ways.append("take them as 0 with `target.transform: log1p` and `target.nonpositive: clip`")
    if reason == "zero":
        ways.append(f"leave them out with `target.drop_where: {{{config.target.column}: 0}}`")
    return "; ".join([*ways, "leave out all such rows with `target.nonpositive: drop`"])


def _history(
    source: Source, kept: BoolArray, train: BoolArray, target: TargetTransform
) -> tuple[Grid | None, pd.DataFrame | None, Positions]:
    """The grid that the history lies on, the rows with a target on it (series, step, cell, y and other columns), and
    the places of all rows. Without a history only their series are of use.
    """
    config, rows, wide = source.config, source.rows, source.wide
    if config.history is None:
        return None, None, Positions(wide.series, wide.series, wide.series)
    _check_history(config.history, rows, source.availability)
    used = wide.table.frame(dict.fromkeys([config.date, *config.history.effects]))
    known = used.iloc[: len(rows)]
    grid = Grid.fit(
        known[train], config.date, config.history, frequency=source.frequency, horizon=source.horizon, known=known[kept]
    )
    places = grid.positions(used, config.date, wide.series)
    at = places.take(np.flatnonzero(kept))
    _check_steps(at.series, at.step, config, source.frequency)
    past = {"series": at.series, "step": at.step, "cell": at.cell}
    columns = {name: _scaled(rows[name][kept], train[kept], target.kind) for name in config.history.columns}
    y = target.transform(rows[config.target.column].to_numpy()[kept])
    return grid, frame_of({**past, "y": y, **columns}), places


def _scaled(values: "pd.Series[Any]", train: BoolArray, kind: Transform) -> NDArray[np.float32]:
    """A past-only column on the scale that the target's transform has for it, float32 (n,); NaN where it has none."""
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    there = ~TargetTransform.refused(kind, numbers)
    scaled = np.full(len(numbers), np.nan, dtype="float32")
    if (there & train).any():
        scaled[there] = TargetTransform.fit(kind, numbers[there & train]).transform(numbers[there])
    return scaled


def _check_steps(series: NDArray[np.int64], step: NDArray[np.int64], config: Config, frequency: Frequency) -> None:
    """Raises `DataError` where two rows of a series share a step of the history."""
    n_shared = len(step) - len(distinct_rows(frame_of({"series": series, "step": step}), ["series", "step"])[1])
    if n_shared:
        raise DataError(
            f"{n_shared} rows lie within the same step of {frequency} as another row of their series, "
            "which a history cannot tell apart",
            hint="set a shorter `frequency`, add the rows up beforehand, or leave `history` out",
        )


def _check_history(history: History, rows: Joined, availability: Mapping[str, str]) -> None:
    require = {"history.effects": history.effects, "history.columns": history.columns}
    problems = [
        f"  {path}: no column {c!r}{did_you_mean(c, rows.columns)}"
        for path, columns in require.items()
        for c in columns
        if c not in rows.columns
    ]
    problems += [
        f"  history.effects: {c!r} is past only: on the days to forecast nobody knows it"
        for c in history.effects
        if availability.get(c) == "past only"
    ]
    problems += [
        f"  history.columns: {c!r} holds {kind_of(rows[c])} values, not numbers"
        for c in history.columns
        if c in rows.columns and kind_of(rows[c]) not in ("int", "float", "text")
    ]
    if problems:
        raise ConfigError("the history needs other columns\n" + "\n".join(problems))
    for c in history.columns:
        if kind_of(rows[c]) == "text":
            raise no_numbers(rows[c], "history.columns")


def known_series(calendar: EventCalendar, codes: IntArray) -> IntArray:
    """Positions among series that grew by those of new rows → among the calendar's, −1 for one that it lacks."""
    return np.where(codes < len(calendar.series), codes, -1)


def _with_keys(
    encoded: Encoded, table: Joined, places: Positions, at: IntArray, fitted: Fitted, *, has_target: bool
) -> pd.DataFrame:
    """The encoded columns, `y`, and the row's own key, target and place in the history under `row.…`.

    `at`: which rows of the wide table and its places the encoded ones are.
    """
    config = fitted.config
    extra: dict[str, Any] = {}
    if has_target:
        values = table[config.target.column].to_numpy()[at]
        extra["y"] = fitted.target.transform(values)
        extra[ROW + config.target.column] = values.astype("float64")
    for column in (*config.series, config.date):
        key = table[column].iloc[at]
        extra[ROW + column] = key.to_numpy() if kind_of(key) != "text" else key.astype("str")
    extra[ROW + "filled"] = encoded.n_filled
    extra |= _place_columns(fitted, places.take(at))
    clash = sorted({*extra} & {*encoded.table.columns})
    if clash:
        raise ConfigError(f"the variable names {', '.join(clash)} are kept for tabcli itself; rename the columns")
    keys = frame_of(extra, encoded.table.index)
    return pd.concat([encoded.table, keys], axis=1).reset_index(drop=True)


def _place_columns(fitted: Fitted, places: Positions) -> dict[str, NDArray[np.int32]]:
    """`row.series`, a row's position among the known series or −1; with a history also `row.step` and `row.cell`."""
    names = ("series", "step", "cell") if fitted.grid is not None else ("series",)
    return {f"{ROW}{name}": getattr(places, name).astype("int32") for name in names}


def _baseline_columns(config: Config) -> list[str]:
    """What rows are alike in whose median is a baseline."""
    return list(config.baseline) or [*config.series, "season"]


def _naive(
    rows: Joined, config: Config, frequency: Frequency, train: BoolArray, valid: BoolArray
) -> dict[str, NDArray[np.float64]]:
    """Forecasts of the validation rows that need no learning, by name, float64 (n_valid,) each.

    Medians by the config's `baseline` columns, or by series and place in the season. Where steps are a week or
    longer, and `baseline` is given, also by the place in the season.
    """
    by = _baseline_columns(config)
    require_columns(rows.with_columns({"season": np.zeros(len(rows))}), by, "baseline")
    others = [c for c in by if c not in config.series]
    medians = [by, [*config.series, "season", *others]] if config.baseline and frequency.seconds >= WEEK else [by]
    target = rows[config.target.column].to_numpy(dtype="float64")
    used = [*config.series, config.date, *config.baseline]
    keys = rows.frame(dict.fromkeys(c for c in used if c in rows.stored))
    return naive_forecasts(keys[train], target[train], keys[valid], config.series, config.date, frequency, medians)


def _baseline(
    config: Config, criterion: Criterion, target: NDArray[np.float64], naive: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """The validation scores of naive forecasts, by name in `all`; the best one's name and score; `by`: see above."""
    scores = {name: criterion(target, made) for name, made in naive.items()}
    best = min(scores, key=lambda name: scores[name])
    return {"by": _baseline_columns(config), "name": best, f"valid_{criterion.metric}": scores[best], "all": scores}


# -------------------------------------------------------------------------------------------- applying


@dataclass(frozen=True)
class Applied:
    """Rows to forecast: as they came, widened, and encoded, all in the same order."""

    rows: pd.DataFrame
    wide: Wide
    encoded: Encoded
    filled_inputs: dict[str, int]


def side_tables(fitted: Fitted, data: DataSource) -> list[Side]:
    """The side tables, read, of the kinds that they had, and ready to be joined. Raises `DataError`."""
    return _sides(fitted, load_tables(fitted.config, data, side_names(fitted.config)), data)


def _sides(fitted: Fitted, tables: Tables, data: DataSource) -> list[Side]:
    names, config = side_names(fitted.config), fitted.config
    known = {name: fitted.contract.conform(tables[name], name, describe(config, data, name)) for name in names}
    return [Side.of(known[join.table], join) for join in config.joins]


def apply(
    fitted: Fitted, data: DataSource, *, rows: pd.DataFrame | None = None, sides: Sequence[Side] | None = None
) -> Applied:
    """Encodes rows by what was fitted: those given, or of the table `future`. `sides`: `side_tables`, if at hand.

    No target is needed; columns that prep did not see are ignored. Raises `DataError` for missing columns, values of
    another kind, and repeated keys, and `ConfigError` where there are no rows.
    """
    config = fitted.config
    if rows is None and "future" not in config.tables:
        raise ConfigError(
            "tables: no table is called future; it is the one with the rows to forecast",
            hint="predict --horizon 4w makes the rows of the next four weeks by the config's forecast.rules",
        )
    tables = load_tables(
        config, data, [*(["future"] if rows is None else []), *(side_names(config) if sides is None else [])]
    )
    where = describe(config, data, "future") if rows is None else "the rows to forecast"
    if rows is None:
        rows = tables["future"]
        _check_future(rows, config, where)
    rows = fitted.contract.conform(_known_ahead(rows, config), "train", where)
    if sides is None:
        sides = _sides(fitted, tables, data)
    rows, filled = fill_rows(rows, config)
    wide = widen(rows, sides, config, fitted.calendar.of_series(rows), fitted.holidays)
    encoded = fitted.preprocessor.transform(wide.table)
    series = known_series(fitted.calendar, wide.series)
    places = Positions(series, series, series)
    if fitted.grid is not None:
        places = fitted.grid.positions(wide.table, config.date, series)
    table_out = encoded.table.assign(**_place_columns(fitted, places))
    return Applied(rows, wide, replace(encoded, table=table_out), filled)


def zero_rows(applied: Applied, config: Config) -> NDArray[np.bool_]:
    """Which rows the config says are zero whatever the model says, bool (n,)."""
    if not config.forecast.zero_where:
        return np.zeros(len(applied.rows), dtype=bool)
    return matches(applied.wide.table, config.forecast.zero_where, "forecast.zero_where")
