"""What prep found: counts of rows, columns by role, missing and unknown values, and what a forecast must beat."""

from dataclasses import asdict, dataclass
from typing import TypedDict

from tabcli.artifacts.split import Split, SplitState
from tabcli.preprocessing.categorical import Counts


@dataclass(frozen=True)
class ColumnRoles:
    """The model's inputs by role, in their order, and the columns that are known only once a day has passed."""

    categorical: tuple[str, ...]
    continuous: tuple[str, ...]
    past_only: tuple[str, ...]


@dataclass(frozen=True)
class ReadCounts:
    """What was counted while the tables were read and joined.

    `read`: rows by table; `dropped`: rows left out, by reason; `filled`: missing values that `forecast.fill` filled, by
    column; `clipped`: negative targets that were taken as 0; `sampled`: only some series were kept.
    """

    read: dict[str, int]
    sampled: bool
    dropped: dict[str, int]
    filled: dict[str, int]
    clipped: int


class BaselineState(TypedDict):
    """`name`: the best one; `score`: its metric. On the disk the score stands under `valid_<metric>`."""

    by: list[str]
    name: str
    all: dict[str, float]


@dataclass(frozen=True)
class Baseline:
    """Naive forecasts of the validation rows: name → metric. `by`: the columns of the first one's median."""

    metric: str
    by: tuple[str, ...]
    scores: dict[str, float]

    @property
    def name(self) -> str:
        """The best one, which a forecast must beat."""
        return min(self.scores, key=lambda name: self.scores[name])

    @property
    def score(self) -> float:
        """The best one's metric."""
        return self.scores[self.name]

    def to_state(self) -> dict[str, object]:
        best = {"name": self.name, f"valid_{self.metric}": self.score}
        return {"by": list(self.by), **best, "all": self.scores}

    @classmethod
    def from_state(cls, state: BaselineState, metric: str) -> "Baseline":
        return cls(metric, tuple(state["by"]), state["all"])


class RowsState(TypedDict, total=False):
    """`PrepSummary.rows` and what was counted before, in one."""

    read: dict[str, int]
    sampled: bool
    dropped: dict[str, int]
    train: int
    valid: int
    gap: int
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


@dataclass(frozen=True)
class PrepSummary:
    """What prep found.

    `rows`: of the parts train, valid and, where there are such rows, gap and future. `series`: how many. `unmatched`:
    rows that found no match, by lookup table. `codes`: part → column → how many values are missing, and how many
    training never saw. `filled`: part → column → how many missing numbers were filled. `frequency`: the step.
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

    @property
    def metric(self) -> str:
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
        }

    @classmethod
    def from_state(cls, state: PrepSummaryState) -> "PrepSummary":
        rows, columns = state["rows"], state["columns"]
        parts = {"train": rows["train"], "valid": rows["valid"]}
        parts |= {"gap": rows["gap"]} if rows["gap"] else {}
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
        )
