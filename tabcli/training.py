"""The training loop: optimise, evaluate, average, stop early. Reports through callbacks and writes nothing."""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tabcli.config import Train
from tabcli.dataset import Batch, Dataset, epoch_seed, n_batches
from tabcli.errors import ConfigError
from tabcli.model import Mix, ModelSpec, TabularMLP, describe, unmixed
from tabcli.preprocess import UNKNOWN

Record = dict[str, Any]
Weights = dict[str, NDArray[Any]]
Score = Callable[[NDArray[np.floating[Any]]], dict[str, float]]
PREDICT_ROWS = 2048  # activations that stay in the cache
ONE_CYCLE_DIV, ONE_CYCLE_DIV_FINAL = 25.0, 1e5  # fastai's
DATE_RATE = 0.02  # how far one row moves its date's effect
DATE_SPAN = 28  # dates on either side whose mean is no chance


@dataclass(frozen=True)
class Fit:
    """The weights of the best epoch, that epoch's number (from 1), and a record per epoch."""

    weights: Weights
    best_epoch: int
    history: list[Record]


@dataclass
class Checkpoint:
    """All that a run needs to go on as if it had never stopped, after `epoch` epochs."""

    epoch: int
    tensors: Weights
    history: list[Record] = field(default_factory=list)
    best_epoch: int = 0


@dataclass(frozen=True)
class Callbacks:
    """`on_model(text)` before the first epoch; `on_step(done, total)` after each batch; the others after each epoch."""

    on_model: Callable[[str], None] = lambda text: None
    on_step: Callable[[int, int], None] = lambda done, total: None
    on_epoch: Callable[[Record], None] = lambda record: None
    on_checkpoint: Callable[[Checkpoint], None] | None = None


# ------------------------------------------------------------------------------------------- schedule


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def schedule(settings: Train, step: int, n_steps: int) -> tuple[float, float]:
    """Learning rate and momentum (Adam's beta1) of a step, 0 ≤ step < n_steps.

    *one_cycle* is fastai's: cosine from lr / 25 up to lr over the warm-up, then down to lr / 1e5, momentum the other
    way. *cosine*: a linear warm-up, then a cosine to 0, at the first of the two momenta.
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
    """AdamW with decay on the matrices of the layers (and of the embeddings, if so set), on nothing else.

    From then on the model's parameters lie side by side in two tensors, so that a step is two calls, not one per layer.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_table = name.startswith("embeddings.")
        (decayed if (settings.decay_embeddings if is_table else parameter.ndim == 2) else free).append(parameter)
    groups = [
        {"params": [_side_by_side(parameters)], "weight_decay": decay}
        for parameters, decay in ((decayed, settings.weight_decay), (free, 0.0))
        if parameters
    ]
    betas = (settings.momentum[0], settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=betas, eps=settings.eps, fused=True)


def _side_by_side(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One tensor of which these parameters become parts, and their gradients parts of its gradient."""
    flat = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parameters]))
    flat.grad = torch.zeros_like(flat)
    sizes = [p.numel() for p in parameters]
    parts = zip(parameters, torch.split(flat.detach(), sizes), torch.split(flat.grad, sizes), strict=True)
    for parameter, values, gradient in parts:
        parameter.data = values.view(parameter.shape)
        parameter.grad = gradient.view(parameter.shape)
    return flat


def _set_step(optimizer: torch.optim.Optimizer, lr: float, momentum: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["betas"] = (momentum, group["betas"][1])


# ------------------------------------------------------------------------------------------ the parts


def drop_categories(x_cat: Tensor, share: float) -> Tensor:
    """Codes (B, n_cat), changed in place: a share becomes the unknown code, so that its embedding is trained."""
    n = round(share * x_cat.numel())
    if n:
        x_cat.view(-1)[torch.randint(x_cat.numel(), (n,), device=x_cat.device)] = UNKNOWN
    return x_cat


def loss_of(outputs: Tensor, y: Tensor, settings: Train) -> Tensor:
    """The mean loss of outputs (B,), or (B, heads), for y (B,) on the log scale.

    `rmspe` is the squared percentage error itself, (exp(output − y) − 1)², with the log error held within ±1 so that
    an early step cannot explode.
    """
    if outputs.ndim == 2:
        y = y.unsqueeze(1).expand_as(outputs)
    match settings.loss:
        case "mse":
            return F.mse_loss(outputs, y)
        case "huber":
            return F.huber_loss(outputs, y, delta=settings.huber_delta)
        case "rmspe":
            return torch.expm1((outputs - y).clamp(-1, 1)).square().mean()
        case "pinball":
            above = y - outputs
            return torch.maximum(settings.quantile * above, (settings.quantile - 1) * above).mean()


def uses_bfloat16(settings: Train) -> bool:
    """Whether training multiplies matrices in bfloat16. *auto*: only where the processor has instructions for it.

    Emulated, it is many times slower than float32.
    """
    if settings.precision != "auto":
        return settings.precision == "bfloat16"
    if settings.device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def device_of(settings: Train) -> torch.device:
    """Where to train. Raises `ConfigError` for a graphics card that is not there."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.device: torch sees no CUDA device here", hint="set train.device: cpu")
    return torch.device(settings.device)


