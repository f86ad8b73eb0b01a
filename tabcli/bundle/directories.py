"""The directories that prep and train write, and the only code that knows their layout. No torch, no pickle.

    PREP/                                        RUN/
      config.json      the resolved config         config.json, contract.json, state.json,
      contract.json    what the tables were        series.parquet, events.parquet, tail.parquet: as in PREP
      state.json       the fitted preprocessors    model.json            networks' sizes, calibration
      series.parquet   the series that are known   member-0.safetensors  the weights of a member
      events.parquet   when their events were      metrics.jsonl         a line per epoch
      tail.parquet     what forecasts may repeat   metrics.json          scores, past windows, share of the floor
      train.parquet    encoded rows                history.safetensors   target history as of the last known step
      valid.parquet, gap.parquet,                  floor.safetensors     naive forecasts beside the networks
      censored.parquet, future.parquet             past.parquet          past windows with their forecasts
      past.parquet     the target's past           naive_errors.parquet  how uncertain each time of the year is
      groups.parquet   series by kinds             groups.parquet, summary.json: as in PREP
      summary.json     what prep printed           loss.png, manifest.json
      manifest.json    sizes and hashes, last      and beside the manifest the files of `api.card`

A prep of several shards has what all of them share beside its manifest, and what each has of its own below `shards/`:

    PREP/config.json, contract.json, state.json, summary.json, manifest.json
    PREP/shards/00000/series.parquet, events.parquet, tail.parquet, groups.parquet, train.parquet, … past.parquet
    PREP/shards/00001/…

`row.series` in the tables of a shard counts the shard's own series.

An encoded table has the inputs under their own names (int32 codes, float32 numbers), `y` (float32, the target on its
learned scale), and `row.…` columns with the row's own key, target, place and count of filled values.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tabcli import files
from tabcli.artifacts.contents import FittedPipeline, Prepared, Run
from tabcli.artifacts.records import EpochRecord, TrainMetrics
from tabcli.artifacts.split import Split
from tabcli.artifacts.summary import PrepSummary
from tabcli.bundle.manifest import (
    FORMAT_VERSION,
    FileFacts,
    Manifest,
    directory_kind,
    facts_of,
    listed_file,
    read_manifest,
    verify,
    write_manifest,
)
from tabcli.bundle.tensors import to_safetensors
from tabcli.config.loading import parse_resolved
from tabcli.errors import BundleError, TabcliError
from tabcli.evaluation.calibration import Calibration
from tabcli.features.events import EventCalendar
from tabcli.features.frequency import Frequency
from tabcli.features.holidays import PublicHolidays
from tabcli.floor.naive import from_arrays, to_arrays
from tabcli.parallel import parallel_map
from tabcli.preprocessing.columns import Preprocessor
from tabcli.preprocessing.target import TargetTransform
from tabcli.tables.contract import Contract
from tabcli.target_history.grid import Grid
from tabcli.target_history.statistics import Snapshot

PARTS = ("train", "gap", "valid", "censored", "future")
"""The encoded tables that a prep may have."""

SHARDS = "shards"
"""Where the shards of a directory lie, where it has more than one."""


def shard_name(shard: int) -> str:
    """The path of a shard inside its directory.

    >>> shard_name(17)
    'shards/00017'
    """
    return f"{SHARDS}/{shard:05d}"


def n_shards(directory: Path, kind: str | None = None) -> int:
    """How many shards a whole directory has; 1 for one that is kept in memory as a whole.

    `kind`: what it must be; None: a prep or a run. Raises `BundleError` for anything else.
    """
    return _count_shards(read_manifest(directory, kind or directory_kind(directory)))


def judging_shard(directory: Path) -> int:
    """The shard by whose rows a training on a prep decides what no training row may; of a run: by whose it has.

    It is the first one that has rows to learn from and rows to be scored on, a random sample of the series.
    """
    if directory_kind(directory) == "run":
        return int(files.read_json(directory / "metrics.json").get("judge", 0))
    for shard in range(n := n_shards(directory)):
        own = directory / (shard_name(shard) if n > 1 else "")
        if all(pyarrow.parquet.read_metadata(own / f"{part}.parquet").num_rows for part in ("train", "valid")):
            return shard
    return 0


def _count_shards(manifest: Manifest) -> int:
    numbers = [int(found[1]) for found in (re.match(rf"{SHARDS}/(\d+)/", name) for name in manifest["files"]) if found]
    return max(numbers, default=0) + 1


def _own_path(directory: Path, n: int, shard: int | None) -> str:
    """The path, with a slash at its end, of what belongs to the series of one of n shards; "" where n is 1."""
    if shard is not None and not 0 <= shard < n:
        raise BundleError(f"{directory}: shard {shard} was asked for, but there are {n}, counted from 0")
    return f"{shard_name(shard or 0)}/" if n > 1 else ""


# ------------------------------------------------------------------------------------- what is fitted


def _write_table(table: pd.DataFrame, path: Path) -> None:
    made = pa.Table.from_pandas(table, preserve_index=False)
    texts = [field.name for field in made.schema if not pa.types.is_primitive(field.type)]
    # A column without missing values is written as not nullable, which spares a bit for each value.
    whole = [f.with_nullable(made[i].null_count > 0 or pa.types.is_null(f.type)) for i, f in enumerate(made.schema)]
    made = pa.Table.from_arrays(made.columns, schema=pa.schema(whole, made.schema.metadata))
    # Dictionaries of numbers would take most of the time, and LZ4 finds most repetitions. Statistics help to find
    # single rows, which nobody looks for.
    pyarrow.parquet.write_table(made, path, compression="lz4", use_dictionary=texts, write_statistics=False)


def _save_fitted(directory: Path, fitted: FittedPipeline) -> None:
    _save_shared(directory, fitted)
    _save_own(directory, fitted)


def _save_shared(directory: Path, fitted: FittedPipeline) -> None:
    """What all shards have in common."""
    files.write_json(directory / "config.json", fitted.config.dump())
    files.write_json(directory / "contract.json", {"format_version": FORMAT_VERSION, "tables": fitted.contract.tables})
    state = {
        "format_version": FORMAT_VERSION,
        **fitted.preprocessor.to_state(),
        "target": fitted.target.to_state(),
        "dates": fitted.split.to_state(),
        "horizon": fitted.horizon,
        "known_until": fitted.known_until.isoformat(),
        "frequency": fitted.frequency.to_state(),
        "holidays": fitted.holidays.to_state(),
        "grid": fitted.grid.to_state() if fitted.grid is not None else None,
    }
    files.write_json(directory / "state.json", state)


def _save_own(directory: Path, fitted: FittedPipeline) -> None:
    """What belongs to the series of one shard."""
    series, moments = fitted.calendar.to_tables()
    _write_table(series.infer_objects(), directory / "series.parquet")
    _write_table(moments, directory / "events.parquet")
    _write_table(fitted.tail, directory / "tail.parquet")
    if len(fitted.groups.columns):
        _write_table(fitted.groups, directory / "groups.parquet")


def _load_fitted(directory: Path, manifest: Manifest, own: str = "") -> FittedPipeline:
    """`own`: the path, with a slash at its end, of what belongs to one shard's series."""

    def file(name: str) -> Path:
        return listed_file(directory, manifest, name)

    state = files.read_json(file("state.json"))
    config = parse_resolved(files.read_json(file("config.json")), source=str(directory / "config.json"))
    series = pd.read_parquet(file(f"{own}series.parquet"))
    moments = pd.read_parquet(file(f"{own}events.parquet"))
    grouped = (directory / own / "groups.parquet").exists()
    return FittedPipeline(
        config,
        Contract(files.read_json(file("contract.json"))["tables"]),
        Preprocessor.from_state(state),
        TargetTransform.from_state(state["target"]),
        EventCalendar.from_tables(series, moments, list(config.features.events)),
        Split.from_state(state["dates"]),
        Frequency.from_state(state["frequency"]),
        PublicHolidays.from_state(state["holidays"]),
        pd.read_parquet(file(f"{own}tail.parquet")),
        int(state["horizon"]),
        pd.Timestamp(state["known_until"]),
        Grid.from_state(state["grid"]) if state["grid"] is not None else None,
        pd.read_parquet(file(f"{own}groups.parquet")) if grouped else pd.DataFrame(index=range(len(series))),
    )


