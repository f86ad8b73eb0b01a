"""embeddings: a run → what its networks learned of categories, as tables, maps, neighbours and numbers."""

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from tabcli import files
from tabcli.api.predict import loaded_run
from tabcli.api.results import TrainResult
from tabcli.api.sources import read_any
from tabcli.api.urls import at_urls
from tabcli.arrays import IntArray
from tabcli.artifacts.contents import Run
from tabcli.bundle.manifest import FORMAT_VERSION
from tabcli.errors import UsageError, did_you_mean
from tabcli.maps.agreement import Agreement, agreement
from tabcli.maps.atlas import beside_maps, maps_of
from tabcli.maps.beside import Beside, column_of, compare
from tabcli.maps.drawing import Map, svg_and_png
from tabcli.maps.known import known_of
from tabcli.maps.labels import Labelled, labelled, read_labels
from tabcli.maps.neighbours import Neighbour, neighbours_of
from tabcli.maps.page import MapsNumbers, page_of
from tabcli.maps.patterns import followed
from tabcli.maps.projection import METHODS
from tabcli.maps.spaces import VIEWS, Space, View, file_names, learned_of, series_space
from tabcli.maps.words import counted
from tabcli.shown import Shown, first_few
from tabcli.tables.contract import DataSource
from tabcli.tables.reading import TableSource
from tabcli.tables.writing import write_table

MARKER = "embeddings.json"

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, repr=False)
class EmbeddingsResult(Shown):
    """What `embeddings` returns.

    `path`: the directory, or None. `tables`: column → its embeddings, see `maps.spaces.Learned.table`. `agreements`: of
    each column with a level. `near`: what was asked for → its nearest. `besides`: of the tables given, and of how
    series and static columns sell. `labelled`: of the labels given.
    `maps`: of the series and the other columns, and `html`: the page; none and "" where no directory was asked for.
    """

    path: Path | None
    tables: dict[str, pd.DataFrame]
    members: int
    agreements: tuple[Agreement, ...]
    near: dict[str, list[Neighbour]]
    besides: tuple[Beside, ...]
    labelled: Labelled | None
    maps: tuple[Map, ...]
    html: str
    seconds: float

    def brief(self) -> dict[str, str]:
        unstable = [a.column for a in self.agreements if a.unstable]
        return {
            "embeddings": f"{counted(len(self.tables), 'column')} in {counted(self.members, 'network')}: "
            f"{first_few(list(self.tables), 5)}",
            "unstable": first_few(unstable, 5) or "none" if self.members > 1 else "one network: cannot be judged",
            "path": str(self.path or "none"),
        }

    def to_dict(self) -> dict[str, object]:
        """All numbers but the tables, as plain values for JSON."""
        return {
            "members": self.members,
            "agreements": [asdict(a) for a in self.agreements],
            "near": {name: [asdict(n) for n in found] for name, found in self.near.items()},
            "beside": [b.to_dict() for b in self.besides],
            "labels": asdict(self.labelled) if self.labelled else None,
            "maps": {
                of.key: {
                    "column": of.column,
                    "method": of.projection.method,
                    "shown": of.projection.shown,
                    "names": list(of.names),
                    "points": np.round(of.projection.points, 5).tolist(),
                }
                for of in self.maps
            },
        }


