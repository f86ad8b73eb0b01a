"""The honest check of importance: a network trained anew without a source, beside one trained in the same way with all.

Exchanged values say what a trained network relies on. One trained without them may find the same in other inputs; what
it cannot find, the source alone tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tabcli.artifacts.contents import Prepared
from tabcli.artifacts.encoded_names import ROW
from tabcli.config.schema import Config, with_changes
from tabcli.explanation.importance import Importance
from tabcli.explanation.seen import Cells
from tabcli.explanation.sources import Source
from tabcli.training.ensemble import fit_ensemble
from tabcli.training.loop import Callbacks

LARGEST = 3


@dataclass(frozen=True)
class Retrained:
    """A network trained without a source. `score`: its metric on the validation rows; `with_all`: of the one with all
    inputs; `rise`: the difference. `exchanged`: by how much the metric rose where values were exchanged.
    """

    source: str
    score: float
    with_all: float
    exchanged: float

    @property
    def rise(self) -> float:
        return self.score - self.with_all


def retrain(
    prepared: Prepared,
    settings: Config,
    importance: Importance,
    sources: Sequence[Source],
    callbacks: Callbacks | None = None,
) -> list[Retrained]:
    """One network without each of the `LARGEST` sources, and one with all inputs, on the same rows, from one seed.

    `settings`: of the run. `sources`: those of its inputs. A source is taken from a network that has it: the first of
    the `variants` that does. What the target history tells of its effect is taken, too.
    """
    callbacks = replace(callbacks or Callbacks(), on_model=lambda text: None)
    scores: dict[int, float] = {}
    found = []
    inputs, named = prepared.fitted.preprocessor, {s.name: s for s in sources}
    everything = {*inputs.categorical, *inputs.continuous}
    largest = [(named[s.name], s.worth) for s in importance.sources]
    largest = [(s, worth) for s, worth in largest if s.kind == "history" or everything - {*s.inputs}][:LARGEST]
    for source, worth in largest:
        member = _member_with(settings, source)
        own = settings.of_member(member)
        if member not in scores:
            scores[member] = _score(prepared, own, callbacks)
        changes = {"history": "none"} if source.kind == "history" else {"without": [*own.model.without, *source.inputs]}
        without = own.model_copy(update={"model": with_changes(own.model, changes)})
        score = _score(without_effects(prepared, source.effects), without, callbacks)
        found.append(Retrained(source.name, score, scores[member], worth))
    return found


def without_effects(prepared: Prepared, columns: Sequence[str]) -> Prepared:
    """A prep whose target history does not tell cells apart that differ in these columns alone."""
    grid, past = prepared.fitted.grid, prepared.past
    if grid is None or past is None or not columns:
        return prepared
    cell = np.append(Cells.of(grid).without(columns), -1)  # −1 stays −1

    def alike(table: pd.DataFrame, name: str) -> pd.DataFrame:
        return table.assign(**{name: cell[table[name].to_numpy(dtype="int64")].astype(table[name].dtype)})

    tables = {part: alike(table, f"{ROW}cell") for part, table in prepared.tables.items()}
    return replace(prepared, tables=tables, past=alike(past, "cell"))


def _member_with(settings: Config, source: Source) -> int:
    """The first member that has a source."""
    members: Sequence[int] = range(max(1, len(settings.variants)))
    models = [settings.of_member(i).model for i in members]
    if source.kind == "history":
        return next((i for i in members if models[i].history != "none"), 0)
    return next((i for i in members if not {*source.inputs} <= {*models[i].without}), 0)


def _score(prepared: Prepared, settings: Config, callbacks: Callbacks) -> float:
    """The metric of one network on the validation rows, alone: no floor, no calibration, no past windows."""
    alone = settings.model_copy(
        update={
            "variants": (),
            "train": with_changes(settings.train, {"members": 1}),
            "calibration": with_changes(settings.calibration, {"windows": 0, "metric": "none"}),
            "forecast": with_changes(settings.forecast, {"floor": "off"}),
        }
    )
    return fit_ensemble(prepared, alone, callbacks).scores.uncalibrated
