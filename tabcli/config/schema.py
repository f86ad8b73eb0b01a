"""The whole config: everything about one dataset and how to forecast it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field

from tabcli.config.card import Card
from tabcli.config.data import Availability, Forecast, Join, Table, Target, Validation
from tabcli.config.features import Features, History
from tabcli.config.learning import Calibration, Model, Train, Tune, Variant
from tabcli.config.reads import Read, Reads, reads_of
from tabcli.config.values import DurationField, Metric, S, Section, Texts
from tabcli.config.yaml12 import Loader

FORMAT_VERSION = 1

ONE_SERIES = "(one series)"
"""The column that stands for the series columns where there are none: it is made when the rows are read."""

OWN_END = "(own end)"
"""The column with the last date of a row's series, in seconds since 1970, where forecasts start after that date."""

TUNABLE = ("model", "train", "calibration", "history")


def with_changes(section: S, changes: Mapping[str, object]) -> S:
    """The section with other values of some keys, checked. Raises pydantic's `ValidationError`."""
    return type(section).model_validate({**section.model_dump(), **changes})


class Config(Section):
    """Everything about one dataset and how to forecast it.

    `series`: the columns that tell one series from another; [] where there is only one. `frequency`: how far apart
    the rows of a series are; *auto* finds it. `metric`: what a forecast is judged by, and which epoch is kept; for
    *pinball* `quantile` is the quantile to forecast.
    """

    format_version: Literal[1]
    tables: dict[str, Table]
    series: Annotated[Texts, AfterValidator(lambda names: names or (ONE_SERIES,)), Reads("key")]
    date: Annotated[str, Reads("key", kind="date")]
    target: Target
    frequency: Literal["auto"] | DurationField = "auto"
    metric: Metric = "rmspe"
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5
    id: Annotated[str | None, Reads("key")] = None
    joins: tuple[Join, ...] = ()
    availability: Availability = Availability()
    forecast: Forecast = Forecast()
    features: Features = Features()
    history: History | None = None
    categorical: Annotated[tuple[str, ...] | Literal["auto"], Reads("input")] = "auto"
    continuous: Annotated[tuple[str, ...] | Literal["auto"], Reads("input")] = "auto"
    max_card: Annotated[int, Field(ge=1)] = 20
    baseline: Annotated[Texts, Reads("row", words=("season",))] = ()
    validation: Validation = Validation()
    preset: Literal["default", "lesson6"] = "default"
    model: Model = Model()
    train: Train = Train()
    variants: tuple[Variant, ...] = ()
    calibration: Calibration = Calibration()
    tune: Tune = Tune()
    card: Card = Card()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42

    def reads(self) -> Iterator[Read]:
        """Every column that the config names: where, and what for."""
        return reads_of(self)

    def of_member(self, i: int) -> "Config":
        """The settings of the i-th member of an ensemble, which takes the `variants` in turn."""
        if not self.variants:
            return self
        variant = self.variants[i % len(self.variants)]
        changes = {"model": with_changes(self.model, variant.model), "train": with_changes(self.train, variant.train)}
        return self.model_copy(update=changes)

    def dump(self) -> dict[str, object]:
        """The whole resolved config as plain JSON-able values; `parse(config.dump())` gives it back."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """The whole resolved config as YAML."""
        return yaml.dump(self.dump(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


PRESETS: dict[str, dict[str, dict[str, object]]] = {
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


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either these rules or the older ones of YAML 1.1 would read as something else."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *Loader.yaml_implicit_resolvers}
}
