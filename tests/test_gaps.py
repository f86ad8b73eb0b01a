"""Values that are missing where training never missed any: told, and taken as what a network was trained for."""

from typing import Any

import pandas as pd

import tabcli
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
    assert "column promo: 20 of 120 values are missing, none were in training; taken as a value" in told
    assert "column kind: 20 of 120 values are missing" in told
    assert "table shops: 20 of 120 rows found no match: shop=3" in told
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
