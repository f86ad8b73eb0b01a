"""MODEL_CARD.md: what a run is for, what it reached, against whom it errs, where it is weak, how to make it again."""

from collections.abc import Iterator

from tabcli.cards.known import Known
from tabcli.cards.limits import limits_of
from tabcli.cards.made import changes, former_of
from tabcli.cards.markdown import answered, code, front_matter, percent, plain, table
from tabcli.cards.metrics import REASONS
from tabcli.cards.reached import bias, results, segments, validation
from tabcli.cards.segments import span_text
from tabcli.config.card import blanks_of
from tabcli.config.schema import ONE_SERIES
from tabcli.evaluation.naming import score_text
from tabcli.training.past import HELD


def model_card(known: Known) -> str:
    """The model card as Markdown, with a head that the Hugging Face hub reads."""
    before, past = (_head, _summary, _identity, _uses, _data), (validation, results, segments, bias)
    after = (_limits, _metric, _watch, _reproduction, _changes)
    lines = [line for part in (*before, *past, *after) for line in part(known)]
    return "\n".join(lines).rstrip("\n") + "\n"


def title_of(known: Known) -> str:
    """The model's name: a person's, or what it forecasts."""
    return known.answers.name or f"Forecast of {known.run.fitted.config.target.column}{by_text(known)}"


def by_text(known: Known) -> str:
    """`by store and product`; empty for one series."""
    series = [c for c in known.run.fitted.config.series if c != ONE_SERIES]
    return f" by {' and '.join(series)}" if series else ""


def _head(known: Known) -> list[str]:
    metrics, fitted = known.run.metrics, known.run.fitted
    scores = [(metrics.metric, metrics.score, "the validation rows")]
    if known.whole is not None and known.whole.wape is not None:
        scores.append(("wape", known.whole.wape, "all past windows"))
    measured = [
        {"type": name, "value": round(value, 6), "name": f"{name.upper()} on {where}"} for name, value, where in scores
    ]
    task = {"type": "time-series-forecasting", "name": "Time series forecasting"}
    data = {"type": "tabular", "name": f"{fitted.config.target.column}{by_text(known)}"}
    licence = {"license": known.answers.licence} if known.answers.licence else {}
    return front_matter(
        {
            "library_name": "tabcli",
            "pipeline_tag": "time-series-forecasting",
            "tags": ["tabular", "time-series-forecasting", "entity-embeddings"],
            **licence,
            "metrics": list(dict.fromkeys(name for name, *_ in scores)),
            "model-index": [
                {"name": title_of(known), "results": [{"task": task, "dataset": data, "metrics": measured}]}
            ],
        }
    )


def _summary(known: Known) -> Iterator[str]:
    run = known.run
    fitted, metrics = run.fitted, run.metrics
    yield f"# {plain(title_of(known))}"
    yield ""
    n, column = run.n_series, code(fitted.config.target.column)
    what = f"{column} of {n:,} series {plain(by_text(known))}" if n > 1 else column
    text = f"It forecasts {what}, {fitted.horizon} steps of {fitted.frequency} ahead. "
    if known.whole is not None and known.past is not None:
        text += (
            f"In {known.past['window'].nunique()} past windows, whose rows its networks had not seen, forecasts were "
            f"off by {percent(known.whole.wape)} of what happened, and {_side(known.whole.bias)}. "
        )
        if known.whole.held is not None:
            text += f"Intervals that promise {HELD * 100:.0f} % held {percent(known.whole.held, 0)} of the rows. "
    best = metrics.baseline
    text += (
        f"On the validation rows its {metrics.metric.upper()} is {score_text(metrics.metric, metrics.score)}; the best "
        f"naive forecast, {plain(_words(best.name))}, has {score_text(metrics.metric, best.score)}."
    )
    yield text
    yield ""
    blanks = blanks_of(known.answers)
    if blanks:
        yield (
            f"> **{len(blanks)} questions have no answer yet.** They are marked ☐ here and in DATASHEET.md. Answer "
            "them in the file `card.yaml` beside the config; then `tabcli card RUN` writes both files again."
        )
        yield ""


def _words(name: str) -> str:
    return name.replace(f"{ONE_SERIES} × ", "").replace(ONE_SERIES, "all rows")


def _side(bias: float | None) -> str:
    if bias is None:
        return "whether too high or too low cannot be said"
    if abs(bias) < 0.0005:
        return "neither too high nor too low on the whole"
    return f"{percent(abs(bias))} too {'high' if bias > 0 else 'low'} on the whole"


def _identity(known: Known) -> list[str]:
    run, made = known.run, known.made
    fitted = run.fitted
    kinds = sorted({str(n.get("kind", "mlp")) for n in run.networks})
    count = "1 network" if len(run.members) == 1 else f"{len(run.members)} networks"
    inputs = len(fitted.preprocessor.categorical), len(fitted.preprocessor.continuous)
    rows = [
        [
            "Kind",
            f"{count} ({', '.join(kinds)}) with entity embeddings",
        ],
        ["Inputs", f"{inputs[0]} categories, {inputs[1]} numbers"],
        ["Target", f"{code(fitted.config.target.column)}, learned as {fitted.target.kind}"],
        ["Made by", f"tabcli {(made.versions or {}).get('tabcli', '–')}"],
        ["Fingerprint", f"`{made.fingerprint or '–'}`"],
        ["Weights", f"`{made.weights or '–'}`"],
    ]
    note = "The fingerprint is one SHA-256 of the prep, the config and the code; the weights' is one of all networks."
    return ["## What it is", "", *table(["", ""], rows, numbers_from=9), note, ""]


