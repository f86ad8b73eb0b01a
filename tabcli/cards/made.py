"""What made a run, and the run that stood in its place before: enough to make it again, and to say what changed."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from tabcli import files
from tabcli.artifacts.contents import Run
from tabcli.bundle.manifest import MANIFEST
from tabcli.errors import BundleError
from tabcli.evaluation.naming import score_text

FORMER = "former.json"
"""The file of a run that says what the run before it was."""


@dataclass(frozen=True)
class Made:
    """`fingerprint`, `prep`: what the run was made from, as hashes. `versions`: of each library. `threads`: of a
    network. `config`: the config's file as it was typed, empty where none is known.
    `weights`: one hash of all networks.
    """

    fingerprint: str = ""
    prep: str = ""
    versions: Mapping[str, str] | None = None
    threads: int | None = None
    config: str = ""
    weights: str = ""


def made_of(directory: Path) -> Made:
    """What the manifest of a whole run directory says."""
    manifest = files.read_json(directory / MANIFEST)
    members = {name: f["sha256"] for name, f in manifest["files"].items() if name.startswith("member-")}
    return Made(
        str(manifest["fingerprint"]),
        str(manifest.get("prep", "")),
        manifest.get("versions"),
        manifest.get("threads"),
        str(manifest.get("config", "")),
        files.digest(members),
    )


@dataclass(frozen=True)
class Former:
    """The run before: what it was made from and what it reached. `config`: key.path → value."""

    fingerprint: str
    versions: dict[str, str]
    dates: tuple[str, str]
    series: int
    train_rows: int
    networks: int
    metric: str
    score: float
    expected: float
    windows: int
    config: dict[str, object]

    def to_state(self) -> dict[str, object]:
        return {"format_version": 1, **asdict(self), "dates": list(self.dates)}


def former_of(run: Run, made: Made) -> Former:
    """A run as the one before another."""
    fitted, metrics = run.fitted, run.metrics
    return Former(
        made.fingerprint,
        dict(made.versions or {}),
        (fitted.split.train_start.isoformat(), fitted.split.valid_end.isoformat()),
        run.n_series,
        metrics.train_rows,
        len(run.members),
        metrics.metric,
        metrics.score,
        metrics.expected,
        len(metrics.windows),
        dict(_flat(fitted.config.dump())),
    )


def read_former(directory: Path) -> Former | None:
    """What a run directory says of the run before it; None where it says nothing. Raises `BundleError`."""
    path = directory / FORMER
    if not path.exists():
        return None
    try:
        state = files.read_json(path)
        del state["format_version"]
        return Former(**{**state, "dates": cast("tuple[str, str]", tuple(state["dates"]))})
    except (ValueError, KeyError, TypeError):
        raise BundleError(
            f"{path}: this file cannot be read", hint="remove it, or make it again with --since"
        ) from None


def changes(now: Former, before: Former) -> list[str]:
    """What is other than in the run before, a sentence each."""
    found = []
    if now.dates != before.dates:
        spans = [f"{day_of(a)} … {day_of(b)}" for a, b in (before.dates, now.dates)]
        found.append(f"The rows span {spans[1]}, before {spans[0]}.")
    for name, a, b in (
        ("series", before.series, now.series),
        ("rows that a network learned from", before.train_rows, now.train_rows),
        ("networks", before.networks, now.networks),
    ):
        if a != b:
            found.append(f"{name[0].upper()}{name[1:]}: {b:,}, before {a:,}.")
    if now.metric != before.metric:
        found.append(f"It is judged by {now.metric.upper()}, before by {before.metric.upper()}.")
    else:
        pairs = (("on the validation rows", before.score, now.score), ("expected", before.expected, now.expected))
        found += [
            f"{now.metric.upper()} {what}: {score_text(now.metric, b)}, before {score_text(now.metric, a)}."
            for what, a, b in pairs
            if a != b
        ]
    found += [
        f"{name} {now.versions.get(name, 'none')}, before {before.versions.get(name, 'none')}."
        for name in sorted({*now.versions, *before.versions})
        if now.versions.get(name) != before.versions.get(name)
    ]
    keys = [k for k in sorted({*now.config, *before.config}) if now.config.get(k) != before.config.get(k)]
    return found + [
        f"Config: `{k}` is {_short(now.config.get(k))}, before {_short(before.config.get(k))}." for k in keys
    ]


def day_of(moment: str) -> str:
    """A moment in ISO format; the date alone where it is midnight."""
    return moment.removesuffix("T00:00:00").replace("T", " ")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _flat(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    """key.path → value, of all keys that hold no keys themselves."""
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, Mapping) and value:
            yield from _flat(value, here)
        else:
            yield here, value
