"""DATASHEET.md: the data that a run learned from, after "Datasheets for datasets" (Gebru et al. 2021)."""

from collections.abc import Iterator

from tabcli.cards.known import Known
from tabcli.cards.made import day_of
from tabcli.cards.markdown import answered, code, front_matter, plain, table
from tabcli.cards.model_card import by_text, title_of
from tabcli.cards.segments import span_text
from tabcli.config.values import Condition, Not, Scalar
from tabcli.tables.contract import ColumnProfile

SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def datasheet(known: Known) -> str:
    """The datasheet as Markdown, with a head that the Hugging Face hub reads as that of a dataset."""
    parts = (_head, _why, _tables, _left_out, _time, _roles, _collected, _people, _sharing)
    return "\n".join(line for part in parts for line in part(known)).rstrip("\n") + "\n"


def _rows(known: Known) -> int:
    return max((c["rows"] for c in known.run.fitted.contract.tables.get("train", {}).values()), default=0)


def _head(known: Known) -> list[str]:
    n = _rows(known)
    size = next((name for most, name in SIZES if n < most), "10M<n<100M")
    name = f"{known.run.fitted.config.target.column}{by_text(known)}"
    head = front_matter(
        {
            "pretty_name": name,
            "task_categories": ["time-series-forecasting"],
            "size_categories": [size],
            "tags": ["tabular", "timeseries"],
        }
    )
    text = (
        f"What the model [{plain(title_of(known))}](MODEL_CARD.md) learned from. The tables themselves are not here. "
        "What was counted was counted by `tabcli prep`; what only a person knows is marked ☐ until somebody says it."
    )
    return [*head, f"# The data: {plain(name)}", "", text, ""]


def _why(known: Known) -> list[str]:
    return ["## Where they come from, and what for", "", *answered(known.answers, "data_origin")]


def _tables(known: Known) -> Iterator[str]:
    contract, config = known.run.fitted.contract, known.run.fitted.config
    yield from ("## What is in the tables", "")
    for name, columns in contract.tables.items():
        rows = max((c["rows"] for c in columns.values()), default=0)
        file = f" ({code(config.tables[name].file)})" if name in config.tables else ""
        yield from (f"**{plain(name)}**{file}: {rows:,} rows.", "")
        lines = [[code(c), p["kind"], f"{p['missing']:,}", _range(p), _role(known, c)] for c, p in columns.items()]
        yield from table(["column", "kind", "missing", "values", "use"], lines, numbers_from=9)


def _range(profile: ColumnProfile) -> str:
    if "levels" in profile:
        return f"{profile['levels']:,} different"
    if "min" not in profile:
        return "none"
    low, high = (day_of(v) if isinstance(v, str) else f"{v:,.10g}" for v in (profile["min"], profile["max"]))
    return plain(f"{low} … {high}")


def _role(known: Known, column: str) -> str:
    """What a column is used for, as far as its name tells."""
    fitted = known.run.fitted
    config, roles = fitted.config, fitted.config.availability
    named = (
        ("target", [config.target.column]),
        ("date", [config.date]),
        ("series", config.series),
        ("name of a row", [config.id]),
        ("past only", roles.past_only),
        ("known in advance", roles.known_in_advance),
        ("static", roles.static),
    )
    inputs = {*fitted.preprocessor.categorical, *fitted.preprocessor.continuous}
    found = [use for use, columns in named if column in columns]
    return ", ".join([*found, *(["input"] if column in inputs else [])]) or "not an input itself"


def _left_out(known: Known) -> list[str]:
    lines, summary, config = ["## Rows left out, and why", ""], known.run.summary, known.run.fitted.config
    if summary is None:
        return [*lines, "Not known: the run was made by an older version, which did not keep it.", ""]
    counts = summary.counts
    found = [f"- {n:,} rows with {plain(reason)}." for reason, n in counts.dropped.items() if n]
    if gap := summary.rows.get("gap", 0):
        found.append(f"- {gap:,} rows in the gap before the validation rows (`validation.gap`).")
    if bounds := summary.rows.get("censored", 0):
        found.append(f"- {bounds:,} rows whose target was cut short: learned as lower bounds, in no score.")
    if counts.clipped:
        found.append(f"- Not left out: {counts.clipped:,} negative targets were taken as 0.")
    found += [f"- Filled in: {n:,} missing values of {code(c)}." for c, n in counts.filled.items() if n]
    found += [f"- Without a match in {code(t)}: {n:,} rows." for t, n in summary.unmatched.items() if n]
    if counts.sampled:
        found.append(f"- Only {summary.series:,} series were kept: a sample.")
    wheres = [
        f"- Of {code(name)} only rows were read in which {plain(_condition(table.where))}."
        for name, table in config.tables.items()
        if table.where
    ]
    kept = ", ".join(f"{n:,} {part}" for part, n in summary.rows.items())
    return [*lines, *(found + wheres or ["- None."]), "", f"Kept: {kept} rows.", ""]


