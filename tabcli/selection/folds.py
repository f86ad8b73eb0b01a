"""Rolling-origin folds over the whole pipeline, and what a forecast must beat on the very same rows.

    fold 3   ├── train ──┤├ scored ┤
    fold 2   ├──────── train ──────┤├ scored ┤
    fold 1   ├────────────── train ──────────┤├ scored ┤

A fold is the forecast that a person would have got that day: the tables are cut at its cutoff, the scored rows, with
only what is known in advance, become its table of rows to forecast, and then prep, train with refit and predict run. No
function here makes a feature, a split or a forecast of its own.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from tabcli import files
from tabcli.arrays import BoolArray, ColumnValues
from tabcli.artifacts.contents import Prepared, Run
from tabcli.artifacts.encoded_names import kept_apart
from tabcli.bundle import directories, manifest
from tabcli.config.values import Duration
from tabcli.engines.calls import Engine
from tabcli.errors import BundleError, DataError, UsageError
from tabcli.evaluation.bounds import UNSURE
from tabcli.evaluation.naming import score_text
from tabcli.evaluation.quantiles import bounds_in
from tabcli.forecasting.bounds import quantiles_of, steps_ahead
from tabcli.forecasting.outputs import outputs_of
from tabcli.forecasting.points import forecast_applied
from tabcli.pipeline import prepare
from tabcli.pipeline.apply import Applied, apply
from tabcli.pipeline.joined import JoinedData, SourceTables, join, ready_lookups
from tabcli.selection.peers import peer_bounds, peer_forecast
from tabcli.selection.scores import Asked, Made, Scores, ensemble_name, scores_by
from tabcli.shown import Shown, first_few
from tabcli.tables.rows import frame_of
from tabcli.training.ensemble import fit_ensemble, run_of
from tabcli.training.loop import Callbacks
from tabcli.training.tasks import TrainingJob

AT_A_TIME = 4
"""So many folds are prepared at a time where a cluster trains their networks."""


@dataclass(frozen=True, repr=False)
class Backtest(Shown):
    """`folds`: the date on which each ends. `scores`: a row per fold and forecast, with what `Scores` holds.

    `path`: the folder of the folds. `metric`: the config's.
    """

    path: Path
    folds: list[str]
    scores: pd.DataFrame
    metric: str = "rmspe"

    def brief(self) -> dict[str, str]:
        scores = self.summary()[self.metric]
        shown = [f"{name} {score_text(self.metric, score)}" for name, score in scores.items()]
        return {
            "folds": f"{len(self.folds)}, ending {first_few(self.folds)}",
            f"mean {self.metric.upper()}": first_few(shown, 4),
            "path": str(self.path),
        }

    def by(self, column: str) -> pd.DataFrame:
        """A row per forecast and value of a column, over the rows of all folds: WAPE, bias, and what bounds are worth.

        `column`: *step* (ahead), a series column, the date, or one of the config's `baseline`. The scores are those of
        `evaluation.bounds.Bounds.all_scores`. Raises `UsageError` for another column.
        """
        names = dict.fromkeys(self.scores["fold"])
        tables = [pd.read_parquet(self.path / f"fold-{name}" / "forecasts.parquet") for name in names]
        rows = pd.concat(tables, ignore_index=True)
        made = {"network", *self.scores["forecast"]} & {*rows.columns}
        bounds = {bound for name in made for bound in bounds_in(rows.columns, name)}
        known = [c for c in rows.columns if c not in {*made, *bounds, "actual", "scale"}]
        if column not in known:
            raise UsageError(f"--by {column}: expected one of {', '.join(known)}")
        ordered = [c for c in rows.columns if c in made]
        parts = [scores_by(rows, name, column).assign(forecast=name) for name in ordered]
        table = pd.concat(parts, ignore_index=True)
        return table[["forecast", *(c for c in table.columns if c != "forecast")]]

    def summary(self) -> pd.DataFrame:
        """A row per forecast, the best first: the metric's mean over folds, its spread over folds and over seeds.

        Beside them MAPE and WAPE; where quantiles or intervals were asked for, WQL, SQL, CRPS, what each interval held
        of the rows that are not sure, and its width; the mean seconds, the most megabytes.
        """
        groups = self.scores.groupby("forecast", sort=False)
        found = [str(c) for c in self.scores.columns]
        others: list[str] = [m for m in ("mape", "wape", "wql", "sql", "crps") if m != self.metric and m in found]
        others += [c for c in found if c.startswith("width_") or (c.startswith("held_") and c.endswith(UNSURE))]
        return pd.DataFrame(
            {
                self.metric: groups[self.metric].mean(),
                "std over folds": groups[self.metric].std(ddof=0),
                "std over seeds": groups["std_seeds"].mean(),
                **{name: groups[name].mean() for name in others},
                "seconds": groups["seconds"].mean().round(1),
                "MB": groups["megabytes"].max(),
            }
        ).sort_values(self.metric)


def fold_ends(source: SourceTables, folds: int, step: Duration | None, ends: Sequence[str]) -> list[pd.Timestamp]:
    """The last date of each fold: the end of the train table, `folds` − 1 earlier dates, `step` apart, and `ends`.

    `step`: by default the horizon. Raises `UsageError` for ends that are no dates.
    """
    last = pd.Timestamp(source.tables["train"][source.config.date].max())
    frequency, horizon = source.timing()
    apart = frequency.number(step) if step is not None else horizon
    found = [frequency.after(last, -i * apart) for i in range(folds)]
    try:
        found += [pd.Timestamp(e) for e in ends]
    except ValueError as error:
        raise UsageError(f"--end {', '.join(ends)}: expected dates like 2015-06-13 ({error})") from None
    return list(dict.fromkeys(found))


def run_folds(
    source: SourceTables,
    out: Path,
    fingerprint: str,
    *,
    folds: int,
    step: Duration | None,
    ends: Sequence[str],
    peers: Sequence[str],
    bounds: Mapping[str, float],
    on: Engine,
    callbacks: Callbacks,
    on_fold: Callable[[str, Scores], None],
) -> Backtest:
    """Trains and scores every fold that `out` does not hold yet; a fold's directory appears there when it is whole.

    `fingerprint`: of config, tables and code; raises `UsageError` where `out` holds a fold of others. `bounds`: columns
    of quantiles and intervals with their levels, which are forecast and scored too. `on`: where networks are trained.
    `on_fold`: called with the name and scores of each fold. Raises what prep and train raise.
    """
    levels = bounds_in(bounds, source.config.target.column)
    wanted, usable = fold_ends(source, folds, step, ends), join(source).kept

    def scores_of(end: pd.Timestamp) -> Scores:
        done = out / f"fold-{_name(end)}"
        scores = _finished(done, fingerprint)
        return scores or _run_fold(source, usable, end, done, fingerprint, peers, levels, on, callbacks)

    rows = []
    for end, scores in zip(wanted, _each(scores_of, wanted, on), strict=True):
        on_fold(_name(end), scores)
        rows += [{"fold": _name(end), "forecast": forecast, **values} for forecast, values in scores.items()]
    return Backtest(out, [str(e.date()) for e in wanted], pd.DataFrame(rows), source.config.metric)


def _each(scores_of: Callable[[pd.Timestamp], Scores], ends: Sequence[pd.Timestamp], on: Engine) -> Iterator[Scores]:
    """The scores of each fold; on a cluster no fold's networks wait for another fold's."""
    if on != "ray":
        yield from map(scores_of, ends)
        return
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        yield from pool.map(scores_of, ends)
    finally:
        pool.shutdown(cancel_futures=True)


def _name(end: pd.Timestamp) -> str:
    return end.isoformat()[:10] if end == end.normalize() else end.isoformat().replace(":", "")


def _finished(directory: Path, fingerprint: str) -> Scores | None:
    try:
        if manifest.verify(directory, "fold")["fingerprint"] != fingerprint:
            raise UsageError(
                f"{directory}: a fold of another config, data or version", hint="give another --out, or delete it"
            )
    except BundleError:
        return None
    scores: Scores = files.read_json(directory / "scores.json")
    return scores


def _is_of(prep: Path, fingerprint: str) -> bool:
    """Whether an interrupted fold of this config left its prep here."""
    try:
        return bool(manifest.read_manifest(prep, "prep")["fingerprint"] == fingerprint)
    except BundleError:
        return False


def _run_fold(
    source: SourceTables,
    usable: BoolArray,
    end: pd.Timestamp,
    done: Path,
    fingerprint: str,
    peers: Sequence[str],
    levels: dict[str, float],
    on: Engine,
    callbacks: Callbacks,
) -> Scores:
    """Trains and scores one fold.

    `usable`: which train rows have a target to be scored on, bool (n_train,). `levels`: the bounds' columns and levels.
    """
    config = source.config
    past, within = as_of_fold(source, end)
    scored = usable[within]
    if not scored.any():
        raise DataError(f"the fold that ends {end.date()} has no row to be scored on", hint="give another --end")
    data = join(past)
    prepared = prepare.encode(data)
    files.require_writable(done, replace=True)
    job = _open_fold(done, prepared, fingerprint, on)
    started = time.perf_counter()
    ensemble = fit_ensemble(prepared, config, callbacks, refit=True, job=job)
    seconds = time.perf_counter() - started
    run = run_of(prepared, ensemble, config)
    applied = apply(run.fitted, {}, rows=past.tables["future"], lookups=ready_lookups(past))
    actual = source.tables["train"][config.target.column].to_numpy(dtype="float64")[within][scored]
    asked = Asked.of(prepared, applied, scored, actual, levels)
    made = {ensemble_name(len(run.members)): [_of_run(run, applied, levels)]}
    if len(run.members) > 1:
        alone = [replace(run, networks=[n], members=[w]) for n, w in zip(run.networks, run.members, strict=True)]
        made = {"network, single": [_of_run(each, applied, levels) for each in alone], **made}
    scores = {name: asked.scores(forecasts, seconds) for name, forecasts in made.items()}
    kept = asked.columns("network", made[ensemble_name(len(run.members))][0])
    for peer in peers:
        started = time.perf_counter()
        of_peer = _of_peer(peer, data, prepared, applied.encoded.table, levels)
        scores[peer] = asked.scores([of_peer], time.perf_counter() - started)
        kept |= asked.columns(peer, of_peer)
    wanted = [c for c in dict.fromkeys([*config.series, config.date, *config.baseline]) if c in applied.rows.columns]
    keys = applied.rows.loc[scored, wanted].reset_index(drop=True)
    facts = {**asdict(run.calibration), "expected": run.metrics.expected}
    with files.atomic_directory(done, replace=True) as temporary:
        scored_columns: dict[str, ColumnValues] = {**asked.own(steps_ahead(run, applied)), **kept}
        named = {kept_apart(c, scored_columns): keys[c] for c in keys.columns}
        frame_of({**named, **scored_columns}).to_parquet(temporary / "forecasts.parquet", index=False)
        files.write_json(temporary / "scores.json", scores)
        manifest.write_manifest(temporary, "fold", fingerprint, facts)
    files.close_working(job.partial)
    return scores


def _of_run(run: Run, applied: Applied, levels: dict[str, float]) -> Made:
    """A run's forecast of all rows of a fold, with bounds of these levels."""
    points = forecast_applied(run, applied)
    if not levels:
        return Made(points)
    outputs = outputs_of(run, applied.encoded.table, applied.rows[run.fitted.config.date])
    return Made(points, quantiles_of(run, applied, outputs, list(levels.values())))


