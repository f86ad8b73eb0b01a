"""YAML + presets + overrides → one frozen, validated `Config`. The only reader of YAML and user of pydantic.

A config describes the data, not the program: which tables there are, how they join, which columns identify a
series, which are known in advance, and what is to be forecast. Unknown keys are refused with the nearest valid
name, and all problems are reported at once, each with its path.
"""

import codecs
import copy
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails

from tabcli.errors import ConfigError

FORMAT_VERSION = 1
MAX_YAML_BYTES = 1_000_000
MAX_YAML_DEPTH = 50
TUNABLE = ("model", "train", "calibration", "history")


# ---------------------------------------------------------------------------------------------- values


@dataclass(frozen=True)
class Duration:
    """A length of time in one unit, written `48d`, `8w`, `168h` or, in calendar months, `3mo`.

    >>> Duration.parse("8w").seconds == Duration.parse("56d").seconds
    True
    """

    count: int
    unit: Literal["h", "d", "w", "mo"]

    SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400, "mo": 2629746}  # noqa: RUF012 - a constant, not a field

    @classmethod
    def parse(cls, text: str) -> "Duration":
        match = re.fullmatch(r"(\d{1,6})(h|d|w|mo)", text.strip()) if isinstance(text, str) else None
        if match is None:
            raise ValueError("expected a number and a unit, like 48d, 8w, 168h or 3mo")
        return cls(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern admits only the four units

    @property
    def unit_seconds(self) -> int:
        return self.SECONDS[self.unit]

    @property
    def seconds(self) -> int:
        """Its length; of months the mean length, a twelfth of 365.2425 days."""
        return self.count * self.unit_seconds

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


DurationField = Annotated[
    Duration,
    BeforeValidator(lambda v: v if isinstance(v, Duration) else Duration.parse(v)),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}(h|d|w|mo)$", "examples": ["48d", "8w", "168h", "3mo"]}),
]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Scalar = bool | int | float | str
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
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

    column: str
    pattern: Annotated[str, AfterValidator(_one_group)]
    into: str
    no_match: Literal["error", "drop"] = "error"


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError("expected the name of an encoding, such as utf-8, cp1252 or utf-16") from None
    return name


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("expected the name of a time zone, such as Europe/Berlin") from None
    return name


class Table(Section):
    """A source file and how to read it. Steps in order: read, where, extract, rename, replace.

    `encoding`: of a text file that is not UTF-8. `delimiter`: where it is not beyond doubt. `decimal`, `thousands`:
    how numbers are written. `missing`: texts that mean missing, besides the empty one; among numbers NA and its like
    do too. `date_format`: of dates that are not like 2015-07-31. `day_first`: whether 03/04/2015 is in April.
    `timezone`: moments that name a time zone become what the clock says in this one; without it they are refused.
    """

    file: str
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    dtypes: dict[str, Literal["str", "int", "float"]] = {}
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    missing: Columns = ()
    date_format: str | None = None
    day_first: bool | None = None
    timezone: Annotated[str, AfterValidator(_known_zone)] | None = None
    where: Condition = {}
    extract: tuple[Extract, ...] = ()
    rename: dict[str, str] = {}
    replace: dict[str, dict[str, str]] = {}


class Join(Section):
    """Brings columns of a side table to each row; many rows to one.

    With `as_of` the row dated t takes the last right row whose `as_of` date, plus `lag`, is not after t. The
    right date must say when its row was complete: the end of a week, not its start.
    """

    table: str
    on: Columns = ()
    as_of: str | None = None
    lag: DurationField = Duration(0, "d")
    max_age: DurationField | None = None
    known_in_advance: bool = False


class Availability(Section):
    """Which columns of the train table exist at forecast time.

    *known in advance*: in the future table too. *past only*: never an input of its own day.
    *static*: one value per series.
    """

    known_in_advance: tuple[str, ...] = ()
    past_only: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


class Target(Section):
    """What to forecast, on which scale it is learned, and which rows are left out of learning and scoring.

    `transform`: *log* and *boxcox* (a power between −2 and 2, fitted to the training rows) take targets above zero,
    *log1p* takes zeros too, *identity* any number. `nonpositive` says what happens to targets that it does not take,
    and to missing ones: *refuse* the table, *drop* the rows, or *clip*: *log1p* takes a negative one as 0.
    """

    column: str
    transform: Transform = "log"
    drop_where: Condition = {}
    nonpositive: Literal["refuse", "drop", "clip"] = "refuse"


