"""One prep → a trained ensemble: members, past windows that say what to expect, floor, calibration, refit.

    rows of the prep      ├──────────────── train ────────────────┤ gap ├── valid ──┤
    members, window 0     learn                                           are scored
    window 1              learn ────────────────┤ gap ├── scored ──┤
    window 2              learn ──┤ gap ├── scored ──┤
    members, refitted     learn ─────────────────────────────────────────────────────

No network has seen the rows of the window that it is scored on. The floor of a window's forecast is fitted to the
other windows, its calibration to older windows alone. Floor and calibration of the forecast to come are fitted to all
windows; without a refit the calibration leaves out window 0. Where more than a few rows are bounds (`MOST_BOUNDS`)
there is neither: the others are rows on which little was wanted, and floor and calibration would learn just that.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.artifacts.contents import Prepared, Run
from tabcli.artifacts.encoded_names import ROW, row_column
from tabcli.artifacts.records import EnsembleScores, EpochRecord, TrainMetrics, WindowScore
from tabcli.bundle import directories
from tabcli.config.schema import Config
from tabcli.evaluation.calibration import NO_CALIBRATION, Calibration, Errors, fit_calibration
from tabcli.evaluation.metrics import scores_of
from tabcli.evaluation.rare import usual_scores
from tabcli.target_history.statistics import Snapshot
from tabcli.training.floors import Blending, Floors, at_end, fit_floors
from tabcli.training.inputs import Inputs, history_of, n_network_windows, scorer, window_of
from tabcli.training.loop import Callbacks
from tabcli.training.members import MemberSpec, TrainedMember, input_maker
from tabcli.training.network import describe
from tabcli.training.past import held_by_windows, past_forecasts
from tabcli.training.shards import Shards
from tabcli.training.tasks import TrainingJob, run_tasks
from tabcli.training.yearly import naive_errors

FEW = 2
"""At most so many networks forecast a window before the validation rows; `_window_scores` makes up for the others."""


@dataclass(frozen=True)
class Ensemble:
    """Members whose outputs are averaged on the learned scale, with their target history, floors and calibration.

    `scores`: of the members on the validation rows, which they have not seen, calibrated by older windows. `scored`:
    the n validation rows, and `outputs` each member's for them, float64 (n,). `windows`: past windows, the newest
    first, which say what to expect of the forecast. `epochs`: a record per epoch of all networks. `judged_on`: how many
    windows decided on the calibration. `past`: all rows of past windows, see `training.past`.
    `naive_errors`: see `training.yearly`.
    """

    snapshot: Snapshot | None
    members: list[TrainedMember]
    floors: Floors
    calibration: Calibration
    scores: EnsembleScores
    windows: list[WindowScore]
    scored: pd.DataFrame
    outputs: list[NDArray[np.float64]]
    epochs: list[EpochRecord]
    refitted: bool
    judged_on: int
    past: pd.DataFrame
    naive_errors: pd.DataFrame | None


def fit_ensemble(
    prepared: Prepared,
    settings: Config,
    callbacks: Callbacks,
    *,
    refit: bool = False,
    job: TrainingJob | None = None,
) -> Ensemble:
    """Trains the members and the networks of past windows; with `refit`, then the members anew on all rows.

    `job`: where worker processes find the prep; None: all in this process. Of a prep of several shards `prepared` is
    one, a random sample of the series: networks learn from the rows of all shards, and whatever is decided by rows that
    they have not seen is decided by the rows of that one. Raises `ConfigError`, `DataError`, `WorkerError`.
    """
    inputs = input_maker(prepared, settings, job.shards() if job is not None else None)
    n, seed = settings.train.members, settings.seed
    epochs = [settings.of_member(i).train.epochs for i in range(n)]
    tasks = [MemberSpec(f"member-{i}", 0, i, seed + i, epochs[i]) for i in range(n)]
    n_each = min(n, FEW)
    n_windows = n_network_windows(prepared, settings)
    for k in range(1, n_windows + 1):
        tasks += [MemberSpec(f"window-{k}-{i}", k, i, seed + i, epochs[i]) for i in range(n_each)]
    callbacks.on_model(_describe_all(inputs, tasks[:n], settings))
    callbacks = replace(callbacks, on_model=lambda text: None)
    trained = run_tasks(tasks, prepared, settings, inputs, callbacks, job)
    members = trained[:n]
    by_window = [[t for t in trained if t.task.rows == k] for k in range(n_windows + 1)]
    decided = _decided_by_past(prepared, settings)
    floors = fit_floors(prepared, decided, [_mean_of(networks) for networks in by_window])
    errors = [window_errors(prepared, decided, k, floors.past[k](_mean_of(n))) for k, n in enumerate(by_window)]
    older = [_calibration(prepared, decided, errors[k + 1 :]) for k in range(n_windows + 1)]
    scores = _scores(prepared, members, floors.past[0], older[0])
    windows = _window_scores(prepared, by_window, errors, floors.past[0], older)
    if refit:
        again = [MemberSpec(f"refit-{i}", "refit", i, seed + i, m.fit.best_epoch) for i, m in enumerate(members)]
        members = run_tasks(again, prepared, settings, inputs, callbacks, job)
        trained += members
    records = [replace(record, network=t.task.name) for t in trained for record in t.fit.epochs]
    snapshot = next((inputs(m.task).snapshot for m in members if m.spec.history != "none"), None)
    judging = errors if refit else errors[1:]
    n_judging = len(judging) if decided is settings else 0
    calibration = _calibration(prepared, decided, judging)
    outputs = [m.outputs.astype("float64") for m in by_window[0]]
    scored = prepared.tables["valid"]
    yearly = naive_errors(prepared)
    past = past_forecasts(prepared, [e.outputs for e in errors], yearly)
    return Ensemble(
        *(snapshot, members, floors, calibration, scores, windows, scored, outputs, records, refit, n_judging),
        *(past, yearly),
    )


MOST_BOUNDS = 0.02
"""Of so many of the rows to learn from the target may be cut short before past windows decide on nothing."""


def _decided_by_past(prepared: Prepared, settings: Config) -> Config:
    """The settings, without floor and calibration where too many rows are bounds for past windows to decide on them."""
    n_bounds = len(prepared.tables.get("censored", ()))
    if n_bounds <= MOST_BOUNDS * (n_bounds + len(prepared.tables["train"]) + len(prepared.tables["valid"])):
        return settings
    forecast = settings.forecast.model_copy(update={"floor": "off"})
    calibration = settings.calibration.model_copy(update={"metric": "none"})
    return settings.model_copy(update={"forecast": forecast, "calibration": calibration})


def _bounds_within(prepared: Prepared, n_windows: int) -> int:
    """How many rows with a bound only lie in the newest windows."""
    fitted, table = prepared.fitted, prepared.tables.get("censored")
    if table is None:
        return 0
    ago = fitted.frequency.ago(table[row_column(fitted.config.date)], fitted.split.valid_end)
    return int(((ago >= 0) & (ago < n_windows * fitted.horizon)).sum())


def _describe_all(inputs: Callable[[MemberSpec], Inputs], tasks: Sequence[MemberSpec], settings: Config) -> str:
    """Each different network of the ensemble as text."""
    return "\n".join(dict.fromkeys(describe(inputs(t).spec) for t in tasks[: max(1, len(settings.variants))]))


def window_errors(prepared: Prepared, settings: Config, rows: int, outputs: NDArray[np.float64]) -> Errors:
    """A past window's scored rows for the calibration; `outputs`: for them, on the learned scale, float64 (n,)."""
    scored = window_of(prepared, rows).scored
    metric = settings.calibration.metric
    criterion = prepared.criterion(scored, None if metric in ("auto", "none") else metric)
    return Errors(criterion, scored[row_column(settings.target.column)].to_numpy(dtype="float64"), outputs)