@at_urls(run="directory", out="maps", data="tables", beside="table", labels="table")
def embeddings(
    run: TrainResult | Run | Path | str,
    out: Path | str | None = None,
    *,
    data: DataSource | None = None,
    near: Sequence[str] = (),
    neighbours: int = 10,
    method: str = "pca",
    view: str = "read",
    beside: Sequence[TableSource] = (),
    labels: TableSource | None = None,
    seed: int | None = None,
    force: bool = False,
) -> EmbeddingsResult:
    """What networks learned of categories: tables, maps, neighbours, and how far the networks agree.

    Raises `UsageError` for a series that the run does not know and where nothing is embedded, `DataError` for given
    tables that do not fit, `BundleError` for a run that cannot be read.

    run: what `train` returned, or its directory.
    out: a directory to write: a Parquet file for each column, maps as SVG and PNG, the page embeddings.html, and all
        numbers as embeddings.json; by default none is written and nothing is drawn.
    data: the folder with the tables, or table names → DataFrames or files: maps are then coloured by static columns,
        too, the series' level is that of all their rows, and their spaces are compared with how they sell.
    near: series, by the values of their key columns with commas between them, or levels as "State=BY".
    neighbours: how many nearest to give of each.
    method: *pca*, *tsne* or *umap* (an extra).
    view: *read*: embeddings as the networks read them, beside the heads of series; *weights*: embeddings as they are.
    beside: tables with the levels of one column and numbers, such as lat and lon, to compare distances with.
    labels: a table with the series' key columns and a label for a few of them.
    seed: of shuffles and maps; by default the config's.
    force: whether to replace a directory that this wrote before.
    """
    started = time.perf_counter()
    drawn_by = _one_of("--map", method, METHODS)
    seen = _one_of("--view", view, VIEWS)
    if neighbours < 1:
        raise UsageError(f"--neighbours {neighbours}: expected 1 or more")
    directory = None if out is None else Path(out)
    _check_out(directory, run, force=force)
    loaded = loaded_run(run)
    seed = loaded.fitted.config.seed if seed is None else seed
    learned = learned_of(loaded)
    if not learned:
        raise UsageError("this run has no embeddings: its config names no categorical inputs")
    spaces = {of.column: of.space(seen) for of in learned}
    series = series_space(loaded, learned, seen)
    found = {text: _near(text, spaces, series, loaded, neighbours) for text in near}
    given = [_beside(source, spaces, seed) for source in beside]
    judged = None if labels is None else labelled(_series_of(series), _labels(labels, loaded), seed)
    several = [series[0]] if series is not None and series[0].column not in spaces else []
    agreements = tuple(agreement(space, seed) for space in [*several, *spaces.values()] if len(space.names) > 1)
    tables = {of.column: of.table() for of in learned}
    maps: tuple[Map, ...] = ()
    html = ""
    known = known_of(loaded, data) if directory is not None or data is not None else None
    besides = (*given, *(followed(loaded, spaces, series, known, seed) if known is not None else ()))
    if directory is not None and known is not None:
        pictures = [beside_maps(of, spaces[of.column], i) for i, of in enumerate(given, 1)]
        maps = maps_of(loaded, learned, spaces, series, known, drawn_by, seed)
        html = page_of(_numbers(loaded, seen, agreements, besides, judged, maps, pictures, series))
        maps = (*maps, *(of for pair in pictures for of in pair))
    result = EmbeddingsResult(
        directory, tables, len(loaded.members), agreements, found, besides, judged, maps, html, 0.0
    )
    if directory is not None:
        _write(directory, result, force=force)
    return EmbeddingsResult(**{**vars(result), "seconds": time.perf_counter() - started})


def _one_of(option: str, given: str, known: Sequence[Choice]) -> Choice:
    found = [k for k in known if k == given]
    if not found:
        raise UsageError(f"{option} {given}: expected one of {', '.join(known)}{did_you_mean(given, known)}")
    return found[0]


# ------------------------------------------------------------------------------------------ questions


def _series_of(series: tuple[Space, IntArray] | None) -> Space:
    if series is None:
        raise UsageError(
            "no network has an embedding of the series", hint="name the series columns among `categorical`"
        )
    return series[0]