class Holidays(Section):
    """Public holidays of a country, or of a part of it (`subdivision: BY`), by the holidays package.

    `window`: those are counted that lie in a window of whole days that starts with the row's date: 7d for weekly rows.
    """

    country: str
    subdivision: str | None = None
    window: DurationField = Duration(1, "d")

    @property
    def name(self) -> str:
        return f"{self.country}-{self.subdivision}" if self.subdivision else self.country


class Rule(Section):
    """What a column that is known in advance will be, where no table says it; exactly one of these, or just `last`.

    `constant`: a value. `last`: the series' last. `repeat`: the series' own a whole number of such periods before.
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

    `rules`: what the columns known in advance are, where predict has no table with the rows to forecast.
    """

    fill: dict[str, Scalar] = {}
    zero_where: Condition = {}
    rules: dict[str, Annotated[Rule, BeforeValidator(lambda v: {"last": True} if v == "last" else v)]] = {}


class DateParts(Section):
    """fastai's `add_datepart` of one date column; `prefix` defaults to the name without a final "Date"."""

    column: str
    prefix: str | None = None
    time: bool = False


class Fourier(Section):
    """Sines and cosines of a date with a fixed period in days: a smooth season, the same in every year."""

    date: str
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

    date: str
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

    date: str
    closed: tuple[Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], ...] = ()


class Event(Section):
    """Days on which something known in advance happens.

    Makes `After…` and `Before…` (time since and until, 0 on the day, `cap` at most, cap + 1 for never) and
    `…_bw`, `…_fw` (how many event rows in the window that ends, or starts, with the day). Calendar months count as
    such where both lengths are months.
    """

    where: Condition
    window: DurationField = Duration(7, "d")
    cap: DurationField = Duration(60, "d")


