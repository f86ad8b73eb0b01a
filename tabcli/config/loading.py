"""A config from a file or a mapping: preset, file, overrides → one frozen, validated `Config`."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from tabcli.config.checks import REMOVED, cross_problems, problem_text
from tabcli.config.data import Table
from tabcli.config.learning import Model, Train
from tabcli.config.schema import FORMAT_VERSION, PRESETS, Config
from tabcli.config.yaml12 import parse_yaml
from tabcli.errors import ConfigError, did_you_mean, nearest


def _set_override(values: dict[str, object], override: str) -> None:
    path, separator, text = override.partition("=")
    keys = path.strip().split(".")
    if not separator or not all(keys):
        raise ConfigError(f"-S {override}: expected key.path=value", hint="for example -S train.epochs=3")
    place = values
    for depth, key in enumerate(keys[:-1]):
        inner = place.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"-S {override}: {'.'.join(keys[: depth + 1])} holds a single value, not keys")
        place = inner
    place[keys[-1]] = parse_yaml(text, source=f"-S {override}")


def parse(values: object, *, source: str = "config") -> Config:
    """Plain values → `Config`, the preset's values below the given ones. Raises `ConfigError` with all problems."""
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected keys and values, not {type(values).__name__}")
    version = values.get("format_version")
    if version != FORMAT_VERSION:
        what = "no format_version" if version is None else f"format_version {version!r}"
        raise ConfigError(f"{source}: {what}; this tabcli reads format_version {FORMAT_VERSION}")
    preset = PRESETS.get(str(values.get("preset", "default")), {})
    merged = dict(values)
    for section, defaults in preset.items():
        given = values.get(section) or {}
        merged[section] = {**defaults, **given} if isinstance(given, dict) else given
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        # A union reports each member's complaint; one line per path says enough.
        lines = {line.split(":")[0]: line for line in reversed([problem_text(e, merged) for e in error.errors()])}
        problems = list(reversed(lines.values()))
    else:
        problems = cross_problems(config)
        if not problems:
            return config
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    raise ConfigError(f"{source}: {count}\n" + "\n".join(f"  {p}" for p in problems))


def parse_resolved(values: object, *, source: str) -> Config:
    """The config that a prep or run of this or an older version holds: keys that have gone may be there, but off."""
    if isinstance(values, dict):
        values = copy.deepcopy(values)
        for path, (off, _) in REMOVED.items():
            section, key = path.split(".")
            if isinstance(values.get(section), dict) and values[section].get(key) == off:
                del values[section][key]
    return parse(values, source=source)


READING = (
    *("encoding", "delimiter", "decimal", "thousands", "missing", "date_format", "day_first", "timezone"),
    *("skip_rows", "skip_footer", "sheet"),
)


def parse_table(options: Mapping[str, str], file: str) -> Table:
    """How one file is read, from those options of a config's table that are one text. Raises `ConfigError`."""
    problems = [
        f"{key}: no such option{did_you_mean(key, READING)} (valid: {', '.join(READING)})"
        for key in options
        if key not in READING
    ]
    try:
        if not problems:
            return Table.model_validate({**options, "file": file})
    except ValidationError as error:
        problems = [problem_text(e, dict(options)) for e in error.errors()]
    raise ConfigError("; ".join(problems))


def _without_preset(config: Config) -> dict[str, object]:
    """A config's values less those that its preset gives, so that another preset can take their place."""
    values = config.dump()
    for name, section, defaults in (("model", config.model, Model()), ("train", config.train, Train())):
        preset = {**defaults.model_dump(mode="json"), **PRESETS[config.preset].get(name, {})}
        values[name] = {k: v for k, v in section.model_dump(mode="json").items() if v != preset[k]}
    return values


def load(config: "Config | Mapping[str, object] | Path | str", overrides: Sequence[str] = ()) -> Config:
    """A config from a YAML file, plain values or a `Config`, with `key.path=value` overrides. Raises `ConfigError`."""
    if isinstance(config, Config) and not overrides:
        return config
    source = "config"
    if isinstance(config, Config):
        values: object = _without_preset(config)
    elif isinstance(config, Mapping):
        values = copy.deepcopy(dict(config))  # overrides must not reach the caller's own
    else:
        path = Path(config)
        source = str(path)
        values = parse_yaml(_read_text(path), source=source)
    for override in overrides:
        if isinstance(values, dict):
            _set_override(values, override)
    return parse(values, source=source)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found = nearest(path.name, [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else [])
        hint = f"did you mean {path.parent / found}?" if found else "see configs/ for examples"
        raise ConfigError(f"{path}: no such file", hint=hint) from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise ConfigError(f"{path}: not a text file") from None


def json_schema() -> dict[str, object]:
    """The JSON Schema of a config file, for editors."""
    return Config.model_json_schema(by_alias=True)
