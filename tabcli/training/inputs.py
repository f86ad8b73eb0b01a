"""A prep → what a network learns from and is scored on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tabcli.arrays import Float32Array, IntArray
from tabcli.artifacts.contents import Prepared
from tabcli.artifacts.encoded_names import PLACES, ROW, past_column, row_column
from tabcli.config.schema import Config
from tabcli.errors import ConfigError, DataError, did_you_mean
from tabcli.evaluation.calibration import NO_CALIBRATION, Calibration
from tabcli.evaluation.metrics import scores_of
from tabcli.target_history.grid import Panel, Positions
from tabcli.target_history.statistics import History, Snapshot, standardised
from tabcli.target_history.totals import Totalled, Totals, in_step, with_totals
from tabcli.training.dataset import Dataset, Drawn, DrawnHistory, TrainingRows
from tabcli.training.network import ModelSpec, spec_of
from tabcli.training.outlook import OutlookInputs
from tabcli.training.scales import Scales

Rows = int | Literal["refit"]
"""Which rows a network learns from: those before a past window (0: the validation rows, 1: the horizon before them, …),
or, with *refit*, all."""


@dataclass(frozen=True)
class Inputs:
    """What a network learns from and is scored on.

    `spec`: the network that fits these inputs. `scored`: the rows of `valid` as an encoded table. `snapshot`: the
    target history at the end of all known rows, None for a network without it.
    """

    train: TrainingRows
    valid: Dataset
    spec: ModelSpec
    scored: pd.DataFrame
    snapshot: Snapshot | None


def history_of(prepared: Prepared, totals: Totals | None = None) -> History | None:
    """The target history of a prep at all origins; None where the prep was made without one.

    `totals`: over the series of all shards, where the prep is one of several.
    """
    part = history_steps(prepared)
    if part is None:
        return None
    return in_step([part])[0] if totals is None else with_totals(part, totals)


def history_steps(prepared: Prepared) -> Totalled[History] | None:
    """`history_of` as it needs totals over all series; None where the prep was made without a history."""
    grid, past = prepared.fitted.grid, prepared.past
    if grid is None or past is None:
        return None
    shape = (len(prepared.fitted.calendar.series), grid.n_steps)
    others = {c: past[past_column(c)].to_numpy(dtype="float32") for c in grid.spec.others}
    panel = Panel.of(_places(past, ""), past["y"].to_numpy(dtype="float32"), others, shape)
    return History.steps(panel, grid.spec)


def chosen_history(prepared: Prepared, settings: Config) -> History | None:
    """`history_of`, or None where the network takes no history."""
    return None if settings.model.history == "none" else history_of(prepared)


def _places(table: pd.DataFrame, prefix: str = ROW) -> Positions:
    return Positions(*(table[prefix + name].to_numpy(dtype="int64") for name in PLACES))


def make_inputs(
    prepared: Prepared, settings: Config, rows: Rows, history: History | None, scales: Scales | None = None
) -> Inputs:
    """The datasets that a network learns from and is scored on, and the network that fits them.

    `history`: `history_of(prepared)`, or None for a network without it. `scales`: of the rows of all shards, where the
    prep is one of several. Raises `ConfigError` where `model.without` names a column that is no input, `DataError`
    where no training row has a past as long as the base window.
    """
    window, variables = window_of(prepared, rows), _variables(prepared, settings)
    train, own = _shown(prepared, settings, window, history)
    scales = scales or own
    if history is not None and not scales.n_rows:
        raise _too_short(history, _places(window.shown))
    valid, n_history, snapshot = _scored(prepared, window, variables), 0, None
    if scales.columns is not None:
        assert train.drawn is not None
        assert train.drawn.history is not None
        past = replace(train.drawn.history, mean=scales.columns.scale()[0], std=scales.columns.scale()[1])
        train = replace(train, drawn=replace(train.drawn, history=past))
        valid = _seen_from(past, valid, window)
        n_history, snapshot = len(past.history.spec.names), snapshot_of(past.history, scales)
    sizes = (len(variables.continuous), n_history)
    spec = spec_of(settings.model, variables.cardinalities, sizes, scales.learned, settings.series)
    return Inputs(train, valid, spec, window.scored, snapshot)


def snapshot_of(history: History, scales: Scales) -> Snapshot:
    """The target history at the end of all known rows, with what its columns are normalised with."""
    snapshot = history.snapshot(history.n_steps)
    assert scales.columns is not None
    mean, std = scales.columns.scale()
    return replace(snapshot, arrays={**snapshot.arrays, "mean": mean, "std": std})


def scales_of(prepared: Prepared, settings: Config, rows: Rows, history: History | None) -> Scales:
    """What `make_inputs` scales by, of the rows of a prep that may be one shard of several."""
    return _shown(prepared, settings, window_of(prepared, rows), history)[1]


class _Variables(NamedTuple):
    """The inputs of a network by role; `cardinalities`: categorical column → number of codes."""

    categorical: list[str]
    continuous: list[str]
    cardinalities: dict[str, int]

    def dataset(self, table: pd.DataFrame) -> Dataset:
        data = Dataset.from_table(table, self.categorical, self.continuous)
        data.check_codes(list(self.cardinalities.values()))
        return data


def _variables(prepared: Prepared, settings: Config) -> _Variables:
    preprocessor = prepared.fitted.preprocessor
    _check_without(settings.model.without, [*preprocessor.categorical, *preprocessor.continuous])
    categorical, continuous = preprocessor.inputs(settings.model.without)
    cardinalities = {c: n for c, n in preprocessor.categorify.cardinalities().items() if c in categorical}
    return _Variables(list(categorical), list(continuous), cardinalities)


def _scored(prepared: Prepared, window: "Window", variables: _Variables) -> Dataset:
    """The window's scored rows with their true outlook."""
    valid = variables.dataset(window.scored)
    outlook = OutlookInputs.of(window.scored, prepared.fitted, variables.categorical, variables.continuous)
    if outlook is not None:
        outlook.write(valid.x_cat, valid.x_cont, window.steps_left)
    return valid


