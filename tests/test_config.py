"""Configs: every problem at once with its path, YAML 1.2 values, overrides and presets."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tabcli.config import loading, schema
from tabcli.config.schema import PRESETS, Config
from tabcli.config.values import Duration
from tabcli.config.yaml12 import parse_yaml
from tabcli.errors import ConfigError, nearest

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def problems(values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loading.parse(values)
    return caught.value.message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configs_load_and_survive_a_round_trip(path: Path) -> None:
    config = loading.load(path)
    assert loading.parse(config.dump()) == config
    assert loading.parse(parse_yaml(config.to_yaml(), source="s")) == config


def test_all_problems_come_at_once_each_with_its_path(config: dict[str, Any]) -> None:
    config["trian"] = {}
    config["train"]["epohcs"] = 3
    config["train"]["lr"] = -1
    config["features"]["events"]["Promo"]["window"] = "7 days"
    config["features"]["spans"]["MonthsOpen"]["unit"] = "years"
    config["joins"][0]["lagg"] = "1d"
    del config["series"]
    text = problems(config)
    assert text.startswith("config: 7 problems\n")
    assert "  trian: no such key; did you mean 'train'? (valid: " in text
    assert "  train.epohcs: no such key; did you mean 'epochs'?" in text
    assert "  train.lr: input should be greater than 0, not -1" in text
    assert (
        "  features.events.Promo.window: expected a number and a unit, like 48d, 8w, 168h or 3mo, not '7 days'" in text
    )
    assert "  features.spans.MonthsOpen.unit: input should be 'days', 'weeks' or 'months', not 'years'" in text
    assert "  joins[0].lagg: no such key; did you mean 'lag'?" in text
    assert "  series: missing, but required" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tables": {"past": {"file": "x.csv"}}, "joins": []}, "tables: no table is called train"),
        (
            {"joins": [{"table": "shop", "on": "shop"}]},
            "'shop' is not one of the other tables; did you mean 'shops'?",
        ),
        ({"joins": [{"table": "shops"}]}, "joins[0]: give `on`, `as_of` or both"),
        ({"categorical": ["shop", "visitors"]}, "categorical: 'visitors' is past only"),
        ({"categorical": ["shop", "shop"]}, "categorical: 'shop' is named twice"),
        ({"continuous": ["shop"]}, "continuous: 'shop' is categorical too"),
        ({"continuous": ["units"]}, "continuous: 'units' is the target"),
        ({"model": {"layers": [8, 4], "dropout": [0.1]}}, "model.dropout: 1 values for 2 layers"),
        (
            {"model": {"embedding_sizes": {"shp": 3}}},
            "embedding_sizes.shp: not categorical; did you mean 'shop'?",
        ),
        ({"model": {"output_range": [3, 1]}}, "expected [low, high] with low < high"),
        (
            {"availability": {"known_in_advance": ["promo"], "past_only": ["promo"]}},
            "availability.past_only: 'promo' is in known_in_advance too",
        ),
        (
            {"features": {"spans": {"s": {"since": {"year": "y"}, "unit": "days"}}}},
            "features.spans.s.since: expected date, or year and month, or year and week, not year",
        ),
        ({"series": ["shop", "units"]}, "target.column: 'units' is a series column too"),
        ({"format_version": 2}, "format_version 2; this tabcli reads format_version 1"),
        ({"format_version": None}, "no format_version"),
        ({"train": 3}, "train: input should be a valid dictionary"),
    ],
)
def test_each_contradiction_is_named(config: dict[str, Any], change: dict[str, Any], message: str) -> None:
    assert message in problems({**config, **change})


@pytest.mark.parametrize(
    ("base", "variant", "message"),
    [
        ({"target": {"column": "units", "transform": "log1p"}}, {"train": {"loss": "rmspe"}}, "train.loss: rmspe is"),
        ({}, {"train": {"loss": "pinball"}}, "train.loss: pinball goes with metric: pinball"),
        (
            {"target": {"column": "units", "transform": "identity"}},
            {"model": {"output_range": "auto"}},
            "model.output_range: auto is for",
        ),
        (
            {"model": {"layers": [8, 4, 2], "dropout": [0.1, 0.1, 0.1]}},
            {"model": {"layers": [8, 4]}},
            "model.dropout: 3",
        ),
        ({}, {"model": {"layers": [8], "dropout": [0.1, 0.2]}}, "model.dropout: 2 values for 1"),
        ({}, {"model": {"embedding_sizes": {"shp": 3}}}, "model.embedding_sizes.shp: not categorical"),
        ({}, {"train": {"keep": "last", "patience": 2}}, "train.patience: with keep: last all epochs are run"),
    ],
)
def test_variants_are_held_to_the_same_rules(
    config: dict[str, Any], base: dict[str, Any], variant: dict[str, Any], message: str
) -> None:
    """What the whole config may not have no member may have: each rule, once in the base and once in a variant."""
    loading.parse({**config, **base})
    assert f"variants[1].{message}" in problems({**config, **base, "variants": [{}, variant]})
    sections = {name: {**base.get(name, {}), **changes} for name, changes in variant.items()}
    found = problems({**config, **base, **sections, "variants": [{}, {}]})
    assert message in found
    assert f"].{message}" not in found


def test_infinite_and_nan_numbers_are_refused(config: dict[str, Any]) -> None:
    for value in (float("nan"), float("inf")):
        config["train"]["lr"] = value
        assert "train.lr: " in problems(config)


# ------------------------------------------------------------------------------------------------ YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("NI", "NI"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 0.001),
        ("2.5e1", 25.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("2013-01-01", "2013-01-01"),
        ("12:30", "12:30"),
        ("~", None),
        ("''", ""),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse_yaml(f"k: {text}", source="s")["k"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "s: line 3: the key 'a' stands already in line 1"),
        ("a: &x 1\nb: *x", "s: line 2: aliases (*name) are not allowed"),
        ("a: !!python/object/apply:os.system ['true']", "s: line 1: not valid YAML: could not determine a constructor"),
        ("a: [1", "s: line 1: not valid YAML"),
        ("a:\n\t- 1", "s: line 2: not valid YAML"),
        ("[" * 60, "s: line 1: nested too deeply"),
        ("a" * 1_000_001, "s: 1000001 characters are too many"),
        ("? [1, 2]\n: 3", "s: line 1: a key must be a plain word"),
    ],
)
def test_yaml_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, source="s")
    assert caught.value.message.startswith(message)


words = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)


@given(st.dictionaries(words, words, max_size=4))
def test_any_text_survives_our_yaml_and_means_the_same_to_other_readers(values: dict[str, str]) -> None:
    text = yaml.dump(values, Dumper=schema._Dumper, allow_unicode=True)
    assert parse_yaml(text, source="s") == values
    assert yaml.safe_load(text) == values


# ------------------------------------------------------------------------------ overrides and presets


def test_overrides_win_and_are_read_as_yaml(config: dict[str, Any]) -> None:
    overrides = ["train.epochs=9", "model.layers=[4, 2]", "train.lr=1e-4", "categorical=auto", "baseline=[]"]
    made = loading.load(config, [*overrides, "model.embedding_sizes.shop=2"])
    assert (made.train.epochs, made.model.layers, made.train.lr) == (9, (4, 2), 1e-4)
    assert (made.categorical, made.baseline) == ("auto", ())
    assert made.model.embedding_sizes == {"shop": 2}
    assert config["train"]["epochs"] == 3, "the caller's mapping is not changed"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "expected key.path=value"),
        ("=3", "expected key.path=value"),
        ("seed.x=3", "seed holds a single value, not keys"),
        ("train.epoch=3", "train.epoch: no such key; did you mean 'epochs'?"),
        ("train.epochs=[", "-S train.epochs=[: line 1: not valid YAML"),
    ],
)
def test_wrong_overrides(config: dict[str, Any], override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loading.load(config, [override])
    assert message in str(caught.value.message) + str(caught.value.hint)


def test_a_preset_gives_what_the_config_does_not_say(config: dict[str, Any]) -> None:
    config["train"] = {"epochs": 2}
    made = loading.parse({**config, "preset": "lesson6", "model": {}})
    assert made.train.epochs == 2
    assert made.model.layers == (1000, 500)
    assert made.train.lr == PRESETS["lesson6"]["train"]["lr"]


def test_another_preset_replaces_what_the_first_one_gave_in_a_resolved_config(config: dict[str, Any]) -> None:
    """A prep's own config is resolved; `-S preset=…` must still mean that preset."""
    config["train"], config["model"] = {"epochs": 2}, {}
    resolved = loading.parse(config)
    lesson = loading.load(resolved, ["preset=lesson6"])
    assert lesson == loading.parse({**config, "preset": "lesson6"})
    assert loading.load(lesson, ["preset=default"]) == resolved


