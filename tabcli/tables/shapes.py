"""Tables of other shapes → one row for each series and date: wide ones made long, lines of sale added up."""

import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.arrays import ColumnValues
from tabcli.config.data import Aggregate, Melt
from tabcli.config.values import Duration
from tabcli.errors import DataError
from tabcli.tables.kinds import Kinds, as_text, require_columns
from tabcli.tables.levels import EXAMPLES, rows_text
from tabcli.tables.rows import frame_of, with_columns

# ---------------------------------------------------------------------------------------- wide → long


def melted(table: pd.DataFrame, melt: Melt, where: str) -> pd.DataFrame:
    """Each cell of the columns that are not kept as a row: kept columns, `names` (text or dates), `values` (float64).

    Rows stand column after column; cells without a value are left out. Raises `DataError` where a cell is no number.
    """
    require_columns(table, melt.keep, where)
    wide = [c for c in table.columns if c not in melt.keep]
    texts = [c for c in Kinds.of(table).only("text", "date") if c not in melt.keep]
    if texts:
        column = table[texts[0]]
        kept = column.dropna()
        example = f"{kept.iloc[0]!r} in {rows_text([int(kept.index[0])], table.index)}" if len(kept) else "no value"
        raise DataError(
            f"{where}: melt: {len(texts)} of {len(wide)} columns hold no numbers, such as {texts[0]!r}: {example}",
            hint=f"name them among those that stay: `melt: {{keep: [{', '.join([*melt.keep, *texts[:EXAMPLES]])}]}}`",
        )
    if not wide:
        raise DataError(f"{where}: melt keeps all columns", hint=f"its columns: {', '.join(table.columns)}")
    values = np.concatenate([table[c].to_numpy(dtype="float64") for c in wide])
    there = np.flatnonzero(~np.isnan(values))
    row, column_number = there % len(table), there // len(table)
    columns: dict[str, ColumnValues] = {c: table[c].take(row).array for c in melt.keep}
    if melt.start is None:
        columns[melt.names] = pd.Categorical.from_codes(column_number, categories=pd.Index(wide, dtype="str"))
    else:
        columns[melt.names] = _numbered(wide, melt, where)[column_number]
    return frame_of(columns | {melt.values: values[there]})


def _numbered(names: list[str], melt: Melt, where: str) -> NDArray[np.datetime64]:
    """The date of each name such as d_17, datetime64[us] (k,)."""
    numbers = pd.to_numeric(pd.Series(names, dtype="str").str.extract(r"(\d+)$")[0], errors="coerce")
    if numbers.isna().any():
        wrong = [n for n, gone in zip(names, numbers.isna(), strict=True) if gone]
        raise DataError(
            f"{where}: melt.start: expected names with a number at their end, as d_17 has; {len(wrong)} of "
            f"{len(names)} have none: {', '.join(wrong[:EXAMPLES])}",
            hint="name them in melt.keep",
        )
    first, past = pd.Timestamp(str(melt.start)), numbers.to_numpy(dtype="int64") - 1
    if melt.step.unit == "mo":
        return np.array([first + pd.DateOffset(months=melt.step.count * int(n)) for n in past], dtype="datetime64[us]")
    start = first.to_datetime64().astype("datetime64[us]")
    dates: NDArray[np.datetime64] = start + past * np.timedelta64(melt.step.seconds, "s")
    return dates


# -------------------------------------------------------------------------------- lines of sale → rows


def aggregated(table: pd.DataFrame, rule: Aggregate, where: str) -> pd.DataFrame:
    """One row for each different key of `rule.by`, in the order in which they first come. Raises `DataError`."""
    summed = {"sum": rule.sum, "mean": rule.mean, "max": rule.max, "last": rule.last}
    require_columns(table, [*rule.by, *(c for columns in summed.values() for c in columns)], where)
    kinds = Kinds.of(table)
    texts = [c for how in ("sum", "mean", "max") for c in summed[how] if kinds[c] in ("text", "date")]
    if texts:
        raise DataError(
            f"{where}: aggregate: {texts[0]!r} holds {kinds[texts[0]]} values, not numbers",
            hint=f"take the last one of them: `aggregate: {{last: [{texts[0]}]}}`, or leave it out",
        )
    if rule.step is not None:
        dates = [c for c in rule.by if kinds[c] == "date"]
        table = with_columns(table, {c: start_of(table[c], rule.step, rule.start) for c in dates})
    groups = table.groupby(list(rule.by), sort=False, observed=True, dropna=False)
    columns: dict[str, pd.Series] = {}
    for how, names in summed.items():
        for name in names:
            made = groups[name].sum(min_count=1) if how == "sum" else groups[name].agg(how)
            columns[name] = as_text(made) if kinds[name] == "text" else made
    if rule.count is not None:
        columns[rule.count] = groups.size()
    keyed = pd.DataFrame(columns) if columns else groups.size().to_frame("").iloc[:, :0]
    return keyed.reset_index()


def start_of(dates: pd.Series, step: Duration, start: datetime.date | None = None) -> pd.Series:
    """The start of each date's step: its hour, its day, its week (from Monday, or as `start` begins it), its month."""
    moments = dates.to_numpy().astype("datetime64[us]")
    first = np.datetime64(start or "1970-01-05", "us")  # a Monday
    if step.unit == "mo":
        months = moments.astype("datetime64[M]").astype("int64") // step.count * step.count
        starts = months.astype("datetime64[M]").astype("datetime64[us]")
    else:
        length = np.timedelta64(step.seconds, "s")
        starts = first + (moments - first) // length * length
    return pd.Series(starts, index=dates.index, name=dates.name)
