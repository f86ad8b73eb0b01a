"""The law of what is known in advance, generated from the schema: one place decides it, and nothing gets past.

- Every key that is read on the days to forecast, on every kind of column that nobody knows there: refused, by its path.
- Whatever a forecaster could not know may change: every encoded row and every forecast stays the same.

`make test` draws a few cases of the second; `make laws` many.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, note
from hypothesis import strategies as st

import tabcli
from tabcli.artifacts.contents import Prepared
from tabcli.artifacts.encoded_names import ROW
from tabcli.config import loading
from tabcli.config.reads import AHEAD, Reads, mark_of
from tabcli.config.schema import Config
from tabcli.config.values import Section
from tabcli.errors import ConfigError
from tabcli.pipeline import prepare
from tabcli.training.inputs import history_of, make_inputs
from tests.conftest import examples

Tables = dict[str, pd.DataFrame]

N_SHOPS, N_DAYS = 3, 90
START = pd.Timestamp("2021-01-04")
DAY = pd.Timedelta(1, unit="D")


# ------------------------------------------------------------------------------------ keys of the schema


@dataclass(frozen=True)
class Key:
    """A key of the config that reads columns: the fields that lead to it, each with its section, and its mark."""

    fields: tuple[tuple[type[Section], str], ...]
    mark: Reads

    def __str__(self) -> str:
        return ".".join(name for _, name in self.fields)

    @property
    def holds(self) -> str:
        """What a column must hold to be read: dates, lists of months, or numbers."""
        return {"date": "dates", "text": "months"}.get(self.mark.kind or "number", "numbers")


def keys_of(section: type[Section], above: tuple[tuple[type[Section], str], ...] = ()) -> Iterator[Key]:
    """Every key of a section, and of those within it, that names columns."""
    for name, info in section.model_fields.items():
        here = (*above, (section, name))
        mark = mark_of(info)
        if mark is not None:
            yield Key(here, mark)
        else:
            for inner in sections_in(info.annotation):
                yield from keys_of(inner, here)


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from sections_in(inner)


ALL_KEYS = list(keys_of(Config))

KEYS = [key for key in ALL_KEYS if key.mark.use in AHEAD]
"""Those that are read on the days to forecast."""

NOT_AHEAD = {
    *("series", "date", "id", "target.column", "target.drop_where", "target.censored_where", "card.sensitive"),
    *("joins.on", "joins.as_of", "history.columns"),
    *("availability.known_in_advance", "availability.past_only", "availability.static", "forecast.rules"),
    *("model.without", "model.embedding_sizes"),
}
"""The keys that may name what is past only: of rows with a target, or what says so. So may those of files."""

GOOD = {"dates": "opened", "months": "rounds", "numbers": "grade"}
"""A column of each kind that is known in advance."""

WITH = {"year": {"month": "grade"}, "month": {"year": "grade"}, "week": {"year": "grade"}}
"""What a moment needs beside one of its keys."""

SIMPLE = {"first": -100, "last": 300}
"""Days from Easter: all."""


def setting(key: Key, column: str, name: str = "Made") -> dict[str, Any]:
    """The least config in which a key reads a column: all that its sections require, and no more."""
    value: Any = leaf(key, column)
    for (section, field_name), above in reversed([*pairwise(key.fields), (key.fields[-1], None)]):
        if above is not None:
            value = contained(section.model_fields[field_name].annotation, value, name)
        others = {n: least(n, f) for n, f in section.model_fields.items() if f.is_required() and n != field_name}
        beside = WITH.get(field_name, {}) if section.__name__ == "Moment" else {}
        value = {**(others if section is not Config else {}), **beside, field_name: value}
    return dict(value)


def leaf(key: Key, column: str) -> Any:
    annotation = str(key.fields[-1][0].model_fields[key.fields[-1][1]].annotation)
    return {column: 1} if annotation.startswith("dict") else [column] if "tuple" in annotation else column


def contained(annotation: Any, value: Any, name: str) -> Any:
    """A section's values within what holds it: a mapping by name, a list, or the section alone."""
    text = str(annotation)
    return {name: value} if text.startswith("dict") else [value] if text.startswith("tuple") else value


