"""What a forecast must beat, judged on the very same rows.

The trees get the network's own inputs. LightGBM is an extra; both are imported only when they are used.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.errors import UsageError
from tabcli.frequency import Frequency, season_of

Matrix = NDArray[np.float32]
Predictor = Callable[[Matrix], NDArray[np.float64]]


N_TREES = {"histgb": 600, "lightgbm": 1200}


def group_medians(
    train: pd.DataFrame, target: NDArray[np.float64], rows: pd.DataFrame, by: Sequence[str]
) -> NDArray[np.float64]:
    """The median target of the training rows that share a row's values in `by`, float64 (n,).

    Where there is no such training row, one column less is compared, from the end of `by`; at last the median of all.
    """
    forecast = np.full(len(rows), np.nan)
    for n_keys in range(len(by), 0, -1):
        keys = list(by[:n_keys])
        medians = pd.Series(target, index=train.index).groupby([train[k] for k in keys], observed=True).median()
        gaps = np.isnan(forecast)
        if not gaps.any():
            break
        wanted = pd.MultiIndex.from_frame(rows.loc[gaps, keys]) if n_keys > 1 else pd.Index(rows.loc[gaps, keys[0]])
        forecast[gaps] = medians.reindex(wanted).to_numpy()
    return np.where(np.isnan(forecast), np.median(target), forecast)


def last_values(
    train: pd.DataFrame, target: NDArray[np.float64], rows: pd.DataFrame, by: Sequence[str], date: str
) -> NDArray[np.float64]:
    """The target of the last training row that shares a row's values in `by`, float64 (n,), NaN where none does."""
    both = pd.concat([train[list(by)], rows[list(by)]], ignore_index=True)
    codes = both.groupby(list(by), sort=False, observed=True).ngroup().to_numpy()
    order = np.argsort(train[date].to_numpy(), kind="stable")
    last = np.full(int(codes.max(initial=-1)) + 1, np.nan)
    last[codes[order]] = target[order]  # of several values for one place the last stays
    return last[codes[len(train) :]]


def seasonal_naive(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    series: Sequence[str],
    date: str,
    frequency: Frequency,
) -> NDArray[np.float64]:
    """The series' last target of the same place in the season, float64 (n,); else that of any, else the median."""
    known, wanted = (t[[*series, date]].assign(season=season_of(t[date], frequency)) for t in (train, rows))
    forecast = last_values(known, target, wanted, [*series, "season"], date)
    if np.isnan(forecast).any():
        forecast = np.where(np.isnan(forecast), last_values(train, target, rows, series, date), forecast)
    return np.where(np.isnan(forecast), np.median(target), forecast)


def naive_forecasts(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    series: Sequence[str],
    date: str,
    frequency: Frequency,
    medians: Sequence[Sequence[str]],
) -> dict[str, NDArray[np.float64]]:
    """What needs no learning, float64 (n,) each by its name: medians, the last season's value, the last value.

    `medians`: the columns of each; *season* is a row's place in its season.
    """
    train, rows = (t.assign(season=season_of(t[date], frequency)) for t in (train, rows))
    made = {f"the median by {' × '.join(by)}": group_medians(train, target, rows, by) for by in medians}
    made["the last season's value"] = seasonal_naive(train, target, rows, series, date, frequency)
    last = last_values(train, target, rows, series, date)
    return made | {"the last value": np.where(np.isnan(last), np.median(target), last)}


def fit_histgb(x: Matrix, y: NDArray[np.float32], categorical: list[int], seed: int) -> Predictor:
    """scikit-learn's HistGradientBoosting. It takes at most 255 categories; larger columns are numbers to it."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    small = [i for i in categorical if x[:, i].max() < 255]
    model = HistGradientBoostingRegressor(
        max_iter=N_TREES["histgb"],
        learning_rate=0.08,
        max_leaf_nodes=63,
        min_samples_leaf=50,
        categorical_features=small,
        random_state=seed,
    )
    model.fit(x, y)
    return lambda rows: np.asarray(model.predict(rows), dtype="float64")


def fit_lightgbm(x: Matrix, y: NDArray[np.float32], categorical: list[int], seed: int) -> Predictor:
    """LightGBM with parameters tuned on the Rossmann tables (docs/experiments.md)."""
    try:
        import lightgbm
    except ImportError:
        raise UsageError("--peers lightgbm needs LightGBM", hint="pip install 'tabcli[lightgbm]'") from None
    data = lightgbm.Dataset(x, y, categorical_feature=categorical, free_raw_data=True)
    parameters = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": 127,
        "min_data_in_leaf": 100,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "cat_smooth": 20,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    model = lightgbm.train(parameters, data, num_boost_round=N_TREES["lightgbm"])
    return lambda rows: np.asarray(model.predict(rows), dtype="float64")


TREES: dict[str, Callable[[Matrix, NDArray[np.float32], list[int], int], Predictor]] = {
    "histgb": fit_histgb,
    "lightgbm": fit_lightgbm,
}
