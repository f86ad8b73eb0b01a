"""What a run's networks see of rows, and what they make of it: rows to forecast, or the rows of the validation.

A row's inputs come from its encoded table, its place in the target history, and, where a floor stands beside the
networks, a naive forecast. Each of these can be taken from another row, source by source.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabcli.arrays import AnyArray, BoolArray, FloatArray, IntArray
from tabcli.artifacts.contents import Prepared, Run
from tabcli.artifacts.encoded_names import PLACES, ROW, input_column, row_column
from tabcli.errors import BundleError
from tabcli.evaluation.metrics import Criterion
from tabcli.explanation.sources import Source, sources_of, told_by_date
from tabcli.floor.blend import blended
from tabcli.floor.naive import mixed
from tabcli.forecasting.outputs import encoded_dataset, networks_of
from tabcli.pipeline.apply import Applied, zero_rows
from tabcli.target_history.grid import Grid, Positions
from tabcli.target_history.statistics import Snapshot, standardised
from tabcli.training.dataset import Dataset
from tabcli.training.floors import naive_of, places_of
from tabcli.training.inputs import history_of, window_of
from tabcli.training.loop import predict_outputs
from tabcli.training.network import ModelSpec, TabularMLP


@dataclass(frozen=True)
class SeenRows:
    """n rows as the networks of a run see them.

    `encoded`: the inputs and places of the rows; `dates`: theirs, (n,). `snapshot`: the target history as of the day of
    the forecast, None for networks without it. `naive`: what the floor forecasts, on the learned scale, float64 (n,),
    None without a floor. `actual`: what happened, in the target's unit, float64 (n,), None for rows to forecast.
    `sources`: those of the inputs.
    """

    run: Run
    encoded: pd.DataFrame
    dates: pd.Series
    snapshot: Snapshot | None
    naive: FloatArray | None
    actual: FloatArray | None
    criterion: Criterion | None
    sources: Sequence[Source]

    @classmethod
    def of_forecast(cls, run: Run, applied: Applied, past: pd.DataFrame | None = None) -> "SeenRows":
        """The rows to forecast that are not 0 by rule: their forecasts are known, what will happen is not.

        `past`: rows of the train table, if at hand: they tell better which columns the date alone tells.
        """
        seen = cls.of_plan(run, applied, applied.rows if past is None else past)
        return seen.take(np.flatnonzero(~zero_rows(applied, run.fitted.config)))

    @classmethod
    def of_plan(cls, run: Run, applied: Applied, known: pd.DataFrame) -> "SeenRows":
        """All rows that were encoded; `known`: rows that tell which columns the date alone tells."""
        config = run.fitted.config
        encoded, dates = applied.encoded.table, applied.rows[config.date]
        naive = None
        if run.floor.share:
            places = places_of(run.fitted, encoded, dates)
            naive = mixed({n: run.floor.models[n].forecast(places) for n in run.floor.mixture}, run.floor.mixture)
        told = told_by_date(known[_known(run, known)], known[config.date])
        return cls(run, encoded, dates, run.snapshot, naive, None, None, _sources(run, told))

    @classmethod
    def of_validation(cls, run: Run, prepared: Prepared) -> "SeenRows":
        """The validation rows of the prep that a run was trained on, as a forecast at the end of the training rows.

        Raises `BundleError` where the prep is another one.
        """
        require_same_prep(run, prepared)
        window = window_of(prepared, 0)
        table, config, snapshot, naive = window.scored, run.fitted.config, None, None
        if run.snapshot is not None and (history := history_of(prepared)) is not None:
            snapshot = history.snapshot(max(window.origin, history.first))
            scale = {name: run.snapshot.arrays[name] for name in ("mean", "std")}
            snapshot = replace(snapshot, arrays={**snapshot.arrays, **scale})
        if run.floor.share:
            naive = mixed(naive_of(prepared, window, run.floor.mixture), run.floor.mixture)
        learned = prepared.tables["train"]
        known = {c: input_column(c) for c in config.availability.known_in_advance}
        columns = {c: learned[name] for c, name in known.items() if name in learned.columns}
        told = told_by_date(pd.DataFrame(columns), learned[row_column(config.date)])
        actual = table[row_column(config.target.column)].to_numpy(dtype="float64")
        dates = table[row_column(config.date)].reset_index(drop=True)
        sources = _sources(run, told)
        return cls(run, table, dates, snapshot, naive, actual, prepared.criterion(table), sources)

    def __len__(self) -> int:
        return len(self.encoded)

    def take(self, at: IntArray) -> "SeenRows":
        """The rows at these positions."""
        criterion = self.criterion
        if criterion is not None and criterion.scale is not None:
            criterion = replace(criterion, scale=criterion.scale[at])
        return replace(
            self,
            encoded=self.encoded.iloc[at].reset_index(drop=True),
            dates=self.dates.iloc[at].reset_index(drop=True),
            naive=None if self.naive is None else self.naive[at],
            actual=None if self.actual is None else self.actual[at],
            criterion=criterion,
        )

    @property
    def series(self) -> IntArray:
        """Each row's position among the known series, −1 for a new one, int64 (n,)."""
        return self.encoded[ROW + "series"].to_numpy(dtype="int64")

    @cached_property
    def places(self) -> Positions | None:
        """Where the rows lie in the target history."""
        if self.snapshot is None:
            return None
        return Positions(*(self.encoded[ROW + name].to_numpy(dtype="int64") for name in PLACES))

    @cached_property
    def cells(self) -> "Cells | None":
        """What the effects of the target history are by."""
        return None if self.run.fitted.grid is None else Cells.of(self.run.fitted.grid)

    @cached_property
    def views(self) -> list["View"]:
        """What each network sees; those of one kind share a view."""
        made: dict[object, View] = {}
        for network in networks_of(self.run):
            kind = (network.spec.history, network.spec.without)
            if kind not in made:
                data = encoded_dataset(self.run.fitted, self.snapshot, self.encoded, network.spec)
                data.check_codes([n for n, _ in network.spec.embeddings.values()])
                categorical, continuous = self.run.fitted.preprocessor.inputs(network.spec.without)
                made[kind] = View(network.spec, categorical, continuous, data, [])
            made[kind].networks.append(network)
        return list(made.values())

    def outputs(self, source: Source | None = None, other: IntArray | None = None) -> list[FloatArray]:
        """Each network's outputs on the learned scale, blended with the floor, float64 (n,) each.

        With `source` every row i has that source of the row `other[i]`.
        """
        naive, made = self.naive, []
        if naive is not None and source is not None and other is not None and source.kind == "history":
            naive = naive[other]
        for view in self.views:
            data = view.data if source is None or other is None else self._exchanged(view, source, other)
            made += [predict_outputs(network, data).astype("float64") for network in view.networks]
        return made if naive is None else [blended(o, naive, self.run.floor.share) for o in made]

    def _exchanged(self, view: "View", source: Source, other: IntArray) -> Dataset:
        """The rows of a view with a source of other rows."""
        x_cat, x_cont, data = view.data.x_cat.clone(), view.data.x_cont.clone(), view.data
        of_codes, of_numbers = view.places_of(source)
        x_cat[:, of_codes] = data.x_cat[other][:, of_codes]
        x_cont[:, of_numbers] = data.x_cont[other][:, of_numbers]
        base = data.base
        moved = self.moved(source, other)
        if moved is not None and view.spec.history != "none":
            base, columns = self.history(view.spec, moved)
            x_cont[:, len(view.continuous) :] = columns
        return replace(data, x_cat=x_cat, x_cont=x_cont, base=base)

    def moved(self, source: Source, other: IntArray) -> Positions | None:
        """The rows' places in the target history with a source of other rows; None where these stay as they are."""
        places, cells = self.places, self.cells
        if places is None or cells is None or not (source.kind == "history" or source.effects):
            return None
        if source.kind == "history":
            return Positions(places.series[other], places.step[other], places.cell)
        return replace(places, cell=cells.exchanged(places.cell, places.cell[other], source.effects))

    def history(self, spec: ModelSpec, places: Positions) -> tuple[Tensor, Tensor]:
        """Bases (n,) and standardised columns (n, k) of the target history at these places, float32."""
        assert self.snapshot is not None
        base, columns = self.snapshot.columns(places)
        base = base if spec.history == "base" else np.zeros_like(base)
        arrays = self.snapshot.arrays
        return torch.from_numpy(base), torch.from_numpy(standardised(columns, arrays["mean"], arrays["std"]))

    def varies(self, source: Source, blocks: IntArray) -> bool:
        """Whether a source differs between rows of the same block; `blocks`: each row's, int64 (n,)."""
        order = np.argsort(blocks, kind="stable")
        same = np.diff(blocks[order]) == 0

        def differ(values: AnyArray) -> bool:
            ordered: BoolArray = values[order][1:] != values[order][:-1]
            return bool((ordered & same).any())

        if source.kind == "history":
            in_floor = self.naive is not None and differ(self.naive)
            return in_floor or (self.places is not None and (differ(self.places.series) or differ(self.places.step)))
        return any(differ(self.encoded[input_column(c)].to_numpy()) for c in source.inputs) or (
            self.cells is not None and self.places is not None and bool(source.effects) and differ(self.places.cell)
        )


