"""The training loop: optimise, evaluate, average, stop early. Reports through callbacks and writes nothing."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tabcli.arrays import AnyArray
from tabcli.artifacts.contents import Weights
from tabcli.artifacts.records import EpochRecord
from tabcli.config.learning import Train
from tabcli.errors import ConfigError, UsageError
from tabcli.preprocessing.categorical import UNKNOWN
from tabcli.training.dataset import Batch, Dataset, TrainingRows, epoch_seed, n_batches
from tabcli.training.group import ALONE, Group, rows_of_rank
from tabcli.training.network import Mix, ModelSpec, TabularMLP, describe, no_mixup
from tabcli.training.optimizer import averaged_copy, make_optimizer, schedule, set_step

Score = Callable[[NDArray[np.floating]], dict[str, float]]

PREDICT_ROWS = 2048  # activations that stay in the cache


@dataclass(frozen=True)
class FitResult:
    """The weights of the best epoch, that epoch's number (from 1), and a record per epoch."""

    weights: Weights
    best_epoch: int
    epochs: list[EpochRecord]


@dataclass
class Checkpoint:
    """All that a training needs to go on as if it had never stopped, after `epoch` epochs."""

    epoch: int
    tensors: Weights
    epochs: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0


@dataclass(frozen=True)
class Callbacks:
    """What is called during a training.

    `on_model(text)`: before the first epoch, the network as text. `on_step(done, total)`: after each batch, how many of
    all are done. `on_epoch(record)`, `on_checkpoint(checkpoint)`: after each epoch.
    """

    on_model: Callable[[str], None] = lambda text: None
    on_step: Callable[[int, int], None] = lambda done, total: None
    on_epoch: Callable[[EpochRecord], None] = lambda record: None
    on_checkpoint: Callable[[Checkpoint], None] | None = None


# ------------------------------------------------------------------------------------------ the parts


def mask_categories(x_cat: Tensor, share: float) -> Tensor:
    """Codes (B, n_cat), changed in place: a share becomes the unknown code, so that its embedding is trained."""
    n = round(share * x_cat.numel())
    if n:
        x_cat.view(-1)[torch.randint(x_cat.numel(), (n,), device=x_cat.device)] = UNKNOWN
    return x_cat


def loss_of(outputs: Tensor, y: Tensor, settings: Train, bound: Tensor | None = None) -> Tensor:
    """The mean loss of outputs (B,), or (B, heads), for y (B,), all on the learned scale.

    `rmspe` is the squared percentage error itself, (exp(output − y) − 1)², for a target learned as its log; the log
    error is held within ±1 so that an early step cannot explode.

    `bound`: where y is a lower bound, bool (B,): learned is what the target is expected to be above it; with *pinball*
    an output above it costs nothing.
    """
    if outputs.ndim == 2:
        y = y.unsqueeze(1).expand_as(outputs)
    if bound is not None:
        bound = bound.unsqueeze(1).expand_as(outputs) if outputs.ndim == 2 else bound
        made = outputs.detach()
        y = torch.where(bound, torch.maximum(y, made), y) if settings.loss == "pinball" else _expected(made, y, bound)
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


def _expected(outputs: Tensor, y: Tensor, bound: Tensor) -> Tensor:
    """What is learned of rows (B,) whose y is a bound: the mean of a normal target that is known to be above it.

    Around the output, with the standard deviation of the batch's other errors; so the squared error's gradient is that
    of the likelihood of a censored regression (Tobin 1958), by the steps of expectation and maximisation.
    """
    errors = (outputs - y)[~bound]
    spread = errors.square().mean().sqrt().clamp(min=1e-4) if errors.numel() else torch.ones_like(y[:1]).mean()
    below = ((y - outputs) / spread).clamp(max=6.0)  # beyond, the ratio of two numbers near 0
    hazard = torch.exp(-below.square() / 2) * math.sqrt(2 / math.pi) / torch.erfc(below / math.sqrt(2))
    return torch.where(bound, torch.maximum(outputs + spread * hazard, y), y)


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


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes in one thread within the block, and in as many as before after it.

    A step of such a network takes a few milliseconds: threads that share it wait for each other more than they gain
    (`benchmarks/threads.py`), and its bits would depend on how many they are.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict_outputs(model: nn.Module, data: Dataset) -> NDArray[np.float32]:
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


