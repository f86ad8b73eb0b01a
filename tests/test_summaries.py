"""Statistics that do not depend on how the rows are cut: laws over parts, and oracles without rounding."""

import statistics
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.errors import DataError
from tabcli.preprocessing import summaries
from tabcli.preprocessing.columns import Preprocessor
from tabcli.preprocessing.continuous import FillMissing, Normalize
from tabcli.preprocessing.counts import ColumnCounts, Counted
from tabcli.preprocessing.summaries import UNIT, Part, Spread, Summary, exact_sum

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=40)
USUAL = st.lists(st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float), min_size=1, max_size=60)


def bits(summary: Summary) -> bytes:
    return np.array([summary.median, summary.mean, summary.std]).tobytes()


@given(NUMBERS)
def test_sums_have_no_rounding(values: list[float]) -> None:
    exact = exact_sum(np.array(values), np.ones(len(values), dtype="int64"))
    assert exact * Fraction(2) ** UNIT == sum(map(Fraction, values))


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(0, 1 << 55)), min_size=1, max_size=20))
def test_sums_have_no_rounding_however_often_a_number_occurs(given: list[tuple[float, int]]) -> None:
    values, counts = (np.array(part) for part in zip(*given, strict=True))
    exact = exact_sum(values, counts) * Fraction(2) ** UNIT
    assert exact == sum(Fraction(value) * count for value, count in given)


def test_sums_over_many_chunks_have_no_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=500)
    counts = np.random.default_rng(1).integers(0, 9, 500)
    whole = exact_sum(values, counts)
    monkeypatch.setattr(summaries, "CHUNK", 16)
    assert exact_sum(values, counts) == whole


@given(USUAL, st.randoms(use_true_random=False), st.integers(1, 6))
def test_no_cut_and_no_order_of_the_rows_changes_a_bit(values: list[float], random: object, n_parts: int) -> None:
    """Missing numbers included; parts may be empty."""
    rng = np.random.default_rng(len(values) + n_parts)
    rows = np.array([*values, *[np.nan] * (len(values) // 3)])
    whole, shuffled = Summary.of(rows), rng.permutation(rows)
    edges = [0, *sorted(rng.integers(0, len(rows) + 1, n_parts - 1)), len(rows)]
    parts = [Summary.of(shuffled[a:b]) for a, b in pairwise(edges)]
    merged = parts[0].merge(*parts[1:])
    assert (merged.missing, merged.n) == (whole.missing, whole.n) == (len(values) // 3, len(values))
    assert bits(merged) == bits(whole)
    in_turn = parts[-1]
    for part in parts[:-1]:
        in_turn = in_turn.merge(part)
    assert bits(in_turn.filled(in_turn.median)) == bits(whole.filled(whole.median))


@given(USUAL)
def test_statistics_are_those_without_rounding(values: list[float]) -> None:
    summary, exact = Summary.of(np.array(values)), [Fraction(v) for v in values]
    assert summary.median == statistics.median(values)
    assert summary.mean == float(sum(exact) / len(exact))
    assert summary.std == pytest.approx(statistics.pstdev(exact), rel=1e-15)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
def test_whole_numbers_are_counted_as_others_are(values: list[int]) -> None:
    whole, others = Summary.of(np.array(values)), Summary.of(np.array(values, dtype="float64"))
    assert whole.values.tobytes() == others.values.tobytes()
    assert whole.counts.tobytes() == others.counts.tobytes()


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 7)), min_size=1, max_size=20))
def test_numbers_with_counts_are_numbers_that_are_repeated(pairs: list[tuple[int, int]]) -> None:
    values, counts = (np.array(part) for part in zip(*pairs, strict=True))
    assert bits(Summary.of(values / 7, counts)) == bits(Summary.of(np.repeat(values / 7, counts)))


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [
        ([1e308, -1e308, 3.0], 1.0, 1e308 * np.sqrt(2 / 3)),
        ([1e308, 1e308], 1e308, 0.0),  # their plain sum is infinite
        ([5e-324, 5e-324], 5e-324, 0.0),
        ([1e-200, 3e-200], 2e-200, 1e-200),
        ([0.1] * 7, 0.1, 0.0),  # rounding alone gives a spread elsewhere
        ([-0.0, 0.0], 0.0, 0.0),
        ([1e15 + 1, 1e15 + 2, 1e15 + 3], 1e15 + 2, np.sqrt(2 / 3)),
    ],
)
def test_huge_tiny_and_constant_numbers(values: list[float], mean: float, std: float) -> None:
    summary = Summary.of(np.array(values))
    assert summary.mean == mean
    assert summary.std == pytest.approx(std, rel=1e-15)


