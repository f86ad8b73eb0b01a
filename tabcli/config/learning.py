"""Sections that describe learning: the network, its training, variants, calibration, the search."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tabcli.config.reads import Reads
from tabcli.config.values import Metric, Probability, Section, Texts

OutputRange = Literal["auto"] | tuple[float, float] | None


def _regular_range(value: OutputRange) -> OutputRange:
    if isinstance(value, tuple) and value[0] >= value[1]:
        raise ValueError("expected [low, high] with low < high")
    return value


class Model(Section):
    """The network: embeddings ‖ continuous inputs → layers → one number, the log of the forecast.

    `kind`: a plain MLP; one whose layers are residual blocks; or TabM's ensemble of `heads` in one network.
    `periodic`: that many learned frequencies for each continuous input. `history`: where the prep has one, *side* adds
    what a small network of `history_width` makes of its columns alone; *base* makes them inputs like others, and the
    network learns what is added to the base level. `without`: inputs that the network does not get, such as to see
    what they are worth, or for members of an ensemble that err in other ways.
    """

    without: Annotated[Texts, Reads("network")] = ()
    embedding_sizes: Annotated[dict[str, Annotated[int, Field(ge=1, le=600)]], Reads("network")] = {}
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
    output_range: Annotated[OutputRange, AfterValidator(_regular_range)] = None


class Train(Section):
    """Optimisation: schedule, regularisation, averaging and when to stop.

    `loss`: on the target's learned scale; *pinball* learns the `quantile`, which every scale keeps. `precision`: of the
    matrix products while training; *auto* is bfloat16 where the processor computes in it. `mixup`: rows are mixed in
    pairs (see `model.Mix`), each batch in a share from a Beta(α, α) distribution with this α. `device`: where training
    happens; a small network gains little from a graphics card. `refit`: after validation train anew on all rows, as
    `train --refit` does. `threads`: how many networks are trained at a time, each in one thread of its own; the
    networks are the same bits whatever it is (null: as many as there are cores).
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
    mixup: Annotated[float, Field(gt=0)] | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["cpu", "cuda"] = "cpu"
    refit: bool = False


class Variant(Section):
    """Keys of `model` and `train` in which some members of an ensemble differ from the others."""

    model: dict[str, object] = {}
    train: dict[str, object] = {}


class Calibration(Section):
    """Past windows, each forecast from what was known then, and the bias correction that is learned from them.

    `windows`: how many windows before the validation rows, each as long as the forecast. Networks that learn from
    earlier rows alone forecast each; their scores say what to expect of the forecast. `metric`: a factor on the
    forecasts (with `transform: identity` a shift) makes this metric best, for which the exp of a mean of logs is
    biased. *auto* is the config's metric, *none* is no correction.
    """

    metric: Literal["auto", "none"] | Metric = "auto"
    windows: Annotated[int, Field(ge=0, le=50)] = 3


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

    choices: Annotated[tuple[object, ...], Field(min_length=1)]


class Tune(Section):
    """What `tabcli tune` searches in: `key.path` of model, train, calibration or history → a range, or choices."""

    space: dict[str, Annotated[Range, AfterValidator(_rising)] | Choices] = {}
