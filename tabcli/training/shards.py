"""A prep of several shards as a training reads it: one shard at a time, and what all of them have together.

    shards ─ three rounds ─▶ totals.safetensors    what the history sums over all series
    shards ─ one pass ─────▶ scales-….safetensors  what a network's inputs and outputs are scaled by
    shards ─ each epoch ───▶ epoch-….rows          the shard's rows in random order, with a draw of past and future

All of it lies beside the checkpoints, and is made once. Whatever is not learned from, such as the rows that a network
is scored on, is taken of one shard (`bundle.directories.judging_shard`), a random sample of the series.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from tabcli.artifacts.contents import Prepared, Weights
from tabcli.bundle import directories
from tabcli.bundle.tensors import load_tensors, save_tensors
from tabcli.config.loading import parse
from tabcli.config.schema import Config
from tabcli.engines.calls import Call, Tell
from tabcli.engines.running import n_cores, run
from tabcli.target_history.statistics import ROUNDS, History
from tabcli.target_history.totals import Sum, Totals, next_sums, total_of, totals_of_arrays, totals_to_arrays
from tabcli.training.dataset import BLOCK_ROWS, Dataset, epoch_seed
from tabcli.training.inputs import Rows, history_of, history_steps, make_inputs, scales_of
from tabcli.training.network import ModelSpec
from tabcli.training.row_files import Layout, write_rows
from tabcli.training.scales import Scales

FEW_ROWS = 100_000
"""So many rows are drawn sooner than a process starts."""


@dataclass(frozen=True)
class Shards:
    """`prep`: the directory, of `n` shards. `work`: where working files lie. `beside`: whether a process beside the
    training makes the next epoch's rows.
    """

    prep: Path
    n: int
    work: Path
    beside: bool = True

    def load(self, shard: int, parts: Collection[str] | None = None) -> Prepared:
        """One shard; `parts`: the tables that are needed, None: all."""
        return directories.load_prep(self.prep, shard, parts)

    def totals(self) -> Totals:
        """What the target history sums over the series of all shards, of a prep that was made with one."""
        path, so_far = self.work / "totals.safetensors", self.work / "rounds.safetensors"
        if not path.exists():
            known: Totals = []
            for _ in range(ROUNDS):
                save_tensors(so_far, dict(totals_to_arrays(known)), {})
                found = self.of_each("history", sum_history, {}, {"totals": so_far})
                known.append(total_of([_sums_of(arrays) for arrays in found]))
            save_tensors(path, dict(totals_to_arrays(known)), {})
        return totals_of_arrays(load_tensors(path)[0])

    def of_each(
        self, name: str, function: Callable[..., None], arguments: Mapping[str, object], reads: Mapping[str, Path]
    ) -> list[Weights]:
        """The arrays that a function of each shard leaves, some shards at a time."""
        paths = [self.work / f"{name}-{shard:05d}.safetensors" for shard in range(self.n)]
        calls = [
            Call(path.stem, function, {"shard": shard, **arguments}, {"prep": self.prep, **reads}, {"found": path})
            for shard, path in enumerate(paths)
        ]
        run(calls, "processes" if self.beside else "here", min(n_cores(), self.n), self.work)
        found = [load_tensors(path)[0] for path in paths]
        for path in paths:
            path.unlink()
        return found

    def history(self, prepared: Prepared, settings: Config) -> History | None:
        """The target history of a shard's series at all origins, or None for a network without it."""
        without = prepared.fitted.grid is None or settings.model.history == "none"
        return None if without else history_of(prepared, self.totals())


def shards_of(prep: Path, work: Path, *, beside: bool = True) -> Shards | None:
    """The shards of a prep directory; None where it is kept in memory as a whole.

    `beside`: whether other processes may help, as they do where there are more than `FEW_ROWS` rows.
    """
    n = directories.n_shards(prep)
    if n == 1:
        return None
    n_rows = directories.load_prep(prep, 0, ()).summary.rows["train"]
    return Shards(prep, n, work, beside and n_rows > FEW_ROWS)


