"""Results → what a person reads on the terminal."""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING

import typer

from tabcli.cli.terminal import can_show
from tabcli.evaluation.naming import score_text

if TYPE_CHECKING:
    from tabcli.api.doctor import Checkup
    from tabcli.api.results import PrepResult, TrainResult
    from tabcli.artifacts.records import TrainMetrics
    from tabcli.artifacts.summary import PrepSummary
    from tabcli.floor.blend import Floor
    from tabcli.reports.inspection import Inspection
    from tabcli.training.loop import Callbacks


def _finite(value: object) -> object:
    """The value with None in place of NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Mapping[str, object]) -> None:
    """Prints a result as one JSON object, with the version of its schema."""
    typer.echo(json.dumps(_finite({"schema_version": 1, **value}), indent=1, ensure_ascii=False, default=str))


# ------------------------------------------------------------------------------------------ rendering


def counts_text(counts: Mapping[str, int]) -> str:
    """The counts that are not 0, each after its name; "none" if all are."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or "none"


def render_prep(result: "PrepResult") -> Iterator[str]:
    """The lines that prep prints: rows in and out, columns by role, the split, what is missing or unknown."""
    found = result.summary
    rows, counts, split, columns = found.rows, found.counts, found.split, found.columns
    yield "rows read      " + ", ".join(f"{name} {n:,}" for name, n in counts.read.items())
    if counts.sampled:
        yield f"sampled        {found.series} whole series"
    yield from _not_learned(found)
    yield f"train          {rows['train']:,} rows, {split.train_start.date()} … {split.train_end.date()}"
    yield f"validation     {rows['valid']:,} rows, {split.valid_start.date()} … {split.valid_end.date()}"
    if "future" in rows:
        yield f"to forecast    {rows['future']:,} rows"
    shards = f", in {result.shards} shards" if result.shards > 1 else ""
    yield f"series         {found.series:,}{shards}, a row every {found.frequency}"
    roles = {"categorical": columns.categorical, "continuous": columns.continuous, "past only": columns.past_only}
    for role, names in roles.items():
        yield f"{role:<14} {len(names)}: {', '.join(names)}"
    if any(found.unmatched.values()):
        yield f"no match       {counts_text(found.unmatched)} rows"
    if any(counts.filled.values()):
        yield f"filled inputs  {counts_text(counts.filled)}"
    for part, codes in found.codes.items():
        yield f"missing        {part}: " + counts_text(
            {**{c: n["missing"] for c, n in codes.items()}, **found.filled[part]}
        )
    for part, codes in found.codes.items():
        if any(n["unknown"] for n in codes.values()):
            yield f"unknown        {part}: " + counts_text({c: n["unknown"] for c, n in codes.items()})
    if counts.clipped:
        yield f"taken as 0     {counts.clipped:,} negative targets"
    baseline, metric = found.baseline, found.metric
    yield f"to beat        {metric.upper()} {score_text(metric, baseline.score)}: {baseline.name}"
    for name, score in baseline.scores.items():
        if name != baseline.name:
            yield f"               {' ' * len(metric)} {score_text(metric, score)}: {name}"
    if not result.unchanged:
        encoded, peak = result.megabytes
        what = (
            "the peak of a process; the first shard's" if result.shards > 1 else "the peak; the"
        ) + " encoded tables"
        yield f"memory         {peak:,.0f} MB at {what} have {encoded:,.0f} MB"
    yield f"{'unchanged' if result.unchanged else 'written'}: {result.path}"


def _not_learned(found: "PrepSummary") -> Iterator[str]:
    """Rows that are left out, or of which only a lower bound is learned."""
    n_bounds = found.rows.get("censored", 0)
    yield "left out       " + counts_text({**found.counts.dropped, "in the gap": found.rows.get("gap", 0)})
    if n_bounds:
        yield f"lower bounds   {n_bounds:,} rows whose target was cut short: learned as at least so much, in no score"


def _floor_text(floor: "Floor") -> str:
    """Which naive forecasts stand beside the networks, and what they gained."""
    if floor.share == 0:
        return "networks alone: the best naive forecasts of past windows add nothing to them"
    parts = sorted(floor.mixture.items(), key=lambda part: -part[1])
    shown = ", ".join(f"{100 * floor.share * share:.0f} % {name}" for name, share in parts)
    return f"{shown}; on past windows {100 * floor.gain:.1f} % less error than networks alone"


