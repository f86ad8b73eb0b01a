"""The training loop: its schedule, its optimiser, what it keeps, and that nothing but seed and data matters."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from tabcli.artifacts.records import EpochRecord
from tabcli.config import learning
from tabcli.config.learning import Train
from tabcli.config.schema import PRESETS
from tabcli.errors import ConfigError
from tabcli.training.dataset import Batch, Dataset
from tabcli.training.loop import (
    Callbacks,
    Checkpoint,
    FitResult,
    Trainer,
    fit,
    get_weights,
    load_model,
    predict_outputs,
)
from tabcli.training.lr_find import lr_find, valley
from tabcli.training.network import Mix, ModelSpec, TabularMLP, spec_of
from tabcli.training.optimizer import averaged_copy, make_optimizer, schedule

N_GROUPS = 12


def make_data(n: int, seed: int) -> Dataset:
    """A log target that is a level per group plus a slope: learnable to the last bit of noise (std 0.05)."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(2, 2 + N_GROUPS, (n, 2)).astype("int32")
    x = rng.normal(size=(n, 2)).astype("float32")
    y = 8 + np.sin(codes[:, 0]) + 0.3 * x[:, 0] + rng.normal(0, 0.05, n)
    tensors = [torch.from_numpy(a) for a in (codes, x, y.astype("float32"))]
    return Dataset(*tensors, torch.zeros(n))


TRAIN, VALID = make_data(2000, 0), make_data(400, 1)


def score(outputs: NDArray[np.float32]) -> dict[str, float]:
    actual = np.exp(VALID.y.numpy().astype("float64"))
    ratio = np.exp(outputs.astype("float64")) / actual
    return {"valid_rmspe": float(np.sqrt(np.mean((ratio - 1) ** 2)))}


def make_spec(**model: Any) -> ModelSpec:
    sizes = {"shop": N_GROUPS + 2, "other": N_GROUPS + 2}
    options = learning.Model.model_validate({"layers": [16, 8], **model})
    return spec_of(options, sizes, (2, 0), (8.0, 0.8, 10.0), ("shop",))


def make_settings(**train: Any) -> Train:
    return Train.model_validate({"epochs": 4, "batch_size": 64, "lr": 0.01, **train})


def run(options: dict[str, Any] | None = None, spec: ModelSpec | None = None, seed: int = 3, **rest: Any) -> FitResult:
    return fit(
        spec or make_spec(),
        make_settings(**(options or {})),
        TRAIN,
        VALID,
        score=rest.pop("score", score),
        seed=seed,
        **rest,
    )


def same(one: FitResult, other: FitResult) -> bool:
    def stripped(records: list[EpochRecord]) -> list[EpochRecord]:
        return [replace(r, seconds=0.0) for r in records]

    equal = all(np.array_equal(one.weights[k], other.weights[k]) for k in one.weights)
    return equal and one.best_epoch == other.best_epoch and stripped(one.epochs) == stripped(other.epochs)


# ------------------------------------------------------------------------------------------ schedule


def test_one_cycle_is_fastai_s() -> None:
    """fit_one_cycle(lr, div=25, div_final=1e5, pct_start=.25, moms=(.95, .85, .95)), at its corners and between."""
    made = make_settings(**{**PRESETS["lesson6"]["train"], "lr": 3e-3})
    n = 401
    rates = [schedule(made, i, n) for i in range(n)]
    assert rates[0] == pytest.approx((3e-3 / 25, 0.95))
    assert rates[50] == pytest.approx(((3e-3 + 3e-3 / 25) / 2, 0.9))
    assert rates[100] == pytest.approx((3e-3, 0.85))
    assert rates[250] == pytest.approx(((3e-3 + 3e-3 / 1e5) / 2, 0.9))
    assert rates[400] == pytest.approx((3e-3 / 1e5, 0.95))


def test_one_cycle_against_torch_s_own() -> None:
    made = make_settings(warmup=0.3, lr=0.02)
    n = 101
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=0.02, betas=(0.95, 0.99))
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.02, total_steps=n, pct_start=0.31, div_factor=25, final_div_factor=1e5 / 25
    )
    for i in range(n):
        lr, momentum = schedule(made, i, n)
        # torch's peak is at step pct_start · n − 1, the same step 30 of 101 as ours.
        assert lr == pytest.approx(optimizer.param_groups[0]["lr"], rel=0.02)
        assert momentum == pytest.approx(optimizer.param_groups[0]["betas"][0], rel=0.01)
        optimizer.step()
        if i < n - 1:
            oracle.step()


