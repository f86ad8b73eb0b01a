"""prep, train, predict, evaluate, backtest, tune and single steps: compose the modules, record, return frozen results.

This is what `import tabcli` gives and what the command line calls; nothing here prints.

What needs torch is imported where it is used: to prepare tables nobody must wait for it.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from tabcli import bundle, files, pipeline, report
from tabcli import config as configs
from tabcli.bundle import Prepared, Run
from tabcli.config import Config
from tabcli.dates import date_parts
from tabcli.errors import BundleError, ConfigError, DataError, UsageError
from tabcli.evaluation import Evaluation, Past, compare
from tabcli.inspection import Inspection
from tabcli.inspection import inspect as look_into
from tabcli.joins import Side
from tabcli.preprocess import STAGES, Categorify, FillMissing, Normalize, stage_from_state, stage_state
from tabcli.tables import DataSource, TableSource, each, kind_of, read_table, require_columns
from tabcli.tuning import Trial, Tuning, search
from tabcli.version import __version__

if TYPE_CHECKING:
    from tabcli.backtesting import Backtest, Scores
    from tabcli.fitting import Ensemble, Inputs
    from tabcli.training import Callbacks, LRFind, Record

ConfigSource = Config | Mapping[str, Any] | Path | str
TRAIN_SECTIONS = ("preset", "model", "train", "variants", "calibration", "tune", "seed")
"""The parts of a config that training reads; prep depends on all others."""


def _versions() -> dict[str, Any]:
    return {
        "tabcli": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "pandas": pd.__version__,
        "numpy": np.__version__,
    }


def _is_unchanged(out: Path, kind: str, fingerprint: str) -> bool:
    """Whether a whole directory made from the same inputs stands there already."""
    try:
        return bool(bundle.verify(out, kind)["fingerprint"] == fingerprint)
    except BundleError:
        return False


# ------------------------------------------------------------------------------------------------ prep


@dataclass(frozen=True)
class PrepResult:
    """`path` is None when nothing was written; `unchanged` when the same prep stood there already.

    `megabytes`: the encoded tables and the history's in memory, and the most that the process has had so far.
    """

    path: Path | None
    prepared: Prepared
    unchanged: bool

    @property
    def megabytes(self) -> tuple[float, float]:
        tables = [*self.prepared.tables.values(), self.prepared.past]
        encoded = sum(int(t.memory_usage().sum()) for t in tables if t is not None) / 2**20
        return encoded, files.peak_megabytes()

    @property
    def summary(self) -> dict[str, Any]:
        return self.prepared.summary


def _prep_sections(config: Config) -> dict[str, Any]:
    return {k: v for k, v in config.dump().items() if k not in TRAIN_SECTIONS}


def _source_hash(source: TableSource) -> str:
    if isinstance(source, pd.DataFrame):
        values = pd.util.hash_pandas_object(source, index=False).to_numpy()
        return files.digest(
            [
                list(map(str, source.columns)),
                source.dtypes.astype(str).tolist(),
                hashlib.sha256(values.tobytes()).hexdigest(),
            ]
        )
    return files.sha256(Path(source))


def _hashes(config: Config, data: DataSource, names: Sequence[str]) -> dict[str, str]:
    """What identifies the content of each table; empty where there is none.

    A table that changes after that and before it is read gets the hash of what it was, so the next prep runs again.
    """

    def identify(name: str) -> str:
        if isinstance(data, Mapping):
            return _source_hash(data[name]) if name in data else ""
        path = Path(data) / config.tables[name].file
        return files.sha256(path) if path.is_file() else ""

    return dict(zip(names, each(identify, names), strict=True))


def _prep_fingerprint(config: Config, data: DataSource, sample: int | None) -> str:
    names = ["train", *(["future"] if "future" in config.tables else []), *pipeline.side_names(config)]
    drawn = [sample, config.seed] if sample is not None else None
    return files.digest([__version__, _prep_sections(config), _hashes(config, data, names), drawn])


def prep(
    config: ConfigSource,
    data: DataSource,
    out: Path | str | None = None,
    *,
    overrides: Sequence[str] = (),
    sample: int | None = None,
    force: bool = False,
) -> PrepResult:
    """Raw tables → encoded tables, with all that was fitted on the training rows.

    `data` is a directory, or a mapping from the config's table names to DataFrames or paths. Raises `ConfigError`,
    `DataError`, and `UsageError` where `out` holds something else and `force` is not given.
    """
    if sample is not None and sample < 1:
        raise UsageError(f"--sample {sample}: expected a number of rows, 1 or more")
    settings = configs.load(config, overrides)
    if out is None:
        return PrepResult(None, pipeline.fit(settings, data, sample=sample), False)
    path = Path(out)
    fingerprint = _prep_fingerprint(settings, data, sample)  # before anything is read: see `_hashes`
    if not force and _is_unchanged(path, "prep", fingerprint):
        return PrepResult(path, bundle.load_prep(path), True)
    with files.atomic_directory(path, replace=force) as temporary:
        prepared = pipeline.fit(settings, data, sample=sample)
        bundle.save_prep(temporary, prepared, fingerprint, {"versions": _versions()})
    return PrepResult(path, prepared, False)


# ----------------------------------------------------------------------------------------------- train


@dataclass(frozen=True)
class TrainResult:
    """`metrics`: of the kept weights on the validation rows, with the baseline they must beat."""

    path: Path | None
    run: Run
    unchanged: bool

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.metrics

    @property
    def history(self) -> list[Record]:
        return self.run.history


def _open_prep(prep: PrepResult | Prepared | Path | str) -> tuple[Prepared, str]:
    """A prep and what identifies it."""
    if isinstance(prep, Prepared):
        return prep, ""
    if isinstance(prep, PrepResult):
        if prep.path is None:
            return prep.prepared, ""
        prep = prep.path
    path = Path(prep)
    prepared = bundle.load_prep(path)
    return prepared, files.sha256(path / bundle.MANIFEST)


def _train_config(prepared: Prepared, config: ConfigSource | None, overrides: Sequence[str]) -> Config:
    """The config to train with. Raises `ConfigError` where it would have needed another prep."""
    prepared_with = prepared.fitted.config
    settings = configs.load(prepared_with if config is None else config, overrides)
    before, now = _prep_sections(prepared_with), _prep_sections(settings)
    changed = [key for key in now if now[key] != before[key]]
    if changed:
        raise ConfigError(
            f"the prep was made with other values of {', '.join(changed)}",
            hint="run `tabcli prep` again with this config, or train without --config to use the prep's own",
        )
    return settings


def _fit_run(prepared: Prepared, ensemble: Ensemble, settings: Config) -> Run:
    """What the bundle holds of a trained ensemble."""
    first = ensemble.members[0]
    metrics = {
        "metric": settings.metric,
        "best_epoch": first.fit.best_epoch,
        **ensemble.scores,
        "valid_rows": len(ensemble.scored),
        "train_rows": first.n_rows,
        "refitted": ensemble.refitted,
        "baseline": prepared.summary["baseline"],
        "seconds": round(sum(r["seconds"] for r in ensemble.history), 3),
    }
    own = replace(prepared.fitted, config=settings)
    weights = [m.fit.weights for m in ensemble.members]
    networks = [m.spec.to_dict() for m in ensemble.members]
    calibration = ensemble.factor, ensemble.shift
    return Run(own, networks, weights, metrics, ensemble.history, *calibration, ensemble.snapshot)


def train(
    prep: PrepResult | Prepared | Path | str,
    out: Path | str | None = None,
    *,
    config: ConfigSource | None = None,
    overrides: Sequence[str] = (),
    refit: bool = False,
    resume: bool = False,
    force: bool = False,
    callbacks: Callbacks | None = None,
) -> TrainResult:
    """A prep → a trained run.

    `refit` trains the members anew on all rows, for as many epochs as were best on the validation rows; the metrics
    stay those of the networks that had not seen them. While it trains, a checkpoint per epoch stands in
    `OUT.partial`; `resume` goes on from it and ends with the same bits as a run that was never interrupted.
    Raises `ConfigError` where the config would need another prep, `UsageError` where `out` is
    taken and `force` is not given.
    """
    import torch

    from tabcli.fitting import Workshop, fit_ensemble
    from tabcli.training import Callbacks

    prepared, prep_id = _open_prep(prep)
    settings = _train_config(prepared, config, overrides)
    callbacks = callbacks or Callbacks()
    if out is None:
        return TrainResult(
            None, _fit_run(prepared, fit_ensemble(prepared, settings, callbacks, refit=refit), settings), False
        )
    path = Path(out)
    fingerprint = files.digest(
        [__version__, torch.__version__, prep_id, refit, {k: settings.dump()[k] for k in TRAIN_SECTIONS}]
    )
    if prep_id and not force and _is_unchanged(path, "run", fingerprint):
        return TrainResult(path, bundle.load_run(path), True)
    files.require_free(path, replace=force)
    partial = path.parent / f"{path.name}.partial"
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(partial / "lock", timeout=0):
            _open_partial(partial, fingerprint, resume, force)
            workshop = Workshop(_prep_path(prep, prepared, partial), settings, partial)
            ensemble = fit_ensemble(prepared, settings, callbacks, refit=refit, workshop=workshop)
            run = _fit_run(prepared, ensemble, settings)
            with files.atomic_directory(path, replace=force) as temporary:
                report.plot_losses(run.history, temporary / "loss.png")
                facts = {"versions": _versions(), "threads": torch.get_num_threads(), "prep": prep_id}
                bundle.save_run(temporary, run, fingerprint, facts)
    except Timeout:
        raise UsageError(f"another process is training into {path}", hint="give another --out") from None
    shutil.rmtree(partial)
    return TrainResult(path, run, False)


def _prep_path(prep: PrepResult | Prepared | Path | str, prepared: Prepared, partial: Path) -> Path:
    """Where worker processes read the prep: its directory, or a copy of one that exists in memory only."""
    if isinstance(prep, PrepResult) and prep.path is not None:
        return prep.path
    if isinstance(prep, Path | str):
        return Path(prep).resolve()
    with files.atomic_directory(partial / "prep", replace=True) as temporary:
        bundle.save_prep(temporary, prepared, "", {})
    return partial / "prep"


def _open_partial(partial: Path, fingerprint: str, resume: bool, force: bool) -> None:
    """Makes the working directory ready. Raises `UsageError` rather than lose an interrupted run unasked."""
    label = partial / "fingerprint.json"
    if label.exists() and resume:
        if files.read_json(label) != fingerprint:
            raise UsageError(
                f"{partial}: the interrupted run had another prep, config or version",
                hint="use the same ones to resume, or --force to start anew",
            )
        return
    states = sorted(partial.glob("*.safetensors"))
    if states and not force:
        raise UsageError(
            f"{partial} holds an interrupted run",
            hint="--resume goes on from its last epoch, --force starts anew",
        )
    for state in states:
        state.unlink()
    files.write_json(label, fingerprint)


def model_summary(
    prep: PrepResult | Prepared | Path | str, config: ConfigSource | None = None, overrides: Sequence[str] = ()
) -> str:
    """The network as text, before any training."""
    from tabcli.model import describe

    prepared, _ = _open_prep(prep)
    return describe(_inputs(prepared, _train_config(prepared, config, overrides)).spec)


def _inputs(prepared: Prepared, settings: Config) -> Inputs:
    from tabcli.fitting import chosen_history, make_inputs

    history = chosen_history(prepared, settings)
    return make_inputs(prepared, settings, "valid", history)


def lr_find(
    prep: PrepResult | Prepared | Path | str,
    *,
    config: ConfigSource | None = None,
    overrides: Sequence[str] = (),
    plot: Path | str | None = None,
) -> LRFind:
    """Tries learning rates on a new network and suggests one; `plot` is where a PNG of the curve goes."""
    from tabcli import training

    prepared, _ = _open_prep(prep)
    settings = _train_config(prepared, config, overrides)
    inputs = _inputs(prepared, settings)
    found = training.lr_find(inputs.spec, settings.train, inputs.train, seed=settings.seed)
    if plot is not None:
        with files.atomic_file(Path(plot)) as temporary:
            report.plot_lr_find(found.lrs, found.losses, found.suggestion, temporary)
    return found


# --------------------------------------------------------------------------------------------- predict


@dataclass(frozen=True)
class PredictResult:
    """`table`: what was (or would be) written. `warnings`: what a reader of the forecast should know."""

    path: Path | None
    table: pd.DataFrame
    counts: dict[str, Any]
    warnings: list[str]
    seconds: float


def write_table(table: pd.DataFrame, path: Path) -> None:
    """CSV, TSV, Parquet or Feather by the ending, atomically. Raises `UsageError` for another ending."""
    ending = path.suffix.lower()
    with files.atomic_file(path) as temporary:
        match ending:
            case ".csv" | ".tsv":
                table.to_csv(temporary, index=False, sep="," if ending == ".csv" else "\t", lineterminator="\n")
            case ".parquet" | ".pq":
                table.to_parquet(temporary, index=False)
            case ".feather" | ".arrow":
                table.to_feather(temporary)
            case _:
                raise UsageError(f"{path}: cannot tell the format from the ending", hint="use .csv, .tsv or .parquet")


def _duration(option: str, text: str | None) -> configs.Duration | None:
    try:
        return None if text is None else configs.Duration.parse(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None


def predict(
    run: TrainResult | Run | Path | str,
    data: DataSource,
    out: Path | str | None = None,
    *,
    columns: Sequence[str] = (),
    horizon: str | None = None,
) -> PredictResult:
    """Forecasts every row of the table `future`: its id and the forecast, in the order of the rows.

    With a `horizon` such as 8w, the next steps of every series instead, made by the config's `forecast.rules`.

    Where the config names no id, series and date stand for it; `columns` carries more of the rows along. Raises
    `DataError` for rows that cannot be forecast, `BundleError` for a run that cannot be used.
    """
    return _predict(_loaded(run), data, out, columns=columns, horizon=horizon)


def _loaded(run: TrainResult | Run | Path | str) -> Run:
    if isinstance(run, TrainResult):
        return run.run
    return run if isinstance(run, Run) else bundle.load_run(Path(run))


def _predict(
    run: Run,
    data: DataSource,
    out: Path | str | None,
    *,
    columns: Sequence[str],
    horizon: str | None = None,
    sides: Sequence[Side] | None = None,
) -> PredictResult:
    from tabcli import prediction

    started = time.perf_counter()
    config = run.fitted.config
    made = prediction.forecast(run, data, _duration("--horizon", horizon), columns, sides)
    keys = [config.id] if config.id in made.table.columns else [*config.series, config.date]
    wanted = list(dict.fromkeys([*keys, *columns]))
    missing = [c for c in wanted if c not in made.table.columns]
    if missing:
        raise UsageError(f"--columns {', '.join(missing)}: expected some of {', '.join(made.columns)}")
    table = made.table[[*(c for c in wanted if c != config.target.column), config.target.column]]
    path = Path(out) if out is not None else None
    if path is not None:
        write_table(table, path)
    return PredictResult(path, table, made.counts, made.warnings, time.perf_counter() - started)


@dataclass(frozen=True)
class Forecaster:
    """A run and its side tables, read and checked once: a forecast of a few rows then takes milliseconds."""

    run: Run
    sides: Sequence[Side]

    def predict(self, rows: TableSource, *, columns: Sequence[str] = ()) -> PredictResult:
        """Forecasts rows like those of the table `future`, a DataFrame or a file. As `predict` does, without an out."""
        return _predict(self.run, {"future": rows}, None, columns=columns, sides=self.sides)


def forecaster(run: TrainResult | Run | Path | str, data: DataSource) -> Forecaster:
    """Loads a run and the side tables in `data`, for a service that forecasts rows as they come.

    Raises `DataError` for tables that cannot be read, `BundleError` for a run that cannot be used.
    """
    loaded = _loaded(run)
    return Forecaster(loaded, pipeline.side_tables(loaded.fitted, data))


# -------------------------------------------------------------------------------------------- backtest


LAST_EPOCH = ("train.keep=last", "train.patience=null")  # so that nothing is chosen on the scored rows


def backtest(
    config: ConfigSource,
    data: DataSource,
    out: Path | str,
    *,
    overrides: Sequence[str] = (),
    folds: int = 3,
    step: str | None = None,
    ends: Sequence[str] = (),
    gap: str | None = None,
    peers: Sequence[str] = ("seasonal_naive", "median", "histgb"),
    callbacks: Callbacks | None = None,
    on_fold: Callable[[str, Scores], None] = lambda name, scores: None,
) -> Backtest:
    """Trains and scores the whole pipeline on rolling-origin folds, with what it must beat on the very same rows.

    The newest fold ends with the train table, the others `step` (by default the length of the validation rows)
    earlier each; `ends` adds folds that end on these dates. Folds that `out` holds from an earlier call are not
    trained again. The last epoch is scored: nothing is chosen on the scored rows. `train.members` networks give the
    scores of a single one, over seeds, and of their mean. Raises what prep and train raise, and `UsageError`.
    """
    from tabcli.backtesting import PEERS, run_folds, save_summary
    from tabcli.training import Callbacks

    extra = [f"validation.gap={gap}"] if gap is not None else []
    settings = configs.load(config, [*overrides, *extra, *LAST_EPOCH])
    wrong = [p for p in peers if p not in PEERS]
    if wrong:
        raise UsageError(f"--peers {', '.join(wrong)}: expected some of {', '.join(PEERS)}")
    if folds + len(ends) < 1:
        raise UsageError("a backtest needs at least one fold: --folds 1, or --end DATE")
    apart = _duration("--step", step)
    fingerprint = _fold_fingerprint(settings, data, peers)
    path = Path(out)
    path.mkdir(parents=True, exist_ok=True)
    result = run_folds(
        pipeline.read(settings, data),
        path,
        fingerprint,
        folds=folds,
        step=apart,
        ends=ends,
        peers=peers,
        callbacks=callbacks or Callbacks(),
        on_fold=on_fold,
    )
    save_summary(result)
    return result


def _fold_fingerprint(settings: Config, data: DataSource, asked: Sequence[Any]) -> str:
    """What identifies the folds of a backtest: versions, config, tables and what was asked for."""
    import torch

    names = ["train", *(["future"] if "future" in settings.tables else []), *pipeline.side_names(settings)]
    return files.digest([__version__, torch.__version__, settings.dump(), _hashes(settings, data, names), asked])


def tune(
    config: ConfigSource,
    data: DataSource,
    out: Path | str,
    *,
    overrides: Sequence[str] = (),
    trials: int = 20,
    folds: int = 2,
    ends: Sequence[str] = (),
    callbacks: Callbacks | None = None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Tuning:
    """Searches the config's `tune.space` for the least mean of its metric over rolling-origin folds, each from scratch.

    `out` holds the search; called again it goes on until there are `trials`. The result is `out/best.yaml`. Raises
    what `backtest` raises, and `ConfigError` where there is no space.
    """
    from tabcli.backtesting import ensemble_name, run_folds
    from tabcli.training import Callbacks

    settings = configs.load(config, overrides)
    if trials < 1 or folds + len(ends) < 1:
        raise UsageError("a search needs at least one trial and one fold")
    path = Path(out)
    path.mkdir(parents=True, exist_ok=True)
    identity = _fold_fingerprint(settings, data, [folds, *ends])
    source = pipeline.read(settings, data)

    def judge(candidate: Config, directory: Path) -> float:
        candidate = configs.load(candidate, LAST_EPOCH)
        directory.mkdir(exist_ok=True)
        result = run_folds(
            replace(source, config=candidate),
            directory,
            files.digest([identity, candidate.dump()]),
            folds=folds,
            step=None,
            ends=ends,
            peers=(),
            callbacks=callbacks or Callbacks(),
            on_fold=lambda name, scores: None,
        )
        ours = result.scores["forecast"] == ensemble_name(candidate.train.members)
        return float(result.scores.loc[ours, settings.metric].mean())

    return search(settings, path, identity, trials=trials, judge=judge, on_trial=on_trial)


# -------------------------------------------------------------------------------------------- evaluate


def _reading(options: Mapping[str, str], file: str) -> configs.Table:
    try:
        return configs.parse_table(options, file)
    except ConfigError as error:
        raise UsageError(f"how to read tables: {error.message}") from None


def _read_any(
    source: TableSource, name: str, dates: Sequence[str] = (), reading: Mapping[str, str] | None = None
) -> pd.DataFrame:
    file = "" if isinstance(source, pd.DataFrame) else str(source)
    if file and not Path(file).is_file():
        raise DataError(f"{file}: no such file")
    return read_table(source, _reading(reading or {}, file), name=name, dates=dates)


def evaluate(
    predictions: TableSource,
    actuals: TableSource,
    *,
    target: str | None = None,
    on: Sequence[str] = (),
    by: str | None = None,
    quantile: float | None = None,
    history: TableSource | None = None,
    date: str | None = None,
    series: Sequence[str] = (),
    events: Sequence[str] = (),
    reading: Mapping[str, str] | None = None,
) -> Evaluation:
    """Metrics of a forecast against what happened, over all rows and by the values of a column of either table.

    `target` defaults to the last column of the predictions, `on` to their other columns that the actuals have too.
    With a `history`, the rows known before, and its `date` and `series` columns also MASE and the metrics of naive
    forecasts of the same rows: medians by series and `events`, last season's and last values. `reading`: how the
    actuals and the history are written, as in a config's table. Raises `DataError` where an actual row has no
    prediction, or a key is not unique.
    """
    if quantile is not None and not 0 < quantile < 1:
        raise UsageError(f"--quantile {quantile:g}: expected a number between 0 and 1")
    if (history is None) != (date is None and not series and not events) or (history is not None and not date):
        raise UsageError("--history goes with --date and --series, which say what its rows are of, and with --events")
    dates = [date] if date else []
    forecast = _read_any(predictions, "predictions", dates)
    truth = _read_any(actuals, "actuals", dates, reading)
    past = None
    if history is not None and date is not None:
        past = Past(_read_any(history, "history", dates, reading), date, series, events)
    return compare(forecast, truth, target or str(forecast.columns[-1]), on=on, by=by, quantile=quantile, past=past)


# --------------------------------------------------------------------------------------------- inspect


def inspect(
    source: PrepResult | TrainResult | Prepared | Run | TableSource, *, reading: Mapping[str, str] | None = None
) -> Inspection:
    """What is in a table, a prep or a run; from Python their results and DataFrames do as well as paths.

    `reading`: how a table is written, as in a config's table.
    """
    if isinstance(source, PrepResult):
        source = source.prepared
    if isinstance(source, TrainResult):
        source = source.run
    if isinstance(source, Path | str) and not Path(source).exists():
        raise UsageError(f"{source}: no such file or directory")
    file = str(source) if isinstance(source, Path | str) else ""
    return look_into(source, _reading(reading or {}, file))


# ------------------------------------------------------------------------------------- the single steps


@dataclass(frozen=True)
class StepResult:
    """`table`: the step's output; `counts`: per column what was missing, unknown or filled."""

    table: pd.DataFrame
    counts: dict[str, Any]


