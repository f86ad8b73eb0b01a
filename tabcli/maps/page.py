"""All maps and numbers as one HTML page that asks for nothing, with the style and the policy of a report."""

from dataclasses import dataclass

import pandas as pd

from tabcli.maps.agreement import Agreement
from tabcli.maps.beside import Beside
from tabcli.maps.drawing import Map, colour_rules, inline_svg, letter, variable
from tabcli.maps.labels import Labelled
from tabcli.maps.neighbours import nearest
from tabcli.maps.spaces import Space, View
from tabcli.maps.words import (
    AGREEMENT_HEADER,
    BESIDE_HEADER,
    agreement_row,
    agreement_sentence,
    agreement_words,
    beside_row,
    beside_sentence,
    counted,
    labels_sentence,
    meaning,
    similar_by_label,
)
from tabcli.reports.page import json_for_page, policy_of, template

NEAR = 5
"""So many nearest series stand in the page for each."""


@dataclass(frozen=True)
class MapsNumbers:
    """What a page shows. `series`: the map of the series, if networks learned of them; `keys`: its key columns, a row
    for each point. `others`: maps of the other columns. `pictures`: given numbers and what was learned, as two maps.
    """

    members: int
    view: View
    agreements: tuple[Agreement, ...]
    besides: tuple[Beside, ...]
    labelled: Labelled | None
    series: Map | None
    space: Space | None
    keys: pd.DataFrame
    others: tuple[Map, ...]
    pictures: tuple[tuple[Map, Map], ...]


def page_of(numbers: MapsNumbers) -> str:
    """The page, the same bytes for the same numbers."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    script = template("maps.js", "tabcli.maps")
    series, space = numbers.series, numbers.space
    verdicts = {a.column: a.verdict for a in numbers.agreements}
    others = [(f"m{i}", of, verdicts.get(of.column, "")) for i, of in enumerate(numbers.others, 1)]
    pictures = [(f"p{i}a", f"p{i}b", *pair) for i, pair in enumerate(numbers.pictures)]
    drawn = [*([("m0", series)] if series else []), *((ident, of) for ident, of, _ in others)]
    drawn += [found for a, b, given, learned in pictures for found in ((a, given), (b, learned))]
    near, far = _near(series, space)
    return environment.from_string(template("maps.html", "tabcli.maps")).render(
        policy=policy_of(script),
        css=template("report.css") + template("maps.css", "tabcli.maps") + _dots(),
        rules="\n".join(colour_rules(of, ident) for ident, of in drawn),
        script=script,
        data_json=json_for_page(_data(series, space, numbers.keys, near, far)),
        networks=counted(numbers.members, "network"),
        n_columns=counted(len({a.column for a in numbers.agreements}), "column"),
        sentence=agreement_sentence(numbers.agreements),
        meaning=meaning(numbers.view),
        series=series,
        series_verdict=verdicts.get(series.column, "") if series else "",
        n_series=len(space.names) if space else 0,
        fewer=series is not None and space is not None and len(series.names) < len(space.names),
        near_rows=_near_rows(series, space, near, far),
        agreement_words=agreement_words(numbers.members),
        agreement_header=AGREEMENT_HEADER,
        agreement_rows=[agreement_row(a) for a in numbers.agreements],
        beside_header=BESIDE_HEADER,
        beside_rows=[beside_row(of) for of in numbers.besides],
        beside_sentences=[beside_sentence(of) for of in numbers.besides[: len(pictures)]],
        pictures=pictures,
        labelled=numbers.labelled and {"sentence": labels_sentence(numbers.labelled)},
        similar=similar_by_label(numbers.labelled) if numbers.labelled else {},
        others=others,
        inline=inline_svg,
        letter=letter,
        variable=variable,
    )


# ---------------------------------------------------------------------------------------------- parts


def _dots() -> str:
    names = [*(f"group-{i}" for i in range(8)), *(f"range-{i}" for i in range(7)), "others"]
    return "\n".join(f".dot-{name} {{ background: var(--{name}); }}" for name in names)


def _near(series: Map | None, space: Space | None) -> tuple[list[list[int]], list[list[float]]]:
    if series is None or space is None:
        return [], []
    places, apart = nearest(space.together(), NEAR, series.places)
    return places.tolist(), [[round(d, 3) for d in row] for row in apart.tolist()]


def _near_rows(
    series: Map | None, space: Space | None, near: list[list[int]], far: list[list[float]]
) -> list[tuple[str, str]]:
    if series is None or space is None:
        return []
    return [
        (name, " · ".join(f"{space.names[j]} {d:.2f}" for j, d in zip(own, apart, strict=True)))
        for name, own, apart in zip(series.names, near, far, strict=True)
    ]


def _data(
    series: Map | None, space: Space | None, keys: pd.DataFrame, near: list[list[int]], far: list[list[float]]
) -> dict[str, object]:
    if series is None or space is None:
        return {"names": [], "all": [], "places": [], "keys": [], "rows": [], "near": [], "far": []}
    return {
        "names": list(series.names),
        "all": list(space.names),
        "places": series.places.tolist(),
        "keys": [str(c) for c in keys.columns],
        "rows": [[str(value) for value in row] for row in keys.itertuples(index=False)],
        "near": near,
        "far": far,
    }
