"""One prep → a trained ensemble: which rows each network learns from, the networks side by side, the calibration.

    rows of the prep      ├────────── train ──────────┤ gap ├── valid ──┤
    member (validation)   learns                            is scored
    probe (calibration)   learns ──────┤ gap ├ scored ┤
    member (refit)        learns ───────────────────────────────────────

The probe is what makes the factor honest: it is fitted on rows before the reported ones, by a network that has not
learned from them.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tabcli import bundle, training
from tabcli.bundle import ROW, Prepared
from tabcli.calibration import spread_calibration
from tabcli.config import Config, Train, did_you_mean
from tabcli.dataset import Dataset, Drawn
from tabcli.errors import ConfigError, DataError, TabcliError, WorkerError
from tabcli.history import History, Panel, Positions, Snapshot, draw_origins, scale_of, standardised
from tabcli.metrics import Criterion, scores_of
from tabcli.model import ModelSpec, describe, specify
from tabcli.split import length_of
from tabcli.training import Callbacks, Checkpoint, Fit, Record

Rows = Literal["valid", "probe", "refit"]
N_PROBES = 2  # the factor hardly changes with more


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
    learned, scored = _rows_of(prepared, settings, rows)
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
    if settings.train.date_effect:
        train = replace(train, date=torch.from_numpy(np.unique(learned[ROW + settings.date], return_inverse=True)[1]))
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
    spec = specify(settings.model, cardinalities, sizes, scale, settings.series)
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
    kept = Dataset(
        train.x_cat[late],
        train.x_cont[late],
        train.y[late],
        train.base[late],
        drawn,
        train.date[late] if len(train.date) else train.date,
    )
    return kept, kept.y.numpy() - base * np.float32(use_base)


def _seen_from(history: History, train: Dataset, data: Dataset, rows: pd.DataFrame, origin: int) -> Dataset:
    """Rows with the history as of one origin, in the scale of the training rows."""
    assert train.drawn is not None
    drawn = train.drawn
    base, columns = history.columns(_places(rows), np.full(len(rows), max(origin, history.first)))
    return data.with_history(base * np.float32(drawn.use_base), standardised(columns, drawn.mean, drawn.std))


def _rows_of(prepared: Prepared, settings: Config, rows: Rows) -> tuple[pd.DataFrame, pd.DataFrame]:
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


def scorer(prepared: Prepared, scored: pd.DataFrame) -> training.Score:
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


# ------------------------------------------------------------------------------------- one network


@dataclass(frozen=True)
class Task:
    """One network to train: the i-th, on which rows and for how long."""

    name: str
    rows: Rows
    member: int
    seed: int
    epochs: int
    """How many epochs are run. A refit may stop before the schedule's end, where the best epoch was."""


@dataclass(frozen=True)
class Trained:
    """A trained network: its kept weights, and its outputs for the scored rows, float32 (n,).

    `n_rows`: how many rows it learned from.
    """

    task: Task
    spec: ModelSpec
    fit: Fit
    outputs: NDArray[np.float32]
    n_rows: int


def input_maker(prepared: Prepared, settings: Config) -> Callable[[Task], Inputs]:
    """Tasks → their inputs, each made once."""

    @cache
    def past() -> History | None:
        return history_of(prepared)

    @cache
    def made(rows: Rows, variant: int) -> Inputs:
        own = settings.of_member(variant)
        return make_inputs(prepared, own, rows, None if own.model.history == "none" else past())

    return lambda task: made(task.rows, task.member % max(1, len(settings.variants)))


def run_task(
    task: Task,
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[Task], Inputs],
    callbacks: Callbacks,
    partial: Path | None = None,
) -> Trained:
    """Trains a task's network; with `partial`, going on from the checkpoint there, and leaving one after each epoch.

    A task that was finished there is not trained again.
    """
    done = partial / f"{task.name}.done.safetensors" if partial else None
    if done is not None and done.exists():
        return _load_trained(done, task)
    made = inputs(task)
    point = partial / f"{task.name}.safetensors" if partial else None
    resume = None
    if point is not None:
        callbacks = replace(callbacks, on_checkpoint=lambda state: _save_checkpoint(point, state))
        resume = _load_checkpoint(point) if point.exists() else None
    fit = training.fit(
        made.spec,
        _train_settings(settings, task),
        made.train,
        made.valid,
        score=scorer(prepared, made.scored),
        by=f"valid_{prepared.fitted.config.metric}",
        seed=task.seed,
        stop_after=task.epochs,
        callbacks=callbacks,
        resume=resume,
    )
    model = training.load_model(made.spec, fit.weights)
    trained = Trained(task, made.spec, fit, training.predict_log(model, made.valid), len(made.train))
    if done is not None:
        _save_trained(done, trained)
    return trained


def _train_settings(settings: Config, task: Task) -> Train:
    """A probe runs its own, shorter schedule; a probe and a refit keep the last epoch, which nothing chose."""
    changes: dict[str, Any] = {}
    settings = settings.of_member(task.member)
    if task.rows == "probe":
        changes["epochs"] = task.epochs
    if task.rows != "valid":
        changes |= {"keep": "last", "patience": None}
    return settings.train.model_copy(update=changes)


