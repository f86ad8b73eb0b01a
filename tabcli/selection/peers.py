"""What a fold's forecast is compared with, on the very same rows."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.artifacts.contents import ROW, Prepared
from tabcli.config.schema import Config
from tabcli.evaluation.calibration import fit_calibration
from tabcli.evaluation.naive import group_medians, seasonal_naive
from tabcli.features.frequency import season_of
from tabcli.pipeline import joined
from tabcli.selection.trees import TREES
from tabcli.training.dataset import Dataset
from tabcli.training.ensemble import calibration_criterion
from tabcli.training.inputs import Rows, history_of, make_inputs

PEERS = ("seasonal_naive", "median", *TREES)


# --------------------------------------------------------------------------------------------- peers


def peer_forecast(peer: str, source: joined.JoinedData, prepared: Prepared, end: pd.Timestamp) -> NDArray[np.float64]:
    """A peer's forecast for the scored rows, in the target's unit."""
    config = source.config
    if peer in ("median", "seasonal_naive"):
        used = [*config.series, config.date, *config.baseline, config.target.column]
        rows = source.rows.frame(dict.fromkeys(used))
        dates = rows[config.date]
        moments = {k: pd.Timestamp(v) for k, v in prepared.fitted.dates.items()}
        train = rows[source.kept & (dates <= moments["train_end"]).to_numpy()]
        valid = rows[source.kept & dates.between(moments["valid_start"], end).to_numpy()]
        target = train[config.target.column].to_numpy(dtype="float64")
        if peer == "median":
            by = list(prepared.summary["baseline"]["by"])
            train, valid = (t.assign(season=season_of(t[config.date], source.frequency)) for t in (train, valid))
            return group_medians(train, target, valid, by)
        return seasonal_naive(train, target, valid, config.series, config.date, source.frequency)
    fit, transform = TREES[peer], prepared.fitted.target
    factor, shift = 1.0, 0.0
    for part in ("probe", "valid") if config.calibration.metric != "none" else ("valid",):
        learned, y, scored, base, categorical = _matrices(prepared, config, part)
        outputs = fit(learned, y, categorical, config.seed)(scored) + base
        if part == "probe":
            truth = make_inputs(prepared, config, "probe", None).scored
            actual = truth[ROW + config.target.column].to_numpy(dtype="float64")
            criterion = calibration_criterion(prepared, config, truth)
            factor, shift = fit_calibration(criterion, transform, actual, outputs)
    return transform.inverse(outputs) * factor + shift


def _matrices(
    prepared: Prepared, config: Config, rows: Rows
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], list[int]]:
    """The network's own inputs as matrices: learned X, y less its base, scored X, its base, categorical positions.

    Each training row has one drawn origin. Whatever the network makes of the history, trees do best with its columns
    and with what is added to its base.
    """
    own = config.model_copy(update={"model": config.model.model_copy(update={"history": "base"})})
    inputs = make_inputs(prepared, own, rows, history_of(prepared))
    x, base = _matrix(inputs.train)
    scored, scored_base = _matrix(inputs.valid)
    return x, inputs.train.y.numpy() - base, scored, scored_base, list(range(inputs.train.x_cat.shape[1]))


def _matrix(data: Dataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    parts = [data.x_cat.numpy().astype("float32"), data.x_cont.numpy()]
    base = data.base.numpy()
    if data.drawn is not None:
        columns, bases = data.drawn.columns(np.arange(len(data)), np.random.default_rng(0))
        parts.append(columns.numpy())
        base = bases.numpy()
    return np.concatenate(parts, axis=1), base