def _condition(condition: Condition) -> str:
    """A condition in words: `kind is one of a, b and size is not 3`."""

    def words(value: Scalar | tuple[Scalar, ...]) -> str:
        return f"one of {', '.join(map(str, value))}" if isinstance(value, tuple) else str(value)

    parts = [
        f"{column} is {f'not {words(value.not_)}' if isinstance(value, Not) else words(value)}"
        for column, value in condition.items()
    ]
    return " and ".join(parts)


def _time(known: Known) -> list[str]:
    fitted, summary = known.run.fitted, known.run.summary
    seen = summary.seen if summary is not None else None
    split = fitted.split
    lines = [
        "## Period and gaps",
        "",
        f"- {span_text(split.train_start, split.valid_end)}, a row every {fitted.frequency}; "
        f"{known.run.n_series:,} series.",
        f"- Learned from {span_text(split.train_start, split.train_end)}; validation rows "
        f"{span_text(split.valid_start, split.valid_end)}.",
    ]
    if seen is not None:
        lines.append(
            f"- {seen.gappy:,} series lack {seen.missing:,} steps between their first row and their last; the longest "
            f"gap is {plain(seen.longest)}."
            if seen.gappy
            else "- No series lacks a step between its first row and its last."
        )
        lines.append(
            f"- {seen.new:,} series only have rows to forecast; {seen.ended:,} have no row in the last "
            f"{fitted.horizon} steps; {seen.short:,} have less than a season to learn from."
        )
        rows = [[plain(name), f"{n:,}"] for name, n in seen.occasions.items()]
        if rows:
            lines += ["", "How often events, and values known in advance, were seen (stretches of at most a week):", ""]
            return [*lines, *table(["event or value", "occasions"], rows)]
    return [*lines, ""]


def _roles(known: Known) -> list[str]:
    fitted = known.run.fitted
    config, roles = fitted.config, fitted.config.availability
    lines = [
        f"- Known in advance, so an input of its own day: {', '.join(map(code, roles.known_in_advance)) or 'none'}.",
        f"- Past only, never an input of its own day: {', '.join(map(code, roles.past_only)) or 'none'}.",
        f"- One value for each series: {', '.join(map(code, roles.static)) or 'what is joined by the series alone'}.",
    ]
    for join in config.joins:
        keys = ", ".join(map(code, join.on))
        dated = f" as of {code(join.as_of)}, at least {join.lag} old" if join.as_of else ""
        ahead = "; taken as known in advance" if join.known_in_advance else ""
        lines.append(f"- {code(join.table)} is joined by {keys or 'the date'}{dated}{ahead}.")
    rules = [f"{code(name)}" for name in config.forecast.rules]
    if rules:
        lines.append(f"- Where no table has them, made by rules: {', '.join(rules)}.")
    text = (
        "Numbers get the median of the training rows where they are missing, and a flag; values that training never "
        "saw have a code of their own. All that was fitted was fitted to the training rows alone."
    )
    return ["## What is known when, and how it is prepared", "", *lines, "", text, ""]


def _collected(known: Known) -> list[str]:
    return ["## How they were recorded", "", *answered(known.answers, "data_collected")]


def _people(known: Known) -> list[str]:
    answers = known.answers
    return ["## People in the data", "", *answered(answers, "data_people"), *answered(answers, "data_consent")]


def _sharing(known: Known) -> list[str]:
    answers = known.answers
    upkeep = ["## Who keeps them up", "", *answered(answers, "data_upkeep")]
    return ["## Who may have them", "", *answered(answers, "data_sharing"), *upkeep]
