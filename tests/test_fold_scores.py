"""What forecasts of a fold and bounds of any rows are worth: scikit-learn's numbers, laws, what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

from tabcli import memory
from tabcli.errors import DataError
from tabcli.evaluation.bounds import Bounds, labelled
from tabcli.evaluation.metrics import Criterion
from tabcli.evaluation.quantiles import bounds_in, intervals_in
from tabcli.selection.scores import Asked, Made, ensemble_name, scores_by
from tests.conftest import examples

COLUMNS = ["u_lo80", "u_q10", "u_q50", "u_q90", "u_hi80"]
LEVELS = bounds_in(COLUMNS, "u")


def asked(n: int = 60, metric: str = "rmse", scale: bool = True, seed: int = 0) -> tuple[Asked, np.random.Generator]:
    """Two rows of three are scored."""
    rng = np.random.default_rng(seed)
    scored = np.arange(n) % 3 > 0
    k = int(scored.sum())
    scales = rng.uniform(1, 3, k) if scale else None
    return Asked(Criterion(metric, 0.5, scales), scored, rng.uniform(5, 50, k), "u", LEVELS, scales), rng


def made(rng: np.random.Generator, question: Asked, error: float = 3.0) -> Made:
    n = len(question.scored)
    points = np.full(n, np.nan)
    points[question.scored] = question.actual + rng.normal(0, error, len(question.actual))
    widths = np.array([-4.0, -4.0, 0.0, 4.0, 4.0])
    return Made(points, points[:, None] + widths[: len(LEVELS)])


def test_scores_are_those_of_scikit_learn_on_the_scored_rows_averaged_over_seeds() -> None:
    question, rng = asked()
    forecasts = [made(rng, question, error) for error in (1.0, 3.0)]
    found = question.scores(forecasts, seconds=5.0)
    own = [m.points[question.scored] for m in forecasts]
    of_seeds = [root_mean_squared_error(question.actual, p) for p in own]
    assert found["rmse"] == pytest.approx(np.mean(of_seeds))
    assert found["std_seeds"] == pytest.approx(np.std(of_seeds))
    assert found["seconds"] == 2.5
    assert found["megabytes"] == pytest.approx(memory.peak_megabytes(), rel=0.05)
    wape = [mean_absolute_error(question.actual, p) / question.actual.mean() for p in own]
    assert found["wape"] == pytest.approx(np.mean(wape))
    pinball = [mean_pinball_loss(question.actual, m.bounds[question.scored, 3], alpha=0.9) for m in forecasts]
    assert found["pinball_q90"] == pytest.approx(np.mean(pinball))
    held = [np.mean(np.abs(question.actual - p) <= 4) for p in own]
    assert found["held_80"] == pytest.approx(np.mean(held))
    assert found["sql"] == pytest.approx(
        np.mean([_losses(question, m).mean(axis=1) / question.scale for m in forecasts])
    )
    assert not {"bias", "mase"} & {*found}, "a point forecast's alone are told of the points"


def _losses(question: Asked, forecast: Made) -> np.ndarray:
    """Twice the pinball loss of the three quantiles."""
    assert forecast.bounds is not None
    y = question.actual[:, None]
    q, level = forecast.bounds[question.scored][:, 1:4], np.array([0.1, 0.5, 0.9])
    return 2 * np.maximum(level * (y - q), (level - 1) * (y - q))


def test_scores_that_are_not_defined_are_left_out_and_points_alone_have_none_of_bounds() -> None:
    question, rng = asked(scale=False)
    zeros = Asked(question.criterion, question.scored, 0 * question.actual, "u", LEVELS, None)
    found = zeros.scores([made(rng, zeros)], 1.0)
    assert not {"rmspe", "mape", "wape", "wql", "sql"} & {*found}
    assert np.isfinite([*found.values()]).all()
    points = question.scores([Made(made(rng, question).points)], 1.0)
    assert {*points} == {"rmse", "rmspe", "mape", "wape", "std_seeds", "seconds", "megabytes"}
    assert points["std_seeds"] == 0.0


def test_the_criterion_is_scored_with_its_own_scale() -> None:
    question, rng = asked(metric="mase")
    one = made(rng, question)
    errors = np.abs(question.actual - one.points[question.scored])
    assert question.scores([one], 1.0)["mase"] == pytest.approx((errors / question.scale).mean())


def test_the_scored_rows_carry_forecasts_and_bounds_under_the_forecasts_name() -> None:
    question, rng = asked()
    one = made(rng, question)
    found = question.columns("network", one)
    assert list(found) == ["network", *(f"network{c[1:]}" for c in LEVELS)]
    assert one.bounds is not None
    for i, column in enumerate(LEVELS):
        np.testing.assert_array_equal(found[f"network{column[1:]}"], one.bounds[question.scored, i])
    own = question.own(np.arange(60))
    assert own["step"].tolist() == [i for i in range(60) if i % 3 > 0]
    assert list(own) == ["actual", "step", "scale"]
    assert list(asked(scale=False)[0].own(np.arange(60))) == ["actual", "step"]
    assert list(question.columns("median", Made(one.points))) == ["median"]


def test_scores_by_a_column_are_those_of_its_rows_alone() -> None:
    question, rng = asked()
    table = pd.DataFrame({**question.own(np.arange(60)), **question.columns("network", made(rng, question))})
    table["kind"] = np.where(rng.random(len(table)) < 0.4, "a", "b")
    found = scores_by(table, "network", "kind")
    assert found["kind"].tolist() == ["a", "b"]
    for record in found.to_dict("records"):
        part = table[table["kind"] == record["kind"]]
        alone = scores_by(part, "network", "kind").to_dict("records")[0]
        assert record == pytest.approx(alone, nan_ok=True)
        assert record["rows"] == len(part)
        errors = np.abs(part["actual"] - part["network"])
        assert record["wape"] == pytest.approx(errors.sum() / part["actual"].sum())
        assert record["mase"] == pytest.approx((errors / part["scale"]).mean())
    assert "sql" not in scores_by(table.drop(columns="scale"), "network", "kind")


def test_an_ensemble_is_called_by_how_many_networks_it_has() -> None:
    assert [ensemble_name(n) for n in (1, 2, 10)] == ["network", "network, mean of 2", "network, mean of 10"]


# ------------------------------------------------------------------------------------------- the bounds


def bounds(seed: int, n: int = 40, sure: float = 0.3) -> Bounds:
    """Quantiles and intervals of which some rows have one number alone, whole so that bounds are hit exactly."""
    rng = np.random.default_rng(seed)
    points, actual = rng.integers(5, 20, n) * 1.0, rng.integers(0, 25, n) * 1.0
    widths = np.where(rng.random(n) < sure, 0.0, rng.integers(1, 6, n))
    values = points[:, None] + widths[:, None] * np.array([-1, -1, 0, 1, 1])
    return Bounds("u", LEVELS, values, intervals_in(LEVELS, "u"), actual, points, rng.uniform(1, 2, n))


@examples(20)
@given(st.integers(0, 2**32 - 1))
def test_scores_of_all_rows_are_the_means_of_their_groups_by_rows(seed: int) -> None:
    every = bounds(seed)
    groups = pd.Series(np.random.default_rng(seed).integers(0, 4, len(every.actual)), name="g")
    found, whole = every.grouped(groups), every.all_scores()
    assert found["rows"].sum() == len(every.actual)
    for name in ("crps", "sql", "held_80", "below_q10", "pinball_q90", "mase"):
        if np.isfinite(whole[name]):
            assert np.average(found[name], weights=found["rows"]) == pytest.approx(whole[name]), name
    order = np.random.default_rng(seed).permutation(len(every.actual))
    assert every.at(order).all_scores() == pytest.approx(whole, nan_ok=True)


@examples(20)
@given(st.integers(0, 2**32 - 1))
def test_rows_are_sure_where_all_their_bounds_are_one_number_and_shares_are_told_without_them(seed: int) -> None:
    every = bounds(seed)
    wide = (every.values[:, 0] < every.values[:, -1]).tolist()
    assert every.sure.tolist() == [not w for w in wide]
    low, high = every.column("u_lo80")[wide], every.column("u_hi80")[wide]
    held = [a <= y <= b for a, y, b in zip(low, every.actual[wide], high, strict=True)]
    assert every.all_scores()["held_80_unsure"] == pytest.approx(np.mean(held) if held else np.nan, nan_ok=True)
    interval = every.interval_table(None).iloc[0]
    assert (interval["promised"], interval["low"], interval["high"]) == (0.8, "u_lo80", "u_hi80")
    assert interval["held_unsure"] == pytest.approx(np.mean(held) if held else np.nan, nan_ok=True)
    assert interval["width"] == pytest.approx((every.column("u_hi80") - every.column("u_lo80")).mean())
    of_level = every.level_table().set_index("column").loc["u_q90"]
    assert of_level["below"] == pytest.approx((every.actual <= every.column("u_q90")).mean())
    assert of_level["below_unsure"] == pytest.approx((every.actual <= every.column("u_q90"))[wide].mean(), nan_ok=True)


def test_one_column_alone_makes_no_row_sure_and_quantiles_go_before_the_bounds_of_intervals() -> None:
    every = bounds(0, sure=1.0)
    assert every.sure.all()
    one = Bounds("u", {"u_q50": 0.5}, every.values[:, 2:3], {}, every.actual, every.predicted, None)
    assert not one.sure.any()
    assert one.interval_table(None).empty
    assert every.judged == ["u_q10", "u_q50", "u_q90"]
    wider = bounds_in(["u_lo95", "u_q50", "u_hi95"], "u")
    assert Bounds("u", wider, every.values[:, 1:4], {}, every.actual, every.predicted, None).judged == ["u_q50"]
    ends = {c: level for c, level in LEVELS.items() if "_q" not in c}
    assert Bounds("u", ends, every.values[:, [0, 4]], {}, every.actual, every.predicted, None).judged == [*ends]
    assert Bounds("u", {}, every.values[:, :0], {}, every.actual, every.predicted, None).scores() == {}


def test_a_column_of_labels_never_takes_the_name_of_a_score() -> None:
    table = pd.DataFrame({"rows": [1, 2], "wape": [0.1, 0.2]})
    assert list(labelled(table.copy(), "wape", ["a", "b"])) == ["wape (value)", "rows", "wape"]
    assert list(labelled(table.copy(), "shop", ["a", "b"])) == ["shop", "rows", "wape"]


def refused(**columns: Any) -> DataError:
    rows = pd.DataFrame({"id": [1, 2, 3]})
    table = pd.DataFrame({"u": [5.0, 5.0, 5.0], **columns})
    with pytest.raises(DataError) as error:
        Bounds.of(table, "u", rows, ["id"], np.ones(3), np.full(3, 5.0), None)
    return error.value


def test_bounds_that_cross_or_are_missing_are_told_with_the_first_row_and_what_to_do() -> None:
    told = refused(u_q10=[4.0, 6.0, 9.0], u_q50=[5.0, 5.0, 5.0], u_q90=[6.0, 7.0, 8.0])
    assert told.message == "predictions: column 'u_q50' lies below 'u_q10' in 2 rows, such as id=2: 5 and 6"
    assert (
        told.hint == "a quantile must not be lower than one of a lower level; forecast again, or sort them in each row"
    )
    told = refused(u_q10=[1.0, 1.0, 1.0], u_q20=[2.0, 4.0, 2.0], u_q50=[3.0, 3.0, 3.0])
    assert "'u_q50' lies below 'u_q20' in 1 rows, such as id=2: 3 and 4" in told.message, "the highest of those below"
    told = refused(u_q10=[3.5, 1.0, 1.0], u_q20=[6.0, 6.0, 6.0], u_q50=[3.0, 7.0, 7.0])
    assert "'u_q50' lies below 'u_q20' in 1 rows, such as id=1: 3 and 6" in told.message
    told = refused(u_q10=[4.0, np.nan, np.inf])
    assert told.message == "predictions: column 'u_q10': 2 rows have no finite number, such as id=2"
    assert told.hint is not None
    assert "leave the column out" in told.hint
    rows = pd.DataFrame({"id": [1, 2, 3]})
    equal = pd.DataFrame({"u": 5.0, "u_q10": [4.0, 5.0, 5.0], "u_lo80": [4.5, 4.0, 5.0]})
    found = Bounds.of(equal, "u", rows, ["id"], np.ones(3), np.full(3, 5.0), None)
    assert found is not None, "columns of the same level need not agree"
    assert Bounds.of(equal[["u"]], "u", rows, ["id"], np.ones(3), np.full(3, 5.0), None) is None
