"""Raw tables → encoded tables: fitted once by prep, applied unchanged by predict. One code path for both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.baselines import group_medians
from tabcli.bundle import ROW, Fitted, Prepared
from tabcli.config import Config
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
from tabcli.metrics import rmspe
from tabcli.preprocess import Encoded, LogTarget, Preprocessor
from tabcli.split import Split, length_of, time_split
from tabcli.tables import (
    BoolArray,
    Contract,
    DataSource,
    describe,
    kind_of,
    load_tables,
    matches,
    require_columns,
    stack,
)

Tables = dict[str, pd.DataFrame]


def side_names(config: Config) -> list[str]:
    """The tables that the rows are joined with, each once."""
    return list(dict.fromkeys(join.table for join in config.joins))


# --------------------------------------------------------------------------------------------- fitting


def fit(config: Config, data: DataSource, *, sample: int | None = None) -> Prepared:
    """Reads the tables, makes the features, splits by time, fits the preprocessors on the training rows, encodes.

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
    wide, n_train, filled = _widen_all(tables, config)
    split = time_split(tables["train"][config.date], config.validation, _dates(tables, config))
    availability = _availability(config, tables, split)
    check_available(config, availability)
    variables = choose_variables(wide.table, config, availability)
    rows = wide.table.iloc[:n_train]
    kept, dropped = _scored_rows(rows, config, train_where)
    fitted, parts = _fit_and_encode(config, wide, variables, contract, split, kept)
    tables_out = {name: table for name, (table, _) in parts.items()}
    baseline = _baseline(rows, config, split.train & kept, split.valid & kept)
    summary = {
        "rows": {
            "read": n_read,
            "sampled": sample is not None,
            "dropped": dropped,
            "gap": int((kept & ~split.train & ~split.valid).sum()),
            **{name: len(table) for name, table in tables_out.items()},
        },
        "series": len(wide.calendar.series),
        "columns": {
            "categorical": fitted.preprocessor.categorical,
            "continuous": fitted.preprocessor.continuous,
            "past only": sorted(c for c, role in availability.items() if role == "past only"),
        },
        "unmatched": wide.unmatched,
        "filled_inputs": filled,
        "codes": {name: encoded.codes for name, (_, encoded) in parts.items()},
        "filled": {name: encoded.filled for name, (_, encoded) in parts.items()},
        "dates": fitted.dates,
        "baseline": baseline,
    }
    return Prepared(fitted, tables_out, summary)


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


def _dates(tables: Tables, config: Config) -> "pd.Series[Any] | None":
    return tables["future"][config.date] if "future" in tables else None


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


def _widen_all(tables: Tables, config: Config) -> tuple[Wide, int, dict[str, int]]:
    """Train rows and below them the future's, widened together so that event windows cross the boundary."""
    train = tables["train"]
    future = tables.get("future", train.iloc[:0])
    if config.id is not None and config.id in train.columns:
        train = train.drop(columns=config.id)
    rows, filled = fill_rows(stack(train, future), config)
    calendar = EventCalendar.empty(config.series, config.features.events)
    return widen(rows, tables, config, calendar), len(train), filled


def _availability(config: Config, tables: Tables, split: Split) -> dict[str, str]:
    future = _dates(tables, config)
    horizon = length_of(future) if future is not None else split.valid_end - split.valid_start
    return availability_of(config, tables["train"], tables, int(horizon.total_seconds()))


def _scored_rows(rows: pd.DataFrame, config: Config, where: str) -> tuple[BoolArray, dict[str, int]]:
    """The rows to learn from and be scored on, bool (n,), and how many were left out for which reason."""
    target = rows[config.target.column]
    if kind_of(target) in ("text", "date"):
        raise DataError(f"{where}: the target {target.name!r} holds {kind_of(target)} values, not numbers")
    left_out = {}
    kept = np.ones(len(rows), dtype=bool)
    if config.target.drop_where:
        hit = matches(rows, config.target.drop_where, "target.drop_where")
        left_out[", ".join(f"{c} = {v}" for c, v in config.target.drop_where.items())] = int(hit.sum())
        kept &= ~hit
    values = target.to_numpy(dtype="float64")
    for reason, wrong in (("missing", np.isnan(values)), ("zero", values == 0), ("negative", values < 0)):
        n_wrong = int((wrong & kept).sum())
        if n_wrong and config.target.nonpositive == "refuse":
            raise DataError(
                f"{where}: the target {target.name!r} is {reason} in {n_wrong} of {int(kept.sum())} rows, "
                "which have no logarithm",
                hint=f"leave them out with `target.drop_where: {{{target.name}: 0}}` or `target.nonpositive: drop`",
            )
        if n_wrong:
            left_out[f"{target.name} {reason}"] = n_wrong
        kept &= ~wrong
    if not kept.any():
        raise DataError(f"{where}: no row with a positive target is left")
    return kept, left_out


