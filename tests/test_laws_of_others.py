"""Laws: what the rows of one series have to do with the forecasts of others, and rows asked for with other rows."""

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.config.loading import load
from tabcli.pipeline.joined import join
from tabcli.pipeline.joined import load as load_tables
from tabcli.target_history.grid import Positions
from tabcli.target_history.statistics import History
from tabcli.training.inputs import history_of
from tests.conftest import CONFIG, N_DAYS, START, examples, make_tables

HISTORY = {"windows": ["56d", "28d", "7d"], "base": "28d", "effects": ["promo"], "columns": ["visitors"]}

FULL: dict[str, Any] = {**copy.deepcopy(CONFIG), "history": HISTORY, "calibration": {"metric": "none", "windows": 0}}
FULL["train"] = {**FULL["train"], "epochs": 1, "precision": "float32"}

# ------------------------------------------------------------------------------------ rows of other series


def prepared_of(tables: dict[str, pd.DataFrame]) -> Prepared:
    return tabcli.prep({**FULL, "validation": {"last": "20d"}}, tables).prepared


def changed(how: str, shop: int) -> dict[str, pd.DataFrame]:
    """The tables with another series: new, gone, or with other values of everything."""
    tables = make_tables()
    train = tables["train"]
    own = (train["shop"] == shop).to_numpy()
    if how == "gone":
        tables["train"], tables["future"] = train[~own], tables["future"].query(f"shop != {shop}")
    elif how == "new":
        twin = train[own].assign(shop=77, units=train["units"] * 40, visitors=train["visitors"] * 7)
        tables["train"] = pd.concat([train, twin.head(100)], ignore_index=True)
    elif how == "two rows":
        tables["train"] = train[~own | (train["day"] >= train["day"].max() - pd.Timedelta(1, unit="D"))]
    else:
        tables["train"] = train.assign(
            units=np.where(own, train["units"] * 9, train["units"]),
            visitors=np.where(own, 3, train["visitors"]),
            promo=np.where(own, 1 - train["promo"], train["promo"]),
        )
    return tables


def before_fitting(tables: dict[str, pd.DataFrame], shops: list[int]) -> pd.DataFrame:
    """The joined rows of some shops with all features, and which are learned from: nothing is fitted yet."""
    source = join(load_tables(load({**FULL, "validation": {"last": "20d"}}), tables))
    table = source.features.table.frame()
    table["kept"] = np.append(source.kept, np.zeros(len(table) - len(source.kept), dtype=bool))
    table = table[table["shop"].isin(shops)].sort_values(["shop", "day"], ignore_index=True)
    return table.astype({c: "str" for c in table.columns if table[c].dtype == "category"})


@examples(6)
@given(how=st.sampled_from(["gone", "new", "two rows", "scaled"]), shop=st.sampled_from([2, 4, 5]))
def test_the_rows_of_a_series_change_nothing_in_others_before_statistics_are_fitted(how: str, shop: int) -> None:
    """Joins, features, events, the split, what is left out; medians, means and levels are those of all rows."""
    others = [s for s in range(1, 7) if s != shop]
    pd.testing.assert_frame_equal(before_fitting(make_tables(), others), before_fitting(changed(how, shop), others))


def own_statistics(prepared: Prepared, shops: list[int]) -> dict[str, Any]:
    """The base and the columns of the history of some shops at some origins, by name, less what all series say."""
    history: History | None = history_of(prepared)
    assert history is not None
    places = prepared.fitted.calendar.series["shop"].tolist()
    steps = np.arange(80, N_DAYS - 20, 7)
    made: dict[str, Any] = {}
    for shop in shops:
        rows = Positions(np.full(len(steps), places.index(shop)), steps + 3, np.zeros(len(steps), dtype="int64"))
        base, columns = history.columns(rows, steps)
        made |= {f"{shop}: {name}": columns[:, i] for i, name in enumerate(history.spec.names)}
        made[f"{shop}: base"] = base
    return made


