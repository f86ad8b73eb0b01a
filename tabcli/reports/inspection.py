"""What is in a table, a prep or a run: its facts, and a line for each column with its distribution."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.artifacts.contents import FittedPipeline, Prepared, Run
from tabcli.artifacts.encoded_names import input_column, row_column
from tabcli.bundle import directories, manifest
from tabcli.config.data import Table
from tabcli.config.values import Scalar
from tabcli.preprocessing.categorical import FIRST_LEVEL, MISSING
from tabcli.preprocessing.counts import Levels
from tabcli.shown import Shown
from tabcli.tables.contract import ColumnProfile
from tabcli.tables.kinds import kind_of
from tabcli.tables.reading import TableSource, read_table

N_BARS = 12

Facts = dict[str, object]
"""Name → a number, a text, a list, or a mapping of such: what JSON can hold."""

BLOCKS = "▁▂▃▄▅▆▇█"

ASCII_BLOCKS = "_.:-=+*#"


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of a column; None where it is not known.

    `role`: categorical, continuous, target or past only; empty in a table. `kind`: int, float, bool, date or text; of
    codes *code*. `missing`: missing values. `unknown`: values of the validation and future rows that training never
    saw. `n_values`: different values. `low`, `high`: the range, or the first and last level. `bars`: counts in equal
    parts of the range, or of the most frequent levels; empty where the values are not kept.
    """

    name: str
    role: str
    kind: str
    missing: int | None
    unknown: int | None = None
    n_values: int | None = None
    low: Scalar | None = None
    high: Scalar | None = None
    bars: tuple[int, ...] = ()


