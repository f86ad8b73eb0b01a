"""What is wrong with a config beyond the types of its keys: each rule broken alone, each misspelt key at its place."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tabcli.config import loading
from tabcli.config.checks import cross_problems
from tabcli.config.schema import Config
from tabcli.errors import ConfigError
from tests.conftest import CONFIG

FULL: dict[str, Any] = {
    **CONFIG,
    "joins": [{"table": "shops", "on": "shop", "max_age": "9d"}],
    "history": {"windows": ["28d"], "base": "28d"},
    "variants": [{"model": {"layers": [4]}}],
    "tune": {"space": {"train.lr": {"low": 0.1, "high": 0.2}, "model.layers": {"choices": [[4], [8]]}}},
    "forecast": {**CONFIG["forecast"], "rules": {"promo": {"holidays": {"country": "DE"}}, "open": {"repeat": "1w"}}},
}


def with_values(changes: dict[str, Any], values: dict[str, Any] = CONFIG) -> dict[str, Any]:
    """The config with other values at paths such as `train.loss`."""
    made = {k: dict(v) if isinstance(v, dict) else v for k, v in values.items()}
    for path, value in changes.items():
        first, _, rest = path.partition(".")
        if rest:
            made[first] = {**made.get(first, {}), rest: value}
        else:
            made[first] = value
    return made


def found(changes: dict[str, Any]) -> list[str]:
    return cross_problems(Config.model_validate(with_values(changes)))


def test_a_config_that_breaks_no_rule_has_no_problem() -> None:
    assert found({}) == []
    assert cross_problems(Config.model_validate(FULL)) == []


TWO_MOMENTS = "expected date, or year and month, or year and week, not"
RANGE = "model.output_range: auto is for transform: log or log1p, not for identity; give [low, high]"


NO_FEATURES = {"features.date_parts": [], "categorical": [], "baseline": []}
QUANTILE = {"train.loss": "pinball", "train.quantile": 0.9, "metric": "pinball", "calibration": {"metric": "none"}}


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"tables": {**CONFIG["tables"], "x": {"file": "x.csv", "thousands": "."}}}, ["tables.x.thousands: '.' is"]),
        (
            {"target": {"column": "day"}, "features.date_parts": [], "categorical": ["shop"], "baseline": []},
            ["target.column: 'day' is the date too"],
        ),
        (
            {"joins": [{"table": "future", "on": "shop"}]},
            ["joins[0].table: 'future' is not one of the other tables (there are: shops)"],
        ),
        (
            {"features.events": {"E": {"where": {"promo": 1}, "window": "1mo", "cap": "30d"}}, "categorical": ["shop"]},
            ["features.events.E: window and cap must both be months, or neither"],
        ),
        (
            {"features.spans": {"S": {"since": {"date": "d", "year": "y"}, "unit": "days"}}},
            [f"features.spans.S.since: {TWO_MOMENTS} date, year"],
        ),
        (
            {"features.recurrences": {"R": {"months": "rounds", "since": {}}}},
            [f"features.recurrences.R.since: {TWO_MOMENTS} nothing"],
        ),
        ({"tune": {"space": {"seed": {"choices": [1]}}}}, ["tune.space: 'seed' cannot be tuned; expected a key below"]),
        ({"tune": {"space": {"train": {"choices": [1]}}}}, ["tune.space: 'train' cannot be tuned"]),
        ({"target.nonpositive": "clip"}, ["target.nonpositive: clip is for transform: log1p, which takes zeros, not"]),
        ({"target.nonpositive": "clip", "target.transform": "log1p"}, []),
        (
            {"forecast.start": "own"},
            ["forecast.start: own moves series to a common end; it does not go with tables.fut"],
        ),
        (
            {"forecast.start": "own", "forecast.ended": "left_out"},
            [
                "forecast.start: own moves series to a common end; it does not go with tables.fut",
                "forecast.start: own moves series to a common end; it does not go with forecast.ended: left_out",
            ],
        ),
        (
            {"forecast.rules": {"promo": {"constant": 1, "last": True}}},
            ["forecast.rules.promo: give exactly one of constant, last, repeat, calendar, holidays"],
        ),
        (
            {"forecast.rules": {"prmo": {"constant": 0}}},
            ["forecast.rules.prmo: not in availability.known_in_advance; did you mean 'promo'?"],
        ),
        (
            {"availability.past_only": ["shop", "day"], **NO_FEATURES},
            [
                "availability.past_only: 'shop' is a key of the rows, which is always known",
                "availability.past_only: 'day' is a key of the rows, which is always known",
            ],
        ),
        ({"availability.static": ["holiday"]}, ["availability.static: 'holiday' is in known_in_advance too"]),
        ({"availability.static": ["visitors"]}, ["availability.static: 'visitors' is in past_only too"]),
        ({"availability.static": ["units"]}, ["availability.static: 'units' is the target"]),
        ({"availability.past_only": ["units"]}, []),
        ({"baseline": ["shop", "units"]}, ["baseline: 'units' is the target"]),
        ({"baseline": ["shop", "visitors"]}, ["baseline: 'visitors' is past only: on the days to forecast nobody"]),
        ({"train.loss": "rmspe", "target.transform": "identity"}, ["train.loss: rmspe is for transform: log, not for"]),
        (
            {"train.loss": "pinball"},
            ["train.loss: pinball goes with metric: pinball, and", "train.loss: pinball learns the quantile itself"],
        ),
        (
            QUANTILE,
            ["train.loss: pinball goes with metric: pinball, and train.quantile with the same `quantile`"],
        ),
        (
            {
                **QUANTILE,
                "quantile": 0.9,
            },
            [],
        ),
        (
            {"train.loss": "pinball", "metric": "pinball", "calibration": {"metric": "none"}, "train.mixup": 0.2},
            ["train.mixup: mixed rows have less noise, and so other quantiles; set it to null"],
        ),
        ({"model.output_range": "auto", "target.transform": "identity"}, [RANGE]),
        ({"model.output_range": "auto", "target.transform": "log1p"}, []),
        ({"model.dropout": [0.1] * 3}, ["model.dropout: 3 values for 2 layers; give one for each"]),
        ({"model.embedding_sizes": {"size_na": 2}}, []),
        ({"model.embedding_sizes": {"size": 2}}, ["model.embedding_sizes.size: not categorical"]),
        ({"model.embedding_sizes": {"size": 2}, "categorical": "auto"}, []),
        (
            {"variants": [{}, {"train": {"epohcs": 2}}, {"train": {"members": 2, "threads": 1}}]},
            [
                "variants[1].train.epohcs: Extra inputs",
                "variants[2].train.members: holds for the whole ensemble; set train.members",
                "variants[2].train.threads: holds for the whole ensemble; set train.threads",
            ],
        ),
        (
            {"model.dropout": [0.1] * 3, "variants": [{"train": {"lr": 0.1}}, {"model": {"layers": [4]}}]},
            ["model.dropout: 3 values for 2 layers", "variants[1].model.dropout: 3 values for 1 layers"],
        ),
    ],
)
def test_each_rule_that_is_broken_alone_is_named_alone(changes: dict[str, Any], problems: list[str]) -> None:
    made = found(changes)
    assert len(made) == len(problems), made
    for problem, start in zip(sorted(made), sorted(problems), strict=True):
        assert problem.startswith(start)


def test_series_that_are_moved_to_a_common_end_go_with_nothing_dated() -> None:
    changes: dict[str, Any] = {
        "tables": {"train": {"file": "t.csv"}, "shops": {"file": "s.csv"}},
        "forecast": {
            "start": "own",
            "rules": {
                "open": {"calendar": "Month"},
                "promo": {"holidays": {"country": "DE"}},
                "holiday": {"constant": "0"},
            },
        },
        "joins": [{"table": "shops", "on": ["shop"]}, {"table": "shops", "as_of": "since"}],
        "features.holidays": {"Feast": {"country": "DE"}},
    }
    rest = "forecast.start: own moves series to a common end; it does not go with "
    places = ["joins[1]", "features.holidays", "forecast.rules.open", "forecast.rules.promo"]
    assert found(changes) == [rest + place for place in places]
    assert found({**changes, "forecast": {**changes["forecast"], "start": "common"}}) == []


# --------------------------------------------------------------------------------------------- the keys


def sections(value: object, path: str = "") -> Iterator[tuple[str, BaseModel]]:
    """Every section of a config with its path, found by walking the objects, not the schema."""
    if isinstance(value, BaseModel):
        yield path, value
        for name in type(value).model_fields:
            yield from sections(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from sections(inner, f"{path}[{key}]" if "." in str(key) else f"{path}.{key}")
    elif isinstance(value, tuple):
        for i, inner in enumerate(value):
            yield from sections(inner, f"{path}[{i}]")


SECTIONS = dict(sections(Config.model_validate(FULL)))


def planted(value: Any, section: BaseModel, target: BaseModel, more: dict[str, int]) -> Any:
    """The dumped config with more keys in the section `target`."""
    if isinstance(section, BaseModel):
        names = {f.alias or name: getattr(section, name) for name, f in type(section).model_fields.items()}
        made = {k: planted(v, names[k], target, more) for k, v in value.items()}
        return {**made, **more} if section is target else made
    if isinstance(section, dict):
        return {k: planted(value[k], inner, target, more) for k, inner in section.items()}
    if isinstance(section, tuple) and isinstance(value, list):
        return [planted(v, inner, target, more) for v, inner in zip(value, section, strict=True)]
    return value


@pytest.mark.parametrize("path", [p for p in SECTIONS if "tune.space" not in p])
def test_a_misspelt_key_is_told_with_its_place_and_all_keys_that_may_stand_there(path: str) -> None:
    config = Config.model_validate(FULL)
    section = dict(sections(config))[path]
    fields = sorted(f.alias or name for name, f in type(section).model_fields.items())
    key = max(fields, key=len)
    with pytest.raises(ConfigError) as error:
        loading.parse(planted(config.dump(), config, section, {"zzzz": 1, key + key[-1]: 1}))
    valid, lines = f"(valid: {', '.join(fields)})", error.value.message.splitlines()
    at = f"{path}.".lstrip(".")
    assert f"  {at}zzzz: no such key {valid}" in lines
    assert f"  {at}{key + key[-1]}: no such key; did you mean {key!r}? {valid}" in lines


def test_values_that_may_be_of_several_types_have_one_line_at_their_place() -> None:
    with pytest.raises(ConfigError) as error:
        loading.parse(with_values({"model.dropout": "much", "frequency": 3, "tune": {"space": {"train.lr": {}}}}))
    lines = error.value.message.splitlines()[1:]
    paths = [line.split(":")[0].strip() for line in lines]
    assert {"model.dropout", "frequency"} <= {*paths}
    assert len(paths) == len({*paths})
    assert any("not 'much'" in line for line in lines)