def _save_checkpoint(path: Path, state: Checkpoint) -> None:
    facts = {"epoch": state.epoch, "history": state.history, "best_epoch": state.best_epoch}
    bundle.save_tensors(path, state.tensors, facts)


def _load_checkpoint(path: Path) -> Checkpoint:
    tensors, facts = bundle.load_tensors(path)
    return Checkpoint(facts["epoch"], tensors, facts["history"], facts["best_epoch"])


def _save_trained(path: Path, trained: Trained) -> None:
    tensors = {f"weights/{k}": v for k, v in trained.fit.weights.items()}
    tensors["outputs"] = trained.outputs
    facts = {"history": trained.fit.history, "best_epoch": trained.fit.best_epoch, "n_rows": trained.n_rows}
    bundle.save_tensors(path, tensors, {**facts, "network": trained.spec.to_dict()})


def _load_trained(path: Path, task: Task) -> Trained:
    tensors, facts = bundle.load_tensors(path)
    outputs = tensors.pop("outputs")
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items()}
    spec = ModelSpec.from_dict(facts["network"])
    return Trained(task, spec, Fit(weights, facts["best_epoch"], facts["history"]), outputs, facts["n_rows"])


# -------------------------------------------------------------------------------- several, side by side


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Workshop:
    """Where networks are trained: from which prep on the disk, with which settings, and where their states go."""

    prep: Path
    settings: Config
    partial: Path


def run_tasks(
    tasks: Sequence[Task],
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[Task], Inputs],
    callbacks: Callbacks,
    workshop: Workshop | None = None,
) -> list[Trained]:
    """Trains several networks: one process each, as many at a time as there are cores, one thread each.

    With one task, or without a workshop, in this process. Raises `WorkerError` where a process died; the others are
    trained to their end first, and all that is finished stays in the workshop's `partial`.
    """
    partial = workshop.partial if workshop else None
    open_tasks = [t for t in tasks if partial is None or not (partial / f"{t.name}.done.safetensors").exists()]
    if workshop is not None and len(open_tasks) > 1 and n_cores() > 1:
        _run_processes(open_tasks, workshop, callbacks)
    results = []
    for i, task in enumerate(tasks):
        part = _part(callbacks, i, len(tasks), task.name if len(tasks) > 1 else "")
        results.append(run_task(task, prepared, settings, inputs, part, partial))
    return results


def _part(callbacks: Callbacks, i: int, n: int, label: str) -> Callbacks:
    """The callbacks of the i-th of n networks that are trained one after the other."""
    return replace(
        callbacks,
        on_model=callbacks.on_model if i == 0 else lambda text: None,
        on_step=lambda done, total: callbacks.on_step(i * total + done, n * total),
        on_epoch=lambda record: callbacks.on_epoch({**record, "network": label} if label else record),
    )


