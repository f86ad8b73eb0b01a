"""The network: an embedding per categorical input ‖ continuous inputs → MLP → the target on its learned scale.

    x_cat (B, n_cat) ─ embeddings ─ dropout ┐
                                            ├─ concat ─ [linear ─ activation ─ (batch norm) ─ dropout]* ─ h ─ head ─ y
    x_cont (B, n_cont) ─ (batch norm) ──────┘                                                           (B, d)    (B,)

A layer of `kind: residual` is h → h + W₂ activation(W₁ h), after a linear map (Gorishniy et al. 2021). `tabm` runs the
same layers for k inputs, each scaled by a vector of its own, with k heads whose mean is the output: an ensemble in one
network (TabM-mini, Gorishniy et al. 2024). `periodic` puts beside a number x what a small layer makes of sin 2πfx and
cos 2πfx with learned frequencies f (PLR-lite, Gorishniy et al. 2022).

With `history: side` the columns of the target history have a path of their own (`_side_path`), which knows neither the
series nor the calendar: beside all other inputs they let a network recognise single series and times by their levels,
which it then remembers instead of learning.

The head is (w + v[series]) · h: one vector w for all, and one v for each series (zero at first, and for a series that
training never saw), so that each series weighs the common features h in its own way. That is a random slope of a
mixed-effects model; weight decay shrinks v as the prior does there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tabcli.config.learning import Model as ModelConfig
from tabcli.errors import ConfigError
from tabcli.training.layers import PERIODIC_WIDTH, Dropout, EntityEmbeddings, Periodic, Residual

MOST_WEIGHTS = 3_000_000
"""A table of vectors, one for each code, has at most about so many weights: each step of training moves them all."""

NARROWEST = 16
"""An embedding is narrowed to this width at most, however many codes there are."""


def rule_of_thumb(cardinality: int) -> int:
    """fastai's width of an embedding (`emb_sz_rule`) from the number of codes.

    >>> [rule_of_thumb(n) for n in (3, 8, 53, 1116)]
    [3, 5, 15, 81]
    """
    return int(min(600, round(1.6 * cardinality**0.56)))


def embedding_size(cardinality: int) -> int:
    """The width of an embedding from the number of codes: fastai's, narrowed where the table would be too large.

    >>> [embedding_size(n) for n in (1116, 10_000, 20_000, 100_000, 1_000_000)]
    [81, 278, 150, 30, 16]
    """
    return min(rule_of_thumb(cardinality), max(NARROWEST, MOST_WEIGHTS // cardinality))


@dataclass(frozen=True)
class ModelSpec:
    """What is needed to build the network again.

    `embeddings`: column → (number of codes, width). `n_continuous`: the continuous inputs; with `history: base` the
    columns of the target history are among them, with *side* `n_history` counts these instead. `series_head`: the
    columns whose codes have head vectors of their own. `y_mean`, `y_std`: of what is learned. `without`: inputs of the
    prep that this network does not get.
    """

    embeddings: dict[str, tuple[int, int]]
    n_continuous: int
    history: Literal["side", "base", "none"]
    n_history: int
    history_width: int
    kind: Literal["mlp", "residual", "tabm"]
    heads: int
    periodic: int | None
    layers: tuple[int, ...]
    dropout: tuple[float, ...]
    embedding_dropout: float
    embedding_std: float
    activation: str
    batch_norm: bool
    batch_norm_momentum: float
    continuous_batch_norm: bool
    series_head: tuple[str, ...]
    y_mean: float
    y_std: float
    output_range: tuple[float, float] | None
    without: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelSpec":
        return cls(**{k: _tuples(v) for k, v in values.items()})


def _tuples(value: Any) -> Any:
    """JSON's lists → the tuples they were."""
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(value) if isinstance(value, list) else value


