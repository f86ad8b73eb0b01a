"""A prep in shards of whole series, in bounded memory: what is decided on all rows is made of what each shard tells.

    shard ─ dates ──┐        shard ─ outline ──┐        shard ─ survey ──┐          shard ─ encode ──▶ tables, counts
    shard ─ dates ──┼─▶ end  shard ─ outline ──┼─▶ plan shard ─ survey ──┼─▶ fitted shard ─ encode ──▶ tables, counts
    shard ─ dates ──┘        shard ─ outline ──┘        shard ─ survey ──┘          shard ─ encode ──▶ tables, counts

A process has one shard in memory. The steps are those of a prep in memory, which is the case of one shard.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabcli import files, memory
from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.bundle.manifest import FileFacts
from tabcli.config.loading import parse_resolved
from tabcli.config.schema import Config
from tabcli.engines.calls import Call, Engine, Some, Tell
from tabcli.engines.running import n_cores, run
from tabcli.errors import DataError
from tabcli.features.events import EventCalendar
from tabcli.pipeline import cutting
from tabcli.pipeline.cutting import config_of, dates_before, files_of_shard, lookups_of, read_shard, steps_to_complete
from tabcli.pipeline.fitting import Fitted, fit_parts
from tabcli.pipeline.joined import SourceTables, check_ids, id_hashes, join_part, ready_lookups
from tabcli.pipeline.passing import hand_over, taken
from tabcli.pipeline.plan import Outline, plan_of
from tabcli.pipeline.prepare import encode_part, pipeline_of, summary_of
from tabcli.pipeline.survey import RowSplit, Survey
from tabcli.tables.contract import DataSource
from tabcli.tables.partition import Partition
from tabcli.tables.rows import stack_all
from tabcli.tables.shard_keys import check_shard_keys
from tabcli.tables.texts import not_numeric_error

_COUNTED = re.compile(r"\b\d[\d,]* (of [\d,]+ )?rows\b")

# ---------------------------------------------------------------------------------------- of one shard


def cut_rows(
    tell: Tell, *, config: dict[str, object], data: str | dict[str, str], n_shards: int, beside: bool, work: Path
) -> None:
    """Leaves the config's tables, the rows in shards, which are read in one pass."""
    _begin(beside)
    source: DataSource = data if isinstance(data, str) else {name: Path(path) for name, path in data.items()}
    with files.whole_directory(work) as folder:
        cutting.cut_streamed(parse_resolved(config, source="the config"), source, n_shards, folder)


def _begin(beside: bool) -> None:
    """`beside`: whether this process is one of several that do nothing else."""
    if beside:
        memory.return_freed_memory()


def find_dates(tell: Tell, *, work: Path, shard: int, step: str, beside: bool, made: Path) -> None:
    """Leaves the dates of a shard's rows before a step that needs those of all."""
    _begin(beside)
    hand_over(made, dates_before(work, shard, step))


def outline(tell: Tell, *, work: Path, shard: int, beside: bool, made: Path) -> None:
    """Leaves the outline of a shard, and what tells whether its ids name one row each."""
    _begin(beside)
    source = read_shard(work, shard)
    hand_over(made, (Outline.of(source.tables, source.config), id_hashes(source)))


def survey(tell: Tell, *, work: Path, shard: int, beside: bool, made: Path) -> None:
    """Leaves the survey of a shard's joined rows."""
    _begin(beside)
    source = join_part(read_shard(work, shard), taken(work / "plan"))
    hand_over(made, Survey.of(source, RowSplit.of(source), alone=False))


def encode(tell: Tell, *, work: Path, shard: int, beside: bool, own: Path, made: Path) -> None:
    """Writes a shard's own directory of a prep; leaves its files' sizes and hashes, and what was counted."""
    _begin(beside)
    source = join_part(read_shard(work, shard), taken(work / "plan"))
    rows = encode_part(source, RowSplit.of(source), taken(work / "fitted"), taken(work / "groups" / f"{shard:05}"))
    del source
    written = directories.save_rows_of_shard(own, shard, rows.fitted, rows.tables, rows.past)
    hand_over(made, (written, rows.found))


# --------------------------------------------------------------------------------------- of all shards


def cut(config: Config, data: DataSource, n_shards: int, work: Path, on: Engine) -> None:
    """Writes the config's tables to a folder that is not there yet, the rows in shards. Raises what is wrong with them.

    Tables that need all rows at once (`melt`, `aggregate`, workbooks, pickles, DataFrames) are in memory meanwhile.
    """
    if not cutting.streams(config, data):
        cutting.cut_in_memory(config, data, n_shards, work)
        return
    paths = {name: str(data[name]) for name in data} if isinstance(data, Mapping) else str(data)
    arguments = {"config": config.dump(), "data": paths, "n_shards": n_shards, "beside": on != "here"}
    here: Engine = "here" if on == "here" else "processes"  # the tables may lie on this machine alone
    run([Call("cut", cut_rows, arguments, {}, {"work": work})], here, 1, work.parent)


