"""What is said of spaces, in words: on the page and on the terminal."""

from collections.abc import Sequence

from tabcli.maps.agreement import Agreement
from tabcli.maps.beside import Beside
from tabcli.maps.labels import Labelled
from tabcli.maps.spaces import View

MOST_SIMILAR = 10
"""So many series are listed for each label."""

AGREEMENT_HEADER = (
    "column",
    "levels",
    "nearest in common",
    "by chance",
    "shape in common",
    "by chance ",
    "networks agree",
)


def counted(n: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "network"), counted(1200, "column")
    ('1 network', '1,200 columns')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def meaning(view: View) -> str:
    """What lies close in a space."""
    if view == "weights":
        return "Close ones have similar embeddings."
    return "Close ones are read alike by the networks, which learned this from the target alone."


def agreement_words(members: int) -> str:
    """What the table of agreements shows."""
    if members < 2:
        return (
            "There is one network, so it cannot be judged whether its maps are more than chance. "
            "Train with train.members of 2 or more."
        )
    return (
        "A map that changes with the seed says nothing. For each column: which share of its nearest levels two "
        "networks have in common, and which share of one network's map is left of another's after rotation and "
        "scaling, each beside what shuffled levels give. Stable: at least half of what lies between chance and all; "
        "unstable: less than a fifth, or no more than chance."
    )


def agreement_sentence(agreements: Sequence[Agreement]) -> str:
    """How many columns' maps are stable, and which are not."""
    judged = [a for a in agreements if a.verdict in ("stable", "partly stable", "unstable")]
    if not judged:
        if any(a.members < 2 for a in agreements):
            return "With one network nobody can say whether a map is more than chance."
        return "No column has enough levels to judge whether networks agree about it."
    by = {word: [a.column for a in judged if a.verdict == word] for word in ("stable", "partly stable", "unstable")}
    parts = [f"{len(columns)} {verdict}" for verdict, columns in by.items() if columns]
    shaky = f" Do not trust {', '.join(by['unstable'])}." if by["unstable"] else ""
    return f"Maps of {counted(len(judged), 'column')} by agreement of networks: {', '.join(parts)}.{shaky}"


def agreement_row(a: Agreement) -> tuple[str, ...]:
    """The cells under `AGREEMENT_HEADER`."""
    nearest_of = "" if a.overlap is None else f" of {a.k}"
    overlap = f"{percent(a.overlap)}{nearest_of}", percent(a.overlap_by_chance)
    return (a.column, f"{a.levels:,}", *overlap, percent(a.shape), percent(a.shape_by_chance), a.verdict)


BESIDE_HEADER = ("column", "levels", "compared with", "agreement", "of single networks", "p")


def beside_row(of: Beside) -> tuple[str, ...]:
    """The cells under `BESIDE_HEADER`."""
    own = f"{min(of.members):.2f} … {max(of.members):.2f}" if len(of.members) > 1 else "–"
    return (of.column, f"{of.levels:,}", of.of, f"{of.rho:.2f}", own, f"{of.p:.2g}")


def beside_sentence(of: Beside) -> str:
    """The agreement of a space with given numbers in words."""
    own = ""
    if len(of.members) > 1:
        own = f"; of single networks {min(of.members):.2f} … {max(of.members):.2f}"
    word = "no more than chance" if of.p > 0.05 else "more than chance"
    lost = f" Not known to the run: {', '.join(of.lost[:5])}." if of.lost else ""
    dots = " …" if len(of.without) > 5 else ""
    without = f" Without numbers: {', '.join(of.without[:5])}{dots}." if of.without else ""
    return (
        f"{of.levels} levels of {of.column}: what is near in the networks and in {of.of} agrees by {of.rho:.2f} "
        f"(Spearman over all pairs{own}), {word}: p = {of.p:.3g} of {of.shuffles:,} orders.{lost}{without}"
    )


def labels_sentence(of: Labelled) -> str:
    """How well the space separates the labels in words."""
    given = ", ".join(f"{label} ({len(own)})" for label, own in of.given.items())
    lost = f" Not known to the run: {', '.join(of.lost[:5])}." if of.lost else ""
    s = of.separation
    if s is None:
        needed = "Two labels, one of them of two series, are needed to say how well they can be told apart."
        return f"Labels: {given}. {needed}{lost}"
    word = "no better than chance" if s.p > 0.05 else "better than chance"
    alone = f" {', '.join(s.alone)} has one series only, which cannot be judged." if s.alone else ""
    return (
        f"Labels: {given}. Each set aside in turn, {percent(s.accuracy)} of {s.judged} are told right "
        f"({percent(s.low)} … {percent(s.high)}), by chance {percent(s.chance)}: {word} (p = {s.p:.3g}).{alone}{lost}"
    )


def similar_by_label(of: Labelled) -> dict[str, list[tuple[str, ...]]]:
    """The most similar series of each label that has any: series, distance, distance of the next label, lead."""
    rows = similar_rows(of, MOST_SIMILAR)
    found = {label: [(name, *cells) for name, own, *cells in rows if own == label] for label in of.given}
    return {label: own for label, own in found.items() if own}


def similar_rows(of: Labelled, most: int) -> list[tuple[str, ...]]:
    """The most similar series of each label: series, label, distance, distance of the next label, lead."""
    rows: list[tuple[str, ...]] = []
    for label in of.given:
        for s in [s for s in of.similar if s.label == label][:most]:
            other = "–" if s.other is None else f"{s.other:.2f}"
            rows.append((s.series, s.label, f"{s.distance:.2f}", other, percent(s.lead)))
    return rows