class Since(Section):
    """A moment given by columns: a date, or a year with a month or an ISO week."""

    date: str | None = None
    year: str | None = None
    month: str | None = None
    week: str | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that are given."""
        return [c for c in (self.date, self.year, self.month, self.week) if c is not None]


class Span(Section):
    """Whole units passed since a moment, 0 before it, `cap` at most, missing where the moment is."""

    since: Since
    unit: Literal["days", "weeks", "months"]
    cap: Annotated[int, Field(ge=1)] | None = None


class Recurrence(Section):
    """1 in the months that a text column lists ("Jan,Apr,Jul,Oct" or "1,4,7,10"), once `since` has come."""

    months: str
    since: Since | None = None


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
    spans: dict[str, Span] = {}
    recurrences: dict[str, Recurrence] = {}

    @property
    def sinces(self) -> list[Since]:
        """The moments that spans and recurrences begin with."""
        spans = [span.since for span in self.spans.values()]
        return [*spans, *(r.since for r in self.recurrences.values() if r.since is not None)]


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
    effects: Columns = ()
    effect_window: DurationField | None = None
    recent_effect_window: DurationField | None = None
    season: DurationField | None = None
    shrink: Annotated[float, Field(gt=0)] = 4.0
    columns: Columns = ()
    use: tuple[Literal["levels", "effects", "spread", "columns", "chain", "season"], ...] = (
        "levels",
        "effects",
        "spread",
        "columns",
    )


class Validation(Section):
    """The last rows of the train table, kept out of training; `gap` rows before them are used for neither."""

    last: DurationField | Literal["future"] = "future"
    gap: DurationField = Duration(0, "d")


def _regular_range(value: Any) -> Any:
    if isinstance(value, tuple) and value[0] >= value[1]:
        raise ValueError("expected [low, high] with low < high")
    return value


class Model(Section):
    """The network: embeddings ‖ continuous inputs → layers → one number, the log of the forecast.

    `kind`: a plain MLP; one whose layers are residual blocks; or TabM's ensemble of `heads` in one network.
    `periodic`: that many learned frequencies for each continuous input. `history`: where the prep has one, *side* adds
    what a small network of `history_width` makes of its columns alone; *base* makes them inputs like others, and the
    network learns what is added to the base level. `without`: variables that the network does not get, such as to see
    what they are worth, or for members of an ensemble that err in other ways.
    """

    without: Columns = ()
    embedding_sizes: dict[str, Annotated[int, Field(ge=1, le=600)]] = {}
    embedding_dropout: Probability = 0.0
    embedding_std: Annotated[float, Field(gt=0)] = 0.3
    kind: Literal["mlp", "residual", "tabm"] = "mlp"
    heads: Annotated[int, Field(ge=2, le=64)] = 4
    periodic: Annotated[int, Field(ge=1, le=256)] | None = None
    layers: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (256, 128, 64)
    dropout: Probability | tuple[Probability, ...] = 0.0
    activation: Literal["relu", "silu"] = "silu"
    batch_norm: bool = False
    batch_norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    continuous_batch_norm: bool = False
    series_head: bool = True
    history: Literal["side", "base", "none"] = "side"
    history_width: Annotated[int, Field(ge=1)] = 32
    output_range: Annotated[Literal["auto"] | tuple[float, float] | None, AfterValidator(_regular_range)] = None


class Train(Section):
    """Optimisation: schedule, regularisation, averaging and when to stop.

    `loss`: on the target's learned scale; *pinball* learns the `quantile`, which every scale keeps. `date_effect`: the
    share of what all rows of a date have in common that is taken for chance, not for the network to learn (see
    `training.DateEffects`; a quantile has none, since that chance is part of it). `precision`: of the matrix products
    while training; *auto* is bfloat16 where the processor computes in it. `mixup`: rows are mixed in pairs (see
    `model.Mix`), each batch in a share from a Beta(α, α) distribution with this α. `device`: where training happens; a
    small network gains little from a graphics card.
    """

    members: Annotated[int, Field(ge=1, le=100)] = 1
    epochs: Annotated[int, Field(ge=1)] = 8
    keep: Literal["best", "last"] = "best"
    loss: Literal["mse", "huber", "rmspe", "pinball"] = "mse"
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5
    huber_delta: Annotated[float, Field(gt=0)] = 0.2
    batch_size: Annotated[int, Field(ge=2)] = 1024
    lr: Annotated[float, Field(gt=0)] = 3e-3
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    momentum: tuple[Probability, Probability] = (0.95, 0.85)
    beta2: Probability = 0.99
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    decay_embeddings: bool = False
    category_dropout: Probability = 0.005
    date_effect: Probability = 0.0
    mixup: Annotated[float, Field(gt=0)] | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["cpu", "cuda"] = "cpu"


class Variant(Section):
    """What some members of an ensemble have otherwise: keys of `model` and `train`."""

    model: dict[str, Any] = {}
    train: dict[str, Any] = {}


class Calibration(Section):
    """A factor on the forecasts that is best for a metric: the log's mean is not (for RMSPE it is too high).

    `metric`: a factor that is best for it, since the log's mean is not (for RMSPE it is too high); *auto* is the
    config's metric; with `transform: identity` something added in place of the factor.

    It is fitted on the last `length` of the training rows, as long as the validation rows by default, with a network
    that was trained on the rows before them for `epochs` epochs.
    """

    metric: Literal["auto", "none"] | Metric = "auto"
    length: DurationField | None = None
    epochs: Annotated[int, Field(ge=1)] = 5


def _rising(value: "Range") -> "Range":
    if value.low >= value.high or (value.log and value.low <= 0):
        raise ValueError("expected low < high, and with log both above 0")
    return value


class Range(Section):
    """Numbers from `low` to `high`, whole ones if both are; with `log` evenly on the log scale."""

    low: int | float
    high: int | float
    log: bool = False


class Choices(Section):
    """One of these values."""

    choices: Annotated[tuple[Any, ...], Field(min_length=1)]


class Tune(Section):
    """What `tabcli tune` searches in: `key.path` of model, train, calibration or history → a range, or choices."""

    space: dict[str, Annotated[Range, AfterValidator(_rising)] | Choices] = {}


def _changed(section: S, changes: Mapping[str, Any]) -> S:
    return type(section).model_validate({**section.model_dump(), **changes})


class Config(Section):
    """Everything about one dataset and how to forecast it.

    `frequency`: how far apart the rows of a series are; *auto* finds it. `metric`: what a forecast is judged by, and
    which epoch is kept; for *pinball* `quantile` is the quantile to forecast.
    """

    format_version: Literal[1]
    tables: dict[str, Table]
    series: Columns
    date: str
    target: Target
    frequency: Literal["auto"] | DurationField = "auto"
    metric: Metric = "rmspe"
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5
    id: str | None = None
    joins: tuple[Join, ...] = ()
    availability: Availability = Availability()
    forecast: Forecast = Forecast()
    features: Features = Features()
    history: History | None = None
    categorical: tuple[str, ...] | Literal["auto"] = "auto"
    continuous: tuple[str, ...] | Literal["auto"] = "auto"
    max_card: Annotated[int, Field(ge=1)] = 20
    baseline: Columns = ()
    validation: Validation = Validation()
    preset: Literal["default", "lesson6"] = "default"
    model: Model = Model()
    train: Train = Train()
    variants: tuple[Variant, ...] = ()
    calibration: Calibration = Calibration()
    tune: Tune = Tune()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42

    def of_member(self, i: int) -> "Config":
        """The settings of the i-th member of an ensemble, which takes the `variants` in turn."""
        if not self.variants:
            return self
        variant = self.variants[i % len(self.variants)]
        changes = {"model": _changed(self.model, variant.model), "train": _changed(self.train, variant.train)}
        return self.model_copy(update=changes)

    def dump(self) -> dict[str, Any]:
        """The whole resolved config as plain JSON-able values; `parse(config.dump())` gives it back."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """The whole resolved config as YAML."""
        return yaml.dump(self.dump(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {},
    # fastai's course v4 notebook of lesson 6: the network as it prints it, `fit_one_cycle(5, 3e-3, wd=0.2)`.
    "lesson6": {
        "model": {
            "embedding_dropout": 0.04,
            "embedding_std": 0.01,
            "layers": [1000, 500],
            "dropout": [0.001, 0.01],
            "activation": "relu",
            "batch_norm": True,
            "continuous_batch_norm": True,
            "series_head": False,
            "history": "none",
            "output_range": "auto",
        },
        "train": {
            "epochs": 5,
            "batch_size": 512,
            "lr": 3e-3,
            "schedule": "one_cycle",
            "warmup": 0.25,
            "momentum": [0.95, 0.85],
            "beta2": 0.99,
            "eps": 1e-5,
            "weight_decay": 0.2,
            "decay_embeddings": True,
            "category_dropout": 0.0,
            "mixup": None,
            "average": None,
        },
    },
}
"""Values of `model` and `train` that a config starts from; what the config or `-S` says wins."""


# --------------------------------------------------------------------------------------- reading YAML


class _Loader(yaml.SafeLoader):
    """YAML with the 1.2 core rules: only true/false are booleans, 1e-3 is a number, dates stay text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either these rules or the older ones of YAML 1.1 would read as something else."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}


