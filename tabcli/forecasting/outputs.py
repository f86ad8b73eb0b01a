"""Encoded rows → what the members put out, and forecasts in the target's unit."""

from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from tabcli.arrays import FloatArray, IntArray
from tabcli.artifacts.contents import FittedPipeline, Run
from tabcli.artifacts.encoded_names import PLACES, ROW
from tabcli.errors import BundleError, memory_error
from tabcli.target_history.grid import Positions
from tabcli.target_history.statistics import Snapshot, standardised
from tabcli.training.dataset import Dataset
from tabcli.training.floors import places_of
from tabcli.training.loop import load_model, predict_outputs
from tabcli.training.network import ModelSpec, TabularMLP


def outputs_of(run: Run, encoded: pd.DataFrame, dates: pd.Series) -> FloatArray:
    """n encoded rows and their dates → the mean of the members' outputs, blended with the floor, float64 (n,).

    On the learned scale. Raises what `member_outputs` raises.
    """
    networks: FloatArray = np.mean(member_outputs(run, encoded), axis=0)
    return run.floor.outputs(networks, places_of(run.fitted, encoded, dates))


def member_outputs(run: Run, encoded: pd.DataFrame) -> FloatArray:
    """What each of m members puts out for n encoded rows, on the learned scale, float64 (m, n).

    Raises `BundleError` where the weights do not fit the networks, `ResourceError` where the memory is full.
    """
    try:
        members = networks_of(run)
        specs = [member.spec for member in members]
        kinds = {_kind(spec): spec for spec in specs}
        whole = encoded.iloc[_filled_up(len(encoded))]
        inputs = {kind: encoded_dataset(run.fitted, run.snapshot, whole, spec) for kind, spec in kinds.items()}
        for spec in specs:
            inputs[_kind(spec)].check_codes([n for n, _ in spec.embeddings.values()])
        outputs = [predict_outputs(m, inputs[_kind(m.spec)])[: len(encoded)].astype("float64") for m in members]
        return np.stack(outputs)
    except (RuntimeError, TypeError) as error:
        if full := memory_error(error):
            raise full from None
        raise BundleError(f"the weights do not fit the network that the run describes: {error}") from None


TOGETHER = 64
"""Networks are given a multiple of so many rows: the last ones of another number would get other last bits, and a row's
forecast depends on no other row.
"""


def _filled_up(n: int) -> IntArray:
    """The places of n rows, and of the last one again up to a multiple of `TOGETHER`."""
    places: IntArray = np.minimum(np.arange(-(-n // TOGETHER) * TOGETHER), n - 1)
    return places


def predict_target(run: Run, encoded: pd.DataFrame, dates: pd.Series) -> FloatArray:
    """n encoded rows and their dates → forecasts in the target's unit, float64 (n,): the outputs, calibrated."""
    return run.calibration.forecasts(run.fitted.target, outputs_of(run, encoded, dates))


_LOADED: WeakKeyDictionary[Run, list[TabularMLP]] = WeakKeyDictionary()


def networks_of(run: Run) -> list[TabularMLP]:
    """The run's networks, made once per run: for a single row that takes longer than the forecast itself."""
    if run not in _LOADED:
        specs = [ModelSpec.from_dict(network) for network in run.networks]
        _LOADED[run] = [load_model(spec, weights) for spec, weights in zip(specs, run.members, strict=True)]
    return _LOADED[run]


def _kind(spec: ModelSpec) -> tuple[str, tuple[str, ...]]:
    """What decides a network's inputs: networks of one kind share a dataset."""
    return spec.history, spec.without


def encoded_dataset(
    fitted: FittedPipeline, snapshot: Snapshot | None, encoded: pd.DataFrame, spec: ModelSpec
) -> Dataset:
    """The inputs of a network for encoded rows to forecast, with the target history as of the snapshot."""
    data = Dataset.from_table(encoded, *fitted.preprocessor.inputs(spec.without))
    if snapshot is not None and spec.history != "none":
        rows = Positions(*(encoded[ROW + name].to_numpy(dtype="int64") for name in PLACES))
        base, columns = snapshot.columns(rows)
        base = base if spec.history == "base" else np.zeros_like(base)
        data = data.with_history(base, standardised(columns, snapshot.arrays["mean"], snapshot.arrays["std"]))
    return data


DIGITS = 6
"""What the networks' float32 can tell apart; in whatever unit the target is."""


def significant(values: FloatArray) -> FloatArray:
    """Values (n,) rounded to `DIGITS` significant digits: to cents would be to nothing where targets are near 0.004.

    >>> significant(np.array([1234.5678, 0.00412345678, 12345678.0, -2.5, 0.0])).tolist()
    [1234.57, 0.00412346, 12345700.0, -2.5, 0.0]
    """
    there = np.isfinite(values) & (np.abs(values) > 1e-290)
    magnitude = np.floor(np.log10(np.abs(values), out=np.zeros(len(values)), where=there)).astype("int64")
    decimals = DIGITS - 1 - magnitude
    up, down = 10.0 ** np.maximum(decimals, 0), 10.0 ** np.maximum(-decimals, 0)
    return np.where(there, np.round(values / down * up) / up * down, values)
