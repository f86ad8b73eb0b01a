"""What training draws of the known calendar: the same inputs as if the table had been made with so many steps left."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tabcli
from tabcli.artifacts.contents import ROW, Prepared
from tabcli.features.events import SortedRows, event_features, forward_names
from tabcli.preprocessing.continuous import FLAG_SUFFIX
from tabcli.tables.rows import seconds_of
from tabcli.training.outlook import OutlookInputs
from tests.conftest import CONFIG, make_tables

NAMES = ["BeforePromo", "Promo_fw", "BeforeClosed", "Closed_fw"]


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    config: dict[str, Any] = {
        **CONFIG,
        "categorical": ["shop", "Promo_fw", "Closed_fw"],
        "continuous": ["size", "BeforePromo", "BeforeClosed"],
    }
    return tabcli.prep(config, make_tables()).prepared


@pytest.fixture(scope="module")
def roles(prepared: Prepared) -> tuple[list[str], list[str]]:
    return prepared.fitted.preprocessor.inputs()


@pytest.fixture(scope="module")
def outlook(prepared: Prepared, roles: tuple[list[str], list[str]]) -> OutlookInputs:
    made = OutlookInputs.of(prepared.tables["train"], prepared.fitted, *roles)
    assert made is not None
    return made


def expected(prepared: Prepared, steps_left: np.ndarray) -> dict[str, np.ndarray]:
    """The forward columns made anew by the features themselves, and encoded by the fitted steps."""
    table, fitted = prepared.tables["train"], prepared.fitted
    ordered = SortedRows.of(table[ROW + "series"].to_numpy("int64"), seconds_of(table[ROW + "day"]))
    columns: dict[str, np.ndarray] = {}
    for name, event in fitted.config.features.events.items():
        columns |= event_features(ordered, fitted.calendar.moments[name], event, name, fitted.frequency, steps_left)
    steps, found = fitted.preprocessor, {}
    for name in NAMES:
        values = pd.Series(columns[name].astype("float64"), name=name)
        if name in steps.continuous:
            filled, missing = steps.fill_missing.filled(values, name)
            found[name] = steps.normalize.scaled(filled, name)
            if name + FLAG_SUFFIX in steps.categorical:
                found[name + FLAG_SUFFIX] = steps.categorify.codes(pd.Series(missing), name + FLAG_SUFFIX)
        else:
            found[name] = steps.categorify.codes(values, name)
    return found


def written(
    outlook: OutlookInputs, roles: tuple[list[str], list[str]], steps_left: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of all rows with so many steps left; −9 where nothing was written."""
    categorical, continuous = roles
    n = len(outlook.rows)
    cat, cont = torch.full((n, len(categorical)), -9, dtype=torch.int32), torch.full((n, len(continuous)), -9.0)
    outlook.write(cat, cont, steps_left)
    return cat, cont


@pytest.mark.parametrize("left", [0, 1, 3, 7, 40, "drawn"])
def test_inputs_are_those_of_a_table_made_with_so_many_steps_left(
    prepared: Prepared, roles: tuple[list[str], list[str]], outlook: OutlookInputs, left: Any
) -> None:
    n = len(outlook.rows)
    steps = np.random.default_rng(0).integers(0, 25, n) if left == "drawn" else np.full(n, left)
    cat, cont = written(outlook, roles, steps)
    wanted = expected(prepared, steps)
    for i, name in enumerate(roles[0]):
        if name in wanted:
            np.testing.assert_array_equal(cat[:, i].numpy(), wanted[name], err_msg=name)
        else:
            assert (cat[:, i] == -9).all(), "only what looks ahead is written"
    for i, name in enumerate(roles[1]):
        if name in wanted:
            np.testing.assert_array_equal(cont[:, i].numpy(), wanted[name], err_msg=name)
        else:
            assert (cont[:, i] == -9).all()
    assert {*wanted} >= {*NAMES}


def test_the_fewer_steps_are_left_the_more_is_not_known(
    roles: tuple[list[str], list[str]], outlook: OutlookInputs
) -> None:
    flag = roles[0].index("BeforePromo" + FLAG_SUFFIX)
    n = len(outlook.rows)
    codes = [written(outlook, roles, np.full(n, left))[0][:, flag] for left in (40, 5, 0)]
    missing = codes[-1].max()
    shares = [float((c == missing).float().mean()) for c in codes]
    assert shares[0] < shares[1] < shares[2]


def test_inputs_of_some_rows_are_those_of_all(roles: tuple[list[str], list[str]], outlook: OutlookInputs) -> None:
    some = np.array([5, 0, 99, 5])
    steps = np.arange(len(outlook.rows)) % 9
    cat, cont = written(outlook, roles, steps)
    for part, index in ((outlook.take(some), None), (outlook, some)):
        of_cat, of_cont = torch.full((4, cat.shape[1]), -9, dtype=torch.int32), torch.full((4, cont.shape[1]), -9.0)
        part.write(of_cat, of_cont, steps[some], index)
        assert (of_cat == cat[some]).all()
        assert (of_cont == cont[some]).all()


def test_without_inputs_that_look_ahead_there_is_nothing_to_write(prepared: Prepared) -> None:
    assert OutlookInputs.of(prepared.tables["train"], prepared.fitted, ["shop"], ["size"]) is None
    assert forward_names("X") == ["BeforeX", "X_fw", "X_next"]
