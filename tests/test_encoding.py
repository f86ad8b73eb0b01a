"""Keys and places of encoded rows, and the target's past on its grid, against the raw tables looked up row by row."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.errors import DataError
from tabcli.pipeline.encoding import known_series, place_columns
from tabcli.preprocessing.categorical import FIRST_LEVEL
from tabcli.target_history.grid import Positions
from tests.conftest import CONFIG, HORIZON, START, make_tables

TABLES = make_tables()
SOLD = TABLES["train"].query("units > 0").set_index(["shop", "day"]).sort_index()
CONFIG_HERE: dict[str, Any] = {
    **CONFIG,
    "history": {
        "windows": ["28d"],
        "base": "28d",
        "effects": ["dayDayofweek", "promo"],
        "columns": ["visitors"],
        "use": ["levels", "effects", "columns"],
    },
}


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return tabcli.prep(CONFIG_HERE, TABLES).prepared


def shops_of(prepared: Prepared, codes: pd.Series) -> list[int]:
    return [int(s) for s in prepared.fitted.calendar.series["shop"].to_numpy()[codes.to_numpy()]]


def test_every_encoded_row_carries_its_own_key_target_and_place(prepared: Prepared) -> None:
    grid = prepared.fitted.grid
    assert grid is not None
    learned = {name: prepared.tables[name] for name in ("train", "valid")}
    for table in learned.values():
        raw = SOLD.loc[list(zip(table["row.shop"].astype("int64"), table["row.day"], strict=True))]
        assert table["row.units"].tolist() == raw["units"].tolist()
        np.testing.assert_allclose(table["y"], np.log(raw["units"]), rtol=1e-6)
        assert shops_of(prepared, table["row.series"]) == table["row.shop"].astype("int64").tolist()
        np.testing.assert_array_equal(table["row.step"], (table["row.day"] - START).dt.days)
        flags = table[[c for c in table if c.endswith("_na")]] == FIRST_LEVEL + 1
        assert table["row.filled"].tolist() == flags.sum(axis=1).tolist(), "how many of the row's numbers are missing"
        assert (flags["size_na"] == (raw.index.get_level_values("shop") == 2)).all()
    assert sum(map(len, learned.values())) == len(SOLD)
    ahead = prepared.tables["future"]
    assert not {"y", "row.units"} & {*ahead.columns}, "of rows to forecast there is no target"
    assert ahead["row.shop"].astype("int64").tolist() == TABLES["future"]["shop"].tolist()
    np.testing.assert_array_equal(ahead["row.day"], TABLES["future"]["day"])
    closed = (TABLES["future"]["day"].dt.day_of_week == 6).to_numpy()
    assert (ahead["row.cell"] == -1).tolist() == closed.tolist(), "no Sunday was learned from, so it has no cell"


def test_the_past_is_every_row_with_a_target_on_its_series_step_and_cell(prepared: Prepared) -> None:
    past = prepared.past
    assert past is not None
    assert list(past) == ["series", "step", "cell", "y", "visitors"]
    keys = list(zip(shops_of(prepared, past["series"]), START + pd.to_timedelta(past["step"], unit="D"), strict=True))
    assert sorted(keys) == SOLD.index.to_list()
    raw = SOLD.loc[keys]
    np.testing.assert_allclose(past["y"], np.log(raw["units"]), rtol=1e-6)
    np.testing.assert_allclose(past["visitors"], np.log(raw["visitors"]), rtol=1e-6, err_msg="on the target's scale")
    of_cells = pd.DataFrame(
        {
            "cell": past["cell"].to_numpy(),
            "weekday": raw.index.get_level_values("day").day_of_week,
            "promo": raw["promo"].to_numpy(),
        }
    ).drop_duplicates()
    assert sorted(of_cells["cell"]) == list(range(len(of_cells))), "a cell for each weekday with and without promotion"
    assert not of_cells[["weekday", "promo"]].duplicated().any()


def with_visitors(values: np.ndarray, transform: str) -> np.ndarray:
    """What the past holds of a past-only column, in the order of the train table's rows with a target."""
    train = TABLES["train"].assign(visitors=values)
    config = {**CONFIG_HERE, "target": {**CONFIG["target"], "transform": transform}}
    prepared = tabcli.prep(config, {**TABLES, "train": train}).prepared
    assert prepared.past is not None
    keys = zip(shops_of(prepared, prepared.past["series"]), prepared.past["step"], strict=True)
    found = dict(zip(keys, prepared.past["visitors"].tolist(), strict=True))
    kept = train[train["units"] > 0]
    return np.array([found[s, d] for s, d in zip(kept["shop"], (kept["day"] - START).dt.days, strict=True)])


def test_another_column_of_the_past_is_scaled_by_its_training_rows_and_missing_where_the_scale_takes_none() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(50, 10, len(TABLES["train"]))
    values[rng.random(len(values)) < 0.1] = np.nan
    sold = (TABLES["train"]["units"] > 0).to_numpy()
    early = (TABLES["train"]["day"] < TABLES["train"]["day"].max() - pd.Timedelta(days=HORIZON - 1)).to_numpy()[sold]
    made, kept = with_visitors(values, "identity"), values[sold]
    learned = kept[early & np.isfinite(kept)]
    np.testing.assert_allclose(made, (kept - learned.mean()) / learned.std(), atol=1e-5)
    below = np.where(np.arange(len(values)) % 3, values, -values)
    made = with_visitors(below, "log")
    expected = np.log(np.where(below > 0, below, np.nan))[sold]
    np.testing.assert_allclose(made, expected, rtol=1e-5)
    assert np.isnan(with_visitors(np.full(len(values), np.nan), "log")).all()


def test_rows_that_share_a_step_are_counted_with_the_ways_out() -> None:
    noon = TABLES["train"].query("units > 0").head(3)
    twice = pd.concat([TABLES["train"], noon.assign(day=noon["day"] + pd.Timedelta(hours=12))])
    with pytest.raises(
        DataError, match="3 rows lie within the same step of 1d as another row of their series"
    ) as error:
        tabcli.prep({**CONFIG_HERE, "frequency": "1d"}, {**TABLES, "train": twice})
    assert error.value.hint == ("set a shorter `frequency`, add the rows up beforehand, or leave `history` out")
    tabcli.prep({**CONFIG, "frequency": "1d"}, {**TABLES, "train": twice})  # nothing tells steps apart


def test_places_are_written_as_int32_and_only_the_series_without_a_grid(prepared: Prepared) -> None:
    places = Positions(np.array([0, -1]), np.array([5, 2**31 - 1]), np.array([-1, 3]))
    made = place_columns(prepared.fitted, places)
    assert list(made) == ["row.series", "row.step", "row.cell"]
    assert [v.dtype for v in made.values()] == [np.int32] * 3
    assert [v.tolist() for v in made.values()] == [[0, -1], [5, 2**31 - 1], [-1, 3]]
    assert list(place_columns(replace(prepared.fitted, grid=None), places)) == ["row.series"]


def test_series_that_are_new_have_no_place_among_the_known() -> None:
    calendar: Any = SimpleNamespace(series=pd.DataFrame({"shop": [1, 2, 3]}))
    assert known_series(calendar, np.array([0, 2, 3, 7])).tolist() == [0, 2, -1, -1]