def _fit_and_encode(
    config: Config, wide: Wide, variables: Variables, contract: Contract, split: Split, kept: BoolArray
) -> tuple[Fitted, dict[str, tuple[pd.DataFrame, Encoded]]]:
    n_train = len(kept)
    masks = {"train": split.train & kept, "valid": split.valid & kept}
    for name, mask in masks.items():
        if not mask.any():
            raise DataError(f"no rows are left for {name} after leaving out those without a usable target")
    rows = {name: wide.table.iloc[:n_train][mask] for name, mask in masks.items()}
    if len(wide.table) > n_train:
        rows["future"] = wide.table.iloc[n_train:]
    preprocessor = Preprocessor.fit(rows["train"], variables.categorical, variables.continuous)
    target = LogTarget.fit(rows["train"][config.target.column])
    dates = {k: getattr(split, k).isoformat() for k in ("train_start", "train_end", "valid_start", "valid_end")}
    fitted = Fitted(config, contract, preprocessor, target, wide.calendar, dates)
    parts = {}
    for name, table in rows.items():
        encoded = preprocessor.transform(table)
        parts[name] = (_with_keys(encoded, table, config, target if name != "future" else None), encoded)
    return fitted, parts


def _with_keys(encoded: Encoded, rows: pd.DataFrame, config: Config, target: LogTarget | None) -> pd.DataFrame:
    """The encoded columns, `y`, and the row's own key and target under `row.…`."""
    extra: dict[str, Any] = {}
    if target is not None:
        extra["y"] = target.transform(rows[config.target.column])
        extra[ROW + config.target.column] = rows[config.target.column].to_numpy(dtype="float64")
    for column in (*config.series, config.date):
        extra[ROW + column] = rows[column].to_numpy() if kind_of(rows[column]) != "text" else rows[column].astype("str")
    extra[ROW + "filled"] = encoded.n_filled
    clash = sorted({*extra} & {*encoded.table.columns})
    if clash:
        raise ConfigError(f"the variable names {', '.join(clash)} are kept for tabcli itself; rename the columns")
    keys = pd.DataFrame(extra, index=rows.index)
    return pd.concat([encoded.table, keys], axis=1).reset_index(drop=True)


def _baseline(rows: pd.DataFrame, config: Config, train: BoolArray, valid: BoolArray) -> dict[str, Any]:
    """The validation RMSPE of the median by the config's `baseline` columns, or by series and weekday."""
    by = list(config.baseline)
    if not by:
        by = [*config.series, "weekday"]
        rows = rows.assign(weekday=rows[config.date].dt.day_of_week)
    require_columns(rows, by, "baseline")
    target = rows[config.target.column].to_numpy(dtype="float64")
    forecast = group_medians(rows[train], target[train], rows[valid], by)
    return {"by": by, "valid_rmspe": rmspe(target[valid], forecast)}


# -------------------------------------------------------------------------------------------- applying


@dataclass(frozen=True)
class Applied:
    """Rows to forecast: as they came, widened, and encoded, all in the same order."""

    rows: pd.DataFrame
    wide: Wide
    encoded: Encoded
    filled_inputs: dict[str, int]


def apply(fitted: Fitted, data: DataSource, *, table: str = "future") -> Applied:
    """Encodes the rows of a table by what was fitted. No target is needed; columns that prep did not see are ignored.

    Raises `DataError` for missing columns, values of another kind, and repeated keys.
    """
    config = fitted.config
    if table not in config.tables:
        raise ConfigError(f"tables: no table is called {table}; it is the one with the rows to forecast")
    tables = load_tables(config, data, [table, *side_names(config)])
    where = describe(config, data, table)
    _check_future(tables[table], config, where)
    rows = fitted.contract.conform(_known_ahead(tables[table], config), "train", where)
    sides: Mapping[str, pd.DataFrame] = {
        name: fitted.contract.conform(tables[name], name, describe(config, data, name)) for name in side_names(config)
    }
    rows, filled = fill_rows(rows, config)
    wide = widen(rows, sides, config, fitted.calendar)
    return Applied(rows, wide, fitted.preprocessor.transform(wide.table), filled)


def zero_rows(applied: Applied, config: Config) -> NDArray[np.bool_]:
    """Which rows the config says are zero whatever the model says, bool (n,)."""
    if not config.forecast.zero_where:
        return np.zeros(len(applied.rows), dtype=bool)
    return matches(applied.wide.table, config.forecast.zero_where, "forecast.zero_where")
