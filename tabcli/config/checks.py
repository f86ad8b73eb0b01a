"""What is wrong with a config beyond the types of its keys: each problem with its path."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tabcli.config.features import Moment
from tabcli.config.reads import Read
from tabcli.config.schema import TUNABLE, Config, with_changes
from tabcli.errors import did_you_mean

REMOVED = {"train.date_effect": (0.0, "a random effect of each date never paid; take the key out")}
"""Keys that older versions had: the value that left them without effect, and what to say of another one."""


@cache
def _schema() -> dict[str, Any]:
    """The JSON schema of a config, made once: each key that is wrong is looked up in it."""
    return Config.model_json_schema()


def _fields_at(location: Sequence[str | int]) -> list[str]:
    """The keys that a config may have at a path, found by walking the JSON schema."""
    schema = _schema()
    definitions = schema.get("$defs", {})

    def options(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if "$ref" in node:
            return options(definitions[node["$ref"].rsplit("/", 1)[1]])
        return [o for part in node["anyOf"] for o in options(part)] if "anyOf" in node else [node]

    nodes = options(schema)
    for key in location:
        step: list[Mapping[str, Any]] = []
        for node in nodes:
            inner = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
            if inner is None and isinstance(node.get("additionalProperties"), dict):
                inner = node["additionalProperties"]
            step += options(inner) if isinstance(inner, dict) else []
        nodes = step or nodes  # the tags of unions are no keys: stay where we are
    return sorted({name for node in nodes for name in node.get("properties", {})})


def _path(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + part
    return text


def _keys_only(location: Sequence[str | int], values: object) -> list[str | int]:
    """pydantic's location without the names of union members, which are no keys of the file."""
    keys: list[str | int] = []
    for part in location:
        inner = dict(enumerate(values)) if isinstance(values, list | tuple) else values
        if isinstance(inner, dict) and part in inner:
            values = inner[part]
        elif part != location[-1] or not isinstance(values, dict):
            continue
        keys.append(part)
    return keys


