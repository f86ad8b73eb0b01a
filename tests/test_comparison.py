"""A forecast against what happened: rows are matched by key and no other way, and each number is scikit-learn's."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

from tabcli.errors import DataError
from tabcli.evaluation.comparison import Evaluation, compare
from tabcli.evaluation.past import PastActuals
from tests.conftest import examples


def tables(n: int = 40, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A forecast and what happened, by shop (text) and day, with a promo column in the forecast alone."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2024-03-01", periods=n // 2)
    truth = pd.MultiIndex.from_product([["a", "b"], days], names=["shop", "day"]).to_frame(index=False)
    truth["units"] = rng.integers(0, 50, len(truth)) * 1.0
    truth.loc[3, "units"] = 0.0
    forecast = truth.assign(units=truth["units"] + rng.normal(0, 3, len(truth)), promo=rng.integers(0, 2, len(truth)))
    return forecast, truth


def past_of(n_days: int = 60, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = pd.date_range("2024-01-01", periods=n_days)
    past = pd.MultiIndex.from_product([["a", "b"], days], names=["shop", "day"]).to_frame(index=False)
    return past.assign(units=rng.integers(1, 50, len(past)) * 1.0, promo=rng.integers(0, 2, len(past)))


def same(one: Evaluation, other: Evaluation) -> None:
    assert one.metrics == pytest.approx(other.metrics, nan_ok=True)
    assert (one.n_rows, one.n_zero, one.on) == (other.n_rows, other.n_zero, other.on)
    if one.by is not None and other.by is not None:
        pd.testing.assert_frame_equal(one.by, other.by)


# ------------------------------------------------------------------------------------------- the numbers


def test_the_metrics_are_those_of_scikit_learn_over_the_matched_rows() -> None:
    forecast, truth = tables()
    made = compare(forecast.sample(frac=1, random_state=0), truth, "units", quantile=0.8)
    actual, predicted = truth["units"].to_numpy(), forecast["units"].to_numpy()
    assert made.metrics["mae"] == pytest.approx(mean_absolute_error(actual, predicted))
    assert made.metrics["rmse"] == pytest.approx(root_mean_squared_error(actual, predicted))
    assert made.metrics["pinball"] == pytest.approx(mean_pinball_loss(actual, predicted, alpha=0.8))
    assert made.metrics["wape"] == pytest.approx(np.abs(actual - predicted).sum() / actual.sum())
    sold = actual != 0
    assert made.metrics["rmspe"] == pytest.approx(np.sqrt(np.mean((1 - predicted[sold] / actual[sold]) ** 2)))
    assert (made.n_rows, made.n_zero, made.n_unused) == (len(truth), (~sold).sum(), 0)
    assert made.on == ["shop", "day"]


@examples(15)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_the_kind_of_text_and_rows_too_many_change_nothing(seed: int) -> None:
    forecast, truth = tables()
    expected = compare(forecast, truth, "units", by="promo")
    rng = np.random.default_rng(seed)
    more = pd.concat([forecast, forecast.assign(day=forecast["day"] + pd.Timedelta(days=400))], ignore_index=True)
    more = more.iloc[rng.permutation(len(more))].astype({"shop": "category"})
    other = compare(more, truth.iloc[rng.permutation(len(truth))], "units", by="promo")
    same(expected, other)
    assert other.n_unused == len(forecast)


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e6])
def test_another_unit_changes_the_metrics_that_have_one_and_no_other(factor: float) -> None:
    forecast, truth = tables()
    plain = compare(forecast, truth, "units", past=PastActuals(past_of(), "day", ["shop"]))
    scaled = [t.assign(units=t["units"] * factor) for t in (forecast, truth, past_of())]
    other = compare(*scaled[:2], "units", past=PastActuals(scaled[2], "day", ["shop"]))
    for name in ("rmspe", "mape", "wape", "bias", "mase"):
        assert other.metrics[name] == pytest.approx(plain.metrics[name]), name
    for name in ("mae", "rmse"):
        assert other.metrics[name] == pytest.approx(factor * plain.metrics[name]), name


def test_each_group_has_the_metrics_of_its_rows_alone_and_the_worst_is_first() -> None:
    forecast, truth = tables()
    made = compare(forecast, truth, "units", by="promo").by
    assert made is not None
    assert made["rmspe"].is_monotonic_decreasing
    assert made["rows"].sum() == len(truth)
    for record in made.to_dict("records"):
        part = (forecast["promo"] == record["promo"]).to_numpy()
        alone = compare(forecast[part], truth[part], "units")
        for name, value in alone.metrics.items():
            assert record[name] == pytest.approx(value), name


def test_groups_of_zeros_alone_are_in_the_order_of_another_metric_and_gaps_are_a_group() -> None:
    truth = pd.DataFrame({"id": range(6), "units": 0.0})
    group = ["x", "x", "y", "y", None, None]
    forecast = truth.assign(units=[1.0, 1.0, 3.0, 3.0, 2.0, 2.0], group=group)
    made = compare(forecast, truth, "units", on=["id"], by="group").by
    assert made is not None
    assert made["rmspe"].isna().all()
    assert [None if pd.isna(g) else g for g in made["group"]] == ["y", None, "x"]
    assert made["mae"].tolist() == [3.0, 2.0, 1.0]


# ---------------------------------------------------------------------------------------------- the past


def test_mase_is_the_error_beside_that_of_last_week_in_the_past() -> None:
    forecast, truth = tables()
    past = past_of()
    made = compare(forecast, truth, "units", past=PastActuals(past, "day", ["shop"]))
    season = {
        shop: np.abs(rows["units"].to_numpy()[7:] - rows["units"].to_numpy()[:-7]).mean()
        for shop, rows in past.groupby("shop")
    }
    errors = np.abs(truth["units"] - forecast["units"])
    assert made.metrics["mase"] == pytest.approx((errors / truth["shop"].map(season)).mean())


@examples(10)
@given(st.integers(0, 2**32 - 1))
def test_no_row_of_the_past_from_the_first_scored_day_on_is_looked_at(seed: int) -> None:
    forecast, truth = tables()
    before = PastActuals(past_of(60), "day", ["shop"], ["promo"])
    rng = np.random.default_rng(seed)
    later = past_of(90, seed=1)
    late = later["day"] >= "2024-03-01"
    earlier = past_of(60).set_index(["shop", "day"])["units"]
    known = later.set_index(["shop", "day"]).index.map(earlier.to_dict())
    later["units"] = np.where(late, rng.integers(0, 10**6, len(later)), known)
    later["promo"] = later.merge(past_of(60), on=["shop", "day"], how="left")["promo_y"].fillna(0).astype("int64")
    after = PastActuals(later.iloc[rng.permutation(len(later))], "day", ["shop"], ["promo"])
    one, other = (compare(forecast, truth, "units", past=past) for past in (before, after))
    assert one.metrics == pytest.approx(other.metrics)
    assert one.naive is not None
    pd.testing.assert_frame_equal(one.naive, other.naive)


def test_naive_forecasts_of_one_series_need_no_series_column() -> None:
    forecast, truth = (t[t["shop"] == "a"].drop(columns="shop") for t in tables())
    past = past_of().query("shop == 'a'")
    without = compare(forecast, truth, "units", past=PastActuals(past.drop(columns="shop"), "day", []))
    one = [t.assign(shop="a") for t in (forecast, truth)]
    named = compare(*one, "units", past=PastActuals(past, "day", ["shop"]))
    assert without.naive is not None
    assert named.naive is not None
    assert without.metrics == pytest.approx(named.metrics)
    numbers = [c for c in named.naive.columns if c != "forecast"]
    pd.testing.assert_frame_equal(without.naive[numbers], named.naive[numbers])


def test_mase_is_not_defined_for_a_past_that_never_changes_and_the_rest_is() -> None:
    forecast, truth = tables()
    made = compare(forecast, truth, "units", past=PastActuals(past_of().assign(units=3.0), "day", ["shop"]))
    assert np.isnan(made.metrics["mase"])
    assert np.isfinite(made.metrics["rmspe"])


# ------------------------------------------------------------------------------------------- what is refused


def changed(which: str, **columns: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    forecast, truth = tables()
    return (forecast.assign(**columns), truth) if which == "forecast" else (forecast, truth.assign(**columns))


@pytest.mark.parametrize(
    ("forecast", "truth", "message"),
    [
        (*changed("forecast", units="many"), "predictions: column 'units' holds no numbers"),
        (*changed("forecast", units=np.inf), "predictions: column 'units': 40 rows have no number"),
        (*changed("truth", units=np.nan), "actuals: column 'units': 40 rows have no number"),
        (*changed("forecast", day="2024-03-01"), "'day' is text in the predictions and date in the actuals"),
        (*changed("truth", shop=1), "'shop' is text in the predictions and int in the actuals"),
        (tables()[0], tables()[1][["units"]], "share no column but 'units'"),
        (tables()[0].iloc[1:], tables()[1], r"1 of 40 actual rows have no prediction, such as shop=a, day=2024-03-01"),
        (pd.concat([tables()[0]] * 2), tables()[1], "predictions"),
        (tables()[0], pd.concat([tables()[1]] * 2), "actuals"),
        (tables()[0].drop(columns="units"), tables()[1], "units"),
    ],
)
def test_what_cannot_be_compared_is_told(forecast: pd.DataFrame, truth: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare(forecast, truth, "units")


@pytest.mark.parametrize(
    ("past", "message"),
    [
        (PastActuals(past_of(), "day", ["shop"], ["price"]), "price"),
        (PastActuals(past_of().assign(price=1.0), "day", ["shop"], ["price"]), "neither predictions nor actuals have"),
        (PastActuals(past_of().assign(day="x"), "day", ["shop"]), "'day' is date in the scored rows and text"),
        (PastActuals(past_of().assign(day=pd.Timestamp("2025-01-01")), "day", ["shop"]), "no row with a target before"),
        (PastActuals(past_of().assign(units=np.nan), "day", ["shop"]), "no row with a target before"),
    ],
)
def test_a_past_that_says_nothing_of_the_rows_is_told(past: PastActuals, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare(*tables(), "units", past=past)


def test_a_result_is_shown_in_a_few_lines() -> None:
    shown = repr(compare(*tables(), "units", by="promo"))
    assert shown.splitlines()[0] == "Evaluation"
    assert "40, of which" in shown
    assert "matched by shop, day" in shown
    assert "promo, 2 values" in shown
    assert "<table>" in compare(*tables(), "units")._repr_html_()


@pytest.mark.parametrize(("low", "expected"), [(0.0, False), (0.1, True), (-0.1, True)])
def test_a_sum_that_is_off_by_more_than_chance_is_told(low: float, expected: bool) -> None:
    """Stores err together on a date: sixty dates by chance, or all of them in one direction."""
    rng = np.random.default_rng(2)
    keys = pd.MultiIndex.from_product([range(20), pd.date_range("2021-01-01", periods=60)], names=["shop", "day"])
    truth = keys.to_frame(index=False).assign(units=100.0)
    together = np.tile(rng.normal(0, 0.1, 60), 20)
    made = compare(truth.assign(units=100 * (1 - low) * np.exp(together)), truth, "units")
    assert made.bias_error is not None
    assert 0.005 < made.bias_error < 0.03
    assert made.is_biased == expected
    rows_alone = compare(
        truth.assign(id=range(1200))[["id", "units"]], truth.assign(id=range(1200))[["id", "units"]], "units"
    )
    assert rows_alone.bias_error is None, "without a date nobody knows which rows err together"
    assert not rows_alone.is_biased