def require_same_prep(run: Run, prepared: Prepared) -> None:
    """Raises `BundleError` where a run was trained on another prep."""
    if prepared.fitted.preprocessor.to_state() != run.fitted.preprocessor.to_state():
        raise BundleError(
            "the run was trained on another prep: their codes, means or medians differ",
            hint="give the prep that the run was trained on, or the tables that it was made from",
        )


def _sources(run: Run, told: Sequence[str]) -> list[Source]:
    """The sources of a run; the history is one where a network or the floor looks at it."""
    return sources_of(run.fitted, told, run.snapshot is not None or run.floor.share > 0)


def _known(run: Run, rows: pd.DataFrame) -> list[str]:
    return [c for c in run.fitted.config.availability.known_in_advance if c in rows.columns]


@dataclass(frozen=True)
class View:
    """What networks of one kind see: rows with these inputs, and the columns of the target history at the end."""

    spec: ModelSpec
    categorical: list[str]
    continuous: list[str]
    data: Dataset
    networks: list[TabularMLP]

    def places_of(self, source: Source) -> tuple[list[int], list[int]]:
        """Where the inputs of a source stand among the categorical and the continuous ones."""
        own = {*source.inputs}
        codes = [i for i, c in enumerate(self.categorical) if c in own]
        return codes, [i for i, c in enumerate(self.continuous) if c in own]


