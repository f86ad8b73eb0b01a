"""The split by time, as it was made."""

from dataclasses import dataclass
from typing import TypedDict

import pandas as pd


class SplitState(TypedDict):
    """The four moments in ISO format."""

    train_start: str
    train_end: str
    valid_start: str
    valid_end: str


@dataclass(frozen=True)
class Split:
    """The first and last moments of the rows to learn from and to be scored on. Rows between them lie in the gap."""

    train_start: pd.Timestamp
    train_end: pd.Timestamp
    valid_start: pd.Timestamp
    valid_end: pd.Timestamp
    """The end of the known table, whether or not its last rows can be scored."""

    def is_train(self, dates: pd.Series) -> pd.Series:
        """Which rows may be learned from."""
        return dates <= self.train_end

    def is_valid(self, dates: pd.Series) -> pd.Series:
        """Which rows a forecast is scored on."""
        return dates.between(self.valid_start, self.valid_end)

    def to_state(self) -> SplitState:
        return {
            "train_start": self.train_start.isoformat(),
            "train_end": self.train_end.isoformat(),
            "valid_start": self.valid_start.isoformat(),
            "valid_end": self.valid_end.isoformat(),
        }

    @classmethod
    def from_state(cls, state: SplitState) -> "Split":
        moments = state["train_start"], state["train_end"], state["valid_start"], state["valid_end"]
        return cls(*(pd.Timestamp(moment) for moment in moments))