class _InlineDumper(yaml.SafeDumper):
    """Quotes what these rules alone would read as something else: as a person writes a config."""


_InlineDumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def inline_yaml(value: Any) -> str:
    """A value as YAML in one line, quoted where it must be.

    >>> inline_yaml({"file": "a.csv", "dtypes": {"n": "str"}, "on": ["0", 1]})
    "{file: a.csv, dtypes: {n: str}, on: ['0', 1]}"
    """
    text = yaml.dump(
        value, Dumper=_InlineDumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)  # 007 is seven, not octal


def _construct_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str | int | float | bool):
            raise ConfigError(f"line {line}: a key must be a plain word")
        if key in keys:
            raise ConfigError(f"line {line}: the key {key!r} stands already in line {keys[key]}")
        keys[key] = line
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def parse_yaml(text: str, *, source: str) -> Any:
    """Parses YAML that may come from anywhere: no tags, no aliases, no duplicate keys, bounded in size and depth."""
    if len(text) > MAX_YAML_BYTES:
        raise ConfigError(f"{source}: {len(text)} characters are too many for a config (at most {MAX_YAML_BYTES})")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise ConfigError(f"{source}: line {line}: aliases (*name) are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_YAML_DEPTH:
                raise ConfigError(f"{source}: line {line}: nested too deeply")
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except ConfigError as error:
        raise ConfigError(error.message if error.message.startswith(source) else f"{source}: {error.message}") from None
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{source}: {place}not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not valid YAML: {error}") from None


def _set_override(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    keys = path.strip().split(".")
    if not separator or not all(keys):
        raise ConfigError(f"-S {override}: expected key.path=value", hint="for example -S train.epochs=3")
    place = values
    for depth, key in enumerate(keys[:-1]):
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise ConfigError(f"-S {override}: {'.'.join(keys[: depth + 1])} holds a single value, not keys")
    place[keys[-1]] = parse_yaml(text, source=f"-S {override}")


# --------------------------------------------------------------------------------------- validating


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of the names, if any is similar; case does not count.

    >>> nearest("stoer", ["Store", "Date"])
    'Store'
    """
    folded = {str(n).casefold(): str(n) for n in names}
    found = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    found = nearest(name, names)
    return f"; did you mean {found!r}?" if found else ""


def _fields_at(location: Sequence[str | int]) -> list[str]:
    """The keys that a config may have at a path, found by walking the JSON schema."""
    schema = Config.model_json_schema()
    definitions = schema.get("$defs", {})

    def options(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if "$ref" in node:
            return options(definitions[node["$ref"].rsplit("/", 1)[1]])
        return [o for part in node["anyOf"] for o in options(part)] if "anyOf" in node else [node]

    nodes = options(schema)
    for key in location:
        step: list[Mapping[str, Any]] = []
        for node in nodes:
            inner = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
            if inner is None and isinstance(node.get("additionalProperties"), dict):
                inner = node["additionalProperties"]
            step += options(inner) if isinstance(inner, dict) else []
        nodes = step or nodes  # the tags of unions are no keys: stay where we are
    return sorted({name for node in nodes for name in node.get("properties", {})})


def _path(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + part
    return text


def _keys_only(location: Sequence[str | int], values: Any) -> list[str | int]:
    """pydantic's location without the names of union members, which are no keys of the file."""
    keys: list[str | int] = []
    for part in location:
        in_list = isinstance(part, int) and isinstance(values, list | tuple) and part < len(values)
        if in_list or (isinstance(values, dict) and part in values):
            values = values[part]
        elif part != location[-1] or not isinstance(values, dict):
            continue
        keys.append(part)
    return keys


def _problem(error: ErrorDetails, values: Any) -> str:
    """One line: the path, what was expected, what was there."""
    location = _keys_only(error["loc"], values)
    path = _path(location)
    if error["type"] == "extra_forbidden":
        fields = _fields_at(location[:-1])
        return f"{path}: no such key{did_you_mean(str(location[-1]), fields)} (valid: {', '.join(fields)})"
    if error["type"] == "missing":
        return f"{path}: missing, but required"
    message = error["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    return f"{path}: {message[0].lower()}{message[1:]}, not {error['input']!r}"


def _cross_problems(config: Config) -> list[str]:
    """What no single field shows: names that must exist elsewhere in the config."""
    problems = []
    if "train" not in config.tables:
        problems.append("tables: no table is called train; it is the one with the target")
    if not config.series:
        problems.append("series: name at least one column")
    problems += [
        f"tables.{name}.thousands: {table.thousands!r} is the decimal sign too"
        for name, table in config.tables.items()
        if table.thousands == table.decimal
    ]
    for i, join in enumerate(config.joins):
        if join.table not in config.tables or join.table in ("train", "future"):
            others = [t for t in config.tables if t not in ("train", "future")]
            problems.append(
                f"joins[{i}].table: {join.table!r} is no side table{did_you_mean(join.table, others)}"
                f" (there are: {', '.join(others)})"
            )
        if not join.on and not join.as_of:
            problems.append(f"joins[{i}]: give `on`, `as_of` or both")
    for name, span in config.features.spans.items():
        problems += _since_problems(f"features.spans.{name}.since", span.since)
    for name, event in config.features.events.items():
        if (event.cap.unit == "mo") != (event.window.unit == "mo"):
            problems.append(f"features.events.{name}: window and cap must both be months, or neither")
    for name, recurrence in config.features.recurrences.items():
        if recurrence.since is not None:
            problems += _since_problems(f"features.recurrences.{name}.since", recurrence.since)
    problems += [
        f"tune.space: {path!r} can be no part of a search; expected a key below {', '.join(TUNABLE)}"
        for path in config.tune.space
        if path.split(".")[0] not in TUNABLE or "." not in path
    ]
    return (
        problems + _rule_problems(config) + _role_problems(config) + _target_problems(config) + _model_problems(config)
    )


def _rule_problems(config: Config) -> list[str]:
    problems = []
    known = config.availability.known_in_advance
    for name, rule in config.forecast.rules.items():
        given = [k for k in ("constant", "last", "repeat", "calendar", "holidays") if getattr(rule, k) is not None]
        if len(given) != 1:
            problems.append(f"forecast.rules.{name}: give exactly one of constant, last, repeat, calendar, holidays")
        if name not in known:
            problems.append(f"forecast.rules.{name}: not in availability.known_in_advance{did_you_mean(name, known)}")
    return problems


def _since_problems(path: str, since: Since) -> list[str]:
    given = {k for k in ("date", "year", "month", "week") if getattr(since, k) is not None}
    if given in ({"date"}, {"year", "month"}, {"year", "week"}):
        return []
    return [f"{path}: expected date, or year and month, or year and week, not {', '.join(sorted(given)) or 'nothing'}"]


def _role_problems(config: Config) -> list[str]:
    problems = []
    lists = {"categorical": config.categorical, "continuous": config.continuous}
    named = {role: list(columns) for role, columns in lists.items() if columns != "auto"}
    for role, columns in named.items():
        problems += [f"{role}: {c!r} is named twice" for c in dict.fromkeys(columns) if columns.count(c) > 1]
        problems += [
            f"{role}: {c!r} is past only: on the forecast's days nobody knows it"
            for c in columns
            if c in config.availability.past_only
        ]
        problems += [f"{role}: {c!r} is the target" for c in columns if c == config.target.column]
    both = set(named.get("categorical", ())) & set(named.get("continuous", ()))
    problems += [f"continuous: {c!r} is categorical too" for c in sorted(both)]
    roles = config.availability
    for one, other in (("known_in_advance", "past_only"), ("known_in_advance", "static"), ("past_only", "static")):
        shared = set(getattr(roles, one)) & set(getattr(roles, other))
        problems += [f"availability.{other}: {c!r} is in {one} too" for c in sorted(shared)]
    return problems


def _target_problems(config: Config) -> list[str]:
    problems = []
    transform = config.target.transform
    if config.target.nonpositive == "clip" and transform != "log1p":
        problems.append(f"target.nonpositive: clip is for transform: log1p, which takes zeros, not for {transform}")
    if config.train.loss == "rmspe" and transform != "log":
        problems.append(f"train.loss: rmspe is for transform: log, not for {transform}")
    problems += _mixup_problems(config.train, "train")
    if config.train.loss == "pinball":
        if config.metric != "pinball" or config.train.quantile != config.quantile:
            problems.append(
                "train.loss: pinball goes with metric: pinball, and train.quantile with the same `quantile`"
            )
        if config.calibration.metric != "none":
            problems.append("train.loss: pinball learns the quantile itself; set calibration.metric: none")
    if config.model.output_range == "auto" and transform not in ("log", "log1p"):
        problems.append(
            f"model.output_range: auto is for transform: log or log1p, not for {transform}; give [low, high]"
        )
    return problems


def _mixup_problems(train: Train, path: str) -> list[str]:
    problems = []
    if train.mixup is not None and train.loss == "pinball":
        problems.append(f"{path}.mixup: mixed rows have less noise, and so other quantiles; set it to null")
    if train.mixup is not None and train.date_effect:
        problems.append(f"{path}.date_effect: mixed rows have no date of their own; set {path}.mixup: null")
    return problems


def _model_problems(config: Config) -> list[str]:
    problems = []
    model = config.model
    if isinstance(model.dropout, tuple) and len(model.dropout) != len(model.layers):
        problems.append(f"model.dropout: {len(model.dropout)} values for {len(model.layers)} layers; give one for each")
    if config.categorical != "auto":
        problems += [
            f"model.embedding_sizes.{c}: not categorical{did_you_mean(c, config.categorical)}"
            for c in model.embedding_sizes
            if c not in config.categorical and not c.endswith("_na")
        ]
    return problems + _variant_problems(config)


def _variant_problems(config: Config) -> list[str]:
    problems = []
    for i, variant in enumerate(config.variants):
        for name, given in (("model", variant.model), ("train", variant.train)):
            try:
                changed = _changed(getattr(config, name), given)
                if isinstance(changed, Train) and given:
                    problems += _mixup_problems(changed, f"variants[{i}].train")
            except ValidationError as error:
                problems += [f"variants[{i}].{name}.{_path(e['loc'])}: {e['msg']}" for e in error.errors()]
        problems += [
            f"variants[{i}].train.{key}: holds for the whole ensemble; set train.{key}"
            for key in ("members", "threads")
            if key in variant.train
        ]
    return problems


def parse(values: Any, *, source: str = "config") -> Config:
    """Plain values → `Config`, the preset's values below the given ones. Raises `ConfigError` with all problems."""
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected keys and values, not {type(values).__name__}")
    version = values.get("format_version")
    if version != FORMAT_VERSION:
        what = "no format_version" if version is None else f"format_version {version!r}"
        raise ConfigError(f"{source}: {what}; this tabcli reads format_version {FORMAT_VERSION}")
    preset = PRESETS.get(str(values.get("preset", "default")), {})
    merged = dict(values)
    for section, defaults in preset.items():
        given = values.get(section) or {}
        merged[section] = {**defaults, **given} if isinstance(given, dict) else given
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        # A union reports each member's complaint; one line per path says enough.
        lines = {line.split(":")[0]: line for line in reversed([_problem(e, merged) for e in error.errors()])}
        problems = list(reversed(lines.values()))
    else:
        problems = _cross_problems(config)
        if not problems:
            return config
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    raise ConfigError(f"{source}: {count}\n" + "\n".join(f"  {p}" for p in problems))


READING = ("encoding", "delimiter", "decimal", "thousands", "missing", "date_format", "day_first", "timezone")


def parse_table(options: Mapping[str, str], file: str) -> Table:
    """How one file is read, from those options of a config's table that are one text. Raises `ConfigError`."""
    problems = [
        f"{key}: no such option{did_you_mean(key, READING)} (valid: {', '.join(READING)})"
        for key in options
        if key not in READING
    ]
    try:
        if not problems:
            return Table.model_validate({**options, "file": file})
    except ValidationError as error:
        problems = [_problem(e, dict(options)) for e in error.errors()]
    raise ConfigError("; ".join(problems))


def _without_preset(config: Config) -> dict[str, Any]:
    """A config's values less those that its preset gives, so that another preset can take their place."""
    values = config.dump()
    given = {"model": Model().model_dump(mode="json"), "train": Train().model_dump(mode="json")}
    for section, defaults in given.items():
        preset = {**defaults, **PRESETS[config.preset].get(section, {})}
        values[section] = {k: v for k, v in values[section].items() if v != preset[k]}
    return values


def load(config: "Config | Mapping[str, Any] | Path | str", overrides: Sequence[str] = ()) -> Config:
    """A config from a YAML file, plain values or a `Config`, with `key.path=value` overrides. Raises `ConfigError`."""
    if isinstance(config, Config) and not overrides:
        return config
    source = "config"
    if isinstance(config, Config):
        values: Any = _without_preset(config)
    elif isinstance(config, Mapping):
        values = copy.deepcopy(dict(config))  # overrides must not reach the caller's own
    else:
        path = Path(config)
        source = str(path)
        values = parse_yaml(_read_text(path), source=source)
    for override in overrides:
        if isinstance(values, dict):
            _set_override(values, override)
    return parse(values, source=source)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found = nearest(path.name, [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else [])
        hint = f"did you mean {path.parent / found}?" if found else "see configs/ for examples"
        raise ConfigError(f"{path}: no such file", hint=hint) from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise ConfigError(f"{path}: not a text file") from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config file, for editors."""
    return Config.model_json_schema(by_alias=True)
