"""Sections that describe the data: tables, joins, availability, target, the rows to forecast."""

import codecs
import datetime
import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from tabcli.config.reads import Reads
from tabcli.config.values import (
    CalendarPart,
    Condition,
    Duration,
    DurationField,
    Level,
    Scalar,
    Section,
    Texts,
    Transform,
)

# -------------------------------------------------------------------------------------------- sections


def _one_group(pattern: str) -> str:
    try:
        n_groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"expected a regular expression ({error})") from None
    if n_groups != 1:
        raise ValueError("expected a regular expression with exactly one group, in parentheses")
    return pattern


class Extract(Section):
    """A column made of the part of a text column that a regular expression with one group matches."""

    column: Annotated[str, Reads("file")]
    pattern: Annotated[str, AfterValidator(_one_group)]
    into: Annotated[str, Reads("file")]
    no_match: Literal["error", "drop"] = "error"


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError("expected the name of an encoding, such as utf-8, cp1252 or utf-16") from None
    return name


DATE_WORDS = ("quarter", "week", "excel", "seconds", "milliseconds")

_DIRECTIVES = "aAbBdfGHIjmMpSuUVwWyY"


COUNTED = {
    **{name: Duration(n, "s") for name, n in (("seconds", 1), ("minutes", 60), ("hours", 3600))},
    **{name: Duration(n, "d") for name, n in (("days", 1), ("weeks", 7))},
    **{name: Duration(n, "mo") for name, n in (("months", 1), ("quarters", 3), ("years", 12))},
}
"""What numbers may count since a day, each with its length."""


def counted_from(form: str) -> tuple[Duration, datetime.datetime]:
    """*weeks since 2015-01-05* → how long a step is, and the moment that 0 stands for. Raises `ValueError`."""
    unit, _, start = form.partition(" since ")
    if unit not in COUNTED:
        raise ValueError(f"expected one of {', '.join(COUNTED)} before since, such as weeks since 2015-01-05")
    try:
        return COUNTED[unit], datetime.datetime.fromisoformat(start)
    except ValueError:
        raise ValueError(f"expected a day after since, such as {unit} since 2015-01-05") from None


def _known_date_format(form: str) -> str:
    """Raises `ValueError` for what names no date: unknown directives, and those that leave the year or month open."""
    if form in DATE_WORDS:
        return form
    if " since " in form:
        counted_from(form)
        return form
    used = re.findall(r"%(.?)", form.replace("%%", ""), flags=re.DOTALL)
    unknown = [f"%{c}" for c in used if not c or c not in _DIRECTIVES]
    if unknown:
        raise ValueError(
            f"expected a format like %Y%m%d or %d.%m.%Y %H:%M, one of {', '.join(DATE_WORDS)}, or "
            f"weeks since 2015-01-05; {', '.join(unknown)} is not a directive of such a format"
        )
    there = {*used}
    twice = sorted({f"%{c}" for c in used if used.count(c) > 1})
    if twice:
        raise ValueError(f"expected each directive once; {', '.join(twice)} is there twice")
    if ("G" in there) != ("V" in there) or ("V" in there and there & set("YymbBdjUW")):
        raise ValueError("expected %G and %V together, the year and the week of ISO 8601, and no other year or month")
    if not there & set("YyG"):
        raise ValueError("expected a year: %Y, %y or %G")
    if "d" in there and not there & set("mbB"):
        raise ValueError("expected a month beside the day: %m, %b or %B")
    return form


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("expected the name of a time zone, such as Europe/Berlin") from None
    return name


class Melt(Section):
    """A wide table made long: each cell of the columns that are not kept becomes a row; empty cells are left out.

    `names`: the new column with the names of the melted columns (dates, or series). `values`: the new column with the
    cells. With `start` the names are numbered, such as d_1, d_2, …: number 1 is that date, the next one `step` later.
    """

    keep: Annotated[Texts, Reads("file")] = ()
    names: Annotated[str, Reads("file")]
    values: Annotated[str, Reads("file")]
    start: datetime.date | None = None
    step: DurationField = Duration(1, "d")