class DateEffects:
    """A random effect of each training date: what its rows have in common that the network does not say (yet).

    All series of a date share its weather, a strike, the news. Least squares takes a date's n rows for n independent
    witnesses, so a network soon remembers single dates. Generalised least squares for y = f(x) + u[date] + e weighs a
    date's mean error by 1 / (var u + var e / n) instead of n / var e. To that end u follows the mean error of its date
    (an exponential average over rows), and `share` of what it is above the mean of the dates around is taken out of
    what the network is to learn: what is common to a date is learned 1 − share as fast as what tells its rows apart,
    or the weeks. A forecast has no such effect.
    """

    def __init__(self, n_dates: int, share: float, device: torch.device | str = "cpu") -> None:
        self.share = share
        self.values = torch.zeros(n_dates, device=device)

    def of(self, date: Tensor) -> Tensor:
        """What is taken out of y, float32 (B,)."""
        around = F.avg_pool1d(self.values[None], 2 * DATE_SPAN + 1, 1, DATE_SPAN, count_include_pad=False)[0]
        return self.share * (self.values - around)[date]

    @torch.no_grad()
    def update(self, date: Tensor, errors: Tensor) -> None:
        """Moves the effects of these rows' dates towards their mean errors y − f(x), float32 (B,)."""
        n = torch.zeros_like(self.values).index_add_(0, date, torch.ones_like(errors))
        total = torch.zeros_like(self.values).index_add_(0, date, errors)
        self.values += (1 - (1 - DATE_RATE) ** n) * (total / n.clamp(min=1) - self.values)


class Average:
    """An exponential moving average of a model's weights and buffers, started at the first update's values."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.n_updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves towards `model`; early on by more than 1 − decay, so that the first steps are soon forgotten."""
        self.n_updates += 1
        rate = max(1 - self.decay, 1 / self.n_updates)
        pairs = [(a, b) for a, b in zip(_state(self.model), _state(model), strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], rate)