def _calibration(prepared: Prepared, settings: Config, errors: Sequence[Errors]) -> Calibration:
    return NO_CALIBRATION if settings.calibration.metric == "none" else fit_calibration(errors, prepared.fitted.target)


def _mean_of(networks: Sequence[TrainedMember]) -> NDArray[np.float64]:
    return mean_outputs([n.outputs for n in networks])


def mean_outputs(outputs: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """The members' mean on the learned scale, float64 (n,)."""
    mean: NDArray[np.float64] = np.mean([o.astype("float64") for o in outputs], axis=0)
    return mean


def _scores(
    prepared: Prepared, members: Sequence[TrainedMember], floor: Blending, calibration: Calibration
) -> EnsembleScores:
    """The scores of the ensemble on the validation rows, and of each member alone."""
    score, metric = scorer(prepared, prepared.tables["valid"]), f"valid_{prepared.fitted.config.metric}"
    mean = floor(_mean_of(members))
    singles = tuple(score(floor(_mean_of([m])), calibration)[metric] for m in members)
    return EnsembleScores(score(mean, calibration), score(mean)[metric], calibration, singles)


def _window_scores(
    prepared: Prepared,
    by_window: Sequence[Sequence[TrainedMember]],
    errors: Sequence[Errors],
    floor: Blending,
    older: Sequence[Calibration],
) -> list[WindowScore]:
    """The scores of the windows, each calibrated by older ones. The oldest, which has none, counts only if it is alone.

    Where fewer networks forecast a window than the ensemble has members, its errors are multiplied by how much the
    further members lower the error on the validation rows.
    """
    target, name, found = prepared.fitted.target, row_column(prepared.fitted.config.date), []
    windows = range(max(1, len(by_window) - 1))
    few = len(by_window[-1])
    single = floor(_mean_of(by_window[0][:few]))
    newest = errors[0]
    gain = newest.criterion(newest.actual, older[0].forecasts(target, newest.outputs)) / max(
        newest.criterion(newest.actual, older[0].forecasts(target, single)), np.finfo("float64").tiny
    )
    forecasts = [older[k].forecasts(target, errors[k].outputs) for k in windows]
    criteria = [prepared.criterion(window_of(prepared, k).scored) for k in windows]
    usual = usual_scores(criteria, [errors[k].actual for k in windows], forecasts)
    for k in windows:
        scored = window_of(prepared, k).scored
        dates, scores = scored[name], scores_of(errors[k].actual, forecasts[k])
        factor = gain if k else 1.0
        found.append(
            WindowScore(
                pd.Timestamp(dates.min()),
                pd.Timestamp(dates.max()),
                len(dates),
                len(by_window[k]),
                factor * criteria[k](errors[k].actual, forecasts[k]),
                factor * scores["wape"],
                scores["bias"],
                factor * usual[k].score,
                usual[k].rare,
                _row_text(prepared, scored, usual[k].worst) if usual[k].rare else "",
            )
        )
    return found


def _row_text(prepared: Prepared, scored: pd.DataFrame, row: int) -> str:
    """The series and the date of a row of an encoded table, such as shop 12, 2015-02-14."""
    fitted = prepared.fitted
    date, code = scored[row_column(fitted.config.date)].iloc[row], int(scored[ROW + "series"].iloc[row])
    keys = [f"{column} {key}" for column, key in fitted.calendar.series.iloc[code].items()] if code >= 0 else []
    return ", ".join([*keys, str(date).removesuffix(" 00:00:00")])


def run_of(prepared: Prepared, ensemble: Ensemble, settings: Config, shards: Shards | None = None) -> Run:
    """A trained ensemble with everything that a forecast of the series of `prepared` needs.

    `shards`: where that is one of several.
    """
    first, windows = ensemble.members[0], np.array([w.usual for w in ensemble.windows])
    metrics = TrainMetrics(
        metric=settings.metric,
        best_epoch=first.fit.best_epoch,
        validation=ensemble.scores,
        valid_rows=len(ensemble.scored),
        train_rows=first.n_rows,
        refitted=ensemble.refitted,
        calibration=ensemble.calibration,
        expected=float(windows.mean()),
        expected_std=float(windows.std()),
        windows=tuple(ensemble.windows),
        baseline=prepared.summary.baseline,
        seconds=round(sum(record.seconds for record in ensemble.epochs), 3),
        judged_on=ensemble.judged_on,
        floor=ensemble.floors.coming,
        better=ensemble.floors.better,
        held=held_by_windows(prepared.fitted, ensemble.past),
        bounds=len(window_of(prepared, "refit" if ensemble.refitted else 0).bounds),
        unscored=_bounds_within(prepared, len(ensemble.windows)),
        shards=1 if shards is None else shards.n,
        judge=0 if shards is None else directories.judging_shard(shards.prep),
    )
    own = replace(prepared.fitted, config=settings)
    floor = at_end(ensemble.floors.coming, prepared)
    weights = [m.fit.weights for m in ensemble.members]
    networks = [m.spec.to_dict() for m in ensemble.members]
    return Run(
        own,
        networks,
        weights,
        metrics,
        ensemble.epochs,
        ensemble.calibration,
        ensemble.snapshot,
        floor,
        ensemble.past,
        prepared.summary,
        ensemble.naive_errors,
    )


def runs_of_shards(run: Run, shards: Shards) -> Iterator[Run]:
    """The run with what a forecast of each shard's series needs, one shard after the other."""
    for shard in range(shards.n):
        prepared = shards.load(shard)
        snapshot = run.snapshot
        if snapshot is not None and (history := history_of(prepared, shards.totals())) is not None:
            scale = {name: snapshot.arrays[name] for name in ("mean", "std")}
            snapshot = history.snapshot(history.n_steps)
            snapshot = replace(snapshot, arrays={**snapshot.arrays, **scale})
        own_fitted = replace(prepared.fitted, config=run.fitted.config)
        yield replace(run, fitted=own_fitted, snapshot=snapshot, floor=at_end(run.floor, prepared))
