"""What a fold's forecast is compared with, on the very same rows."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tabcli.arrays import Float32Array, FloatArray
from tabcli.artifacts.contents import Prepared
from tabcli.config.schema import Config
from tabcli.evaluation.calibration import fit_calibration
from tabcli.evaluation.naive import group_medians, season_columns, seasonal_naive, with_season
from tabcli.forecasting.outputs import encoded_dataset
from tabcli.pipeline.joined import JoinedData
from tabcli.pipeline.prepare import baseline_columns
from tabcli.selection.trees import TREES
from tabcli.training.dataset import Dataset
from tabcli.training.ensemble import window_errors
from tabcli.training.inputs import Inputs, history_of, make_inputs, n_past_windows

PEERS = ("seasonal_naive", "median", *TREES)


# --------------------------------------------------------------------------------------------- peers


def peer_forecast(peer: str, source: JoinedData, prepared: Prepared, future: pd.DataFrame) -> FloatArray:
    """A peer's forecast of n rows in the target's unit, float64 (n,).

    `peer`: one of `PEERS`. `future`: the rows, encoded by `pipeline.apply`. Naive peers forecast from the raw rows of
    `source`, trees from the networks' inputs, with a calibration by past windows like the networks'.
    """
    config = source.config
    if peer in ("median", "seasonal_naive"):
        used = [*config.series, config.date, *config.baseline, config.target.column]
        table = source.features.table
        rows = table.frame(dict.fromkeys(c for c in used if c in table.stored))  # season may be no column
        known, ahead = rows.iloc[: len(source.kept)][source.kept], rows.iloc[len(source.kept) :]
        target = known[config.target.column].to_numpy(dtype="float64")
        if peer == "median":
            by = season_columns(baseline_columns(config), rows.columns)
            known, ahead = (with_season(t, config.date, source.frequency) for t in (known, ahead))
            return group_medians(known, target, ahead, by)
        return seasonal_naive(known, target, ahead, config.series, config.date, source.frequency)
    transform, errors = prepared.fitted.target, []
    history = history_of(prepared)
    if config.calibration.metric != "none":
        for k in range(n_past_windows(prepared, config.calibration.windows) + 1):
            outputs = _tree_outputs(peer, make_inputs(prepared, _with_base(config), k, history), config)
            errors.append(window_errors(prepared, config, k, outputs))
    inputs = make_inputs(prepared, _with_base(config), "refit", history)
    ahead_data = encoded_dataset(prepared.fitted, inputs.snapshot, future, inputs.spec)
    outputs = _tree_outputs(peer, replace(inputs, valid=ahead_data), config)
    return fit_calibration(errors, transform).forecasts(transform, outputs)


def _with_base(config: Config) -> Config:
    """The config with `history: base`: trees do best with the history's columns and the residual to its base."""
    return config.model_copy(update={"model": config.model.model_copy(update={"history": "base"})})


def _tree_outputs(peer: str, inputs: Inputs, config: Config) -> FloatArray:
    """The outputs of trees for the rows of `inputs.valid`, on the learned scale, float64 (n,).

    They learn from the network's own inputs, each training row with one draw.
    """
    (x, base), (scored, scored_base) = _matrix(inputs.train), _matrix(inputs.valid)
    categorical = list(range(inputs.train.x_cat.shape[1]))
    return TREES[peer](x, inputs.train.y.numpy() - base, categorical, config.seed)(scored) + scored_base


def _matrix(data: Dataset) -> tuple[Float32Array, Float32Array]:
    """Inputs as one matrix (n, k), with one draw of what is drawn, and the bases (n,)."""
    x_cat, x_cont, base = data.x_cat.clone(), data.x_cont.clone(), data.base
    if data.drawn is not None:
        x_cont, drawn_base = data.drawn.inputs(x_cat, x_cont, np.arange(len(data)), np.random.default_rng(0))
        base = base if drawn_base is None else drawn_base
    return np.concatenate([x_cat.numpy().astype("float32"), x_cont.numpy()], axis=1), base.numpy()