def least(name: str, info: Any) -> Any:
    """The simplest value of a required key."""
    mark = mark_of(info)
    if mark is not None:
        return GOOD[{"date": "dates", "text": "months"}.get(mark.kind or "number", "numbers")]
    if get_origin(info.annotation) is Literal:
        return get_args(info.annotation)[0]
    return {"date": "opened"} if list(sections_in(info.annotation)) else SIMPLE.get(name, 1)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two configs as one: mappings key by key, lists one after the other."""
    out = dict(one)
    for k, v in other.items():
        if isinstance(v, dict) and isinstance(out.get(k), dict):
            out[k] = merged(out[k], v)
        else:
            out[k] = [*out[k], *v] if isinstance(v, list) and isinstance(out.get(k), list) else v
    return out


# --------------------------------------------------------------------------------------------- a world


class World:
    """A config and its tables: some columns that are known in advance, and some that are not."""

    def __init__(self, horizon: int = 6, gap: int = 0) -> None:
        self.horizon, self.gap = horizon, gap
        rng = np.random.default_rng(0)
        days = pd.date_range(START, periods=N_DAYS + self.horizon, unit="us")
        rows = pd.MultiIndex.from_product([range(N_SHOPS), days], names=["shop", "day"]).to_frame(index=False)
        rows["grade"] = rows["day"].dt.day % 7 + 1
        rows["units"] = rng.integers(20, 90, len(rows)) * (rows["shop"] + 1)
        rows["visitors"] = rows["units"] // 3
        rows["visited"] = rows["day"] + pd.to_timedelta(rows["units"] % 5, unit="D")
        ahead = rows["day"] >= days[N_DAYS]
        facts = pd.DataFrame(
            {
                "shop": range(N_SHOPS),
                "opened": pd.to_datetime(["2019-03-01", "2020-11-15", "2021-02-10"]),
                "rounds": ["Jan,Mar", "2,3", "Apr"],
            }
        )
        self.tables: Tables = {
            "train": rows[~ahead].reset_index(drop=True),
            "future": rows[ahead].reset_index(drop=True),
            "facts": facts,
        }
        self.config: dict[str, Any] = {
            "format_version": 1,
            "tables": {name: {"file": f"{name}.csv"} for name in self.tables},
            "series": "shop",
            "date": "day",
            "target": {"column": "units"},
            "availability": {"known_in_advance": ["grade"], "past_only": []},
            "joins": [{"table": "facts", "on": "shop"}],
            "validation": {"last": f"{self.horizon}d", "gap": f"{self.gap}d"},
            "model": {"layers": [8]},
            "train": {"epochs": 1, "batch_size": 64, "keep": "last"},
            "calibration": {"metric": "none"},
        }

    def __repr__(self) -> str:
        return f"World(horizon={self.horizon}, gap={self.gap}, features={self.config.get('features')})"

    @property
    def cutoff(self) -> pd.Timestamp:
        """The last day of which a forecaster of the validation rows knows anything."""
        return START + (N_DAYS - self.horizon - self.gap - 1) * DAY

    @property
    def rows(self) -> pd.DataFrame:
        return pd.concat([self.tables["train"], self.tables["future"]], ignore_index=True)

    def join(self, name: str, table: pd.DataFrame, **join: Any) -> None:
        self.tables[name] = table
        self.config["tables"][name] = {"file": f"{name}.csv"}
        self.config["joins"].append({"table": name, **join})

    def past_key(self) -> str:
        """A key that is past only, with a table to join on it."""
        self.join("bands", pd.DataFrame({"visitors": range(100), "band": np.arange(100) // 10}), on="visitors")
        return "band"

    def secret(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns that nobody may read, one of each kind."""
        day = pd.Series(pd.date_range(START, periods=len(table), unit="us"), index=table.index)
        return table.assign(numbers=np.arange(len(table)) % 12 + 1, dates=day, months="Jan,Apr")