class DateColumns(Section):
    """A date in several columns: a date and an hour, or a year with a month and a day, a week or a quarter.

    A part that is not given is the first: a year alone means its 1 January, a week its Monday.
    """

    date: Annotated[str | None, Reads("file")] = None
    year: Annotated[str | None, Reads("file")] = None
    quarter: Annotated[str | None, Reads("file")] = None
    month: Annotated[str | None, Reads("file")] = None
    week: Annotated[str | None, Reads("file")] = None
    day: Annotated[str | None, Reads("file")] = None
    hour: Annotated[str | None, Reads("file")] = None

    @property
    def columns_by_part(self) -> dict[str, str]:
        """Part → column, of those that are given."""
        return {part: column for part, column in vars(self).items() if column is not None}

    @property
    def columns(self) -> list[str]:
        """The columns that are given."""
        return list(self.columns_by_part.values())


class Aggregate(Section):
    """Lines of sale made one row for each of the columns `by`; columns that are in no list are left out.

    `step`: dates in `by` become the start of their day, hour, week or month; weeks begin with Monday, or as `start`
    does. `count`: a new column that counts lines.
    """

    by: Annotated[Texts, Reads("file")]
    step: DurationField | None = None
    start: datetime.date | None = None
    sum: Annotated[Texts, Reads("file")] = ()
    mean: Annotated[Texts, Reads("file")] = ()
    max: Annotated[Texts, Reads("file")] = ()
    last: Annotated[Texts, Reads("file")] = ()
    count: Annotated[str | None, Reads("file")] = None


class Table(Section):
    """A source file, or a folder of parts (.csv or .parquet), and how to read it.

    Steps in order: read, melt, where, extract, rename, replace, dates, aggregate.

    `sheet`: of an .xlsx file, by default the first. `skip_rows`, `skip_footer`: lines above the header and at the end
    that do not belong to the table. `dtypes`: *amount* is a number with a currency or a percent sign; one in
    parentheses is negative. `dates`: new columns of dates, made of those that they name, which are left out.
    `date_format` may also be *quarter* (2019 Q1), *week* (2019-W05, its Monday), *excel* (43500: days since the end of
    1899), *seconds* or *milliseconds* (since 1970), or numbers that count *weeks since 2015-01-05*, or as many seconds,
    minutes, hours, days, months, quarters or years.

    `encoding`: of a text file that is not UTF-8. `delimiter`: where several are possible. `decimal`, `thousands`:
    how numbers are written. `missing`: texts that mean missing, besides the empty one; among numbers NA and its like
    do too. `date_format`: of dates that are not like 2015-07-31. `day_first`: whether 03/04/2015 is in April.
    `timezone`: moments that name a time zone become what the clock says in this one; without it they are refused.
    """

    file: str
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    sheet: str | None = None
    skip_rows: Annotated[int, Field(ge=0)] = 0
    skip_footer: Annotated[int, Field(ge=0)] = 0
    dtypes: Annotated[dict[str, Literal["str", "int", "float", "amount"]], Reads("file")] = {}
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    missing: Texts = ()
    date_format: Annotated[str, AfterValidator(_known_date_format)] | None = None
    day_first: bool | None = None
    timezone: Annotated[str, AfterValidator(_known_zone)] | None = None
    melt: Melt | None = None
    where: Annotated[Condition, Reads("file")] = {}
    extract: tuple[Extract, ...] = ()
    rename: Annotated[dict[str, str], Reads("file")] = {}
    replace: Annotated[dict[str, dict[str, str]], Reads("file")] = {}
    dates: dict[str, DateColumns] = {}
    aggregate: Aggregate | None = None


class Join(Section):
    """Brings columns of a lookup table to each row; many rows to one.

    With `as_of` a row dated t takes the lookup table's last row whose `as_of` date, plus `lag`, is not after t. That
    date must say when the row was complete: the end of a week, not its start.
    """

    table: str
    on: Annotated[Texts, Reads("join")] = ()
    as_of: Annotated[str | None, Reads("as of", kind="date", table="table")] = None
    lag: DurationField = Duration(0, "d")
    max_age: DurationField | None = None
    known_in_advance: bool = False