# --------------------------------------------------------------------------------- prep directories


def save_prep(directory: Path, prepared: Prepared, fingerprint: str, facts: Mapping[str, object]) -> None:
    """Writes a prep into an empty directory, the manifest last.

    `fingerprint`: what the prep was made from, as one hash. `facts`: what the manifest says beside it.
    """
    _save_rows(directory, prepared.fitted, prepared.tables, prepared.past)
    _save_shared(directory, prepared.fitted)
    files.write_json(directory / "summary.json", prepared.summary.to_state())
    write_manifest(directory, "prep", fingerprint, facts)


def _save_rows(
    directory: Path, fitted: FittedPipeline, tables: Mapping[str, pd.DataFrame], past: pd.DataFrame | None
) -> None:
    whole = {**tables, "past": past} if past is not None else tables
    jobs = [partial(_write_table, table, directory / f"{name}.parquet") for name, table in whole.items()]
    parallel_map(lambda job: job(), [*jobs, partial(_save_own, directory, fitted)])


def save_shard(directory: Path, shard: int, prepared: Prepared) -> dict[str, FileFacts]:
    """Writes what one of several shards has of its own into an unfinished prep directory, which `finish_shards` makes
    whole; the name of each file → its size and hash.
    """
    return save_rows_of_shard(directory / shard_name(shard), shard, prepared.fitted, prepared.tables, prepared.past)


