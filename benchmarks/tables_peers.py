"""Peers of `benchmarks/tables.py`: three naive forecasts, LightGBM on lags and dates, and AutoETS for each series.

Each sees the past rows of a table, columns `when` (the first moment of a step), `key` (the series) and `y`, and
forecasts all steps ahead of all series. None sees the other columns, since what they will be is not known.
"""

from collections.abc import Callable

import lightgbm
import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoETS

NAIVE = ("last value", "last season", "median")
SEASONS = {"h": 24, "D": 7, "W-MON": 52, "MS": 12, "QS": 4}
"""Steps of a season by a step's pandas frequency."""

Features = Callable[[pd.DataFrame], pd.DataFrame]


def forecasts(past: pd.DataFrame, step: str, steps: int) -> dict[str, pd.Series]:
    """Peer → its forecasts, float64 by (when, key)."""
    grid = past.pivot_table(index="when", columns="key", values="y")
    grid = grid.reindex(pd.date_range(grid.index.min(), grid.index.max(), freq=step, name="when"))
    ahead = pd.date_range(grid.index[-1], periods=steps + 1, freq=step, name="when")[1:]
    season = 168 if step == "h" and len(grid) > 4 * 168 else SEASONS[step]
    made = {
        "last value": pd.DataFrame([grid.ffill().iloc[-1]] * steps, index=ahead),
        "last season": _last_season(grid, ahead, season),
        "median": _medians(grid, ahead, season),
        "lightgbm": _lightgbm(grid, ahead, step, season),
        "autoets": _autoets(grid, ahead, step),
    }
    return {name: _long(table) for name, table in made.items()}


def _long(grid: pd.DataFrame) -> pd.Series:
    """A table of steps × series as one column by (when, key), a series after the other."""
    return grid.rename_axis(index="when").reset_index().melt("when", var_name="key").set_index(["when", "key"])["value"]


def _wide(values: np.ndarray, when: pd.DatetimeIndex, keys: pd.Index) -> pd.DataFrame:
    """The way back."""
    return pd.DataFrame(values.reshape(len(keys), len(when)).T, when, keys)


def _last_season(grid: pd.DataFrame, ahead: pd.DatetimeIndex, season: int) -> pd.DataFrame:
    """The newest value at the same place of the season; the last value where a series has none there."""
    place = np.arange(len(grid)) % season
    newest = grid.groupby(place).ffill().tail(season)
    repeated = np.resize(newest.to_numpy(), (len(ahead), grid.shape[1]))
    if len(newest) < season:
        repeated[:] = grid.ffill().iloc[-1].to_numpy()
    made = pd.DataFrame(repeated, index=ahead, columns=grid.columns)
    return made.fillna(grid.ffill().iloc[-1])


def _medians(grid: pd.DataFrame, ahead: pd.DatetimeIndex, season: int) -> pd.DataFrame:
    """The median of a series at the place of the season; of weeks, which have few years, of the series."""
    size = 1 if season > 200 or season == 52 else season
    by_place = grid.groupby(np.arange(len(grid)) % size).median()
    places = (len(grid) + np.arange(len(ahead))) % size
    return by_place.iloc[places].set_axis(ahead).fillna(grid.median())


def _autoets(grid: pd.DataFrame, ahead: pd.DatetimeIndex, step: str) -> pd.DataFrame:
    """AutoETS with the season of the step, without one where it is too long for it or the series is too short."""
    season = SEASONS[step] if SEASONS[step] <= 24 and len(grid) >= 2 * SEASONS[step] else 1
    filled = _long(grid.interpolate()).dropna().reset_index().set_axis(["ds", "unique_id", "y"], axis=1)
    made = StatsForecast([AutoETS(season_length=season)], freq=step).forecast(df=filled, h=len(ahead))
    made = made.sort_values(["unique_id", "ds"])
    return _wide(made["AutoETS"].to_numpy(), ahead, pd.Index(made["unique_id"].unique()))


# ------------------------------------------------------------------------------------------- boosted trees


