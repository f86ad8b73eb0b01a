"""A plan → a commented config: whatever the folder, the text is a config that says what the plan says, and why."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config.loading import parse
from tabcli.config.schema import ONE_SERIES
from tabcli.config.yaml12 import inline_yaml, parse_yaml
from tabcli.onboarding.config_writer import BATCHES, reasons, write_config
from tabcli.onboarding.discovery import discover
from tabcli.onboarding.findings import InitHints
from tabcli.onboarding.plan import Draft, plan
from tests.conftest import examples, make_tables, write_folder


def daily(**names: str) -> dict[str, pd.DataFrame]:
    tables = make_tables()
    return {name: table.rename(columns=names) for name, table in tables.items()}


def months() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    dates = pd.date_range("2015-01-01", periods=80, freq="MS", unit="us")
    rows = pd.MultiIndex.from_product([["N", "S"], dates], names=["region", "month"]).to_frame(index=False)
    return {"train": rows.assign(orders=rng.integers(50, 90, len(rows)))}


def hours() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    moments = pd.date_range("2024-01-01", periods=24 * 40, freq="h", unit="us")
    rows = pd.DataFrame({"at": moments, "rentals": rng.poisson(4, len(moments))})
    return {"train": rows.assign(rain=rng.integers(0, 2, len(rows)))}


FOLDERS: dict[str, tuple[dict[str, pd.DataFrame], InitHints]] = {
    "days": (daily(), InitHints(target="units")),
    "awkward names": (
        daily(units="Umsatz: brutto", promo="#promo", kind="yes", size="null", visitors="a, b", shop="Läden"),
        InitHints(target="Umsatz: brutto"),
    ),
    "days without a future": ({k: t for k, t in daily().items() if k != "future"}, InitHints("units", horizon="3w")),
    "months": (months(), InitHints(target="orders", horizon="6mo")),
    "hours": (hours(), InitHints(target="rentals", horizon="2d")),
}
FOLDERS["days without a future"] = (FOLDERS["days without a future"][0], InitHints(target="units", horizon="3w"))


@pytest.fixture(scope="module", params=FOLDERS)
def draft(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Draft:
    tables, hints = FOLDERS[request.param]
    folder: Path = tmp_path_factory.mktemp("folder") / "data"
    folder.mkdir()
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return plan(discover(folder, hints))


def values_of(draft: Draft) -> dict[str, Any]:
    return dict(parse_yaml(write_config(draft, "data"), source="the draft"))


def test_the_text_is_a_valid_config_that_says_what_was_found(draft: Draft) -> None:
    config, found = parse(values_of(draft)), draft.found
    assert (config.target.column, config.date, config.series) == (
        found.target,
        found.date,
        found.series or (ONE_SERIES,),
    )
    assert (config.id, config.metric) == (found.id, draft.scale.metric)
    assert config.target.transform == draft.scale.target["transform"]
    roles = config.availability
    assert [*roles.known_in_advance] == found.known
    assert [*roles.past_only] == found.past_only
    assert [*roles.static] == found.static
    assert [join.table for join in config.joins] == [guess.source.name for guess in found.joins]
    assert set(config.tables) == {"train", *(["future"] if found.future else []), *(j.table for j in config.joins)}
    for name, table in config.tables.items():
        assert table.file.removesuffix(".csv") in (name, "train", "future")
    assert set(config.features.events) == set(draft.events)
    assert set(config.features.spans) == set(draft.spans)
    assert [*config.categorical] == [*draft.categorical]
    assert [*config.continuous] == [*draft.continuous]


def test_nothing_past_only_and_nothing_left_out_is_an_input(draft: Draft) -> None:
    config = parse(values_of(draft))
    inputs = {*config.categorical, *config.continuous}
    assert inputs
    assert not inputs & {config.target.column, config.date, *draft.found.past_only, *draft.left_out}
    assert len(inputs) == len(config.categorical) + len(config.continuous)


def test_every_reason_and_what_is_no_input_are_comments(draft: Draft) -> None:
    lines = write_config(draft, "data").splitlines()
    for reason in reasons(draft):
        assert f"#   {reason}" in lines
    for name in draft.left_out:
        assert any(line.startswith("#   ") and name in line for line in lines)
    assert lines[0].startswith("# Written by `tabcli init data`")


def test_comments_change_nothing(draft: Draft) -> None:
    text = write_config(draft, "data")
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert parse_yaml(bare, source="bare") == values_of(draft)


def test_keys_stand_once_and_in_the_order_of_a_readers_questions(draft: Draft) -> None:
    keys = [line.split(":")[0] for line in write_config(draft, "data").splitlines() if line[:1].isalpha()]
    assert len(keys) == len(set(keys))
    order = ["format_version", "tables", "series", "date", "target", "features", "history", "categorical", "train"]
    places = [keys.index(key) for key in order]
    assert all(a < b for a, b in itertools.pairwise(places))


def test_the_training_makes_about_as_many_steps_as_it_says(draft: Draft) -> None:
    config, n = parse(values_of(draft)), len(draft.found.rows)
    assert config.train.batch_size == next(size for below, size in BATCHES if n < below)
    steps = config.train.epochs * max(1, n // config.train.batch_size)
    line = next(line for line in write_config(draft, "data").splitlines() if line.startswith("train:"))
    assert f"about {steps:,} steps" in line
    assert 1500 <= steps <= 9000


def test_columns_that_are_text_in_one_of_two_tables_are_read_as_text_in_both(tmp_path: Path) -> None:
    tables = make_tables()  # "0" and "a" in the past, "0" alone in the future
    made = values_of(plan(discover(write_folder(tmp_path / "data", tables), InitHints(target="units"))))
    assert made["tables"]["train"]["dtypes"] == {"holiday": "str"}
    assert made["tables"]["future"]["dtypes"] == {"holiday": "str"}


def test_gaps_and_series_that_end_early_are_told(tmp_path: Path) -> None:
    table = make_tables()["train"]
    gone = (table["shop"] == 2) & (table["day"] > "2021-04-01")
    holes = (table["shop"] == 3) & (table["day"].dt.day % 4 == 0)
    kept = table[~gone & ~holes]
    kept.to_csv(tmp_path / "sales.csv", index=False)
    told = "\n".join(reasons(plan(discover(tmp_path, InitHints(target="units", horizon="2w")))))
    assert "1 of 6 series end before the others, the first on 2021-04-01" in told
    last = kept["day"].max()
    steps = [pd.date_range(first, last) for first in kept.groupby("shop")["day"].min()]
    n_steps = sum(map(len, steps))
    assert f"no row in {n_steps - len(kept)} of {n_steps:,} steps" in told


@examples(100)
@given(st.text(max_size=12), st.text(max_size=12))
def test_any_names_are_written_in_one_line_and_read_back(name: str, other: str) -> None:
    for value in (name, [name, other], {name: other}, {name: {other: [name]}}):
        text = inline_yaml(value)
        assert len(text.splitlines()) == 1
        assert parse_yaml(text, source="s") == value
