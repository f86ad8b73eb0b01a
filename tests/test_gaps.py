"""Values that are missing where training never missed any: told, and taken as what a network was trained for."""

from typing import Any

import pandas as pd
import pytest

import tabcli
from tabcli.errors import DataError
from tabcli.pipeline.apply import apply
from tabcli.preprocessing.categorical import UNKNOWN
from tests.conftest import make_tables


def test_gaps_that_training_never_had_are_told_and_are_unknown(config: dict[str, Any]) -> None:
    """No network learned anything of the missing code of a column without gaps: it stays what it was at random."""
    tables = make_tables()
    tables["shops"]["kind"] = tables["shops"]["kind"].fillna("y")
    run = tabcli.train(tabcli.prep(config, tables), overrides=["train.epochs=1", "calibration.windows=0"])
    plain = tabcli.predict(run, tables)
    assert not any("missing" in w and "promo" in w for w in plain.warnings)
    ahead, gap = tables["future"], tables["future"]["shop"] == 2
    holes = {
        **tables,
        "future": ahead.assign(promo=ahead["promo"].where(~gap)),
        "shops": tables["shops"][tables["shops"]["shop"] != 3],
    }
    made = tabcli.predict(run, holes)
    told = "\n".join(made.warnings)
    assert "columns promo, kind, each: 17 of 102 values are missing, none were in training; taken as a value" in told
    assert "table shops: 17 of 102 rows found no match: shop=3" in told
    encoded = apply(run.run.fitted, holes).encoded.table
    assert (encoded.loc[gap.to_numpy(), "promo"] == UNKNOWN).all()
    assert (encoded[["promo", "kind"]] >= UNKNOWN).all().all()
    unknown = {**tables, "future": ahead.assign(promo=ahead["promo"].where(~gap, 7))}
    rows = gap.to_numpy()
    events = [c for c in encoded.columns if not c.endswith("Promo") and "Promo_" not in c]
    other = apply(run.run.fitted, unknown).encoded.table
    pd.testing.assert_frame_equal(encoded.loc[rows, events], other.loc[rows, events])


def test_a_gap_that_training_had_keeps_its_own_code(config: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
    prepared = tabcli.prep(config, tables).prepared
    assert "kind" in prepared.fitted.preprocessor.categorify.with_missing_
    assert (prepared.tables["valid"].loc[prepared.tables["valid"]["row.shop"] == 3, "kind"] == 0).all()


def test_numbers_far_from_those_of_training_are_told_and_end_in_no_broken_run(
    config: dict[str, Any], tables: dict[str, pd.DataFrame]
) -> None:
    """A size of 1e300 was "the model gives no finite forecast", a fault of the run; one of 1e6 gave any forecast."""
    run = tabcli.train(tabcli.prep(config, tables), overrides=["train.epochs=1", "calibration.windows=0"])
    assert not any("far from" in w for w in tabcli.predict(run, tables).warnings)
    shops = tables["shops"]

    def with_size(value: float) -> dict[str, pd.DataFrame]:
        return {**tables, "shops": shops.assign(size=shops["size"].where(shops["shop"] != 5, value))}

    for near in (9.0, 100.0):
        assert not any("far from" in w for w in tabcli.predict(run, with_size(near)).warnings)
    for value in (900.0, -200.0):
        told = tabcli.predict(run, with_size(value)).warnings
        assert f"column size: 17 of 102 values lie far from the 10 … 60 that prep saw, such as {value:g}: " in str(told)
    with pytest.raises(DataError, match=r"for 17 of 120 rows; column size: 1e\+300, where prep saw 10 … 60") as error:
        tabcli.predict(run, with_size(1e300))
    assert error.value.hint == "correct these values, or leave them empty"