def _why_none(result: "TrainResult") -> str:
    """Why forecasts are not calibrated."""
    config = result.run.fitted.config
    if result.metrics.bounds and not result.metrics.judged_on:
        return "targets that were cut short are in no past window; the others are too low to decide"
    if config.calibration.metric == "none":
        return "the config wants none"
    if result.metrics.judged_on < 2:
        return "there are too few past windows to judge one by"
    what = "shift" if config.target.transform == "identity" else "factor"
    sums = ", or the sums of forecasts would be further off by it" if result.metrics.bias[1] else ""
    return f"no {what} lowers the error of past windows that it was not fitted to{sums}"


def _aligned(texts: list[str]) -> list[str]:
    """Texts of several parts, such as "WAPE 7.00 %, bias -1.00 %", with the numbers of all below each other."""
    parts = [text.split(", ") for text in texts]
    if len({len(p) for p in parts}) > 1:
        return texts
    words = [[part.split(" ", 1) for part in p] for p in parts]
    widths = [max(len(w[i][-1]) for w in words) for i in range(len(words[0]))] if words else []
    return [", ".join(f"{name} {number:>{n}}" for (name, number), n in zip(w, widths, strict=True)) for w in words]


def _past_windows(metrics: "TrainMetrics") -> Iterator[str]:
    """How the forecasts of past windows came out, and what to expect of the forecast to come."""
    n, name = len(metrics.windows), metrics.metric

    def shown(score: float, wape: float, bias: float) -> str:
        if math.isnan(bias):
            return f"{name.upper()} {score_text(name, score)}; all its targets are 0"
        of_name = "" if name == "wape" else f"WAPE {score_text('wape', wape)}, "
        return f"{name.upper()} {score_text(name, score)}, {of_name}bias {score_text('bias', bias)}"

    told = [shown(w.score, w.wape, w.bias) for w in metrics.windows]
    for w, text in zip(metrics.windows, _aligned(told), strict=True):
        yield f"past window    {w.start.date()} … {w.end.date()}: {text}"
    if metrics.better:
        gains = (
            f"{100 * abs(g):.1f} % {'less' if g >= 0 else 'more'} by {m.upper()}" for m, g in metrics.better.items()
        )
        yield f"               their error is {', '.join(gains)} than that of the best naive forecasts"
    spread = f" ± {score_text(name, metrics.expected_std)}" if n > 1 else ""
    windows = f"{n} past window{'s' if n > 1 else ''}"
    yield f"expected       {name.upper()} {score_text(name, metrics.expected)}{spread}, as in {windows}"
    for w in metrics.decided_by_few:
        yield f"               {w.few_text(name)}"
    mean, sure = metrics.bias
    if metrics.bounds:
        learned, unscored = f"{metrics.bounds:,}", f"{metrics.unscored:,}"
        yield f"lower bounds   {learned} rows whose target was cut short were learned as such; {unscored}"
        yield "               lie in the windows and are in no score: on the others less was wanted, so that a forecast"
        yield "               of what is wanted lies above them"
    elif sure:
        off, way = score_text("bias", abs(mean)), "high" if mean > 0 else "low"
        yield f"warning        the sum of the forecast was {off} too {way} on average, in all {n} past windows"
        if mean < 0 and metrics.metric in ("wape", "mae", "mape"):
            yield "               absolute errors ask for a median; to order by sums, -S calibration.metric=rmse"


