"""A search for better settings: optuna proposes, rolling-origin folds judge, a config file is the result.

    trial 0   ├─ fold 1 ─┤├─ fold 2 ─┤  mean score → the sampler
    trial 1   ├─ fold 1 ─┤├─ fold 2 ─┤  …

Each finished fold and trial is kept in the folder, so that an interrupted search goes on. optuna is an extra; it is
imported only here, when a search begins.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tabcli import files
from tabcli.config.learning import Choices, Range
from tabcli.config.loading import load
from tabcli.config.schema import Config
from tabcli.errors import ConfigError, UsageError
from tabcli.evaluation.naming import score_text
from tabcli.shown import Shown, first_few

if TYPE_CHECKING:
    from optuna import Study
    from optuna import Trial as Asked
    from optuna.trial import FrozenTrial

Judge = Callable[[Config, Path], float]
"""A config and the folder for its folds → its score; the least is the best."""


@dataclass(frozen=True)
class Trial:
    """`changes`: `key.path` → the value that was tried. `score`: the mean of the config's metric over folds."""

    number: int
    changes: dict[str, object]
    score: float


@dataclass(frozen=True, repr=False)
class Tuning(Shown):
    """`path`: the file of the best trial's config. `trials`: all trials in their order, earlier calls' included."""

    path: Path
    metric: str
    best: Trial
    trials: list[Trial]

    def brief(self) -> dict[str, str]:
        changes = first_few([f"{path}={value}" for path, value in self.best.changes.items()], 6)
        return {
            "best": f"{self.metric.upper()} {score_text(self.metric, self.best.score)}: {changes}",
            "trials": str(len(self.trials)),
            "path": str(self.path),
        }


def changed(config: Config, changes: Mapping[str, object]) -> Config:
    """The config with other values of some keys. Raises `ConfigError` where a value is not valid."""
    return load(config, [f"{path}={json.dumps(value)}" for path, value in changes.items()])


def search(
    config: Config, out: Path, fingerprint: str, *, trials: int, judge: Judge, on_trial: Callable[[Trial], None]
) -> Tuning:
    """Tries settings of `config.tune.space` until `trials` were judged, those of earlier calls in `out` included.

    The first trial has the config's own values, as far as they lie in the space. Writes `out/best.yaml` after each
    trial. Raises `ConfigError` without a space, `UsageError` without optuna or where `out` holds another search.
    """
    if not config.tune.space:
        raise ConfigError(
            "tune.space: nothing to search in",
            hint="e.g. tune: {space: {train.lr: {low: 5e-4, high: 5e-3, log: true}}}",
        )
    study = _open_study(config, out, fingerprint)
    finished = [_trial(t) for t in _complete(study)]
    while len(finished) < trials:
        asked = study.ask()
        changes = {path: _suggest(asked, path, space) for path, space in config.tune.space.items()}
        asked.set_user_attr("changes", changes)
        score = judge(changed(config, changes), out / f"trial-{files.digest(changes)[:12]}")
        study.tell(asked, score)
        finished.append(Trial(asked.number, changes, score))
        on_trial(finished[-1])
        best = min(finished, key=lambda t: t.score)
        files.write_text(out / "best.yaml", changed(config, best.changes).to_yaml())
    return Tuning(out / "best.yaml", config.metric, min(finished, key=lambda t: t.score), finished)


def _open_study(config: Config, out: Path, fingerprint: str) -> "Study":
    """The optuna study in the folder; a new one starts with the config's own values."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise UsageError("tabcli tune needs optuna", hint="pip install 'tabcli[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    label = out / "fingerprint.json"
    if label.exists() and files.read_json(label) != fingerprint:
        raise UsageError(f"{out}: a search with another config, data or version", hint="give another --out")
    files.write_json(label, fingerprint)
    storage = JournalStorage(JournalFileBackend(str(out / "journal.log")))
    known = bool(optuna.get_all_study_names(storage))
    # A sampler that is seeded anew would propose again what it proposed before it was interrupted.
    n_before = len(optuna.load_study(study_name="tune", storage=storage).trials) if known else 0
    sampler = optuna.samplers.TPESampler(seed=(config.seed + n_before) % 2**32, n_startup_trials=8)
    study = optuna.create_study(study_name="tune", storage=storage, sampler=sampler, load_if_exists=True)
    if not known:
        study.enqueue_trial(_own_values(config), skip_if_exists=True)
    return study


def _complete(study: "Study") -> "list[FrozenTrial]":
    return [t for t in study.trials if t.state.name == "COMPLETE"]


def _trial(trial: "FrozenTrial") -> Trial:
    assert trial.value is not None
    return Trial(trial.number, trial.user_attrs["changes"], trial.value)


def _own_values(config: Config) -> dict[str, object]:
    """The config's own values of the keys in its space, as far as they lie in the space."""
    own: dict[str, object] = {}
    values = config.dump()
    for path, space in config.tune.space.items():
        value: object = values
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(space, Choices):
            texts = [json.dumps(c) for c in space.choices]
            if json.dumps(value) in texts:
                own[path] = json.dumps(value)
        elif isinstance(value, int | float) and space.low <= value <= space.high:
            own[path] = value
    return own


def _suggest(trial: "Asked", path: str, space: Range | Choices) -> object:
    if isinstance(space, Choices):  # as text, since a list is no category to optuna
        return json.loads(trial.suggest_categorical(path, [json.dumps(c) for c in space.choices]))
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(path, space.low, space.high, log=space.log)
    return trial.suggest_float(path, space.low, space.high, log=space.log)