@given(n=st.integers(1, 300), warmup=st.floats(0, 0.9), kind=st.sampled_from(["one_cycle", "cosine"]))
def test_any_schedule_stays_positive_rises_then_falls(n: int, warmup: float, kind: str) -> None:
    made = make_settings(warmup=warmup, schedule=kind, lr=1.0)
    rates = [schedule(made, i, n)[0] for i in range(n)]
    momenta = [schedule(made, i, n)[1] for i in range(n)]
    assert all(-1e-12 <= r <= 1 for r in rates)
    assert all(0.85 - 1e-9 <= m <= 0.95 + 1e-9 for m in momenta)
    top = int(np.argmax(rates))
    assert (np.diff(rates[: top + 1]) >= -1e-12).all()
    assert (np.diff(rates[top:]) <= 1e-12).all()
    if kind == "cosine":
        assert set(momenta) == {0.95}


# ----------------------------------------------------------------------------------------- optimiser


@pytest.mark.parametrize("decay_embeddings", [False, True])
def test_weight_decay_is_on_the_matrices_of_the_layers(decay_embeddings: bool) -> None:
    model = TabularMLP(make_spec(batch_norm=True, continuous_batch_norm=True))
    optimizer = make_optimizer(model, make_settings(weight_decay=0.3, lr=0.1, decay_embeddings=decay_embeddings))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    optimizer.step()  # with gradients of zero
    decayed = {n for n, p in model.named_parameters() if torch.allclose(p, torch.tensor(1 - 0.1 * 0.3))}
    assert decayed | {n for n, p in model.named_parameters() if (p == 1).all()} == {
        n for n, _ in model.named_parameters()
    }
    expected = {"blocks.0.weight", "blocks.3.weight", "head.weight", "series_heads.0"}
    assert decayed == (expected | {"embeddings.weights"} if decay_embeddings else expected)


def test_one_step_is_adamw_s_formula() -> None:
    """One step from zero moments moves each weight by lr · sign(gradient) and, where decayed, shrinks it by lr · wd."""
    torch.manual_seed(0)
    model = TabularMLP(make_spec())
    optimizer = make_optimizer(model, make_settings(lr=0.1, weight_decay=0.5))
    before = get_weights(model)
    (model(TRAIN.x_cat, TRAIN.x_cont) - TRAIN.y).square().mean().backward()
    gradients = {n: p.grad.numpy().copy() for n, p in model.named_parameters() if p.grad is not None}
    optimizer.step()
    after = get_weights(model)
    for name, gradient in gradients.items():
        kept = 1 - 0.1 * 0.5 if before[name].ndim == 2 and not name.startswith("embeddings") else 1.0
        large = np.abs(gradient) > 1e-4
        expected = before[name] * kept - 0.1 * np.sign(gradient)
        np.testing.assert_allclose(after[name][large], expected[large], atol=1e-4)


# --------------------------------------------------------------------------------------- the whole fit


def test_it_learns_down_to_the_noise() -> None:
    result = run({"epochs": 12})
    assert result.epochs[-1].scores["valid_rmspe"] < 0.065  # noise 0.05; a constant forecast has 0.9
    assert [r.epoch for r in result.epochs] == list(range(1, 13))


@pytest.mark.parametrize(
    "options",
    [{}, {"average": 0.99}, {"category_dropout": 0.1, "clip_norm": 0.5}, {"mixup": 0.4}],
)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(options: dict[str, Any]) -> None:
    spec = make_spec(dropout=0.1, embedding_dropout=0.1)
    one = run(options, spec)
    torch.rand(7)  # the global state before makes no difference
    assert same(one, run(options, spec))
    assert not same(one, run(options, spec, seed=4))


@pytest.mark.parametrize("model", [{}, {"kind": "tabm", "periodic": 2}, PRESETS["lesson6"]["model"]])
def test_a_step_stays_on_the_device_of_its_data(model: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """No graphics card here: torch's meta device computes nothing, but refuses to mix with tensors that lie elsewhere.

    So does a card, at the first tensor that was forgotten on the processor.
    """
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)  # which that device does not know
    meta = torch.device("meta")
    data = TRAIN.to(meta)
    spec = make_spec(**model)
    trainer = Trainer(spec, make_settings(category_dropout=0.1, average=0.9, precision="float32"), data, seed=1)
    batch = Batch(*(t[:64] for t in (data.x_cat, data.x_cont, data.base, data.y)))
    assert trainer.loss_with_gradient(batch).device == meta
    trainer.average.update_parameters(trainer.model)
    trainer.average.update_parameters(trainer.model)
    placed = [*trainer.model.parameters(), *trainer.model.buffers(), *(p.grad for p in trainer.model.parameters())]
    assert {t.device for t in placed} == {meta}