# ------------------------------------------------------------------------ ways not to be known in advance


def undeclared(world: World) -> None:
    world.tables["train"] = world.secret(world.tables["train"])


def also_in_the_future_table(world: World) -> None:
    """That a table has values for the days to forecast does not make them known."""
    undeclared(world)
    world.tables["future"] = world.secret(world.tables["future"])


def declared(world: World) -> None:
    undeclared(world)
    world.config["availability"]["past_only"] = ["numbers", "dates", "months"]


def as_of_too_late(world: World) -> None:
    """A lag that is one day shorter than it must be."""
    side = pd.DataFrame({"seen": pd.date_range(START - 60 * DAY, periods=N_DAYS, unit="us")})
    world.join("side", world.secret(side), as_of="seen", lag=f"{world.horizon + world.gap - 1}d")


def as_of_in_months(world: World) -> None:
    """A month that a short February makes shorter than horizon and gap."""
    world.gap = 29 - world.horizon
    world.config["validation"]["gap"] = f"{world.gap}d"
    side = pd.DataFrame({"seen": pd.date_range(START - 60 * DAY, periods=N_DAYS, unit="us")})
    world.join("side", world.secret(side), as_of="seen", lag="1mo")


def by_date(world: World) -> None:
    world.join("side", world.secret(world.rows[["day"]].drop_duplicates()), on="day")


def on_a_past_key(world: World) -> None:
    world.join("side", world.secret(pd.DataFrame({"visitors": range(100)})), on="visitors")


def on_a_past_date(world: World) -> None:
    """By a date, though not that of the rows."""
    world.join("side", world.secret(world.rows[["visited"]].drop_duplicates()), on="visited")


def by_date_and_a_past_key(world: World) -> None:
    keys = world.rows[["day", "visitors"]].drop_duplicates()
    world.join("side", world.secret(keys), on=["visitors", "day"], known_in_advance=True)


def as_of_and_a_past_key(world: World) -> None:
    side = pd.DataFrame({"visitors": range(100), "seen": START - 400 * DAY})
    world.join("side", world.secret(side), on="visitors", as_of="seen", lag="300d")


def after_a_past_key(world: World) -> None:
    """A join on what a join on a past-only key brought."""
    band = world.past_key()
    world.join("side", world.secret(pd.DataFrame({band: range(10)})), on=[band, "shop"][:1], known_in_advance=True)


def the_target(world: World) -> None:
    world.config["target"]["column"] = "numbers"
    world.tables["train"] = world.tables["train"].rename(columns={"units": "numbers"})


WAYS = [
    undeclared,
    also_in_the_future_table,
    declared,
    as_of_too_late,
    as_of_in_months,
    by_date,
    on_a_past_key,
    on_a_past_date,
    by_date_and_a_past_key,
    as_of_and_a_past_key,
    after_a_past_key,
    the_target,
]


def path_of(error: ConfigError, column: str) -> str:
    """The paths of a message's lines that name the column."""
    return " ".join(line.split(":")[0].strip() for line in error.message.splitlines() if repr(column) in line)