def render_train(result: "TrainResult") -> Iterator[str]:
    """The lines that train prints at its end: scores, floor, calibration, past windows, what to expect."""
    metrics = result.metrics
    baseline, calibration, name = metrics.baseline, metrics.calibration, metrics.metric.upper()
    gain = 1 - metrics.score / baseline.score if baseline.score else 0.0

    def shown(value: float) -> str:
        return score_text(metrics.metric, value)

    singles = metrics.validation.members
    epochs = f"epoch {metrics.best_epoch}"
    if len(singles) > 1:
        mean = sum(singles) / len(singles)
        epochs = f"mean of {len(singles)} members, alone {shown(mean)} on average"
    yield f"validation     {name} {shown(metrics.score)} on {metrics.valid_rows:,} rows ({epochs})"
    if metrics.shards > 1:
        yield (
            f"               learned from {metrics.train_rows:,} rows of all series; scored on those of one of "
            f"{metrics.shards} shards, a random sample"
        )
    if metrics.floor.mixture:
        yield f"floor          {_floor_text(metrics.floor)}"
    if calibration.factor != 1 or calibration.shift:
        how = f"{calibration.shift:+,.4g}" if calibration.shift else f"× {calibration.factor:.4f}"
        yield f"calibration    forecasts {how}, which lowers the error of past windows that it was not fitted to"
    else:
        yield f"calibration    none: {_why_none(result)}"
    yield (
        f"{100 * abs(gain):.1f} % {'better' if gain >= 0 else 'worse'} than the best naive forecast: "
        f"{baseline.name} ({shown(baseline.score)}{', for all series' if metrics.shards > 1 else ''})"
    )
    settings = result.run.fitted.config
    if gain < 0 and settings.target.transform == "log1p" and settings.train.loss == "mse":
        yield "               a few targets of 0 lie far below all others on a log scale: try -S train.loss=huber"
    yield from _past_windows(metrics)
    if metrics.held:
        mean, low, high = (100 * f(metrics.held) for f in (fmean, min, max))
        yield f"intervals      80 % intervals would have held {mean:.0f} % of past windows ({low:.0f} … {high:.0f} %)"
    if metrics.refitted:
        yield f"refitted       on all {metrics.train_rows:,} rows; the scores above are of the networks before"
    yield f"{'unchanged' if result.unchanged else 'written'}: {result.path}"


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator["Callbacks"]:
    """`tabcli.progress()`, whose bar is cleared whatever happens, so that an error has a line of its own.

    `quiet`: nothing is shown.
    """
    from tabcli.api.progress import Bar, callbacks_of
    from tabcli.training.loop import Callbacks

    if quiet:
        yield Callbacks()
        return
    bar = Bar(sys.stderr)
    try:
        yield callbacks_of(bar)
    finally:
        bar.clear()


def changes_text(changes: Mapping[str, object]) -> str:
    """Keys of a config and the values that were tried."""
    return ", ".join(f"{path} = {value}" for path, value in changes.items())


def render_inspection(result: "Inspection") -> Iterator[str]:
    """The lines that inspect prints: facts, then a line per column; in plain ASCII where stdout cannot show blocks."""
    from tabcli.reports.inspection import ASCII_BLOCKS, BLOCKS, sparkline

    rich = can_show(f"{BLOCKS}…×")
    blocks, dots = (BLOCKS, "…") if rich else (ASCII_BLOCKS, "..")
    yield f"{result.what} {result.path}"
    for name, fact in result.facts.items():
        shown = _fact(fact)
        yield f"{name:<16} {shown if rich else shown.replace('…', '..').replace('×', 'x')}"
    rows = [["column", "role", "type", "missing", "unknown", "values", "range", "distribution"]]
    for c in result.columns:
        counts = ["" if n is None else f"{n:,}" for n in (c.missing, c.unknown, c.n_values)]
        span = "" if c.low is None else f"{_short(c.low, dots)} {dots} {_short(c.high, dots)}"
        rows.append([_short(c.name, dots, 30), c.role, c.kind, *counts, span, sparkline(c.bars, blocks)])
    used = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in used}
    yield ""
    for row in rows:
        cells = [row[i].rjust(widths[i]) if 3 <= i <= 5 else row[i].ljust(widths[i]) for i in used]
        yield "  ".join(cells).rstrip()


def render_checkup(checkup: "Checkup") -> Iterator[str]:
    """A line for each finding, and below it what is to be done."""
    width = max(len(f.name) for f in checkup.findings)
    for finding in checkup.findings:
        yield f"{finding.name:<{width}}  {finding.found}"
        if finding.advice:
            yield f"{'to do':>{width}}  {finding.advice}"


def _fact(value: object) -> str:
    """A fact in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_fact(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(_fact(v) for v in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _short(value: object, dots: str, width: int = 14) -> str:
    """A value in at most `width` characters; `dots` mark what is cut off, ? what stdout cannot show."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text.encode(sys.stdout.encoding or "ascii", errors="replace").decode(sys.stdout.encoding or "ascii")
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - len(dots)] + dots
