"""A prep of several shards as a training reads it: one shard at a time, and what all of them have together.

    shards ─ three rounds ─▶ totals.safetensors    what the history sums over all series
    shards ─ one pass ─────▶ scales-….safetensors  what a network's inputs and outputs are scaled by
    shards ─ each epoch ───▶ epoch-….rows          the shard's rows in random order, with a draw of past and future

All of it lies beside the checkpoints, and is made once. Whatever is not learned from, such as the rows that a network
is scored on, is taken of the first shard, which is a random sample of the series.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from tabcli.artifacts.contents import Prepared
from tabcli.bundle import directories
from tabcli.config.schema import Config
from tabcli.target_history.statistics import History
from tabcli.target_history.totals import Totalled, Totals, replayed, totals_of_arrays, totals_to_arrays
from tabcli.training.dataset import BLOCK_ROWS, Dataset, epoch_seed
from tabcli.training.inputs import Rows, history_of, history_steps, make_inputs, scales_of
from tabcli.training.network import ModelSpec
from tabcli.training.row_files import Layout, write_rows
from tabcli.training.scales import Scales


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
        path = self.work / "totals.safetensors"
        if not path.exists():
            totals = replayed([lambda k=k: self._steps(k) for k in range(self.n)])  # type: ignore[misc]
            directories.save_tensors(path, dict(totals_to_arrays(totals)), {})
        return totals_of_arrays(directories.load_tensors(path)[0])

    def _steps(self, shard: int) -> Totalled[History]:
        steps = history_steps(self.load(shard, ("past",)))
        assert steps is not None
        return steps

    def history(self, prepared: Prepared, settings: Config) -> History | None:
        """The target history of a shard's series at all origins, or None for a network without it."""
        without = prepared.fitted.grid is None or settings.model.history == "none"
        return None if without else history_of(prepared, self.totals())


def shards_of(prep: Path, work: Path, *, beside: bool = True) -> Shards | None:
    """The shards of a prep directory; None where it is kept in memory as a whole."""
    n = directories.n_shards(prep)
    return Shards(prep, n, work, beside) if n > 1 else None


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
        path = self.shards.work / f"scales-{self.rows}-{self.variant}.safetensors"
        if not path.exists():
            found = Scales.merged([self._scales(k) for k in range(self.shards.n)])
            directories.save_tensors(path, found.to_arrays(), {})
        return Scales.from_arrays(directories.load_tensors(path)[0])

    def _scales(self, shard: int) -> Scales:
        prepared = self.shards.load(shard)
        return scales_of(prepared, self.own, self.rows, self.shards.history(prepared, self.own))

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