def _shown(prepared: Prepared, settings: Config, window: "Window", history: History | None) -> tuple[Dataset, Scales]:
    """The rows that a network is shown, with what is drawn for them, and their scales at one draw."""
    variables = _variables(prepared, settings)
    train = variables.dataset(window.shown)
    outlook = OutlookInputs.of(window.shown, prepared.fitted, variables.categorical, variables.continuous)
    drawn = Drawn(prepared.fitted.horizon, _gap(prepared), None, outlook)
    if len(window.bounds):
        train = replace(train, bound=torch.arange(len(train)) >= len(window.learned))
    if history is not None:
        use_base = settings.model.history == "base"
        return _with_past(history, train, drawn, _places(window.shown), use_base=use_base)
    return replace(train, drawn=drawn if outlook is not None else None), Scales.of(
        len(train), exact(train, train.y.numpy()), None
    )


def _check_without(without: Sequence[str], variables: Sequence[str]) -> None:
    unknown = [f"  model.without: no input {c!r}{did_you_mean(c, variables)}" for c in without if c not in variables]
    if unknown:
        raise ConfigError("model.without names columns that are no inputs of the prep\n" + "\n".join(unknown))
    if not set(variables) - set(without):
        raise ConfigError("model.without leaves the network no input")


def _with_past(
    history: History, train: Dataset, drawn: Drawn, places: Positions, *, use_base: bool
) -> tuple[Dataset, Scales]:
    """The training rows that have a past, with what is drawn for them, and their scales at one draw."""
    late = np.flatnonzero(places.step >= history.first)
    places = places.take(late)
    steps_ahead = np.random.default_rng(0).integers(drawn.gap + 1, drawn.gap + drawn.horizon + 1, size=len(late))
    base, columns = history.columns(places, np.maximum(places.step - steps_ahead + 1, history.first))
    bound = None if train.bound is None else train.bound[late]
    kept = Dataset(train.x_cat[late], train.x_cont[late], train.y[late], train.base[late], bound=bound)
    scales = Scales.of(len(kept), exact(kept, kept.y.numpy() - base * np.float32(use_base)), columns)
    assert scales.columns is not None
    past = DrawnHistory(history, places, *scales.columns.scale(), use_base)
    outlook = None if drawn.outlook is None else drawn.outlook.take(late)
    return replace(kept, drawn=replace(drawn, history=past, outlook=outlook)), scales


def exact(data: Dataset, values: Float32Array) -> Float32Array:
    """The values (n, …) of the rows whose target is known, and not only a bound of it."""
    return values if data.bound is None else values[~data.bound.numpy()]


