"""train, lr_find, model_summary: a prep → a run directory, a learning rate, the network as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from tabcli import files
from tabcli.api.card import first_cards, replaced_run
from tabcli.api.prep import prep_sections
from tabcli.api.results import PrepResult, TrainResult
from tabcli.api.sources import LATER, TRAIN_SECTIONS, ConfigSource, code_identity, is_unchanged, versions
from tabcli.api.urls import at_urls
from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories, manifest
from tabcli.config import loading
from tabcli.config.card import answers_path, read_answers
from tabcli.config.schema import Config
from tabcli.engines.calls import Engine
from tabcli.engines.running import engine, n_cores
from tabcli.errors import ConfigError, UsageError
from tabcli.reports import plots
from tabcli.tables.writing import require_no_input
from tabcli.training.ensemble import fit_ensemble, run_of, runs_of_shards
from tabcli.training.inputs import Inputs, chosen_history, make_inputs
from tabcli.training.loop import Callbacks
from tabcli.training.lr_find import LRFind
from tabcli.training.lr_find import lr_find as run_lr_find
from tabcli.training.network import describe
from tabcli.training.ranks import describe_ranks, require_ranks
from tabcli.training.tasks import TrainingJob

# ----------------------------------------------------------------------------------------------- train


@dataclass(frozen=True)
class _Prep:
    """A prep, the hash of its manifest, and the config's file as it was typed; both empty for one in memory only."""

    prepared: Prepared
    identity: str = ""
    config: str = ""
    n_shards: int = 1
    """Of more than one `prepared` is the one that judges."""


def _open_prep(prep: PrepResult | Prepared | Path | str) -> _Prep:
    if isinstance(prep, Prepared):
        return _Prep(prep)
    if isinstance(prep, PrepResult):
        if prep.path is None:
            return _Prep(prep.prepared)
        prep = prep.path
    path = Path(prep)
    prepared = directories.load_prep(path, directories.judging_shard(path))
    config = manifest.read_manifest(path, "prep").get("config", "")
    return _Prep(prepared, files.sha256(path / manifest.MANIFEST), config, directories.n_shards(path))


def _train_config(prepared: Prepared, config: ConfigSource | None, overrides: Sequence[str]) -> Config:
    """The config to train with. Raises `ConfigError` where it would have needed another prep."""
    prepared_with = prepared.fitted.config
    settings = loading.load(prepared_with if config is None else config, overrides)
    before, now = prep_sections(prepared_with), prep_sections(settings)
    changed = [key for key in now if now[key] != before[key]]
    if changed:
        raise ConfigError(
            f"the prep was made with other values of {', '.join(changed)}",
            hint=_way_to_prep(config, overrides, changed),
        )
    return settings


def _way_to_prep(config: ConfigSource | None, overrides: Sequence[str], changed: Sequence[str]) -> str:
    """The hint: how to get a prep of these values, with the options that were given."""
    options = [f"-S {o}" for o in overrides if o.partition("=")[0].strip().split(".")[0] in changed]
    without = [*(["--config"] if config is not None else []), *options]
    own = "this config" if config is not None else ""
    wanted = " and ".join(part for part in (own, " ".join(options)) if part)
    return f"run `tabcli prep` again with {wanted}; or train without {' '.join(without)} to use the prep's own values"


@at_urls(prep="opened", out="run")
def train(
    prep: PrepResult | Prepared | Path | str,
    out: Path | str | None = None,
    *,
    config: ConfigSource | None = None,
    overrides: Sequence[str] = (),
    refit: bool | None = None,
    resume: bool = False,
    force: bool = False,
    on: Engine = "processes",
    nproc: int = 1,
    callbacks: Callbacks | None = None,
) -> TrainResult:
    """A prep → a trained run.

    While it trains, a checkpoint per epoch stands in `OUT.partial`. Raises `ConfigError` where the config would need
    another prep, `UsageError` where `out` is taken and `force` is not given, `WorkerError` where a process that trains
    one of several networks dies; the others are finished first.

    prep: what `prep` returned, or its directory.
    out: the run directory to write; by default nothing is written, and the networks are trained one after the other.
    config: a config that differs from the prep's in how to train; by default the prep's own.
    overrides: keys of the config with other values, such as "train.epochs=3".
    refit: train the members anew on all rows, for as many epochs as were best on the validation rows; by default as
        the config's `train.refit` says. The metrics stay those of the networks before, which had not seen these rows.
    resume: go on from the checkpoints of an interrupted run; the result has the same bits as without the interruption.
    force: replace what stands at `out`, and drop the checkpoints of an interrupted run.
    on: where networks are trained, always to the same bits: *here*, in this process; *processes*, one beside the other;
        *ray*, on the Ray cluster that the environment variable RAY_ADDRESS names, or on one started here.
    nproc: so many processes of this machine train each network together, each with its share of every batch, one
        network after the other; with `train.device: cuda` each on a device of its own. The result depends on it.
    callbacks: what to call after each batch and epoch; `tabcli.progress()` shows a bar.
    """
    opened = _open_prep(prep)
    prepared, prep_id = opened.prepared, opened.identity
    settings = _train_config(prepared, config, overrides)
    require_ranks(nproc, settings, on)
    config_file = str(config) if isinstance(config, Path | str) else opened.config
    answers = read_answers(answers_path(Path(config_file) if config_file else None, settings.card.answers))
    refit, callbacks = settings.train.refit if refit is None else refit, callbacks or Callbacks()
    if out is None:
        _refuse_memory(opened.n_shards, nproc)
        ensemble = fit_ensemble(prepared, settings, callbacks, refit=refit)
        return TrainResult(None, run_of(prepared, ensemble, settings), False)
    path = Path(out)
    fingerprint = _run_fingerprint(settings, prep_id, refit, nproc)
    if prep_id and not force and is_unchanged(path, "run", fingerprint):
        return TrainResult(path, directories.load_run(path, directories.judging_shard(path)), True)
    files.require_writable(path, replace=force)
    replaced = replaced_run(path)
    partial = path.parent / f"{path.name}.partial"
    files.open_working(partial)
    try:
        with FileLock(partial / "lock", timeout=0), engine(on):
            _open_partial(partial, fingerprint, resume, force)
            job = TrainingJob(_prep_path(prep, prepared, partial), settings, partial, on, nproc)
            if nproc > 1:
                callbacks.on_model(describe_ranks(nproc, settings.of_member(0).train, n_cores()))
            ensemble = fit_ensemble(prepared, settings, callbacks, refit=refit, job=job)
            shards = job.shards()
            run = run_of(prepared, ensemble, settings, shards)
            with files.atomic_directory(path, replace=force) as temporary:
                plots.plot_losses(run.epochs, temporary / "loss.png")
                facts = _facts_of(settings, prep_id, config_file, nproc)
                directories.save_run(temporary, run, fingerprint, facts, runs_of_shards(run, shards) if shards else ())
                first_cards(temporary, run, answers, replaced)
    except Timeout:
        raise UsageError(f"another process is training into {path}", hint="give another --out") from None
    files.close_working(partial)
    return TrainResult(path, run, False)


