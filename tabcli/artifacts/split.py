"""The split by time of a prep, which `pipeline.split` makes."""

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
    """The first and last moments of the training rows and of the validation rows. Rows between these lie in the gap."""

    train_start: pd.Timestamp
    train_end: pd.Timestamp
    valid_start: pd.Timestamp
    valid_end: pd.Timestamp
    """The last date on which a row has a target, even one that is not scored, such as 0 on a log scale."""

    def is_train(self, dates: pd.Series) -> pd.Series:
        """Which dates (n,) are of training rows, bool (n,)."""
        return dates <= self.train_end

    def is_valid(self, dates: pd.Series) -> pd.Series:
        """Which dates (n,) are of validation rows, bool (n,)."""
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
