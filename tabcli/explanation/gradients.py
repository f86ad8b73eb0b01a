"""Integrated gradients of a network: how much each number of a row's vector moves the output, against a reference.

A row is one vector v: its embedded codes, its continuous inputs with the columns of the history, and the head vectors
of its series. On the straight way from a reference r to v the output F changes by (Sundararajan et al. 2017)

    F(v) − F(r) = Σᵢ (vᵢ − rᵢ) · ∫₀¹ ∂F/∂vᵢ (r + t (v − r)) dt        one part for each number i

Embedded codes have no zero, so there is no vector that means nothing: r is another row, or the mean of several. The
integral is a sum of Gauss–Legendre sums, in float64, over as many stretches of the way as it takes for the parts to
add up.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tabcli.arrays import FloatArray
from tabcli.training.dataset import Dataset
from tabcli.training.network import TabularMLP

EXACT = 5e-4
"""The parts of a row add up to its difference, but for this fraction of it …"""
TINY = 1e-5
"""… or this much on the learned scale, where the difference is small."""

POINTS = 8
"""Points of a stretch of the way."""

ROUNDS = 14
"""So often are stretches halved."""

BLOCK = 4096
"""So many vectors go through the network at a time."""


@dataclass(frozen=True)
class VectorNetwork:
    """A network, in float64, as a function of a row's vector. `widths`: of embedded codes, numbers and head vectors."""

    network: TabularMLP
    widths: tuple[int, ...]

    @classmethod
    def of(cls, network: TabularMLP) -> "VectorNetwork":
        spec = network.spec
        embedded = sum(width for _, width in spec.embeddings.values())
        heads = (int(vectors.shape[1]) for vectors in network.series_heads)
        double = copy.deepcopy(network).double().requires_grad_(False)
        return cls(double, (embedded, spec.n_continuous + spec.n_history, *heads))

    def vectors(self, data: Dataset) -> Tensor:
        """The vectors of the n rows of a dataset, float64 (n, d)."""
        with torch.no_grad():
            embedded, own = self.network.embedded(data.x_cat)
        return torch.cat([embedded.double(), data.x_cont.double(), *own], dim=1)

    def outputs(self, vectors: Tensor) -> Tensor:
        """float64 (n, d) → the network's outputs, without the base of the history, float64 (n,)."""
        embedded, numbers, *own = torch.split(vectors, [*self.widths], dim=1)
        return self.network.of_vectors(embedded, own, numbers)

    def gradients(self, vectors: Tensor) -> Tensor:
        """The gradient of each row's output by its vector, float64 (n, d)."""
        parts = []
        for block in torch.split(vectors, BLOCK):
            at = block.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self.outputs(at).sum(), at)
            parts.append(gradient)
        return torch.cat(parts) if parts else torch.zeros_like(vectors)


def integrated_gradients(network: VectorNetwork, rows: Tensor, references: Tensor) -> tuple[FloatArray, FloatArray]:
    """Mean slopes float64 (n, d) on the way from references (n, d) to rows (n, d), and what the parts, slope times
    difference, fall short of the difference of the outputs, float64 (n,), on the learned scale.

    The way is one stretch at first; where a row's parts do not add up, its stretches that add up worst are halved. A
    smooth network needs few, one with kinks needs them where its kinks are.
    """
    with torch.no_grad():
        difference = (network.outputs(rows) - network.outputs(references)).numpy()
    allowed = np.maximum(EXACT * np.abs(difference), TINY)
    n = len(rows)
    slopes, short = np.zeros(tuple(rows.shape)), np.zeros(n)
    row, start, length = np.arange(n), np.zeros(n), np.ones(n)
    for left in reversed(range(ROUNDS)):
        found, gap = _stretches(network, rows[row], references[row], start, length)
        total = short + np.bincount(row, gap, minlength=n)
        stretches = np.bincount(row, minlength=n) + 1
        bad = (np.abs(total) > allowed)[row] & (np.abs(gap) > (allowed / stretches)[row]) & (left > 0)
        np.add.at(slopes, row[~bad], found[~bad])
        np.add.at(short, row[~bad], gap[~bad])
        row, start, length = np.repeat(row[bad], 2), np.repeat(start[bad], 2), np.repeat(length[bad] / 2, 2)
        start[1::2] += length[1::2]
        if not len(row):
            break
    return slopes, short


def _stretches(
    network: VectorNetwork, rows: Tensor, references: Tensor, start: FloatArray, length: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What a stretch of each row's way adds to the mean slopes, float64 (n, d), and falls short of, float64 (n,)."""
    points, weights = np.polynomial.legendre.leggauss(POINTS)
    way, first, long = rows - references, torch.from_numpy(start)[:, None], torch.from_numpy(length)[:, None]
    total = torch.zeros_like(rows)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        total += weight * network.gradients(references + (first + point * long) * way)
    total *= long
    with torch.no_grad():
        ends = network.outputs(references + (first + long) * way) - network.outputs(references + first * way)
    return total.numpy(), (ends - (total * way).sum(1)).numpy()
