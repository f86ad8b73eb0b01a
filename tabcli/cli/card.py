"""The command card."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import tabcli
from tabcli.cli.options import AsJson, Quiet
from tabcli.cli.render import print_json

if TYPE_CHECKING:
    from tabcli.api.card import CardResult


def card(
    run: Annotated[Path, typer.Argument(help="The directory that train wrote.")],
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="The file with a person's answers; by default card.yaml beside the config."),
    ] = None,
    since: Annotated[
        Path | None, typer.Option("--since", metavar="RUN_OLD", help="An older run, to say what changed; it is kept.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="The tables, for a run of an older version: groups of series.")
    ] = None,
    show_datasheet: Annotated[
        bool, typer.Option("--datasheet", help="Print the datasheet, not the model card.")
    ] = False,
    questions: Annotated[
        Path | None,
        typer.Option("--questions", metavar="FILE", help="Write all questions to a new YAML file."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="List the questions without an answer; write nothing.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="The same, and end with exit code 3 where there is one.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Print the model card of a run, and write MODEL_CARD.md and DATASHEET.md anew with a person's answers.

    What only a person knows is a marked blank until card.yaml beside the config answers it; the next run keeps the
    answers.

    Example: tabcli card run --check
    """

    only_look = check or strict or questions is not None
    result = tabcli.card(run, answers=answers, since=since, data=data, write=not only_look)
    if questions is not None:
        result.write_questions(questions)
        if not quiet:
            typer.echo(f"written: {questions}, {len(result.blanks)} questions without an answer")
        return
    if as_json:
        print_json({"path": str(run), "blanks": dict(result.blanks), **result.bias_numbers()})
    elif only_look and not quiet:
        for line in render_blanks(result):
            typer.echo(line)
    elif not quiet:
        typer.echo(result.datasheet if show_datasheet else result.model_card, nl=False)
    if strict:
        result.require_answers()


def render_blanks(result: "CardResult") -> Iterator[str]:
    """The lines of `card --check`: each question without an answer, and where answers belong."""
    where = str(result.answers) if result.answers is not None else "card.yaml beside the config (--answers FILE)"
    if not result.blanks:
        yield f"all questions are answered in {where}"
        return
    width = max(map(len, result.blanks))
    for key, question in result.blanks.items():
        yield f"{key:<{width}}  {question}"
    yield f"{len(result.blanks)} without an answer; they belong in {where}"