@dataclass(frozen=True)
class ShardRows:
    """The rows that a kind of network is shown, of all shards: `rows` of them, by the settings of a `variant`."""

    shards: Shards
    settings: Config
    rows: Rows
    variant: int

    @property
    def own(self) -> Config:
        """The settings of the variant."""
        return self.settings.of_member(self.variant)

    def scales(self) -> Scales:
        """Of the rows of all shards."""
        work, name = self.shards.work, f"scales-{self.rows}-{self.variant}"
        path = work / f"{name}.safetensors"
        if not path.exists():
            if self.own.model.history != "none" and self.shards.load(0, ()).fitted.grid is not None:
                self.shards.totals()  # once, before each shard needs them
            arguments = {"settings": self.settings.dump(), "rows": self.rows, "variant": self.variant}
            found = self.shards.of_each(name, scale_shard, arguments, {"work": work})
            save_tensors(path, Scales.merged([Scales.from_arrays(a) for a in found]).to_arrays(), {})
        return Scales.from_arrays(load_tensors(path)[0])

    def layout(self, spec: ModelSpec) -> Layout:
        """Of the files of these rows; `spec`: the network that is shown them."""
        scales, n_numbers = self.scales(), spec.n_continuous
        if spec.history == "side":
            n_numbers += spec.n_history
        return Layout(tuple(n for n, _ in spec.embeddings.values()), n_numbers, scales.n_rows > scales.y.n)

    def path(self, seed: int, epoch: int, shard: int) -> Path:
        """The file of a shard's rows in an epoch."""
        return self.shards.work / f"{self.prefix(seed)}{epoch:05d}-{shard:05d}.rows"

    def prefix(self, seed: int) -> str:
        """How the names of the files start, for a network of this seed."""
        return f"epoch-{self.rows}-{self.variant}-{seed}-"

    def draw(self, seed: int, epoch: int, shard: int) -> None:
        """Writes the file of a shard's rows in an epoch, unless it is there; a function of these three alone."""
        path = self.path(seed, epoch, shard)
        if path.exists():
            return
        prepared = self.shards.load(shard)
        history = self.shards.history(prepared, self.own)
        made = make_inputs(prepared, self.own, self.rows, history, self.scales())
        assert isinstance(made.train, Dataset)
        drawn = epoch_seed(epoch_seed(seed, epoch), shard)
        order = torch.randperm(len(made.train), generator=torch.Generator().manual_seed(drawn))
        write_rows(path, self.layout(made.spec), made.train.drawn_rows(order, drawn, BLOCK_ROWS))


# ------------------------------------------------------------------------------------ of one shard


def sum_history(tell: Tell, shard: int, prep: Path, totals: Path, found: Path) -> None:
    """Leaves what the history of a shard's series sums over them in the round after those whose totals are known."""
    part = history_steps(directories.load_prep(prep, shard, ("past",)))
    assert part is not None
    sums = next_sums(part, totals_of_arrays(load_tensors(totals)[0]))
    assert sums is not None
    arrays = {f"{i}.{j}": array for i, pair in enumerate(sums) for j, array in enumerate(pair)}
    save_tensors(found, arrays, {})


def _sums_of(arrays: Weights) -> list[Sum]:
    """The sums that `sum_history` left."""
    return [(arrays[f"{i}.0"], arrays[f"{i}.1"]) for i in range(len(arrays) // 2)]


def scale_shard(
    tell: Tell, shard: int, settings: dict[str, object], rows: Rows, variant: int, prep: Path, work: Path, found: Path
) -> None:
    """Leaves what a network's inputs and outputs are scaled by, of the rows of a shard."""
    shards = Shards(prep, directories.n_shards(prep), work)
    source = ShardRows(shards, parse(settings, source="the settings of the training"), rows, variant)
    prepared = shards.load(shard)
    scales = scales_of(prepared, source.own, rows, shards.history(prepared, source.own))
    save_tensors(found, scales.to_arrays(), {})
