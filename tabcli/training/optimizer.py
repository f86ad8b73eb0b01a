"""The optimiser, the schedule of its learning rate, and averaged weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from tabcli.config.learning import Train
from tabcli.training.network import TabularMLP

ONE_CYCLE_DIV, ONE_CYCLE_DIV_FINAL = 25.0, 1e5  # fastai's


# ------------------------------------------------------------------------------------------- schedule


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def schedule(settings: Train, step: int, n_steps: int) -> tuple[float, float]:
    """Learning rate and momentum (Adam's beta1) of a step, 0 ≤ step < n_steps.

    *one_cycle* is fastai's: the rate rises from lr / 25 to lr over the warm-up and then falls to lr / 1e5, both along a
    cosine; the momentum falls and rises. *cosine*: the rate rises linearly over the warm-up and then falls to 0 along a
    cosine; the momentum is the first of the two.
    """
    part = step / max(1, n_steps - 1)
    high, low = settings.momentum
    rising = part < settings.warmup
    up = part / settings.warmup if rising else 1.0
    down = 0.0 if rising else (part - settings.warmup) / (1 - settings.warmup)
    if settings.schedule == "cosine":
        return settings.lr * (max(up, 1 / n_steps) if rising else _cosine(1.0, 0.0, down)), high
    if rising:
        return _cosine(settings.lr / ONE_CYCLE_DIV, settings.lr, up), _cosine(high, low, up)
    return _cosine(settings.lr, settings.lr / ONE_CYCLE_DIV_FINAL, down), _cosine(low, high, down)


def make_optimizer(model: TabularMLP, settings: Train) -> torch.optim.AdamW:
    """AdamW whose weight decay acts on the matrices of the layers alone (with `decay_embeddings` also on embeddings).

    The model's parameters become parts of two flat tensors, so that a step is two calls, not one per layer.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_table = name.startswith("embeddings.")
        (decayed if (settings.decay_embeddings if is_table else parameter.ndim == 2) else free).append(parameter)
    groups = [
        {"params": [flatten_parameters(parameters)], "weight_decay": decay}
        for parameters, decay in ((decayed, settings.weight_decay), (free, 0.0))
        if parameters
    ]
    betas = (settings.momentum[0], settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=betas, eps=settings.eps, fused=True)


def flatten_parameters(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One flat tensor; the parameters become views of its parts, and their gradients views of its gradient."""
    flat = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parameters]))
    flat.grad = torch.zeros_like(flat)
    sizes = [p.numel() for p in parameters]
    parts = zip(parameters, torch.split(flat.detach(), sizes), torch.split(flat.grad, sizes), strict=True)
    for parameter, values, gradient in parts:
        parameter.data = values.view(parameter.shape)
        parameter.grad = gradient.view(parameter.shape)
    return flat


def set_step(optimizer: torch.optim.Optimizer, lr: float, momentum: float) -> None:
    """Sets the learning rate and the momentum (beta1) of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["betas"] = (momentum, group["betas"][1])


def averaged_copy(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model; each `update_parameters` moves its weights and buffers towards the model's.

    The copy is its `module`. The average is exponential: it moves by 1 − decay a step, early on by more, so that the
    first steps are soon forgotten.
    """

    @torch.no_grad()
    def move(averages: Sequence[Tensor], current: Sequence[Tensor], n_averaged: Tensor | int) -> None:
        rate = torch.clamp(1 / (torch.as_tensor(n_averaged, dtype=torch.float64) + 1), min=1 - decay)
        for average, value in zip(averages, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, rate.to(average.dtype))
            else:
                average.copy_(value)

    return AveragedModel(model, multi_avg_fn=move, use_buffers=True).eval().requires_grad_(False)
