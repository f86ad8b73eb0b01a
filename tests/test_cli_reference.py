"""docs/cli.md is the help texts, word for word. `make docs` writes it."""

import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tabcli.cli.app import app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"


def _commands() -> list[list[str]]:
    """Every command's words, groups included, in the order of the help."""
    found: list[list[str]] = [[]]

    def walk(group: object, words: list[str]) -> None:
        for name, command in getattr(group, "commands", {}).items():
            found.append([*words, name])
            walk(command, [*words, name])

    walk(get_command(app), [])
    return found


def help_of(words: list[str]) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="tabcli", env={"COLUMNS": "100", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return done.output.rstrip()


def reference() -> str:
    head = "# Command-line reference\n\nThe help texts, word for word; `make docs` writes this page.\n"
    parts = [f"\n## {' '.join(['tabcli', *words])}\n\n```\n{help_of(words)}\n```\n" for words in _commands()]
    return head + "".join(parts)


def test_the_page_is_the_help() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make docs`"


@pytest.mark.parametrize("words", [w for w in _commands() if w and w != ["config"]], ids=" ".join)
def test_each_help_has_an_example_whose_options_exist(words: list[str]) -> None:
    text = help_of(words)
    example = re.search(r"Example: (tabcli .+(?:\n  +\S.*)?)", text)
    assert example, text
    assert example[1].startswith(" ".join(["tabcli", *words]))
    assert all(option in text for option in re.findall(r"--[a-z][a-z-]+", example[1]))


def test_short_help_option_works_everywhere() -> None:
    for words in _commands():
        assert CliRunner().invoke(app, [*words, "-h"]).exit_code == 0, words


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8", newline="\n")
