"""What explanations find on sales from a known process, in short; the long measurement is `benchmarks/explain.py`."""

from typing import Any

import explain
import pandas as pd
import pytest

SMALL = explain.Process(stores=12, days=330, horizon=28, noise=0.05, seed=2)
FAST = ("train.epochs=12", "model.layers=[64, 32]", "train.batch_size=64", "train.lr=0.004")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return explain.measure(SMALL, FAST, repeats=5)


def test_sources_are_ranked_as_the_process_ranks_them(found: dict[str, Any]) -> None:
    assert {*found["importance"]} == {*found["true_importance"]}
    assert found["spearman"] >= 0.9
    assert found["importance"]["store"] == pytest.approx(found["true_importance"]["store"], rel=0.25)
    assert abs(found["importance"]["colour"]) < 0.005


def test_a_promotions_effect_is_the_true_one_by_both_ways(found: dict[str, Any]) -> None:
    effect = found["promotion"]
    assert 0.2 < effect["true"] < 0.4
    assert effect["parts_off"] < 0.1
    assert effect["plan_off"] < 0.1


def test_the_process_is_its_own_truth() -> None:
    """What is measured against: sales follow the log, and nothing exchanged changes nothing."""
    rows = SMALL.rows
    assert (rows["log"].to_numpy() == SMALL.log(rows)).all()
    rises = explain.true_rises(SMALL, 2)
    assert rises["colour"] == 0.0
    assert rises["store"] > rises["promo"] > rises["discount"] > 0
    assert explain.spearman({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.1, "b": 0.3, "c": 0.2}) == pytest.approx(0.5)
    pd.testing.assert_frame_equal(rows, explain.Process(stores=12, days=330, horizon=28, noise=0.05, seed=2).rows)
