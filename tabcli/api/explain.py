"""explain: what drives a run's forecasts, what makes one differ from another, and what another plan would do."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tabcli import files
from tabcli.api.predict import loaded_run
from tabcli.api.results import PrepResult, TrainResult
from tabcli.api.sources import parse_duration
from tabcli.api.urls import at_urls
from tabcli.artifacts.contents import Prepared, Run
from tabcli.bundle import directories
from tabcli.errors import UsageError
from tabcli.explanation import charts
from tabcli.explanation.compared import Against, Explained, explain_rows
from tabcli.explanation.importance import Importance, importance_of
from tabcli.explanation.plan import plan_of
from tabcli.explanation.retrained import Retrained, retrain
from tabcli.explanation.seen import SeenRows
from tabcli.explanation.what_if import WhatIf, what_if
from tabcli.explanation.words import headline, lines_of, parts_said
from tabcli.features.frequency import WEEK
from tabcli.pipeline.prepare import fit
from tabcli.shown import Shown
from tabcli.tables.contract import DataSource, files_of
from tabcli.tables.writing import require_no_input
from tabcli.training.loop import Callbacks

# --------------------------------------------------------------------------------------------- explain


@dataclass(frozen=True, repr=False)
class ExplainResult(Shown):
    """What `explain` returns; of `importance`, `rows` and `what_if` the one that was asked for.

    `importance`: what each source is worth; with `retrain` also `retrained`. `rows`: of each past window, and of the
    rows to forecast, those that are explained. `what_if`: another plan's forecast. `path`: the chart, or None.
    """

    run: Run
    importance: Importance | None
    retrained: list[Retrained]
    rows: list[Explained]
    what_if: WhatIf | None
    against: Against
    path: Path | None
    seconds: float

    def sentences(self, most: int = 20) -> list[str]:
        """The explained rows in words, at most so many of them, a line for each part."""
        target, places = self.run.fitted.config.target, self._places[:most]
        return [
            line for block, i in places for line in lines_of(block, i, target.column, target.transform, self._season)
        ]

    @property
    def _places(self) -> list[tuple[Explained, int]]:
        """Each explained row: its block, and its number there."""
        return [(block, i) for block in self.rows for i in range(len(block.table))]

    @property
    def table(self) -> pd.DataFrame:
        """The explained rows: *series*, *date*, *forecast*, *reference*, *against*, and a column for each source with
        its part on the learned scale; empty where no rows were asked for.
        """
        blocks = [block.table.assign(**block.contributions.by_source()) for block in self.rows]
        return (
            pd.concat(blocks, ignore_index=True).fillna(dict.fromkeys(self._names, 0.0)) if blocks else pd.DataFrame()
        )

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys(n for block in self.rows for n in block.contributions.by_source()))

    @property
    def _season(self) -> str:
        if self.against == "average":
            return ""
        return "the same day a week" if self.run.fitted.frequency.seconds < WEEK else "the same time a year"

    @property
    def notes(self) -> list[str]:
        """What a reader should know."""
        several = [
            *(self.importance.notes if self.importance else ()),
            *(n for block in self.rows for n in block.notes),
        ]
        return list(dict.fromkeys([*several, *(self.what_if.notes if self.what_if else ())]))

    def brief(self) -> dict[str, str]:
        if self.importance is not None:
            return {s.name: f"{100 * s.worth:.1f} %" for s in self.importance.sources}
        if self.what_if is not None:
            return {"planned": f"{self.what_if.planned:,.6g}", "changed": f"{self.what_if.changed:,.6g}"}
        target, few = self.run.fitted.config.target, self._places[:8]
        heads = [headline(block, i, target.column, target.transform, self._season) for block, i in few]
        return {str(number): text for number, text in enumerate(heads, start=1)}

    def to_dict(self) -> dict[str, object]:
        """All numbers as plain values, for JSON."""
        if self.importance is not None:
            checks = [{**vars(r), "rise": r.rise} for r in self.retrained]
            return {"importance": self.importance.to_dict(), "retrained": checks}
        if self.what_if is not None:
            other = self.what_if
            sums = {"planned": other.planned, "changed": other.changed}
            return {"changes": other.changes, **sums, "rows": _records(other.table)}
        transform, rows = self.run.fitted.config.target.transform, []
        for block in self.rows:
            made = block.contributions
            for i, record in enumerate(_records(block.table)):
                parts = [
                    {"source": source.name, "part": part, "value": float(v)}
                    for (source, part), v in zip(made.parts, made.values[i], strict=True)
                ]
                said = [
                    {"effect": s.effect, "what": s.what, "spread": s.spread} for s in parts_said(block, i, transform)
                ]
                rows.append({**record, "parts": parts, "short": float(made.short[i]), "words": said})
        return {"against": self.against, "scale": transform, "rows": rows}


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {str(k): None if pd.isna(v) else v.isoformat() if isinstance(v, pd.Timestamp) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


@at_urls(run="directory", data="tables", prep="directory", out="file")
def explain(
    run: TrainResult | Run | Path | str,
    data: DataSource | None = None,
    *,
    prep: PrepResult | Prepared | Path | str | None = None,
    series: Sequence[str] = (),
    dates: Sequence[str] = (),
    against: Against = "week",
    changes: Mapping[str, str] | None = None,
    horizon: str | None = None,
    retrain_without: bool = False,
    repeats: int = 5,
    most_rows: int = 20_000,
    seed: int | None = None,
    out: Path | str | None = None,
    callbacks: Callbacks | None = None,
) -> ExplainResult:
    """What drives a run's forecasts; with series or dates, what makes these rows differ; with changes, another plan's.

    Importance is measured on the validation rows of the prep. Raises what `predict` raises, `UsageError` where it is
    not said what to explain, `BundleError` where the prep is not the run's.

    run: what `train` returned, or its directory.
    data: the folder with the tables, or the config's table names → DataFrames or files; not needed for the importance
        if the prep is given.
    prep: what `prep` returned, or its directory; by default it is made again from `data`, where it is needed.
    series: series to explain, such as "12", or "12,3" of two series columns.
    dates: dates to explain, such as "2015-08-03" or "2015-08-03..2015-08-09"; by default all that are to be forecast.
    against: "week": the same series a season before; "average": an average day of its last year.
    changes: columns known in advance → other values, such as {"Promo": "0"}, in the chosen rows to forecast.
    horizon: as in `predict`; by default the run's, where there is no table of the rows to forecast.
    retrain_without: train networks without each of the three largest sources, and one with all.
    repeats: how often each source's values are exchanged.
    most_rows: of more rows the importance is measured on some series, drawn at random.
    seed: of what is drawn; by default the config's.
    out: the .svg or .png file for a chart.
    callbacks: what to call while networks are trained.
    """
    started = time.perf_counter()
    loaded, path = loaded_run(run), None if out is None else Path(out)
    if path is not None:
        if path.suffix.lower() not in (".svg", ".png"):
            raise UsageError(f"--out {path}: expected a file that ends in .svg or .png")
        require_no_input(path, [] if data is None else files_of(loaded.fitted.config, data))
    if data is None and (prep is None or series or dates or changes):
        what = "rows are explained" if series or dates or changes else "the importance is measured"
        raise UsageError(f"{what} with the tables: give --data" + ("" if series or dates or changes else ", or --prep"))
    prepared = None if prep is None else _opened(prep)
    importance, retrained, rows, other = None, [], [], None
    if changes or series or dates:
        assert data is not None
        plan = plan_of(loaded, data, parse_duration("--horizon", horizon))
        chosen = plan.chosen(loaded.fitted.config.date, series, dates)
        if changes:
            other = what_if(loaded, data, plan, chosen, changes)
        else:
            rows = explain_rows(loaded, data, plan, chosen, against, prepared)
    else:
        if prepared is None:
            assert data is not None
            prepared = fit(loaded.fitted.config, data)
        seen = SeenRows.of_validation(loaded, prepared)
        importance = importance_of(seen, repeats=repeats, most_rows=most_rows, seed=seed)
        if retrain_without:
            retrained = retrain(prepared, loaded.fitted.config, importance, seen.sources, callbacks)
    result = ExplainResult(loaded, importance, retrained, rows, other, against, path, time.perf_counter() - started)
    if path is not None:
        figure = _chart(result)
        with files.atomic_file(path) as temporary:
            temporary.write_bytes(charts.rendered(figure, path.suffix.lower()[1:]))
    return result


def _opened(prep: PrepResult | Prepared | Path | str) -> Prepared:
    if isinstance(prep, PrepResult):
        return prep.prepared
    return prep if isinstance(prep, Prepared) else directories.load_prep(Path(prep))


def _chart(result: ExplainResult) -> charts.Drawing:
    config = result.run.fitted.config
    target, transform = config.target.column, config.target.transform
    if result.importance is not None:
        return charts.importance_chart(result.importance, result.retrained)
    if result.what_if is not None:
        return charts.what_if_chart(result.what_if, target, config.series)
    if sum(len(block.table) for block in result.rows) == 1:
        block = result.rows[0]
        return charts.row_chart(parts_said(block, 0, transform), headline(block, 0, target, transform, result._season))
    return charts.rows_chart(result.table, result._names, target, config)