def _near(
    text: str, spaces: dict[str, Space], series: tuple[Space, IntArray] | None, run: Run, k: int
) -> list[Neighbour]:
    """The neighbours of a series, or of a level that is given as COLUMN=LEVEL."""
    column, equals, level = text.partition("=")
    if equals and column in spaces:
        space, name = spaces[column], level
    else:
        space, name = _series_of(series), _series_name(text, len(run.fitted.config.series))
    if name not in space.names:
        raise UsageError(
            f"--near {text}: the run knows no such level of {space.column}{did_you_mean(name, space.names)}",
            hint=f"known are {first_few(list(space.names), 5)}; a level of another column is COLUMN=LEVEL",
        )
    return neighbours_of(space, space.names.index(name), k)


def _series_name(text: str, n_keys: int) -> str:
    """A series as its space names it; with several keys the values may be quoted as in a CSV."""
    if n_keys == 1:
        return text
    return ",".join(part.strip() for part in next(csv.reader([text], skipinitialspace=True), []))


def _beside(source: TableSource, spaces: dict[str, Space], seed: int) -> Beside:
    where = source.attrs.get("name", "the table beside") if isinstance(source, pd.DataFrame) else str(source)
    table = read_any(source, "beside")
    column = column_of(table, list(spaces), where)
    return compare(spaces[column], table, where, seed)


def _labels(source: TableSource, run: Run) -> dict[str, str]:
    where = "labels" if isinstance(source, pd.DataFrame) else str(source)
    return read_labels(read_any(source, "labels"), list(run.fitted.config.series), where)


# ---------------------------------------------------------------------------------------------- page


def _numbers(
    run: Run,
    view: View,
    agreements: tuple[Agreement, ...],
    besides: tuple[Beside, ...],
    judged: Labelled | None,
    maps: tuple[Map, ...],
    pictures: Sequence[tuple[Map, Map]],
    series: tuple[Space, IntArray] | None,
) -> MapsNumbers:
    first = maps[0] if maps and maps[0].key == "series" and series is not None else None
    keys = run.fitted.calendar.series
    if first is not None and series is not None:
        keys = keys.iloc[series[1][first.places]]
    return MapsNumbers(
        len(run.members),
        view,
        agreements,
        besides,
        judged,
        first,
        series[0] if series is not None else None,
        keys,
        maps[1:] if first is not None else maps,
        tuple(pictures),
    )


# ------------------------------------------------------------------------------------------- writing


def _check_out(directory: Path | None, run: object, *, force: bool) -> None:
    if directory is None:
        return
    if isinstance(run, Path | str) and Path(run).resolve() in (directory.resolve(), *directory.resolve().parents):
        raise UsageError(f"--out {directory} lies in the run, which must stay as it is", hint="give another directory")
    files.require_writable(directory, replace=force, marker=MARKER)


def _write(directory: Path, result: EmbeddingsResult, *, force: bool) -> None:
    with files.atomic_directory(directory, replace=force, marker=MARKER) as temporary:
        names = file_names(list(result.tables))
        for column, table in result.tables.items():
            write_table(table, temporary / f"{names[column]}.parquet")
        for of in result.maps:
            _write_maps(temporary / "maps", of)
        if result.labelled is not None:
            similar = pd.DataFrame([asdict(s) for s in result.labelled.similar])
            write_table(similar, temporary / "similar.csv")
        files.write_text(temporary / "embeddings.html", result.html)
        written = sorted(p.relative_to(temporary).as_posix() for p in temporary.rglob("*") if p.is_file())
        facts = {"format": "embeddings", "format_version": FORMAT_VERSION, "columns": names, "files": written}
        files.write_json(temporary / MARKER, {**facts, **result.to_dict()})


def _write_maps(folder: Path, of: Map) -> None:
    """A map by each colouring, as SVG and PNG."""
    stems = file_names([c.name for c in of.colourings])
    for colouring in of.colourings or (None,):
        stem = of.key if colouring is None else f"{of.key}.{stems[colouring.name]}"
        svg, png = svg_and_png(of, colouring)
        files.write_text(folder / f"{stem}.svg", svg)
        with files.atomic_file(folder / f"{stem}.png") as temporary:
            temporary.write_bytes(png)
