"""One prep → a trained ensemble: which rows each network learns from, the networks side by side, the calibration.

    rows of the prep      ├────────── train ──────────┤ gap ├── valid ──┤
    member (validation)   learns                            is scored
    probe (calibration)   learns ──────┤ gap ├ scored ┤
    member (refit)        learns ───────────────────────────────────────

The probe is what makes the factor honest: it is fitted on rows before the reported ones, by a network that has not
learned from them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.artifacts.contents import ROW, Prepared
from tabcli.config.schema import Config
from tabcli.evaluation.calibration import fit_calibration
from tabcli.evaluation.metrics import Criterion
from tabcli.target_history.statistics import Snapshot
from tabcli.training.inputs import Inputs, rows_of, scorer
from tabcli.training.loop import Callbacks, Record
from tabcli.training.members import MemberSpec, TrainedMember, input_maker
from tabcli.training.network import describe
from tabcli.training.workers import TrainingJob, run_tasks

N_PROBES = 2  # the factor hardly changes with more


# --------------------------------------------------------------------------------------- the ensemble


@dataclass(frozen=True)
class Ensemble:
    """Members whose outputs are averaged on the scale of y, the history that they need, and the calibration.

    `factor`, `shift`: forecasts are multiplied with the one and the other is added. `scores`, and each member's
    `outputs` (n,) on the scale of y for the rows of `scored`: calibrated, by networks that have not seen them.
    `history`: a record per epoch of all networks.
    """

    snapshot: Snapshot | None
    members: list[TrainedMember]
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
    job: TrainingJob | None = None,
) -> Ensemble:
    """Trains the members and the probe of the calibration; with `refit`, then the members anew on all rows.

    `scores` are those of the members that have not seen the validation rows, also after a refit.
    """
    inputs = input_maker(prepared, settings)
    n, seed = settings.train.members, settings.seed
    epochs = [settings.of_member(i).train.epochs for i in range(n)]
    tasks = [MemberSpec(f"member-{i}", "valid", i, seed + i, epochs[i]) for i in range(n)]
    if settings.calibration.metric != "none":
        n_probes = min(n, max(N_PROBES, len(settings.variants)))
        shorter = [min(e, settings.calibration.epochs) for e in epochs[:n_probes]]
        tasks += [MemberSpec(f"probe-{i}", "probe", i, seed + i, e) for i, e in enumerate(shorter)]
    callbacks.on_model(_describe_all(inputs, tasks[:n], settings))
    callbacks = replace(callbacks, on_model=lambda text: None)
    trained = run_tasks(tasks, prepared, settings, inputs, callbacks, job)
    members, probes = trained[:n], trained[n:]
    factor, shift = _calibrate(prepared, settings, probes) if probes else (1.0, 0.0)
    scored = prepared.tables["valid"]
    outputs = [prepared.fitted.target.calibrated(m.outputs, factor, shift) for m in members]
    scores = _scores(prepared, scored, members, outputs, (factor, shift))
    if refit:
        again = [MemberSpec(f"refit-{i}", "refit", i, seed + i, m.fit.best_epoch) for i, m in enumerate(members)]
        members = run_tasks(again, prepared, settings, inputs, callbacks, job)
        trained += members
    history = [{"network": t.task.name, **record} for t in trained for record in t.fit.history]
    snapshot = next((inputs(m.task).snapshot for m in members if m.spec.history != "none"), None)
    return Ensemble(snapshot, members, factor, shift, scores, scored, outputs, history, refit)


def _describe_all(inputs: Callable[[MemberSpec], Inputs], tasks: Sequence[MemberSpec], settings: Config) -> str:
    """Each different network of the ensemble as text."""
    return "\n".join(dict.fromkeys(describe(inputs(t).spec) for t in tasks[: max(1, len(settings.variants))]))


def _calibrate(prepared: Prepared, settings: Config, probes: Sequence[TrainedMember]) -> tuple[float, float]:
    """What the probes' errors on rows that they have not seen say."""
    _, scored = rows_of(prepared, settings, "probe")
    outputs = mean_outputs([p.outputs for p in probes])
    actual = scored[ROW + settings.target.column].to_numpy(dtype="float64")
    return fit_calibration(calibration_criterion(prepared, settings, scored), prepared.fitted.target, actual, outputs)


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
    members: Sequence[TrainedMember],
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