def _run_processes(tasks: Sequence[Task], workshop: Workshop, callbacks: Callbacks) -> None:
    context = multiprocessing.get_context("spawn")
    waiting, failed = list(tasks), []
    running: dict[Any, tuple[Task, Any]] = {}  # by the connection that the process reports on
    progress: dict[str, float] = {t.name: 0.0 for t in tasks}
    try:
        while waiting or running:
            while waiting and len(running) < n_cores():
                task = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(task, workshop, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = (task, process)
            ready: list[Any] = wait(list(running))
            for connection in ready:
                task, process = running[connection]
                try:
                    kind, value = connection.recv()
                except EOFError:
                    process.join()
                    del running[connection]
                    if process.exitcode != 0:
                        failed.append(f"{task.name} (exit code {process.exitcode})")
                    continue
                if kind == "error":
                    raise value
                if kind == "epoch":
                    callbacks.on_epoch({**value, "network": task.name})
                else:
                    progress[task.name] = value
                    callbacks.on_step(round(1000 * sum(progress.values())), 1000 * len(tasks))
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()
    if failed:
        raise WorkerError(
            f"{len(failed)} of {len(tasks)} networks could not be trained: {', '.join(failed)}; the others are kept",
            hint="--resume trains the missing ones; if memory is short, fewer at a time with OMP or taskset",
        )


def _work(task: Task, workshop: Workshop, connection: Connection) -> None:
    """What a process does: one network, reported step by step. Ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(workshop.settings.train.threads or 1)
    parent = multiprocessing.parent_process()
    told = 0.0

    def on_step(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > 0.2 or done == total:
            told = now
            if parent is not None and not parent.is_alive():
                os._exit(1)
            connection.send(("step", done / total))

    callbacks = Callbacks(on_step=on_step, on_epoch=lambda record: connection.send(("epoch", record)))
    try:
        prepared = bundle.load_prep(workshop.prep)
        inputs = input_maker(prepared, workshop.settings)
        run_task(task, prepared, workshop.settings, inputs, callbacks, workshop.partial)
    except TabcliError as error:
        connection.send(("error", error))


# --------------------------------------------------------------------------------------- the ensemble


@dataclass(frozen=True)
class Ensemble:
    """Members whose outputs are averaged on the scale of y, the history that they need, and the calibration.

    `factor`, `shift`: forecasts are multiplied with the one and the other is added. `scores`, and each member's
    `outputs` (n,) on the scale of y for the rows of `scored`: calibrated, by networks that have not seen them.
    `history`: a record per epoch of all networks.
    """

    snapshot: Snapshot | None
    members: list[Trained]
    factor: float
    shift: float
    scores: dict[str, Any]
    scored: pd.DataFrame
    outputs: list[NDArray[np.float64]]
    history: list[Record]
    refitted: bool


def fit_ensemble(
    prepared: Prepared,
    settings: Config,
    callbacks: Callbacks,
    *,
    refit: bool = False,
    workshop: Workshop | None = None,
) -> Ensemble:
    """Trains the members and the probe of the calibration; with `refit`, then the members anew on all rows.

    `scores` are those of the members that have not seen the validation rows, also after a refit.
    """
    inputs = input_maker(prepared, settings)
    n, seed = settings.train.members, settings.seed
    epochs = [settings.of_member(i).train.epochs for i in range(n)]
    tasks = [Task(f"member-{i}", "valid", i, seed + i, epochs[i]) for i in range(n)]
    if settings.calibration.metric != "none":
        n_probes = min(n, max(N_PROBES, len(settings.variants)))
        shorter = [min(e, settings.calibration.epochs) for e in epochs[:n_probes]]
        tasks += [Task(f"probe-{i}", "probe", i, seed + i, e) for i, e in enumerate(shorter)]
    callbacks.on_model(_describe_all(inputs, tasks[:n], settings))
    callbacks = replace(callbacks, on_model=lambda text: None)
    trained = run_tasks(tasks, prepared, settings, inputs, callbacks, workshop)
    members, probes = trained[:n], trained[n:]
    factor, shift = _calibrate(prepared, settings, probes) if probes else (1.0, 0.0)
    scored = prepared.tables["valid"]
    outputs = [prepared.fitted.target.calibrated(m.outputs, factor, shift) for m in members]
    scores = _scores(prepared, scored, members, outputs, (factor, shift))
    if refit:
        again = [Task(f"refit-{i}", "refit", i, seed + i, m.fit.best_epoch) for i, m in enumerate(members)]
        members = run_tasks(again, prepared, settings, inputs, callbacks, workshop)
        trained += members
    history = [{"network": t.task.name, **record} for t in trained for record in t.fit.history]
    snapshot = next((inputs(m.task).snapshot for m in members if m.spec.history != "none"), None)
    return Ensemble(snapshot, members, factor, shift, scores, scored, outputs, history, refit)


def _describe_all(inputs: Callable[[Task], Inputs], tasks: Sequence[Task], settings: Config) -> str:
    """Each different network of the ensemble as text."""
    return "\n".join(dict.fromkeys(describe(inputs(t).spec) for t in tasks[: max(1, len(settings.variants))]))


def _calibrate(prepared: Prepared, settings: Config, probes: Sequence[Trained]) -> tuple[float, float]:
    """What the probes' errors on rows that they have not seen say."""
    _, scored = _rows_of(prepared, settings, "probe")
    outputs = mean_outputs([p.outputs for p in probes])
    actual = scored[ROW + settings.target.column].to_numpy(dtype="float64")
    return spread_calibration(
        calibration_criterion(prepared, settings, scored), prepared.fitted.target, actual, outputs
    )


def calibration_criterion(prepared: Prepared, settings: Config, scored: pd.DataFrame) -> Criterion | None:
    """What the calibration makes least for these rows; None where there is to be none."""
    metric = settings.calibration.metric
    return None if metric == "none" else prepared.criterion(scored, None if metric == "auto" else metric)


def mean_outputs(outputs: Sequence[NDArray[np.floating[Any]]]) -> NDArray[np.float64]:
    """The members' mean on the log scale, float64 (n,)."""
    mean: NDArray[np.float64] = np.mean([o.astype("float64") for o in outputs], axis=0)
    return mean


def _scores(
    prepared: Prepared,
    scored: pd.DataFrame,
    members: Sequence[Trained],
    outputs: Sequence[NDArray[np.float64]],
    calibration: tuple[float, float],
) -> dict[str, Any]:
    """Of the ensemble on the validation rows, calibrated (`outputs`) and not, and of each member alone, calibrated."""
    score, metric = scorer(prepared, scored), f"valid_{prepared.fitted.config.metric}"
    return {
        **score(mean_outputs(outputs)),
        f"{metric}_uncalibrated": score(mean_outputs([m.outputs for m in members]))[metric],
        "factor": calibration[0],
        "shift": calibration[1],
        "members": [score(output)[metric] for output in outputs],
    }