def spec_of(
    config: ModelConfig,
    cardinalities: Mapping[str, int],
    n_numbers: tuple[int, int],
    y: tuple[float, float, float],
    series: Sequence[str] = (),
) -> ModelSpec:
    """The network for these inputs.

    `cardinalities`: categorical column → number of codes. `n_numbers`: the number of continuous inputs, and of columns
    of the target history. `y`: mean, standard deviation and maximum of the training targets on the learned scale (of
    the residuals with `history: base`). A series column that is not an input gets no head of its own.

    `output_range: auto` is the lesson's: from 0 to the log of 1.2 times the largest target. Raises `ConfigError` for an
    output range where the output is added to a base.
    """
    n_continuous, n_history = n_numbers
    side = config.history == "side"
    if n_history and not side and config.output_range is not None:
        raise ConfigError(
            "model.output_range: with `history: base` the network learns what is added to its base, which has no range",
            hint="set model.output_range: null, or model.history: side",
        )
    y_mean, y_std, y_max = y
    dropout = config.dropout if isinstance(config.dropout, tuple) else (config.dropout,) * len(config.layers)
    # fastai counts one code for missing and unknown together; the width follows its count.
    sizes = {c: (n, config.embedding_sizes.get(c, embedding_size(n - 1))) for c, n in cardinalities.items()}
    auto = (0.0, y_max + 0.1823215567939546)  # log(1.2)
    return ModelSpec(
        embeddings=sizes,
        n_continuous=n_continuous + (0 if side else n_history),
        history=config.history if n_history else "none",
        n_history=n_history if side else 0,
        history_width=config.history_width,
        kind=config.kind,
        heads=config.heads if config.kind == "tabm" else 1,
        periodic=config.periodic,
        layers=config.layers,
        dropout=dropout,
        embedding_dropout=config.embedding_dropout,
        embedding_std=config.embedding_std,
        activation=config.activation,
        batch_norm=config.batch_norm,
        batch_norm_momentum=config.batch_norm_momentum,
        continuous_batch_norm=config.continuous_batch_norm,
        series_head=tuple(c for c in series if _has_heads(c, sizes, config)) if config.series_head else (),
        y_mean=y_mean,
        y_std=y_std,
        output_range=auto if config.output_range == "auto" else config.output_range,
        without=config.without,
    )


def _has_heads(column: str, sizes: Mapping[str, tuple[int, int]], config: ModelConfig) -> bool:
    """Whether the codes of a series column get head vectors of their own, as wide as the last layer."""
    return column in sizes and sizes[column][0] * config.layers[-1] <= MOST_WEIGHTS


