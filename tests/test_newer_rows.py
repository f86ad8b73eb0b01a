"""A run knows its table until some day: what a table says of later days, and of days without a target."""

from typing import Any

import pandas as pd
import pytest

import tabcli
from tabcli.artifacts.encoded_names import ROW
from tabcli.errors import DataError, UsageError
from tests.conftest import make_tables

DAYS = pd.date_range("2024-01-01", periods=130, unit="us")


def table(n_days: int, *, empty: int = 0) -> dict[str, pd.DataFrame]:
    """Two shops; the last `empty` days have no sales yet."""
    one = pd.DataFrame({"day": DAYS[: n_days + empty], "sales": [10.0 + d % 7 for d in range(n_days + empty)]})
    one.loc[one.index >= n_days, "sales"] = float("nan")
    return {"train": pd.concat([one.assign(shop=s) for s in ("A", "B")], ignore_index=True)}


CONFIG: dict[str, Any] = {
    "format_version": 1,
    "tables": {"train": {"file": "sales.csv"}},
    "series": "shop",
    "date": "day",
    "target": {"column": "sales", "nonpositive": "drop"},
    "features": {"date_parts": ["day"]},
    "categorical": ["shop", "dayDayofweek"],
    "continuous": ["dayElapsed"],
    "validation": {"last": "14d"},
    "train": {"epochs": 1, "batch_size": 32},
    "calibration": {"metric": "none"},
}


def test_a_horizon_does_not_forecast_days_that_are_over() -> None:
    run = tabcli.train(tabcli.prep(CONFIG, table(100)))
    assert tabcli.predict(run, table(100), horizon="7d").table["day"].min() == DAYS[100]
    assert tabcli.predict(run, {}, horizon="7d").table["day"].min() == DAYS[100]
    with pytest.raises(UsageError, match="--horizon 0d: expected a length of one step or more"):
        tabcli.predict(run, {}, horizon="0d")  # it gave a step
    with pytest.raises(
        DataError, match=r"has targets until 2024-04-23 .* but the run knows them until 2024-04-09"
    ) as e:
        tabcli.predict(run, table(114), horizon="7d")
    assert "prep and train again" in str(e.value.hint)


def test_rows_without_a_target_at_the_end_are_rows_to_forecast_not_to_validate() -> None:
    prep = tabcli.prep(CONFIG, table(100, empty=14))
    valid = prep.prepared.tables["valid"]
    assert (valid[ROW + "day"].min(), valid[ROW + "day"].max(), len(valid)) == (DAYS[86], DAYS[99], 28)
    run = tabcli.train(prep)
    made = tabcli.predict(run, table(100, empty=14), horizon="14d").table
    assert (made["day"].min(), made["day"].max()) == (DAYS[100], DAYS[113])


def test_a_table_too_short_for_its_history_names_lengths_that_fit() -> None:
    """20 days, as in a shop that has just opened; a base that is given is the base, whatever the windows."""
    short = table(34)
    with pytest.raises(DataError, match=r"history.base, 28 steps: the training rows cover 20") as error:
        tabcli.train(tabcli.prep({**CONFIG, "history": {}}, short))
    assert "set history.base to 6 steps or fewer" in str(error.value.hint)
    run = tabcli.train(tabcli.prep({**CONFIG, "history": {"base": "6d"}}, short))
    assert run.run.snapshot is not None
    assert run.run.snapshot.spec.base == 6


def test_both_losses_of_an_epoch_are_the_loss_that_is_learned(config: dict[str, Any]) -> None:
    """On rows without noise the network learns both alike; squared errors beside absolute ones would differ widely."""
    prep = tabcli.prep(config, make_tables())
    for loss in ("huber", "mse"):
        options = [f"train.loss={loss}", "train.epochs=6", "calibration.windows=0", "train.huber_delta=0.01"]
        records = [r.to_state() for r in tabcli.train(prep, overrides=options).epochs]
        last = records[-1]
        assert last["valid_loss"] < 4 * last["train_loss"], loss
        if loss == "huber":
            assert last["valid_loss"] < 0.01 * last["valid_rmse_log"] * 1.01
        else:
            assert last["valid_loss"] == pytest.approx(last["valid_rmse_log"] ** 2, rel=1e-4)


