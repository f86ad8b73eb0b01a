"""Joined rows → encoded tables: what is fitted to all of them, and the naive forecasts to beat."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from tabcli.artifacts.contents import FittedPipeline, Prepared
from tabcli.artifacts.summary import Baseline, ColumnRoles, PrepSummary, ReadCounts
from tabcli.config.schema import Config
from tabcli.evaluation.metrics import Criterion, Tally, with_mean_scale
from tabcli.evaluation.naive import label_text, naive_forecasts
from tabcli.features.events import EventCalendar
from tabcli.pipeline.encoding import past_of, places_of, with_keys
from tabcli.pipeline.fitting import Fitted, fit_parts, totals
from tabcli.pipeline.future import recent_rows
from tabcli.pipeline.joined import JoinedData, join, load
from tabcli.pipeline.plan import Plan
from tabcli.pipeline.seen import seen_by
from tabcli.pipeline.survey import RowSplit, Survey, baseline_columns, changes_of, key_columns, medians_to_beat
from tabcli.preprocessing.categorical import Counts
from tabcli.preprocessing.columns import Encoded
from tabcli.tables.contract import DataSource

# -------------------------------------------------------------------------------------------- encoding


@dataclass(frozen=True)
class Found:
    """What was counted while rows were encoded: part → column → missing and unknown values, part → column → filled
    numbers; and naive forecast → what its score is made of.
    """

    codes: dict[str, dict[str, Counts]]
    filled: dict[str, Counts]
    tallies: dict[str, Tally]


@dataclass(frozen=True)
class EncodedRows:
    """The encoded tables of some series, the target's past, what they need, and what was counted."""

    fitted: FittedPipeline
    tables: dict[str, pd.DataFrame]
    past: pd.DataFrame | None
    found: Found


def encode(source: JoinedData) -> Prepared:
    """Fits the preprocessors to the training rows, encodes all rows, and makes naive forecasts of the validation rows.

    Raises `DataError` where no rows are left to learn from or to be scored on, or a column or the metric does not fit.
    """
    cut = RowSplit.of(source)
    survey = Survey.of(source, cut)
    fitted = fit_parts(source.config, source.plan, [survey], source.lookups, source.where)
    made = encode_part(source, cut, fitted, fitted.groups)
    summary = summary_of(source.config, source.plan, [survey], fitted, [made.found], sampled=source.sampled)
    return Prepared(made.fitted, made.tables, summary, made.past)


def encode_part(source: JoinedData, cut: RowSplit, fitted: Fitted, groups: pd.DataFrame) -> EncodedRows:
    """Encodes rows, which may be those of some series alone. `groups`: of these series."""
    config, table, plan, rows = source.config, source.features.table, source.plan, source.rows
    with ThreadPoolExecutor(1) as aside:  # nothing else waits for the naive forecasts
        naive = aside.submit(_tallies, source, cut, fitted)
        places = places_of(source, fitted.grid)
        past = past_of(source, cut, fitted, places)
        tail = recent_rows(rows, config, plan.frequency, source.features.series[: len(rows)], plan.split.valid_end)
        pipeline = pipeline_of(config, plan, fitted, source.features.calendar, tail, groups)
        encoded = fitted.preprocessor.transform_parts(table, cut.parts)
        tables = {
            name: with_keys(encoded[name], table, places, at, pipeline, has_target=name != "future")
            for name, at in cut.parts.items()
        }
        return EncodedRows(pipeline, tables, past, _found(encoded, naive.result()))


def pipeline_of(
    config: Config, plan: Plan, fitted: Fitted, calendar: EventCalendar, tail: pd.DataFrame, groups: pd.DataFrame
) -> FittedPipeline:
    """All that turns tables into inputs; `calendar`, `tail` and `groups` are those of some series."""
    return FittedPipeline(
        config,
        plan.contract,
        fitted.preprocessor,
        fitted.target,
        calendar,
        plan.split,
        plan.frequency,
        plan.holidays,
        tail,
        plan.horizon,
        plan.known_until,
        fitted.grid,
        groups,
    )


def _found(encoded: Mapping[str, Encoded], tallies: dict[str, Tally]) -> Found:
    codes, filled = ({name: getattr(part, kind) for name, part in encoded.items()} for kind in ("codes", "filled"))
    return Found(codes, filled, tallies)


def fit(config: Config, data: DataSource, *, sample: int | None = None) -> Prepared:
    """Raw tables → a prep; `sample`: keep whole series worth about so many rows. Raises `ConfigError`, `DataError`."""
    return encode(join(load(config, data, sample=sample)))


def _tallies(source: JoinedData, cut: RowSplit, fitted: Fitted) -> dict[str, Tally]:
    """What the scores of naive forecasts of the validation rows are made of, by name."""
    config, frequency = source.config, source.frequency
    target = source.rows[config.target.column].to_numpy(dtype="float64")
    keys = key_columns(source.rows, config)
    medians = medians_to_beat(config, frequency)
    known, wanted, wider = keys[cut.train], keys[cut.valid], fitted.wider
    made = naive_forecasts(known, target[cut.train], wanted, config.series, config.date, frequency, medians, wider)
    scale = None
    if fitted.changes is not None:
        scales = with_mean_scale(changes_of(source, cut), fitted.changes)
        scale = scales[source.features.series[cut.parts["valid"]]]
    criterion = Criterion(config.metric, config.quantile, scale)
    return {name: criterion.tally(target[cut.valid], forecast) for name, forecast in made.items()}


# --------------------------------------------------------------------------------------------- summary

PARTS = ("train", "valid", "gap", "censored", "future")


def summary_of(
    config: Config,
    plan: Plan,
    surveys: Sequence[Survey],
    fitted: Fitted,
    found: Sequence[Found],
    *,
    sampled: bool = False,
) -> PrepSummary:
    """What prep found in the rows of all parts."""
    rows = totals([survey.rows for survey in surveys])
    there = [name for name in PARTS if rows.get(name) or name in ("train", "valid")]
    criterion = Criterion(config.metric, config.quantile)
    tallies = {name: Tally().merge(*(part.tallies[name] for part in found)) for name in found[0].tallies}
    scores = {name: criterion.score(tally) for name, tally in tallies.items()}
    preprocessor = fitted.preprocessor
    return PrepSummary(
        rows={name: rows[name] for name in there},
        counts=ReadCounts(
            plan.n_rows, sampled, fitted.dropped, totals([survey.filled for survey in surveys]), plan.n_clipped
        ),
        series=sum(survey.n_series for survey in surveys),
        columns=ColumnRoles(
            tuple(preprocessor.categorical), tuple(preprocessor.continuous), tuple(surveys[0].past_only)
        ),
        unmatched=totals([survey.unmatched for survey in surveys]),
        frequency=str(plan.frequency),
        codes={
            name: {
                column: totals([part.codes[name][column] for part in found if name in part.codes])
                for column in preprocessor.categorical
            }
            for name in there
        },
        filled={name: totals([part.filled[name] for part in found if name in part.filled]) for name in there},
        split=plan.split,
        baseline=Baseline(config.metric, tuple(map(label_text, baseline_columns(config))), scores),
        seen=seen_by([survey.looked for survey in surveys]),
    )
