"""YAML by the rules of 1.2, from anywhere: no tags, no aliases, no duplicate keys, bounded. The only reader of YAML."""

import re
from typing import Any

import yaml

from tabcli.errors import ConfigError

MAX_YAML_BYTES = 1_000_000

MAX_YAML_DEPTH = 50


# --------------------------------------------------------------------------------------- reading YAML


class Loader(yaml.SafeLoader):
    """YAML with the 1.2 core rules: only true/false are booleans, 1e-3 is a number, dates stay text."""


Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


class _InlineDumper(yaml.SafeDumper):
    """Quotes what these rules alone would read as something else: as a person writes a config."""


_InlineDumper.yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


def _one_line(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """A text with a line break is written with its escape, in double quotes."""
    style = '"' if text.splitlines() not in ([], [text]) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_InlineDumper.add_representer(str, _one_line)


def inline_yaml(value: object) -> str:
    """A value as YAML in one line, quoted where it must be.

    >>> inline_yaml({"file": "a.csv", "dtypes": {"n": "str"}, "on": ["0", 1]})
    "{file: a.csv, dtypes: {n: str}, on: ['0', 1]}"
    """
    text = yaml.dump(
        value, Dumper=_InlineDumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n").removesuffix("\n...")


def block_yaml(value: object) -> str:
    """Keys and values as YAML, a line each, quoted where they must be.

    >>> print(block_yaml({"tags": ["a", "1"], "name": "x: y"}), end="")
    tags:
    - a
    - '1'
    name: 'x: y'
    """
    return yaml.dump(
        value, Dumper=_InlineDumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=10**6
    )


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)  # 007 is seven, not octal


def _construct_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str | int | float, object]:
    keys: dict[str | int | float, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str | int | float | bool):
            raise ConfigError(f"line {line}: a key must be a plain word")
        if key in keys:
            raise ConfigError(f"line {line}: the key {key!r} stands already in line {keys[key]}")
        keys[key] = line
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def parse_yaml(text: str, *, source: str) -> Any:
    """Parses YAML that may come from anywhere: no tags, no aliases, no duplicate keys, bounded in size and depth."""
    if len(text) > MAX_YAML_BYTES:
        raise ConfigError(f"{source}: {len(text)} characters are too many for a config (at most {MAX_YAML_BYTES})")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise ConfigError(f"{source}: line {line}: aliases (*name) are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_YAML_DEPTH:
                raise ConfigError(f"{source}: line {line}: nested too deeply")
        return yaml.load(text, Loader=Loader)  # noqa: S506 - a SafeLoader
    except ConfigError as error:
        raise ConfigError(error.message if error.message.startswith(source) else f"{source}: {error.message}") from None
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{source}: {place}not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not valid YAML: {error}") from None