def test_every_key_is_held_to_the_law_but_these() -> None:
    files = {str(key) for key in ALL_KEYS if key.mark.use == "file"}
    assert all(key.startswith("tables.") for key in files)
    assert {str(key) for key in ALL_KEYS} - {str(key) for key in KEYS} - files == NOT_AHEAD


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_no_key_reads_on_the_days_to_forecast_what_nobody_knows_there(key: Key) -> None:
    for way in WAYS:
        column = key.holds
        if way is the_target and column != "numbers":
            continue
        world = World()
        way(world)
        with pytest.raises(ConfigError) as caught:
            prepare.fit(loading.parse(merged(world.config, setting(key, column))), world.tables)
        assert caught.value.exit_code == 3
        found = path_of(caught.value, column)
        parts = str(key).split(".")
        assert found.startswith(parts[0]), (way.__name__, caught.value.message)
        assert found.split(".")[-1].startswith(parts[-1]), (way.__name__, caught.value.message)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_every_key_reads_what_is_known_in_advance(key: Key) -> None:
    """The law would hold too if everything were refused."""
    world = World()
    chosen = merged({"categorical": ["shop"], "continuous": [], **world.config}, setting(key, GOOD[key.holds]))
    world.tables["train"]["grade"] = 6  # a year, a month, a week, and a category
    prepared = prepare.fit(loading.parse(chosen), world.tables)
    assert len(prepared.tables["train"])


@pytest.mark.parametrize("lag", ["9d", "10d", "1mo"])
def test_a_lag_as_long_as_horizon_and_gap_is_known_in_advance(lag: str) -> None:
    world = World(gap=4)
    side = pd.DataFrame({"seen": pd.date_range(START - 60 * DAY, periods=N_DAYS, unit="us")})
    world.join("side", world.secret(side), as_of="seen", lag=lag)
    chosen = loading.parse({**world.config, "categorical": ["numbers"], "continuous": []})
    if lag == "9d":
        with pytest.raises(ConfigError):
            prepare.fit(chosen, world.tables)
    else:
        assert prepare.fit(chosen, world.tables).fitted.preprocessor.categorical == ["numbers"]


# ---------------------------------------------------------------- what nobody can know changes nothing


def rich(world: World) -> None:
    """All kinds of joins, known in advance and not."""
    rng = np.random.default_rng(1)
    moments = pd.date_range(START - 60 * DAY, periods=N_DAYS + 60 + world.horizon, unit="us")
    n = len(moments)
    world.join(
        "index",
        pd.DataFrame({"seen": moments, "interest": rng.integers(0, 40, n)}),
        as_of="seen",
        lag=f"{world.horizon + world.gap}d",
    )
    world.join("news", pd.DataFrame({"told": moments, "buzz": rng.random(n)}), as_of="told")
    world.join("weather", pd.DataFrame({"day": moments, "sun": rng.random(n)}), on="day")
    prices = world.rows[["shop", "day"]]
    world.join("prices", prices.assign(price=rng.random(len(prices))), on=["shop", "day"], known_in_advance=True)
    world.past_key()
    world.config["history"] = {
        "windows": ["14d", "7d"],
        "base": "7d",
        "effects": ["grade"],
        "columns": ["visitors", "buzz", "sun"],
    }


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world whose config has some of the schema's features, each on a column that is known in advance."""
    world = World(horizon=draw(st.integers(2, 8)), gap=draw(st.integers(0, 5)))
    rich(world)
    features = [key for key in KEYS if str(key).startswith("features")]
    for i, key in enumerate(draw(st.lists(st.sampled_from(features), max_size=4, unique_by=str))):
        column = "day" if key.mark.kind == "date" and draw(st.booleans()) else GOOD[key.holds]
        part = setting(key, column, f"Made{i}_")
        if "date_parts" in part["features"]:
            part["features"]["date_parts"][0]["prefix"] = f"Made{i}_"
        world.config = merged(world.config, part)
    world.config |= {"max_card": draw(st.sampled_from([3, 8, 100])), "baseline": ["shop", "grade"]}
    world.config["target"]["transform"] = draw(st.sampled_from(["log", "log1p", "identity"]))
    world.config["model"]["history"] = draw(st.sampled_from(["side", "base"]))
    return world