def test_a_graphics_card_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigError, match=r"train\.device: torch sees no CUDA device"):
        run({"device": "cuda"})


def test_mixup_mixes_every_number_of_a_row_with_the_same_share_of_the_row_before() -> None:
    """One layer without an activation is linear, so a mixture of rows must give the mixture of their outputs."""
    spec = make_spec(layers=[8], history="none")
    model = TabularMLP(spec).eval()
    model.blocks[1] = nn.Identity()
    with torch.no_grad():
        for vectors in model.series_heads:
            vectors.zero_()  # with them the head is a product, not linear
        x_cat, x_cont, mix = TRAIN.x_cat[:50], TRAIN.x_cont[:50], Mix(0.3)
        plain = model(x_cat, x_cont)
        torch.testing.assert_close(model(x_cat, x_cont, mix), 0.3 * plain + 0.7 * plain.roll(1), rtol=1e-5, atol=1e-5)
        assert torch.equal(mix(torch.tensor([1.0, 11.0, 21.0])), torch.tensor([14.3 + 0.7, 4.0, 14.0]))


def test_mixed_rows_mix_series_vectors_and_targets_too() -> None:
    """A series' own vector times the mixed features: by hand for two rows."""
    model = TabularMLP(make_spec(layers=[4])).eval()
    with torch.no_grad():
        model.series_heads[0].normal_()
        x_cat, x_cont, mix = TRAIN.x_cat[:2], TRAIN.x_cont[:2], Mix(0.3)
        rows = torch.cat([model.embeddings(x_cat), x_cont], dim=1)
        h = model.blocks(0.3 * rows + 0.7 * rows.flip(0))
        own = model.series_heads[0][x_cat[:, 0].long()]
        own = 0.3 * own + 0.7 * own.flip(0)
        out = (h * (model.head.weight + own)).sum(1) + model.head.bias
        torch.testing.assert_close(model(x_cat, x_cont, mix), out * model.spec.y_std + model.spec.y_mean)


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the legacy state is what must not change
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    run()
    lr_find(make_spec(), make_settings(), TRAIN, seed=1, steps=20)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("options", [{"mixup": 1.0}, {"average": 0.98}, {"patience": 2, "lr": 0.05}])
def test_resuming_after_any_epoch_gives_the_same_bits(options: dict[str, Any]) -> None:
    spec = make_spec(dropout=0.2, batch_norm=True)
    points: list[Checkpoint] = []

    def keep(point: Checkpoint) -> None:
        tensors = {k: v.copy() for k, v in point.tensors.items()}
        points.append(Checkpoint(point.epoch, tensors, list(point.epochs), point.best_epoch))

    whole = run(options, spec, callbacks=Callbacks(on_checkpoint=keep))
    assert len(points) == len(whole.epochs)
    for point in points:
        assert same(run(options, spec, resume=point), whole), f"resumed after epoch {point.epoch}"


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    """The score is made best in epoch 2: the kept weights are those whose outputs were scored then."""
    seen: list[NDArray[np.float32]] = []
    values = [0.5, 0.2, 0.4, 0.3]

    def scripted(outputs: NDArray[np.float32]) -> dict[str, float]:
        seen.append(outputs.copy())
        return {"valid_rmspe": values[len(seen) - 1]}

    result = run(score=scripted)
    assert result.best_epoch == 2
    outputs = predict_outputs(load_model(make_spec(), result.weights), VALID)
    np.testing.assert_array_equal(outputs, seen[1])
    assert not np.array_equal(outputs, seen[3])


@pytest.mark.parametrize(("patience", "stops_after"), [(1, 3), (2, 4), (3, 6), (None, 6)])
def test_patience_counts_epochs_without_a_better_score(patience: int | None, stops_after: int) -> None:
    values = iter([0.5, 0.2, 0.4, 0.3, 0.1, 0.6])
    result = run({"epochs": 6, "patience": patience}, score=lambda _: {"valid_rmspe": next(values)})
    assert len(result.epochs) == stops_after
    assert result.best_epoch == (5 if stops_after == 6 else 2)