def save_rows_of_shard(
    own: Path,
    shard: int,
    fitted: FittedPipeline,
    tables: Mapping[str, pd.DataFrame],
    past: pd.DataFrame | None,
) -> dict[str, FileFacts]:
    """As `save_shard`, into the shard's own directory, before the summary of all is known. Whole or not at all."""
    with files.whole_directory(own) as temporary:
        _save_rows(temporary, fitted, tables, past)
    return {f"{shard_name(shard)}/{name}": facts for name, facts in facts_of(own, sorted(own.iterdir())).items()}


def finish_shards(
    directory: Path,
    prepared: Prepared,
    written: Mapping[str, FileFacts],
    fingerprint: str,
    facts: Mapping[str, object],
) -> None:
    """Writes what all shards share, of which `prepared` is one, and the manifest.

    `written`: what `save_shard` gave for each shard, so that no large file is read again.
    """
    _save_shared(directory, prepared.fitted)
    files.write_json(directory / "summary.json", prepared.summary.to_state())
    write_manifest(directory, "prep", fingerprint, facts, written)


def load_prep(directory: Path, shard: int | None = None, parts: Collection[str] | None = None) -> Prepared:
    """Reads and verifies a prep directory, or one shard of it, counted from 0: its own series and rows, with all that
    was fitted to the rows of all shards, and the summary of all.

    `parts`: the tables that are needed, of *past* and `PARTS`; None: all that are there. Of files that are not read
    only the size is verified. Raises `BundleError` where the directory is corrupt,
    incomplete or something else, and without `shard` where it has several shards.
    """
    n = _count_shards(read_manifest(directory, "prep"))
    if shard is None and n > 1:
        raise BundleError(
            f"{directory}: a prep of {n} shards, of which no more than one is held in memory; what is asked for needs "
            "the whole prep",
            hint="make it with `tabcli prep --shards 1`, if the memory suffices",
        )
    own = _own_path(directory, n, shard)
    wanted = (*PARTS, "past") if parts is None else parts
    unread = {f"{own}{p}.parquet" for p in {*PARTS, "past"} - {*wanted}}

    def is_read(name: str) -> bool:
        return (name.startswith(own) or not name.startswith(f"{SHARDS}/")) and name not in unread

    manifest = verify(directory, "prep", is_read)
    try:
        # A table that the manifest does not list is refused, not ignored: somebody meant it to be learned from.
        there = [p for p in wanted if (directory / own / f"{p}.parquet").exists()]
        tables = {p: pd.read_parquet(listed_file(directory, manifest, f"{own}{p}.parquet")) for p in there}
        past = tables.pop("past", None)
        summary = PrepSummary.from_state(files.read_json(listed_file(directory, manifest, "summary.json")))
        return Prepared(_load_fitted(directory, manifest, own), tables, summary, past)
    except (TabcliError, OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{directory}: this prep directory cannot be read: {error}") from None


# ---------------------------------------------------------------------------------- run directories


def save_run(
    directory: Path, run: Run, fingerprint: str, facts: Mapping[str, object], shards: Iterable[Run] = ()
) -> None:
    """Writes a run into a directory, which may hold its plots already; the manifest last. See `save_prep`.

    `shards`: of a run of several shards, what a forecast of each one's series needs; one is taken after the other.
    """
    _save_shared(directory, run.fitted)
    several = False
    for shard, of_shard in enumerate(shards):
        own, several = directory / shard_name(shard), True
        own.mkdir(parents=True)
        _save_series(own, of_shard)
    if not several:
        _save_series(directory, run)
    model = {"format_version": FORMAT_VERSION, **asdict(run.calibration), "networks": run.networks}
    if run.snapshot is not None:
        model["snapshot"] = {"origin": run.snapshot.origin, "season_known": run.snapshot.season_known}
    if run.past is not None:
        _write_table(run.past, directory / "past.parquet")
    if run.naive_errors is not None:
        _write_table(run.naive_errors, directory / "naive_errors.parquet")
    if run.summary is not None:
        files.write_json(directory / "summary.json", run.summary.to_state())
    files.write_json(directory / "model.json", model)
    for i, weights in enumerate(run.members):
        (directory / f"member-{i}.safetensors").write_bytes(to_safetensors(weights))
    lines = [json.dumps(record.to_state(), allow_nan=False) for record in run.epochs]
    files.write_text(directory / "metrics.jsonl", "".join(f"{line}\n" for line in lines))
    files.write_json(directory / "metrics.json", run.metrics.to_state())
    write_manifest(directory, "run", fingerprint, {**facts, "members": len(run.members)})


def _save_series(directory: Path, run: Run) -> None:
    """Writes what a forecast of some of all series needs of these."""
    _save_own(directory, run.fitted)
    if run.floor.share > 0:
        models = {name: run.floor.models[name] for name in run.floor.mixture}
        (directory / "floor.safetensors").write_bytes(to_safetensors(to_arrays(models)))
    if run.snapshot is not None:
        (directory / "history.safetensors").write_bytes(to_safetensors(run.snapshot.arrays))


def load_run(directory: Path, shard: int | None = None) -> Run:
    """Reads and verifies a run directory, or what a forecast of the series of one of its shards needs.

    The past windows of a run of several shards are those of one shard's series (`judging_shard`): to the series of
    another they are rows of series that it does not have, numbered behind its own. Raises `BundleError` as `load_prep`,
    and for weights that are not finite.
    """
    n = _count_shards(read_manifest(directory, "run"))
    if shard is None and n > 1:
        raise BundleError(
            f"{directory}: a run of {n} shards, of which no more than one is held in memory; `predict` and `train` can "
            "use it, what is asked for needs a run in one piece",
            hint="make the prep with `tabcli prep --shards 1`, if the memory suffices, or of a --sample of the series",
        )
    own = _own_path(directory, n, shard)
    manifest = verify(directory, "run", lambda name: name.startswith(own) or not name.startswith(f"{SHARDS}/"))

    try:
        run = _read_run(directory, manifest, own, shard)
    except (TabcliError, SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{directory}: this run directory cannot be read: {error}") from None
    if not all(np.isfinite(values).all() for weights in run.members for values in weights.values()):
        raise BundleError(f"{directory}: weights are not finite numbers")
    return run


def _read_run(directory: Path, manifest: Manifest, own: str, shard: int | None) -> Run:
    """A run of verified files, those of a shard below `own`."""

    def file(name: str) -> Path:
        return listed_file(directory, manifest, name)

    members = [load_file(file(f"member-{i}.safetensors")) for i in range(manifest["members"])]
    model = dict(files.read_json(file("model.json")))
    calibration = Calibration(float(model["factor"]), float(model["shift"]))
    facts, fitted = model.get("snapshot"), _load_fitted(directory, manifest, own)
    networks = [dict(network) for network in model["networks"]]
    if len(networks) != len(members):
        raise ValueError(f"model.json describes {len(networks)} networks, but there are {len(members)}")
    snapshot = None
    if facts is not None and fitted.grid is not None:
        snapshot = Snapshot(fitted.grid.spec, **facts, arrays=load_file(file(f"{own}history.safetensors")))
    metrics = TrainMetrics.from_state(files.read_json(file("metrics.json")))
    floor = metrics.floor
    if floor.share > 0:
        floor = replace(floor, models=from_arrays(floor.mixture, load_file(file(f"{own}floor.safetensors"))))
    lines = file("metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [EpochRecord.from_state(json.loads(line)) for line in lines]
    past, yearly = (
        pd.read_parquet(file(name)) if (directory / name).exists() else None
        for name in ("past.parquet", "naive_errors.parquet")
    )
    if past is not None and shard not in (None, metrics.judge):
        past["series"] = (past["series"] + len(fitted.calendar.series)).astype("int32")
    found = files.read_json(file("summary.json")) if (directory / "summary.json").exists() else None
    summary = None if found is None else PrepSummary.from_state(found)
    return Run(fitted, networks, members, metrics, records, calibration, snapshot, floor, past, summary, yearly)
