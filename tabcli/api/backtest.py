"""backtest and tune: the whole pipeline on rolling-origin folds."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from tabcli import files
from tabcli.api.predict import wanted_of
from tabcli.api.sources import ConfigSource, code_identity, hashes_of, parse_duration
from tabcli.api.urls import at_urls
from tabcli.config import loading
from tabcli.config.schema import Config
from tabcli.engines.calls import Engine
from tabcli.engines.running import engine
from tabcli.errors import UsageError
from tabcli.pipeline import joined
from tabcli.selection.folds import Backtest, run_folds, save_summary
from tabcli.selection.peers import PEERS
from tabcli.selection.scores import Scores, ensemble_name
from tabcli.selection.search import Trial, Tuning, search
from tabcli.tables.contract import DataSource
from tabcli.training.loop import Callbacks

# -------------------------------------------------------------------------------------------- backtest


LAST_EPOCH = ("train.keep=last", "train.patience=null")  # so that nothing is chosen on the scored rows


@at_urls(data="tables")
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
    quantiles: Sequence[float] | None = None,
    intervals: Sequence[float] | None = None,
    on: Engine = "processes",
    callbacks: Callbacks | None = None,
    on_fold: Callable[[str, Scores], None] = lambda name, scores: None,
) -> Backtest:
    """Trains and scores the whole pipeline on rolling-origin folds, beside peers on the same rows.

    The newest fold ends with the train table. Folds that `out` holds from an earlier call are not trained again. The
    last epoch is scored, so that nothing is chosen on the scored rows. With several `train.members` both the mean score
    of a single network and the score of their mean are given. Raises what `prep` and `train` raise, and `UsageError`.

    config: a YAML file, plain values, or a `Config`.
    data: the folder with the tables, or the config's table names → DataFrames or files.
    out: the folder for the folds; an interrupted backtest goes on there.
    overrides: keys of the config with other values, such as "train.members=3".
    folds: how many folds.
    step: how much earlier each fold ends than the one before, such as "4w"; by default the length of the validation.
    ends: dates, such as "2015-06-13", on which further folds end.
    gap: a length such as "2d" before the scored rows that nothing learns from; by default the config's.
    peers: what to compare with: seasonal_naive, median, histgb, lightgbm.
    quantiles: levels such as 0.1 that are forecast and scored too; by default the config's `forecast.quantiles`. Of the
        peers, the median has quantiles of the same groups, and lightgbm learns each level.
    intervals: shares such as 0.8 of the rows, likewise, of central intervals; by default `forecast.intervals`.
    on: where networks are trained: *here*, *processes* or *ray*, as in `train`.
    callbacks: what to call after each batch and epoch; `tabcli.progress()` shows a bar.
    on_fold: called with each fold's name and scores when it is done.
    """
    extra = [f"validation.gap={gap}"] if gap is not None else []
    settings = loading.load(config, [*overrides, *extra, *LAST_EPOCH])
    wrong = [p for p in peers if p not in PEERS]
    if wrong:
        raise UsageError(f"--peers {', '.join(wrong)}: expected some of {', '.join(PEERS)}")
    if folds + len(ends) < 1:
        raise UsageError("a backtest needs at least one fold: --folds 1, or --end DATE")
    apart = parse_duration("--step", step)
    bounds = wanted_of(settings, quantiles, intervals).bounds(settings.target.column)
    fingerprint = _fold_fingerprint(settings, data, [*peers, bounds])
    path = Path(out)
    path.mkdir(parents=True, exist_ok=True)
    with engine(on):
        result = run_folds(
            joined.load(settings, data),
            path,
            fingerprint,
            folds=folds,
            step=apart,
            ends=ends,
            peers=peers,
            bounds=bounds,
            on=on,
            callbacks=callbacks or Callbacks(),
            on_fold=on_fold,
        )
    save_summary(result)
    return result


def _fold_fingerprint(settings: Config, data: DataSource, asked: Sequence[object]) -> str:
    """What identifies the folds of a backtest: code, torch, config, tables, and `asked`, such as the peers."""
    names = ["train", *(["future"] if "future" in settings.tables else []), *joined.lookup_names(settings)]
    return files.digest([code_identity(), torch.__version__, settings.dump(), hashes_of(settings, data, names), asked])


@at_urls(data="tables")
def tune(
    config: ConfigSource,
    data: DataSource,
    out: Path | str,
    *,
    overrides: Sequence[str] = (),
    trials: int = 20,
    folds: int = 2,
    ends: Sequence[str] = (),
    on: Engine = "processes",
    callbacks: Callbacks | None = None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Tuning:
    """Searches the config's `tune.space` for the settings with the least mean metric over rolling-origin folds.

    Each trial runs prep, train and predict in each fold. The best config is `out/best.yaml`. Raises what `backtest`
    raises, and `ConfigError` where there is no space.

    config: a YAML file, plain values, or a `Config`.
    data: the folder with the tables, or the config's table names → DataFrames or files.
    out: the folder for the search; called again, it goes on there until there are `trials`.
    overrides: keys of the config with other values, such as "train.epochs=3".
    trials: how many settings are tried, those of earlier calls included.
    folds: how many folds judge each.
    ends: dates, such as "2015-06-13", on which further folds end.
    on: where networks are trained: *here*, *processes* or *ray*, as in `train`.
    callbacks: what to call after each batch and epoch; `tabcli.progress()` shows a bar.
    on_trial: called with each trial when it is done.
    """
    settings = loading.load(config, overrides)
    if trials < 1 or folds + len(ends) < 1:
        raise UsageError("a search needs at least one trial and one fold")
    path = Path(out)
    path.mkdir(parents=True, exist_ok=True)
    identity = _fold_fingerprint(settings, data, [folds, *ends])
    source = joined.load(settings, data)

    def judge(candidate: Config, directory: Path) -> float:
        candidate = loading.load(candidate, LAST_EPOCH)
        directory.mkdir(exist_ok=True)
        result = run_folds(
            replace(source, config=candidate),
            directory,
            files.digest([identity, candidate.dump()]),
            folds=folds,
            step=None,
            ends=ends,
            peers=(),
            bounds={},
            on=on,
            callbacks=callbacks or Callbacks(),
            on_fold=lambda name, scores: None,
        )
        ours = result.scores["forecast"] == ensemble_name(candidate.train.members)
        return float(result.scores.loc[ours, settings.metric].mean())

    with engine(on):
        return search(settings, path, identity, trials=trials, judge=judge, on_trial=on_trial)