@pytest.mark.parametrize("step", [FillMissing, Normalize])
def test_a_column_without_rows_is_refused(step: type[FillMissing] | type[Normalize]) -> None:
    with pytest.raises(DataError, match=r"'x' has (no value|missing values, or no row)"):
        step.fit(pd.DataFrame({"x": np.zeros(0)}), ["x"])


def test_no_order_of_the_rows_changes_a_bit_of_what_is_fitted() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(1e6, 1.0, 999)
    table = pd.DataFrame({"x": np.where(rng.random(999) < 0.1, np.nan, x), "y": rng.integers(0, 9, 999)})
    fitted = Preprocessor.fit(table, ["y"], ["x", "y"])
    turned = Preprocessor.fit(table.sample(frac=1.0, random_state=0).reset_index(drop=True), ["y"], ["x", "y"])
    assert turned.to_state() == fitted.to_state()


# -------------------------------------------------------------------- more values than are held in memory


@given(USUAL, st.integers(1, 6), st.integers(0, 3))
def test_parts_that_are_read_one_after_the_other_have_the_bits_of_all(
    values: list[float], n_parts: int, missing: int
) -> None:
    whole = Summary.of(np.array([*values, *[np.nan] * missing]))
    parts = [Summary.of(np.array(values[i::n_parts])) for i in range(n_parts)]
    spread = Spread([Part(lambda part=part: (part.values, part.counts)) for part in parts], missing)  # type: ignore[misc]
    for one, other in ((whole, spread), (whole.filled(whole.median), spread.filled(spread.median))):
        assert (
            np.array([one.median, one.mean, one.std, one.largest]).tobytes()
            == np.array([other.median, other.mean, other.std, other.largest]).tobytes()
        )
        assert one.n == other.n


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, -3.0, np.nan, np.inf]), min_size=1, max_size=40), st.integers(1, 5))
def test_what_is_counted_of_a_column_does_not_depend_on_how_its_rows_are_cut(values: list[float], n: int) -> None:
    whole = Counted.of(pd.Series(values, dtype="float64"))
    parts = [ColumnCounts.of(pd.Series(values[i::n], dtype="float64")) for i in range(n)]
    cut = Counted(tuple(parts))
    assert (whole.levels, whole.missing, whole.kind) == (cut.levels, cut.missing, cut.kind)
    for most in (1, 2, 10):
        assert whole.is_measure(most) == cut.is_measure(most)
    if whole.summary.n:
        assert bits(whole.summary) == bits(cut.summary)  # type: ignore[arg-type]


def test_a_column_that_lacks_values_in_one_part_alone_is_one_of_floats() -> None:
    parts = [ColumnCounts.of(pd.Series(v)) for v in ([True, False], [1.0, np.nan])]
    cut = Counted(tuple(parts))
    assert (cut.kind, cut.levels, cut.missing) == ("float", [0, 1], 1)
    texts = Counted(tuple(ColumnCounts.of(pd.Series(v, dtype="category")) for v in (["b", None], ["a", "b"])))
    assert (texts.kind, texts.levels, texts.missing) == ("text", ["a", "b"], 1)