def load_model(spec: ModelSpec, weights: Mapping[str, AnyArray]) -> TabularMLP:
    """The network with these weights, in evaluation mode."""
    model = TabularMLP(spec)
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return model.eval()


# ------------------------------------------------------------------------------------------- the loop


class Trainer:
    """One network in training, on the device of its data. Between epochs its state can be taken out and put back.

    `group`: the ranks that train it together; each has a trainer, all rows, and from step to step the same weights.
    """

    def __init__(self, spec: ModelSpec, settings: Train, data: TrainingRows, seed: int, group: Group = ALONE) -> None:
        torch.manual_seed(epoch_seed(seed, 0))
        self.settings, self.seed, self.device, self.group = settings, seed, data.device, group
        self.model = TabularMLP(spec).to(self.device)
        self.optimizer = make_optimizer(self.model, settings)
        self.average = averaged_copy(self.model, settings.average) if settings.average else None
        if len(data) < group.size:
            raise UsageError(f"--nproc {group.size}: there are only {len(data)} rows to learn from")
        self.n_rows = rows_of_rank(settings.batch_size, group.size)
        self.n_steps = n_batches(len(data), self.n_rows * group.size)
        self.bfloat16 = uses_bfloat16(settings)
        self.best: Weights = {}

    @property
    def evaluated(self) -> nn.Module:
        """The network that is scored and kept: the averaged one, if weights are averaged."""
        return self.model if self.average is None else self.average.module

    def run_epoch(self, data: TrainingRows, epoch: int, on_step: Callable[[int, int], None]) -> float:
        """One pass over the rows; returns the mean over the batches of `train.loss`. Seed and epoch decide all draws.

        Raises `ConfigError` where the loss is not finite.
        """
        settings, total = self.settings, self.settings.epochs * self.n_steps
        torch.manual_seed(epoch_seed(self.seed, epoch, self.group.rank))
        self.model.train()
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        batches = data.batches(self.n_rows, self.seed, epoch, self.group.rank, self.group.size)
        for i, batch in enumerate(batches):
            step = (epoch - 1) * self.n_steps + i
            set_step(self.optimizer, *schedule(settings, step, total))
            loss_sum += self.loss_with_gradient(batch)
            flat = [g["params"][0] for g in self.optimizer.param_groups]
            self.group.average([parameter.grad for parameter in flat if parameter.grad is not None])
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(flat, settings.clip_norm)
            self.optimizer.step()
            if self.average is not None:
                self.average.update_parameters(self.model)
            on_step(step + 1, total)
        self.group.average([loss_sum, *self._running()])
        mean = float(loss_sum) / self.n_steps
        if not math.isfinite(mean):
            raise ConfigError(
                f"training diverged in epoch {epoch}: the loss is not finite",
                hint=f"lower train.lr (it is {settings.lr:g}; `tabcli lr-find` suggests one) or set train.clip_norm",
            )
        return mean

    def _running(self) -> list[Tensor]:
        """The running statistics of batch norm, which each rank takes from its own rows; averaged ones included."""
        networks = [self.model] if self.average is None else [self.model, self.average.module]
        return [b for network in networks for b in network.buffers() if b.is_floating_point()]

    def loss_with_gradient(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, a scalar; its gradient is left in the parameters' `grad`."""
        alpha = self.settings.mixup
        mix = no_mixup if alpha is None else Mix(float(torch.distributions.Beta(alpha, alpha).sample()))
        with torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext():
            outputs = self.model(mask_categories(batch.x_cat, self.settings.category_dropout), batch.x_cont, mix)
        bound = batch.bound
        if bound is not None and isinstance(mix, Mix) and mix.share < 0.5:
            bound = bound.roll(1, 0)  # a mixture is what most of it is
        loss = loss_of(outputs, mix(batch.y - batch.base), self.settings, bound)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def state(self) -> Weights:
        """All tensors of model, optimiser, average and best weights, under prefixed names."""
        tensors = {f"model/{k}": v for k, v in get_weights(self.model).items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{i}/{k}": v.cpu().numpy().copy() for k, v in state.items()}
        if self.average is not None:
            tensors |= {f"average/{k}": v for k, v in get_weights(self.average.module).items()}
            tensors["n_updates"] = self.average.n_averaged.numpy().copy()
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
            self.average.module.load_state_dict(below("average"))
            self.average.n_averaged.fill_(int(tensors["n_updates"]))
        self.best = {k: v.numpy() for k, v in below("best").items()}


def fit(
    spec: ModelSpec,
    settings: Train,
    train: TrainingRows,
    valid: Dataset,
    *,
    score: Score,
    by: str = "valid_rmspe",
    seed: int,
    stop_after: int | None = None,
    callbacks: Callbacks | None = None,
    resume: Checkpoint | None = None,
    group: Group = ALONE,
) -> FitResult:
    """Trains a network, and keeps the weights of the epoch whose `score(outputs)[by]` was lowest, or of the last one.

    `score`: outputs for the rows of `valid`, float32 (n,) → metrics for the record. `stop_after`: end after that epoch,
    whatever the schedule has left. `resume`: go on from there. `group`: the ranks that train it together, each by a
    call of this function; the first one scores and calls back, and its result alone has all scores. The same versions,
    threads of torch, seed, data and number of ranks give the same bits, resumed or not. Raises `ConfigError` where the
    training diverges, `UsageError` where there are fewer rows than ranks.
    """
    callbacks = callbacks or Callbacks()
    callbacks.on_model(describe(spec))
    train, valid = train.to(device_of(settings)), valid.to(device_of(settings))
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(spec, settings, train, seed, group)
        done = resume or Checkpoint(0, {})
        if resume is not None:
            trainer.restore(resume.tensors)
        epochs, best_epoch = list(done.epochs), done.best_epoch
        best = min((record.score for record in epochs), default=math.inf)
        for epoch in range(done.epoch + 1, (stop_after or settings.epochs) + 1):
            if settings.patience is not None and best_epoch and epoch - 1 - best_epoch >= settings.patience:
                break
            started = time.perf_counter()
            loss = trainer.run_epoch(train, epoch, callbacks.on_step)
            lr, _ = schedule(settings, epoch * trainer.n_steps - 1, settings.epochs * trainer.n_steps)
            scores = _scores(trainer, valid, score, by)
            record = EpochRecord(epoch, lr, loss, scores, by, round(time.perf_counter() - started, 3))
            epochs.append(record)
            if record.score < best or settings.keep == "last":
                best, best_epoch, trainer.best = record.score, epoch, get_weights(trainer.evaluated)
            if not group.is_first:
                continue
            callbacks.on_epoch(record)
            if callbacks.on_checkpoint is not None:
                callbacks.on_checkpoint(Checkpoint(epoch, trainer.state(), epochs, best_epoch))
    if not best_epoch:
        metric = by.removeprefix("valid_").upper()
        raise ConfigError(f"no epoch gave a finite validation {metric}", hint="lower train.lr")
    return FitResult(trainer.best, best_epoch, epochs)


def _scores(trainer: Trainer, valid: Dataset, score: Score, by: str) -> dict[str, float]:
    """What an epoch reached on the scored rows; on ranks other than the first one no more than the score `by`."""
    scores = {by: math.nan}
    if trainer.group.is_first:
        outputs = predict_outputs(trainer.evaluated, valid)
        same_loss = float(loss_of(torch.from_numpy(outputs), valid.y.cpu(), trainer.settings))
        scores = {**score(outputs), "valid_loss": same_loss}
    told = torch.tensor(scores[by], dtype=torch.float64, device=trainer.device)
    trainer.group.of_first(told)
    return {**scores, by: float(told)}
