"""What embeddings prints."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tabcli.cli.terminal import table_lines

if TYPE_CHECKING:
    from tabcli.api.embeddings import EmbeddingsResult


def render_embeddings(result: "EmbeddingsResult") -> Iterator[str]:
    """The answers to what was asked for; without a question, how far the networks agree about each column."""
    import pandas as pd

    from tabcli.maps import words

    asked = bool(result.near or result.besides or result.labelled)
    for name, found in result.near.items():
        yield f"nearest of {name}"
        rows: list[tuple[str, ...]] = [(n.name, f"{n.distance:.2f}", f"{n.members} of {result.members}") for n in found]
        yield from table_lines(pd.DataFrame(rows, columns=["name", "distance", "near in networks"]))
        yield ""
    if result.besides:
        rows = [words.beside_row(of) for of in result.besides]
        yield from table_lines(pd.DataFrame(rows, columns=list(words.BESIDE_HEADER)))
        yield ""
    for of in result.besides:
        if of.lost or of.without:
            yield words.beside_sentence(of)
            yield ""
    if result.labelled is not None:
        yield words.labels_sentence(result.labelled)
        rows = words.similar_rows(result.labelled, words.MOST_SIMILAR)
        yield from table_lines(pd.DataFrame(rows, columns=["series", "label", "distance", "next label at", "lead"]))
        yield ""
    yield words.agreement_sentence(result.agreements)
    if not asked:
        rows = [words.agreement_row(a) for a in result.agreements]
        yield from table_lines(pd.DataFrame(rows, columns=list(words.AGREEMENT_HEADER)))
