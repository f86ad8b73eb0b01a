"""Every code block of the README and of docs/ is executed: commands by the real parser, what can run runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pydantic import TypeAdapter
from typer.main import get_command
from typer.testing import CliRunner

import tabcli
from tabcli.cli.app import app
from tabcli.config.schema import Config
from tabcli.config.yaml12 import parse_yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FAST = ["-S", "train.epochs=1", "-S", "train.threads=1", "-S", "calibration.windows=0"]


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language: page and text."""
    return [(p.name, text) for p in PAGES for kind, text in FENCED.findall(p.read_text("utf-8")) if kind == language]


def commands(page: Path) -> list[str]:
    """The whole commands of a page: indented lines, with or without a prompt, and the examples of the help texts."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    text = re.sub(r"(Example: tabcli .*)\n +(\S.*)", r"\1 \2", text)
    lines = re.findall(
        r"^(?:    |#   )(?:\$ )?(?:[A-Z_]+=\S+ )*(tabcli .+)$|^  Example: (tabcli .+)$", text, re.MULTILINE
    )
    return [re.sub(r"\s#.*|\s[|>] .*", "", a or b).strip() for a, b in lines]


def mentioned(page: Path) -> list[str]:
    """Commands in running text, which may leave parts out."""
    return re.findall(r"`(tabcli [^`]+)`", page.read_text(encoding="utf-8"))


def command_of(words: list[str]) -> tuple[object, str, list[str]]:
    """The command that the words after `tabcli` begin with, its name, and its arguments."""
    group, name = get_command(app), "tabcli"
    while words and words[0] in getattr(group, "commands", {}):
        name, words = words[0], words[1:]
        group = group.commands[name]  # type: ignore[attr-defined]
    return group, name, words


ALL = [(p.name, c) for p in [*PAGES, ROOT / "configs" / "quickstart.yaml"] for c in commands(p)]
MENTIONED = [(p.name, c) for p in PAGES for c in mentioned(p)]


def test_there_are_commands_to_check() -> None:
    assert len(ALL) > 30
    assert len(MENTIONED) > 15
    assert {page for page, _ in ALL} >= {
        "README.md",
        "tutorial.md",
        "results.md",
        "tables.md",
        "cli.md",
        "quickstart.yaml",
    }


@pytest.mark.parametrize(("page", "line"), ALL)
def test_each_command_of_a_block_is_understood_and_its_config_exists(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command, name, arguments = command_of(words)
    command.make_context(name, list(arguments))  # type: ignore[attr-defined]
    for config in re.findall(r"configs/\S+\.yaml", line):
        assert (ROOT / config).is_file()


@pytest.mark.parametrize(("page", "line"), MENTIONED)
def test_each_command_that_is_mentioned_exists_with_its_options(page: str, line: str) -> None:
    command, name, arguments = command_of(line.replace("…", "").split()[1:])
    assert name != "tabcli" or not arguments or arguments[0].startswith("-"), name
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}  # type: ignore[attr-defined]
    assert {a for a in arguments if a.startswith("-")} <= known


def test_each_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:^    |`)make ([a-z0-9-]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            assert target in targets, page.name


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_each_yaml_block_is_a_part_of_a_config(page: str, text: str) -> None:
    for key, value in parse_yaml(text, source=page).items():
        TypeAdapter(Config.model_fields[key].annotation).validate_python(value)


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_each_python_block_runs_as_a_script(page: str, text: str, tmp_path: Path) -> None:
    """As it stands, on smaller tables; without `if __name__ == "__main__"`, beside the configs."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    assert 'tabcli.synth("demo/data")' in text
    text = text.replace('tabcli.synth("demo/data")', 'tabcli.synth("demo/data", stores=3, days=470)')
    (tmp_path / "x.py").write_text(text.replace("train.epochs=3", "train.epochs=1"), encoding="utf-8")
    done = subprocess.run([sys.executable, "x.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "TrainResult" in done.stdout
    assert "epoch   1" in done.stderr
    assert (tmp_path / "demo" / "run" / "manifest.json").is_file()


def test_no_block_has_another_language() -> None:
    kinds = {(p.name, kind) for p in PAGES for kind, _ in FENCED.findall(p.read_text(encoding="utf-8"))}
    assert {kind for page, kind in kinds if page != "cli.md"} <= {"", "python", "yaml"}


# ---------------------------------------------------------------------------------------- the tutorial

NAMES = {"week": "wc_date", "store": "shop", "product": "article", "price": "shelf_price", "promo": "on_offer"}
NAMES |= {"units": "pieces", "id": "line", "area": "square_metres", "usual_price": "list_price"}
FILES = {"train": "sales", "test": "next_weeks", "stores": "shops", "products": "articles"}


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tutorial's tables, small."""
    made = tabcli.synth(tmp_path / "made", kind="weekly", stores=3, products=4, weeks=110).path
    (tmp_path / "mine").mkdir()
    for name, file in FILES.items():
        pd.read_csv(made / f"{name}.csv").rename(columns=NAMES).to_csv(tmp_path / "mine" / f"{file}.csv", index=False)
    truth = pd.read_csv(made / "truth.csv").rename(columns=NAMES)[["line", "pieces"]]
    after = pd.read_csv(tmp_path / "mine" / "next_weeks.csv").merge(truth, on="line").drop(columns="line")
    after.to_csv(tmp_path / "weeks_after.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_tutorial_run_in_their_order_and_say_what_it_shows(walk: Path) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8").replace("\\\n", " ")
    steps = re.findall(r"^    \$ (tabcli .+)\n((?:    .*\n|\n(?=    ))*)", page, flags=re.MULTILINE)
    assert [c.split()[1] for c, _ in steps] == ["init", "prep", "train", "predict", "evaluate"]
    for line, documented in steps:
        words = shlex.split(line)[1:]
        done = CliRunner().invoke(app, [*words, *(FAST if words[0] == "train" else [])])
        assert done.exit_code == 0, done.output
        labels = set(re.findall(r"^    ([a-zA-Z][a-z ]+?)(?:  |:| [\d,])", documented, flags=re.MULTILINE))
        labels -= {"calibration", "sales", "forecast", "intervals"} if words[0] == "train" else {"sales", "no row in"}
        assert not [label for label in labels if label not in done.output], done.output
    assert (walk / "forecast.csv").is_file()


def test_the_commands_of_the_readme_for_own_tables_run(walk: Path) -> None:
    (walk / "mine").rename(walk / "data")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    section = page[page.index("## Your own tables") : page.index("## Exit codes")]
    lines = [re.sub(r"\s#.*", "", line) for line in re.findall(r"^    (tabcli .+)$", section, flags=re.MULTILINE)]
    assert [line.split()[1] for line in lines] == ["init", "inspect"]
    lines += ["tabcli config check my.yaml", "tabcli config show my.yaml"]
    for line in lines:
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