def _uses(known: Known) -> list[str]:
    fitted, answers = known.run.fitted, known.answers
    fixed = [
        f"Not made for more than {fitted.horizon} steps ahead of the last known row, or for other tables than these.",
        "Not made to judge people: a number of a series says nothing of who works there.",
        "Not a cause: what goes with an input in the past need not follow from it. Plan promotions by experiment.",
    ]
    return [
        "## What it is for",
        "",
        *answered(answers, "intended_use"),
        "**What it is not for.**",
        "",
        *answered(answers, "not_for"),
        "And in any case:",
        "",
        *(f"- {line}" for line in fixed),
        "",
        "## Who decides",
        "",
        *answered(answers, "decides"),
        *answered(answers, "overrides"),
        f"Answers for it: {answers.owner}" if answers.owner else answered(answers, "owner")[0],
        "",
        f"Reached at: {answers.contact}" if answers.contact else answered(answers, "contact")[0],
        "",
    ]


def _data(known: Known) -> list[str]:
    fitted, summary = known.run.fitted, known.run.summary
    roles, split = fitted.config.availability, fitted.split
    lines = [
        f"- Period: {span_text(split.train_start, split.valid_end)}, a row every {fitted.frequency}.",
        f"- Tables: {', '.join(code(name) for name in fitted.contract.tables)}.",
    ]
    if summary is not None:
        dropped = {reason: n for reason, n in summary.counts.dropped.items() if n}
        left = "; ".join(f"{n:,} rows with {plain(reason)}" for reason, n in dropped.items()) or "none"
        lines.append(f"- Rows left out of learning and scoring: {left}.")
        if bounds := summary.rows.get("censored", 0):
            lines.append(f"- Rows whose target was cut short, learned as lower bounds and in no score: {bounds:,}.")
        if (seen := summary.seen) is not None:
            gaps = f"{seen.gappy:,} series lack {seen.missing:,} steps; the longest gap is {plain(seen.longest)}"
            lines.append(f"- Gaps: {gaps if seen.gappy else 'none'}.")
    lines.append(f"- Known in advance: {', '.join(map(code, roles.known_in_advance)) or 'the calendar alone'}.")
    lines.append(f"- Past only, never an input of its own day: {', '.join(map(code, roles.past_only)) or 'none'}.")
    return ["## Data", "", *lines, "", "More in [DATASHEET.md](DATASHEET.md).", ""]


def _limits(known: Known) -> list[str]:
    found = [f"- {plain(line)}" for line in limits_of(known)]
    lines = ["## Limits", "", "Found in the run and its data:", "", *(found or ["- None was found."]), ""]
    return [*lines, "Told by people who know the place:", "", *answered(known.answers, "known_limits")]


def _metric(known: Known) -> list[str]:
    return ["## Why this metric", "", REASONS.get(known.run.metrics.metric, known.run.metrics.metric.upper()), ""]


def _watch(known: Known) -> list[str]:
    metrics, name = known.run.metrics, known.run.metrics.metric.upper()
    worst = metrics.expected + 2 * metrics.expected_std
    if len(metrics.windows) > 1:
        first = f"- its {name} is above {score_text(metrics.metric, worst)}, two spreads above what past windows say;"
    else:
        first = f"- its {name} is well above {score_text(metrics.metric, metrics.score)}, that of the validation rows;"
    lines = [
        "## What to watch, and who is told",
        "",
        "Look closer when a whole window has actuals (`tabcli evaluate FORECAST ACTUALS`) and",
        "",
        first,
    ]
    bias = [abs(w.bias) for w in metrics.windows if w.bias == w.bias]
    if bias:
        lines.append(f"- the sum is more than {percent(max(0.03, *bias))} too high or too low;")
    if metrics.held:
        lines.append(f"- intervals of {HELD * 100:.0f} % hold less than {percent(min(metrics.held), 0)} of the rows;")
    lines.append("- series, columns or values come that the tables did not have: `tabcli predict` warns of them.")
    return [*lines, "", *answered(known.answers, "told"), *answered(known.answers, "retrain")]


def _reproduction(known: Known) -> list[str]:
    run, made = known.run, known.made
    config = run.fitted.config
    rows = [[code(name), plain(version)] for name, version in (made.versions or {}).items()]
    rows += [
        ["seed", str(config.seed)],
        ["threads of a network", str(made.threads or "–")],
        ["epochs", str(config.train.epochs)],
        ["prep", f"`{made.prep or '–'}`"],
        ["config", "`config.json` in the run" + (f", from {code(made.config)}" if made.config else "")],
        ["time of training", f"{run.metrics.seconds:,.0f} seconds, of all networks and past windows"],
    ]
    text = (
        "With these versions, the same tables, config, seed and threads, `tabcli prep` and `tabcli train` give the "
        "same forecasts, bit for bit on the same kind of processor. Only the time of training in this file differs."
    )
    return ["## Making it again", "", *table(["", ""], rows, numbers_from=9), text, ""]


def _changes(known: Known) -> list[str]:
    lines = ["## Changes since the former run", ""]
    if known.former is None:
        return [*lines, "None is known: this run replaced no other (`tabcli card RUN --since RUN_OLD` compares).", ""]
    found = changes(former_of(known.run, known.made), known.former)
    text = f"The former run has the fingerprint `{known.former.fingerprint}`."
    return [*lines, text, "", *(f"- {line}" for line in found or ["Nothing is different."]), ""]