@dataclass(frozen=True)
class Mix:
    """Mixup (Zhang et al. 2018): `share` of each row and 1 − share of the row before it in its batch, as one row.

    Rows are mixed where they are numbers: after the embeddings. What is learned is mixed likewise, so the network
    becomes linear between rows, and remembers single ones less.
    """

    share: float

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows (B, …) → their mixtures, of the same shape and dtype."""
        return torch.lerp(rows.roll(1, 0), rows, self.share)


def no_mixup(rows: Tensor) -> Tensor:
    """Rows as they are: what is called in place of a `Mix` without mixup."""
    return rows


class TabularMLP(nn.Module):
    """Entity embeddings and an MLP. Its outputs are on the learned scale, whatever the output range."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embeddings = EntityEmbeddings(spec.embeddings, spec.embedding_std) if spec.embeddings else None
        self.embedding_dropout = Dropout(spec.embedding_dropout, inplace=True)
        n, d_numbers = spec.n_continuous, spec.n_continuous
        normed = spec.continuous_batch_norm and n
        self.continuous_norm = nn.BatchNorm1d(n, momentum=spec.batch_norm_momentum) if normed else nn.Identity()
        self.periodic: nn.Module = nn.Identity()
        if spec.periodic and n:
            self.periodic, d_numbers = Periodic(n, spec.periodic), n * (1 + PERIODIC_WIDTH)
        d_in = sum(width for _, width in spec.embeddings.values()) + d_numbers
        if spec.kind == "tabm":
            self.scales = nn.Parameter(1.0 + 0.5 * torch.randn(spec.heads, d_in))
        self.blocks, d_out = _layers(spec, d_in)
        self.side = _side_path(spec) if spec.n_history else None
        self.head = nn.Linear(d_out, spec.heads)
        nn.init.zeros_(self.head.bias)
        self.series_positions = [list(spec.embeddings).index(c) for c in spec.series_head]
        self.series_heads = nn.ParameterList(torch.zeros(spec.embeddings[c][0], d_out) for c in spec.series_head)

    def forward(self, x_cat: Tensor, x_cont: Tensor, mix: Callable[[Tensor], Tensor] = no_mixup) -> Tensor:
        """int32 (B, n_cat), float32 (B, n_cont) → float32 (B,); from `tabm` in training (B, heads)."""
        return self.of_vectors(*self.embedded(x_cat), x_cont, mix)

    def embedded(self, x_cat: Tensor) -> tuple[Tensor, list[Tensor]]:
        """int32 (B, n_cat) → the embedded codes float32 (B, sum of widths), and the series' own head vectors (B, d)."""
        vectors = torch.empty(len(x_cat), 0, device=x_cat.device)
        if self.embeddings is not None:
            vectors = self.embedding_dropout(self.embeddings(x_cat))
        heads = zip(self.series_positions, self.series_heads, strict=True)
        return vectors, [F.embedding(x_cat[:, position], own) for position, own in heads]

    def of_vectors(
        self, vectors: Tensor, own: list[Tensor], x_cont: Tensor, mix: Callable[[Tensor], Tensor] = no_mixup
    ) -> Tensor:
        """What `forward` gives for embedded codes, head vectors and continuous inputs: all that is differentiable."""
        n = self.spec.n_continuous
        numbers = self.periodic(self.continuous_norm(x_cont[:, :n]))
        x = mix(torch.cat([vectors, numbers.to(vectors.dtype)], dim=1) if vectors.shape[1] else numbers)
        if self.spec.kind == "tabm":
            x = (x.unsqueeze(1) * self.scales).flatten(0, 1)
        out = self._head(_whole(self.blocks(x)), own, mix)
        if self.side is not None:
            history = self.side(mix(x_cont[:, n:]))
            out = out + (history if out.ndim == 2 else history[:, 0])
        if not self.training and out.ndim == 2:
            out = out.mean(1)
        if self.spec.output_range is None:
            return out * self.spec.y_std + self.spec.y_mean
        low, high = self.spec.output_range
        return torch.sigmoid(out) * (high - low) + low

    def _head(self, h: Tensor, own: list[Tensor], mix: Callable[[Tensor], Tensor]) -> Tensor:
        """What the last layer gives, float32 (B, d) → (B,); of several heads (B · heads, d) → (B, heads)."""
        heads = self.spec.heads
        if heads == 1:
            out = torch.mv(h, self.head.weight[0]) + self.head.bias
        else:
            h = h.view(len(h) // heads, heads, -1)
            out = (h * self.head.weight).sum(-1) + self.head.bias
        for vectors in own:
            mixed = mix(vectors)
            out = out + (h * (mixed if heads == 1 else mixed.unsqueeze(1))).sum(-1)
        return out


def _whole(x: Tensor) -> Tensor:
    """Sums are not to be rounded to bfloat16."""
    return x if x.dtype == torch.float64 else x.float()


def _side_path(spec: ModelSpec) -> nn.Sequential:
    """Columns of the target history float32 (B, n_history) → what is added to the output, (B, 1); 0 at first."""
    last = nn.Linear(spec.history_width, 1, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Linear(spec.n_history, spec.history_width), nn.SiLU(), last)


def _layers(spec: ModelSpec, d_in: int) -> tuple[nn.Sequential, int]:
    """The layers between input and head, and the width of the last one."""
    blocks: list[nn.Module] = []
    for d_out, p in zip(spec.layers, spec.dropout, strict=True):
        activation = nn.ReLU(inplace=True) if spec.activation == "relu" else nn.SiLU()
        if spec.kind == "residual":
            blocks.append(Residual(d_in, d_out, activation, p))
        else:
            blocks += [nn.Linear(d_in, d_out), activation]
        if spec.batch_norm:
            blocks.append(nn.BatchNorm1d(d_out, momentum=spec.batch_norm_momentum))
        if p > 0 and spec.kind != "residual":
            blocks.append(Dropout(p, inplace=spec.batch_norm))
        d_in = d_out
    return nn.Sequential(*blocks), d_in


def describe(spec: ModelSpec) -> str:
    """The network as text: each embedding's codes × width, the layers, the number of parameters."""
    sizes = "  ".join(f"{c} {n}×{d}" for c, (n, d) in spec.embeddings.items())
    with torch.device("meta"):  # shapes only: no memory, no random numbers drawn
        n_parameters = sum(p.numel() for p in TabularMLP(spec).parameters())
    width = sum(d for _, d in spec.embeddings.values())
    history = f" (+ {spec.n_history} of the history, by a side path)" if spec.n_history else ""
    heads = f", a head for each {' and '.join(spec.series_head)}" if spec.series_head else ""
    many = [c for c, (n, _) in spec.embeddings.items() if n * spec.layers[-1] > MOST_WEIGHTS]
    heads += f", no head for each {' and '.join(many)}: too many" if many and not spec.series_head else ""
    narrowed = [
        f"{c}: {d} wide, not {rule_of_thumb(n - 1)}, for its {n:,} codes; model.embedding_sizes decides otherwise\n"
        for c, (n, d) in spec.embeddings.items()
        if d == embedding_size(n - 1) != rule_of_thumb(n - 1)
    ]
    return (
        f"embeddings: {sizes or 'none'}\n{''.join(narrowed)}"
        f"network: {width} embedded + {spec.n_continuous} continuous{history} → "
        f"{' → '.join(map(str, (*spec.layers, 1)))}{heads}, {n_parameters:,} parameters"
    )