def add_datepart(
    table: TableSource,
    column: str,
    *,
    prefix: str | None = None,
    time: bool = False,
    drop: bool = True,
    reading: Mapping[str, str] | None = None,
) -> StepResult:
    """The table with fastai's 13 columns of a date (16 with `time`) at its end; the date is dropped by default."""
    rows = _read_any(table, "table", [column], reading)
    require_columns(rows, [column], "the table")
    if kind_of(rows[column]) != "date":
        raise DataError(f"column {column!r} holds {kind_of(rows[column])} values, not dates")
    parts = date_parts(rows[column], prefix, time=time)
    clash = [c for c in parts.columns if c in rows.columns]
    if clash:
        raise UsageError(f"the table has the columns {', '.join(clash)} already", hint="give another --prefix")
    kept = rows.drop(columns=column) if drop else rows
    missing = int(rows[column].isna().sum())
    return StepResult(pd.concat([kept, parts], axis=1), {column: missing} if missing else {})


def _default_columns(stage: str, rows: pd.DataFrame) -> list[str]:
    """Text and bool columns to categorify, numbers for the other two."""
    wanted = ("text", "bool") if stage == "categorify" else ("int", "float")
    return [c for c in rows.columns if kind_of(rows[c]) in wanted]


def run_step(
    stage: Literal["categorify", "fill-missing", "normalize"],
    table: TableSource,
    *,
    fit: Path | str | None = None,
    state: Path | str | None = None,
    columns: Sequence[str] = (),
    reading: Mapping[str, str] | None = None,
) -> StepResult:
    """One preprocessor alone: `fit` learns from this table and writes the state there; `state` applies a state.

    The step's columns are replaced in the table, the others stay; flags come last. Raises `UsageError` unless
    exactly one of `fit` and `state` is given.
    """
    if (fit is None) == (state is None):
        raise UsageError("give either --fit STATE (learn from this table) or --state STATE (apply what was learned)")
    rows = _read_any(table, "table", reading=reading)
    fitted: Categorify | FillMissing | Normalize
    if fit is not None:
        require_columns(rows, columns, "the table")
        chosen = list(columns) or _default_columns(stage, rows)
        fitted = STAGES[stage].fit(rows, chosen)
        files.write_json(Path(fit), stage_state(stage, fitted))
    else:
        if columns:
            raise UsageError("--columns goes with --fit; a state knows its columns")
        fitted = _read_state(stage, Path(str(state)))
    if isinstance(fitted, Normalize):
        new, counts = fitted.transform(rows), {}
    else:
        transformed = fitted.transform(rows)
        new, counts = transformed[0], dict(transformed[1])
    replaced = rows.assign(**{c: new[c] for c in new.columns})
    return StepResult(replaced, counts)


def _read_state(stage: str, path: Path) -> Categorify | FillMissing | Normalize:
    try:
        value = files.read_json(path)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such file", hint=f"make it with `tabcli {stage} TABLE OUT --fit {path}`"
        ) from None
    except ValueError:
        raise BundleError(f"{path}: not JSON") from None
    return stage_from_state(stage, value, str(path))
