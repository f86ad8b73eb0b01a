"""One network of an ensemble: its task, its inputs, its training, and a checkpoint after each epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from tabcli.artifacts.contents import Prepared
from tabcli.artifacts.records import EpochRecord
from tabcli.bundle.tensors import load_tensors, save_tensors
from tabcli.config.learning import Train
from tabcli.config.schema import Config
from tabcli.target_history.statistics import History
from tabcli.training import loop
from tabcli.training.group import ALONE, Group
from tabcli.training.inputs import Inputs, Rows, history_of, make_inputs, scorer
from tabcli.training.loop import Callbacks, Checkpoint, FitResult
from tabcli.training.network import ModelSpec
from tabcli.training.shards import ShardRows, Shards
from tabcli.training.streamed import Streamed, fed


class MemberState(TypedDict):
    """A `MemberSpec` as `asdict` has it."""

    name: str
    rows: Rows
    member: int
    seed: int
    epochs: int


@dataclass(frozen=True)
class MemberSpec:
    """One network to train.

    `name`: such as member-0. `rows`: what it learns from. `member`: the number of the member whose settings it has.
    """

    name: str
    rows: Rows
    member: int
    seed: int
    epochs: int
    """How many epochs are run. A refit stops where the member's best epoch was, before the schedule's end."""


@dataclass(frozen=True)
class TrainedMember:
    """A trained network: its weights in `fit`, and its outputs for the n scored rows, float32 (n,), learned scale.

    `n_rows`: how many rows it learned from, bounds not counted.
    """

    task: MemberSpec
    spec: ModelSpec
    fit: FitResult
    outputs: NDArray[np.float32]
    n_rows: int


def input_maker(prepared: Prepared, settings: Config, shards: Shards | None = None) -> Callable[[MemberSpec], Inputs]:
    """A function from a network's task to its inputs; each input is made once.

    `shards`: where `prepared` is one of several, all that are learned from.
    """
    variant = max(1, len(settings.variants))

    @cache
    def streamed(rows: Rows, member: int) -> Inputs:
        assert shards is not None
        source = ShardRows(shards, settings, rows, member)
        scales, history = source.scales(), shards.history(prepared, source.own)
        made = make_inputs(prepared, source.own, rows, history, scales)
        return replace(made, train=Streamed(source, source.layout(made.spec), scales.n_rows, scales.y.n))

    if shards is not None:
        return lambda task: streamed(task.rows, task.member % variant)

    @cache
    def past() -> History | None:
        return history_of(prepared)

    @cache
    def made(rows: Rows, variant: int) -> Inputs:
        own = settings.of_member(variant)
        return make_inputs(prepared, own, rows, None if own.model.history == "none" else past())

    return lambda task: made(task.rows, task.member % variant)


def done_path(partial: Path, task: MemberSpec) -> Path:
    """Where a finished network lies in the directory of its checkpoints."""
    return partial / f"{task.name}.done.safetensors"


def run_task(
    task: MemberSpec,
    prepared: Prepared,
    settings: Config,
    inputs: Callable[[MemberSpec], Inputs],
    callbacks: Callbacks,
    partial: Path | None = None,
    group: Group = ALONE,
) -> TrainedMember:
    """Trains the network of a task.

    `partial`: the directory for its checkpoints, one after each epoch; a training goes on from the one that lies there,
    and a finished network is read instead of trained. `group`: the ranks that train it together; the first one writes.
    """
    done = done_path(partial, task) if partial else None
    if done is not None and done.exists():
        return _load_trained(done, task)
    made = inputs(task)
    point = partial / f"{task.name}.safetensors" if partial else None
    resume = None
    if point is not None:
        callbacks = replace(callbacks, on_checkpoint=lambda state: _save_checkpoint(point, state))
        resume = _load_checkpoint(point) if point.exists() else None
    with fed(made.train, task.seed, task.epochs, group) as train:
        fit = loop.fit(
            made.spec,
            _train_settings(settings, task),
            train,
            made.valid,
            score=scorer(prepared, made.scored),
            by=f"valid_{prepared.fitted.config.metric}",
            seed=task.seed,
            stop_after=task.epochs,
            callbacks=callbacks,
            resume=resume,
            group=group,
        )
    model = loop.load_model(made.spec, fit.weights)
    trained = TrainedMember(task, made.spec, fit, loop.predict_outputs(model, made.valid), made.train.n_exact)
    if done is not None and group.is_first:
        _save_trained(done, trained)
    return trained


def _train_settings(settings: Config, task: MemberSpec) -> Train:
    """How to train a task: refits and networks of older windows keep the last epoch, so that no score chooses it."""
    train = settings.of_member(task.member).train
    return train if task.rows == 0 else train.model_copy(update={"keep": "last", "patience": None})


def _states(records: Sequence[EpochRecord]) -> list[dict[str, str | float]]:
    return [record.to_state() for record in records]


def _records(states: Sequence[dict[str, str | float]]) -> list[EpochRecord]:
    return [EpochRecord.from_state(state) for state in states]


def _save_checkpoint(path: Path, state: Checkpoint) -> None:
    facts = {"epoch": state.epoch, "epochs": _states(state.epochs), "best_epoch": state.best_epoch}
    save_tensors(path, state.tensors, facts)


def _load_checkpoint(path: Path) -> Checkpoint:
    tensors, facts = load_tensors(path)
    return Checkpoint(facts["epoch"], tensors, _records(facts["epochs"]), int(facts["best_epoch"]))


def _save_trained(path: Path, trained: TrainedMember) -> None:
    tensors = {f"weights/{k}": v for k, v in trained.fit.weights.items()}
    tensors["outputs"] = trained.outputs
    fit = trained.fit
    facts = {"epochs": _states(fit.epochs), "best_epoch": fit.best_epoch, "n_rows": trained.n_rows}
    save_tensors(path, tensors, {**facts, "network": trained.spec.to_dict()})


def _load_trained(path: Path, task: MemberSpec) -> TrainedMember:
    tensors, facts = load_tensors(path)
    outputs = tensors.pop("outputs")
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items()}
    spec = ModelSpec.from_dict(facts["network"])
    return TrainedMember(
        task, spec, FitResult(weights, facts["best_epoch"], _records(facts["epochs"])), outputs, facts["n_rows"]
    )