def _of_peer(peer: str, data: JoinedData, prepared: Prepared, future: pd.DataFrame, levels: dict[str, float]) -> Made:
    """A peer's, with bounds where it has some."""
    points = peer_forecast(peer, data, prepared, future)
    return Made(points, peer_bounds(peer, data, prepared, future, list(levels.values())) if levels else None)


def _open_fold(done: Path, prepared: Prepared, fingerprint: str, on: Engine) -> TrainingJob:
    """Opens the directory beside `done` in which a fold is trained, with its prep; a fold goes on there."""
    partial = done.parent / f"{done.name}.partial"
    files.open_working(partial)
    prep = partial / "prep"
    if not _is_of(prep, fingerprint):
        files.begin_working(partial, fingerprint)  # networks of another config must not be taken for this one's
        with files.atomic_directory(prep, replace=True) as temporary:
            directories.save_prep(temporary, prepared, fingerprint, {})
    return TrainingJob(prep, prepared.fitted.config, partial, on)


def as_of_fold(source: SourceTables, end: pd.Timestamp) -> tuple[SourceTables, BoolArray]:
    """The tables that a person had when she made the forecast that ends at `end`; and which train rows it is of, (n,).

    Raises `DataError` where the table does not reach back so far.
    """
    config, (frequency, horizon) = source.config, source.timing()
    dates = source.tables["train"][config.date]
    cutoff = frequency.after(end, -horizon - frequency.number(config.validation.gap))
    if not (dates <= cutoff).any():
        raise DataError(
            f"the fold that ends {end.date()} has no rows before its cutoff {cutoff.date()}",
            hint="give a later --end, or fewer --folds",
        )
    start = frequency.after(end, 1 - horizon)
    return source.as_of(cutoff, start, end), dates.between(start, end).to_numpy()


def save_summary(result: Backtest) -> None:
    """`scores.json` in the folder: every fold's scores."""
    records = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in result.scores.to_dict(orient="records")
    ]
    files.write_json(result.path / "scores.json", records)