# ----------------------------------------------------------------------------------------------- parts


@given(st.integers(0, 999_999), st.sampled_from("hdw"))
def test_durations_round_trip(count: int, unit: str) -> None:
    text = f"{count}{unit}"
    assert str(Duration.parse(text)) == text
    assert Duration.parse(text).seconds == count * {"h": 3600, "d": 86400, "w": 604800}[unit]


@pytest.mark.parametrize("text", ["", "d", "1", "-1d", "1.5d", "1m", "1 d", "9999999d", 7, None])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="expected a number and a unit"):
        Duration.parse(text)


def test_nearest_ignores_case_and_knows_when_nothing_is_near() -> None:
    assert nearest("STORE", ["Date", "Store"]) == "Store"
    assert nearest("xyz", ["Date", "Store"]) is None


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "rossmann.yaml").write_text("x")
    with pytest.raises(ConfigError, match="no such file") as caught:
        loading.load(tmp_path / "rosmann.yaml")
    assert "rossmann.yaml" in str(caught.value.hint)


def test_the_schema_knows_every_key() -> None:
    assert set(loading.json_schema()["properties"]) == set(Config.model_fields)


def test_a_key_that_was_taken_out_says_so() -> None:
    from tests.conftest import CONFIG

    with pytest.raises(ConfigError, match=r"train\.date_effect: no such key any more; .* take the key out"):
        loading.parse({**CONFIG, "train": {"date_effect": 0.5}})


def test_a_resolved_config_of_an_older_version_is_read_where_what_was_taken_out_was_off() -> None:
    from tests.conftest import CONFIG

    resolved = loading.parse(CONFIG).dump()
    older = {**resolved, "train": {**resolved["train"], "date_effect": 0.0}}
    assert loading.parse_resolved(older, source="config.json") == loading.parse(CONFIG)
    assert older["train"]["date_effect"] == 0.0
    with pytest.raises(ConfigError, match=r"train\.date_effect: no such key any more"):
        loading.parse_resolved({**older, "train": {"date_effect": 0.5}}, source="config.json")


def test_mixup_is_refused_where_rows_must_stay_apart_in_variants_too() -> None:
    from tests.conftest import CONFIG

    pinball = {"loss": "pinball", "quantile": 0.9}
    values = {**CONFIG, "train": {"mixup": 0.4}, "variants": [{}, {"train": pinball}]}
    with pytest.raises(ConfigError) as error:
        loading.parse(values)
    assert "variants[1].train.mixup: mixed rows have less noise" in error.value.message
    assert error.value.message.count("mixed rows") == 1
