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


def seasonal_naive(
    train: pd.DataFrame,
    target: NDArray[np.float64],
    rows: pd.DataFrame,
    series: Sequence[str],
    date: str,
    frequency: Frequency,
) -> NDArray[np.float64]:
    """The series' last target of the same place in the season, float64 (n,); else that of any, else the median."""
    keys = list(series)

    def keyed(table: pd.DataFrame) -> pd.DataFrame:
        return table[keys].assign(season=season_of(table[date], frequency))

    order = np.argsort(train[date].to_numpy(), kind="stable")
    known = keyed(train).iloc[order].assign(target=target[order])
    forecast = np.full(len(rows), np.nan)
    for by in ([*keys, "season"], keys):
        last = known.drop_duplicates(by, keep="last")[[*by, "target"]]
        found = keyed(rows).merge(last, on=by, how="left")["target"].to_numpy(dtype="float64")
        forecast = np.where(np.isnan(forecast), found, forecast)
    return np.where(np.isnan(forecast), np.median(target), forecast)


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