@pytest.mark.parametrize("transform", ["log", "log1p", "identity", "boxcox"])
def test_an_ensemble_is_scored_by_what_it_forecasts(config: dict[str, Any], transform: str) -> None:
    """The mean of members, then calibrated: once the score took the mean of calibrated ones."""
    from tabcli.forecasting.outputs import predict_target

    config["features"].pop("events")
    config["categorical"] = [c for c in config["categorical"] if not c.endswith(("bw", "fw"))]
    config["continuous"] = ["size", "dayElapsed"]
    config |= {"metric": "wape", "target": {**config["target"], "transform": transform}}
    prep = tabcli.prep(config, make_tables())
    run = tabcli.train(prep, overrides=["train.members=2", "train.epochs=1"])
    valid = prep.prepared.tables["valid"]
    made, actual = predict_target(run.run, valid, valid["row.day"]), valid[ROW + "units"].to_numpy()
    assert run.metrics.to_state()["valid_wape"] == pytest.approx(abs(made - actual).sum() / actual.sum(), rel=1e-6)


def test_a_row_that_is_asked_for_alone_is_told_that_its_plan_is_unknown(config: dict[str, Any]) -> None:
    tables = make_tables()
    settings = {**config, "validation": {"last": "20d"}}
    ahead, day = tables.pop("future"), tables["train"]["day"].max()
    late = ahead["day"] > day + pd.Timedelta(3, unit="D")
    run = tabcli.train(
        tabcli.prep(settings, {**tables, "future": ahead[~late]}),
        overrides=["train.epochs=1", "calibration.windows=0"],
    )
    ready = tabcli.forecaster(run, tables)
    for part, told in (
        (ahead, None),
        (ahead[late], None),
        (ahead[~late], "0 of the 17 steps"),
        (ahead[ahead["day"] == day + pd.Timedelta(4, unit="D")], "1 of the 17 steps"),
        (ahead[late & (ahead["day"] != day + pd.Timedelta(6, unit="D"))], "16 of the 17 steps"),
    ):
        notes = [w for w in ready.predict(part).warnings if "ask for all rows" in w]
        assert (not notes) if told is None else told in notes[0]
    with_plan = tabcli.train(
        tabcli.prep(config, {**tables, "future": ahead}), overrides=["train.epochs=1", "calibration.windows=0"]
    )
    whole = tabcli.predict(with_plan, {**tables, "future": ahead})
    alone = tabcli.forecaster(with_plan, tables).predict(ahead[ahead["day"] == ahead["day"].min()])
    assert not [w for w in alone.warnings if "ask for all rows" in w]
    keys = ["shop", "day"]
    both = alone.table.merge(ahead[["row", *keys]], on="row").merge(whole.table, on="row")
    assert both["units_x"].tolist() == pytest.approx(both["units_y"].tolist(), rel=1e-5)


def test_a_network_worse_than_naive_that_follows_zeros_is_told_the_way_out() -> None:
    from dataclasses import replace

    from tabcli.artifacts.records import TrainMetrics
    from tabcli.cli.render import render_train

    tables = table(100)
    settings = {**CONFIG, "target": {"column": "sales", "transform": "log1p"}, "metric": "wape"}
    result = tabcli.train(tabcli.prep(settings, tables))
    state: Any = result.run.metrics.to_state()
    naive = {**state["baseline"], "all": {"the last value": 0.1}}
    worse, better = (
        TrainMetrics.from_state({**state, "baseline": naive, "valid_wape": score}) for score in (0.2, 0.05)
    )
    lines = {
        name: "\n".join(render_train(replace(result, run=replace(result.run, metrics=metrics))))
        for name, metrics in (("worse", worse), ("better", better))
    }
    assert "try -S train.loss=huber" in lines["worse"]
    assert "huber" not in lines["better"]
