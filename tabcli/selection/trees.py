"""Gradient-boosted trees on the network's own inputs: peers of a backtest."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tabcli.errors import UsageError

Matrix = NDArray[np.float32]

Predictor = Callable[[Matrix], NDArray[np.float64]]
"""Inputs (n, k) → outputs on the learned scale, float64 (n,)."""

N_TREES = {"histgb": 600, "lightgbm": 1200}


def fit_histgb(x: Matrix, y: NDArray[np.float32], categorical: list[int], seed: int) -> Predictor:
    """Fits scikit-learn's HistGradientBoosting to inputs (n, k) and y (n,).

    `categorical`: the positions of the categorical columns. Columns of more than 255 codes are numbers to it.
    """
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


def fit_lightgbm(
    x: Matrix, y: NDArray[np.float32], categorical: list[int], seed: int, level: float | None = None
) -> Predictor:
    """Fits LightGBM, with parameters tuned on the Rossmann tables (docs/experiments.md). Arguments as `fit_histgb`.

    `level`: of the quantile that is learned, by its pinball loss; without it the mean is learned. Raises `UsageError`
    where it is not installed.
    """
    try:
        import lightgbm
    except ImportError:
        raise UsageError("--peers lightgbm needs LightGBM", hint="pip install 'tabcli[lightgbm]'") from None
    data = lightgbm.Dataset(x, y, categorical_feature=categorical, free_raw_data=True)
    parameters = {
        **({"objective": "regression"} if level is None else {"objective": "quantile", "alpha": level}),
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
