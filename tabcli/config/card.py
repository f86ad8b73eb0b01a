"""The section about the card of a run, and the answers that only a person can give."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationError

from tabcli.config.reads import Reads
from tabcli.config.values import Section, Texts
from tabcli.config.yaml12 import parse_yaml
from tabcli.errors import ConfigError, did_you_mean

FEW_VALUES = 12
"""A column with more values has no groups by default."""

ANSWERS = "card.yaml"
"""The answers beside a config, unless it names another file."""


class Card(Section):
    """What the card of a run looks at, and where a person's answers stand.

    `sensitive`: columns by whose groups error and bias are told; each has one value for every series, and a number
    with many values is cut into four groups of as many series. By default all such columns of the tables with at most
    12 values. `answers`: the YAML file with what only a person knows, beside the config; by default *card.yaml*.
    """

    sensitive: Annotated[Texts | None, Reads("past")] = None
    answers: str | None = None


def _text(value: object) -> object:
    """A list as one text, a line each; texts without the space around them."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "\n".join(f"- {v.strip()}" for v in value)
    return value.strip() if isinstance(value, str) else value


Answer = Annotated[str, BeforeValidator(_text)]
"""What a person says; empty where nobody did."""


class Answers(Section):
    """What only a person knows, for the model card and the datasheet: a text each, or a list of texts."""

    name: Answer = ""
    owner: Answer = ""
    contact: Answer = ""
    intended_use: Answer = ""
    not_for: Answer = ""
    decides: Answer = ""
    overrides: Answer = ""
    known_limits: Answer = ""
    told: Answer = ""
    retrain: Answer = ""
    licence: Answer = ""
    data_origin: Answer = ""
    data_collected: Answer = ""
    data_people: Answer = ""
    data_consent: Answer = ""
    data_sharing: Answer = ""
    data_upkeep: Answer = ""


QUESTIONS: dict[str, str] = {
    "name": "What is this model called?",
    "owner": "Which person or team answers for it?",
    "contact": "How are they reached?",
    "intended_use": "What is the forecast used for, and by whom?",
    "not_for": "What must it not be used for?",
    "decides": "Who decides by it, and does a person look before anything happens?",
    "overrides": "Who may replace its numbers, and where is that written down?",
    "known_limits": "What do people on the spot know that the data do not show?",
    "told": "Who is told when it gets worse, and what do they do?",
    "retrain": "When is it trained again, and who checks that?",
    "licence": "Under which licence may it be used (such as apache-2.0, or other)?",
    "data_origin": "Where do the tables come from, and who recorded them for what?",
    "data_collected": "How were the numbers recorded, and what is known to be wrong with them?",
    "data_people": "Do the tables say anything of single persons, or can it be found out from them?",
    "data_consent": "On what grounds may the tables be used for this?",
    "data_sharing": "Who may have the tables, and under which terms?",
    "data_upkeep": "Who keeps the tables up to date, and for how long?",
}
"""Key of `Answers` → the question, in the order of the cards; those that begin with data_ are of the datasheet."""


def answers_path(config: Path | None, named: str | None) -> Path | None:
    """The file of answers beside a config file; None where no config file is known."""
    return None if config is None else config.parent / (named or ANSWERS)


def read_answers(path: Path | None) -> Answers:
    """The answers in a YAML file; no answers where there is no file. Raises `ConfigError` for what is no answer."""
    if path is None or not path.exists():
        return Answers()
    try:
        values = parse_yaml(path.read_text(encoding="utf-8-sig"), source=str(path))
    except (IsADirectoryError, UnicodeDecodeError):
        raise ConfigError(f"{path}: not a text file") from None
    if values is None:
        return Answers()
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: expected questions and answers, not {type(values).__name__}")
    unknown = [str(key) for key in values if key not in QUESTIONS]
    if unknown:
        raise ConfigError(
            f"{path}: {unknown[0]}: no such question{did_you_mean(unknown[0], QUESTIONS)}",
            hint=f"the questions are {', '.join(QUESTIONS)}",
        )
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return Answers.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        key = ".".join(map(str, wrong["loc"][:1]))
        raise ConfigError(f"{path}: {key}: expected a text or a list of texts, not {wrong['input']!r}") from None


def blanks_of(answers: Answers) -> dict[str, str]:
    """The questions that nobody answered: key → question."""
    return {key: question for key, question in QUESTIONS.items() if not getattr(answers, key)}


def questions_yaml(answers: Answers) -> str:
    """All questions with the answers so far as commented YAML, to be filled in."""
    lines = ["# What only a person knows of a model and its data, for MODEL_CARD.md and DATASHEET.md."]
    for key, question in QUESTIONS.items():
        given = str(getattr(answers, key))
        text = "".join(f"\n  {line}" for line in given.splitlines())
        lines += ["", f"# {question}", f"{key}: |{text}" if given else f"{key}:"]
    return "\n".join(lines) + "\n"