class Availability(Section):
    """Which columns of the train table exist at forecast time.

    *known in advance*: in the future table too. *past only*: never an input of its own day.
    *static*: one value per series.
    """

    known_in_advance: Annotated[tuple[str, ...], Reads("declared")] = ()
    past_only: Annotated[tuple[str, ...], Reads("declared")] = ()
    static: Annotated[tuple[str, ...], Reads("declared")] = ()


class Target(Section):
    """What to forecast, on which scale it is learned, and which rows are left out of learning and scoring.

    `transform`: *log* and *boxcox* (a power between −2 and 2, fitted to the training rows) take targets above zero,
    *log1p* takes zeros too, *identity* any number. `nonpositive` says what happens to targets that it does not take,
    and to missing ones: *refuse* the table, *drop* the rows, or *clip*: *log1p* takes a negative one as 0. `no_row`:
    *zero* gives a series a row with the target 0 on each date, from its first one on, on which another series has one.

    `censored_where`: rows whose target was cut short, as where a shop was sold out: what was wanted is at least what
    was sold. They are learned as lower bounds, and are in no statistic, no past of the target and no score. One of its
    columns must be past only: nobody knows before which rows these will be.
    """

    column: Annotated[str, Reads("target")]
    transform: Transform = "log"
    drop_where: Annotated[Condition, Reads("past")] = {}
    censored_where: Annotated[Condition, Reads("past")] = {}
    nonpositive: Literal["refuse", "drop", "clip"] = "refuse"
    no_row: Literal["unknown", "zero"] = "unknown"


class Holidays(Section):
    """Public holidays of a country, or of a part of it (`subdivision: BY`), by the holidays package.

    `window`: those are counted that lie in a window of whole days that starts with the row's date: 7d for weekly rows.
    """

    country: str
    subdivision: str | None = None
    window: DurationField = Duration(1, "d")

    @property
    def name(self) -> str:
        """The place, such as "DE" or "DE-BY"."""
        return f"{self.country}-{self.subdivision}" if self.subdivision else self.country


class Rule(Section):
    """The values that a column known in advance will have, where no table has them: exactly one key, or just `last`.

    `constant`: a value. `last`: the series' last value. `repeat`: the series' value a whole number of such periods ago.
    `calendar`: a part of the date, such as Dayofweek or Month, `plus` a number. `holidays`: 1 on public holidays.
    """

    constant: Scalar | None = None
    last: Literal[True] | None = None
    repeat: DurationField | None = None
    calendar: CalendarPart | None = None
    plus: int = 0
    holidays: Holidays | None = None


class Forecast(Section):
    """Rules for the rows to forecast: values for missing inputs, and rows that are zero whatever the model says.

    `rules`: what the columns known in advance are, where predict has no table with the rows to forecast. `weekdays`: it
    then makes rows for *all* days of the week, or for those *seen*, on which a series had rows in its last year. They
    start after the last date of all series, the *common* one, or each after its *own*: then all series are learned as
    if they ended together, so that dates are compared by how long before the end they lie. For steps of a week or more.
    `ended`: a series without a row in the validation rows' time has ended. It is forecast as others are (*kept*), or no
    rows are made for it (*left_out*).
    `floor`: with *auto* the best naive forecast stands beside the networks, with the share that served best in past
    windows; where networks are better it has none. `quantiles`, `intervals`: what predict writes beside the forecast
    unless it is asked for others: quantiles of these levels, central intervals that hold these shares of the rows.
    """

    fill: Annotated[dict[str, Scalar], Reads("filled")] = {}
    zero_where: Annotated[Condition, Reads("row")] = {}
    weekdays: Literal["seen", "all"] = "seen"
    start: Literal["common", "own"] = "common"
    ended: Literal["kept", "left_out"] = "kept"
    floor: Literal["auto", "off"] = "auto"
    quantiles: tuple[Level, ...] = ()
    intervals: tuple[Level, ...] = ()
    rules: Annotated[
        dict[str, Annotated[Rule, BeforeValidator(lambda v: {"last": True} if v == "last" else v)]], Reads("declared")
    ] = {}


class Validation(Section):
    """The last rows of the train table, kept out of training; `gap` rows before them are used for neither."""

    last: DurationField | Literal["future"] = "future"
    gap: DurationField = Duration(0, "d")
