"""What prep found: counts of rows, columns by role, missing and unknown values, and what a forecast must beat."""

from dataclasses import asdict, dataclass
from typing import NotRequired, TypedDict

from tabcli.artifacts.split import Split, SplitState
from tabcli.preprocessing.categorical import Counts


@dataclass(frozen=True)
class ColumnRoles:
    """The inputs by role, in the order in which they are encoded, and the past-only columns by name."""

    categorical: tuple[str, ...]
    continuous: tuple[str, ...]
    past_only: tuple[str, ...]


@dataclass(frozen=True)
class ReadCounts:
    """What was counted while the tables were read and joined.

    `read`: rows of each table. `sampled`: whether only some series were kept. `dropped`: reason → rows left out.
    `filled`: column → missing values that `forecast.fill` replaced. `clipped`: negative targets that were taken as 0.
    """

    read: dict[str, int]
    sampled: bool
    dropped: dict[str, int]
    filled: dict[str, int]
    clipped: int


@dataclass(frozen=True)
class Seen:
    """What the past rows show of time, and what they do not.

    `gappy`: series that lack steps between their first row and their last; `missing`: how many steps these are, and
    `longest`: the most in a row, in words. `new`: series with rows to forecast and none to learn from; `short`: series
    whose rows to learn from span less than a season; `ended`: series without a row in the last horizon. `months`,
    `weekdays`: those (1 … 12, 0 … 6) with rows to learn from or to be scored on. `occasions`: an event, or a value
    that is known in advance → on how many occasions it was seen, stretches of at most a week.
    """

    gappy: int
    missing: int
    longest: str
    new: int
    short: int
    ended: int
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    occasions: dict[str, int]

    @classmethod
    def from_state(cls, state: "SeenState") -> "Seen":
        return cls(
            **{**state, "months": tuple(state["months"]), "weekdays": tuple(state["weekdays"])}  # type: ignore[arg-type]
        )


class SeenState(TypedDict):
    """A `Seen` as JSON has it."""

    gappy: int
    missing: int
    longest: str
    new: int
    short: int
    ended: int
    months: list[int]
    weekdays: list[int]
    occasions: dict[str, int]


class BaselineState(TypedDict):
    """A `Baseline` as JSON has it: `name` is the best forecast's; its score stands beside, as `valid_<metric>`."""

    by: list[str]
    name: str
    all: dict[str, float]


@dataclass(frozen=True)
class Baseline:
    """Naive forecasts of the validation rows. `scores`: name → `metric`. `by`: the columns of the first median."""

    metric: str
    by: tuple[str, ...]
    scores: dict[str, float]

    @property
    def name(self) -> str:
        """The best naive forecast, which the networks must beat."""
        return min(self.scores, key=lambda name: self.scores[name])

    @property
    def score(self) -> float:
        """The metric of the best naive forecast."""
        return self.scores[self.name]

    def to_state(self) -> dict[str, object]:
        best = {"name": self.name, f"valid_{self.metric}": self.score}
        return {"by": list(self.by), **best, "all": self.scores}

    @classmethod
    def from_state(cls, state: BaselineState, metric: str) -> "Baseline":
        return cls(metric, tuple(state["by"]), state["all"])


class RowsState(TypedDict, total=False):
    """`PrepSummary.rows`, and of `ReadCounts` what counts rows, as JSON has them."""

    read: dict[str, int]
    sampled: bool
    dropped: dict[str, int]
    train: int
    valid: int
    gap: int
    censored: int
    future: int


class PrepSummaryState(TypedDict):
    """A `PrepSummary` as JSON has it."""

    rows: RowsState
    series: int
    columns: dict[str, list[str]]
    unmatched: dict[str, int]
    filled_inputs: dict[str, int]
    clipped: int
    frequency: str
    metric: str
    codes: dict[str, dict[str, Counts]]
    filled: dict[str, dict[str, int]]
    dates: SplitState
    baseline: BaselineState
    seen: NotRequired[SeenState]


@dataclass(frozen=True)
class PrepSummary:
    """What prep found.

    `rows`: part → rows; the parts are those of `Prepared.tables`. `series`: how many.
    `unmatched`: lookup table → rows that found no match. `frequency`: the step, such as 1w. `codes`: part → column →
    how many values are missing, and how many training never saw. `filled`: part → column → missing numbers that were
    filled. `baseline`: what the networks must beat. `seen`: what the past shows of time; None for
    a prep of an older version.
    """

    rows: dict[str, int]
    counts: ReadCounts
    series: int
    columns: ColumnRoles
    unmatched: dict[str, int]
    frequency: str
    codes: dict[str, dict[str, Counts]]
    filled: dict[str, dict[str, int]]
    split: Split
    baseline: Baseline
    seen: Seen | None = None

    @property
    def metric(self) -> str:
        """The config's metric."""
        return self.baseline.metric

    def to_state(self) -> dict[str, object]:
        """What summary.json and `prep --json` hold."""
        counts = self.counts
        roles = asdict(self.columns)
        return {
            "rows": {"read": counts.read, "sampled": counts.sampled, "dropped": counts.dropped, "gap": 0, **self.rows},
            "series": self.series,
            "columns": {role.replace("_", " "): list(names) for role, names in roles.items()},
            "unmatched": self.unmatched,
            "filled_inputs": counts.filled,
            "clipped": counts.clipped,
            "frequency": self.frequency,
            "metric": self.metric,
            "codes": self.codes,
            "filled": self.filled,
            "dates": self.split.to_state(),
            "baseline": self.baseline.to_state(),
            **({"seen": asdict(self.seen)} if self.seen is not None else {}),
        }

    @classmethod
    def from_state(cls, state: PrepSummaryState) -> "PrepSummary":
        rows, columns = state["rows"], state["columns"]
        parts = {"train": rows["train"], "valid": rows["valid"]}
        parts |= {"gap": rows["gap"]} if rows["gap"] else {}
        parts |= {"censored": rows["censored"]} if "censored" in rows else {}
        parts |= {"future": rows["future"]} if "future" in rows else {}
        counts = (rows["read"], rows["sampled"], rows["dropped"], state["filled_inputs"], state["clipped"])
        return cls(
            parts,
            ReadCounts(*counts),
            state["series"],
            ColumnRoles(*(tuple(columns[role]) for role in ("categorical", "continuous", "past only"))),
            state["unmatched"],
            state["frequency"],
            state["codes"],
            state["filled"],
            Split.from_state(state["dates"]),
            Baseline.from_state(state["baseline"], state["metric"]),
            Seen.from_state(state["seen"]) if "seen" in state else None,
        )
