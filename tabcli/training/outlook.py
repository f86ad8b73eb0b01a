"""What rows see of known events ahead of them, as inputs of the network, for any number of known steps behind them.

An encoded table holds these inputs for one number of steps per row. Training draws another number for each row in each
epoch, and scored rows have the true one. The values come from `features.events.Outlook`, as prep's did; their codes and
normalised numbers from a table of all values that each column may have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from tabcli.arrays import AnyArray, Float32Array, IntArray
from tabcli.artifacts.contents import FittedPipeline
from tabcli.artifacts.encoded_names import ROW, row_column
from tabcli.features.events import Outlook, SortedRows, forward_names
from tabcli.preprocessing.columns import Preprocessor
from tabcli.preprocessing.continuous import FLAG_SUFFIX
from tabcli.tables.rows import seconds_of


@dataclass(frozen=True)
class _Inputs:
    """m forward-looking columns side by side, and the inputs that each of their values becomes.

    `values`, `needs`: int16 or int32 (n, m), as in `Outlook`. `codes`, `numbers` and `flags` are looked up at
    `offset` + value, for every value of every column; *not known* stands at `offset` − 1. `cat_at`, `cont_at`: a
    column's position in x_cat or x_cont; `flag_at`: that of its flag of missing values in x_cat; −1: it has none.
    """

    values: AnyArray
    needs: AnyArray
    offset: NDArray[np.int32]
    cat_at: IntArray
    cont_at: IntArray
    flag_at: IntArray
    codes: NDArray[np.int32]
    numbers: Float32Array
    flags: NDArray[np.int32]


@dataclass(frozen=True)
class OutlookInputs:
    """The forward-looking columns among the inputs of n rows. `rows`: the rows' numbers in the outlooks, int64 (n,)."""

    outlooks: tuple[Outlook, ...]
    columns: tuple[tuple[int, str], ...]
    inputs: _Inputs
    rows: IntArray

    @classmethod
    def of(
        cls, table: pd.DataFrame, fitted: FittedPipeline, categorical: Sequence[str], continuous: Sequence[str]
    ) -> "OutlookInputs | None":
        """Of the rows of an encoded table; None where no input looks ahead."""
        events, wanted = fitted.config.features.events, {*categorical, *continuous}
        used = [name for name in events if wanted & {*forward_names(name)}]
        if not used:
            return None
        series = table[ROW + "series"].to_numpy(dtype="int64")
        ordered = SortedRows.of(series, seconds_of(table[row_column(fitted.config.date)]))
        outlooks = tuple(
            Outlook.of(ordered, fitted.calendar.moments[name], events[name], name, fitted.frequency, wanted)
            for name in used
        )
        columns = tuple((i, name) for i, outlook in enumerate(outlooks) for name in outlook.ahead)
        inputs = _inputs(outlooks, columns, fitted.preprocessor, list(categorical), list(continuous))
        return cls(outlooks, columns, inputs, np.arange(len(table)))

    def take(self, index: IntArray) -> "OutlookInputs":
        """The same for the rows at `index`."""
        return replace(self, rows=self.rows[index])

    def write(self, x_cat: Tensor, x_cont: Tensor, steps_left: IntArray, index: IntArray | None = None) -> None:
        """Writes the inputs of the rows `index` (or all) with so many known steps left, (n,), in place."""
        rows, made = self.rows if index is None else self.rows[index], self.inputs
        short = made.needs[rows] > steps_left.astype(made.needs.dtype)[:, None]
        values = made.values[rows]
        for i, (event, name) in enumerate(self.columns):
            at = np.flatnonzero(short[:, i])
            values[at, i] = self.outlooks[event].cut_short(name, rows[at], steps_left[at])
        entry = values + made.offset
        cat, cont = x_cat.numpy(), x_cont.numpy()
        for place, into, lookup in (
            (made.cat_at, cat, made.codes),
            (made.cont_at, cont, made.numbers),
            (made.flag_at, cat, made.flags),
        ):
            there = np.flatnonzero(place >= 0)
            into[:, place[there]] = lookup[entry[:, there]]


def _inputs(
    outlooks: Sequence[Outlook],
    columns: Sequence[tuple[int, str]],
    preprocessor: Preprocessor,
    categorical: list[str],
    continuous: list[str],
) -> _Inputs:
    """The columns side by side, and the codes and numbers of all values that each may have."""
    ahead = [outlooks[event].ahead[name] for event, name in columns]
    small = all(a.value.max(initial=0) < 2**15 for a in ahead)
    kind = "int16" if small else "int32"
    n_entries = [int(a.value.max(initial=0)) + 2 for a in ahead]
    codes, numbers, flags = [], [], []
    flag_of = {name: name + FLAG_SUFFIX for name in preprocessor.fill_missing.flagged_}
    for (_, name), n in zip(columns, n_entries, strict=True):
        values = pd.Series(np.append(np.nan, np.arange(n - 1, dtype="float64")), name=name)
        known, flag = name in continuous, flag_of.get(name)
        filled, missing = preprocessor.fill_missing.filled(values, name) if known else (np.zeros(n), np.zeros(n, bool))
        codes.append(preprocessor.categorify.codes(values, name) if name in categorical else np.zeros(n, "int32"))
        numbers.append(preprocessor.normalize.scaled(filled, name) if known else np.zeros(n, "float32"))
        there = flag is not None and flag in categorical
        flags.append(preprocessor.categorify.codes(pd.Series(missing), str(flag)) if there else np.zeros(n, "int32"))
    names = [name for _, name in columns]

    def places(wanted: Sequence[str | None], among: list[str]) -> IntArray:
        return np.array([among.index(c) if c in among else -1 for c in wanted], dtype="int64")

    return _Inputs(
        np.stack([a.value for a in ahead], axis=1).astype(kind),
        np.stack([np.minimum(a.needs, np.iinfo(kind).max) for a in ahead], axis=1).astype(kind),
        (np.cumsum([0, *n_entries[:-1]]) + 1).astype("int32"),
        places(names, categorical),
        places(names, continuous),
        places([flag_of.get(name) for name in names], categorical),
        np.concatenate(codes),
        np.concatenate(numbers),
        np.concatenate(flags),
    )