@dataclass(frozen=True, repr=False)
class Inspection(Shown):
    """`what` lies at `path` (empty for one in memory), `facts` about the whole, and its columns in order."""

    path: str
    what: Literal["table", "prep", "run"]
    facts: Facts
    columns: tuple[ColumnFacts, ...]

    def brief(self) -> dict[str, str]:
        roles = Counter(c.role for c in self.columns if c.role)
        rows = {"rows": str(self.facts["rows"])} if "rows" in self.facts else {}
        by_role = {"roles": ", ".join(f"{n} {role}" for role, n in roles.items())} if roles else {}
        return {self.what: self.path or "in memory", **rows, "columns": f"{len(self.columns)}", **by_role}

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def sparkline(bars: Sequence[int], blocks: str = BLOCKS) -> str:
    """Counts as a row of blocks, the largest as the tallest block; a blank for 0.

    >>> sparkline([0, 1, 4, 8]), sparkline([0, 1, 4, 8], ASCII_BLOCKS)
    (' ▁▄█', ' _-#')
    """
    top = max(bars, default=0)
    return "".join(" " if n == 0 else blocks[max(0, -(-n * len(blocks) // top) - 1)] for n in bars)


def inspect(source: TableSource | Prepared | Run, spec: Table | None = None) -> Inspection:
    """What is in a table (a file or a DataFrame), a prep or a run; of several shards what is in one.

    Raises `DataError` and `BundleError`.

    `spec`: how to read a table that is not plain.
    """
    if isinstance(source, Path | str) and Path(source).is_dir():
        path = Path(source)
        kind, shard = manifest.directory_kind(path), directories.judging_shard(path)
        return (
            _of_prep(directories.load_prep(path, shard), str(path), directories.n_shards(path))
            if kind == "prep"
            else _of_run(directories.load_run(path, shard), str(path))
        )
    if isinstance(source, Prepared):
        return _of_prep(source, "")
    if isinstance(source, Run):
        return _of_run(source, "")
    file = "" if isinstance(source, pd.DataFrame) else str(source)
    table = read_table(source, spec or Table(file=file), name="table")
    columns = tuple(_of_column(table[c], "") for c in table.columns)
    return Inspection(file, "table", {"rows": len(table), "columns": len(columns)}, columns)


# ---------------------------------------------------------------------------------------------- values


def _plain(value: object) -> Scalar:
    if isinstance(value, pd.Timestamp):
        return value.isoformat() if value != value.normalize() else str(value.date())
    plain: Scalar = np.asarray(value).item()
    return plain


def _histogram(values: NDArray[np.float64]) -> tuple[int, ...]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return ()
    above = finite - finite.min()  # dates are large numbers, between which float64 has no room for so many edges
    return tuple(np.histogram(above, N_BARS)[0].tolist())


def _of_column(column: pd.Series, role: str) -> ColumnFacts:
    """The facts of a column of a table."""
    kind, present = kind_of(column), column.dropna()
    name, missing = str(column.name), int(column.isna().sum())
    if not len(present):
        return ColumnFacts(name, role, kind, missing, n_values=0)
    if kind in ("text", "bool"):
        counts = present.value_counts()
        counts = counts[counts > 0]
        levels = sorted(counts.index)
        bars = tuple(int(n) for n in counts.iloc[:N_BARS])
        return ColumnFacts(name, role, kind, missing, None, len(counts), _plain(levels[0]), _plain(levels[-1]), bars)
    numbers = np.asarray(present.astype("int64") if kind == "date" else present, dtype="float64")
    low, high = _plain(present.min()), _plain(present.max())
    return ColumnFacts(name, role, kind, missing, None, int(present.nunique()), low, high, _histogram(numbers))


# ------------------------------------------------------------------------------------- preps and runs


def _settings(fitted: FittedPipeline) -> Facts:
    config, split = fitted.config, fitted.split
    return {
        "target": config.target.column,
        "series": len(fitted.calendar.series),
        "series columns": list(config.series),
        "date": config.date,
        "train": f"{split.train_start.date()} … {split.train_end.date()}",
        "validation": f"{split.valid_start.date()} … {split.valid_end.date()}",
    }


def _of_prep(prepared: Prepared, path: str, n_shards: int = 1) -> Inspection:
    fitted, summary, train = prepared.fitted, prepared.summary, prepared.tables["train"]
    unknown = {
        name: sum(codes[name]["unknown"] for part, codes in summary.codes.items() if part != "train")
        for name in fitted.preprocessor.categorical
    }
    coded = fitted.preprocessor.categorical
    columns = [_of_codes(fitted, name, train[input_column(name)], unknown[name]) for name in coded]
    for name in fitted.preprocessor.continuous:
        normalize = fitted.preprocessor.normalize
        mean, std = normalize.means_[name], normalize.stds_[name]
        values = train[input_column(name)].to_numpy("float64") * std + mean
        missing = summary.filled["train"].get(name, 0)
        digits = 4 - int(np.floor(np.log10(std)))  # float32 keeps no more of a number near 0
        low, high = (round(float(v), digits) for v in (values.min(), values.max()))
        columns.append(ColumnFacts(name, "continuous", "float", missing, None, None, low, high, _histogram(values)))
    target = _of_column(train[row_column(fitted.config.target.column)].rename(fitted.config.target.column), "target")
    facts = {"rows": {name: len(table) for name, table in prepared.tables.items()}, **_settings(fitted)}
    if n_shards > 1:
        facts = {"shown": f"one of {n_shards} shards", **facts}
    baseline = summary.baseline
    facts["to beat"] = {f"{baseline.metric.upper()} of {baseline.name}": baseline.score}
    return Inspection(path, "prep", facts, (target, *columns, *_past_only(fitted, summary.columns.past_only)))


def _of_codes(fitted: FittedPipeline, name: str, codes: pd.Series, unknown: int) -> ColumnFacts:
    """The facts of a categorical column by its codes: 0 missing, 1 unknown, 2… its levels."""
    levels = fitted.preprocessor.categorify.levels_[name]
    counts = np.bincount(codes.to_numpy(), minlength=len(levels) + FIRST_LEVEL)
    bars = tuple(sorted((int(n) for n in counts[FIRST_LEVEL:]), reverse=True)[:N_BARS])
    return ColumnFacts(name, "categorical", "code", int(counts[MISSING]), unknown, len(levels), *_ends(levels), bars)


def _ends(levels: Levels) -> tuple[Scalar | None, Scalar | None]:
    return (levels[0], levels[-1]) if levels else (None, None)


def _past_only(fitted: FittedPipeline, names: Sequence[str]) -> list[ColumnFacts]:
    """Columns that were read but are no inputs, as the contract describes them."""
    found = []
    for name in names:
        profile = next((t[name] for t in fitted.contract.tables.values() if name in t), None)
        if profile is not None and name != fitted.config.target.column:
            found.append(_of_profile(name, "past only", profile))
    return found


def _of_profile(name: str, role: str, profile: ColumnProfile) -> ColumnFacts:
    low, high = profile.get("min"), profile.get("max")
    return ColumnFacts(name, role, profile["kind"], profile["missing"], None, profile.get("levels"), low, high)


def _of_run(run: Run, path: str) -> Inspection:
    """A run keeps no rows: its columns are as the contract and the fitted steps describe them."""
    fitted = run.fitted
    profiles = {name: profile for table in fitted.contract.tables.values() for name, profile in table.items()}
    columns = []
    for name, levels in fitted.preprocessor.categorify.levels_.items():
        missing = profiles[name]["missing"] if name in profiles else None
        columns.append(ColumnFacts(name, "categorical", "code", missing, None, len(levels), *_ends(levels)))
    for name in fitted.preprocessor.continuous:
        made = ColumnFacts(name, "continuous", "float", None)
        columns.append(_of_profile(name, "continuous", profiles[name]) if name in profiles else made)
    target = fitted.config.target.column
    first = [_of_profile(target, "target", profiles[target])] if target in profiles else []
    alone = list(run.metrics.validation.members)
    own = {**run.metrics.to_state(), "members alone": alone, "members": len(run.members)}
    facts = {**_settings(fitted), "series": run.n_series, **own}
    return Inspection(path, "run", facts, (*first, *columns))