@dataclass(frozen=True)
class _Shards:
    """The shards in the folder `work`, and where they are worked on."""

    work: Path
    n: int
    on: Engine

    def each(
        self, function: Callable[..., None], name: str, step: str = "", **leaves: Callable[[int], Path]
    ) -> list[Any]:
        """What the function leaves of each shard."""
        arguments = {"beside": self.on != "here", **({"step": step} if step else {})}
        calls = [
            Call(
                f"{name}-{k:05}",
                function,
                {"shard": k, **arguments},
                {"work": Some(self.work, files_of_shard(k))},
                {"made": self.work / name / f"{k:05}", **{leaf: path(k) for leaf, path in leaves.items()}},
            )
            for k in range(self.n)
        ]
        try:
            run(calls, self.on, n_cores(), self.work)
        except DataError as error:
            raise _of_one_shard(error, self.n) from error
        return [taken(call.leaves["made"]) for call in calls]


def prepare_shards(work: Path, prep: Path, on: Engine) -> tuple[Prepared, Mapping[str, FileFacts]]:
    """Prepares the shards that `cutting` wrote to `work`, and writes all that is a shard's own into the directory
    `prep`; what all shards share, without rows, and the size and hash of each file. `on`: where shards are worked on.

    Raises `ConfigError` and `DataError` as a prep in memory does.
    """
    config, job = config_of(work), files.read_json(work / "job.json")
    n_shards, where = int(job["n_shards"]), str(job["where"])

    each = _Shards(work, n_shards, on).each
    try:
        for step in [] if job["checked"] else steps_to_complete(config):
            found = each(find_dates, f"dates-before-{step}", step=step)
            dates = np.unique(np.concatenate([d for d, _ in found]))
            hand_over(work / f"dates-{step}", (dates, sum(n for _, n in found)))
        outlines = each(outline, "outlines")
    except DataError:
        # A shard counts its own rows alone: what is wrong with the keys of others is found here.
        for name in () if job["checked"] else ("train", *(["future"] if job["ahead"] else [])):
            check_shard_keys(Partition(work / name), config, config.tables[name].timezone)
        raise
    if not job["checked"]:
        check_ids([ids for _, ids in outlines], config, cutting.where_of(work, "future") if job["ahead"] else "")
    _refuse_texts(work, config, n_shards, next(found for found, _ in outlines), where)
    lookups = SourceTables(config, lookups_of(work, config), where)
    plan = plan_of(config, [found for found, _ in outlines], lookups.lookups, where)
    hand_over(work / "plan", plan)
    surveys = each(survey, "surveys")
    fitted = fit_parts(config, plan, surveys, ready_lookups(lookups), where)
    shared = _hand_over_fitted(work, fitted, surveys)
    encoded = each(encode, "encoded", own=lambda k: prep / directories.shard_name(k))
    written = {name: facts for files_of_shard, _ in encoded for name, facts in files_of_shard.items()}
    summary = summary_of(config, plan, surveys, fitted, [found for _, found in encoded])
    nothing = EventCalendar.empty(config.series, config.features.events)
    pipeline = pipeline_of(config, plan, shared, nothing, pd.DataFrame(), shared.groups)
    return Prepared(pipeline, {}, summary), written


def _of_one_shard(error: DataError, n_shards: int) -> DataError:
    """What is wrong with the rows of a shard, which tells of no rows of others."""
    if n_shards == 1 or not _COUNTED.search(error.message):
        return error
    first, *rest = error.message.split("\n")
    said = f"{first} (counted in one of {n_shards} shards: there may be more)"
    return DataError("\n".join([said, *rest]), hint=error.hint)


def _hand_over_fitted(work: Path, fitted: Fitted, surveys: Sequence[Survey]) -> Fitted:
    """Leaves what was fitted for all shards, and the groups of its series for each; the former."""
    ends = np.cumsum([found.n_series for found in surveys])
    for k, end in enumerate(ends.tolist()):
        own = fitted.groups.iloc[end - surveys[k].n_series : end].reset_index(drop=True).astype("str")
        hand_over(work / "groups" / f"{k:05}", own)
    shared = replace(fitted, groups=fitted.groups.iloc[:0])
    hand_over(work / "fitted", shared)
    return shared


def _refuse_texts(work: Path, config: Config, n_shards: int, found: Outline, where: str) -> None:
    """Raises `DataError` with the rows of the whole table where a column of texts is to be one of numbers."""
    kinds = {name: profile["kind"] for name, profile in found.contract.tables["train"].items()}
    reads = [(read.column, read.path) for read in config.reads() if read.kind == "number" and read.table is None]
    for name, path in [*reads, (config.target.column, where)]:
        if kinds.get(name) == "text":
            parts = [read_shard(work, k).tables["train"][[name]] for k in range(n_shards)]
            raise not_numeric_error(stack_all(parts).sort_index()[name], path)