def problem_text(error: ErrorDetails, values: object) -> str:
    """One line: the path, what was expected, what was there."""
    location = _keys_only(error["loc"], values)
    path = _path(location)
    if error["type"] == "extra_forbidden":
        if path in REMOVED:
            return f"{path}: no such key any more; {REMOVED[path][1]}"
        fields = _fields_at(location[:-1])
        return f"{path}: no such key{did_you_mean(str(location[-1]), fields)} (valid: {', '.join(fields)})"
    if error["type"] == "missing":
        return f"{path}: missing, but required"
    message = error["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    return f"{path}: {message[0].lower()}{message[1:]}, not {error['input']!r}"


def cross_problems(config: Config) -> list[str]:
    """Problems that no single key shows, such as a name that must stand elsewhere in the config too."""
    problems = _table_problems(config) + _join_problems(config) + _feature_problems(config) + _tuning_problems(config)
    problems += _target_problems(config) + _rule_problems(config) + _role_problems(config)
    return problems + _learning_problems(config) + _variant_problems(config)


def _table_problems(config: Config) -> list[str]:
    """Tables that are missing, and columns that cannot be read as the config says."""
    problems = []
    if "train" not in config.tables:
        problems.append("tables: no table is called train; it is the one with the target")
    if config.target.column in (*config.series, config.date):
        other = "the date" if config.target.column == config.date else "a series column"
        problems.append(f"target.column: {config.target.column!r} is {other} too")
    problems += _own_start_problems(config)
    problems += [
        f"tables.{name}.thousands: {table.thousands!r} is the decimal sign too"
        for name, table in config.tables.items()
        if table.thousands == table.decimal
    ]
    return problems


def _join_problems(config: Config) -> list[str]:
    """Joins of tables that are not there, or without a key."""
    problems = []
    for i, join in enumerate(config.joins):
        if join.table not in config.tables or join.table in ("train", "future"):
            others = [t for t in config.tables if t not in ("train", "future")]
            problems.append(
                f"joins[{i}].table: {join.table!r} is not one of the other tables{did_you_mean(join.table, others)}"
                f" (there are: {', '.join(others)})"
            )
        if not join.on and not join.as_of:
            problems.append(f"joins[{i}]: give `on`, `as_of` or both")
    return problems


def _feature_problems(config: Config) -> list[str]:
    """Moments without a date, and events that mix months with shorter units."""
    problems = []
    for name, span in config.features.spans.items():
        problems += _since_problems(f"features.spans.{name}.since", span.since)
    for name, event in config.features.events.items():
        if (event.cap.unit == "mo") != (event.window.unit == "mo"):
            problems.append(f"features.events.{name}: window and cap must both be months, or neither")
    for name, recurrence in config.features.recurrences.items():
        if recurrence.since is not None:
            problems += _since_problems(f"features.recurrences.{name}.since", recurrence.since)
    return problems


def _tuning_problems(config: Config) -> list[str]:
    """Keys of the search that cannot be tuned."""
    return [
        f"tune.space: {path!r} cannot be tuned; expected a key below {', '.join(TUNABLE)}"
        for path in config.tune.space
        if path.split(".")[0] not in TUNABLE or "." not in path
    ]


def _target_problems(config: Config) -> list[str]:
    """Negative targets taken as 0 on a scale that does not take 0; rows that one would know before to be cut short."""
    roles = config.availability
    known = {*config.series, config.date, *roles.known_in_advance, *roles.static}
    if config.target.censored_where and {*config.target.censored_where} <= known:
        names = ", ".join(config.target.censored_where)
        return [f"target.censored_where: {names} known in advance; nobody knows before which targets will be cut short"]
    if config.target.nonpositive == "clip" and config.target.transform != "log1p":
        return [
            f"target.nonpositive: clip is for transform: log1p, which takes zeros, not for {config.target.transform}"
        ]
    return []


def _own_start_problems(config: Config) -> list[str]:
    """Keys that go by the calendar, which series that are moved to a common end no longer follow."""
    if config.forecast.start != "own":
        return []
    dated = [f"joins[{i}]" for i, join in enumerate(config.joins) if join.as_of or config.date in join.on]
    dated += ["features.holidays"] if config.features.holidays else []
    dated += [f"forecast.rules.{n}" for n, r in config.forecast.rules.items() if r.calendar or r.holidays]
    dated += ["tables.future"] if "future" in config.tables else []
    dated += ["forecast.ended: left_out"] if config.forecast.ended == "left_out" else []
    return [f"forecast.start: own moves series to a common end; it does not go with {path}" for path in dated]


def _rule_problems(config: Config) -> list[str]:
    problems = []
    known = config.availability.known_in_advance
    for name, rule in config.forecast.rules.items():
        given = [k for k in ("constant", "last", "repeat", "calendar", "holidays") if getattr(rule, k) is not None]
        if len(given) != 1:
            problems.append(f"forecast.rules.{name}: give exactly one of constant, last, repeat, calendar, holidays")
        if name not in known:
            problems.append(f"forecast.rules.{name}: not in availability.known_in_advance{did_you_mean(name, known)}")
    return problems


def _since_problems(path: str, since: Moment) -> list[str]:
    given = {k for k in ("date", "year", "month", "week") if getattr(since, k) is not None}
    if given in ({"date"}, {"year", "month"}, {"year", "week"}):
        return []
    return [f"{path}: expected date, or year and month, or year and week, not {', '.join(sorted(given)) or 'nothing'}"]


def _role_problems(config: Config) -> list[str]:
    problems = []
    lists = {"categorical": config.categorical, "continuous": config.continuous}
    named = {role: list(columns) for role, columns in lists.items() if columns != "auto"}
    for role, columns in named.items():
        problems += [f"{role}: {c!r} is named twice" for c in dict.fromkeys(columns) if columns.count(c) > 1]
    both = set(named.get("categorical", ())) & set(named.get("continuous", ()))
    problems += [f"continuous: {c!r} is categorical too" for c in sorted(both)]
    problems += [
        f"{read.path}: {read.column!r} is past only: on the days to forecast nobody knows it"
        for read in config.reads()
        if read.ahead and read.column in config.availability.past_only
    ]
    target = config.target.column
    problems += [f"{read.path}: {target!r} is the target" for read in config.reads() if _is_leak(read, target)]
    problems += [f"series: {c!r} is the target" for c in config.series if c == target]
    roles = config.availability
    problems += [
        f"availability.past_only: {c!r} is a key of the rows, which is always known"
        for c in roles.past_only
        if c in (*config.series, config.date)
    ]
    for one, other in (("known_in_advance", "past_only"), ("known_in_advance", "static"), ("past_only", "static")):
        shared = set(getattr(roles, one)) & set(getattr(roles, other))
        problems += [f"availability.{other}: {c!r} is in {one} too" for c in sorted(shared)]
    return problems


def _is_leak(read: Read, target: str) -> bool:
    """Whether the target is read on the days to forecast, or said to be known there."""
    return read.column == target and (read.ahead or (read.use == "declared" and read.path != "availability.past_only"))


def _learning_problems(config: Config) -> list[str]:
    """Problems of a network and its training; each member of an ensemble is held to the same rules."""
    problems = []
    model, train, transform = config.model, config.train, config.target.transform
    if train.loss == "rmspe" and transform != "log":
        problems.append(f"train.loss: rmspe is for transform: log, not for {transform}")
    if train.loss == "pinball":
        if config.metric != "pinball" or train.quantile != config.quantile:
            problems.append(
                "train.loss: pinball goes with metric: pinball, and train.quantile with the same `quantile`"
            )
        if config.calibration.metric != "none":
            problems.append("train.loss: pinball learns the quantile itself; set calibration.metric: none")
    if model.output_range == "auto" and transform not in ("log", "log1p"):
        problems.append(
            f"model.output_range: auto is for transform: log or log1p, not for {transform}; give [low, high]"
        )
    if train.mixup is not None and train.loss == "pinball":
        problems.append("train.mixup: mixed rows have less noise, and so other quantiles; set it to null")
    if train.keep == "last" and train.patience is not None:
        problems.append("train.patience: with keep: last all epochs are run; set patience: null, or keep: best")
    if isinstance(model.dropout, tuple) and len(model.dropout) != len(model.layers):
        problems.append(f"model.dropout: {len(model.dropout)} values for {len(model.layers)} layers; give one for each")
    if config.categorical != "auto":
        problems += [
            f"model.embedding_sizes.{c}: not categorical{did_you_mean(c, config.categorical)}"
            for c in model.embedding_sizes
            if c not in config.categorical and not c.endswith("_na")
        ]
    return problems


def _variant_problems(config: Config) -> list[str]:
    problems = []
    of_all = _learning_problems(config)
    for i, variant in enumerate(config.variants):
        changed: dict[str, object] = {}
        for name, given in (("model", variant.model), ("train", variant.train)):
            try:
                changed[name] = with_changes(getattr(config, name), given)
            except ValidationError as error:
                problems += [f"variants[{i}].{name}.{_path(e['loc'])}: {e['msg']}" for e in error.errors()]
        own = _learning_problems(config.model_copy(update=changed))
        problems += [f"variants[{i}].{problem}" for problem in own if problem not in of_all]
        problems += [
            f"variants[{i}].train.{key}: holds for the whole ensemble; set train.{key}"
            for key in ("members", "threads")
            if key in variant.train
        ]
    return problems
