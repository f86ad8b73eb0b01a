"""A prep → what a network learns from and is scored on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.artifacts.contents import ROW, Prepared
from tabcli.config.schema import Config
from tabcli.errors import ConfigError, DataError, did_you_mean
from tabcli.evaluation.metrics import scores_of
from tabcli.pipeline.split import length_of
from tabcli.target_history.grid import Panel, Positions
from tabcli.target_history.statistics import History, Snapshot, draw_origins, scale_of, standardised
from tabcli.training import loop
from tabcli.training.dataset import Dataset, Drawn
from tabcli.training.network import ModelSpec, spec_of

Rows = Literal["valid", "probe", "refit"]


@dataclass(frozen=True)
class Inputs:
    """What a network learns from and is scored on; `scored`: the rows of `valid` as a table."""

    train: Dataset
    valid: Dataset
    spec: ModelSpec
    scored: pd.DataFrame
    snapshot: Snapshot | None


def history_of(prepared: Prepared) -> History | None:
    """The statistics at all origins of a prep; None where it was made without a history."""
    grid, past = prepared.fitted.grid, prepared.past
    if grid is None or past is None:
        return None
    shape = (len(prepared.fitted.calendar.series), grid.n_steps)
    others = {c: past[c].to_numpy(dtype="float32") for c in grid.spec.others}
    return History.of(Panel.of(_places(past, ""), past["y"].to_numpy(dtype="float32"), others, shape), grid.spec)


def chosen_history(prepared: Prepared, settings: Config) -> History | None:
    """`history_of`, or None where the network is to do without."""
    return None if settings.model.history == "none" else history_of(prepared)


def _places(table: pd.DataFrame, prefix: str = ROW) -> Positions:
    return Positions(*(table[prefix + name].to_numpy(dtype="int64") for name in ("series", "step", "cell")))


def make_inputs(prepared: Prepared, settings: Config, rows: Rows, history: History | None) -> Inputs:
    """Datasets and network for one of the three kinds. `history` is `history_of(prepared)`, or None to do without.

    Raises `ConfigError` where `model.without` names what is no variable.
    """
    learned, scored = rows_of(prepared, settings, rows)
    preprocessor = prepared.fitted.preprocessor
    _check_without(settings.model.without, [*preprocessor.categorical, *preprocessor.continuous])
    categorical, continuous = preprocessor.inputs(settings.model.without)
    cardinalities = {c: n for c, n in preprocessor.categorify.cardinalities().items() if c in categorical}
    parts = []
    for table in (learned, scored):
        data = Dataset.from_table(table, categorical, continuous)
        data.check_codes(list(cardinalities.values()))
        parts.append(data)
    train, valid = parts
    y, n_history, snapshot = train.y.numpy(), 0, None
    if history is not None:
        use_base = settings.model.history == "base"
        train, y = _draw_from(history, train, _places(learned), _gap(prepared), use_base=use_base)
        valid = _seen_from(history, train, valid, scored, int(learned[ROW + "step"].max()) + 1)
        n_history = len(history.spec.names)
        snapshot = history.snapshot(history.n_steps)
        assert train.drawn is not None
        own_scale = {"mean": train.drawn.mean, "std": train.drawn.std}
        snapshot = replace(snapshot, arrays={**snapshot.arrays, **own_scale})
    scale = (float(y.mean()), float(y.std()) or 1.0, float(y.max()))
    sizes = (len(continuous), n_history)
    spec = spec_of(settings.model, cardinalities, sizes, scale, settings.series)
    return Inputs(train, valid, spec, scored, snapshot)


def _check_without(without: Sequence[str], variables: Sequence[str]) -> None:
    unknown = [f"  model.without: no variable {c!r}{did_you_mean(c, variables)}" for c in without if c not in variables]
    if unknown:
        raise ConfigError("the network cannot do without what it does not have\n" + "\n".join(unknown))
    if not set(variables) - set(without):
        raise ConfigError("model.without leaves the network no variable")


def _draw_from(
    history: History, train: Dataset, places: Positions, gap: int, *, use_base: bool
) -> tuple[Dataset, NDArray[np.float32]]:
    """The training rows that have a past, with drawn origins; and what the network learns for them at one draw."""
    late = np.flatnonzero(places.step >= history.first)
    if not len(late):
        raise DataError("no training row has a past as long as history.base", hint="make it shorter")
    places = places.take(late)
    origin = draw_origins(places.step, history, np.random.default_rng(0), gap)
    base, columns = history.columns(places, origin)
    drawn = Drawn(history, places, *scale_of(columns), gap, use_base)
    kept = Dataset(train.x_cat[late], train.x_cont[late], train.y[late], train.base[late], drawn)
    return kept, kept.y.numpy() - base * np.float32(use_base)


def _seen_from(history: History, train: Dataset, data: Dataset, rows: pd.DataFrame, origin: int) -> Dataset:
    """Rows with the history as of one origin, in the scale of the training rows."""
    assert train.drawn is not None
    drawn = train.drawn
    base, columns = history.columns(_places(rows), np.full(len(rows), max(origin, history.first)))
    return data.with_history(base * np.float32(drawn.use_base), standardised(columns, drawn.mean, drawn.std))


def rows_of(prepared: Prepared, settings: Config, rows: Rows) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to learn from and those to be scored on."""
    tables, date = prepared.tables, ROW + settings.date
    train, valid = tables["train"], tables["valid"]
    if rows == "valid":
        return train, valid
    if rows == "refit":
        return pd.concat([train, *([tables["gap"]] if "gap" in tables else []), valid], ignore_index=True), valid
    length = _calibration_steps(prepared, settings)
    ago = prepared.fitted.frequency.ago(train[date], train[date].max())
    late, early = ago < length, ago >= length + _gap(prepared)
    if not early.any() or early.sum() < late.sum():
        raise ConfigError(
            f"calibration: too few rows lie before the last {length} steps of the training rows",
            hint="set calibration.length shorter, or calibration.metric: none",
        )
    return train[early], train[late]


def _calibration_steps(prepared: Prepared, settings: Config) -> int:
    """As long as the validation rows, unless the config says otherwise."""
    frequency = prepared.fitted.frequency
    if settings.calibration.length is not None:
        return frequency.number(settings.calibration.length)
    return length_of(prepared.tables["valid"][ROW + settings.date], frequency)


def _gap(prepared: Prepared) -> int:
    """The gap in steps."""
    return prepared.fitted.frequency.number(prepared.fitted.config.validation.gap)


def scorer(prepared: Prepared, scored: pd.DataFrame) -> loop.Score:
    """Outputs for rows with a target → metrics on the scale of y and, where they are defined, in original units."""
    target, criterion = prepared.fitted.target, prepared.criterion(scored)
    actual = scored[ROW + prepared.fitted.config.target.column].to_numpy(dtype="float64")
    y = scored["y"].to_numpy(dtype="float64")

    def score(outputs: NDArray[np.floating[Any]]) -> dict[str, float]:
        predicted = target.inverse(outputs)
        loss = float(np.mean((outputs - y) ** 2))
        scores = {"rmse_log": float(np.sqrt(loss))} if target.kind == "log" else {}
        scores |= {name: value for name, value in scores_of(actual, predicted).items() if np.isfinite(value)}
        scores |= {"loss": loss, criterion.metric: criterion(actual, predicted)}
        return {f"valid_{name}": value for name, value in scores.items()}

    return score
