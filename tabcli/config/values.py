"""What keys of a config may hold: lengths of time, conditions, names; and the strict base of every section."""

import calendar
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

# ---------------------------------------------------------------------------------------------- values


@dataclass(frozen=True)
class Duration:
    """A length of time in one unit, written `48d`, `8w`, `168h`, `15min`, `30s` or, in calendar months, `3mo`.

    >>> Duration.parse("8w").seconds == Duration.parse("56d").seconds
    True
    """

    count: int
    unit: Literal["s", "min", "h", "d", "w", "mo"]

    SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "mo": 2629746}

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """From a text such as "8w". Raises `ValueError` for any other."""
        match = re.fullmatch(r"(\d{1,6})(s|min|h|d|w|mo)", text.strip()) if isinstance(text, str) else None
        if match is None:
            raise ValueError("expected a number and a unit, like 48d, 8w, 168h or 3mo")
        return cls(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern admits only these units

    @property
    def unit_seconds(self) -> int:
        """The seconds of one unit; of a month its mean length."""
        return self.SECONDS[self.unit]

    @property
    def seconds(self) -> int:
        """Its length; of months the mean length, a twelfth of 365.2425 days."""
        return self.count * self.unit_seconds

    @property
    def shortest(self) -> int:
        """The fewest seconds that it can be: of three months those of February, March and April, 89 days.

        >>> Duration.parse("3mo").shortest // 86400, Duration.parse("3mo").longest // 86400
        (89, 92)
        """
        return min(_days_of_months(self.count)) * 86400 if self.unit == "mo" else self.seconds

    @property
    def longest(self) -> int:
        """The most seconds that it can be."""
        return max(_days_of_months(self.count)) * 86400 if self.unit == "mo" else self.seconds

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@cache
def _days_of_months(n: int) -> frozenset[int]:
    """How many days n months in a row can have, by the Gregorian calendar, which begins anew every 400 years."""
    lengths = [calendar.monthrange(2000 + i // 12, i % 12 + 1)[1] for i in range(4800)]
    cycles, rest = divmod(n, len(lengths))
    until = [0, *accumulate([*lengths, *lengths])]
    return frozenset(cycles * sum(lengths) + until[i + rest] - until[i] for i in range(len(lengths)))


DurationField = Annotated[
    Duration,
    BeforeValidator(lambda v: v if isinstance(v, Duration) else Duration.parse(v)),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d{1,6}(s|min|h|d|w|mo)$", "examples": ["48d", "8w", "168h", "3mo"]}
    ),
]


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
"""One text or a list of them."""

Scalar = bool | int | float | str

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Level = Annotated[float, Field(ge=0.001, le=0.999)]
"""Of a quantile, or of an interval the share of the rows that it holds."""

CalendarPart = Literal["Year", "Month", "Week", "Day", "Dayofweek", "Dayofyear", "Hour"]

Transform = Literal["log", "log1p", "identity", "boxcox"]

Metric = Literal["rmspe", "wape", "rmsle", "rmse", "mape", "mae", "mase", "pinball"]


class Section(BaseModel):
    """A part of the config: frozen, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Not(Section):
    """Any value but these; a missing value is neither one of them nor another."""

    not_: Scalar | tuple[Scalar, ...] = Field(alias="not")

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


S = TypeVar("S", bound=Section)

Condition = dict[str, Scalar | tuple[Scalar, ...] | Not]
"""Column → the value, list of values, or `{not: …}` that rows must have; all columns must agree."""