@pytest.mark.parametrize("how", ["two rows", "new"])
def test_a_series_that_has_just_begun_hardly_moves_the_history_of_others(how: str) -> None:
    """Two rows of a shop that sells forty times as much moved the base of all others by a tenth and more."""
    tables = make_tables()
    train = tables["train"]
    late = train[(train["shop"] == 2) & (train["day"] >= START + pd.Timedelta(N_DAYS - 23, unit="D"))].head(2)
    new = late.assign(shop=77, units=late["units"] * (40 if how == "new" else 1))
    more = {**tables, "train": pd.concat([train, new], ignore_index=True)}
    shops = [1, 3, 4, 5, 6]
    plain, found = own_statistics(prepared_of(tables), shops), own_statistics(prepared_of(more), shops)
    assert plain.keys() == found.keys()
    for name, values in plain.items():
        assert np.abs(found[name] - values).max() < 0.02, name


# ----------------------------------------------------------------------------------- rows that are asked for


def without_plan(train: pd.DataFrame) -> Any:
    """A forecaster of a run that was made when only the first of the days to forecast was planned."""
    tables = {**make_tables(), "train": train}
    tables["future"] = tables["future"].query("day == day.min()")
    return tabcli.forecaster(tabcli.train(tabcli.prep({**FULL, "validation": {"last": "20d"}}, tables)), tables)


PLANLESS: list[Any] = []
"""Such a forecaster, all rows that it may be asked for, and their forecasts: made once."""


def asked_alone(forecasts: pd.DataFrame, part: pd.DataFrame) -> np.ndarray[Any, Any]:
    return forecasts.set_index("row").loc[part["row"], "units"].to_numpy()


@examples(15)
@given(st.sampled_from(["shops", "days", "rows", "all but one", "one"]), st.integers(0, 10**6))
def test_rows_that_are_asked_for_alone_are_forecast_as_among_others_or_it_is_said(kind: str, seed: int) -> None:
    if not PLANLESS:
        tables = make_tables()
        PLANLESS.extend([without_plan(tables["train"]), tables["future"]])
        PLANLESS.append(PLANLESS[0].predict(PLANLESS[1]))
    (ready, ahead, whole), rng = PLANLESS, np.random.default_rng(seed)
    assert not [w for w in whole.warnings if "ask for all rows" in w]
    n = {"all but one": len(ahead) - 1, "one": 1}.get(kind, int(rng.integers(1, len(ahead))))
    values = {"shops": range(1, 7), "days": ahead["day"].unique()}.get(kind, ahead["row"])
    chosen = rng.permutation(list(values))[: min(n, max(1, len(values) - 1))]
    part = ahead[ahead[{"shops": "shop", "days": "day"}.get(kind, "row")].isin(chosen)]
    made = ready.predict(part)
    told = [w for w in made.warnings if "ask for all rows" in w]
    if not told:
        np.testing.assert_allclose(made.table["units"], asked_alone(whole.table, part), rtol=2e-5)
    if kind == "shops":
        assert not told, "a series knows its own plan as well without the others"


def test_weekdays_without_rows_are_no_gap_in_the_plan() -> None:
    """Two shops, one of which never has a Sunday: all its rows are all there are to ask for."""
    train, ahead = (
        t[(t["shop"] != 3) | (t["day"].dt.day_of_week != 6)] for t in map(make_tables().get, ("train", "future"))
    )
    ready = without_plan(train)
    assert not [w for w in ready.predict(ahead).warnings if "ask for all rows" in w]
    gap = ahead[(ahead["shop"] != 3) | (ahead["day"].dt.day_of_week != 0)]
    told = [w for w in ready.predict(gap).warnings if "ask for all rows" in w]
    assert told[0].startswith("1 series are asked for without some of the 19 steps")


# ------------------------------------------------------------------------------------------- with a gap


def test_with_a_gap_a_forecast_sees_the_distances_that_training_saw() -> None:
    """Validation rows as training has them, and as a forecast from the cutoff: they lay at 1.7 and at 1.0 horizons."""
    prepared = tabcli.prep({**FULL, "validation": {"last": "20d", "gap": "14d"}}, make_tables()).prepared
    history, valid, grid = history_of(prepared), prepared.tables["valid"], prepared.fitted.grid
    assert history is not None
    assert grid is not None
    rows = Positions(*(valid[f"row.{name}"].to_numpy(dtype="int64") for name in ("series", "step", "cell")))
    origin = int(rows.step.min()) - 14
    learned = history.columns(rows, np.full(len(valid), origin))
    asked = history.snapshot(origin).columns(rows)
    np.testing.assert_allclose(asked[1], learned[1], rtol=1e-6)
    np.testing.assert_allclose(asked[0], learned[0], rtol=1e-6)
    assert learned[1][:, -1].max() == 1.0, "the last row to forecast lies at the horizon"