def _features(grid: pd.DataFrame, ahead: int, step: str, season: int) -> tuple[pd.DataFrame, pd.Series]:
    """Inputs of each (when, key) that are known `ahead` steps before, and the level at that time."""
    sources = {f"lag {n}": grid.shift(n) for n in range(ahead, ahead + 4)}
    aligned = -(-ahead // season) * season
    sources |= {f"season {i}": grid.shift(aligned + i * season) for i in range(3)}
    windows = sorted({4, 13, SEASONS[step], 4 * SEASONS[step]})
    sources |= {f"mean {w}": grid.shift(ahead).rolling(w, min_periods=1).mean() for w in windows}
    table = pd.concat({name: _long(values) for name, values in sources.items()}, axis=1)
    when = table.index.get_level_values("when")
    table["time"] = np.asarray((when - when.min()).days, dtype="float64")
    table["month"], table["year"], table["dayofyear"] = when.month, when.year, when.dayofyear
    if step in ("D", "h"):
        table["weekday"], table["day"] = when.weekday, when.day
    if step == "h":
        table["hour"] = when.hour
    table["series"] = pd.Categorical(table.index.get_level_values("key"))
    return table, table[f"mean {4 * SEASONS[step]}"]


Transform = tuple[Callable[[pd.Series, pd.Series], pd.Series], Callable[[np.ndarray, pd.Series], np.ndarray]]
RAW: Transform = (lambda y, level: y, lambda z, level: z)
LOG: Transform = (lambda y, level: np.log1p(y.clip(lower=0)), lambda z, level: np.expm1(z))
RATIO: Transform = (lambda y, level: y / level, lambda z, level: z * level.to_numpy())


def _lightgbm(grid: pd.DataFrame, ahead: pd.DatetimeIndex, step: str, season: int) -> pd.DataFrame:
    """The best of six fits by the WAPE of the last steps that are known, fitted again on all rows.

    L1 or L2 on the values, on their logs, or on their ratio to the series' own level, weighted by it.
    """
    steps = len(ahead)
    longer = grid.reindex(grid.index.append(ahead))
    inputs, level = _features(longer, steps, step, season)
    level = level.where(level > 0)
    y = _long(longer)
    when = inputs.index.get_level_values("when")
    known, held = y.notna().to_numpy(), np.asarray(when > grid.index[-steps - 1])
    positive = bool((y.dropna() >= 0).all())
    best: tuple[float, str, Transform, int] | None = None
    for objective in ("l1", "l2"):
        for transform in (RAW, *((LOG, RATIO) if positive else ())):
            usable = known & (level.notna().to_numpy() if transform is RATIO else True)
            model = _fit(inputs, y, level, usable & ~held, transform, objective, 600, usable & held)
            made = transform[1](model.predict(inputs[usable & held]), level[usable & held])
            wape = float(np.abs(made - y[usable & held]).sum() / y[usable & held].abs().sum())
            if best is None or wape < best[0]:
                best = (wape, objective, transform, max(20, model.best_iteration_ or 600))
    assert best is not None
    _, objective, transform, rounds = best
    usable = known & (level.notna().to_numpy() if transform is RATIO else True)
    model = _fit(inputs, y, level, usable, transform, objective, rounds, None)
    asked = np.asarray(when.isin(ahead))
    made = transform[1](model.predict(inputs[asked]), level[asked])
    return _wide(np.asarray(made), ahead, grid.columns)


def _fit(
    inputs: pd.DataFrame,
    y: pd.Series,
    level: pd.Series,
    rows: np.ndarray,
    transform: Transform,
    objective: str,
    rounds: int,
    held: np.ndarray | None,
) -> lightgbm.LGBMRegressor:
    """Fitted on `rows`; stopped early by the rows `held` where there are such."""
    leaves, least = (31, 20) if rows.sum() > 3000 else (15, 10)
    model = lightgbm.LGBMRegressor(objective=objective, n_estimators=rounds, learning_rate=0.05, num_leaves=leaves,
                                   min_child_samples=least, subsample=0.8, subsample_freq=1, colsample_bytree=0.8,
                                   n_jobs=1, random_state=42, verbose=-1)  # fmt: skip
    weight = level[rows] if transform is RATIO else None
    extra = {}
    if held is not None:
        extra = {"eval_X": inputs[held], "eval_y": transform[0](y[held], level[held]),
                 "callbacks": [lightgbm.early_stopping(50, verbose=False)]}  # fmt: skip
    return model.fit(inputs[rows], transform[0](y[rows], level[rows]), sample_weight=weight, **extra)
