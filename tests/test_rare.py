"""What past windows are worth where a few rows decide one of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabcli
from tabcli.evaluation.metrics import SQUARED, Criterion
from tabcli.evaluation.rare import Usual, usual_scores
from tests.conftest import examples

METRICS = st.sampled_from(["rmspe", "rmse", "rmsle", "wape", "mae", "mape", "mase", "pinball"])


def scored(metric: str, errors: Sequence[np.ndarray]) -> list[Usual]:
    """Windows whose forecasts err by so much of an actual value of 100."""
    criterion = [Criterion(metric, scale=np.full(len(e), 3.0)) for e in errors]
    return usual_scores(criterion, [np.full(len(e), 100.0) for e in errors], [100 * (1 + e) for e in errors])


@st.composite
def windows(draw: st.DrawFn) -> list[np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return [rng.normal(0, 0.1, draw(st.integers(1, 60))) for _ in range(draw(st.integers(1, 5)))]


@examples(60)
@given(METRICS, windows())
def test_a_usual_score_is_never_above_the_score_and_equals_it_where_no_row_is_rare(
    metric: str, errors: list[np.ndarray]
) -> None:
    for usual, error in zip(scored(metric, errors), errors, strict=True):
        actual = np.full(len(error), 100.0)
        score = Criterion(metric, scale=np.full(len(error), 3.0))(actual, actual * (1 + error))
        assert usual.score <= score
        assert (usual.score == score) == (usual.rare == 0)
        assert usual.rare == 0 or (len(errors) > 1 and metric in SQUARED)


@examples(40)
@given(st.sampled_from(SQUARED), windows(), st.floats(9, 1e4))
def test_one_row_moves_what_is_expected_no_further_than_twice_the_worst_row_of_another_window(
    metric: str, errors: list[np.ndarray], size: float
) -> None:
    others = [*errors, np.array([0.1, -0.2, 0.05])]
    strange = [np.append(others[0], size), *others[1:]]
    larger = [np.append(others[0], 10 * size), *others[1:]]
    found, again = scored(metric, strange), scored(metric, larger)
    assert found[0].rare >= 1
    assert found[0].worst == len(others[0])
    assert found[0].score == pytest.approx(again[0].score, rel=1e-9)
    assert [u.score for u in found[1:]] == [u.score for u in again[1:]]


def test_the_root_of_the_mean_of_squares_that_count_no_more_than_twice_the_worst_of_the_calmest_window() -> None:
    calm, wild, strange = np.array([0.1, -0.2]), np.array([0.3, 0.1]), np.array([0.1, 5.0])
    found = scored("rmspe", [strange, calm, wild])
    assert found[0] == Usual(pytest.approx(np.sqrt((0.1**2 + 0.4**2) / 2)), 1, 1)
    assert found[1] == Usual(pytest.approx(np.sqrt((0.1**2 + 0.2**2) / 2)), 0, 1)
    assert found[2] == Usual(pytest.approx(np.sqrt((0.3**2 + 0.1**2) / 2)), 0, 0)


def test_a_day_on_which_a_shop_sold_next_to_nothing_does_not_decide_what_is_expected(tmp_path: Path) -> None:
    days = pd.date_range("2022-01-03", periods=420)
    rng = np.random.default_rng(1)
    table = pd.MultiIndex.from_product([["north", "south", "east"], days], names=["shop", "day"]).to_frame(index=False)
    table["units"] = 100 * (1 + 0.3 * table["day"].dt.day_of_week) * np.exp(rng.normal(0, 0.05, len(table)))
    strange = (table["shop"] == "south") & (table["day"] == days[-40])
    table.loc[strange, "units"] = 1.0
    config = {
        "format_version": 1,
        "tables": {"train": {"file": "train.csv"}},
        "series": "shop",
        "date": "day",
        "target": {"column": "units", "transform": "log"},
        "metric": "rmspe",
        "features": {"date_parts": ["day"]},
        "categorical": ["shop", "dayDayofweek"],
        "model": {"history": "none", "layers": [16]},
        "forecast": {"floor": "off"},
        "validation": {"last": "14d"},
        "calibration": {"windows": 4},
        "train": {"epochs": 12, "batch_size": 128, "keep": "last"},
    }
    prep = tabcli.prep(config, data={"train": table}, out=tmp_path / "prep")
    metrics = tabcli.train(prep, out=tmp_path / "run", refit=True).metrics
    [window] = metrics.decided_by_few
    assert (window.rare, window.worst) == (1, f"shop south, {days[-40].date()}")
    assert window.score > 5 * window.usual
    assert metrics.expected < 0.2
    assert metrics.expected == pytest.approx(np.mean([w.usual for w in metrics.windows]))
    assert "shop south" in (tmp_path / "run" / "MODEL_CARD.md").read_text()
