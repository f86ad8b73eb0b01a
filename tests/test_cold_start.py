"""Series that training never saw: forecast from what is known of them, by a network that was shown unknown ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tabcli
from tests.conftest import make_tables
from tests.test_cli import run

ROOT = Path(__file__).parents[1]
FAST = ("train.epochs=4", "train.batch_size=512", "train.lr=0.003", "train.threads=1", "calibration.windows=0")
NEW = range(1, 201, 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated tables whose train table lacks every sixth store, and whose other tables have them all."""
    data = tabcli.synth(tmp_path_factory.mktemp("cold") / "data", stores=200, days=460, horizon=30, seed=3).path
    train = pd.read_csv(data / "train.csv", dtype=str)
    train[~train["store"].astype(int).isin(NEW)].to_csv(data / "train.csv", index=False)
    return data


def scores(made: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    return tabcli.evaluate(made, truth[["id", "sales"]]).metrics


def test_dropped_categories_make_a_forecast_of_new_stores_better_than_the_median(folder: Path, tmp_path: Path) -> None:
    config = ROOT / "configs" / "quickstart.yaml"
    run("prep", "--config", config, "--data", folder, "--out", tmp_path / "prep")
    truth = pd.read_csv(folder / "truth.csv").merge(pd.read_csv(folder / "test.csv")[["id", "store"]], on="id")
    truth = truth[truth["store"].isin(NEW) & (truth["sales"] > 0)]
    found = {}
    for share in (0, 0.01):
        out = tmp_path / f"run-{share}"
        options = (f"train.category_dropout={share}", *FAST)
        run("train", "--prep", tmp_path / "prep", "--out", out, *(word for o in options for word in ("-S", o)))
        done = run("predict", out, "--data", folder, "--out", tmp_path / "made.csv")
        assert f"{len(NEW)} series that training never saw" in done.stderr
        found[share] = scores(pd.read_csv(tmp_path / "made.csv"), truth)
    past = pd.read_csv(folder / "train.csv")
    median = float(past.loc[past["sales"] > 0, "sales"].median())
    plain = scores(truth[["id"]].assign(sales=median), truth)
    assert found[0.01]["wape"] < 0.95 * plain["wape"]
    assert found[0.01]["rmspe"] < plain["rmspe"]
    assert found[0.01]["rmspe"] < 0.95 * found[0]["rmspe"], "the code of unknown stores was trained"


@pytest.mark.parametrize("history", ["side", "base"])
def test_a_new_series_does_not_depend_on_whether_prep_had_heard_of_it(history: str) -> None:
    """A shop of the future table only, known to the bundle or not: the same forecast, near the others'."""
    tables = make_tables()
    new = tables["future"].assign(shop=77, row=tables["future"]["row"] + 5000)
    new = new[tables["future"]["shop"] == 2]
    shop = tables["shops"].iloc[[1]].assign(shop=77)
    tables["shops"] = pd.concat([tables["shops"], shop], ignore_index=True)
    both = {**tables, "future": pd.concat([tables["future"], new], ignore_index=True)}
    from tests.conftest import CONFIG

    config = {**CONFIG, "history": {"windows": ["28d", "7d"], "base": "7d", "effects": ["promo"]}}
    config["model"] = {**CONFIG["model"], "history": history}
    made = []
    for at_prep in (both, tables):
        trained = tabcli.train(
            tabcli.prep(config, data=at_prep), overrides=["train.category_dropout=0.02", "calibration.windows=0"]
        )
        result = tabcli.predict(trained, data=both)
        assert any("1 series that training never saw (77)" in note for note in result.warnings)
        made.append(result.table)
    pd.testing.assert_frame_equal(made[0], made[1])
    old, other = (made[0][(made[0]["row"] >= 5000) == new_one]["units"] for new_one in (False, True))
    assert np.isfinite(other).all()
    assert 0.3 * old[old > 0].median() < other[other > 0].median() < 3 * old[old > 0].median()
