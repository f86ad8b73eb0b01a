"""Public holidays, looked up once in the `holidays` package and kept: later steps do not depend on its version."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabcli.config.data import Holidays
from tabcli.errors import ConfigError, DataError, UsageError

YEARS_AHEAD = 10


class HolidaysState(TypedDict):
    """What is kept of `PublicHolidays`."""

    days: dict[str, list[int]]
    first_year: int
    last_year: int


@dataclass(frozen=True)
class PublicHolidays:
    """Public holidays of whole years, from `first_year` to `last_year`.

    `days`: place, such as "DE" or "DE-BY" → its holidays as days since 1970, sorted.
    """

    days: dict[str, tuple[int, ...]]
    first_year: int = 0
    last_year: int = 0

    @classmethod
    def look_up(cls, places: Iterable[Holidays], dates: pd.Series) -> "PublicHolidays":
        """The holidays of the places, from one year before the dates to ten years after them.

        Raises `UsageError` where the package is not installed, `ConfigError` for a place that it does not know.
        """
        wanted = {place.name: place for place in places}
        if not wanted:
            return cls({})
        try:
            import holidays
        except ImportError:
            raise UsageError(
                "public holidays need the holidays package", hint="pip install 'tabcli[holidays]'"
            ) from None
        first, last = dates.min().year - 1, dates.max().year + YEARS_AHEAD
        days = {}
        for name, place in wanted.items():
            try:
                found = holidays.country_holidays(place.country, subdiv=place.subdivision, years=range(first, last + 1))
            except NotImplementedError as error:
                raise ConfigError(f"holidays of {name}: {error}") from None
            days[name] = tuple(sorted(np.array(list(found), dtype="datetime64[D]").astype("int64").tolist()))
        return cls(days, first, last)

    def count(self, dates: pd.Series, place: Holidays) -> NDArray[np.int32]:
        """How many holidays lie in `place.window` from each date on, int32 (n,); with 1d, whether the date is one.

        Raises `DataError` with the count for dates of years that were not looked up.
        """
        outside = ((dates.dt.year < self.first_year) | (dates.dt.year > self.last_year)).to_numpy()
        if outside.any():
            raise DataError(
                f"{outside.sum()} dates lie outside the years {self.first_year} … {self.last_year} "
                f"whose holidays of {place.name} were looked up at prep, such as {dates[outside].iloc[0].date()}",
                hint="run prep again",
            )
        days = np.array(self.days[place.name], dtype="int64")
        first = dates.to_numpy().astype("datetime64[D]").astype("int64")
        stop = first + max(1, place.window.seconds // 86400)
        n: NDArray[np.int32] = (np.searchsorted(days, stop) - np.searchsorted(days, first)).astype("int32")
        return n

    def to_state(self) -> HolidaysState:
        return {
            "days": {name: list(days) for name, days in self.days.items()},
            "first_year": self.first_year,
            "last_year": self.last_year,
        }

    @classmethod
    def from_state(cls, state: HolidaysState) -> "PublicHolidays":
        days = {name: tuple(values) for name, values in state["days"].items()}
        return cls(days, state["first_year"], state["last_year"])
