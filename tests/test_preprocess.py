"""The fitted steps against scikit-learn, and the laws that fastai's broke."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from tabcli.config.values import Transform
from tabcli.errors import BundleError, DataError
from tabcli.preprocessing.categorical import FIRST_LEVEL, MISSING, UNKNOWN, Categorify
from tabcli.preprocessing.columns import Preprocessor, step_from_state, step_state
from tabcli.preprocessing.continuous import FillMissing, Normalize
from tabcli.preprocessing.target import TargetTransform, boxcox_power

numbers = st.one_of(st.none(), st.floats(-1e6, 1e6))


def text(values: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"c": pd.Categorical(values)})


def through_json(state: dict[str, Any]) -> Any:
    return json.loads(json.dumps(state, allow_nan=False))


# ------------------------------------------------------------------------------------------ categorify


@given(st.lists(st.sampled_from(["x", "y", "z", "ü", "0", "10", "9"]), min_size=1))
def test_codes_of_known_levels_are_scikit_learns_plus_two(values: list[str]) -> None:
    table = text(values)
    codes, counts = Categorify.fit(table, ["c"]).transform(table)
    expected = OrdinalEncoder().fit_transform(np.array(values, dtype=object)[:, None])[:, 0] + FIRST_LEVEL
    np.testing.assert_array_equal(codes["c"], expected)
    assert counts["c"] == {"missing": 0, "unknown": 0}


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1))
def test_decode_undoes_encode(values: list[int | None]) -> None:
    table = pd.DataFrame({"c": pd.Series(values, dtype="float64")})
    fitted = Categorify.fit(table, ["c"])
    codes, _ = fitted.transform(table)
    np.testing.assert_array_equal(fitted.decode(codes["c"], "c").astype("float64"), table["c"])


def test_missing_and_unknown_are_two_codes_and_counted() -> None:
    fitted = Categorify.fit(text(["b", "a", None]), ["c"])
    codes, counts = fitted.transform(text(["a", "z", None, "b"]))
    assert codes["c"].tolist() == [2, UNKNOWN, MISSING, 3]
    assert counts["c"] == {"missing": 1, "unknown": 1}
    assert fitted.cardinalities() == {"c": 4}


def test_a_category_column_goes_through_the_learned_levels() -> None:
    """fastai took the raw codes of such a column: other categories, other order, wrong rows, silently."""
    fitted = Categorify.fit(text(["a", "b", "c"]), ["c"])
    other = pd.DataFrame({"c": pd.Categorical(["c", "a", "q"], categories=["q", "c", "unused", "a"])})
    assert fitted.transform(other)[0]["c"].tolist() == [4, 2, UNKNOWN]


def test_levels_are_only_those_that_occur_in_training() -> None:
    column = pd.Categorical(["a", "b", "a"], categories=["late", "a", "b"])
    assert Categorify.fit(pd.DataFrame({"c": column}).iloc[[0, 2]], ["c"]).levels_ == {"c": ["a"]}


@pytest.mark.parametrize(
    ("learned", "given_", "expected"),
    [
        ([1, 2, 3], [3.0, np.nan, 2.5], [4, MISSING, UNKNOWN]),  # ints that a missing value made floats
        ([1, 2], pd.Categorical(["2", "x", "NA", None]), [3, UNKNOWN, MISSING, MISSING]),  # numbers read as text
        (pd.Categorical(["0", "a"]), [0, 7], [2, UNKNOWN]),  # texts read as numbers
        (pd.Categorical(["0", "a"]), [0.0, np.nan], [2, MISSING]),
        ([True, False], [0.0, 1.0], [2, 3]),
        ([2**53, 2**53 + 1], [2**53 + 1, 2**53 + 2], [3, UNKNOWN]),  # neighbours that float64 cannot tell apart
        ([0.5, 1.5], [1.5, np.inf], [3, UNKNOWN]),
    ],
)
def test_values_of_another_kind_are_matched_or_unknown(learned: Any, given_: Any, expected: list[int]) -> None:
    fitted = Categorify.fit(pd.DataFrame({"c": learned}), ["c"])
    fitted = Categorify.from_state(through_json(fitted.to_state()))
    assert fitted.transform(pd.DataFrame({"c": given_}))[0]["c"].tolist() == expected


def test_a_column_without_values_has_no_levels_and_still_encodes() -> None:
    fitted = Categorify.fit(pd.DataFrame({"c": [np.nan, np.nan]}), ["c"])
    assert fitted.transform(pd.DataFrame({"c": [np.nan, 3.0]}))[0]["c"].tolist() == [MISSING, UNKNOWN]
    assert fitted.transform(text(["x", None]))[0]["c"].tolist() == [UNKNOWN, MISSING]


# ---------------------------------------------------------------------------------------- fill-missing


@given(st.lists(numbers, min_size=1).filter(lambda v: any(x is not None for x in v)), st.lists(numbers, min_size=1))
def test_fill_is_scikit_learns_median(train: list[float | None], new: list[float | None]) -> None:
    tables = [pd.DataFrame({"x": pd.Series(v, dtype="float64")}) for v in (train, new)]
    fitted = FillMissing.fit(tables[0], ["x"])
    filled, counts = fitted.transform(tables[1])
    oracle = SimpleImputer(strategy="median").fit(tables[0])
    np.testing.assert_array_equal(filled["x"], oracle.transform(tables[1])[:, 0])
    assert counts["x"] == tables[1]["x"].isna().sum()
    flags = filled["x_na"].tolist() if None in train else tables[1]["x"].isna().tolist()
    assert flags == tables[1]["x"].isna().tolist()
    assert fitted.flag_columns == (["x_na"] if None in train else [])


def test_a_value_missing_only_later_is_filled_and_counted() -> None:
    fitted = FillMissing.fit(pd.DataFrame({"x": [1.0, 3.0, 5.0]}), ["x"])
    filled, counts = fitted.transform(pd.DataFrame({"x": [np.nan, np.inf, 2.0]}))
    assert filled["x"].tolist() == [3.0, 3.0, 2.0]
    assert counts == {"x": 2}
    assert list(filled.columns) == ["x"]


def test_columns_that_cannot_be_continuous_are_named() -> None:
    with pytest.raises(DataError, match="'x' has no value in any of the 2 training rows"):
        FillMissing.fit(pd.DataFrame({"x": [np.nan, np.nan]}), ["x"])
    with pytest.raises(DataError, match=r"'c' is to be continuous, but holds text values: \['a'\]"):
        FillMissing.fit(text(["a"]), ["c"])


# ------------------------------------------------------------------------------------------- normalize


@given(st.lists(st.floats(-1e6, 1e6), min_size=2))
def test_normalize_is_scikit_learns_scaler(values: list[float]) -> None:
    table = pd.DataFrame({"x": values})
    made = Normalize.fit(table, ["x"]).transform(table)
    assert made["x"].dtype == np.float32
    if np.std(values) > 1e-6 * max(1.0, abs(np.mean(values))):
        np.testing.assert_allclose(made["x"], StandardScaler().fit_transform(table)[:, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9, -3.7])
def test_a_constant_column_is_centred_not_divided_by_zero(constant: float) -> None:
    fitted = Normalize.fit(pd.DataFrame({"x": [constant] * 7}), ["x"])
    assert fitted.stds_ == {"x": 1.0}
    made = fitted.transform(pd.DataFrame({"x": [constant, constant + 2]}))["x"]
    np.testing.assert_allclose(made, [0, 2], atol=1e-6 * max(1, abs(constant)))


# -------------------------------------------------------------------------------------------- together


def random_table(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": pd.Categorical(rng.choice(["a", "b", "c", None], n)),
            "code": rng.choice([1.0, 2.0, np.nan], n),
            "x": np.where(rng.random(n) < 0.2, np.nan, rng.normal(5, 3, n)),
            "y": rng.normal(0, 1, n),
        }
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_no_row_depends_on_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fitted = Preprocessor.fit(random_table(rng, 50), ["kind", "code"], ["x", "y"])
    new = random_table(rng, 20)
    whole = fitted.transform(new)
    chosen = rng.permutation(20)[: rng.integers(1, 20)]
    part = fitted.transform(new.iloc[chosen])
    pd.testing.assert_frame_equal(part.table, whole.table.iloc[chosen])
    np.testing.assert_array_equal(part.n_filled, whole.n_filled[chosen])


def test_columns_order_and_dtypes_are_those_of_fit_whatever_comes() -> None:
    rng = np.random.default_rng(0)
    fitted = Preprocessor.fit(random_table(rng, 50), ["kind", "code"], ["x", "y"])
    expected = {"kind": "int32", "code": "int32", "x_na": "int32", "x": "float32", "y": "float32"}
    odd = pd.DataFrame({"y": [1], "extra": ["?"], "x": [True], "code": pd.Categorical(["2"]), "kind": [7]})
    for table in (random_table(rng, 5), odd):
        made = fitted.transform(table).table
        assert made.dtypes.astype(str).to_dict() == expected
        assert list(made.columns) == list(expected)


def test_the_state_survives_json_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    fitted = Preprocessor.fit(random_table(rng, 60), ["kind", "code"], ["x", "y"])
    again = Preprocessor.from_state(through_json(fitted.to_state()))
    new = random_table(rng, 30)
    pd.testing.assert_frame_equal(again.transform(new).table, fitted.transform(new).table, check_exact=True)
    assert again.to_state() == fitted.to_state()
    for kind in KINDS:
        target = TargetTransform.fit(kind, rng.lognormal(size=40))
        assert TargetTransform.from_state(through_json(target.to_state())) == target


KINDS: tuple[Transform, ...] = ("log", "log1p", "identity", "boxcox")


@pytest.mark.parametrize("kind", KINDS)
def test_a_transform_inverts_and_refuses_what_it_does_not_take(kind: Transform) -> None:
    taken = {"log": [], "boxcox": [], "log1p": [0.0, 0.0], "identity": [0.0, 0.0, -2.0, -5.5, -0.1]}[kind]
    values = np.array([0.01, 1.0, 2.0, 300.0, 41_551.0, *taken])
    target = TargetTransform.fit(kind, values)
    np.testing.assert_allclose(target.inverse(target.transform(values)), values, rtol=1e-5, atol=2e-3)
    np.testing.assert_allclose(target.inverse(target.scaled(values)), values, rtol=1e-9, atol=1e-9)
    assert target.scaled(values).max() == pytest.approx(target.max_)
    assert target.transform(values).dtype == np.float32
    refused = [v for v in (0.0, 0.0, -2.0, -5.5, -0.1, np.nan, np.inf) if v not in taken]
    with pytest.raises(DataError, match=rf"{len(refused)} of {len(refused) + 1} targets .*: {kind} does not take them"):
        TargetTransform.fit(kind, [1.0, *refused])


@pytest.mark.parametrize("kind", ["log1p", "boxcox"])
@pytest.mark.parametrize("power", [-1.0, 0.0, 0.4, 1.0])
def test_no_output_of_a_network_becomes_negative_or_endless(kind: Transform, power: float) -> None:
    rng = np.random.default_rng(3)
    y = rng.normal(0, 0.3, 5000)
    values = np.exp(y) if power == 0 else np.maximum(1 + power * y, 0.05) ** (1 / power)
    target = TargetTransform.fit(kind, values)
    made = target.inverse(np.array([-1e6, -50.0, 0.0, 1e6] if kind == "boxcox" else [-1e6, -50.0, 0.0]))
    assert (made >= 0).all()
    assert np.isfinite(made).all()
    if kind == "boxcox":
        assert made.max() == pytest.approx(10 * values.max())


def test_the_box_cox_power_against_scipy() -> None:
    from scipy import stats

    rng = np.random.default_rng(4)
    for values in (rng.lognormal(3, 1, 900), rng.gamma(3, 50, 900), rng.normal(100, 5, 900), 1 / rng.normal(9, 1, 900)):
        assert boxcox_power(values) == pytest.approx(
            stats.boxcox_normmax(values, brack=(-2, 2), method="mle"), abs=1e-3
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibrated_output_is_the_calibrated_target(kind: Transform) -> None:
    target = TargetTransform.fit(kind, [1.0, 5.0, 80.0])
    y = target.scaled([2.0, 60.0])
    np.testing.assert_allclose(target.inverse(target.calibrated(y, 0.9)), [1.8, 54.0])
    if kind == "identity":
        np.testing.assert_allclose(target.inverse(target.calibrated(y, 1.0, -3.0)), [-1.0, 57.0])


def test_the_state_of_a_stage_is_checked() -> None:
    state = through_json(step_state("normalize", Normalize({"x": 0.1}, {"x": 2.0})))
    assert step_from_state("normalize", state, "f") == Normalize({"x": 0.1}, {"x": 2.0})
    for wrong in ({}, [], {**state, "format_version": 2}, {**state, "stage": "categorify"}):
        with pytest.raises(BundleError, match=r"^f: "):
            step_from_state("normalize", wrong, "f")