def _refuse_memory(n_shards: int, nproc: int) -> None:
    """Raises `UsageError` where a training needs a run directory."""
    if n_shards > 1:
        raise UsageError("a prep of several shards is trained on the disk", hint="give an `out`")
    if nproc > 1:
        raise UsageError(f"nproc={nproc} needs a run directory, where the ranks meet", hint="give out as well")


def _run_fingerprint(settings: Config, prep_id: str, refit: bool, nproc: int) -> str:
    """The same for runs that come out the same."""
    sections = {k: settings.dump()[k] for k in TRAIN_SECTIONS}
    later = settings.forecast.model_dump(mode="json", include=LATER)
    ranks = [nproc] if nproc > 1 else []
    return files.digest([code_identity(), torch.__version__, prep_id, refit, sections, later, *ranks])


def _facts_of(settings: Config, prep_id: str, config_file: str, nproc: int) -> dict[str, object]:
    """What the manifest says of how a run was made."""
    return {
        "versions": versions(),
        "threads": 1 if nproc > 1 else settings.train.threads or n_cores(),
        **({"nproc": nproc} if nproc > 1 else {}),
        "prep": prep_id,
        **({"config": config_file} if config_file else {}),
    }


def _prep_path(prep: PrepResult | Prepared | Path | str, prepared: Prepared, partial: Path) -> Path:
    """Where worker processes read the prep: its directory, or a copy of one that exists in memory only."""
    if isinstance(prep, PrepResult) and prep.path is not None:
        return prep.path
    if isinstance(prep, Path | str):
        return Path(prep).resolve()
    with files.atomic_directory(partial / "prep", replace=True) as temporary:
        directories.save_prep(temporary, prepared, "", {})
    return partial / "prep"


def _open_partial(partial: Path, fingerprint: str, resume: bool, force: bool) -> None:
    """Makes the working directory ready. Raises `UsageError` where that would lose an interrupted run unasked."""
    before = files.working_on(partial)
    if before and resume:
        if before != fingerprint:
            raise UsageError(
                f"{partial}: the interrupted run had another prep, config, --nproc or version",
                hint="use the same ones to resume, or --force to start anew",
            )
        return
    if any(partial.glob("*.safetensors")) and not force:
        raise UsageError(
            f"{partial} holds an interrupted run",
            hint="--resume goes on from its last epoch, --force starts anew",
        )
    files.begin_working(partial, fingerprint)


@at_urls(prep="opened")
def model_summary(
    prep: PrepResult | Prepared | Path | str, config: ConfigSource | None = None, overrides: Sequence[str] = ()
) -> str:
    """The network as text, before any training; of an ensemble the first member's.

    prep: what `prep` returned, or its directory.
    config: a config that differs from the prep's in how to train; by default the prep's own.
    overrides: keys of the config with other values, such as "model.layers=[64, 32]".
    """
    prepared = _open_prep(prep).prepared
    return describe(_inputs(prepared, _train_config(prepared, config, overrides).of_member(0)).spec)


def _inputs(prepared: Prepared, settings: Config) -> Inputs:
    history = chosen_history(prepared, settings)
    return make_inputs(prepared, settings, 0, history)


@at_urls(prep="opened", plot="file")
def lr_find(
    prep: PrepResult | Prepared | Path | str,
    *,
    config: ConfigSource | None = None,
    overrides: Sequence[str] = (),
    plot: Path | str | None = None,
) -> LRFind:
    """Tries learning rates on a new network, of an ensemble its first member, and suggests one.

    prep: what `prep` returned, or its directory.
    config: a config that differs from the prep's in how to train; by default the prep's own.
    overrides: keys of the config with other values, such as "train.batch_size=512".
    plot: the PNG file for the curve of the loss; by default none.
    """
    if plot is not None:
        require_no_input(Path(plot))
    prepared = _open_prep(prep).prepared
    settings = _train_config(prepared, config, overrides).of_member(0)
    inputs = _inputs(prepared, settings)
    found = run_lr_find(inputs.spec, settings.train, inputs.train, seed=settings.seed)
    if plot is not None:
        with files.atomic_file(Path(plot)) as temporary:
            plots.plot_lr_find(found.lrs, found.losses, found.suggestion, temporary)
    return found
