"""card: a run → its model card and datasheet, with the blanks that only a person can fill."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tabcli import files
from tabcli.api.results import TrainResult
from tabcli.api.urls import at_urls
from tabcli.artifacts.contents import Run
from tabcli.bundle import directories
from tabcli.cards.bias import Bias
from tabcli.cards.datasheet import datasheet
from tabcli.cards.known import Known, known_of
from tabcli.cards.made import FORMER, Former, Made, former_of, made_of, read_former
from tabcli.cards.model_card import model_card
from tabcli.config.card import ANSWERS, QUESTIONS, Answers, answers_path, blanks_of, questions_yaml, read_answers
from tabcli.errors import BundleError, ConfigError, UsageError
from tabcli.features.events import series_codes
from tabcli.pipeline import joined
from tabcli.shown import Shown, first_few
from tabcli.tables.contract import DataSource

MODEL_CARD = "MODEL_CARD.md"
DATASHEET = "DATASHEET.md"


@dataclass(frozen=True, repr=False)
class CardResult(Shown):
    """What `card` returns.

    `model_card`, `datasheet`: both as Markdown. `blanks`: the key of each question that nobody answered → the question.
    `answers`: the file with the answers, which need not be there; None where none is known; `given`: what it
    says. `bias`: how groups of series were forecast; None for a run without past windows or groups. `path`: the run's
    directory.
    """

    model_card: str
    datasheet: str
    blanks: Mapping[str, str]
    answers: Path | None
    given: Answers
    bias: Bias | None
    path: Path | None

    def bias_numbers(self) -> dict[str, object]:
        """How groups of series were forecast as plain values: `groups`, and which of them are `named`.

        `alike`: a column → others that group the series as it does.
        """
        if self.bias is None:
            return {"groups": [], "named": [], "alike": {}}
        groups, named = ([asdict(g) for g in found] for found in (self.bias.groups, self.bias.named))
        return {"groups": groups, "named": named, "alike": dict(self.bias.alike)}

    def write_questions(self, path: Path | str) -> None:
        """Writes all questions, with the answers so far, to a new YAML file. Raises `UsageError` where it exists."""
        if Path(path).exists():
            raise UsageError(f"{path} exists already", hint="add the answers there, or give another file")
        files.write_text(Path(path), questions_yaml(self.given))

    def require_answers(self) -> None:
        """Raises `ConfigError` where a question has no answer."""
        if self.blanks:
            raise ConfigError(
                f"{self.answers or 'no file of answers'}: {len(self.blanks)} of {len(QUESTIONS)} questions have no "
                f"answer: {', '.join(self.blanks)}",
                hint="answer them there; `tabcli card RUN --questions FILE` writes them all",
            )

    def brief(self) -> dict[str, str]:
        named = [f"{g.column} {g.name}" for g in self.bias.named] if self.bias is not None else []
        return {
            "path": str(self.path or "none"),
            "blanks": f"{len(self.blanks)}: {first_few(list(self.blanks))}" if self.blanks else "none",
            "groups named": first_few(named) or "none",
        }


@at_urls(run="cards", since="directory", data="tables")
def card(
    run: TrainResult | Path | str,
    *,
    answers: Path | str | None = None,
    since: Path | str | None = None,
    data: DataSource | None = None,
    write: bool = True,
) -> CardResult:
    """The model card and the datasheet of a run, written anew into its directory.

    They are no part of what `predict` reads and verifies, so they may be written again whenever the answers change.
    Raises `ConfigError` for a file of answers that cannot be read, `BundleError` for a run that is corrupt.

    run: what `train` returned, or its directory.
    answers: the YAML file with a person's answers; by default the one beside the config, as its `card.answers` says, or
        where that is gone the answers that the run kept.
    since: an older run's directory, to say what changed; kept in the run. By default the run that this one replaced.
    data: the tables, for a run of an older version, which keeps no groups of series.
    write: whether to write the files; else they are only returned.
    """
    path = run.path if isinstance(run, TrainResult) else Path(run)
    if path is None:
        raise UsageError("this run was not written to a directory", hint="train it with an `out`")
    loaded = directories.load_run(path, directories.judging_shard(path))
    made = made_of(path)
    if answers is not None and not Path(answers).is_file():
        raise ConfigError(f"{answers}: no such file", hint="`tabcli card RUN --questions FILE` writes one to fill in")
    given = Path(answers) if answers is not None else _answers_of(loaded, made)
    kept = path / ANSWERS
    if data is not None:
        loaded = _with_groups(loaded, data)
    former = read_former(path) if since is None else _former(Path(since))
    known = known_of(loaded, made, read_answers(given if given is not None and given.exists() else kept), former)
    if write and since is not None and former is not None:
        files.write_json(path / FORMER, former.to_state())
    if given is None:
        given = kept if kept.exists() else None
    texts = write_cards(path, known) if write else (model_card(known), datasheet(known))
    return CardResult(*texts, blanks_of(known.answers), given, known.answers, known.bias, path)


def write_cards(directory: Path, known: Known) -> tuple[str, str]:
    """Writes both files into a run's directory where they are not the same already, and returns them.

    The answers are kept beside them, for a run that somebody moves away from its config.
    """
    texts = model_card(known), datasheet(known)
    files_of = {MODEL_CARD: texts[0], DATASHEET: texts[1]}
    if known.answers != Answers():
        files_of[ANSWERS] = questions_yaml(known.answers)
    for name, text in files_of.items():
        file = directory / name
        if not file.is_file() or file.read_bytes() != text.encode():
            files.write_text(file, text)
    return texts


def first_cards(directory: Path, run: Run, answers: Answers, replaced: Former | None) -> None:
    """Writes the cards of a run into its directory, which is whole but for them; `replaced`: the run that it replaces.

    A run that is made again from the same inputs is no change.
    """
    made = made_of(directory)
    former = replaced if replaced is not None and replaced.fingerprint != made.fingerprint else None
    if former is not None:
        files.write_json(directory / FORMER, former.to_state())
    write_cards(directory, known_of(run, made, answers, former))


def replaced_run(path: Path) -> Former | None:
    """The run that stands at a path, as the one before another; None where none stands there that can be read."""
    try:
        return _former(path)
    except BundleError:
        return None


def _former(path: Path) -> Former:
    return former_of(directories.load_run(path, directories.judging_shard(path)), made_of(path))


def _answers_of(run: Run, made: Made) -> Path | None:
    """The file of answers beside the config that the run was made with."""
    return answers_path(Path(made.config) if made.config else None, run.fitted.config.card.answers)


def _with_groups(run: Run, data: DataSource) -> Run:
    """The run with the groups of its series as these tables have them."""
    source = joined.join(joined.load(run.fitted.config, data))
    codes = series_codes(run.fitted.calendar.series, source.features.calendar.series)[0]
    groups = source.groups.reindex(codes).reset_index(drop=True)
    return replace(run, fitted=replace(run.fitted, groups=groups))
