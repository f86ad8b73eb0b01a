"""Rows that are forecast in shards: the same file as in one piece, the same sentences, the same errors."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tabcli.api.results import PredictResult
from tabcli.bundle.directories import load_run
from tabcli.errors import TabcliError, UsageError
from tabcli.tables.partition import shards_of
from tests.conftest import CONFIG, make_tables, write_folder

DATES = {"date_format": "%d.%m.%Y"}

CONFIG_OF_RUN = CONFIG | {
    "tables": {**CONFIG["tables"], "future": {**CONFIG["tables"]["future"], **DATES}},
    "train": {"epochs": 1, "batch_size": 64, "lr": 0.01},
    "history": {"windows": ["7d"]},
    "forecast": {**CONFIG["forecast"], "floor": "auto"},
    "calibration": {"windows": 1},
}


def rows_ahead() -> pd.DataFrame:
    """Rows of which many things are to be said: new series, values never seen, gaps, far numbers, missing days."""
    future = make_tables()["future"]
    new = future[future["shop"] == 3].assign(shop=lambda t: t["shop"] + 40, row=lambda t: t["row"] + 5000)
    rows = pd.concat([new.iloc[:5], future, new.iloc[5:]], ignore_index=True)
    rows.loc[rows["row"] == 1007, "holiday"] = "carnival"
    rows.loc[rows["row"] == 1031, "promo"] = np.nan
    return rows[~rows["row"].isin([1011, 1012])].reset_index(drop=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data` and `run`."""
    home = tmp_path_factory.mktemp("home")
    tables = make_tables()
    data = write_folder(home / "data", {**tables, "future": tables["future"].assign(day=_as_text)})
    tabcli.prep(CONFIG_OF_RUN, data, home / "prep")
    tabcli.train(home / "prep", home / "run")
    rows_ahead().assign(day=_as_text).to_csv(data / "ahead.csv", index=False)
    return home


def _as_text(table: pd.DataFrame) -> pd.Series:
    return table["day"].dt.strftime("%d.%m.%Y")


def predict(home: Path, out: str | None, shards: int, **options: Any) -> PredictResult:
    path = None if out is None else home / out
    return tabcli.predict(home / "run", home / "data", path, shards=shards, **{"on": "here", **options})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "options",
    [{}, {"columns": ["day", "shop", "holiday", "open"], "intervals": [0.8, 0.95], "quantiles": [0.3]}],
    ids=["points", "bounds"],
)
def test_any_number_of_shards_gives_the_same_file(home: Path, ending: str, options: dict[str, Any]) -> None:
    whole = predict(home, f"whole.{ending}", 1, **options)
    assert len(whole.warnings) >= 5
    for k in (2, 5):
        made = predict(home, f"{k}.{ending}", k, **options)
        assert (home / f"{k}.{ending}").read_bytes() == (home / f"whole.{ending}").read_bytes()
        assert (made.counts, made.warnings) == (whole.counts, whole.warnings)
        pd.testing.assert_frame_equal(made.table, pd.read_parquet(made.path) if ending == "parquet" else made.table)
        pd.testing.assert_series_equal(made.by_date, whole.by_date, check_names=False)
    assert not [*home.glob(".*shards*")]  # nothing is left behind


TOTALS = ["chain", "week", "shop,day", "kind", "kind,shop,month"]


@pytest.mark.parametrize("on", ["here", "processes"])
def test_totals_are_those_of_all_rows(home: Path, on: str) -> None:
    asked: dict[str, Any] = {"totals": TOTALS, "intervals": [0.5]}
    whole, made = predict(home, "whole.csv", 1, **asked), predict(home, "totals.csv", 3, on=on, **asked)
    pd.testing.assert_frame_equal(made.totals, whole.totals)
    assert (home / "totals.totals.csv").read_bytes() == (home / "whole.totals.csv").read_bytes()


def test_totals_by_what_changes_within_a_series_are_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="--total promo: promo changes within a series"):
        predict(home, None, 2, totals=["promo"])


def test_processes_side_by_side_give_the_same_file(home: Path) -> None:
    predict(home, "here.csv", 3)
    predict(home, "beside.csv", 3, on="processes")
    assert (home / "beside.csv").read_bytes() == (home / "here.csv").read_bytes()


def test_shards_may_be_empty(home: Path) -> None:
    asked: dict[str, Any] = {"totals": ["shop"], "intervals": [0.5]}
    whole, made = predict(home, "whole.csv", 1, **asked), predict(home, "many.csv", 40, **asked)
    assert (home / "many.csv").read_bytes() == (home / "whole.csv").read_bytes()
    pd.testing.assert_frame_equal(made.totals, whole.totals)


def test_without_a_file_all_rows_come_back(home: Path) -> None:
    whole, made = predict(home, None, 1), predict(home, None, 3)
    pd.testing.assert_frame_equal(made.table, whole.table)


@pytest.mark.parametrize("shards", [1, 2])
def test_rows_in_a_folder_of_parts_are_one_table(home: Path, tmp_path: Path, shards: int) -> None:
    whole = predict(home, None, 1)
    rows = (home / "data" / "ahead.csv").read_text().splitlines(keepends=True)
    for i in range(3):
        (tmp_path / "parts").mkdir(exist_ok=True)
        (tmp_path / "parts" / f"{i}.csv").write_text(
            "".join([rows[0], *rows[1 + 40 * i : 41 + 40 * i + 999 * (i == 2)]])
        )
    data = {"future": tmp_path / "parts", "shops": home / "data" / "shops.csv"}
    made = tabcli.predict(home / "run", data, shards=shards, on="here")
    pd.testing.assert_frame_equal(made.table, whole.table)


