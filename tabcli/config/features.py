"""Sections that describe features: what is computed from the joined table, and the target's history."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tabcli.config.data import Holidays
from tabcli.config.reads import Reads, reads_of
from tabcli.config.values import Condition, Duration, DurationField, Section, Texts

FeatureDate = Annotated[str, Reads("feature", kind="date")]
"""The name of a column with dates that are known in advance."""


class DateParts(Section):
    """fastai's `add_datepart` of one date column; `prefix` defaults to the name without a final "Date"."""

    column: FeatureDate
    prefix: str | None = None
    time: bool = False


class Fourier(Section):
    """Sines and cosines of a date with a fixed period in days: a smooth season, the same in every year."""

    date: FeatureDate
    period: Annotated[float, Field(gt=0)] = 365.25
    order: Annotated[int, Field(ge=1, le=50)] = 4


def _ordered_window(window: "FromEaster") -> "FromEaster":
    if window.first > window.last:
        raise ValueError("expected first not to be after last")
    return window


class FromEaster(Section):
    """Which day it is from Easter Sunday of its year, from `first` to `last`; missing on all other days.

    -52 … -46 is carnival, 39 Ascension Day, 49 Pentecost, 60 Corpus Christi.
    """

    date: FeatureDate
    first: Annotated[int, Field(ge=-100, le=300)]
    last: Annotated[int, Field(ge=-100, le=300)]


def _some_day_open(end: "MonthEnd") -> "MonthEnd":
    if {*end.closed} == {*WEEKDAYS}:
        raise ValueError("expected a weekday that is not closed")
    return end


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class MonthEnd(Section):
    """How many days of its month come after a date, those on `closed` weekdays not counted: 0 on the last one.

    Around the end of a month wages are paid. Which day that is to a shop depends on the weekday on which a month ends.
    """

    date: FeatureDate
    closed: tuple[Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], ...] = ()


class Event(Section):
    """Days on which something known in advance happens.

    Makes `After…` and `Before…` (time since and until, 0 on the day, `cap` at most, cap + 1 for never) and
    `…_bw`, `…_fw` (how many event rows in the window that ends, or starts, with the day). Calendar months count as
    such where both lengths are months.
    """

    where: Annotated[Condition, Reads("feature")]
    window: DurationField = Duration(7, "d")
    cap: DurationField = Duration(60, "d")


class Moment(Section):
    """A moment given by columns: a date, or a year with a month or an ISO week."""

    date: Annotated[str | None, Reads("feature", kind="date")] = None
    year: Annotated[str | None, Reads("feature", kind="number")] = None
    month: Annotated[str | None, Reads("feature", kind="number")] = None
    week: Annotated[str | None, Reads("feature", kind="number")] = None

    @property
    def columns(self) -> list[str]:
        """The columns that are given."""
        return [read.column for read in reads_of(self)]


class TimeSince(Section):
    """Whole units passed since a moment, 0 before it, `cap` at most, missing where the moment is."""

    since: Moment
    unit: Literal["days", "weeks", "months"]
    cap: Annotated[int, Field(ge=1)] | None = None


class ActiveMonths(Section):
    """1 in the months that a text column lists ("Jan,Apr,Jul,Oct" or "1,4,7,10"), once `since` has come."""

    months: Annotated[str, Reads("feature", kind="text")]
    since: Moment | None = None


class Features(Section):
    """What is computed from the joined table; nothing here is fitted. The keys are the new columns' names."""

    date_parts: Annotated[
        tuple[DateParts, ...],
        BeforeValidator(
            lambda v: [{"column": c} if isinstance(c, str) else c for c in v] if isinstance(v, list | tuple) else v
        ),
    ] = ()
    fourier: dict[str, Fourier] = {}
    from_easter: dict[str, Annotated[FromEaster, AfterValidator(_ordered_window)]] = {}
    to_month_end: dict[str, Annotated[MonthEnd, AfterValidator(_some_day_open)]] = {}
    holidays: dict[str, Holidays] = {}
    events: dict[str, Event] = {}
    spans: dict[str, TimeSince] = {}
    recurrences: dict[str, ActiveMonths] = {}


class History(Section):
    """Statistics of the target's own past, as of an origin: levels, effects, what all series do, last season.

    `windows`: of the levels. `base`: the window of the base level. `effects`: columns known in advance whose
    combinations have an effect of their own in each series. `columns`: past-only columns whose levels are inputs too.
    `season`: how far back the last season lies, a whole number of weeks. `use`: the statistics that become columns.
    Lengths that are not given suit the frequency: for days 364d … 7d, base 28d; for weeks 104w … 4w, base 8w; for
    months 36mo … 3mo, base 6mo; for hours 8w … 24h, base 7d.
    """

    windows: Annotated[tuple[DurationField, ...], Field(min_length=1)] | None = None
    base: DurationField | None = None
    effects: Annotated[Texts, Reads("row")] = ()
    effect_window: DurationField | None = None
    recent_effect_window: DurationField | None = None
    season: DurationField | None = None
    shrink: Annotated[float, Field(gt=0)] = 4.0
    columns: Annotated[Texts, Reads("past", kind="number")] = ()
    use: tuple[Literal["levels", "effects", "spread", "columns", "chain", "season"], ...] = (
        "levels",
        "effects",
        "spread",
        "columns",
    )
