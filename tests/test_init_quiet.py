"""`tabcli init` names single dates on which little was sold, since only a person knows which were public holidays."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tabcli.cli.app import app
from tabcli.features.frequency import Frequency
from tabcli.onboarding.quiet import quiet_dates

N_DAYS = 200


def daily(quiet: dict[int, float] | None = None, noise: float = 0.05) -> pd.DataFrame:
    """Three shops with a week of their own, `noise` on the log; `quiet`: number of the day → what is left of it."""
    rng = np.random.default_rng(5)
    days = pd.date_range("2023-01-02", periods=N_DAYS, freq="D")
    rows = pd.MultiIndex.from_product([["a", "b", "c"], days], names=["shop", "day"]).to_frame(index=False)
    level = np.array([80, 90, 100, 95, 140, 180, 40])[rows["day"].dt.day_of_week]
    rows["sales"] = np.round(level * np.exp(rng.normal(0, noise, len(rows))), 2)
    for number, left in (quiet or {}).items():
        rows.loc[rows["day"] == days[number], "sales"] *= left
    return rows


def told(folder: Path, table: pd.DataFrame, future: pd.DataFrame | None = None, horizon: str = "14d") -> list[str]:
    """The lines of init's output that speak of quiet dates."""
    (folder / "data").mkdir()
    table.to_csv(folder / "data" / "sales.csv", index=False)
    if future is not None:
        future.to_csv(folder / "data" / "ahead.csv", index=False)
    length = [] if future is not None else ["--horizon", horizon]
    words = ["init", str(folder / "data"), "--out", str(folder / "my.yaml"), "--target", "sales", *length]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = [line for line in done.stdout.splitlines() if "far less than on their weekday" in line]
    assert [f"#   {line}" in (folder / "my.yaml").read_text() for line in found] == [True] * len(found)
    return found


def found_in(table: pd.DataFrame) -> dict[str, float]:
    frequency = Frequency.of(table["day"].drop_duplicates().sort_values())
    return {str(day)[:10]: share for day, share in quiet_dates(table, "day", "sales", frequency).items()}


def test_quiet_dates_are_named_with_how_quiet_they_were_and_what_a_person_can_say(tmp_path: Path) -> None:
    (line,) = told(tmp_path, daily({50: 0.3, 120: 0.6}))
    assert line.startswith("CHECK: on 2 dates sales sums to far less")
    first, second = (line.index(day) for day in ("2023-02-21 (-", "2023-05-02 (-"))
    assert first < second  # the quietest first
    assert "features: {holidays: {Public: {country: DE}}}" in line


def test_where_a_column_known_in_advance_tells_of_them_nothing_is_said(tmp_path: Path) -> None:
    table = daily({50: 0.3, 120: 0.6})
    table["holiday"] = table["day"].isin(table["day"].unique()[[50, 120, 195]]).astype(int)
    ahead = (table["day"] >= table["day"].unique()[186]).to_numpy()
    assert told(tmp_path, table[~ahead], table[ahead].drop(columns="sales")) == []


def test_days_that_scatter_alike_are_not_quiet(tmp_path: Path) -> None:
    assert told(tmp_path, daily(noise=0.4)) == []


def test_how_much_of_a_weekday_is_missing_is_measured_against_the_same_weekday() -> None:
    found = found_in(daily({50: 0.3}, noise=0.0))
    assert found == {"2023-02-21": pytest.approx(0.7, abs=1e-4)}  # and no Sunday, though each sells a third of a Friday


def test_a_date_without_rows_is_unknown_and_a_weekday_that_is_always_closed_is_none() -> None:
    table = daily({50: 0.3})
    table = table[(table["day"] != table["day"].unique()[60])]
    table.loc[table["day"].dt.day_of_week == 6, "sales"] = 0.0
    assert list(found_in(table)) == ["2023-02-21"]


def test_targets_that_are_missing_or_infinite_tell_of_no_quiet_date() -> None:
    table = daily({50: 0.3})
    table.loc[table["day"].isin(table["day"].unique()[[30, 37, 44]]), "sales"] = np.inf
    table.loc[table["day"] == table["day"].unique()[58], "sales"] = np.nan
    assert "2023-02-21" in found_in(table)
    assert found_in(table.assign(sales=np.inf)) == {}


@pytest.mark.parametrize("every", [5, 3])
def test_so_many_quiet_dates_are_nothing_single(every: int) -> None:
    assert found_in(daily(dict.fromkeys(range(0, N_DAYS, every), 0.2), noise=0.0)) == {}


def test_weekly_rows_short_tables_and_returns_tell_of_none() -> None:
    table = daily({50: 0.3})
    assert found_in(table[table["day"].dt.day_of_week == 1]) == {}
    assert found_in(table[table["day"] < "2023-02-24"]) == {}
    assert list(found_in(table[table["day"] < "2023-03-24"])) == ["2023-02-21"]
    assert found_in(table.assign(sales=table["sales"] - 300)) == {}