def _state(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def predict_log(model: nn.Module, data: Dataset) -> NDArray[np.float32]:
    """The model's outputs for all rows, float32 (n,), in evaluation mode."""
    was_training = model.training
    if was_training:  # of a small network, setting the mode of every layer takes longer than a row
        model.eval()
    with torch.inference_mode():
        rows = range(0, len(data), PREDICT_ROWS)
        parts = [model(data.x_cat[i : i + PREDICT_ROWS], data.x_cont[i : i + PREDICT_ROWS]) for i in rows]
    if was_training:
        model.train()
    if not parts:
        return np.empty(0, dtype="float32")
    result: NDArray[np.float32] = (torch.cat(parts) + data.base).cpu().numpy()
    return result


def get_weights(model: nn.Module) -> Weights:
    """A copy of the state as arrays."""
    return {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()}


def load_model(spec: ModelSpec, weights: Mapping[str, NDArray[Any]]) -> TabularMLP:
    """The network with these weights, in evaluation mode."""
    model = TabularMLP(spec)
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return model.eval()


# ------------------------------------------------------------------------------------------- the loop


class Trainer:
    """One model being trained, on the device of its data.

    `fit` runs the epochs; the state can be taken out and put back between them.
    """

    def __init__(self, spec: ModelSpec, settings: Train, data: Dataset, seed: int) -> None:
        torch.manual_seed(epoch_seed(seed, 0))
        self.settings, self.seed, self.device = settings, seed, data.x_cat.device
        self.model = TabularMLP(spec).to(self.device)
        self.optimizer = make_optimizer(self.model, settings)
        self.average = Average(self.model, settings.average) if settings.average else None
        n_dates = int(data.date.max()) + 1 if len(data.date) else 0
        use_dates = settings.date_effect and n_dates and settings.loss != "pinball"
        self.dates = DateEffects(n_dates, settings.date_effect, self.device) if use_dates else None
        self.n_steps = n_batches(len(data), settings.batch_size)
        self.bfloat16 = uses_bfloat16(settings)
        self.best: Weights = {}

    @property
    def evaluated(self) -> nn.Module:
        return self.average.model if self.average else self.model

    def run_epoch(self, data: Dataset, epoch: int, on_step: Callable[[int, int], None]) -> float:
        """One pass over the rows; returns the mean loss, in squared log units. All randomness is of (seed, epoch)."""
        settings, total = self.settings, self.settings.epochs * self.n_steps
        torch.manual_seed(epoch_seed(self.seed, epoch))
        self.model.train()
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        for i, batch in enumerate(data.batches(settings.batch_size, self.seed, epoch)):
            step = (epoch - 1) * self.n_steps + i
            _set_step(self.optimizer, *schedule(settings, step, total))
            loss_sum += self.loss_with_gradient(batch)
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_([g["params"][0] for g in self.optimizer.param_groups], settings.clip_norm)
            self.optimizer.step()
            if self.average is not None:
                self.average.update(self.model)
            on_step(step + 1, total)
        mean = float(loss_sum) / self.n_steps
        if not math.isfinite(mean):
            raise ConfigError(
                f"training diverged in epoch {epoch}: the loss is not finite",
                hint=f"lower train.lr (it is {settings.lr:g}; `tabcli lr-find` suggests one) or set train.clip_norm",
            )
        return mean

    def loss_with_gradient(self, batch: Batch) -> Tensor:
        """The mean loss of a batch; its gradient is where the optimiser looks for it."""
        alpha = self.settings.mixup
        mix = unmixed if alpha is None else Mix(float(torch.distributions.Beta(alpha, alpha).sample()))
        with torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext():
            outputs = self.model(drop_categories(batch.x_cat, self.settings.category_dropout), batch.x_cont, mix)
        y = mix(batch.y - batch.base)
        if self.dates is not None:
            y_given_date = y - self.dates.of(batch.date)
            self.dates.update(batch.date, y - (outputs if outputs.ndim == 1 else outputs.mean(1)).detach())
            y = y_given_date
        loss = loss_of(outputs, y, self.settings)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def state(self) -> Weights:
        """All tensors of model, optimiser, average and best weights, under prefixed names."""
        tensors = {f"model/{k}": v for k, v in get_weights(self.model).items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{i}/{k}": v.cpu().numpy().copy() for k, v in state.items()}
        if self.average is not None:
            tensors |= {f"average/{k}": v for k, v in get_weights(self.average.model).items()}
            tensors["n_updates"] = np.array(self.average.n_updates)
        if self.dates is not None:
            tensors["date_effects"] = self.dates.values.cpu().numpy().copy()
        return tensors | {f"best/{k}": v for k, v in self.best.items()}

    def restore(self, tensors: Weights) -> None:
        """Puts back what `state` gave."""

        def below(prefix: str) -> dict[str, Tensor]:
            start = f"{prefix}/"
            return {k.removeprefix(start): torch.from_numpy(v) for k, v in tensors.items() if k.startswith(start)}

        self.model.load_state_dict(below("model"))
        saved = self.optimizer.state_dict()
        for name, value in below("optimizer").items():
            index, key = name.split("/")
            saved["state"].setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(saved)
        if self.average is not None:
            self.average.model.load_state_dict(below("average"))
            self.average.n_updates = int(tensors["n_updates"])
        if self.dates is not None:
            self.dates.values = torch.from_numpy(tensors["date_effects"].copy()).to(self.device)
        self.best = {k: v.numpy() for k, v in below("best").items()}


def fit(
    spec: ModelSpec,
    settings: Train,
    train: Dataset,
    valid: Dataset,
    *,
    score: Score,
    by: str = "valid_rmspe",
    seed: int,
    stop_after: int | None = None,
    callbacks: Callbacks | None = None,
    resume: Checkpoint | None = None,
) -> Fit:
    """Trains, and keeps the weights of the epoch whose `score(outputs)[by]` was lowest, or the last.

    `stop_after` ends the schedule early, after that epoch.

    `score` takes the outputs for the validation rows, float32 (n,), and returns metrics for the record. The same
    versions, thread count, seed and data give the same bits, resumed or not. Raises `ConfigError` on divergence.
    """
    callbacks = callbacks or Callbacks()
    callbacks.on_model(describe(spec))
    train, valid = (data.to(device_of(settings)) for data in (train, valid))
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(spec, settings, train, seed)
        done = resume or Checkpoint(0, {})
        if resume is not None:
            trainer.restore(resume.tensors)
        history, best_epoch = list(done.history), done.best_epoch
        best = min((r[by] for r in history), default=math.inf)
        for epoch in range(done.epoch + 1, (stop_after or settings.epochs) + 1):
            if settings.patience is not None and best_epoch and epoch - 1 - best_epoch >= settings.patience:
                break
            started = time.perf_counter()
            loss = trainer.run_epoch(train, epoch, callbacks.on_step)
            lr, _ = schedule(settings, epoch * trainer.n_steps - 1, settings.epochs * trainer.n_steps)
            scores = score(predict_log(trainer.evaluated, valid))
            record: Record = {"epoch": epoch, "lr": lr, "train_loss": loss, **scores, "by": by}
            record["seconds"] = round(time.perf_counter() - started, 3)
            history.append(record)
            if record[by] < best or settings.keep == "last":
                best, best_epoch, trainer.best = record[by], epoch, get_weights(trainer.evaluated)
            callbacks.on_epoch(record)
            if callbacks.on_checkpoint is not None:
                callbacks.on_checkpoint(Checkpoint(epoch, trainer.state(), history, best_epoch))
    if not best_epoch:
        metric = by.removeprefix("valid_").upper()
        raise ConfigError(f"no epoch gave a finite validation {metric}", hint="lower train.lr")
    return Fit(trainer.best, best_epoch, history)


# ----------------------------------------------------------------------------------- learning rates


@dataclass(frozen=True)
class LRFind:
    """Learning rates tried, the smoothed loss at each, and the suggestion."""

    lrs: list[float]
    losses: list[float]
    suggestion: float


def valley(losses: list[float]) -> int:
    """fastai's `valley` rule: a point half-way into the second third of the longest decreasing run of losses."""
    n = len(losses)
    lengths = [1] * n
    for i in range(1, n):
        lengths[i] = max([lengths[j] + 1 for j in range(i) if losses[i] < losses[j]], default=1)
    end = int(np.argmax(lengths))
    start = end - lengths[end]
    third = (end - start) / 3
    return max(0, start + int(third) + int(third / 2))


def lr_find(
    spec: ModelSpec,
    settings: Train,
    train: Dataset,
    *,
    seed: int,
    steps: int = 100,
    low: float = 1e-7,
    high: float = 10.0,
) -> LRFind:
    """Raises the learning rate exponentially, one batch at each, until the smoothed loss passes 4 times its best."""
    lrs: list[float] = []
    losses: list[float] = []
    smooth, best = 0.0, math.inf
    with torch.random.fork_rng(devices=[]):
        train = train.to(device_of(settings))
        trainer = Trainer(spec, settings, train, seed)
        trainer.model.train()
        epoch = 0
        while len(lrs) < steps:
            epoch += 1
            for batch in train.batches(settings.batch_size, seed, epoch):
                lr = low * (high / low) ** (len(lrs) / (steps - 1))
                _set_step(trainer.optimizer, lr, settings.momentum[0])
                loss = trainer.loss_with_gradient(batch)
                trainer.optimizer.step()
                smooth = 0.98 * smooth + 0.02 * loss.item()
                lrs.append(lr)
                losses.append(smooth / (1 - 0.98 ** len(lrs)))
                best = min(best, losses[-1])
                if len(lrs) == steps or not math.isfinite(losses[-1]) or losses[-1] > 4 * best:
                    kept = [x for x in losses if math.isfinite(x)]
                    return LRFind(lrs[: len(kept)], kept, lrs[valley(kept)])
    raise AssertionError("unreachable: the loop returns after `steps` batches")