def changed(world: World, cutoff: pd.Timestamp, seed: int) -> Tables:
    """The tables with other values wherever nobody could know them on the cutoff: also in the future table."""
    rng = np.random.default_rng(seed)

    def other(values: "pd.Series[Any]") -> Any:
        if values.dtype.kind == "M":
            return values + pd.to_timedelta(rng.integers(1, 9, len(values)), unit="D")
        return values * 2 + rng.integers(1, 50, len(values))

    tables = copy.deepcopy(world.tables)
    secret = {
        "train": ("day", ["units", "visitors", "visited"]),
        "future": ("day", ["units", "visitors", "visited"]),
        "index": ("seen", ["interest"]),
        "news": ("told", ["buzz"]),
        "weather": ("day", ["sun"]),
    }
    for name, (date, columns) in secret.items():
        late = tables[name][date] > cutoff
        for column in columns:
            values = tables[name][column]
            tables[name][column] = values.mask(late, other(values).astype(values.dtype))
    if rng.random() < 0.5:  # what comes later may also lack values, and so be of another kind
        tables["train"]["visitors"] = tables["train"]["visitors"].mask(tables["train"]["day"] > cutoff + DAY)
    if rng.random() < 0.5:  # or may not have been written yet
        tables["news"] = tables["news"][tables["news"]["told"] <= cutoff]
    return tables


def encoded(prepared: Prepared, part: str) -> pd.DataFrame:
    """The columns of a part that are no target, in the order of the rows' keys."""
    table = prepared.tables[part].sort_values([ROW + "shop", ROW + "day"], ignore_index=True)
    return table.drop(columns=["y", ROW + "units"], errors="ignore")


@examples(15)
@given(world=worlds(), seed=st.integers(0, 2**16))
def test_what_nobody_can_know_changes_no_encoded_row_and_nothing_that_a_network_is_asked(
    world: World, seed: int
) -> None:
    """Of the validation rows nobody knows, on the cutoff, a target, what is past only, nor what is written later."""
    config = loading.parse(world.config)
    note(config.to_yaml())
    one = prepare.fit(config, world.tables)
    two = prepare.fit(config, changed(world, world.cutoff, seed))
    assert {"buzz", "sun", "band", "visitors", "visited"}.isdisjoint(one.fitted.preprocessor.categorical)
    assert {"interest", "price"} <= {*one.fitted.preprocessor.categorical, *one.fitted.preprocessor.continuous}
    pd.testing.assert_frame_equal(one.tables["train"], two.tables["train"])
    for part in {*one.tables} - {"train", "future"}:
        pd.testing.assert_frame_equal(encoded(one, part), encoded(two, part))
    assert one.fitted.preprocessor.to_state() == two.fitted.preprocessor.to_state()
    assert one.fitted.target == two.fitted.target
    asked = [make_inputs(p, config, 0, history_of(p)) for p in (one, two)]
    assert asked[0].spec == asked[1].spec
    for name in ("x_cat", "x_cont", "base"):
        rows = [getattr(a.valid, name) for a in asked]
        assert torch.equal(*rows), name
    assert torch.equal(asked[0].train.y, asked[1].train.y)


@examples(10)
@given(seed=st.integers(0, 2**16))
def test_what_nobody_can_know_changes_no_forecast(seed: int, forecasts: dict[str, Any]) -> None:
    """A forecast is made at the end of the train table: what the tables say of later days is unknown."""
    end = START + (N_DAYS - 1) * DAY
    made = tabcli.predict(forecasts["run"], data=changed(forecasts["world"], end, seed)).table
    pd.testing.assert_frame_equal(made, forecasts["made"])


@pytest.fixture(scope="module")
def forecasts() -> dict[str, Any]:
    """A network that was trained on all kinds of features and joins, and what it forecasts."""
    world = World(gap=2)
    rich(world)
    for i, key in enumerate(k for k in KEYS if str(k).startswith("features") and "since" not in str(k)):
        part = setting(key, GOOD[key.holds], f"Made{i}_")
        if "date_parts" in part["features"]:
            part["features"]["date_parts"][0]["prefix"] = f"Made{i}_"
        world.config = merged(world.config, part)
    run = tabcli.train(tabcli.prep(world.config, data=world.tables))
    return {"world": world, "run": run, "made": tabcli.predict(run, data=world.tables).table}