@dataclass(frozen=True)
class Cells:
    """The cells of a target history as the codes of its effect columns. `codes`: int64 (n_cells, n_columns)."""

    columns: tuple[str, ...]
    sizes: tuple[int, ...]
    numbers: IntArray
    codes: IntArray

    @classmethod
    def of(cls, grid: Grid) -> "Cells":
        sizes = grid.codes.cardinalities()
        numbers = np.asarray(grid.cells, dtype="int64")
        rest, codes = numbers.copy(), np.zeros((len(numbers), len(sizes)), dtype="int64")
        for i, n in reversed([*enumerate(sizes.values())]):
            rest, codes[:, i] = rest // n, rest % n
        return cls(tuple(sizes), tuple(sizes.values()), numbers, codes)

    def without(self, columns: Sequence[str]) -> IntArray:
        """For each cell the first one that differs from it in these columns alone, int64 (n_cells,)."""
        others = [i for i, c in enumerate(self.columns) if c not in columns]
        _, first, alike = np.unique(self.codes[:, others], axis=0, return_index=True, return_inverse=True)
        cell: IntArray = first[alike.reshape(-1)]
        return cell

    def exchanged(self, own: IntArray, other: IntArray, columns: Sequence[str]) -> IntArray:
        """Cells (n,) with `columns` of other cells (n,); −1 for a combination that training never saw."""
        from_other = np.array([c in columns for c in self.columns])
        codes = np.where(from_other, self.codes[other], self.codes[own])
        combined = np.zeros(len(own), dtype="int64")
        for i, n in enumerate(self.sizes):
            combined = combined * n + codes[:, i]
        place = np.minimum(np.searchsorted(self.numbers, combined), len(self.numbers) - 1)
        known = (self.numbers[place] == combined) & (own >= 0) & (other >= 0)
        cell: IntArray = np.where(known, place, -1)
        return cell
