"""Texts as numbers and dates: what is read is what was written, in every convention, or it stays text."""

from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabcli.config.data import Table
from tabcli.errors import DataError
from tabcli.tables.kinds import kind_of
from tabcli.tables.moments import to_dates
from tabcli.tables.texts import Numerals, decimal_comma, infer, to_numbers

STYLES = [Numerals(), Numerals(","), Numerals(",", "."), Numerals(".", ","), Numerals(".", "'"), Numerals(",", " ")]


def texts(*values: str | None) -> Any:
    return pd.Series(
        pd.Categorical(values, categories=list(dict.fromkeys(v for v in values if v is not None))), name="c"
    )


def written(value: Decimal, style: Numerals) -> str:
    """1234.5 as that convention writes it."""
    plain = f"{value:,f}" if style.thousands else f"{value:f}"
    return plain.translate(str.maketrans({",": style.thousands or "", ".": style.decimal}))


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.decimals(-(10**9), 10**9, places=3, allow_nan=False), min_size=1, max_size=6),
    style=st.sampled_from(STYLES),
)
def test_numbers_of_every_convention_are_read_as_they_were_written(values: list[Decimal], style: Numerals) -> None:
    column = texts(*(written(v, style) for v in values))
    made = to_numbers(column, "t", numerals=style, exact=False)
    np.testing.assert_array_equal(made.to_numpy("float64"), [float(v) for v in values])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.text("0123456789.,+-eE ' NA", max_size=7), min_size=1, max_size=4))
def test_what_is_taken_for_numbers_unasked_is_beyond_doubt(values: list[str]) -> None:
    """Every number equals its text as exact decimals; whatever Python reads as no number leaves the column text."""
    made = infer(texts(*values), Table(file=""))
    if kind_of(made) == "text":
        return
    for text, number in zip(values, made, strict=True):
        if text in ("", "NA"):
            assert np.isnan(number)
            continue
        try:
            expected = Decimal(text.strip())
        except InvalidOperation:
            pytest.fail(f"{text!r} was read as {number}")
        assert float(expected) == number
        assert not (text.strip().lstrip("+-").isdigit() and text.strip().lstrip("+-").startswith("0") and expected != 0)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("1", "2"), "int"),
        (("1", None), "float"),
        (("1", "NA"), "float"),
        (("1.5", "inf", "-.5", "5."), "float"),
        (("1e+300", "1e-9", "1.5E3"), "float"),
        (("1E3", "2"), "text"),
        (("01", "2"), "text"),
        (("0", "00"), "text"),
        (("0", "0.5"), "float"),
        (("9007199254740993", "1"), "int"),
        (("9007199254740993", "1.5"), "text"),
        (("12345678901234567890", "1"), "text"),
        (("1.234", "12"), "text"),
        (("1.234", "1.5"), "float"),
        (("0.125", "12"), "float"),
        (("1.234", "1000"), "float"),
        (("1,5", "2"), "text"),
        (("1 000", "2"), "text"),
        (("0x1A", "1"), "text"),
        (("NA", ""), "text"),
        (("", None), "float"),
        (("true", "False"), "bool"),
        (("true", "NA"), "float"),
        (("2020-01-31", "2020-02-01 10:00"), "date"),
        (("2020-01-31", "2020-02-31"), "text"),
        (("2020-01-31T00:00:00Z",), "text"),
        (("31.01.2020",), "text"),
        (("10:00",), "text"),
    ],
)
def test_what_a_column_is_taken_for(values: tuple[str | None, ...], kind: str) -> None:
    made = infer(texts(*values), Table(file=""))
    assert kind_of(made) == kind
    if kind == "text":
        assert made.dropna().tolist() == [v for v in values if v]


def test_a_space_between_thousands_may_be_one_that_does_not_break() -> None:
    column = texts("1\u202f234,5", "1 234", "2\u00a0000")
    made = to_numbers(column, "t", numerals=Numerals(",", " "))
    assert made.tolist() == [1234.5, 1234.0, 2000.0]


@pytest.mark.parametrize("text", ["0 345", "012 345", "0\u202f345"])
def test_leading_zeros_before_a_space_are_not_lost(text: str) -> None:
    spec = Table(file="", thousands=" ")
    assert kind_of(infer(texts(text, "1 234"), spec)) == "text"
    assert kind_of(infer(texts("0", "1 234"), spec)) == "int"
    with pytest.raises(DataError, match="1 of 2 rows hold no number"):
        to_numbers(texts(text, "1 234"), "t", numerals=Numerals(".", " "))


def test_lists_of_months_are_not_taken_for_decimal_commas() -> None:
    assert decimal_comma(texts("1,7", "4,10")) is None
    assert decimal_comma(texts("1,7", "4,13")) == Numerals(",")
    assert decimal_comma(texts("1.234,5")) == Numerals(",", ".")
    assert decimal_comma(texts("1 234,5", "0,5")) == Numerals(",", " ")
    assert decimal_comma(texts("1\u2019234,5")) == Numerals(",", "'")
    assert decimal_comma(texts("a,b")) is None


@pytest.mark.parametrize(
    ("values", "spec", "expected"),
    [
        (("31.12.2020", "2021-01-02"), {"day_first": True}, ["2020-12-31", "2021-01-02"]),
        (("12/31/2020 7:05", "1/2/2021"), {"day_first": False}, ["2020-12-31 07:05", "2021-01-02"]),
        (("2020-07-01T00:30:00+02:00", None), {"timezone": "Europe/Berlin"}, ["2020-07-01 00:30", None]),
        (("2020-06-30T22:30:00Z", "NA"), {"timezone": "Europe/Berlin"}, ["2020-07-01 00:30", None]),
        (("2020-07", "2020-08"), {}, ["2020-07-01", "2020-08-01"]),
        (("310720", "010820"), {"date_format": "%d%m%y"}, ["2020-07-31", "2020-08-01"]),
    ],
)
def test_dates(values: tuple[str | None, ...], spec: dict[str, Any], expected: list[str | None]) -> None:
    made = to_dates(texts(*values), Table(file="", **spec), "t")
    pd.testing.assert_series_equal(
        made, pd.Series(pd.to_datetime(expected, format="ISO8601"), name="c").astype(made.dtype)
    )


def test_a_date_in_another_order_than_the_table_says_is_refused() -> None:
    for value, spec in (
        ("31.12.2020", {"day_first": False}),
        ("12/31/2020", {"day_first": True}),
        ("2020-31-12", {}),
        ("31.12.20", {"day_first": True}),
    ):
        with pytest.raises(DataError, match="in row 2"):
            to_dates(texts("2020-01-01", value), Table(file="", **spec), "t")