def test_a_prep_of_a_folder_of_parts_is_that_of_the_file(home: Path, tmp_path: Path) -> None:
    data = shutil.copytree(home / "data", tmp_path / "data")
    make_tables()["future"].assign(day=_as_text).to_csv(data / "ahead.csv", index=False)
    head, *rows = (data / "past.csv").read_text().splitlines(keepends=True)
    (data / "past").mkdir()
    for i, part in enumerate((rows[:400], rows[400:])):
        (data / "past" / f"{i}.csv").write_text("".join([head, *part]))
    train = {**CONFIG_OF_RUN["tables"]["train"], "file": "past"}
    tabcli.prep(CONFIG_OF_RUN | {"tables": {**CONFIG_OF_RUN["tables"], "train": train}}, data, tmp_path / "prep")
    for name in ("state.json", "contract.json", "train.parquet"):
        assert (tmp_path / "prep" / name).read_bytes() == (home / "prep" / name).read_bytes()
    assert tabcli.prep(
        CONFIG_OF_RUN | {"tables": {**CONFIG_OF_RUN["tables"], "train": train}}, data, tmp_path / "prep"
    ).unchanged


def test_a_run_of_shards_forecasts_each_series_by_what_its_shard_knows(home: Path, tmp_path: Path) -> None:
    tabcli.prep(CONFIG_OF_RUN, home / "data", tmp_path / "prep", shards=3)
    tabcli.train(tmp_path / "prep", tmp_path / "run", on="here")
    whole = tabcli.predict(tmp_path / "run", home / "data", tmp_path / "all.csv", on="here", intervals=[0.8])
    rows, made = pd.read_csv(home / "data" / "ahead.csv", dtype={"holiday": "str"}), pd.read_csv(tmp_path / "all.csv")
    assert made["row"].tolist() == rows["row"].tolist()
    assert whole.counts["rows"] == len(rows)
    shards = shards_of(rows[["shop"]], 3)
    for k in np.unique(shards):
        data = {"future": rows[shards == k], "shops": home / "data" / "shops.csv"}
        own = tabcli.predict(load_run(tmp_path / "run", shard=int(k)), data, intervals=[0.8]).table
        pd.testing.assert_frame_equal(made[shards == k].reset_index(drop=True), own, check_dtype=False)


@pytest.mark.parametrize(
    "option",
    [{"review": 5}, {"horizon": "1w"}, {"overrides": pd.DataFrame({"row": [1], "units": [1]})}],
)
def test_what_needs_all_rows_at_once_is_refused(home: Path, option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"all rows at once|only rows in a file"):
        predict(home, None, 2, **option)


@pytest.mark.parametrize("shards", ["0", "many", "-1"])
def test_a_number_of_shards_that_is_none_is_refused(home: Path, shards: str) -> None:
    with pytest.raises(UsageError, match="--shards"):
        predict(home, None, shards)  # type: ignore[arg-type]


WRONG: dict[str, Any] = {
    "a repeated row": lambda rows: pd.concat([rows, rows.iloc[[3]].assign(row=9)]),
    "a repeated id": lambda rows: rows.assign(row=rows["row"].replace(1003, 1001)),
    "no date": lambda rows: rows.assign(day=rows["day"].where(rows["row"] != 1050, "soon")),
    "no number": lambda rows: rows.assign(promo=rows["promo"].astype(object).where(rows["row"] != 1050, "yes")),
    "no such column": lambda rows: rows.drop(columns="promo"),
    "a missing key": lambda rows: rows.assign(shop=rows["shop"].where(rows["row"] != 1050)),
}


@pytest.mark.parametrize("case", WRONG)
def test_rows_that_cannot_be_forecast_are_refused_in_the_same_words(home: Path, tmp_path: Path, case: str) -> None:
    path = tmp_path / "ahead.csv"
    WRONG[case](rows_ahead().assign(day=_as_text)).to_csv(path, index=False)
    data = {"future": path, "shops": home / "data" / "shops.csv"}
    with pytest.raises(TabcliError) as whole:
        tabcli.predict(home / "run", data, shards=1)
    with pytest.raises(TabcliError) as made:
        tabcli.predict(home / "run", data, shards=3)
    assert (made.value.message, made.value.hint) == (whole.value.message, whole.value.hint)


def test_another_run_at_the_same_place_is_what_forecasts(home: Path, tmp_path: Path) -> None:
    """Within one process, too."""
    found = []
    for seed in (1, 2):
        tabcli.train(home / "prep", tmp_path / "run", overrides=[f"seed={seed}", "calibration.windows=0"], force=True)
        tabcli.predict(tmp_path / "run", home / "data", tmp_path / "made.csv", shards=2, on="here")
        tabcli.predict(tmp_path / "run", home / "data", tmp_path / "whole.csv", shards=1)
        found.append((tmp_path / "made.csv").read_bytes())
        assert found[-1] == (tmp_path / "whole.csv").read_bytes()
    assert found[0] != found[1]
