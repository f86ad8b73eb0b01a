"""What a fold's forecast is compared with, on the very same rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tabcli.arrays import Float32Array, FloatArray
from tabcli.artifacts.contents import Prepared
from tabcli.config.schema import Config
from tabcli.evaluation.calibration import fit_calibration
from tabcli.evaluation.naive import group_medians, group_quantiles, season_columns, seasonal_naive, with_season
from tabcli.forecasting.outputs import encoded_dataset
from tabcli.pipeline.joined import JoinedData
from tabcli.pipeline.survey import baseline_columns
from tabcli.selection.trees import TREES, fit_lightgbm
from tabcli.training.dataset import Dataset
from tabcli.training.ensemble import window_errors
from tabcli.training.inputs import Inputs, exact, history_of, make_inputs, n_past_windows

PEERS = ("seasonal_naive", "median", *TREES)


# --------------------------------------------------------------------------------------------- peers


def peer_forecast(peer: str, source: JoinedData, prepared: Prepared, future: pd.DataFrame) -> FloatArray:
    """A peer's forecast of n rows in the target's unit, float64 (n,).

    `peer`: one of `PEERS`. `future`: the rows, encoded by `pipeline.apply`. Naive peers forecast from the raw rows of
    `source`, trees from the networks' inputs, with a calibration by past windows like the networks'.
    """
    config = source.config
    if peer in ("median", "seasonal_naive"):
        known, target, ahead = _raw_rows(source)
        if peer == "median":
            by = season_columns(baseline_columns(config), known.columns)
            return group_medians(known, target, ahead, by)
        return seasonal_naive(known, target, ahead, config.series, config.date, source.frequency)
    transform, errors = prepared.fitted.target, []
    history = history_of(prepared)
    if config.calibration.metric != "none":
        for k in range(n_past_windows(prepared, config.calibration.windows) + 1):
            outputs = _tree_outputs(peer, make_inputs(prepared, _with_base(config), k, history), config)
            errors.append(window_errors(prepared, config, k, outputs))
    outputs = _tree_outputs(peer, _ahead_inputs(prepared, config, future), config)
    return fit_calibration(errors, transform).forecasts(transform, outputs)


def peer_bounds(
    peer: str, source: JoinedData, prepared: Prepared, future: pd.DataFrame, levels: Sequence[float]
) -> FloatArray | None:
    """A peer's quantiles of n rows in the target's unit, float64 (n, k); None for one that has none.

    The median's are those of the same groups; LightGBM learns each of the k levels by its pinball loss.
    """
    config = source.config
    if peer == "median":
        known, target, ahead = _raw_rows(source)
        return group_quantiles(known, target, ahead, season_columns(baseline_columns(config), known.columns), levels)
    if peer != "lightgbm":
        return None
    inputs = _ahead_inputs(prepared, config, future)
    made = np.stack([_tree_outputs(peer, inputs, config, level) for level in levels], axis=1)
    order = np.argsort(levels)
    made[:, order] = np.sort(made, axis=1)  # each level is learned alone, and a few cross
    return prepared.fitted.target.inverse(made.ravel()).reshape(made.shape)


def _raw_rows(source: JoinedData) -> tuple[pd.DataFrame, FloatArray, pd.DataFrame]:
    """The rows with a target, it, and the rows to forecast, with their season and the columns of naive forecasts."""
    config, table = source.config, source.features.table
    used = [*config.series, config.date, *config.baseline, config.target.column]
    rows = table.frame(dict.fromkeys(c for c in used if c in table.stored))  # season may be no column
    rows = with_season(rows, config.date, source.frequency)
    known, ahead = rows.iloc[: len(source.kept)][source.kept], rows.iloc[len(source.kept) :]
    return known, known[config.target.column].to_numpy(dtype="float64"), ahead


def _ahead_inputs(prepared: Prepared, config: Config, future: pd.DataFrame) -> Inputs:
    """The inputs of all rows with a target, and in place of validation rows those to forecast."""
    inputs = make_inputs(prepared, _with_base(config), "refit", history_of(prepared))
    return replace(inputs, valid=encoded_dataset(prepared.fitted, inputs.snapshot, future, inputs.spec))


def _with_base(config: Config) -> Config:
    """The config with `history: base`: trees do best with the history's columns and the residual to its base."""
    return config.model_copy(update={"model": config.model.model_copy(update={"history": "base"})})


def _tree_outputs(peer: str, inputs: Inputs, config: Config, level: float | None = None) -> FloatArray:
    """The outputs of trees for the rows of `inputs.valid`, on the learned scale, float64 (n,).

    They learn from the network's own inputs, each training row with one draw, but not from bounds. `level`: of a
    quantile, for *lightgbm*.
    """
    assert isinstance(inputs.train, Dataset)
    (x, base), (scored, scored_base) = _matrix(inputs.train), _matrix(inputs.valid)
    categorical = list(range(inputs.train.x_cat.shape[1]))
    x, y = exact(inputs.train, x), exact(inputs.train, inputs.train.y.numpy() - base)
    if level is not None:
        return fit_lightgbm(x, y, categorical, config.seed, level)(scored) + scored_base
    return TREES[peer](x, y, categorical, config.seed)(scored) + scored_base


def _matrix(data: Dataset) -> tuple[Float32Array, Float32Array]:
    """Inputs as one matrix (n, k), with one draw of what is drawn, and the bases (n,)."""
    x_cat, x_cont, base = data.x_cat.clone(), data.x_cont.clone(), data.base
    if data.drawn is not None:
        x_cont, drawn_base = data.drawn.inputs(x_cat, x_cont, np.arange(len(data)), np.random.default_rng(0))
        base = base if drawn_base is None else drawn_base
    return np.concatenate([x_cat.numpy().astype("float32"), x_cont.numpy()], axis=1), base.numpy()
