"""The parts of the network: embeddings, dropout, periodic inputs, residual blocks."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Lookup(torch.autograd.Function):
    """Elements of the flat weights, by their places (B, n). The gradient of all tables is one `scatter_add_`."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.n_weights = len(weights)
        if torch.is_autocast_enabled(weights.device.type):
            weights = weights.to(torch.get_autocast_dtype(weights.device.type))  # as the first layer would do
        out = weights.new_empty(places.shape)
        torch.index_select(weights, 0, places.view(-1), out=out.view(-1))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        total = torch.zeros(ctx.n_weights, device=places.device)
        return total.scatter_add_(0, places.view(-1), gradient.float().reshape(-1)), None


class EntityEmbeddings(nn.Module):
    """Codes int32 (B, n_cat) → float32 (B, sum of widths). All embedding tables lie in one flat parameter.

    `sizes`: column → (number of codes, width). `std`: of the truncated normal numbers that the tables start with.
    """

    start: Tensor
    width: Tensor
    column: Tensor
    within: Tensor

    def __init__(self, sizes: Mapping[str, tuple[int, int]], std: float) -> None:
        super().__init__()
        self.sizes = list(sizes.values())
        self.widths = [width for _, width in self.sizes]
        self.lengths = [n_codes * width for n_codes, width in self.sizes]
        self.weights = nn.Parameter(torch.empty(sum(self.lengths)))
        for table in self.split(self.weights.detach()):
            nn.init.trunc_normal_(table, std=std, a=-2 * std, b=2 * std)
        # With numpy: on the device "meta", where networks are described, torch would import its compiler for this.
        width, length = np.array(self.widths, dtype="int64"), np.array(self.lengths, dtype="int64")
        column = np.repeat(np.arange(len(width)), width)
        places = {
            "start": length.cumsum() - length,
            "width": width,
            "column": column,
            "within": np.arange(len(column)) - (width.cumsum() - width)[column],
        }
        for name, values in places.items():
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def split(self, weights: Tensor) -> list[Tensor]:
        """The flat weights → each column's table (codes, width), without a copy."""
        return [part.view(size) for part, size in zip(torch.split(weights, self.lengths), self.sizes, strict=True)]

    def forward(self, x_cat: Tensor) -> Tensor:
        rows = torch.addcmul(self.start, x_cat.long(), self.width)  # (B, n_cat): where each code's row begins
        places = rows.gather(1, self.column.expand(len(x_cat), -1)).add_(self.within)
        out: Tensor = _Lookup.apply(self.weights, places)  # type: ignore[no-untyped-call]
        return out


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, inplace: bool) -> Tensor:
        rate = -math.log1p(-p) * x.numel()
        n = int(torch.poisson(torch.tensor(rate, dtype=torch.float64)))
        dropped = torch.randint(x.numel(), (n,), device=x.device)
        ctx.save_for_backward(dropped)
        ctx.scale = 1 / (1 - p)
        if inplace:
            ctx.mark_dirty(x)
        return _zeroed(x.mul_(ctx.scale) if inplace else x * ctx.scale, dropped)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (dropped,) = ctx.saved_tensors
        return _zeroed((gradient * ctx.scale).contiguous(), dropped), None, None


def _zeroed(x: Tensor, dropped: Tensor) -> Tensor:
    x.view(-1).index_fill_(0, dropped, 0.0)
    return x


class Dropout(nn.Module):
    """In training each value is 0 with probability p, independently, else it is divided by 1 − p.

    Only as many random numbers are drawn as values are dropped: a Poisson number of positions with replacement, of mean
    −log(1 − p) per value, hits each value with probability p, independently of the others.

    `inplace` as in torch: only after an operation whose gradient does not need its output.
    """

    def __init__(self, p: float, inplace: bool = False) -> None:
        super().__init__()
        self.p, self.inplace = p, inplace

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.p >= 1:
            return torch.zeros_like(x)
        out: Tensor = _Drop.apply(x, self.p, self.inplace)  # type: ignore[no-untyped-call]
        return out


PERIODIC_WIDTH = 8


class Periodic(nn.Module):
    """Numbers float32 (B, n) → (B, n · (1 + PERIODIC_WIDTH)): each beside features of learned frequencies."""

    def __init__(self, n: int, n_frequencies: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(0.1 * torch.randn(n, n_frequencies))
        self.linear = nn.Linear(2 * n_frequencies, PERIODIC_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        angles = 2 * torch.pi * x.unsqueeze(-1) * self.frequencies
        features = F.silu(self.linear(torch.cat([angles.sin(), angles.cos()], dim=-1)))
        return torch.cat([x, features.flatten(1)], dim=1)


class Residual(nn.Module):
    """h → h + W₂ activation(W₁ h), after a linear map where the width changes."""

    def __init__(self, d_in: int, d_out: int, activation: nn.Module, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Linear(d_in, d_out)
        self.inner = nn.Sequential(nn.Linear(d_out, d_out), activation, Dropout(dropout), nn.Linear(d_out, d_out))

    def forward(self, h: Tensor) -> Tensor:
        h = self.enter(h)
        out: Tensor = h + self.inner(h)
        return out
