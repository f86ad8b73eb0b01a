"""Commands about configs: check, show, schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tabcli.cli.options import AsJson, Overrides

ConfigArgument = Annotated[Path, typer.Argument(help="The YAML config.")]


def check(config: ConfigArgument, overrides: Overrides = None) -> None:
    """Report all problems of a config at once.

    Example: tabcli config check configs/quickstart.yaml
    """
    from tabcli.config.loading import load

    load(config, overrides or ())
    typer.echo(f"{config}: ok")


def show(config: ConfigArgument, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print the config with presets, overrides and defaults filled in.

    Example: tabcli config show configs/quickstart.yaml -S preset=lesson6
    """
    from tabcli.config.loading import load

    loaded = load(config, overrides or ())
    typer.echo(json.dumps(loaded.dump(), indent=1) if as_json else loaded.to_yaml().rstrip())


def schema() -> None:
    """Print the JSON Schema of configs, for editors.

    Example: tabcli config schema > tabcli.schema.json
    """
    from tabcli.config.loading import json_schema

    typer.echo(json.dumps(json_schema(), indent=1))