def test_divergence_is_one_message() -> None:
    with pytest.raises(ConfigError, match="training diverged in epoch 1") as caught:
        run({"lr": 1e30, "warmup": 0.0})
    assert "lower train.lr" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="no epoch gave a finite validation RMSPE"):
        run(score=lambda _: {"valid_rmspe": math.nan})


def test_callbacks_hear_of_every_step_and_epoch() -> None:
    steps: list[tuple[int, int]] = []
    epochs: list[int] = []
    run(
        {"epochs": 2},
        callbacks=Callbacks(on_step=lambda *s: steps.append(s), on_epoch=lambda r: epochs.append(r.epoch)),
    )
    n = 2 * (2000 // 64)
    assert steps == [(i, n) for i in range(1, n + 1)]
    assert epochs == [1, 2]


# -------------------------------------------------------------------------------------------- the parts


@settings(deadline=None, max_examples=25)
@given(decay=st.floats(0.5, 0.999), n=st.integers(1, 40))
def test_the_average_equals_a_loop_over_all_states(decay: float, n: int) -> None:
    generator = torch.Generator().manual_seed(n)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = averaged_copy(model, decay)
    expected, expected_mean = torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for i in range(1, n + 1):
        with torch.no_grad():
            model[0].weight.copy_(torch.randn(2, 3, generator=generator))
        model(torch.randn(8, 3, generator=generator))  # moves the running means
        average.update_parameters(model)
        rate = max(1 - decay, 1 / i)
        expected = (1 - rate) * expected + rate * model[0].weight.double()
        expected_mean = (1 - rate) * expected_mean + rate * model[1].running_mean.double()
    torch.testing.assert_close(average.module[1].running_mean.double(), expected_mean, rtol=1e-4, atol=1e-5)
    assert int(average.module[1].num_batches_tracked) == n
    torch.testing.assert_close(average.module[0].weight.double(), expected, rtol=1e-4, atol=1e-5)
    assert not average.module.training


def test_prediction_leaves_the_mode_and_does_not_depend_on_the_rows_around() -> None:
    torch.manual_seed(0)
    model = TabularMLP(make_spec(dropout=0.5, batch_norm=True)).train()
    outputs = predict_outputs(model, VALID)
    assert model.training
    one = Dataset(VALID.x_cat[7:8], VALID.x_cont[7:8], VALID.y[7:8], VALID.base[7:8])
    np.testing.assert_allclose(predict_outputs(model, one), outputs[7:8], rtol=1e-6)
    none = Dataset(VALID.x_cat[:0], VALID.x_cont[:0], VALID.y[:0], VALID.base[:0])
    assert predict_outputs(model, none).shape == (0,)


# ---------------------------------------------------------------------------------------- learning rates


def longest_decreasing(losses: list[float]) -> int:
    """The length of the longest decreasing subsequence, by trying all of them."""
    best = 0
    for mask in range(1, 2 ** len(losses)):
        chosen = [x for i, x in enumerate(losses) if mask >> i & 1]
        if all(a > b for a, b in itertools.pairwise(chosen)):
            best = max(best, len(chosen))
    return best


@given(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=10))
def test_valley_lies_within_the_longest_descent(losses: list[float]) -> None:
    length = longest_decreasing(losses)
    found = valley(losses)
    assert 0 <= found < len(losses)
    ends = [i for i in range(len(losses)) if longest_decreasing(losses[: i + 1]) == length]
    start = ends[0] - length
    assert found == max(0, start + int(length / 3) + int(length / 6))


def test_valley_by_hand() -> None:
    assert valley([9.0] * 10 + [float(x) for x in range(30, 0, -1)] + [50.0] * 10) == 9 + 10 + 5


def test_lr_find_suggests_a_rate_at_which_training_works() -> None:
    found = lr_find(make_spec(), make_settings(), TRAIN, seed=2)
    assert len(found.lrs) == len(found.losses)
    assert found.lrs[0] == pytest.approx(1e-7)
    assert found.lrs == sorted(found.lrs)
    assert 1e-4 < found.suggestion < 1
    assert found.losses[-1] > 3 * min(found.losses), "it goes on until the loss explodes"
    result = run({"lr": found.suggestion, "epochs": 12})
    assert result.epochs[-1].scores["valid_rmspe"] < 0.1
