"""The tasks rossmann_1D and rossmann_1W of fev-bench (arXiv 2509.26468): their rows, their windows, a window's tables.

train.csv ─ table_of(task) ─▶ a row per store and day, or week ─ write_window ─▶ train.csv   rows before the window
                                                                                 test.csv    its rows, no Sales
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

UNKNOWN = ["Sales", "Customers"]
"""Columns that the rows to forecast do not have."""

SUMMED = ["Sales", "Customers", "Open", "Promo", "StateHoliday", "SchoolHoliday"]
"""Columns of a week: sums of its days'; of StateHoliday the number of days that are one."""


@dataclass(frozen=True)
class Task:
    """A published task: `n_windows` windows of `horizon` rows each, one after the other, the last ends with `last_row`.

    `step`: days from one row of a series to the next; a week's row is dated with its Monday. `seasonality`: rows from
    one season to the next, for the scale of MASE.
    """

    name: str
    step: int
    horizon: int
    seasonality: int
    n_windows: int
    last_row: pd.Timestamp


@dataclass(frozen=True)
class Window:
    """The rows of a task from `first_row` to `last_row`, to be forecast from those before; `last_day` names it."""

    first_row: pd.Timestamp
    last_row: pd.Timestamp
    last_day: pd.Timestamp

    @property
    def name(self) -> str:
        return f"{self.last_day:%Y-%m-%d}"


TASKS = {
    "1D": Task("rossmann_1D", 1, horizon=48, seasonality=7, n_windows=10, last_row=pd.Timestamp("2015-07-31")),
    "1W": Task("rossmann_1W", 7, horizon=13, seasonality=1, n_windows=8, last_row=pd.Timestamp("2015-07-20")),
}


def published_windows(task: Task) -> list[Window]:
    """All windows of the task, oldest first."""
    step = pd.Timedelta(task.step, unit="D")
    last_rows = [task.last_row - k * task.horizon * step for k in reversed(range(task.n_windows))]
    return [
        Window(last - (task.horizon - 1) * step, last, last + step - pd.Timedelta(1, unit="D")) for last in last_rows
    ]


def windows_within(task: Task, dates: "pd.Series[pd.Timestamp]") -> list[Window]:
    """The windows that lie within a table whose days these are, and after its first row."""
    return [w for w in published_windows(task) if w.first_row > dates.min() and w.last_day <= dates.max()]


def chosen(windows: Iterable[Window], names: list[str]) -> list[Window]:
    """The windows that end on the named days. Raises `SystemExit` where there is none such."""
    by_name = {w.name: w for w in windows}
    if unknown := [name for name in names if name not in by_name]:
        raise SystemExit(f"--windows {','.join(unknown)}: expected last days of windows: {', '.join(by_name)}")
    return [w for name, w in by_name.items() if name in names or not names]


def read_days(path: Path) -> pd.DataFrame:
    """The competition's `train.csv`. Raises `SystemExit` where there is none, or one with other columns."""
    columns = ["Store", "DayOfWeek", "Date", *SUMMED]
    if not path.is_file():
        raise SystemExit(f"{path}: no such file; expected the competition's train.csv there (see data/README.md)")
    days = pd.read_csv(path, dtype={"StateHoliday": str}, parse_dates=["Date"])
    if missing := [c for c in columns if c not in days.columns]:
        raise SystemExit(f"{path}: no column {', '.join(missing)}; expected {', '.join(columns)}")
    return days[columns]


def weekly_sums(days: pd.DataFrame) -> pd.DataFrame:
    """A row for each store and each whole week from Monday to Sunday: `Store`, `Date` (the Monday), sums of its days.

    Missing days count as 0, and so does a week without any. Weeks that begin before the table or end after it are
    left out.
    """
    monday = days["Date"] - pd.to_timedelta(days["Date"].dt.day_of_week, unit="D")
    first, last = days["Date"].min(), days["Date"].max()
    whole = (monday >= first) & (monday + pd.Timedelta(6, unit="D") <= last)
    parts = days.assign(Date=monday, StateHoliday=(days["StateHoliday"] != "0").astype("int64"))[whole]
    weeks = pd.date_range(parts["Date"].min(), parts["Date"].max(), freq="7D")
    every = pd.MultiIndex.from_product([sorted(days["Store"].unique()), weeks], names=["Store", "Date"])
    return parts.groupby(["Store", "Date"])[SUMMED].sum().reindex(every, fill_value=0).reset_index()


def table_of(task: Task, days: pd.DataFrame) -> pd.DataFrame:
    """The task's rows: the days as they are (missing ones are missing), or whole weeks."""
    return days if task.step == 1 else weekly_sums(days)


def past_of(table: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The rows before the window."""
    return table[table["Date"] < window.first_row]


def truth_of(table: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The window's rows with a new `Id`, which the forecast names them by. Missing rows are not scored."""
    rows = table[table["Date"].between(window.first_row, window.last_row)].reset_index(drop=True)
    rows.insert(0, "Id", range(1, len(rows) + 1))
    return rows


def _write(table: pd.DataFrame, path: Path) -> None:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    place = arrow.schema.get_field_index("Date")
    pa.csv.write_csv(arrow.set_column(place, "Date", arrow["Date"].cast(pa.timestamp("s")).cast(pa.date32())), path)


OPEN_DAYS = pd.DataFrame({"Open": range(8), "LogOpen": [-1.0, *np.log(range(1, 8))]})
"""Of a week: the number of days open and its logarithm, as sales are learned on that scale; -1 for a week without."""


def write_window(table: pd.DataFrame, window: Window, store: Path, folder: Path) -> None:
    """What a person has before the window: `train.csv`, `test.csv` (its rows without what is unknown), `store.csv`.

    And `open_days.csv`, a table of logarithms, which needs no data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(past_of(table, window), folder / "train.csv")
    _write(truth_of(table, window).drop(columns=UNKNOWN), folder / "test.csv")
    (folder / "store.csv").write_bytes(store.read_bytes())
    OPEN_DAYS.to_csv(folder / "open_days.csv", index=False)
