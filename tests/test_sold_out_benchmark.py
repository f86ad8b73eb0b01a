"""The benchmark of rows that were sold out: how the rows are cut."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tabcli

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import sold_out


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("sold-out") / "data"
    tabcli.synth(folder, stores=4, days=460, seed=1)
    return pd.read_csv(folder / "train.csv", dtype={"state_holiday": "str"})


@pytest.mark.parametrize("stock", ["plan", "shelf"])
def test_a_share_of_the_open_days_is_cut_and_marked_and_no_other_day_changes(train: pd.DataFrame, stock: str) -> None:
    cut = sold_out.cut_short(train, stock, 0.2, np.random.default_rng(0))
    marked, opened = cut["SoldOut"] == 1, train["sales"] > 0
    assert marked[opened].mean() == pytest.approx(0.2, abs=0.02)
    assert not marked[~opened].any()
    assert (cut.loc[marked, "sales"] < train.loc[marked, "sales"]).all()
    assert (cut.loc[marked, "sales"] > 0).all()
    pd.testing.assert_series_equal(cut.loc[~marked, "sales"], train.loc[~marked, "sales"])
    if stock == "shelf":
        assert cut[marked].groupby("store")["sales"].nunique().max() == 1