def _too_short(history: History, places: Positions) -> DataError:
    """The error for training rows none of which has a past as long as the base window."""
    n_steps = int(places.step.max()) + 1 if len(places.step) else 0
    fits = max(1, n_steps // 3)
    return DataError(
        f"no training row has a past as long as history.base, {history.spec.base} steps: "
        f"the training rows cover {n_steps}",
        hint=f"set history.base to {fits} steps or fewer, or leave history out (-S history=null); "
        "where the table is that short, make validation.last shorter too",
    )


def _seen_from(past: DrawnHistory, data: Dataset, window: "Window") -> Dataset:
    """The window's scored rows with the target history as of its cutoff, standardised like the training rows."""
    origin = max(window.origin, past.history.first)
    base, columns = past.history.columns(_places(window.scored), np.full(len(window.scored), origin))
    return data.with_history(base * np.float32(past.use_base), standardised(columns, past.mean, past.std))


@dataclass(frozen=True)
class Window:
    """A past window as encoded tables: the rows to learn from, up to a cutoff, and the scored rows after the gap.

    `cutoff`: the last moment of which all is known, whether or not a row lies there. `origin`: the step after the
    cutoff on the history's grid, 0 without a history. `steps_left`: how many steps of
    known calendar lie behind each scored row, int64 (n_scored,). `bounds`: rows up to the cutoff of whose target only a
    lower bound is known; none are scored, and naive forecasts do not see them.
    """

    learned: pd.DataFrame
    scored: pd.DataFrame
    cutoff: pd.Timestamp
    origin: int
    steps_left: IntArray
    bounds: pd.DataFrame

    @property
    def shown(self) -> pd.DataFrame:
        """The rows that a network is shown: those to learn from and, behind them, the bounds."""
        return pd.concat([self.learned, self.bounds], ignore_index=True) if len(self.bounds) else self.learned


def window_of(prepared: Prepared, rows: Rows) -> Window:
    """The rows that a network learns from and is scored on; a refit is scored on rows that it has seen."""
    fitted, tables, date = prepared.fitted, prepared.tables, row_column(prepared.fitted.config.date)
    known = [tables[part] for part in ("train", "gap", "valid") if part in tables]
    bounds = tables.get("censored", tables["train"].iloc[:0])
    end, horizon, gap = fitted.split.valid_end, fitted.horizon, _gap(prepared)
    if rows == "refit":
        learned, scored, cutoff = pd.concat(known, ignore_index=True), tables["valid"], end
    elif rows == 0:
        learned, scored, cutoff = tables["train"], tables["valid"], fitted.split.train_end
    else:
        end = fitted.frequency.after(end, -rows * horizon)
        cutoff = fitted.frequency.after(end, -horizon - gap)
        ago = [fitted.frequency.ago(table[date], end) for table in known]
        learned = pd.concat([t[a >= horizon + gap] for t, a in zip(known, ago, strict=True)], ignore_index=True)
        scored = pd.concat([t[(a >= 0) & (a < horizon)] for t, a in zip(known, ago, strict=True)], ignore_index=True)
    if rows != "refit" and len(bounds):
        bounds = bounds[fitted.frequency.ago(bounds[date], end) >= horizon + gap]
    left = np.clip(fitted.frequency.ago(scored[date], end), 0, horizon - 1)
    origin = 0
    if fitted.grid is not None:
        origin = int(fitted.grid.step_of(pd.Series([end]))[0]) + 1 - horizon - gap
    return Window(learned, scored, cutoff, origin, left, bounds)


def n_past_windows(prepared: Prepared, wanted: int) -> int:
    """How many of the `wanted` windows before the validation rows have enough rows before them to learn from.

    Enough are twice as many as the window's own. The first window for which the metric is not defined ends them.
    """
    fitted, table = prepared.fitted, prepared.tables["train"]
    ago = fitted.frequency.ago(table[row_column(fitted.config.date)], fitted.split.valid_end)
    length = fitted.horizon + _gap(prepared)
    for k in range(1, wanted + 1):
        start = k * fitted.horizon
        n_learned = int((ago >= start + length).sum())
        n_scored = int(((ago >= start) & (ago < start + fitted.horizon)).sum())
        if not n_scored or n_learned < 2 * n_scored or not _is_judged(prepared, window_of(prepared, k).scored):
            return k - 1
    return wanted


def n_network_windows(prepared: Prepared, settings: Config) -> int:
    """In how many of the past windows that the config wants networks can be trained: those with a past to look at."""
    n = n_past_windows(prepared, settings.calibration.windows)
    grid, past = prepared.fitted.grid, prepared.past
    if grid is None or past is None or settings.history is None:
        return n
    first = int(past["step"].min()) + grid.spec.base

    def has_past(k: int) -> bool:
        last = window_of(prepared, k).learned[row_column(prepared.fitted.config.date)].max()
        return int(grid.step_of(pd.Series([last]))[0]) >= first

    return next((k - 1 for k in range(1, n + 1) if not has_past(k)), n)


def _is_judged(prepared: Prepared, scored: pd.DataFrame) -> bool:
    """Whether the config's metric is defined for these rows, as a percentage is not where all targets are 0."""
    actual = scored[row_column(prepared.fitted.config.target.column)].to_numpy(dtype="float64")
    try:
        prepared.criterion(scored)(actual, actual)
    except DataError:
        return False
    return True


def _gap(prepared: Prepared) -> int:
    """The gap in steps."""
    return prepared.fitted.frequency.number(prepared.fitted.config.validation.gap)


def scorer(prepared: Prepared, scored: pd.DataFrame) -> Callable[..., dict[str, float]]:
    """A function of outputs (n,) for the n scored rows, and a calibration, that gives metrics by name, as `valid_…`.

    `valid_loss`: the squared error on the learned scale; the others in the target's unit, where they are defined.
    """
    target, criterion = prepared.fitted.target, prepared.criterion(scored)
    actual = scored[row_column(prepared.fitted.config.target.column)].to_numpy(dtype="float64")
    y = scored["y"].to_numpy(dtype="float64")

    def score(outputs: NDArray[np.floating], calibration: Calibration = NO_CALIBRATION) -> dict[str, float]:
        predicted = calibration.forecasts(target, outputs)
        outputs = target.calibrated(outputs, calibration.factor, calibration.shift)
        loss = float(np.mean((outputs - y) ** 2))
        scores = {"rmse_log": float(np.sqrt(loss))} if target.kind == "log" else {}
        scores |= {name: value for name, value in scores_of(actual, predicted).items() if np.isfinite(value)}
        scores |= {"loss": loss, criterion.metric: criterion(actual, predicted)}
        return {f"valid_{name}": value for name, value in scores.items()}

    return score
